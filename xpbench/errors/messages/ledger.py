"""Messages about an experiment folder, its ledger, a time stamp (L)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-L01": Message(
        "Entry {line} of {path} does not follow from the one before: {reason}",
        "Every entry holds the SHA-256 of the line before it",
        "Restore the ledger from version control or a copy; nothing after entry {last_good} can be trusted",
    ),
    "XPB-L02": Message(
        "{path} is locked by another process ({holder})", "One writer at a time", "Wait until it has finished, then do it again"
    ),
    "XPB-L03": Message(
        "Experiment {key} is registered already in {root}", "A registered plan is frozen", "Amend it, or choose another key"
    ),
    "XPB-L04": Message("There is no experiment {key} in {root}", "It must be registered first", "{hint}"),
    "XPB-L05": Message(
        "{path} could not be written: {reason}",
        "An entry counts only when it is safely on disk; nothing was acknowledged",
        "Free space or fix the permission, then do it again",
    ),
    "XPB-L09": Message(
        "The ledger has no registered plan",
        "The first entry of a ledger registers one",
        "Restore the ledger from version control or a copy",
    ),
    "XPB-L10": Message(
        "Experiment {key} can't be read: {reason}",
        "A folder of the root holds a plan and an unbroken ledger",
        "Do what the reason says; where it names no way, restore the folder from version control or a copy",
    ),
    "XPB-L06": Message(
        "{path} was written by a newer version (schema {found})",
        "This version reads schemas up to {known}",
        "Install a newer xpbench",
    ),
    "XPB-L07": Message(
        "{path} is not the ledger that the witness saw: {reason}",
        "An entry that was acknowledged once stays",
        "Restore the ledger from version control or a copy",
    ),
    "XPB-L12": Message(
        "No time stamp from {url}: {reason}",
        "A time-stamp authority answers an RFC 3161 query with a stamp over exactly what was asked",
        "Check the address, or ask another authority; nothing was recorded",
    ),
    "XPB-L13": Message(
        "{kind} can't be added to {path}: {reason}",
        "Every entry follows the plan in force",
        "Open the experiment again, read what is on record, and repeat the step if it is still needed",
    ),
    "XPB-L14": Message(
        "{path} has an unresolved merge of git in line {line}",
        "Two people added entries to the same ledger, and neither side may be lost",
        "Run: xpbench ledger repair {path}. It keeps the entries of both sides",
    ),
    "XPB-L15": Message(
        "The line ends of {path} were rewritten to CRLF, from line {line} on",
        "Mail clients, editors and git without .gitattributes do this; every digest is then another one",
        "Run: xpbench ledger repair {path}. It puts the line ends back",
    ),
    "XPB-L16": Message(
        "The experiment changed since this step was prepared (entry {length}): {changes}",
        "{kind} was prepared on an older record",
        "Open the experiment again, read the change, and decide whether the step is still right",
    ),
    "XPB-L21": Message(
        "The ledger has entries that a newer version has written: {kinds}",
        "What is {kind} must know everything on record; looks may be taken, and everything else can be read",
        "Install a newer xpbench, then do it again",
    ),
    "XPB-L17": Message(
        "The folder {folder} in {root} holds the ledger of experiment {key}",
        "The folder of an experiment has its key as name; this one was copied or renamed",
        "Run: xpbench ledger repair {folder} --root {root}. It loses no entry",
    ),
    "XPB-L18": Message(
        "{key} was restarted already, as {next}",
        "A run ends once, and its lineage has one end",
        "Go on with {next}; restart that one if it has to end",
    ),
    "XPB-L19": Message(
        "The name {name} in the log belongs to experiment {key}",
        "Two experiments share a name only if the later one counts from a given day on",
        "Set exposure.start, choose another exposure.experiment, or restart {key}",
    ),
    "XPB-L20": Message(
        "The two sides in {path} can't be joined: {reason}",
        "A repair joins two continuations of one ledger",
        "Keep both files, and restore the folder of each experiment from version control",
    ),
    "XPB-L08": Message(
        "{path} is a symbolic link",
        "The folder of an experiment and its files are real ones inside the root",
        "Put the folder itself there, or name its real root",
    ),
}
