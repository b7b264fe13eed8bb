"""Workbooks of Excel and files of Arrow give what a CSV of the same content gives, at every door."""

from __future__ import annotations

import builtins
import csv
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest

import xpbench as xp
from tests.reading.world import SPENT, events, means, mixpanel, plan, refusal
from xpbench.cli import main
from xpbench.errors import XpbenchError
from xpbench.randomiser.tables import whole
from xpbench.sheets.workbook import as_csv

openpyxl = pytest.importorskip("openpyxl")

HEADER = ["user", "variant", "spent", "platform", "since", "asked", "ok"]
PLAN: dict[str, Any] = {"unit": "user", "segments": ["platform"]}


def rows() -> list[list[Any]]:
    """Numbers, text that is a number, dates, truth values, words for nothing and empty cells."""
    held = []
    for i in range(40):
        spent = [i, str(i), i + 0.5, "NA", None][i % 5]
        held.append([i, ["control", "beta"][i % 2], spent, f"p{i % 3}", date(2026, 1, 1 + i % 20), f"0{i}", i % 3 == 0])
    return held


def workbook(path: Path, change: Callable[[Any, Any], None] | None = None, *, table: Sequence[Any] | None = None) -> str:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in [HEADER, *rows()] if table is None else table:
        sheet.append(row)
    if change:
        change(book, sheet)
    book.save(path)
    return str(path)


