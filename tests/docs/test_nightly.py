"""The cron lines and the workflow of the docs name commands that exist, run as they are written, and nothing early."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import xpbench as xp
from tests.builders import make_plan, metric
from xpbench.cli import build_parser, main

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "howto" / "nightly.md").read_text("utf-8")
WORKFLOW = (ROOT / "docs" / "examples" / "ci" / "nightly.yml").read_text("utf-8")
CRON = re.compile(r"^(\S+ \S+ \S+ \S+ \S+) (cd .+)$", re.MULTILINE)
PART = re.compile(r"[\d*/,-]+")


def commands() -> list[list[str]]:
    """Every xpbench command of the page's cron lines and of the workflow."""
    texts = [line for _, line in CRON.findall(PAGE)]
    texts += re.findall(r"run: (xpbench .+)$", WORKFLOW, re.MULTILINE)
    found = re.findall(r"^(?:.*&& )?(xpbench [^|\n]+)", "\n".join(texts), re.MULTILINE)
    return [shlex.split(text.replace("$KEY", "checkout").strip()) for text in found]


def test_cron_lines_have_five_fields_and_the_workflow_a_schedule() -> None:
    fields = [times.split() for times, _ in CRON.findall(PAGE)]
    assert len(fields) == 2
    assert all(PART.fullmatch(part) for line in fields for part in line)
    (when,) = re.findall(r'- cron: "(.+)"', WORKFLOW)
    assert len(when.split()) == 5
    assert all(PART.fullmatch(part) for part in when.split())
    assert "nightly.yml" in PAGE


def test_every_command_is_one_that_exists() -> None:
    found = commands()
    assert {c[1] for c in found} == {"readout", "status", "pull", "watch"}
    for command in found:
        build_parser().parse_args(command[1:])


def log(path: Path, units: int) -> None:
    """Exposures and orders of a few units."""
    start = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    rows = []
    for i in range(units):
        arm = xp.assign(plan(), [f"u{i}"])[0]
        rows.append(("$experiment_started", start + i, f"u{i}", f"e{i}", "checkout", arm))
        if i % 3 == 0:
            rows.append(("Order", start + i + 5, f"u{i}", f"o{i}", None, None))
    names = ("event", "time", "distinct_id", "$insert_id", "Experiment name", "Variant name")
    path.mkdir(exist_ok=True)
    pq.write_table(pa.table({n: list(c) for n, c in zip(names, zip(*rows, strict=True), strict=True)}), path / "day.parquet")


def plan() -> xp.Plan:
    """Due at 600 units."""
    return make_plan(
        [metric("order", "conversion", event="Order")],
        key="checkout",
        assignment={"hash": "sha256", "salt": "checkout"},
        horizon={"units": 600},
    )


def test_the_readout_of_the_night_is_never_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    xp.register(plan(), "experiments", by="ana", clock=lambda: datetime(2026, 10, 30, tzinfo=UTC))
    readout = next(c for c in commands() if c[1] == "readout")
    status = next(c for c in commands() if c[1] == "status")
    log(tmp_path / "export", 300)
    assert main(readout[1:]) == 0
    assert not (tmp_path / "readout-checkout.ipynb").exists()
    assert main(status[1:]) == 0
    log(tmp_path / "export", 700)
    main(readout[1:])
    assert (tmp_path / "readout-checkout.ipynb").exists()
    assert main(status[1:]) == 1
