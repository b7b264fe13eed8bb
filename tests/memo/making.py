"""Experiments with made-up moments, run through the real flow up to the memo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.builders import metric, plan_document
from xpbench.data.summary import Cap, Cell, Finding, Summary
from xpbench.experiment import Experiment, register
from xpbench.ledger import fixed_clock
from xpbench.plan import Plan

PLAN: dict[str, Any] = plan_document(
    [
        metric(
            "quote_started", "conversion", name="Quote started", event="Retirement Quote Started", window_days=14, min_lift=0.02
        ),
        metric(
            "applications", "count", "secondary", name="Applications", event="Application Processed", window_days=14, cuped=True
        ),
        metric("quotes", "count", "secondary", name="Quotes", event="Retirement Quote Started", window_days=14),
        metric(
            "transfer_in_value",
            "sum",
            "secondary",
            name="Transfer-in value",
            event="Transfer In",
            property="amount",
            window_days=14,
            winsorize={"upper": 0.99},
            cuped=True,
        ),
        metric(
            "quote_to_application",
            "ratio",
            "secondary",
            name="Applications per quote",
            numerator="applications",
            denominator="quotes",
        ),
        metric(
            "transfer_out",
            "conversion",
            "guardrail",
            "decrease",
            name="Transfer out",
            event="Transfer Out",
            window_days=14,
            margin_rel=0.1,
        ),
        metric(
            "page_load_p95",
            "quantile",
            "guardrail",
            "decrease",
            name="Page load, 95th percentile (ms)",
            event="Page View",
            property="load_ms",
            q=0.95,
            window_days=14,
            margin=150,
        ),
    ],
    key="beta-homepage",
    title="Beta homepage for the retirement platform",
    owner="growth-analytics",
    lift=0.05,
    change="visitors see the beta homepage with one retirement-quote entry point",
    because="today three competing entry points hide the quote journey",
    exposure={"event": "$experiment_started", "experiment": "beta-homepage"},
    assignment={"hash": "sha256", "salt": "beta-homepage-2026-11"},
    model={"kind": "sequential", "confidence": 0.95, "n_opt": 40000, "min_units": 500},
    correction="holm",
    segments=["platform"],
    horizon={"units": 40000},
    watch={"weeks": 4, "metrics": ["transfer_out"], "owner": "growth-analytics"},
    sign_offs=[{"name": "Ana", "role": "head of growth"}, {"name": "Ben", "needed_for": "decide"}],
)


def cells(variant: str, n: int, lift: float, rng: np.random.Generator, **where: str) -> list[Cell]:
    """Moments of every metric of the plan for n units."""
    treated = lift
    activity = rng.gamma(2.0, 0.5, n)
    quote = (rng.random(n) < 0.121 * (1 + 0.12 * treated)).astype(float)
    quotes = quote * (1 + rng.poisson(0.4, n))
    applications = rng.poisson(0.9 * activity**2 * (1 + 0.03 * treated)).astype(float)
    before = rng.poisson(0.9 * activity**2).astype(float)
    seen = (rng.random(n) < 0.8).astype(float)
    value = np.minimum(rng.lognormal(6, 1.2, n) * (rng.random(n) < 0.16) * (1 + 0.04 * treated), 4000.0)
    raw = rng.lognormal(6, 1.2, n) * (rng.random(n) < 0.16) * (1 + 0.04 * treated)
    before_value = np.minimum(0.5 * value + rng.lognormal(5, 1, n) * (rng.random(n) < 0.1), 4000.0)
    out = (rng.random(n) < 0.203 * (1 - 0.01 * treated)).astype(float)

    def cell(metric: str, columns: tuple[str, ...], *values: np.ndarray, form: str = "value") -> Cell:
        stacked = np.array(values)
        return Cell(
            metric,
            variant,
            form,
            columns,
            n,
            tuple(stacked.mean(axis=1).tolist()),
            tuple(tuple(r) for r in np.atleast_2d(np.cov(stacked)).tolist()),
            **where,
        )

    p95 = 2200.0 + 12.0 * treated + rng.normal(0, 9)
    return [
        cell("quote_started", ("value",), quote),
        cell("applications", ("value", "before", "seen"), applications, before * seen, seen),
        cell("quotes", ("value",), quotes),
        cell("transfer_in_value", ("value", "before", "seen"), value, before_value * seen, seen),
        cell("transfer_in_value", ("value", "before", "seen"), raw, before_value * seen, seen, form="raw"),
        cell("quote_to_application", ("numerator", "denominator"), applications, quotes),
        cell("transfer_out", ("value",), out),
        Cell("page_load_p95", variant, "value", ("value",), n, (p95,), ((18.0**2 * n,),), **where),
    ]


def summary_of(
    n: int = 20_000, *, lift: float = 1.0, seed: int = 7, split: float = 0.5, variants: tuple[str, ...] = ("control", "beta")
) -> Summary:
    """Moments of a made-up experiment with 21 days of exposures."""
    rng = np.random.default_rng(seed)
    units = {v: round(n * (2 * split if i else 2 * (1 - split))) + int(rng.integers(-40, 40)) for i, v in enumerate(variants)}
    out: list[Cell] = []
    for i, v in enumerate(variants):
        out += cells(v, units[v], lift if i else 0.0, rng)
    segments: dict[str, dict[str, dict[str, int]]] = {"platform": {}}
    for name, share in (("web", 0.5), ("ios", 0.3), ("android", 0.199), ("tv", 0.001)):
        segments["platform"][name] = {v: int(units[v] * share) for v in variants}
        for i, v in enumerate(variants):
            out += cells(v, segments["platform"][name][v], lift if i else 0.0, rng, dimension="platform", slice=name)
    days = [f"2026-09-{d:02d}" for d in range(7, 28)]
    weights = [1 + 0.3 * ((d % 7) < 5) for d in range(len(days))]
    by_day: dict[str, dict[str, int]] = {}
    for d, (day, w) in enumerate(zip(days, weights, strict=True)):
        by_day[day] = {v: int(units[v] * w / sum(weights)) for v in variants}
        if d == len(days) - 1:
            by_day[day] = {v: units[v] - sum(by_day[x][v] for x in days[:-1]) for v in variants}
    return Summary(
        source="events (duckdb)",
        fingerprint="9f" * 32,
        rows=412_345,
        units=units,
        cells=tuple(out),
        caps=(Cap("transfer_in_value", "value", None, 4000.0, 0, 388),),
        findings=(Finding("late_events", 12, 412_345, "excluded", detail="They came more than 5 days after they happened."),),
        exposures_by_day=by_day,
        segments=segments,
        first_exposure="2026-09-07T00:02:11+00:00",
        last_exposure="2026-09-27T23:51:40+00:00",
        data_until="2026-10-11T23:59:59+00:00",
        engine="duckdb 1.4",
    )


def decided(
    root: Path,
    *,
    plan: dict[str, Any] | None = None,
    summary: Summary | None = None,
    outcome: str = "",
    because: str = "It follows the rule.",
    by: str = "Ana",
    peek: bool = False,
) -> Experiment:
    """An experiment that was registered, signed, read and decided by the rule (or as `outcome` says)."""
    chosen = Plan(**(plan or PLAN))
    clock = fixed_clock("2026-09-01T09:00:00", step_seconds=86_400 * 3)
    experiment = register(chosen, root, by=by, clock=clock)
    experiment.sign("Ana", role="head of growth")
    experiment.launch(by=by)
    data = summary or summary_of()
    for _ in range(12):
        clock()
    readout = experiment.peek(data, reason="The board asked.", by=by) if peek else experiment.readout(data, by=by)
    assert not readout.is_sealed
    advice = readout.recommendation
    pick = outcome or (advice.outcome if advice.outcome != "invalid" else "iterate")
    variant = (advice.variant or chosen.treatments[0].key) if pick == "ship" else None
    experiment.decide(readout, pick, variant=variant, because=because, by=by)
    return experiment


def many(root: Path, *, metrics: int = 40, treatments: int = 5, **changes: Any) -> Experiment:
    """An experiment with so many metrics and treatments, and three shown segments, decided by the rule."""
    copies = range(-(-metrics // len(PLAN["metrics"])))
    every = [
        {**m, "key": f"{m['key']}_{i}", "name": f"{m['name']}, {i}" if i else m["name"]}
        for i in copies
        for m in PLAN["metrics"]
    ]
    for i, m in enumerate(every):
        for part in ("numerator", "denominator"):
            if part in m:
                m[part] = f"{m[part]}_0"
        if i >= len(PLAN["metrics"]) and m["role"] == "primary":
            m["role"] = "secondary"
    keys = ["control", *(f"beta-{i}" if i else "beta" for i in range(treatments))]
    share = round(1 / len(keys), 6)
    splits = [round(1 - share * treatments, 6), *[share] * treatments]
    plan = {
        **PLAN,
        "metrics": every[:metrics],
        "variants": [
            {"key": k, "split": s, **({"control": True} if k == "control" else {})} for k, s in zip(keys, splits, strict=True)
        ],
        "hypothesis": {**PLAN["hypothesis"], "then": [{"metric": "quote_started_0", "direction": "increase"}]},
        "watch": {**PLAN["watch"], "metrics": ["transfer_out_0"]},
        **changes,
    }
    base = summary_of(variants=tuple(keys))
    kept = {m["key"] for m in plan["metrics"]}
    cells = tuple(replace(c, metric=f"{c.metric}_{i}") for i in copies for c in base.cells if f"{c.metric}_{i}" in kept)
    return decided(root, plan=plan, summary=replace(base, cells=cells, caps=()))
