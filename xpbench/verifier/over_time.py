"""Whether effects change over time, and with the variant of another experiment, against what is computed here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

from xpbench.verifier.designs import adjust, alpha_of
from xpbench.verifier.estimates import estimate
from xpbench.verifier.numbers import near
from xpbench.verifier.pairs import NAN
from xpbench.verifier.quantiles import chi2_tail, normal_isf, normal_tail, t_isf, t_tail
from xpbench.verifier.report import J, Notes
from xpbench.verifier.rows import POWER, finite

Point3 = tuple[float, float, float, int]
OTHER = "$experiment:"
UNMET = "(not met)"


def check_over_time(notes: Notes, readout: J) -> None:
    """Trends and interactions of a readout; memos made before they existed have none."""
    before, count = len(notes.differences), 0
    for part, ours in (("novelty", _trends), ("interactions", _interactions)):
        if part not in readout:
            continue
        mine, theirs = ours(readout["plan"], readout["summary"]["cells"], readout.get("methods", 1)), readout[part]
        notes.same(
            f"{part}, tests", [x["what"] for x in mine], [[t[k] for k in ("metric", "variant", _AXIS[part])] for t in theirs]
        )
        for one, other in zip(mine, theirs, strict=False):
            for name, value in one.items():
                found = (
                    [[p[k] for k in ("x", "effect", "se", "n")] for p in other["points"]]
                    if name == "points"
                    else other.get(name)
                )
                if name == "sentence" and isinstance(value, tuple):
                    value = found if _around(value, found, one["what"][2]) else value
                if name != "what" and not _same(value, found):
                    notes.differs(f"{part}, {' '.join(one['what'])}, {name}", value, found)
        count += len(mine)
    if count and len(notes.differences) == before:
        notes.checked.append(f"{count} tests over time and next to other experiments recomputed from the moments")


def _around(ends: tuple[str, str], sentence: object, name: str) -> bool:
    """Whether a sentence has these ends around the name of another experiment, however that is quoted and shortened."""
    text = str(sentence)
    if not (text.startswith(ends[0]) and text.endswith(ends[1]) and len(text) >= sum(map(len, ends))):
        return False
    middle = [c for c in text[len(ends[0]) : len(text) - len(ends[1])] if c.isalnum()]
    return "://" in name or middle == [c for c in name if c.isalnum()][: len(middle)]


_AXIS = {"novelty": "axis", "interactions": "other"}


def _same(a: J, b: J) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(v, b[k]) for k, v in a.items())
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return near(a, b, 1e-3)


def _trends(plan: J, cells: Sequence[J], methods: int) -> list[J]:
    """Every metric and treatment by age, cohort and weekday: weighted regression, or one mean for all days of the week."""
    index: dict[tuple[str, str, str], dict[str, J]] = {}
    for cell in cells:
        where = cell.get("dimension", "")
        if where in ("$age", "$day") and cell["form"] == "value":
            index.setdefault((cell["metric"], cell["variant"], where), {})[cell["slice"]] = cell
    control = next(v["key"] for v in plan["variants"] if v.get("control"))
    out = []
    for metric in plan["metrics"]:
        for variant in (v["key"] for v in plan["variants"] if not v.get("control")):
            for axis in ("age", "cohort", "weekday"):
                where = "$age" if axis == "age" else "$day"
                sides = [index.get((metric["key"], v, where), {}) for v in (control, variant)]
                points = _slices(metric, sides[0], sides[1], axis)
                if points:
                    ratios = _log_ratios(metric, *sides) if axis == "age" and methods >= POWER else []
                    used = ratios if len(ratios) >= 4 else points
                    fit = trend_line(used, axis, alpha_of(plan))
                    out.append({"what": [metric["key"], variant, axis], "points": points, "used": used, **fit})
    adjusted = adjust([NAN if t["p_value"] is None else t["p_value"] for t in out], "holm")
    for found, p in zip(out, adjusted, strict=True):
        found["p_adjusted"] = finite(p)
        found["word"] = _word(found, found.pop("used"), alpha_of(plan))
        label = next(m.get("name") or m["key"] for m in plan["metrics"] if m["key"] == found["what"][0])
        found["sentence"] = f"{label}: {_told_trend(found['word'], found['what'][2], says_rest=methods < POWER)}"
    return out


def _slices(metric: J, control: dict[str, J], treatment: dict[str, J], axis: str) -> list[Point3]:
    """Effect on each slice that has 30 units and a standard error: place, effect, standard error, units."""
    names = sorted({*control, *treatment})
    days = {} if axis == "age" else {s: date.fromisoformat(s[:10]) for s in names if s[:4].isdigit()}
    first = min(days.values(), default=None)
    found: list[Point3] = []
    for name in names:
        pair = estimate(metric, control.get(name), treatment.get(name)).pair
        if pair.status != "ok" or pair.n < 30 or not pair.variance > 0:
            continue
        if axis == "age":
            place = float(name)
        elif first is None or name not in days:
            continue
        else:
            place = float(days[name].weekday() if axis == "weekday" else (days[name] - first).days)
        found.append((place, pair.mt - pair.mc, math.sqrt(pair.variance), pair.n))
    if axis != "weekday":
        return sorted(found, key=lambda p: p[0])
    out: list[Point3] = []
    for day in range(7):
        own = [p for p in found if p[0] == day]
        if own:
            total = math.fsum(1 / p[2] ** 2 for p in own)
            out.append((float(day), math.fsum(p[1] / p[2] ** 2 for p in own) / total, total**-0.5, sum(p[3] for p in own)))
    return out


def _log_ratios(metric: J, control: dict[str, J], treatment: dict[str, J]) -> list[Point3]:
    """Logarithm of treatment over control on each day, where both means are above zero and known to a third."""
    found: list[Point3] = []
    for name in {*control, *treatment}:
        pair = estimate(metric, control.get(name), treatment.get(name)).pair
        if pair.status != "ok" or pair.n < 30 or pair.mc <= 0 or pair.mt <= 0:
            continue
        c, t = pair.vc / pair.mc**2, pair.vt / pair.mt**2
        variance = c + t - 2 * pair.cov / (pair.mc * pair.mt)
        if max(c, t) <= 0.3**2 and variance > 0:
            found.append((float(name), math.log(pair.mt / pair.mc), math.sqrt(variance), pair.n))
    return sorted(found, key=lambda p: p[0])


def trend_line(points: Sequence[Point3], axis: str, alpha: float) -> dict[str, J]:
    """Slope with interval and p-value, its error from the residuals where these spread more than the errors say."""
    none: dict[str, J] = {"slope": None, "slope_low": None, "slope_high": None, "p_value": None}
    if len(points) < 4:
        return none
    w = [1 / se**2 for _, _, se, _ in points]
    level = math.fsum(a * p[1] for a, p in zip(w, points, strict=True)) / math.fsum(w)
    if axis == "weekday":
        q = math.fsum(a * (p[1] - level) ** 2 for a, p in zip(w, points, strict=True))
        return {**none, "p_value": finite(chi2_tail(q, len(points) - 1))}
    centre = math.fsum(a * p[0] for a, p in zip(w, points, strict=True)) / math.fsum(w)
    spread = math.fsum(a * (p[0] - centre) ** 2 for a, p in zip(w, points, strict=True))
    if spread <= 0:
        return none
    slope = math.fsum(a * (p[0] - centre) * p[1] for a, p in zip(w, points, strict=True)) / spread
    df = len(points) - 2
    residual = math.fsum(a * (p[1] - level - slope * (p[0] - centre)) ** 2 for a, p in zip(w, points, strict=True)) / df
    error = math.sqrt(max(residual, 1.0) / spread)
    reach = error * (t_isf(alpha / 2, df) if residual > 1 else normal_isf(alpha / 2))
    z = abs(slope) / error
    p = 2 * (t_tail(z, df) if residual > 1 else normal_tail(z))
    return {
        "slope": finite(slope),
        "slope_low": finite(slope - reach),
        "slope_high": finite(slope + reach),
        "p_value": finite(p),
    }


def _word(found: J, points: Sequence[Point3], alpha: float) -> str:
    if found["p_adjusted"] is None:
        return "not answerable"
    if found["p_adjusted"] > alpha:
        return "steady"
    if found["slope"] is None:
        return "uneven"
    w = [1 / p[2] ** 2 for p in points]
    level = math.fsum(a * p[1] for a, p in zip(w, points, strict=True)) / math.fsum(w)
    return "fading" if found["slope"] * level < 0 else "growing"


def _told_trend(word: str, axis: str, *, says_rest: bool) -> str:
    along = {"age": "days since exposure", "cohort": "days of exposure", "weekday": "days of the week"}[axis]
    if word == "not answerable":
        return f"fewer than 4 {along} can be compared."
    if word == "steady":
        return f"the effect is not shown to change over {along}."
    if word == "uneven":
        return "the effect differs between days of the week; read whole weeks only."
    if axis == "age" and word == "fading":
        rest = ". Its size after the last day is what will stay" if says_rest else ""
        return f"the effect fades with the days since exposure: part of it is novelty{rest}."
    if axis == "age":
        return "the effect grows with the days since exposure: units learn, and a short window understates it."
    if word == "fading":
        return "the effect is smaller for units exposed later: something changed during the experiment, or early units differ."
    return "the effect is larger for units exposed later: something changed during the experiment."


def _interactions(plan: J, cells: Sequence[J], _: int) -> list[J]:
    """Every metric and treatment next to every other experiment: the same effect in all of its variants, by Cochran's Q."""
    control = next(v["key"] for v in plan["variants"] if v.get("control"))
    out = []
    for where in sorted({c.get("dimension", "") for c in cells if c.get("dimension", "").startswith(OTHER)}):
        own = {
            (c["metric"], c["variant"], c["slice"]): c
            for c in cells
            if c.get("dimension") == where and c["form"] == "value" and c["slice"] != UNMET
        }
        for metric in plan["metrics"]:
            for variant in (v["key"] for v in plan["variants"] if not v.get("control")):
                found = _beside(metric, own, control, variant)
                if found["effects"]:
                    out.append({"what": [metric["key"], variant, where[len(OTHER) :]], **found})
    adjusted = adjust([NAN if x["p_value"] is None else x["p_value"] for x in out], "holm")
    for found, p in zip(out, adjusted, strict=True):
        found["state"], found["sentence"] = _told_beside(found, p, alpha_of(plan))
        found["p_value"] = finite(p)
    return out


