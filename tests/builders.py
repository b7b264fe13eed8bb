"""One builder of plans for tests, benchmarks and scripts: whoever needs a plan says what is special about it.

    plan_document([column("spent")])                               a document with control and beta, frequentist, 1,000 units
    make_plan([metric("done", "count", event="Done")], key="late") the same as a `Plan`
    plan_document([column("spent")], variants=split("a", "b"), horizon={"units": 400})

Everything that a plan needs and a test does not care about has one value here. A field that a test names is put in as it is,
so that a document says in full what the test is about. `tests/test_builders.py` keeps the number of plans that are written
out by hand from growing again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xpbench.plan import Plan


def metric(key: str, kind: str, role: str = "primary", direction: str = "increase", **more: Any) -> dict[str, Any]:
    """One metric of a plan, with whatever its kind needs in `more`."""
    return {"key": key, "kind": kind, "role": role, "direction": direction, **more}


def column(key: str, role: str = "primary", direction: str = "increase", **more: Any) -> dict[str, Any]:
    """A metric from the column of its own name, or from the one in `column`."""
    return metric(key, "column", role, direction, **{"column": key, **more})


def split(*keys: str, shares: Sequence[float] | None = None) -> list[dict[str, Any]]:
    """Variants with equal shares or the given ones; the first is the control."""
    shares = shares if shares is not None else [1 / len(keys)] * len(keys)
    return [
        {"key": key, "split": share, **({"control": True} if number == 0 else {})}
        for number, (key, share) in enumerate(zip(keys, shares, strict=True))
    ]


def claim(then: list[dict[str, Any]], change: str = "a", because: str = "b") -> dict[str, Any]:
    """A hypothesis with a reason that nobody reads."""
    return {"if": change, "then": then, "because": because}


def plan_document(
    metrics: list[dict[str, Any]],
    *,
    key: str = "planned",
    lift: float | None = None,
    change: str = "a",
    because: str = "b",
    **more: Any,
) -> dict[str, Any]:
    """The document of a plan: a claim about its first metric, two equal variants, frequentist, 1,000 units.

    `lift` is the lift that the claim names, `change` and `because` its words; every other field replaces the default, and a
    field that is None is left out. Nothing is copied.
    """
    document: dict[str, Any] = {
        "key": key,
        "title": key.replace("-", " ").capitalize(),
        "owner": "growth",
        "variants": split("control", "beta"),
        "metrics": metrics,
        "model": {"kind": "frequentist"},
        "horizon": {"units": 1000},
    }
    if "hypothesis" not in more:
        first = metrics[0]
        said = {"metric": first["key"], "direction": first["direction"], **({} if lift is None else {"lift": lift})}
        document["hypothesis"] = claim([said], change, because)
    return {field: value for field, value in {**document, **more}.items() if value is not None}


def make_plan(metrics: list[dict[str, Any]], **more: Any) -> Plan:
    """The same as a plan; it may have problems, which is for its test to say."""
    from xpbench.plan import Plan

    return Plan(**plan_document(metrics, **more))
