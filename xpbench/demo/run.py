"""The demo: the whole flow on simulated events, from plan to verified memo, and how near the planted truth it came."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xpbench.data import events
from xpbench.decide.readout import Readout, SealedReadout
from xpbench.decide.row import Row
from xpbench.demo.page import homepage
from xpbench.demo.simulation import EXPOSURE_DAYS, START, WINDOW_DAYS, Simulation, Story, Truth, demo_plan, simulate
from xpbench.experiment import register
from xpbench.files import write_atomic
from xpbench.forecast.power import plan_power
from xpbench.memo import Memo
from xpbench.memo.verification import verify
from xpbench.randomiser.preflight.preflighting import preflight

Tell = Callable[[str], None]


class StoryClock:
    """A clock that the demo sets to the days of its story."""

    def __init__(self, start: datetime) -> None:
        self.now = start

    def __call__(self) -> datetime:
        """The story's time; moves on by a second with every reading."""
        self.now += timedelta(seconds=1)
        return self.now

    def to(self, moment: datetime) -> None:
        """Move on to a moment of the story."""
        self.now = max(self.now, moment)


@dataclass(frozen=True, slots=True)
class Coverage:
    """One metric's interval next to the planted truth."""

    metric: str
    scale: str
    estimate: float
    low: float
    high: float
    truth: float

    @property
    def is_inside(self) -> bool:
        """The interval holds the truth."""
        return self.low <= self.truth <= self.high

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "inside": self.is_inside}


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo made.

    Attributes:
        folder: Where everything lies.
        memo: Path of the memo.
        notebook: Path of the notebook.
        data: Path of the events.
        page: Path of the homepage with the tag; `xpbench sandbox` serves its folder.
        readout: The final readout.
        sealed: The readout of the first day.
        coverage: Intervals beside the planted truth.
        verdict: What verifying the memo has said, such as `verified`.
        proof: The same as a sentence.
    """

    folder: Path
    memo: Path
    notebook: Path
    data: Path
    page: Path
    readout: Readout
    sealed: SealedReadout
    coverage: tuple[Coverage, ...]
    verdict: str
    proof: str

    @property
    def plan(self) -> Path:
        """Path of the registered plan."""
        return next((self.folder / "experiments").glob("*/plan.json"))

    def to_dict(self) -> dict[str, Any]:
        """What `--json` prints."""
        r = self.readout.recommendation
        return {
            "outcome": r.outcome,
            "variant": r.variant,
            "rows": list(r.rows),
            "because": r.because,
            "memo": str(self.memo),
            "verify": self.verdict,
            "notebook": str(self.notebook),
            "data": str(self.data),
            "page": str(self.page),
            "experiments": str(self.folder / "experiments"),
            "truth": [c.to_dict() for c in self.coverage],
        }


def run_demo(
    out: str | Path = "xpbench-demo",
    *,
    units: int = 40_000,
    seed: int = 2026,
    story: Story = "ship",
    start: datetime = START,
    tell: Tell = lambda _: None,
) -> DemoResult:
    """Plan, register, preflight, simulate, look early (sealed), read out, decide, write the memo, verify it.

    Args:
        out: Folder for everything; where it has a demo already, a new one beside it is taken.
        units: Visitors.
        seed: Same seed, same numbers.
        story: Which ending.
        start: Midnight of the first day of exposures; `recent_start` makes the story end within the last week.
        tell: Called with what is being done.
    """
    folder = _free(Path(out))
    clock = StoryClock(start - timedelta(days=4))
    tell("planning and registering")
    plan = demo_plan(units=units)
    experiment = register(plan, folder / "experiments", by="growth-analytics", clock=clock)
    write_atomic(folder / "power.json", (json.dumps(plan_power(plan).to_dict(), indent=2) + "\n").encode())
    tell(f"simulating {units:,} visitors")
    simulation = simulate(plan, units=units, seed=seed, story=story, start=start)
    report = preflight(plan, simulation.ids)
    experiment.ledger.append("preflight", {"units": len(simulation.ids), "warnings": _warnings(report)}, by="growth-analytics")
    clock.to(start)
    experiment.launch(by="growth-analytics")
    data = folder / "events.parquet"
    pq.write_table(simulation.events, data, compression="zstd")
    tell("looking after the first morning: sealed")
    first = start + timedelta(hours=9)
    clock.to(first)
    sealed = experiment.readout(events(_until(simulation.events, first), until=first, absent_events="zero", clock=clock))
    if not isinstance(sealed, SealedReadout):
        raise AssertionError("the first morning is before the first look")
    tell("reading out after the last window has closed")
    clock.to(simulation.end + timedelta(hours=1))
    readout = experiment.readout(events(str(data), until=simulation.end, clock=clock))
    if not isinstance(readout, Readout):
        raise AssertionError("the end of the simulation is after the horizon")
    tell("deciding and writing the memo")
    clock.to(simulation.end + timedelta(hours=2))
    advice = readout.recommendation
    outcome = "iterate" if advice.outcome == "invalid" else advice.outcome
    experiment.decide(readout, outcome, variant=advice.variant or None, because=_because(readout), by="growth-analytics")
    memo: Memo = experiment.memo()
    path = Path(memo.save(folder / "memo.html"))
    notebook = folder / "explore.ipynb"
    write_atomic(notebook, _notebook(plan.key))
    page = folder / "page" / "index.html"
    page.parent.mkdir()
    write_atomic(page, homepage(plan).encode())
    tell("verifying it from nothing but itself")
    proof = verify(path)
    found = coverage(readout, simulation)
    return DemoResult(folder, path, notebook, data, page, readout, sealed, found, proof.status, proof.reason)


def recent_start(now: datetime) -> datetime:
    """The Monday, in UTC, on which the story has to begin so that it is decided within the last week before `now`."""
    end = now.astimezone(UTC) - timedelta(days=EXPOSURE_DAYS + WINDOW_DAYS + 1)
    return (end - timedelta(days=end.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)


def coverage(readout: Readout, simulation: Simulation) -> tuple[Coverage, ...]:
    """Every row's interval next to the planted truth, on the scale on which the truth is exact."""
    out = []
    for row in readout.rows:
        found = _covered(row, simulation.truth[row.metric])
        if found is not None:
            out.append(found)
    return tuple(out)


