"""Random files of per-unit tables: formats, encodings, spellings and faults; each read by xpbench and by the slow reader.

`python -m tests.reading.random_files COUNT SEED` reads so many and prints what differs.
"""

from __future__ import annotations

import csv
import gzip
import io
import random
import sys
import tempfile
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

import xpbench as xp
from tests.reading.slow_reader import Refused, Wanted
from tests.reading.world import SPENT, plan
from xpbench.errors import XpbenchError

HEADER = ["user", "variant", "spent", "seg", "day"]
WORDS = ["", "NA", "null", "NaN", "None", "n/a", "<NA>", "\\N", " na ", "NULL"]


@dataclass
class File:
    """A table as cells of text, and the source that holds it.

    Attributes:
        rows: Cells as they stand in the file.
        variants: What stands for which variant.
        source: What is given to xpbench.
        broken: The shape has a fault that must be refused.
        told: How it was made.
    """

    rows: list[list[str]]
    variants: dict[str, str]
    source: Any = None
    broken: bool = False
    told: list[str] = field(default_factory=list)


def ids(draw: random.Random, n: int) -> list[str]:
    style = draw.choice(["int", "float", "text", "padded", "mixed", "long", "negative"])
    start = draw.randrange(10_000)
    numbers = draw.sample(range(start, start + 3 * n), n)
    made = {
        "int": lambda i: str(i),
        "float": lambda i: f"{i}.0",
        "text": lambda i: f"u{i}",
        "padded": lambda i: f"{i:08}",
        "mixed": lambda i: draw.choice([str(i), f"{i}.0", f" {i}"]),
        "long": lambda i: str(9_007_199_254_740_993 + i),
        "negative": lambda i: str(-i - 1),
    }[style]
    return [made(i) for i in numbers]


def values(draw: random.Random, n: int) -> list[str]:
    styles = (
        "int decimal comma comma_groups groups ambiguous dollar euro percent yes y t true exponent code mixed junk underscore "
        "minus plus"
    )
    style = draw.choice(styles.split())
    number = lambda: draw.choice([draw.randrange(100), draw.randrange(10_000), -draw.randrange(50)])  # noqa: E731
    out = {
        "int": lambda: str(number()),
        "decimal": lambda: f"{number() + draw.randrange(100) / 100:.2f}",
        "comma": lambda: f"{number()},{draw.randrange(100):02}",
        "comma_groups": lambda: f"{draw.randrange(1, 900)}.{draw.randrange(1000):03},{draw.randrange(100):02}",
        "groups": lambda: f"{draw.randrange(5_000_000):,}.{draw.randrange(100):02}",
        "ambiguous": lambda: draw.choice([f"{draw.randrange(1000, 900_000):,}", str(draw.randrange(999))]),
        "dollar": lambda: f"{draw.choice(['', '-'])}${draw.randrange(9_000):,}.{draw.randrange(100):02}",
        "euro": lambda: f"{draw.randrange(100)},{draw.randrange(100):02} €",
        "percent": lambda: f"{draw.randrange(100)}{draw.choice(['', ' '])}%",
        "yes": lambda: draw.choice(["yes", "no", "Yes", "NO"]),
        "y": lambda: draw.choice("YN"),
        "t": lambda: draw.choice("tf"),
        "true": lambda: draw.choice(["True", "FALSE", "true", "1", "0"]),
        "exponent": lambda: draw.choice(["1e3", "2.5E-1", "5", ".5", "7."]),
        "code": lambda: draw.choice(["-999", "5", "6", "7"]),
        "mixed": lambda: draw.choice(["12.5", "12,5", "3"]),
        "junk": lambda: draw.choice(["1", "2", "x", "?"]),
        "underscore": lambda: draw.choice(["1_000", "5"]),
        "minus": lambda: draw.choice(["\u22125", "5", "7"]),
        "plus": lambda: draw.choice(["+5", "-5", "7"]),
    }[style]
    made = [out() for _ in range(n)]
    gaps = draw.choice([0, 0, 0.2])
    word = draw.choice(WORDS)
    return [word if draw.random() < gaps else draw.choice([v, v, v, f" {v}"]) for v in made]


