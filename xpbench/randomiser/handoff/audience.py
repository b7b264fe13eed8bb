"""Audience lists for systems that can't hash: CSV files with one row per unit, safe to open, small enough to upload."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xpbench.canonical import digest_bytes
from xpbench.errors import AssignError, plain
from xpbench.files import write_atomic
from xpbench.outward import cell, is_formula
from xpbench.randomiser.assigning import assignments, split_frame, subject_of, unit_key
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.plan_randomiser import Sticky

Formulas = Literal["escape", "refuse", "keep"]


@dataclass(frozen=True, slots=True)
class AudienceFile:
    """One written file.

    Attributes:
        path: Where it is.
        rows: Units in it.
        size: Bytes.
        sha256: Digest of its bytes.
        variants: Units by variant.
    """

    path: Path
    rows: int
    size: int
    sha256: str
    variants: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name, the path as its file name."""
        return {
            "file": self.path.name,
            "rows": self.rows,
            "bytes": self.size,
            "sha256": self.sha256,
            "variants": dict(self.variants),
        }


@dataclass(frozen=True, slots=True)
class Audiences:
    """What was written.

    Attributes:
        files: In order.
        units: Units in all files.
        left_out: Units without a variant.
        nulls: Ids that are null.
        duplicates: Ids that stood there already; each unit is written once.
        escaped: Ids that were changed by an apostrophe, so that no spreadsheet takes them for a formula. The receiving system
            must remove it to find the unit.
    """

    files: tuple[AudienceFile, ...]
    units: int
    left_out: int
    nulls: int
    duplicates: int
    escaped: int

    def to_dict(self) -> dict[str, Any]:
        """The manifest."""
        return {
            "files": [f.to_dict() for f in self.files],
            "units": self.units,
            "left_out": self.left_out,
            "nulls": self.nulls,
            "duplicates": self.duplicates,
            "escaped": self.escaped,
        }


def write_audiences(
    subject: Any,
    unit_ids: Any,
    folder: str | Path,
    *,
    max_rows: int = 500_000,
    max_bytes: int = 50_000_000,
    per_variant: bool = False,
    formulas: Formulas = "escape",
    name: str | None = None,
    properties: Any = None,
    cohorts: Mapping[str, Any] | None = None,
    store: Sticky | None = None,
) -> Audiences:
    """Write one row per assigned unit, id and variant, into CSV files (RFC 4180, UTF-8, CRLF).

    Args:
        subject: Plan, flag, or opened experiment.
        unit_ids: Ids in any container, or a frame with a column named like the assignment key.
        folder: Where the files go; made if missing.
        max_rows: Rows of a file at most, header not counted.
        max_bytes: Bytes of a file at most.
        per_variant: A set of files for each variant instead of one set.
        formulas: What happens to ids that a spreadsheet would take for a formula: `escape` (apostrophe before them, counted),
            `refuse`, or `keep`.
        name: First part of the file names; the key of the subject if missing.
        properties: Properties for rules, one row per id.
        cohorts: Ids of each cohort that a rollout group of the plan names.
        store: Remembers sticky variants, where the plan has them.

    Raises:
        AssignError: `XPB-A20`, limits below one row, or formulas under `refuse`.
        InputError: `XPB-I06`, a file could not be written.
    """
    _check_limits(max_rows, max_bytes)
    chosen = subject_of(subject)
    unit_ids, properties = split_frame(chosen, unit_ids, properties)
    ids = UnitIds(unit_ids)
    found = assignments(chosen, ids, properties=properties, cohorts=cohorts, store=store)
    texts = ids.text().combine_chunks()
    first = _first_of_each(texts)
    kept = first & (found.codes >= 0)
    codes = found.codes[kept]
    names = texts.filter(pa.array(kept)).to_pylist()
    risky = [t for t in names if is_formula(t)]
    if risky and formulas == "refuse":
        raise AssignError(
            "XPB-A20",
            name=plain(f"{len(risky):,} ids"),
            value=risky[0],
            rule=plain("A cell that begins with = + - @ is a formula to a spreadsheet"),
            remedy=plain("Use formulas='escape', or another id"),
        )
    if formulas == "escape" and risky:
        names = [cell(t) for t in names]
    target = Path(folder)
    stem = _file_name(name or chosen.key)
    header = (unit_key(chosen), "variant")
    files: list[AudienceFile] = []
    sets = [(f"{stem}-{_file_name(k)}", codes == i) for i, k in enumerate(found.keys)] if per_variant else [(stem, None)]
    for prefix, mask in sets:
        rows = np.flatnonzero(mask) if mask is not None else np.arange(len(codes))
        if per_variant and len(rows) == 0:
            continue
        files += _write(target, prefix, header, names, codes, rows, found.keys, max_rows, max_bytes)
    nulls = int(texts.null_count)
    return Audiences(
        tuple(files),
        len(names),
        int((first & (found.codes < 0)).sum()),
        nulls,
        len(texts) - nulls - int(first.sum()),
        len(risky) if formulas == "escape" else 0,
    )


def _check_limits(max_rows: int, max_bytes: int) -> None:
    for what, value, least in (("max_rows", max_rows, 1), ("max_bytes", max_bytes, 200)):
        if value < least:
            raise AssignError(
                "XPB-A20",
                name=what,
                value=value,
                rule=plain(f"A file holds at least the header and one row: {what} is {least} or more"),
                remedy=plain("Give the limit of the system that takes the files"),
            )


def _first_of_each(texts: pa.Array) -> Any:
    """Where a text stands for the first time; null is never a unit."""
    encoded = pc.dictionary_encode(texts)
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
    first = np.zeros(len(codes), bool)
    _, at = np.unique(codes, return_index=True)
    first[at] = True
    return first & (codes >= 0)


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:80].lstrip(".") or "audience"


def _write(
    folder: Path,
    prefix: str,
    header: tuple[str, str],
    names: list[str],
    codes: Any,
    rows: Any,
    keys: tuple[str, ...],
    max_rows: int,
    max_bytes: int,
) -> list[AudienceFile]:
    chunks = _chunks([(names[i], keys[codes[i]]) for i in rows.tolist()], header, max_rows, max_bytes)
    out: list[AudienceFile] = []
    for number, chunk in enumerate(chunks, 1):
        path = folder / (f"{prefix}-{number:03d}-of-{len(chunks):03d}.csv" if len(chunks) > 1 else f"{prefix}.csv")
        data = _csv([header, *chunk])
        write_atomic(path, data)
        counts = {k: sum(v == k for _, v in chunk) for k in keys}
        out.append(AudienceFile(path, len(chunk), len(data), digest_bytes(data), {k: c for k, c in counts.items() if c}))
    return out


def _chunks(rows: list[tuple[str, str]], header: tuple[str, str], max_rows: int, max_bytes: int) -> list[list[tuple[str, str]]]:
    chunks: list[list[tuple[str, str]]] = [[]]
    head = len(_csv([header]))
    size = head
    for row in rows:
        need = sum(len(cell.encode()) + (2 + cell.count('"') if re.search(r'[",\r\n]', cell) else 0) for cell in row) + 3
        if chunks[-1] and (len(chunks[-1]) >= max_rows or size + need > max_bytes):
            chunks.append([])
            size = head
        chunks[-1].append(row)
        size += need
    return chunks


def _csv(rows: list[tuple[str, str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)  # guarded before, unless formulas="keep" was asked for
    return text.getvalue().encode()
