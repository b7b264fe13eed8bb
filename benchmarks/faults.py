"""What survives which fault: exposures acknowledged to the caller, against what Mixpanel has after its own de-duplication.

    python -m benchmarks.faults                 the full table, written to benchmarks/results/faults.json
    python -m benchmarks.faults --short         the version that CI runs

The sandbox runs in a process of its own; callers are forked, so that a killed one is a process that is really gone. An
acknowledgement counts when the caller has told it through a pipe, after `expose` had returned.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import mixpanel

import xpbench as xp
from benchmarks.report import header
from tests.builders import make_plan, metric
from xpbench.expose.event import INCIDENT_EVENT
from xpbench.expose.sender import Backoff
from xpbench.mixpanel.sandbox.store import SandboxStore
from xpbench.plan import Plan

RESULTS = Path(__file__).with_name("results") / "faults.json"
TOKEN = "sandbox-token"  # noqa: S105 - not a secret: the sandbox's own


def plan() -> Plan:
    return make_plan([metric("m", "conversion", event="E", window_days=7)], key="faults", owner="benchmarks", lift=0.1)


SERVER = """
import json, sys
from xpbench.mixpanel.sandbox import Sandbox
with Sandbox(port=int(sys.argv[1]), store=sys.argv[2], seed=int(sys.argv[3])) as box:
    print(json.dumps(box.environment()), flush=True)
    sys.stdin.read()
"""


class Server:
    """The sandbox in a process of its own, which can be taken down and up again on the same port and store."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.store_path = folder / "server.sqlite"
        self.seed = seed
        self.port = 0
        self.up()

    def up(self) -> None:
        arguments = [sys.executable, "-c", SERVER, str(self.port), str(self.store_path), str(self.seed)]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.environment = json.loads(self.process.stdout.readline())
        os.environ.update(self.environment)
        self.port = int(self.environment["MIXPANEL_HOST"].rsplit(":", 1)[1])

    def down(self) -> None:
        self.process.kill()
        self.process.wait()

    def faults(self, **faults: Any) -> None:
        url = f"https://{self.environment['MIXPANEL_HOST']}/_sandbox/faults"
        httpx.post(url, json=faults, timeout=20).raise_for_status()

    def arrived(self) -> list[dict[str, Any]]:
        store = SandboxStore(str(self.store_path))
        try:
            return store.arrived(TOKEN)
        finally:
            store.close()


@dataclass
class Row:
    """One line of the table."""

    fault: str
    runs: int = 0
    calls: int = 0
    acknowledged: int = 0
    delivered: int = 0
    dead_letters: int = 0
    lost: int = 0
    duplicates: int = 0
    sent_again: int = 0
    out_of_order: int = 0
    exceptions: int = 0
    slowest_call_ms: float = 0.0
    seconds: float = 0.0
    note: str = ""

    @property
    def is_good(self) -> bool:
        return self.lost == self.duplicates == self.out_of_order == self.exceptions == 0 and self.acknowledged > 0


@dataclass
class Bench:
    """A folder, a server, and an outbox that callers share."""

    folder: Path
    server: Server
    row: Row
    acknowledged: set[str] = field(default_factory=set)
    outbox: Path = Path()
    options: dict[str, Any] = field(default_factory=dict)

    def tracker(self, **options: Any) -> xp.Tracker:
        sdk = mixpanel.Mixpanel(TOKEN, consumer=mixpanel.Consumer(api_host=self.server.environment["MIXPANEL_HOST"]))
        merged = {
            "outbox": self.outbox,
            "interval": 0.01,
            "timeout": 1.0,
            "exit_seconds": 0.0,
            "backoff": Backoff(base=0.02, cap=0.2),
            **self.options,
            **options,
        }
        return xp.Tracker(plan(), mixpanel=sdk, **merged)

    def call(self, units: Iterator[str], *, kill_after: float | None = None, pause: float = 0.0, **options: Any) -> int:
        """Fork a caller that exposes units, each with control and then with beta; returns its pid and reads what it tells."""
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            code = 1
            with contextlib.suppress(BaseException):
                code = _caller(self, units, writer, pause, options)
            os._exit(code)
        os.close(writer)
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(pid, signal.SIGKILL)
        with os.fdopen(reader) as told:
            for line in told:
                if not line.endswith("\n"):
                    continue  # the caller died in the middle of telling
                kind, value = line.split()
                if kind == "ack":
                    self.acknowledged.add(value)
                elif kind == "calls":
                    self.row.calls += int(value)
                elif kind == "slowest":
                    self.row.slowest_call_ms = max(self.row.slowest_call_ms, float(value) * 1000)
                elif kind == "exception":
                    self.row.exceptions += 1
        os.waitpid(pid, 0)
        self.row.runs += 1
        return pid

    def drain(self, seconds: float = 300.0) -> None:
        self.server.faults()
        with self.tracker() as tracker:
            if not tracker.flush(timeout=seconds):
                raise TimeoutError(f"{self.row.fault}: {tracker.status().pending} events still wait, so nothing can be counted")
            self.row.dead_letters = tracker.status().dead
            self.dead = {d.event["properties"]["distinct_id"] for d in tracker.dead_letters()}

    def count(self) -> None:
        """Compare what was acknowledged with what is there."""
        row = self.row
        arrived = self.server.arrived()
        keys: dict[tuple[Any, ...], int] = {}
        first: dict[tuple[str, str], int] = {}
        for position, event in enumerate(arrived):
            p = event["properties"]
            key = (event["event"], p["distinct_id"], p["time"], p["$insert_id"])
            keys[key] = keys.get(key, 0) + 1
            first.setdefault((event["event"], p["distinct_id"]), position)
        exposures: dict[str, int] = {}
        for name, unit, _, _ in keys:
            if name == "$experiment_started":
                exposures[unit] = exposures.get(unit, 0) + 1
        row.acknowledged = len(self.acknowledged)
        row.delivered = len(exposures)
        row.lost = len(self.acknowledged - exposures.keys() - self.dead)
        row.duplicates = sum(n - 1 for n in exposures.values())
        row.sent_again = len(arrived) - len(keys)
        row.out_of_order = sum(
            1
            for (name, unit), at in first.items()
            if name == INCIDENT_EVENT and at < first.get(("$experiment_started", unit), -1)
        )


