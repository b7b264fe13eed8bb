"""What a process of its own does to a registry: a module that imports little, because each process imports it."""

from __future__ import annotations

from typing import Any

import xpbench as xp
from xpbench.errors import XpbenchError


def register_at_once(number: int, plan: xp.Plan, root: str, barrier: Any, answers: Any) -> None:
    """Register when all others do, and say whether it was done."""
    barrier.wait(60)
    try:
        xp.register(plan, root, by=str(number))
        answers.put((number, "registered"))
    except XpbenchError as error:
        answers.put((number, error.code))
