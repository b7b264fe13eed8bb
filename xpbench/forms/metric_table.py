"""Metrics of a plan: one line each, and an editor for the one that is selected."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as ipw

from xpbench.errors import Problem
from xpbench.forms import labels as words
from xpbench.forms.build import Specials, object_field
from xpbench.forms.composites import KindField, ObjectField
from xpbench.forms.field import MISSING, Field, Located, box, button, html, problem_lines, visible
from xpbench.forms.inputs import ChoiceLeaf, format_number
from xpbench.outward import html as escape
from xpbench.plan.metrics import KINDS

MADE_OF = ("column", "event", "property", "numerator", "denominator", "expression")
"""What a metric is made of: asked first, and its key where nobody says another."""
_ARROWS = {"increase": "▲", "decrease": "▼"}


def metric_line(metric: Mapping[str, Any]) -> str:
    """A metric in one line of escaped HTML: role, direction, kind, and what makes it count."""
    parts = [str(metric.get("role", "no role")), _ARROWS.get(str(metric.get("direction")), "no direction")]
    parts.append(str(metric.get("kind", "no kind")))
    for key, said in (("min_lift", "matters from"), ("margin_rel", "margin"), ("margin", "margin")):
        value = metric.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            text = f"{value * 100:.6g} %" if key != "margin" else f"{format_number(value)} (absolute)"
            parts.append(f"{said} {text}")
    if metric.get("cuped"):
        parts.append("CUPED")
    if metric.get("winsorize"):
        parts.append("winsorized")
    return " · ".join(escape(p) for p in parts)


class _Row:
    """Widgets of one line."""

    def __init__(self, table: MetricTable) -> None:
        self.open = button("", lambda: table.select(table.rows.index(self)), "xp-metric-name")
        self.line = html("", "xp-metric-line")
        self.up = button("", lambda: table.move(table.rows.index(self), -1), "xp-tool", "xp-up")
        self.down = button("", lambda: table.move(table.rows.index(self), 1), "xp-tool", "xp-down")
        self.remove = button("", lambda: table.remove(table.rows.index(self)), "xp-tool", "xp-remove")
        self.note = html("", "xp-note-own")
        self.problems: list[Problem] = []
        self.is_left = False
        self.widget = box(
            [box([self.open, self.line, self.up, self.down, self.remove], "xp-metric-row", across=True), self.note], "xp-metric"
        )


class _Left(Field):
    """Stands for a metric that somebody has edited and left: what it lacks is shown in its line."""

    @property
    def is_touched(self) -> bool:
        """Always."""
        return True


class MetricTable(Field):
    """All metrics, with add, copy, remove, reorder, and fields that depend on the kind."""

    def __init__(self, label: str, *, about: str = "", special: Specials | None = None) -> None:
        super().__init__()
        self._values: list[Any] = []
        self.rows: list[_Row] = []
        self._spare: list[_Row] = []
        self.selected: int | None = None
        self._touched = False
        self.note = html("", "xp-note")
        self._list = box([], "xp-list", "xp-metrics")
        choice = ChoiceLeaf("Kind", list(KINDS), words=words.CHOICES, default="conversion")
        self.editor = KindField(
            choice, lambda kind: object_field(KINDS[kind], leave_out=("kind",), special=special, first=MADE_OF)
        )
        self.editor.on_change(self._edited)
        self._title = html("", "xp-editor-title")
        self._editor_box = box([self._title, self.editor.widget], "xp-editor")
        heading = f'<p class="xp-label">{escape(label)}</p>' + (f'<p class="xp-help">{escape(about)}</p>' if about else "")
        self._empty = html(
            '<p class="xp-empty">No metric yet. Add the one that decides (primary), what explains it (secondary), '
            "and what must not get worse (guardrail).</p>"
        )
        self.add_button = button("Add metric", self.add, "xp-quiet")
        self.copy_button = button("Copy selected metric", self.duplicate, "xp-quiet")
        self.widget = box(
            [html(heading), self._list, box([self.add_button, self.copy_button], "xp-actions-left", across=True), self.note,
             self._editor_box], "xp-group",
        )  # fmt: skip
        self.set([])

    def keys(self) -> list[str]:
        """Keys of the metrics, in order."""
        return [str(v.get("key", "")) for v in self._values if isinstance(v, dict) and v.get("key")]

    def _edited(self) -> None:
        if self.selected is not None:
            self._name()
            self._values[self.selected] = self.editor.get()
            self._written(self.selected)
        self.changed()

    def _name(self) -> None:
        """A metric without a key is called as what it is made of."""
        body = self.editor.body
        if not isinstance(body, ObjectField) or "key" not in body.fields or body.fields["key"].get() is not MISSING:
            return
        made_of = next((body.fields[n].get() for n in MADE_OF if n in body.fields), MISSING)
        if isinstance(made_of, str) and made_of.strip():
            name, count = made_of.strip()[:60], 2
            while name in self.keys():
                name, count = f"{made_of.strip()[:60]}_{count}", count + 1
            body.fields["key"].set(name)

    def apply(self) -> None:
        """Show the fields that apply to the role of the metric that is selected."""
        body = self.editor.body
        if isinstance(body, ObjectField) and "role" in body.fields:
            is_rail = body.fields["role"].get() == "guardrail"
            body.hide({"min_lift"} if is_rail else {"margin", "margin_rel"})

    def _written(self, index: int) -> None:
        value = self._values[index] if isinstance(self._values[index], dict) else {}
        row = self.rows[index]
        name = str(value.get("key", "")) or f"metric {index + 1}"
        mark = "▲ " if row.problems else ""
        wanted: list[tuple[ipw.Widget, str, Any]] = [
            (row.open, "description", f"{mark}{name}"),
            (row.open, "tooltip", f"Edit {name}"),
            (row.line, "value", metric_line(value)),
            *((tool, "description", f"{verb}: {name}") for tool, verb in
              ((row.up, "Move up"), (row.down, "Move down"), (row.remove, "Remove"))),
            (row.up, "disabled", index == 0),
            (row.down, "disabled", index == len(self.rows) - 1),
        ]  # fmt: skip
        for widget, trait, text in wanted:
            if getattr(widget, trait) != text:
                setattr(widget, trait, text)
        if index == self.selected:
            self._title.value = f"<h4>{escape(name)}</h4>"

    def _arrange(self) -> None:
        while len(self.rows) > len(self._values):
            self._spare.append(self.rows.pop())
        while len(self.rows) < len(self._values):
            self.rows.append(self._spare.pop() if self._spare else _Row(self))
        for index in range(len(self.rows)):
            self._written(index)
        self._list.children = tuple(r.widget for r in self.rows) or (self._empty,)
        visible(self._editor_box, self.selected is not None)
        self.copy_button.disabled = self.selected is None

    def select(self, index: int | None) -> None:
        """Show a metric in the editor."""
        if self.selected is not None and self.selected != index and self.selected < len(self.rows):
            self.rows[self.selected].is_left = True
        for i, row in enumerate(self.rows):
            (row.widget.add_class if i == index else row.widget.remove_class)("xp-selected")
        self.selected = index
        if index is not None:
            self.editor.set(self._values[index])
            self._written(index)
            self._tell()
        visible(self._editor_box, index is not None)
        self.copy_button.disabled = index is None

    def add(self, value: Mapping[str, Any] | None = None) -> None:
        """Append a metric and select it; the first one is primary."""
        fresh = {
            "kind": "conversion",
            "direction": "increase",
            "role": "secondary" if self._values else "primary",
            "cuped": False,
        }
        if self._values and isinstance(self._values[-1], dict) and "kind" in self._values[-1]:
            fresh["kind"] = self._values[-1]["kind"]
        self._touched = True
        self._values.append(dict(value) if value is not None else fresh)
        self._arrange()
        self.select(len(self._values) - 1)
        self._values[-1] = self.editor.get()
        self.changed()

    def duplicate(self) -> None:
        """Append a copy of the selected metric under a new key."""
        if self.selected is None:
            return
        made = copy.deepcopy(self._values[self.selected])
        taken, base, count = set(self.keys()), str(made.get("key", "metric")), 2
        while f"{base}_{count}" in taken:
            count += 1
        made["key"] = f"{base}_{count}"
        self.add(made)

    def remove(self, index: int) -> None:
        """Remove a metric."""
        self._touched = True
        self._values.pop(index)
        self._spare.append(self.rows.pop(index))
        keep = self.selected
        if keep is not None:
            keep = (keep - (index < keep) if index != keep else min(index, len(self._values) - 1)) if self._values else None
        self._arrange()
        self.select(keep)
        self.changed()

    def move(self, index: int, by: int) -> None:
        """Move a metric up (-1) or down (+1)."""
        target = index + by
        if not 0 <= target < len(self._values):
            return
        for row in (self._values, self.rows):
            row[index], row[target] = row[target], row[index]
        if self.selected in (index, target):
            self.selected = target if self.selected == index else index
        self._arrange()
        self.changed()

    def get(self) -> list[Any]:
        """The metrics in order."""
        return copy.deepcopy(self._values)

    def set(self, value: Any) -> None:
        """Show metrics and select the first."""
        self._values = copy.deepcopy(list(value)) if isinstance(value, (list, tuple)) else []
        for row in self.rows:
            row.problems, row.is_left = [], False
        self.selected, self._touched = None, False
        self._arrange()
        self.select(0 if self._values else None)

    def show(self, problems: Sequence[Located]) -> None:
        """Mark the lines with problems; show those of the selected metric next to its fields."""
        self._by_index: dict[int, list[Located]] = {}
        own: list[Problem] = []
        for path, problem in problems:
            if path and path[0].isdigit() and int(path[0]) < len(self.rows):
                self._by_index.setdefault(int(path[0]), []).append((path[1:], problem))
            else:
                own.append(problem)
        for index, row in enumerate(self.rows):
            row.problems = [q for _, q in self._by_index.get(index, [])]
            self._written(index)
        text = problem_lines(own)
        if self.note.value != text:
            self.note.value = text
        self._tell()

    def _tell(self) -> None:
        found = getattr(self, "_by_index", {})
        for index, row in enumerate(self.rows):
            text = "" if index == self.selected else problem_lines(row.problems)
            if row.note.value != text:
                row.note.value = text
        if self.selected is not None:
            self.editor.show(found.get(self.selected, []))

    @property
    def is_touched(self) -> bool:
        """Whether a person has added or removed a metric."""
        return self._touched

    def at(self, path: Sequence[str]) -> Field | None:
        """The field in the editor where the metric is selected; the line of any other, once it was left."""
        if not path or not path[0].isdigit():
            return self
        index = int(path[0])
        if index == self.selected:
            return self.editor.at(path[1:])
        return _Left() if index < len(self.rows) and self.rows[index].is_left else None

    def leaves(self) -> list[Field]:
        """The leaves of the editor."""
        return self.editor.leaves()
