"""The memo's first page as Markdown for pull requests; text from plans and data can't become markup, links or mentions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from xpbench.canonical import digest
from xpbench.memo.content import content
from xpbench.outward import markdown as escaped


def markdown(payload: Mapping[str, Any]) -> str:
    """Headline, impact, table of metrics, health, looks and provenance as GitHub-flavoured Markdown."""
    c = content(payload)
    e = escaped
    lines = [
        f"## {e(c['decision']['headline'])}: {e(c['title'])}",
        "",
        f"*{e(c['decision']['basis'])}*",
        "",
        e(c["impact"][0]),
        "",
        e(c["impact"][1]),
        "",
    ]
    for stamp in c["stamps"]:
        lines += [f"**{e(stamp['word'])}** {e(stamp['means'])}", ""]
    h = c["hypothesis"]
    lines += [f"**If** {e(h['if'])} **then** {e(h['then'])} **because** {e(h['because'])}", ""]
    if not c["invalid"]:
        lines += [
            f"| Metric | Role | Control | Treatment | Lift, {e(c['interval_name'])} | p, corrected | Verdict |",
            "|---|---|--:|--:|--:|--:|---|",
        ]
        for r in c["rows"]:
            name = f"{r['label']} · {r['variant']}" if c["several"] else r["label"]
            cells = (name, r["role"], r["control"], r["treatment"], r["shown"], r["p_adjusted"], f"{r['mark']} {r['word']}")
            lines.append("| " + " | ".join(e(x) for x in cells) + " |")
        lines.append("")
    lines += [
        f"Health: {e(' · '.join(x['text'] for x in c['health_line']))}  ",
        f"Looks: {e(c['looks']['line'])}. {e(c['looks']['cost'])}  ",
        f"Deviations: {len(c['deviations']) or 'none'}; amendments: {len(c['amendments']) or 'none'}",
        "",
        f"Plan `{h['digest'][:16]}`, memo payload `{digest(dict(payload))[:16]}`, ledger `{c['witness']['length']}:"
        f"{c['witness']['digest'][:16]}`. This is a copy to read; the HTML memo carries the evidence.",
        "",
    ]
    return "\n".join(lines)
