"""From the pattern of a sample ratio mismatch to a ranked list of causes, and where to look next.

Every cause predicts a table of counts: from one day on, in one segment, on single days, drifting, or constant with or
without something that was counted while reading (left-out bots, exposures without a variant …). The causes are compared by
how likely they make the table that was seen, each paying for what it may choose freely (a day, a segment, a share), as in
Schwarz's criterion. Stages follow Fabijan et al. 2019: assignment, execution, logging, analysis, interference.

========  =================================================================
ranking   `srm_causes`: all causes of one mismatch, most likely first
mismatch  its counts, and the likelihoods by which causes are compared
constant  all the time and everywhere: assignment, execution
counted   what was counted while reading, put back in thought
days      from a day on, up to a day, on single days, at weekends, drifting
segments  in one segment only
accuracy  how often the right cause comes first, on inputs with a known one
========  =================================================================
"""

from xpbench.health.causes.accuracy import Injector, accuracy
from xpbench.health.causes.mismatch import FaultCause, FaultStage
from xpbench.health.causes.ranking import srm_causes

__all__ = ["FaultCause", "FaultStage", "Injector", "accuracy", "srm_causes"]
