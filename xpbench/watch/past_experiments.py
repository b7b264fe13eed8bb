"""What all experiments of a root add up to: what was never written down, how often people peeked, and what wins were worth."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats as distributions

from xpbench.decide.deviations import deviations_of
from xpbench.errors import XpbenchError, number_of
from xpbench.ledger import Clock, Entry, Ledger, distinct_looks, experiments, system_clock
from xpbench.ledger.clock import parse_stamp
from xpbench.ledger.first import planned_after
from xpbench.ledger.folder import LEDGER, MEMO, frozen_readout
from xpbench.ledger.knowledge import state_of_data
from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.shows import Shows
from xpbench.stats.shrinking import LiftPrior, portfolio_prior, shrunk
from xpbench.watch.contract import watch_status
from xpbench.watch.lineage import follows_of, hypothesis_of, learned_of, restarted_as
from xpbench.watch.search import Found, search
from xpbench.wording.numbers import percent

Floats = NDArray[np.float64]


SILENT_DAYS = 60
"""Days without an entry after which an experiment without a memo counts as silent."""


@dataclass(frozen=True, slots=True)
class PastOutcome:
    """Forecast and outcome of one claim of a hypothesis.

    Attributes:
        key: The experiment.
        metric: The metric of the claim.
        variant: The variant that was shipped, else the first treatment.
        direction: Which way is better.
        forecast: Expected lift, with its sign.
        lift: Lift found.
        low: Lower end of its interval, None where it is unbounded.
        high: Upper end.
        se: Standard error of the lift (that of the effect over the control's mean).
        shipped: Whether this variant was shipped.
    """

    key: str
    metric: str
    variant: str
    direction: str
    forecast: float | None
    lift: float
    low: float | None
    high: float | None
    se: float | None
    shipped: bool

    @property
    def covered(self) -> bool | None:
        """Whether the forecast lies in the interval; None where either is missing."""
        if self.forecast is None or self.low is None or self.high is None:
            return None
        return self.low <= self.forecast <= self.high

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, and `covered`."""
        return {name: getattr(self, name) for name in self.__slots__} | {"covered": self.covered}


@dataclass(frozen=True, slots=True)
class Line:
    """One experiment of the portfolio.

    Attributes:
        key: Its key.
        title: Its title.
        decision: Outcome in force, "" where there is none.
        has_memo: A memo is on record or in its folder.
        is_silent: No memo, and no entry for 60 days.
        looks: Looks at effects.
        peeks: Of these, before they were due.
        deviations: Changes of the plan by class.
        follows_rule: Whether the decision follows the rule; None without a decision.
        watch: State of the contract after shipping, "" where there is none.
        age_days: Days since registering.
        follows: Keys of the runs that came before, oldest first.
        restarted_as: Key of the run that follows, "" where there is none.
        planned_after: Stamp and dates where the plan came after the data, or looks back; "" for a pre-registered one.
        agent_looks: Looks at effects by programs on behalf of people, each state of the data once.
        hypothesis: If, then, because, in one sentence.
        learned: Why it was decided so, in the words of whoever decided; "" without a decision.
        days_to_decision: Days from registering to the first decision, None where there is none.
        peeks_by: Peeks by person, "" where nobody is named.
    """

    key: str
    title: str
    decision: str
    has_memo: bool
    is_silent: bool
    looks: int
    peeks: int
    deviations: dict[str, int]
    follows_rule: bool | None
    watch: str
    age_days: float
    follows: tuple[str, ...] = ()
    restarted_as: str = ""
    planned_after: str = ""
    agent_looks: int = 0
    hypothesis: str = ""
    learned: str = ""
    days_to_decision: float | None = None
    peeks_by: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "deviations": dict(self.deviations),
            "follows": list(self.follows),
            "peeks_by": dict(self.peeks_by),
        }


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """What the lifts of shipped variants are worth once selection is taken into account.

    Attributes:
        shipped: Shipped variants with a lift.
        experiments: Lifts the prior was estimated from.
        mean: Mean of the true lifts over all experiments, in the good direction.
        sd: Their standard deviation between experiments.
        reported: Sum of the shipped lifts as found, in the good direction.
        expected: Sum after shrinking.
        ratio: expected / reported, None where nothing was shipped.
    """

    shipped: int
    experiments: int
    mean: float
    sd: float
    reported: float
    expected: float
    ratio: float | None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Portfolio(Shows):
    """Every registered experiment of a root, and what they add up to.

    Attributes:
        root: The folder.
        lines: One per readable experiment, by key.
        broken: Folders that can't be read, with the reason.
        outcomes: Forecast against outcome, one per claim of a decided experiment.
        shrinkage: Of shipped lifts; None with fewer than 3 lifts.
        confidence: Level of the intervals.
    """

    rows_of_frame: ClassVar[str] = "lines"

    root: str
    lines: tuple[Line, ...]
    broken: tuple[tuple[str, str], ...]
    outcomes: tuple[PastOutcome, ...]
    shrinkage: Shrinkage | None
    confidence: float

    @property
    def without_memo(self) -> tuple[str, ...]:
        """Registered experiments that have no memo: the file drawer, running ones included."""
        return tuple(x.key for x in self.lines if not x.has_memo)

    @property
    def silent(self) -> tuple[str, ...]:
        """Of these, the ones without an entry for 60 days."""
        return tuple(x.key for x in self.lines if x.is_silent)

    @property
    def peeks(self) -> int:
        """Looks at effects before they were due, over all experiments."""
        return sum(x.peeks for x in self.lines)

    @property
    def peeks_by(self) -> dict[str, int]:
        """Peeks by person, most first; "" where nobody is named."""
        out: dict[str, int] = {}
        for line in self.lines:
            for who, count in line.peeks_by.items():
                out[who] = out.get(who, 0) + count
        return dict(sorted(out.items(), key=lambda pair: (-pair[1], pair[0])))

    @property
    def days_to_decision(self) -> float | None:
        """Median days from registering to the first decision; None where nothing is decided."""
        days = [x.days_to_decision for x in self.lines if x.days_to_decision is not None]
        return float(np.median(days)) if days else None

    def search(self, question: str, *, most: int = 3) -> tuple[Found, ...]:
        """The experiments that a question is about, best first: has this been tried?

        Args:
            question: In words.
            most: How many at most.
        """
        return search(self.lines, question, most=most)

    @property
    def overrides(self) -> tuple[str, ...]:
        """Decisions that differ from the rule."""
        return tuple(x.key for x in self.lines if x.follows_rule is False)

    @property
    def win_rate(self) -> tuple[float, float, float] | None:
        """Share of decided experiments that shipped, with its Wilson interval; None where nothing is decided.

        Experiments whose plan came after the data don't count: neither here nor in forecasts.

        Source: Wilson 1927.
        """
        decided = [x for x in self.lines if x.decision in ("ship", "ship none", "iterate") and not x.planned_after]
        if not decided:
            return None
        wins = sum(x.decision == "ship" for x in decided)
        found = distributions.binomtest(wins, len(decided)).proportion_ci(self.confidence, method="wilson")
        return wins / len(decided), float(found.low), float(found.high)

    @property
    def forecast_coverage(self) -> tuple[int, int]:
        """Forecasts within the interval of the outcome, of those that are known."""
        told = [o.covered for o in self.outcomes if o.covered is not None]
        return sum(told), len(told)

    @property
    def forecast_ratio(self) -> float | None:
        """Sum of the lifts found over the sum of the lifts forecast, each in the forecast's direction; 1 = calibrated."""
        pairs = [(o.forecast, o.lift) for o in self.outcomes if o.forecast]
        total = sum(abs(f) for f, _ in pairs)
        return sum(math.copysign(1.0, f) * x for f, x in pairs) / total if total else None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, and what they add up to."""
        covered, told = self.forecast_coverage
        return {
            "experiments": len(self.lines),
            "lines": [x.to_dict() for x in self.lines],
            "broken": [{"key": k, "reason": r} for k, r in self.broken],
            "without_memo": list(self.without_memo),
            "silent": list(self.silent),
            "peeks": self.peeks,
            "peeks_by": self.peeks_by,
            "days_to_decision": self.days_to_decision,
            "overrides": list(self.overrides),
            "deviations": self.deviations,
            "win_rate": list(self.win_rate) if self.win_rate else None,
            "forecasts_covered": covered,
            "forecasts": told,
            "forecast_ratio": self.forecast_ratio,
            "outcomes": [o.to_dict() for o in self.outcomes],
            "shrinkage": self.shrinkage.to_dict() if self.shrinkage else None,
        }

    @property
    def deviations(self) -> dict[str, int]:
        """Changes of plans by class, over all experiments."""
        out: dict[str, int] = {}
        for line in self.lines:
            for name, count in line.deviations.items():
                out[name] = out.get(name, 0) + count
        return dict(sorted(out.items()))

    @property
    def sentences(self) -> tuple[str, ...]:
        """The portfolio in sentences, worst first where there is a worst."""
        count = number_of(len(self.lines), "experiment")
        out = [f"{count}, {len(self.without_memo)} without a memo, {len(self.silent)} of them silent."]
        if self.broken:
            out.append(f"{len(self.broken)} folders can't be read.")
        out.append(f"{self.peeks} peeks, {sum(self.deviations.values())} deviations, {len(self.overrides)} overrides.")
        if self.peeks:
            named = ", ".join(f"{who or 'nobody named'} {count}" for who, count in self.peeks_by.items())
            out.append(f"Peeks by person: {named}.")
        if self.days_to_decision is not None:
            out.append(f"From registering to the decision it takes {self.days_to_decision:.1f} days (median).")
        by_agents = [x for x in self.lines if x.agent_looks]
        if by_agents:
            looks = number_of(sum(x.agent_looks for x in by_agents), "look")
            out.append(f"{looks} by programs on behalf of people, in {number_of(len(by_agents), 'experiment')}.")
        ends = [x for x in self.lines if x.follows and not x.restarted_as]
        if ends:
            runs = "; ".join(" → ".join((*x.follows, x.key)) for x in ends)
            out.append(f"{number_of(sum(len(x.follows) for x in ends), 'restart')}: {runs}.")
        if self.win_rate:
            rate, low, high = self.win_rate
            out.append(f"{rate:.0%} of decided experiments shipped ({low:.0%} to {high:.0%}).")
        late = [x.key for x in self.lines if x.planned_after]
        if late:
            out.append(
                f"{number_of(len(late), 'experiment was', 'experiments were')} planned after the data, or in part: "
                f"{', '.join(late[:5])}. They count in no rate."
            )
        covered, told = self.forecast_coverage
        if told:
            out.append(f"{covered} of {told} forecasts lie within the interval of what was found.")
        if self.shrinkage and self.shrinkage.ratio is not None:
            out.append(
                f"Shipped lifts of {percent(self.shrinkage.reported, 1, signed=True)} in sum are worth about "
                f"{percent(self.shrinkage.expected, 1, signed=True)} once "
                "selection is taken into account."
            )
        return tuple(out)

    def programme(self, audience: str = "director") -> tuple[str, ...]:
        """All decided experiments in two sentences: how many and what they led to, and what shipped lifts are worth.

        Args:
            audience: `cv` in the words of somebody's own work; any other reader gets the same numbers.
        """
        decided = [x for x in self.lines if x.decision in ("ship", "ship none", "iterate") and not x.planned_after]
        shipped = sum(x.decision == "ship" for x in decided)
        stopped = sum(x.decision == "ship none" for x in decided)
        against = sum(x.follows_rule is False for x in decided)  # of those that the sentence is about, not of all
        who = "Ran" if audience == "cv" else "The programme ran"
        first = (
            f"{who} {number_of(len(decided), 'experiment')} with plans registered before the data: {shipped} shipped, "
            f"{stopped} stopped and {len(decided) - shipped - stopped} to iterate; "
            f"{against} decided against the rule fixed before launch."
        )
        worth = self.shrinkage
        if worth is None or worth.ratio is None:
            return (
                first,
                "What shipped lifts are worth can't be said yet: that takes three decided lifts and one that shipped.",
            )
        return (
            first,
            f"Allowing for the luck of winners, the lifts shipped add up to {percent(worth.expected, 1, signed=True)} "
            f"(as found: {percent(worth.reported, 1, signed=True)}, {number_of(worth.shipped, 'shipped variant')}).",
        )

    def __repr__(self) -> str:
        return f"Portfolio({' '.join(self.sentences)})"

    def _repr_html_(self) -> str:
        heads = ("Experiment", "Decision", "Memo", "Looks", "Peeks", "Deviations", "Follows the rule", "Watch", "Plan")
        rows = "".join(
            "<tr>"
            + "".join(
                f"<td>{escape(str(c))}</td>"
                for c in (
                    x.title or x.key,
                    x.decision or "–",
                    "yes" if x.has_memo else "silent" if x.is_silent else "no",
                    x.looks,
                    x.peeks,
                    sum(x.deviations.values()),
                    {True: "yes", False: "no", None: "–"}[x.follows_rule],
                    x.watch or "–",
                    x.planned_after or "–",
                )
            )
            + "</tr>"
            for x in self.lines
        )
        return (
            "<section aria-label='Portfolio'>"
            + "".join(f"<p>{escape(s)}</p>" for s in self.sentences)
            + "<table style='font-variant-numeric:tabular-nums'><thead><tr>"
            + "".join(f"<th scope='col' style='text-align:left'>{h}</th>" for h in heads)
            + f"</tr></thead><tbody>{rows}</tbody></table></section>"
        )


def portfolio(root: str | Path = "experiments", *, confidence: float = 0.95, clock: Clock = system_clock) -> Portfolio:
    """Everything registered under a root, from its ledgers and frozen readouts alone.

    Args:
        root: Folder of all experiments.
        confidence: Level of the win rate's interval.
        clock: Where the time comes from, for what is silent or overdue.
    """
    now = clock()
    lines: list[Line] = []
    broken: list[tuple[str, str]] = []
    outcomes: list[PastOutcome] = []
    for listed in experiments(root):
        if listed.status != "ok":
            broken.append((listed.key, listed.reason))
            continue
        try:
            entries = Ledger(listed.path / LEDGER).entries()
            line, found = line_of(
                listed.key, entries, now, has_memo=has_memo(listed.path), readout=readout_of(listed.path, entries)
            )
        except (XpbenchError, OSError, ValueError, KeyError, TypeError) as error:
            broken.append((listed.key, str(error)))
            continue
        lines.append(line)
        outcomes += found
    return added_up(root, lines, broken, outcomes, confidence)


def added_up(
    root: str | Path,
    lines: Iterable[Line],
    broken: Iterable[tuple[str, str]],
    outcomes: Sequence[PastOutcome],
    confidence: float,
) -> Portfolio:
    """The portfolio of experiments that were read before."""
    return Portfolio(str(root), tuple(lines), tuple(broken), tuple(outcomes), shrink(outcomes), confidence)


def has_memo(path: Path) -> bool:
    """Whether a memo lies in the folder of an experiment."""
    return (path / MEMO).is_file()


def readout_of(path: Path, entries: Sequence[Entry]) -> dict[str, Any] | None:
    """The frozen readout that the decision in force rests on; None where there is none."""
    decided = [e for e in entries if e.kind in ("decided", "deferred")]
    if not decided or decided[-1].kind != "decided":
        return None
    return frozen_readout(path, str(decided[-1].body.get("readout_digest", "")))


def line_of(
    key: str, entries: Sequence[Entry], now: datetime, *, has_memo: bool, readout: dict[str, Any] | None
) -> tuple[Line, list[PastOutcome]]:
    """One experiment of a portfolio, from its ledger and the readout that was decided on.

    Args:
        key: Its key.
        entries: Of its ledger, verified.
        now: Aware time, for what is silent or overdue.
        has_memo: Whether a memo lies in its folder.
        readout: That its decision rests on, None where there is none.
    """
    plan = Plan(**next(e.body["plan"] for e in reversed(entries) if e.kind in ("registered", "amended")))
    decided = [e for e in entries if e.kind in ("decided", "deferred")]
    decision = decided[-1] if decided else None
    has_memo = has_memo or any(e.kind == "memo" for e in entries)
    quiet = (now - max(parse_stamp(e.at) for e in entries)).total_seconds() / 86_400
    classes: dict[str, int] = {}
    for deviation in deviations_of(entries, plan.to_dict()):
        classes[str(deviation["class"])] = classes.get(str(deviation["class"]), 0) + 1
    watch = watch_status(plan, entries, now=now)
    looks = distinct_looks(entries)
    later = restarted_as(entries)
    peeked = [e for e in looks if e.kind == "peeked"]
    first = next((e for e in decided if e.kind == "decided"), None)
    line = Line(
        key,
        plan.title,
        str(decision.body["outcome"]) if decision is not None else "",
        has_memo,
        not has_memo and not later and quiet > SILENT_DAYS,
        len(looks),
        len(peeked),
        classes,
        bool(decision.body.get("follows_rule")) if decision is not None and decision.kind == "decided" else None,
        watch.state if watch is not None else "",
        (now - parse_stamp(entries[0].at)).total_seconds() / 86_400,
        follows_of(entries),
        later,
        planned_after(entries),
        len({state_of_data(e.body) or str(e.seq) for e in entries if e.kind in ("opened", "peeked") and e.agent}),
        hypothesis_of(plan.to_dict()),
        learned_of(entries),
        None if first is None else (parse_stamp(first.at) - parse_stamp(entries[0].at)).total_seconds() / 86_400,
        {who: sum((e.by or "") == who for e in peeked) for who in dict.fromkeys(e.by or "" for e in peeked)},
    )
    if line.planned_after or decision is None or decision.kind != "decided" or readout is None:
        return line, []
    return line, _outcomes(key, plan, readout, decision)


def _outcomes(key: str, plan: Plan, readout: dict[str, Any], decision: Entry) -> list[PastOutcome]:
    shipped = decision.body.get("variant") if decision.body.get("outcome") == "ship" else None
    variant = str(shipped or plan.treatments[0].key)
    claims = {c.metric: c for c in plan.hypothesis.then}
    names = list(claims) or [m.key for m in plan.metrics_with("primary")[:1]]
    out = []
    for name in names:
        row = next((r for r in readout["rows"] if r["metric"] == name and r["variant"] == variant), None)
        if row is None or row["lift"] is None:
            continue
        claim = claims.get(name)
        forecast = None if claim is None or claim.lift is None else claim.lift * (1 if claim.direction == "increase" else -1)
        se = row["se"] / abs(row["mean_control"]) if row["se"] and row["mean_control"] else None
        low, high = row["lift_low"], row["lift_high"]
        out.append(PastOutcome(key, name, variant, row["direction"], forecast, row["lift"], low, high, se, bool(shipped)))
    return out


def shrink(outcomes: Iterable[PastOutcome]) -> Shrinkage | None:
    """Shipped lifts shrunk towards what experiments of this portfolio find; None with fewer than 3 lifts.

    The distribution of the true lifts over *all* decided experiments, shipped or not, is estimated from the lifts and their
    standard errors: it starts as a normal one with Paule and Mandel's variance and is then fitted to the data by forty steps of
    the EM algorithm on a grid. A shipped lift is worth its mean given what was found. Few wins among many nulls, which no
    normal distribution describes, are shrunk without bias that way; which lifts were shipped does not matter once all are used.

    Assumptions: one lift per experiment (the first claim), exchangeable experiments, nothing left out: an experiment in the
        file drawer biases this upwards.
    Source: smoothing by roughening, Laird and Louis 1991; Kiefer and Wolfowitz 1956; start Paule and Mandel 1982; the
        selection of winners, Lee and Shen 2018.
    """
    first = _first(outcomes)
    prior = prior_of(first)
    if prior is None:
        return None
    lifts = [_sign(o) * o.lift for o in first]
    worth = [shrunk(x, float(o.se or 0.0), prior=prior, mass=0.95).lift for x, o in zip(lifts, first, strict=True)]
    shipped = [i for i, o in enumerate(first) if o.shipped]
    reported = sum(lifts[i] for i in shipped)
    expected = sum(worth[i] for i in shipped)
    ratio = expected / reported if reported else None
    return Shrinkage(len(shipped), len(lifts), prior.mean, prior.sd, reported, expected, ratio)


def prior_of(outcomes: Iterable[PastOutcome]) -> LiftPrior | None:
    """Distribution of the true lifts of a portfolio, in the direction that was hoped for; None with fewer than 3 lifts.

    Args:
        outcomes: Of all decided experiments, shipped or not; the first claim of each counts.
    """
    first = _first(outcomes)
    if len(first) < 3:
        return None
    return portfolio_prior([_sign(o) * o.lift for o in first], [float(o.se or 0.0) for o in first])


LEAST_OTHERS = 10
"""Other decided experiments from which on a lift is shrunk by what they found."""


def prior_of_others(root: str | Path, key: str) -> LiftPrior | None:
    """Distribution of the true lifts of all other decided experiments of a root; None with fewer than ten.

    Args:
        root: Folder of all experiments.
        key: The experiment that is left out: a lift is not evidence about itself.
    """
    try:
        if sum(entry.is_dir() for entry in os.scandir(root)) <= LEAST_OTHERS:  # this one is among them
            return None
    except OSError:
        return None
    first = _first(o for o in portfolio(root).outcomes if o.key != key)
    return prior_of(first) if len(first) >= LEAST_OTHERS else None


def shrunk_of(outcome: PastOutcome, prior: LiftPrior) -> float:
    """A lift in its own sign, as what it is worth given what experiments of this portfolio find."""
    sign = _sign(outcome)
    return sign * shrunk(sign * outcome.lift, float(outcome.se), prior=prior, mass=0.95).lift if outcome.se else outcome.lift


def _first(outcomes: Iterable[PastOutcome]) -> list[PastOutcome]:
    """The first claim of each experiment that has a standard error."""
    found: dict[str, PastOutcome] = {}
    for outcome in outcomes:
        if outcome.se and outcome.se > 0:
            found.setdefault(outcome.key, outcome)
    return list(found.values())


def _sign(outcome: PastOutcome) -> float:
    return 1.0 if outcome.direction == "increase" else -1.0
