"""Nothing that weakens a plan happens without a reason on record."""

from __future__ import annotations

from xpbench.errors import DecisionError, plain


def ensure_reason(reason: str, action: str) -> None:
    """Nothing, where there is a reason.

    Raises:
        DecisionError: `XPB-R02`, there is none.
    """
    if not reason.strip():
        raise DecisionError("XPB-R02", action=plain(action))
