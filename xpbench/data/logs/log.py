"""What the pipeline asks of a log, whatever engine holds it: its schema, the properties a plan needs, its normal form.

In the normal form a log has one row per event and these columns: `u` (unit, text or whole number, null = none), `event`
(text), `t` (microseconds since 1970 in UTC, null = unreadable), `iid` (insert id, "" = none), `arr` (arrival in
microseconds, null = unknown), `p0`, `p1`, … (properties as text) and `x0`, `x1`, … (properties as numbers, null = none or
unreadable). Times are whole numbers so that windows are plain arithmetic on every engine. Where one exposure event may name
several experiments, `Log.itemized` gives a row for each, with `item`: experiment and variant with `MARK` between.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import narwhals.stable.v2 as nw

from xpbench.errors import DataError, nearest, plain
from xpbench.plan import Plan
from xpbench.plan.metrics import EventMetric, Filter, Funnel, Mean, Quantile, Sum

if TYPE_CHECKING:
    import pyarrow as pa

SECOND = 1_000_000
"""Microseconds."""

DAY = 86_400 * SECOND

LATE = DAY
"""An event that arrives more than a day after it happened is late."""

QA_PROPERTY = "$is_qa_tester"

SENT_AS = "$distinct_id_before_identity"
"""Id that an event was sent under, before its identity was merged."""

MERGED = "$distinct_ids"
"""Ids of one person, in a `$merge` event."""

MONEY_DIGITS = 4
"""Amounts with up to so many decimals are summed as whole numbers, exactly."""


MARK = "\x1f"
"""Separates the names of experiment and variant in an item: no name of either holds it."""

Items = Literal["", "list", "dictionary"]
"""How an exposure event names several experiments: not at all, in a list property, or as a property for each."""


def microseconds(days: float) -> int:
    """Days as whole microseconds."""
    return round(days * DAY)


@dataclass(frozen=True, slots=True)
class EventSchema:
    """Where the parts of an event are in a log; the default is Mixpanel's raw export.

    Attributes:
        event: Name of the event.
        time: When it happened: whole or broken seconds, milliseconds or microseconds since 1970, or a timestamp.
        unit: The unit's id; None = the plan's `unit`.
        insert_id: Id of the event, for leaving out repeats; None = the log has none.
        arrived: When the event was received; None = not known.
        properties: Column (or JSON key) that holds the other properties; None = they are columns themselves. A property
            that is a column of its own is found there first.
        time_unit: What whole numbers in `time` count; `auto` tells by their size.
    """

    event: str = "event"
    time: str = "time"
    unit: str | None = None
    insert_id: str | None = "$insert_id"
    arrived: str | None = "mp_processing_time_ms"
    properties: str | None = "properties"
    time_unit: Literal["auto", "s", "ms", "us", "ns"] = "auto"

    @classmethod
    def mixpanel_pipeline(cls) -> EventSchema:
        """Mixpanel's own warehouse export: a column `event_name`, `insert_id` and properties as JSON."""
        return cls(event="event_name", insert_id="insert_id", arrived=None)

    @classmethod
    def segment(cls) -> EventSchema:
        """Segment's and RudderStack's track calls: `timestamp`, `userId` and `messageId` next to `properties`."""
        return cls(time="timestamp", unit="userId", insert_id="messageId", arrived="receivedAt")

    @classmethod
    def amplitude(cls) -> EventSchema:
        """Amplitude's raw export: `event_type`, `event_time` in UTC, `user_id`, and `event_properties`."""
        return cls(
            event="event_type",
            time="event_time",
            unit="user_id",
            insert_id="$insert_id",
            arrived="server_received_time",
            properties="event_properties",
        )

    @classmethod
    def ga4(cls) -> EventSchema:
        """Google Analytics 4 in BigQuery: `event_params` is a list of key and value, `event_timestamp` is in microseconds."""
        return cls(
            event="event_name",
            time="event_timestamp",
            unit="user_pseudo_id",
            insert_id=None,
            arrived=None,
            properties="event_params",
        )

    @classmethod
    def posthog(cls) -> EventSchema:
        """PostHog's events: `timestamp`, `distinct_id` and `uuid` next to `properties`."""
        return cls(time="timestamp", insert_id="uuid", arrived="created_at")

    @classmethod
    def opentelemetry(cls) -> EventSchema:
        """Log records of OpenTelemetry, one a line, with attributes as an object (`xpbench.data.logs.otlp.flatten`)."""
        return cls(
            event="eventName",
            time="timeUnixNano",
            unit="feature_flag.context.id",
            insert_id=None,
            arrived=None,
            properties="attributes",
            time_unit="ns",
        )


