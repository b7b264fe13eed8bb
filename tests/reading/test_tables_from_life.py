"""Tables with one row per unit in the spellings that other tools write: the right numbers, or a refusal that helps."""

from __future__ import annotations

import codecs
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import xpbench as xp
from tests.reading.world import SPENT, found, means, plan, refusal

ROWS = [(f"u{i}", ["control", "beta"][i % 2], 10 * (i % 4) + (i % 2)) for i in range(40)]
TRUTH = (10.0, 21.0)


def text(rows: list[tuple[Any, ...]], header: str = "user,variant,spent", by: str = ",", end: str = "\n") -> str:
    return end.join([header.replace(",", by), *(by.join(map(str, r)) for r in rows)]) + end


def explored(path: Any, **more: Any) -> Any:
    more = {"unit": "user", "control": "control", **more}
    return xp.explore(str(path) if isinstance(path, Path) else path, ["spent"], root=None, **more).summary


def units(path: Any, **more: Any) -> Any:
    return xp.units(str(path) if isinstance(path, Path) else path, unit="user", **more).summarize(plan([SPENT], unit="user"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("semicolon", text(ROWS, by=";").encode()),
        ("tab", text(ROWS, by="\t").encode()),
        ("bar", text(ROWS, by="|").encode()),
        ("bom", codecs.BOM_UTF8 + text(ROWS).encode()),
        ("utf16", text(ROWS, by="\t").encode("utf-16")),
        ("utf16be", codecs.BOM_UTF16_BE + text(ROWS).encode("utf-16-be")),
        ("windows", text(ROWS, end="\r\n").encode()),
        ("mac", text(ROWS, end="\r").encode()),
        ("mixed ends", (text(ROWS[:20]) + text(ROWS[20:], end="\r\n").split("\r\n", 1)[1]).encode()),
        ("quoted", text([(f'"{u}"', f'"{v}"', f'"{s}"') for u, v, s in ROWS]).encode()),
        ("comma in text", text([(f'"x, {u}"', v, s) for u, v, s in ROWS]).encode()),
        ("line in text", text([(f'"x\n {u}"', v, s) for u, v, s in ROWS]).encode()),
        ("blank lines", text(ROWS).replace("u7,", "\n\nu7,").encode()),
        ("sep", ("sep=;\r\n" + text(ROWS, by=";", end="\r\n")).encode()),
        ("title", ("Export of the homepage\n\n" + text(ROWS)).encode()),
        ("comments", ("# made by a tool\n# on a day\n" + text(ROWS)).encode()),
        ("trailing commas", text([(*r, "") for r in ROWS], "user,variant,spent,").encode()),
        ("trailing commas in rows", text([(*r, "") for r in ROWS]).encode()),
        ("blanks", text(ROWS, by=", ").encode()),
        ("header again", (text(ROWS[:20]) + text(ROWS[20:])).encode()),
        ("decimal comma", text([(u, v, f"{s},0") for u, v, s in ROWS], by=";").encode()),
        ("dollars", text([(u, v, f'"${s:,}.00"') for u, v, s in ROWS]).encode()),
        ("minus zero", text([(u, v, s or "-0") for u, v, s in ROWS]).encode()),
        ("gzip", gzip.compress(text(ROWS).encode())),
        ("zstd", pa.compress(text(ROWS).encode(), codec="zstd", asbytes=True)),
    ],
)
def test_the_same_rows_in_every_spelling(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / ("t.csv.gz" if name == "gzip" else "t.csv.zst" if name == "zstd" else "t.csv")
    file.write_bytes(content)
    s = explored(file)
    assert (sum(s.units.values()), means(s, "spent")) == (40, TRUTH)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("appended wider", text(ROWS) + text([(*r, 1) for r in ROWS], "user,variant,spent,more"), "Line 42 has 4 fields"),
        ("ragged", text(ROWS).replace("u9,beta", "u9"), "Line 11 has 2 fields, the header has 3"),
        ("row names", text([(i, *r) for i, r in enumerate(ROWS, 1)]), "name in the header"),
        ("duplicate header", text([(*r, 1) for r in ROWS], "user,variant,spent,spent"), "appears 2 times"),
        ("open quote", text(ROWS) + 'u99,"beta,5\n', "does not end"),
        ("data above", "u77,beta,3,x\n" + text(ROWS), "not in the source"),
        ("totals", text([*ROWS, ("Total", "control", 99)]), "line of totals"),
        ("comma of thousands or decimals", text([(u, v, f'"1,{200 + s:03}"') for u, v, s in ROWS]), "decimal point"),
        ("two spellings", text([(u, v, f'"{s},5"' if s else "0.5") for u, v, s in ROWS]), "decimal point"),
        ("half of yes", text([(u, v, "yes" if s else "2") for u, v, s in ROWS]), "yes and no"),
        ("underscore", text([(u, v, f"1_{s:03}") for u, v, s in ROWS]), "not a number"),
        ("empty", "", "empty"),
        ("huge", text([(u, v, 1e308) for u, v, s in ROWS]), "XPB-D20"),
    ],
)
def test_what_has_no_clear_meaning_is_refused(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(content)
    assert words in refusal(lambda: explored(tmp_path / "t.csv"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (text(ROWS).replace("u3", "ü3").encode("latin-1"), "line 5 has the byte 0xfc"),
        (text(ROWS).encode() + "ü".encode()[:1], "not UTF-8"),
        (text(ROWS).encode("utf-16")[:-1], "cut or damaged"),
    ],
)
def test_other_encodings_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert words in refusal(lambda: explored(tmp_path / "t.csv"))


def test_a_wrong_checksum_is_damage(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(text(ROWS).encode()))
    packed[-6] ^= 1
    (tmp_path / "t.csv.gz").write_bytes(packed)
    assert "damaged" in refusal(lambda: explored(tmp_path / "t.csv.gz"))
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text(ROWS).encode())[:-20])
    assert "damaged" in refusal(lambda: explored(tmp_path / "t.csv.gz"))


