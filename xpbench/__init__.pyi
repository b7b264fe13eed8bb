"""The public face with its types: every name of `xpbench.__all__`, from the module that holds it."""

from typing import Any

from xpbench.data import DuckDB, EventSchema, events, experiments, ingest, progress_bar, units
from xpbench.errors import XpbenchError
from xpbench.experiment import Experiment, explore, open_experiment, register, restart
from xpbench.expose import Tracker, mixpanel_flags
from xpbench.forecast.calibration import calibrate
from xpbench.forecast.drafting import plan_from
from xpbench.forecast.history import History
from xpbench.forecast.power import plan_power as power
from xpbench.forecast.rehearsal import rehearse
from xpbench.forecast.size_table import size_table
from xpbench.forecast.sizes import sample_size
from xpbench.forecast.unit_choice import choose_unit
from xpbench.forms.decision_form import DecisionForm
from xpbench.forms.plan_form import PlanForm
from xpbench.forms.preflight_panel import PreflightPanel
from xpbench.forms.readout_panel import ReadoutPanel
from xpbench.forms.workbench import Workbench
from xpbench.health.ratio_of_counts import srm
from xpbench.memo.verification import verify
from xpbench.plan import Plan, load_plan, template
from xpbench.randomiser import load_flags
from xpbench.randomiser.assigning import assign
from xpbench.randomiser.audit.auditing import audit
from xpbench.randomiser.preflight.preflighting import preflight
from xpbench.watch import portfolio

__version__: str
__all__ = [
    "DecisionForm",
    "DuckDB",
    "EventSchema",
    "Experiment",
    "History",
    "Plan",
    "PlanForm",
    "PreflightPanel",
    "ReadoutPanel",
    "Tracker",
    "Workbench",
    "XpbenchError",
    "__version__",
    "assign",
    "audit",
    "calibrate",
    "choose_unit",
    "events",
    "experiments",
    "explore",
    "ingest",
    "load_flags",
    "load_plan",
    "mixpanel_flags",
    "open_experiment",
    "plan_from",
    "portfolio",
    "power",
    "preflight",
    "progress_bar",
    "register",
    "rehearse",
    "restart",
    "sample_size",
    "size_table",
    "srm",
    "template",
    "units",
    "verify",
]

def _jupyter_labextension_paths() -> list[dict[str, str]]: ...
def _jupyter_server_extension_points() -> list[dict[str, str]]: ...
def load_ipython_extension(shell: Any) -> None: ...
