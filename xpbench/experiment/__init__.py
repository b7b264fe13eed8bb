"""One experiment from registration to memo: the facade over ledger, data, health, readout, decision and memo.

Everything that counts is written to the ledger *before* it is shown or acknowledged; the state is derived from the ledger.

=====================  ==============================================================================
facade                 `Experiment`, as its owners hold it; `open_experiment`
registering            a plan is frozen as the first entry of a new ledger
restarting             a run ends and a linked one begins
binding                a decision rests on what a look showed
neighbours             what a new plan may not share with the other experiments of a root
roots                  the folders of experiments below the one that one works in
reading                what was read is part of a look, and carried into reading again
opening                the folder of an experiment: ledger verified, plan.json the one on record
amending               a plan in force is replaced by a linked record
sources                a frame or a path as a source, by what the plan says
gathering              from a source to moments, and to what health checks may use beyond them
extra_health_evidence  health that needs more than moments
checking               health before effects
sharing                effects of the same units seen under another plan of the root
revealing              a look: on record first, sealed before results are due
deciding               a decision on record, its readout frozen
publishing             launched here, published and concluded in Mixpanel
ramping                a guarded ramp: readings on record, and the next share
watching               the checks of the contract from the export, and their letters
state                  where an experiment stands: a function of its ledger
confirming             a person says that a program may register a draft
outcomes               what stays sealed of a plan: columns and events of its metrics
exploring              a table that belongs to no plan: effects without a decision
listing                all experiments of a folder with their states
reasons                nothing that weakens a plan happens without one
=====================  ==============================================================================
"""

from typing import TYPE_CHECKING

from xpbench.lazy import loads

if TYPE_CHECKING:
    from xpbench.experiment.deciding import DECISIONS, READOUT
    from xpbench.experiment.exploring import explore
    from xpbench.experiment.facade import Experiment, open_experiment
    from xpbench.experiment.gathering import FurtherHealth, Source
    from xpbench.experiment.listing import statuses
    from xpbench.experiment.opening import read_entries
    from xpbench.experiment.registering import register
    from xpbench.experiment.restarting import restart
    from xpbench.experiment.state import LOOKED, State, Status, status_of

_HOMES = {
    "DECISIONS": "deciding",
    "READOUT": "deciding",
    "explore": "exploring",
    "Experiment": "facade",
    "open_experiment": "facade",
    "FurtherHealth": "gathering",
    "Source": "gathering",
    "statuses": "listing",
    "read_entries": "opening",
    "register": "registering",
    "restart": "restarting",
    "LOOKED": "state",
    "State": "state",
    "Status": "state",
    "status_of": "state",
}

__all__ = [
    "DECISIONS",
    "LOOKED",
    "READOUT",
    "Experiment",
    "FurtherHealth",
    "Source",
    "State",
    "Status",
    "explore",
    "open_experiment",
    "read_entries",
    "register",
    "restart",
    "status_of",
    "statuses",
]


__getattr__, __dir__ = loads(__name__, _HOMES)
