"""House rules that a machine checks: no code out of data, no network unless asked for, licences we may use."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FORBIDDEN = {
    "import pickle\n": "TID251",
    "from pickle import loads\n": "TID251",
    "import dill\n": "TID251",
    "import joblib\n": "TID251",
    "import marshal\n": "TID251",
    "import shelve\n": "TID251",
    "import yaml\n": "TID251",
    "import pandas as pd\n\npd.read_pickle('x')\n": "TID251",
    "import numpy as np\n\nnp.load('x', allow_pickle=True)\n": "TID251",
    "x = eval('1')\n": "S307",
    "exec('x = 1')\n": "S102",
}


def _ruff() -> str:
    found = shutil.which("ruff", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip("needs ruff")
    return found


@pytest.mark.parametrize("folder", ["xpbench", "tests", "benchmarks", "scripts"])
def test_the_lint_of_the_whole_repository_refuses_code_out_of_data(tmp_path: Path, folder: str) -> None:
    """Each forbidden call is found in every folder, whatever that folder is excused from."""
    for text, code in FORBIDDEN.items():
        done = subprocess.run(
            [_ruff(), "check", "--no-cache", "--output-format", "json", "--stdin-filename", f"{folder}/probe.py", "-"],
            cwd=ROOT,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )
        assert code in {found["code"] for found in json.loads(done.stdout)}, text


def test_notebooks_and_templates_read_no_code_from_data() -> None:
    """Lint leaves notebooks out; their cells are searched here."""
    found = []
    for path in [*ROOT.glob("notebooks/**/*.ipynb"), *ROOT.glob("templates/**/*.ipynb")]:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and re.search(
                r"\b(pickle|marshal|shelve|yaml|joblib|dill)\b|(?<![.\w])(eval|exec)\(", source
            ):
                found.append((path.name, source[:80]))
    assert found == []


def test_nothing_but_tests_is_excused_from_the_lint() -> None:
    """Tests may send errors across process borders or run a cell as a kernel does; the package and its tools may not."""
    excused = set()
    for folder in ("xpbench", "benchmarks", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            if re.search(r"# noqa:[^\n]*\b(S102|S301|S302|S307|S506|TID251)\b", path.read_text(encoding="utf-8")):
                excused.add(str(path.relative_to(ROOT)))
    assert excused == set()


FLOW = """
import sys
from pathlib import Path

asked = []

def watch(event, args):
    if event == "socket.bind" and args[1:] == (("::1", 0),):
        return  # urllib3, when it is imported, asks the kernel in this way whether it knows IPv6; nothing leaves
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        asked.append((event, repr(args[1:])))
        raise OSError("no network in the default path")

sys.addaudithook(watch)

from xpbench.cli import main

root = Path(sys.argv[1])
code = main(["demo", "--out", str(root), "--units", "3000", "--seed", "7"])
memo, folder = next(root.rglob("memo.html")), next(root.rglob("ledger.jsonl")).parent
codes = [code, main(["verify", str(memo), "--full"]), main(["status", "--root", str(folder.parent)])]

import xpbench as xp

for ending in ("json", "md", "zip", "interactive.html"):
    xp.open_experiment(folder.name, root=folder.parent).memo().save(root / f"copy.{ending}")
