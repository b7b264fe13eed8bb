"""xpbench: plan an experiment before launch, see results when they are due, hand over a memo that verifies itself.

Names load on first use, so that `import xpbench` stays light.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Plan": "xpbench.plan",
    "PlanForm": "xpbench.forms.plan_form",
    "PreflightPanel": "xpbench.forms.preflight_panel",
    "ReadoutPanel": "xpbench.forms.readout_panel",
    "DecisionForm": "xpbench.forms.decision_form",
    "Workbench": "xpbench.forms.workbench",
    "load_plan": "xpbench.plan",
    "template": "xpbench.plan",
    "power": "xpbench.decide.power:plan_power",
    "verify": "xpbench.memo.verify",
    "rehearse": "xpbench.decide.rehearsal",
    "History": "xpbench.decide.history",
    "calibrate": "xpbench.decide.calibration",
    "portfolio": "xpbench.watch",
    "register": "xpbench.experiment",
    "open_experiment": "xpbench.experiment",
    "Experiment": "xpbench.experiment",
    "XpbenchError": "xpbench.errors",
    "assign": "xpbench.assign",
    "audit": "xpbench.assign",
    "load_flags": "xpbench.assign",
    "preflight": "xpbench.assign",
    "Tracker": "xpbench.expose",
    "mixpanel_flags": "xpbench.expose",
    "units": "xpbench.data",
    "events": "xpbench.data",
    "ingest": "xpbench.data",
    "experiments": "xpbench.data",
    "progress_bar": "xpbench.data",
    "EventSchema": "xpbench.data",
    "DuckDB": "xpbench.data",
}
"""Where each public name lives."""

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'xpbench' has no attribute {name!r}")
    module, _, attribute = home.partition(":")
    value = getattr(importlib.import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the built front end of an editable install."""
    return [{"src": "labextension", "dest": "@xpbench/labextension"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """The module that Jupyter Server loads."""
    return [{"module": "xpbench.lab.extension"}]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext xpbench` gives `%xp`."""
    importlib.import_module("xpbench.forms.magics").load(shell)
