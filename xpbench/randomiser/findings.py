"""One finding of preflight or audit, and what reports have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

FindingLevel = Literal["fail", "warn", "info"]


@dataclass(frozen=True, slots=True)
class RandomiserFinding:
    """Something that a report found.

    Attributes:
        name: What it is, one word with underscores.
        level: `fail` keeps from launching or trusting, `warn` needs a look, `info` is worth knowing.
        message: What was found, with its numbers.
        remedy: What to do.
        numbers: The evidence by name.
    """

    name: str
    level: FindingLevel
    message: str
    remedy: str = ""
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "name": self.name,
            "level": self.level,
            "message": self.message,
            "remedy": self.remedy,
            "numbers": jsonable(self.numbers),
        }

    def __str__(self) -> str:
        return f"[{self.level}] {self.name}: {self.message}" + (f" {self.remedy}" if self.remedy else "")


LEVELS: tuple[FindingLevel, ...] = ("fail", "warn", "info")


def by_level(findings: list[RandomiserFinding]) -> tuple[RandomiserFinding, ...]:
    """Findings with the gravest first, otherwise in the order found."""
    return tuple(sorted(findings, key=lambda f: LEVELS.index(f.level)))


def jsonable(value: Any) -> Any:
    """The value with numpy scalars as Python numbers and what is not finite as None."""
    if isinstance(value, Mapping):
        return {str(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [jsonable(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
