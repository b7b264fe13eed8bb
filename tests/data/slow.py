"""The slow, obvious reading of a log: plain Python, one unit after the other. What the engine must agree with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from xpbench.plan import Plan
from xpbench.plan.metrics import Conversion, Count, Funnel, Mean, Quantile, Retention, Sessions, Sum

SECOND = 1_000_000
DAY = 86_400 * SECOND


def fits(event: dict[str, Any], filters: Any) -> bool:
    for f in filters:
        value = event["properties"].get(f.property)
        wanted = f.value if isinstance(f.value, tuple) else (f.value,)
        if f.op == "is set":
            good = value is not None
        elif f.op == "is not set":
            good = value is None
        elif f.op in ("==", "in"):
            good = value is not None and any(value == w for w in wanted)
        elif f.op in ("!=", "not in"):
            good = value is None or all(value != w for w in wanted)
        else:
            (w,) = wanted
            good = value is not None and {"<": value < w, "<=": value <= w, ">": value > w, ">=": value >= w}[f.op]
        if not good:
            return False
    return True


def without_repeats(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kept: dict[Any, dict[str, Any]] = {}
    for i, e in enumerate(log):
        key = (e["event"], e["u"], e["t"], e["iid"]) if e["iid"] else i
        if key not in kept or (e["arr"] or 0) > (kept[key]["arr"] or 0):
            kept[key] = e
    return list(kept.values())


def exposures(log: list[dict[str, Any]], plan: Plan) -> dict[Any, list[tuple[Any, ...]]]:
    """Exposures of each unit that count, in order: time, insert id, variant, segments."""
    out: dict[Any, list[tuple[Any, ...]]] = {}
    x = plan.exposure
    for e in log:
        p = e["properties"]
        if e["event"] != x.event or p.get(x.experiment_property) != plan.experiment_name or e["u"] is None:
            continue
        if x.qa_testers == "exclude" and p.get("$is_qa_tester") is True:
            continue
        day = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=e["t"])).date().isoformat()
        if (x.start is not None and day < x.start) or (x.end is not None and day > x.end):
            continue
        v = p.get(x.variant_property)
        if v in [w.key for w in plan.variants]:
            segments = tuple("(missing)" if p.get(s) is None else p[s] for s in plan.segments)
            out.setdefault(e["u"], []).append((e["t"], e["iid"], v, segments))
    return {u: sorted(found) for u, found in out.items()}


def unit_rows(log: list[dict[str, Any]], plan: Plan, until: int) -> dict[Any, dict[str, Any]]:
    """Row of values for each (unit, variant)."""
    met = exposures(log, plan)
    by_unit: dict[Any, list[dict[str, Any]]] = {}
    for e in log:
        by_unit.setdefault(e["u"], []).append(e)
    policy = plan.exposure.several_variants
    window_from = plan.exposure.window_from or "first_exposure"
    rows = {}
    for u, found in met.items():
        variants = {x[2] for x in found}
        if len(variants) > 1 and policy == "exclude":
            continue
        split = policy == "split" and any(len({x[2] for x in f}) > 1 for f in met.values())
        own = sorted(variants) if split else [found[0][2]]
        for v in own:
            t0 = min(x[0] for x in found if x[2] == v) if split else found[0][0]
            rows[u, v] = one_row(u, v, t0, found, by_unit.get(u, []), plan, until, window_from, split)
    return rows


def one_row(
    u: Any,
    variant: str,
    t0: int,
    found: Any,
    events: list[dict[str, Any]],
    plan: Plan,
    until: int,
    window_from: str,
    split: bool,
) -> dict[str, Any]:
    after: list[tuple[dict[str, Any], int]] = []
    pre: list[dict[str, Any]] = []
    names: set[str] | None = set()
    for m in plan.metrics:
        if isinstance(m, Sessions):
            names = None
        elif names is not None:
            names |= {s.event for s in m.steps} if isinstance(m, Funnel) else {m.event} if hasattr(m, "event") else set()
    first_turn = found[0][0] if not split else min(found)[0]
    for e in events:
        if names is not None and e["event"] not in names:
            continue
        if e["t"] < t0:
            leads = not split or (t0 == first_turn and found[0][2] == variant)
            if window_from == "latest_exposure" and not split:
                leads = True
            if leads and e["t"] >= t0 - plan.pre_period_days * DAY:
                pre.append(e)
            continue
        anchor = t0
        if split or window_from == "latest_exposure":
            turn = [x for x in found if x[0] <= e["t"]][-1]
            if split and turn[2] != variant:
                continue
            anchor = turn[0] if window_from == "latest_exposure" else t0
        after.append((e, anchor))
    # several exposures of one moment: the first by insert id tells the segments
    segments = min(x[1::2] for x in found if x[0] == t0 and x[2] == variant)[1]
    out: dict[str, Any] = {"t0": t0, "seen": int(bool(pre)), "after": after, "segments": segments}
    for m in plan.metrics:
        if not hasattr(m, "window_days"):
            continue
        begin = round(m.delay_days * DAY)
        end = round(min(m.window_days or 90, 90) * DAY)
        own_window = m.window_days is not None
        if isinstance(m, Retention):
            begin, end, own_window = m.day * DAY, min(m.day + m.length_days, 90) * DAY, True
        mine = [e for e, anchor in after if anchor + begin <= e["t"] < anchor + end]
        if isinstance(m, Quantile):
            late = own_window and t0 + end > until
            known = [e["properties"].get(m.property) for e in mine if e["event"] == m.event and fits(e, m.where)]
            out[m.key] = [] if late else [v for v in known if v is not None]
            continue
        out[m.key] = value_of(m, mine, plan) if not (own_window and t0 + end > until) else None
        out["before:" + m.key] = value_of(m, pre, plan)
    return out


def value_of(m: Any, events: list[dict[str, Any]], plan: Plan) -> Any:
    if isinstance(m, Sessions):
        times = sorted(e["t"] for e in events if fits(e, m.where))
        return sum(1 for i, t in enumerate(times) if i == 0 or t - times[i - 1] > m.timeout_minutes * 60 * SECOND)
    if isinstance(m, Funnel):
        done, entered = funnel(m, events)
        return (done, entered) if m.per == "entrant" else done
    mine = [e for e in events if e["event"] == m.event and fits(e, m.where)]
    if isinstance(m, (Conversion, Retention)):
        return int(bool(mine))
    if isinstance(m, Count):
        return len(mine)
    values = [e["properties"].get(m.property) for e in mine]
    known = [Fraction(str(v)) for v in values if v is not None]
    if isinstance(m, Mean):
        return (sum(known, Fraction(0)), len(known))
    if isinstance(m, Sum):
        return None if mine and not known and plan.data.missing != "zero" else sum(known, Fraction(0))
    raise TypeError(m)


def funnel(m: Funnel, events: list[dict[str, Any]]) -> tuple[int, int]:
    """By trying: every event of the first step, then the earliest next event of each further step."""
    mine = []
    for e in events:
        steps = [k for k, s in enumerate(m.steps) if e["event"] == s.event and fits(e, s.where) and fits(e, m.where)]
        if steps:
            mine.append((e["t"], steps[0], e["iid"], steps))
    mine.sort(key=lambda x: x[:3])
    within = round(m.within_days * DAY) if m.within_days is not None else None
    done = 0
    starts = [i for i, x in enumerate(mine) if 0 in x[3]]
    for i in starts:
        at, k = i, 1
        for j in range(i + 1, len(mine)):
            if k < len(m.steps) and k in mine[j][3]:
                at, k = j, k + 1
        if k == len(m.steps) and (within is None or mine[at][0] - mine[i][0] <= within):
            done = 1
    return done, int(bool(starts))
