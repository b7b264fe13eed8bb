"""Giving up where the rest is hopeless: the row of the rule, its price, a memo that says so, and the verifier's second way."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm

import xpbench as xp
from tests.builders import column, make_plan, metric, split
from tests.decide.test_rule import DECISIONS
from xpbench.decide.futility import chance_left, price_of
from xpbench.decide.rule import OUTCOMES, PRIMARY, apply_rule, rule_digest, rule_rows, situations, truth_table
from xpbench.decide.whatnow import giving_up_said
from xpbench.plan.design import Decision
from xpbench.stats.spending import q_group
from xpbench.verifier import Notes
from xpbench.verifier.futility import check_futility
from xpbench.verifier.numbers import check_estimates
from xpbench.verifier.rule import rule as second_rule
from xpbench.views.card import PlanCard

MODELS = [
    {"kind": "group_sequential", "looks": [0.25, 0.5, 0.75, 1.0]},
    {"kind": "group_sequential", "looks": [0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]},
    {"kind": "group_sequential", "looks": [0.25, 0.5, 0.75, 1.0], "spending": "pocock"},
    {"kind": "group_sequential", "looks": [0.3, 1.0], "spending": "reflection"},
]


def plan_of(model=MODELS[0], floor=0.1, lift=0.05, units=30_000, least=None, **more):
    primary = metric("m", "conversion", event="M", **({} if least is None else {"min_lift": least}))
    return make_plan([primary], lift=lift, model=model, horizon={"units": units}, decision={"futility": floor}, **more)


@pytest.mark.parametrize("decision", DECISIONS)
def test_the_row_is_total_and_monotone_and_changes_no_other(decision):
    gives_up = decision.model_copy(update={"futility": 0.1})
    assert len(truth_table(gives_up)) == 6 * 2 * 4 * 3 * 2
    assert {row["row"] for row in truth_table(gives_up)} == {r.id for r in rule_rows(gives_up)}
    for s in situations(gives_up=True):
        now = OUTCOMES.index(apply_rule(gives_up, s).outcome)
        if s.primary != PRIMARY[-1]:
            better = replace(s, primary=PRIMARY[PRIMARY.index(s.primary) + 1])
            assert OUTCOMES.index(apply_rule(gives_up, better).outcome) >= now, s
        fired = apply_rule(gives_up, s)
        assert second_rule(gives_up.model_dump(), s.to_dict()) == (fired.id, fired.outcome)
        if s.primary != "hopeless":
            assert apply_rule(gives_up, s) == apply_rule(decision, s)


def test_a_plan_without_the_row_keeps_its_rule_and_its_bytes():
    plan = plan_of(floor=None)
    assert "futility" not in plan.to_dict()["decision"]
    assert "R14" not in {r.id for r in rule_rows(Decision())}
    assert rule_digest(Decision()) != rule_digest(Decision(futility=0.1))
    assert price_of(plan) is None


@pytest.mark.parametrize("z", [-1.0, 0.0, 0.8, 1.5])
def test_the_chance_that_is_left_is_a_bivariate_normal(z):
    """Two looks ahead, by the distribution function of two normals. Source: scipy multivariate_normal; 1e-7."""
    plan = plan_of({"kind": "group_sequential", "looks": [0.4, 0.7, 1.0]})
    se, mean = 0.004, 0.2
    found = chance_left(plan, "m", effect=z * se, se=se, mean=mean, information=(0.4,), level=0.05)
    drift = 0.05 * mean / se / 0.4**0.5
    _, second, last = q_group(0.05, (0.4, 0.7, 1.0), "obrien_fleming")
    at = [z * 0.4**0.5 + drift * 0.3, z * 0.4**0.5 + drift * 0.6]
    edge = second * 0.7**0.5
    inside = multivariate_normal.cdf(
        [edge, 60.0], at, [[0.3, 0.3], [0.3, 0.6]], lower_limit=[-edge, last], abseps=1e-12, releps=1e-12
    )
    assert found == pytest.approx(norm.sf((edge - at[0]) / 0.3**0.5) + inside, abs=1e-7)


@pytest.mark.parametrize("model", MODELS, ids=lambda m: f"{m.get('spending', 'obf')} {len(m['looks'])}")
@pytest.mark.parametrize(("least", "practical"), [(None, "estimate"), (0.03, "estimate"), (0.01, "interval")])
@pytest.mark.parametrize("planning", [{}, {"baselines": {"m": 0.2}}], ids=["power", "baselines"])
def test_the_price_is_found_again_backwards(model, least, practical, planning):
    """The verifier goes from the last look to the first; the engine from the first to the last."""
    plan = plan_of(model, least=least, planning=planning)
    plan = plan.changed(decision={"futility": 0.15, "practical": practical})
    price = price_of(plan)
    assert 0.0 <= price.power_without - price.power <= 0.15 / 0.85 * (1.0 - price.power_without) + 1e-9  # Lan, Simon, Halperin
    assert 0.0 < price.units <= 1.0
    readout = {"plan": plan.to_dict(), "rows": [], "segments": [], "looks": [], "summary": {"units": {"a": 1}}}
    for told, wrong in ((price.to_dict(), False), ({**price.to_dict(), "power": price.power + 1e-5}, True), (None, True)):
        notes = Notes()
        check_futility(notes, {**readout, "futility": told})
        assert bool(notes.differences) == wrong


def test_the_price_is_played():
    """20,000 paths of four looks under the planned lift and under none, each give up as the row says."""
    plan = plan_of()
    price, rng, looks = price_of(plan), np.random.default_rng(12), np.array(MODELS[0]["looks"])
    bounds, drift = np.array(q_group(0.05, looks, "obrien_fleming")), 2.8271  # of a power of 80 % over these looks
    for mean, share in ((drift, price.power), (0.0, None)):
        z = (rng.normal(size=(20_000, 4)) * 0.5 + mean * 0.25).cumsum(axis=1) / np.sqrt(looks)
        on, won, gone, used = np.ones(len(z), bool), np.zeros(len(z), bool), np.zeros(len(z), bool), np.zeros(len(z))
        for k, t in enumerate(looks):
            used[on] = t
            grid = np.linspace(-5, 5, 201)
            lift_se = 0.05 / drift / t**0.5
            left = [
                1.0
                if k == 3
                else chance_left(plan, "m", effect=x * lift_se, se=lift_se, mean=1.0, information=looks[: k + 1], level=0.05)
                for x in grid
            ]
            up, down = on & (z[:, k] >= bounds[k]), on & (z[:, k] <= -bounds[k])
            stop = on & ~up & ~down & (np.interp(z[:, k], grid, left) < 0.1)
            won |= up
            gone |= stop | (down & (k < 3))
            on &= ~(up | down | stop)
        if share is not None:
            assert won.mean() == pytest.approx(share, abs=3 * 0.4 / 20_000**0.5)
        else:
            assert gone.mean() == pytest.approx(price.gives_up, abs=3 * 0.5 / 20_000**0.5)
            assert used.mean() == pytest.approx(price.units, abs=3 * 0.3 / 20_000**0.5)


def test_card_names_the_price():
    text = PlanCard(plan_of()).to_text()
    assert "Futility: Giving up where less than 10\u202f% is left costs 0.2 points of power" in text
    assert "It does not bind" in text
    assert "Futility" not in PlanCard(plan_of(floor=None)).to_text()
    draft = {**plan_of().to_dict(), "metrics": []}
    assert "would win with a chance below" in PlanCard(draft).to_text()


def test_power_names_the_price_next_to_its_chances():
    with_row, without = (xp.power(plan_of(floor=f, planning={"baselines": {"m": 0.2}})) for f in (0.1, None))
    assert with_row.ships == without.ships  # by the rule without the row; what the row takes is the next sentence
    assert set(with_row.sentences) - set(without.sentences) == {giving_up_said(with_row.futility.to_dict())}
    assert "futility" not in without.to_dict()
    assert with_row.to_dict()["futility"]["power"] < with_row.ships["beta"]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"model": {"kind": "frequentist"}}, "planned looks"),
        ({"model": {**MODELS[0], "beyond": 0.1}}, "counted up to the horizon"),
        ({"lift": None}, "planned lift"),
    ],
)
def test_what_can_not_give_up_is_said(more, word):
    found = [p for p in plan_of(**more).problems() if p.pointer == "/decision/futility"]
    assert len(found) == 1
    assert word in str(found[0])


def registered(tmp_path, lift, seed=3, units=2_000, floor=0.15):
    """An experiment at its first look, at half of the horizon, on a table in which beta has this lift."""
    plan = make_plan(
        [column("spent"), column("load", "guardrail", "decrease", margin_rel=0.2)],
        key="hopeless",
        lift=0.1,
        model={"kind": "group_sequential", "looks": [0.5, 0.75, 1.0]},
        horizon={"units": units},
        decision={"futility": floor},
        variants=split("control", "beta"),
        unit="unit",
    )
    rng, n = np.random.default_rng(seed), units // 2
    beta = np.arange(n) % 2 == 1
    spent = rng.gamma(2.0, 5.0, n) * np.where(beta, 1 + lift, 1.0)
    table = pd.DataFrame({"unit": np.arange(n).astype(str), "variant": np.where(beta, "beta", "control")})
    table["spent"], table["load"] = spent, rng.gamma(4.0, 1.0, n)
    return xp.register(plan, tmp_path), xp.units(table, unit="unit", variant="variant")


@pytest.mark.parametrize(("lift", "row"), [(-0.03, "R14"), (0.09, "R9")])
def test_a_memo_says_what_is_left_and_verifies(tmp_path, lift, row):
    experiment, source = registered(tmp_path, lift)
    readout = experiment.readout(source)
    assert readout.recommendation.rows == (row,)
    left = readout.row("spent").chance_left
    assert (left < 0.15) == (row == "R14")
    assert readout.row("load").chance_left is None
    assert json.loads(json.dumps(readout.to_dict()))["futility"]["power_without"] == pytest.approx(0.8)
    assert type(readout).from_dict(readout.to_dict()) == readout
    if row == "R14":
        now = readout.what_now
        assert (now.blocker, now.chance) == ("too little chance", left)
        assert "does not bind" in " ".join(now.takes)
        assert giving_up_said(readout.futility.to_dict()) in now.takes
    experiment.decide(readout, "ship none" if row == "R14" else "iterate", because="a test", by="tests")
    memo = experiment.memo()
    assert giving_up_said(readout.futility.to_dict()) in repr(readout)
    assert "points of power" in json.dumps(memo.payload["page"], ensure_ascii=False)
    report = xp.verify(memo.save(tmp_path / "memo.html"))
    assert report.differences == (), report
    assert any("giving up" in c for c in report.checked)
    payload = json.loads(json.dumps(memo.payload))
    forged = json.loads(json.dumps(payload))
    forged["readout"]["rows"][0]["last_q"] -= 1e-6
    notes = Notes()
    check_estimates(notes, forged["readout"])
    assert [d.part for d in notes.differences] == ["estimates, spent for beta, last multiplier"]
    for change in ("row", "price", "gone"):
        forged = json.loads(json.dumps(payload))
        match change:
            case "row":
                forged["readout"]["rows"][0]["chance_left"] = 0.5
            case "price":
                forged["readout"]["futility"]["power"] = 0.8
            case "gone":
                del forged["readout"]["futility"]
        notes = Notes()
        check_futility(notes, forged["readout"])
        assert notes.differences, change


def test_looks_that_are_too_many_are_left_and_said():
    looks = [round(i / 400, 6) for i in range(1, 401)]
    plan = plan_of({"kind": "group_sequential", "looks": looks})
    notes = Notes()
    check_futility(
        notes, {"plan": plan.to_dict(), "rows": [], "segments": [], "looks": [], "summary": {"units": {"a": 1}}, "futility": {}}
    )
    assert notes.not_checked
    assert not notes.differences


def test_the_floor_is_a_share_below_one_half():
    for floor, policy in itertools.product((0.0, -0.1, 0.6, float("nan")), ("any_primary",)):
        with pytest.raises(ValueError, match="futility"):
            Decision(futility=floor, ship_when=policy)
