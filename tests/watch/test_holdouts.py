"""A holdout across experiments: its halves, the cumulative effect, and why it differs from the sum of single lifts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import chi2_contingency

import xpbench as xp
from tests.watch.ledgers import Hands, plan, readout, shipped
from xpbench.cli import main
from xpbench.errors import WatchError
from xpbench.plan.design import Holdout
from xpbench.watch.holdouts import HELD, SHIPPED_ONLY, cumulative_effect, cumulative_effect_of_log, holdout_halves
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


SINCE = date(2026, 8, 31)


def holdout_log(*, lift: float, days: int = 28, count: int = 20_000, drift: float = 0.0, met: int = 0) -> pa.Table:
    """Visits and orders of units that come on a day, before and after the holdout began; halves differ by a lift.

    With `drift` the half that sees what shipped loses so many of its new units from the third week on.
    """
    rng = np.random.default_rng(5)
    halves = holdout_halves(HOLDOUT, IDS[:count])
    rows: list[tuple[str, float, str, str, float | None]] = []
    start = datetime(SINCE.year, SINCE.month, SINCE.day, tzinfo=UTC).timestamp()

    def add(event: str, time: float, unit: str, amount: float | None = None) -> None:
        rows.append((event, time, unit, f"i{len(rows)}", amount))

    for unit, half in zip(IDS[:count], halves, strict=True):
        day = int(rng.integers(days))
        if half == SHIPPED_ONLY and day >= 14 and rng.random() < drift:
            continue
        time = start + 86_400 * day + float(rng.uniform(0, 80_000))
        add("Order", time - 40 * 86_400, unit, 999.0)  # before it began: counts for nothing
        add("Visit", time, unit)
        for _ in range(rng.poisson(1.0 + (lift if half == SHIPPED_ONLY else 0.0))):
            add("Order", time + float(rng.uniform(0, 5_000)), unit, 12.25)
        if half and met > 0:
            met -= 1
            add("$experiment_started", time, unit)
    add("Visit", start + 86_400 * (days + 2), "last")
    names = ("event", "time", "distinct_id", "$insert_id", "amount")
    return pa.table({n: list(v) for n, v in zip(names, zip(*rows, strict=True), strict=True)})


def log_plan() -> xp.Plan:
    """Two metrics of a log, and the holdout."""
    base = plan("held", assignment={"hash": "sha256", "salt": "x", "holdout": HOLDOUT.model_dump()}).to_dict()
    kept = [m for m in base["metrics"] if m["role"] != "primary"]
    first = next(m["key"] for m in base["metrics"] if m["role"] == "primary")
    orders = {"key": first, "kind": "count", "event": "Order", "role": "primary", "direction": "increase", "window_days": 7}
    money = {
        "key": "money",
        "kind": "sum",
        "event": "Order",
        "property": "amount",
        "role": "secondary",
        "direction": "increase",
    }
    return xp.Plan(**{**base, "metrics": [orders, *kept, money]})


def test_a_holdout_is_read_from_the_log_as_by_hand() -> None:
    table, own = holdout_log(lift=0.2), log_plan()
    key = own.metrics[0].key
    found = cumulative_effect_of_log(xp.events(table), own, metric=key, since=SINCE)
    money = cumulative_effect_of_log(xp.events(table), own, metric="money", since=SINCE)
    start = datetime(SINCE.year, SINCE.month, SINCE.day, tzinfo=UTC).timestamp()
    totals: dict[str, int] = {}
    for event, time, unit in zip(*(table[c].to_pylist() for c in ("event", "time", "distinct_id")), strict=True):
        if time >= start and unit != "last":
            totals[unit] = totals.get(unit, 0) + (event == "Order")
    ids = sorted(totals)
    by_hand = cumulative_effect(ids, [totals[u] for u in ids], HOLDOUT, metric=key)
    assert (found.n_held, found.n_shipped) == (by_hand.n_held, by_hand.n_shipped)
    for name in ("lift", "low", "high"):
        assert getattr(found, name) == pytest.approx(getattr(by_hand, name), rel=1e-12)
        assert getattr(money, name) == pytest.approx(getattr(by_hand, name), rel=1e-9)  # 12.25 each
    assert found.low is not None
    assert found.low > 0
    assert found.met == 0
    assert found.drift_p is not None
    assert found.drift_p > 0.001


def test_units_that_met_an_experiment_are_found_in_the_log() -> None:
    found = cumulative_effect_of_log(xp.events(holdout_log(lift=0.0, met=9)), log_plan(), metric="money", since=SINCE)
    assert found.met == 9


def test_halves_that_drift_apart_are_said_and_checked_against_scipy() -> None:
    found = cumulative_effect_of_log(xp.events(holdout_log(lift=0.0, drift=0.5)), log_plan(), metric="money", since=SINCE)
    assert found.drift_p is not None
    assert found.drift_p < 0.001
    assert any("drift apart" in s for s in found.why)
    halves = holdout_halves(HOLDOUT, IDS)
    began = np.random.default_rng(1).integers(0, 28, len(IDS))
    mine = cumulative_effect(IDS, np.arange(len(IDS)), HOLDOUT, metric="m", began=began.tolist()).drift_p
    counts = [[int(((halves == h) & (began // 7 == w)).sum()) for h in (HELD, SHIPPED_ONLY)] for w in range(4)]
    assert mine == pytest.approx(chi2_contingency(counts, correction=False).pvalue, rel=1e-9)
    assert cumulative_effect(IDS, np.arange(len(IDS)), HOLDOUT, metric="m", began=[0] * len(IDS)).drift_p is None


def test_the_command_reads_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shipped(tmp_path / "all", log_plan(), clock=Hands(), outcome="defer")
    pq.write_table(holdout_log(lift=0.1, count=6000), tmp_path / "log.parquet")
    command = [
        "holdout",
        "held",
        "--root",
        str(tmp_path / "all"),
        "--events",
        str(tmp_path / "log.parquet"),
        "--since",
        "2026-08-31",
    ]
    assert main([*command, "--metric", "money"]) == 0
    assert "Everything that shipped changed money by" in capsys.readouterr().out
    pq.write_table(holdout_log(lift=0.1, count=6000, met=3), tmp_path / "log.parquet")
    assert main([*command, "--metric", "money"]) == 1
    capsys.readouterr()
    for wrong, words in (
        ([], "--since and --metric"),
        (["--metric", "money", "--units", "x.csv"], "both a log and a table"),
        (["--metric", "money", "--since", "31 August"], "31 August"),
        (["--metric", "money", "--since", "2027-01-01"], "no whole day from 2027-01-01"),
        (["--metric", "money", "--trigger", "Vist"], "Vist"),
    ):
        assert main([*command, *wrong]) == 2, wrong
        assert words in capsys.readouterr().err


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
