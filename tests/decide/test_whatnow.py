"""What now: the planted blocker is named, the promise holds, and an effect at the margin is no result.

Short twins of `python -m benchmarks.blockers`, which has the full numbers.
"""

import json

import numpy as np
import pytest

from benchmarks.blockers import CAUSES, at_the_margin, named, plan_of, promised, read, smaller, too_few
from xpbench.decide.chances import chance, chance_from_here, could_find, times_needed, twice_tested
from xpbench.decide.whatnow import planned_chance, rounded_up, what_now


@pytest.mark.parametrize("cause", list(CAUSES))
def test_the_planted_cause_is_named_first(cause):
    right, count, other = named(cause, 12)
    assert right >= 11, (right, count, other)


@pytest.mark.parametrize("model", ["frequentist", "sequential"])
def test_the_promised_chance_is_kept(model):
    won, count, _ = promised(model, 120, lift=0.1)
    assert abs(won / count - 0.8) < 0.03 + 3 * (0.16 / count) ** 0.5


def test_going_on_keeps_alpha():
    _, count, ever = promised("sequential", 150, lift=0.0)
    assert count == 150
    assert ever / 1e6 < 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5


@pytest.mark.parametrize("model", ["frequentist", "sequential"])
def test_an_effect_at_the_margin_is_seldom_called_none(model):
    assert at_the_margin(model, 300) <= 0.05 * 300


def test_numbers_of_the_sentences_are_those_of_the_fields():
    rng = np.random.default_rng(8)
    plan, readout = next(made for made in (too_few(rng) for _ in range(20)) if made[1]["recommendation"]["rows"] == ["R9"])
    now = what_now(plan.to_dict(), readout)
    assert now.blocker == "too few units"
    assert f"{now.units:,}" in " ".join(now.takes)
    assert "--reason" not in now.command
    assert json.loads(json.dumps(now.to_dict())) == now.to_dict()


def test_a_new_run_names_its_price():
    plan, readout = smaller(np.random.default_rng(3))
    now = what_now(plan.to_dict(), readout)
    assert now.blocker == "smaller than planned"
    assert "false positives from 5" in " ".join(now.takes)


def test_could_find_has_the_power_it_says():
    """(q + z) se: with that true lift the interval leaves zero out with the planned chance."""
    plan, readout = smaller(np.random.default_rng(4))
    row = readout["rows"][0]
    least = could_find(row, 0.8)
    error = row["se"] / row["mean_control"]
    assert chance(least, error, 1.959964 * error) == pytest.approx(0.8, abs=0.005)
    assert plan.planning.power == 0.8


def test_conditional_power_without_further_news_is_the_plain_one():
    """From an estimate at the true lift with next to no information, it is the unconditional chance."""
    far = chance_from_here(0.1, 0.1, 1.0, 1e6, 1.96 * 1e-3)
    assert far == pytest.approx(chance(0.1, 1e-3, 1.96e-3), abs=1e-3)


def test_two_tests_cost_what_the_table_says():
    """Armitage, McPherson and Rowe 1969: two looks at equal steps, 8.3 %."""
    assert twice_tested(0.05, 2.0) == pytest.approx(0.083, abs=0.0005)
    assert times_needed(lambda t: 0.1 + 0 * t, 0.8) is None


def test_planned_chance_is_that_of_power():
    from xpbench.forecast.power import plan_power

    plan = plan_of(horizon=20_000)
    ships = plan_power(plan).ships["b"]
    assert planned_chance(plan.to_dict(), rails=True) == pytest.approx(ships, abs=0.01)


def test_units_round_up():
    assert [rounded_up(x) for x in (0.2, 999, 1_001, 28_258.3)] == [1, 999, 1_010, 28_300]


def test_a_readout_of_an_earlier_edition_has_no_equivalence():
    plan = plan_of(least=0.06)
    rng = np.random.default_rng(2)
    from benchmarks.blockers import World
    from xpbench.decide.analysis import analyse

    world = World(rng, lift=0.0)
    world.draw(90_000)
    new, old = (analyse(plan.under(m), world.summary())[0] for m in (4, 3))
    assert (new.equivalent, old.equivalent) == (True, None)
    assert "equivalent" not in old.to_dict()
    assert read(plan, world.summary())["recommendation"]["rows"] == ["R13"]
    assert read(plan.under(3), world.summary())["recommendation"]["rows"] == ["R11"]
