"""Messages about the REST APIs of Mixpanel (M)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-M01": Message(
        "There are no Mixpanel credentials: {names} not set",
        "They come from the environment alone, never from files or arguments",
        "Set MIXPANEL_USERNAME, MIXPANEL_SECRET and MIXPANEL_PROJECT_ID to those of a service account",
    ),
    "XPB-M02": Message(
        "Region {value} is not known", "Projects live in us, eu or in", "Set MIXPANEL_REGION to the residency of the project"
    ),
    "XPB-M03": Message(
        "Mixpanel refuses the credentials (401): {reason}",
        "A service account's secret can expire or be revoked, and each region has its own accounts",
        "Make a new service account secret, and check that MIXPANEL_REGION is the project's ({region} now)",
    ),
    "XPB-M04": Message(
        "Mixpanel forbids this (403): {reason}",
        "The service account needs a role in the project; experiments and flags need an add-on",
        "Give the account the role (analyst; admin for import), or ask the project's owner for the add-on",
    ),
    "XPB-M05": Message("Mixpanel {answer} ({status}): {reason}", "{rule}", "{remedy}"),
    "XPB-M06": Message(
        "Mixpanel's rate limit still holds after {seconds} s of waiting",
        "Raw export takes 60 queries an hour and 3 a second for the whole project, other tools included",
        "Pull again later: days that are complete are not asked for again",
    ),
    "XPB-M07": Message(
        "{host} did not answer: {reason}", "{attempts} attempts were made", "Check the network and the region, then do it again"
    ),
    "XPB-M08": Message(
        "The answer of {path} can't be read: {reason}",
        "The APIs answer JSON with status and results",
        "Try again; if it stays so, the API has changed",
    ),
    "XPB-M09": Message(
        "The export of {day} ended in the middle of a line, {attempts} times",
        "A day counts only when its last line is whole",
        "Pull again: other days are kept",
    ),
    "XPB-M10": Message("{name} is {value}", "{rule}", "{remedy}"),
    "XPB-M11": Message(
        "Mixpanel has no experiment named {name}",
        "Publishing once makes the Mixpanel experiment; later steps find it by its name or id",
        "Publish it first, or pass the id",
    ),
    "XPB-M12": Message("The Mixpanel experiment {name} is {status}", "This step needs it to be {wanted}", "{remedy}"),
    "XPB-M13": Message(
        "{count} of {total} events were refused on import, the first: {reason}",
        "Valid events of the request were taken, refused ones are listed in .failed",
        "Correct those and send them alone: sending all again is safe but costs",
    ),
    "XPB-M14": Message(
        "Mixpanel has another {thing} named {name}: it {reason}{differences}",
        "xpbench changes only what this ledger made",
        "Give the plan another key, or rename or archive the other one; to take it over: xpbench sync KEY --adopt",
    ),
    "XPB-M15": Message(
        "The flag {name} has the hash_salt {value} in Mixpanel, and {planned} by the plan",
        "With another salt about half of the units get another variant",
        "Delete the flag in Mixpanel and sync again, or register a plan with Mixpanel's salt",
    ),
}
