"""Health in one line, worst first; each check opens to evidence, meaning and next step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xpbench.health.check import Check, health_line, worst_first
from xpbench.health.five import five
from xpbench.outward import html as escape
from xpbench.views.table import Table, TableColumn
from xpbench.views.view import View

SIGNS = {"fail": "✕", "warn": "▲", "not answerable": "○", "pass": "✓"}
VARIABLES = {
    "fail": "--xp-worse,#b0481b",
    "warn": "--xp-warn,#8a6100",
    "not answerable": "--xp-muted,#57606a",
    "pass": "--xp-better,#00795a",
}


def health_summary(checks: Any) -> View:
    """All checks, worst first.

    Args:
        checks: A readout, sealed or open, an exploration, or checks: `Check` objects or their dictionaries.
    """
    found = worst_first(c if isinstance(c, Check) else Check.from_dict(c) for c in getattr(checks, "health", checks))
    rows = [
        {
            "sign": SIGNS[c.status],
            "label": c.label,
            "status": c.word + (" (gate)" if c.blocks else ""),
            "meaning": c.meaning,
            "next_step": c.next_step,
        }
        for c in found
    ]
    columns = (
        TableColumn("sign", ""),
        TableColumn("label", "Check"),
        TableColumn("status", "Status"),
        TableColumn("meaning", "What it says"),
        TableColumn("next_step", "Next step"),
    )
    blocked = [c for c in found if c.blocks]
    loud = [c for c in found if c.status in ("fail", "warn")]
    if not found:
        title = "No health check has run yet"
    elif blocked:
        title = f"Don't read the effects: {blocked[0].label} failed"
    elif loud:
        title = f"{len(loud)} of {len(found)} checks {'wants' if len(loud) == 1 else 'want'} a look; none keeps from reading"
    else:
        title = f"All {sum(c.status == 'pass' for c in found)} checks that could run pass"
    table = Table("Health checks, worst first", columns, rows)
    return View("health", title, f"{title}. {health_line(found)}", table, html=_html(found))


def _html(checks: Iterable[Check]) -> str:
    found = list(checks)
    if not found:
        return "<div class='xp-health'></div>"
    named, more, rest = five([c.to_dict() for c in found])
    names = [c["name"] for c in named]
    first = "".join(_one(c) for c in sorted((c for c in found if c.name in names), key=lambda c: names.index(c.name)))
    quiet = [c for c in found if c.name not in names]
    also = f"{more} more warn or fail; " if more else ""
    all_of_them = "".join(_one(c) for c in quiet)
    line = f"<p>{escape(health_line(found))}</p>"
    folded = f"<details><summary>{escape(also + rest)}</summary>{all_of_them}</details>" if quiet else ""
    return f"<div class='xp-health'>{line}{first}{folded}</div>"


def _one(check: Check) -> str:
    evidence = "".join(
        f"<tr><th scope='row' style='text-align:left'>{escape(str(k).replace('_', ' '))}</th>"
        f"<td style='text-align:right'>{escape(_short(v))}</td></tr>"
        for k, v in check.evidence.items()
        if not isinstance(v, (list, dict))
    )
    return (
        f"<details{' open' if check.blocks else ''}><summary>"
        f"<span style='color:var({VARIABLES[check.status]});font-weight:600'>"
        f"{SIGNS[check.status]} {escape(check.label)}: {escape(check.word)}</span></summary>"
        f"<div style='padding:2px 0 10px 22px;max-width:72ch'><p>{escape(check.meaning)}</p>"
        f"<p><b>Next:</b> {escape(check.next_step)}</p>"
        f"<table style='font-variant-numeric:tabular-nums'><tbody>{evidence}</tbody></table></div></details>"
    )


def _short(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)[:200]
