# %% [markdown]
# # The beta homepage, for people who decide
#
# Three weeks are over. Quotes are up. Should we ship?

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import tempfile
from datetime import timedelta
from pathlib import Path

import xpbench as xp
from xpbench.demo.run import StoryClock
from xpbench.demo.story import FIRST_LOOK, START, first_run, story_plan, up_to

root = Path(tempfile.mkdtemp()) / "experiments"
clock = StoryClock(START - timedelta(days=4))

from scipy.stats import norm

experiment = xp.register(story_plan(), root, by="growth-analytics", clock=clock)
clock.to(START)
experiment.launch(by="growth-analytics")
run = first_run()
clock.to(FIRST_LOOK)
experiment.peek(
    xp.events(up_to(run, FIRST_LOOK), until=FIRST_LOOK, clock=clock), reason="an incident in the call centre", by="growth-analytics"
)
clock.to(run.end + timedelta(hours=1))
panel = xp.ReadoutPanel(experiment, xp.events(run.events, until=run.end, clock=clock))
panel.read()
readout = panel.readout
row = readout.row("quote_started")
spread = (row.mean_control * (1 - row.mean_control) / row.n_control + row.mean * (1 - row.mean) / row.n) ** 0.5
naive = 2 * norm.sf(abs(row.mean - row.mean_control) / spread)
print(f"What the dashboard says: visitors with a quote {row.mean / row.mean_control - 1:+.1%}, p = {naive:.2g}.")

# %% [markdown]
# That looks like a success. Now the workbench:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
panel

# %% [markdown]
# ## What happened
#
# The counts fitted the plan for twelve days. Then the apps got a new release, and from that day on visitors are missing, all of them from the beta page, all of them in the apps:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import pandas as pd
from xpbench.views import exposure_split
from xpbench.views.report import readout_views

display(readout_views(readout, experiment.plan, "Health")[1])
days = readout.summary.exposures_by_day
release = FIRST_LOOK.date().isoformat()
shares = {v.key: v.split for v in experiment.plan.variants}
labels = {v.key: v.label for v in experiment.plan.variants}
for name, kept in (("Before the release", lambda d: d[:10] < release), ("From the release on", lambda d: d[:10] >= release)):
    units = {v: sum(c.get(v, 0) for d, c in days.items() if kept(d)) for v in shares}
    print(f"{name}: {units}")
    display(exposure_split(units, shares, labels=labels))

# %% [markdown]
# **The ending.** The new release sends the exposure of the beta page only when a visitor goes on; whoever leaves at once is never counted. The beta page lost its failures, not its visitors. In this simulation nothing was planted: **the true lift is zero**, the rise is an artefact, and the sample ratio says so. The rule refuses to decide:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
form = xp.DecisionForm(experiment, readout)
form

# %% [markdown]
# What the team does: fix the app, and run it again. [The second run](08-your-own-mixpanel-export.ipynb) has an ending of its own.
