# %% [markdown]
# # Plan an experiment
#
# Fill in the form, read the summary, register. The draft is saved on every change.

# %% tags=["parameters"]
template: str = "beta-homepage"  # template to start from; "" for an empty form
data: str = ""  # your own table or log to start from instead: it is read, and the form filled
draft: str = ""  # file the form saves itself to; under <root>/.drafts if empty
root: str = "experiments"  # folder of all experiments

# %%
import xpbench as xp

form = xp.PlanForm(template=None if data else template or None, source=data or None, draft=draft or None, root=root)
form

# %% [markdown]
# What the plan can find, for metrics with a baseline:

# %%
[str(p) for p in form.problems] or xp.power(form.plan)
