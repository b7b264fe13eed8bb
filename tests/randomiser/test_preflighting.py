"""Preflight names every known defect of today's practice, with its numbers, and leaves a sound plan alone."""

from __future__ import annotations

import json
import unicodedata
import urllib.parse
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mixpanel.flags.utils import normalized_hash
from scipy import stats

import xpbench as xp
from tests.randomiser.plans import definition_of, plan_of
from xpbench.errors import AssignError
from xpbench.ledger import Ledger
from xpbench.randomiser.assigning import assignments
from xpbench.randomiser.definitions import read_flag
from xpbench.randomiser.flags import AssignWarning, load_flags
from xpbench.randomiser.hashing import uniform
from xpbench.randomiser.preflight.balance import balance
from xpbench.randomiser.preflight.preflighting import preflight
from xpbench.randomiser.seeds import RULE, find_salt

SALT = "0123456789abcdef" * 2
IDS = [f"user-{i}" for i in range(20_000)]


def flag(**changes: Any) -> Any:
    return read_flag(definition_of(**changes))


def names(report: Any) -> list[str]:
    return [f.name for f in report.findings]


@pytest.mark.parametrize(("share", "low", "high"), [(0.05, 0.39, 0.42), (0.1, 0.40, 0.43)])
def test_rollout_without_hash_salt_is_forty_sixty(share: float, low: float, high: float) -> None:
    report = preflight(flag(key="checkout", rollout=(share,)), IDS)
    finding = report.finding("rollout_without_hash_salt")
    assert finding is not None
    assert finding.level == "fail"
    assert low <= finding.numbers["forced"]["beta"] <= high  # the first variant by key
    assert finding.numbers["planned"]["beta"] == 0.5
    assert not report.ok
    # the prediction is what the SDK's own function does to other ids
    passing = [u for u in (f"x{i}" for i in range(100_000)) if normalized_hash(u, "checkoutrollout") < share]
    first = np.mean([normalized_hash(u, "checkoutvariant") < 0.5 for u in passing])
    assert first == pytest.approx(finding.numbers["forced"]["beta"], abs=0.03)


def test_the_same_rollout_with_hash_salt_is_fine() -> None:
    assert names(preflight(by_key(definition_of(rollout=(0.1,), hash_salt=SALT)), IDS)) == []


@pytest.mark.parametrize(
    ("rollout", "salt", "chance"),
    [((0.5, 0.5), SALT, 0.20), ((0.25, 0.25), SALT, 0.15), ((0.1, 0.1), SALT, 0.11), ((0.5, 0.5), None, 0.0)],
)
def test_rollout_groups_are_not_independent(rollout: tuple[float, ...], salt: str | None, chance: float) -> None:
    finding = preflight(flag(rollout=rollout, hash_salt=salt), IDS).finding("dependent_rollout_groups")
    assert finding is not None
    assert finding.numbers["chance"] == pytest.approx(chance, abs=0.006)
    assert finding.numbers["planned"] == rollout[1]


@pytest.mark.parametrize("share", [0.01, 0.02])
@pytest.mark.parametrize("salt", [SALT, None])
def test_tiny_rollouts(share: float, salt: str | None) -> None:
    report = preflight(flag(rollout=(share,), hash_salt=salt), IDS)
    assert report.finding("tiny_rollout") is not None


def test_thirds_in_a_hundred_buckets() -> None:
    finding = preflight(flag(splits=(1 / 3, 1 / 3, 1 / 3), hash_salt=SALT), IDS).finding("bucket_resolution")
    assert finding is not None
    assert list(finding.numbers["forced"].values()) == [0.34, 0.33, 0.33]


def test_splits_lost_to_float_addition() -> None:
    finding = preflight(flag(splits=(0.1,) * 10, hash_salt=SALT), IDS).finding("float_accumulation")
    assert finding is not None
    assert list(finding.numbers["forced"].values()) == [0.1, 0.1, 0.11, 0.09, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]


@pytest.mark.parametrize(("share", "served"), [(0.001, 0.01), (0.015, 0.02), (0.125, 0.13)])
def test_rollouts_between_whole_percents(share: float, served: float) -> None:
    finding = preflight(flag(rollout=(share,), hash_salt=SALT), IDS).finding("rollout_resolution")
    assert finding is not None
    assert finding.numbers["served"] == served


