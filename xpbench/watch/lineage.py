"""What one experiment hands on to the next: its hypothesis in a sentence, what was learned, and what it follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xpbench.ledger import Entry


def hypothesis_of(document: Mapping[str, Any]) -> str:
    """The hypothesis of a plan in a sentence.

    Args:
        document: The plan as the ledger has it.
    """
    h = document.get("hypothesis") or {}
    claims = ", ".join(f"{c['metric']} will {c['direction']}" for c in h.get("then", ()))
    return f"If {h.get('if', '')}, then {claims}, because {h.get('because', '')}."


def learned_of(entries: Sequence[Entry]) -> str:
    """Why the newest decision was made, "" where there is none."""
    decision = next((e for e in reversed(entries) if e.kind in ("decided", "deferred")), None)
    return "" if decision is None else str(decision.body.get("because") or decision.body.get("reason") or "")


def follows_of(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Keys of the runs before this one, from the first on."""
    return tuple(str(k) for k in (entries[0].body.get("follows") or {}).get("runs", ()))


def restarted_as(entries: Sequence[Entry]) -> str:
    """Key of the run that follows this one, "" where there is none."""
    return next((str(e.body.get("to", "")) for e in entries if e.kind == "restarted"), "")
