"""The file: its bytes, its parts, its seal.

What kind of file it is follows from what it must have. A page has its first lines, its policy, one payload and one seal, each
in its place, and nothing after them; a payload alone is canonical bytes in a file that no browser shows as a page. A file that
is neither is not checked by the weaker of two ways: it is refused.
"""

from __future__ import annotations

from pathlib import Path

from xpbench.verifier.exports import read_added, refuse_copies
from xpbench.verifier.letter import PROGRAMME, WATCH_LETTER
from xpbench.verifier.report import Difference, J, NewerError, Notes, UnreadableError
from xpbench.verifier.shape import PAYLOAD_KEYS, PROGRAMME_KEYS, WATCH_KEYS, unknown_keys
from xpbench.verifier.text import canonical, loads, sha256

PAYLOAD_SCHEMA = 2
"""Newest schema of a memo's payload that this program reads."""
PAYLOAD_KINDS: J = {
    "xpbench memo": (PAYLOAD_SCHEMA, PAYLOAD_KEYS),
    WATCH_LETTER: (1, WATCH_KEYS),
    PROGRAMME: (1, PROGRAMME_KEYS),
}
"""Newest schema and shape of each kind of payload."""
MAX_BYTES = 64 * 1024 * 1024
PAYLOAD = '<script type="application/json" id="xpbench-payload">'
SEAL = '<script type="application/json" id="xpbench-seal">'
END = "</script>"
FIRST = (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n"
)
"""How every page begins: what a browser reads first is the policy, so that nothing before it can run or be fetched."""
LAST = "</script>\n</body>\n</html>\n"
_BODY, _MAIN, _MAIN_END = "<body>\n", "<main>\n", "</main>\n"
PAGES = (".html", ".htm", ".xhtml", ".xht", ".svg", ".xml", ".mht", ".mhtml", ".shtml")
"""Endings by which programs show a file as a page."""


def read(path: str | Path) -> bytes:
    """The file's bytes."""
    file = Path(path)
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise UnreadableError(f"the file has {size:,} bytes, more than the {MAX_BYTES:,} that a memo may have", "too large")
        return file.read_bytes()
    except OSError as error:
        raise UnreadableError(f"the file can't be read: {error.strerror or error}", "not there") from None
    except ValueError:
        raise UnreadableError("the path names no file", "not there") from None


def decoded(data: bytes) -> tuple[str, list[Difference]]:
    """Text of a file's bytes, with line ends put back where a mail client rewrote them, without what was added around it."""
    found: list[Difference] = []
    refuse_copies(data)
    if data.startswith(b"\xef\xbb\xbf"):
        found.append(Difference("byte order mark", "none", "one at the start, as editors add it"))
        data = data[3:]
    if b"\r" in data:
        ends = (
            f"{data.count(bytes([13, 10])):,} rewritten to CRLF, as mail clients do" if b"\r\n" in data else "carriage returns"
        )
        found.append(Difference("line ends", "LF as saved", ends))
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.strip():
        raise UnreadableError("the file is empty", "truncated")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        if b"xpbench-payload" in data:
            found.append(Difference("encoding", "UTF-8", f"byte {error.start:,} is none"))
            return data.decode("utf-8", "replace"), found
        raise UnreadableError("the file is not UTF-8 text") from None
    if text.lstrip(" \t\n").startswith("<") and not text.endswith(LAST) and text.rstrip(" \t\n").endswith(LAST.strip()):
        found.append(Difference("final newline", "one, as saved", "white space at the end was added or taken away"))
        text = text.rstrip(" \t\n") + "\n"
    text, pieces = without_additions(text)
    return text, found + read_added(pieces)


def without_additions(text: str) -> tuple[str, list[str]]:
    """A page without what was put before, behind and between its parts, and those pieces.

    The parts are its head, its main element, its evidence and its end. What is inside of them is never touched.
    """
    start = text.find(FIRST)
    body = text.find(_BODY, start)
    main, main_end = text.find(_MAIN, body), text.rfind(_MAIN_END)
    evidence = text.find(PAYLOAD, main_end)
    seal = text.rfind(SEAL)
    end = text.find(END, seal)
    if not 0 <= start < body < main < main_end < evidence < seal < end:
        return text, []
    last = end + len(END) + 1
    rest = text[last:].split("</body>")
    behind = rest[1].split("</html>") if len(rest) == 2 else []
    if len(behind) != 2:
        return text, []
    cuts = [(start, body + len(_BODY)), (main, main_end + len(_MAIN_END)), (evidence, last)]
    pieces = [text[:start], text[cuts[0][1] : main], text[cuts[1][1] : evidence], rest[0], *behind]
    if not any(piece.strip() for piece in pieces):
        return text, []
    return "".join(text[a:b] for a, b in cuts) + "</body>\n</html>\n", pieces


