"""The verifier's second implementation and the engine agree on made-up experiments of every shape."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import claim, plan_document
from xpbench.data.summary import Cell, Summary
from xpbench.decide.analysis import analyse
from xpbench.decide.recommend import recommend
from xpbench.health.check import Check
from xpbench.plan import Plan
from xpbench.verifier import Notes
from xpbench.verifier.numbers import compare_row
from xpbench.verifier.rows import rows_of
from xpbench.verifier.rule import recommended

METRICS = [
    {"key": "a", "kind": "conversion", "event": "A"},
    {"key": "b", "kind": "count", "event": "B"},
    {"key": "c", "kind": "sum", "event": "C", "property": "x"},
    {"key": "d", "kind": "ratio", "numerator": "b", "denominator": "c"},
    {"key": "e", "kind": "quantile", "event": "E", "property": "x", "q": 0.9},
    {"key": "f", "kind": "formula", "expression": "(b - c) / (a + 2) * 3"},
]
COLUMNS = {"d": ("numerator", "denominator"), "f": ("b", "c", "a")}


def cell(metric, variant, n, rng, form, rate, shift):
    """Moments of one metric in one variant, with covariates, or of a rare share."""
    key = metric["key"]
    own = COLUMNS.get(key, ("value",))
    if key == "a":
        values = [(rng.random(n) < rate).astype(float)]
    else:
        values = [rng.gamma(2.0, 1.0, n) * (1 + shift) + i for i in range(len(own))]
    extra = () if key == "e" else ("before", "seen")
    if extra:
        values += [0.6 * values[0] + rng.normal(size=n), (rng.random(n) < 0.7).astype(float)]
    cov = np.atleast_2d(np.cov(np.array(values))) if n > 1 else np.zeros((len(values), len(values)))
    means = np.array(values).mean(axis=1)
    return Cell(key, variant, form, (*own, *extra), n, tuple(means.tolist()), tuple(tuple(r) for r in cov.tolist()))


@st.composite
def experiments(draw):
    model = draw(
        st.sampled_from(
            [
                {"kind": "frequentist", "confidence": 0.95},
                {"kind": "frequentist", "confidence": 0.9},
                {"kind": "sequential", "n_opt": 500, "min_units": 2},
                {"kind": "sequential", "tau": 0.1, "min_units": 2, "confidence": 0.99},
                {"kind": "group_sequential", "looks": [0.25, 0.5, 1.0]},
                {"kind": "group_sequential", "looks": [0.5, 1.0], "spending": "pocock", "confidence": 0.9},
                {"kind": "group_sequential", "looks": [0.25, 0.5, 1.0], "spending": "reflection"},
                {"kind": "bayesian"},
                {"kind": "bayesian", "confidence": 0.9, "prior": {"kind": "lift", "mean": 0.01, "sd": 0.05}},
            ]
        )
    )
    metrics = []
    for i, base in enumerate(METRICS):
        role = "primary" if i == 0 else draw(st.sampled_from(["primary", "secondary", "guardrail"]))
        metric = {**base, "role": role, "direction": draw(st.sampled_from(["increase", "decrease"]))}
        if base["key"] != "e":
            metric["cuped"] = draw(st.booleans())
        if role == "guardrail" or draw(st.booleans()):
            name, size = draw(st.sampled_from([("margin_rel", 0.1), ("margin", 0.05), ("margin", 3.0)]))
            metric[name] = size
        if role == "primary" and draw(st.booleans()):
            metric["min_lift"] = 0.03
        metrics.append(metric)
    variants = [{"key": "control", "split": 0.4, "control": True}, {"key": "t1", "split": 0.6}]
    if draw(st.booleans()):
        variants = [{"key": "control", "split": 0.4, "control": True}, {"key": "t1", "split": 0.3}, {"key": "t2", "split": 0.3}]
    plan = plan_document(
        metrics,
        key="x",
        owner="o",
        hypothesis=claim([{"metric": "a", "direction": metrics[0]["direction"]}], change="i"),
        variants=variants,
        model=model,
        correction=draw(
            st.sampled_from(["none", "bonferroni", "holm", "bh", "e-bh"] if "sequential" in model["kind"] else ["holm", "bh"])
        ),
        secondary_correction=draw(st.sampled_from(["none", "bh", "holm"])),
        family=draw(st.sampled_from(["primary", "primary_and_secondary"])),
        horizon={"units": 500},
        decision={
            "ship_when": draw(st.sampled_from(["any_primary", "all_primaries"])),
            "guardrails": draw(st.sampled_from(["non_inferior", "not_worse"])),
            "practical": draw(st.sampled_from(["estimate", "interval", "none"])),
            "health": draw(st.sampled_from(["must_pass", "no_warnings"])),
        },
    )
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    rate = draw(st.sampled_from([0.0, 0.002, 0.02, 0.3, 0.97, 1.0]))
    sizes = [draw(st.sampled_from([1, 2, 5, 40, 300, 3000])) for _ in variants]
    cells = []
    for size, variant in zip(sizes, variants, strict=True):
        for metric in metrics:
            shift = draw(st.sampled_from([-1.0, -0.1, 0.0, 0.05, 0.3])) if not variant.get("control") else 0.0
            for form in ("value", "raw") if metric["key"] == "c" else ("value",):
                cells.append(cell(metric, variant["key"], size, rng, form, min(1.0, rate * (1 + shift / 2)), shift))
    if draw(st.booleans()):
        cells = [c for c in cells if (c.metric, c.variant) != ("b", "t1")]
    units = {x["key"]: n for x, n in zip(variants, sizes, strict=True)}
    return Plan(**plan), Summary("events", "0" * 64, sum(sizes), units, tuple(cells))


HEALTHS = [
    [],
    [Check("srm", "fail", {}, "", "", True)],
    [Check("clock", "warn", {}, "", "")],
    [Check("srm", "pass", {}, "", "", True), Check("x", "fail", {}, "", "")],
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(experiments(), st.sampled_from(HEALTHS), st.booleans())
@pytest.mark.filterwarnings("ignore")
def test_rows_and_decision_agree(experiment, health, adequate):
    plan, summary = experiment
    earlier = [summary.n // 4, summary.n // 2] if summary.n > 8 else []
    theirs = [r.to_dict() for r in analyse(plan, summary, earlier_units=earlier)]
    document, moments = json.loads(json.dumps([plan.to_dict(), summary.to_dict()]))
    notes, looks = Notes(), [{"units": n, "findings": {}} for n in (*earlier, summary.n)]
    mass = document["model"]["confidence"] if document["model"]["kind"] == "bayesian" else None
    for ours, other in zip(rows_of(document, moments, looks=looks), theirs, strict=True):
        compare_row(notes, f"{other['metric']} {other['variant']}", ours, other, mass=mass)
    assert not notes.differences, "\n".join(map(str, notes.differences))
    engine = recommend(plan, analyse(plan, summary, earlier_units=earlier), health, is_adequate=adequate).to_dict()
    mine = recommended(document, theirs, [c.to_dict() for c in health], adequate)
    assert {k: engine[k] for k in ("outcome", "variant", "rows")} == {k: mine[k] for k in ("outcome", "variant", "rows")}
    for a, b in zip(engine["variants"], mine["variants"], strict=True):
        assert {k: a[k] for k in b} == b