@pytest.mark.parametrize("pair", [("yes", "no"), ("Y", "N"), ("t", "f"), ("TRUE", "FALSE"), ("1", "0")])
def test_truth_values_are_numbers_where_the_whole_column_has_them(tmp_path: Path, pair: tuple[str, str]) -> None:
    (tmp_path / "t.csv").write_text(text([(u, v, pair[0] if i % 4 < 2 else pair[1]) for i, (u, v, _) in enumerate(ROWS)]))
    assert means(explored(tmp_path / "t.csv"), "spent") == (0.5, 0.5)


def test_rules_and_passed_over_lines_are_on_record(tmp_path: Path) -> None:
    content = "A title\n" + text([(u, v, f"{s},5") for u, v, s in ROWS], by=";") + "user;variant;spent\n"
    (tmp_path / "t.csv").write_text(content)
    s = explored(tmp_path / "t.csv")
    assert found(s) == {"read_by_rule": 40, "repeated_header": 1, "skipped_lines": 1}
    (rule,) = (f for f in s.findings if f.name == "read_by_rule")
    assert "decimal comma" in rule.detail
    checks = {c.name: c for c in xp.explore(str(tmp_path / "t.csv"), ["spent"], unit="user", root=None).health}
    assert checks["reading_rules"].status == "warn"


@pytest.mark.parametrize("word", ["", "NA", "n/a", "NULL", "None", "nan", "NaT", "<NA>", "\\N", " na "])
def test_no_value_is_the_same_in_every_role(tmp_path: Path, word: str) -> None:
    rows = [*ROWS, (word, "beta", 5), ("z1", word, 5), ("z2", "beta", word)]
    (tmp_path / "t.csv").write_text(
        text([(u, v, s, "ios" if i % 2 else word) for i, (u, v, s) in enumerate(rows)], "user,variant,spent,seg")
    )
    s = xp.units(str(tmp_path / "t.csv"), unit="user").summarize(plan([SPENT], unit="user", segments=["seg"]))
    assert found(s) == {"missing_unit": 1, "missing_variant": 1, "missing_value": 1, "small_slices": 2}
    assert set(s.segments["seg"]) == {"ios", "(missing)"}


