"""A Postgres server of the tests' own, from the system's packages; listens on a socket in a temporary folder alone."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or [Path(p) for p in [shutil.which("initdb")] if p]
    return found[-1].parent if found else None


def server() -> Iterator[str]:
    """The socket folder of a server of our own, from the system's packages."""
    pytest.importorskip("psycopg")
    tools = binaries()
    if tools is None:
        pytest.skip("Postgres is not installed")
    as_root = os.getuid() == 0
    if as_root and not any(u.pw_name == "postgres" for u in pwd.getpwall()):
        pytest.skip("Postgres does not run as root, and there is no user for it")
    folder = tempfile.mkdtemp(prefix="pg-")
    if as_root:
        shutil.chown(folder, "postgres", "postgres")
    who: dict[str, Any] = {"user": "postgres", "group": "postgres"} if as_root else {}
    run: dict[str, Any] = {
        "check": True,
        "capture_output": True,
        "cwd": folder,
        "env": {**os.environ, "LC_ALL": "C.UTF-8"},
        **who,
    }
    subprocess.run([tools / "initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "xpb", "--no-sync", "-E", "UTF8"], **run)
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    subprocess.run([tools / "pg_ctl", "-D", f"{folder}/data", "-w", "-o", options, "-l", f"{folder}/log", "start"], **run)
    yield folder
    subprocess.run([tools / "pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop"], **{**run, "check": False})
    shutil.rmtree(folder, ignore_errors=True)


postgres = pytest.fixture(scope="module", name="postgres")(server)
