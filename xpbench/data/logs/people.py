"""One person, several ids: events of all of them belong to one unit, where the plan says so (`exposure.identities: merge`).

Which ids are one person's stands in a table of identities (Mixpanel's has `distinct_id` and `resolved_distinct_id`) or, without
one, in the log itself: `$device_id` next to `$user_id`, `$identify`, `$create_alias` and `$merge` events, the id that an event
was sent under before its identity was merged, and what Segment, Amplitude and PostHog have for these. An id that leads to two
persons, such as a device that two people share, is nobody's and is not merged: it is counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import narwhals.stable.v2 as nw

from xpbench.canonical import digest
from xpbench.data.logs.log import MERGED, Log, LogProperties, identity_properties
from xpbench.data.moments import rows_of
from xpbench.data.summary import Finding
from xpbench.errors import DataError, nearest, plain
from xpbench.meaning.names import name_of
from xpbench.plan import Plan

if TYPE_CHECKING:
    import pyarrow as pa

PREFIX = "$device:"
STEPS = 3
"""An alias of an alias of an alias is still the person; longer chains are not followed."""

_IDS = ("distinct_id", "$distinct_id", "original_distinct_id", "alias", "anonymous_id", "device_id")
_PERSONS = ("resolved_distinct_id", "canonical_distinct_id", "user_id", "$user_id")

c = nw.col


def bare(key: nw.Expr) -> nw.Expr:
    """An id without the prefix that marks a device."""
    return nw.when(key.str.starts_with(PREFIX)).then(key.str.slice(len(PREFIX))).otherwise(key)


class Identities:
    """A table of identities: for each id of a person the one that stands for all of them.

    Attributes:
        pairs: Person by id.
        shared: Ids that lead to several persons.
    """

    def __init__(self, table: Any) -> None:
        """Read it.

        Raises:
            DataError: `XPB-D05`, it has no two columns that are known; as `xp.units` where it can't be read.
        """
        found = _arrow(table)
        first, second = _columns(list(found.column_names))
        met: dict[str, set[str]] = {}
        for own, person in zip(found[first].to_pylist(), found[second].to_pylist(), strict=True):
            names = [_without_prefix(name_of(value)) for value in (own, person)]
            if names[0] and names[1]:
                met.setdefault(names[0], set()).add(names[1])
        self.pairs: Mapping[str, str] = {own: next(iter(people)) for own, people in met.items() if len(people) == 1}
        self.shared = len(met) - len(self.pairs)

    def fingerprint(self) -> str:
        """SHA-256 over the pairs, whatever their order."""
        return digest({"identities": sorted(map(list, self.pairs.items())), "shared": self.shared})

    def table(self) -> pa.Table:
        """The pairs: a, p."""
        import pyarrow as pa

        return pa.table({"a": pa.array(self.pairs, pa.string()), "p": pa.array(self.pairs.values(), pa.string())})


def _without_prefix(name: str | None) -> str:
    return (name or "").removeprefix(PREFIX)


def _arrow(table: Any) -> pa.Table:
    from xpbench.data.logs.opening import is_spark, is_warehouse
    from xpbench.data.tables.pooled import arrow_table
    from xpbench.data.tables.variant_values import columns_of

    if is_spark(table):
        return table.select(*_columns(list(table.columns))).toArrow()
    if is_warehouse(table):
        return table.select(*_columns(list(table.columns))).to_pyarrow()
    return arrow_table(table, _columns(columns_of(table)))


def _columns(names: list[str]) -> tuple[str, str]:
    """The columns of ids and of persons.

    Raises:
        DataError: `XPB-D05`.
    """
    person = next((n for n in _PERSONS if n in names), None)
    own = next((n for n in _IDS if n in names and n != person), None)
    if person is not None and own is not None:
        return own, person
    if len(names) == 2:
        return names[0], names[1]
    missing = "resolved_distinct_id" if person is None else "distinct_id"
    hint = f"{nearest(missing, names)} Or give two columns alone: the id, and the one that stands for the person"
    raise DataError("XPB-D05", column=missing, role=plain("the identities"), hint=plain(hint))


class MergedLog:
    """A log whose units are persons; everything else is the log's own."""

    def __init__(self, log: Log, people: nw.LazyFrame[Any]) -> None:
        self._log = log
        self._people = people

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def frame(self, between: tuple[int, int] | None = None) -> nw.LazyFrame[Any]:
        """The events in normal form, with the person as the unit."""
        events = self._log.frame(between)
        names = events.collect_schema().names()
        events = events.with_columns(u=bare(c("u").cast(nw.String)))
        joined = events.join(self._people, left_on="u", right_on="a", how="left")
        person = nw.when(c("p").is_null()).then(c("u")).otherwise(c("p"))
        return joined.with_columns(u=person).select(*names)