def test_a_word_that_the_call_names_is_a_value(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text([(u, "none" if v == "control" else v, s) for u, v, s in ROWS]))
    assert set(explored(tmp_path / "t.csv", control="none").units) == {"none", "beta"}
    named = xp.units(str(tmp_path / "t.csv"), unit="user", variants={"none": "control"})
    assert means(named.summarize(plan([SPENT], unit="user")), "spent") == TRUTH


def test_ids_are_one_where_only_the_writing_differs(tmp_path: Path) -> None:
    rows = [("7", "control", 1), ("7.0", "beta", 1), ("007", "beta", 1), (" 8 ", "control", 1), ("8", "beta", 2)]
    (tmp_path / "t.csv").write_text(text(rows))
    assert "2 units appear on 4 rows" in refusal(lambda: units(tmp_path / "t.csv"))
    table = pd.DataFrame(rows, columns=["user", "variant", "spent"])
    for form in (table, pl.from_pandas(table), pa.Table.from_pandas(table)):
        assert "2 units appear on 4 rows" in refusal(lambda form=form: units(form))  # type: ignore[misc]
    table.to_parquet(tmp_path / "t.parquet")
    assert "2 units appear on 4 rows" in refusal(lambda: units(tmp_path / "t.parquet"))


def test_ids_beyond_exact_numbers_are_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"user": [2.0**53 + 2 * i for i in range(40)], "variant": ["control", "beta"] * 20, "spent": 1})
    assert "2^53" in refusal(lambda: units(table))
    exact = table.assign(user=[2**53 + i for i in range(40)])
    exact.to_csv(tmp_path / "t.csv", index=False)
    exact.to_parquet(tmp_path / "t.parquet")
    assert units(exact).fingerprint == units(tmp_path / "t.csv").fingerprint == units(tmp_path / "t.parquet").fingerprint


@pytest.mark.parametrize(
    ("days", "n", "words"),
    [
        ([f"{1 + i % 9:02}/{1 + i % 28:02}/2026" for i in range(40)], 40, ""),
        ([f"{1 + i % 28:02}/03/2026" for i in range(40)], 28, ""),
        ([f"{1 + i % 28:02}.03.2026" for i in range(40)], 28, ""),
        ([f"2026-03-{1 + i % 28:02} 23:30:00 -0800" for i in range(40)], 28, ""),
        ([f"202603{1 + i % 28:02}" for i in range(40)], 28, ""),
        ([str(1_767_225_600 + 86_400 * (i % 9)) for i in range(40)], 9, ""),
        ([f"Mar {1 + i % 28}, 2026" for i in range(40)], 28, ""),
        ([f"{1 + i % 9:02}/{1 + i % 12:02}/2026" for i in range(40)], 0, "day and month can't be told apart"),
        (["2026-03-01", "soon"] * 20, 0, "not a day, such as 'soon'"),
    ],
)
def test_days_are_read_or_refused(tmp_path: Path, days: list[str], n: int, words: str) -> None:
    table = pd.DataFrame([(*r, d) for r, d in zip(ROWS, days, strict=True)], columns=["user", "variant", "spent", "day"])
    table.to_csv(tmp_path / "t.csv", index=False)
    table.to_parquet(tmp_path / "t.parquet")
    for form in (table, tmp_path / "t.csv", tmp_path / "t.parquet"):
        if words:
            assert words in refusal(lambda form=form: units(form, day="day"))  # type: ignore[misc]
        else:
            s = units(form, day="day")
            assert len(s.exposures_by_day) == len(set(days)) if n == 40 else len(s.exposures_by_day) == n
            assert min(s.exposures_by_day) >= "2026-01-01"


