"""A memo's page as the server hands it to a frame in JupyterLab: under its own policy, in the theme, with nothing to fetch."""

from __future__ import annotations

import hashlib
import re

from xpbench.outward import html as escape

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox"
)
"""Styles and images come with the page alone. `sandbox` without a word lets no script run, no form leave, no window open, and
gives the page an origin of its own, so that it reaches nothing of the server."""

_HEAD = re.compile(r"<head[\s>][\s\S]*?</head>", re.IGNORECASE)
_SCHEME = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(light|dark)\s*\)", re.IGNORECASE)
_META = re.compile(r'(<meta\s+name="color-scheme"\s+content=")[^"]*"', re.IGNORECASE)
_LINK = re.compile(r"<link(?=[\s/>])", re.IGNORECASE)


def digest_of(data: bytes) -> str:
    """SHA-256 of a text as JupyterLab holds it: decoded, with line ends as line feeds.

    Bytes that are no UTF-8 are no text that JupyterLab shows; their digest is that of the bytes.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha256(text.replace("\r\n", "\n").replace("\r", "\n").encode()).hexdigest()


def page(data: bytes, *, is_light: bool) -> bytes:
    """The page with its light or dark side out, always as UTF-8.

    Only the head is touched, as a frame is told the browser's preference and not JupyterLab's; and links to resources, which
    memos don't have, are none: a browser connects to the addresses in some of them whatever the policy says.
    """
    text = data.decode("utf-8", "replace").removeprefix("\ufeff")  # a mark of UTF-16 would be stronger than our header
    wanted = "light" if is_light else "dark"

    def head(found: re.Match[str]) -> str:
        told = _SCHEME.sub(lambda m: "(min-width:0)" if m[1].lower() == wanted else "(max-width:0)", found[0])
        return _META.sub(rf'\g<1>{wanted}"', told, count=1)

    return _LINK.sub("<x-link", _HEAD.sub(head, text, count=1)).encode()


def note(text: str) -> bytes:
    """A page that says why there is none."""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>xpbench</title>'
        "<style>body{font:14px system-ui,sans-serif;margin:2em;color-scheme:light dark}</style></head>"
        f'<body><p role="alert">{escape(text)}</p></body></html>'
    ).encode()
