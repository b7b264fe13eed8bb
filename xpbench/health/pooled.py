"""Outcomes over all variants together, as a look puts them on record, so that the next one sees what was restated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from xpbench.canonical import digest
from xpbench.data.summary import Cell, Summary
from xpbench.plan import Plan
from xpbench.plan.metrics import Formula, MetricBase, Quantile, Ratio

DAY = "$day"


class Moved(NamedTuple):
    """How much the outcomes of one variant changed since the look before.

    Attributes:
        variant: Its key.
        share: Of the sum then.
        errors: As a multiple of the root of the sum of squares: of a rare event by how many standard errors its count moved.
    """

    variant: str
    share: float
    errors: float


def pooled_outcomes(plan: Plan, summary: Summary) -> dict[str, Any]:
    """By metric: units, sum and sum of squares of the value over all variants, for days whose units are mature.

    Nothing is by variant, so that it may stand in the ledger while results are sealed. A metric with a window of its own has
    mature units on the days whose windows were over when the data end; without a window every unit may still act, and the
    entry says so. Ratios and formulas are made of other metrics, and a quantile has no sum.

    Args:
        plan: The plan in force.
        summary: Of the look.
    """
    out: dict[str, Any] = {}
    for metric in plan.metrics:
        if isinstance(metric, (Ratio, Formula, Quantile)):
            continue
        cells = _cells(summary, metric, DAY)
        until = ""
        if cells:
            days = [day for day in {c.slice for c in cells} if _is_mature(day, metric, summary.data_until)]
            if not days:
                continue
            until = max(days)
        elif not (cells := _cells(summary, metric, "")):
            continue
        out[metric.key] = {"of": _definition(metric), "until": until, "mature": _window(metric) is not None}
        out[metric.key] |= _sums(cells, until)
    return out


def outcomes_by_variant(plan: Plan, summary: Summary, pooled: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By metric and variant: units, sum and sum of squares, for the days that `pooled_outcomes` counts.

    What moved from one variant to another leaves the sums over all variants as they were. A look puts this on record once
    results are due and it has shown the effects, and never before.

    Args:
        plan: The plan in force.
        summary: Of the look.
        pooled: Of `pooled_outcomes`.
    """
    out: dict[str, dict[str, Any]] = {}
    for metric in plan.metrics:
        then = pooled.get(metric.key)
        if then is not None:
            cells = _cells(summary, metric, DAY if then["until"] else "")
            out[metric.key] = {v.key: _sums([c for c in cells if c.variant == v.key], then["until"]) for v in plan.variants}
    return out


def moved(plan: Plan, summary: Summary, before: Mapping[str, Any], by: Mapping[str, Any]) -> dict[str, Moved]:
    """By metric: the variant whose outcomes changed most since the look before, where the change is of one variant alone.

    Where units may still act, only a loss counts.

    Args:
        plan: The plan in force.
        summary: Read now.
        before: Of `pooled_outcomes` at the look before.
        by: Of `outcomes_by_variant` at that look.
    """
    out: dict[str, Moved] = {}
    now_by = outcomes_by_variant(plan, summary, before)
    signed = {f.metric for f in summary.findings if f.name == "negative" and f.count}
    for metric in plan.metrics:
        pooled = before.get(metric.key)
        if pooled is None or pooled["of"] != _definition(metric):
            continue
        for variant, then in by.get(metric.key, {}).items():
            now = now_by[metric.key].get(variant)
            if now is None or not then["n"] or not now["n"]:
                continue
            is_open = not pooled["mature"] or not pooled["until"]
            share = now["n"] / then["n"] if pooled["until"] and not (is_open and now["n"] > then["n"]) else 1.0
            change = now["sum"] - then["sum"] * share
            if is_open and not (change < 0 and now["n"] >= then["n"] and metric.key not in signed):
                continue
            scale, noise = abs(then["sum"] * share), (then["squares"] * share) ** 0.5
            found = Moved(variant, abs(change) / max(scale, noise), abs(change) / noise) if noise > 0 else None
            if noise == 0 and change:
                found = Moved(variant, 1.0, abs(change) / max(now["squares"], abs(change)) ** 0.5)
            if found is not None and (metric.key not in out or found.errors > out[metric.key].errors):
                out[metric.key] = found
    return out


