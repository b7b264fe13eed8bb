"""Dishonest analysts, one trick each: what ledger, data or root can show must change the headline of the memo.

    python -m benchmarks.tricks                    500 analysts, then docs/proof/tricks.md
    python -m benchmarks.tricks --count 60 --dry   fewer, no files written
    python -m benchmarks.tricks --trick better_of_two --count 200   one trick alone

Each analyst draws source (a table of units or a log of events), design, number of variants and size by a seed. An honest
twin of every life gives the headline that the trick is after: a plain "Ship beta". Found means: the headline differs from it,
the memo can't be made, or it does not verify with the ledger at hand.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import xpbench as xp
from benchmarks.report import RESULTS, write
from tests.builders import claim, plan_document
from xpbench.errors import InvalidPlan, XpbenchError
from xpbench.memo.content import content

START = datetime(2026, 1, 5, tzinfo=UTC)
BEFORE, AFTER = START - timedelta(days=10), START + timedelta(days=60)
PAGE = Path(__file__).resolve().parents[1] / "docs" / "proof" / "tricks.md"


@dataclass
class Analyst:
    """A world, and the hands that read it.

    Attributes:
        rng: Of this analyst.
        root: Folder of experiments.
        source: `table` or `log`.
        model: Of the plan.
        variants: Keys, control first.
        n: Units.
        now: The clock.
    """

    rng: np.random.Generator
    root: Path
    source: str
    model: dict[str, Any]
    variants: tuple[str, ...]
    n: int
    now: datetime = BEFORE

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def plan(self, **changes: Any) -> xp.Plan:
        if self.source == "table":
            metrics = [_metric("y", "column", "primary", column="y"), _metric("z", "column", "secondary", column="z")]
            rail = _metric("g", "column", "guardrail", column="g", margin=0.2)
        else:
            metrics = [_event("y", "Y", "primary"), _event("z", "Z", "secondary")]
            rail = _event("g", "G", "guardrail") | {"margin": 0.2}
        base = plan_document(
            [*metrics, rail],
            key="beta",
            owner="ana",
            hypothesis=claim([{"metric": "y", "direction": "increase"}], change="i"),
            variants=[{"key": v, "split": 1 / len(self.variants), "control": i == 0} for i, v in enumerate(self.variants)],
            unit="user",
            model=self.model,
            horizon={"units": self.n},
        )
        return xp.Plan(**{**base, **changes})

    def register(self, at: datetime = BEFORE, **changes: Any) -> xp.Experiment:
        self.now = at
        return self.reopen(xp.register(self.plan(**changes), self.root, by="ana", clock=self.clock).key)

    def reopen(self, key: str, at: datetime = AFTER) -> xp.Experiment:
        self.now = max(self.now, at)
        return xp.open_experiment(key, self.root, clock=self.clock)

    def world(self, lift: float = 0.0, days: int = 14, first: datetime = START) -> pd.DataFrame:
        """Units with a variant, a day and three outcomes."""
        n = int(self.n * 1.02)
        frame = pd.DataFrame({"user": [f"u{i}" for i in range(n)], "variant": self.rng.choice(self.variants, n)})
        treated = frame.variant == "beta"
        frame["at"] = [first + timedelta(hours=float(h)) for h in np.sort(self.rng.uniform(0, 24 * days, n))]
        frame["segment"] = self.rng.choice(["a", "b"], n)
        frame["other"] = self.rng.choice(self.variants, n)
        for name in "yzg":
            up = lift if name == "y" else 0.0
            frame[name] = (self.rng.random(n) < 0.3 + up * treated).astype(int)
        return frame

    def read(self, frame: pd.DataFrame, *, day: bool = True, variant: str = "variant", until: str | None = None) -> Any:
        """The frame as the source of this analyst."""
        if self.source == "table":
            table = frame.assign(day=[t.date().isoformat() for t in frame["at"]]).drop(columns="at")
            return xp.units(table, unit="user", variant=variant, day="day" if day else None)
        rows = []
        for r in frame.to_dict("records"):
            extra = {"Experiment name": "beta", "Variant name": r[variant], "segment": r["segment"]}
            rows.append(("$experiment_started", r["at"], r["user"], json.dumps(extra)))
            rows += [(name.upper(), r["at"] + timedelta(hours=5), r["user"], "{}") for name in "yzg" if r[name]]
        rows.append(("Ping", AFTER - timedelta(days=1), "nobody", "{}"))
        log = pd.DataFrame(rows, columns=["event", "time", "user", "properties"])
        return xp.events(log, schema=xp.EventSchema(insert_id=None, arrived=None), until=until, clock=self.clock)


def _metric(key: str, kind: str, role: str, **more: Any) -> dict[str, Any]:
    return {"key": key, "kind": kind, "role": role, "direction": "increase", **more}


def _event(key: str, event: str, role: str) -> dict[str, Any]:
    return _metric(key, "conversion", role, event=event, window_days=7)


def ship(experiment: xp.Experiment, readout: Any) -> xp.Experiment:
    """Decide to ship whatever the rule says."""
    experiment.decide(readout, "ship", variant="beta", because="It looks good.", by="ana")
    return experiment


# the tricks: each gives an experiment that was decided, or a path of a memo that is shown to somebody


def honest(a: Analyst) -> Any:
    """No trick, and an effect that every design finds."""
    e = a.register()
    return ship(e, e.readout(a.read(a.world(0.15))))


def register_after(a: Analyst) -> Any:
    """Register after the data"""
    e = a.register(at=AFTER)
    return ship(e, e.readout(a.read(a.world(0.1))))


def drop_a_look(a: Analyst) -> Any:
    """Drop a look: decide on an older one that looked better"""
    e = a.register()
    good = e.readout(a.read(a.world(0.1)))
    e.readout(a.read(a.world(0.0)))
    return ship(e, good)


def better_of_two(a: Analyst) -> Any:
    """Decide on the better of two exports"""
    e = a.register()
    e.readout(a.read(a.world(0.0)))
    return ship(e, e.readout(a.read(a.world(0.1))))


def swap_the_primary(a: Analyst) -> Any:
    """Swap the primary metric once effects were seen"""
    e = a.register()
    frame = a.world(0.1).rename(columns={"y": "z", "z": "y"})
    e.readout(a.read(frame))
    document = e.plan.to_dict()
    for m in document["metrics"]:
        m["role"] = {"y": "secondary", "z": "primary"}.get(m["key"], m["role"])
    document["hypothesis"]["then"] = [{"metric": "z", "direction": "increase"}]
    e = e.amend(xp.Plan(**document), reason="clearer", by="ana")
    return ship(e, e.readout(a.read(frame)))


def widen_a_margin(a: Analyst) -> Any:
    """Widen a margin once effects were seen"""
    e = a.register()
    frame = a.world(0.1)
    e.readout(a.read(frame))
    document = e.plan.to_dict()
    document["metrics"][2]["margin"] = 0.5
    e = e.amend(xp.Plan(**document), reason="wider", by="ana")
    return ship(e, e.readout(a.read(frame)))


def lower_a_gate(a: Analyst) -> Any:
    """Lower a gate after it failed"""
    e = a.register()
    frame = a.world(0.1)
    frame = frame[~((frame.variant == "beta") & (a.rng.random(len(frame)) < 0.3))]
    e.readout(a.read(frame))
    e = e.amend(e.plan.changed(health={"srm_alpha": 1e-300, "srm_warn_alpha": 1e-200}), reason="noise", by="ana")
    return ship(e, e.readout(a.read(frame)))


def shorten_the_horizon(a: Analyst) -> Any:
    """Shorten the horizon to today's data after a peek"""
    e = a.register(horizon={"units": 3 * a.n})
    frame = a.world(0.1)
    e.peek(a.read(frame), reason="curious")
    e = e.amend(e.plan.changed(horizon={"units": a.n}), reason="enough", by="ana")
    return ship(e, e.readout(a.read(frame)))


