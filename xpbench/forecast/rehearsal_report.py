"""What a rehearsal says: how often each decision is taken under each truth, and outcomes to show to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from xpbench.errors import DecisionError, nearest, number_of, plain, shown
from xpbench.outward import html as escape
from xpbench.shows import Shows


@dataclass(frozen=True, slots=True)
class Play:
    """One played outcome, to be shown to people before launch: what would you do?

    Attributes:
        scenario: Which truth was played.
        outcome: What the rule recommends.
        variant: What it would ship, "" otherwise.
        rows: Ids of the rows of the rule that fired.
        day: Day on which it is decided, None without dates.
        lifts: By metric and variant: lift and its interval.
    """

    scenario: str
    outcome: str
    variant: str
    rows: tuple[str, ...]
    day: float | None
    lifts: tuple[Mapping[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "scenario": self.scenario,
            "outcome": self.outcome,
            "variant": self.variant,
            "rows": list(self.rows),
            "day": self.day,
            "lifts": [dict(x) for x in self.lifts],
        }


@dataclass(frozen=True, slots=True)
class RehearsalScenario:
    """What happened over the runs of one truth.

    Attributes:
        name: `nothing happens`, `as expected`, `guardrail hurt`, or the caller's.
        lifts: True lifts by metric.
        runs: Runs done.
        ship: Share of runs that ship.
        blocked: Share in which a primary metric wins and a guardrail keeps it from shipping.
        iterate: Share that iterate.
        ship_none: Share that ship none.
        significant: Share in which some primary metric is called better or worse: power, or false positives of a null.
        days: Mean days until the decision, None without dates.
        units: Mean units until the decision.
        error: Largest Monte-Carlo standard error of the shares.
    """

    name: str
    lifts: Mapping[str, float]
    runs: int
    ship: float
    blocked: float
    iterate: float
    ship_none: float
    significant: float
    days: float | None
    units: float
    error: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__} | {"lifts": dict(self.lifts)}


@dataclass(frozen=True, slots=True)
class Rehearsal(Shows):
    """What a plan would decide on this traffic.

    Attributes:
        key: The experiment.
        plan_digest: Digest of the plan that was rehearsed.
        history_units: Units of the history.
        units: Units of one run: the horizon.
        with_replacement: The history was shorter than the horizon, so units were drawn with replacement.
        days: Days to reach the horizon by the history's own accrual; None without dates.
        mde: Smallest lift of each primary metric that is found with the planned power, from the noise of the null runs.
        false_positive_rate: Share of null runs in which a primary metric is called better or worse; None without such a run.
        alpha: What the plan allows.
        scenarios: One per truth.
        plays: Outcomes to show to people.
        omitted: Metrics that the history could not rehearse; a guardrail among them is taken as kept.
        cancelled: It was stopped early.
        seed: Derived from the plan's digest.
    """

    rows_of_frame: ClassVar[str] = "scenarios"

    key: str
    plan_digest: str
    history_units: int
    units: int
    with_replacement: bool
    days: float | None
    mde: Mapping[str, float]
    false_positive_rate: float | None
    alpha: float
    scenarios: tuple[RehearsalScenario, ...]
    plays: tuple[Play, ...]
    omitted: tuple[str, ...]
    cancelled: bool
    seed: int

    def scenario(self, name: str) -> RehearsalScenario:
        """The scenario of this name.

        Raises:
            DecisionError: `XPB-R20`, there is none; names the nearest.
        """
        for found in self.scenarios:
            if found.name == name:
                return found
        raise DecisionError(
            "XPB-R20",
            name=plain("scenario"),
            value=name,
            rule=plain("It names a scenario of the rehearsal"),
            remedy=plain(nearest(name, [s.name for s in self.scenarios])),
        )

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "key": self.key,
            "plan_digest": self.plan_digest,
            "history_units": self.history_units,
            "units": self.units,
            "with_replacement": self.with_replacement,
            "days": self.days,
            "mde": dict(self.mde),
            "false_positive_rate": self.false_positive_rate,
            "alpha": self.alpha,
            "scenarios": [s.to_dict() for s in self.scenarios],
            "plays": [p.to_dict() for p in self.plays],
            "omitted": list(self.omitted),
            "limits": list(self.limits),
            "cancelled": self.cancelled,
            "seed": self.seed,
        }

    def __repr__(self) -> str:
        lines = [f"Rehearsal({self.key}: {number_of(self.units, 'unit')} from {self.history_units:,} of the past)"]
        for s in self.scenarios:
            days = "" if s.days is None else f", {s.days:.0f} days"
            lines.append(
                f"  {s.name}: ship {s.ship:.1%}, blocked by a guardrail {s.blocked:.1%}, iterate {s.iterate:.1%}, "
                f"ship none {s.ship_none:.1%}{days} ({s.runs:,} runs, ± {s.error:.1%})"
            )
        lines += [f"  {sentence}" for sentence in self.limits]
        return "\n".join(lines)

    @property
    def limits(self) -> tuple[str, ...]:
        """What the shares do not say, a sentence each; empty where the whole plan was rehearsed."""
        out = []
        if self.omitted:
            out.append(
                f"Not rehearsed: {', '.join(map(shown, self.omitted))}. A quantile over events has no value per unit to assign "
                "again; a guardrail among these is taken as kept, so that the shares of ship are upper bounds."
            )
        if self.with_replacement:
            out.append("The history has fewer units than the horizon, so units were drawn with replacement.")
        if self.cancelled:
            out.append("It was stopped early.")
        return tuple(out)

    def _repr_html_(self) -> str:
        heads = ("If …", "ship", "blocked by a guardrail", "iterate", "ship none", "days")
        body = "".join(
            "<tr>"
            + "".join(
                f"<td>{escape(c)}</td>"
                for c in (
                    s.name,
                    *(f"{v:.1%}" for v in (s.ship, s.blocked, s.iterate, s.ship_none)),
                    "–" if s.days is None else f"{s.days:.0f}",
                )
            )
            + "</tr>"
            for s in self.scenarios
        )
        return (
            f"<section aria-label='Rehearsal'><p>{escape(self.key)}: {number_of(self.units, 'unit')} per run</p>"
            "<table style='font-variant-numeric:tabular-nums'><thead><tr>"
            + "".join(f"<th scope='col' style='text-align:left'>{h}</th>" for h in heads)
            + f"</tr></thead><tbody>{body}</tbody></table>"
            + "".join(f"<p>{escape(sentence)}</p>" for sentence in self.limits)
            + "</section>"
        )
