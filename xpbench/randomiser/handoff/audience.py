"""Audience lists for systems that can't hash: CSV files with one row per unit, safe to open, small enough to upload."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xpbench.canonical import digest_bytes
from xpbench.errors import AssignError, plain, shown
from xpbench.files import write_atomic
from xpbench.outward import cell, is_formula
from xpbench.plan import Plan
from xpbench.randomiser.assigning import Subject, assignments, split_frame, subject_of, unit_key
from xpbench.randomiser.flag import Flag
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.plan_randomiser import Randomiser, Sticky
from xpbench.randomiser.single import fnv1a64, prefix

Formulas = Literal["escape", "refuse", "keep"]
AudienceForm = Literal["csv", "jsonl"]
BUCKETS = 10_000
LOOK_UP = 20
"""Ids that people look up in the receiving system before launch."""


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
        rule: With buckets: the range of each variant, first and last bucket. A system that targets by number needs this and
            no list of later units, where the plan's one group takes everyone; below 100 % it is the rule of the units listed.
        look_up: Ids with their variant, to be looked up in the receiving system before launch.
    """

    files: tuple[AudienceFile, ...]
    units: int
    left_out: int
    nulls: int
    duplicates: int
    escaped: int
    rule: Mapping[str, tuple[int, int]] | None = None
    look_up: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The manifest."""
        return {
            "files": [f.to_dict() for f in self.files],
            "units": self.units,
            "left_out": self.left_out,
            "nulls": self.nulls,
            "duplicates": self.duplicates,
            "escaped": self.escaped,
            **({"rule": {k: list(v) for k, v in self.rule.items()}} if self.rule is not None else {}),
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
    columns: tuple[str, str] | None = None,
    form: AudienceForm = "csv",
    spelling: Callable[[str], str] | None = None,
    buckets: str | None = None,
    before: str | Path | Mapping[str, str] | None = None,
    extras: bool = False,
    bare: bool = False,
) -> Audiences:
    """Write one row per assigned unit, id and variant, into CSV files (RFC 4180, UTF-8, CRLF) or JSON Lines.

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
        columns: What the receiving system calls the id and the variant.
        form: `csv`, or `jsonl` with an object per line, where nothing is a formula and nothing is escaped.
        spelling: From the id that is hashed to the id as the receiving system has it. Two ids that become one are refused.
        buckets: Name of a further column with a number from 0 to 9,999, for systems that target by number; `.rule` says which
            numbers are which variant. The plan has one rollout group and no list of overrides for it.
        before: An earlier hand-off (its folder, or variant by id as written): only what has changed is written, into
            `…-add`, `…-change` and `…-remove`; and into `…-whole` the list as it stands now, which the next `before` reads.
        extras: Also write `…-look-up` (ids to look up before launch), `…-qa` (units with a forced variant) and `…-undo` (all
            ids with an empty variant, for the end).
        bare: Lists of ids alone, without a header, for each variant one.

    Raises:
        AssignError: `XPB-A20`, limits below one row, formulas under `refuse`, a spelling that makes two units one, or a plan
            without a rule by buckets.
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
    hashed = texts.filter(pa.array(kept)).to_pylist()
    names = _spelt(hashed, spelling)
    risky = [t for t in names if is_formula(t)] if form == "csv" else []
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
    header = columns or (unit_key(chosen), "variant")
    values: list[tuple[Any, ...]] = [(n, found.keys[c]) for n, c in zip(names, codes.tolist(), strict=True)]
    rule = None
    wide: tuple[str, ...] = header
    if buckets is not None:
        rule, numbers = bucket_rule(chosen, hashed)
        wide = (*header, buckets)
        values = [(*v, number) for v, number in zip(values, numbers, strict=True)]
    if bare and (form != "csv" or not per_variant or buckets is not None or before is not None):
        raise AssignError(
            "XPB-A20",
            name="bare",
            value=plain("with other columns or forms"),
            rule=plain("A list of ids alone is CSV, one for each variant"),
            remedy=plain("Add per_variant=True (--per-variant), and leave out form, buckets and before"),
        )
    paper = _Paper(target, form, max_rows, max_bytes)
    files: list[AudienceFile] = []
    if before is not None:
        _check_earlier(before, chosen.key)
        files += _delta(paper, stem, header, values, before)
    sets = [(f"{stem}-{_file_name(k)}", codes == i) for i, k in enumerate(found.keys)] if per_variant else [(stem, None)]
    for part, mask in sets if before is None else ():
        rows = np.flatnonzero(mask) if mask is not None else np.arange(len(codes))
        if per_variant and len(rows) == 0:
            continue
        files += paper.write(part, wide, [values[i] for i in rows.tolist()], bare=bare)
    look_up = _few_of_each(values, found.keys)
    if extras:
        files += paper.write(f"{stem}-look-up", header, look_up)
        forced = _forced(chosen)
        if forced:
            listed = _spelt(list(forced), spelling)
            if formulas == "escape" and form == "csv":
                listed = [cell(t) for t in listed]
            files += paper.write(f"{stem}-qa", header, list(zip(listed, forced.values(), strict=True)))
        files += paper.write(f"{stem}-undo", header, [(v[0], "" if form == "csv" else None) for v in values])
    nulls = int(texts.null_count)
    return Audiences(
        tuple(files),
        len(names),
        int((first & (found.codes < 0)).sum()),
        nulls,
        len(texts) - nulls - int(first.sum()),
        len(risky) if formulas == "escape" else 0,
        rule,
        tuple((str(a), str(b)) for a, b in look_up),
    )


