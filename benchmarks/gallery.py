"""Pictures of every view and form in both themes, and of the memo: `python -m benchmarks.gallery` → docs/gallery/*.png.

The numbers are made up to show every state; names of 80 characters, right-to-left text, 12 variants, 40 metrics, zero and
unbounded lifts are among them.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from xpbench import views
from xpbench.plan import template
from xpbench.plan.design import Decision
from xpbench.views.card import PlanCard
from xpbench.views.novelty_curve import trend
from xpbench.views.readout_card import ReadoutCard
from xpbench.views.view import View

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "gallery"
LONG = "Transfer in, value in dollars per exposed unit and calendar month, capped at 99 %"
RTL = "تحويلات واردة"


def row(
    metric: str, role: str, *, lift: float | None, half: float = 0.03, variant: str = "beta", **more: Any
) -> dict[str, Any]:
    mean = more.pop("mean_control", 0.121)
    return {
        "metric": metric,
        "label": more.pop("label", metric),
        "kind": "conversion",
        "role": role,
        "direction": "increase",
        "variant": variant,
        "n_control": 20012,
        "n": 19988,
        "mean_control": mean,
        "mean": None if lift is None else mean * (1 + lift),
        "effect": None if lift is None else mean * lift,
        "ci_low": None if lift is None else mean * (lift - half),
        "ci_high": None if lift is None else mean * (lift + half),
        "lift": lift,
        "lift_low": None if lift is None else lift - half,
        "lift_high": None if lift is None else lift + half,
        "p_value": 0.003,
        "status": "ok",
        "reason": "",
        "p_adjusted": 0.006,
        "alpha": 0.05,
        "verdict": "unclear",
        "matters": None,
        "too_small": None,
        "guardrail": "",
        "margin": None,
        "margin_scale": "lift",
        "margin_p_value": None,
        "chance": None,
        "risk": None,
        "variance_reduction": None,
        "is_proportion": mean < 1,
        "se": 0.01,
        "min_lift": None,
        "sensitivity": (),
        **more,
    }


def rows() -> list[dict[str, Any]]:
    other = {"effect": 0.009, "ci_low": 0.0, "ci_high": 0.02, "p_value": 0.002, "status": "ok"}
    ways = (
        {"name": "raw", "lift": 0.081, "lift_low": -0.01, "lift_high": 0.172, "note": "not winsorized", **other},
        {"name": "without CUPED", "lift": 0.07, "lift_low": 0.02, "lift_high": 0.12, "note": "", **other},
        {"name": "Mixpanel's documented test", "lift": 0.074, "lift_low": 0.026, "lift_high": 0.122, "note": "", **other},
    )
    return [
        row(
            "quote_started",
            "primary",
            lift=0.074,
            half=0.0435,
            verdict="better",
            min_lift=0.02,
            matters=True,
            label="Quote started",
            sensitivity=ways,
            variance_reduction=0.31,
        ),
        row(
            "applications",
            "secondary",
            lift=0.022,
            half=0.041,
            label="Applications processed",
            mean_control=1.82,
            variance_reduction=0.12,
        ),
        row(
            "transfer_in",
            "secondary",
            lift=-0.042,
            half=0.031,
            verdict="worse",
            label=LONG,
            mean_control=1234.2,
            variance_reduction=0.52,
        ),
        row(
            "ratio",
            "secondary",
            lift=0.03,
            lift_low=None,
            lift_high=None,
            status="unbounded_lift",
            label="Quote to application",
        ),
        row("claims", "secondary", lift=None, status="control_near_zero", label=RTL, mean_control=0.0),
        row(
            "transfer_out",
            "guardrail",
            lift=0.011,
            half=0.02,
            direction="decrease",
            guardrail="ok",
            margin=0.05,
            label="Transfer out",
        ),
        row(
            "page_load",
            "guardrail",
            lift=0.062,
            half=0.02,
            direction="decrease",
            guardrail="bad",
            margin=0.04,
            label="Page load p95",
            mean_control=2100.0,
        ),
    ]


def many_metrics() -> list[dict[str, Any]]:
    roles = ["primary", *["secondary"] * 31, *["guardrail"] * 8]
    generator = np.random.default_rng(7)
    out = []
    for i, role in enumerate(roles):
        lift, half = float(generator.normal(0, 0.03)), float(generator.uniform(0.01, 0.08))
        verdict = "better" if lift - half > 0 else "worse" if lift + half < 0 else "unclear"
        rail = {"guardrail": "ok" if lift - half > -0.05 else "unclear", "margin": -0.05} if role == "guardrail" else {}
        out.append(row(f"metric_{i:02}", role, lift=lift, half=half, verdict=verdict, label=f"Metric number {i + 1}", **rail))
    return out


def many_variants() -> list[dict[str, Any]]:
    return [
        row(
            "quote_started",
            "primary",
            lift=0.01 * (i - 4),
            half=0.02 + 0.002 * i,
            variant=f"variant {i + 1}",
            label="Quote started",
            verdict="better" if i > 7 else "worse" if i < 2 else "unclear",
        )
        for i in range(12)
    ]


def days(count: int, pace: int = 1400) -> dict[str, dict[str, int]]:
    generator = np.random.default_rng(3)
    first = date(2026, 11, 2)
    return {
        (first + timedelta(days=i)).isoformat(): {
            "control": int(generator.poisson(pace / 2 * (0.6 if (first + timedelta(days=i)).weekday() > 4 else 1))),
            "beta": int(generator.poisson(pace / 2 * (0.6 if (first + timedelta(days=i)).weekday() > 4 else 1))),
        }
        for i in range(count)
    }


def path_points(*, peek: bool) -> list[dict[str, Any]]:
    out = []
    for i in range(1, 41):
        n, half = i * 1000, 0.9 / math.sqrt(i * 1000) * (1.3 + 0.4 / i)
        lift = 0.055 + 0.08 * math.exp(-i / 4) * math.cos(i)
        look = "peek" if peek and i == 11 else "planned" if i in (20, 40) else ""
        out.append(
            {"n": n, "lift": lift, "lift_low": lift - 4 * half, "lift_high": lift + 4 * half, "p_value": 0.2 / i, "look": look}
        )
    return out


def segment() -> dict[str, Any]:
    slices = {}
    for i, name in enumerate(("web", "ios", "android", "a platform with a very long name of its own")):
        slices[name] = [
            row(
                "quote_started",
                "primary",
                lift=0.09 - 0.05 * i,
                half=0.05,
                verdict="better" if i == 0 else "unclear",
                label="Quote started",
            ),
            row("applications", "secondary", lift=0.02 * i - 0.01, half=0.06, label="Applications processed"),
            row(
                "transfer_out", "guardrail", lift=0.01, half=0.03, direction="decrease", label="Transfer out", verdict="unclear"
            ),
        ]
    return {
        "dimension": "platform",
        "is_declared": False,
        "slices": slices,
        "interaction": {"quote_started:beta": 0.004},
        "hidden": 2,
    }


def checks(*, fail: bool) -> list[dict[str, Any]]:
    words = [
        (
            "srm",
            "Sample ratio",
            "fail" if fail else "pass",
            "The counts 20,830 and 19,170 do not fit 50 / 50 (p = 9e-17)." if fail else "The counts fit the plan (p = 0.42).",
            "Look at the ranked causes." if fail else "Nothing to do.",
            True,
        ),
        (
            "contamination",
            "Contamination",
            "warn",
            "0.4 % of units met both variants.",
            "Find where the flag is evaluated twice.",
            False,
        ),
        ("bias", "Pre-experiment bias", "pass", "None of 6 comparisons differs.", "Nothing to do.", False),
        ("late", "Late data", "not answerable", "The source has no arrival times.", "Nothing to do.", False),
    ]
    return [
        {
            "name": n,
            "title": t,
            "status": s,
            "meaning": m,
            "next_step": x,
            "gate": g,
            "evidence": {"p_value": 0.42, "units": 40000},
        }
        for n, t, s, m, x, g in words
    ]


def bias() -> dict[str, Any]:
    effects = (0.9, -0.4, 1.2, 0.1, -1.8, 3.9)
    names = ("quote_started", "applications", "transfer_out", "page_load", "quotes", LONG)
    found = [
        {
            "metric": n,
            "variant": "beta",
            "days": 14,
            "effect_before": e * 0.01,
            "se": 0.01,
            "p_value": 0.2,
            "p_corrected": 0.001 if e > 3 else 1.0,
        }
        for n, e in zip(names, effects, strict=True)
    ]
    return {"tests": len(found), "warn_below": 0.01, "rows": sorted(found, key=lambda r: r["p_corrected"])}


def bins() -> list[dict[str, Any]]:
    edges = np.linspace(0, 4000, 41)
    before = [int(9000 * math.exp(-i / 5) + (60 if i == 39 else 0)) for i in range(40)]
    after = [n if i < 20 else 0 for i, n in enumerate(before)]
    after[20] = sum(before[20:])
    return [{"left": float(edges[i]), "right": float(edges[i + 1]), "before": before[i], "after": after[i]} for i in range(40)]


def power_points() -> list[dict[str, Any]]:
    from scipy.stats import norm

    return [
        {"n": n, "lift": lift, "power": float(norm.cdf(lift * math.sqrt(n) / 5.3 - 1.96))}
        for lift in (0.03, 0.05, 0.08)
        for n in range(2000, 80001, 2000)
    ]


NAME_80 = "Retirement quotes that were started, finished and sent within two weeks by mail."
NAME_RTL = "عروض التقاعد التي بدأت واكتملت وأُرسلت خلال أسبوعين عن طريق البريد الإلكتروني هنا"


def hard_rows() -> list[dict[str, Any]]:
    """Names of 80 characters, right-to-left names, zero and unbounded lifts, no number at all."""
    nothing = {"lift_low": None, "lift_high": None}
    return [
        row("a", "primary", lift=0.0, half=0.0, label=NAME_80),
        row("b", "primary", lift=2.4, **nothing, status="unbounded_lift", label=NAME_RTL),
        row("c", "secondary", lift=None, status="control_near_zero", label=NAME_80, mean_control=0.0),
        row("d", "secondary", lift=0.0004, half=0.0007, label=NAME_RTL, mean_control=1_234_567.0),
        row("e", "secondary", lift=None, status="not_enough_units", label="No units"),
        row("f", "secondary", lift=-0.91, half=0.4, verdict="worse", label="Fell by nine tenths"),
        row("g", "guardrail", lift=0.0, half=0.01, direction="decrease", guardrail="ok", margin=0.05, label=NAME_80),
        row("h", "guardrail", lift=-0.2, half=0.3, guardrail="unclear", margin=-0.02, label=NAME_RTL),
    ]


def hard_segment() -> dict[str, Any]:
    slices = {
        name: [row(f"m{i}", "secondary", lift=0.02 * i - 0.05, half=0.05, label=f"{NAME_80[: 30 + i]}") for i in range(12)]
        for name in (NAME_80, NAME_RTL, "web")
    }
    return {"dimension": "platform", "is_declared": True, "slices": slices, "interaction": {}, "hidden": 0}


def trend_points(axis: str) -> dict[str, Any]:
    count = {"age": 14, "cohort": 21, "weekday": 7}[axis]
    points = [
        {"x": float(d), "label": str(d), "effect": 0.004 + 0.012 * math.exp(-d / 3), "se": 0.003, "n": 12_000}
        for d in range(count)
    ]
    words = {"age": "fades with the days since exposure: part of it is novelty", "cohort": "is smaller for units exposed later",
             "weekday": "differs between days of the week"}  # fmt: skip
    return {"axis": axis, "word": "fading", "p_adjusted": 0.003, "sentence": f"Quote start rate: the effect {words[axis]}.",
            "points": points}  # fmt: skip


SITUATION = {"primary": "win", "deteriorated": False, "guardrails": "ok", "health": "pass", "adequate": True}
VIEWS: dict[str, Callable[[], View]] = {
    "forest": lambda: views.forest(rows()),
    "forest-clean": lambda: views.forest(
        [r for r in rows() if r["metric"] in ("quote_started", "applications", "transfer_out")]
    ),
    "forest-40-metrics": lambda: views.forest(many_metrics()),
    "forest-12-variants": lambda: views.forest(many_variants()),
    "forest-empty": lambda: views.forest([]),
    "split": lambda: views.exposure_split({"control": 20102, "beta": 19898}, {"control": 0.5, "beta": 0.5}),
    "split-fails": lambda: views.exposure_split({"control": 20830, "beta": 19170}, {"control": 0.5, "beta": 0.5}),
    "split-12-variants": lambda: views.exposure_split(
        {f"variant {i}": 3300 + 17 * i for i in range(12)}, {f"variant {i}": 1 / 12 for i in range(12)}
    ),
    "timeline": lambda: views.exposures_over_time(days(18), horizon=40000),
    "timeline-reached": lambda: views.exposures_over_time(days(36), horizon=40000, horizon_days=28),
    "path": lambda: views.sequential_path(path_points(peek=False), metric="Quote started", horizon=40000),
    "path-peek": lambda: views.sequential_path(
        path_points(peek=True), metric="Quote started", horizon=40000, valid_at_every_look=False
    ),
    "bias": lambda: views.pre_experiment_bias(bias()),
    "segments": lambda: views.segment_heatmap(segment()),
    "novelty": lambda: views.novelty(
        [
            {
                "day": d,
                "lift": 0.12 * math.exp(-d / 4) + 0.02,
                "lift_low": 0.12 * math.exp(-d / 4) - 0.03,
                "lift_high": 0.12 * math.exp(-d / 4) + 0.07,
                "n": 40000 - 1000 * d,
            }
            for d in range(15)
        ],
        metric="Quote started",
    ),
    "winsorization": lambda: views.winsorization(bins(), metric="Transfer in", upper=2050, n_capped=941, largest=49854),
    "cuped": lambda: views.cuped_reduction(rows()),
    "power": lambda: views.power_curve(power_points(), metric="Quote started", target=0.8, horizon=40000),
    "buckets": lambda: views.bucket_heatmap(
        [int(n) for n in np.random.default_rng(1).multinomial(40000, [0.01] * 100)],
        owners=["control"] * 45 + ["beta"] * 45 + [""] * 10,
    ),
    "truth": lambda: views.truth_view(Decision(), situation=SITUATION),
    "sensitivity": lambda: views.sensitivity(rows()[0]),
    "forest-hard": lambda: views.forest(hard_rows()),
    "split-hard": lambda: views.exposure_split(
        {"control": 20102, "a": 0, "b": 9898},
        {"control": 0.5, "a": 0.25, "b": 0.25},
        labels={"control": NAME_80, "a": NAME_RTL, "b": "b"},
    ),
    "split-empty": lambda: views.exposure_split({}, {"control": 0.5, "beta": 0.5}),
    "segments-hard": lambda: views.segment_heatmap(hard_segment()),
    "path-p-values": lambda: views.sequential_path(
        path_points(peek=True), metric="Quote start rate", horizon=40000, alpha=0.05
    ),
    "trend-age": lambda: trend(trend_points("age"), metric="Quote start rate", is_share=True),
    "trend-weekday": lambda: trend(trend_points("weekday"), metric="Quote start rate", is_share=True),
    "bias-hard": lambda: views.pre_experiment_bias(
        {
            "tests": 2,
            "warn_below": 0.01,
            "rows": [{**bias()["rows"][0], "metric": NAME_80}, {**bias()["rows"][1], "metric": NAME_RTL}],
        }
    ),
    "cuped-hard": lambda: views.cuped_reduction([{**r, "variance_reduction": 0.0} for r in hard_rows()[:2]]),
    "sensitivity-hard": lambda: views.sensitivity({**rows()[0], "label": NAME_RTL}),
    "winsorization-hard": lambda: views.winsorization(
        [{"left": 1e6 * i, "right": 1e6 * (i + 1), "before": int(i == 0) * 5, "after": int(i == 0) * 5} for i in range(40)],
        metric=NAME_80,
        upper=3.9e7,
        lower=0.0,
        n_capped=0,
        largest=4.2e9,
    ),
}
TABLES: dict[str, Callable[[], Any]] = {
    "plan-card": lambda: PlanCard(template("beta-homepage"), problems=0),
    "health": lambda: views.health_summary(checks(fail=False)),
    "health-fails": lambda: views.health_summary(checks(fail=True)),
    "variants": lambda: views.variant_table(rows()),
    "variants-hard": lambda: views.variant_table(hard_rows()),
    "readout-empty": lambda: ReadoutCard(None, key="beta-homepage"),
    "health-empty": lambda: views.health_summary([]),
    "segments-empty": lambda: views.segment_heatmap(
        {"dimension": "platform", "is_declared": True, "slices": {}, "interaction": {}, "hidden": 4}
    ),
    "path-empty": lambda: views.sequential_path([], metric="Quote start rate"),
    "timeline-empty": lambda: views.exposures_over_time({}),
    "cuped-empty": lambda: views.cuped_reduction([]),
}
"""Views that are tables, and empty states: photographed in the browser."""


def draw(only: str | None) -> None:
    """Charts, without a browser."""
    for name, make in VIEWS.items():
        if only in (None, name):
            view = make()
            if view.chart is None:
                continue
            for ground in ("light", "dark"):
                (FOLDER / f"{name}-{ground}.png").write_bytes(view.to_png(ground=ground))  # type: ignore[arg-type]
            print(f"{name}: {view.title}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="name of one chart")
    parser.add_argument("--charts", action="store_true", help="only charts, without a browser (half a minute)")
    parser.add_argument("--pages", action="store_true", help="only views that are tables, and the memo")
    chosen = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    from benchmarks.gallery_forms import photograph, photograph_pages

    if not chosen.pages:
        draw(chosen.only)
    if not (chosen.charts or chosen.only):
        photograph_pages(FOLDER, TABLES)
    if not (chosen.charts or chosen.only or chosen.pages):
        photograph(FOLDER)


if __name__ == "__main__":
    main()
