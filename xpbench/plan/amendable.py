"""What a change of each field of a plan can do to a result: the one table of classes.

==========  ====================================================================================================
frozen      decides which unit gets which variant: no amendment may touch it, a restart may
decisive    can turn a result: once effects were seen, a change stamps every readout and memo
neutral     can't favour anybody: it stays on record, and nothing is stamped
==========  ====================================================================================================

The first pattern that fits counts. What no pattern knows is decisive, so that a field of a later release is never neutral by
oversight. The verifier has its own copy of the neutral patterns; a test compares the two.
"""

from __future__ import annotations

import re
from typing import Literal

FieldClass = Literal["frozen", "decisive", "neutral"]

_ROLLOUT = r"/assignment/rollout/\[[^\]]*\]"

TABLE: tuple[tuple[str, FieldClass, str], ...] = (
    (r"/schema", "neutral", "how the file is written"),
    (r"/(title|owner|notes|template|links|people|audience)", "neutral", "words about the experiment"),
    (r"/variants/\[[^\]]*\]/(name|description|picture)", "neutral", "the label of a variant"),
    (r"/metrics/\[[^\]]*\]/(name|description|currency)", "neutral", "the label of a metric"),
    (r"/watch", "neutral", "what happens after the decision"),
    (r"/sign_offs", "neutral", "who approves"),
    (r"/ramp", "neutral", "how the share of the units grows; guardrails keep their margins and levels"),
    (r"/looks", "neutral", "how often programs may look; every look stays on record and in its cost"),
    (r"/planning", "neutral", "what the sample size was computed from; no result uses it"),
    (_ROLLOUT + r"/share", "neutral", "more units by the same hash (a ramp); a smaller share is refused"),
    (r"/(key|unit|assignment|variants)", "frozen", "which unit gets which variant"),
    (r"/hypothesis", "decisive", "the claim"),
    (r"/metrics", "decisive", "what is measured, its role, direction, margin, smallest lift, window, caps, covariates"),
    (r"/(model|correction|secondary_correction|family)", "decisive", "model, level, looks, correction"),
    (r"/decision", "decisive", "the rule"),
    (r"/horizon", "decisive", "when results are due"),
    (r"/pre_period_days", "decisive", "days of the covariates"),
    (r"/exposure", "decisive", "who counts, and from when to when"),
    (r"/health", "decisive", "levels of the gates"),
    (r"/data", "decisive", "what happens to rows that don't fit"),
    (r"/segments", "decisive", "which segments are declared"),
)
"""Pattern of a pointer (as `plan.diff` writes it), its class, and what the field decides."""

_COMPILED = tuple((re.compile(pattern + r"(?=/|\Z| \(order\)\Z)"), kind) for pattern, kind, _ in TABLE)


def class_of(pointer: str) -> FieldClass:
    """The class of the field that a pointer names."""
    return next((kind for pattern, kind in _COMPILED if pattern.match(pointer)), "decisive")
