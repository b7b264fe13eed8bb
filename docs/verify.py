"""Check a memo with nothing but the memo: one file of Python, standard library only.

    python verify.py memo.html [--json] [--key KEY] [--ledger FILE] [--witness LENGTH:DIGEST] [--full]

A second implementation, written apart from the engine that made the memo, of digests, the ledger's chain, estimates from
moments, designs, corrections, margins and the rule. With the package of the same version installed the whole page is rendered
again and compared byte by byte; without it the marked numbers of the page are, and the verdict says so.

Exit codes: 0 verified in full, 1 differs (and where), 2 unreadable, 3 made by a newer version, 4 the numbers hold and the page
was not compared, 5 the numbers hold and the page was touched or there is none.

Joined from the parts in xpbench/verifier; read them there, one subject a file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import re
import statistics
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any


# ---------------------------------------------------------------------------------------------------------------------- report
# What checking has shown: each difference with its part, what was expected, what was found.

J = Any  # a JSON value

DEPTHS = ("in full", "page not compared", "page touched", "no page")
VERDICTS: dict[tuple[str, str], tuple[int, str, str]] = {
    ("verified", "in full"): (0, "✓", "verified in full"),
    ("differs", ""): (1, "✕", "differs"),
    ("unreadable", ""): (2, "?", "unreadable"),
    ("newer", ""): (3, "↑", "made by a newer version"),
    ("numbers hold", "page not compared"): (4, "◒", "numbers hold, page not compared"),
    ("numbers hold", "page touched"): (5, "◐", "numbers hold, page touched"),
    ("verified", "no page"): (5, "○", "numbers hold, no page"),
}
"""Exit code, sign and words of each verdict, by its status and by how deep it looked.

A payload without a page has the status `verified`: everything that such a file holds was checked. Its depth says the rest.
"""
UNPROVEN = (
    "that the data are true: a memo proves what follows from its numbers, not where they come from",
    "that this is the latest memo of the experiment (--ledger shows a later decision)",
    "that its dates are right, unless an authority stamped them",
    "whose key signed, where something is signed: compare the fingerprint with one that you have from its owner",
)
"""What no verdict on a memo alone can prove; the report says it every time."""
MAKER = "Whoever holds the experiment's folder could make another memo and ledger that agree with each other."


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it should be: which part, what was expected, what was found."""

    part: str
    expected: str
    found: str

    def to_dict(self) -> dict[str, str]:
        """The fields by name."""
        return {"part": self.part, "expected": self.expected, "found": self.found}

    def __str__(self) -> str:
        return f"{self.part}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class Report:
    """What checking a memo has shown.

    Attributes:
        status: `verified`, `numbers hold`, `differs`, `unreadable` or `newer`.
        path: The file.
        reason: One sentence.
        differences: Each part that differs.
        checked: What was recomputed.
        not_checked: What was not, and why.
        key: Experiment, "" where it can't be read.
        headline: Decision as the payload has it.
        cause: The kind of trouble in one word or two, "" for a verified memo: `line ends` (nothing else differs), `truncated`,
            `no memo`, `too large`, `not there`, `other experiment`, `fork`, `cut ledger`, `witness`, `newer`, or `altered`.
        depth: How deep it looked where nothing differs: `in full`, `page not compared`, `page touched` or `no page`.
        unproven: What such a check can't prove.
    """

    status: str
    path: str
    reason: str
    differences: tuple[Difference, ...] = ()
    checked: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    key: str = ""
    headline: str = ""
    cause: str = ""
    depth: str = ""
    unproven: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 verified in full, 1 differs, 2 unreadable, 3 newer, 4 page not compared, 5 page touched or absent."""
        return VERDICTS[self.status, self.depth][0]

    @property
    def sign(self) -> str:
        """One sign for each verdict."""
        return VERDICTS[self.status, self.depth][1]

    @property
    def verdict(self) -> str:
        """The verdict in words, with its depth."""
        return VERDICTS[self.status, self.depth][2]

    @property
    def holds(self) -> bool:
        """Whether nothing differs; `exit_code` 0 says that the page was compared as well."""
        return self.status in ("verified", "numbers hold")

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "status": self.status,
            "depth": self.depth,
            "verdict": self.verdict,
            "sign": self.sign,
            "exit_code": self.exit_code,
            "path": self.path,
            "key": self.key,
            "headline": self.headline,
            "cause": self.cause,
            "reason": self.reason,
            "differences": [d.to_dict() for d in self.differences],
            "checked": list(self.checked),
            "not_checked": list(self.not_checked),
            "unproven": list(self.unproven),
        }

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from html import escape

        rows = "".join(
            f"<tr>{''.join(f'<td dir=auto>{escape(text)}</td>' for text in (d.part, d.expected, d.found))}</tr>"
            for d in self.differences[:40]
        )
        head = "<tr><th scope=col>Part</th><th scope=col>Expected</th><th scope=col>Found</th></tr>"
        table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>" if rows else ""
        more = f"<p>… and {len(self.differences) - 40} more</p>" if len(self.differences) > 40 else ""
        lists = "".join(
            f"<details><summary>{name} ({len(items)})</summary>"
            f"<ul>{''.join(f'<li dir=auto>{escape(i)}</li>' for i in items)}</ul></details>"
            for name, items in (
                ("Checked", self.checked),
                ("Not checked", self.not_checked),
                ("What this can't prove", self.unproven),
            )
            if items
        )
        said = f"<p><strong>{self.sign} {escape(self.verdict)}</strong>: <span dir=auto>{escape(self.reason)}</span></p>"
        return {"text/plain": repr(self), "text/html": f'<div class="xp-static">{said}{table}{more}{lists}</div>'}

    def to_frame(self) -> Any:
        """The differences as a pandas DataFrame, one row each: part, expected, found (pandas must be there)."""
        import pandas as pd  # nothing but this table asks for more than the standard library

        return pd.DataFrame([d.to_dict() for d in self.differences], columns=["part", "expected", "found"])

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = [f"{self.verdict}: {self.reason}", *(f"  ✕ {d}" for d in self.differences[:40])]
        if len(self.differences) > 40:
            lines.append(f"  … and {len(self.differences) - 40} more")
        lines += [f"  ✓ {c}" for c in self.checked] if self.holds else []
        lines += [f"  ─ not checked: {n}" for n in self.not_checked]
        if self.unproven:
            lines += ["  What this can't prove:", *(f"  · {n}" for n in self.unproven)]
        return "\n".join(lines)


@dataclass
class Notes:
    """What has been found so far."""

    differences: list[Difference] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    depth: str = ""

    def differs(self, part: str, expected: object, found: object) -> None:
        """Note a difference."""
        self.differences.append(Difference(part, shortened(expected), shortened(found)))

    def same(self, part: str, expected: object, found: object) -> bool:
        """Note a difference where there is one; types count."""
        if type(expected) is type(found) and expected == found:
            return True
        self.differs(part, expected, found)
        return False


def shortened(value: object) -> str:
    """A value as printable text of at most 160 characters."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= 160 else text[:159] + "…"


class UnreadableError(Exception):
    """The file is no memo that this program can read; `cause` says why in a word or two."""

    def __init__(self, reason: str, cause: str = "no memo") -> None:
        super().__init__(reason)
        self.cause = cause


class NewerError(Exception):
    """The file was made by a newer version."""


# ------------------------------------------------------------------------------------------------------------------------ text
# JSON and its bytes: strict reading, RFC 8785 writing, SHA-256.

MAX_DEPTH = 64


def _pairs(pairs: list[tuple[str, J]]) -> dict[str, J]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return out


def _refused(name: str) -> J:
    raise ValueError(f"{name} is no JSON value")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is beyond the range of numbers")
    return value


def _int(text: str) -> int | float:
    if len(text) < 16:
        return int(text)
    value = _float(text)
    return int(text) if abs(value) < 2**53 else value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_refused, parse_float=_float, parse_int=_int)


def loads(text: str) -> J:
    """JSON value of a text; duplicate keys, NaN, infinities and more than 64 levels are a ValueError."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', text):
        sign = match.group()[0]
        depth += 1 if sign in "[{" else -1 if sign in "]}" else 0
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels deep")
    return _DECODER.decode(text)


def canonical(value: J) -> str:
    """RFC 8785 text of a JSON value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda k: k.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{canonical(value[k])}" for k in keys) + "}"
    return "[" + ",".join(map(canonical, value)) + "]"


def _number(x: float) -> str:
    """ECMAScript's shortest text of a float."""
    if x == 0:
        return "0"
    mantissa, _, exponent = repr(abs(x)).partition("e")
    whole, _, part = mantissa.partition(".")
    part = "" if part == "0" else part
    digits = (whole + part).lstrip("0")
    point = len(whole) + int(exponent or 0) if whole != "0" else int(exponent or 0) - (len(part) - len(part.lstrip("0")))
    digits = digits.rstrip("0") or "0"
    k, n = len(digits), point
    if k <= n <= 21:
        out = digits + "0" * (n - k)
    elif 0 < n <= 21:
        out = f"{digits[:n]}.{digits[n:]}"
    elif -6 < n <= 0:
        out = "0." + "0" * -n + digits
    else:
        out = f"{digits[0]}{'.' if k > 1 else ''}{digits[1:]}e{'+' if n > 0 else '-'}{abs(n - 1)}"
    return ("-" if x < 0 else "") + out