def test_correlated_flags_are_found_and_flags_of_other_length_are_not() -> None:
    one, same, other = (flag(key=k, hash_salt=s) for k, s in (("homepage", SALT), ("checkout", "f" * 32), ("cart", "f" * 32)))
    report = preflight(one, IDS, others=[one, same, other])
    assert [c.other for c in report.correlations] == ["checkout", "cart"]
    finding = report.finding("correlated_flags")
    assert finding is not None
    assert finding.numbers["other"] == "checkout"
    assert 0.005 < finding.numbers["forced"]["phi"] < 0.3
    assert names(report).count("correlated_flags") == 1


def test_salt_reuse() -> None:
    one, two = plan_of(key="one", salt="shared"), plan_of(key="two", salt="shared")
    finding = preflight(one, IDS, others=[two]).finding("salt_reuse")
    assert finding is not None
    assert finding.numbers["phi"] == pytest.approx(1.0)
    assert preflight(one, IDS, others=[plan_of(key="two", salt="own")]).findings == ()


def test_structured_ids_lose_buckets() -> None:
    ids = [f"{i}-{i}" for i in range(10, 6000)]
    finding = preflight(flag(hash_salt=SALT), ids).finding("structured_ids")
    assert finding is not None
    assert finding.numbers["buckets"] <= 50
    assert preflight(plan_of(), ids).findings == ()


def test_definition_problems_of_a_flag() -> None:
    made = definition_of(splits=(0.2, 0.2))
    made["ruleset"]["variants"][1]["is_control"] = True
    report = preflight(read_flag(made), IDS)
    assert {"splits_do_not_sum_to_one", "not_one_control"} <= set(names(report))
    finding = report.finding("splits_do_not_sum_to_one")
    assert finding is not None
    assert finding.numbers["served"] == {"beta": 0.2, "control": 0.8}


def test_sound_plans_have_no_finding() -> None:
    clean = sum(preflight(plan_of(salt=f"s{k}"), IDS[:3000]).findings == () for k in range(60))
    assert clean >= 59


def test_planned_realised_and_srm_probability() -> None:
    report = preflight(
        plan_of(rollout=[{"key": "a", "share": 0.3, "splits": {"control": 0.2, "beta": 0.8}}, {"key": "b", "share": 1.0}]), IDS
    )
    overall = {r.variant: r for r in report.splits if r.group == ""}
    assert overall["beta"].planned == pytest.approx(0.3 * 0.8 + 0.7 * 0.5, abs=0.01)
    by_group = {(r.group, r.variant): r for r in report.splits if r.group}
    assert by_group["a", "beta"].share == pytest.approx(0.8, abs=0.03)
    assert report.srm_probability == report.alpha == 0.001
    biased = preflight(flag(key="checkout", rollout=(0.1,)), IDS)
    assert biased.srm_probability > 0.9
    assert biased.p_value < 0.001


def test_srm_probability_equals_simulation() -> None:
    report = preflight(flag(splits=(1 / 3, 1 / 3, 1 / 3), hash_salt=SALT), np.arange(60_000))
    rng = np.random.default_rng(1)
    draws = rng.multinomial(report.assigned, [0.34, 0.33, 0.33], 20_000)
    p = stats.chisquare(draws, report.assigned / 3, axis=1).pvalue
    assert report.srm_probability == pytest.approx((p < 0.001).mean(), abs=0.01)


def test_history_is_compared_before_anyone_is_exposed() -> None:
    plan = plan_of()
    rng = np.random.default_rng(5)
    spend = rng.gamma(1.0, 10.0, len(IDS))
    history = pd.DataFrame({"distinct_id": IDS, "spend": spend, "visits": rng.poisson(3, len(IDS)), "country": "UK"}).sample(
        frac=1, random_state=1
    )
    report = preflight(plan, IDS, history)
    assert [b.metric for b in report.balance] == ["spend", "visits"]
    codes = assignments(plan, IDS).codes
    expected = stats.ttest_ind(spend[codes == 1], spend[codes == 0], equal_var=False)
    assert report.balance[0].p_value == pytest.approx(expected.pvalue)
    assert report.ok
    tilted = history.assign(
        spend=np.where(xp.assign(plan, history["distinct_id"]) == "beta", history["spend"] + 1, history["spend"])
    )
    assert "unbalanced_history" in names(preflight(plan, IDS, tilted))
    part = preflight(plan, IDS, history.head(15_000)).finding("missing_history")
    assert part is not None
    assert part.numbers == {"spend": 5000, "visits": 5000}


