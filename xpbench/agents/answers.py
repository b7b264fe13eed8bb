"""What a tool answers: short, with stable names of fields, and with what may and may not be concluded.

A sealed answer has at most 2 kB and a readout at most 6 kB, whatever the experiment holds: lists are cut from their end, and
the answer says how many entries it left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from xpbench.agents.marked import RULE, data, number, size
from xpbench.agents.next_step import after_readout

if TYPE_CHECKING:
    from xpbench.decide.readout import Readout, SealedReadout
    from xpbench.decide.row import Row
    from xpbench.health import Check
    from xpbench.plan import Plan

SEALED_BYTES, READOUT_BYTES = 2_000, 6_000
DOCS = "xpbench://docs"

_NOTHING = "Any effect, lift, mean, p-value, winner or trend, nor a guess at one: they are sealed."


def fitted(answer: dict[str, Any], limit: int, *lists: str) -> dict[str, Any]:
    """The answer within a number of bytes: the longest of the named lists loses its last entries, which are counted.

    Args:
        answer: As it would be without a limit.
        limit: Most bytes.
        lists: Fields that may be cut, as `field` or `field.inner`.
    """
    while size(answer) > limit:
        found = [(size(at[name]), at, name) for at, name in (_place(answer, path) for path in lists) if at.get(name)]
        if not found:
            break
        _, at, name = max(found, key=lambda item: item[0])
        at[name] = at[name][:-1]
        at[f"{name}_left_out"] = at.get(f"{name}_left_out", 0) + 1
    return answer


def _place(answer: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    at = answer
    *folders, name = path.split(".")
    for folder in folders:
        at = at[folder]
    return at, name


def health_of(checks: Iterable[Check], *, sentence: int) -> dict[str, Any]:
    """How many checks pass, and those that do not, worst first; no number of theirs."""
    listed = list(checks)
    return {
        "pass": sum(c.status == "pass" for c in listed),
        "not_answerable": sum(c.status == "not answerable" for c in listed),
        "blocks": any(c.blocks for c in listed),
        "found": [
            {
                "check": c.name,
                "status": c.status,
                "gate": c.gate,
                "says": data(c.meaning, sentence),
                "next": data(c.next_step, sentence),
                "docs": f"{DOCS}/check/{c.name}",
            }
            for c in listed
            if c.status in ("fail", "warn")
        ],
    }


def looks_of(readout: Readout | SealedReadout, plan: Plan) -> dict[str, Any]:
    """How often effects were looked at, by whom, and what the plan lets programs do."""
    return {
        "all": len(readout.looks),
        "before_due": sum(not k.planned for k in readout.looks),
        "by_agents": sum(bool(k.agent) for k in readout.looks),
        "agents_may": None if plan.looks is None else plan.looks.agents,
    }


def of_readout(readout: Readout | SealedReadout, plan: Plan, *, start: int = 0) -> dict[str, Any]:
    """The answer of a look at the data: sealed, or with effects."""
    return _sealed(readout, plan) if readout.is_sealed else _open(readout, plan, start)


def _sealed(readout: SealedReadout, plan: Plan) -> dict[str, Any]:
    due = readout.due
    answer: dict[str, Any] = {
        "experiment": readout.key,
        "sealed": True,
        "due": {
            "is_due": due.is_due,
            "why": due.reason,
            "units": due.units,
            "units_needed": due.units_needed,
            "days": number(due.days, 4),
            "days_needed": due.days_needed,
        },
        "units": [{"variant": data(k, 24), "units": n} for k, n in readout.units.items()],
        "health": health_of(readout.health, sentence=150),
        "harm_alarm": {"sounds": readout.harm.sounds, "metrics": [data(m, 40) for m in readout.harm.metrics]},
        "looks": looks_of(readout, plan),
        "what_now": after_readout(readout, 260),
        "may_say": "How many units there are, how far it is, and what health found.",
        "may_not_say": _NOTHING,
        "data_rule": RULE,
    }
    return fitted(answer, SEALED_BYTES, "units", "health.found", "harm_alarm.metrics")


def _open(readout: Readout, plan: Plan, start: int) -> dict[str, Any]:
    advice = readout.recommendation
    may, may_not = _conclusions(readout)
    answer: dict[str, Any] = {
        "experiment": readout.key,
        "sealed": False,
        "kind": readout.kind,
        "at": readout.at,
        "valid": readout.is_valid,
        "stamps": list(readout.stamps),
        "recommendation": {
            "outcome": advice.outcome,
            "variant": data(advice.variant, 64) if advice.variant else "",
            "rule_rows": list(advice.rows),
            "because": data(advice.because, 240),
        },
        "units": [{"variant": data(k, 64), "units": n} for k, n in readout.summary.units.items()],
        "effects": [_effect(row) for row in readout.rows[start:]],
        "effects_from": start,
        "health": health_of(readout.health, sentence=160),
        "looks": {**looks_of(readout, plan), "cost": readout.cost.sentence},
        "deviations": len(readout.deviations),
        "what_now": after_readout(readout, 600),
        "may_say": may,
        "may_not_say": may_not,
        "docs": f"{DOCS}/field/effects",
        "data_rule": RULE,
    }
    return fitted(answer, READOUT_BYTES, "effects", "health.found", "units")


def _effect(row: Row) -> dict[str, Any]:
    """One comparison; what has no number has None and a status that says why."""
    out: dict[str, Any] = {
        "metric": data(row.metric, 64),
        "role": row.role,
        "variant": data(row.variant, 40),
        "better_is": row.direction,
        "control": number(row.mean_control),
        "treatment": number(row.mean),
        "effect": number(row.effect),
        "ci": [number(row.ci_low), number(row.ci_high)],
        "lift": number(row.lift),
        "lift_ci": [number(row.lift_low), number(row.lift_high)],
        "p": number(row.p_value, 3),
        "alpha": number(row.alpha, 3),
        "verdict": row.verdict,
        "status": row.status,
    }
    if row.role == "guardrail":
        out["guardrail"] = row.guardrail
    if row.matters is not None:
        out["reaches_min_lift"] = row.matters
    return out


def _conclusions(readout: Readout) -> tuple[str, str]:
    if not readout.is_valid:
        return (
            "That a gating health check failed, which, and what to do about it.",
            "Anything about the effects: they may come from the fault.",
        )
    cause = "What is not in the plan: other segments, other metrics, causes of single numbers."
    if readout.kind == "peeked":
        return (
            "That this is an early look, for the reason on record, with each effect next to its interval.",
            f"That it is the result, or that a difference is shown for good: results are not due. {cause}",
        )
    if "EXPLORATORY" in readout.stamps:
        return "Each effect next to its interval, called exploratory.", f"That it was planned. {cause}"
    return (
        "The rule's recommendation, and each effect next to its interval. Better or worse where verdict says so.",
        f"That unclear means no effect; that a person has decided. {cause}",
    )


def of_health(key: str, checks: Sequence[Check]) -> dict[str, Any]:
    """The answer of a health check."""
    answer = {
        "experiment": key,
        "sealed": True,
        "health": health_of(checks, sentence=150),
        "may_say": "What health found, and whether a readout would be valid.",
        "may_not_say": _NOTHING,
        "data_rule": RULE,
    }
    return fitted(answer, SEALED_BYTES, "health.found")


def of_error(error: Mapping[str, str]) -> dict[str, Any]:
    """The answer where a call is refused: what is wrong, the rule, what to do, and where to read more."""
    code = error["code"]
    return {
        "error": {
            "code": code,
            "what": data(error["what"], 400),
            "rule": data(error["rule"], 300),
            "remedy": data(error["remedy"], 300),
            "docs": f"{DOCS}/message/{code}",
        },
        "data_rule": RULE,
    }
