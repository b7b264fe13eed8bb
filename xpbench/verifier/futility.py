"""The futility row of a plan a second time: the chance that is left at a look, and what the row costs in power.

Backwards: what a score is worth at one look follows from what it is worth at the next one, as in dynamic programming; the
engine carries the density of the score forwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from xpbench.verifier.boundaries import FAR, REFLECTION, Boundary, boundary_of, panels, root
from xpbench.verifier.designs import alpha_of, design_of
from xpbench.verifier.quantiles import normal_isf, normal_tail
from xpbench.verifier.report import J, Notes

NEXT_LOOK = 2e-3
"""Information by which the next look is ahead at least."""
MOST_LOOKS_AHEAD = 60
"""Looks over which the multiplier of the last one is named."""
CHANCES_CLOSE = 1e-6
"""How near two ways of integrating the same chance come."""

Worth = Callable[[float], float]


def check_futility(notes: Notes, readout: J) -> None:
    """What each primary row says is left, and the price of the plan's futility row."""
    plan, before = readout["plan"], len(notes.differences)
    floor = plan.get("decision", {}).get("futility")
    rows = [*readout["rows"], *(r for s in readout["segments"] for rows in s["slices"].values() for r in rows)]
    if floor is None:
        notes.same("futility, price", None, readout.get("futility"))
        notes.same("futility, chance left", [], [r["metric"] for r in rows if r.get("chance_left") is not None])
        return
    looks = tuple(float(t) for t in plan["model"].get("looks", (0.5, 1.0)))
    so_far = design_of(
        plan, plan["variants"][0], units=sum(readout["summary"]["units"].values()), looks=readout["looks"]
    ).boundary
    every = looks if so_far is None else (*so_far.information, *(t for t in looks if t > so_far.information[-1] + NEXT_LOOK))
    if not all(boundary_of(some, "", True).is_light for some in (looks, every)):
        notes.left.append(f"the chance that is left, over {len(every)} looks, some very close")
        notes.not_checked.append("the chance that is left and the price of giving up: too many looks, or some very close")
        return
    _check_price(notes, plan, floor, readout.get("futility"))
    for row in rows:
        place = f"futility, {row['metric']} for {row['variant']}, chance left"
        whole = any(row is own for own in readout["rows"])
        own = _left_for(plan, readout, row) if whole and row["role"] == "primary" else None
        _near_chance(notes, place, own, row.get("chance_left"))
    if len(notes.differences) == before:
        notes.checked.append("the chance that is left at this look, and what giving up costs")


def last_multiplier(plan: J, boundary: Boundary | None, level: float) -> float | None:
    """Multiplier of the last planned look, over the looks so far and those ahead.

    None where none is ahead or too many are; NaN where some are so close that the engine has the last word.
    """
    if boundary is None or boundary.final or plan["model"].get("beyond"):
        return None
    looks = [float(t) for t in plan["model"].get("looks", (0.5, 1.0))]
    every = (*boundary.information, *(t for t in looks if t > boundary.information[-1] + NEXT_LOOK))
    if len(every) == len(boundary.information) or len(every) > MOST_LOOKS_AHEAD:
        return None
    whole = boundary_of(every, boundary.spending, True)
    return whole.q(level) if whole.is_light else math.nan


def _near_chance(notes: Notes, where: str, ours: float | None, theirs: J) -> None:
    fits = theirs is None if ours is None else isinstance(theirs, float | int) and abs(theirs - ours) <= CHANCES_CLOSE
    if not fits:
        notes.differs(where, ours, theirs)


def _left_for(plan: J, readout: J, row: J) -> float | None:
    looks, units = readout["looks"], sum(readout["summary"]["units"].values())
    boundary = design_of(plan, plan["variants"][0], units=units, looks=looks).boundary
    lift = _planned_lift_of(plan, row["metric"])
    if boundary is None or boundary.final or lift is None or not row["se"] or row["effect"] is None or not row["mean_control"]:
        return None
    so_far, now = boundary.information, boundary.information[-1]
    ahead = [t for t in plan["model"].get("looks", (0.5, 1.0)) if t > now + NEXT_LOOK]
    if not ahead:
        return None
    error = row["se"] / abs(row["mean_control"]) * math.sqrt(now)
    edges = _edges_of_win(plan, row["metric"], (*so_far, *ahead), row["alpha"], error)[len(so_far) :]
    sign = 1 if row["direction"] == "increase" else -1
    score = sign * row["effect"] / row["se"] * math.sqrt(now)
    return _worths([now, *ahead], edges, lift / error, [-math.inf] * len(ahead))[0](score)


