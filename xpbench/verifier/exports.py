"""Files that a memo is exported to, and text that a mail gateway puts around one: what each of them can prove."""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from html.parser import HTMLParser

from xpbench.verifier.report import Difference, J, Notes, UnreadableError
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
    """The memo in an archive, and everything that is beside it there.

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
            files = {name: archive.open(name).read(_LIMIT + 1) for name in names}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        raise UnreadableError(f"the archive can't be read: {error}", "truncated") from None
    return files.pop("memo.html"), files


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
    try:
        entities = {e["@id"]: e for e in loads(files["ro-crate-metadata.json"].decode())["@graph"]}
        described = {name: entity.get("sha256") for name, entity in entities.items()}
        root, owner, readout = entities["./"], entities["#owner"], payload["readout"]
        shown = [root["name"], root["description"], root["datePublished"], root["identifier"], owner["name"]]
    except (KeyError, ValueError, TypeError, AttributeError):
        notes.differs("archive, ro-crate-metadata.json", "a description of the files", "none that can be read")
        return
    cells = payload.get("page", {}).get("cells")
    if cells is not None:
        title = f"{cells['decision']['headline']}: {cells['title']}"
        told = [title, " ".join(cells["impact"]), readout["at"], readout["plan_digest"], cells["owner"]]
        notes.same("archive, its own description", told, shown)
    for name, data in {**files, "memo.html": memo}.items():
        if name != "ro-crate-metadata.json" and described.get(name) != _digest(data):
            notes.differs(f"archive, digest of {name}", _digest(data), described.get(name, "nothing"))
    if not notes.differences:
        notes.checked.append("payload, plan and ledger in the archive are those of the memo in it")
    notes.not_checked.append("the verify.py in the archive: take yours from the project, not from whom you check")


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


class _Added(HTMLParser):
    """Text that was added around a page: what it says, and whether it is no more than text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self.is_plain = True
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        plain = tag in _TAGS and all(name in _ATTRIBUTES for name, _ in attrs)
        for name, value in attrs:
            text = (value or "").strip().lower()
            if name == "style" and (not _STYLES.match(text) or re.search(r":\s*-|[:\s]-\d|url|expression", text)):
                plain = False
            if name == "href" and not re.match(r"(?:https?|mailto):", text):
                plain = False
        self.is_plain &= plain
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _EMPTY:
            return
        if not self.open or self.open.pop() != tag:
            self.is_plain = False

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.said.append(" ".join(data.split()))

    def handle_comment(self, data: str) -> None:
        self.is_plain &= "xpbench" not in data

    def handle_decl(self, decl: str) -> None:
        self.is_plain = False

    def handle_pi(self, data: str) -> None:
        self.is_plain = False

    def unknown_decl(self, data: str) -> None:
        self.is_plain = False


def read_added(pieces: list[str]) -> list[Difference]:
    """What was added around a page: plain text, as mail gateways add it, or markup that can run, cover or hide."""
    found: list[Difference] = []
    for piece in pieces:
        if not piece.strip():
            continue
        parser = _Added()
        parser.feed(piece)
        complete = not parser.rawdata
        parser.close()
        plain = parser.is_plain and complete and not parser.open
        said = " ".join(parser.said) or piece
        if plain:
            found.append(Difference("added around the page", "nothing", said[:160]))
        else:
            found.append(Difference("markup around the page", "nothing that can run, cover or hide the page", said[:160]))
    return found
