"""The decision rule: a total, monotone function from what was found to what is recommended.

Each treatment variant is put into one *situation* (primary × deteriorated × guardrails × health × adequate). The rows of
the rule are read from the top, the first that fits gives the outcome. Improving any of the first four inputs never makes
the outcome worse (invalid < ship none < iterate < ship); tests enumerate all situations. A registered plan keeps the
rows of its edition of the methods.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from xpbench.canonical import digest
from xpbench.plan.design import Decision
from xpbench.plan.methods import METHODS, VERDICTS

Outcome = Literal["invalid", "ship none", "iterate", "ship"]
Primary = Literal["worse", "none", "hopeless", "unclear", "small", "win"]
Guardrails = Literal["bad", "unclear", "worse", "ok"]
Health = Literal["fail", "warn", "pass"]

OUTCOMES: tuple[Outcome, ...] = ("invalid", "ship none", "iterate", "ship")
"""From worst to best."""

PRIMARY: tuple[Primary, ...] = ("worse", "none", "hopeless", "unclear", "small", "win")
GUARDRAILS: tuple[Guardrails, ...] = ("bad", "unclear", "worse", "ok")
HEALTH: tuple[Health, ...] = ("fail", "warn", "pass")


@dataclass(frozen=True, slots=True)
class Situation:
    """What was found for one treatment variant.

    Attributes:
        primary: `win`: better by the plan's test and large enough to matter; `small`: better, but too small to matter;
            `unclear`: neither better nor worse; `none`: the whole interval lies within what does not matter (from the fourth
            edition of the methods on); `hopeless`: unclear, and the lift that the plan expects would hardly win any more (only
            where the plan has a futility row); `worse`. Over several primary metrics: the best of them under
            `any_primary`, the worst under `all_primaries`.
        deteriorated: A primary or secondary metric is worse by the plan's test.
        guardrails: `ok`: all shown to be within their margin; `worse`: so they are, and one got worse within it (from the
            fourth edition on); `bad`: one is worse and not within; else `unclear`.
        health: Worst health check that counts.
        adequate: The horizon is reached and the primary metrics could be computed, and no other metric is lost (a treatment
            without a value of it). A lost metric keeps `primary` at `unclear` or below.
    """

    primary: Primary
    deteriorated: bool
    guardrails: Guardrails
    health: Health
    adequate: bool

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {k: getattr(self, k) for k in ("primary", "deteriorated", "guardrails", "health", "adequate")}


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One row of the rule.

    Attributes:
        id: `R1` …
        when: Allowed values by input; an input that is missing may have any value.
        outcome: What is recommended.
        because: One sentence for people.
    """

    id: str
    when: Mapping[str, tuple[Any, ...]]
    outcome: Outcome
    because: str

    def fits(self, situation: Situation) -> bool:
        """Whether the row speaks about this situation."""
        return all(getattr(situation, name) in allowed for name, allowed in self.when.items())

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "id": self.id,
            "when": {k: list(v) for k, v in self.when.items()},
            "outcome": self.outcome,
            "because": self.because,
        }