def _planned_lift_of(plan: J, metric: str) -> float | None:
    """The lift that the plan expects: of the hypothesis, else the smallest that matters."""
    claims = [c["lift"] for c in plan["hypothesis"].get("then", ()) if c["metric"] == metric and c.get("lift")]
    least = next(m for m in plan["metrics"] if m["key"] == metric).get("min_lift")
    return abs(claims[0]) if claims else least or None


def _edges_of_win(plan: J, metric: str, looks: Sequence[float], level: float, error: float) -> list[float]:
    """Edge of the score at each look from which on it wins: the boundary, and far enough out to matter."""
    least = next(m for m in plan["metrics"] if m["key"] == metric).get("min_lift")
    policy, out = plan.get("decision", {}).get("practical", "estimate"), []
    for i, t in enumerate(looks):
        q = _multiplier_at_look(plan["model"]["spending"], tuple(looks[: i + 1]), level, final=i + 1 == len(looks))
        needed = 0.0 if not least or policy == "none" else least * math.sqrt(t) / error
        out.append((q + needed if policy == "interval" else max(q, needed)) * math.sqrt(t))
    return out


def _multiplier_at_look(spending: str, looks: tuple[float, ...], level: float, *, final: bool) -> float:
    if spending == REFLECTION:
        return normal_isf(level / 4) / math.sqrt(min(looks[-1], 1.0))
    boundary: Boundary = boundary_of(looks, spending, final)
    return boundary.q(level)


def _worths(times: Sequence[float], edges: Sequence[float], drift: float, floors: Sequence[float]) -> list[Worth]:
    """The chance of a win from a score at each time but the last, from the last look backwards.

    Args:
        times: Now, then the looks ahead.
        edges: Of a win at each look ahead.
        drift: Of the score.
        floors: Score at or below which a look ahead gives up; the last has none.
    """
    out: list[Worth] = []
    later: Worth | None = None
    for k in range(len(edges) - 1, -1, -1):
        sd, push, edge = math.sqrt(times[k + 1] - times[k]), drift * (times[k + 1] - times[k]), edges[k]
        low = max(-edge, floors[k]) if k + 1 < len(edges) else -edge
        places: list[tuple[float, float]] = []
        if later is not None:
            end = FAR * math.sqrt(times[k + 1]) + abs(drift) * times[k + 1]
            first, last = max(low, -end), min(edge, end)
            if last > first:
                width = 1.5 * min(sd, math.sqrt(times[k + 2] - times[k + 1]))
                count = max(1, min(math.ceil((last - first) / width), 200))
                nodes = panels([first + (last - first) * j / count for j in range(count + 1)], 12)
                places = [(x, w * later(x)) for x, w in nodes]
        later = _worth_of(sd, push, edge, places)
        out.append(later)
    return out[::-1]


def _worth_of(sd: float, push: float, edge: float, places: Sequence[tuple[float, float]]) -> Worth:
    scale = 1 / (sd * math.sqrt(2 * math.pi))

    def worth(score: float) -> float:
        centre = score + push
        going_on = math.fsum(v * math.exp(-0.5 * ((x - centre) / sd) ** 2) for x, v in places if abs(x - centre) < FAR * sd)
        return normal_tail((edge - centre) / sd) + scale * going_on

    return worth


