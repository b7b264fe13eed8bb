"""Answers beside the truth."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import Any

from benchmarks.peers.worlds import DAYS, LIFTS, PEEKS

TASKS = Path(__file__).parent / "tasks"
LINES = {
    "readout with CUPED": "readout",
    "one lift": "lift",
    "daily looks": "first_significant_day",
    "guardrail": "guardrail_passes",
    "sample ratio": "srm_alarm",
    "sample size": "sample_size",
    "assignment": "assign",
}
"""What the table of lines calls each function of a script."""

ODD_COUNTS = {
    "a variant without units": {"control": 1000, "beta": 0, "share": 0.5},
    "planned 90 : 10, came 50 : 50": {"control": 500, "beta": 500, "share": 0.1},
}
"""Counts at which a check of the sample ratio must speak up."""


def binomial_band(rate: float, n: int, z: float = 2.576) -> float:
    """Half the width of the band in which 99 % of simulated shares fall."""
    return z * math.sqrt(rate * (1 - rate) / n)


def lines_of_code(script: str) -> dict[str, int]:
    """Lines of each task with the helpers and constants it uses: no imports, comments, docstrings or blank lines."""
    tree = ast.parse((TASKS / script).read_text("utf-8"))
    named: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            named[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named[node.targets[0].id] = node

    def used(name: str, done: set[str]) -> set[str]:
        if name in done:
            return done
        done.add(name)
        for inner in ast.walk(named[name]):
            if isinstance(inner, ast.Name) and inner.id in named:
                used(inner.id, done)
        return done

    def lines(node: ast.stmt) -> int:
        taken = {n.lineno for n in ast.walk(node) if hasattr(n, "lineno")}
        taken |= {n.end_lineno for n in ast.walk(node) if getattr(n, "end_lineno", None)}
        return len(taken)

    return {what: sum(lines(named[n]) for n in used(name, set())) for what, name in LINES.items() if name in named}


def coverage(kind: str, answers: list[Any]) -> dict[str, Any]:
    """Share of intervals that hold the true lift; an unbounded side holds everything on its side."""
    truth, held, unbounded, widths = LIFTS[kind], 0, 0, []
    for _, low, high in answers:
        low, high = (-math.inf if _missing(low) else low), (math.inf if _missing(high) else high)
        held += low <= truth <= high
        unbounded += math.isinf(low) or math.isinf(high)
        if not (math.isinf(low) or math.isinf(high)):
            widths.append(high - low)
    rate = held / len(answers)
    return {
        "world": kind,
        "runs": len(answers),
        "coverage": rate,
        "in_band": abs(rate - 0.95) <= binomial_band(0.95, len(answers)),
        "unbounded": unbounded / len(answers),
        "median_width": sorted(widths)[len(widths) // 2] if widths else None,
    }


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def peeking(kind: str, answers: list[int | None]) -> dict[str, Any]:
    """Share of experiments called significant on any of 28 days, and the median day among all."""
    called = sum(day is not None for day in answers)
    days = sorted(DAYS + 1 if day is None else day for day in answers)
    middle = days[len(days) // 2]
    rate = called / len(answers)
    out = {"world": kind, "runs": len(answers), "called": rate, "median_day": middle if middle <= DAYS else None}
    if PEEKS[kind] == 0.0:
        out["holds_alpha"] = rate <= 0.05 + binomial_band(0.05, len(answers))
    return out


def guardrail(kind: str, answers: list[bool]) -> dict[str, Any]:
    """Share of experiments that may ship."""
    return {"world": kind, "runs": len(answers), "passes": sum(answers) / len(answers)}


def sample_ratio(kind: str, answers: list[int | None]) -> dict[str, Any]:
    """Share of experiments with an alarm on any day, and the median day of it."""
    found = peeking_days(answers)
    return {"world": kind, "runs": len(answers), **found}


def peeking_days(answers: list[int | None]) -> dict[str, Any]:
    """Share with a day, and the median day among those."""
    days = sorted(d for d in answers if d is not None)
    return {"alarmed": len(days) / len(answers), "median_day": days[len(days) // 2] if days else None}


JUDGES = {"coverage": coverage, "peeking": peeking, "guardrail": guardrail, "srm": sample_ratio}
