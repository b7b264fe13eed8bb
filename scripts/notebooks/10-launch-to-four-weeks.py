# %% [markdown]
# # From launch to the letter of week four
#
# One change, from its first ten per cent of users to the letter that closes it: a guarded ramp, a decision, two letters, and what is left for the next team. The data is generated here, so that the truth is known: orders rise by 8 %. People ask for help more often at first, and then get used to the change.

# %%
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

import xpbench as xp
from xpbench.watch import cumulative_effect, holdout_halves, ramp_power

root = Path(tempfile.mkdtemp()) / "experiments"
LAUNCH = datetime(2026, 9, 1, tzinfo=UTC)
now = [LAUNCH - timedelta(days=2)]


def clock():
    return now[0]


# %% [markdown]
# ## The plan
#
# Three stages, guarded by one metric with a margin. A tenth of all users is held out of every experiment.

# %%
plan = xp.Plan(
    key="one-page-checkout",
    title="Checkout on one page",
    owner="growth",
    hypothesis={"if": "the checkout is one page", "then": [{"metric": "order", "direction": "increase", "lift": 0.05}], "because": "fewer steps lose fewer people"},
    variants=[{"key": "control", "split": 0.5, "control": True}, {"key": "one-page", "split": 0.5}],
    assignment={
        "hash": "sha256",
        "salt": "one-page",
        "rollout": [{"key": "everyone", "share": 0.1}],
        "holdout": {"key": "global", "salt": "holdout-2026", "share": 0.1},
    },
    metrics=[
        {"key": "order", "kind": "conversion", "event": "Order", "role": "primary", "direction": "increase", "window_days": 1},
        {"key": "help", "name": "Asked for help", "kind": "conversion", "event": "Help", "role": "guardrail", "direction": "decrease", "margin_rel": 0.2, "window_days": 1},
    ],
    model={"kind": "frequentist"},
    horizon={"units": 20_000},
    planning={"daily_units": 4_000, "baselines": {"order": 0.3, "help": 0.3}},
    ramp={"stages": [{"share": 0.1, "days": 3}, {"share": 0.5, "days": 3, "signs": "Eve"}, {"share": 1.0, "days": 5}]},
    watch={"weeks": 4, "metrics": ["help"], "owner": "growth", "estimator": "holdback", "check_days": [14, 28]},
)
found = ramp_power(plan, "help", change=0.3, runs=200)
print(f"A rise of help by 30 % stops the ramp with a chance of {found.power:.0%}.")
experiment = xp.register(plan, root, by="Ana", clock=clock)

# %% [markdown]
# ## The users
#
# Four thousand new users a day. Who takes part, and in which variant, is the hash of the plan in force.

# %%
DAILY, HELP, ORDER = 4_000, 0.3, 0.3


def log_of(first_day, days, variants_of, help_lift, daily=DAILY):
    """Exposures, orders and questions of so many days; `help_lift` is by day since `first_day`."""
    rng = np.random.default_rng(first_day)
    parts = []
    for day in range(days):
        ids = np.array([f"user-{first_day + day}-{i}" for i in range(daily)])
        chosen = np.array(variants_of(ids), dtype=object)
        ids, chosen = ids[chosen != None], chosen[chosen != None]  # noqa: E711 - an array of names and None
        start = (LAUNCH + timedelta(days=first_day + day)).timestamp()
        time = start + np.linspace(0, 80_000, len(ids))
        treated = chosen == "one-page"
        order = rng.random(len(ids)) < ORDER * np.where(treated, 1.08, 1.0)
        asked = rng.random(len(ids)) < HELP * np.where(treated, 1 + help_lift(day), 1.0)
        for name, mask, later in (("$experiment_started", np.ones(len(ids), bool), 0), ("Order", order, 60), ("Help", asked, 90)):
            exposed = name == "$experiment_started"
            parts.append(
                pa.table(
                    {
                        "event": pa.array([name] * int(mask.sum())),
                        "time": pa.array(time[mask] + later),
                        "distinct_id": pa.array(ids[mask].tolist()),
                        "$insert_id": pa.array([f"{name}-{u}" for u in ids[mask]]),
                        "Experiment name": pa.array([plan.key if exposed else None] * int(mask.sum()), pa.string()),
                        "Variant name": pa.array(chosen[mask].tolist() if exposed else [None] * int(mask.sum()), pa.string()),
                    }
                )
            )
    return pa.concat_tables(parts)


