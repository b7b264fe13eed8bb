# %% [markdown]
# # After shipping
#
# What the watch contract asks for, and what is due, kept, breached or overdue.

# %% tags=["parameters"]
key: str = "beta-homepage"  # key of the experiment
root: str = "experiments"  # folder of all experiments

# %%
from datetime import UTC, datetime

import xpbench as xp
from xpbench.watch import watch_status

experiment = xp.open_experiment(key, root)
status = watch_status(experiment.plan, experiment.ledger.entries(), now=datetime.now(UTC))
status if status is not None else "Nothing was shipped, so there is nothing to watch."

# %% [markdown]
# Record a check with `xpbench watch KEY`; the memo of every experiment in the folder adds up to a portfolio:

# %%
xp.portfolio(root)
