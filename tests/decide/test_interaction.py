"""Interaction of two experiments: found where planted, quiet where not, dependence told first."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats as oracle

from tests.builders import make_plan, metric
from xpbench.data.summary import Cell, Summary
from xpbench.decide.interaction import interaction, interactions

PLAN = make_plan([metric("m", "count", event="E")], key="int", title="Interaction")
METRIC = PLAN.metric("m")


def cells(rng: np.random.Generator, *, joint: float = 0.0, phi: float = 0.0, n: int = 8000) -> dict[tuple[str, str], Cell]:
    """Units in two experiments, effects 0.1 and 0.1, with a joint effect and dependent assignments."""
    a = rng.random(n) < 0.5
    b = np.where(rng.random(n) < phi, a, rng.random(n) < 0.5)
    y = rng.normal(1 + 0.1 * a + 0.1 * b + joint * (a & b), 1)
    out = {}
    for (i, va), (j, vb) in itertools.product(enumerate(("control", "beta")), enumerate(("old", "new"))):
        v = y[(a == i) & (b == j)]
        out[va, vb] = Cell("m", va, "value", ("value",), len(v), (float(v.mean()),), ((float(v.var(ddof=1)),),))
    return out


def found(made: dict[tuple[str, str], Cell]) -> object:
    """The interaction with `checkout`."""
    return interaction(METRIC, made, control="control", treatment="beta", other="checkout", alpha=0.05)


def test_planted_interaction_is_found() -> None:
    """A joint effect of 0.2 at n = 8,000 is found; its p-value is Cochran's Q of two effects."""
    result = found(cells(np.random.default_rng(1), joint=0.25))
    assert result.state == "interaction"
    made = cells(np.random.default_rng(1), joint=0.25)
    d = [made["beta", b].mean[0] - made["control", b].mean[0] for b in ("new", "old")]
    v = [sum(made[a, b].cov[0][0] / made[a, b].n for a in ("control", "beta")) for b in ("new", "old")]
    z = (d[0] - d[1]) / sum(v) ** 0.5
    assert result.p_value == pytest.approx(2 * oracle.norm.sf(abs(z)), rel=1e-6)


def test_level_without_interaction() -> None:
    """Additive effects: called in about 5 %, never more than chance allows."""
    rng = np.random.default_rng(2)
    called = sum(found(cells(rng, n=2000)).state == "interaction" for _ in range(300))
    assert called / 300 <= 0.05 + 3 * (0.05 * 0.95 / 300) ** 0.5


def test_dependent_assignments_come_first() -> None:
    """Hashes that move together carry the other's effect over; V is scipy's."""
    made = cells(np.random.default_rng(3), phi=0.3)
    result = found(made)
    assert result.state == "assignments dependent"
    table = [[made[a, b].n for b in ("new", "old")] for a in ("control", "beta")]
    assert result.phi == pytest.approx(oracle.contingency.association(table, method="cramer"), rel=1e-9)
    assert result.bias == pytest.approx(result.phi * abs(made["control", "new"].mean[0] - made["control", "old"].mean[0]))


def test_one_cell_has_no_answer() -> None:
    """Units of one variant of the other only."""
    made = {k: v for k, v in cells(np.random.default_rng(4)).items() if k[1] == "old"}
    assert found(made).state == "not answerable"


def test_other_experiment_as_a_segment() -> None:
    """The other experiment's variant is a segment of the summary: one answer per metric and treatment."""
    made = cells(np.random.default_rng(1), joint=0.3)
    by_segment = tuple(replace(c, dimension="checkout", slice=k[1]) for k, c in made.items())
    summary = Summary("x", "0" * 64, 1, {"control": 4000, "beta": 4000}, by_segment)
    (result,) = interactions(PLAN, summary, dimension="checkout")
    assert result.state == "interaction"
    assert set(result.effects) == {"old", "new"}
    assert interactions(PLAN, Summary("x", "0" * 64, 1, {"control": 1, "beta": 1}, ()), dimension="checkout")[0].p_value is None