def sha256(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# ------------------------------------------------------------------------------------------------------------------- plan_keys
# Keys of a plan, made from its JSON Schema by `python scripts/make_verifier.py`; `shape` says how to read them.

PLAN_KEYS: J = {
    "assignment": {
        "hash": None,
        "hash_salt": None,
        "holdout": {"key": None, "salt": None, "share": None},
        "layer": {"end": None, "key": None, "salt": None, "start": None},
        "overrides": {"*": None},
        "rollout": [
            {"cohort": None, "key": None, "share": None, "splits": {"*": None}, "variant": None, "where": {"*": "any"}}
        ],
        "salt": None,
        "sticky": None,
    },
    "correction": None,
    "data": {
        "duplicates": None,
        "missing": None,
        "missing_codes": [None],
        "missing_variant": None,
        "non_finite": None,
        "smallest_segment": None,
        "unknown_variant": None,
    },
    "decision": {"guardrails": None, "harm_alpha": None, "health": None, "practical": None, "ship_when": None},
    "exposure": {
        "end": None,
        "event": None,
        "experiment": None,
        "experiment_property": None,
        "format": None,
        "list_property": None,
        "list_separator": None,
        "qa_testers": None,
        "several_variants": None,
        "start": None,
        "variant_property": None,
        "window_from": None,
    },
    "family": None,
    "health": {
        "bias_alpha": None,
        "contamination_fail": None,
        "contamination_warn": None,
        "missing_fail": None,
        "missing_warn": None,
        "srm_alpha": None,
        "srm_warn_alpha": None,
    },
    "horizon": {"days": None, "units": None},
    "hypothesis": {"because": None, "if": None, "then": [{"direction": None, "lift": None, "metric": None}]},
    "key": None,
    "metrics": [
        {
            "column": None,
            "covariates": [None],
            "cuped": None,
            "day": None,
            "delay_days": None,
            "denominator": None,
            "direction": None,
            "event": None,
            "expression": None,
            "key": None,
            "kind": None,
            "length_days": None,
            "margin": None,
            "margin_rel": None,
            "min_lift": None,
            "name": None,
            "numerator": None,
            "per": None,
            "property": None,
            "q": None,
            "role": None,
            "steps": [{"event": None, "where": [{"op": None, "property": None, "value": "any"}]}],
            "timeout_minutes": None,
            "where": [{"op": None, "property": None, "value": "any"}],
            "window_days": None,
            "winsorize": {"lower": None, "over": None, "upper": None},
            "within_days": None,
        }
    ],
    "model": {
        "confidence": None,
        "due": None,
        "kind": None,
        "looks": [None],
        "min_units": None,
        "n_opt": None,
        "prior": {"kind": None, "mean": None, "sd": None},
        "spending": None,
        "tau": None,
    },
    "notes": None,
    "owner": None,
    "planning": {"baselines": {"*": None}, "daily_units": None, "power": None, "sds": {"*": None}},
    "pre_period_days": None,
    "schema": None,
    "secondary_correction": None,
    "segments": [None],
    "sign_offs": [{"name": None, "needed_for": None, "role": None}],
    "template": {"digest": None, "name": None, "version": None},
    "title": None,
    "unit": None,
    "variants": [{"control": None, "key": None, "name": None, "split": None}],
    "watch": {"check_days": [None], "estimator": None, "metrics": [None], "owner": None, "weeks": None},
}


# ----------------------------------------------------------------------------------------------------------------------- shape
# Which keys a payload may have, and where: an unknown key is refused, because nothing would account for what it says.

ANY = "any"
"""A value that a check or a deviation brings with it: any JSON value."""
FREE = {"*": None}
"""An object with any keys, such as variants or days; its values are numbers or texts."""

_ROW_FIELDS = (
    *("metric", "label", "kind", "role", "direction", "variant", "n_control", "n", "mean_control", "mean", "effect"),
    *("ci_low", "ci_high", "lift", "lift_low", "lift_high", "p_value", "status", "reason", "p_adjusted", "alpha"),
    *("verdict", "matters", "too_small", "guardrail", "margin", "margin_scale", "margin_p_value", "chance", "risk"),
    *("variance_reduction", "is_proportion", "se", "min_lift"),
)
_ROW = dict.fromkeys(_ROW_FIELDS)
_SENSITIVITY = dict.fromkeys(
    ("name", "effect", "ci_low", "ci_high", "lift", "lift_low", "lift_high", "p_value", "status", "note")
)
_ROWS: J = [{**_ROW, "sensitivity": [_SENSITIVITY]}]
_CELL = {**dict.fromkeys(("metric", "variant", "form", "n", "dimension", "slice")), "columns": [None], "mean": [None]}
_TEXTS = ("source", "fingerprint", "rows", "first_exposure", "last_exposure", "data_until", "engine", "schema")
_SUMMARY = {
    **dict.fromkeys(_TEXTS),
    "units": FREE,
    "cells": [{**_CELL, "cov": [[None]]}],
    "caps": [dict.fromkeys(("metric", "column", "lower", "upper", "n_lower", "n_upper"))],
    "findings": [{**dict.fromkeys(("name", "count", "of", "action", "metric", "detail")), "by_variant": FREE}],
    "extremes": [dict.fromkeys(("metric", "variant", "value"))],
    "exposures_by_day": {"*": FREE},
    "segments": {"*": {"*": FREE}},
}
_SITUATION = dict.fromkeys(("primary", "deteriorated", "guardrails", "health", "adequate"))
_READOUT = {
    **dict.fromkeys(("schema", "sealed", "key", "plan_digest", "at", "kind", "rule_digest")),
    "plan": PLAN_KEYS,
    "due": dict.fromkeys(("is_due", "is_adequate", "reason", "units", "units_needed", "days", "days_needed", "look", "looks")),
    "summary": _SUMMARY,
    "health": [{**dict.fromkeys(("name", "title", "status", "gate", "meaning", "next_step")), "evidence": {"*": ANY}}],
    "rows": _ROWS,
    "segments": [{**dict.fromkeys(("dimension", "is_declared", "hidden")), "slices": {"*": _ROWS}, "interaction": FREE}],
    "recommendation": {
        **dict.fromkeys(("outcome", "variant", "because")),
        "rows": [None],
        "variants": [{**dict.fromkeys(("variant", "outcome", "row", "because")), "evidence": [None], "situation": _SITUATION}],
    },
    "looks": [
        {
            **dict.fromkeys(("seq", "at", "by", "units", "planned", "reason", "last", "counts")),
            "findings": {"*": {"*": dict.fromkeys(("p", "sign", "guardrail", "matters"))}},
        }
    ],
    "cost": dict.fromkeys(("looks", "peeks", "false_positive_rate", "alpha", "sentence")),
    "deviations": [{**dict.fromkeys(("pointer", "class", "seq", "at", "reason")), "before": ANY, "after": ANY}],
    "stamps": [None],
    "versions": FREE,
    "novelty": [
        {
            **dict.fromkeys(("metric", "variant", "axis", "word", "slope", "slope_low", "slope_high", "p_value", "p_adjusted")),
            "points": [dict.fromkeys(("x", "label", "effect", "se", "n"))],
            "sentence": None,
        }
    ],
    "interactions": [
        {
            **dict.fromkeys(("metric", "other", "variant", "state", "p_value", "phi", "p_independent", "bias", "sentence")),
            "effects": FREE,
        }
    ],
}
PAYLOAD_KEYS: J = {
    "schema": None,
    "kind": None,
    "readout": _READOUT,
    "rule": [{**dict.fromkeys(("id", "outcome", "because")), "when": {"*": [None]}}],
    "seeds": FREE,
    "registered": dict.fromkeys(("at", "by", "plan_digest")),
    "amendments": [{**dict.fromkeys(("at", "by", "reason", "knowledge", "seq")), "changes": [None]}],
    "waivers": [dict.fromkeys(("at", "by", "what"))],
    "sign_offs": [dict.fromkeys(("name", "at", "plan_digest", "needed_for", "role", "signature"))],
    "decision": dict.fromkeys(("outcome", "variant", "because", "by", "at", "seq", "follows_rule")),
    "ledger": {
        "lines": [None],
        "entries": [dict.fromkeys(("seq", "at", "kind", "by", "digest", "set_back_seconds"))],
        "witness": dict.fromkeys(("length", "digest")),
    },
}
"""The shape of a payload: None is a number, a text, true, false or null; a list holds values of one shape; `*` is any key.

A field that the payload gains is added here in the same change: until then the verifier refuses the memo that has it.
"""


def unknown_keys(value: J, shape: J = PAYLOAD_KEYS, where: str = "") -> Iterator[tuple[str, str, str]]:
    """Where a value does not fit its shape: the place, what it may be there, what it is."""
    if shape == ANY or value is None:
        return
    if shape is None:
        if isinstance(value, (dict, list)):
            yield where, "a number or a text", "an object" if isinstance(value, dict) else "a list"
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield where, "a list", type(value).__name__
            return
        for i, item in enumerate(value):
            yield from unknown_keys(item, shape[0], f"{where}.{i}")
    elif not isinstance(value, dict):
        yield where, "an object", type(value).__name__
    else:
        for key, item in value.items():
            place = f"{where}.{key}" if where else key
            if key in shape:
                yield from unknown_keys(item, shape[key], place)
            elif "*" in shape:
                yield from unknown_keys(item, shape["*"], place)
            else:
                yield place, "no such key", "a key that this schema does not have"


# ----------------------------------------------------------------------------------------------------------------------- chain
# The ledger's chain, and the story that it tells.

LEDGER_SCHEMA = 1
"""Newest schema of a ledger entry that this program reads."""
START = "0" * 64
_SUM = re.compile(r',"sha256":"([0-9a-f]{64})"\}\Z')
LEVELS = ("nothing assigned", "no outcomes computed", "outcomes computed, unseen", "effects seen")
_SEEN = ("peeked", "opened", "decided", "deferred", "superseded", "memo", "watched")


def chain(lines: Sequence[str]) -> Iterator[tuple[J, str]]:
    """Each entry of a ledger with the SHA-256 of its line; a ValueError says which line does not hold and why."""
    head, last = START, ""
    for number, line in enumerate(lines, 1):
        entry = loads(line)
        own = _SUM.search(line)
        if own is None or sha256(line[: own.start()] + "}") != own[1]:
            raise ValueError(f"entry {number} was changed: its own SHA-256 does not fit")
        if entry["schema"] > LEDGER_SCHEMA:
            raise NewerError(f"entry {number} of the ledger has schema {entry['schema']}")
        if entry["seq"] != number or entry["prev"] != head:
            raise ValueError(f"entry {number} does not follow from the one before: removed, added, moved, or a fork")
        if entry["at"] < last and not entry.get("set_back_seconds"):
            raise ValueError(f"entry {number} goes back in time and does not say so")
        head, last = sha256(line), entry["at"]
        yield entry, head


def level_of(entries: Sequence[J]) -> str:
    """What had been seen of the experiment by the end of these entries."""
    level = 0
    for entry in entries:
        kind, body = entry["kind"], entry["body"]
        if kind in _SEEN:
            level = max(level, 3 if body.get("effects") is not False else 1)
        elif kind == "looked":
            level = max(level, 2 if body.get("outcomes") is not False else 1)
        elif kind == "launched":
            level = max(level, 1)
    return LEVELS[level]


def check_ledger(notes: Notes, payload: J) -> list[J] | None:
    """The entries, with chain, witness and table checked; None where the chain does not hold."""
    part = payload["ledger"]
    try:
        linked = list(chain(part["lines"]))
    except ValueError as error:
        notes.differs("ledger chain", "a whole chain", str(error))
        return None
    before = len(notes.differences)
    entries = [e for e, _ in linked]
    notes.same("ledger, witness", {"length": len(linked), "digest": linked[-1][1] if linked else START}, part["witness"])
    table = [
        {
            "seq": e["seq"],
            "at": e["at"],
            "kind": e["kind"],
            "by": e["by"] or "",
            "digest": digest,
            "set_back_seconds": e.get("set_back_seconds", 0),
        }
        for e, digest in linked
    ]
    notes.same("ledger, table of entries", canonical(table), canonical(part["entries"]))
    for entry in entries:
        if entry["kind"] == "stamped":
            seen = entry["body"]["witness"]
            digest = linked[seen["length"] - 1][1] if 0 < seen["length"] < entry["seq"] else None
            notes.same(f"time stamp of entry {entry['seq']}, head", digest, seen["digest"])
    if len(notes.differences) == before:
        notes.checked.append(f"chain of {len(linked)} ledger entries")
    return entries


NEUTRAL = (
    r"/schema",
    r"/(title|owner|notes|template|links|people)",
    r"/variants/\[[^\]]*\]/(name|description)",
    r"/metrics/\[[^\]]*\]/(name|description|currency)",
    r"/watch",
    r"/sign_offs",
    r"/planning",
    r"/assignment/rollout/\[[^\]]*\]/share",
)
"""Pointers of fields whose change can't favour anybody."""


def is_neutral(pointer: str) -> bool:
    """Whether a change of the field can't turn a result."""
    return any(re.match(pattern + r"(?=/|\Z| \(order\)\Z)", pointer) for pattern in NEUTRAL)


def _check_found(notes: Notes, entry: J, told: J, amended: Sequence[J]) -> None:
    """What a look found, and whether it counts for later ones, as the ledger has it."""
    body, where = entry["body"], f"look of entry {entry['seq']}"
    turned = any(e["seq"] > entry["seq"] and any(not is_neutral(c["pointer"]) for c in e["body"]["changes"]) for e in amended)
    counts = entry["kind"] == "opened" and "findings" in body and not body["health"]["gates"] and not turned
    recorded = [body["n"], body.get("last", ""), body.get("findings", {}), counts and bool(body.get("findings"))]
    shown = [told["units"], told.get("last", ""), told.get("findings", {}), told.get("counts", False)]
    notes.same(f"{where}, what it found", recorded, shown)


def check_story(notes: Notes, payload: J, entries: list[J]) -> None:
    """Plan, look, readout and decision are those that the ledger has on record, in that order."""
    readout, before = payload["readout"], len(notes.differences)
    first = next((e for e in entries if e["kind"] == "registered"), None)
    if first is None:
        notes.differs("plan", "a registration in the ledger", "none")
        return
    plan, body = readout["plan"], first["body"]
    digest = sha256(canonical(plan))
    notes.same("plan digest", digest, readout["plan_digest"])
    notes.same("plan digest, as registered", sha256(canonical(body["plan"])), body["plan_digest"])
    expected = {"at": first["at"], "by": first["by"] or "", "plan_digest": body["plan_digest"]}
    notes.same("registration", canonical(expected), canonical(payload["registered"]))
    notes.same("experiment", body["plan"]["key"], readout["key"])
    in_force = [e for e in entries if e["kind"] in ("registered", "amended")][-1]
    notes.same("plan in force", sha256(canonical(in_force["body"]["plan"])), digest)
    amended = [(i, e) for i, e in enumerate(entries) if e["kind"] == "amended"]
    notes.same(
        "amendments",
        [(e["seq"], level_of(entries[:i])) for i, e in amended],
        [(a["seq"], a["knowledge"]) for a in payload["amendments"]],
    )
    notes.same(
        "amendments, reasons", [e["body"].get("reason", "") for _, e in amended], [a["reason"] for a in payload["amendments"]]
    )
    signed = sorted(str(e["body"].get("name") or e["by"] or "") for e in entries if e["kind"] == "signed_off")
    notes.same("sign-offs", signed, sorted(s["name"] for s in payload["sign_offs"] if s["at"]))
    notes.same("waivers", sum(e["kind"] == "waived" for e in entries), len(payload["waivers"]))
    looks = [e for e in entries if e["kind"] in ("opened", "peeked")]
    look = next((e for e in looks if e["at"] == readout["at"] and e["kind"] == readout["kind"]), None)
    if look is None:
        notes.differs("look", "the readout's look in the ledger", "none at its time")
    else:
        notes.same("look, data fingerprint", look["body"]["fingerprint"], readout["summary"]["fingerprint"])
        notes.same("look, units", look["body"]["units"], readout["summary"]["units"])
        upto = [e for e in looks if e["seq"] <= look["seq"]]
        notes.same(
            "looks", [(e["seq"], e["kind"] == "opened") for e in upto], [(x["seq"], x["planned"]) for x in readout["looks"]]
        )
        for entry, told in zip(upto, readout["looks"], strict=False):
            if "findings" in entry["body"] or "findings" in told:
                _check_found(notes, entry, told, [e for _, e in amended if e["seq"] < look["seq"]])
    last = next((e for e in reversed(entries) if e["kind"] in ("decided", "deferred")), None)
    decision = payload["decision"]
    if last is None or decision is None:
        notes.same("decision in the ledger", last and last["seq"], decision and decision["seq"])
    else:
        told = last["body"]
        outcome = told.get("outcome", "defer") if last["kind"] == "decided" else "defer"
        recorded = [
            outcome,
            told.get("variant") or "",
            told.get("because") or told.get("reason") or "",
            last["by"] or "",
            last["at"],
        ]
        shown = [decision[k] for k in ("outcome", "variant", "because", "by", "at")]
        notes.same("decision in the ledger", recorded, shown)
        if "readout_digest" in told:
            notes.same("readout digest, as decided on", told["readout_digest"], sha256(canonical(readout)))
    if len(notes.differences) == before:
        notes.checked.append("plan, look, readout and decision are those of the ledger")


# ------------------------------------------------------------------------------------------------------------------------ file
# The file: its bytes, its parts, its seal.

PAYLOAD_SCHEMA = 1
"""Newest schema of a payload that this program reads."""
MAX_BYTES = 64 * 1024 * 1024
PAYLOAD = '<script type="application/json" id="xpbench-payload">'
SEAL = '<script type="application/json" id="xpbench-seal">'
END = "</script>"
FIRST = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
)
"""How every page begins: what a browser reads first is the policy, so that nothing before it can run or be fetched."""
LAST = "</script>\n</body>\n</html>\n"
PAGES = (".html", ".htm", ".xhtml", ".xht", ".svg", ".xml", ".mht", ".mhtml", ".shtml")
"""Endings by which programs show a file as a page."""


def read(path: str | Path) -> tuple[str, list[Difference]]:
    """Text of the file, with line ends put back where a mail client rewrote them."""
    file = Path(path)
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise UnreadableError(f"the file has {size:,} bytes, more than the {MAX_BYTES:,} that a memo may have", "too large")
        data = file.read_bytes()
    except OSError as error:
        raise UnreadableError(f"the file can't be read: {error.strerror or error}", "not there") from None
    except ValueError:
        raise UnreadableError("the path names no file", "not there") from None
    return decoded(data)


def decoded(data: bytes) -> tuple[str, list[Difference]]:
    """Text of a file's bytes, with line ends put back where a mail client rewrote them."""
    found: list[Difference] = []
    if data.startswith(b"\xef\xbb\xbf"):
        found.append(Difference("byte order mark", "none", "one at the start, as editors add it"))
        data = data[3:]
    if b"\r" in data:
        ends = (
            f"{data.count(bytes([13, 10])):,} rewritten to CRLF, as mail clients do" if b"\r\n" in data else "carriage returns"
        )
        found.append(Difference("line ends", "LF as saved", ends))
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.strip():
        raise UnreadableError("the file is empty", "truncated")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if b"xpbench-payload" in data:
            found.append(Difference("encoding", "UTF-8", f"byte {error.start:,} is none"))
            return data.decode("utf-8", "replace"), found
        raise UnreadableError("the file is no UTF-8 text") from None
    if text.lstrip(" \t\n").startswith("<") and not text.endswith(LAST) and text.rstrip(" \t\n").endswith(LAST.strip()):
        found.append(Difference("final newline", "one, as saved", "white space at the end was added or taken away"))
        text = text.rstrip(" \t\n") + "\n"
    return text, found


def parts_of(document: str) -> tuple[str, str | None]:
    """The payload's text, and the seal's (None for a bare payload file)."""
    if document.lstrip().startswith("{"):
        return document.removesuffix("\n"), None
    if "xpbench" not in document:
        raise UnreadableError("this is no xpbench memo")
    if not document.rstrip().endswith("</html>") and SEAL not in document:
        raise UnreadableError("the file ends too early: a truncated download", "truncated")
    at, seal_at = document.find(PAYLOAD), document.rfind(SEAL)
    if at < 0 or seal_at < 0:
        raise ValueError("the elements that carry the evidence are damaged or missing")
    end, seal_end = document.find(END, at), document.find(END, seal_at)
    if end < 0 or seal_end < 0:
        raise UnreadableError("the file ends too early: a truncated download", "truncated")
    return document[at + len(PAYLOAD) : end], document[seal_at + len(SEAL) : seal_end]


def sealed(path: str | Path, notes: Notes) -> tuple[J, str | None, str]:
    """Payload, the seal's text and the document, with the digests of file and payload checked."""
    document, found = read(path)
    notes.differences += found
    text, seal_text = parts_of(document)
    try:
        payload = loads(text)
    except ValueError as error:
        if seal_text is None:
            cut = "xpbench memo" in text and not text.endswith("}")
            reason = "the file ends too early: a truncated download" if cut else f"this is no xpbench memo: {error}"
            raise UnreadableError(reason, "truncated" if cut else "no memo") from None
        raise
    if not isinstance(payload, dict) or payload.get("kind") != "xpbench memo":
        raise (UnreadableError("this is no xpbench memo") if seal_text is None else ValueError("the payload is no memo"))
    if type(payload.get("schema")) is int and payload["schema"] > PAYLOAD_SCHEMA:
        raise NewerError(f"the memo has schema {payload['schema']}, this program reads up to {PAYLOAD_SCHEMA}")
    if type(payload.get("schema")) is not int or payload["schema"] < 1:
        notes.differs("schema", f"a whole number from 1 to {PAYLOAD_SCHEMA}", payload.get("schema"))
    for place, expected, other in unknown_keys(payload):
        notes.differs(f"payload, {place}", expected, other)
    data = canonical(payload)
    if seal_text is None:
        _check_bare(notes, path, text, data)
    else:
        _check_sealed(notes, document, (text, seal_text), data)
    return payload, seal_text, document


def _check_bare(notes: Notes, path: str | Path, text: str, data: str) -> None:
    """A payload without a page: canonical bytes, in a file that no program shows as a page."""
    notes.depth = "no page"
    if text != data:
        notes.differs("payload bytes", "canonical JSON", "the same values written in another way, or text around them")
    if str(path).lower().endswith(PAGES):
        notes.differs("kind of file", "a page, as its name says", "a payload without a page")
    if not notes.differences:
        notes.checked.append("the payload is canonical and has known keys alone")


def _check_sealed(notes: Notes, document: str, texts: tuple[str, str], data: str) -> None:
    """A page: its first and last lines, one payload, one seal, and their digests."""
    text, seal_text = texts
    if not document.startswith(FIRST):
        notes.differs("first lines and policy", FIRST, document[: len(FIRST)])
    if not document.endswith(LAST):
        notes.differs("end of the file", LAST, document[-len(LAST) :])
    tail = f"{PAYLOAD}{text}{END}\n{SEAL}{seal_text}{LAST}"
    if not document.endswith(tail) or document.count("<script") != 2 or document.count(END) != 2:
        notes.differs("evidence in the file", "one payload and one seal at its end", "another order, or other scripts")
    seal = loads(seal_text)
    if not isinstance(seal, dict):
        seal = {}
    notes.same("payload digest", sha256(data), seal.get("payload"))
    escaped = data
    for sign in "<>&\u2028\u2029":
        escaped = escaped.replace(sign, f"\\u{ord(sign):04x}")
    if escaped != text:
        notes.differs("payload bytes", "canonical JSON", "the same values written in another way")
    at = document.rfind(SEAL) + len(SEAL)
    unsealed = document[:at] + document[document.find(END, at) :]
    notes.same("file digest", sha256(unsealed), seal.get("file"))
    notes.same("seal", canonical({"file": seal.get("file"), "payload": seal.get("payload"), "schema": 1}), seal_text)
    if not notes.differences:
        notes.checked.append("digests of file and payload; one payload, one seal and the policy in their places")


# ------------------------------------------------------------------------------------------------------------------- quantiles
# Tails and quantiles of the normal, Student's t and chi-squared.

def normal_tail(z: float) -> float:
    """P(Z > z)."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def normal_isf(p: float) -> float:
    """Z with P(Z > z) = p."""
    return -statistics.NormalDist().inv_cdf(p)


def t_tail(t: float, df: float) -> float:
    """P(T > t) of Student's t."""
    if math.isinf(df):
        return normal_tail(t)
    if t < 0:
        return 1 - t_tail(-t, df)
    if df > 1e6:  # Wallace 1959; off by less than 1 / df² here
        return normal_tail((8 * df + 1) / (8 * df + 3) * math.sqrt(df * math.log1p(t * t / df)))
    y = t * t / (df + t * t)
    return 0.5 * (1 - _beta(y, 0.5, df / 2)) if y < 1.5 / (df / 2 + 2.5) else 0.5 * _beta(df / (df + t * t), df / 2, 0.5)