def rule_rows(decision: Decision, *, methods: int = METHODS) -> tuple[RuleRow, ...]:
    """The rows of the rule under a plan's decision part, in the order in which they are read.

    Args:
        decision: Of the plan.
        methods: Edition of the methods that the plan was registered under.
    """
    ended = methods >= VERDICTS
    rows = [
        RuleRow("R1", {"health": ("fail",)}, "invalid", "A health check failed, so the effects can't be trusted."),
        RuleRow("R2", {"guardrails": ("bad",)}, "ship none", "A guardrail is worse than the plan accepts."),
        RuleRow("R3", {"primary": ("worse",)}, "ship none", "The primary metric is worse than in control."),
        RuleRow(
            "R4",
            {"primary": ("win",), "deteriorated": (True,)},
            "iterate",
            "A primary metric is better, but another metric is worse: the result is mixed.",
        ),
        RuleRow(
            "R5",
            {"primary": ("win",), "guardrails": ("unclear",)},
            "iterate",
            "A primary metric is better, but a guardrail is not yet shown to be within its margin.",
        ),
    ]
    if decision.health == "no_warnings":
        rows.append(
            RuleRow(
                "R6",
                {"primary": ("win",), "health": ("warn",)},
                "iterate",
                "A primary metric is better, but a health check warns and the plan accepts no warnings.",
            )
        )
    if ended:
        rows.append(
            RuleRow(
                "R12",
                {"primary": ("win",), "guardrails": ("worse",)},
                "ship",
                "The primary metric is better by the plan's test and by enough to matter; a guardrail got worse, within what "
                "the plan accepts.",
            )
        )
    no_effect = RuleRow(
        "R13",
        {"primary": ("none",)},
        "ship none",
        "The change has no effect that matters on the primary metric: the whole interval lies within what the plan calls too "
        "small to matter.",
    )
    hopeless = RuleRow(
        "R14",
        {"primary": ("hopeless",)},
        "ship none",
        "Even if the lift is as planned, the rest of the run would hardly show it: the chance that is left is below the plan's "
        "floor.",
    )
    return (
        *rows,
        RuleRow(
            "R7",
            {"primary": ("win",)},
            "ship",
            "The primary metric is better by the plan's test and by enough to matter, no guardrail is worse than planned, "
            "and nothing deteriorated.",
        ),
        RuleRow(
            "R8",
            {"deteriorated": (True,)},
            "ship none",
            "A metric is worse, and no primary metric is better by enough to matter.",
        ),
        *((no_effect,) if ended else ()),
        *((hopeless,) if decision.futility is not None else ()),
        RuleRow(
            "R9",
            {"adequate": (False,)},
            "iterate",
            "There is not enough data yet to tell.",
        ),
        RuleRow("R10", {"primary": ("small",)}, "ship none", "The primary metric is better, but by too little to matter."),
        RuleRow("R11", {}, "ship none", "After the planned duration the primary metric is not shown to be better."),
    )


def rule_digest(decision: Decision, *, methods: int = METHODS) -> str:
    """SHA-256 of the rows, so that a memo can name the rule it was decided by."""
    return digest([row.to_dict() for row in rule_rows(decision, methods=methods)])


def apply_rule(decision: Decision, situation: Situation, *, methods: int = METHODS) -> RuleRow:
    """The first row that fits the situation."""
    return next(row for row in rule_rows(decision, methods=methods) if row.fits(situation))


def situations(*, methods: int = METHODS, gives_up: bool = False) -> Iterator[Situation]:
    """Every situation there is: 5 × 2 × 4 × 3 × 2 = 240; 4 × 2 × 3 × 3 × 2 = 144 before the fourth edition of the methods.

    A plan with a futility row (`gives_up`) has one state of the primary metric more: 288.
    """
    ended = methods >= VERDICTS
    for primary, deteriorated, guardrails, health, adequate in itertools.product(
        [p for p in PRIMARY if (ended or p != "none") and (gives_up or p != "hopeless")],
        (True, False),
        [g for g in GUARDRAILS if ended or g != "worse"],
        HEALTH,
        (False, True),
    ):
        yield Situation(primary, deteriorated, guardrails, health, adequate)


def truth_table(decision: Decision, *, methods: int = METHODS) -> list[dict[str, Any]]:
    """The complete rule, one entry per situation with the row that fires and its outcome."""
    out = []
    for situation in situations(methods=methods, gives_up=decision.futility is not None):
        row = apply_rule(decision, situation, methods=methods)
        out.append({**situation.to_dict(), "row": row.id, "outcome": row.outcome})
    return out


def combine(outcomes: Sequence[Outcome]) -> Outcome:
    """The outcome over several variants: invalid if any is, else the best of them."""
    if "invalid" in outcomes:
        return "invalid"
    return max(outcomes, key=OUTCOMES.index)
