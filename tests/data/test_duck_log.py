"""What the embedded engine does for speed: numbers for units, tables that go when they are not read any more, few imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

import xpbench as xp
from tests.data.test_survey import METRICS, NOW, SCHEMA, table
from xpbench.data.engines.embedded import Stages
from xpbench.data.logs.log import properties_of
from xpbench.data.logs.opening import open_log
from xpbench.data.moments import rows_of


def plan() -> xp.Plan:
    from tests.data.logs import plan_of

    return plan_of(METRICS)


def test_rows_of_a_kept_table_have_numbers_of_their_own() -> None:
    from xpbench.data.engines.duck_log import DuckLog

    source = xp.events(table(*((f"u{i}", "buy", NOW) for i in range(5000))), schema=SCHEMA)
    with open_log(source, plan(), properties_of(plan()), Stages(7, None)) as log:
        assert isinstance(log, DuckLog)
        kept = log.keep(log.frame().select("u", "event"), "some")
        numbered = log.numbered(kept)
        rows = rows_of(numbered)
        assert sorted(r["no"] for r in rows) == list(range(5002))
        assert sorted(r["u"] for r in rows) == sorted(r["u"] for r in rows_of(kept))
        assert [r["no"] for r in sorted(rows, key=repr)] == [r["no"] for r in sorted(rows_of(numbered), key=repr)]
        log.release("some")
        with pytest.raises(duckdb.CatalogException, match="some_"):
            log.all("SELECT * FROM some_1")
        log.release("some")  # nothing is left to drop


@pytest.mark.parametrize("variant", [None, "x"])
def test_exposures_are_tested_again_only_where_some_fail(variant: str | None) -> None:
    """An exposure without a variant, and one of an unknown variant, are left out as if they had not been."""
    rows = [("u1", "buy", NOW - 1), ("u2", "view", NOW - 1)]
    clean = table(*rows)
    odd: Any = table(*rows, ("u9", "$experiment_started", NOW - 2))
    odd.loc[odd["distinct_id"] == "u9", ["Experiment name", "Variant name"]] = ["t", variant]
    asked = plan().changed(data={"unknown_variant": "exclude", "missing_variant": "exclude"})
    summaries = [xp.events(log, schema=SCHEMA).summarize(asked) for log in (clean, odd)]
    assert summaries[0].cells == summaries[1].cells
    counts = [{f.name: f.count for f in s.findings} for s in summaries]
    name = "missing_variant" if variant is None else "unknown_variant"
    assert counts[0].get(name, 0) == 0
    assert counts[1][name] == 1


def test_moments_of_a_log_need_neither_numpy_nor_pyarrow(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    table(("u1", "buy", NOW - 1), ("u2", "view", NOW - 1)).to_parquet(path)
    code = (
        "import sys, json\n"
        "import xpbench as xp\n"
        "plan = xp.Plan(**json.loads(sys.argv[2]))\n"
        "schema = xp.EventSchema(insert_id='insert_id', arrived=None, properties=None)\n"
        "summary = xp.events(sys.argv[1], schema=schema).summarize(plan)\n"
        "assert sum(summary.units.values()) == 2\n"
        "print([m for m in ('numpy', 'pyarrow', 'pandas', 'scipy') if m in sys.modules])\n"
    )
    command = [sys.executable, "-c", code, str(path), plan().model_dump_json(exclude_none=True, by_alias=True)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