def t_isf(p: float, df: float) -> float:
    """T with P(T > t) = p, for p below one half."""
    z = normal_isf(p)
    if math.isinf(df):
        return z
    g = z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
    if df > 1e6:
        return g
    low, high = 0.0, max(g, 1.0)
    while t_tail(high, df) > p:
        low, high = high, high * 2
    t = min(max(g, low), high)
    for _ in range(200):
        tail = t_tail(t, df)
        low, high = (t, high) if tail > p else (low, t)
        density = math.exp(-_log_beta_half(df / 2) - 0.5 * math.log(df) - (df + 1) / 2 * math.log1p(t * t / df))
        step = t + (tail - p) / density if density > 0 else math.inf
        new = step if low < step < high else (low + high) / 2
        if abs(new - t) <= 4e-16 * t:
            return new
        t = new
    return t


def _log_beta_half(a: float) -> float:
    """Ln B(a, 1/2) without the cancellation of large log-gammas."""
    if a < 50:
        return math.lgamma(a) + math.lgamma(0.5) - math.lgamma(a + 0.5)
    ratio = 0.5 * math.log(a) - 1 / (8 * a) + 1 / (192 * a**3) - 1 / (640 * a**5)  # ln Γ(a + 1/2) − ln Γ(a)
    return math.lgamma(0.5) - ratio


def _beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b) where a or b is 1/2, by its continued fraction."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    half = a if b == 0.5 else b
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - _log_beta_half(half)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    h = d
    for m in range(1, 20_000):
        for top in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + top * d) or tiny)
            c = (1 + top / c) or tiny
            h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return front * h


