"""The memo: built from a readout and the ledger, rendered as one page that carries its evidence, verified from it.

Names load on first use: checking a memo (`xpbench.memo.verify`) needs neither an engine nor numpy, and must not load them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xpbench.memo.memo import Memo, build

__all__ = ["Memo", "build"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'xpbench.memo' has no attribute {name!r}")
    return getattr(importlib.import_module("xpbench.memo.memo"), name)
