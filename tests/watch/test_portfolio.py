"""What a root of experiments adds up to: exact counts, and the shrinkage of winners against the truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.watch.ledgers import SHIPPED, Hands, plan, readout, shipped
from xpbench.cli import main
from xpbench.ledger import Ledger, create
from xpbench.ledger.folder import LEDGER, PLAN
from xpbench.watch import portfolio
from xpbench.watch.past_experiments import PastOutcome, Shrinkage, shrink


def test_counts_are_exact(tmp_path: Path) -> None:
    """Memos, peeks, overrides, deviations and states, counted by hand."""
    clock = Hands()
    for i in range(6):
        what = plan(f"e{i}")
        ledger = shipped(tmp_path, what, clock=clock, outcome=["ship", "ship none", "iterate"][i % 3], follows_rule=i != 4)
        for _ in range(i):
            ledger.append("peeked", {"n": 10, "reason": "curious"}, by="ana")
        if i in (0, 1):
            ledger.append("memo", {})
    running = plan("running")
    folder = create(tmp_path, "running")
    running.save(folder / PLAN)
    ledger = Ledger(folder / LEDGER, clock=clock)
    ledger.append("registered", {"plan": running.to_dict(), "plan_digest": running.digest})
    changed = running.changed(title="Another")
    ledger.append(
        "amended",
        {
            "plan": changed.to_dict(),
            "plan_digest": changed.digest,
            "reason": "typo",
            "knowledge": "effects seen",
            "changes": [{"pointer": "/title", "before": running.title, "after": "Another"}],
        },
    )
    (tmp_path / "broken").mkdir()
    found = portfolio(tmp_path, clock=Hands(SHIPPED + timedelta(days=70)))
    assert found.without_memo == ("e2", "e3", "e4", "e5", "running")
    assert found.silent == found.without_memo
    assert found.peeks == 15
    assert found.overrides == ("e4",)
    assert found.deviations == {"amendment after outcomes": 1}
    assert [k for k, _ in found.broken] == ["broken"]
    assert {x.key: x.watch for x in found.lines if x.watch} == {"e0": "overdue", "e3": "overdue"}
    rate, low, high = found.win_rate or (0, 0, 0)
    assert rate == pytest.approx(2 / 6)
    assert 0 < low < rate < high < 1
    json.dumps(found.to_dict(), allow_nan=False)
    assert "silent" in found._repr_html_()


def test_forecast_and_outcome(tmp_path: Path) -> None:
    """Forecasts are compared with the frozen readouts; a readout that was changed afterwards does not count."""
    clock = Hands()
    for i, (lift, se) in enumerate([(0.05, 0.01), (0.01, 0.01), (0.04, 0.02)]):
        what = plan(f"e{i}")
        folder = create(tmp_path, what.key)
        mark = readout(folder, lift=lift, se=se)
        shipped(tmp_path, what, clock=clock, readout_digest=mark)
    tampered = plan("tampered")
    folder = create(tmp_path, "tampered")
    mark = readout(folder, lift=0.5, se=0.01)
    shipped(tmp_path, tampered, clock=clock, readout_digest=mark)
    readout(folder, lift=0.9, se=0.01)
    found = portfolio(tmp_path, clock=clock)
    assert [o.covered for o in found.outcomes] == [True, False, True]
    assert found.forecast_coverage == (2, 3)
    assert found.forecast_ratio == pytest.approx((0.05 + 0.01 + 0.04) / 0.15)
    assert found.shrinkage is not None


@pytest.mark.parametrize("audience", ["director", "cv"])
def test_the_programme_in_two_sentences_says_what_its_ledgers_say(audience: str, tmp_path: Path, capsys: Any) -> None:
    """Each number of both sentences, counted by hand and by the estimator; what was planned after the data counts in none."""
    clock = Hands()
    lifts = [(0.05, 0.01), (0.01, 0.01), (0.04, 0.02), (-0.01, 0.02), (0.03, 0.01)]
    outcomes = ["ship", "ship none", "ship", "iterate", "ship none"]
    for i, ((lift, se), outcome) in enumerate(zip(lifts, outcomes, strict=True)):
        what = plan(f"e{i}")
        mark = readout(create(tmp_path, what.key), lift=lift, se=se)
        shipped(tmp_path, what, clock=clock, readout_digest=mark, outcome=outcome, follows_rule=i != 4)
    found = portfolio(tmp_path, clock=clock)
    late = replace(found.lines[0], planned_after="PLANNED AFTER THE DATA", follows_rule=False)
    first, second = replace(found, lines=(*found.lines, late)).programme(audience)
    begins = "Ran" if audience == "cv" else "The programme ran"
    assert first == (
        f"{begins} 5 experiments with plans registered before the data: 2 shipped, 2 stopped and 1 to iterate; "
        "1 decided against the rule fixed before launch."
    )
    worth = shrink(found.outcomes)
    assert worth is not None
    expected = f"{100 * worth.expected:+.1f}\u202f%".replace("-", "\u2212")
    assert second == (
        f"Allowing for the luck of winners, the lifts shipped add up to {expected} (as found: +9.0\u202f%, 2 shipped variants)."
    )
    assert main(["brief", "--root", str(tmp_path), "--for", audience]) == 0
    assert capsys.readouterr().out.strip() == " ".join(found.programme(audience))


def test_a_programme_without_three_lifts_says_that_its_worth_is_not_known(tmp_path: Path) -> None:
    shipped(tmp_path, plan("e0"), clock=Hands())
    first, second = portfolio(tmp_path).programme("cv")
    assert first.startswith("Ran 1 experiment with")
    assert "can't be said yet" in second


Draw = Callable[[np.random.Generator, int], Any]
WORLDS: dict[str, Draw] = {
    "normal": lambda rng, n: rng.normal(0.005, 0.02, n),
    "few wins among nulls": lambda rng, n: np.where(rng.random(n) < 0.8, 0.0, rng.normal(0.04, 0.015, n)),
    "heavy tails": lambda rng, n: 0.005 + 0.012 * rng.standard_t(3, n),
}


def _world(rng: np.random.Generator, draw: Draw) -> tuple[Any, Any, Any, Any]:
    """500 experiments: truth, standard errors, lifts, and which were shipped."""
    truth = draw(rng, 500)
    se = rng.uniform(0.008, 0.03, 500)
    lift = truth + rng.normal(0, 1, 500) * se
    return truth, se, lift, lift / se > 1.96


def _shrunk(se: Any, lift: Any, wins: Any) -> Shrinkage:
    found = shrink(
        PastOutcome(f"e{i}", "m", "b", "increase", 0.02, lift[i], None, None, se[i], bool(wins[i])) for i in range(len(lift))
    )
    assert found is not None
    return found


@pytest.mark.parametrize("world", WORLDS)
def test_shrinkage_meets_the_truth(world: str) -> None:
    """Thirty portfolios with known truth: unbiased whatever the truth's distribution, while what was reported is too high."""
    rng = np.random.default_rng(8)
    errors, reported = [], []
    for _ in range(30):
        truth, se, lift, wins = _world(rng, WORLDS[world])
        found = _shrunk(se, lift, wins)
        errors.append((found.expected - truth[wins].sum()) / found.reported)
        reported.append((found.reported - truth[wins].sum()) / found.reported)
    assert abs(np.mean(errors)) < 0.03
    assert np.std(errors) < 0.08
    assert np.mean(reported) > 0.2