# %% [markdown]
# ## The ramp
#
# It is read every day. It says go on, hold or roll back, and which row of the rule fired. No reading shows an effect.

# %%
now[0] = LAUNCH
experiment.launch(by="Ana")
logs, day = [], 0
while True:
    experiment = xp.open_experiment(plan.key, root, clock=clock)
    logs.append(log_of(day, 1, lambda ids: xp.assign(experiment.plan, ids), lambda d: 0.12))
    day += 1
    now[0] = LAUNCH + timedelta(days=day)
    answer = experiment.ramp(xp.events(pa.concat_tables(logs), until=now[0], clock=clock), by="nightly")
    if answer.row == "unsigned":
        print(f"day {day}: {answer.sentence}")
        experiment.sign("Eve")
        answer = experiment.ramp(xp.events(pa.concat_tables(logs), until=now[0], clock=clock), by="nightly")
    print(f"day {day}: {answer.answer}, {answer.row}; {answer.share:.0%} of the users, {answer.units:,} new")
    if answer.row == "done":
        break
    if answer.answer == "go on":
        experiment = experiment.ramp_on(by="Ana")

# %% [markdown]
# Every stage passed. The plan was amended twice, each time by the reading that let it:

# %%
for entry in experiment.ledger.entries():
    if entry.kind == "amended":
        print(f"{entry.at[:10]}: {entry.body['reason']}")

# %% [markdown]
# ## The decision

# %%
now[0] = LAUNCH + timedelta(days=day + 2)
source = xp.events(pa.concat_tables(logs), until=LAUNCH + timedelta(days=day + 1), clock=clock)
readout = experiment.readout(source, by="Ana")
readout

# %%
experiment.decide(readout, "ship", variant="one-page", because="orders rise, help stays within its margin", by="Eve")
print(experiment.memo().save(experiment.folder / "memo.html").name, xp.verify(experiment.folder / "memo.html").exit_code)

# %% [markdown]
# ## Two letters
#
# It ships to three quarters of the users, now eight thousand a day; one quarter keeps the old page for four weeks. The nightly run makes the checks that are due from the same export.

# %%
first = day + 2


def with_holdback(ids):
    return np.where(np.random.default_rng(len(ids)).random(len(ids)) < 0.25, "control", "one-page")


after = log_of(first + 1, 30, with_holdback, lambda d: 0.18 * np.exp(-d / 9), daily=8_000)
shipped_at = now[0]
for check in (14, 28):
    now[0] = shipped_at + timedelta(days=check + 2)
    experiment = xp.open_experiment(plan.key, root, clock=clock)
    watched = experiment.watch(xp.events(pa.concat_tables([*logs, after]), until=now[0], clock=clock), by="nightly")
    print(f"Day {check}: {watched.status.state}, {[p.name for p in watched.paths]}")
    for sentence in watched.letter.sentences[2:]:
        print("  ", sentence)
    assert all(xp.verify(p).exit_code == 0 for p in watched.paths)

# %% [markdown]
# After two weeks the letter can't say yet whether help fades. After four it says so: that was novelty. The forecast says what stays. In truth nothing changes on day 84; an 80 % interval misses it one time in five, and this is such a time.
#
# ## What everything that shipped changed together
#
# The tenth that is out of every experiment has two halves: one sees nothing new, the other only what shipped.

# %%
ids = [f"user-{i}" for i in range(200_000)]
halves = holdout_halves(plan.assignment.holdout, ids)
orders = np.random.default_rng(5).poisson(2.0 * np.where(halves == "shipped only", 1.08, 1.0))
cumulative_effect(ids, orders, plan.assignment.holdout, metric="order", portfolio=xp.portfolio(root, clock=clock))

# %% [markdown]
# ## For the next team

# %%
programme = xp.portfolio(root, clock=clock)
for sentence in programme.sentences:
    print(sentence)
print(programme.search("did anybody shorten the checkout?")[0])
