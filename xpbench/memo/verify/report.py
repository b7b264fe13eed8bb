"""What checking has shown: each difference with its part, what was expected, what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

EXIT = {"verified": 0, "differs": 1, "unreadable": 2, "newer": 3}
J = Any  # a JSON value


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
        status: `verified`, `differs`, `unreadable` or `newer`.
        path: The file.
        reason: One sentence.
        differences: Each part that differs.
        checked: What was recomputed.
        not_checked: What was not, and why.
        key: Experiment, "" where it can't be read.
        headline: Decision as the payload has it.
        cause: The kind of trouble in one word or two, "" for a verified memo: `line ends` (nothing else differs), `truncated`,
            `no memo`, `too large`, `not there`, `other experiment`, `fork`, `cut ledger`, `witness`, `newer`, or `altered`.
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

    @property
    def exit_code(self) -> int:
        """0 verified, 1 differs, 2 unreadable, 3 made by a newer version."""
        return EXIT[self.status]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "status": self.status,
            "exit_code": self.exit_code,
            "path": self.path,
            "key": self.key,
            "headline": self.headline,
            "cause": self.cause,
            "reason": self.reason,
            "differences": [d.to_dict() for d in self.differences],
            "checked": list(self.checked),
            "not_checked": list(self.not_checked),
        }

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = [f"{self.status}: {self.reason}", *(f"  ✕ {d}" for d in self.differences[:40])]
        if len(self.differences) > 40:
            lines.append(f"  … and {len(self.differences) - 40} more")
        lines += [f"  ✓ {c}" for c in self.checked] if self.status == "verified" else []
        return "\n".join([*lines, *(f"  ─ {n}" for n in self.not_checked)])


@dataclass
class Notes:
    """What has been found so far."""

    differences: list[Difference] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)

    def differs(self, part: str, expected: object, found: object) -> None:
        """Note a difference."""
        self.differences.append(Difference(part, shortened(expected), shortened(found)))

    def same(self, part: str, expected: object, found: object) -> bool:
        """Note a difference where there is one; types count."""
        if type(expected) is type(found) and expected == found:
            return True
        self.differs(part, expected, found)
        return False


def shortened(value: object) -> str:
    """A value as printable text of at most 160 characters."""
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= 160 else text[:159] + "…"


class UnreadableError(Exception):
    """The file is no memo that this program can read; `cause` says why in a word or two."""

    def __init__(self, reason: str, cause: str = "no memo") -> None:
        super().__init__(reason)
        self.cause = cause


class NewerError(Exception):
    """The file was made by a newer version."""
