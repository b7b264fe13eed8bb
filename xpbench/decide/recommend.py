"""What the plan's rule says about the rows: a situation for each treatment, the row of the rule that fires, one outcome."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xpbench.decide.row import Row
from xpbench.decide.rule import PRIMARY, Health, Outcome, Primary, Situation, apply_rule, combine
from xpbench.errors import shown
from xpbench.health.check import Check
from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.plan.methods import VERDICTS, WHOLE
from xpbench.shows import Shows


@dataclass(frozen=True, slots=True)
class VariantVerdict:
    """What the rule says about one treatment variant.

    Attributes:
        variant: Its key.
        situation: What was found.
        row: Id of the row of the rule that fired.
        outcome: What that row recommends.
        because: The row's sentence.
        evidence: Which metrics made the situation what it is.
    """

    variant: str
    situation: Situation
    row: str
    outcome: Outcome
    because: str
    evidence: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "variant": self.variant,
            "situation": self.situation.to_dict(),
            "row": self.row,
            "outcome": self.outcome,
            "because": self.because,
            "evidence": list(self.evidence),
        }


@dataclass(frozen=True, slots=True)
class Recommendation(Shows):
    """What the plan's rule recommends.

    Attributes:
        outcome: `ship`, `ship none`, `iterate` or `invalid`.
        variant: The variant to ship, "" otherwise.
        rows: Ids of the rows of the rule that fired, one per treatment variant.
        because: One sentence.
        variants: The verdict on each treatment variant.
    """

    outcome: Outcome
    variant: str
    rows: tuple[str, ...]
    because: str
    variants: tuple[VariantVerdict, ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "outcome": self.outcome,
            "variant": self.variant,
            "rows": list(self.rows),
            "because": self.because,
            "variants": [v.to_dict() for v in self.variants],
        }

    @property
    def sentence(self) -> str:
        """Outcome, row of the rule and reason."""
        return (
            f"{f'{self.outcome} {shown(self.variant)[1:-1]}'.strip().capitalize()} (by {', '.join(self.rows)}). {self.because}"
        )

    def __repr__(self) -> str:
        lines = [f"  {shown(v.variant)[1:-1]}: {v.outcome} by {v.row}; {'; '.join(v.evidence)}" for v in self.variants]
        return "\n".join([self.sentence, *lines])

    def _repr_html_(self) -> str:
        items = "".join(
            f"<li dir=auto>{escape(v.variant)}: {escape(v.outcome)} by {escape(v.row)}; {escape('; '.join(v.evidence))}</li>"
            for v in self.variants
        )
        return (
            f"<section class='xp-static' aria-label='Recommendation'><p>{escape(self.sentence)}</p><ul>{items}</ul></section>"
        )

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recommendation:
        """The inverse of `to_dict`."""
        return cls(
            data["outcome"],
            data["variant"],
            tuple(data["rows"]),
            data["because"],
            tuple(
                VariantVerdict(
                    v["variant"], Situation(**v["situation"]), v["row"], v["outcome"], v["because"], tuple(v["evidence"])
                )
                for v in data["variants"]
            ),
        )


def recommend(plan: Plan, rows: Sequence[Row], health: Sequence[Check], *, is_adequate: bool) -> Recommendation:
    """The outcome of the plan's rule.

    Over several treatments: a failed gate makes all invalid; of those that may ship, the one whose first primary metric has
    the largest lift in the good direction is chosen (plan order on a tie); otherwise the best outcome of any treatment.

    Args:
        plan: With the rule.
        rows: From `analyse`.
        health: From the checks.
        is_adequate: The horizon is reached.
    """
    state = health_state(health)
    verdicts = tuple(
        _verdict(plan, variant.key, [r for r in rows if r.variant == variant.key], state, is_adequate)
        for variant in plan.treatments
    )
    outcome = combine([v.outcome for v in verdicts])
    chosen = _chosen(plan, rows, [v for v in verdicts if v.outcome == outcome])
    return Recommendation(
        outcome,
        chosen.variant if outcome == "ship" else "",
        tuple(v.row for v in verdicts),
        chosen.because,
        verdicts,
    )


def health_state(health: Iterable[Check]) -> Health:
    """`fail` where a gate failed, `warn` where any check warns or fails without being a gate, else `pass`."""
    checks = list(health)
    if any(c.blocks for c in checks):
        return "fail"
    return "warn" if any(c.status in ("warn", "fail") for c in checks) else "pass"


def situation_of(plan: Plan, rows: Sequence[Row], health: Health, *, is_adequate: bool) -> tuple[Situation, tuple[str, ...]]:
    """The situation of one treatment variant from its rows, with the metrics that made it."""
    evidence: list[str] = []
    primaries = [r for r in rows if r.role == "primary"]
    states = [_primary(r, plan.decision.futility) for r in primaries]
    pick = max if plan.decision.ship_when == "any_primary" else min
    primary: Primary = pick(states, key=PRIMARY.index) if states else "unclear"
    evidence += [f"{r.metric}: {_WORDS[s]}" for r, s in zip(primaries, states, strict=True)]
    worse = [r for r in rows if r.role in ("primary", "secondary") and r.verdict == "worse"]
    evidence += [f"{r.metric}: worse" for r in worse if r.role == "secondary"]
    rails = [r for r in rows if r.role == "guardrail"]
    bad = [r for r in rails if r.guardrail == "bad"]
    unclear = [r for r in rails if r.guardrail == "unclear"]
    evidence += [f"{r.metric}: worse than accepted" for r in bad]
    evidence += [f"{r.metric}: not yet shown to be within its margin" for r in unclear]
    within = [r for r in rails if r.guardrail == "ok" and r.verdict == "worse"] if plan.methods >= VERDICTS else []
    evidence += [f"{r.metric}: worse, within what the plan accepts" for r in within]
    computed = all(is_computed(r) for r in primaries) and bool(primaries)
    lost = [r for r in rows if r.role != "guardrail" and is_lost(r)] if plan.methods >= WHOLE else []
    if lost:  # what can't be computed is not known to be unharmed, so nothing wins beside it
        primary = min(primary, "unclear", key=PRIMARY.index)
        computed = False
        evidence += [f"{r.metric}: can't be computed" for r in lost]
    return (
        Situation(
            primary,
            bool(worse),
            "bad" if bad else "unclear" if unclear else "worse" if within else "ok",
            health,
            is_adequate and computed,
        ),
        tuple(evidence),
    )


def is_computed(row: Row) -> bool:
    """Whether a row has what its test needs; a constant variant has it where noise was taken over from the other one."""
    if row.status == "separation":
        return row.ci_low is not None
    return row.status in ("ok", "unbounded_lift", "control_near_zero", "few_events")


def is_lost(row: Row) -> bool:
    """Whether a metric has no number that could have told of harm: no units with a value, no denominator, no finite mean.

    Too few events are waited for and are not lost; nor are units that all have the same value in both variants.
    """
    if row.status in ("not_enough_units", "not_finite", "zero_denominator", "cap_is_zero"):
        return True
    bad = row.effect is None or (row.effect < 0) == (row.direction == "increase")
    if row.status == "separation":
        return row.ci_low is None and bad
    return row.status == "zero_variance" and row.effect is not None and row.effect != 0.0 and bad


_WORDS: dict[Primary, str] = {
    "win": "better, and by enough to matter",
    "small": "better, but by too little to matter",
    "none": "no effect that matters",
    "hopeless": "too far from a win for the rest of the run",
    "unclear": "neither shown to be better nor worse",
    "worse": "worse",
}


def _primary(row: Row, floor: float | None) -> Primary:
    if row.verdict == "worse":
        return "worse"
    if row.verdict == "unclear":
        hopeless = floor is not None and row.chance_left is not None and row.chance_left < floor
        return "none" if row.equivalent else "hopeless" if hopeless else "unclear"
    return "win" if row.matters is not False else "none" if row.equivalent else "small"


def _verdict(plan: Plan, variant: str, rows: Sequence[Row], health: Health, is_adequate: bool) -> VariantVerdict:
    situation, evidence = situation_of(plan, rows, health, is_adequate=is_adequate)
    fired = apply_rule(plan.decision, situation, methods=plan.methods)
    return VariantVerdict(variant, situation, fired.id, fired.outcome, fired.because, evidence)


def _chosen(plan: Plan, rows: Sequence[Row], candidates: Sequence[VariantVerdict]) -> VariantVerdict:
    first = plan.metrics_with("primary")[0]
    sign = 1.0 if first.direction == "increase" else -1.0
    lifts = {r.variant: sign * (r.lift if r.lift is not None else float("-inf")) for r in rows if r.metric == first.key}
    return max(candidates, key=lambda v: lifts.get(v.variant, float("-inf")))
