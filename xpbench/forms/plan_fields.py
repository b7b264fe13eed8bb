"""The fields of a plan: built from the model, but for what needs more than a plain control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xpbench.forms import labels as words
from xpbench.forms.build import default_of, help_of, kinds_of, label_of, object_field
from xpbench.forms.composites import KindField, ObjectField
from xpbench.forms.field import MISSING, Field
from xpbench.forms.inputs import ChoiceLeaf, SuggestLeaf
from xpbench.forms.metric_table import MetricTable
from xpbench.forms.splits import VariantTable
from xpbench.plan import Plan

TOPICS: dict[tuple[str, str], str] = {
    ("Claim", "metric"): "metrics",
    ("Ratio", "numerator"): "metrics",
    ("Ratio", "denominator"): "metrics",
    ("Column", "column"): "numbers",
    ("Conversion", "event"): "events",
    ("Count", "event"): "events",
    ("Sum", "event"): "events",
    ("Mean", "event"): "events",
    ("Retention", "event"): "events",
    ("Quantile", "event"): "events",
    ("Step", "event"): "events",
    ("Sum", "property"): "amounts",
    ("Mean", "property"): "amounts",
    ("Quantile", "property"): "amounts",
    ("Filter", "property"): "properties",
    ("Plan", "unit"): "ids",
    ("Plan", "members"): "ids",
    ("Exposure", "event"): "events",
    ("Exposure", "experiment"): "experiments",
    ("Exposure", "experiment_property"): "properties",
    ("Exposure", "variant_property"): "properties",
    ("Variant", "key"): "variants",
}
"""Fields that can be a choice of what the data hold, and of what."""


class Suggestions:
    """What is known for each topic, offered by every field that asks for it, whenever it was made."""

    def __init__(self) -> None:
        self._fields: dict[str, list[SuggestLeaf]] = {}
        self._known: dict[str, Sequence[str] | Mapping[str, str]] = {}

    def field(self, topic: str, made: SuggestLeaf) -> SuggestLeaf:
        """Take a field in."""
        self._fields.setdefault(topic, []).append(made)
        if topic in self._known:
            made.suggest(self._known[topic])
        return made

    def offer(self, topic: str, known: Sequence[str] | Mapping[str, str]) -> None:
        """Offer these values from now on."""
        if self._known.get(topic) == known:
            return
        self._known[topic] = known
        for field in self._fields.get(topic, ()):
            field.suggest(known)


def plan_fields() -> tuple[ObjectField, Suggestions]:
    """All fields of a plan, and what those of them that name something in the data can be offered."""
    suggestions = Suggestions()

    def suggesting(topic: str) -> Any:
        def made(owner: Any, key: str, info: Any) -> Field:
            default = default_of(info)
            leaf = SuggestLeaf(
                label_of(owner, key), about=help_of(owner, key, info), default=MISSING if default is None else default
            )
            return suggestions.field(topic, leaf)

        return made

    def metrics(_: Any, __: str, ___: Any) -> Field:
        return MetricTable("In the order of the readout", about="Select one to edit it.", special=special)

    def variants(_: Any, __: str, ___: Any) -> Field:
        return VariantTable("Who sees what", about="One of them is the control.", special=special)

    def model(owner: Any, key: str, info: Any) -> Field:
        kinds = kinds_of(info.annotation)
        choice = ChoiceLeaf("Model", list(kinds), words=words.CHOICES, default="group_sequential")
        return KindField(
            choice,
            lambda k: object_field(kinds[k], leave_out=("kind",), special=special),
            aside=lambda k: words.GUIDES.get(k, ""),
        )

    special: dict[tuple[str, str], Any] = {
        ("Plan", "metrics"): metrics,
        ("Plan", "variants"): variants,
        ("Plan", "model"): model,
        **{at: suggesting(topic) for at, topic in TOPICS.items()},
    }
    return object_field(Plan, special=special), suggestions