def chi2_tail(x: float, df: int) -> float:
    """P(χ² > x) for whole df, by the finite sums for even and odd degrees of freedom."""
    if x <= 0:
        return 1.0
    half = x / 2
    if df % 2 == 0:
        term = total = math.exp(-half)
        for i in range(1, df // 2):
            term *= half / i
            total += term
        return total
    total = math.erfc(math.sqrt(half))
    term = math.exp(-half) * math.sqrt(half) / math.gamma(1.5)
    for i in range(1, df // 2 + 1):
        total += term
        term *= half / (i + 0.5)
    return total


# ----------------------------------------------------------------------------------------------------------------------- pairs
# From moments to two estimates with the covariance of their errors: delta method, Welch, CUPED.

NAN = math.nan


@dataclass(frozen=True)
class Pair:
    """Two estimates with the covariance of their errors."""

    mc: float = NAN
    mt: float = NAN
    vc: float = NAN
    vt: float = NAN
    cov: float = 0.0
    df: float = NAN
    n: int = 0
    status: str = "ok"

    @property
    def variance(self) -> float:
        """Variance of the difference."""
        return self.vc + self.vt - 2 * self.cov


Gradient = tuple[float, list[float]]


def single_column(index: int) -> Callable[[Sequence[float]], Gradient]:
    """The functional that is one of the means."""
    return lambda m: (m[index], [1.0 if i == index else 0.0 for i in range(len(m))])


def ratio_of_means(m: Sequence[float]) -> Gradient:
    """First mean over second, with its gradient."""
    value = m[0] / m[1]
    return value, [1 / m[1], -value / m[1], *[0.0] * (len(m) - 2)]


class Formula:
    """Arithmetic over named means: value and gradient, by recursive descent over the text."""

    TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*)|`([^`]+)`|([-+*/()]))", re.ASCII)

    def __init__(self, text: str) -> None:
        self.tokens = [(m[1], m[2] or m[3], m[4]) for m in self.TOKEN.finditer(text)]
        self.names = list(dict.fromkeys(name for _, name, _ in self.tokens if name))

    def __call__(self, means: Sequence[float]) -> Gradient:
        """Value and gradient at these means."""
        self.at, self.means = 0, means
        return self._sum()

    def _sign(self) -> str:
        return self.tokens[self.at][2] or "" if self.at < len(self.tokens) else ""

    def _sum(self) -> Gradient:
        value, grad = self._product()
        while (sign := self._sign()) in ("+", "-"):
            self.at += 1
            other, change = self._product()
            s = 1 if sign == "+" else -1
            value, grad = value + s * other, [a + s * b for a, b in zip(grad, change, strict=True)]
        return value, grad

    def _product(self) -> Gradient:
        value, grad = self._atom()
        while (sign := self._sign()) in ("*", "/"):
            self.at += 1
            other, change = self._atom()
            if sign == "*":
                grad = [a * other + value * b for a, b in zip(grad, change, strict=True)]
                value *= other
            else:
                value /= other
                grad = [(a - value * b) / other for a, b in zip(grad, change, strict=True)]
        return value, grad

    def _atom(self) -> Gradient:
        number, name, sign = self.tokens[self.at]
        self.at += 1
        if number:
            return float(number), [0.0] * len(self.means)
        if name:
            return single_column(self.names.index(name))(self.means)
        if sign == "-":
            value, grad = self._atom()
            return -value, [-g for g in grad]
        value, grad = self._sum()
        self.at += 1
        return value, grad


def quadratic_form(a: Sequence[float], cov: Sequence[Sequence[float]], b: Sequence[float]) -> float:
    """A' Cov b."""
    return math.fsum(x * math.fsum(row[j] * b[j] for j in range(len(b))) for x, row in zip(a, cov, strict=True) if x)


def _constant(mean: float, variance: float) -> bool:
    return variance <= (1e-12 * mean) ** 2


def _welch(a: float, b: float, da: float, db: float) -> float:
    total = a + b
    return 1 / ((a / total) ** 2 / da + (b / total) ** 2 / db) if total > 0 and da > 0 and db > 0 else NAN


def _own_variance(gradient: Sequence[float], cov: Sequence[Sequence[float]]) -> float:
    """Variance of a linearised value; 0 where its terms cancel but for rounding."""
    terms = [x * v * y for x, row in zip(gradient, cov, strict=True) for v, y in zip(row, gradient, strict=True)]
    variance = quadratic_form(gradient, cov, gradient)
    return variance if variance > 1e-12 * math.fsum(map(abs, terms)) else 0.0


def plain_pair(c: J, t: J, subject: Callable[[Sequence[float]], Gradient]) -> Pair:
    """Two estimates without covariates, by the delta method; or why there is none."""
    n = c["n"] + t["n"]
    try:
        (mc, gc), (mt, gt) = subject(c["mean"]), subject(t["mean"])
    except ZeroDivisionError:
        return Pair(n=n, status="zero_denominator")
    if c["n"] < 2 or t["n"] < 2:
        return Pair(mc, mt, n=n, status="not_enough_units")
    sc, st = _own_variance(gc, c["cov"]), _own_variance(gt, t["cov"])
    flat = _constant(mc, sc), _constant(mt, st)
    if any(flat):
        same = all(flat) and math.isclose(mc, mt, rel_tol=1e-12, abs_tol=0.0)
        return Pair(mc, mt, n=n, status="zero_variance" if same else "separation")
    vc, vt = sc / c["n"], st / t["n"]
    return Pair(mc, mt, vc, vt, 0.0, _welch(vc, vt, c["n"] - 1, t["n"] - 1), n)


def _solve(a: list[list[float]], y: list[float]) -> tuple[list[float], int]:
    """X with a x = y for correlation-like a, by pivoted elimination; dependent directions get 0."""
    n = len(y)
    rows = [[*a[i], y[i]] for i in range(n)]
    pivots: list[tuple[int, int]] = []
    left, columns = list(range(n)), list(range(n))
    largest = max((abs(rows[i][i]) for i in left), default=0.0)
    while left:
        p = max(left, key=lambda i: abs(rows[i][i]))
        if abs(rows[p][p]) <= 1e-10 * largest:
            break
        for i in range(n):
            if i != p and rows[i][p]:
                factor = rows[i][p] / rows[p][p]
                rows[i] = [u - factor * v for u, v in zip(rows[i], rows[p], strict=True)]
        pivots.append((p, columns[p]))
        left.remove(p)
    x = [0.0] * n
    for p, column in pivots:
        x[column] = rows[p][n] / rows[p][p]
    return x, len(pivots)


def cuped(c: J, t: J, subject: Callable[[Sequence[float]], Gradient], xs: Sequence[int], base: Pair) -> tuple[Pair, float]:
    """The pair after CUPED and the share of variance that went; closed form from the moments."""
    functions = [subject, *map(single_column, xs)]

    def joint(cell: J) -> tuple[list[float], list[list[float]]]:
        values = [f(cell["mean"]) for f in functions]
        grads = [g for _, g in values]
        return [v for v, _ in values], [[quadratic_form(a, cell["cov"], b) / cell["n"] for b in grads] for a in grads]

    (yc, sc), (yt, st) = joint(c), joint(t)
    k = range(1, len(functions))
    varies = [i for i in k if not (_constant(yc[i], sc[i][i] * c["n"]) and _constant(yt[i], st[i][i] * t["n"]))]
    total = [[sc[i][j] + st[i][j] for j in range(len(functions))] for i in range(len(functions))]
    scale = {i: math.sqrt(total[i][i]) for i in varies}
    scaled, used = _solve(
        [[total[i][j] / scale[i] / scale[j] for j in varies] for i in varies], [total[i][0] / scale[i] for i in varies]
    )
    theta = {i: x / scale[i] for i, x in zip(varies, scaled, strict=True)}
    if min(c["n"], t["n"]) <= used + 1:
        return Pair(base.mc, base.mt, n=base.n, status="not_enough_units"), NAN
    wt = t["n"] / (c["n"] + t["n"])
    wc = 1 - wt
    gap = math.fsum(h * (yt[i] - yc[i]) for i, h in theta.items())
    with_c, with_t = (math.fsum(h * s[i][0] for i, h in theta.items()) for s in (sc, st))
    of_c, of_t = (math.fsum(g * h * s[i][j] for i, g in theta.items() for j, h in theta.items()) for s in (sc, st))
    own_c, own_t = sc[0][0] - 2 * with_c + of_c, st[0][0] - 2 * with_t + of_t
    both = of_c + of_t
    pair = Pair(
        yc[0] + wt * gap,
        yt[0] - wc * gap,
        sc[0][0] - 2 * wt * with_c + wt * wt * both,
        st[0][0] - 2 * wc * with_t + wc * wc * both,
        wc * with_c + wt * with_t - wc * wt * both,
        _welch(max(own_c, 0.0), max(own_t, 0.0), c["n"] - 1 - used, t["n"] - 1 - used),
        base.n,
    )
    reduction = min(max(1 - pair.variance / base.variance, 0.0), 1.0)
    if pair.variance <= 1e-12 * base.variance:
        return Pair(pair.mc, pair.mt, n=base.n, status="zero_variance"), 1.0
    return pair, reduction


def event_count(cell: J) -> int | None:
    """Units with a 1, where the first column holds only zeros and ones; seen from its moments."""
    p, n = cell["mean"][0], cell["n"]
    if n < 2 or not 0 <= p <= 1 or abs(p * n - round(p * n)) > 1e-6 * max(1.0, p * n):
        return None
    binary = math.isclose(cell["cov"][0][0], p * (1 - p) * n / (n - 1), rel_tol=1e-9, abs_tol=1e-12)
    return round(p * n) if binary else None


# ----------------------------------------------------------------------------------------------------------------------- score
# Miettinen and Nurminen's score statistics for shares with few events.

@dataclass(frozen=True)
class Score:
    """Miettinen and Nurminen's score statistics of two proportions, for tiny counts."""

    x_c: int
    n_c: int
    x_t: int
    n_t: int

    @property
    def tiny(self) -> bool:
        """Fewer than 10 units of a variant have the event, or lack it."""
        return min(self.x_c, self.n_c - self.x_c, self.x_t, self.n_t - self.x_t) < 10

    @property
    def silent(self) -> bool:
        """All units of both variants have, or all lack, the event."""
        return self.x_c == self.x_t == 0 or (self.x_c == self.n_c and self.x_t == self.n_t)

    def _likeliest(self, treated: Callable[[float], float], slope: float, low: float, high: float) -> float:
        """Control's share that is likeliest under a null, by bisection of the likelihood's derivative."""

        def rise(pc: float) -> float:
            pt = treated(pc)
            out = 0.0
            for x, n, p, s in ((self.x_c, self.n_c, pc, 1.0), (self.x_t, self.n_t, pt, slope)):
                out += (x and s * (x / p if p > 0 else math.inf)) - (n - x and s * ((n - x) / (1 - p) if p < 1 else math.inf))
            return out

        for _ in range(200):
            middle = (low + high) / 2
            if middle in (low, high):
                break
            low, high = (middle, high) if rise(middle) > 0 else (low, middle)
        return (low + high) / 2

    def z_effect(self, null: float) -> float:
        """Statistic of a difference."""
        pc = self._likeliest(lambda p: min(max(p + null, 0.0), 1.0), 1.0, max(0.0, -null), min(1.0, 1 - null))
        return self._z(pc, min(max(pc + null, 0.0), 1.0), 1.0, null)

    def z_ratio(self, null: float) -> float:
        """Statistic of a ratio."""
        pc = self._likeliest(lambda p: min(p * null, 1.0), null, 0.0, min(1.0, 1 / null))
        return self._z(pc, min(pc * null, 1.0), null, 0.0)

    def matters(self, least: float, sign: int, q: float, *, whole: bool) -> tuple[bool, bool]:
        """Whether the lift reaches the smallest that matters, by estimate or whole interval, and whether that is ruled out."""
        if sign < 0 and least >= 1:
            return (False if whole else self.x_t == 0 and least == 1), True
        z = sign * self.z_ratio(1 + sign * least)
        reaches = sign * (self.x_t * self.n_c - (1 + sign * least) * self.x_c * self.n_t) >= 0
        return (z > q if whole else reaches), z < -q

    def _z(self, pc: float, pt: float, factor: float, shift: float) -> float:
        n = self.n_c + self.n_t
        variance = (pt * (1 - pt) / self.n_t + factor**2 * pc * (1 - pc) / self.n_c) * n / (n - 1)
        distance = self.x_t / self.n_t - factor * self.x_c / self.n_c - shift
        return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance) if distance else 0.0

    def effect(self, q: float) -> tuple[float, float, float]:
        """Difference and its interval."""
        at = self.x_t / self.n_t - self.x_c / self.n_c
        return at, falling_root(lambda d: self.z_effect(d) - q, -1.0, at), falling_root(lambda d: self.z_effect(d) + q, at, 1.0)

    def lift(self, q: float) -> tuple[float | None, float | None, float | None, str]:
        """Lift, its interval, and the status where there is none."""
        if self.x_c == 0:
            return None, None, None, "control_near_zero" if self.x_t == 0 else "unbounded_lift"
        ratio = self.x_t * self.n_c / (self.x_c * self.n_t)
        at = math.log(ratio) if ratio > 0 else -60.0
        low = -1.0 if self.x_t == 0 else math.expm1(falling_root(lambda v: self.z_ratio(math.exp(v)) - q, -60.0, at))
        return ratio - 1, low, math.expm1(falling_root(lambda v: self.z_ratio(math.exp(v)) + q, at, 60.0)), ""


def falling_root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function is zero; the end it stays beyond where it is nowhere."""
    inside = low * (1 - 1e-12), high * (1 - 1e-12)
    if function(inside[0]) <= 0:
        return low
    if function(inside[1]) >= 0:
        return high
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


# ------------------------------------------------------------------------------------------------------------------- estimates
# One metric for one treatment: which functional of the moments, which variance, CUPED or not.

@dataclass(frozen=True)
class Estimate:
    """A metric for one treatment against control."""

    pair: Pair
    plain: Pair
    reduction: float | None = None
    share: bool = False
    score: Score | None = None


def functional_of(metric: J, columns: Sequence[str]) -> tuple[Callable[[Sequence[float]], Gradient], int]:
    """What is estimated from the means of the columns, and how many of them it takes; the rest are covariates."""
    if metric["kind"] == "formula":
        formula = Formula(metric["expression"])
        formula.names = list(columns[: len(formula.names)])
        return formula, len(formula.names)
    if list(columns[:2]) == ["numerator", "denominator"]:
        return ratio_of_means, 2
    return single_column(0), 1


def estimate(metric: J, c: J | None, t: J | None) -> Estimate:
    """From two cells of moments to a pair."""
    if c is None or t is None or c["n"] < 1 or t["n"] < 1:
        means = [x["mean"][0] if x is not None and x["n"] and len(x["mean"]) == 1 else NAN for x in (c, t)]
        empty = Pair(means[0], means[1], n=sum(x["n"] for x in (c, t) if x), status="not_enough_units")
        return Estimate(empty, empty)
    columns = c["columns"]
    subject, own = functional_of(metric, columns)
    plain = plain_pair(c, t, subject)
    is_quantile = metric["kind"] == "quantile"
    events = [None if is_quantile or own > 1 or metric["kind"] == "formula" else event_count(x) for x in (c, t)]
    share = None not in events
    score = Score(events[0] or 0, c["n"], events[1] or 0, t["n"]) if share else None
    score = score if score is not None and score.tiny else None
    base = plain
    if plain.status == "ok" and (is_quantile or share):  # the variance of a share follows from it: the normal applies
        vc, vt = ((x["n"] - 1) / x["n"] if share else 1.0 for x in (c, t))
        plain = Pair(plain.mc, plain.mt, vc * plain.vc, vt * plain.vt, 0.0, math.inf, plain.n)
    xs = list(range(own, len(columns)))
    if is_quantile or not (metric.get("cuped") and xs):
        return Estimate(plain, plain, None, share, score)
    if plain.status != "ok":
        return Estimate(plain, plain, None, share, score)
    pair, reduction = cuped(c, t, subject, xs, base)
    return Estimate(pair, plain, reduction if math.isfinite(reduction) else None, share, score)


def waiting(found: Estimate) -> Estimate:
    """The estimate where the design has no score form: a rare event is waited for."""
    if found.score is None:
        return found
    late = [Pair(p.mc, p.mt, n=p.n, status="too_few_events") if p.status in ("ok", "separation") else p
            for p in (found.pair, found.plain)]  # fmt: skip
    return Estimate(late[0], late[1], found.reduction, found.share, found.score)


# --------------------------------------------------------------------------------------------------------------------- designs
# Multipliers and p-values of the designs, Fieller's interval, corrections of a family.

@dataclass(frozen=True)
class Design:
    """Fixed horizon, the normal mixture with variance `rho2` in units of one unit's noise, or a group-sequential boundary."""

    rho2: float | None
    boundary: Boundary | None = None

    def q(self, pair: Pair, alpha: float) -> float:
        """How many standard errors the interval reaches."""
        if self.boundary is not None:
            return self.boundary.q(alpha)
        if self.rho2 is None:
            return t_isf(alpha / 2, pair.df)
        k = pair.n * self.rho2
        return math.sqrt((1 + k) / k * (math.log1p(k) - 2 * math.log(alpha)))

    def log_e(self, z: float, n: int) -> float:
        """Logarithm of the mixture likelihood ratio."""
        k = n * (self.rho2 or 0.0)
        return 0.5 * (z * z * k / (1 + k) - math.log1p(k))

    def p(self, pair: Pair) -> float:
        """Two-sided p-value."""
        if pair.status != "ok":
            return NAN
        z = (pair.mt - pair.mc) / math.sqrt(pair.variance)
        if self.boundary is not None:
            return self.boundary.p(z)
        return min(1.0, 2 * t_tail(abs(z), pair.df)) if self.rho2 is None else math.exp(-max(self.log_e(z, pair.n), 0.0))

    def p_one_sided(self, z: float, pair: Pair) -> float:
        """One-sided p-value of a distance z on the good side."""
        if self.boundary is not None:
            return self.boundary.p(z) / 2 if z > 0 else 1 - self.boundary.p(z) / 2
        if self.rho2 is None:
            return t_tail(z, pair.df)
        return min(1.0, 0.5 * math.exp(-self.log_e(z, pair.n))) if z > 0 else 1.0


FULL = 1.0 - 1e-9


def design_of(plan: J, treatment: J, *, units: int, looks: Sequence[J] = ()) -> Design:
    """The design of the plan for one treatment; units now and at earlier looks fix a group-sequential boundary.

    `looks` are those of the readout, this one last; a readout of an earlier release says nothing of what its looks found, and
    was computed as they were then.
    """
    model = plan["model"]
    if model["kind"] == "group_sequential":
        horizon = plan.get("horizon", {}).get("units") or units
        if not looks or "findings" in looks[-1]:
            return Design(
                None, boundary_of(_information(looks, units, horizon), model["spending"], _ends(looks, units, horizon))
            )
        seen: list[float] = []
        for n in (*(look["units"] for look in looks[:-1]), units):
            share = n / horizon
            if seen and share < seen[-1] + CLOSEST:  # the same look, taken again
                seen[-1] = max(seen[-1], share)
            else:
                seen.append(share)
        return Design(None, boundary_of(tuple(seen), model["spending"], seen[-1] >= FULL))
    if model["kind"] != "sequential":
        return Design(None)
    control = next(v for v in plan["variants"] if v.get("control"))
    both = control["split"] + treatment["split"]
    if model.get("n_opt"):
        a = -2 * math.log(alpha_of(plan))
        return Design((a + math.log1p(a)) / (model["n_opt"] * both))
    share = control["split"] / both
    return Design(model["tau"] ** 2 * share * (1 - share))


def _information(looks: Sequence[J], units: int, horizon: int) -> tuple[float, ...]:
    """Information at this look and at those that knew less and did not end the plan."""
    out: list[float] = []
    for look in sorted(looks[:-1], key=lambda k: k["units"]):
        share = look["units"] / horizon
        if not look.get("last") and 0 < share < min(FULL, units / horizon - CLOSEST):
            out[-1:] = [share] if out and share < out[-1] + CLOSEST else [*out[-1:], share]
    return (*out, units / horizon)


def _ends(looks: Sequence[J], units: int, horizon: int) -> bool:
    """Whether this look spends whatever is left: full information, or the last one by declaration, now or before."""
    if units / horizon >= FULL or (looks and looks[-1].get("last")):
        return True
    return any(k.get("last") and k["units"] / horizon <= units / horizon + CLOSEST for k in looks[:-1])


def closing(plan: J, looks: Sequence[J]) -> J | None:
    """The earlier look that ended a group-sequential plan: what comes in after it decides nothing."""
    if plan["model"]["kind"] != "group_sequential":
        return None
    horizon = plan.get("horizon", {}).get("units") or 0
    ends = (k for k in looks if k.get("counts") and (k.get("last") or (horizon and k["units"] >= horizon * FULL)))
    return next(ends, None)


def standing(plan: J, looks: Sequence[J], metric: str, variant: str, p: float) -> J | None:
    """What earlier looks found that holds in place of this one's p-value: the smallest so far, or that of the last look."""
    end = closing(plan, looks)
    until = looks if end is None else looks[: looks.index(end) + 1]
    found = [(k, k["findings"][metric][variant]) for k in until if k.get("counts") and variant in k["findings"].get(metric, {})]
    if not found or math.isnan(p):
        return None
    _, least = min(found, key=lambda pair: pair[1]["p"])
    if end is None:
        return least if least["p"] <= alpha_of(plan) and least["p"] < p else None
    own = next((f for k, f in found if k is end), least)
    chosen = least if least["p"] <= alpha_of(plan) else own
    return {"p": chosen["p"], "sign": chosen["sign"], "guardrail": own["guardrail"], "matters": own["matters"]}


def alpha_of(plan: J) -> float:
    """Two-sided level of the plan."""
    return round(1.0 - float(plan["model"]["confidence"]), 12)


def fieller(pair: Pair, q: float) -> tuple[float, float] | None:
    """Interval of the lift: the roots of (mt − r mc)² = q² Var(mt − r mc), minus 1; None where it is unbounded."""
    mc, mt = abs(pair.mc), math.copysign(1.0, pair.mc) * pair.mt
    a = mc * mc - q * q * pair.vc
    if a <= 0:
        return None
    middle = mt * mc - q * q * pair.cov
    root = math.sqrt(max(middle * middle - a * (mt * mt - q * q * pair.vt), 0.0))
    low, high = (middle - root) / a - 1, (middle + root) / a - 1
    return (low, high) if pair.mc > 0 else (-high, -low)


def lift_z(pair: Pair, lift: float) -> float:
    """Fieller's contrast mt − (1 + r) mc in its standard errors."""
    f = 1 + lift * (-1 if pair.mc < 0 else 1)
    return (pair.mt - f * pair.mc) / math.sqrt(pair.vt + f * f * pair.vc - 2 * f * pair.cov)


def has_lift(pair: Pair) -> bool:
    """Whether the control is far enough from 0 for a lift to have a meaning."""
    return not (math.isnan(pair.mt - pair.mc) or pair.mc == 0 or abs(pair.mc) <= 1e-12 * abs(pair.mt))


def adjust(values: Sequence[float], method: str) -> list[float]:
    """Corrected p-values of one family (for e-BH from e-values); NaN stays NaN."""
    known = [i for i, v in enumerate(values) if not math.isnan(v)]
    out, m = [NAN] * len(values), len(known)
    if method in ("none", "bonferroni"):
        for i in known:
            out[i] = min(1.0, values[i] * (m if method == "bonferroni" else 1))
        return out
    if method == "holm":
        running = 0.0
        for rank, i in enumerate(sorted(known, key=lambda i: values[i])):
            running = max(running, values[i] * (m - rank))
            out[i] = min(1.0, running)
        return out
    p = {i: (values[i] if method == "bh" else 1 / values[i] if values[i] > 0 else math.inf) for i in known}
    running = math.inf
    for rank, i in reversed(list(enumerate(sorted(known, key=lambda i: p[i]), 1))):
        running = min(running, p[i] * m / rank)
        out[i] = min(1.0, running)
    return out


def interval_level(alpha: float, method: str, rejected: int, of: int) -> float:
    """Level of the intervals that go with a correction."""
    if method == "none" or not of:
        return alpha
    return alpha * (1 if method in ("bonferroni", "holm") else max(rejected, 1)) / of


# ------------------------------------------------------------------------------------------------------------------ boundaries
# Group-sequential boundaries by error spending, integrated numerically: Lan and DeMets 1983, Jennison and Turnbull 2000.

FAR = 9.0
"""Standard deviations beyond which a density is nothing."""
CLOSEST = 1e-6
"""Looks that are less than this share of the information apart are one look, taken again."""
LEAST = 1e-14
"""The smallest p-value that is told apart from 0."""


@lru_cache(maxsize=8)
def legendre(n: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights of Gauss–Legendre over [−1, 1], by Newton's method on the recurrence."""
    out = []
    for i in range(n):
        x = math.cos(math.pi * (i + 0.75) / (n + 0.5))
        for _ in range(100):
            p, before = 1.0, 0.0
            for k in range(n):
                p, before = ((2 * k + 1) * x * p - k * before) / (k + 1), p
            slope = n * (x * p - before) / (x * x - 1)
            step = p / slope
            x -= step
            if abs(step) < 1e-15:
                break
        out.append((x, 2 / ((1 - x * x) * slope * slope)))
    return tuple(out)


def panels(edges: Sequence[float], n: int = 12) -> list[tuple[float, float]]:
    """Nodes and weights over neighbouring panels, from low to high."""
    out = []
    for low, high in pairwise(edges):
        middle, half = (low + high) / 2, (high - low) / 2
        out += [(middle + half * x, half * w) for x, w in reversed(legendre(n))]
    return out


def root(function: Callable[[float], float], low: float, high: float, *, close: float) -> float:
    """Where a function that changes sign between two places is zero: secants, kept inside, halving where they are slow."""
    at_low, at_high = function(low), function(high)
    if at_low == 0.0 or at_high == 0.0:
        return low if at_low == 0.0 else high
    for i in range(200):
        middle = (low + high) / 2
        if i % 3 != 2 and at_high != at_low:
            guess = high - at_high * (high - low) / (at_high - at_low)
            middle = guess if min(low, high) < guess < max(low, high) else middle
        value = function(middle)
        if value == 0.0 or abs(high - low) <= close:
            return middle
        if (value > 0) == (at_low > 0):
            if i % 3 == 0:
                at_high /= 2  # Illinois: the end that stays counts for less
            low, at_low = middle, value
        else:
            if i % 3 == 0:
                at_low /= 2
            high, at_high = middle, value
    return (low + high) / 2


class Boundary:
    """Multipliers and repeated p-values of the last of the looks that took place."""

    def __init__(self, information: tuple[float, ...], spending: str, final: bool) -> None:
        self.information, self.spending, self.final = information, spending, final
        self._known: dict[float, float] = {}

    @property
    def is_light(self) -> bool:
        """Whether so many looks, so close to each other, are integrated in a moment; the rest is left to the engine."""
        gaps = [b - a for a, b in pairwise((0.0, *self.information))]
        counts = [4 * math.sqrt(t) / math.sqrt(min(gaps[i : i + 2])) for i, t in enumerate(self.information[:-1])]
        return len(gaps) <= 20 and sum(counts) <= 400 and min(gaps) > 0

    def _spent(self, i: int, alpha: float) -> float:
        t = self.information[i]
        if t >= 1.0 or (self.final and i == len(self.information) - 1):
            return alpha
        if self.spending == "pocock":
            return alpha * math.log1p((math.e - 1.0) * t)
        return 4.0 * normal_tail(normal_isf(alpha / 4.0) / math.sqrt(t))

    def q(self, alpha: float) -> float:
        """Two-sided multiplier of the last look; infinite where nothing is left to spend."""
        if alpha not in self._known:
            self._known[alpha] = self._integrated(alpha)
        return self._known[alpha]

    def _integrated(self, alpha: float) -> float:
        mass: list[tuple[float, float]] = [(0.0, 0.5)]  # the upper half of a point at 0
        gone, before, bound, planned = 0.0, 0.0, math.inf, -1.0
        for i, t in enumerate(self.information):
            sd = math.sqrt(t - before)
            amount = 0.0 if self._spent(i, alpha) == planned else self._spent(i, alpha) - gone
            planned = self._spent(i, alpha)
            bound = _bound(mass, math.sqrt(t), sd, amount)
            if i == len(self.information) - 1:
                break
            gone += _exit(mass, bound * math.sqrt(t), sd) if bound < math.inf else 0.0
            limit = min(bound, FAR) * math.sqrt(t)
            width = 1.5 * min(sd, math.sqrt(self.information[i + 1] - t))
            count = max(2, min(math.ceil(limit / width), 200))
            nodes = panels([limit * j / count for j in range(count + 1)])
            mass, before = _carried(mass, nodes, sd), t
        return bound

    def p(self, z: float) -> float:
        """Repeated p-value: the smallest level at which the boundary of the last look is crossed."""
        if math.isnan(z):
            return NAN
        size = abs(z)

        def gap(log_alpha: float) -> float:
            q = self.q(math.exp(log_alpha))
            return q - size if q < math.inf else 1.0  # what is infinite is never crossed

        low, high = math.log(LEAST), math.log(1.0 - 1e-9)
        if gap(high) >= 0.0:
            return 1.0
        if gap(low) <= 0.0:
            return LEAST
        for alpha, q in self._known.items():  # what other rows asked for narrows the search
            place = math.log(alpha)
            if q > size:
                low = max(low, place)
            else:
                high = min(high, place)
        return math.exp(root(gap, low, high, close=1e-12))


def _carried(mass: Sequence[tuple[float, float]], nodes: Sequence[tuple[float, float]], sd: float) -> list[tuple[float, float]]:
    """The density after a step of this spread, times the weights of its new nodes; what is FAR away adds nothing."""
    places, reach, scale = [s for s, _ in mass], FAR * sd, 1 / (sd * math.sqrt(2 * math.pi))
    out = []
    for x, w in nodes:
        density = 0.0
        for s, m in mass[bisect_left(places, x - reach) : bisect_right(places, x + reach)]:
            a = (x - s) / sd
            density += m * math.exp(-0.5 * a * a)
        for s, m in mass[: bisect_right(places, reach - x)]:
            a = (x + s) / sd
            density += m * math.exp(-0.5 * a * a)
        out.append((x, w * scale * density))
    return out


def _exit(mass: Sequence[tuple[float, float]], edge: float, sd: float) -> float:
    """Probability of leaving on either side."""
    return 2.0 * math.fsum(m * (normal_tail((edge - s) / sd) + normal_tail((edge + s) / sd)) for s, m in mass)


def _bound(mass: Sequence[tuple[float, float]], size: float, sd: float, amount: float) -> float:
    """The boundary for |Z| at which the probability of leaving is `amount`."""
    if amount < 1e-15:
        return math.inf
    if _exit(mass, FAR * size, sd) >= amount or _exit(mass, 0.0, sd) <= amount:
        return math.inf
    low, high, z = 0.0, FAR, min(max(normal_isf(min(amount / 2, 0.49)), 0.1), FAR - 0.1)
    for _ in range(100):
        edge = z * size
        over = _exit(mass, edge, sd) - amount
        low, high = (z, high) if over > 0 else (low, z)
        density = 2.0 * math.fsum(
            m * (math.exp(-0.5 * ((edge - s) / sd) ** 2) + math.exp(-0.5 * ((edge + s) / sd) ** 2)) for s, m in mass
        )
        slope = density * size / (sd * math.sqrt(2 * math.pi))
        new = z + over / slope if slope > 0 else (low + high) / 2
        new = new if low < new < high else (low + high) / 2
        if abs(new - z) <= 1e-14 * z:
            return new
        z = new
    return z


@lru_cache(maxsize=64)
def boundary_of(information: tuple[float, ...], spending: str, final: bool) -> Boundary:
    """One boundary for all rows of a readout: what one row has integrated serves the next."""
    return Boundary(information, spending, final)


# ------------------------------------------------------------------------------------------------------------------- posterior
# Bayesian rows by quadrature: Mixpanel's pooled priors, and a normal prior on the lift.

DEPTH = 42.0
"""How far, as a logarithm, a density is followed down from its height."""
NEAR_ZERO = 0.01
WIDE = 100.0
FEW = 100
"""Units of a variant below which long tails leave two quadratures with fewer digits in common."""
LOOSE = 5e-3


class Marginal:
    """Distribution of one variant's mean, from the logarithm of a density on a scale `s` of its own.

    Args:
        log: Logarithm of the density in s, up to a constant, highest at 0 and about −s²/2 near it.
        place: The mean's value at s, increasing.
        where: The inverse of `place`; may be infinite.
        mean: Expectation, or a place near it.
    """

    def __init__(
        self, log: Callable[[float], float], place: Callable[[float], float], where: Callable[[float], float], mean: float
    ) -> None:
        self.log, self.place, self.where, self.mean = log, place, where, mean
        self.edges = [0.0]
        for sign in (-1.0, 1.0):
            at, width = 0.0, 0.75
            while log(at) > -DEPTH and len(self.edges) < 2_000:
                at, width = at + sign * width, min(width * 1.12, 0.75 + 0.25 * abs(at))
                self.edges = [at, *self.edges] if sign < 0 else [*self.edges, at]
        self.below, self.moment = [0.0], [0.0]
        for low, high in pairwise(self.edges):
            mass, moment = self._panel(low, high)
            self.below.append(self.below[-1] + mass)
            self.moment.append(self.moment[-1] + moment)
        self.total = self.below[-1]

    def _panel(self, low: float, high: float) -> tuple[float, float]:
        """Mass and first moment around the mean between two places of s."""
        middle, half, mass, moment = (low + high) / 2, (high - low) / 2, 0.0, 0.0
        for x, w in legendre(16):
            s = middle + half * x
            f = half * w * math.exp(self.log(s))
            mass += f
            moment += f * (self.place(s) - self.mean)
        return mass, moment

    def under(self, x: float) -> tuple[float, float]:
        """P(M < x) and E max(x − M, 0)."""
        s = self.where(x)
        if s <= self.edges[0]:
            return 0.0, 0.0
        if s >= self.edges[-1]:
            return 1.0, x - self.mean - self.moment[-1] / self.total
        i = bisect_right(self.edges, s) - 1
        mass, moment = self._panel(self.edges[i], s)
        mass, moment = (self.below[i] + mass) / self.total, (self.moment[i] + moment) / self.total
        return mass, (x - self.mean) * mass - moment

    def density(self, x: float) -> float:
        """Density of the mean at x, by the slope of `place`."""
        s = self.where(x)
        if not self.edges[0] < s < self.edges[-1]:
            return 0.0
        h = 1e-5
        return math.exp(self.log(s)) / self.total * 2 * h / (self.place(s + h) - self.place(s - h))

    def spread(self) -> float:
        """Half the distance between the values at s = −1 and 1: about a standard deviation."""
        return (self.place(1.0) - self.place(-1.0)) / 2

    def steps(self, fineness: float) -> list[tuple[float, float]]:
        """Values and weights of the trapezoidal rule in s, which is exact to rounding for densities like these."""
        h = 0.5 / fineness
        low, high = math.floor(self.edges[0] / h), math.ceil(self.edges[-1] / h)
        raw = [(self.place(i * h), math.exp(self.log(i * h))) for i in range(low, high + 1)]
        whole = math.fsum(w for _, w in raw)
        return [(x, w / whole) for x, w in raw if w > 1e-18 * whole]


def student(loc: float, scale: float, df: float) -> Marginal:
    """Student's t around `loc`, on the scale s of t = sqrt(ν) sinh(s / sqrt ν): its density there is cosh(s / sqrt ν)^−ν."""
    wide = math.sqrt(df)

    def log(s: float) -> float:
        u = abs(s) / wide
        if u < 1e-3:
            return -df * (u * u / 2 - u**4 / 12)
        return -df * (u + math.log1p(math.exp(-2 * u)) - math.log(2))

    return Marginal(
        log,
        lambda s: loc + scale * wide * math.sinh(s / wide),
        lambda x: wide * math.asinh((x - loc) / (scale * wide)),
        loc,
    )


def beta(a: float, b: float) -> Marginal:
    """Beta(a, b) on the scale of the log odds around their mode, in units of their own spread."""
    centre, spread = math.log(a / b), math.sqrt((a + b) / (a * b))

    def share(s: float) -> float:
        v = centre + spread * s
        return 1 / (1 + math.exp(-v)) if v > -700 else math.exp(v)

    def log_at(s: float) -> float:
        v = centre + spread * s
        return a * v - (a + b) * (v + math.log1p(math.exp(-v)) if v > 0 else math.log1p(math.exp(v)))

    height = log_at(0.0)

    def where(x: float) -> float:
        if x <= 0 or x >= 1:
            return math.copysign(math.inf, x - 0.5)
        return (math.log(x) - math.log1p(-x) - centre) / spread

    return Marginal(lambda s: log_at(s) - height, share, where, a / (a + b))


@dataclass(frozen=True)
class Posterior:
    """What the posterior says of one row.

    `below(r)` is the probability of a lift below r, `density(r)` its density; None where the lift has no meaning. `close` is
    the probability within which two quadratures of it agree: less so where a control near 0 puts a kink into the lift.
    """

    chance: float
    risk: float
    below: Callable[[float], float] | None = None
    density: Callable[[float], float] | None = None
    close: float = 1e-6


def _compared(c: Marginal, t: Marginal, *, up: bool, mass: float, few: bool) -> Posterior:
    steps = c.steps(max(1.0, math.sqrt((1 + (c.spread() / t.spread()) ** 2) / 2)))
    found = [(w, *t.under(x)) for x, w in steps]
    less = math.fsum(w * p for w, p, _ in found)
    loss_up = math.fsum(w * s for w, _, s in found)  # E max(mc − mt, 0)
    chance, risk = (1 - less, loss_up) if up else (less, loss_up + t.mean - c.mean)
    edge = NEAR_ZERO * abs(c.mean)
    near_zero = c.under(edge)[0] if c.mean > 0 else 1 - c.under(-edge)[0]
    if near_zero > (1 - mass) / 2:
        return Posterior(chance, max(risk, 0.0), close=LOOSE if few else 1e-6)
    return Posterior(
        chance,
        max(risk, 0.0),
        lambda r: math.fsum(w * t.under(x + r * abs(x))[0] for x, w in steps),
        lambda r: math.fsum(w * abs(x) * t.density(x + r * abs(x)) for x, w in steps),
        1e-6 if near_zero < 1e-9 and not few else LOOSE,
    )


def _nig(metric: J, c: J, t: J, *, up: bool, mass: float) -> Posterior:
    """Normal–Inverse-Gamma at the pooled mean and variance: κ0 = 1, α0 = 1/2, β0 = pooled variance / 2."""
    subject, _ = functional_of(metric, c["columns"])
    n, size = c["n"] + t["n"], len(c["mean"])
    mean = [(c["n"] * x + t["n"] * y) / n for x, y in zip(c["mean"], t["mean"], strict=True)]
    gap = [y - x for x, y in zip(c["mean"], t["mean"], strict=True)]
    cov = [
        [
            ((c["n"] - 1) * c["cov"][i][j] + (t["n"] - 1) * t["cov"][i][j] + c["n"] * t["n"] / n * gap[i] * gap[j]) / (n - 1)
            for j in range(size)
        ]
        for i in range(size)
    ]
    centre, gradient = subject(mean)
    guess = quadratic_form(gradient, cov, gradient)
    out = []
    for cell in (c, t):
        own, slope = subject(cell["mean"])
        variance = quadratic_form(slope, cell["cov"], slope)
        kappa, alpha = 1.0 + cell["n"], 0.5 + cell["n"] / 2.0
        rate = 0.5 * guess + 0.5 * (cell["n"] - 1) * variance + 0.5 * cell["n"] * (own - centre) ** 2 / kappa
        out.append(student((centre + cell["n"] * own) / kappa, math.sqrt(rate / (alpha * kappa)), 2 * alpha))
    return _compared(*out, up=up, mass=mass, few=min(c["n"], t["n"]) < FEW)


def _lift_prior(pair: Pair, mean: float, sd: float, *, up: bool) -> Posterior | None:
    """A normal prior on the lift: prior times the density of Fieller's contrast at 0; None where it is too wide to follow."""
    sign = -1.0 if pair.mc < 0 else 1.0
    if abs(pair.mc) < FIRM * math.sqrt(pair.vc):
        return None

    def log(r: float) -> float:
        f = 1 + sign * r
        return (
            -0.5 * lift_z(pair, r) ** 2
            - 0.5 * math.log(pair.vt + f * f * pair.vc - 2 * f * pair.cov)
            - 0.5 * ((r - mean) / sd) ** 2
        )

    lift = (pair.mt - pair.mc) / abs(pair.mc)
    own = math.sqrt(pair.vt + (1 + sign * lift) ** 2 * pair.vc - 2 * (1 + sign * lift) * pair.cov) / abs(pair.mc)
    weight = sd * sd / (sd * sd + own * own)
    start, spread = mean + weight * (lift - mean), own * math.sqrt(weight)
    for _ in range(60):  # to the height, by Newton's steps on a parabola through three points
        a, b, c = log(start - spread / 8), log(start), log(start + spread / 8)
        bend = a - 2 * b + c
        step = spread / 16 * (a - c) / bend if bend < 0 else 0.0
        start += max(-spread, min(spread, step))
        if abs(step) < 1e-9 * spread:
            break
    height = log(start)
    m = Marginal(
        lambda s: log(start + s * spread) - height, lambda s: start + s * spread, lambda r: (r - start) / spread, start
    )
    centre = start + m.moment[-1] / m.total
    less, short = m.under(0.0)
    loss_up = short * abs(pair.mc)  # E max(−r, 0) |mc|
    chance, risk = (1 - less, loss_up) if up else (less, loss_up + centre * abs(pair.mc))
    return Posterior(chance, max(risk, 0.0), lambda r: m.under(r)[0], m.density, 1e-5)  # the engine's grid has that many digits


FIRM = 9.0
"""Standard errors by which a control must differ from 0 for a prior on the lift to be followed here."""


def posterior_of(plan: J, metric: J, est: Estimate, c: J, t: J) -> Posterior | None:
    """The posterior that the plan asks for; None where it is left to the engine (a control that may be zero)."""
    model = plan["model"]
    prior, up = model.get("prior") or {}, metric["direction"] == "increase"
    if prior.get("kind") == "lift" and prior.get("sd") is not None and prior.get("mean") is not None:
        return _lift_prior(est.pair, prior["mean"], prior["sd"], up=up) if has_lift(est.pair) else None
    if est.reduction is not None or metric["kind"] == "quantile":
        return _lift_prior(est.pair, 0.0, WIDE, up=up) if has_lift(est.pair) else None
    if est.share:
        x = [round(cell["mean"][0] * cell["n"]) for cell in (c, t)]
        pooled = sum(x) / (c["n"] + t["n"])
        few = min(c["n"], t["n"]) < FEW
        both = [beta(k + pooled, cell["n"] - k + 1 - pooled) for k, cell in zip(x, (c, t), strict=True)]
        return _compared(*both, up=up, mass=model["confidence"], few=few)
    return _nig(metric, c, t, up=up, mass=model["confidence"])


def misses(found: Posterior, row: J, mass: float) -> str:
    """What is wrong with a row's lift and interval under a posterior: the median, the probability inside, the narrowest."""
    if found.below is None or found.density is None:
        return "" if row["lift"] is None or found.close >= LOOSE else "none: the control may be zero"
    ends = row["lift"], row["lift_low"], row["lift_high"]
    if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in ends):
        return "" if found.close >= LOOSE and row["lift"] is None else "a lift with an interval"
    middle, low, high = (found.below(x) for x in ends)
    if abs(middle - 0.5) > found.close:
        return f"half of the posterior below the lift, not {middle:.6f}"
    if abs(high - low - mass) > found.close:
        return f"{mass} of the posterior inside the interval, not {high - low:.6f}"
    if found.close >= LOOSE:
        return ""
    at_low, at_high = found.density(row["lift_low"]), found.density(row["lift_high"])
    spare = 1 - mass
    at_end = (low < 1e-4 * spare and at_high <= at_low * 1.01) or (low > spare * (1 - 1e-4) and at_low <= at_high * 1.01)
    if row["lift_low"] > -1.0 and not at_end and abs(at_low - at_high) > 0.01 * (at_low + at_high):
        return "the narrowest interval, not a shifted one"
    return ""


# ------------------------------------------------------------------------------------------------------------------ documented
# Mixpanel's documented test, which stands beside a row for comparison: unpooled z, its own variances.

DOCUMENTED = "Mixpanel's documented test"
_RATES = ("conversion", "retention", "funnel")
_FORMULAS = ("mean", "ratio", "formula")


def documented_test(metric: J, c: J, t: J, *, share: bool, alpha: float) -> tuple[dict[str, J], float]:
    """Effect, interval and lift of the documented test, and its two-sided p-value.

    A rate has the variance p (1 − p), sessions that of Poisson counts, and the parts of a formula count as uncorrelated.
    """
    subject, _ = functional_of(metric, c["columns"])

    def rate_and_variance(cell: J) -> tuple[float, float]:
        value, gradient = subject(cell["mean"])
        if metric["kind"] in _RATES or (metric["kind"] not in (*_FORMULAS, "count", "sessions", "sum") and share):
            return value, value * (1 - value)
        if metric["kind"] == "sessions":
            return value, value
        if metric["kind"] in _FORMULAS:
            return value, math.fsum(g * g * cell["cov"][i][i] for i, g in enumerate(gradient))
        return value, quadratic_form(gradient, cell["cov"], gradient)

    (rc, vc), (rt, vt) = rate_and_variance(c), rate_and_variance(t)
    se = math.sqrt(vc / c["n"] + vt / t["n"]) if vc + vt >= 0 else NAN
    effect, reach = rt - rc, normal_isf(alpha / 2) * se
    row: dict[str, J] = {
        "effect": effect,
        "ci_low": effect - reach,
        "ci_high": effect + reach,
        "lift": effect / rc if rc else None,
        "lift_low": None,
        "lift_high": None,
        "status": "ok",
    }
    return row, 2 * normal_tail(abs(effect / se)) if se > 0 else NAN


# ------------------------------------------------------------------------------------------------------------------------ rows
# Every row of the readout, computed from the moments.

def _cells(summary: J) -> dict[tuple[str, str, str, str, str], J]:
    return {
        (c["metric"], c["variant"], c["form"], c.get("dimension", ""), c.get("slice", "")): c
        for c in reversed(summary["cells"])
    }


def rows_of(
    plan: J, summary: J, *, looks: Sequence[J] = (), dimension: str = "", slice_: str = "", alone: bool = False
) -> list[dict[str, J]]:
    """Every row of the readout, computed from the moments; `looks` are those at the effects, this one last.

    `alone` leaves out what earlier looks found, and gives what this look found by itself.
    """
    units = sum(summary["units"].values())
    cells = _cells(summary)
    control = next(v["key"] for v in plan["variants"] if v.get("control"))
    alpha = alpha_of(plan)
    items = []
    for metric in plan["metrics"]:
        for variant in plan["variants"]:
            if not variant.get("control"):
                pick = [cells.get((metric["key"], v, "value", dimension, slice_)) for v in (control, variant["key"])]
                raw = [cells.get((metric["key"], v, "raw", dimension, slice_)) for v in (control, variant["key"])]
                design = design_of(plan, variant, units=units, looks=looks)
                is_fixed = design.rho2 is None and design.boundary is None
                own = estimate(metric, *pick)
                items.append((metric, variant, pick, own if is_fixed else waiting(own), design, raw))
    found = [(_p_value(e, d), alpha) for _, _, _, e, d, _ in items]
    held: list[J | None] = [None] * len(items)
    corrected: list[tuple[float, float]] = list(found)
    second = plan.get("secondary_correction", "bh")
    groups: list[tuple[tuple[str, ...], str]] = (
        [(("primary", "secondary"), plan.get("correction", "holm")), (("guardrail",), "none")]
        if plan.get("family") == "primary_and_secondary"
        else [(("primary",), plan.get("correction", "holm")), (("secondary",), second), (("guardrail",), "none")]
    )
    for roles, name in groups:
        members = [i for i, item in enumerate(items) if item[0]["role"] in roles]
        for i in members if name != "e-bh" and not alone else ():
            earlier = standing(plan, looks[:-1], items[i][0]["key"], items[i][1]["key"], found[i][0])
            if earlier is not None and (items[i][4].rho2 is not None or items[i][4].boundary is not None):
                held[i], found[i] = earlier, (earlier["p"], alpha)
        p_values = [found[i][0] for i in members]
        if name == "e-bh":
            pairs = [(items[i][3].pair, items[i][4]) for i in members]
            e_values = [_e(pair, design) for pair, design in pairs]
            adjusted = adjust(e_values, name)
        else:
            adjusted = adjust(p_values, name)
        of = sum(not math.isnan(p) for p in p_values)
        level = interval_level(alpha, name, sum(p <= alpha for p in adjusted if not math.isnan(p)), of)
        for i, p in zip(members, adjusted, strict=True):
            corrected[i] = (p, level)
    end = closing(plan, looks[:-1]) is not None
    return [_row(plan, item, found[i][0], *corrected[i], held=held[i], end=end) for i, item in enumerate(items)]


def _scores(est: Estimate, design: Design) -> Score | None:
    """The counts where the score method judges a row."""
    judged = design.rho2 is None and design.boundary is None and est.reduction is None and est.pair.status != "zero_variance"
    return est.score if judged else None


def _p_value(est: Estimate, design: Design) -> float:
    score = _scores(est, design)
    if score is None:
        return design.p(est.pair)
    return NAN if score.silent else min(1.0, 2 * normal_tail(abs(score.z_effect(0.0))))


def _e(pair: Pair, design: Design) -> float:
    if pair.status != "ok" or design.rho2 is None:
        return NAN
    log = design.log_e((pair.mt - pair.mc) / math.sqrt(pair.variance), pair.n)
    return math.inf if log > 709 else math.exp(log)


def _interval(pair: Pair, design: Design, level: float) -> dict[str, J]:
    out: dict[str, J] = dict.fromkeys(("effect", "ci_low", "ci_high", "lift", "lift_low", "lift_high", "se"))
    out["status"] = pair.status
    effect = pair.mt - pair.mc
    out["effect"] = finite(effect)
    if has_lift(pair):
        out["lift"] = effect / abs(pair.mc)
    if pair.status != "ok":
        return out
    q, se = design.q(pair, level), math.sqrt(pair.variance)
    out |= {"se": se, "ci_low": finite(effect - q * se), "ci_high": finite(effect + q * se), "q": q}
    ends = fieller(pair, q) if has_lift(pair) and math.isfinite(q) else None
    if ends is not None:
        out["lift_low"], out["lift_high"] = ends
    else:
        out["status"] = "unbounded_lift" if has_lift(pair) else "control_near_zero"
    return out


def finite(value: float) -> float | None:
    """The value, or None where it is NaN or infinite."""
    return value if math.isfinite(value) else None


def _row(
    plan: J, item: J, p: float, p_adjusted: float, level: float, *, held: J | None = None, end: bool = False
) -> dict[str, J]:
    metric, variant, cells, est, design, raw = item
    pair, alpha = est.pair, alpha_of(plan)
    sign = 1 if metric["direction"] == "increase" else -1
    row = _interval(pair, design, level)
    q = row.pop("q", NAN)
    score = _scores(est, design)
    if score is not None:
        q = normal_isf(level / 2)
        row["effect"], row["ci_low"], row["ci_high"] = score.effect(q)
        row["lift"], row["lift_low"], row["lift_high"], no_lift = score.lift(q)
        row["status"] = pair.status if math.isnan(p) else "few_events"
        if row["status"] in ("ok", "few_events") and no_lift:
            row["status"] = no_lift
    verdict = "unclear"
    if row["effect"] is not None and p_adjusted <= alpha:
        verdict = "better" if sign * (row["effect"] if held is None else held["sign"]) > 0 else "worse"
    posterior = None
    if plan["model"]["kind"] == "bayesian":
        p = p_adjusted = NAN
        if pair.status == "ok":
            posterior = posterior_of(plan, metric, est, *cells)
            verdict = _believed(row, pair, posterior, plan["model"]["confidence"])
    row |= {
        "metric": metric["key"],
        "variant": variant["key"],
        "role": metric["role"],
        "direction": metric["direction"],
        "n_control": cells[0]["n"] if cells[0] else 0,
        "n": cells[1]["n"] if cells[1] else 0,
        "mean_control": finite(est.plain.mc),
        "mean": finite(est.plain.mt),
        "p_value": finite(p),
        "p_adjusted": finite(p_adjusted),
        "alpha": level,
        "verdict": verdict,
        "is_proportion": est.share,
        "variance_reduction": est.reduction,
        "matters": None,
        "too_small": None,
        "chance": None if posterior is None else posterior.chance,
        "risk": None if posterior is None else posterior.risk,
        "posterior": posterior,
    }
    least = metric.get("min_lift")
    policy = plan.get("decision", {})
    asked = least is not None and policy.get("practical", "estimate") != "none"
    if asked and score is not None and not score.silent:
        row["matters"], row["too_small"] = score.matters(least, sign, q, whole=policy.get("practical") == "interval")
    elif asked and pair.status == "ok" and has_lift(pair):
        z = sign * lift_z(pair, sign * least)
        row["matters"] = z > q if policy.get("practical") == "interval" else sign * (pair.mt - pair.mc) / abs(pair.mc) >= least
        row["too_small"] = z < -q
    row |= _margin(metric, policy, pair, design, q, verdict, sign, score)
    if held is not None and end:
        row |= {"guardrail": held["guardrail"], "matters": held["matters"]}
    row["sensitivity"] = []
    if est.reduction is not None:
        row["sensitivity"].append(("without CUPED", _interval(est.plain, design, level), design.p(est.plain)))
    if all(c is not None for c in raw):
        plain = estimate(metric, *raw).plain
        row["sensitivity"].append(("raw", _interval(plain, design, level), design.p(plain)))
    if metric["kind"] != "quantile" and pair.status == "ok":
        row["sensitivity"].append((DOCUMENTED, *documented_test(metric, *cells, share=est.share, alpha=alpha)))
    return row


def _believed(row: dict[str, J], pair: Pair, posterior: Posterior | None, confidence: float) -> str:
    """Effect under a flat prior, and the verdict of the chance to beat control; the lift is the posterior's, not Fieller's."""
    reach = normal_isf((1 - confidence) / 2) * math.sqrt(pair.variance)
    row["effect"] = pair.mt - pair.mc
    row["ci_low"], row["ci_high"] = row["effect"] - reach, row["effect"] + reach
    for name in ("lift", "lift_low", "lift_high"):
        row[name] = None
    if row["status"] not in ("ok", "few_events"):
        row["status"] = "ok"
    if posterior is None:
        return "unclear"
    if posterior.below is None:
        row["status"] = "control_near_zero"
    return "better" if posterior.chance >= confidence else "worse" if posterior.chance <= 1 - confidence else "unclear"


def _margin(
    metric: J, policy: J, pair: Pair, design: Design, q: float, verdict: str, sign: int, score: Score | None
) -> dict[str, J]:
    margin, relative = metric.get("margin"), metric.get("margin_rel")
    is_rail = metric["role"] == "guardrail"
    size = relative if relative is not None else margin
    if size is None:
        state = "" if not is_rail else "unclear" if pair.status != "ok" else "bad" if verdict == "worse" else "ok"
        return {"guardrail": state, "margin": None, "margin_p_value": None}
    out: dict[str, J] = {"margin": -sign * size, "margin_p_value": None, "guardrail": "unclear" if is_rail else ""}
    if score is not None and size < 1 and not score.silent:
        z = sign * (score.z_ratio(1 - sign * size) if relative is not None else score.z_effect(-sign * size))
        out["margin_p_value"] = normal_tail(z)
    elif pair.status != "ok":
        return out
    else:
        z = sign * (
            lift_z(pair, -sign * size) if relative is not None else (pair.mt - pair.mc + sign * size) / math.sqrt(pair.variance)
        )
        out["margin_p_value"] = design.p_one_sided(z, pair)
    if is_rail and z > q:
        out["guardrail"] = "ok"
    elif is_rail and verdict == "worse":
        out["guardrail"] = "bad"
    elif is_rail and policy.get("guardrails") == "not_worse":
        out["guardrail"] = "ok"
    return out


# ------------------------------------------------------------------------------------------------------------------------ rule
# From rows and health to the outcome: the decision rule written a second time.

ORDER = ("invalid", "ship none", "iterate", "ship")
COMPUTED = ("ok", "unbounded_lift", "control_near_zero", "few_events")


def situation(plan: J, rows: Sequence[J], health: Sequence[J], adequate: bool) -> dict[str, J]:
    """What was found for one treatment variant."""
    ladder = ("worse", "unclear", "small", "win")
    primaries = [r for r in rows if r["role"] == "primary"]
    states = [
        "worse"
        if r["verdict"] == "worse"
        else "unclear"
        if r["verdict"] == "unclear"
        else "small"
        if r["matters"] is False
        else "win"
        for r in primaries
    ]
    best = max if plan.get("decision", {}).get("ship_when", "any_primary") == "any_primary" else min
    rails = [r["guardrail"] for r in rows if r["role"] == "guardrail"]
    loud = [c for c in health if c["status"] in ("warn", "fail")]
    return {
        "primary": best(states, key=ladder.index) if states else "unclear",
        "deteriorated": any(r["verdict"] == "worse" for r in rows if r["role"] != "guardrail"),
        "guardrails": "bad" if "bad" in rails else "unclear" if "unclear" in rails else "ok",
        "health": "fail" if any(c["gate"] and c["status"] == "fail" for c in loud) else "warn" if loud else "pass",
        "adequate": bool(adequate and primaries and all(r["status"] in COMPUTED for r in primaries)),
    }


def rule(policy: J, s: Mapping[str, J]) -> tuple[str, str]:
    """Row and outcome of the decision rule."""
    win = s["primary"] == "win"
    ladder: list[tuple[str, bool, str]] = [
        ("R1", s["health"] == "fail", "invalid"),
        ("R2", s["guardrails"] == "bad", "ship none"),
        ("R3", s["primary"] == "worse", "ship none"),
        ("R4", win and s["deteriorated"], "iterate"),
        ("R5", win and s["guardrails"] == "unclear", "iterate"),
        ("R6", win and s["health"] == "warn" and policy.get("health") == "no_warnings", "iterate"),
        ("R7", win, "ship"),
        ("R8", s["deteriorated"], "ship none"),
        ("R9", not s["adequate"], "iterate"),
        ("R10", s["primary"] == "small", "ship none"),
    ]
    return next(((row, outcome) for row, fits, outcome in ladder if fits), ("R11", "ship none"))


def recommended(plan: J, rows: Sequence[J], health: Sequence[J], adequate: bool) -> dict[str, J]:
    """Outcome over all treatments: invalid if any is, else the best; of several that ship, the largest first primary lift."""
    verdicts = []
    for variant in plan["variants"]:
        if variant.get("control"):
            continue
        s = situation(plan, [r for r in rows if r["variant"] == variant["key"]], health, adequate)
        verdicts.append((variant["key"], s, *rule(plan.get("decision", {}), s)))
    outcomes = [v[3] for v in verdicts]
    outcome = "invalid" if "invalid" in outcomes else max(outcomes, key=ORDER.index)
    first = next(m for m in plan["metrics"] if m["role"] == "primary")
    sign = 1 if first["direction"] == "increase" else -1
    lifts = {r["variant"]: sign * r["lift"] for r in rows if r["metric"] == first["key"] and r["lift"] is not None}
    chosen = max((v for v in verdicts if v[3] == outcome), key=lambda v: lifts.get(v[0], -math.inf))
    return {
        "outcome": outcome,
        "variant": chosen[0] if outcome == "ship" else "",
        "rows": [v[2] for v in verdicts],
        "variants": [{"variant": v[0], "situation": v[1], "row": v[2], "outcome": v[3]} for v in verdicts],
    }


# --------------------------------------------------------------------------------------------------------------------- numbers
# The readout's rows and decision against those computed here.

CLOSE = 1e-9
"""Relative distance, on the scale of the interval, within which two implementations agree."""


def near(a: J, b: J, scale: float) -> bool:
    """Whether two values are the same: words exactly, numbers within `CLOSE` of the larger or of the scale."""
    if a is None or b is None:
        return a is b
    if isinstance(a, (bool, str)) or isinstance(b, (bool, str)):
        return type(a) is type(b) and bool(a == b)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= CLOSE * max(abs(a), abs(b), scale)
    return False


_NUMBERS = ("mean_control", "mean", "effect", "ci_low", "ci_high", "lift", "lift_low", "lift_high", "se", "variance_reduction")
_CHANCES = ("p_value", "p_adjusted", "alpha", "margin_p_value")
_WORDS = (
    *("metric", "variant", "role", "direction", "n_control", "n", "is_proportion", "status"),
    *("verdict", "matters", "too_small", "guardrail", "margin"),
)
_BY_ENGINE = (
    *("ci_low", "ci_high", "lift_low", "lift_high", "alpha", "margin_p_value", "p_value", "p_adjusted"),
    *("verdict", "matters", "too_small", "guardrail", "status", "effect", "lift"),
)
"""Fields that follow from a boundary over looks too many or too close to be integrated in a moment."""
_LIFTS = ("lift", "lift_low", "lift_high")


def span_of(row: Mapping[str, J], low: str, high: str) -> float:
    """Width of an interval, 0 where it has an open end."""
    a, b = row.get(low), row.get(high)
    return float(b - a) if isinstance(a, (int, float)) and isinstance(b, (int, float)) else 0.0


def compare_row(
    notes: Notes,
    where: str,
    ours: Mapping[str, J],
    theirs: Mapping[str, J],
    skip: Sequence[str] = (),
    mass: float | None = None,
) -> None:
    """Note every field of a row that is not what the moments say.

    Args:
        notes: Where differences go.
        where: The row, in words.
        ours: From `rows_of`.
        theirs: As the readout has it.
        skip: Fields that another check compares.
        mass: Confidence of a Bayesian plan; None for other models.
    """
    if mass is not None and is_left(ours):
        skip = (*skip, "verdict", "guardrail", "status")
    elif mass is not None and ours["posterior"] is not None and ours["posterior"].close >= LOOSE:
        skip = (*skip, "status")
    effect, lift = span_of(ours, "ci_low", "ci_high"), span_of(ours, "lift_low", "lift_high")
    lift *= 1 + lift  # an interval that is all but unbounded magnifies the last digit of its multiplier
    for name in (*_WORDS, *_NUMBERS, *_CHANCES):
        if (
            name in skip
            or name not in ours
            or (mass is not None and name in _LIFTS and theirs["status"] in ("ok", "few_events"))
        ):
            continue
        scale = lift if name.startswith("lift") else effect if name in _NUMBERS else 1e-3
        expected, found = ours[name], theirs.get(name)
        if not near(expected, found, scale):
            notes.differs(f"estimates, {where}, {name}", expected, found)
    if mass is not None and not is_left(ours):
        _compare_posterior(notes, where, ours, theirs, mass)
    for name, other, p in ours.get("sensitivity", ()):
        match = next((s for s in theirs["sensitivity"] if s["name"] == name), None)
        if match is None:
            notes.differs(f"estimates, {where}, sensitivity", name, "nothing")
            continue
        for key, value in {**other, "p_value": finite(p)}.items():
            if key in match and key not in skip and not near(value, match[key], span_of(other, "ci_low", "ci_high")):
                notes.differs(f"estimates, {where}, {name}, {key}", value, match[key])
    if "sensitivity" in ours:
        known = [name for name, _, _ in ours["sensitivity"]]
        for extra in theirs["sensitivity"]:
            if extra["name"] not in known:
                notes.differs(f"estimates, {where}, sensitivity", "nothing", extra["name"])


def is_left(row: Mapping[str, J]) -> bool:
    """Whether the posterior of a Bayesian row is left to the engine."""
    return row["posterior"] is None and row["se"] is not None


def _compare_posterior(notes: Notes, where: str, ours: Mapping[str, J], theirs: Mapping[str, J], mass: float) -> None:
    """Chance and risk within the digits that two quadratures share; lift and interval by what defines them."""
    posterior = ours["posterior"]
    if posterior is None:
        for name in ("chance", "risk"):
            notes.same(f"estimates, {where}, {name}", None, theirs[name])
        return
    for name, close in (
        ("chance", posterior.close),
        ("risk", 10 * posterior.close * max(abs(ours["risk"]), 1e-3 * ours["se"])),
    ):
        found = theirs.get(name)
        if not isinstance(found, (int, float)) or isinstance(found, bool) or not abs(found - ours[name]) <= close:
            notes.differs(f"estimates, {where}, {name}", ours[name], found)
    wrong = misses(posterior, theirs, mass)
    if wrong:
        notes.differs(f"estimates, {where}, lift", wrong, [theirs[name] for name in _LIFTS])


def check_estimates(notes: Notes, readout: J) -> None:
    """Every row of the readout, and of its segments, against the moments."""
    plan, model = readout["plan"], readout["plan"]["model"]
    mass = model["confidence"] if model["kind"] == "bayesian" else None
    before = len(notes.differences)
    groups = [("", "", readout["rows"])]
    groups += [(s["dimension"], value, rows) for s in readout["segments"] for value, rows in s["slices"].items()]
    looks = readout["looks"]
    left: set[str] = set()
    base: tuple[str, ...] = ()
    heavy = design_of(plan, plan["variants"][0], units=sum(readout["summary"]["units"].values()), looks=looks).boundary
    if heavy is not None and not heavy.is_light:
        base, plan = _BY_ENGINE, {**plan, "model": {**model, "kind": "frequentist"}}
        notes.not_checked.append(f"intervals over {len(heavy.information)} looks, some very close: xpbench verify --full")
    for dimension, value, theirs in groups:
        ours = rows_of(plan, readout["summary"], looks=() if dimension else looks, dimension=dimension, slice_=value)
        if [(r["metric"], r["variant"]) for r in ours] != [(r["metric"], r["variant"]) for r in theirs]:
            notes.differs("estimates, rows", [r["metric"] for r in ours], [r["metric"] for r in theirs])
            continue
        for mine, other in zip(ours, theirs, strict=True):
            where = f"{other['metric']} for {other['variant']}" + (f" in {dimension} {value}" if dimension else "")
            skip = (*base, "p_adjusted", "verdict", "guardrail") if dimension else base
            if mass is not None and is_left(mine):
                left.add(where)
            compare_row(notes, where, {**mine, "sensitivity": []} if dimension else mine, other, skip, mass)
    if looks and "findings" in looks[-1] and not base:
        _check_own_look(notes, plan, readout)
    _check_slices(notes, readout)
    if left:
        notes.not_checked.append(f"posterior where the control may be zero, by the engine: {', '.join(sorted(left))} (--full)")
    if readout["health"]:
        notes.not_checked.append("health checks are the readout's own: they need the data (xpbench reproduce)")
    if len(notes.differences) == before:
        count = sum(len(rows) for _, _, rows in groups)
        how = {"bayesian": ", posteriors by quadrature", "group_sequential": ", boundaries by integration"}.get(
            model["kind"], ""
        )
        notes.checked.append(f"estimates, intervals, p-values and margins of {count} rows recomputed from the moments{how}")


def _check_own_look(notes: Notes, plan: J, readout: J) -> None:
    """What this look found by itself, as it went on record: later looks rest on it."""
    look = readout["looks"][-1]["findings"]
    for row in rows_of(plan, readout["summary"], looks=readout["looks"], alone=True):
        p = finite(row["p_value"]) if row["effect"] is not None else None
        theirs = look.get(row["metric"], {}).get(row["variant"])
        where = f"this look, {row['metric']} for {row['variant']}"
        if p is None or theirs is None:
            notes.same(where, p, theirs)
            continue
        effect = row["effect"]
        ours = {"p": p, "sign": (effect > 0) - (effect < 0), "guardrail": row["guardrail"], "matters": row["matters"]}
        for name, value in ours.items():
            if not near(value, theirs.get(name), 1e-3):
                notes.differs(f"{where}, {name}", value, theirs.get(name))


def _check_slices(notes: Notes, readout: J) -> None:
    """Correction over slices, and the test that the effect is the same in all of them."""
    for segment in readout["segments"]:
        columns = list(zip(*segment["slices"].values(), strict=True))
        for rows in columns:
            where = f"segment {segment['dimension']}, {rows[0]['metric']} for {rows[0]['variant']}"
            for p, row in zip(adjust([NAN if r["p_value"] is None else r["p_value"] for r in rows], "bh"), rows, strict=True):
                if not near(finite(p), row["p_adjusted"], 1e-3):
                    notes.differs(f"estimates, {where}, p_adjusted", finite(p), row["p_adjusted"])
            known = [(r["effect"], 1 / r["se"] ** 2) for r in rows if r["effect"] is not None and r["se"]]
            expected = None
            if len(known) > 1:
                mean = math.fsum(w * d for d, w in known) / math.fsum(w for _, w in known)
                expected = chi2_tail(math.fsum(w * (d - mean) ** 2 for d, w in known), len(known) - 1)
            found = segment["interaction"].get(f"{rows[0]['metric']}:{rows[0]['variant']}")
            if not near(expected, found, 1e-3):
                notes.differs(f"estimates, {where}, same effect in all slices", expected, found)


def check_decision(notes: Notes, payload: J) -> None:
    """The rule's digest, and the outcome that follows from rows and health by it."""
    readout = payload["readout"]
    plan, before = readout["plan"], len(notes.differences)
    notes.same("decision rule, digest", sha256(canonical(payload["rule"])), readout["rule_digest"])
    horizon, summary = plan.get("horizon", {}), readout["summary"]
    if horizon.get("units") and not horizon.get("days"):
        notes.same(
            "decision, horizon reached", sum(summary["units"].values()) >= horizon["units"], readout["due"]["is_adequate"]
        )
    ours = recommended(plan, readout["rows"], readout["health"], readout["due"]["is_adequate"])
    theirs = readout["recommendation"]
    for name in ("outcome", "variant", "rows"):
        notes.same(f"decision, {name}", ours[name], theirs[name])
    for mine, other in zip(ours["variants"], theirs["variants"], strict=False):
        for name in ("variant", "situation", "row", "outcome"):
            notes.same(f"decision, {mine['variant']}, {name}", mine[name], other[name])
        fits = next(
            (r for r in payload["rule"] if all(mine["situation"][k] in allowed for k, allowed in r["when"].items())), None
        )
        notes.same(f"decision, {mine['variant']}, row of the rule", fits and fits["id"], mine["row"])
        notes.same(f"decision, {mine['variant']}, because", fits and fits["because"], other["because"])
    decision = payload["decision"]
    if decision is not None:
        follows = (decision["outcome"], decision["variant"]) == (ours["outcome"], ours["variant"])
        notes.same("decision, follows the rule", follows, decision["follows_rule"])
    if len(notes.differences) == before:
        notes.checked.append(f"decision follows from the estimates by row {', '.join(dict.fromkeys(ours['rows']))} of the rule")


# ------------------------------------------------------------------------------------------------------------------- over_time
# Whether effects change over time, and with the variant of another experiment, against what is computed here.

Point3 = tuple[float, float, float, int]
OTHER = "$experiment:"
UNMET = "(not met)"


def check_over_time(notes: Notes, readout: J) -> None:
    """Trends and interactions of a readout; memos made before they existed have none."""
    before, count = len(notes.differences), 0
    for part, ours in (("novelty", _trends), ("interactions", _interactions)):
        if part not in readout:
            continue
        mine, theirs = ours(readout["plan"], readout["summary"]["cells"]), readout[part]
        notes.same(
            f"{part}, tests", [x["what"] for x in mine], [[t[k] for k in ("metric", "variant", _AXIS[part])] for t in theirs]
        )
        for one, other in zip(mine, theirs, strict=False):
            for name, value in one.items():
                found = (
                    [[p[k] for k in ("x", "effect", "se", "n")] for p in other["points"]]
                    if name == "points"
                    else other.get(name)
                )
                if name != "what" and not _same(value, found):
                    notes.differs(f"{part}, {' '.join(one['what'])}, {name}", value, found)
        count += len(mine)
    if count and len(notes.differences) == before:
        notes.checked.append(f"{count} tests over time and beside other experiments recomputed from the moments")


_AXIS = {"novelty": "axis", "interactions": "other"}


def _same(a: J, b: J) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(v, b[k]) for k, v in a.items())
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return near(a, b, 1e-3)


def _trends(plan: J, cells: Sequence[J]) -> list[J]:
    """Every metric and treatment by age, cohort and weekday: weighted regression, or one mean for all days of the week."""
    index: dict[tuple[str, str, str], dict[str, J]] = {}
    for cell in cells:
        where = cell.get("dimension", "")
        if where in ("$age", "$day") and cell["form"] == "value":
            index.setdefault((cell["metric"], cell["variant"], where), {})[cell["slice"]] = cell
    control = next(v["key"] for v in plan["variants"] if v.get("control"))
    out = []
    for metric in plan["metrics"]:
        for variant in (v["key"] for v in plan["variants"] if not v.get("control")):
            for axis in ("age", "cohort", "weekday"):
                where = "$age" if axis == "age" else "$day"
                sides = [index.get((metric["key"], v, where), {}) for v in (control, variant)]
                points = _slices(metric, sides[0], sides[1], axis)
                if points:
                    fit = _line(points, axis, alpha_of(plan))
                    out.append({"what": [metric["key"], variant, axis], "points": points, **fit})
    adjusted = adjust([NAN if t["p_value"] is None else t["p_value"] for t in out], "holm")
    for found, p in zip(out, adjusted, strict=True):
        found["p_adjusted"] = finite(p)
        found["word"] = _word(found, alpha_of(plan))
    return out


def _slices(metric: J, control: dict[str, J], treatment: dict[str, J], axis: str) -> list[Point3]:
    """Effect on each slice that has 30 units and a standard error: place, effect, standard error, units."""
    names = sorted({*control, *treatment})
    days = {} if axis == "age" else {s: date.fromisoformat(s[:10]) for s in names if s[:4].isdigit()}
    first = min(days.values(), default=None)
    found: list[Point3] = []
    for name in names:
        pair = estimate(metric, control.get(name), treatment.get(name)).pair
        if pair.status != "ok" or pair.n < 30 or not pair.variance > 0:
            continue
        if axis == "age":
            place = float(name)
        elif first is None or name not in days:
            continue
        else:
            place = float(days[name].weekday() if axis == "weekday" else (days[name] - first).days)
        found.append((place, pair.mt - pair.mc, math.sqrt(pair.variance), pair.n))
    if axis != "weekday":
        return sorted(found, key=lambda p: p[0])
    out: list[Point3] = []
    for day in range(7):
        own = [p for p in found if p[0] == day]
        if own:
            total = math.fsum(1 / p[2] ** 2 for p in own)
            out.append((float(day), math.fsum(p[1] / p[2] ** 2 for p in own) / total, total**-0.5, sum(p[3] for p in own)))
    return out


def _line(points: Sequence[Point3], axis: str, alpha: float) -> dict[str, J]:
    """Slope with interval and p-value, its error from the residuals where these spread more than the errors say."""
    none: dict[str, J] = {"slope": None, "slope_low": None, "slope_high": None, "p_value": None}
    if len(points) < 4:
        return none
    w = [1 / se**2 for _, _, se, _ in points]
    level = math.fsum(a * p[1] for a, p in zip(w, points, strict=True)) / math.fsum(w)
    if axis == "weekday":
        q = math.fsum(a * (p[1] - level) ** 2 for a, p in zip(w, points, strict=True))
        return {**none, "p_value": finite(chi2_tail(q, len(points) - 1))}
    centre = math.fsum(a * p[0] for a, p in zip(w, points, strict=True)) / math.fsum(w)
    spread = math.fsum(a * (p[0] - centre) ** 2 for a, p in zip(w, points, strict=True))
    if spread <= 0:
        return none
    slope = math.fsum(a * (p[0] - centre) * p[1] for a, p in zip(w, points, strict=True)) / spread
    df = len(points) - 2
    residual = math.fsum(a * (p[1] - level - slope * (p[0] - centre)) ** 2 for a, p in zip(w, points, strict=True)) / df
    error = math.sqrt(max(residual, 1.0) / spread)
    reach = error * (t_isf(alpha / 2, df) if residual > 1 else normal_isf(alpha / 2))
    z = abs(slope) / error
    p = 2 * (t_tail(z, df) if residual > 1 else normal_tail(z))
    return {
        "slope": finite(slope),
        "slope_low": finite(slope - reach),
        "slope_high": finite(slope + reach),
        "p_value": finite(p),
    }


def _word(found: J, alpha: float) -> str:
    if found["p_adjusted"] is None:
        return "not answerable"
    if found["p_adjusted"] > alpha:
        return "steady"
    if found["slope"] is None:
        return "uneven"
    w = [1 / p[2] ** 2 for p in found["points"]]
    level = math.fsum(a * p[1] for a, p in zip(w, found["points"], strict=True)) / math.fsum(w)
    return "fading" if found["slope"] * level < 0 else "growing"


def _interactions(plan: J, cells: Sequence[J]) -> list[J]:
    """Every metric and treatment beside every other experiment: the same effect in all of its variants, by Cochran's Q."""
    control = next(v["key"] for v in plan["variants"] if v.get("control"))
    out = []
    for where in sorted({c.get("dimension", "") for c in cells if c.get("dimension", "").startswith(OTHER)}):
        own = {
            (c["metric"], c["variant"], c["slice"]): c
            for c in cells
            if c.get("dimension") == where and c["form"] == "value" and c["slice"] != UNMET
        }
        for metric in plan["metrics"]:
            for variant in (v["key"] for v in plan["variants"] if not v.get("control")):
                found = _beside(metric, own, control, variant)
                if found["effects"]:
                    out.append({"what": [metric["key"], variant, where[len(OTHER) :]], **found})
    adjusted = adjust([NAN if x["p_value"] is None else x["p_value"] for x in out], "holm")
    for found, p in zip(out, adjusted, strict=True):
        found["p_value"] = finite(p)
    return out


def _beside(metric: J, own: dict[tuple[str, str, str], J], control: str, variant: str) -> dict[str, J]:
    key = metric["key"]
    parts = sorted({p for m, v, p in own if m == key and v in (control, variant)})
    effects, weights = {}, []
    for part in parts:
        pair = estimate(metric, own.get((key, control, part)), own.get((key, variant, part))).pair
        if pair.status == "ok" and pair.variance > 0:
            effects[part] = pair.mt - pair.mc
            weights.append(1 / pair.variance)
    p = None
    if len(effects) > 1:
        mean = math.fsum(w * d for w, d in zip(weights, effects.values(), strict=True)) / math.fsum(weights)
        q = math.fsum(w * (d - mean) ** 2 for w, d in zip(weights, effects.values(), strict=True))
        p = chi2_tail(q, len(effects) - 1)
    return {"effects": effects, "p_value": p}


# ------------------------------------------------------------------------------------------------------------------------ page
# The page as a reader sees it, against the payload, by other code than the one that made it.

class Page(HTMLParser):
    """Texts of marked elements, and the visible text as a whole."""

    VOID = frozenset(("meta", "br", "link", "img", "hr", "input"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.marked: dict[str, str] = {}
        self.text: list[str] = []
        self._open: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember what is open."""
        if tag not in self.VOID:
            mark = dict(attrs).get("data-x")
            self._open.append((tag, mark))
            if mark is not None:
                self.marked.setdefault(mark, "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Nothing stands inside."""

    def handle_endtag(self, tag: str) -> None:
        """Close it, with whatever was left open inside."""
        if any(t == tag for t, _ in self._open):
            while self._open and self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Text belongs to every marked element that is open."""
        tags = [t for t, _ in self._open]
        if "script" in tags or "style" in tags:
            return
        if data.strip():
            self.text.append(" ".join(data.split()))
        if "title" not in tags:
            for _, mark in self._open:
                if mark is not None:
                    self.marked[mark] += data


def parsed_page(document: str) -> Page:
    """The page read as HTML."""
    page = Page()
    page.feed(document)
    page.close()
    return page


def _decimals(width: float | None) -> int:
    if width is None or not math.isfinite(width) or width <= 0:
        return 2
    return max(0, min(8, 1 - math.floor(math.log10(width))))


def _fixed(value: float, decimals: int, signed: bool = False) -> str:
    text = f"{abs(value):,.{decimals}f}"
    if not any(c in "123456789" for c in text):
        return text
    return ("\u2212" if value < 0 else "+" if signed else "") + text


def _p_text(p: float | None) -> str:
    if p is None:
        return "–"
    if p < 0.0001:
        return "< 0.0001"
    return "> 0.9999" if p > 0.9999 else _fixed(p, max(2, min(4, 1 - math.floor(math.log10(p)))))


def row_texts(row: J) -> dict[str, str]:
    """How the numbers of a row stand on the page."""
    share = row["is_proportion"]
    has_lift, has_ends = row["lift"] is not None, row["lift_low"] is not None and row["lift_high"] is not None
    width = row["lift_high"] - row["lift_low"] if has_ends else None
    places = min(6, _decimals(None if width is None else 100 * width))
    span = None if row["ci_low"] is None or row["ci_high"] is None else row["ci_high"] - row["ci_low"]
    if span is None and row["effect"]:
        span = abs(row["effect"])
    unit = 100 if share else 1
    decimals = _decimals(None if span is None else unit * span)
    effect = "–" if row["effect"] is None else _fixed(unit * row["effect"], decimals, True) + ("\u202fpp" if share else "")
    ends = ("ci_low", "ci_high")
    effect_interval = " … ".join("–" if row[k] is None else _fixed(unit * row[k], decimals, True) for k in ends)
    effect_interval = "–" if None in (row["ci_low"], row["ci_high"]) else effect_interval
    lift = (
        _fixed(100 * row["lift"], places, True) + "\u202f%" if has_lift else "not enough data" if row["effect"] is None else "–"
    )
    if has_ends:
        lift_interval = " … ".join(_fixed(100 * row[k], places, True) for k in ("lift_low", "lift_high"))
    else:
        lift_interval = "unbounded" if has_lift else "–"
    means = [
        "–" if m is None else _fixed(unit * m, decimals) + ("\u202f%" if share else "")
        for m in (row["mean_control"], row["mean"])
    ]
    if has_lift and has_ends:
        shown = f"{lift}  ({lift_interval})"
    elif row["effect"] is not None and row["ci_low"] is not None:
        shown = f"effect {effect} ({effect_interval})"
    else:
        shown = "not enough data"
    chance = row.get("chance")
    return {
        "n": f"{row['n_control']:,} / {row['n']:,}",
        "control": means[0],
        "treatment": means[1],
        "effect": effect,
        "effect_interval": effect_interval,
        "lift": lift,
        "lift_interval": lift_interval,
        "p": _p_text(row["p_value"]),
        "p_adjusted": _p_text(row["p_adjusted"]),
        "chance": "" if chance is None else f"{_fixed(100 * chance, 1)}\u202f%",
        "shown": shown,
        "means": f"{means[0]} → {means[1]}",
    }


def check_marks(notes: Notes, payload: J, page: Page) -> None:
    """The numbers on the page are those of the payload, formatted here by other code."""
    readout, before, count = payload["readout"], len(notes.differences), 0
    decision = payload["decision"] or readout["recommendation"]
    labels = {v["key"]: v.get("name") or v["key"] for v in readout["plan"]["variants"]}
    heads = {"ship none": "Ship none", "iterate": "Iterate", "invalid": "Do not read the effects", "defer": "Decision deferred"}
    variant = labels.get(decision["variant"], decision["variant"])
    wanted = {"headline": heads.get(decision["outcome"], f"Ship {variant}")}
    for i, row in enumerate(readout["rows"]):
        texts = row_texts(row)
        hidden = ("shown", "means", "p", "p_adjusted") if texts["chance"] else ("shown", "means", "chance")
        wanted |= {f"rows.{i}.{k}": v for k, v in texts.items() if k not in hidden}
        if "INVALID" not in readout["stamps"]:
            wanted |= {f"forest.{i}.{k}": texts[k] for k in ("shown", "means")}
    if "INVALID" not in readout["stamps"] and any(
        r["role"] == "primary" and None not in (r["effect"], r["ci_low"]) for r in readout["rows"]
    ):
        _check_impact(notes, readout, page.marked.get("impact.0", ""))
    for mark, text in wanted.items():
        found = page.marked.get(mark)
        count += 1
        if found is None or " ".join(found.split()) != " ".join(text.split()):
            notes.differs(f"page text, {mark.replace('.', ' ')}", text, found if found is not None else "nothing")
    if len(notes.differences) == before:
        notes.checked.append(f"{count} numbers and words of the page")


def _check_impact(notes: Notes, readout: J, sentence: str) -> None:
    """The first impact sentence shows the interval of one of the primary metrics."""
    for row in readout["rows"]:
        if row["role"] != "primary" or None in (row["effect"], row["ci_low"], row["ci_high"]):
            continue
        texts = row_texts(row)
        key = "lift_interval" if row["lift_low"] is not None else "effect_interval"
        if all(end in sentence for end in texts[key].split(" … ")) and row["label"] in sentence:
            return
    notes.differs("page text, impact", "the interval of a primary metric", sentence)


# --------------------------------------------------------------------------------------------------------------------- package
# What the installed package adds: the page rendered again, signatures, time stamps, the engine.

def _first_difference(a: Sequence[str], b: Sequence[str]) -> tuple[str, str]:
    for x, y in zip(a, b, strict=False):
        if x != y:
            i = next((i for i, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), min(len(x), len(y)))
            return x[max(0, i - 40) : i + 60], y[max(0, i - 40) : i + 60]
    return f"{len(a)} pieces", f"{len(b)} pieces"


def check_rendering(notes: Notes, payload: J, document: str) -> None:
    """The same version of the package renders the same bytes."""
    try:
        from xpbench._version import __version__
        from xpbench.memo.render import page as render
    except ImportError:
        notes.not_checked.append("the page was not rendered again: the package is not installed here")
        return
    made_by = payload["readout"]["versions"]["xpbench"]
    if made_by != __version__:
        notes.not_checked.append(f"the page was not rendered again: it was made by version {made_by}, this is {__version__}")
        return
    _check_derived(notes, payload)
    expected = render(payload)
    if expected == document:
        notes.depth = "in full"
        notes.checked.append("page and charts rendered again, the same bytes")
        return
    ours, theirs = parsed_page(expected), parsed_page(document)
    if ours.text != theirs.text:
        notes.differs("page text", *_first_difference(ours.text, theirs.text))
        return
    charts = [re.findall(r"<svg.*?</svg>", text, re.DOTALL) for text in (expected, document)]
    part = "chart" if charts[0] != charts[1] else "page markup"
    left, right = charts if part == "chart" else ([expected], [document])
    notes.differs(part, *_first_difference(left, right))


def _check_derived(notes: Notes, payload: J) -> None:
    """What the payload says of the ledger is what the package derives from its lines."""
    from xpbench.ledger.ledger import verify_lines
    from xpbench.memo.ledger_part import story

    entries = verify_lines([line.encode() for line in payload["ledger"]["lines"]])
    derived = story(payload["readout"], entries)
    for name, value in derived.items():
        if canonical(json.loads(json.dumps(value))) != canonical(payload[name]):
            notes.differs(f"{name}, from the ledger", canonical(json.loads(json.dumps(value))), canonical(payload[name]))


def check_signed(notes: Notes, path: str | Path, payload: J, *, stamp: str | Path | None, tsa_ca: str | Path | None) -> None:
    """Signatures of sign-offs, and time stamps in the ledger or beside the memo: what needs cryptography.

    Args:
        notes: Where to note what is found.
        path: The memo's file.
        payload: Its payload; the chain holds.
        stamp: An RFC 3161 answer over the bytes of the file.
        tsa_ca: Certificates (PEM) of the authority.
    """
    kinds = [entry["kind"] for entry in map(loads, payload["ledger"]["lines"])]
    if "signed_off" not in kinds and "stamped" not in kinds and stamp is None:
        return
    try:
        from xpbench.ledger import signature
        from xpbench.ledger import stamp as stamps
        from xpbench.ledger.ledger import verify_lines
    except ImportError:
        notes.not_checked.append("signatures and time stamps: the package is not installed here")
        return
    entries = verify_lines([line.encode() for line in payload["ledger"]["lines"]])
    for entry in entries:
        given = entry.body.get("signature") if entry.kind == "signed_off" else None
        if given is not None:
            name = str(entry.body.get("name", ""))
            verdict = signature.check(given, signature.message(str(entry.body.get("plan_digest", "")), name))
            if verdict == "invalid":
                notes.differs(f"sign-off of {name}", "a signature that fits", "one that does not")
            elif verdict == "valid":
                notes.checked.append(f"signature of {name} ({given['kind']})")
            else:
                notes.not_checked.append(f"the signature of {name} can't be checked here")
    try:
        roots = stamps.certificates(tsa_ca) if tsa_ca is not None else []
    except Exception as error:  # noqa: BLE001 - a file from anyone
        notes.differs("certificates", "certificates of an authority", str(error))
        return
    for found in stamps.check_entries(entries, key=payload["readout"]["key"], roots=roots):
        if found.verdict == "invalid":
            notes.differs(f"time stamp of entry {found.seq}", "a stamp that holds", found.reason)
        elif found.verdict == "valid" and found.stamp is not None:
            notes.checked.append(f"time stamp of entry {found.seq}: {found.stamp.at} by {found.stamp.authority}")
        else:
            notes.not_checked.append(f"the time stamp of entry {found.seq}: {found.reason}")
    if stamp is not None:
        _check_own_stamp(notes, path, stamp, roots)


def _check_own_stamp(notes: Notes, path: str | Path, stamp: str | Path, roots: Sequence[J]) -> None:
    from xpbench.ledger import stamp as stamps

    try:
        answer = Path(stamp).read_bytes()
    except OSError as error:
        notes.differs("time stamp", "an answer of an authority", f"the file can't be read: {error.strerror or error}")
        return
    verdict, reason = stamps.check(answer, Path(path).read_bytes(), roots=roots)
    if verdict == "valid":
        found = stamps.read(answer)
        notes.checked.append(f"time stamp of the file: {found.at} by {found.authority}")
    elif verdict == "invalid":
        notes.differs("time stamp", "a stamp over this very file", reason)
    else:
        notes.not_checked.append(f"the time stamp: {reason}")


def run_engine(path: str | Path, notes: Notes) -> None:
    """Compare with what the installed engine makes of the moments."""
    try:
        from xpbench.memo.full_check import rerun
    except ImportError:
        notes.not_checked.append("--full needs the package")
        return
    payload = loads(parts_of(read(path)[0])[0])
    theirs = payload["readout"]
    ours = rerun(payload)
    for mine, other in zip(ours["rows"], theirs["rows"], strict=True):
        where = f"{other['metric']} for {other['variant']}"
        if canonical(mine["sensitivity"]) != canonical(other["sensitivity"]):
            notes.differs(f"engine, {where}, sensitivity", mine["sensitivity"], other["sensitivity"])
        for name, value in mine.items():
            if name != "sensitivity" and not near(value, other.get(name), span_of(other, "ci_low", "ci_high")):
                notes.differs(f"engine, {where}, {name}", value, other.get(name))
    notes.same("engine, outcome", ours["outcome"], theirs["recommendation"]["outcome"])
    for part in ("novelty", "interactions"):
        if part not in theirs:
            continue  # made before these tests existed
        notes.same(f"engine, {part}, tests", len(ours[part]), len(theirs[part]))
        for mine, other in zip(ours[part], theirs[part], strict=False):
            where = f"engine, {part}, {other.get('metric')} for {other.get('variant')}"
            for name, value in mine.items():
                plain_number = isinstance(value, (int, float)) and not isinstance(value, bool)
                same = near(value, other.get(name), 0.0) if plain_number else canonical(value) == canonical(other.get(name))
                if not same:
                    notes.differs(f"{where}, {name}", value, other.get(name))
    notes.not_checked[:] = [n for n in notes.not_checked if "--full" not in n]
    notes.checked.append("all rows computed again by the engine")


# ----------------------------------------------------------------------------------------------------------------------- check
# Verify one memo.

def _verify(path: str | Path, notes: Notes, extra: Mapping[str, Any]) -> tuple[str, str]:
    payload, seal_text, document = sealed(path, notes)
    readout = payload["readout"]
    key, decision = readout["key"], payload["decision"] or readout["recommendation"]
    headline = f"{decision['outcome']} {decision['variant']}".strip()
    try:
        entries = check_ledger(notes, payload)
        if entries is not None:
            check_story(notes, payload, entries)
        check_estimates(notes, readout)
        check_over_time(notes, readout)
        check_decision(notes, payload)
        if seal_text is not None:
            check_marks(notes, payload, parsed_page(document))
            check_rendering(notes, payload, document)
        if entries is not None:
            check_signed(notes, path, payload, stamp=extra.get("stamp"), tsa_ca=extra.get("tsa_ca"))
    except NewerError:
        raise
    except Exception as error:  # noqa: BLE001 - a file from anyone: whatever goes wrong in reading it is its own fault
        notes.differs("payload shape", "a whole memo", f"{type(error).__name__}: {error}")
    _check_context(notes, payload, extra)
    return key, headline


def _check_context(notes: Notes, payload: J, extra: Mapping[str, Any]) -> None:
    """What stands outside of the file: an experiment's key, a ledger, a witness."""
    if extra.get("key") is not None:
        notes.same("experiment", extra["key"], payload["readout"]["key"])
    witness = extra.get("witness")
    if witness is not None:
        length, _, digest = str(witness).partition(":")
        lines = payload["ledger"]["lines"]
        place = int(length) if length.isdigit() else -1
        if place > len(lines):
            notes.differs(
                "witness", f"at least {place} entries", f"{len(lines)}: the memo is older than the witness, or the tail was cut"
            )
        else:
            notes.same("witness", digest, START if place == 0 else sha256(lines[place - 1]) if place > 0 else "no witness")
    ledger = extra.get("ledger")
    if ledger is not None:
        _check_against(notes, payload, Path(ledger))


def _check_against(notes: Notes, payload: J, path: Path) -> None:
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        notes.differs("ledger file", "a ledger", f"{type(error).__name__}")
        return
    lines, known = text.split("\n")[:-1], payload["ledger"]["lines"]
    try:
        linked = list(chain(lines))
    except (ValueError, KeyError, TypeError) as error:
        notes.differs("ledger file", "a whole chain", str(error))
        return
    first = linked[0][0]["body"].get("plan", {}).get("key") if linked else None
    if first != payload["readout"]["key"]:
        notes.differs("ledger file, experiment", payload["readout"]["key"], first or "nothing")
    elif lines[: len(known)] == known:
        notes.checked.append(f"the ledger beside it still begins with the memo's {len(known)} entries")
    elif len(lines) < len(known) and known[: len(lines)] == lines:
        notes.differs("ledger file", f"{len(known)} entries", f"{len(lines)}: its tail was cut")
    else:
        place = next(i for i, (a, b) in enumerate(zip(known, lines, strict=False), 1) if a != b)
        notes.differs("ledger file", "the ledger that the memo saw", f"a fork: entry {place} is another one")


def verify(
    path: str | Path,
    *,
    key: str | None = None,
    ledger: str | Path | None = None,
    witness: str | None = None,
    full: bool = False,
    stamp: str | Path | None = None,
    tsa_ca: str | Path | None = None,
) -> Report:
    """What recomputing everything in a memo shows; raises nothing for a bad memo.

    Args:
        path: A memo (`.html`), or its payload (`.json`).
        key: Experiment that it should be of.
        ledger: The experiment's ledger file today, which must begin with the entries that the memo carries.
        witness: `length:digest` noted elsewhere, which the memo's ledger must contain.
        full: Run the installed engine as well, over every row.
        stamp: An RFC 3161 answer over the file, as `xpbench ledger stamp --memo` writes it; needs the package.
        tsa_ca: Certificates (PEM) of the authority, for this stamp and for those in the ledger.
    """
    notes, where = Notes(), str(path)
    key_found = headline = ""
    try:
        key_found, headline = _verify(
            path, notes, {"key": key, "ledger": ledger, "witness": witness, "stamp": stamp, "tsa_ca": tsa_ca}
        )
        if full:
            run_engine(path, notes)
    except UnreadableError as error:
        return Report("unreadable", where, f"{error}.", cause=error.cause)
    except NewerError as error:
        return Report("newer", where, f"{error}. Install a newer xpbench.", cause="newer")
    except (RecursionError, MemoryError):
        return Report("unreadable", where, "The file is built so deep or so large that it can't be read.", cause="too large")
    except Exception as error:  # noqa: BLE001 - as above
        notes.differs("payload", "a whole memo", f"{type(error).__name__}: {error}")
    status, depth, cause, reason = _verdict(notes)
    return Report(
        status,
        where,
        reason,
        tuple(notes.differences),
        tuple(notes.checked),
        tuple(notes.not_checked),
        key_found,
        headline,
        cause,
        depth,
        (*UNPROVEN, MAKER) if status != "differs" else (),
    )


_TOUCHED = {"line ends", "byte order mark", "final newline"}
"""What mail gateways and editors do to a file, and what can be put back."""


def _verdict(notes: Notes) -> tuple[str, str, str, str]:
    """Status, depth, cause and sentence."""
    parts = {d.part for d in notes.differences}
    if parts - _TOUCHED:
        return "differs", "", *_cause(notes.differences)
    if notes.depth == "no page":
        return (
            "verified",
            "no page",
            "no page",
            "Everything in this payload follows from the rest of it. There is no page to compare.",
        )
    if parts:
        return (
            "numbers hold",
            "page touched",
            "line ends",
            "Only its line ends, its byte order mark or its last newline were rewritten; all evidence holds once they are put "
            "back.",
        )
    if notes.depth == "in full":
        return "verified", "in full", "", "Everything that the memo says follows from what it carries."
    return (
        "numbers hold",
        "page not compared",
        "page not compared",
        "The payload follows from what it carries. The page was not compared with it: its wording and its marks may be others.",
    )


def _cause(differences: Sequence[Difference]) -> tuple[str, str]:
    """What happened to a memo, in a word or two and in a sentence; the mildest account that explains every difference."""
    parts = {d.part for d in differences}
    first = differences[0]
    outside = {"experiment", "ledger file, experiment", "ledger file", "witness"}
    if not parts <= outside | _TOUCHED:
        count = "1 thing differs" if len(differences) == 1 else f"{len(differences)} things differ"
        return "altered", f"{count}: {first.part}."
    by_part = {d.part: d for d in differences}
    other = by_part.get("experiment") or by_part.get("ledger file, experiment")
    if other is not None:
        return (
            "other experiment",
            f"The memo is whole, but of another experiment: {other.expected} and {other.found} are not the same.",
        )
    beside = by_part.get("ledger file")
    if beside is not None and "fork" in beside.found:
        return "fork", f"The memo is whole, but the ledger beside it is not the one it saw: {beside.found}."
    if beside is not None:
        cut = "cut" in beside.found
        return "cut ledger" if cut else "other ledger", f"The memo is whole, but the ledger beside it is not: {beside.found}."
    found = by_part["witness"].found
    return "witness", f"The memo is whole, but not what the witness saw: {found}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one memo from the command line: `python verify.py MEMO [--json] [--key KEY] …`."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Check a memo with nothing but the memo.")
    parser.add_argument("memo", help="the memo (.html) or its payload (.json)")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.add_argument("--key", help="experiment that it should be of")
    parser.add_argument("--ledger", help="the experiment's ledger.jsonl today")
    parser.add_argument("--witness", help="length:digest noted elsewhere")
    parser.add_argument("--full", action="store_true", help="also run the engine, where the package is installed")
    try:
        args = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    report = verify(args.memo, key=args.key, ledger=args.ledger, witness=args.witness, full=args.full)
    text = json.dumps(report.to_dict(), ensure_ascii=False, indent=2) if args.json else str(report)
    sys.stdout.buffer.write((text + "\n").encode("utf-8", "replace"))
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
