"""A problem of the plan in the words of the form: names of fields instead of pointers, codes only where one asks for them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from xpbench.errors import Problem
from xpbench.errors.wording import place, sentences
from xpbench.forms import labels
from xpbench.outward import html as escape

OPEN = frozenset({"XPB-P02", "XPB-P06", "XPB-P08", "XPB-P09", "XPB-P12", "XPB-P19", "XPB-P20", "XPB-P22"})
"""What is not filled in yet: no mistake of anybody until a field was touched, or registering was asked for."""

_WRONG = re.compile(r"^(?P<place>\S+) is (?P<value>.*)$", re.DOTALL)

REMEDIES: dict[str, str] = {
    "XPB-P08": "Tick Control on one variant",
    "XPB-P11": "Move its slider",
    "XPB-P07": "Move one slider: the others follow",
    "XPB-P12": "Add the metric that decides, with the role primary",
    "XPB-P14": "Say how much worse it may get, for example 2 %",
    "XPB-P15": "Empty one of the two margins",
    "XPB-P19": "Say after how many units or days results are due",
    "XPB-P20": "Type the number of units that you plan to reach",
    "XPB-P21": "Empty one of the two fields",
    "XPB-P22": "Add a claim: the metric, which way it moves, and by how much",
    "XPB-P23": "Make it primary under Metrics, or name a primary metric here",
    "XPB-P27": "Use columns for all metrics, or events for all",
    "XPB-P31": "Name a column measured before the exposure, or untick Use CUPED",
}
"""What to do in the form, where the catalogue says what to write into a file."""

WHATS: dict[str, str] = {
    "XPB-P08": "The experiment needs exactly one control",
    "XPB-P15": "Both margins are filled in",
    "XPB-P19": "Nobody knows yet when results are due",
    "XPB-P20": "The sequential model does not know for how many units it is tuned",
    "XPB-P21": "Both the number of units and the prior sd are filled in",
    "XPB-P22": "The hypothesis names no metric that moves",
}

_RULES: tuple[tuple[str, str, str], ...] = (
    (r"valid integer", "is not a whole number", "Type digits, such as 40,000"),
    (r"valid number", "is not a number", "Type one with a point, such as 0.5 or 5 %"),
    (r"match pattern .*\\d\{4\}", "is not a date", "Write it as 2026-12-24"),
    (r"valid boolean", "is neither yes nor no", "Choose one of the two"),
    (r"valid dictionary|extract fields", "can't be read", "Fill in the fields again"),
    (r"valid (list|tuple)", "is not a list", "Put commas between the entries"),
)


def is_open(problem: Problem) -> bool:
    """Whether a problem only says that something is not filled in yet."""
    if problem.code in ("XPB-P03", "XPB-P18"):
        return problem.what.endswith(" is None") or problem.what.endswith(" is MISSING")
    return problem.code in OPEN


def label_at(pointer: str) -> str:
    """What the form calls the field at a pointer."""
    parts = [p for p in pointer.split("/")[1:] if not p.isdigit()]
    if not parts:
        return "The plan"
    name = parts[-1].replace("~1", "/").replace("~0", "~")
    top = parts[0]
    owners = {"hypothesis": ("Claim", "Hypothesis"), "metrics": ("MetricBase", "Winsorize", "Filter"), "variants": ("Variant",)}
    for owner in (*owners.get(top, ()), *_OWNERS.get(top, ()), "Plan"):
        if (owner, name) in labels.LABELS:
            return labels.LABELS[owner, name]
    found = next((text for (_, key), text in labels.LABELS.items() if key == name), None)
    return found or name.replace("_", " ").capitalize()


_OWNERS: dict[str, tuple[str, ...]] = {
    "exposure": ("Exposure",), "assignment": ("Assignment", "Rollout", "Layer", "Holdout"), "horizon": ("Horizon",),
    "planning": ("Planning",), "decision": ("Decision",), "watch": ("Watch",), "ramp": ("Ramp",), "health": ("HealthPolicy",),
    "data": ("DataPolicy",), "sign_offs": ("SignOff",),
    "model": ("Sequential", "Bayesian", "GroupSequential", "Frequentist", "Prior"),
}  # fmt: skip


def in_words(problem: Problem) -> str:
    """The problem as sentences without pointers and codes."""
    what, rule, remedy = problem.what, problem.rule, problem.remedy
    label = label_at(problem.pointer)
    if problem.code == "XPB-P02" or (problem.code == "XPB-P06" and place(problem.pointer) in what):
        choice = problem.pointer.rsplit("/", 1)[-1] in ("role", "direction", "kind", "op", "control")
        what, rule = f"{label} is {'not chosen' if choice else 'empty'}", "" if problem.code == "XPB-P02" else rule
        remedy = ("Choose one" if choice else "Fill it in") if problem.code == "XPB-P02" else remedy
    elif problem.code == "XPB-P01":
        what, rule, remedy = f"{label} does not apply to this kind", "", "Empty it"
    elif problem.code in ("XPB-P03", "XPB-P18") and (found := _WRONG.match(what)):
        value = found["value"]
        if value in ("None", "MISSING"):
            what, remedy = f"{label} is empty", remedy if problem.code == "XPB-P18" else "Fill it in"
            rule = rule if problem.code == "XPB-P18" else ""
        else:
            what, rule, remedy = _wrong_value(problem, label, value, rule, remedy)
    what = WHATS.get(problem.code, what)
    remedy = REMEDIES.get(problem.code, remedy)
    return _unpointed(sentences(*(t for t in (what, rule, remedy) if t)), problem.pointer)


def _wrong_value(problem: Problem, label: str, value: str, rule: str, remedy: str) -> tuple[str, str, str]:
    for pattern, said, todo in _RULES:
        if re.search(pattern, rule):
            return f"{value} {said}", "", _decimal_comma(value) or todo
    if problem.code == "XPB-P03" and (bound := re.search(r"(less|greater) than (or equal to )?([-\d.]+)", rule)):
        limit = float(bound[3])
        percent = (problem.pointer.rsplit("/", 1)[-1]) in labels.PERCENT_KEYS
        at = f"{limit * 100:g} %" if percent else f"{limit:g}"
        shown = _as_percent(value) if percent else value
        side = (
            ("below" if bound[1] == "less" else "above") if not bound[2] else ("at most" if bound[1] == "less" else "at least")
        )
        return f"{label} is {shown}", f"It must be {side} {at}", "Correct it"
    if problem.code == "XPB-P03" and (long := re.search(r"at (most|least) (\d+) char", rule)):
        return (
            (f"{label} is too long", f"It has at most {long[2]} characters", "Shorten it")
            if long[1] == "most"
            else (f"{label} is empty", "", "Fill it in")
        )
    return f"{label} is {value}", rule, remedy


def _as_percent(value: str) -> str:
    try:
        return f"{float(value) * 100:g} %"
    except ValueError:
        return value


def _decimal_comma(value: str) -> str:
    body = value.strip("'\"")
    return f"Write {body.replace(',', '.')}, with a point" if re.fullmatch(r"[+-]?\d+,\d+\s*%?", body) else ""


def _unpointed(text: str, pointer: str) -> str:
    """The sentence without the pointer of its problem, or of what holds it; a value that looks like one stays."""
    text = re.sub(r"\bhorizon\.(units|days)\b", lambda m: f"“{labels.LABELS['Horizon', m[1]]}”", text)
    parts = pointer.split("/")
    for end in range(len(parts), 1, -1):
        here = "/".join(parts[:end])
        name = place(here)
        before = r"(?<![\w/<.])" if re.search(r"[.\[]", name) else r"^"  # `key` is a word, too: only as the subject
        for spelt in (rf"(?<![\w/<]){re.escape(here)}", before + re.escape(name)):  # a rule may name it either way
            text = re.sub(rf"{spelt}(?![\w/\[]|\.\w)", f"“{label_at(here)}”", text)
    return text


def plain_lines(problems: Sequence[Problem]) -> str:
    """Problems as escaped HTML, each in words with its mark; the code shows where the pointer rests on the line."""
    return "".join(
        f'<p class="xp-problem" title="{escape(p.code)}"><span aria-hidden="true">▲</span> {escape(in_words(p))}</p>'
        for p in problems
    )
