"""The memo: built from a readout and the ledger, rendered as one page that carries its evidence, verified from it.

Names load on first use: checking a memo (`xpbench.memo.verify`) needs neither an engine nor numpy, and must not load them.

===========  ====================================================================
memo         built from a readout and the ledger, saved as one file
story        what the payload says of the ledger, read from it again when verifying
render       the page as a pure function of the payload
content      what the page says, as text and numbers
texts        one row of a readout as text; digits: how numbers stand on the page
figures      static charts as SVG text
prose        method and limits in plain language
impact       two sentences for stakeholders
markdown     the first page for pull requests
interactive  an edition with tables that sort
pdf, crate   as PDF, and as an RO-Crate
verify       a memo checked with nothing but the memo, by a second implementation
engine       numbers that the second implementation leaves to the engine
reproduce    the moments of a readout against the raw data read again
commands     `xpbench verify`
===========  ====================================================================
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
