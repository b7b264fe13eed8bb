"""Old names of the room `xpbench.randomiser`, for code written before it moved (docs/adr/0091); they warn, and will go.

`import xpbench.assign` would put a module in the place of the function `xp.assign`. So the function itself takes this name,
with the old names as its attributes, and `xp.assign(plan, ids)` works whatever was imported before.
"""

from __future__ import annotations

import importlib
import sys
import warnings

from xpbench.randomiser.assigning import assign

_SAME = (
    "assigning",
    "changes",
    "definitions",
    "findings",
    "flag",
    "flags",
    "hashing",
    "ids",
    "properties",
    "seeds",
    "sticky",
    "tables",
)
_BEFORE = ("association", "balance", "correlations", "defects", "predicted", "preflighting", "subject_shares")
_MODULES = {
    **{name: f"randomiser.{name}" for name in _SAME},
    **{name: f"randomiser.preflight.{name}" for name in _BEFORE},
    "native": "randomiser.plan_randomiser",
    "preflight_report": "randomiser.preflight.report",
    "auditing": "randomiser.audit.auditing",
    "audit_report": "randomiser.audit.report",
    "inquiry": "randomiser.audit.causes",
    "suspects": "randomiser.audit.hypotheses",
    "log": "randomiser.audit.exposure_log",
    "audience": "randomiser.handoff.audience",
    "responsibilities": "randomiser.handoff.responsibilities",
}
_NAMES = {
    "audit": "randomiser.audit.auditing",
    "preflight": "randomiser.preflight.preflighting",
    "handoff": "randomiser.handoff.folder",
    "javascript": "randomiser.handoff.javascript",
    "sql": "randomiser.handoff.sql",
    "responsibility_sheet": "randomiser.handoff.responsibilities",
    "write_audiences": "randomiser.handoff.audience",
    **dict.fromkeys(importlib.import_module("xpbench.randomiser").__all__, "randomiser"),
}

warnings.warn(
    "xpbench.assign has moved to xpbench.randomiser; import from there. xp.assign(plan, ids) stays.",
    DeprecationWarning,
    stacklevel=2,
)
for _old, _new in _MODULES.items():
    sys.modules[f"{__name__}.{_old}"] = importlib.import_module(f"xpbench.{_new}")
    setattr(assign, _old, sys.modules[f"{__name__}.{_old}"])
importlib.import_module("xpbench.randomiser.hashing").__dict__.setdefault(
    "fnv1a64", importlib.import_module("xpbench.randomiser.single").fnv1a64
)  # where it was before single ids had a file of their own
for _old, _new in _NAMES.items():
    setattr(assign, _old, getattr(importlib.import_module(f"xpbench.{_new}"), _old))
sys.modules[__name__] = assign  # type: ignore[assignment]
