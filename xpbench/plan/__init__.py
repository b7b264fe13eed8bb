"""The plan of an experiment: its model, the rules before registering, templates, and the diff of two plans.

Names load on first use: a ledger's folder needs the rule of safe keys, not the model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xpbench.plan.model import Plan
    from xpbench.plan.reading import check, load_plan
    from xpbench.plan.templates import template, template_names

_HOMES = {
    "Plan": "model",
    "check": "reading",
    "load_plan": "reading",
    "template": "templates",
    "template_names": "templates",
}

__all__ = ["Plan", "check", "load_plan", "template", "template_names"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'xpbench.plan' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"xpbench.plan.{home}"), name)
    globals()[name] = value
    return value
