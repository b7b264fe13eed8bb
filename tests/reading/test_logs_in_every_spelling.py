"""What stands in a log means the same in every form of it: ids, variants, slices, filters, amounts, insert ids."""

from __future__ import annotations

import csv
import enum
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import xpbench as xp
from tests.reading.world import QUOTES, SPENT, START, found, plan, refusal
from xpbench.data.summary import Summary

FORMS = ["jsonl", "top", "csv", "text", "json", "polars", "pandas"]
OWN = ["event", "time", "distinct_id", "$insert_id"]
METRICS = [
    QUOTES,
    {**QUOTES, "key": "amount", "kind": "sum", "property": "amount", "role": "secondary"},
    {**QUOTES, "key": "paid", "where": [{"property": "paid", "op": "==", "value": True}], "role": "secondary"},
    {**QUOTES, "key": "pro", "where": [{"property": "plan", "op": "==", "value": "pro"}], "role": "secondary"},
    {**QUOTES, "key": "many", "where": [{"property": "n", "op": ">=", "value": 2}], "role": "secondary"},
]
Row = dict[str, Any]


def world(n: int = 20) -> list[Row]:
    rows: list[Row] = []

    def happens(name: str, who: int, at: int, **more: Any) -> None:
        rows.append({"event": name, "time": at, "distinct_id": who, "$insert_id": f"{name}-{who}-{at}", **more})

    for i in range(n):
        who, at = 1000 + i, START + 60 * i
        more = {
            "Experiment name": "homepage",
            "Variant name": ["control", "beta"][i % 2],
            "platform": "ios" if i % 3 else "web",
        }
        happens("$experiment_started", who, at, **more)
        for k in range(1 + i % 2 + (i % 5 == 0)):
            more = {"amount": 10 + i % 7 + k, "paid": k == 0, "plan": "pro" if i % 4 == 0 else "free", "n": k + 1}
            happens("Quote", who, at + 3600 * (k + 1), **more)
    happens("Ping", 1000, START + 40 * 86_400)
    return rows


