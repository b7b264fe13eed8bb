"""The ledger: an append-only, hash-chained record of one experiment, and the folder it lives in."""

from xpbench.ledger.clock import Clock, fixed_clock, system_clock
from xpbench.ledger.entry import Entry, Witness
from xpbench.ledger.folder import Listed, check_key, create, experiments, folder_of
from xpbench.ledger.knowledge import LEVELS, Knowledge, knowledge
from xpbench.ledger.ledger import Ledger, Notice

__all__ = [
    "LEVELS",
    "Clock",
    "Entry",
    "Knowledge",
    "Ledger",
    "Listed",
    "Notice",
    "Witness",
    "check_key",
    "create",
    "experiments",
    "fixed_clock",
    "folder_of",
    "knowledge",
    "system_clock",
]
