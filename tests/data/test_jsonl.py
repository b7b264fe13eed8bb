"""JSON Lines ingestion: every line is an event or a reject with its number; stops and goes on; survives any bytes."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import xpbench as xp
from tests.data.logs import METRICS, event, frame_of, lines_of, plan_of, random_log
from xpbench.data.jsonl import file_pieces as reading
from xpbench.data.jsonl import ingestion as module
from xpbench.data.jsonl import rejected_lines as judge
from xpbench.data.jsonl import strict_json_reader as strict
from xpbench.data.jsonl.ingestion import ingest
from xpbench.data.jsonl.piece_reader import PieceReader
from xpbench.errors import DataError

GOOD = '{"event": "e", "properties": {"time": 1767225600, "distinct_id": "u1", "$insert_id": "i1", "amount": 12.5}}'


def write(folder: Path, *lines: str | bytes, name: str = "log.jsonl", end: bytes = b"\n") -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(x.encode() if isinstance(x, str) else x for x in lines) + end)
    return path


def rows_of(report: Any) -> list[tuple[Any, ...]]:
    if not report.rows:
        return []
    return duckdb.connect().execute(f"SELECT * FROM read_parquet('{report.folder}/*.parquet')").fetchall()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"broken", "malformed_json"),
        (b"[1, 2]", "malformed_json"),
        (b'{"event": "e\xff", "properties": {"time": 1}}', "broken_utf8"),
        (b'{"event": "e", "properties": {"time": 1, "time": 2}}', "duplicate_keys"),
        (b'{"event": "e", "event": "f", "properties": {"time": 1}}', "duplicate_keys"),
        (b'{"event": "e", "properties": {"time": 1, "amount": 1, "amount": 2}}', "duplicate_keys"),
        (b'{"properties": {"time": 1}}', "no_event"),
        (b'{"event": null, "properties": {"time": 1}}', "no_event"),
        (b'{"event": "e"}', "no_time"),
        (b'{"event": "e", "properties": []}', "no_time"),
        (b'{"event": "e", "properties": {"time": "abc"}}', "bad_time"),
        (b'{"event": "e", "properties": {"time": true}}', "bad_time"),
        (b'{"event": "e", "properties": {"time": 1e30}}', "bad_time"),
        (b'{"event": "e", "properties": {"time": 1}} more', "malformed_json"),
        (b'{"event": "e", "properties": {"time": 1}}{"event": "f"}', "malformed_json"),
        (b'{"event": "e", "properties": {"time": 1, "amount": "\\ud800"}}', "malformed_json"),
    ],
)
def test_what_is_no_event_is_told_with_its_line(tmp_path: Path, line: bytes, reason: str) -> None:
    report = ingest([write(tmp_path, GOOD, "", line, GOOD)], out=tmp_path / "out", properties=["amount"])
    assert report.rejected == {reason: 1}
    assert [(r.file, r.line, r.reason) for r in report.rejects] == [("log.jsonl", 3, reason)]
    assert (report.rows, report.lines) == (2, 3)
    assert len(rows_of(report)) == 2
    (finding,) = report.findings()
    assert finding.name == "rejected_lines"
    assert "log.jsonl:3" in finding.detail


def test_values_are_kept_as_they_were_written(tmp_path: Path) -> None:
    values = ["5", "5.50", '"5"', '"x"', "true", "null", '{"z": 1}', "[1]", "12345678901234567890123"]
    lines = [f'{{"event": "e", "properties": {{"time": {i}, "amount": {v}}}}}' for i, v in enumerate(values)]
    report = ingest([write(tmp_path, *lines)], out=tmp_path / "out", properties=["amount"])
    found = duckdb.connect().execute(f"SELECT amount FROM '{report.folder}/*.parquet' ORDER BY CAST(time AS INT)").fetchall()
    assert [f[0] for f in found] == ["5", "5.5", "5", "x", "true", None, '{"z":1}', "[1]", "12345678901234567890123"]


def test_truncated_last_line(tmp_path: Path) -> None:
    report = ingest([write(tmp_path, GOOD, GOOD[:40], end=b"")], out=tmp_path / "o", properties=[])
    assert report.rejected == {"truncated_line": 1}
    whole = ingest([write(tmp_path, GOOD, GOOD, name="b.jsonl", end=b"")], out=tmp_path / "p", properties=[])
    assert (whole.rows, whole.rejected) == (2, {})


def test_truncated_gzip_is_read_up_to_the_break(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [GOOD.replace("12.5", str(rng.random())) for _ in range(5000)]
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode())[:-3000])
    report = ingest([path], out=tmp_path / "out", properties=["amount"])
    assert 1000 < report.rows < 5000
    assert "cut off" in report.broken["log.jsonl.gz"]
    assert {f.name for f in report.findings()} >= {"broken_file"}


def test_very_long_line_is_rejected_and_the_rest_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = '{"event": "e", "properties": {"time": 1, "amount": "' + "x" * 10_000_000 + '"}}'
    report = ingest([write(tmp_path, GOOD, long, GOOD)], out=tmp_path / "o", properties=["amount"])
    assert (report.rows, report.rejected) == (3, {})
    monkeypatch.setattr(reading, "LONGEST_LINE", 1_000_000)
    monkeypatch.setattr(judge, "LONGEST_LINE", 1_000_000)
    monkeypatch.setattr(reading, "PIECE_BYTES", 500_000)
    report = ingest([write(tmp_path, GOOD, long, GOOD)], out=tmp_path / "p", properties=["amount"])
    assert (report.rows, report.rejected) == (2, {"too_long": 1})
    assert report.rejects[0].line == 2


def test_a_line_that_is_too_long_is_told_however_the_file_is_cut(tmp_path: Path) -> None:
    long = GOOD.replace("12.5", '"' + "x" * 17_000_000 + '"')
    for form in ("plain", "packed", "broken"):
        path = write(tmp_path, GOOD, long, GOOD, *(["broken"] if form == "broken" else []), name=f"{form}.jsonl")
        if form == "packed":
            path.write_bytes(gzip.compress(path.read_bytes(), 1))
        report = ingest(path, out=tmp_path / f"out-{form}", properties=["amount"])
        assert report.rows == 2
        assert report.rejected == {"too_long": 1} | ({"malformed_json": 1} if form == "broken" else {})


def test_a_byte_order_mark_counts_at_the_beginning_of_a_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marked = b"\xef\xbb\xbf" + GOOD.encode()
    monkeypatch.setattr(reading, "PIECE_BYTES", len(GOOD) + 1)  # each line begins a piece
    report = ingest(write(tmp_path, marked, GOOD, marked), out=tmp_path / "out", properties=["amount"])
    assert (report.rows, [(r.line, r.reason) for r in report.rejects]) == (2, [(3, "malformed_json")])


@pytest.mark.parametrize("between", [b"", b"\0" * 700])
def test_a_gzip_stream_of_several_members(tmp_path: Path, between: bytes) -> None:
    lines = [GOOD.replace("u1", f"u{i}") for i in range(300)]
    text = ("\n".join(lines) + "\n").encode()
    path = tmp_path / "log.jsonl"  # the ending does not matter
    path.write_bytes(gzip.compress(text[:1000]) + between + gzip.compress(text[1000:]) + between)
    report = ingest(path, out=tmp_path / "out", properties=["amount"])
    assert (report.rows, report.rejected, report.broken) == (300, {}, {})
    path.write_bytes(path.read_bytes() + b"no gzip")
    report = ingest(path, out=tmp_path / "more", properties=["amount"])
    assert (report.rows, set(report.broken)) == (300, {"log.jsonl"})


def test_all_that_comes_before_the_damage_of_a_gzip_stream_is_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    text = "".join(GOOD.replace("12.5", str(rng.random())) + "\n" for _ in range(20_000)).encode()
    packed = bytearray(gzip.compress(text))
    packed[-8] ^= 1  # the checksum: every byte can be unpacked
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(packed)
    report = ingest(path, out=tmp_path / "sum", properties=["amount"])
    assert (report.rows, report.rejected) == (20_000, {})
    assert "damaged" in report.broken["log.jsonl.gz"]
    path.write_bytes(bytes(packed[: len(packed) // 2]) + b"\xff" * 5000)
    report = ingest(path, out=tmp_path / "middle", properties=["amount"])
    assert report.rows > 9_000
    assert set(report.broken) == {"log.jsonl.gz"}


FAULTS = {
    "malformed_json": "broken",
    "duplicate_keys": GOOD.replace('"amount": 12.5', '"amount": 1, "amount": 2'),
    "bad_time": GOOD.replace("1767225600", '"soon"'),
    "broken_utf8": b'{"event": "\xff", "properties": {"time": 1}}',
}


@pytest.mark.parametrize("reason", FAULTS)
def test_few_lines_are_judged_where_few_are_faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str) -> None:
    """Three of fifty thousand lines are faulty: the same reasons and numbers, and only lines near them are judged alone."""
    monkeypatch.setattr(judge, "SMALL_BLOCK", 2_000)
    lines: list[str | bytes] = [GOOD.replace("u1", f"u{i}") for i in range(50_000)]
    for i in (0, 25_000, 49_999):
        lines[i] = FAULTS[reason]
    looked = []
    alone = judge.Judge.judge

    def counted(self: Any, sheet: Any, doubtful: Any) -> Any:
        doubtful = list(doubtful)
        looked.append(len(doubtful))
        return alone(self, sheet, doubtful)

    monkeypatch.setattr(judge.Judge, "judge", counted)
    report = ingest(write(tmp_path, *lines), out=tmp_path / "out", properties=["amount"])
    assert report.rejected == {reason: 3}
    assert [r.line for r in report.rejects] == [1, 25_001, 50_000]
    assert len(rows_of(report)) == report.rows == 49_997
    assert 3 <= sum(looked) < 200


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_that_were_cut_off_are_found_by_their_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """No query looks at the others: their first and last signs tell."""

    def never(self: Any, sheet: Any) -> list[int]:
        raise AssertionError("all lines were looked at")

    monkeypatch.setattr(judge.Judge, "doubtful", never)
    lines = [GOOD, "", "  " + GOOD, GOOD[:30], GOOD[30:], GOOD, " "]
    path = tmp_path / "log.jsonl"
    path.write_bytes("".join(line + end for line in lines).encode() + GOOD[:40].encode())
    report = ingest(path, out=tmp_path / "out", properties=["amount"])
    assert (report.rows, report.lines) == (3, 6)
    assert [(r.line, r.reason) for r in report.rejects] == [
        (4, "malformed_json"),
        (5, "malformed_json"),
        (8, "truncated_line"),
    ]


def test_a_file_whose_end_is_cut_off_is_not_read_to_its_end_first(tmp_path: Path) -> None:
    """Good files are read by the engine as they are; the last line, which most often is no event, is looked at before."""
    ends = {"": True, "\n": True, " \r\n\n": True, "{": False, "\n\0": False, "\n" + "x" * 70_000 + " \n": False}
    ends |= {"\n" + GOOD.replace("12.5", '"' + "x" * 70_000 + '"'): True}
    for end, whole in ends.items():
        path = tmp_path / "log.jsonl"
        path.write_text(GOOD + end)
        with path.open("rb") as file:
            assert bool(reading.whole_name(path, file.fileno())) is whole
    path.write_bytes(b"")
    with path.open("rb") as file:
        assert reading.whole_name(path, file.fileno())


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"\n\n\n", b"a", b"a\nb\n\nc", b"\na\n\n\n\nbb\n", b"a" * 9 + b"\n\n" * 9 + b"b\n"]
)
def test_lines_are_counted_over_the_borders_of_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(text)
    lines = text.split(b"\n")[: None if text and not text.endswith(b"\n") else -1]
    for step in (1, 2, 3, 4, 100):
        monkeypatch.setattr(reading, "STEP", step)
        with path.open("rb") as file:
            assert reading.empty_lines(file.fileno()) == sum(not line for line in lines)
            for known in ("", "of before"):
                with reading.Counting(file.fileno(), known) as counting:
                    assert counting.result() == (len(lines), known or hashlib.sha256(text).hexdigest(), False)


def test_a_long_line_beside_a_key_that_stands_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block with one long line can't be cut into smaller ones."""
    monkeypatch.setattr(judge, "SMALL_BLOCK", 500)
    lines = [GOOD] * 40 + [FAULTS["duplicate_keys"].replace("u1", "u" * 300_000)] + [GOOD] * 40  # type: ignore[attr-defined]
    report = ingest(write(tmp_path, *lines), out=tmp_path / "out", properties=["amount"])
    assert (report.rows, [(r.line, r.reason) for r in report.rejects]) == (80, [(41, "duplicate_keys")])