def loosen_the_level(a: Analyst) -> Any:
    """Loosen the level once effects were seen"""
    e = a.register()
    frame = a.world(0.1)
    e.readout(a.read(frame))
    e = e.amend(e.plan.changed(model={**a.model, "confidence": 0.8}), reason="enough", by="ana")
    return ship(e, e.readout(a.read(frame)))


def restart_until_it_wins(a: Analyst) -> Any:
    """Restart until a run wins"""
    e, key, first = a.register(), "beta", START
    for _ in range(int(a.rng.integers(1, 3))):
        e.readout(a.read(a.world(0.0, first=first)))
        a.now = first + timedelta(days=20)
        key = xp.restart(key, a.root, reason="again", start=(first + timedelta(days=21)).date(), clock=a.clock).key
        first += timedelta(days=21)
        e = a.reopen(key, at=first + timedelta(days=39))
    return ship(e, e.readout(a.read(a.world(0.1, first=first))))


def shop_segments(a: Analyst) -> Any:
    """Shop for a segment that was not declared"""
    e = a.register()
    return ship(e, e.readout(a.read(a.world(0.1)), segments=["segment"]))


def other_variant_column(a: Analyst) -> Any:
    """Read another column as the variant"""
    a.source = "table"
    e = a.register()
    frame = a.world(0.0)
    e.readout(a.read(frame, variant="other"))
    return ship(e, e.readout(a.read(frame)))


