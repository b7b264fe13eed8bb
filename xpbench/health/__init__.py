"""Health of an experiment, before anyone reads an effect: named checks with evidence, meaning and next step.

`run_checks(HealthInputs(plan, summary))` gives one `Check` per registered name, worst first. A failed check that is a
*gate* makes the readout INVALID. No check shows an effect, a variant's mean or a p-value of a metric, so that health can
stand in a sealed readout.

===============  ====================================================================
"""

from typing import TYPE_CHECKING

from xpbench.lazy import loads

if TYPE_CHECKING:
    from xpbench.health.causes import FaultCause, srm_causes
    from xpbench.health.check import Check, CheckStatus, failed_gates, health_line, worst_first
    from xpbench.health.inputs import HealthInputs, inputs_of
    from xpbench.health.registry import registered, run_checks
    from xpbench.health.retro import RetroAA, retro_aa, retro_aa_all
    from xpbench.health.windows import bias_windows

_HOMES = {
    "FaultCause": "causes",
    "srm_causes": "causes",
    "Check": "check",
    "CheckStatus": "check",
    "failed_gates": "check",
    "health_line": "check",
    "worst_first": "check",
    "HealthInputs": "inputs",
    "inputs_of": "inputs",
    "registered": "registry",
    "run_checks": "registry",
    "RetroAA": "retro",
    "retro_aa": "retro",
    "retro_aa_all": "retro",
    "bias_windows": "windows",
}

__all__ = [
    "Check",
    "CheckStatus",
    "FaultCause",
    "HealthInputs",
    "RetroAA",
    "bias_windows",
    "failed_gates",
    "health_line",
    "inputs_of",
    "registered",
    "retro_aa",
    "retro_aa_all",
    "run_checks",
    "srm_causes",
    "worst_first",
]


__getattr__, __dir__ = loads(__name__, _HOMES, renamed={"Cause": "FaultCause", "Status": "CheckStatus"})