FORMS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "csv": lambda t, p: str(t.to_csv(p / "t.csv", index=False) or p / "t.csv"),
    "parquet": lambda t, p: str(t.to_parquet(p / "t.parquet") or p / "t.parquet"),
    "pandas": lambda t, p: t,
    "polars": lambda t, p: pl.from_pandas(t),
    "arrow": lambda t, p: pa.Table.from_pandas(t, preserve_index=False),
    "views": lambda t, p: _with_views(pa.Table.from_pandas(t, preserve_index=False)),
    "read back": lambda t, p: pd.read_csv(io.StringIO(t.to_csv(index=False))),
    "numbers as text": lambda t, p: pd.read_csv(io.StringIO(t.to_csv(index=False)), dtype=str),
}


def _with_views(table: pa.Table) -> pa.Table:
    kinds = [
        pa.string_view() if pa.types.is_large_string(f.type) or pa.types.is_string(f.type) else f.type for f in table.schema
    ]
    return table.cast(pa.schema(list(zip(table.column_names, kinds, strict=True))))


@pytest.mark.parametrize("ids", ["int", "gap", "text"])
def test_one_content_gives_one_summary(tmp_path: Path, ids: str) -> None:
    """CSV, Parquet and frames of one table: the same numbers, slices, findings and fingerprint."""
    table = pd.DataFrame(
        {
            "user": [{"int": i, "gap": None if i == 3 else i, "text": f"u{i}"}[ids] for i in range(200)],
            "variant": [[0, 1][i % 2] for i in range(200)],
            "spent": [None if i % 9 == 0 else i / 7 for i in range(200)],
            "tier": [None if i % 4 == 0 else i % 4 for i in range(200)],
            "paid": [None if i % 5 == 0 else i % 2 == 0 for i in range(200)],
        }
    )
    made = plan([SPENT], unit="user", segments=["tier", "paid"])
    seen = {}
    for name, form in FORMS.items():
        s = xp.units(form(table, tmp_path), unit="user", variants={0: "control", 1: "beta"}).summarize(made).to_dict()
        s.pop("engine")
        seen[name] = s
    first = seen["csv"]
    assert {name: s == first for name, s in seen.items()} == dict.fromkeys(FORMS, True)


def test_odd_frames_are_read_or_refused() -> None:
    table = pd.DataFrame(ROWS, columns=["user", "variant", "spent"])
    assert means(explored(table.set_index(["user", "variant"], drop=False)), "spent") == TRUTH
    assert means(explored(table.set_index([[0] * 40])), "spent") == TRUTH
    assert means(explored(table.assign(spent=table.spent.astype(pd.SparseDtype("int64", 0)))), "spent") == TRUTH
    assert means(explored(table.assign(spent=table.spent.astype("string"))), "spent") == TRUTH
    assert means(explored(table.assign(variant=table.variant.astype("category"))), "spent") == TRUTH
    numbered = table.set_axis([0, 1, 2], axis=1)
    got = xp.explore(numbered, [2], unit=0, variant=1, root=None).summary  # type: ignore[list-item, arg-type]
    assert means(got, "2") == TRUTH
    assert "appears 2 times" in refusal(lambda: explored(pd.concat([table, table[["spent"]]], axis=1)))
    wide = table.set_axis(pd.MultiIndex.from_product([["a"], table.columns]), axis=1)
    assert "several rows of column names" in refusal(lambda: explored(wide))
    inside = table.rename(columns={"user": "w0", "variant": "source", "spent": "u"})
    got = xp.explore(inside, ["u"], unit="w0", variant="source", root=None).summary
    assert means(got, "u") == TRUTH


def test_names_that_differ_in_case_are_two_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text([(*r, 7) for r in ROWS], "user,variant,spent,Spent"))
    both = xp.explore(str(tmp_path / "t.csv"), ["spent", "Spent"], unit="user", root=None).summary
    assert (means(both, "spent"), means(both, "Spent")) == (TRUTH, (7.0, 7.0))
