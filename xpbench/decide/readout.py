"""What an analyst sees: sealed before results are due, everything afterwards."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from xpbench.data.summary import Summary
from xpbench.decide.futility import Price
from xpbench.decide.interaction import Interaction
from xpbench.decide.looks import Cost, Look
from xpbench.decide.novelty import EffectTrend
from xpbench.decide.recommend import Recommendation
from xpbench.decide.row import Row, frame
from xpbench.decide.seal import Due
from xpbench.decide.segments import SegmentResult
from xpbench.decide.whatnow import WhatNow, giving_up_said, what_now
from xpbench.errors import shown
from xpbench.health.check import Check
from xpbench.lazy import upstairs
from xpbench.ledger.first import STAMPS
from xpbench.outward import html as escape
from xpbench.plan.methods import FIRST, METHODS
from xpbench.shows import Shows
from xpbench.wording import numbers, rows, verdicts

if TYPE_CHECKING:
    from xpbench.decide.saved import Saved
    from xpbench.decide.worth import Worth
    from xpbench.views.view import View

SCHEMA = 1

ReadoutKind = Literal["opened", "peeked"]

AMENDED = "AMENDED AFTER EFFECTS"
"""Stamp of a readout whose plan was changed in a way that can turn the result, after effects were seen or a gate had failed."""


RESTARTED = "RESTARTED AFTER EFFECTS"
"""Stamp of a run of a lineage of which effects of an earlier run had been seen."""

SHARED = "ONE OF SEVERAL PLANS"
"""Stamp of a readout before which effects of the same units were seen under another plan of the root."""

SEVERAL = "MORE LOOKS THAN PLANNED"
"""Stamp of a readout before which effects were read at other data, where the design is read once, or in another way."""


@dataclass(frozen=True, slots=True)
class HarmAlarm:
    """The one thing about outcomes that is reported while results are sealed: whether a guardrail is harmed beyond doubt.

    Attributes:
        sounds: A guardrail is worse than its margin at `alpha`, by an anytime-valid test that may be read daily.
        metrics: Which guardrails, without their size.
        alpha: From the plan.
    """

    sounds: bool
    metrics: tuple[str, ...]
    alpha: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"sounds": self.sounds, "metrics": list(self.metrics), "alpha": self.alpha}


def _planned(next_steps: dict[str, Any]) -> dict[str, Any]:
    """Next steps under the seal: the chance is the plan's own, known before any data, and its name says so."""
    return {"planned_chance" if k == "chance" else k: v for k, v in next_steps.items()}


