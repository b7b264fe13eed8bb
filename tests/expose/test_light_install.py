"""What a service installs: tracker, relay and plan files need none of the packages that charts, forms and engines bring."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.expose.conftest import make_plan

ROOT = Path(__file__).parents[2]
NEEDED = {"mixpanel", "pydantic", "rfc8785", "httpx"}  # httpx comes with mixpanel
PROGRAM = """
import sys

class Barred:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BARRED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

BARRED = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Barred())
import xpbench as xp
from xpbench.expose.service import RelayService
from xpbench.cli import build_parser

build_parser()
plan = xp.load_plan("plan.json")
with xp.Tracker(plan, mixpanel="token", outbox="o.sqlite", sender="none") as tracker:
    print(tracker.expose("user-1").state, RelayService(tracker)._one({"unit": "user-1"}).body["state"])
try:
    xp.preflight(plan, ["a"])
except ModuleNotFoundError:
    print("barred")
"""


def test_a_service_needs_four_packages(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[>=<;\[ ]", d)[0] for d in project["dependencies"]}
    barred = {n.replace("-python", "").replace("-", "_") for n in names - NEEDED} | {"IPython", "starlette", "psycopg"}
    assert {"numpy", "duckdb", "pandas", "vl_convert"} <= barred
    (tmp_path / "plan.json").write_text(json.dumps(make_plan().to_dict()))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, ",".join(sorted(barred))], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["queued", "repeat", "barred"]
    page = (ROOT / "docs" / "howto" / "services.md").read_text()
    assert "pip install mixpanel pydantic rfc8785" in page
