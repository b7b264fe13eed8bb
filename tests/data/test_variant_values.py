"""What stands in a variant column, the same whatever holds the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from xpbench.data.tables.variant_values import columns_of, variant_values
from xpbench.errors import DataError

TABLE = pd.DataFrame({"id": range(7), "group": ["b", "a", "b", None, "b", "a", ""], "y": 1.0})


def held_by(kind: str, folder: Path) -> Any:
    match kind:
        case "pandas":
            return TABLE
        case "polars":
            return pl.from_pandas(TABLE)
        case "polars lazy":
            return pl.from_pandas(TABLE).lazy()
        case "arrow":
            return pa.Table.from_pandas(TABLE, preserve_index=False)
        case "relation":
            return duckdb.connect().from_df(TABLE)
        case "csv":
            TABLE.to_csv(folder / "t.csv", index=False)
            return folder / "t.csv"
        case _:
            TABLE.to_parquet(folder / "t.parquet")
            return str(folder / "*.parquet")


@pytest.mark.parametrize("kind", ["pandas", "polars", "polars lazy", "arrow", "relation", "csv", "parquet"])
def test_counts_are_the_same_in_every_holder(kind: str, tmp_path: Path) -> None:
    table = held_by(kind, tmp_path)
    assert columns_of(table) == ["id", "group", "y"]
    assert list(variant_values(table, "group").items()) == [("b", 3), ("a", 2)]


def test_numbers_read_as_the_keys_of_a_table_do() -> None:
    assert variant_values(pd.DataFrame({"v": [0.0, 1.0, 1.0, np.nan]}), "v") == {"1": 2, "0": 1}
    assert variant_values(pd.DataFrame({"v": [True, False, True]}), "v") == {"true": 2, "false": 1}


def test_errors_name_the_column_and_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Did you mean 'group'"):
        variant_values(TABLE, "grup")
    (tmp_path / "no.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match="XPB-D01"):
        variant_values(tmp_path / "no.parquet", "group")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(DataError, match="XPB-D07"):
        variant_values(tmp_path / "empty.csv", "group")
    (tmp_path / "log.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="XPB-D03"):
        variant_values(tmp_path / "log.jsonl", "group")


def test_a_file_without_the_column_has_no_variant(tmp_path: Path) -> None:
    TABLE.to_parquet(tmp_path / "1.parquet")
    TABLE.drop(columns="group").assign(more=1).to_parquet(tmp_path / "2.parquet")
    files = str(tmp_path / "*.parquet")
    assert columns_of(files) == ["id", "group", "y", "more"]
    assert variant_values(files, "group") == {"b": 3, "a": 2}
