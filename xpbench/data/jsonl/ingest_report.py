"""What ingestion says: events written, and every line that is not an event, by reason and number."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from xpbench.data.summary import Finding
from xpbench.errors import number_of
from xpbench.shows import Shows, plain_html

REASONS = {
    "malformed_json": "is not a JSON object",
    "broken_utf8": "is not UTF-8",
    "duplicate_keys": "names a key twice",
    "no_event": "has no event name",
    "no_time": "has no time",
    "bad_time": "has a time that can't be read",
    "too_long": "is longer than 16 MiB",
    "truncated_line": "is cut off at the end of the file",
}


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that is not an event.

    Attributes:
        file: Name of the file, without its folder.
        line: Number of the line, from 1.
        reason: Key in `REASONS`.
    """

    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class IngestReport(Shows):
    """What was read.

    Attributes:
        folder: Where the Parquet files and the manifest are.
        rows: Events written.
        lines: Lines that are not blank.
        rejected: Rejected lines by reason.
        rejects: The first of them by file and piece.
        broken: Files that end before they should, with the reason.
        digest: SHA-256 over the bytes of all files, whatever their order.
        files: SHA-256 of each file, sorted.
    """

    rows_of_frame: ClassVar[str] = "rejects"

    folder: Path
    rows: int
    lines: int
    rejected: dict[str, int]
    rejects: tuple[Reject, ...] = field(repr=False)
    broken: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    files: tuple[str, ...] = field(default=(), repr=False)

    def _repr_html_(self) -> str:
        found = [{"what": f.name.replace("_", " "), "lines": f.count, "where": f.detail} for f in self.findings()]
        return plain_html(f"{number_of(self.rows, 'event')} of {number_of(self.lines, 'line')} read.", found)

    def findings(self) -> list[Finding]:
        """The rejects as findings of a summary: one for each reason, with the first line numbers."""
        out = []
        for reason, count in sorted(self.rejected.items()):
            lines = [f"{r.file}:{r.line}" for r in self.rejects if r.reason == reason]
            where = ", ".join(lines[:5]) + (" …" if count > 5 else "")
            out.append(Finding("rejected_lines", count, self.lines, "excluded", detail=f"A line {REASONS[reason]}: {where}."))
        for name, why in sorted(self.broken.items()):
            out.append(Finding("broken_file", 1, 1, "read up to the break", detail=f"{name}: {why}."))
        return out

    def told(self) -> str:
        """Why lines are not events, in words, the most frequent reason first, each with the first line that has it."""
        if not self.lines:
            return "it has no lines"
        out = []
        for reason, count in sorted(self.rejected.items(), key=lambda p: (-p[1], p[0])):
            first = next((f", first {r.file}:{r.line}" for r in self.rejects if r.reason == reason), "")
            out.append(f"a line {REASONS[reason]} ({count:,} of {number_of(self.lines, 'line')}{first})")
        return "; ".join(out + [f"{name}: {why}" for name, why in sorted(self.broken.items())])

    def to_dict(self) -> dict[str, Any]:
        """The report as a JSON value; files by name only."""
        return {
            "rows": self.rows,
            "lines": self.lines,
            "rejected": dict(self.rejected),
            "rejects": [{"file": r.file, "line": r.line, "reason": r.reason} for r in self.rejects],
            "broken": dict(self.broken),
            "digest": self.digest,
        }
