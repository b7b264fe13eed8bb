"""Properties of the units as columns, and rules over them: JsonLogic as the official SDK evaluates it, on whole columns.

A rule depends on few columns and those repeat their values, so each comparison is evaluated once for each combination of
values that occurs, by the same `json_logic` package that the SDK uses. Only `and`, `or` and `!` are taken apart, since the
truth of the whole follows from the truth of their parts and an error anywhere makes the whole rule false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from xpbench.errors import AssignError, plain

Bools = NDArray[np.bool_]
FALSE, TRUE, RAISES = 0, 1, 2


@cache
def _logic() -> Callable[[Any, Any], Any]:
    """`json_logic.jsonLogic` with the SDK's operators; loaded when a rule needs it, because the SDK brings an HTTP client."""
    import json_logic
    import mixpanel.flags.custom_operators  # noqa: F401  (registers semver_compare and datetime_compare in json_logic)

    found: Callable[[Any, Any], Any] = json_logic.jsonLogic
    return found


def folded(value: Any) -> Any:
    """The value with all text case-folded, keys of objects included: how the SDK sees a unit's properties."""
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, list):
        return [folded(item) for item in value]
    if isinstance(value, dict):
        return {(k.casefold() if isinstance(k, str) else k): folded(v) for k, v in value.items()}
    return value


def folded_leaves(value: Any) -> Any:
    """The value with its text case-folded but keys of objects as they are: how the SDK sees a rule."""
    if isinstance(value, str):
        return value.casefold()
    if isinstance(value, list):
        return [folded_leaves(item) for item in value]
    if isinstance(value, dict):
        return {k: folded_leaves(v) for k, v in value.items()}
    return value


def runtime_parameters(context: Mapping[str, Any]) -> dict[str, Any] | None:
    """The folded custom properties of a context, or None where there are none."""
    properties = context.get("custom_properties")
    if not properties or not isinstance(properties, dict):
        return None
    found: dict[str, Any] = folded(properties)
    return found


def exact_match(definition: Mapping[str, Any], parameters: Mapping[str, Any] | None) -> bool:
    """The legacy rule: every key equals its text, case-folded.

    Raises:
        AttributeError: a value is no text; the SDK lets that reach its caller.
    """
    if parameters is None:
        return False
    for key, expected in definition.items():
        if key not in parameters:
            return False
        if parameters[key].casefold() != expected.casefold():
            return False
    return True


class FlagProperties:
    """Columns of properties, one row per unit; a null cell means that the unit lacks the property.

    Args:
        rows: DataFrame (pandas, polars, pyarrow), mapping of name to column, or a sequence with one mapping or None per
            unit, such as the `custom_properties` of contexts.
        n: Number of units.

    Raises:
        AssignError: `XPB-A15`, another number of rows than units; `XPB-A20`, no table.
    """

    def __init__(self, rows: Any, n: int) -> None:
        self.n = n
        self.rows: Sequence[Any] | None = None
        self.columns: dict[str, Any] = {}
        if rows is None:
            self.any_present: Bools = np.zeros(n, bool)
            return
        frame = nw.from_native(rows, eager_only=True, pass_through=True)
        named: dict[str, Any]
        if isinstance(frame, nw.DataFrame):
            named = {name: frame[name].to_native() for name in frame.columns}
        elif isinstance(rows, pa.Table):
            named = {name: rows[name] for name in rows.column_names}
        elif isinstance(rows, Mapping):
            named = dict(rows)
        elif isinstance(rows, Sequence) and not isinstance(rows, (str, bytes)):
            self._take_rows(rows)
            return
        else:
            raise AssignError(
                "XPB-A20",
                name="properties",
                value=rows,
                rule=plain("Properties are a frame, a mapping of columns, or one mapping per unit"),
                remedy=plain("Give the frame that holds them"),
            )
        self.any_present = np.zeros(n, bool)
        for name, values in named.items():
            column = _column(values)
            if len(column) != n:
                raise AssignError("XPB-A15", count=plain(f"{n:,}"), owner=plain("properties"), value=len(column))
            self.any_present |= _present(column)
            key = name.casefold()
            self.columns[key] = _coalesced(column, self.columns[key]) if key in self.columns else column

    def _take_rows(self, rows: Sequence[Any]) -> None:
        if len(rows) != self.n:
            raise AssignError("XPB-A15", count=plain(f"{self.n:,}"), owner=plain("properties"), value=len(rows))
        self.rows = [folded(r) if isinstance(r, dict) and r else None for r in rows]
        self.any_present = np.fromiter((r is not None for r in self.rows), bool, self.n)

    def evaluate(self, roots: set[str] | None, decide: Callable[[dict[str, Any]], int]) -> NDArray[np.int8]:
        """The decision for every unit, computed once for each combination of values in the columns named.

        Args:
            roots: Columns that the decision depends on; None for all.
            decide: Maps parameters to FALSE, TRUE or RAISES.
        """
        out = np.empty(self.n, np.int8)
        if self.rows is not None:
            for i, row in enumerate(self.rows):
                out[i] = decide(row) if row is not None else FALSE
            return out
        names = [c for c in self.columns if roots is None or c in roots]
        encoded = [_encoded(self.columns[name]) for name in names]
        codes = np.zeros(self.n, np.int64)
        for code, distinct in encoded:
            codes = codes * len(distinct) + code
            if len(encoded) > 1:
                codes = np.unique(codes, return_inverse=True)[1]
        if len(encoded) == 1:
            combinations: Iterable[tuple[Any, ...]] = ((value,) for value in encoded[0][1])
            count = len(encoded[0][1])
        else:
            count = int(codes.max(initial=-1)) + 1
            first = np.zeros(count, np.int64)
            first[codes] = np.arange(self.n)
            combinations = (tuple(distinct[code[row]] for code, distinct in encoded) for row in first)
        table = np.fromiter((decide(_parameters(names, c)) for c in combinations), np.int8, count)
        return table[codes] if self.n else out


