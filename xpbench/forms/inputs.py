"""Fields that hold one value: text, number, choice, tick box, list of words, mapping, JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import ipywidgets as ipw

from xpbench.forms.field import MISSING, Field, Located, box, html, problem_lines, shared_layout, shared_style, styled
from xpbench.outward import html as escape

_THOUSANDS = re.compile(r"[+-]?\d{1,3}([,_' \u2009\u202f]\d{3})+(\.\d+)?")


def parse_number(text: str, *, whole: bool = False) -> float | int | str:
    """The number a person typed; the text itself where it is none, so that the rules can say so.

    Takes `40,000`, `40 000`, `1e-3`, a true minus, and `5 %` for 0.05. A lone decimal comma is not guessed at.
    """
    raw = text.strip().replace("−", "-")
    percent = raw.endswith("%")
    body = raw[:-1].strip() if percent else raw
    if _THOUSANDS.fullmatch(body):
        body = re.sub(r"[,_' \u2009\u202f]", "", body)
    try:
        exact = Decimal(body)
    except InvalidOperation:
        return text
    if percent:
        exact /= 100
    value = float(exact)
    if not math.isfinite(value) or "_" in body:
        return text
    if exact == exact.to_integral_value() and abs(exact) < 2**53 and (whole or not re.search(r"[.eE]", body)):
        return int(exact)
    return value


def format_number(value: Any) -> str:
    """A number as a person would type it; other values as they are."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return repr(value)


class Leaf(Field):
    """One control with its help and its problems below it."""

    def __init__(self, control: ipw.DOMWidget, *, about: str = "", default: Any = MISSING, watch: str = "value") -> None:
        super().__init__()
        self.control = styled(control, "xp-control")
        self._help = f'<p class="xp-help">{escape(about)}</p>' if about else ""
        self.note = html(self._help, "xp-note")
        self.default = default
        self._quiet = False
        self._touched = False
        self.widget = box([self.control, self.note], "xp-field")
        control.observe(self._observed, names=watch)

    def _observed(self, _: Any) -> None:
        if not self._quiet:
            self._touched = True
            self.changed()

    @property
    def is_touched(self) -> bool:
        """Whether a person has changed it since it was filled."""
        return self._touched

    def parse(self, shown: Any) -> Any:
        """The JSON value of what the control shows."""
        return shown

    def format(self, value: Any) -> Any:
        """What the control shows for a JSON value."""
        return value

    def get(self) -> Any:
        """The JSON value, or `MISSING` where the control is empty."""
        return self.parse(self.control.value)

    def set(self, value: Any) -> None:
        """Show a value without telling the listeners."""
        self._touched = False
        self._write(self.format(self.default if value is MISSING else value))

    def _write(self, shown: Any) -> None:
        self._quiet = True
        try:
            self.control.value = shown
        finally:
            self._quiet = False

    def doubt(self) -> str:
        """What to ask back about a value that is allowed and hardly meant; empty for none."""
        return ""

    def complain(self, text: str = "") -> None:
        """Show what is missing under the help, in words of a panel; nothing clears it."""
        said = f'<p class="xp-problem"><span aria-hidden="true">▲</span> {escape(text)}</p>' if text else ""
        self.note.value = self._help + said
        (self.widget.add_class if text else self.widget.remove_class)("xp-wrong")

    def show(self, problems: Sequence[Located]) -> None:
        """Show problems under the help."""
        found = problem_lines([p for _, p in problems])
        asked = "" if found or not (doubt := self.doubt()) else f'<p class="xp-doubt">? {escape(doubt)}</p>'
        text = self._help + found + asked
        if self.note.value != text:
            self.note.value = text
            (self.widget.add_class if found else self.widget.remove_class)("xp-wrong")


class TextLeaf(Leaf):
    """Text in one line, or in several."""

    def __init__(
        self,
        label: str,
        *,
        about: str = "",
        default: Any = MISSING,
        long: bool = False,
        empty: Any = MISSING,
        live: bool = False,
    ) -> None:
        self._empty = empty
        kind = ipw.Textarea if long else ipw.Text
        control = kind(
            "" if default is MISSING or default is None else str(default),
            description=label,
            continuous_update=live,
            layout=shared_layout(),
            style=shared_style(kind),
        )
        if long:
            control.rows = 2
        super().__init__(control, about=about, default=default)

    def parse(self, shown: str) -> Any:
        """The text; what `empty` says for none."""
        return shown if shown.strip() else self._empty

    def format(self, value: Any) -> str:
        """The text; numbers and the like are shown as JSON, so that a wrong type is seen."""
        if value is MISSING or value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class NumberLeaf(TextLeaf):
    """A number that may be left out."""

    def __init__(self, label: str, *, about: str = "", default: Any = MISSING, whole: bool = False) -> None:
        self._whole = whole
        super().__init__(label, about=about, default=MISSING if default is None else default)
        styled(self.control, "xp-number")
        self.set(MISSING)

    def parse(self, shown: str) -> Any:
        """The number; the text where it is none."""
        return parse_number(shown, whole=self._whole) if shown.strip() else MISSING

    def format(self, value: Any) -> str:
        """The number as typed."""
        return "" if value is MISSING or value is None else format_number(value)


