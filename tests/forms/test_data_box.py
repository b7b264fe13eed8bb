"""The box that asks for data: what was given in code is shown, and can be read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from xpbench.forms.data_box import DataBox


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame({"user": [f"u{i}" for i in range(400)], "bought": [i % 4 == 0 for i in range(400)]})


def box() -> tuple[DataBox, list[Any], list[BaseException]]:
    found: list[Any] = []
    failed: list[BaseException] = []
    return DataBox(found.append, failed.append), found, failed


def test_a_path_given_in_code_is_in_the_box(table: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "past.csv"
    table.to_csv(path, index=False)
    data, found, failed = box()
    data.read(path)
    data.wait()
    assert (data.path.get(), len(found), failed) == (str(path), 1, [])
    data._once_more()
    data.wait()
    assert len(found) == 2


def test_a_table_given_in_code_is_read_again(table: pd.DataFrame) -> None:
    data, found, failed = box()
    data.read(table)
    data.wait()
    data._once_more()
    data.wait()
    assert (len(found), failed) == (2, [])


def test_another_path_is_read_once(table: pd.DataFrame, tmp_path: Path) -> None:
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path in paths:
        table.to_csv(path, index=False)
    data, found, _ = box()
    data.read(str(paths[0]))
    data.wait()
    data.path.set(str(paths[1]))
    data._chosen()
    data.wait()
    assert (data.source, len(found)) == (str(paths[1]), 2)
