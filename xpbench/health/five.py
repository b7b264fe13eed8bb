"""The five checks that matter most, and one line for the rest: what a reader sees before asking for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FIVE = (("srm_anytime", "srm"), ("assignment_audit",), ("plan_first",), ("pre_experiment_bias",), ("contamination",))
"""What page one names: the split, the assignment, the plan's date, alike before, nobody in two variants."""
MOST = 3
"""Further checks that warn or fail and are named."""
WORDS = {"not answerable": "not run"}
"""A status as people read it, where files keep another word."""
_RANK = ("fail", "warn", "not answerable", "pass")
NOTHING = "Nothing to do."


def five(checks: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], int, str]:
    """Loud checks and the five that matter, how many loud ones are left out, and one line for the rest.

    Args:
        checks: Of a readout, as dictionaries.
    """
    by_name = {c["name"]: c for c in checks}
    picked = []
    for group in FIVE:
        found = [by_name[name] for name in group if name in by_name]
        if found:
            picked.append(min(found, key=lambda c: _RANK.index(c["status"])))
    named = {name for group in FIVE for name in group}
    loud = [c for c in checks if c["name"] not in named and c["status"] in ("fail", "warn")]
    rest = [c for c in checks if c["name"] not in named and c not in loud]
    passed = sum(c["status"] == "pass" for c in rest)
    silent = sum(c["status"] == "not answerable" for c in rest)
    parts = [f"{passed} more pass"] if passed else []
    parts += [f"{silent} not run: each says how to make it run"] if silent else []
    return [*loud[:MOST], *picked], max(len(loud) - MOST, 0), "; ".join(parts)


def short(check: Mapping[str, Any]) -> str:
    """What a loud check found, how to make one run that did not, and nothing of one that passed."""
    if check["status"] == "pass":
        return ""
    told = check["next_step"] if check["status"] == "not answerable" and check["next_step"] != NOTHING else check["meaning"]
    return str(told).split(". ")[0].rstrip(".") + "."
