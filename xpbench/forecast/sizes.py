"""How many units one metric needs, from a line: no plan, no data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from xpbench.errors import InputError, number_of, plain
from xpbench.outward import html as escape
from xpbench.shows import Shows
from xpbench.stats.designs import Fixed
from xpbench.stats.planning import Scenario
from xpbench.stats.planning import sample_size as units_needed

MOST_VARIANTS = 20


@dataclass(frozen=True, slots=True)
class Size(Shows):
    """Units that one metric needs; made by `xp.sample_size`.

    Attributes:
        units: Units of all variants together.
        units_per_variant: Of each variant; the shares are equal.
        variants: How many variants, control included.
        days: Days until they have come, at `daily` new units a day; None without a pace.
        weeks: The same in whole weeks, so that every weekday counts alike.
        baseline: Mean of the control; of a rate the share.
        expected: Mean of a treatment under the lift.
        lift: Change as a share of the baseline.
        effect: Change in units of the metric.
        sd: Standard deviation per unit in the control.
        is_rate: The metric is a share of units.
        power: Chance to find the change.
        alpha: Two-sided level, shared by all comparisons.
        comparisons: Treatments that are compared with control; each is planned with alpha / comparisons (Bonferroni, Holm).
        daily: New units a day.
    """

    units: int
    units_per_variant: int
    variants: int
    days: int | None
    weeks: int | None
    baseline: float
    expected: float
    lift: float | None
    effect: float
    sd: float
    is_rate: bool
    power: float
    alpha: float
    comparisons: int
    daily: float | None

    @property
    def n(self) -> int:
        """The same as `units`."""
        return self.units

    @property
    def sentence(self) -> str:
        """The answer with everything it rests on."""
        values = (
            f"a rate of {_percent(self.baseline)} that becomes {_percent(self.expected)}"
            if self.is_rate
            else f"a mean of {self.baseline:,.6g} that becomes {self.expected:,.6g} (sd {self.sd:,.6g})"
        )
        lift = f"a lift of {self.lift:+.4g}" if self.lift is None else f"a lift of {_percent(self.lift, signed=True)}"
        found = values if self.lift is None else f"{lift}, {values},"
        pace = ""
        if self.days is not None and self.weeks is not None and self.daily is not None:
            pace = (
                f" At {self.daily:,.6g} new units a day they come in {number_of(self.days, 'day')}; plan whole weeks: "
                f"{number_of(self.weeks, 'week')}."
            )
        shared = "" if self.comparisons == 1 else f", shared by {self.comparisons} comparisons"
        return (
            f"{number_of(self.units, 'unit')}, {self.units_per_variant:,} in each of {self.variants} variants, find {found} "
            f"with a chance of {_percent(self.power)}. One two-sided test at {_percent(self.alpha)}{shared}, read once at the "
            f"end.{pace}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, with the sentence."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "sentence": self.sentence}

    def __repr__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        head, _, rest = self.sentence.partition(", ")
        said = f"<p><strong>{escape(head)}</strong>, {escape(rest)}</p>"
        return f"<section class='xp-static' aria-label='Sample size'>{said}</section>"


def sample_size(
    baseline: float | None = None,
    lift: float | None = None,
    *,
    mean: float | None = None,
    sd: float | None = None,
    effect: float | None = None,
    daily: float | None = None,
    power: float = 0.8,
    alpha: float = 0.05,
    variants: int = 2,
) -> Size:
    """Units needed to find a change of a rate, or of the mean of values.

    `xp.sample_size(baseline=0.10, lift=0.10)` is about a rate of 10 % that becomes 11 %; `xp.sample_size(mean=42, sd=60,
    lift=0.05)` about values. Shares are equal and the test is read once; for anything else write a plan and ask `xp.power`.

    Args:
        baseline: Rate of the control, a share between 0 and 1.
        lift: Change as a share of the baseline, 0.1 = 10 % more, -0.1 = 10 % less; at most 1.
        mean: Instead of a rate: mean of the control's values; with `sd`.
        sd: Standard deviation per unit of these values.
        effect: Instead of a lift: change in units of the metric (of a rate: 0.01 = one percentage point).
        daily: New units a day, all variants together, for the days it takes.
        power: Chance to find the change if it is there.
        alpha: Two-sided level of the test; with several treatments each is compared at alpha / treatments.
        variants: Control and treatments together.

    Raises:
        InputError: `XPB-I04`, a value is missing or none that it could be.
        StatsError: `XPB-S01`, no number of units reaches the power.

    Source: noncentral t, the same equation as `xp.power`; equal to statsmodels for equal sds.
    """
    if (baseline is None) == (mean is None):
        value = plain("missing" if baseline is None else "given with a mean")
        raise _refused(
            "baseline", value, "The size is that of a rate, or of values", "Give baseline=0.10, or mean=42 and sd=60"
        )
    if (lift is None) == (effect is None):
        value = plain("missing" if lift is None else "given with an effect")
        raise _refused(
            "lift", value, "One change is looked for", "Give lift=0.10 for 10 % more, or effect= in the metric's units"
        )
    is_rate = baseline is not None
    if is_rate and sd is not None:
        raise _refused("sd", sd, "A rate says itself how much it varies", "Leave sd out, or give mean= for values")
    centre = _finite("baseline", baseline) if baseline is not None else _finite("mean", mean)
    if is_rate and not 0.0 < centre < 1.0:
        meant = f"; {centre:g} % is {centre / 100:g}" if 1.0 <= centre < 100.0 else ""
        raise _refused("baseline", centre, f"A rate is a share between 0 and 1{meant}", "For values give mean= and sd=")
    spread = math.sqrt(centre * (1.0 - centre)) if is_rate else _positive("sd", sd, "Values vary")
    change = _finite("lift", lift) if lift is not None else _finite("effect", effect)
    if change == 0.0:
        raise _refused(
            "lift" if lift is not None else "effect",
            change,
            "A test can't find a change that is none",
            "Give the change you look for",
        )
    if lift is not None and abs(change) > 1.0:
        raise _refused(
            "lift",
            change,
            f"A lift is a share: {change:g} is {change:.0%}; 0.05 is 5 %",
            "For a change beyond 100 % give effect=",
        )
    if lift is not None and centre == 0.0:
        raise _refused("mean", centre, "A lift is a share of the mean", "Give effect= instead of lift=")
    for name, share in (("power", power), ("alpha", alpha)):
        if not 0.0 < _finite(name, share) < 1.0:
            raise _refused(name, share, "It is a share between 0 and 1", "Leave it out, or give 0.8 and 0.05")
    if isinstance(variants, bool) or not isinstance(variants, int) or not 2 <= variants <= MOST_VARIANTS:
        raise _refused("variants", variants, f"Control and treatments are 2 to {MOST_VARIANTS}", "Count the control as well")
    if daily is not None:
        _positive("daily", daily, "New units come every day")
    absolute = change * abs(centre) if lift is not None else change
    if is_rate and not 0.0 <= centre + absolute <= 1.0:
        raise _refused(
            "lift" if lift is not None else "effect",
            change,
            f"The rate would become {centre + absolute:.4g}",
            "Give a smaller change",
        )
    scenario = Scenario(
        mean=centre, sd=spread, proportion=is_rate, scale="effect", null=0.0, alpha=alpha, sides=2,
        split=(1.0 / variants, 1.0 / variants), reduction=0.0, comparisons=variants - 1, design=Fixed(),
    )  # fmt: skip
    found = units_needed(scenario, value=absolute, target=power)
    each = max(found.n_control, found.n_treatment)
    days = None if daily is None else math.ceil(each * variants / daily)
    return Size(
        units=each * variants,
        units_per_variant=each,
        variants=variants,
        days=days,
        weeks=None if days is None else math.ceil(days / 7),
        baseline=centre,
        expected=centre + absolute,
        lift=absolute / abs(centre) if centre else None,
        effect=absolute,
        sd=spread,
        is_rate=is_rate,
        power=power,
        alpha=alpha,
        comparisons=variants - 1,
        daily=daily,
    )


def _percent(value: float, *, signed: bool = False) -> str:
    text = f"{abs(value) * 100:.4g} %"
    return ("−" if value < 0 else "+" if signed else "") + text


def _finite(name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _refused(name, value, "It is a number", "Give one, such as 0.1")
    return number


def _positive(name: str, value: Any, rule: str) -> float:
    number = _finite(name, value) if value is not None else 0.0
    if number <= 0.0:
        raise _refused(name, plain("missing") if value is None else value, rule, f"Give {name}= above 0")
    return number


def _refused(name: str, value: object, rule: str, remedy: str) -> InputError:
    return InputError("XPB-I04", name=plain(name), value=value, rule=plain(rule), remedy=plain(remedy))
