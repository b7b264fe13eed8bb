"""Ids and histories from files, as the randomiser reads them: the names that tables have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.reading.world import refusal
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.preflight.balance import history_columns
from xpbench.randomiser.tables import whole, without_empty


@pytest.mark.parametrize(
    "content",
    [
        "user\n7\n8\nu 9\n",
        "user\n7.0\n8.0\nu 9\n",
        "user\n 7 \n\t8\nu 9\u00a0\n",
        "user\n7\nuser\n8\nu 9\n",
    ],
)
def test_ids_are_their_names(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ids.csv"
    path.write_text(content)
    assert without_empty(whole(path, as_text=("user",))["user"]).to_pylist() == ["7", "8", "u 9"]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (["1", "2", "NA"], [1.0, 2.0, np.nan]),
        (["1,5", "2,25", ""], [1.5, 2.25, np.nan]),
        (["$1", "$1,200.50", "$3"], [1.0, 1200.5, 3.0]),
        (["yes", "no", "yes"], [1.0, 0.0, 1.0]),
        (["5 %", "10 %", "7 %"], [0.05, 0.1, 0.07]),
    ],
)
def test_a_history_of_text_is_read_by_the_rules_of_tables(values: list[str], wanted: list[float]) -> None:
    found = history_columns({"user": ["a", "b", "c"], "spent": values}, UnitIds(["a", "b", "c"]), "user")
    np.testing.assert_array_equal(found["spent"], wanted)


def test_codes_for_missing_values_are_not_averaged() -> None:
    history = {"user": ["a", "b", "c"], "spent": [5.0, -999.0, 7.0]}
    ids = UnitIds(["a", "b", "c"])
    assert "-999" in refusal(lambda: history_columns(history, ids, "user", codes=None))
    np.testing.assert_array_equal(history_columns(history, ids, "user", codes=[-999])["spent"], [5.0, np.nan, 7.0])
    np.testing.assert_array_equal(history_columns(history, ids, "user", codes=[])["spent"], [5.0, -999.0, 7.0])