def parts_of(document: str) -> tuple[str, str | None]:
    """The payload's text, and the seal's (None for a bare payload file)."""
    if document.lstrip().startswith("{"):
        return document.removesuffix("\n"), None
    if "xpbench" not in document:
        raise UnreadableError("this is not an xpbench memo")
    if not document.rstrip().endswith("</html>") and SEAL not in document:
        raise UnreadableError("the file ends too early: a truncated download", "truncated")
    at, seal_at = document.find(PAYLOAD), document.rfind(SEAL)
    if at < 0 or seal_at < 0:
        raise ValueError("the elements that carry the evidence are damaged or missing")
    end, seal_end = document.find(END, at), document.find(END, seal_at)
    if end < 0 or seal_end < 0:
        raise UnreadableError("the file ends too early: a truncated download", "truncated")
    return document[at + len(PAYLOAD) : end], document[seal_at + len(SEAL) : seal_end]


def sealed(path: str | Path, notes: Notes, data: bytes | None = None) -> tuple[J, str | None, str]:
    """Payload, the seal's text and the document, with the digests of file and payload checked.

    Args:
        path: The file.
        notes: Where to note what is found.
        data: Its bytes, where they were read already.
    """
    document, found = decoded(read(path) if data is None else data)
    notes.differences += found
    text, seal_text = parts_of(document)
    try:
        payload = loads(text)
    except ValueError as error:
        if seal_text is None:
            cut = any(kind in text for kind in PAYLOAD_KINDS) and not text.endswith("}")
            reason = "the file ends too early: a truncated download" if cut else f"this is not an xpbench memo: {error}"
            raise UnreadableError(reason, "truncated" if cut else "no memo") from None
        raise
    if not isinstance(payload, dict) or payload.get("kind") not in PAYLOAD_KINDS:
        raise (UnreadableError("this is not an xpbench memo") if seal_text is None else ValueError("the payload is not a memo"))
    newest, shape = PAYLOAD_KINDS[payload["kind"]]
    if type(payload.get("schema")) is int and payload["schema"] > newest:
        raise NewerError(f"the memo has schema {payload['schema']}, this program reads up to {newest}")
    if type(payload.get("schema")) is not int or payload["schema"] < 1:
        notes.differs("schema", f"a whole number from 1 to {newest}", payload.get("schema"))
    for place, expected, other in unknown_keys(payload, shape):
        notes.differs(f"payload, {place}", expected, other)
    whole = canonical(payload)
    if seal_text is None:
        _check_bare(notes, path, text, whole)
    else:
        _check_sealed(notes, document, (text, seal_text), whole)
    return payload, seal_text, document


def _check_bare(notes: Notes, path: str | Path, text: str, data: str) -> None:
    """A payload without a page: canonical bytes, in a file that no program shows as a page."""
    notes.depth = "no page"
    if text != data:
        notes.differs("payload bytes", "canonical JSON", "the same values written in another way, or text around them")
    if str(path).lower().endswith(PAGES):
        notes.differs("kind of file", "a page, as its name says", "a payload without a page")
    if not notes.differences:
        notes.checked.append("the payload is canonical and has known keys alone")


def _check_sealed(notes: Notes, document: str, texts: tuple[str, str], data: str) -> None:
    """A page: its first and last lines, one payload, one seal, and their digests."""
    text, seal_text = texts
    if not document.startswith(FIRST):
        notes.differs("first lines and policy", FIRST, document[: len(FIRST)])
    if not document.endswith(LAST):
        notes.differs("end of the file", LAST, document[-len(LAST) :])
    tail = f"{PAYLOAD}{text}{END}\n{SEAL}{seal_text}{LAST}"
    if not document.endswith(tail) or document.count("<script") != 2 or document.count(END) != 2:
        notes.differs("evidence in the file", "one payload and one seal at its end", "another order, or other scripts")
    seal = loads(seal_text)
    if not isinstance(seal, dict):
        seal = {}
    notes.same("payload digest", sha256(data), seal.get("payload"))
    escaped = data
    for sign in "<>&\u2028\u2029":
        escaped = escaped.replace(sign, f"\\u{ord(sign):04x}")
    if escaped != text:
        notes.differs("payload bytes", "canonical JSON", "the same values written in another way")
    at = document.rfind(SEAL) + len(SEAL)
    unsealed = document[:at] + document[document.find(END, at) :]
    notes.same("file digest", sha256(unsealed), seal.get("file"))
    notes.same("seal", canonical({"file": seal.get("file"), "payload": seal.get("payload"), "schema": 1}), seal_text)
    if not notes.differences:
        notes.checked.append("digests of file and payload; one payload, one seal and the policy in their places")