def _caller(bench: Bench, units: Iterator[str], writer: int, pause: float, options: dict[str, Any]) -> int:
    slowest = 0.0
    clock = options.pop("clock", None)
    tracker = bench.tracker(**options, **({"clock": clock} if clock else {}))

    def tell(kind: str, value: Any) -> None:
        os.write(writer, f"{kind} {value}\n".encode())

    for unit in units:
        try:
            start = time.perf_counter()
            result = tracker.expose(unit, "control")
            slowest = max(slowest, time.perf_counter() - start)
            if result.is_acknowledged:
                tell("ack", unit)
            tracker.expose(unit, "beta")
            tell("calls", 2)
        except Exception:  # noqa: BLE001 - what the table counts
            tell("exception", 1)
        if pause:
            time.sleep(pause)
    tell("slowest", slowest)
    tracker.close()
    return 0


def ids(prefix: str, count: int) -> Iterator[str]:
    return (f"{prefix}-{i}" for i in range(count))


Scenario = Callable[[Bench, "Scale"], None]


@dataclass(frozen=True)
class Scale:
    units: int
    kills: int
    down_seconds: float

    @classmethod
    def full(cls) -> Scale:
        return cls(units=5_000, kills=300, down_seconds=60.0)

    @classmethod
    def short(cls) -> Scale:
        return cls(units=150, kills=12, down_seconds=1.0)


def no_fault(bench: Bench, scale: Scale) -> None:
    bench.call(ids("u", scale.units))


def server_down(bench: Bench, scale: Scale) -> None:
    bench.server.down()
    bench.call(ids("u", scale.units), pause=scale.down_seconds / scale.units / 2)
    time.sleep(scale.down_seconds / 2)
    bench.server.up()


def errors(bench: Bench, scale: Scale) -> None:
    bench.server.faults(fail=0.15, fail_after=0.15, path="/import")
    bench.call(ids("u", scale.units), pause=0.002)
    bench.row.note = "half of the 5xx after the events were taken in"


def storms(bench: Bench, scale: Scale) -> None:
    for part in range(4):
        bench.server.faults(**({"throttle": 1.0, "throttle_after": 0.2, "path": "/import"} if part % 2 == 0 else {}))
        bench.call(ids(f"u{part}", scale.units // 4), pause=0.002)


def hanging(bench: Bench, scale: Scale) -> None:
    bench.server.faults(hang=0.5, path="/import")
    bench.options["timeout"] = 0.3
    bench.call(ids("u", scale.units), pause=0.002)


def cut(bench: Bench, scale: Scale) -> None:
    bench.server.faults(cut=0.2, cut_after=0.2, truncate=0.2, path="/import")
    bench.call(ids("u", scale.units), pause=0.002)


def partial(bench: Bench, scale: Scale) -> None:
    bench.call(ids("u", scale.units), sender="none")
    db = sqlite3.connect(bench.outbox, isolation_level=None)
    rows = db.execute("SELECT id, event FROM pending WHERE event LIKE '%experiment_started%'").fetchall()
    draw = random.Random(5)
    for id_, text in draw.sample(rows, len(rows) // 20):
        event = json.loads(text)
        event["properties"]["$insert_id"] = "not_allowed"
        db.execute("UPDATE pending SET event = ? WHERE id = ?", (json.dumps(event), id_))
    db.close()
    bench.row.note = "every 20th exposure made invalid: a dead letter with its reason, neighbours taken once"


def clock_jump(bench: Bench, scale: Scale) -> None:
    start, shift = time.time(), [0.0]

    def jumping() -> datetime:
        elapsed = time.time() - start
        shift[0] = 2 * 86_400.0 if 0.3 < elapsed % 1.0 < 0.5 else -3 * 3_600.0 if elapsed % 1.0 > 0.8 else 0.0
        return datetime.fromtimestamp(time.time() + shift[0], UTC)

    bench.call(ids("u", scale.units), pause=2.0 / scale.units, clock=jumping)
    bench.row.note = "two days ahead and three hours back, every second"


def disk_full(bench: Bench, scale: Scale) -> None:
    small = bench.folder / "small"
    small.mkdir()
    mounted = (
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(small)], capture_output=True).returncode == 0
    )
    if not mounted:
        bench.row.note = "skipped: this user may not mount a small disk"
        bench.call(ids("u", 10))
        return
    bench.outbox = small / "out.sqlite"
    try:
        bench.call(ids("u", max(600, scale.units)), sender="none")
        size = sum(p.stat().st_size for p in small.iterdir())
        bench.row.note = f"a disk of 512 KiB, {size // 1024} KiB used; calls beyond were not acknowledged"
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        bench.drain()
        bench.count()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)


