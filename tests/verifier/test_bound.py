"""A memo whose payload says otherwise than its own ledger, or than its own units, does not verify."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest

import xpbench as xp
from tests.decide.sealed import plan, summary
from tests.memo.making import PLAN, decided, summary_of
from xpbench.canonical import canonical_bytes, digest
from xpbench.decide.looks import crossing_rate as crossing_of
from xpbench.stats.spending import spending_bounds
from xpbench.stats.srm import srm, srm_anytime, srm_spending
from xpbench.verifier import ratio
from xpbench.verifier.boundaries import bounds_of, crossing_rate


@pytest.fixture(scope="module")
def payload(tmp_path_factory):
    experiment = xp.register(plan(), tmp_path_factory.mktemp("bound"), by="Ana")
    experiment.readout(summary(4000), by="Ana")
    readout = experiment.readout(summary(5000), by="Ana")
    advice = readout.recommendation
    experiment.decide(readout, advice.outcome, variant=advice.variant or None, because="As planned.", by="Ana")
    return experiment.memo().payload


def parts(payload, tmp_path):
    path = tmp_path / "memo.json"
    path.write_bytes(canonical_bytes(dict(payload)) + b"\n")
    return {d.part for d in xp.verify(path).differences}


def changed(payload, change):
    made = copy.deepcopy(json.loads(canonical_bytes(dict(payload))))
    change(made["readout"])
    return made


def test_an_honest_payload_holds(payload, tmp_path):
    assert parts(payload, tmp_path) == set()


def passed(readout):
    loud = next(c for c in readout["health"] if c["status"] == "pass")
    loud["status"] = "warn"


def ungated(readout):
    next(c for c in readout["health"] if c["name"] == "srm")["gate"] = False


def moved(readout):
    readout["summary"]["units"]["a"] += 700
    readout["summary"]["units"]["b"] -= 700


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (passed, "look, health as shown"),
        (passed, "look, health checks that warn"),
        (ungated, "health, srm, is a gate"),
        (moved, "health, sample ratio"),
        (moved, "look, summary as shown"),
    ],
)
def test_what_was_changed_after_the_look_is_named(payload, tmp_path, change, part):
    assert part in parts(changed(payload, change), tmp_path)


def test_another_look_than_the_decision_names_is_a_difference(payload, tmp_path):
    made = json.loads(canonical_bytes(dict(payload)))
    look = json.loads(made["ledger"]["lines"][1])
    made["readout"]["at"] = look["at"]
    assert "decision, look that it rests on" in parts(made, tmp_path)


@pytest.mark.parametrize("counts", [[1000, 1000], [1000, 1100], [3, 9], [0, 40], [5000, 5300]])
def test_the_sample_ratio_is_computed_as_the_engine_does(counts):
    assert ratio._ratio(counts, [0.5, 0.5]) == pytest.approx(srm(counts, [1, 1]).p_value, rel=1e-9)
    days = [[c // 4 for c in counts], [c // 2 for c in counts]]
    running = [days[0], [a + b for a, b in zip(*days, strict=True)]]
    ours = ratio._mixture(running, [0.5, 0.5], ratio.CONCENTRATION)
    assert list(ratio._running(days)) == running
    assert ours == pytest.approx(float(srm_anytime(running, [1, 1], k=ratio.CONCENTRATION)[-1]), rel=1e-9)


LEVELS = (0.001, 0.01)


def test_the_daily_sample_ratio_spends_its_level_as_the_engine_does():
    """Two and three variants, in step and out of it, before and after the horizon."""
    generator = np.random.default_rng(3)
    said = set()
    for _ in range(70):
        share = [[0.5, 0.5], [0.2, 0.3, 0.5], [0.1, 0.9]][int(generator.integers(3))]
        tilted = np.array(share) * np.array([1 + float(generator.choice([0, 0.03, 0.06, 0.12])), *[1.0] * (len(share) - 1)])
        days = int(generator.integers(3, 30))
        counts = np.cumsum(generator.multinomial(int(generator.integers(30, 900)), tilted / tilted.sum(), size=days), axis=0)
        progress = [(d + 1) / 20 for d in range(days)]
        p = float(srm_spending(counts, share, progress=progress, levels=LEVELS)[-1])
        status = "fail" if p < LEVELS[0] else "warn" if p < LEVELS[1] else "pass"
        assert status in ratio._daily([list(map(int, c)) for c in counts], share, progress, LEVELS)
        said.add(status)
    assert said == {"pass", "warn", "fail"}


def test_boundaries_and_crossings_are_those_of_the_engine():
    information = [(i + 1) / 40 for i in range(40)]
    spent = [0.00098 * t**3 for t in information]
    assert bounds_of(spent, information) == pytest.approx(spending_bounds(spent, information), rel=1e-6)
    assert crossing_rate([0.25, 0.5, 0.9, 1.0], 0.05) == pytest.approx(crossing_of([250, 500, 900, 1000], 0.05), rel=1e-7)


def test_an_alarm_of_the_daily_test_verifies(tmp_path):
    """Units are lost for some days: what the test that spends up to the horizon says of it is computed again."""
    base = summary_of(20_000)
    by_day = {}
    for i, (day, n) in enumerate(base.exposures_by_day.items()):
        by_day[day] = {"control": n["control"] + (25 if i < 14 else 0), "beta": n["beta"] - (25 if i < 14 else 0)}
    units = {v: sum(n[v] for n in by_day.values()) for v in ("control", "beta")}
    cells = tuple(c for c in base.cells if not c.dimension)
    experiment = decided(
        tmp_path,
        summary=replace(base, exposures_by_day=by_day, units=units, segments={}, cells=cells),
        plan={**PLAN, "segments": []},
    )
    memo = experiment.memo()
    statuses = {c["name"]: c["status"] for c in memo.to_dict()["readout"]["health"]}
    assert statuses["srm_anytime"] == "fail"
    running = ratio._running([[n["control"], n["beta"]] for n in by_day.values()])
    assert ratio._mixture(list(running), [0.5, 0.5], 100.0) > 0.001  # which would have warned
    assert xp.verify(memo.save(tmp_path / "memo.html")).exit_code == 0


def test_digests_of_the_look_are_those_of_the_payload(payload):
    body = json.loads(payload["ledger"]["lines"][2])["body"]
    readout = payload["readout"]
    assert body["shown"] == {part: digest(readout[part]) for part in ("summary", "health", "rows")}
