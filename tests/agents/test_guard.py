"""The guard names code that reads outcomes of a sealed experiment, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

import xpbench as xp
from tests.agents.world import make
from xpbench.agents.guard import guard, load_ipython_extension, unload_ipython_extension
from xpbench.cli import main
from xpbench.experiment.listing import sealed_plans

READS = {
    "frame.py": "import pandas as pd\n\ndf = pd.read_csv('units.csv')\nprint(df.groupby('variant')['spent'].mean())\n",
    "dotted.py": "import polars as pl\ndf = pl.scan_parquet('x.parquet')\nprint(df.spent)\n",
    "sql.py": "import duckdb\nduckdb.sql('''select variant,\n  avg(spent)\nfrom 'units.csv' group by 1''')\n",
    "plain.sql": "-- spent is a word here\nselect variant, avg(t.spent) from t group by 1\n",
}
FREE = {
    "ours.py": "import xpbench as xp\nxp.open_experiment('hostile').readout(xp.units('units.csv', variant='spent'))\n",
    "plan.py": "METRICS = ['spent', 'refunds']\n",
    "other.py": "import pandas as pd\nprint(pd.read_csv('x.csv')['unspent'])\n",
    "comment.sql": "select variant, count(*) from t group by 1 -- spent\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return make(tmp_path)


@pytest.mark.parametrize(("name", "text"), READS.items(), ids=list(READS))
def test_reading_outcomes_is_named(project: Path, name: str, text: str) -> None:
    (project / name).write_text(text)
    found = guard([project], root=project / "experiments").findings
    line = next(i for i, row in enumerate(text.split("\n"), 1) if "spent" in row and not row.startswith("--"))
    assert [(Path(f.path).name, f.line, f.name, f.key) for f in found] == [(name, line, "spent", "hostile")]


@pytest.mark.parametrize(("name", "text"), FREE.items(), ids=list(FREE))
def test_other_code_is_left_alone(project: Path, name: str, text: str) -> None:
    (project / name).write_text(text)
    assert guard([project], root=project / "experiments").findings == ()


def test_a_notebook_is_read_as_one_process(project: Path) -> None:
    cells = ["%matplotlib inline\nimport pandas as pd\ndf = pd.read_csv('units.csv')", "!ls", "df['refunds'].mean()",
             "%%sql\nselect avg(spent) from t"]  # fmt: skip
    document = {"cells": [{"cell_type": "code", "source": c.splitlines(keepends=True)} for c in cells]}
    (project / "look.ipynb").write_text(json.dumps(document))
    found = guard([project / "look.ipynb"], root=project / "experiments").findings
    assert [(f.cell, f.name) for f in found] == [(3, "refunds"), (4, "spent")]


def test_what_can_not_be_read_is_named(project: Path) -> None:
    (project / "broken.py").write_text("def (")
    report = guard([project], root=project / "experiments")
    assert [Path(p).name for p in report.unread] == ["broken.py"]
    assert "was not looked at" in str(report)


def test_the_command_ends_with_one(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["guard", str(project), "--root", str(project / "experiments")]) == 0
    (project / "frame.py").write_text(READS["frame.py"])
    assert main(["guard", str(project), "--root", str(project / "experiments")]) == 1
    assert "frame.py:4: reads 'spent'" in capsys.readouterr().out


def test_a_cell_is_warned_of_before_it_runs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hooks = {}
    events = SimpleNamespace(register=hooks.__setitem__, unregister=lambda name, look: hooks.pop(name))
    shell = SimpleNamespace(events=events)
    load_ipython_extension(shell, project / "experiments")
    for cell in ("import pandas as pd\ndf = pd.read_csv('x.csv')", "df.spent.mean()", "1 +"):
        hooks["pre_run_cell"](SimpleNamespace(raw_cell=cell))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "reads 'spent', an outcome of hostile" in said
    unload_ipython_extension(shell)
    assert hooks == {}


def test_between_planned_looks_it_is_sealed_again(tmp_path: Path) -> None:
    model = {"kind": "group_sequential", "looks": [0.4, 1.0], "spending": "reflection"}
    project = make(tmp_path, model=model)
    assert [p.key for p in sealed_plans(project / "experiments")] == ["hostile"]
    readout = xp.open_experiment("hostile", project / "experiments").readout(str(project / "data" / "units.csv"))
    assert not readout.is_sealed
    assert [p.key for p in sealed_plans(project / "experiments")] == ["hostile"]
    fixed = make(tmp_path / "due", units=1200)
    xp.open_experiment("hostile", fixed / "experiments").readout(str(fixed / "data" / "units.csv"))
    assert sealed_plans(fixed / "experiments") == []
