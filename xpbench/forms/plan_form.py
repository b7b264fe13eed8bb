"""The plan form: every field of a plan, problems beside them, a draft on disk, and registering in two steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import ipywidgets as ipw

from xpbench.errors import Problem
from xpbench.forms import labels as words
from xpbench.forms.composites import KindField, ObjectField
from xpbench.forms.draft import Draft
from xpbench.forms.field import (
    MISSING,
    Field,
    Located,
    box,
    button,
    html,
    shared_layout,
    styled,
    visible,
)
from xpbench.forms.history_box import HistoryBox
from xpbench.forms.inputs import ChoiceLeaf, TextLeaf
from xpbench.forms.metric_table import MetricTable
from xpbench.forms.plan_fields import plan_fields
from xpbench.forms.root import root_box
from xpbench.forms.size_box import SizeBox
from xpbench.forms.static_twin import Shown
from xpbench.forms.status import StatusBox, guarded
from xpbench.interrupts import temporary_folder
from xpbench.outward import html as escape
from xpbench.plan import Plan, check, template, template_names
from xpbench.plan.reading import read_document
from xpbench.views.card import PlanCard, sentence_html

if TYPE_CHECKING:
    from xpbench.forecast.history import History

STEPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Idea", "What changes, for whom it should matter, and why.", ("title", "key", "owner", "hypothesis")),
    ("Metrics", "What decides, what explains, what must not get worse.", ("metrics", "segments", "pre_period_days")),
    ("Variants", "Who sees what, and how the log says so.", ("unit", "variants", "exposure", "assignment")),
    ("Analysis", "How results are read, and when they are due.",
     ("model", "horizon", "planning", "correction", "family", "secondary_correction")),
    ("Rules", "What ships, and what makes the data unfit to decide.", ("decision", "health", "data")),
    ("Afterwards", "Who signs, and who looks after shipping.", ("sign_offs", "watch", "notes", "template", "schema")),
    ("Review", "What will be frozen.", ()),
)  # fmt: skip
"""Steps of the form: name, what it is about, keys of the plan."""


class PlanForm(Shown):
    """Form for a plan.

    Args:
        plan: A `Plan` or a dictionary in its shape to start from.
        template: Name of a template to start from instead.
        source: A table or log to start from instead, as for `xp.plan_from`: the form shows what was found in it.
        draft: File that the form saves itself to after every change; an existing one is read when no plan is given.
            Without it the draft lies in `<root>/.drafts/` and is named after the experiment.
        root: Folder of experiments.

    Attributes:
        experiment: What `register` gave, once registered.
        status: The box that says what happened.
    """

    def __init__(
        self,
        plan: Plan | Mapping[str, Any] | None = None,
        *,
        template: str | None = None,
        source: Any = None,
        draft: str | Path | None = None,
        root: str | Path = "experiments",
    ) -> None:
        self.root = Path(root)
        self.experiment: Any = None
        self.problems: list[Problem] = []
        self._key: Any = None
        self.status = StatusBox()
        self._listeners: list[Callable[[], None]] = []
        self._registered: list[Callable[[Any], None]] = []
        self._fields, self._references = plan_fields()
        self._steps: list[tuple[ipw.Button, ipw.Box]] = []
        self._build()
        self.metrics = self._metrics()
        self._fields.on_change(guarded(self.status, self.refresh))
        start: Any = plan.to_dict() if isinstance(plan, Plan) else plan
        if template is not None:
            start = _from_template(template)
        if source is not None:
            from xpbench.forecast.drafting import plan_from  # reads data: not needed before someone asks

            start = plan_from(source).to_dict()
        self.draft = Draft(self.root, path=draft, key=str((start or {}).get("key", "")))
        resumed = start is None and draft is not None and Path(draft).is_file()
        if resumed:
            start = self.draft.read()
        self._fill(start if start is not None else {})
        self.go(0)
        self.status.say(f"Draft read from {self.draft.path}." if resumed else "Every change is saved as a draft.")

    # What the form holds

    @property
    def value(self) -> dict[str, Any]:
        """The plan as a dictionary in the shape of a plan file; it may have problems."""
        return dict(self._fields.get())

    @property
    def plan(self) -> Plan:
        """The plan.

        Raises:
            InvalidPlan: the form has values that no plan can hold.
        """
        return Plan(**self.value)

    @property
    def sentence(self) -> str:
        """The hypothesis as one sentence, with gaps where something is missing."""
        from xpbench.views.card import sentence

        return sentence(self.value)

    def field(self, pointer: str) -> Field:
        """The field at a JSON pointer, such as `/hypothesis/if`; metrics are edited through `form.metrics`."""
        here: Any = self._fields
        for part in pointer.split("/")[1:]:
            if isinstance(here, KindField):
                here = here.choice if part == "kind" else here.body
                if part == "kind":
                    continue
            if isinstance(here, ObjectField):
                here = here.fields[part]
            elif hasattr(here, "body") and here.body is not None:
                here = here.body.fields[part]
            else:
                here = here.items[int(part)]
        return cast(Field, here)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call `listener` after every change."""
        self._listeners.append(listener)

    def on_registered(self, listener: Callable[[Any], None]) -> None:
        """Call `listener(experiment)` once the plan is registered."""
        self._registered.append(listener)

    def freeze(self, why: str) -> None:
        """Let nothing be changed any more: the plan is on record."""
        self.main.add_class("xp-frozen")
        for leaf in self._fields.leaves():
            control = getattr(leaf, "control", None)
            if control is not None and control.has_trait("disabled"):
                control.disabled = True
        visible(self._start, False)
        self.register_button.disabled = True
        self._todo.value = f'<p class="xp-help">{escape(why)}</p>'
        self.status.say(why)

    # How it is built

    def _metrics(self) -> MetricTable:
        return cast(MetricTable, self._fields.fields["metrics"])

    def _build(self) -> None:
        self._sentence = html("", "xp-quote")
        self._todo = html("", "xp-todo")
        self._saved = html("", "xp-help")
        placed: set[str] = set()
        for index, (name, about, keys) in enumerate(STEPS):
            here = keys if index < len(STEPS) - 1 else ()
            placed.update(here)
            page = box(
                [html(f"<h3>{name}</h3><p class='xp-help'>{about}</p>"), *(w for k in here for w in self._section(k))],
                "xp-step",
            )
            self._steps.append((button(name, lambda i=index: self.go(i), "xp-stepper"), page))  # type: ignore[misc]
        left = [f for k, f in self._fields.fields.items() if k not in placed]
        after = self._steps[-2][1]
        after.children = (*after.children, *(f.widget for f in left))
        self.size = SizeBox(self.status.fail)
        analysis = self._steps[[name for name, _, _ in STEPS].index("Analysis")][1]
        self.history = HistoryBox(guarded(self.status, self.read_baselines))
        analysis.children = (*analysis.children, self.history.widget, self.size.widget)
        self._build_review(self._steps[-1][1])
        self._place = box([], "xp-main")
        self.back_button = button("Back", lambda: self.go(self.step - 1))
        self.next_button = button("Next", lambda: self.go(self.step + 1), "xp-primary")
        self.main = box([self._place, box([self.back_button, self.next_button], "xp-actions", across=True)], "xp-main")
        self._start = self._start_box()
        self.aside = box([self._sentence, self._todo, self._start, self._saved], "xp-aside")
        self.widget = root_box(
            [
                box([b for b, _ in self._steps], "xp-steps", across=True),
                box([self.main, self.aside], "xp-columns", across=True),
                self.status.widget,
            ]
        )

    def _section(self, key: str) -> list[ipw.Widget]:
        heading = words.SECTIONS.get(key)
        widget = self._fields.fields[key].widget
        return [html(f"<h4>{escape(heading)}</h4>", "xp-section"), widget] if heading else [widget]

    def _start_box(self) -> ipw.Box:
        self.template_choice = ChoiceLeaf("Start from a template", template_names(), about="Replaces what stands in the form.")
        self.template_button = button("Use template", guarded(self.status, self.use_template))
        self.import_path = TextLeaf("Import a plan file", about="Path of a .json or .toml file.")
        self.import_button = button("Import file", guarded(self.status, self.import_file))
        self.upload = ipw.FileUpload(accept=".json,.toml", multiple=False, description="Upload a plan", layout=shared_layout())
        styled(self.upload, "xp-button")
        self.upload.observe(guarded(self.status, lambda change: self.import_upload(change["new"])), names="value")
        return box(
            [self.template_choice.widget, self.template_button, self.import_path.widget,
             box([self.import_button, self.upload], "xp-actions-left", across=True)], "xp-group",
        )  # fmt: skip

    def _build_review(self, page: ipw.Box) -> None:
        self._summary = html("")
        self.register_button = button("Register …", guarded(self.status, self.ask_to_register), "xp-primary")
        self.confirm_button = button("Freeze and register", guarded(self.status, self.register), "xp-primary")
        self.cancel_button = button("Not yet", guarded(self.status, self.cancel))
        self._confirm_text = html("")
        self.registered_by = TextLeaf("Registered by", about="Your name, for the ledger")
        self._confirm = box(
            [
                self._confirm_text,
                self.registered_by.widget,
                box([self.cancel_button, self.confirm_button], "xp-actions", across=True),
            ],
            "xp-confirm",
        )
        visible(self._confirm, False)
        self._register_row = box([self.register_button], "xp-actions", across=True)
        page.children = (*page.children, self._summary, self._register_row, self._confirm)

    # What people do

    def go(self, step: int) -> None:
        """Show a step."""
        self.step = max(0, min(step, len(STEPS) - 1))
        for index, (tab, _) in enumerate(self._steps):
            (tab.add_class if index == self.step else tab.remove_class)("xp-now")
        if self.step == len(STEPS) - 1:
            self._summary.value = PlanCard(self.value, problems=len(self.problems)).to_html()
        if STEPS[self.step][0] == "Analysis":
            self.size.update(self.value)
        self._place.children = (self._steps[self.step][1],)
        self.back_button.disabled = self.step == 0
        visible(self.next_button, self.step < len(STEPS) - 1)

    def refresh(self) -> None:
        """Take notice of a change: problems, sentence, draft, summary twin."""
        self._follow_key()
        value = self._checked()
        self.cancel()
        wrote = self.draft.save(value)
        if wrote:
            now = datetime.now(UTC).strftime("%H:%M:%S")
            self._saved.value = f'<p class="xp-help">Draft saved {now} UTC · {escape(str(self.draft.path))}</p>'
            if self.status.mood != "bad" or self.status.error is not None:
                self.status.say("Draft saved.", mood="good")
        if STEPS[self.step][0] == "Analysis":
            self.size.update(value)
        self.update_twin()
        for listener in self._listeners:
            listener()

    def _follow_key(self) -> None:
        """A salt that was the key stays the key: two experiments never assign alike because one was copied from the other."""
        value = self.value
        key, before = value.get("key"), self._key
        self._key = key
        assignment = value.get("assignment")
        if key != before and before and isinstance(assignment, Mapping) and assignment.get("salt") == before:
            self.field("/assignment/salt").set(MISSING if key is None else key)

    def _checked(self) -> dict[str, Any]:
        value = self.value
        keys = self.metrics.keys()
        for reference in self._references:
            reference.suggest(keys)
        self.problems = check(value)
        located: list[Located] = [(_path(p.pointer), p) for p in self.problems]
        self._fields.show(located)
        self._sentence.value = sentence_html(value)
        self._count(located)
        if self.step == len(STEPS) - 1:
            self._summary.value = PlanCard(value, problems=len(self.problems)).to_html()
        return value

    def _count(self, located: list[Located]) -> None:
        by_step = []
        for index, (name, _, keys) in enumerate(STEPS):
            count = sum(1 for path, _ in located if path and path[0] in keys)
            if index == len(STEPS) - 1:
                count = 0
            by_step.append(count)
            text = f"{name} ▲{count}" if count else name
            tab = self._steps[index][0]
            if tab.description != text:
                tab.description = text
                tab.tooltip = f"{name}: {count} to mend" if count else name
        total = len(self.problems)
        at = [f"{STEPS[i][0]} {n}" for i, n in enumerate(by_step) if n]
        self._todo.value = (
            f'<p><span class="xp-problem">▲</span> {total} to mend before registering: {", ".join(at)}</p>'
            if total
            else '<p class="xp-status-good">✓ Ready to register</p>'
        )

    def _fill(self, value: Mapping[str, Any]) -> None:
        self.step = 0
        self._fields.set(dict(value))
        self._key = self.value.get("key")
        self._checked()

    def load(self, value: Mapping[str, Any]) -> None:
        """Show another plan; what it has that no plan knows is told in the status box and left out."""
        unknown = [p for p in check(value) if p.code == "XPB-P01"]
        self._fill(value)
        self.go(self.step)
        self.refresh()
        if unknown:
            self.status.say("Left out: " + " ".join(str(p) for p in unknown), mood="bad")

    def use_template(self) -> None:
        """Replace the form's content by the template that is chosen."""
        name = self.template_choice.get()
        if name is MISSING:
            self.status.say("Choose a template first.", mood="bad")
            return
        self.load(_from_template(name))
        self.status.say(f"Started from the template {name}.", mood="good")

    def read_baselines(self, history: History | None = None) -> None:
        """Fill baselines, standard deviations and units a day from units of the past.

        Args:
            history: Units of the past; left out, the files named in the form are read.
        """
        if history is None and self.history.is_empty:
            self.status.say("Give the path of the history first.", mood="bad")
            return
        from xpbench.forecast.baselines import baselines_of  # reads data: not needed before someone asks

        self.status.say("Reading the history …", mood="busy")
        plan = self.plan
        found = self.history.read(plan) if history is None else baselines_of(plan, history)
        planning = cast(ObjectField, self._fields.fields["planning"])
        for key, value in found.to_dict().items():
            field = planning.fields[key]
            before = field.get()
            field.set({**before, **value} if isinstance(value, dict) and isinstance(before, dict) else value)
        self.refresh()
        self.status.say(found.sentence, mood="good")

    def import_file(self) -> None:
        """Replace the form's content by a plan file."""
        path = self.import_path.get()
        if path is MISSING:
            self.status.say("Give the path of a plan file first.", mood="bad")
            return
        self.load(read_document(str(path).strip()))
        if self.status.mood != "bad":
            self.status.say(f"Imported {path}.", mood="good")

    def import_upload(self, files: Any) -> None:
        """Replace the form's content by an uploaded plan file."""
        if not files:
            return
        file = files[0]
        with temporary_folder() as folder:
            target = folder / ("plan.toml" if str(file["name"]).lower().endswith(".toml") else "plan.json")
            target.write_bytes(bytes(file["content"]))
            self.load(read_document(target))
        if self.status.mood != "bad":
            self.status.say(f"Imported {str(file['name'])[:80]}.", mood="good")

    def ask_to_register(self) -> None:
        """Say what registering will freeze, and ask; with problems, show the first instead."""
        self._checked()
        if self.problems:
            self.status.say(f"{len(self.problems)} to mend first: {self.problems[0]}", mood="bad")
            first = _path(self.problems[0].pointer)[:1]
            self.go(next((i for i, (_, _, keys) in enumerate(STEPS) if first and first[0] in keys), self.step))
            return
        plan = self.plan
        self._confirm_text.value = (
            f"<h4>This freezes the plan</h4><p>Registered under the key <b>{escape(plan.key)}</b> in "
            f"{escape(str(self.root))}: the hypothesis, {len(plan.metrics)} metrics, {len(plan.variants)} variants, the model, "
            f"the horizon and the rule above. Afterwards a change is an amendment that says what had been seen by then.</p>"
            f"<p>Digest <code>{plan.digest[:16]}…</code></p>"
        )
        visible(self._confirm, True)
        visible(self._register_row, False)
        self.status.say("Confirm or go back.")

    def cancel(self) -> None:
        """Close the confirm step."""
        visible(self._confirm, False)
        visible(self._register_row, self.experiment is None)

    def register(self) -> Any:
        """Freeze the plan on disk and give the experiment."""
        from xpbench.experiment import register

        by = self.registered_by.get()
        self.experiment = register(self.plan, root=self.root, by=None if by is MISSING else by)
        self.draft.discard()
        self.cancel()
        self._saved.value = ""
        self.freeze("Registered: a change is an amendment.")
        self.status.say(f"Registered {self.experiment.key} in {self.root}: digest {self.plan.digest[:16]}…", mood="good")
        self.update_twin()
        for listener in self._registered:
            listener(self.experiment)
        return self.experiment

    # How it shows itself

    def twin(self) -> PlanCard:
        """The static summary that stays readable without a kernel."""
        state = "registered" if self.experiment is not None else "draft"
        return PlanCard(self.value, problems=len(self.problems), state=state)

    def to_dict(self) -> dict[str, Any]:
        """The plan and its problems."""
        return {"plan": json.loads(json.dumps(self.value)), "problems": [p.to_dict() for p in self.problems]}

    def __repr__(self) -> str:
        return f"PlanForm({self.value.get('key', '')!r}, {len(self.problems)} problems)"


def _from_template(name: str) -> dict[str, Any]:
    made = template(name)
    return made.to_dict() if isinstance(made, Plan) else dict(made)


def _path(pointer: str) -> tuple[str, ...]:
    return tuple(p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:])
