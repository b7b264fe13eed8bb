"""Messages about the health checks (H)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-H01": Message("A health check named {name} is registered already", "Names are unique", "Choose another name"),
    "XPB-H02": Message("Check {name} has status {status}", "A status is one of: {known}", "Return one of them"),
    "XPB-H03": Message("There is no health check {name}", "Only registered checks can run", "{hint}"),
    "XPB-H04": Message("{name} is {value}", "{rule}", "{remedy}"),
}
