"""Experiments and summaries for tests of the seal."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.builders import metric, plan_document, split
from xpbench.canonical import digest
from xpbench.data.summary import Cell, Summary
from xpbench.plan import Plan

HORIZON = 4000


def plan(model: dict[str, Any] | None = None, **changes: Any) -> Plan:
    """One primary, one guardrail, a horizon of 4,000 units."""
    base: dict[str, Any] = plan_document(
        [metric("done", "count", event="Done"), metric("errors", "count", "guardrail", "decrease", event="Error", margin=0.3)],
        key="sealed",
        variants=split("a", "b"),
        model=model or {"kind": "frequentist"},
        horizon={"units": HORIZON},
    )
    return Plan(**{**base, **changes})


def summary(n: int, *, effect: float = 0.1, seed: int = 0) -> Summary:
    """Moments of n units, half in each variant, with an effect that tests look for where it must not be."""
    rng = np.random.default_rng([seed, n])
    half = n // 2
    cells = []
    for name, mean in (("done", 1.0), ("errors", 0.5)):
        for variant in ("a", "b"):
            value = mean + rng.normal(0, 1 / half**0.5) + (effect if (name, variant) == ("done", "b") else 0.0)
            cells.append(Cell(name, variant, "value", ("value",), half, (float(value),), ((1.0,),)))
    return Summary("test", digest([n, effect, seed]), n, {"a": half, "b": half}, tuple(cells))
