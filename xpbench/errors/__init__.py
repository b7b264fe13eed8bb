"""What can go wrong, and what to do about it.

The exception tree::

    XpbenchError
    ├── InputError            a value given by the caller (file, option, argument)
    ├── PlanError             a plan that can't be used as it is
    │   └── InvalidPlan       carries every problem at once in `.problems`
    ├── LedgerError           an experiment folder or its ledger
    │   ├── BrokenLedger      the chain does not hold; says where
    │   └── ChangedPlan       plan.json differs from what was registered
    ├── StatsError            a computation that would mislead
    ├── AssignError           hashing, flags, preflight, audit
    ├── ExposeError           tracker and outbox
    ├── MixpanelError         the REST APIs
    ├── DataError             sources, ingestion, engines
    ├── HealthError           a health check that could not run
    ├── DecisionError         a decision the rule or the ledger refuses
    │   └── SealedError       a decision was to rest on effects that are not due yet
    ├── WatchError            the contract after shipping
    └── MemoError             building, rendering or reading a memo

Every message has the same four parts, `{what is wrong, with its value}. {the rule}. {what to do}. [code]`, and is in
`CATALOGUE`, so that the form, the command line and the exception say the same words.

==========  ===========================================================
messages    what errors say, a file for each room
catalogue   the index of all messages by their code
wording     values made safe to show, and the sentences of a message
problem     one thing wrong with an input, and its place
==========  ===========================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xpbench.errors.catalogue import CATALOGUE
from xpbench.errors.message import Message
from xpbench.errors.problem import Problem
from xpbench.errors.wording import SHOWN_CHARACTERS, nearest, number_of, plain, sentences, shown, words

__all__ = [
    "CATALOGUE",
    "SHOWN_CHARACTERS",
    "AssignError",
    "BrokenLedger",
    "ChangedPlan",
    "DataError",
    "DecisionError",
    "ExposeError",
    "HealthError",
    "InputError",
    "InvalidPlan",
    "LedgerError",
    "MemoError",
    "Message",
    "MixpanelError",
    "PlanError",
    "Problem",
    "SealedError",
    "StatsError",
    "WatchError",
    "XpbenchError",
    "nearest",
    "number_of",
    "plain",
    "shown",
]


NAMED_PROBLEMS = 5
"""Problems of a plan that the text of its error lists; `.problems` has all of them."""


class XpbenchError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        code: Key in `CATALOGUE`.
        values: What the message's format strings name.
    """

    def __init__(self, code: str, /, **values: Any) -> None:
        self.code = code
        self.values = values
        self.what, self.rule, self.remedy = words(code, values)
        super().__init__(f"{sentences(self.what, self.rule, self.remedy)} [{code}]")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (
            type(self),
            self.code,
            {k: shown(v) if not isinstance(v, (str, int, float)) else v for k, v in self.values.items()},
        )

    def to_dict(self) -> dict[str, Any]:
        """The parts of the message by name, for `--json`."""
        return {"code": self.code, "what": self.what, "rule": self.rule, "remedy": self.remedy}


def _rebuild(cls: type[XpbenchError], code: str, values: dict[str, Any]) -> XpbenchError:
    error = cls.__new__(cls)
    XpbenchError.__init__(error, code, **values)
    return error


class InputError(XpbenchError):
    """A value given by the caller can't be used."""


class PlanError(XpbenchError):
    """A plan can't be used as it is."""


class InvalidPlan(PlanError):
    """A plan with problems; `.problems` has all of them, `.source` the error they were read from, where there is one."""

    source: Exception | None = None

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        count = number_of(len(self.problems), "problem")
        named = [str(p) for p in self.problems[:NAMED_PROBLEMS]]
        super().__init__("XPB-P04", count=plain(count), first=plain("; ".join(named)))
        more = len(self.problems) - len(named)
        listed = "".join(f"\n  - {p}" for p in [*named, *([f"and {more:,} more"] if more else [])])
        self.args = (f"{self.what}:{listed if len(self.problems) > 1 else ' ' + ''.join(named)} [{self.code}]",)

    def __reduce__(self) -> tuple[Any, ...]:
        return InvalidPlan, (self.problems,)

    def to_dict(self) -> dict[str, Any]:
        """The message with the list of problems."""
        return {**super().to_dict(), "problems": [p.to_dict() for p in self.problems]}


class LedgerError(XpbenchError):
    """An experiment folder or its ledger can't be used."""


class BrokenLedger(LedgerError):
    """The hash chain of a ledger does not hold."""


class ChangedPlan(LedgerError):
    """plan.json differs from what was registered."""


class StatsError(XpbenchError):
    """A computation was asked for that would mislead."""


class AssignError(XpbenchError):
    """Hashing, flags, preflight or audit can't go on."""


class ExposeError(XpbenchError):
    """The tracker or its outbox can't go on."""


class MixpanelError(XpbenchError):
    """A Mixpanel API refused or did not answer."""


class DataError(XpbenchError):
    """A source can't be read or does not fit the plan."""


class HealthError(XpbenchError):
    """A health check could not run."""


class DecisionError(XpbenchError):
    """A decision the rule or the ledger refuses."""


class SealedError(DecisionError):
    """A decision was to rest on effects that are not due yet."""


class WatchError(XpbenchError):
    """The contract after shipping can't be read or answered."""


class MemoError(XpbenchError):
    """A memo can't be built, rendered or read."""
