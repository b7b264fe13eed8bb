"""Nothing degenerate ships: every status, in every role, design and direction, beside a primary metric that wins."""

import itertools
import json
import math

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from benchmarks.blockers import read
from tests.builders import column, make_plan, metric, split
from xpbench.data.summary import Cap, Cell, Summary
from xpbench.decide.analysis import analyse
from xpbench.decide.harm import harm_alarm
from xpbench.decide.recommend import is_computed, is_lost, recommend
from xpbench.decide.whatnow import what_now
from xpbench.plan.methods import FIRST
from xpbench.stats.moments import Moments
from xpbench.stats.pairs import borrowed, pair_of
from xpbench.stats.status import REASONS
from xpbench.verifier.rows import rows_of
from xpbench.verifier.rule import recommended

MODELS = [
    {"kind": "frequentist"},
    {"kind": "sequential", "n_opt": 6000, "min_units": 100},
    {"kind": "group_sequential", "looks": [0.5, 1.0]},
    {"kind": "bayesian"},
    {"kind": "bayesian", "prior": {"kind": "lift", "mean": 0.0, "sd": 0.1}},
]
ROLES = ("primary", "secondary", "guardrail")
UNITS = 3000
COUNT = {"kind": "count", "event": "M"}


def cell(key, variant, n, mean, variance, columns=("value",), form="value"):
    size = len(columns)
    means = mean if isinstance(mean, tuple) else (mean,)
    cov = variance if isinstance(variance, tuple) else ((variance,),)
    return Cell(key, variant, form, columns, n, means, cov if size > 1 else ((cov[0][0],),))


def world(role, model, control, treatment, *, direction="increase", kind=None, **more):
    """A winning conversion beside a metric `m` with these cells."""
    plan = make_plan(
        [
            metric("win", "conversion", event="W", cuped=False),
            {"key": "m", "role": role, "direction": direction, **(kind or COUNT), "cuped": False, **more},
        ],
        key="d",
        owner="o",
        change="i",
        variants=split("control", "t"),
        model=model,
        horizon={"units": 2 * UNITS},
    )
    wins = [cell("win", v, UNITS, p, p * (1 - p) * UNITS / (UNITS - 1)) for v, p in (("control", 0.2), ("t", 0.3))]
    cells = [*wins, *(c for c in (control, treatment) if c is not None)]
    caps = (Cap("m", "value", None, 0.0, 0, 25),) if "winsorize" in more else ()
    return plan, Summary("events", "0" * 64, 2 * UNITS, {"control": UNITS, "t": UNITS}, tuple(cells), caps=caps)


def outcome(plan, summary):
    """Rows and recommendation, equal in engine and verifier."""
    rows = analyse(plan, summary)
    found = recommend(plan, rows, [], is_adequate=True)
    if any(math.isinf(c.mean[0]) for c in summary.cells):  # no memo can carry it
        return rows[1], found
    document, moments = json.loads(json.dumps([plan.to_dict(), summary.to_dict()]))
    theirs = [r.to_dict() for r in rows]
    mine = recommended(document, theirs, [], True)
    assert (found.outcome, found.rows) == (mine["outcome"], tuple(mine["rows"]))
    for a, b in zip(rows_of(document, moments), theirs, strict=True):
        assert (a["status"], a["verdict"], a["guardrail"]) == (b["status"], b["verdict"], b["guardrail"])
    return rows[1], found


FLAT_CONTROL = cell("m", "control", UNITS, 0.0, 0.0)
FLAT, FULL = cell("m", "t", UNITS, 0.0, 0.0), cell("m", "control", UNITS, 8.5, 420.0)
RATIO = {"kind": "ratio", "numerator": "a", "denominator": "b"}


def ratio(variant, num, den, s):
    return cell("m", variant, UNITS, (num, den), ((s, 0.0), (0.0, s)), ("numerator", "denominator"))


