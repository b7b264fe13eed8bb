"""The guard for speed measures, compares and fails where it should; its figures are another machine's business."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from benchmarks import guard


def test_committed_ratios_have_tolerances_and_a_header() -> None:
    known = json.loads(guard.COMMITTED.read_text("utf-8"))
    assert {"command", "commit", "versions", "machine"} <= set(known)
    assert len(known["ratios"]) >= 10
    assert all(r["ratio"] > 0 and r["tolerance"] == 0.2 for r in known["ratios"].values())


@pytest.mark.parametrize(("found", "is_lost"), [(1.0, False), (1.19, False), (1.21, True), (0.5, False)])
def test_loss_of_a_fifth_fails(found: float, is_lost: bool) -> None:
    assert guard.lost(found, 1.0, 0.2) is is_lost


def test_median_of_turns_forgives_one_slow_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 1, 0, 1, *(v for own in (2, 2, 40, 2, 2) for v in (0, own, 0, 1))])
    monkeypatch.setattr(guard.time, "process_time", lambda: next(clock))
    assert guard.measure(guard.Ratio(lambda: None, lambda: None, turns=5)) == 2


def test_guard_runs_and_exits_by_what_it_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a real pair of jobs: against a generous ratio nothing is lost, against an impossible one it is."""
    name = "parsing to hashing"
    pair = guard.Ratio(lambda: json.loads("[" + "1," * 9999 + "1]"), lambda: hashlib.sha256(b"x" * 500_000), turns=3)
    monkeypatch.setattr(guard, "GROUPS", {"some": lambda folder: {name: pair}})
    for ratio, code in ((1e9, 0), (1e-9, 1)):
        path = tmp_path / "guard.json"
        path.write_text(json.dumps({"ratios": {name: {"ratio": ratio, "tolerance": 0.2}}}), "utf-8")
        assert guard.main(["--committed", str(path)]) == code
    assert guard.main(["--committed", str(path), "--update"]) == 0
    assert 0 < json.loads(path.read_text("utf-8"))["ratios"][name]["ratio"] < 1e9
