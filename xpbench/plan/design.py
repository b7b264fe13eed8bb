"""How an experiment is run and read: variants, exposure, assignment, model, horizon, decision, watch, data policies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from xpbench.plan.base import Day, Key, Many, Number, Part, Share, Text

Picture = Annotated[str, Field(pattern=r"^data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2}$", max_length=400_000)]
Level = Annotated[float, Field(gt=0.5, lt=1.0, allow_inf_nan=False)]


class Variant(Part):
    """One variant and its share of the exposed units."""

    key: Key
    split: Number = Field(ge=0, le=1, description="Share of the assigned units")
    control: bool = Field(default=False, description="The variant that the others are compared with")
    name: Text | None = Field(default=None, description="Label in charts and memo")
    picture: Picture | None = Field(default=None, description="What it looks like: a data address of a small PNG, JPEG or WebP")

    @property
    def label(self) -> str:
        """Name for people."""
        return self.name or self.key


class DroppedVariant(Part):
    """A treatment that an amendment dropped while the experiment ran: assigned as before, not analysed, still in the family."""

    key: Key
    split: Number = Field(ge=0, le=1, description="Share of the assigned units, as registered")
    place: int = Field(
        ge=0, description="Position among the variants as registered, from 0: the assignment depends on the order"
    )
    name: Text | None = Field(default=None, description="Label in charts and memo")
    picture: Picture | None = Field(default=None, description="What it looked like")

    @property
    def label(self) -> str:
        """Name for people."""
        return self.name or self.key


class Exposure(Part):
    """How the log says that a unit has met the change, and from which exposure on its behaviour counts."""

    event: Key = "$experiment_started"
    experiment: Key | None = Field(default=None, description="Name of the experiment in the log; the plan's key if missing")
    experiment_property: Key = "Experiment name"
    variant_property: Key = "Variant name"
    format: Literal["separate", "dictionary", "list"] = "separate"
    list_property: Key = "Experiments"
    list_separator: Key = ":"
    several_variants: Literal["exclude", "first", "split"] = Field(
        default="exclude", description="Units that met several variants: leave out, keep the first, or split in time"
    )
    start: Day | None = Field(default=None, description="First day (UTC) on which exposures count")
    end: Day | None = Field(default=None, description="Last day (UTC) on which exposures count")
    qa_testers: Literal["exclude", "keep"] = "exclude"
    identities: Literal["count", "merge"] | None = Field(
        default=None,
        description="Several ids of one person, such as a device before the log-in and a user after it: count who has them "
        "(meant where this is missing), or merge them into one unit",
        examples=["merge"],
    )
    window_from: Literal["first_exposure", "latest_exposure"] | None = Field(
        default=None,
        description="Where metric windows begin: at the unit's first exposure (meant where this is missing), or again at its "
        "latest one, which is how Mixpanel counts its 90 days",
        examples=["latest_exposure"],
    )


class Rollout(Part):
    """A rollout group: whom it is for, and which share of them takes part. The first that fits wins."""

    key: Key
    share: Share
    where: dict[str, Any] | None = Field(default=None, description="JsonLogic rule over properties of the unit")
    cohort: Key | None = Field(default=None, description="Name of a list of ids given when assigning")
    splits: dict[str, Number] | None = Field(default=None, description="Other splits for this group")
    variant: Key | None = Field(default=None, description="Everyone in this group gets this variant")


class Layer(Part):
    """Experiments in one layer never share a unit: each owns a range of the layer's hash."""

    key: Key
    salt: Key
    start: Share
    end: Share


class Holdout(Part):
    """A share of all units that no experiment may touch."""

    key: Key
    salt: Key
    share: Share


class Assignment(Part):
    """Which hash puts which unit into which variant."""

    hash: Literal["sha256", "mixpanel"] = "sha256"
    salt: Key | None = Field(default=None, description="Text hashed with the unit's id; the plan's key if missing")
    hash_salt: Key | None = Field(default=None, description="Mixpanel hash only: the flag's hash_salt")
    rollout: Many[Rollout] = (Rollout.model_construct(key="everyone", share=1.0),)
    sticky: Literal["no", "treatments", "all"] = "no"
    layer: Layer | None = None
    holdout: Holdout | None = None
    overrides: dict[str, str] = Field(default_factory=dict, description="QA: variant by unit id")


