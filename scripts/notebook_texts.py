"""Texts of the notebooks, cell by cell: `md`, `code`, `parameters` (tagged), `hidden` (source folded away)."""

from __future__ import annotations

SOURCE_PARAMETERS = """
data: str = ""  # file or files (globs) to read; for xp.units a CSV or Parquet, for xp.events an export
kind: str = "units"  # "units": one row per unit; "events": an event log
unit: str = ""  # column of the unit's id (units only); the plan's unit if empty
variant_column: str = "variant"  # column of the variant (units only)
"""
SOURCE = '''
def source_of(data: str, kind: str, unit: str, variant_column: str):
    """The data named in the parameters."""
    if kind == "events":
        return xp.events(data)
    return xp.units(data, unit=unit or None, variant=variant_column)
'''
OPEN = """
import xpbench as xp
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
draft: str = ""  # file the form saves itself to; under <root>/.drafts if empty
root: str = "experiments"  # folder of all experiments
""",
        ),
        ("code", "import xpbench as xp\n\nform = xp.PlanForm(template=template or None, draft=draft or None, root=root)\nform"),
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
            + "\nexperiment = xp.open_experiment(key, root)\nreadout = experiment.readout(source_of(data, kind, unit, variant_column))\nprint(ReadoutCard(readout).headline)",
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
            + "\nexperiment = xp.open_experiment(key, root)\nreadout = saved_readout(saved) if saved else experiment.readout(source_of(data, kind, unit, variant_column))\nprint(ReadoutCard(readout).headline)",
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
            + SOURCE_PARAMETERS,
        ),
        (
            "code",
            OPEN
            + SOURCE
            + "\nexperiment = xp.open_experiment(key, root)\nreadout = saved_readout(saved) if saved else experiment.readout(source_of(data, kind, unit, variant_column))\nform = xp.DecisionForm(experiment, readout)\nform",
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

NOTEBOOKS: dict[str, list[tuple[str, str]]] = {
    "04-monitoring-and-sealed-results": [
        (
            "md",
            "# Monitoring, and results that stay sealed\n\nWhile an experiment runs you want to know whether it is healthy and how long it takes, and you must not know who is winning: whoever looks early stops early, on noise. The insurance platform tests its beta homepage; we look after a third of the visitors.",
        ),
        (
            "code",
            TEMP
            + """from xpbench.views.report import readout_views

plan = xp.template("beta-homepage").to_dict()
plan |= {"unit": "visitor", "model": {"kind": "frequentist"}, "horizon": {"units": 24_000}, "segments": []}
plan["metrics"] = [
    {"key": "quote_started", "kind": "column", "column": "quote_started", "role": "primary", "direction": "increase", "min_lift": 0.02},
    {"key": "transfer_out", "kind": "column", "column": "transfer_out", "role": "guardrail", "direction": "decrease", "margin_rel": 0.2},
]
plan["watch"] = {"weeks": 4, "metrics": ["transfer_out"]}
plan = xp.Plan(**plan)
experiment = xp.register(plan, root)
experiment""",
        ),
        (
            "code",
            """rng = np.random.default_rng(4)
visitors = pd.DataFrame({"visitor": [f"v-{i:05d}" for i in range(24_000)]})
visitors["variant"] = xp.assign(plan, visitors["visitor"])
visitors["day"] = pd.Timestamp("2026-11-02") + pd.to_timedelta(np.arange(24_000) // 1_000, unit="D")
beta = visitors["variant"] == "beta"
visitors["quote_started"] = rng.random(24_000) < np.where(beta, 0.125, 0.12)
visitors["transfer_out"] = rng.random(24_000) < 0.04
first_third = xp.units(visitors.head(8_000), unit="visitor", variant="variant", day="day")""",
        ),
        ("md", "## Sealed\n\nCounts, health, progress. The object holds no effect, so nothing can leak from it by accident."),
        ("code", "sealed = experiment.readout(first_third)\nprint(sealed)"),
        ("code", "for view in readout_views(sealed, plan):\n    display(view)"),
        (
            "md",
            "## The panel\n\n`xp.ReadoutPanel` is the same with buttons. *Peek* asks for a reason, says what it costs, and writes to the ledger before it reveals anything.",
        ),
        ("code", "panel = xp.ReadoutPanel(experiment, first_third)\npanel"),
        ("md", "## A peek has a price"),
        (
            "code",
            'peeked = experiment.peek(first_third, reason="an incident in the call centre")\nprint(peeked.stamps, peeked.cost.sentence)',
        ),
        ("md", "## Due\n\nAll visitors are in: the seal opens by itself, and the readout carries the peek for ever."),
        (
            "code",
            'readout = experiment.readout(xp.units(visitors, unit="visitor", variant="variant", day="day"))\nprint(readout.is_sealed, readout.cost.sentence)',
        ),
        ("code", 'xp_views = readout_views(readout, plan, "Results")\nxp_views[0]'),
        ("code", "[(look.units, look.planned, look.reason) for look in experiment.looks()]"),
    ],
    "05-metrics-and-cuped": [
        (
            "md",
            "# Metrics, winsorization and CUPED\n\nThree things that decide how wide an interval is: what is measured, what a few huge values do to it, and how much of a unit's future its past explains.",
        ),
        (
            "code",
            TEMP
            + """from xpbench.views import cuped_reduction, forest, sensitivity, winsorization

rng = np.random.default_rng(5)
n = 20_000
users = pd.DataFrame({"user": np.arange(n), "variant": np.where(np.arange(n) % 2, "treatment", "control")})
habit = rng.gamma(2.0, 20.0, n)
users["spent_before"] = np.round(habit * rng.lognormal(0, 0.3, n), 2)
users["spent"] = np.round(habit * rng.lognormal(0, 0.3, n) * np.where(users["variant"] == "treatment", 1.03, 1.0), 2)
users.loc[17, "spent"] = 250_000.0  # one customer buys for a company""",
        ),
        ("md", "One plan, the same column measured three ways:"),
        (
            "code",
            """def metric(key, **more):
    return {"key": key, "kind": "column", "column": "spent", "role": "secondary", "direction": "increase", **more}

plan = xp.Plan(
    key="spending", title="Recommendations on the start page", owner="shop-team", unit="user",
    hypothesis={"if": "recommendations are shown", "then": [{"metric": "cuped", "direction": "increase"}], "because": "people find more"},
    variants=[{"key": "control", "split": 0.5, "control": True}, {"key": "treatment", "split": 0.5}],
    metrics=[
        {**metric("cuped", name="Spent, winsorized, with CUPED", winsorize={"upper": 0.999}, cuped=True, covariates=["spent_before"]), "role": "primary"},
        metric("winsorized", name="Spent, winsorized", winsorize={"upper": 0.999}),
        metric("raw", name="Spent, raw"),
    ],
    model={"kind": "frequentist"}, horizon={"units": n},
)
plan.problems()""",
        ),
        ("code", 'readout = xp.register(plan, root).readout(xp.units(users, unit="user", variant="variant"))\nforest(readout)'),
        (
            "md",
            "The true lift is 3 %. Raw, one customer decides; winsorized, the interval is honest and wide; with CUPED it is narrow, because what people spent before explains most of what they spend now.",
        ),
        ("code", "cuped_reduction(readout)"),
        ("code", 'sensitivity(readout.row("cuped"))'),
        ("md", "What the cap does, from counts per bin (no single value is drawn):"),
        (
            "code",
            """cap = next(c for c in readout.summary.caps if c.metric == "winsorized")
edges = np.linspace(0, 400, 41)
before, _ = np.histogram(users["spent"].clip(upper=399.9), edges)
after, _ = np.histogram(users["spent"].clip(upper=cap.upper), edges)
bins = [{"left": a, "right": b, "before": int(x), "after": int(y)} for a, b, x, y in zip(edges[:-1], edges[1:], before, after)]
winsorization(bins, metric="Spent", upper=cap.upper, n_capped=cap.n_upper, largest=float(users["spent"].max()))""",
        ),
    ],
    "06-sequential-versus-fixed": [
        (
            "md",
            "# Sequential versus fixed\n\nWhat looking every day does to a test that was made for one look: a simulation in which **nothing works**, so that every *significant* result is wrong.",
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
            "One of the experiments in which twenty looks of the fixed test would have shipped nothing for something, with the interval that would not have:",
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
            "So: **sequential** when stopping early matters and the effect may be large; **frequentist** for small effects and a fixed end. The seal makes sure that a fixed plan is read once.",
        ),
    ],
    "07-stakeholder-demo": [
        (
            "md",
            "# The beta homepage, for people who decide\n\nQuotes are up. Should we ship? Three buttons: read out, look at health, decide.",
        ),
        (
            "hidden",
            """
import tempfile
from pathlib import Path

from scipy.stats import norm

import xpbench as xp
from xpbench.demo.run import run_demo

demo = run_demo(Path(tempfile.mkdtemp()) / "demo", units=30_000, seed=2026, story="srm")
row = next(r for r in demo.readout.rows if r.role == "primary")
spread = (row.mean_control * (1 - row.mean_control) / row.n_control + row.mean * (1 - row.mean) / row.n) ** 0.5
naive = 2 * norm.sf(abs(row.mean - row.mean_control) / spread)
print(f"What the dashboard says: quotes {row.mean / row.mean_control - 1:+.1%}, p = {naive:.2g}.")""",
        ),
        ("md", "That looks like a success. Now the workbench:"),
        (
            "hidden",
            """
from xpbench.views.report import readout_views
from xpbench.views.readout_card import ReadoutCard

experiment = xp.open_experiment("beta-homepage", demo.folder / "experiments")
panel = xp.ReadoutPanel(experiment, demo.readout.summary)
panel.take(demo.readout)
panel""",
        ),
        ("hidden", "print(ReadoutCard(demo.readout).headline)"),
        ("hidden", 'for view in readout_views(demo.readout, experiment.plan, "Health"):\n    display(view)'),
        (
            "md",
            "**The ending:** exposures of the new page get lost before they are logged, so the people who remain are not like the others. The raw lift is an artefact; the sample ratio says so, and the rule refuses to decide. What was put on record:",
        ),
        ("hidden", "form = xp.DecisionForm(experiment, demo.readout)\nprint(form.twin().to_text())"),
    ],
    "08-your-own-mixpanel-export": [
        (
            "md",
            "# Your own Mixpanel export\n\nFrom events in Mixpanel to a readout. Here a sandbox on this machine stands in for Mixpanel, so that the notebook runs without an account; with your own project you run one command instead:\n\n```\nxpbench pull --from 2026-11-01 --to 2026-11-30 --out export/\n```\n\nSecrets come from the environment (`MIXPANEL_…`), never from the notebook.",
        ),
        (
            "code",
            TEMP
            + """from xpbench.demo.simulation import demo_plan, simulate

plan = demo_plan(units=6_000)
simulation = simulate(plan, units=6_000, seed=8)
simulation.events.slice(0, 3).to_pandas().iloc[:, :4].shape""",
        ),
        (
            "md",
            "An export is JSON Lines, one event each, with `event` and `properties` (time in seconds, `$insert_id`, `distinct_id`). We write one as Mixpanel would:",
        ),
        (
            "code",
            """
import gzip
import json

export = root.parent / "export"
export.mkdir()
frame = simulation.events.to_pandas()
others = [c for c in frame.columns if c not in ("event", "distinct_id", "time", "$insert_id")]
with gzip.open(export / "2026-11.jsonl.gz", "wt") as file:
    for line in frame.to_dict("records"):
        properties = {"time": int(line["time"].timestamp()), "distinct_id": line["distinct_id"], "$insert_id": line["$insert_id"]}
        properties |= {k: line[k] for k in others if line[k] is not None and line[k] == line[k]}
        file.write(json.dumps({"event": line["event"], "properties": properties}) + "\\n")
print(len(frame), "events")""",
        ),
        ("md", "Then it is the same as everywhere: a source, a registered plan, a readout."),
        (
            "code",
            """experiment = xp.register(plan, root)
readout = experiment.readout(xp.events(str(export / "*.jsonl.gz")))
print("sealed" if readout.is_sealed else readout.recommendation.outcome)
print([(c.name, c.status) for c in readout.health if c.status in ("fail", "warn")])""",
        ),
        (
            "code",
            """from xpbench.views.report import readout_views

readout_views(readout, plan, "Results")[0]""",
        ),
    ],
}
