"""The sample ratio, computed again from the units of the payload: read once, and at the end of every day."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import date

from xpbench.verifier.boundaries import CLOSEST, bounds_of
from xpbench.verifier.quantiles import chi2_tail, normal_isf
from xpbench.verifier.report import J, Notes

CONCENTRATION = 100.0
"""Prior concentration of the daily test of the sample ratio, where it is a mixture alone."""
MIXTURE_SHARE = 0.02
"""Share of the level that goes to the mixture, where the rest is spent up to the horizon."""
FULL_AT = 0.97
"""Share of the horizon's units at which all is spent."""
SPENDS = 3
"""The first edition of the methods whose daily test spends its level up to the horizon."""
ALPHA, WARN_ALPHA = 0.001, 0.01
"""Levels of a plan that names none."""
EVEN = 1e-4
"""How close a count may come to a boundary before two integrations may differ in which side it is on."""

DAYS = 1_000
"""Days whose boundaries are integrated; more take too long for a file from anyone."""
BUCKET = 0.01 + 1e-9
"""A flag of a hundred buckets serves a planned split up to one bucket wrong."""

GATES = ("assignment_audit", "no_units", "restated_outcomes", "shrunk_data", "srm", "srm_anytime", "unknown_variant")
"""Checks whose failure makes a readout INVALID, whatever the payload says of them."""


YOUNGER = ("restated_outcomes",)
"""Checks that readouts of schema 2 may lack: they came later."""


def check_health(notes: Notes, payload: J) -> None:
    """The checks that follow from the units by variant and day: units in every variant, and the sample ratio."""
    readout = payload["readout"]
    plan, summary, before = readout["plan"], readout["summary"], len(notes.differences)
    checks = {c["name"]: c for c in readout["health"]}
    notes.same("health, each check once", len(readout["health"]), len(checks))
    for name in GATES:
        if name in checks:
            notes.same(f"health, {name}, is a gate", True, checks[name]["gate"])
        elif payload["schema"] >= 2 and name not in YOUNGER:
            notes.differs(f"health, {name}", "the result of this check, which every readout has", "nothing")
    units = {v["key"]: int(summary["units"].get(v["key"], 0)) for v in plan["variants"]}
    if "no_units" in checks:
        empty = any(v["split"] > 0 and not units[v["key"]] for v in plan["variants"])
        notes.same("health, units in every variant", "fail" if empty else "pass", checks["no_units"]["status"])
    fixed, daily = checks.get("srm"), checks.get("srm_anytime")
    if fixed is None or not sum(units.values()):
        return
    if fixed["status"] == "not answerable":
        notes.not_checked.append("sample ratio: the readout says that it has no answer")
        if not _own_splits(plan) and fixed["evidence"]:
            notes.differs("health, sample ratio", "a result, as its evidence has one", "no answer")
        return
    shares, told = _shares(plan, fixed["evidence"])
    if shares is None:
        notes.differs("health, sample ratio, expected shares", "a share of each variant of the plan, 1 in all", told)
        return
    policy = plan.get("health") or {}
    fail, warn = policy.get("srm_alpha", ALPHA), policy.get("srm_warn_alpha", WARN_ALPHA)
    days = sorted(summary["exposures_by_day"])
    several = bool(days) and _reads_more_than_once(plan)
    misplaced = any(units[k] for k, s in shares.items() if s == 0)
    p = 0.0 if misplaced else _ratio([units[k] for k in shares], list(shares.values()))
    status = "fail" if p < fail else "warn" if p < warn else "pass"
    if status == "fail" and several and not misplaced:
        status = "warn"
    notes.same("health, sample ratio", status, fixed["status"])
    if daily is not None and len(days) > DAYS:
        notes.left.append(f"the daily sample ratio over {len(days):,} days")
    elif daily is not None and days:
        running = list(_running([[summary["exposures_by_day"][d].get(k, 0) for k in shares] for d in days]))
        progress = _progress(plan, days, [sum(n) for n in running]) if readout.get("methods", 1) >= SPENDS else None
        allowed = _daily(running, list(shares.values()), progress, (fail, warn))
        if daily["status"] not in allowed:
            notes.differs("health, daily sample ratio", " or ".join(sorted(allowed)), daily["status"])
    if len(notes.differences) == before:
        notes.checked.append(f"sample ratio recomputed from the units of the payload, against {told}")


def _own_splits(plan: J) -> bool:
    """Whether rollout groups have splits of their own, so that no one share is planned."""
    groups = (plan.get("assignment") or {}).get("rollout") or ()
    return any((g.get("splits") or g.get("variant")) and g.get("share", 1.0) > 0 for g in groups)


def _shares(plan: J, evidence: J) -> tuple[dict[str, float] | None, str]:
    """Expected share of each variant and where it is from: the plan, or a flag that the memo does not carry."""
    total = sum(v["split"] for v in plan["variants"]) or 1.0
    planned = {v["key"]: v["split"] / total for v in plan["variants"]}
    if evidence.get("basis") == "splits of the plan":
        return planned, "the splits of the plan"
    told = evidence.get("expected_share")
    if not isinstance(told, dict) or set(told) != set(planned):
        return None, str(told)
    numbers = [s for s in told.values() if isinstance(s, (int, float)) and not isinstance(s, bool) and 0 <= s <= 1]
    if len(numbers) < len(told) or abs(math.fsum(numbers) - 1.0) > 1e-6 or sum(s > 0 for s in numbers) < 2:
        return None, str(told)
    shares = {k: float(told[k]) for k in planned}
    if all(abs(shares[k] - s) <= BUCKET for k, s in planned.items()):
        return shares, "the shares of a flag, which are the plan's up to one bucket"
    words = ", ".join(f"{k} {100 * s:.4g}\u202f%" for k, s in shares.items())
    return shares, f"shares of a flag that the memo does not carry and the plan does not have ({words})"


