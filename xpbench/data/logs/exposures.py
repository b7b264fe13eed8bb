"""First exposures: who met which variant when, and what was odd about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from xpbench.data.logs.log import DAY, Log
from xpbench.data.moments import counted_where, rows_of
from xpbench.data.summary import Finding
from xpbench.errors import DataError, number_of, plain, shown
from xpbench.plan import Plan

MISSING = "(missing)"
NEVER = 2**62
"""A time that never comes."""

c = nw.col


@dataclass(frozen=True, slots=True)
class ExposedUnits:
    """Units and the time in which their behaviour counts.

    Attributes:
        units: One row per unit (per unit and variant where the plan splits switchers): u, variant, t0, day, s0, …; `no` where
            that is the key.
        spells: One row per stretch of time in which a unit's events count: u, variant, t0, anchor (where windows begin),
            start, stop, lead (the stretch that also takes the pre-exposure window). In the plain case u and t0 alone, and `no`.
        keys: What identifies a row of units; a number `no` where the engine gives one and every unit has one stretch, since
            numbers are cheaper to group by than ids.
        findings: What was odd.
        by_variant: Units by variant.
        first: Earliest first exposure, in microseconds.
        last: Latest first exposure.
        counts: For each variant what was asked of its units beside that.
        plain: Every unit has one stretch, from its first exposure on.
    """

    units: nw.LazyFrame[Any]
    spells: nw.LazyFrame[Any]
    keys: tuple[str, ...]
    plain: bool
    findings: tuple[Finding, ...]
    by_variant: dict[str, int]
    first: int
    last: int
    counts: dict[str, dict[str, Any]]


def day_number(day: str) -> int:
    """Days from 1970 to an ISO day."""
    from datetime import date

    return (date.fromisoformat(day) - date(1970, 1, 1)).days


ReadingStep = tuple[str, nw.Expr, str]
"""Name of what is left out, the test that the others pass, and words about it."""


def steps_of(plan: Plan) -> list[ReadingStep]:
    """What an exposure of a known unit must pass to count, in order."""
    policy = plan.exposure
    steps: list[ReadingStep] = []
    if policy.qa_testers == "exclude":
        steps.append(("qa_tester", ~c("qa"), ""))
    start = 0 if policy.start is None else day_number(policy.start) * DAY
    stop = NEVER if policy.end is None else (day_number(policy.end) + 1) * DAY
    if policy.start or policy.end:
        words = f"Counted from {policy.start or 'the beginning'} to {policy.end or 'the end'}."
        steps.append(("outside_dates", (c("t") >= start) & (c("t") < stop), words))
    steps.append(("missing_variant", ~c("v").is_null(), ""))
    steps.append(("unknown_variant", c("v").is_in(list(plan.assigned_keys)), ""))
    return steps


def with_unit(table: nw.LazyFrame[Any]) -> nw.Expr:
    """Exposures whose unit and time are known."""
    known = ~c("u").is_null() & ~c("t").is_null()
    return known & (c("u") != "") if table.collect_schema()["u"] == nw.String else known


def counted_by_variant(table: nw.LazyFrame[Any], plan: Plan) -> list[dict[str, Any]]:
    """Exposures by variant as written: `n`, `sane` (unit and time known), `qa`, and what every step leaves out."""
    passed = with_unit(table)
    tests = {"n": nw.len(), "sane": counted_where(passed), "qa": counted_where(passed & c("qa"))}
    for name, test, _ in steps_of(plan):
        tests[name] = counted_where(passed & ~test)
        passed = passed & test
    return rows_of(table.group_by("v").agg(**tests))


def _switch(value: nw.Expr, branches: Mapping[Any, nw.Expr]) -> nw.Expr:
    """What is next to a value; null for a value that has no branch."""
    (first, out), *others = branches.items()
    chain = nw.when(value == first).then(out).otherwise(None)
    for key, branch in others:
        chain = nw.when(value == key).then(branch).otherwise(chain)
    return chain


def _listed(finding: Finding) -> str:
    """The variants that the plan does not have, in brackets."""
    return f" ({finding.detail.rstrip('.')})" if finding.name == "unknown_variant" and finding.detail else ""


def exposed(
    log: Log,
    table: nw.LazyFrame[Any],
    plan: Plan,
    counted: Sequence[Mapping[str, Any]],
    also: Mapping[str, nw.Expr],
) -> ExposedUnits:
    """Units by their first exposure.

    The first exposure is the earliest; ties in time are broken by insert id, then by variant, so that it does not depend
    on the order of rows.

    Args:
        log: Where frames are computed.
        table: Exposure events, computed: u, v, t, iid, qa, segments.
        plan: Its exposure and data policies; `exposure.window_from` says where windows begin.
        counted: Of these exposures, by `counted_by_variant`.
        also: Sums over units by their t0, to be made in the same pass.

    Raises:
        DataError: `XPB-D34` no exposure counts; `XPB-D09` the plan refuses unknown or missing variants.
    """
    known = list(plan.assigned_keys)
    dropped = [v.key for v in plan.dropped or ()]
    policy = plan.exposure
    findings: list[Finding] = []
    total, sane = (sum(int(r[k] or 0) for r in counted) for k in ("n", "sane"))
    kept = table.filter(with_unit(table)) if sane < total else table  # what nothing fails is not tested on every later pass
    for name, test, detail in steps_of(plan):
        count = sum(int(r[name] or 0) for r in counted)
        if name == "unknown_variant" and count:
            other = sorted(((r["n"], r["v"]) for r in counted if r["v"] is not None and r["v"] not in known), reverse=True)
            detail = (
                "Found "
                + ", ".join(f"{shown(v)} ({number_of(n, 'exposure')})" for n, v in other[:5])
                + (" …" if len(other) > 5 else "")
                + "."
            )
        wanted = {"unknown_variant": plan.data.unknown_variant, "missing_variant": plan.data.missing_variant}.get(name)
        if count and wanted == "refuse":
            raise DataError(
                "XPB-D09", count=count, what=plain(name.replace("_", " ")), policy=plain(name), detail=plain(detail.rstrip("."))
            )
        findings.append(Finding(name, count, total, "excluded", detail=detail))
        kept = kept.filter(test) if count else kept
    if policy.qa_testers == "keep":
        findings.append(Finding("qa_tester", sum(int(r["qa"] or 0) for r in counted), total, "kept"))
    findings.append(
        Finding("missing_unit", total - sane, total, "excluded", detail="Exposures without a unit or a readable time.")
    )
    # Most units met one variant, and then any order will do; only switchers and segments need the exposures in order.
    # A known variant is a number here, which is cheaper to compare than its name and in the same order.
    names = sorted(known)
    code = _switch(c("v"), {name: nw.lit(i) for i, name in enumerate(names)})
    met = kept.with_columns(k=code).group_by("u").agg(t0=c("t").min(), last=c("t").max(), low=c("k").min(), high=c("k").max())
    met = log.keep(met, "met", near="u")
    several = c("low") != c("high")
    sums = {"n": nw.len(), "first": c("t0").min(), "last": c("t0").max(), **also}
    span = rows_of(met.with_columns(several=several).group_by("several", "low").agg(**sums, latest=c("last").max()))
    n_units = sum(int(r["n"]) for r in span)
    if not n_units:
        words = "; ".join(f"{f.count:,} {f.name.replace('_', ' ')}{_listed(f)}" for f in findings if f.count) or "none at all"
        raise DataError("XPB-D34", experiment=plan.experiment_name, count=total, found=plain(words))
    order = ["t", "iid", "v"]
    switched = sum(int(r["n"]) for r in span if r["several"])
    by: dict[str, int] = {}
    first_of_switchers = kept.join(met.filter(several).select("u"), on="u", how="semi").unique(
        ["u"], keep="first", order_by=order
    )
    if switched:
        by = {r["v"]: int(r["n"]) for r in rows_of(first_of_switchers.group_by("v").agg(n=nw.len()))}
    action = {"exclude": "excluded", "first": "kept the first", "split": "split"}[policy.several_variants]
    findings.append(
        Finding(
            "several_variants",
            switched,
            n_units,
            action,
            by_variant={v: by[v] for v in known if v in by and v not in dropped},
            detail="By the variant met first." if switched else "",
        )
    )
    is_split = bool(switched) and policy.several_variants == "split"
    keys: tuple[str, ...] = ("u", "variant") if is_split else ("u",)
    latest = policy.window_from == "latest_exposure"
    simple = not latest and not is_split
    one_each = not (switched and policy.several_variants == "first") and not is_split and not plan.segments
    numbered = log.numbered(met) if one_each and simple else None
    alone = (met if numbered is None else numbered).filter(~several)
    low = _switch(c("low"), {i: nw.lit(name) for i, name in enumerate(names)})
    rows = alone.select("u", *([] if numbered is None else ["no"]), variant=low, t0=c("t0"))
    if switched and policy.several_variants == "first":
        rows = nw.concat([rows, first_of_switchers.select("u", variant=c("v"), t0=c("t"))])
    elif is_split:
        rows = kept.group_by("u", "v").agg(t0=c("t").min()).select("u", variant=c("v"), t0=c("t0"))
    if dropped:  # only now: who met a dropped treatment and another variant has met several
        gone = int(rows_of(rows.filter(c("variant").is_in(dropped)).select(n=nw.len()))[0]["n"])
        words = f"Dropped while it ran: {', '.join(map(shown, dropped))}."
        findings.append(Finding("dropped_variant", gone, n_units, "excluded", detail=words))
        rows = rows.filter(~c("variant").is_in(dropped))
    rows = rows.with_columns(day=c("t0") // DAY)
    if plan.segments:
        segments = [f"s{i}" for i in range(len(plan.segments))]
        shown_at = kept.select("u", "t", "iid", *(c(n).fill_null(MISSING) for n in segments), variant=c("v"))
        at_first = shown_at.join(rows, on=["u", "variant"], how="inner")
        at_first = at_first.filter(c("t") == c("t0")).unique(["u", "variant"], keep="first", order_by=["iid", *segments])
        rows = at_first.select("u", "variant", "t0", "day", *segments)
    units = rows if one_each else log.keep(rows, "exposed", near="u")  # else they are little more than a part of `met`
    if simple and not one_each and (numbered := log.numbered(units)) is not None:
        units = numbered
    keys = keys if numbered is None else ("no",)
    if simple:
        spells = units.select("u", *([] if numbered is None else ["no"]), "t0")
    else:
        turns = kept if is_split else kept.join(units.select("u"), on="u", how="semi")
        spells = turns.with_columns(
            stop=c("t").shift(-1).over("u", order_by=order).fill_null(NEVER), before=c("t").shift(1).over("u", order_by=order)
        )
        joined = spells.select("u", "v", "stop", "before", start=c("t")).join(
            units.select("u", "variant", "t0"), on="u", how="inner"
        )
        if is_split:
            joined = joined.filter(c("v") == c("variant"))
        anchor = c("start") if latest else c("t0")
        spells = joined.select("u", "variant", "t0", "start", "stop", anchor=anchor, lead=c("before").is_null())
        spells = log.keep(spells, "spells", near="u")
    if (switched and policy.several_variants == "first") or is_split:
        ends = {r["variant"]: r for r in rows_of(units.group_by("variant").agg(**sums))}
    else:  # the units are those that met one variant
        ends = {names[int(r["low"])]: r for r in span if not r["several"]}
    ends = {k: r for k, r in ends.items() if k not in dropped}
    return ExposedUnits(
        units=units,
        spells=spells,
        keys=keys,
        plain=simple,
        findings=tuple(findings),
        by_variant={k: int(ends[k]["n"]) if k in ends else 0 for k in known if k not in dropped},
        first=min(int(r["first"]) for r in (ends.values() or span)),
        last=max(int(r["last"]) for r in ends.values()) if ends else max(int(r["latest"]) for r in span),
        counts=ends,
    )
