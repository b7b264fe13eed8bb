"""Figures for docs/trust.md: flips, mutations, fuzz, limits and speed of ledger and memo.

    python -m benchmarks.trust --flips 10000 --mutations 10000 --fuzz 1000000

Every part counts what was tried and what was not caught; the second number has to be 0.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.report import header
from tests.memo.making import PLAN, decided, summary_of
from xpbench.errors import XpbenchError
from xpbench.ledger import Ledger
from xpbench.ledger.entry import START, body_bytes, make_entry, parse_line
from xpbench.memo import verify as v

RESULTS = Path(__file__).parent / "results" / "trust.json"
TYPED = (XpbenchError, ValueError)


def flips_of_memo(args: tuple[bytes, int, int]) -> tuple[int, list[int]]:
    data, count, seed = args
    rng, missed = random.Random(seed), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memo.html"
        for _ in range(count):
            flipped = bytearray(data)
            place = rng.randrange(len(data))
            flipped[place] ^= 1 << rng.randrange(8)
            path.write_bytes(flipped)
            notes = v.Notes()
            try:
                v.sealed(path, notes)  # the first stage; what it does not see goes through all of them
            except Exception:  # noqa: BLE001, S112 - verify tells it as differs or unreadable
                continue
            if not notes.differences and v.verify(path).exit_code == 0:
                missed.append(place)
    return count, missed


def flips_of_ledger(data: bytes, witness: Any, count: int, seed: int) -> tuple[int, list[int]]:
    rng, missed = random.Random(seed), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.jsonl"
        for _ in range(count):
            flipped = bytearray(data)
            place = rng.randrange(len(data))
            flipped[place] ^= 1 << rng.randrange(8)
            path.write_bytes(flipped)
            ledger = Ledger(path)
            try:
                ledger.check(witness)
            except XpbenchError:
                continue
            if not ledger.notices:  # only the last line end may go, and that is reported
                missed.append(place)
    return count, missed


def mutations_of_ledger(data: bytes, witness: Any, count: int, seed: int) -> tuple[dict[str, int], list[str]]:
    rng = random.Random(seed)
    original = data.splitlines(keepends=True)
    tried: dict[str, int] = {}
    missed = []
    kinds = ("edit", "insert", "delete", "reorder", "duplicate", "truncate")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.jsonl"
        while sum(tried.values()) < count:
            lines, kind = list(original), rng.choice(kinds)
            i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
            if kind == "edit":
                place = rng.randrange(len(lines[i]) - 1)
                lines[i] = lines[i][:place] + bytes([rng.randrange(32, 127)]) + lines[i][place + rng.randrange(1, 4) :]
            elif kind == "insert":
                entry = make_entry(seq=i + 1, kind="looked", at="2026-01-01T00:00:00.000000Z", by=None, body=b"{}", prev=START)
                lines.insert(i, entry.line + b"\n")
            elif kind == "delete":
                del lines[i]
            elif kind == "reorder":
                lines[i], lines[j] = lines[j], lines[i]
            elif kind == "duplicate":
                lines.insert(j, lines[i])
            else:
                lines = [*lines[:i], lines[i][: rng.randrange(len(lines[i]))]]
            if b"".join(lines) == data:
                continue
            tried[kind] = tried.get(kind, 0) + 1
            path.write_bytes(b"".join(lines))
            ledger = Ledger(path)
            try:
                ledger.check(witness)
            except XpbenchError:
                continue
            if not ledger.notices:
                missed.append(kind)
    return tried, missed


def mutations_of_memo(args: tuple[dict[str, Any], int, int]) -> tuple[int, list[str]]:
    """Values and structure of the payload changed, page and seal made anew: what a careful forger would do."""
    from tests.memo.test_verify import changed_leaf, containers, leaves, mutate
    from xpbench.memo.render import page

    payload, count, seed = args
    rng, missed, tried = random.Random(seed), [], 0
    places = [at for at, _ in leaves(payload) if at[0] != "seeds"]
    boxes = [at for at in containers(payload) if at]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memo.html"
        while tried < count:
            changed = copy.deepcopy(payload)
            at = rng.choice(places if rng.random() < 0.5 else boxes)
            part = changed
            for key in at[:-1]:
                part = part[key]
            if isinstance(part[at[-1]], (dict, list)):
                mutate(part[at[-1]], rng)
            else:
                part[at[-1]] = changed_leaf(part[at[-1]], rng)
            if v.canonical(changed) == v.canonical(payload):
                continue
            tried += 1
            try:
                path.write_text(page(changed), encoding="utf-8", newline="")
            except Exception:  # noqa: BLE001, S112 - no page can be made of it: nothing to be fooled by
                continue
            if v.verify(path).exit_code == 0:
                missed.append("/".join(map(str, at)))
    return tried, missed


def fuzz(count: int, seed: int) -> dict[str, Any]:
    """Random and damaged input into every reader; anything but a typed error is a crash."""
    from xpbench.canonical import strict_loads
    from xpbench.plan import Plan

    rng = random.Random(seed)
    crashes: dict[str, str] = {}
    good_line = make_entry(
        seq=1,
        kind="looked",
        at="2026-01-01T00:00:00.000000Z",
        by="a",
        body=body_bytes("looked", {"n": [1, 2.5, "x"]}),
        prev=START,
    ).line
    good_plan = json.dumps(PLAN).encode()
    tokens = [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b",",
        b":",
        b"null",
        b"1e999",
        b"NaN",
        b"-0",
        b"\\u0000",
        b"\xff",
        b'"a":',
        b"1" * 50,
    ]

    def damaged(base: bytes) -> bytes:
        kind = rng.random()
        if kind < 0.2:
            return rng.randbytes(rng.randrange(60))
        if kind < 0.4:
            return b"".join(rng.choice(tokens) for _ in range(rng.randrange(30)))
        out = bytearray(base)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(out) + 1)
            out[at : at + rng.randrange(4)] = rng.choice(tokens) if rng.random() < 0.5 else rng.randbytes(rng.randrange(3))
        return bytes(out)

    def plan_of(data: bytes) -> None:
        value = strict_loads(data)
        Plan(**(value if isinstance(value, dict) else {"x": value}))

    readers: list[tuple[str, Any, bytes, int]] = [
        ("ledger line", parse_line, good_line, count * 45 // 100),
        ("strict JSON", strict_loads, good_plan[:300], count * 25 // 100),
        ("verifier's JSON", lambda d: v.loads(d.decode("utf-8", "replace")), good_line, count * 20 // 100),
        ("plan", plan_of, good_plan, count * 10 // 100),
    ]
    done = {}
    started = time.perf_counter()
    for name, reader, base, share in readers:
        for _ in range(share):
            data = damaged(base)
            try:
                reader(data)
            except TYPED:
                pass
            except Exception as error:  # noqa: BLE001 - that is what is counted
                crashes[f"{name}: {type(error).__name__}"] = repr(data[:200])
        done[name] = share
    return {"cases": done, "crashes": crashes, "seconds": round(time.perf_counter() - started, 1)}


def fuzz_files(count: int, seed: int, data: bytes) -> dict[str, Any]:
    """Damaged memo files and ledgers through `verify` and `Ledger.entries`."""
    rng, crashes = random.Random(seed), {}
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        for i in range(count):
            kind = rng.random()
            if kind < 0.5:
                sample = rng.randbytes(rng.randrange(200))
            elif kind < 0.98:
                sample = (
                    b"xpbench"
                    + v.PAYLOAD.encode()
                    + rng.randbytes(rng.randrange(40))
                    + v.END.encode()
                    + v.SEAL.encode()
                    + b"{}"
                )
                sample += v.END.encode() + b"</html>"
            else:
                at = rng.randrange(len(data))
                sample = data[:at] + rng.randbytes(rng.randrange(50)) + data[at + rng.randrange(50) :]
            path.write_bytes(sample)
            try:
                if i % 2:
                    v.verify(path)
                else:
                    Ledger(path).entries()
            except TYPED:
                if i % 2:
                    crashes["verify raised"] = repr(sample[:200])
            except Exception as error:  # noqa: BLE001 - that is what is counted
                crashes[type(error).__name__] = repr(sample[:200])
    return {"cases": count, "crashes": crashes, "seconds": round(time.perf_counter() - started, 1)}


def limits() -> dict[str, Any]:
    """Time and memory that hostile files can cost."""
    out: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big"
        with path.open("wb") as file:
            file.truncate(1 << 30)
        deep = Path(folder) / "deep.json"
        deep.write_text('{"a":' * 10_000 + "1" + "}" * 10_000)
        for name, call in (
            ("memo of 1 GB", lambda: v.verify(path).status),
            ("ledger of 1 GB without a line end", lambda: _typed(lambda: Ledger(path).entries())),
            ("memo 10,000 levels deep", lambda: v.verify(deep).status),
            ("ledger 10,000 levels deep", lambda: _typed(lambda: parse_line(deep.read_bytes()))),
        ):
            before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
            result = call()
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            out[name] = {"result": result, "seconds": round(time.perf_counter() - started, 3), "memory_mb": round(grown, 1)}
    return out


def _typed(call: Any) -> str:
    try:
        call()
    except TYPED as error:
        return type(error).__name__
    return "read"


def speed() -> dict[str, Any]:
    """CPU seconds of the promised operations, best of several; the append against a bare fsync by turns in the same run."""
    out: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=os.environ.get("XPBENCH_BENCH_DIR")) as folder:
        root = Path(folder)
        prev = START
        with (root / "chain.jsonl").open("wb") as file:
            for i in range(100_000):
                body = body_bytes("looked", {"units": {"control": i, "beta": i}, "fingerprint": "ab" * 32})
                entry = make_entry(seq=i + 1, kind="looked", at="2026-01-01T00:00:00.000000Z", by="ana", body=body, prev=prev)
                prev = entry.digest
                file.write(entry.line + b"\n")
        out["chain of 100,000 entries verified, s"] = best(lambda: Ledger(root / "chain.jsonl").entries(), 3)

        ledger = Ledger(root / "ledger.jsonl")
        handle = os.open(root / "bare", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        ours, bare = [], []
        for i in range(600):
            started = time.perf_counter()
            ledger.append("looked", {"number": i, "text": "x" * 200})
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            os.write(handle, b"x" * 500)
            os.fsync(handle)
            bare.append(time.perf_counter() - started)
        os.close(handle)
        ours, bare = sorted(ours), sorted(bare)
        out["append, ms p50"] = round(ours[300] * 1e3, 3)
        out["write and fsync alone, ms p50"] = round(bare[300] * 1e3, 3)
        out["append against bare fsync, ratio of p50"] = round(ours[300] / bare[300], 2)

        metrics = [{**m, "key": f"{m['key']}_{i}"} for i in range(6) for m in PLAN["metrics"]]
        for m in metrics:
            for part in ("numerator", "denominator"):
                if part in m:
                    m[part] = f"{m[part]}_0"
        plan = {
            **PLAN,
            "metrics": metrics[:40],
            "hypothesis": {**PLAN["hypothesis"], "then": [{"metric": "quote_started_0", "direction": "increase"}]},
        }
        plan["watch"] = {**PLAN["watch"], "metrics": ["transfer_out_0"]}
        base = summary_of()
        cells = tuple(
            type(c)(**{**{f: getattr(c, f) for f in c.__slots__}, "metric": f"{c.metric}_{i}"})
            for i in range(6)
            for c in base.cells
        )
        keep = {m["key"] for m in metrics[:40]}
        summary = type(base)(
            **{
                **{f: getattr(base, f) for f in base.__slots__},
                "cells": tuple(c for c in cells if c.metric in keep),
                "caps": (),
            }
        )
        experiment = decided(root / "experiments", plan=plan, summary=summary)
        out["memo of 40 metrics with 3 segments built and saved, s"] = best(
            lambda: experiment.memo().save(root / "memo.html"), 3
        )
        out["memo of 40 metrics, bytes"] = (root / "memo.html").stat().st_size
        out["memo of 40 metrics verified, s"] = best(lambda: v.verify(root / "memo.html"), 3)
        report = v.verify(root / "memo.html")
        out["memo of 40 metrics, status"] = report.status
    return out


def best(call: Any, times: int) -> float:
    found = []
    for _ in range(times):
        started = time.process_time()
        call()
        found.append(time.process_time() - started)
    return round(min(found), 3)


def split(total: int, workers: int) -> list[int]:
    return [total // workers + (i < total % workers) for i in range(workers)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--mutations", type=int, default=1000)
    parser.add_argument("--fuzz", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--parts", nargs="*", default=["flips", "mutations", "fuzz", "limits", "speed"])
    args = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    counts = f"--flips {args.flips} --mutations {args.mutations} --fuzz {args.fuzz} --parts {' '.join(args.parts)}"
    results |= header(f"python -m benchmarks.trust {counts}")
    with tempfile.TemporaryDirectory() as folder:
        whole = summary_of()
        bare = replace(whole, cells=tuple(c for c in whole.cells if not c.dimension), segments={})
        experiment = decided(Path(folder), summary=bare)
        memo = experiment.memo()
        page, ledger = memo.html.encode(), experiment.ledger.path.read_bytes()
        witness = experiment.ledger.head
        with ProcessPoolExecutor(args.workers) as pool:
            if "flips" in args.parts:
                counts = split(args.flips, args.workers)
                found = list(pool.map(flips_of_memo, [(page, n, args.seed + i) for i, n in enumerate(counts)]))
                results["flips of memo"] = {"tried": sum(f[0] for f in found), "missed": sum(len(f[1]) for f in found)}
                tried, missed = flips_of_ledger(ledger, witness, args.flips, args.seed)
                results["flips of ledger"] = {"tried": tried, "missed": len(missed)}
            if "mutations" in args.parts:
                kinds, lost = mutations_of_ledger(ledger, witness, args.mutations, args.seed)
                results["mutations of ledger"] = {"tried": kinds, "missed": len(lost)}
                counts = split(args.mutations // 10, args.workers)
                jobs = [(memo.to_dict(), n, args.seed + i) for i, n in enumerate(counts)]
                made = list(pool.map(mutations_of_memo, jobs))
                results["mutations of memo, page and seal made anew"] = {
                    "tried": sum(f[0] for f in made),
                    "missed": sorted(x for f in made for x in f[1]),
                }
        if "fuzz" in args.parts:
            results["fuzz of readers"] = fuzz(args.fuzz, args.seed)
            results["fuzz of files"] = fuzz_files(args.fuzz // 10, args.seed, page)
    if "limits" in args.parts:
        results["limits"] = limits()
    if "speed" in args.parts:
        results["speed"] = speed()
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    print(json.dumps(results, indent=2, sort_keys=True))


if __name__ == "__main__":
    main()
