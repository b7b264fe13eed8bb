"""Pulled days as Parquet, by the ingestion of the data room: every line is checked, none is lost in silence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from xpbench.data.jsonl.ingestion import IngestReport, ingest
from xpbench.mixpanel.pull import PullReport


def to_parquet(report: PullReport) -> tuple[str, list[IngestReport]]:
    """Write `parquet/<day>-*.parquet` in the folder of a pull for each day that is new or was pulled again.

    Returns:
        The pattern to give to `xp.events`, and what was read of each day that was written now.
    """
    folder = Path(report.folder) / "parquet"
    folder.mkdir(exist_ok=True)
    out = []
    for day in report.days:
        source = Path(report.folder) / day.file
        before = sorted(folder.glob(f"{day.day}-*.parquet"))
        if before and min(p.stat().st_mtime_ns for p in before) >= source.stat().st_mtime_ns:
            continue
        work = folder / f".{day.day}"
        shutil.rmtree(work, ignore_errors=True)
        out.append(ingest([source], out=work))
        for old in before:
            old.unlink()
        for part in sorted(work.glob("*.parquet")):
            os.replace(part, folder / f"{day.day}-{part.name}")
        shutil.rmtree(work)
    return str(folder / "*.parquet"), out