def _told_beside(found: J, adjusted: float, alpha: float) -> tuple[str, J]:
    """State and sentence, the assignments first; around the other's name the two ends of the sentence."""
    p = found["p_value"]
    if found["p_independent"] < 0.001:
        bias = found["bias"]
        size = "" if bias is None else f" It can carry over up to {bias:.3g} in units of the metric."
        dependent = f"The two experiments share units that were not assigned independently (V = {found['phi']:.3f}).{size}"
        return "assignments dependent", dependent
    if p is None:
        return "not answerable", "Too few units meet both experiments."
    if p > alpha:
        ends = ("The effect is not shown to depend on the variant of ", f" (p = {p:.2g}).")
    elif not adjusted <= alpha:
        ends = ("The effect is not shown to depend on ", f" after correction (p = {adjusted:.2g}).")
    else:
        rest = "read it within each of them, and ship both together only after a joint test."
        return "interaction", ("The effect depends on the variant of ", f" (p = {p:.2g}): {rest}")
    return "no interaction shown", ends


def _beside(metric: J, own: dict[tuple[str, str, str], J], control: str, variant: str) -> dict[str, J]:
    key = metric["key"]
    parts = sorted({p for m, v, p in own if m == key and v in (control, variant)})
    effects, weights = {}, []
    for part in parts:
        pair = estimate(metric, own.get((key, control, part)), own.get((key, variant, part))).pair
        if pair.status == "ok" and pair.variance > 0:
            effects[part] = pair.mt - pair.mc
            weights.append(1 / pair.variance)
    p = None
    if len(effects) > 1:
        mean = math.fsum(w * d for w, d in zip(weights, effects.values(), strict=True)) / math.fsum(weights)
        q = math.fsum(w * (d - mean) ** 2 for w, d in zip(weights, effects.values(), strict=True))
        p = chi2_tail(q, len(effects) - 1)
    counts = [[own[key, v, part]["n"] if (key, v, part) in own else 0 for part in parts] for v in (control, variant)]
    phi, independent = _dependence(counts)
    carried = None
    for i, a in enumerate(parts):
        for b in parts[i + 1 :]:
            pair = estimate(metric, own.get((key, control, a)), own.get((key, control, b))).pair
            if pair.status == "ok" and pair.variance > 0 and pair.mt != pair.mc:
                carried = max(carried or 0.0, abs(pair.mt - pair.mc))
    bias = None if carried is None else phi * carried
    return {"effects": effects, "p_value": p, "phi": phi, "p_independent": independent, "bias": bias}


def _dependence(counts: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Cramér's V and Pearson's p-value of a table of units."""
    columns, rows = [sum(c) for c in zip(*counts, strict=True)], [sum(r) for r in counts]
    total = sum(rows)
    kept = [j for j, c in enumerate(columns) if c > 0]
    if total == 0 or min(rows) == 0 or len(kept) < 2:
        return 0.0, 1.0
    means = [[r * c / total for c in columns] for r in rows]
    q = math.fsum((counts[i][j] - means[i][j]) ** 2 / means[i][j] for i in range(2) for j in kept)
    return math.sqrt(q / total), chi2_tail(q, len(kept) - 1)
