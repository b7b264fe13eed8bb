"""The preflight panel: the real hash over real ids before launch, and the launch itself on record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xpbench.errors import InputError, plain
from xpbench.experiment import Experiment
from xpbench.forms.field import MISSING, box, html
from xpbench.forms.inputs import TextLeaf
from xpbench.forms.panel import Panel, ViewPlace
from xpbench.forms.readout_panel import experiment_of
from xpbench.outward import html as escape
from xpbench.plan import Plan
from xpbench.randomiser.tables import header, whole, without_empty
from xpbench.views import bucket_heatmap, exposure_split
from xpbench.views.preflight import PreflightCard, preflight_balance, preflight_findings
from xpbench.views.view import View

if TYPE_CHECKING:
    from xpbench.randomiser.preflight.report import Preflight


class PreflightPanel(Panel):
    """Panel that runs the preflight of a plan.

    Args:
        subject: An experiment, its key, or a plan.
        ids: Ids of the units; left out, the panel asks for a file.
        history: Metrics from before, one row per unit.
        root: Folder of experiments, for a key.

    Attributes:
        report: The last preflight, None before.
    """

    def __init__(
        self, subject: Experiment | Plan | str, ids: Any = None, *, history: Any = None, root: str | Path = "experiments"
    ) -> None:
        super().__init__()
        self.experiment = None if isinstance(subject, Plan) else experiment_of(subject, root)
        self.plan: Plan = subject if isinstance(subject, Plan) else experiment_of(subject, root).plan
        self.ids, self.history = ids, history
        self.report: Preflight | None = None
        self.path = TextLeaf("File with unit ids", about="CSV or Parquet, one id a row")
        self.column = TextLeaf("Column", default=self.plan.unit, about="The plan's unit if empty")
        given = html("<p class='xp-help'>Unit ids were given in code.</p>")
        asked = given if ids is not None else box([self.path.widget, self.column.widget], "xp-row", across=True)
        self.run_button = self.button("Run preflight", self.run, "xp-primary")
        self.launch_button = self.button("Record the launch", self.launch)
        self.launch_button.disabled = True
        self.place = ViewPlace()
        self.main.children = (
            html(f"<h3 dir='auto'>Preflight: {escape(self.plan.title)}</h3>"),
            asked,
            box([self.launch_button, self.run_button], "xp-actions", across=True),
            self.place.widget,
        )
        self.status.say("Nothing was assigned yet.")

    def _read(self) -> Any:
        if self.ids is not None:
            return self.ids
        path, column = self.path.get(), self.column.get()
        if path is MISSING:
            return MISSING
        file = Path(str(path).strip())
        name = self.plan.unit if column is MISSING else str(column)
        known = header(file)
        if name not in known:
            rule = plain(f"The file has the columns {', '.join(known[:20])}")
            raise InputError("XPB-I04", name="Column", value=name, rule=rule, remedy=plain("Name one of them"))
        return without_empty(whole(file, as_text=(name,))[name])

    def run(self) -> None:
        """Run the preflight and show what it found."""
        import xpbench as xp

        ids = self._read()
        if ids is MISSING:
            self.refuse("Give the file with the unit ids first.")
            return
        self.status.say("Hashing …", mood="busy")
        report = xp.preflight(self.plan, ids, self.history)
        self.report = report
        self.place.show(*self.views(ids))
        self.launch_button.disabled = self.experiment is None or not report.ok
        self.status.say(preflight_findings(report).title, mood="good" if report.ok else "bad")
        self.update_twin()

    def views(self, ids: Any) -> list[View]:
        """Findings, realised split, buckets, balance."""
        if self.report is None:
            return []
        overall = {s.variant: s for s in self.report.splits if s.group == ""}
        split = exposure_split(
            {k: s.units for k, s in overall.items()},
            {k: s.planned for k, s in overall.items()},
            alpha=self.plan.health.srm_alpha,
            warn=self.plan.health.srm_warn_alpha,
            labels={v.key: v.label for v in self.plan.variants},
        )
        balance = preflight_balance(self.report)
        return [preflight_findings(self.report), split, *self._buckets(ids), *([balance] if balance else [])]

    def _buckets(self, ids: Any) -> list[View]:
        """Units over the hash in hundredths, coloured by the variant that most units of a hundredth get.

        For Mixpanel's hash these are its 100 buckets; the native hash is finer and is shown in as many parts.
        """
        from xpbench.randomiser.assigning import assign
        from xpbench.randomiser.hashing import buckets, uniform
        from xpbench.randomiser.plan_randomiser import Randomiser

        assignment = self.plan.assignment
        if assignment is None:
            return []
        got = np.array(list(assign(self.plan, ids)), dtype=object)
        if assignment.hash == "mixpanel":
            place = np.asarray(buckets(ids, salt=Randomiser(self.plan).flag.variant_salt)).astype(int)
        else:
            drawn = np.asarray(uniform(ids, salt=assignment.salt or self.plan.key))
            place = np.floor(np.nan_to_num(drawn, nan=-1.0) * 100).astype(int)
        counts = np.bincount(place[place >= 0], minlength=100)
        owners = []
        for bucket in range(100):
            names = [v for v in got[place == bucket] if v is not None]
            owners.append(max(set(names), key=names.count) if names else "")
        return [bucket_heatmap([int(c) for c in counts], owners=owners)]

    def launch(self) -> None:
        """Record that units are being assigned from now on."""
        if self.experiment is None:
            self.refuse("Register the plan first.")
            return
        self.experiment.launch()
        self.launch_button.disabled = True
        self.status.say("The launch is on record.", mood="good")

    def twin(self) -> PreflightCard:
        """The static summary."""
        return PreflightCard(self.report, key=self.plan.key)

    def to_dict(self) -> dict[str, Any]:
        """The report."""
        return {} if self.report is None else dict(self.report.to_dict())

    def __repr__(self) -> str:
        return f"PreflightPanel({self.plan.key!r})"
