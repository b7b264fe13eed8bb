import errno
import json
import os
import platform

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.errors import BrokenLedger, InputError, LedgerError
from xpbench.ledger import Ledger, Witness, fixed_clock
from xpbench.ledger.entry import START, body_bytes, make_entry
from xpbench.ledger.ledger import verify_lines
from xpbench.ledger.lock import holder


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "x" / "ledger.jsonl", clock=fixed_clock("2026-11-03T09:00:00", step_seconds=60))


def grown(ledger, count=5):
    for number in range(count):
        ledger.append("looked", {"number": number}, by="ana")
    return ledger


def test_an_empty_ledger_has_no_entries_and_the_starting_head(ledger):
    assert ledger.entries() == ()
    assert ledger.head == Witness(0, START)


def test_entries_are_a_chain(ledger):
    entries = grown(ledger).entries()
    assert [e.seq for e in entries] == [1, 2, 3, 4, 5]
    assert [e.prev for e in entries] == [START, *(e.digest for e in entries[:-1])]
    assert [e.at[14:16] for e in entries] == ["00", "01", "02", "03", "04"]
    assert ledger.head == Witness(5, entries[-1].digest)
    assert verify_lines([e.line for e in entries]) == entries


def test_append_returns_the_entry_that_is_read_back(ledger):
    entry = ledger.append("peeked", {"reason": "board"}, by="ana")
    assert Ledger(ledger.path).entries() == (entry,)


def test_the_lock_file_is_gone_after_an_append(ledger):
    grown(ledger, 1)
    assert [p.name for p in ledger.path.parent.iterdir()] == ["ledger.jsonl"]


def rewrite(ledger, change):
    lines = ledger.path.read_bytes().splitlines(keepends=True)
    ledger.path.write_bytes(b"".join(change(lines)))


@pytest.mark.parametrize(
    ("change", "line", "reason"),
    [
        (lambda ls: [ls[0], ls[1].replace(b'"number":1', b'"number":7'), *ls[2:]], 2, "changed after"),
        (lambda ls: [*ls[:4], ls[4].replace(b'"number":4', b'"number":7')], 5, "changed after"),
        (lambda ls: [ls[0], *ls[2:]], 2, "removed, added or moved"),
        (lambda ls: [ls[1], ls[0], *ls[2:]], 1, "removed, added or moved"),
        (lambda ls: [*ls[:3], ls[2], *ls[3:]], 4, "removed, added or moved"),
        (lambda ls: [x.replace(b"\n", b"\r\n") for x in ls], 1, "CRLF"),
        (lambda ls: [b"\xef\xbb\xbf" + ls[0], *ls[1:]], 1, "byte order mark"),
        (lambda ls: [ls[0], b"\n", *ls[1:]], 2, "not JSON"),
        (lambda ls: [b"x" * (17 * 1024 * 1024), *ls], 1, "longer than"),
    ],
)
def test_a_touched_ledger_names_line_and_reason(ledger, change, line, reason):
    grown(ledger)
    rewrite(ledger, change)
    with pytest.raises(BrokenLedger, match=reason) as caught:
        ledger.entries()
    assert caught.value.values["line"] == line
    before = ledger.path.read_bytes()
    with pytest.raises(BrokenLedger):
        Ledger(ledger.path).append("looked", {})
    assert ledger.path.read_bytes() == before


def test_an_entry_of_a_fork_is_named(ledger):
    grown(ledger)
    entries = ledger.entries()
    other = make_entry(seq=5, kind="looked", at=entries[4].at, by=None, body=body_bytes("looked", {}), prev=entries[2].digest)
    rewrite(ledger, lambda ls: [*ls[:4], other.line + b"\n"])
    with pytest.raises(BrokenLedger, match="fork"):
        ledger.entries()


def test_witness_tells_holds_cut_and_forked(ledger):
    witness = grown(ledger).head
    ledger.append("looked", {})
    assert ledger.compare(witness) == "holds"
    ledger.check(witness)
    rewrite(ledger, lambda ls: ls[:4])
    assert ledger.compare(witness) == "cut"
    with pytest.raises(BrokenLedger, match="tail was cut: 5 entries were seen, 4 are here"):
        ledger.check(witness)
    ledger.append("looked", {"other": True})
    assert ledger.compare(witness) == "forked"
    with pytest.raises(BrokenLedger, match="fork"):
        ledger.check(witness)
    assert ledger.compare(Witness(0, START)) == "holds"


