"""Method and limits in plain language, chosen by the plan and by what the readout used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.wording import numbers as digits

_DESIGNS = {
    "sequential": (
        "The interval stays valid however often and whenever one looks. It is a normal-mixture confidence sequence, wider than "
        "a fixed-horizon interval at any single look: that is the price of looking early."
    ),
    "frequentist": (
        "The interval is a fixed-horizon one (Welch's t; the normal for shares of units): its error level holds for one "
        "reading at the horizon."
    ),
    "group_sequential": "The interval is valid at the planned looks, which share the error level by a spending function.",
    "bayesian": (
        "The interval holds the true effect with the stated probability, given the prior in the plan. It carries no error "
        "guarantee when it is read repeatedly."
    ),
}
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
    out = [
        (
            "Units were assigned at random, so the difference between variants is what the change caused, plus chance. The "
            "interval says how far chance alone could move the number; a claim is made only where the whole interval lies on "
            "one side of zero."
        ),
        _DESIGNS[model["kind"]],
        (
            "Lift is the effect divided by the size of the control's mean. Its interval is Fieller's, which takes the noise of "
            "the control into account and excludes zero exactly when the test of the effect does."
        ),
    ]
    if model["kind"] != "bayesian":
        family = plan.get("family", "primary").replace("_", " ")
        first = _CORRECTIONS[plan.get("correction", "holm")]
        second = _CORRECTIONS[plan.get("secondary_correction", "bh")]
        out.append(
            f"Several comparisons share the error level of {digits.share_text(1 - model['confidence'])}: the family of "
            f"{family} metrics {first}, the family of the other metrics {second}. Intervals are widened to match. "
            "Guardrails stand outside: all must pass, each at the full level."
        )
    out.append(
        "A guardrail passes only when harm beyond its margin is ruled out by the interval. “Not significant” is not taken "
        "as “safe”."
    )
    if any(r["variance_reduction"] is not None for r in readout["rows"]):
        out.append(
            "Where the plan asks for it, the part of the difference that behaviour before the experiment foretold is taken out "
            "(CUPED). It narrows the interval and does not shift the expected effect."
        )
    if readout["summary"]["caps"]:
        out.append(
            "Extreme values were capped at thresholds taken over all variants together; what is estimated is the mean of "
            "capped values. The raw result stands beside it."
        )
    return out


def limits(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> list[str]:
    """What the memo does not show, a sentence or two each."""
    out = [
        (
            "The result holds for the units and the time of this experiment. Novelty, season and a different audience can "
            "change it."
        ),
        (
            "The seal is a commitment, not a lock: whoever has the raw data can compute results elsewhere, outside of this "
            "record."
        ),
        (
            "The ledger shows any change that does not rebuild it whole. Its owner could rebuild it; what stands against that "
            "is this memo and every other copy of the witness."
        ),
    ]
    if plan["model"]["kind"] == "bayesian":
        out.append("Probabilities depend on the prior in the plan and are not protected against repeated reading.")
    if plan["model"]["kind"] == "sequential":
        out.append("The sequential interval is asymptotic: it relies on some hundred units in every variant at the first look.")
    if readout["segments"]:
        out.append("Segments are shown to learn from, not to decide by: with many slices some differ by chance.")
    return out
