"""Kill processes with SIGKILL while they amend, decide, register and restart; whatever was acknowledged is there, all of it.

    python -m benchmarks.kills                 2,000 kills, about ten minutes
    python -m benchmarks.kills --runs 80       fewer

A run is one killed process, forked from a warm one. Afterwards every ledger is whole, opens, and fits its plan.json; each step
that the process had told of is on record; the memo of the decision in force can be made and verifies; and what was killed on
the way works when it is done again.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xpbench as xp
from benchmarks.crash import killed, plan_named
from benchmarks.report import write
from tests.memo.making import PLAN, decided, summary_of
from xpbench.errors import LedgerError
from xpbench.experiment import open_experiment, register

Say = Callable[[object], None]
KEY = str(PLAN["key"])


def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(dir=os.environ.get("XPBENCH_BENCH_DIR"))


def _opens(key: str, root: Path, found: Counter[str]) -> Any:
    """The experiment, opened; counted where it does not open."""
    try:
        experiment = open_experiment(key, root)
        experiment.status()
        return experiment
    except Exception:  # noqa: BLE001 - counted
        found["not to be opened"] += 1
        return None


def _again(found: Counter[str], work: Callable[[], Any]) -> None:
    try:
        work()
    except Exception:  # noqa: BLE001 - counted
        found["not to be done again"] += 1


def amends(runs: int, rng: random.Random) -> Counter[str]:
    """A title amended over and over."""
    found = Counter[str](runs=runs)
    with _folder() as made:
        start = Path(made) / "start"
        register(plan_named(KEY), start)
        for n in range(runs):
            root = Path(made) / f"run{n}"
            shutil.copytree(start, root)

            def work(say: Say, root: Path = root) -> None:
                experiment = open_experiment(KEY, root)
                for number in range(1, 1_000):
                    experiment = experiment.amend(experiment.plan.replace(title=f"title {number}"), reason=f"step {number}")
                    say(number)

            said = killed(work, after=rng.uniform(0.0, 0.08))
            found["acknowledged"] += len(said)
            experiment = _opens(KEY, root, found)
            if experiment is not None:
                kinds = [e.kind for e in experiment.ledger.entries()]
                found["lost"] += kinds.count("amended") < len(said)
                found["plan apart from its ledger"] += experiment.plan.title not in (
                    f"title {len(said)}" if said else "Beta homepage for the retirement platform",
                    f"title {len(said) + 1}",
                )
                _again(found, lambda e=experiment: e.amend(e.plan.replace(title="after"), reason="after"))
            shutil.rmtree(root)
    return found


def decides(runs: int, rng: random.Random) -> Counter[str]:
    """Decisions that supersede each other."""
    found = Counter[str](runs=runs)
    with _folder() as made:
        start = Path(made) / "start"
        readout = decided(start, summary=summary_of()).decided_readout()
        for n in range(runs):
            root = Path(made) / f"run{n}"
            shutil.copytree(start, root)

            def decide(experiment: Any, number: int) -> Any:
                outcome = "defer" if number % 2 else "iterate"
                last = experiment.ledger.entries()[-1].seq
                return experiment.decide(readout, outcome, because=f"step {number}", by="Ana", supersedes=last)

            def work(say: Say, root: Path = root) -> None:
                experiment = open_experiment(KEY, root)
                for number in range(1, 1_000):
                    decide(experiment, number)
                    say(number)

            said = killed(work, after=rng.uniform(0.0, 0.08))
            found["acknowledged"] += len(said)
            experiment = _opens(KEY, root, found)
            if experiment is not None:
                kinds = [e.kind for e in experiment.ledger.entries()]
                found["lost"] += sum(kinds.count(k) for k in ("decided", "deferred")) < len(said) + 1
                try:
                    memo = experiment.memo().save(root / "memo.html")
                    found["memo that does not verify"] += n % 10 == 0 and xp.verify(memo).exit_code != 0
                except Exception:  # noqa: BLE001 - counted
                    found["memo that can't be made"] += 1
                _again(found, lambda e=experiment: decide(e, 1_001))
            shutil.rmtree(root)
    return found


def registers(runs: int, rng: random.Random) -> Counter[str]:
    """Plans registered one after the other."""
    found = Counter[str](runs=runs)
    for _ in range(runs):
        with _folder() as made:
            root = Path(made)

            def work(say: Say, root: Path = root) -> None:
                for number in range(1, 1_000):
                    register(plan_named(f"x{number}"), root)
                    say(number)

            said = killed(work, after=rng.uniform(0.0, 0.08))
            found["acknowledged"] += len(said)
            for number in said:
                found["lost"] += _opens(f"x{number}", root, Counter()) is None
            key = f"x{len(said) + 1}"
            if (root / key / "ledger.jsonl").is_file() and (root / key / "ledger.jsonl").stat().st_size:
                _again(found, lambda key=key, root=root: open_experiment(key, root))
            else:
                _again(found, lambda key=key, root=root: register(plan_named(key), root))
    return found


def restarts(runs: int, rng: random.Random) -> Counter[str]:
    """Runs of one experiment, each linked to the one before."""
    found = Counter[str](runs=runs)
    with _folder() as made:
        start = Path(made) / "start"
        register(plan_named(KEY), start)
        for n in range(runs):
            root = Path(made) / f"run{n}"
            shutil.copytree(start, root)

            def work(say: Say, root: Path = root) -> None:
                key = KEY
                for _ in range(1_000):
                    key = xp.restart(key, root, reason="again").key
                    say(key)

            said = killed(work, after=rng.uniform(0.0, 0.12))
            found["acknowledged"] += len(said)
            for key in said:
                found["lost"] += _opens(key, root, Counter()) is None
            last = _opens(said[-1] if said else KEY, root, found)
            if last is not None:
                _again(found, lambda last=last, root=root: _next_of(last, root))
                found["done twice"] += sum(e.kind == "restarted" for e in last.ledger.entries()) != 1
            shutil.rmtree(root)
    return found


def _next_of(last: Any, root: Path) -> Any:
    """The run that follows: restarted again, or opened where the killed call had done all of it but to say so."""
    try:
        return xp.restart(last.key, root, reason="again")
    except LedgerError:
        (entry,) = [e for e in last.ledger.entries() if e.kind == "restarted"]
        return open_experiment(str(entry.body["plan"]["key"]), root)


PARTS: dict[str, Callable[[int, random.Random], Counter[str]]] = {
    "amend": amends,
    "decide": decides,
    "register": registers,
    "restart": restarts,
}
WRONG = (
    "lost", "not to be opened", "not to be done again", "plan apart from its ledger", "memo that can't be made",
    "memo that does not verify", "done twice",
)  # fmt: skip


def run(runs: int, seed: int) -> dict[str, dict[str, int]]:
    """So many kills, shared over the four; counts of each, and of what was wrong afterwards."""
    share = max(1, runs // len(PARTS))
    return {
        name: {**dict.fromkeys(WRONG, 0), **work(share, random.Random(seed * 10 + i))}
        for i, (name, work) in enumerate(PARTS.items())
    }


def wrong(result: dict[str, dict[str, int]]) -> dict[str, int]:
    """What was wrong, by what was done and how."""
    return {f"{name}: {kind}": counts[kind] for name, counts in result.items() for kind in WRONG if counts.get(kind)}


def main() -> int:
    """Kill, count, and write what came out beside the other results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    began = time.time()
    result: dict[str, Any] = run(args.runs, args.seed)
    bad = wrong(result)
    result["runs in all"] = sum(counts["runs"] for counts in result.values())
    result["seconds"] = round(time.time() - began)
    write("kills", result, command=f"python -m benchmarks.kills --runs {args.runs} --seed {args.seed}")
    sys.stdout.write(f"{result['runs in all']:,} kills, wrong: {bad or 'nothing'}\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
