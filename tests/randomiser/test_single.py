"""One unit without arrays: the same variant as the columns give, and at the price of the SDK's own evaluation."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mixpanel.flags.local_feature_flags import LocalFeatureFlagsProvider
from mixpanel.flags.types import ExperimentationFlag, LocalFlagsConfig, SelectedVariant

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.errors import AssignError
from xpbench.plan import Plan
from xpbench.randomiser.single import Single

SHARES = st.sampled_from([0.0, 0.07, 0.1, 1 / 3, 0.5, 0.999, 1.0])
HASHES = [{"hash": "sha256", "salt": "s"}, {"hash": "mixpanel"}, {"hash": "mixpanel", "hash_salt": "abc"}]


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    keys = draw(st.permutations(["control", "Beta", "gamma", "alpha"]))[: draw(st.integers(2, 4))]
    if "control" not in keys:
        keys = ["control", *keys[1:]]
    weights = [draw(st.integers(0, 9)) for _ in keys]
    weights[0] += 1
    splits = [w / sum(weights) for w in weights]
    rollout: list[dict[str, Any]] = []
    for number in range(draw(st.integers(1, 3))):
        group: dict[str, Any] = {"key": f"g{number}", "share": draw(SHARES)}
        kind = draw(st.sampled_from(["plain", "fixed", "splits"]))
        if kind == "fixed":
            group["variant"] = draw(st.sampled_from(keys))
        if kind == "splits":
            group["splits"] = dict(zip(keys, reversed(splits), strict=True))
        rollout.append(group)
    assignment: dict[str, Any] = {**draw(st.sampled_from(HASHES)), "rollout": rollout}
    if draw(st.booleans()):
        assignment["holdout"] = {"key": "h", "salt": "hs", "share": draw(st.sampled_from([0.1, 0.5]))}
    if draw(st.booleans()):
        assignment["layer"] = {"key": "l", "salt": "ls", "start": 0.2, "end": draw(st.sampled_from([0.5, 0.9, 1.0]))}
    if draw(st.booleans()):
        assignment["overrides"] = {"u1": keys[-1], "7": keys[0]}
    variants = [{"key": k, "split": s, "control": k == "control"} for k, s in zip(keys, splits, strict=True)]
    return make_plan(variants=variants, assignment=assignment)


@given(plans(), st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), max_size=20))
def test_it_is_what_assign_gives(plan: Plan, others: list[str]) -> None:
    units = [f"u{i}" for i in range(40)] + ["7", str(UUID(int=9)), *others]
    single = Single(plan)
    assert [single(u) for u in units] == list(xp.assign(plan, units))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"assignment": None}, "XPB-A04"),
        ({"assignment": {"rollout": [{"key": "g", "share": 1.0, "cohort": "c"}]}}, "XPB-A12"),
        ({"assignment": {"rollout": [{"key": "g", "share": 1.0, "where": {"==": [{"var": "a"}, 1]}}]}}, "XPB-A12"),
        ({"assignment": {"overrides": {"u": "nobody"}}}, "XPB-A19"),
    ],
)
def test_a_plan_that_can_not_assign_says_why(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(AssignError, match=code):
        Single(make_plan(**changes))


def test_it_needs_no_numbers() -> None:
    code = "import sys, xpbench.randomiser.single; print([m for m in ('numpy', 'pyarrow', 'narwhals') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_it_costs_at_most_twice_the_evaluation_of_the_sdk() -> None:
    definition = {
        "id": "1", "name": "f", "key": "f", "status": "enabled", "context": "distinct_id", "hash_salt": "abc",
        "project_id": 1,
        "ruleset": {
            "variants": [
                {"key": "beta", "value": "beta", "is_control": False, "split": 0.5},
                {"key": "control", "value": "control", "is_control": True, "split": 0.5},
            ],
            "rollout": [{"rollout_percentage": 1.0}],
        },
    }  # fmt: skip
    provider = LocalFeatureFlagsProvider("token", LocalFlagsConfig(enable_polling=False), "5.4.1", lambda *a: None)
    provider._flag_definitions = {"f": ExperimentationFlag.from_dict(definition)}
    fallback = SelectedVariant(variant_value=None)
    units = [f"user-{i}" for i in range(2000)]

    def sdk() -> list[Any]:
        return [provider.get_variant("f", fallback, {"distinct_id": u}, report_exposure=False).variant_key for u in units]

    def timed(work: Any) -> float:
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            work()
            best = min(best, time.perf_counter() - start)
        return best / len(units)

    plans_ = [make_plan(assignment={**h, "salt": "f"}) for h in HASHES]
    singles = [Single(p) for p in plans_]
    try:
        theirs = timed(sdk)
        ours = [timed(lambda s=s: [s(u) for u in units]) for s in singles]
        assert max(ours) <= 2 * theirs, (ours, theirs)
        assert [singles[2](u) for u in units] == sdk()
    finally:
        provider._sync_client.close()