def test_history_that_cannot_be_used_is_refused() -> None:
    with pytest.raises(AssignError, match="XPB-A13"):
        preflight(plan_of(), ["a"], pd.DataFrame({"distinct_id": ["a"], "name": ["x"]}))
    with pytest.raises(AssignError, match="several rows"):
        preflight(plan_of(), ["a"], pd.DataFrame({"distinct_id": ["a", "a"], "x": [1.0, 2.0]}))
    with pytest.raises(AssignError, match="XPB-A15"):
        preflight(plan_of(), ["a", "b"], {"x": [1.0]})


def test_balance_without_variance_or_units_is_no_number() -> None:
    found = balance(np.array([1.0, 1.0, 1.0]), np.array([0, 0, 1], np.int16), ("a", "b"), metric="m", reference=0)
    assert np.isnan(found[0].p_value)
    assert found[0].to_dict()["p_value"] is None


def test_ids_are_looked_at() -> None:
    report = preflight(plan_of(), ["a", "a", " b", "", None, "12.0"])
    assert set(names(report)) >= {"null_ids", "empty_ids", "duplicate_ids", "spaced_ids", "float_ids"}
    assert (report.nulls, report.empty, report.duplicates) == (1, 1, 1)
    assert names(preflight(flag(hash_salt=SALT, rollout=(0.0,)), IDS)) == ["never_served"]


def test_report_is_json_and_escaped_html() -> None:
    made = definition_of("<script>alert(1)</script>", rollout=(0.05, 0.5))
    made["ruleset"]["variants"][0]["key"] = "<b>"
    report = preflight(read_flag(made), IDS[:500], pd.DataFrame({"distinct_id": IDS[:500], "<i>": range(500)}))
    json.dumps(report.to_dict(), allow_nan=False)
    shown = report._repr_html_()
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert "not ok" in repr(report)


def test_seed_finder_balances_and_says_how(tmp_path: Any) -> None:
    rng = np.random.default_rng(2)
    ids = np.arange(4000)
    history = {"spend": rng.gamma(0.3, 30.0, 4000), "visits": rng.poisson(2.0, 4000).astype(float)}
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for subject in (plan_of(), flag(hash_salt=SALT), plan_of(hash="mixpanel", hash_salt=SALT)):
        found = find_salt(subject, ids, history, salts=60, ledger=ledger, by="ana")
        assert found.best.score <= min(found.scores)
        assert found.best.score < found.current.score or found.best.score < 1
        assert found.tried == len(found.scores) == 60
        # the winner's counts are what assign gives with its salt
        assert assignments(found.subject, ids).counts() == dict(found.best.units)
        assert find_salt(subject, ids, history, salts=60).best == found.best
    entries = ledger.entries()
    assert [e.kind for e in entries] == ["preflight"] * 3
    assert entries[0].body["seed_search"]["rule"] == RULE
    assert entries[0].by == "ana"
    assert "largest |z|" in found._repr_html_()


def test_seed_finder_scores_are_z_values() -> None:
    ids = np.arange(5000)
    spend = np.random.default_rng(4).normal(10, 2, 5000)
    found = find_salt(plan_of(), ids, {"spend": spend}, salts=["one"])
    codes = (uniform(ids, salt="one") >= 0.5).astype(int)
    n1 = codes.sum()
    z_count = abs(n1 - 2500) / np.sqrt(5000 * 0.25)
    z_spend = max(
        abs(spend[codes == k].mean() - spend.mean()) / (spend.std(ddof=1) * np.sqrt(0.5 / (codes == k).sum())) for k in (0, 1)
    )
    assert found.best.score == pytest.approx(max(z_count, z_spend))
    with pytest.raises(AssignError, match="ten ids"):
        find_salt(plan_of(), ["a"])


