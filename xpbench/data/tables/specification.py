"""What a caller says of a table with one row per unit: a plain value below the passes over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xpbench.data.engines.embedded import DuckDB


@dataclass(frozen=True, slots=True)
class TableSpecification:
    """A table with one row per unit and its columns; `xpbench.data.tables.units.units` describes each field."""

    table: Any = field(repr=False)
    unit: str | None
    variant: str
    day: str | None
    variants: Mapping[str, str] = field(repr=False)
    engine: DuckDB = field(repr=False)