def written(rows: list[Row], form: str, folder: Path) -> Any:
    """The events in one form; numbers and truth values as text where the form knows only that."""
    names = list(dict.fromkeys(k for row in rows for k in row))
    inner = [{k: v for k, v in row.items() if k not in OWN} for row in rows]
    if form in ("jsonl", "top"):
        path = folder / f"{form}.jsonl"
        lines = [
            {"event": row["event"], "properties": {k: v for k, v in row.items() if k != "event"}}
            if form == "jsonl"
            else {**{k: row[k] for k in OWN}, "properties": more}
            for row, more in zip(rows, inner, strict=True)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(path)
    if form == "csv":
        with (folder / "log.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(names)
            writer.writerows([["" if row.get(k) is None else str(row[k]) for k in names] for row in rows])
        return str(folder / "log.csv")
    if form == "pandas":
        return pd.DataFrame([{k: row.get(k) for k in names} for row in rows], dtype=object)
    text = {k: [None if (v := r.get(k)) is None else v if isinstance(v, str) else json.dumps(v) for r in rows] for k in names}
    if form == "polars":
        return pl.DataFrame(text)
    columns = {k: pa.array(v, pa.string()) for k, v in text.items()}
    if form == "json":
        columns = {k: columns[k] for k in OWN} | {"properties": pa.array([json.dumps(more) for more in inner])}
    pq.write_table(pa.table(columns), folder / f"{form}.parquet")
    return str(folder / f"{form}.parquet")


def told(summary: Summary) -> dict[str, Any]:
    """What must be the same whatever the form."""
    cells = {
        (m["key"], v): None if (c := summary.cell(m["key"], v)) is None else (c.n, c.mean, c.cov)
        for m in METRICS
        for v in ("control", "beta")
    }
    other = ("short_history", "identity_changes", "small_slices", "mixed_ids", "mixed_types")
    odd = {k: n for k, n in found(summary).items() if k not in other}
    return {"cells": cells, "units": dict(summary.units), "segments": summary.segments, "odd": odd}


def read(rows: list[Row], form: str, folder: Path) -> dict[str, Any]:
    return told(xp.events(written(rows, form, folder)).summarize(plan(METRICS, segments=["platform"])))


def changed(**how: Callable[[Any], Any]) -> list[Row]:
    rows = world()
    for i, row in enumerate(rows):
        for name, change in how.items():
            key = {"unit": "distinct_id", "insert": "$insert_id", "variant": "Variant name"}.get(name, name)
            if key in row and (row["event"] == "Quote" or key in ("Variant name", "platform")) and i % 3 == 0:
                row[key] = change(row[key])
    return rows


@pytest.mark.parametrize("form", FORMS)
def test_another_writing_is_the_same_value(tmp_path: Path, form: str) -> None:
    rows = changed(
        unit=lambda v: f"{v}.0",
        variant=lambda v: f" {v}\n",
        platform=lambda v: f"{v} ",
        plan=lambda v: f"\t{v}",
        paid=lambda v: f" {str(v).upper()} ",
        n=lambda v: f"{v}.0",
        amount=lambda v: f" {v}.00 ",
    )
    assert read(rows, form, tmp_path) == read(world(), "jsonl", tmp_path)


@pytest.mark.parametrize(
    ("form", "word"),
    [
        pytest.param(form, word, marks=[] if form == "csv" or number % 3 == place else [pytest.mark.full])
        for number, form in enumerate(FORMS)
        for place, word in enumerate(["", "NA", "null"])
    ],
)
def test_a_word_for_nothing_is_nothing(tmp_path: Path, form: str, word: str) -> None:
    got = read(changed(**dict.fromkeys(("variant", "platform", "amount", "plan", "insert"), lambda v: word)), form, tmp_path)
    wanted = read(
        changed(**dict.fromkeys(("variant", "platform", "amount", "plan", "insert"), lambda v: None)), "top", tmp_path
    )
    assert got == wanted
    assert got["odd"]["missing_variant"] > 0
    assert "unknown_variant" not in got["odd"]


@pytest.mark.parametrize("form", ["text", "json", "jsonl"])
def test_a_unit_that_is_called_nothing_is_none(tmp_path: Path, form: str) -> None:
    rows = world()
    for row in rows:
        row["distinct_id"] = "null" if row["distinct_id"] == 1003 else f"u{row['distinct_id']} "
    got = read(rows, form, tmp_path)
    assert got["units"] == {"control": 10, "beta": 9}


@pytest.mark.parametrize("form", ["jsonl", "csv", "pandas"])
@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("n", lambda v: f"{v},0", "decimal point"),
        ("n", lambda v: f"level {v}", "never holds a number"),
        ("paid", int, "'1', '0'"),
        ("paid", lambda v: "yes" if v else "no", "'yes', 'no'"),
        ("plan", str.upper, "'PRO'"),
        ("amount", lambda v: f"${v}", "currency"),
        ("amount", lambda v: f"{v},50", "decimal point"),
    ],
)
def test_what_fits_no_comparison_is_refused(
    tmp_path: Path, form: str, name: str, change: Callable[[Any], Any], words: str
) -> None:
    rows = world()
    for row in rows:
        if name in row:
            row[name] = change(row[name])
    assert words in refusal(lambda: read(rows, form, tmp_path))


def test_some_words_among_numbers_are_told(tmp_path: Path) -> None:
    rows = world()
    for row in rows:
        if row.get("n") == 3:
            row["n"] = "many"
    got = xp.events(written(rows, "jsonl", tmp_path)).summarize(plan(METRICS))
    assert found(got)["not_a_number"] == 2
    assert "'many' (2)" in next(f.detail for f in got.findings if f.name == "not_a_number")


def test_an_underscore_is_no_part_of_a_number(tmp_path: Path) -> None:
    rows = changed(amount=lambda v: "1_0")
    assert "'1_0'" in refusal(lambda: read(rows, "jsonl", tmp_path))


