"""What a health check says is what such a check can say: its title, whether it is a gate, and each of its sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable
from unicodedata import category

from xpbench.verifier.health_words import CHECKS, SHARED
from xpbench.verifier.report import J, Notes

_NUMBER = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:[+\-]\d{2}:\d{2}|Z)?)?"
    r"|[\-−]?\d[\d,]*(?:\.\d+)?(?:e[+\-]?\d+)?%?|nan|inf"
)
"""No sentence of a check has a plus sign or writes a share as the page writes a lift: checks never show an effect."""
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
"""All that a next step may count with."""
LONGEST = 120
"""Characters of a name that is shown; the rest is cut."""
_VARYING = frozenset(("missing_values",))
"""Checks whose failure is a gate or not by what they found."""


def check_health_words(notes: Notes, readout: J, *, is_own: bool) -> None:
    """No check is free text: names, titles and gates are the house's, and every sentence is made of a check's own pieces.

    A sentence that has another piece is left out, which lowers the verdict: it may be of another release, or a forger's.

    Args:
        notes: Where to note what is found.
        readout: Of the payload.
        is_own: Whether this version made it.
    """
    names = [check["name"] for check in readout["health"]]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        notes.differs("health, checks", "each check once", f"twice: {', '.join(twice)}")
    names_of_data, told = _values(readout)
    unknown: list[str] = []
    for check in readout["health"]:
        name = check["name"]
        known = CHECKS.get(name)
        if known is None:
            unknown.append(name)
            continue
        title, gate, pieces = known
        if is_own:
            notes.same(f"health, {name}, title", title, check["title"])
            if name not in _VARYING or check["status"] != "fail" or check["gate"] is not False:
                notes.same(f"health, {name}, gate", gate, check["gate"])
            else:
                _check_left(notes, readout, check)
        said = {*pieces, *SHARED, *told}
        if not is_made_of(check["meaning"], said, names_of_data) or not is_made_of(
            check["next_step"], said, names_of_data, numbers=_DATE
        ):
            unknown.append(name)
    if is_own and not unknown and set(names) != set(CHECKS):
        notes.differs("health, checks", "every check", f"none of {', '.join(sorted(set(CHECKS) - set(names)))}")
    if unknown:
        what = ", ".join(dict.fromkeys(unknown))
        notes.left.append(f"what health checks say in words that this version does not know ({what})")
        notes.not_checked.append(f"sentences of health checks that this version does not write: {what}")


def _check_left(notes: Notes, readout: J, check: J) -> None:
    """A failure is a gate for primaries and guardrails alone."""
    roles = {m["key"]: m["role"] for m in readout["plan"]["metrics"]}
    failed = [r for r in check["evidence"].get("metrics", ()) if isinstance(r, dict) and r.get("status") == "fail"]
    if any(roles.get(r.get("metric"), "primary") in ("primary", "guardrail") for r in failed):
        notes.differs(f"health, {check['name']}, gate", True, False)


def _values(readout: J) -> tuple[set[str], set[str]]:
    """Names of metrics, variants, columns, events and segments, which a sentence may quote; what the source said of itself."""
    plan, summary = readout["plan"], readout["summary"]
    names: set[str] = set()
    for part in (
        *plan["metrics"],
        *plan["variants"],
        plan.get("exposure", {}),
        *(s for m in plan["metrics"] for s in m.get("steps", ())),
    ):
        names |= {part[k] for k in _NAMED if isinstance(part.get(k), str)}
        names |= {*part.get("covariates", ())}
    for name, parts in summary["segments"].items():
        names |= {name, *parts}
    names |= {text for c in summary["cells"] for text in (c["variant"], c["metric"], *c["columns"])}
    told: set[str] = set()
    for finding in summary["findings"]:
        names |= {finding["metric"], *finding["by_variant"]}
        told |= {finding["detail"], finding["action"]}
    return names - {""}, told - {""}


_NAMED = ("key", "name", "column", "event", "property", "experiment", "variant_property", "experiment_property")


def is_made_of(text: str, pieces: Iterable[str], values: Iterable[str], numbers: re.Pattern[str] = _NUMBER) -> bool:
    """Whether a text is a row of house pieces, numbers and quoted names, and of nothing else; a number alone is not a sentence.

    Args:
        text: A sentence or two.
        pieces: What the house writes between values.
        values: Names that the plan or the data have.
        numbers: What counts as one.
    """
    if text and not any(c.isalpha() for c in text):
        return False
    whole = [p for p in pieces if p in text]
    quoted = _as_shown(values, text)
    reached = {0}
    for at in range(len(text)):
        if at not in reached:
            continue
        reached |= {at + len(p) for p in whole if text.startswith(p, at)}
        reached |= {at + len(q) for q in quoted if text.startswith(q, at)}
        match = numbers.match(text, at)
        if match is not None and (at == 0 or not (text[at - 1].isdigit() or text[at - 1] == ".")):
            reached.add(match.end())
    return len(text) in reached


def _as_shown(names: Iterable[str], text: str) -> set[str]:
    """Names as the house shows them, where the text quotes anything."""
    if "'" not in text and '"' not in text:
        return set()
    return {as_shown(name) for name in names}


def as_shown(name: str) -> str:
    """How the house shows a name: in quotes, on one line, without what steers, and cut where it is long."""
    shown = "".join(
        " " if category(c) in ("Cc", "Zl", "Zp") else c for c in repr(name) if category(c) not in ("Cf", "Cs", "Co")
    )
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
