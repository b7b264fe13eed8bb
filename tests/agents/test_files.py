"""Files for assistants are written once, and never over what is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from xpbench.agents.files import FILES
from xpbench.cli import main


def test_files_are_written_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "AGENTS.md").write_text("ours")
    assert main(["mcp", "--root", str(tmp_path), "--write-files"]) == 0
    assert (tmp_path / "AGENTS.md").read_text() == "ours"
    assert (tmp_path / "skills" / "xpbench" / "SKILL.md").read_text().startswith("---\nname: xpbench\n")
    assert (tmp_path / "llms.txt").read_text().startswith("# ")
    assert "Kept as it is: AGENTS.md" in capsys.readouterr().out
    assert sorted(FILES.values()) == sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file())


def test_a_start_loads_no_statistics() -> None:
    code = "import sys, xpbench.agents.tools, xpbench.commands.agents; print({'numpy', 'scipy', 'duckdb'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "set()"
