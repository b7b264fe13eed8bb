"""Several processes write one ledger; processes are killed while they write."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from xpbench.ledger import Ledger

WRITER = """
import sys
from xpbench.ledger import Ledger
ledger = Ledger(sys.argv[1], wait_seconds=60)
for number in range(int(sys.argv[2])):
    entry = ledger.append("looked", {"writer": sys.argv[3], "number": number})
    print(entry.seq, flush=True)
"""


def started(path, count, name):
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(count), name], stdout=subprocess.PIPE, text=True)


def test_eight_writers_make_one_chain(tmp_path):
    path = tmp_path / "ledger.jsonl"
    count = 60
    writers = [started(path, count, str(i)) for i in range(8)]
    acknowledged = [line for w in writers for line in w.communicate(timeout=120)[0].split()]
    assert [w.returncode for w in writers] == [0] * 8
    entries = Ledger(path).entries()
    assert len(entries) == 8 * count
    assert sorted(map(int, acknowledged)) == list(range(1, 8 * count + 1))
    for i in range(8):
        assert [e.body["number"] for e in entries if e.body["writer"] == str(i)] == list(range(count))


def test_threads_share_one_ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger.jsonl", wait_seconds=60)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda i: Ledger(ledger.path, wait_seconds=60).append("looked", {"i": i}), range(40)))
    assert len(ledger.entries()) == 40


def test_a_killed_writer_loses_nothing_that_was_acknowledged(tmp_path):
    path = tmp_path / "ledger.jsonl"
    seen = 0
    for run in range(12):
        writer = started(path, 10_000, str(run))
        while not writer.stdout.readline():
            time.sleep(0.001)
        time.sleep(0.004 * (run % 5))
        os.kill(writer.pid, signal.SIGKILL)
        last = [int(x) for x in writer.communicate()[0].split()[-1:]] or [0]
        entries = Ledger(path).entries()
        assert len(entries) >= max(seen, *last)
        seen = len(entries)
    assert Ledger(path).append("looked", {}).seq >= seen + 1
