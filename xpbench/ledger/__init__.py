"""The ledger: an append-only, hash-chained record of one experiment, and the folder it lives in.

=========  ==========================================================
ledger     JSON Lines that only grow
entry      one record, its line of bytes, and the witness of a length
folder     where an experiment lives
lock       one writer at a time
knowledge  what had been seen by when
first      whether the plan came before the data
grammar    the order of entries, as a table
repair     a ledger that tools have damaged, without losing an entry
clock      the one clock
signature  signatures over a sign-off
stamp      RFC 3161 time stamps
notes      witnesses as git notes
=========  ==========================================================
"""

from xpbench.ledger.clock import Clock, fixed_clock, system_clock
from xpbench.ledger.entry import Entry, Witness
from xpbench.ledger.folder import Listed, check_key, create, experiments, folder_of
from xpbench.ledger.knowledge import LEVELS, Knowledge, distinct_looks, knowledge
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
    "distinct_looks",
    "experiments",
    "fixed_clock",
    "folder_of",
    "knowledge",
    "system_clock",
]
