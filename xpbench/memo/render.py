"""The page of a memo as a pure function of its payload: same payload, same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from xpbench.canonical import canonical_bytes
from xpbench.memo import figures
from xpbench.memo.content import content
from xpbench.memo.figures import legal

SEAL_OPEN = '<script type="application/json" id="xpbench-seal">'
PAYLOAD_OPEN = '<script type="application/json" id="xpbench-payload">'
CLOSE = "</script>"


def page(payload: Mapping[str, Any]) -> str:
    """The memo as one HTML file with its evidence inside.

    The seal at its end holds the SHA-256 of the payload's canonical bytes and of the file without the seal's own content.
    """
    data = canonical_bytes(dict(payload))
    digest = hashlib.sha256(data).hexdigest()
    html = (
        _environment()
        .get_template("page.html.j2")
        .render(
            c=_clean(content(payload)),
            ink=figures.INK.strip(),
            versions=payload["readout"]["versions"],
            payload_sha256=digest,
            payload_text=embedded(data.decode("utf-8")),
            seal_text="",
        )
    )
    html = html.strip() + "\n"
    seal = json.dumps(
        {"file": hashlib.sha256(html.encode()).hexdigest(), "payload": digest, "schema": 1}, separators=(",", ":")
    )
    return html.replace(SEAL_OPEN + CLOSE, SEAL_OPEN + seal + CLOSE)


def embedded(json_text: str) -> str:
    """JSON that can stand in a script element: `<`, `>`, `&`, U+2028 and U+2029 as JSON escapes, so that nothing closes it."""
    for sign in "<>&\u2028\u2029":
        json_text = json_text.replace(sign, f"\\u{ord(sign):04x}")
    return json_text


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=False,
    )


def _clean(value: Any) -> Any:
    """The content without characters that no document may hold."""
    if isinstance(value, str):
        return legal(value)
    if isinstance(value, Mapping):
        return {k: _clean(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(v) for v in value]
    return value
