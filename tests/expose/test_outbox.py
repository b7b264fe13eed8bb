"""The outbox: what is acknowledged stays, bounds hold, and trouble with the disk never reaches the caller."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import xpbench as xp
from xpbench.errors import ExposeError
from xpbench.expose.filesystem import network_filesystem
from xpbench.expose.outbox import Outbox
from xpbench.mixpanel.sandbox import Sandbox

Make = Callable[..., xp.Tracker]


def test_rows_are_on_disk_when_the_call_returns(track: Make, tmp_path: Path) -> None:
    tracker = track(sender="none")
    tracker.expose("u1", "beta")
    other = sqlite3.connect(tmp_path / "out.sqlite")
    assert other.execute("SELECT count(*) FROM pending").fetchone() == (1,)
    assert other.execute("SELECT variant FROM seen").fetchall() == [("beta",)]


def test_the_file_holds_no_token_and_no_plain_unit_key(track: Make, tmp_path: Path) -> None:
    tracker = track(sender="none")
    tracker.expose("u1", "beta")
    tracker.close()
    assert b"sandbox-token" not in b"".join(p.read_bytes() for p in tmp_path.iterdir())


@pytest.mark.parametrize("on_full", ["refuse", "block"])
def test_a_full_outbox_refuses_and_keeps_what_it_has(track: Make, on_full: str) -> None:
    tracker = track(sender="none", max_pending=10, on_full=on_full)
    start = time.monotonic()
    states = [tracker.expose(f"u{i}", "beta").state for i in range(13)]
    assert states == ["queued"] * 10 + ["refused"] * 3
    assert time.monotonic() - start < 4.0
    assert tracker.status().refused == 3
    assert tracker.expose("u1", "beta").state == "repeat"
    assert tracker.outbox.pending() == 10


def test_a_full_outbox_raises_when_asked(track: Make) -> None:
    tracker = track(sender="none", max_pending=1, on_full="raise")
    tracker.expose("u1", "beta")
    with pytest.raises(ExposeError, match="XPB-E04"):
        tracker.expose("u2", "beta")


def test_room_that_comes_while_blocking_is_used(box: Sandbox, track: Make) -> None:
    tracker = track(max_pending=5, on_full="block", max_block=5.0)
    assert {tracker.expose(f"u{i}", "beta").state for i in range(40)} == {"queued"}
    assert tracker.flush()
    assert len(box.events()) == 40


def test_a_full_disk_holds_in_memory_and_writes_when_there_is_room(box: Sandbox, track: Make) -> None:
    tracker = track(sender="none")
    tracker.expose("u1", "beta")
    db = tracker.outbox._db
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count={pages}")
    states = [tracker.expose(f"v{i}", "beta", note="x" * 200).state for i in range(60)]
    assert "held" in states
    assert not any(r.is_acknowledged for r in [tracker.expose("late", "beta", note="x" * 200)])
    assert "full" in tracker.status().notes[-1]
    acknowledged = 1 + states.count("queued")
    assert tracker.outbox.pending() == acknowledged
    db.execute("PRAGMA max_page_count=1000000")
    assert tracker.outbox.write_held()
    assert tracker.outbox.pending() == 62
    assert tracker.status().held == 0


def test_what_the_disk_never_took_is_told_at_the_end(track: Make) -> None:
    tracker = track(sender="none")
    tracker.expose("u1", "beta")
    db = tracker.outbox._db
    db.execute(f"PRAGMA max_page_count={db.execute('PRAGMA page_count').fetchone()[0]}")
    states = [tracker.expose(f"v{i}", "beta", note="x" * 200).state for i in range(60)]
    tracker.outbox.close()
    lost = states.count("held")
    assert lost > 0
    assert f"{lost} exposures were lost at the end" in tracker.outbox.notes[-1]


def test_another_process_that_holds_the_lock_costs_no_more_than_the_bound(track: Make, tmp_path: Path) -> None:
    tracker = track(sender="none", max_block=0.05)
    tracker.expose("u1", "beta")
    other = sqlite3.connect(tmp_path / "out.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    start = time.monotonic()
    result = tracker.expose("u2", "beta")
    assert time.monotonic() - start < 4.0
    assert result.state == "held"
    assert not result.is_acknowledged
    other.execute("ROLLBACK")
    assert tracker.expose("u3", "beta").state == "queued"
    assert tracker.outbox.pending() == 3, "the held one was written first"


def test_a_file_that_is_no_database_is_kept_aside(track: Make, tmp_path: Path) -> None:
    (tmp_path / "out.sqlite").write_bytes(b"not a database, but " * 100)
    tracker = track(sender="none")
    assert tracker.expose("u1", "beta").state == "queued"
    assert [p for p in tmp_path.iterdir() if ".broken-" in p.name]
    assert "kept as" in tracker.status().notes[0]


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    Outbox(tmp_path / "o.sqlite").close()
    db = sqlite3.connect(tmp_path / "o.sqlite")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(ExposeError, match="XPB-E01"):
        Outbox(tmp_path / "o.sqlite")


def test_an_outbox_serves_one_project(tmp_path: Path) -> None:
    Outbox(tmp_path / "o.sqlite", project="a").close()
    with pytest.raises(ExposeError, match="XPB-E02"):
        Outbox(tmp_path / "o.sqlite", project="b")


def test_a_folder_that_can_not_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ExposeError, match="XPB-E03"):
        Outbox(tmp_path / "file" / "o.sqlite")


def test_network_file_systems_are_told_by_their_mount() -> None:
    mounts = (
        "/dev/a / ext4 rw 0 0\nserver:/h /home nfs4 rw 0 0\nx /home/ann/my\\040disk ext4 rw 0 0\ns /mnt/s fuse.sshfs rw 0 0\n"
    )
    found = [
        network_filesystem(Path(p), mounts=mounts)
        for p in ("/var/x", "/home/ann/o", "/home/ann/my disk/o", "/mnt/s/o", "/homes/o")
    ]
    assert found == [None, "nfs4", None, "fuse.sshfs", None]


def test_the_fallback_for_network_homes_keeps_the_promises(box: Sandbox, track: Make, tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "n.sqlite", journal="delete", max_block=1.0)
    tracker = track(outbox=outbox)
    assert outbox._db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert outbox._db.execute("PRAGMA synchronous").fetchone() == (2,)
    for i in range(5):
        tracker.expose(f"u{i}", "beta")
    assert tracker.flush()
    assert len(box.events()) == 5
    assert not os.path.exists(tmp_path / "n.sqlite-wal")


def test_the_default_place_is_one_file_per_project(track: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPBENCH_STATE", str(tmp_path / "state"))
    a, b = track(outbox=None, sender="none"), track(outbox=None, sender="none", mixpanel="another-token")
    assert a.outbox.path.parent == tmp_path / "state"
    assert a.outbox.path != b.outbox.path
    assert "token" not in a.outbox.path.name
