"""Event logs: the engine agrees with the slow reading on every metric kind; real log; policies; bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xpbench as xp
from tests.data.logs import DAY, METRICS, SECOND, START, event, frame_of, plan_of, random_log
from tests.data.slow import unit_rows, without_repeats
from xpbench.data import DuckDB, EventSchema, Summary
from xpbench.errors import DataError

FULL = plan_of(METRICS, segments=["platform"])


def expected_cells(rows: dict[Any, dict[str, Any]], plan: xp.Plan, variant: str) -> dict[tuple[str, str], tuple[int, Any, Any]]:
    """n, means and covariances of every metric by plain numpy."""
    mine = [r for (_, v), r in sorted(rows.items(), key=str) if v == variant]
    out = {}
    for form, prefix in (("value", ""), ("before", "before:")):
        for m in plan.metrics:
            if m.kind == "ratio":
                pairs = [(r[prefix + m.numerator], r[prefix + m.denominator]) for r in mine]
                values = [p for p in pairs if None not in p]
            else:
                values = [v if isinstance(v, tuple) else (v,) for r in mine if (v := r[prefix + m.key]) is not None]
                if form == "value" and m.cuped:
                    values = [(v, r["before:" + m.key], r["seen"]) for r in mine if (v := r[m.key]) is not None]
            if values:
                table = np.array([[float(0 if x is None else x) for x in row] for row in values])
                cov = np.atleast_2d(np.cov(table.T)) if len(table) > 1 else np.zeros((table.shape[1],) * 2)
                out[m.key, form] = (len(table), table.mean(axis=0), cov)
    return out


def check(summary: Summary, rows: dict[Any, dict[str, Any]], plan: xp.Plan) -> None:
    for variant in ("a", "b"):
        expected = expected_cells(rows, plan, variant)
        found = {(c.metric, c.form): c for c in summary.cells if c.variant == variant and not c.dimension and c.form != "raw"}
        # a before-value that is null (all amounts missing) is left out of the block, or set to the mean as a covariate
        for key, (n, mean, cov) in expected.items():
            cell = found[key]
            assert cell.n == n, key
            assert cell.mean == pytest.approx(mean, rel=1e-12, abs=1e-12), key
            assert np.array(cell.cov) == pytest.approx(cov, rel=1e-9, abs=1e-12), key
        assert set(found) == set(expected)
        assert summary.units[variant] == sum(v == variant for _, v in rows)


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    policy=st.sampled_from(["exclude", "first", "split"]),
    window=st.sampled_from(["first_exposure", "latest_exposure"]),
)
def test_every_kind_agrees_with_the_slow_reading(seed: int, policy: str, window: Any) -> None:
    log = random_log(np.random.default_rng(seed))
    plan = FULL.changed(
        exposure={"several_variants": policy, "window_from": window},
        data={"missing": "zero", "missing_codes": [], "smallest_segment": 1},
    )
    rows = unit_rows(without_repeats(log), plan, max(e["t"] for e in log))
    if not rows:
        return
    summary = xp.events(frame_of(log), absent_events="zero").summarize(plan)
    check(summary, rows, plan)


@pytest.mark.parametrize(
    ("policy", "window", "seed"),
    [("exclude", "first_exposure", 1), ("split", "latest_exposure", 2), ("first", "latest_exposure", 3)],
)
def test_thousands_of_small_logs_agree_with_the_slow_reading(policy: str, window: Any, seed: int) -> None:
    """Units do not touch each other, so a log of 1,000 units is 1,000 small logs; every value of every unit is compared."""
    log = random_log(np.random.default_rng(seed), units=1_000, n=9_000)
    plan = FULL.changed(exposure={"several_variants": policy, "window_from": window})
    rows = unit_rows(without_repeats(log), plan, max(e["t"] for e in log))
    table = xp.events(frame_of(log), slices=()).unit_table(plan)
    found = {(r["u"], r["variant"]): r for r in table.to_pylist()}
    assert set(found) == set(rows)
    assert len(rows) > 400
    labels = {"avg": ("numerator", "denominator"), "ent": ("numerator", "denominator")}
    differ = []
    for key, row in rows.items():
        for m in plan.metrics:
            for name in (m.key, "before:" + m.key) if m.kind != "ratio" else ():
                expected = row[name] if isinstance(row[name], tuple) else (row[name],)
                got = tuple(found[key][f"{name}:{label}"] for label in labels.get(m.key, ("value",)))
                if expected == (None,):
                    expected = (None,) * len(got)
                scale = 10_000 if m.key in ("money", "avg") else 1
                expected = tuple(e * (scale if i == 0 else 1) if e is not None else None for i, e in enumerate(expected))
                if got != expected:
                    differ.append((key, name, got, expected))
        if found[key]["seen"] != row["seen"]:
            differ.append((key, "seen"))
    assert differ == []


def test_homepage_actions_reference_numbers(shared_data: Path) -> None:
    plan = plan_of(
        [{"key": "click", "kind": "conversion", "event": "click"}],
        variants=[{"key": "control", "split": 0.5, "control": True}, {"key": "experiment", "split": 0.5}],
        exposure={"event": "view", "format": "dictionary", "experiment": "group"},
    )
    schema = EventSchema(event="action", time="timestamp", unit="id", insert_id=None)
    s = xp.events(shared_data / "homepage_actions.csv.gz", schema=schema).summarize(plan)
    assert s.rows == 8_188
    assert s.units == {"control": 3_332, "experiment": 2_996}
    assert (s.cell("click", "control").mean[0], s.cell("click", "experiment").mean[0]) == (932 / 3_332, 928 / 2_996)
    assert s.first_exposure.startswith("2016-09-24")
    assert s.data_until.startswith("2017-01-18")
    assert Summary.from_dict(json.loads(json.dumps(s.to_dict()))) == s


# -- what is odd is counted, and the plan decides ----------------------------------------------------------------------


def started(u: Any, t: int, variant: str | None, iid: str = "", **more: Any) -> dict[str, Any]:
    return event("$experiment_started", u, t, iid, **{"Experiment name": "t", "Variant name": variant, **more})


def small_log() -> list[dict[str, Any]]:
    """Twenty units, one purchase each an hour after the exposure, and a last event twenty days later."""
    log = []
    for i in range(20):
        log += [started(f"u{i}", START + i * SECOND, "ab"[i % 2], f"x{i}", platform="ios" if i < 12 else "web")]
        log += [event("buy", f"u{i}", START + i * SECOND + 3600 * SECOND, f"b{i}", amount=float(i))]
    return [*log, event("end", "u0", START + 20 * DAY, "end")]


SMALL = plan_of(
    [
        {"key": "buys", "kind": "count", "event": "buy", "window_days": 3},
        {"key": "money", "kind": "sum", "event": "buy", "property": "amount"},
    ]
)


def found(summary: Summary, name: str, metric: str = "") -> Any:
    matches = [f for f in summary.findings if f.name == name and f.metric == metric]
    assert len(matches) == 1, summary.findings
    return matches[0]


def refused(log: Any, plan: xp.Plan = SMALL, **more: Any) -> str:
    with pytest.raises(DataError) as caught:
        xp.events(frame_of(log) if isinstance(log, list) else log, **more).summarize(plan)
    return caught.value.code + " " + str(caught.value)


def test_switchers_are_counted_and_left_out_or_kept_or_split() -> None:
    log = [*small_log(), started("u0", START + 2 * DAY, "b", "y"), event("buy", "u0", START + 2 * DAY + 60 * SECOND, "late")]
    out = xp.events(frame_of(log)).summarize(SMALL)
    assert out.units == {"a": 9, "b": 10}
    f = found(out, "several_variants")
    assert (f.count, f.of, f.action, f.by_variant) == (1, 20, "excluded", {"a": 1})
    first = xp.events(frame_of(log)).summarize(SMALL.changed(exposure={"several_variants": "first"}))
    assert first.units == {"a": 10, "b": 10}
    assert first.cell("buys", "a").mean[0] == 11 / 10
    split = xp.events(frame_of(log)).summarize(SMALL.changed(exposure={"several_variants": "split"}))
    assert split.units == {"a": 10, "b": 11}
    assert (split.cell("buys", "a").mean[0], split.cell("buys", "b").mean[0]) == (1.0, 1.0)


def test_windows_from_the_latest_exposure() -> None:
    log = [*small_log(), started("u1", START + 10 * DAY, "b", "y"), event("buy", "u1", START + 11 * DAY, "late")]
    assert xp.events(frame_of(log)).summarize(SMALL).cell("buys", "b").mean[0] == 1.0
    again = xp.events(frame_of(log)).summarize(SMALL.changed(exposure={"window_from": "latest_exposure"}))
    assert again.cell("buys", "b").mean[0] == 1.1
    assert "latest exposure" in again.source


def test_the_first_exposure_does_not_depend_on_the_order_of_rows() -> None:
    ties = [started("u", START, "b", "2"), started("u", START, "a", "1")]
    plan = SMALL.changed(exposure={"several_variants": "first"})
    for log in (ties + small_log(), small_log() + ties[::-1]):
        assert xp.events(frame_of(log)).summarize(plan).units == {"a": 11, "b": 10}


def test_exposures_that_do_not_count_are_counted_apart() -> None:
    log = [
        *small_log(),
        started("q", START, "a", **{"$is_qa_tester": True}),
        started("z", START, "zzz"),
        started("n", START, None),
        started(None, START, "a"),
        started("early", START - 5 * DAY, "a"),
        started("late", START + 5 * DAY, "a"),
    ]
    plan = SMALL.changed(exposure={"start": "2026-01-01", "end": "2026-01-02"})
    s = xp.events(frame_of(log)).summarize(plan)
    assert s.units == {"a": 10, "b": 10}
    for name, count in (("qa_tester", 1), ("unknown_variant", 1), ("missing_variant", 1), ("outside_dates", 2)):
        assert found(s, name).count == count
    assert "'zzz' (1 exposure)" in found(s, "unknown_variant").detail
    kept = xp.events(frame_of(log)).summarize(
        plan.changed(exposure={"start": "2026-01-01", "end": "2026-01-02", "qa_testers": "keep"})
    )
    assert kept.units == {"a": 11, "b": 10}
    assert found(kept, "qa_tester").action == "kept"
    assert refused(log, SMALL.changed(data={"unknown_variant": "refuse"})).startswith("XPB-D09")


@pytest.mark.parametrize("form", ["dictionary", "list"])
def test_several_experiments_in_one_exposure_event(form: str) -> None:
    log = small_log()
    for e in log:
        if e["event"] == "$experiment_started":
            v = e["properties"].pop("Variant name")
            del e["properties"]["Experiment name"]
            e["properties"] |= {"t": v, "$os": "x"} if form == "dictionary" else {"Experiments": ["other:z", f"t:{v}", "tt:b"]}
    s = xp.events(frame_of(log)).summarize(SMALL.changed(exposure={"format": form}))
    assert s.units == {"a": 10, "b": 10}


def test_a_list_may_name_an_experiment_twice_and_names_may_hold_the_separator() -> None:
    log = small_log()
    for e in log:
        if e["event"] == "$experiment_started":
            v, u = e["properties"].pop("Variant name"), e["u"]
            # 'a:b' is another experiment; u0 met both variants in one event, u1 a variant that the plan does not have
            items = ["t:a:x", f"a:t:{v}", *(["a:t:b"] if u == "u0" else ["a:t:zzz"] if u == "u1" else [])]
            e["properties"] = {"Experiments": items, "platform": "ios"}
    plan = SMALL.changed(exposure={"format": "list", "experiment": "a:t"})
    s = xp.events(frame_of(log)).summarize(plan)
    assert s.units == {"a": 9, "b": 10}
    assert found(s, "several_variants").count == 1
    assert found(s, "unknown_variant").count == 1
    said = refused(log, SMALL.changed(exposure={"format": "list", "experiment": "aa"}))
    assert said.startswith("XPB-D30")
    assert "Did you mean 'a'?" in said


def test_a_dictionary_without_the_experiment_names_the_nearest() -> None:
    log = small_log()
    for e in log:
        if e["event"] == "$experiment_started":
            e["properties"] = {"homepage": e["properties"]["Variant name"], "$os": "x"}
    said = refused(log, SMALL.changed(exposure={"format": "dictionary", "experiment": "homepag"}))
    assert said.startswith("XPB-D30")
    assert "Did you mean 'homepage'?" in said


def test_group_keys_as_units() -> None:
    log = small_log()
    for i, e in enumerate(log):
        e["properties"]["company"] = f"c{i // 2 % 5}"
    for e in log:
        if e["event"] == "$experiment_started":
            e["properties"]["Variant name"] = "ab"[int(e["properties"]["company"][1]) % 2]
    s = xp.events(frame_of(log)).summarize(SMALL.changed(unit="company"))
    assert s.units == {"a": 3, "b": 2}
    assert s.cell("buys", "a").mean[0] == 4.0


def test_immature_units_are_left_out_of_metrics_with_a_window() -> None:
    log = [*small_log(), started("new", START + 19 * DAY, "a"), event("buy", "new", START + 19 * DAY + SECOND, "n", amount=7.0)]
    s = xp.events(frame_of(log)).summarize(SMALL)
    assert (s.units["a"], s.cell("buys", "a").n, s.cell("money", "a").n) == (11, 10, 11)
    f = found(s, "immature_units", "buys")
    assert (f.count, f.by_variant) == (1, {"a": 1})
    later = xp.events(frame_of(log), until="2026-02-15").summarize(SMALL)
    assert later.cell("buys", "a").n == 11


def test_repeats_are_one_event() -> None:
    log = small_log()
    twice = [*log, *[{**e, "arr": e["t"] + SECOND} for e in log if e["event"] == "buy"]]
    s = xp.events(frame_of(twice)).summarize(SMALL)
    assert found(s, "duplicate_events").count == 20
    assert s.cell("buys", "a").mean[0] == 1.0
    kept = xp.events(frame_of(twice), duplicates="keep").summarize(SMALL)
    assert kept.cell("buys", "a").mean[0] == 2.0
    newest = [*log, {**event("buy", "u1", START + SECOND + 3600 * SECOND, "b1", amount=100.0), "arr": START + 2 * DAY}]
    assert xp.events(frame_of(newest)).summarize(SMALL).cell("money", "b").mean[0] == pytest.approx((100 + 99) / 10)


def test_late_events_are_flagged() -> None:
    log = small_log()
    log[1]["arr"] = log[1]["t"] + 3 * DAY
    assert found(xp.events(frame_of(log)).summarize(SMALL), "late_events").count == 1


def test_money_is_exact() -> None:
    log = small_log()
    for e in log:
        if e["event"] == "buy":
            e["properties"]["amount"] = 0.1
    more = [event("buy", f"u{i}", START + 7200 * SECOND, f"c{i}", amount=0.2) for i in range(20)]
    s = xp.events(frame_of([*log, *more])).summarize(SMALL)
    assert s.cell("money", "a").mean == (0.3,)
    assert s.cell("money", "a").cov == ((0.0,),)


def test_large_amounts_do_not_overflow() -> None:
    log = small_log()
    amounts = [float(10**10 + i) + 0.25 for i in range(20)]
    for e in log:
        if e["event"] == "buy":
            e["properties"]["amount"] = amounts[int(e["u"][1:])]
    s = xp.events(frame_of(log)).summarize(SMALL)
    assert s.cell("money", "a").mean[0] == sum(amounts[::2]) / 10
    assert s.cell("money", "a").cov[0][0] == pytest.approx(np.var(np.arange(0, 20, 2), ddof=1), rel=1e-15)


def test_a_true_null_is_not_zero() -> None:
    log = small_log()
    del log[1]["properties"]["amount"]
    s = xp.events(frame_of(log)).summarize(SMALL)
    assert (s.cell("money", "a").n, s.cell("buys", "a").n) == (9, 10)
    assert found(s, "missing_value", "money").count == 1
    zero = xp.events(frame_of(log)).summarize(SMALL.changed(data={"missing": "zero", "missing_codes": []}))
    assert zero.cell("money", "a").n == 10


def test_mixed_types_and_codes_in_a_property() -> None:
    log = small_log()
    log[1]["properties"]["amount"] = "twelve"
    assert refused(log).startswith("XPB-D12")
    s = xp.events(frame_of(log)).summarize(SMALL.changed(data={"non_finite": "exclude", "missing_codes": []}))
    assert found(s, "not_a_number", "money").count == 1
    log[1]["properties"]["amount"] = -999
    said = refused(log, SMALL.changed(data={}))
    assert said.startswith("XPB-D11")
    assert "-999" in said


def test_winsorized_money_has_raw_beside_it_and_freezes() -> None:
    log = small_log()
    plan = plan_of(
        [{"key": "money", "kind": "sum", "event": "buy", "property": "amount", "winsorize": {"upper": 0.9}, "cuped": True}]
    )
    s = xp.events(frame_of(log)).summarize(plan)
    cap = next(c for c in s.caps if c.column == "value")
    assert cap.upper == pytest.approx(np.quantile(np.arange(20), 0.9), abs=1e-4)
    values = np.arange(0, 20, 2)
    assert s.cell("money", "a").mean[0] == pytest.approx(np.minimum(values, cap.upper).mean(), rel=1e-15)
    assert s.cell("money", "a", form="raw").mean[0] == values.mean()
    assert xp.events(frame_of(log)).summarize(plan, caps=s.caps).cells == s.cells


def test_quantiles_with_clusters() -> None:
    rng = np.random.default_rng(1)
    log, values = [], {"a": [], "b": []}
    for i in range(3000):
        variant = "ab"[i % 2]
        log.append(started(f"u{i}", START, variant))
        for k in range(int(rng.integers(0, 6))):
            x = float(np.round(rng.gamma(3, 100), 1))
            values[variant].append(x)
            log.append(event("load", f"u{i}", START + (k + 1) * SECOND, f"{i}-{k}", ms=x))
    plan = plan_of([{"key": "p90", "kind": "quantile", "event": "load", "property": "ms", "q": 0.9}])
    s = xp.events(frame_of(log)).summarize(plan)
    for variant, xs in values.items():
        cell = s.cell("p90", variant)
        assert cell.mean[0] == pytest.approx(sorted(xs)[int(np.ceil(0.9 * len(xs))) - 1], rel=1e-12)
        boot = [np.quantile(rng.choice(xs, len(xs)), 0.9) for _ in range(500)]
        assert np.sqrt(cell.cov[0][0] / cell.n) == pytest.approx(np.std(boot), rel=0.2)


def test_days_and_ages() -> None:
    log = [
        *small_log(),
        started("d2", START + DAY, "a"),
        event("buy", "d2", START + DAY + 5 * SECOND, "d"),
        event("buy", "u0", START + 2 * DAY + SECOND, "n"),
    ]
    s = xp.events(frame_of(log)).summarize(SMALL.changed(segments=["platform"]))
    assert s.exposures_by_day == {"2026-01-01": {"a": 10, "b": 10}, "2026-01-02": {"a": 1}}
    assert s.cell("buys", "a", dimension="$day", slice="2026-01-02").mean == (1.0,)
    assert [s.cell("buys", "a", dimension="$age", slice=str(k)).mean[0] for k in range(3)] == [1.0, 0.0, 1 / 11]
    assert s.segments["platform"] == {"(missing)": {"a": 1}, "ios": {"a": 6, "b": 6}, "web": {"a": 4, "b": 4}}
    assert s.cell("buys", "b", dimension="platform", slice="web").n == 4


# -- bad input ---------------------------------------------------------------------------------------------------------


def test_names_that_are_not_in_the_log() -> None:
    log = small_log()
    said = refused(
        log, SMALL.changed(metrics=[{"key": "m", "kind": "count", "event": "bui", "role": "primary", "direction": "increase"}])
    )
    assert said.startswith("XPB-D31")
    assert "Did you mean 'buy'?" in said
    for e in log:
        if e["event"] == "$experiment_started":
            e["properties"]["Experiment name"] = "tee"
    said = refused(log, SMALL.changed(exposure={"experiment": "te"}))
    assert said.startswith("XPB-D30")
    assert "Did you mean 'tee'?" in said
    assert refused(small_log(), SMALL.changed(unit="device_id")).startswith("XPB-D36")
    assert refused(frame_of(small_log()).drop(columns=["properties", "distinct_id"])).startswith("XPB-D05")
    assert refused(small_log(), SMALL.changed(exposure={"event": "exposed"})).startswith("XPB-D37")
    assert refused(small_log(), SMALL.changed(exposure={"start": "2027-01-01"})).startswith("XPB-D34")
    assert refused(small_log(), SMALL.changed(segments=["plattform"])).startswith("XPB-D38")
    assert refused([]).startswith("XPB-D0")
    wrong = plan_of([{"key": "m", "kind": "sum", "event": "buy", "property": "amout"}])
    assert refused(small_log(), wrong).startswith("XPB-D32")
    column = plan_of([{"key": "m", "kind": "column", "column": "amount"}])
    assert refused(small_log(), column).startswith("XPB-D35")


def test_metric_events_without_the_unit_are_no_zeros() -> None:
    log = small_log()
    for e in log:
        if e["event"] != "buy":
            e["properties"]["company"] = e["u"]
    said = refused(log, SMALL.changed(unit="company"))
    assert said.startswith("XPB-D44")
    assert "None of the 20 events 'buy' (metric 'buys') has a value of 'company'" in said


@pytest.mark.parametrize("op", ["==", "in", "is set"])
def test_a_filter_by_a_property_that_is_nowhere(op: str) -> None:
    condition = {"property": "plattform", "op": op, **({} if op == "is set" else {"value": "ios" if op == "==" else ["ios"]})}
    plan = plan_of([{"key": "m", "kind": "count", "event": "buy", "where": [condition]}])
    assert refused(small_log(), plan).startswith("XPB-D45")
    s = xp.events(frame_of(small_log()), absent_events="zero").summarize(plan)
    assert s.cell("m", "a").mean == (0.0,)
    unlike = plan_of([{"key": "m", "kind": "count", "event": "buy", "where": [{**condition, "op": "is not set"}]}])
    unlike = unlike.changed(
        metrics=[{**unlike.to_dict()["metrics"][0], "where": [{"property": "plattform", "op": "is not set"}]}]
    )
    assert xp.events(frame_of(small_log())).summarize(unlike).cell("m", "a").mean == (1.0,)


def test_values_that_are_no_numbers_are_shown() -> None:
    log = small_log()
    for i, value in ((1, "twelve"), (3, "twelve"), (5, True)):
        log[i]["properties"]["amount"] = value
    assert "2 values that are not a number (event 'buy'): 'twelve' (2)" in refused(log)  # true is 1, as in a table


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"time_zone": "Europe/Londn"}, "Did you mean 'Europe/London'?"),
        ({"until": "yesterday"}, "until is 'yesterday'"),
        ({"slices": ("segments",)}, "Did you mean 'segment'?"),
        ({"slices": "week"}, "slices is 'week'"),
        ({"duplicates": "no"}, "It is one of drop, keep"),
        ({"absent_events": "ok"}, "It is one of refuse, zero"),
    ],
)
def test_arguments_without_one_of_their_values(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match="XPB-D46") as caught:
        xp.events(frame_of(small_log()), **arguments)
    assert said in str(caught.value)


def test_one_slice_may_be_named_alone() -> None:
    assert xp.events(frame_of(small_log()), slices="day").slices == {"day"}
    assert xp.events(frame_of(small_log()), slices=("day", "age")).slices == {"day", "age"}


@pytest.mark.parametrize(
    ("names", "code", "said"),
    [
        ({"event": "name"}, "XPB-D49", "None of the 8 events has a name ('name')"),
        ({"time": "when"}, "XPB-D33", "None of the 8 events has a time that can be read ('when')"),
        ({"event": "name", "time": "when"}, "XPB-D49", "None of the 8 events has a name ('name')"),
    ],
)
def test_the_column_that_is_missing_is_the_one_that_is_told(names: dict[str, str], code: str, said: str) -> None:
    """Any key of the object with the properties may be a column, so it is only told by what it holds."""
    log = pd.DataFrame([{"event": e["event"], "properties": json.dumps(e["properties"])} for e in small_log()])
    with pytest.raises(DataError, match=code) as caught:
        xp.events(log, schema=xp.EventSchema(**names)).summarize(SMALL)
    assert said.replace("8", str(len(log))) in str(caught.value)


def test_absent_events_may_count_as_zero() -> None:
    plan = plan_of([{"key": "m", "kind": "count", "event": "nobody"}])
    s = xp.events(frame_of(small_log()), absent_events="zero").summarize(plan)
    assert s.cell("m", "a").mean == (0.0,)
    assert found(s, "absent_event", "m").detail == "Event 'nobody'."


def test_times_of_an_older_project_are_local_clock_readings() -> None:
    utc = xp.events(frame_of(small_log())).summarize(SMALL)
    winter = xp.events(frame_of(small_log()), time_zone="America/New_York").summarize(SMALL)
    assert utc.first_exposure.startswith("2026-01-01T00:00:00")
    assert winter.first_exposure.startswith("2026-01-01T05:00:00")
    assert winter.cells[0] == utc.cells[0]


def test_flat_tables_parquet_csv_and_frames_agree(tmp_path: Path) -> None:
    import duckdb
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    log = random_log(np.random.default_rng(11))
    frame = frame_of(log)
    flat = frame.drop(columns="properties").join(pd.DataFrame([e["properties"] for e in log]))
    flat["$is_qa_tester"] = flat["$is_qa_tester"].map({True: "true"})
    pq.write_table(pa.Table.from_pandas(flat, preserve_index=False), tmp_path / "t.parquet")
    flat.to_csv(tmp_path / "t.csv.gz", index=False)
    plan = plan_of(METRICS[:2], segments=["platform"])
    expected = xp.events(frame).summarize(plan)
    tables = [
        flat,
        pl.from_pandas(flat),
        pa.Table.from_pandas(flat),
        duckdb.connect().from_df(flat),
        tmp_path / "t.parquet",
        tmp_path / "t.csv.gz",
    ]
    for table in tables:
        s = xp.events(table).summarize(plan)
        assert s.cells == expected.cells
        assert s.units == expected.units


def test_same_bytes_whatever_the_threads_and_the_order() -> None:
    log = random_log(np.random.default_rng(4), units=300, n=4000)
    for e in log:
        if "amount" in e["properties"]:
            e["properties"]["amount"] = float(np.exp(e["properties"]["amount"] / 5))
    plan = plan_of([{**METRICS[4], "winsorize": {"upper": 0.95}}, METRICS[5], METRICS[6], METRICS[8]], segments=["platform"])
    frame = frame_of(log)
    texts = {
        json.dumps(xp.events(f, engine=DuckDB(threads=t)).summarize(plan).to_dict())
        for f, t in ((frame, 1), (frame, 4), (frame.sample(frac=1, random_state=1), 2))
    }
    assert len(texts) == 1
