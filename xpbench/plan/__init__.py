"""The plan of an experiment: its model, the rules before registering, templates, and the diff of two plans.

==========  ==============================================================================
model       the plan as a whole
hypothesis  if, then, because
metrics     one class for each kind
design      variants, exposure, assignment, model, horizon, decision, watch, data policies
methods     editions of the statistical methods
shown_signature  how a model shows itself to `?`
base        what every part has in common
keys        which keys can name a folder
rules       what must hold before registering
reading     plans from files, with every problem at once
diff        the difference of two plans
amendable   what a change of each field can do to a result
schema      the JSON Schema of plan files
templates   plans to start from
==========  ==============================================================================

Names load on first use: a ledger's folder needs the rule of safe keys, not the model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xpbench.lazy import loads

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


__getattr__, __dir__ = loads(__name__, _HOMES)
