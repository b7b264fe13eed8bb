"""The workbench: every experiment of a folder, and plan, preflight, readout and decision as steps of one panel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xpbench.experiment import open_experiment, statuses
from xpbench.experiment.roots import roots_below
from xpbench.forms.decision_form import DecisionForm
from xpbench.forms.field import MISSING, box, html, visible
from xpbench.forms.inputs import ChoiceLeaf
from xpbench.forms.panel import Panel
from xpbench.forms.plan_form import PlanForm
from xpbench.forms.preflight_panel import PreflightPanel
from xpbench.forms.readout_panel import ReadoutPanel
from xpbench.forms.status import guarded
from xpbench.outward import for_terminal
from xpbench.outward import html as escape
from xpbench.views.table import Table, TableColumn

STEPS = ("Plan", "Preflight", "Readout", "Decision")


class RegistryCard:
    """The experiments of a folder as a table."""

    def __init__(self, root: str | Path) -> None:
        self._root = Path(root)
        found = statuses(root) if self._root.is_dir() else []
        columns = (
            TableColumn("key", "Experiment"),
            TableColumn("title", "Title"),
            TableColumn("state", "State"),
            TableColumn("sentence", "State"),
        )
        self.table = Table("Experiments", columns, found)

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
        root: Folder of experiments. Left out, it is the one below the folder one works in that is nearest; with several the
            workbench asks which, and always says where it acts.
        sources: Data by experiment key; without an entry the readout asks for a path.
        unit_ids: Ids for the preflight by experiment key; without an entry it asks for a file.
        template: Template that the plan form starts from.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        *,
        sources: Mapping[str, Any] | None = None,
        unit_ids: Mapping[str, Any] | None = None,
        template: str | None = None,
    ) -> None:
        super().__init__()
        found = [] if root is not None else roots_below()
        self.root = Path(root if root is not None else found[0] if found else "experiments")
        self.folder = ChoiceLeaf("Folder", found, default=found[0] if found else MISSING)
        self.folder.on_change(guarded(self.status, self._moved))
        visible(self.folder.widget, len(found) > 1)
        self.where = html("", "xp-where")
        self._suggested: dict[str, Any] = {}
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
            self.folder.widget,
            self.where,
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
        made.on_change(guarded(self.status, self._chosen))
        return made

    @property
    def key(self) -> str | None:
        """Key of the experiment that is chosen."""
        found = self.choice.get()
        return None if found is MISSING else str(found)

    def _moved(self) -> None:
        """Another folder was chosen."""
        chosen = self.folder.get()
        if chosen is not MISSING:
            self.root = Path(str(chosen))
            self.choice.set(MISSING)
            self.readout, self.place.children = None, ()
            self.refresh()
            self.status.say(f"Experiments of {self.root}.")

    def refresh(self) -> None:
        """Read the registry again."""
        self.where.value = f"<p class='xp-help'>Experiments are kept in <b>{escape(str(self.root.resolve()))}</b></p>"
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
            self.panel = ReadoutPanel(key, self.sources.get(key), root=self.root, suggested=self._suggested.get(key))
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
        form.on_registered(lambda experiment: self._registered(experiment, form.data.source))
        form.on_next(self._opened)
        return form

    def _opened(self, name: str) -> bool:
        """A step that the form offers after registering is one of ours."""
        if name in STEPS:
            self.go(name)
        return name in STEPS

    def _registered(self, experiment: Any, source: Any = None) -> None:
        self.refresh()
        self._suggested[experiment.key] = source
        self.choice.set(experiment.key)
        for name in STEPS[1:]:
            self.steps[name].disabled = False
        first = "Preflight" if experiment.plan.assignment is not None else "Readout"
        self.status.say(f"Registered {experiment.key}. Next: {first}.", mood="good")

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
