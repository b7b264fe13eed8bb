"""Plans to test with."""

from __future__ import annotations

import copy
from typing import Any

EVENTS: dict[str, Any] = {
    "schema": 1,
    "key": "beta-homepage",
    "title": "Beta homepage",
    "owner": "growth",
    "hypothesis": {
        "if": "visitors see the beta homepage",
        "then": [{"metric": "quotes", "direction": "increase", "lift": 0.05}],
        "because": "one entry point is easier to find",
    },
    "variants": [{"key": "control", "split": 0.5, "control": True}, {"key": "beta", "split": 0.5}],
    "metrics": [
        {
            "key": "quotes",
            "kind": "conversion",
            "role": "primary",
            "direction": "increase",
            "event": "Quote",
            "window_days": 14,
        },
        {"key": "applications", "kind": "count", "role": "secondary", "direction": "increase", "event": "Application"},
        {
            "key": "rate",
            "kind": "ratio",
            "role": "secondary",
            "direction": "increase",
            "numerator": "applications",
            "denominator": "quotes",
        },
        {
            "key": "mix",
            "kind": "formula",
            "role": "secondary",
            "direction": "increase",
            "expression": "applications / (quotes + 1)",
        },
        {
            "key": "transfer_out",
            "kind": "conversion",
            "role": "guardrail",
            "direction": "decrease",
            "event": "Out",
            "margin_rel": 0.05,
        },
    ],
    "model": {"kind": "sequential", "confidence": 0.95, "n_opt": 40000, "min_units": 500},
    "assignment": {"hash": "sha256", "salt": "beta-homepage", "rollout": [{"key": "everyone", "share": 1.0}]},
    "horizon": {"units": 40000},
    "watch": {"weeks": 4, "metrics": ["transfer_out"]},
}

COLUMNS: dict[str, Any] = {
    "schema": 1,
    "key": "gate",
    "title": "First gate at level 40",
    "owner": "games",
    "hypothesis": {
        "if": "the gate moves",
        "then": [{"metric": "retention_7", "direction": "increase", "lift": 0.02}],
        "because": "fewer players meet a wait",
    },
    "unit": "userid",
    "variants": [{"key": "gate_30", "split": 0.5, "control": True}, {"key": "gate_40", "split": 0.5}],
    "metrics": [
        {
            "key": "retention_7",
            "kind": "column",
            "column": "retention_7",
            "role": "primary",
            "direction": "increase",
            "min_lift": 0.01,
        },
        {"key": "retention_1", "kind": "column", "column": "retention_1", "role": "secondary", "direction": "increase"},
        {
            "key": "rounds",
            "kind": "column",
            "column": "sum_gamerounds",
            "role": "guardrail",
            "direction": "increase",
            "margin_rel": 0.05,
            "winsorize": {"lower": 0.01, "upper": 0.99},
        },
    ],
    "model": {"kind": "frequentist", "confidence": 0.95},
    "horizon": {"units": 90000},
}


def events(**changes: Any) -> dict[str, Any]:
    """A plan over events, as a dictionary."""
    return {**copy.deepcopy(EVENTS), **changes}


def columns(**changes: Any) -> dict[str, Any]:
    """A plan over a per-unit table, as a dictionary."""
    return {**copy.deepcopy(COLUMNS), **changes}
