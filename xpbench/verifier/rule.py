"""From rows and health to the outcome: the decision rule written a second time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from xpbench.verifier.report import J
from xpbench.verifier.rows import ENDED, METHODS, WHOLE

ORDER = ("invalid", "ship none", "iterate", "ship")
COMPUTED = ("ok", "unbounded_lift", "control_near_zero", "few_events")


def known(row: J) -> bool:
    """Whether a row has what its test needs."""
    return bool(row["ci_low"] is not None if row["status"] == "separation" else row["status"] in COMPUTED)


def lost(row: J) -> bool:
    """Whether a metric has no number that could have told of harm."""
    if row["status"] in ("not_enough_units", "not_finite", "zero_denominator", "cap_is_zero"):
        return True
    effect = row["effect"]
    bad = effect is None or (effect < 0) == (row["direction"] == "increase")
    if row["status"] == "separation":
        return bool(row["ci_low"] is None and bad)
    return bool(row["status"] == "zero_variance" and effect and bad)


def situation(plan: J, rows: Sequence[J], health: Sequence[J], adequate: bool, methods: int) -> dict[str, J]:
    """What was found for one treatment variant; what is lost keeps anything next to it from winning."""
    ladder, floor = ("worse", "none", "hopeless", "unclear", "small", "win"), plan.get("decision", {}).get("futility")
    primaries = [r for r in rows if r["role"] == "primary"]
    states = [
        "worse"
        if r["verdict"] == "worse"
        else "win"
        if r["verdict"] == "better" and r["matters"] is not False
        else "none"
        if r.get("equivalent")
        else "hopeless"
        if floor is not None and r["verdict"] == "unclear" and r.get("chance_left") is not None and r["chance_left"] < floor
        else "unclear"
        if r["verdict"] == "unclear"
        else "small"
        for r in primaries
    ]
    best = max if plan.get("decision", {}).get("ship_when", "any_primary") == "any_primary" else min
    rails = [r["guardrail"] for r in rows if r["role"] == "guardrail"]
    within = [r for r in rows if r["role"] == "guardrail" and (r["guardrail"], r["verdict"]) == ("ok", "worse")]
    fine = "worse" if within and methods >= ENDED else "ok"
    loud = [c for c in health if c["status"] in ("warn", "fail")]
    found = best(states, key=ladder.index) if states else "unclear"
    gone = methods >= WHOLE and any(lost(r) for r in rows if r["role"] != "guardrail")
    computed = known if methods >= WHOLE else lambda r: r["status"] in COMPUTED
    return {
        "primary": min(found, "unclear", key=ladder.index) if gone else found,
        "deteriorated": any(r["verdict"] == "worse" for r in rows if r["role"] != "guardrail"),
        "guardrails": "bad" if "bad" in rails else "unclear" if "unclear" in rails else fine,
        "health": "fail" if any(c["gate"] and c["status"] == "fail" for c in loud) else "warn" if loud else "pass",
        "adequate": bool(adequate and primaries and all(computed(r) for r in primaries) and not gone),
    }


def rule(policy: J, s: Mapping[str, J], methods: int = METHODS) -> tuple[str, str]:
    """Row and outcome of the decision rule."""
    ended = methods >= ENDED
    win = s["primary"] == "win"
    ladder: list[tuple[str, bool, str]] = [
        ("R1", s["health"] == "fail", "invalid"),
        ("R2", s["guardrails"] == "bad", "ship none"),
        ("R3", s["primary"] == "worse", "ship none"),
        ("R4", win and s["deteriorated"], "iterate"),
        ("R5", win and s["guardrails"] == "unclear", "iterate"),
        ("R6", win and s["health"] == "warn" and policy.get("health") == "no_warnings", "iterate"),
        ("R12", ended and win and s["guardrails"] == "worse", "ship"),
        ("R7", win, "ship"),
        ("R8", s["deteriorated"], "ship none"),
        ("R13", ended and s["primary"] == "none", "ship none"),
        ("R14", policy.get("futility") is not None and s["primary"] == "hopeless", "ship none"),
        ("R9", not s["adequate"], "iterate"),
        ("R10", s["primary"] == "small", "ship none"),
    ]
    return next(((row, outcome) for row, fits, outcome in ladder if fits), ("R11", "ship none"))


def recommended(plan: J, rows: Sequence[J], health: Sequence[J], adequate: bool, *, methods: int = METHODS) -> dict[str, J]:
    """Outcome over all treatments: invalid if any is, else the best; of several that ship, the largest first primary lift."""
    verdicts = []
    for variant in plan["variants"]:
        if variant.get("control"):
            continue
        s = situation(plan, [r for r in rows if r["variant"] == variant["key"]], health, adequate, methods)
        verdicts.append((variant["key"], s, *rule(plan.get("decision", {}), s, methods)))
    outcomes = [v[3] for v in verdicts]
    outcome = "invalid" if "invalid" in outcomes else max(outcomes, key=ORDER.index)
    first = next(m for m in plan["metrics"] if m["role"] == "primary")
    sign = 1 if first["direction"] == "increase" else -1
    lifts = {r["variant"]: sign * r["lift"] for r in rows if r["metric"] == first["key"] and r["lift"] is not None}
    chosen = max((v for v in verdicts if v[3] == outcome), key=lambda v: lifts.get(v[0], -math.inf))
    return {
        "outcome": outcome,
        "variant": chosen[0] if outcome == "ship" else "",
        "rows": [v[2] for v in verdicts],
        "variants": [{"variant": v[0], "situation": v[1], "row": v[2], "outcome": v[3]} for v in verdicts],
    }
