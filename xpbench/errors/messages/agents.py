"""Messages about what assistants may do, and about code next to the seal (G)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-G01": Message(
        "Path {path} can't be used: {rule}",
        "A server for assistants reads and writes in one folder only",
        "Name a file in that folder, such as data/events.parquet",
    ),
    "XPB-G02": Message("Argument {name} of the tool is {value}", "{rule}", "{remedy}"),
    "XPB-G03": Message(
        "There is no tool {name}", "Deciding and amending are left to people unless the server allows it", "{hint}"
    ),
    "XPB-G04": Message(
        "Column {name} is an outcome of {key}",
        "Variant and day are read from columns that hold no outcome",
        "Name the column of the {part}",
    ),
    "XPB-G05": Message(
        "Nobody has confirmed the draft of {key} with digest {digest}",
        "An assistant registers what a person has confirmed, to the last byte",
        "A person runs: xpbench confirm {path}",
    ),
    "XPB-G06": Message(
        "The draft would be computed from {name}, an outcome of {key}, which is registered and sealed",
        "Numbers of a running experiment's outcomes stay sealed until they are due",
        "Draft from other data, or let a person run xpbench plan --from",
    ),
    "XPB-G07": Message(
        "The call failed inside: {kind}",
        "Nothing was shown that is not on record",
        "Check the data with xpbench readout on the command line, which says more",
    ),
    "XPB-G08": Message(
        "The reason for a look by an assistant is {value}",
        "It goes on record and into the memo, for readers who were not there",
        "Say in a sentence why the look can't wait",
    ),
}