def _check_price(notes: Notes, plan: J, floor: float, told: J) -> None:
    primaries = [m for m in plan["metrics"] if m["role"] == "primary"]
    metric = next((m for m in primaries if _planned_lift_of(plan, m["key"])), None)
    if metric is None or not isinstance(told, dict):
        notes.same("futility, price", None if metric is None else metric["key"], told)
        return
    lift, looks = _planned_lift_of(plan, metric["key"]) or 0.0, [float(t) for t in plan["model"].get("looks", (0.5, 1.0))]
    count = len(primaries) * (len(plan["variants"]) - 1 + len(plan.get("dropped") or ()))
    level = alpha_of(plan) / (1 if plan.get("correction") == "none" else max(count, 1))
    error = _foreseen_error(plan, metric)
    times, nowhere = [0.0, *looks], [-math.inf] * len(looks)
    if error is None:
        plain = [
            _multiplier_at_look(plan["model"]["spending"], tuple(looks[: i + 1]), level, final=i + 1 == len(looks))
            * math.sqrt(t)
            for i, t in enumerate(looks)
        ]
        power = plan.get("planning", {}).get("power", 0.8)
        error = lift / root(lambda d: _worths(times, plain, d, nowhere)[0](0.0) - power, 0.0, 20.0, close=1e-11)
    edges, drift = _edges_of_win(plan, metric["key"], looks, level, error), lift / error
    without = _worths(times, edges, drift, nowhere)
    stops = [_hopeless_at(worth, edge, t, floor) for worth, edge, t in zip(without[1:], edges, looks, strict=False)]
    ours = {
        "floor": floor,
        "power": _worths(times, edges, drift, [*stops, -math.inf])[0](0.0),
        "power_without": without[0](0.0),
        **_under_null(times, edges, stops),
    }
    notes.same("futility, price, metric", metric["key"], told.get("metric"))
    for name, value in ours.items():
        _near_chance(notes, f"futility, price, {name}", value, told.get(name))


def _hopeless_at(worth: Worth, edge: float, t: float, floor: float) -> float:
    """The score at which the chance that is left is the floor."""
    far = FAR * math.sqrt(t)
    top = min(edge, far)
    if worth(-far) >= floor:
        return -math.inf
    return top if worth(top) <= floor else root(lambda score: worth(score) - floor, -far, top, close=1e-11)


def _foreseen_error(plan: J, metric: J) -> float | None:
    """Standard error of the lift at the horizon by the plan's own baselines; None where it names none."""
    planning, units = plan.get("planning", {}), plan.get("horizon", {}).get("units")
    mean, sd = (planning.get(k, {}).get(metric["key"]) for k in ("baselines", "sds"))
    if not mean or not units:
        return None
    if sd is None:
        if plan.get("members") or not 0 < mean < 1:
            return None
        sd = math.sqrt(mean * (1 - mean))
    splits = [next(v["split"] for v in plan["variants"] if bool(v.get("control")) is own) for own in (True, False)]
    whole = units / math.fsum(v["split"] for v in plan["variants"])
    return float(sd / abs(mean) * math.sqrt(sum(1 / (s * whole) for s in splits))) if all(splits) else None


def _under_null(times: Sequence[float], edges: Sequence[float], stops: Sequence[float]) -> dict[str, float]:
    """Chance to give up early, and mean share of the horizon used, where nothing changes."""
    stopped = used = 0.0
    chances: list[float] = []
    for last in range(1, len(edges) + 1):  # chance that the run is still going on after each look: nothing was crossed by then
        low = [max(-e, f) for e, f in zip(edges[:last], [*stops, -math.inf][:last], strict=True)]
        chances.append(_inside_edges(times[: last + 1], edges[:last], low))
    for k, t in enumerate(times[1:-1]):
        used += t * ((1.0 if k == 0 else chances[k - 1]) - chances[k])
    used += times[-1] * (chances[-2] if len(chances) > 1 else 1.0)
    for k in range(len(stops)):
        low = [max(-e, f) for e, f in zip(edges[:k], stops[:k], strict=True)]
        reach = max(-edges[k], stops[k])
        stopped += _inside_edges(times[: k + 2], [*edges[:k], reach], [*low, -math.inf])
    return {"gives_up": stopped, "units": used}


def _inside_edges(times: Sequence[float], high: Sequence[float], low: Sequence[float]) -> float:
    """Chance that the score without a drift lies between these edges at every look."""
    later: Worth = lambda _: 1.0  # noqa: E731 - the value after the last look
    for k in range(len(high) - 1, -1, -1):
        sd = math.sqrt(times[k + 1] - times[k])
        end = FAR * math.sqrt(times[k + 1])
        first, last = max(low[k], -end), min(high[k], end)
        if last <= first:
            return 0.0
        follows = math.sqrt(times[k + 2] - times[k + 1]) if k + 2 < len(times) else sd
        count = max(1, min(math.ceil((last - first) / (1.5 * min(sd, follows))), 200))
        nodes = panels([first + (last - first) * j / count for j in range(count + 1)], 12)
        later = _worth_of(sd, 0.0, math.inf, [(x, w * later(x)) for x, w in nodes])
    return later(0.0)