_ABSENT = object()


def _parameters(names: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return {name: folded(value) for name, value in zip(names, values, strict=True) if value is not _ABSENT}


def _column(values: Any) -> Any:
    """An Arrow array, or a numpy array of objects where Arrow has no one type for the values."""
    if isinstance(values, (pa.Array, pa.ChunkedArray)):
        array = values
    else:
        series = nw.from_native(values, series_only=True, allow_series=True, pass_through=True)
        try:
            if _mixes_numbers(values):
                raise TypeError("integers among floats would become floats")
            array = series.to_arrow() if isinstance(series, nw.Series) else pa.array(values, from_pandas=True)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            items = series.to_list() if isinstance(series, nw.Series) else list(values)
            objects = np.empty(len(items), object)
            objects[:] = items
            return objects
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):
            array = array.chunk(0) if array.num_chunks else pa.array([], array.type)
    if pa.types.is_floating(array.type):
        array = pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
    return array


def _mixes_numbers(values: Any) -> bool:
    """Whether Arrow would turn integers or true and false into something else."""
    if isinstance(values, (list, tuple)) or str(getattr(values, "dtype", "")) == "object":
        return len({type(v) for v in values if isinstance(v, (bool, int, float)) and v == v}) > 1
    return False


def _present(column: Any) -> Bools:
    if isinstance(column, np.ndarray):
        return np.fromiter((v is not None and v == v for v in column), bool, len(column))
    found: Bools = pc.is_valid(column).to_numpy(zero_copy_only=False).astype(bool)
    return found


def _coalesced(first: Any, second: Any) -> Any:
    a, b = _present(first), [c if isinstance(c, np.ndarray) else c.to_pylist() for c in (first, second)]
    out = np.empty(len(a), object)
    out[:] = [x if here else y for here, x, y in zip(a, *b, strict=True)]
    return out


def _encoded(column: Any) -> tuple[NDArray[np.int64], list[Any]]:
    """A code per row and the distinct values; the code of a missing cell stands for `_ABSENT`."""
    if not isinstance(column, np.ndarray):
        try:
            encoded = pc.dictionary_encode(column)
            distinct = encoded.dictionary.to_pylist()
            codes = pc.fill_null(encoded.indices, len(distinct)).to_numpy(zero_copy_only=False).astype(np.int64)
            return codes, [*distinct, _ABSENT]
        except (pa.ArrowException, NotImplementedError):
            objects = np.empty(len(column), object)
            objects[:] = column.to_pylist()
            column = objects
    known: dict[Any, int] = {}
    values: list[Any] = []
    codes = np.empty(len(column), np.int64)
    for i, value in enumerate(column):
        if value is None or value != value:
            value = _ABSENT
        key = (type(value), repr(value))
        at = known.get(key)
        if at is None:
            at = known[key] = len(values)
            values.append(value)
        codes[i] = at
    return codes, values


