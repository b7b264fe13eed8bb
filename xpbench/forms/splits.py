"""Variants of a plan, with splits as linked sliders that always sum to 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import traitlets

from xpbench.errors import Problem
from xpbench.forms.build import Specials, object_field
from xpbench.forms.field import MISSING, Field, Located, button, html, problem_lines, styled
from xpbench.forms.leaves import TickLeaf
from xpbench.forms.parts import ListField, ObjectField
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

    _esm = """
    function row(model, el, index) {
      const line = document.createElement("div");
      line.className = "xp-split-row";
      const name = document.createElement("span");
      name.className = "xp-split-name";
      const range = document.createElement("input");
      range.type = "range"; range.min = 1; range.max = 9999; range.step = 1;
      const exact = document.createElement("input");
      exact.type = "number"; exact.min = 0.01; exact.max = 99.99; exact.step = 0.01;
      const sign = document.createElement("span");
      sign.textContent = "%";
      const send = (value) => {
        model.set("moved", { index, value, at: (model.get("moved").at || 0) + 1 });
        model.save_changes();
      };
      range.addEventListener("input", () => send(Math.round(Number(range.value))));
      range.addEventListener("keydown", (event) => {
        const by = { ArrowRight: 100, ArrowUp: 100, ArrowLeft: -100, ArrowDown: -100, PageUp: 1000, PageDown: -1000 }[event.key];
        if (by) { event.preventDefault(); event.stopPropagation(); send(Math.round(Number(range.value)) + by); }
      });
      exact.addEventListener("change", () => send(Math.round(Number(exact.value) * 100)));
      line.append(name, range, exact, sign);
      el.append(line);
      return { name, range, exact };
    }
    function render({ model, el }) {
      el.classList.add("xp-splits");
      let rows = [];
      const draw = () => {
        const shown = model.get("rows");
        if (rows.length !== shown.length) {
          el.replaceChildren();
          rows = shown.map((_, index) => row(model, el, index));
        }
        shown.forEach((each, index) => {
          const { name, range, exact } = rows[index];
          name.textContent = each.name;
          range.setAttribute("aria-label", "Split of " + each.name);
          range.setAttribute("aria-valuetext", each.steps / 100 + " percent");
          exact.setAttribute("aria-label", "Split of " + each.name + " in percent");
          range.value = each.steps;
          if (document.activeElement !== exact) exact.value = each.steps / 100;
        });
      };
      model.on("change:rows", draw);
      draw();
      return () => model.off("change:rows", draw);
    }
    export default { render };
    """
    rows = traitlets.List().tag(sync=True)
    moved = traitlets.Dict().tag(sync=True)


class VariantTable(ListField):
    """Variants in order, one control, splits that sum to 1."""

    def __init__(self, label: str, *, help: str = "", special: Specials | None = None) -> None:  # noqa: A002
        self._splits: list[Any] = []
        self.bar = SplitBar(rows=[], moved={})
        self.bar.observe(lambda change: self.split_moved(change["new"]), names="moved")
        self.split_note = html("", "xp-note")
        super().__init__(
            label, noun="variant", help=help, blank=dict, make=lambda: object_field(Variant, leave_out=("split",), special=special)
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
        assert isinstance(item, ObjectField)
        control = item.fields["control"]
        assert isinstance(control, TickLeaf)
        return control

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
            {"name": name[:80], "steps": max(0, min(step, STEPS))} for name, step in zip(self._names(), self._steps(), strict=True)
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
        self._new({"control": not self.items})
        count = len(self.items)
        self._splits.append(0)
        self._arrange()
        self._take(linked(self._steps(), count - 1, STEPS // count))
        self.changed()

    def remove(self, index: int) -> None:
        """Remove a variant; the others take its share in proportion."""
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
            row[index], row[target] = row[target], row[index]  # type: ignore[index]
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
