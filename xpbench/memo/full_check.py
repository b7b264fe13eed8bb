"""What the installed engine makes of a memo's moments: for designs that the second implementation leaves to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from xpbench.data.summary import Summary
from xpbench.decide.analysis import analyse, findings_of
from xpbench.decide.interaction import concurrent
from xpbench.decide.looks import Look
from xpbench.decide.novelty import trends
from xpbench.decide.recommend import recommend
from xpbench.health.check import Check
from xpbench.plan import Plan
from xpbench.plan.methods import FIRST


def rerun(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Rows, outcome and what this look found alone, computed again from plan, moments, looks and health of a memo's payload.

    Args:
        payload: Of a memo whose shape was checked.
    """
    readout = payload["readout"]
    plan = Plan(**readout["plan"]).under(int(readout.get("methods", FIRST)))
    summary = Summary.from_dict(readout["summary"])
    looks = [Look.from_dict(look) for look in readout["looks"]]
    is_last = bool(looks and looks[-1].last)
    rows = analyse(plan, summary, looks=looks[:-1], last=is_last)
    alone = analyse(plan, summary, looks=[replace(k, counts=False) for k in looks[:-1]], last=is_last)
    health = [Check.from_dict(c) for c in readout["health"]]
    found = recommend(plan, rows, health, is_adequate=readout["due"]["is_adequate"])
    return {
        "rows": [r.to_dict() for r in rows],
        "outcome": found.outcome,
        "findings": {m: {v: f.to_dict() for v, f in of.items()} for m, of in findings_of(plan, alone).items()},
        "novelty": [t.to_dict() for t in trends(plan, summary)],
        "interactions": [i.to_dict() for i in concurrent(plan, summary)],
    }
