"""Sources as they are at one moment; files by what they hold; folders whole; ids that link one person's events."""

from __future__ import annotations

import gzip
import io
import json
import re
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

import xpbench as xp
from tests.reading.world import QUOTES, SPENT, TRUTH, events, found, lines, means, plan, refusal
from xpbench.cli import main
from xpbench.experiment.sources import files_in
from xpbench.health import inputs_of, run_checks
from xpbench.health.sealing import under_seal


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_a_log_that_changes_while_it_is_read_is_refused(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame(
        [{"event": r["event"], "time": r["at"], "distinct_id": r["who"], "$insert_id": r["id"], **r["more"]} for r in events()]
    )
    path = tmp_path / f"log.{kind}"
    if kind == "csv":
        frame.to_csv(path, index=False)
    elif kind == "parquet":
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    else:
        lines(path, events())

    def more(_: Any) -> None:
        with path.open("ab") as file:
            file.write(b"\n")

    assert "XPB-D78" in refusal(lambda: xp.events(str(path)).summarize(plan(), progress=more))


def test_a_table_that_is_replaced_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("user,variant,spent\n" + "".join(f"{i},{['control', 'beta'][i % 2]},{i}\n" for i in range(20)))

    def replaced(_: Any) -> None:
        other = tmp_path / "new"
        other.write_bytes(path.read_bytes())
        other.replace(path)

    source = xp.units(str(path), unit="user")
    assert "changed while it was read" in refusal(lambda: source.summarize(plan([SPENT], unit="user"), progress=replaced))


def zipped(name: str, content: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr(name, content)
    return held.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "log.jsonl.zst": lambda b: pa.compress(b, codec="zstd", asbytes=True),
    "log.zip": lambda b: zipped("log.jsonl", b),
    "log.jsonl.zip": lambda b: zipped("log.jsonl.gz", gzip.compress(b)),
    "log": lambda b: b,
    "log.txt": lambda b: b,
    "log.gz": gzip.compress,
}


@pytest.mark.parametrize("name", PACKED)
def test_files_are_what_they_hold(tmp_path: Path, name: str) -> None:
    content = lines(tmp_path / "plain.jsonl", events()).read_bytes()
    path = tmp_path / name
    path.write_bytes(PACKED[name](content))
    assert means(xp.events(str(path)).summarize(plan())) == TRUTH


def test_feather_is_read_at_every_door(tmp_path: Path) -> None:
    table = pd.DataFrame({"user": range(20), "variant": ["control", "beta"] * 10, "spent": range(20)})
    path = str(tmp_path / "t.feather")
    pyarrow.feather.write_feather(pa.Table.from_pandas(table, preserve_index=False), path)
    assert sum(xp.units(path, unit="user").summarize(plan([SPENT], unit="user")).units.values()) == 20
    assert sum(xp.explore(path, ["spent"], unit="user", root=None).summary.units.values()) == 20


def test_a_folder_is_read_whole(tmp_path: Path) -> None:
    rows = events()
    lines(tmp_path / "a.jsonl", rows[:150])
    content = lines(tmp_path / "x", rows[150:]).read_bytes()
    (tmp_path / "x").unlink()
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(content))
    (tmp_path / "README").write_text("notes, of somebody\n")
    assert [Path(p).name for p in files_in(tmp_path)] == ["a.jsonl", "b.jsonl.gz"]
    assert means(xp.events(str(tmp_path)).summarize(plan())) == TRUTH
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(content))
    assert "packed and unpacked" in refusal(lambda: files_in(tmp_path))


@pytest.mark.parametrize("database", ["duckdb", "sqlite"])
@pytest.mark.parametrize("times", ["numbers", "text"])
def test_ibis_over_a_database_in_this_process(tmp_path: Path, database: str, times: str) -> None:
    ibis = pytest.importorskip("ibis")
    rows = [
        {"event": r["event"], "time": r["at"], "distinct_id": r["who"], "$insert_id": r["id"], **r["more"]} for r in events()
    ]
    frame = pd.DataFrame(rows)
    if times == "text":
        frame["time"] = pd.to_datetime(frame["time"], unit="s").dt.strftime("%Y-%m-%d %H:%M:%S")
    if database == "sqlite":
        with sqlite3.connect(tmp_path / "log.db") as held:
            frame.to_sql("log", held, index=False)
        table = ibis.sqlite.connect(tmp_path / "log.db").table("log")
    else:
        run = duckdb.connect()
        run.register("frame", frame)
        run.execute("CREATE TABLE log AS SELECT * FROM frame")
        table = ibis.duckdb.from_connection(run).table("log")
    assert means(xp.events(table.filter(table.event != "nothing")).summarize(plan())) == TRUTH


LINKS: dict[str, Callable[[int], tuple[str, str, dict[str, Any]]]] = {
    "$identify": lambda i: ("$identify", f"a{i}", {"$anon_id": f"a{i}", "$identified_id": f"u{i}"}),
    "$create_alias": lambda i: ("$create_alias", f"a{i}", {"alias": f"u{i}"}),
    "$user_id": lambda i: ("Login", f"a{i}", {"$user_id": f"u{i}"}),
    "posthog": lambda i: ("$identify", f"u{i}", {"$anon_distinct_id": f"a{i}"}),
}


