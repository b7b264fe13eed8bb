"""Unit tables on disk: reused when nothing changed, never when anything did, whole or not there."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.data.logs import METRICS, frame_of, lines_of, plan_of, random_log
from xpbench.data.cache import Cache, files_digest
from xpbench.data.jsonl import file_pieces as lines
from xpbench.data.jsonl import gunzip
from xpbench.errors import DataError

PLAN = plan_of([METRICS[0], {**METRICS[4], "winsorize": {"upper": 0.9}}], segments=["platform"])


def log_at(folder: Path, seed: int = 1) -> Path:
    path = folder / "log.parquet"
    frame_of(random_log(np.random.default_rng(seed))).to_parquet(path)
    os.utime(path, (1, 1))
    return path


def tables(cache: Path) -> list[Path]:
    return sorted(cache.glob("*/units.parquet"))


def test_a_second_look_reads_the_unit_table(tmp_path: Path) -> None:
    path, cache = log_at(tmp_path), tmp_path / "cache"
    fresh = xp.events(path).summarize(PLAN)
    first = xp.events(path, cache=cache).summarize(PLAN)
    stages: list[str] = []
    second = xp.events(path, cache=cache).summarize(PLAN, progress=lambda s: stages.append(s.name))
    assert first == second == fresh
    assert stages[0] == "find the unit table of an earlier look"
    assert len(tables(cache)) == 1
    assert "u" not in pd.read_parquet(tables(cache)[0]).columns
    later = xp.events(path, cache=cache).summarize(PLAN, caps=first.caps)
    assert later.cells == first.cells


def test_anything_that_differs_makes_another_table(tmp_path: Path) -> None:
    path, cache = log_at(tmp_path), tmp_path / "cache"
    xp.events(path, cache=cache).summarize(PLAN)
    xp.events(path, cache=cache).summarize(PLAN.changed(pre_period_days=7))
    xp.events(path, cache=cache).summarize(PLAN.changed(exposure={"window_from": "latest_exposure"}))
    xp.events(path, cache=cache, until="2026-01-20").summarize(PLAN)
    assert len(tables(cache)) == 4
    log_at(tmp_path, seed=2)
    os.utime(path, (2, 2))
    changed = xp.events(path, cache=cache).summarize(PLAN)
    assert len(tables(cache)) == 5
    assert changed == xp.events(path).summarize(PLAN)


def test_a_damaged_table_is_made_again(tmp_path: Path) -> None:
    path, cache = log_at(tmp_path), tmp_path / "cache"
    first = xp.events(path, cache=cache).summarize(PLAN)
    table = tables(cache)[0]
    table.write_bytes(table.read_bytes()[:-100])
    assert xp.events(path, cache=cache).summarize(PLAN) == first
    note = table.parent / "note.json"
    note.write_text(json.dumps({**json.loads(note.read_text()), "key": "other"}))
    assert xp.events(path, cache=cache).summarize(PLAN) == first


def test_frames_and_lines_are_cached_by_content(tmp_path: Path) -> None:
    log = random_log(np.random.default_rng(3))
    cache = tmp_path / "cache"
    first = xp.events(frame_of(log), cache=cache).summarize(PLAN)
    assert xp.events(frame_of(log[::-1]), cache=cache).summarize(PLAN) == first
    assert len(tables(cache)) == 1
    (tmp_path / "log.jsonl").write_text(lines_of(log))
    lines = xp.events(tmp_path / "log.jsonl", cache=cache).summarize(PLAN)
    assert lines.cells == first.cells
    assert xp.events(tmp_path / "log.jsonl", cache=cache).summarize(PLAN) == lines
    assert len(tables(cache)) == 2


def test_a_write_that_stops_leaves_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")

    def stop(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.put("k", {}, stop)
    assert list((tmp_path / "cache").iterdir()) == []
    assert cache.find("k") is None


def test_a_file_that_changed_is_hashed_again(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    path = tmp_path / "f"
    path.write_bytes(b"a")  # touched just now: not remembered
    one = cache.files_digest([str(path)])
    path.write_bytes(b"b")
    assert cache.files_digest([str(path)]) != one
    os.utime(path, (1, 1))
    assert cache.files_digest([str(path)]) == cache.files_digest([str(path)]) == files_digest([str(path)])


class Forbidden:
    """Stands for what must not happen again."""

    def __init__(self, *given: object) -> None:
        pass

    def __enter__(self) -> None:
        raise AssertionError("hashed once more")

    def __exit__(self, *given: object) -> None: ...

    def update(self, data: bytes) -> None:
        raise AssertionError("hashed once more")


@pytest.mark.parametrize("packed", [False, True])
def test_lines_are_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: bool) -> None:
    """The fingerprint of JSON Lines is made while they are read, or is known already; it is that of the files' bytes."""
    text = lines_of(random_log(np.random.default_rng(4))).encode()
    paths = [tmp_path / f"{name}.jsonl" for name in "ab"]
    half = text.index(b"\n", len(text) // 2) + 1
    for path, part in zip(paths, (text[:half], text[half:]), strict=True):
        path.write_bytes(gzip.compress(part) if packed else part)
        os.utime(path, (1, 1))
    with monkeypatch.context() as patch:
        patch.setattr(import_module("xpbench.data.logs.events"), "Hashing", Forbidden)
        fresh = xp.events(paths).summarize(PLAN)
    assert fresh.fingerprint == files_digest([str(p) for p in paths])
    cache = Cache(tmp_path / "cache")
    assert cache.known([str(p) for p in paths]) == {}
    cache.files_digest([str(p) for p in paths])
    assert len(cache.known([str(p) for p in paths])) == 2
    with monkeypatch.context() as patch:
        patch.setattr(lines, "hashlib", SimpleNamespace(sha256=Forbidden))
        patch.setattr(gunzip, "hashlib", SimpleNamespace(sha256=Forbidden))
        kept = xp.events(paths, cache=tmp_path / "cache").summarize(PLAN)
    assert (kept.fingerprint, kept.cells) == (fresh.fingerprint, fresh.cells)
    paths[1].touch()
    assert len(cache.known([str(p) for p in paths])) == 1


def test_a_file_that_changes_between_hash_and_reading_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or its unit table would be kept under the fingerprint of what the file held before."""
    path = tmp_path / "log.jsonl"
    path.write_text(lines_of(random_log(np.random.default_rng(5))))
    made = Cache.files_digest

    def overtaken(self: Cache, paths: Sequence[str]) -> str:
        found = made(self, paths)
        path.write_text(path.read_text() + path.read_text().splitlines()[0] + "\n")
        return found

    monkeypatch.setattr(Cache, "files_digest", overtaken)
    with pytest.raises(DataError, match="XPB-D42"):
        xp.events(path, cache=tmp_path / "cache").summarize(PLAN)
    assert tables(tmp_path / "cache") == []