def restated(plan: Plan, summary: Summary, before: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By metric: what the look before found for its mature units and what the data hold for the same days now.

    `change` is the difference of the sums for as many units, as a share of the sum then, or of the root of its sum of squares
    where values of both signs cancel. Where units may still act and more came in, only a fall counts. Metrics that were changed
    since, or that the data can't be compared for, are left out.

    Args:
        plan: The plan in force.
        summary: Read now.
        before: Of `pooled_outcomes` at the look before.
    """
    out: dict[str, dict[str, Any]] = {}
    signed = {f.metric for f in summary.findings if f.name == "negative" and f.count}
    for metric in plan.metrics:
        then = before.get(metric.key)
        if then is None or then["of"] != _definition(metric) or not then["n"]:
            continue
        cells = _cells(summary, metric, DAY if then["until"] else "")
        now = _sums(cells, then["until"])
        if not now["n"]:
            continue
        grown = now["n"] > then["n"] and (not then["mature"] or not then["until"])
        if (grown or (not then["until"] and now["n"] != then["n"])) and not _fell(now, then, signed=metric.key in signed):
            continue  # without days, or on a day that was not over, units of then can't be told from new ones: a loss shows
        share = now["n"] / then["n"] if then["until"] and not grown else 1.0
        expected, squares = then["sum"] * share, then["squares"] * share
        scale = max(abs(expected), squares**0.5)
        change = (now["sum"] - expected) / scale if scale > 0 else 0.0 if now["sum"] == 0 else 1.0
        if grown and now["squares"] < then["squares"]:  # of negative values a loss is a rise of their sum
            change = min(change, now["squares"] / then["squares"] - 1.0)
        out[metric.key] = {"then": expected, "now": now["sum"], "change": change, "mature": then["mature"]}
    return out


def _fell(now: Mapping[str, Any], then: Mapping[str, Any], *, signed: bool) -> bool:
    """Whether more units can't explain what is there: sums of squares never fall, and other sums only by negative values."""
    return bool(now["squares"] < then["squares"] or (now["sum"] < then["sum"] and not signed))


def _cells(summary: Summary, metric: MetricBase, dimension: str) -> list[Cell]:
    """The values as they were counted: without winsorization, whose caps may move."""
    own = [c for c in summary.cells if c.metric == metric.key and c.dimension == dimension and c.form != "before"]
    raw = [c for c in own if c.form == "raw"]
    return raw or own


def _sums(cells: Iterable[Cell], until: str) -> dict[str, Any]:
    n, total, squares = 0, 0.0, 0.0
    for c in cells:
        if until and c.slice > until:
            continue
        n += c.n
        total += c.n * c.mean[0]
        squares += max(c.n - 1, 0) * c.cov[0][0] + c.n * c.mean[0] ** 2
    return {"n": n, "sum": _short(total), "squares": _short(squares)}


def _short(value: float) -> float:
    """So many digits that the order in which cells are added is not among them."""
    return float(f"{value:.9g}")


def _window(metric: MetricBase) -> float | None:
    window = getattr(metric, "window_days", None)
    return None if window is None else float(window) + float(getattr(metric, "delay_days", 0) or 0)


def _is_mature(day: str, metric: MetricBase, data_until: str) -> bool:
    """Whether the window of everybody exposed on a day was over when the data end."""
    try:
        begins = datetime.fromisoformat(day[:10]).replace(tzinfo=UTC)
    except ValueError:
        return False  # units without a day
    window = _window(metric)
    if window is None or not data_until:
        return True
    end = datetime.fromisoformat(data_until)
    return begins + timedelta(days=1 + window) <= (end if end.tzinfo else end.replace(tzinfo=UTC))


def _definition(metric: MetricBase) -> str:
    """What the metric counts; an amendment of it makes its earlier sums those of another metric."""
    kept = metric.model_dump(
        mode="json", exclude={"name", "description", "role", "direction", "margin", "margin_rel", "min_lift"}
    )
    return digest(kept)[:12]
