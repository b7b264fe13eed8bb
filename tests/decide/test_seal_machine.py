"""Whatever is done in whatever order: no effect is ever revealed without a row of the ledger that came first."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from tests.decide.sealed import HORIZON, plan, summary
from xpbench.data.summary import Cell, Summary
from xpbench.decide.analysis import analyse
from xpbench.decide.readout import Readout, SealedReadout
from xpbench.decide.row import Row
from xpbench.decide.seal import due
from xpbench.errors import DecisionError, LedgerError
from xpbench.experiment import Experiment, register, revealing
from xpbench.stats.pairs import Pair

SECRET = (Cell, Summary, Row, Pair)
SEQUENTIAL = {"kind": "sequential", "n_opt": HORIZON, "min_units": 500}
EFFECT_KEYS = {
    "effect",
    "lift",
    "ci_low",
    "ci_high",
    "mean",
    "mean_control",
    "lift_low",
    "lift_high",
    "chance",
    "cells",
    "rows",
}


def reachable(value: Any, seen: set[int] | None = None) -> list[Any]:
    """Every object that can be reached from a value through attributes and items."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, (str, bytes, int, float, type(None))):
        return []
    seen.add(id(value))
    parts: list[Any] = []
    if isinstance(value, dict):
        parts = [*value.keys(), *value.values()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        parts = list(value)
    else:
        parts = [getattr(value, s) for c in type(value).__mro__ for s in getattr(c, "__slots__", ()) if hasattr(value, s)]
        parts += list(vars(value).values()) if hasattr(value, "__dict__") else []
    return [value, *(x for p in parts for x in reachable(p, seen))]


def keys_of(value: Any) -> set[str]:
    """Every key in a JSON value."""
    if isinstance(value, dict):
        return set(value) | {k for v in value.values() for k in keys_of(v)}
    return {k for v in value for k in keys_of(v)} if isinstance(value, list) else set()


class Seal(RuleBasedStateMachine):
    """Reads, peeks, amends, decides, fails to write, sets clocks back."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.now = datetime(2026, 11, 3, 9, 0, tzinfo=UTC)
        self.revealed: list[Readout] = []
        self.may_compute = False
        self.broken_disk = False

    def clock(self) -> datetime:
        """The time, as the rules set it."""
        return self.now

    @initialize(sequential=st.booleans())
    def start(self, sequential: bool) -> None:
        """Register."""
        self.experiment: Experiment = register(plan(SEQUENTIAL if sequential else None), self.folder, clock=self.clock)
        self.patch = mock.patch.object(revealing, "analyse", self.spy)
        self.patch.start()

    def spy(self, a_plan: Any, a_summary: Summary, **options: Any) -> Any:
        """Effects are computed here and nowhere else, and only where they may be shown or somebody asked for them on record."""
        assert self.may_compute
        return analyse(a_plan, a_summary, **options)

    def entries(self) -> int:
        """Rows of looks at effects."""
        return sum(e.kind in ("opened", "peeked") for e in self.experiment.ledger.entries())

    @rule(n=st.sampled_from([200, 900, 1200, 3998, 4000, 6000]), effect=st.sampled_from([0.0, 0.1, 0.5]))
    def read(self, n: int, effect: float) -> None:
        """A readout: sealed before it is due, on record afterwards."""
        before, data = self.entries(), summary(n, effect=effect)
        self.may_compute = due(self.experiment.plan, data, now=self.now).is_due
        try:
            found = self.experiment.readout(data)
        except LedgerError:
            assert self.broken_disk
            return
        finally:
            self.may_compute = False
        if isinstance(found, Readout):
            assert self.entries() == before + 1
            self.revealed.append(found)
            return
        self.check_sealed(found)
        assert self.entries() == before

    @rule(n=st.sampled_from([200, 900, 4000]), reason=st.sampled_from(["", "  ", "board asks", "x" * 500]))
    def peek(self, n: int, reason: str) -> None:
        """A peek: refused without a reason, else on record."""
        before = self.entries()
        self.may_compute = bool(reason.strip())
        try:
            found = self.experiment.peek(summary(n), reason=reason)
        except DecisionError as error:
            assert (error.code, reason.strip()) == ("XPB-R02", "")  # noqa: PT017 - a rule of the machine, no expectation
            assert not reason.strip()
            assert self.entries() == before
            return
        except LedgerError:
            assert self.broken_disk
            return
        finally:
            self.may_compute = False
        assert reason.strip()
        assert self.entries() == before + 1
        self.revealed.append(found)

    @rule(seconds=st.sampled_from([-86_400, -1, 1, 3600, 86_400 * 9]))
    def time_moves(self, seconds: int) -> None:
        """Clocks go on, and sometimes back."""
        self.now += timedelta(seconds=seconds)

    @rule(units=st.sampled_from([2000, 4000, 9000]))
    def amend(self, units: int) -> None:
        """The horizon changes."""
        if self.broken_disk or units == self.experiment.plan.horizon.units:
            return
        self.experiment = self.experiment.amend(
            self.experiment.plan.changed(horizon={"units": units}), reason="more traffic", by="ana"
        )

    @rule()
    def disk_fills_up(self) -> None:
        """From now on nothing reaches the disk: nothing may be shown."""
        if not self.broken_disk:
            self.disk = mock.patch("xpbench.ledger.ledger.os.fsync", side_effect=OSError(28, "No space left on device"))
            self.disk.start()
            self.broken_disk = True

    @precondition(lambda self: self.broken_disk)
    @rule()
    def disk_is_mended(self) -> None:
        """And on it goes."""
        self.disk.stop()
        self.broken_disk = False

    @precondition(lambda self: self.revealed and not self.broken_disk)
    @rule(outcome=st.sampled_from(["ship", "ship none", "iterate", "defer"]))
    def decide(self, outcome: str) -> None:
        """Decide on what was revealed last."""
        try:
            self.experiment.decide(
                self.revealed[-1],
                outcome,
                variant="b" if outcome == "ship" else None,
                because="x",
                by="ana",
                supersedes=self.experiment.decision,
            )
        except DecisionError as error:
            assert error.code == "XPB-R05"  # noqa: PT017 - amended since
        except LedgerError as error:
            assert error.code == "XPB-L16"  # noqa: PT017 - amended since, and back

    def check_sealed(self, found: SealedReadout) -> None:
        """Nothing that can be reached from a sealed readout holds an effect, a mean or a p-value of a metric."""
        assert not [x for x in reachable(found) if isinstance(x, SECRET)]
        assert keys_of(found.to_dict()) & EFFECT_KEYS == set()
        assert "effect" not in found._repr_html_()

    @invariant()
    def every_reveal_has_its_row(self) -> None:
        """Each readout that was shown names an entry that is on disk."""
        if not hasattr(self, "experiment"):
            return
        marks = [(e.at, e.body["fingerprint"]) for e in self.experiment.ledger.entries() if e.kind in ("opened", "peeked")]
        for found in self.revealed:
            assert (found.at, found.summary.fingerprint) in marks

    def teardown(self) -> None:
        """Put everything back."""
        if self.broken_disk:
            self.disk.stop()
        if hasattr(self, "patch"):
            self.patch.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def budget(examples: int) -> settings:
    """Fifty steps for each example."""
    return settings(
        max_examples=examples, stateful_step_count=50, deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip


def test_no_effect_without_a_row() -> None:
    """A thousand steps here, ten thousand in benchmarks/seal.py."""
    run_state_machine_as_test(Seal, settings=budget(20))


def test_kill_between_append_and_reveal(tmp_path: Path) -> None:
    """Processes killed while they peek: whatever was shown is on record (25 runs here, 300 in benchmarks/seal.py)."""
    script = Path(__file__).with_name("kill_helper.py")
    out = subprocess.run(
        [sys.executable, str(script), str(tmp_path), "25"], check=True, capture_output=True, text=True, timeout=240
    )
    found = json.loads(out.stdout)
    assert found["runs"] == 25
    assert found["revealed_without_row"] == 0
    assert found["broken_ledgers"] == 0
    assert found["killed"] > 10
