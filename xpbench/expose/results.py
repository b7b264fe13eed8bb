"""What product code gets back: what became of one call, and counts that say whether exposures flow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

ExposureState = Literal["queued", "repeat", "switch", "outside", "unassigned", "held", "refused", "invalid"]


class Exposed(NamedTuple):
    """What became of one call.

    Attributes:
        state: `queued` written to the outbox; `repeat` was there already; `switch` was there with another variant, which is
            recorded; `outside` lies outside the plan's dates, recorded and not sent as an exposure; `unassigned` the unit
            takes no part; `held` only in memory, because the disk did not take it; `refused` the outbox is full; `invalid`
            the unit or a property can't be sent.
        experiment: Name of the experiment in the log.
        variant: What the unit saw, None if unassigned.
        reason: Why, for states other than `queued` and `repeat`.
    """

    state: ExposureState
    experiment: str
    variant: str | None
    reason: str = ""

    @property
    def is_acknowledged(self) -> bool:
        """True when the exposure is safe on disk: no end of the process loses it."""
        return self.state in ("queued", "repeat", "switch", "outside")


@dataclass(frozen=True, slots=True)
class TrackerStatus:
    """Counts that say whether exposures flow.

    Attributes:
        pending: Events that wait to be sent.
        held: Calls that wait in memory because the disk did not take them.
        refused: Calls refused because the outbox was full.
        dead: Events that Mixpanel refused.
        sent: Events that this process has delivered.
        last_problem: Why the last request failed, empty when it worked.
        incidents: Count by kind.
        notes: About the file, and about a region that is not the one configured.
        host: Where events go; empty where a consumer of the caller's takes them.
    """

    pending: int
    held: int
    refused: int
    dead: int
    sent: int
    last_problem: str
    incidents: dict[str, int]
    notes: tuple[str, ...]
    host: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The counts by name."""
        return asdict(self)
