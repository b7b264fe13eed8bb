"""What passes from data to statistics: moments per variant, counts, and what was wrong with the rows.

A `Summary` is the only thing that health checks, the readout and the memo know of the data. It holds no row and no unit
id, and turns into JSON and back without loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from xpbench.errors import number_of
from xpbench.shows import Shows

SCHEMA = 1

SourceForm = Literal["value", "raw", "before"]
"""`value`: as the plan defines the metric (winsorized where it says so); `raw`: without winsorization;
`before`: the same metric in the pre-exposure window (for the pre-experiment bias check)."""


SAMPLED = 64
"""Units in a sample of them, see `Summary.sample`."""

CONCURRENT = "$experiment:"
"""Dimension of the variants of another experiment on the same units, followed by its name."""

NOT_MET = "(not met)"
"""Slice of units that met no variant of the other experiment, or several."""


TOTAL, MEMBERS = "total", "members"
"""First columns of a cell whose units are groups of users: the sum over a group, and its users (for a ratio `of`)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Moments of one metric for one variant, overall or in one slice.

    Attributes:
        metric: Key of the metric.
        variant: Key of the variant.
        form: See `Form`.
        dimension: `""` overall, the name of a declared segment, `"$day"` (day of first exposure, ISO), `"$age"` (days since
            exposure) or `"$experiment:<name>"` (variant of another experiment on the same units).
        slice: Value of the dimension as text.
        columns: What the moments are of, in order. First the metric's own columns (`("value",)`, or
            `("numerator", "denominator")`, or for a formula the keys it names; `("total", "members")` or `("total", "of")`
            where units are groups of users), then covariates (`"before"` and
            `"seen"` for event metrics, `"before.numerator"`, `"before.denominator"` and `"seen"` for ratios of them,
            column names for per-unit tables). In form `before`, the own columns as they were before the exposure; for a
            per-unit table one column for each covariate, each a metric of its own.
        n: Units.
        mean: Means, one per column.
        cov: Covariances with ddof 1, row by row. For a quantile the one column is the estimate, and its `cov` is
            n times the variance of that estimate, so that cov / n is the variance of the mean for every kind.
    """

    metric: str
    variant: str
    form: SourceForm
    columns: tuple[str, ...]
    n: int
    mean: tuple[float, ...]
    cov: tuple[tuple[float, ...], ...]
    dimension: str = ""
    slice: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, tuples as lists; overall cells leave dimension and slice out."""
        out: dict[str, Any] = {
            "metric": self.metric,
            "variant": self.variant,
            "form": self.form,
            "columns": list(self.columns),
            "n": self.n,
            "mean": list(self.mean),
            "cov": [list(row) for row in self.cov],
        }
        if self.dimension:
            out |= {"dimension": self.dimension, "slice": self.slice}
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cell:
        """The inverse of `to_dict`."""
        return cls(
            metric=data["metric"],
            variant=data["variant"],
            form=data["form"],
            columns=tuple(data["columns"]),
            n=int(data["n"]),
            mean=tuple(float(v) for v in data["mean"]),
            cov=tuple(tuple(float(v) for v in row) for row in data["cov"]),
            dimension=data.get("dimension", ""),
            slice=data.get("slice", ""),
        )


