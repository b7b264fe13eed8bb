"""What the name of its folder says of an event of JSON Lines, next to what the event itself holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from xpbench.data.engines.embedded import from_parquet, literal
from xpbench.errors import DataError, number_of, plain
from xpbench.files import partitions_of
from xpbench.meaning.names import name_sql, nothing_sql, trimmed_sql


def from_parts(parts: Mapping[str, Sequence[Path]], folders: Mapping[str, str]) -> str:
    """The engine's reader of events, with what the names of their folders say.

    Args:
        parts: Parquet files by the path of the file that their events come from.
        folders: The column, as an SQL identifier, for each name that the folders hold; its values are text.
    """
    groups: dict[tuple[str | None, ...], list[Path]] = {}
    for path, made in parts.items():
        held = partitions_of(path)
        groups.setdefault(tuple(held[name] for name in folders), []).extend(made)
    found = []
    for values, some in groups.items():
        if some:
            texts = ["CAST(NULL AS VARCHAR)" if v is None else literal(v) for v in values]
            more = "".join(f", {text} AS {column}" for text, column in zip(texts, folders.values(), strict=True))
            found.append(f"SELECT *{more} FROM {from_parquet(sorted(some))}")
    return f"({' UNION ALL BY NAME '.join(found)})"


def placed(own: str, folder: str) -> str:
    """Expression of a property: the event's own text, or its folder's where the event has no value."""
    return f"CASE WHEN NOT {nothing_sql(trimmed_sql(own))} THEN {own} ELSE {folder} END"  # no text is neither


def some_lack(run: Any, source: str, name: str, own: str, folder: str) -> bool:
    """Whether some events lack a property that the name of their folder holds; those that have it agree with the folder.

    Args:
        run: Connection to the engine.
        source: The events, as SQL.
        name: Of the property.
        own: Expression of the event's own text.
        folder: Expression of the folder's.

    Raises:
        DataError: `XPB-D86`, an event holds something else than its folder.
    """
    text, said = name_sql(own), name_sql(folder)
    both = f"{text} IS NOT NULL AND {text} <> {said}"
    ((differ, value, other, without),) = run.execute(
        f"SELECT count_if({both}), min({text}) FILTER ({both}), arg_min({folder}, {text}) FILTER ({both}), "
        f"count_if({text} IS NULL) FROM {source}"
    ).fetchall()
    if differ:
        raise differs(name, int(differ), str(value), str(other))
    return bool(without)


def differs(name: str, count: int, value: str, folder: str) -> DataError:
    """The refusal of events that hold something else than the name of their folder."""
    return DataError("XPB-D86", name=name, value=value, events=plain(number_of(count, "event")), folder=f"{name}={folder}")
