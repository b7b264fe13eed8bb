"""Speed of exposing and pulling, as ratios in one run against doing it without xpbench, on the same sandbox.

    python -m benchmarks.expose            all parts, written to benchmarks/results/expose.json
    python -m benchmarks.expose --part calls

On a machine that does other work, too: chrt -f 10 python -m benchmarks.expose (real-time scheduling, as root).

Parts: `calls` (5,000 calls of `expose` a second against the SDK's inline `track`), `pull` (against curl for the same bytes),
`memory` (of a pull of 1 and of 10 million events), `round-trip` (50,000 units from plan to decision over TLS).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mixpanel

import xpbench as xp
from benchmarks.faults import TOKEN, plan
from benchmarks.report import header

RESULTS = Path(__file__).with_name("results") / "expose.json"
RATE = 5_000
SECONDS = 10
CHUNK_LINES = 2_000

SERVER = """
import json, sys
from benchmarks.expose import chunks
from xpbench.mixpanel.sandbox import Sandbox
events = int(sys.argv[1])
with Sandbox(export=(lambda first, last: chunks(events)) if events else None) as box:
    print(json.dumps(box.environment()), flush=True)
    sys.stdin.read()
"""


def chunks(events: int) -> Iterator[bytes]:
    """Lines as the export gives them, one block repeated: the server must not be what is measured."""
    lines = [
        json.dumps(
            {
                "event": "Retirement Quote Started",
                "properties": {
                    "time": 1_772_323_200_000 + i,
                    "distinct_id": f"user-{i}",
                    "$insert_id": f"{i:032x}",
                    "mp_processing_time_ms": 1_772_323_201_000,
                    "platform": "web",
                    "amount": i * 1.25,
                    "page": "/retirement/quote",
                },
            },
            separators=(",", ":"),
        )
        for i in range(CHUNK_LINES)
    ]
    block = ("\n".join(lines) + "\n").encode()
    for _ in range(events // CHUNK_LINES):
        yield block


@contextmanager
def server(events: int = 0) -> Iterator[dict[str, str]]:
    """A sandbox in a process of its own."""
    before = dict(os.environ)
    arguments = [sys.executable, "-c", SERVER, str(events)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        environment = json.loads(process.stdout.readline())
        os.environ.update(environment)
        try:
            yield environment
        finally:
            process.kill()
            os.environ.clear()
            os.environ.update(before)


def spread(times: list[float]) -> dict[str, float]:
    """Percentiles in milliseconds."""
    times.sort()
    n = len(times)
    return {
        "p50_ms": round(times[n // 2] * 1e3, 4),
        "p99_ms": round(times[int(n * 0.99)] * 1e3, 4),
        "p999_ms": round(times[int(n * 0.999)] * 1e3, 4),
        "max_ms": round(times[-1] * 1e3, 3),
    }


def paced(call: Any, count: int, rate: float) -> tuple[list[float], float]:
    """Durations of calls made at a steady rate, and the rate that was reached."""
    times = []
    start = time.perf_counter()
    for i in range(count):
        due = start + i / rate
        while (now := time.perf_counter()) < due:
            if due - now > 3e-4:
                time.sleep(1e-4)
        call(i)
        times.append(time.perf_counter() - now)
    return times, count / (time.perf_counter() - start)


def calls() -> list[dict[str, Any]]:
    rows = []
    with server() as environment, tempfile.TemporaryDirectory() as folder:
        host = environment["MIXPANEL_HOST"]

        def nothing(i: int) -> None:
            sum(range(4_000))

        times, rate = paced(nothing, RATE * 2, RATE)
        rows.append({"what": "the machine itself (a loop of Python)", "calls_per_second": round(rate), **spread(times)})
        inline = mixpanel.Mixpanel(TOKEN, consumer=mixpanel.Consumer(api_host=host, request_timeout=10))
        properties = {"Experiment name": "faults", "Variant name": "beta", "platform": "web"}
        times, rate = paced(lambda i: inline.track(f"u{i}", "$experiment_started", properties), 1_000, 1e9)
        rows.append({"what": "SDK track inline, as fast as it goes", "calls_per_second": round(rate), **spread(times)})
        sdk_p50 = rows[-1]["p50_ms"]
        for sender in ("none", "process", "thread"):
            sdk = mixpanel.Mixpanel(TOKEN, consumer=mixpanel.Consumer(api_host=host))
            with xp.Tracker(plan(), mixpanel=sdk, outbox=Path(folder) / f"{sender}.sqlite", sender=sender) as tracker:
                time.sleep(2.0 if sender == "process" else 0.0)
                times, rate = paced(lambda i, t=tracker: t.expose(f"u{i}", "beta", platform="web"), RATE * SECONDS, RATE)
                row = {"what": f"expose, sender={sender}", "calls_per_second": round(rate), **spread(times)}
                repeats, _ = paced(lambda i, t=tracker: t.expose(f"u{RATE * SECONDS - 1 - i % 50}", "beta"), RATE * 2, RATE)
                if sender != "none":
                    start = time.perf_counter()
                    tracker.flush(timeout=120)
                    row["drained_in_s"] = round(time.perf_counter() - start, 2)
                row["ratio_to_sdk_p50"] = round(sdk_p50 / row["p50_ms"], 1)
                row["repeat_p50_ms"] = spread(repeats)["p50_ms"]
                rows.append(row)
    return rows


PULL = """
import json, resource, sys, time
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.pull import pull
start = time.perf_counter()
with Client.from_environment() as client:
    report = pull(client, sys.argv[1], first="2026-03-01", last="2026-03-01")
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"events": report.events, "bytes": report.days[0].bytes, "seconds": time.perf_counter() - start,
    "cpu_seconds": used.ru_utime + used.ru_stime, "max_rss_mib": used.ru_maxrss / 1024}))