def table(draw: random.Random) -> File:
    n = draw.randrange(12, 60)
    control, beta = draw.choice(
        [("control", "beta"), ("0", "1"), ("0.0", "1.0"), ("True", "False"), ("a b", "Ä"), ("none", "x")]
    )
    variants = {control: "control", beta: "beta"}
    gap = draw.choice(WORDS)
    if control == "none" and gap.strip().lower() == "none":
        gap = ""
    arm = [draw.choice([control, beta]) for _ in range(n)]
    arm[:4] = [control, beta, control, beta]
    for i in range(4, n):
        if draw.random() < 0.04:
            arm[i] = draw.choice([gap, gap, "other"])
    segment = draw.choice(
        [["ios", "web"], ["1", "2", "3"], ["1.0", "2.0", gap], ["True", "False", gap], ["1.10", "1.1"], ["x", gap]]
    )
    day = draw.choice(["iso", "iso", "time", "us", "eu", "dots", "ambiguous", "epoch", "compact", "zone", "milli", "words"])
    month, dates = draw.randrange(1, 13), [draw.randrange(1, 29) for _ in range(n)]
    form = {
        "iso": lambda d: f"2026-{month:02}-{d:02}",
        "time": lambda d: f"2026-{month:02}-{d:02} 23:10:00",
        "us": lambda d: f"{month:02}/{d:02}/2026",
        "eu": lambda d: f"{d:02}/{month:02}/2026",
        "dots": lambda d: f"{d:02}.{month:02}.2026",
        "ambiguous": lambda d: f"{1 + d % 12:02}/{month:02}/2026",
        "epoch": lambda d: str(1_767_225_600 + 86_400 * d),
        "compact": lambda d: f"2026{month:02}{d:02}",
        "zone": lambda d: f"2026-{month:02}-{d:02} 01:00:00 +0200",
        "milli": lambda d: str(1_767_225_600_000 + 86_400_000 * d),
        "words": lambda d: draw.choice(["soon", f"2026-{month:02}-{d:02}"]),
    }[day]
    lost = draw.choice([0, 0, 0.1])
    rows = [
        [i, v, x, draw.choice(segment), gap if draw.random() < lost else form(d)]
        for i, v, x, d in zip(ids(draw, n), arm, values(draw, n), dates, strict=True)
    ]
    if draw.random() < 0.05:
        rows[draw.randrange(n)][0] = gap
    if draw.random() < 0.06:
        rows.append([*rows[0][:4], rows[1][4]])
    return File(rows, variants)


