"""Daily rows are read whole or refused with row and column."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from xpbench.errors import WatchError
from xpbench.watch import read_series
from xpbench.watch.series import series_of

GOOD = "day,metric,n,mean,variance,group,adopted\n2026-10-02,out,100,0.2,0.16,holdback,\n2026-10-01,out,90,0.3,0.2,holdback,\n"


def test_days_are_sorted_and_typed(tmp_path: Path) -> None:
    """A CSV file becomes groups of sorted days."""
    path = tmp_path / "daily.csv"
    path.write_text(GOOD, encoding="utf-8")
    group = read_series(path)["out"].groups["holdback"]
    assert [d.day for d in group.days] == [date(2026, 10, 1), date(2026, 10, 2)]
    assert group.days[0].variance == 0.2
    assert group.adopted is None


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"day": "yesterday"}, "day in row 1"),
        ({"n": "0"}, "n in row 1"),
        ({"n": "2.5"}, "n in row 1"),
        ({"mean": "nan"}, "mean in row 1"),
        ({"mean": ""}, "mean in row 1"),
        ({"variance": "-1"}, "variance in row 1"),
        ({"adopted": "soon"}, "adopted in row 1"),
    ],
)
def test_bad_rows_are_named(row: dict[str, str], words: str) -> None:
    """Row and column stand in the message."""
    base = {"day": "2026-10-01", "metric": "out", "n": "10", "mean": "0.5"}
    with pytest.raises(WatchError, match=words):
        series_of([{**base, **row}])


def test_one_row_a_day() -> None:
    """Two rows of a day are refused, not added up."""
    row = {"day": "2026-10-01", "metric": "out", "n": "10", "mean": "0.5"}
    with pytest.raises(WatchError, match="one row a day"):
        series_of([row, row])


def test_missing_columns_and_files(tmp_path: Path) -> None:
    """What is missing is named."""
    path = tmp_path / "daily.csv"
    path.write_text("day,metric\n", encoding="utf-8")
    with pytest.raises(WatchError, match="n, mean missing"):
        read_series(path)
    with pytest.raises(WatchError, match="readable CSV"):
        read_series(tmp_path / "none.csv")