NO_NUMERATOR = cell("m", "t", UNITS, (0.0, 8.0), ((0.0, 0.0), (0.0, 2.0)), ("numerator", "denominator"))
QUANTILE = {"kind": "quantile", "event": "M", "property": "x", "q": 0.9}
LOST = {
    "loses everything": ("separation", FULL, FLAT, {}),
    "both constant": ("separation", cell("m", "control", UNITS, 8.5, 0.0), FLAT, {}),
    "control constant": ("separation", cell("m", "control", UNITS, 8.5, 0.0), cell("m", "t", UNITS, 1.0, 4.0), {}),
    "share lost": ("few_events", cell("m", "control", UNITS, 0.2, 0.16 * UNITS / (UNITS - 1)), FLAT, {}),
    "no units left": ("not_enough_units", FULL, None, {}),
    "one unit left": ("not_enough_units", FULL, cell("m", "t", 1, 0.0, 0.0), {}),
    "not a number": ("not_finite", FULL, cell("m", "t", UNITS, math.inf, 1.0), {}),
    "no denominator": ("zero_denominator", ratio("control", 4.0, 8.0, 2.0), ratio("t", 0.0, 0.0, 0.0), {"kind": RATIO}),
    "numerator lost": ("separation", ratio("control", 4.0, 8.0, 2.0), NO_NUMERATOR, {"kind": RATIO}),
    "quantile lost": ("separation", cell("m", "control", UNITS, 30.0, 900.0), FLAT, {"kind": QUANTILE}),
    "capped away": ("cap_is_zero", FLAT_CONTROL, FLAT, {"winsorize": {"upper": 0.99, "over": "all"}}),
    "tied quantiles": ("separation", cell("m", "control", UNITS, 3.0, 0.0), FLAT, {"kind": QUANTILE}),
}  # fmt: skip


@pytest.mark.parametrize("policy", ["any_primary", "all_primaries"])
@pytest.mark.parametrize("model", MODELS, ids=lambda m: m["kind"] + ("-prior" if "prior" in m else ""))
@pytest.mark.parametrize("name", LOST)
def test_what_is_lost_never_ships(name, model, policy):
    status, control, treatment, more = LOST[name]
    more = dict(more)
    kind = more.pop("kind", None)
    for role in ROLES:
        margin = {"margin_rel": 0.02} if role == "guardrail" else {}
        plan, summary = world(role, model, control, treatment, kind=kind, **margin, **more)
        plan = plan.changed(decision={"ship_when": policy})
        row, found = outcome(plan, summary)
        assert found.outcome in ("ship none", "iterate"), (role, row.status, found)
        if status == "separation" and name != "tied quantiles":
            assert (row.status, row.verdict) == ("separation", "worse")
            assert row.ci_high < 0
            assert is_computed(row)
        elif row.status != "few_events" or model["kind"] != "bayesian":
            assert row.status == status or name == "not a number"
        if name == "capped away":
            assert row.status == "cap_is_zero"
            assert "winsorize.over" in row.reason
            assert is_lost(row)
        if name == "loses everything" and role == "guardrail":
            assert row.guardrail == "bad"
            assert found.outcome == "ship none"
            assert harm_alarm(plan, summary).sounds


