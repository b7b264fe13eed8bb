"""The interactive edition: the same page with tables that sort and filter. It says that it is not the frozen one."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

BANNER = (
    '<p class="notice" role="note"><strong>Interactive edition.</strong> This copy runs a script and carries no evidence. '
    "It is not the frozen memo: decide and verify by that one.</p>"
)


def interactive(html: str) -> str:
    """The page of a frozen memo with one script, allowed by its hash alone, and without payload and seal.

    Args:
        html: A frozen memo.
    """
    script = (Path(__file__).parent / "interactive.js").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = re.sub(r'<script type="application/json" id="xpbench-(?:payload|seal)">.*?</script>\n?', "", html, flags=re.DOTALL)
    page = page.replace("default-src 'none';", f"default-src 'none'; script-src 'sha256-{digest}';", 1)
    page = page.replace(
        '<input type="checkbox" id="audit">', '<input type="checkbox" id="audit" checked>', 1
    )  # all tables sort
    page = page.replace("<main>", f"<main>\n{BANNER}", 1)
    return page.replace("</body>", f"<script>{script}</script>\n</body>", 1)
