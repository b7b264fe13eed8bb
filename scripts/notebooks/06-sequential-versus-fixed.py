# %% [markdown]
# # Sequential versus fixed
#
# Since the peek ([notebook 04](04-monitoring-and-sealed-results.ipynb)) people ask why the beta homepage is not read out every morning. This is what looking every day does to a test that was made for one look: a simulation in which **nothing works**, so that every *significant* result is wrong.

# %%
import numpy as np
from scipy.stats import norm

from xpbench.stats.multipliers import q_anytime
from xpbench.views import sequential_path

rng = np.random.default_rng(6)
experiments, looks, per_look = 2_000, 20, 500
control = rng.standard_normal((experiments, looks, per_look)).sum(axis=2).cumsum(axis=1)
treatment = rng.standard_normal((experiments, looks, per_look)).sum(axis=2).cumsum(axis=1)
n = per_look * np.arange(1, looks + 1)  # units per variant at each look
effect = (treatment - control) / n
se = np.sqrt(2 / n)
z = effect / se

# %% [markdown]
# **Fixed horizon.** One look at the end, and twenty looks, stopping at the first *significant* one:

# %%
once = np.abs(z[:, -1]) > norm.isf(0.025)
ever = (np.abs(z) > norm.isf(0.025)).any(axis=1)
print(f"one look:     {once.mean():.1%} false positives")
print(f"twenty looks: {ever.mean():.1%} false positives")

# %% [markdown]
# **Sequential.** The anytime-valid interval is wider at any single look, and stays valid at all of them together:

# %%
bound = np.array([q_anytime(0.05, 2 * m, 2 * n[-1]) for m in n])
sequential = (np.abs(z) > bound).any(axis=1)
print(f"twenty looks: {sequential.mean():.1%} false positives")

# %% [markdown]
# One of the experiments in which twenty looks of the fixed test would have shipped a change that does nothing, with the interval that would not have:

# %%
which = int(np.argmax(ever & ~sequential))
points = [
    {"n": int(2 * m), "lift": float(e), "lift_low": float(e - b * s), "lift_high": float(e + b * s), "look": "", "p_value": None}
    for m, e, s, b in zip(n, effect[which], se, bound)
]
sequential_path(points, metric="A change that does nothing")

# %% [markdown]
# The price is width: at the horizon the sequential interval is wider than the fixed one by

# %%
print(f"{bound[-1] / norm.isf(0.025) - 1:.0%}")

# %% [markdown]
# So: **sequential** when stopping early matters and the effect may be large; **frequentist** for small effects and a fixed end, which is what the beta homepage has. The seal makes sure that it is read once. That day has come: [the stakeholders meet](07-stakeholder-demo.ipynb).
