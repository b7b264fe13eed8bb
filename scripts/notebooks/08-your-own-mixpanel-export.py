# %% [markdown]
# # Your own Mixpanel export
#
# The apps are fixed ([notebook 07](07-stakeholder-demo.ipynb)) and the beta homepage runs a second time. This time the numbers come the way yours will: as an export of Mixpanel. The notebook writes one itself, so that it runs without an account; with your own project you run one command instead:
#
# ```
# xpbench pull --from 2026-09-07 --to 2026-10-12 --out export/
# ```
#
# Secrets come from the environment (`MIXPANEL_…`), never from the notebook.

# %%
import gzip
import json
import tempfile
from datetime import timedelta
from pathlib import Path

import xpbench as xp
from xpbench.demo.run import StoryClock
from xpbench.demo.story import SECOND_UNITS, START, second_run, story_plan

root = Path(tempfile.mkdtemp()) / "experiments"
clock = StoryClock(START - timedelta(days=4))
plan = story_plan(units=SECOND_UNITS, key="beta-homepage-2").changed(title="Beta homepage, second run")
experiment = xp.register(plan, root, by="growth-analytics", clock=clock)
clock.to(START)
experiment.launch(by="growth-analytics")
run = second_run(plan)

# %% [markdown]
# An export is JSON Lines, one event each, with `event` and `properties` (time in seconds, `$insert_id`, `distinct_id`). We write one as Mixpanel would:

# %%
export = root.parent / "export"
export.mkdir()
frame = run.events.to_pandas()
others = [c for c in frame.columns if c not in ("event", "distinct_id", "time", "$insert_id")]
with gzip.open(export / "2026-09.jsonl.gz", "wt", compresslevel=1) as file:
    for line in frame.to_dict("records"):
        properties = {"time": int(line["time"].timestamp()), "distinct_id": line["distinct_id"], "$insert_id": line["$insert_id"]}
        properties |= {k: line[k] for k in others if line[k] is not None and line[k] == line[k]}
        file.write(json.dumps({"event": line["event"], "properties": properties}) + "\n")
print(len(frame), "events")

# %% [markdown]
# Then it is the same as everywhere: a source, a registered plan, a readout. Health first:

# %%
from xpbench.views.report import readout_views
from xpbench.views.readout_card import ReadoutCard

clock.to(run.end + timedelta(hours=1))
readout = experiment.readout(xp.events(str(export / "*.jsonl.gz"), until=run.end, clock=clock), by="growth-analytics")
readout_views(readout, plan, "Health")[1]

# %% [markdown]
# Every exposure arrives this time. And the effect?

# %%
readout_views(readout, plan, "Results")[0]

# %% [markdown]
# Quotes rise, and this time it is real. So ship? The plan has guardrails, with margins that were written down before anyone had a favourite:

# %%
print(ReadoutCard(readout).headline)

# %% [markdown]
# The page takes longer to load than anyone had agreed to accept. The rule says no, by a row that was there from the first day. The team decides as the rule says, and the memo proves it:

# %%
advice = readout.recommendation
experiment.decide(readout, advice.outcome, because="The page must become faster first.", by="growth-analytics")
path = experiment.memo().save(root.parent / "memo.html")
xp.verify(path).status

# %% [markdown]
# Two runs, two results that looked like a success, none shipped. The first was an artefact, the second would have cost more than it brought. With your own export: [plan](01-first-experiment.ipynb), pull, read out, decide.