def test_truth_is_one_and_nought(tmp_path: Path) -> None:
    rows = world()
    for row in rows:
        if "amount" in row:
            row["amount"] = row["amount"] > 12
    assert read(rows, "jsonl", tmp_path)["cells"] == read(rows, "csv", tmp_path)["cells"]


def test_an_event_in_other_letters_is_told(tmp_path: Path) -> None:
    rows = world()
    for i, row in enumerate(rows):
        if row["event"] == "Quote" and i % 2:
            row["event"] = "quote "
    summary = xp.events(written(rows, "jsonl", tmp_path)).summarize(plan())
    assert "'quote '" in next(f.detail for f in summary.findings if f.name == "alike_events")


@pytest.mark.parametrize("preset", ["segment", "amplitude", "ga4", "posthog", "mixpanel_pipeline"])
@pytest.mark.parametrize("form", ["jsonl", "frame"])
def test_a_preset_is_proposed_by_name(tmp_path: Path, preset: str, form: str) -> None:
    schema: Any = getattr(xp.EventSchema, preset)()
    names = [schema.event, schema.time, schema.unit or "distinct_id", schema.insert_id]
    row = {name: "2026-01-01" for name in names if name} | {schema.properties: {"a": 1}}
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(row) + "\n")
    source = str(path) if form == "jsonl" else pd.DataFrame([row])
    assert f"EventSchema.{preset}()" in refusal(lambda: xp.events(source).summarize(plan()))


@pytest.mark.parametrize("value", ["fields", "texts", "plain"])
@pytest.mark.parametrize("form", ["jsonl", "json text"])
def test_event_params_of_ga4(tmp_path: Path, value: str, form: str) -> None:
    def item(key: str, v: Any) -> Row:
        if value == "plain":
            return {"key": key, "value": v}
        number = isinstance(v, int) and not isinstance(v, bool)
        text = None if number else v if isinstance(v, str) else json.dumps(v)
        return {
            "key": key,
            "value": {"string_value": text, "int_value": (str(v) if value == "texts" else v) if number else None},
        }

    rows = [
        {
            "event_name": row["event"],
            "event_timestamp": row["time"] * 1_000_000,
            "user_pseudo_id": f"{row['distinct_id']}",
            "event_params": [item(k, v) for k, v in row.items() if k not in OWN],
        }
        for row in world()
    ]
    path = tmp_path / "ga4.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = (
        str(path) if form == "jsonl" else pd.DataFrame([{**r, "event_params": json.dumps(r["event_params"])} for r in rows])
    )
    summary = xp.events(source, schema=xp.EventSchema.ga4()).summarize(
        plan(METRICS, unit="user_pseudo_id", segments=["platform"])
    )
    assert told(summary)["cells"] == read(world(), "jsonl", tmp_path)["cells"]


def test_a_property_at_the_top_of_some_lines(tmp_path: Path) -> None:
    rows = world()
    path = tmp_path / "log.jsonl"
    with path.open("w") as file:
        for i, row in enumerate(rows):
            top = {k: row[k] for k in OWN}
            inner = {k: v for k, v in row.items() if k not in OWN}
            if i % 2 and "platform" in inner:
                top["platform"] = inner.pop("platform")
            file.write(json.dumps({**top, "properties": inner}) + "\n")
    got = told(xp.events(str(path)).summarize(plan(METRICS, segments=["platform"])))
    assert got == read(rows, "jsonl", tmp_path)


# -- frames and tables -----------------------------------------------------------------------------------------------------


class Arm(enum.Enum):
    CONTROL = "control"
    BETA = "beta"


