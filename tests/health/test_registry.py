"""Every check, each with a fixture that trips only it."""

from __future__ import annotations

import json

import pytest

from tests.health.worlds import CASES, Case, healthy
from xpbench.errors import HealthError
from xpbench.health import registered, run_checks
from xpbench.health.check import Check, Verdict, failed_gates, health_line
from xpbench.health.registry import check

PER_UNIT_ONLY = {"duplicate_units"}


def test_healthy_experiment_passes_every_check() -> None:
    """Nothing speaks on a healthy experiment, and nothing that can be answered is left open."""
    results = {c.name: c.status for c in run_checks(healthy())}
    assert {k: v for k, v in results.items() if v != "pass"} == dict.fromkeys(PER_UNIT_ONLY, "not answerable")


@pytest.mark.parametrize("case", CASES, ids=[f"{c.name}-{c.status}-{i}" for i, c in enumerate(CASES)])
def test_fixture_trips_only_its_check(case: Case) -> None:
    """Exactly the named check speaks, with the named status."""
    results = run_checks(case.make())
    loud = {c.name: c.status for c in results if c.status in ("warn", "fail")}
    assert {n: s for n, s in loud.items() if n not in case.also} == {case.name: case.status}
    assert set(loud) <= {case.name} | case.also
    (speaking,) = [c for c in results if c.name == case.name]
    assert speaking is results[0]
    assert speaking.meaning
    assert speaking.next_step not in ("", "Nothing to do.")


def test_every_check_has_a_fixture() -> None:
    """No check is registered without a fixture that trips it."""
    assert {c.name for c in CASES} | PER_UNIT_ONLY == set(registered())


def test_checks_are_json_and_come_back() -> None:
    """A check is JSON without NaN, and turns into itself again."""
    for case in CASES:
        for result in run_checks(case.make()):
            text = json.dumps(result.to_dict(), allow_nan=False)
            assert Check.from_dict(json.loads(text)) == result


def test_worst_comes_first() -> None:
    """Failed gates before other failures, then warnings, not answerable, pass."""
    case = next(c for c in CASES if c.name == "srm")
    results = run_checks(case.make())
    ranks = [{"fail": 0, "warn": 1, "not answerable": 2, "pass": 3}[c.status] for c in results]
    assert ranks == sorted(ranks)
    failed = failed_gates(results)
    assert {c.name for c in failed} == {case.name} | case.also
    assert results[: len(failed)] == failed
    assert health_line(results).startswith("Sample ratio: fail · ")


def test_unknown_check_names_the_nearest() -> None:
    """A misspelt name is told with the nearest known."""
    with pytest.raises(HealthError, match="'srm_by_day'"):
        run_checks(healthy(), only=["srm_by_days"])


def test_name_can_be_registered_once() -> None:
    """A second check under a taken name is refused."""
    with pytest.raises(HealthError, match="XPB-H01"):
        check("srm", title="x", question="x")(lambda inputs: Verdict("pass", "", ""))


def test_wrong_status_is_refused() -> None:
    """A status outside the four words is an error of the check's author."""
    with pytest.raises(HealthError, match="XPB-H02"):
        Check("x", "ok", {}, "", "")  # type: ignore[arg-type]


def test_html_escapes_what_comes_from_data() -> None:
    """Hostile text in evidence or meaning stays text."""
    hostile = "</script><script>alert(1)</script>"
    html = Check("x", "warn", {hostile: hostile}, hostile, hostile, title=hostile)._repr_html_()
    assert "<script" not in html
    assert html.count("&lt;script&gt;") >= 4