def as_text(path: Path) -> str:
    """The same as CSV, as a spreadsheet writes it."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows([[str(v).upper() if isinstance(v, bool) else "" if v is None else v for v in row] for row in rows()])
    return str(path)


def read(source: Any, **more: Any) -> Any:
    made = plan([SPENT], **PLAN, data={"missing": "exclude", **more})
    return xp.units(source, unit="user", day="since").summarize(made)


def test_a_workbook_is_its_csv(tmp_path: Path) -> None:
    sheet, text = workbook(tmp_path / "t.xlsx"), as_text(tmp_path / "t.csv")
    one, two = read(sheet), read(text)
    assert one == two
    assert one.fingerprint == two.fingerprint
    spent = [[float(r[2]) for r in rows() if r[1] == v and r[2] not in ("NA", None)] for v in ("control", "beta")]
    assert means(one, "spent") == tuple(round(sum(values) / len(values), 6) for values in spent)
    assert sum(one.units.values()) == 40
    assert one.exposures_by_day["2026-01-01"] == {"control": 2}


def test_ids_of_text_keep_their_noughts(tmp_path: Path) -> None:
    made = plan([SPENT], unit="asked", data={"missing": "exclude"})
    one, two = (xp.units(p, unit="asked").summarize(made) for p in (workbook(tmp_path / "t.xlsx"), as_text(tmp_path / "t.csv")))
    assert one.fingerprint == two.fingerprint


def test_every_door_opens_a_workbook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet, text = workbook(tmp_path / "t.xlsx"), as_text(tmp_path / "t.csv")
    looked = [xp.explore(p, ["ok"], unit="user", root=None).summary for p in (sheet, text)]
    assert looked[0].cells == looked[1].cells
    found = [whole(p, as_text=("user",)).column("user").to_pylist() for p in (sheet, text)]
    assert found[0] == found[1]
    said = []
    for path in (sheet, text):
        main(["explore", path, "--metric", "ok", "--unit", "user", "--root", str(tmp_path / "none")])
        said.append(capsys.readouterr().out.replace(path, ""))
    assert said[0] == said[1]
    assert "ok" in said[0]


def test_history_from_a_workbook(tmp_path: Path) -> None:
    from xpbench.forecast.history import History

    header, made = ["user", "spent"], plan([SPENT], unit="user")
    table = [header, *[[i, i % 7] for i in range(300)]]
    pd.DataFrame(table[1:], columns=header).to_csv(tmp_path / "h.csv", index=False)
    one, two = (History.of_frame(p, made) for p in (workbook(tmp_path / "h.xlsx", table=table), str(tmp_path / "h.csv")))
    assert one.values["spent"].tolist() == two.values["spent"].tolist()


def test_a_log_in_a_workbook(tmp_path: Path) -> None:
    log = [{"event": r["event"], **mixpanel(r)["properties"]} for r in events(20)]
    names = list(dict.fromkeys(k for row in log for k in row))
    table: list[list[Any]] = [names, *[[row.get(n) for n in names] for row in log]]
    assert means(xp.events(workbook(tmp_path / "l.xlsx", table=table)).summarize(plan())) == (1.2, 2.2)


def test_cells_are_written_as_a_spreadsheet_shows_them(tmp_path: Path) -> None:
    def shaped(book: Any, sheet: Any) -> None:
        sheet["A2"].number_format = "00000"

    day = datetime(2026, 1, 31)  # noqa: DTZ001 - cells have no zone
    times = [day, day.replace(hour=9, minute=30), day.replace(hour=9, minute=30, microsecond=999_600)]
    values = [7, 7.0, 0.1, 12_345_678_901_234_567.0, True, *times, time(9, 30), "#N/A", ' a,"b" ']
    path = workbook(tmp_path / "c.xlsx", shaped, table=[[f"c{i}" for i in range(len(values))], values])
    (_, row) = csv.reader(as_csv(path).decode().splitlines())
    assert row == [
        "00007", "7", "0.1", "1.23456789012346E+16", "TRUE", "2026-01-31", "2026-01-31 09:30:00",
        "2026-01-31 09:30:01", "09:30:00", "#N/A", ' a,"b" ',
    ]  # fmt: skip


def second_sheet(book: Any, sheet: Any) -> None:
    book.create_sheet("more").append(["a", "b"])


def hidden_sheet(book: Any, sheet: Any) -> None:
    second_sheet(book, sheet)
    book["more"].sheet_state = "hidden"


def empty_sheet(book: Any, sheet: Any) -> None:
    book.create_sheet("more")


def title(book: Any, sheet: Any) -> None:
    sheet.insert_rows(1, 2)
    sheet["A1"] = "Export of March"
    sheet.merge_cells("A1:G1")


def empty_rows(book: Any, sheet: Any) -> None:
    sheet["A90"].number_format = "0.00"
    sheet["Z3"].number_format = "0.00"
    sheet.insert_rows(20)


def groups(book: Any, sheet: Any) -> None:
    sheet.insert_rows(1)
    sheet["A1"], sheet["C1"] = "who", "what"
    sheet.merge_cells("A1:B1")
    sheet.merge_cells("C1:G1")


def merged_labels(book: Any, sheet: Any) -> None:
    sheet.merge_cells("B3:B6")


def formula(book: Any, sheet: Any) -> None:
    sheet["C5"] = "=1+1"


def totals(book: Any, sheet: Any) -> None:
    sheet.append(["Total", "beta", 1234])


def twice(book: Any, sheet: Any) -> None:
    sheet["D1"] = "spent"


@pytest.mark.parametrize("change", [hidden_sheet, empty_sheet, title, empty_rows])
def test_what_changes_nothing(tmp_path: Path, change: Callable[[Any, Any], None]) -> None:
    s = read(workbook(tmp_path / "t.xlsx", change))
    assert s.fingerprint == read(as_text(tmp_path / "t.csv")).fingerprint
    assert [f.detail for f in s.findings if f.name == "skipped_lines" and "Export of March" in f.detail] or change is not title


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (second_sheet, "XPB-D88", "2 sheets hold rows ('Sheet', 'more')"),
        (groups, "XPB-D88", "are merged"),
        (merged_labels, "XPB-D88", "B3:B6 are merged"),
        (formula, "XPB-D88", "cell C5 is a formula"),
        (totals, "XPB-D65", "Total"),
        (twice, "XPB-D06", "spent"),
    ],
)
def test_what_has_no_one_meaning(tmp_path: Path, change: Callable[[Any, Any], None], code: str, words: str) -> None:
    said = refusal(lambda: read(workbook(tmp_path / "t.xlsx", change)))
    assert code in said
    assert words in said


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 cut", b"user,variant\n1,beta\n"])
def test_a_file_that_is_not_a_workbook(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t.xlsx").write_bytes(data)
    assert "XPB-D" in refusal(lambda: read(str(tmp_path / "t.xlsx")))


def test_without_openpyxl_the_words_are_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "t.xlsx")
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name.startswith("openpyxl"):
            raise ImportError(name=name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(XpbenchError, match="pip install openpyxl"):
        read(path)


@pytest.mark.parametrize("compression", ["uncompressed", "zstd", "lz4"])
def test_feather_is_its_frame_and_its_csv(tmp_path: Path, compression: str) -> None:
    table = pd.DataFrame(
        {"user": range(20), "variant": ["control", "beta"] * 10, "spent": [0.1 * i for i in range(20)], "platform": "x"}
    )
    table.to_csv(tmp_path / "t.csv", index=False)
    for k, some in enumerate((table, table[:7], table[7:])):
        arrow = pa.Table.from_pandas(some, preserve_index=False)
        pyarrow.feather.write_feather(arrow, str(tmp_path / f"t{k}.feather"), compression=compression)
    made = plan([SPENT], **PLAN)
    sources = [table, str(tmp_path / "t.csv"), str(tmp_path / "t0.feather"), [str(tmp_path / f"t{k}.feather") for k in (1, 2)]]
    assert len({xp.units(source, unit="user").summarize(made).fingerprint for source in sources}) == 1
    (tmp_path / "cut.feather").write_bytes((tmp_path / "t0.feather").read_bytes()[:200])
    assert "XPB-D01" in refusal(lambda: xp.units(str(tmp_path / "cut.feather"), unit="user").summarize(made))
