"""What the command line and a readout load, and what they need not: a user waits for it on every call."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.builders import column, plan_document

PLAN = plan_document([column("y", cuped=True, covariates=["x"])], key="light", owner="o", unit="unit")

LOADED = """
import sys
from xpbench.cli import main
code = main(sys.argv[2:])
found = sorted(set(sys.argv[1].split(",")) & set(sys.modules))
print("loaded:", ",".join(found))
raise SystemExit(code)
"""


def run(folder: Path, forbidden: str, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, forbidden, *command], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.rsplit("loaded: ", 1)[1].strip()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment that was read out and decided, with a memo."""
    folder = tmp_path_factory.mktemp("light")
    rng = np.random.default_rng(3)
    x = rng.gamma(2.0, 5.0, 4000).round(2)
    table = {
        "unit": np.arange(4000),
        "variant": np.where(np.arange(4000) % 2, "beta", "control").astype(object),
        "y": (x + rng.gamma(2.0, 5.0, 4000)).round(2),
        "x": x,
    }
    pq.write_table(pa.table(table), folder / "units.parquet")
    (folder / "plan.json").write_text(json.dumps(PLAN))
    run(folder, "", "register", "plan.json", "--by", "me")
    return folder


UNITS = ("--units", "units.parquet", "--unit", "unit", "--variant-column", "variant")


def test_a_readout_loads_only_what_it_computes_with(folder: Path) -> None:
    heavy = (
        "scipy.stats,scipy.optimize,pandas,narwhals,duckdb,httpx,mixpanel,requests,jinja2,altair,xpbench.watch.past_experiments"
    )
    assert run(folder, heavy, "readout", "light", *UNITS) == ""


def test_verifying_needs_neither_numbers_nor_the_plans_model(folder: Path) -> None:
    run(folder, "", "decide", "light", "defer", "--because", "a test", "--by", "me", *UNITS)
    run(folder, "", "memo", "light")
    heavy = "numpy,scipy,pandas,pyarrow,duckdb,narwhals,pydantic,httpx,mixpanel"
    assert run(folder, heavy, "verify", "experiments/light/memo.html") == ""


@pytest.mark.parametrize(
    "code",
    [
        "import xpbench.randomiser.assigning; from xpbench.randomiser import assign as named",
        "import xpbench.randomiser.audit.auditing, xpbench as xp; named = xp.audit",
        "import xpbench.randomiser.preflight.preflighting, xpbench as xp; named = xp.preflight",
        "import xpbench.data.logs.events, xpbench.data.tables.units, xpbench as xp; from xpbench.data import events, units; "
        "assert xp.events is events and xp.units is units; named = events",
        "import xpbench.watch.past_experiments, xpbench as xp; from xpbench.watch import portfolio; "
        "assert xp.portfolio is portfolio; named = portfolio",
    ],
)
def test_a_public_function_stays_one_whatever_was_imported_before(code: str) -> None:
    subprocess.run([sys.executable, "-c", code + "; import types; assert isinstance(named, types.FunctionType)"], check=True)


def test_every_name_of_a_lazy_room_is_there() -> None:
    import xpbench.plan
    import xpbench.randomiser
    import xpbench.watch

    for room in (xpbench, xpbench.plan, xpbench.randomiser, xpbench.watch):
        for name in room.__all__:
            assert getattr(room, name) is not None
        assert set(dir(room)) == {n for n in room.__all__ if n != "__version__"}
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = room.nothing
