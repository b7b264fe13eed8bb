"""The index of decisions by room, with their status; the site shows it, and this prints it.

A decision is in force unless its page has a line that begins with **Status.**, such as "**Status.** Amended by
[154](0154-guardrails-at-one-sided-alpha.md)."

python scripts/decisions.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "adr"

ROOMS: dict[str, tuple[tuple[int, int], ...]] = {
    "The house: rooms, imports, dependencies, installing": (
        (1, 1), (7, 8), (18, 18), (75, 76), (81, 81), (83, 94), (133, 135), (140, 140), (212, 212), (310, 319),
    ),
    "Plan and forecast: drafts, power, rehearsal": (
        (5, 5), (15, 15), (49, 49), (64, 64), (152, 152), (170, 172), (262, 263), (330, 339),
    ),
    "Randomiser: hashes, flags, audit": ((29, 32), (61, 62), (132, 132), (160, 160), (162, 162), (201, 201)),
    "Exposure: tracker, outbox, relay, tag": ((40, 43), (130, 131), (240, 243)),
    "Data: tables, logs, engines": ((17, 17), (20, 28), (53, 53), (56, 56), (220, 221)),
    "Statistics": ((2, 4), (10, 14), (16, 16), (55, 55), (150, 151), (153, 154), (230, 232)),
    "Health": ((45, 46), (48, 48), (60, 60), (202, 202)),
    "Reading and deciding: seal, rule, looks, what now": ((47, 47), (110, 112), (200, 200), (203, 203), (250, 251)),
    "Ledger": ((50, 51), (66, 67), (100, 104), (122, 122)),
    "Memo and verifier": (
        (6, 6), (52, 52), (54, 54), (57, 57), (65, 65), (74, 74), (82, 82), (120, 121), (136, 136), (210, 211), (252, 252),
    ),
    "Screens: forms, charts, Lab, Voila": ((58, 58), (70, 73), (80, 80), (260, 261)),
    "Mixpanel": ((44, 44), (161, 161), (163, 163)),
    "After shipping": ((63, 63),),
    "Assistants": ((270, 279),),
    "Words, pages and pictures": ((360, 369),),
}  # fmt: skip
"""Numbers of decisions by room; ranges include both ends."""


def room_of(number: int) -> str:
    """The room of a decision; "Other" for one that nobody has placed."""
    return next((room for room, spans in ROOMS.items() if any(low <= number <= high for low, high in spans)), "Other")


def index() -> str:
    """The page."""
    found: dict[str, list[str]] = {}
    for path in sorted(FOLDER.glob("[0-9]*.md")):
        text = path.read_text(encoding="utf-8")
        number = int(path.name[:4])
        title = re.sub(r"^#\s*\d+[.:]?\s*", "", text.splitlines()[0])
        status = re.search(r"^\*\*Status\.\*\*\s*(.+)$", text, re.MULTILINE)
        said = status[1].rstrip(".") if status else "in force"
        found.setdefault(room_of(number), []).append(f"| {number} | [{title}]({path.name}) | {said[0].lower()}{said[1:]} |")
    parts = [
        "# Decisions\n\nEvery choice that binds, and why. A decision is a record: it keeps the words of its day, and a "
        "later one says what it changes.\n"
    ]
    for room in (*ROOMS, "Other"):
        if room in found:
            parts.append(f"\n## {room}\n\n| | decision | status |\n|--:|---|---|\n" + "\n".join(found[room]) + "\n")
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(index())
