"""A holdout across experiments: its halves, the cumulative effect, and why it differs from the sum of single lifts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import xpbench as xp
from tests.watch.ledgers import Hands, plan, readout, shipped
from xpbench.cli import main
from xpbench.errors import WatchError
from xpbench.plan.design import Holdout
from xpbench.watch.holdouts import HELD, SHIPPED_ONLY, cumulative_effect, holdout_halves
from xpbench.watch.past_experiments import portfolio

HOLDOUT = Holdout(key="global", salt="h-1", share=0.2)
IDS = [f"u{i}" for i in range(30_000)]


def table(rng: np.random.Generator, *, lift: float) -> np.ndarray:
    """Values: those who see what shipped are better by a lift."""
    halves = holdout_halves(HOLDOUT, IDS)
    values = rng.gamma(4.0, 2.5, len(IDS))
    return np.where(halves == SHIPPED_ONLY, values * (1 + lift), values)


def root_with_lifts(root: Path, *lifts: float) -> Path:
    """Experiments on `quote` that shipped, and two that did not."""
    clock = Hands()
    for i, (lift, outcome) in enumerate([*((x, "ship") for x in lifts), (0.0, "ship none"), (-0.01, "ship none")]):
        key = f"e{i}"
        held = root / "parts" / key
        held.mkdir(parents=True)
        name = readout(held, lift=lift, se=0.02)
        shipped(root / "all", plan(key), clock=clock, outcome=outcome, readout_digest=name)
        (held / "readout.json").rename(root / "all" / key / "readout.json")
    return root / "all"


def test_a_holdout_is_out_of_every_experiment_and_half_and_half() -> None:
    halves = holdout_halves(HOLDOUT, IDS)
    held, only = (int((halves == name).sum()) for name in (HELD, SHIPPED_ONLY))
    assert abs(held + only - 6000) < 4 * (30_000 * 0.2 * 0.8) ** 0.5
    assert abs(held - only) < 4 * (held + only) ** 0.5
    document = plan().to_dict() | {"assignment": {"hash": "sha256", "salt": "x", "holdout": HOLDOUT.model_dump()}}
    found = xp.assign(type(plan())(**document), IDS)
    inside = np.array([v is None for v in found])
    assert (inside == (halves != "")).all()


def test_the_cumulative_effect_is_next_to_the_sum_with_the_reasons(tmp_path: Path) -> None:
    root = root_with_lifts(tmp_path, 0.08, 0.06, 0.05)
    values = table(np.random.default_rng(1), lift=0.05)
    found = cumulative_effect(IDS, values, HOLDOUT, metric="quote", portfolio=portfolio(root, clock=Hands()))
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.05 < found.high
    assert found.summed == pytest.approx(0.19)
    assert found.compounded == pytest.approx(1.08 * 1.06 * 1.05 - 1)
    assert found.worth is not None
    assert found.worth < found.summed
    assert any("Luck of winners" in s for s in found.why)
    assert any("compound" in s for s in found.why)
    assert any("beyond the noise" in s and "less" in s for s in found.why)


def test_units_that_met_an_experiment_and_broken_halves_are_said() -> None:
    values = table(np.random.default_rng(2), lift=0.0)
    halves = holdout_halves(HOLDOUT, IDS)
    held = [u for u, h in zip(IDS, halves, strict=True) if h == HELD]
    found = cumulative_effect(IDS, values, HOLDOUT, metric="quote", exposed=[*held[:7], "u-other"])
    assert found.met == 7
    assert any("7 units" in s for s in found.why)
    kept = [i for i, h in enumerate(halves) if h != HELD or i % 2]
    broken = cumulative_effect([IDS[i] for i in kept], values[kept], HOLDOUT, metric="quote")
    assert any("half and half" in s for s in broken.why)


@pytest.mark.parametrize(
    ("ids", "values"), [(["a", "a"], [1, 2]), (["a", "b"], [1, None]), (["a"], ["x"]), (["a", "b"], [1, 2])]
)
def test_what_is_no_table_of_units_is_refused(ids: list[str], values: list[object]) -> None:
    with pytest.raises(WatchError):
        cumulative_effect(ids, values, HOLDOUT, metric="quote")


def test_the_command_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = root_with_lifts(tmp_path, 0.05)
    held = plan("held", assignment={"hash": "sha256", "salt": "x", "holdout": HOLDOUT.model_dump()})
    shipped(root, held, clock=Hands(), outcome="defer")
    values = table(np.random.default_rng(3), lift=0.1)
    pq.write_table(pa.table({"distinct_id": IDS, "revenue": values}), tmp_path / "units.parquet")
    command = ["holdout", "held", "--root", str(root), "--units", str(tmp_path / "units.parquet")]
    assert main([*command, "--column", "revenue", "--metric", "quote", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["low"] > 0
    assert found["singles"] == [["e0", 0.05]]
    assert main([*command, "--column", "revenues"]) == 2
    assert main(["holdout", "e0", *command[2:], "--column", "revenue"]) == 2
