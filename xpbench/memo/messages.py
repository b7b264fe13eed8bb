"""The sentences of a memo that this package writes, by id; each is kept with its id and its values beside the text.

A payload holds id, values and text of every such sentence. So a reader of data (an assistant, a translation) needs no parsing,
and a later release can check the sentence against the wording of its time: where the wording of a *released* sentence changes,
the older text stays in the tuple behind the newer one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.wording.verdicts import AGAINST, BY_PLAN, IN_SPITE

WORDING: Mapping[str, tuple[str, ...]] = {
    "headline.none": ("{decision}: no effect that matters",),
    "headline.invalid": (IN_SPITE,),
    "headline.against": (AGAINST,),
    "headline.after": (BY_PLAN["PLANNED AFTER THE DATA"],),
    "headline.partly": (BY_PLAN["PARTLY PLANNED AFTER THE DATA"],),
    "headline.retrospective": (BY_PLAN["RETROSPECTIVE"],),
    "headline.amended": (BY_PLAN["AMENDED AFTER EFFECTS"],),
    "headline.restarted": (BY_PLAN["RESTARTED AFTER EFFECTS"],),
    "headline.plans": (BY_PLAN["ONE OF SEVERAL PLANS"],),
    "headline.looks": (BY_PLAN["MORE LOOKS THAN PLANNED"],),
    "headline.exploratory": (BY_PLAN["EXPLORATORY"],),
    "headline.peek": (BY_PLAN["PEEK"],),
    "basis.recommended": ("recommended by the rule of the plan ({rows}); nobody has decided yet",),
    "basis.follows": ("follows the rule of the plan ({rows})",),
    "basis.older": ("rests on an older look: {looks} at other data came before the decision ({rows})",),
    "basis.differs": ("differs from the rule of the plan, which says: {rule_says} ({rows})",),
    "forest.note": (
        "{shown} of {all} rows: primary metrics first, {variant} before others, then its guardrails and metrics. The appendix "
        "shows the other rows on the same scale.",
        "{shown} of {all} rows: primary metrics first, then guardrails and metrics of {variant}. The appendix shows the other "
        "rows on the same scale.",
        "{shown} of {all} rows: primary metrics first, then guardrails and metrics of {variant}. The other rows stand in the "
        "appendix, on the same scale.",
    ),
    "looks.line": ("{looks} at the effects, {peeks} before they were due",),
    "looks.line_again": (
        "{looks} at the effects, {peeks} before they were due (the same data was read more than once: {entries})",
    ),
    "looks.line_agents": ("{line}; {agents} by programs on behalf of people",),
    "looks.all": ("{cost} The ledger has {looks} in all.",),
    "looks.chosen": (
        "The results above come from one of {looks} at different data. Choosing among looks finds a difference more often than "
        "in {alpha} of experiments without an effect.",
        "The results above were read at one of {looks} at different data. Whoever can choose among looks finds a difference "
        "more often than in {alpha} of true nulls.",
    ),
    "looks.later": ("The ledger has {looks} at other data, the last on {day} at {units} units. It was not decided on.",),
    "run.dropped": (
        "{variant} was dropped on {day}, with {knowledge}. It is not analysed, and every correction counts it as planned: "
        "{reason}",
    ),
    "run.plans": (
        "Before this look, effects of the same units were seen under another plan: {plans}. Whoever may choose among plans "
        "finds a difference more often than planned.",
    ),
    "run.follows": ("It follows {key}, which ended on {day} with {knowledge}: {reason}",),
    "impact.invalid": (
        "A gating health check failed ({failed}), so the measured effects can't be trusted and no decision can rest on them.",
    ),
    "impact.invalid_next": (
        "Fix the cause named below, then run the experiment again.",
        "Mend the cause named below, then run the experiment again.",
    ),
    "impact.nothing": ("No primary metric could be computed.",),
    "impact.nothing_next": ("See the metrics below for the reasons.",),
    "impact.unclear": (
        "With {variant}, {metric} was {treatment}, and {control} without it; the data show no difference ({level} interval "
        "{low} to {high}).",
        "{metric} came to {treatment} with {variant} and to {control} without it; the {level} interval of the change runs from "
        "{low} to {high}, so no difference is shown.",
    ),
    "impact.none": (
        "With {variant}, {metric} has no effect that matters: {treatment} with it, {control} without; the whole {level} "
        "interval of the change, {low} to {high}, is too small to matter by the plan.",
    ),
    "impact.rose": (
        "With {variant}, {metric} rose by {size}, from {control} to {treatment} ({level} interval {low} to {high}).",
    ),
    "impact.fell": (
        "With {variant}, {metric} fell by {size}, from {control} to {treatment} ({level} interval {low} to {high}).",
    ),
    "method.audited": (
        "Units were assigned at random: recomputing the hash gives every unit that was checked its variant. So the difference "
        "between variants is what the change caused, plus chance. The interval says how far chance alone could move the "
        "number; a claim is made only where the whole interval lies on one side of zero.",
    ),
    "method.random": (
        "Whether the units were assigned at random was not checked here, see the assignment audit among the health checks. If "
        "they were, the difference between variants is what the change caused, plus chance. The interval says how far chance "
        "alone could move the number; a claim is made only where the whole interval lies on one side of zero.",
        "Units were assigned at random, so the difference between variants is what the change caused, plus chance. The "
        "interval says how far chance alone could move the number; a claim is made only where the whole interval lies on "
        "one side of zero.",
    ),
    "method.elsewhere": (
        "Another system assigned the units, and whether it did so at random was not checked here. If it did, the difference "
        "between variants is what the change caused, plus chance. The interval says how far chance alone could move the "
        "number; a claim is made only where the whole interval lies on one side of zero.",
    ),
    "method.misassigned": (
        "Not every unit has the variant that the hash of the plan gives it, see the assignment audit among the health checks. "
        "So the difference between variants may be one between the units that are in them. The interval says how far chance "
        "alone could move the number.",
    ),
    "method.sequential": (
        "The interval stays valid however often you look. It is a normal-mixture confidence sequence, wider than a "
        "fixed-horizon interval at any single look: that is the price of looking early.",
        "The interval stays valid however often and whenever one looks. It is a normal-mixture confidence sequence, wider than "
        "a fixed-horizon interval at any single look: that is the price of looking early.",
    ),
    "method.frequentist": (
        "The interval is a fixed-horizon one (Welch's t; the normal for shares of units): its error level holds for one "
        "reading at the horizon.",
    ),
    "method.group_sequential": (
        "The interval is valid at the planned looks, which share the error level by a spending function.",
    ),
    "method.bayesian": (
        "The interval holds the true effect with the stated probability, given the prior in the plan. It carries no error "
        "guarantee when it is read repeatedly.",
    ),
    "method.fieller": (
        "Lift is the effect divided by the size of the control's mean. Its interval is Fieller's, which takes the noise of "
        "the control into account and excludes zero exactly when the test of the effect does.",
    ),
    "method.corrections": (
        "Several comparisons share the error level of {alpha}: the family of {family} metrics {first}, the family of the other "
        "metrics {second}. Intervals are widened to match. Guardrails are not part of a family: all must pass, each at the "
        "full level.",
        "Several comparisons share the error level of {alpha}: the family of {family} metrics {first}, the family of the other "
        "metrics {second}. Intervals are widened to match. Guardrails stand outside: all must pass, each at the full level.",
    ),
    "method.guardrails": (
        "A guardrail passes only when harm beyond its margin is ruled out by the interval. “Not significant” is not taken "
        "as “safe”.",
    ),
    "method.cuped": (
        "Where the plan asks for it, CUPED takes out the part of the difference that behaviour before the experiment predicts. "
        "It narrows the interval and does not shift the expected effect.",
        "Where the plan asks for it, the part of the difference that behaviour before the experiment foretold is taken out "
        "(CUPED). It narrows the interval and does not shift the expected effect.",
    ),
    "method.caps": (
        "Extreme values were capped at thresholds taken over all variants together. The estimate is the mean of capped values; "
        "the raw result is next to it.",
        "Extreme values were capped at thresholds taken over all variants together; what is estimated is the mean of "
        "capped values. The raw result stands beside it.",
    ),
    "limits.time": (
        "The result holds for the units and the time of this experiment. Novelty, season and a different audience can "
        "change it.",
    ),
    "limits.seal": (
        "The seal is a commitment, not a lock: anyone with the raw data can compute results elsewhere, outside this record.",
        "The seal is a commitment, not a lock: whoever has the raw data can compute results elsewhere, outside of this record.",
    ),
    "limits.ledger": (
        "Any edit breaks the ledger's hash chain. Its owner could rebuild the whole chain, so keep a copy of this memo "
        "elsewhere.",
        "The ledger shows any change that does not rebuild it whole. Its owner could rebuild it; what stands against that "
        "is this memo and every other copy of the witness.",
    ),
    "limits.bayesian": ("Probabilities depend on the prior in the plan and are not protected against repeated reading.",),
    "limits.sequential": (
        "The sequential interval is asymptotic: it relies on some hundred units in every variant at the first look.",
    ),
    "limits.segments": ("Segments are shown to learn from, not to decide by: with many slices some differ by chance.",),
}
"""Wordings of each sentence, the one in use first."""


class PageMessage(str):
    """A sentence of the table with its id and values; plain text everywhere else.

    Attributes:
        id: In the table.
        values: What its places hold, as text.
    """

    __slots__ = ("id", "values")

    id: str
    values: Mapping[str, str]


def say(id_: str, **values: Any) -> PageMessage:
    """The sentence of an id, filled."""
    texts = {name: str(value) for name, value in values.items()}
    message = PageMessage(WORDING[id_][0].format(**texts))
    message.id, message.values = id_, texts
    return message
