"""The comparison with peers, short: its judge knows good from bad, and the scripts that can run here answer what is planted."""

from __future__ import annotations

import importlib.util
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.peers import charts, judge, worlds
from benchmarks.peers.envs import PEERS

TASKS = Path(judge.TASKS)
HERE = {
    "with_xpbench.py": "xpbench",
    "with_tea_tasting.py": "tea_tasting",
    "with_pandas_scipy.py": "statsmodels",
    "with_mixpanel.py": "mixpanel",
}
"""Scripts whose packages the test environment has."""


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), TASKS / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(TASKS))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(TASKS))
    return module


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    v = np.repeat([0, 1], 2000)
    x = rng.gamma(2.0, 1.0, 4000)
    y = (x + rng.gamma(2.0, 0.5, 4000)) * (1 + 0.1 * v)
    return pd.DataFrame({"variant": worlds.VARIANTS[v], "y": y, "x": x})


@pytest.mark.parametrize("name", [n for n in HERE if n != "with_mixpanel.py"])
def test_lifts_hold_the_truth_and_agree(name: str, table: pd.DataFrame) -> None:
    peer = script(name)
    raw, adjusted = peer.lift(table), peer.lift_cuped(table)
    assert raw[1] < 0.1 < raw[2]
    assert adjusted[1] < 0.1 < adjusted[2]
    assert adjusted[2] - adjusted[1] < 0.7 * (raw[2] - raw[1])
    expected = script("with_pandas_scipy.py").lift(table)
    assert raw[0] == pytest.approx(expected[0], rel=1e-9)
    assert raw[2] == pytest.approx(expected[2], abs=0.02)


@pytest.mark.parametrize("name", [n for n in HERE if n != "with_mixpanel.py"])
@pytest.mark.parametrize("counts", judge.ODD_COUNTS.values(), ids=list(judge.ODD_COUNTS))
def test_odd_counts_alarm_and_even_ones_do_not(name: str, counts: dict[str, Any]) -> None:
    peer = script(name)
    assert peer.srm_alarm(**counts) is True
    assert peer.srm_alarm(control=500, beta=505, share=0.5) is False


def test_both_ways_of_xpbench_agree(table: pd.DataFrame) -> None:
    """What the thousands are computed with gives what the whole way through engine and ledger gives."""
    whole, moments = script("with_xpbench.py"), script("xpbench_moments.py")
    for task in ("lift", "lift_cuped"):
        for a, b in zip(getattr(whole, task)(table), getattr(moments, task)(table), strict=True):
            assert a == pytest.approx(b, rel=1e-9)
    assert whole.guardrail_passes(table, margin=0.05) == moments.guardrail_passes(table, margin=0.05)


def test_assignments_are_the_sdk_s() -> None:
    ids = [f"user-{i}" for i in range(500)]
    ours, theirs = (list(script(n).assign(worlds.FLAG, ids)) for n in ("with_xpbench.py", "with_mixpanel.py"))
    assert ours == theirs
    assert {"control", "beta", None} == set(theirs)


def test_sample_sizes_agree() -> None:
    sizes = [script(n).sample_size(0.1, 0.05) for n in ("with_xpbench.py", "with_tea_tasting.py", "with_pandas_scipy.py")]
    assert max(sizes) / min(sizes) < 1.03


def test_judge_of_coverage() -> None:
    good = [[0.2, 0.2 - 1, 0.2 + 1]] * 95 + [[0.2, 5.0, 6.0]] * 5
    bad = [[0.2, 0.2 - 1, 0.2 + 1]] * 70 + [[0.2, 5.0, 6.0]] * 30
    assert judge.coverage("proportion", good)["in_band"]
    assert not judge.coverage("proportion", bad)["in_band"]
    assert judge.coverage("proportion", [[0.2, math.nan, None]] * 3) == {
        "world": "proportion", "runs": 3, "coverage": 1.0, "in_band": True, "unbounded": 1.0, "median_width": None,
    }  # fmt: skip


