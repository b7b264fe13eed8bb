"""The exposure log as columns: who met which variant, when, and whatever else is next to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xpbench.errors import AssignError, nearest, plain, shown
from xpbench.plan import Plan
from xpbench.randomiser.assigning import Subject, unit_key
from xpbench.randomiser.ids import UnitIds

UNITS = ("distinct_id", "unit_id", "unit", "id", "user_id", "userid", "$user_id")
VARIANTS = ("Variant name", "variant", "variant_key", "variant_name", "$variant", "version")
TIMES = ("time", "timestamp", "exposed_at", "first_exposure", "at", "date", "t")
EXPERIMENTS = ("Experiment name", "experiment", "experiment_name", "experiment_key")
OTHER_IDS = (
    "device_id", "$device_id", "user_id", "$user_id", "distinct_id", "$distinct_id_before_identity", "$preshuffle_distinct_id",
    "anonymous_id", "anon_id", "$anon_id", "visitor_id", "cookie_id", "session_id", "account_id", "company_id", "customer_id",
    "login_id", "member_id", "client_id", "profile_id",
)  # fmt: skip
MISSING, UNKNOWN = -2, -3


@dataclass(frozen=True)
class ExposureLog:
    """Exposures in columns.

    Attributes:
        ids: Unit of each row.
        logged: Position of the logged variant among the subject's, −2 where there is none, −3 where it is not known.
        unknown: Logged variants that the subject does not have, with their rows.
        time: Nanoseconds since the epoch, or None without a time column; NaT as the smallest number.
        others: Other columns that hold ids.
        labels: Other columns of text with few values, such as the library that logged.
        testers: Rows marked as QA testers, or None.
        properties: The rest, for rules.
        rows: Rows that belong to the experiment.
    """

    ids: UnitIds
    logged: NDArray[np.int16]
    unknown: Mapping[str, int]
    time: NDArray[np.int64] | None
    others: Mapping[str, UnitIds] = field(default_factory=dict)
    labels: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    testers: NDArray[np.bool_] | None = None
    properties: Any = None
    rows: int = 0

    def at(self, row: int) -> str | int:
        """Time of a row as ISO text in UTC, or its position in the log where there is no time."""
        if self.time is None or self.time[row] == np.iinfo(np.int64).min:
            return int(row)
        return datetime.fromtimestamp(self.time[row] / 1e9, UTC).isoformat()


def read_log(
    subject: Subject,
    keys: tuple[str, ...],
    exposures: Any,
    *,
    unit: str | None,
    variant: str | None,
    time: str | None,
    experiment: str | None,
    extra_ids: Sequence[str] = (),
) -> ExposureLog:
    """The exposure log of a subject from a frame or a mapping of columns.

    Raises:
        AssignError: `XPB-A13`, a column is missing; `XPB-A01` and others, ids that are no ids.
    """
    table = _table(exposures)
    names = table.column_names
    key = unit_key(subject)
    unit_at = _column(names, unit, (key, *UNITS), "unit")
    own = (subject.exposure.variant_property,) if isinstance(subject, Plan) else ()
    variant_at = _column([n for n in names if n != unit_at], variant, (*own, *VARIANTS), "variant")
    time_at = _column(names, time, TIMES, "time") if time or any(t in names for t in TIMES) else None
    named = experiment or (subject.experiment_name if isinstance(subject, Plan) else subject.key)
    for column in EXPERIMENTS:
        if column in names and column not in (unit_at, variant_at):
            kept = table.filter(pc.fill_null(pc.equal(table[column].cast(pa.string()), named), False))
            if len(kept) == 0 and len(table) > 0:
                there = [str(v) for v in pc.unique(table[column].cast(pa.string()).drop_null()).to_pylist()[:20]]
                raise AssignError(
                    "XPB-A20",
                    name="experiment",
                    value=named,
                    rule=plain(f"The log's column {shown(column)} has no such experiment"),
                    remedy=plain(f"Give experiment= (--experiment on the command line). {nearest(named, there)}"),
                )
            table = kept
            break
    ids = UnitIds(_as_logged(table[unit_at]))
    logged, unknown = _logged(table[variant_at], keys)
    used = {unit_at, variant_at, time_at}
    others, labels = {}, {}
    for name in names:
        if name in used:
            continue
        kind = table[name].type
        if (name in OTHER_IDS or name in extra_ids) and (pa.types.is_integer(kind) or _is_text(kind)):
            others[name] = UnitIds(table[name])
        elif _is_text(kind):
            values = pc.fill_null(table[name].cast(pa.string()), "")
            if pc.count_distinct(values).as_py() <= 50:
                labels[name] = values.to_numpy()
    testers = None
    if "$is_qa_tester" in names and pa.types.is_boolean(table["$is_qa_tester"].type):
        testers = pc.fill_null(table["$is_qa_tester"], False).to_numpy().astype(bool)
    rest = [n for n in names if n not in used]
    return ExposureLog(
        ids,
        logged,
        unknown,
        None if time_at is None else _nanoseconds(table[time_at]),
        others,
        labels,
        testers,
        table.select(rest) if rest else None,
        len(table),
    )


def _table(exposures: Any) -> pa.Table:
    if isinstance(exposures, pa.Table):
        return exposures
    frame = nw.from_native(exposures, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    if isinstance(frame, nw.DataFrame):
        try:
            return frame.to_arrow()
        except (pa.ArrowException, TypeError, ValueError):
            columns = {n: frame[n].to_list() for n in frame.columns}
            return pa.table({n: _texts(v) for n, v in columns.items()})
    if isinstance(exposures, Mapping):
        return pa.table({n: v if isinstance(v, (pa.Array, pa.ChunkedArray)) else _texts(v) for n, v in exposures.items()})
    raise AssignError(
        "XPB-A20",
        name="exposures",
        value=type(exposures).__name__,
        rule=plain("Exposures are a frame with one row per exposure, with columns for unit and variant"),
        remedy=plain("Give a pandas, polars or pyarrow table, or a mapping of columns"),
    )


def _texts(values: Any) -> Any:
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):
        kept = [repr(v) if isinstance(v, float) and v == v else v for v in values]
        return UnitIds(kept).array


def _as_logged(column: Any) -> Any:
    """Ids as they are in the log; floats, which `assign` refuses, are kept as text (12345.0), for the audit to name."""
    if pa.types.is_floating(column.type):
        texts = [None if v is None or v != v else repr(v) for v in column.to_pylist()]
        return pa.array(texts, pa.large_string())
    return column


def _is_text(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _column(names: list[str], wanted: str | None, usual: tuple[str, ...], what: str) -> str:
    if wanted is not None:
        if wanted in names:
            return wanted
        raise AssignError(
            "XPB-A13",
            value=wanted,
            owner=plain("the exposures"),
            rule=plain(f"{what} names a column"),
            hint=plain(nearest(wanted, names)),
        )
    for name in usual:
        if name in names:
            return name
    raise AssignError(
        "XPB-A13",
        value=usual[0],
        owner=plain("the exposures"),
        rule=plain(f"The {what} is in a column of one of the usual names, or is named by {what}="),
        hint=plain(nearest(usual[0], names)),
    )


def _logged(column: Any, keys: tuple[str, ...]) -> tuple[NDArray[np.int16], dict[str, int]]:
    texts = column.cast(pa.string())
    at = pc.index_in(texts, value_set=pa.array(keys, pa.string()))
    codes = pc.fill_null(at, UNKNOWN).to_numpy().astype(np.int16)
    empty = pc.or_(pc.is_null(texts), pc.equal(pc.fill_null(texts, ""), "")).to_numpy().astype(bool)
    codes[empty & (codes == UNKNOWN)] = MISSING
    odd = texts.filter(pa.array(codes == UNKNOWN))
    counted = {str(v["values"]): int(v["counts"]) for v in pc.value_counts(odd).to_pylist()} if len(odd) else {}
    return codes, dict(sorted(counted.items(), key=lambda kv: -kv[1])[:20])


def _nanoseconds(column: Any) -> NDArray[np.int64]:
    import pandas as pd

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
        finite = numbers[np.isfinite(numbers)]
        top = float(np.abs(finite).max()) if len(finite) else 0.0
        scale = 1e9 if top < 1e11 else 1e6 if top < 1e14 else 1e3 if top < 1e17 else 1.0
        out = np.full(len(numbers), np.iinfo(np.int64).min, np.int64)
        good = np.isfinite(numbers)
        out[good] = (numbers[good] * scale).astype(np.int64)
        return out
    values = pd.Series(column.to_pandas())
    moments = pd.to_datetime(values, utc=True, errors="coerce", format="ISO8601" if _is_text(kind) else None)
    found: NDArray[np.int64] = moments.to_numpy(dtype="datetime64[ns]").astype(np.int64)
    return found
