"""Health of an experiment, before anyone reads an effect: named checks with evidence, meaning and next step.

`run_checks(HealthInputs(plan, summary))` gives one `Check` per registered name, worst first. A failed check that is a
*gate* makes the readout INVALID. No check shows an effect, a variant's mean or a p-value of a metric, so that health can
stand in a sealed readout.
"""

from xpbench.health.check import Check, Status, failed_gates, worst_first
from xpbench.health.inputs import HealthInputs
from xpbench.health.registry import registered, run_checks

__all__ = ["Check", "HealthInputs", "Status", "failed_gates", "registered", "run_checks", "worst_first"]