def shop_for_an_end(a: Analyst) -> Any:
    """Read the same log up to several days, decide on the best"""
    a.source = "log"
    e = a.register()
    frame = a.world(0.1)
    looks = [e.readout(a.read(frame, until=f"2026-01-{day}")) for day in (28, 30)]
    return ship(e, looks[int(a.rng.integers(0, 2)) if a.model["kind"] == "frequentist" else 0])


def delete_outcomes(a: Analyst) -> Any:
    """Delete conversions of the control between two looks"""
    e = a.register()
    frame = a.world(0.0)
    e.readout(a.read(frame))
    gone = (frame.variant == a.variants[0]) & (a.rng.random(len(frame)) < 0.5)
    return ship(e, e.readout(a.read(frame.assign(y=frame.y.where(~gone, 0)))))


def count_twice(a: Analyst) -> Any:
    """Delete units that did not convert, and look twice so that the second look has nothing to compare with"""
    e = a.register()
    frame = a.world(0.0)
    e.readout(a.read(frame))
    frame = frame[~((frame.variant == "beta") & (frame.y == 0) & (a.rng.random(len(frame)) < 0.3))]
    e.readout(a.read(frame))
    return ship(e, e.readout(a.read(frame)))


def drop_the_days(a: Analyst) -> Any:
    """Register after the data, and read no days once they said so"""
    a.source = "table"
    e = a.register(at=AFTER)
    frame = a.world(0.1)
    e.readout(a.read(frame))
    return ship(e, e.readout(a.read(frame, day=False)))


def peek_and_decide(a: Analyst) -> Any:
    """Peek before results are due, and decide on the peek"""
    if a.model["kind"] == "sequential":  # it is due at any size, so that a look at it is no peek
        a.model = {"kind": "frequentist"}
    e = a.register(horizon={"units": 3 * a.n})
    return ship(e, e.peek(a.read(a.world(0.1)), reason="curious"))


def made_up_audit(a: Analyst) -> Any:
    """Relabel some units, and hand over an audit that passed"""
    e = a.register(assignment={"hash": "sha256", "salt": "s"})
    frame = a.world(0.0)
    frame["variant"] = xp.assign(e.plan, frame["user"].to_list())
    moved = (frame.variant == "control") & (frame.y == 1) & (a.rng.random(len(frame)) < 0.1)
    frame["variant"] = frame.variant.where(~moved, "beta")
    return ship(e, e.readout(a.read(frame), evidence={"audit": {"rows": a.n, "disagreeing": 0}}))


