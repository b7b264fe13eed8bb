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
from xpbench.memo.cells import made

SEAL_OPEN = '<script type="application/json" id="xpbench-seal">'
PAYLOAD_OPEN = '<script type="application/json" id="xpbench-payload">'
CLOSE = "</script>"


TEMPLATE = Path(__file__).with_name("page.html.j2")


@cache
def template_digest() -> str:
    """SHA-256 of the template in use: it says which fixed wording surrounds the cells."""
    return hashlib.sha256(TEMPLATE.read_bytes()).hexdigest()


def page_part(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the page must show, cell by cell, for the payload: its template, its cells, and the sentences by id and values."""
    cells, messages, _ = made(payload)
    return {"template": template_digest(), "cells": cells, "messages": messages}


def context(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the template shows: the cells that the payload holds, and the pictures drawn from its numbers.

    A payload of schema 1 holds no cells; they are made as this release makes them.
    """
    cells, _, pictures = made(payload)
    data = canonical_bytes(dict(payload)).decode("utf-8")
    return {
        "c": {**(payload["page"]["cells"] if _is_ours(payload) else cells), **pictures},
        "ink": pictures["ink"],
        "versions": payload["readout"]["versions"],
        "payload_sha256": hashlib.sha256(data.encode()).hexdigest(),
        "payload_text": embedded(data),
        "seal_text": "",
    }


def _is_ours(payload: Mapping[str, Any]) -> bool:
    """Whether the payload's cells are for the template in use; those of another release are made again."""
    return "page" in payload and payload["page"]["template"] == template_digest()


def page(payload: Mapping[str, Any]) -> str:
    """The memo as one HTML file with its evidence inside.

    The seal at its end holds the SHA-256 of the payload's canonical bytes and of the file without the seal's own content.
    """
    filled = context(payload)
    html = _environment().get_template(TEMPLATE.name).render(filled).strip() + "\n"
    sums = {"file": hashlib.sha256(html.encode()).hexdigest(), "payload": filled["payload_sha256"], "schema": 1}
    return html.replace(SEAL_OPEN + CLOSE, SEAL_OPEN + json.dumps(sums, separators=(",", ":")) + CLOSE)


def embedded(json_text: str) -> str:
    """JSON that is safe in a script element: `<`, `>`, `&`, U+2028 and U+2029 as JSON escapes, so that nothing closes it."""
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
