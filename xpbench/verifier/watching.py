"""The letter of a watch, computed again: its series, its estimates, the state of each guardrail and of the contract."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from xpbench.verifier.chain import START, chain
from xpbench.verifier.designs import alpha_of, fieller, has_lift, lift_z
from xpbench.verifier.grammar import order
from xpbench.verifier.over_time import trend_line
from xpbench.verifier.pairs import NAN, Pair
from xpbench.verifier.quantiles import normal_tail, t_isf
from xpbench.verifier.report import J, Notes
from xpbench.verifier.text import canonical, sha256

AGREES = 1e-6
"""Relative distance, on the scale of the interval, within which two implementations agree: the autocorrelation is iterated."""
_HELD, _SHIP = "holdback", "shipped"


class _NoAnswerError(Exception):
    """An estimator has no answer here."""


def check_chain_of(notes: Notes, part: J, name: str = "ledger") -> list[J] | None:
    """The entries of a ledger that a letter carries, its chain, witness and order checked; None where they don't hold."""
    try:
        linked = list(chain(part["lines"]))
    except ValueError as error:
        notes.differs(f"{name} chain", "a whole chain", str(error))
        return None
    notes.same(f"{name}, witness", {"length": len(linked), "digest": linked[-1][1] if linked else START}, part["witness"])
    wrong = order(linked)
    if wrong:
        notes.differs(f"{name}, order of entries", "one plan, registered first, and entries about the plan in force", wrong)
    return [e for e, _ in linked]


def check_watch(notes: Notes, payload: J) -> list[J] | None:
    """Everything that a letter says beyond its words follows from its ledger and its series."""
    before = len(notes.differences)
    entries = check_chain_of(notes, payload["ledger"])
    if entries is None:
        return None
    plans = [e["body"]["plan"] for e in entries if e["kind"] in ("registered", "amended")]
    decided = [e for e in entries if e["kind"] in ("decided", "deferred")]
    if not plans or not decided or decided[-1]["body"].get("outcome") != "ship":
        notes.differs("what is watched", "a plan and a decision to ship", "none on record")
        return entries
    plan, shipped = plans[-1], decided[-1]
    notes.same("key", plan["key"], payload["key"])
    notes.same("title", plan["title"], payload["title"])
    notes.same("plan", canonical(plan), canonical(payload["plan"]))
    notes.same("variant", shipped["body"].get("variant"), payload["variant"])
    notes.same("shipped at", shipped["at"], payload["shipped_at"])
    notes.same("as of", max(e["at"] for e in entries), payload["as_of"])
    checks = [e for e in entries if e["kind"] == "watched" and e["seq"] > shipped["seq"] and "check_day" in e["body"]]
    _check_contract_dates(notes, payload, plan, shipped, checks)
    if not checks:
        notes.differs("check", "at least one on record", "none")
        return entries
    last = checks[-1]
    notes.same("check", last["seq"], payload["check"])
    _check_watched_rows(notes, payload, plan, shipped, last["body"])
    _check_forecasts(notes, payload, plan)
    _check_novelty(notes, payload, plan)
    if len(notes.differences) == before:
        notes.checked += [
            f"chain of {len(entries)} ledger entries, and the contract's dates from it",
            f"estimates and states of the check of day {last['body']['check_day']}, from its series",
        ]
    return entries


