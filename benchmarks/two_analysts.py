"""Two analysts in two processes against a plain model: at every step, what page one claims is what happened.

    python -m benchmarks.two_analysts                         10,000 steps, then benchmarks/results/two_analysts.json
    python -m benchmarks.two_analysts --steps 500 --dry       fewer, no file written
    python -m benchmarks.two_analysts --resume                go on where a run was interrupted

A world is one experiment that two processes work on by turns: they open it, look, peek, amend, decide, restart it, at data
that grow, shrink, lose their dates or are restated, by clocks that are set back, and are killed on the way. The model keeps a
list of what happened and derives from it what a reader must be shown: which plan, whether it came first, how many looks,
what had been known at each amendment, which stamps, which run, which decision. It knows nothing of ledgers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import xpbench as xp
from benchmarks.report import RESULTS, commit, write
from tests.decide.sealed import HORIZON, plan, summary
from xpbench.canonical import digest
from xpbench.errors import XpbenchError
from xpbench.memo.content import content

START = datetime(2026, 11, 20, 9, tzinfo=UTC)
STEPS = 40
"""Steps of one world."""

SIZES = (1_000, 4_000, 4_200, 4_400)
EFFECTS = (0.1, 0.11)
PARTIAL = RESULTS / "two_analysts.partial.json"
CHUNK = 10
"""Worlds after which what was found so far is kept."""


def data_of(n: int, effect: float, first: str, last: str) -> Any:
    """Moments of an export: so many units, from a first exposure on; restated where the effect is another one."""
    made = summary(n, effect=effect)
    dated = replace(made, first_exposure=first, last_exposure=last, data_until=last)
    return replace(dated, fingerprint=digest([n, effect, first]))


# -- an analyst: a process of its own -----------------------------------------------------------------------------------------


def analyst(jobs: Any, answers: Any) -> None:
    """Do what each line says, and report how it went."""
    handle: Any = None
    readouts: dict[int, Any] = {}
    for line in jobs:
        job = json.loads(line)
        at = datetime.fromisoformat(job["at"])
        told: dict[str, Any] = {}
        try:
            if job["do"] == "open":
                handle = xp.open_experiment(job["key"], job["root"], clock=lambda at=at: at)
                readouts.clear()
            else:
                handle._clock = handle.ledger._clock = lambda at=at: at
            if job["do"] in ("readout", "peek"):
                source = data_of(*job["data"])
                found = (
                    handle.peek(source, reason="curious", by=job["by"])
                    if job["do"] == "peek"
                    else handle.readout(source, by=job["by"])
                )
                readouts[job["look"]] = found
                told = {"sealed": found.is_sealed}
            elif job["do"] == "amend":
                handle = handle.amend(xp.Plan(**job["plan"]), reason="words", by=job["by"])
            elif job["do"] == "decide":
                supersedes = handle.decision if job["says"] else None
                handle.decide(readouts[job["look"]], "iterate", because=job["because"], by=job["by"], supersedes=supersedes)
            elif job["do"] == "restart":
                xp.restart(job["key"], job["root"], reason="over", by=job["by"], start=job["start"], clock=lambda at=at: at)
        except XpbenchError as error:
            told = {"error": error.code}
        answers.write(json.dumps(told) + "\n")
        answers.flush()


@dataclass
class Hands:
    """One of the two processes, forked from this one, which is warm."""

    pid: int = 0
    jobs: Any = None
    answers: Any = None
    head: int = 0
    readouts: set[int] = field(default_factory=set)
    key: str = ""

    def start(self) -> None:
        read_job, write_job = os.pipe()
        read_answer, write_answer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(write_job)
            os.close(read_answer)
            try:
                analyst(os.fdopen(read_job), os.fdopen(write_answer, "w"))
            except BaseException as error:  # noqa: BLE001 - seen by the other end as an answer that never comes
                os.write(2, f"analyst: {error!r}\n".encode())
            finally:
                os._exit(0)
        os.close(read_job)
        os.close(write_answer)
        self.jobs, self.answers = os.fdopen(write_job, "w"), os.fdopen(read_answer)
        self.readouts, self.key = set(), ""

    def send(self, job: dict[str, Any]) -> None:
        self.jobs.write(json.dumps(job) + "\n")
        self.jobs.flush()

    def answer(self) -> dict[str, Any]:
        line = self.answers.readline()
        if not line:
            raise RuntimeError("the process of an analyst ended")
        told: dict[str, Any] = json.loads(line)
        return told

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.jobs.close()
        self.answers.close()


# -- the model: a list of what happened ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """What a look is for a reader: when in the order of things, at which data, and whether results were due."""

    place: int
    data: tuple[int, float, str, str]
    is_due: bool
    shows: bool
    is_invalid: bool
    title: str
    margin: float


@dataclass
class Run:
    """What happened in one run of the experiment."""

    key: str
    number: int
    registered: str
    effects_before: bool
    title: str
    margin: float
    looks: list[Look] = field(default_factory=list)
    amendments: list[tuple[int, bool, str]] = field(default_factory=list)
    decision: tuple[str, Look, int] | None = None
    steps: int = 1

    def known(self) -> str:
        """What had been seen of the results by now."""
        if any(k.shows for k in self.looks) or self.decision:
            return "effects seen"
        return "outcomes computed, unseen" if self.looks else "nothing assigned"

    def comparator(self) -> Look | None:
        """The look that a new one is compared with: the newest that had lost nothing itself."""
        return next((k for k in reversed(self.looks) if not k.is_invalid), None)

    def plan_first(self, look: Look) -> str:
        """What the dates say, those of earlier looks included."""
        earlier = [k for k in self.looks if k.place <= look.place and k.data[2]]
        first = min((k.data[2] for k in earlier), default="")
        if not first or first[:10] >= self.registered[:10]:
            return ""
        last = max(k.data[3] for k in earlier)
        return "PLANNED AFTER THE DATA" if last < self.registered else "PARTLY PLANNED AFTER THE DATA"

    def claims(self) -> dict[str, Any]:
        """What page one of the memo in force must say."""
        assert self.decision is not None
        _, look, decided_at = self.decision
        until = [k for k in self.looks if k.place <= look.place]
        shown = [k for k in until if k.shows]
        seen_first = next((k.place for k in until if k.shows or k.is_invalid), None)
        stamps = set()
        if look.is_invalid:
            stamps.add("INVALID")
        if planned := self.plan_first(look):
            stamps.add(planned)
        if any(decisive and seen_first is not None and seen_first < at < look.place for at, decisive, _ in self.amendments):
            stamps.add("AMENDED AFTER EFFECTS")
        if self.effects_before:
            stamps.add("RESTARTED AFTER EFFECTS")
        if len({k.data for k in shown}) > 1:
            stamps.add("MORE LOOKS THAN PLANNED")
        if not look.is_due:
            stamps.add("PEEK")
        if self.number > 1:
            stamps.add(f"RUN {self.number}")
        later = {k.data for k in self.looks if k.shows and look.place < k.place < decided_at} - {look.data}
        if later:
            stamps.add("OLDER LOOK")
        by_then = [k for k in self.looks if k.shows and k.place < decided_at]
        return {
            "title": look.title,
            "stamps": sorted(stamps),
            "looks": len({k.data for k in by_then}),
            "amendments": [known for at, _, known in self.amendments if at < decided_at],
            "because": self.decision[0],
        }


def claimed(experiment: Any) -> dict[str, Any]:
    """What page one of the frozen memo says."""
    page = content(experiment.memo().payload)
    return {
        "title": page["title"],
        "stamps": sorted(s["word"] for s in page["stamps"]),
        "looks": page["looks"]["count"],
        "amendments": [a["knowledge"] for a in page["amendments"]],
        "because": experiment.decision.body["because"],
    }


# -- a world ------------------------------------------------------------------------------------------------------------------


class World:
    """One experiment, two processes, one model."""

    def __init__(self, seed: int, root: Path, counts: Counter[str]) -> None:
        self.rng = random.Random(seed)
        self.root, self.counts = root, counts
        self.now = START + timedelta(minutes=self.rng.randrange(600))
        self.title = 0
        early = self.rng.random() < 0.4
        first = self.now + timedelta(days=-9 if early else 1)
        last = first + timedelta(days=4 if self.rng.random() < 0.5 else 30)
        self.dates = (first.isoformat(), last.isoformat())
        made = xp.register(plan(), root, by="Ana", clock=lambda: self.now)
        self.run = Run("sealed", 1, self._stamp(made), False, made.plan.title, 0.3)
        self.now += timedelta(days=45)  # a look at data of days to come fails a gate
        self.hands = [Hands(), Hands()]
        for hands in self.hands:
            hands.start()

    @staticmethod
    def _stamp(experiment: Any) -> str:
        return str(experiment.ledger.entries()[0].at).replace("Z", "+00:00")

    def close(self) -> None:
        for hands in self.hands:
            hands.kill()

    def entries(self) -> list[Any]:
        return list(xp.open_experiment(self.run.key, self.root).ledger.entries())

    def step(self) -> str:
        """Do one thing, apply it to the model if it went through, and compare; "" or what is wrong."""
        rng = self.rng
        self.now += timedelta(minutes=rng.randrange(1, 600))
        at = self.now - timedelta(days=2) if rng.random() < 0.05 else self.now
        self.counts["clock set back"] += at != self.now
        hands = self.hands[rng.randrange(2)]
        job = self._job(hands, at)
        before = len(self.entries())
        hands.send(job)
        killed = rng.random() < 0.08
        if killed:
            time.sleep(rng.uniform(0.0, 0.06))
            hands.kill()
            self.counts["killed"] += 1
            hands.start()
            told: dict[str, Any] = {}
        else:
            told = hands.answer()
        now = self.entries()
        grown = now[before:]
        self.counts[job["do"]] += 1
        if told.get("error"):
            self.counts[f"refused {told['error']}"] += 1
        wrong = self._expected(job, hands, told, killed, grown)
        self._apply(job, hands, told, killed, grown)
        return wrong or self._compare()

    def _job(self, hands: Hands, at: datetime) -> dict[str, Any]:
        rng, run = self.rng, self.run
        job: dict[str, Any] = {
            "do": "open",
            "key": run.key,
            "root": str(self.root),
            "at": at.isoformat(),
            "by": rng.choice("ab"),
        }
        if hands.key != run.key:
            return job
        kind = rng.choices(("open", "readout", "peek", "amend", "decide", "restart"), (2, 6, 1, 4, 6, 0.4))[0]
        if kind == "decide" and not hands.readouts:
            kind = "readout"
        job["do"] = kind
        if kind in ("readout", "peek"):
            first, last = self.dates if rng.random() < 0.9 else ("", "")
            n = rng.choice(SIZES)
            n = max([n, *(k.data[0] for k in run.looks[-1:])]) if rng.random() < 0.8 else n
            job |= {"data": (n, rng.choices(EFFECTS, (4, 1))[0], first, last), "look": run.steps}
        elif kind == "amend":
            self.title += 1
            margin = run.margin + 0.01 if rng.random() < 0.3 else run.margin
            document = plan().to_dict() if run.number == 1 else json.loads(json.dumps(self.entries()[0].body["plan"]))
            document["title"] = f"Title {self.title}"
            document["metrics"][1]["margin"] = round(margin, 4)
            job |= {"plan": document}
        elif kind == "decide":
            self.title += 1
            job |= {"look": rng.choice(sorted(hands.readouts)), "says": rng.random() < 0.7, "because": f"reason {self.title}"}
        elif kind == "restart":
            job |= {"start": (self.now.date() - timedelta(days=400)).isoformat()}
        return job

    def _expected(self, job: dict[str, Any], hands: Hands, told: dict[str, Any], killed: bool, grown: list[Any]) -> str:
        """What must have been refused, and what must not have been."""
        run = self.run
        if killed:
            return "" if len(grown) <= 1 else f"{job['do']} left {len(grown)} entries"
        if told.get("error") is None and job["do"] != "open" and not grown:
            return "" if job["do"] == "decide" else f"{job['do']} was acknowledged and is not on record"
        if told.get("error") is not None and grown:
            return f"{job['do']} was refused ({told['error']}) and is on record"
        if job["do"] == "amend":
            stale = hands.head != run.steps and any(self._weighs(k) for k in range(hands.head, run.steps))
            if stale != (told.get("error") == "XPB-L16"):
                return f"amend on head {hands.head} of {run.steps}: {told}"
        if job["do"] == "decide":
            look = next(k for k in run.looks if k.place == job["look"])
            other = (look.title, look.margin) != (run.title, run.margin)
            if look.shows and other != (told.get("error") == "XPB-R05"):
                return f"decide under another plan: {other}, {told}"
            if not look.shows and told.get("error") != "XPB-R01":
                return f"decided on a sealed look: {told}"
        if job["do"] in ("readout", "peek") and told.get("error"):
            return f"{job['do']} was refused: {told}"
        return ""

    def _weighs(self, place: int) -> bool:
        return place in self.weighing

    @property
    def weighing(self) -> set[int]:
        """Places of entries that an amendment must have seen: amendments and decisions."""
        return {at for at, _, _ in self.run.amendments} | self.run.__dict__.setdefault("decided_at", set())

    def _apply(self, job: dict[str, Any], hands: Hands, told: dict[str, Any], killed: bool, grown: list[Any]) -> None:
        run = self.run
        if job["do"] == "open" and not killed:
            hands.key, hands.head, hands.readouts = job["key"], run.steps, set()
        if not grown:
            return
        place = run.steps
        run.steps += 1
        if job["do"] in ("readout", "peek"):
            data = tuple(job["data"])
            prior = run.comparator()
            lost = prior is not None and (prior.data[0] - data[0]) / prior.data[0] > 0.005
            due = data[0] >= HORIZON
            shows = due or job["do"] == "peek"
            run.looks.append(Look(place, data, due, shows, bool(lost), run.title, run.margin))
            if not killed:
                hands.readouts.add(place)
        elif job["do"] == "amend":
            margin = job["plan"]["metrics"][1]["margin"]
            run.amendments.append((place, abs(margin - run.margin) > 1e-9, run.known()))
            run.title, run.margin = job["plan"]["title"], margin
            if not killed:
                hands.head = run.steps
                hands.readouts = set(hands.readouts)
        elif job["do"] == "decide":
            look = next(k for k in run.looks if k.place == job["look"])
            run.decision = (job["because"], look, place)
            if not killed and not any(self._weighs(k) for k in range(hands.head, place)):
                hands.head = run.steps  # what a handle decided it has seen
            run.__dict__.setdefault("decided_at", set()).add(place)
        elif job["do"] == "restart":
            clock = lambda: self.now  # noqa: E731
            try:
                new = xp.restart(run.key, self.root, reason="over", by="a", start=job["start"], clock=clock)
            except XpbenchError:
                new = xp.open_experiment(xp.open_experiment(run.key, self.root).status().restarted_as, self.root)
            seen = run.effects_before or run.known() == "effects seen"
            self.run = Run(new.key, run.number + 1, self._stamp(new), seen, new.plan.title, 0.0)
            self.run.margin = new.plan.metrics[1].margin
            for each in self.hands:
                each.key = ""

    def _compare(self) -> str:
        run = self.run
        experiment = xp.open_experiment(run.key, self.root)
        status = experiment.status()
        found = [experiment.plan.title, status.looks, status.knowledge if hasattr(status, "knowledge") else run.known()]
        wanted = [run.title, len({k.data for k in run.looks if k.shows}), run.known()]
        if found != wanted:
            return f"status says {found}, and it is {wanted}"
        if (experiment.decision is None) != (run.decision is None):
            return "there is a decision, or there is none"
        if run.decision is None:
            return ""
        self.counts["pages compared"] += 1
        says, is_so = claimed(experiment), run.claims()
        return "" if says == is_so else f"page one says {says}, and it is {is_so}"


def walk(worlds: range, seed: int, counts: Counter[str], steps: int) -> list[str]:
    """What was wrong in any of these worlds."""
    wrong = []
    for number in worlds:
        with tempfile.TemporaryDirectory(dir=os.environ.get("XPBENCH_BENCH_DIR")) as folder:
            world = World(seed * 1_000_003 + number, Path(folder), counts)
            try:
                for i in range(steps):
                    counts["steps"] += 1
                    if said := world.step():
                        wrong.append(f"world {number}, step {i}: {said}")
                        break
            finally:
                world.close()
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--limit", type=int, help="stop after so many steps of this call; --resume goes on")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    args = parser.parse_args()
    worlds = -(-args.steps // STEPS)
    kept: dict[str, Any] = {"commit": commit(), "worlds": 0, "counts": {}, "wrong": [], "seconds": 0.0}
    if args.resume and PARTIAL.exists():
        kept = json.loads(PARTIAL.read_text())
    counts: Counter[str] = Counter(kept["counts"])
    began, done = time.perf_counter(), 0
    while kept["worlds"] < worlds and (args.limit is None or done < args.limit):
        end = min(kept["worlds"] + CHUNK, worlds)
        kept["wrong"] += walk(range(kept["worlds"], end), args.seed, counts, STEPS)
        done += (end - kept["worlds"]) * STEPS
        kept |= {"worlds": end, "counts": dict(counts)}
        if not args.dry:
            PARTIAL.write_text(json.dumps({**kept, "seconds": kept["seconds"] + time.perf_counter() - began}))
    kept["seconds"] = round(kept["seconds"] + time.perf_counter() - began)
    if args.dry:
        print(json.dumps(kept, indent=1))
    elif kept["worlds"] >= worlds:
        result = {"steps": counts["steps"], "worlds": worlds, "wrong": kept["wrong"], "seconds": kept["seconds"]}
        result |= {"counts": dict(sorted(counts.items())), "walked_on": kept["commit"]}
        write("two_analysts", result, command=f"python -m benchmarks.two_analysts --steps {args.steps} --seed {args.seed}")
        PARTIAL.unlink(missing_ok=True)
    return bool(kept["wrong"])


if __name__ == "__main__":
    sys.exit(main())