class FlagRule:
    """A rule of a rollout group, ready for whole columns.

    Args:
        rule: JsonLogic; falsy means none.
        definition: Legacy definition, used where there is no rule.
    """

    def __init__(self, rule: Any = None, definition: Any = None) -> None:
        self.rule = rule
        self.definition = definition

    @property
    def is_open(self) -> bool:
        """Whether there is nothing to fulfil."""
        return not self.rule and not self.definition

    def scalar(self, context: Mapping[str, Any]) -> bool:
        """Whether the rule holds in one context, exactly as in the SDK (and raising what it raises)."""
        if self.rule:
            parameters = runtime_parameters(context)
            if parameters is None:
                return False
            try:
                return bool(_logic()(folded_leaves(self.rule), parameters))
            except Exception:  # noqa: BLE001  (as in the SDK: a rule that can't be evaluated does not hold)
                return False
        if self.definition:
            return exact_match(self.definition, runtime_parameters(context))
        return True

    def true_of_nothing(self) -> bool:
        """Whether the rule would hold for a unit without properties, were it asked: the official Python SDK does not ask it."""
        if not self.rule:
            return False
        nobody: tuple[Any, ...] = (None, {})
        for nothing in nobody:
            try:
                if _logic()(folded_leaves(self.rule), nothing):
                    return True
            except Exception:  # noqa: BLE001, S112  (as in the SDK: a rule that can't be evaluated does not hold)
                continue
        return False

    def columns(self, properties: FlagProperties) -> tuple[Bools, Bools | None]:
        """Where the rule holds, and where the SDK would raise (None where nowhere)."""
        if self.is_open:
            return np.ones(properties.n, bool), None
        if not properties.any_present.any():
            return np.zeros(properties.n, bool), None
        if self.rule:
            try:
                truth, error = self._walk(folded_leaves(self.rule), properties)
            except RecursionError:
                return np.zeros(properties.n, bool), None
            return truth & ~error & properties.any_present, None
        definition = self.definition

        def decide(parameters: dict[str, Any]) -> int:
            try:
                return int(exact_match(definition, parameters))
            except AttributeError:
                return RAISES

        found = properties.evaluate(set(definition), decide)
        raises = (found == RAISES) & properties.any_present
        return (found == TRUE) & properties.any_present, raises if raises.any() else None

    def _walk(self, rule: Any, properties: FlagProperties) -> tuple[Bools, Bools]:
        if isinstance(rule, dict) and rule:
            operator = next(iter(rule))
            values = rule[operator]
            if not isinstance(values, list):
                values = [values]
            if operator in ("and", "or"):
                truth = np.full(properties.n, operator == "and")
                error = np.zeros(properties.n, bool)
                for part in values:
                    t, e = self._walk(part, properties)
                    truth = truth & t if operator == "and" else truth | t
                    error |= e
                return truth, error
            if operator == "!" and len(values) == 1:
                t, e = self._walk(values[0], properties)
                return ~t, e
        roots = variables(rule)

        def decide(parameters: dict[str, Any]) -> int:
            try:
                return int(bool(_logic()(rule, parameters)))
            except Exception:  # noqa: BLE001  (an error anywhere makes the whole rule false)
                return RAISES

        found = properties.evaluate(roots, decide)
        return found == TRUE, found == RAISES


def variables(rule: Any) -> set[str] | None:
    """First parts of the names that a folded rule reads; None where a name is computed."""
    names: set[str] = set()
    stack = [rule]
    while stack:
        node = stack.pop()
        if not isinstance(node, dict) or not node:
            continue
        operator = next(iter(node))
        values = node[operator]
        if not isinstance(values, list):
            values = [values]
        if operator == "var":
            stack.extend(values[1:])
            values = values[:1]
        elif operator == "missing_some":
            values = values[1:]
        elif operator != "missing":
            stack.extend(values)
            continue
        for value in values:
            for name in value if isinstance(value, list) else [value]:
                if isinstance(name, dict):
                    return None
                names.add(str(name).split(".")[0])
    return names