def when_of(stamp: str) -> datetime:
    """A time stamp of the ledger."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00"))


def _check_contract_dates(notes: Notes, payload: J, plan: J, shipped: J, checks: Sequence[J]) -> None:
    """The table of dates: what is on record counts, and a date a day ago without a record is overdue."""
    watch = plan["watch"]
    last = watch["weeks"] * 7
    days = sorted({d for d in watch["check_days"] if 0 < d <= last} | {last})
    records = {int(e["body"]["check_day"]): e for e in checks}
    start, now = when_of(shipped["at"]), when_of(payload["as_of"])
    ours = []
    for day in days:
        due, entry = start + timedelta(days=day), records.get(day)
        state = entry["body"]["state"] if entry else "overdue" if now >= due + timedelta(days=1) else "waiting"
        ours.append([day, due.date().isoformat(), state, entry["seq"] if entry else 0, (entry["by"] or "") if entry else ""])
    notes.same("dates of the contract", canonical(ours), canonical(payload["dates"]))
    rank = ("breached", "overdue", "not answerable", "waiting", "kept")
    notes.same("state of the contract", min((d[2] for d in ours), key=rank.index), payload["state"])


def _check_watched_rows(notes: Notes, payload: J, plan: J, shipped: J, body: J) -> None:
    notes.same("series, digest", sha256(canonical(payload["series"])), body.get("series_digest"))
    watch = plan["watch"]
    last = watch["weeks"] * 7
    alpha = alpha_of(plan) / len({d for d in watch["check_days"] if 0 < d <= last} | {last})
    wanted = list(watch["metrics"]) or [m["key"] for m in plan["metrics"] if m["role"] == "guardrail"]
    rows = {row["metric"]: row for row in body["rows"]}
    notes.same("metrics of the check", canonical(wanted), canonical(list(rows)))
    start = when_of(shipped["at"]).date()
    until = min(start + timedelta(days=body["check_day"]), date.fromisoformat(payload["last_day"]))
    for key in wanted:
        own = next(m for m in plan["metrics"] if m["key"] == key)
        margins = body.get("margins", {}).get(key)
        if margins is not None:
            own = {**{k: v for k, v in own.items() if k not in ("margin", "margin_rel")}, **margins}
        row, series = rows.get(key, {}), payload["series"].get(key)
        try:
            pair = NAN_PAIR if series is None else _watched_pair(watch["estimator"], series, start, until, body.get("trend"))
        except _NoAnswerError:
            pair = NAN_PAIR
        except ZeroDivisionError:
            notes.left.append(f"the estimate of {key}, whose days have too many patterns for their number")
            continue
        _compare_watch(notes, key, _judged(own, pair, alpha), row)
    rank = ("breached", "overdue", "not answerable", "waiting", "kept")
    states = [row["state"] for row in body["rows"]]
    notes.same("state of the check", min(states, key=rank.index) if states else "not answerable", body["state"])


NAN_PAIR = Pair(status="no answer")


def _judged(metric: J, pair: Pair, alpha: float) -> J:
    """Numbers and state of one metric: within its margin, worse and not within it, or not to be said."""
    if pair.status != "ok":
        return {"state": "not answerable", "alpha": alpha}
    q = t_isf(alpha / 2, pair.df)
    sign = 1 if metric["direction"] == "increase" else -1
    effect, reach = pair.mt - pair.mc, q * math.sqrt(pair.variance)
    low, high = effect - reach, effect + reach
    bounds = fieller(pair, q) if has_lift(pair) else None
    is_worse = high < 0 if sign > 0 else low > 0
    relative, margin = metric.get("margin_rel"), metric.get("margin")
    size = relative if relative is not None else margin
    state = "breached" if is_worse else "not answerable"
    if size is not None:
        gap = lift_z(pair, -sign * size) if relative is not None else (effect + sign * size) / math.sqrt(pair.variance)
        state = "kept" if sign * gap > q else state
    return {
        "state": state,
        "before": pair.mc,
        "after": pair.mt,
        "effect": effect,
        "ci_low": low,
        "ci_high": high,
        "lift": effect / abs(pair.mc) if has_lift(pair) else None,
        "lift_low": bounds[0] if bounds else None,
        "lift_high": bounds[1] if bounds else None,
        "margin": None if size is None else -sign * size,
        "alpha": alpha,
    }


def _compare_watch(notes: Notes, key: str, ours: Mapping[str, J], theirs: Mapping[str, J]) -> None:
    notes.same(f"{key}, state", ours["state"], theirs.get("state"))
    scale = abs(ours.get("ci_high", 0.0) - ours.get("ci_low", 0.0))
    for name in ("before", "after", "effect", "ci_low", "ci_high", "lift", "lift_low", "lift_high", "margin", "alpha"):
        a, b = ours.get(name), theirs.get(name)
        wide = scale if not name.startswith("lift") else scale / max(abs(ours.get("before") or 1.0), 1e-300)
        if (a is None) != (b is None) or (a is not None and not abs(a - b) <= AGREES * max(abs(a), wide)):
            notes.differs(f"{key}, {name}", a, b)


def _watched_pair(estimator: str, series: J, shipped: date, until: date, trend: J) -> Pair:
    groups = {
        name: (
            None if g["adopted"] is None else date.fromisoformat(g["adopted"]),
            [(date.fromisoformat(d), n, m, v) for d, n, m, v in g["days"] if date.fromisoformat(d) <= until],
        )
        for name, g in series.items()
    }
    if estimator == "holdback":
        return _held_back(groups)
    if estimator == "pre_post":
        return _before_after(groups, shipped, trend == "linear")
    return _adopting(groups)


def _held_back(groups: J) -> Pair:
    """Means of all days, with the spread between days in the variance of a group, and Welch's degrees of freedom."""
    parts = []
    for name in (_HELD, _SHIP):
        days = groups.get(name, (None, []))[1]
        if not days or any(v is None for *_, v in days):
            raise _NoAnswerError
        n = sum(k for _, k, _, _ in days)
        mean = math.fsum(k * m for _, k, m, _ in days) / n
        squares = math.fsum((k - 1) * v + k * (m - mean) ** 2 for _, k, m, v in days)
        if n < 2 or squares <= 0:
            raise _NoAnswerError
        parts.append((n, mean, squares / (n - 1) / n))
    (nc, mc, vc), (nt, mt, vt) = parts
    df = (vc + vt) ** 2 / (vc * vc / (nc - 1) + vt * vt / (nt - 1))
    return Pair(mc, mt, vc, vt, 0.0, df, nc + nt)


