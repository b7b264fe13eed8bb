"""What checking has shown: each difference with its part, what was expected, what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

J = Any  # a JSON value

DEPTHS = ("in full", "in part", "page not compared", "page touched", "no page")
VERDICTS: dict[tuple[str, str], tuple[int, str, str]] = {
    ("verified", "in full"): (0, "✓", "verified in full"),
    ("differs", ""): (1, "✕", "differs"),
    ("unreadable", ""): (2, "?", "unreadable"),
    ("newer", ""): (3, "↑", "made by a newer version"),
    ("numbers hold", "in part"): (4, "◔", "numbers hold, some of them not computed"),
    ("numbers hold", "page not compared"): (4, "◒", "numbers hold, page not compared"),
    ("numbers hold", "page touched"): (5, "◐", "numbers hold, page touched"),
    ("verified", "no page"): (5, "○", "numbers hold, no page"),
}
"""Exit code, sign and words of each verdict, by its status and by how deep it looked.

A payload without a page has the status `verified`: everything that such a file holds was checked. Its depth says the rest.
"""
UNPROVEN = (
    "that the data are true: a memo proves what follows from its numbers, not where they come from",
    "that this is the latest memo of the experiment (--ledger shows a later decision)",
    "that its dates are right, unless an authority stamped them",
    "whose key signed, where something is signed: compare the fingerprint with one that you have from its owner",
)
"""What no verdict on a memo alone can prove; the report says it every time."""
MAKER = "Whoever holds the experiment's folder could make another memo and ledger that agree with each other."


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it should be: which part, what was expected, what was found."""

    part: str
    expected: str
    found: str

    def to_dict(self) -> dict[str, str]:
        """The fields by name."""
        return {"part": self.part, "expected": self.expected, "found": self.found}

    def __str__(self) -> str:
        return f"{self.part}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class Report:
    """What checking a memo has shown.

    Attributes:
        status: `verified`, `numbers hold`, `differs`, `unreadable` or `newer`.
        path: The file.
        reason: One sentence.
        differences: Each part that differs.
        checked: What was recomputed.
        not_checked: What was not, and why.
        key: Experiment, "" where it can't be read.
        headline: Decision as the payload has it.
        cause: The kind of trouble in one word or two, "" for a verified memo: `line ends` (nothing else differs), `truncated`,
            `no memo`, `a copy`, `added text`, `too large`, `not there`, `other experiment`, `fork`, `cut ledger`,
            `copied folder`, `superseded`, `witness`, `newer`, `left out` (some numbers), or `altered`.
        depth: How deep it looked where nothing differs: `in full`, `in part`, `page not compared`, `page touched` or `no page`.
        unproven: What such a check can't prove.
    """

    status: str
    path: str
    reason: str
    differences: tuple[Difference, ...] = ()
    checked: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    key: str = ""
    headline: str = ""
    cause: str = ""
    depth: str = ""
    unproven: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 verified in full, 1 differs, 2 unreadable, 3 newer, 4 something not compared, 5 page touched or absent."""
        return VERDICTS[self.status, self.depth][0]

    @property
    def sign(self) -> str:
        """One sign for each verdict."""
        return VERDICTS[self.status, self.depth][1]

    @property
    def verdict(self) -> str:
        """The verdict in words, with its depth."""
        return VERDICTS[self.status, self.depth][2]

    @property
    def holds(self) -> bool:
        """Whether nothing differs; `exit_code` 0 says that the page was compared as well."""
        return self.status in ("verified", "numbers hold")

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "status": self.status,
            "depth": self.depth,
            "verdict": self.verdict,
            "sign": self.sign,
            "exit_code": self.exit_code,
            "path": self.path,
            "key": self.key,
            "headline": self.headline,
            "cause": self.cause,
            "reason": self.reason,
            "differences": [d.to_dict() for d in self.differences],
            "checked": list(self.checked),
            "not_checked": list(self.not_checked),
            "unproven": list(self.unproven),
        }

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        from html import escape

        rows = "".join(
            f"<tr>{''.join(f'<td dir=auto>{escape(text)}</td>' for text in (d.part, d.expected, d.found))}</tr>"
            for d in self.differences[:40]
        )
        head = "<tr><th scope=col>Part</th><th scope=col>Expected</th><th scope=col>Found</th></tr>"
        table = f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>" if rows else ""
        more = f"<p>… and {len(self.differences) - 40} more</p>" if len(self.differences) > 40 else ""
        lists = "".join(
            f"<details><summary>{name} ({len(items)})</summary>"
            f"<ul>{''.join(f'<li dir=auto>{escape(i)}</li>' for i in items)}</ul></details>"
            for name, items in (
                ("Checked", self.checked),
                ("Not checked", self.not_checked),
                ("What this can't prove", self.unproven),
            )
            if items
        )
        said = f"<p><strong>{self.sign} {escape(self.verdict)}</strong>: <span dir=auto>{escape(self.reason)}</span></p>"
        return {"text/plain": repr(self), "text/html": f'<div class="xp-static">{said}{table}{more}{lists}</div>'}

    def to_frame(self) -> Any:
        """The differences as a pandas DataFrame, one row each: part, expected, found (pandas must be there)."""
        import pandas as pd  # nothing but this table asks for more than the standard library

        return pd.DataFrame([d.to_dict() for d in self.differences], columns=["part", "expected", "found"])

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        return "\n".join(_printable(line) for line in self._lines())

    def _lines(self) -> list[str]:
        lines = [f"{self.verdict}: {self.reason}", *(f"  ✕ {d}" for d in self.differences[:40])]
        if len(self.differences) > 40:
            lines.append(f"  … and {len(self.differences) - 40} more")
        lines += [f"  ✓ {c}" for c in self.checked] if self.holds else []
        lines += [f"  ─ not checked: {n}" for n in self.not_checked]
        if self.unproven:
            lines += ["  What this can't prove:", *(f"  · {n}" for n in self.unproven)]
        return lines


@dataclass
class Notes:
    """What has been found so far.

    Attributes:
        differences: Each part that differs.
        checked: What was computed again.
        not_checked: What was not, and why.
        depth: How deep the page was compared.
        left: What was not checked and is shown all the same: sentences of another version, signatures, sums that take too long.
        for_engine: Numbers that were not computed here, because they take the engine.
        has_cells: Whether every cell of the page was made again from the payload.
        what: What the file is: a memo, a letter of the watch, or an overview of all experiments.
    """

    differences: list[Difference] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    depth: str = ""
    left: list[str] = field(default_factory=list)
    for_engine: list[str] = field(default_factory=list)
    has_cells: bool = False
    what: str = "memo"

    def differs(self, part: str, expected: object, found: object) -> None:
        """Note a difference."""
        self.differences.append(Difference(part, shortened(expected), shortened(found)))

    def same(self, part: str, expected: object, found: object) -> bool:
        """Note a difference where there is one; types count."""
        if type(expected) is type(found) and expected == found:
            return True
        self.differs(part, expected, found)
        return False


def _printable(text: str) -> str:
    """A line as a terminal shows it: texts of a file from anyone steer no terminal and turn no direction."""
    return "".join(c if c.isprintable() or c == "\u202f" else "\ufffd" for c in text)


def shortened(value: object) -> str:
    """A value as printable text of at most 160 characters."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= 160 else text[:159] + "…"


class UnreadableError(Exception):
    """The file is not a memo that this program can read; `cause` says why in a word or two."""

    def __init__(self, reason: str, cause: str = "no memo") -> None:
        super().__init__(reason)
        self.cause = cause


class NewerError(Exception):
    """The file was made by a newer version."""
