# ruff: noqa: S608 - the SQL holds our own text and quoted names; values are parameters
"""Which id to randomise by, measured in a log of the past: who would meet both variants, what of an effect is lost, and n."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.data import ingest
from xpbench.data.engines.embedded import DuckDB, from_parquet, quote
from xpbench.data.logs.log import SENT_AS
from xpbench.data.logs.opening import kind_of, located
from xpbench.data.logs.properties_seen import properties_of
from xpbench.data.tables.pooled import arrow_table
from xpbench.data.tables.variant_values import columns_of
from xpbench.errors import InputError, nearest, number_of, plain
from xpbench.interrupts import temporary_folder
from xpbench.outward import html as escape
from xpbench.shows import Shows

PEOPLE = ("$user_id", "user_id", "userid", "customer_id", "member_id")
DEVICES = ("$device_id", "device_id", "deviceid", "anonymous_id", "client_id", "visitor_id")
GROUPS = re.compile(r"compan|account|organi[sz]ation|org_id|team|household|workspace|tenant|store_id|school", re.IGNORECASE)
MOST_CONTAMINATION = 0.01
"""Share of people who meet both variants above which the contamination check fails by default."""
MOST_GROUPS = 4


@dataclass(frozen=True, slots=True)
class UnitCandidate:
    """One id that could be randomised by.

    Attributes:
        unit: Name of the id.
        n: Different units, with those that stand in where the id is not known yet.
        contamination: Share of people expected to meet more than one variant.
        dilution: Share of an effect that is expected to be lost, because people also meet variants under further ids.
        design_effect: How many times the variance grows because people of one unit are alike; 1 where a unit is a person.
        n_effective: People, after dilution and design effect: what the numbers of people are worth.
        ids_per_person: Mean.
        people_per_unit: Mean.
        fallback: Share of events that lack the id, for which another stands in.
    """

    unit: str
    n: int
    contamination: float
    dilution: float
    design_effect: float
    n_effective: float
    ids_per_person: float
    people_per_unit: float
    fallback: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    @property
    def sentence(self) -> str:
        """The same for people."""
        said = (
            f"{self.unit}: {number_of(self.n, 'unit')}; {self.contamination:.1%} of people would meet several variants, and "
            f"{self.dilution:.1%} of an effect would be lost"
        )
        if self.design_effect > 1.005:
            said += f"; people of one unit are alike, which makes the variance {self.design_effect:.2f} times as large"
        return f"{said}. Worth {self.n_effective:,.0f} people."


@dataclass(frozen=True, slots=True)
class UnitChoice(Shows):
    """The candidates, measured, and which to take.

    Attributes:
        candidates: One per id, in the order of the recommendation.
        people: Different people, identified or not.
        anonymous: Share of people without an identity at their first event.
        several_devices: Share of people on more than one device.
        shared_devices: Share of devices with more than one person.
        groups: By group key: share of groups with several people.
        at: Event at which a variant is met; None: any event.
    """

    rows_of_frame = "candidates"

    candidates: tuple[UnitCandidate, ...]
    people: int
    anonymous: float
    several_devices: float
    shared_devices: float
    groups: Mapping[str, float]
    at: str | None

    @property
    def recommended(self) -> UnitCandidate:
        """The id to take."""
        return self.candidates[0]

    @property
    def sentence(self) -> str:
        """The recommendation with its trade."""
        best, *others = self.candidates
        said = f"Randomise by {best.unit}: {best.contamination:.1%} of people would meet several variants"
        if others:
            more = max(others, key=lambda c: c.n_effective)
            if more.n_effective > best.n_effective * 1.02:
                lost = 1 - best.n_effective / more.n_effective
                said += (
                    f". The price: {lost:.0%} less than {more.unit} would be worth, "
                    f"which mixes variants for {more.contamination:.1%} of people"
                )
            elif any(c.contamination > best.contamination + 0.001 for c in others):
                worst = max(others, key=lambda c: c.contamination)
                said += f", against {worst.contamination:.1%} by {worst.unit}"
        if best.contamination > MOST_CONTAMINATION:
            said += (
                f". That is above {MOST_CONTAMINATION:.0%}: no id at hand keeps people apart; show the change after log-in only"
            )
        return said + "."

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "recommended": self.recommended.unit,
            "sentence": self.sentence,
            "candidates": [c.to_dict() for c in self.candidates],
            "people": self.people,
            "anonymous": self.anonymous,
            "several_devices": self.several_devices,
            "shared_devices": self.shared_devices,
            "groups": dict(self.groups),
            "at": self.at,
        }

    @property
    def measured(self) -> tuple[str, ...]:
        """What was counted, in sentences."""
        out = [f"{number_of(self.people, 'person', 'people')}: {self.anonymous:.1%} not identified at the first event."]
        out.append(
            f"{self.several_devices:.1%} of people use several devices; {self.shared_devices:.1%} of devices change the person."
        )
        out += [f"{share:.1%} of {name} have several people." for name, share in self.groups.items()]
        return tuple(out)

    def __repr__(self) -> str:
        return "\n".join([self.sentence, *(f"  {m}" for m in self.measured), *(f"  {c.sentence}" for c in self.candidates)])

    def _repr_html_(self) -> str:
        head = ("Unit", "n", "Meet several variants", "Effect lost", "Variance", "Worth people")
        style = "text-align:end;padding:2px 10px"
        rows = "".join(
            f"<tr><th scope=row style='text-align:start' dir=auto>{escape(c.unit)}</th>"
            + "".join(
                f"<td style='{style}'>{v}</td>"
                for v in (
                    f"{c.n:,}", f"{c.contamination:.1%}", f"{c.dilution:.1%}", f"× {c.design_effect:.2f}",
                    f"{c.n_effective:,.0f}",
                )
            )
            + "</tr>"
            for c in self.candidates
        )  # fmt: skip
        names = "".join(f"<th scope=col style='{style}'>{h}</th>" for h in head)
        said = "".join(f"<p>{escape(t)}</p>" for t in (self.sentence, *self.measured))
        return (
            f"<section class='xp-static' aria-label='Which unit'>{said}<table><thead><tr>{names}</tr></thead>"
            f"<tbody>{rows}</tbody></table></section>"
        )


def choose_unit(
    source: Any,
    *,
    at: str | None = None,
    person: str | None = None,
    device: str | None = None,
    groups: Sequence[str] | None = None,
    event: str | None = None,
    split: Sequence[float] = (0.5, 0.5),
) -> UnitChoice:
    """Which id to randomise by, from a log of the past.

    A *person* is an identity; events before log-in belong to the person that the device next logs in as, else to the one
    before, else to the device. A *unit* meets a variant by its id at the time of the event; where the id is not there yet, the
    device's (or the log's own) stands in, as a flag does it.

    - Contamination: a person with k ids meets several variants with chance 1 − Σ share^k; the mean over people.
    - Dilution: only what happens under the id of the first event keeps its variant; under further ids both variants are equally
      likely in both groups, so the share of events under these is what an effect loses.
    - Design effect of units with several people: 1 + (Σm² / Σm − 1) · icc, with the intraclass correlation, by analysis
      of variance, of whether people did `event`, or of how much they did.

    Args:
        source: As for `xp.events`: JSON Lines, Parquet, CSV or a frame, with the ids as properties or columns.
        at: Event at which a variant is met; left out, any event.
        person: Property with the identity; left out, `$user_id`, `user_id` and the like.
        device: Property with the device; left out, `$device_id`, `device_id` and the like.
        groups: Group keys; left out, what is called company, account, team and the like.
        event: Event whose rate is to be changed, for the design effect.
        split: Planned shares.

    Raises:
        InputError: `XPB-I04`, a property is not in the log, or no id but one is there.
        DataError: the log can't be read.

    Source: Donner, Klar 2000, "Design and Analysis of Cluster Randomization Trials", §§ 1.4 and 5.2 for unequal sizes.
    """
    data = located(source)
    known = _names(data)
    for what, name in (("person", person), ("device", device), *(("group", g) for g in groups or ())):
        if name is not None and name not in known:
            raise _refused(what, name, "It is a property of the events", nearest(name, known))
    person = person or next((p for p in PEOPLE if p in known), None)
    device = device or next((d for d in DEVICES if d in known), None)
    keys = list(groups) if groups is not None else [n for n in known if GROUPS.search(n)][:MOST_GROUPS]
    own = "distinct_id" if "distinct_id" in known else None
    if person is None:
        person, own = own, own
    if person is None:
        raise _refused(
            "person",
            plain("missing"),
            "The log has the identity of people",
            f"Name it with person=…. {nearest('user_id', known)}",
        )
    names = list(dict.fromkeys(n for n in (person, device, own, SENT_AS if SENT_AS in known else None, *keys) if n))
    with temporary_folder() as folder, DuckDB().connect() as engine:
        _load(engine, data, names, str(folder))
        return _measured(engine, names, person, device, own, keys, at=at, event=event, split=split)


def _names(data: Any) -> list[str]:
    found = [p.name for p in properties_of(data)]
    columns = [] if isinstance(data, list) and kind_of(data[0]) == "jsonl" else columns_of(data)
    return list(dict.fromkeys([*columns, *found, "distinct_id"] if _has_distinct(data, columns) else [*columns, *found]))


def _has_distinct(data: Any, columns: Sequence[str]) -> bool:
    return "distinct_id" in columns or (isinstance(data, list) and kind_of(data[0]) == "jsonl") or "properties" in columns


def _load(engine: Any, data: Any, names: Sequence[str], folder: str) -> None:
    """A table `log` with event, time in order, and the ids as text, null where there is none."""
    if isinstance(data, list) and kind_of(data[0]) == "jsonl":
        ingest(data, out=Path(folder) / "log", properties=list(names))
        data = sorted(str(p) for p in (Path(folder) / "log").glob("*.parquet"))
    columns = columns_of(data)
    if isinstance(data, list) and kind_of(data[0]) == "parquet":
        given = from_parquet(data)
    else:
        engine.register("given", arrow_table(data, columns))
        given = "given"
    ids = ", ".join(f"{_id(n, columns)} AS {quote(n)}" for n in names)
    time = quote("time") if "time" in columns else f"({quote('properties')}->>'$.time')"
    at = f"coalesce(TRY_CAST({time} AS DOUBLE), epoch(TRY_CAST({time} AS TIMESTAMP)))"
    engine.execute(f"CREATE TABLE log AS SELECT {quote('event')}::VARCHAR AS e, {at} AS t_, {ids} FROM {given}")


def _id(name: str, columns: Sequence[str]) -> str:
    if name in columns:
        found = f"{quote(name)}::VARCHAR"
    elif "properties" in columns:
        path = name.replace("'", "''").replace('"', '\\"')
        found = f"(properties::JSON ->> '$.\"{path}\"')"
    else:
        found = "NULL"
    return f"nullif(nullif(trim({found}), ''), 'null')"


def _measured(
    engine: Any, names: Sequence[str], person: str, device: str | None, own: str | None, keys: Sequence[str], *,
    at: str | None, event: str | None, split: Sequence[float],
) -> UnitChoice:  # fmt: skip
    sent = f"coalesce({quote(SENT_AS)}, {quote(own)})" if own and SENT_AS in names else quote(own) if own else "NULL"
    stand_in = f"coalesce({quote(device)}, {sent})" if device else sent
    place = f"PARTITION BY {stand_in} ORDER BY t_"
    anyone = quote(person)
    engine.execute(
        f"CREATE TABLE met AS SELECT *, {anyone} IS NOT NULL AS identified, {stand_in} AS device_, coalesce({anyone}, "
        f"first_value({anyone} IGNORE NULLS) OVER ({place} ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING), "
        f"last_value({anyone} IGNORE NULLS) OVER ({place} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), "
        f"'device ' || {stand_in}) AS person_ FROM log"
    )
    engine.execute("DELETE FROM met WHERE person_ IS NULL")
    if at is not None:
        seen = [r[0] for r in engine.execute("SELECT DISTINCT e FROM met").fetchall()]
        if at not in seen:
            raise _refused("at", at, "It is an event of the log", nearest(at, [s for s in seen if s]))
    where = "" if at is None else "WHERE e = $at"
    told = {} if at is None else {"at": at}
    people = _one(engine, "SELECT count(DISTINCT person_) FROM met")
    if not people:
        raise _refused("source", plain("without ids"), "Events carry the id of somebody", "Name it with person=…")
    first = "SELECT person_, arg_min(identified, t_) AS known FROM met GROUP BY 1"
    anonymous = _one(engine, f"SELECT avg((NOT known)::INT) FROM ({first})")
    several = _one(engine, "SELECT avg((k > 1)::INT) FROM (SELECT count(DISTINCT device_) AS k FROM met GROUP BY person_)")
    by_device = "SELECT count(DISTINCT person_) AS k FROM met WHERE device_ IS NOT NULL GROUP BY device_"
    shared = _one(engine, f"SELECT coalesce(avg((k > 1)::INT), 0) FROM ({by_device})")
    ids = {person: f"coalesce({anyone}, {stand_in})"}
    if device:
        ids[device] = stand_in
    if own and own not in ids:
        ids[own] = f"coalesce({sent}, {stand_in})"
    ids |= {k: f"coalesce({quote(k)}, {anyone}, {stand_in})" for k in keys}
    found = [
        _candidate(engine, name, key, name, people=people, where=where, told=told, event=event, split=split)
        for name, key in ids.items()
    ]
    ordered = sorted(found, key=_rank)
    of_groups = {
        k: _one(
            engine,
            f"SELECT coalesce(avg((n > 1)::INT), 0) FROM (SELECT count(DISTINCT person_) AS n FROM met "
            f"WHERE {quote(k)} IS NOT NULL GROUP BY {quote(k)})",
        )
        for k in keys
    }
    return UnitChoice(tuple(ordered), int(people), anonymous, several, shared, of_groups, at)


def _rank(candidate: UnitCandidate) -> tuple[bool, float]:
    """Of the ids that keep people together the one worth most; else the one that mixes fewest."""
    mixed = candidate.contamination > MOST_CONTAMINATION
    return mixed, candidate.contamination if mixed else -candidate.n_effective


def _candidate(
    engine: Any, name: str, key: str, column: str, *, people: float, where: str, told: Mapping[str, Any], event: str | None,
    split: Sequence[float],
) -> UnitCandidate:  # fmt: skip
    met = f"SELECT person_, {key} AS id, t_ FROM met {where}"
    per = (
        f"SELECT person_, count(DISTINCT id) AS k, count(*) AS events, count(*) FILTER (id = first_) AS kept "
        f"FROM (SELECT *, first_value(id) OVER (PARTITION BY person_ ORDER BY t_) AS first_ FROM ({met}) WHERE id IS NOT NULL) "
        f"GROUP BY person_"
    )
    chance = " - ".join(["1", *(f"pow({float(s)!r}, k)" for s in split)])
    contamination, dilution, per_person = engine.execute(
        f"SELECT avg({chance}), avg(1 - kept / events), avg(k) FROM ({per})",
        told,
    ).fetchone()
    n = _one(engine, f"SELECT count(DISTINCT id) FROM ({met})", told)
    done = "max((e = $event)::INT)" if event is not None else "count(*)"
    all_met = f"SELECT person_, e, {key} AS id FROM met"
    rows = f"SELECT id, {done}::DOUBLE AS y FROM ({all_met}) WHERE id IS NOT NULL GROUP BY person_, id"
    effect, size = _design_effect(engine, rows, {"event": event} if event is not None else {})
    gone = _one(engine, f"SELECT avg(({quote(column)} IS NULL)::INT) FROM met")
    worth = float(people) * (1.0 - float(dilution or 0.0)) ** 2 / effect
    return UnitCandidate(
        name, int(n), float(contamination or 0.0), float(dilution or 0.0), effect, worth, float(per_person or 1.0), size, gone
    )


def _design_effect(engine: Any, rows: str, told: Mapping[str, Any]) -> tuple[float, float]:
    """Design effect by the sizes of units and their intraclass correlation, and the mean size."""
    m, k, m2, between, within = engine.execute(
        f"WITH r AS ({rows}) SELECT sum(n), count(*), sum(n * n), sum(n * (mean - (SELECT avg(y) FROM r)) ^ 2), sum(ss) FROM "
        "(SELECT count(*) AS n, avg(y) AS mean, coalesce(var_pop(y), 0) * count(*) AS ss FROM r GROUP BY id)",
        told,
    ).fetchone()
    if not m or m <= k or k < 2:
        return 1.0, float(m or 1) / float(k or 1)
    mean_between, mean_within = between / (k - 1), within / (m - k)
    typical = (m - m2 / m) / (k - 1)
    spread = mean_between + (typical - 1.0) * mean_within
    icc = max(0.0, min(1.0, (mean_between - mean_within) / spread)) if spread > 0 else 0.0
    return 1.0 + max(0.0, m2 / m - 1.0) * icc, float(m) / float(k)


def _one(engine: Any, sql: str, told: Mapping[str, Any] | None = None) -> Any:
    found = engine.execute(sql, told or {}).fetchone()[0]
    return 0.0 if found is None else found


def _refused(name: str, value: object, rule: str, remedy: str) -> InputError:
    return InputError("XPB-I04", name=plain(name), value=value, rule=plain(rule), remedy=plain(remedy))
