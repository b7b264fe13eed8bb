"""The randomiser as one SQL expression, in the dialects whose engines have the hash."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from xpbench.errors import AssignError, plain
from xpbench.randomiser.assigning import Subject, subject_of, unit_key
from xpbench.randomiser.flag import Flag
from xpbench.randomiser.plan_randomiser import Randomiser
from xpbench.randomiser.single import BASIS, PRIME, exact, prefix, threshold

Engine = Literal["duckdb", "spark", "postgres", "bigquery", "snowflake", "trino", "mariadb", "clickhouse"]

ENGINES: tuple[Engine, ...] = ("duckdb", "spark", "postgres", "bigquery", "snowflake", "trino", "mariadb", "clickhouse")
EXECUTED: tuple[Engine, ...] = ("duckdb", "spark", "postgres", "mariadb", "clickhouse")
"""Engines in which the tests execute the text (ClickHouse where `chdb` is installed); the others were never run."""

_TEXT: Mapping[str, str] = {
    "duckdb": "CAST({c} AS VARCHAR)",
    "spark": "CAST({c} AS STRING)",
    "postgres": "CAST({c} AS TEXT)",
    "bigquery": "CAST({c} AS STRING)",
    "snowflake": "CAST({c} AS VARCHAR)",
    "trino": "CAST({c} AS VARCHAR)",
    "mariadb": "CONVERT(CAST({c} AS CHAR) USING utf8mb4)",
    "clickhouse": "toString({c})",
}
_REFUSED: Mapping[str, tuple[str, str]] = {
    "duckdb": (
        "typeof({c}) NOT IN ('VARCHAR', 'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'UTINYINT', 'USMALLINT', "
        "'UINTEGER', 'UBIGINT', 'UHUGEINT', 'UUID', '\"NULL\"') AND typeof({c}) NOT LIKE 'ENUM%'",
        "CAST(error({m}) AS VARCHAR)",
    ),
    "spark": (
        "NOT (typeof({c}) IN ('string', 'tinyint', 'smallint', 'int', 'bigint') OR typeof({c}) LIKE '%char(%')",
        "CAST(raise_error({m}) AS STRING)",
    ),
    # Postgres has no function that raises; a cast of text that is no number does, where it is reached
    "postgres": (
        "CAST(pg_typeof({c}) AS TEXT) NOT IN ('text', 'character varying', 'character', 'name', 'smallint', 'integer', "
        "'bigint', 'uuid', 'unknown')",
        "CAST(CAST({m} || CAST({c} AS TEXT) AS BIGINT) AS TEXT)",
    ),
    "clickhouse": (
        "NOT match(toTypeName({c}), '^(LowCardinality\\(|Nullable\\()*(String|FixedString|U?Int|UUID|Enum)')",
        "CAST(throwIf(1, {m}) AS Nullable(String))",
    ),
    # MariaDB has neither typeof nor a function that raises: its JSON tells numbers with a fraction from text, and a scalar
    # subquery of two rows is an error (1242) where it is reached
    "mariadb": (
        "JSON_TYPE(JSON_EXTRACT(JSON_ARRAY({c}), '$[0]')) = 'DOUBLE'",
        "(SELECT refused FROM (SELECT {m} AS refused UNION SELECT 'float') AS ids WHERE {c} IS NOT NULL)",
    ),
    "trino": ("typeof({c}) IN ('double', 'real', 'boolean') OR typeof({c}) LIKE 'decimal%'", "CAST(fail({m}) AS VARCHAR)"),
}
"""Where an engine knows it: the test for ids that `xp.assign` refuses, such as 12345.0, and what raises."""
_FLOATS = (
    "xpbench: ids are text, whole numbers or UUIDs, and this column is of another type (12345.0 is another id than 12345): "
)

_SHA: Mapping[str, str] = {
    "duckdb": "CAST('0x' || substr(sha256({p} || {x}), 1, 13) AS BIGINT)",
    "spark": "CAST(conv(substring(sha2(CAST(concat({p}, {x}) AS BINARY), 256), 1, 13), 16, 10) AS BIGINT)",
    "postgres": "('x000' || substr(encode(sha256(convert_to({p} || {x}, 'UTF8')), 'hex'), 1, 13))::bit(64)::bigint",
    "bigquery": "CAST(CONCAT('0x', SUBSTR(TO_HEX(SHA256(CONCAT({p}, {x}))), 1, 13)) AS INT64)",
    "snowflake": "TO_NUMBER(SUBSTR(SHA2({p} || {x}, 256), 1, 13), 'XXXXXXXXXXXXX')",
    "trino": "from_base(substr(to_hex(sha256(to_utf8({p} || {x}))), 1, 13), 16)",
    "mariadb": "CAST(CONV(SUBSTR(SHA2(CONCAT({p}, {x}), 256), 1, 13), 16, 10) AS UNSIGNED)",
    "clickhouse": "reinterpretAsUInt64(reverse(unhex(concat('000', substring(hex(SHA256(concat({p}, {x}))), 1, 13)))))",
}
_FNV_DUCKDB = (
    "CAST(list_reduce(list_concat([CAST({basis} AS UHUGEINT)], list_transform(range(0, octet_length(encode({x} || {p}))), "
    "lambda i: CAST('0x' || substr(hex(encode({x} || {p})), CAST(2 * i + 1 AS BIGINT), 2) AS UHUGEINT))), "
    "lambda h, b: (xor(h, b) * CAST({prime} AS UHUGEINT)) % CAST(18446744073709551616 AS UHUGEINT)) % 100 AS INTEGER)"
)


def sql(
    subject: Any,
    engine: Engine = "duckdb",
    *,
    column: str | None = None,
    conditions: Mapping[str, str] | None = None,
) -> str:
    """One SQL expression that gives the variant, or NULL, for each row: the same as `xp.assign`.

    Args:
        subject: Plan, flag, or opened experiment.
        engine: Dialect. The texts for DuckDB, Spark, Postgres and MariaDB are executed in the tests of this package, that
            for ClickHouse where `chdb` is installed; those for BigQuery, Snowflake and Trino are written after their manuals
            and begin with a note that they were never run. SQLite has no SHA-256.
        column: Column of the id; by default the one named like the assignment key.
        conditions: For rollout groups with a rule or cohort: the SQL condition that stands for it, by group key. It is put
            into the text as it is.

    A column of floats, decimals or true and false is refused by the engine when it is reached, as `xp.assign` refuses it: a CSV
    or a frame with a hole turns whole numbers into floats, and 12345.0 would get another variant than 12345.

    Returns:
        An expression, for example for `SELECT distinct_id, <expression> AS variant FROM users`.

    Raises:
        AssignError: `XPB-A18`, the engine lacks the hash, or a group with a rule has no condition.
    """
    if engine not in ENGINES:
        raise AssignError(
            "XPB-A20",
            name="engine",
            value=engine,
            rule=plain("Engines: " + ", ".join(ENGINES)),
            remedy=plain("Choose one of them, or hand over an audience list"),
        )
    chosen = subject_of(subject)
    raw = identifier(column or unit_key(chosen), engine)
    text = _TEXT[engine].format(c=raw)
    whens = [f"WHEN {raw} IS NULL THEN NULL"]
    if engine in _REFUSED:
        test, raising = _REFUSED[engine]
        whens.append(f"WHEN {test.format(c=raw)} THEN {raising.format(c=raw, m=literal(_FLOATS, engine))}")
    if isinstance(chosen, Flag):
        whens += _flag_lines(chosen, engine, raw, text, conditions, listed=True)
    else:
        made = Randomiser(chosen)
        for unit, variant in made.assignment.overrides.items():
            whens.append(f"WHEN {_same(text, literal(unit, engine), engine)} THEN {literal(variant, engine)}")
        whens += _kept_lines(made, engine, text)
        if made.is_mixpanel:
            whens += _flag_lines(made.flag, engine, raw, text, conditions, listed=False)
        else:
            whens += _native_lines(made, engine, text, conditions)
    return "CASE\n  " + "\n  ".join(whens) + "\nEND"


def literal(text: str, engine: str) -> str:
    """A SQL string literal of the dialect."""
    if engine in ("spark", "bigquery", "snowflake", "mariadb", "clickhouse"):
        escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
        if engine == "spark" and "${" in escaped:  # Spark replaces ${name} by a variable before it reads the text
            return "concat('" + "', '".join(escaped.replace("${", "$\0{").split("\0")) + "')"
        return f"'{escaped}'"
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str, engine: str) -> str:
    """A quoted column name of the dialect, parts divided by dots.

    Snowflake keeps names that were written without quotes in upper case: a plain lower-case name means that one.
    """
    if engine == "snowflake":
        name = ".".join(p.upper() if re.fullmatch(r"[a-z_][a-z0-9_]*", p) else p for p in name.split("."))
    mark = "`" if engine in ("spark", "bigquery", "mariadb", "clickhouse") else '"'
    return ".".join(f"{mark}{part.replace(mark, mark * 2)}{mark}" for part in name.split("."))


def _same(text: str, written: str, engine: str) -> str:
    """Whether two texts are the same characters; MariaDB's own comparison takes A for a and ignores blanks at the end."""
    if engine == "mariadb":
        return f"BINARY {text} = BINARY CONVERT({written} USING utf8mb4)"
    return f"{text} = {written}"