def test_a_message_that_quotes_half_a_character(tmp_path: Path) -> None:
    """The engine's message quotes a line up to some byte, in whatever character that is."""
    for shift in range(4):
        line = f'{{"event": "e", "event": "f", "properties": {{"time": 1, "amount": "{"x" * shift}{"é“”東" * 60}"}}}}'
        for others in ([], [GOOD]):
            folder = tmp_path / f"{shift}{len(others)}"
            folder.mkdir()
            report = ingest(write(folder, line, *others), out=folder / "out", properties=["amount"])
            assert (report.rows, report.rejected) == (len(others), {"duplicate_keys": 1})


def test_the_time_stands_once_where_all_properties_are_kept(tmp_path: Path) -> None:
    """The strict reader does not look into properties that are kept as text; escapes and other objects do not mislead."""
    line = '{{"event": "e", "properties": {{"time": 1, {}}}}}'
    good = ['"x": {"time": 2}', '"x": "\\"time\\": 3"', '"x": [{"time": 1}, {"time": 2}]']
    bad = ['"time": 2', '"ti\\u006de": 2', '"time": 2,']  # the last is JSON to the engine alone
    lines = [line.format(x) for x in [*good, *bad]]
    report = ingest(write(tmp_path, *lines), out=tmp_path / "out")
    assert (report.rows, report.rejected) == (3, {"duplicate_keys": 3})


