"""What an audit says: agreement of the log with the hash, and the causes where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from xpbench.errors import number_of, shown
from xpbench.randomiser.findings import jsonable
from xpbench.randomiser.html import paragraph, table
from xpbench.shows import Shows


@dataclass(frozen=True, slots=True)
class Cause:
    """Why some rows of the log don't have the variant that the hash gives.

    Attributes:
        name: `swapped_labels`, `variant_order`, `float32_buckets`, `groups_reordered`, `wrong_salt`, `split_changed`,
            `id_cast`, `case_or_whitespace`, `encoding`, `id_type_switched`, `id_prefixed`, `id_cut`, `id_hashed`,
            `override_list`, `second_sdk`, `late_bucketing`, `holdout_leak`, `layer_leak`, `outside_rollout`, or `unknown`.
        detail: What exactly, in words.
        rows: Rows that it explains.
        units: Units among them.
        explained: Share of the rows it applies to that it explains; NaN where the cause is read off a pattern and no
            variant could be recomputed.
        by_variant: Its rows by logged variant.
        first: Time of the first such row (ISO, UTC), or its position where the log has no time.
        last: Of the last.
        remedy: What to do.
    """

    name: str
    detail: str
    rows: int
    units: int
    explained: float
    by_variant: Mapping[str, int]
    first: str | int
    last: str | int
    remedy: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: jsonable(getattr(self, name)) for name in self.__slots__}

    def __str__(self) -> str:
        return f"{self.name}: {number_of(self.rows, 'row')}, {self.detail}"


REMEDIES = {
    "swapped_labels": "Exchange the labels in the log, after you have checked which content each label showed.",
    "variant_order": "List the variants by key in the flag; analyse what was logged, which is what units saw.",
    "float32_buckets": "Write splits whose sums agree in every SDK (xpbench sync does); analyse what was logged.",
    "groups_reordered": "Put the rollout groups back in the order of the plan; leave units of the other order out.",
    "id_prefixed": "Hash and log one spelling of the id; units were assigned consistently if the app always had the prefix.",
    "id_cut": "Hash the whole id: ids with the same beginning share a variant.",
    "id_hashed": "Join through the id behind the digest, and audit with that id.",
    "holdout_leak": "Check the holdout in the app; leave its units out of this experiment and out of the holdout.",
    "layer_leak": "Check the range of the layer in the app; units outside of it belong to other experiments.",
    "wrong_salt": "Find which service has another salt and leave its rows out; they were randomised by other numbers.",
    "split_changed": "Analyse the time before and after the change apart, or only units exposed before it.",
    "id_cast": "Repair the id where it is cast, then join again; units were assigned consistently if the app always cast.",
    "case_or_whitespace": "Normalise the id in one place, before it is hashed and before it is logged.",
    "encoding": "Use UTF-8 where the id is hashed and where it is logged.",
    "id_type_switched": "Hash one id for the life of a unit: the device id before and after login, or only logged-in units.",
    "override_list": "Leave listed units out of the analysis: they were not randomised.",
    "second_sdk": "Let one implementation assign; leave the rows of the other out.",
    "late_bucketing": "Send the exposure only after the variant is known; leave units out that saw the default first.",
    "outside_rollout": "Check the rollout share in the app; units outside of it must not be exposed.",
    "unknown": "Look at the rows: `report.mismatches` has their positions.",
}


@dataclass(frozen=True, slots=True)
class Audit(Shows):
    """Does the log show the variants that the hash gives?

    Attributes:
        subject: Key of the plan or flag.
        rows: Exposures compared.
        units: Units among them.
        agreement: Share of rows with the variant that the hash gives; NaN without rows.
        disagreeing: Rows with another.
        first_divergence: Time of the first disagreement (ISO, UTC), or its position without a time column; None without one.
        affected: Share of disagreeing rows by logged variant.
        causes: Named causes, the largest first.
        missing_variant: Rows without a logged variant; not compared.
        unknown_variants: Logged variants that the subject does not have, with their rows; not compared.
        null_ids: Rows without an id; not compared.
        mismatches: Positions of the disagreeing rows among the subject's rows.
    """

    rows_of_frame: ClassVar[str] = "causes"

    subject: str
    rows: int
    units: int
    agreement: float
    disagreeing: int
    first_divergence: str | int | None
    affected: Mapping[str, float]
    causes: tuple[Cause, ...]
    missing_variant: int
    unknown_variants: Mapping[str, int]
    null_ids: int
    mismatches: NDArray[np.int64]

    @property
    def ok(self) -> bool:
        """Whether there were rows to compare, every one agrees, and none names an unknown variant."""
        return self.rows > 0 and self.disagreeing == 0 and not self.unknown_variants

    @property
    def findings(self) -> tuple[Cause, ...]:
        """The causes; empty for a clean log."""
        return self.causes

    def to_dict(self) -> dict[str, Any]:
        """The report as a JSON value; of the disagreeing rows the first 1,000 positions."""
        return {
            "subject": self.subject,
            "ok": self.ok,
            "rows": self.rows,
            "units": self.units,
            "agreement": jsonable(self.agreement),
            "disagreeing": self.disagreeing,
            "first_divergence": self.first_divergence,
            "affected": jsonable(self.affected),
            "causes": [c.to_dict() for c in self.causes],
            "missing_variant": self.missing_variant,
            "unknown_variants": dict(self.unknown_variants),
            "null_ids": self.null_ids,
            "mismatches": self.mismatches[:1000].tolist(),
        }

    def __repr__(self) -> str:
        out = self._left_out()
        causes = ", ".join(f"{c.name} {c.rows:,}" for c in self.causes)
        causes = causes or (
            "no finding" if self.ok else "nothing that was compared differs" if self.rows else "nothing compared"
        )
        agreement = f", agreement {self.agreement:.4%}" if self.rows else ""
        missed = f"; not compared: {', '.join(f'{what} {rows:,}' for what, rows in out)}" if out else ""
        return f"Audit({shown(self.subject)}, {number_of(self.rows, 'row')}{agreement}: {causes}{missed})"

    def _left_out(self) -> list[tuple[str, int]]:
        odd = [("no variant logged", self.missing_variant), ("no id", self.null_ids)]
        odd += [(f"unknown variant {shown(k)}", v) for k, v in self.unknown_variants.items()]
        return [(what, rows) for what, rows in odd if rows]

    def _repr_html_(self) -> str:
        out = paragraph(
            f"Audit of {shown(self.subject)}: {number_of(self.rows, 'exposure')} of {number_of(self.units, 'unit')}, "
            f"{self.disagreeing:,} with another variant than the hash gives (agreement {self.agreement:.4%})."
            if self.rows
            else f"Audit of {shown(self.subject)}: nothing could be compared."
        )
        if self.first_divergence is not None:
            out += paragraph(f"First divergence: {self.first_divergence}")
        if self.disagreeing:
            out += table(
                ["variant in the log", "share of its rows that disagree"],
                [[k, v] for k, v in self.affected.items()],
                caption="Affected share",
            )
            out += table(
                ["cause", "what exactly", "rows", "units", "from", "to", "what to do"],
                [[c.name, c.detail, c.rows, c.units, str(c.first), str(c.last), c.remedy] for c in self.causes],
                caption="Causes",
            )
        odd = self._left_out()
        if odd:
            out += table(["not compared", "rows"], [list(r) for r in odd], caption="Left out")
        return out
