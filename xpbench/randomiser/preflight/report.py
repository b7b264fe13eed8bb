"""What a preflight says: the split, dependence on other experiments, balance, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from xpbench.errors import number_of, shown
from xpbench.randomiser.findings import RandomiserFinding, jsonable
from xpbench.randomiser.html import paragraph, table
from xpbench.randomiser.preflight.association import Association
from xpbench.randomiser.preflight.balance import Balance
from xpbench.shows import Shows


@dataclass(frozen=True, slots=True)
class SplitRow:
    """One variant in one rollout group, or over all of them.

    Attributes:
        group: Key of the rollout group, "" for all.
        variant: Key of the variant.
        planned: Share that the plan or flag names.
        forced: Share that the hash would give to unlimited ids; differs from `planned` where the hash can't do better.
        units: Units of the ids given.
        share: Their share.
    """

    group: str
    variant: str
    planned: float
    forced: float
    units: int
    share: float

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: jsonable(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Correlation:
    """Dependence between this subject and another live flag or plan on the same ids.

    Attributes:
        other: Key of the other.
        same_ids: On the ids given.
        forced: On a million made-up ids, where both use Mixpanel's hash; None elsewhere.
    """

    other: str
    same_ids: Association
    forced: Association | None

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "other": self.other,
            "same_ids": self.same_ids.to_dict(),
            "forced": self.forced.to_dict() if self.forced else None,
        }


@dataclass(frozen=True, slots=True)
class Preflight(Shows):
    """What the randomiser will do to these units.

    Attributes:
        subject: Key of the plan or flag.
        hash: `sha256` or `mixpanel`.
        units: Ids given.
        assigned: Units with a variant.
        nulls, empty, duplicates: Ids that are null, empty text, or there already.
        splits: Planned, forced and realised share by rollout group and variant.
        p_value: SRM test of the realised against the planned split, over all groups; NaN without units.
        alpha: Level at which an SRM check will fail.
        srm_probability: Chance that an SRM check at `alpha` fails with this many units through the hash alone; `alpha` where
            the hash forces no deviation.
        correlations: Against other live flags and plans.
        balance: Metrics of history, each variant against the control.
        findings: What was found, the gravest first.
    """

    rows_of_frame: ClassVar[str] = "splits"

    subject: str
    hash: str
    units: int
    assigned: int
    nulls: int
    empty: int
    duplicates: int
    splits: tuple[SplitRow, ...]
    p_value: float
    alpha: float
    srm_probability: float
    correlations: tuple[Correlation, ...]
    balance: tuple[Balance, ...]
    findings: tuple[RandomiserFinding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing keeps from launching."""
        return not any(f.level == "fail" for f in self.findings)

    def finding(self, name: str) -> RandomiserFinding | None:
        """The first finding of a name."""
        return next((f for f in self.findings if f.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """The report as a JSON value."""
        return {
            "subject": self.subject,
            "hash": self.hash,
            "ok": self.ok,
            "units": self.units,
            "assigned": self.assigned,
            "nulls": self.nulls,
            "empty": self.empty,
            "duplicates": self.duplicates,
            "splits": [s.to_dict() for s in self.splits],
            "p_value": jsonable(self.p_value),
            "alpha": self.alpha,
            "srm_probability": jsonable(self.srm_probability),
            "correlations": [c.to_dict() for c in self.correlations],
            "balance": [b.to_dict() for b in self.balance],
            "findings": [f.to_dict() for f in self.findings],
        }

    def __repr__(self) -> str:
        verdict = "ok" if self.ok else "not ok"
        names = ", ".join(f.name for f in self.findings) or "no findings"
        return f"Preflight({shown(self.subject)}, {number_of(self.units, 'unit')}, {verdict}: {names})"

    def _repr_html_(self) -> str:
        verdict = "Nothing keeps from launching." if self.ok else "Do not launch like this."
        out = paragraph(f"Preflight of {shown(self.subject)} with the {self.hash} hash on {self.units:,} ids. {verdict}")
        out += table(
            ["rollout group", "variant", "planned", "forced by the hash", "units", "share"],
            [[r.group or "all", r.variant, r.planned, r.forced, r.units, r.share] for r in self.splits],
            caption=f"Split: SRM p = {self.p_value:.4g}, chance of an SRM alarm by the hash alone {self.srm_probability:.3g}",
        )
        if self.findings:
            out += table(
                ["finding", "level", "what", "what to do"],
                [[f.name, f.level, f.message, f.remedy] for f in self.findings],
                caption="Findings",
            )
        if self.correlations:
            out += table(
                ["other flag or plan", "φ on these ids", "p", "φ forced by the hash"],
                [[c.other, c.same_ids.phi, c.same_ids.p_value, c.forced.phi if c.forced else None] for c in self.correlations],
                caption="Dependence on other live flags",
            )
        if self.balance:
            out += table(
                ["metric before", "variant", "units", "mean of control", "mean", "difference in sd", "p"],
                [[b.metric, b.variant, b.n, b.mean_reference, b.mean, b.standardised, b.p_value] for b in self.balance],
                caption="Balance before the experiment",
            )
        return out
