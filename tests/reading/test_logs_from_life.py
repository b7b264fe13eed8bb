"""Logs in the shapes that other tools write: the right numbers, or a refusal or finding that helps."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import xpbench as xp
from tests.reading.world import QUOTES, START, TRUTH, events, found, lines, means, mixpanel, plan, refusal


def summarized(log: Any, made: xp.Plan | None = None, **more: Any) -> Any:
    return xp.events(str(log) if isinstance(log, Path) else log, **more).summarize(made or plan())


def stamped(form: Any) -> Any:
    """Mixpanel's lines with times in another form."""
    return lambda row: {**mixpanel(row), "properties": {**mixpanel(row)["properties"], "time": form(row)}}


def zoned(hours: int, form: str) -> Any:
    return lambda row: datetime.fromtimestamp(row["at"], timezone(timedelta(hours=hours))).strftime(form)


TIMES = {
    "seconds": lambda row: row["at"],
    "broken seconds": lambda row: row["at"] + 0.25,
    "text of seconds": lambda row: str(row["at"]),
    "milliseconds": lambda row: row["at"] * 1_000,
    "microseconds": lambda row: row["at"] * 1_000_000,
    "nanoseconds": lambda row: row["at"] * 1_000_000_000,
    "iso": zoned(0, "%Y-%m-%dT%H:%M:%SZ"),
    "offset": zoned(-8, "%Y-%m-%dT%H:%M:%S%z"),
    "offset after a space": zoned(-8, "%Y-%m-%d %H:%M:%S %z"),
    "offsets of client and server": lambda row: zoned(-8 if row["event"] == "Quote" else 0, "%Y-%m-%d %H:%M:%S %z")(row),
    "UTC": zoned(0, "%Y-%m-%d %H:%M:%S UTC"),
    "am pm": zoned(0, "%Y-%m-%d %I:%M:%S %p"),
    "compact": zoned(0, "%Y%m%d%H%M%S"),
    "slashes": zoned(0, "%Y/%m/%d %H:%M:%S"),
}


@pytest.mark.parametrize("name", TIMES)
@pytest.mark.parametrize("form", ["jsonl", "frame", "csv"])
def test_times_in_every_form(tmp_path: Path, name: str, form: str) -> None:
    rows = events()
    if form == "jsonl":
        log: Any = lines(tmp_path / "log.jsonl", rows, stamped(TIMES[name]))
    else:
        table = pd.DataFrame([{**mixpanel(r)["properties"], "event": r["event"], "time": TIMES[name](r)} for r in rows])
        log = table
        if form == "csv":
            table.to_csv(tmp_path / "log.csv", index=False)
            log = tmp_path / "log.csv"
    s = summarized(log)
    assert means(s) == TRUTH
    assert s.first_exposure.startswith("2026-01-01T00:00:00")


@pytest.mark.parametrize("name", ["offset", "iso", "UTC", "offset after a space"])
def test_text_that_names_its_zone_is_not_moved(tmp_path: Path, name: str) -> None:
    log = lines(tmp_path / "log.jsonl", events(), stamped(TIMES[name]))
    assert summarized(log, time_zone="America/New_York").first_exposure.startswith("2026-01-01T00:00:00")
    clock = lines(tmp_path / "clock.jsonl", events(), stamped(TIMES["slashes"]))
    assert summarized(clock, time_zone="America/New_York").first_exposure.startswith("2026-01-01T05:00:00")


def test_zone_abbreviations_and_days_that_come_first_are_no_times(tmp_path: Path) -> None:
    for form in (zoned(0, "%Y-%m-%d %H:%M:%S CST"), zoned(0, "%d/%m/%Y %H:%M:%S")):
        log = lines(tmp_path / "log.jsonl", events(), stamped(form))
        assert "time" in refusal(lambda log=log: summarized(log))  # type: ignore[misc]