def _least_squares(x: list[list[float]], y: list[float]) -> tuple[list[float], list[list[float]]]:
    """Coefficients, and the inverse of x'x; a ZeroDivisionError where the columns depend on each other."""
    k = len(x[0])
    rows = [
        [math.fsum(r[i] * r[j] for r in x) for j in range(k)] + [1.0 if i == j else 0.0 for j in range(k)] for i in range(k)
    ]
    for i in range(k):
        p = max(range(i, k), key=lambda r: abs(rows[r][i]))
        if abs(rows[p][i]) < 1e-9:
            raise ZeroDivisionError
        rows[i], rows[p] = rows[p], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for r in range(k):
            if r != i and rows[r][i]:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i], strict=True)]
    inverse = [row[k:] for row in rows]
    right = [math.fsum(r[i] * v for r, v in zip(x, y, strict=True)) for i in range(k)]
    return [math.fsum(a * b for a, b in zip(row, right, strict=True)) for row in inverse], inverse


def _before_after(groups: J, shipped: date, trend: bool) -> Pair:
    """A step at shipping over weekdays and trend, with errors that remember the day before."""
    if len(groups) != 1:
        raise _NoAnswerError
    ((_, days),) = groups.values()
    early = sum(d < shipped for d, *_ in days)
    if early < 14 or len(days) - early < 7:
        raise _NoAnswerError
    times = [(d - days[0][0]).days for d, *_ in days]
    weekdays = sorted({d.weekday() for d, *_ in days})
    middle = sum(times) / len(times)
    x = []
    for (day, *_), time in zip(days, times, strict=True):
        row = [1.0 if day.weekday() == w else 0.0 for w in weekdays]
        row += [(time - middle) / max(times[-1], 1.0)] if trend else []
        x.append([*row, 1.0 if day >= shipped else 0.0])
    y = [m for _, _, m, _ in days]
    t, k, rho = len(y), len(x[0]), 0.0
    beta, inverse = _least_squares(x, y)
    near = [i for i in range(1, t) if times[i] - times[i - 1] == 1]
    a, b = x, y
    for _ in range(20):
        left = [v - math.fsum(p * q for p, q in zip(row, beta, strict=True)) for row, v in zip(x, y, strict=True)]
        scale = math.fsum(e * e for e in left) / t
        raw = math.fsum(left[i] * left[i - 1] for i in near) / len(near) / scale if scale > 0 and near else 0.0
        new = min(0.95, max(-0.5, raw + (1 + k * (1 + raw)) / t / 2))
        a, b = _whitened(x, y, times, new)
        beta, inverse = _least_squares(a, b)
        if abs(new - rho) < 1e-6:
            break
        rho = new
    df = t - k
    noise = math.fsum((v - math.fsum(p * q for p, q in zip(r, beta, strict=True))) ** 2 for r, v in zip(a, b, strict=True)) / df
    after = [row[:-1] for row, (d, *_) in zip(x, days, strict=True) if d >= shipped]
    at = [*(math.fsum(c) / len(after) for c in zip(*after, strict=True)), 0.0]
    mc, effect = math.fsum(p * q for p, q in zip(at, beta, strict=True)), beta[-1]
    vc = noise * math.fsum(p * inverse[i][j] * q for i, p in enumerate(at) for j, q in enumerate(at))
    ve = noise * inverse[-1][-1]
    cov = noise * math.fsum(p * inverse[i][-1] for i, p in enumerate(at))
    if not ve > 0:
        raise _NoAnswerError
    return Pair(mc, mc + effect, vc, vc + ve + 2 * cov, vc + cov, float(df), 0)