def edit_the_readout(a: Analyst) -> Any:
    """Edit the readout between look and decision"""
    from dataclasses import replace

    e = a.register()
    readout = e.readout(a.read(a.world(0.0)))
    rows = tuple(replace(r, p_value=1e-6, p_adjusted=1e-6, verdict="better") for r in readout.rows)
    return ship(e, replace(readout, rows=rows))


def ship_an_invalid_one(a: Analyst) -> Any:
    """Ship on data that failed a gate"""
    e = a.register()
    frame = a.world(0.1)
    return ship(e, e.readout(a.read(frame[~((frame.variant == "beta") & (a.rng.random(len(frame)) < 0.3))])))


def copy_the_folder(a: Analyst) -> Any:
    """Copy the folder, decide in the copy until it pleases"""
    e = a.register()
    readout = e.readout(a.read(a.world(0.0)))
    e.decide(readout, "ship none", because="No difference.", by="ben")
    shutil.copytree(e.folder, a.root / "beta-final")
    return ship(xp.open_experiment("beta-final", a.root), readout)


def shop_among_plans(a: Analyst) -> Any:
    """Register two plans with other primary metrics for the same units, and show the one that wins"""
    e, frame = a.register(), a.world(0.1).rename(columns={"y": "z", "z": "y"})
    e.readout(a.read(frame))
    other = a.plan().to_dict()
    other["key"], other["metrics"][0]["role"], other["metrics"][1]["role"] = "beta-2", "secondary", "primary"
    other["hypothesis"] = claim([{"metric": "z", "direction": "increase"}], change="i")
    if a.source == "log":
        other["exposure"] = {"experiment": "beta", "start": "2026-01-01"}
    a.now = BEFORE
    second = a.reopen(xp.register(xp.Plan(**other), a.root, by="ana", clock=a.clock).key)
    return ship(second, second.readout(a.read(frame)))


def memo_of_an_older_run(a: Analyst) -> Any:
    """Show the memo of a decision that was superseded"""
    e = a.register()
    good = e.readout(a.read(a.world(0.1)))
    ship(e, good)
    path = e.memo().save(a.root / "shown.html")
    later = e.readout(a.read(a.world(0.0)))
    e.decide(later, "ship none", because="It went away.", by="ben", supersedes=e.decision)
    return path


TRICKS: dict[str, tuple[Callable[[Analyst], Any], str]] = {
    f.__name__: (f, " ".join((f.__doc__ or "").split()).rstrip("."))
    for f in (
        register_after, drop_a_look, better_of_two, swap_the_primary, widen_a_margin, lower_a_gate, shorten_the_horizon,
        loosen_the_level, restart_until_it_wins, shop_segments, other_variant_column, shop_for_an_end, delete_outcomes,
        count_twice, drop_the_days, peek_and_decide, made_up_audit, edit_the_readout, ship_an_invalid_one, copy_the_folder,
        shop_among_plans, memo_of_an_older_run,
    )
}  # fmt: skip

PLAIN = ("Ship beta", "follows the rule of the plan")
"""What every trick is after: headline, and how the line below it begins."""


def analyst(seed: int, root: Path) -> Analyst:
    """One analyst, drawn by a seed. Designs that are read several times have paid for looks at data that grow."""
    rng = np.random.default_rng(seed)
    variants = ("control", "beta") if rng.random() < 0.7 else ("control", "beta", "gamma")
    n = int(rng.integers(900, 1500)) * len(variants)
    models: tuple[dict[str, Any], ...] = (
        {"kind": "frequentist"},
        {"kind": "group_sequential", "looks": [0.5, 1.0]},
        {"kind": "sequential", "min_units": 100, "n_opt": n},
    )
    source = "table" if rng.random() < 0.6 else "log"
    return Analyst(rng, root, source, models[int(rng.integers(0, 3))], variants, n)