@dataclass(frozen=True, slots=True)
class SealedReadout(Shows):
    """Counts, health and progress; no effect, no mean of a variant, no p-value.

    Attributes:
        key: The experiment.
        plan_digest: Digest of the plan in force.
        at: When it was made (ISO, UTC).
        due: What is missing until effects may be seen.
        units: Exposed units by variant.
        health: Checks, worst first.
        harm: The harm alarm.
        looks: Looks at effects so far.
        exposures_by_day: New units by day and variant.
        what_now: What it takes until results are due.
    """

    key: str
    plan_digest: str
    at: str
    due: Due
    units: Mapping[str, int]
    health: tuple[Check, ...]
    harm: HarmAlarm
    looks: tuple[Look, ...] = ()
    exposures_by_day: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    what_now: WhatNow | None = None

    is_sealed: Literal[True] = field(default=True, init=False)

    @property
    def sentence(self) -> str:
        """The state in one sentence."""
        first = next((c for c in self.health if c.name == "plan_first" and c.evidence.get("state") in STAMPS), None)
        stamp = f" {STAMPS[first.evidence['state']]}: {first.meaning}" if first is not None else ""
        return f"Sealed: {self.due.reason} {len(self.looks)} looks so far.{stamp}"

    def plot(self, what: str = "split") -> View:
        """One view of what may be seen before results are due: `split`, `time` or `health`; it has `save("x.png")`.

        Raises:
            SealedError: `XPB-R01`, the view would show effects.
            InputError: `XPB-I04`, there is no such view.
        """
        view: View = upstairs("views.plots:plot_sealed")(self, what)
        return view

    def to_frame(self) -> Any:
        """One row per variant with its exposed units, as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame({"variant": list(self.units), "units": list(self.units.values())})

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "schema": SCHEMA,
            "sealed": True,
            "key": self.key,
            "plan_digest": self.plan_digest,
            "at": self.at,
            "due": self.due.to_dict(),
            "units": dict(self.units),
            "health": [c.to_dict() for c in self.health],
            "harm": self.harm.to_dict(),
            "looks": [look.to_dict() for look in self.looks],
            "exposures_by_day": {d: dict(v) for d, v in self.exposures_by_day.items()},
            **({} if self.what_now is None else {"what_now": _planned(self.what_now.to_dict())}),
        }

    def __repr__(self) -> str:
        counts = ", ".join(f"{k} {v:,}" for k, v in self.units.items())
        lines = [f"SealedReadout({self.key}: {self.sentence} {counts})"]
        lines += [f"  → {line}" for line in self.what_now.lines] if self.what_now is not None else []
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><td>{escape(k)}</td><td style='text-align:right'>{v:,}</td></tr>" for k, v in self.units.items())
        health = "".join(
            f"<li>{escape(c.label)}: {escape(c.word)}. {escape(c.meaning)}</li>"
            for c in self.health
            if c.status in ("warn", "fail")
        )
        passed = sum(c.status == "pass" for c in self.health)
        silent = sum(c.status == "not answerable" for c in self.health)
        alarm = (
            f"<p><strong>▲ Harm alarm</strong>, worse than accepted: {escape(', '.join(self.harm.metrics))}.</p>"
            if self.harm.sounds
            else ""
        )
        return (
            f"<section aria-label='Sealed readout'><p><strong>◆ {escape(self.sentence)}</strong></p>{alarm}"
            f"<table style='font-variant-numeric:tabular-nums'><thead><tr><th>Variant</th><th>Units</th></tr></thead>"
            f"<tbody>{rows}</tbody></table><ul>{health}<li>{passed} checks pass, {silent} not run</li></ul>"
            f"{what_now_html(self.what_now) if self.what_now is not None else ''}</section>"
        )


@dataclass(frozen=True, slots=True)
class Readout(Shows):
    """Effects with their intervals, health, and what the plan's rule recommends.

    Attributes:
        key: The experiment.
        plan: The plan in force, as a dictionary.
        plan_digest: Its digest.
        at: When it was made (ISO, UTC).
        kind: `opened` when due, `peeked` before.
        due: State of the seal.
        summary: The moments it was computed from.
        health: Checks, worst first.
        rows: One per metric and treatment variant.
        segments: Declared segments, corrected along their own axis.
        recommendation: Of the rule.
        rule_digest: Digest of the rule's rows.
        looks: All looks at effects, this one last.
        cost: What they cost.
        deviations: Differences between plan and analysis, each with pointer and class.
        stamps: `INVALID`, `PLANNED AFTER THE DATA` (or `PARTLY …`, or `RETROSPECTIVE`), `AMENDED AFTER EFFECTS`,
            `RESTARTED AFTER EFFECTS`, `ONE OF SEVERAL PLANS`, `MORE LOOKS THAN PLANNED`, `EXPLORATORY`, `PEEK`.
        versions: Of xpbench and of the engine.
        novelty: Whether each effect fades, grows or hangs on the day: by days since exposure, day of exposure and weekday.
        interactions: With other experiments that the source shows on the same units.
        methods: Edition of the statistical methods (`plan.methods`).
        futility: What the plan's futility row costs in power; None where it has none.
        root: Folder of all experiments, for `shrunk`; "" where it is not known. The content of a readout does not hold it.
    """

    key: str
    plan: Mapping[str, Any]
    plan_digest: str
    at: str
    kind: ReadoutKind
    due: Due
    summary: Summary
    health: tuple[Check, ...]
    rows: tuple[Row, ...]
    segments: tuple[SegmentResult, ...]
    recommendation: Recommendation
    rule_digest: str
    looks: tuple[Look, ...]
    cost: Cost
    deviations: tuple[Mapping[str, Any], ...]
    stamps: tuple[str, ...]
    versions: Mapping[str, str]
    novelty: tuple[EffectTrend, ...] = ()
    interactions: tuple[Interaction, ...] = ()
    methods: int = METHODS
    futility: Price | None = None
    root: str = field(default="", compare=False, repr=False)

    is_sealed: Literal[False] = field(default=False, init=False)

    @property
    def is_valid(self) -> bool:
        """No failed gate."""
        return "INVALID" not in self.stamps

    def row(self, metric: str, variant: str | None = None) -> Row:
        """The row of a metric (of the only, or of the named treatment variant).

        Raises:
            KeyError: there is none.
        """
        for row in self.rows:
            if row.metric == metric and variant in (None, row.variant):
                return row
        raise KeyError(metric)

    def plot(self, what: str = "effects") -> View:
        """One view: `effects`, `table`, `split`, `time`, `path`, `health` or `segments`; it has `save("x.png")`.

        Raises:
            InputError: `XPB-I04`, there is no such view.
            DecisionError: `XPB-R20`, there is nothing to draw there.
        """
        view: View = upstairs("views.plots:plot")(self, what)
        return view

    def to_frame(self) -> Any:
        """One row per metric and treatment variant as a pandas DataFrame; see `rows.FRAME_COLUMNS`.

        Where the root has ten other decided experiments, `lift_shrunk`, `lift_shrunk_low` and `lift_shrunk_high` come last:
        what a primary lift is worth given what experiments there find (`shrunk`).
        """
        table = frame(self.rows, power=float(self.plan["planning"]["power"]))
        known = {(w.metric, w.variant): w for w in self.shrunk()}
        if known:
            each = [known.get((r.metric, r.variant)) for r in self.rows]
            for column, name in (("lift_shrunk", "shrunk"), ("lift_shrunk_low", "low"), ("lift_shrunk_high", "high")):
                table[column] = [math.nan if w is None else getattr(w, name) for w in each]
        return table

    def shrunk(self) -> tuple[Worth, ...]:
        """What each primary lift is worth in the light of ten or more other decided experiments of the root; else empty.

        It decides nothing and stays out of headline and memo: a memo is checked without the other experiments.
        """
        from xpbench.decide.worth import worths_of

        known = self.root and self.is_valid
        prior = upstairs("watch.past_experiments:prior_of_others")(self.root, self.key) if known else None
        return () if prior is None else worths_of(self.rows, prior, mass=float(self.plan["model"]["confidence"]))

    def variance_saved(self) -> tuple[Saved, ...]:
        """What each source of covariates takes out of the noise, alone and beyond the others; empty without CUPED."""
        from xpbench.decide.saved import variance_saved
        from xpbench.plan import Plan

        return variance_saved(Plan(**self.plan), self.summary)

    @property
    def what_now(self) -> WhatNow:
        """What keeps from an answer, what it takes, the cheapest way there, and the command for it."""
        return what_now(self.plan, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Everything as a JSON value; the memo freezes it."""
        return {
            "schema": SCHEMA,
            "sealed": False,
            "key": self.key,
            "plan": dict(self.plan),
            "plan_digest": self.plan_digest,
            "at": self.at,
            "kind": self.kind,
            "due": self.due.to_dict(),
            "summary": self.summary.to_dict(),
            "health": [c.to_dict() for c in self.health],
            "rows": [r.to_dict() for r in self.rows],
            "segments": [s.to_dict() for s in self.segments],
            "recommendation": self.recommendation.to_dict(),
            "rule_digest": self.rule_digest,
            "looks": [look.to_dict() for look in self.looks],
            "cost": self.cost.to_dict(),
            "deviations": [dict(d) for d in self.deviations],
            "stamps": list(self.stamps),
            "versions": dict(self.versions),
            "novelty": [t.to_dict() for t in self.novelty],
            "interactions": [i.to_dict() for i in self.interactions],
            **({} if self.methods == FIRST else {"methods": self.methods}),
            **({} if self.futility is None else {"futility": self.futility.to_dict()}),
            **({"headline": self.headline} if any(s in verdicts.BY_PLAN for s in self.stamps) else {}),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Readout:
        """The inverse of `to_dict`."""
        return cls(
            key=data["key"],
            plan=data["plan"],
            plan_digest=data["plan_digest"],
            at=data["at"],
            kind=data["kind"],
            due=Due(**data["due"]),
            summary=Summary.from_dict(data["summary"]),
            health=tuple(Check.from_dict(c) for c in data["health"]),
            rows=tuple(Row.from_dict(r) for r in data["rows"]),
            segments=tuple(SegmentResult.from_dict(s) for s in data["segments"]),
            recommendation=Recommendation.from_dict(data["recommendation"]),
            rule_digest=data["rule_digest"],
            looks=tuple(Look.from_dict(look) for look in data["looks"]),
            cost=Cost(**data["cost"]),
            deviations=tuple(data["deviations"]),
            stamps=tuple(data["stamps"]),
            versions=data["versions"],
            novelty=tuple(EffectTrend.from_dict(t) for t in data.get("novelty", ())),
            interactions=tuple(Interaction.from_dict(i) for i in data.get("interactions", ())),
            methods=int(data.get("methods", FIRST)),
            futility=None if data.get("futility") is None else Price(**data["futility"]),
        )

    @property
    def headline(self) -> str:
        """What the rule recommends, with what a reader must know of the plan it rests on."""
        r = self.recommendation
        return verdicts.by_plan(f"{r.outcome} {r.variant}".strip(), self.stamps)

    @property
    def over_time(self) -> tuple[str, ...]:
        """What the tests over time and between experiments found, a sentence each; empty where nothing was found."""
        several = len({r.variant for r in self.rows}) > 1
        found = [(t.sentence, t.variant) for t in self.novelty if t.word not in ("steady", "not answerable")]
        names = {r.metric: r.label for r in self.rows}
        found += [
            (f"{names.get(i.metric, i.metric)}, together with {shown(i.other)}: {i.sentence}", i.variant)
            for i in self.interactions
            if i.state == "interaction"
        ]
        dependent = {i.other: i for i in self.interactions if i.state == "assignments dependent"}
        out = [f"{sentence} ({variant})" if several else sentence for sentence, variant in found]
        return (*out, *(f"With {shown(name)}: {i.sentence}" for name, i in dependent.items()))

    def __repr__(self) -> str:
        r = self.recommendation
        stamps = f" [{', '.join(self.stamps)}]" if self.stamps else ""
        lines = [f"Readout({self.key}: {self.headline} by {', '.join(r.rows)}{stamps})", f"  {r.because}"]
        lines += [f"  {line_of(row)}" for row in self.rows]
        lines += [f"  ⇣ {shown(row.label)[1:-1]}: {saved_line(row)}" for row in self.rows if row.saved_by]
        lines += [f"  ◷ {sentence}" for sentence in self.over_time]
        lines += [f"  ⊘ {giving_up_said(self.futility.to_dict())}"] if self.futility is not None else []
        lines += [f"  → {line}" for line in self.what_now.lines]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        r = self.recommendation
        stamps = "".join(f" <strong>{escape(s)}</strong>" for s in self.stamps)
        loud = [c for c in self.health if c.status in ("fail", "warn")]
        health = "; ".join(f"{c.label}: {c.status}" for c in loud) or "all checks pass"
        headline = escape(self.headline[:1].upper() + self.headline[1:])
        return (
            f"<section aria-label='Readout'><p><strong>{headline}</strong>{stamps}. "
            f"{escape(r.because)}</p><p>Health: {escape(health)}.</p>"
            f"{html_table(self.rows)}{self._over_time_html()}{what_now_html(self.what_now)}</section>"
        )

    def _over_time_html(self) -> str:
        if not self.novelty and not self.interactions:
            return ""
        found = "".join(f"<li>{escape(s)}</li>" for s in self.over_time)
        if found:
            return f"<p>Over time and next to other experiments (exploratory):</p><ul>{found}</ul>"
        tests = sum(t.p_value is not None for t in self.novelty) + sum(i.p_value is not None for i in self.interactions)
        return f"<p>Over time and next to other experiments: no change of an effect is shown in {tests} tests.</p>"


COLUMNS = {
    "Metric": "left", "Role": "left", "Variant": "left", "Control": "right", "Treatment": "right", "Lift": "right",
    "Interval": "right", "p": "right", "Verdict": "left",
}  # fmt: skip
"""Columns of a readout's table with their alignment: a notebook's own style puts all to the right."""


def line_of(row: Row) -> str:
    """A row on one line of text."""
    plain = row.to_dict()
    p = "" if row.p_adjusted is None else f" p {numbers.p_value(row.p_adjusted)}"
    p += " corrected" if p and row.p_adjusted != row.p_value else ""
    said = rows.lift_said(plain) if row.lift is not None else rows.shown(plain)
    word = verdicts.word_of(plain)
    ended = f": {word}" if word in (verdicts.NO_EFFECT, verdicts.WORSE_WITHIN) else ""
    return f"{verdicts.mark_of(plain)[0]} {row.role:<9} {row.metric} [{row.variant}] {said}{p}{ended}"


def saved_line(row: Row) -> str:
    """What covariates take out of a row's variance, each source alone."""
    each = ", ".join(f"{shown(s.source)[1:-1]} {numbers.percent(s.alone, 0)}" for s in row.saved_by)
    return f"covariates take {numbers.percent(row.variance_reduction or 0.0, 0)} of the variance ({each}, each alone)"


def what_now_html(now: WhatNow) -> str:
    """What to do now, as a paragraph under a heading in bold."""
    first, *rest = now.lines
    return f"<p><strong>What now</strong>: {escape(first)}</p>" + "".join(f"<p>{escape(line)}</p>" for line in rest)


def html_table(rows: Sequence[Row]) -> str:
    """Rows as an HTML table with the columns of `COLUMNS`."""
    levels = {f"{(1.0 - r.alpha) * 100:.4g}" for r in rows}
    level = f" ({levels.pop()} %)" if len(levels) == 1 else ""
    corrected = any(r.p_adjusted != r.p_value for r in rows)
    names = {name: f"{name}{level}" if name == "Interval" else name for name in COLUMNS}
    names |= {"p": "p, corrected"} if corrected else {}
    heads = "".join(f"<th scope='col' style='text-align:{side}'>{names[name]}</th>" for name, side in COLUMNS.items())
    body = "".join(_html_row(row) for row in rows)
    return f"<table style='font-variant-numeric:tabular-nums'><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _html_row(row: Row) -> str:
    plain = row.to_dict()
    mark = f"{verdicts.mark_of(plain)[0]} {verdicts.word_of(plain)}"
    p = numbers.p_value(row.p_adjusted)
    lift, interval = rows.lift_text(plain), rows.lift_interval(plain)
    cells = (row.label, row.role, row.variant, *rows.means(plain), lift, interval, p, mark)
    sides = zip(cells, COLUMNS.values(), strict=True)
    return "<tr>" + "".join(f"<td style='text-align:{side}'>{escape(c)}</td>" for c, side in sides) + "</tr>"


def stamps_of(
    kind: ReadoutKind, health: Sequence[Check], deviations: Sequence[Mapping[str, Any]], of_record: Sequence[str] = ()
) -> tuple[str, ...]:
    """What a reader must know before any number; `of_record` follows from the ledger alone."""
    out = []
    if any(c.blocks for c in health):
        out.append("INVALID")
    out += [STAMPS[s] for c in health if c.name == "plan_first" and (s := c.evidence.get("state")) in STAMPS]
    if any(d.get("class") == "amendment after effects" for d in deviations):
        out.append(AMENDED)
    out += of_record
    if any(d.get("class") == "undeclared" for d in deviations):
        out.append("EXPLORATORY")
    if kind == "peeked":
        out.append("PEEK")
    return tuple(out)
