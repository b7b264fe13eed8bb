"""Fields made of fields: an object, an optional object, one of several kinds, a list."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import ipywidgets as ipw

from xpbench.errors import Problem
from xpbench.forms.field import MISSING, Field, Located, box, button, html, is_visible, problem_lines, visible


class ObjectField(Field):
    """Fields by name.

    Args:
        fields: In the order of the screen.
        rare: Names that are shown only after *More settings*.
        rows: Names that stand side by side, in groups.
    """

    def __init__(self, fields: Mapping[str, Field], *, rare: Sequence[str] = (), rows: Sequence[Sequence[str]] = ()) -> None:
        super().__init__()
        self.fields = dict(fields)
        self.note = html("", "xp-note-own")
        for field in self.fields.values():
            field.on_change(self.changed)
        self._rare = [n for n in self.fields if n in rare]
        self._more: ipw.Button | None = None
        self._rows = rows
        self.widget = box([self.note, *self._arranged([n for n in self.fields if n not in self._rare])], "xp-object")
        if self._rare:
            self._rare_box = box(self._arranged(self._rare), "xp-rare")
            visible(self._rare_box, False)
            self._more = button(f"More settings ({len(self._rare)})", self.toggle_rare, "xp-quiet")
            self.widget.children = (*self.widget.children, self._more, self._rare_box)

    def _arranged(self, names: Sequence[str]) -> list[ipw.Widget]:
        out: list[ipw.Widget] = []
        done: set[str] = set()
        for name in names:
            if name in done:
                continue
            rows = (tuple(n for n in r if n in names) for r in self._rows if name in r)
            members = next((r for r in rows if len(r) > 1), (name,))
            done.update(members)
            widgets = [self.fields[n].widget for n in members]
            out.append(box(widgets, "xp-row", across=True) if len(widgets) > 1 else widgets[0])
        return out

    def toggle_rare(self, *, to: bool | None = None) -> None:
        """Show or hide the rare fields."""
        if self._more is None:
            return
        shown = not is_visible(self._rare_box) if to is None else to
        visible(self._rare_box, shown)
        self._more.description = "Fewer settings" if shown else f"More settings ({len(self._rare)})"

    def get(self) -> dict[str, Any]:
        """The object; names whose field is empty are left out."""
        return {name: value for name, field in self.fields.items() if (value := field.get()) is not MISSING}

    def set(self, value: Any) -> None:
        """Show an object; names that the form does not know are ignored (`PlanForm.load` reports them)."""
        known = value if isinstance(value, Mapping) else {}
        for name, field in self.fields.items():
            field.set(known.get(name, MISSING))

    def show(self, problems: Sequence[Located]) -> None:
        """Hand each problem to the field it points at; keep what points at none."""
        own: list[Problem] = []
        by_name: dict[str, list[Located]] = {name: [] for name in self.fields}
        for path, problem in problems:
            if path and path[0] in by_name:
                by_name[path[0]].append((path[1:], problem))
            else:
                own.append(problem)
        for name, field in self.fields.items():
            field.show(by_name[name])
        if any(by_name[n] for n in self._rare):
            self.toggle_rare(to=True)
        text = problem_lines(own)
        if self.note.value != text:
            self.note.value = text

    def leaves(self) -> list[Field]:
        """All leaves below."""
        return [leaf for field in self.fields.values() for leaf in field.leaves()]

    def at(self, path: Sequence[str]) -> Field | None:
        """The innermost field that a path leads to."""
        return self.fields[path[0]].at(path[1:]) if path and path[0] in self.fields else self

    def hide(self, names: Collection[str]) -> None:
        """Hide the fields that don't apply and show all others; what holds a value stays in sight."""
        for name, field in self.fields.items():
            wanted = name not in names or not _is_default(field)
            if is_visible(field.widget) != wanted:
                visible(field.widget, wanted)
        if self._more is not None:
            open_ = any(is_visible(self.fields[n].widget) for n in self._rare)
            visible(self._more, open_)


def _is_default(field: Field) -> bool:
    """Whether nothing of a person's would be lost from sight with the field."""
    value = field.get()
    return value is MISSING or value in ([], {}, False, None) or value == getattr(field, "default", MISSING)


