"""The difference of two plans, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs.

    Attributes:
        pointer: JSON pointer; entries of lists with a `key` are named by it, `/metrics/[quotes]/margin`.
        before: Value in the first plan, None where it is missing.
        after: Value in the second.
    """

    pointer: str
    before: Any
    after: Any

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"pointer": self.pointer, "before": self.before, "after": self.after}


def diff(before: Any, after: Any) -> list[Change]:
    """Every difference of two JSON values, in the order of their keys."""
    return list(_diff(before, after, ""))


def _diff(a: Any, b: Any, at: str) -> Iterator[Change]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for key in [*a, *(k for k in b if k not in a)]:
            yield from _diff(a.get(key), b.get(key), f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}")
        return
    if _is_list(a) and _is_list(b):
        keys_a, keys_b = _keys(a), _keys(b)
        if keys_a is not None and keys_b is not None:
            for key in [*keys_a, *(k for k in keys_b if k not in keys_a)]:
                yield from _diff(keys_a.get(key), keys_b.get(key), f"{at}/[{key}]")
            common_a = [k for k in keys_a if k in keys_b]
            common_b = [k for k in keys_b if k in keys_a]
            if common_a != common_b:
                yield Change(f"{at} (order)", common_a, common_b)
            return
        for i in range(max(len(a), len(b))):
            yield from _diff(a[i] if i < len(a) else None, b[i] if i < len(b) else None, f"{at}/{i}")
        return
    if type(a) is bool or type(b) is bool:
        if a is not b:
            yield Change(at, a, b)
    elif a != b:
        yield Change(at, a, b)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _keys(values: Sequence[Any]) -> dict[str, Any] | None:
    """Entries by their key, where each has one of its own."""
    if not values or not all(isinstance(v, Mapping) and isinstance(v.get("key"), str) for v in values):
        return None
    out = {v["key"]: v for v in values}
    return out if len(out) == len(values) else None