def test_shrinkage_is_nearly_as_good_as_knowing_the_prior() -> None:
    """Within 10 % of the truth in most portfolios; with the true prior in hand the same sums are within 10 % in 96 %."""
    rng = np.random.default_rng(8)
    ours, oracle = [], []
    for _ in range(60):
        truth, se, lift, wins = _world(rng, WORLDS["normal"])
        best = 0.005 + 0.02**2 / (0.02**2 + se**2) * (lift - 0.005)
        ours.append(_shrunk(se, lift, wins).expected / truth[wins].sum())
        oracle.append(best[wins].sum() / truth[wins].sum())
    within = [np.mean(np.abs(np.array(r) - 1) < 0.10) for r in (ours, oracle)]
    assert within[1] > 0.9
    assert within[0] > 0.8
    assert np.mean(ours) == pytest.approx(1.0, abs=0.02)


def test_good_direction_counts() -> None:
    """For a metric that should fall, a fall is a gain."""
    base = [PastOutcome(f"e{i}", "m", "b", "decrease", -0.02, -0.03 - i / 100, None, None, 0.01, True) for i in range(4)]
    found = shrink(base)
    assert found is not None
    assert found.reported == pytest.approx(0.18)
    assert found.expected > 0


def test_too_few_lifts_have_no_answer() -> None:
    """Two experiments say nothing about a population; a missing standard error is left out."""
    one = PastOutcome("a", "m", "b", "increase", None, 0.1, None, None, 0.01, True)
    assert shrink([one, replace(one, key="b"), replace(one, key="c", se=None)]) is None


def test_empty_root(tmp_path: Path) -> None:
    """No folder, no experiments, no error."""
    found = portfolio(tmp_path / "none")
    assert found.lines == ()
    assert found.win_rate is None
    assert "0 experiments" in repr(found)


def test_real_experiments_feed_the_portfolio(tmp_path: Path) -> None:
    """Registered, read, decided and shipped by the facade: lifts, forecasts and the watch are found."""
    from tests.decide import sealed
    from xpbench.experiment import register

    clock = Hands()
    for i in range(3):
        what = sealed.plan(
            key=f"real-{i}",
            hypothesis={"if": "a", "then": [{"metric": "done", "direction": "increase", "lift": 0.1}], "because": "b"},
            watch={"weeks": 2, "metrics": ["errors"], "owner": "growth", "check_days": [7]},
        )
        experiment = register(what, tmp_path, clock=clock)
        opened = experiment.readout(sealed.summary(4000, effect=0.1 + i / 20, seed=i))
        experiment.decide(opened, "ship", variant="b", because="the rule", by="ana")
    found = portfolio(tmp_path, clock=Hands(SHIPPED + timedelta(days=8)))
    assert {x.watch for x in found.lines} == {"overdue"}
    assert [o.forecast for o in found.outcomes] == [0.1, 0.1, 0.1]
    assert all(o.se and o.shipped for o in found.outcomes)
    assert found.shrinkage is not None
    assert found.shrinkage.shipped == 3
    assert {s.state for s in (register_status(tmp_path, f"real-{i}", clock) for i in range(3))} == {"decided"}


def register_status(root: Path, key: str, clock: Hands) -> object:
    """Status of a registered experiment, by the facade."""
    from xpbench.experiment import open_experiment

    return open_experiment(key, root, clock=clock).status()
