"""Bins of a winsorized metric against numpy, from tables and from logs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, make_plan
from xpbench.demo.simulation import demo_plan, simulate


def plan(**winsorize: Any) -> xp.Plan:
    return make_plan([column("spent", winsorize=winsorize)], key="spend", owner="shop", unit="id", horizon={"units": 100})


@pytest.mark.parametrize("winsorize", [{"upper": 0.9}, {"lower": 0.05, "upper": 0.95}, {"upper": 0.9, "over": "nonzero"}])
def test_bins_are_those_of_numpy(winsorize: dict[str, Any]) -> None:
    generator = np.random.default_rng(1)
    spent = np.where(generator.random(3000) < 0.3, 0.0, generator.lognormal(3, 1, 3000)).round(2)
    spent[5] = 1e6
    frame = pd.DataFrame({"id": np.arange(3000), "variant": np.where(np.arange(3000) % 2, "beta", "control"), "spent": spent})
    source, wanted = xp.units(frame, unit="id"), plan(**winsorize)
    summary = source.summarize(wanted)
    (found,) = source.histograms(wanted, summary.caps)
    edges = np.array([b.left for b in found.bins] + [found.bins[-1].right])
    cap = summary.caps[0]
    after = spent.copy()
    hit = (spent != 0) | (winsorize.get("over") != "nonzero")
    if cap.lower is not None:
        after = np.where((spent < cap.lower) & hit, cap.lower, after)
    if cap.upper is not None:
        after = np.where((spent > cap.upper) & hit, cap.upper, after)
    inside = np.nextafter(edges[-1], 0)
    for values, counts in ((spent, [b.before for b in found.bins]), (after, [b.after for b in found.bins])):
        assert counts == np.histogram(np.clip(values, edges[0], inside), edges)[0].tolist()
    assert found.largest == 1e6
    assert edges[-1] < 1e5, "one huge value does not flatten the picture"
    assert sum(b.before for b in found.bins) == sum(b.after for b in found.bins) == 3000


def test_a_log_gives_the_same_bins_as_its_unit_table() -> None:
    wanted = demo_plan(units=1500)
    simulation = simulate(wanted, units=1500, seed=4)
    source = xp.events(simulation.events, until=simulation.end)
    caps = source.summarize(wanted).caps
    (found,) = source.histograms(wanted, caps)
    table = source.unit_table(wanted).to_pandas()
    values = table["transfer_in_value:value"].astype(float) / 10_000
    edges = np.array([b.left for b in found.bins] + [found.bins[-1].right])
    counts = np.histogram(values.clip(edges[0], np.nextafter(edges[-1], 0)), edges)[0]
    assert [b.before for b in found.bins] == counts.tolist()
    assert found.cap.n_upper == int((values > found.cap.upper).sum())