@pytest.mark.parametrize("name", LINKS)
def test_events_under_another_id_of_a_person_are_told(tmp_path: Path, name: str) -> None:
    rows = events(40)
    for row in rows:
        row["who"] = "a" + row["who"][1:] if row["event"] == "$experiment_started" else row["who"]
    for i in range(40):
        event, who, more = LINKS[name](i)
        rows.append({"event": event, "at": rows[0]["at"] + 60 * i + 30, "who": who, "id": f"l{i}", "more": more})
    summary = xp.events(str(lines(tmp_path / "log.jsonl", rows))).summarize(plan())
    assert found(summary)["identity_changes"] == 40


def overlap(summary: Any, made: xp.Plan) -> Any:
    checks = run_checks(inputs_of(made, summary, None, previous=None, now=None))
    return next(c for c in checks if c.name == "metric_overlap")


def test_overlap_by_variant_and_never_a_pass_at_nought(tmp_path: Path) -> None:
    late = {**QUOTES, "key": "late", "event": "Order", "role": "secondary"}
    rows = events(40)
    rows.append({"event": "Order", "at": rows[0]["at"] - 3600, "who": "u0", "id": "o", "more": {}})
    made = plan([QUOTES, late])
    summary = xp.events(str(lines(tmp_path / "log.jsonl", rows))).summarize(made)
    told = {f.metric: (f.count, f.of, dict(f.by_variant)) for f in summary.findings if f.name == "metric_overlap"}
    assert told == {"quotes": (68, 68, {"control": 24, "beta": 44}), "late": (0, 0, {})}
    assert overlap(summary, made).status == "warn"
    assert overlap(summary, plan()).status == "warn"


def test_an_event_that_nobody_did_yet_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = plan([{**QUOTES, "event": "Order"}], exposure={"start": "2026-01-01"})
    xp.register(made, root=tmp_path / "root", by="t")
    log = str(
        lines(
            tmp_path / "log.jsonl",
            events(),
            lambda r: {
                "event": r["event"],
                "timestamp": r["at"],
                "distinct_id": r["who"],
                "uuid": r["id"],
                "properties": r["more"],
            },
        )
    )
    given = ["readout", "homepage", "--root", str(tmp_path / "root"), "--events", log, "--by", "t", "--json"]
    assert main([*given, "--schema", "posthog"]) == 2
    assert "XPB-D31" in json.dumps(capsys.readouterr())
    assert main([*given, "--schema", "posthog", "--absent-events", "zero"]) in (0, 1)


def since_and_before(
    path: Path, lost: Callable[[int], bool], *, before: bool = True, baseline: float | None = None, stranger: bool = False
) -> Any:
    """The check on 200 units that did three quotes each in the days before; since then those of some are under other ids."""
    rows = events(200)
    for i in range(200 if before else 0):
        whose = f"other{i}" if stranger else f"u{i}"
        at = rows[0]["at"] - 60 * i
        rows += [{"event": "Quote", "at": at - 86_400 * (k + 1), "who": whose, "id": f"b{i}-{k}", "more": {}} for k in range(3)]
    start = rows[0]["at"]
    for row in rows:
        if row["event"] == "Quote" and row["at"] >= start and lost(int(row["who"].lstrip("uother"))):
            row["who"] = "other" + row["who"]
    made = plan(**({} if baseline is None else {"planning": {"baselines": {"quotes": baseline}}}))
    return overlap(xp.events(str(lines(path / "log.jsonl", rows))).summarize(made), made)


def test_overlap_is_compared_with_the_time_before(tmp_path: Path) -> None:
    sound = since_and_before(tmp_path, lambda i: False)
    assert sound.status == "pass"
    told = sound.evidence["events"]["quotes"]
    assert told["shares_by_variant"] == {"control": pytest.approx(120 / 340), "beta": pytest.approx(220 / 340)}
    assert told["before"] == {"of_exposed_units": 600, "all": 600, "shares_by_variant": {"control": 0.5, "beta": 0.5}}
    for lost in (lambda i: i % 2 == 0, lambda i: i % 2 == 1, lambda i: i % 40 > 0):  # control, beta, nearly all of both
        found_ = since_and_before(tmp_path, lost)
        assert found_.status == "warn"
        assert "time before the experiment" in found_.meaning
    assert since_and_before(tmp_path, lambda i: True).status == "fail"
    assert since_and_before(tmp_path, lambda i: i % 3 > 0).status == "pass"  # a third is more than a tenth


def test_overlap_without_a_time_before(tmp_path: Path) -> None:
    assert since_and_before(tmp_path, lambda i: i % 2 == 1, before=False).status == "warn"  # a variant with none at all
    nearly = since_and_before(tmp_path, lambda i: i % 20 > 1, before=False, baseline=1.7)
    assert nearly.status == "pass"  # 40 of 340 are left, and a tenth of 1.7 a unit is 34
    fewer = since_and_before(tmp_path, lambda i: i % 50 > 1, before=False, baseline=1.7)
    assert fewer.status == "warn"
    assert "less than a tenth of what the plan expects" in fewer.meaning


def test_units_that_are_new_have_no_time_before_to_compare_with(tmp_path: Path) -> None:
    assert since_and_before(tmp_path, lambda i: i % 40 > 1, stranger=True).status == "pass"
    assert since_and_before(tmp_path, lambda i: i % 50 > 1, stranger=True, baseline=1.7).status == "warn"


def test_the_verdict_of_overlap_is_shown_under_the_seal_and_no_number_of_a_variant(tmp_path: Path) -> None:
    (sealed,) = under_seal([since_and_before(tmp_path, lambda i: i % 2 == 1)])
    assert sealed.status == "warn"
    assert sealed.evidence == {"sealed": True}
    assert "beta" not in sealed.meaning
    assert not re.search(r"\d", sealed.meaning)