@pytest.mark.parametrize("over", ["all", "nonzero"])
def test_a_cap_of_zero_on_sparse_revenue_is_named_with_its_remedy(over):
    """Where 2 % buy, the 95th percentile of everyone is zero: from rows of a table to what to do now."""
    rng, n = np.random.default_rng(5), 4000
    paid = np.where(rng.random(n) < 0.02, rng.lognormal(3, 1, n).round(2), 0.0)
    table = pd.DataFrame({"unit": [f"u{i}" for i in range(n)], "variant": ["control", "beta"] * (n // 2), "revenue": paid})
    plan = make_plan([column("revenue", winsorize={"upper": 0.95, "over": over})], lift=0.1, horizon={"units": n})
    readout = read(plan, xp.units(table, unit="unit", variant="variant").summarize(plan))
    row, now = readout["rows"][0], what_now(plan.to_dict(), readout)
    if over == "nonzero":
        assert (row["status"], row["reason"]) == ("ok", "")
        assert row["mean_control"] > 0
        return
    assert np.quantile(paid, 0.95) == 0.0
    assert row["status"] == "cap_is_zero"
    assert readout["recommendation"]["outcome"] != "ship"
    assert "the winsorization cap is zero" in row["reason"]
    assert "Set winsorize.over to nonzero" in now.why
    assert (now.blocker, now.button) == ("no number", "Restart")
    assert "a new plan" in now.takes[0]


def test_every_status_is_thought_of():
    """A status that is added must be put on one side: it carries a verdict, is waited for, or keeps from shipping."""
    carries = {"ok", "few_events", "unbounded_lift", "control_near_zero", "separation"}
    lost = {"not_enough_units", "not_finite", "zero_denominator", "cap_is_zero"}
    open_ = {"zero_variance", "too_few_events", "before_first_look"}  # all equal, or waited for: no harm is hidden by them
    assert carries | lost | open_ == set(REASONS)


@pytest.mark.parametrize("model", MODELS[:4], ids=lambda m: m["kind"])
@pytest.mark.parametrize("role", ROLES)
def test_a_constant_variant_may_also_be_better(model, role):
    margin = {"margin_rel": 0.02} if role == "guardrail" else {}
    plan, summary = world(role, model, FULL, FLAT, direction="decrease", **margin)
    row, found = outcome(plan, summary)
    assert (row.status, row.verdict, found.outcome) == ("separation", "better", "ship")


@pytest.mark.parametrize("events", [0, 1])
@pytest.mark.parametrize("model", MODELS[:4], ids=lambda m: m["kind"])
def test_a_guardrail_without_a_bad_event_passes(model, events):
    """0 of 1,487 against 0 of 1,513 is information about a margin of a point: −0.26 to +0.25 points by the score."""
    p = events / 1487
    cells = cell("m", "control", 1487, p, p * (1 - p) * 1487 / 1486), cell("m", "t", 1513, 0.0, 0.0)
    crash = {"kind": "conversion", "event": "C"}
    plan, summary = world("guardrail", model, *cells, direction="decrease", kind=crash, margin=0.01)
    row, found = outcome(plan, summary)
    assert (row.guardrail, found.outcome, row.p_value is None or events > 0) == ("ok", "ship", True)
    if not events:
        assert row.margin_p_value < 0.01
        if model["kind"] != "bayesian":  # what the margin is held against is shown
            assert -0.006 < row.ci_low < 0.0 < row.ci_high < 0.01
    few, fewer = (cell("m", v, n, 0.0, 0.0) for v, n in (("control", 150), ("t", 150)))
    row, found = outcome(*world("guardrail", model, few, fewer, direction="decrease", kind=crash, margin=0.01))
    assert (row.guardrail, found.outcome) == ("unclear", "iterate")  # 150 say nothing about a point


def test_a_relative_margin_learns_nothing_without_events():
    cells = cell("m", "control", 1487, 0.0, 0.0), cell("m", "t", 1513, 0.0, 0.0)
    crash = {"kind": "conversion", "event": "C"}
    plan, summary = world("guardrail", MODELS[0], *cells, kind=crash, direction="decrease", margin_rel=0.1)
    row, _ = outcome(plan, summary)
    assert (row.guardrail, row.margin_p_value) == ("unclear", None)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_borrowed_noise_is_never_bolder_than_the_permutation_test(share):
    """k units of the control differ from a constant treatment: exactly, all k fall into the control with chance (n_c / N)^k."""
    n = 20_000
    n_c = round(n * (1 - share))
    for k in (1, 2, 3, 5, 8, 13, 40, 300):
        values = np.zeros(n_c)
        values[: min(k, n_c)] = 7.0
        c, t = Moments.of_values(values), Moments.of_values(np.zeros(n - n_c))
        pair = borrowed(c, t, subject=0)
        z = abs(pair.effect) / pair.se
        exact = math.exp(math.fsum(math.log((n_c - i) / (n - i)) for i in range(min(k, n_c))))
        for alpha, limit in ((0.05, 1.9599639845400545), (0.01, 2.5758293035489004), (0.001, 3.2905267314918945)):
            assert z < limit or 2 * exact < alpha * 1.001
    assert repr(borrowed(t, t, subject=0)) == repr(pair_of(t, t, subject=0))  # every other status stays; NaN differs from NaN


def test_readouts_of_the_first_edition_stay_as_they_were():
    """A memo made before keeps its numbers: a constant variant had none, and a tiny share waited."""
    for (role, model), (status, control, treatment) in itertools.product(
        itertools.product(ROLES, MODELS[:3]), [("separation", FULL, FLAT), ("few_events", *LOST["share lost"][1:3])]
    ):
        margin = {"margin_rel": 0.02} if role == "guardrail" else {}
        plan, summary = world(role, model, control, treatment, **margin)
        rows = analyse(plan.under(FIRST), summary)
        document, moments = json.loads(json.dumps([plan.to_dict(), summary.to_dict()]))
        mine = rows_of(document, moments, methods=FIRST)
        assert [(r.status, r.verdict, r.p_value) for r in rows[:1]] == [
            (mine[0]["status"], mine[0]["verdict"], rows[0].p_value)
        ]
        expected = status if status == "separation" or model["kind"] == "frequentist" else "too_few_events"
        assert rows[1].status == mine[1]["status"] == expected
        assert not is_lost(rows[0])
