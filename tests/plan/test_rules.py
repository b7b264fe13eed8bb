"""Every rule tells its breach, with code and place, and nothing else does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import claim, plan_document, split
from xpbench.errors import CATALOGUE
from xpbench.plan import check
from xpbench.plan.keys import is_safe_key, suggest_key

from .plans import columns, events

Change = Callable[[dict[str, Any]], Any]


def setting(path: str, value: Any) -> Change:
    def change(plan: dict[str, Any]) -> None:
        *parents, last = [int(p) if p.isdigit() else p for p in path.split("/")]
        here: Any = plan
        for part in parents:
            here = here[part]
        here[last] = value

    return change


def without(path: str) -> Change:
    def change(plan: dict[str, Any]) -> None:
        *parents, last = [int(p) if p.isdigit() else p for p in path.split("/")]
        here: Any = plan
        for part in parents:
            here = here[part]
        del here[last]

    return change


CASES: list[tuple[str, str, Change]] = [
    ("XPB-P01", "/horizn", setting("horizn", {})),
    ("XPB-P01", "/metrics/1/evnt", setting("metrics/1/evnt", "x")),
    ("XPB-P01", "/assignment/rollout/0/shre", setting("assignment/rollout/0/shre", 1)),
    ("XPB-P02", "/owner", without("owner")),
    ("XPB-P02", "/hypothesis/because", without("hypothesis/because")),
    ("XPB-P02", "/metrics/0/event", without("metrics/0/event")),
    ("XPB-P02", "/metrics/1/kind", without("metrics/1/kind")),
    ("XPB-P03", "/variants/1/split", setting("variants/1/split", "half")),
    ("XPB-P03", "/metrics/1/kind", setting("metrics/1/kind", "cuont")),
    ("XPB-P03", "/model/confidence", setting("model/confidence", 95)),
    ("XPB-P03", "/model/min_units", setting("model/min_units", True)),
    ("XPB-P03", "/pre_period_days", setting("pre_period_days", 13)),
    ("XPB-P05", "/key", setting("key", "../etc")),
    ("XPB-P06", "/title", setting("title", "  ")),
    ("XPB-P06", "/hypothesis/if", setting("hypothesis/if", "")),
    ("XPB-P07", "/variants", setting("variants/1/split", 0.4)),
    ("XPB-P08", "/variants", setting("variants/1/control", True)),
    ("XPB-P08", "/variants", setting("variants/0/control", False)),
    ("XPB-P09", "/variants", setting("variants", [{"key": "control", "split": 1.0, "control": True}])),
    ("XPB-P10", "/metrics", setting("metrics/1/key", "quotes")),
    ("XPB-P11", "/variants/0/split", setting("variants/0/split", 0)),
    ("XPB-P12", "/metrics", setting("metrics/0/role", "secondary")),
    ("XPB-P13", "/hypothesis/then/0/direction", setting("hypothesis/then/0/direction", "decrease")),
    ("XPB-P14", "/metrics/4/margin", without("metrics/4/margin_rel")),
    ("XPB-P15", "/metrics/4/margin", setting("metrics/4/margin", 0.01)),
    ("XPB-P16", "/hypothesis/then/0/metric", setting("hypothesis/then/0/metric", "quote")),
    ("XPB-P16", "/metrics/2/numerator", setting("metrics/2/numerator", "aplications")),
    ("XPB-P16", "/watch/metrics/0", setting("watch/metrics/0", "transfer")),
    ("XPB-P17", "/metrics/3", setting("metrics/3/expression", "mix + 1")),
    ("XPB-P18", "/metrics/2/numerator", setting("metrics/2/numerator", "mix")),
    ("XPB-P18", "/metrics/0/winsorize", setting("metrics/0/winsorize", {"upper": 0.99})),
    ("XPB-P18", "/watch/check_days/0", setting("watch/check_days", [60])),
    ("XPB-P18", "/exposure/end", setting("exposure", {"start": "2026-02-01", "end": "2026-01-01"})),
    ("XPB-P18", "/exposure/start", setting("exposure", {"start": "2026-02-31"})),
    ("XPB-P18", "/health/srm_warn_alpha", setting("health", {"srm_alpha": 0.01, "srm_warn_alpha": 0.001})),
    ("XPB-P18", "/model/prior/sd", setting("model", {"kind": "bayesian", "prior": {"kind": "lift", "mean": 0.0}})),
    ("XPB-P18", "/model/looks", setting("model", {"kind": "group_sequential", "looks": [0.5, 0.4, 1.0]})),
    ("XPB-P18", "/correction", lambda p: p.update(correction="e-bh", model={"kind": "frequentist"})),
    ("XPB-P18", "/segments/0", setting("segments", ["$day"])),
    ("XPB-P18", "/assignment/hash_salt", setting("assignment/hash_salt", "s")),
    ("XPB-P18", "/metrics/1/where/0/value", setting("metrics/1/where", [{"property": "a", "op": "<"}])),
    ("XPB-P18", "/metrics/0/delay_days", setting("metrics/0/delay_days", 14)),
    ("XPB-P19", "/horizon", setting("horizon", {})),
    ("XPB-P20", "/model/n_opt", without("model/n_opt")),
    ("XPB-P21", "/model/tau", setting("model/tau", 0.1)),
    ("XPB-P22", "/hypothesis/then", setting("hypothesis/then", [])),
    ("XPB-P23", "/hypothesis/then/0/metric", setting("hypothesis/then/0/metric", "applications")),
    ("XPB-P24", "/metrics/1/winsorize", setting("metrics/1/winsorize", {"lower": 0.9, "upper": 0.1})),
    ("XPB-P25", "/assignment/rollout/0/splits", setting("assignment/rollout/0/splits", {"control": 0.1, "beta": 0.1})),
    ("XPB-P25", "/assignment/layer", setting("assignment/layer", {"key": "l", "salt": "l", "start": 0.5, "end": 0.5})),
    ("XPB-P26", "/metrics/3/expression", setting("metrics/3/expression", "applications / (")),
    ("XPB-P26", "/metrics/3/expression", setting("metrics/3/expression", "__import__('os')")),
    (
        "XPB-P27",
        "/metrics",
        lambda p: p["metrics"].append(
            {"key": "c", "kind": "column", "column": "c", "role": "secondary", "direction": "increase"}
        ),
    ),
]


@pytest.mark.parametrize(("code", "pointer", "change"), CASES, ids=[f"{c}{p}" for c, p, _ in CASES])
def test_breach_is_told_with_code_and_place(code: str, pointer: str, change: Change) -> None:
    plan = events()
    assert check(plan) == []
    change(plan)
    found = check(plan)
    assert (code, pointer) in [(p.code, p.pointer) for p in found], [str(p) for p in found]
    for problem in found:
        assert problem.what
        assert problem.rule
        assert problem.remedy
        assert re.search(r"\[XPB-P\d\d\]$", str(problem))


def test_covariate_is_needed_for_cuped_on_a_table() -> None:
    plan = columns()
    plan["metrics"][0]["cuped"] = True
    assert [p.code for p in check(plan)] == ["XPB-P31"]


def test_everything_wrong_is_told_at_once_at_its_own_place() -> None:
    plan = events()
    plan["metrics"][0]["windw_days"] = 3
    plan["metrics"][1]["kind"] = "cuont"
    del plan["metrics"][4]["margin_rel"]
    plan["variants"][0]["split"] = "half"
    plan["horizn"] = 3
    del plan["owner"]
    plan["watch"]["metrics"] = ["transfer_ou"]
    found = {(p.code, p.pointer) for p in check(plan)}
    assert found == {
        ("XPB-P01", "/metrics/0/windw_days"),
        ("XPB-P01", "/horizn"),
        ("XPB-P02", "/owner"),
        ("XPB-P03", "/metrics/1/kind"),
        ("XPB-P03", "/variants/0/split"),
        ("XPB-P14", "/metrics/4/margin"),
        ("XPB-P16", "/watch/metrics/0"),
    }


def test_unknown_key_names_the_nearest() -> None:
    plan = events()
    plan["metrics"][0]["windw_days"] = 3
    assert "'window_days'" in check(plan)[0].remedy


@pytest.mark.parametrize(
    "splits", [(1 / 3, 1 / 3, 1 / 3), (0.3333, 0.3333, 0.3334), (0.125,) * 8, (0.9, 0.1), (2 / 3, 1 / 9, 2 / 9)]
)
def test_usual_splits_are_accepted(splits: tuple[float, ...]) -> None:
    variants = [{"key": f"v{i}", "split": s, "control": i == 0} for i, s in enumerate(splits)]
    assert check(events(variants=variants)) == []


@pytest.mark.parametrize(
    "data", [{}, {"metrics": 3}, {"variants": None, "metrics": [None]}, {"hypothesis": [1]}, {"model": {"kind": []}}]
)
def test_any_dictionary_gets_an_answer(data: dict[str, Any]) -> None:
    assert check(data)


def test_codes_of_plans_are_all_used_by_a_rule_or_reader() -> None:
    import inspect

    from xpbench.errors import InvalidPlan
    from xpbench.plan import model, reading, rules, templates

    text = "".join(inspect.getsource(m) for m in (rules, reading, model, templates, InvalidPlan))
    unused = {c for c in CATALOGUE if c.startswith("XPB-P") and c not in text}
    assert unused <= {"XPB-P28"}  # told by the experiment's folder


@pytest.mark.parametrize(
    "key",
    [
        "",
        "..",
        ".",
        "a/b",
        "a\\b",
        "CON",
        "con",
        "nul.txt",
        "a.",
        "A",
        "é",
        "a b",
        "-a",
        "a" * 65,
        "a\0",
        "a..b",
        "\u202ea",
        "com1",
    ],
)
def test_hostile_keys_are_refused(key: str) -> None:
    assert not is_safe_key(key)


@pytest.mark.parametrize("text", ["Beta Homepage!", "../etc", "CON", "", "ÄÖ", "a" * 200])
def test_suggested_keys_are_safe(text: str) -> None:
    assert is_safe_key(suggest_key(text))


@pytest.mark.parametrize(
    ("part", "remedy"),
    [
        ({"kind": "mean", "event": "Application", "property": "amount"}, "Name a sum of that property"),
        ({"kind": "funnel", "steps": [{"event": "a"}, {"event": "b"}], "per": "entrant"}, "Make it per: exposure"),
        ({"kind": "quantile", "event": "Application", "property": "amount", "q": 0.5}, ""),
    ],
)
def test_ratios_and_formulas_refuse_parts_without_one_value_for_each_unit(part: dict[str, Any], remedy: str) -> None:
    plan = events()
    plan["metrics"][1] = {"key": "applications", "role": "secondary", "direction": "increase", **part}
    found = [(p.code, p.pointer) for p in check(plan)]
    assert found == [("XPB-P18", "/metrics/2/numerator"), ("XPB-P18", "/metrics/3/expression")]
    assert all(remedy in str(p) for p in check(plan))
    plan["metrics"][1] = {**plan["metrics"][1], "kind": "funnel", "steps": [{"event": "a"}, {"event": "b"}]}
    plan["metrics"][1] = {k: v for k, v in plan["metrics"][1].items() if k not in ("event", "property", "q", "per")}
    assert check(plan) == []


@pytest.mark.parametrize(
    ("key", "value", "pointer"),
    [
        ("direction", "up", "/metrics/0/direction"),
        ("column", 3, "/metrics/0/column"),
        ("min_lifts", 0.1, "/metrics/0/min_lifts"),
        ("label", "x", "/metrics/0/label"),
        ("winsorize", {"lower": "x"}, "/metrics/0/winsorize/lower"),
    ],
)
def test_a_metric_of_kind_column_is_told_at_the_right_field(key: str, value: object, pointer: str) -> None:
    metric = {"key": "c", "kind": "column", "column": "c", "role": "primary", "direction": "increase", key: value}
    document = plan_document(
        [metric],
        key="k",
        title="t",
        owner="o",
        hypothesis=claim([{"metric": "c", "direction": "increase"}]),
        variants=split("control", "b"),
        unit="id",
    )
    assert [p.pointer for p in check(document)] == [pointer]
    metric.pop(key)
    metric.pop("column", None)
    metric["direction"] = "increase"
    assert [p.pointer for p in check(document)][-1] == "/metrics/0/column"