def seen(life: Callable[[Analyst], Any], a: Analyst) -> tuple[bool, str]:
    """Whether the reader is shown a difference from a plain ship, and in which words."""
    try:
        made = life(a)
        if isinstance(made, Path):
            report = xp.verify(made, ledger=a.root / "beta" / "ledger.jsonl")
            return report.exit_code != 0, re.sub(r"entry \d+ of \d{4}-\d\d-\d\d", "entry …", report.reason)
        memo = made.memo()
        with tempfile.NamedTemporaryFile(suffix=".html") as file:
            report = xp.verify(memo.save(file.name), ledger=made.ledger.path)
        if report.exit_code != 0:
            return True, report.reason
    except InvalidPlan:
        raise  # a fault of the bench, and no discovery
    except XpbenchError as error:
        return True, f"refused: {error.code}"
    decision = content(memo.payload)["decision"]
    plain = (decision["headline"], decision["basis"][: len(PLAIN[1])]) == PLAIN
    headline = decision["headline"]
    return not plain, headline if headline != PLAIN[0] else decision["basis"]


def run(count: int, seed: int = 1, only: str | None = None) -> dict[str, Any]:
    """Run so many analysts, the tricks by turns or one of them alone; what was seen of each."""
    names = list(TRICKS) if only is None else [only]
    found: dict[str, Counter[str]] = defaultdict(Counter)
    missed: list[str] = []
    for i in range(count):
        name = names[i % len(names)]
        with tempfile.TemporaryDirectory() as folder:
            is_seen, words = seen(TRICKS[name][0], analyst(seed * 100_000 + i, Path(folder)))
        found[name][re.sub(r"\(.*?\)|\d+ later looks?", "…", words)] += 1
        if not is_seen:
            missed.append(f"{name}, analyst {i}")
    return {"tricks": {k: dict(v) for k, v in found.items()}, "analysts": count, "missed": missed}


def plain_ships(count: int, seed: int = 1) -> int:
    """Honest twins whose memo is a plain ship: a bench that finds a trick in everything would be worth nothing."""
    shown = 0
    for i in range(count):
        with tempfile.TemporaryDirectory() as folder:
            shown += not seen(honest, analyst(seed * 100_000 + i, Path(folder)))[0]
    return shown


HEAD = """# Tricks, and what the reader sees

Somebody wants a memo that says *Ship*, whatever the data say. This page lists the ways that were tried, each by many simulated
analysts who drew table or log, design, number of variants and size by chance, and what the headline of the memo says then. The
honest twins of these lives get a plain headline.

<!-- tricks -->
"""

UNDETECTABLE = (
    (
        "the clock is set back before the plan is registered",
        "a time stamp of an authority (`xpbench ledger stamp`), or a witness in git from before the launch (`xpbench ledger "
        "note`). Without a stamp the memo says *Dates: not witnessed*",
    ),
    (
        "the whole folder is made again from the start, with other dates and fewer looks",
        "the same; and every earlier memo, whose ledger is then a fork (`xpbench verify MEMO --ledger`)",
    ),
    (
        "entries are cut off the end of the ledger, and no memo or witness has seen them",
        "a witness noted elsewhere (`xpbench ledger note`)",
    ),
    (
        "the data are made up, or were edited before the first look",
        "whoever holds the raw export can read it again: `xpbench reproduce`",
    ),
    (
        "results are computed outside, from the raw data, before the plan is written",
        "the dates of exposure: the plan then comes after them",
    ),
    (
        "the same table without dates is registered again under another key",
        "the memo says that it isn't known whether the plan came first",
    ),
    (
        "two plans are registered for one table, in two roots or with other rows of it, and the one that wins is shown",
        "one root for a team, in git; `xpbench portfolio` lists every plan of it",
    ),
    (
        "moments are handed over in place of data, and were edited before",
        "the memo says that moments were handed over; `xpbench reproduce` from the raw data",
    ),
)
"""What ledger, data and root can't show."""

