"""Reproduction: the moments of a decided readout against those of the raw data read again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xpbench.data.summary import Summary
from xpbench.decide.analysis import analyse
from xpbench.decide.readout import Readout
from xpbench.plan import Plan
from xpbench.verifier import Difference, canonical, sha256

CLOSE = 1e-12
"""Relative distance within which moments count as the same; the sums behind them are exact, so it is seldom needed."""


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What reading the data again has shown.

    Attributes:
        same: Nothing differs.
        identical: The moments are the same to the last digit, so the memo would have the same bytes.
        differences: What differs.
        fingerprint: SHA-256 of what was read now.
    """

    same: bool
    identical: bool
    differences: tuple[Difference, ...]
    fingerprint: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "same": self.same,
            "identical": self.identical,
            "differences": [d.to_dict() for d in self.differences],
            "fingerprint": self.fingerprint,
        }

    def __str__(self) -> str:
        if self.same:
            how = "to the last digit: the memo would have the same bytes" if self.identical else "within 1e-12"
            return f"reproduced: data, moments and rows are the same {how}."
        return "\n".join(["differs:", *(f"  ✕ {d}" for d in self.differences[:40])])


def reproduce(then: Readout, now: Summary) -> Reproduction:
    """Compare a frozen readout with the same data read again.

    Args:
        then: The readout that was decided on.
        now: The summary of the data now, under the same plan and the same frozen caps.
    """
    before, after = then.summary.to_dict(), now.to_dict()
    found: list[Difference] = []
    for name in ("fingerprint", "rows", "units", "caps", "findings", "exposures_by_day", "segments"):
        if canonical(_json(before[name])) != canonical(_json(after[name])):
            found.append(Difference(name.replace("_", " "), _short(before[name]), _short(after[name])))
    found += _cells(before["cells"], after["cells"])
    if not found:
        plan = Plan(**then.plan).under(then.methods)
        rows = analyse(plan, now, looks=then.looks[:-1], last=bool(then.looks and then.looks[-1].last))
        for old, new in zip(then.rows, rows, strict=True):
            for name, value in old.to_dict().items():
                if value != new.to_dict()[name]:
                    found.append(
                        Difference(f"{old.metric} for {old.variant}, {name}", _short(value), _short(new.to_dict()[name]))
                    )
    keys = ("fingerprint", "rows", "units", "cells", "caps", "findings", "extremes", "exposures_by_day", "segments")
    identical = all(sha256(canonical(_json(before[k]))) == sha256(canonical(_json(after[k]))) for k in keys)
    return Reproduction(not found, identical and not found, tuple(found), now.fingerprint)


def _cells(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Difference]:
    def name(cell: Mapping[str, Any]) -> str:
        return " ".join(str(cell.get(k, "")) for k in ("metric", "variant", "form", "dimension", "slice")).strip()

    old, new = {name(c): c for c in before}, {name(c): c for c in after}
    found = [Difference(f"moments of {k}", "there", "missing") for k in old if k not in new]
    found += [Difference(f"moments of {k}", "none", "there") for k in new if k not in old]
    for key in old:
        if key in new:
            numbers = [_numbers(c[key]) for c in (old, new)]
            if len(numbers[0]) != len(numbers[1]) or any(
                abs(a - b) > CLOSE * max(abs(a), abs(b)) for a, b in zip(*numbers, strict=True)
            ):
                found.append(Difference(f"moments of {key}", _short(old[key]["mean"]), _short(new[key]["mean"])))
    return found


def _numbers(cell: Mapping[str, Any]) -> list[float]:
    return [float(cell["n"]), *cell["mean"], *(v for row in cell["cov"] for v in row)]


def _json(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _json(v) for k, v in value.items()}
    return [_json(v) for v in value] if isinstance(value, (list, tuple)) else value


def _short(value: Any) -> str:
    text = canonical(_json(value))
    return text if len(text) <= 120 else text[:119] + "…"