class OptionalField(Field):
    """An object that may be absent: a tick box, and the object below it while ticked."""

    def __init__(self, label: str, make: Callable[[], Field], *, about: str = "") -> None:
        super().__init__()
        from xpbench.forms.inputs import TickLeaf

        self.tick = TickLeaf(label, about=about)
        self.tick.on_change(self._ticked)
        self._make = make
        self.body: Field | None = None
        self._place = box([], "xp-optional")
        self.widget = box([self.tick.widget, self._place], "xp-group")

    def _opened(self) -> Field:
        if self.body is None:
            self.body = self._make()
            self.body.on_change(self.changed)
        return self.body

    def _ticked(self) -> None:
        self._arrange()
        self.changed()

    def _arrange(self) -> None:
        self._place.children = (self._opened().widget,) if self.tick.get() else ()

    def get(self) -> Any:
        """The object while ticked."""
        return self._opened().get() if self.tick.get() else MISSING

    def set(self, value: Any) -> None:
        """Tick for an object, untick for none."""
        present = value is not MISSING and value is not None
        self.tick.set(present)
        if present:
            self._opened().set(value)
        self._arrange()

    def show(self, problems: Sequence[Located]) -> None:
        """Problems of the object; under the tick box while it is absent."""
        if self.tick.get():
            self.tick.show([])
            self._opened().show(problems)
        else:
            self.tick.show(problems)

    def at(self, path: Sequence[str]) -> Field | None:
        """The innermost field that a path leads to; the tick box while the object is absent."""
        return self._opened().at(path) if self.tick.get() else self.tick

    def leaves(self) -> list[Field]:
        """The tick box and, while ticked, all leaves below."""
        return [self.tick, *(self._opened().leaves() if self.tick.get() else [])]


class KindField(Field):
    """An object of one of several kinds; what two kinds share is kept when the kind changes.

    Args:
        choice: The field for `kind`.
        make: Makes the object of a kind, without its `kind`.
    """

    def __init__(self, choice: Field, make: Callable[[str], Field], *, aside: Callable[[str], str] | None = None) -> None:
        super().__init__()
        self.choice = choice
        self._make = make
        self._bodies: dict[str, Field] = {}
        self._place = box([], "xp-kind-body")
        self._aside = aside
        self._guide = html("", "xp-guide")
        choice.on_change(self._kind_changed)
        self._shown: str | None = None
        self.widget = box([choice.widget, *([self._guide] if aside else []), self._place], "xp-object")
        self._arrange({})

    @property
    def body(self) -> Field | None:
        """The object of the kind that is chosen."""
        kind = self.choice.get()
        if not isinstance(kind, str):
            return None
        if kind not in self._bodies:
            try:
                self._bodies[kind] = self._make(kind)
            except KeyError:
                return None
            self._bodies[kind].on_change(self.changed)
        return self._bodies[kind]

    def _kind_changed(self) -> None:
        before = self._bodies.get(self._shown or "")
        self._arrange(before.get() if before else None)
        self.changed()

    def _arrange(self, value: Any) -> None:
        body = self.body
        if value is not None and body is not None:
            body.set(value)
        self._place.children = (body.widget,) if body is not None else ()
        self._shown = self.choice.get() if body is not None else None
        if self._aside:
            self._guide.value = self._aside(self._shown or "")

    def get(self) -> Any:
        """The object with its kind."""
        body = self.body
        kind = self.choice.get()
        return {**({} if kind is MISSING else {"kind": kind}), **(body.get() if body is not None else {})}

    def set(self, value: Any) -> None:
        """Show an object of any kind."""
        known = value if isinstance(value, Mapping) else {}
        self.choice.set(known.get("kind", MISSING))
        self._arrange({k: v for k, v in known.items() if k != "kind"})

    def show(self, problems: Sequence[Located]) -> None:
        """Problems of the kind next to it, the others in the object."""
        self.choice.show([(p[1:], q) for p, q in problems if p and p[0] == "kind"])
        rest = [(p, q) for p, q in problems if not (p and p[0] == "kind")]
        if self.body is not None:
            self.body.show(rest)
        elif rest:
            self.choice.show(rest)

    def at(self, path: Sequence[str]) -> Field | None:
        """The innermost field that a path leads to."""
        return self.choice if self.body is None or path[:1] in (("kind",), ["kind"]) else self.body.at(path)

    def leaves(self) -> list[Field]:
        """The choice and all leaves of the kind chosen."""
        return [self.choice, *(self.body.leaves() if self.body is not None else [])]


