"""What a caller says of a log: a plain value, so that engines, opening and reading need not know the source."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from xpbench.data.cache import Cache
from xpbench.data.engines.embedded import DuckDB
from xpbench.data.logs.log import EventSchema
from xpbench.ledger.clock import Clock
from xpbench.plan import Plan


@dataclass(frozen=True, slots=True)
class LogSpecification:
    """A log of raw events and how to read it; `xpbench.data.logs.events.events` describes each field.

    Attributes:
        stated: Options that the caller gave although they are the usual ones; what an earlier look said does not replace them.
    """

    log: Any = field(repr=False)
    schema: EventSchema = field(repr=False)
    time_zone: str
    duplicates: Literal["drop", "keep"]
    absent_events: Literal["refuse", "zero"]
    until: datetime | None
    slices: frozenset[str] = field(repr=False)
    engine: DuckDB = field(repr=False)
    cache: Cache | None = field(repr=False)
    clock: Clock = field(repr=False)
    stated: frozenset[str] = field(default=frozenset(), repr=False)
    identities: Any = field(default=None, repr=False)

    def dimensions(self, plan: Plan) -> dict[str, str]:
        """Return the column of the unit table for each dimension that gets moments of its own."""
        segments = {s: f"s{i}" for i, s in enumerate(plan.segments)} if "segment" in self.slices else {}
        return segments | ({"$day": "day"} if "day" in self.slices else {})