class Sequential(Part):
    """Anytime-valid: may be read at every look after `min_units`; for large effects where early stopping matters."""

    kind: Literal["sequential"] = "sequential"
    confidence: Level = 0.95
    n_opt: int | None = Field(default=None, gt=0, description="Number of units at which the interval is narrowest")
    tau: Number | None = Field(
        default=None,
        gt=0,
        description="Instead of n_opt: prior standard deviation of the effect, in standard deviations of the metric",
    )
    min_units: int = Field(default=500, ge=2, description="Units per variant before the first look")


class Frequentist(Part):
    """Fixed horizon: read once, when the horizon is reached; for small effects."""

    kind: Literal["frequentist"] = "frequentist"
    confidence: Level = 0.95


class GroupSequential(Part):
    """Looks up to a known horizon with an error-spending boundary; the default where the plan has a horizon in units."""

    kind: Literal["group_sequential"] = "group_sequential"
    confidence: Level = 0.95
    spending: Literal["obrien_fleming", "pocock", "reflection"] = Field(
        default="obrien_fleming",
        description="How the error level is spent: strict early, evenly over the looks, or reflection: valid at any look, "
        "planned or not, with a boundary and a p-value in closed form",
    )
    looks: Many[Number] = Field(default=(0.5, 1.0), description="Planned looks as shares of the horizon, the last is 1")
    beyond: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Share of the error level for looks after the horizon: a normal mixture next to the boundary, which has "
        "the rest; missing: what comes in after the horizon decides nothing",
        examples=[0.1],
    )


DEFAULT_LOOKS = (0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
"""Looks of a plan with a horizon that names no model: effects may be seen from a quarter of it on. So many that a plan which
is read daily has the power that it was sized for."""


class Prior(Part):
    """`pooled`: one pseudo-observation at the pooled mean, as Mixpanel documents; `lift`: normal on the lift."""

    kind: Literal["pooled", "lift"] = "pooled"
    mean: Number | None = None
    sd: Number | None = Field(default=None, gt=0)


class Bayesian(Part):
    """Posterior chance to beat control; for audiences that do not read p-values. Peeking is not error-controlled."""

    kind: Literal["bayesian"] = "bayesian"
    confidence: Level = Field(default=0.95, description="Chance to beat control at which a variant wins")
    prior: Prior = Prior.model_construct()
    due: Literal["horizon", "min_units"] = Field(default="horizon", description="When effects may be seen")
    min_units: int = Field(default=500, ge=2)


Model = Annotated[Sequential | Frequentist | GroupSequential | Bayesian, Field(discriminator="kind")]

Correction = Literal["none", "bonferroni", "holm", "bh", "e-bh"]


class Horizon(Part):
    """When results are due: so many exposed units, so many days since the first exposure, or both."""

    units: int | None = Field(default=None, gt=0)
    days: int | None = Field(default=None, gt=0, le=3650)


class Planning(Part):
    """What the sample size was computed from."""

    power: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.8
    daily_units: Number | None = Field(default=None, gt=0, description="New units a day")
    baselines: dict[str, Number] = Field(default_factory=dict, description="Mean of the control by metric key")
    sds: dict[str, Number] = Field(default_factory=dict, description="Standard deviation per unit by metric key")


class Decision(Part):
    """The rule, fixed before launch."""

    ship_when: Literal["any_primary", "all_primaries"] = "any_primary"
    guardrails: Literal["non_inferior", "not_worse"] = Field(
        default="non_inferior", description="Guardrails must be shown to be within their margin, or only not shown to be worse"
    )
    practical: Literal["estimate", "interval", "none"] = Field(
        default="estimate", description="What must reach min_lift: the estimate, the whole interval, or nothing"
    )
    harm_alpha: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)] = Field(
        default=0.01, description="Level of the harm alarm that may sound while results are sealed (anytime-valid)"
    )
    guardrail_alpha: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)] | None = Field(
        default=None,
        description="One-sided level at which guardrails are shown to be within their margins; the plan's alpha if missing",
    )
    futility: Annotated[float, Field(gt=0, le=0.5, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Give up at a planned look from which the lift that the plan expects would still win with less than this "
        "chance (0.1 to 0.2 are usual); missing: go on to the horizon. It costs power, which the plan card names, and no error",
        examples=[0.1],
    )
    health: Literal["must_pass", "no_warnings"] = Field(
        default="must_pass",
        description="A failed gate always makes the readout invalid; no_warnings: a warning keeps from shipping, too",
    )


class HealthPolicy(Part):
    """Thresholds of the health checks."""

    srm_alpha: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)] = Field(default=0.001, description="SRM fails below")
    srm_warn_alpha: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)] = Field(
        default=0.01, description="SRM warns below"
    )
    contamination_warn: Share = 0.001
    contamination_fail: Share = 0.01
    bias_alpha: Annotated[float, Field(gt=0, lt=0.5, allow_inf_nan=False)] = 0.01
    missing_warn: Share = Field(default=0.0, description="Share of missing values of a metric above which it warns")
    missing_fail: Share = Field(default=0.05, description="Share of missing values of a metric above which it fails")


