"""A healthy experiment for tests, and one change each that makes one check speak."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from tests.builders import metric, plan_document
from xpbench.data.summary import Cell, Extreme, Finding, Summary
from xpbench.health import HealthInputs
from xpbench.health.pooled import pooled_outcomes
from xpbench.plan.model import Plan

START = date(2026, 9, 7)
DAYS = 28
A_DAY = 400
N = DAYS * A_DAY
NOW = datetime(2026, 10, 6, 12, 0, tzinfo=UTC)


def event_plan(**changes: Any) -> Plan:
    """A plan over events with everything that checks look at."""
    base: dict[str, Any] = plan_document(
        [
            metric("quote", "conversion", event="Quote", window_days=14),
            metric("views", "count", "secondary", event="View", window_days=14),
            metric("value", "sum", "guardrail", event="Transfer", property="amount", window_days=14, margin_rel=0.05),
        ],
        key="beta-homepage",
        lift=0.05,
        change="visitors see the beta homepage",
        because="one entry point",
        exposure={"start": START.isoformat(), "end": (START + timedelta(days=DAYS)).isoformat()},
        segments=["platform"],
        horizon={"units": 2 * N, "days": DAYS},
        planning={"daily_units": 2 * A_DAY},
    )
    return Plan(**{**base, **changes})


def cells(n: int = N) -> tuple[Cell, ...]:
    """Moments of the three metrics, after and before exposure; the variants do not differ."""
    out = []
    for variant, shift in (("control", 0.0), ("beta", 0.01)):
        for form in ("value", "raw", "before"):
            for name, mean, var in (("quote", 0.12, 0.1056), ("views", 6.0, 20.0), ("value", 40.0, 9000.0)):
                out.append(Cell(name, variant, form, ("value",), n, (mean + shift * (var / n) ** 0.5,), ((var,),)))  # type: ignore[arg-type]
    return tuple(out)


def summary(**changes: Any) -> Summary:
    """What was read of the healthy experiment."""
    days = [(START + timedelta(days=i)).isoformat() for i in range(DAYS)]
    base = Summary(
        source="events (duckdb)",
        fingerprint="0" * 64,
        rows=200_000,
        units={"control": N, "beta": N},
        cells=cells(),
        findings=(
            Finding("identity_changes", 0, 2 * N, "kept"),
            *(Finding("metric_overlap", 900, 1000, "kept", metric=m) for m in ("quote", "views", "value")),
        ),
        extremes=(Extreme("views", "beta", 60.0), Extreme("value", "control", 900.0)),
        exposures_by_day={d: {"control": A_DAY, "beta": A_DAY} for d in days},
        segments={"platform": {p: {"control": N // 2, "beta": N // 2} for p in ("ios", "web")}},
        first_exposure=f"{days[0]}T00:10:00+00:00",
        last_exposure=f"{days[-1]}T23:50:00+00:00",
        data_until="2026-10-06T11:00:00+00:00",
        engine="duckdb",
    )
    return replace(base, **changes)


def retro(uniform: bool = True) -> dict[str, Any]:
    """A report of re-randomising."""
    return {
        "metric": "value",
        "draws": 1000,
        "units": 2 * N,
        "alpha": 0.05,
        "false_positive_rate": 0.05 if uniform else 0.11,
        "ks": 0.7 if uniform else 3.1,
        "ks_limit": 1.63,
        "uniform": uniform,
        "bins": [0.0, 0.5],
        "counts": [500, 500],
    }


def healthy(**changes: Any) -> HealthInputs:
    """Inputs on which every check passes."""
    base = HealthInputs(
        plan=event_plan(),
        summary=summary(),
        previous=summary(units={"control": N - 100, "beta": N - 100}, data_until="2026-10-05T11:00:00+00:00"),
        flag={"control": 0.5, "beta": 0.5},
        assigned={"control": N + 500, "beta": N + 500},
        audit={"rows": 2 * N, "disagreeing": 0, "causes": []},
        retro=retro(),
        now=NOW,
        registered=datetime(2026, 8, 20, 9, 0, tzinfo=UTC),
        outcomes_before=pooled_outcomes(event_plan(), summary()),
    )
    return replace(base, **changes)


def _restated(factor: float) -> HealthInputs:
    """The look before found other quotes for the same units."""
    then = pooled_outcomes(event_plan(), summary())
    return healthy(outcomes_before={**then, "quote": {**then["quote"], "sum": then["quote"]["sum"] / factor}})


def found(name: str, count: int, of: int, action: str = "excluded", **more: Any) -> HealthInputs:
    """The healthy experiment with one finding."""
    looked = Finding("identity_changes", 0, 2 * N, "kept")
    return healthy(summary=summary(findings=(looked, Finding(name, count, of, action, **more))))


FEWER = (
    Finding("metric_overlap", 8, 1000, "kept", metric="views", by_variant={"control": 4, "beta": 4}),
    Finding("metric_overlap_before", 900, 1000, "compared", metric="views", by_variant={"control": 450, "beta": 450}),
)
"""Nine in ten events were of the units before the experiment, and since then hardly any."""


def _day_pattern(pattern: list[tuple[int, int]]) -> dict[str, dict[str, int]]:
    return {(START + timedelta(days=i)).isoformat(): {"control": c, "beta": b} for i, (c, b) in enumerate(pattern)}


def _srm() -> HealthInputs:
    # 1.25 points over 22,400 units: p = 1.8e-4, spread evenly over days and segments. The test read daily has nearly all of its
    # level left at the end, and sees it, too.
    c, b = N + 280, N - 280
    days = _day_pattern([(410, 390)] * DAYS)
    return healthy(
        summary=summary(
            units={"control": c, "beta": b},
            exposures_by_day=days,
            segments={"platform": {p: {"control": c // 2, "beta": b // 2} for p in ("ios", "web")}},
        ),
        previous=None,
        assigned=None,
    )


def _srm_anytime() -> HealthInputs:
    return healthy(summary=summary(exposures_by_day=_day_pattern([(434, 366)] * 14 + [(366, 434)] * 14)))


def _srm_by_day() -> HealthInputs:
    pattern = [(A_DAY, A_DAY)] * DAYS
    pattern[20], pattern[21] = (480, 320), (320, 480)
    return healthy(summary=summary(exposures_by_day=_day_pattern(pattern)))


def _srm_by_segment() -> HealthInputs:
    half = N // 2
    return healthy(
        summary=summary(
            segments={
                "platform": {
                    "ios": {"control": half + 200, "beta": half - 200},
                    "web": {"control": half - 200, "beta": half + 200},
                }
            }
        )
    )


def _no_units() -> HealthInputs:
    return healthy(
        plan=event_plan(
            variants=[
                {"key": "control", "split": 0.5, "control": True},
                {"key": "beta", "split": 0.5},
                {"key": "idle", "split": 0.000001},
            ]
        ),
        flag=None,
        assigned=None,
    )


def _bias() -> HealthInputs:
    moved = tuple(
        replace(c, mean=(c.mean[0] + 0.4,)) if (c.metric, c.variant, c.form) == ("views", "beta", "before") else c
        for c in cells()
    )
    return healthy(summary=summary(cells=moved))


def _constant() -> HealthInputs:
    flat = tuple(replace(c, mean=(0.0,), cov=((0.0,),)) if c.metric == "quote" and c.form != "before" else c for c in cells())
    return healthy(summary=summary(cells=flat))


def _leverage() -> HealthInputs:
    # 900 is nothing on 9,000 of variance over 11,200 units; 12,000 is more than half a standard error of 1.27
    return healthy(summary=summary(extremes=(Extreme("value", "beta", 12_000.0),)))


def _weekdays() -> HealthInputs:
    days = [(START + timedelta(days=i)) for i in range(DAYS)]
    weekdays = {d.isoformat(): {"control": 560, "beta": 560} for d in days if d.weekday() < 5}
    return healthy(summary=summary(exposures_by_day=weekdays))


@dataclass(frozen=True)
class Case:
    """One fixture: the check that must speak, how, the inputs, and checks that see the same fault by design."""

    name: str
    status: str
    make: Callable[[], HealthInputs]
    also: frozenset[str] = frozenset()


CASES = (
    Case("srm", "fail", _srm, also=frozenset({"srm_anytime"})),
    Case("srm_anytime", "fail", _srm_anytime),
    Case("srm_by_day", "fail", _srm_by_day),
    Case("srm_by_segment", "fail", _srm_by_segment),
    Case("no_units", "fail", _no_units),
    Case("contamination", "warn", lambda: found("several_variants", 60, 2 * N, by_variant={"control": 30, "beta": 30})),
    Case("contamination", "fail", lambda: found("several_variants", 400, 2 * N, by_variant={"control": 200, "beta": 200})),
    Case("contamination", "fail", lambda: found("several_variants", 60, 2 * N, by_variant={"control": 55, "beta": 5})),
    Case(
        "assignment_audit",
        "fail",
        lambda: healthy(audit={"rows": 2 * N, "disagreeing": 300, "causes": [{"name": "wrong_salt"}]}),
    ),
    Case("assignment_audit", "warn", lambda: healthy(audit={"rows": 2 * N, "disagreeing": 2})),
    Case("assignment_audit", "warn", lambda: healthy(audit={"rows": 1_541, "disagreeing": 1})),
    Case("assignment_audit", "fail", lambda: healthy(audit={"rows": 1_541, "disagreeing": 2})),
    Case("assignment_audit", "fail", lambda: healthy(audit={"rows": 150, "disagreeing": 1})),
    Case(
        "flag_split",
        "fail",
        lambda: healthy(
            flag={"control": 0.5, "beta": 0.45, "old": 0.05},
            summary=summary(
                units={"control": N, "beta": round(N * 0.9)},
                exposures_by_day=_day_pattern([(400, 360)] * DAYS),
                segments={"platform": {"ios": {"control": N // 2, "beta": round(N * 0.45)}}},
            ),
            previous=None,
            assigned={"control": N + 500, "beta": round(N * 0.9) + 450},
            plan=event_plan(horizon={"units": 20_000}),
        ),
    ),
    Case("flag_split", "warn", lambda: healthy(flag={"control": 0.503, "beta": 0.497})),
    Case("unknown_variant", "warn", lambda: found("unknown_variant", 40, 2 * N)),
    Case("unknown_variant", "fail", lambda: found("unknown_variant", 2 * N, 3 * N)),
    Case("missing_variant", "warn", lambda: found("missing_variant", 40, 2 * N)),
    Case("missing_variant", "fail", lambda: found("missing_variant", 3000, 2 * N)),
    Case("plan_first", "warn", lambda: healthy(registered=datetime(2026, 10, 20, tzinfo=UTC))),
    Case("plan_first", "warn", lambda: healthy(registered=datetime(2026, 9, 20, tzinfo=UTC))),
    Case("exposure_dates", "warn", lambda: found("outside_dates", 600, 2 * N)),
    Case("exposure_dates", "fail", lambda: found("outside_dates", 6, 2 * N, "kept")),
    Case("exposure_dates", "fail", lambda: healthy(summary=summary(first_exposure="2026-09-01T00:00:00+00:00"), previous=None)),
    Case("exposures_missing", "fail", lambda: healthy(assigned={"control": N + 500, "beta": N + 1500})),
    Case("exposures_missing", "fail", lambda: healthy(assigned={"control": N + 5, "beta": N - 5})),
    Case("dilution", "warn", lambda: healthy(assigned={"control": 10 * N, "beta": 10 * N})),
    Case("pre_experiment_bias", "warn", _bias),
    Case("aa_calibration", "warn", lambda: healthy(retro=retro(uniform=False))),
    Case(
        "missing_values", "warn", lambda: found("missing_value", 4, 2 * N, metric="value", by_variant={"control": 2, "beta": 2})
    ),
    Case(
        "missing_values",
        "fail",
        lambda: found("missing_value", 2000, 2 * N, metric="value", by_variant={"control": 1000, "beta": 1000}),
    ),
    Case(
        "missing_values",
        "fail",
        lambda: found("missing_value", 90, 2 * N, metric="value", by_variant={"control": 10, "beta": 80}),
    ),
    Case("missing_codes", "warn", lambda: found("missing_code", 20, 2 * N, metric="value")),
    Case("missing_codes", "fail", lambda: found("missing_code", 20, 2 * N, "kept", metric="value")),
    Case("not_a_number", "warn", lambda: found("not_a_number", 20, 2 * N, metric="value")),
    Case("not_a_number", "warn", lambda: found("infinite", 20, 2 * N, metric="value")),
    Case("not_a_number", "fail", lambda: found("not_a_number", 4000, 2 * N, metric="value")),
    Case("negative_values", "warn", lambda: found("negative", 7, 2 * N, "kept", metric="value")),
    Case("constant_metric", "fail", _constant, also=frozenset({"restated_outcomes"})),
    Case("absent_events", "warn", lambda: found("absent_event", 1, 1, "counted as zero", metric="views")),
    Case("outlier_leverage", "warn", _leverage),
    Case("mixed_ids", "warn", lambda: found("mixed_ids", 7, 2 * N, "kept")),
    Case("duplicate_events", "warn", lambda: found("duplicate_events", 6000, 200_000)),
    Case("duplicate_events", "warn", lambda: found("duplicate_events", 6, 200_000, "kept")),
    Case("rejected_lines", "warn", lambda: found("rejected_lines", 3, 200_000)),
    Case("rejected_lines", "fail", lambda: found("rejected_lines", 3000, 200_000)),
    Case("late_data", "warn", lambda: found("late_events", 6000, 200_000, "kept")),
    Case("immature_data", "warn", lambda: found("immature_units", 6000, 2 * N, "kept")),
    Case("bots", "warn", lambda: found("bots", 100, 2 * N)),
    Case(
        "bots",
        "warn",
        lambda: healthy(
            summary=replace(
                summary(extremes=(Extreme("views", "beta", 15_000.0),)),
                cells=tuple(replace(c, cov=((250_000.0 * 90,),)) if c.metric == "views" else c for c in cells()),
            )
        ),
    ),
    Case("qa_testers", "warn", lambda: found("qa_tester", 600, 2 * N)),
    Case("identity_changes", "warn", lambda: found("identity_changes", 600, 2 * N, "kept")),
    Case("metric_overlap", "fail", lambda: found("metric_overlap", 0, 5000, "kept", metric="views")),
    Case("metric_overlap", "warn", lambda: found("metric_overlap", 0, 5, "kept", metric="views")),
    Case("metric_overlap", "warn", lambda: healthy(summary=summary(findings=FEWER))),
    Case("reading_rules", "warn", lambda: found("skipped_lines", 2, 0, "not read", detail="Before the header.")),
    Case("duplicate_events", "warn", lambda: found("no_insert_ids", 9000, 9000, "counted as they are", detail="None.")),
    Case("absent_events", "warn", lambda: found("absent_filter_value", 1, 1, "counted as zero", metric="views", detail="x")),
    Case("time_zone_shift", "warn", lambda: healthy(summary=summary(data_until="2026-10-06T20:00:00+00:00"))),
    Case("time_zone_shift", "warn", lambda: found("time_zone_shift", 600, 200_000, "kept")),
    Case("clock", "fail", lambda: healthy(summary=summary(data_until="2027-01-06T20:00:00+00:00"))),
    Case("clock", "warn", lambda: healthy(recorded_until=NOW + timedelta(hours=2))),
    Case("clock", "warn", lambda: healthy(previous=summary(data_until="2026-10-06T11:30:00+00:00"))),
    Case(
        "shrunk_data",
        "fail",
        lambda: healthy(previous=summary(units={"control": N + 200, "beta": N + 200}, data_until="2026-10-05T11:00:00+00:00")),
    ),
    Case(
        "shrunk_data",
        "warn",
        lambda: healthy(previous=summary(units={"control": N + 2, "beta": N}, data_until="2026-10-05T11:00:00+00:00")),
    ),
    Case(
        "shrunk_data",
        "warn",
        lambda: healthy(
            previous=summary(
                units={"control": N, "beta": N},
                first_exposure=f"{START.isoformat()}T00:05:00+00:00",
                data_until="2026-10-05T11:00:00+00:00",
            )
        ),
    ),
    Case("restated_outcomes", "fail", lambda: _restated(0.9)),
    Case("restated_outcomes", "fail", lambda: _restated(2.0)),
    Case("restated_outcomes", "warn", lambda: _restated(1.02)),
    Case("day_of_week", "warn", _weekdays),
    Case("sample_size", "warn", lambda: healthy(plan=event_plan(horizon={"units": 4 * N, "days": 28}))),
    Case("sample_size", "warn", lambda: healthy(plan=event_plan(horizon={"units": 9 * N}, planning={"daily_units": 4000}))),
)
