"""The readout panel: progress and health first, effects only when due, a peek only with a reason and its price."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xpbench.decide.looks import Look, cost_of
from xpbench.experiment import Experiment, open_experiment
from xpbench.forms.field import MISSING, box, html, visible
from xpbench.forms.inputs import TextLeaf
from xpbench.forms.panel import Panel, Reveal, SourceBox, ViewPlace
from xpbench.outward import html as escape
from xpbench.plan.design import Bayesian, Frequentist
from xpbench.views.readout_card import ReadoutCard
from xpbench.views.report import PARTS, readout_views, winsorization_views


def experiment_of(subject: Experiment | str, root: str | Path = "experiments") -> Experiment:
    """The experiment itself, or the registered one with this key."""
    return subject if isinstance(subject, Experiment) else open_experiment(subject, root)


class ReadoutPanel(Panel):
    """Panel that reads out an experiment.

    Args:
        experiment: The experiment or its key.
        source: `xp.units(...)`, `xp.events(...)`; left out, the panel asks for a path.
        root: Folder of experiments, for a key.
        suggested: A path that the panel starts with.

    Attributes:
        readout: The last readout, sealed or open; None before.
    """

    def __init__(
        self, experiment: Experiment | str, source: Any = None, *, root: str | Path = "experiments", suggested: Any = None
    ) -> None:
        super().__init__()
        self.experiment = experiment_of(experiment, root)
        self.readout: Any = None
        self.source = SourceBox(source, plan=self.experiment.plan, suggested=suggested)
        self._listeners: list[Any] = []
        self.read_button = self.button("Read out", self.read, "xp-primary")
        self.verdict = html(ReadoutCard(None, key=self.experiment.key).verdict_html(), "xp-verdict")
        self.progress = html("", "xp-progress")
        self.reason = TextLeaf("Why look now", about="Goes into the ledger before anything is revealed", long=True)
        self.peeked_by = TextLeaf("Your name", about="For the ledger")
        self.peek_button = self.button("Peek …", self.ask_to_peek, "xp-quiet")
        visible(self.peek_button, False)
        self.reveal_button = self.button("Reveal the effects", self.peek, "xp-primary")
        self.confirm = Reveal([self.reason, self.peeked_by], self.reveal_button, sealed=True)
        self.tabs = {name: self.button(name, lambda n=name: self.show(n), "xp-stepper") for name in PARTS}
        self.tab_row = box(list(self.tabs.values()), "xp-steps", across=True)
        self.place = ViewPlace()
        self.values_button = self.button("Show values before and after winsorization", self.show_values, "xp-quiet")
        visible(self.values_button, False)
        self.tab = ""
        self._arrange()
        self.status.say("Nothing was looked at yet.")

    def _arrange(self) -> None:
        plan = self.experiment.plan
        head = html(
            f"<h3 dir='auto'>{escape(plan.title)}</h3><p class='xp-help'>{escape(self.experiment.status().sentence)}</p>"
        )
        parts: list[Any] = [
            head,
            self.source.widget,
            box([self.read_button], "xp-actions", across=True),
            self.verdict,
            self.progress,
        ]
        parts += [self.peek_button, self.confirm.widget]
        if self.readout is not None:
            parts += [self.tab_row] if not self.readout.is_sealed else []
            parts += [self.place.widget, self.values_button]
        self.main.children = tuple(parts)

    def on_readout(self, listener: Any) -> None:
        """Call `listener(readout)` after every readout."""
        self._listeners.append(listener)

    def read(self) -> None:
        """Read out: sealed before results are due, everything afterwards."""
        source = self.source.get()
        if source is MISSING:
            self.refuse("Give the path of the data first.")
            return
        self.status.say("Reading …", mood="busy")
        self.take(self.experiment.readout(source, progress=self._progress))

    def _progress(self, *stage: Any, **_: Any) -> None:
        self.status.say(f"{' '.join(str(s) for s in stage)} …", mood="busy")

    def ask_to_peek(self) -> None:
        """Say what a peek costs, and ask for the reason."""
        price = self._price()
        self.confirm.open(
            f"<h4>◆ Break the seal</h4><p>{escape(price)}</p><p>Your reason, your name, the time and the number of units are "
            "written to the ledger first. The memo will show it. This can't be undone.</p>"
        )
        self.status.say("Give a reason, or leave it sealed.")

    def _price(self) -> str:
        """What a look now and the planned one cost in false positives."""
        plan, looks = self.experiment.plan, self.experiment.looks()
        stamp = "The readout will carry the stamp PEEK."
        if not isinstance(plan.model, (Frequentist, Bayesian)):
            return f"The interval stays valid, yet the plan says when to look. {stamp}"
        if self.readout is None or not plan.horizon.units:
            return f"The plan pays for one look; every look more adds false positives. {stamp}"
        now = Look(0, "", "", self.readout.due.units, False)
        then = Look(0, "", "", max(plan.horizon.units, now.units + 1), True)
        return f"{cost_of(plan, (*looks, now, then)).sentence} {stamp}"

    def peek(self) -> None:
        """Reveal the effects before they are due; needs a reason."""
        source, reason, by = self.source.get(), self.reason.get(), self.peeked_by.get()
        if source is MISSING:
            self.refuse("Give the path of the data first.")
            return
        if reason is MISSING:
            self.refuse("A peek needs a reason.")
            return
        self.take(self.experiment.peek(source, reason=str(reason), by=None if by is MISSING else str(by)))
        self.confirm.close()

    def take(self, readout: Any) -> None:
        """Show a readout."""
        self.readout = readout
        card = ReadoutCard(readout)
        self.verdict.value = card.verdict_html() + card.what_now_html()
        self.progress.value = _progress_html(readout.due)
        visible(self.peek_button, readout.is_sealed)
        self.show("Health" if readout.is_sealed or not readout.is_valid else "Results")
        self._arrange()
        self.status.say(
            "Sealed: counts and health, no effects."
            if readout.is_sealed
            else f"Read out at {readout.at[:10]} {readout.at[11:16]} UTC.",
            mood="good",
        )
        self.update_twin()
        for listener in self._listeners:
            listener(readout)

    def show(self, tab: str) -> None:
        """Show one of the tabs."""
        self.tab = tab
        for name, each in self.tabs.items():
            (each.add_class if name == tab else each.remove_class)("xp-now")
        self.place.show(*self.views(tab))
        caps = () if self.readout is None or self.readout.is_sealed else self.readout.summary.caps
        visible(self.values_button, bool(caps) and tab == "Sensitivity" and hasattr(self.source.get(), "histograms"))

    def show_values(self) -> None:
        """Add a histogram of every capped metric; reads the data once more, and only counts per bin come back."""
        self.status.say("Counting values …", mood="busy")
        found = self.source.get().histograms(self.experiment.plan, self.readout.summary.caps)
        self.place.show(*self.views(self.tab), *winsorization_views(found, self.experiment.plan))
        visible(self.values_button, False)
        self.status.say("Values counted in bins, all variants together.", mood="good")

    def views(self, tab: str) -> list[Any]:
        """The views of a tab; for a sealed readout health, split and time, whatever the tab."""
        return [] if self.readout is None else readout_views(self.readout, self.experiment.plan, tab)

    def twin(self) -> ReadoutCard:
        """The static summary."""
        return ReadoutCard(self.readout, key=self.experiment.key)

    def to_dict(self) -> dict[str, Any]:
        """The readout."""
        return {} if self.readout is None else dict(self.readout.to_dict())

    def __repr__(self) -> str:
        return f"ReadoutPanel({self.experiment.key!r}, {self.twin().state})"


def _progress_html(due: Any) -> str:
    share = max(0.0, min(1.0, due.progress))
    parts = [f"{due.units:,}" + (f" of {due.units_needed:,}" if due.units_needed else "") + " units"]
    if due.days is not None:
        parts.append(f"{due.days:.1f}" + (f" of {due.days_needed}" if due.days_needed else "") + " days")
    return (
        f'<div class="xp-bar" role="progressbar" aria-label="Progress to the date on which results are due" aria-valuemin="0" '
        f'aria-valuemax="100" aria-valuenow="{share * 100:.0f}"><span style="width:{share * 100:.1f}%"></span></div>'
        f'<p class="xp-help">{escape(", ".join(parts))}</p>'
    )
