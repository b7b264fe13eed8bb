"""Check a memo with nothing but the memo: one file of Python, standard library only.

    python verify.py memo.html [--json] [--key KEY] [--ledger FILE] [--witness LENGTH:DIGEST] [--text FILE]

A second implementation, written apart from the engine that made the memo, of digests, the ledger's chain, estimates from
moments, designs, corrections, margins and the rule. Then the page: every cell is made again from the payload, put into the
template and compared byte by byte. Signatures by other keys than Ed25519 and time stamps need the package.

Exit codes: 0 verified in full, 1 differs (and where), 2 unreadable, 3 made by a newer version, 4 the numbers hold and the page
or some of them were not compared, 5 the numbers hold and the page was touched or there is none.

Joined from the parts in xpbench/verifier and from what draws the page; read them there, one subject a file.
"""

from __future__ import annotations

import argparse
import ast
import base64
import hashlib
import html as _html
import io
import json
import math
import re
import statistics
import sys
import unicodedata
import zipfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache, partial
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal
from unicodedata import category


# ---------------------------------------------------------------------------------------------------------------------- report
# What checking has shown: each difference with its part, what was expected, what was found.

J = Any  # a JSON value

DEPTHS = ("in full", "in part", "page not compared", "page touched", "no page")
VERDICTS: dict[tuple[str, str], tuple[int, str, str]] = {
    ("verified", "in full"): (0, "✓", "verified in full"),
    ("differs", ""): (1, "✕", "differs"),
    ("unreadable", ""): (2, "?", "unreadable"),
    ("newer", ""): (3, "↑", "made by a newer version"),
    ("numbers hold", "in part"): (4, "◔", "numbers hold, some of them not computed"),
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
            `no memo`, `a copy`, `added text`, `too large`, `not there`, `other experiment`, `fork`, `cut ledger`,
            `copied folder`, `superseded`, `witness`, `newer`, `left out` (some numbers), or `altered`.
        depth: How deep it looked where nothing differs: `in full`, `in part`, `page not compared`, `page touched` or `no page`.
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
        """0 verified in full, 1 differs, 2 unreadable, 3 newer, 4 something not compared, 5 page touched or absent."""
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
        return "\n".join(_printable(line) for line in self._lines())

    def _lines(self) -> list[str]:
        lines = [f"{self.verdict}: {self.reason}", *(f"  ✕ {d}" for d in self.differences[:40])]
        if len(self.differences) > 40:
            lines.append(f"  … and {len(self.differences) - 40} more")
        lines += [f"  ✓ {c}" for c in self.checked] if self.holds else []
        lines += [f"  ─ not checked: {n}" for n in self.not_checked]
        if self.unproven:
            lines += ["  What this can't prove:", *(f"  · {n}" for n in self.unproven)]
        return lines


@dataclass
class Notes:
    """What has been found so far.

    Attributes:
        differences: Each part that differs.
        checked: What was computed again.
        not_checked: What was not, and why.
        depth: How deep the page was compared.
        left: What was not checked and is shown all the same: sentences of another version, signatures, sums that take too long.
        for_engine: Numbers that were not computed here, because they take the engine.
        has_cells: Whether every cell of the page was made again from the payload.
        what: What the file is: a memo, a letter of the watch, or an overview of all experiments.
    """

    differences: list[Difference] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    depth: str = ""
    left: list[str] = field(default_factory=list)
    for_engine: list[str] = field(default_factory=list)
    has_cells: bool = False
    what: str = "memo"

    def differs(self, part: str, expected: object, found: object) -> None:
        """Note a difference."""
        self.differences.append(Difference(part, shortened(expected), shortened(found)))

    def same(self, part: str, expected: object, found: object) -> bool:
        """Note a difference where there is one; types count."""
        if type(expected) is type(found) and expected == found:
            return True
        self.differs(part, expected, found)
        return False


def _printable(text: str) -> str:
    """A line as a terminal shows it: texts of a file from anyone steer no terminal and turn no direction."""
    return "".join(c if c.isprintable() or c == "\u202f" else "\ufffd" for c in text)


def shortened(value: object) -> str:
    """A value as printable text of at most 160 characters."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= 160 else text[:159] + "…"


class UnreadableError(Exception):
    """The file is not a memo that this program can read; `cause` says why in a word or two."""

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
        raise ValueError("a key appears twice in one object")
    return out


def _refused(name: str) -> J:
    raise ValueError(f"{name} is not a JSON value")


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


_quoted = json.encoder.encode_basestring
"""What `json.dumps(…, ensure_ascii=False)` does with a text, without making an encoder for each."""


def canonical(value: J) -> str:
    """RFC 8785 text of a JSON value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        plain = all(map(str.isascii, value))  # where the order of UTF-16 is that of the letters
        keys = sorted(value) if plain else sorted(value, key=lambda k: k.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_quoted(k)}:{canonical(value[k])}" for k in keys) + "}"
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
    "audience": None,
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
    "decision": {
        "futility": None,
        "guardrail_alpha": None,
        "guardrails": None,
        "harm_alpha": None,
        "health": None,
        "practical": None,
        "ship_when": None,
    },
    "dropped": [{"key": None, "name": None, "picture": None, "place": None, "split": None}],
    "exposure": {
        "end": None,
        "event": None,
        "experiment": None,
        "experiment_property": None,
        "format": None,
        "identities": None,
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
    "links": [{"title": None, "url": None}],
    "looks": {"agents": None},
    "members": None,
    "metrics": [
        {
            "column": None,
            "covariates": [None],
            "cuped": None,
            "currency": None,
            "day": None,
            "delay_days": None,
            "denominator": None,
            "direction": None,
            "equivalence": None,
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
            "past_of": [None],
            "per": None,
            "property": None,
            "q": None,
            "role": None,
            "steps": [{"event": None, "where": [{"op": None, "property": None, "value": "any"}]}],
            "strata": [None],
            "timeout_minutes": None,
            "where": [{"op": None, "property": None, "value": "any"}],
            "window_days": None,
            "winsorize": {"lower": None, "over": None, "upper": None},
            "within_days": None,
            "worth": None,
        }
    ],
    "model": {
        "beyond": None,
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
    "ramp": {"stages": [{"days": None, "needs": None, "share": None, "signs": None, "units": None}]},
    "schema": None,
    "secondary_correction": None,
    "segments": [None],
    "sign_offs": [{"name": None, "needed_for": None, "role": None}],
    "template": {"digest": None, "name": None, "version": None},
    "title": None,
    "unit": None,
    "variants": [{"control": None, "key": None, "name": None, "picture": None, "split": None}],
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
    *("variance_reduction", "is_proportion", "se", "min_lift", "equivalent", "chance_left", "last_q"),
)
_ROW = dict.fromkeys(_ROW_FIELDS)
_SENSITIVITY = dict.fromkeys(
    ("name", "effect", "ci_low", "ci_high", "lift", "lift_low", "lift_high", "p_value", "status", "note")
)
_ROWS: J = [{**_ROW, "sensitivity": [_SENSITIVITY], "saved_by": [dict.fromkeys(("source", "alone", "more"))]}]
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
    **dict.fromkeys(("schema", "sealed", "key", "plan_digest", "at", "kind", "rule_digest", "methods", "headline")),
    "plan": PLAN_KEYS,
    "futility": dict.fromkeys(("floor", "metric", "power", "power_without", "gives_up", "units")),
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
            **dict.fromkeys(("seq", "at", "by", "agent", "units", "planned", "reason", "last", "counts")),
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
    "sign_offs": [dict.fromkeys(("name", "at", "plan_digest", "needed_for", "role", "signature", "key", "covers"))],
    "decision": dict.fromkeys(("outcome", "variant", "because", "by", "at", "seq", "follows_rule")),
    "ledger": {
        "lines": [None],
        "entries": [dict.fromkeys(("seq", "at", "kind", "by", "digest", "set_back_seconds"))],
        "witness": dict.fromkeys(("length", "digest")),
    },
    "page": {"template": None, "cells": {"*": ANY}, "messages": {"*": {"id": None, "values": FREE}}},
}
"""The shape of a payload: None is a number, a text, true, false or null; a list holds values of one shape; `*` is any key.

A field that the payload gains is added here in the same change: until then the verifier refuses the memo that has it.
"""

LETTER_PAGE: J = {"edition": None, "title": None, "blocks": ANY}
WATCH_KEYS: J = {
    **dict.fromkeys(("schema", "kind", "key", "title", "variant", "shipped_at", "as_of", "state", "check", "last_day")),
    "plan": PLAN_KEYS,
    "dates": [[None]],
    "series": {"*": {"*": {"adopted": None, "days": [[None]]}}},
    "notes": [None],
    "forecasts": [dict.fromkeys(("metric", "day", "level", "lift", "low", "high"))],
    "novelty": [dict.fromkeys(("metric", "word", "per_week", "low", "high", "alpha", "p_value"))],
    "ledger": {"lines": [None], "witness": dict.fromkeys(("length", "digest"))},
    "versions": FREE,
    "page": LETTER_PAGE,
}
"""The shape of a letter of the watch."""
PROGRAMME_KEYS: J = {
    **dict.fromkeys(("schema", "kind", "as_of", "confidence")),
    "experiments": [
        {
            **dict.fromkeys(("key", "has_memo")),
            "ledger": {"lines": [None], "witness": dict.fromkeys(("length", "digest"))},
            "readout": ANY,
        }
    ],
    "broken": [dict.fromkeys(("key", "reason"))],
    "found": {
        **dict.fromkeys(("experiments", "without_memo", "silent", "looks", "peeks", "overrides", "decided", "shipped")),
        **dict.fromkeys(("days_to_decision", "reported", "expected")),
        "peeks_by": FREE,
        "win_rate": [None],
    },
    "versions": FREE,
    "page": LETTER_PAGE,
}
"""The shape of an overview of all experiments of a root; the digests of readouts say what those must be."""


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


# ---------------------------------------------------------------------------------------------------------------------- letter
# Letters and overviews: pages of headings, sentences and tables, made of blocks that the payload carries.

WATCH_LETTER = "xpbench watch letter"
PROGRAMME = "xpbench programme"

LetterPage = Callable[[J], J]
"""Makes the page of a payload: its edition, its title and its blocks."""

LETTER_STYLE = (
    ":root{--ink:#1b1f24;--muted:#57606a;--ground:#fff;--line:#d5dae0;--raised:#f6f8fa}"
    "@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--muted:#9aa4af;--ground:#111417;--line:#343b44;--raised:#1c2127}}"
    "html{background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,sans-serif}"
    "body{margin:0 auto;padding:32px 24px 64px;max-width:988px;overflow-wrap:anywhere}"
    "h1{font-size:26px;margin:0 0 8px}h2{font-size:19px;margin:32px 0 8px;padding-top:12px;border-top:1px solid var(--line)}"
    ".lead{background:var(--raised);padding:16px 20px;font-size:17px}.small{font-size:13px;color:var(--muted)}"
    "p{max-width:72ch}.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:13px}"
    "caption{text-align:left;color:var(--muted);padding-bottom:6px}"
    "th,td{text-align:left;vertical-align:top;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);"
    "font-variant-numeric:tabular-nums}"
)


def _letter_text(text: J) -> str:
    """A text as a page shows it: nothing of it is markup, and nothing steers the direction of its surroundings."""
    out = str(text)
    for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&#34;"), ("'", "&#39;")):
        out = out.replace(sign, name)
    return out


def _letter_block(block: J) -> str:
    kind, *rest = block
    if kind in ("h1", "h2"):
        return f"<{kind} dir=auto>{_letter_text(rest[0])}</{kind}>"
    if kind in ("p", "lead", "small"):
        name = "" if kind == "p" else f' class="{kind}"'
        return f"<p{name} dir=auto>{_letter_text(rest[0])}</p>"
    if kind == "list":
        return f"<ul>{''.join(f'<li dir=auto>{_letter_text(item)}</li>' for item in rest[0])}</ul>"
    if kind == "table":
        caption, heads, rows = rest
        head = "".join(f'<th scope="col">{_letter_text(h)}</th>' for h in heads)
        body = "".join("<tr>" + "".join(f"<td dir=auto>{_letter_text(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
        return (
            f'<div class="wide"><table><caption>{_letter_text(caption)}</caption>'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table></div>"
        )
    raise ValueError(f"a block of an unknown kind: {kind}")


def letter_main(page: J) -> tuple[str, str]:
    """Title and main element of a page, from its blocks."""
    return _letter_text(page["title"]), "<main>\n" + "".join(_letter_block(b) + "\n" for b in page["blocks"]) + "</main>\n"


def letter_document(page: J, first: str) -> str:
    """The page up to its evidence.

    Args:
        page: Title and blocks.
        first: How every page begins.
    """
    title, main = letter_main(page)
    return (
        f'{first}<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<meta name="robots" content="noindex">\n'
        f"<title>{title}</title>\n<style>{LETTER_STYLE}</style>\n</head>\n<body>\n{main}"
    )


def check_letter_page(
    notes: Notes, payload: J, document: str | None, first: str, evidence: str, made: LetterPage | None
) -> None:
    """The page shows its blocks and nothing else, and the blocks are what the payload's numbers say.

    Args:
        notes: Where to note what is found.
        payload: The payload.
        document: The file's text; None where there is no page.
        first: How every page begins.
        evidence: How its evidence begins.
        made: Makes the page of a payload; without it the words are not compared with the numbers.
    """
    before = len(notes.differences)
    page = payload["page"]
    if document is not None:
        shown = document[: document.find(evidence)]
        wanted = letter_document(page, first)
        if sha256(shown) != sha256(wanted):
            notes.differs("page", "the blocks that the payload carries", "another text or other marks")
    if made is None:
        notes.left.append("the words of the page, which need the package (xpbench verify)")
    else:
        own = made(payload)
        if own["edition"] != page["edition"]:
            notes.left.append(f"the words of the page, which another release has written (edition {page['edition']})")
        elif canonical(own) != canonical(page):
            where = next((i for i, (a, b) in enumerate(zip(own["blocks"], page["blocks"], strict=False)) if a != b), -1)
            a, b = (p["blocks"][where] if 0 <= where < len(p["blocks"]) else p["title"] for p in (own, page))
            notes.differs("page, words", a, b)
    if len(notes.differences) == before:
        notes.has_cells = made is not None
        notes.checked.append("the page shows what its payload says" if made is not None else "the page shows its blocks")
        if document is not None:
            notes.depth = "in full"


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


# --------------------------------------------------------------------------------------------------------------------- grammar
# The order of a ledger's entries: the second copy of the table, which imports nothing of the first.

GRAMMAR: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "registered": ((), ("*",)),
    "amended": (("registered",), ("restarted",)),
    "launched": (("registered",), ("restarted",)),
    "restarted": (("registered",), ("restarted",)),
    "superseded": (("decided", "deferred"), ()),
    "watched": (("decided",), ()),
}
"""By kind: one of these came before, none of these did (`*`: no entry at all); every other kind comes after `registered`."""

KINDS = (
    "amended",
    "concluded",
    "decided",
    "deferred",
    "launched",
    "looked",
    "memo",
    "opened",
    "peeked",
    "preflight",
    "published",
    "registered",
    "repaired",
    "restarted",
    "rolled_back",
    "signed_off",
    "stamped",
    "superseded",
    "waived",
    "watched",
)
"""Every kind that this release writes; an entry of another one is of a newer version."""

ABOUT_THE_PLAN = ("amended", "launched", "looked", "opened", "peeked", "decided", "deferred", "watched", "restarted")
CONFLICTS = ("amended", "decided", "deferred", "restarted")
"""What an entry of these kinds does not commute with, once it says on which head it was based."""


def order(entries: Sequence[tuple[J, str]]) -> str:
    """What is wrong with the order of entries (each with the digest of its line), "" where nothing is."""
    seen: list[str] = []
    plan, decision = "", 0
    for number, (entry, _) in enumerate(entries, 1):
        kind, body = entry["kind"], entry["body"]
        wrong = _base(entry, number, entries) if entry["schema"] >= 2 else ""
        if wrong:
            return wrong
        if seen and seen[0] != "registered" and kind != "registered":
            seen.append(kind)
            continue
        needs, bars = GRAMMAR.get(kind, (("registered",), ()))
        if needs and seen and not set(needs) & set(seen):
            return f"entry {number}, {kind}, needs {needs[0]} before it"
        if ("*" in bars and seen) or set(bars) & set(seen):
            return f"entry {number}, {kind}, can't come after {seen[0] if '*' in bars else bars[0]}"
        if entry["schema"] >= 2 and "merged" not in body:
            about = body.get("replaces" if kind == "amended" else "plan_digest", plan)
            if kind in ABOUT_THE_PLAN and plan and about != plan:
                return f"entry {number}, {kind}, speaks of a plan that is not in force"
            if kind in ("decided", "deferred") and (body.get("supersedes", decision or None) or 0) != decision:
                return f"entry {number}, {kind}, does not say which decision it supersedes"
        seen.append(kind)
        if kind in ("registered", "amended"):
            plan = str(body.get("plan_digest", ""))
        elif kind in ("decided", "deferred"):
            decision = number
    return ""


def _base(entry: J, number: int, entries: Sequence[tuple[J, str]]) -> str:
    """What is wrong with the head on which an entry says it is based."""
    if "base" not in entry:
        return ""
    length, _, digest = str(entry["base"]).partition(":")
    place = int(length) if length.isascii() and length.isdigit() else -1
    if not 0 <= place < number or digest != (entries[place - 1][1] if place else "0" * 64):
        return f"entry {number} is based on a head that this ledger never had"
    since = [e["kind"] for e, _ in entries[place : number - 1]]
    if entry["kind"] in CONFLICTS and set(CONFLICTS) & set(since):
        return f"entry {number}, {entry['kind']}, is based on an older head than the {set(CONFLICTS).intersection(since).pop()}"
    return ""


# ----------------------------------------------------------------------------------------------------------------------- bound
# What a look bound, and what a decision rests on.

def _merged_at(entry: J) -> str:
    return str((entry["body"].get("merged") or {}).get("at", ""))


def data_of(entry: J) -> str:
    """The data that a look was at: the digest of what was read, and how it was read where that differs."""
    body = entry["body"]
    data = str(body.get("same_data") or body.get("fingerprint"))
    how = {k: v for k, v in ((body.get("reading") or {}).get("how") or {}).items() if k not in ("slices", "day")}
    return f"{data} {canonical(how)}" if how else data


def _check_same_data(notes: Notes, entries: Sequence[J]) -> None:
    """A look that says at which earlier data it was agrees with it in the rows, and in every column that both read."""
    known: dict[str, dict[str, str]] = {}
    for e in entries:
        body = e["body"]
        content = body.get("content")
        if e["kind"] not in ("opened", "peeked") or not isinstance(content, dict):
            continue
        data = str(body.get("same_data") or body.get("fingerprint"))
        if "same_data" in body:
            earlier = known.get(data, {})
            shared = earlier.keys() & content.keys()
            if "" not in shared or any(earlier[name] != content[name] for name in shared):
                notes.differs(f"look of entry {e['seq']}, data", "the data of an earlier look", "other data")
        known.setdefault(data, {}).update(content)


def look_on_record(readout: J, entries: Sequence[J]) -> J | None:
    """The entry of the look that a readout came from."""
    times = ((e, (e["at"], _merged_at(e))) for e in entries if e["kind"] in ("opened", "peeked"))
    found = [e for e, at in times if readout["at"] in at and e["kind"] == readout["kind"]]
    if len(found) > 1:  # of several at one moment the one that showed this
        parts = {part: sha256(canonical(readout[part])) for part in ("summary", "health", "rows")}
        return next((e for e in found if e["body"].get("shown") == parts), found[0])
    return found[0] if found else None


def is_known(entry: J, look: J, entries: Sequence[J]) -> bool:
    """Whether an entry was on record for whoever took the look, where a repair may have joined two sides as well."""
    merged, own = look["body"].get("merged"), entry["body"].get("merged")
    if not merged:
        return bool(entry["seq"] <= look["seq"])
    forks = [e["body"]["fork"] for e in entries[: look["seq"]] if e["kind"] == "repaired" and "fork" in e["body"]]
    return bool(entry["seq"] <= (forks[-1] if forks else 0) or (own and own["seq"] <= merged["seq"]))


def place_then(entry: J, look: J) -> int:
    """The place of an entry when the look was taken: on its own side, where a repair has put both back from there."""
    own = entry["body"].get("merged")
    return int(own["seq"] if own and look["body"].get("merged") else entry["seq"])


def check_bound(notes: Notes, payload: J, entries: list[J]) -> None:
    """The readout is what its look showed; the decision names that look and those that came later at other data."""
    readout, before = payload["readout"], len(notes.differences)
    _check_same_data(notes, entries)
    look = look_on_record(readout, entries)
    if look is not None:
        body = look["body"]
        for part, digest in body.get("shown", {}).items():
            notes.same(f"look, {part} as shown", digest, sha256(canonical(readout[part])))
        counts = body.get("health", {})
        for status in ("warn", "fail"):
            if status in counts:
                told = sorted(c["name"] for c in readout["health"] if c["status"] == status)
                notes.same(f"look, health checks that {status}", counts[status], told)
        if "shown" in body:
            notes.checked.append("moments and health are those that the look on record showed")
    last = next((e for e in reversed(entries) if e["kind"] in ("decided", "deferred")), None)
    if look is not None and last is not None and "look" in last["body"]:
        notes.same("decision, look that it rests on", look["seq"], last["body"]["look"]["seq"])
        seen, later = {data_of(look)}, []
        for e in entries:
            data = data_of(e)
            if (
                not is_known(e, look, entries)
                and e["seq"] < last["seq"]
                and e["kind"] in ("opened", "peeked")
                and data not in seen
            ):
                seen.add(data)
                later.append(e["seq"])
        notes.same("decision, later looks at other data", later, last["body"].get("later_looks", []))
        if later:
            notes.checked.append(f"the decision rests on an older look: {len(later)} later at other data on record")
    if len(notes.differences) == before and look is not None:
        notes.checked.append("the decision rests on that look")


# ----------------------------------------------------------------------------------------------------------------------- chain
# The ledger's chain, and the story in it.

LEDGER_SCHEMA = 2
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
        if entry["schema"] > LEDGER_SCHEMA:  # which may be written and hashed in another way
            raise NewerError(f"entry {number} of the ledger has schema {entry['schema']}")
        own = _SUM.search(line)
        if own is None or sha256(line[: own.start()] + "}") != own[1]:
            raise ValueError(f"entry {number} was changed: its own SHA-256 does not fit")
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
    wrong = order(linked)
    if wrong:
        notes.differs("ledger, order of entries", "one plan, registered first, and entries about the plan in force", wrong)
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
    r"/(title|owner|notes|template|links|people|audience)",
    r"/variants/\[[^\]]*\]/(name|description|picture)",
    r"/metrics/\[[^\]]*\]/(name|description|currency)",
    r"/watch",
    r"/sign_offs",
    r"/ramp",
    r"/looks",
    r"/planning",
    r"/assignment/rollout/\[[^\]]*\]/share",
)
"""Pointers of fields whose change can't favour anybody."""


def is_neutral(pointer: str) -> bool:
    """Whether a change of the field can't turn a result."""
    return any(re.match(pattern + r"(?=/|\Z| \(order\)\Z)", pointer) for pattern in NEUTRAL)


def as_assigned(plan: J) -> list[J]:
    """Key, split and whether it is the control of every variant, dropped treatments in their places."""
    out = [[v["key"], v["split"], bool(v.get("control"))] for v in plan["variants"]]
    for gone in sorted(plan.get("dropped") or (), key=lambda d: int(d["place"])):
        out.insert(gone["place"], [gone["key"], gone["split"], False])
    return out


def pointers_of_drop(before: J, after: J) -> set[str]:
    """The fields that an amendment changes by dropping treatments and nothing else; corrections go on counting these."""
    own = {v["key"]: v for v in before["variants"]}
    were = {d["key"] for d in before.get("dropped") or ()}
    gone = [d["key"] for d in after.get("dropped") or () if d["key"] not in were]
    if not gone or any(k not in own or own[k].get("control") for k in gone):
        return set()
    if [k for k in own if k not in gone] != [v["key"] for v in after["variants"]] or as_assigned(before) != as_assigned(after):
        return set()
    out = {f"/variants/[{k}]" for k in gone} | ({f"/dropped/[{k}]" for k in gone} if were else {"/dropped"})
    units, splits = (before.get("horizon") or {}).get("units"), [v["split"] for v in before["variants"]]
    for k in gone:
        units = None if units is None else round(units * (sum(splits) - own[k]["split"]) / sum(splits))
        splits.remove(own[k]["split"])
    if units is not None and (after.get("horizon") or {}).get("units") == units:
        out.add("/horizon/units")
    return out


def check_assigned(notes: Notes, entries: Sequence[J]) -> None:
    """No amendment changed which variants there are and how large; a treatment that was dropped stays in the family."""
    plans = [e["body"]["plan"] for e in entries if e["kind"] in ("registered", "amended")]
    for plan in plans[1:]:
        notes.same("variants and splits, as registered", as_assigned(plans[0]), as_assigned(plan))
    gone = [d["key"] for d in plans[-1].get("dropped") or ()]
    if gone:
        notes.checked.append(f"dropped while it ran, and counted by every correction: {', '.join(gone)}")


def _check_found(notes: Notes, entry: J, told: J, amended: Sequence[J], dropped: J) -> None:
    """What a look found, and whether it counts for later ones, as the ledger has it."""
    body, where = entry["body"], f"look of entry {entry['seq']}"
    turned = any(e["seq"] > entry["seq"] and any(not is_neutral(c["pointer"]) for c in e["body"]["changes"]) for e in amended)
    counts = entry["kind"] == "opened" and "findings" in body and not body["health"]["gates"] and not turned
    gone = {d["key"] for d in dropped or ()}
    units = body["n"] - sum(n for k, n in body["units"].items() if k in gone)
    recorded = [units, body.get("last", ""), body.get("findings"), counts and bool(body.get("findings"))]
    shown = [told["units"], told.get("last", ""), told.get("findings"), told.get("counts", False)]
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
    used, promised = readout.get("methods", 1), body.get("methods", 1)
    if used < promised or (used > promised and used != 2):  # an older experiment is read by the second edition at most
        notes.differs("edition of the methods, as registered", promised, used)
    in_force = [e for e in entries if e["kind"] in ("registered", "amended")][-1]
    notes.same("plan in force", sha256(canonical(in_force["body"]["plan"])), digest)
    check_assigned(notes, entries)
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
    look = look_on_record(readout, entries)
    if look is None:
        notes.differs("look", "the readout's look in the ledger", "none at its time")
    else:
        notes.same("look, data fingerprint", look["body"]["fingerprint"], readout["summary"]["fingerprint"])
        notes.same("look, units", look["body"]["units"], readout["summary"]["units"])
        upto = [e for e in looks if is_known(e, look, entries)]
        notes.same(
            "looks",
            [(place_then(e, look), e["kind"] == "opened") for e in upto],
            [(x["seq"], x["planned"]) for x in readout["looks"]],
        )
        for entry, told in zip(upto, readout["looks"], strict=False):
            body, at = entry["body"], (entry["at"], (entry["body"].get("merged") or {}).get("at", ""))
            known = [told["at"] in at, entry["by"] or "", body.get("reason", "")]
            notes.same(
                f"look of entry {entry['seq']}, time, person and reason", known, [True, told["by"] or "", told["reason"]]
            )
            if "agent" in told:  # a readout of an earlier release does not name the program
                notes.same(f"look of entry {entry['seq']}, program", entry.get("agent", ""), told["agent"])
            if "findings" in entry["body"] or "findings" in told:
                before_it = [e for _, e in amended if e["seq"] < look["seq"]]
                _check_found(notes, entry, told, before_it, plan.get("dropped"))
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


# --------------------------------------------------------------------------------------------------------------------- exports
# Files that a memo is exported to, and text that a mail gateway puts around one: what each of them can prove.

IN_ARCHIVE = ("memo.html", "payload.json", "plan.json", "ledger.jsonl", "verify.py")
_LIMIT = 64 * 1024 * 1024
_NO_EVIDENCE = "it carries no evidence. The evidence is in the HTML memo: verify that file"


def refuse_copies(data: bytes) -> None:
    """Say what a copy without evidence is.

    Raises:
        UnreadableError: a PDF, the Markdown of a first page, or the interactive edition.
    """
    if data.startswith(b"%PDF"):
        raise UnreadableError(f"this is a PDF, a print of a page; {_NO_EVIDENCE}", "a copy")
    head = data[:4096].lstrip(b"\xef\xbb\xbf")
    if head.startswith(b"## ") and b"memo payload `" in data:
        raise UnreadableError(
            f"this is the first page of a memo as Markdown; {_NO_EVIDENCE}, and compare its payload digest with the one here",
            "a copy",
        )
    if b"<strong>Interactive edition.</strong>" in data and b'id="xpbench-payload"' not in data:
        raise UnreadableError(f"this is the interactive edition of a memo, which runs a script; {_NO_EVIDENCE}", "a copy")


def memo_in(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """The memo in an archive, and everything that is next to it there.

    Raises:
        UnreadableError: no archive of a memo, or one that is too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            if "memo.html" not in names:
                raise UnreadableError("this archive has no memo.html in it")
            if len(set(names)) != len(names):
                raise UnreadableError("the archive has two files of one name")
            if sum(info.file_size for info in infos) > _LIMIT:
                raise UnreadableError(f"the archive holds more than {_LIMIT:,} bytes", "too large")
            _refuse_gaps(infos, archive, data)
            files = {name: archive.open(name).read(_LIMIT + 1) for name in names}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise UnreadableError(f"the archive can't be read: {error}", "truncated") from None
    return files.pop("memo.html"), files


def _refuse_gaps(infos: Sequence[zipfile.ZipInfo], archive: zipfile.ZipFile, data: bytes) -> None:
    """Every byte of an archive belongs to a file that its directory names, so that no two programs unpack other files.

    Raises:
        ValueError: there is something else in it.
    """
    at = 0
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset - at not in ((0, 12, 16) if at else (0,)):  # behind a file there may be its length once more
            raise ValueError(f"bytes before {info.filename} that are not a file of its directory")
        head = data[info.header_offset : info.header_offset + 30]
        lengths = [int.from_bytes(head[i : i + 2], "little") for i in (26, 28)]
        at = info.header_offset + 30 + sum(lengths) + info.compress_size
    end = data.rfind(b"PK\x05\x06")
    if archive.start_dir - at not in (0, 12, 16) or archive.comment or end + 22 != len(data):
        raise ValueError("bytes that are not a file of its directory")


def check_archive(notes: Notes, payload: J, files: dict[str, bytes], memo: bytes) -> None:
    """Everything in an archive is what its memo carries; the program in it is named, and not trusted."""
    ledger = "".join(f"{line}\n" for line in payload["ledger"]["lines"])
    expected = {
        "payload.json": canonical(payload) + "\n",
        "plan.json": canonical(payload["readout"]["plan"]) + "\n",
        "ledger.jsonl": ledger,
    }
    for name, text in expected.items():
        if files.get(name) != text.encode("utf-8", "surrogatepass"):
            notes.differs(f"archive, {name}", "what the memo carries", "nothing" if name not in files else "something else")
    known = {*IN_ARCHIVE, "ro-crate-metadata.json"}
    for name in sorted(files.keys() - known):
        notes.differs("archive", "no other files", name)
    if "page" in payload:
        _check_description(notes, payload, files, memo)
        return
    try:
        entities = {e["@id"]: e for e in loads(files["ro-crate-metadata.json"].decode())["@graph"]}
        described = {name: entity.get("sha256") for name, entity in entities.items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        notes.differs("archive, ro-crate-metadata.json", "a description of the files", "none that can be read")
        return
    for name, data in {**files, "memo.html": memo}.items():
        if name != "ro-crate-metadata.json" and described.get(name) != _digest(data):
            notes.differs(f"archive, digest of {name}", _digest(data), described.get(name, "nothing"))
    _archive_holds(notes)


def _archive_holds(notes: Notes) -> None:
    if not notes.differences:
        notes.checked.append("payload, plan and ledger in the archive are those of the memo in it")
    notes.not_checked.append("the verify.py in the archive: take yours from the project, not from whom you check")


_CONTENTS = {
    "memo.html": ("text/html", "Decision memo that carries its evidence"),
    "payload.json": ("application/json", "Plan, moments, readout, decision, ledger"),
    "plan.json": ("application/json", "The plan in force"),
    "ledger.jsonl": ("application/jsonl", "Hash-chained ledger up to the memo"),
    "verify.py": ("text/x-python", "Verifier without dependencies: python verify.py memo.html"),
}


def _check_description(notes: Notes, payload: J, files: dict[str, bytes], memo: bytes) -> None:
    """The archive's description of itself, made again from its files and from the memo, word by word."""
    cells, readout = payload["page"]["cells"], payload["readout"]
    head = {"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"}}
    graph: list[J] = [{**head, "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"}}]
    root = {
        "name": f"{cells['decision']['headline']}: {cells['title']}",
        "description": " ".join(cells["impact"]),
        "datePublished": readout["at"],
        "identifier": readout["plan_digest"],
        "hasPart": [{"@id": name} for name in _CONTENTS],
    }
    links = {"license": {"@id": "#license"}, "author": {"@id": "#owner"}, "publisher": {"@id": "#owner"}}
    graph.append({"@id": "./", "@type": "Dataset", **root, **links})
    graph.append({"@id": "#owner", "@type": "Organization", "name": cells["owner"]})
    words = "The owner of the experiment decides who may use these data; ask before passing them on."
    graph.append({"@id": "#license", "@type": "CreativeWork", "name": "All rights reserved", "description": words})
    for name, (kind, what) in _CONTENTS.items():
        data = memo if name == "memo.html" else files.get(name, b"")
        about = {"name": what, "encodingFormat": kind, "contentSize": str(len(data)), "sha256": _digest(data)}
        graph.append({"@id": name, "@type": "File", **about})
    context = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "http://schema.org/sha256"}]
    expected = canonical({"@context": context, "@graph": graph})
    try:
        found = canonical(loads(files["ro-crate-metadata.json"].decode()))
    except (KeyError, ValueError) as error:
        found = f"none that can be read ({type(error).__name__})"
    if expected != found:
        at = next((i for i, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b), min(len(expected), len(found)))
        notes.differs("archive, its own description", expected[max(0, at - 40) :], found[max(0, at - 40) :])
    _archive_holds(notes)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_TAGS = frozenset(
    (
        *("div", "p", "span", "b", "strong", "i", "em", "u", "a", "br", "hr", "font", "center", "small", "blockquote"),
        *("table", "tbody", "thead", "tr", "td", "th"),
    )
)
_EMPTY = frozenset(("br", "hr"))
_ATTRIBUTES = frozenset(
    (
        *("style", "align", "valign", "width", "height", "border", "cellpadding", "cellspacing", "bgcolor", "color", "face"),
        *("size", "href", "role"),
    )
)
_STYLES = re.compile(
    r"\s*(?:(?:color|background(?:-color)?|border(?:-[a-z-]+)?|padding(?:-[a-z]+)?|margin(?:-[a-z]+)?|font(?:-[a-z]+)?|text-align|"
    r"line-height|width|max-width|vertical-align|border-collapse|text-decoration)\s*:\s*[^;:()\\-][^;:()\\]*;?\s*)*\Z"
)


_NAME = r"[A-Za-z][A-Za-z0-9]*"
_VALUE = r"""(?:"[^"<>]*"|'[^'<>]*'|[^\s"'=<>`/]+)"""
_TOKEN = re.compile(
    rf"""<(?P<tag>{_NAME})(?P<attributes>(?:\s+[A-Za-z-]+\s*=\s*{_VALUE})*)\s*(?P<slash>/?)>|</(?P<end>{_NAME})\s*>"""
    r"""|<!--(?!-?>)(?P<comment>(?:(?!--).)*)-->|(?P<text>[^<\0]+)""",
    re.DOTALL,
)
"""Markup that every reader of HTML takes in the same way; what browsers repair in ways of their own fits none of it."""
_ATTRIBUTE = re.compile(rf"([A-Za-z-]+)\s*=\s*({_VALUE})")
_MOVES = re.compile(r"-\s*[\d.]|/\*|url|expression|!")
"""Negative lengths, comments that hide one, and what fetches or runs."""


class _Added:
    """Text that was added around a page: what it says, and whether it is no more than text."""

    def __init__(self, piece: str) -> None:
        self.said: list[str] = []
        self.is_plain = True
        self._open: list[str] = []
        at = 0
        while at < len(piece):
            token = _TOKEN.match(piece, at)
            if token is None:
                self.is_plain = False
                self.said.append(" ".join(piece[at:].split()))
                return
            self._take(token)
            at = token.end()
        self.is_plain &= not self._open

    def _take(self, token: re.Match[str]) -> None:
        if token["text"] is not None:
            text = " ".join(unescape(token["text"]).split())
            self.said += [text] if text else []
        elif token["tag"] is not None:
            self._begin(token["tag"].lower(), token["attributes"], is_closed=bool(token["slash"]))
        elif token["end"] is not None:
            tag = token["end"].lower()
            self.is_plain &= bool(self._open) and self._open.pop() == tag
        else:
            self.is_plain &= "xpbench" not in (token["comment"] or "")

    def _begin(self, tag: str, attributes: str, *, is_closed: bool) -> None:
        if tag not in _TAGS or (is_closed and tag not in _EMPTY):  # a browser leaves <div/> open
            self.is_plain = False
        for name, value in _ATTRIBUTE.findall(attributes):
            text = unescape(value.strip("\"'")).strip().lower()
            if name.lower() not in _ATTRIBUTES:
                self.is_plain = False
            if name.lower() == "style" and (not _STYLES.match(text) or _MOVES.search(text)):
                self.is_plain = False
            if name.lower() == "href" and not re.match(r"(?:https?|mailto):", text):
                self.is_plain = False
        if tag not in _EMPTY:
            self._open.append(tag)


def read_added(pieces: list[str]) -> list[Difference]:
    """What was added around a page: plain text, as mail gateways add it, or markup that can run, cover or hide."""
    found: list[Difference] = []
    for piece in pieces:
        if not piece.strip():
            continue
        added = _Added(piece)
        said = shortened(" ".join(added.said) or piece)
        if added.is_plain:
            found.append(Difference("added around the page", "nothing", said))
        else:
            found.append(Difference("markup around the page", "nothing that can run, cover or hide the page", said))
    return found


# ------------------------------------------------------------------------------------------------------------------------ file
# The file: its bytes, its parts, its seal.

PAYLOAD_SCHEMA = 2
"""Newest schema of a memo's payload that this program reads."""
PAYLOAD_KINDS: J = {
    "xpbench memo": (PAYLOAD_SCHEMA, PAYLOAD_KEYS),
    WATCH_LETTER: (1, WATCH_KEYS),
    PROGRAMME: (1, PROGRAMME_KEYS),
}
"""Newest schema and shape of each kind of payload."""
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
_BODY, _MAIN, _MAIN_END = "<body>\n", "<main>\n", "</main>\n"
PAGES = (".html", ".htm", ".xhtml", ".xht", ".svg", ".xml", ".mht", ".mhtml", ".shtml")
"""Endings by which programs show a file as a page."""


def read(path: str | Path) -> bytes:
    """The file's bytes."""
    file = Path(path)
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise UnreadableError(f"the file has {size:,} bytes, more than the {MAX_BYTES:,} that a memo may have", "too large")
        return file.read_bytes()
    except OSError as error:
        raise UnreadableError(f"the file can't be read: {error.strerror or error}", "not there") from None
    except ValueError:
        raise UnreadableError("the path names no file", "not there") from None


def decoded(data: bytes) -> tuple[str, list[Difference]]:
    """Text of a file's bytes, with line ends put back where a mail client rewrote them, without what was added around it."""
    found: list[Difference] = []
    refuse_copies(data)
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
        raise UnreadableError("the file is not UTF-8 text") from None
    if text.lstrip(" \t\n").startswith("<") and not text.endswith(LAST) and text.rstrip(" \t\n").endswith(LAST.strip()):
        found.append(Difference("final newline", "one, as saved", "white space at the end was added or taken away"))
        text = text.rstrip(" \t\n") + "\n"
    text, pieces = without_additions(text)
    return text, found + read_added(pieces)


def without_additions(text: str) -> tuple[str, list[str]]:
    """A page without what was put before, behind and between its parts, and those pieces.

    The parts are its head, its main element, its evidence and its end. What is inside of them is never touched.
    """
    start = text.find(FIRST)
    body = text.find(_BODY, start)
    main, main_end = text.find(_MAIN, body), text.rfind(_MAIN_END)
    evidence = text.find(PAYLOAD, main_end)
    seal = text.rfind(SEAL)
    end = text.find(END, seal)
    if not 0 <= start < body < main < main_end < evidence < seal < end:
        return text, []
    last = end + len(END) + 1
    rest = text[last:].split("</body>")
    behind = rest[1].split("</html>") if len(rest) == 2 else []
    if len(behind) != 2:
        return text, []
    cuts = [(start, body + len(_BODY)), (main, main_end + len(_MAIN_END)), (evidence, last)]
    pieces = [text[:start], text[cuts[0][1] : main], text[cuts[1][1] : evidence], rest[0], *behind]
    if not any(piece.strip() for piece in pieces):
        return text, []
    return "".join(text[a:b] for a, b in cuts) + "</body>\n</html>\n", pieces


def parts_of(document: str) -> tuple[str, str | None]:
    """The payload's text, and the seal's (None for a bare payload file)."""
    if document.lstrip().startswith("{"):
        return document.removesuffix("\n"), None
    if "xpbench" not in document:
        raise UnreadableError("this is not an xpbench memo")
    if not document.rstrip().endswith("</html>") and SEAL not in document:
        raise UnreadableError("the file ends too early: a truncated download", "truncated")
    at, seal_at = document.find(PAYLOAD), document.rfind(SEAL)
    if at < 0 or seal_at < 0:
        raise ValueError("the elements that carry the evidence are damaged or missing")
    end, seal_end = document.find(END, at), document.find(END, seal_at)
    if end < 0 or seal_end < 0:
        raise UnreadableError("the file ends too early: a truncated download", "truncated")
    return document[at + len(PAYLOAD) : end], document[seal_at + len(SEAL) : seal_end]


def sealed(path: str | Path, notes: Notes, data: bytes | None = None) -> tuple[J, str | None, str]:
    """Payload, the seal's text and the document, with the digests of file and payload checked.

    Args:
        path: The file.
        notes: Where to note what is found.
        data: Its bytes, where they were read already.
    """
    document, found = decoded(read(path) if data is None else data)
    notes.differences += found
    text, seal_text = parts_of(document)
    try:
        payload = loads(text)
    except ValueError as error:
        if seal_text is None:
            cut = any(kind in text for kind in PAYLOAD_KINDS) and not text.endswith("}")
            reason = "the file ends too early: a truncated download" if cut else f"this is not an xpbench memo: {error}"
            raise UnreadableError(reason, "truncated" if cut else "no memo") from None
        raise
    if not isinstance(payload, dict) or payload.get("kind") not in PAYLOAD_KINDS:
        raise (UnreadableError("this is not an xpbench memo") if seal_text is None else ValueError("the payload is not a memo"))
    newest, shape = PAYLOAD_KINDS[payload["kind"]]
    if type(payload.get("schema")) is int and payload["schema"] > newest:
        raise NewerError(f"the memo has schema {payload['schema']}, this program reads up to {newest}")
    if type(payload.get("schema")) is not int or payload["schema"] < 1:
        notes.differs("schema", f"a whole number from 1 to {newest}", payload.get("schema"))
    for place, expected, other in unknown_keys(payload, shape):
        notes.differs(f"payload, {place}", expected, other)
    whole = canonical(payload)
    if seal_text is None:
        _check_bare(notes, path, text, whole)
    else:
        _check_sealed(notes, document, (text, seal_text), whole)
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


# ----------------------------------------------------------------------------------------------------------------------- story
# The parts of a payload that the ledger's entries fix, derived from them a second time.

def _person(entry: J) -> str:
    return entry["by"] or ""


def _text(value: J) -> str:
    return str(value or "")


def told_by(entries: Sequence[J], readout: J) -> dict[str, J]:
    """Amendments, waivers, sign-offs and the decision as the entries have them.

    Args:
        entries: Of a chain that holds.
        readout: Its plan says who was asked to sign, its recommendation whether the decision follows the rule.
    """
    amendments = [
        {
            "at": e["at"],
            "by": _person(e),
            "reason": str(e["body"].get("reason", "")),
            "knowledge": level_of(entries[:i]),
            "changes": [str(c.get("pointer", c)) if isinstance(c, dict) else str(c) for c in e["body"].get("changes", [])],
            "seq": e["seq"],
        }
        for i, e in enumerate(entries)
        if e["kind"] == "amended"
    ]
    waivers = [
        {
            "at": e["at"],
            "by": _person(e),
            "what": "; ".join(f"{k}: {v}" for k, v in e["body"].items() if isinstance(v, (str, int, float))),
        }
        for e in entries
        if e["kind"] == "waived"
    ]
    return {
        "amendments": amendments,
        "waivers": waivers,
        "sign_offs": _signed(entries, readout["plan"]),
        "decision": _decided(entries, readout["recommendation"]),
    }


def _signed(entries: Sequence[J], plan: J) -> list[J]:
    out = []
    for e in entries:
        if e["kind"] == "signed_off":
            body = e["body"]
            out.append(
                {
                    "name": str(e["by"] or body.get("name", "")),
                    "at": e["at"],
                    "plan_digest": str(body.get("plan_digest", "")),
                    "needed_for": str(body.get("for", "")),
                    "role": _text(body.get("role")),
                    **_signature(body),
                }
            )
    for person in plan.get("sign_offs", []):
        role, needed = _text(person.get("role")), person.get("needed_for", "")
        mine = next((s for s in out if s["name"] == person["name"]), None)
        if mine is None:
            blank = {"at": "", "plan_digest": "", "signature": "", "key": "", "covers": ""}
            out.append({"name": person["name"], "needed_for": needed, "role": role, **blank})
        else:
            mine["role"], mine["needed_for"] = mine["role"] or role, mine["needed_for"] or needed
    return out


def _signature(body: J) -> dict[str, str]:
    given = body.get("signature")
    if not isinstance(given, dict):
        return {"signature": "", "key": "", "covers": ""}
    covers = "plan and decision" if "decision" in body else "plan"
    return {"signature": str(given.get("kind", "")), "key": key_fingerprint(given), "covers": covers}


def key_fingerprint(given: J) -> str:
    """SHA-256 of the public key as OpenSSH writes it; "" where there is no readable key."""
    public = str(given.get("public_key", ""))
    try:
        blob = (
            base64.b64decode(public.split()[1], validate=True) if given.get("kind") == "ssh" else _wire(bytes.fromhex(public))
        )
    except (ValueError, IndexError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def _wire(raw: bytes) -> bytes:
    """An Ed25519 key in OpenSSH's form: lengths of four bytes, then name and key."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", raw))


def check_sign_offs(notes: Notes, entries: Sequence[J], heads: Sequence[str]) -> None:
    """A signature is bound to the ledger that it was given in, and to the decision and the data on record by then."""
    for e in entries:
        body = e["body"]
        if e["kind"] != "signed_off" or not isinstance(body.get("signature"), dict):
            continue
        where = f"sign-off of {body.get('name')}"
        if e["by"] is not None:
            notes.same(f"{where}, name", body.get("name"), e["by"])
        plans = [p["body"].get("plan_digest") for p in entries[: e["seq"] - 1] if p["kind"] in ("registered", "amended")]
        notes.same(f"{where}, plan", plans[-1] if plans else None, body.get("plan_digest"))
        if "head" not in body:
            continue
        length, _, digest = str(body["head"]).partition(":")
        place = int(length) if length.isascii() and length.isdigit() else 0
        own = heads[place - 1] if 0 < place < e["seq"] else "no such entry"
        if not notes.same(f"{where}, ledger", own, digest):
            continue
        decided = next((d for d in reversed(entries[:place]) if d["kind"] in ("decided", "deferred")), None)
        told = body.get("decision")
        if (told is None) != (decided is None):
            notes.differs(f"{where}, decision", "the decision on record" if decided else "none yet", told or "nothing")
        elif decided is not None:
            on_record = decided["body"]
            notes.same(
                f"{where}, decision",
                [decided["seq"], on_record.get("outcome", "defer"), on_record.get("variant") or ""],
                [told.get("seq"), told.get("outcome"), told.get("variant")],
            )
            notes.same(f"{where}, readout", on_record.get("readout_digest", ""), told.get("readout_digest"))
            looks = [x["body"].get("fingerprint") for x in entries[: decided["seq"] - 1] if x["kind"] in ("opened", "peeked")]
            if told.get("data") not in looks:
                notes.differs(f"{where}, data", "data of a look on record", told.get("data"))


def _decided(entries: Sequence[J], recommendation: J) -> J:
    last = next((e for e in reversed(entries) if e["kind"] in ("decided", "deferred")), None)
    if last is None:
        return None
    body = last["body"]
    outcome = str(body.get("outcome", "defer")) if last["kind"] == "decided" else "defer"
    variant = _text(body.get("variant"))
    return {
        "outcome": outcome,
        "variant": variant,
        "because": str(body.get("because") or body.get("reason") or ""),
        "by": _person(last),
        "at": last["at"],
        "seq": last["seq"],
        "follows_rule": (outcome, variant) == (recommendation["outcome"], recommendation["variant"]),
    }


def check_told(notes: Notes, payload: J, entries: Sequence[J]) -> None:
    """What the payload says of the ledger is what the entries say, to the last name."""
    check_sign_offs(notes, entries, [sha256(line) for line in payload["ledger"]["lines"]])
    for name, expected in told_by(entries, payload["readout"]).items():
        if payload["schema"] == 1 and name == "sign_offs":
            expected = [{k: v for k, v in one.items() if k not in ("key", "covers")} for one in expected]
        if canonical(expected) != canonical(payload[name]):
            notes.differs(f"{name}, from the ledger", canonical(expected), canonical(payload[name]))


# ---------------------------------------------------------------------------------------------------------------------- signed
# Signatures of sign-offs by Ed25519 keys, plain or of SSH: RFC 8032 and OpenSSH's SSHSIG, with nothing but integers.

_NAMESPACE = "xpbench-sign-off"
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]
_NEUTRAL: _Point = (0, 1, 1, 0)


def _sum(a: _Point, b: _Point) -> _Point:
    """Sum of two points in extended coordinates (RFC 8032, section 5.1.4)."""
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % _P, (a[1] + a[0]) * (b[1] + b[0]) % _P
    c, d = 2 * a[3] * b[3] * _D % _P, 2 * a[2] * b[2] % _P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: _Point) -> _Point:
    out = _NEUTRAL
    while factor:
        if factor & 1:
            out = _sum(out, point)
        point, factor = _sum(point, point), factor >> 1
    return out


def _decoded_point(data: bytes) -> _Point | None:
    """The point of 32 bytes; None where they are none."""
    number = int.from_bytes(data, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return x, y, 1, x * y % _P


def _encoded_point(point: _Point) -> bytes:
    inverse = pow(point[2], _P - 2, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P


def fits(public: bytes, signature: bytes, text: bytes) -> bool:
    """Whether an Ed25519 signature fits a text.

    Args:
        public: The key, 32 bytes.
        signature: 64 bytes.
        text: What was signed.

    Source: RFC 8032, section 5.1.7, with R computed again and compared as bytes.
    """
    if len(public) != 32 or len(signature) != 64:
        return False
    key, base = _decoded_point(public), _decoded_point(_BASE_Y.to_bytes(32, "little"))
    s = int.from_bytes(signature[32:], "little")
    if key is None or base is None or s >= _ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + text).digest(), "little") % _ORDER
    minus = (_P - key[0], key[1], key[2], _P - key[3])
    return _encoded_point(_sum(_times(s, base), _times(h, minus))) == signature[:32]


def _wire_strings(data: bytes) -> list[bytes]:
    """Strings of SSH's wire format, one after the other; a ValueError where the lengths don't fit."""
    out, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if at + 4 + size > len(data):
            raise ValueError("a length goes beyond the end")
        out.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return out


def _wired(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def signature_verdict(given: J, text: bytes) -> str:
    """`valid`, `invalid`, or `can't be checked here` for another kind of key.

    Args:
        given: The signature as an entry has it.
        text: What it signs.

    Source: OpenSSH, PROTOCOL.sshsig.
    """
    kind, public, value = (given.get(k) for k in ("kind", "public_key", "value"))
    if not isinstance(public, str) or not isinstance(value, str):
        return "invalid"
    try:
        if kind == "ed25519":
            return "valid" if fits(bytes.fromhex(public), bytes.fromhex(value), text) else "invalid"
        if kind != "ssh":
            return "can't be checked here"
        name, blob = public.split()[:2]
        if name != "ssh-ed25519":
            return "can't be checked here"
        key = base64.b64decode(blob, validate=True)
        armour = re.fullmatch(r"\s*-----BEGIN SSH SIGNATURE-----(.*)-----END SSH SIGNATURE-----\s*", value, re.DOTALL)
        whole = base64.b64decode("".join(armour[1].split()), validate=True) if armour else b""
        if whole[:10] != b"SSHSIG\0\0\0\1":
            return "invalid"
        signer, namespace, reserved, algorithm, inner = _wire_strings(whole[10:])
        own, raw = _wire_strings(key)
        form, signature = _wire_strings(inner)
        if signer != key or namespace != _NAMESPACE.encode() or own != b"ssh-ed25519" or form != own:
            return "invalid"
        hashed = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}[algorithm](text).digest()
        return "valid" if fits(raw, signature, b"SSHSIG" + _wired(namespace, reserved, algorithm, hashed)) else "invalid"
    except (ValueError, KeyError):
        return "invalid"


def signed_text(body: J) -> bytes:
    """What the signature in the body of a sign-off signs."""
    if "head" not in body:
        return f"{_NAMESPACE}\n{body.get('plan_digest', '')}\n{body.get('name', '')}\n".encode()
    covered = {key: value for key, value in body.items() if key != "signature"}
    return f"{_NAMESPACE} 2\n{canonical(covered)}\n".encode()


def check_signatures(notes: Notes, entries: Sequence[J]) -> None:
    """Each signature on record fits what it signs; one of another kind of key is left to the package."""
    for entry in entries:
        body = entry["body"]
        given = body.get("signature")
        if entry["kind"] != "signed_off" or not isinstance(given, dict):
            continue
        name = str(body.get("name", ""))
        verdict = signature_verdict(given, signed_text(body))
        if verdict == "invalid":
            notes.differs(f"sign-off of {name}", "a signature that fits", "one that does not")
        elif verdict == "valid":
            what = "the plan and the name alone" if "head" not in body else "plan, ledger and decision by then"
            notes.checked.append(f"signature of {name} (key {key_fingerprint(given)}) over {what}")
        else:
            notes.left.append(f"the signature of {name}")
            notes.not_checked.append(f"the signature of {name}: its kind of key needs the package (xpbench verify)")


# ----------------------------------------------------------------------------------------------------------------------- first
# Whether the plan came before the data, and what had been seen when it was changed, from the ledger's own dates.

PLAN_STAMPS = {
    "after": "PLANNED AFTER THE DATA",
    "partly": "PARTLY PLANNED AFTER THE DATA",
    "retrospective": "RETROSPECTIVE",
}
AMENDED_STAMP = "AMENDED AFTER EFFECTS"
PLAN_WORDS = {
    "PLANNED AFTER THE DATA": "by a plan made after the data",
    "PARTLY PLANNED AFTER THE DATA": "by a plan made after part of the data",
    "RETROSPECTIVE": "by a retrospective plan",
    "AMENDED AFTER EFFECTS": "by a plan changed after effects were seen",
    "RESTARTED AFTER EFFECTS": "in a run restarted after effects were seen",
    "ONE OF SEVERAL PLANS": "by one of several plans for the same units",
    "MORE LOOKS THAN PLANNED": "at one of more looks than the plan allows for",
    "EXPLORATORY": "by an analysis that was not planned",
    "PEEK": "at a look before results were due",
}
RESTARTED_STAMP, LOOKS_STAMP = "RESTARTED AFTER EFFECTS", "MORE LOOKS THAN PLANNED"
SHARED_STAMP = "ONE OF SEVERAL PLANS"


def _moment(text: str) -> datetime | None:
    if len(text) <= 10:
        return None
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def state_of(registration: J, summary: J) -> str:
    """`before`, `same day`, `partly`, `after`, `retrospective`, or `unknown` where the data have no dates."""
    if registration["body"].get("retrospective") is True:
        return "retrospective"
    first = summary["first_exposure"]
    if not first:
        return "unknown"
    at = datetime.fromisoformat(registration["at"].replace("Z", "+00:00"))
    planned, day, moment = at.date(), date.fromisoformat(first[:10]), _moment(first)
    if day > planned or (day == planned and (moment is None or moment >= at)):
        return "before" if day > planned else "same day"
    if day == planned:
        return "partly"
    last = _moment(summary["last_exposure"])
    limit = planned + timedelta(days=1 if last is not None and last < at else 0)
    by_day = {d: sum(n.values()) for d, n in summary["exposures_by_day"].items()}
    early = sum(n for d, n in by_day.items() if date.fromisoformat(d[:10]) < limit)
    whole = early == sum(by_day.values()) if any(by_day.values()) else last is not None and last < at
    return "after" if whole else "partly"


_WHO_COUNTS = ("/exposure", "/data", "/variants")
"""Fields of the plan whose amendment makes earlier looks ones at other units."""


def found_before(entries: Sequence[J], summary: J) -> str:
    """`after` or `partly` where an earlier look found that, and the data read now have no dates or later ones."""
    first = str(summary["first_exposure"])
    for entry in reversed(entries):
        body = entry["body"]
        if entry["kind"] == "amended" and any(str(c["pointer"]).startswith(_WHO_COUNTS) for c in body.get("changes", ())):
            break
        state = (body.get("health") or {}).get("plan_first", "") if entry["kind"] in ("looked", "opened", "peeked") else ""
        if state in ("after", "partly") and body.get("first_exposure"):
            return str(state) if not first or first[:10] > str(body["first_exposure"])[:10] else ""
    return ""


def amended_after_effects(entries: Sequence[J]) -> bool:
    """Whether a field that can turn a result was amended after effects were seen or a gate had failed."""
    plan = None
    for i, entry in enumerate(entries):
        body = entry["body"]
        if entry["kind"] == "amended":
            gates = any(
                e["body"].get("health", {}).get("gates") for e in entries[:i] if isinstance(e["body"].get("health"), dict)
            )
            drop = pointers_of_drop(plan, body["plan"]) if plan is not None and not gates else ()
            turns = any(not is_neutral(c["pointer"]) and c["pointer"] not in drop for c in body.get("changes", ()))
            if turns and (gates or level_of(entries[:i]) == "effects seen"):
                return True
        plan = body["plan"] if entry["kind"] in ("registered", "amended") else plan
    return False


def stamps_of_record(known: Sequence[J], readout: J) -> list[str]:
    """Stamps that follow from the entries that were known at a look, with its own."""
    out = []
    follows = known[0]["body"].get("follows") or {}
    if follows.get("effects_seen") or follows.get("knowledge") == "effects seen":
        out.append(RESTARTED_STAMP)
    looks = [e for e in known if e["kind"] in ("opened", "peeked")]
    if any(e["body"].get("shared") for e in looks):
        out.append(SHARED_STAMP)
    choices = {c for e in looks if (c := choices_of(e))}
    fixed = readout["plan"]["model"]["kind"] == "frequentist" and len({data_of(e) for e in looks}) > 1
    if fixed or len(choices) > 1 or ends_by_choice(looks) or goes_back(looks):
        out.append(LOOKS_STAMP)
    return out


def choices_of(look: J) -> str:
    """How a look took its data apart, where that is on record; up to when a log was read is not such a choice."""
    reading = look["body"].get("reading") or {}
    how = {k: v for k, v in (reading.get("how") or {}).items() if k not in ("until", "slices", "day")}
    return canonical(how) if how or reading.get("kind") == "log" else ""


def ends_by_choice(looks: Sequence[J]) -> bool:
    """Whether a look was declared the last after the effects of nearly as many units had been seen."""
    for i, look in enumerate(looks):
        seen = max((e["body"]["n"] for e in looks[:i] if not e["body"].get("last")), default=0)
        if look["body"].get("last") and seen >= 0.95 * look["body"]["n"]:
            return True
    return False


def goes_back(looks: Sequence[J]) -> bool:
    """Whether the newest look is at data that end before an earlier look's, or at older data that were left for others."""
    if not looks:
        return False
    until, data = looks[-1]["body"].get("data_until") or "", [data_of(e) for e in looks]
    earlier = any(until < (e["body"].get("data_until") or "") for e in looks[:-1])
    return bool(until and earlier) or (data[-1] in data[:-1] and data[-2] != data[-1])


def check_first(notes: Notes, payload: J, entries: Sequence[J]) -> list[str]:
    """The stamps that ledger and data ask for; a readout that knows of them must carry them, and no other.

    Returns:
        What the reader of a report must know, as words.
    """
    readout = payload["readout"]
    until = [e for e in entries if e["at"] <= readout["at"]]
    state = state_of(entries[0], readout["summary"])
    look = look_on_record(readout, entries)
    known = [e for e in entries if look is not None and is_known(e, look, entries)]
    is_recorded = look is not None and "reading" in look["body"]
    if is_recorded and state != "retrospective":
        state = found_before([e for e in known if e is not look], readout["summary"]) or state
    expected = ([PLAN_STAMPS[state]] if state in PLAN_STAMPS else []) + (
        [AMENDED_STAMP] if amended_after_effects(until) else []
    )
    told = next((c["evidence"].get("state") for c in readout["health"] if c["name"] == "plan_first"), None)
    expected += stamps_of_record(known, readout) if is_recorded else []
    if told is not None:
        notes.same("plan before data", state, told)
        about = (*PLAN_STAMPS.values(), AMENDED_STAMP, *((RESTARTED_STAMP, SHARED_STAMP, LOOKS_STAMP) if is_recorded else ()))
        notes.same("stamps about the plan", sorted(expected), sorted(s for s in readout["stamps"] if s in about))
    if "headline" in readout:
        advice = readout["recommendation"]
        words = [PLAN_WORDS[s] for s in readout["stamps"] if s in PLAN_WORDS]
        plainly = f"{advice['outcome']} {advice['variant']}".strip()
        notes.same("readout, headline", ", ".join([plainly, *words[:1]]), readout["headline"])
    dates = f"registered on {entries[0]['at'][:10]}, first exposure on {readout['summary']['first_exposure'][:10]}"
    if state == "unknown":
        notes.not_checked.append("whether the plan came before the data: they have no dates of exposure")
    else:
        notes.checked.append(f"{PLAN_STAMPS[state]}: {dates}" if state in PLAN_STAMPS else f"the plan came first: {dates}")
    if AMENDED_STAMP in expected:
        notes.checked.append(f"{AMENDED_STAMP}: the plan was changed in a way that can turn the result")
    return expected


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


def cluster_mean(m: Sequence[float]) -> Gradient:
    """Mean per member where whole groups were assigned: the sums of groups over their numbers of members."""
    return ratio_of_means(m)


def per_member(index: int) -> Callable[[Sequence[float]], Gradient]:
    """A covariate per member: the functional that is one of the sums over the numbers of members."""

    def at(m: Sequence[float]) -> Gradient:
        value = m[index] / m[1]
        return value, [1 / m[1] if i == index else -value / m[1] if i == 1 else 0.0 for i in range(len(m))]

    return at


def groups_worth(cell: J) -> float:
    """How many groups of equal size the groups of a cell are worth: Kish's (sum of sizes)² over the sum of their squares."""
    n, mean, spread = cell["n"], cell["mean"][1], cell["cov"][1][1]
    total = mean * mean + spread * (n - 1) / n
    return float(n * mean * mean / total) if total > 0 else NAN


def _weight(cell: J, subject: Callable[[Sequence[float]], Gradient]) -> tuple[float, float]:
    """Factor on the variance of a mean, and how many units it is worth: corrected for few groups of unlike sizes."""
    n = cell["n"]
    if subject is not cluster_mean:
        return 1.0, float(n)
    k = groups_worth(cell)
    return (k / (k - 1) * (n - 1) / n if k > 1 + 1e-12 else NAN), k


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


def _at(subject: Callable[[Sequence[float]], Gradient], means: Sequence[float]) -> Gradient:
    """Value and gradient of one variant; not a number where it does not exist, which says nothing of the other variant."""
    try:
        return subject(means)
    except ZeroDivisionError:
        return NAN, []


def plain_pair(c: J, t: J, subject: Callable[[Sequence[float]], Gradient]) -> Pair:
    """Two estimates without covariates, by the delta method; or why there is none."""
    n = c["n"] + t["n"]
    (mc, gc), (mt, gt) = _at(subject, c["mean"]), _at(subject, t["mean"])
    if c["n"] < 2 or t["n"] < 2:
        return Pair(mc, mt, n=n, status="not_enough_units")
    if not (math.isfinite(mc) and math.isfinite(mt)):
        return Pair(mc, mt, n=n, status="zero_denominator")
    sc, st = _own_variance(gc, c["cov"]), _own_variance(gt, t["cov"])
    flat = _constant(mc, sc), _constant(mt, st)
    if any(flat):
        same = all(flat) and math.isclose(mc, mt, rel_tol=1e-12, abs_tol=0.0)
        return Pair(mc, mt, n=n, status="zero_variance" if same else "separation")
    (fc, kc), (ft, kt) = _weight(c, subject), _weight(t, subject)
    vc, vt = sc / c["n"] * fc, st / t["n"] * ft
    if math.isnan(vc + vt):
        return Pair(mc, mt, n=n, status="not_enough_units")
    return Pair(mc, mt, vc, vt, 0.0, _welch(vc, vt, kc - 1, kt - 1), n)


def with_taken_noise(pair: Pair, c: J, t: J, subject: Callable[[Sequence[float]], Gradient]) -> Pair:
    """A comparison with a constant variant: its noise is taken to be the other's, or where neither varies that of all units."""
    own = [_own_variance(subject(x["mean"])[1], x["cov"]) for x in (c, t)]
    flat = [_constant(m, s) for m, s in zip((pair.mc, pair.mt), own, strict=True)]
    n = c["n"] + t["n"]
    if all(flat):
        noise, df = c["n"] * t["n"] / n * (pair.mt - pair.mc) ** 2 / (n - 1), n - 2
    else:
        noise, df = (own[1], t["n"] - 1) if flat[0] else (own[0], c["n"] - 1)
    return Pair(pair.mc, pair.mt, noise / c["n"], noise / t["n"], 0.0, float(df), n)


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
    functions = [subject, *map(per_member if subject is cluster_mean else single_column, xs)]

    def joint(cell: J) -> tuple[list[float], list[list[float]]]:
        values = [f(cell["mean"]) for f in functions]
        grads = [g for _, g in values]
        by = _weight(cell, subject)[0] / cell["n"]
        return [v for v, _ in values], [[quadratic_form(a, cell["cov"], b) * by for b in grads] for a in grads]

    (yc, sc), (yt, st) = joint(c), joint(t)
    k = range(1, len(functions))
    varies = [i for i in k if not (_constant(yc[i], sc[i][i] * c["n"]) and _constant(yt[i], st[i][i] * t["n"]))]
    total = [[sc[i][j] + st[i][j] for j in range(len(functions))] for i in range(len(functions))]
    scale = {i: math.sqrt(total[i][i]) for i in varies}
    scaled, used = _solve(
        [[total[i][j] / scale[i] / scale[j] for j in varies] for i in varies], [total[i][0] / scale[i] for i in varies]
    )
    theta = {i: x / scale[i] for i, x in zip(varies, scaled, strict=True)}
    worth = [_weight(x, subject)[1] for x in (c, t)]
    if min(worth) <= used + 1:
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
        _welch(max(own_c, 0.0), max(own_t, 0.0), worth[0] - 1 - used, worth[1] - 1 - used),
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
    wary: bool = False
    """Whether fewer than two expected in the smaller variant are waited for, too."""

    @property
    def tiny(self) -> bool:
        """Fewer than 10 units of a variant have the event, or lack it."""
        return min(self.x_c, self.n_c - self.x_c, self.x_t, self.n_t - self.x_t) < 10

    @property
    def many(self) -> bool:
        """The smaller variant may expect at least 200 units with the event, and without it, by the pooled share."""
        events, units = self.x_c + self.x_t, self.n_c + self.n_t
        return min(self.n_c, self.n_t) * min(events, units - events) >= 200 * units

    @property
    def rare(self) -> bool:
        """Fewer than 10 units of both variants together have the event, or lack it; or hardly any can in the smaller one."""
        events, units = self.x_c + self.x_t, self.n_c + self.n_t
        fewer = min(events, units - events)
        return fewer < 10 or (self.wary and self.tiny and min(self.n_c, self.n_t) * fewer < 2 * units)

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
        return _effect_of(self, q)

    def lift(self, q: float) -> tuple[float | None, float | None, float | None, str]:
        """Lift, its interval, and the status where there is none."""
        return _lift_of(self, q)


@lru_cache(maxsize=256)  # a look alone and with those before it has the same intervals
def _effect_of(score: Score, q: float) -> tuple[float, float, float]:
    at = score.x_t / score.n_t - score.x_c / score.n_c
    return at, falling_root(lambda d: score.z_effect(d) - q, -1.0, at), falling_root(lambda d: score.z_effect(d) + q, at, 1.0)


@lru_cache(maxsize=256)
def _lift_of(score: Score, q: float) -> tuple[float | None, float | None, float | None, str]:
    if score.x_c == 0:
        return None, None, None, "control_near_zero" if score.x_t == 0 else "unbounded_lift"
    ratio = score.x_t * score.n_c / (score.x_c * score.n_t)
    at = math.log(ratio) if ratio > 0 else -60.0
    low = -1.0 if score.x_t == 0 else math.expm1(falling_root(lambda v: score.z_ratio(math.exp(v)) - q, -60.0, at))
    return ratio - 1, low, math.expm1(falling_root(lambda v: score.z_ratio(math.exp(v)) + q, at, 60.0)), ""


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
    borrows: bool = False
    quantile: bool = False
    counts: Score | None = None


def functional_of(metric: J, columns: Sequence[str]) -> tuple[Callable[[Sequence[float]], Gradient], int]:
    """What is estimated from the means of the columns, and how many of them it takes; the rest are covariates."""
    if metric["kind"] == "formula":
        formula = Formula(metric["expression"])
        formula.names = list(columns[: len(formula.names)])
        return formula, len(formula.names)
    if list(columns[:1]) == ["total"]:
        return cluster_mean, 2
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
    counts, score = score, score if score is not None and score.tiny else None
    base = plain
    if plain.status == "ok" and (is_quantile or share):  # the variance of a share follows from it: the normal applies
        vc, vt = ((x["n"] - 1) / x["n"] if share else 1.0 for x in (c, t))
        plain = Pair(plain.mc, plain.mt, vc * plain.vc, vt * plain.vt, 0.0, math.inf, plain.n)
    xs = list(range(own, len(columns)))
    if is_quantile:
        return Estimate(plain, plain, quantile=True)
    if not (metric.get("cuped") and xs):
        return Estimate(plain, plain, None, share, score, counts=counts)
    if plain.status != "ok":
        return Estimate(plain, plain, None, share, score, counts=counts)
    pair, reduction = cuped(c, t, subject, xs, base)
    return Estimate(pair, plain, reduction if math.isfinite(reduction) else None, share, score, counts=counts)


def source_of(label: str) -> str:
    """Where a covariate comes from, in words: of `past.visits.before`, `is.platform.ios`, `before`, or a column."""
    for mark, words in (("past.", "past of "), ("is.", "")):
        if label.startswith(mark):
            return words + label[len(mark) :].split(".")[0]
    return "own past" if label.split(".")[0] in ("before", "seen") else label


def saved_by(metric: J, c: J, t: J) -> list[dict[str, J]]:
    """Share of the variance that each source takes out alone, and that would be missing without it; of two sources or more."""
    subject, own = functional_of(metric, c["columns"])
    names = [source_of(label) for label in c["columns"][own:]]
    base = plain_pair(c, t, subject)

    def share(wanted: set[str]) -> float:
        xs = [own + i for i, name in enumerate(names) if name in wanted]
        return cuped(c, t, subject, xs, base)[1] if xs else 0.0

    every = set(names)
    if len(every) < 2:
        return []
    whole = share(every)
    return [
        {"source": name, "alone": share({name}), "more": max(0.0, whole - share(every - {name}))}
        for name in dict.fromkeys(names)
    ]


def with_noise(metric: J, found: Estimate, c: J | None, t: J | None) -> Estimate:
    """The estimate in which a variant whose units all have the same value takes its noise from the other one."""
    if found.pair.status != "separation" or found.share or c is None or t is None:
        return found
    if found.quantile and c["cov"][0][0] == t["cov"][0][0] == 0:
        return found
    pair = with_taken_noise(found.pair, c, t, functional_of(metric, c["columns"])[0])
    if found.quantile:
        pair = Pair(pair.mc, pair.mt, pair.vc, pair.vt, 0.0, math.inf, pair.n)
    return Estimate(pair, pair, None, found.share, found.score, True, found.quantile)


def capped_away(found: Estimate, caps: Sequence[J]) -> Estimate:
    """The estimate in which a winsorization cap of zero is the reason why nothing is left."""
    zero = any((c["upper"] == 0 and c["n_upper"]) or (c["lower"] == 0 and c["n_lower"]) for c in caps)
    if not zero or found.pair.status != "zero_variance":
        return found
    pair = Pair(found.pair.mc, found.pair.mt, n=found.pair.n, status="cap_is_zero")
    return Estimate(pair, pair)


def waiting(found: Estimate) -> Estimate:
    """The estimate in designs with several looks before scores were used there: a rare event is waited for."""
    if found.score is None:
        return found
    late = [Pair(p.mc, p.mt, n=p.n, status="too_few_events") if p.status in ("ok", "separation") else p
            for p in (found.pair, found.plain)]  # fmt: skip
    return Estimate(late[0], late[1], found.reduction, found.share, found.score)


# --------------------------------------------------------------------------------------------------------------------- designs
# Multipliers and p-values of the designs, Fieller's interval, corrections of a family.

@dataclass(frozen=True)
class Design:
    """Fixed horizon, the normal mixture with variance `rho2` in units of one unit's noise, or a group-sequential boundary.

    With both a boundary and a mixture, the mixture has its `share` of the level and the boundary the rest.
    """

    rho2: float | None
    boundary: Boundary | None = None
    share: float = 1.0

    def q(self, pair: Pair, alpha: float) -> float:
        """How many standard errors the interval reaches."""
        if self.rho2 is None:
            return t_isf(alpha / 2, pair.df) if self.boundary is None else self.boundary.q(alpha)
        mixed = self._mixed(pair.n, alpha * self.share)
        return mixed if self.boundary is None else min(mixed, self.boundary.q(alpha * (1 - self.share)))

    def _mixed(self, n: float, alpha: float) -> float:
        k = n * (self.rho2 or 0.0)
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
        return min(1.0, 2 * t_tail(abs(z), pair.df)) if self.once else self.p_of(z, pair.n)

    @property
    def once(self) -> bool:
        """Whether the design is read once, at its end."""
        return self.rho2 is None and self.boundary is None

    def p_of(self, z: float, n: int) -> float:
        """Two-sided p-value of a distance whose noise is known."""
        if math.isnan(z):
            return NAN
        if self.once:
            return min(1.0, 2 * normal_tail(abs(z)))
        out = 1.0 if self.rho2 is None else math.exp(-max(self.log_e(z, n), 0.0)) / self.share
        if self.boundary is not None:
            out = min(out, self.boundary.p(z) / (1.0 if self.rho2 is None else 1 - self.share))
        return min(1.0, out)

    def p_one_sided(self, z: float, pair: Pair) -> float:
        """One-sided p-value of a distance z on the good side."""
        if self.once:
            return t_tail(z, pair.df)
        if self.boundary is None and self.share == 1.0:
            return min(1.0, 0.5 * math.exp(-self.log_e(z, pair.n))) if z > 0 else 1.0
        return self.p_of(z, pair.n) / 2 if z > 0 else 1 - self.p_of(z, pair.n) / 2

    def after_stop(self, z: float, alpha: float, n: int) -> tuple[tuple[float, float, float], float] | None:
        """Median-unbiased drift with its interval and the p-value of no drift; None where no look came before."""
        if self.boundary is None or not self.boundary.is_spaced:
            return None
        looks = self.boundary.information
        mixed = [math.inf] * (len(looks) - 1)
        if self.rho2 is not None:
            mixed = [self._mixed(n * t / looks[-1], alpha * self.share) for t in looks[:-1]]
        return self.boundary.after_stop(z, alpha, alpha * (1.0 if self.rho2 is None else 1 - self.share), mixed)


FULL = 1.0 - 1e-9


def design_of(plan: J, treatment: J, *, units: int, looks: Sequence[J] = ()) -> Design:
    """The design of the plan for one treatment; units now and at earlier looks fix a group-sequential boundary.

    `looks` are those of the readout, this one last; a readout of an earlier release says nothing of what its looks found, and
    was computed as they were then.
    """
    model = plan["model"]
    if model["kind"] == "group_sequential":
        horizon = plan.get("horizon", {}).get("units") or units
        if not looks or "findings" in looks[-1] or model.get("beyond"):
            boundary = boundary_of(_information(looks, units, horizon), model["spending"], _ends(looks, units, horizon))
            if not model.get("beyond"):
                return Design(None, boundary)
            control = next(v for v in plan["variants"] if v.get("control"))
            a = -2 * math.log(model["beyond"] * alpha_of(plan))
            rho2 = (a + math.log1p(a)) / (horizon * (control["split"] + treatment["split"]))
            return Design(rho2, None if ended(plan, looks[:-1]) is not None else boundary, model["beyond"])
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
    """The earlier look that ended a group-sequential plan: what comes in after it decides nothing, unless it has a share."""
    return None if plan["model"].get("beyond") else ended(plan, looks)


def ended(plan: J, looks: Sequence[J]) -> J | None:
    """The look after which a group-sequential boundary has nothing left to spend."""
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

REFLECTION = "reflection"
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
        if self.spending == REFLECTION:
            return True
        gaps = [b - a for a, b in pairwise((0.0, *self.information))]
        counts = [4 * math.sqrt(t) / math.sqrt(min(gaps[i : i + 2])) for i, t in enumerate(self.information[:-1])]
        return len(gaps) <= 60 and sum(n * n for n in counts) <= 30_000 and min(gaps) > 0

    def _spent(self, i: int, alpha: float) -> float:
        t = self.information[i]
        if t >= 1.0 or (self.final and i == len(self.information) - 1):
            return alpha
        if self.spending == "pocock":
            return alpha * math.log1p((math.e - 1.0) * t)
        return 4.0 * normal_tail(normal_isf(alpha / 4.0) / math.sqrt(t))

    def q(self, alpha: float) -> float:
        """Two-sided multiplier of the last look; infinite where nothing is left to spend."""
        if self.spending == REFLECTION:  # z(1 − α/4) / √t: four tails of the last moment bound the way to it
            return normal_isf(alpha / 4.0) / math.sqrt(min(self.information[-1], 1.0))
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
            width = 4.0 * min(sd, math.sqrt(self.information[i + 1] - t))
            count = max(1, min(math.ceil(limit / width), 200))
            nodes = panels([limit * j / count for j in range(count + 1)], 16)
            mass, before = _carried(mass, nodes, sd), t
        return bound

    @property
    def is_spaced(self) -> bool:
        """Whether an estimate after a stop is given: after a first look, over at most 30 that are not too close."""
        gaps = [b - a for a, b in pairwise(self.information)]
        return bool(gaps) and len(gaps) < 30 and min(gaps) >= 2e-3

    def after_stop(
        self, z: float, alpha: float, own: float, other: Sequence[float]
    ) -> tuple[tuple[float, float, float], float]:
        """Median-unbiased drift and its interval by the order of stages, and the p-value of no drift.

        The boundary is used at the level `own`, and never beyond the `other` multipliers of the looks before this one.
        """
        count = len(self.information) - 1
        bounds = [min(Boundary(self.information[: i + 1], self.spending, False).q(own), other[i]) for i in range(count)]
        centre, reach = z / math.sqrt(self.information[-1]), 1 / math.sqrt(self.information[0])

        def at(share: float) -> float:
            def gap(drift: float) -> float:
                return self._above(z, bounds, drift) - share

            low, high = centre - 4 * reach, centre + 4 * reach
            while gap(low) > 0 and centre - low < 1e3 * reach:
                low -= 4 * reach
            while gap(high) < 0 and high - centre < 1e3 * reach:
                high += 4 * reach
            return root(gap, low, high, close=1e-12 * (high - low))

        none = self._above(z, bounds, 0.0)
        return (at(0.5), at(alpha / 2), at(1 - alpha / 2)), 2 * min(none, 1 - none)

    def _above(self, z: float, bounds: Sequence[float], drift: float) -> float:
        """Chance of a result at least as high, under a drift: the density of the score is not symmetric then."""
        mass, before, above = [(0.0, 1.0)], 0.0, 0.0
        for i, t in enumerate(self.information):
            sd, push = math.sqrt(t - before), drift * (t - before)
            last = i + 1 == len(self.information)
            edge = (z if last else bounds[i]) * math.sqrt(t)
            if edge < math.inf:
                above += math.fsum(m * normal_tail((edge - s - push) / sd) for s, m in mass)
            if last:
                break
            centres = [s + push for s, _ in mass]
            low, high = max(-edge, min(centres) - FAR * sd), min(edge, max(centres) + FAR * sd)
            width = 4.0 * min(sd, math.sqrt(self.information[i + 1] - t))
            count = max(1, min(math.ceil((high - low) / width), 400))
            new, scale = [], 1 / (sd * math.sqrt(2 * math.pi))
            for x, w in panels([low + (high - low) * j / count for j in range(count + 1)], 16):
                density = math.fsum(m * math.exp(-0.5 * ((x - s - push) / sd) ** 2) for s, m in mass)
                new.append((x, w * scale * density))
            mass, before = new, t
        return above

    def p(self, z: float) -> float:
        """Repeated p-value: the smallest level at which the boundary of the last look is crossed."""
        if math.isnan(z):
            return NAN
        size = abs(z)
        if self.spending == REFLECTION:
            return min(1.0, 4.0 * normal_tail(size * math.sqrt(min(self.information[-1], 1.0))))

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


def bounds_of(spent: Sequence[float], information: Sequence[float]) -> list[float]:
    """Two-sided boundaries that have spent so much by each look, whatever the schedule; good to about six digits.

    Args:
        spent: Probability of having crossed by each look, never falling.
        information: Of each look, as a share of the last one, increasing.
    """
    mass: list[tuple[float, float]] = [(0.0, 0.5)]
    gone, before, out = 0.0, 0.0, []
    for i, t in enumerate(information):
        sd = math.sqrt(t - before)
        amount = spent[i] - gone if spent[i] - gone > 1e-9 * spent[i] else 0.0
        bound = _bound(mass, math.sqrt(t), sd, amount)
        out.append(bound)
        if i == len(information) - 1:
            break
        gone += _exit(mass, bound * math.sqrt(t), sd) if bound < math.inf else 0.0
        limit = min(bound, FAR) * math.sqrt(t)
        width = 2.0 * min(sd, 3.0 * math.sqrt(information[i + 1] - t))
        count = max(2, min(math.ceil(limit / width), 150))
        mass, before = _carried(mass, panels([limit * j / count for j in range(count + 1)], 7), sd), t
    return out


def crossing_rate(information: Sequence[float], alpha: float) -> float:
    """Chance that a true null looks significant at one of several looks, each judged at the level of a single one.

    Source: Armitage, McPherson, Rowe 1969.
    """
    kept: list[float] = []
    for t in information:
        if kept and t < kept[-1] + CLOSEST:  # the same look, taken again
            kept[-1] = t
        else:
            kept.append(t)
    bound, mass, before, gone = normal_isf(alpha / 2), [(0.0, 0.5)], 0.0, 0.0
    for i, t in enumerate(kept):
        sd = math.sqrt(t - before)
        gone += _exit(mass, bound * math.sqrt(t), sd)
        if i + 1 < len(kept):
            limit = bound * math.sqrt(t)
            count = max(2, min(math.ceil(limit / (1.5 * min(sd, math.sqrt(kept[i + 1] - t)))), 200))
            mass, before = _carried(mass, panels([limit * j / count for j in range(count + 1)]), sd), t
    return gone


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


# -------------------------------------------------------------------------------------------------------------------- futility
# The futility row of a plan a second time: the chance that is left at a look, and what the row costs in power.

NEXT_LOOK = 2e-3
"""Information by which the next look is ahead at least."""
MOST_LOOKS_AHEAD = 60
"""Looks over which the multiplier of the last one is named."""
CHANCES_CLOSE = 1e-6
"""How near two ways of integrating the same chance come."""

Worth = Callable[[float], float]


def check_futility(notes: Notes, readout: J) -> None:
    """What each primary row says is left, and the price of the plan's futility row."""
    plan, before = readout["plan"], len(notes.differences)
    floor = plan.get("decision", {}).get("futility")
    rows = [*readout["rows"], *(r for s in readout["segments"] for rows in s["slices"].values() for r in rows)]
    if floor is None:
        notes.same("futility, price", None, readout.get("futility"))
        notes.same("futility, chance left", [], [r["metric"] for r in rows if r.get("chance_left") is not None])
        return
    looks = tuple(float(t) for t in plan["model"].get("looks", (0.5, 1.0)))
    so_far = design_of(
        plan, plan["variants"][0], units=sum(readout["summary"]["units"].values()), looks=readout["looks"]
    ).boundary
    every = looks if so_far is None else (*so_far.information, *(t for t in looks if t > so_far.information[-1] + NEXT_LOOK))
    if not all(boundary_of(some, "", True).is_light for some in (looks, every)):
        notes.left.append(f"the chance that is left, over {len(every)} looks, some very close")
        notes.not_checked.append("the chance that is left and the price of giving up: too many looks, or some very close")
        return
    _check_price(notes, plan, floor, readout.get("futility"))
    for row in rows:
        place = f"futility, {row['metric']} for {row['variant']}, chance left"
        whole = any(row is own for own in readout["rows"])
        own = _left_for(plan, readout, row) if whole and row["role"] == "primary" else None
        _near_chance(notes, place, own, row.get("chance_left"))
    if len(notes.differences) == before:
        notes.checked.append("the chance that is left at this look, and what giving up costs")


def last_multiplier(plan: J, boundary: Boundary | None, level: float) -> float | None:
    """Multiplier of the last planned look, over the looks so far and those ahead.

    None where none is ahead or too many are; NaN where some are so close that the engine has the last word.
    """
    if boundary is None or boundary.final or plan["model"].get("beyond"):
        return None
    looks = [float(t) for t in plan["model"].get("looks", (0.5, 1.0))]
    every = (*boundary.information, *(t for t in looks if t > boundary.information[-1] + NEXT_LOOK))
    if len(every) == len(boundary.information) or len(every) > MOST_LOOKS_AHEAD:
        return None
    whole = boundary_of(every, boundary.spending, True)
    return whole.q(level) if whole.is_light else math.nan


def _near_chance(notes: Notes, where: str, ours: float | None, theirs: J) -> None:
    fits = theirs is None if ours is None else isinstance(theirs, float | int) and abs(theirs - ours) <= CHANCES_CLOSE
    if not fits:
        notes.differs(where, ours, theirs)


def _left_for(plan: J, readout: J, row: J) -> float | None:
    looks, units = readout["looks"], sum(readout["summary"]["units"].values())
    boundary = design_of(plan, plan["variants"][0], units=units, looks=looks).boundary
    lift = _planned_lift_of(plan, row["metric"])
    if boundary is None or boundary.final or lift is None or not row["se"] or row["effect"] is None or not row["mean_control"]:
        return None
    so_far, now = boundary.information, boundary.information[-1]
    ahead = [t for t in plan["model"].get("looks", (0.5, 1.0)) if t > now + NEXT_LOOK]
    if not ahead:
        return None
    error = row["se"] / abs(row["mean_control"]) * math.sqrt(now)
    edges = _edges_of_win(plan, row["metric"], (*so_far, *ahead), row["alpha"], error)[len(so_far) :]
    sign = 1 if row["direction"] == "increase" else -1
    score = sign * row["effect"] / row["se"] * math.sqrt(now)
    return _worths([now, *ahead], edges, lift / error, [-math.inf] * len(ahead))[0](score)


def _planned_lift_of(plan: J, metric: str) -> float | None:
    """The lift that the plan expects: of the hypothesis, else the smallest that matters."""
    claims = [c["lift"] for c in plan["hypothesis"].get("then", ()) if c["metric"] == metric and c.get("lift")]
    least = next(m for m in plan["metrics"] if m["key"] == metric).get("min_lift")
    return abs(claims[0]) if claims else least or None


def _edges_of_win(plan: J, metric: str, looks: Sequence[float], level: float, error: float) -> list[float]:
    """Edge of the score at each look from which on it wins: the boundary, and far enough out to matter."""
    least = next(m for m in plan["metrics"] if m["key"] == metric).get("min_lift")
    policy, out = plan.get("decision", {}).get("practical", "estimate"), []
    for i, t in enumerate(looks):
        q = _multiplier_at_look(plan["model"]["spending"], tuple(looks[: i + 1]), level, final=i + 1 == len(looks))
        needed = 0.0 if not least or policy == "none" else least * math.sqrt(t) / error
        out.append((q + needed if policy == "interval" else max(q, needed)) * math.sqrt(t))
    return out


def _multiplier_at_look(spending: str, looks: tuple[float, ...], level: float, *, final: bool) -> float:
    if spending == REFLECTION:
        return normal_isf(level / 4) / math.sqrt(min(looks[-1], 1.0))
    boundary: Boundary = boundary_of(looks, spending, final)
    return boundary.q(level)


def _worths(times: Sequence[float], edges: Sequence[float], drift: float, floors: Sequence[float]) -> list[Worth]:
    """The chance of a win from a score at each time but the last, from the last look backwards.

    Args:
        times: Now, then the looks ahead.
        edges: Of a win at each look ahead.
        drift: Of the score.
        floors: Score at or below which a look ahead gives up; the last has none.
    """
    out: list[Worth] = []
    later: Worth | None = None
    for k in range(len(edges) - 1, -1, -1):
        sd, push, edge = math.sqrt(times[k + 1] - times[k]), drift * (times[k + 1] - times[k]), edges[k]
        low = max(-edge, floors[k]) if k + 1 < len(edges) else -edge
        places: list[tuple[float, float]] = []
        if later is not None:
            end = FAR * math.sqrt(times[k + 1]) + abs(drift) * times[k + 1]
            first, last = max(low, -end), min(edge, end)
            if last > first:
                width = 1.5 * min(sd, math.sqrt(times[k + 2] - times[k + 1]))
                count = max(1, min(math.ceil((last - first) / width), 200))
                nodes = panels([first + (last - first) * j / count for j in range(count + 1)], 12)
                places = [(x, w * later(x)) for x, w in nodes]
        later = _worth_of(sd, push, edge, places)
        out.append(later)
    return out[::-1]


def _worth_of(sd: float, push: float, edge: float, places: Sequence[tuple[float, float]]) -> Worth:
    scale = 1 / (sd * math.sqrt(2 * math.pi))

    def worth(score: float) -> float:
        centre = score + push
        going_on = math.fsum(v * math.exp(-0.5 * ((x - centre) / sd) ** 2) for x, v in places if abs(x - centre) < FAR * sd)
        return normal_tail((edge - centre) / sd) + scale * going_on

    return worth


def _check_price(notes: Notes, plan: J, floor: float, told: J) -> None:
    primaries = [m for m in plan["metrics"] if m["role"] == "primary"]
    metric = next((m for m in primaries if _planned_lift_of(plan, m["key"])), None)
    if metric is None or not isinstance(told, dict):
        notes.same("futility, price", None if metric is None else metric["key"], told)
        return
    lift, looks = _planned_lift_of(plan, metric["key"]) or 0.0, [float(t) for t in plan["model"].get("looks", (0.5, 1.0))]
    count = len(primaries) * (len(plan["variants"]) - 1 + len(plan.get("dropped") or ()))
    level = alpha_of(plan) / (1 if plan.get("correction") == "none" else max(count, 1))
    error = _foreseen_error(plan, metric)
    times, nowhere = [0.0, *looks], [-math.inf] * len(looks)
    if error is None:
        plain = [
            _multiplier_at_look(plan["model"]["spending"], tuple(looks[: i + 1]), level, final=i + 1 == len(looks))
            * math.sqrt(t)
            for i, t in enumerate(looks)
        ]
        power = plan.get("planning", {}).get("power", 0.8)
        error = lift / root(lambda d: _worths(times, plain, d, nowhere)[0](0.0) - power, 0.0, 20.0, close=1e-11)
    edges, drift = _edges_of_win(plan, metric["key"], looks, level, error), lift / error
    without = _worths(times, edges, drift, nowhere)
    stops = [_hopeless_at(worth, edge, t, floor) for worth, edge, t in zip(without[1:], edges, looks, strict=False)]
    ours = {
        "floor": floor,
        "power": _worths(times, edges, drift, [*stops, -math.inf])[0](0.0),
        "power_without": without[0](0.0),
        **_under_null(times, edges, stops),
    }
    notes.same("futility, price, metric", metric["key"], told.get("metric"))
    for name, value in ours.items():
        _near_chance(notes, f"futility, price, {name}", value, told.get(name))


def _hopeless_at(worth: Worth, edge: float, t: float, floor: float) -> float:
    """The score at which the chance that is left is the floor."""
    far = FAR * math.sqrt(t)
    top = min(edge, far)
    if worth(-far) >= floor:
        return -math.inf
    return top if worth(top) <= floor else root(lambda score: worth(score) - floor, -far, top, close=1e-11)


def _foreseen_error(plan: J, metric: J) -> float | None:
    """Standard error of the lift at the horizon by the plan's own baselines; None where it names none."""
    planning, units = plan.get("planning", {}), plan.get("horizon", {}).get("units")
    mean, sd = (planning.get(k, {}).get(metric["key"]) for k in ("baselines", "sds"))
    if not mean or not units:
        return None
    if sd is None:
        if plan.get("members") or not 0 < mean < 1:
            return None
        sd = math.sqrt(mean * (1 - mean))
    splits = [next(v["split"] for v in plan["variants"] if bool(v.get("control")) is own) for own in (True, False)]
    whole = units / math.fsum(v["split"] for v in plan["variants"])
    return float(sd / abs(mean) * math.sqrt(sum(1 / (s * whole) for s in splits))) if all(splits) else None


def _under_null(times: Sequence[float], edges: Sequence[float], stops: Sequence[float]) -> dict[str, float]:
    """Chance to give up early, and mean share of the horizon used, where nothing changes."""
    stopped = used = 0.0
    chances: list[float] = []
    for last in range(1, len(edges) + 1):  # chance that the run is still going on after each look: nothing was crossed by then
        low = [max(-e, f) for e, f in zip(edges[:last], [*stops, -math.inf][:last], strict=True)]
        chances.append(_inside_edges(times[: last + 1], edges[:last], low))
    for k, t in enumerate(times[1:-1]):
        used += t * ((1.0 if k == 0 else chances[k - 1]) - chances[k])
    used += times[-1] * (chances[-2] if len(chances) > 1 else 1.0)
    for k in range(len(stops)):
        low = [max(-e, f) for e, f in zip(edges[:k], stops[:k], strict=True)]
        reach = max(-edges[k], stops[k])
        stopped += _inside_edges(times[: k + 2], [*edges[:k], reach], [*low, -math.inf])
    return {"gives_up": stopped, "units": used}


def _inside_edges(times: Sequence[float], high: Sequence[float], low: Sequence[float]) -> float:
    """Chance that the score without a drift lies between these edges at every look."""
    later: Worth = lambda _: 1.0  # noqa: E731 - the value after the last look
    for k in range(len(high) - 1, -1, -1):
        sd = math.sqrt(times[k + 1] - times[k])
        end = FAR * math.sqrt(times[k + 1])
        first, last = max(low[k], -end), min(high[k], end)
        if last <= first:
            return 0.0
        follows = math.sqrt(times[k + 2] - times[k + 1]) if k + 2 < len(times) else sd
        count = max(1, min(math.ceil((last - first) / (1.5 * min(sd, follows))), 200))
        nodes = panels([first + (last - first) * j / count for j in range(count + 1)], 12)
        later = _worth_of(sd, 0.0, math.inf, [(x, w * later(x)) for x, w in nodes])
    return later(0.0)


# ----------------------------------------------------------------------------------------------------------------------- ratio
# The sample ratio, computed again from the units of the payload: read once, and at the end of every day.

CONCENTRATION = 100.0
"""Prior concentration of the daily test of the sample ratio, where it is a mixture alone."""
MIXTURE_SHARE = 0.02
"""Share of the level that goes to the mixture, where the rest is spent up to the horizon."""
FULL_AT = 0.97
"""Share of the horizon's units at which all is spent."""
SPENDS = 3
"""The first edition of the methods whose daily test spends its level up to the horizon."""
ALPHA, WARN_ALPHA = 0.001, 0.01
"""Levels of a plan that names none."""
EVEN = 1e-4
"""How close a count may come to a boundary before two integrations may differ in which side it is on."""

DAYS = 1_000
"""Days whose boundaries are integrated; more take too long for a file from anyone."""
BUCKET = 0.01 + 1e-9
"""A flag of a hundred buckets serves a planned split up to one bucket wrong."""

GATES = ("assignment_audit", "no_units", "restated_outcomes", "shrunk_data", "srm", "srm_anytime", "unknown_variant")
"""Checks whose failure makes a readout INVALID, whatever the payload says of them."""


YOUNGER = ("restated_outcomes",)
"""Checks that readouts of schema 2 may lack: they came later."""


def check_health(notes: Notes, payload: J) -> None:
    """The checks that follow from the units by variant and day: units in every variant, and the sample ratio."""
    readout = payload["readout"]
    plan, summary, before = readout["plan"], readout["summary"], len(notes.differences)
    checks = {c["name"]: c for c in readout["health"]}
    notes.same("health, each check once", len(readout["health"]), len(checks))
    for name in GATES:
        if name in checks:
            notes.same(f"health, {name}, is a gate", True, checks[name]["gate"])
        elif payload["schema"] >= 2 and name not in YOUNGER:
            notes.differs(f"health, {name}", "the result of this check, which every readout has", "nothing")
    units = {v["key"]: int(summary["units"].get(v["key"], 0)) for v in plan["variants"]}
    if "no_units" in checks:
        empty = any(v["split"] > 0 and not units[v["key"]] for v in plan["variants"])
        notes.same("health, units in every variant", "fail" if empty else "pass", checks["no_units"]["status"])
    fixed, daily = checks.get("srm"), checks.get("srm_anytime")
    if fixed is None or not sum(units.values()):
        return
    if fixed["status"] == "not answerable":
        notes.not_checked.append("sample ratio: the readout says that it has no answer")
        if not _own_splits(plan) and fixed["evidence"]:
            notes.differs("health, sample ratio", "a result, as its evidence has one", "no answer")
        return
    shares, told = _shares(plan, fixed["evidence"])
    if shares is None:
        notes.differs("health, sample ratio, expected shares", "a share of each variant of the plan, 1 in all", told)
        return
    policy = plan.get("health") or {}
    fail, warn = policy.get("srm_alpha", ALPHA), policy.get("srm_warn_alpha", WARN_ALPHA)
    days = sorted(summary["exposures_by_day"])
    several = bool(days) and _reads_more_than_once(plan)
    misplaced = any(units[k] for k, s in shares.items() if s == 0)
    p = 0.0 if misplaced else _ratio([units[k] for k in shares], list(shares.values()))
    status = "fail" if p < fail else "warn" if p < warn else "pass"
    if status == "fail" and several and not misplaced:
        status = "warn"
    notes.same("health, sample ratio", status, fixed["status"])
    if daily is not None and len(days) > DAYS:
        notes.left.append(f"the daily sample ratio over {len(days):,} days")
    elif daily is not None and days:
        running = list(_running([[summary["exposures_by_day"][d].get(k, 0) for k in shares] for d in days]))
        progress = _progress(plan, days, [sum(n) for n in running]) if readout.get("methods", 1) >= SPENDS else None
        allowed = _daily(running, list(shares.values()), progress, (fail, warn))
        if daily["status"] not in allowed:
            notes.differs("health, daily sample ratio", " or ".join(sorted(allowed)), daily["status"])
    if len(notes.differences) == before:
        notes.checked.append(f"sample ratio recomputed from the units of the payload, against {told}")


def _own_splits(plan: J) -> bool:
    """Whether rollout groups have splits of their own, so that no one share is planned."""
    groups = (plan.get("assignment") or {}).get("rollout") or ()
    return any((g.get("splits") or g.get("variant")) and g.get("share", 1.0) > 0 for g in groups)


def _shares(plan: J, evidence: J) -> tuple[dict[str, float] | None, str]:
    """Expected share of each variant and where it is from: the plan, or a flag that the memo does not carry."""
    total = sum(v["split"] for v in plan["variants"]) or 1.0
    planned = {v["key"]: v["split"] / total for v in plan["variants"]}
    if evidence.get("basis") == "splits of the plan":
        return planned, "the splits of the plan"
    told = evidence.get("expected_share")
    if not isinstance(told, dict) or set(told) != set(planned):
        return None, str(told)
    numbers = [s for s in told.values() if isinstance(s, (int, float)) and not isinstance(s, bool) and 0 <= s <= 1]
    if len(numbers) < len(told) or abs(math.fsum(numbers) - 1.0) > 1e-6 or sum(s > 0 for s in numbers) < 2:
        return None, str(told)
    shares = {k: float(told[k]) for k in planned}
    if all(abs(shares[k] - s) <= BUCKET for k, s in planned.items()):
        return shares, "the shares of a flag, which are the plan's up to one bucket"
    words = ", ".join(f"{k} {100 * s:.4g}\u202f%" for k, s in shares.items())
    return shares, f"shares of a flag that the memo does not carry and the plan does not have ({words})"


def _reads_more_than_once(plan: J) -> bool:
    model = plan["model"]
    return model["kind"] in ("sequential", "group_sequential") or (
        model["kind"] == "bayesian" and model.get("due", "horizon") != "horizon"
    )


def _ratio(counts: Sequence[int], shares: Sequence[float]) -> float:
    """p-value of the counts against the shares: Pearson's chi-squared, exact for two variants of which one expects under 5."""
    pairs = [(n, s) for n, s in zip(counts, shares, strict=True) if s > 0]
    total = sum(n for n, _ in pairs)
    if total == 0:
        return 1.0
    if len(pairs) == 2 and min(s * total for _, s in pairs) < 5:
        return _binomial(pairs[0][0], total, pairs[0][1])
    return chi2_tail(math.fsum((n - s * total) ** 2 / (s * total) for n, s in pairs), len(pairs) - 1)


def _binomial(x: int, n: int, p: float) -> float:
    def log(k: int) -> float:
        return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p) + (n - k) * math.log1p(-p)

    if p > 0.5:  # the variant that expects few, so that a few terms are all there is
        x, p = n - x, 1.0 - p
    limit, found, k = log(x) + 1e-7, [], 0
    while k <= n:
        value = log(k)
        if value <= limit:
            found.append(math.exp(value))
        if k > n * p and value < -745.0:
            break
        k += 1
    return min(1.0, math.fsum(found))


def _running(days: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    total = [0] * len(days[0])
    for day in days:
        total = [a + b for a, b in zip(total, day, strict=True)]
        yield total


def _progress(plan: J, days: Sequence[str], units: Sequence[int]) -> list[float] | None:
    """Share of the planned way at the end of each day: by the calendar where the horizon has days, else by units."""
    horizon = plan.get("horizon") or {}
    if horizon.get("days") is not None:
        first = date.fromisoformat(days[0][:10])
        return [((date.fromisoformat(d[:10]) - first).days + 1) / horizon["days"] for d in days]
    if horizon.get("units") is not None:
        return [n / (FULL_AT * horizon["units"]) for n in units]
    return None


def _daily(
    running: Sequence[Sequence[int]], shares: Sequence[float], progress: Sequence[float] | None, levels: tuple[float, float]
) -> set[str]:
    """What the daily test may say: one status, or two where a count comes as close to a boundary as digits go."""
    fail, warn = levels
    theta = [s for s in shares if s > 0]
    counts = [[n for n, s in zip(day, shares, strict=True) if s > 0] for day in running]
    if progress is None:
        p = _mixture(counts, theta, CONCENTRATION)
        return {"fail" if p < fail else "warn" if p < warn else "pass"}
    p = _mixture(counts, theta, max(CONCENTRATION, 50.0 / min(theta))) / MIXTURE_SHARE
    found = set()
    for side in (-EVEN, EVEN):
        if p < fail or _crossed(counts, theta, progress, fail, side):
            found.add("fail")
        elif p < warn or _crossed(counts, theta, progress, warn, side):
            found.add("warn")
        else:
            found.add("pass")
    return found


def _mixture(counts: Sequence[Sequence[int]], theta: Sequence[float], concentration: float) -> float:
    """Smallest 1 / Bayes factor so far over the days' running counts (Lindon and Malek 2022)."""
    prior = [concentration * s for s in theta]
    least = 1.0
    for running in counts:
        log = math.lgamma(sum(prior)) - math.lgamma(sum(prior) + sum(running))
        log += math.fsum(math.lgamma(a + n) - math.lgamma(a) for a, n in zip(prior, running, strict=True))
        log -= math.fsum(n * math.log(s) for n, s in zip(running, theta, strict=True))
        least = min(least, math.exp(-max(log, 0.0)))
    return least


def _crossed(
    counts: Sequence[Sequence[int]], theta: Sequence[float], progress: Sequence[float], level: float, side: float
) -> bool:
    """Whether a variant's count left its boundary on some day, with the level spent as the cube of the way to the horizon.

    Boundaries lie between those of one look that spends everything so far and of one that spends what this day adds; only a
    count between the two needs the integral.
    """
    totals = [sum(day) for day in counts]
    used = [i for i, n in enumerate(totals) if n - (totals[i - 1] if i else 0) > CLOSEST * totals[-1]]
    share = level * (1.0 - MIXTURE_SHARE) / (1 if len(theta) == 2 else len(theta))
    spent = [share * min(progress[i], 1.0) ** 3 for i in used]
    between: list[tuple[int, float]] = []
    for j, i in enumerate(used):
        total, z = totals[i], 0.0
        for n, s in zip(counts[i], theta, strict=True):
            if total * min(s, 1.0 - s) >= 5.0:
                z = max(z, abs(n - total * s) / math.sqrt(total * s * (1.0 - s)))
        added = spent[j] - (spent[j - 1] if j else 0.0)
        if added <= 1e-9 * spent[j] or z + side < normal_isf(spent[j] / 2) - 1e-6:
            continue
        if z + side > normal_isf(added / 2) + 1e-6:
            return True
        between.append((j, z))
    if not between:
        return False
    bounds = bounds_of(spent, [totals[i] / totals[used[-1]] for i in used])
    return any(z + side > bounds[j] for j, z in between)


# ------------------------------------------------------------------------------------------------------------------- posterior
# Bayesian rows by quadrature: Mixpanel's pooled priors, and a normal prior on the lift.

DEPTH = 42.0
"""How far, as a logarithm, a density is followed down from its height."""
NEAR_ZERO = 0.01
WIDE = 100.0
FEW = 100
"""Units of a variant below which long tails leave two quadratures with fewer digits in common."""
LOOSE = 5e-3
DIGITS = 1e-11
"""Relative distance within which two places are the same: a readout has twelve digits."""


def halved(ends: Sequence[float], log: Callable[[float], float]) -> list[float]:
    """Ends of panels, halved until a density's mass in each is that of its halves."""

    def mass(a: float, b: float) -> float:
        middle, half = (a + b) / 2, (b - a) / 2
        return half * math.fsum(w * math.exp(min(log(middle + half * x), 700.0)) for x, w in legendre(16))

    open_, done = [(a, b, mass(a, b)) for a, b in pairwise(ends)], [ends[0]]
    total = math.fsum(m for _, _, m in open_)
    open_.reverse()
    while open_:
        a, b, whole = open_.pop()
        middle = (a + b) / 2
        halves = mass(a, middle), mass(middle, b)
        if abs(sum(halves) - whole) <= 1e-12 * total or not a < middle < b or len(done) > 5_000:
            done.append(b)
        else:
            open_ += [(middle, b, halves[1]), (a, middle, halves[0])]
    return done


class Marginal:
    """Distribution of one variant's mean, from the logarithm of a density on a scale `s` of its own.

    Args:
        log: Logarithm of the density in s, up to a constant, highest at 0 and about −s²/2 near it.
        place: The mean's value at s, increasing.
        where: The inverse of `place`; may be infinite.
        mean: Expectation, or a place near it.
        edges: Ends of the panels on s; None to walk down from the height on both sides.
    """

    def __init__(
        self,
        log: Callable[[float], float],
        place: Callable[[float], float],
        where: Callable[[float], float],
        mean: float,
        edges: list[float] | None = None,
    ) -> None:
        self.log, self.place, self.where, self.mean = log, place, where, mean
        self.edges = edges or [0.0]
        for sign in (-1.0, 1.0) if edges is None else ():
            at, width = 0.0, 0.75
            while log(at) > -DEPTH and len(self.edges) < 2_000:
                at, width = at + sign * width, min(width * 1.12, 0.75 + 0.25 * abs(at))
                self.edges = [at, *self.edges] if sign < 0 else [*self.edges, at]
        if edges is None:
            self.edges = halved(self.edges, log)
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


def _over(c: Marginal, t: Marginal, r: float) -> list[tuple[float, float]]:
    """Values and weights over the control's mean that follow what the treatment's is up to at M + r |M|.

    The panels end at the control's own edges, at a mean of 0, and where M + r |M| is at an edge of the treatment: between
    them both densities are smooth, however narrow or one-sided the treatment's is.
    """
    ends = {*c.edges}
    for y in (0.0, *map(t.place, t.edges)):
        for side in (1.0, -1.0):
            x = y / (1 + side * r) if 1 + side * r else 0.0
            if side * x >= 0:
                ends.add(c.where(x))
    inside = sorted(x for x in ends if c.edges[0] <= x <= c.edges[-1])
    out = []
    for low, high in pairwise(inside):
        middle, half = (low + high) / 2, (high - low) / 2
        for x, w in legendre(10):
            s = middle + half * x
            out.append((c.place(s), half * w * math.exp(c.log(s)) / c.total))
    return out


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

    `below(r)` is the probability of a lift below r; None where the lift has no meaning. `close` is the probability within which
    two quadratures of it agree: less so where a control near 0 puts a kink into the lift.
    """

    chance: float
    risk: float
    below: Callable[[float], float] | None = None
    close: float = 1e-6


def _compared(c: Marginal, t: Marginal, *, up: bool, mass: float, few: bool) -> Posterior:
    found = [(w, *t.under(x)) for x, w in _over(c, t, 0.0)]
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
        lambda r: math.fsum(w * t.under(x + r * abs(x))[0] for x, w in _over(c, t, r)),
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


def _lift_prior(pair: Pair, mean: float, sd: float, *, up: bool) -> Posterior:
    """A normal prior on the lift: prior times the density of Fieller's contrast at 0, wherever its heights lie."""
    sign = -1.0 if pair.mc < 0 else 1.0

    def log(r: float) -> float:
        f = 1 + sign * r
        return (
            -0.5 * lift_z(pair, r) ** 2
            - 0.5 * math.log(pair.vt + f * f * pair.vc - 2 * f * pair.cov)
            - 0.5 * ((r - mean) / sd) ** 2
        )

    lift = (pair.mt - pair.mc) / abs(pair.mc)
    own = math.sqrt(pair.vt + (1 + sign * lift) ** 2 * pair.vc - 2 * (1 + sign * lift) * pair.cov) / abs(pair.mc)
    edges, top = _panels(log, [(mean, sd), (lift, own)])
    height = log(top)
    m = Marginal(lambda r: log(r) - height, float, float, top, edges)
    centre = top + m.moment[-1] / m.total
    less, short = m.under(0.0)
    loss_up = short * abs(pair.mc)  # E max(−r, 0) |mc|
    chance, risk = (1 - less, loss_up) if up else (less, loss_up + centre * abs(pair.mc))
    firm = abs(pair.mc) >= FIRM * math.sqrt(pair.vc)  # elsewhere earlier releases had a grid with three digits
    return Posterior(chance, max(risk, 0.0), lambda r: m.under(r)[0], 1e-5 if firm else LOOSE)


FIRM = 9.0
"""Standard errors by which a control differs from 0 where earlier releases had five digits of a lift under a prior."""


def _panels(log: Callable[[float], float], around: list[tuple[float, float]]) -> tuple[list[float], float]:
    """Ends of panels over all that lies within DEPTH of the height of a density, and where it is highest.

    A density may have a narrow height far out on a flat one, so the first ends lie densely around each of the given centres, in
    units of its scale, and panels are halved until the halves say the same.
    """
    low, high = min(c - 12 * s for c, s in around), max(c + 12 * s for c, s in around)
    for _ in range(200):
        ends = sorted({low, high, *(x for c, s in around for x in _spaced(c, s, low, high))})
        heights = [*map(log, ends)]
        floor = max(heights) - DEPTH
        width, left, right = high - low, heights[0] > floor, heights[-1] > floor
        if not left and not right:
            break
        low, high = low - width * left, high + width * right
    tops = [
        (_highest(log, ends[i - 1], ends[i + 1]), 1e-4 * (ends[i + 1] - ends[i - 1]))
        for i in range(1, len(ends) - 1)
        if heights[i - 1] <= heights[i] >= heights[i + 1] and heights[i] > floor
    ]
    top = max((at for at, _ in tops), key=log)
    floor = log(top) - DEPTH
    for at, step in tops:  # a height is as wide as a parabola through it says
        bend = 2 * log(at) - log(at - step) - log(at + step)
        if bend > 0:
            ends += [at, *(at + k * step / math.sqrt(bend) for k in (-9, -6, -4, -2.5, -1.2, 1.2, 2.5, 4, 6, 9))]
    ends = sorted(set(ends))
    kept = [i for i, x in enumerate(ends) if log(x) > floor]
    ends = ends[max(kept[0] - 1, 0) : kept[-1] + 2]
    height = log(top)
    return halved(ends, lambda x: log(x) - height), top


def _spaced(centre: float, scale: float, low: float, high: float) -> list[float]:
    """Places around a centre, half a scale apart near it and in steps of a quarter of the distance further out."""
    out, at, far = [centre], 0.5 * scale, max(high - centre, centre - low)
    while at < far:
        out += [x for x in (centre - at, centre + at) if low < x < high]
        at += max(0.5 * scale, 0.25 * at)
    return out


def _highest(log: Callable[[float], float], low: float, high: float) -> float:
    """The place of the height between two places, by golden sections."""
    share = (math.sqrt(5) - 1) / 2
    a, b = high - share * (high - low), low + share * (high - low)
    at_a, at_b = log(a), log(b)
    for _ in range(80):
        if at_a >= at_b:
            high, b, at_b = b, a, at_a
            a = high - share * (high - low)
            at_a = log(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + share * (high - low)
            at_b = log(b)
    return (low + high) / 2


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
    if found.below is None:
        return "" if row["lift"] is None or found.close >= LOOSE else "none: the control may be zero"
    ends = row["lift"], row["lift_low"], row["lift_high"]
    if not all(isinstance(x, (int, float)) and math.isfinite(x) for x in ends):
        return "" if found.close >= LOOSE and row["lift"] is None else "a lift with an interval"
    less, more = ([found.below(x + side * DIGITS * (1 + abs(x))) for x in ends] for side in (-1, 1))
    if not less[0] - found.close <= 0.5 <= more[0] + found.close:  # a share that may be 0 puts all but an atom at one lift
        return f"half of the posterior below the lift, not {more[0]:.6f}"
    if not less[2] - more[1] - found.close <= mass <= more[2] - less[1] + found.close:
        return f"{mass} of the posterior inside the interval, not {more[2] - less[1]:.6f}"
    if found.close >= LOOSE:
        return ""
    _, low, high = ends
    step, spare = 1e-4 * (high - low), 1 - mass
    at_low, at_high = ([found.below(x + d) - found.below(x + d - step) for d in (0.0, step)] for x in (low, high))
    at_end = (more[1] < 1e-4 * spare and min(at_high) <= max(at_low) * 1.01) or (
        less[1] > spare * (1 - 1e-4) and min(at_low) <= max(at_high) * 1.01
    )
    crosses = (
        min(at_low) <= max(at_high) * 1.02 and min(at_high) <= max(at_low) * 1.02
    )  # a density may fall off a cliff at an end
    if low > -1.0 and not at_end and not crosses:
        return "the narrowest interval, not a shifted one"
    return ""


# ------------------------------------------------------------------------------------------------------------------ documented
# Mixpanel's documented test, which is next to a row for comparison: unpooled z, its own variances.

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

METHODS = 5
"""The newest edition of the methods that is known here."""
WHOLE = 2
"""The edition from which on no status drops out of the rule on the good side."""


ENDED = 4
"""The edition in which an interval within what does not matter is a result, and so is a guardrail worse within its margin."""
MATCHED = 5
"""The edition in which intervals of segments are at the level of their verdicts, and a stop has an estimate of its own."""
POWER = 3
"""The edition that judges shares by the score whatever their counts, and guardrails at one-sided alpha."""


def _cells(summary: J) -> dict[tuple[str, str, str, str, str], J]:
    return {
        (c["metric"], c["variant"], c["form"], c.get("dimension", ""), c.get("slice", "")): c
        for c in reversed(summary["cells"])
    }


def rows_of(
    plan: J,
    summary: J,
    *,
    looks: Sequence[J] = (),
    dimension: str = "",
    slice_: str = "",
    alone: bool = False,
    methods: int = METHODS,
    levels: Mapping[tuple[str, str], float] | None = None,
) -> list[dict[str, J]]:
    """Every row of the readout, computed from the moments.

    Args:
        plan: As the readout has it.
        summary: Moments.
        looks: Those at the effects, this one last.
        dimension: Of a segment.
        slice_: Its value.
        alone: Leave out what earlier looks found, and give what this look found by itself.
        methods: Edition of the methods that the readout names; 1 where it names none.
        levels: Of the intervals, by metric and variant, in place of those of the families.
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
                own = estimate(metric, *pick)
                if methods >= WHOLE:
                    own = with_noise(metric, own, *pick)
                    if methods >= MATCHED:
                        own = capped_away(own, [c for c in summary.get("caps", ()) if c["metric"] == metric["key"]])
                elif not design.once:
                    own = waiting(own)
                items.append((metric, variant, pick, own, design, raw, _scores(own, design, methods)))
    found = [(_p_value(item), alpha) for item in items]
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
        gone = sum(m["role"] in roles for m in plan["metrics"]) * len(plan.get("dropped") or ())
        evidence = [_e(items[i]) for i in members] + [0.0] * gone if name == "e-bh" else [*p_values, *[1.0] * gone]
        adjusted = adjust(evidence, name)[: len(members)]
        of = sum(not math.isnan(p) for p in p_values) + gone
        level = interval_level(alpha, name, sum(p <= alpha for p in adjusted if not math.isnan(p)), of)
        if roles == ("guardrail",) and methods >= POWER and plan["model"]["kind"] != "bayesian":
            level = 2 * (plan.get("decision", {}).get("guardrail_alpha") or alpha)
        for i, p in zip(members, adjusted, strict=True):
            corrected[i] = (p, level)
    for i, item in enumerate(items):
        corrected[i] = corrected[i][0], (levels or {}).get((item[0]["key"], item[1]["key"]), corrected[i][1])
    end, early = closing(plan, looks[:-1]) is not None, methods >= MATCHED and not dimension and not alone
    return [
        _row(plan, item, found[i][0], *corrected[i], held=held[i], end=end, early=early, methods=methods)
        for i, item in enumerate(items)
    ]


def _scores(est: Estimate, design: Design, methods: int) -> Score | None:
    """The counts where the score method judges a row."""
    if methods < WHOLE:
        return est.score if design.once and est.reduction is None and est.pair.status != "zero_variance" else None
    if methods >= POWER and est.reduction is None:
        plenty = design.once and est.score is None and est.counts is not None and est.counts.many
        found = None if plenty else est.counts
    else:
        found = est.score if not design.once or est.reduction is None else None
    return replace(found, wary=True) if found is not None and methods >= MATCHED else found


def _z(item: J) -> float:
    """Distance from no difference; NaN where there is none, or where a design with several looks waits for events."""
    est, design, score = item[3], item[4], item[6]
    if score is not None:
        return NAN if score.silent or (score.rare and not design.once) else float(score.z_effect(0.0))
    pair = est.pair
    return (pair.mt - pair.mc) / math.sqrt(pair.variance) if pair.status == "ok" else NAN


def _p_value(item: J) -> float:
    est, design, score = item[3], item[4], item[6]
    return float(design.p(est.pair) if score is None else design.p_of(_z(item), est.pair.n))


def _e(item: J) -> float:
    z, design = _z(item), item[4]
    if math.isnan(z) or design.rho2 is None:
        return NAN
    log = design.log_e(z, item[3].pair.n)
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
    plan: J,
    item: J,
    p: float,
    p_adjusted: float,
    level: float,
    *,
    held: J | None = None,
    end: bool = False,
    early: bool = False,
    methods: int = METHODS,
) -> dict[str, J]:
    metric, variant, cells, est, design, raw, score = item
    pair, alpha = est.pair, alpha_of(plan)
    sign = 1 if metric["direction"] == "increase" else -1
    row = _interval(pair, design, level)
    q = row.pop("q", NAN)
    if score is not None:
        q = design.q(Pair(n=pair.n, df=math.inf), level)
        if math.isfinite(q):
            shows = methods >= MATCHED and metric.get("margin") is not None
            row |= _by_score(score, q, waits=score.rare and not design.once, held=shows)
        no_lift = row.pop("no_lift", "unbounded_lift" if has_lift(pair) else "control_near_zero")
        row["status"] = "few_events" if not math.isnan(p) and score.tiny else pair.status
        if math.isnan(p) and score.rare and not design.once and pair.status != "zero_variance":
            row["status"] = "too_few_events"
        if row["status"] in ("ok", "few_events") and no_lift:
            row["status"] = no_lift
    if est.borrows:
        row["status"] = "separation"
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
        "no_control": pair.mc == 0,
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
    row["equivalent"] = None
    row["no_effect_within"] = within = metric.get("equivalence") or least
    if methods >= ENDED and metric["role"] != "guardrail" and within:
        low, high = row["lift_low"], row["lift_high"]
        row["equivalent"] = low is not None and high is not None and -within < low and high < within
    if held is not None and end:
        row |= {"guardrail": held["guardrail"], "matters": held["matters"]}
        row["equivalent"] = None if row["equivalent"] is None else False
    row["last_q"] = last_multiplier(plan, design.boundary, level) if metric["role"] == "primary" else None
    row["saved_by"] = [] if est.reduction is None else saved_by(metric, *cells)
    row["sensitivity"] = []
    if early and held is None and p_adjusted <= alpha:
        row["sensitivity"] += _after_stop(pair, design, _z(item), level)
    if est.reduction is not None:
        row["sensitivity"].append(("without CUPED", _interval(est.plain, design, level), design.p(est.plain)))
    if all(c is not None for c in raw):
        plain = estimate(metric, *raw).plain
        row["sensitivity"].append(("raw", _interval(plain, design, level), design.p(plain)))
    grouped = cells[0] is not None and list(cells[0]["columns"][:1]) == ["total"]
    if metric["kind"] != "quantile" and pair.status == "ok" and not est.borrows and not grouped:
        row["sensitivity"].append((DOCUMENTED, *documented_test(metric, *cells, share=est.share, alpha=alpha)))
    return row


def _after_stop(pair: Pair, design: Design, z: float, level: float) -> list[tuple[str, dict[str, J], float]]:
    """The estimate that stopping at this look does not exaggerate; empty where no look came before."""
    found = design.after_stop(z, level, pair.n) if math.isfinite(z) and z != 0 else None
    if found is None or design.boundary is None:
        return []
    ends, p = found
    scale = (pair.mt - pair.mc) / z * math.sqrt(design.boundary.information[-1])
    values = [scale * x for x in ends]
    out: dict[str, J] = dict(zip(("effect", "ci_low", "ci_high"), values, strict=True))
    lifts = [x / abs(pair.mc) if has_lift(pair) else None for x in values]
    out |= dict(zip(("lift", "lift_low", "lift_high"), lifts, strict=True))
    return [("adjusted for stopping early", {**out, "status": "ok"}, p)]


def _by_score(score: Score, q: float, *, waits: bool, held: bool) -> dict[str, J]:
    """Effect and lift with their intervals by the score; none without a difference, or without zero while none is called."""
    out: dict[str, J] = {}
    out["effect"], out["ci_low"], out["ci_high"] = score.effect(q)
    out["lift"], out["lift_low"], out["lift_high"], out["no_lift"] = score.lift(q)
    if score.silent or (waits and not out["ci_low"] <= 0 <= out["ci_high"]):
        hidden = ("lift_low", "lift_high") if score.silent and held else ("ci_low", "ci_high", "lift_low", "lift_high")
        out |= dict.fromkeys(hidden)
    return out


def _believed(row: dict[str, J], pair: Pair, posterior: Posterior | None, confidence: float) -> str:
    """Effect under a flat prior, and the verdict of the chance to beat control; the lift is the posterior's, not Fieller's."""
    reach = normal_isf((1 - confidence) / 2) * math.sqrt(pair.variance)
    row["effect"] = pair.mt - pair.mc
    row["ci_low"], row["ci_high"] = row["effect"] - reach, row["effect"] + reach
    for name in ("lift", "lift_low", "lift_high"):
        row[name] = None
    if row["status"] not in ("ok", "few_events", "separation"):
        row["status"] = "ok"
    if posterior is None:
        if pair.mc == 0 and row["status"] != "separation":
            row["status"] = "control_near_zero"
        return "unclear"
    if posterior.below is None and row["status"] != "separation":  # what it says of the noise matters more
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
    if score is not None and size < 1 and not (score.silent and relative is not None):
        z = sign * (score.z_ratio(1 - sign * size) if relative is not None else score.z_effect(-sign * size))
        out["margin_p_value"] = design.p_one_sided(z, Pair(n=pair.n, df=math.inf))
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


def known(row: J) -> bool:
    """Whether a row has what its test needs."""
    return bool(row["ci_low"] is not None if row["status"] == "separation" else row["status"] in COMPUTED)


def lost(row: J) -> bool:
    """Whether a metric has no number that could have told of harm."""
    if row["status"] in ("not_enough_units", "not_finite", "zero_denominator", "cap_is_zero"):
        return True
    effect = row["effect"]
    bad = effect is None or (effect < 0) == (row["direction"] == "increase")
    if row["status"] == "separation":
        return bool(row["ci_low"] is None and bad)
    return bool(row["status"] == "zero_variance" and effect and bad)


def situation(plan: J, rows: Sequence[J], health: Sequence[J], adequate: bool, methods: int) -> dict[str, J]:
    """What was found for one treatment variant; what is lost keeps anything next to it from winning."""
    ladder, floor = ("worse", "none", "hopeless", "unclear", "small", "win"), plan.get("decision", {}).get("futility")
    primaries = [r for r in rows if r["role"] == "primary"]
    states = [
        "worse"
        if r["verdict"] == "worse"
        else "win"
        if r["verdict"] == "better" and r["matters"] is not False
        else "none"
        if r.get("equivalent")
        else "hopeless"
        if floor is not None and r["verdict"] == "unclear" and r.get("chance_left") is not None and r["chance_left"] < floor
        else "unclear"
        if r["verdict"] == "unclear"
        else "small"
        for r in primaries
    ]
    best = max if plan.get("decision", {}).get("ship_when", "any_primary") == "any_primary" else min
    rails = [r["guardrail"] for r in rows if r["role"] == "guardrail"]
    within = [r for r in rows if r["role"] == "guardrail" and (r["guardrail"], r["verdict"]) == ("ok", "worse")]
    fine = "worse" if within and methods >= ENDED else "ok"
    loud = [c for c in health if c["status"] in ("warn", "fail")]
    found = best(states, key=ladder.index) if states else "unclear"
    gone = methods >= WHOLE and any(lost(r) for r in rows if r["role"] != "guardrail")
    computed = known if methods >= WHOLE else lambda r: r["status"] in COMPUTED
    return {
        "primary": min(found, "unclear", key=ladder.index) if gone else found,
        "deteriorated": any(r["verdict"] == "worse" for r in rows if r["role"] != "guardrail"),
        "guardrails": "bad" if "bad" in rails else "unclear" if "unclear" in rails else fine,
        "health": "fail" if any(c["gate"] and c["status"] == "fail" for c in loud) else "warn" if loud else "pass",
        "adequate": bool(adequate and primaries and all(computed(r) for r in primaries) and not gone),
    }


def rule(policy: J, s: Mapping[str, J], methods: int = METHODS) -> tuple[str, str]:
    """Row and outcome of the decision rule."""
    ended = methods >= ENDED
    win = s["primary"] == "win"
    ladder: list[tuple[str, bool, str]] = [
        ("R1", s["health"] == "fail", "invalid"),
        ("R2", s["guardrails"] == "bad", "ship none"),
        ("R3", s["primary"] == "worse", "ship none"),
        ("R4", win and s["deteriorated"], "iterate"),
        ("R5", win and s["guardrails"] == "unclear", "iterate"),
        ("R6", win and s["health"] == "warn" and policy.get("health") == "no_warnings", "iterate"),
        ("R12", ended and win and s["guardrails"] == "worse", "ship"),
        ("R7", win, "ship"),
        ("R8", s["deteriorated"], "ship none"),
        ("R13", ended and s["primary"] == "none", "ship none"),
        ("R14", policy.get("futility") is not None and s["primary"] == "hopeless", "ship none"),
        ("R9", not s["adequate"], "iterate"),
        ("R10", s["primary"] == "small", "ship none"),
    ]
    return next(((row, outcome) for row, fits, outcome in ladder if fits), ("R11", "ship none"))


def recommended(plan: J, rows: Sequence[J], health: Sequence[J], adequate: bool, *, methods: int = METHODS) -> dict[str, J]:
    """Outcome over all treatments: invalid if any is, else the best; of several that ship, the largest first primary lift."""
    verdicts = []
    for variant in plan["variants"]:
        if variant.get("control"):
            continue
        s = situation(plan, [r for r in rows if r["variant"] == variant["key"]], health, adequate, methods)
        verdicts.append((variant["key"], s, *rule(plan.get("decision", {}), s, methods)))
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


# ---------------------------------------------------------------------------------------------------------------- health_words
# Title, gate and wordings of each health check, made from its source by `python scripts/make_verifier.py`.

CHECKS: dict[str, tuple[str, bool, tuple[str, ...]]] = {
    "no_units": (
        "Units in every variant",
        True,
        (
            " of ",
            " variants have no exposed unit.",
            "Compare the experiment's name and the variants' keys in the data with the plan.",
            "Every planned variant has exposed units.",
            "Look whether the variant is served and its exposures are sent, and whether its key is spelt as in the plan.",
            "No unit of any planned variant was found: this may be another experiment's data.",
            "Nothing to do.",
            "fail",
            "pass",
        ),
    ),
    "plan_first": (
        "Plan before data",
        False,
        (
            " ",
            " What was planned may have been chosen for what the data show.",
            " after the first exposure: ",
            " as a retrospective one.",
            " before the first exposure: ",
            " came before it.",
            " day",
            " days",
            " of ",
            " of the units and ",
            ", and an earlier look on record found a first exposure on ",
            ", and the source has no dates of exposure.",
            ", first exposure on ",
            ".",
            ". All units were exposed by then.",
            ". The data read now ",
            ". Up to ",
            "; a first exposure does not move.",
            "All outcomes existed by then: the data end on ",
            "It is not known whether the plan came first: it was registered on ",
            "Name the column of the day of exposure (day=…, --day-column).",
            "No registration was given.",
            "Nothing to do.",
            "Outcomes of the units exposed by then may have existed.",
            "Read it as a description of these data, and register the next experiment before it begins. A plan that is meant to look back is registered as such: retrospective=True.",
            "Read the same day of exposure as before. To leave the units before the plan out, amend exposure.start.",
            "Read through the experiment, which knows its own.",
            "Run an experiment to confirm it.",
            "The plan came ",
            "The plan came on the day of the first exposure: ",
            "The plan is retrospective: ",
            "The plan was registered ",
            "The plan was registered on ",
            "To leave these units out, amend exposure.start to ",
            "To leave these units out, read a table that begins on ",
            "after",
            "before",
            "begin on ",
            "day",
            "have no dates of exposure",
            "hours",
            "not answerable",
            "partly",
            "pass",
            "registered on ",
            "retrospective",
            "same day",
            "unknown",
            "warn",
        ),
    ),
    "srm": (
        "Sample ratio",
        True,
        (
            " (",
            " (p = ",
            " as these (up to ",
            " of a variant's share) come up by chance with p = ",
            " of a variant's share) would fail (",
            " of its share). Units were lost or added in one variant, and those are rarely like the others: effects can be wrong in size and sign.",
            ").",
            "); this plan reads more than once, so the daily test decides.",
            ".",
            ": unusual, not conclusive.",
            "; a variant is off by ",
            "Counts as far from the ",
            "Declare the rollout group as a segment to test each group.",
            "Don't read effects. Look at the ranked causes, fix the first one that holds, and collect again from the day of the repair.",
            "Look at the days and segments, and name the doubt next to the result.",
            "Look at the sample ratio that may be looked at daily, at the days and at the segments; name the doubt next to the result.",
            "Nothing to do.",
            "Read once, counts as far from the ",
            "The counts do not fit the ",
            "The counts fit the ",
            "There are no units yet.",
            "Wait for exposures.",
            "fail",
            "not answerable",
            "pass",
            "srm",
            "srm_anytime",
            "warn",
        ),
    ),
    "srm_anytime": (
        "Sample ratio, looked at daily",
        True,
        (
            " (anytime p = ",
            " daily looks did the counts leave the ",
            " further than chance explains at any of ",
            " looks (anytime ",
            " looks (anytime p = ",
            " oddly in ",
            " the running counts had left the ",
            ").",
            ".",
            "At none of ",
            "By ",
            "Declare the rollout group as a segment to test each group.",
            "Don't read effects. Look at what changed on or before that day, also where later days made up for it.",
            "Give the source a date column to have every day tested.",
            "Look at the days at which it moved.",
            "Nothing to do.",
            "The running counts strayed from the ",
            "The source has no dates of exposure, so there was only one look and the fixed test covers it.",
            "There are no units yet.",
            "Wait for exposures.",
            "day",
            "fail",
            "line",
            "not answerable",
            "p-value",
            "pass",
            "warn",
        ),
    ),
    "srm_by_day": (
        "Sample ratio by day",
        False,
        (
            " (corrected ",
            " days is off (smallest corrected p = ",
            " days the shares are off, most on ",
            " of ",
            ").",
            ".",
            "Ask what was released or broken on these days, in one variant or its logging; the effect with those days left out is a sensitivity check to plan as an amendment.",
            "Declare the rollout group as a segment to test each group.",
            "Give the source a date column.",
            "No day has enough units to test.",
            "None of ",
            "Nothing to do.",
            "On ",
            "The source has no dates of exposure.",
            "Wait for more exposures.",
            "day",
            "fail",
            "not answerable",
            "p-value",
            "pass",
            "point",
            "warn",
        ),
    ),
    "srm_by_segment": (
        "Sample ratio by segment",
        False,
        (
            " (corrected ",
            " = ",
            " of ",
            " slices is off (smallest corrected p = ",
            " slices the shares are off, most in ",
            ").",
            ".",
            "Declare segments in the plan, before launch.",
            "Declare the rollout group as a segment to test each group.",
            "Don't read these segments. If the segment is known before exposure, units are lost there; if the treatment can change it, it is not a segment but an outcome.",
            "In ",
            "No segment has enough units to test.",
            "None of ",
            "Nothing to do.",
            "The plan declares no segments.",
            "Wait for more exposures.",
            "fail",
            "not answerable",
            "pass",
            "warn",
        ),
    ),
    "contamination": (
        "Contamination",
        True,
        (
            " (",
            " It is not the same in every variant (",
            " unit",
            " units",
            ") met several variants.",
            "), so leaving these units out makes the variants unlike.",
            "A table with one row per unit does not show who met several variants.",
            "Look for an assignment key that changes at log-in, a changed split or salt, or two systems that assign. Effects shrink towards zero by about this share.",
            "Nothing to do.",
            "Read the exposures themselves where they exist.",
            "There are no units yet.",
            "Wait for exposures.",
            "fail",
            "not answerable",
            "pass",
            "unit",
            "warn",
        ),
    ),
    "assignment_audit": (
        "Assignment audit",
        True,
        (
            " (",
            " Likely cause: ",
            " exposure",
            " exposure shows",
            " exposures",
            " exposures show",
            " in a sample of one unit in ",
            " its variant",
            " of ",
            " the variant that the hash gives",
            ") show another variant than the hash gives",
            ", as chance would: these units were assigned by something else, or under other ids. Whether at random was not checked.",
            ".",
            "All ",
            "Give it exposures.",
            "No audit was given: another system assigns, or the ids of the exposed units are not at hand.",
            "Nothing to do.",
            "Open the report of xpbench audit: it names the first divergence and the cause. Fix it and restart: xp.restart draws again with a fresh salt.",
            "Read the ids that were hashed; or register the next plan without assignment, where another system assigns.",
            "Run xpbench audit over the exposures where the plan or a flag assigns.",
            "Run xpbench audit over the exposures, with what it needs, and hand its report over: evidence={'audit': ...}.",
            "The assignment was not computed again. ",
            "The audit looked at no exposure.",
            "The hash of the plan gives ",
            "The plan does not assign, another system does: nothing here can be computed again.",
            "case or whitespace",
            "encoding",
            "exposure",
            "exposure shows",
            "exposures show",
            "fail",
            "float32 buckets",
            "groups reordered",
            "holdout leak",
            "id cast",
            "id cut",
            "id hashed",
            "id prefixed",
            "id type switched",
            "late bucketing",
            "layer leak",
            "not answerable",
            "outside rollout",
            "override list",
            "pass",
            "second sdk",
            "split changed",
            "swapped labels",
            "unknown",
            "variant order",
            "warn",
            "wrong salt",
        ),
    ),
    "flag_split": (
        "Flag and plan agree",
        True,
        (
            " planned variant(s) get nothing",
            " points",
            " variant(s) are not in the plan",
            ", ",
            ", as a hash with a hundred buckets does. The sample ratio is tested against the flag's exact shares.",
            ".",
            "Correct the flag, or amend the plan before any outcome is computed.",
            "No flag was given.",
            "Nothing to do.",
            "Pass the flag's definition where a flag assigns.",
            "The flag does not serve the plan's variants: shares differ by up to ",
            "The flag serves the plan's splits.",
            "The flag's shares differ from the plan's by up to ",
            "Use shares in whole hundredths, or the sha256 hash.",
            "fail",
            "not answerable",
            "pass",
            "warn",
        ),
    ),
    "unknown_variant": (
        "Variants of the plan",
        True,
        (
            " (",
            " of ",
            " of the units carry a variant that the plan does not have: most likely another experiment's data.",
            ") carry a variant that the plan does not have; they were ",
            ".",
            "Compare the experiment's name and the variants' keys in the data with the plan.",
            "Compare the spelling of the keys (case, blanks, versions). A misspelt planned variant loses units.",
            "Every variant in the data is one of the plan.",
            "Nothing to do.",
            "fail",
            "pass",
            "warn",
        ),
    ),
    "missing_variant": (
        "Unit and variant named",
        True,
        (
            " (",
            " of ",
            ") name no unit or no variant; they were ",
            ".",
            "Every row names its unit and its variant.",
            "Look where the exposure is sent without its variant property: if that happens in one variant only, it is a sample ratio mismatch in disguise.",
            "Nothing to do.",
            "fail",
            "pass",
            "warn",
        ),
    ),
    "exposure_dates": (
        "Exposures within the dates",
        True,
        (
            " (",
            " are among the units (first ",
            " exposure",
            " exposures",
            " outside the dates and left out.",
            ") ",
            ").",
            ", last ",
            "Check the time zone of the export and the plan's dates; leave these exposures out.",
            "Exposures ",
            "Exposures lie within the planned dates.",
            "If the variant was served before the start, these units are not new to it: look whether they come back later.",
            "Nothing to do.",
            "Set exposure.start in the plan.",
            "The plan has no start or end.",
            "after the end",
            "before the start",
            "exposure",
            "fail",
            "not answerable",
            "outside the dates",
            "pass",
            "unknown",
            "warn",
            "was",
            "were",
        ),
    ),
    "exposures_missing": (
        "Exposures of assigned units",
        True,
        (
            " variant(s) more units are exposed than were assigned: someone else assigns as well.",
            "): exposures are lost, or fire at different places.",
            "Assigned units are exposed at the same rate in every variant.",
            "Fire the exposure at the same point in every variant, before anything that differs between them.",
            "In ",
            "No log of assignments was given.",
            "Nothing to do.",
            "Nothing was assigned yet.",
            "Pass the assigned units by variant where they are logged.",
            "Run xpbench audit over the exposures, and look for a second SDK or a stale flag.",
            "The share of assigned units that were exposed differs between variants (",
            "Wait.",
            "fail",
            "not answerable",
            "pass",
        ),
    ),
    "dilution": (
        "Triggered against assigned",
        False,
        (
            " of that.",
            " of the assigned units were exposed.",
            " of the assigned units were exposed. Effects are those on exposed units; on everyone who was assigned they are ",
            "No log of assignments was given.",
            "Nothing to do.",
            "Nothing was assigned or exposed yet.",
            "Only ",
            "Pass the assigned units by variant where they are logged.",
            "Say so next to the impact, and assign nearer to the place where the change is met.",
            "Wait.",
            "not answerable",
            "pass",
            "warn",
        ),
    ),
    "pre_experiment_bias": (
        "Pre-experiment bias",
        False,
        (
            " comparisons before the exposure differs (smallest corrected p ",
            " days before the exposure (corrected ",
            " differed between the variants already in the ",
            " more comparisons likewise",
            ")",
            ").",
            ", ",
            ".",
            ": it takes out what the past explains. ",
            "; ",
            "CUPED is on for these metrics and takes out what the past explains. ",
            "Holm",
            "If the sample ratio or the audit complain too, fix the assignment first.",
            "None of ",
            "Nothing to do.",
            "Read events from before the experiment as well (the plan's pre_period_days), or name covariate columns.",
            "There are no values from before the exposure.",
            "Use CUPED on ",
            "before",
            "not answerable",
            "pass",
            "warn",
        ),
    ),
    "aa_calibration": (
        "A/A calibration",
        False,
        (
            " are not uniform: ",
            " fall below ",
            " of ",
            " re-randomisations without any effect the p-values are uniform: ",
            " re-randomisations without any effect, the p-values",
            ".",
            "Cap the metric (winsorize) or wait for more units: its tail is too heavy for the normal approximation here.",
            "Give it more units.",
            "No metric could be re-randomised.",
            "Nothing to do.",
            "Nothing was re-randomised: it needs a value per unit, which moments alone do not hold.",
            "Over ",
            "Read from xp.units or xp.events on this machine, or give evidence={'retro': xp.calibrate(...)}.",
            "bar",
            "draws",
            "not answerable",
            "p-value",
            "pass",
            "warn",
        ),
    ),
    "missing_values": (
        "Missing values",
        True,
        (
            " ",
            " (",
            " It is not the same in every variant (",
            " more metric(s) likewise.",
            " values are missing, below the plan's limit.",
            " values of ",
            ") are missing and were ",
            "): leaving them out biases the effect.",
            ".",
            "Find out why they are missing: no event (then zero is right) or lost (then neither zero nor leaving out is).",
            "No value is missing.",
            "Nothing to do.",
            "fail",
            "missing_value",
            "missing_values",
            "pass",
            "the data",
            "warn",
        ),
    ),
    "missing_codes": (
        "Codes for missing",
        True,
        (
            " values are codes for missing and were ",
            " values look like codes for missing (in ",
            ") and would be averaged in.",
            ", ",
            ".",
            "Check that the list in data.missing_codes is complete.",
            "Declare them in the plan: data.missing_codes, or an empty list when these are real values.",
            "No code for missing values was seen.",
            "Nothing to do.",
            "a column",
            "fail",
            "pass",
            "warn",
        ),
    ),
    "not_a_number": (
        "Finite numbers",
        True,
        (
            " are not finite numbers and were ",
            " of ",
            " values",
            ", ",
            ".",
            "Every value is a finite number.",
            "Look at the type of the property or column, and at divisions by zero before the export.",
            "Nothing to do.",
            "fail",
            "pass",
            "warn",
        ),
    ),
    "negative_values": (
        "Negative values",
        False,
        (
            " are negative and were ",
            " values of ",
            ", ",
            ".",
            "Fine if they are refunds; otherwise look for a wrong sign or a code for missing.",
            "No value is negative.",
            "Nothing to do.",
            "pass",
            "the data",
            "warn",
        ),
    ),
    "absent_events": (
        "Events of the plan",
        False,
        (
            " event(s) of the plan never occur, as for ",
            " fits no event, which counts as zero. ",
            ", and were ",
            ".",
            "A filter of metric ",
            "A table with one row per unit has no events.",
            "Compare the event's spelling with the log; an event that was never sent measures nothing.",
            "Compare the value in the plan with those in the log.",
            "Compare who sends each of them; rename them in the source if they are one event.",
            "Every event of the plan occurs.",
            "Nothing to do.",
            "The log spells an event in several ways. ",
            "not answerable",
            "pass",
            "warn",
        ),
    ),
    "constant_metric": (
        "Metrics vary",
        True,
        (
            " ",
            " metrics vary between units.",
            " the same value for every unit: nothing was measured.",
            ", ",
            "All ",
            "Check the event's name, its filters and the window; compare with the number of such events in the source.",
            "No metric has values yet.",
            "Nothing to do.",
            "Wait for data.",
            "fail",
            "has",
            "have",
            "not answerable",
            "pass",
            "warn",
        ),
    ),
    "outlier_leverage": (
        "Leverage of single units",
        False,
        (
            " Without the cap one unit would move ",
            " by ",
            " more metric(s) likewise",
            " standard errors",
            " standard errors.",
            ".",
            "; ",
            "Look at the unit: a person, a bot or a fault of logging? Cap the metric (winsorize) in the plan before the next experiment; the capped result next to this one is a sensitivity check.",
            "No single unit moves an effect by more than ",
            "Nothing to do.",
            "One unit moves the effect on ",
            "The source gives no extremes for these metrics.",
            "not answerable",
            "pass",
            "raw",
            "value",
            "warn",
        ),
    ),
    "duplicate_units": (
        "One row per unit",
        True,
        (
            " ",
            " (",
            " row",
            " rows",
            ") ",
            ".",
            "An event log has many rows per unit by nature.",
            "Every unit has one row.",
            "Find out what one row is: a unit, a session, an order. Add up to units before reading.",
            "Nothing to do.",
            "duplicate_unit",
            "duplicate_units",
            "fail",
            "not answerable",
            "pass",
            "repeat a unit; they were",
            "repeats a unit; it was",
            "row",
            "warn",
        ),
    ),
    "mixed_ids": (
        "One type of ids",
        False,
        (
            " values (",
            ") are of another type or spelling than the rest; they were ",
            ".",
            "A unit under two spellings is two units to a hash. Cast ids to text once, at the source.",
            "Ids and columns are of one type each.",
            "Nothing to do.",
            "mixed_ids",
            "mixed_types",
            "pass",
            "warn",
        ),
    ),
    "duplicate_events": (
        "Duplicate events",
        False,
        (
            " ",
            " (",
            " duplicate events (",
            " event",
            " events",
            ") ",
            ") were left out.",
            ".",
            "A table with one row per unit has no events.",
            "Look for a retry without a stable insert id, or two trackers. If one variant retries more, its counts are too high.",
            "No event has an insert id, so a repeat can't be distinguished from a second event. ",
            "Nothing to do.",
            "Send an insert id with every event, or name its column: xp.EventSchema(insert_id=…).",
            "are duplicates and were",
            "duplicate_event",
            "duplicate_events",
            "event",
            "is a duplicate and was",
            "not answerable",
            "pass",
            "warn",
        ),
    ),
    "rejected_lines": (
        "Readable rows",
        True,
        (
            " ",
            " (",
            " could be read in part alone: ",
            " file",
            " files",
            " row",
            " rows",
            ") could not be read and ",
            ".",
            "Copy or download the file again: nobody knows how many events are behind the break.",
            "Every row was read.",
            "Export again: a cut download or a broken line hides whatever was behind it.",
            "Nothing to do.",
            "bad_time",
            "fail",
            "file",
            "missing_event_name",
            "pass",
            "rejected_lines",
            "row",
            "truncated_file",
            "warn",
            "was",
            "were",
        ),
    ),
    "reading_rules": (
        "How the file was read",
        False,
        (
            " ",
            " could not be read as the rest is. ",
            " line or cell",
            " lines or cells",
            "Check that the rule is the one you mean.",
            "Every column was read as it is written.",
            "Look at these lines, and export the file without them.",
            "Nothing to do.",
            "line or cell",
            "lines or cells",
            "pass",
            "warn",
        ),
    ),
    "late_data": (
        "Late data",
        False,
        (
            " (",
            " event",
            " events",
            ") came late",
            ") came late.",
            ", more often in one variant than in another",
            ".",
            "A table with one row per unit does not say when its values arrived.",
            "Nothing to do.",
            "Wait until the delay has passed before reading, or end the range some days before the export.",
            "event",
            "late_data",
            "late_event",
            "late_events",
            "not answerable",
            "pass",
            "warn",
        ),
    ),
    "immature_data": (
        "Mature units",
        False,
        (
            " ",
            " (",
            " still within ",
            " unit",
            " units",
            " window and ",
            " window.",
            ") ",
            ": a metric that grows with time compares early units only.",
            "A table with one row per unit does not say whose window is over.",
            "Nothing to do.",
            "Read again when the last unit's window is over; the effect may change as later units mature.",
            "are",
            "immature_unit",
            "immature_units",
            "is",
            "its",
            "not answerable",
            "pass",
            "their",
            "unit",
            "warn",
            "was",
            "were",
        ),
    ),
    "bots": (
        "Bots and power users",
        False,
        (
            " ",
            " (",
            " of ",
            " unit",
            " units",
            ") ",
            ", more than a person can do.",
            ".",
            "A table with one row per unit does not say what units did when.",
            "Add a count metric, or filter automatic traffic at the source.",
            "Filter automatic traffic before the exposure, by a rule that does not look at the variant; cap the metric.",
            "No unit does more than a person can.",
            "Nothing to do.",
            "One unit has ",
            "See the leverage check.",
            "The plan counts nothing per unit, so nothing shows who is not a person.",
            "bot",
            "bots",
            "kind",
            "look like bots or power users and were",
            "looks like a bot or power user and was",
            "not answerable",
            "pass",
            "power_user",
            "power_users",
            "unit",
            "warn",
            "window_days",
        ),
    ),
    "qa_testers": (
        "Test users",
        False,
        (
            " ",
            " (",
            " labelled as ",
            " test users (",
            " unit",
            " units",
            ")",
            ") ",
            ").",
            ".",
            "; not the same in every variant (",
            "A rollout group with a variant override labels all its users as testers: keep them (exposure.qa_testers) if so.",
            "A table with one row per unit does not say who is a test user.",
            "Nothing to do.",
            "a test user and was",
            "are",
            "is",
            "not answerable",
            "pass",
            "qa_tester",
            "qa_testers",
            "test users and were",
            "unit",
            "warn",
        ),
    ),
    "identity_changes": (
        "Stable identity",
        False,
        (
            " ",
            " (",
            " Not the same in every variant (",
            " an id.",
            " several ids, ",
            " unit",
            " units",
            ")",
            ") ",
            ") changed their id",
            ") changed their id.",
            ").",
            ", not the same in every variant (",
            ": the same person may have met two variants, or count twice.",
            "A table with one row per unit has one id each.",
            "An id of several persons, such as a shared device, is not merged: assign by an id that belongs to one.",
            "Assign by an id that outlives the log-in, or expose after it. Compare with the contamination check.",
            "Assign by an id that outlives the log-in; see the contamination check for what it costs otherwise.",
            "Check whether a variant asks people to log in: then the units differ.",
            "Nothing to do.",
            "The source did not compare ids before and after log-in.",
            "device_to_user",
            "has",
            "have",
            "identity_changes",
            "identity_merged",
            "merged into one person as the plan says. ",
            "merged_ids",
            "not answerable",
            "pass",
            "share",
            "shares",
            "unit",
            "warn",
        ),
    ),
    "metric_overlap": (
        "Metric overlap",
        False,
        (
            " belong to exposed units as the time before the experiment lets one expect.",
            " belong to exposed units; of the other metrics it is ",
            " event",
            " events",
            " happened since the first exposure, so nothing says whose they are.",
            " is less than a tenth of what the plan expects of it, in all variants together.",
            " of metric ",
            " of the events of metric ",
            " or more belong to exposed units.",
            " since the first exposure belongs to an exposed unit, so the metric is zero for everyone.",
            ".",
            "A table with one row per unit has no events.",
            "Compare the ids of these events with those of the exposures: an event that is sent under another id (a user after the log-in, a server, a hashed id) is lost to the experiment. Stable identity says more.",
            "In at least one variant, fewer than a tenth as many events of metric ",
            "Metric ",
            "No event of metric ",
            "None of the ",
            "Nothing to do.",
            "Of every metric's events, ",
            "Only ",
            "The source did not compare the ids of metrics with the exposed units.",
            "Wait for the first ones, or compare the event's name in the plan with what is sent now.",
            "event",
            "fail",
            "not answerable",
            "pass",
            "warn",
            "window_days",
        ),
    ),
    "time_zone_shift": (
        "Time zone",
        False,
        (
            " event looks",
            " events look",
            " hours in the future. ",
            " shifted. ",
            "Local times seem to be written as UTC, which moves exposures to other days.",
            "Neither the time of the reading nor of the last event is known.",
            "Nothing to do.",
            "Pass now.",
            "Set the project's time zone when reading; projects made before 2023 store local time.",
            "The last event lies ",
            "The source has no times.",
            "Times do not lie in the future.",
            "event looks",
            "events look",
            "future_events",
            "not answerable",
            "pass",
            "time_zone_shift",
            "warn",
        ),
    ),
    "clock": (
        "Clock",
        True,
        (
            "): it was set back, or that entry was made by a clock that ran ahead.",
            ", before the ledger's latest entry (",
            ", far after the clock's ",
            ".",
            "; at the look before it reached ",
            "Nothing to do.",
            "Read the newest export. An older one is another look at other data, and counts as one.",
            "Set the clock. The order of the entries holds whatever their times say; what is due by days follows the clock.",
            "Set this machine's clock, or look for devices with wrong clocks; windows and days can't be trusted until then.",
            "The data ends at ",
            "The data or the reading has no time.",
            "The data's times fit the clock.",
            "This machine's clock says ",
            "fail",
            "not answerable",
            "pass",
            "warn",
        ),
    ),
    "shrunk_data": (
        "Data only grows",
        True,
        (
            " ",
            " are gone or have another variant: these are other units.",
            " gone (up to ",
            " of a variant).",
            " sampled units of the look before, ",
            " unit is",
            " units are",
            ": not the same data, or older data was added.",
            "; at the look before it was of ",
            "Compare the two sources: a narrower date range, another filter, deleted users or another experiment's data. The looks so far were not at this data.",
            "Compare the two sources: another experiment's data, another date range, a late import or another time zone.",
            "Compare the two sources: another experiment's data, variants drawn again, or ids that differ between exports. If the data now are the right ones, amend the plan's data policy or dates with the reason, and read again.",
            "No variant has fewer units than at the look before.",
            "Nothing to do.",
            "Of ",
            "Since the look before, ",
            "The first exposure is of ",
            "This is the first look.",
            "fail",
            "not answerable",
            "pass",
            "unit is",
            "units are",
            "warn",
        ),
    ),
    "restated_outcomes": (
        "Outcomes stay",
        True,
        (
            " changed for units of one variant whose outcomes were complete then, and not as much for the others.",
            " for the units of that look. They may still have acted; or rows were added twice.",
            " for units whose outcomes were complete then (",
            " grew by ",
            " is ",
            " now, all variants together).",
            " of ",
            " then, ",
            ", ",
            "Compare the two exports: events deleted or imported twice, another filter, policy for repeats or zone. If the data now are the right ones, amend the plan's data policy or dates with the reason, and read again.",
            "Give the metric a window, or compare the two exports.",
            "No look before this one has recorded outcomes of mature units.",
            "No metric has days that were mature at the look before.",
            "Nothing to do.",
            "Since the look ",
            "Since the look before, ",
            "The outcomes of mature units are those of the look before.",
            "added",
            "before",
            "fail",
            "gone",
            "not answerable",
            "of ",
            "pass",
            "warn",
        ),
    ),
    "day_of_week": (
        "Whole weeks",
        False,
        (
            " days).",
            ", ",
            ": units of these days may behave otherwise.",
            "All days of the week are covered (",
            "Friday",
            "Give the source a date column.",
            "Monday",
            "Nothing to do.",
            "Run whole weeks.",
            "Saturday",
            "Sunday",
            "The source has no dates of exposure.",
            "There are no exposures on ",
            "Thursday",
            "Tuesday",
            "Wednesday",
            "bar",
            "day of the week",
            "not answerable",
            "pass",
            "units",
            "warn",
        ),
    ),
    "sample_size": (
        "Sample size",
        False,
        (
            " days are over with ",
            " new units a day come instead of the planned ",
            " of ",
            " planned units",
            " planned units: the horizon is reached.",
            " unit",
            " units",
            ", day ",
            ".",
            ": no significance may mean too few units.",
            "Go on until the units are reached, or decide to iterate.",
            "Look whether exposures are lost, or plan more days.",
            "Nothing to do.",
            "Nothing to do: collecting.",
            "Set horizon.units or horizon.days.",
            "The ",
            "The plan has no horizon.",
            "not answerable",
            "pass",
            "unit",
            "warn",
        ),
    ),
}
SHARED = (
    " events as text, which are not read twice.",
    " rollout group(s) have splits of their own, so no one share is planned",
    "$window",
    ", ",
    ".2e",
    ".parquet",
    ":",
    "Health checks use ",
    "It could not be computed: ",
    "The flag serves fewer than two variants of the plan, so no shares can be expected",
    "The log has ",
    "The log lies in an engine elsewhere, where ids stay.",
    "The source does not show the ids of the units.",
    "Units keep variants from before (sticky), and what kept them is not at hand.",
    "Who is in a rollout group depends on properties or cohorts, which are not at hand.",
    "XPB-H04",
    "assigned",
    "audit",
    "compare further windows before the exposure",
    "compute the assignment again",
    "evidence",
    "exact shares of the flag's hash",
    "exact shares of the flag's hundred buckets",
    "flag",
    "log",
    "p < 1e-300",
    "p = ",
    "re-randomise the units' values",
    "retro",
    "splits of the plan",
    "variant",
    "windows",
)
"""Pieces that the sentences of every check may have."""


# ---------------------------------------------------------------------------------------------------------------------- health
# What a health check says is what such a check can say: its title, whether it is a gate, and each of its sentences.

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
    *("verdict", "matters", "too_small", "guardrail", "margin", "equivalent"),
)
_BY_ENGINE = (
    *("ci_low", "ci_high", "lift_low", "lift_high", "alpha", "margin_p_value", "p_value", "p_adjusted"),
    *("verdict", "matters", "too_small", "guardrail", "equivalent", "status", "effect", "lift", "last_q"),
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
    if mass is not None and ours.get("equivalent") is not None:  # its interval is theirs, held against what defines it below
        low, high, within = theirs["lift_low"], theirs["lift_high"], ours["no_effect_within"]
        ours = {**ours, "equivalent": low is not None and high is not None and -within < low and high < within}
    effect, lift = span_of(ours, "ci_low", "ci_high"), span_of(ours, "lift_low", "lift_high")
    lift *= 1 + lift  # an interval that is all but unbounded magnifies the last digit of its multiplier
    for name in (*_WORDS, *_NUMBERS, *_CHANCES):
        if (
            name in skip
            or name not in ours
            or (mass is not None and name in _LIFTS and theirs["status"] in ("ok", "few_events"))
            or (mass is not None and name in _LIFTS and theirs["status"] == "separation" and ours["se"] is not None)
        ):
            continue
        scale = lift if name.startswith("lift") else effect if name in _NUMBERS else 1e-3
        expected, found = ours[name], theirs.get(name)
        if not near(expected, found, scale):
            notes.differs(f"estimates, {where}, {name}", expected, found)
    if mass is not None and not is_left(ours):
        _compare_posterior(notes, where, ours, theirs, mass)
    last = ours.get("last_q")
    if theirs.get("last_q") is not None and "last_q" not in skip:
        if last is not None and math.isnan(last):
            _leave(notes, f"the last multiplier of {where}, over looks that are very close")
        elif not near(last, theirs["last_q"], 1.0):
            notes.differs(f"estimates, {where}, last multiplier", last, theirs["last_q"])
    if "saved_by" in ours and "saved_by" in theirs:
        sources = [s["source"] for s in ours["saved_by"]]
        notes.same(f"estimates, {where}, sources of covariates", sources, [s["source"] for s in theirs["saved_by"]])
        for mine, other in zip(ours["saved_by"], theirs["saved_by"], strict=False):
            for name in ("alone", "more"):
                if not near(mine[name], other[name], 1.0):
                    notes.differs(f"estimates, {where}, {mine['source']}, {name}", mine[name], other[name])
    for name, other, p in ours.get("sensitivity", ()):
        match = next((s for s in theirs["sensitivity"] if s["name"] == name), None)
        if match is None:
            notes.differs(f"estimates, {where}, sensitivity", name, "nothing")
            continue
        for key, value in {**other, "p_value": finite(p)}.items():
            lifts = span_of(other, "lift_low", "lift_high")
            scale = lifts * (1 + lifts) if key.startswith("lift") else span_of(other, "ci_low", "ci_high")
            if key in match and key not in skip and not near(value, match[key], scale):
                notes.differs(f"estimates, {where}, {name}, {key}", value, match[key])
    if "sensitivity" in ours:
        known = [name for name, _, _ in ours["sensitivity"]]
        for extra in theirs["sensitivity"]:
            if extra["name"] not in known:
                notes.differs(f"estimates, {where}, sensitivity", "nothing", extra["name"])


def is_left(row: Mapping[str, J]) -> bool:
    """Whether the posterior of a Bayesian row is left to the engine."""
    return row["posterior"] is None and row["se"] is not None and not row["no_control"]


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
    light = plan
    heavy = design_of(plan, plan["variants"][0], units=sum(readout["summary"]["units"].values()), looks=looks).boundary
    if heavy is not None and not heavy.is_light:
        base, light = _BY_ENGINE, {**plan, "model": {**model, "kind": "frequentist"}}
        _leave(notes, f"intervals over {len(heavy.information)} looks, some very close")
    for dimension, value, theirs in groups:
        ours = rows_of(
            plan if dimension else light,
            readout["summary"],
            looks=() if dimension else looks,
            dimension=dimension,
            slice_=value,
            methods=readout.get("methods", 1),
            levels=_slice_levels(plan, readout, dimension) if dimension else None,
        )
        if [(r["metric"], r["variant"]) for r in ours] != [(r["metric"], r["variant"]) for r in theirs]:
            notes.differs("estimates, rows", [r["metric"] for r in ours], [r["metric"] for r in theirs])
            continue
        for mine, other in zip(ours, theirs, strict=True):
            where = f"{other['metric']} for {other['variant']}" + (f" in {dimension} {value}" if dimension else "")
            metric = next(m for m in plan["metrics"] if m["key"] == other["metric"])
            notes.same(f"estimates, {where}, name", metric.get("name") or metric["key"], other["label"])
            notes.same(f"estimates, {where}, kind", metric["kind"], other["kind"])
            skip = ("p_adjusted", "verdict", "guardrail") if dimension else base
            if mass is not None and is_left(mine):
                left.add(where)
            compare_row(notes, where, {**mine, "sensitivity": []} if dimension else mine, other, skip, mass)
            if dimension:  # corrected over the slices, which has the last word
                shown = other["p_adjusted"] is not None and other["p_adjusted"] <= alpha_of(plan)
                notes.same(f"estimates, {where}, verdict", mine["verdict"] if shown else "unclear", other["verdict"])
    if looks and looks[-1].get("findings") and not base:
        _check_own_look(notes, plan, readout)
    _check_slices(notes, readout)
    if left:
        _leave(notes, f"posterior where the control may be zero: {shortened(', '.join(sorted(left)))}")
    if readout["health"]:
        notes.not_checked.append("health checks are the readout's own: they need the data (xpbench reproduce)")
    if len(notes.differences) == before:
        count = sum(len(rows) for _, _, rows in groups)
        how = {"bayesian": ", posteriors by quadrature", "group_sequential": ", boundaries by integration"}.get(
            model["kind"], ""
        )
        notes.checked.append(f"estimates, intervals, p-values and margins of {count} rows recomputed from the moments{how}")


def _leave(notes: Notes, what: str) -> None:
    """Note numbers that the engine has to compute."""
    notes.for_engine.append(what)
    notes.not_checked.append(f"{what}: they need the engine (xpbench verify)")


def _slice_levels(plan: J, readout: J, dimension: str) -> dict[tuple[str, str], float] | None:
    """Levels of the intervals of a segment: those of its discoveries, by metric and variant."""
    if readout.get("methods", 1) < MATCHED:
        return None
    slices = next(s["slices"] for s in readout["segments"] if s["dimension"] == dimension)
    out, alpha = {}, alpha_of(plan)
    of = [rows_of(plan, readout["summary"], dimension=dimension, slice_=v, methods=readout["methods"]) for v in slices]
    for rows in zip(*of, strict=True):
        known = [r["p_value"] for r in rows if r["p_value"] is not None]
        if known and rows[0]["role"] != "guardrail":
            found = sum(p <= alpha for p in adjust(known, "bh"))
            out[rows[0]["metric"], rows[0]["variant"]] = interval_level(alpha, "bh", found, len(known))
    return out


def _check_own_look(notes: Notes, plan: J, readout: J) -> None:
    """What this look found by itself, as it went on record: later looks rest on it."""
    look = readout["looks"][-1]["findings"]
    for row in rows_of(plan, readout["summary"], looks=readout["looks"], alone=True, methods=readout.get("methods", 1)):
        p = row["p_value"] if row["effect"] is not None else None
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
    ours = recommended(
        plan, readout["rows"], readout["health"], readout["due"]["is_adequate"], methods=readout.get("methods", 1)
    )
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


# --------------------------------------------------------------------------------------------------------------------- counted
# What health checks say of counts, derived from the findings, units and days of the payload: status, sentence, numbers.

Counted = tuple[str, str, Mapping[str, J]]
"""Status, sentence, and some numbers of a check."""

WARNS, FAILS = 0.001, 0.01
"""Shares of units that met several variants."""
SKEWED = 0.001
MISSING_FAILS = 0.05
UNKNOWN_FAILS, UNNAMED_FAILS, REJECTED_FAILS, OUTSIDE_WARNS = 0.5, 0.05, 0.01, 0.01
IMMATURE, KEPT_IMMATURE, SLOW, ENOUGH = 0.5, 0.05, 0.5, 1000
EDGE = 1e-6
"""How close a p-value may come to its level before two computations may differ in which side it is on."""
WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def check_counted(notes: Notes, readout: J) -> None:
    """Compare each check that follows from the payload's own counts with what is said of it.

    Args:
        notes: Where to note what is found.
        readout: Of this version: another release may have had other limits and words.
    """
    before, done = len(notes.differences), 0
    checks = {c["name"]: c for c in readout["health"]}
    world = _Counts(readout)
    for name, derive in DERIVED.items():
        check = checks.get(name)
        ours = derive(world) if check is not None else None
        if check is None or ours is None:
            continue
        done += 1
        status, sentence, numbers = ours
        notes.same(f"health, {name}", status, check["status"])
        if sentence != check["meaning"] and "://" not in sentence:  # of an address the house shows no password
            notes.differs(f"health, {name}, sentence", sentence, check["meaning"])
        for key, value in numbers.items():
            if not near(value, check["evidence"].get(key), 1e-6) and value != check["evidence"].get(key):
                notes.differs(f"health, {name}, {key}", value, check["evidence"].get(key))
    if len(notes.differences) == before:
        notes.checked.append(f"{done} health checks, each sentence and status from the counts of the payload")


class _Counts:
    """What a readout has counted."""

    def __init__(self, readout: J) -> None:
        self.plan, self.summary = readout["plan"], readout["summary"]
        self.units = {v["key"]: int(self.summary["units"].get(v["key"], 0)) for v in self.plan["variants"]}
        self.n = sum(self.summary["units"].values())
        self.is_log = not any(m["kind"] == "column" for m in self.plan["metrics"])
        self.policy = self.plan.get("health") or {}

    def found(self, *names: str) -> list[J]:
        return [f for f in self.summary["findings"] if f["name"] in names and f["count"] > 0]

    def counted(self, *names: str) -> tuple[int, float, str]:
        """Count, largest share and action: of several metrics the one with most speaks for all."""
        by: dict[str, list[J]] = {}
        for f in self.found(*names):
            by.setdefault(f["metric"], []).append(f)
        found = max(by.values(), key=lambda fs: sum(f["count"] for f in fs), default=[])
        share = max((f["count"] / f["of"] for f in found if f["of"]), default=0.0)
        return sum(f["count"] for f in found), share, found[0]["action"] if found else ""


def _number_of(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _no_units(w: _Counts) -> Counted:
    empty = [v["key"] for v in w.plan["variants"] if v["split"] > 0 and w.units[v["key"]] == 0]
    numbers = {"units": w.units, "empty": empty}
    if not empty:
        return "pass", "Every planned variant has exposed units.", numbers
    if len(empty) == len(w.units):
        return "fail", "No unit of any planned variant was found: this may be another experiment's data.", numbers
    return "fail", f"{len(empty)} of {len(w.units)} variants have no exposed unit.", numbers


def _contamination(w: _Counts) -> Counted | None:
    found = w.found("several_variants")
    if not w.is_log and not found and w.plan.get("members") is None:
        words = "A table with one row per unit does not show who met several variants."
        return "not answerable", words, {}
    count = sum(f["count"] for f in found)
    everyone = w.n + (0 if any(f["action"] != "excluded" for f in found) else count)
    if not everyone:
        return "not answerable", "There are no units yet.", {}
    share, by = count / everyone, dict.fromkeys(w.units, 0)
    for f in found:
        for variant, n in f["by_variant"].items():
            by[variant] = by.get(variant, 0) + int(n)
    p = _skew_p(by, {k: n + by.get(k, 0) for k, n in w.units.items()}) if any(f["by_variant"] for f in found) else None
    level = w.policy.get("srm_alpha", SKEWED)
    if p is not None and abs(p - level) < EDGE * level:
        return None
    skewed = p is not None and p < level
    fails = share > w.policy.get("contamination_fail", FAILS) or skewed
    numbers = {"units": count, "share": share, "skew_p_value": p}
    if not fails and share <= w.policy.get("contamination_warn", WARNS):
        return "pass", f"{_number_of(count, 'unit')} ({share:.3%}) met several variants.", numbers
    words = f"{_number_of(count, 'unit')} ({share:.2%}) met several variants."
    if skewed and p is not None:
        words += f" It is not the same in every variant ({_p_words(p)}), so leaving these units out makes the variants unlike."
    return ("fail" if fails else "warn"), words, numbers


def _p_words(p: float) -> str:
    return f"p = {p:.2e}" if p >= 1e-300 else "p < 1e-300"


def _skew_p(counts: Mapping[str, int], of: Mapping[str, int]) -> float | None:
    """p-value of one rate in every variant: Pearson's chi-squared, Fisher's exact test where a variant expects under 5."""
    names = [k for k, n in of.items() if n > 0]
    hit = [min(counts.get(k, 0), of[k]) for k in names]
    total, everyone = sum(hit), sum(of[k] for k in names)
    if len(names) < 2:
        return None
    if total in (0, everyone):
        return 1.0
    if min(min(total, everyone - total) * of[k] / everyone for k in names) >= 5:
        parts = []
        for k, h in zip(names, hit, strict=True):
            for seen, all_of in ((h, total), (of[k] - h, everyone - total)):
                expected = all_of * of[k] / everyone
                parts.append((seen - expected) ** 2 / expected)
        return chi2_tail(math.fsum(parts), len(names) - 1)
    tests = [_fisher(h, of[k], total, everyone) for k, h in zip(names, hit, strict=True)]
    tests = tests[:1] if len(names) == 2 else tests
    return min(1.0, min(tests) * len(tests))


def _fisher(x: int, drawn: int, marked: int, everyone: int) -> float:
    """Two-sided: all tables that are at most as likely as this one."""

    def log(k: int) -> float:
        return _choose(marked, k) + _choose(everyone - marked, drawn - k) - _choose(everyone, drawn)

    limit = log(x) + 1e-7
    found = (log(k) for k in range(max(0, drawn - (everyone - marked)), min(marked, drawn) + 1))
    return min(1.0, math.fsum(math.exp(value) for value in found if value <= limit))


def _choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _unknown_variant(w: _Counts) -> Counted:
    found = w.found("unknown_variant", "unknown_variants")
    count, of = sum(f["count"] for f in found), max([f["of"] for f in found], default=w.n)
    share = count / of if of else 0.0
    numbers = {"count": count, "of": of, "share": share}
    if not count:
        return "pass", "Every variant in the data is one of the plan.", numbers
    if share > UNKNOWN_FAILS:
        words = f"{share:.0%} of the units carry a variant that the plan does not have: most likely another experiment's data."
        return "fail", words, numbers
    did = found[0]["action"]
    words = f"{count:,} of {of:,} ({share:.2%}) carry a variant that the plan does not have; they were {did}."
    return "warn", words, numbers


def _unnamed(w: _Counts) -> Counted:
    found = w.found("missing_variant")
    found += [f for f in w.found("missing_unit") if not (w.is_log and f["of"] == w.summary["rows"])]
    count, of = sum(f["count"] for f in found), max([f["of"] for f in found], default=w.n)
    share = count / of if of else 0.0
    numbers = {"count": count, "of": of, "share": share}
    if not count:
        return "pass", "Every row names its unit and its variant.", numbers
    words = f"{count:,} of {of:,} ({share:.2%}) name no unit or no variant; they were {found[0]['action']}."
    return ("fail" if share > UNNAMED_FAILS else "warn"), words, numbers


def _doubled(w: _Counts) -> Counted:
    if w.is_log:
        return "not answerable", "An event log has many rows per unit by nature.", {}
    count, share, action = w.counted("duplicate_units", "duplicate_unit")
    if not count:
        return "pass", "Every unit has one row.", {"count": count}
    verb = "repeats a unit; it was" if count == 1 else "repeat a unit; they were"
    words = f"{_number_of(count, 'row')} ({share:.2%}) {verb} {action}."
    return ("fail" if action == "kept" else "warn"), words, {"count": count, "share": share}


def _finite(w: _Counts) -> Counted:
    found = w.found("not_a_number", "infinite", "non_numeric", "non_finite")
    count, share = sum(f["count"] for f in found), max((f["count"] / f["of"] for f in found if f["of"]), default=0.0)
    numbers = {"count": count, "largest_share": share}
    if not count:
        return "pass", "Every value is a finite number.", numbers
    where = ", ".join(sorted({as_shown(f["metric"]) for f in found if f["metric"]}))[:200]
    words = f"{count:,} values{f' of {where}' if where else ''} are not finite numbers and were {found[0]['action']}."
    return ("fail" if share > w.policy.get("missing_fail", MISSING_FAILS) else "warn"), words, numbers


def _codes(w: _Counts) -> Counted:
    found = w.found("missing_code", "missing_codes")
    count, kept = sum(f["count"] for f in found), [f for f in found if f["action"] == "kept"]
    if not count:
        return "pass", "No code for missing values was seen.", {"count": count}
    if kept and (w.plan.get("data") or {}).get("missing_codes") is None:
        where = ", ".join(as_shown(f["metric"] or f["detail"] or "a column") for f in kept[:3])
        total = sum(f["count"] for f in kept)
        words = f"{total:,} values look like codes for missing (in {where}) and would be averaged in."
        return "fail", words, {"count": count}
    return "warn", f"{count:,} values are codes for missing and were {found[0]['action']}.", {"count": count}


def _negative(w: _Counts) -> Counted:
    found = w.found("negative", "negative_value", "negative_values")
    count = sum(f["count"] for f in found)
    if not count:
        return "pass", "No value is negative.", {"count": count}
    where = ", ".join(sorted({as_shown(f["metric"]) for f in found if f["metric"]}))[:200] or "the data"
    return "warn", f"{count:,} values of {where} are negative and were {found[0]['action']}.", {"count": count}


def _rejected(w: _Counts) -> Counted:
    count, share, action = w.counted("rejected_lines", "bad_time", "missing_event_name", "truncated_file")
    numbers = {"count": count, "share": share}
    if broken := w.found("broken_file"):
        told = " ".join(f["detail"] for f in broken)
        return "fail", f"{_number_of(len(broken), 'file')} could be read in part alone: {told}", numbers
    if not count:
        return "pass", "Every row was read.", numbers
    words = f"{_number_of(count, 'row')} ({share:.3%}) could not be read and {'was' if count == 1 else 'were'} {action}."
    return ("fail" if share > REJECTED_FAILS else "warn"), words, numbers


def _exposure_dates(w: _Counts) -> Counted:
    policy, found = w.plan.get("exposure") or {}, w.found("outside_dates")
    start, end = _day_of(policy.get("start")), _day_of(policy.get("end"))
    first, last = w.summary["first_exposure"], w.summary["last_exposure"]
    count = sum(f["count"] for f in found if f["action"] == "excluded")
    kept = sum(f["count"] for f in found if f["action"] != "excluded")
    of = max([f["of"] for f in found], default=w.n)
    share = count / of if of else 0.0
    numbers = {"excluded": count, "kept": kept, "share_excluded": share}
    if start is None and end is None and not found:
        return "not answerable", "The plan has no start or end.", numbers
    begins, ends = _day_of(first), _day_of(last)
    early = start is not None and begins is not None and begins < start
    late = end is not None and ends is not None and ends > end
    if early or late or kept:
        what = "before the start" if early else "after the end" if late else "outside the dates"
        words = f"Exposures {what} are among the units (first {first or 'unknown'}, last {last or 'unknown'})."
        return "fail", words, numbers
    if share > OUTSIDE_WARNS:
        verb = "was" if count == 1 else "were"
        return "warn", f"{_number_of(count, 'exposure')} ({share:.2%}) {verb} outside the dates and left out.", numbers
    return "pass", "Exposures lie within the planned dates.", numbers


def _immature(w: _Counts) -> Counted:
    if not w.is_log:
        return "not answerable", "A table with one row per unit does not say whose window is over.", {}
    count, share, action = w.counted("immature_units", "immature_unit")
    one = count == 1
    words = (
        f"{_number_of(count, 'unit')} ({share:.1%}) {'is' if one else 'are'} still within {'its' if one else 'their'} window"
    )
    numbers = {"count": count, "share": share}
    if share <= (KEPT_IMMATURE if action == "kept" else IMMATURE):
        return "pass", f"{words}.", numbers
    verb = "was" if one else "were"
    return "warn", f"{words} and {verb} {action}: a metric that grows with time compares early units only.", numbers


def _weeks(w: _Counts) -> Counted:
    by_day = w.summary["exposures_by_day"]
    days = [(d, sum(int(n) for n in by_day[t].values())) for t in sorted(by_day) if (d := _day_of(t)) is not None]
    if not days:
        return "not answerable", "The source has no dates of exposure.", {}
    seen = {d.weekday() for d, n in days if n}
    absent = [name for i, name in enumerate(WEEK) if i not in seen]
    span = (days[-1][0] - days[0][0]).days + 1
    if absent:
        words = f"There are no exposures on {', '.join(absent)}: units of these days may behave otherwise."
        return "warn", words, {"days": span, "absent": absent}
    return "pass", f"All days of the week are covered ({span} days).", {"days": span, "absent": absent}


def _sample_size(w: _Counts) -> Counted | None:
    horizon = w.plan.get("horizon") or {}
    wanted, planned_days = horizon.get("units"), horizon.get("days")
    numbers = {"units": w.n, "horizon_units": wanted, "horizon_days": planned_days}
    if wanted is None and planned_days is None:
        return "not answerable", "The plan has no horizon.", numbers
    if wanted is not None and w.n >= wanted:
        return "pass", f"{w.n:,} of {wanted:,} planned units: the horizon is reached.", numbers
    first, last = _day_of(w.summary["first_exposure"]), _day_of(w.summary["data_until"])
    if first is None or last is None or last < first:
        return None  # it went by the clock of the reading, which no payload carries
    days = (last - first).days + 1
    over = planned_days is not None and days >= planned_days
    if over and wanted is not None:
        asked = _number_of(wanted, "unit")
        words = f"The {planned_days} days are over with {w.n:,} of {asked}: no significance may mean too few units."
        return "warn", words, numbers
    daily, planned = w.n / days, (w.plan.get("planning") or {}).get("daily_units")
    if planned and days >= 3 and daily < SLOW * planned:
        return "warn", f"{daily:,.0f} new units a day come instead of the planned {planned:,.0f}.", numbers
    of = f" of {wanted:,} planned units" if wanted else " units"
    return "pass", f"{w.n:,}{of}{f', day {days:,} of {planned_days:,}' if planned_days else ''}.", numbers


def _day_of(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        return None


DERIVED: Mapping[str, Callable[[_Counts], Counted | None]] = {
    "no_units": _no_units,
    "contamination": _contamination,
    "unknown_variant": _unknown_variant,
    "missing_variant": _unnamed,
    "duplicate_units": _doubled,
    "not_a_number": _finite,
    "missing_codes": _codes,
    "negative_values": _negative,
    "rejected_lines": _rejected,
    "exposure_dates": _exposure_dates,
    "immature_data": _immature,
    "day_of_week": _weeks,
    "sample_size": _sample_size,
}
"""Checks that follow from the payload alone, and how."""


# ---------------------------------------------------------------------------------------------------------------------- growth
# What two health checks say of the look before, derived from the ledger: units that are gone, outcomes that changed.

LOOKED = ("looked", "opened", "peeked")
COMPARED = ("shrunk_data", "restated_outcomes")
WHO_COUNTS = ("/exposure", "/data", "/variants")
"""Fields of the plan whose amendment leaves no look to compare with."""

LOST_ABOVE = 0.005
SAMPLED, HASH_DIGITS, MISSING_ABOVE, FEWEST = 64, 8, 0.05, 4
WARN_ABOVE, FAIL_ABOVE, WARN_ERRORS, FAIL_ERRORS, GROWN = 0.01, 0.05, 0.5, 1.0, 0.5


def check_growth(notes: Notes, payload: J, entries: Sequence[J], *, is_own: bool) -> None:
    """Status, numbers and sentence of *Data only grows* and *Outcomes stay* are those that the looks on record give.

    Args:
        notes: Where to note what is found.
        payload: Of a memo.
        entries: Of its ledger, whose chain holds.
        is_own: Whether this version made it; another release may have had other limits and words.
    """
    readout, look = payload["readout"], look_on_record(payload["readout"], entries)
    if look is None or not is_own or "outcomes_of" not in look["body"]:
        return
    before = _comparable([e for e in entries if e is not look and is_known(e, look, entries)])
    checks = {c["name"]: c for c in readout["health"]}
    said = len(notes.differences)
    if "shrunk_data" in checks:
        _compare_growth(notes, checks["shrunk_data"], _shrunk(readout, look["body"], before))
    if "restated_outcomes" in checks and _check_sums(notes, readout, look["body"]):
        keys = {m["key"] for m in readout["plan"]["metrics"]}
        if any(k in keys and k not in look["body"]["outcomes_of"] for e in before for k in e["body"].get("outcomes_of", ())):
            notes.left.append("whether outcomes stayed, as the data end before those of an earlier look")
            return
        _compare_growth(notes, checks["restated_outcomes"], _restated(readout, look["body"], before))
    if len(notes.differences) == said:
        notes.checked.append("what changed since the look before, from the counts and sums on record")


Found = tuple[str, str, dict[str, J]]
"""Status, sentence, and numbers of a check."""


def _compare_growth(notes: Notes, check: J, ours: Found) -> None:
    status, sentence, evidence = ours
    where = f"health, {check['name']}"
    notes.same(where, status, check["status"])
    if sentence != check["meaning"] and "://" not in sentence:  # of an address the house shows no password
        notes.differs(f"{where}, sentence", sentence, check["meaning"])
    if not _alike_numbers(evidence, check["evidence"]):
        notes.differs(f"{where}, numbers", evidence, check["evidence"])


def _alike_numbers(a: J, b: J) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_alike_numbers(a[k], b[k]) for k in a)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)) and not isinstance(a, bool):
        return abs(a - b) <= 1e-7 * max(abs(a), abs(b), 1e-3)  # sums are on record with nine digits
    return near(a, b, 0.0)


def _comparable(known: Sequence[J]) -> list[J]:
    """Looks that this one is compared with, the newest first: none at which the comparison failed, none of other units."""
    out = []
    for entry in reversed(known):
        body = entry["body"]
        if entry["kind"] == "amended" and any(str(c["pointer"]).startswith(WHO_COUNTS) for c in body.get("changes", ())):
            break
        if entry["kind"] in LOOKED and not set(COMPARED) & set((body.get("health") or {}).get("gates", ())):
            out.append(entry)
    return out


def _shrunk(readout: J, look: J, before: Sequence[J]) -> Found:
    if not before:
        return "not answerable", "This is the first look.", {}
    last, keys = before[0]["body"], [v["key"] for v in readout["plan"]["variants"]]
    then = {k: int(last["units"].get(k, 0)) for k in keys}
    now = {k: int(readout["summary"]["units"].get(k, 0)) for k in keys}
    lost = {k: max(0, then[k] - now[k]) for k in keys}
    share = max((lost[k] / then[k] for k in keys if then[k]), default=0.0)
    begins = [str(last.get("first_exposure", "")), str(readout["summary"]["first_exposure"])]
    numbers = {
        "units_last_look": then,
        "units": now,
        "lost": lost,
        "largest_share": share,
        "fail_above": LOST_ABOVE,
        "first_exposure_last_look": begins[0],
        "first_exposure": begins[1],
    }
    compared, gone = _sampled_gone(str(last.get("sample", "")), str(look.get("sample", "")))
    if compared:
        numbers |= {"sampled": compared, "sampled_gone": gone}
    if share <= LOST_ABOVE and gone >= FEWEST and gone > MISSING_ABOVE * compared:
        words = (
            f"Of {compared} sampled units of the look before, {gone} are gone or have another variant: these are other units."
        )
        return "fail", words, numbers
    if share == 0 and all(begins) and begins[0] != begins[1]:
        words = f"The first exposure is of {begins[1]}; at the look before it was of {begins[0]}: not the same data, or older "
        return "warn", f"{words}data was added.", numbers
    if share == 0:
        return "pass", "No variant has fewer units than at the look before.", numbers
    count = sum(lost.values())
    words = (
        f"Since the look before, {count:,} {'unit is' if count == 1 else 'units are'} gone (up to {share:.2%} of a variant)."
    )
    return ("fail" if share > LOST_ABOVE else "warn"), words, numbers


def _sampled_gone(then: str, now: str) -> tuple[int, int]:
    """Sampled units that can be looked for, and how many of them are not there."""
    (kind, _, earlier), (other, _, later) = then.rpartition(" "), now.rpartition(" ")
    if kind != other or not earlier or not later:
        return 0, 0
    old, new = ([text[i : i + HASH_DIGITS] for i in range(0, len(text), HASH_DIGITS)] for text in (earlier, later))
    asked = {h for h in old if len(new) < SAMPLED or h <= new[-1]}
    return len(asked), len(asked - set(new))


# sums of outcomes

Sums = dict[str, float]


def _sums_of(readout: J, metric: str, until: str, variant: str | None = None) -> Sums:
    """Units, sum and sum of squares of a metric as it was counted, without caps, of days up to one."""
    dimension = "$day" if until else ""
    own = [
        c
        for c in readout["summary"]["cells"]
        if c["metric"] == metric and c.get("dimension", "") == dimension and c["form"] != "before"
    ]
    cells = [c for c in own if c["form"] == "raw"] or own
    total: Sums = {"n": 0, "sum": 0.0, "squares": 0.0}
    for c in cells:
        if (until and c["slice"] > until) or (variant is not None and c["variant"] != variant):
            continue
        total["n"] += c["n"]
        total["sum"] += c["n"] * c["mean"][0]
        total["squares"] += max(c["n"] - 1, 0) * c["cov"][0][0] + c["n"] * c["mean"][0] ** 2
    return {"n": total["n"], "sum": float(f"{total['sum']:.9g}"), "squares": float(f"{total['squares']:.9g}")}


def _check_sums(notes: Notes, readout: J, look: J) -> bool:
    """The sums that the look has put on record are those of the moments in the payload."""
    before = len(notes.differences)
    for metric, told in look["outcomes_of"].items():
        if not _alike_numbers({k: told[k] for k in ("n", "sum", "squares")}, _sums_of(readout, metric, told["until"])):
            notes.differs(f"look, outcomes of {metric}", _sums_of(readout, metric, told["until"]), told)
        for variant, by in (look.get("outcomes_by") or {}).get(metric, {}).items():
            if not _alike_numbers(by, _sums_of(readout, metric, told["until"], variant)):
                notes.differs(
                    f"look, outcomes of {metric} for {variant}", _sums_of(readout, metric, told["until"], variant), by
                )
    return len(notes.differences) == before


class _Restated:
    """How the outcomes of one metric changed since a look."""

    def __init__(self, readout: J, metric: str, then: J, *, signed: bool) -> None:
        self.mature, self.until = then["mature"], then["until"]
        now = _sums_of(readout, metric, self.until)
        self.is_there = bool(then["n"] and now["n"])
        if not self.is_there:
            return
        grown = now["n"] > then["n"] and not (self.mature and self.until)
        fell = now["squares"] < then["squares"] or (now["sum"] < then["sum"] and not signed)
        self.is_there = fell or not (grown or (not self.until and now["n"] != then["n"]))
        share = now["n"] / then["n"] if self.until and not grown else 1.0
        self.then, self.now = then["sum"] * share, now["sum"]
        scale = max(abs(self.then), (then["squares"] * share) ** 0.5)
        self.change = (self.now - self.then) / scale if scale > 0 else float(self.now != 0)
        if grown and now["squares"] < then["squares"]:
            self.change = min(self.change, now["squares"] / then["squares"] - 1.0)

    @property
    def judged(self) -> float:
        return self.change if self.mature or self.change < 0 else 0.0


def _restated_since(readout: J, look: J, before: Mapping[str, J]) -> dict[str, _Restated]:
    signed = {f["metric"] for f in readout["summary"]["findings"] if f["name"] == "negative" and f["count"]}
    out = {}
    for metric in (m["key"] for m in readout["plan"]["metrics"]):
        then, now = before.get(metric), look["outcomes_of"].get(metric)
        if then is not None and now is not None and then["of"] == now["of"]:
            change = _Restated(readout, metric, then, signed=metric in signed)
            if change.is_there:
                out[metric] = change
    return out


MATURE = "The outcomes of mature units are those of the look before."


def _restated(readout: J, look: J, before: Sequence[J]) -> Found:
    last = before[0]["body"].get("outcomes_of") if before else None
    if not last:
        return "not answerable", "No look before this one has recorded outcomes of mature units.", {}
    found = _restated_since(readout, look, last)
    if not found:
        return "not answerable", "No metric has days that were mature at the look before.", {}
    names = {m["key"]: as_shown(m.get("name") or m["key"]) for m in readout["plan"]["metrics"]}
    worst = max(found, key=lambda k: abs(found[k].judged))
    first = found[worst]
    numbers: dict[str, J] = {
        "metrics": len(found),
        "metric": worst,
        "then": first.then,
        "now": first.now,
        "largest_share": abs(first.judged),
        "warn_above": WARN_ABOVE,
        "fail_above": FAIL_ABOVE,
    }
    pooled = _pooled_words("before", names, numbers, first.judged) if abs(first.judged) > WARN_ABOVE else None
    if pooled is not None and pooled[0] == "fail":
        return pooled
    further = _little_by_little(readout, look, before, names, numbers) or _of_one_variant(readout, look, before, names, numbers)
    if further is not None and (pooled is None or further[0] == "fail"):
        return further
    grown = {k: c.change for k, c in found.items() if not c.mature and c.change > GROWN}
    if pooled is None and grown:
        metric = max(grown, key=lambda k: grown[k])
        words = (
            f"Since the look before, {names[metric]} grew by {grown[metric]:.0%} for the units of that look. They may still "
            "have acted; or rows were added twice."
        )
        return "warn", words, {**numbers, "metric": metric, "then": found[metric].then, "now": found[metric].now}
    return pooled or ("pass", MATURE, numbers)


def _pooled_words(look: str, names: Mapping[str, str], numbers: dict[str, J], change: float) -> Found:
    what = "gone" if change < 0 else "added"
    words = (
        f"Since the look {look}, {abs(change):.1%} of {names[numbers['metric']]} is {what} for units whose outcomes were "
        f"complete then ({numbers['then']:,.6g} then, {numbers['now']:,.6g} now, all variants together)."
    )
    return ("fail" if abs(change) > FAIL_ABOVE else "warn"), words, numbers


def _looks_further_back(before: Sequence[J]) -> list[tuple[str, J, J]]:
    """Looks further back than the last one: day, outcomes over all variants, and by variant."""
    return [
        (e["at"][:10], e["body"]["outcomes_of"], e["body"].get("outcomes_by") or {})
        for e in before[1:]
        if e["body"].get("outcomes_of")
    ]


def _little_by_little(
    readout: J, look: J, before: Sequence[J], names: Mapping[str, str], numbers: dict[str, J]
) -> Found | None:
    worst, said = FAIL_ABOVE, None
    for day, sums, _ in _looks_further_back(before):
        for metric, c in _restated_since(readout, look, sums).items():
            if abs(c.judged) > worst:
                worst = abs(c.judged)
                own = {"metric": metric, "then": c.then, "now": c.now, "largest_share": worst, "since": day}
                said = _pooled_words(f"of {day}", names, {**numbers, **own}, c.judged)
    return said


def _of_one_variant(readout: J, look: J, before: Sequence[J], names: Mapping[str, str], numbers: dict[str, J]) -> Found | None:
    said, last = None, before[0]["body"]
    for day, sums, by in (("before", last["outcomes_of"], last.get("outcomes_by") or {}), *_looks_further_back(before)):
        since = day if day == "before" else f"of {day}"
        for metric, (variant, share, errors) in _moved_between(readout, look, sums, by).items():
            fails = share > FAIL_ABOVE and errors > FAIL_ERRORS
            if not fails and (said is not None or day != "before" or share <= WARN_ABOVE or errors <= WARN_ERRORS):
                continue
            words = (
                f"Since the look {since}, {names[metric]} changed for units of one variant whose outcomes were complete then, "
                "and not as much for the others."
            )
            own = {"metric": metric, "variant": variant, "share_of_variant": share, "errors": errors}
            said = "fail" if fails else "warn", words, {**numbers, **own}
            if fails:
                return said
    return said


def _moved_between(readout: J, look: J, pooled: Mapping[str, J], by: Mapping[str, J]) -> dict[str, tuple[str, float, float]]:
    """By metric the variant whose sum changed most, by which share of it and by how many of its errors."""
    signed = {f["metric"] for f in readout["summary"]["findings"] if f["name"] == "negative" and f["count"]}
    planned = {v["key"] for v in readout["plan"]["variants"]}
    out: dict[str, tuple[str, float, float]] = {}
    for metric in (m["key"] for m in readout["plan"]["metrics"]):
        whole, own = pooled.get(metric), look["outcomes_of"].get(metric)
        if whole is None or own is None or whole["of"] != own["of"]:
            continue
        for variant, then in by.get(metric, {}).items():
            now = _sums_of(readout, metric, whole["until"], variant)
            if variant not in planned or not then["n"] or not now["n"]:
                continue
            is_open = not whole["mature"] or not whole["until"]
            share = now["n"] / then["n"] if whole["until"] and not (is_open and now["n"] > then["n"]) else 1.0
            change = now["sum"] - then["sum"] * share
            if is_open and not (change < 0 and now["n"] >= then["n"] and metric not in signed):
                continue
            scale, noise = abs(then["sum"] * share), (then["squares"] * share) ** 0.5
            if noise > 0:
                found = (variant, abs(change) / max(scale, noise), abs(change) / noise)
            elif change:
                found = (variant, 1.0, abs(change) / max(now["squares"], abs(change)) ** 0.5)
            else:
                continue
            if metric not in out or found[2] > out[metric][2]:
                out[metric] = found
    return out


# --------------------------------------------------------------------------------------------------------------------- derived
# What a readout says in sentences and in fields next to the estimates, derived a second time: nothing of it is free text.

REASONS = {
    "ok": ("",),
    "not_enough_units": ("A variant has fewer than 2 units, so its noise can't be estimated.",),
    "before_first_look": ("A variant has fewer units than the plan asks for before the first look.",),
    "not_finite": ("A mean or variance is missing or infinite, so nothing can be computed from it.",),
    "zero_variance": (
        "All units of both variants have the same value, so there is no noise to judge a difference by.",
        "The covariates predict the metric exactly, so no noise is left to judge a difference by.",
        "The covariates foretell the metric exactly, so no noise is left to judge a difference by.",
        "The noise of the quantile can't be read off the values around it: in a variant they are all the same (ties), or too "
        "few lie beyond the quantile.",
    ),
    "separation": (
        "All units of a variant have the same value, so its own noise is unknown and not zero: it is taken to be as large as "
        "the other variant's, or, where neither varies, as that of all units together.",
        "The noise of the quantile can't be read off the values around it: in a variant they are all the same (ties), or too "
        "few lie beyond the quantile.",
    ),
    "zero_denominator": ("The denominator has mean zero in a variant, so the ratio does not exist.",),
    "control_near_zero": ("The mean of the control is zero, so a relative change does not exist; read the effect instead.",),
    "unbounded_lift": (
        "The mean of the control can't be distinguished from zero at this level, so the lift has no finite interval; read the "
        "effect instead.",
        "The mean of the control can't be told from zero at this level, so the lift has no finite interval; read the effect "
        "instead.",
    ),
    "few_events": (
        "Fewer than 10 units of a variant have the event (or lack it), so the score interval is shown instead of the "
        "normal one.",
    ),
    "too_few_events": (
        "Fewer than 10 units of both variants together have the event (or lack it), or the smaller variant can expect fewer "
        "than 2. The anytime and group-sequential tests keep their promise only with more.",
        "Fewer than 10 units of both variants together have the event (or lack it). The anytime and group-sequential tests "
        "keep their promise only with more, so no difference is called yet.",
    ),
    "cap_is_zero": (
        "So many values are zero that the winsorization cap is zero and removes the metric. Set winsorize.over to nonzero, so "
        "that the percentile is taken over the values that are not zero, or leave the cap out.",
        "So many values are zero that the cap would be zero and remove the metric; take the percentile over non-zero values.",
    ),
}
"""Why a row lacks a number, by its status; the wordings of a release stay."""
_STANDS = (
    "The result is that of the look on {day}: data after the last planned look decide nothing.",
    "It crossed its boundary at the look on {day}, and a boundary once crossed stays crossed.",
)
_NOTES = {
    "without CUPED": ("No covariates.",),
    "adjusted for stopping early": (
        "As often too high as too low after stopping at this look; lifts are shares of the control's mean.",
    ),
    "raw": ("Values are not capped.", "Values are not capped, no covariates."),
}
_WHY = (
    "Ours uses Welch's t distribution, Mixpanel the normal; they agree from a few hundred units on.",
    "Mixpanel's variance of a rate is p (1 − p); ours divides by n − 1.",
    "Mixpanel takes sessions as Poisson counts (variance = mean). Real counts vary more between units, so its interval is too "
    "narrow; ours uses the variance that was observed.",
    "Mixpanel takes the parts of a formula as uncorrelated. They come from the same units, so ours uses their covariance; the "
    "sign of the difference is that of the correlation.",
    "Mixpanel compares a two-sided p with (1 − confidence) / 2, at 95 % with 0.025, which is a test at 97.5 %; ours compares "
    "it with 1 − confidence.",
)
BECAUSE = {
    "R1": "A health check failed, so the effects can't be trusted.",
    "R2": "A guardrail is worse than the plan accepts.",
    "R3": "The primary metric is worse than in control.",
    "R4": "A primary metric is better, but another metric is worse: the result is mixed.",
    "R5": "A primary metric is better, but a guardrail is not yet shown to be within its margin.",
    "R6": "A primary metric is better, but a health check warns and the plan accepts no warnings.",
    "R7": "The primary metric is better by the plan's test and by enough to matter, no guardrail is worse than planned, and "
    "nothing deteriorated.",
    "R8": "A metric is worse, and no primary metric is better by enough to matter.",
    "R9": "There is not enough data yet to tell.",
    "R10": "The primary metric is better, but by too little to matter.",
    "R12": "The primary metric is better by the plan's test and by enough to matter; a guardrail got worse, within what the "
    "plan accepts.",
    "R13": "The change has no effect that matters on the primary metric: the whole interval lies within what the plan calls "
    "too small to matter.",
    "R14": "Even if the lift is as planned, the rest of the run would hardly show it: the chance that is left is below the "
    "plan's floor.",
    "R11": "After the planned duration the primary metric is not shown to be better.",
}
"""The sentences of the rule's rows."""
_LEVEL = {
    "AMENDED AFTER EFFECTS": "The plan was changed after effects were seen, so no level of false positives is promised",
    "PLANNED AFTER THE DATA": "The plan came after the data, so no level of false positives is promised",
    "PARTLY PLANNED AFTER THE DATA": "Part of the data came before the plan, so no level of false positives is promised",
    "RETROSPECTIVE": "A retrospective plan promises no level of false positives",
    "RESTARTED AFTER EFFECTS": "Effects of an earlier run were seen before this one, so no level is promised over all runs",
    "ONE OF SEVERAL PLANS": "These units' effects were seen under another plan before, so no level is promised over all plans",
}
LOOKS = 200
"""Looks over which the cost is integrated; more take too long for a file from anyone."""
_STATUSES = ("pass", "warn", "fail", "not answerable")
_FOUND = {
    "win": "better, and by enough to matter",
    "small": "better, but by too little to matter",
    "none": "no effect that matters",
    "hopeless": "too far from a win for the rest of the run",
    "unclear": "neither shown to be better nor worse",
    "worse": "worse",
}


def check_said(notes: Notes, payload: J, version: str | None) -> None:
    """Reasons of rows, what the rule says and why, what looking cost, and that counts of days and segments fit the units.

    Args:
        notes: Where to note what is found.
        payload: Of any schema that this program reads.
        version: Of this program; a sentence of another version that is not known here is left out, and not taken as wrong.
    """
    before = len(notes.differences)
    said = _Said(notes, is_own=version is None or payload["readout"]["versions"].get("xpbench") == version)
    readout = payload["readout"]
    _check_rows(said, readout)
    _check_rule(said, payload)
    _check_cost(said, readout)
    _check_due(notes, readout)
    _check_why_due(said, readout)
    _check_counts(said, readout["summary"])
    notes.same("readout, sealed", False, readout.get("sealed", False))
    check_health_words(notes, readout, is_own=said.is_own)
    for check in readout["health"]:
        if check["status"] not in _STATUSES:
            notes.differs("health, status", " or ".join(_STATUSES), check["status"])
    if len(notes.differences) == before:
        notes.checked.append("reasons, advice and the cost of looking, each sentence")


class _Said:
    def __init__(self, notes: Notes, *, is_own: bool) -> None:
        self.notes, self.is_own = notes, is_own

    def one_of(self, where: str, wordings: Sequence[str], found: object) -> None:
        """A sentence is one of its wordings; one that only another version could have written is left out."""
        if found in wordings:
            return
        if self.is_own:
            self.notes.differs(where, " or ".join(wordings), found)
        else:
            self.notes.left.append(f"a sentence of another version ({where})")
            self.notes.not_checked.append(f"a sentence that this version does not write ({where})")


def _check_rows(said: _Said, readout: J) -> None:
    plan, notes = readout["plan"], said.notes
    metrics = {m["key"]: m for m in plan["metrics"]}
    days = sorted({look["at"][:10] for look in readout["looks"][:-1]})
    bayesian = plan["model"]["kind"] == "bayesian"
    groups = [readout["rows"], *(rows for s in readout["segments"] for rows in s["slices"].values())]
    for row in (row for rows in groups for row in rows):
        metric, where = metrics[row["metric"]], f"row, {row['metric']} for {row['variant']}"
        notes.same(f"{where}, smallest lift", _as_float(metric.get("min_lift")), _as_float(row["min_lift"]))
        scale = "" if row["margin"] is None else "lift" if metric.get("margin") is None else "effect"
        notes.same(f"{where}, scale of the margin", scale, row["margin_scale"])
        if not bayesian:
            notes.same(f"{where}, chance and risk", [None, None], [row["chance"], row["risk"]])
        own = REASONS.get(row["status"], ("",))
        stands = [s.format(day=day) for day in days for s in _STANDS]
        said.one_of(f"{where}, reason", [*own, *(f"{a} {b}".strip() for a in own for b in stands)], row["reason"])
        for way in row["sensitivity"]:
            place = f"{where}, note on {way['name']}"
            if way["name"] == DOCUMENTED:
                rest = way["note"]
                for sentence in _WHY:
                    rest = rest.replace(sentence, "", 1)
                said.one_of(place, [way["note"]] if not rest.strip() else [" ".join(_WHY)], way["note"])
            else:
                said.one_of(place, _NOTES.get(way["name"], ()), way["note"])


def _as_float(value: J) -> J:
    return None if value is None else float(value)


def _check_rule(said: _Said, payload: J) -> None:
    """Each row of the rule means what the rule is, in every situation, and the advice says why."""
    readout, notes = payload["readout"], said.notes
    policy = readout["plan"].get("decision", {})
    methods = readout.get("methods", 1)
    every = _situations(methods, gives_up=policy.get("futility") is not None)
    wrong = next((s for s in every if _told(payload["rule"], s) != rule(policy, s, methods)), None)
    if wrong is not None:
        notes.differs(f"decision rule, where {wrong}", rule(policy, wrong, methods), _told(payload["rule"], wrong))
    reached = {rule(policy, s, methods)[0] for s in every}
    notes.same("decision rule, rows", sorted(reached), sorted(str(r["id"]) for r in payload["rule"]))
    for row in payload["rule"]:
        said.one_of(f"decision rule, {row['id']}", (BECAUSE.get(row["id"], ""),), row["because"])
    ours = recommended(readout["plan"], readout["rows"], readout["health"], readout["due"]["is_adequate"], methods=methods)
    theirs = readout["recommendation"]
    notes.same("advice, variants", len(ours["variants"]), len(theirs["variants"]))
    for mine, other in zip(ours["variants"], theirs["variants"], strict=False):
        rows = [r for r in readout["rows"] if r["variant"] == mine["variant"]]
        evidence = _evidence(rows, methods, policy.get("futility"))
        if evidence != other["evidence"]:
            said.one_of(
                f"advice, {mine['variant']}, what was found",
                ("; ".join(evidence),),
                "; ".join(other["evidence"]),
            )
    fired = [v["because"] for v in theirs["variants"] if v["outcome"] == theirs["outcome"]]
    said.one_of("advice, because", fired, theirs["because"])


def _situations(methods: int, *, gives_up: bool) -> list[dict[str, J]]:
    ended = methods >= ENDED
    return [
        {"primary": p, "deteriorated": d, "guardrails": g, "health": h, "adequate": a}
        for p in ("worse", *(("none",) if ended else ()), *(("hopeless",) if gives_up else ()), "unclear", "small", "win")
        for d in (False, True)
        for g in ("bad", "unclear", *(("worse",) if ended else ()), "ok")
        for h in ("fail", "warn", "pass")
        for a in (False, True)
    ]


def _told(rows: Sequence[J], situation: J) -> tuple[str, str]:
    """The first row that fits a situation, and its outcome; types count: true is no number."""
    for row in rows:
        if all(any(type(x) is type(situation[k]) and x == situation[k] for x in allowed) for k, allowed in row["when"].items()):
            return row["id"], row["outcome"]
    return "", ""


def _evidence(rows: Sequence[J], methods: int, floor: float | None) -> list[str]:
    """Which metrics made the situation of a variant what it is."""
    out = []
    for r in (r for r in rows if r["role"] == "primary"):
        state = r["verdict"] if r["verdict"] in ("worse", "unclear") else "small" if r["matters"] is False else "win"
        left = r.get("chance_left")
        state = "hopeless" if state == "unclear" and floor is not None and left is not None and left < floor else state
        state = "none" if state in ("unclear", "small", "hopeless") and r.get("equivalent") else state
        out.append(f"{r['metric']}: {_FOUND[state]}")
    out += [f"{r['metric']}: worse" for r in rows if r["role"] == "secondary" and r["verdict"] == "worse"]
    rails = [r for r in rows if r["role"] == "guardrail"]
    out += [f"{r['metric']}: worse than accepted" for r in rails if r["guardrail"] == "bad"]
    out += [f"{r['metric']}: not yet shown to be within its margin" for r in rails if r["guardrail"] == "unclear"]
    within = [r for r in rails if (r["guardrail"], r["verdict"]) == ("ok", "worse")] if methods >= ENDED else []
    out += [f"{r['metric']}: worse, within what the plan accepts" for r in within]
    if methods >= WHOLE:
        out += [f"{r['metric']}: can't be computed" for r in rows if r["role"] != "guardrail" and lost(r)]
    return out


def _check_cost(said: _Said, readout: J) -> None:
    """How many looks there were, and the chance that a true null looks significant at one of them."""
    plan, looks, cost, notes = readout["plan"], readout["looks"], readout["cost"], said.notes
    alpha, kind = alpha_of(plan), plan["model"]["kind"]
    sizes = sorted({look["units"] for look in looks if look["units"] > 0})
    count, rate = len(sizes), alpha
    word = "one look" if count == 1 else f"{count} looks"
    if kind in ("frequentist", "bayesian"):
        sentence = "One look: false positives stay at the planned level." if count else "No look at the effects so far."
        if count > LOOKS:
            said.notes.left.append(f"what {count:,} looks cost")
            return
        if count > 1:
            rate = crossing_rate([n / sizes[-1] for n in sizes], alpha)
            sentence = (
                f"With {count} looks a true null would look significant at one of them in {rate:.1%} of experiments instead of "
                f"{alpha:.1%}."
            )
    else:
        sentence = f"The {kind.replace('_', '-')} interval has paid for every look in advance ({word} so far)."
        end = closing(plan, looks[:-1])
        if end is not None:
            change = looks[-1]["units"] - end["units"]
            more = f"{abs(change):,} {'more' if change >= 0 else 'fewer'}" if change else "as many"
            units = f"{end['units']:,} unit{'' if end['units'] == 1 else 's'}"
            sentence += (
                f" The last planned look was on {end['at'][:10]} at {units}. This one has {more} units: data after the last "
                "planned look decide nothing, its result stands."
            )
    earlier: tuple[str, ...] = ()
    stamp = next((_LEVEL[s] for s in readout["stamps"] if s in _LEVEL), None)
    if stamp is not None:
        sentence = f"{stamp} ({word} so far)."
    elif "MORE LOOKS THAN PLANNED" in readout["stamps"] and (count <= 1 or kind in ("sequential", "group_sequential")):
        earlier += (sentence,) if count > 1 else ()  # as an earlier release put it
        earlier += ("Effects were read at other data or by other columns as well, so no level of false positives is promised.",)
        sentence = "Effects were read at other data or in another way as well, so no level of false positives is promised."
    peeks = sum(not look["planned"] for look in looks)
    notes.same("cost of looking, looks and peeks", [count, peeks], [cost["looks"], cost["peeks"]])
    for name, value in (("alpha", alpha), ("false_positive_rate", rate)):
        if not near(value, cost[name], 1e-3):
            notes.differs(f"cost of looking, {name}", value, cost[name])
    said.one_of("cost of looking", (sentence, *earlier), cost["sentence"])


_PLAN_STAMPS = {
    "after": "PLANNED AFTER THE DATA",
    "partly": "PARTLY PLANNED AFTER THE DATA",
    "retrospective": "RETROSPECTIVE",
}


def check_stamps(notes: Notes, payload: J, entries: Sequence[J]) -> None:
    """What a reader must know before any number: a failed gate, a peek, and every way in which the plan was left.

    Args:
        notes: Where to note what is found.
        payload: Of any schema that this program reads.
        entries: Of its ledger, whose chain holds.
    """
    readout = payload["readout"]
    look, told = look_on_record(readout, entries), readout["deviations"]
    expected = _declared([e for e in entries if look is not None and is_known(e, look, entries)])
    planned = readout["plan"].get("horizon", {}).get("units") or 0
    expected += [
        {
            "pointer": "/horizon/units",
            "before": planned,
            "after": k["units"],
            "class": "ended short",
            "seq": k["seq"],
            "at": k["at"],
            "reason": k["last"],
        }
        for k in readout["looks"]
        if k.get("last") and k["units"] < planned
    ]
    own = [d for d in told if d["class"] != "undeclared"]
    notes.same("deviations from the plan", sorted(map(canonical, expected)), sorted(map(canonical, own)))
    left = [d["class"] for d in told if d["class"] == "undeclared"]
    further = sorted(set(readout["summary"]["segments"]) - set(readout["plan"].get("segments") or ()))
    if further and not left:
        notes.differs("deviations from the plan", f"undeclared segments: {', '.join(further)}", "none")
    checks = {c["name"]: c for c in readout["health"]}
    state = checks.get("plan_first", {}).get("evidence", {}).get("state", "")
    stamps = ["INVALID"] if any(c["gate"] and c["status"] == "fail" for c in readout["health"]) else []
    stamps += [_PLAN_STAMPS[state]] if state in _PLAN_STAMPS else []
    stamps += ["AMENDED AFTER EFFECTS"] if any(d["class"] == "amendment after effects" for d in own) else []
    stamps += (["EXPLORATORY"] if left else []) + (["PEEK"] if readout["kind"] == "peeked" else [])
    if payload["schema"] == 1:
        stamps, shown = [[s for s in x if s in ("INVALID", "PEEK")] for x in (stamps, readout["stamps"])]
    else:  # what follows from the record alone is compared with the plan's stamps
        shown = [s for s in readout["stamps"] if s not in (RESTARTED_STAMP, SHARED_STAMP, LOOKS_STAMP)]
    notes.same("stamps", stamps, shown)


def _declared(entries: Sequence[J]) -> list[J]:
    """Each field that an amendment changed, with what had been seen by then."""
    out, failed, plan = [], False, None
    for i, entry in enumerate(entries):
        body = entry["body"]
        health = body.get("health")
        failed = failed or (isinstance(health, dict) and bool(health.get("gates")))
        for change in body["changes"] if entry["kind"] == "amended" else ():
            seen = "effects seen" if failed else level_of(entries[:i])
            drops = not failed and plan is not None and change["pointer"] in pointers_of_drop(plan, body["plan"])
            late = seen == "effects seen" and not is_neutral(change["pointer"]) and not drops
            kind = "amendment after effects" if late else "amendment after outcomes"
            kind = "amendment before data" if seen in ("nothing assigned", "no outcomes computed") else kind
            out.append({**change, "class": kind, "seq": entry["seq"], "at": entry["at"], "reason": body["reason"]})
        plan = body["plan"] if entry["kind"] in ("registered", "amended") else plan
    return out


def _check_due(notes: Notes, readout: J) -> None:
    """Whether the horizon was reached, by the units and by the days that the data have at most."""
    due, summary, horizon = readout["due"], readout["summary"], readout["plan"].get("horizon", {})
    units, days = sum(summary["units"].values()), due["days"]
    notes.same("horizon, units", units, due["units"])
    if summary["first_exposure"] and days is not None:
        first, last = (_moment_of(t) for t in (summary["first_exposure"], summary["data_until"] or summary["last_exposure"]))
        most = max(0.0, (last - first).total_seconds() / 86_400)
        if not 0 <= days <= most + 1e-6:
            notes.differs("horizon, days", f"{most} at most, as the data have", days)
    elif days is not None:
        notes.differs("horizon, days", "none, as the data have no dates", days)
    reached = horizon.get("units") is None or units >= horizon["units"]
    reached = reached and (horizon.get("days") is None or (days is not None and days >= horizon["days"]))
    notes.same("horizon, reached", reached, due["is_adequate"])


def _check_why_due(said: _Said, readout: J) -> None:
    """Whether results were due, at which look, why, and what was still missing."""
    due, plan, notes = readout["due"], readout["plan"], said.notes
    model, horizon, units = plan["model"], plan.get("horizon", {}), due["units"]
    kind, reached = model["kind"], due["is_adequate"]
    missing = _missing(horizon, units, due["days"])
    planned = model.get("looks") or [0.5, 1.0]
    look = looks = 0
    needed, days_needed = horizon.get("units"), horizon.get("days")
    by_variant = readout["summary"]["units"]
    smallest = min((by_variant.get(v["key"], 0) for v in plan["variants"]), default=0)
    least = model.get("min_units", 500)
    if kind == "group_sequential":
        looks, whole = len(planned), horizon.get("units") or 0
        look = sum(1 for share in planned if units >= share * whole - 1e-9)
        last = bool(readout["looks"] and readout["looks"][-1].get("last"))
        is_due = look > 0 or last
        following = next((round(s * whole) for s in planned if units < s * whole - 1e-9), None)
        needed = needed if following is None else following
        first = f"The first planned look is at {_units(following or 0)}; {max(0, (following or 0) - units):,} to go."
        reasons = [f"Planned look {look} of {looks} is reached."] if is_due else [first]
        if last and not reached:
            reasons = [f"The experiment ended at {_units(units)}, and this look was declared its last."]
    elif kind == "frequentist" or (kind == "bayesian" and model.get("due", "horizon") == "horizon"):
        is_due = reached
        reasons = [f"Fixed horizon: {missing}."]
        if is_due:
            posterior = "The plan lets the posterior be read now; reading it repeatedly inflates false positives."
            reasons = ["The horizon is reached." if kind == "frequentist" else posterior]
    else:
        is_due = smallest >= least
        whose = f"{_units(least)} in every variant; the smallest has {smallest:,}."
        before = f"The first look needs {whose}" if kind == "sequential" else f"The plan needs {whose}"
        posterior = "The plan lets the posterior be read now; reading it repeatedly inflates false positives."
        after = "Every look is valid from here on." if kind == "sequential" else posterior
        reasons = [after if is_due else before]
        if not is_due:
            needed, days_needed = round(least / min(v["split"] for v in plan["variants"])), None
    expected = {"is_due": is_due, "look": look, "looks": looks, "units_needed": needed, "days_needed": days_needed}
    for name, value in expected.items():
        notes.same(f"horizon, {name.replace('_', ' ')}", value, due[name])
    said.one_of("horizon, reason", reasons, due["reason"])


def _units(count: int) -> str:
    return f"{count:,} unit{'' if count == 1 else 's'}"


def _missing(horizon: J, units: int, days: float | None) -> str:
    out = []
    if horizon.get("units") is not None and units < horizon["units"]:
        out.append(f"{horizon['units'] - units:,} more units")
    if horizon.get("days") is not None:
        if days is None:
            out.append(f"{horizon['days']} days, which this source without dates can't show")
        elif days < horizon["days"]:
            out.append(f"{horizon['days'] - days:.1f} more days")
    return " and ".join(out) + (" to go" if out else "")


def _moment_of(text: str) -> datetime:
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _check_counts(said: _Said, summary: J) -> None:
    """Units by day and by segment are no more than there are."""
    days = list(summary["exposures_by_day"].values())
    groups = [("by day", days), *((f"by {name}", list(parts.values())) for name, parts in summary["segments"].items())]
    for variant, n in summary["units"].items():
        for where, parts in groups:
            told = math.fsum(part.get(variant, 0) for part in parts)
            if told > n:
                said.notes.differs(f"units of {variant}, {where}", f"{n} at most", told)


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
        mine, theirs = ours(readout["plan"], readout["summary"]["cells"], readout.get("methods", 1)), readout[part]
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
                if name == "sentence" and isinstance(value, tuple):
                    value = found if _around(value, found, one["what"][2]) else value
                if name != "what" and not _same(value, found):
                    notes.differs(f"{part}, {' '.join(one['what'])}, {name}", value, found)
        count += len(mine)
    if count and len(notes.differences) == before:
        notes.checked.append(f"{count} tests over time and next to other experiments recomputed from the moments")


def _around(ends: tuple[str, str], sentence: object, name: str) -> bool:
    """Whether a sentence has these ends around the name of another experiment, however that is quoted and shortened."""
    text = str(sentence)
    if not (text.startswith(ends[0]) and text.endswith(ends[1]) and len(text) >= sum(map(len, ends))):
        return False
    middle = [c for c in text[len(ends[0]) : len(text) - len(ends[1])] if c.isalnum()]
    return "://" in name or middle == [c for c in name if c.isalnum()][: len(middle)]


_AXIS = {"novelty": "axis", "interactions": "other"}


def _same(a: J, b: J) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(v, b[k]) for k, v in a.items())
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    return near(a, b, 1e-3)


def _trends(plan: J, cells: Sequence[J], methods: int) -> list[J]:
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
                    ratios = _log_ratios(metric, *sides) if axis == "age" and methods >= POWER else []
                    used = ratios if len(ratios) >= 4 else points
                    fit = trend_line(used, axis, alpha_of(plan))
                    out.append({"what": [metric["key"], variant, axis], "points": points, "used": used, **fit})
    adjusted = adjust([NAN if t["p_value"] is None else t["p_value"] for t in out], "holm")
    for found, p in zip(out, adjusted, strict=True):
        found["p_adjusted"] = finite(p)
        found["word"] = _word(found, found.pop("used"), alpha_of(plan))
        label = next(m.get("name") or m["key"] for m in plan["metrics"] if m["key"] == found["what"][0])
        found["sentence"] = f"{label}: {_told_trend(found['word'], found['what'][2], says_rest=methods < POWER)}"
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


def _log_ratios(metric: J, control: dict[str, J], treatment: dict[str, J]) -> list[Point3]:
    """Logarithm of treatment over control on each day, where both means are above zero and known to a third."""
    found: list[Point3] = []
    for name in {*control, *treatment}:
        pair = estimate(metric, control.get(name), treatment.get(name)).pair
        if pair.status != "ok" or pair.n < 30 or pair.mc <= 0 or pair.mt <= 0:
            continue
        c, t = pair.vc / pair.mc**2, pair.vt / pair.mt**2
        variance = c + t - 2 * pair.cov / (pair.mc * pair.mt)
        if max(c, t) <= 0.3**2 and variance > 0:
            found.append((float(name), math.log(pair.mt / pair.mc), math.sqrt(variance), pair.n))
    return sorted(found, key=lambda p: p[0])


def trend_line(points: Sequence[Point3], axis: str, alpha: float) -> dict[str, J]:
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


def _word(found: J, points: Sequence[Point3], alpha: float) -> str:
    if found["p_adjusted"] is None:
        return "not answerable"
    if found["p_adjusted"] > alpha:
        return "steady"
    if found["slope"] is None:
        return "uneven"
    w = [1 / p[2] ** 2 for p in points]
    level = math.fsum(a * p[1] for a, p in zip(w, points, strict=True)) / math.fsum(w)
    return "fading" if found["slope"] * level < 0 else "growing"


def _told_trend(word: str, axis: str, *, says_rest: bool) -> str:
    along = {"age": "days since exposure", "cohort": "days of exposure", "weekday": "days of the week"}[axis]
    if word == "not answerable":
        return f"fewer than 4 {along} can be compared."
    if word == "steady":
        return f"the effect is not shown to change over {along}."
    if word == "uneven":
        return "the effect differs between days of the week; read whole weeks only."
    if axis == "age" and word == "fading":
        rest = ". Its size after the last day is what will stay" if says_rest else ""
        return f"the effect fades with the days since exposure: part of it is novelty{rest}."
    if axis == "age":
        return "the effect grows with the days since exposure: units learn, and a short window understates it."
    if word == "fading":
        return "the effect is smaller for units exposed later: something changed during the experiment, or early units differ."
    return "the effect is larger for units exposed later: something changed during the experiment."


def _interactions(plan: J, cells: Sequence[J], _: int) -> list[J]:
    """Every metric and treatment next to every other experiment: the same effect in all of its variants, by Cochran's Q."""
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
        found["state"], found["sentence"] = _told_beside(found, p, alpha_of(plan))
        found["p_value"] = finite(p)
    return out


def _told_beside(found: J, adjusted: float, alpha: float) -> tuple[str, J]:
    """State and sentence, the assignments first; around the other's name the two ends of the sentence."""
    p = found["p_value"]
    if found["p_independent"] < 0.001:
        bias = found["bias"]
        size = "" if bias is None else f" It can carry over up to {bias:.3g} in units of the metric."
        dependent = f"The two experiments share units that were not assigned independently (V = {found['phi']:.3f}).{size}"
        return "assignments dependent", dependent
    if p is None:
        return "not answerable", "Too few units meet both experiments."
    if p > alpha:
        ends = ("The effect is not shown to depend on the variant of ", f" (p = {p:.2g}).")
    elif not adjusted <= alpha:
        ends = ("The effect is not shown to depend on ", f" after correction (p = {adjusted:.2g}).")
    else:
        rest = "read it within each of them, and ship both together only after a joint test."
        return "interaction", ("The effect depends on the variant of ", f" (p = {p:.2g}): {rest}")
    return "no interaction shown", ends


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
    counts = [[own[key, v, part]["n"] if (key, v, part) in own else 0 for part in parts] for v in (control, variant)]
    phi, independent = _dependence(counts)
    carried = None
    for i, a in enumerate(parts):
        for b in parts[i + 1 :]:
            pair = estimate(metric, own.get((key, control, a)), own.get((key, control, b))).pair
            if pair.status == "ok" and pair.variance > 0 and pair.mt != pair.mc:
                carried = max(carried or 0.0, abs(pair.mt - pair.mc))
    bias = None if carried is None else phi * carried
    return {"effects": effects, "p_value": p, "phi": phi, "p_independent": independent, "bias": bias}


def _dependence(counts: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Cramér's V and Pearson's p-value of a table of units."""
    columns, rows = [sum(c) for c in zip(*counts, strict=True)], [sum(r) for r in counts]
    total = sum(rows)
    kept = [j for j, c in enumerate(columns) if c > 0]
    if total == 0 or min(rows) == 0 or len(kept) < 2:
        return 0.0, 1.0
    means = [[r * c / total for c in columns] for r in rows]
    q = math.fsum((counts[i][j] - means[i][j]) ** 2 / means[i][j] for i in range(2) for j in kept)
    return math.sqrt(q / total), chi2_tail(q, len(kept) - 1)


# -------------------------------------------------------------------------------------------------------------------- template
# A page filled by other code than the one that made it: the few words of Jinja that the memo's template uses.

_TAG = re.compile(r"\{%(-?)\s*(.*?)\s*(-?)%\}\n?|\{\{\s*(.*?)\s*\}\}", re.DOTALL)


class Safe(str):
    """Text that is markup already."""

    __slots__ = ()


def escaped_text(text: str) -> str:
    """Text as it is written in HTML."""
    for sign, code in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&#39;"), ('"', "&#34;")):
        text = text.replace(sign, code)
    return text


def filled(template: str, context: J) -> str:
    """The template with the cells of a context, every one of them escaped.

    Raises:
        ValueError: the template uses something else than the list above, or names a cell that is not there.
    """
    return "".join(_run(_tree(template), dict(context)))


@cache
def _tree(template: str) -> J:
    tokens = list(_tokens(template))
    nodes, at, _ = _block(tokens, 0, ())
    if at != len(tokens):
        raise ValueError("a template ends in the middle of a block")
    return nodes


def _tokens(template: str) -> Iterator[tuple[str, str]]:
    at, strip = 0, False
    for match in _TAG.finditer(template):
        text = template[at : match.start()]
        text = text.lstrip() if strip else text
        text = text.rstrip() if match[1] else text
        if text:
            yield "text", text
        strip = bool(match[3])
        at = match.end()
        yield ("value", match[4]) if match[4] is not None else ("tag", match[2])
    text = template[at:]
    yield "text", text.lstrip() if strip else text


def _block(tokens: Sequence[tuple[str, str]], at: int, ends: tuple[str, ...]) -> tuple[list[J], int, str]:
    """Nodes up to one of the closing words; the place after it, and the closing tag."""
    nodes: list[J] = []
    while at < len(tokens):
        kind, text = tokens[at]
        at += 1
        if kind == "text":
            nodes.append(("text", text))
            continue
        if kind == "value":
            nodes.append(("value", _parsed(text)))
            continue
        word, _, rest = text.partition(" ")
        if word in ends:
            return nodes, at, text
        if word == "if":
            branches: list[J] = []
            condition: J = _parsed(rest)
            while True:
                body, at, closing = _block(tokens, at, ("elif", "else", "endif"))
                branches.append((condition, body))
                if closing == "endif":
                    break
                condition = _parsed(closing.partition(" ")[2]) if closing.startswith("elif") else None
            nodes.append(("if", branches))
        elif word == "for":
            loop = _parsed(f"[0 for {rest}]").generators[0]
            body, at, closing = _block(tokens, at, ("else", "endfor"))
            empty: list[J] = []
            if closing == "else":
                empty, at, closing = _block(tokens, at, ("endfor",))
            targets = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
            names = [ast.unparse(target) for target in targets]
            nodes.append(("for", names, loop.iter, loop.ifs, body, empty))
        elif word == "set":
            name, _, value = rest.partition("=")
            nodes.append(("set", name.strip(), _parsed(value)))
        elif word == "macro":
            call = _parsed(rest)
            body, at, _ = _block(tokens, at, ("endmacro",))
            nodes.append(("macro", call.func.id, [a.id for a in call.args], body))
        else:
            raise ValueError(f"a template uses {word!r}")
    return nodes, at, ""


def _parsed(text: str) -> J:
    text = text.strip()
    try:
        return ast.parse(text, mode="eval").body
    except SyntaxError:  # Jinja's `a if b` without else is nothing where b is not so
        return ast.parse(f'{text} else ""', mode="eval").body


def _run(nodes: Sequence[J], names: dict[str, J]) -> Iterator[str]:
    for node in nodes:
        kind = node[0]
        if kind == "text":
            yield node[1]
        elif kind == "value":
            value = _value(node[1], names)
            yield value if isinstance(value, Safe) else escaped_text(str(value))
        elif kind == "if":
            chosen = next((body for test, body in node[1] if test is None or _value(test, names)), ())
            yield from _run(chosen, names)
        elif kind == "set":
            names[node[1]] = _value(node[2], names)
        elif kind == "macro":
            names[node[1]] = partial(_called, node[2], node[3], names)
        else:
            yield from _looped(node, names)


def _called(arguments: Sequence[str], body: Sequence[J], names: dict[str, J], *values: J) -> Safe:
    return Safe("".join(_run(body, {**names, **dict(zip(arguments, values, strict=True))})))


def _looped(node: J, names: dict[str, J]) -> Iterator[str]:
    _, targets, source, tests, body, empty = node
    rounds = []
    for item in _value(source, names):
        bound = dict(zip(targets, item, strict=True)) if len(targets) > 1 else {targets[0]: item}
        if all(_value(test, {**names, **bound}) for test in tests):
            rounds.append(bound)
    if not rounds:
        yield from _run(empty, dict(names))
    for i, bound in enumerate(rounds):
        yield from _run(body, {**names, **bound, "loop": {"last": i == len(rounds) - 1}})


_FILTERS: dict[str, Callable[..., J]] = {
    "safe": lambda value: Safe(value),
    "length": len,
    "list": list,
    "join": lambda items, between="": between.join(map(str, items)),
    "replace": lambda text, old, new: str(text).replace(old, new),
    "selectattr": lambda items, name, test, wanted: [i for i in items if test == "equalto" and i[name] == wanted],
}
_COMPARE: dict[type, Callable[[J, J], bool]] = {
    ast.Eq: lambda a, b: bool(a == b),
    ast.NotEq: lambda a, b: bool(a != b),
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
    ast.Gt: lambda a, b: bool(a > b),
    ast.Lt: lambda a, b: bool(a < b),
}


def _value(node: J, names: dict[str, J]) -> J:
    """What an expression of a template stands for; a node that is not named here is an error."""
    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            if name not in names:
                raise ValueError(f"a template names {name!r}, which is not there")
            return names[name]
        case ast.Attribute(value=inner, attr=name):
            owner = _value(inner, names)
            if not isinstance(owner, dict) or name not in owner:
                raise ValueError(f"a template names a cell {name!r}, which is not there")
            return owner[name]
        case ast.Subscript(value=inner, slice=ast.Slice(lower=low, upper=high)):
            ends = [None if end is None else _value(end, names) for end in (low, high)]
            return _value(inner, names)[ends[0] : ends[1]]
        case ast.Subscript(value=inner, slice=key):
            return _value(inner, names)[_value(key, names)]
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return [_value(item, names) for item in items]
        case ast.IfExp(test=test, body=body, orelse=other):
            return _value(body if _value(test, names) else other, names)
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            return not _value(inner, names)
        case ast.BoolOp(op=op, values=values):
            found: J = None
            for each in values:
                found = _value(each, names)
                if bool(found) == isinstance(op, ast.Or):
                    break
            return found
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
            return _COMPARE[type(op)](_value(left, names), _value(right, names))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            called, arguments = (right.func, right.args) if isinstance(right, ast.Call) else (right, [])
            name = ast.unparse(called)
            if name not in _FILTERS:
                raise ValueError(f"a template uses the filter {name!r}")
            return _FILTERS[name](_value(left, names), *(_value(a, names) for a in arguments))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left, names) + _value(right, names)
        case ast.Call(func=ast.Name(id=name), args=arguments) if isinstance(names.get(name), partial):
            return names[name](*(_value(a, names) for a in arguments))
        case _:
            raise ValueError(f"a template uses an expression of the kind {type(node).__name__}")


# ------------------------------------------------------------------------------------------------------------------------ page
# The page as a reader sees it, against the payload, by other code than the one that made it.

@dataclass(frozen=True)
class Renderer:
    """How a payload becomes a page; handed in, because the verifier needs nothing of the package that makes memos.

    Attributes:
        version: Of the package that it belongs to.
        made: Cells, sentences and pictures of a payload.
        wordings: Every wording that a sentence has had, by its id.
        templates: Fixed wording and markup around the cells, by SHA-256: the one in use and those of earlier releases.
    """

    version: str
    made: Callable[[J], tuple[J, J, J]]
    wordings: Callable[[str], Sequence[str]]
    templates: Mapping[str, str]


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
        """Nothing is inside."""

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
    """How a page shows the numbers of a row."""
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
    elif row["effect"] is not None and row.get("guardrail") in ("ok", "bad"):
        shown = f"effect {effect}"
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


def on_page(text: str) -> str:
    """A text of the payload as a page holds it: one kind of line end, no control characters, nothing that turns directions."""
    kept = []
    for c in text.replace("\r\n", "\n").replace("\r", "\n"):
        code = ord(c)
        steers = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
        if c in "\t\n" or not (code < 32 or 0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF) or steers):
            kept.append(c)
    return "".join(kept)


def check_marks(notes: Notes, payload: J, page: Page) -> None:
    """The numbers on the page are those of the payload, formatted here by other code."""
    readout, before, count = payload["readout"], len(notes.differences), 0
    decision = payload["decision"] or readout["recommendation"]
    wanted = {}
    if "page" not in payload:  # made when names were shown as they are; later pages are compared cell by cell
        labels = {v["key"]: v.get("name") or v["key"] for v in readout["plan"]["variants"]}
        heads = {
            "ship none": "Ship none",
            "iterate": "Iterate",
            "invalid": "Do not read the effects",
            "defer": "Decision deferred",
        }
        variant = on_page(labels.get(decision["variant"], decision["variant"]))
        wanted["headline"] = heads.get(decision["outcome"], f"Ship {variant}")
    else:
        cells = payload["page"]["cells"]
        wanted |= {"headline": cells["decision"]["headline"], "impact.0": cells["impact"][0], "impact.1": cells["impact"][1]}
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
        if all(end in sentence for end in texts[key].split(" … ")) and on_page(row["label"]) in sentence:
            return
    notes.differs("page text, impact", "the interval of a primary metric", sentence)


def check_page(notes: Notes, payload: J, document: str | None, renderer: Renderer | None) -> None:
    """Every cell follows from the payload, and the page is those cells in their template, byte by byte.

    Args:
        notes: Where to note what is found.
        payload: Of any schema that this program reads.
        document: The page; None for a payload alone, whose cells are checked all the same.
        renderer: What makes cells and page.
    """
    if renderer is None:
        notes.not_checked.append("the page was not made again: nothing here can draw it")
        return
    cells, messages, pictures = renderer.made({name: part for name, part in payload.items() if name != "page"})
    page = payload.get("page")
    if page is None:
        known = list(renderer.templates.values())[1:]  # those before the newest: no page of today lacks its cells
    else:
        if re.fullmatch("[0-9a-f]{64}", str(page["template"])) is None:  # no version ever wrote that
            notes.differs("page, template", "a SHA-256 digest", str(page["template"]))
            return
        if page["template"] not in renderer.templates:
            notes.not_checked.append("the page was not made again: its template is not one that this version knows")
            return
        cells = _accounted(notes, payload, renderer, cells, messages)
        known = [] if document is None else [renderer.templates[page["template"]]]
    notes.has_cells = cells is not None
    if cells is None or document is None:
        return
    at = document.rfind(SEAL) + len(SEAL)
    unsealed = document[:at] + document[document.find(END, at) :]
    for template in known:
        expected = _filled(template, payload, cells, pictures)
        if expected == unsealed:
            notes.depth = "in full"
            count = sum(1 for _ in _leaves(cells))
            notes.checked.append(
                f"the page made again from {count:,} cells, each of them checked, and its charts: the same bytes"
            )
            return
    if page is None:
        notes.not_checked.append("the page was not made again: it was made before pages kept their cells")
        return
    ours, theirs = parsed_page(expected), parsed_page(unsealed)
    if ours.text != theirs.text:
        notes.differs("page text", *_first_difference(ours.text, theirs.text))
        return
    charts = [re.findall(r"<svg.*?</svg>", text, re.DOTALL) for text in (expected, unsealed)]
    part = "chart" if charts[0] != charts[1] else "page markup"
    left, right = charts if part == "chart" else ([expected], [unsealed])
    notes.differs(part, *_first_difference(left, right))


def _filled(template: str, payload: J, cells: J, pictures: J) -> str:
    data = canonical(payload)
    text = data
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    context = {
        "c": {**cells, **pictures},
        "ink": pictures["ink"],
        "versions": payload["readout"]["versions"],
        "payload_sha256": sha256(data),
        "payload_text": text,
        "seal_text": "",
    }
    return filled(template, context).strip() + "\n"


def _accounted(notes: Notes, payload: J, renderer: Renderer, cells: J, messages: J) -> J | None:
    """The cells of the payload, where each is what the payload's numbers say; None where that can't be said here."""
    page, before = payload["page"], len(notes.differences)
    ours, theirs = (dict(_leaves(loads(canonical(x)))) for x in (cells, page["cells"]))
    said = loads(canonical(messages))
    found: list[tuple[str, object, object]] = []
    for place in sorted({*ours, *theirs}):
        a, b = ours.get(place, "nothing"), theirs.get(place, "nothing")
        if type(a) is type(b) and a == b:
            continue
        message = page["messages"].get(place)
        wordings = renderer.wordings(message["id"]) if message is not None and message == said.get(place) else ()
        if any(_says(wording, message["values"], b) for wording in wordings):
            continue
        found.append((f"page cell, {place}", a, b))
    if page["messages"] != said:
        place = next(p for p in sorted({*said, *page["messages"]}) if said.get(p) != page["messages"].get(p))
        found.append((f"sentence, {place}", said.get(place, "nothing"), page["messages"].get(place, "nothing")))
    made_by = payload["readout"]["versions"].get("xpbench")
    if found and made_by != renderer.version:
        notes.not_checked.append(
            f"the page was not compared: version {shortened(made_by)} made it, and this is {renderer.version}, which shows "
            f"{len(found)} of its cells in another way"
        )
        return None
    for part, a, b in found:
        notes.differs(part, a, b)
    return page["cells"] if len(notes.differences) == before else None


def _says(wording: str, values: J, text: object) -> bool:
    try:
        return wording.format(**values) == text
    except (KeyError, IndexError, ValueError, AttributeError):
        return False


def _leaves(value: J, place: str = "") -> Iterator[tuple[str, J]]:
    """Cells by their place; an empty object or list is a cell."""
    if isinstance(value, (dict, list)) and value:
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(inner, f"{place}.{name}" if place else str(name))
    else:
        yield place, value


def _first_difference(a: Sequence[str], b: Sequence[str]) -> tuple[str, str]:
    for x, y in zip(a, b, strict=False):
        if x != y:
            i = next((i for i, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), min(len(x), len(y)))
            return x[max(0, i - 40) : i + 60], y[max(0, i - 40) : i + 60]
    return f"{len(a)} pieces", f"{len(b)} pieces"


# ------------------------------------------------------------------------------------------------------------------------ said
# Every number of a text, traced to a cell of a memo: what somebody wrote of a result says what the memo says.

NUMBER = re.compile(
    r"\d{4}-\d{2}-\d{2}|[+\-\u2212]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[\s\u202f\u00a0]?(?:%|pp\b|per\s?cent))?", re.IGNORECASE
)
_ENDS = re.compile(r"(?<=[.!?:])\s+|\n+")
_SPACE = re.compile(r"[\s\u202f\u00a0\u2009]+")


@dataclass(frozen=True)
class Traced:
    """One number of a text.

    Attributes:
        number: As it was written.
        sentence: Where it was written.
        place: Cell of the memo that has it, "" where none has.
        expected: What the memo has there, where the sentence is one of its own; "" otherwise.
    """

    number: str
    sentence: str
    place: str
    expected: str = ""

    @property
    def ok(self) -> bool:
        """Whether the memo says the same."""
        return bool(self.place)

    def to_dict(self) -> dict[str, J]:
        """The fields by name."""
        return {
            "number": self.number,
            "sentence": self.sentence,
            "place": self.place,
            "expected": self.expected,
            "ok": self.ok,
        }

    def __str__(self) -> str:
        if self.ok:
            return f"{self.number}: {self.place}"
        return f"{self.number}: the memo has {self.expected}" if self.expected else f"{self.number}: no cell of the memo has it"


def trace(text: str, cells: J) -> list[Traced]:
    """Each number of a text with the cell that it comes from.

    Args:
        text: Sentences in plain text.
        cells: Of a memo's page, verified before.
    """
    known: dict[str, list[tuple[str, list[str]]]] = {}
    for place, value in _strings(cells):
        for piece in _pieces(value):
            if NUMBER.search(piece):
                known.setdefault(_mask(piece), []).append((place, NUMBER.findall(piece)))
    rows = cells.get("rows", [])
    out: list[Traced] = []
    for piece in _pieces(text):
        numbers = NUMBER.findall(piece)
        if not numbers:
            continue
        own = known.get(_mask(piece), [])
        if own:
            place, theirs = max(own, key=lambda pair: sum(plain(a) == plain(b) for a, b in zip(numbers, pair[1], strict=True)))
            for mine, wanted in zip(numbers, theirs, strict=True):
                same = plain(mine) == plain(wanted)
                home = _home(mine, piece, rows) or place
                out.append(Traced(mine, piece, home if same else "", "" if same else wanted))
        else:
            out += [Traced(n, piece, _found(n, piece, cells, rows)) for n in numbers]
    return out


def plain(number: str) -> str:
    """A number without the ways of writing it: separators, spaces, kinds of minus."""
    text = _SPACE.sub("", number).replace(",", "").replace("\u2212", "-").lower().replace("percent", "%")
    return text.rstrip(".")


def _strings(value: J, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(inner, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list):
        for i, inner in enumerate(value):
            yield from _strings(inner, f"{place}.{i}")
    elif isinstance(value, str):
        yield place, value


def _pieces(text: str) -> list[str]:
    """Sentences of a text: a point ends one only where space follows."""
    return [piece for part in _ENDS.split(text) if (piece := part.strip())]


def _mask(piece: str) -> str:
    return _SPACE.sub(" ", NUMBER.sub("#", piece)).strip().casefold()


def _bare(number: str) -> str:
    """Without a sign, for texts that write `3.1 to 11.8` or `fell by 2 %`."""
    return plain(number).lstrip("+-")


def _matches(mine: str, theirs: str) -> bool:
    signed = plain(mine)[:1] in "+-"
    a, b = (plain(mine), plain(theirs)) if signed else (_bare(mine), _bare(theirs))
    if a == b:
        return True
    unit = a[-1:] if a.endswith("%") else ""
    return bool(unit) and not b.endswith("%") and a[:-1] == b  # an interval's ends stand without their sign


def _home(number: str, piece: str, rows: Sequence[J]) -> str:
    """Cell of a row of a metric that the sentence names."""
    said = piece.casefold()
    for i, row in enumerate(rows):
        if str(row["label"]).casefold() in said:
            for name, value in row.items():
                if isinstance(value, str) and any(_matches(number, n) for n in NUMBER.findall(value)):
                    return f"rows.{i}.{name}"
    return ""


def _found(number: str, piece: str, cells: J, rows: Sequence[J]) -> str:
    """Cell that has a number of a sentence that is none of the memo's own."""
    home = _home(number, piece, rows)
    if home:
        return home
    names = [str(row["label"]).casefold() for row in rows]
    if any(name in piece.casefold() for name in names) and plain(number).endswith(("%", "pp")):
        return ""
    for part in ("run", "decision", "title", "hypothesis", "looks"):
        for place, value in _strings(cells.get(part), part):
            if any(plain(number) == plain(n) for n in NUMBER.findall(value)):
                return place
    return ""


# -------------------------------------------------------------------------------------------------------------------- watching
# The letter of a watch, computed again: its series, its estimates, the state of each guardrail and of the contract.

AGREES = 1e-6
"""Relative distance, on the scale of the interval, within which two implementations agree: the autocorrelation is iterated."""
_HELD, _SHIP = "holdback", "shipped"


class _NoAnswerError(Exception):
    """An estimator has no answer here."""


def check_chain_of(notes: Notes, part: J, name: str = "ledger") -> list[J] | None:
    """The entries of a ledger that a letter carries, its chain, witness and order checked; None where they don't hold."""
    try:
        linked = list(chain(part["lines"]))
    except ValueError as error:
        notes.differs(f"{name} chain", "a whole chain", str(error))
        return None
    notes.same(f"{name}, witness", {"length": len(linked), "digest": linked[-1][1] if linked else START}, part["witness"])
    wrong = order(linked)
    if wrong:
        notes.differs(f"{name}, order of entries", "one plan, registered first, and entries about the plan in force", wrong)
    return [e for e, _ in linked]


def check_watch(notes: Notes, payload: J) -> list[J] | None:
    """Everything that a letter says beyond its words follows from its ledger and its series."""
    before = len(notes.differences)
    entries = check_chain_of(notes, payload["ledger"])
    if entries is None:
        return None
    plans = [e["body"]["plan"] for e in entries if e["kind"] in ("registered", "amended")]
    decided = [e for e in entries if e["kind"] in ("decided", "deferred")]
    if not plans or not decided or decided[-1]["body"].get("outcome") != "ship":
        notes.differs("what is watched", "a plan and a decision to ship", "none on record")
        return entries
    plan, shipped = plans[-1], decided[-1]
    notes.same("key", plan["key"], payload["key"])
    notes.same("title", plan["title"], payload["title"])
    notes.same("plan", canonical(plan), canonical(payload["plan"]))
    notes.same("variant", shipped["body"].get("variant"), payload["variant"])
    notes.same("shipped at", shipped["at"], payload["shipped_at"])
    notes.same("as of", max(e["at"] for e in entries), payload["as_of"])
    checks = [e for e in entries if e["kind"] == "watched" and e["seq"] > shipped["seq"] and "check_day" in e["body"]]
    _check_contract_dates(notes, payload, plan, shipped, checks)
    if not checks:
        notes.differs("check", "at least one on record", "none")
        return entries
    last = checks[-1]
    notes.same("check", last["seq"], payload["check"])
    _check_watched_rows(notes, payload, plan, shipped, last["body"])
    _check_forecasts(notes, payload, plan)
    _check_novelty(notes, payload, plan)
    if len(notes.differences) == before:
        notes.checked += [
            f"chain of {len(entries)} ledger entries, and the contract's dates from it",
            f"estimates and states of the check of day {last['body']['check_day']}, from its series",
        ]
    return entries


def when_of(stamp: str) -> datetime:
    """A time stamp of the ledger."""
    return datetime.fromisoformat(stamp.replace("Z", "+00:00"))


def _check_contract_dates(notes: Notes, payload: J, plan: J, shipped: J, checks: Sequence[J]) -> None:
    """The table of dates: what is on record counts, and a date a day ago without a record is overdue."""
    watch = plan["watch"]
    last = watch["weeks"] * 7
    days = sorted({d for d in watch["check_days"] if 0 < d <= last} | {last})
    records = {int(e["body"]["check_day"]): e for e in checks}
    start, now = when_of(shipped["at"]), when_of(payload["as_of"])
    ours = []
    for day in days:
        due, entry = start + timedelta(days=day), records.get(day)
        state = entry["body"]["state"] if entry else "overdue" if now >= due + timedelta(days=1) else "waiting"
        ours.append([day, due.date().isoformat(), state, entry["seq"] if entry else 0, (entry["by"] or "") if entry else ""])
    notes.same("dates of the contract", canonical(ours), canonical(payload["dates"]))
    rank = ("breached", "overdue", "not answerable", "waiting", "kept")
    notes.same("state of the contract", min((d[2] for d in ours), key=rank.index), payload["state"])


def _check_watched_rows(notes: Notes, payload: J, plan: J, shipped: J, body: J) -> None:
    notes.same("series, digest", sha256(canonical(payload["series"])), body.get("series_digest"))
    watch = plan["watch"]
    last = watch["weeks"] * 7
    alpha = alpha_of(plan) / len({d for d in watch["check_days"] if 0 < d <= last} | {last})
    wanted = list(watch["metrics"]) or [m["key"] for m in plan["metrics"] if m["role"] == "guardrail"]
    rows = {row["metric"]: row for row in body["rows"]}
    notes.same("metrics of the check", canonical(wanted), canonical(list(rows)))
    start = when_of(shipped["at"]).date()
    until = min(start + timedelta(days=body["check_day"]), date.fromisoformat(payload["last_day"]))
    for key in wanted:
        own = next(m for m in plan["metrics"] if m["key"] == key)
        margins = body.get("margins", {}).get(key)
        if margins is not None:
            own = {**{k: v for k, v in own.items() if k not in ("margin", "margin_rel")}, **margins}
        row, series = rows.get(key, {}), payload["series"].get(key)
        try:
            pair = NAN_PAIR if series is None else _watched_pair(watch["estimator"], series, start, until, body.get("trend"))
        except _NoAnswerError:
            pair = NAN_PAIR
        except ZeroDivisionError:
            notes.left.append(f"the estimate of {key}, whose days have too many patterns for their number")
            continue
        _compare_watch(notes, key, _judged(own, pair, alpha), row)
    rank = ("breached", "overdue", "not answerable", "waiting", "kept")
    states = [row["state"] for row in body["rows"]]
    notes.same("state of the check", min(states, key=rank.index) if states else "not answerable", body["state"])


NAN_PAIR = Pair(status="no answer")


def _judged(metric: J, pair: Pair, alpha: float) -> J:
    """Numbers and state of one metric: within its margin, worse and not within it, or not to be said."""
    if pair.status != "ok":
        return {"state": "not answerable", "alpha": alpha}
    q = t_isf(alpha / 2, pair.df)
    sign = 1 if metric["direction"] == "increase" else -1
    effect, reach = pair.mt - pair.mc, q * math.sqrt(pair.variance)
    low, high = effect - reach, effect + reach
    bounds = fieller(pair, q) if has_lift(pair) else None
    is_worse = high < 0 if sign > 0 else low > 0
    relative, margin = metric.get("margin_rel"), metric.get("margin")
    size = relative if relative is not None else margin
    state = "breached" if is_worse else "not answerable"
    if size is not None:
        gap = lift_z(pair, -sign * size) if relative is not None else (effect + sign * size) / math.sqrt(pair.variance)
        state = "kept" if sign * gap > q else state
    return {
        "state": state,
        "before": pair.mc,
        "after": pair.mt,
        "effect": effect,
        "ci_low": low,
        "ci_high": high,
        "lift": effect / abs(pair.mc) if has_lift(pair) else None,
        "lift_low": bounds[0] if bounds else None,
        "lift_high": bounds[1] if bounds else None,
        "margin": None if size is None else -sign * size,
        "alpha": alpha,
    }


def _compare_watch(notes: Notes, key: str, ours: Mapping[str, J], theirs: Mapping[str, J]) -> None:
    notes.same(f"{key}, state", ours["state"], theirs.get("state"))
    scale = abs(ours.get("ci_high", 0.0) - ours.get("ci_low", 0.0))
    for name in ("before", "after", "effect", "ci_low", "ci_high", "lift", "lift_low", "lift_high", "margin", "alpha"):
        a, b = ours.get(name), theirs.get(name)
        wide = scale if not name.startswith("lift") else scale / max(abs(ours.get("before") or 1.0), 1e-300)
        if (a is None) != (b is None) or (a is not None and not abs(a - b) <= AGREES * max(abs(a), wide)):
            notes.differs(f"{key}, {name}", a, b)


def _watched_pair(estimator: str, series: J, shipped: date, until: date, trend: J) -> Pair:
    groups = {
        name: (
            None if g["adopted"] is None else date.fromisoformat(g["adopted"]),
            [(date.fromisoformat(d), n, m, v) for d, n, m, v in g["days"] if date.fromisoformat(d) <= until],
        )
        for name, g in series.items()
    }
    if estimator == "holdback":
        return _held_back(groups)
    if estimator == "pre_post":
        return _before_after(groups, shipped, trend == "linear")
    return _adopting(groups)


def _held_back(groups: J) -> Pair:
    """Means of all days, with the spread between days in the variance of a group, and Welch's degrees of freedom."""
    parts = []
    for name in (_HELD, _SHIP):
        days = groups.get(name, (None, []))[1]
        if not days or any(v is None for *_, v in days):
            raise _NoAnswerError
        n = sum(k for _, k, _, _ in days)
        mean = math.fsum(k * m for _, k, m, _ in days) / n
        squares = math.fsum((k - 1) * v + k * (m - mean) ** 2 for _, k, m, v in days)
        if n < 2 or squares <= 0:
            raise _NoAnswerError
        parts.append((n, mean, squares / (n - 1) / n))
    (nc, mc, vc), (nt, mt, vt) = parts
    df = (vc + vt) ** 2 / (vc * vc / (nc - 1) + vt * vt / (nt - 1))
    return Pair(mc, mt, vc, vt, 0.0, df, nc + nt)


def _least_squares(x: list[list[float]], y: list[float]) -> tuple[list[float], list[list[float]]]:
    """Coefficients, and the inverse of x'x; a ZeroDivisionError where the columns depend on each other."""
    k = len(x[0])
    rows = [
        [math.fsum(r[i] * r[j] for r in x) for j in range(k)] + [1.0 if i == j else 0.0 for j in range(k)] for i in range(k)
    ]
    for i in range(k):
        p = max(range(i, k), key=lambda r: abs(rows[r][i]))
        if abs(rows[p][i]) < 1e-9:
            raise ZeroDivisionError
        rows[i], rows[p] = rows[p], rows[i]
        rows[i] = [v / rows[i][i] for v in rows[i]]
        for r in range(k):
            if r != i and rows[r][i]:
                rows[r] = [a - rows[r][i] * b for a, b in zip(rows[r], rows[i], strict=True)]
    inverse = [row[k:] for row in rows]
    right = [math.fsum(r[i] * v for r, v in zip(x, y, strict=True)) for i in range(k)]
    return [math.fsum(a * b for a, b in zip(row, right, strict=True)) for row in inverse], inverse


def _before_after(groups: J, shipped: date, trend: bool) -> Pair:
    """A step at shipping over weekdays and trend, with errors that remember the day before."""
    if len(groups) != 1:
        raise _NoAnswerError
    ((_, days),) = groups.values()
    early = sum(d < shipped for d, *_ in days)
    if early < 14 or len(days) - early < 7:
        raise _NoAnswerError
    times = [(d - days[0][0]).days for d, *_ in days]
    weekdays = sorted({d.weekday() for d, *_ in days})
    middle = sum(times) / len(times)
    x = []
    for (day, *_), time in zip(days, times, strict=True):
        row = [1.0 if day.weekday() == w else 0.0 for w in weekdays]
        row += [(time - middle) / max(times[-1], 1.0)] if trend else []
        x.append([*row, 1.0 if day >= shipped else 0.0])
    y = [m for _, _, m, _ in days]
    t, k, rho = len(y), len(x[0]), 0.0
    beta, inverse = _least_squares(x, y)
    near = [i for i in range(1, t) if times[i] - times[i - 1] == 1]
    a, b = x, y
    for _ in range(20):
        left = [v - math.fsum(p * q for p, q in zip(row, beta, strict=True)) for row, v in zip(x, y, strict=True)]
        scale = math.fsum(e * e for e in left) / t
        raw = math.fsum(left[i] * left[i - 1] for i in near) / len(near) / scale if scale > 0 and near else 0.0
        new = min(0.95, max(-0.5, raw + (1 + k * (1 + raw)) / t / 2))
        a, b = _whitened(x, y, times, new)
        beta, inverse = _least_squares(a, b)
        if abs(new - rho) < 1e-6:
            break
        rho = new
    df = t - k
    noise = math.fsum((v - math.fsum(p * q for p, q in zip(r, beta, strict=True))) ** 2 for r, v in zip(a, b, strict=True)) / df
    after = [row[:-1] for row, (d, *_) in zip(x, days, strict=True) if d >= shipped]
    at = [*(math.fsum(c) / len(after) for c in zip(*after, strict=True)), 0.0]
    mc, effect = math.fsum(p * q for p, q in zip(at, beta, strict=True)), beta[-1]
    vc = noise * math.fsum(p * inverse[i][j] * q for i, p in enumerate(at) for j, q in enumerate(at))
    ve = noise * inverse[-1][-1]
    cov = noise * math.fsum(p * inverse[i][-1] for i, p in enumerate(at))
    if not ve > 0:
        raise _NoAnswerError
    return Pair(mc, mc + effect, vc, vc + ve + 2 * cov, vc + cov, float(df), 0)


def _whitened(x: list[list[float]], y: list[float], times: list[int], rho: float) -> tuple[list[list[float]], list[float]]:
    first = math.sqrt(1 - rho * rho)
    a, b = [[v * first for v in x[0]]], [y[0] * first]
    for i in range(1, len(y)):
        gap = times[i] - times[i - 1]
        link = math.copysign(abs(rho) ** gap, rho if gap % 2 else 1.0)
        f = math.sqrt((1 - rho * rho) / (1 - link * link)) if link * link < 1 else 1.0
        a.append([(p - link * q) * f for p, q in zip(x[i], x[i - 1], strict=True)])
        b.append((y[i] - link * y[i - 1]) * f)
    return a, b


def _adopting(groups: J) -> Pair:
    """Groups that adopted against those that had not yet, and the spread by leaving one out."""
    there = {name: (when, {d: (n, m) for d, n, m, _ in days}) for name, (when, days) in groups.items() if days}
    if len(there) < 4:
        raise _NoAnswerError
    whole = _moved(there)
    if whole is None:
        raise _NoAnswerError
    without = [_moved({k: v for k, v in there.items() if k != name}) for name in there]
    found = [e for e in without if e is not None]
    k = len(found)
    if k < 3:
        raise _NoAnswerError
    means = [math.fsum(e[i] for e in found) / k for i in (0, 1)]
    ve, vt, c = (
        math.fsum((e[i] - means[i]) * (e[j] - means[j]) for e in found) * (k - 1) / k for i, j in ((0, 0), (1, 1), (0, 1))
    )
    if not ve > 0:
        raise _NoAnswerError
    return Pair(whole[1] - whole[0], whole[1], vt + ve - 2 * c, vt, vt - c, float(k - 1), 0)


def _moved(groups: J) -> tuple[float, float] | None:
    found = []
    for name, (when, own) in groups.items():
        if when is None:
            continue
        before = [d for d in own if 0 < (when - d).days <= 28]
        others = [
            (w, days)
            for other, (w, days) in groups.items()
            if other != name and (w is None or w > when) and set(before) <= set(days)
        ]
        after = [d for d in own if 0 <= (d - when).days < 28 and any((w is None or d < w) and d in days for w, days in others)]
        if not before or not after:
            continue
        total = size = 0.0
        for w, days in others:
            shared = [d for d in after if (w is None or d < w) and d in days]
            if shared:
                change = _day_mean(own, shared) - _day_mean(own, before) - _day_mean(days, shared) + _day_mean(days, before)
                total, size = total + change * len(shared), size + len(shared)
        found.append((total / size, _day_mean(own, after), sum(own[d][0] for d in after)))
    if not found:
        return None
    weight = sum(w for *_, w in found)
    return sum(e * w for e, _, w in found) / weight, sum(m * w for _, m, w in found) / weight


def _day_mean(table: J, days: Sequence[date]) -> float:
    return math.fsum(table[d][1] for d in days) / len(days)


def _check_forecasts(notes: Notes, payload: J, plan: J) -> None:
    """The lift that is left on a later day, where the letter names one: a mixture of normals over times of decay."""
    ours = {}
    if plan["watch"]["estimator"] == "holdback":
        until = date.fromisoformat(payload["last_day"])
        for key, series in payload["series"].items():
            found = _forecast(series, until)
            if found is not None:
                ours[key] = found
    theirs = {f["metric"]: f for f in payload["forecasts"]}
    notes.same("metrics with a forecast", sorted(ours), sorted(theirs))
    for key, (low, middle, high) in ours.items():
        f = theirs.get(key, {})
        notes.same(f"{key}, forecast of day", [84, 0.8], [f.get("day"), f.get("level")])
        for name, value in (("low", low), ("lift", middle), ("high", high)):
            if not abs(value - f.get(name, NAN)) <= 1e-6 * max(high - low, 1e-12):
                notes.differs(f"{key}, forecast, {name}", value, f.get(name))


def _check_novelty(notes: Notes, payload: J, plan: J) -> None:
    """Whether changes fade or grow, where the letter says so; letters made before have no such verdict."""
    if "novelty" not in payload:
        return
    watch, ours = plan["watch"], {}
    if watch["estimator"] == "holdback":
        last = watch["weeks"] * 7
        level = alpha_of(plan) / len({d for d in watch["check_days"] if 0 < d <= last} | {last})
        until = date.fromisoformat(payload["last_day"])
        for key, series in payload["series"].items():
            points = _log_ratio_blocks(series, until)
            line = trend_line([(t, y, math.sqrt(v), 0) for t, y, v in points], "age", level) if points else {}
            if line.get("slope") is None:
                continue
            total = math.fsum(1 / v for *_, v in points or ())
            middle, mean = (math.fsum(q[i] / q[2] for q in points or ()) / total for i in (0, 1))
            first = mean + line["slope"] * (points[0][0] - middle) if points else NAN
            moved = "growing" if first * line["slope"] >= 0 else "fading"
            ours[key] = {
                "word": moved if line["p_value"] <= level else "steady",
                "alpha": level,
                "p_value": line["p_value"],
                **{
                    name: math.expm1(7 * line[part])
                    for name, part in (("per_week", "slope"), ("low", "slope_low"), ("high", "slope_high"))
                },
            }
    theirs = {n["metric"]: n for n in payload["novelty"]}
    notes.same("metrics with a verdict on novelty", sorted(ours), sorted(theirs))
    notes.same("verdicts on novelty, one for each metric", len(theirs), len(payload["novelty"]))
    for key, found in ours.items():
        for name, value in found.items():
            there = theirs.get(key, {}).get(name)
            if isinstance(value, str):
                notes.same(f"{key}, novelty, {name}", value, there)
            elif not isinstance(there, (int, float)) or not abs(value - there) <= 1e-7 * max(abs(value), 1e-3):
                notes.differs(f"{key}, novelty, {name}", value, there)


def _log_ratio_blocks(series: J, until: date) -> list[tuple[float, float, float]] | None:
    """Middle day, logarithm of the ratio and its variance of each block of three days; None where there are too few."""
    if set(series) != {_HELD, _SHIP}:
        return None
    both = [
        {date.fromisoformat(d): (n, m, v) for d, n, m, v in series[name]["days"] if date.fromisoformat(d) <= until}
        for name in (_HELD, _SHIP)
    ]
    days = sorted(both[0].keys() & both[1].keys())
    held: dict[int, list[date]] = {}
    for day in days:
        held.setdefault((day - days[0]).days // 3, []).append(day)
    points = []
    for block in (b for _, b in sorted(held.items()) if len(b) == 3):
        logs, noise = [], 0.0
        for table in both:
            n = sum(table[d][0] for d in block)
            mean = math.fsum(table[d][0] * table[d][1] for d in block) / n
            if not mean > 0 or any(table[d][2] is None for d in block):
                return None
            logs.append(math.log(mean))
            noise += math.fsum(table[d][0] * table[d][2] for d in block) / n / n / mean**2
        if not noise > 0:
            return None
        points.append((sum((d - days[0]).days for d in block) / 3, logs[1] - logs[0], noise))
    return None if len(points) < 5 else points


def _forecast(series: J, until: date) -> tuple[float, float, float] | None:
    points = _log_ratio_blocks(series, until)
    if points is None:
        return None
    normals = []
    for i in range(12):
        tau = 3 * 10 ** (i / 11)
        rows = [(math.exp(-t / tau), y, 1 / v) for t, y, v in points]
        s0, s1, s2, y0, y1 = (
            math.fsum(f(e, y) * w for e, y, w in rows)
            for f in (
                lambda e, y: 1.0,
                lambda e, y: e,
                lambda e, y: e * e,
                lambda e, y: y,
                lambda e, y: e * y,
            )
        )
        d = s0 * s2 - s1 * s1
        if not d > 0:
            return None
        a, b = (s2 * y0 - s1 * y1) / d, (s0 * y1 - s1 * y0) / d
        rest = math.fsum(w * (y - a - b * e) ** 2 for e, y, w in rows)
        at = math.exp(-84 / tau)
        normals.append((-0.5 * rest, a + b * at, math.sqrt((s2 - 2 * at * s1 + at * at * s0) / d)))
    top = max(w for w, *_ in normals)
    weights = [math.exp(w - top) for w, *_ in normals]
    total = sum(weights)
    bounds = min(m - 12 * s for _, m, s in normals), max(m + 12 * s for _, m, s in normals)
    out = []
    for p in (0.1, 0.5, 0.9):
        low, high = bounds
        for _ in range(200):
            middle = (low + high) / 2
            below = sum(w * normal_tail((m - middle) / s) for w, (_, m, s) in zip(weights, normals, strict=True)) / total
            low, high = (middle, high) if below < p else (low, middle)
        out.append((low + high) / 2)
    return None if out[2] - out[0] > 0.5 else (math.expm1(out[0]), math.expm1(out[1]), math.expm1(out[2]))


# ------------------------------------------------------------------------------------------------------------------- programme
# The overview of a programme, computed again: every ledger's chain, what was decided, who peeked, what lifts are worth.

def check_programme(notes: Notes, payload: J) -> None:
    """Every number that the overview names follows from the ledgers and readouts that it carries."""
    before = len(notes.differences)
    keys, lines, lifts = [], [], []
    as_of = when_of(payload["as_of"])
    for one in payload["experiments"]:
        key = one["key"]
        keys.append(key)
        entries = check_chain_of(notes, one["ledger"], key)
        if entries is None:
            continue
        plan = [e["body"]["plan"] for e in entries if e["kind"] in ("registered", "amended")][-1]
        notes.same(f"{key}, key", plan["key"], key)
        if any(when_of(e["at"]) > as_of for e in entries):
            notes.differs("as of", "no entry after it", f"an entry of {key}")
        line = _told_of(entries, one["has_memo"], as_of)
        lines.append(line)
        decision = line["entry"]
        found = one["readout"]
        if found is not None:
            wanted = decision["body"].get("readout_digest") if decision else None
            notes.same(f"{key}, readout that was decided on", wanted, sha256(canonical(found)))
        if found is not None and decision and decision["kind"] == "decided" and not line["late"]:
            lift = _first_lift(plan, found, decision)
            lifts += [lift] if lift else []
    notes.same("experiments, each once", len(set(keys)), len(keys))
    ours = _added_up(lines, lifts, payload["confidence"])
    theirs = payload["found"]
    for name in sorted(ours.keys() | theirs.keys()):
        if not _alike(ours.get(name), theirs.get(name)):
            notes.differs(f"programme, {name}", ours.get(name), theirs.get(name))
    if len(notes.differences) == before:
        notes.checked += [
            f"chains of {len(keys)} ledgers, and the readouts that their decisions name",
            "decisions, looks, peeks, memos, times to decision, win rate and what shipped lifts are worth",
        ]
    if payload["broken"]:
        notes.not_checked.append(f"{len(payload['broken'])} folders that could not be read when the overview was made")


def _told_of(entries: Sequence[J], has_memo: bool, as_of: datetime) -> J:
    """One experiment as its ledger shows it."""
    looks: dict[str, J] = {}
    for e in entries:
        if e["kind"] in ("opened", "peeked"):
            data = data_of(e)
            if data not in looks or (e["kind"] == "peeked" and looks[data]["kind"] == "opened"):
                looks[data] = e
    decisions = [e for e in entries if e["kind"] in ("decided", "deferred")]
    decision = decisions[-1] if decisions else None
    memo = has_memo or any(e["kind"] == "memo" for e in entries)
    restarted = any(e["kind"] == "restarted" for e in entries)
    quiet = as_of - max(when_of(e["at"]) for e in entries)
    read = [e for e in entries if e["kind"] in ("looked", "opened", "peeked")]
    state = (read[-1]["body"].get("health") or {}).get("plan_first", "") if read else ""
    late = entries[0]["body"].get("retrospective") is True or state in PLAN_STAMPS
    first = next((e for e in decisions if e["kind"] == "decided"), None)
    return {
        "entry": decision,
        "outcome": decision["body"].get("outcome", "") if decision else "",
        "follows": decision["body"].get("follows_rule") if decision and decision["kind"] == "decided" else None,
        "memo": memo,
        "silent": not memo and not restarted and quiet > timedelta(days=60),
        "peeked": [e["by"] or "" for e in looks.values() if e["kind"] == "peeked"],
        "looks": len(looks),
        "late": late,
        "days": (when_of(first["at"]) - when_of(entries[0]["at"])).total_seconds() / 86400 if first else None,
    }


def _first_lift(plan: J, readout: J, decision: J) -> tuple[float, float, bool] | None:
    """The lift of the first claim in the direction that is hoped for, its standard error, and whether it was shipped."""
    shipped = decision["body"].get("variant") if decision["body"].get("outcome") == "ship" else None
    variant = shipped or next(v["key"] for v in plan["variants"] if not v.get("control"))
    claims = [c["metric"] for c in plan["hypothesis"]["then"]]
    for name in claims or [m["key"] for m in plan["metrics"] if m["role"] == "primary"][:1]:
        row = next((r for r in readout["rows"] if r["metric"] == name and r["variant"] == variant), None)
        if row is not None and row["lift"] is not None and row["se"] and row["mean_control"]:
            sign = 1.0 if row["direction"] == "increase" else -1.0
            return sign * row["lift"], row["se"] / abs(row["mean_control"]), bool(shipped)
    return None


def _added_up(lines: Sequence[J], lifts: Sequence[tuple[float, float, bool]], confidence: float) -> J:
    decided = [x for x in lines if x["outcome"] in ("ship", "ship none", "iterate") and not x["late"]]
    wins, n = sum(x["outcome"] == "ship" for x in decided), len(decided)
    days = sorted(x["days"] for x in lines if x["days"] is not None)
    by: dict[str, int] = {}
    for x in lines:
        for who in x["peeked"]:
            by[who] = by.get(who, 0) + 1
    return {
        "experiments": len(lines),
        "without_memo": sum(not x["memo"] for x in lines),
        "silent": sum(x["silent"] for x in lines),
        "looks": sum(x["looks"] for x in lines),
        "peeks": sum(len(x["peeked"]) for x in lines),
        "peeks_by": by,
        "overrides": sum(x["follows"] is False for x in lines),
        "decided": n,
        "shipped": wins,
        "win_rate": _wilson(wins, n, confidence) if n else None,
        "days_to_decision": (days[(len(days) - 1) // 2] + days[len(days) // 2]) / 2 if days else None,
        **_worth(lifts),
    }


def _wilson(k: int, n: int, confidence: float) -> list[float]:
    z = normal_isf((1 - confidence) / 2)
    p, d = k / n, 1 + z * z / n
    middle, half = (p + z * z / (2 * n)) / d, z / d * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return [p, max(middle - half, 0.0), min(middle + half, 1.0)]


def _worth(lifts: Sequence[tuple[float, float, bool]]) -> J:
    """Sum of shipped lifts as found, and after shrinking them towards the distribution of all (forty steps of EM on a grid)."""
    if len(lifts) < 3:
        return {"reported": None, "expected": None}
    found, noise = [x for x, _, _ in lifts], [s for _, s, _ in lifts]
    variance = _between(found, noise)
    weights = [1 / (variance + s * s) for s in noise]
    centre = math.fsum(w * x for w, x in zip(weights, found, strict=True)) / math.fsum(weights)
    ordered = sorted(noise)
    middle = (ordered[(len(noise) - 1) // 2] + ordered[len(noise) // 2]) / 2
    spread = max(math.sqrt(variance), middle / 4)
    low, high = min(min(found), centre - 4 * spread), max(max(found), centre + 4 * spread)
    grid = [low + (high - low) * i / 159 for i in range(160)]
    likely = []
    for x, s in zip(found, noise, strict=True):
        z = [((x - g) / s) ** 2 for g in grid]
        least = min(z)
        likely.append([math.exp(-(v - least) / 2) for v in z])
    prior = [math.exp(-(((g - centre) / spread) ** 2) / 2) + 1e-6 for g in grid]
    total = math.fsum(prior)
    prior = [p / total for p in prior]
    for _ in range(40):
        new = [0.0] * 160
        for row in likely:
            mass = sum(a * b for a, b in zip(row, prior, strict=True))
            new = [n + a * b / mass for n, a, b in zip(new, row, prior, strict=True)]
        prior = [n / len(likely) for n in new]
    worth = []
    for row in likely:
        joint = [a * b for a, b in zip(row, prior, strict=True)]
        worth.append(math.fsum(j * g for j, g in zip(joint, grid, strict=True)) / math.fsum(joint))
    kept = [i for i, (_, _, shipped) in enumerate(lifts) if shipped]
    return {"reported": math.fsum(found[i] for i in kept), "expected": math.fsum(worth[i] for i in kept)}


def _between(found: Sequence[float], noise: Sequence[float]) -> float:
    """Variance between experiments at which the weighted squares are what chance gives (Paule and Mandel), by halving."""

    def excess(variance: float) -> float:
        weights = [1 / (variance + s * s) for s in noise]
        mean = math.fsum(w * x for w, x in zip(weights, found, strict=True)) / math.fsum(weights)
        return math.fsum(w * (x - mean) ** 2 for w, x in zip(weights, found, strict=True)) - (len(found) - 1)

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, max((x - min(found)) ** 2 for x in found) + max(s * s for s in noise)
    while excess(high) > 0:
        high *= 4
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


def _alike(a: J, b: J) -> bool:
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    if isinstance(a, dict) or isinstance(b, dict):
        return canonical(a) == canonical(b)
    if a is None or b is None or isinstance(a, bool) or isinstance(b, bool):
        return a is b
    return math.isfinite(b) and abs(a - b) <= 1e-6 * max(abs(a), abs(b), 1e-6)


# ----------------------------------------------------------------------------------------------------------------------- check
# Verify one memo.

def _verify(path: str | Path, notes: Notes, extra: Mapping[str, Any]) -> tuple[str, str, J]:
    data, files = read(path), None
    if data.startswith(b"PK\x03\x04"):
        data, files = memo_in(data)
        if str(path).lower().endswith(PAGES):
            notes.differs("kind of file", "a page, as its name says", "an archive")
        path = Path(path).with_suffix(".html")
    payload, seal_text, document = sealed(path, notes, data)
    if files is not None:
        check_archive(notes, payload, files, data)
    if payload["kind"] != "xpbench memo":
        return _verify_letter(notes, payload, document if seal_text is not None else None, extra)
    readout = payload["readout"]
    key, decision = readout["key"], payload["decision"] or readout["recommendation"]
    headline = f"{decision['outcome']} {decision['variant']}".strip()
    try:
        entries = check_ledger(notes, payload)
        if entries is not None:
            check_story(notes, payload, entries)
            check_bound(notes, payload, entries)
            check_told(notes, payload, entries)
            check_stamps(notes, payload, entries)
            stamps = check_first(notes, payload, entries)
            headline += f" [{', '.join(stamps)}]" if stamps else ""
        newer = dict.fromkeys(e["kind"] for e in entries or () if e["kind"] not in KINDS)
        if newer:
            notes.not_checked.append(f"entries of the ledger that a newer version has written: {', '.join(newer)}")
        check_estimates(notes, readout)
        check_over_time(notes, readout)
        check_health(notes, payload)
        check_futility(notes, readout)
        check_decision(notes, payload)
        renderer = extra.get("renderer")
        version = None if renderer is None else renderer.version
        check_said(notes, payload, version)
        is_own = version is None or readout["versions"].get("xpbench") == version
        if is_own:
            check_counted(notes, readout)
        if entries is not None:
            check_growth(notes, payload, entries, is_own=is_own)
        if seal_text is not None:
            check_marks(notes, payload, parsed_page(document))
        check_page(notes, payload, document if seal_text is not None else None, extra.get("renderer"))
        if entries is not None and extra.get("further") is not None:
            extra["further"](notes, payload)
        elif entries is not None:
            check_signatures(notes, entries)
            if any(e["kind"] == "stamped" for e in entries):
                notes.not_checked.append("time stamps: they need the package (xpbench verify)")
    except NewerError:
        raise
    except Exception as error:  # noqa: BLE001 - a file from anyone: whatever goes wrong in reading it is its own fault
        notes.differs("payload shape", "a whole memo", f"{type(error).__name__}: {error}")
    _check_context(notes, payload, extra)
    return key, headline, payload


def _verify_letter(notes: Notes, payload: J, document: str | None, extra: Mapping[str, Any]) -> tuple[str, str, J]:
    """A letter of the watch or an overview of a programme: its numbers from its evidence, its page from its payload."""
    key, headline = "", ""
    notes.what = "letter" if payload["kind"] == WATCH_LETTER else "overview"
    try:
        if payload["kind"] == WATCH_LETTER:
            key, headline = payload["key"], f"watch of {payload['variant']}: {payload['state']}"
            check_watch(notes, payload)
            if extra.get("key") is not None:
                notes.same("experiment", extra["key"], key)
            if extra.get("ledger") is not None:
                _check_against(notes, {**payload, "readout": {"key": key}}, Path(extra["ledger"]), decisions=False)
        else:
            headline = f"programme of {len(payload['experiments'])} experiments"
            check_programme(notes, payload)
        check_letter_page(notes, payload, document, FIRST, PAYLOAD, extra.get("letters"))
    except NewerError:
        raise
    except Exception as error:  # noqa: BLE001 - a file from anyone: whatever goes wrong in reading it is its own fault
        notes.differs("payload shape", f"a whole {notes.what}", f"{type(error).__name__}: {error}")
    return key, headline, payload


def _check_context(notes: Notes, payload: J, extra: Mapping[str, Any]) -> None:
    """What is outside of the file: an experiment's key, a ledger, a witness."""
    if extra.get("key") is not None:
        notes.same("experiment", extra["key"], payload["readout"]["key"])
    witness = extra.get("witness")
    if witness is not None:
        length, _, digest = str(witness).partition(":")
        lines = payload["ledger"]["lines"]
        place = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else -1
        if place > len(lines):
            notes.differs(
                "witness", f"at least {place} entries", f"{len(lines)}: the memo is older than the witness, or the tail was cut"
            )
        else:
            notes.same("witness", digest, START if place == 0 else sha256(lines[place - 1]) if place > 0 else "no witness")
    ledger = extra.get("ledger")
    if ledger is not None:
        _check_against(notes, payload, Path(ledger))


def _check_since(notes: Notes, later: Sequence[J], length: int) -> None:
    """What the ledger has on record since the memo: a later decision takes its place, anything else is named."""
    decision = next((e for e in reversed(later) if e["kind"] in ("decided", "deferred", "superseded", "restarted")), None)
    if decision is not None:
        body = decision["body"]
        what = f"{body.get('outcome', decision['kind'])} {body.get('variant') or ''}".strip()
        notes.differs(
            "ledger file, later decision",
            "no later decision than the memo's",
            f"entry {decision['seq']} of {decision['at'][:10]}: {what}",
        )
        return
    kinds = [e["kind"] for e in later]
    newer = [kind for kind in dict.fromkeys(kinds) if kind not in KINDS]
    if newer:  # what they say may be just that the decision no longer holds
        notes.not_checked.append(f"what a newer version put on record since the memo: {', '.join(newer)}")
    known = " that this version knows" if newer else ""
    notes.checked.append(
        f"the ledger next to it still begins with the memo's {length} entries and has no later decision{known}"
    )
    if kinds:
        counts = ", ".join(f"{kinds.count(kind)} {kind.replace('_', ' ')}" for kind in dict.fromkeys(kinds))
        notes.checked.append(f"since this memo the ledger has {len(kinds)} more: {counts}")


def _check_against(notes: Notes, payload: J, path: Path, *, decisions: bool = True) -> None:
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        notes.differs("ledger file", "a ledger", f"{type(error).__name__}")
        return
    *lines, rest = text.split("\n")
    known = payload["ledger"]["lines"]
    try:
        linked = list(chain(lines))
        if rest:  # a last entry counts without its line end; what is no entry is a write that was cut short
            try:
                linked, lines = list(chain([*lines, rest])), [*lines, rest]
            except (ValueError, KeyError, TypeError):
                notes.not_checked.append("the last line of the ledger next to it: it is not a whole entry, as after a crash")
    except (ValueError, KeyError, TypeError) as error:
        notes.differs("ledger file", "a whole chain", str(error))
        return
    first = linked[0][0]["body"].get("plan", {}).get("key") if linked else None
    if first != payload["readout"]["key"]:
        notes.differs("ledger file, experiment", payload["readout"]["key"], first or "nothing")
    elif path.name == "ledger.jsonl" and (path.parent / "plan.json").is_file() and path.resolve().parent.name != first:
        notes.differs(
            "ledger file, folder", f"the folder {first}", f"a folder named {path.resolve().parent.name}: a copy of it"
        )
    elif lines[: len(known)] == known:
        if decisions:
            _check_since(notes, [entry for entry, _ in linked[len(known) :]], len(known))
        else:
            notes.checked.append(f"the ledger next to it still begins with the letter's {len(known)} entries")
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
    renderer: Renderer | None = None,
    further: Callable[[Notes, J], None] | None = None,
    engine: Callable[[Notes, J], None] | None = None,
    letters: LetterPage | None = None,
) -> Report:
    """What recomputing everything in a memo shows; raises nothing for a bad memo.

    Args:
        path: A memo (`.html`), or its payload (`.json`).
        key: Experiment that it should be of.
        ledger: The experiment's ledger file today, which must begin with the entries that the memo carries.
        witness: `length:digest` noted elsewhere, which the memo's ledger must contain.
        renderer: How a payload becomes a page; without one the page is not compared.
        further: What else the caller can check of a payload whose chain holds.
        engine: Computes every row again in another way.
        letters: Makes the page of a letter or an overview from its payload.
    """
    notes, where = Notes(), str(path)
    key_found = headline = ""
    try:
        key_found, headline, payload = _verify(
            path,
            notes,
            {"key": key, "ledger": ledger, "witness": witness, "renderer": renderer, "further": further, "letters": letters},
        )
        if engine is not None and payload["kind"] == "xpbench memo":
            engine(notes, payload)
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
        tuple(line.replace("memo", notes.what) for line in (*UNPROVEN, MAKER)) if status != "differs" else (),
    )


_TOUCHED = {"line ends", "byte order mark", "final newline", "added around the page"}
"""What mail gateways and editors do to a file, and what can be put back."""


_NO_PAGE = {
    True: "Every number in this payload was recalculated and matches. There is no page to compare.",
    False: "What was recalculated matches. Not all of this payload was compared, and there is no page.",
}


def _verdict(notes: Notes) -> tuple[str, str, str, str]:
    """Status, depth, cause and sentence."""
    parts, left = {d.part for d in notes.differences}, [*notes.left, *notes.for_engine]
    if parts - _TOUCHED:
        return "differs", "", *_cause(notes.differences, notes.what)
    if notes.depth == "no page":
        return (
            "verified",
            "no page",
            "no page",
            _NO_PAGE[notes.has_cells and not left],
        )
    if parts and (notes.depth != "in full" or left):
        return (
            "numbers hold",
            "page not compared",
            "page not compared",
            f"What was computed follows from what the {notes.what} carries. Its page was touched, and the rest of it was not "
            "compared: its wording and its marks may be others.",
        )
    if "added around the page" in parts:
        said = next(d.found for d in notes.differences if d.part == "added around the page")
        return (
            "numbers hold",
            "page touched",
            "added text",
            f"The {notes.what} holds, and text was added around it that is not part of it: “{said}”.",
        )
    if parts:
        return (
            "numbers hold",
            "page touched",
            "line ends",
            "Only its line ends, its byte order mark or its last newline were rewritten; all evidence holds once they are put "
            "back.",
        )
    if notes.depth == "in full" and left:
        return (
            "numbers hold",
            "in part",
            "left out",
            f"The page shows what the payload says, and what was computed here holds. Not computed: {'; '.join(left)}.",
        )
    if notes.depth == "in full":
        return "verified", "in full", "", f"Every number was recalculated from the data in this {notes.what}, and matches."
    return (
        "numbers hold",
        "page not compared",
        "page not compared",
        "The payload follows from what it carries. The page was not compared with it: its wording and its marks may be others.",
    )


def _cause(differences: Sequence[Difference], what: str) -> tuple[str, str]:
    """What happened to a memo, in a word or two and in a sentence; the mildest account that explains every difference."""
    parts = {d.part for d in differences}
    first = differences[0]
    outside = {
        *("experiment", "ledger file, experiment", "ledger file", "ledger file, folder", "ledger file, later decision"),
        "witness",
    }
    if not parts <= outside | _TOUCHED:
        count = "1 thing differs" if len(differences) == 1 else f"{len(differences)} things differ"
        return "altered", f"{count}: {first.part}."
    by_part = {d.part: d for d in differences}
    other = by_part.get("experiment") or by_part.get("ledger file, experiment")
    if other is not None:
        return (
            "other experiment",
            f"The {what} is whole, but of another experiment: {other.expected} and {other.found} are not the same.",
        )
    copied = by_part.get("ledger file, folder")
    if copied is not None:
        return (
            "copied folder",
            f"The {what} is whole, but the ledger next to it lies in {copied.found}. Take the ledger in {copied.expected}.",
        )
    later = by_part.get("ledger file, later decision")
    if later is not None:
        return "superseded", f"The {what} is whole, but a later decision is on record: {later.found}."
    beside = by_part.get("ledger file")
    if beside is not None and "fork" in beside.found:
        return "fork", f"The {what} is whole, but the ledger next to it is not the one it saw: {beside.found}."
    if beside is not None:
        cut = "cut" in beside.found
        return (
            "cut ledger" if cut else "other ledger",
            f"The {what} is whole, but the ledger next to it is not: {beside.found}.",
        )
    found = by_part["witness"].found
    return "witness", f"The {what} is whole, but not what the witness saw: {found}."


def trace_memo(text: str, path: str | Path, *, renderer: Renderer | None = None) -> list[Traced]:
    """Each number of a text with the cell of a memo that has it; `verify` says whether the memo itself holds.

    Args:
        text: Sentences in plain text.
        path: The memo.
        renderer: Makes the cells of a memo that carries none.
    """
    payload = sealed(path, Notes())[0]
    page = payload.get("page")
    cells = (
        page.get("cells", {"blocks": page.get("blocks")})
        if page is not None
        else renderer.made(payload)[0]
        if renderer is not None
        else {}
    )
    return trace(text, cells)


def traced_text(found: Sequence[Traced]) -> str:
    """What was found of a text's numbers, line by line."""
    wrong = sum(not t.ok for t in found)
    head = (
        f"{wrong} of {len(found)} numbers of the text are not what the memo says."
        if wrong
        else f"All {len(found)} numbers of the text are the memo's."
        if found
        else "The text has no number."
    )
    return "\n".join([head, *(f"  {'✓' if t.ok else '✕'} {t}" for t in found)])


def main(arguments: Sequence[str] | None = None, *, renderer: Renderer | None = None) -> int:
    """Verify one memo from the command line: `python verify.py MEMO [--json] [--key KEY] …`."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Check a memo with nothing but the memo.")
    parser.add_argument("memo", help="the memo (.html), its payload (.json) or its archive (.zip)")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.add_argument("--key", help="experiment that it should be of")
    parser.add_argument("--ledger", help="the experiment's ledger.jsonl today")
    parser.add_argument("--witness", help="length:digest noted elsewhere")
    parser.add_argument("--text", metavar="FILE", help="also trace every number of this text to a cell of the memo")
    try:
        args = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    report = verify(args.memo, key=args.key, ledger=args.ledger, witness=args.witness, renderer=renderer)
    value, said, wrong = report.to_dict(), str(report), False
    if args.text and report.holds:
        found = trace_memo(Path(args.text).read_text("utf-8"), args.memo, renderer=renderer)
        value, said = {**value, "text": [t.to_dict() for t in found]}, f"{said}\n{traced_text(found)}"
        wrong = any(not t.ok for t in found)
    text = json.dumps(value, indent=2) if args.json else said
    sys.stdout.buffer.write((text + "\n").encode("utf-8", "replace"))
    return 1 if wrong else report.exit_code


# ------------------------------------------------------------------------------------------------------------------------ page
# What makes a page of a payload: wording, numbers as text, charts, the template


FIXED = frozenset(
    (
        *("", "–", "-", "none", "ship", "ship none", "iterate", "defer", "decision deferred", "do not read the effects"),
        *("nobody", "nobody yet", "all", "other", "otherwise", "unbounded", "not enough data", "better", "worse", "unclear"),
        *("no difference shown", "no effect that matters", "worse, within what we accept", "within its margin"),
        *("pass", "warn", "fail", "not answerable", "not run", "invalid", "peek"),
        *("exploratory", "primary", "secondary", "guardrail", "primary metric", "health", "guardrails", "data"),
    )
)
"""Words that a page says of itself; a name that is one of them is shown in quotes, so that nobody takes one for the other."""


_STEERING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Marks that turn the direction of what follows: with one in a name, the number behind it reads backwards."""


def legal(text: str) -> str:
    """The text as a page can hold it: line ends as LF, without characters that no XML document may hold, without steering."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        c
        for c in text
        if c in "\t\n" or (c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff" and c not in _STEERING)
    )


def named(name: str) -> str:
    """A name from a plan or a person, told from the fixed words of a page."""
    return f"“{name}”" if " ".join(legal(name).split()).casefold() in FIXED else name


def variant_labels(plan: Mapping[str, Any]) -> dict[str, str]:
    """Label of each variant of a plan, by its key; with the key where two look alike or a treatment is called control."""
    own = {v["key"]: named(v.get("name") or v["key"]) for v in plan["variants"]}
    plain = {key: " ".join(legal(label).split()).casefold() for key, label in own.items()}
    control = next((v["key"] for v in plan["variants"] if v.get("control")), "")

    def is_open(key: str) -> bool:
        word = plain[key]
        taken = any(word in (plain[other], other.casefold()) for other in own if other != key)
        return taken or word == ("treatment" if key == control else "control")

    return {key: f"{label} ({key})" if is_open(key) else label for key, label in own.items()}


def is_worse_within(row: Mapping[str, Any]) -> bool:
    """Whether a guardrail got worse by the plan's test, and is shown to be within its margin all the same."""
    return row.get("guardrail") == "ok" and row.get("verdict") == "worse"


WITHIN = ("▽", "warn")
"""Mark and tone of a guardrail that got worse, within its margin."""


SAME = ("≈", "same")
"""Mark and tone of a row whose whole interval lies within what does not matter."""


WITH_NUMBERS = ("ok", "unbounded_lift", "control_near_zero", "few_events")
"""Statuses of a row that has a verdict."""


def has_verdict(row: Mapping[str, Any]) -> bool:
    """Whether the row's test says something: also of a constant variant, and of a margin where no event was seen."""
    status = row.get("status", "ok")
    if status == "separation":
        return row.get("ci_low") is not None
    return status in WITH_NUMBERS or row.get("guardrail") in ("ok", "bad")


RAILS = {"ok": ("✓", "better"), "bad": ("✕", "worse"), "unclear": ("?", "warn")}


MARKS = {"better": ("▲", "better"), "worse": ("▼", "worse"), "unclear": ("─", "muted")}


def mark_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Sign and tone of a row: the state of the margin for guardrails, else the verdict."""
    if not has_verdict(row):
        return "?", "muted"
    if is_worse_within(row):
        return WITHIN
    if row.get("guardrail"):
        return RAILS[str(row["guardrail"])]
    verdict = str(row.get("verdict") or "unclear")
    return SAME if verdict == "unclear" and row.get("equivalent") else MARKS[verdict]


def _rows_ends(row: Mapping[str, Any], low: str, high: str) -> float | None:
    a, b = row[low], row[high]
    return None if a is None or b is None else b - a


def decimals_for(width: float | None, *, most: int = 8) -> int:
    """Decimals with which an interval's width shows two significant digits, 0 to `most`."""
    if width is None or not math.isfinite(width) or width <= 0:
        return 2
    return max(0, min(most, 1 - math.floor(math.log10(width))))


def effect_decimals(row: Mapping[str, Any]) -> int:
    """Decimals of the effect in the unit it is shown in (per cent points for shares)."""
    width = _rows_ends(row, "ci_low", "ci_high")
    if width is None and row["effect"]:
        width = abs(row["effect"])
    return decimals_for(100 * width if width is not None and row["is_proportion"] else width)


DASH = "–"


MINUS = "\u2212"


def fixed(value: float, decimals: int, *, signed: bool = False) -> str:
    """A number with that many decimals, commas between thousands, a true minus; no minus before a shown zero."""
    text = f"{abs(value):,.{decimals}f}"
    if not text.strip("0.,"):
        return text
    if value < 0:
        return MINUS + text
    return f"+{text}" if signed else text


def percent(share: float, decimals: int, *, signed: bool = False) -> str:
    """A share as a percentage with its sign after a thin no-break space."""
    return f"{fixed(100 * share, decimals, signed=signed)}\u202f%"


def means(row: Mapping[str, Any]) -> tuple[str, str]:
    """Control and treatment in metric units, with as many decimals as the effect deserves."""
    out = []
    decimals = effect_decimals(row)
    for value in (row["mean_control"], row["mean"]):
        if value is None:
            out.append(DASH)
        elif row["is_proportion"]:
            out.append(percent(value, decimals))
        else:
            out.append(fixed(value, decimals))
    return out[0], out[1]


NOT_ENOUGH = "not enough data"


WORSE_WITHIN = "worse, within what we accept"


NO_EFFECT = "no effect that matters"


TOO_LITTLE = "better, but by too little to matter"


RAIL_WORDS = {"ok": "within its margin", "bad": "worse than accepted", "unclear": "not yet shown to be within its margin"}


VERDICT_WORDS = {"better": "better", "worse": "worse", "unclear": "no difference shown"}


def word_of(row: Mapping[str, Any]) -> str:
    """The verdict in words."""
    if not has_verdict(row):
        return NOT_ENOUGH
    if is_worse_within(row):
        return WORSE_WITHIN
    if row.get("guardrail"):
        return RAIL_WORDS[str(row["guardrail"])]
    verdict = str(row.get("verdict") or "unclear")
    if verdict == "unclear" and row.get("equivalent"):
        return NO_EFFECT
    return TOO_LITTLE if verdict == "better" and row.get("matters") is False else VERDICT_WORDS[verdict]


def effect_text(row: Mapping[str, Any]) -> str:
    """The effect, signed, in metric units; shares in percentage points."""
    if row["effect"] is None:
        return DASH
    if row["is_proportion"]:
        return f"{fixed(100 * row['effect'], effect_decimals(row), signed=True)}\u202fpp"
    return fixed(row["effect"], effect_decimals(row), signed=True)


UNBOUNDED = "unbounded"


def interval(low: float | None, high: float | None, decimals: int, *, scale: float = 1.0) -> str:
    """Both ends with equal decimals and their signs; an end that is missing is a word."""
    if low is None and high is None:
        return UNBOUNDED
    words = ("unbounded below", "unbounded above")
    pairs = zip((low, high), words, strict=True)
    return " … ".join(word if end is None else fixed(scale * end, decimals, signed=True) for end, word in pairs)


def effect_interval(row: Mapping[str, Any]) -> str:
    """Both ends of the effect's interval, in the unit of the effect."""
    if row["ci_low"] is None or row["ci_high"] is None:
        return DASH
    return interval(row["ci_low"], row["ci_high"], effect_decimals(row), scale=100 if row["is_proportion"] else 1)


def lift_decimals(row: Mapping[str, Any]) -> int:
    """Decimals of the lift in per cent."""
    width = _rows_ends(row, "lift_low", "lift_high")
    return decimals_for(100 * width if width is not None else None, most=6)


def lift_text(row: Mapping[str, Any]) -> str:
    """The lift, signed, in per cent; a word where there is none."""
    if row["lift"] is None:
        return NOT_ENOUGH if row["effect"] is None else DASH
    return percent(row["lift"], lift_decimals(row), signed=True)


def lift_interval(row: Mapping[str, Any]) -> str:
    """Both ends of the lift's interval in per cent without the sign of it; a word where there is none."""
    if row["lift_low"] is None or row["lift_high"] is None:
        return UNBOUNDED if row["lift"] is not None and row["effect"] is not None else DASH
    return interval(row["lift_low"], row["lift_high"], lift_decimals(row), scale=100)


def shown(row: Mapping[str, Any]) -> str:
    """Lift and interval as they appear right of the forest plot; the effect where there is no lift."""
    if row["lift"] is not None and row["lift_low"] is not None:
        return f"{lift_text(row)}  ({lift_interval(row)})"
    if row["effect"] is not None and row["ci_low"] is not None:
        return f"effect {effect_text(row)} ({effect_interval(row)})"
    if row["effect"] is not None and row.get("guardrail") in ("ok", "bad"):  # a margin is judged without any event, too
        return f"effect {effect_text(row)}"
    return NOT_ENOUGH


def significant(value: float, digits: int = 3) -> str:
    """A number with that many significant digits, at most 8 decimals, in plain notation with commas."""
    if not math.isfinite(value):
        return "not a number"
    if value == 0:
        return "0"
    decimals = max(0, min(8, digits - 1 - math.floor(math.log10(abs(value)))))
    text = fixed(value, decimals)
    return text if text.strip("0.,") else f"{value:.{digits - 1}e}".replace("-", MINUS)


def significant_trim(value: float) -> str:
    """A number as it was typed: up to six significant digits without trailing zeros."""
    text = significant(value, 6)
    return text.rstrip("0").rstrip(".") if "." in text else text


def share_text(share: float) -> str:
    """A share for prose: 5 %, 2.5 %, 0.25 %."""
    return f"{significant_trim(100 * share)}\u202f%"


def level_text(alpha: float) -> str:
    """The level of an interval, 1 − alpha, with three significant digits of alpha: 95 %, 98.45 %, 99.375 %."""
    return share_text(1.0 - float(f"{alpha:.3g}"))


def margin_text(row: Mapping[str, Any]) -> str:
    """The margin with its sign and unit."""
    margin = row["margin"]
    if margin is None:
        return ""
    sign = MINUS if margin < 0 else "+"
    if row["margin_scale"] == "lift":
        return f"{sign}{share_text(abs(margin))}"
    if row["is_proportion"]:
        return f"{sign}{significant_trim(100 * abs(margin))}\u202fpp"
    return f"{sign}{significant_trim(abs(margin))}"


def p_value(p: float | None) -> str:
    """A p-value with two significant digits, at most four decimals."""
    if p is None or not math.isfinite(p):
        return "–"
    if p < 0.0001:
        return "< 0.0001"
    if p > 0.9999:
        return "> 0.9999"
    return fixed(p, max(2, min(4, 1 - math.floor(math.log10(p)))))


def reduction_text(row: Mapping[str, Any]) -> str:
    """Share of the variance that covariates took, and of each source where there are several; "" without CUPED."""
    if row["variance_reduction"] is None:
        return ""
    whole = percent(row["variance_reduction"], 0)
    each = [f"{named(s['source'])} {percent(s['alone'], 0)}" for s in row.get("saved_by", ())]
    return f"{whole} ({', '.join(each)}, each alone)" if each else whole


def whole(value: float) -> str:
    """A count with commas between thousands."""
    return fixed(value, 0)


def metric_row(index: int, row: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """One row of the table of metrics."""
    mark, tone = mark_of(row)
    control, treatment = means(row)
    return {
        "index": index,
        "metric": row["metric"],
        "label": named(row["label"]),
        "role": row["role"],
        "variant": labels.get(row["variant"], row["variant"]),
        "mark": mark,
        "tone": tone,
        "word": word_of(row),
        "direction": "more is better" if row["direction"] == "increase" else "less is better",
        "n": f"{whole(row['n_control'])} / {whole(row['n'])}",
        "control": control,
        "treatment": treatment,
        "effect": effect_text(row),
        "effect_interval": effect_interval(row),
        "lift": lift_text(row),
        "lift_interval": lift_interval(row),
        "shown": shown(row),
        "p": p_value(row["p_value"]) if row["chance"] is None else DASH,
        "p_adjusted": p_value(row["p_adjusted"]) if row["chance"] is None else DASH,
        "chance": percent(row["chance"], 1) if row["chance"] is not None else "",
        "level": level_text(row["alpha"]),
        "margin": margin_text(row),
        "margin_p": p_value(row["margin_p_value"]),
        "min_lift": share_text(row["min_lift"]) if row["min_lift"] is not None else "",
        "reduction": reduction_text(row),
        "reason": row["reason"],
    }


def day_text(at: str) -> str:
    """The day of a time."""
    return at[:10]


def headline(outcome: str, variant: str) -> str:
    """The decision as one would say it."""
    return {
        "ship": f"Ship {variant}" if variant else "Ship",
        "ship none": "Ship none",
        "iterate": "Iterate",
        "invalid": "Do not read the effects",
        "defer": "Decision deferred",
    }.get(outcome, outcome)


def is_against(outcome: str, *, follows: bool, stamps: Iterable[str]) -> bool:
    """Whether a decision is one that the rule of the plan speaks against."""
    return not follows and outcome != "defer" and ("INVALID" not in stamps or outcome in ("ship", "ship none"))


def state_of_data(body: Mapping[str, Any]) -> str:
    """The digest of the data of a look, whatever columns it took of a table in memory; "" where an old entry has none."""
    return str(body.get("same_data") or body.get("fingerprint", ""))


def _knowledge_data_of(body: Mapping[str, Any], seq: int) -> str:
    """What identifies the data that a look was at: the digest of what was read, and how it was read where that differs.

    The same file up to another day, in another zone or by another column shows other numbers: that is another look. A table in
    memory has no digest of its own: a look that took other columns of it says at which data it was (`same_data`).
    """
    data = state_of_data(body) or f"entry {seq}"
    reading = body.get("reading") or {}
    how = {k: v for k, v in (reading.get("how") or {}).items() if k not in ("slices", "day")}
    return f"{data} {json.dumps(how, sort_keys=True)}" if how else data


def ledger_looks(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All looks at effects in the memo's own ledger, oldest first, with the digest of the data that each was at."""
    entries = [json.loads(line) for line in payload["ledger"]["lines"]]
    return [
        {
            "seq": e["seq"],
            "at": e["at"],
            "by": e["by"] or "",
            "kind": e["kind"],
            "units": e["body"]["n"],
            "planned": e["kind"] == "opened",
            "reason": e["body"].get("reason", ""),
            "data": _knowledge_data_of(e["body"], e["seq"]),
            "agent": e.get("agent", ""),
            "times": (e["at"], (e["body"].get("merged") or {}).get("at", "")),
            "reading": e["body"].get("reading") or {},
        }
        for e in entries
        if e["kind"] in ("opened", "peeked")
    ]


def later_looks(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Looks after the one a memo rests on and before its decision, at other data: each state of the data once."""
    readout, looks = payload["readout"], ledger_looks(payload)
    own = next((k for k in looks if readout["at"] in k["times"] and k["kind"] == readout["kind"]), None)
    end = payload["decision"]["seq"] if payload["decision"] else len(payload["ledger"]["lines"]) + 1
    told = json.loads(payload["ledger"]["lines"][end - 1])["body"].get("later_looks") if payload["decision"] else None
    if told is not None:
        return [k for k in looks if k["seq"] in told]
    if own is None:
        return []
    found = {k["data"]: k for k in reversed(looks) if own["seq"] < k["seq"] < end and k["data"] != own["data"]}
    return sorted(found.values(), key=lambda k: int(k["seq"]))


BARS = {
    "ship": ("▲", "accent"),
    "ship none": ("▬", "muted"),
    "iterate": ("↻", "warn"),
    "invalid": ("✕", "worse"),
    "defer": ("◆", "sealed"),
}


def is_no_effect(readout: Mapping[str, Any]) -> bool:
    """Whether the rule says of every treatment that its effect does not matter."""
    recommended = readout["recommendation"]
    return recommended["outcome"] == "ship none" and set(recommended["rows"]) == {"R13"}


class PageMessage(str):
    """A sentence of the table with its id and values; plain text everywhere else.

    Attributes:
        id: In the table.
        values: What its places hold, as text.
    """

    __slots__ = ("id", "values")

    id: str
    values: Mapping[str, str]


IN_SPITE = "{decision}, though a gate of the health failed"
"""A decision to ship, or to ship none, on a readout that is INVALID."""


AGAINST = "{decision}, against the rule of the plan"
"""A decision that differs from the rule. On an INVALID readout the rule decides nothing, and only shipping is against it."""


BY_PLAN = {
    "PLANNED AFTER THE DATA": "{decision}, by a plan made after the data",
    "PARTLY PLANNED AFTER THE DATA": "{decision}, by a plan made after part of the data",
    "RETROSPECTIVE": "{decision}, by a retrospective plan",
    "AMENDED AFTER EFFECTS": "{decision}, by a plan changed after effects were seen",
    "RESTARTED AFTER EFFECTS": "{decision}, in a run restarted after effects were seen",
    "ONE OF SEVERAL PLANS": "{decision}, by one of several plans for the same units",
    "MORE LOOKS THAN PLANNED": "{decision}, at one of more looks than the plan allows for",
    "EXPLORATORY": "{decision}, by an analysis that was not planned",
    "PEEK": "{decision}, at a look before results were due",
}
"""A decision with what a reader must know of the plan it rests on, by stamp: without it, it would read as the one answer to a
question that was asked before the data."""


WORDING: Mapping[str, tuple[str, ...]] = {
    "headline.none": ("{decision}: no effect that matters",),
    "headline.invalid": (IN_SPITE,),
    "headline.against": (AGAINST,),
    "headline.after": (BY_PLAN["PLANNED AFTER THE DATA"],),
    "headline.partly": (BY_PLAN["PARTLY PLANNED AFTER THE DATA"],),
    "headline.retrospective": (BY_PLAN["RETROSPECTIVE"],),
    "headline.amended": (BY_PLAN["AMENDED AFTER EFFECTS"],),
    "headline.restarted": (BY_PLAN["RESTARTED AFTER EFFECTS"],),
    "headline.plans": (BY_PLAN["ONE OF SEVERAL PLANS"],),
    "headline.looks": (BY_PLAN["MORE LOOKS THAN PLANNED"],),
    "headline.exploratory": (BY_PLAN["EXPLORATORY"],),
    "headline.peek": (BY_PLAN["PEEK"],),
    "basis.recommended": ("recommended by the rule of the plan ({rows}); nobody has decided yet",),
    "basis.follows": ("follows the rule of the plan ({rows})",),
    "basis.older": ("rests on an older look: {looks} at other data came before the decision ({rows})",),
    "basis.differs": ("differs from the rule of the plan, which says: {rule_says} ({rows})",),
    "forest.note": (
        "{shown} of {all} rows: primary metrics first, {variant} before others, then its guardrails and metrics. The appendix "
        "shows the other rows on the same scale.",
        "{shown} of {all} rows: primary metrics first, then guardrails and metrics of {variant}. The appendix shows the other "
        "rows on the same scale.",
        "{shown} of {all} rows: primary metrics first, then guardrails and metrics of {variant}. The other rows stand in the "
        "appendix, on the same scale.",
    ),
    "looks.line": ("{looks} at the effects, {peeks} before they were due",),
    "looks.line_again": (
        "{looks} at the effects, {peeks} before they were due (the same data was read more than once: {entries})",
    ),
    "looks.line_agents": ("{line}; {agents} by programs on behalf of people",),
    "looks.all": ("{cost} The ledger has {looks} in all.",),
    "looks.chosen": (
        "The results above come from one of {looks} at different data. Choosing among looks finds a difference more often than "
        "in {alpha} of experiments without an effect.",
        "The results above were read at one of {looks} at different data. Whoever can choose among looks finds a difference "
        "more often than in {alpha} of true nulls.",
    ),
    "looks.later": ("The ledger has {looks} at other data, the last on {day} at {units} units. It was not decided on.",),
    "run.dropped": (
        "{variant} was dropped on {day}, with {knowledge}. It is not analysed, and every correction counts it as planned: "
        "{reason}",
    ),
    "run.plans": (
        "Before this look, effects of the same units were seen under another plan: {plans}. Whoever may choose among plans "
        "finds a difference more often than planned.",
    ),
    "run.follows": ("It follows {key}, which ended on {day} with {knowledge}: {reason}",),
    "impact.invalid": (
        "A gating health check failed ({failed}), so the measured effects can't be trusted and no decision can rest on them.",
    ),
    "impact.invalid_next": (
        "Fix the cause named below, then run the experiment again.",
        "Mend the cause named below, then run the experiment again.",
    ),
    "impact.nothing": ("No primary metric could be computed.",),
    "impact.nothing_next": ("See the metrics below for the reasons.",),
    "impact.unclear": (
        "With {variant}, {metric} was {treatment}, and {control} without it; the data show no difference ({level} interval "
        "{low} to {high}).",
        "{metric} came to {treatment} with {variant} and to {control} without it; the {level} interval of the change runs from "
        "{low} to {high}, so no difference is shown.",
    ),
    "impact.none": (
        "With {variant}, {metric} has no effect that matters: {treatment} with it, {control} without; the whole {level} "
        "interval of the change, {low} to {high}, is too small to matter by the plan.",
    ),
    "impact.rose": (
        "With {variant}, {metric} rose by {size}, from {control} to {treatment} ({level} interval {low} to {high}).",
    ),
    "impact.fell": (
        "With {variant}, {metric} fell by {size}, from {control} to {treatment} ({level} interval {low} to {high}).",
    ),
    "method.audited": (
        "Units were assigned at random: recomputing the hash gives every unit that was checked its variant. So the difference "
        "between variants is what the change caused, plus chance. The interval says how far chance alone could move the "
        "number; a claim is made only where the whole interval lies on one side of zero.",
    ),
    "method.random": (
        "Whether the units were assigned at random was not checked here, see the assignment audit among the health checks. If "
        "they were, the difference between variants is what the change caused, plus chance. The interval says how far chance "
        "alone could move the number; a claim is made only where the whole interval lies on one side of zero.",
        "Units were assigned at random, so the difference between variants is what the change caused, plus chance. The "
        "interval says how far chance alone could move the number; a claim is made only where the whole interval lies on "
        "one side of zero.",
    ),
    "method.elsewhere": (
        "Another system assigned the units, and whether it did so at random was not checked here. If it did, the difference "
        "between variants is what the change caused, plus chance. The interval says how far chance alone could move the "
        "number; a claim is made only where the whole interval lies on one side of zero.",
    ),
    "method.misassigned": (
        "Not every unit has the variant that the hash of the plan gives it, see the assignment audit among the health checks. "
        "So the difference between variants may be one between the units that are in them. The interval says how far chance "
        "alone could move the number.",
    ),
    "method.sequential": (
        "The interval stays valid however often you look. It is a normal-mixture confidence sequence, wider than a "
        "fixed-horizon interval at any single look: that is the price of looking early.",
        "The interval stays valid however often and whenever one looks. It is a normal-mixture confidence sequence, wider than "
        "a fixed-horizon interval at any single look: that is the price of looking early.",
    ),
    "method.frequentist": (
        "The interval is a fixed-horizon one (Welch's t; the normal for shares of units): its error level holds for one "
        "reading at the horizon.",
    ),
    "method.group_sequential": (
        "The interval is valid at the planned looks, which share the error level by a spending function.",
    ),
    "method.bayesian": (
        "The interval holds the true effect with the stated probability, given the prior in the plan. It carries no error "
        "guarantee when it is read repeatedly.",
    ),
    "method.fieller": (
        "Lift is the effect divided by the size of the control's mean. Its interval is Fieller's, which takes the noise of "
        "the control into account and excludes zero exactly when the test of the effect does.",
    ),
    "method.corrections": (
        "Several comparisons share the error level of {alpha}: the family of {family} metrics {first}, the family of the other "
        "metrics {second}. Intervals are widened to match. Guardrails are not part of a family: all must pass, each at the "
        "full level.",
        "Several comparisons share the error level of {alpha}: the family of {family} metrics {first}, the family of the other "
        "metrics {second}. Intervals are widened to match. Guardrails stand outside: all must pass, each at the full level.",
    ),
    "method.guardrails": (
        "A guardrail passes only when harm beyond its margin is ruled out by the interval. “Not significant” is not taken "
        "as “safe”.",
    ),
    "method.cuped": (
        "Where the plan asks for it, CUPED takes out the part of the difference that behaviour before the experiment predicts. "
        "It narrows the interval and does not shift the expected effect.",
        "Where the plan asks for it, the part of the difference that behaviour before the experiment foretold is taken out "
        "(CUPED). It narrows the interval and does not shift the expected effect.",
    ),
    "method.caps": (
        "Extreme values were capped at thresholds taken over all variants together. The estimate is the mean of capped values; "
        "the raw result is next to it.",
        "Extreme values were capped at thresholds taken over all variants together; what is estimated is the mean of "
        "capped values. The raw result stands beside it.",
    ),
    "limits.time": (
        "The result holds for the units and the time of this experiment. Novelty, season and a different audience can "
        "change it.",
    ),
    "limits.seal": (
        "The seal is a commitment, not a lock: anyone with the raw data can compute results elsewhere, outside this record.",
        "The seal is a commitment, not a lock: whoever has the raw data can compute results elsewhere, outside of this record.",
    ),
    "limits.ledger": (
        "Any edit breaks the ledger's hash chain. Its owner could rebuild the whole chain, so keep a copy of this memo "
        "elsewhere.",
        "The ledger shows any change that does not rebuild it whole. Its owner could rebuild it; what stands against that "
        "is this memo and every other copy of the witness.",
    ),
    "limits.bayesian": ("Probabilities depend on the prior in the plan and are not protected against repeated reading.",),
    "limits.sequential": (
        "The sequential interval is asymptotic: it relies on some hundred units in every variant at the first look.",
    ),
    "limits.segments": ("Segments are shown to learn from, not to decide by: with many slices some differ by chance.",),
}
"""Wordings of each sentence, the one in use first."""


def say(id_: str, **values: Any) -> PageMessage:
    """The sentence of an id, filled."""
    texts = {name: str(value) for name, value in values.items()}
    message = PageMessage(WORDING[id_][0].format(**texts))
    message.id, message.values = id_, texts
    return message


def says_how_it_was_read(readout: Mapping[str, Any]) -> bool:
    """Whether a readout is of a release that puts on record how data were read; pages of earlier ones keep their words."""
    return any(c["name"] == "restated_outcomes" for c in readout["health"])


QUALIFIED = {
    "PLANNED AFTER THE DATA": "headline.after",
    "PARTLY PLANNED AFTER THE DATA": "headline.partly",
    "RETROSPECTIVE": "headline.retrospective",
    "AMENDED AFTER EFFECTS": "headline.amended",
    "RESTARTED AFTER EFFECTS": "headline.restarted",
    "ONE OF SEVERAL PLANS": "headline.plans",
    "MORE LOOKS THAN PLANNED": "headline.looks",
    "EXPLORATORY": "headline.exploratory",
    "PEEK": "headline.peek",
}
"""Stamps that are in the headline itself: without them it would read as a decision by a plan from before the data."""


LATER = ("EXPLORATORY", "PEEK")
"""Stamps that were not in the headline of earlier releases."""


def qualified(words: str, readout: Mapping[str, Any], outcome: str = "") -> str:
    """A headline with what a reader must know of the plan; or that the decision was made on data that can't be trusted."""
    stamps, is_new = readout["stamps"], says_how_it_was_read(readout)
    if is_new and "INVALID" in stamps and outcome in ("ship", "ship none"):
        return say("headline.invalid", decision=words)
    found = [QUALIFIED[s] for s in stamps if s in QUALIFIED and (is_new or s not in LATER)]
    return say(found[0], decision=words) if found else words


def minute_text(at: str) -> str:
    """A time to the minute."""
    return f"{at[:10]} {at[11:16]} UTC" if len(at) > 16 else at


def number_of(count: int, one: str, many: str = "") -> str:
    """A count with what is counted, in singular or plural: "1 unit", "1,200 units".

    Args:
        count: The count.
        one: What is counted where it is one of them, with its verb where it has one: "unit", "unit is".
        many: The same where it is none or several; with an s where it is left out.
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def decision_section(payload: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """The headline: what was decided, by whom, and whether the rule of the plan says the same."""
    recommended = payload["readout"]["recommendation"]
    decision = payload["decision"]
    fired = ", ".join(dict.fromkeys(recommended["rows"]))
    rule_says = headline(recommended["outcome"], labels.get(recommended["variant"], recommended["variant"]))
    if decision is None:
        mark, tone = SAME if is_no_effect(payload["readout"]) else BARS[recommended["outcome"]]
        words = say("headline.none", decision=rule_says) if is_no_effect(payload["readout"]) else rule_says
        return {
            "headline": qualified(words, payload["readout"]),
            "mark": mark,
            "tone": tone,
            "basis": say("basis.recommended", rows=fired),
            "differs": False,
            "because": recommended["because"],
            "by": "",
            "at": "",
            "outcome": recommended["outcome"],
            "rule_says": rule_says,
        }
    outcome = decision["outcome"]
    variant = labels.get(decision["variant"], decision["variant"])
    mark, tone = BARS.get(outcome, ("◆", "muted"))
    if outcome == "ship none" and is_no_effect(payload["readout"]):
        mark, tone = SAME
    words = headline(outcome, variant)
    if outcome == "ship none" and is_no_effect(payload["readout"]):
        words = say("headline.none", decision=words)
    if is_against(outcome, follows=decision["follows_rule"], stamps=payload["readout"]["stamps"]):
        words = say("headline.against", decision=words)
    later = later_looks(payload)
    basis = (
        say("basis.older", looks=number_of(len(later), "later look"), rows=fired)
        if later and decision["follows_rule"]
        else say("basis.follows", rows=fired)
        if decision["follows_rule"]
        else say("basis.differs", rule_says=rule_says, rows=fired)
    )
    return {
        "headline": qualified(words, payload["readout"], outcome),
        "mark": mark,
        "tone": tone,
        "basis": basis,
        "differs": not decision["follows_rule"] or bool(later),
        "because": decision["because"] or recommended["because"],
        "by": named(decision["by"]) if decision["by"] else "",
        "at": minute_text(decision["at"]),
        "outcome": outcome,
        "rule_says": rule_says,
    }


def subject(readout: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The primary row to speak about: of the variant that is shipped, else the first treatment; the one that decides first."""
    recommended = readout["recommendation"]
    wanted = recommended["variant"] or next(
        (v["variant"] for v in recommended["variants"] if v["outcome"] == recommended["outcome"]), ""
    )
    rows = [r for r in readout["rows"] if r["role"] == "primary" and r["effect"] is not None and r["ci_low"] is not None]
    mine = [r for r in rows if r["variant"] == wanted] or rows
    order = {"better": 0, "worse": 1, "unclear": 2}
    return min(mine, key=lambda r: (order[r["verdict"]], not r.get("equivalent")), default=None)


def _what(readout: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    plan = readout["plan"]
    labels = variant_labels(plan)
    control, treatment = means(row)
    level = level_text(row["alpha"])
    if row["lift"] is not None and row["lift_low"] is not None:
        decimals = decimals_for(100 * (row["lift_high"] - row["lift_low"]), most=6)
        size = percent(abs(row["lift"]), decimals)
        low, high = (percent(v, decimals, signed=True) for v in (row["lift_low"], row["lift_high"]))
    else:
        decimals = effect_decimals(row)
        size = effect_text(row).lstrip("+" + MINUS)
        scale, unit = (100, "\u202fpp") if row["is_proportion"] else (1, "")
        low, high = (fixed(scale * v, decimals, signed=True) + unit for v in (row["ci_low"], row["ci_high"]))
    name, variant = named(row["label"]), labels[row["variant"]]
    if row["verdict"] == "unclear":
        return say(
            "impact.none" if row.get("equivalent") else "impact.unclear",
            metric=name,
            treatment=treatment,
            variant=variant,
            control=control,
            level=level,
            low=low,
            high=high,
        )
    return say(
        "impact.rose" if row["effect"] > 0 else "impact.fell",  # the past tense fits names in singular and plural
        variant=variant,
        metric=name,
        size=size,
        control=control,
        treatment=treatment,
        level=level,
        low=low,
        high=high,
    )


def daily_units(readout: Mapping[str, Any]) -> tuple[float, str] | None:
    """New units a day over all variants, and where the number comes from; None where neither data nor plan say it."""
    by_day = readout["summary"]["exposures_by_day"]
    if by_day:
        days = sorted(by_day)
        span = (date.fromisoformat(days[-1][:10]) - date.fromisoformat(days[0][:10])).days + 1
        return sum(sum(v.values()) for v in by_day.values()) / span, "this experiment saw"
    planned = readout["plan"].get("planning", {}).get("daily_units")
    return (float(planned), "the plan expects") if planned else None


def units_word(unit: str) -> str:
    """Units of a plan in the plural by their name (`user_id` and Mixpanel's `distinct_id` are users); else "units"."""
    if unit == "distinct_id":
        return "users"
    unit = re.sub(r"_id$", "", unit.removeprefix("$"))
    if not re.fullmatch(r"[A-Za-z]?[a-z]{2,20}", unit) or unit.endswith(("s", "id")):
        return "units"
    if re.search(r"[^aeiou]y$", unit):
        return f"{unit[:-1]}ies"
    return f"{unit}es" if unit.endswith(("x", "z", "ch", "sh")) else f"{unit}s"


_COUNTED = ("conversion", "count", "retention", "funnel", "sessions")
"""Kinds whose mean per unit can be summed to a number of things."""


DAYS_PER_MONTH = 30.4375
"""365.25 / 12."""


def round_to(value: float, digits_: int) -> float:
    """The value with that many significant digits."""
    return float(f"{value:.{digits_ - 1}e}")


_COUNTS_AS = {"funnel": "completed funnels", "retention": "returns"}
"""What a unit with a 1 is called; the sentence before has named the metric."""


def _how_much(readout: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    counted = row["is_proportion"] or row["kind"] in _COUNTED
    if not counted and row["kind"] not in ("sum", "column"):
        return ""
    traffic = daily_units(readout)
    units = units_word(readout["plan"]["unit"])
    per = 1000.0 if traffic is None else traffic[0] * DAYS_PER_MONTH
    values = [round_to(per * row[k], 3) for k in ("effect", "ci_low", "ci_high")]
    decimals = decimals_for(values[2] - values[1])
    point, low, high = (fixed(v, decimals, signed=True) for v in values)
    what = f"{point} {_COUNTS_AS.get(row['kind'], 'conversions')}" if row["is_proportion"] else f"{point} in all"
    if traffic is None:
        return f"For every 1,000 {units}, that is {what} ({low} to {high})"
    return (
        f"Rolled out to all {units}, that is {what} a month ({low} to {high}); {traffic[1]} {whole(round_to(per, 3))} "
        f"{units} a month"
    )


def rail_said(row: Mapping[str, Any]) -> str:
    """A guardrail that got worse within its margin, as a clause: `Load time rose by 2.4 %, within the 5 % accepted`."""
    verb = "rose" if (row["effect"] or 0.0) > 0 else "fell"
    size = lift_text(row) if row["margin_scale"] == "lift" and row["lift"] is not None else effect_text(row)
    margin = margin_text(row).lstrip("+" + MINUS)
    accepted = f", within the {margin} accepted" if margin else ""
    return f"{row['label']} {verb} by {size.lstrip('+' + MINUS)}{accepted}"


def _rails(readout: Mapping[str, Any], variant: str) -> str:
    rails = [r for r in readout["rows"] if r["role"] == "guardrail" and r["variant"] == variant]
    bad = [r["label"] for r in rails if r["guardrail"] == "bad"]
    unclear = [r["label"] for r in rails if r["guardrail"] == "unclear"]
    if bad:
        return f"worse than the plan accepts: {', '.join(bad)}"
    slipped = [rail_said({**r, "label": named(r["label"])}) for r in rails if is_worse_within(r)]
    if slipped:
        return "; ".join(slipped)
    if unclear:
        return f"not yet shown to be within its margin: {', '.join(unclear)}"
    if not rails:
        return ""
    return "no guardrail is worse than planned" if len(rails) > 1 else f"the guardrail {rails[0]['label']} is within its margin"


def impact_sentences(payload: Mapping[str, Any]) -> tuple[str, str]:
    """What changed and by how much with its interval; then the same per month at current traffic, or why not."""
    readout = payload["readout"]
    if "INVALID" in readout["stamps"]:
        failed = [c["title"] for c in readout["health"] if c["gate"] and c["status"] == "fail"]
        return say("impact.invalid", failed="; ".join(failed) or "see below"), say("impact.invalid_next")
    row = subject(readout)
    if row is None:
        return say("impact.nothing"), say("impact.nothing_next")
    parts = [p for p in (_how_much(readout, row), _rails(readout, row["variant"])) if p]
    second = "; ".join(parts) or "Its size per month is not reported: the metric is not a number per unit"
    return _what(readout, row), second[0].upper() + second[1:] + "."


def metric_names(plan: Mapping[str, Any]) -> dict[str, str]:
    """Label of each metric of a plan, by its key."""
    return {m["key"]: named(m.get("name") or m["key"]) for m in plan["metrics"]}


def hypothesis_section(payload: Mapping[str, Any]) -> dict[str, Any]:
    """If, then, because; when and by whom it was registered."""
    plan = payload["readout"]["plan"]
    names = metric_names(plan)
    hypothesis = plan["hypothesis"]
    claims = []
    for claim in hypothesis.get("then", []):
        verb = "will rise" if claim["direction"] == "increase" else "will fall"  # fits names in singular and plural
        size = f" by {share_text(claim['lift'])}" if claim.get("lift") else ""
        claims.append(f"{names.get(claim['metric'], claim['metric'])} {verb}{size}")
    return {
        "if": hypothesis["if"],
        "then": " and ".join(claims) or DASH,
        "because": hypothesis["because"],
        "registered": minute_text(payload["registered"]["at"]),
        "by": named(payload["registered"]["by"]) if payload["registered"]["by"] else "",
        "digest": payload["registered"]["plan_digest"],
        "amended": len(payload["amendments"]),
    }


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One line of a forest plot.

    Attributes:
        label: Name of the metric.
        role: Heading it stands under.
        lift: Point, None where it can't be computed.
        low: Lower end; None = unbounded.
        high: Upper end; None = unbounded.
        shown: Text right of the chart, such as `+7.4 % (+3.1 … +11.8)`.
        means: Text such as `12.1 % → 13.0 %`.
        mark: `▲ ▼ ─ ≈ ✓ ▽ ✕ ?` with its tone.
        tone: What the mark means.
        note: Second line under the label.
        plain_low: Unadjusted lower end, drawn as a ghost where it differs.
        plain_high: Unadjusted upper end.
        min_lift: Smallest lift that matters, signed towards better; None = none.
        margin: Worst lift accepted, signed towards worse; None = none.
        variant: Index of the treatment, for its tone.
        status: `ok`, or a word why there is nothing to draw.
        of: Name of the variant where there are several; it leads the second line.
        index: Place of the row in the readout; -1 for its place in the picture.
        level: Level of the interval where it is not the heading's, such as `90 % interval`.
    """

    label: str
    role: str
    lift: float | None
    low: float | None
    high: float | None
    shown: str
    means: str
    mark: str = ""
    tone: Literal["better", "worse", "warn", "same", "muted"] = "muted"
    note: str = ""
    plain_low: float | None = None
    plain_high: float | None = None
    min_lift: float | None = None
    margin: float | None = None
    variant: int = 0
    status: str = "ok"
    of: str = ""
    index: int = -1
    level: str = ""


ARROW = " → "


def text_width(text: str) -> int:
    """Cells that a text takes: wide characters count two, combining ones none."""
    return sum(
        0 if unicodedata.category(c) in ("Mn", "Me", "Cf", "Cc") else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def shorten(text: str, cells: int) -> str:
    """The text on one line, cut with an ellipsis so that it takes at most that many cells."""
    kinds = ((c, unicodedata.category(c)) for c in text[: 4 * cells + 1])
    clean = "".join(" " if kind in ("Cc", "Zl", "Zp") else c for c, kind in kinds if kind != "Cs")
    if text_width(clean) <= cells and len(clean) <= 4 * cells:
        return clean
    out, used = [], 0
    for c in clean[: 4 * cells]:
        used += text_width(c)
        if used > cells - 1:
            break
        out.append(c)
    return "".join(out).rstrip() + "…"


def _forest_rows(
    readout: Mapping[str, Any], treatments: Sequence[str], rows: Sequence[Mapping[str, Any]], usual: str
) -> list[ForestRow]:
    """Lines of the picture; one whose interval is not at the `usual` level says which it is."""
    lines = []
    for index, (text, row) in enumerate(zip(rows, readout["rows"], strict=True)):
        good = 1 if row["direction"] == "increase" else -1
        margin = row["margin"]
        if margin is not None and row["margin_scale"] == "effect":
            margin = margin / abs(row["mean_control"]) if row["mean_control"] else None
        note = {
            "guardrail": f"margin {text['margin']} · {text['word']}" if text["margin"] else text["word"],
            "primary": f"min. lift {text['min_lift']} · {text['word']}" if text["min_lift"] else text["word"],
        }.get(row["role"], text["word"])
        lines.append(
            ForestRow(
                label=text["label"],
                role=row["role"],
                lift=row["lift"],
                low=row["lift_low"],
                high=row["lift_high"],
                shown=text["shown"],
                means=f"{text['control']}{ARROW}{text['treatment']}",
                mark=text["mark"],
                tone=text["tone"],
                note=note,
                min_lift=good * row["min_lift"] if row["min_lift"] else None,
                margin=margin,
                variant=treatments.index(row["variant"]) if row["variant"] in treatments else 0,
                status="ok"
                if row["lift"] is not None
                else "no lift: read the effect"
                if row["effect"] is not None
                else NOT_ENOUGH,
                of=shorten(str(text["variant"]), 20) if len(treatments) > 1 else "",
                index=index,
                level=f"{text['level']} interval" if row["lift"] is not None and text["level"] != usual else "",
            )
        )
    return lines


def lift_range(rows: Sequence[ForestRow]) -> tuple[float, float]:
    """Range of the lift axis: all points, ends, margins and zones, unless one row would squash the others."""
    widths = sorted(r.high - r.low for r in rows if r.low is not None and r.high is not None and r.status == "ok")
    limit = 6 * widths[len(widths) // 2] if widths else 0.2
    reach = [0.0]
    for row in rows:
        if row.status != "ok":
            continue
        reach += [v for v in (row.lift, row.min_lift, row.margin) if v is not None and abs(v) <= max(limit, 1e-12)]
        reach += [max(-limit, min(limit, v)) for v in (row.low, row.high) if v is not None]
    low, high = min(reach), max(reach)
    if high - low < 1e-12:
        low, high = -0.05, 0.05
    pad = 0.07 * (high - low)
    return low - pad, high + pad


_figures_ROW, _HEAD, _TOP = 46, 26, 34


_figures_ROW, _HEAD, _TOP = 46, 26, 34


_figures_ROW, _HEAD, _TOP = 46, 26, 34


def ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Round numbers that part the range into about `count` steps; 0 is one of them where it lies inside."""
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [0.0]
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def _hatch(rows: Sequence[ForestRow], part: str) -> str:
    if not any(r.margin is not None for r in rows):
        return ""
    return (
        f'<defs><pattern id="hatch{part}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line x1="0" y1="0" x2="0" y2="6" class="forbidden"/></pattern></defs>'
    )


def _n(value: float) -> str:
    """A coordinate: two decimals, no trailing zeros, no negative zero."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def html(value: object, *, quote: bool = True) -> str:
    """Text in HTML, in an element or an attribute; without `quote` in an element alone."""
    return _html.escape(str(value), quote=quote)


def _figures_e(text: str) -> str:
    return html(legal(text))


def _svg(width: float, height: float, title: str, description: str, parts: Sequence[str], *, name: str, part: str = "") -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="fig {name}" viewBox="0 0 {_n(width)} {_n(height)}" '
        f'width="{_n(width)}" height="{_n(height)}" role="img" aria-labelledby="{name}{part}-t {name}{part}-d">'
        f'<title id="{name}{part}-t">{_figures_e(title)}</title>'
        f'<desc id="{name}{part}-d">{_figures_e(description)}</desc>{"".join(parts)}</svg>'
    )


WIDTH = 940


_LEFT, _RIGHT = 280, 604


_LEFT, _RIGHT = 280, 604


ROLES: Mapping[str, str] = {"primary": "PRIMARY", "secondary": "SECONDARY", "guardrail": "GUARDRAILS"}


def _line(x1: float, y1: float, x2: float, y2: float, classes: str) -> str:
    return f'<line x1="{_n(x1)}" y1="{_n(y1)}" x2="{_n(x2)}" y2="{_n(y2)}" class="{classes}"/>'


def _figures_text(x: float, y: float, text: str, classes: str = "", *, cells: int = 0, mark: str = "") -> str:
    shown = shorten(text, cells) if cells else text
    title = f"<title>{_figures_e(text[:400])}</title>" if shown != text else ""
    hook = f' data-x="{_figures_e(mark)}"' if mark else ""
    return f'<text x="{_n(x)}" y="{_n(y)}" class="{classes}"{hook}>{title}{_figures_e(shown)}</text>'


def _tone(variant: int) -> str:
    return f"t{variant}" if variant < 4 else "tg"


def _clip(value: float, low: float, high: float) -> float:
    return max(low, min(high, value))


def _whisker(row: ForestRow, mid: float, x: Callable[[float], float], low: float, high: float, tone: str) -> list[str]:
    ends = []
    a = row.low if row.low is not None else -math.inf
    b = row.high if row.high is not None else math.inf
    left, right = x(_clip(a, low, high)), x(_clip(b, low, high))
    ends.append(_line(left, mid, right, mid, f"whisker {tone}"))
    for value, place, sign in ((a, left, -1), (b, right, 1)):
        if low <= value <= high:
            ends.append(_line(place, mid - 5, place, mid + 5, f"whisker {tone}"))
        else:
            tip = place + sign * 2
            ends.append(f'<path d="M{_n(tip)} {_n(mid)}l{_n(-sign * 9)} -5v10z" class="{tone}"/>')
            if math.isinf(value):
                ends.append(_figures_text(tip - sign * 12, mid - 8, "unbounded", f"muted small {'end' if sign > 0 else ''}"))
    return ends


def _forest_row(
    index: int, row: ForestRow, y: float, x: Callable[[float], float], low: float, high: float, part: str, marks: str
) -> list[str]:
    mid = y + 17
    note = " · ".join(filter(None, (row.of, row.note)))
    out = [
        _figures_text(0, y + 16, row.label, "strong" if row.role == "primary" else "", cells=30),
        _figures_text(0, y + 32, note, "muted small", cells=48) if note else "",
        _figures_text(_LEFT - 18, y + 16, row.mark, f"mid strong {row.tone}") if row.mark else "",
        _figures_text(_RIGHT + 14, y + 21, row.shown, "strong", mark=f"{marks}.{index}.shown"),
        _figures_text(_RIGHT + 14, y + 35, row.level, "muted small") if row.level else "",
        _figures_text(WIDTH, y + 21, row.means, "muted end", mark=f"{marks}.{index}.means"),
    ]
    top, height = y + 3, _figures_ROW - 10
    if row.min_lift is not None:
        a, b = sorted((x(0), x(_clip(row.min_lift, low, high))))
        out.append(f'<rect x="{_n(a)}" y="{_n(top)}" width="{_n(b - a)}" height="{_n(height)}" class="zone"/>')
    if row.margin is not None and low <= row.margin <= high:
        edge = x(row.margin)
        a, b = (edge, float(_RIGHT)) if row.margin > 0 else (float(_LEFT), edge)
        out.append(f'<rect x="{_n(a)}" y="{_n(top)}" width="{_n(b - a)}" height="{_n(height)}" fill="url(#hatch{part})"/>')
        out.append(_line(edge, top, edge, top + height, "edge"))
    if row.status != "ok" or row.lift is None:
        out.append(_figures_text(x(0) + 8, mid + 4, row.status if row.status != "ok" else "unbounded", "muted small"))
        return out
    tone = _tone(row.variant)
    if row.plain_low is not None and row.plain_high is not None and (row.plain_low, row.plain_high) != (row.low, row.high):
        left, right = (x(_clip(v, low, high)) for v in (row.plain_low, row.plain_high))
        out.append(_line(left, mid + 9, right, mid + 9, f"ghost {tone}"))
    out += _whisker(row, mid, x, low, high, tone)
    if low <= row.lift <= high:
        out.append(f'<circle cx="{_n(x(row.lift))}" cy="{_n(mid)}" r="4.5" class="{tone}"/>')
    return out


def _tick_decimals(low: float, high: float) -> int:
    steps = ticks(low, high)
    step = abs(steps[1] - steps[0]) if len(steps) > 1 else high - low
    if not 1e-300 < step < 1e300:  # steps that a picture can't tell apart
        return 0
    return max(0, min(6, -math.floor(math.log10(100 * step) + 1e-9) + (1 if f"{100 * step:.1e}".startswith("2.5") else 0)))


def forest(
    rows: Sequence[ForestRow],
    *,
    heading: str,
    means_heading: str,
    title: str = "Lift of each metric against control",
    scale: Sequence[ForestRow] = (),
    part: str = "",
    marks: str = "forest",
) -> str:
    """Forest plot of lifts in plan order: label left, interval, numbers right.

    Args:
        rows: Lines; those of one role stand together under its heading, in the order given.
        heading: What the interval is, such as `lift, 95 % interval`.
        means_heading: Such as `control → beta`.
        title: Name for readers that hear the page.
        scale: Rows whose lifts fix the axis, so that several pictures share one; these rows where it is empty.
        part: Added to the names inside, where a page has several such pictures.
        marks: What the hooks of its numbers begin with: `forest` where they are rows of the readout.
    """
    low, high = lift_range(scale or rows)
    span = high - low

    def x(value: float) -> float:
        return _LEFT + (value - low) / span * (_RIGHT - _LEFT)

    parts: list[str] = []
    front: list[str] = []
    y = float(_TOP)
    described: list[str] = []
    for role, name in ROLES.items():
        mine = [(i, r) for i, r in enumerate(rows) if r.role == role]
        if not mine:
            continue
        front.append(_figures_text(0, y + 17, name, "role"))
        parts.append(_line(0, y, WIDTH, y, "hair"))
        y += _HEAD
        for index, row in mine:
            front += _forest_row(row.index if row.index >= 0 else index, row, y, x, low, high, part, marks)
            described.append(f"{row.label}{f' · {row.of}' if row.of else ''}: {row.shown}")
            y += _figures_ROW
    bottom = y
    axis = []
    for tick in ticks(low, high):
        if tick:
            parts.append(_line(x(tick), _TOP, x(tick), bottom, "grid"))
        axis.append(_figures_text(x(tick), bottom + 16, percent(tick, _tick_decimals(low, high), signed=True), "muted small mid"))
    parts.append(_line(x(0), _TOP, x(0), bottom + 2, "zero"))
    is_long = len(heading) > 46  # it would run into the next heading; to the left there is room
    head = [
        _figures_text(_RIGHT, 18, heading, "muted end") if is_long else _figures_text((_LEFT + _RIGHT) / 2, 18, heading, "muted mid"),
        _figures_text(_RIGHT + 14, 18, "lift and interval", "muted"),
        _figures_text(WIDTH, 18, means_heading, "muted end", cells=30),
    ]
    hatch = _hatch(rows, part)
    return _svg(
        WIDTH, bottom + 24, title, "; ".join(described)[:4000], [hatch, *head, *parts, *front, *axis], name="forest", part=part
    )


FIRST_PAGE = 9
"""Rows of the forest plot that leave the first page on one sheet; of more it shows so many, the appendix the rest."""


A_PAGE = 22


def interval_name(readout: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Level and kind of the intervals."""
    model = plan["model"]
    kind = {"sequential": "sequential ", "group_sequential": "group-sequential ", "bayesian": "credible ", "frequentist": ""}[
        model["kind"]
    ]
    return f"{share_text(model['confidence'])} {kind}interval"


def forest_plots(
    payload: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], labels: Mapping[str, str], *, hidden: bool
) -> dict[str, Any]:
    """The forest plot of the first page, and those of the appendix where there are too many rows for one."""
    if hidden:
        return {"forest": "", "forest_note": "", "forests": []}
    readout = payload["readout"]
    plan = readout["plan"]
    treatments = [v["key"] for v in plan["variants"] if not v.get("control")]
    control = next((labels[v["key"]] for v in plan["variants"] if v.get("control")), "control")
    treatment = labels[treatments[0]] if len(treatments) == 1 else "treatment"
    usual = share_text(plan["model"]["confidence"])
    lines = _forest_rows(readout, treatments, rows, usual)
    unless = " unless named" if any(line.level for line in lines) else ""
    draw = partial(
        forest,
        heading=f"lift vs {shorten(control, 16)}, {interval_name(readout, plan)}{unless}",
        means_heading=f"{shorten(control, 13)}{ARROW}{shorten(treatment, 13)}",
    )
    if len(lines) <= FIRST_PAGE:
        return {"forest": draw(lines), "forest_note": "", "forests": []}
    decision = payload["decision"] or readout["recommendation"]
    main = decision["variant"] or readout["recommendation"]["variant"] or treatments[0]

    def weight(i: int) -> tuple[int, int]:
        """Primary metrics of the variant that is decided about come first: of many treatments not all fit."""
        row = readout["rows"][i]
        order = {"primary": 0, "guardrail": 2, "secondary": 3}[row["role"]]
        return (order if row["variant"] == main else {0: 1, 2: 4, 3: 5}[order], i)

    count = max(FIRST_PAGE - max(len(treatments) - 3, 0) // 2, 5)  # the split of many variants takes room as well
    picked = set(sorted(range(len(lines)), key=weight)[:count])
    rest = [line for i, line in enumerate(lines) if i not in picked]
    return {
        "forest": draw([line for i, line in enumerate(lines) if i in picked], scale=lines),
        "forest_note": say("forest.note", shown=count, all=len(lines), variant=labels.get(main, main)),
        "forests": [
            draw(
                rest[k : k + A_PAGE],
                scale=lines,
                part=f"-{k // A_PAGE + 2}",
                title=f"Lift of each metric against control, part {k // A_PAGE + 2}",
            )
            for k in range(0, len(rest), A_PAGE)
        ],
    }


HEALTH_TONE = {"pass": "better", "warn": "warn", "fail": "worse", "not answerable": "muted"}


def health_line(checks: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Health as words, worst first: loud checks by name, then how many pass."""
    loud = [c for c in checks if c["status"] in ("fail", "warn")]
    out = [{"text": f"{c['title']}: {c['status']}", "tone": HEALTH_TONE[c["status"]]} for c in loud[:3]]
    if len(loud) > 3:
        out.append({"text": f"{len(loud) - 3} more fail or warn", "tone": "warn"})
    passed = sum(c["status"] == "pass" for c in checks)
    silent = sum(c["status"] == "not answerable" for c in checks)
    if passed:
        out.append({"text": f"{passed} {'more ' if loud else ''}pass", "tone": "better"})
    if silent:
        out.append({"text": f"{silent} not run", "tone": "muted"})
    return out or [{"text": "no check ran", "tone": "worse"}]


FIVE = (("srm_anytime", "srm"), ("assignment_audit",), ("plan_first",), ("pre_experiment_bias",), ("contamination",))
"""What page one names: the split, the assignment, the plan's date, alike before, nobody in two variants."""


MOST = 3
"""Further checks that warn or fail and are named."""


_RANK = ("fail", "warn", "not answerable", "pass")


def five(checks: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], int, str]:
    """Loud checks and the five that matter, how many loud ones are left out, and one line for the rest.

    Args:
        checks: Of a readout, as dictionaries.
    """
    by_name = {c["name"]: c for c in checks}
    picked = []
    for group in FIVE:
        found = [by_name[name] for name in group if name in by_name]
        if found:
            picked.append(min(found, key=lambda c: _RANK.index(c["status"])))
    named = {name for group in FIVE for name in group}
    loud = [c for c in checks if c["name"] not in named and c["status"] in ("fail", "warn")]
    rest = [c for c in checks if c["name"] not in named and c not in loud]
    passed = sum(c["status"] == "pass" for c in rest)
    silent = sum(c["status"] == "not answerable" for c in rest)
    parts = [f"{passed} more pass"] if passed else []
    parts += [f"{silent} not run: each says how to make it run"] if silent else []
    return [*loud[:MOST], *picked], max(len(loud) - MOST, 0), "; ".join(parts)


NOTHING = "Nothing to do."


def short(check: Mapping[str, Any]) -> str:
    """What a loud check found, how to make one run that did not, and nothing of one that passed."""
    if check["status"] == "pass":
        return ""
    told = check["next_step"] if check["status"] == "not answerable" and check["next_step"] != NOTHING else check["meaning"]
    return str(told).split(". ")[0].rstrip(".") + "."


WORDS = {"not answerable": "not run"}
"""A status as people read it, where files keep another word."""


def health_lines(checks: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The checks that matter most with what they found, further loud ones, and one line for the rest."""
    lines, more, rest = five(checks)
    return {
        "lines": [
            {
                "title": c["title"],
                "word": WORDS.get(c["status"], c["status"]),
                "tone": HEALTH_TONE.get(c["status"], "muted"),
                "said": short(c),
            }
            for c in lines
        ],
        "more": more,
        "rest": rest,
    }


def run_dates(readout: Mapping[str, Any]) -> tuple[str, str, int] | None:
    """First and last day of exposures and how many days that are, both included; None where the data name none."""
    summary = readout["summary"]
    days = sorted(summary["exposures_by_day"])
    first, last = summary["first_exposure"] or (days[0] if days else ""), summary["last_exposure"] or (days[-1] if days else "")
    if not first or not last:
        return None
    a, b = date.fromisoformat(first[:10]), date.fromisoformat(last[:10])
    return a.isoformat(), b.isoformat(), (b - a).days + 1


def who_took_part(unit: str) -> str:
    """Units by their name in the plural where it is a word, such as `visitors`; else `units (name)`."""
    word = units_word(unit)
    return word if word != "units" or unit == "unit" else f"units ({unit})"


def _rollout(plan: Mapping[str, Any]) -> str:
    """Which share of whom took part, by the rollout groups of the plan."""
    assignment = plan.get("assignment")
    if not assignment:
        return "another system chose who takes part"
    parts = [f"{share_text(r['share'])} of {r['key']}" for r in assignment.get("rollout", ())]
    holdout = assignment.get("holdout")
    parts += [f"{share_text(holdout['share'])} held out"] if holdout else []
    return ", ".join(parts) or DASH


def planned_lift(plan: Mapping[str, Any], metric: str) -> float | None:
    """Size of the lift that the plan expects, without its sign: of the hypothesis, else the smallest that matters."""
    claims = [c for c in plan["hypothesis"].get("then", ()) if c["metric"] == metric and c.get("lift")]
    least = next(m for m in plan["metrics"] if m["key"] == metric).get("min_lift")
    return abs(float(claims[0]["lift"])) if claims else float(least) if least else None


def relative_error(row: Mapping[str, Any]) -> float | None:
    """Standard error of the lift as a share of the control's mean, its noise left out; None where there is none."""
    if not row["se"] or not row["mean_control"]:
        return None
    return float(row["se"]) / abs(float(row["mean_control"]))


class Normal:
    """The standard normal, without the module `statistics`: a script of that name may be next to the caller's."""

    @staticmethod
    def cdf(x: float) -> float:
        """Probability below x."""
        return 0.5 * math.erfc(-x / math.sqrt(2.0))

    @staticmethod
    def pdf(x: float) -> float:
        """Density at x."""
        return math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)

    @staticmethod
    def inv_cdf(p: float) -> float:
        """The place with probability p below it, by Newton's steps on the logarithm of the smaller tail."""
        tail = min(p, 1.0 - p)
        z = math.sqrt(max(-2.0 * math.log(2.0 * tail), 0.0))
        for _ in range(60):
            above = 0.5 * math.erfc(z / math.sqrt(2.0))
            step = above * math.log(above / tail) * math.sqrt(2.0 * math.pi) * math.exp(0.5 * z * z)
            z += step
            if abs(step) <= 1e-15 * max(z, 1.0):
                break
        return z if p > 0.5 else -z


NORMAL = Normal()


def chance(lift: float, error: float, bar: float) -> float:
    """Chance that an estimate of that standard error exceeds the bar where that is the true lift."""
    return NORMAL.cdf((lift - bar) / error)


def threshold(error: float, q: float, policy: str, least: float | None) -> float:
    """Lift from which on an estimate wins by the plan's rule.

    Args:
        error: Standard error of the lift.
        q: Multiplier of the interval.
        policy: `decision.practical`.
        least: `min_lift`.
    """
    if policy == "none" or not least:
        return q * error
    return max(q * error, least) if policy == "estimate" else q * error + least


def multiplier(row: Mapping[str, Any]) -> float:
    """How many standard errors the row's interval reaches to each side; the normal's where it has none."""
    if row["se"] and row["ci_low"] is not None and row["ci_high"] is not None:
        return (float(row["ci_high"]) - float(row["ci_low"])) / (2.0 * float(row["se"]))
    return NORMAL.inv_cdf(1.0 - float(row["alpha"]) / 2.0)


def chance_of_missing(plan: Mapping[str, Any], row: Mapping[str, Any]) -> float | None:
    """Chance that a run as noisy as this one does not win by the plan's rule where the lift is as planned."""
    lift, error = planned_lift(plan, row["metric"]), relative_error(row)
    if lift is None or error is None:
        return None
    policy = plan.get("decision", {}).get("practical", "estimate")
    return 1.0 - chance(lift, error, threshold(error, multiplier(row), policy, row["min_lift"]))


def could_find(row: Mapping[str, Any], power: float) -> float | None:
    """Smallest lift, either way, that this run would have called significant with that chance.

    (q + z_power) · se / |mean of the control|, with the multiplier q of the interval that is shown.

    Args:
        row: Of a readout.
        power: Chance, from the plan.
    """
    error = relative_error(row)
    return None if error is None else (multiplier(row) + NORMAL.inv_cdf(power)) * error


def chance_text(share: float) -> str:
    """A chance in whole per cent, never none and never all."""
    return "< 1\u202f%" if share < 0.01 else "> 99\u202f%" if share > 0.99 else percent(share, 0)


def _planned(readout: Mapping[str, Any]) -> list[dict[str, str]]:
    """Each primary metric of the variant that the page speaks about: the lift planned, found, and what could be missed."""
    plan, main = readout["plan"], subject(readout)
    if main is None or "INVALID" in readout["stamps"]:
        return []
    names, power = metric_names(plan), plan["planning"]["power"]
    out = []
    for row in readout["rows"]:
        if row["role"] != "primary" or row["variant"] != main["variant"]:
            continue
        lift, least = planned_lift(plan, row["metric"]), could_find(row, power)
        sign = "+" if row["direction"] == "increase" else MINUS
        missed = chance_of_missing(plan, row)
        out.append(
            {
                "metric": names[row["metric"]],
                "planned": f"{sign}{share_text(lift)}" if lift else DASH,
                "found": f"{lift_text(row)} ({lift_interval(row)})" if row["lift"] is not None else DASH,
                "could_find": share_text(float(f"{least:.2g}")) if least is not None else DASH,
                "missed": chance_text(missed) if missed is not None else DASH,
                "power": share_text(power),
            }
        )
    return out


def split_in_all(plan: Mapping[str, Any]) -> float:
    """Sum of the variants' splits: 1, or less where a treatment was dropped."""
    return sum(float(v["split"]) for v in plan["variants"]) or 1.0


def _share(plan: Mapping[str, Any], variant: str) -> float:
    """Share of control and this treatment of all units."""
    own = sum(float(v["split"]) for v in plan["variants"] if v.get("control") or v["key"] == variant)
    return own / split_in_all(plan)


def planned_error(plan: Mapping[str, Any], metric: Mapping[str, Any], units: float | None = None) -> float | None:
    """Standard error of the lift that the plan's baselines foresee, at the horizon or at so many units of all variants."""
    planning = plan.get("planning", {})
    mean, sd = planning.get("baselines", {}).get(metric["key"]), planning.get("sds", {}).get(metric["key"])
    total = units or plan.get("horizon", {}).get("units")
    if not mean or not total:
        return None
    if sd is None:
        if not 0 < mean < 1 or plan.get("members"):  # a mean per user of a company is no share of companies
            return None
        sd = math.sqrt(mean * (1.0 - mean))
    control = next(v["split"] for v in plan["variants"] if v.get("control"))
    treatment = next(v["split"] for v in plan["variants"] if not v.get("control"))
    if not control or not treatment:
        return None
    total /= split_in_all(plan)
    return float(sd / abs(mean) * math.sqrt(1.0 / (control * total) + 1.0 / (treatment * total)))


_POCOCK = {2: 1.111, 3: 1.168, 4: 1.205, 5: 1.231}
"""Pocock's constants over the normal's at 5 %, by number of looks (Jennison and Turnbull 2000, table 2.1)."""


def multiplier_at(plan: Mapping[str, Any], alpha: float, units: float, share: float) -> float:
    """Multiplier of the plan's design for a comparison that is read at that many units, its last look where looks are planned.

    Args:
        plan: As a dictionary.
        alpha: Two-sided level of the comparison.
        units: Of control and treatment together.
        share: Of the two of all units.
    """
    model = plan["model"]
    fixed = NORMAL.inv_cdf(1.0 - alpha / 2.0)
    if model["kind"] == "sequential":
        level = round(1.0 - model["confidence"], 12)
        if model.get("n_opt"):
            registered = share * split_in_all(plan)  # of the units that the plan was registered for
            k = units * (-2.0 * math.log(level) + math.log1p(-2.0 * math.log(level))) / (model["n_opt"] * registered)
        else:
            parts = [v["split"] / split_in_all(plan) for v in plan["variants"]]
            own = max(parts) / share if share else 0.5
            k = units * (model.get("tau") or 0.0) ** 2 * own * (1.0 - own)
        return math.sqrt((k + 1.0) / k * (math.log(k + 1.0) - 2.0 * math.log(alpha))) if k > 0 else math.inf
    if model["kind"] == "group_sequential":
        looks = len(model.get("looks", (0.5, 1.0)))
        beyond = model.get("beyond")
        if beyond:
            level = beyond * round(1.0 - model["confidence"], 12)
            horizon = share * (plan.get("horizon", {}).get("units") or units / share)
            k = units * (-2.0 * math.log(level) + math.log1p(-2.0 * math.log(level))) / horizon
            mixed = math.sqrt((k + 1.0) / k * (math.log(k + 1.0) - 2.0 * math.log(alpha * beyond)))
            if units > horizon * (1.0 + 1e-9):
                return mixed
            own = {**plan, "model": {**model, "beyond": None}}
            return min(mixed, multiplier_at(own, alpha * (1.0 - beyond), units, share))
        if model.get("spending") == "reflection":
            return NORMAL.inv_cdf(1.0 - alpha / 4.0)
        if model.get("spending") == "pocock":
            return fixed * _POCOCK.get(looks, 1.231 if looks > 5 else 1.0)
        if looks <= 5:
            return fixed * (1.0 + 0.0085 * (looks - 1))
        return fixed + (NORMAL.inv_cdf(1.0 - alpha / 4.0) - fixed) * (1.0 - 1.8 / math.sqrt(looks))
    return fixed


def _wins(
    plan: Mapping[str, Any], metric: Mapping[str, Any], lift: float, error: float, alpha: float, pair: float, share: float
) -> float:
    policy = plan.get("decision", {}).get("practical", "estimate")
    q = multiplier_at(plan, alpha, pair, share)
    return chance(lift, error, threshold(error, q, policy, metric.get("min_lift")))


def level_of_primary(plan: Mapping[str, Any]) -> float:
    """Level of a primary comparison: Bonferroni's share, which the steps of Holm begin with."""
    alpha = round(1.0 - float(plan["model"]["confidence"]), 12)
    count = sum(m["role"] == "primary" for m in plan["metrics"]) * (len(plan["variants"]) - 1 + len(plan.get("dropped") or ()))
    return alpha if plan.get("correction") == "none" else alpha / max(count, 1)


def planned_chance(plan: Mapping[str, Any], *, rails: bool = False) -> float | None:
    """Chance at the horizon that the primary metrics win by the plan's rule where its hypothesis holds.

    From the plan's own baselines and standard deviations; None where one is missing. Metrics are taken as independent.

    Args:
        plan: As a dictionary.
        rails: Also ask that every guardrail is shown to be within its margin, if the change does nothing to it.
    """
    units = plan.get("horizon", {}).get("units")
    share = _share(plan, next(v["key"] for v in plan["variants"] if not v.get("control")))
    policy = plan.get("decision", {})
    wins, passes = [], 1.0
    for metric in plan["metrics"]:
        error = planned_error(plan, metric)
        if metric["role"] == "primary":
            lift = planned_lift(plan, metric["key"])
            if lift is None and policy.get("ship_when") != "all_primaries":
                continue
            if lift is None or error is None or not units:
                return None
            wins.append(_wins(plan, metric, lift, error, level_of_primary(plan), units * share, share))
        elif metric["role"] == "guardrail" and rails and policy.get("guardrails", "non_inferior") == "non_inferior":
            margin = metric.get("margin_rel")
            mean = plan.get("planning", {}).get("baselines", {}).get(metric["key"])
            if margin is None and metric.get("margin") and mean:
                margin = metric["margin"] / abs(mean)
            if margin is None or error is None or not units:
                return None
            level = 2.0 * (policy.get("guardrail_alpha") or round(1.0 - plan["model"]["confidence"], 12))
            passes *= NORMAL.cdf(margin / error - multiplier_at(plan, level, units * share, share))
    if not wins:
        return None
    missed = math.prod(1.0 - w for w in wins)
    return passes * (math.prod(wins) if policy.get("ship_when") == "all_primaries" else 1.0 - missed)


def giving_up_said(price: Mapping[str, Any]) -> str:
    """What the futility row of a plan costs, and what it saves."""
    lost = (price["power_without"] - price["power"]) * 100.0
    points = f"{fixed(lost, 1 if lost >= 0.05 else 2)} points of power"
    return (
        f"Giving up where less than {share_text(price['floor'])} is left costs {points}: "
        f"{percent(price['power'], 1)} in place of {percent(price['power_without'], 1)}. Where nothing changes, "
        f"{chance_text(price['gives_up'])} of runs end early, at {percent(price['units'], 0)} of the units on average."
    )


def _power(plan: Mapping[str, Any], price: Mapping[str, Any] | None) -> str:
    """How often the plan's own rule would have won by its own numbers, on record, and what giving up early costs of it."""
    gives_up = "" if price is None else f" {giving_up_said(price)}"
    found = planned_chance(plan, rails=True) or planned_chance(plan)
    if found is None:
        return f"The plan says nothing of its power.{gives_up}"
    wanted = plan["planning"]["power"]
    low = ", less than it asked for" if found < wanted - 0.005 else ""
    return (
        f"By its own numbers the rule ships it in {chance_text(found)} of cases if its hypothesis holds{low} "
        f"({share_text(wanted)} planned).{gives_up}"
    )


def money(readout: Mapping[str, Any]) -> str:
    """What the metrics that changed are worth a month, where the plan names a worth or values in a currency."""
    main = subject(readout)
    if main is None or "INVALID" in readout["stamps"]:
        return ""
    parts, who = [], units_word(readout["plan"]["unit"])
    for row in readout["rows"]:
        metric = next(m for m in readout["plan"]["metrics"] if m["key"] == row["metric"])
        if row["variant"] != main["variant"] or row["role"] == "guardrail" or not metric.get("currency"):
            continue
        if row["verdict"] == "unclear":
            continue
        if row["effect"] is None or row["ci_low"] is None or not (metric.get("worth") or row["kind"] in ("sum", "column")):
            continue
        pace = daily_units(readout)
        per = (pace[0] * DAYS_PER_MONTH if pace else 1000.0) * (metric.get("worth") or 1.0)
        values = [round_to(per * row[k], 3) for k in ("effect", "ci_low", "ci_high")]
        decimals = decimals_for(values[2] - values[1])
        point, low, high = (fixed(v, decimals, signed=True) for v in values)
        where = f"a month, if all {who} had it" if pace else f"for every 1,000 {who}"
        name = named(row["label"])
        parts.append(f"{name}: {point} {metric['currency']} {where} (from {low} to {high})")
    return f"In money: {'; '.join(parts)}." if parts else ""


_PICTURE = re.compile(r"data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2}")


def _picture(variant: Mapping[str, Any]) -> str:
    """Data address of a variant's picture; "" for anything else, whoever wrote the payload."""
    found = variant.get("picture") or ""
    return found if _PICTURE.fullmatch(found) else ""


_ADDRESS = re.compile(r"https?://[^\s<>\"']+")


def run_section(payload: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """When it ran, who was in it, what was planned and what was found."""
    readout = payload["readout"]
    plan, summary = readout["plan"], readout["summary"]
    dates = run_dates(readout)
    total = sum(summary["units"].values())
    return {
        "dates": f"{dates[0]} to {dates[1]}" if dates else "",
        "days": number_of(dates[2], "day") if dates else "",
        "total": whole(total),
        "who": who_took_part(plan["unit"]),
        "audience": plan.get("audience") or "",
        "traffic": _rollout(plan),
        "units": [
            {"variant": labels[v["key"]], "n": whole(summary["units"].get(v["key"], 0)), "picture": _picture(v)}
            for v in plan["variants"]
        ],
        "pictures": any(_picture(v) for v in plan["variants"]),
        "planned": _planned(readout),
        "power": _power(plan, readout.get("futility")),
        "money": money(readout),
        "links": [
            {"title": named(link["title"]), "url": link["url"]}
            for link in plan.get("links") or ()
            if _ADDRESS.fullmatch(link["url"])
        ],
    }


@dataclass(frozen=True, slots=True)
class WhatNow:
    """What to do now.

    Attributes:
        state: `sealed`, or the outcome of the rule.
        blocker: What keeps from an answer, by name; "" where nothing does.
        why: One sentence: the blocker with its numbers, or the result.
        takes: What it takes: units, days, chance, price; a sentence each.
        lever: The cheapest way to need less; "" where there is none to name.
        command: What does it, on a command line.
        button: The same in a notebook.
        units: Further units it takes, over all variants; None where that is no question of units.
        days: Days at the present pace; None where there is none.
        chance: Chance to get there if the planned lift is true; None where there is none to name.
    """

    state: str
    blocker: str
    why: str
    takes: tuple[str, ...] = ()
    lever: str = ""
    command: str = ""
    button: str = ""
    units: int | None = None
    days: int | None = None
    chance: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {**{name: getattr(self, name) for name in self.__slots__}, "takes": list(self.takes)}

    @property
    def lines(self) -> tuple[str, ...]:
        """Everything in order, a sentence or two each."""
        head = f"{self.blocker[0].upper()}{self.blocker[1:]}. {self.why}" if self.blocker else self.why
        last = f"Next: {self.command}" if self.command else ""
        return tuple(line for line in (head, " ".join(self.takes), self.lever, last) if line)


LOW = 0.6
"""A plan whose rule wins less often than this where its hypothesis holds can't be said to find it."""


def _continues(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> bool:
    """Whether more units of this very run may decide: always under a sequential design, else before its horizon."""
    return plan["model"]["kind"] == "sequential" or not readout["due"]["is_adequate"]


def chance_from_here(lift: float, seen: float, error: float, times: float, bar: float) -> float:
    """The same at `times` the units, given what has been seen by now: conditional power.

    The estimate then is f · seen + (1 − f) · new with f = 1 / times, and new has the variance error² / (times − 1).

    Args:
        lift: True lift.
        seen: Estimate by now.
        error: Its standard error.
        times: Units then over units now, above 1.
        bar: Lift from which on the estimate wins then.

    Source: Lan and Wittes 1988, the B-value.
    """
    f = 1.0 / times
    return NORMAL.cdf((f * seen + (1.0 - f) * lift - bar) / (error * math.sqrt(f * (1.0 - f))))


RECENT_DAYS = 7
"""Days with new units whose mean, over calendar days, is the pace."""


def pace_of(by_day: Mapping[str, int]) -> float:
    """Return new units a calendar day over the last days that had some; 0 where nothing came.

    Days without a new unit count: three exposures within a week are not three days' worth. The last day is left out when there
    are others, since it may not be over.

    Args:
        by_day: New units by day (ISO).
    """
    days = sorted(by_day)
    if not days:
        return 0.0
    recent = days[:-1][-RECENT_DAYS:] or days
    span = (date.fromisoformat(recent[-1][:10]) - date.fromisoformat(recent[0][:10])).days + 1
    return sum(by_day[d] for d in recent) / span


def _pace(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> float:
    by_day = readout.get("summary", readout)["exposures_by_day"]
    found = pace_of({day: sum(units.values()) for day, units in by_day.items()})
    return found or float(plan.get("planning", {}).get("daily_units") or 0.0)


def _days(plan: Mapping[str, Any], readout: Mapping[str, Any], units: float) -> int | None:
    pace = _pace(plan, readout)
    return math.ceil(units / pace - 1e-9) if pace > 0 else None


def _again(plan: Mapping[str, Any]) -> str:
    return f"xpbench readout {plan['key']}"


def _new_run(plan: Mapping[str, Any]) -> str:
    return f'xpbench restart {plan["key"]} --reason "…"'


def _decide(plan: Mapping[str, Any], outcome: str) -> str:
    return f'xpbench decide {plan["key"]} {outcome} --because "…"'


TYPICAL_CORRELATION = 0.5


def _lever(
    plan: Mapping[str, Any], readout: Mapping[str, Any], row: Mapping[str, Any], metric: Mapping[str, Any], blocker: str
) -> str:
    """The way that needs the fewest units: of those whose saving can be named, the largest."""
    found: list[tuple[float, str]] = []
    control = next(v["split"] for v in plan["variants"] if v.get("control"))
    own = next(v["split"] for v in plan["variants"] if v["key"] == row["variant"])
    if control and own and len(plan["variants"]) > 2:
        saved = 1.0 - 4.0 / (1.0 / control + 1.0 / own)
        less = percent(saved, 0)
        found.append((saved, f"Fewer variants: with one treatment at equal shares it takes {less} fewer units"))
    elif control and own and abs(control - own) > 0.1:
        saved = 1.0 - 4.0 * control * own / (control + own)
        found.append((saved, f"Equal shares: it takes {percent(saved, 0)} fewer units"))
    raw = next((s for s in row["sensitivity"] if s["name"] == "raw"), None)
    if not metric.get("cuped") and metric["kind"] not in ("quantile", "formula", "retention"):
        saved = TYPICAL_CORRELATION**2
        found.append(
            (
                saved,
                f"A covariate from before the exposure (CUPED): at a correlation of {TYPICAL_CORRELATION} it takes "
                f"{percent(saved, 0)} fewer units, at 0.7 half",
            )
        )
    free = raw is None and not metric.get("winsorize") and not row["is_proportion"]
    if free and metric["kind"] in ("sum", "mean", "column"):
        words = "Caps for extreme values (winsorize): they take most where few units hold much"
        found.append((0.26 if blocker == "too noisy" else 0.1, words))
    return f"The cheapest lever: {max(found)[1][0].lower()}{max(found)[1][1:]}." if found else ""


def twice_tested(alpha: float, times: float) -> float:
    """Chance that a true null is significant at one of two looks, each judged at the level of a single one.

    P(|Z1| > c or |Z2| > c) with correlation 1 / √times, by Simpson's rule over Z1.

    Args:
        alpha: Two-sided level of one look.
        times: Units at the second over units at the first.

    Source: Armitage, McPherson and Rowe 1969.
    """
    c, r = NORMAL.inv_cdf(1.0 - alpha / 2.0), math.sqrt(1.0 / times)
    rest = math.sqrt(max(1.0 - r * r, 1e-12))
    steps = 200
    total = 0.0
    for i in range(steps + 1):
        z = -c + 2.0 * c * i / steps
        inside = NORMAL.cdf((c - r * z) / rest) - NORMAL.cdf((-c - r * z) / rest)
        total += NORMAL.pdf(z) * inside * (1 if i in (0, steps) else 4 if i % 2 else 2)
    return 1.0 - total * 2.0 * c / steps / 3.0


def _two(value: float | None) -> float:
    return float(f"{value or 0.0:.2g}")


def _price(plan: Mapping[str, Any], readout: Mapping[str, Any], times: float, *, continues: bool) -> str:
    """What extending costs in false positives."""
    kind, alpha = plan["model"]["kind"], round(1.0 - plan["model"]["confidence"], 12)
    if kind == "sequential":
        return "Going on costs nothing: every further look is paid for in advance."
    if kind == "bayesian":
        return "A posterior that is read again carries no error guarantee."
    if continues:
        return "Up to the horizon that costs nothing beyond the plan." if kind == "group_sequential" else ""
    both = 1.0 - (1.0 - alpha) ** 2
    added = twice_tested(alpha, times)
    return (
        f"Adding the units to this run and testing again would raise its false positives from {share_text(alpha)} to "
        f"about {share_text(_two(added))}; a new run keeps {share_text(alpha)} of its own "
        f"({share_text(_two(both))} for the two)."
    )


_chances_MOST = 400.0
"""Extensions beyond so many times the units are not a plan."""


def times_needed(reaches: Callable[[float], float], target: float, *, least: float = 1.0) -> float | None:
    """Smallest multiple of the units, above `least`, at which a chance reaches the target; None where no plan gets there.

    Args:
        reaches: The chance as a function of the multiple.
        target: Wanted chance.
        least: Below 1 for a run that begins with no unit.
    """
    low, high = least, least * 1.0625
    while reaches(high) < target:
        low, high = high, high * 1.5
        if high > _chances_MOST:
            return None
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (low, middle) if reaches(middle) >= target else (middle, high)
    return high


MOST_EXTENDED = 2.0
"""An end beyond so many horizons is a new run."""


def rounded_up(units: float) -> int:
    """Units to three significant digits, upwards."""
    count = math.ceil(units - 1e-6)
    step: int = 10 ** max(0, len(str(max(count, 1))) - 3)
    return -(-count // step) * step


def _promising(plan: Mapping[str, Any], row: Mapping[str, Any], seen: float, error: float, times: float, total: int) -> str:
    """A later end that keeps the error level, where the result is promising; "" elsewhere.

    Where the lift that was seen would cross the last boundary with a chance of at least one half, the last look may be taken
    at more units with the same multiplier: the chance of a false alarm from now on does not grow by that.

    Source: Chen, DeMets, Lan 2004; the promising zone, Mehta and Pocock 2011; the conditional error, Müller and Schäfer 2001.
    """
    model, pair = plan["model"], row["n_control"] + row["n"]
    if model["kind"] not in ("frequentist", "group_sequential") or model.get("beyond") or seen <= 0.0:
        return ""
    q = row.get("last_q")
    if model["kind"] == "frequentist":
        q = multiplier_at(plan, row["alpha"], pair * times, _share(plan, row["variant"]))
    if q is None:
        return ""

    def crosses(more: float, *, lift: float = seen, side: float = 1.0) -> float:
        return chance_from_here(side * lift, side * seen, error, more, q * error / math.sqrt(more))

    def false(more: float) -> float:
        return crosses(more, lift=0.0) + crosses(more, lift=0.0, side=-1.0)

    now, target = crosses(times), float(plan["planning"]["power"])
    if not 0.5 <= now < target:
        return ""
    found = times_needed(crosses, target, least=times)
    later = min(found or math.inf, MOST_EXTENDED * times)
    if false(later) > false(times):  # early, the other side may gain more than this one loses
        return ""
    units, then = number_of(rounded_up(total * later), "unit"), chance_text(crosses(later))
    return (
        f"The result is promising: at the lift seen so far the horizon finds it with a chance of {chance_text(now)}. One last "
        f"look at {units} instead finds it with {then} and keeps the error level at the same multiplier "
        f"({fixed(q, 2)}), because the chance is 50\u202f% or more. Moving the horizon goes on record."
    )


def _in_days(days: int | None) -> str:
    return f", about {number_of(days, 'day')} at the present pace" if days is not None else ""


_the_chance = chance


def _extension(
    plan: Mapping[str, Any],
    readout: Mapping[str, Any],
    row: Mapping[str, Any],
    metric: Mapping[str, Any],
    lift: float,
    error: float,
    blocker: str,
    why: str,
    outcome: str,
) -> WhatNow:
    """Units, days, chance and price of an answer, with the noise that was measured and the lift that was planned."""
    policy, least = plan.get("decision", {}).get("practical", "estimate"), metric.get("min_lift")
    share, pair = _share(plan, row["variant"]), row["n_control"] + row["n"]
    total = sum(readout["summary"]["units"].values())
    target = plan["planning"]["power"]
    sign = 1.0 if row["direction"] == "increase" else -1.0
    seen = sign * row["lift"]
    continues = _continues(plan, readout)
    ends = plan.get("horizon", {}).get("units") if plan["model"]["kind"] != "sequential" else None

    def bar(times: float) -> float:
        q = multiplier_at(plan, row["alpha"], pair * times, share)
        return threshold(error / math.sqrt(times), q, policy, least)

    def goes_on(times: float) -> float:
        return chance_from_here(lift, seen, error, times, bar(times))

    def begins_anew(times: float) -> float:
        return _the_chance(lift, error / math.sqrt(times), bar(times))

    takes, chance, more, days = [], target, None, None
    if continues and ends and ends > total:
        times = ends / total
        chance, more = goes_on(times), ends - total
        days = _days(plan, readout, more)
        takes.append(
            f"{number_of(more, 'unit')} to the horizon{_in_days(days)}. From what is seen now the rule ships it there with a "
            f"chance of {chance_text(chance)}, if the lift is {share_text(lift)} as planned."
        )
        takes.append(_price(plan, readout, times, continues=True))
        takes.append(_promising(plan, row, seen, error, times, total))
    else:
        found = times_needed(goes_on, target) if continues else times_needed(begins_anew, target, least=0.01)
        if found is None:
            takes.append(
                "No number of units will do: the rule asks for "
                + (f"an estimate of {share_text(least)}" if least else "more than the plan expects")
                + f", and the plan expects {share_text(lift)}."
            )
            chance = 0.0
        else:
            more = rounded_up(total * (found - 1.0) if continues else total * found)
            days = _days(plan, readout, more)
            where = "more" if continues else "in a new run"
            takes.append(
                f"{number_of(more, 'unit')} {where}{_in_days(days)}, for a chance of {chance_text(target)} if the lift is "
                f"{share_text(lift)} as planned."
            )
            takes.append(_price(plan, readout, found if continues else found + 1.0, continues=continues))
    command = _again(plan) if continues else _new_run(plan)
    if outcome == "ship none" and blocker == "smaller than planned":
        command = _decide(plan, "ship-none")
    return WhatNow(
        outcome,
        blocker,
        why,
        tuple(t for t in takes if t),
        _lever(plan, readout, row, metric, blocker),
        command,
        "Read out" if continues else "Restart",
        more,
        days,
        chance if chance else None,
    )


def _no_number(
    plan: Mapping[str, Any], readout: Mapping[str, Any], verdict: Mapping[str, Any], told: Mapping[str, str]
) -> WhatNow:
    rows = [r for r in readout["rows"] if r["variant"] == verdict["variant"] and r["role"] == "primary" and r["reason"]]
    why = f"{told[rows[0]['metric']]}: {rows[0]['reason']}" if rows else verdict["because"]
    if rows and rows[0]["status"] == "cap_is_zero":
        takes = ("The data are sound; the plan's cap removes them. No further unit changes that: it takes a new plan.",)
        return WhatNow(verdict["outcome"], "no number", why, takes, "", _new_run(plan), "Restart")
    return WhatNow(verdict["outcome"], "no number", why, ("Fix the data of this metric, then read again.",), "", _again(plan))


_whatnow_MATURE = 0.9
"""Share of units with a full window from which on the rest does not keep from an answer."""


def _whatnow_immature(
    plan: Mapping[str, Any],
    readout: Mapping[str, Any],
    row: Mapping[str, Any],
    metric: Mapping[str, Any],
    lift: float,
    error: float,
    matured: float,
    name: str,
    outcome: str,
) -> WhatNow:
    share, pair = _share(plan, row["variant"]), row["n_control"] + row["n"]
    sign = 1.0 if row["direction"] == "increase" else -1.0
    q = multiplier_at(plan, row["alpha"], pair / matured, share)
    policy = plan.get("decision", {}).get("practical", "estimate")
    bar = threshold(error * math.sqrt(matured), q, policy, metric.get("min_lift"))
    chance = chance_from_here(lift, sign * row["lift"], error, 1.0 / matured, bar)
    window = metric.get("window_days")
    days = math.ceil(window) if window else None
    why = f"{percent(1.0 - matured, 0)} of the units still wait for the end of their window in {name}."
    wait = f": at most {number_of(days, 'day')} until the last window is over" if days else ""
    takes = (
        f"No further unit{wait}. Then the rule "
        f"ships it with a chance of {chance_text(chance)}, if the lift is {share_text(lift)} as planned.",
    )
    return WhatNow(outcome, "immature units", why, takes, "", _again(plan), "Read out", 0, days, chance)


NOISIER = 1.15
"""Standard error over the planned one from which on a metric is called noisier than planned: a third more units."""


def _three(value: float) -> float:
    return float(f"{value:.3g}")


def _baseline_moved(plan: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Why a share is noisier than planned: its baseline is another one."""
    planned = plan.get("planning", {}).get("baselines", {}).get(row["metric"])
    if not planned or not row["mean_control"] or abs(row["mean_control"] / planned - 1.0) < 0.1:
        return ""
    texts = [
        share_text(_three(v)) if row["is_proportion"] else significant(v) for v in (row["mean_control"], planned)
    ]
    return f": the control came to {texts[0]}, planned were {texts[1]}"


def _small(plan: Mapping[str, Any], row: Mapping[str, Any], metric: Mapping[str, Any], name: str, outcome: str) -> WhatNow:
    least = share_text(metric["min_lift"]) if metric.get("min_lift") else "the smallest lift that matters"
    why = f"{name} is better, {lift_text(row)} ({lift_interval(row)}), and the plan asks for {least}."
    takes = ("More units will not make it larger. Decide by its cost, or make the change bolder.",)
    return WhatNow(outcome, "too small to matter", why, takes, "", _decide(plan, "ship-none"), "Decide …")


def _pair_of(plan: Mapping[str, Any], variant: str) -> set[str]:
    return {v["key"] for v in plan["variants"] if v.get("control") or v["key"] == variant}


def _one_in(share: float) -> str:
    return whole(max(2, round(1.0 / max(share, 0.001))))


def _unclear(
    plan: Mapping[str, Any],
    readout: Mapping[str, Any],
    row: Mapping[str, Any],
    verdict: Mapping[str, Any],
    told: Mapping[str, str],
) -> WhatNow:
    """The primary metric is neither shown to be better nor worse, or better by too little."""
    metric = next(m for m in plan["metrics"] if m["key"] == row["metric"])
    name, outcome = told[row["metric"]], verdict["outcome"]
    lift, error = planned_lift(plan, row["metric"]), relative_error(row)
    total = sum(readout["summary"]["units"].values())
    least = could_find(row, plan["planning"]["power"])
    if error is None:
        return _no_number(plan, readout, verdict, told)
    if lift is None:
        why = f"The plan names no lift for {name}, so there is no size of run that would find it."
        takes = (f"This run could find {share_text(_two(least))}.",) if least is not None else ()
        return WhatNow(
            outcome, "plan can't find this", why, takes, "Name the smallest lift that matters.", _new_run(plan), "Restart"
        )
    share = _share(plan, row["variant"])
    pair = row["n_control"] + row["n"]
    units = plan.get("horizon", {}).get("units") or total
    by_plan = planned_chance(plan)
    scale = math.sqrt(pair / (units * share)) if not readout["due"]["is_adequate"] else 1.0
    at_horizon = _wins(plan, metric, lift, error * scale, row["alpha"], max(pair, units * share), share)
    foreseen = planned_error(plan, metric, pair / share)
    noise = None if foreseen is None else error / foreseen
    matured = pair / max(1, sum(n for k, n in readout["summary"]["units"].items() if k in _pair_of(plan, row["variant"])))
    waits = any(f["name"] == "immature_units" and f["count"] for f in readout["summary"]["findings"])
    if (by_plan if by_plan is not None else at_horizon) < LOW:
        blocker = "plan can't find this"
        won = by_plan if by_plan is not None else at_horizon
        why = (
            f"Where {name} truly changes by {share_text(lift)}, as the plan expects, its rule ships it in "
            f"{chance_text(won)} of runs at {number_of(units, 'unit')}."
        )
    elif waits and matured < _whatnow_MATURE:
        return _whatnow_immature(plan, readout, row, metric, lift, error, matured, name, outcome)
    elif noise is not None and noise > NOISIER:
        blocker = "too noisy"
        why = (
            f"The interval of {name} is {fixed(noise, 1)} times as wide as planned for as many units"
            f"{_baseline_moved(plan, row)}."
        )
    elif not readout["due"]["is_adequate"]:
        blocker = "too few units"
        why = f"{number_of(total, 'unit')} of {number_of(units, 'unit')} planned."
        if total >= units:
            left = math.ceil((readout["due"]["days_needed"] or 0) - (readout["due"]["days"] or 0))
            why = f"The units are there; {number_of(left, 'planned day')} to go."
    elif row["verdict"] == "better":
        return _small(plan, row, metric, name, outcome)
    else:
        blocker = "smaller than planned"
        why = (
            f"The run was large enough to find {share_text(lift)} in {chance_text(at_horizon)} of cases, and {name} "
            f"came to {lift_text(row)} ({lift_interval(row)}). The true lift is likely smaller than planned; if not, chance "
            f"went against it in one of {_one_in(1.0 - at_horizon)}."
        )
    return _extension(plan, readout, row, metric, lift, error, blocker, why, outcome)


def _sealed(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> WhatNow:
    due, failed = readout["due"], [c for c in readout["health"] if c["gate"] and c["status"] == "fail"]
    if failed:
        why = f"{failed[0]['title']} fails, so the results will be invalid however long the run goes on."
        return WhatNow(
            "sealed", "health gate", why, (failed[0]["next_step"],), "Fix it now: every further unit is lost.", _new_run(plan)
        )
    left = max(0, (due["units_needed"] or 0) - due["units"])
    days = _days(plan, readout, left) if left else None
    if due["days_needed"] and due["days"] is not None:
        days = max(days or 0, math.ceil(due["days_needed"] - due["days"]))
    takes = [f"{number_of(left, 'more unit')}{_in_days(days)}." if left else f"{number_of(days or 0, 'more day')}."]
    chance = planned_chance(plan, rails=True) or planned_chance(plan)
    if chance is not None:
        takes.append(
            f"If the hypothesis holds, the rule ships it in {chance_text(chance)} of such runs (planned "
            f"{chance_text(plan['planning']['power'])})."
        )
    kind = plan["model"]["kind"]
    if kind in ("frequentist", "bayesian"):
        takes.append("Looking earlier adds false positives and goes on record.")
    return WhatNow(
        "sealed", "too few units", due["reason"], tuple(takes), "", _again(plan), "Read out", left or None, days, chance
    )


def _worse(plan: Mapping[str, Any], readout: Mapping[str, Any], verdict: Mapping[str, Any], told: Mapping[str, str]) -> WhatNow:
    rows = [r for r in readout["rows"] if r["variant"] == verdict["variant"]]
    bad = [r for r in rows if r["guardrail"] == "bad" or (r["role"] != "guardrail" and r["verdict"] == "worse")]
    said = [f"{told[r['metric']]} {lift_text(r)} ({lift_interval(r)})" for r in bad[:3]]
    why = f"Worse by the plan's test: {'; '.join(said)}." if said else verdict["because"]
    mixed = verdict["row"] == "R4"
    takes = (
        ("More units will not change that: it is a trade to decide, or a change to make.",)
        if mixed
        else ("More units will not turn it. Keep the control, find the cause, and test a changed version in a run of its own.",)
    )
    command = _new_run(plan) if mixed else _decide(plan, "ship-none")
    return WhatNow(verdict["outcome"], "a metric got worse", why, takes, "", command, "Restart" if mixed else "Decide …")


def _no_effect(plan: Mapping[str, Any], readout: Mapping[str, Any], row: Mapping[str, Any], told: Mapping[str, str]) -> WhatNow:
    metric = next(m for m in plan["metrics"] if m["key"] == row["metric"])
    within = metric.get("equivalence") or metric.get("min_lift") or 0.0
    why = (
        f"This is a result: whatever the change does to {told[row['metric']]} is smaller than {share_text(within)}, the "
        f"smallest lift that matters (interval {lift_interval(row)}\u202f%)."
    )
    takes = ("More units would narrow the interval and not change the answer. Put the effort into another idea.",)
    return WhatNow("ship none", "", why, takes, "", _decide(plan, "ship-none"), "Decide …")


def _hopeless(
    plan: Mapping[str, Any], readout: Mapping[str, Any], verdict: Mapping[str, Any], told: Mapping[str, str]
) -> WhatNow:
    """The plan gives up; going on keeps the error level, because the boundary of a win does not count on giving up."""
    rows = [
        r
        for r in readout["rows"]
        if r["variant"] == verdict["variant"] and r["role"] == "primary" and r.get("chance_left") is not None
    ]
    row = max(rows, key=lambda r: r["chance_left"])
    why = (
        f"If {told[row['metric']]} truly changes by {share_text(planned_lift(plan, row['metric']) or 0.0)}, as the plan "
        f"expects, the rest of the run still wins with a chance of {chance_text(row['chance_left'])}; the plan gives up below "
        f"{share_text(plan['decision']['futility'])}."
    )
    takes = ["The row does not bind: going on keeps the error level, with that chance."]
    takes += [giving_up_said(readout["futility"])] if readout.get("futility") else []
    command = _decide(plan, "ship-none")
    return WhatNow(
        verdict["outcome"], "too little chance", why, tuple(takes), "", command, "Decide …", chance=row["chance_left"]
    )


def _rail_times(plan: Mapping[str, Any], readout: Mapping[str, Any], row: Mapping[str, Any], target: float) -> float | None:
    absolute = row["margin_scale"] == "effect"
    error = row["se"] if absolute else relative_error(row)
    limit = abs(row["margin"]) if row["margin"] else None
    if not error or limit is None:
        return None
    sign = 1.0 if row["direction"] == "increase" else -1.0
    seen = sign * (row["effect"] if absolute else row["lift"])  # good is positive, the margin lies at -limit
    alpha, share, pair = row["alpha"], _share(plan, row["variant"]), row["n_control"] + row["n"]
    continues = _continues(plan, readout)

    def reaches(times: float) -> float:
        q = multiplier_at(plan, alpha, pair * times, share)
        if continues:
            bar = q * error / math.sqrt(times) - limit
            return chance_from_here(0.0, seen, error, times, bar)
        return NORMAL.cdf(limit / (error / math.sqrt(times)) - q)

    return times_needed(reaches, target, least=1.0 if continues else 0.01)


def _guardrail(
    plan: Mapping[str, Any], readout: Mapping[str, Any], verdict: Mapping[str, Any], told: Mapping[str, str]
) -> WhatNow:
    """What it takes until each undecided guardrail is shown to be within its margin, if nothing happened to it in truth."""
    rows = [r for r in readout["rows"] if r["variant"] == verdict["variant"] and r["guardrail"] == "unclear"]
    target = plan["planning"]["power"]
    needs = [(needed, r) for r in rows if (needed := _rail_times(plan, readout, r, target)) is not None]
    names = " and ".join(f"{told[r['metric']]} (margin {margin_text(r)}, interval {lift_interval(r)}\u202f%)" for r in rows[:2])
    why = f"The primary metric is better. Not yet shown to be within the margin: {names}."
    total = sum(readout["summary"]["units"].values())
    lever = f"A wider margin would need fewer units, in a new plan: {told[rows[0]['metric']]} alone keeps this one."
    if len(needs) < len(rows) or not needs:
        never = "More units are not likely to show it: the estimate lies too near to the margin, or beyond it."
        return WhatNow("iterate", "guardrail undecided", why, (never,), lever, _new_run(plan), "Restart")
    times, row = max(needs, key=lambda pair: pair[0])
    continues = _continues(plan, readout)
    more = rounded_up(total * (times - 1.0) if continues else total * times)
    days = _days(plan, readout, more)
    how = "more" if continues else "in a new run"
    takes = (
        f"{number_of(more, 'unit')} {how}{_in_days(days)}: then {told[row['metric']]} is shown to be within its margin with a "
        f"chance of {chance_text(target)}, if the change does nothing to it.",
        _price(plan, readout, times, continues=continues),
    )
    command = _again(plan) if continues else _new_run(plan)
    return WhatNow("iterate", "guardrail undecided", why, takes, lever, command, "Read out", more, days, target)


def _invalid(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> WhatNow:
    failed = [c for c in readout["health"] if c["gate"] and c["status"] == "fail"]
    units = plan.get("horizon", {}).get("units")
    days = _days(plan, readout, units) if units else None
    takes = [failed[0]["next_step"]] if failed else []
    takes += [f"Then a new run of {number_of(units, 'unit')}{_in_days(days)}; nothing of this one counts."] if units else []
    why = f"{'; '.join(c['title'] for c in failed[:2])}: failed." if failed else "A gating check failed."
    return WhatNow("invalid", "health gate", why, tuple(takes), "", _new_run(plan), "Restart", units, days)


def _ship(plan: Mapping[str, Any], readout: Mapping[str, Any], shown: Mapping[str, str]) -> WhatNow:
    advice = readout["recommendation"]
    watch = plan.get("watch")
    slipped = [r for r in readout["rows"] if r["variant"] == advice["variant"] and is_worse_within(r)]
    takes = [f"{rail_said(r)}: keep an eye on it." for r in slipped[:2]]
    if watch:
        takes.append(
            f"Watch for {number_of(watch['weeks'], 'week')}"
            + (f"; {watch['owner']} answers for it" if watch.get("owner") else f"; {plan['owner']} answers for it")
            + (f", on day {', '.join(map(str, watch['check_days']))}." if watch.get("check_days") else ".")
        )
    why = f"Nothing keeps {shown[advice['variant']]} from shipping."
    command = f'xpbench decide {plan["key"]} ship --variant {advice["variant"]} --because "…"'
    return WhatNow("ship", "", why, tuple(takes), "", command, "Decide …")


def _lost(readout: Mapping[str, Any], variant: str) -> list[str]:
    known = ("ok", "unbounded_lift", "control_near_zero", "few_events")
    rows = [r for r in readout["rows"] if r["variant"] == variant and r["role"] != "guardrail"]
    return [r["metric"] for r in rows if r["role"] == "primary" and r["ci_low"] is None and r["status"] not in known]


def what_now(
    plan: Mapping[str, Any],
    readout: Mapping[str, Any],
    *,
    names: Mapping[str, str] | None = None,
    variants: Mapping[str, str] | None = None,
) -> WhatNow:
    """What to do after a readout.

    Args:
        plan: The plan in force, as a dictionary.
        readout: `to_dict()` of a readout, sealed or open.
        names: Labels of metrics by key, where they are shown in another way than the plan has them.
        variants: The same of variants.
    """
    told = {m["key"]: m.get("name") or m["key"] for m in plan["metrics"]} | dict(names or {})
    shown = {v["key"]: v.get("name") or v["key"] for v in plan["variants"]} | dict(variants or {})
    if readout["sealed"]:
        return _sealed(plan, readout)
    advice = readout["recommendation"]
    match advice["outcome"]:
        case "invalid":
            return _invalid(plan, readout)
        case "ship":
            return _ship(plan, readout, shown)
    row = subject(readout)
    same = [v for v in advice["variants"] if v["outcome"] == advice["outcome"]]
    verdict = next((v for v in same if row is not None and v["variant"] == row["variant"]), same[0])
    found, rule = verdict["situation"], verdict["row"]
    if rule in ("R2", "R3", "R8", "R4"):
        return _worse(plan, readout, verdict, told)
    if rule == "R13" and row is not None:
        return _no_effect(plan, readout, row, told)
    if rule == "R14":
        return _hopeless(plan, readout, verdict, told)
    if rule == "R5":
        return _guardrail(plan, readout, verdict, told)
    if rule == "R6":
        loud = [c["title"] for c in readout["health"] if c["status"] in ("warn", "fail")]
        why = f"{', '.join(loud)}: the plan accepts no warnings."
        return WhatNow(
            advice["outcome"], "health warning", why, ("Clear the warning, then read again.",), "", _again(plan), "Read out"
        )
    if row is None or (not found["adequate"] and _lost(readout, verdict["variant"])):
        return _no_number(plan, readout, verdict, told)
    return _unclear(plan, readout, row, verdict, told)


def _next(blocker: str, why: str, takes: list[str], lever: str, command: str, who: str, until: str) -> dict[str, Any]:
    head = f"{blocker[0].upper()}{blocker[1:]}" if blocker else ""
    return {"blocker": head, "why": why, "takes": takes, "lever": lever, "command": command, "who": who, "until": until}


def next_section(payload: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """What happens next, by whom and until when; what keeps from an answer where there is none yet."""
    readout, decision = payload["readout"], payload["decision"]
    plan = readout["plan"]
    now = what_now(plan, readout, names=metric_names(plan), variants=labels)
    watch = plan.get("watch")
    outcome = decision["outcome"] if decision else ""
    who = named(plan["owner"])
    if outcome == "ship":
        takes = [t for t in now.takes if now.state == "ship" and not t.startswith("Watch for")]
        until = ""
        if watch:
            who = named(watch.get("owner") or plan["owner"])
            end = date.fromisoformat(decision["at"][:10]) + timedelta(weeks=watch["weeks"])
            watched = [metric_names(plan).get(m, m) for m in watch.get("metrics", ())]
            what = f"Watch {', '.join(watched)}" if watched else "Watch the guardrails"
            takes.append(f"{what} for {number_of(watch['weeks'], 'week')} after shipping.")
            until = end.isoformat()
        return _next("", "", takes or ["Ship it."], "", f"xpbench watch {plan['key']}" if watch else "", who, until)
    if outcome == "ship none":
        return _next(now.blocker, now.why, list(now.takes), now.lever, "", who, "")
    return _next(now.blocker, now.why, list(now.takes), now.lever, now.command, who, "")


def effect_by_day(
    points: Sequence[tuple[str, float, float]],
    *,
    overall: float | None,
    unit: str = "",
    title: str = "Effect by day of exposure",
    part: str = "",
    heading: str = "",
) -> str:
    """Small picture of an effect by day of exposure: a point and its 95 % interval a day, the overall effect as a line.

    Args:
        points: Day, effect and standard error, in the unit that is shown; in order.
        overall: Effect of all units; None = no line.
        unit: Behind the numbers of the axis, such as ` pp`.
        title: Name for readers that hear the page.
        part: Added to the names inside, where a page has several such pictures.
        heading: Words above the points.
    """
    width, height, left, right, top, bottom = 460, 170, 56, 452, 14, 138
    reach = 1.959964
    widths = sorted(se for _, _, se in points)
    limit = 6 * reach * widths[len(widths) // 2]
    ends = [max(-limit, min(limit, v + k * reach * se)) for _, v, se in points for k in (-1, 1)] + [0.0, overall or 0.0]
    low, high = min(ends), max(ends)
    if high - low < 1e-12:
        low, high = low - 1.0, high + 1.0
    count = len(points)

    def x(i: float) -> float:
        return left + 8 + (right - left - 16) * (i / max(1, count - 1))

    def y(value: float) -> float:
        return bottom - (bottom - top) * (_clip(value, low, high) - low) / (high - low)

    parts: list[str] = []
    for tick in ticks(low, high, count=4):
        parts.append(_line(left, y(tick), right, y(tick), "zero" if tick == 0 else "grid"))
        sign = "+" if tick > 0 else ""
        parts.append(_figures_text(left - 6, y(tick) + 4, f"{sign}{significant_trim(tick)}{unit}", "muted small end"))
    if overall is not None:
        parts.append(_line(left, y(overall), right, y(overall), "due"))
    for i, (_, value, se) in enumerate(points):
        parts.append(_line(x(i), y(value - reach * se), x(i), y(value + reach * se), "whisker t0"))
        parts.append(f'<circle cx="{_n(x(i))}" cy="{_n(y(value))}" r="3" class="t0"/>')
    parts += [_figures_text(left, 10, heading, "muted small", cells=56)] if heading else []
    parts.append(_figures_text(left, bottom + 16, points[0][0], "muted small"))
    parts.append(_figures_text(right, bottom + 16, points[-1][0], "muted small end"))
    described = f"{count} days; " + ("" if overall is None else f"overall {fixed(overall, 2, signed=True)}{unit}")
    return _svg(width, height, title, described, parts, name="effect", part=part)


def effect_picture(readout: Mapping[str, Any]) -> str:
    """The effect on the first primary metric by day of exposure; empty where the data name no days or too few."""
    main = subject(readout)
    if main is None or "INVALID" in readout["stamps"]:
        return ""
    trend = next(
        (
            t
            for t in readout.get("novelty", ())
            if t["axis"] == "cohort" and t["metric"] == main["metric"] and t["variant"] == main["variant"]
        ),
        None,
    )
    points = [p for p in trend["points"] if p["effect"] is not None and p["se"]] if trend else []
    if len(points) < 3:
        return ""
    scale, unit = (100.0, "\u202fpp") if main["is_proportion"] else (1.0, "")
    return effect_by_day(
        [(day_text(str(p["label"])), scale * p["effect"], scale * p["se"]) for p in points],
        overall=None if main["effect"] is None else scale * main["effect"],
        unit=unit,
        title=f"Effect on {named(main['label'])} by day of exposure",
    )


def _outcome(payload: Mapping[str, Any], labels: Mapping[str, str], outcome: str) -> str:
    """The decision, or what the rule recommends while there is none."""
    decision, advice = payload["decision"], payload["readout"]["recommendation"]
    variant = labels.get((decision or advice)["variant"], (decision or advice)["variant"])
    words = {
        "ship": f"ship {variant}",
        "ship none": "ship none",
        "iterate": "iterate",
        "invalid": "the results are invalid",
        "defer": "deferred",
    }[outcome]
    return f"Decided: {words}" if decision else f"The plan's rule says: {words}"


def _who(readout: Mapping[str, Any]) -> str:
    return number_of(sum(readout["summary"]["units"].values()), "unit")


def _when(readout: Mapping[str, Any]) -> str:
    dates = run_dates(readout)
    return f", {dates[0]} to {dates[1]} ({number_of(dates[2], 'day')})" if dates else ""


def _brief_interval(row: Mapping[str, Any]) -> str:
    level = level_text(row["alpha"])
    if row["lift_low"] is not None and row["lift_high"] is not None:
        low, high = (percent(row[k], lift_decimals(row), signed=True) for k in ("lift_low", "lift_high"))
    elif row["ci_low"] is not None and row["ci_high"] is not None:
        scale, unit = (100, "\u202fpp") if row["is_proportion"] else (1, "")
        low, high = (fixed(scale * row[k], effect_decimals(row), signed=True) + unit for k in ("ci_low", "ci_high"))
    else:
        return ""
    return f" ({level} interval {low} to {high})"


def _size(row: Mapping[str, Any]) -> str:
    if row["lift"] is not None and row["lift_low"] is not None:
        return percent(abs(row["lift"]), lift_decimals(row))
    scale, unit = (100, "\u202fpp") if row["is_proportion"] else (1, "")
    return fixed(scale * abs(row["effect"]), effect_decimals(row)) + unit


def _claims(readout: Mapping[str, Any], variant: str) -> list[str]:
    """A clause for each decisive metric of a variant."""
    out = []
    power = readout["plan"]["planning"]["power"]
    rows = [r for r in readout["rows"] if r["variant"] == variant]
    for row in rows:
        name = named(row["label"])
        if row["role"] == "guardrail":
            continue
        if row["role"] == "secondary" and row["verdict"] == "unclear":
            continue
        if row["effect"] is None or not _brief_interval(row):
            out.append(f"{name} can't be computed")
        elif row["verdict"] != "unclear":
            out.append(f"{name} {'rose' if row['effect'] > 0 else 'fell'} by {_size(row)}{_brief_interval(row)}")
        elif row.get("equivalent"):
            out.append(f"no effect that matters on {name}{_brief_interval(row)}")
        else:
            least = could_find(row, power)
            missed = f", which could have missed {share_text(float(f'{least:.2g}'))}" if least is not None else ""
            out.append(f"no difference shown in {name}{_brief_interval(row)}{missed}")
    rails = [r for r in rows if r["role"] == "guardrail"]
    for row in rails:
        name = named(row["label"])
        if row["guardrail"] == "bad":
            out.append(f"{name} got worse than accepted{_brief_interval(row)}")
        elif is_worse_within(row):
            out.append(rail_said({**row, "label": name}))
        elif row["guardrail"] == "unclear":
            out.append(f"{name} is not yet shown to be within its margin of {margin_text(row) or DASH}{_brief_interval(row)}")
    if rails and all(r["guardrail"] == "ok" and not is_worse_within(r) for r in rails):
        out.append("no guardrail is worse than planned")
    return out


def _sentence(text: str) -> str:
    text = text.rstrip(".")
    return f"{text[0].upper()}{text[1:]}." if text else ""


def shrunken(readout: Mapping[str, Any], row: Mapping[str, Any]) -> float | None:
    """The lift drawn towards zero by a prior as wide as the lift that was planned; None where there is none."""
    lift, error = planned_lift(readout["plan"], row["metric"]), relative_error(row)
    if lift is None or error is None or row["lift"] is None:
        return None
    return float(row["lift"]) * lift * lift / (lift * lift + error * error)


_brief_COUNTED = ("conversion", "count", "retention", "funnel", "sessions")


DAYS_PER_YEAR = 365.25


def _year(readout: Mapping[str, Any], outcome: str) -> str:
    """What a shipped win brings in a year at the traffic of the run, by the shrunken lift; "" where nothing may be claimed."""
    if outcome != "ship" or readout["recommendation"]["outcome"] != "ship" or "RETROSPECTIVE" in readout["stamps"]:
        return ""
    if any(s in readout["stamps"] for s in ("PLANNED AFTER THE DATA", "AMENDED AFTER EFFECTS", "EXPLORATORY")):
        return ""  # an effect that a plan was chosen for is no forecast
    main, traffic = subject(readout), daily_units(readout)
    if main is None or traffic is None or main["verdict"] != "better" or not main["mean_control"]:
        return ""
    metric = next(m for m in readout["plan"]["metrics"] if m["key"] == main["metric"])
    counted = main["is_proportion"] or main["kind"] in _brief_COUNTED
    small = shrunken(readout, main)
    if small is None or not (counted or main["kind"] in ("sum", "column")):
        return ""
    amount = round_to(small * abs(main["mean_control"]) * traffic[0] * DAYS_PER_YEAR, 3)
    name = metric_names(readout["plan"])[main["metric"]]
    text = f"{fixed(amount, 0, signed=True)} {name}"
    if metric.get("currency") and (metric.get("worth") or not counted):
        text += f", {fixed(round_to(amount * (metric.get('worth') or 1.0), 3), 0, signed=True)} {metric['currency']},"
    return (
        f"Allowing for luck the lift is about {percent(small, lift_decimals(main), signed=True)}: {text} in a year, if "
        f"all {units_word(readout['plan']['unit'])} had it at {traffic[1]}."
    )


QUALIFIERS = {
    "PLANNED AFTER THE DATA": "The plan was made after the data, so this explains and does not prove.",
    "PARTLY PLANNED AFTER THE DATA": "The plan was made after part of the data.",
    "RETROSPECTIVE": "The plan looks back on data that existed.",
    "AMENDED AFTER EFFECTS": "The plan was changed after effects were seen.",
    "EXPLORATORY": "The analysis differs from the registered plan.",
    "PEEK": "The effects were seen before they were due.",
    "RESTARTED AFTER EFFECTS": "Effects of an earlier run were seen before this one began.",
    "ONE OF SEVERAL PLANS": "Effects of the same units were seen under another plan before.",
    "MORE LOOKS THAN PLANNED": "The effects were read more often than the plan allows for.",
}


LATE = tuple(QUALIFIERS)[:5]
"""Stamps of a plan, or an analysis, that did not come first."""


def _came_first(readout: Mapping[str, Any]) -> bool:
    """Whether the dates show that the plan came before the data; without dates nobody knows.

    Pages of releases that did not compare the dates keep their words.
    """
    if any(s in LATE for s in readout["stamps"]):
        return False
    first = next((c for c in readout["health"] if c["name"] == "plan_first"), None)
    return first is None or first["evidence"].get("state") in ("before", "same day")


def _differs(payload: Mapping[str, Any]) -> str:
    """That a decision is another one than the rule's."""
    decision, advice = payload["decision"], payload["readout"]["recommendation"]
    if decision is None or decision["follows_rule"]:
        first = _came_first(payload["readout"])
        return "" if decision is None else ", by the rule fixed before launch" if first else ", by the rule of the plan"
    return f", against the rule of the plan, which says: {advice['outcome']}"


def _cv(payload: Mapping[str, Any], claims: list[str], head: str, doubt: list[str], *, invalid: bool) -> list[str]:
    """What somebody may write of their work: what was done, what was found, what it led to."""
    readout = payload["readout"]
    plan, decision = readout["plan"], payload["decision"]
    outcome = decision["outcome"] if decision else readout["recommendation"]["outcome"]
    variants = number_of(len(plan["variants"]), "variant")
    planned = "Planned, registered before the data and ran" if _came_first(readout) else "Ran"
    first = f"{planned} an A/B test of {named(plan['title'])} with {_who(readout)} in {variants}{_when(readout)}."
    if invalid:
        return [first, "Its own checks found the results invalid before anybody could act on them."]
    found = _sentence("; ".join(claims) or "no primary metric could be computed")
    year = _year(readout, outcome)
    led = year or f"{head}{_differs(payload)}."
    return [first, found, *doubt[:1], led][:5]


def _why(payload: Mapping[str, Any]) -> str:
    """What there is to say where no effect may be claimed."""
    readout = payload["readout"]
    if "INVALID" in readout["stamps"]:
        failed = [c["title"] for c in readout["health"] if c["gate"] and c["status"] == "fail"]
        return f"the results are invalid ({', '.join(failed) or 'a gate failed'}), so they show no effect"
    return "no primary metric could be computed"


def sentences(payload: Mapping[str, Any], voice: str) -> list[str]:
    """Two to five sentences.

    Args:
        payload: Of a memo.
        voice: One of `VOICES`.
    """
    readout = payload["readout"]
    plan = readout["plan"]
    decision = payload["decision"]
    outcome = decision["outcome"] if decision else readout["recommendation"]["outcome"]
    invalid = "INVALID" in readout["stamps"]
    main = subject(readout)
    who, when = _who(readout), _when(readout)
    title = named(plan["title"])
    head = _outcome(payload, variant_labels(plan), outcome)
    claims = [] if invalid or main is None else _claims(readout, main["variant"])
    doubt = [QUALIFIERS[s] for s in readout["stamps"] if s in QUALIFIERS][:1]
    if voice == "cv":
        return _cv(payload, claims, head, doubt, invalid=invalid)
    if voice == "chat":
        body = "; ".join(claims) if claims else _why(payload)
        out = [f"{head} ({title}): {body}.", f"{who}{when}."]
        return [out[0], f"{out[1][:-1]}. {doubt[0]}" if doubt else out[1]]
    first = f"{title}: {who} took part{when}."
    out = [first, f"{head}{_differs(payload)}."]
    out[1:1] = [f"{_sentence('; '.join(claims))}"] if claims else [_sentence(_why(payload))]
    if doubt:
        out[1] = f"{out[1]} {doubt[0]}"
    more = _year(readout, outcome) if voice == "director" else ""
    follow = next_section(payload, variant_labels(plan))
    if voice == "team":
        says = " ".join([follow["why"] if follow["blocker"] else "", *follow["takes"][:1]]).strip()
        out += [says] if says else []
        out += [f"Next: {follow['command']}."] if follow["command"] else []
    elif more:
        out.append(more)
    elif follow["takes"] and outcome != "ship":
        out.append(follow["takes"][0])
    return out[:5]


VOICES = ("director", "team", "cv", "chat")


def brief(payload: Mapping[str, Any]) -> dict[str, list[str]]:
    """The sentences of every voice."""
    return {voice: sentences(payload, voice) for voice in VOICES}


def _cost_of_all(readout: Mapping[str, Any], count: int) -> str:
    """What all looks of the ledger cost, where the readout knew of another number of them."""
    if readout["plan"]["model"]["kind"] not in ("frequentist", "bayesian"):
        return say("looks.all", cost=readout["cost"]["sentence"], looks=number_of(count, "look"))
    return say("looks.chosen", looks=number_of(count, "look"), alpha=share_text(readout["cost"]["alpha"]))


def _trust_who(look: Mapping[str, Any]) -> str:
    """Who looked; a program is named where the name of the person does not say it already."""
    who = named(look["by"]) if look["by"] else DASH
    program = named(look["agent"]) if look["agent"] else ""
    return who if not program or str(look["by"]).startswith("agent ") else f"{who} (by the program {program})"


def looks_section(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Looks at the effects, and what they cost; every count is that of the memo's own ledger."""
    looks, cost = ledger_looks(payload), payload["readout"]["cost"]
    peeks = len({k["data"] for k in looks if not k["planned"]})
    count = len({k["data"] for k in looks})
    words = {"looks": number_of(count, "look"), "peeks": peeks}
    words |= {"entries": number_of(len(looks), "entry", "entries")} if count < len(looks) else {}
    agents = len({k["data"] for k in looks if k["agent"]})
    line = say("looks.line" if count == len(looks) else "looks.line_again", **words)
    if agents:  # said apart, so that the line of a memo without them stays as it was
        line = say("looks.line_agents", line=line, agents=number_of(agents, "look"))
    return {
        "count": count,
        "peeks": peeks,
        "line": line,
        "cost": cost["sentence"] if count == cost["looks"] else _cost_of_all(payload["readout"], count),
        "rows": [
            {
                "at": minute_text(look["at"]),
                "by": _trust_who(look),
                "units": whole(look["units"]),
                "planned": "when due" if look["planned"] else "before due",
                "reason": look["reason"],
                "seq": look["seq"],
            }
            for look in looks
        ],
    }


@dataclass(frozen=True, slots=True)
class MemoSplitRow:
    """One variant in the exposure split: its units and the share planned."""

    label: str
    units: int
    planned: float
    control: bool = False


def split(rows: Sequence[MemoSplitRow], *, title: str = "Exposed units against the planned split") -> str:
    """Bars of the observed shares with a tick where the plan put them."""
    total = sum(r.units for r in rows)
    width, left, right = 460, 120, 276
    parts: list[str] = []
    described = []
    treatments = 0
    widest = max([r.units / total if total else 0 for r in rows] + [r.planned for r in rows] + [1e-9])
    for i, row in enumerate(rows):
        y = 8 + 34 * i
        share = row.units / total if total else 0.0
        tone = "tg" if row.control else _tone(treatments)
        treatments += not row.control
        parts.append(_figures_text(0, y + 17, row.label, cells=15))
        parts.append(
            f'<rect x="{left}" y="{y + 4}" width="{_n((right - left) * share / widest)}" height="18" class="bar {tone}"/>'
        )
        tick = left + (right - left) * row.planned / widest
        parts.append(_line(tick, y, tick, y + 26, "plan"))
        shown = f"{whole(row.units)} · {percent(share, 2)}"
        parts.append(_figures_text(width, y + 17, shown, "end", mark=f"split.{i}"))
        described.append(f"{row.label}: {shown}, planned {share_text(row.planned)}")
    parts.append(_figures_text(left, 8 + 34 * len(rows) + 14, "│ planned share", "muted small"))
    return _svg(width, 8 + 34 * len(rows) + 22, title, "; ".join(described)[:4000], parts, name="split")


def split_picture(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Units by variant against the planned split."""
    units = readout["summary"]["units"]
    total = sum(v["split"] for v in plan["variants"]) or 1.0
    return split(
        [
            MemoSplitRow(labels[v["key"]], units.get(v["key"], 0), v["split"] / total, bool(v.get("control")))
            for v in plan["variants"]
        ]
    )


def accrual(
    days: Sequence[str],
    units: Sequence[int],
    *,
    horizon: int | None = None,
    looks: Sequence[str] = (),
    title: str = "Exposed units over time",
) -> str:
    """Cumulative units by day with the horizon as a dashed line.

    Args:
        days: ISO dates in order.
        units: New units of each day.
        horizon: Units at which results are due.
        looks: Days on which someone looked, marked under the axis.
        title: Name for readers that hear the page.
    """
    width, height, left, right, top, bottom = 460, 170, 56, 452, 14, 138
    total = 0
    points = []
    cumulative = []
    for n in units:
        total += n
        cumulative.append(total)
    most = max([total, horizon or 0, 1]) * 1.05
    count = len(days)

    def x(i: float) -> float:
        return left + (right - left) * (i / max(1, count - 1) if count > 1 else 0.5)

    def y(value: float) -> float:
        return bottom - (bottom - top) * value / most

    parts: list[str] = []
    for tick in ticks(0, most, count=4):
        parts.append(_line(left, y(tick), right, y(tick), "grid"))
        parts.append(_figures_text(left - 6, y(tick) + 4, significant_trim(tick), "muted small end"))
    points = [f"{_n(x(i))} {_n(y(v))}" for i, v in enumerate(cumulative)]
    if points:
        path = "L".join(points)
        parts.append(f'<path d="M{_n(x(0))} {bottom}L{path}L{_n(x(count - 1))} {bottom}z" class="area t0"/>')
        if count > 1:
            parts.append(f'<path d="M{path}" class="line t0"/>')
            parts.append(_figures_text(right, bottom + 16, days[-1], "muted small end"))
        else:
            parts.append(f'<circle cx="{_n(x(0))}" cy="{_n(y(total))}" r="4.5" class="t0"/>')
        parts.append(_figures_text(x(0), bottom + 16, days[0], "muted small" if count > 1 else "muted small mid"))
    if horizon:
        parts.append(_line(left, y(horizon), right, y(horizon), "due"))
        parts.append(_figures_text(left + 4, y(horizon) - 5, f"horizon {whole(horizon)}", "muted small"))
    places = {d: i for i, d in enumerate(days)}
    for look in looks:
        if look in places:
            parts.append(f'<path d="M{_n(x(places[look]))} {bottom + 3}l-4 7h8z" class="t2"/>')
    if any(look in places for look in looks):
        parts.append(_figures_text((left + right) / 2, bottom + 30, "▲ look", "muted small mid"))
    last = days[-1] if days else ""
    description = f"{fixed(total, 0)} units by {last}" + (f"; the horizon is {fixed(horizon, 0)} units" if horizon else "")
    return _svg(width, height, title, description, parts, name="accrual")


def accrual_picture(readout: Mapping[str, Any], plan: Mapping[str, Any]) -> str:
    """Units by day, the horizon and the looks; empty without dates."""
    by_day = readout["summary"]["exposures_by_day"]
    if not by_day:
        return ""
    days = sorted(by_day)
    return accrual(
        days,
        [sum(by_day[d].values()) for d in days],
        horizon=plan.get("horizon", {}).get("units"),
        looks=sorted({look["at"][:10] for look in readout["looks"]}),
    )


def _row_name(key: str, plan: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Metric, and variant where there are several, of a key `metric:variant`."""
    metric, _, variant = key.rpartition(":")
    label = metric_names(plan).get(metric, metric)
    return f"{label} · {labels.get(variant, variant)}" if len(plan["variants"]) > 2 else label


def segment_tables(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """The primary metrics by segment."""
    out = []
    for segment in readout["segments"]:
        slices = []
        for value, rows in segment["slices"].items():
            for row in rows:
                if row["role"] != "primary":
                    continue
                text = metric_row(0, row, plan, labels)
                slices.append({"value": value, **text})
        out.append(
            {
                "dimension": segment["dimension"],
                "declared": segment["is_declared"],
                "slices": slices,
                "hidden": segment["hidden"],
                "interaction": [
                    {"what": _row_name(key, plan, labels), "p": p_value(p)}
                    for key, p in segment["interaction"].items()
                    if p is not None
                ],
                "smallest": plan.get("data", {}).get("smallest_segment", 50),
            }
        )
    return out


AXES = {"age": "days since exposure", "cohort": "day of exposure", "weekday": "day of the week"}


def over_time_section(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Whether effects fade, grow or depend on the day, and on the variant of another experiment; exploratory."""
    names = metric_names(plan)
    # a memo made before these tests existed has none
    trends, others = readout.get("novelty", []), readout.get("interactions", [])
    return {
        "trends": [
            {
                "metric": names.get(t["metric"], t["metric"]),
                "variant": labels.get(t["variant"], t["variant"]),
                "axis": AXES[t["axis"]],
                "points": whole(len(t["points"])),
                "p": p_value(t["p_adjusted"]),
                "word": t["word"],
                "sentence": t["sentence"],
            }
            for t in trends
        ],
        "interactions": [
            {
                "metric": names.get(i["metric"], i["metric"]),
                "variant": labels.get(i["variant"], i["variant"]),
                "other": i["other"],
                "p": p_value(i["p_value"]),
                "v": significant(i["phi"], 2),
                "word": i["state"],
                "sentence": i["sentence"],
            }
            for i in others
        ],
        "loud": [t["sentence"] for t in trends if t["word"] not in ("steady", "not answerable")]
        + [i["sentence"] for i in others if i["state"] in ("interaction", "assignments dependent")],
    }


def _sentences(text: str) -> list[str]:
    """The sentences of a note, so that one that belongs to several rows is said once."""
    return [part if part.endswith(".") else f"{part}." for part in text.removesuffix(".").split(". ")]


def sensitivity_section(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """Each metric as planned, followed by the other ways; what differs is below once."""
    out: list[dict[str, Any]] = []
    notes: dict[str, dict[str, None]] = {}
    several = len(plan["variants"]) > 2
    for row in readout["rows"]:
        if not row["sensitivity"]:
            continue
        label = f"{row['label']} · {labels.get(row['variant'], row['variant'])}" if several else row["label"]
        ways = [
            ("as planned", row),
            *((s["name"], {**row, **{k: v for k, v in s.items() if k in row}}) for s in row["sensitivity"]),
        ]
        for name, way in ways:
            out.append(
                {
                    "label": label,
                    "planned": name == "as planned",
                    "name": name,
                    "lift": f"{lift_text(way)} ({lift_interval(way)})"
                    if way["lift_low"] is not None
                    else lift_text(row | {"lift": way["lift"]}),
                    "effect": f"{effect_text(way)} ({effect_interval(way)})",
                    "p": p_value(way["p_value"]),
                }
            )
        for s in row["sensitivity"]:
            if s["note"]:
                notes.setdefault(s["name"], {}).update(dict.fromkeys(_sentences(s["note"])))
    return {"rows": out, "notes": [{"name": name, "note": " ".join(each)} for name, each in notes.items()]}


SITUATION: dict[str, tuple[str, dict[Any, str]]] = {
    "primary": (
        "primary metric",
        {
            "win": "better by enough to matter",
            "none": "no effect that matters",
            "hopeless": "too far from a win for the rest of the run",
            "small": "better by too little to matter",
            "unclear": "neither better nor worse",
            "worse": "worse",
        },
    ),
    "deteriorated": ("primary and secondary metrics", {True: "one is worse", False: "none is worse"}),
    "guardrails": (
        "guardrails",
        {
            "bad": "one is worse than accepted",
            "unclear": "not yet shown to be within their margins",
            "ok": "none is worse than accepted",
            "worse": "one got worse, within what the plan accepts",
        },
    ),
    "health": ("health", {"fail": "a check fails", "warn": "a check warns", "pass": "no check fails or warns"}),
    "adequate": ("data", {True: "enough", False: "not enough yet"}),
}
"""What the rule looks at, and what it may find, in words."""


def plain_text(value: Any) -> str:
    """A value of evidence as text."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return whole(value)
    if isinstance(value, float):
        return significant(value, 4)
    return str(value)


def situation_text(allowed: Mapping[str, Sequence[Any]]) -> str:
    """What a row of the rule asks for, or what was found, in words; "" where it asks for nothing."""
    parts = []
    for name, values in sorted(
        allowed.items(), key=lambda p: list(SITUATION).index(p[0]) if p[0] in SITUATION else len(SITUATION)
    ):
        label, said = SITUATION.get(name, (name, {}))
        parts.append(f"{label}: {' or '.join(said.get(v) or plain_text(v) for v in values)}")
    return "; ".join(parts)


def _named(evidence: str, names: Mapping[str, str]) -> str:
    """Evidence that begins with the key of a metric, with its label instead."""
    key, colon, rest = evidence.partition(":")
    return names.get(key, key) + colon + rest


def rule_section(payload: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """The rule of the plan, and how it came to its advice."""
    recommendation, names = payload["readout"]["recommendation"], metric_names(payload["readout"]["plan"])
    return {
        "rows": [{**r, "when": situation_text(r["when"]) or "otherwise"} for r in payload["rule"]],
        "fired": recommendation["rows"],
        "digest": payload["readout"]["rule_digest"],
        "variants": [
            {
                "variant": labels.get(v["variant"], v["variant"]),
                "row": v["row"],
                "outcome": v["outcome"],
                "because": v["because"],
                "situation": situation_text({k: [x] for k, x in v["situation"].items()}),
                "evidence": [_named(text, names) for text in v["evidence"]],
            }
            for v in recommendation["variants"]
        ],
    }


def data_section(readout: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    """What was read, and what was left out."""
    summary, names = readout["summary"], metric_names(readout["plan"])
    return {
        "source": summary["source"],
        "rows": whole(summary["rows"]),
        "units": [{"variant": labels.get(k, k), "n": whole(v)} for k, v in summary["units"].items()],
        "first": minute_text(summary["first_exposure"]) if summary["first_exposure"] else "",
        "last": minute_text(summary["last_exposure"]) if summary["last_exposure"] else "",
        "until": minute_text(summary["data_until"]) if summary["data_until"] else "",
        "findings": [
            {
                "name": f["name"].replace("_", " "),
                "count": f"{whole(f['count'])} of {whole(f['of'])}",
                "action": f["action"],
                "metric": names.get(f["metric"], f["metric"]) or "all",
                "detail": f["detail"],
            }
            for f in summary["findings"]
        ],
        "caps": [
            {
                "metric": names.get(c["metric"], c["metric"]),
                "column": c["column"],
                "lower": DASH if c["lower"] is None else significant(c["lower"], 6),
                "upper": DASH if c["upper"] is None else significant(c["upper"], 6),
                "cut": f"{whole(c['n_lower'])} raised, {whole(c['n_upper'])} cut",
            }
            for c in summary["caps"]
        ],
    }


def _assigned(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> str:
    """Which sentence on the assignment is true: "at random" is said where the audit passed, and nowhere else."""
    audits = [c for c in readout["health"] if c["name"] == "assignment_audit"]
    audit = audits[0]["status"] if audits else "not answerable"
    if audit == "pass":
        return "method.audited"
    if not says_how_it_was_read(readout):
        return "method.random"
    if audits and audits[0]["evidence"].get("unrelated"):
        return "method.elsewhere"
    if audit in ("warn", "fail"):
        return "method.misassigned"
    return "method.elsewhere" if not plan.get("assignment") else "method.random"


_CORRECTIONS = {
    "none": "is not corrected",
    "bonferroni": "is corrected by Bonferroni",
    "holm": "is corrected by Holm",
    "bh": "is corrected by Benjamini and Hochberg",
    "e-bh": "is corrected by e-BH",
}


def method(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> list[str]:
    """How the numbers came about, a paragraph each."""
    model = plan["model"]
    out: list[str] = [
        say(_assigned(plan, readout)),
        say(f"method.{model['kind']}"),
        say("method.fieller"),
    ]
    if model["kind"] != "bayesian":
        out.append(
            say(
                "method.corrections",
                alpha=share_text(1 - model["confidence"]),
                family=plan.get("family", "primary").replace("_", " "),
                first=_CORRECTIONS[plan.get("correction", "holm")],
                second=_CORRECTIONS[plan.get("secondary_correction", "bh")],
            )
        )
    out.append(say("method.guardrails"))
    if any(r["variance_reduction"] is not None for r in readout["rows"]):
        out.append(say("method.cuped"))
    if readout["summary"]["caps"]:
        out.append(say("method.caps"))
    return out


def limits(plan: Mapping[str, Any], readout: Mapping[str, Any]) -> list[str]:
    """What the memo does not show, a sentence or two each."""
    out: list[str] = [say("limits.time"), say("limits.seal"), say("limits.ledger")]
    if plan["model"]["kind"] in ("bayesian", "sequential"):
        out.append(say(f"limits.{plan['model']['kind']}"))
    if readout["segments"]:
        out.append(say("limits.segments"))
    return out


def reading_words(reading: Mapping[str, Any]) -> str:
    """How a look read its data, as its entry says: files, end, zone, columns and policies."""
    how, files = reading.get("how") or {}, list(reading.get("files") or ())
    more = len(files) - 3 + int(reading.get("more_files", 0))
    said = [", ".join(files[:3]) + (f" and {number_of(more, 'more file', 'more files')}" if more > 0 else "")] if files else []
    said += [f"a table in memory ({reading['table']})"] if reading.get("table") else []
    if reading["kind"] == "log":
        said.append(f"complete until {minute_text(how['until'])}" if how.get("until") else "complete until its last event")
        said.append(f"times in {how.get('time_zone', 'UTC')}")
        said.append("repeats kept" if how.get("duplicates") == "keep" else "repeats dropped")
        said += ["events that never occur count as zero"] if how.get("absent_events") == "zero" else []
        people = how.get("identities") or {}
        said += [f"several ids of one person by {', '.join(people.get('files') or [people['table']])}"] if people else []
        said += [
            f"{part.replace('_', ' ')} in {name or 'no column'}" for part, name in sorted((how.get("schema") or {}).items())
        ]
    if reading["kind"] == "moments":
        said.append("moments that were handed over, not read from data")
    if reading["kind"] == "table":
        said += [f"{part} in column {how[part]}" for part in ("unit", "variant", "day") if how.get(part)]
        said += [f"{value} means {key}" for value, key in sorted((how.get("variants") or {}).items())]
    return "; ".join(said)


def _reading_rows(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    readout = payload["readout"]
    own = next((k for k in ledger_looks(payload) if readout["at"] in k["times"] and k["kind"] == readout["kind"]), None)
    words = reading_words(own["reading"]) if own and own["reading"] else ""
    return [("How it was read", words)] if words else []


def _witnessed(payload: Mapping[str, Any]) -> str:
    """Whether anybody but the writer of the ledger vouches for its dates."""
    stamped = [e for e in payload["ledger"]["entries"] if e["kind"] == "stamped"]
    if not stamped:
        return "not witnessed: they are those of the computers that wrote the ledger"
    return f"witnessed up to entry {stamped[-1]['seq'] - 1} by a time stamp, which xpbench verify checks"


def provenance_rows(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Digests, versions and seeds."""
    readout = payload["readout"]
    summary = readout["summary"]
    pairs = [
        ("Plan in force, SHA-256", readout["plan_digest"]),
        ("Plan as registered, SHA-256", payload["registered"]["plan_digest"]),
        ("Decision rule, SHA-256", readout["rule_digest"]),
        ("Data, SHA-256 of what was read", summary["fingerprint"]),
        *_reading_rows(payload),
        (
            "Ledger at this memo",
            f"{payload['ledger']['witness']['length']} entries, head {payload['ledger']['witness']['digest']}",
        ),
        ("Readout made", minute_text(readout["at"])),
        *([("Dates", _witnessed(payload))] if says_how_it_was_read(readout) else []),
    ]
    pairs += [(f"Version of {k}", str(v)) for k, v in readout["versions"].items()]
    if summary["engine"]:
        pairs.append(("Data engine", summary["engine"]))
    pairs += [(f"Seed, {k}", str(v)) for k, v in payload["seeds"].items()]
    pairs.append(("Schema of this memo", str(payload["schema"])))
    return pairs


def _later(payload: Mapping[str, Any]) -> list[dict[str, str]]:
    """The stamp of a memo that does not rest on the newest look at the data."""
    later = later_looks(payload)
    if not later:
        return []
    last = later[-1]
    means = say(
        "looks.later",
        looks=number_of(len(later), "later look"),
        day=day_text(last["at"]),
        units=whole(last["units"]),
    )
    return [{"word": "OLDER LOOK", "means": means}]


def _trust_evidence(evidence: Mapping[str, Any]) -> str:
    parts = []
    for name, value in evidence.items():
        if isinstance(value, (dict, list)):
            continue
        parts.append(f"{name.replace('_', ' ')} {plain_text(value)}")
    return " · ".join(parts[:8])


def health_check(check: Mapping[str, Any]) -> dict[str, Any]:
    """One health check with its evidence in a line."""
    return {
        "title": check["title"],
        "status": check["status"],
        "word": WORDS.get(check["status"], check["status"]),
        "tone": HEALTH_TONE.get(check["status"], "muted"),
        "gate": check["gate"],
        "meaning": check["meaning"],
        "next_step": check["next_step"],
        "evidence": _trust_evidence(check["evidence"]),
    }


DIFFERS = 0.01
"""p-value of the same effect in all slices below which a metric is drawn by slice, whatever its role."""


MOST_PICTURES = 6


def _slice_line(value: str, row: Mapping[str, Any]) -> ForestRow:
    """One slice of a segment as a line of a picture."""
    margin = row["margin"]
    if margin is not None and row["margin_scale"] == "effect":
        margin = margin / abs(row["mean_control"]) if row["mean_control"] else None
    control, treatment = means(row)
    return ForestRow(
        label=value,
        role=row["role"],
        lift=row["lift"],
        low=row["lift_low"],
        high=row["lift_high"],
        shown=shown(row),
        means=f"{control} → {treatment}",
        note=f"{whole(row['n_control'] + row['n'])} units",
        margin=margin,
        status="ok" if row["lift"] is not None else NOT_ENOUGH,
    )


def segment_pictures(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """Lift by slice of every metric whose effect differs between the slices of a segment; guardrails among them."""
    out: list[str] = []
    for segment in readout["segments"]:
        for key, p in segment["interaction"].items():
            if p is None or p >= DIFFERS or len(out) >= MOST_PICTURES:
                continue
            metric, _, variant = key.rpartition(":")
            lines = [
                _slice_line(str(value), next(r for r in rows if r["metric"] == metric and r["variant"] == variant))
                for value, rows in segment["slices"].items()
            ]
            name, where = _row_name(key, plan, labels), segment["dimension"]
            out.append(
                forest(
                    lines,
                    heading=f"{shorten(name, 24)} by {shorten(where, 16)}, p {p_value(p)}",
                    means_heading="control → treatment",
                    title=f"{name} by {where}",
                    part=f"-s{len(out)}",
                    marks=f"slices.{len(out)}",
                )
            )
    return out


def time_pictures(readout: Mapping[str, Any], plan: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """Effect over time of every metric for which a test found a change; guardrails among them."""
    out: list[str] = []
    found = {(r["metric"], r["variant"]): r for r in readout["rows"]}
    for trend in readout.get("novelty", ()):
        row = found.get((trend["metric"], trend["variant"]))
        points = [p for p in trend["points"] if p["effect"] is not None and p["se"]]
        quiet = trend["word"] in ("steady", "not answerable")
        if quiet or row is None or len(points) < 3 or len(out) >= MOST_PICTURES:
            continue
        scale, unit = (100.0, "\u202fpp") if row["is_proportion"] else (1.0, "")
        name = _row_name(f"{trend['metric']}:{trend['variant']}", plan, labels)
        words = f"{name} by {AXES[trend['axis']]}"
        out.append(
            effect_by_day(
                [(str(p["label"]), scale * p["effect"], scale * p["se"]) for p in points],
                overall=None,
                unit=unit,
                title=words,
                part=f"-t{len(out)}",
                heading=words,
            )
        )
    return out


def json_text(value: Any) -> str:
    """A value of a plan as text."""
    return DASH if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def deviation_row(deviation: Mapping[str, Any]) -> dict[str, str]:
    """One deviation from the plan as registered."""
    return {
        "pointer": str(deviation.get("pointer", "")),
        "class": str(deviation.get("class", "")),
        "registered": json_text(deviation.get("before")),
        "found": json_text(deviation.get("after")),
    }


def _dropped(payload: Mapping[str, Any]) -> list[dict[str, str]]:
    """A treatment that was dropped while the experiment ran: when, what had been seen by then, and what it costs."""
    out: list[dict[str, str]] = []
    known: set[str] = set()
    for amendment in payload["amendments"]:
        entry = json.loads(payload["ledger"]["lines"][amendment["seq"] - 1])
        gone = {d["key"]: d for d in entry["body"]["plan"].get("dropped") or ()}
        for key in sorted(gone.keys() - known):
            words = {"day": day_text(amendment["at"]), "knowledge": amendment["knowledge"], "reason": amendment["reason"]}
            name = named(gone[key].get("name") or key)
            out.append({"word": "TREATMENT DROPPED", "means": say("run.dropped", variant=name, **words)})
        known = set(gone)
    return out


def _page_run(payload: Mapping[str, Any]) -> list[dict[str, str]]:
    """The stamp of a run that follows another: which, and what had been seen of it by then."""
    follows = json.loads(payload["ledger"]["lines"][0])["body"].get("follows")
    if not follows:
        return []
    words = {k: follows[k] for k in ("key", "knowledge", "reason")}
    return [{"word": f"RUN {len(follows['runs']) + 1}", "means": say("run.follows", day=day_text(follows["at"]), **words)}]


_page_SHARED = "ONE OF SEVERAL PLANS"


STAMPS = {
    "INVALID": "A gating health check failed. The effects must not be read.",
    "AMENDED AFTER EFFECTS": "After effects were seen, or a gate had failed, the plan was changed in a way that can turn the "
    "result.",
    "RESTARTED AFTER EFFECTS": "Effects of an earlier run of this lineage were seen before this one began. Whoever may run "
    "again until a difference shows finds one.",
    "MORE LOOKS THAN PLANNED": "The effects were read at other data, or in another way, before this look, or it was declared "
    "the last after they had been seen. The plan has no allowance for that. Whoever can choose among looks finds a difference "
    "more often than planned.",
    "EXPLORATORY": "The analysis differs from the registered plan in a way that was not declared.",
    "PEEK": "The effects were revealed before they were due.",
}


def _other_plans(payload: Mapping[str, Any]) -> list[str]:
    """The other plans under which effects of the same units were seen before a look, each with its primary metrics."""
    found: dict[str, str] = {}
    for line in payload["ledger"]["lines"]:
        entry = json.loads(line)
        for one in entry["body"].get("shared") or () if entry["at"] <= payload["readout"]["at"] else ():
            found.setdefault(one["key"], f"{named(one['key'])} (primary: {', '.join(named(p) for p in one['primary']) or '—'})")
    return list(found.values())


def _stamp(payload: Mapping[str, Any], word: str) -> dict[str, str]:
    """A stamp with what it means; whether the plan came first is what its health check says, with both dates."""
    readout = payload["readout"]
    if word == _page_SHARED:
        return {"word": word, "means": say("run.plans", plans="; ".join(_other_plans(payload)))}
    if word in STAMPS:
        return {"word": word, "means": STAMPS[word]}
    return {"word": word, "means": next((c["meaning"] for c in readout["health"] if c["name"] == "plan_first"), "")}


def content(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Everything the template shows, by section."""
    readout = payload["readout"]
    plan = readout["plan"]
    labels = variant_labels(plan)
    rows = [metric_row(i, r, plan, labels) for i, r in enumerate(readout["rows"])]
    invalid = "INVALID" in readout["stamps"]
    return {
        "title": plan["title"],
        "key": plan["key"],
        "owner": plan["owner"],
        "made": day_text(readout["at"]),
        "stamps": [_stamp(payload, s) for s in readout["stamps"]] + _page_run(payload) + _dropped(payload) + _later(payload),
        "invalid": invalid,
        "decision": decision_section(payload, labels),
        "impact": impact_sentences(payload),
        "hypothesis": hypothesis_section(payload),
        **forest_plots(payload, rows, labels, hidden=invalid),
        "interval_name": interval_name(readout, plan),
        "rows": rows,
        "level": share_text(plan["model"]["confidence"]),
        "several": len(plan["variants"]) > 2,
        "guardrails": [r for r in rows if r["role"] == "guardrail"],
        "health": [health_check(c) for c in readout["health"]],
        "health_line": health_line(readout["health"]),
        "health_lines": health_lines(readout["health"]),
        "run": run_section(payload, labels),
        "next": next_section(payload, labels),
        "effect": effect_picture(readout),
        "segment_pictures": [] if invalid else segment_pictures(readout, plan, labels),
        "time_pictures": [] if invalid else time_pictures(readout, plan, labels),
        "brief": brief(payload),
        "looks": looks_section(payload),
        "deviations": [deviation_row(d) for d in readout["deviations"]],
        "amendments": payload["amendments"],
        "waivers": payload["waivers"],
        "sign_offs": [{"key": "", "covers": "", **s, "name": named(s["name"])} for s in payload["sign_offs"]],
        "split": split_picture(readout, plan, labels),
        "accrual": accrual_picture(readout, plan),
        "segments": segment_tables(readout, plan, labels),
        "over_time": over_time_section(readout, plan, labels),
        "sensitivity": sensitivity_section(readout, plan, labels),
        "rule": rule_section(payload, labels),
        "data": data_section(readout, labels),
        "method": method(plan, readout),
        "limits": limits(plan, readout),
        "provenance": provenance_rows(payload),
        "ledger": payload["ledger"]["entries"],
        "witness": payload["ledger"]["witness"],
    }


def cleaned(value: Any) -> Any:
    """The content without characters that no document may hold, with lists in place of tuples."""
    if isinstance(value, str):
        return legal(value)
    if isinstance(value, Mapping):
        return {k: cleaned(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(v) for v in value]
    return value


PICTURES = ("forest", "forests", "split", "accrual", "effect", "segment_pictures", "time_pictures")
"""Parts of the content that are drawn from the payload's numbers; the payload holds every other cell as text."""


def _messages(value: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Sentences of the table, by the place of their cell."""
    if isinstance(value, PageMessage):
        yield place, {"id": value.id, "values": {name: legal(text) for name, text in value.values.items()}}
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _messages(inner, f"{place}.{name}" if place else name)
    elif isinstance(value, (list, tuple)):
        for i, inner in enumerate(value):
            yield from _messages(inner, f"{place}.{i}")


INK = """
.fig text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:var(--ink);
font-variant-numeric:tabular-nums;unicode-bidi:plaintext}
.fig .muted{fill:var(--muted)}.fig .strong{font-weight:600}.fig .small{font-size:11px}
.fig .role{font-weight:600;fill:var(--muted);letter-spacing:.06em;font-size:11px}
.fig .end{text-anchor:end}.fig .mid{text-anchor:middle}
.fig .better{fill:var(--better)}.fig .worse{fill:var(--worse)}.fig .warn{fill:var(--warn)}.fig .same{fill:var(--same)}
.fig .zero{stroke:var(--ink);stroke-width:1}.fig .grid,.fig .hair{stroke:var(--line);stroke-width:1}
.fig .zone{fill:var(--zone)}.fig .edge{stroke:#d0632f;stroke-width:1.5;stroke-dasharray:4 3}
.fig .forbidden{stroke:#d0632f;stroke-width:1;opacity:.45}
.fig .t0{stroke:#3a8fd0;fill:#3a8fd0}.fig .t1{stroke:#2a9d9d;fill:#2a9d9d}.fig .t2{stroke:#8a70c0;fill:#8a70c0}
.fig .t3{stroke:#b98a1e;fill:#b98a1e}.fig .tg{stroke:#8a939c;fill:#8a939c}
.fig .whisker{stroke-width:2}.fig .ghost{stroke-width:1;opacity:.6}.fig .bar{stroke:none}
.fig .line{fill:none;stroke-width:2}.fig .area{stroke:none;opacity:.16}
.fig .plan{stroke:var(--ink);stroke-width:2}.fig .due{stroke:var(--muted);stroke-width:1.5;stroke-dasharray:4 3}
"""
"""Style of the classes used here; the page holds it once."""


def made(payload: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Cells, sentences by the place of their cell, and pictures, as this release makes them of a payload."""
    found = content(payload)
    cells = {name: value for name, value in found.items() if name not in PICTURES}
    pictures = {name: cleaned(found[name]) for name in PICTURES}
    return cleaned(cells), dict(_messages(cells)), {**pictures, "ink": INK.strip()}


def wordings(id_: str) -> tuple[str, ...]:
    """Every wording that a sentence has had, the one in use first; none for an unknown sentence."""
    return WORDING.get(id_, ())


TEMPLATES = {
    "5555a42f2ce0671bebab8cd8afdbf567040236f26dde959156f8beaca88fa72e": (
    '<!DOCTYPE html>\n'
    '<html lang="en">\n'
    '<head>\n'
    '<meta charset="utf-8">\n'
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'; img-src data:">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    '<meta name="color-scheme" content="light dark">\n'
    '<meta name="generator" content="xpbench {{ versions.xpbench }}">\n'
    '<meta name="robots" content="noindex">\n'
    '<title>{{ c.decision.headline }} · {{ c.title }}</title>\n'
    '<style>\n'
    ':root{--ink:#1b1f24;--muted:#57606a;--accent:#0072b2;--better:#00795a;--worse:#b0481b;--warn:#8a6100;--sealed:#6b4fa0;--same:#0b6b6b;--ground:#fff;--raised:#f6f8fa;--line:#d5dae0;--zone:#e3eef6;--tone-worse:#d0632f;--tint:#fbf6e9}\n'
    '@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--muted:#9aa4af;--accent:#56b4e9;--better:#3cc39a;--worse:#f08a5d;--warn:#e3b341;--sealed:#b39ddb;--same:#4fc3c3;--ground:#111417;--raised:#1c2127;--line:#343b44;--zone:#1b3346;--tint:#262114}}\n'
    '*{box-sizing:border-box}\n'
    'html{background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}\n'
    'body{margin:0 auto;padding:32px 24px 64px;max-width:988px;overflow-wrap:anywhere}\n'
    'h1,h2,h3,p,ul,ol,dl,table,figure{margin:0}\n'
    'h1{font-size:26px;line-height:1.2;font-weight:600}\n'
    'h2{font-size:19px;line-height:1.3;font-weight:600;margin:40px 0 12px;padding-top:16px;border-top:1px solid var(--line)}\n'
    'h3{font-size:15px;font-weight:600;margin:20px 0 4px}\n'
    'p+p{margin-top:8px}\n'
    'p,li,dd{max-width:72ch}\n'
    '.tab,td,th,.num{font-variant-numeric:tabular-nums}\n'
    '.quiet{color:var(--muted)}.small{font-size:13px}\n'
    '.better{color:var(--better)}.worse{color:var(--worse)}.warn{color:var(--warn)}.muted{color:var(--muted)}.accent{color:var(--accent)}.sealed{color:var(--sealed)}.same{color:var(--same)}\n'
    '.top{display:flex;flex-wrap:wrap;justify-content:space-between;gap:4px 24px;font-size:13px;color:var(--muted);margin-bottom:4px}\n'
    '.title{font-size:19px;font-weight:600;margin-bottom:16px}\n'
    '.decision{border-left:4px solid currentColor;background:var(--raised);padding:20px 24px;border-radius:0 4px 4px 0}\n'
    '.decision>*{color:var(--ink)}\n'
    '.decision .head{display:flex;flex-wrap:wrap;justify-content:space-between;align-items:baseline;gap:4px 24px;margin-bottom:10px}\n'
    '.decision .basis{font-size:13px;color:var(--muted);max-width:46ch}\n'
    '.decision .because{font-size:13px;color:var(--muted);margin-top:10px}\n'
    '.stamp{display:inline-block;border:1px solid currentColor;border-radius:4px;padding:2px 8px;font-size:13px;font-weight:600;letter-spacing:.04em}\n'
    '.stamps{margin:0 0 12px;padding:0;list-style:none}.stamps li{margin-top:4px}\n'
    '.hyp{display:grid;grid-template-columns:repeat(3,1fr);gap:4px 24px;margin:24px 0 4px}\n'
    '.hyp dt{font-size:13px;color:var(--muted);grid-row:1}.hyp dd{margin:0;grid-row:2}\n'
    'figure{margin:20px 0 8px;overflow-x:auto}\n'
    'figcaption{font-size:13px;color:var(--muted);margin-bottom:4px}\n'
    'svg.fig{display:block;max-width:100%;height:auto}\n'
    'svg.forest{min-width:680px}\n'
    '.facts{display:grid;grid-template-columns:2fr 1.3fr 1fr;gap:8px 32px;margin:16px 0;padding:14px 0;border-top:1px solid var(--line);border-bottom:1px solid var(--line)}\n'
    '.facts h2{margin:0 0 2px;padding:0;border:0;font-size:13px;font-weight:400;line-height:1.45;color:var(--muted)}\n'
    '.facts p{font-size:15px}\n'
    '.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(260px,1fr));gap:8px 32px}\n'
    '.run{display:flex;flex-wrap:wrap;gap:2px 20px;font-size:13px;margin:0 0 14px}.run b{font-weight:600}.shots{display:flex;flex-wrap:wrap;gap:12px;margin:12px 0}.shots figure{margin:0;max-width:280px}.shots img{max-width:100%;max-height:180px;border:1px solid var(--line)}\n'
    '.two{display:grid;grid-template-columns:1.2fr 1fr;gap:8px 32px;margin:12px 0}.two h2.more{margin-top:8px}.two code{display:inline-block}.two h2{margin:0 0 2px;padding:0;border:0;font-size:13px;font-weight:400;line-height:1.45;color:var(--muted)}.two ul{list-style:none;padding:0}.two li{margin-top:2px}\n'
    '.small p{font-size:13px}.phone{display:none;list-style:none;padding:0;margin:16px 0}.phone li{border-bottom:1px solid var(--line);padding:8px 0}\n'
    '#audit{margin:24px 4px 0 0}label[for=audit]{cursor:pointer;font-size:13px}\n'
    '.voices dt{font-size:13px;color:var(--muted);margin-top:10px}.voices dd{margin:0}\n'
    '.pair figure{margin:8px 0}\n'
    '.foot{display:flex;flex-wrap:wrap;justify-content:space-between;gap:8px 32px;font-size:13px;color:var(--muted);margin-top:24px;border-top:1px solid var(--line);padding-top:12px}\n'
    '.wide{overflow-x:auto;margin:8px 0}\n'
    'table{border-collapse:collapse;width:100%;font-size:13px}\n'
    'caption{text-align:left;color:var(--muted);padding-bottom:6px}\n'
    'th,td{overflow-wrap:break-word;text-align:left;vertical-align:top;padding:5px 14px 5px 0;border-bottom:1px solid var(--line)}\n'
    'th{font-weight:600}thead th{color:var(--muted);font-weight:400;vertical-align:bottom}\n'
    'td.num,th.num{text-align:right;white-space:nowrap}\n'
    'th[scope=row]{min-width:15ch}.light{font-weight:400}.nowrap{white-space:nowrap}.verdict{min-width:15ch}.name{white-space:nowrap}\n'
    '.tint{background:var(--tint);padding:4px 16px 12px;border-radius:4px;margin-top:24px}.tint h2{border:0;margin-top:8px;padding-top:4px}\n'
    'code,.hex{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px;overflow-wrap:anywhere}\n'
    '.compact th,.compact td{padding-top:3px;padding-bottom:3px}.checks{list-style:none;padding:0;margin:0}.checks li{padding:8px 0;border-bottom:1px solid var(--line);max-width:none}\n'
    '.wide,figure{--on:var(--ground);background:linear-gradient(90deg,var(--on) 40%,transparent) 0 0/32px 100% local,linear-gradient(270deg,var(--on) 40%,transparent) 100% 0/32px 100% local,linear-gradient(90deg,var(--line),transparent) 0 0/10px 100%,linear-gradient(270deg,var(--line),transparent) 100% 0/10px 100%;background-repeat:no-repeat}\n'
    '.tint .wide{--on:var(--tint)}\n'
    '.prov th{width:32%;font-weight:400;color:var(--muted)}\n'
    '.notice ul{margin:8px 0 0;padding-left:18px}.notice li+li{margin-top:6px}\n'
    '.notice{border-left:4px solid var(--worse);background:var(--raised);padding:12px 20px;margin:20px 0}\n'
    '{{ ink|safe }}\n'
    '@media screen{ #audit:not(:checked)~.appendix{display:none}}\n'
    '@media screen and (max-width:720px){.phone{display:block}.wideonly{display:none}.two{grid-template-columns:1fr}body{padding:20px 16px 48px}.hyp,.pair,.facts{grid-template-columns:1fr}.hyp dt,.hyp dd{grid-row:auto}.hyp dd{margin-bottom:8px}.decision{padding:16px}caption{max-width:calc(100vw - 34px)}.tint caption{max-width:calc(100vw - 66px)}}\n'
    '@media screen and (max-width:600px){.wide table,.wide tbody,.wide tr,.wide th,.wide td,.wide caption{display:block}.wide thead{display:none}.wide tr{border-bottom:1px solid var(--line);padding:8px 0}.wide th,.wide td{border:0;padding:2px 0;text-align:left;white-space:normal;min-width:0;width:auto}.wide td[data-l]{display:flow-root;padding-left:8.5em}.wide td[data-l]::before{content:attr(data-l);float:left;width:8em;margin-left:-8.5em;color:var(--muted)}}\n'
    '@page{size:A4;margin:14mm 14mm 16mm}\n'
    '@media print{\n'
    ':root{--ink:#1b1f24;--muted:#57606a;--accent:#0072b2;--better:#00795a;--worse:#b0481b;--warn:#8a6100;--sealed:#6b4fa0;--same:#0b6b6b;--ground:#fff;--raised:#f6f8fa;--line:#d5dae0;--zone:#e3eef6;--tint:#fbf6e9}\n'
    'html{font-size:12.5px;-webkit-print-color-adjust:exact;print-color-adjust:exact}\n'
    'body{padding:0;max-width:none}\n'
    'p,li,dd{max-width:none}.title{margin-bottom:8px}.decision{padding:12px 16px}.decision .head{margin-bottom:6px}.hyp{margin:12px 0 2px}\n'
    'figure{margin:8px 0 4px}.facts{margin:8px 0;padding:8px 0}.foot{margin-top:6px;padding-top:6px}.pair figure{margin:2px 0}\n'
    'h2{margin:22px 0 8px;padding-top:10px;font-size:15px}.facts h2{margin:0;padding:0}.facts p{font-size:12.5px}.facts h2,.hyp dt,.small,.top,.foot,.quiet,figcaption,code,.hex{font-size:10.5px}\n'
    'h1{font-size:22px}.title{font-size:16px}\n'
    '.appendix{break-before:page}#audit,label[for=audit],.phone{display:none}.wideonly{display:block}.run{margin-bottom:6px}.two{margin:6px 0;grid-template-columns:1.2fr 1fr}.pair{grid-template-columns:repeat(3,minmax(0,1fr));gap:2px 16px}.decision p+p{margin-top:3px}.two p+p{margin-top:2px}.two p,.two li,.run,.decision .small,.decision .because{font-size:10.5px;max-width:none}.two li .quiet,.two .all{display:none}.two h2.more{margin-top:4px}.decision .because{margin-top:4px}.hyp dd{font-size:11px}.two h2{margin:0;padding:0;font-size:10.5px}\n'
    'svg.forest{min-width:0;width:100%}.wide,figure{overflow:visible;background:none}\n'
    'table,th,td{font-size:10.5px}th,td{padding:3px 8px 3px 0;overflow-wrap:anywhere}\n'
    'tr,figure,.decision,.facts,.checks li,.notice{break-inside:avoid}\n'
    'h2,h3,figcaption,caption,thead{break-after:avoid}thead{display:table-header-group}\n'
    'a{color:inherit;text-decoration:none}\n'
    '}\n'
    '</style>\n'
    '</head>\n'
    '<body>\n'
    '{% macro stamp(word, tone) %}<span class="stamp {{ tone }}">{{ word }}</span>{% endmacro %}\n'
    '<main>\n'
    '<section aria-label="Summary for decision makers">\n'
    '<div class="top"><span>Decision memo</span><span>{{ c.key }} · {{ c.owner }} · {{ c.made }}</span></div>\n'
    '<p class="title">{{ c.title }}</p>\n'
    '<p class="run tab">{% if c.run.dates %}<span><b>{{ c.run.dates }}</b>, {{ c.run.days }}</span>{% else %}<span>The data name no dates</span>{% endif %}<span><b>{{ c.run.total }}</b> {{ c.run.who }}: {% for u in c.run.units %}{{ u.variant }} {{ u.n }}{{ ", " if not loop.last }}{% endfor %}</span><span>{% if c.run.audience %}{{ c.run.audience }}; {% endif %}{{ c.run.traffic }}</span>{% for l in c.run.links %}<a href="{{ l.url }}" rel="noopener noreferrer">{{ l.title }}</a>{% endfor %}</p>\n'
    '{% if c.stamps %}\n'
    '<ul class="stamps">{% for s in c.stamps %}<li>{{ stamp(s.word, "worse" if s.word == "INVALID" else "warn") }} <span class="small">{{ s.means }}</span></li>{% endfor %}</ul>\n'
    '{% endif %}\n'
    '<div class="decision {{ c.decision.tone }}">\n'
    '<div class="head"><h1><span aria-hidden="true" class="{{ c.decision.tone }}">{{ c.decision.mark }}</span> <span data-x="headline">{{ c.decision.headline }}</span></h1>\n'
    '<p class="basis">{% if c.decision.differs %}<strong class="warn">{{ c.decision.basis }}</strong>{% else %}{{ c.decision.basis }}{% endif %}{% if c.decision.by %}; decided by {{ c.decision.by }} <span class="nowrap">{{ c.decision.at }}</span>{% endif %}</p></div>\n'
    '<p data-x="impact.0">{{ c.impact[0] }}</p>\n'
    '<p data-x="impact.1">{{ c.impact[1] }}</p>\n'
    '{% if c.run.money %}<p>{{ c.run.money }}</p>{% endif %}\n'
    '{% for p in c.run.planned %}<p class="small tab">{{ p.metric }}: planned {{ p.planned }}, found {{ p.found }}. This run could find {{ p.could_find }} with a chance of {{ p.power }}{% if p.planned != "–" %}; it would have missed the planned lift in {{ p.missed }} of cases{% endif %}. {{ c.run.power if loop.last }}</p>{% else %}<p class="small quiet">{{ c.run.power }}</p>{% endfor %}\n'
    '<p class="because">Reason: {{ c.decision.because }}</p>\n'
    '</div>\n'
    '<dl class="hyp"><dt>If</dt><dd>{{ c.hypothesis["if"] }}</dd><dt>then</dt><dd>{{ c.hypothesis.then }}</dd><dt>because</dt><dd>{{ c.hypothesis.because }}</dd></dl>\n'
    '<p class="small quiet">As registered {{ c.hypothesis.registered }}{% if c.hypothesis.by %} by {{ c.hypothesis.by }}{% endif %}, digest <span class="hex">{{ c.hypothesis.digest[:12] }}…</span>{% if c.hypothesis.amended %}; amended {{ c.hypothesis.amended }} time{{ "" if c.hypothesis.amended == 1 else "s" }} since, see below{% endif %}.{% for h in c.health if h.title == "Plan before data" %} {{ h.meaning }}{% endfor %}</p>\n'
    '{% set changed = c.deviations|selectattr("class", "equalto", "amendment after effects")|list %}{% if changed %}<div class="wide" tabindex="0"><table class="compact"><caption>Changed after effects were seen</caption><thead><tr><th scope="col">Where</th><th scope="col">As registered</th><th scope="col">As analysed</th></tr></thead><tbody>\n'
    '{% for d in changed %}<tr><td data-l="Where"><code>{{ d.pointer }}</code></td><td data-l="As registered">{{ d.registered }}</td><td data-l="As analysed">{{ d.found }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>{% endif %}\n'
    '{% if c.forest %}\n'
    '<figure tabindex="0" class="wideonly">{% if c.forest_note %}<figcaption>{{ c.forest_note }}</figcaption>{% endif %}{{ c.forest|safe }}</figure>\n'
    '<ul class="phone tab">{% for r in c.rows %}<li><strong>{{ r.label }}</strong>{% if c.several %} · {{ r.variant }}{% endif %} <span class="quiet small">{{ r.role }}</span><br>{{ r.shown }} <span class="quiet small">{{ r.level }} interval</span><br><span class="{{ r.tone }}">{{ r.mark }} {{ r.word }}</span> <span class="quiet small">{{ r.control }} → {{ r.treatment }}{% if r.margin %}, margin {{ r.margin }}{% endif %}</span></li>{% endfor %}</ul>\n'
    '{% else %}\n'
    '<div class="notice"><p><strong>No effect is shown on this page.</strong> The numbers are in the appendix for diagnosis only.</p><ul>{% for h in c.health if h.gate and h.status == "fail" %}<li><strong>{{ h.title }}.</strong> {{ h.meaning }} {{ h.next_step }}</li>{% endfor %}</ul></div>\n'
    '{% endif %}\n'
    '{% if c.run.pictures %}<div class="shots">{% for u in c.run.units if u.picture %}<figure><figcaption>{{ u.variant }}</figcaption><img src="{{ u.picture }}" alt="{{ u.variant }}"></figure>{% endfor %}</div>{% endif %}\n'
    '<div class="two small">\n'
    '<div><h2>What now</h2>{% if c.next.blocker %}<p><strong>{{ c.next.blocker }}.</strong> {{ c.next.why }}</p>{% elif c.next.why %}<p>{{ c.next.why }}</p>{% endif %}{% if c.next.takes %}<p>{{ c.next.takes|join(" ") }}</p>{% endif %}{% if c.next.lever %}<p>{{ c.next.lever }}</p>{% endif %}<p>{{ c.next.who }} answers for it{% if c.next.until %} until {{ c.next.until }}{% endif %}.{% if c.next.command %} Next: <code>{{ c.next.command }}</code>{% endif %}</p>\n'
    '<h2 class="more">Looks</h2><p>{{ c.looks.line }}</p>\n'
    '<h2 class="more">Deviations from the plan</h2><p>{% if c.decision.differs %}<span class="warn">The decision {{ c.decision.basis }}.</span>{% if c.deviations %} Further: {% endif %}{% endif %}{% if c.deviations %}<span class="warn">{{ c.deviations|length }}</span>{% elif not c.decision.differs %}none{% endif %}{% if c.amendments %} · {{ c.amendments|length }} amendment{{ "" if c.amendments|length == 1 else "s" }}{% endif %}</p></div>\n'
    '<div><h2>Health</h2>{% if c.health_lines.lines %}<ul>{% for h in c.health_lines.lines %}<li><span class="{{ h.tone }}">{{ h.title }}: {{ h.word }}.</span> <span class="quiet">{{ h.said }}</span></li>{% endfor %}</ul>{% endif %}<p class="quiet">{% if c.health_lines.more %}{{ c.health_lines.more }} more warn or fail. {% endif %}{{ c.health_lines.rest }}</p><p class="all">In all: {% for h in c.health_line %}<span class="{{ h.tone }}">{{ h.text }}</span>{{ " · " if not loop.last }}{% endfor %}</p></div>\n'
    '</div>\n'
    '<div class="pair">\n'
    '{% if c.effect %}<figure><figcaption>Effect by day of exposure (exploratory), dashed: overall</figcaption>{{ c.effect|safe }}</figure>{% endif %}\n'
    '{% if c.accrual %}<figure><figcaption>Exposed units over time</figcaption>{{ c.accrual|safe }}</figure>{% endif %}\n'
    '<figure><figcaption>Exposed units against the planned split</figcaption>{{ c.split|safe }}</figure>\n'
    '</div>\n'
    '<div class="foot"><span>{% if c.sign_offs %}Signed off by {% for s in c.sign_offs if s.at %}{{ s.name }} ({{ s.at[:10] }}){{ ", " if not loop.last }}{% else %}nobody yet{% endfor %}{% else %}No sign-off was asked for{% endif %}</span><span>Verify: <code>xpbench verify memo.html</code></span></div>\n'
    '</section>\n'
    '\n'
    '<div class="fold small"></div>\n'
    '<input type="checkbox" id="audit"> <label for="audit">Show the pages for auditors: all metrics, checks, looks, rule, data, method, provenance</label>\n'
    '<section class="appendix" aria-label="Appendix for statisticians">\n'
    '<h2>All metrics</h2>\n'
    '{% if c.invalid %}<p class="notice">INVALID: for diagnosis only.</p>{% endif %}\n'
    '<div class="wide" tabindex="0"><table><caption>Treatment against control, {{ c.interval_name }} unless another level is named</caption>\n'
    '<thead><tr><th scope="col">Metric</th><th scope="col" class="num">Units, control / treatment</th><th scope="col" class="num">Control</th><th scope="col" class="num">Treatment</th><th scope="col" class="num">Effect and interval</th><th scope="col" class="num">Lift and interval</th><th scope="col" class="num">{% if c.rows and c.rows[0].chance %}Chance{% else %}p, corrected as the interval · raw{% endif %}</th><th scope="col">Verdict</th></tr></thead>\n'
    '<tbody>\n'
    '{% for r in c.rows %}<tr><th scope="row">{{ r.label }}{% if c.several %} · {{ r.variant }}{% endif %}<br><span class="quiet light">{{ r.role }}{% if r.level != c.level %}, {{ r.level }} interval{% endif %}</span></th><td class="num" data-x="rows.{{ r.index }}.n" data-l="Units">{{ r.n }}</td><td class="num" data-x="rows.{{ r.index }}.control" data-l="Control">{{ r.control }}</td><td class="num" data-x="rows.{{ r.index }}.treatment" data-l="Treatment">{{ r.treatment }}</td><td class="num" data-l="Effect"><span data-x="rows.{{ r.index }}.effect">{{ r.effect }}</span><br><span class="quiet" data-x="rows.{{ r.index }}.effect_interval">{{ r.effect_interval }}</span></td><td class="num" data-l="Lift"><span data-x="rows.{{ r.index }}.lift">{{ r.lift }}</span><br><span class="quiet" data-x="rows.{{ r.index }}.lift_interval">{{ r.lift_interval }}</span></td><td class="num" data-l="{% if r.chance %}Chance{% else %}p, corrected · raw{% endif %}">{% if r.chance %}<span data-x="rows.{{ r.index }}.chance">{{ r.chance }}</span>{% else %}<span data-x="rows.{{ r.index }}.p_adjusted">{{ r.p_adjusted }}</span><br><span class="quiet" data-x="rows.{{ r.index }}.p">{{ r.p }}</span>{% endif %}</td><td class="verdict" data-l="Verdict"><span class="{{ r.tone }}" data-x="rows.{{ r.index }}.word">{{ r.mark }} {{ r.word }}</span>{% if r.reduction %}<br><span class="quiet">CUPED took {{ r.reduction }} of the variance</span>{% endif %}{% if r.reason %}<br><span class="quiet">{{ r.reason }}</span>{% endif %}</td></tr>\n'
    '{% endfor %}</tbody></table></div>\n'
    '\n'
    '{% if c.forests %}\n'
    '<h2>The other rows as pictures</h2>\n'
    '{% for f in c.forests %}<figure tabindex="0">{{ f|safe }}</figure>\n'
    '{% endfor %}\n'
    '{% endif %}\n'
    '\n'
    '{% if c.guardrails %}\n'
    '<h2>Guardrails against their margins</h2>\n'
    '<div class="wide" tabindex="0"><table><caption>A guardrail passes only when its interval excludes the margin</caption><thead><tr><th scope="col">Guardrail</th>{% if c.several %}<th scope="col">Variant</th>{% endif %}<th scope="col">Better is</th><th scope="col" class="num">Margin</th><th scope="col" class="num">Lift and interval</th><th scope="col" class="num">Effect and interval</th><th scope="col" class="num">p, margin test</th><th scope="col">Verdict</th></tr></thead><tbody>\n'
    '{% for r in c.guardrails %}<tr><th scope="row">{{ r.label }}</th>{% if c.several %}<td data-l="Variant">{{ r.variant }}</td>{% endif %}<td data-l="Better is">{{ "more" if r.direction == "more is better" else "less" }}</td><td class="num" data-l="Margin">{{ r.margin or "–" }}</td><td class="num" data-l="Lift">{{ r.lift }} ({{ r.lift_interval }})</td><td class="num" data-l="Effect">{{ r.effect }} ({{ r.effect_interval }})</td><td class="num" data-l="p, margin test">{{ r.margin_p }}</td><td class="{{ r.tone }}" data-l="Verdict">{{ r.mark }} {{ r.word }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>\n'
    '{% endif %}\n'
    '\n'
    '{% if c.sensitivity.rows %}\n'
    '<h2>The same numbers another way</h2>\n'
    '<div class="wide" tabindex="0"><table><caption>As planned, and without a choice the plan made</caption><thead><tr><th scope="col">Metric</th><th scope="col">Computed</th><th scope="col" class="num">Lift and interval</th><th scope="col" class="num">Effect and interval</th><th scope="col" class="num">p</th></tr></thead><tbody>\n'
    '{% for s in c.sensitivity.rows %}<tr{% if not s.planned %} class="quiet"{% endif %}><th scope="row"{% if not s.planned %} class="light"{% endif %}>{{ s.label if s.planned else "" }}</th><td class="name" data-l="Computed">{{ s.name }}</td><td class="num" data-l="Lift">{{ s.lift }}</td><td class="num" data-l="Effect">{{ s.effect }}</td><td class="num" data-l="p">{{ s.p }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>\n'
    '<ul class="small quiet">{% for n in c.sensitivity.notes %}<li>{{ n.name }}: {{ n.note }}</li>{% endfor %}</ul>\n'
    '{% endif %}\n'
    '\n'
    '{% if c.segments %}\n'
    '<div class="tint"><h2>Segments (exploratory)</h2>\n'
    '<p class="small">Shown to learn from, not to decide by. Slices with fewer than {{ c.segments[0].smallest }} units in a variant are not shown.</p>\n'
    '{% for s in c.segments %}<h3>{{ s.dimension }}{% if not s.declared %} (not declared in the plan){% endif %}</h3>\n'
    '<div class="wide" tabindex="0"><table><thead><tr><th scope="col">Slice</th><th scope="col">Metric</th>{% if c.several %}<th scope="col">Variant</th>{% endif %}<th scope="col" class="num">Units, control / treatment</th><th scope="col" class="num">Lift and interval</th><th scope="col" class="num">p, corrected over slices</th></tr></thead><tbody>\n'
    '{% for r in s.slices %}<tr><th scope="row">{{ r.value }}</th><td data-l="Metric">{{ r.label }}</td>{% if c.several %}<td data-l="Variant">{{ r.variant }}</td>{% endif %}<td class="num" data-l="Units">{{ r.n }}</td><td class="num" data-l="Lift">{{ r.shown }}</td><td class="num" data-l="p, corrected">{{ r.p_adjusted }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>\n'
    '<p class="small quiet">{% if s.interaction %}Test that the effect is the same in all slices, p: {% for i in s.interaction %}{{ i.what }} <span class="nowrap">{{ i.p }}</span>{{ ", " if not loop.last else ". " }}{% endfor %}{% endif %}{% if s.hidden %}{{ s.hidden }} slice{{ "" if s.hidden == 1 else "s" }} too small to show.{% endif %}</p>\n'
    '{% endfor %}{% for f in c.segment_pictures %}<figure tabindex="0">{{ f|safe }}</figure>{% endfor %}</div>\n'
    '{% endif %}\n'
    '\n'
    '{% if c.over_time.trends or c.over_time.interactions -%}\n'
    '<div class="tint"><h2>Over time, and next to other experiments (exploratory)</h2>\n'
    '<p class="small">Does an effect change over time, or with another experiment? All tests of a table are corrected together (Holm). {% if c.over_time.loud %}{{ c.over_time.loud|join(" ") }}{% else %}No change is shown.{% endif %}</p>\n'
    '{% if c.over_time.trends %}<div class="wide" tabindex="0"><table class="compact"><caption>Does an effect change</caption><thead><tr><th scope="col">Metric</th>{% if c.several %}<th scope="col">Variant</th>{% endif %}<th scope="col">Along</th><th scope="col" class="num">Points</th><th scope="col" class="num">p, corrected</th><th scope="col">Found</th></tr></thead><tbody>\n'
    '{% for t in c.over_time.trends %}<tr><th scope="row" class="light">{{ t.metric }}</th>{% if c.several %}<td data-l="Variant">{{ t.variant }}</td>{% endif %}<td data-l="Along">{{ t.axis }}</td><td class="num" data-l="Points">{{ t.points }}</td><td class="num" data-l="p, corrected">{{ t.p }}</td><td data-l="Found">{{ t.word }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>{% endif %}\n'
    '{% if c.over_time.interactions %}<div class="wide" tabindex="0"><table class="compact"><caption>Does an effect depend on another experiment on the same units</caption><thead><tr><th scope="col">Metric</th>{% if c.several %}<th scope="col">Variant</th>{% endif %}<th scope="col">Other experiment</th><th scope="col" class="num">p, corrected</th><th scope="col" class="num">V of the assignments</th><th scope="col">Found</th></tr></thead><tbody>\n'
    '{% for i in c.over_time.interactions %}<tr><th scope="row" class="light">{{ i.metric }}</th>{% if c.several %}<td data-l="Variant">{{ i.variant }}</td>{% endif %}<td data-l="Other experiment">{{ i.other }}</td><td class="num" data-l="p, corrected">{{ i.p }}</td><td class="num" data-l="V">{{ i.v }}</td><td data-l="Found">{{ i.word }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>{% endif %}{% if c.time_pictures %}<div class="pair">{% for f in c.time_pictures %}<figure>{{ f|safe }}</figure>{% endfor %}</div>{% endif %}</div>\n'
    '\n'
    '{% endif -%}\n'
    '<h2>Health checks</h2>\n'
    '{% if not c.health %}<p>No check ran.</p>{% endif %}\n'
    '<ul class="checks">\n'
    '{% for h in c.health if h.status in ("fail", "warn") %}<li><strong>{{ h.title }}: <span class="{{ h.tone }}">{{ h.word }}</span></strong>{% if h.gate %} <span class="quiet small">gate</span>{% endif %}<br>{{ h.meaning }} {{ h.next_step }}{% if h.evidence %}<br><span class="small quiet tab">{{ h.evidence }}</span>{% endif %}</li>\n'
    '{% endfor %}</ul>\n'
    '{% for status in ("pass", "not answerable") %}{% set group = c.health|selectattr("status", "equalto", status)|list %}{% if group %}\n'
    '<div class="wide" tabindex="0"><table class="compact"><caption>{{ group|length }} {{ group[0].word }}</caption><thead><tr><th scope="col">Check</th><th scope="col" class="nowrap">Gate</th><th scope="col">Finding</th></tr></thead><tbody>\n'
    '{% for h in group %}<tr><th scope="row" class="light">{{ h.title }}</th><td data-l="Gate" class="nowrap">{{ "gate" if h.gate else "" }}</td><td data-l="Finding">{{ h.meaning }}{% if status == "not answerable" and h.next_step != "Nothing to do." %} {{ h.next_step }}{% endif %}</td></tr>\n'
    '{% endfor %}</tbody></table></div>\n'
    '{% endif %}{% endfor %}\n'
    '\n'
    '<h2>Looks, and what they cost</h2>\n'
    '<p>{{ c.looks.cost }}</p>\n'
    '{% if c.looks.rows %}<div class="wide" tabindex="0"><table><thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col" class="num">Units</th><th scope="col">Due</th><th scope="col">Reason</th><th scope="col" class="num">Ledger entry</th></tr></thead><tbody>\n'
    '{% for l in c.looks.rows %}<tr><td data-l="When">{{ l.at }}</td><td data-l="Who">{{ l.by }}</td><td class="num" data-l="Units">{{ l.units }}</td><td data-l="Due">{{ l.planned }}</td><td data-l="Reason">{{ l.reason or "–" }}</td><td class="num" data-l="Ledger entry">{{ l.seq }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>{% endif %}\n'
    '\n'
    '<h2>Plan, amendments and deviations</h2>\n'
    '{% if c.amendments %}<div class="wide" tabindex="0"><table><caption>Amendments, each with what was known when it was made</caption><thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">Known by then</th><th scope="col">Reason</th><th scope="col">Changes</th></tr></thead><tbody>\n'
    '{% for a in c.amendments %}<tr><td data-l="When">{{ a.at[:16]|replace("T", " ") }} UTC</td><td data-l="Who">{{ a.by or "–" }}</td><td class="{{ "worse" if a.knowledge == "effects seen" else "" }}" data-l="Known by then">{{ a.knowledge }}</td><td data-l="Reason">{{ a.reason or "–" }}</td><td data-l="Changes">{% for x in a.changes %}<code>{{ x }}</code>{{ ", " if not loop.last }}{% else %}–{% endfor %}</td></tr>\n'
    '{% endfor %}</tbody></table></div>{% else %}<p>The plan was not amended.</p>{% endif %}\n'
    '{% if c.deviations %}<div class="wide" tabindex="0"><table><caption>Deviations of the analysis from the registered plan</caption><thead><tr><th scope="col">Where</th><th scope="col">Class</th><th scope="col">Registered</th><th scope="col">Analysed</th></tr></thead><tbody>\n'
    '{% for d in c.deviations %}<tr><td data-l="Where"><code>{{ d.pointer }}</code></td><td data-l="Class">{{ d["class"] }}</td><td data-l="Registered">{{ d.registered }}</td><td data-l="Analysed">{{ d.found }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>{% else %}<p>The analysis does not deviate from the plan.</p>{% endif %}\n'
    '{% if c.waivers %}<div class="wide" tabindex="0"><table><caption>Waivers</caption><thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th></tr></thead><tbody>{% for w in c.waivers %}<tr><td data-l="When">{{ w.at[:10] }}</td><td data-l="Who">{{ w.by or "–" }}</td><td data-l="What">{{ w.what }}</td></tr>{% endfor %}</tbody></table></div>{% endif %}\n'
    '\n'
    '<h2>How the decision follows</h2>\n'
    '<p>The rule was fixed with the plan; the first row that fits decides.</p>\n'
    '<div class="wide" tabindex="0"><table><thead><tr><th scope="col">Row</th><th scope="col">When</th><th scope="col">Outcome</th><th scope="col">Why</th></tr></thead><tbody>\n'
    '{% for r in c.rule.rows %}<tr><th scope="row">{{ r.id }}{% if r.id in c.rule.fired %} <span class="accent">◀ fired</span>{% endif %}</th><td data-l="When">{{ r.when }}</td><td class="name" data-l="Outcome">{{ r.outcome }}</td><td data-l="Why">{{ r.because }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>\n'
    '{% for v in c.rule.variants %}<h3>{{ v.variant }}: {{ v.outcome }} ({{ v.row }})</h3><p>{{ v.because }} <span class="quiet">Found: {{ v.situation }}.{% if v.evidence %} Because of: {{ v.evidence|join("; ") }}.{% endif %}</span></p>\n'
    '{% endfor %}\n'
    '<p>{% if c.decision.differs %}<strong class="warn">The decision differs from the rule</strong>, which says: {{ c.decision.rule_says }}. Reason given: {{ c.decision.because }}{% elif c.decision.by %}The decision follows the rule.{% endif %}</p>\n'
    '\n'
    '<h2>Data</h2>\n'
    '<p>{{ c.data.source }}, {{ c.data.rows }} rows; {% for u in c.data.units %}{{ u.variant }} {{ u.n }}{{ ", " if not loop.last }}{% endfor %} units.{% if c.data.first %} First exposure {{ c.data.first }}, last {{ c.data.last }}.{% endif %}{% if c.data.until %} Data until {{ c.data.until }}.{% endif %}</p>\n'
    '{% if c.data.findings %}<div class="wide" tabindex="0"><table><caption>What was counted while reading; nothing is dropped in silence</caption><thead><tr><th scope="col">Finding</th><th scope="col">Metric</th><th scope="col" class="num">Count</th><th scope="col">Done with it</th><th scope="col">Detail</th></tr></thead><tbody>\n'
    '{% for f in c.data.findings %}<tr><th scope="row">{{ f.name }}</th><td data-l="Metric">{{ f.metric }}</td><td class="num" data-l="Count">{{ f.count }}</td><td data-l="Done with it">{{ f.action }}</td><td data-l="Detail">{{ f.detail }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>{% else %}<p>Every row could be used.</p>{% endif %}\n'
    '{% if c.data.caps %}<div class="wide" tabindex="0"><table><caption>Caps for extreme values, pooled over variants</caption><thead><tr><th scope="col">Metric</th><th scope="col">Column</th><th scope="col" class="num">Lower</th><th scope="col" class="num">Upper</th><th scope="col" class="num">Units</th></tr></thead><tbody>\n'
    '{% for k in c.data.caps %}<tr><th scope="row">{{ k.metric }}</th><td data-l="Column">{{ k.column }}</td><td class="num" data-l="Lower">{{ k.lower }}</td><td class="num" data-l="Upper">{{ k.upper }}</td><td class="num" data-l="Units">{{ k.cut }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>{% endif %}\n'
    '\n'
    '<h2>Method in plain language</h2>\n'
    '{% for m in c.method %}<p>{{ m }}</p>{% endfor %}\n'
    '\n'
    '<h2>Limits</h2>\n'
    '<ul>{% for l in c.limits %}<li>{{ l }}</li>{% endfor %}</ul>\n'
    '\n'
    '<h2>In a few sentences</h2>\n'
    '<dl class="voices">{% for voice, lines in [("For a director", c.brief.director), ("For the team", c.brief.team), ("For a chat", c.brief.chat), ("For a CV", c.brief.cv)] %}<dt>{{ voice }}</dt><dd>{{ lines|join(" ") }}</dd>{% endfor %}</dl>\n'
    '\n'
    '<h2>Sign-offs</h2>\n'
    '{% if c.sign_offs %}<div class="wide" tabindex="0"><table><thead><tr><th scope="col">Name</th><th scope="col">Role</th><th scope="col">For</th><th scope="col">Signed</th><th scope="col">Over plan digest</th><th scope="col">Signature</th></tr></thead><tbody>\n'
    '{% for s in c.sign_offs %}<tr><th scope="row">{{ s.name }}</th><td data-l="Role">{{ s.role or "–" }}</td><td data-l="For">{{ s.needed_for or "–" }}</td><td data-l="Signed">{{ s.at[:10] if s.at else "not signed" }}</td><td class="hex" data-l="Over plan digest">{{ (s.plan_digest or "–")[:16] }}</td><td data-l="Signature">{{ s.signature or "–" }}{% if s.key %}, over {{ s.covers }}<br><span class="hex">{{ s.key }}</span>{% endif %}</td></tr>\n'
    '{% endfor %}</tbody></table></div>{% else %}<p>The plan asks for no sign-off.</p>{% endif %}\n'
    '\n'
    '<h2>Provenance</h2>\n'
    '<div class="wide" tabindex="0"><table class="prov"><tbody>\n'
    '{% for k, v in c.provenance %}<tr><th scope="row">{{ k }}</th><td class="{{ "hex" if v|length > 40 else "" }}">{{ v }}</td></tr>\n'
    '{% endfor %}</tbody></table></div>\n'
    '<div class="wide" tabindex="0"><table><caption>The ledger up to this memo</caption><thead><tr><th scope="col" class="num">Entry</th><th scope="col">When</th><th scope="col">What</th><th scope="col">Who</th><th scope="col">SHA-256</th></tr></thead><tbody>\n'
    '{% for e in c.ledger %}<tr><td class="num" data-l="Entry">{{ e.seq }}</td><td data-l="When">{{ e.at[:16]|replace("T", " ") }} UTC{% if e.set_back_seconds %} <span class="warn">clock set back</span>{% endif %}</td><td data-l="What">{{ e.kind|replace("_", " ") }}</td><td data-l="Who">{{ e.by or "–" }}</td><td class="hex" data-l="SHA-256">{{ e.digest[:16] }}…</td></tr>\n'
    '{% endfor %}</tbody></table></div>\n'
    '\n'
    '<h2>How to verify this memo</h2>\n'
    '<p>This file carries its own evidence: the plan, the moments of the data, the readout, the ledger and their digests. <code>xpbench verify memo.html</code> recomputes digests and chain, the estimates from the moments by a second, independent implementation, the decision from the estimates, and the text and charts of this page. The same check is one file of Python without dependencies: <code>python verify.py memo.html</code>. It answers <em>verified</em>, <em>differs</em> and where, <em>unreadable</em>, or <em>made by a newer version</em>.</p>\n'
    '<p class="small quiet">Payload SHA-256 <span class="hex">{{ payload_sha256 }}</span></p>\n'
    '</section>\n'
    '</main>\n'
    '<script type="application/json" id="xpbench-payload">{{ payload_text|safe }}</script>\n'
    '<script type="application/json" id="xpbench-seal">{{ seal_text|safe }}</script>\n'
    '</body>\n'
    '</html>\n'
    )
}

PAGE = Renderer('0.1.0', made, wordings, TEMPLATES)


if __name__ == "__main__":
    sys.exit(main(renderer=PAGE))
