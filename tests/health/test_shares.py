"""Expected shares come from the randomiser itself; a real audit and a real flag feed their checks."""

from __future__ import annotations

import numpy as np
import pytest

import xpbench as xp
from tests.health.worlds import N, event_plan, healthy, summary
from xpbench.health import run_checks
from xpbench.health.shares import bucket_shares, expected_shares
from xpbench.randomiser.definitions import read_flag

THIRDS = [
    {"key": "control", "split": 0.3333, "control": True},
    {"key": "beta", "split": 0.3333},
    {"key": "gamma", "split": 0.3334},
]


def test_hundred_buckets_give_34_33_33() -> None:
    """A healthy experiment with a hundred buckets is not called broken for having 34/33/33."""
    plan = event_plan(variants=THIRDS, assignment={"hash": "mixpanel", "hash_salt": "a" * 32})
    shares = bucket_shares(plan)
    assert sorted((shares or {}).values()) == [0.33, 0.33, 0.34]
    counts = {k: round(v * 1_000_000) for k, v in (shares or {}).items()}
    inputs = healthy(
        plan=plan, flag=None, assigned=None, previous=None, summary=summary(units=counts, exposures_by_day={}, segments={})
    )
    checks = {c.name: c.status for c in run_checks(inputs, only=["srm", "flag_split"])}
    assert checks == {"srm": "pass", "flag_split": "warn"}
    naive = healthy(plan=event_plan(variants=THIRDS), flag=None, summary=inputs.summary)
    assert run_checks(naive, only=["srm"])[0].status == "fail"


def test_groups_with_their_own_splits_have_no_expected_share() -> None:
    """One group at 90/10 makes the overall share unknowable: not answerable instead of a false alarm."""
    groups = [
        {"key": "staff", "share": 1.0, "splits": {"control": 0.1, "beta": 0.9}},
        {"key": "everyone", "share": 1.0},
    ]
    inputs = healthy(plan=event_plan(assignment={"rollout": groups}), flag=None)
    assert expected_shares(inputs).reason
    names = ["srm", "srm_anytime", "srm_by_day", "srm_by_segment"]
    assert {c.status for c in run_checks(inputs, only=names)} == {"not answerable"}


def test_flag_from_its_definition() -> None:
    """A flag as Mixpanel serves it is compared with the plan."""
    definition = {
        "id": "1", "name": "Beta", "key": "beta-homepage", "status": "enabled", "project_id": 1, "context": "distinct_id",
        "ruleset": {
            "variants": [
                {"key": "control", "value": "c", "is_control": True, "split": 0.6},
                {"key": "beta", "value": "b", "is_control": False, "split": 0.4},
            ],
            "rollout": [{"rollout_percentage": 1.0}],
        },
    }  # fmt: skip
    (check,) = run_checks(healthy(flag=read_flag(definition)), only=["flag_split"])
    assert check.status == "fail"
    assert check.evidence["largest_gap"] == pytest.approx(0.1)


def test_real_audit_feeds_the_check() -> None:
    """A clean log passes; a log with swapped rows fails and names the cause."""
    plan = event_plan(assignment={"hash": "sha256", "salt": "s1"})
    ids = np.array([f"u{i}" for i in range(4000)])
    variants = np.asarray(xp.assign(plan, ids), dtype=object)
    clean = xp.audit(plan, {"distinct_id": ids, "Variant name": variants})
    assert run_checks(healthy(audit=clean), only=["assignment_audit"])[0].status == "pass"
    other = np.asarray(xp.assign(event_plan(assignment={"hash": "sha256", "salt": "s2"}), ids), dtype=object)
    wrong = xp.audit(plan, {"distinct_id": ids, "Variant name": np.where(np.arange(4000) < 400, other, variants)})
    (check,) = run_checks(healthy(audit=wrong), only=["assignment_audit"])
    assert check.blocks
    assert check.evidence["mismatches"] == wrong.disagreeing
    assert 100 < wrong.disagreeing < N