def _reads_more_than_once(plan: J) -> bool:
    model = plan["model"]
    return model["kind"] in ("sequential", "group_sequential") or (
        model["kind"] == "bayesian" and model.get("due", "horizon") != "horizon"
    )


def _ratio(counts: Sequence[int], shares: Sequence[float]) -> float:
    """p-value of the counts against the shares: Pearson's chi-squared, exact for two variants of which one expects under 5."""
    pairs = [(n, s) for n, s in zip(counts, shares, strict=True) if s > 0]
    total = sum(n for n, _ in pairs)
    if total == 0:
        return 1.0
    if len(pairs) == 2 and min(s * total for _, s in pairs) < 5:
        return _binomial(pairs[0][0], total, pairs[0][1])
    return chi2_tail(math.fsum((n - s * total) ** 2 / (s * total) for n, s in pairs), len(pairs) - 1)


def _binomial(x: int, n: int, p: float) -> float:
    def log(k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)

    if p > 0.5:  # the variant that expects few, so that a few terms are all there is
        x, p = n - x, 1.0 - p
    limit, found, k = log(x) + 1e-7, [], 0
    while k <= n:
        value = log(k)
        if value <= limit:
            found.append(math.exp(value))
        if k > n * p and value < -745.0:
            break
        k += 1
    return min(1.0, math.fsum(found))


def _running(days: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    total = [0] * len(days[0])
    for day in days:
        total = [a + b for a, b in zip(total, day, strict=True)]
        yield total


def _progress(plan: J, days: Sequence[str], units: Sequence[int]) -> list[float] | None:
    """Share of the planned way at the end of each day: by the calendar where the horizon has days, else by units."""
    horizon = plan.get("horizon") or {}
    if horizon.get("days") is not None:
        first = date.fromisoformat(days[0][:10])
        return [((date.fromisoformat(d[:10]) - first).days + 1) / horizon["days"] for d in days]
    if horizon.get("units") is not None:
        return [n / (FULL_AT * horizon["units"]) for n in units]
    return None


def _daily(
    running: Sequence[Sequence[int]], shares: Sequence[float], progress: Sequence[float] | None, levels: tuple[float, float]
) -> set[str]:
    """What the daily test may say: one status, or two where a count comes as close to a boundary as digits go."""
    fail, warn = levels
    theta = [s for s in shares if s > 0]
    counts = [[n for n, s in zip(day, shares, strict=True) if s > 0] for day in running]
    if progress is None:
        p = _mixture(counts, theta, CONCENTRATION)
        return {"fail" if p < fail else "warn" if p < warn else "pass"}
    p = _mixture(counts, theta, max(CONCENTRATION, 50.0 / min(theta))) / MIXTURE_SHARE
    found = set()
    for side in (-EVEN, EVEN):
        if p < fail or _crossed(counts, theta, progress, fail, side):
            found.add("fail")
        elif p < warn or _crossed(counts, theta, progress, warn, side):
            found.add("warn")
        else:
            found.add("pass")
    return found


def _mixture(counts: Sequence[Sequence[int]], theta: Sequence[float], concentration: float) -> float:
    """Smallest 1 / Bayes factor so far over the days' running counts (Lindon and Malek 2022)."""
    prior = [concentration * s for s in theta]
    least = 1.0
    for running in counts:
        log = math.lgamma(sum(prior)) - math.lgamma(sum(prior) + sum(running))
        log += math.fsum(math.lgamma(a + n) - math.lgamma(a) for a, n in zip(prior, running, strict=True))
        log -= math.fsum(n * math.log(s) for n, s in zip(running, theta, strict=True))
        least = min(least, math.exp(-max(log, 0.0)))
    return least


def _crossed(
    counts: Sequence[Sequence[int]], theta: Sequence[float], progress: Sequence[float], level: float, side: float
) -> bool:
    """Whether a variant's count left its boundary on some day, with the level spent as the cube of the way to the horizon.

    Boundaries lie between those of one look that spends everything so far and of one that spends what this day adds; only a
    count between the two needs the integral.
    """
    totals = [sum(day) for day in counts]
    used = [i for i, n in enumerate(totals) if n - (totals[i - 1] if i else 0) > CLOSEST * totals[-1]]
    share = level * (1.0 - MIXTURE_SHARE) / (1 if len(theta) == 2 else len(theta))
    spent = [share * min(progress[i], 1.0) ** 3 for i in used]
    between: list[tuple[int, float]] = []
    for j, i in enumerate(used):
        total, z = totals[i], 0.0
        for n, s in zip(counts[i], theta, strict=True):
            if total * min(s, 1.0 - s) >= 5.0:
                z = max(z, abs(n - total * s) / math.sqrt(total * s * (1.0 - s)))
        added = spent[j] - (spent[j - 1] if j else 0.0)
        if added <= 1e-9 * spent[j] or z + side < normal_isf(spent[j] / 2) - 1e-6:
            continue
        if z + side > normal_isf(added / 2) + 1e-6:
            return True
        between.append((j, z))
    if not between:
        return False
    bounds = bounds_of(spent, [totals[i] / totals[used[-1]] for i in used])
    return any(z + side > bounds[j] for j, z in between)