def test_times_without_a_clock_are_told_and_left_out(tmp_path: Path) -> None:
    rows = events()
    for row in [r for r in rows if r["event"] == "$experiment_started"][:20]:
        row["at"] = 0
    s = summarized(lines(tmp_path / "log.jsonl", rows))
    assert found(s)["bad_time"] == 20
    assert s.n == 80
    assert means(s) == TRUTH


SHAPES: dict[str, tuple[Any, xp.EventSchema, str]] = {
    "segment": (
        lambda r: {
            "type": "track",
            "event": r["event"],
            "timestamp": datetime.fromtimestamp(r["at"], UTC).isoformat(),
            "userId": r["who"],
            "messageId": r["id"],
            "properties": r["more"],
        },
        xp.EventSchema.segment(),
        "userId",
    ),
    "amplitude": (
        lambda r: {
            "event_type": r["event"],
            "event_time": datetime.fromtimestamp(r["at"], UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
            "user_id": r["who"],
            "$insert_id": r["id"],
            "event_properties": r["more"],
        },
        xp.EventSchema.amplitude(),
        "user_id",
    ),
    "posthog": (
        lambda r: {
            "event": r["event"],
            "timestamp": datetime.fromtimestamp(r["at"], UTC).isoformat(),
            "distinct_id": r["who"],
            "uuid": r["id"],
            "properties": r["more"],
        },
        xp.EventSchema.posthog(),
        "distinct_id",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_logs_with_fields_next_to_their_properties(tmp_path: Path, name: str) -> None:
    shape, schema, unit = SHAPES[name]
    rows = events()
    log = lines(tmp_path / "log.jsonl", [*rows, *rows], shape)  # every line twice: insert ids are found, too
    s = summarized(log, plan(unit=unit), schema=schema)
    assert means(s) == TRUTH
    assert found(s)["duplicate_events"] > 0
    report = xp.ingest(str(log), out=tmp_path / "out", schema=schema)
    assert (report.rows, report.lines) == (2 * len(rows), 2 * len(rows))


@pytest.mark.parametrize("value", ["string", "fields"])
def test_properties_as_a_list_of_key_and_value(tmp_path: Path, value: str) -> None:
    def one(k: str, v: Any) -> dict[str, Any]:
        if value == "string":
            return {"key": k, "value": str(v)}
        fields = {"string_value": None, "int_value": None, "double_value": None}
        return {"key": k, "value": {**fields, "string_value" if isinstance(v, str) else "int_value": v}}

    rows = events(amount=7)
    table = pd.DataFrame(
        {
            "event_name": [r["event"] for r in rows],
            "event_timestamp": [r["at"] * 1_000_000 for r in rows],
            "user_pseudo_id": [r["who"] for r in rows],
            "event_params": [[one(k, v) for k, v in r["more"].items()] or [one("x", "y")] for r in rows],
        }
    )
    table.to_parquet(tmp_path / "log.parquet")
    spent = {**QUOTES, "key": "value", "kind": "sum", "property": "amount"}
    made = plan([QUOTES, spent], unit="user_pseudo_id")
    s = summarized(tmp_path / "log.parquet", made, schema=xp.EventSchema.ga4())
    assert means(s) == TRUTH
    assert means(s, "value") == tuple(round(7 * m, 6) for m in TRUTH)


def test_mixpanels_own_warehouse_export_is_not_counted_twice(tmp_path: Path) -> None:
    rows = events()
    table = pd.DataFrame(
        {
            "event_name": [r["event"] for r in rows],
            "time": [datetime.fromtimestamp(r["at"], UTC).replace(tzinfo=None) for r in rows],
            "distinct_id": [r["who"] for r in rows],
            "insert_id": [r["id"] for r in rows],
            "properties": [json.dumps(r["more"]) for r in rows],
        }
    )
    pd.concat([table, table]).to_parquet(tmp_path / "log.parquet")
    for schema in (xp.EventSchema(event="event_name"), xp.EventSchema.mixpanel_pipeline()):
        assert means(summarized(tmp_path / "log.parquet", schema=schema)) == TRUTH
    assert (
        "the insert id"
        in refusal(lambda: summarized(tmp_path / "log.parquet", schema=xp.EventSchema(event="event_name", insert_id="id")))
        or means(summarized(tmp_path / "log.parquet", schema=xp.EventSchema(event="event_name", insert_id="id"))) == TRUTH
    )


def test_a_log_without_insert_ids_says_so(tmp_path: Path) -> None:
    rows = [{**r, "id": None} for r in events()]
    s = summarized(lines(tmp_path / "log.jsonl", [*rows, *rows]))
    (told,) = (f for f in s.findings if f.name == "no_insert_ids")
    assert told.count == 2 * len(rows)
    assert "170 repeat another one" in told.detail
    null = [{**r, "id": "null"} for r in events()]
    assert found(summarized(lines(tmp_path / "log.jsonl", null)))["no_insert_ids"] == len(null)


def test_an_insert_id_that_is_named_and_missing_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame([{**mixpanel(r)["properties"], "event": r["event"]} for r in events()]).drop(columns="$insert_id")
    assert "insert id" in refusal(lambda: summarized(table, schema=xp.EventSchema(insert_id="messageId", properties=None)))


@pytest.mark.parametrize("cell", ["", "{broken", "NULL"])
def test_one_cell_of_properties_that_is_no_json(cell: str) -> None:
    rows = events()
    table = pd.DataFrame(
        {
            "event": [r["event"] for r in rows],
            "time": [r["at"] for r in rows],
            "distinct_id": [r["who"] for r in rows],
            "$insert_id": [r["id"] for r in rows],
            "properties": [cell if r["event"] == "Ping" else json.dumps(r["more"]) for r in rows],
        }
    )
    s = summarized(table)
    assert means(s) == TRUTH
    assert found(s)["broken_properties"] == 1


@pytest.mark.parametrize("pattern", ["2026/*/*/*.json", "**/*.json", "", "2026"])
def test_folders_of_a_pipeline(tmp_path: Path, pattern: str) -> None:
    rows = events()
    for i, part in enumerate((rows[:70], rows[70:])):
        folder = tmp_path / "log" / "2026" / f"0{i + 1}" / "01"
        folder.mkdir(parents=True)
        lines(folder / f"{i}.json", part)
        (folder / "_SUCCESS").write_text("")
    assert means(summarized(tmp_path / "log" / pattern)) == TRUTH


def test_brackets_in_a_name_are_no_pattern(tmp_path: Path) -> None:
    lines(tmp_path / "log[1].jsonl", events())
    lines(tmp_path / "log1.jsonl", events(10))
    assert summarized(tmp_path / "log[1].jsonl").n == 100


@pytest.mark.parametrize("name", ["event", "properties", "time", "button"])
@pytest.mark.parametrize("form", ["jsonl", "json column"])
def test_a_property_named_like_a_column(tmp_path: Path, name: str, form: str) -> None:
    if name == "time":
        pytest.skip("the time of an event is its property")
    rows = events()
    for i, row in enumerate(r for r in rows if r["event"] == "Quote"):
        row["more"][name] = "yes" if i % 2 else "no"
    metric = {**QUOTES, "where": [{"property": name, "op": "==", "value": "yes"}]}
    if form == "jsonl":
        log: Any = lines(tmp_path / "log.jsonl", rows)
    else:
        log = pd.DataFrame(
            {
                "event": [r["event"] for r in rows],
                "time": [r["at"] for r in rows],
                "distinct_id": [r["who"] for r in rows],
                "$insert_id": [r["id"] for r in rows],
                "properties": [json.dumps(r["more"]) for r in rows],
            }
        )
    s = summarized(log, plan([metric]))
    assert round(sum(c.mean[0] * c.n for c in s.cells if c.form == "value" and not c.dimension)) == 85


@pytest.mark.parametrize("spelling", [True, "True", "true", "TRUE"])
def test_true_is_true_in_a_filter(tmp_path: Path, spelling: Any) -> None:
    rows = events(paid=spelling)
    metric = {**QUOTES, "where": [{"property": "paid", "op": "==", "value": True}]}
    assert means(summarized(lines(tmp_path / "log.jsonl", rows), plan([metric]))) == TRUTH
    table = pd.DataFrame([{**mixpanel(r)["properties"], "event": r["event"]} for r in rows])
    table.to_csv(tmp_path / "log.csv", index=False)
    assert means(summarized(tmp_path / "log.csv", plan([metric]))) == TRUTH
    assert means(summarized(table, plan([metric]))) == TRUTH


def test_filters_that_fit_nothing(tmp_path: Path) -> None:
    log = lines(tmp_path / "log.jsonl", events(plan="Pro"))

    def filtered(value: Any, op: str = "==") -> Any:
        return summarized(log, plan([{**QUOTES, "where": [{"property": "plan", "op": op, "value": value}]}]))

    assert "The log has 'Pro'" in refusal(lambda: filtered("pro"))
    assert "The log has 'Pro'" in refusal(lambda: filtered("Pro "))
    (told,) = (f for f in filtered("Gold").findings if f.name == "absent_filter_value")
    assert "'Gold'" in told.detail
    assert "'Pro'" in told.detail
    assert means(filtered(("Pro", "Gold"), "in")) == TRUTH
    listed = lines(tmp_path / "listed.jsonl", events(plan=["Pro", "Plus"]))
    made = plan([{**QUOTES, "where": [{"property": "plan", "op": "==", "value": "Pro"}]}])
    assert "is a list" in refusal(lambda: summarized(listed, made))


def test_lines_that_could_not_be_read_are_named_where_an_event_is_missing(tmp_path: Path) -> None:
    path = lines(tmp_path / "log.jsonl", events(amount=1))
    path.write_text(path.read_text().replace('"amount": 1', '"amount": 1, "amount": 2'))
    metric = {**QUOTES, "key": "value", "kind": "sum", "property": "amount"}
    assert "170 lines could not be read" in refusal(lambda: summarized(path, plan([metric])))


def device_then_user(part: float) -> list[dict[str, Any]]:
    """Exposed as a device; a part of the units has logged in when it quotes."""
    rows = events()
    for row in rows:
        number = int(row["who"][1:])
        row["more"]["$device_id"] = f"d{number}"
        logged_in = row["event"] == "Quote" and number % 10 < 10 * part
        row["who"] = f"user{number}" if logged_in else f"$device:d{number}"
    return rows


@pytest.mark.parametrize(("part", "units"), [(1.0, 100), (0.5, 50), (0.0, 0)])
def test_a_person_who_logs_in_is_told(tmp_path: Path, part: float, units: int) -> None:
    s = summarized(lines(tmp_path / "log.jsonl", device_then_user(part)))
    (changed,) = (f for f in s.findings if f.name == "identity_changes")
    assert changed.count == units
    (overlap,) = (f for f in s.findings if f.name == "metric_overlap")
    assert overlap.of == 170
    assert (overlap.count == 0) is (part == 1.0)


def test_an_identify_event_links_ids_that_metrics_do_not_name(tmp_path: Path) -> None:
    rows = events()
    for row in rows:
        if row["event"] == "Quote":
            row["who"] = "user" + row["who"]
    link = {"event": "$identify", "at": START + 60, "who": "useru3", "id": "i3", "more": {"$anon_id": "u3"}}
    s = summarized(lines(tmp_path / "log.jsonl", [*rows, link]))
    (changed,) = (f for f in s.findings if f.name == "identity_changes")
    assert changed.count == 1
    assert "2 events of metrics have another id" in changed.detail


def test_a_metric_whose_events_belong_to_nobody_fails(tmp_path: Path) -> None:
    rows = events()
    for row in rows:
        if row["event"] == "Quote":
            row["who"] = "hash" + row["who"]
    experiment = xp.register(plan(), root=tmp_path / "experiments")
    readout = experiment.readout(xp.events(str(lines(tmp_path / "log.jsonl", rows))))
    (check,) = (c for c in readout.health if c.name == "metric_overlap")
    assert check.status == "fail"
    assert "None of the 170 events" in check.meaning
