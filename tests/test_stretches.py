"""Long runs go on where they stopped."""

from __future__ import annotations

from pathlib import Path

from benchmarks.stretches import Stretches

PIECES = [[1], [1, 2], [1, 2, 3]]


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    first = Stretches("x", ["a"], PIECES, folder=tmp_path)
    assert first.run(len, minutes=0) == []
    assert not first.complete
    first.done.append(-1)  # as an earlier go has left it
    first._keep()
    second = Stretches("x", ["a"], PIECES, folder=tmp_path)
    assert second.run(len) == [-1, 2, 3]
    assert second.complete
    assert Stretches("x", ["b"], PIECES, folder=tmp_path).done == []  # another run
    second.finish()
    assert list(tmp_path.iterdir()) == []
