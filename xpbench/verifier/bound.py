"""What a look bound, what a decision rests on, and the sample ratio computed again from the units that the payload carries."""

from __future__ import annotations

import math
from collections.abc import Sequence

from xpbench.verifier.quantiles import chi2_tail
from xpbench.verifier.report import J, Notes
from xpbench.verifier.text import canonical, sha256

CONCENTRATION = 100.0
"""Prior concentration of the daily test of the sample ratio."""

BUCKET = 0.01 + 1e-9
"""A flag of a hundred buckets serves a planned split up to one bucket wrong."""

GATES = ("assignment_audit", "no_units", "restated_outcomes", "shrunk_data", "srm", "srm_anytime", "unknown_variant")
"""Checks whose failure makes a readout INVALID, whatever the payload says of them."""


def _merged_at(entry: J) -> str:
    return str((entry["body"].get("merged") or {}).get("at", ""))


def data_of(entry: J) -> str:
    """The data that a look was at: the digest of what was read, and how it was read where that differs."""
    body = entry["body"]
    how = {k: v for k, v in ((body.get("reading") or {}).get("how") or {}).items() if k not in ("slices", "day")}
    return f"{body.get('fingerprint')} {canonical(how)}" if how else str(body.get("fingerprint"))


def look_on_record(readout: J, entries: Sequence[J]) -> J | None:
    """The entry of the look that a readout came from."""
    times = ((e, (e["at"], _merged_at(e))) for e in entries if e["kind"] in ("opened", "peeked"))
    found = [e for e, at in times if readout["at"] in at and e["kind"] == readout["kind"]]
    if len(found) > 1:  # of several at one moment the one that showed this
        parts = {part: sha256(canonical(readout[part])) for part in ("summary", "health", "rows")}
        return next((e for e in found if e["body"].get("shown") == parts), found[0])
    return found[0] if found else None


def is_known(entry: J, look: J, entries: Sequence[J]) -> bool:
    """Whether an entry was on record for whoever took the look, where a repair may have joined two sides as well."""
    merged, own = look["body"].get("merged"), entry["body"].get("merged")
    if not merged:
        return bool(entry["seq"] <= look["seq"])
    forks = [e["body"]["fork"] for e in entries[: look["seq"]] if e["kind"] == "repaired" and "fork" in e["body"]]
    return bool(entry["seq"] <= (forks[-1] if forks else 0) or (own and own["seq"] <= merged["seq"]))


def place_then(entry: J, look: J) -> int:
    """The place of an entry when the look was taken: on its own side, where a repair has put both back from there."""
    own = entry["body"].get("merged")
    return int(own["seq"] if own and look["body"].get("merged") else entry["seq"])


def check_bound(notes: Notes, payload: J, entries: list[J]) -> None:
    """The readout is what its look showed; the decision names that look and those that came later at other data."""
    readout, before = payload["readout"], len(notes.differences)
    look = look_on_record(readout, entries)
    if look is not None:
        body = look["body"]
        for part, digest in body.get("shown", {}).items():
            notes.same(f"look, {part} as shown", digest, sha256(canonical(readout[part])))
        counts = body.get("health", {})
        for status in ("warn", "fail"):
            if status in counts:
                told = sorted(c["name"] for c in readout["health"] if c["status"] == status)
                notes.same(f"look, health checks that {status}", counts[status], told)
        if "shown" in body:
            notes.checked.append("moments and health are those that the look on record showed")
    last = next((e for e in reversed(entries) if e["kind"] in ("decided", "deferred")), None)
    if look is not None and last is not None and "look" in last["body"]:
        notes.same("decision, look that it rests on", look["seq"], last["body"]["look"]["seq"])
        seen, later = {data_of(look)}, []
        for e in entries:
            data = data_of(e)
            if (
                not is_known(e, look, entries)
                and e["seq"] < last["seq"]
                and e["kind"] in ("opened", "peeked")
                and data not in seen
            ):
                seen.add(data)
                later.append(e["seq"])
        notes.same("decision, later looks at other data", later, last["body"].get("later_looks", []))
        if later:
            notes.checked.append(f"the decision rests on an older look: {len(later)} later at other data on record")
    if len(notes.differences) == before and look is not None:
        notes.checked.append("the decision rests on that look")


