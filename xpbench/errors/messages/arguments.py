"""Messages about a value given by the caller: a file, an option, an argument (I)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-I01": Message(
        "File {path} does not exist", "The path must name an existing file", "Check the path, or list the folder"
    ),
    "XPB-I02": Message(
        "File {path} can't be read as {kind}: {reason}",
        "The file must be well-formed {kind} in UTF-8",
        "Open it in an editor at the place named, or write it again",
    ),
    "XPB-I03": Message(
        "File {path} has {size} bytes",
        "Files of this kind are read up to {limit} bytes",
        "Check that it is the file you meant",
    ),
    "XPB-I04": Message("{name} is {value}", "{rule}", "{remedy}"),
    "XPB-I05": Message(
        "{feature} needs the package {package}, which is not installed",
        "It is an optional part",
        'Install it with: pip install "{install}"',
    ),
    "XPB-I06": Message(
        "File {path} could not be written: {reason}",
        "Nothing was replaced: what was there before is intact",
        "Free space or fix the permission, then do it again",
    ),
}
