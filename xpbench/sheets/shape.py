"""The shape of a CSV file: separator, header, what is before it, and whether every row has as many fields."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from xpbench.errors import DataError, number_of, plain, shown
from xpbench.meaning.nothing import SPACES
from xpbench.sheets.unpack import ensure_text, plain_file

HEAD = 1 << 18
"""Bytes that are looked at for separator and header."""

MOST_LINES = 200
SEPARATORS = (",", ";", "\t", "|")
_WORDS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}

csv.field_size_limit(2**31 - 1)


@dataclass(frozen=True, slots=True)
class Sheet:
    """A CSV file whose shape is known.

    Attributes:
        named: What the user calls it.
        path: Of the plain file that is read, perhaps an unpacked copy.
        separator: Between fields.
        names: Of the columns, in order; a name may be there twice.
        skip: Lines before the header.
        preamble: What stands in them.
    """

    named: str
    path: str
    separator: str
    names: tuple[str, ...]
    skip: int
    preamble: tuple[str, ...]


def sheet_of(named: str, folder: str | Path, wanted: Collection[str] = ()) -> Sheet:
    """Look at a file.

    Args:
        named: Path of the file.
        folder: Where unpacked copies go.
        wanted: Columns that the caller looks for; they tell separators from each other where the rows do not.

    Raises:
        DataError: `XPB-D07`, it is empty; `XPB-D60`, it has no clear shape; `XPB-D61`, `XPB-D62`, it is no text.
    """
    path = plain_file(named, folder)
    with open(path, "rb") as file:
        raw = file.read(HEAD)
        whole = not file.read(1)
    if not raw.strip():
        raise DataError("XPB-D07", what=plain("The file is empty"))
    _ensure_table(raw, named)
    if not whole:
        raw = raw[: raw.rfind(b"\n") + 1] or raw
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        ensure_text(path, named)
        text = raw.decode("utf-8-sig", errors="ignore")
    skip = 0
    given = ""
    first = text.split("\n", 1)[0].strip()
    if first.lower().startswith("sep=") and len(first) == 5:
        given, skip = first[4], 1
    separators = (given,) if given else SEPARATORS
    looks = [_Look(text, s, skip, wanted, named.lower().endswith((".tsv", ".tsv.gz", ".tab"))) for s in separators]
    best = max(looks, key=lambda look: look.rank)
    if best.trouble:
        raise DataError("XPB-D60", path=named, what=plain(best.trouble), remedy=plain(best.remedy))
    return Sheet(named, path, best.separator, best.names, best.skip, tuple(best.preamble))


def _ensure_table(raw: bytes, named: str) -> None:
    """What is named as a table is not a page, JSON or Parquet.

    Raises:
        DataError: `XPB-D60`.
    """
    head = raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:200].lower()
    what = remedy = ""
    if head.startswith(b"par1"):
        what, remedy = "it holds Parquet", "Rename it to end with .parquet"
    elif head.startswith((b"<!doctype", b"<html", b"<table", b"<?xml", b"<head", b"<body")):
        what = "it is a page of the web, which is often saved in place of a file that needs a log-in"
        remedy = "Download or export the table again as CSV"
    elif head.startswith((b"[{", b'{"')):
        what, remedy = "it holds JSON", "Rename it to end with .jsonl if it holds one event a line, or save it as CSV UTF-8"
    if what:
        raise DataError("XPB-D60", path=named, what=plain(what), remedy=plain(remedy))


class _Look:
    """The head of a file under one separator."""

    def __init__(self, text: str, separator: str, skip: int, wanted: Collection[str], is_tab: bool) -> None:
        self.separator = separator
        self.trouble = self.remedy = ""
        self.preamble: list[str] = []
        rows = list(_rows(text, separator))
        while rows and rows[0][0] <= skip:  # the line that names the separator
            rows.pop(0)
        hinted = skip
        at = self._header(rows, wanted)
        self.names = tuple(_name(n) for n in rows[at][1]) if rows else ()
        self.skip = rows[at][0] - 1 if rows else skip
        lines = text.splitlines()
        self.preamble = [line for line in lines[hinted : self.skip] if line.strip()]
        later = [fields for _, fields in rows[at + 1 :]]
        wide = len(self.names)
        if later and all(len(f) == wide + 1 and not f[-1].strip() for f in later):  # a separator at the end of every line
            later = [fields[:-1] for fields in later]
        widths = [len(fields) for fields in later]
        alike = not widths or max(widths.count(w) for w in set(widths)) > len(widths) / 2
        even = all(w == len(self.names) for w in widths)
        known = sum(name in wanted for name in self.names)
        self.rank = (
            known,
            separator == "\t" and is_tab,
            even and len(self.names) > 1,
            alike and len(self.names) > 1 and bool(widths) and max(widths) > 1,
            len(self.names),
            separator == ",",
        )

    def _header(self, rows: list[tuple[int, list[str]]], wanted: Collection[str]) -> int:
        """Place of the header: the first row, or the first as wide as the rest behind lines of a single text."""
        if not rows:
            return 0
        for at, (line, fields) in enumerate(rows[:50]):
            single = len([f for f in fields if f.strip()]) <= 1
            wider = any(len(later) > 1 and len([f for f in later if f.strip()]) > 1 for _, later in rows[at + 1 : at + 3])
            comment = fields[0].lstrip().startswith("#") and not any(f.strip() in wanted for f in fields)
            if ((single and wider) or comment) and not any(_name(f) in wanted for f in fields):
                continue
            if at and self._holds_more(rows[:at]):
                self.trouble = f"{number_of(at, 'line')} before the header in line {line:,} hold more than a title"
                self.remedy = "Remove the lines above the header"
            return at
        return 0

    def _holds_more(self, rows: list[tuple[int, list[str]]]) -> bool:
        """Whether lines before the header hold what may be data: several fields."""
        return any(len([f for f in fields if f.strip()]) > 1 and not fields[0].lstrip().startswith("#") for _, fields in rows)


def _name(text: str) -> str:
    return text.strip().lstrip("\ufeff")


def _rows(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows of the head with the number of their first line; blank lines are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    begin = 1
    try:
        for fields in reader:
            if fields:
                yield begin, fields
            begin = reader.line_num + 1
            if begin > MOST_LINES:
                return
    except csv.Error:
        return


def rows_of(sheet: Sheet) -> Iterator[list[str]]:
    """The rows of a file in Python, each as wide as its header; for small files.

    Raises:
        DataError: as `ensure_whole`.
    """
    ensure_text(sheet.path, sheet.named)
    yield from _checked(sheet)


def ensure_whole(sheet: Sheet) -> None:
    """Every row of a file has as many fields as its header; for people to see where not, since an engine says less.

    Raises:
        DataError: `XPB-D60`, with the line and the numbers of fields; `XPB-D62`, the file is no UTF-8.
    """
    ensure_text(sheet.path, sheet.named)
    for _ in _checked(sheet):
        pass


def rewritten(sheet: Sheet, folder: str | Path) -> Sheet:
    """A copy of the file in one form: commas, quotes where they are needed, one kind of line end; rows are checked.

    Raises:
        DataError: as `ensure_whole`.
    """
    ensure_text(sheet.path, sheet.named)
    with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".plain", delete=False, encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(sheet.names)
        writer.writerows(_checked(sheet))
    return Sheet(sheet.named, target.name, ",", sheet.names, 0, sheet.preamble)


def _checked(sheet: Sheet) -> Iterator[list[str]]:
    wide = len(sheet.names)
    with Path(sheet.path).open(encoding="utf-8-sig", newline="") as file:
        for _ in range(sheet.skip):
            file.readline()
        reader = csv.reader(file, delimiter=sheet.separator, strict=True)
        begin = sheet.skip + 1
        header = True
        try:
            for fields in reader:
                line, begin = begin, sheet.skip + reader.line_num + 1
                if header:
                    header = not fields
                    continue
                if len(fields) == wide + 1 and not fields[-1].strip():
                    fields = fields[:-1]  # a separator at the end of the line
                if wide > 1 and len(fields) <= 1 and not "".join(fields).strip(SPACES + "\x00\x1a"):
                    continue  # a blank line, or what some systems write at the end of a file
                if len(fields) != wide and fields:
                    raise _ragged(sheet, line, fields)
                yield fields or [""]
        except csv.Error as error:
            what = f"Line {begin:,}: {_said(error)}"
            remedy = "Quote the whole field and double the quotes in it, as RFC 4180 says"
            raise DataError("XPB-D60", path=sheet.named, what=plain(what), remedy=plain(remedy)) from error


def _said(error: csv.Error) -> str:
    text = str(error)
    if "end of data" in text:
        return "a quoted field that begins here, or further up, does not end"
    return "text follows the closing quote of a field" if "expected after" in text else text


def _ragged(sheet: Sheet, line: int, fields: list[str]) -> DataError:
    wide = len(sheet.names)
    what = f"Line {line:,} has {number_of(len(fields), 'field')}, the header has {wide:,}"
    if set(map(_name, fields)) >= set(sheet.names):
        what += ", and it is a header itself: a file with more columns was appended"
        remedy = "Give the two files apart: xp.units(['jan.csv', 'feb.csv']), or both names after xpbench explore"
    elif len(fields) == wide + 1 and fields[0].strip().isdigit():
        remedy = "Give the first column a name in the header, as R's write.csv does"
    else:
        seen = shown(sheet.separator.join(fields)[:80])
        what += f" ({seen})"
        remedy = f"Quote fields that hold a {_WORDS.get(sheet.separator, 'separator')}, or correct the line"
    return DataError("XPB-D60", path=sheet.named, what=plain(what), remedy=plain(remedy))