def test_judge_of_looks() -> None:
    assert judge.peeking("no effect", [None] * 97 + [3] * 3)["holds_alpha"]
    assert not judge.peeking("no effect", [None] * 70 + [3] * 30)["holds_alpha"]
    assert judge.peeking("lift of 15 %", [5, 9, None])["median_day"] == 9
    assert judge.peeking("lift of 15 %", [5, None, None])["median_day"] is None


def test_lines_count_helpers_once_and_no_docstrings() -> None:
    lines = judge.lines_of_code("with_gbstats.py")
    assert lines["sample ratio"] == 2
    assert lines["one lift"] == 3 + 2 + 2  # lift, _both, _statistic
    assert set(judge.lines_of_code("with_mixpanel.py")) == {"assignment"}


@pytest.mark.parametrize("peer", PEERS.values(), ids=lambda p: p.name)
def test_every_script_is_there_and_compiles(peer: Any) -> None:
    compile((TASKS / peer.script).read_text("utf-8"), peer.script, "exec")


def test_worlds_are_the_same_every_time(tmp_path: Path) -> None:
    worlds.coverage("cuped", 3, tmp_path / "a.parquet")
    worlds.coverage("cuped", 3, tmp_path / "b.parquet")
    assert pd.read_parquet(tmp_path / "a.parquet").equals(pd.read_parquet(tmp_path / "b.parquet"))
    worlds.sample_ratio("4 % of treated exposures lost", 2, tmp_path / "c.parquet")
    counts = pd.read_parquet(tmp_path / "c.parquet")
    assert counts.beta.sum() / counts.control.sum() == pytest.approx(0.96, abs=0.02)


RESULT = Path(__file__).resolve().parents[2] / "benchmarks" / "results" / "peers.json"


def test_page_has_the_tables_of_the_result() -> None:
    result = json.loads(RESULT.read_text("utf-8"))
    assert charts.tables(result) in charts.PAGE.read_text("utf-8")
    ours = result["peers"]["xpbench"]["worlds"]
    agree = [w["both_ways_agree"] for name, w in ours.items() if not name.startswith("srm/")]
    assert len(agree) >= 9
    assert all(agree)


def test_readme_has_the_figures_of_the_result() -> None:
    peers = json.loads(RESULT.read_text("utf-8"))["peers"]
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text("utf-8")
    for world, field, row in (
        ("peeking/no effect", "called", "read daily for 28 days: called a winner or a loser"),
        ("guardrail/harm beyond the margin", "passes", "harmed beyond its margin: passes"),
    ):
        theirs, ours = (
            charts.percent(peers[name]["worlds"][world][field]) for name in ("pandas + scipy + statsmodels", "xpbench")
        )
        assert f"{row} | {theirs} | {ours} |" in readme


def test_verdicts_follow_the_figures() -> None:
    """Who is better is read from the figures, in both directions."""

    def peer(coverage: bool, wall: float, lines: int) -> dict[str, Any]:
        world = {"coverage": 0.95 if coverage else 0.8, "in_band": coverage, "runs": 1000}
        large = {"wall": wall, "seconds": wall, "peak_mb": 200.0, "floor_mb": 100.0}
        return {"worlds": {"coverage/proportion": world}, "readout": large, "lines": {"one lift": lines}}

    result = {
        "peers": {"xpbench": peer(True, 1.0, 10), "other": peer(False, 0.5, 5)},
        "ratios_to_xpbench": {"readout": {"other": {"wall": 0.5, "cpu": 2.0, "memory": 1.0}}},
    }
    theirs, ours = charts.verdicts(result)
    assert [line.partition("**:")[0] for line in ours] == ["**Coverage, proportion", "**Readout, cpu"]
    assert theirs[0].startswith("**Readout, wall**: other needs 0.5 times")
    assert theirs[1] == "**Lines of code**, other against xpbench: one lift 5 against 10."
