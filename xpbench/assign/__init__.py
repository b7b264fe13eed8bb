"""The randomiser: hashes that anyone can recompute, flags as the official SDK evaluates them, preflight, audit, hand-off.

`xp.assign(plan, unit_ids)` calls this room itself, so `xpbench.assign` is both the function and the package of its parts.

==============  ====================================================================================
ids             ids of any container as UTF-8 bytes, nulls counted, floats refused
single          one unit without arrays, and the arithmetic that both ways share
hashing         SHA-256 (native) and FNV-1a (Mixpanel) over arrays
properties      properties of units as columns, JsonLogic rules over them
flag            one Mixpanel flag and its evaluation, by context or over columns
definitions     from one flag definition to a flag, with what is refused and what is odd
flags           the flags of a definitions file, by key
native          the randomiser of a plan: holdout, layer, rollout groups, variant
assigning       `assign` for plans and flags
findings        one finding of a report
predicted       what Mixpanel's hash forces on a flag, on a million made-up ids
association     dependence of two assignments
balance         metrics of history by variant
defects         defects of ids, definitions and Mixpanel's hash, by name
subject_shares  shares of a plan or flag: planned, forced by the hash, realised
correlations    dependence between experiments on the same units
preflighting    `preflight`: the real hash over real ids, before launch; preflight_report: what it says
seeds           `find_salt`: the best balanced of hundreds of salts
sticky          a store that remembers variants
changes         what a change of the plan does to units; layers and holdouts of several experiments
log             the exposure log as columns
suspects        hypotheses about a wrong log that can be recomputed
inquiry         the questions about rows that disagree, in their order
auditing        `audit`: compare the log with the hash, name the cause; audit_report: what it says
audience        CSV lists for systems that can't hash
javascript      the randomiser as a script
sql             the randomiser as an expression
responsibilities  who does what, on one page
handoff         all of it in one folder
tables, html, commands  files, tables of reports, and the command line
==============  ====================================================================================

Names load on first use: the command line and health checks need few of these parts.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from xpbench.lazy import loads

if TYPE_CHECKING:
    from xpbench.assign.assigning import assignments
    from xpbench.assign.auditing import audit
    from xpbench.assign.changes import check_layers, compare_plans, refuse_reassignment
    from xpbench.assign.flag import Evaluation, Flag
    from xpbench.assign.flags import AssignWarning, Flags, load_flags
    from xpbench.assign.handoff import handoff, javascript, responsibility_sheet, sql, write_audiences
    from xpbench.assign.hashing import buckets, uniform
    from xpbench.assign.preflighting import preflight
    from xpbench.assign.seeds import find_salt
    from xpbench.assign.sticky import AssignmentStore

_HOMES = {
    "assignments": "assigning",
    "audit": "auditing",
    "check_layers": "changes",
    "compare_plans": "changes",
    "refuse_reassignment": "changes",
    "preflight": "preflighting",
    "AssignWarning": "flags",
    "Evaluation": "flag",
    "Flag": "flag",
    "Flags": "flags",
    "load_flags": "flags",
    "handoff": "handoff",
    "javascript": "javascript",
    "responsibility_sheet": "responsibilities",
    "sql": "sql",
    "write_audiences": "audience",
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
    "audit",
    "buckets",
    "check_layers",
    "compare_plans",
    "find_salt",
    "handoff",
    "javascript",
    "load_flags",
    "preflight",
    "refuse_reassignment",
    "responsibility_sheet",
    "sql",
    "uniform",
    "write_audiences",
]


__getattr__ = loads(__name__, _HOMES)


class _Room(ModuleType):
    """A package that can be called: importing a part of it must not take `xp.assign` away, nor one of its functions."""

    def __call__(self, subject: Any, unit_ids: Any, **options: Any) -> Any:
        """See `xpbench.assign.assigning.assign`."""
        from xpbench.assign.assigning import assign

        return assign(subject, unit_ids, **options)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("handoff", "javascript", "sql") and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Room
assign: Any = sys.modules[__name__]
