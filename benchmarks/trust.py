"""Figures for docs/proof/trust.md: flips, mutations, fuzz, limits and speed of ledger and memo, in one run.

    python -m benchmarks.trust                 everything at full size, some 15 minutes on two cores
    python -m benchmarks.trust --resume        go on where a run was interrupted
    python -m benchmarks.trust --scale 0.01    a hundredth of it
    python -m benchmarks.trust --parts speed   one part; the others keep their figures

Each part counts what was tried and what was not caught; the second number has to be 0. Work is done in chunks with seeds of
their own; what is done stands in results/trust.partial.json until the run is complete.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.report import commit, machine
from tests.memo.making import PLAN, decided, many, summary_of
from xpbench import verifier as v
from xpbench.errors import XpbenchError
from xpbench.ledger import Ledger, Witness
from xpbench.ledger.entry import START, body_bytes, make_entry, parse_line
from xpbench.memo.verification import verify
from xpbench.verifier.chain import check_ledger, check_story
from xpbench.verifier.story import check_told

RESULTS = Path(__file__).parent / "results" / "trust.json"
PARTIAL = RESULTS.with_name("trust.partial.json")
TYPED = (XpbenchError, ValueError)


@cache
def material() -> dict[str, Any]:
    """One decided experiment without segments: its memo, payload, ledger and witness; made once in each process."""
    with tempfile.TemporaryDirectory() as folder:
        whole = summary_of()
        bare = replace(whole, cells=tuple(c for c in whole.cells if not c.dimension), segments={})
        experiment = decided(Path(folder), summary=bare)
        memo = experiment.memo()
        return {
            "page": memo.html.encode(),
            "payload": json.loads(json.dumps(memo.to_dict())),
            "ledger": experiment.ledger.path.read_bytes(),
            "witness": experiment.ledger.head,
        }


def flips_of_memo(count: int, seed: int) -> dict[str, Any]:
    """One flipped bit, any byte of the file."""
    rng, missed, data = random.Random(seed), [], material()["page"]
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
            if not notes.differences and verify(path).holds:
                missed.append(f"byte {place}")
    return {"tried": {"flips": count}, "missed": missed}


def flips_of_ledger(count: int, seed: int) -> dict[str, Any]:
    """One flipped bit of a ledger, with the witness of its memo."""
    rng, missed, data = random.Random(seed), [], material()["ledger"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.jsonl"
        for _ in range(count):
            flipped = bytearray(data)
            place = rng.randrange(len(data))
            flipped[place] ^= 1 << rng.randrange(8)
            path.write_bytes(flipped)
            if not _caught(path, material()["witness"]):
                missed.append(f"byte {place}")
    return {"tried": {"flips": count}, "missed": missed}


def _caught(path: Path, witness: Witness) -> bool:
    ledger = Ledger(path)
    try:
        ledger.check(witness)
    except XpbenchError:
        return True
    return bool(ledger.notices)  # only the last line end may go, and that is reported


LEDGER_KINDS = ("edit", "insert", "delete", "reorder", "duplicate", "truncate")


def mutations_of_ledger(count: int, seed: int) -> dict[str, Any]:
    """Lines edited, inserted, deleted, swapped, duplicated, cut; the cut shows through the witness."""
    rng, tried, missed = random.Random(seed), Counter[str](), []
    data = material()["ledger"]
    original = data.splitlines(keepends=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.jsonl"
        while sum(tried.values()) < count:
            lines, kind = list(original), rng.choice(LEDGER_KINDS)
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
            tried[kind] += 1
            path.write_bytes(b"".join(lines))
            if not _caught(path, material()["witness"]):
                missed.append(kind)
    return {"tried": dict(tried), "missed": missed}


def mutations_of_memo(count: int, seed: int) -> dict[str, Any]:
    """Values and structure of the payload changed, page and seal made anew: what a careful forger would do.

    Digests of file and payload fit by construction, so the checks begin at the ledger; what they do not see goes, as a whole
    page made anew, through all of `verify`.
    """
    from tests.verifier.test_verify import changed_leaf, containers, leaves, mutate
    from xpbench.memo.render import page, page_part

    payload = material()["payload"]
    rng, tried, missed = random.Random(seed), Counter[str](), []
    places = [at for at, _ in leaves(payload)]
    boxes = [at for at in containers(payload) if at]
    before = v.canonical(payload)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "memo.html"
        while sum(tried.values()) < count:
            at = rng.choice(places if rng.random() < 0.5 else boxes)
            changed = {**payload, at[0]: copy.deepcopy(payload[at[0]])}
            part: Any = changed
            for key in at[:-1]:
                part = part[key]
            if isinstance(part[at[-1]], (dict, list)):
                kind = mutate(part[at[-1]], rng)
            else:
                part[at[-1]], kind = changed_leaf(part[at[-1]], rng), "edit"
            if v.canonical(changed[at[0]]) == v.canonical(payload[at[0]]):
                continue
            tried[kind] += 1
            notes = v.Notes()
            try:
                entries = check_ledger(notes, changed)
                if entries is not None:
                    check_story(notes, changed, entries)
                    check_told(notes, changed, entries)
                if notes.differences:
                    continue
                if at[0] != "page":
                    rest = {name: value for name, value in changed.items() if name != "page"}
                    changed = {**rest, "page": json.loads(v.canonical(page_part(rest)))}
                path.write_text(page(changed), encoding="utf-8", newline="")
            except Exception:  # noqa: BLE001, S112 - verify tells it, or no page can be made of it: nothing to be fooled by
                continue
            if verify(path).holds:
                missed.append("/".join(map(str, at)))
    assert v.canonical(payload) == before
    return {"tried": dict(tried), "missed": missed}


TOKENS = (
    *(b"{", b"}", b"[", b"]", b'"', b",", b":", b"null", b"1e999", b"NaN", b"-0"),
    *(b"\\u0000", b"\xff", b'"a":', b"1" * 50),
)


@cache
def good_line() -> bytes:
    """A whole line of a ledger."""
    body = body_bytes("looked", {"n": [1, 2.5, "x"]})
    return make_entry(seq=1, kind="looked", at="2026-01-01T00:00:00.000000Z", by="a", body=body, prev=START).line


def damaged(base: bytes, rng: random.Random) -> bytes:
    """Random bytes, random tokens, or a whole text with a few places damaged."""
    kind = rng.random()
    if kind < 0.2:
        return rng.randbytes(rng.randrange(60))
    if kind < 0.4:
        return b"".join(rng.choice(TOKENS) for _ in range(rng.randrange(30)))
    out = bytearray(base)
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(out) + 1)
        out[at : at + rng.randrange(4)] = rng.choice(TOKENS) if rng.random() < 0.5 else rng.randbytes(rng.randrange(3))
    return bytes(out)


def read_plan(data: bytes) -> None:
    """Bytes through the reader of plan files and the plan's model."""
    from xpbench.canonical import strict_loads
    from xpbench.plan import Plan

    value = strict_loads(data)
    Plan(**(value if isinstance(value, dict) else {"x": value}))


