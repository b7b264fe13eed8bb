# %% [markdown]
# # Metrics, winsorization and CUPED
#
# The first run of the beta homepage is still going ([notebook 04](04-monitoring-and-sealed-results.ipynb)), and its transfer values jump about. Another team of the platform has just finished a smaller test, a guide through the transfer form; its numbers show three things that decide how wide an interval is: what is measured, what a few huge values do to it, and how much of a saver's future the past explains.

# %%
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import xpbench as xp

root = Path(tempfile.mkdtemp()) / "experiments"
from xpbench.views import cuped_reduction, forest, sensitivity
from xpbench.views.report import winsorization_views

rng = np.random.default_rng(5)
n = 20_000
savers = pd.DataFrame({"saver": np.arange(n), "variant": np.where(np.arange(n) % 2, "guide", "control")})
habit = rng.gamma(2.0, 200.0, n)
savers["before"] = np.round(habit * rng.lognormal(0, 0.3, n), 2)
savers["transferred"] = np.round(habit * rng.lognormal(0, 0.3, n) * np.where(savers["variant"] == "guide", 1.03, 1.0), 2)
savers.loc[17, "transferred"] = 2_500_000.0  # an employer moves its whole plan


# %% [markdown]
# One plan, the same column measured three ways:

# %%
def metric(key, **more):
    return {"key": key, "kind": "column", "column": "transferred", "role": "secondary", "direction": "increase", **more}

plan = xp.Plan(
    key="transfer-guide", title="A guide through the transfer form", owner="transfer-team", unit="saver",
    hypothesis={"if": "a guide leads through the transfer form", "then": [{"metric": "cuped", "direction": "increase"}], "because": "savers give up at the account number"},
    variants=[{"key": "control", "split": 0.5, "control": True}, {"key": "guide", "split": 0.5}],
    metrics=[
        {**metric("cuped", name="Transferred, capped, CUPED", winsorize={"upper": 0.999}, cuped=True, covariates=["before"]), "role": "primary"},
        metric("winsorized", name="Transferred, capped", winsorize={"upper": 0.999}),
        metric("raw", name="Transferred, raw"),
    ],
    model={"kind": "frequentist"}, horizon={"units": n},
)
plan.problems()

# %%
source = xp.units(savers, unit="saver", variant="variant")
readout = xp.register(plan, root).readout(source)
forest(readout)

# %% [markdown]
# The true lift is 3 %. Raw, one employer decides; capped, the interval is honest and wide; with CUPED it is narrow (the thin line shows what it was without), because what savers transferred before explains most of what they transfer now.

# %%
cuped_reduction(readout)

# %%
sensitivity(readout.row("cuped"))

# %% [markdown]
# What the cap does. Units are counted per bin inside the engine; no single value comes out:

# %%
winsorization_views(source.histograms(plan, readout.summary.caps), plan)[0]

# %% [markdown]
# So the plan of the beta homepage caps transfer values at 99 % and takes the two weeks before as covariate. That settles how; *when* to look is next: [sequential versus fixed](06-sequential-versus-fixed.ipynb).
