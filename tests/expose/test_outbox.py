"""The outbox: what is acknowledged stays, bounds hold, and trouble with the disk never reaches the caller."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import xpbench as xp
from tests.expose.opening import open_broken
from xpbench.errors import ExposeError
from xpbench.expose.filesystem import network_filesystem
from xpbench.expose.outbox import Outbox, QueuedExposure
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


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
@pytest.mark.parametrize("given", ["XPBENCH_STATE", "XDG_STATE_HOME", "HOME", "path"])
def test_only_its_owner_can_read_an_outbox(track: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    for name in ("XPBENCH_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path / "place"
    if given != "path":
        monkeypatch.setenv(given, str(place))
    tracker = track(outbox=tmp_path / "out.sqlite" if given == "path" else None)
    tracker.expose("ann@example.com", "beta", email="ann@example.com")
    tracker.flush()
    files = list(tmp_path.glob("out.sqlite*") if given == "path" else place.rglob("*"))
    assert {p.name.partition(".sqlite")[2] for p in files if p.is_file()} >= {"", "-wal", "-shm", ".sender"}
    assert {p.name: oct(mode(p)) for p in files if mode(p) & 0o077} == {}


@pytest.mark.usefixtures("usual_umask")
@pytest.mark.parametrize(("found", "left"), [(0o644, 0o600), (0o640, 0o600), (0o664, 0o660), (0o600, 0o600)])
def test_an_outbox_of_an_older_version_is_closed_to_others(tmp_path: Path, found: int, left: int) -> None:
    Outbox(tmp_path / "o.sqlite").close()
    os.chmod(tmp_path / "o.sqlite", found)
    with contextlib.closing(Outbox(tmp_path / "o.sqlite")):
        assert {oct(mode(p)) for p in tmp_path.glob("o.sqlite*")} == {oct(left)}


@pytest.mark.parametrize("home", ["/proc/nowhere", "/dev/null/home"])
def test_a_home_that_can_not_be_written(
    track: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, home: str
) -> None:
    monkeypatch.delenv("XPBENCH_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", home)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tracker = track(outbox=None, sender="none")
    assert tracker.expose("u1", "beta").state == "queued"
    folder = tmp_path / f"xpbench-{os.getuid()}"
    assert (tracker.outbox.path.parent, mode(folder)) == (folder, 0o700)
    assert f"the outbox lies in {folder}" in caplog.text
    assert str(folder) in tracker.status().notes[0]


def test_a_user_without_a_home(track: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XPBENCH_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert track(outbox=None, sender="none").outbox.path.parent == tmp_path / f"xpbench-{os.getuid()}"


def test_a_folder_for_all_users_is_not_trusted(track: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir(0o700)
    (tmp_path / f"xpbench-{os.getuid()}").symlink_to(tmp_path / "mine")
    monkeypatch.delenv("XPBENCH_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ExposeError, match="XPB-E16"):
        track(outbox=None, sender="none")


def test_a_chosen_folder_that_can_not_be_written_is_said(track: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XPBENCH_STATE", "/proc/nowhere")
    with pytest.raises(ExposeError, match="XPB-E16"):
        track(outbox=None, sender="none")


def test_many_processes_that_find_a_broken_file_set_one_aside(tmp_path: Path) -> None:
    # not forked: the threads of engines in this process leave locks behind in a forked one
    context = multiprocessing.get_context("spawn")
    for round_ in range(2):
        path = tmp_path / f"o{round_}.sqlite"
        path.write_bytes(b"not a database, but " * 100)
        start, results = context.Barrier(6), context.Queue()
        workers = [context.Process(target=open_broken, args=(str(path), start, results), daemon=True) for _ in range(6)]
        for worker in workers:
            worker.start()
        found = [results.get(timeout=60) for _ in range(30)]
        for worker in workers:
            worker.join(60)
        assert {state for _, state in found} == {"queued"}
        assert len(list(tmp_path.glob(f"o{round_}.sqlite.broken-*"))) == 1
        outbox = Outbox(path)
        assert outbox.pending() == 30, "what was acknowledged lies in the file that is there now"
        outbox.close()


def test_a_file_that_is_damaged_while_it_is_used_gives_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    outbox = Outbox(path, project="p")
    for number in range(3000):
        key = f"{number:016d}".encode()
        outbox.add(QueuedExposure((key,), ("beta",), lambda fresh, n=number: json.dumps({"n": n, "filling": "x" * 50})))
    outbox.close()
    with open(path, "r+b") as file:
        for page in range(60, path.stat().st_size // 2048, 2):
            file.seek(page * 2048)
            file.write(b"\xff" * 2048)
    again = Outbox(path, project="p")
    states = [again.add(QueuedExposure((f"new{n:013d}".encode(),), ("beta",), lambda fresh: "{}")) for n in range(2000)]
    states += [again.add(QueuedExposure((f"{n:016d}".encode(),), ("beta",), lambda fresh: "{}")) for n in range(100)]
    assert set(states) <= {"queued", "repeat"}
    again.close()
    assert [p for p in tmp_path.glob("o.sqlite.broken-*") if not p.name.endswith(("-wal", "-shm"))]
    assert "from the old one" in "".join(again.notes)
    third = Outbox(path, project="p")
    assert third.pending() > 2000, "of the damaged file as well"
    third.close()
    with pytest.raises(ExposeError, match="XPB-E02"):
        Outbox(path, project="another")


def test_a_file_that_is_deleted_while_it_is_used_costs_no_new_exposure(box: Sandbox, track: Make, tmp_path: Path) -> None:
    tracker = track()
    tracker.expose("u1", "beta")
    assert tracker.flush()
    for path in tmp_path.glob("out.sqlite*"):
        path.unlink()
    assert tracker.expose("u2", "beta").state == "queued"
    assert tracker.flush()
    assert {e["properties"]["distinct_id"] for e in box.events()} == {"u1", "u2"}
    assert "was removed or replaced" in "".join(tracker.status().notes)


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