def test_without_memory_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems other than Linux: the lines go through a temporary file."""
    monkeypatch.delattr("os.memfd_create", raising=False)
    lines = [GOOD.replace("u1", f"u{i}") if i % 50 else "broken" for i in range(500)]
    path = write(tmp_path, *lines)
    path.write_bytes(gzip.compress(path.read_bytes()))
    report = ingest(path, out=tmp_path / "out", properties=["amount"])
    assert (report.rows, report.rejected) == (490, {"malformed_json": 10})


def test_pieces_do_not_change_the_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [GOOD.replace("u1", f"u{i}") if i % 7 else "broken" for i in range(200)]
    whole = ingest([write(tmp_path, *lines)], out=tmp_path / "a", properties=["amount"])
    monkeypatch.setattr(reading, "PIECE_BYTES", 1000)
    small = ingest([write(tmp_path, *lines)], out=tmp_path / "b", properties=["amount"])
    assert small.to_dict() == whole.to_dict()
    assert sorted(rows_of(small)) == sorted(rows_of(whole))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_stopped_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool) -> None:
    monkeypatch.setattr(reading, "PIECE_BYTES", 2000)
    lines = [GOOD.replace("u1", f"u{i}") if i % 9 else "broken" for i in range(200)]
    path = write(tmp_path, *lines)
    if zipped:
        (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / "log.jsonl.gz"
    whole = ingest([path], out=tmp_path / "whole", properties=["amount"])
    calls = 0

    def stop(stage: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest([path], out=tmp_path / "out", properties=["amount"], progress=stop)
    assert not list((tmp_path / "out").glob(".*"))
    (tmp_path / "out" / "part-999999.parquet").write_bytes(b"left behind by a crash")
    report = ingest([path], out=tmp_path / "out", properties=["amount"])
    assert report.to_dict() == whole.to_dict()
    assert sorted(rows_of(report)) == sorted(rows_of(whole))
    again = ingest([path], out=tmp_path / "out", properties=["amount"])
    assert again.to_dict() == whole.to_dict()
    with pytest.raises(DataError, match="XPB-D40"):
        ingest([path], out=tmp_path / "out", properties=["other"])
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(DataError, match="XPB-D42"):
        ingest([path], out=tmp_path / "out", properties=["amount"])


INGESTING = """
import sys
import xpbench as xp
from xpbench.data.jsonl import file_pieces as lines

