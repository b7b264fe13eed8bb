"""What a lift is worth in the light of ten or more other experiments of a root: next to the raw one, and nowhere else."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

import xpbench as xp
from tests.decide import sealed
from tests.watch.ledgers import Hands
from xpbench.decide.chances import relative_error
from xpbench.decide.readout import Readout
from xpbench.stats.shrinking import LiftPrior
from xpbench.watch.past_experiments import LEAST_OTHERS, portfolio, prior_of, prior_of_others


def read(root: Path, key: str, effect: float, seed: int, *, decide: bool = True) -> Readout:
    """One experiment of the root, read at its horizon."""
    claim = {"if": "a", "then": [{"metric": "done", "direction": "increase", "lift": 0.1}], "because": "b"}
    experiment = xp.register(sealed.plan(key=key, hypothesis=claim), root, clock=Hands())
    found = experiment.readout(sealed.summary(4000, effect=effect, seed=seed))
    assert isinstance(found, Readout)
    if decide:
        experiment.decide(
            found, found.recommendation.outcome, variant=found.recommendation.variant or None, because="r", by="a"
        )
    return found


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten decided experiments."""
    folder = tmp_path_factory.mktemp("root")
    rng = np.random.default_rng(4)
    for i in range(LEAST_OTHERS):
        read(folder, f"past-{i}", float(rng.normal(0.0, 0.1)), i)
    return folder


def test_ten_others_are_needed(root: Path, tmp_path: Path) -> None:
    alone = read(tmp_path, "alone", 0.2, 90)
    assert alone.shrunk() == ()
    assert "lift_shrunk" not in alone.to_frame().columns
    own = read(root, "own", 0.2, 91)
    assert len(own.shrunk()) == 1
    assert prior_of_others(root, "past-0") is not None  # eleven are decided by now
    assert prior_of_others(tmp_path, "alone") is None
    assert prior_of_others(tmp_path / "none", "x") is None


def test_it_is_the_posterior_under_the_prior_of_the_others_and_decides_nothing(root: Path) -> None:
    """By Bayes' rule written out over the places of the prior; 1e-9."""
    found = read(root, "winner", 0.25, 92, decide=False)
    (worth,) = found.shrunk()
    row = found.row("done")
    se = relative_error(row.to_dict())
    outcomes = [o for o in portfolio(root).outcomes if o.key != "winner"]
    prior = prior_of(outcomes)
    assert prior is not None
    density = prior.weights * norm.pdf(row.lift, prior.places, se)
    density /= density.sum()
    assert worth.shrunk == pytest.approx(float(density @ prior.places), rel=1e-9)
    assert worth.chance == pytest.approx(float(density[prior.places > 0].sum()), rel=1e-9)
    assert worth.low < worth.shrunk < worth.high
    assert abs(worth.shrunk - prior.mean) < abs(row.lift - prior.mean)  # towards what experiments find here
    assert worth.experiments == len({o.key for o in outcomes}) >= LEAST_OTHERS
    table = found.to_frame()
    assert table.loc[table.metric == "done", "lift_shrunk"].item() == worth.shrunk
    assert table.loc[table.metric != "done", "lift_shrunk"].isna().all()
    said = str(found.to_dict()) + found.headline + repr(found)
    assert "shrunk'" not in said
    assert str(root) not in said


def test_a_metric_that_should_fall_is_mirrored() -> None:
    from dataclasses import replace

    from xpbench.decide.worth import worths_of

    found = sealed_row()
    places = np.linspace(-0.3, 0.3, 121)
    weights = norm.pdf(places, 0.01, 0.05)
    prior = LiftPrior(places, weights / weights.sum(), 40)
    up = replace(found, lift=0.2, direction="increase")
    down = replace(found, lift=-0.2, direction="decrease")
    (a,), (b,) = worths_of([up], prior, mass=0.95), worths_of([down], prior, mass=0.95)
    assert (b.shrunk, b.low, b.high, b.chance) == pytest.approx((-a.shrunk, -a.high, -a.low, a.chance))
    se = relative_error(up.to_dict())
    closed = (0.2 / se**2 + 0.01 / 0.05**2) / (1 / se**2 + 1 / 0.05**2)  # two normals
    assert a.shrunk == pytest.approx(closed, abs=1e-4)
    assert worths_of([replace(up, role="secondary"), replace(up, lift=None), replace(up, se=None)], prior, mass=0.95) == ()
    assert math.isfinite(a.low)


def sealed_row():  # type: ignore[no-untyped-def]
    """A row of a primary metric."""
    from xpbench.decide.analysis import analyse

    return analyse(sealed.plan(), sealed.summary(4000, effect=0.2, seed=5))[0]
