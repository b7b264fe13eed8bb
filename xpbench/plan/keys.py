"""Which experiment keys can name a folder on every system."""

from __future__ import annotations

import re

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_RESERVED = {"con", "prn", "aux", "nul", *(f"com{i}" for i in range(10)), *(f"lpt{i}" for i in range(10))}


def is_safe_key(key: str) -> bool:
    """Whether a key names a folder safely: short, plain characters, no device name, no dot at the end."""
    return bool(_KEY.fullmatch(key)) and not key.endswith(".") and ".." not in key and key.split(".")[0] not in _RESERVED


def suggest_key(text: str) -> str:
    """A safe key made from any text."""
    slug = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-")
    return slug if slug and is_safe_key(slug) else f"exp-{slug}".strip("-")
