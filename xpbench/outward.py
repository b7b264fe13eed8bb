"""One guard for each kind of place to which text from people and data goes: a cell, a terminal, Markdown, HTML, code, a log.

Names of metrics, variants and files, reasons, and whatever a log holds are written by others. Where they go, some signs are
commands. Each function here takes any value and gives text that is only shown, and still recognisable.
"""

from __future__ import annotations

import csv
import functools
import html as _html
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters with which spreadsheets take a cell for a formula (OWASP, CSV injection)."""

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~@&$:=^])")
_LINKS = re.compile(r"(?i)\b(https?|ftp|mailto|www)(?=[:.\\])")
_USERINFO = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*://)(?P<user>[^/?#\s\"'<>]*)@")
_QUERY = re.compile(
    r"(?i)(?P<key>[?&;](?:[\w\-]*(?:token|secret|passw(?:or)?d|pwd|api_?key|access_?key|signature|sig|auth))=)[^&#\s\"'<>]+"
)


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may compute a cell with this text."""
    return text.startswith(FORMULA) or text.lstrip().startswith(FORMULA)


def cell(value: Any) -> Any:
    """A value as a cell of a CSV: text that a spreadsheet would compute gets a leading apostrophe; None is empty."""
    if isinstance(value, str):
        return f"'{value}" if is_formula(value) else value
    return "" if value is None or value != value else value


def csv_text(header: Sequence[Any], rows: Iterable[Sequence[Any]], *, line_end: str = "\n") -> str:
    """A CSV whose cells and headings no spreadsheet computes; missing values are empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # so that a carriage return is quoted: to a sheet it ends a row
    lines = []
    for row in (header, *rows):
        writer.writerow([cell(c) for c in row])
        lines.append(out.getvalue().removesuffix("\r\n"))
        out.seek(0)
        out.truncate()
    return "".join(f"{line}{line_end}" for line in lines)


def csv_of_frame(frame: Any) -> str:
    """The same for a pandas frame, without its index."""
    return csv_text(list(frame.columns), frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None))


def terminal(text: str) -> str:
    """Text for a terminal: its lines, without signs that steer one or turn the direction of what is read."""
    return "".join(c if c in "\n\t" or not _steers(c) else "\ufffd" for c in text)


def for_terminal(method: Callable[[Any], str]) -> Callable[[Any], str]:
    """A method whose text is fit for a terminal, whatever names it puts in."""

    @functools.wraps(method)
    def guarded(self: Any) -> str:
        return terminal(method(self))

    return guarded


def json_text(value: Any) -> str:
    """JSON for a terminal or a pipe: signs that steer a terminal are written as escapes, so that nothing is lost."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(f"\\u{ord(c):04x}" if c != "\n" and _steers(c) else c for c in text)


def _steers(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs") or character in _DIRECTIONS


_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(value: object) -> str:
    """Text on one line, with a point in place of each sign that can't be printed."""
    return "".join(c if c.isprintable() else "·" for c in str(value))


def markdown(value: object) -> str:
    """Text in Markdown, on one line: no sign of it begins markup, a table or HTML, and addresses are not clickable."""
    line = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in str(value)
        if unicodedata.category(c) not in ("Cf", "Cs", "Co")
    )
    line = _MARKDOWN.sub(r"\\\1", line.strip())
    line = line.replace("\\&", "&amp;").replace("\\<", "&lt;").replace("\\>", "&gt;").replace("\\@", "&#64;")
    return _LINKS.sub(lambda m: m.group(0)[0] + "&#8203;" + m.group(0)[1:], line)


_PROSE = re.compile(r"[\\`*_\[\]|~$<>@]|#(?=\w)|&(?=#?\w+;)")
_BEGINS = re.compile(r"^([+\-=]+|#{1,6})(?=\s|\Z)|^(\d{1,9})([.)])(?=\s|\Z)")
_AS_ENTITY = {"<": "&lt;", ">": "&gt;", "&": "&amp;", "@": "&#64;"}
_SCHEMES = re.compile(r"(?i)\b(https?|ftp|mailto|www|javascript|vbscript)(?=[:.])")


def markdown_prose(value: object) -> str:
    """Text in Markdown as `markdown`, with as few escapes as will do: signs are escaped only where they begin something.

    So it pastes cleanly where Markdown is shown as it is, as some chats do.
    """
    line = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in str(value)
        if unicodedata.category(c) not in ("Cf", "Cs", "Co")
    ).strip()

    def guarded(match: re.Match[str]) -> str:
        return _AS_ENTITY.get(match.group(0), f"\\{match.group(0)}")

    line = _PROSE.sub(guarded, line)
    line = _BEGINS.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", line)
    return _SCHEMES.sub(lambda m: m.group(0)[0] + "&#8203;" + m.group(0)[1:], line)


def html(value: object, *, quote: bool = True) -> str:
    """Text in HTML, in an element or an attribute; without `quote` in an element alone."""
    return _html.escape(str(value), quote=quote)


def address(text: str) -> str:
    """Text with addresses in it, without the user, the password and the keys that they carry."""
    return _QUERY.sub(r"\g<key>***", _USERINFO.sub(r"\g<scheme>***@", text))
