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
            for name, items in (("Checked", self.checked), ("Not checked", self.not_checked))
            if items
        )
        sign = "✓" if self.status == "verified" else "✕"
        said = f"<p><strong>{sign} {escape(self.status)}</strong>: <span dir=auto>{escape(self.reason)}</span></p>"
        return {"text/plain": repr(self), "text/html": f'<div class="xp-static">{said}{table}{more}{lists}</div>'}

    def to_frame(self) -> Any:
        """The differences as a pandas DataFrame, one row each: part, expected, found (pandas must be there)."""
        import pandas as pd  # nothing but this table asks for more than the standard library

        return pd.DataFrame([d.to_dict() for d in self.differences], columns=["part", "expected", "found"])

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
