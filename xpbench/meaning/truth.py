"""What true and false are."""

from __future__ import annotations

TRUTHS = {"true": True, "false": False}
"""Texts in lower case that are a truth value wherever they are met."""

PAIRS = (("yes", "no"), ("y", "n"), ("t", "f"))
"""Texts in lower case that are truth values where a whole column holds them and nothing else."""


def truth_of(text: str) -> bool | None:
    """The truth value that a text is; None for others."""
    return TRUTHS.get(text.strip().lower())