PRESETS = ("segment", "amplitude", "ga4", "posthog", "mixpanel_pipeline")
"""Schemas by name, in the order in which a log is compared with them."""


def column_hint(name: str, known: Collection[str]) -> str:
    """What to do about a column of an event that is not there: a preset that fits the log, or the nearest name.

    Args:
        name: Of the missing column.
        known: Those that the log has.
    """
    for preset in PRESETS:
        schema = getattr(EventSchema, preset)()
        if {schema.event, schema.time, schema.unit or "distinct_id", schema.insert_id or schema.event} <= set(known):
            return f"The log fits schema=xp.EventSchema.{preset}(): pass it to xp.events"
    return nearest(name, known)


def stored_as(name: str, schema: EventSchema) -> str:
    """Column of a property that is called like a column that a log has anyway: its event, or its properties."""
    taken = {schema.event.lower(), "properties", (schema.properties or "").lower()}
    return f"property {name}" if name.lower() in taken else name


def known_schema(schema: Any) -> None:
    """Check a schema as it is given by people.

    Raises:
        DataError: `XPB-D46`, it is no schema, or counts time in none of the units.
    """
    if not isinstance(schema, EventSchema):
        hint = 'Write xp.EventSchema(event="name of the column", time=…)'
        rule = "It is an xp.EventSchema, which says where event, unit and time are"
        raise DataError("XPB-D46", argument=plain("schema"), value=type(schema).__name__, rule=plain(rule), hint=plain(hint))
    units = ("auto", "s", "ms", "us", "ns")
    if schema.time_unit not in units:
        rule, hint = "It is one of " + ", ".join(units), nearest(str(schema.time_unit), units)
        raise DataError("XPB-D46", argument=plain("time_unit"), value=schema.time_unit, rule=plain(rule), hint=plain(hint))


@dataclass(slots=True)
class LogProperties:
    """Short names of the properties that a plan needs, as text and as numbers, and whether events are itemized."""

    texts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    items: Items = ""

    def text(self, name: str) -> str:
        """Column of a property as text."""
        return self.texts.setdefault(name, f"p{len(self.texts)}")

    def number(self, name: str) -> str:
        """Column of a property as a number; its text is kept to tell what could not be read."""
        self.text(name)
        return self.numbers.setdefault(name, f"x{len(self.numbers)}")


def properties_of(plan: Plan) -> LogProperties:
    """The properties that a plan needs."""
    out = LogProperties()
    exposure = plan.exposure
    if exposure.format == "separate":
        out.text(exposure.experiment_property)
        out.text(exposure.variant_property)
    elif exposure.format == "dictionary":
        out.text(plan.experiment_name)
    else:
        out.text(exposure.list_property)
        out.items = "list"
    out.text(QA_PROPERTY)
    for name in identity_properties(plan.unit):
        out.text(name)
    if plan.exposure.identities == "merge":
        out.text(MERGED)
    for segment in plan.segments:
        out.text(segment)
    for metric in plan.metrics:
        for condition in conditions_of(metric):
            out.text(condition.property)
            values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
            if any(isinstance(v, (int, float)) and not isinstance(v, bool) for v in values):
                out.number(condition.property)
        if isinstance(metric, (Sum, Mean, Quantile)):
            out.number(metric.property)
    return out


def texts_of(plan: Plan) -> frozenset[str]:
    """Texts that the plan names, which are values whatever they say: its experiment, its variants, what it filters by."""
    out = {plan.experiment_name, *plan.assigned_keys}
    for metric in plan.metrics:
        for condition in conditions_of(metric):
            values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
            out |= {v for v in values if isinstance(v, str)}
    return frozenset(out)


def identity_properties(unit: str) -> tuple[str, ...]:
    """Properties that link a unit of this kind to further ids; none where a unit is not a person or device."""
    if unit == "$device_id":
        return ("$user_id",)
    if unit in ("distinct_id", "$distinct_id", "$user_id"):  # of Mixpanel and of PostHog
        names = ("$device_id", "$user_id", "$anon_id", "$identified_id", SENT_AS, "alias", "$anon_distinct_id")
        return tuple(name for name in names if name != unit)
    if unit in ("userId", "user_id"):  # of Segment, RudderStack and Amplitude
        return ("$device_id", "$anon_id", SENT_AS, "anonymousId", "anonymous_id", "device_id", "previousId")
    return ()


def conditions_of(metric: Any) -> list[Filter]:
    """Every filter of a metric, those of funnel steps included."""
    found = list(metric.where) if isinstance(metric, EventMetric) else []
    if isinstance(metric, Funnel):
        found += [f for step in metric.steps for f in step.where]
    return found