def _spelt(ids: list[str], spelling: Callable[[str], str] | None) -> list[str]:
    if spelling is None:
        return ids
    out = [str(spelling(t)) for t in ids]
    if len(set(out)) < len(out):
        seen: dict[str, str] = {}
        one, other = next((seen[o], t) for t, o in zip(ids, out, strict=True) if seen.setdefault(o, t) != t)
        raise AssignError(
            "XPB-A20",
            name=plain("The spelling"),
            value=out[ids.index(one)],
            rule=plain(f"Two units become one by it: {shown(one)} and {shown(other)}, perhaps with different variants"),
            remedy=plain("Give one that keeps ids apart, or hash the id that the receiving system has"),
        )
    return out


def _forced(subject: Subject) -> Mapping[str, str]:
    """Units whose variant a list says."""
    if isinstance(subject, Flag):
        keys = {u: subject.matching(v) for u, v in subject.test_users.items() if v}
        return {u: subject.keys[at] for u, at in keys.items() if at is not None}
    return dict(subject.assignment.overrides) if subject.assignment is not None else {}


def _few_of_each(values: list[tuple[Any, ...]], keys: tuple[str, ...]) -> list[tuple[str, str]]:
    """Some units of each variant, spread over the list."""
    each = -(-LOOK_UP // max(len(keys), 1))
    out: list[tuple[str, str]] = []
    for key in keys:
        own = [v for v in values if v[1] == key]
        step = max(len(own) // each, 1)
        out += [(v[0], v[1]) for v in own[::step][:each]]
    return out


def bucket_rule(subject: Subject, ids: list[str]) -> tuple[dict[str, tuple[int, int]], list[int]]:
    """The range of buckets of each variant, and the bucket of each id (0 to 9,999).

    A system that targets by number evaluates the rule itself; buckets are read from the number that decides the variant.

    Raises:
        AssignError: `XPB-A20`, no single rule by buckets gives the plan's variants.
    """
    plan = subject if isinstance(subject, Plan) else None
    made = Randomiser(plan) if plan is not None else None
    flag = made.flag if made is not None and made.is_mixpanel else subject if isinstance(subject, Flag) else None
    groups = made.assignment.rollout if made is not None else flag.rollouts if flag is not None else ()
    if len(groups) != 1 or _forced(subject):
        raise _no_rule("several rollout groups or a list of overrides")
    if flag is not None:
        table = flag.bucket_table(flag.rollouts[0])
        override = flag.rollouts[0].override
        if override is not None and flag.matching(override) is not None:
            raise _no_rule("a group with one variant for everyone")
        limits = [int((table <= i).sum()) * (BUCKETS // 100) for i in range(len(flag.keys))]
        keys = flag.keys
        numbers = [fnv1a64((t + flag.variant_salt).encode()) % 100 * (BUCKETS // 100) for t in ids]
    else:
        assert made is not None  # noqa: S101 - a plan with the native hash
        group = made.assignment.rollout[0]
        if group.variant is not None:
            raise _no_rule("a group with one variant for everyone")
        cumulated = [sum(made.splits(group)[: i + 1], Fraction(0)) * BUCKETS for i in range(len(made.keys))]
        if any(c.denominator != 1 for c in cumulated):
            raise _no_rule("splits finer than a ten-thousandth")
        limits, keys = [int(c) for c in cumulated], made.keys
        before = prefix("variant", made.salt)
        numbers = [int(hashlib.sha256((before + t).encode()).hexdigest()[:13], 16) * BUCKETS >> 52 for t in ids]
    starts = [0, *limits[:-1]]
    return {k: (a, b - 1) for k, a, b in zip(keys, starts, limits, strict=True) if b > a}, numbers


def _no_rule(why: str) -> AssignError:
    return AssignError(
        "XPB-A20",
        name=plain("A rule by buckets"),
        value=plain("not there"),
        rule=plain(f"The plan has {why}, which no single range of numbers says"),
        remedy=plain("Hand over lists with variants instead"),
    )


def _check_earlier(before: str | Path | Mapping[str, str], key: str) -> None:
    """Refuse the folder of another experiment: all of its units would be removed."""
    manifest = Path(before) / "handoff.json" if not isinstance(before, Mapping) else None
    if manifest is None or not manifest.is_file():
        return
    try:
        other = json.loads(manifest.read_text(encoding="utf-8")).get("subject")
    except (ValueError, AttributeError):
        return  # not our manifest; the lists are read for what they are
    if other not in (None, key):
        raise AssignError(
            "XPB-A20",
            name="before",
            value=str(before),
            rule=plain(f"It is a hand-off of {shown(str(other))}, and this one is of {shown(key)}"),
            remedy=plain("Give the folder of the same experiment"),
        )


def _earlier(before: str | Path | Mapping[str, str], header: tuple[str, str], form: AudienceForm) -> dict[str, str]:
    """Variant by id of an earlier hand-off, as it was written."""
    if isinstance(before, Mapping):
        return {str(k): str(v) for k, v in before.items()}
    out: dict[str, str] = {}
    folder = Path(before)
    extra = re.compile(r"-(look-up|qa|undo|add|change|remove)(-[0-9]+-of-[0-9]+)?\Z")
    for path in sorted(folder.glob(f"*.{form}")):
        if extra.search(path.stem):
            continue
        if form == "csv":
            with path.open(encoding="utf-8", newline="") as file:
                rows = csv.DictReader(file)
                if not set(header) <= set(rows.fieldnames or ()):
                    continue
                out |= {r[header[0]]: r[header[1]] for r in rows}
        else:
            lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line)
            out |= {str(r[header[0]]): str(r[header[1]]) for r in lines if set(header) <= set(r)}
    if not out:
        raise AssignError(
            "XPB-A20",
            name="before",
            value=str(before),
            rule=plain(f"It is the folder of an earlier hand-off with the columns {header[0]} and {header[1]}"),
            remedy=plain("Give that folder, or variant by id"),
        )
    return out


def _delta(
    paper: _Paper,
    stem: str,
    header: tuple[str, str],
    values: list[tuple[Any, ...]],
    before: str | Path | Mapping[str, str],
) -> list[AudienceFile]:
    old = _earlier(before, header, paper.form)
    new = {str(v[0]): str(v[1]) for v in values}
    parts = {
        "add": [(u, v) for u, v in new.items() if u not in old],
        "change": [(u, v) for u, v in new.items() if u in old and old[u] != v],
        "remove": [(u, v) for u, v in old.items() if u not in new],
    }
    parts["whole"] = list(new.items())
    return [f for name, rows in parts.items() if rows for f in paper.write(f"{stem}-{name}", header, rows)]


@dataclass(frozen=True, slots=True)
class _Paper:
    """Writes rows into files of a form, within limits."""

    folder: Path
    form: AudienceForm
    max_rows: int
    max_bytes: int

    def write(
        self, stem: str, header: tuple[str, ...], rows: list[tuple[Any, ...]], *, bare: bool = False
    ) -> list[AudienceFile]:
        """Files with these rows, or with their first cells alone; numbered where there are several."""
        head = _csv([header]) if self.form == "csv" and not bare else b""
        lines = [_csv([r[:1] if bare else r]) if self.form == "csv" else _line(header, r) for r in rows]
        chunks: list[list[int]] = [[]]
        size = len(head)
        for i, line in enumerate(lines):
            if chunks[-1] and (len(chunks[-1]) >= self.max_rows or size + len(line) > self.max_bytes):
                chunks.append([])
                size = len(head)
            chunks[-1].append(i)
            size += len(line)
        out: list[AudienceFile] = []
        for number, chunk in enumerate(chunks, 1):
            tail = f"-{number:03d}-of-{len(chunks):03d}" if len(chunks) > 1 else ""
            path = self.folder / f"{stem}{tail}.{self.form}"
            data = head + b"".join(lines[i] for i in chunk)
            write_atomic(path, data)
            counts: dict[str, int] = {}
            for i in chunk:
                variant = str(rows[i][1] or "")
                counts[variant] = counts.get(variant, 0) + 1
            out.append(AudienceFile(path, len(chunk), len(data), digest_bytes(data), {k: c for k, c in counts.items() if k}))
        return out


def _line(header: tuple[str, ...], row: tuple[Any, ...]) -> bytes:
    return json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False).encode() + b"\n"


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


def _csv(rows: Iterable[tuple[Any, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)  # guarded before, unless formulas="keep" was asked for
    return text.getvalue().encode()
