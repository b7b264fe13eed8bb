"""The overview of a programme, computed again: every ledger's chain, what was decided, who peeked, what lifts are worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from xpbench.verifier.bound import data_of
from xpbench.verifier.first import PLAN_STAMPS
from xpbench.verifier.quantiles import normal_isf
from xpbench.verifier.report import J, Notes
from xpbench.verifier.text import canonical, sha256
from xpbench.verifier.watching import check_chain_of, when_of


def check_programme(notes: Notes, payload: J) -> None:
    """Every number that the overview names follows from the ledgers and readouts that it carries."""
    before = len(notes.differences)
    keys, lines, lifts = [], [], []
    as_of = when_of(payload["as_of"])
    for one in payload["experiments"]:
        key = one["key"]
        keys.append(key)
        entries = check_chain_of(notes, one["ledger"], key)
        if entries is None:
            continue
        plan = [e["body"]["plan"] for e in entries if e["kind"] in ("registered", "amended")][-1]
        notes.same(f"{key}, key", plan["key"], key)
        if any(when_of(e["at"]) > as_of for e in entries):
            notes.differs("as of", "no entry after it", f"an entry of {key}")
        line = _told_of(entries, one["has_memo"], as_of)
        lines.append(line)
        decision = line["entry"]
        found = one["readout"]
        if found is not None:
            wanted = decision["body"].get("readout_digest") if decision else None
            notes.same(f"{key}, readout that was decided on", wanted, sha256(canonical(found)))
        if found is not None and decision and decision["kind"] == "decided" and not line["late"]:
            lift = _first_lift(plan, found, decision)
            lifts += [lift] if lift else []
    notes.same("experiments, each once", len(set(keys)), len(keys))
    ours = _added_up(lines, lifts, payload["confidence"])
    theirs = payload["found"]
    for name in sorted(ours.keys() | theirs.keys()):
        if not _alike(ours.get(name), theirs.get(name)):
            notes.differs(f"programme, {name}", ours.get(name), theirs.get(name))
    if len(notes.differences) == before:
        notes.checked += [
            f"chains of {len(keys)} ledgers, and the readouts that their decisions name",
            "decisions, looks, peeks, memos, times to decision, win rate and what shipped lifts are worth",
        ]
    if payload["broken"]:
        notes.not_checked.append(f"{len(payload['broken'])} folders that could not be read when the overview was made")


def _told_of(entries: Sequence[J], has_memo: bool, as_of: datetime) -> J:
    """One experiment as its ledger shows it."""
    looks: dict[str, J] = {}
    for e in entries:
        if e["kind"] in ("opened", "peeked"):
            data = data_of(e)
            if data not in looks or (e["kind"] == "peeked" and looks[data]["kind"] == "opened"):
                looks[data] = e
    decisions = [e for e in entries if e["kind"] in ("decided", "deferred")]
    decision = decisions[-1] if decisions else None
    memo = has_memo or any(e["kind"] == "memo" for e in entries)
    restarted = any(e["kind"] == "restarted" for e in entries)
    quiet = as_of - max(when_of(e["at"]) for e in entries)
    read = [e for e in entries if e["kind"] in ("looked", "opened", "peeked")]
    state = (read[-1]["body"].get("health") or {}).get("plan_first", "") if read else ""
    late = entries[0]["body"].get("retrospective") is True or state in PLAN_STAMPS
    first = next((e for e in decisions if e["kind"] == "decided"), None)
    return {
        "entry": decision,
        "outcome": decision["body"].get("outcome", "") if decision else "",
        "follows": decision["body"].get("follows_rule") if decision and decision["kind"] == "decided" else None,
        "memo": memo,
        "silent": not memo and not restarted and quiet > timedelta(days=60),
        "peeked": [e["by"] or "" for e in looks.values() if e["kind"] == "peeked"],
        "looks": len(looks),
        "late": late,
        "days": (when_of(first["at"]) - when_of(entries[0]["at"])).total_seconds() / 86400 if first else None,
    }


def _first_lift(plan: J, readout: J, decision: J) -> tuple[float, float, bool] | None:
    """The lift of the first claim in the direction that is hoped for, its standard error, and whether it was shipped."""
    shipped = decision["body"].get("variant") if decision["body"].get("outcome") == "ship" else None
    variant = shipped or next(v["key"] for v in plan["variants"] if not v.get("control"))
    claims = [c["metric"] for c in plan["hypothesis"]["then"]]
    for name in claims or [m["key"] for m in plan["metrics"] if m["role"] == "primary"][:1]:
        row = next((r for r in readout["rows"] if r["metric"] == name and r["variant"] == variant), None)
        if row is not None and row["lift"] is not None and row["se"] and row["mean_control"]:
            sign = 1.0 if row["direction"] == "increase" else -1.0
            return sign * row["lift"], row["se"] / abs(row["mean_control"]), bool(shipped)
    return None


def _added_up(lines: Sequence[J], lifts: Sequence[tuple[float, float, bool]], confidence: float) -> J:
    decided = [x for x in lines if x["outcome"] in ("ship", "ship none", "iterate") and not x["late"]]
    wins, n = sum(x["outcome"] == "ship" for x in decided), len(decided)
    days = sorted(x["days"] for x in lines if x["days"] is not None)
    by: dict[str, int] = {}
    for x in lines:
        for who in x["peeked"]:
            by[who] = by.get(who, 0) + 1
    return {
        "experiments": len(lines),
        "without_memo": sum(not x["memo"] for x in lines),
        "silent": sum(x["silent"] for x in lines),
        "looks": sum(x["looks"] for x in lines),
        "peeks": sum(len(x["peeked"]) for x in lines),
        "peeks_by": by,
        "overrides": sum(x["follows"] is False for x in lines),
        "decided": n,
        "shipped": wins,
        "win_rate": _wilson(wins, n, confidence) if n else None,
        "days_to_decision": (days[(len(days) - 1) // 2] + days[len(days) // 2]) / 2 if days else None,
        **_worth(lifts),
    }


def _wilson(k: int, n: int, confidence: float) -> list[float]:
    z = normal_isf((1 - confidence) / 2)
    p, d = k / n, 1 + z * z / n
    middle, half = (p + z * z / (2 * n)) / d, z / d * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [p, max(middle - half, 0.0), min(middle + half, 1.0)]


def _worth(lifts: Sequence[tuple[float, float, bool]]) -> J:
    """Sum of shipped lifts as found, and after shrinking them towards the distribution of all (forty steps of EM on a grid)."""
    if len(lifts) < 3:
        return {"reported": None, "expected": None}
    found, noise = [x for x, _, _ in lifts], [s for _, s, _ in lifts]
    variance = _between(found, noise)
    weights = [1 / (variance + s * s) for s in noise]
    centre = math.fsum(w * x for w, x in zip(weights, found, strict=True)) / math.fsum(weights)
    ordered = sorted(noise)
    middle = (ordered[(len(noise) - 1) // 2] + ordered[len(noise) // 2]) / 2
    spread = max(math.sqrt(variance), middle / 4)
    low, high = min(min(found), centre - 4 * spread), max(max(found), centre + 4 * spread)
    grid = [low + (high - low) * i / 159 for i in range(160)]
    likely = []
    for x, s in zip(found, noise, strict=True):
        z = [((x - g) / s) ** 2 for g in grid]
        least = min(z)
        likely.append([math.exp(-(v - least) / 2) for v in z])
    prior = [math.exp(-(((g - centre) / spread) ** 2) / 2) + 1e-6 for g in grid]
    total = math.fsum(prior)
    prior = [p / total for p in prior]
    for _ in range(40):
        new = [0.0] * 160
        for row in likely:
            mass = sum(a * b for a, b in zip(row, prior, strict=True))
            new = [n + a * b / mass for n, a, b in zip(new, row, prior, strict=True)]
        prior = [n / len(likely) for n in new]
    worth = []
    for row in likely:
        joint = [a * b for a, b in zip(row, prior, strict=True)]
        worth.append(math.fsum(j * g for j, g in zip(joint, grid, strict=True)) / math.fsum(joint))
    kept = [i for i, (_, _, shipped) in enumerate(lifts) if shipped]
    return {"reported": math.fsum(found[i] for i in kept), "expected": math.fsum(worth[i] for i in kept)}


def _between(found: Sequence[float], noise: Sequence[float]) -> float:
    """Variance between experiments at which the weighted squares are what chance gives (Paule and Mandel), by halving."""

    def excess(variance: float) -> float:
        weights = [1 / (variance + s * s) for s in noise]
        mean = math.fsum(w * x for w, x in zip(weights, found, strict=True)) / math.fsum(weights)
        return math.fsum(w * (x - mean) ** 2 for w, x in zip(weights, found, strict=True)) - (len(found) - 1)

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, max((x - min(found)) ** 2 for x in found) + max(s * s for s in noise)
    while excess(high) > 0:
        high *= 4
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


def _alike(a: J, b: J) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    if isinstance(a, dict) or isinstance(b, dict):
        return canonical(a) == canonical(b)
    if a is None or b is None or isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return math.isfinite(b) and abs(a - b) <= 1e-6 * max(abs(a), abs(b), 1e-6)
