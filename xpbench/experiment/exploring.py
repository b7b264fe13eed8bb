"""Exploring: a table of an experiment that nobody registered, read with the same statistics and without a decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from xpbench.data import units
from xpbench.data.logs.opening import as_text, is_relation, located
from xpbench.data.tables.variant_column import variant_column
from xpbench.data.tables.variant_values import columns_of, variant_values
from xpbench.decide.analysis import analyse
from xpbench.decide.exploration import Exploration
from xpbench.decide.segments import segment_results
from xpbench.errors import DecisionError, InputError, XpbenchError, nearest, plain, shown
from xpbench.experiment.opening import plan_in_force, read_entries
from xpbench.experiment.state import status_of
from xpbench.health import inputs_of, run_checks
from xpbench.ledger import Clock, experiments, system_clock
from xpbench.meaning.names import loose
from xpbench.plan import Plan
from xpbench.plan.design import Correction
from xpbench.plan.metrics import Column
from xpbench.plan.reading import ensure_registrable

MOST_VARIANTS = 20
KEY = "exploration"
PLANNED, ASSUMED = "the splits of the plan", "equal shares, which are assumed"
"""Against what a sample ratio is held: the words of the check, and what they are where no split was given."""
ROW = "row"
"""Name of the units where every row is one."""


def explore(
    table: Any,
    metrics: Sequence[str | Mapping[str, Any]],
    *,
    variant: str | None = None,
    control: Any = None,
    unit: str | None = None,
    covariates: Mapping[str, str | Sequence[str]] | None = None,
    split: Mapping[Any, float] | None = None,
    segments: str | Sequence[str] = (),
    confidence: float = 0.95,
    correction: Correction = "holm",
    root: str | Path | None = "experiments",
    clock: Clock = system_clock,
) -> Exploration:
    """Effects and health of a table with one row per unit that belongs to no plan: a past experiment, or a first try.

    Each variant against control: Welch's test with Fieller's interval of the lift, Holm's correction over all metrics and
    variants, CUPED where covariates are named. Everything is stamped EXPLORATORY: there is no decision and no memo, which
    need a plan from before the data.

    Args:
        table: A pandas, polars or pyarrow table, a DuckDB relation, or paths of CSV or Parquet files.
        metrics: Numeric columns, more is better; or metrics as a plan writes them (less is better, ratios, formulas).
        variant: Column of the variant; left out, `variant`, or the column that is called `group`, `arm`, `test_group` …; the
            answer says which.
        control: What stands there for control; left out, the value `control`.
        unit: Column of the unit's id; left out, every row of a table in memory is one unit.
        covariates: For a column named in `metrics`, the columns from before the experiment that narrow its interval.
        split: Planned share by variant; left out, equal shares are assumed, and the answer says so. The sample ratio is held
            against it.
        segments: Columns to split by, each corrected along its own axis, with a test of whether the effect differs.
        confidence: Of each interval, after the correction.
        correction: Over all metrics and variants: `holm`, `bonferroni`, `bh` or `none`.
        root: Folder of registered experiments; one of them that is still sealed and fits the table is not explored.
            None looks nowhere.
        clock: Of health checks that know today.

    Raises:
        DataError: the table can't be read, or has no such columns.
        DecisionError: `XPB-R13`, a registered experiment that is sealed fits the table; `XPB-R14`, no control, or too few or
            too many variants; `XPB-R15`, files need the column of the unit.
        InputError: `XPB-I04`, covariates or split speak of something that is not there.
        InvalidPlan: metrics or shares are wrong.
    """
    table = located(table)
    unit, variant = (None if name is None else str(name) for name in (unit, variant))  # some frames number them
    metrics = [m if isinstance(m, Mapping) else str(m) for m in _listed(metrics)]
    in_files = isinstance(table, list)
    if unit is None and (in_files or is_relation(table)):
        raise DecisionError("XPB-R15", columns=plain(", ".join(map(shown, columns_of(table)[:12]))))
    found_column = variant is None
    if variant is None:
        variant = variant_column(table, leave_out={unit} if unit else ())
        found_column = variant != "variant"
    seen = variant_values(table, variant, () if control is None else (str(control).strip(), *map(str, split or ())))
    first = _control(seen, control, variant)
    _ensure_known(
        "covariates", covariates or {}, "columns of the metrics", [m if isinstance(m, str) else "" for m in _listed(metrics)]
    )
    _ensure_known("split", split or {}, "variants of the table", seen)
    values = [first, *sorted(v for v in seen if v != first)]
    plan = _plan(values, metrics, unit or ROW, covariates or {}, split, confidence, correction, sum(seen.values()), segments)
    ensure_registrable(plan)
    if root is not None:
        _ensure_not_sealed(plan, columns_of(table), root, clock)
    source = units(
        table if unit is not None else _numbered(table),
        unit=unit or ROW,
        variant=variant,
        variants={value: v.key for value, v in zip(values, plan.variants, strict=True)},
    )
    summary = source.summarize(plan)
    now = clock()
    health = run_checks(inputs_of(plan, summary, None, previous=None, now=now))
    health = tuple(c for c in health if c.status in ("fail", "warn", "pass"))
    if split is None:  # nobody planned these shares
        health = tuple(replace(c, meaning=c.meaning.replace(PLANNED, ASSUMED)) for c in health)
    stamps = (("INVALID",) if any(c.blocks for c in health) else ()) + ("EXPLORATORY",)
    results = segment_results(plan, summary)
    return Exploration(
        plan, summary, health, analyse(plan, summary), stamps, results, split is None, variant if found_column else ""
    )


def _control(seen: Mapping[str, int], control: Any, variant: str) -> str:
    """The value that stands for control."""
    listed = ", ".join(f"{shown(v)} {n:,}" for v, n in list(seen.items())[:5]) or "nothing"
    listed += ", …" if len(seen) > 5 else ""
    if not 2 <= len(seen) <= MOST_VARIANTS:
        what = f"Column {shown(variant)} holds {len(seen):,} values: {listed}"
        raise DecisionError(
            "XPB-R14",
            what=plain(what),
            hint=plain("Name the column of the variant with variant=… (--variant on the command line)"),
        )
    spelled: dict[str, list[str]] = {}
    for value in seen:
        spelled.setdefault(loose(value), []).append(value)
    twice = next((values for values in spelled.values() if len(values) > 1), None)
    if twice:
        what = f"Column {shown(variant)} spells a variant in {len(twice):,} ways: {', '.join(map(repr, twice))}"
        what += f" ({', '.join(f'{seen[v]:,}' for v in twice)} rows)"
        hint = "Write each variant in one way, or say in Python with xp.units(…, variants=…) which are meant as one"
        raise DecisionError("XPB-R14", what=plain(what), hint=plain(hint))
    wanted = "control" if control is None else str(control).strip()
    if wanted not in seen:
        wanted = as_text(control)
    if wanted not in seen:
        what = f"Column {shown(variant)} holds {listed}, and not {shown(wanted)}"
        hint = (
            nearest(wanted, seen) if control is not None else "Name one of them with control=… (--control on the command line)"
        )
        raise DecisionError("XPB-R14", what=plain(what), hint=plain(hint))
    return wanted


def _plan(
    values: Sequence[str],
    metrics: Sequence[str | Mapping[str, Any]],
    unit: str,
    covariates: Mapping[str, str | Sequence[str]],
    split: Mapping[Any, float] | None,
    confidence: float,
    correction: Correction,
    rows: int,
    segments: str | Sequence[str],
) -> Plan:
    """The plan that says what is computed; never registered."""
    shares = {as_text(k): v for k, v in (split or dict.fromkeys(values, 1.0)).items()}
    total = sum(shares.values()) or 1.0
    listed = [_metric(m, covariates) for m in _listed(metrics)]
    return Plan(
        key=KEY,
        title="Exploration of a table",
        owner="nobody: exploratory",
        unit=unit,
        hypothesis={
            "if": "the variants differ",
            "then": [{"metric": str(listed[0]["key"]), "direction": listed[0].get("direction", "increase")}] if listed else [],
            "because": "this was explored, not planned",
        },
        variants=[
            {"key": key, "name": value, "split": shares.get(value, 0.0) / total, "control": value == values[0]}
            for key, value in zip(_keys(values), values, strict=True)
        ],
        metrics=listed,
        model={"kind": "frequentist", "confidence": confidence},
        correction=correction,
        segments=[segments] if isinstance(segments, str) else list(segments),
        horizon={"units": max(rows, 2)},
    )


def _listed(metrics: Sequence[str | Mapping[str, Any]]) -> Sequence[str | Mapping[str, Any]]:
    return [metrics] if isinstance(metrics, (str, Mapping)) or not isinstance(metrics, Iterable) else metrics


def _ensure_known(argument: str, given: Mapping[Any, Any], what: str, known: Iterable[str]) -> None:
    """Every name that an argument speaks of is one of the call's; nothing is passed over in silence.

    Raises:
        InputError: `XPB-I04`.
    """
    names = [name for name in known if name]
    for name in map(as_text, given):
        if name not in names:
            rule, remedy = plain(f"It names {what}"), plain(nearest(name, names))
            raise InputError("XPB-I04", name=plain(argument), value=name, rule=rule, remedy=remedy)


def _metric(metric: str | Mapping[str, Any], covariates: Mapping[str, str | Sequence[str]]) -> dict[str, Any]:
    """A metric as a plan writes it."""
    if not isinstance(metric, str):
        return {"role": "primary", "direction": "increase", **metric}
    out: dict[str, Any] = {"key": metric, "kind": "column", "column": metric, "role": "primary", "direction": "increase"}
    given = covariates.get(metric, ())
    return {**out, "cuped": True, "covariates": [given] if isinstance(given, str) else list(given)} if given else out


def _keys(values: Sequence[str]) -> list[str]:
    """Keys that a plan takes: the values themselves where they fit."""
    return [
        value if len(value) <= 64 and value.isprintable() and value.strip() else f"variant_{i}"
        for i, value in enumerate(values)
    ]


def _numbered(table: Any) -> Any:
    """The table with the numbers of its rows as ids."""
    import narwhals.stable.v2 as nw

    frame = nw.from_native(table)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect("pyarrow")
    return nw.to_native(frame.with_row_index(ROW))


def _ensure_not_sealed(plan: Plan, columns: Sequence[str], root: str | Path, clock: Clock) -> None:
    """No registered experiment with these variants and columns waits for its results to be due.

    Raises:
        DecisionError: `XPB-R13`.
    """
    names, wanted = {v.label for v in plan.variants}, _columns(plan)
    for listed in experiments(root):
        try:
            entries = read_entries(listed.path)
            registered = Plan(**plan_in_force(entries))
            status = status_of(entries, now=clock())
        except XpbenchError:
            continue  # a broken one says so where it is opened
        fits = registered.unit in columns and {v.key for v in registered.variants} == names and wanted & _columns(registered)
        if fits and status.state in ("registered", "running"):
            raise DecisionError("XPB-R13", key=listed.key, state=plain(status.sentence))


def _columns(plan: Plan) -> set[str]:
    """Columns that the plan's metrics are means of."""
    return {m.column for m in plan.metrics if isinstance(m, Column)}