def merged(
    log: Log, plan: Plan, properties: LogProperties, identities: Identities | None
) -> tuple[Log, nw.LazyFrame[Any], int]:
    """The log with persons as units, who has several ids (a: id, p: person), and how many ids lead to several persons.

    Args:
        log: As it is stored.
        plan: Whose units are meant.
        properties: Where the ids stand in the log's normal form.
        identities: The table of identities; None: the log itself says who is who.
    """
    if identities is None:
        pairs, shared = _links(log, plan, properties)
    else:
        pairs, shared = log.brought(identities.table(), "identities"), identities.shared
    known = pairs.filter(c("a") != c("p")).select("a", "p")
    people = known
    for _ in range(STEPS):
        people = people.join(known.select(b=c("a"), q=c("p")), left_on="p", right_on="b", how="left")
        circle = nw.when(c("a") < c("p")).then(c("a")).otherwise(c("p"))  # two ids that lead to each other: the first of them
        onwards = nw.when(c("q") == c("a")).then(circle).otherwise(c("q"))
        people = people.select("a", p=nw.when(c("q").is_null()).then(c("p")).otherwise(onwards))
    people = log.keep(people.filter(c("a") != c("p")), "people", near="a")
    return cast(Log, MergedLog(log, people)), people, shared


def _links(log: Log, plan: Plan, properties: LogProperties) -> tuple[nw.LazyFrame[Any], int]:
    """For each id the person that events of the log tie it to, and how many ids are tied to several."""
    events = log.frame().filter(~c("u").is_null()).with_columns(u=bare(c("u").cast(nw.String)))
    there = [n for n in identity_properties(plan.unit) if n in properties.texts and n not in log.missing_properties]
    column = {n: bare(c(properties.texts[n])) for n in there}
    found: list[nw.LazyFrame[Any]] = []
    person = column.get("$user_id")
    if person is not None:
        named = events.filter(~person.is_null(), person != "")
        found.append(named.select(a=c("u"), p=person))
        if "$device_id" in column:
            found.append(named.select(a=column["$device_id"], p=person))
    identified = column.get("$identified_id")
    for name in there:
        if name in ("$user_id", "$device_id", "$identified_id"):
            continue
        whose = events.filter(c("event") == "$create_alias") if name == "alias" else events
        target = c("u")
        if name == "$anon_id" and identified is not None:
            target = nw.when(identified.is_null() | (identified == "")).then(c("u")).otherwise(identified)
        found.append(whose.filter(~column[name].is_null(), column[name] != "").select(a=column[name], p=target))
    if "$device_id" in column and person is None:  # a user's own id is all that there is
        found.append(events.select(a=column["$device_id"], p=c("u")).filter(~c("a").is_null(), c("a") != "", c("a") != c("p")))
    if MERGED in properties.texts and MERGED not in log.missing_properties:
        lists = c(properties.texts[MERGED])
        merges = events.filter(c("event") == "$merge", ~lists.is_null()).select(k=lists)
        rows = rows_of(merges.group_by("k").agg(n=nw.len()))
        found.append(log.brought(_of_lists(str(r["k"]) for r in rows), "merges"))
    if not found:
        return log.brought(_of_lists(()), "nobody"), 0
    pairs = nw.concat([x.filter(~c("a").is_null(), c("a") != c("p")).group_by("a", "p").agg(n=nw.len()) for x in found])
    people = log.keep(pairs.group_by("a").agg(low=c("p").min(), high=c("p").max()), "links", near="a")
    shared = int(rows_of(people.filter(c("low") != c("high")).select(n=nw.len()))[0]["n"])
    return people.filter(c("low") == c("high")).select("a", p=c("low")), shared


def _of_lists(lists: Iterable[str]) -> pa.Table:
    """Pairs of ids from lists of JSON that each hold the ids of one person: the first in order stands for all."""
    import pyarrow as pa

    pairs: list[tuple[str, str]] = []
    for text in lists:
        try:
            ids = sorted({n for v in json.loads(text) if (n := _without_prefix(name_of(v)))})
        except (ValueError, TypeError):
            continue
        pairs += [(own, ids[0]) for own in ids[1:]]
    return pa.table({"a": pa.array([a for a, _ in pairs], pa.string()), "p": pa.array([p for _, p in pairs], pa.string())})


def merged_ids(log: Log, people: nw.LazyFrame[Any], units: nw.LazyFrame[Any], plan: Plan, shared: int) -> Finding:
    """How many exposed units have several ids, whose events are counted as one person's.

    Args:
        log: Where frames are computed.
        people: Ids and persons: a, p.
        units: Exposed units: u, variant.
        plan: Its variants.
        shared: Ids that lead to several persons.
    """
    several = people.group_by("p").agg(ids=nw.len())
    hit = units.select("variant", p=c("u").cast(nw.String)).join(several.select("p"), on="p", how="semi")
    by = {r["variant"]: int(r["n"]) for r in rows_of(hit.group_by("variant").agg(n=nw.len()))}
    total = int(rows_of(units.select(n=nw.len()))[0]["n"])
    detail = f"{shared:,} ids lead to several persons and are not merged." if shared else ""
    ordered = {v.key: by[v.key] for v in plan.variants if v.key in by}
    return Finding("merged_ids", sum(by.values()), total, "merged", by_variant=ordered, detail=detail)
