"""Two analysts with a handle each, against a plain model: which plan, how many looks, which decision, and what is refused."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import xpbench as xp
from tests.decide.sealed import plan, summary
from xpbench.errors import DecisionError, LedgerError

WHO = st.sampled_from([0, 1])
DATA = {n: summary(n) for n in (4000, 4200, 4400)}


class Record(RuleBasedStateMachine):
    """The experiment as two people hold it, and what it should be."""

    @initialize()
    def register(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        xp.register(plan(), self.root)
        self.handles = [xp.open_experiment("sealed", self.root) for _ in range(2)]
        self.fresh = [True, True]  # nothing was amended, decided or restarted by the other since this handle was opened
        self.title, self.count = "Sealed", 0
        self.looks: list[tuple[int, int]] = []  # data and number of amendments by then
        self.readouts: list[tuple[Any, int]] = []  # with their place among the looks
        self.amendments = 0
        self.decision: tuple[str, int] | None = None
        self.is_over, self.looks_before, self.decided_after = False, 0, False

    def _step(self, who: int) -> None:
        self.fresh = [i == who and self.fresh[i] for i in range(2)]

    @rule(who=WHO)
    def open(self, who: int) -> None:
        self.handles[who] = xp.open_experiment("sealed", self.root)
        self.fresh[who] = True

    @rule(who=WHO)
    def amend(self, who: int) -> None:
        self.count += 1
        after = self.handles[who].plan.changed(title=f"Title {self.count}")
        if self.is_over or not self.fresh[who]:
            with pytest.raises(LedgerError, match=r"XPB-L1[36]"):
                self.handles[who].amend(after, reason="words", by=str(who))
            return
        self.handles[who] = self.handles[who].amend(after, reason="words", by=str(who))
        self.title, self.amendments = after.title, self.amendments + 1
        self._step(who)

    @rule(who=WHO, n=st.sampled_from(sorted(DATA)))
    def look(self, who: int, n: int) -> None:
        readout = self.handles[who].readout(DATA[n], by=str(who))
        assert readout.plan["title"] == self.title
        self.readouts.append((readout, len(self.looks)))
        self.looks.append((n, self.amendments))

    @rule(who=WHO, pick=st.integers(0, 5), says=st.booleans())
    def decide(self, who: int, pick: int, says: bool) -> None:
        if not self.readouts:
            return
        readout, place = self.readouts[pick % len(self.readouts)]
        self.count += 1
        because, handle = f"reason {self.count}", self.handles[who]
        in_force = handle.decision if says else None
        if self.looks[place][1] != self.amendments:
            with pytest.raises(DecisionError, match="XPB-R05"):
                handle.decide(readout, "iterate", because=because, by=str(who), supersedes=in_force)
            return
        if self.decision is not None and not says:
            with pytest.raises(DecisionError, match="XPB-R17"):
                handle.decide(readout, "iterate", because=because, by=str(who))
            return
        if self.is_over and place < self.looks_before and not self.decided_after:
            with pytest.raises(LedgerError, match="XPB-L16"):  # the run ended since that look
                handle.decide(readout, "iterate", because=because, by=str(who), supersedes=in_force)
            return
        entry = handle.decide(readout, "iterate", because=because, by=str(who), supersedes=in_force)
        own = self.looks[place][0]
        later = {n for n, _ in self.looks[place + 1 :]} - {own}
        assert len(entry.body["later_looks"]) == len(later)
        self.decision = (because, place)
        self.decided_after = self.is_over
        self.fresh = [False, False]

    @rule(who=WHO)
    def restart(self, who: int) -> None:
        if self.is_over or self.count < 3:
            return
        assert xp.restart("sealed", self.root, reason="over", by=str(who)).status().follows == ("sealed",)
        self.is_over, self.looks_before = True, len(self.looks)
        self.fresh = [False, False]

    @invariant()
    def what_is_on_record_is_what_happened(self) -> None:
        for handle in (*self.handles, xp.open_experiment("sealed", self.root)):
            assert handle.plan.title == self.title
            assert len(handle.looks()) == len(self.looks)
            assert handle.status().looks == len({n for n, _ in self.looks})
            found = handle.decision
            assert (found.body["because"] if found is not None else None) == (self.decision[0] if self.decision else None)
            if self.decision is not None:
                assert handle.decided_readout().summary.n == self.looks[self.decision[1]][0]
            assert (handle.status().restarted_as == "sealed-2") is self.is_over

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


TestRecord = Record.TestCase
TestRecord.settings = settings(
    max_examples=int(os.environ.get("XPBENCH_RECORD_EXAMPLES", "10")),
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
