"""What the extension adds to JupyterLab's start, and how fast 500 experiments are listed.

    python -m benchmarks.lab_start DIR --prepare    once: the wheel in an environment of its own, 500 experiments
    python -m benchmarks.lab_start DIR              measures; writes results/lab_start.json

The same JupyterLab is started with both parts of the extension and with both switched off by configuration, in turn, so that a
slow moment of the machine hits both. A page counts as started when its launcher is on the screen and the application says that
it is restored. Beside the seconds that pass stand those that a processor worked, which other programs of the machine hardly
lengthen: of the server's process until it answers, and of the page's main thread.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lab import browser
from benchmarks.report import write
from tests.lab.installed import Installed, install, jupyterlab

PAGES = 12
STARTS = 6
LISTS = 20
EXPERIMENTS = 500

STARTED = """async () => {
  const app = window.jupyterapp; if (!app) return false; await app.restored;
  return document.querySelector('.jp-LauncherCard') !== null; }"""


def prepare(folder: Path) -> None:
    """The environment, and a folder with experiments."""
    import xpbench as xp
    from tests.test_experiment import plan
    from xpbench.ledger import fixed_clock

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    installed = install(folder)
    (folder / "installed.json").write_text(
        json.dumps([str(installed.wheel), str(installed.prefix), installed.python, installed.environment])
    )
    clock = fixed_clock("2026-11-03T09:00:00", step_seconds=60)
    for n in range(EXPERIMENTS):
        xp.register(plan(key=f"e{n:03}", title=f"Experiment {n:03}"), folder / "home" / "experiments", clock=clock)


def prepared(folder: Path, *, on: bool) -> Installed:
    """The environment, with the extension or with both of its parts switched off."""
    wheel, prefix, python, environment = json.loads((folder / "installed.json").read_text())
    config = folder / ("on" if on else "off")
    shutil.rmtree(config, ignore_errors=True)
    disabled = {"@jupyterlab/apputils-extension:announcements": True} | ({} if on else {"@xpbench/labextension": True})
    (config / "labconfig").mkdir(parents=True)
    (config / "labconfig" / "page_config.json").write_text(json.dumps({"disabledExtensions": disabled}))
    server = {"ServerApp": {"jpserver_extensions": {"xpbench": on}}}
    (config / "jupyter_server_config.json").write_text(json.dumps(server))
    own = {"JUPYTER_CONFIG_DIR": str(config), "JUPYTER_DATA_DIR": str(config / "d"), "JUPYTER_RUNTIME_DIR": str(config / "r")}
    return Installed(Path(wheel), Path(prefix), python, environment | own)


@dataclass(frozen=True)
class Cost:
    """Of one start: seconds that passed, and seconds that a processor worked for it."""

    passed: float
    worked: float


@contextmanager
def running(folder: Path, *, on: bool) -> Iterator[tuple[str, Cost]]:
    """JupyterLab and what it cost until it answered."""
    began = time.perf_counter()
    with jupyterlab(prepared(folder, on=on), folder / "home") as base:
        yield base, Cost(time.perf_counter() - began, processor_seconds(f"--port={base.rpartition(':')[2]}"))


def processor_seconds(argument: str) -> float:
    """Seconds of user and system time so far of the process that was started with an argument (Linux)."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if argument.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            continue
    raise LookupError(argument)


def page_cost(page: Any, base: str) -> Cost:
    """From the request of the page to its launcher: what passed, and what its main thread worked."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    began, before = time.perf_counter(), worked_by(session)
    page.goto(f"{base}/lab?token=t&reset", wait_until="domcontentloaded")
    while not page.evaluate(STARTED):
        page.wait_for_timeout(10)
    out = Cost(time.perf_counter() - began, worked_by(session) - before)
    session.detach()
    return out


def worked_by(session: Any) -> float:
    """Processor seconds of the page's tasks so far."""
    metrics = {m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]}
    return float(metrics["TaskDuration"])


def difference(with_it: list[float], without: list[float]) -> dict[str, float]:
    """Medians, and the median of the differences of neighbours with an interval by the sign test (about 95 %)."""
    pairs = sorted(a - b for a, b in zip(with_it, without, strict=True))
    skip = {6: 0, 12: 2}.get(len(pairs), 0)
    return {
        "with_s": round(statistics.median(with_it), 3),
        "without_s": round(statistics.median(without), 3),
        "difference_s": round(statistics.median(pairs), 3),
        "difference_low_s": round(pairs[skip], 3),
        "difference_high_s": round(pairs[-1 - skip], 3),
        "pairs": len(pairs),
    }


def both(costs: dict[bool, list[Cost]]) -> dict[str, Any]:
    """Seconds passed and seconds worked, each with and without the extension."""
    return {
        "passed": difference([c.passed for c in costs[True]], [c.passed for c in costs[False]]),
        "worked": difference([c.worked for c in costs[True]], [c.worked for c in costs[False]]),
    }


def measure(folder: Path, *, pages: int, starts: int) -> dict[str, Any]:
    """All figures."""
    served: dict[bool, list[Cost]] = {True: [], False: []}
    shown: dict[bool, list[Cost]] = {True: [], False: []}
    for n in range(starts):
        for on in (True, False) if n % 2 == 0 else (False, True):
            with running(folder, on=on) as (_, cost):
                served[on].append(cost)
    with running(folder, on=True) as (base, _), running(folder, on=False) as (plain, _), browser() as watched:
        address = {True: base, False: plain}
        for on in (True, False):
            page_cost(watched.page, address[on])  # the first fills the caches of browser and server
        for n in range(pages):
            for on in (True, False) if n % 2 == 0 else (False, True):
                shown[on].append(page_cost(watched.page, address[on]))
        watched.page.goto("about:blank")  # a page in view asks for lists itself
        first, port = list_ms(base), f"--port={base.rpartition(':')[2]}"
        before = processor_seconds(port)
        listed = [list_ms(base) for _ in range(LISTS - 1)]
        worked = (processor_seconds(port) - before) / len(listed)
        assert watched.strangers == []
    static = prepared(folder, on=True).prefix / "share/jupyter/labextensions/@xpbench/labextension/static"
    sizes = {p.name: p.stat().st_size for p in sorted(static.glob("*.js"))}
    return {
        "bar": "adds under 50 KB and no measurable delay; 500 experiments listed in under 300 ms server side",
        "start_of_the_server": both(served),
        "start_of_the_page": both(shown),
        "bytes_added": {"total": sum(sizes.values()), "files": sizes},
        "list_of_500_ms": {
            "first": first,
            "median": statistics.median(listed),
            "worst_after_first": max(listed),
            "worked_each": round(worked * 1000, 1),
        },
    }


def list_ms(base: str) -> float:
    """Server-side milliseconds of one list, as the answer tells."""
    with urllib.request.urlopen(f"{base}/xpbench/api/experiments?token=t", timeout=60) as answer:  # noqa: S310
        assert len(json.loads(answer.read())["items"]) == EXPERIMENTS
        return float(answer.headers["Server-Timing"].partition("dur=")[2])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prepare", action="store_true")
    parser.add_argument("--pages", type=int, default=PAGES)
    parser.add_argument("--starts", type=int, default=STARTS)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    folder = args.folder.resolve()
    if args.prepare:
        prepare(folder)
        return 0
    result = measure(folder, pages=args.pages, starts=args.starts)
    write("lab_start", result, command="python -m benchmarks.lab_start DIR", packages=("jupyterlab", "jupyter_server"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