class ListField(Field):
    """A list of objects, each with buttons to move and remove it.

    Args:
        noun: What one item is, for buttons and empty state.
        make: Makes the field of one item.
        blank: Value of a new item.
        empty: What the empty list says.
    """

    def __init__(
        self, label: str, *, noun: str, make: Callable[[], Field], blank: Callable[[], Any], about: str = "", empty: str = "",
        default: Sequence[Any] = (), optional: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self._noun = noun
        self._make = make
        self._blank = blank
        self._default = list(default)
        self._optional = optional
        self._empty = html(f'<p class="xp-empty">{empty or f"No {noun} yet."}</p>')
        self._touched = False
        self.items: list[Field] = []
        self._cards: list[ipw.Box] = []
        self._spare: list[tuple[Field, ipw.Box]] = []
        self.note = html("", "xp-note")
        self._list = box([], "xp-list")
        self.add_button = button(f"Add {noun}", self.add, "xp-quiet")
        from xpbench.outward import html as escape

        heading = f'<p class="xp-label">{escape(label)}</p>' + (f'<p class="xp-help">{escape(about)}</p>' if about else "")
        self.widget = box([html(heading), self._list, self.add_button, self.note], "xp-group")
        self.set(MISSING)

    def _card(self, item: Field) -> ipw.Box:
        tools = box(
            [
                button("", lambda: self.move(self.items.index(item), -1), "xp-tool", "xp-up"),
                button("", lambda: self.move(self.items.index(item), 1), "xp-tool", "xp-down"),
                button("", lambda: self.remove(self.items.index(item)), "xp-tool", "xp-remove"),
            ],
            "xp-tools",
            across=True,
        )
        return box([item.widget, tools], "xp-card", across=True)

    def _new(self, value: Any) -> None:
        if self._spare:
            item, card = self._spare.pop()
        else:
            item = self._make()
            card = self._card(item)
            item.on_change(self.changed)
        item.set(value)
        self.items.append(item)
        self._cards.append(card)

    def _arrange(self) -> None:
        for index, card in enumerate(self._cards):
            for tool, verb in zip(card.children[1].children, ("Move up", "Move down", "Remove"), strict=True):
                tool.description = tool.tooltip = f"{verb}: {self._noun} {index + 1}"
            card.children[1].children[0].disabled = index == 0
            card.children[1].children[1].disabled = index == len(self._cards) - 1
        self._list.children = tuple(self._cards) if self._cards else (self._empty,)

    def add(self) -> None:
        """Append a new item."""
        self._touched = True
        self._new(self._blank())
        self._arrange()
        self.changed()

    def remove(self, index: int) -> None:
        """Remove an item."""
        self._touched = True
        self._spare.append((self.items.pop(index), self._cards.pop(index)))
        self._arrange()
        self.changed()

    def move(self, index: int, by: int) -> None:
        """Move an item up (-1) or down (+1)."""
        target = index + by
        if not 0 <= target < len(self.items):
            return
        for row in (self.items, self._cards):
            row[index], row[target] = row[target], row[index]
        self._arrange()
        self.changed()

    @property
    def is_touched(self) -> bool:
        """Whether a person has added or removed an item."""
        return self._touched

    def get(self) -> Any:
        """The items in order."""
        return [item.get() for item in self.items] if self.items or not self._optional else MISSING

    def set(self, value: Any) -> None:
        """Show a list; `MISSING` shows the default."""
        self._touched = False
        values = (
            self._default if value is MISSING or value is None else (value if isinstance(value, (list, tuple)) else [value])
        )
        while len(self.items) > len(values):
            self._spare.append((self.items.pop(), self._cards.pop()))
        for item, each in zip(self.items, values, strict=False):
            item.set(each)
        for each in values[len(self.items) :]:
            self._new(each)
        self._arrange()

    def show(self, problems: Sequence[Located]) -> None:
        """Hand each problem to its item; keep those of the list as a whole."""
        by_index: dict[str, list[Located]] = {str(i): [] for i in range(len(self.items))}
        own: list[Problem] = []
        for path, problem in problems:
            if path and path[0] in by_index:
                by_index[path[0]].append((path[1:], problem))
            else:
                own.append(problem)
        for index, item in enumerate(self.items):
            item.show(by_index[str(index)])
        text = problem_lines(own)
        if self.note.value != text:
            self.note.value = text

    def at(self, path: Sequence[str]) -> Field | None:
        """The innermost field that a path leads to."""
        if path and path[0].isdigit() and int(path[0]) < len(self.items):
            return self.items[int(path[0])].at(path[1:])
        return self

    def leaves(self) -> list[Field]:
        """All leaves of all items."""
        return [leaf for item in self.items for leaf in item.leaves()]
