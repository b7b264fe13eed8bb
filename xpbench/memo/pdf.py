"""The memo as PDF, printed by a Chromium of the machine; without one there is an error that says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from xpbench.errors import MemoError, plain
from xpbench.interrupts import temporary_folder

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
SECONDS = 60


def browser() -> str | None:
    """Path of a Chromium, or None; `XPBENCH_CHROMIUM` names another one."""
    named = os.environ.get("XPBENCH_CHROMIUM")
    if named:
        return named if Path(named).exists() else None
    return next((found for found in map(shutil.which, BROWSERS) if found), None)


def pdf(html: str) -> bytes:
    """The page printed to A4; the browser gets the file and no network.

    Raises:
        MemoError: `XPB-O03`, no browser, or it failed.
    """
    program = browser()
    if program is None:
        raise MemoError("XPB-O03", reason=plain("no Chromium was found on this machine"))
    with temporary_folder() as folder:
        page, out = folder / "memo.html", folder / "memo.pdf"
        page.write_text(html, encoding="utf-8")
        command = [
            program,
            "--headless=new",
            "--disable-gpu",
            "--no-pdf-header-footer",
            "--host-resolver-rules=MAP * ~NOTFOUND",
        ]
        command.append("--host-resolver-rules=MAP * ~NOTFOUND")
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--no-sandbox")
        command += [f"--user-data-dir={folder}/profile", f"--print-to-pdf={out}", page.as_uri()]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            raise MemoError("XPB-O03", reason=plain(f"{program} failed ({type(error).__name__})")) from error
        if not out.exists():
            raise MemoError("XPB-O03", reason=plain(f"{program} wrote no file"))
        return out.read_bytes()
