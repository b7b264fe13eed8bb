"""What comes after registering: the next steps as buttons, each opening what it needs beneath itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from xpbench.forms.field import box, button, html
from xpbench.forms.status import StatusBox, guarded
from xpbench.outward import html as escape
from xpbench.plan.metrics import Column

TRACKER = """import xpbench as xp

plan = xp.open_experiment({key!r}, root={root!r}).plan
with xp.Tracker(plan, mixpanel="YOUR-TOKEN", outbox="outbox.sqlite") as tracker:
    variant = tracker.expose(unit_id)   # the first call for a unit sends its exposure, exactly once"""


class NextSteps:
    """Buttons of what to do with a registered experiment.

    Args:
        status: Says what happened.
        source: Data that the plan was drafted from, offered to the readout.
        opened: Called with the name of a step; True where somebody else shows it (the workbench).
    """

    def __init__(self, status: StatusBox, *, source: Any = None, opened: Callable[[str], bool] = lambda _: False) -> None:
        self._status, self.source, self._opened = status, source, opened
        self.experiment: Any = None
        self.buttons: dict[str, Any] = {}
        self._row = box([], "xp-actions-left", "xp-next", across=True)
        self.place = box([], "xp-panel")
        self.widget = box([html("<h4>Next</h4>"), self._row, self.place], "xp-group")

    def open(self, experiment: Any) -> None:
        """Offer the steps that fit the experiment."""
        self.experiment = experiment
        assigned = experiment.plan.assignment is not None
        names = ["Preflight", "Hand-off", "Tracker code"] if assigned else []
        names += ["Readout", "Monitor notebook"]
        makers = {
            "Preflight": self.preflight,
            "Hand-off": self.handoff,
            "Tracker code": self.tracker,
            "Readout": self.readout,
            "Monitor notebook": self.monitor,
        }
        self.buttons = {
            name: button(name, guarded(self._status, makers[name]), *(("xp-primary",) if i == 0 else ()))
            for i, name in enumerate(names)
        }
        self._row.children = tuple(self.buttons.values())

    def preflight(self) -> None:
        """The hash over real ids, before launch."""
        if not self._opened("Preflight"):
            from xpbench.forms.preflight_panel import PreflightPanel

            self.place.children = (PreflightPanel(self.experiment).widget,)

    def readout(self) -> None:
        """Health, progress, and results when they are due."""
        if not self._opened("Readout"):
            from xpbench.forms.readout_panel import ReadoutPanel

            self.place.children = (ReadoutPanel(self.experiment, suggested=self.source).widget,)

    def tracker(self) -> None:
        """Code that exposes units."""
        root = str(Path(self.experiment.folder).parent)
        self._code("In the service that shows the change:", TRACKER.format(key=self.experiment.key, root=root))

    def handoff(self) -> None:
        """How a CMS or a warehouse assigns the same units."""
        key, root = self.experiment.key, Path(self.experiment.folder).parent
        lines = f"xpbench assign {root / key / 'plan.json'} ids.csv --out assigned.csv"
        self._code("Audience lists for a system that can't hash, from a file with one id a row:", lines)

    def monitor(self) -> None:
        """A notebook that shows progress and health while the experiment runs."""
        from xpbench.files import write_atomic
        from xpbench.notebooks import fill, read_template

        path = Path(f"{self.experiment.key}-monitor.ipynb")
        if path.exists():
            self._status.say(f"{path} is there already; open it from the file browser.", mood="good")
            return
        data = self.source if isinstance(self.source, (str, Path)) else ""
        kind = "units" if any(isinstance(m, Column) for m in self.experiment.plan.metrics) else "events"
        root = str(Path(self.experiment.folder).parent)
        values = {"key": self.experiment.key, "root": root, "data": str(data), "kind": kind, "variant_column": ""}
        made = fill(read_template("monitor"), values)
        write_atomic(path, (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode())
        self._status.say(f"Wrote {path}: open it from the file browser and run it.", mood="good")

    def _code(self, says: str, code: str) -> None:
        self.place.children = (html(f"<p>{escape(says)}</p><pre class='xp-code' tabindex='0'>{escape(code)}</pre>"),)