def kills(bench: Bench, scale: Scale) -> None:
    draw = random.Random(3)
    bench.server.faults(fail_after=0.1, cut_after=0.1, path="/import")
    for run in range(scale.kills):
        bench.call(ids(f"r{run}", 10_000), kill_after=draw.uniform(0.03, 0.25), pause=0.001)
    bench.row.note = "killed 30 to 250 ms after its start; one outbox through all runs"


def relay_kills(bench: Bench, scale: Scale) -> None:
    """The relay process is killed while a caller goes on."""
    count = max(3, scale.kills // 30)
    watcher = os.fork()
    if watcher == 0:
        draw = random.Random(4)
        end = time.monotonic() + count * 1.2
        while time.monotonic() < end:
            time.sleep(draw.uniform(0.5, 1.0))
            for entry in Path("/proc").iterdir():
                with contextlib.suppress(OSError, ValueError):
                    line = (entry / "cmdline").read_bytes()
                    if b"xpbench.expose.relay" in line and str(os.getppid()).encode() not in entry.name.encode():
                        parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                        grand = int((Path("/proc") / str(parent) / "stat").read_text().rsplit(")", 1)[1].split()[1])
                        if grand == os.getppid():
                            os.kill(int(entry.name), signal.SIGKILL)
        os._exit(0)
    bench.call(ids("u", count * 100), pause=0.01, sender="process")
    os.waitpid(watcher, 0)


def two_processes(bench: Bench, scale: Scale) -> None:
    """Two callers at once with the same units and the same outbox."""
    reader, writer = os.pipe()
    other = os.fork()
    if other == 0:
        os.close(reader)
        with contextlib.suppress(BaseException):
            _caller(bench, ids("u", scale.units), writer, 0.001, {"max_block": 2.0})
        os._exit(0)
    os.close(writer)
    bench.call(ids("u", scale.units), pause=0.001, max_block=2.0)
    with os.fdopen(reader) as told:
        bench.acknowledged |= {line.split()[1] for line in told if line.startswith("ack") and line.endswith("\n")}
    os.waitpid(other, 0)
    bench.row.runs += 1
    bench.row.calls *= 2


SCENARIOS: dict[str, Scenario] = {
    "no fault": no_fault,
    "server down": server_down,
    "30 % 5xx": errors,
    "429 storms": storms,
    "hanging sockets": hanging,
    "cut and truncated answers": cut,
    "partial 400": partial,
    "clock jump": clock_jump,
    "disk full": disk_full,
    "kill -9 of caller and sender": kills,
    "kill -9 of the relay process": relay_kills,
    "two processes, one outbox": two_processes,
}


def run(name: str, scale: Scale) -> Row:
    """One scenario in a fresh folder with a fresh server."""
    before = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="xpbench-faults-") as made:
        folder = Path(made)
        server = Server(folder, seed=1)
        bench = Bench(folder, server, Row(name), outbox=folder / "out.sqlite")
        start = time.monotonic()
        try:
            SCENARIOS[name](bench, scale)
            if name != "disk full" or "skipped" in bench.row.note:
                bench.drain()
                bench.count()
        finally:
            server.down()
            os.environ.clear()
            os.environ.update(before)
    bench.row.seconds = round(time.monotonic() - start, 1)
    bench.row.slowest_call_ms = round(bench.row.slowest_call_ms, 1)
    return bench.row


COLUMNS = (
    "fault", "runs", "calls", "acknowledged", "delivered", "dead_letters", "lost", "duplicates", "sent_again", "out_of_order",
    "exceptions", "slowest_call_ms", "seconds",
)  # fmt: skip


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| " + " | ".join(c.replace("_", " ") for c in COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    lines += ["| " + " | ".join(str(getattr(r, c)) for c in COLUMNS) + " |" for r in rows]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", action="append", choices=list(SCENARIOS))
    args = parser.parse_args()
    scale = Scale.short() if args.short else Scale.full()
    rows = []
    for name in args.only or SCENARIOS:
        rows.append(run(name, scale))
        print(table(rows[-1:]).splitlines()[-1], rows[-1].note, flush=True)
    print(table(rows))
    if not args.short and not args.only:
        document = {
            **header("python -m benchmarks.faults", ("mixpanel",)),
            "sqlite": sqlite3.sqlite_version,
            "rows": [asdict(r) for r in rows],
        }
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0 if all(r.is_good for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
