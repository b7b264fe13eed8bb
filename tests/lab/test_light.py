"""What a browser's Python lacks is not needed to import what can work there: no server, charts, engine or numpy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

NO_SERVER = """
import sys
for name in ("jupyter_server", "jupyterlab", "vl_convert", "tornado", "voila"):
    sys.modules[name] = None
import xpbench as xp
import xpbench.experiment, xpbench.plan, xpbench.ledger, xpbench.stats.designs, xpbench.verifier, xpbench.views, xpbench.lab
assert xp.template("beta-homepage").problems() is not None
assert xp._jupyter_server_extension_points()
"""

NO_ENGINE = """
import fcntl, sys
del fcntl.flock, fcntl.lockf  # as in Pyodide
for name in ("jupyter_server", "jupyterlab", "vl_convert", "tornado", "voila", "numpy", "scipy", "pandas", "pyarrow", "duckdb",
             "narwhals", "altair", "ipywidgets", "anywidget", "jinja2", "httpx", "mixpanel", "tqdm"):
    sys.modules[name] = None
import xpbench as xp
plan = xp.template("beta-homepage")
assert plan.problems() == []
assert xp.Plan(**plan.to_dict()).digest == plan.digest
from xpbench.ledger import Ledger
Ledger(sys.argv[3]).append("launched", {})
assert len(Ledger(sys.argv[3]).entries()) == 1
report = xp.verify(sys.argv[1])
assert report.exit_code == 0, report
assert any("the same bytes" in text for text in report.checked)
with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()
assert "as planned" in text
with open(sys.argv[2], "w", encoding="utf-8") as file:
    file.write(text.replace("as planned", "as wished"))
assert xp.verify(sys.argv[2]).status == "differs"
"""

NO_PLANS = """
import sys
import xpbench.lab.extension, xpbench.lab.handlers
assert not {"pydantic", "numpy", "scipy", "pandas", "duckdb"} & set(sys.modules)
"""


def run(program: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_core_needs_no_server_and_no_chart_renderer() -> None:
    run(NO_SERVER)


def test_plans_and_verifying_need_no_engine_and_no_numpy(decided_memo: Path, tmp_path: Path) -> None:
    run(NO_ENGINE, str(decided_memo), str(tmp_path / "changed-memo.html"), str(tmp_path / "ledger.jsonl"))


def test_jupyter_server_starts_without_plans_and_statistics() -> None:
    run(NO_PLANS)
