"""Which keys a payload may have, and where: an unknown key is refused, because nothing would account for what it says."""

from __future__ import annotations

from collections.abc import Iterator

from xpbench.verifier.plan_keys import PLAN_KEYS
from xpbench.verifier.report import J

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
