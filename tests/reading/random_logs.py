"""Random values of a log's columns, and random logs of persons with several ids, for engines to agree on."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.reading.world import START

Row = tuple[str, str, str, str, str]
"""Event, time, unit, insert id, amount."""

COLUMNS = ("event", "time", "distinct_id", "$insert_id", "amount")

_CLOCKS = (
    "%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d, %H:%M",
    "%Y-%m-%d %I:%M %p", "%Y-%m-%d %I:%M:%S%p", "%Y%m%d", "%Y%m%d%H%M%S", "%d.%m.%Y", "%b %d, %Y", "%H:%M",
)  # fmt: skip
_ZONES = (
    "",
    "",
    "",
    "Z",
    " Z",
    "z",
    "+00:00",
    "+05:30",
    "-0800",
    " +01",
    "UTC",
    " GMT",
    "UTC+2",
    "GMT-03:00",
    " CET",
    "+18:30",
)
_AROUND = ("", "", "", "", " ", "\t", "\u00a0", "\u200b", "\n", "\ufeff")
_SIGNS = "0123456789-+:/., TZzeE_%$\u00a0aApPmM\u00e9'\"\\"
_WORDS = ("NA", "null", "None", "n/a", "", "true", "False", "control", "beta", "inf", "-Infinity", "nan", "\\N", "yes")


def _time(draw: random.Random) -> str:
    if draw.random() < 0.35:
        number = START + draw.randrange(-40 * 86_400, 40 * 86_400)
        scale = draw.choice([1, 1, 10**3, 10**6, 10**9])
        text = str(number * scale + draw.randrange(scale))
        return text + draw.choice(["", "", "", ".5", ".123456", ".0000005", "e0", "."])
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=draw.randrange(-(10**14), 10**14))
    return at.strftime(draw.choice(_CLOCKS)) + draw.choice(_ZONES)


def _value(draw: random.Random) -> str:
    if draw.random() < 0.2:
        return draw.choice(_WORDS)
    whole = draw.choice([draw.randrange(10), draw.randrange(10**6), draw.randrange(10**18), draw.randrange(10**25)])
    text = draw.choice(["", "", "-", "+"]) + draw.choice(["", "", "", "0", "00"]) + str(whole)
    return text + draw.choice(["", "", "", ".0", ".00", ".5", ".", "e3", "E-7", "e+30", "e310", ",5", " %", "_1"])


def _changed(text: str, draw: random.Random) -> str:
    """The text with one sign more, less or other, now and then, and with blanks around it."""
    if text and draw.random() < 0.25:
        at = draw.randrange(len(text))
        text = text[:at] + draw.choice(["", draw.choice(_SIGNS)]) + text[at + draw.randrange(2) :]
    return draw.choice(_AROUND) + text + draw.choice(_AROUND)


def random_cells(seed: int, count: int) -> list[Row]:
    """Rows with a random time, unit and amount; the insert id is the row's number."""
    draw = random.Random(seed)
    return [
        ("Quote", _changed(_time(draw), draw), _changed(_value(draw), draw), f"r{i}", _changed(_value(draw), draw))
        for i in range(count)
    ]


def random_people(seed: int) -> list[dict[str, Any]]:
    """A log in the shape of `world.events`: persons who are exposed and convert under one of their ids, tied in some way."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []

    def happens(event: str, who: str, at: int, **more: Any) -> None:
        rows.append({"event": event, "at": at, "who": who, "id": f"i{len(rows)}", "more": more})

    ties: dict[str, Callable[[str, str, int], None]] = {
        "user": lambda a, u, at: happens("Login", a, at, **{"$user_id": u}),
        "device": lambda a, u, at: happens("Login", u, at, **{"$user_id": u, "$device_id": a}),
        "identify": lambda a, u, at: happens("$identify", a, at, **{"$anon_id": a, "$identified_id": u}),
        "alias": lambda a, u, at: happens("$create_alias", a, at, alias=u),
        "merge": lambda a, u, at: happens("$merge", "x", at, **{"$distinct_ids": f'["{a}", "{u}"]'}),
        "nothing": lambda a, u, at: None,
    }
    persons = draw.randrange(20, 60)
    for i in range(persons):
        device = draw.choice(["", "$device:"]) + f"d{i}"
        user = f"u{i if draw.random() < 0.95 else draw.randrange(persons)}"
        at = START + 60 * i
        exposed = draw.choice([device, device, user])
        happens(
            "$experiment_started", exposed, at, **{"Experiment name": "homepage", "Variant name": ["control", "beta"][i % 2]}
        )
        ties[draw.choice(list(ties))](device, user, at + 30)
        for k in range(draw.randrange(4)):
            happens("Quote", draw.choice([device, user, exposed]), at + 3600 * (k + 1))
    happens("Ping", "u0", START + 40 * 86_400)
    return rows
