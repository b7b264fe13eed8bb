"""A preflight report as views: realised split against plan, what was found, buckets, balance, correlations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.outward import for_terminal
from xpbench.outward import html as escape
from xpbench.views import numbers
from xpbench.views.table import Table, TableColumn
from xpbench.views.view import View

SIGNS = {"fail": "✕", "warn": "▲", "info": "○"}
ORDER = {"fail": 0, "warn": 1, "info": 2}


def preflight_findings(report: Any) -> View:
    """What a preflight found, the gravest first.

    Args:
        report: A `Preflight`, or a dictionary in its shape.
    """
    plain: Mapping[str, Any] = report if isinstance(report, Mapping) else report.to_dict()
    rows = sorted(plain["findings"], key=lambda f: ORDER.get(f["level"], 3))
    shown = [
        {"sign": SIGNS.get(f["level"], ""), "level": f["level"], "message": f["message"], "remedy": f["remedy"]} for f in rows
    ]
    failed = [f for f in rows if f["level"] == "fail"]
    warned = [f for f in rows if f["level"] == "warn"]
    if failed:
        title = f"Don't launch: {failed[0]['message']}"
    elif warned:
        title = f"Nothing keeps from launching; {len(warned)} finding{'s' * (len(warned) != 1)} to look at"
    else:
        title = f"Ready to launch: {plain['assigned']:,} of {plain['units']:,} units get a variant"
    columns = (
        TableColumn("sign", ""),
        TableColumn("level", "Level"),
        TableColumn("message", "What was found"),
        TableColumn("remedy", "What to do"),
    )
    items = "".join(
        f"<li><b>{SIGNS.get(f['level'], '')} {escape(f['level'])}:</b> {escape(f['message'])} {escape(f['remedy'])}</li>"
        for f in rows
    )
    said = (
        f"<p>{plain['units']:,} ids, {plain['assigned']:,} assigned, {plain['nulls']:,} null, {plain['empty']:,} empty, "
        f"{plain['duplicates']:,} doubled; hash {escape(str(plain['hash']))}; chance that the hash "
        f"alone makes the sample-ratio check fail: {numbers.percent(plain['srm_probability'], 2, signed=False)}</p>"
    )
    return View("preflight", title, title, Table("Findings of the preflight", columns, shown), html=f"{said}<ul>{items}</ul>")


def preflight_balance(report: Any) -> View | None:
    """Differences between the variants in history, or None where no history was given."""
    plain: Mapping[str, Any] = report if isinstance(report, Mapping) else report.to_dict()
    rows = list(plain["balance"])
    if not rows:
        return None
    keys = [k for k, v in rows[0].items() if not isinstance(v, (list, dict))]
    columns = tuple(
        TableColumn(
            k,
            k.replace("_", " "),
            lambda v: f"{v:,.4g}" if isinstance(v, float) else str(v),
            is_number=isinstance(rows[0][k], (int, float)),
        )
        for k in keys
    )
    return View(
        "balance",
        "Balance of history between the variants",
        "Table of balance.",
        Table("Balance before the experiment", columns, rows),
    )


class PreflightCard:
    """A preflight in a few lines; None before the first.

    Args:
        report: A `Preflight` or None.
        key: The experiment, for the empty state.
    """

    def __init__(self, report: Any, *, key: str = "") -> None:
        self._view = preflight_findings(report) if report is not None else None
        self._key = key

    @property
    def headline(self) -> str:
        """The card in one line."""
        return f"{self._key}: {self._view.title if self._view else 'no preflight yet'}"

    @for_terminal
    def to_text(self) -> str:
        """The card as plain text."""
        return "\n".join([self.headline, self._view.table.to_text() if self._view else ""]).rstrip()

    def to_html(self) -> str:
        """The card as static HTML."""
        inner = self._view.html if self._view else ""
        return f"<section class='xp-static'><p><b>{escape(self.headline)}</b></p>{inner}</section>"
