# %% [markdown]
# # Monitoring, and results that stay sealed
#
# The wiring holds ([notebook 03](03-exposure.ipynb)), so the beta homepage is live. While it runs you want to know whether it is healthy and how long it takes, and you must not know who is winning: whoever looks early stops early, on noise. Twelve days have gone by.

# %%
import tempfile
from datetime import timedelta
from pathlib import Path

import xpbench as xp
from xpbench.demo.run import StoryClock
from xpbench.demo.story import FIRST_LOOK, START, first_run, story_plan, up_to

root = Path(tempfile.mkdtemp()) / "experiments"
clock = StoryClock(START - timedelta(days=4))

plan = story_plan()
experiment = xp.register(plan, root, by="growth-analytics", clock=clock)
clock.to(START)
experiment.launch(by="growth-analytics")
plan

# %%
from xpbench.views.report import readout_views

run = first_run()
clock.to(FIRST_LOOK)
so_far = xp.events(up_to(run, FIRST_LOOK), until=FIRST_LOOK, clock=clock)
sealed = experiment.readout(so_far, by="growth-analytics")
print(sealed)

# %% [markdown]
# ## Sealed
#
# Counts, health, progress. The object holds no effect, so nothing can leak from it by accident. All is well: the counts fit the plan.

# %%
for view in readout_views(sealed, plan):
    display(view)

# %% [markdown]
# ## The panel
#
# `xp.ReadoutPanel` is the same with buttons. *Peek* asks for a reason, says what it costs, and writes to the ledger before it reveals anything.

# %%
panel = xp.ReadoutPanel(experiment, so_far)
panel

# %% [markdown]
# ## A peek has a price
#
# The call centre reports an incident on the morning of the apps' new release. Somebody with a reason looks:

# %%
peeked = experiment.peek(so_far, reason="an incident in the call centre", by="growth-analytics")
print(peeked.stamps, peeked.cost.sentence)
row = peeked.row("quote_started")
print(f"{row.label}: {row.lift:+.1%} ({row.lift_low:+.1%} to {row.lift_high:+.1%})")

# %% [markdown]
# No harm, and nothing shown; but now everybody has seen *+5 %*. The look stays in the ledger for ever, and the final readout will say what it cost.

# %%
[(look.units, look.planned, look.reason) for look in experiment.looks()]

# %% [markdown]
# Nine days are left. Meanwhile the team asks which of its metrics can carry a decision at all: [metrics and CUPED](05-metrics-and-cuped.ipynb).
