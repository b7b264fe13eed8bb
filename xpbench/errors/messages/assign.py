"""Messages about ids, hashing, flags, layers, preflight, audit and hand-off (A)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-A01": Message(
        "{count} of the ids are floats, such as {value}",
        "An id is text, an integer or a UUID: 12345.0 and 12345 hash to different variants",
        "Read the column as integer or text (in pandas: Int64)",
    ),
    "XPB-A02": Message(
        "The ids are {kind}, such as {value}",
        "An id is text, an integer or a UUID; null is allowed and gets no variant",
        "Convert the column to text in the form that the app hashes",
    ),
    "XPB-A03": Message(
        "The id {value} is not a well-formed Unicode text",
        "Ids are hashed as UTF-8, and lone surrogates have none",
        "Find where the id was cut or decoded wrongly",
    ),
    "XPB-A04": Message(
        "The plan {value} has no assignment: another system assigns its units",
        "A hash and a salt are needed to compute a variant",
        "Add assignment to the plan, for example {{'hash': 'sha256', 'salt': 'my-salt'}}",
    ),
    "XPB-A05": Message(
        "The splits of {owner} sum to {total}", "Splits are shares of the assigned units and sum to 1", "Correct them"
    ),
    "XPB-A06": Message(
        "{count} variants of {owner} are marked as control", "Exactly one variant is the control", "Mark one variant as control"
    ),
    "XPB-A07": Message(
        "The variant key {value} appears more than once in {owner}", "Variant keys are unique", "Rename all but one"
    ),
    "XPB-A08": Message(
        "{value} can't assign units",
        "The subject is a Plan, a flag of load_flags, or an opened experiment",
        "Give xp.load_plan(path), or xp.load_flags(path)[key]; on the command line a file of either, and --flag KEY",
    ),
    "XPB-A09": Message("There is no flag {value}", "Flags are found by their key", "{hint}"),
    "XPB-A10": Message(
        "The flag definitions can't be read: {reason}",
        "They are a JSON object with a list 'flags' (definitions) or 'results' (management API)",
        "Save the answer of the API as it is, or give a list of flag objects",
    ),
    "XPB-A11": Message(
        "Flag {value} is refused: {reason}",
        "The official SDK would drop every flag of the file, or raise at evaluation, for a flag like this",
        "Correct the definition; the other flags were loaded",
    ),
    "XPB-A12": Message(
        "Rollout group {value} is for {reason}, and none was given",
        "Whom a group is for must be known to assign its units",
        "{remedy}",
    ),
    "XPB-A13": Message("There is no column {value} in {owner}", "{rule}", "{hint}"),
    "XPB-A14": Message(
        "{value} is one id, not a list of ids", "Ids come as a list, array, series or frame", "Put it into a list"
    ),
    "XPB-A15": Message(
        "There are {count} ids but {owner} has {value} rows", "Both are aligned row by row", "Take them from the same frame"
    ),
    "XPB-A17": Message(
        "The plan {key} can't run next to the experiments of {root}: {reason}",
        "Experiments of one layer share no unit, and one holdout holds out the same units everywhere",
        "{remedy}",
    ),
    "XPB-A18": Message(
        "{feature} can't be written: {reason}",
        "A snippet must give the same variants as xp.assign, or not exist",
        "{remedy}",
    ),
    "XPB-A19": Message(
        "{pointer} names the variant {value}, which {owner} does not have", "Variants are named by key", "{hint}"
    ),
    "XPB-A20": Message("{name} is {value}", "{rule}", "{remedy}"),
}