def test_one_bad_flag_does_not_take_the_others_down(tmp_path: Any) -> None:
    good = [definition_of(f"good-{i}") for i in range(3)]
    bad: list[Any] = [
        {**definition_of("no-ruleset"), "ruleset": None},
        {k: v for k, v in definition_of("no-context").items() if k != "context"},
        {**definition_of("number-key"), "key": 7},
        "no object",
        None,
    ]
    for key, change in {
        "no-variants": lambda d: d["ruleset"].update(variants=[]),
        "split-text": lambda d: d["ruleset"]["variants"][0].update(split="half"),
        "no-percentage": lambda d: d["ruleset"]["rollout"][0].pop("rollout_percentage"),
        "variant-without-value": lambda d: d["ruleset"]["variants"][0].pop("value"),
        "test-without-users": lambda d: d["ruleset"].update(test={}),
        "override-without-key": lambda d: d["ruleset"]["rollout"][0].update(variant_override={}),
        "salt-number": lambda d: d.update(hash_salt=5),
        "splits-list": lambda d: d["ruleset"]["rollout"][0].update(variant_splits=[0.5]),
    }.items():
        made = definition_of(key)
        change(made)
        bad.append(made)
    path = tmp_path / "definitions.json"
    path.write_text(json.dumps({"flags": [*bad, *good, {**good[0], "color": "red"}]}))
    with pytest.warns(AssignWarning) as caught:
        flags = load_flags(path)
    assert len(caught) == 2
    assert list(flags) == ["good-0", "good-1", "good-2"]
    assert len(flags.problems) == len(bad)
    assert "13 of 17 flags were refused" in flags.warnings[0]
    assert any("defined twice" in w for w in flags.warnings)
    assert any("color" in w for w in flags.warnings)
    assert all(p.reason for p in flags.problems)
    assert flags.evaluate("nobody", {}).reason == "FLAG_NOT_FOUND"
    with pytest.raises(KeyError):
        flags["nobody"]
    with pytest.raises(AssignError, match="Did you mean 'good-1'"):
        flags["good-11"]
    json.dumps(flags.to_dict())
    assert "Refused" in flags._repr_html_()


def test_flags_of_the_management_api_and_what_is_no_definition() -> None:
    made = definition_of("managed", hash_salt=SALT)
    del made["project_id"]
    assert list(load_flags({"status": "ok", "results": [made]})) == ["managed"]
    assert list(load_flags([definition_of("listed")])) == ["listed"]
    for bad in ({"status": "error", "error": "no"}, {"x": 1}, {"flags": "text"}):
        with pytest.raises(AssignError, match="XPB-A10"):
            load_flags(bad)


def test_oddities_are_counted_warnings() -> None:
    made = definition_of("odd", splits=(0.7, 0.7))
    made["status"] = "disabled"
    made["ruleset"]["variants"][0]["is_control"] = False
    made["ruleset"]["rollout"][0]["variant_splits"] = {"nobody": 0.5}
    made["ruleset"]["test"] = {"users": {"u": "nobody"}}
    found = " ".join(read_flag(made).warnings)
    for words in ("serves it all the same", "0 variants are marked as control", "unknown variants: 'nobody'", "1 test users"):
        assert words in found


def test_forced_shares_of_a_later_group_are_those_of_the_units_left_to_it() -> None:
    report = preflight(flag(rollout=(0.2, 1.0)), np.arange(1, 200_001))
    for row in report.splits:
        assert row.forced == pytest.approx(row.share, abs=0.008)
    later = [r for r in report.splits if r.group == "1"]
    assert abs(later[0].forced - 0.5) > 0.01


def by_key(definition: dict[str, Any]) -> Any:
    definition["ruleset"]["variants"].sort(key=lambda v: v["key"])
    return read_flag(definition)


def test_flags_that_other_sdks_assign_otherwise_are_named() -> None:
    """Node and Ruby add splits in the order listed, Java in 32-bit floats: 10/20/70 differs in one bucket, 90/10 in none."""
    found = preflight(flag(hash_salt=SALT), IDS).finding("variant_order")
    assert found is not None
    assert found.numbers["share"] == 1.0
    three = definition_of(splits=(0.2, 0.1, 0.7), hash_salt=SALT)
    report = preflight(by_key(three), IDS)
    java = report.finding("float32_buckets")
    assert java is not None
    assert java.numbers["buckets"] == 1
    assert "0.205" in java.remedy or "0.095" in java.remedy or "0.105" in java.remedy
    assert names(preflight(by_key(definition_of(splits=(0.9, 0.1), hash_salt=SALT)), IDS)) == []
    salted = preflight(by_key(definition_of(hash_salt="")), IDS)
    assert "empty_hash_salt" in names(salted)
    plan = preflight(plan_of(hash="mixpanel", hash_salt=SALT), IDS).finding("variant_order")
    assert plan is not None
    assert (plan.level, plan.remedy.startswith("Let xpbench make the flag")) == ("info", True)