class Log(Protocol):
    """A log in an engine, in normal form."""

    engine: str
    kind: str
    missing_properties: frozenset[str]
    has_insert_ids: bool
    passes_are_dear: bool
    """A question costs a pass over the log, or a job, of its own; so several are asked at once."""

    def frame(self, between: tuple[int, int] | None = None) -> nw.LazyFrame[Any]:
        """The events; those alone that happened from a time on and before another, where these are given."""
        ...

    def ends(self) -> tuple[int, int] | None:
        """Earliest and latest time, or None.

        Told only where they are known without reading, no event lacks time or unit, and none tells when it arrived.
        """
        ...

    def counted(self, now: int) -> list[dict[str, Any]] | None:
        """The events by name, as `survey.by_name` counts them, where the engine counts them with the fingerprint; else None.

        Args:
            now: The time now, in microseconds since 1970; that of the counts may be a little earlier.
        """
        ...

    def itemized(self, frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """A row for every item of the events of a frame (see `Properties.items`), in column `item`; those without have none."""
        ...

    def keep(self, frame: nw.LazyFrame[Any], name: str, near: str = "") -> nw.LazyFrame[Any]:
        """Compute a frame once; what is returned is cheap to read several times.

        Args:
            frame: What to compute.
            name: What it is called where an engine gives names.
            near: Column by which the frame will be grouped and joined; a distributed engine puts its rows together.
        """
        ...

    def numbered(self, kept: nw.LazyFrame[Any]) -> nw.LazyFrame[Any] | None:
        """A kept frame with a number for every row, in column `no`; None where the engine gives no lasting numbers."""
        ...

    def brought(self, table: pa.Table, name: str) -> nw.LazyFrame[Any]:
        """A table of this process in the engine that holds the log.

        Args:
            table: Of text.
            name: What it is called where an engine gives names.
        """
        ...

    def release(self, name: str) -> None:
        """What was kept under a name is not read any more."""
        ...

    def keyed(self, frame: nw.LazyFrame[Any], columns: Sequence[str]) -> nw.LazyFrame[Any]:
        """A frame with a column `key`: one value, or its hash, for all of these columns; null where there is no insert id."""
        ...

    def write(self, units: nw.LazyFrame[Any], path: Path) -> None:
        """Write a unit table, without ids, to a Parquet file on this machine."""
        ...

    def fingerprint(self) -> str:
        """SHA-256 over the content."""
        ...

    def content(self) -> Mapping[str, str]:
        """Digest of the events and of each property that was read, whatever else was: see `Summary.content`."""
        ...

    def sample(self, units: nw.LazyFrame[Any]) -> str:
        """Of units (u, variant): see `Summary.sample`; "" where the engine takes none.

        Args:
            units: One row for each unit and variant.
        """
        ...

    def findings(self) -> list[Any]:
        """What was counted when the log was opened."""
        ...


def exposures_from(
    log: Log, plan: Plan, properties: LogProperties, more: Mapping[str, nw.Expr] | None = None
) -> nw.LazyFrame[Any]:
    """Exposure events of the plan's experiment: u, v (variant as written), t, iid, qa and segments; list format parsed.

    In list format an event counts once for every item that begins with `<experiment><separator>`; the rest of the item is
    the variant, whatever it holds.
    """
    exposure = plan.exposure
    own = log.frame().filter(nw.col("event") == exposure.event)
    if exposure.format == "separate":
        own = own.filter(nw.col(properties.texts[exposure.experiment_property]) == plan.experiment_name)
        variant = nw.col(properties.texts[exposure.variant_property])
    elif exposure.format == "dictionary":
        variant = nw.col(properties.texts[plan.experiment_name])
        own = own.filter(~variant.is_null())
    else:
        begin = (plan.experiment_name + exposure.list_separator).replace(exposure.list_separator, MARK, 1)
        own = log.itemized(own)
        own = own.filter(nw.col("item").str.starts_with(begin))
        variant = nw.col("item").str.slice(len(begin))
    segments: Mapping[str, nw.Expr] = {f"s{i}": nw.col(properties.texts[name]) for i, name in enumerate(plan.segments)}
    return own.select(
        "u",
        "t",
        "iid",
        v=variant,
        qa=nw.col(properties.texts[QA_PROPERTY]).is_in(("true", "1")).fill_null(False),
        **segments,
        **(more or {}),
    )


def happened(frame: nw.LazyFrame[Any], between: tuple[int, int] | None) -> nw.LazyFrame[Any]:
    """The events of a stretch of time; all where there is none."""
    if between is None:
        return frame
    return frame.filter(nw.col("t") >= between[0], nw.col("t") < between[1])
