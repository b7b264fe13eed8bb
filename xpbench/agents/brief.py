"""A decided result in sentences, for one audience; the one place that the memo tool asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xpbench.decide.readout import line_of

if TYPE_CHECKING:
    from xpbench.decide.readout import Readout


def sentences(experiment: Any, readout: Readout, audience: str) -> list[str]:
    """What was decided, what the rule said, and each comparison, from the numbers that were frozen.

    Args:
        experiment: The decided experiment.
        readout: The readout that the decision rests on.
        audience: `director`, `team`, `cv` or `chat`; the first and the last get the primary metrics alone.
    """
    short = audience in ("director", "chat")
    rows = [r for r in readout.rows if r.role == "primary" or not short]
    return [experiment.status().sentence, readout.recommendation.sentence, *(line_of(row) for row in rows)]
