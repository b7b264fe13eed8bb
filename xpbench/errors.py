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
    ├── SealedError           effects were asked for before they are due
    ├── DecisionError         a decision the rule or the ledger refuses
    ├── WatchError            the contract after shipping
    └── MemoError             building, rendering or reading a memo

Every message has the same four parts, `{what is wrong, with its value}. {the rule}. {what to do}. [code]`, and lives in
`CATALOGUE`, so that the form, the command line and the exception say the same words. Values come from users and from
data: they are shortened and stripped of control and direction characters before they stand in a message.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

SHOWN_CHARACTERS = 120
"""How much of one value a message shows."""


class Message(NamedTuple):
    """One entry of the catalogue; the parts are format strings over the values of the case."""

    what: str
    rule: str
    remedy: str


_INPUT = {
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

_PLAN = {
    "XPB-P01": Message(
        "{pointer} is not a known key of {owner}",
        "Unknown keys are refused, so that a typo can't change an experiment",
        "{hint}",
    ),
    "XPB-P02": Message("{pointer} is missing", "{owner} needs it", "Add it"),
    "XPB-P03": Message("{pointer} is {value}", "{rule}", "Give a value that fits"),
    "XPB-P04": Message(
        "The plan has {count}",
        "A plan can be registered when it has no problem",
        "Mend: {first}",
    ),
    "XPB-P05": Message(
        "Experiment key {value} can't name a folder",
        "A key is 1 to 64 of a-z, 0-9, '.', '_', '-', starts with a letter or digit, and is no reserved device name",
        "Choose another key, for example {suggestion}",
    ),
    "XPB-P06": Message("{pointer} is empty", "{why}", "{remedy}"),
    "XPB-P07": Message(
        "The splits of the variants sum to {total}", "They are shares of the exposed units and sum to 1", "Correct them"
    ),
    "XPB-P08": Message(
        "{count} variants are marked as control", "Exactly one variant is the control", "Set control: true on one variant"
    ),
    "XPB-P09": Message("The plan has {count} variant(s)", "A comparison needs at least two", "Add a treatment variant"),
    "XPB-P10": Message("{kind} {key} stands {count} times", "Keys are unique", "Rename all but one"),
    "XPB-P11": Message("Split of variant {key} is {value}", "A split is a share above 0 and below 1", "Correct it"),
    "XPB-P12": Message(
        "The plan has no primary metric", "At least one metric decides", "Set role: primary on the metric that decides"
    ),
    "XPB-P13": Message(
        "Metric {key} is the target of the hypothesis but has direction {direction}, not {wanted}",
        "Hypothesis and metric agree on the direction",
        "Change one of them",
    ),
    "XPB-P14": Message(
        "Guardrail {key} has no margin",
        "A guardrail needs the worst change you accept",
        "Add margin=0.002 (absolute, in units of the metric) or margin_rel=0.02",
    ),
    "XPB-P15": Message("Guardrail {key} has both margin and margin_rel", "One margin is tested", "Remove one of them"),
    "XPB-P16": Message(
        "{pointer} names the metric {value}, which the plan does not have",
        "References name a metric of the same plan by its key",
        "{hint}",
    ),
    "XPB-P17": Message(
        "Metric {key} refers to itself through {path}", "Ratios and formulas are built on other metrics", "Break the circle"
    ),
    "XPB-P18": Message("{pointer} is {value}", "{rule}", "{remedy}"),
    "XPB-P19": Message(
        "The plan has no horizon", "It must be fixed in advance when results are due", "Set horizon.units, horizon.days or both"
    ),
    "XPB-P20": Message(
        "The sequential model has neither n_opt nor tau",
        "Its interval is tuned before launch and kept for the life of the experiment",
        "Set model.n_opt to the number of units at which the interval shall be narrowest, best the horizon",
    ),
    "XPB-P21": Message("The sequential model has both n_opt and tau", "One of them tunes the interval", "Remove one"),
    "XPB-P22": Message(
        "The hypothesis has no 'then'",
        "It names the metric, direction and size that would confirm it",
        "Add one entry per claim",
    ),
    "XPB-P23": Message(
        "Metric {key} of the hypothesis has role {role}",
        "The claim is tested on a primary metric",
        "Set role: primary on it, or name a primary metric",
    ),
    "XPB-P24": Message(
        "Winsorization of {key} keeps from {lower} to {upper}",
        "0 <= lower < upper <= 1, and at least one side cuts",
        "Give shares such as lower 0.01 and upper 0.99",
    ),
    "XPB-P25": Message(
        "{pointer} sums to {total}", "Shares of rollout groups, splits and layers stay within 0 and 1", "Correct them"
    ),
    "XPB-P26": Message(
        "Formula of {key} can't be read: {reason}",
        "A formula uses keys of other metrics, numbers, + - * / and parentheses",
        "Correct it, for example revenue / orders",
    ),
    "XPB-P27": Message(
        "The plan mixes per-unit columns ({columns}) with events ({events})",
        "One source feeds a plan: a table with one row per unit, or an event log",
        "Use kind: column for all metrics, or for none",
    ),
    "XPB-P28": Message(
        "The field {pointer} of the registered plan differs: registered {expected}, now {found}",
        "A registered plan is frozen",
        "Put the value back, or record the change with: xpbench amend",
    ),
    "XPB-P29": Message(
        "Plan file {path} has schema {found}",
        "This version reads schemas up to {known}",
        "Install a newer xpbench",
    ),
    "XPB-P30": Message("Template {name} is not known", "Templates: {known}", "{hint}"),
    "XPB-P31": Message(
        "Metric {key} asks for CUPED but has no covariate",
        "For a per-unit table the covariate is a column measured before the exposure",
        "Add covariates: [column], or remove cuped",
    ),
}

_LEDGER = {
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
        "Restore it from version control or a copy",
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
    "XPB-L08": Message(
        "{path} is a symbolic link",
        "The folder of an experiment and its files are real ones inside the root",
        "Put the folder itself there, or name its real root",
    ),
}

_STATS: dict[str, Message] = {
    "XPB-S01": Message("{name} is {value}", "{rule}", "Correct the argument"),
    "XPB-S02": Message(
        "Expression {expression} can't be read: {reason}",
        "An expression uses keys of metrics, numbers, + - * / and parentheses",
        "Correct it, for example revenue / orders",
    ),
}

_ASSIGN: dict[str, Message] = {
    "XPB-A01": Message(
        "{count} of the ids are floats, such as {value}",
        "An id is text, an integer or a UUID: 12345.0 and 12345 hash to different variants",
        "Cast the column to integer or text where it is read (pandas turns integers with gaps into floats: use Int64)",
    ),
    "XPB-A02": Message(
        "The ids are {kind}, such as {value}",
        "An id is text, an integer or a UUID; null is allowed and gets no variant",
        "Convert the column to text in the form that the app hashes",
    ),
    "XPB-A03": Message(
        "The id {value} is no well-formed Unicode text",
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
        "The variant key {value} stands more than once in {owner}", "Variant keys are unique", "Rename all but one"
    ),
    "XPB-A08": Message(
        "{value} can't assign units",
        "The subject is a Plan, a flag of load_flags, or an opened experiment",
        "Give xp.load_plan(path), or xp.load_flags(path)[key]",
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
    "XPB-A16": Message(
        "The change of {pointer} from {old} to {new} would assign units anew",
        "Assignment key, hash and salts of a registered plan are fixed",
        "Put the value back, or register a new experiment with its own key",
    ),
    "XPB-A17": Message(
        "The experiments {first} overlap in layer {value} from {start} to {end}",
        "Experiments in one layer own ranges that don't overlap",
        "Give each its own range of 0 to 1",
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
_EXPOSE: dict[str, Message] = {
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
        "Choose a path on a local disk with outbox=, or mend its permissions",
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
        "The exposure could not be recorded: {reason}", "Calling code goes on without it", "Mend the cause named"
    ),
    "XPB-E08": Message(
        "The call does not say which experiment", "This tracker runs several ({known})", "Add experiment= to the call"
    ),
    "XPB-E09": Message(
        "Experiment {value} is not one of this tracker's", "A tracker knows the plans it was made with", "{hint}"
    ),
    "XPB-E10": Message(
        "Unit {value} can't be exposed: {reason}",
        "A unit is a non-empty text of up to 255 bytes, or a whole number",
        "Pass the id that the experiment randomises",
    ),
    "XPB-E11": Message(
        "Property {name} can't be sent: {reason}",
        "Mixpanel takes fewer than 255 properties, nesting up to 3 levels, lists below 255 items, JSON values only",
        "Drop or shorten it",
    ),
    "XPB-E12": Message(
        "Time of the exposure is {value}",
        "It is an aware datetime, or seconds since the epoch after 1971",
        "Add the offset, best UTC, or leave it out for now",
    ),
    "XPB-E13": Message(
        "The Mixpanel object is configured for {found}",
        "Flags are evaluated in one place",
        "Make it with local_flags_config or remote_flags_config, and name one with evaluate= where it has both",
    ),
    "XPB-E14": Message(
        "The consumer is a {value}",
        "A sender in a process of its own can only be given the SDK's own consumers",
        'Use sender="thread", or mixpanel.Consumer',
    ),
}
_MIXPANEL: dict[str, Message] = {
    "XPB-M01": Message(
        "There are no Mixpanel credentials: {names} not set",
        "They come from the environment alone, never from a file of the project or an argument that ends up in a history",
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
        "The service account needs a role in the project, and experiments and flags need the add-on beyond the free ones",
        "Give the account the role (analyst; admin for import), or ask the project's owner for the add-on",
    ),
    "XPB-M05": Message(
        "Mixpanel refuses the request ({status}): {reason}", "The request must fit the documented limits", "Mend what is named"
    ),
    "XPB-M06": Message(
        "Mixpanel's rate limit still holds after {seconds} s of waiting",
        "Raw export takes 60 queries an hour and 3 a second",
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
        "Mend those and send them alone: sending all again is safe but costs",
    ),
}
_DATA: dict[str, Message] = {
    "XPB-D01": Message(
        "{what}: {reason}", "Sources are read whole or not at all", "Mend the place named, or write the file again"
    ),
    "XPB-D02": Message(
        "There is no file {path}", "A source names existing files; * and ? stand for parts of names", "Check the path"
    ),
    "XPB-D03": Message(
        "A source of kind {kind} can't be read",
        "Sources are pandas, polars or pyarrow tables, DuckDB relations, Spark tables, and CSV, Parquet or JSON Lines "
        "files of one kind",
        "{hint}",
    ),
    "XPB-D04": Message(
        "Metric {key} of kind {part_kind} is counted from events",
        "A table with one row per unit feeds metrics of kind column, and ratios and formulas of them",
        "Use xp.events(…) for this plan, or make the metric kind: column",
    ),
    "XPB-D05": Message(
        "Column {column} ({role}) is not in the source", "Every column that the plan or the call names must be there", "{hint}"
    ),
    "XPB-D06": Message(
        "Column {column} stands {times} times in the source", "Names of columns are unique", "Rename all but one"
    ),
    "XPB-D07": Message("{what}", "At least one unit must be there", "Check the source, or wait for data"),
    "XPB-D08": Message(
        "None of the {rows} rows has a variant of the plan: column {column} holds {found}",
        "The plan's variants are {known}",
        'Name the right column with variant=…, or translate with variants={{"value in the table": "variant of the plan"}}',
    ),
    "XPB-D09": Message(
        "{count} rows with {what}. {detail}",
        "The plan refuses them (data.{policy}: refuse)",
        "Mend the table, or amend the plan to exclude them",
    ),
    "XPB-D10": Message(
        "Metric {key} is built on {part} of kind {part_kind}",
        "Ratios and formulas are built on metrics with one value for each unit",
        "Name a count, sum, conversion or column",
    ),
    "XPB-D11": Message(
        "Column {column} holds the value {value} in {count} rows, which looks like a code for a missing value",
        "Codes are never averaged in",
        "Set data.missing_codes in the plan: [{value}] if it means missing, [] if these are real values",
    ),
    "XPB-D12": Message(
        "Column {column} has {count} values that are {what}{found}",
        "The plan refuses what is no finite number (data.non_finite: refuse)",
        "Mend the table, or set data.non_finite: exclude",
    ),
    "XPB-D13": Message(
        "Column {column} has {count} missing values",
        "The plan refuses missing values (data.missing: refuse)",
        "Mend the table, or set data.missing: exclude or zero",
    ),
    "XPB-D14": Message(
        "{count} units stand on {rows} rows; {mixed} of them with more than one variant",
        "The table has one row per unit (data.duplicates: refuse)",
        "Mend the table, or set data.duplicates: first or exclude",
    ),
    "XPB-D15": Message(
        "Segment {segment} has {count} different values",
        "A segment has up to {limit} values, declared in advance",
        "Choose a coarser property, or group the values",
    ),
    "XPB-D16": Message(
        "Column {column} is of type {kind}, which is no number (metric {metrics})",
        "Metrics and covariates are numbers or true/false",
        "Convert the column, or name another",
    ),
    "XPB-D30": Message(
        "Experiment {experiment} is not in the log: no {event} event names it",
        "The log names the experiment as the plan does (exposure.experiment, or the plan's key)",
        "{hint}",
    ),
    "XPB-D31": Message(
        "Event {event} of metric {key} never occurs in the log",
        "A metric counts an event that is there, so that a typo can't read as zero",
        '{hint} If nobody did it yet, pass absent_events="zero"',
    ),
    "XPB-D32": Message(
        "Property {property} of event {event} (metric {key}) never holds a number",
        "The metric is computed from that property",
        "{hint}",
    ),
    "XPB-D33": Message(
        "None of the {count} events has a time that can be read ({column})",
        "Times are seconds, milliseconds or microseconds since 1970, or timestamps",
        "Name the right column in the schema, and its time_unit",
    ),
    "XPB-D34": Message(
        "No exposure of {experiment} counts: of {count} in the log, left out are {found}",
        "An exposure counts with a unit, a variant of the plan, and a day from exposure.start to exposure.end",
        "Check the plan's variants and dates",
    ),
    "XPB-D35": Message(
        "Metric {key} of kind {part_kind} is not counted from events",
        "An event log feeds metrics that name events, and ratios and formulas of them",
        "Use xp.units(…) for this plan, or change the metric's kind",
    ),
    "XPB-D36": Message(
        "None of the {count} events has a value of {unit}",
        "Every event that counts names the unit that was randomised",
        "Check the plan's unit, or the unit in the schema",
    ),
    "XPB-D37": Message(
        "The log has no exposure event {event}",
        "Units take part from their first exposure on",
        "{hint} Or name the log's exposure event in exposure.event",
    ),
    "XPB-D38": Message(
        "No {event} event has the property {segment}",
        "Segments are properties of the exposure event",
        "Send the property with the exposure, or remove the segment",
    ),
    "XPB-D39": Message(
        "No {event} event names an experiment where format {format} has it ({what})",
        "Exposures name experiments in one of three formats: separate, dictionary or list",
        "Give the log's format and names in exposure=",
    ),
    "XPB-D40": Message(
        "Folder {path} holds Parquet files of something else",
        "Ingestion goes on in a folder of its own, with the same properties and schema",
        "Choose another folder, or remove this one",
    ),
    "XPB-D41": Message(
        "The properties {first_name} and {second_name} differ only in case",
        "Columns of the engine's tables are told apart without case",
        "Use one of them, or read the log as a table with one column renamed",
    ),
    "XPB-D42": Message(
        "File {path} has changed since part of it was read",
        "Ingestion goes on only in the same file",
        "Ingest it into a new folder",
    ),
    "XPB-D43": Message(
        "{what} is not read from a warehouse table",
        "Warehouse tables have one row per event, times as timestamps or numbers in UTC, and amounts as numbers",
        "Make a view with such columns, or export the log to Parquet",
    ),
    "XPB-D44": Message(
        "None of the {count} events {event} (metric {key}) has a value of {unit}",
        "A metric counts the events of exposed units, so its events name the unit that was randomised",
        "Send the unit's id with the event, or randomise by an id that both events carry",
    ),
    "XPB-D45": Message(
        "No event {event} has the property {property} by which metric {key} is filtered",
        "A filter compares a property that is there, so that a typo can't read as zero",
        'Correct its name, or pass absent_events="zero" if nobody has it yet',
    ),
    "XPB-D46": Message("{argument} is {value}", "{rule}", "{hint}"),
    "XPB-D47": Message(
        "Parquet file {part} of folder {path} is missing, or is not as it was written",
        "Ingestion goes on where all that was written is still there",
        "Ingest into a new folder, and move files only when the run is over",
    ),
    "XPB-D48": Message(
        "Another run writes to folder {path}",
        "One run at a time writes to a folder",
        "Wait for it, or choose another folder",
    ),
    "XPB-D20": Message(
        "Values up to {bound} can't be squared and summed",
        "Sums must stay within the range of doubles (about {limit})",
        "Check the values, or change their unit of measure",
    ),
}
_HEALTH: dict[str, Message] = {
    "XPB-H01": Message("A health check named {name} is registered already", "Names are unique", "Choose another name"),
    "XPB-H02": Message("Check {name} has status {status}", "A status is one of: {known}", "Return one of them"),
    "XPB-H03": Message("There is no health check {name}", "Only registered checks can run", "{hint}"),
    "XPB-H04": Message("{name} is {value}", "{rule}", "{remedy}"),
}
_DECIDE: dict[str, Message] = {
    "XPB-R20": Message("{name} is {value}", "{rule}", "{remedy}"),
    "XPB-R01": Message(
        "Results of {key} are sealed: {reason}",
        "Effects are shown when the plan says they are due",
        "Wait, or record an early look with peek(reason=...)",
    ),
    "XPB-R02": Message("The reason for {action} is empty", "It goes on record and into the memo", "Say why in a sentence"),
    "XPB-R03": Message("The decision is {value}", "A decision is ship, ship none, iterate or defer", "{hint}"),
    "XPB-R04": Message("Ship names the variant {value}", "One treatment variant of the plan is shipped", "{hint}"),
    "XPB-R05": Message(
        "The readout belongs to {found}, not to {expected}",
        "A decision rests on a readout of the same experiment and plan",
        "Make a new readout from this experiment",
    ),
    "XPB-R06": Message(
        "{key} has no decision yet", "A memo freezes a decision", "Decide first, with decide(...) or xpbench decide"
    ),
    "XPB-R07": Message(
        "The amendment changes {pointer}",
        "What decides which unit gets which variant stays as registered, or units would be reassigned",
        "Register a new experiment with its own key",
    ),
    "XPB-R08": Message(
        "{key} has no readout on record", "A decision rests on a readout", "Make one with readout(...) or xpbench readout"
    ),
    "XPB-R09": Message("The decision names nobody", "Someone answers for a decision", "Give by=..."),
    "XPB-R11": Message(
        "Power can't be computed: {reason}",
        "Planning needs to know where the interval is narrowest",
        "Set model.n_opt",
    ),
    "XPB-R12": Message("The summary has no segment {segment}", "A summary holds the segments it was read with", "{hint}"),
    "XPB-R10": Message("The amendment changes nothing", "An amendment records a difference", "Change the plan first"),
}
_WATCH: dict[str, Message] = {
    "XPB-W01": Message(
        "Experiment {key} has no watch contract",
        "What is watched after shipping is fixed in the plan, before launch",
        "Amend the plan with watch: weeks, metrics, check_days, owner",
    ),
    "XPB-W02": Message(
        "Experiment {key} has not been shipped",
        "The contract starts with a decision to ship",
        "Decide first, or leave it",
    ),
    "XPB-W03": Message("{name} is {value}", "{rule}", "{remedy}"),
    "XPB-W04": Message(
        "The clock stands at {now}, before the last entry of the ledger ({last})",
        "Time in a ledger does not run backwards",
        "Set the clock of this machine, or pass the right time",
    ),
}
_MEMO: dict[str, Message] = {
    "XPB-O01": Message(
        "No memo can be made: {reason}",
        "A memo freezes a readout that was opened, of a registered experiment",
        "Make a readout when it is due, or reveal it with a reason, then ask for the memo",
    ),
    "XPB-O02": Message("A memo can't be saved with the ending {ending}", "The ending names the format", "{hint}"),
    "XPB-O03": Message(
        "No PDF can be made: {reason}",
        "PDFs are printed by Chromium, which this package does not bring",
        "Install Chromium or Chrome, or open the HTML memo and print it",
    ),
}
_FORMS: dict[str, Message] = {}
_LAB = {
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
    "XPB-J04": Message("The request can't be read: {reason}", "A JSON object is expected", "Reload the page and try again"),
}

CATALOGUE: Mapping[str, Message] = {
    **_INPUT,
    **_PLAN,
    **_LEDGER,
    **_STATS,
    **_ASSIGN,
    **_EXPOSE,
    **_MIXPANEL,
    **_DATA,
    **_HEALTH,
    **_DECIDE,
    **_WATCH,
    **_MEMO,
    **_FORMS,
    **_LAB,
}
"""Every message of the package by its code. Letters: I input, P plan, L ledger, S statistics, A assignment, E exposure,
M Mixpanel, D data, H health, R readout and decision, W watch, O memo, F forms, J Jupyter server."""


def shown(value: object, limit: int = SHOWN_CHARACTERS) -> str:
    """Text of a value that is safe to show: one line, no control or direction characters, shortened.

    Strings are quoted; whatever came from data stays recognisable as such.
    """
    text = repr(value) if isinstance(value, str) else str(value)
    text = "".join(
        " " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c
        for c in text
        if unicodedata.category(c) not in ("Cf", "Cs", "Co")
    )
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def nearest(name: str, known: Iterable[str]) -> str:
    """Sentence that names the known name most like `name`, or lists what is known."""
    names = sorted({str(k) for k in known})
    close = difflib.get_close_matches(str(name)[:200], names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {shown(close[0])}?"
    if not names:
        return "Nothing is known here yet"
    return "Known: " + ", ".join(names[:20]) + (" …" if len(names) > 20 else "")


class _Plain(str):
    """Text of ours that goes into a message as it is, without quotes."""


def plain(text: str) -> str:
    """Mark text of our own (a rule, a hint, a reason) so that it stands unquoted in a message."""
    return _Plain(text)


_UNQUOTED = ("rule", "remedy", "hint", "reason", "why", "owner", "kind", "pointer", "first", "feature", "name", "count")


def _words(code: str, values: Mapping[str, Any]) -> Message:
    message = CATALOGUE[code]
    safe = {
        k: (
            shown(v)[1:-1]
            if isinstance(v, str) and k in _UNQUOTED and not isinstance(v, _Plain)
            else (str(v) if isinstance(v, _Plain) else shown(v))
        )
        for k, v in values.items()
    }
    return Message(*(part.format(**safe) for part in message))


def _sentences(*parts: str) -> str:
    return " ".join(p if p.endswith((".", "?", "!", "…")) else f"{p}." for p in (p.strip() for p in parts) if p)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input, told where it stands.

    Attributes:
        pointer: JSON pointer (RFC 6901) to the value, `""` for the whole.
        code: Key in `CATALOGUE`.
        what: What is wrong, with its value.
        rule: The rule it breaks.
        remedy: What to do.
    """

    pointer: str
    code: str
    what: str
    rule: str
    remedy: str

    @classmethod
    def of(cls, code: str, pointer: str, **values: Any) -> Problem:
        """The problem with the catalogue's words for `code`, filled with `values`."""
        words = _words(code, {"pointer": pointer or "the plan", **values})
        return cls(pointer, code, *words)

    def __str__(self) -> str:
        return f"{_sentences(self.what, self.rule, self.remedy)} [{self.code}]"

    def to_dict(self) -> dict[str, str]:
        """The five fields by name."""
        return {
            "pointer": self.pointer,
            "code": self.code,
            "what": self.what,
            "rule": self.rule,
            "remedy": self.remedy,
        }


class XpbenchError(Exception):
    """Base of every error this package raises on purpose.

    Args:
        code: Key in `CATALOGUE`.
        values: What the message's format strings name.
    """

    def __init__(self, code: str, /, **values: Any) -> None:
        self.code = code
        self.values = values
        self.what, self.rule, self.remedy = _words(code, values)
        super().__init__(f"{_sentences(self.what, self.rule, self.remedy)} [{code}]")

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
        count = f"{len(self.problems)} problem" + ("" if len(self.problems) == 1 else "s")
        super().__init__("XPB-P04", count=plain(count), first=plain("; ".join(str(p) for p in self.problems[:5])))

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


class SealedError(XpbenchError):
    """Effects were asked for before they are due."""


class DecisionError(XpbenchError):
    """A decision the rule or the ledger refuses."""


class WatchError(XpbenchError):
    """The contract after shipping can't be read or answered."""


class MemoError(XpbenchError):
    """A memo can't be built, rendered or read."""