lines.FIRST_PIECE, lines.PIECE_BYTES = 1 << 20, 1 << 20
xp.ingest([sys.argv[1]], out=sys.argv[2], properties=["amount"], progress=lambda stage: print(stage.name, flush=True))
"""


def test_ctrl_c_leaves_nothing_half_written_and_the_next_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for i in range(600_000):
            packed.write(GOOD.replace("i1", f"i{i}").encode() + b"\n")
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-c", INGESTING, str(path), str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith("read log")
        run.send_signal(signal.SIGINT)
        _, errors = run.communicate(timeout=60)
    assert run.returncode != 0
    assert errors.rstrip().endswith("KeyboardInterrupt"), errors
    assert not list(out.glob("*.tmp"))
    kept = {p.name: p.stat().st_mtime_ns for p in out.glob("*.parquet")}
    assert 0 < len(kept) < 60
    report = ingest([path], out=out, properties=["amount"])
    assert report.rows == report.lines == 600_000
    assert kept.items() <= {p.name: p.stat().st_mtime_ns for p in out.glob("*.parquet")}.items()
    ((rows, ids),) = duckdb.execute(f"""SELECT count(*), count(DISTINCT "$insert_id") FROM '{out}/*.parquet'""").fetchall()
    assert rows == ids == 600_000


def test_what_was_written_must_still_be_there(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    report = ingest(path, out=tmp_path / "out", properties=[])
    (part,) = report.folder.glob("*.parquet")
    kept = part.read_bytes()
    for content in (None, kept[:-1]):
        part.unlink(missing_ok=True)
        if content is not None:
            part.write_bytes(content)
        with pytest.raises(DataError, match="XPB-D47"):
            ingest(path, out=tmp_path / "out", properties=[])
    part.write_bytes(kept)
    assert ingest(path, out=tmp_path / "out", properties=[]).to_dict() == report.to_dict()


def test_a_manifest_whose_last_line_a_crash_cut_off(tmp_path: Path) -> None:
    paths = [write(tmp_path, GOOD, name=f"{i}.jsonl") for i in range(3)]
    report = ingest(paths, out=tmp_path / "out", properties=[])
    manifest = report.folder / "manifest.jsonl"
    manifest.write_bytes(manifest.read_bytes()[:-20])
    again = ingest(paths, out=tmp_path / "out", properties=[])
    assert again.to_dict() == report.to_dict()
    assert len(rows_of(again)) == 3
    manifest.write_bytes(b"something else\n")
    with pytest.raises(DataError, match="XPB-D40"):
        ingest(paths, out=tmp_path / "out", properties=[])


def test_one_run_at_a_time_writes_to_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)

    def meanwhile(stage: Any) -> None:
        ingest(path, out=tmp_path / "out", properties=[])

    with pytest.raises(DataError, match="XPB-D48"):
        ingest(path, out=tmp_path / "out", properties=[], progress=meanwhile)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, GOOD, GOOD)
    copy = PieceReader.copy

    def grown(self: Any, *given: Any, **more: Any) -> Any:
        rows = copy(self, *given, **more)
        path.write_bytes(path.read_bytes() + GOOD.encode() + b"\n")
        return rows

    monkeypatch.setattr(PieceReader, "copy", grown)
    with pytest.raises(DataError, match="XPB-D42"):
        ingest(path, out=tmp_path / "out", properties=[])
    assert not list((tmp_path / "out").glob("*part-*"))


def test_files_are_named_as_people_name_them(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl", "odd [1] {x}.txt"):
        write(tmp_path, GOOD, name=name)
    assert ingest(str(tmp_path / "a.jsonl"), out=tmp_path / "one", properties="amount").rows == 1
    pattern = tmp_path / "*.jsonl"
    assert ingest([pattern, tmp_path / "a.jsonl"], out=tmp_path / "two", properties=["amount"]).rows == 2
    assert ingest(tmp_path / "odd [1] {x}.txt", out=tmp_path / "three", properties=[]).rows == 1
    with pytest.raises(DataError, match=r"nothing.jsonl.*XPB-D02"):
        ingest(tmp_path / "nothing.jsonl", out=tmp_path / "x")
    with pytest.raises(DataError, match=r"\.parquet.*XPB-D03"):
        ingest(write(tmp_path, GOOD, name="x.parquet"), out=tmp_path / "x")
    with pytest.raises(DataError, match="XPB-D46"):
        ingest(tmp_path / "a.jsonl", out=tmp_path / "x", schema=xp.EventSchema(properties=None))
    with pytest.raises(DataError, match=r"time_unit is 'seconds'.*XPB-D46"):
        ingest(tmp_path / "a.jsonl", out=tmp_path / "x", schema=xp.EventSchema(time_unit="seconds"))  # type: ignore[arg-type]
    for nothing in ([], 5):
        with pytest.raises(DataError, match="XPB-D03"):
            ingest(nothing, out=tmp_path / "x")  # type: ignore[arg-type]
    assert not (tmp_path / "x").exists()


def test_what_is_often_named_as_lines_of_json_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("\n [" + GOOD + "]")
    with pytest.raises(DataError, match=r"one JSON array.*one event per line.*XPB-D03"):
        xp.events(tmp_path / "a.json")
    (tmp_path / "b.jsonl").write_bytes(b"PAR1....")
    with pytest.raises(DataError, match=r"Parquet in.*Rename.*XPB-D03"):
        xp.events(tmp_path / "b.jsonl")


def test_other_sources_that_are_not_read_get_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"DuckDBPyConnection.*connection.table\('events'\).*XPB-D03"):
        xp.events(duckdb.connect())
    with pytest.raises(DataError, match=r"DataFrame.*XPB-D03"):
        xp.events([{"event": "e"}])
    with pytest.raises(DataError, match=r"schema is 'dict'.*XPB-D46"):
        xp.events(frame_of(random_log(np.random.default_rng(5))), schema={"event": "e"}).summarize(plan_of(METRICS))  # type: ignore[arg-type]
    table = frame_of(random_log(np.random.default_rng(5))).assign(city="Köln").to_csv(index=False)
    (tmp_path / "l.csv").write_bytes(table.encode("latin-1"))
    with pytest.raises(DataError, match=r"not UTF-8: line 2 has the byte 0xf6.*XPB-D62"):
        xp.events(tmp_path / "l.csv").summarize(plan_of(METRICS))


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    log = random_log(np.random.default_rng(5))
    plan, path = plan_of(METRICS), write(tmp_path, lines_of(log))
    once = xp.events(path, duplicates="keep").summarize(plan)
    twice = xp.events([path, tmp_path / "*.jsonl", tmp_path / ".." / tmp_path.name / path.name], duplicates="keep").summarize(
        plan
    )
    assert twice.cells == once.cells


def test_a_full_disk_is_no_fault_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        strict.Strict, "copy", lambda self, name, target, longest=0: "COPY (SELECT 1) TO '/dev/full' (FORMAT parquet)"
    )
    with pytest.raises(DataError, match="XPB-D01"):
        ingest(write(tmp_path, GOOD), out=tmp_path / "out", properties=[])


@pytest.mark.parametrize("limit", ["1KB", "20MB"])
def test_too_little_memory_is_told_as_such(tmp_path: Path, limit: str) -> None:
    path = tmp_path / "log.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as packed:
        for i in range(200_000):
            packed.write(GOOD.replace("i1", f"i{i}").encode() + b"\n")
    with pytest.raises(DataError, match="XPB-D50") as told:
        ingest([path], out=tmp_path / "out", properties=["amount"], engine=xp.DuckDB(memory_limit=limit))
    assert "memory_limit" in str(told.value)
    assert not list((tmp_path / "out").glob("*.tmp"))
    assert ingest([path], out=tmp_path / "out", properties=["amount"]).rows == 200_000


@pytest.mark.parametrize("engine", [xp.DuckDB(threads=1), xp.DuckDB(memory_limit="300MB"), xp.DuckDB(threads=4)])
def test_an_engine_with_little_reads_one_piece_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: xp.DuckDB
) -> None:
    monkeypatch.setattr(reading, "FIRST_PIECE", 2_000)
    monkeypatch.setattr(reading, "PIECE_BYTES", 2_000)
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress(b"".join(GOOD.replace("i1", f"i{i}").encode() + b"\n" for i in range(500))))
    now, most, lock, take = 0, 0, threading.Lock(), PieceReader.take

    def counted(self: PieceReader, *given: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        try:
            return take(self, *given)
        finally:
            with lock:
                now -= 1

    monkeypatch.setattr(PieceReader, "take", counted)
    assert ingest([path], out=tmp_path / "out", properties=["amount"], engine=engine).rows == 500
    assert most == (2 if engine.threads == 4 else 1)


def test_all_properties(tmp_path: Path) -> None:
    report = ingest([write(tmp_path, GOOD)], out=tmp_path / "out")
    ((name, properties),) = rows_of(report)
    assert (name, json.loads(properties)["amount"]) == ("e", 12.5)


def test_names_that_differ_in_case_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="XPB-D41"):
        ingest([write(tmp_path, GOOD)], out=tmp_path / "out", properties=["Plan", "plan"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_any_bytes_are_read_or_told(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Valid lines with bytes cut, changed or put in: rows and rejects together are all lines, and nothing crashes."""
    folder = tmp_path_factory.mktemp("fuzz")
    lines = [GOOD.replace("u1", f"u{i}").encode() for i in range(data.draw(st.integers(0, 12)))]
    raw = bytearray(b"\n".join(lines))
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, max(len(raw) - 1, 0)))
        kind = data.draw(st.sampled_from(["flip", "cut", "put", "swap"]))
        if kind == "flip" and raw:
            raw[at] = data.draw(st.integers(0, 255))
        elif kind == "cut":
            del raw[at : at + data.draw(st.integers(0, 30))]
        elif kind == "put":
            raw[at:at] = data.draw(st.binary(max_size=8))
        else:
            raw[at:at] = data.draw(
                st.sampled_from([b'"', b"}", b"{", b"\\u0000", b"\n", b"\r\n", b"\x00", b"time", b"1e999", b"null"])
            )
    plain = bytes(raw)
    path = folder / "log.jsonl"
    if data.draw(st.booleans()):
        packed = bytearray(gzip.compress(plain))
        if data.draw(st.booleans()):
            del packed[data.draw(st.integers(10, len(packed))) :]
        path = folder / "log.jsonl.gz"
        path.write_bytes(bytes(packed))
        report = ingest([path], out=folder / "out", properties=["amount"])
        assert report.rows + sum(report.rejected.values()) == report.lines
        return
    path.write_bytes(plain)
    report = ingest([path], out=folder / "out", properties=["amount"])
    filled = [x for x in plain.split(b"\n") if x.strip()]
    assert report.lines == len(filled)
    assert report.rows + sum(report.rejected.values()) == len(filled)
    intact = sum(x.strip() in lines for x in filled)
    assert report.rows >= intact
    assert len(rows_of(report)) == report.rows


