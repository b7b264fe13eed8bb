"""Sensitivity: the same comparison as planned, raw, without CUPED, and by the compatible mode, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.views import numbers
from xpbench.views.intervals import interval_rows
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View


def sensitivity(row: Any, *, style: Mapping[str, Any] | None = None) -> View:
    """One metric and variant, computed as planned and in the other ways.

    Args:
        row: A row of a readout, with its `sensitivity`; or a readout, whose first primary row is drawn.
        style: See `theme.Style`.
    """
    look = Style(style)
    if hasattr(row, "rows"):
        row = next((r for r in row.rows if r.role == "primary"), row.rows[0])
    plain: dict[str, Any] = dict(row) if isinstance(row, Mapping) else row.to_dict()
    others = [dict(s) if isinstance(s, Mapping) else s.to_dict() for s in plain.get("sensitivity", ())]
    rows = []
    for index, each in enumerate([{**plain, "name": "as planned", "note": ""}, *others]):
        rows.append(
            {
                "label": each["name"],
                "value": each.get("lift"),
                "low": each.get("lift_low"),
                "high": each.get("lift_high"),
                "said": numbers.lift(each),
                "tone": "treatment" if index == 0 else "unclear",
                "p_value": each.get("p_value"),
                "note": each.get("note", ""),
                "status": each.get("status", ""),
            }
        )
    name = str(plain.get("label") or plain.get("metric"))
    signs = {(r["low"] > 0) - (r["high"] < 0) for r in rows if r["low"] is not None and r["high"] is not None}
    if len(rows) == 1:
        title = f"{name}: computed in one way only"
    elif len(signs) <= 1:
        title = f"{name}: every way of computing it says the same"
    else:
        title = f"{name}: the answer depends on how it is computed"
    columns = (
        TableColumn("label", "Computed"),
        TableColumn("said", "Lift (interval)", is_number=True),
        TableColumn("p_value", "p", numbers.p_value, is_number=True),
        TableColumn("status", "Status"),
        TableColumn("note", "What is different"),
    )
    alt = f"{title}. " + " ".join(f"{r['label']}: {r['said']}." for r in rows)
    return View(
        "sensitivity",
        title,
        alt,
        Table(f"Sensitivity of {name}", columns, rows),
        f"Lift of {plain.get('variant')} against control",
        interval_rows(rows, look),
    )
