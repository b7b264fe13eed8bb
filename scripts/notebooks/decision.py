# %% [markdown]
# # Decide
#
# What the rule recommends and by which row; a decision in words; the memo.

# %% tags=["parameters"]
key: str = "beta-homepage"  # key of the experiment
root: str = "experiments"  # folder of all experiments
saved: str = ""  # a saved readout (JSON) to decide on; reads the data below if empty
data: str = ""  # file or files (globs); what the newest look on record read if empty
kind: str = "units"  # "units": one row per unit; "events": an event log
unit: str = ""  # column of the unit's id (units only); the plan's unit if empty
variant_column: str = ""  # column of the variant (units only); found if empty
day_column: str = ""  # column of the day of first exposure (units only), for exposures over time
schema: str = ""  # where the parts of an event stand (events only), such as "time=ts, unit=user"; Mixpanel's names if empty
time_zone: str = "UTC"  # zone of the log's times (events only), for Mixpanel projects from before 2023
until: str = ""  # up to when the log is complete (events only); its last event if empty
duplicates: str = "drop"  # "drop" or "keep" repeats of an event (events only)

# %%
import xpbench as xp
from xpbench.experiment.sources import schema_of
from xpbench.views.report import readout_views, saved_readout
from xpbench.views.readout_card import ReadoutCard

def source():
    """The data named in the parameters, read as they say."""
    if kind == "events":
        return xp.events(data, schema=schema_of(schema), time_zone=time_zone, until=until or None, duplicates=duplicates)
    return xp.units(data, unit=unit or None, variant=variant_column or None, day=day_column or None)

experiment = xp.open_experiment(key, root)
readout = saved_readout(saved) if saved else experiment.readout(source() if data else experiment.source())
form = xp.DecisionForm(experiment, readout)
form

# %% [markdown]
# Or in code: `experiment.decide(readout, outcome, variant=…, because=…, by=…)`, then `experiment.memo().save(…)`.

# %%
print(form.twin().to_text())
