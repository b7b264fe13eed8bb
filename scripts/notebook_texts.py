"""Texts of the notebooks, cell by cell: `md`, `code`, `parameters` (tagged), `hidden` (source folded away)."""

from __future__ import annotations

SOURCE_PARAMETERS = """
data: str = ""  # file or files (globs) to read; for xp.units a CSV or Parquet, for xp.events an export
kind: str = "units"  # "units": one row per unit; "events": an event log
unit: str = ""  # column of the unit's id (units only); the plan's unit if empty
variant_column: str = ""  # column of the variant (units only); found if empty
day_column: str = ""  # column of the day of first exposure (units only), for exposures over time
schema: str = ""  # where the parts of an event stand (events only), such as "time=ts, unit=user"; Mixpanel's names if empty
time_zone: str = "UTC"  # zone of the log's times (events only), for Mixpanel projects from before 2023
until: str = ""  # up to when the log is complete (events only); its last event if empty
duplicates: str = "drop"  # "drop" or "keep" repeats of an event (events only)
"""
SOURCE = '''
def source():
    """The data named in the parameters, read as they say."""
    if kind == "events":
        return xp.events(data, schema=schema_of(schema), time_zone=time_zone, until=until or None, duplicates=duplicates)
    return xp.units(data, unit=unit or None, variant=variant_column or None, day=day_column or None)
'''
OPEN = """
import xpbench as xp
from xpbench.experiment.sources import schema_of
from xpbench.views.report import readout_views, saved_readout
from xpbench.views.readout_card import ReadoutCard
"""

TEMPLATES: dict[str, list[tuple[str, str]]] = {
    "plan": [
        ("md", "# Plan an experiment\n\nFill in the form, read the summary, register. The draft is saved on every change."),
        (
            "parameters",
            """
template: str = "beta-homepage"  # template to start from; "" for an empty form
data: str = ""  # your own table or log to start from instead: it is read, and the form filled
draft: str = ""  # file the form saves itself to; under <root>/.drafts if empty
root: str = "experiments"  # folder of all experiments
""",
        ),
        (
            "code",
            "import xpbench as xp\n\nform = xp.PlanForm(template=None if data else template or None, source=data or None, draft=draft or None, root=root)\nform",
        ),
        ("md", "What the plan can find, for metrics with a baseline:"),
        ("code", "[str(p) for p in form.problems] or xp.power(form.plan)"),
    ],
    "preflight": [
        (
            "md",
            "# Before launch\n\nThe real hash over the real ids: split, bias of the hash, other flags on the same units, history.",
        ),
        (
            "parameters",
            """
key: str = "beta-homepage"  # key of the registered experiment
root: str = "experiments"  # folder of all experiments
ids_file: str = ""  # CSV or Parquet with one unit id a row; made-up ids if empty
ids_column: str = ""  # its column; the plan's unit if empty
""",
        ),
        (
            "code",
            """
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
""",
        ),
        ("code", "for view in panel.views(ids):\n    display(view)"),
    ],
    "monitor": [
        (
            "md",
            "# While it runs\n\nCounts, health and progress; effects stay sealed until the plan says so. This look goes on record.",
        ),
        (
            "parameters",
            '\nkey: str = "beta-homepage"  # key of the experiment\nroot: str = "experiments"  # folder of all experiments'
            + SOURCE_PARAMETERS,
        ),
        (
            "code",
            OPEN
            + SOURCE
            + "\nexperiment = xp.open_experiment(key, root)\nreadout = experiment.readout(source())\nprint(ReadoutCard(readout).headline)",
        ),
        ("code", 'for view in readout_views(readout, experiment.plan, "Health"):\n    display(view)'),
        ("code", 'for view in readout_views(readout, experiment.plan, "Time")[-1:]:\n    display(view)'),
    ],
    "readout": [
        ("md", "# Readout\n\nHealth first, then effects with their intervals, then what the plan's rule recommends."),
        (
            "parameters",
            '\nkey: str = "beta-homepage"  # key of the experiment\nroot: str = "experiments"  # folder of all experiments\nsaved: str = ""  # a saved readout (JSON) to show; reads the data below if empty'
            + SOURCE_PARAMETERS,
        ),
        (
            "code",
            OPEN
            + SOURCE
            + "\nexperiment = xp.open_experiment(key, root)\nreadout = saved_readout(saved) if saved else experiment.readout(source())\nprint(ReadoutCard(readout).headline)",
        ),
        ("md", "## Is it trustworthy"),
        ("code", 'for view in readout_views(readout, experiment.plan, "Health"):\n    display(view)'),
        ("md", "## What happened"),
        (
            "code",
            'parts = ("Results", "Segments", "Time", "Sensitivity", "Rule") if not readout.is_sealed else ()\nfor part in parts:\n    for view in readout_views(readout, experiment.plan, part):\n        display(view)',
        ),
    ],
    "decision": [
        ("md", "# Decide\n\nWhat the rule recommends and by which row; a decision in words; the memo."),
        (
            "parameters",
            '\nkey: str = "beta-homepage"  # key of the experiment\nroot: str = "experiments"  # folder of all experiments\nsaved: str = ""  # a saved readout (JSON) to decide on; reads the data below if empty'
            + SOURCE_PARAMETERS.replace(
                "file or files (globs) to read; for xp.units a CSV or Parquet, for xp.events an export",
                "file or files (globs); what the newest look on record read if empty",
            ),
        ),
        (
            "code",
            OPEN
            + SOURCE
            + "\nexperiment = xp.open_experiment(key, root)\nreadout = saved_readout(saved) if saved else experiment.readout(source() if data else experiment.source())\nform = xp.DecisionForm(experiment, readout)\nform",
        ),
        (
            "md",
            "Or in code: `experiment.decide(readout, outcome, variant=…, because=…, by=…)`, then `experiment.memo().save(…)`.",
        ),
        ("code", "print(form.twin().to_text())"),
    ],
    "post-rollout": [
        ("md", "# After shipping\n\nWhat the watch contract asks for, and what is due, kept, breached or overdue."),
        (
            "parameters",
            '\nkey: str = "beta-homepage"  # key of the experiment\nroot: str = "experiments"  # folder of all experiments\n',
        ),
        (
            "code",
            """
from datetime import UTC, datetime

import xpbench as xp
from xpbench.watch import watch_status

experiment = xp.open_experiment(key, root)
status = watch_status(experiment.plan, experiment.ledger.entries(), now=datetime.now(UTC))
status if status is not None else "Nothing was shipped, so there is nothing to watch."
""",
        ),
        ("md", "Record a check with `xpbench watch KEY`; the memo of every experiment in the folder adds up to a portfolio:"),
        ("code", "xp.portfolio(root)"),
    ],
}

