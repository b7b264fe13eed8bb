"""The variant table: every variant's mean with its lift, direction-aware marks, never colour alone."""

from __future__ import annotations

from typing import Any

from xpbench.outward import html as escape
from xpbench.views import numbers
from xpbench.views.forest_plot import p_column, takeaway
from xpbench.views.table import Table, TableColumn
from xpbench.views.view import View, plain_rows
from xpbench.wording.verdicts import mark_of, word_of


def variant_table(readout: Any) -> View:
    """One line per metric and variant, the control first: units, mean, lift with its interval, verdict in sign and words.

    Args:
        readout: A `Readout`, its frame, or its rows.
    """
    rows = plain_rows(readout)
    out: list[dict[str, Any]] = []
    seen: set[str] = set()
    for row in rows:
        name = str(row.get("label") or row.get("metric"))
        if name not in seen:
            seen.add(name)
            out.append(
                {
                    "metric": name,
                    "role": row.get("role"),
                    "variant": "control",
                    "n": row.get("n_control"),
                    "mean": row.get("mean_control"),
                    "mean_text": numbers.means(row)[0],
                    "lift_text": None,
                    "effect_text": None,
                    "p_value": None,
                    "mark": "",
                    "verdict": "",
                }
            )
        out.append(
            {
                "metric": name,
                "role": row.get("role"),
                "variant": row.get("variant"),
                "n": row.get("n"),
                "mean": row.get("mean"),
                "mean_text": numbers.means(row)[1],
                "lift_text": numbers.lift(row),
                "effect_text": numbers.effect(row),
                "p_value": row.get("p_value"),
                "p_adjusted": row.get("p_adjusted"),
                "mark": mark_of(row)[0],
                "verdict": word_of(row),
            }
        )
    columns = (
        TableColumn("metric", "Metric"),
        TableColumn("variant", "Variant"),
        TableColumn("mark", ""),
        TableColumn("verdict", "Verdict"),
        TableColumn("lift_text", "Lift (interval)", is_number=True),
        TableColumn("effect_text", "Effect (interval)", is_number=True),
        TableColumn("mean_text", "Mean", is_number=True),
        TableColumn("n", "Units", numbers.count, is_number=True),
        p_column(rows),
    )
    table = Table("Every metric by variant", columns, out, groups="role")
    alt = f"Table of {len(seen)} metrics: {escape(takeaway(rows), quote=False)}."
    return View("variants", takeaway(rows), alt, table, "Mean of each variant and its lift against control")
