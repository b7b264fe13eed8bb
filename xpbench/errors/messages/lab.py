"""Messages about the Jupyter server extension (J)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-J01": Message(
        "Path {path} can't be used",
        "A path is relative to the server's root, does not leave it, and names nothing hidden",
        "Choose a file or folder in the file browser",
    ),
    "XPB-J02": Message(
        "File {path} is neither a memo nor a plan",
        "Memos end with memo.html or memo.json, plans with plan.json",
        "Choose one of these, or rename the file",
    ),
    "XPB-J03": Message("There is no template {name}", "Notebooks are made from installed templates", "{hint}"),
    "XPB-J05": Message(
        "File {path} has changed since it was opened",
        "A verdict is about what is shown",
        "Reload it from disk, and verify it again",
    ),
    "XPB-J04": Message("The request can't be read: {reason}", "A JSON object is expected", "Reload the page and try again"),
}
