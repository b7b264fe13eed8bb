"""The randomiser of a plan: splits, groups, layers, holdouts, overrides, sticky variants, and containers."""

from __future__ import annotations

import warnings
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixpanel.flags.utils import normalized_hash

import xpbench as xp
from tests.randomiser.plans import plan_of
from xpbench.errors import AssignError
from xpbench.ledger.clock import fixed_clock
from xpbench.randomiser.assigning import assignments
from xpbench.randomiser.changes import check_layers, compare_plans
from xpbench.randomiser.flags import AssignWarning
from xpbench.randomiser.hashing import uniform
from xpbench.randomiser.plan_randomiser import Randomiser
from xpbench.randomiser.single import SCALE, exact, threshold
from xpbench.randomiser.sticky import AssignmentStore

IDS = [f"u{i}" for i in range(20_000)]


def test_variant_is_the_interval_that_the_number_falls_into() -> None:
    plan = plan_of(splits=(0.3333, 0.3333, 0.3334))
    drawn = uniform(IDS, salt="beta-homepage-2026-11")
    expected = np.where(drawn < 0.3333, "control", np.where(drawn < 0.6666, "beta", "gamma"))
    np.testing.assert_array_equal(xp.assign(plan, np.array(IDS)), expected)


def test_hundredths_of_a_percent_are_kept() -> None:
    plan = plan_of(splits=(0.9999, 0.0001))
    found = assignments(plan, np.arange(500_000)).counts()
    assert 20 <= found["beta"] <= 85
    assert Randomiser(plan).thresholds() == (threshold(Fraction(9999, 10_000)), SCALE)


@given(st.integers(0, SCALE - 1), st.integers(1, 9999))
@settings(max_examples=300, deadline=None)
def test_integer_thresholds_are_exact(k: int, split: int) -> None:
    share = Fraction(split, 10_000)
    assert (k < threshold(share)) == (Fraction(k, SCALE) < share)
    assert exact(split / 10_000) == share


def test_rollout_is_independent_of_the_variant() -> None:
    plan = plan_of(rollout=[{"key": "all", "share": 0.05}])
    found = assignments(plan, np.arange(400_000))
    served = found.counts()
    assert sum(served.values()) == pytest.approx(20_000, rel=0.05)
    assert served["beta"] / sum(served.values()) == pytest.approx(0.5, abs=0.015)


def test_groups_are_independent_of_each_other() -> None:
    plan = plan_of(rollout=[{"key": "one", "share": 0.5}, {"key": "two", "share": 0.5}])
    found = assignments(plan, np.arange(200_000))
    first, second = (found.groups == 0).mean(), (found.groups == 1).mean()
    assert first == pytest.approx(0.5, abs=0.01)
    assert second == pytest.approx(0.25, abs=0.01)


@given(st.lists(st.integers(0, 100), min_size=2, max_size=6))
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("hash_", ["sha256", "mixpanel"])
def test_a_rising_rollout_reassigns_nobody(hash_: str, percents: list[int]) -> None:
    extra = {"hash": hash_, **({"hash_salt": "ab" * 16} if hash_ == "mixpanel" else {})}
    before: Any = None
    for percent in sorted(percents):
        now = assignments(plan_of(rollout=[{"key": "all", "share": percent / 100}], **extra), IDS[:2000]).codes
        if before is not None:
            assert (now[before >= 0] == before[before >= 0]).all()
        before = now


def test_targeting_cohorts_overrides_and_group_splits() -> None:
    plan = plan_of(
        rollout=[
            {"key": "testers", "share": 1.0, "cohort": "beta-testers", "variant": "beta"},
            {"key": "uk", "share": 1.0, "where": {"==": [{"var": "country"}, "uk"]}, "splits": {"control": 0.0, "beta": 1.0}},
            {"key": "rest", "share": 1.0, "splits": {"control": 1.0, "beta": 0.0}},
        ],
        overrides={"u3": "beta"},
    )
    found = assignments(
        plan,
        ["u0", "u1", "u2", "u3", None],
        properties={"country": ["DE", "UK", None, "DE", "UK"]},
        cohorts={"beta-testers": ["u0", "zzz"]},
    )
    assert found.variants().tolist() == ["beta", "beta", "control", "beta", None]
    assert [found.reason_names[r] for r in found.reasons] == ["served", "served", "served", "override", "null_id"]
    assert found.groups.tolist() == [0, 1, 2, -1, -1]
    assert found.to_dict()["groups"] == {"testers": 1, "uk": 1, "rest": 1}