def write_csv(file: File, draw: random.Random, folder: Path) -> None:
    separator = draw.choice([",", ";", "\t", "|"])
    end = draw.choice(["\n", "\r\n", "\n", "\r"])
    text = io.StringIO()
    quoting = draw.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    writer = csv.writer(text, delimiter=separator, lineterminator=end, quoting=quoting)
    writer.writerow(HEADER)
    rows = [list(r) for r in file.rows]
    fault = draw.choice(
        [""] * 14 + ["short", "long", "wider", "again", "blank", "trailing", "title", "sep", "comment", "totals"]
    )
    if fault == "short":
        rows[len(rows) // 2] = rows[len(rows) // 2][:-1]
    if fault == "long":
        rows[len(rows) // 2] += ["9", "9"]
    if fault == "trailing":
        rows = [[*r, ""] for r in rows]
    if fault == "again":
        rows.insert(len(rows) // 2, list(HEADER))
    file.broken = fault in ("short", "long", "wider", "totals")
    for i, row in enumerate(rows):
        writer.writerow(row)
        if fault == "blank" and i % 7 == 0:
            text.write(end)
    if fault == "wider":
        writer.writerows([[*HEADER, "more"], *([*r, "1"] for r in file.rows)])
    if fault == "totals":
        writer.writerow(["Total", next(iter(file.variants)), "5", rows[0][3], rows[0][4]])
    content = text.getvalue()
    if fault == "title":
        content = f"Export of a tool{end}{end}" + content
    if fault == "comment":
        content = f"# made by a tool{end}" + content
    if fault == "sep":
        content = f"sep={separator}{end}" + content
    encoding = draw.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"])
    if encoding == "latin-1" and not content.isascii():
        if any(ord(c) > 255 for c in content):
            encoding = "utf-8"
        else:
            file.broken = True
    data = content.encode(encoding)
    pack = draw.choice(["", "", "", "gz", "zst", "zip", "cut"])
    path = folder / draw.choice(["t.csv", "t[1].csv", "a b.csv"])
    if pack in ("gz", "cut"):
        data = gzip.compress(data)
        path = folder / "t.csv.gz"
    if pack == "cut":
        data = data[: -draw.randrange(1, 30)]
        file.broken = True
    if pack == "zst":
        data, path = pa.compress(data, codec="zstd", asbytes=True), folder / "t.csv.zst"
    if pack == "zip":
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as archive:
            archive.writestr("t.csv", data)
        data = held.getvalue()
    path.write_bytes(data)
    file.source = str(path)
    file.told += ["csv", separator, repr(end), fault, encoding, pack]


def write_typed(file: File, draw: random.Random, folder: Path) -> None:
    """The same cells as columns of text, or of the types that pandas gives them."""
    cells = pd.DataFrame(file.rows, columns=HEADER, dtype=object)
    how = draw.choice(["text", "pandas"])
    if how == "pandas":
        buffer = io.StringIO()
        cells.to_csv(buffer, index=False)
        frame = pd.read_csv(io.StringIO(buffer.getvalue()))
        text = frame.copy()
        # what pandas made of the cells is the content now: numbers without their noughts
        for name in HEADER:
            exact = [
                ("" if v is None or v != v else repr(float(v)) if isinstance(v, float) else str(v))
                for v in frame[name].tolist()
            ]
            text[name] = exact
        file.rows = text.to_numpy().tolist()
        if frame["user"].dtype.kind == "f" and frame["user"].abs().max() >= 2**53:
            file.broken = True
    else:
        frame = cells.astype(str)
    form = draw.choice(["pandas", "polars", "arrow", "parquet", "views", "categories", "feather", *["xlsx"][: how == "text"]])
    if form == "categories":
        frame = frame.assign(variant=frame["variant"].astype("category"), seg=frame["seg"].astype("category"))
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    if form in ("pandas", "categories"):
        file.source = frame
    elif form == "polars":
        file.source = pl.from_arrow(arrow)
    elif form == "arrow":
        file.source = arrow
    elif form == "views":
        kinds = [
            pa.string_view() if pa.types.is_large_string(f.type) or pa.types.is_string(f.type) else f.type for f in arrow.schema
        ]
        file.source = arrow.cast(pa.schema(list(zip(arrow.column_names, kinds, strict=True))))
    elif form == "feather":
        pyarrow.feather.write_feather(arrow, folder / "t.feather", compression=draw.choice(["lz4", "zstd", "uncompressed"]))
        file.source = str(folder / "t.feather")
    elif form == "xlsx":
        file.source = _workbook(file, draw, folder / "t.xlsx")
    else:
        pq.write_table(arrow, folder / "t.parquet", row_group_size=draw.choice([7, 1000]))
        file.source = str(folder / "t.parquet")
    file.told += [how, form]


def _workbook(file: File, draw: random.Random, path: Path) -> str:
    """The cells as text in a sheet, sometimes with a title, an empty row or a second sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    fault = draw.choice([""] * 5 + ["title", "gap", "sheet", "hidden", "merged"])
    if fault == "title":
        sheet.append(["Export of a tool"])
        sheet.append([])
    sheet.append(HEADER)
    for i, row in enumerate(file.rows):
        sheet.append([v or None for v in row])
        if fault == "gap" and i == 3:
            sheet.append([])
    if fault in ("sheet", "hidden"):
        more = book.create_sheet("more")
        more.append(["a", "b"])
        more.sheet_state = "hidden" if fault == "hidden" else "visible"
    if fault == "merged":
        for at in ("C3", "C4"):
            sheet[at] = None
        sheet.merge_cells("B2:B4")
    file.broken = fault in ("sheet", "merged")
    book.save(path)
    file.told.append(fault)
    return str(path)


def difference(seed: int) -> tuple[str, str]:
    """What came of a random file (`read` or `refused`), and how xpbench and the slow reader differ; empty where they agree."""
    draw = random.Random(seed)
    file = table(draw)
    with tempfile.TemporaryDirectory() as folder:
        (write_csv if draw.random() < 0.6 else write_typed)(file, draw, Path(folder))
        names = draw.random() < 0.5
        made = plan([SPENT], unit="user", segments=["seg"] if names else [])
        source = xp.units(file.source, unit="user", day="day" if names else None, variants=file.variants)
        try:
            wanted = None if file.broken else Wanted([r if names else [*r[:4], ""] for r in file.rows], file.variants)
        except Refused:
            wanted = None
        try:
            got = source.summarize(made)
        except XpbenchError as error:
            return "refused", "" if wanted is None else f"refused: {error}"
        except Exception as error:  # noqa: BLE001
            return "crash", f"{type(error).__name__}: {error}"
    if wanted is None:
        return "read", f"read, though it is broken {file.broken}: {dict(got.units)} {file.told}"
    found = {f.name: f.count for f in got.findings}
    checks = {
        "units": (dict(got.units), {v: wanted.units.get(v, 0) for v in ("control", "beta")}),
        "odd": (
            {k: found.get(k, 0) for k in ("missing_unit", "missing_variant", "unknown_variant")},
            {k: wanted.odd[k] for k in ("missing_unit", "missing_variant", "unknown_variant")},
        ),
    }
    for variant in ("control", "beta"):
        cell = got.cell("spent", variant)
        n = 0 if cell is None else cell.n
        checks[f"n {variant}"] = (n, wanted.counts[variant])
        if n and wanted.counts[variant]:
            exact = float(wanted.means[variant])
            if abs(cell.mean[0] - exact) > 1e-12 * max(1.0, abs(exact)):
                checks[f"mean {variant}"] = (cell.mean[0], exact)
    if names:
        checks["segments"] = (
            {(s, v): n for s, by in got.segments["seg"].items() for v, n in by.items() if n},
            dict(wanted.segments),
        )
        checks["days"] = (
            {(d, v): n for d, by in got.exposures_by_day.items() for v, n in by.items() if n},
            dict(wanted.by_day),
        )
    wrong = {k: pair for k, pair in checks.items() if pair[0] != pair[1]}
    return "read", f"{wrong} {file.told}" if wrong else ""


def main(count: int, seed: int) -> int:
    begin = time.monotonic()
    kinds: Counter[str] = Counter()
    wrong = 0
    for k in range(seed, seed + count):
        kind, said = difference(k)
        kinds[kind] += 1
        if said:
            wrong += 1
            print(k, said[:600], flush=True)  # noqa: T201
    print(f"{count:,} files from seed {seed}: {dict(kinds)}, {wrong} differ, {time.monotonic() - begin:.0f} s")  # noqa: T201
    return wrong


if __name__ == "__main__":
    sys.exit(bool(main(int(sys.argv[1]), int(sys.argv[2]))))
