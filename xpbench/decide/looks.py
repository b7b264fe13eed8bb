"""What looking has cost: the false positives that the looks so far add to the plan's alpha."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scipy.special import ndtri

from xpbench.errors import number_of
from xpbench.plan import Plan
from xpbench.plan.design import Bayesian, Frequentist, GroupSequential
from xpbench.stats.spending import CLOSEST, crossing

FULL = 1.0 - 1e-9
"""Share of the horizon from which on the information is full."""


@dataclass(frozen=True, slots=True)
class FoundLook:
    """What one look alone found for one metric and one treatment variant.

    Attributes:
        p: p-value of the plan's design at this look.
        sign: 1 for a positive effect, -1 for a negative one, 0 for none.
        guardrail: State of a guardrail, "" for other metrics.
        matters: Whether the lift reached the smallest lift that matters; None where the plan has none.
    """

    p: float
    sign: int
    guardrail: str = ""
    matters: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"p": self.p, "sign": self.sign, "guardrail": self.guardrail, "matters": self.matters}


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the effects.

    Attributes:
        seq: Entry of the ledger.
        at: When (ISO, UTC).
        by: Who, "" where nobody was named.
        units: Exposed units then.
        planned: It was due under the plan; False for a peek.
        reason: Why, for a peek.
        last: Why this look was declared the last one, "" where it was not (group-sequential).
        findings: Of designs that are read several times: what this look alone found, by metric and variant; empty for a peek,
            None for other designs and for looks of earlier releases.
        counts: A boundary that this look crosses stays crossed: it was due, no gate had failed, and nothing that can turn a
            result was amended since.
        agent: Program that looked on behalf of a person, "" for a person.
    """

    seq: int
    at: str
    by: str
    units: int
    planned: bool
    reason: str = ""
    last: str = ""
    findings: Mapping[str, Mapping[str, FoundLook]] | None = None
    counts: bool = False
    agent: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; the later ones only where they say something, as earlier releases have not got them."""
        out: dict[str, Any] = {name: getattr(self, name) for name in ("seq", "at", "by", "units", "planned", "reason")}
        if self.agent:
            out["agent"] = self.agent
        if self.last:
            out["last"] = self.last
        if self.findings is not None:
            out["findings"] = {m: {v: f.to_dict() for v, f in found.items()} for m, found in self.findings.items()}
            out["counts"] = self.counts
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Look:
        """The inverse of `to_dict`."""
        return cls(**{**data, "findings": findings_from(data.get("findings"))})


def findings_from(data: Mapping[str, Mapping[str, Mapping[str, Any]]] | None) -> dict[str, dict[str, FoundLook]] | None:
    """The findings of a look, as they are in the ledger and in a readout."""
    return None if data is None else {m: {v: FoundLook(**f) for v, f in found.items()} for m, found in data.items()}


_LEVEL = {
    "AMENDED AFTER EFFECTS": "The plan was changed after effects were seen, so no level of false positives is promised",
    "PLANNED AFTER THE DATA": "The plan came after the data, so no level of false positives is promised",
    "PARTLY PLANNED AFTER THE DATA": "Part of the data came before the plan, so no level of false positives is promised",
    "RETROSPECTIVE": "A retrospective plan promises no level of false positives",
    "RESTARTED AFTER EFFECTS": "Effects of an earlier run were seen before this one, so no level is promised over all runs",
    "ONE OF SEVERAL PLANS": "These units' effects were seen under another plan before, so no level is promised over all plans",
}


def without_promise(cost: Cost, stamps: Sequence[str], *, is_paid: bool = False) -> Cost:
    """The cost with a sentence that promises no error level, where a stamp says that the plan can't.

    Args:
        cost: Of all looks.
        stamps: Of the readout.
        is_paid: The design has paid for several looks at data that grow, and so for no others.
    """
    said = next((_LEVEL[s] for s in stamps if s in _LEVEL), None)
    if said is None and "MORE LOOKS THAN PLANNED" in stamps and (cost.looks <= 1 or is_paid):  # as many units, and other data
        words = "Effects were read at other data or in another way as well, so no level of false positives is promised."
        return replace(cost, sentence=words)
    if said is None:
        return cost
    word = "one look" if cost.looks == 1 else f"{cost.looks} looks"
    return replace(cost, sentence=f"{said} ({word} so far).")


def closing_of(plan: Plan, looks: Sequence[Look]) -> Look | None:
    """The look that ended a group-sequential plan: the first that counts at full information, or declared the last.

    What comes in after it decides nothing: the level is spent. None where the plan has a share of it for later looks.
    """
    if isinstance(plan.model, GroupSequential) and plan.model.beyond is not None:
        return None
    return ended(plan, looks)


def ended(plan: Plan, looks: Sequence[Look]) -> Look | None:
    """The look after which a group-sequential boundary has nothing left to spend."""
    if not isinstance(plan.model, GroupSequential):
        return None
    enough = (plan.horizon.units or 0) * FULL
    return next((k for k in looks if k.counts and (k.last or (enough and k.units >= enough))), None)


def standing(plan: Plan, looks: Sequence[Look], metric: str, variant: str, p_value: float) -> tuple[FoundLook, Look] | None:
    """What earlier looks found that holds in place of this one's p-value; None where this look speaks for itself.

    A boundary once crossed stays crossed: the smallest p so far counts. After the look that ended the plan its result, or that
    of a look before it, holds whatever came in since.

    Args:
        plan: The plan.
        looks: Earlier looks, oldest first.
        metric: Key of the metric.
        variant: Key of the treatment variant.
        p_value: Of this look alone.

    Source: Jennison and Turnbull 2000, §9.3; Johari et al. 2022 (always-valid p-values).
    """
    closing = closing_of(plan, looks)
    until = looks[: looks.index(closing) + 1] if closing is not None else looks
    told = [((look.findings or {}).get(metric, {}).get(variant), look) for look in until if look.counts]
    found = [(what, look) for what, look in told if what is not None]
    if not found or math.isnan(p_value):
        return None
    smallest = min(found, key=lambda pair: pair[0].p)
    if closing is None:
        return smallest if smallest[0].p <= plan.alpha and smallest[0].p < p_value else None
    own = next((pair for pair in found if pair[1] is closing), smallest)
    crossed = smallest if smallest[0].p <= plan.alpha else own
    return FoundLook(crossed[0].p, crossed[0].sign, own[0].guardrail, own[0].matters), crossed[1]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the looks cost.

    Attributes:
        looks: Looks at effects so far, distinct numbers of units.
        peeks: Looks before they were due.
        false_positive_rate: Chance that a true null would have looked significant at one of them.
        alpha: What the plan allows.
        sentence: The same in words.
    """

    looks: int
    peeks: int
    false_positive_rate: float
    alpha: float
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def crossing_rate(sizes: Sequence[int], alpha: float) -> float:
    """Chance that a true null looks significant at one of several looks, each judged at the level of a single one.

    Args:
        sizes: Units at the looks, each once, rising.
        alpha: Two-sided level.

    Source: Armitage, McPherson, Rowe 1969 (recursive integration).
    """
    bound = -float(ndtri(alpha / 2))
    information: list[float] = []
    for share in (n / sizes[-1] for n in sizes):
        if information and share < information[-1] + CLOSEST:  # the same look, taken again
            information[-1] = share
        else:
            information.append(share)
    low, high = crossing([bound] * len(information), information, drift=0.0)
    return float(low.sum() + high.sum())