def test_a_group_that_needs_something_says_so() -> None:
    plan = plan_of(rollout=[{"key": "uk", "share": 1.0, "where": {"==": [{"var": "country"}, "uk"]}}])
    with pytest.raises(AssignError, match="XPB-A12"):
        xp.assign(plan, ["a"])
    plan = plan_of(rollout=[{"key": "t", "share": 1.0, "cohort": "testers"}])
    with pytest.raises(AssignError, match="testers"):
        xp.assign(plan, ["a"])


def test_layers_share_no_unit_and_are_orthogonal_to_other_layers() -> None:
    layer = {"key": "homepage", "salt": "homepage-2026"}
    one = plan_of(salt="one", layer={**layer, "start": 0.0, "end": 0.4})
    two = plan_of(salt="two", layer={**layer, "start": 0.4, "end": 1.0})
    other = plan_of(salt="three", layer={"key": "search", "salt": "search-2026", "start": 0.0, "end": 0.5})
    ids = np.arange(200_000)
    a, b, c = (assignments(p, ids).codes >= 0 for p in (one, two, other))
    assert not (a & b).any()
    assert (a | b).all()
    assert a.mean() == pytest.approx(0.4, abs=0.005)
    assert (a & c).mean() == pytest.approx(a.mean() * c.mean(), abs=0.004)
    assert check_layers([one, two, other]) == ()


def test_overlapping_and_odd_layers_are_found() -> None:
    def made(key: str, start: float, end: float, salt: str = "s", **more: Any) -> Any:
        return plan_of(key=key, salt=key, layer={"key": "l", "salt": salt, "start": start, "end": end}, **more)

    (found,) = check_layers([made("a", 0.0, 0.5), made("b", 0.49, 1.0)])
    assert (found.name, found.level, found.numbers["start"], found.numbers["end"]) == (
        "layer_ranges_overlap",
        "fail",
        0.49,
        0.5,
    )
    found = check_layers([made("a", 0.0, 0.5), made("b", 0.5, 1.0, salt="t")])
    assert [f.name for f in found] == ["layer_salts_differ"]
    hold = [
        made(k, s, e, holdout={"key": "h", "salt": "hs", "share": x}) for k, s, e, x in (("a", 0, 0.5, 0.1), ("b", 0.5, 1, 0.2))
    ]
    assert [f.name for f in check_layers(hold)] == ["holdouts_differ"]


@pytest.mark.parametrize("hash_", ["sha256", "mixpanel"])
def test_holdout_is_the_same_for_every_experiment(hash_: str) -> None:
    holdout = {"key": "h", "salt": "hold", "share": 0.1}
    found = [assignments(plan_of(salt=s, hash=hash_, holdout=holdout), IDS) for s in ("one", "two")]
    held = [f.reasons == f.reason_names.index("holdout") for f in found]
    np.testing.assert_array_equal(held[0], held[1])
    assert held[0].mean() == pytest.approx(0.1, abs=0.01)


def test_mixpanel_plans_hash_as_the_sdk() -> None:
    plan = plan_of(hash="mixpanel", hash_salt="f" * 32, salt="home", rollout=[{"key": "all", "share": 0.4}])
    expected = []
    for unit in IDS[:500]:
        if normalized_hash(unit, "home" + "f" * 32 + "0") < 0.4:
            expected.append("beta" if normalized_hash(unit, "home" + "f" * 32 + "variant") < 0.5 else "control")
        else:
            expected.append(None)
    assert xp.assign(plan, IDS[:500]) == expected


@pytest.mark.parametrize(
    ("make", "kind"),
    [(list, list), (np.array, np.ndarray), (pd.Series, pd.Series), (pl.Series, pl.Series), (pa.array, pa.Array)],
)
def test_array_in_array_out(make: Any, kind: type) -> None:
    found = xp.assign(plan_of(), make(["a", "b", "c"]))
    assert isinstance(found, kind)
    values = found.to_pylist() if isinstance(found, pa.Array) else list(found)
    assert values == xp.assign(plan_of(), ["a", "b", "c"])


def test_series_keep_their_index_and_null_becomes_none() -> None:
    ids = pd.Series(["a", None, "c"], index=[10, 20, 30])
    with pytest.warns(AssignWarning, match="1 of 3 ids are null"):
        found = xp.assign(plan_of(), ids)
    assert found.index.tolist() == [10, 20, 30]
    assert found.iloc[1] is None


