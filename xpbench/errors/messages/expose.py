"""Messages about the tracker and its outbox (E)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-E01": Message(
        "Outbox {path} was written by a newer version (schema {found})",
        "This version reads schemas up to {known}",
        "Install a newer xpbench in this process, too",
    ),
    "XPB-E02": Message(
        "Outbox {path} holds exposures of another Mixpanel project",
        "An outbox serves one project",
        "Give another path, or let the tracker choose one",
    ),
    "XPB-E03": Message(
        "Outbox {path} can't be opened: {reason}",
        "It is an SQLite file in a folder that this process may write",
        "Choose a path on a local disk with outbox=, or give this process the right to write there",
    ),
    "XPB-E04": Message(
        "Outbox {path} is full: {limit} events wait to be sent",
        "It is bounded, and nothing that was acknowledged is dropped to make room",
        "See tracker.status().last_problem for why Mixpanel takes none, or raise max_pending",
    ),
    "XPB-E05": Message(
        "The tracker was given a {value} as mixpanel",
        "It sends through the official SDK",
        "Give mixpanel=mixpanel.Mixpanel(token, …) or the project token as text",
    ),
    "XPB-E06": Message(
        "The tracker was given {count} plan(s)",
        "It needs at least one, each with its own experiment name",
        "Pass the plan that was registered, and rename exposure.experiment where two are equal",
    ),
    "XPB-E07": Message(
        "The exposure could not be recorded: {reason}", "Calling code goes on without it", "Remove the cause named"
    ),
    "XPB-E08": Message(
        "The call does not say which experiment", "This tracker runs several ({known})", "Add experiment= to the call"
    ),
    "XPB-E09": Message(
        "Experiment {value} is not one of this tracker's", "A tracker knows the plans it was made with", "{hint}"
    ),
    "XPB-E10": Message(
        "Unit {value} can't be exposed: {reason}",
        "A unit is a non-empty text of up to 255 bytes, a whole number or a UUID",
        "Pass the id that the experiment randomises",
    ),
    "XPB-E11": Message(
        "Property {name} can't be sent: {reason}",
        "Mixpanel takes fewer than 255 properties, nesting up to 3 levels, lists below 255 items, JSON values only",
        "Drop or shorten it",
    ),
    "XPB-E12": Message(
        "Time of the exposure is {value}",
        "It is a datetime with an offset, or seconds since the epoch after 1971",
        "Add the offset, best UTC, or leave time out for now",
    ),
    "XPB-E13": Message(
        "The Mixpanel object is configured for {found}",
        "Flags are evaluated in one place",
        "Make it with local_flags_config or remote_flags_config, and name one with evaluate= where it has both",
    ),
    "XPB-E14": Message(
        "A sender in a process of its own was given a {value}",
        "It can only be given the SDK's own consumers, and an outbox on disk",
        'Use sender="thread", or mixpanel.Consumer and a path',
    ),
    "XPB-E15": Message(
        "Variant {value} is a {kind}",
        "A variant is the key of one in the plan",
        "Pass its key as text",
    ),
    "XPB-E16": Message(
        "There is no place for the outbox: {reason}",
        "Exposures are kept on disk until Mixpanel has taken them",
        "Set XPBENCH_STATE to a folder that this process may write, or give outbox= a path",
    ),
    "XPB-E17": Message(
        "Region {value} is not known",
        "Projects live in us, eu or in, and events sent to another region never reach theirs",
        "Set MIXPANEL_REGION to the residency of the project",
    ),
    "XPB-E18": Message(
        "Outbox {path} can't be reached: {reason}",
        "It is a Postgres database in which this user may make a schema",
        "Check the address, that the server runs, and PGPASSWORD",
    ),
    "XPB-E19": Message(
        "The relay would listen on {value} without a token",
        "Whoever reaches it could fill the log with exposures",
        "Set XPBENCH_RELAY_TOKEN, or listen on 127.0.0.1",
    ),
}
