"""Live sample size, smallest detectable lift and duration beside the plan, with the power curve."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any

from xpbench.canonical import digest
from xpbench.errors import InvalidPlan, XpbenchError
from xpbench.forms.field import box, html
from xpbench.forms.panel import ViewPlace
from xpbench.plan import Plan

if TYPE_CHECKING:
    from xpbench.forecast.power import PowerReport

DELAY_SECONDS = 0.4
"""Pause after the last change before anything is computed."""
PARTS = ("model", "horizon", "planning", "correction", "metrics", "variants", "hypothesis")
SIZES = 12


class SizeBox:
    """Computes in the background, so that typing is never held up; the last change wins.

    Args:
        failed: Gets errors.
        done: Called when something was computed.

    Attributes:
        lines: What was computed last.
        report: The same as numbers; None while nothing is known of the plan as it is now.
    """

    def __init__(self, failed: Callable[[BaseException], None], done: Callable[[], None] | None = None) -> None:
        self._failed = failed
        self._done = done
        self.report: PowerReport | None = None
        self._timer: threading.Timer | None = None
        self._wanted = ""
        self.lines: list[str] = []
        self._text = html("<p class='xp-help'>Sample size appears when the plan has a baseline for its primary metric.</p>")
        self.place = ViewPlace()
        self.widget = box([html("<h4>What this plan can find</h4>"), self._text, self.place.widget], "xp-group")

    def update(self, value: dict[str, Any]) -> None:
        """Compute for this plan soon, unless nothing that matters has changed."""
        try:
            plan = Plan(**value)
        except InvalidPlan:
            return
        if plan.problems():
            return
        wanted = digest({k: v for k, v in plan.to_dict().items() if k in PARTS})
        if wanted == self._wanted:
            return
        self._wanted, self.report = wanted, None
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(DELAY_SECONDS, self._run, (plan, wanted))
        self._timer.daemon = True
        self._timer.start()

    def wait(self, seconds: float = 30.0) -> None:
        """Wait until what was asked for is computed."""
        if self._timer is not None:
            self._timer.join(seconds)

    def _run(self, plan: Plan, wanted: str) -> None:
        try:
            self.compute(plan, wanted)
        except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
            self._failed(error)

    def compute(self, plan: Plan, wanted: str = "") -> None:
        """Compute now and show it, unless something else has been asked for meanwhile."""
        from xpbench.forecast.power import plan_power, power_points  # bring scipy.stats, which the first form can wait for
        from xpbench.views.power import power_curve

        report = plan_power(plan)
        lines = [line.strip() for line in repr(report).splitlines()]
        horizon = plan.horizon.units or 40_000
        sizes = [round(horizon * 2 * (i + 1) / SIZES) for i in range(SIZES)]
        try:
            points = power_points(plan, sizes=sizes)
        except XpbenchError as error:
            points, lines = [], [*lines, error.what]
        if wanted and wanted != self._wanted:
            return
        self.lines, self.report = lines, report
        if self._done is not None:
            self._done()
        self._text.value = f"<p><b>{escape(lines[0])}</b></p>" + "".join(f"<p>{escape(line)}</p>" for line in lines[1:])
        if points:
            name = next(m.label for m in plan.metrics_with("primary") if m.key in plan.planning.baselines)
            self.place.show(power_curve(points, metric=name, target=plan.planning.power, horizon=plan.horizon.units))
        else:
            self.place.show()
