"""The randomiser: hashes that anyone can recompute, flags as the official SDK evaluates them, and who gets which variant.

===============  ====================================================================================
ids              ids of any container as UTF-8 bytes, nulls counted, floats refused
hashing          SHA-256 (native) and FNV-1a (Mixpanel) over arrays
properties       properties of units as columns, JsonLogic rules over them
flag             one Mixpanel flag and its evaluation, by context or over columns
definitions      from one flag definition to a flag, with what is refused and what is odd
flags            the flags of a definitions file, by key
single           one unit without arrays, and the arithmetic that both ways share
sdks             Mixpanel's SDKs of several languages side by side, and splits on which they agree
plan_randomiser  the randomiser of a plan: holdout, layer, rollout groups, variant
assigning        `xp.assign` for plans and flags
changes          what a change of the plan does to units; layers and holdouts of several experiments
seeds            `find_salt`: the best balanced of hundreds of salts
sticky           a store that remembers variants
findings         one finding of a report
tables, html     files, and tables of reports
preflight        the real hash over real ids, before launch
audit            the log against the hash, afterwards
handoff          what a CMS gets
===============  ====================================================================================

Names load on first use: the command line and health checks need few of these parts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpbench.lazy import loads

if TYPE_CHECKING:
    from xpbench.randomiser.assigning import assign, assignments
    from xpbench.randomiser.changes import check_layers, compare_plans
    from xpbench.randomiser.flag import Evaluation, Flag
    from xpbench.randomiser.flags import AssignWarning, Flags, load_flags
    from xpbench.randomiser.hashing import buckets, uniform
    from xpbench.randomiser.seeds import find_salt
    from xpbench.randomiser.sticky import AssignmentStore

_HOMES = {
    "assign": "assigning",
    "assignments": "assigning",
    "check_layers": "changes",
    "compare_plans": "changes",
    "AssignWarning": "flags",
    "Evaluation": "flag",
    "Flag": "flag",
    "Flags": "flags",
    "load_flags": "flags",
    "buckets": "hashing",
    "uniform": "hashing",
    "find_salt": "seeds",
    "AssignmentStore": "sticky",
}

__all__ = [
    "AssignWarning",
    "AssignmentStore",
    "Evaluation",
    "Flag",
    "Flags",
    "assign",
    "assignments",
    "buckets",
    "check_layers",
    "compare_plans",
    "find_salt",
    "load_flags",
    "uniform",
]


__getattr__, __dir__ = loads(__name__, _HOMES)