def table(**columns: Any) -> pd.DataFrame:
    n = 40
    usual = {
        "user": range(1000, 1000 + n),
        "variant": ["control", "beta"] * (n // 2),
        "spent": [float(10 + i % 7 + i % 2) for i in range(n)],
        "day": pd.to_datetime(["2026-01-01", "2026-01-02"] * (n // 2)),
        "seg": ["ios", "web"] * (n // 2),
    }
    return pd.DataFrame({**usual, **columns})


ARROW = pa.Table.from_pandas(table(), preserve_index=False)


def put(name: str, values: Any) -> pa.Table:
    return ARROW.set_column(ARROW.column_names.index(name), name, values)


ODD = {
    "enum": table(variant=pd.Series([Arm.CONTROL, Arm.BETA] * 20, dtype=object)),
    "wide ids": table(user=pd.Series([2**70 + i for i in range(40)], dtype=object)),
    "period": table(day=pd.Series(pd.to_datetime(["2026-01-01", "2026-01-02"] * 20)).dt.to_period("D")),
    "interval": table(seg=pd.cut(pd.Series(range(40)), [-1, 19, 40])),
    "int128": pl.from_pandas(table()).with_columns(pl.col("user").cast(pl.Int128)),
    "decimal256": put("spent", pa.array([Decimal(str(v)) for v in table()["spent"]], pa.decimal256(50, 6))),
    "half": put("spent", pa.array(table()["spent"].to_numpy().astype("float16"))),
    "run lengths": put(
        "variant",
        pa.RunEndEncodedArray.from_arrays(pa.array(range(1, 41), pa.int32()), pa.array(table()["variant"].tolist())),
    ),
    "bytes": put("variant", pa.array([v.encode() for v in table()["variant"]], pa.binary())),
    "nanoseconds": put("day", pa.array([v.value for v in table()["day"]], pa.int64())),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_columns_are_read_at_every_door(name: str) -> None:
    made = plan([SPENT], unit="user", segments=["seg"])
    wanted = xp.units(table(), unit="user", day="day").summarize(made)
    got = xp.units(ODD[name], unit="user", day="day").summarize(made)
    assert [(c.n, c.mean) for c in got.cells if not c.dimension] == [(c.n, c.mean) for c in wanted.cells if not c.dimension]
    assert got.exposures_by_day == wanted.exposures_by_day
    seen = xp.explore(ODD[name], ["spent"], unit="user", root=None)
    assert sum(seen.summary.units.values()) == 40
    assert xp.plan_from(ODD[name], unit="user", variant="variant").unit == "user"


@pytest.mark.parametrize("other", ["Control", "con trol", "con\u200btrol"])
def test_two_spellings_of_a_variant_are_no_two_variants(other: str) -> None:
    frame = table(variant=["control", "beta", other, "beta"] * 10)
    assert "2 ways" in refusal(lambda: xp.explore(frame, ["spent"], unit="user", root=None))


def test_ids_that_a_spreadsheet_rounded_are_refused(tmp_path: Path) -> None:
    rows = world()
    for row in rows:
        row["distinct_id"] = f"1.2345{row['distinct_id'] % 7}E+11"
    assert "rounded" in refusal(lambda: read(rows, "csv", tmp_path))
    path = tmp_path / "t.csv"
    path.write_text("user,variant,spent\n" + "".join(f"{1 + i / 1000}E+11,{['control', 'beta'][i % 2]},1\n" for i in range(9)))
    assert "rounded" in refusal(lambda: xp.units(str(path), unit="user").summarize(plan([SPENT], unit="user")))


def test_variants_that_the_plan_does_not_have_are_listed(tmp_path: Path) -> None:
    rows = world()
    for row in rows:
        if "Variant name" in row:
            row["Variant name"] = {"control": 0, "beta": 1}[row["Variant name"]]
    assert "'0' (10 exposures)" in refusal(lambda: read(rows, "jsonl", tmp_path))


def test_a_sign_that_nobody_sees_around_a_variant_is_not_part_of_it() -> None:
    frame = table(variant=["control", "beta", "\u200bcontrol", "beta"] * 10)
    found = xp.explore(frame, ["spent"], unit="user", control="control", root=None)
    assert dict(found.summary.units) == {"control": 20, "beta": 20}