def test_a_frame_brings_its_properties() -> None:
    plan = plan_of(rollout=[{"key": "uk", "share": 1.0, "where": {"==": [{"var": "country"}, "UK"]}}])
    frame = pl.DataFrame({"distinct_id": ["a", "b"], "country": ["uk", "de"]})
    found = xp.assign(plan, frame)
    assert isinstance(found, pl.Series)
    assert [v is None for v in found] == [False, True]
    with pytest.raises(AssignError, match=r"distinct_id.*XPB-A13"):
        xp.assign(plan, pl.DataFrame({"distinct": ["a"]}))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"splits": (0.5, 0.4)}, "XPB-A05"),
        ({"rollout": [{"key": "a", "share": 1.0, "splits": {"beta": 0.9}}]}, "XPB-A05"),
        ({"rollout": [{"key": "a", "share": 1.0, "variant": "betta"}]}, "XPB-A19"),
        ({"overrides": {"u": "nobody"}}, "XPB-A19"),
    ],
)
def test_bad_plans_are_refused(change: dict[str, Any], code: str) -> None:
    with pytest.raises(AssignError) as caught:
        xp.assign(plan_of(**change), ["a"])
    assert caught.value.code == code


def test_two_controls_doubled_variants_and_no_assignment_are_refused() -> None:
    data = plan_of().to_dict()
    for variants, code in (
        ([{"key": "a", "split": 0.5, "control": True}, {"key": "b", "split": 0.5, "control": True}], "XPB-A06"),
        ([{"key": "a", "split": 0.5, "control": True}, {"key": "a", "split": 0.5}], "XPB-A07"),
    ):
        with pytest.raises(AssignError) as caught:
            xp.assign(xp.Plan(**{**data, "variants": variants}), ["a"])
        assert caught.value.code == code
    with pytest.raises(AssignError, match="XPB-A04"):
        xp.assign(xp.Plan(**{k: v for k, v in data.items() if k != "assignment"}), ["a"])
    with pytest.raises(AssignError, match="XPB-A08"):
        xp.assign({"key": "x"}, ["a"])


def test_assign_stays_callable_after_its_parts_are_imported() -> None:
    import xpbench.randomiser.flags
    import xpbench.randomiser.hashing as hashing

    assert hashing.SCALE == 2**52
    assert xpbench.randomiser.flags is not None
    assert xp.assign(plan_of(), ["a"]) == xpbench.assign(plan_of(), ["a"])


def test_control_is_never_sticky_unless_the_plan_says_so() -> None:
    for sticky, kept_control in (("treatments", False), ("all", True), ("no", False)):
        store = AssignmentStore(clock=fixed_clock("2026-11-02T00:00:00"))
        first = assignments(plan_of(sticky=sticky), IDS[:1000], store=store).variants()
        again = assignments(plan_of(sticky=sticky, splits=(0.1, 0.9)), IDS[:1000], store=store).variants()
        beta = first == "beta"
        if sticky != "no":
            assert (again[beta] == "beta").all()
        else:
            assert store.counts("beta-homepage") == {}
        assert ((again[~beta] == "control").all()) == kept_control
        out = assignments(plan_of(sticky=sticky, rollout=[{"key": "none", "share": 0.0}]), IDS[:1000], store=store)
        kept = np.zeros(1000, bool) if sticky == "no" else (first == "beta") | (again == "beta") | kept_control
        assert ((out.codes >= 0) == kept).all()


def test_store_survives_reopening_and_forgets_on_request(tmp_path: Any) -> None:
    path = tmp_path / "sticky.db"
    plan = plan_of(sticky="all")
    store = AssignmentStore(path)
    first = assignments(plan, IDS[:50_0], store=store).variants()
    store.close()
    again = AssignmentStore(path)
    moved = assignments(plan_of(sticky="all", salt="other"), IDS[:500], store=again)
    assert (moved.variants() == first).all()
    assert moved.reason_counts() == {"sticky": 500}
    assert again.forget("beta-homepage", IDS[:10]) == 10
    assert sum(again.counts("beta-homepage").values()) == 490
    assert "sticky.db" in repr(again)


def test_changes_are_counted_unit_by_unit() -> None:
    low = plan_of(rollout=[{"key": "all", "share": 0.2}])
    high = plan_of(rollout=[{"key": "all", "share": 0.4}])
    ramp = compare_plans(low, high, IDS)
    assert ramp.is_ramp
    assert ramp.joined == pytest.approx(4000, abs=400)
    back = compare_plans(high, low, IDS)
    assert not back.is_ramp
    assert back.left == ramp.joined
    moved = compare_plans(plan_of(), plan_of(splits=(0.4, 0.6)), IDS)
    assert moved.reassigned == pytest.approx(2000, abs=200)
    assert moved.to_dict()["is_ramp"] is False
    assert "leave or change" in moved._repr_html_()


def test_nothing_warns_without_nulls() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xp.assign(plan_of(), IDS[:10])
