"""Who builds the wheel again gets the same bytes: what is on an index can be compared with the repository."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

LIMIT = 5_000_000
"""Bytes that a wheel may have."""


def built(folder: Path, out: Path, *, mode: int) -> Path:
    """A wheel from a copy of the sources, without the panel: that one needs Node, and is compared where it is built."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "hatch_build.py", "xpbench", "templates", "jupyter-config"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "labextension"))
        elif (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    for path in folder.rglob("*.py"):
        path.chmod(mode)
        os.utime(path, (1_000_000_000 + mode, 1_000_000_000 + mode))
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        cwd=folder,
        env={**os.environ, "XPBENCH_LABEXTENSION": "skip"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


def test_a_wheel_built_twice_has_the_same_bytes(tmp_path: Path) -> None:
    """In other folders, at other times and with other rights of files."""
    wheels = [built(tmp_path / name, tmp_path / f"{name}-out", mode=mode) for name, mode in (("a", 0o644), ("another", 0o600))]
    one, two = (hashlib.sha256(w.read_bytes()).hexdigest() for w in wheels)
    assert one == two
    assert wheels[0].stat().st_size < LIMIT
    names = zipfile.ZipFile(wheels[0]).namelist()
    assert "xpbench/py.typed" in names
    assert not any("/tests/" in n or n.endswith(".pyc") for n in names)
