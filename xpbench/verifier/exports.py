"""Files that a memo is exported to, and text that a mail gateway puts around one: what each of them can prove."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Sequence
from html import unescape

from xpbench.verifier.report import Difference, J, Notes, UnreadableError, shortened
from xpbench.verifier.text import canonical, loads

IN_ARCHIVE = ("memo.html", "payload.json", "plan.json", "ledger.jsonl", "verify.py")
_LIMIT = 64 * 1024 * 1024
_NO_EVIDENCE = "it carries no evidence. The evidence is in the HTML memo: verify that file"


def refuse_copies(data: bytes) -> None:
    """Say what a copy without evidence is.

    Raises:
        UnreadableError: a PDF, the Markdown of a first page, or the interactive edition.
    """
    if data.startswith(b"%PDF"):
        raise UnreadableError(f"this is a PDF, a print of a page; {_NO_EVIDENCE}", "a copy")
    head = data[:4096].lstrip(b"\xef\xbb\xbf")
    if head.startswith(b"## ") and b"memo payload `" in data:
        raise UnreadableError(
            f"this is the first page of a memo as Markdown; {_NO_EVIDENCE}, and compare its payload digest with the one here",
            "a copy",
        )
    if b"<strong>Interactive edition.</strong>" in data and b'id="xpbench-payload"' not in data:
        raise UnreadableError(f"this is the interactive edition of a memo, which runs a script; {_NO_EVIDENCE}", "a copy")


def memo_in(data: bytes) -> tuple[bytes, dict[str, bytes]]:
    """The memo in an archive, and everything that is next to it there.

    Raises:
        UnreadableError: no archive of a memo, or one that is too large.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            if "memo.html" not in names:
                raise UnreadableError("this archive has no memo.html in it")
            if len(set(names)) != len(names):
                raise UnreadableError("the archive has two files of one name")
            if sum(info.file_size for info in infos) > _LIMIT:
                raise UnreadableError(f"the archive holds more than {_LIMIT:,} bytes", "too large")
            _refuse_gaps(infos, archive, data)
            files = {name: archive.open(name).read(_LIMIT + 1) for name in names}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise UnreadableError(f"the archive can't be read: {error}", "truncated") from None
    return files.pop("memo.html"), files


def _refuse_gaps(infos: Sequence[zipfile.ZipInfo], archive: zipfile.ZipFile, data: bytes) -> None:
    """Every byte of an archive belongs to a file that its directory names, so that no two programs unpack other files.

    Raises:
        ValueError: there is something else in it.
    """
    at = 0
    for info in sorted(infos, key=lambda i: i.header_offset):
        if info.header_offset - at not in ((0, 12, 16) if at else (0,)):  # behind a file there may be its length once more
            raise ValueError(f"bytes before {info.filename} that are not a file of its directory")
        head = data[info.header_offset : info.header_offset + 30]
        lengths = [int.from_bytes(head[i : i + 2], "little") for i in (26, 28)]
        at = info.header_offset + 30 + sum(lengths) + info.compress_size
    end = data.rfind(b"PK\x05\x06")
    if archive.start_dir - at not in (0, 12, 16) or archive.comment or end + 22 != len(data):
        raise ValueError("bytes that are not a file of its directory")


