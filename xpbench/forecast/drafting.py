"""A draft plan from data: what can be found out is filled in with its reason, and what only a person can say is left open."""

from __future__ import annotations

import getpass
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from xpbench.data.logs.opening import located
from xpbench.data.tables.pooled import arrow_table
from xpbench.data.tables.profile import SEEN_ROWS, ColumnProfile, profile_of
from xpbench.data.tables.unit_policy import SUSPECTS
from xpbench.data.tables.variant_column import MOST_VALUES, plain_name, usual_columns
from xpbench.errors import InputError, nearest, number_of, plain, shown
from xpbench.forecast.accrual import AccrualCurve
from xpbench.forecast.findings import Findings, of_table
from xpbench.forecast.history import History
from xpbench.forecast.log_drafting import BAD, CONTROLS, DONE, DraftNotes, is_log, plan_of_log
from xpbench.forecast.power import plan_power
from xpbench.forecast.table_baselines import baselines_of_table
from xpbench.ledger.clock import system_clock
from xpbench.meaning.times import days_of as times_days_of
from xpbench.plan import Plan
from xpbench.plan.keys import suggest_key
from xpbench.plan.metrics import Column
from xpbench.stats.srm import srm

MOST_METRICS = 12
LIFT = 0.05
"""Lift that a draft plans for where nobody says another."""
WEEKS = (2, 3, 4, 6, 8)
"""Horizons that are tried, in weeks; the first that finds the lift is proposed."""
RAISES = 12
"""How often the lift to plan for is raised, by half a per cent, where guardrails cost power and nobody named a lift."""
RAIL_POWER = 0.95
"""Chance that a proposed margin is shown where nothing changes: guardrails must not use up the power of the plan."""
SEGMENT_VALUES = 12
TAIL = 0.15
"""Share of a sum that one unit in a hundred brings in, above which a metric has a tail worth capping."""
BEFORE = re.compile(r"(^|_)(before|pre|prior|previous|past|last)(_|$)")
ANSWERS = frozenset({"ja", "nein", "oui", "non", "si", "sí", "sim", "ok", "done", "converted", "bought", "gekauft"})
"""Words of two-valued columns of text that look like a yes or no which nobody reads as one."""
PERSON = re.compile(r"e_?mail|customer|kunde|client|user|member|person|visitor|patient|student")
"""Names of who does something: where they repeat, a row is not one of them."""
ID = re.compile(r"(^|_)(id|uid|uuid|guid|user|customer|visitor|client|member|account|device|key)(_|$)|id$")


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft plan with what it was made from.

    Attributes:
        plan: The draft; its notes hold origin, findings and proposals.
        findings: What the data hold.
        origin: Where and when it comes from.
        found: What was computed or counted, in sentences.
        proposed: Guesses that a person must confirm, in sentences.
        pace: How units come in; None without dates.
        reductions: By metric, the share of its variance that values from before explain.
        trigger: Of a log without exposures: event at which a unit would be exposed.
        day: Of a table: its column of days.
    """

    plan: Plan
    findings: Findings
    origin: str
    found: tuple[str, ...]
    proposed: tuple[str, ...]
    pace: AccrualCurve | None = None
    reductions: Mapping[str, float] = field(default_factory=dict)
    trigger: str | None = None
    day: str | None = None

    def history(self, source: Any, plan: Plan) -> History:
        """Values per unit of the same data, for a rehearsal of a plan that was made from the draft.

        Args:
            source: What was drafted from.
            plan: The draft as it is now.
        """
        data: Any = (
            getattr(source, "log", getattr(source, "table", source)) if hasattr(source, "summarize") else located(source)
        )
        if self.findings.kind == "table":
            return History.of_frame(data, plan, day=self.day)
        return History.of_events(data, plan, trigger=self.trigger)


def plan_from(
    source: Any,
    *,
    unit: str | None = None,
    variant: str | None = None,
    control: str | None = None,
    day: str | None = None,
    primary: str | None = None,
    guardrails: Mapping[str, float] | Sequence[str] = (),
    lift: float | None = None,
    trigger: str | None = None,
    key: str | None = None,
    title: str | None = None,
    owner: str | None = None,
    experiment: str | None = None,
) -> Plan:
    """A draft plan, filled from a table or an event log of the past or of the running experiment.

    Everything is read once and pooled over all units, so that a running experiment tells nothing of its effect. Columns, their
    types, variants and shares, baselines, standard deviations, covariates, caps, units a day and a horizon are found or
    computed.
    Margins, the lift to plan for and roles are proposals; `plan.notes` lists each, and what the data said. Open are what only a
    person knows: what changes, and why it should work. With these two texts the draft can be registered.

    Args:
        source: A table with one row per unit, as for `xp.units`; or an event log, as for `xp.events` (JSON Lines, or a table
            with the columns `event` and `time`).
        unit: Column of the unit's id; left out, the column of ids where every row has its own.
        variant: Column of the variant; left out, it is found where it is called so.
        control: Its value for control; left out, the one that is called so.
        day: Column of the day of the first exposure; left out, the only column of dates.
        primary: Column (or event) that decides; left out, the likeliest.
        guardrails: Columns that must not get worse, with the worst relative change accepted (`{"revenue": 0.05}`), or only
            their names: then the margin is what the horizon can show.
        lift: Lift to plan for; left out, 5 %, or what the longest horizon can find.
        trigger: For a log without exposures: event at which a unit would be exposed.
        key: Key of the new experiment; left out, made from the file's name or the title.
        title: What people call it.
        owner: Who answers for it; left out, the name of who is logged in.
        experiment: For a log with several experiments: the one that is meant; left out, the last that exposed anybody.

    Raises:
        InputError: `XPB-I04`, a name is not in the data, or no column of ids was found.
        DataError: the data can't be read.
    """
    return drafted(
        source, unit=unit, variant=variant, control=control, day=day, primary=primary, guardrails=guardrails, lift=lift,
        trigger=trigger, key=key, title=title, owner=owner, experiment=experiment,
    ).plan  # fmt: skip


def drafted(
    source: Any,
    *,
    unit: str | None = None,
    variant: str | None = None,
    control: str | None = None,
    day: str | None = None,
    primary: str | None = None,
    guardrails: Mapping[str, float] | Sequence[str] = (),
    lift: float | None = None,
    trigger: str | None = None,
    key: str | None = None,
    title: str | None = None,
    owner: str | None = None,
    experiment: str | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Drafted:
    """The draft of `plan_from`, with what it was made from; `progress` hears what is being done."""
    progress("Looking at the files")
    data: Any = getattr(source, "log", getattr(source, "table", source)) if hasattr(source, "summarize") else located(source)
    first = source if isinstance(source, (str, Path)) else data[0] if isinstance(data, list) else ""
    stem = re.sub(r"[^\w -]", "", Path(first).name.partition(".")[0]) if first else ""
    head = {
        "key": key or suggest_key(title or stem or "draft"),
        "title": title or (stem.replace("_", " ").replace("-", " ").strip().capitalize() if stem else "Draft from data"),
        "owner": owner or _who(),
    }
    if is_log(data):
        for name, value in (("unit", unit), ("variant", variant), ("day", day)):
            if value is not None:
                raise _refused(name, value, "A log names its units and variants by properties", f"Leave {name} out")
        notes = DraftNotes()
        margins = dict(guardrails) if isinstance(guardrails, Mapping) else dict.fromkeys(_listed(guardrails))
        plan, origin, findings, saved = plan_of_log(
            data, head=head, primary=primary, trigger=trigger, notes=notes, margins=margins, control=control,
            experiment=experiment, progress=progress,
        )  # fmt: skip
        origin = f"Drafted on {_today()} from {origin}"
        progress("Computing sizes")
        pace = pace_of(findings)
        return _drafted(_sized(plan, lift, margins, notes, pace=pace), findings, origin, notes, saved)
    for name, value in (("trigger", trigger), ("experiment", experiment)):
        if value is not None:
            raise _refused(name, value, "It belongs to an event log", "Leave it out")
    return _of_table(data, head, unit, variant, control, day, primary, guardrails, lift, progress)


def _drafted(plan: Plan, findings: Findings, origin: str, notes: DraftNotes, saved: Mapping[str, float]) -> Drafted:
    plan = plan.changed(notes=notes.text(origin))
    return Drafted(
        plan, findings, origin, tuple(notes.found), tuple(notes.proposed), pace_of(findings), saved, notes.trigger, notes.day
    )


def pace_of(findings: Findings) -> AccrualCurve | None:
    """How units came in, day by day from the first: returning ones count once, as they would in a new experiment."""
    days = findings.days
    if not days:
        return None
    first = date.fromisoformat(min(findings.by_day))
    counts = [findings.by_day.get((first + timedelta(days=i)).isoformat(), 0) for i in range(days)]
    return AccrualCurve(np.cumsum(np.array(counts, dtype=np.float64)))


def _today() -> str:
    return system_clock().date().isoformat()


def _of_table(
    table: Any,
    head: dict[str, str],
    unit: str | None,
    variant: str | None,
    control: str | None,
    day: str | None,
    primary: str | None,
    guardrails: Mapping[str, float] | Sequence[str],
    lift: float | None,
    progress: Callable[[str], None],
) -> Drafted:
    progress("Reading the table")
    profiles = profile_of(table)
    columns = {c.name: c for c in profiles}
    margins = dict(guardrails) if isinstance(guardrails, Mapping) else dict.fromkeys(_listed(guardrails))
    for what, name in (
        ("unit", unit),
        ("variant", variant),
        ("day", day),
        ("primary", primary),
        *(("guardrail", g) for g in margins),
    ):
        if name is not None and name not in columns:
            raise _refused(what, name, "It is a column of the table", nearest(name, columns))
    notes = DraftNotes()
    rows = next(iter(columns.values())).rows
    unit = _unit(columns, unit, notes)
    variants, assigned, variant = _variants(columns, variant, control, {unit}, notes)
    days = [c.name for c in columns.values() if c.kind == "day"]
    if day is None and len(days) == 1:
        day = days[0]
        notes.found.append(f"Days in column {shown(day)}.")
    elif day is None and days:
        notes.proposed.append(
            f"Which of {', '.join(map(shown, days))} is the day of exposure: name it with day=… for units a day."
        )
    notes.day = day
    used = {unit, variant, day, *days}
    metrics, codes = _metrics([c for c in columns.values() if c.name not in used], columns, primary, margins, notes)
    segments = [
        c.name for c in columns.values() if c.kind == "text" and 2 <= c.distinct <= SEGMENT_VALUES and c.name not in used
    ][:3]
    document: dict[str, Any] = {
        **head,
        "unit": unit,
        "hypothesis": {"if": "", "then": [{"metric": metrics[0]["key"], "direction": metrics[0]["direction"]}], "because": ""},
        "variants": variants,
        **({} if assigned else {"assignment": {"hash": "sha256"}}),
        "metrics": metrics,
        "segments": segments,
        "model": {"kind": "group_sequential", "looks": [0.5, 1.0]},
        "horizon": {"units": max(rows, 4)},
        **({"data": {"missing_codes": codes}} if codes else {}),
    }
    plan = Plan(**document)
    progress("Computing baselines")
    known = baselines_of_table(plan, table, day=day)
    planning = {**plan.planning.model_dump(mode="json", exclude_none=True), **known.to_dict()}
    notes.found.append(f"{known.sentence} All units are one group, whatever their variant.")
    plan = plan.changed(planning=planning)
    findings = of_table(table, profiles, unit=unit, day=day)
    notes.found += [t for t in (findings.pace, *findings.remarks) if t]
    progress("Computing sizes")
    varies = _weekly(table, profiles, day) if day is not None else {}
    plan = _sized(plan, lift, margins, notes, varies=varies, pace=pace_of(findings))
    span = f" from {min(findings.by_day)} to {max(findings.by_day)}" if findings.by_day else ""
    when = f", {number_of(known.days, 'day')}{span}" if known.days else ""
    origin = f"Drafted on {_today()} from a table with {number_of(rows, 'row')}{when}."
    if assigned:
        origin += (
            " It came from an experiment that has variants already: only values of all units together were used, "
            "and nothing was compared between them."
        )
    saved = {
        m.key: max(_saved(columns[m.column], columns[b]) for b in m.covariates)
        for m in plan.metrics
        if isinstance(m, Column) and m.cuped and m.covariates
    }
    return _drafted(plan, findings, origin, notes, saved)


def _weekly(table: Any, profiles: Sequence[ColumnProfile], day: str) -> dict[str, float]:
    """By column of numbers: how much its weekly mean varies, as a share of its mean; of three whole weeks or more."""
    texts = [str(v)[:10] if hasattr(v, "isoformat") else v for v in arrow_table(table, [day]).column(day).to_pylist()]
    known = times_days_of([t for t in dict.fromkeys(texts) if isinstance(t, str)])
    step = max(1, len(texts) // SEEN_ROWS)
    weeks = np.array([_week(known.get(t)) if isinstance(t, str) else -1 for t in texts[::step]])
    whole = sorted(set(weeks[weeks >= 0].tolist()))[1:-1]
    out: dict[str, float] = {}
    for c in profiles:
        if c.values is None or len(c.values) != len(weeks) or len(whole) < 3:
            continue
        means = [float(np.nanmean(v)) for w in whole if np.isfinite(v := c.values[weeks == w]).sum() >= 50]
        if len(means) >= 3 and (centre := float(np.mean(means))):
            out[c.name] = float(np.std(means, ddof=1) / abs(centre))
    return out


def _week(day: str | None) -> int:
    return -1 if day is None else (date.fromisoformat(day).toordinal() - 1) // 7


def _unit(columns: Mapping[str, ColumnProfile], unit: str | None, notes: DraftNotes) -> str:
    if unit is not None:
        return unit
    unique = [c.name for c in columns.values() if c.is_unique and c.kind != "day"]
    named = [n for n in unique if ID.search(plain_name(n))]
    people = [
        c.name
        for c in columns.values()
        if PERSON.search(plain_name(c.name)) and not c.is_unique and c.distinct > MOST_VALUES and c.missing < c.rows / 2
    ]
    if people and not any(PERSON.search(plain_name(n)) for n in unique):
        c = columns[people[0]]
        what = (
            f"{shown(c.name)} repeats: {c.distinct:,} of them on {c.rows:,} rows, so a row seems to be something that people do"
        )
        remedy = f"{_aggregated(c.name, columns)}, or name unit=… (--unit) where each row is one unit"
        raise _refused("unit", plain("missing"), f"A table for a plan has one row per unit, and {what}", remedy)
    if len(named) == 1 or (not named and len(unique) == 1 and columns[unique[0]].kind == "text"):
        found = (named or unique)[0]
        notes.found.append(f"Unit: column {shown(found)}, one row each.")
        return found
    repeated = [
        c.name for c in columns.values() if ID.search(plain_name(c.name)) and not c.is_unique and c.distinct > MOST_VALUES
    ]
    if repeated and not named:
        what = f"{shown(repeated[0])} repeats: {columns[repeated[0]].distinct:,} ids on {columns[repeated[0]].rows:,} rows"
        raise _refused(
            "unit", plain("missing"), f"A table for a plan has one row per unit, and {what}", _aggregated(repeated[0], columns)
        )
    several = (
        f"{', '.join(map(shown, (named or unique)[:4]))} could be it"
        if (named or unique)
        else "no column has an id for each row"
    )
    remedy = "Name it with unit=… (--unit on the command line)"
    if not (named or unique):
        remedy = "Where each row is one unit, number them, df.reset_index(names='row_id'); else name it with unit=… (--unit)"
    raise _refused("unit", plain("missing"), f"One column holds the unit's id, and {several}", remedy)


def _aggregated(unit: str, columns: Mapping[str, ColumnProfile]) -> str:
    """How a table with several rows of a unit becomes one with a row each, in pandas, with its own names."""
    parts = [f"orders=({unit!r}, 'size')"]
    parts += [f"{_word(c.name)}=({c.name!r}, 'sum')" for c in columns.values() if c.kind == "number" and not _is_id(c)][:2]
    parts += [f"day=({c.name!r}, 'min')" for c in columns.values() if c.kind == "day"][:1]
    variant = usual_columns(columns)[:1]
    parts += [f"{_word(v)}=({v!r}, 'first')" for v in variant if v != unit]
    return f"Make one row of each first, such as df.groupby({unit!r}).agg({', '.join(parts)}).reset_index()"


def _word(name: str) -> str:
    found = re.sub(r"\W+", "_", name.strip().lower()).strip("_")
    return found if found.isidentifier() else f"c_{found}"


def _variants(
    columns: Mapping[str, ColumnProfile], variant: str | None, control: str | None, used: set[str], notes: DraftNotes
) -> tuple[list[dict[str, Any]], bool, str | None]:
    """Variants with shares, whether another system assigned them, and their column."""
    if variant is None:
        usual = [c for c in usual_columns(columns) if c not in used and 2 <= columns[c].distinct <= MOST_VALUES]
        if len(usual) > 1 and not re.search(r"variant|variation|group|arm\b", plain_name(usual[0])):
            notes.proposed.append(f"{', '.join(map(shown, usual))} could hold the variant: name it with variant=….")
            usual = []
        if not usual:
            if control is not None:
                raise _refused("control", control, "No column of a variant was found", "Name it with variant=…")
            return [{"key": "control", "split": 0.5, "control": True}, {"key": "treatment", "split": 0.5}], False, None
        variant = usual[0]
        notes.found.append(f"Variants in column {shown(variant)}.")
    counts = columns[variant].counts
    if not 2 <= columns[variant].distinct <= MOST_VALUES:
        raise _refused(
            "variant",
            variant,
            f"It holds {columns[variant].distinct:,} values; variants are 2 to {MOST_VALUES}",
            "Name another",
        )
    names = list(counts)
    if control is not None and control not in names:
        raise _refused("control", control, f"Column {shown(variant)} does not hold it", nearest(control, names))
    if control is None:
        ranked = [n for c in CONTROLS for n in names if n.casefold() == c]
        control = ranked[0] if ranked else sorted(names)[0]
        (
            notes.found if ranked and ranked[0].casefold() in ("control", "old", "baseline", "original") else notes.proposed
        ).append(f"{shown(control)} is the control.")
    ordered = [control, *sorted(n for n in names if n != control)]
    total = sum(counts.values())
    equal = srm([counts[n] for n in ordered], [1.0] * len(ordered)).p_value >= 0.01
    if equal:
        shares = [1.0 / len(ordered)] * len(ordered)
    else:
        shares = [max(round(counts[n] / total, 2), 0.01) for n in ordered]
        shares[shares.index(max(shares))] += 1.0 - sum(shares)
        seen = ", ".join(f"{shown(n)} {counts[n] / total:.2%}" for n in ordered)
        notes.proposed.append(f"The shares are those that were seen ({seen}), rounded: put in what was planned.")
    keyed = [n if len(n) <= 64 else n[:64] for n in ordered]
    return (
        [
            {"key": k, "split": s, **({"control": True} if i == 0 else {})}
            for i, (k, s) in enumerate(zip(keyed, shares, strict=True))
        ],
        True,
        variant,
    )


def _metrics(
    candidates: Sequence[ColumnProfile],
    columns: Mapping[str, ColumnProfile],
    primary: str | None,
    margins: Mapping[str, float | None],
    notes: DraftNotes,
) -> tuple[list[dict[str, Any]], list[float]]:
    """Metrics of the numeric columns, the primary first, and codes that seem to mean that there is no value."""
    numeric = [c for c in candidates if c.kind in ("number", "flag") and c.distinct > 1 and not _is_id(c)]
    for c in candidates:
        if c.kind == "text" and c.distinct == 2 and {v.casefold() for v in c.counts} & ANSWERS:
            answers = ", ".join(map(shown, sorted(c.counts)))
            notes.proposed.append(f"{shown(c.name)} holds {answers}: write it as 1 and 0, and it can be a metric.")
    before = {c.name for c in numeric if BEFORE.search(plain_name(c.name)) and _base(c, numeric) is not None}
    own = [c for c in numeric if c.name not in before]
    for name in [primary, *margins]:
        if name is not None and name not in {c.name for c in own}:
            raise _refused(
                "metric", name, f"Column {shown(name)} holds no numbers that vary", "Name a column of numbers or of 0 and 1"
            )
    if not own:
        raise _refused("source", plain("a table without a metric"), "A metric is a column of numbers, or of 0 and 1", "Add one")
    codes: list[float] = []
    for c in own:
        if c.values is not None and (c.values[np.isfinite(c.values)] >= 0).mean() > 0.5:
            codes += [
                s for s in SUSPECTS if s not in codes and (c.values == s).any() and not ((c.values < 0) & (c.values != s)).any()
            ]
    if codes:
        notes.proposed.append(f"{', '.join(f'{c:g}' for c in codes)} means that there is no value.")
    if primary is None:
        likely = [c for c in own if c.kind == "flag" and DONE.search(plain_name(c.name))]
        likely += [c for c in own if c.kind == "flag" and not BAD.search(plain_name(c.name))]
        likely += [c for c in own if not BAD.search(plain_name(c.name))]
        first = next((c.name for c in likely if c.name not in margins), None)
        if first is None:
            raise _refused("primary", plain("missing"), "No column looks like the one that decides", "Name it with primary=…")
        primary = first
        notes.proposed.append(f"{shown(primary)} decides (primary).")
    ordered = sorted(own, key=lambda c: (c.name != primary, c.name not in margins))[:MOST_METRICS]
    if len(own) > len(ordered):
        notes.found.append(f"{number_of(len(own) - len(ordered), 'further column is', 'further columns are')} left out.")
    out = []
    for c in ordered:
        bad = bool(BAD.search(plain_name(c.name)))
        role = "primary" if c.name == primary else "guardrail" if c.name in margins or bad else "secondary"
        entry: dict[str, Any] = {
            "key": c.name[:64], "kind": "column", "column": c.name, "role": role,
            "direction": "decrease" if bad else "increase",
        }  # fmt: skip
        if bad:
            notes.proposed.append(f"Less of {shown(c.name)} is better.")
        if role == "guardrail":
            entry["margin_rel"] = margins.get(c.name) or 0.05
        if (tail := _tail(c, codes)) is not None:
            entry["winsorize"] = tail
            over = " of the units that have any" if tail.get("over") else ""
            notes.found.append(f"{shown(c.name)} has a long tail: capped at the 99th percentile{over}.")
        covariates = [b for b in before if _base(columns[b], own) == c.name]
        kept = [(b, _saved(c, columns[b])) for b in covariates]
        kept = [(b, r) for b, r in kept if r >= 0.01]
        if kept:
            entry |= {"cuped": True, "covariates": [b for b, _ in kept]}
            said = ", ".join(f"{shown(b)} saves {r:.0%} of the variance" for b, r in kept)
            notes.found.append(f"CUPED for {shown(c.name)}: {said}.")
        out.append(entry)
    return out, codes


def _is_id(c: ColumnProfile) -> bool:
    return c.is_unique and bool(ID.search(plain_name(c.name)))


def _base(before: ColumnProfile, others: Sequence[ColumnProfile]) -> str | None:
    """The metric that a column from before the experiment belongs to, by its name."""
    rest = BEFORE.sub("_", plain_name(before.name)).strip("_")
    return next((c.name for c in others if c.name != before.name and plain_name(c.name) == rest), None)


def _saved(metric: ColumnProfile, before: ColumnProfile) -> float:
    """Share of the metric's variance that the column from before explains: their squared correlation."""
    x, y = before.values, metric.values
    if x is None or y is None:
        return 0.0
    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < 100 or x[both].std() == 0 or y[both].std() == 0:
        return 0.0
    return float(np.corrcoef(x[both], y[both])[0, 1] ** 2)


