"""Variants of a plan, with splits as linked sliders that always sum to 1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import anywidget
import traitlets

from xpbench.errors import Problem
from xpbench.forms.build import Specials, object_field
from xpbench.forms.composites import ListField, ObjectField
from xpbench.forms.field import MISSING, Field, Located, button, html, problem_lines, styled
from xpbench.forms.inputs import TickLeaf
from xpbench.plan.design import Variant

STEPS = 10_000
"""A split is a whole number of ten-thousandths."""


def linked(steps: Sequence[int], index: int, value: int) -> list[int]:
    """Splits in ten-thousandths after one of them was set: the others share the rest in proportion.

    The sum is exactly `STEPS`, every split is at least 1, and what rounding leaves over goes to the largest remainders.
    """
    others = [i for i in range(len(steps)) if i != index]
    if not others:
        return [STEPS]
    value = max(1, min(int(value), STEPS - len(others)))
    rest = STEPS - value
    weights = [max(0, steps[i]) for i in others]
    total = sum(weights)
    if total == 0:
        weights, total = [1] * len(others), len(others)
    spare = rest - len(others)
    exact = [spare * w / total for w in weights]
    floors = [int(e) for e in exact]
    left = spare - sum(floors)
    by_remainder = sorted(range(len(others)), key=lambda i: (floors[i] - exact[i], i))
    for i in by_remainder[:left]:
        floors[i] += 1
    out = list(steps)
    out[index] = value
    for i, floor in zip(others, floors, strict=True):
        out[i] = floor + 1
    return out


def equal(count: int) -> list[int]:
    """Equal splits in ten-thousandths, the first ones one larger where it does not come out even."""
    base, left = divmod(STEPS, count)
    return [base + (i < left) for i in range(count)]


class SplitBar(anywidget.AnyWidget):
    """Native range inputs, one per variant: ipywidgets' sliders have no accessible name and this is what it can't do."""

    _esm = Path(__file__).with_name("splits.js")
    rows: Any = traitlets.List().tag(sync=True)
    moved: Any = traitlets.Dict().tag(sync=True)


class VariantTable(ListField):
    """Variants in order, one control, splits that sum to 1."""

    def __init__(self, label: str, *, about: str = "", special: Specials | None = None) -> None:
        self._splits: list[Any] = []
        self.bar = SplitBar(rows=[], moved={})
        self.bar.observe(lambda change: self.split_moved(change["new"]), names="moved")
        self.split_note = html("", "xp-note")
        super().__init__(
            label,
            noun="variant",
            about=about,
            blank=dict,
            make=lambda: object_field(Variant, leave_out=("split",), special=special),
        )
        self.equal_button = button("Equal splits", self.equalise, "xp-quiet")
        self.widget.children = (
            *self.widget.children,
            html('<p class="xp-label">Splits</p><p class="xp-help">Move one: the others share the rest in proportion.</p>'),
            styled(self.bar, "xp-split-bar"),
            self.split_note,
            self.equal_button,
        )

    def _new(self, value: Any) -> None:
        fresh = not self._spare
        super()._new(value)
        item = self.items[-1]
        if fresh:
            item.on_change(self._drawn)
            control = self._control(item)
            control.on_change(lambda: self._only_control(item))

    @staticmethod
    def _control(item: Field) -> TickLeaf:
        return cast(TickLeaf, cast(ObjectField, item).fields["control"])

    def _only_control(self, item: Field) -> None:
        if self._control(item).get():
            for other in self.items:
                if other is not item:
                    self._control(other).set(False)

    def _names(self) -> list[str]:
        return [str(v.get("key", "")) or f"variant {i + 1}" for i, v in enumerate(item.get() for item in self.items)]

    def _steps(self) -> list[int]:
        return [round(s * STEPS) if isinstance(s, (int, float)) and not isinstance(s, bool) else 0 for s in self._splits]

    def _drawn(self) -> None:
        self.bar.rows = [
            {"name": name[:80], "steps": max(0, min(step, STEPS))}
            for name, step in zip(self._names(), self._steps(), strict=True)
        ]

    def _take(self, steps: Sequence[int]) -> None:
        self._splits = [s / STEPS for s in steps]
        self._drawn()

    def split_moved(self, moved: dict[str, Any]) -> None:
        """One slider was moved: link the others."""
        index, value = moved.get("index"), moved.get("value")
        if not isinstance(index, int) or not isinstance(value, (int, float)) or not 0 <= index < len(self._splits):
            return
        self._take(linked(self._steps(), index, int(value)))
        self.changed()

    def equalise(self) -> None:
        """Give every variant the same split."""
        if self.items:
            self._take(equal(len(self.items)))
            self.changed()

    def add(self) -> None:
        """Append a variant; it gets an equal share and the others give in proportion."""
        self._touched = True
        self._new({"control": not self.items})
        count = len(self.items)
        self._splits.append(0)
        self._arrange()
        self._take(linked(self._steps(), count - 1, STEPS // count))
        self.changed()

    def remove(self, index: int) -> None:
        """Remove a variant; the others take its share in proportion."""
        self._touched = True
        self._spare.append((self.items.pop(index), self._cards.pop(index)))
        self._splits.pop(index)
        self._arrange()
        if self._splits:
            self._take(_rescaled(self._steps()))
        else:
            self._drawn()
        self.changed()

    def move(self, index: int, by: int) -> None:
        """Move a variant with its split."""
        target = index + by
        if not 0 <= target < len(self.items):
            return
        self._splits[index], self._splits[target] = self._splits[target], self._splits[index]
        for row in (self.items, self._cards):
            row[index], row[target] = row[target], row[index]
        self._arrange()
        self._drawn()
        self.changed()

    def get(self) -> Any:
        """The variants with their splits."""
        out = []
        for item, split in zip(self.items, self._splits, strict=True):
            value = item.get()
            out.append({**value, **({} if split is MISSING else {"split": split})})
        return out

    def set(self, value: Any) -> None:
        """Show variants; splits that don't sum to 1 are shown as they are until one is moved."""
        known = value if isinstance(value, (list, tuple)) else []
        super().set(list(known))
        self._splits = [v.get("split", MISSING) if isinstance(v, dict) else MISSING for v in known]
        self._drawn()

    def show(self, problems: Sequence[Located]) -> None:
        """Problems of splits under the sliders, all others at their fields."""
        splits: list[Problem] = [q for p, q in problems if (len(p) > 1 and p[1] == "split") or (not p and "splits" in q.what)]
        super().show([(p, q) for p, q in problems if q not in splits])
        text = problem_lines(splits)
        if self.split_note.value != text:
            self.split_note.value = text


def _rescaled(steps: Sequence[int]) -> list[int]:
    """Splits in the same proportions that sum to `STEPS`."""
    if sum(steps) == 0:
        return equal(len(steps))
    return linked(steps, 0, round(STEPS * steps[0] / sum(steps)))