@dataclass(frozen=True, slots=True)
class Cap:
    """Winsorization thresholds of one column of a metric, pooled over variants.

    Attributes:
        lower: Values below are set to it; None = no lower cap.
        upper: Values above are set to it; None = no upper cap.
        n_lower: Units that were raised.
        n_upper: Units that were cut.
    """

    metric: str
    column: str
    lower: float | None
    upper: float | None
    n_lower: int
    n_upper: int

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {k: getattr(self, k) for k in ("metric", "column", "lower", "upper", "n_lower", "n_upper")}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something counted while reading: nothing is dropped in silence.

    Attributes:
        name: What it is, one word with underscores: duplicate_units, missing_variant, unknown_variant,
            missing_value, missing_code, not_a_number, infinite, negative, several_variants, outside_dates, qa_tester,
            duplicate_events, late_events, immature_units, rejected_lines, mixed_ids …
        count: Rows or units concerned.
        of: Rows or units looked at.
        action: What was done: excluded, kept, set to zero, kept the first, split.
        metric: Key of the metric, or "" where all are concerned.
        by_variant: The count for each variant, where known.
        detail: One plain sentence more, where it helps; text from data in it is already safe to show.
    """

    name: str
    count: int
    of: int
    action: str
    metric: str = ""
    by_variant: Mapping[str, int] = field(default_factory=dict)
    detail: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "name": self.name,
            "count": self.count,
            "of": self.of,
            "action": self.action,
            "metric": self.metric,
            "by_variant": dict(self.by_variant),
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class Extreme:
    """The largest single value of a metric, for leverage: one unit that moves the effect.

    Attributes:
        value: The value furthest from the pooled mean.
        variant: Where it is.
    """

    metric: str
    variant: str
    value: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"metric": self.metric, "variant": self.variant, "value": self.value}


@dataclass(frozen=True, slots=True)
class Summary(Shows):
    """Everything that statistics, health, readout and memo know of the data.

    Attributes:
        source: Kind of source in words, such as `units table` or `events (duckdb)`; no path.
        fingerprint: SHA-256 over the content that was read.
        rows: Rows or events read.
        units: Exposed units for each variant of the plan, 0 where there are none; before any metric's own exclusions.
        cells: Moments.
        caps: Winsorization thresholds.
        findings: What was counted while reading.
        extremes: For the leverage check.
        exposures_by_day: New units by day (ISO) and variant; empty for a per-unit table without a date.
        segments: For each declared segment, for each value, units by variant.
        first_exposure: Earliest exposure (ISO, UTC), or "".
        last_exposure: Latest exposure, or "".
        data_until: Time of the last event, or "".
        engine: Name and version of the engine.
        content: Digest of each column that was read, bound to the ids of the rows; "" is that of the rows themselves. Two
            readings of one table that took different columns agree in those that both took. Empty where the fingerprint is
            that of files. It goes into the ledger with a look, and no further.
        sample: Hashes of a few units with their variants, cut to 32 bits, by which a later reading shows whether the units of
            this one are still there; "" where the source has none. It goes where `content` goes.
        made_for: Digest of what a plan says of reading data (`Plan.reads`), "" where nobody knows.
    """

    rows_of_frame: ClassVar[str] = "cells"

    source: str
    fingerprint: str
    rows: int
    units: Mapping[str, int]
    cells: tuple[Cell, ...]
    caps: tuple[Cap, ...] = ()
    findings: tuple[Finding, ...] = ()
    extremes: tuple[Extreme, ...] = ()
    exposures_by_day: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    segments: Mapping[str, Mapping[str, Mapping[str, int]]] = field(default_factory=dict)
    first_exposure: str = ""
    last_exposure: str = ""
    data_until: str = ""
    engine: str = ""
    content: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    sample: str = field(default="", repr=False, compare=False)
    made_for: str = field(default="", repr=False, compare=False)
    _by_place: dict[tuple[str, str, str, str, str], Cell] = field(default_factory=dict, init=False, repr=False, compare=False)

    def cell(
        self,
        metric: str,
        variant: str,
        *,
        form: SourceForm = "value",
        dimension: str = "",
        slice: str = "",  # noqa: A002
    ) -> Cell | None:
        """The moments of a metric for a variant, or None where there are none."""
        if not self._by_place:
            self._by_place.update({(c.metric, c.variant, c.form, c.dimension, c.slice): c for c in reversed(self.cells)})
        return self._by_place.get((metric, variant, form, dimension, slice))

    def slices(self, dimension: str) -> list[str]:
        """The values of a dimension that have moments, sorted."""
        return sorted({c.slice for c in self.cells if c.dimension == dimension})

    @property
    def n(self) -> int:
        """Exposed units over all variants."""
        return sum(self.units.values())

    def to_dict(self) -> dict[str, Any]:
        """The summary as a JSON value."""
        return {
            "schema": SCHEMA,
            "source": self.source,
            "fingerprint": self.fingerprint,
            "rows": self.rows,
            "units": dict(self.units),
            "cells": [c.to_dict() for c in self.cells],
            "caps": [c.to_dict() for c in self.caps],
            "findings": [f.to_dict() for f in self.findings],
            "extremes": [e.to_dict() for e in self.extremes],
            "exposures_by_day": {d: dict(v) for d, v in self.exposures_by_day.items()},
            "segments": {k: {s: dict(u) for s, u in v.items()} for k, v in self.segments.items()},
            "first_exposure": self.first_exposure,
            "last_exposure": self.last_exposure,
            "data_until": self.data_until,
            "engine": self.engine,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Summary:
        """The inverse of `to_dict`."""
        return cls(
            source=data["source"],
            fingerprint=data["fingerprint"],
            rows=int(data["rows"]),
            units=dict(data["units"]),
            cells=tuple(Cell.from_dict(c) for c in data["cells"]),
            caps=tuple(Cap(**c) for c in data["caps"]),
            findings=tuple(Finding(**f) for f in data["findings"]),
            extremes=tuple(Extreme(**e) for e in data["extremes"]),
            exposures_by_day=data["exposures_by_day"],
            segments=data["segments"],
            first_exposure=data["first_exposure"],
            last_exposure=data["last_exposure"],
            data_until=data["data_until"],
            engine=data["engine"],
        )

    def __repr__(self) -> str:
        by_variant = ", ".join(f"{k} {v:,}" for k, v in self.units.items())
        return f"Summary({self.source}, {number_of(self.n, 'unit')}: {by_variant})"


LOOKED = ("identity_changes", "merged_ids", "metric_overlap", "metric_overlap_before")
"""Findings that are kept with a count of 0, too: only some sources can be looked at, and "none" is an answer."""


def merge_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings with a count (or in `LOOKED`), in order of their name and metric."""
    return tuple(sorted((f for f in findings if f.count or f.name in LOOKED), key=lambda f: (f.name, f.metric)))
