"""xpbench: plan an experiment before launch, see results when they are due, hand over a memo that verifies itself.

Names load on first use, so that `import xpbench` stays light; `__init__.pyi` has their types for checkers and editors.
"""

from __future__ import annotations

import importlib
from typing import Any

from xpbench._version import __version__
from xpbench.lazy import loads

_HOMES = {
    "Plan": "plan",
    "PlanForm": "forms.plan_form",
    "PreflightPanel": "forms.preflight_panel",
    "ReadoutPanel": "forms.readout_panel",
    "DecisionForm": "forms.decision_form",
    "Workbench": "forms.workbench",
    "load_plan": "plan",
    "template": "plan",
    "power": "forecast.power:plan_power",
    "plan_from": "forecast.drafting",
    "size_table": "forecast.size_table",
    "choose_unit": "forecast.unit_choice",
    "srm": "health.ratio_of_counts",
    "sample_size": "forecast.sizes",
    "verify": "memo.verification",
    "rehearse": "forecast.rehearsal",
    "History": "forecast.history",
    "calibrate": "forecast.calibration",
    "portfolio": "watch",
    "register": "experiment",
    "open_experiment": "experiment",
    "restart": "experiment",
    "explore": "experiment",
    "Experiment": "experiment",
    "XpbenchError": "errors",
    "assign": "randomiser.assigning",
    "audit": "randomiser.audit.auditing",
    "load_flags": "randomiser",
    "preflight": "randomiser.preflight.preflighting",
    "Tracker": "expose",
    "mixpanel_flags": "expose",
    "units": "data",
    "events": "data",
    "ingest": "data",
    "experiments": "data",
    "progress_bar": "data",
    "EventSchema": "data",
    "DuckDB": "data",
}
"""Where each public name lives."""

__all__ = ["__version__", *_HOMES]


__getattr__, __dir__ = loads(__name__, _HOMES)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where JupyterLab finds the built front end of an editable install."""
    return [{"src": "labextension", "dest": "@xpbench/labextension"}]


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """The module that Jupyter Server loads."""
    return [{"module": "xpbench.lab.extension"}]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext xpbench` gives `%xp`."""
    importlib.import_module("xpbench.forms.magics").load(shell)
