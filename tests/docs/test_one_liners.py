"""The outputs on the page of one-liners and in the README are what the lines print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = re.compile(r"^```text\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["docs/howto/one-liners.md", "README.md"])
def test_outputs_are_what_is_printed(page: str, tmp_path: Path) -> None:
    from scripts.every_page import BLOCK

    text = (ROOT / page).read_text("utf-8")
    code = "\n".join(BLOCK.findall(text))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    shown = TEXT.findall(text)
    assert shown
    for block in shown:
        assert block in done.stdout
