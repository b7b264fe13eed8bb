"""Pre-experiment bias: differences between the variants before anyone was exposed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.views import numbers
from xpbench.views.intervals import interval_rows
from xpbench.views.table import Table, TableColumn
from xpbench.views.theme import Style
from xpbench.views.view import View

Z95 = 1.959963984540054
MOST = 20


def pre_experiment_bias(evidence: Mapping[str, Any], *, style: Mapping[str, Any] | None = None) -> View:
    """Standardised differences before the exposure, with 95 % intervals, worst first.

    Args:
        evidence: Of the health check `pre_experiment_bias`.
        style: See `theme.Style`.
    """
    look = Style(style)
    limit = evidence.get("warn_below", 0.01)
    rows = []
    for r in list(evidence.get("rows", ()))[:MOST]:
        z = r["effect_before"] / r["se"] if r.get("se") else None
        odd = r.get("p_corrected", 1.0) < limit
        rows.append(
            {
                "label": f"{r['metric']} · {r['variant']} · {r['days']} days",
                "value": z,
                "low": None if z is None else z - Z95,
                "high": None if z is None else z + Z95,
                "said": f"p {numbers.p_value(r.get('p_corrected'))}" + (" differs" if odd else ""),
                "tone": "warn" if odd else "unclear",
                **r,
            }
        )
    columns = (
        TableColumn("metric", "Metric"),
        TableColumn("variant", "Variant"),
        TableColumn("days", "Days before", str, is_number=True),
        TableColumn("effect_before", "Difference", lambda v: f"{v:.4g}", is_number=True),
        TableColumn("se", "Standard error", lambda v: f"{v:.4g}", is_number=True),
        TableColumn("p_value", "p", numbers.p_value, is_number=True),
        TableColumn("p_corrected", "p corrected", numbers.p_value, is_number=True),
    )
    table = Table("Differences between variant and control before the exposure", columns, rows)
    subtitle = "Difference to control in standard errors, 95 % interval; p corrected by Holm"
    odd_rows = [r for r in rows if r["tone"] == "warn"]
    if not rows:
        title = "No values from before the exposure"
    elif odd_rows:
        title = (
            f"{numbers.short(str(odd_rows[0]['metric']), 44)} differed before anyone was exposed "
            f"(corrected {numbers.p_said(odd_rows[0]['p_corrected'])})"
        )
    else:
        title = f"None of {evidence.get('tests', len(rows))} comparisons differed before the exposure"
    chart = interval_rows(rows, look, axis_format="+.0f") if rows else None
    return View("bias", title, f"{title}. Dots with intervals for {len(rows)} comparisons.", table, subtitle, chart)
