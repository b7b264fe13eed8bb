"""Which experiment keys can name a folder on every system."""

from __future__ import annotations

import re

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")
_DEVICES = frozenset(["con", "prn", "aux", "nul", *(f"{d}{i}" for d in ("com", "lpt") for i in range(10))])


def is_safe_key(key: str) -> bool:
    """Whether a key names one folder on every system: `[a-z0-9][a-z0-9._-]{0,63}`, no dot last or twice, no device name."""
    return bool(_KEY.match(key)) and not key.endswith(".") and ".." not in key and key.partition(".")[0] not in _DEVICES


def suggest_key(text: str) -> str:
    """A safe key that looks like `text`."""
    words = re.sub(r"[^a-z0-9._-]+", "-", text[:200].lower())
    words = re.sub(r"\.{2,}", ".", words).strip("-._")[:64].rstrip("-._")
    if words and is_safe_key(words):
        return words
    longer = f"{words}-experiment"[:64]
    return longer if words and is_safe_key(longer) else "my-experiment"
