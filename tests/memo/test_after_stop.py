"""From two looks to a memo: the line after a stop is on the page, and the memo verifies in full."""

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, make_plan, split
from xpbench.decide.analysis import AFTER_STOP


def plan_of(spending):
    return make_plan(
        [column("y")],
        key="stops",
        owner="Ada",
        change="a change",
        because="a reason",
        variants=split("control", "t"),
        unit="id",
        model={"kind": "group_sequential", "looks": [0.25, 0.5, 1.0], "spending": spending},
        horizon={"units": 4_000},
    )


def table(n):
    rng = np.random.default_rng(4)
    variant = np.arange(4_000) % 2
    y = rng.normal(10.0, 2.0, 4_000) + np.where(np.arange(4_000) < 1_000, 0.0, 0.8) * variant
    frame = pd.DataFrame({"id": [f"u{i}" for i in range(4_000)], "variant": np.where(variant == 1, "t", "control"), "y": y})
    return frame.iloc[:n]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("spending", ["pocock", "reflection"])
def test_a_memo_with_a_stop_verifies_in_full(tmp_path, spending):
    experiment = xp.register(plan_of(spending), root=tmp_path)
    first = experiment.readout(xp.units(table(1_000), unit="id", variant="variant"))
    assert first.rows[0].verdict == "unclear"
    second = experiment.readout(xp.units(table(2_000), unit="id", variant="variant"))
    row = second.rows[0]
    assert row.verdict == "better"
    other = next(s for s in row.sensitivity if s.name == AFTER_STOP)
    assert other.effect < row.effect
    experiment.decide(second, "ship", variant="t", because="it crossed its boundary", by="Ada")
    path = tmp_path / "memo.html"
    experiment.memo().save(path)
    assert AFTER_STOP in path.read_text("utf-8")
    report = xp.verify(path)
    assert report.status == "verified", report
    assert report.exit_code == 0
