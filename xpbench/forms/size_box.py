"""Live sample size, power and duration next to the plan, with the power curve; whatever of the texts is still missing."""

from __future__ import annotations

import copy
import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from xpbench.canonical import digest
from xpbench.errors import InvalidPlan, XpbenchError
from xpbench.forms.field import box, html
from xpbench.forms.panel import ViewPlace
from xpbench.forms.plain_problems import in_words
from xpbench.outward import html as escape
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.forecast.power import PowerReport

DELAY_SECONDS = 0.4
"""Pause after the last change before anything is computed."""
PARTS = ("model", "horizon", "planning", "correction", "metrics", "variants", "hypothesis", "decision")
SIZES = 12


def sizable(value: Mapping[str, Any]) -> tuple[Plan | None, str]:
    """The plan with placeholders for the texts that no size depends on; without a plan, what the size still needs."""
    whole = copy.deepcopy(dict(value))
    for name in ("title", "key", "owner"):
        if not str(whole.get(name) or "").strip():
            whole[name] = "draft"
    whole["key"] = "draft"
    hypothesis = whole.get("hypothesis")
    whole["hypothesis"] = hypothesis = dict(hypothesis) if isinstance(hypothesis, Mapping) else {}
    for name in ("if", "because"):
        if not str(hypothesis.get(name) or "").strip():
            hypothesis[name] = "…"
    metrics = [m for m in whole.get("metrics") or [] if isinstance(m, Mapping)]
    primary = next((m for m in metrics if m.get("role") == "primary" and m.get("key")), None)
    if primary is None:
        return None, "Add the metric that decides, and its size appears here."
    baselines = (whole.get("planning") or {}).get("baselines") or {}
    if not any(m.get("key") in baselines for m in metrics if m.get("role") == "primary"):
        return None, f"Give a baseline for {primary['key']}, and its sample size appears here."
    if not hypothesis.get("then"):
        hypothesis["then"] = [{"metric": primary["key"], "direction": primary.get("direction", "increase")}]
    try:
        plan = Plan(**whole)
    except InvalidPlan as error:
        return None, f"The size needs one thing more: {in_words(error.problems[0])}"
    found = plan.problems()
    return (None, f"The size needs one thing more: {in_words(found[0])}") if found else (plan, "")


def size_lines(report: PowerReport) -> list[str]:
    """What the plan can find, a line for each metric with a question, and what is missing in the words of the form."""
    lines = [line.strip() for line in repr(report).splitlines()]
    lines[0] = re.sub(r"^Power of \S+, planned", "Planned power", lines[0])
    said = []
    for line in lines:
        line = re.sub(r"no baseline; set planning\.baselines\.\S+", "needs a baseline", line)
        said.append(re.sub(r"no standard deviation; set planning\.sds\.\S+", "needs a standard deviation per unit", line))
    return said


class SizeBox:
    """Computes in the background, so that typing is never held up; the last change wins.

    Args:
        failed: Told of errors.
        computed: Called in the background once a report is there.

    Attributes:
        lines: What was computed last.
        report: The same as numbers; None where nothing can be computed.
    """

    def __init__(self, failed: Callable[[BaseException], None], computed: Callable[[], None] = lambda: None) -> None:
        self._failed, self._computed = failed, computed
        self._timer: threading.Timer | None = None
        self._wanted = ""
        self._of = ""
        self.lines: list[str] = []
        self.report: PowerReport | None = None
        self.needs = ""
        self._text = html("")
        self.pace: Any = None
        self.reductions: Mapping[str, float] = {}
        self.place = ViewPlace()
        self.by_days = html("")
        self.widget = box([html("<h4>What this plan can find</h4>"), self._text, self.place.widget, self.by_days], "xp-group")

    @property
    def is_current(self) -> bool:
        """Whether what was computed last belongs to the plan as it is."""
        return bool(self._wanted) and self._of == self._wanted

    def update(self, value: dict[str, Any]) -> None:
        """Compute for this plan soon, unless nothing that matters has changed."""
        plan, self.needs = sizable(value)
        if plan is None:
            self._wanted, self.report, self.lines = "", None, []
            self._text.value = f'<p class="xp-help">{escape(self.needs)}</p>'
            self.by_days.value = ""
            self.place.show()
            return
        wanted = digest({k: v for k, v in plan.to_dict().items() if k in PARTS})
        if wanted == self._wanted:
            return
        self._wanted = wanted
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(DELAY_SECONDS, self._run, (plan, wanted))
        self._timer.daemon = True
        self._timer.start()

    def wait(self, seconds: float = 30.0) -> None:
        """Wait until what was asked for is computed."""
        if self._timer is not None and self._timer is not threading.current_thread():
            self._timer.join(seconds)

    def _run(self, plan: Plan, wanted: str) -> None:
        try:
            self.compute(plan, wanted)
        except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
            self._failed(error)

    def compute(self, plan: Plan, wanted: str = "") -> None:
        """Compute now and show it, unless something else has been asked for meanwhile."""
        from xpbench.forecast.power import plan_power, power_points  # brings scipy, which the first form can wait for
        from xpbench.forecast.size_table import size_table
        from xpbench.views.power import power_curve

        report = plan_power(plan)
        if wanted and wanted != self._wanted:
            return
        self.report, self._of = report, wanted
        self.lines = size_lines(report)
        self._text.value = f"<p><b>{escape(self.lines[0])}</b></p>" + "".join(
            f"<p>{escape(line)}</p>" for line in self.lines[1:]
        )
        self._computed()
        horizon = plan.horizon.units or 40_000
        sizes = [round(horizon * 2 * (i + 1) / SIZES) for i in range(SIZES)]
        try:
            points = power_points(plan, sizes=sizes)
        except XpbenchError as error:
            points = []
            self._text.value += f"<p>{escape(error.what)}</p>"
        if wanted and wanted != self._wanted:
            return
        views = []
        if points:
            name = next(m.label for m in plan.metrics_with("primary") if m.key in plan.planning.baselines)
            views.append(power_curve(points, metric=name, target=plan.planning.power, horizon=plan.horizon.units))
        if plan.planning.daily_units:
            table = size_table(plan, accrual=self.pace, reductions=self.reductions)
            self.by_days.value = f"<h4>Lift by days at this traffic</h4>{table._repr_html_()}"
            views += [table.plot()] if table.rows else []
        else:
            self.by_days.value = '<p class="xp-help">With the new units a day, a table of lift by days appears here.</p>'
        self.place.show(*views)
