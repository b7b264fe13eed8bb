"""Several ids of one person: counted, and merged where the plan says so, by a table of identities or by the log itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pytest

import xpbench as xp
from tests.postgres import postgres
from tests.reading.test_logs_from_life import device_then_user
from tests.reading.test_one_moment import LINKS
from tests.reading.world import START, TRUTH, events, found, lines, means, plan, refusal
from xpbench.health import inputs_of, run_checks

__all__ = ["postgres"]

MERGE: dict[str, Any] = {"identities": "merge"}


def merging(**more: Any) -> xp.Plan:
    return plan(exposure={**MERGE, **more})


def check(summary: Any, made: xp.Plan, name: str = "identity_changes") -> Any:
    return next(c for c in run_checks(inputs_of(made, summary, None, previous=None, now=None)) if c.name == name)


@pytest.mark.parametrize("part", [1.0, 0.5, 0.0])
def test_a_device_that_becomes_a_user_is_one_person(tmp_path: Path, part: float) -> None:
    rows = device_then_user(part)
    for row in rows:
        if row["who"].startswith("user"):
            row["more"]["$user_id"] = row["who"]
    log = str(lines(tmp_path / "log.jsonl", rows))
    s = xp.events(log).summarize(merging())
    assert (s.n, means(s)) == (100, TRUTH)
    told = {f.name: f.count for f in s.findings}
    assert told["merged_ids"] == round(100 * part)
    assert told["identity_changes"] == 0
    assert check(s, merging()).status == "pass"
    before = xp.events(log).summarize(plan())
    assert (means(before) == TRUTH) is (part == 0.0)
    assert "merged_ids" not in {f.name for f in before.findings}


@pytest.mark.parametrize("name", [*LINKS, "$merge"])
def test_links_of_the_log_are_followed(tmp_path: Path, name: str) -> None:
    rows = events(40)
    for row in rows:
        row["who"] = "a" + row["who"][1:] if row["event"] == "$experiment_started" else row["who"]
    for i in range(40):
        event, who, more = ("$merge", "x", {"$distinct_ids": [f"a{i}", f"u{i}"]}) if name == "$merge" else LINKS[name](i)
        rows.append({"event": event, "at": START + 60 * i + 30, "who": who, "id": f"l{i}", "more": more})
    s = xp.events(str(lines(tmp_path / "log.jsonl", rows))).summarize(merging())
    assert (s.n, means(s)) == (40, TRUTH)
    assert found(s)["merged_ids"] == 40


TABLE = pd.DataFrame(
    {"distinct_id": [f"$device:d{i}" for i in range(100)], "resolved_distinct_id": [f"user{i}" for i in range(100)]}
)
FORMS: dict[str, Callable[[Path], Any]] = {
    "csv": lambda p: str(TABLE.to_csv(p / "i.csv", index=False) or p / "i.csv"),
    "parquet": lambda p: str(TABLE.to_parquet(p / "i.parquet") or p / "i.parquet"),
    "pandas": lambda p: TABLE,
    "polars": lambda p: pl.from_pandas(TABLE),
    "duckdb": lambda p: duckdb.from_df(TABLE),
    "two columns": lambda p: TABLE.rename(columns={"distinct_id": "from", "resolved_distinct_id": "to"}),
    "more columns": lambda p: TABLE.assign(project=7, created="2026-01-01"),
}


@pytest.mark.parametrize(
    "form", [pytest.param(f, marks=[] if f in ("csv", "polars", "more columns") else [pytest.mark.full]) for f in FORMS]
)
def test_a_table_of_identities(tmp_path: Path, form: str) -> None:
    rows = device_then_user(1.0)
    for row in rows:
        del row["more"]["$device_id"]
    log = str(lines(tmp_path / "log.jsonl", rows))
    identities = FORMS[form](tmp_path)
    s = xp.events(log, identities=identities).summarize(merging())
    assert (s.n, means(s), found(s)["merged_ids"]) == (100, TRUTH, 100)
    counted = xp.events(log, identities=identities).summarize(plan())
    assert means(counted) == (0.0, 0.0)
    assert found(counted)["identity_changes"] == 100
    assert check(counted, plan()).status == "warn"
    assert s.fingerprint == counted.fingerprint != xp.events(log).summarize(plan()).fingerprint


def test_a_table_that_says_nothing_of_identities_is_refused(tmp_path: Path) -> None:
    log = str(lines(tmp_path / "log.jsonl", events()))
    table = pd.DataFrame({"distinct_id": ["a"], "x": [1], "y": [2]})
    assert "resolved_distinct_id" in refusal(lambda: xp.events(log, identities=table).summarize(merging()))


def test_a_device_of_two_people_is_nobodys(tmp_path: Path) -> None:
    rows = events(40)
    shared = [
        {"event": "Ping", "at": START + 90, "who": f"u{i}", "id": f"s{i}", "more": {"$device_id": "d", "$user_id": f"u{i}"}}
        for i in (0, 1)
    ]
    s = xp.events(str(lines(tmp_path / "log.jsonl", [*rows, *shared]))).summarize(merging())
    assert (s.n, means(s)) == (40, TRUTH)
    told = {f.name: f for f in s.findings}
    assert told["merged_ids"].count == 0
    assert "1 ids lead to several persons" in told["merged_ids"].detail
    assert told["identity_changes"].count == 2


def test_one_person_in_two_variants_is_one_unit_in_several(tmp_path: Path) -> None:
    rows = events(40)
    link = {"event": "$identify", "at": START + 30, "who": "u1", "id": "l", "more": {"$anon_id": "u0", "$identified_id": "u1"}}
    s = xp.events(str(lines(tmp_path / "log.jsonl", [*rows, link]))).summarize(merging())
    assert found(s)["several_variants"] == 1
    assert s.n == 38


def test_chains_and_circles_of_ids(tmp_path: Path) -> None:
    rows = events(40)
    for row in rows:
        if row["who"] == "u2" and row["event"] == "Quote":
            row["who"] = "c"
    links = [("a", "u2"), ("b", "a"), ("c", "b"), ("x", "y"), ("y", "x")]
    table = pd.DataFrame(links, columns=["distinct_id", "resolved_distinct_id"])
    s = xp.events(str(lines(tmp_path / "log.jsonl", rows)), identities=table).summarize(merging())
    assert (s.n, means(s)) == (40, TRUTH)


def test_ids_that_are_numbers(tmp_path: Path) -> None:
    rows = events(40)
    for row in rows:
        number = int(row["who"][1:])
        row["who"] = number + 1000 if row["event"] == "Quote" else number
    table = pd.DataFrame({"distinct_id": [i + 1000.0 for i in range(40)], "resolved_distinct_id": range(40)})
    frame = pd.DataFrame(
        [{"event": r["event"], "time": r["at"], "distinct_id": r["who"], "$insert_id": r["id"], **r["more"]} for r in rows]
    )
    for log in (frame, str(lines(tmp_path / "log.jsonl", rows))):
        assert means(xp.events(log, identities=table).summarize(merging())) == TRUTH


def test_a_plan_says_it_and_older_plans_keep_their_digest() -> None:
    assert plan().digest == plan(exposure={}).digest
    assert merging().digest != plan().digest


def flat(rows: list[dict[str, Any]]) -> pd.DataFrame:
    held = [{"event": r["event"], "time": r["at"], "distinct_id": r["who"], "$insert_id": r["id"], **r["more"]} for r in rows]
    names = ["Experiment name", "Variant name", "$device_id", "$user_id"]
    return pd.DataFrame(held).reindex(columns=["event", "time", "distinct_id", "$insert_id", *names]).astype(object)


def half_logged_in() -> list[dict[str, Any]]:
    rows = device_then_user(0.5)
    for row in rows:
        if row["who"].startswith("user"):
            row["more"]["$user_id"] = row["who"]
    return rows


def compared(summary: Any) -> Any:
    told = {f.name: (f.count, f.of, dict(f.by_variant)) for f in summary.findings}
    return summary.n, means(summary), told["merged_ids"], told["identity_changes"], told["metric_overlap"]


def test_postgres_merges_as_duckdb_does(postgres: str) -> None:
    ibis = pytest.importorskip("ibis")
    frame = flat(half_logged_in())
    server = ibis.postgres.connect(host=postgres, user="xpb", database="postgres")
    clean = frame.where(frame.notna(), None)
    table = server.create_table("people_log", ibis.memtable(clean.astype({"time": "int64"})))
    for identities in (None, TABLE):
        here = xp.events(frame, identities=identities).summarize(merging())
        there = xp.events(table, identities=identities).summarize(merging())
        assert compared(there) == compared(here)
        assert means(here) == TRUTH
