"""Binder: what repo2docker would do, where it is installed, and that the files say what it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BINDER = ROOT / "binder"


def test_files_are_what_binder_looks_for() -> None:
    assert os.access(BINDER / "postBuild", os.X_OK)
    subprocess.run(["bash", "-n", str(BINDER / "postBuild")], check=True)
    assert (BINDER / "runtime.txt").read_text().strip() == "python-3.12"
    lines = [x for x in (BINDER / "requirements.txt").read_text().splitlines() if x and not x.startswith("#")]
    assert all("==" in x for x in lines)
    assert {x.partition("==")[0] for x in lines} == {"jupyterlab", "voila", "ipywidgets"}
    for notebook in ("07-stakeholder-demo.ipynb",):
        assert (ROOT / "notebooks" / notebook).is_file()


def test_repo2docker_plans_the_image(tmp_path: Path) -> None:
    program = shutil.which("jupyter-repo2docker")
    if program is None:
        pytest.skip("repo2docker is not installed")
    shutil.copytree(BINDER, tmp_path / "binder")
    done = subprocess.run(
        [program, "--no-build", "--debug", "."], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told[-2000:]
    assert "python=3.12" in told
    assert "binder/requirements.txt" in told
    assert "./binder/postBuild" in told