def _tail(c: ColumnProfile, codes: Sequence[float]) -> dict[str, Any] | None:
    """Caps where one unit in a hundred brings in a large part of the sum."""
    if c.kind != "number" or c.values is None:
        return None
    known = c.values[np.isfinite(c.values) & ~np.isin(c.values, codes)]
    if known.size < 200 or (known < 0).any() or known.sum() <= 0:
        return None
    some = known[known > 0] if (known == 0).mean() > 0.5 else known
    top = np.sort(some)[-max(1, some.size // 100) :]  # by count: many units may share the largest value of a scale
    if top.sum() < TAIL * some.sum():
        return None
    return {"upper": 0.99, **({"over": "nonzero"} if some.size < known.size else {})}


def _sized(
    plan: Plan,
    lift: float | None,
    margins: Mapping[str, float | None],
    notes: DraftNotes,
    *,
    varies: Mapping[str, float] | None = None,
    pace: AccrualCurve | None = None,
) -> Plan:
    """The plan with a lift to plan for, a horizon, and margins that the horizon can show."""
    first = plan.metrics[0]
    wanted = lift or LIFT

    def claimed(p: Plan, size: float, units: int) -> Plan:
        then = [{"metric": first.key, "direction": first.direction, "lift": size}]
        return p.changed(hypothesis={"if": "", "then": then, "because": ""}, horizon={"units": units})

    daily = plan.planning.daily_units
    coming: dict[int, float] = {}
    if daily:
        coming = {w: w * 7 * daily if pace is None else pace.units_by(w * 7) for w in WEEKS}
    size = wanted
    needed = plan_power(claimed(plan, wanted, 1_000_000)).rows[0].n_needed
    units = _units_for(needed, coming) or plan.horizon.units or 1_000
    found = plan_power(claimed(plan, wanted, units)).rows[0]
    if daily and found.mde is not None and abs(found.mde) > wanted and lift is None:
        size = math.ceil(abs(found.mde) * 200) / 200
    plan = claimed(plan, size, units)
    entries, said = [], []
    for entry in plan.to_dict()["metrics"]:
        source = entry.get("column", entry.get("event", entry["key"]))
        if entry["role"] == "guardrail" and not margins.get(source):
            least = _shown_margin(plan, entry)
            moves = (varies or {}).get(source, 0.0)
            margin = min(0.5, max(least, math.ceil(moves * 200) / 200))
            entry = {**entry, "margin_rel": margin}
            why = (
                f"it varies by {moves:.1%} from week to week, and this horizon can show {least:.1%}"
                if margin > least
                else "which this horizon can show" + (f"; from week to week it varies by {moves:.1%}" if moves else "")
            )
            said.append(f"Margin of {shown(entry['key'])}: {margin:.1%}, {why}; say what you accept.")
        entries.append(entry)
    plan = plan.changed(metrics=entries)
    report = plan_power(plan)
    if report.is_low and report.horizon_needed:  # primary and guardrails together ask for more than the primary alone
        units = _units_for(report.horizon_needed, coming) or units
        plan = claimed(plan, size, units)
        report = plan_power(plan)
    for _ in range(RAISES):
        if not report.is_low or lift is not None:
            break
        size = round(size + 0.005, 3)
        plan = claimed(plan, size, units)
        report = plan_power(plan)
    row = report.rows[0]
    least_lift = "" if row.mde is None else f"; the smallest lift it finds is {abs(row.mde):.1%}"
    if daily:
        weeks = next(w for w, n in coming.items() if max(4, math.floor(n + 1e-6)) >= units)
        notes.proposed.append(f"Horizon: {weeks} weeks at {daily:,.4g} units a day, {units:,} units{least_lift}.")
    else:
        notes.proposed.append(f"Horizon: {units:,} units{least_lift}; without a day column nobody knows how long it takes.")
    notes.proposed.append(f"Lift to plan for: {size:.1%} of {shown(first.key)}.")
    notes.proposed += said
    notes.found += report.sentences
    return plan


def _units_for(needed: int | None, coming: Mapping[int, float]) -> int | None:
    """Units of the first number of whole weeks that brings what is needed, of the last one where none does."""
    if not coming:
        return None if needed is None else math.ceil(needed / 100) * 100
    found = next((n for n in coming.values() if needed is not None and n >= needed), max(coming.values()))
    return max(4, math.floor(found + 1e-6))


def _shown_margin(plan: Plan, entry: Mapping[str, Any]) -> float:
    """Smallest margin, in half per cents, that the horizon shows nearly always where nothing changes; at most 50 %."""
    others = [m for m in plan.to_dict()["metrics"] if m["key"] != entry["key"]]
    for halves in (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 40, 60, 100):
        tried = plan.changed(metrics=[*others, {**entry, "margin_rel": halves / 200}])
        row = next(r for r in plan_power(tried).rows if r.metric == entry["key"])
        if row.power is None or row.power >= RAIL_POWER:
            return halves / 200
    return 0.5


def _listed(names: Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "you"


def _refused(name: str, value: object, rule: str, remedy: str) -> InputError:
    return InputError("XPB-I04", name=plain(name), value=value, rule=plain(rule), remedy=plain(remedy))