def _whitened(x: list[list[float]], y: list[float], times: list[int], rho: float) -> tuple[list[list[float]], list[float]]:
    first = math.sqrt(1 - rho * rho)
    a, b = [[v * first for v in x[0]]], [y[0] * first]
    for i in range(1, len(y)):
        gap = times[i] - times[i - 1]
        link = math.copysign(abs(rho) ** gap, rho if gap % 2 else 1.0)
        f = math.sqrt((1 - rho * rho) / (1 - link * link)) if link * link < 1 else 1.0
        a.append([(p - link * q) * f for p, q in zip(x[i], x[i - 1], strict=True)])
        b.append((y[i] - link * y[i - 1]) * f)
    return a, b


def _adopting(groups: J) -> Pair:
    """Groups that adopted against those that had not yet, and the spread by leaving one out."""
    there = {name: (when, {d: (n, m) for d, n, m, _ in days}) for name, (when, days) in groups.items() if days}
    if len(there) < 4:
        raise _NoAnswerError
    whole = _moved(there)
    if whole is None:
        raise _NoAnswerError
    without = [_moved({k: v for k, v in there.items() if k != name}) for name in there]
    found = [e for e in without if e is not None]
    k = len(found)
    if k < 3:
        raise _NoAnswerError
    means = [math.fsum(e[i] for e in found) / k for i in (0, 1)]
    ve, vt, c = (
        math.fsum((e[i] - means[i]) * (e[j] - means[j]) for e in found) * (k - 1) / k for i, j in ((0, 0), (1, 1), (0, 1))
    )
    if not ve > 0:
        raise _NoAnswerError
    return Pair(whole[1] - whole[0], whole[1], vt + ve - 2 * c, vt, vt - c, float(k - 1), 0)


def _moved(groups: J) -> tuple[float, float] | None:
    found = []
    for name, (when, own) in groups.items():
        if when is None:
            continue
        before = [d for d in own if 0 < (when - d).days <= 28]
        others = [
            (w, days)
            for other, (w, days) in groups.items()
            if other != name and (w is None or w > when) and set(before) <= set(days)
        ]
        after = [d for d in own if 0 <= (d - when).days < 28 and any((w is None or d < w) and d in days for w, days in others)]
        if not before or not after:
            continue
        total = size = 0.0
        for w, days in others:
            shared = [d for d in after if (w is None or d < w) and d in days]
            if shared:
                change = _day_mean(own, shared) - _day_mean(own, before) - _day_mean(days, shared) + _day_mean(days, before)
                total, size = total + change * len(shared), size + len(shared)
        found.append((total / size, _day_mean(own, after), sum(own[d][0] for d in after)))
    if not found:
        return None
    weight = sum(w for *_, w in found)
    return sum(e * w for e, _, w in found) / weight, sum(m * w for _, m, w in found) / weight


def _day_mean(table: J, days: Sequence[date]) -> float:
    return math.fsum(table[d][1] for d in days) / len(days)


def _check_forecasts(notes: Notes, payload: J, plan: J) -> None:
    """The lift that is left on a later day, where the letter names one: a mixture of normals over times of decay."""
    ours = {}
    if plan["watch"]["estimator"] == "holdback":
        until = date.fromisoformat(payload["last_day"])
        for key, series in payload["series"].items():
            found = _forecast(series, until)
            if found is not None:
                ours[key] = found
    theirs = {f["metric"]: f for f in payload["forecasts"]}
    notes.same("metrics with a forecast", sorted(ours), sorted(theirs))
    for key, (low, middle, high) in ours.items():
        f = theirs.get(key, {})
        notes.same(f"{key}, forecast of day", [84, 0.8], [f.get("day"), f.get("level")])
        for name, value in (("low", low), ("lift", middle), ("high", high)):
            if not abs(value - f.get(name, NAN)) <= 1e-6 * max(high - low, 1e-12):
                notes.differs(f"{key}, forecast, {name}", value, f.get(name))


