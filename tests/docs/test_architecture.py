"""The map of the house has every room, each room says what it is for, and nobody keeps what nobody calls."""

from __future__ import annotations

import ast
import importlib.util
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "xpbench"
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
ROOMS = sorted(p.parent.name for p in PACKAGE.glob("*/__init__.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_room_is_on_the_map_and_says_what_it_is_for(room: str) -> None:
    assert f"`{room}/`" in PAGE
    said = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text("utf-8")))
    assert said is not None
    assert len(said.splitlines()[0]) > 30


def test_picture_is_what_its_script_makes_and_shows_every_room() -> None:
    spec = importlib.util.spec_from_file_location("make_architecture", ROOT / "scripts" / "make_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    picture = (ROOT / "docs" / "architecture.svg").read_text("utf-8")
    assert picture == module.picture(), "run: python scripts/make_architecture.py"
    assert [room for room in ROOMS if f"{room}/</text>" not in picture] == []
    assert "(architecture.svg)" in PAGE


def test_files_on_the_way_of_an_exposure_exist() -> None:
    named = re.findall(r"`([a-z]+(?:/[a-z_]+)+\.py|[a-z]+(?:/[a-z_]+)*/)`", PAGE)
    assert len(named) > 20
    outside = ("tests/", "benchmarks/", "scripts/", "notebooks/", "templates/", "docs/")
    assert [name for name in named if not name.startswith(outside) and not (PACKAGE / name).exists()] == []


def test_every_folder_says_what_it_is_for_and_what_is_in_it() -> None:
    """A table of parts in a room's first file names every module of the room, and no other."""
    kept_elsewhere = {"stats": {"arguments", "exact", "roots"}}
    tables = 0
    for path in PACKAGE.rglob("__init__.py"):
        said = ast.get_docstring(ast.parse(path.read_text("utf-8")))
        assert said, path
        table = said.partition("\n==")[2].rpartition("\n==")[0]
        if not table:
            continue
        tables += 1
        here = {p.stem for p in path.parent.glob("*.py")} | {p.parent.name for p in path.parent.glob("*/__init__.py")}
        first = [re.match(r"\w+(?:, \w+)*(?=  )", row) for row in table.splitlines()[1:]]
        listed = {name for m in first if m for name in m[0].split(", ")}
        assert listed - here == set(), path
        silent = {name for name in here - {"__init__"} if not re.search(rf"\b{name}\b", said)}
        assert silent - kept_elsewhere.get(path.parent.name, set()) == set(), path
    assert tables > 15


def test_every_single_file_of_the_package_is_on_the_map() -> None:
    for path in PACKAGE.glob("*.py"):
        if not path.name.startswith("_"):
            assert f"`{path.name}`" in PAGE, path.name


def test_layers_name_every_room() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (contract,) = [c for c in project["tool"]["importlinter"]["contracts"] if c.get("type") == "layers"]
    named = " ".join(contract["layers"])
    for room in ROOMS:
        assert re.search(rf"\bxpbench\.{room}\b", named), room


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(p.relative_to(ROOT)) for p in PACKAGE.rglob("*.py") if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]
    assert silent == []


def test_nothing_private_is_kept_that_its_module_never_uses() -> None:
    """Functions and classes with a leading underscore are used where they stand."""
    dead = []
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text("utf-8")
        for node in ast.parse(text).body:
            name = getattr(node, "name", "")
            if name.startswith("_") and not name.startswith("__") and len(re.findall(rf"\b{name}\b", text)) < 2:
                others = sum(bool(re.search(rf"\b{name}\b", p.read_text("utf-8"))) for p in PACKAGE.rglob("*.py"))
                if others < 2:
                    dead.append(f"{path.relative_to(ROOT)}: {name}")
    known = {
        "_jupyter_labextension_paths",
        "_jupyter_server_extension_points",
        "_link_jupyter_server_extension",
        "_load_jupyter_server_extension",
    }  # called by Jupyter
    assert [d for d in dead if d.rpartition(" ")[2] not in known] == []


IMPORTED_AS = {"vl-convert-python": "vl_convert"}


def base_packages() -> list[str]:
    """Names of the direct dependencies, without any extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [re.match(r"[\w-]+", d)[0] for d in project["dependencies"]]  # type: ignore[index]


def test_base_install_has_nothing_that_nobody_imports() -> None:
    imported = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                imported.add(node.module.partition(".")[0])
    assert [p for p in base_packages() if IMPORTED_AS.get(p, p) not in imported] == []


@pytest.mark.parametrize("package", base_packages())
def test_reason_for_each_package_of_the_base_is_written_down(package: str) -> None:
    assert package in (ROOT / "docs" / "adr" / "0087-base-install.md").read_text("utf-8")


def imports_of(path: Path, modules: dict[str, Path]) -> set[str]:
    """Modules of the package that a file imports anywhere: inside functions and for types, too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("xpbench"):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in modules else node.module)
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in modules}
    return found


def test_no_circle_of_imports_has_more_than_three_files() -> None:
    """Strongly connected sets of modules by Tarjan's algorithm, every import counted."""
    modules = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in PACKAGE.rglob("*.py")}
    graph = {name: imports_of(path, modules) & set(modules) - {name} for name, path in modules.items()}
    seen: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    circles: list[list[str]] = []

    def visit(name: str) -> None:
        seen[name] = low[name] = len(seen)
        stack.append(name)
        for other in graph[name]:
            if other not in seen:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], seen[other])
        if low[name] == seen[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                circles.append(sorted(stack[at:]))
            del stack[at:]

    for name in graph:
        if name not in seen:
            visit(name)
    assert [c for c in circles if len(c) > 3] == []
