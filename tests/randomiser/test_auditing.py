"""The audit detects every injected fault and names it; clean logs have no finding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tests.randomiser.faults import FAULTS, Log, wrong_salt
from tests.randomiser.plans import definition_of, plan_of
from xpbench.errors import AssignError
from xpbench.randomiser.assigning import assignments
from xpbench.randomiser.audit.auditing import audit
from xpbench.randomiser.definitions import read_flag


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_fault_in_a_thousandth_of_the_rows_is_named(fault: Any) -> None:
    log = Log(100_000)
    expected = fault(log)
    report = audit(log.plan, log.table())
    assert report.disagreeing > 0
    assert not report.ok
    assert report.causes[0].name == expected
    assert report.causes[0].rows == pytest.approx(report.disagreeing, rel=0.05)
    assert report.first_divergence is not None
    assert str(report.first_divergence).startswith("2026-11-")


@pytest.mark.parametrize("rows", [100_000, pytest.param(1_000_000, marks=pytest.mark.full)])
def test_faults_in_a_thousandth_of_the_rows_are_all_detected_and_nearly_all_named(rows: int) -> None:
    base = Log(rows)
    named = 0
    for fault in FAULTS:
        log = Log.__new__(Log)
        log.__dict__.update({k: (v.copy() if isinstance(v, (list, np.ndarray)) else v) for k, v in base.__dict__.items()})
        expected = fault(log)
        report = audit(log.plan, log.table())
        assert report.disagreeing > 0, fault.__name__
        named += report.causes[0].name == expected
    assert len(FAULTS) >= 10
    assert named / len(FAULTS) >= 0.9


def test_hundred_clean_logs_have_no_finding() -> None:
    for seed in range(100):
        log = Log(5_000, seed=seed)
        report = audit(log.plan, log.table())
        assert report.findings == ()
        assert report.ok
        assert report.agreement == 1.0
        assert report.disagreeing == 0


def test_audit_of_a_clean_log_is_ok() -> None:
    ids = np.arange(100_000)
    plan = plan_of()
    table = pa.table({"distinct_id": ids, "variant": assignments(plan, ids).variants().tolist()})
    report = audit(plan, table)
    assert report.ok


def test_two_faults_at_once_are_told_apart() -> None:
    log = Log(50_000, share=0.004)
    wrong_salt_rows = FAULTS[3](log), FAULTS[9](log)
    report = audit(log.plan, log.table())
    assert wrong_salt_rows == ("id_cast", "override_list")
    assert [c.name for c in report.causes[:2]] in (["id_cast", "override_list"], ["override_list", "id_cast"])


def test_affected_share_and_times() -> None:
    log = Log(20_000, share=0.01)
    wrong_salt(log)
    report = audit(log.plan, log.table())
    counts = pd.Series(log.variant).value_counts()
    for variant, share in report.affected.items():
        of_it = sum(log.variant[i] == variant for i in report.mismatches)
        assert share == pytest.approx(of_it / counts[variant])
    first = min(log.time[i] for i in report.mismatches)
    assert pd.Timestamp(report.first_divergence) == pd.Timestamp(first, unit="s", tz="UTC")


@pytest.mark.parametrize("kind", ["pandas", "polars", "dict"])
def test_logs_of_other_kinds(kind: str) -> None:
    log = Log(3_000, share=0.01)
    FAULTS[9](log)
    table = log.table()
    frame = {"pandas": table.to_pandas(), "polars": pl.from_arrow(table), "dict": table.to_pydict()}[kind]
    assert audit(log.plan, frame).to_dict() == audit(log.plan, table).to_dict()


def test_float_ids_in_the_log_are_named_not_refused() -> None:
    plan = plan_of()
    ids = list(range(1000, 1400))
    frame = pd.DataFrame({"distinct_id": pd.Series(ids, dtype="float64"), "variant": assignments(plan, ids).variants()})
    report = audit(plan, frame)
    assert [c.name for c in report.causes] == ["id_cast"]


def test_rows_that_cannot_be_compared_are_counted() -> None:
    plan = plan_of()
    ids: list[Any] = ["a", "b", None, "c", "d"]
    right = assignments(plan, ids).variants().tolist()
    frame = {"distinct_id": ids, "variant": [right[0], None, "beta", "Beta", right[4]]}
    report = audit(plan, frame)
    assert (report.rows, report.null_ids, report.missing_variant) == (2, 1, 1)
    assert report.unknown_variants == {"Beta": 1}
    assert report.agreement == 1.0
    assert not report.ok
    assert "Beta" in report._repr_html_()


def test_only_rows_of_the_experiment_count() -> None:
    plan = plan_of()
    right = assignments(plan, ["a", "b"]).variants()
    frame = {
        "distinct_id": ["a", "b", "a"],
        "Variant name": [*right, "other"],
        "Experiment name": ["beta-homepage", "beta-homepage", "something-else"],
    }
    report = audit(plan, frame)
    assert report.rows == 2
    assert report.ok


def test_flag_rollout_that_was_raised_is_a_changed_split() -> None:
    flag = read_flag(definition_of(rollout=(0.3,), hash_salt="ab" * 16))
    wider = read_flag(definition_of(rollout=(0.4,), hash_salt="ab" * 16))
    ids = [f"u{i}" for i in range(40_000)]
    found = assignments(wider, ids).variants()
    exposed = [(u, v) for u, v in zip(ids, found, strict=True) if v is not None]
    report = audit(flag, {"distinct_id": [u for u, _ in exposed], "variant": [v for _, v in exposed]})
    assert report.causes[0].name == "split_changed"
    assert "0.3 to about 0.39" in report.causes[0].detail or "0.3 to about 0.4" in report.causes[0].detail


def test_everyone_outside_the_rollout_exposed() -> None:
    plan = plan_of(rollout=[{"key": "some", "share": 0.2}])
    ids = [f"u{i}" for i in range(5_000)]
    report = audit(plan, {"distinct_id": ids, "variant": assignments(plan_of(), ids).variants().tolist()})
    assert report.causes[0].name == "outside_rollout"


def test_flag_logged_by_the_native_hash_is_a_second_sdk() -> None:
    flag = read_flag(definition_of("beta-homepage", hash_salt="ab" * 16))
    ids = [f"u{i}" for i in range(5_000)]
    right = assignments(flag, ids).variants()
    right[:400] = assignments(plan_of(salt="beta-homepage", splits=(0.5, 0.5)), ids[:400]).variants()
    report = audit(flag, {"distinct_id": ids, "variant": right.tolist()})
    assert report.causes[0].name == "second_sdk"
    assert "native hash" in report.causes[0].detail


def test_qa_testers_are_no_mystery() -> None:
    plan = plan_of()
    ids = [f"u{i}" for i in range(500)]
    right = assignments(plan, ids).variants()
    flipped = ["beta" if v == "control" else "control" for v in right[:5]]
    frame = {"distinct_id": ids, "variant": [*flipped, *right[5:]], "$is_qa_tester": [True] * 5 + [False] * 495}
    report = audit(plan, frame)
    assert [(c.name, c.rows) for c in report.causes] == [("override_list", 5)]


def test_missing_column_is_named() -> None:
    with pytest.raises(AssignError, match=r"XPB-A13"):
        audit(plan_of(), {"user": ["a"], "variant": ["beta"]})
    with pytest.raises(AssignError, match=r"distinct_id"):
        audit(plan_of(), {"distinct_id": ["a"], "variant": ["beta"]}, unit="distinct_idd")


def test_markup_in_the_log_stays_text() -> None:
    report = audit(plan_of(), {"distinct_id": ["a"], "variant": ["<script>alert(1)</script>"]})
    assert "<script>" not in report._repr_html_()


def test_a_log_without_rows_or_without_the_experiment_proves_nothing() -> None:
    empty = audit(plan_of(), {"distinct_id": pa.array([], pa.string()), "variant": pa.array([], pa.string())})
    assert (empty.rows, empty.ok) == (0, False)
    with pytest.raises(AssignError, match=r"no such experiment.*Did you mean 'beta-homepge'"):
        audit(plan_of(), {"distinct_id": ["a"], "variant": ["beta"], "Experiment name": ["beta-homepge"]})


def test_a_log_with_other_labels_says_that_nothing_was_compared() -> None:
    """A CMS that logs its own names of the variants: 0 rows without a finding looked like a clean log."""
    plan = plan_of()
    log = {"distinct_id": [f"user-{i}" for i in range(100)], "variant": ["A", "B"] * 50}
    report = audit(plan, log)
    assert not report.ok
    for text in (str(report), report._repr_html_()):
        assert "nothing" in text
        assert "nan" not in text
        assert "unknown variant 'A'" in text.replace("&#x27;", "'")
    mixed = audit(plan, {"distinct_id": ["user-1", "user-2"], "variant": [*assignments(plan, ["user-1"]).variants(), "B"]})
    assert "agreement 100.0000%: nothing that was compared differs; not compared: unknown variant" in str(mixed)