def _check_novelty(notes: Notes, payload: J, plan: J) -> None:
    """Whether changes fade or grow, where the letter says so; letters made before have no such verdict."""
    if "novelty" not in payload:
        return
    watch, ours = plan["watch"], {}
    if watch["estimator"] == "holdback":
        last = watch["weeks"] * 7
        level = alpha_of(plan) / len({d for d in watch["check_days"] if 0 < d <= last} | {last})
        until = date.fromisoformat(payload["last_day"])
        for key, series in payload["series"].items():
            points = _log_ratio_blocks(series, until)
            line = trend_line([(t, y, math.sqrt(v), 0) for t, y, v in points], "age", level) if points else {}
            if line.get("slope") is None:
                continue
            total = math.fsum(1 / v for *_, v in points or ())
            middle, mean = (math.fsum(q[i] / q[2] for q in points or ()) / total for i in (0, 1))
            first = mean + line["slope"] * (points[0][0] - middle) if points else NAN
            moved = "growing" if first * line["slope"] >= 0 else "fading"
            ours[key] = {
                "word": moved if line["p_value"] <= level else "steady",
                "alpha": level,
                "p_value": line["p_value"],
                **{
                    name: math.expm1(7 * line[part])
                    for name, part in (("per_week", "slope"), ("low", "slope_low"), ("high", "slope_high"))
                },
            }
    theirs = {n["metric"]: n for n in payload["novelty"]}
    notes.same("metrics with a verdict on novelty", sorted(ours), sorted(theirs))
    notes.same("verdicts on novelty, one for each metric", len(theirs), len(payload["novelty"]))
    for key, found in ours.items():
        for name, value in found.items():
            there = theirs.get(key, {}).get(name)
            if isinstance(value, str):
                notes.same(f"{key}, novelty, {name}", value, there)
            elif not isinstance(there, (int, float)) or not abs(value - there) <= 1e-7 * max(abs(value), 1e-3):
                notes.differs(f"{key}, novelty, {name}", value, there)


def _log_ratio_blocks(series: J, until: date) -> list[tuple[float, float, float]] | None:
    """Middle day, logarithm of the ratio and its variance of each block of three days; None where there are too few."""
    if set(series) != {_HELD, _SHIP}:
        return None
    both = [
        {date.fromisoformat(d): (n, m, v) for d, n, m, v in series[name]["days"] if date.fromisoformat(d) <= until}
        for name in (_HELD, _SHIP)
    ]
    days = sorted(both[0].keys() & both[1].keys())
    held: dict[int, list[date]] = {}
    for day in days:
        held.setdefault((day - days[0]).days // 3, []).append(day)
    points = []
    for block in (b for _, b in sorted(held.items()) if len(b) == 3):
        logs, noise = [], 0.0
        for table in both:
            n = sum(table[d][0] for d in block)
            mean = math.fsum(table[d][0] * table[d][1] for d in block) / n
            if not mean > 0 or any(table[d][2] is None for d in block):
                return None
            logs.append(math.log(mean))
            noise += math.fsum(table[d][0] * table[d][2] for d in block) / n / n / mean**2
        if not noise > 0:
            return None
        points.append((sum((d - days[0]).days for d in block) / 3, logs[1] - logs[0], noise))
    return None if len(points) < 5 else points


def _forecast(series: J, until: date) -> tuple[float, float, float] | None:
    points = _log_ratio_blocks(series, until)
    if points is None:
        return None
    normals = []
    for i in range(12):
        tau = 3 * 10 ** (i / 11)
        rows = [(math.exp(-t / tau), y, 1 / v) for t, y, v in points]
        s0, s1, s2, y0, y1 = (
            math.fsum(f(e, y) * w for e, y, w in rows)
            for f in (
                lambda e, y: 1.0,
                lambda e, y: e,
                lambda e, y: e * e,
                lambda e, y: y,
                lambda e, y: e * y,
            )
        )
        d = s0 * s2 - s1 * s1
        if not d > 0:
            return None
        a, b = (s2 * y0 - s1 * y1) / d, (s0 * y1 - s1 * y0) / d
        rest = math.fsum(w * (y - a - b * e) ** 2 for e, y, w in rows)
        at = math.exp(-84 / tau)
        normals.append((-0.5 * rest, a + b * at, math.sqrt((s2 - 2 * at * s1 + at * at * s0) / d)))
    top = max(w for w, *_ in normals)
    weights = [math.exp(w - top) for w, *_ in normals]
    total = sum(weights)
    bounds = min(m - 12 * s for _, m, s in normals), max(m + 12 * s for _, m, s in normals)
    out = []
    for p in (0.1, 0.5, 0.9):
        low, high = bounds
        for _ in range(200):
            middle = (low + high) / 2
            below = sum(w * normal_tail((m - middle) / s) for w, (_, m, s) in zip(weights, normals, strict=True)) / total
            low, high = (middle, high) if below < p else (low, middle)
        out.append((low + high) / 2)
    return None if out[2] - out[0] > 0.5 else (math.expm1(out[0]), math.expm1(out[1]), math.expm1(out[2]))