def cost_of(plan: Plan, looks: Sequence[Look]) -> Cost:
    """False positives of the looks under the plan's model.

    Anytime-valid and group-sequential intervals pay for their looks in advance (a peek outside the planned looks of a
    group-sequential plan is judged by the boundary that the spending function gives it). A fixed-horizon or Bayesian
    readout at several numbers of units rejects a true null more often: the crossing probability of the constant boundary at
    those information fractions.

    Args:
        plan: The plan.
        looks: All looks at effects, oldest first, including the one at hand.

    Source: Armitage, McPherson, Rowe 1969 (recursive integration).
    """
    alpha = plan.alpha
    peeks = sum(not look.planned for look in looks)
    sizes = sorted({look.units for look in looks if look.units > 0})
    count = len(sizes)
    if not isinstance(plan.model, (Frequentist, Bayesian)) or count <= 1:
        word = "one look" if count == 1 else f"{count} looks"
        if isinstance(plan.model, (Frequentist, Bayesian)):
            sentence = "One look: false positives stay at the planned level." if count else "No look at the effects so far."
        else:
            sentence = f"The {plan.model.kind.replace('_', '-')} interval has paid for every look in advance ({word} so far)."
            closing = closing_of(plan, looks[:-1])
            if closing is not None:
                change = looks[-1].units - closing.units
                more = f"{abs(change):,} {'more' if change >= 0 else 'fewer'}" if change else "as many"
                sentence += (
                    f" The last planned look was on {closing.at[:10]} at {number_of(closing.units, 'unit')}. "
                    f"This one has {more} units: data after the last planned look decide nothing, its result stands."
                )
        return Cost(count, peeks, alpha, alpha, sentence)
    rate = crossing_rate(sizes, alpha)
    return Cost(
        count,
        peeks,
        rate,
        alpha,
        f"With {count} looks a true null would look significant at one of them in {rate:.1%} of experiments "
        f"instead of {alpha:.1%}.",
    )