sys.stderr.write(repr((codes, asked)))
"""


def test_the_way_from_plan_to_memo_opens_no_socket(tmp_path: Path) -> None:
    """Demo, readout, decision, memo in its formats, verification: watched by an audit hook from the first import on."""
    command = [sys.executable, "-W", "ignore", "-c", FLOW, str(tmp_path)]
    unshare = shutil.which("unshare")
    if unshare and subprocess.run([unshare, "-rn", "true"], capture_output=True, check=False).returncode == 0:
        command = [unshare, "-rn", *command]  # and libraries in C, which no hook sees, have no network at all
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr.endswith("([0, 0, 0], [])"), done.stderr[-500:]


FREE = (
    r"MIT|MIT-0|BSD(-[23]-Clause)?|0BSD|Apache-2\.0|ISC|PSF-2\.0|MPL-2\.0|LGPL-3\.0(-only|-or-later)?|Zlib|CC0-1\.0|Unlicense"
)


def test_every_dependency_is_listed_with_a_licence_we_may_use() -> None:
    """`python scripts/make_licences.py` makes the list."""
    import tomllib

    text = (ROOT / "docs" / "proof" / "dependencies.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| (?!package |extra )([a-z0-9-]+) \| ([^|]+) \| ", text, re.MULTILINE))
    listed |= dict(re.findall(r"^\| `[a-z]+` \| ([a-z0-9-]+) \| ([^|]+) \|$", text, re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = list(project["dependencies"])
    asked += [r for name, rs in project["optional-dependencies"].items() if name not in ("test", "dev", "docs") for r in rs]
    wanted = {re.sub(r"[-_.]+", "-", re.split(r"[\s\[<>=!~;(]", r, maxsplit=1)[0]).lower() for r in asked}
    assert wanted - set(listed) == set()
    for package, licence in listed.items():
        for part in re.split(r" AND | OR | or ", licence.strip()):
            assert re.fullmatch(FREE, part), (package, licence)


READERS = {
    "read_csv",
    "read_table",
    "read_excel",
    "read_feather",
    "read_json",
    "read_ndjson",
    "read_parquet",
    "scan_csv",
    "open_csv",
}


def readers_in(source: str) -> set[str]:
    """What a module uses to read tables by itself: an engine, Arrow's CSV reader, readers of pandas and polars."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.split(".")[0] == "duckdb" or a.name == "pyarrow.csv"}
        elif isinstance(node, ast.ImportFrom):
            found |= {"duckdb"} if (node.module or "").split(".")[0] == "duckdb" else set()
            found |= {"pyarrow.csv"} if node.module == "pyarrow" and any(a.name == "csv" for a in node.names) else set()
        elif isinstance(node, ast.Attribute) and node.attr in READERS:
            found.add(node.attr)
    return found


def test_tables_and_logs_have_one_reader() -> None:
    """A second one would read some value otherwise: an id, a missing value, a decimal comma."""
    apart = {
        str(path.relative_to(ROOT)): found
        for path in sorted((ROOT / "xpbench").rglob("*.py"))
        if path.relative_to(ROOT / "xpbench").parts[0] not in ("data", "sheets")
        and (found := readers_in(path.read_text("utf-8")))
    }
    assert apart == {}
    assert readers_in("import duckdb\nfrom pyarrow import csv\nimport pandas as pd\npd.read_csv(x)") == {
        "duckdb", "pyarrow.csv", "read_csv",
    }  # fmt: skip


SAME_IN_TWO_PLACES = {
    "Bools": "alias of one type of numpy",
    "Floats": "alias of one type of numpy",
    "Direction": "the same two words; plans load without statistics",
    "Receive": "alias of the ASGI standard; the sandbox and the service share no room",
    "Send": "alias of the ASGI standard; the sandbox and the service share no room",
}
"""Names that more than one module declares, with the reason. Everything else has one meaning in the package."""


def test_a_type_has_one_meaning() -> None:
    """No two modules declare a public type of one name; the verifier repeats some by design."""
    declared: dict[str, list[str]] = {}
    for path in (ROOT / "xpbench").rglob("*.py"):
        if "verifier" in path.relative_to(ROOT).parts:
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [node.name] if isinstance(node, ast.ClassDef) else []
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp):
                names = [t.id for t in node.targets if isinstance(t, ast.Name)]
            for name in names:
                if name[0].isupper() and not name.isupper():
                    declared.setdefault(name, []).append(str(path.relative_to(ROOT)))
    doubled = {name: places for name, places in declared.items() if len(places) > 1}
    assert {n: p for n, p in doubled.items() if n not in SAME_IN_TWO_PLACES} == {}
    assert set(SAME_IN_TWO_PLACES) == set(doubled), "a reason for a name that has one meaning by now"


def test_every_slow_test_is_still_there() -> None:
    """tests/slow.txt is measured (scripts/slow_tests.py): a name that moved would come back into the short runs unseen."""
    for line in (ROOT / "tests" / "slow.txt").read_text("utf-8").split():
        path, *names = line.split("::")
        text = (ROOT / path).read_text("utf-8")
        assert f"def {names[-1]}(" in text, line