FURTHER = (
    (
        "Read a log in another zone, or with other repeats, under a design of several looks",
        "Ship, at one of more looks than the plan allows for",
    ),
    ("Read a log up to an earlier day than before", "the same"),
    ("Read the newer export, then take out the older one again", "the same"),
    ("Declare a look the last one after it was seen", "the same"),
    ("Drop the treatment whose gate failed", "Ship, by a plan changed after effects were seen"),
    ("Drop a treatment after the last planned look, or after a decision", "refused: XPB-R34"),
    ("Hand over moments that another plan made", "refused: XPB-R35"),
    ("Look back first, then register the same data as if planned", "Ship, by a plan made after the data"),
)
"""Tried by hand, a test each (`tests/test_shopping.py`, `tests/test_drop.py`)."""


MISSED = {
    "better_of_two": "Of two exports one was not seen: a table under a sequential design, which may be read again. By chance "
    "the second export had as many units of each variant as the first (within 0.5 %), and outcomes of a table may still rise. "
    "Since then a look keeps a sample of its units, by which that analyst is seen",
}
"""Why a trick was not seen by everybody, for the page, and what was done about it."""


def _again(name: str) -> str:
    """What later runs of one trick alone have seen."""
    path = RESULTS / f"tricks_{name}.json"
    if not path.exists():
        return "."
    later = json.loads(path.read_text("utf-8"))
    return f", and {later['analysts'] - len(later['missed'])} of {later['analysts']} new ones (`{later['command']}`)."


def page(result: dict[str, Any]) -> str:
    """The table of tricks as a page."""
    lines = ["| trick | analysts | what the headline says, most often | seen |", "| --- | --: | --- | --: |"]
    for name, (_, words) in TRICKS.items():
        counts = Counter(result["tricks"].get(name, {}))
        total = sum(counts.values())
        said = "; ".join(f"“{w}” {n}" if len(counts) > 1 else f"“{w}”" for w, n in counts.most_common(3)).replace("|", "/")
        lost = sum(m.startswith(f"{name},") for m in result["missed"])
        lines.append(f"| {words} | {total} | {said} | {total - lost} of {total} |")
    lines.append(f"| **all** | **{result['analysts']}** |  | **{result['analysts'] - len(result['missed'])}** |")
    told = f"Honest twins with a plain headline: {result['plain']} of {result['honest']}; the rule of the others did not ship."
    more = ["## Further tricks, a test each", "", "| trick | what the headline says |", "| --- | --- |"]
    more += [f"| {trick} | {words} |" for trick, words in FURTHER]
    rest = [*more, "", "## What nobody can see without a witness", "", "| trick | what helps |", "| --- | --- |"]
    rest += [f"| {trick} | {remedy} |" for trick, remedy in UNDETECTABLE]
    told += " `python -m benchmarks.tricks` makes this page."
    told += "".join(f"\n\n{MISSED[n]}{_again(n)}" for n in dict.fromkeys(m.split(",")[0] for m in result["missed"]))
    return HEAD + "\n".join(lines) + f"\n<!-- end -->\n\n{told}\n\n" + "\n".join(rest) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--honest", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--trick", choices=TRICKS, help="this one alone; writes a result of its own")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    args = parser.parse_args()
    began = time.perf_counter()
    result = run(args.count, args.seed, args.trick) | {"plain": plain_ships(args.honest, args.seed), "honest": args.honest}
    result["seconds"] = round(time.perf_counter() - began)
    if args.trick and not args.dry:
        command = (
            f"python -m benchmarks.tricks --trick {args.trick} --count {args.count} --honest {args.honest} --seed {args.seed}"
        )
        write(f"tricks_{args.trick}", result, command=command)
    elif args.dry:
        print(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        write("tricks", result, command=f"python -m benchmarks.tricks --count {args.count} --seed {args.seed}")
        PAGE.write_text(page(result), "utf-8")
    return (
        bool(result["missed"]) or result["plain"] < 0.8 * result["honest"]
    )  # chance makes the rule say something else for a few


if __name__ == "__main__":
    sys.exit(main())
