"""How often the right cause is named first, measured on inputs with a known cause."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from xpbench.health.causes.ranking import srm_causes
from xpbench.health.inputs import HealthInputs

Injector = Callable[[np.random.Generator], HealthInputs]


def accuracy(truth: Mapping[str, Injector], *, runs: int, seed: int) -> dict[str, dict[str, Any]]:
    """How often the injected cause is ranked first, by cause: hits, runs and what was said instead.

    Args:
        truth: For each cause's name, a function that makes inputs with this cause at work.
        runs: Runs per cause.
        seed: Seed of the generator.
    """
    out: dict[str, dict[str, Any]] = {}
    for name, make in truth.items():
        said: dict[str, int] = {}
        for i in range(runs):
            causes = srm_causes(make(np.random.default_rng([seed, len(out), i])))
            first = causes[0].name if causes else "(none)"
            said[first] = said.get(first, 0) + 1
        out[name] = {"runs": runs, "first": said.get(name, 0) / runs, "said": dict(sorted(said.items(), key=lambda p: -p[1]))}
    return out