class PercentLeaf(NumberLeaf):
    """A share in per cent: "5", "5 %" and "5%" are 0.05, and what was taken is written back with its sign.

    Args:
        whole_shares: A number up to 1 without a sign is the share itself: nobody means a power of 0.9 %.
    """

    def __init__(self, label: str, *, about: str = "", default: Any = MISSING, whole_shares: bool = False) -> None:
        self._whole_shares = whole_shares
        super().__init__(f"{label} (%)", about=about, default=default)

    def _observed(self, change: Any) -> None:
        if not self._quiet:
            self._write(self.format(self.get()))
        super()._observed(change)

    def parse(self, shown: str) -> Any:
        """The share; the text where it is not a number."""
        if not shown.strip():
            return MISSING
        body = shown.strip()
        value = parse_number(body)
        if isinstance(value, str) or body.endswith("%") or (self._whole_shares and 0 < value <= 1):
            return value if isinstance(value, str) else float(value)
        return parse_number(f"{body} %") if not re.search(r"[eE]", body) else float(Decimal(str(value)) / 100)

    def format(self, value: Any) -> str:
        """The share in per cent."""
        if value is MISSING or value is None:
            return ""
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            return str(value)
        exact = Decimal(repr(value)) * 100
        return f"{exact.normalize():f} %" if exact else "0 %"

    def doubt(self) -> str:
        """A change of more than the whole, or of next to nothing."""
        value = self.get()
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return ""
        if value > 1:
            return f"{self.format(value)} means {1 + value:.3g} times as much. If you meant {value:g} %, type {value:g} %."
        if 0 < value < 0.0005 and not self._whole_shares:
            return f"That is {value * 1e6:.3g} in a million. If you meant {self.format(value * 100)}, type it so."
        return ""


class SuggestLeaf(TextLeaf):
    """Any text, with what is known as suggestions."""

    def __init__(self, label: str, *, about: str = "", default: Any = MISSING, empty: Any = MISSING) -> None:
        super().__init__(label, about=about, default=default, empty=empty)
        combo = ipw.Combobox(
            str(self.control.value), description=label, options=(), ensure_option=False, continuous_update=False,
            layout=shared_layout(), style=shared_style(ipw.Combobox),
        )  # fmt: skip
        self.control = styled(combo, "xp-control")
        combo.observe(self._observed, names="value")
        self.widget.children = (combo, self.note)
        self._facts: dict[str, str] = {}
        self._about = self._help

    def _observed(self, change: Any) -> None:
        if not self._quiet and not str(self.control.value).strip() and isinstance(self.default, str):
            self._write(self.default)  # emptied means the default, and it is seen
        super()._observed(change)

    def suggest(self, known: Sequence[str] | Mapping[str, str]) -> None:
        """Offer these values; a mapping says of each what the data hold."""
        self._facts = dict(known) if isinstance(known, Mapping) else {}
        if tuple(self.control.options) != tuple(known):
            self.control.options = tuple(known)

    def show(self, problems: Sequence[Located]) -> None:
        """Show problems, and what the data hold of the value that is there."""
        fact = self._facts.get(str(self.control.value))
        self._help = self._about + (f'<p class="xp-help">{escape(fact)}</p>' if fact else "")
        super().show(problems)


def _json_or_text(shown: str) -> Any:
    if not shown.strip():
        return MISSING
    try:
        return json.loads(shown)
    except ValueError:
        return shown


class ScalarLeaf(TextLeaf):
    """Text, number, true, false, or a list of these: JSON where it is JSON, else text."""

    def parse(self, shown: str) -> Any:
        """JSON where the text is JSON, else the text."""
        return _json_or_text(shown)

    def format(self, value: Any) -> str:
        """Text as it is where reading it back gives the same, else JSON."""
        if value is MISSING or value is None:
            return ""
        if isinstance(value, str) and self.parse(value) == value:
            return value
        return json.dumps(value, ensure_ascii=False)


class JsonLeaf(TextLeaf):
    """A JSON object typed as text."""

    def __init__(self, label: str, *, about: str = "", default: Any = MISSING) -> None:
        super().__init__(label, about=about, default=MISSING, long=True)
        styled(self.control, "xp-mono")

    def parse(self, shown: str) -> Any:
        """The JSON value; the text where it is none, so that the rules can say so."""
        return _json_or_text(shown)

    def format(self, value: Any) -> str:
        """JSON text."""
        if value is MISSING or value is None:
            return ""
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


