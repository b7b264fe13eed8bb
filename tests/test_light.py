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

PLAN = {
    "key": "light",
    "title": "Light",
    "owner": "o",
    "unit": "unit",
    "hypothesis": {"if": "a", "then": [{"metric": "y", "direction": "increase"}], "because": "b"},
    "variants": [{"key": "control", "split": 0.5, "control": True}, {"key": "beta", "split": 0.5}],
    "metrics": [
        {
            "key": "y",
            "kind": "column",
            "column": "y",
            "role": "primary",
            "direction": "increase",
            "cuped": True,
            "covariates": ["x"],
        }
    ],
    "model": {"kind": "frequentist"},
    "horizon": {"units": 1000},
}

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
        "scipy.stats,scipy.optimize,pandas,narwhals,duckdb,httpx,mixpanel,requests,jinja2,altair,xpbench.watch.portfolio,"
        "numpy.f2py.crackfortran,numpy.testing._private.utils"
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
        "import xpbench.watch.portfolio, xpbench.watch as w; from xpbench.watch import portfolio; "
        "assert w.portfolio is portfolio",
        "from xpbench.watch import portfolio; import xpbench.watch.portfolio, xpbench.watch as w; "
        "assert w.portfolio is portfolio",
        "import xpbench.assign.sql, xpbench.assign.handoff, xpbench.assign.javascript, xpbench.assign as a; "
        "portfolio = a.sql; assert a.handoff.__name__ == 'handoff' and a.javascript.__name__ == 'javascript'",
        "from xpbench.assign import sql as portfolio; import xpbench.assign.sql, xpbench.assign as a; "
        "assert a.sql is portfolio",
        "import xpbench as xp; import xpbench.assign.native; portfolio = xp.assign",
    ],
)
def test_a_function_named_like_its_module_stays_a_function(code: str) -> None:
    subprocess.run([sys.executable, "-c", code + "; assert callable(portfolio)"], check=True)


def test_every_name_of_a_lazy_room_is_there() -> None:
    import xpbench.assign
    import xpbench.plan
    import xpbench.watch

    for room in (xpbench.assign, xpbench.plan, xpbench.watch):
        for name in room.__all__:
            assert getattr(room, name) is not None
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = room.nothing
