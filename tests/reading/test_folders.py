"""Folders whose names hold a column, over JSON Lines: events go before folders, and never say something else."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import xpbench as xp
from tests.reading.world import QUOTES, TRUTH, events, lines, means, mixpanel, plan, refusal
from xpbench.data.logs.opening import located
from xpbench.data.logs.properties_seen import properties_of
from xpbench.forecast.history import log_table

Own = Callable[[dict[str, Any], str], None]
GERMAN = {**QUOTES, "where": [{"property": "country", "op": "==", "value": "DE"}]}


def nothing(row: dict[str, Any], country: str) -> None:
    """Events without a field of their own."""


def quotes_say_it(row: dict[str, Any], country: str) -> None:
    if row["event"] == "Quote":
        row["more"]["country"] = f" {country} "


def all_say_france(row: dict[str, Any], country: str) -> None:
    row["more"]["country"] = "FR"


def foldered(root: Path, own: Own = nothing, *, names: tuple[str, str] = ("DE", "007"), packed: str = "") -> str:
    """The world in two folders, half of the units of each variant in each."""
    for i, country in enumerate(names):
        rows = [r for r in events() if int(r["who"][1:]) % 4 // 2 == i]
        for row in rows:
            own(row, country)
        folder = root / f"country={country}"
        folder.mkdir(parents=True)
        path = lines(folder / "part.jsonl", rows)
        if packed:
            data = path.read_bytes()
            path.unlink()
            packed_data = gzip.compress(data) if packed == "gz" else pa.compress(data, codec="zstd", asbytes=True)
            (folder / f"part.jsonl.{packed}").write_bytes(packed_data)
    return str(root)


def shares(summary: Any) -> dict[str, int]:
    return {k: sum(v.values()) for k, v in summary.segments["country"].items()}


@pytest.mark.parametrize("packed", ["", "gz", "zst"])
def test_a_folder_of_json_lines_holds_a_segment(tmp_path: Path, packed: str) -> None:
    s = xp.events(foldered(tmp_path, packed=packed)).summarize(plan(segments=["country"]))
    assert means(s) == TRUTH
    assert shares(s) == {"DE": 50, "007": 50}  # text, as the folder writes it


def test_a_folder_without_a_value_leaves_what_events_say(tmp_path: Path) -> None:
    root = foldered(
        tmp_path,
        lambda r, c: r["more"].update({} if c == "DE" else {"country": "CH"}),
        names=("DE", "__HIVE_DEFAULT_PARTITION__"),
    )
    assert shares(xp.events(root).summarize(plan(segments=["country"]))) == {"DE": 50, "CH": 50}


def test_events_that_say_the_same_in_another_spelling_are_not_refused(tmp_path: Path) -> None:
    s = xp.events(foldered(tmp_path, quotes_say_it)).summarize(plan([GERMAN], segments=["country"]))
    assert means(s) == (0.6, 1.1)  # half of the units are in DE
    assert shares(s) == {"DE": 50, "007": 50}


def test_events_that_say_something_else_are_refused(tmp_path: Path) -> None:
    said = refusal(lambda: xp.events(foldered(tmp_path, all_say_france)).summarize(plan(segments=["country"])))
    assert "XPB-D86" in said
    assert "'FR' in 271 events" in said
    assert "country=" in said


def test_a_folder_that_nobody_asks_for_changes_nothing(tmp_path: Path) -> None:
    one = xp.events(foldered(tmp_path / "a", all_say_france)).summarize(plan())
    two = xp.events(foldered(tmp_path / "b", all_say_france, names=("X", "Y"))).summarize(plan())
    assert means(one) == means(two) == TRUTH
    assert one.fingerprint == two.fingerprint


def test_the_fingerprint_covers_what_folders_say_where_events_do_not(tmp_path: Path) -> None:
    def prints(own: Own, pairs: tuple[tuple[str, str], ...]) -> set[str]:
        roots = [foldered(tmp_path / own.__name__ / f"{k}", own, names=pair) for k, pair in enumerate(pairs)]
        return {xp.events(root).summarize(plan(segments=["country"])).fingerprint for root in roots}

    def german(row: dict[str, Any], country: str) -> None:
        row["more"]["country"] = "DE"

    assert len(prints(nothing, (("DE", "AT"), ("AT", "DE")))) == 2
    assert len(prints(german, (("DE", "DE "), ("DE ", "DE")))) == 1  # every event says it itself


def test_lists_of_key_and_value_and_whole_objects_take_the_folder_too(tmp_path: Path) -> None:
    def ga4(row: dict[str, Any]) -> dict[str, Any]:
        more = [{"key": k, "value": {"string_value": v}} for k, v in row["more"].items()]
        return {
            "event_name": row["event"],
            "event_timestamp": row["at"] * 10**6,
            "user_pseudo_id": row["who"],
            "event_params": more,
        }

    for i, country in enumerate(("DE", "AT")):
        rows = [r for r in events() if int(r["who"][1:]) % 4 // 2 == i]
        (tmp_path / f"country={country}").mkdir()
        lines(tmp_path / f"country={country}" / "part.jsonl", rows, ga4)
    source = xp.events(str(tmp_path), schema=xp.EventSchema.ga4())
    assert shares(source.summarize(plan(segments=["country"], unit="user_pseudo_id"))) == {"DE": 50, "AT": 50}


def test_history_and_what_a_log_carries_know_the_folders(tmp_path: Path) -> None:
    files = located(foldered(tmp_path, quotes_say_it, packed="zst"))
    column = log_table(files, plan([GERMAN]))["country"].to_pylist()
    assert {c.strip() for c in column} == {"DE", "007"}
    assert {p.name for p in properties_of(files)} >= {"country"}
    said = refusal(lambda: log_table(located(foldered(tmp_path / "b", all_say_france)), plan([GERMAN])))
    assert "XPB-D86" in said


def test_history_of_parquet_and_csv_knows_the_folders(tmp_path: Path) -> None:
    import pandas as pd

    for kind in ("csv", "parquet"):
        for country in ("DE", "AT"):
            folder = tmp_path / kind / f"country={country}"
            folder.mkdir(parents=True)
            table = pd.DataFrame([{"event": r["event"], **mixpanel(r)["properties"]} for r in events(10)])
            table.to_csv(folder / "p.csv", index=False) if kind == "csv" else table.to_parquet(folder / "p.parquet")
        column = log_table(located(str(tmp_path / kind)), plan([GERMAN]))["country"].to_pylist()
        assert set(column) == {"DE", "AT"}


def test_writing_parquet_does_not_lose_what_only_folders_say(tmp_path: Path) -> None:
    root = foldered(tmp_path / "log")
    said = refusal(lambda: xp.ingest(root, out=tmp_path / "a", properties=["country"]))
    assert "XPB-D46" in said
    assert "xp.events" in said
    assert xp.ingest(root, out=tmp_path / "b").rows == 271
    own = foldered(tmp_path / "own", quotes_say_it)
    assert xp.ingest(own, out=tmp_path / "c", properties=["country"]).rows == 271


def test_writing_parquet_of_archives_is_refused_with_what_to_do(tmp_path: Path) -> None:
    said = refusal(lambda: xp.ingest(foldered(tmp_path / "log", packed="zst"), out=tmp_path / "a"))
    assert "XPB-D03" in said
    assert "Unpack it first" in said
