"""What looking has cost: the false positives that the looks so far add to the plan's alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import ndtri

from xpbench.plan import Plan
from xpbench.plan.design import Bayesian, Frequentist
from xpbench.stats.spending import CLOSEST, crossing


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
    """

    seq: int
    at: str
    by: str
    units: int
    planned: bool
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


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
