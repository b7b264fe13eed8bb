"""Text that tries to become code, and the places of a memo where text from people and data stands."""

from __future__ import annotations

import copy
from typing import Any

MARK = "document.documentElement.setAttribute('data-pwned','1')"

PAYLOADS = [
    f"<script>{MARK}</script>",
    f"</script><script>{MARK}</script>",
    f"</SCRIPT ><script>{MARK}</script>",
    f"</style><script>{MARK}</script>",
    f"</title><script>{MARK}</script>",
    f"</textarea><script>{MARK}</script>",
    f"--><script>{MARK}</script>",
    f"<!--<script>{MARK}</script>-->",
    f"<![CDATA[<script>{MARK}</script>]]>",
    f"]]><script>{MARK}</script>",
    f'<svg onload="{MARK}">',
    f"<svg><script>{MARK}</script></svg>",
    f'</svg><img src=x onerror="{MARK}">',
    f"</text></svg><script>{MARK}</script>",
    f'<svg><animate onbegin="{MARK}" attributeName=x dur=1s>',
    f"<svg><use href=\"data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg'><script>{MARK}</script></svg>#x\"/></svg>",
    f'<svg><foreignObject><iframe srcdoc="<script>parent.{MARK}</script>"></iframe></foreignObject></svg>',
    f"<math><mtext></p><script>{MARK}</script></mtext></math>",
    f'<img src=x onerror="{MARK}">',
    f"<img src=x onerror={MARK}>",
    f"<img/src/onerror={MARK}>",
    f'<IMG SRC=x ONERROR="{MARK}">',
    f'"><img src=x onerror="{MARK}">',
    f"'><img src=x onerror='{MARK}'>",
    f'" onmouseover="{MARK}" autofocus onfocus="{MARK}',
    f"' autofocus onfocus='{MARK}",
    f'x" onanimationstart="{MARK}" style="animation:x 1s',
    f'<body onload="{MARK}">',
    f'<iframe src="javascript:parent.{MARK}"></iframe>',
    f'<iframe srcdoc="<script>parent.{MARK}</script>"></iframe>',
    f'<object data="data:text/html,<script>parent.{MARK}</script>"></object>',
    f'<embed src="data:text/html,<script>parent.{MARK}</script>">',
    f'<input autofocus onfocus="{MARK}">',
    f'<details open ontoggle="{MARK}"><summary>x</summary></details>',
    f'<video><source onerror="{MARK}"></video>',
    f'<audio src=x onerror="{MARK}">',
    f'<marquee onstart="{MARK}">x</marquee>',
    f'<select autofocus onfocus="{MARK}">',
    f"<template><script>{MARK}</script></template>",
    f'<noscript><p title="</noscript><img src=x onerror={MARK}>">',
    f'<a href="javascript:{MARK}">x</a>',
    f"[x](javascript:{MARK})",
    f'![x](x" onerror="{MARK})',
    "<link rel=stylesheet href=http://127.0.0.1:9/x.css>",
    "<style>@import 'http://127.0.0.1:9/x.css';</style>",
    '<meta http-equiv=refresh content="0;url=http://127.0.0.1:9/">',
    '<base href="http://127.0.0.1:9/">',
    "<img src=http://127.0.0.1:9/pixel.png>",
    '<div style="background:url(http://127.0.0.1:9/x.png)">',
    f'<form action="javascript:{MARK}"><button autofocus>x</button></form>',
    f'{{{{constructor.constructor("{MARK}")()}}}}',
    f"${{{MARK}}}",
    f"{{% for x in ().__class__.__base__.__subclasses__() %}}{{{{x}}}}{{% endfor %}}<script>{MARK}</script>",
    f"\u202e</script><script>{MARK}</script>",
    f"\u2028</script\u2029><script>{MARK}</script>",
    f"\x00<script>{MARK}</script>\x0b\x0c",
    f"＜script＞{MARK}＜/script＞",
    f"<scr<script>ipt>{MARK}</scr</script>ipt>",
    f"&lt;script&gt;{MARK}&lt;/script&gt;",
    f"&#60;script&#62;{MARK}&#60;/script&#62;",
    f"\\u003cscript\\u003e{MARK}\\u003c/script\\u003e",
    f"<x onclick={MARK} tabindex=1 id=x>#x",
    "</script>" * 40 + "\"'<>&`" + "A" * 400,
    f"<script type=application/json id=xpbench-payload>{{}}</script><script>{MARK}</script>",
]
"""More than sixty ways in."""

FIELDS: list[tuple[Any, ...]] = [
    ("readout", "plan", "title"),
    ("readout", "plan", "owner"),
    ("readout", "plan", "key"),
    ("readout", "plan", "hypothesis", "if"),
    ("readout", "plan", "hypothesis", "because"),
    ("readout", "plan", "variants", 0, "name"),
    ("readout", "plan", "variants", 1, "name"),
    ("readout", "plan", "metrics", 0, "name"),
    *(("readout", "rows", i, "label") for i in range(7)),
    ("readout", "rows", 0, "reason"),
    ("readout", "rows", 1, "sensitivity", 0, "name"),
    ("readout", "rows", 1, "sensitivity", 0, "note"),
    ("readout", "health", 0, "title"),
    ("readout", "health", 0, "meaning"),
    ("readout", "health", 0, "next_step"),
    ("readout", "looks", 0, "by"),
    ("readout", "looks", 0, "reason"),
    ("readout", "cost", "sentence"),
    ("readout", "recommendation", "because"),
    ("readout", "recommendation", "variants", 0, "because"),
    ("readout", "recommendation", "variants", 0, "evidence", 0),
    ("readout", "segments", 0, "dimension"),
    ("readout", "summary", "source"),
    ("readout", "summary", "engine"),
    ("readout", "summary", "fingerprint"),
    ("readout", "summary", "findings", 0, "name"),
    ("readout", "summary", "findings", 0, "action"),
    ("readout", "summary", "findings", 0, "detail"),
    ("readout", "summary", "caps", 0, "metric"),
    ("readout", "summary", "caps", 0, "column"),
    ("readout", "versions", "engine"),
    ("readout", "rule_digest"),
    ("rule", 0, "because"),
    ("registered", "by"),
    ("decision", "because"),
    ("decision", "by"),
    ("sign_offs", 0, "name"),
    ("sign_offs", 0, "role"),
    ("ledger", "entries", 0, "by"),
    ("ledger", "entries", 0, "kind"),
]
"""Where text is shown; places that people or data fill."""


def infected(payload: dict[str, Any], text: str) -> dict[str, Any]:
    """The payload with the text in every field, in the name of a segment's value, and in amendments and deviations."""
    out = copy.deepcopy(payload)
    for at in FIELDS:
        part = out
        for key in at[:-1]:
            part = part[key]
        part[at[-1]] = text
    segment = out["readout"]["segments"][0]
    segment["slices"] = {text: next(iter(segment["slices"].values()))}
    out["readout"]["deviations"] = [{"pointer": text, "before": text, "after": {text: text}, "class": text}]
    out["amendments"] = [
        {"at": "2026-01-01T00:00:00", "by": text, "reason": text, "knowledge": text, "changes": [text], "seq": 1}
    ]
    out["waivers"] = [{"at": "2026-01-01", "by": text, "what": text}]
    return out
