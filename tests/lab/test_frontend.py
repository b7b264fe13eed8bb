"""What the front end's files promise each other and Python; its own lint, types and tests are run by `scripts/test.py`."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FRONT = ROOT / "labextension"


def test_versions_and_names_agree() -> None:
    import xpbench

    package = json.loads((FRONT / "package.json").read_text())
    assert package["version"] == xpbench.__version__
    assert package["resolutions"]["@rspack/core"] == "2.2.9"
    assert json.loads((ROOT / "install.json").read_text())["packageName"] == "xpbench"
    assert xpbench._jupyter_labextension_paths() == [{"src": "labextension", "dest": package["name"]}]
    assert xpbench._jupyter_server_extension_points() == [{"module": "xpbench.lab.extension"}]
    lock = (FRONT / "yarn.lock").read_text()
    assert "http" + "s://" not in lock.replace("https://yarnpkg.com", "")


def test_every_command_in_the_settings_exists() -> None:
    schema = json.loads((FRONT / "schema" / "plugin.json").read_text())
    commands = (FRONT / "src" / "commands.ts").read_text()
    for shortcut in schema["jupyter.lab.shortcuts"]:
        assert f"'{shortcut['command']}'" in commands