def test_a_newer_schema_is_refused(ledger):
    import hashlib

    import rfc8785

    grown(ledger, 1)
    data = json.loads(ledger.path.read_text())
    data.pop("sha256")
    bare = rfc8785.dumps({**data, "schema": 9})
    ledger.path.write_bytes(bare[:-1] + b',"sha256":"' + hashlib.sha256(bare).hexdigest().encode() + b'"}\n')
    with pytest.raises(LedgerError, match="XPB-L06"):
        ledger.entries()


def test_a_torn_tail_is_cut_and_reported(ledger):
    grown(ledger, 3)
    whole = ledger.path.read_bytes()
    line = grown(Ledger(ledger.path), 1).path.read_bytes()[len(whole) :]
    for kept in (1, 40, len(line) - 2):
        ledger.path.write_bytes(whole + line[:kept])
        reader = Ledger(ledger.path)
        assert len(reader.entries()) == 3
        assert [n.name for n in reader.notices] == ["torn_tail"]
        reader.append("looked", {"after": True})
        entries = reader.entries()
        assert [e.kind for e in entries] == ["looked"] * 3 + ["repaired", "looked"]
        assert entries[3].body["bytes"] == kept
        assert reader.notices == ()


def test_a_last_entry_without_its_line_end_is_kept_whole(ledger):
    grown(ledger, 3)
    ledger.path.write_bytes(ledger.path.read_bytes()[:-1])
    reader = Ledger(ledger.path)
    assert len(reader.entries()) == 3
    assert [n.name for n in reader.notices] == ["missing_line_end"]
    reader.append("looked", {})
    assert [e.kind for e in reader.entries()] == ["looked"] * 3 + ["repaired", "looked"]


def test_a_clock_that_goes_back_is_recorded(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl", clock=fixed_clock("2026-11-03T09:00:00", step_seconds=-400))
    assert ledger.append("registered", {}).set_back_seconds == 0
    entry = ledger.append("looked", {})
    assert entry.set_back_seconds == 400
    assert [n.name for n in ledger.notices] == ["clock_set_back"]
    assert Ledger(ledger.path).entries()[1].set_back_seconds == 400


def test_a_time_that_goes_back_in_silence_is_refused(ledger):
    first = grown(ledger, 1).entries()[0]
    silent = make_entry(seq=2, kind="looked", at="2020-01-01T00:00:00.000000Z", by=None, body=b"{}", prev=first.digest)
    with ledger.path.open("ab") as file:
        file.write(silent.line + b"\n")
    with pytest.raises(BrokenLedger, match="does not say so"):
        ledger.entries()


def test_a_rewrite_of_the_same_size_is_seen_by_the_next_append(ledger):
    grown(ledger, 3)
    before = ledger.path.stat()
    rewrite(ledger, lambda ls: [ls[0].replace(b'"number":0', b'"number":9'), *ls[1:]])
    os.utime(ledger.path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(BrokenLedger):
        ledger.append("looked", {})


@pytest.mark.parametrize("body", [{"a": float("nan")}, [1], {"a": object()}])
def test_a_body_that_cant_be_recorded_touches_nothing(ledger, body):
    with pytest.raises(InputError):
        ledger.append("looked", body)
    assert not ledger.path.exists()
    with pytest.raises(InputError, match="one word"):
        ledger.append("Looked!", {})


def failing(monkeypatch, name, error, *, partial=None):
    real = getattr(os, name)

    def fail(handle, *args):
        path = os.readlink(f"/proc/self/fd/{handle}") if isinstance(handle, int) else str(handle)
        if path.endswith("ledger.jsonl"):
            if partial is not None:
                real(handle, args[0][:partial])
            raise OSError(error, os.strerror(error))
        return real(handle, *args)

    monkeypatch.setattr(os, name, fail)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS, errno.EDQUOT])
