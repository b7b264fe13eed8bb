# %% [markdown]
# # Before launch
#
# The real hash over the real ids: split, bias of the hash, other flags on the same units, history.

# %% tags=["parameters"]
key: str = "beta-homepage"  # key of the registered experiment
root: str = "experiments"  # folder of all experiments
ids_file: str = ""  # CSV or Parquet with one unit id a row; made-up ids if empty
ids_column: str = ""  # its column; the plan's unit if empty

# %%
import pandas as pd

import xpbench as xp

experiment = xp.open_experiment(key, root)
if ids_file:
    read = pd.read_parquet if ids_file.endswith(".parquet") else pd.read_csv
    ids = read(ids_file)[ids_column or experiment.plan.unit]
else:
    ids = pd.Series([f"made-up-{i}" for i in range(10_000)])
panel = xp.PreflightPanel(experiment, ids)
panel.run()
panel

# %%
for view in panel.views(ids):
    display(view)
