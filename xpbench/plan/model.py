"""The plan as a whole: what `plan.json` holds, frozen and strict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, PrivateAttr, ValidationError

from xpbench.canonical import canonical_bytes, digest
from xpbench.errors import InvalidPlan, PlanError, Problem, nearest, plain
from xpbench.lazy import upstairs
from xpbench.plan.amendable import units_left
from xpbench.plan.base import Key, Many, Part, Text
from xpbench.plan.design import (
    DEFAULT_LOOKS,
    Assignment,
    Correction,
    DataPolicy,
    Decision,
    DroppedVariant,
    Exposure,
    GroupSequential,
    HealthPolicy,
    Horizon,
    Link,
    Looks,
    Model,
    Planning,
    Ramp,
    Sequential,
    SignOff,
    TemplateUse,
    Variant,
    Watch,
)
from xpbench.plan.hypothesis import Hypothesis
from xpbench.plan.methods import METHODS, POWER
from xpbench.plan.metrics import Metric, MetricBase
from xpbench.plan.shown_signature import make_readable

SCHEMA = 1
"""Version of the plan file that this release writes."""


_JUDGES = frozenset(
    ("name", "description", "role", "direction", "margin", "margin_rel", "min_lift", "no_effect_within", "currency", "worth")
)
"""Fields of a metric that say how its numbers are judged or shown, and not which they are."""


class Plan(Part):
    """A pre-registered experiment.

    Built from keywords in the shape of a plan file, `Plan(key=…, hypothesis={"if": …}, …)`, or read by `load_plan`.
    Defaults are written out: the file, the digest and the form all show every value that takes part in a decision.

    Raises:
        InvalidPlan: values of the wrong type or unknown keys, all at once. What only a reader of the whole plan can
            see (splits that don't sum to 1, a guardrail without margin) is told by `problems()`.
    """

    model_config = ConfigDict(defer_build=False)  # its signature shows every field

    schema_: Literal[1] = Field(default=1, alias="schema", description="Version of the plan file")
    key: Key = Field(description="Name of the experiment: its folder, its salt, its name in the log")
    title: Text = Field(description="What people call it")
    owner: Text = Field(description="Who answers for it")
    hypothesis: Hypothesis
    unit: Key = Field(default="distinct_id", description="Assignment key: distinct_id, device_id, a group key or a column")
    members: Key | None = Field(
        default=None,
        description="Users inside a unit, by their id: metrics are then means per user, and noise is counted by unit",
        examples=["user_id"],
    )
    variants: Many[Variant]
    exposure: Exposure = Exposure.model_construct()
    assignment: Assignment | None = Field(default=None, description="Missing where another system assigns")
    metrics: Many[Metric]
    model: Model = Field(
        default=Sequential.model_construct(),
        description="Design of the test; where it is missing and the horizon has units: group-sequential with nine looks",
    )
    correction: Correction = Field(default="holm", description="Multiplicity correction over the family of primary metrics")
    family: Literal["primary", "primary_and_secondary"] = Field(
        default="primary", description="Which metrics, times treatment variants, share one family"
    )
    secondary_correction: Correction = Field(default="bh", description="Correction of the other metrics' own family")
    pre_period_days: Literal[7, 14, 28, 60, 90] = Field(default=14, description="Days before the exposure for CUPED and bias")
    segments: Many[Key] = Field(default=(), description="Properties or columns declared in advance")
    horizon: Horizon = Horizon.model_construct()
    planning: Planning = Planning.model_construct()
    decision: Decision = Decision.model_construct()
    health: HealthPolicy = HealthPolicy.model_construct()
    data: DataPolicy = DataPolicy.model_construct()
    watch: Watch | None = None
    ramp: Ramp | None = Field(default=None, description="Stages of a guarded ramp; missing: the share at launch stays")
    looks: Looks | None = Field(default=None, description="Who may look at effects; missing: whoever asks, all on record")
    sign_offs: Many[SignOff] = ()
    template: TemplateUse | None = None
    notes: Text | None = None
    audience: Text | None = Field(default=None, description="Who takes part, in words, for the memo's first page")
    dropped: Many[DroppedVariant] | None = Field(
        default=None, description="Treatments that an amendment dropped: assigned as before, not analysed, still in the family"
    )
    links: Many[Link] | None = Field(default=None, description="Ticket, design, notebook")
    _methods: int = PrivateAttr(default=METHODS)

    def __init__(self, /, **data: Any) -> None:
        horizon = data.get("horizon")
        known = (
            horizon.units if isinstance(horizon, Horizon) else horizon.get("units") if isinstance(horizon, Mapping) else None
        )
        if "model" not in data and known is not None and data.get("correction") != "e-bh":
            data["model"] = GroupSequential(spending="obrien_fleming", looks=DEFAULT_LOOKS)
        try:
            super().__init__(**data)
        except ValidationError as error:
            from xpbench.plan.reading import structural_problems

            invalid = InvalidPlan(structural_problems(error, data))
            invalid.source = error
            raise invalid from None

    def problems(self) -> list[Problem]:
        """Everything that keeps the plan from being registered; empty when it can be."""
        from xpbench.plan.rules import problems_of

        return problems_of(self)

    def to_dict(self) -> dict[str, Any]:
        """The plan as a JSON value in the shape of the file, every default written out, absent parts left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def canonical(self) -> bytes:
        """RFC 8785 bytes of the plan: what is hashed and frozen."""
        return canonical_bytes(self.to_dict())

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical bytes."""
        return digest(self.to_dict())

    def save(self, path: str | Path) -> Path:
        """Write the plan as readable JSON (indented, keys in the order of the model); an existing file is replaced whole."""
        from xpbench.files import write_atomic

        target = Path(path)
        write_atomic(target, (json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n").encode())
        return target

    def changed(self, **changes: Any) -> Plan:
        """A new plan with top-level keys replaced, under the same methods; this one stays as it is."""
        return Plan(**{**self.to_dict(), **changes}).under(self.methods)

    @property
    def methods(self) -> int:
        """Edition of the statistical methods (`plan.methods`): today's, or the one that the plan was registered under."""
        return self._methods

    def under(self, methods: int) -> Plan:
        """The same plan under an edition of the methods; the ledger and each readout have it on record, the digest does not."""
        if methods == self._methods:
            return self
        copy = self.model_copy()
        copy._methods = methods
        return copy

    def replace(self, **changes: Any) -> Plan:
        """A new plan with top-level keys replaced, as a person means it; this one stays as it is.

        What follows another value goes along, unless it is given as well: with `key` the salt (two experiments never assign
        alike because one was copied from the other) and the name in the log where it was the key; with a new number of units
        the `n_opt` of a sequential model where it was the old number.

        Args:
            changes: New values by key of the plan file; `horizon` may be a number of units.

        Raises:
            InvalidPlan: no plan can hold these values, or there is no such key.
        """
        new = dict(changes)
        before = self.to_dict()
        horizon = new.get("horizon")
        if isinstance(horizon, int) and not isinstance(horizon, bool):
            new["horizon"] = {**before["horizon"], "units": horizon}
        key = new.get("key", self.key)
        if key != self.key:
            if "assignment" not in new and self.assignment is not None:
                new["assignment"] = {**before["assignment"], **({"salt": key} if self.assignment.salt is not None else {})}
            if "exposure" not in new and self.exposure.experiment == self.key:
                new["exposure"] = {k: v for k, v in before["exposure"].items() if k != "experiment"}
        units = self._units_of(new.get("horizon", before["horizon"]))
        model = self.model
        if "model" not in new and isinstance(model, Sequential) and model.n_opt == self.horizon.units and units is not None:
            new["model"] = {**before["model"], "n_opt": units}
        return Plan(**{**before, **new}) if key != self.key else self.changed(**new)

    @staticmethod
    def _units_of(horizon: Any) -> int | None:
        found = horizon.get("units") if isinstance(horizon, dict) else getattr(horizon, "units", None)
        return found if isinstance(found, int) else None

    def with_baselines(self, table: Any, *, day: str | None = None) -> Plan:
        """A new plan whose `planning` has the means, standard deviations and units a day of a table of the past.

        Means and standard deviations come from the whole table, never by variant, so that a table of the running experiment
        tells nothing of its effect.

        Args:
            table: One row per unit: a pandas, polars or pyarrow table, or paths of CSV or Parquet files.
            day: Column with the day of each unit's first exposure, for units a day.

        Raises:
            DecisionError: `XPB-R20`, the table has none of the plan's columns, or the plan counts from events.
            DataError: the table can't be read.
        """
        found = upstairs("forecast.table_baselines:baselines_of_table")(self, table, day=day).to_dict()
        planning = self.planning.model_dump(mode="json", exclude_none=True)
        for name, value in found.items():
            planning[name] = {**planning[name], **value} if isinstance(value, dict) else value
        for metric in found["baselines"]:
            if metric not in found["sds"]:
                planning["sds"].pop(metric, None)  # it is a proportion here, whose baseline says how it varies
        return self.changed(planning=planning)

    @property
    def control(self) -> Variant:
        """The variant that the others are compared with."""
        for variant in self.variants:
            if variant.control:
                return variant
        raise InvalidPlan(self.problems())

    @property
    def treatments(self) -> tuple[Variant, ...]:
        """The variants that are not the control, in plan order."""
        return tuple(v for v in self.variants if not v.control)

    @property
    def planned_treatments(self) -> int:
        """Treatments as registered, those that were dropped meanwhile included: corrections go by this number."""
        return len(self.treatments) + len(self.dropped or ())

    @property
    def assigned_keys(self) -> tuple[str, ...]:
        """Keys of all variants that units may have met: those of the plan, then the treatments that were dropped meanwhile."""
        return (*(v.key for v in self.variants), *(d.key for d in self.dropped or ()))

    def without(self, variant: str) -> Plan:
        """The plan with a treatment dropped while the experiment runs; an amendment puts it on record.

        The treatment is read and analysed no more. Splits stay, so that each unit keeps its variant, and corrections go on
        counting it, so that whoever drops the loser gains nothing by it. A horizon in units becomes the remaining variants'
        share of it.

        Args:
            variant: Key of a treatment.

        Raises:
            PlanError: `XPB-P32`, it can't be dropped.
        """
        gone = next((v for v in self.treatments if v.key == variant), None)
        if gone is None or len(self.treatments) < 2:
            listed = ", ".join(v.key for v in self.treatments)
            raise PlanError("XPB-P32", value=variant, treatments=plain(listed or "none"))
        place = [v.key for v in self.as_assigned().variants].index(variant)
        left = [v.model_dump(mode="json", exclude_none=True) for v in self.variants if v.key != variant]
        entry = {k: v for k, v in gone.model_dump(mode="json", exclude_none=True).items() if k != "control"}
        before = [d.model_dump(mode="json", exclude_none=True) for d in self.dropped or ()]
        dropped = sorted([*before, {**entry, "place": place}], key=lambda d: int(d["place"]))
        changes: dict[str, Any] = {"variants": left, "dropped": dropped}
        if self.horizon.units is not None:
            changes["horizon"] = {
                **self.horizon.model_dump(mode="json", exclude_none=True),
                "units": units_left(self.horizon.units, [v.split for v in self.variants], gone.split),
            }
        return self.changed(**changes)

    @property
    def reads(self) -> str:
        """Digest of what decides which numbers are made of data: plans that share it make the same moments."""
        document = self.to_dict()
        parts: dict[str, Any] = {k: document.get(k) for k in ("unit", "exposure", "data", "pre_period_days")}
        parts["variants"] = [v.key for v in self.variants]
        parts["metrics"] = [{k: v for k, v in m.items() if k not in _JUDGES} for m in document["metrics"]]
        return digest(parts)

    def as_assigned(self) -> Plan:
        """The plan by which units are assigned: with the treatments that were dropped in their places."""
        if not self.dropped:
            return self
        document = self.to_dict()
        variants = list(document["variants"])
        for gone in sorted(document.pop("dropped"), key=lambda d: int(d["place"])):
            variants.insert(gone["place"], {**{k: v for k, v in gone.items() if k != "place"}, "control": False})
        return Plan(**{**document, "variants": variants}).under(self.methods)

    @property
    def alpha(self) -> float:
        """Two-sided error level, 1 - confidence, free of the subtraction's last-digit noise."""
        return round(1.0 - self.model.confidence, 12)

    @property
    def guardrail_alpha(self) -> float:
        """One-sided level at which guardrails are held against their margins: the plan's own, or its alpha.

        Half of alpha for posteriors, whose interval holds the plan's confidence, and under methods before the third edition.
        """
        if self.methods < POWER or self.model.kind == "bayesian":
            return self.alpha / 2.0
        return self.alpha if self.decision.guardrail_alpha is None else self.decision.guardrail_alpha

    @property
    def experiment_name(self) -> str:
        """Name of the experiment in the event log."""
        return self.exposure.experiment or self.key

    def metric(self, key: str) -> MetricBase:
        """The metric with this key.

        Raises:
            PlanError: `XPB-P16`, there is none; names the nearest.
        """
        for metric in self.metrics:
            if metric.key == key:
                return metric
        raise PlanError(
            "XPB-P16", pointer=plain("The call"), value=key, hint=plain(nearest(key, [m.key for m in self.metrics]))
        )

    def metrics_with(self, role: str) -> tuple[MetricBase, ...]:
        """The metrics with this role, in plan order."""
        return tuple(m for m in self.metrics if m.role == role)

    def __repr__(self) -> str:
        return f"Plan({self.key!r}, {len(self.metrics)} metrics, {len(self.variants)} variants, {self.model.kind})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return str(upstairs("views.card:PlanCard")(self.to_dict(), problems=len(self.problems())).to_html())


make_readable(Plan)
