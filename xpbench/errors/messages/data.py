"""Messages about sources, ingestion and engines (D)."""

from __future__ import annotations

from xpbench.errors.message import Message

MESSAGES: dict[str, Message] = {
    "XPB-D01": Message(
        "{what}: {reason}", "Sources are read whole or not at all", "Fix the place named, or write the file again"
    ),
    "XPB-D02": Message(
        "There is no file {path}",
        "A source names existing files or folders; * and ? stand for parts of names, and ** for folders in folders",
        "Check the path",
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
        "Use xp.events(…) (--events), or make the metric kind: column",
    ),
    "XPB-D05": Message(
        "Column {column} ({role}) is not in the source", "Every column that the plan or the call names must be there", "{hint}"
    ),
    "XPB-D06": Message(
        "Column {column} appears {times} times in the source", "Names of columns are unique", "Rename all but one"
    ),
    "XPB-D07": Message("{what}", "At least one unit must be there", "Check the source, or wait for data"),
    "XPB-D08": Message(
        "None of the {rows} rows has a variant of the plan: column {column} holds {found}",
        "The plan's variants are {known}",
        'Name the right column with variant=… (--variant-column), or translate: variants={{"value in the table": '
        '"variant of the plan"}}',
    ),
    "XPB-D09": Message(
        "{count} rows with {what}. {detail}",
        "The plan refuses them (data.{policy}: refuse)",
        "Fix the table, or amend the plan to exclude them",
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
        "The plan refuses what is not a finite number (data.non_finite: refuse)",
        "{remedy}. To leave these units out, set data.non_finite: exclude",
    ),
    "XPB-D13": Message(
        "Column {column} has {count} missing values",
        "The plan refuses missing values (data.missing: refuse)",
        "Fix the table, or set data.missing: exclude or zero",
    ),
    "XPB-D14": Message(
        "{count} on {rows} rows; {mixed} of them with more than one variant",
        "The table has one row per unit (data.duplicates: refuse)",
        "Fix the table, or set data.duplicates: first or exclude",
    ),
    "XPB-D15": Message(
        "Segment {segment} has {count} different values",
        "A segment has up to {limit} values, declared in advance",
        "Choose a coarser property, or group the values",
    ),
    "XPB-D16": Message(
        "Column {column} is of type {kind}, which is not a number (metric {metrics})",
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
        "A typo must not read as zero",
        '{hint} If nobody did it yet, pass absent_events="zero" (--absent-events zero)',
    ),
    "XPB-D32": Message(
        "Property {property} of event {event} (metric {key}) never holds a number",
        "The metric is computed from that property",
        "{hint}",
    ),
    "XPB-D33": Message(
        "None of the {count} events has a time that can be read ({column})",
        "Times are seconds to nanoseconds since 1970, or timestamps, and none is from before 2005",
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
        "Use xp.units(…), or --units on the command line, or change the metric's kind",
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
        "Metrics count events of exposed units, so events carry the unit's id",
        "Send the unit's id with the event, or randomise by an id that both have",
    ),
    "XPB-D45": Message(
        "No event {event} has the property {property} by which metric {key} is filtered",
        "A typo must not read as zero",
        'Correct the name; if nobody has it yet, pass absent_events="zero" (--absent-events zero)',
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
    "XPB-D49": Message(
        "None of the {count} events has a name ({column})",
        "Every event has a name",
        "Name the right column in the schema: xp.EventSchema(event=…), or --schema event=COLUMN",
    ),
    "XPB-D50": Message(
        "{what}: {reason}",
        "The engine holds no more than its memory limit, and every thread holds a part of it",
        "Raise the limit or read with fewer threads: xp.DuckDB(memory_limit=…, threads=…)",
    ),
    "XPB-D60": Message(
        "File {path} has no clear shape: {what}",
        "Every row has as many fields as the header, so that no row is lost and no value moves to another column",
        "{remedy}",
    ),
    "XPB-D61": Message("File {path} can't be unpacked: {reason}", "Sources are read whole or not at all", "{remedy}"),
    "XPB-D62": Message(
        "File {path} is not UTF-8: {reason}", "Text is read as UTF-8, or as UTF-16 where the file says so", "{remedy}"
    ),
    "XPB-D63": Message(
        "Column {column} (the day) has {count} values that are not a day, such as {found}",
        "Results by day need a day for every unit that has a value there",
        "{remedy}",
    ),
    "XPB-D64": Message(
        "Column {column} holds ids as numbers with a floating point, up to {found}",
        "Above 2^53 two neighbouring ids become one",
        "Export the ids again as whole numbers or text",
    ),
    "XPB-D65": Message(
        "Row {row} looks like a line of totals: {unit} in column {column}",
        "Every row is one unit",
        "Remove the line, or rename the unit if it is one",
    ),
    "XPB-D66": Message(
        "No event {event} of metric {key} has the value {value} in property {property}, by which it is filtered",
        "A typo must not read as zero",
        '{hint} If nobody has it yet, pass absent_events="zero" (--absent-events zero)',
    ),
    "XPB-D77": Message(
        "Property {property} of event {event} (metric {key}) never holds a number, and a filter compares it with one: {found}",
        "Every comparison would fail, and the metric would be zero",
        "{remedy}. Or filter by the text that is there",
    ),
    "XPB-D78": Message(
        "{path} changed while it was read",
        "A log or a table is read as it is at one moment, else its numbers belong to none",
        "Read it again when nobody writes to it, or read a copy",
    ),
    "XPB-D84": Message(
        "The warehouse does not let this role read the log: {reason}",
        "It is read through a temporary table; nothing else is written",
        "Ask for SELECT on the log, TEMPORARY on the database, and a role that is not read-only",
    ),
    "XPB-D86": Message(
        "Property {name} is {value} in {events}, and the name of their folder is {folder}",
        "One of the two is wrong, and a guess would count events for others",
        "Move the files to folders that fit, or rename the folders",
    ),
    "XPB-D87": Message(
        "Spark has read the folder {folder} as a value of type {kind}, which is another value",
        "Names of folders are text, so that 007 is not 7",
        "Set spark.sql.sources.partitionColumnTypeInference.enabled to false before the log is read",
    ),
    "XPB-D88": Message(
        "Workbook {path} is not a table: {what}",
        "One sheet with a value in each cell has one meaning",
        "{remedy}",
    ),
    "XPB-D79": Message(
        "Column {column} holds ids that were rounded, such as {found}",
        "A spreadsheet writes long numbers so, and several units become one",
        "Export the ids again as text, and do not save the file with a spreadsheet in between",
    ),
    "XPB-D80": Message(
        "Metric {key}: values of about {bound} in variant {large} let those of variant {small} ({value}) vanish",
        "Sums keep 15 digits of the largest value",
        "Check for an id, a time or a code, or set winsorize",
    ),
    "XPB-D75": Message("{what}", "One column says which variant each unit had", "{hint}"),
    "XPB-D20": Message(
        "Values up to {bound} can't be squared and summed",
        "Sums must stay within the range of doubles (about {limit})",
        "Check the values, or change their unit of measure",
    ),
}
