"""Live sample size, smallest detectable lift and duration beside the plan, with the power curve."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from xpbench.canonical import digest
from xpbench.errors import InvalidPlan, XpbenchError
from xpbench.forms.field import box, html
from xpbench.forms.panel import ViewPlace
from xpbench.outward import html as escape
from xpbench.plan import Plan

DELAY_SECONDS = 0.4
"""Pause after the last change before anything is computed."""
PARTS = ("model", "horizon", "planning", "correction", "metrics", "variants", "hypothesis")
SIZES = 12


def size_lines(plan: Plan) -> list[str]:
    """What the plan can find, a line for each metric with a question."""
    from xpbench.forecast.power import plan_power  # brings scipy.stats, which the first form on the screen can wait for

    return [line.strip() for line in repr(plan_power(plan)).splitlines()]


class SizeBox:
    """Computes in the background, so that typing is never held up; the last change wins.

    Args:
        failed: Told of errors.

    Attributes:
        lines: What was computed last.
    """

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
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
        self._wanted = wanted
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
        from xpbench.forecast.power import power_points
        from xpbench.views.power import power_curve

        lines = size_lines(plan)
        horizon = plan.horizon.units or 40_000
        sizes = [round(horizon * 2 * (i + 1) / SIZES) for i in range(SIZES)]
        try:
            points = power_points(plan, sizes=sizes)
        except XpbenchError as error:
            points, lines = [], [*lines, error.what]
        if wanted and wanted != self._wanted:
            return
        self.lines = lines
        self._text.value = f"<p><b>{escape(lines[0])}</b></p>" + "".join(f"<p>{escape(line)}</p>" for line in lines[1:])
        if points:
            name = next(m.label for m in plan.metrics_with("primary") if m.key in plan.planning.baselines)
            self.place.show(power_curve(points, metric=name, target=plan.planning.power, horizon=plan.horizon.units))
        else:
            self.place.show()
