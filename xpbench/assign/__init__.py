"""The randomiser: hashes that anyone can recompute, flags as the official SDK evaluates them, preflight, audit, hand-off.

`xp.assign(plan, unit_ids)` calls this room itself, so `xpbench.assign` is both the function and the package of its parts.

==============  ====================================================================================
ids             ids of any container as UTF-8 bytes, nulls counted, floats refused
hashing         SHA-256 (native) and FNV-1a (Mixpanel) over arrays
properties      properties of units as columns, JsonLogic rules over them
flags           flag definitions and their evaluation
native          the randomiser of a plan: holdout, layer, rollout groups, variant
assigning       `assign` for plans and flags
findings        one finding of a report, and how reports show themselves
checks          `preflight`: the real hash over real ids, before launch
==============  ====================================================================================
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from xpbench.assign.assigning import assign as _assign
from xpbench.assign.assigning import assignments
from xpbench.assign.auditing import audit
from xpbench.assign.checks import preflight
from xpbench.assign.flags import AssignWarning, Evaluation, Flag, Flags, load_flags
from xpbench.assign.hashing import buckets, uniform

__all__ = [
    "AssignWarning",
    "Evaluation",
    "Flag",
    "Flags",
    "assign",
    "assignments",
    "audit",
    "buckets",
    "load_flags",
    "preflight",
    "uniform",
]


class _Room(ModuleType):
    """A package that can be called: importing a part of it must not take `xp.assign` away."""

    def __call__(self, subject: Any, unit_ids: Any, **options: Any) -> Any:
        """See `xpbench.assign.assigning.assign`."""
        return _assign(subject, unit_ids, **options)


_Room.__call__.__doc__ = _assign.__doc__
sys.modules[__name__].__class__ = _Room
assign: Any = sys.modules[__name__]
