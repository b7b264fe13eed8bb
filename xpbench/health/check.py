"""What one health check says: a status in four words, the numbers behind it, what they mean and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from xpbench.errors import HealthError, plain, shown
from xpbench.health.five import WORDS
from xpbench.lazy import earlier
from xpbench.outward import html as escape
from xpbench.shows import Shows

CheckStatus = Literal["pass", "warn", "fail", "not answerable"]

STATUSES: tuple[CheckStatus, ...] = get_args(CheckStatus)

_RANK = {"fail": 0, "warn": 1, "not answerable": 2, "pass": 3}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check function returns; the registry adds name, title and gate.

    Attributes:
        status: One of the four words.
        evidence: Numbers and chart data, JSON values only. Never an effect of a metric.
        meaning: What the evidence says, in a sentence or two.
        next_step: What to do now.
        gate: Overrides the registered gate where it depends on the evidence; None keeps it.
    """

    status: CheckStatus
    meaning: str
    next_step: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    gate: bool | None = None


@dataclass(frozen=True, slots=True)
class Check(Shows):
    """The result of one health check.

    Attributes:
        name: Name in the registry, such as `srm`.
        status: `pass`, `warn`, `fail` or `not answerable`.
        evidence: Numbers and chart data (JSON values; finite).
        meaning: What the evidence says.
        next_step: What to do now.
        gate: Whether a failure makes the readout INVALID.
        title: Name for people.
    """

    name: str
    status: CheckStatus
    evidence: Mapping[str, Any]
    meaning: str
    next_step: str
    gate: bool = False
    title: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise HealthError("XPB-H02", name=plain(self.name), status=self.status, known=plain(", ".join(STATUSES)))
        object.__setattr__(self, "evidence", json_value(self.evidence))

    @property
    def label(self) -> str:
        """Name for people."""
        return self.title or self.name

    @property
    def word(self) -> str:
        """The status as people read it: pass, warn, fail or not run."""
        return WORDS.get(self.status, self.status)

    @property
    def blocks(self) -> bool:
        """Whether this result makes the readout INVALID."""
        return self.gate and self.status == "fail"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, JSON values only."""
        return {
            "name": self.name,
            "title": self.label,
            "status": self.status,
            "gate": self.gate,
            "evidence": json_value(self.evidence),
            "meaning": self.meaning,
            "next_step": self.next_step,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Check:
        """The inverse of `to_dict`."""
        return cls(
            name=data["name"],
            status=data["status"],
            evidence=data["evidence"],
            meaning=data["meaning"],
            next_step=data["next_step"],
            gate=bool(data["gate"]),
            title=data["title"],
        )

    def __repr__(self) -> str:
        gate = ", gate" if self.gate else ""
        return f"Check({self.name}: {self.word}{gate})"

    def _repr_html_(self) -> str:
        """Static HTML with everything escaped: status in words, then meaning, next step and evidence."""
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left;font-weight:400'>{escape(key.replace('_', ' '))}</th>"
            f"<td style='text-align:right'>{escape(_text(value))}</td></tr>"
            for key, value in self.evidence.items()
            if not isinstance(value, (list, dict))
        )
        return (
            f"<div class='xpb-check' data-status='{escape(self.status)}'>"
            f"<strong>{escape(self.label)}: {escape(self.word)}</strong>"
            f"<p>{escape(self.meaning)}</p><p>{escape(self.next_step)}</p>"
            f"<table style='font-variant-numeric:tabular-nums'>{rows}</table></div>"
        )


def worst_first(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks from worst to best: failed gates, fail, warn, not answerable, pass; otherwise in the given order."""
    return tuple(sorted(checks, key=lambda c: (not c.blocks, _RANK[c.status])))


def failed_gates(checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks that make a readout INVALID."""
    return tuple(c for c in checks if c.blocks)


def health_line(checks: Iterable[Check], *, most: int = 3) -> str:
    """Health in one line, worst first: `Sample ratio: fail · Contamination: warn · 11 more pass`."""
    ordered = worst_first(checks)
    loud = [c for c in ordered if c.status in ("fail", "warn")]
    parts = [f"{c.label}: {c.status}" for c in loud[:most]]
    if len(loud) > most:
        parts.append(f"{len(loud) - most} more warn or fail")
    passed = sum(c.status == "pass" for c in ordered)
    silent = sum(c.status == "not answerable" for c in ordered)
    if passed:
        parts.append(f"{passed} {'more ' if loud else ''}pass")
    if silent:
        parts.append(f"{silent} not run")
    return " · ".join(parts)


def json_value(value: Any) -> Any:
    """The value with tuples as lists, numpy scalars as Python ones and non-finite numbers as words; keys are text."""
    if isinstance(value, Mapping):
        return {str(k): json_value(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(v) for v in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if hasattr(value, "item"):
        return json_value(value.item())
    if isinstance(value, float):
        if math.isfinite(value):
            return float(f"{value:.12g}")  # digits that are the same on every machine
        return "not a number" if math.isnan(value) else ("unbounded" if value > 0 else "unbounded below")
    return shown(value)


def _text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


__getattr__ = earlier(__name__, {"Status": "CheckStatus"})
