"""Kinds of odd input next to those that were reported: the right number, or a refusal or finding that helps."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import xpbench as xp
from tests.reading.test_tables_from_life import ROWS, TRUTH, text, units
from tests.reading.world import QUOTES, events, found, lines, means, mixpanel, plan, refusal
from tests.reading.world import TRUTH as QUOTED
from xpbench.health import inputs_of, run_checks


def spelled(path: Path, form: Any) -> Path:
    path.write_text(text([(u, v, form(s)) for u, v, s in ROWS]), encoding="utf-8")
    return path


@pytest.mark.parametrize("huge", ["9e99", "1e17", "12345678901234567890"])
def test_a_huge_value_does_not_make_the_other_means_vanish(tmp_path: Path, huge: str) -> None:
    said = refusal(lambda: units(spelled(tmp_path / "t.csv", lambda s: huge if s == 20 else s + 0.5)))
    assert "XPB-D80" in said
    assert "vanish" in said


def test_large_values_of_every_variant_are_read(tmp_path: Path) -> None:
    assert means(units(spelled(tmp_path / "t.csv", lambda s: 10**18 + s)), "spent") == (1e18, 1e18)
    got = units(spelled(tmp_path / "t.csv", lambda s: 1e12 if s == 20 else s + 0.5))
    assert means(got, "spent") == (500_000_000_000.25, 21.5)


def test_a_huge_amount_of_a_log(tmp_path: Path) -> None:
    rows = events(amount=2)
    rows[1 + 100]["more"]["amount"] = 1e40
    made = plan([QUOTES, {**QUOTES, "key": "value", "kind": "sum", "property": "amount", "role": "secondary"}])
    assert "XPB-D80" in refusal(lambda: xp.events(str(lines(tmp_path / "log.jsonl", rows))).summarize(made))


def test_yes_or_nothing_is_not_read_as_yes_alone(tmp_path: Path) -> None:
    path = spelled(tmp_path / "t.csv", lambda s: "yes" if s > 15 else "")
    assert "'no' into the empty cells" in refusal(lambda: units(path))
    assert means(units(spelled(tmp_path / "t.csv", lambda s: "yes")), "spent") == (1.0, 1.0)


@pytest.mark.parametrize("word", ["Average", "Mean", "Total:", "Durchschnitt", "Gesamtergebnis"])
def test_lines_of_averages_are_no_units(tmp_path: Path, word: str) -> None:
    (tmp_path / "t.csv").write_text(text([*ROWS, (word, "control", 15.5)]))
    assert "line of totals" in refusal(lambda: units(tmp_path / "t.csv"))


@pytest.mark.parametrize("sign", ["\u200b", "\u3000", "\u2003", "\u2060", "\u200e", "\ufeff"])
def test_signs_that_nobody_sees_are_no_part_of_a_value(tmp_path: Path, sign: str) -> None:
    rows = [(u + sign, v + sign, sign + str(s)) for u, v, s in ROWS]
    (tmp_path / "t.csv").write_text(text(rows), encoding="utf-8")
    assert means(units(tmp_path / "t.csv"), "spent") == TRUTH
    (tmp_path / "t.csv").write_text(text([*rows, ("u1", "beta", 5)]), encoding="utf-8")
    assert "XPB-D14" in refusal(lambda: units(tmp_path / "t.csv"))


@pytest.mark.parametrize("odd", ["0001-01-01", "1970-01-01", "9999-12-31", "1899-12-30"])
def test_days_that_stand_for_none_are_told(tmp_path: Path, odd: str) -> None:
    days = [odd if i < 3 else f"2026-03-{1 + i % 20:02}" for i in range(40)]
    csv = tmp_path / "t.csv"
    csv.write_text(text([(*r, d) for r, d in zip(ROWS, days, strict=True)], "user,variant,spent,day"))
    table = pa.table(
        {
            "user": [r[0] for r in ROWS],
            "variant": [r[1] for r in ROWS],
            "spent": [r[2] for r in ROWS],
            "day": [dt.date.fromisoformat(d) for d in days],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    for form in (csv, tmp_path / "t.parquet", table):
        s = units(form, day="day")
        assert found(s) == {"implausible_days": 3}
        assert s.first_exposure >= "2026-03-01"
        assert s.last_exposure <= "2026-03-20"
        assert means(s, "spent") == TRUTH


def test_days_of_an_old_experiment_are_read(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text([(*r, "1985-09-01") for r in ROWS], "user,variant,spent,day"))
    s = units(tmp_path / "t.csv", day="day")
    assert (s.first_exposure, found(s)) == ("1985-09-01", {})


def test_a_day_has_no_hour_24(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text([(*r, "2026-03-01 24:00:00") for r in ROWS], "user,variant,spent,day"))
    assert "XPB-D63" in refusal(lambda: units(tmp_path / "t.csv", day="day"))


def test_spans_of_time_are_no_numbers_in_any_format(tmp_path: Path) -> None:
    table = pa.table(
        {
            "user": [r[0] for r in ROWS],
            "variant": [r[1] for r in ROWS],
            "spent": pa.array([dt.timedelta(seconds=r[2]) for r in ROWS]),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    for form in (table, table.to_pandas(), tmp_path / "t.parquet"):
        assert "XPB-D16" in refusal(lambda form=form: units(form))  # type: ignore[misc]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<!DOCTYPE html><html><body>Log in</body></html>", "page of the web"),
        (b'[{"user": "u1", "variant": "beta"}]', "it holds JSON"),
        (b"PAR1", "it holds Parquet"),
    ],
)
def test_files_that_hold_something_else_than_their_name_says(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert words in refusal(lambda: units(tmp_path / "t.csv"))


def test_archives_say_what_is_wrong_with_them(tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("a.csv", text(ROWS[:20]))
        archive.writestr("b.csv", text(ROWS[20:]))
    for content, words in (
        (held.getvalue(), "it holds 2 files"),
        (held.getvalue()[:-30], "damaged"),
        (b"x", "not a zip archive"),
    ):
        (tmp_path / "t.zip").write_bytes(content)
        assert words in refusal(lambda: units(tmp_path / "t.zip"))


@pytest.mark.parametrize("empty", ["", " ", None, float("nan")])
def test_an_empty_cell_is_no_variant(tmp_path: Path, empty: Any) -> None:
    assert "empty cell" in refusal(lambda: units(spelled(tmp_path / "t.csv", str), variants={empty: "control", "x": "beta"}))


@pytest.mark.parametrize("op", ["!=", "not in"])
def test_a_filter_over_a_list_that_leaves_nothing_out_is_told(tmp_path: Path, op: str) -> None:
    value: Any = "Gold" if op == "!=" else ["Gold"]
    made = plan([{**QUOTES, "where": [{"property": "plan", "op": op, "value": value}]}])
    s = xp.events(str(lines(tmp_path / "log.jsonl", events(plan=["Pro", "Plus"])))).summarize(made)
    (told,) = (f for f in s.findings if f.name == "absent_filter_value")
    assert "the property is a list" in told.detail
    first: Any = "Pro" if op == "!=" else ["Pro"]
    made = plan([{**QUOTES, "where": [{"property": "plan", "op": op, "value": first}]}])
    assert "is a list" in refusal(lambda: xp.events(str(tmp_path / "log.jsonl")).summarize(made))


def test_an_event_that_nobody_did_yet_does_not_take_the_insert_ids_away(tmp_path: Path) -> None:
    log = str(lines(tmp_path / "log.jsonl", events()))
    s = xp.events(log, absent_events="zero").summarize(plan([{**QUOTES, "event": "Order"}]))
    assert "no_insert_ids" not in found(s)


FAR = [lambda at: at * 10, lambda at: int(f"20260101{at % 86400:06}123"), lambda at: at * 10**12]


@pytest.mark.parametrize("form", FAR)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_numbers_that_count_something_else_are_no_times(tmp_path: Path, form: Any, kind: str) -> None:
    def shape(row: dict[str, Any]) -> dict[str, Any]:
        return {**mixpanel(row), "properties": {**mixpanel(row)["properties"], "time": form(row["at"])}}

    path = lines(tmp_path / "log.jsonl", events(), shape)
    if kind == "csv":
        names = ["event", "time", "distinct_id", "$insert_id", "Experiment name", "Variant name"]
        flat = [{"event": e["event"], **e["properties"]} for e in map(json.loads, path.read_text().splitlines())]
        path = tmp_path / "log.csv"
        path.write_text("\n".join([",".join(names), *(",".join(str(e.get(n, "")) for n in names) for e in flat)]) + "\n")
    assert "has a time" in refusal(lambda: xp.events(str(path)).summarize(plan()))


def test_a_log_that_breaks_off_does_not_pass(tmp_path: Path) -> None:
    content = lines(tmp_path / "plain", events()).read_bytes()
    last = content[content[:-1].rfind(b"\n") + 1 :]
    packed = gzip.compress(content[: -len(last)]) + gzip.compress(last * 50)[:-8]
    (tmp_path / "log.jsonl.gz").write_bytes(packed)
    made = plan()
    s = xp.events(str(tmp_path / "log.jsonl.gz")).summarize(made)
    assert means(s) == QUOTED
    (check,) = (c for c in run_checks(inputs_of(made, s, None, previous=None, now=None)) if c.name == "rejected_lines")
    assert check.status == "fail"
    assert "in part alone" in check.meaning


def hive(root: Path, kind: str, *, by: str = "variant") -> Path:
    """The table in folders that say the variant."""
    for name in ("control", "beta"):
        folder = root / f"{by}={name}" / "dt=2026-03-01"
        folder.mkdir(parents=True)
        rows = [r for r in ROWS if r[1] == name]
        if kind == "csv":
            (folder / "part-0.csv").write_text(text([(u, s) for u, _, s in rows], "user,spent"))
        else:
            pq.write_table(pa.table({"user": [r[0] for r in rows], "spent": [r[2] for r in rows]}), folder / "part-0.parquet")
    return root


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("by", ["variant", "my group"])
def test_folders_of_hive_are_columns(tmp_path: Path, kind: str, by: str) -> None:
    root = hive(tmp_path / "log", kind, by=by.replace(" ", "%20"))
    s = units(root, variant=by, day="dt")
    assert means(s, "spent") == TRUTH
    assert s.exposures_by_day == {"2026-03-01": {"control": 20, "beta": 20}}
    assert means(units(root), "spent") == TRUTH  # the column of the variant is found
    plain = units(pa.table({"user": [r[0] for r in ROWS], by: [r[1] for r in ROWS], "spent": [r[2] for r in ROWS]}), variant=by)
    assert units(root, variant=by).fingerprint == plain.fingerprint


def test_a_column_of_the_files_goes_before_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "variant=beta"
    folder.mkdir()
    (folder / "t.csv").write_text(text(ROWS))
    assert means(units(folder / "t.csv"), "spent") == TRUTH


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_segment_of_a_log_in_the_names_of_folders(tmp_path: Path, kind: str) -> None:
    import pandas as pd

    seen = []
    for swap in (False, True):
        for i, country in enumerate(("DE", "__HIVE_DEFAULT_PARTITION__")):
            rows = [r for r in events() if int(r["who"][1:]) % 4 // 2 == i ^ swap]
            table = pd.DataFrame([{"event": r["event"], **mixpanel(r)["properties"]} for r in rows])
            folder = tmp_path / str(swap) / f"country={country}"
            folder.mkdir(parents=True)
            table.to_csv(folder / "p.csv", index=False) if kind == "csv" else table.to_parquet(folder / "p.parquet")
        s = xp.events(str(tmp_path / str(swap))).summarize(plan(segments=["country"]))
        assert means(s) == QUOTED
        assert {k: sum(v.values()) for k, v in s.segments["country"].items()} == {"DE": 50, "(missing)": 50}
        seen.append(s.fingerprint)
    assert seen[0] != seen[1]
