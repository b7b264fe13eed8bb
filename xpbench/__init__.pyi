"""The public face with its types: every name of `xpbench.__all__`, from the module that holds it."""

from typing import Any

from xpbench.data import DuckDB as DuckDB
from xpbench.data import EventSchema as EventSchema
from xpbench.data import events as events
from xpbench.data import experiments as experiments
from xpbench.data import ingest as ingest
from xpbench.data import progress_bar as progress_bar
from xpbench.data import units as units
from xpbench.errors import XpbenchError as XpbenchError
from xpbench.experiment import Experiment as Experiment
from xpbench.experiment import explore as explore
from xpbench.experiment import open_experiment as open_experiment
from xpbench.experiment import register as register
from xpbench.expose import Tracker as Tracker
from xpbench.expose import mixpanel_flags as mixpanel_flags
from xpbench.forecast.calibration import calibrate as calibrate
from xpbench.forecast.history import History as History
from xpbench.forecast.power import plan_power as power
from xpbench.forecast.rehearsal import rehearse as rehearse
from xpbench.forecast.sizes import sample_size as sample_size
from xpbench.forms.decision_form import DecisionForm as DecisionForm
from xpbench.forms.plan_form import PlanForm as PlanForm
from xpbench.forms.preflight_panel import PreflightPanel as PreflightPanel
from xpbench.forms.readout_panel import ReadoutPanel as ReadoutPanel
from xpbench.forms.workbench import Workbench as Workbench
from xpbench.health.ratio_of_counts import srm as srm
from xpbench.plan import Plan as Plan
from xpbench.plan import load_plan as load_plan
from xpbench.plan import template as template
from xpbench.randomiser import load_flags as load_flags
from xpbench.randomiser.assigning import assign as assign
from xpbench.randomiser.audit.auditing import audit as audit
from xpbench.randomiser.preflight.preflighting import preflight as preflight
from xpbench.verifier import verify as verify
from xpbench.watch import portfolio as portfolio

__version__: str
__all__: list[str]

def _jupyter_labextension_paths() -> list[dict[str, str]]: ...
def _jupyter_server_extension_points() -> list[dict[str, str]]: ...
def load_ipython_extension(shell: Any) -> None: ...