class DataPolicy(Part):
    """What happens to rows that don't fit; whatever it is, they are counted and reported."""

    duplicates: Literal["refuse", "first", "exclude"] = Field(default="refuse", description="A unit on several rows")
    missing: Literal["exclude", "zero", "refuse"] = Field(default="exclude", description="No value, NaN")
    missing_codes: Many[Number] | None = Field(
        default=None, description="Values that mean missing, such as -999; an empty list says that there are none"
    )
    non_finite: Literal["refuse", "exclude"] = "refuse"
    unknown_variant: Literal["exclude", "refuse"] = Field(default="exclude", description="Variants that the plan does not have")
    missing_variant: Literal["exclude", "refuse"] = "exclude"
    smallest_segment: int = Field(default=50, ge=1, description="Segments with fewer units are not shown")


class Watch(Part):
    """What is watched after shipping, for how long, by whom."""

    weeks: int = Field(default=4, ge=1, le=26)
    metrics: Many[Key] = ()
    owner: Text | None = None
    estimator: Literal["holdback", "pre_post", "staggered"] = "pre_post"
    check_days: Many[int] = Field(default=(7, 14, 28), description="Days after shipping on which someone looks")


class RampStage(Part):
    """One stage of a ramp: how many take part, for how long, and who lets it go on."""

    share: Share
    days: int | None = Field(default=None, gt=0, le=365, description="Days that the stage runs at least")
    units: int | None = Field(default=None, gt=0, description="New units that the stage has at least")
    signs: Text | None = Field(default=None, description="Who signs before the next stage; nobody if missing")
    needs: Literal["no_harm", "non_inferior"] = Field(
        default="no_harm",
        description="What the next stage asks of every guardrail: no harm found, or shown to be within its margin",
    )


class Ramp(Part):
    """A guarded ramp: the share grows stage by stage, with guardrails tested at every reading, valid over the whole ramp."""

    stages: Many[RampStage] = Field(description="In order, with growing shares; the first is the share at launch")


class Looks(Part):
    """Who may look at effects, beyond when they are due."""

    agents: int | None = Field(
        default=None,
        ge=0,
        le=10_000,
        description="Looks at effects that programs may take for people: 0 forbids them; missing: no limit, all counted",
    )


class SignOff(Part):
    """Someone whose approval is needed before registering or shipping."""

    name: Text
    role: Text | None = None
    needed_for: Literal["register", "decide"] = "register"


class Link(Part):
    """Where more is to be read: the ticket, the design, the notebook."""

    title: Text
    url: Annotated[str, Field(pattern=r"^https?://[^\s<>\"']+$", max_length=2_000)]


class TemplateUse(Part):
    """Which template the plan started from."""

    name: Key
    version: int = Field(ge=1)
    digest: Key
