"""The meanings as Python, as SQL and over Arrow buffers agree on random texts."""

from __future__ import annotations

import random

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from xpbench.data.tables.batches import ids
from xpbench.data.tables.row_hashes import hash_text
from xpbench.meaning.names import name_of, name_sql, trimmed_sql, whole_number
from xpbench.meaning.nothing import NOTHING
from xpbench.meaning.numbers import SIGNS, number_of_text, number_sql, rule_of_texts
from xpbench.meaning.times import number_time_sql, time_of_text, time_sql, zoned_sql

PIECES = [
    "0",
    "7",
    "00",
    "-",
    "+",
    ".",
    ",",
    "_",
    "e",
    "E5",
    "True",
    "false",
    "NA",
    "nan",
    "inf",
    " ",
    "\t",
    "\u00a0",
    "u",
    "Ä",
    "%",
    "$",
    "'",
]


def texts(seed: int, n: int = 4_000) -> list[str]:
    draw = random.Random(seed)
    words = [w for w in NOTHING if w] + [
        "7",
        "7.0",
        "007",
        "-0",
        "-0.0",
        "1e400",
        "9007199254740993",
        "12345678901234567890",
        "0.0",
    ]
    made = ["".join(draw.choices(PIECES, k=draw.randrange(1, 6))) for _ in range(n)]
    return [*words, *(w.upper() for w in words), *(f" {w} " for w in words), *made]


def in_engine(values: list[str], *expressions: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as run:
        run.execute("SET TimeZone = 'UTC'")
        run.register("given", pa.table({"i": range(len(values)), "x": values}))
        return run.execute(f"SELECT {', '.join(expressions)} FROM given ORDER BY i").fetchall()


def test_names_agree() -> None:
    values = texts(1)
    found = in_engine(values, name_sql("x"), name_sql("x", ("NA", "none")))
    assert [r[0] for r in found] == [name_of(v) for v in values]
    assert [r[1] for r in found] == [name_of(v, ("NA", "none")) for v in values]


def test_ids_of_arrow_are_those_of_their_names() -> None:
    values: list[str | None] = [*texts(2), None, "", "123456789012345678"]
    got = ids(pa.array(values, pa.string()))
    wanted = []
    for value in values:
        name = name_of(value)
        number = None if name is None else whole_number(name)
        wanted.append(None if name is None else number if number is not None else np.uint64(hash_text(name)).view(np.int64))
    missing = got.missing if got.missing is not None else np.zeros(len(values), bool)
    assert [None if m else int(k) for k, m in zip(got.keys, missing, strict=True)] == [
        None if w is None else int(w) for w in wanted
    ]


def test_numbers_agree() -> None:
    values = texts(3)
    found = in_engine(values, number_sql(trimmed_sql("x")))
    for value, (got,) in zip(values, found, strict=True):
        number = number_of_text(value)
        assert got == (None if number is None or number != number else number), value


@pytest.mark.parametrize("seed", range(8))
def test_rules_agree(seed: int) -> None:
    draw = random.Random(seed)
    sign = draw.choice([*SIGNS, "%"])
    columns = [
        ["0,5", "12,5", "NA"],
        ["1,234", "5.5", "7,000,000"],
        [f"{sign}5", f"{sign} 7.25", f"-{sign}3"],
        [f"5 {sign}", f"7,5{sign}", f"-3 {sign}"],
        ["yes", "No", ""],
        ["1 234,5", "7"],
        ["\u22125", "3"],
        ["1'234.5", "2"],
    ]
    column = columns[seed]
    rule = rule_of_texts(column)
    assert rule is not None
    there = [v for v in column if name_of(v) is not None]
    found = in_engine(there, rule.sql(trimmed_sql("x")))
    assert [r[0] for r in found] == [rule.of(v) for v in there]


@pytest.mark.parametrize(
    "column",
    [
        ["1,234", "5"],
        ["12.5", "12,5"],
        ["5", "x"],
        ["$5", "€5"],
        ["5%", "5"],
        ["yes", "1"],
        ["yes", "t"],
        ["1.250", "12,5"],
        [],
    ],
)
def test_columns_with_two_readings_have_no_rule(column: list[str]) -> None:
    assert rule_of_texts(column) is None


def test_times_agree() -> None:
    draw = random.Random(4)
    values = []
    for _ in range(2_000):
        by = draw.choice("-/- ")
        text = f"{draw.choice([2026, 1999, 26])}{by}{draw.randint(0, 13)}{by}{draw.randint(0, 32)}"
        if draw.random() < 0.5:
            text = f"2026-03-{draw.randint(1, 31):02}"
        if draw.random() < 0.8:
            text += (
                draw.choice(["T", " ", ", ", "  "])
                + f"{draw.randint(0, 25):{draw.choice(['', '02'])}}:{draw.randint(0, 60):02}"
            )
            text += draw.choice(["", f":{draw.randint(0, 60):02}", f":{draw.randint(0, 60):02}.{draw.randint(0, 99_999_999)}"])
            text += draw.choice(["", "", " AM", "pm"])
        values.append(text + draw.choice(["", "", "Z", " UTC", " +0530", "-08", "+02:00", " CET", "UTC+3"]))
    values += [str(draw.randint(0, 10 ** draw.randint(1, 21))) for _ in range(400)]
    values += [str(draw.randint(19_800_101, 20_991_231)) for _ in range(100)]
    values += [str(round(draw.random() * 10 ** draw.randint(1, 12), draw.randint(1, 7))) for _ in range(200)]
    found = in_engine(values, time_sql("x", number_time_sql("try_cast(x AS DECIMAL(30, 6))", "x")), zoned_sql("x"))
    wrong = []
    for value, (at, zoned) in zip(values, found, strict=True):
        wanted = time_of_text(value)
        if at != (None if wanted is None else wanted[0]) or (wanted is not None and zoned is not wanted[1]):
            wrong.append((value, at, zoned, wanted))
    assert wrong == []