@pytest.mark.parametrize(("call", "partial"), [("write", None), ("write", 10), ("fsync", None), ("open", None)])
def test_a_failing_system_call_leaves_the_old_ledger(ledger, monkeypatch, error, call, partial):
    grown(ledger, 2)
    before = ledger.path.read_bytes()
    with monkeypatch.context() as patch:
        failing(patch, call, error, partial=partial)
        with pytest.raises(LedgerError, match="XPB-L05"):
            ledger.append("looked", {"lost": True})
    assert ledger.path.read_bytes() == before
    assert [p.name for p in ledger.path.parent.iterdir()] == ["ledger.jsonl"]
    assert ledger.append("looked", {}).seq == 3


def test_a_short_write_is_taken_back(ledger, monkeypatch):
    grown(ledger, 2)
    before = ledger.path.read_bytes()
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda h, d: real(h, d[:20]) if b'"lost"' in d else real(h, d))
        with pytest.raises(LedgerError, match="No space left"):
            ledger.append("looked", {"lost": True})
    assert ledger.path.read_bytes() == before


def lock_of(ledger, **changes):
    ledger.path.parent.mkdir(parents=True, exist_ok=True)
    lock = ledger.path.with_name("ledger.jsonl.lock")
    lock.write_text(json.dumps({**holder(), **changes}))
    return lock


def test_the_lock_of_a_dead_process_is_taken_over(ledger):
    dead = os.fork()
    if dead == 0:
        os._exit(0)
    os.waitpid(dead, 0)
    lock = lock_of(ledger, pid=dead)
    ledger.append("looked", {})
    assert not lock.exists()


@pytest.mark.parametrize("changes", [{"boot": "before"}, {"started": "1"}])
def test_the_lock_of_another_boot_or_a_reused_pid_is_taken_over(ledger, changes):
    lock_of(ledger, **changes)
    assert ledger.append("looked", {}).seq == 1


@pytest.mark.parametrize("changes", [{}, {"host": "elsewhere"}, {"pid_space": "pid:[1]"}])
def test_the_lock_of_a_process_that_may_live_is_respected(ledger, changes):
    lock = lock_of(ledger, **changes)
    with pytest.raises(LedgerError, match="XPB-L02"):
        Ledger(ledger.path, wait_seconds=0.05).append("looked", {})
    assert lock.exists()


@pytest.mark.parametrize(("content", "age"), [(None, 300), ("", 10), ("{", 10)])
def test_an_old_lock_of_nobody_known_is_taken_over(ledger, content, age):
    lock = lock_of(ledger, host="elsewhere" + platform.node())
    if content is not None:
        lock.write_text(content)
    then = lock.stat().st_mtime - age
    os.utime(lock, (then, then))
    assert ledger.append("looked", {}).seq == 1


def test_a_symbolic_link_is_not_followed(tmp_path):
    target = tmp_path / "elsewhere.jsonl"
    target.write_text("")
    (tmp_path / "ledger.jsonl").symlink_to(target)
    with pytest.raises(LedgerError, match="XPB-L05"):
        Ledger(tmp_path / "ledger.jsonl").append("looked", {})
    with pytest.raises(InputError, match="XPB-I02"):
        Ledger(tmp_path / "ledger.jsonl").entries()
    assert target.read_text() == ""


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_mutation_of_lines_is_caught_by_chain_or_witness(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("m") / "ledger.jsonl"
    ledger = grown(Ledger(path, clock=fixed_clock("2026-11-03T09:00:00", step_seconds=1)), 6)
    witness = ledger.head
    lines = path.read_bytes().splitlines(keepends=True)
    kind = data.draw(st.sampled_from(["delete", "swap", "duplicate", "cut", "edit"]))
    i = data.draw(st.integers(0, 5))
    j = data.draw(st.integers(0, 5).filter(lambda j: j != i))
    if kind == "delete":
        del lines[i]
    elif kind == "swap":
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == "duplicate":
        lines.insert(j, lines[i])
    elif kind == "cut":
        lines = lines[:i]
    else:
        lines[i] = lines[i].replace(b'"ana"', b'"bob"')
    path.write_bytes(b"".join(lines))
    with pytest.raises(BrokenLedger):
        Ledger(path).check(witness)
