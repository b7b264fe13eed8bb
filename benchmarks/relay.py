"""The relay: `/expose` next to a bare ASGI handler, and exposures of four machines through kills and an outage.

    python -m benchmarks.relay --requests 2000 --exposures 50000

Writes benchmarks/results/relay.json. The machines are processes that share nothing; two relays share a Postgres of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

import xpbench as xp
from benchmarks.report import write
from tests.builders import metric, plan_document

PLAN = plan_document(
    [metric("quotes", "conversion", event="Quote", window_days=7)],
    key="beta-homepage",
    assignment={"hash": "sha256", "salt": "s"},
)

BARE = """
import sys, uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http": return
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{}"})
uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False, ws="none", lifespan="off")
"""


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def relay(plan: Path, outbox: str, port: int, env: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "xpbench.cli", "relay", str(plan), "--port", str(port), "--outbox", outbox, "--json"]
    return subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.DEVNULL, text=True)


def up(port: int) -> None:
    for _ in range(600):
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False)
            return
        time.sleep(0.05)
    raise SystemExit("the server did not start")


def times(port: int, bodies: list[bytes]) -> dict[str, float]:
    taken = []
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        for body in bodies:
            began = time.perf_counter()
            client.post("/expose", content=body)
            taken.append(1_000 * (time.perf_counter() - began))
    cut = statistics.quantiles(taken[len(taken) // 10 :], n=100)
    return {"p50_ms": round(cut[49], 3), "p99_ms": round(cut[98], 3)}


def latency(plan: Path, folder: Path, requests: int) -> dict[str, Any]:
    bodies = [json.dumps({"unit": f"user-{i}", "properties": {"page": "home"}}).encode() for i in range(requests)]
    out: dict[str, Any] = {"requests": requests, "bare": [], "relay": []}
    bare_port, relay_port = free_port(), free_port()
    bare = subprocess.Popen([sys.executable, "-c", BARE, str(bare_port)])
    served = relay(
        plan, str(folder / "latency.sqlite"), relay_port, {"MIXPANEL_TOKEN": "token", "MIXPANEL_HOST": "127.0.0.1:9"}
    )
    try:
        up(bare_port)
        up(relay_port)
        half = len(bodies) // 2
        for part in (bodies[:half], bodies[half:]):  # by turns, so that other work of the machine meets both
            out["bare"].append(times(bare_port, part))
            out["relay"].append(times(relay_port, part))
    finally:
        bare.kill()
        served.terminate()
        served.wait(20)
    return out


@contextlib.contextmanager
def postgres() -> Any:
    tools = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    folder = tempfile.mkdtemp(prefix="pg-")
    who: dict[str, Any] = {}
    if os.getuid() == 0:
        pwd.getpwnam("postgres")
        shutil.chown(folder, "postgres", "postgres")
        who = {"user": "postgres", "group": "postgres"}
    run: dict[str, Any] = {"check": True, "capture_output": True, "cwd": folder, **who}
    subprocess.run([tools / "initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "xpb", "--no-sync"], **run)
    options = f"-k {folder} -c listen_addresses=''"
    subprocess.run([tools / "pg_ctl", "-D", f"{folder}/data", "-w", "-o", options, "-l", f"{folder}/log", "start"], **run)
    try:
        yield f"postgresql://xpb@/postgres?host={folder}"
    finally:
        subprocess.run([tools / "pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop"], **{**run, "check": False})
        shutil.rmtree(folder, ignore_errors=True)


def machine(ports: list[int], number: int, units: int, out: Any) -> None:
    """A machine with its own state: every unit, in its own order, to whichever relay answers."""
    order = [f"user-{(i * 7 + number * units // 4) % units}" for i in range(units)] if units % 7 else None
    names = order or [f"user-{i}" for i in range(units)]
    done, asked = 0, 0
    with httpx.Client(timeout=5.0, trust_env=False) as client:
        for start in range(0, units, 25):
            batch = [{"unit": u} for u in names[start : start + 25]]
            while True:
                asked += 1
                with contextlib.suppress(httpx.HTTPError):
                    port = ports[(asked + number) % len(ports)]
                    if client.post(f"http://127.0.0.1:{port}/expose", json=batch).status_code == 200:
                        done += len(batch)
                        break
                time.sleep(0.05)
    out.put(done)


def through_kills(plan: Path, exposures: int) -> dict[str, Any]:
    from xpbench.mixpanel.sandbox import Sandbox

    units = exposures // 4
    kills = 0
    with Sandbox() as box, postgres() as address:
        box.faults.set(fail=0.3)
        ports = [free_port(), free_port()]
        relays = [relay(plan, address, p, box.environment()) for p in ports]
        for p in ports:
            up(p)
        context = multiprocessing.get_context("spawn")
        out = context.Queue()
        began = time.perf_counter()
        machines = [context.Process(target=machine, args=(ports, n, units, out)) for n in range(4)]
        for m in machines:
            m.start()
        while any(m.is_alive() for m in machines):
            time.sleep(4.0)
            at = kills % 2
            relays[at].send_signal(signal.SIGKILL)
            relays[at].wait()
            kills += 1
            relays[at] = relay(plan, address, ports[at], box.environment())
            up(ports[at])
        acknowledged = sum(out.get() for _ in machines)
        taken = time.perf_counter() - began
        end = time.monotonic() + 300
        while time.monotonic() < end:
            if len({e["properties"]["distinct_id"] for e in box.deduplicated()}) >= units:
                break
            time.sleep(0.5)
        counted = Counter(e["properties"]["distinct_id"] for e in box.deduplicated() if e["event"] == "$experiment_started")
        for r in relays:
            r.terminate()
            r.wait(20)
    wanted = {f"user-{i}" for i in range(units)}
    return {
        "exposures_acknowledged": acknowledged,
        "units": units,
        "machines": 4,
        "relays_killed": kills,
        "share_of_5xx": 0.3,
        "lost": len(wanted - set(counted)),
        "double": sum(n > 1 for n in counted.values()),
        "seconds": round(taken, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--exposures", type=int, default=50_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.json"
        plan.write_text(json.dumps(xp.Plan(**PLAN).to_dict()))
        result = {"latency": latency(plan, Path(folder), args.requests), "kills": through_kills(plan, args.exposures)}
    print(json.dumps(result, indent=2))
    write(
        "relay",
        result,
        command=f"python -m benchmarks.relay --requests {args.requests} --exposures {args.exposures}",
        packages=("uvicorn", "psycopg"),
    )


if __name__ == "__main__":
    main()
