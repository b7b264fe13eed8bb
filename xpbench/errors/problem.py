"""One thing wrong with an input, and its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xpbench.errors.wording import place, sentences, words


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input, and its place.

    Attributes:
        pointer: JSON pointer (RFC 6901) to the value, `""` for the whole.
        code: Key in `CATALOGUE`.
        what: What is wrong, with its value.
        rule: The rule it breaks.
        remedy: What to do.
    """

    pointer: str
    code: str
    what: str
    rule: str
    remedy: str

    @classmethod
    def of(cls, code: str, pointer: str, **values: Any) -> Problem:
        """The problem with the catalogue's words for `code`, filled with `values`."""
        return cls(pointer, code, *words(code, {"pointer": pointer, **values}))

    def __str__(self) -> str:
        return f"{sentences(self.what, self.rule, self.remedy)} [{self.code}]"

    @property
    def placed(self) -> str:
        """The problem with its field in front, where its own words don't begin with it."""
        where = place(self.pointer)
        return str(self) if where in self.what else f"{where}: {self}"

    def to_dict(self) -> dict[str, str]:
        """The five fields by name."""
        return {
            "pointer": self.pointer,
            "code": self.code,
            "what": self.what,
            "rule": self.rule,
            "remedy": self.remedy,
        }