def check_health(notes: Notes, readout: J) -> None:
    """The checks that follow from the units by variant and day: units in every variant, and the sample ratio."""
    plan, summary, before = readout["plan"], readout["summary"], len(notes.differences)
    checks = {c["name"]: c for c in readout["health"]}
    for name in GATES:
        if name in checks:
            notes.same(f"health, {name}, is a gate", True, checks[name]["gate"])
    units = {v["key"]: int(summary["units"].get(v["key"], 0)) for v in plan["variants"]}
    if "no_units" in checks:
        empty = any(v["split"] > 0 and not units[v["key"]] for v in plan["variants"])
        notes.same("health, units in every variant", "fail" if empty else "pass", checks["no_units"]["status"])
    fixed, daily = checks.get("srm"), checks.get("srm_anytime")
    policy = plan.get("health") or {}
    fail, warn = policy.get("srm_alpha"), policy.get("srm_warn_alpha")
    if fixed is None or fixed["status"] == "not answerable" or not sum(units.values()) or fail is None or warn is None:
        return
    shares = _shares(plan, fixed["evidence"])
    if shares is None:
        notes.not_checked.append("sample ratio: the shares of a flag that the memo does not carry")
        return
    days = sorted(summary["exposures_by_day"])
    several = bool(days) and _reads_more_than_once(plan)
    misplaced = any(units[k] for k, s in shares.items() if s == 0)
    p = 0.0 if misplaced else _ratio([units[k] for k in shares], list(shares.values()))
    status = "fail" if p < fail else "warn" if p < warn else "pass"
    if status == "fail" and several and not misplaced:
        status = "warn"
    notes.same("health, sample ratio", status, fixed["status"])
    if daily is not None and days:
        p = _daily_ratio([[summary["exposures_by_day"][d].get(k, 0) for k in shares] for d in days], list(shares.values()))
        notes.same("health, daily sample ratio", "fail" if p < fail else "warn" if p < warn else "pass", daily["status"])
    if len(notes.differences) == before:
        notes.checked.append("sample ratio recomputed from the units of the payload")


def _shares(plan: J, evidence: J) -> dict[str, float] | None:
    """Expected share of each variant: the plan's, or those of a flag, which lie within one bucket of them."""
    total = sum(v["split"] for v in plan["variants"]) or 1.0
    planned = {v["key"]: v["split"] / total for v in plan["variants"]}
    if evidence.get("basis") == "splits of the plan":
        return planned
    told = evidence.get("expected_share") or {}
    if set(told) != set(planned) or any(abs(told[k] - s) > BUCKET for k, s in planned.items()):
        return None
    return {k: float(told[k]) for k in planned}


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

    limit = log(x) + 1e-7
    return min(1.0, math.fsum(math.exp(v) for k in range(n + 1) if (v := log(k)) <= limit))


def _daily_ratio(days: Sequence[Sequence[int]], shares: Sequence[float]) -> float:
    """Smallest 1 / Bayes factor so far over the days' running counts (Lindon and Malek 2022)."""
    theta = [s for s in shares if s > 0]
    prior = [CONCENTRATION * s for s in theta]
    running, least = [0] * len(theta), 1.0
    for day in days:
        counts = [n for n, s in zip(day, shares, strict=True) if s > 0]
        running = [a + b for a, b in zip(running, counts, strict=True)]
        log = math.lgamma(sum(prior)) - math.lgamma(sum(prior) + sum(running))
        log += math.fsum(math.lgamma(a + n) - math.lgamma(a) for a, n in zip(prior, running, strict=True))
        log -= math.fsum(n * math.log(s) for n, s in zip(running, theta, strict=True))
        least = min(least, math.exp(-max(log, 0.0)))
    return least
