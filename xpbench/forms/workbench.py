"""The workbench: every experiment of a folder, and plan, preflight, readout and decision as steps of one panel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpbench.experiment import open_experiment, statuses
from xpbench.forms.decision_form import DecisionForm
from xpbench.forms.field import MISSING, box, html
from xpbench.forms.inputs import ChoiceLeaf
from xpbench.forms.panel import Panel
from xpbench.forms.plan_form import PlanForm
from xpbench.forms.preflight_panel import PreflightPanel
from xpbench.forms.readout_panel import ReadoutPanel
from xpbench.outward import for_terminal
from xpbench.outward import html as escape
from xpbench.views.table import Column, Table

STEPS = ("Plan", "Preflight", "Readout", "Decision")


class RegistryCard:
    """The experiments of a folder as a table."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)
        found = statuses(root) if self._root.is_dir() else []
        columns = (
            Column("key", "Experiment"),
            Column("title", "Title"),
            Column("state", "State"),
            Column("sentence", "Where it stands"),
        )
        self.table = Table(f"Experiments in {root}", columns, found)

    @property
    def headline(self) -> str:
        """How many there are."""
        count = len(self.table.rows)
        return f"{count} experiment{'s' * (count != 1)} in {self._root}"

    @for_terminal
    def to_text(self) -> str:
        """The table as text."""
        return f"{self.headline}\n{self.table.to_text()}" if self.table.rows else self.headline

    def to_html(self) -> str:
        """The table as static HTML."""
        empty = "<p>No experiment yet. Write a plan and register it, or run <code>xpbench demo</code>.</p>"
        return f"<section class='xp-static'>{self.table.to_html(with_csv=False) if self.table.rows else empty}</section>"


class Workbench(Panel):
    """One panel for the whole flow.

    Args:
        root: Folder of experiments.
        sources: Data by experiment key; without an entry the readout asks for a path.
        unit_ids: Ids for the preflight by experiment key; without an entry it asks for a file.
        template: Template that the plan form starts from.
    """

    def __init__(
        self,
        root: str | Path = "experiments",
        *,
        sources: Mapping[str, Any] | None = None,
        unit_ids: Mapping[str, Any] | None = None,
        template: str | None = None,
    ) -> None:
        super().__init__()
        self.root = Path(root)
        self.sources, self.unit_ids = dict(sources or {}), dict(unit_ids or {})
        self._template = template
        self.readout: Any = None
        self.panel: Any = None
        self.registry = html("", "xp-registry")
        self.choice = self._choice()
        self._choice_box = box([self.choice.widget])
        self.new_button = self.button("New plan", self.new)
        self.refresh_button = self.button("Refresh", self.refresh, "xp-quiet")
        self.steps = {name: self.button(name, lambda n=name: self.go(n), "xp-stepper") for name in STEPS}
        self.place = box([], "xp-panel")
        self.step = ""
        self.main.children = (
            self.registry,
            box([self._choice_box, self.refresh_button, self.new_button], "xp-actions-left", across=True),
            box(list(self.steps.values()), "xp-steps", across=True),
            self.place,
        )
        self.refresh()
        self.status.say("Choose an experiment, or write a new plan.")

    def _choice(self) -> ChoiceLeaf:
        keys = [s["key"] for s in statuses(self.root)] if self.root.is_dir() else []
        made = ChoiceLeaf("Experiment", keys)
        from xpbench.forms.status import guarded

        made.on_change(guarded(self.status, self._chosen))
        return made

    @property
    def key(self) -> str | None:
        """Key of the experiment that is chosen."""
        found = self.choice.get()
        return None if found is MISSING else str(found)

    def refresh(self) -> None:
        """Read the registry again."""
        chosen = self.choice.get()
        self.choice = self._choice()
        if chosen is not MISSING:
            self.choice.set(chosen)
        self._choice_box.children = (self.choice.widget,)
        self.registry.value = RegistryCard(self.root).to_html()
        for name in STEPS[1:]:
            self.steps[name].disabled = self.key is None
        self.update_twin()

    def _chosen(self) -> None:
        self.readout = None
        for name in STEPS[1:]:
            self.steps[name].disabled = self.key is None
        if self.key is not None:
            self.go("Readout" if open_experiment(self.key, self.root).status().state != "registered" else "Preflight")

    def open(self, key: str) -> None:
        """Choose an experiment."""
        self.choice.set(key)
        self._chosen()

    def new(self) -> None:
        """Start a new plan."""
        self.choice.set(MISSING)
        self.readout = None
        self.go("Plan")

    def go(self, step: str) -> None:
        """Show a step."""
        key = self.key
        if step == "Plan":
            self.panel = self._plan(key)
        elif key is None:
            self.refuse("Choose an experiment first.")
            return
        elif step == "Preflight":
            self.panel = PreflightPanel(key, self.unit_ids.get(key), root=self.root)
        elif step == "Readout":
            self.panel = ReadoutPanel(key, self.sources.get(key), root=self.root)
            self.panel.on_readout(self._took)
            if self.readout is not None:
                self.panel.take(self.readout)
        else:
            self.panel = DecisionForm(key, self.readout, root=self.root)
        self.step = step
        for name, each in self.steps.items():
            (each.add_class if name == step else each.remove_class)("xp-now")
        self.place.children = (self.panel.widget,)
        self.status.say(f"{step}: {key or 'new plan'}")

    def _plan(self, key: str | None) -> PlanForm:
        if key is not None:
            form = PlanForm(open_experiment(key, self.root).plan, root=self.root)
            form.freeze("Registered: a change is an amendment.")
            return form
        form = PlanForm(template=self._template, root=self.root)
        form.on_registered(self._registered)
        return form

    def _registered(self, experiment: Any) -> None:
        self.refresh()
        self.choice.set(experiment.key)
        for name in STEPS[1:]:
            self.steps[name].disabled = False
        self.status.say(f"Registered {escape(experiment.key)}. Next: Preflight.", mood="good")

    def _took(self, readout: Any) -> None:
        self.readout = readout
        self.registry.value = RegistryCard(self.root).to_html()

    def twin(self) -> RegistryCard:
        """The static summary."""
        return RegistryCard(self.root)

    def to_dict(self) -> dict[str, Any]:
        """The registry."""
        return self.twin().table.to_dict()

    def __repr__(self) -> str:
        return f"Workbench({self.twin().headline!r})"
