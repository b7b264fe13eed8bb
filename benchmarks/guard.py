"""Regression guard for speed: key ratios against a reference job in the same run, compared with what is committed.

    python -m benchmarks.guard            measures, compares with benchmarks/guard.json, exits 1 on a loss of 20 % or more
    python -m benchmarks.guard --update   measures and writes benchmarks/guard.json
    python -m benchmarks.guard --only "native hash" "ledger append"

Every ratio is the cost of ours divided by the cost of a job that nobody here can make slower (the SDK, hashlib, hand-written
SQL, write and fsync, a bare interpreter), so that a slower machine moves both. The two take turns, and the median of the turns'
ratios counts; what seems lost is measured again, twice at most, and the best of the medians counts: a busy machine only ever
adds. Where both jobs compute, processor time is taken; where they wait for a disk or start a process, wall time.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import header

COMMITTED = Path(__file__).with_name("guard.json")
TOLERANCE = 0.2
Job = Callable[[], Any]


@dataclass(frozen=True)
class Ratio:
    """Two jobs that do the same work.

    Attributes:
        own: What we do.
        reference: What it is measured against.
        turns: How often they take turns.
        clock: `cpu` or `wall`.
    """

    own: Job
    reference: Job
    turns: int = 7
    clock: str = "cpu"


def assignment(folder: Path) -> dict[str, Ratio]:
    """Hashes and flags against the SDK and hashlib, per id."""
    import pyarrow as pa
    from mixpanel.flags.types import SelectedVariant
    from mixpanel.flags.utils import normalized_hash

    from benchmarks.assign import SALT, definition, sdk_for, uuids
    from xpbench.randomiser.definitions import read_flag
    from xpbench.randomiser.hashing import buckets, uniform
    from xpbench.randomiser.ids import UnitIds
    from xpbench.randomiser.single import prefix

    ids = uuids(400_000)
    array, few = pa.array(ids), ids[:10_000]
    salt = "checkout" + SALT + "variant"
    head, data = prefix("variant", "checkout").encode(), [i.encode() for i in ids]
    made = definition(SALT, targeted=False)
    provider, flag, none = sdk_for(made), read_flag(made), SelectedVariant(variant_value=None)
    contexts = [{"distinct_id": i} for i in few]
    given = UnitIds(array)
    sha = hashlib.sha256
    return {
        "Mixpanel hash to SDK, 40 times the ids": Ratio(
            lambda: buckets(array, salt=salt), lambda: [normalized_hash(i, salt) for i in few]
        ),
        "native hash to hashlib": Ratio(
            lambda: uniform(array, salt="checkout"), lambda: [sha(head + b).digest() for b in data]
        ),
        "flag to SDK, 40 times the ids": Ratio(
            lambda: flag.column(given),
            lambda: [provider.get_variant("checkout", none, c, report_exposure=False) for c in contexts],
        ),
    }


def engine(folder: Path) -> dict[str, Ratio]:
    """A log and a table of units against hand-written SQL."""
    from benchmarks import engine as log
    from benchmarks import stats as table

    path, units = folder / "log.parquet", folder / "units.parquet"
    log.generate(path, events=600_000, units=60_000)
    table.generate(units, rows=400_000, metrics=5)
    ours, hand = log.CASES["xpbench"], log.CASES["hand SQL"]
    return {
        "event log to hand SQL": Ratio(lambda: ours(str(path), None), lambda: hand(str(path), None), turns=5),
        "table of units to hand SQL": Ratio(
            lambda: table.xpbench(str(units), 5, True), lambda: table.hand_sql(str(units), 5, True), turns=5
        ),
    }


def statistic(folder: Path) -> dict[str, Ratio]:
    """Welch's interval of effect and lift against scipy's p-value alone."""
    from scipy import stats

    from xpbench.stats.inference import absolute, p_fixed, relative
    from xpbench.stats.moments import Moments
    from xpbench.stats.multipliers import q_fixed
    from xpbench.stats.pairs import mean_pair

    def own() -> None:
        for i in range(200):
            pair = mean_pair(Moments.of(1000 + i, [1.0], [[2.0]]), Moments.of(1000, [1.1], [[2.0]]))
            q = q_fixed(0.05, pair.df)
            absolute(pair, q)
            relative(pair, q)
            p_fixed(pair)

    def theirs() -> None:
        for i in range(200):
            stats.ttest_ind_from_stats(1.1, 2**0.5, 1000, 1.0, 2**0.5, 1000 + i, equal_var=False)

    return {"effect and lift to scipy's p-value": Ratio(own, theirs)}


def ledger(folder: Path) -> dict[str, Ratio]:
    """Appending against write and fsync, reading against json and sha256."""
    from xpbench.ledger import Ledger

    book, body = Ledger(folder / "a.jsonl"), {"text": "x" * 400}
    handle = os.open(folder / "bare", os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def append() -> None:
        for _ in range(25):
            book.append("looked", body)

    def bare() -> None:
        for _ in range(25):
            os.write(handle, b"x" * 700)
            os.fsync(handle)

    long = Ledger(folder / "long.jsonl")
    for _ in range(300):
        long.append("looked", body)
    lines = (folder / "long.jsonl").read_bytes().splitlines()

    def parse() -> None:
        for line in lines:
            hashlib.sha256(line).digest()
            json.loads(line)

    return {
        "ledger append to write and fsync": Ratio(append, bare, clock="wall"),
        "ledger reading to json and sha256": Ratio(lambda: Ledger(folder / "long.jsonl").entries(), parse),
    }


def exposing(folder: Path) -> dict[str, Ratio]:
    """One exposure against one row of SQLite, both safe from a crash of the process when they return."""
    import mixpanel

    import xpbench as xp
    from benchmarks.faults import TOKEN, plan

    tracker = xp.Tracker(plan(), mixpanel=mixpanel.Mixpanel(TOKEN), outbox=folder / "outbox.sqlite", sender="none")
    other = sqlite3.connect(folder / "bare.sqlite", isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("PRAGMA synchronous=NORMAL")
    other.execute("CREATE TABLE row (key TEXT PRIMARY KEY, text TEXT)")
    count = {"own": 0, "reference": 0}

    def own() -> None:
        for _ in range(50):
            count["own"] += 1
            tracker.expose(f"u{count['own']}", "beta", platform="web")

    def bare() -> None:
        for _ in range(50):
            count["reference"] += 1
            other.execute("INSERT INTO row VALUES (?, ?)", (f"u{count['reference']}", "x" * 500))

    return {"expose to a row of SQLite": Ratio(own, bare, turns=9, clock="wall")}


def memo(folder: Path) -> dict[str, Ratio]:
    """Verifying a memo against hashing and parsing what it carries."""
    from tests.memo.making import decided

    made = decided(folder / "memo").memo()
    page = made.save(folder / "memo.html")
    text = json.dumps(made.to_dict())
    from xpbench.canonical import canonical_bytes
    from xpbench.verifier import verify

    def reference() -> None:
        for _ in range(3):
            canonical_bytes(json.loads(text))

    return {"memo verify to parsing its payload": Ratio(lambda: verify(page), reference)}


def starting(folder: Path) -> dict[str, Ratio]:
    """Imports against a bare interpreter and against pandas."""

    def run(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True)

    return {
        "import xpbench to bare Python": Ratio(lambda: run("import xpbench"), lambda: run("pass"), turns=9, clock="wall"),
        "register a plan to import pandas": Ratio(
            lambda: run("import xpbench; xpbench.register"), lambda: run("import pandas"), turns=5, clock="wall"
        ),
    }


GROUPS: dict[str, Callable[[Path], dict[str, Ratio]]] = {
    "assignment": assignment,
    "engine": engine,
    "statistics": statistic,
    "ledger": ledger,
    "exposing": exposing,
    "memo": memo,
    "starting": starting,
}


def measure(ratio: Ratio) -> float:
    """Median over turns of own to reference."""
    now = time.process_time if ratio.clock == "cpu" else time.perf_counter

    def took(job: Job) -> float:
        begun = now()
        job()
        return now() - begun

    took(ratio.own), took(ratio.reference)  # files and imports are warm from here on
    gc.collect()
    gc.disable()
    try:
        return statistics.median(took(ratio.own) / took(ratio.reference) for _ in range(ratio.turns))
    finally:
        gc.enable()


def lost(found: float, committed: float, tolerance: float) -> bool:
    """Whether a ratio grew by more than the tolerance."""
    return found > committed * (1 + tolerance)


def main(arguments: list[str] | None = None) -> int:
    """Measure all, print, compare or write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write what is measured to benchmarks/guard.json")
    parser.add_argument("--only", nargs="*", help="names of ratios or groups")
    parser.add_argument("--committed", type=Path, default=COMMITTED, help="file with the ratios to compare with")
    options = parser.parse_args(arguments)
    known = json.loads(options.committed.read_text("utf-8")) if options.committed.exists() else {"ratios": {}}
    began, found, failed = time.perf_counter(), {}, []
    for group, make in GROUPS.items():
        with tempfile.TemporaryDirectory() as folder:
            for name, ratio in make(Path(folder)).items():
                if options.only and name not in options.only and group not in options.only:
                    continue
                value = measure(ratio)
                committed = known["ratios"].get(name)
                if committed and not options.update:
                    for _ in range(2):
                        if not lost(value, committed["ratio"], committed["tolerance"]):
                            break
                        value = min(value, measure(ratio))
                    if lost(value, committed["ratio"], committed["tolerance"]):
                        failed.append(name)
                elif options.update:
                    value = min(value, measure(ratio))
                found[name] = {
                    "ratio": round(value, 4),
                    "tolerance": (committed or {}).get("tolerance", TOLERANCE),
                    "clock": ratio.clock,
                }
                before = f"{committed['ratio']:9.3f}" if committed else "      new"
                print(f"{'LOST ' if name in failed else '     '}{name:<44} {value:9.3f}   committed {before}", flush=True)
    print(f"{time.perf_counter() - began:.0f} s; " + (f"lost: {', '.join(failed)}" if failed else "nothing lost"))
    if options.update:
        made = {**header("python -m benchmarks.guard --update", ("mixpanel",)), "ratios": {**known["ratios"], **found}}
        options.committed.write_text(json.dumps(made, indent=1) + "\n", "utf-8")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