VALUES = """1767225600|1767225600000|1.5|"1767225600"|"2026-01-01"|"0x1F"|1e12|-5|null|"abc"|true|"x\\u00e9"|{"time": 1}|[1, 2]
""|1e400|NaN|"1_000"|" 12"|12345678901234567890123""".replace("\n", "|").split("|")


def value_text(data: st.DataObject) -> str:
    return data.draw(st.sampled_from(VALUES))


def object_text(data: st.DataObject, keys: list[str], *, inner: str = "") -> str:
    colon = data.draw(st.sampled_from([": ", ":", " : ", "\t:"]))
    pairs = [f'"{data.draw(st.sampled_from(keys))}"{colon}{value_text(data)}' for _ in range(data.draw(st.integers(0, 3)))]
    pairs += [f'"properties"{colon}{inner}'] * data.draw(st.sampled_from([1, 1, 1, 1, 0, 2])) if inner else []
    comma = data.draw(st.sampled_from([", ", ",", " ,"]))
    return "{" + comma.join(data.draw(st.permutations(pairs))) + data.draw(st.sampled_from(["", "", "", ","])) + "}"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_the_quick_way_and_the_way_line_by_line_agree(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Each line in a file of its own, read as quickly as it goes, and all in one file judged line by line: same report."""
    folder = tmp_path_factory.mktemp("ways")
    lines = []
    for _ in range(data.draw(st.integers(1, 5))):
        inner = object_text(data, ["time", "time", "amount", "ti\\u006de", "other", "Amount", "distinct_id"])
        line = object_text(data, ["event", "event", "even\\u0074", "other"], inner=inner)
        around = ["{}", "{}", "{}", "{} ", "\t{}", "{}}}", "{}\r", "{}\f", "\v{}", "{}{{}}"]
        lines.append(data.draw(st.sampled_from(around)).format(data.draw(st.sampled_from([line, line, line, GOOD]))))
    quick: list[Any] = []
    rows: list[Any] = []
    for i, line in enumerate(lines):
        report = ingest([write(folder, line, name=f"{i}.jsonl")], out=folder / f"quick{i}", properties=["amount"])
        quick += [(i + 1, r.reason) for r in report.rejects]
        rows += rows_of(report)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.Ingestion, "_whole", lambda self, path, known: False)
        patch.setattr(PieceReader, "take", only_judged)
        report = ingest([write(folder, *lines)], out=folder / "slow", properties=["amount"])
    assert [(r.line, r.reason) for r in report.rejects] == quick
    assert sorted(map(str, rows_of(report))) == sorted(map(str, rows))
    assert report.rows + sum(report.rejected.values()) == report.lines == len(lines)


_take = PieceReader.take


def only_judged(self: PieceReader, piece: Any, made: Path, name: str, wary: int) -> Any:
    """The quick ways closed: every line of a piece is judged alone."""
    return _take(self, piece, made, name, 3)


def test_a_key_that_is_not_read_may_stand_twice_whatever_its_neighbours(tmp_path: Path) -> None:
    twice = '{"event": "e", "x": 1, "x": 2, "properties": {"time": 1, "y": 1, "y": 2, "amount": 3}}'
    for others in ([], ["broken"]):
        path = write(tmp_path, GOOD, twice, *others, name=f"log{len(others)}.jsonl")
        report = ingest([path], out=tmp_path / f"out{len(others)}", properties=["amount"])
        assert (report.rows, report.rejected) == (2, {"malformed_json": 1} if others else {})


def test_lines_longer_than_usual_are_read(tmp_path: Path) -> None:
    long = GOOD.replace('"u1"', '"' + "u" * (strict.USUAL_LINE + 5) + '"')
    report = ingest([write(tmp_path, GOOD, long, GOOD)], out=tmp_path / "out", properties=["amount"])
    assert (report.rows, report.rejected) == (3, {})


def test_a_log_in_lines_gives_the_summary_of_the_table(tmp_path: Path) -> None:
    log = random_log(np.random.default_rng(5))
    plan = plan_of(METRICS, segments=["platform"])
    table = xp.events(frame_of(log)).summarize(plan)
    path = tmp_path / "log.jsonl.gz"
    path.write_bytes(gzip.compress((lines_of(log) + "broken\n").encode()))
    lines = xp.events(path).summarize(plan)
    assert lines.cells == table.cells
    assert [(f.count, f.of) for f in lines.findings if f.name == "rejected_lines"] == [(1, len(log) + 1)]


def test_times_in_milliseconds(tmp_path: Path) -> None:
    log = random_log(np.random.default_rng(5))
    plan = plan_of(METRICS)
    seconds = xp.events(write(tmp_path, lines_of(log), name="s.jsonl")).summarize(plan)
    in_ms = [json.loads(x) for x in lines_of(log).splitlines()]
    for e in in_ms:
        e["properties"]["time"] *= 1000
    ms = xp.events(write(tmp_path, *map(json.dumps, in_ms), name="ms.jsonl")).summarize(plan)
    assert ms.cells == seconds.cells


def test_empty_and_hopeless_files(tmp_path: Path) -> None:
    plan = plan_of(METRICS)
    for name, content in (("a.jsonl", b""), ("b.jsonl", b"\n\n"), ("c.jsonl", b"broken\n"), ("d.jsonl.gz", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="XPB-D07"):
            xp.events(tmp_path / name).summarize(plan)


def test_a_log_without_an_event_says_why(tmp_path: Path) -> None:
    """Reasons and counts of the report, the most frequent first; not "no event" alone."""
    nameless = GOOD.replace('"event"', '"name"')
    path = write(tmp_path, nameless, "broken", nameless)
    with pytest.raises(DataError, match="XPB-D07") as caught:
        xp.events(path).summarize(plan_of(METRICS))
    said = (
        "a line has no event name (2 of 3 lines, first log.jsonl:1); "
        "a line is not a JSON object (1 of 3 lines, first log.jsonl:2)"
    )
    assert said in str(caught.value)
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with pytest.raises(DataError, match="it has no lines"):
        xp.events(tmp_path / "empty.jsonl").summarize(plan_of(METRICS))
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(GOOD.encode())[:12])
    with pytest.raises(DataError, match=r"cut\.jsonl\.gz: the gzip stream is cut off"):
        xp.events(tmp_path / "cut.jsonl.gz").summarize(plan_of(METRICS))


def test_no_ghost_of_an_unknown_property(tmp_path: Path) -> None:
    log = [
        event("$experiment_started", "u", 1_767_225_600 * 10**6, "1", **{"Experiment name": "t", "Variant name": "a"}),
        event("buy", "u", 1_767_225_601 * 10**6, "2"),
    ]
    plan = plan_of([{"key": "m", "kind": "sum", "event": "buy", "property": "amount"}])
    with pytest.raises(DataError, match="XPB-D32"):
        xp.events(write(tmp_path, lines_of(log))).summarize(plan)
