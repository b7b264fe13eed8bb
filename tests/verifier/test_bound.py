"""A memo whose payload says otherwise than its own ledger, or than its own units, does not verify."""

import copy
import json

import pytest

import xpbench as xp
from tests.decide.sealed import plan, summary
from xpbench.canonical import canonical_bytes, digest
from xpbench.stats.srm import srm, srm_anytime
from xpbench.verifier import bound


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
    assert bound._ratio(counts, [0.5, 0.5]) == pytest.approx(srm(counts, [1, 1]).p_value, rel=1e-9)
    days = [[c // 4 for c in counts], [c // 2 for c in counts]]
    running = [days[0], [a + b for a, b in zip(*days, strict=True)]]
    ours = bound._daily_ratio(days, [0.5, 0.5])
    assert ours == pytest.approx(float(srm_anytime(running, [1, 1], k=bound.CONCENTRATION)[-1]), rel=1e-9)


def test_digests_of_the_look_are_those_of_the_payload(payload):
    body = json.loads(payload["ledger"]["lines"][2])["body"]
    readout = payload["readout"]
    assert body["shown"] == {part: digest(readout[part]) for part in ("summary", "health", "rows")}
