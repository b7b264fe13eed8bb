"""As many units are not the same units: a sample of a look shows whether they are still there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from benchmarks.tricks import AFTER, Analyst, analyst, better_of_two, seen
from xpbench.data.cache import Cache
from xpbench.data.summary import SAMPLED
from xpbench.data.tables.row_hashes import Sample
from xpbench.health.checks.shrunk_data import missing
from xpbench.memo.content import content


def hands(root: Path, source: str, seed: int = 7) -> Analyst:
    """An analyst whose design may read as often as one likes."""
    a = analyst(seed, root)
    a.source = source
    a.model = {"kind": "sequential", "min_units": 100, "n_opt": a.n}
    return a


def alike(a: Analyst, lift: float) -> pd.DataFrame:
    """An export with as many units of each variant as every other such export, and on the same days."""
    frame = a.world(lift)
    frame["variant"] = a.rng.permutation(np.resize(a.variants, len(frame)))
    frame["at"] = pd.date_range(frame["at"].iloc[0].floor("D"), periods=len(frame), freq="min")
    frame["y"] = (a.rng.random(len(frame)) < 0.3 + lift * (frame.variant == "beta")).astype(int)
    return frame


def grows(readout: Any) -> Any:
    return next(c for c in readout.health if c.name == "shrunk_data")


@pytest.mark.parametrize("source", ["table", "log"])
@pytest.mark.parametrize("seed", [24, 31, 47])
def test_the_better_of_two_exports_of_the_same_size_is_seen(tmp_path: Path, source: str, seed: int) -> None:
    a = hands(tmp_path, source, seed)
    e = a.register()
    e.readout(a.read(alike(a, 0.0)))
    readout = e.readout(a.read(alike(a, 0.15)))
    found = grows(readout)
    assert found.evidence["lost"] == dict.fromkeys(a.variants, 0)
    assert found.status == "fail", found
    assert found.evidence["sampled"] > 40
    assert found.evidence["sampled_gone"] > 10
    assert "INVALID" in readout.stamps
    e.decide(readout, "ship", variant="beta", because="It looks good.", by="ana")
    report = xp.verify(e.memo().save(tmp_path / "memo.html"), ledger=e.ledger.path)
    assert report.exit_code == 0, report
    assert content(e.memo().payload)["decision"]["headline"] != "Ship beta"


def test_the_analyst_who_was_not_seen(tmp_path: Path) -> None:
    """Of 500 the one whose second export had, by chance, as many units of each variant."""
    is_seen, words = seen(better_of_two, analyst(100_024, tmp_path))
    assert is_seen, words


@pytest.mark.parametrize("source", ["table", "log"])
def test_an_export_of_twice_the_units_does_not_hide_what_is_gone(tmp_path: Path, source: str) -> None:
    a = hands(tmp_path, source)
    e, frame = a.register(), alike(a, 0.0)
    e.readout(a.read(frame))
    more = frame.assign(user=[f"n{i}" for i in range(len(frame))])
    assert grows(e.readout(a.read(pd.concat([frame, more])))).status == "pass"  # honest growth
    others = alike(a, 0.15)
    both = pd.concat([others, more, more.assign(user=[f"m{i}" for i in range(len(frame))])])
    assert grows(e.readout(a.read(both))).status == "fail"


@pytest.mark.parametrize("source", ["table", "log"])
def test_honest_lives_keep_their_units(tmp_path: Path, source: str) -> None:
    """Units are added, read in another order, with a segment more, a few are deleted on request; outcomes come late."""
    a = hands(tmp_path, source)
    e, frame = a.register(), alike(a, 0.1)
    half = frame[: len(frame) // 2]
    late = half.assign(y=np.where(half.index % 40 == 0, 1, half.y))
    lives = [
        (half, {}),
        (half.sample(frac=1, random_state=1), {}),
        (half, {"segments": ["segment"]}),
        (late, {}),
        (pd.concat([late, frame[len(half) :]]), {}),
        (frame.drop(frame.index[5::400]), {}),
    ]
    for i, (data, how) in enumerate(lives):
        found = grows(e.readout(a.read(data), **how))
        assert found.status in ("pass", "not answerable" if i == 0 else "pass", "warn" if i == 5 else "pass"), (i, found)
        assert found.evidence.get("sampled_gone", 0) <= 3


def test_a_log_from_the_cache_has_the_same_sample(tmp_path: Path) -> None:
    a = hands(tmp_path, "log")
    plan, log = a.plan(), a.read(alike(a, 0.0))
    plainly = log.summarize(plan).sample
    cached = replace(log, cache=Cache(tmp_path / "cache"))
    assert [cached.summarize(plan).sample for _ in range(2)] == [plainly, plainly]
    assert plainly.startswith("duckdb")


def test_units_that_get_their_variant_later_are_new_units(tmp_path: Path) -> None:
    """A table of all users: those without a variant were no units."""
    a = hands(tmp_path, "table")
    e, frame = a.register(), alike(a, 0.0)
    waiting = frame.assign(variant=frame.variant.where(frame.index < 0.8 * len(frame), None))
    e.readout(a.read(waiting))
    assert grows(e.readout(a.read(frame))).status == "pass"


def test_after_an_amendment_of_what_counts_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    a = hands(tmp_path, "table")
    e = a.register()
    e.readout(a.read(alike(a, 0.0)))
    e = e.amend(e.plan.changed(data={"duplicates": "first"}), reason="ids were made again", by="ana")
    assert grows(e.readout(a.read(alike(a, 0.0)))).status == "not answerable"


def test_another_release_of_the_engine_or_a_source_without_a_sample_is_not_compared() -> None:
    one, other = ("".join(f"{2 * i + odd:08x}" for i in range(SAMPLED)) for odd in (1, 0))
    assert missing(f"table {one}", f"table {other}") == (SAMPLED - 1, SAMPLED - 1)
    for then, now in ((f"duckdb 1 {one}", f"duckdb 2 {other}"), ("", f"table {other}"), (f"table {one}", "")):
        assert missing(then, now) == (0, 0)


def test_a_sample_is_of_rows_whatever_their_order_and_batches() -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**63, 5_000, dtype=np.uint64) * 2
    whole, pieces = Sample(), Sample()
    whole.see(hashes)
    shuffled = rng.permutation(hashes)
    for part in np.array_split(shuffled, 37):
        pieces.see(part)
    assert whole.text() == pieces.text()
    assert whole.text() == "".join(f"{int(h) >> 32:08x}" for h in sorted(hashes.tolist())[:SAMPLED])
    counted = Sample()
    counted.counts = lambda at: at % 2 == 0
    counted.see(hashes)
    assert counted.text() == "".join(f"{int(h) >> 32:08x}" for h in sorted(hashes[::2].tolist())[:SAMPLED])


def test_a_ledger_of_an_earlier_release_has_no_sample_and_is_read(tmp_path: Path) -> None:
    a = hands(tmp_path, "table")
    e = a.register()
    e.readout(a.read(alike(a, 0.0)))
    body = e.ledger.entries()[-1].body
    assert len(body["sample"]) == len("table ") + 8 * SAMPLED
    assert "u1" not in json.dumps(body)
    old = {k: v for k, v in body.items() if k != "sample"}
    b = hands(tmp_path / "old", "table")
    f = b.register()
    b.now = AFTER
    f.ledger.append("opened", {**old, "plan_digest": f.plan.digest}, by="ana")
    assert grows(f.readout(b.read(alike(b, 0.0)))).status == "pass"  # by counts alone, as before