def _covered(row: Row, truth: Truth) -> Coverage | None:
    if truth.effect is not None:
        values, planted = (row.effect, row.ci_low, row.ci_high), truth.effect
        scale = "effect"
    else:
        values, planted = (row.lift, row.lift_low, row.lift_high), truth.lift or 0.0
        scale = "lift"
    estimate, low, high = values
    if estimate is None or low is None or high is None:
        return None
    return Coverage(row.metric, scale, estimate, low, high, planted)


def _until(table: pa.Table, moment: datetime) -> pa.Table:
    return table.filter(pc.less(table["time"], pa.scalar(moment, pa.timestamp("us", tz="UTC"))))


def _warnings(report: Any) -> int:
    return len(report.to_dict().get("findings", ()))


def _because(readout: Readout) -> str:
    advice = readout.recommendation
    if advice.outcome == "invalid":
        return "The data can't be trusted: " + "; ".join(c.meaning for c in readout.health if c.blocks)
    return advice.because


def _free(out: Path) -> Path:
    folder, n = out, 2
    while folder.exists() and any(folder.iterdir()):
        folder, n = out.with_name(f"{out.name}-{n}"), n + 1
    return folder


def _notebook(key: str) -> bytes:
    """A notebook over the demo's experiment, to run and change."""
    cells: list[tuple[str, str]] = [
        ("markdown", "# The beta homepage\n\nThe demo's experiment: its plan, what the readout says, and the memo."),
        ("code", f'import xpbench as xp\n\nexperiment = xp.open_experiment("{key}", root="experiments")\nexperiment.plan'),
        ("code", "experiment.status()"),
        ("markdown", "The readout that the decision rests on, as it was frozen then. Showing it again adds no look."),
        ("code", "readout = experiment.decided_readout()\nreadout"),
        ("markdown", "Lifts with their intervals, the effect over time, and the health checks, drawn:"),
        ("code", "readout.plot()"),
        ("code", 'readout.plot("time")'),
        ("code", 'readout.plot("health")'),
        ("markdown", "Every number as a table:"),
        ("code", "readout.to_frame()"),
        (
            "markdown",
            "The look on record names its file and up to when the log was complete. So the data can be read again as they were "
            "read then, and every number compared:",
        ),
        ("code", "print(experiment.reproduce())"),
        (
            "markdown",
            "To look for yourself, read it out. That look goes on record like every other; at the same data, read the same "
            "way, it is the same look.",
        ),
        ("code", "experiment.readout(experiment.source())"),
        ("markdown", "The memo that was frozen when the decision was made still verifies:"),
        ("code", 'xp.verify("memo.html")'),
    ]
    document = {
        "cells": [
            {
                "cell_type": kind,
                "id": f"cell-{i}",
                "metadata": {},
                "source": text.splitlines(keepends=True),
                **({"outputs": [], "execution_count": None} if kind == "code" else {}),
            }
            for i, (kind, text) in enumerate(cells)
        ],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