"""


def pull_once(folder: Path) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-c", PULL, str(folder)], check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def curl_once(environment: dict[str, str], target: Path) -> float:
    url = f"https://{environment['MIXPANEL_HOST']}/api/2.0/export?from_date=2026-03-01&to_date=2026-03-01&project_id=1001"
    arguments = [
        "curl",
        "-sS",
        "--fail",
        "--cacert",
        environment["SSL_CERT_FILE"],
        "-H",
        "Accept-Encoding: gzip",
        "-o",
        str(target),
    ]
    user = f"{environment['MIXPANEL_USERNAME']}:{environment['MIXPANEL_SECRET']}"
    start = time.perf_counter()
    subprocess.run([*arguments, "--config", "-", url], input=f'user = "{user}"\n', text=True, check=True)
    return time.perf_counter() - start


def pulls() -> dict[str, Any]:
    """Best of three each, alternating."""
    events = 2_000_000
    if shutil.which("curl") is None:
        raise SystemExit("curl is not installed")
    theirs, ours = [], []
    with server(events) as environment, tempfile.TemporaryDirectory() as made:
        for attempt in range(3):
            theirs.append(curl_once(environment, Path(made) / "curl.gz"))
            time.sleep(1.5)
            ours.append(pull_once(Path(made) / f"pull{attempt}"))
            time.sleep(1.5)
        size = (Path(made) / "curl.gz").stat().st_size
    best = min(ours, key=lambda r: r["seconds"])
    assert best["bytes"] == size, "the same bytes"
    return {
        "events": events,
        "mib_on_the_wire": round(size / 2**20, 1),
        "curl_s": round(min(theirs), 2),
        "pull_s": round(best["seconds"], 2),
        "ratio": round(best["seconds"] / min(theirs), 3),
        "events_per_second": round(events / best["seconds"]),
    }


def memory() -> list[dict[str, Any]]:
    rows = []
    for events in (1_000_000, 10_000_000):
        with server(events), tempfile.TemporaryDirectory() as made:
            row = pull_once(Path(made))
            rows.append({k: round(v, 1) for k, v in row.items()})
    return rows


def round_trip() -> dict[str, Any]:
    from tests.mixpanel.test_round_trip import round_trip as run
    from xpbench.mixpanel.sandbox import Sandbox

    units = 50_000
    start = time.perf_counter()
    with Sandbox() as box, box.trusted(), tempfile.TemporaryDirectory() as folder:
        found = run(box, Path(folder), units)
    return {"units": units, **found, "seconds": round(time.perf_counter() - start, 1)}


PARTS = {"calls": calls, "pull": pulls, "memory": memory, "round-trip": round_trip}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", action="append", choices=list(PARTS))
    args = parser.parse_args()
    document: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    document |= {
        **header("python -m benchmarks.expose", ("mixpanel",)),
        "sqlite": sqlite3.sqlite_version,
        "scheduling": "real time" if os.sched_getscheduler(0) == os.SCHED_FIFO else "normal",
    }
    for name in args.part or PARTS:
        document[name] = PARTS[name]()
        print(name, json.dumps(document[name], indent=1), flush=True)
    document["max_rss_mib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