def _number(engine: str, before: str, text: str) -> str:
    return _SHA[engine].format(p=literal(before, engine), x=text)


def _condition(group: str, targeted: bool, conditions: Mapping[str, str] | None, subject: Subject | None = None) -> list[str]:
    if not targeted:
        return []
    if conditions and group in conditions:
        return [f"({conditions[group]})"]
    raise AssignError(
        "XPB-A18",
        feature=plain("The SQL"),
        reason=plain(f"rollout group {re.sub('[{}]', '', group)} is for units whose properties fit a rule"),
        remedy=plain("Give conditions={group: 'SQL condition'}"),
    )


def _kept_lines(made: Randomiser, engine: str, text: str) -> list[str]:
    out = []
    holdout, layer = made.assignment.holdout, made.assignment.layer
    if holdout is not None:
        number = _number(engine, prefix("holdout", holdout.salt, holdout.key), text)
        out.append(f"WHEN {number} < {threshold(exact(holdout.share))} THEN NULL")
    if layer is not None:
        number = _number(engine, prefix("layer", layer.salt, layer.key), text)
        low, high = threshold(exact(layer.start)), threshold(exact(layer.end))
        out.append(f"WHEN {number} < {low} OR {number} >= {high} THEN NULL")
    return out


def _native_lines(made: Randomiser, engine: str, text: str, conditions: Mapping[str, str] | None) -> list[str]:
    out = []
    drawn = _number(engine, prefix("variant", made.salt), text)
    for group in made.assignment.rollout:
        tests = _condition(group.key, group.where is not None or group.cohort is not None, conditions)
        if group.share < 1.0:
            number = _number(engine, prefix("rollout", made.salt, group.key), text)
            tests.append(f"{number} < {threshold(exact(group.share))}")
        when = "WHEN " + (" AND ".join(tests) if tests else "TRUE")
        if group.variant is not None:
            out.append(f"{when} THEN {literal(group.variant, engine)}")
            continue
        limits = made.thresholds(group)
        inner = [
            f"WHEN {drawn} < {limit} THEN {literal(key, engine)}"
            for key, limit in list(zip(made.keys, limits, strict=True))[:-1]
        ]
        out.append(f"{when} THEN CASE {' '.join(inner)} ELSE {literal(made.keys[-1], engine)} END")
    return out


