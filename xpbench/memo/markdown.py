"""The memo's first page as Markdown for pull requests; text from plans and data can't become markup, links or mentions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.canonical import digest
from xpbench.memo.content import content
from xpbench.outward import markdown_prose as escaped
from xpbench.wording import numbers as digits


def markdown(payload: Mapping[str, Any]) -> str:
    """Page one as GitHub-flavoured Markdown: decision, run, table of metrics, what now, health, looks and provenance."""
    c = content(payload)
    e = escaped
    run, n = c["run"], c["next"]
    when = f"{run['dates']}, {run['days']}. " if run["dates"] else ""
    who = ", ".join(f"{u['variant']} {u['n']}" for u in run["units"])
    lines = [f"## {e(c['decision']['headline'])}: {e(c['title'])}", "", f"*{e(c['decision']['basis'])}*", ""]
    for text in (*c["impact"], run["money"]):
        lines += [e(text), ""] if text else []
    for stamp in c["stamps"]:
        lines += [f"**{e(stamp['word'])}** {e(stamp['means'])}", ""]
    audience = f"{run['audience']}; " if run["audience"] else ""
    lines += [e(f"{when}{run['total']} {run['who']}: {who}. {audience}{run['traffic']}."), ""]
    h = c["hypothesis"]
    lines += [f"**If** {e(h['if'])} **then** {e(h['then'])} **because** {e(h['because'])}", ""]
    for p in run["planned"]:
        lines += [e(f"{p['metric']}: planned {p['planned']}, found {p['found']}; could find {p['could_find']}."), ""]
    if not c["invalid"]:
        corrected = "p, corrected as the interval"
        usual = digits.share_text(payload["readout"]["plan"]["model"]["confidence"])
        unless = " unless named" if any(r["level"] != usual for r in c["rows"]) else ""
        lines += [
            f"| Metric | Role | Control | Treatment | Lift, {e(c['interval_name'])}{unless} | {corrected} | Verdict |",
            "|---|---|--:|--:|--:|--:|---|",
        ]
        for r in c["rows"]:
            name = f"{r['label']} · {r['variant']}" if c["several"] else r["label"]
            lift = r["shown"] if r["level"] == usual else f"{r['shown']}, {r['level']} interval"
            p_text = r["p_adjusted"].replace("<", "below").replace(">", "above")
            cells = (name, r["role"], r["control"], r["treatment"], lift, p_text, f"{r['mark']} {r['word']}")
            lines.append("| " + " | ".join(e(x) for x in cells) + " |")
        lines.append("")
    until = f" until {n['until']}" if n["until"] else ""
    now = " ".join(x for x in (f"{n['blocker']}." if n["blocker"] else "", n["why"], *n["takes"], n["lever"]) if x)
    lines += [f"**What now** {e(now)} {e(n['who'])} answers for it{until}.", ""]
    lines += [
        f"Health: {e(' · '.join(x['text'] for x in c['health_line']))}  ",
        f"Looks: {e(c['looks']['line'])}. {e(c['looks']['cost'])}  ",
        f"Deviations: {_deviations(c)}; amendments: {len(c['amendments']) or 'none'}",
        "",
        f"Plan `{h['digest'][:16]}`, memo payload `{digest(dict(payload))[:16]}`, ledger `{c['witness']['length']}:"
        f"{c['witness']['digest'][:16]}`. This is a copy to read; the HTML memo carries the evidence.",
        "",
    ]
    return "\n".join(lines)


def _deviations(c: Mapping[str, Any]) -> str:
    """How many, and whether the decision itself is one, as the page says it."""
    decided = ["the decision"] if c["decision"]["differs"] else []
    return " and ".join([*decided, *([str(len(c["deviations"]))] if c["deviations"] else [])]) or "none"
