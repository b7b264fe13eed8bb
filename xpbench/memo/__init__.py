"""The memo: built from a readout and the ledger, rendered as one page that carries its evidence, verified from it.

Names load on first use: a page needs neither an engine nor numpy.

=================  ==========================================================================
memo               built from a readout and the ledger, saved as one file
ledger_part        what the payload says of the ledger, read from it again when verifying
cells              what the page must show, cell by cell
letter             letters of the watch and the overview of a programme, verified like a memo
messages           sentences by id, with their values
verification       `xp.verify`, with what the package adds; alone: the verifier as one file
names              names that could be taken for words of the page
render             the page as a pure function of the payload
content            what the page says, as text and numbers
names              names from a plan and of people, as the page shows them
figures            static charts as SVG text
method_and_limits  method and limits in plain language
impact             two sentences for stakeholders
markdown           the first page for pull requests and chats
picture            the first page as PNG
interactive        an edition with tables that sort
pdf, crate         as PDF, and as an RO-Crate
full_check         numbers that the verifier leaves to the engine
reproduce          the moments of a readout against the raw data read again
=================  ==========================================================================
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xpbench.memo.letter import Letter, programme_letter
    from xpbench.memo.memo import Memo, build

__all__ = ["Letter", "Memo", "build", "programme_letter"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'xpbench.memo' has no attribute {name!r}")
    home = "letter" if name in ("Letter", "programme_letter") else "memo"
    return getattr(importlib.import_module(f"xpbench.memo.{home}"), name)
