"""Messages about a computation that would mislead (S)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-S01": Message("{name} is {value}", "{rule}", "Correct the argument"),
    "XPB-S02": Message(
        "Expression {expression} can't be read: {reason}",
        "An expression uses keys of metrics, numbers, + - * / and parentheses",
        "Correct it, for example revenue / orders",
    ),
}
