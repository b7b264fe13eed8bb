"""The page about ramp, watch and holdout has the committed rates, and every promise is kept; a twin plays some of it."""

from __future__ import annotations

import json

import numpy as np

from benchmarks.launch import MARK, PAGE, RESULTS, WORLDS, page_table, ramp_world


def test_the_page_has_the_committed_rates_and_every_promise_is_kept() -> None:
    found = json.loads(RESULTS.read_text("utf-8"))
    saved = found["worlds"]
    assert set(saved) == set(WORLDS) == set(found["made"])
    for name, made in found["made"].items():
        assert made["commit"], name
        assert made["load_at_end"] is None or len(made["load_at_end"]) == 3, name  # the oldest were played before it was noted
        assert made["runs"] == 500, name
    assert PAGE.read_text("utf-8").partition(MARK)[2].strip() == page_table(saved).strip()
    assert [row for rows in saved.values() for row in rows if not row["holds"]] == []
    assert all(row["runs"] >= 500 for rows in saved.values() for row in rows)


def test_simpsons_trap_deceives_the_naive_test_and_not_the_ramp() -> None:
    share, level = {1: 0.1, 2: 0.3, 3: 0.5}, {1: 0.1, 2: 0.2, 3: 0.3}
    rng = np.random.default_rng(11)
    found = [
        ramp_world(rng, worse=lambda stage: 0.0, split=share.__getitem__, base=level.__getitem__) for _ in range(8)
    ]  # fmt: skip
    assert sum(stopped for stopped, _ in found) == 0
    assert sum(naive for _, naive in found) == 8