def readers() -> dict[str, tuple[Callable[[bytes], Any], bytes, float]]:
    """Each reader of text from anyone, a whole text for it, and its share of the cases."""
    from xpbench.canonical import strict_loads

    plan = json.dumps(PLAN).encode()
    return {
        "ledger line": (parse_line, good_line(), 0.40),
        "strict JSON": (strict_loads, plan[:300], 0.20),
        "verifier's JSON": (lambda d: v.loads(d.decode("utf-8", "replace")), good_line(), 0.20),
        "plan": (read_plan, plan, 0.20),
    }


def fuzz(count: int, seed: int) -> dict[str, Any]:
    """Random and damaged text into every reader; anything but a typed error is a crash."""
    rng, tried, missed = random.Random(seed), {}, []
    for name, (reader, base, share) in readers().items():
        for _ in range(round(count * share)):
            data = damaged(base, rng)
            try:
                reader(data)
            except TYPED:
                pass
            except Exception as error:  # noqa: BLE001 - that is what is counted
                missed.append(f"{name}: {type(error).__name__}: {data[:200]!r}")
        tried[name] = round(count * share)
    return {"tried": tried, "missed": missed}


def fuzz_files(count: int, seed: int) -> dict[str, Any]:
    """Damaged memo files and ledgers through `verify` and `Ledger.entries`."""
    rng, tried, missed, data = random.Random(seed), Counter[str](), [], material()["page"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x"
        for i in range(count):
            kind = rng.random()
            if kind < 0.5:
                sample = rng.randbytes(rng.randrange(200))
            elif kind < 0.98:
                middle = rng.randbytes(rng.randrange(40))
                sample = b"xpbench" + v.PAYLOAD.encode() + middle + v.END.encode() + v.SEAL.encode() + b"{}"
                sample += v.END.encode() + b"</html>"
            else:
                at = rng.randrange(len(data))
                sample = data[:at] + rng.randbytes(rng.randrange(50)) + data[at + rng.randrange(50) :]
            path.write_bytes(sample)
            name = "verify" if i % 2 else "ledger"
            tried[name] += 1
            try:
                if i % 2:
                    v.verify(path)
                else:
                    Ledger(path).entries()
            except TYPED:
                if i % 2:
                    missed.append(f"verify raised: {sample[:200]!r}")
            except Exception as error:  # noqa: BLE001 - that is what is counted
                missed.append(f"{name}: {type(error).__name__}: {sample[:200]!r}")
    return {"tried": dict(tried), "missed": missed}


def limits() -> dict[str, Any]:
    """Time and memory that hostile files can cost: size, depth, keys that stand twice, numbers that are none."""
    from xpbench.plan import load_plan

    out: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "big"
        with path.open("wb") as file:
            file.truncate(1 << 30)
        deep = Path(folder) / "deep.json"
        deep.write_text('{"a":' * 10_000 + "1" + "}" * 10_000)
        twice, none = Path(folder) / "twice.json", Path(folder) / "none.json"
        twice.write_text('{"kind":"xpbench memo","kind":"xpbench memo","schema":1}')
        none.write_text('{"kind":"xpbench memo","schema":1,"readout":{"at":NaN}}')
        for name, call in (
            ("memo with a key that stands twice", lambda: v.verify(twice).status),
            ("memo with NaN", lambda: v.verify(none).status),
            ("plan 10,000 levels deep", lambda: _typed(lambda: load_plan(deep))),
            ("plan with a key that stands twice", lambda: _typed(lambda: load_plan(twice))),
            ("plan with NaN", lambda: _typed(lambda: load_plan(none))),
            ("memo of 1 GB", lambda: v.verify(path).status),
            ("ledger of 1 GB without a line end", lambda: _typed(lambda: Ledger(path).entries())),
            ("memo 10,000 levels deep", lambda: v.verify(deep).status),
            ("ledger 10,000 levels deep", lambda: _typed(lambda: parse_line(deep.read_bytes()))),
            ("plan of 1 GB", lambda: _typed(lambda: load_plan(path.rename(path.with_suffix(".json"))))),
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

        experiment = many(root / "experiments", treatments=1)
        out["memo of 40 metrics with 3 segments built and saved, s"] = best(
            lambda: experiment.memo().save(root / "memo.html"), 3
        )
        out["memo of 40 metrics, bytes"] = (root / "memo.html").stat().st_size
        out["memo of 40 metrics verified, s"] = best(lambda: verify(root / "memo.html"), 3)
        report = verify(root / "memo.html")
        out["memo of 40 metrics, status"] = report.status
    return out


def best(call: Any, times: int) -> float:
    found = []
    for _ in range(times):
        started = time.process_time()
        call()
        found.append(time.process_time() - started)
    return round(min(found), 3)


COUNTED: dict[str, tuple[Callable[[int, int], dict[str, Any]], int, int]] = {
    "flips of memo": (flips_of_memo, 10_000, 500),
    "flips of ledger": (flips_of_ledger, 10_000, 2_000),
    "mutations of ledger": (mutations_of_ledger, 10_000, 2_000),
    "mutations of memo, page and seal made anew": (mutations_of_memo, 10_000, 250),
    "fuzz of readers": (fuzz, 5_000_000, 100_000),
    "fuzz of files": (fuzz_files, 20_000, 1_000),
}
"""Name, function, cases at full size, cases in a chunk."""

WHOLE: dict[str, Callable[[], dict[str, Any]]] = {"limits": limits, "speed": speed}


def run_chunk(name: str, count: int, seed: int) -> tuple[str, int, dict[str, Any], float]:
    """One chunk of a counted part, in a process of the pool."""
    started = time.process_time()
    found = COUNTED[name][0](count, seed)
    return name, seed, found, time.process_time() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full number of cases")
    parser.add_argument("--parts", nargs="*", default=[*COUNTED, *WHOLE], choices=[*COUNTED, *WHOLE], metavar="PART")
    parser.add_argument("--seed", type=int, default=20261122)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--resume", action="store_true", help="go on where the last run was interrupted")
    args = parser.parse_args()
    command = "python -m benchmarks.trust" + (f" --scale {args.scale:g}" if args.scale != 1 else "")
    state: dict[str, Any] = {"revision": commit(), "seed": args.seed, "scale": args.scale, "done": {}, "seconds": 0.0}
    if args.resume and PARTIAL.exists():
        state = json.loads(PARTIAL.read_text())
        if state["revision"] != commit():
            sys.stderr.write(f"begun on {state['revision']}, now {commit()}: start without --resume\n")
            return 2
    jobs = []
    for name in args.parts:
        if name in COUNTED:
            _, full, size = COUNTED[name]
            whole = max(1, round(full * state["scale"]))
            for k in range(-(-whole // size)):
                count = min(size, whole - k * size)
                if f"{name}/{k}" not in state["done"]:
                    jobs.append((name, count, state["seed"] + k, f"{name}/{k}"))
    began = time.perf_counter()

    def keep(key: str, value: Any) -> None:
        state["done"][key] = value
        PARTIAL.write_text(json.dumps({**state, "seconds": state["seconds"] + time.perf_counter() - began}))

    with ProcessPoolExecutor(args.workers) as pool:
        waiting = {pool.submit(run_chunk, *job[:3]): job[3] for job in jobs}
        for i, future in enumerate(as_completed(waiting), 1):
            _, _, found, seconds = future.result()
            keep(waiting[future], {**found, "cpu": seconds})
            sys.stderr.write(f"[{time.perf_counter() - began:6.0f} s] {i} of {len(jobs)} chunks: {waiting[future]}\n")
            sys.stderr.flush()
    for name in args.parts:
        if name in WHOLE and name not in state["done"]:
            keep(name, WHOLE[name]())
            sys.stderr.write(f"[{time.perf_counter() - began:6.0f} s] {name}\n")
    results: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for name in args.parts:
        found = state["done"][name] if name in WHOLE else _sum(name, state["done"])
        results[name] = {**found, "commit": state["revision"]}
    whole_run = len(args.parts) == len(COUNTED) + len(WHOLE)
    results |= {
        "command": command if whole_run else results.get("command", command),
        "commit": state["revision"],
        "seed": state["seed"],
        "machine": machine(),
        "seconds": round(state["seconds"] + time.perf_counter() - began) if whole_run else results.get("seconds", 0),
    }
    RESULTS.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")
    PARTIAL.unlink(missing_ok=True)
    print(json.dumps(results, indent=2, sort_keys=True))
    return 1 if any(results[name].get("missed") for name in args.parts) else 0


def _sum(name: str, done: dict[str, Any]) -> dict[str, Any]:
    """All chunks of a part in one."""
    tried, missed, cpu = Counter[str](), [], 0.0
    for key, found in sorted(done.items()):
        if key.rpartition("/")[0] == name:
            tried.update(found["tried"])
            missed += found["missed"]
            cpu += found["cpu"]
    return {"tried": dict(tried), "cases": sum(tried.values()), "missed": missed, "cpu_seconds": round(cpu, 1)}


if __name__ == "__main__":
    sys.exit(main())
