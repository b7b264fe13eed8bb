"""Method and limits in plain language, chosen by the plan and by what the readout used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.memo.messages import say
from xpbench.memo.names import says_how_it_was_read
from xpbench.wording import numbers as digits

_CORRECTIONS = {
    "none": "is not corrected",
    "bonferroni": "is corrected by Bonferroni",
    "holm": "is corrected by Holm",
    "bh": "is corrected by Benjamini and Hochberg",
    "e-bh": "is corrected by e-BH",
}


def method(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> list[str]:
    """How the numbers came about, a paragraph each."""
    model = plan["model"]
    out: list[str] = [
        say(_assigned(plan, readout)),
        say(f"method.{model['kind']}"),
        say("method.fieller"),
    ]
    if model["kind"] != "bayesian":
        out.append(
            say(
                "method.corrections",
                alpha=digits.share_text(1 - model["confidence"]),
                family=plan.get("family", "primary").replace("_", " "),
                first=_CORRECTIONS[plan.get("correction", "holm")],
                second=_CORRECTIONS[plan.get("secondary_correction", "bh")],
            )
        )
    out.append(say("method.guardrails"))
    if any(r["variance_reduction"] is not None for r in readout["rows"]):
        out.append(say("method.cuped"))
    if readout["summary"]["caps"]:
        out.append(say("method.caps"))
    return out


def limits(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> list[str]:
    """What the memo does not show, a sentence or two each."""
    out: list[str] = [say("limits.time"), say("limits.seal"), say("limits.ledger")]
    if plan["model"]["kind"] in ("bayesian", "sequential"):
        out.append(say(f"limits.{plan['model']['kind']}"))
    if readout["segments"]:
        out.append(say("limits.segments"))
    return out


def _assigned(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> str:
    """Which sentence on the assignment is true: "at random" is said where the audit passed, and nowhere else."""
    audits = [c for c in readout["health"] if c["name"] == "assignment_audit"]
    audit = audits[0]["status"] if audits else "not answerable"
    if audit == "pass":
        return "method.audited"
    if not says_how_it_was_read(readout):
        return "method.random"
    if audits and audits[0]["evidence"].get("unrelated"):
        return "method.elsewhere"
    if audit in ("warn", "fail"):
        return "method.misassigned"
    return "method.elsewhere" if not plan.get("assignment") else "method.random"