def test_overrides_and_rules_that_sdks_read_otherwise() -> None:
    made = definition_of(hash_salt=SALT)
    made["ruleset"]["rollout"] = [
        {"rollout_percentage": 1.0, "variant_override": {"key": "BETA"}, "runtime_evaluation_rule": {"!": [{"var": "staff"}]}},
        {"rollout_percentage": 1.0},
    ]
    found = names(preflight(by_key(made), IDS))
    assert {"key_case", "rule_without_properties"} <= set(found)
    made["ruleset"]["variants"][0]["key"] = "Control"
    made["ruleset"]["variants"][1]["key"] = "control"
    assert "keys_differ_by_case" in names(preflight(by_key(made), IDS))


def test_history_that_is_the_variant_fails() -> None:
    """The same salt as last time: every value is the variant, nothing varies within it, and no test has a p."""
    plan = plan_of()
    ids = [f"user-{i}" for i in range(5000)]
    history = pd.DataFrame({"distinct_id": ids, "was_in_beta": [int(v == "beta") for v in xp.assign(plan, ids)]})
    report = preflight(plan, ids, history)
    found = report.finding("history_is_the_variant")
    assert found is not None
    assert "'was_in_beta'" in found.message
    assert not report.ok
    flipped = history.assign(was_in_beta=history["was_in_beta"].where(history.index != 7, 1 - history["was_in_beta"]))
    assert not preflight(plan, ids, flipped).ok, "with one unit flipped it is as bad"


def test_categories_of_history_are_tested() -> None:
    plan = plan_of()
    ids = [f"user-{i}" for i in range(5000)]
    rng = np.random.default_rng(1)
    country = rng.choice(["UK", "US", "DE"], 5000)
    history = pd.DataFrame({"distinct_id": ids, "country": country})
    assert preflight(plan, ids, history).findings == ()
    arm = np.where(xp.assign(plan, np.array(ids)) == "beta", "A", "B")
    report = preflight(plan, ids, history.assign(arm=arm))
    found = report.finding("unbalanced_category")
    assert found is not None
    assert found.numbers["column"] == "arm"
    assert found.numbers["cramers_v"] == pytest.approx(1.0)
    table = pd.crosstab(country, xp.assign(plan, np.array(ids)))
    weak = preflight(plan, ids, history.assign(country=country))
    assert stats.chi2_contingency(table, correction=False).pvalue > 0.01
    assert weak.ok


def test_ids_of_broken_code_are_named() -> None:
    uuids = [f"{i:08x}-0000-4000-8000-{i * 7919:012x}" for i in range(1, 3001)]
    bad = ["undefined", "anonymous", "null", "0", "00000000-0000-0000-0000-000000000000"]
    found = preflight(plan_of(), uuids + bad).finding("refused_ids")
    assert found is not None
    assert found.numbers["count"] == 5
    assert found.level == "warn"
    assert not preflight(plan_of(), uuids + ["undefined"] * 100).ok
    twice = preflight(plan_of(), uuids + [u.upper() for u in uuids[:300] if u != u.upper()]).finding("two_spellings")
    assert twice is not None
    assert twice.numbers["count"] > 200
    padded = preflight(plan_of(), [str(i) for i in range(1000, 4000)] + [f"00{i}" for i in range(1000, 1010)])
    assert padded.finding("zero_padded_ids") is not None
    assert padded.finding("zero_padded_ids").numbers["count"] == 10  # type: ignore[union-attr]
    mixed = preflight(plan_of(), [f"user-{i}" for i in range(2000)] + [f"$device:{i}" for i in range(200)])
    assert mixed.finding("mixed_id_kinds") is not None
    assert "refused_ids" in names(preflight(plan_of(), np.arange(3000)))


def test_too_few_units_and_too_long_lists() -> None:
    ids = [f"user-{i}" for i in range(2000)]
    listed = plan_of(overrides=dict.fromkeys(ids[:150], "beta"))
    assert preflight(listed, ids).finding("long_override_list") is not None
    assert preflight(plan_of(overrides=dict.fromkeys(ids[:20], "beta")), ids).finding("long_override_list") is None
    small = preflight(plan_of(splits=(0.999, 0.001)), ids).finding("small_variant")
    assert small is not None
    assert small.level == "fail"
    few = preflight(plan_of(), ids[:400]).finding("fewer_ids_than_horizon")
    assert few is not None
    assert few.numbers == {"served": 400, "horizon": 1000}
    assert few.level == "warn"
    assert "400 of these ids take part; the horizon needs 1,000 units" in few.message


