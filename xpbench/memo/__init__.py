"""The memo: built from a readout and the ledger, rendered as one page that carries its evidence, verified from it."""

from xpbench.memo.memo import Memo, build

__all__ = ["Memo", "build"]
