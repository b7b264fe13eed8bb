"""The plan form: every field of a plan, problems next to them, a draft on disk, and registering in two steps."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import ipywidgets as ipw

from xpbench.errors import Problem
from xpbench.forms import labels as words
from xpbench.forms.composites import KindField, ObjectField
from xpbench.forms.data_box import DataBox, offers
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
from xpbench.forms.next_steps import NextSteps
from xpbench.forms.outer_box import guard_of, root_box
from xpbench.forms.plain_problems import in_words, is_open, label_at
from xpbench.forms.plan_fields import plan_fields
from xpbench.forms.size_box import SizeBox, sizable
from xpbench.forms.static_twin import Shown
from xpbench.forms.status import StatusBox, guarded
from xpbench.interrupts import temporary_folder
from xpbench.outward import html as escape
from xpbench.plan import Plan, check, template, template_names
from xpbench.plan.design import DEFAULT_LOOKS
from xpbench.plan.keys import suggest_key
from xpbench.plan.reading import read_document
from xpbench.views.card import PlanCard, sentence_html

if TYPE_CHECKING:
    from xpbench.forecast.history import History

STEPS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Start", "What it is called, and what your data say.", ("title", "key", "owner")),
    ("Metrics", "What decides, what explains, what must not get worse.", ("metrics", "segments", "pre_period_days")),
    ("Hypothesis", "What changes, for whom, what should move, and why.", ("hypothesis", "audience")),
    ("Variants", "Who sees what, and how the log says so.", ("unit", "members", "variants", "exposure", "assignment")),
    ("Analysis", "How results are read, and when they are due.",
     ("planning", "horizon", "model", "correction", "family", "secondary_correction")),
    ("Rules", "What ships, and what makes the data unfit to decide.", ("decision", "health", "data", "looks")),
    ("Afterwards", "Who signs, and who looks later.", ("sign_offs", "watch", "ramp", "notes", "links", "template", "schema")),
    ("Review", "What will be frozen.", ()),
)  # fmt: skip
"""Steps of the form: name, what it is about, keys of the plan."""

FIRST: dict[str, Any] = {
    "hypothesis": {"if": "", "then": [], "because": ""},
    "variants": [{"key": "control", "split": 0.5, "control": True}, {"key": "treatment", "split": 0.5}],
}
"""What a new plan starts with: two variants, the simplest comparison."""
REHEARSALS = 100
"""Runs for each truth in the form; `xp.rehearse` takes more."""
MODEL: dict[str, Any] = {"kind": "group_sequential", "spending": "obrien_fleming", "looks": list(DEFAULT_LOOKS)}
"""The model of a plan that names none, as `xp.Plan` has it where the horizon is known."""
_COLUMN_HIDES = frozenset(
    {"event", "experiment", "experiment_property", "variant_property", "format", "list_property", "list_separator",
     "several_variants", "qa_testers", "identities", "window_from"}
)  # fmt: skip
"""Fields of the exposure that say nothing where a table holds the variant of each unit."""


class PlanForm(Shown):
    """Form for a plan.

    Args:
        plan: A `Plan` or a dictionary in its shape to start from.
        template: Name of a template to start from instead.
        source: A table or log to start from instead, as for `xp.plan_from`: it is read once in the background, and what
            code asks the form for waits for it.
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
        self._problems: list[Problem] = []
        self._key: Any = None
        self._title: Any = None
        self._primary: Any = None
        self._insists = False
        self.status = StatusBox()
        self._listeners: list[Callable[[], None]] = []
        self._registered: list[Callable[[Any], None]] = []
        self._openers: list[Callable[[str], bool]] = []
        self._shown: list[Located] = []
        self._fields, self.suggestions = plan_fields()
        self._steps: list[tuple[ipw.Button, ipw.Box]] = []
        self._build()
        self.metrics = self._metrics()
        for opener in (self.metrics.add_button, self.metrics.copy_button):
            opener.on_click(lambda _: self.guard.focus_on("xp-editor"))
        self._fields.on_change(guarded(self.status, self.refresh))
        start: Any = plan.to_dict() if isinstance(plan, Plan) else plan
        if template is not None:
            start = _from_template(template)
        self.draft = Draft(self.root, path=draft, key=str((start or {}).get("key", "")))
        resumed = start is None and draft is not None and Path(draft).is_file()
        if resumed:
            start = self.draft.read()
        self._fill(start if start is not None else {**FIRST, "owner": _who()})
        self.go(0)
        self.status.say(f"Draft read from {self.draft.path}." if resumed else "Every change is saved as a draft.")
        if source is not None:
            self.data.read(source)

    # What the form holds

    @property
    def value(self) -> dict[str, Any]:
        """The plan as a dictionary in the shape of a plan file; it may have problems. Waits for data that are being read."""
        self.data.wait()
        return self._value()

    def _value(self) -> dict[str, Any]:
        return dict(self._fields.get())

    @property
    def problems(self) -> list[Problem]:
        """All that keeps the plan from being registered. Waits for data that are being read."""
        self.data.wait()
        return self._problems

    def wait(self, seconds: float = 600.0) -> None:
        """Wait until the data are read and sizes are computed."""
        self.data.wait(seconds)
        self.size.wait(seconds)

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
        visible(self.data.widget, False)
        visible(self.data.proposal_box, False)
        visible(self.horizon_button, False)
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
        self.data = DataBox(self._found, self.status.fail)
        start = self._steps[0][1]
        start.children = (start.children[0], self.data.widget, *start.children[1:])
        self.size = SizeBox(self.status.fail, self._sized)
        self.horizon_button = button("Use it as horizon", guarded(self.status, self.use_horizon), "xp-quiet")
        visible(self.horizon_button, False)
        analysis = self._steps[[name for name, _, _ in STEPS].index("Analysis")][1]
        self.history = HistoryBox(guarded(self.status, self.read_baselines))
        self.rehearse_button = button("Rehearse on this data", guarded(self.status, self.rehearse))
        self.rehearsal = html("")
        self._rehearsal_box = box([self.rehearse_button, self.rehearsal], "xp-group")
        visible(self._rehearsal_box, False)
        analysis.children = (*analysis.children, self.history.widget, self.size.widget, self._rehearsal_box)
        self._build_review(self._steps[-1][1])
        self._place = box([], "xp-main")
        self.back_button = button("Back", lambda: self.go(self.step - 1))
        self.next_button = button("Next", lambda: self.go(self.step + 1), "xp-primary")
        self.main = box([self._place, box([self.back_button, self.next_button], "xp-actions", across=True)], "xp-main")
        self._start = self._start_box()
        self.aside = box([self._sentence, self._todo, self.horizon_button, self._start, self._saved], "xp-aside")
        self.widget = root_box(
            [
                box([b for b, _ in self._steps], "xp-steps", across=True),
                box([self.main, self.aside], "xp-columns", across=True),
                self.status.widget,
            ]
        )
        self.guard = guard_of(self.widget)

    def _section(self, key: str) -> list[ipw.Widget]:
        heading = words.SECTIONS.get(key)
        widget = self._fields.fields[key].widget
        return [html(f"<h4>{escape(heading)}</h4>", "xp-section"), widget] if heading else [widget]

    def _start_box(self) -> ipw.Box:
        self.template_choice = ChoiceLeaf("Start from a template", template_names(), about="Replaces what is in the form.")
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
        self.next_steps = NextSteps(self.status, opened=lambda name: self._opens(name))
        visible(self.next_steps.widget, False)
        self.data.confirm.on_change(guarded(self.status, self._confirmed))
        page.children = (
            *page.children, self._summary, self.data.proposal_box, self._register_row, self._confirm, self.next_steps.widget,
        )  # fmt: skip

    # What people do

    def go(self, step: int) -> None:
        """Show a step, and put the keyboard where one works."""
        before = getattr(self, "step", None)
        self.step = max(0, min(step, len(STEPS) - 1))
        for index, (tab, _) in enumerate(self._steps):
            (tab.add_class if index == self.step else tab.remove_class)("xp-now")
        if self.step == len(STEPS) - 1:
            self._summary.value = PlanCard(self._value(), problems=len(self._problems)).to_html()
        if STEPS[self.step][0] in ("Analysis", "Review"):
            self.size.update(self._value())
        self._place.children = (self._steps[self.step][1],)
        self.back_button.disabled = self.step == 0
        visible(self.next_button, self.step < len(STEPS) - 1)
        if before is not None and before != self.step:
            self.guard.focus_on("xp-step")

    def refresh(self) -> None:
        """Take notice of a change: problems, sentence, draft, summary twin."""
        self._follow()
        value = self._checked()
        self.cancel()
        wrote = self.draft.save(value)
        if wrote:
            now = datetime.now(UTC).strftime("%H:%M:%S")
            self._saved.value = f'<p class="xp-help">Draft saved {now} UTC · {escape(str(self.draft.path))}</p>'
            if self.status.mood != "bad" or self.status.error is not None:
                self.status.say("Draft saved.", mood="good")
        self.size.update(value)
        self._say_ready()
        self.update_twin()
        for listener in self._listeners:
            listener()

    def _follow(self) -> None:
        """Let what was derived follow what it was derived from, as long as nobody has said otherwise."""
        value = self._value()
        title, before = value.get("title"), self._title
        self._title = title
        key = value.get("key")
        if title != before and (not key or key == suggest_key(str(before or ""))) and isinstance(title, str) and title.strip():
            self.field("/key").set(suggest_key(title))
        self._follow_key()
        primary = next(
            (m for m in value.get("metrics", []) if isinstance(m, dict) and m.get("role") == "primary" and m.get("key")), None
        )
        now = None if primary is None else {"metric": primary["key"], "direction": primary.get("direction", "increase")}
        then = (value.get("hypothesis") or {}).get("then") or []
        former, self._primary = self._primary, now
        claims = cast(ObjectField, self._fields.fields["hypothesis"]).fields["then"]
        if now is not None and now != former:
            if not then:
                claims.set([now])
            elif former is not None and len(then) == 1 and all(then[0].get(k) == former[k] for k in former):
                claims.set([{**then[0], **now}])

    def _follow_key(self) -> None:
        """A salt that was the key stays the key: two experiments never assign alike because one was copied from the other."""
        value = self._value()
        key, before = value.get("key"), self._key
        self._key = key
        assignment = value.get("assignment")
        if key != before and before and isinstance(assignment, Mapping) and assignment.get("salt") == before:
            self.field("/assignment/salt").set(MISSING if key is None else key)

    def _checked(self) -> dict[str, Any]:
        value = self._value()
        self.suggestions.offer("metrics", self.metrics.keys())
        self._problems = check(value)
        self._apply(value)
        located: list[Located] = [(_path(p.pointer), p) for p in self._problems]
        self._shown = [(path, p) for path, p in located if self._is_shown(path, p)]
        self._fields.show(self._shown)
        self._sentence.value = sentence_html(value)
        self._count(located)
        if self.step == len(STEPS) - 1:
            self._summary.value = PlanCard(value, problems=len(self._problems)).to_html()
        return value

    def _is_shown(self, path: tuple[str, ...], problem: Problem) -> bool:
        """Whether a problem is a mistake, or only something that nobody has come to yet."""
        if self._insists or not is_open(problem):
            return True
        found = self._fields.at(path)
        return found is not None and found.is_touched

    def _apply(self, value: Mapping[str, Any]) -> None:
        """Show the fields that apply to this plan."""
        kinds = {m.get("kind") for m in value.get("metrics", []) if isinstance(m, dict)}
        exposure = cast(ObjectField, self._fields.fields["exposure"])
        exposure.hide(_COLUMN_HIDES if kinds and kinds <= {"column", "ratio", "formula"} else ())
        self.metrics.apply()

    def _count(self, located: list[Located]) -> None:
        shown = [p for _, p in self._shown]
        for index, (name, _, keys) in enumerate(STEPS):
            own = [p for path, p in located if path and path[0] in keys and index < len(STEPS) - 1]
            wrong = sum(1 for p in own if p in shown)
            text = f"{name} ▲{wrong}" if wrong else name
            tab = self._steps[index][0]
            if tab.description != text:
                tab.description = text
            left = len(own) - wrong
            said = [f"{wrong} to correct"] * bool(wrong) + [f"{left} to fill in"] * bool(left)
            tab.tooltip = f"{name}: {', '.join(said)}" if said else name
        self._say_ready()

    def _say_ready(self) -> None:
        """What is wrong or open, in a sentence; or what the plan can find, amber where that is less than planned."""
        wrong = [p for _, p in self._shown]
        left = [p for p in self._problems if p not in wrong]
        lines = []
        if wrong:
            at = list(dict.fromkeys(self._step_of(p) for p in wrong))
            lines.append(f'<p><span class="xp-problem">▲</span> {len(wrong)} to correct under {escape(", ".join(at))}.</p>')
        if left:
            names = list(dict.fromkeys(f"{label_at(p.pointer)}" for p in left))
            lines.append(f'<p class="xp-help">Still to fill in: {escape(" · ".join(names[:8]))}.</p>')
        needed = None
        if not self._problems:
            doubts = self.doubts()
            report = self.size.report if self.size.is_current else None
            if doubts:
                lines += [f'<p class="xp-doubt">? {escape(d)}</p>' for d in doubts]
            elif self.data.needs_confirming:
                lines.append('<p class="xp-doubt">? Complete. The proposals under Review wait for your yes.</p>')
            elif report is None:
                lines.append(f'<p class="xp-doubt">? Complete. {escape(self.size.needs or "Computing what it can find …")}</p>')
            elif report.is_low:
                needed = report.horizon_needed
                said = " ".join(s for s in report.sentences if not s.startswith("Use "))
                lines.append(f'<p class="xp-doubt">! Complete, and likely inconclusive. {escape(said)}</p>')
            elif any(v is None for v in report.ships.values()):
                lines.append(
                    '<p class="xp-doubt">? Complete. What it can find is not known for every metric: see Analysis.</p>'
                )
            else:
                lines.append(f'<p class="xp-status-good">✓ Ready to register. {escape(" ".join(report.sentences))}</p>')
        text = f'<div role="status">{"".join(lines)}</div>'
        if self._todo.value != text:
            self._todo.value = text
        if needed:
            self.horizon_button.description = f"Use {needed:,} units as horizon"
        visible(self.horizon_button, bool(needed) and self.experiment is None)

    def _step_of(self, problem: Problem) -> str:
        top = _path(problem.pointer)[:1]
        return next((name for name, _, keys in STEPS if top and top[0] in keys), STEPS[0][0])

    def doubts(self) -> list[str]:
        """Values that are allowed and hardly meant, each as a question."""
        found = []
        value = self._value()
        entries = [
            *(("Expected lift", c.get("metric"), c.get("lift"))
              for c in (value.get("hypothesis") or {}).get("then") or [] if isinstance(c, dict)),
            *(("Smallest lift that matters", m.get("key"), m.get("min_lift"))
              for m in value.get("metrics", []) if isinstance(m, dict)),
        ]  # fmt: skip
        for name, metric, lift in entries:
            if isinstance(lift, (int, float)) and not isinstance(lift, bool) and lift > 1:
                found.append(
                    f"{name} of {metric} is {lift * 100:,.6g} %: {1 + lift:.3g} times as much. Is that meant, or {lift:g} %?"
                )
        rates = {
            m.get("key") for m in value.get("metrics", [])
            if isinstance(m, dict) and m.get("kind") in ("conversion", "retention", "funnel")
        }  # fmt: skip
        for metric, mean in ((value.get("planning") or {}).get("baselines") or {}).items():
            if metric in rates and isinstance(mean, (int, float)) and mean > 1:
                found.append(
                    f"The baseline of {metric} is {mean:g}, and a share is at most 1. Is {mean:g} % meant? Type {mean:g} %."
                )
        return found

    def use_horizon(self) -> None:
        """Take the number of units that reaches the planned power as the horizon."""
        needed = self.size.report.horizon_needed if self.size.report is not None else None
        if needed:
            self.field("/horizon/units").set(needed)
            self.refresh()

    def rehearse(self) -> None:
        """Play the plan's rule on the data that it was drafted from: how often it would ship, for each truth."""
        from xpbench.forecast.rehearsal import rehearse

        made = self.data.drafted
        if made is None:
            self.status.say("Choose your data under Start first.", mood="bad")
            return
        plan, _ = sizable(self._value())
        if plan is None:
            self.status.say(f"The rehearsal needs a plan that is complete. {self.size.needs}", mood="bad")
            return
        self.status.say("Rehearsing …", mood="busy")
        found = rehearse(plan, made.history(self.data.source, plan), runs=REHEARSALS)
        self.rehearsal.value = found._repr_html_()
        self.status.say(f"Rehearsed {REHEARSALS} times for each truth.", mood="good")

    def _sized(self) -> None:
        self._say_ready()

    def _found(self, made: Any) -> None:
        """Fill the form from data; what a person has typed already stays."""
        mine, value = self._value(), made.plan.to_dict()
        for name in ("title", "key", "owner"):
            if self.field(f"/{name}").is_touched and str(mine.get(name) or "").strip():
                value[name] = mine[name]
        said = mine.get("hypothesis") or {}
        for name in ("if", "because"):
            if str(said.get(name) or "").strip():
                value["hypothesis"][name] = said[name]
        for topic, known in offers(made.findings).items():
            self.suggestions.offer(topic, known)
        self.suggestions.offer("variants", [v["key"] for v in value["variants"]])
        self.next_steps.source = self.data.source
        self.size.pace, self.size.reductions = made.pace, made.reductions
        visible(self._rehearsal_box, True)
        self._fill(value)
        self.refresh()
        self.status.say("Filled from the data. What only you know is still open: what changes, and why.", mood="good")

    def _confirmed(self) -> None:
        """Say in the plan that a person has looked at what was proposed."""
        notes = self.field("/notes")
        text = notes.get()
        if isinstance(text, str):
            one, other = "PROPOSED, to be confirmed by a person:", "Proposed from the data and confirmed by a person:"
            notes.set(text.replace(one, other) if self.data.confirm.get() else text.replace(other, one))
        self.refresh()

    def _opens(self, name: str) -> bool:
        """Whether somebody else shows a step after registering."""
        return any(opener(name) for opener in self._openers)

    def on_next(self, opener: Callable[[str], bool]) -> None:
        """Ask `opener(name)` to show a step after registering; it says whether it did."""
        self._openers.append(opener)

    def _fill(self, value: Mapping[str, Any]) -> None:
        self.step = getattr(self, "step", 0)
        self._insists = False
        self._fields.set({"model": MODEL, **value})
        now = self._value()
        self._key, self._title = now.get("key"), now.get("title")
        first = next((m for m in now.get("metrics", []) if isinstance(m, dict) and m.get("role") == "primary"), None)
        self._primary = None if first is None else {"metric": first.get("key"), "direction": first.get("direction")}
        self._checked()
        self.size.update(now)

    def load(self, value: Mapping[str, Any]) -> None:
        """Show another plan; what it has that no plan knows is reported in the status box and left out."""
        unknown = [p for p in check(value) if p.code == "XPB-P01"]
        self._fill(value)
        self.go(self.step)
        self.refresh()
        if unknown:
            self.status.say("Left out, because no plan has it: " + ", ".join(p.pointer.strip("/") for p in unknown), mood="bad")

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
        self._insists = True
        self._checked()
        if self._problems:
            first = min(self._problems, key=lambda p: [n for n, _, _ in STEPS].index(self._step_of(p)))
            self.status.say(
                f"{len(self._problems)} to fill in or correct first. {self._step_of(first)}: {in_words(first)}", mood="bad"
            )
            path = _path(first.pointer)
            if path[:1] == ("metrics",) and len(path) > 1 and int(path[1]) < len(self.metrics.rows):
                self.metrics.select(int(path[1]))
            self.go([n for n, _, _ in STEPS].index(self._step_of(first)))
            self.guard.focus_on("xp-wrong")
            return
        if self.data.needs_confirming:
            self.status.say("Look at the proposals first, and confirm them.", mood="bad")
            self.guard.focus_on("xp-proposals")
            return
        plan = self.plan
        doubts = "".join(f'<p class="xp-doubt">? {escape(d)}</p>' for d in self.doubts())
        report = self.size.report if self.size.is_current else None
        if report is not None and report.is_low:
            doubts += f'<p class="xp-doubt">! {escape(" ".join(report.sentences))}</p>'
        self._confirm_text.value = (
            f"{doubts}<h4>This freezes the plan</h4><p>Registered under the key <b>{escape(plan.key)}</b> in "
            f"{escape(str(self.root))}: the hypothesis, {len(plan.metrics)} metrics, {len(plan.variants)} variants, the model, "
            f"the horizon and the rule above. Afterwards a change is an amendment that says what had been seen by then.</p>"
            f"<details><summary>Digest</summary><code>{plan.digest[:16]}…</code></details>"
        )
        visible(self._confirm, True)
        visible(self._register_row, False)
        self.guard.focus_on("xp-confirm")
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
        self.go(len(STEPS) - 1)
        self.next_steps.open(self.experiment)
        visible(self.next_steps.widget, True)
        self.guard.focus_on("xp-next")
        self.status.say(f"Registered {self.experiment.key} in {self.root}.", mood="good")
        self.update_twin()
        for listener in self._registered:
            listener(self.experiment)
        return self.experiment

    # How it shows itself

    def twin(self) -> PlanCard:
        """The static summary that stays readable without a kernel."""
        state = "registered" if self.experiment is not None else "draft"
        return PlanCard(self._value(), problems=len(self._problems), state=state)

    def to_dict(self) -> dict[str, Any]:
        """The plan and its problems."""
        return {"plan": json.loads(json.dumps(self.value)), "problems": [p.to_dict() for p in self.problems]}

    def __repr__(self) -> str:
        return f"PlanForm({self._value().get('key', '')!r}, {len(self._problems)} problems)"


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _from_template(name: str) -> dict[str, Any]:
    made = template(name)
    return made.to_dict() if isinstance(made, Plan) else dict(made)


def _path(pointer: str) -> tuple[str, ...]:
    return tuple(p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:])