class ChoiceLeaf(Leaf):
    """One of a few values."""

    def __init__(
        self, label: str, options: Sequence[Any], *, words: dict[Any, str] | None = None, about: str = "",
        default: Any = MISSING,
        optional: bool = False,
    ) -> None:  # fmt: skip
        named = words or {}
        self._options: list[tuple[str, Any]] = [(named.get(o, str(o)), o) for o in options]
        if optional or default is MISSING:
            self._options.insert(0, ("choose…" if not optional else "none", MISSING))
        control = ipw.Dropdown(
            options=self._options,
            value=MISSING if default is None else default,
            description=label,
            layout=shared_layout(),
            style=shared_style(ipw.Dropdown),
        )
        super().__init__(control, about=about, default=MISSING if default is None else default)

    def format(self, value: Any) -> Any:
        """The option; a value that is none becomes an option marked unknown, so that nothing typed is lost."""
        for _, option in self._options:
            if option is value or (type(option) is type(value) and option == value):
                return option
        if value is None:
            value = MISSING
        self._options.append((f"unknown: {str(value)[:60]}" if value is not MISSING else "choose…", value))
        self.control.options = self._options
        return value


class TickLeaf(Leaf):
    """Yes or no."""

    def __init__(self, label: str, *, about: str = "", default: bool = False) -> None:
        control = ipw.Checkbox(
            default, description=label, indent=False, layout=shared_layout(), style=shared_style(ipw.Checkbox)
        )
        super().__init__(control, about=about, default=default)
        styled(self.widget, "xp-tick")

    def format(self, value: Any) -> bool:
        """True for true."""
        return value is True


class WordsLeaf(TextLeaf):
    """A list of words or numbers, separated by commas or lines."""

    def __init__(self, label: str, *, about: str = "", default: Any = MISSING, numbers: bool = False, whole: bool = False,
                 optional: bool = False) -> None:  # fmt: skip
        self._numbers = numbers
        self._whole = whole
        self._optional = optional
        super().__init__(label, about=about, default=default)
        self.set(MISSING)

    def parse(self, shown: str) -> Any:
        """The list; `[]` is an empty list where nothing means *not said*."""
        if shown.strip() == "[]" or (not shown.strip() and not self._optional):
            return []
        if not shown.strip():
            return MISSING
        parts = [p.strip() for p in re.split(r"[\n;]|,\s" if self._numbers else r"[\n,;]", shown) if p.strip()]
        return [parse_number(p, whole=self._whole) for p in parts] if self._numbers else parts

    def format(self, value: Any) -> str:
        """The words with commas between."""
        if value is MISSING or value is None:
            return ""
        if not isinstance(value, (list, tuple)):
            return format_number(value)
        if not value:
            return "[]" if self._optional else ""
        return ", ".join(format_number(v) for v in value)


class MappingLeaf(TextLeaf):
    """Names with a value each, one `name = value` a line."""

    def __init__(self, label: str, *, about: str = "", numbers: bool = False, optional: bool = False) -> None:
        self._numbers = numbers
        self._optional = optional
        super().__init__(label, about=about, default=MISSING, long=True)
        styled(self.control, "xp-mono")

    def parse(self, shown: str) -> Any:
        """The mapping; a line without `=` is kept with an empty value, so that the rules can say so."""
        lines = [line for line in shown.splitlines() if line.strip()]
        if not lines and self._optional:
            return MISSING
        out: dict[str, Any] = {}
        for line in lines:
            name, _, value = line.partition(" = ") if " = " in line else line.partition("=")
            out[name.strip()] = parse_number(value.strip()) if self._numbers else value.strip()
        return out

    def format(self, value: Any) -> str:
        """A line for each name."""
        if not isinstance(value, dict):
            return "" if value is MISSING or value is None else str(value)
        return "\n".join(f"{k} = {format_number(v)}" for k, v in value.items())


class ConstantLeaf(Leaf):
    """A value that people don't edit: the version of the file, the template it started from."""

    def __init__(self, label: str, *, default: Any = MISSING) -> None:
        self._value: Any = default
        self._label = label
        super().__init__(html("", "xp-constant"), default=default)
        self.set(default)

    def get(self) -> Any:
        """The value as it was set."""
        return self._value

    def set(self, value: Any) -> None:
        """Keep and show a value."""
        self._value = self.default if value is MISSING or value is None else value
        said = "none" if self._value is MISSING else (
            ", ".join(f"{k} {v}" for k, v in self._value.items()) if isinstance(self._value, dict) else str(self._value)
        )  # fmt: skip
        self.control.value = f'<span class="xp-label">{escape(self._label)}</span> <span>{escape(said[:160])}</span>'
