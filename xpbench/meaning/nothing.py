"""Texts that mean that there is no value."""

from __future__ import annotations

from collections.abc import Collection

SPACES = (
    " \t\n\r\v\f\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u200e\u200f"
    "\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
"""Signs around a value that are not part of it: blanks of every width, and signs that nobody sees."""

NOTHING = frozenset(
    {
        "", "na", "n/a", "#n/a", "#na", "#n/a n/a", "<na>", "nan", "-nan", "1.#qnan", "-1.#qnan", "1.#ind", "-1.#ind",
        "null", "<null>", "(null)", "none", "nil", "nat", "undefined", "\\n",
    }
)  # fmt: skip
"""In lower case; what R, pandas, SQL, spreadsheets and JavaScript write where nothing is there."""


def trimmed(text: str) -> str:
    """The text without what is around it."""
    return text.strip(SPACES)


def is_nothing(text: str, named: Collection[str] = ()) -> bool:
    """Whether a text means that there is no value.

    Args:
        text: What the file holds.
        named: Texts that the plan or the call names: they are values, such as a control that is called `none`.
    """
    short = trimmed(text)
    return short not in named and short.lower() in NOTHING