TEMP = """
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import xpbench as xp

root = Path(tempfile.mkdtemp()) / "experiments"
"""

STORY = """
import tempfile
from datetime import timedelta
from pathlib import Path

import xpbench as xp
from xpbench.demo.run import StoryClock
from xpbench.demo.story import FIRST_LOOK, START, first_run, story_plan, up_to

root = Path(tempfile.mkdtemp()) / "experiments"
clock = StoryClock(START - timedelta(days=4))
"""

NOTEBOOKS: dict[str, list[tuple[str, str]]] = {
    "04-monitoring-and-sealed-results": [
        (
            "md",
            "# Monitoring, and results that stay sealed\n\nThe wiring holds ([notebook 03](03-exposure.ipynb)), so the beta homepage is live. While it runs you want to know whether it is healthy and how long it takes, and you must not know who is winning: whoever looks early stops early, on noise. Twelve days have gone by.",
        ),
        (
            "code",
            STORY
            + """
plan = story_plan()
experiment = xp.register(plan, root, by="growth-analytics", clock=clock)
clock.to(START)
experiment.launch(by="growth-analytics")
plan""",
        ),
        (
            "code",
            """from xpbench.views.report import readout_views

run = first_run()
clock.to(FIRST_LOOK)
so_far = xp.events(up_to(run, FIRST_LOOK), until=FIRST_LOOK, clock=clock)
sealed = experiment.readout(so_far, by="growth-analytics")
print(sealed)""",
        ),
        (
            "md",
            "## Sealed\n\nCounts, health, progress. The object holds no effect, so nothing can leak from it by accident. All is well: the counts fit the plan.",
        ),
        ("code", "for view in readout_views(sealed, plan):\n    display(view)"),
        (
            "md",
            "## The panel\n\n`xp.ReadoutPanel` is the same with buttons. *Peek* asks for a reason, says what it costs, and writes to the ledger before it reveals anything.",
        ),
        ("code", "panel = xp.ReadoutPanel(experiment, so_far)\npanel"),
        (
            "md",
            "## A peek has a price\n\nThe call centre reports an incident on the morning of the apps' new release. Somebody with a reason looks:",
        ),
        (
            "code",
            """peeked = experiment.peek(so_far, reason="an incident in the call centre", by="growth-analytics")
print(peeked.stamps, peeked.cost.sentence)
row = peeked.row("quote_started")
print(f"{row.label}: {row.lift:+.1%} ({row.lift_low:+.1%} to {row.lift_high:+.1%})")""",
        ),
        (
            "md",
            "No harm, and nothing shown; but now everybody has seen *+5 %*. The look stands in the ledger for ever, and the final readout will say what it cost.",
        ),
        ("code", "[(look.units, look.planned, look.reason) for look in experiment.looks()]"),
        (
            "md",
            "Nine days are left. Meanwhile the team asks which of its metrics can carry a decision at all: [metrics and CUPED](05-metrics-and-cuped.ipynb).",
        ),
    ],
    "05-metrics-and-cuped": [
        (
            "md",
            "# Metrics, winsorization and CUPED\n\nThe first run of the beta homepage is still going ([notebook 04](04-monitoring-and-sealed-results.ipynb)), and its transfer values jump about. Another team of the platform has just finished a smaller test, a guide through the transfer form; its numbers show three things that decide how wide an interval is: what is measured, what a few huge values do to it, and how much of a saver's future the past explains.",
        ),
        (
            "code",
            TEMP
            + """from xpbench.views import cuped_reduction, forest, sensitivity
from xpbench.views.report import winsorization_views

rng = np.random.default_rng(5)
n = 20_000
savers = pd.DataFrame({"saver": np.arange(n), "variant": np.where(np.arange(n) % 2, "guide", "control")})
habit = rng.gamma(2.0, 200.0, n)
savers["before"] = np.round(habit * rng.lognormal(0, 0.3, n), 2)
savers["transferred"] = np.round(habit * rng.lognormal(0, 0.3, n) * np.where(savers["variant"] == "guide", 1.03, 1.0), 2)
savers.loc[17, "transferred"] = 2_500_000.0  # an employer moves its whole plan""",
        ),
        ("md", "One plan, the same column measured three ways:"),
        (
            "code",
            """def metric(key, **more):
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
plan.problems()""",
        ),
        (
            "code",
            'source = xp.units(savers, unit="saver", variant="variant")\nreadout = xp.register(plan, root).readout(source)\nforest(readout)',
        ),
        (
            "md",
            "The true lift is 3 %. Raw, one employer decides; capped, the interval is honest and wide; with CUPED it is narrow (the thin line shows what it was without), because what savers transferred before explains most of what they transfer now.",
        ),
        ("code", "cuped_reduction(readout)"),
        ("code", 'sensitivity(readout.row("cuped"))'),
        ("md", "What the cap does. Units are counted per bin inside the engine; no single value comes out:"),
        ("code", "winsorization_views(source.histograms(plan, readout.summary.caps), plan)[0]"),
        (
            "md",
            "So the plan of the beta homepage caps transfer values at 99 % and takes the two weeks before as covariate. That settles how; *when* to look is next: [sequential versus fixed](06-sequential-versus-fixed.ipynb).",
        ),
    ],
    "06-sequential-versus-fixed": [
        (
            "md",
            "# Sequential versus fixed\n\nSince the peek ([notebook 04](04-monitoring-and-sealed-results.ipynb)) people ask why the beta homepage is not read out every morning. This is what looking every day does to a test that was made for one look: a simulation in which **nothing works**, so that every *significant* result is wrong.",
        ),
        (
            "code",
            """
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
z = effect / se""",
        ),
        ("md", "**Fixed horizon.** One look at the end, and twenty looks, stopping at the first *significant* one:"),
        (
            "code",
            """once = np.abs(z[:, -1]) > norm.isf(0.025)
ever = (np.abs(z) > norm.isf(0.025)).any(axis=1)
print(f"one look:     {once.mean():.1%} false positives")
print(f"twenty looks: {ever.mean():.1%} false positives")""",
        ),
        (
            "md",
            "**Sequential.** The anytime-valid interval is wider at any single look, and stays valid at all of them together:",
        ),
        (
            "code",
            """bound = np.array([q_anytime(0.05, 2 * m, 2 * n[-1]) for m in n])
sequential = (np.abs(z) > bound).any(axis=1)
print(f"twenty looks: {sequential.mean():.1%} false positives")""",
        ),
        (
            "md",
            "One of the experiments in which twenty looks of the fixed test would have shipped a change that does nothing, with the interval that would not have:",
        ),
        (
            "code",
            """which = int(np.argmax(ever & ~sequential))
points = [
    {"n": int(2 * m), "lift": float(e), "lift_low": float(e - b * s), "lift_high": float(e + b * s), "look": "", "p_value": None}
    for m, e, s, b in zip(n, effect[which], se, bound)
]
sequential_path(points, metric="A change that does nothing")""",
        ),
        ("md", "The price is width: at the horizon the sequential interval is wider than the fixed one by"),
        ("code", 'print(f"{bound[-1] / norm.isf(0.025) - 1:.0%}")'),
        (
            "md",
            "So: **sequential** when stopping early matters and the effect may be large; **frequentist** for small effects and a fixed end, which is what the beta homepage has. The seal makes sure that it is read once. That day has come: [the stakeholders meet](07-stakeholder-demo.ipynb).",
        ),
    ],
    "07-stakeholder-demo": [
        ("md", "# The beta homepage, for people who decide\n\nThree weeks are over. Quotes are up. Should we ship?"),
        (
            "hidden",
            STORY
            + """
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
print(f"What the dashboard says: visitors with a quote {row.mean / row.mean_control - 1:+.1%}, p = {naive:.2g}.")""",
        ),
        ("md", "That looks like a success. Now the workbench:"),
        ("hidden", "panel"),
        (
            "md",
            "## What happened\n\nThe counts fitted the plan for twelve days. Then the apps got a new release, and from that day on visitors are missing, all of them from the beta page, all of them in the apps:",
        ),
        (
            "hidden",
            """import pandas as pd
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
    display(exposure_split(units, shares, labels=labels))""",
        ),
        (
            "md",
            "**The ending.** The new release sends the exposure of the beta page only when a visitor goes on; whoever leaves at once is never counted. The beta page lost its failures, not its visitors. In this simulation nothing was planted: **the true lift is zero**, the rise is an artefact, and the sample ratio says so. The rule refuses to decide:",
        ),
        ("hidden", "form = xp.DecisionForm(experiment, readout)\nform"),
        (
            "md",
            "What the team does: mend the app, and run it again. [The second run](08-your-own-mixpanel-export.ipynb) has an ending of its own.",
        ),
    ],
    "08-your-own-mixpanel-export": [
        (
            "md",
            "# Your own Mixpanel export\n\nThe apps are mended ([notebook 07](07-stakeholder-demo.ipynb)) and the beta homepage runs a second time. This time the numbers come the way yours will: as an export of Mixpanel. The notebook writes one itself, so that it runs without an account; with your own project you run one command instead:\n\n```\nxpbench pull --from 2026-09-07 --to 2026-10-12 --out export/\n```\n\nSecrets come from the environment (`MIXPANEL_…`), never from the notebook.",
        ),
        (
            "code",
            """
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
run = second_run(plan)""",
        ),
        (
            "md",
            "An export is JSON Lines, one event each, with `event` and `properties` (time in seconds, `$insert_id`, `distinct_id`). We write one as Mixpanel would:",
        ),
        (
            "code",
            """export = root.parent / "export"
export.mkdir()
frame = run.events.to_pandas()
others = [c for c in frame.columns if c not in ("event", "distinct_id", "time", "$insert_id")]
with gzip.open(export / "2026-09.jsonl.gz", "wt", compresslevel=1) as file:
    for line in frame.to_dict("records"):
        properties = {"time": int(line["time"].timestamp()), "distinct_id": line["distinct_id"], "$insert_id": line["$insert_id"]}
        properties |= {k: line[k] for k in others if line[k] is not None and line[k] == line[k]}
        file.write(json.dumps({"event": line["event"], "properties": properties}) + "\\n")
print(len(frame), "events")""",
        ),
        ("md", "Then it is the same as everywhere: a source, a registered plan, a readout. Health first:"),
        (
            "code",
            """from xpbench.views.report import readout_views
from xpbench.views.readout_card import ReadoutCard

clock.to(run.end + timedelta(hours=1))
readout = experiment.readout(xp.events(str(export / "*.jsonl.gz"), until=run.end, clock=clock), by="growth-analytics")
readout_views(readout, plan, "Health")[1]""",
        ),
        ("md", "Every exposure arrives this time. And the effect?"),
        ("code", 'readout_views(readout, plan, "Results")[0]'),
        (
            "md",
            "Quotes rise, and this time it is real. So ship? The plan has guardrails, with margins that were written down before anyone had a favourite:",
        ),
        ("code", "print(ReadoutCard(readout).headline)"),
        (
            "md",
            "The page takes longer to load than anyone had agreed to accept. The rule says no, by a row that was there from the first day. The team decides as the rule says, and the memo proves it:",
        ),
        (
            "code",
            """advice = readout.recommendation
experiment.decide(readout, advice.outcome, because="The page must become faster first.", by="growth-analytics")
path = experiment.memo().save(root.parent / "memo.html")
xp.verify(path).status""",
        ),
        (
            "md",
            "Two runs, two results that looked like a success, none shipped. The first was an artefact, the second would have cost more than it brought. With your own export: [plan](01-first-experiment.ipynb), pull, read out, decide.",
        ),
    ],
}