UUIDS = [str(uuid.UUID(int=i * 0x9E3779B97F4A7C15F39CC0605CEDC834 % 2**128)) for i in range(1, 2_001)]


@pytest.mark.parametrize(
    "change",
    [
        lambda u: u.replace("-", ""),
        lambda u: "{" + u.upper() + "}",
        lambda u: f'"{u}"',
        lambda u: f"'{u}'",
        lambda u: f"{u}\u00a0",
        lambda u: f"\ufeff{u}",
    ],
)
def test_one_uuid_in_two_spellings_is_named(change: Any) -> None:
    clean = preflight(plan_of(), UUIDS)
    assert clean.finding("two_spellings") is None
    found = preflight(plan_of(), UUIDS + [change(u) for u in UUIDS[:15]]).finding("two_spellings")
    assert found is not None
    assert found.numbers["count"] == 15


def test_one_text_in_two_encodings_is_named() -> None:
    mails = [f"josé+{i}@example.com" for i in range(2_000)]
    for other in (
        [unicodedata.normalize("NFD", m) for m in mails[:15]],
        [urllib.parse.quote(m) for m in mails[:15]],
        [m.upper() for m in mails[:15]],
    ):
        found = preflight(plan_of(), mails + other).finding("two_spellings")
        assert found is not None
        assert found.numbers["count"] == 15
    assert preflight(plan_of(), [f"{i}%off" for i in range(2_000)]).finding("two_spellings") is None


def test_numbers_in_scientific_notation_went_through_floats() -> None:
    ids = [str(10**11 + i) for i in range(2_000)]
    for odd in ("1E+11", "1.00000000001e+11", "1.5E11"):
        assert preflight(plan_of(), [*ids, odd]).finding("float_ids") is not None
    assert preflight(plan_of(), [*ids, "3e45", "12e4567890", "ab1e+11"]).finding("float_ids") is None


def test_history_that_is_there_for_one_variant_only_fails() -> None:
    ids = [f"user-{i}" for i in range(4_000)]
    beta = np.array(list(assignments(plan_of(), ids).variants())) == "beta"
    for values in (np.where(beta, 5.0, np.nan), np.where(beta, np.inf, 1.0)):
        report = preflight(plan_of(), ids, pd.DataFrame({"distinct_id": ids, "spent": values}))
        found = report.finding("history_missing_by_variant")
        assert found is not None
        assert not report.ok
        assert "depends on the variant" in found.message
    rows = pd.DataFrame({"distinct_id": [u for u, b in zip(ids, beta, strict=True) if b], "spent": 3.0})
    assert not preflight(plan_of(), ids, rows).ok
    at_random = np.where(np.arange(4_000) % 3 == 0, np.nan, 1.0 + np.arange(4_000) % 7)
    fine = preflight(plan_of(), ids, pd.DataFrame({"distinct_id": ids, "spent": at_random}))
    assert fine.finding("history_missing_by_variant") is None


def test_dates_are_a_history_as_well() -> None:
    ids = [f"user-{i}" for i in range(4_000)]
    beta = np.array(list(assignments(plan_of(), ids).variants())) == "beta"
    signed_up = pd.to_datetime(np.where(beta, "2026-01-01", "2026-02-01"))
    report = preflight(plan_of(), ids, pd.DataFrame({"distinct_id": ids, "signed_up": signed_up}))
    found = report.finding("history_is_the_variant")
    assert found is not None
    assert "signed_up (days since 1970)" in found.message
    any_day = pd.Timestamp("2026-01-01") + pd.to_timedelta(np.arange(4_000) % 90, unit="D")
    fine = preflight(plan_of(), ids, pd.DataFrame({"distinct_id": ids, "signed_up": any_day}))
    assert fine.ok
    assert fine.balance[0].mean == pytest.approx(20_454 + 44.3, abs=2)


def test_the_list_of_refused_ids_is_the_one_of_the_tracker() -> None:
    from xpbench.expose.limits import FORBIDDEN_IDS
    from xpbench.randomiser.preflight.spellings import REFUSED

    assert set(REFUSED) >= FORBIDDEN_IDS
