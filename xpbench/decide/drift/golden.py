"""The golden fixture of the drift lock: a small log made from the plan's own events, the same on every machine.

Sixty units, their events before and after exposure, amounts and filter values all follow from SHA-256 of their names: no
seed, no library's random numbers, so that a golden value moves only when what is computed moves.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from xpbench.data import units
from xpbench.data.arrays import floats, texts
from xpbench.decide.drift.meanings import Lock, locks
from xpbench.decide.estimate import subject_of
from xpbench.plan import Plan
from xpbench.plan.metrics import Column, Filter, Funnel, MetricBase
from xpbench.stats.functionals import functional
from xpbench.stats.moments import Moments

UNITS = 60
START = datetime(2026, 1, 15, tzinfo=UTC)
LONGEST = 40
"""Days of events after exposure."""


def golden_locks(plan: Plan) -> dict[str, Lock]:
    """The lock of every metric of a plan, its value on the golden fixture included.

    Raises:
        DataError: the data room can't compute the plan at all.
    """
    values = golden_values(plan)
    return locks(plan, compute=lambda _, key: values.get(key))


def golden_values(plan: Plan) -> dict[str, float | None]:
    """Value of every metric in the control of the golden fixture; None where it has none.

    Winsorization, CUPED covariates (through the estimate of the mean they do not move) and windows are those of the plan.
    """
    exposure = plan.exposure.model_dump(mode="json", exclude_none=True, exclude={"start", "end"})
    past = plan.changed(segments=[], exposure=exposure)
    if any(isinstance(m, Column) for m in past.metrics):
        summary = units(golden_table(past), unit="unit", variant="variant").summarize(past)
    else:
        from xpbench.data import events  # brings the engine, which columns of a table don't need

        until = START + timedelta(days=LONGEST + 60)
        source = events(golden_log(past), slices=(), absent_events="zero", until=until, clock=lambda: until)
        summary = source.summarize(past)
    out: dict[str, float | None] = {}
    for metric in past.metrics:
        cell = summary.cell(metric.key, past.control.key)
        if cell is None or cell.n < 1:
            out[metric.key] = None
            continue
        moments = Moments.of(cell.n, cell.mean, cell.cov)
        value = float(functional(subject_of(metric, cell.columns)[0]).at(moments.mean)[0])
        out[metric.key] = value if math.isfinite(value) else None
    return out


def golden_table(plan: Plan) -> pa.Table:
    """One row per unit with a number for every column that the plan names."""
    names = sorted({c for m in plan.metrics if isinstance(m, Column) for c in (m.column, *m.covariates)})
    columns: dict[str, Any] = {
        "unit": texts([f"g{i}" for i in range(UNITS)]),
        "variant": texts([plan.variants[i % len(plan.variants)].key for i in range(UNITS)]),
    }
    for name in names:
        columns[name] = floats([round(100 * _share("column", name, i) ** 3, 2) for i in range(UNITS)])
    return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def golden_log(plan: Plan) -> pa.Table:
    """Events of sixty units: every event that the plan counts, with every property that it reads."""
    numbers, filters = _properties(plan.metrics)
    names = _event_names(plan.metrics)
    unit = plan.unit
    rows: list[dict[str, Any]] = []
    for i in range(UNITS):
        exposed = START + timedelta(days=i % 7, seconds=round(86_000 * _share("exposed", i)))
        variant = plan.variants[i % len(plan.variants)].key
        rows.append(
            {
                "event": plan.exposure.event,
                unit: f"g{i}",
                "time": exposed,
                plan.exposure.experiment_property: plan.experiment_name,
                plan.exposure.variant_property: variant,
            }
        )
        for name in names:
            for side, days in ((-1, 13), (1, LONGEST)):
                for k in range(int(4 * _share(name, i, side))):
                    at = exposed + side * timedelta(seconds=1 + round(days * 86_400 * _share(name, i, side, k, "at") ** 2))
                    row: dict[str, Any] = {"event": name, unit: f"g{i}", "time": at}
                    for p in numbers:
                        row[p] = round(100 * _share(name, i, side, k, p) ** 3, 2)
                    for p, options in filters.items():
                        row[p] = options[int(len(options) * _share(name, i, side, k, p, "option"))]
                    rows.append(row)
    columns = list(dict.fromkeys(c for r in rows for c in r))
    made: dict[str, Any] = {c: pa.array([r.get(c) for r in rows]) for c in columns}
    made["time"] = pa.array([r["time"] for r in rows], pa.timestamp("us", tz="UTC"))
    made["$insert_id"] = pa.array([f"golden-{i}" for i in range(len(rows))])
    return pa.table(made)


def _share(*parts: Any) -> float:
    """A number in [0, 1) that follows from the names alone."""
    text = "\x1f".join(map(str, parts)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:6], "big") / 2**48


def _filters(metrics: Iterable[MetricBase]) -> Iterable[Filter]:
    for metric in metrics:
        yield from getattr(metric, "where", ())
        for step in getattr(metric, "steps", ()):
            yield from step.where


def _event_names(metrics: Iterable[MetricBase]) -> list[str]:
    names = {m.event for m in metrics if getattr(m, "event", None)}  # type: ignore[attr-defined]
    names |= {s.event for m in metrics if isinstance(m, Funnel) for s in m.steps}
    return sorted(names) or ["Visit"]


def _properties(metrics: Iterable[MetricBase]) -> tuple[list[str], Mapping[str, list[Any]]]:
    """Numeric properties, and for each property of a filter the values to choose from: those it names, others, and none."""
    listed = list(metrics)
    numbers = sorted({str(m.property) for m in listed if getattr(m, "property", None)})  # type: ignore[attr-defined]
    options: dict[str, list[Any]] = {}
    for f in _filters(listed):
        if f.property in numbers:
            continue
        values = list(f.value) if isinstance(f.value, tuple) else [f.value]
        for value in values:
            found = options.setdefault(f.property, [None])
            if isinstance(value, bool):
                found += [True, False]
            elif isinstance(value, (int, float)):
                found += [float(value) - 1, float(value), float(value) + 1]
            elif value is not None:
                found += [value, "another"]
            else:
                found += ["set"]
    return numbers, {p: sorted(set(o), key=lambda v: (v is not None, str(v))) for p, o in sorted(options.items())}