def check_archive(notes: Notes, payload: J, files: dict[str, bytes], memo: bytes) -> None:
    """Everything in an archive is what its memo carries; the program in it is named, and not trusted."""
    ledger = "".join(f"{line}\n" for line in payload["ledger"]["lines"])
    expected = {
        "payload.json": canonical(payload) + "\n",
        "plan.json": canonical(payload["readout"]["plan"]) + "\n",
        "ledger.jsonl": ledger,
    }
    for name, text in expected.items():
        if files.get(name) != text.encode("utf-8", "surrogatepass"):
            notes.differs(f"archive, {name}", "what the memo carries", "nothing" if name not in files else "something else")
    known = {*IN_ARCHIVE, "ro-crate-metadata.json"}
    for name in sorted(files.keys() - known):
        notes.differs("archive", "no other files", name)
    if "page" in payload:
        _check_description(notes, payload, files, memo)
        return
    try:
        entities = {e["@id"]: e for e in loads(files["ro-crate-metadata.json"].decode())["@graph"]}
        described = {name: entity.get("sha256") for name, entity in entities.items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        notes.differs("archive, ro-crate-metadata.json", "a description of the files", "none that can be read")
        return
    for name, data in {**files, "memo.html": memo}.items():
        if name != "ro-crate-metadata.json" and described.get(name) != _digest(data):
            notes.differs(f"archive, digest of {name}", _digest(data), described.get(name, "nothing"))
    _archive_holds(notes)


def _archive_holds(notes: Notes) -> None:
    if not notes.differences:
        notes.checked.append("payload, plan and ledger in the archive are those of the memo in it")
    notes.not_checked.append("the verify.py in the archive: take yours from the project, not from whom you check")


_CONTENTS = {
    "memo.html": ("text/html", "Decision memo that carries its evidence"),
    "payload.json": ("application/json", "Plan, moments, readout, decision, ledger"),
    "plan.json": ("application/json", "The plan in force"),
    "ledger.jsonl": ("application/jsonl", "Hash-chained ledger up to the memo"),
    "verify.py": ("text/x-python", "Verifier without dependencies: python verify.py memo.html"),
}


def _check_description(notes: Notes, payload: J, files: dict[str, bytes], memo: bytes) -> None:
    """The archive's description of itself, made again from its files and from the memo, word by word."""
    cells, readout = payload["page"]["cells"], payload["readout"]
    head = {"@id": "ro-crate-metadata.json", "@type": "CreativeWork", "about": {"@id": "./"}}
    graph: list[J] = [{**head, "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"}}]
    root = {
        "name": f"{cells['decision']['headline']}: {cells['title']}",
        "description": " ".join(cells["impact"]),
        "datePublished": readout["at"],
        "identifier": readout["plan_digest"],
        "hasPart": [{"@id": name} for name in _CONTENTS],
    }
    links = {"license": {"@id": "#license"}, "author": {"@id": "#owner"}, "publisher": {"@id": "#owner"}}
    graph.append({"@id": "./", "@type": "Dataset", **root, **links})
    graph.append({"@id": "#owner", "@type": "Organization", "name": cells["owner"]})
    words = "The owner of the experiment decides who may use these data; ask before passing them on."
    graph.append({"@id": "#license", "@type": "CreativeWork", "name": "All rights reserved", "description": words})
    for name, (kind, what) in _CONTENTS.items():
        data = memo if name == "memo.html" else files.get(name, b"")
        about = {"name": what, "encodingFormat": kind, "contentSize": str(len(data)), "sha256": _digest(data)}
        graph.append({"@id": name, "@type": "File", **about})
    context = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "http://schema.org/sha256"}]
    expected = canonical({"@context": context, "@graph": graph})
    try:
        found = canonical(loads(files["ro-crate-metadata.json"].decode()))
    except (KeyError, ValueError) as error:
        found = f"none that can be read ({type(error).__name__})"
    if expected != found:
        at = next((i for i, (a, b) in enumerate(zip(expected, found, strict=False)) if a != b), min(len(expected), len(found)))
        notes.differs("archive, its own description", expected[max(0, at - 40) :], found[max(0, at - 40) :])
    _archive_holds(notes)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_TAGS = frozenset(
    (
        *("div", "p", "span", "b", "strong", "i", "em", "u", "a", "br", "hr", "font", "center", "small", "blockquote"),
        *("table", "tbody", "thead", "tr", "td", "th"),
    )
)
_EMPTY = frozenset(("br", "hr"))
_ATTRIBUTES = frozenset(
    (
        *("style", "align", "valign", "width", "height", "border", "cellpadding", "cellspacing", "bgcolor", "color", "face"),
        *("size", "href", "role"),
    )
)
_STYLES = re.compile(
    r"\s*(?:(?:color|background(?:-color)?|border(?:-[a-z-]+)?|padding(?:-[a-z]+)?|margin(?:-[a-z]+)?|font(?:-[a-z]+)?|text-align|"
    r"line-height|width|max-width|vertical-align|border-collapse|text-decoration)\s*:\s*[^;:()\\-][^;:()\\]*;?\s*)*\Z"
)


_NAME = r"[A-Za-z][A-Za-z0-9]*"
_VALUE = r"""(?:"[^"<>]*"|'[^'<>]*'|[^\s"'=<>`/]+)"""
_TOKEN = re.compile(
    rf"""<(?P<tag>{_NAME})(?P<attributes>(?:\s+[A-Za-z-]+\s*=\s*{_VALUE})*)\s*(?P<slash>/?)>|</(?P<end>{_NAME})\s*>"""
    r"""|<!--(?!-?>)(?P<comment>(?:(?!--).)*)-->|(?P<text>[^<\0]+)""",
    re.DOTALL,
)
"""Markup that every reader of HTML takes in the same way; what browsers repair in ways of their own fits none of it."""
_ATTRIBUTE = re.compile(rf"([A-Za-z-]+)\s*=\s*({_VALUE})")
_MOVES = re.compile(r"-\s*[\d.]|/\*|url|expression|!")
"""Negative lengths, comments that hide one, and what fetches or runs."""


class _Added:
    """Text that was added around a page: what it says, and whether it is no more than text."""

    def __init__(self, piece: str) -> None:
        self.said: list[str] = []
        self.is_plain = True
        self._open: list[str] = []
        at = 0
        while at < len(piece):
            token = _TOKEN.match(piece, at)
            if token is None:
                self.is_plain = False
                self.said.append(" ".join(piece[at:].split()))
                return
            self._take(token)
            at = token.end()
        self.is_plain &= not self._open

    def _take(self, token: re.Match[str]) -> None:
        if token["text"] is not None:
            text = " ".join(unescape(token["text"]).split())
            self.said += [text] if text else []
        elif token["tag"] is not None:
            self._begin(token["tag"].lower(), token["attributes"], is_closed=bool(token["slash"]))
        elif token["end"] is not None:
            tag = token["end"].lower()
            self.is_plain &= bool(self._open) and self._open.pop() == tag
        else:
            self.is_plain &= "xpbench" not in (token["comment"] or "")

    def _begin(self, tag: str, attributes: str, *, is_closed: bool) -> None:
        if tag not in _TAGS or (is_closed and tag not in _EMPTY):  # a browser leaves <div/> open
            self.is_plain = False
        for name, value in _ATTRIBUTE.findall(attributes):
            text = unescape(value.strip("\"'")).strip().lower()
            if name.lower() not in _ATTRIBUTES:
                self.is_plain = False
            if name.lower() == "style" and (not _STYLES.match(text) or _MOVES.search(text)):
                self.is_plain = False
            if name.lower() == "href" and not re.match(r"(?:https?|mailto):", text):
                self.is_plain = False
        if tag not in _EMPTY:
            self._open.append(tag)


def read_added(pieces: list[str]) -> list[Difference]:
    """What was added around a page: plain text, as mail gateways add it, or markup that can run, cover or hide."""
    found: list[Difference] = []
    for piece in pieces:
        if not piece.strip():
            continue
        added = _Added(piece)
        said = shortened(" ".join(added.said) or piece)
        if added.is_plain:
            found.append(Difference("added around the page", "nothing", said))
        else:
            found.append(Difference("markup around the page", "nothing that can run, cover or hide the page", said))
    return found
