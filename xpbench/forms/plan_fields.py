"""The fields of a plan: built from the model, but for what needs more than a plain control."""

from __future__ import annotations

from typing import Any

import ipywidgets as ipw

from xpbench.forms import labels as words
from xpbench.forms.build import help_of, kinds_of, label_of, object_field
from xpbench.forms.composites import KindField, ObjectField
from xpbench.forms.field import Field, shared_layout, shared_style, styled
from xpbench.forms.inputs import ChoiceLeaf, TextLeaf
from xpbench.forms.metric_table import MetricTable
from xpbench.forms.splits import VariantTable
from xpbench.plan import Plan


class ReferenceLeaf(TextLeaf):
    """Key of a metric: any text, with the keys of the plan as suggestions."""

    def __init__(self, label: str, *, about: str = "") -> None:
        super().__init__(label, about=about)
        combo = ipw.Combobox(
            description=label, options=(), ensure_option=False, continuous_update=False, layout=shared_layout(),
            style=shared_style(ipw.Combobox),
        )  # fmt: skip
        self.control = styled(combo, "xp-control")
        combo.observe(self._observed, names="value")
        self.widget.children = (combo, self.note)

    def suggest(self, keys: list[str]) -> None:
        """Offer these keys."""
        if tuple(self.control.options) != tuple(keys):
            self.control.options = tuple(keys)


def plan_fields() -> tuple[ObjectField, list[ReferenceLeaf]]:
    """All fields of a plan, and those among them that name a metric; more of these come as metrics are added."""
    references: list[ReferenceLeaf] = []

    def reference(model: Any, key: str, info: Any) -> Field:
        made = ReferenceLeaf(label_of(model, key), about=help_of(model, key, info))
        references.append(made)
        return made

    def metrics(_: Any, __: str, ___: Any) -> Field:
        return MetricTable("In the order of the readout", about="Select one to edit it.", special=special)

    def variants(_: Any, __: str, ___: Any) -> Field:
        return VariantTable("Who sees what", about="One of them is the control.", special=special)

    def model(owner: Any, key: str, info: Any) -> Field:
        kinds = kinds_of(info.annotation)
        choice = ChoiceLeaf("Model", list(kinds), words=words.CHOICES, default="sequential")
        return KindField(
            choice,
            lambda k: object_field(kinds[k], leave_out=("kind",), special=special),
            aside=lambda k: words.GUIDES.get(k, ""),
        )

    special: dict[tuple[str, str], Any] = {
        ("Plan", "metrics"): metrics,
        ("Plan", "variants"): variants,
        ("Plan", "model"): model,
        ("Claim", "metric"): reference,
        ("Ratio", "numerator"): reference,
        ("Ratio", "denominator"): reference,
    }
    return object_field(Plan, special=special), references
