"""The sample ratio of counts that somebody has at hand, without a plan and without data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from xpbench.errors import InputError, nearest, number_of, plain, shown
from xpbench.health.check import CheckStatus
from xpbench.health.p_values import p_words
from xpbench.outward import html as escape
from xpbench.plan.design import HealthPolicy
from xpbench.shows import Shows
from xpbench.stats import srm as core

_POLICY = HealthPolicy()
MARKS = {"pass": "✓", "warn": "!", "fail": "✕", "not answerable": "○"}


@dataclass(frozen=True, slots=True)
class SampleRatio(Shows):
    """Whether counts fit the planned split; made by `xp.srm`.

    Attributes:
        status: `pass`, `warn`, `fail`; `not answerable` without units.
        p: p-value of the test; None without units.
        units: Units by variant.
        shares: Planned share by variant; they sum to 1.
        assumed: Whether equal shares were assumed, because no split was given.
        statistic: χ²; None for the exact test.
        method: `chi2`, or `exact` where a variant of two has an expected count below 5.
        misplaced: Units in variants with a planned share of 0: a fault whatever p says.
        missing_share: Smallest share of a variant's units that must be missing to explain the counts.
        missing_in: That variant.
    """

    rows_of_frame: ClassVar[str] = "rows"

    status: CheckStatus
    p: float | None
    units: Mapping[str, int]
    shares: Mapping[str, float]
    assumed: bool
    statistic: float | None
    method: str
    misplaced: int
    missing_share: float
    missing_in: str

    @property
    def p_value(self) -> float | None:
        """The same as `p`."""
        return self.p

    @property
    def n(self) -> int:
        """Units of all variants."""
        return sum(self.units.values())

    @property
    def sentence(self) -> str:
        """What was found, and against which shares."""
        split = "equal shares, which are assumed" if self.assumed else "the planned split"
        counts = ", ".join(f"{shown(k)[1:-1]} {v:,}" for k, v in self.units.items())
        head = f"{number_of(self.n, 'unit')} ({counts})"
        if self.p is None:
            return f"{head}: there is nothing to test yet."
        if self.misplaced:
            return (
                f"{head} do not fit {split}: {number_of(self.misplaced, 'unit is', 'units are')} in a variant without a share."
            )
        said = p_words(self.p, ".2g")
        if self.status == "pass":
            return f"{head} fit {split} ({said})."
        lacks = f"{shown(self.missing_in)[1:-1]} lacks at least {self.missing_share:.1%} of its units, or another has too many"
        if self.status == "warn":
            return f"{head} fit {split} poorly ({said}): unusual, not conclusive. If it is not chance, {lacks}."
        return f"{head} do not fit {split} ({said}): {lacks}. Don't read effects before the cause is found."

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, with the sentence and one row per variant."""
        own = {name: getattr(self, name) for name in self.__slots__}
        rows = [
            {"variant": k, "units": v, "planned_share": self.shares[k], "expected": self.shares[k] * self.n}
            for k, v in self.units.items()
        ]
        return {
            **own, "units": dict(self.units), "shares": dict(self.shares), "n": self.n, "sentence": self.sentence, "rows": rows
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"{MARKS[self.status]} Sample ratio: {self.status}. {self.sentence}"

    def _repr_html_(self) -> str:
        right = " style='text-align:right'"
        rows = "".join(
            f"<tr><td style='text-align:left' dir=auto>{escape(r['variant'])}</td><td{right}>{r['units']:,}</td>"
            f"<td{right}>{r['planned_share']:.2%}</td><td{right}>{r['expected']:,.1f}</td></tr>"
            for r in self.to_dict()["rows"]
        )
        planned = "Assumed share" if self.assumed else "Planned share"
        head = "".join(f"<th scope='col'>{h}</th>" for h in ("Variant", "Units", planned, "Expected"))
        return (
            f"<section class='xp-static' aria-label='Sample ratio'><p><strong>{MARKS[self.status]} Sample ratio: "
            f"{self.status}.</strong> {escape(self.sentence)}</p><table style='font-variant-numeric:tabular-nums'>"
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section>"
        )


def srm(
    counts: Mapping[Any, int] | Any,
    split: Mapping[Any, float] | Sequence[float] | None = None,
    *,
    alpha: float = _POLICY.srm_alpha,
    warn: float = _POLICY.srm_warn_alpha,
) -> SampleRatio:
    """Whether counts of units fit the planned split: the sample ratio check of two or more numbers.

    Pearson's χ²; the exact binomial test where one of two variants is expected to have fewer than 5 units. It is a test for
    one look: an experiment that is watched daily is read with a plan, whose health check pays for every look.

    Args:
        counts: Units by variant, such as `{"A": 6192, "B": 6288}`, or what `value_counts()` gives.
        split: Planned share by variant, in any scale, such as `{"A": 1, "B": 1}` or `[90, 10]` in the order of the counts; 0
            for a variant that should have no unit. Left out, equal shares are assumed, and the answer says so.
        alpha: It fails below this p-value; the default is that of plans.
        warn: It warns below this one.

    Raises:
        InputError: `XPB-I04`, counts or shares are none, or don't belong together.

    Source: Pearson 1900; Fabijan et al. 2019, "Diagnosing sample ratio mismatch", for the use and the level.
    """
    units = _counts(counts)
    for name, level in (("alpha", alpha), ("warn", warn)):
        if not 0.0 < level < 1.0:
            raise _refused(name, level, "A level lies between 0 and 1", "Leave it out, or give 0.001")
    shares = _shares(split, units)
    units = {k: units.get(k, 0) for k in shares}
    found = core.srm(list(units.values()), list(shares.values()))
    bound = core.bias_bound(list(units.values()), list(shares.values()))
    total = math.fsum(shares.values())
    status: CheckStatus = "pass"
    if found.misplaced:
        status = "fail"
    elif math.isnan(found.p_value):
        status = "not answerable"
    elif found.p_value < alpha:
        status = "fail"
    elif found.p_value < warn:
        status = "warn"
    return SampleRatio(
        status=status,
        p=0.0 if found.misplaced else None if math.isnan(found.p_value) else found.p_value,
        units=units,
        shares={k: v / total for k, v in shares.items()},
        assumed=split is None,
        statistic=found.statistic if math.isfinite(found.statistic) else None,
        method=found.method,
        misplaced=found.misplaced,
        missing_share=bound.missing_share,
        missing_in=list(units)[bound.variant],
    )


def _counts(counts: Any) -> dict[str, int]:
    items = counts.items() if hasattr(counts, "items") else None
    if items is None:
        raise _refused("counts", counts, "They are units by the name of the variant", 'Write them like {"A": 6192, "B": 6288}')
    out: dict[str, int] = {}
    for key, value in items:
        name = _name(key)
        whole = _number(value)
        if whole is None or whole < 0 or whole != math.floor(whole):
            raise _refused(f"The count of {name}", value, "Units are counted in whole numbers from 0 on", "Correct it")
        if name in out:
            raise _refused("counts", name, "Each variant is counted once", "Add the two counts up")
        out[name] = int(whole)
    return out


def _shares(split: Mapping[Any, float] | Sequence[float] | None, units: Mapping[str, int]) -> dict[str, float]:
    """Planned share by variant, in any scale: those of the split first, in its order."""
    given: Iterable[tuple[Any, Any]]
    if split is None:
        given = [(k, 1.0) for k in units]
    elif hasattr(split, "items"):
        given = list(split.items())
    else:
        listed = list(split)
        if len(listed) != len(units):
            raise _refused(
                "split", listed, f"It has one share for each of the {len(units)} variants", "Name them, as the counts do"
            )
        given = list(zip(units, listed, strict=True))
    shares: dict[str, float] = {}
    for key, value in given:
        share = _number(value)
        if share is None or share < 0:
            raise _refused(f"The share of {_name(key)}", value, "Shares are numbers from 0 on", "Correct it")
        shares[_name(key)] = share
    for name in units:
        if name not in shares:
            raise _refused(
                "A variant without a share", name, nearest(name, shares), "Give it a share, 0 if it should have none"
            )
    if sum(s > 0 for s in shares.values()) < 2:
        raise _refused("split", dict(shares), "At least two variants have a share above 0", "Give the counts of all variants")
    return shares


def _name(key: Any) -> str:
    return key if isinstance(key, str) else str(key)


def _number(value: Any) -> float | None:
    """A finite number; None for anything else. Truth values are none: they are not counts."""
    if isinstance(value, (bool, str, bytes)) or type(value).__name__ == "bool":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _refused(name: str, value: object, rule: str, remedy: str) -> InputError:
    return InputError("XPB-I04", name=name, value=value, rule=plain(rule), remedy=plain(remedy))