def _flag_lines(
    flag: Flag, engine: str, raw: str, text: str, conditions: Mapping[str, str] | None, *, listed: bool
) -> list[str]:
    if engine != "duckdb":
        raise AssignError(
            "XPB-A18",
            feature=plain(f"The SQL for {engine}"),
            reason=plain("the engine has no FNV-1a, which Mixpanel's hash is"),
            remedy=plain("Hand over an audience list, or use the native hash (sha256)"),
        )

    def bucket(salt: str) -> str:
        return _FNV_DUCKDB.format(basis=BASIS, prime=PRIME, x=text, p=literal(salt, engine))

    out = [f"WHEN {text} = '' OR (typeof({raw}) <> 'VARCHAR' AND {text} = '0') THEN NULL"]
    if listed and flag.context == "distinct_id":
        for user, wanted in flag.test_users.items():
            at = flag.matching(wanted) if wanted else None
            if at is not None:
                test = f"typeof({raw}) = 'VARCHAR' AND {text} = {literal(user, engine)}"
                out.append(f"WHEN {test} THEN {literal(flag.keys[at], engine)}")
    for index, rollout in enumerate(flag.rollouts):
        tests = _condition(rollout.name or str(index), not rollout.rule.is_open or rollout.cohort is not None, conditions)
        passing = int(flag.passes(rollout).sum())
        if passing < 100:
            tests.append(f"{bucket(flag.rollout_salt(index))} < {passing}")
        when = "WHEN " + (" AND ".join(tests) if tests else "TRUE")
        at = flag.matching(rollout.override) if rollout.override is not None else None
        if at is not None:
            out.append(f"{when} THEN {literal(flag.keys[at], engine)}")
            continue
        counts = np.bincount(np.clip(flag.bucket_table(rollout), 0, None), minlength=len(flag.variants))
        limits = np.cumsum(counts).tolist()
        drawn = bucket(flag.variant_salt)
        inner = [f"WHEN {drawn} < {limit} THEN {literal(key, engine)}" for key, limit in zip(flag.keys, limits, strict=True)]
        out.append(f"{when} THEN CASE {' '.join(inner)} END")
    return out
