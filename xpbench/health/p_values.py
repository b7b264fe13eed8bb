"""Numbers of health checks in words."""

from __future__ import annotations


def p_words(p: float, form: str = ".2e") -> str:
    """`p = 1.23e-05`; one that is too small for a float by its bound, never as 0.

    Args:
        p: A p-value.
        form: How its number is written.
    """
    return f"p = {p:{form}}" if p >= 1e-300 else "p < 1e-300"
