"""The shell blocks about Mixpanel run as they are printed, against the sandbox, and read what is on disk."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.cli import main
from xpbench.mixpanel.sandbox import Sandbox

DOCS = Path(__file__).resolve().parents[2] / "docs"
SALT = "0123456789abcdef0123456789abcdef"


def commands_of(page: str) -> list[list[str]]:
    """The xpbench commands of the first shell block of a page."""
    (block, *_) = re.findall(r"```sh\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.S)
    lines = [line.split("  #", 1)[0].strip() for line in block.splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("xpbench ")]


def test_the_export_is_pulled_and_read_as_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = make_plan(horizon={"units": 400}, model={"kind": "frequentist"}).replace(key="beta-homepage")
    plan.save("beta-homepage.plan.json")
    xp.register(plan)
    start = datetime(2026, 9, 8, tzinfo=UTC).timestamp()
    ids = [f"u{i}" for i in range(600)]
    rows = []
    for i, (unit, variant) in enumerate(zip(ids, xp.assign(plan, ids), strict=True)):
        seen = {"time": start + 600 * i, "distinct_id": unit, "$insert_id": f"e{i}"}
        rows.append(
            {"event": "$experiment_started", "properties": {**seen, "Experiment name": plan.key, "Variant name": variant}}
        )
        if i % 3 == 0:
            rows.append({"event": "Quote", "properties": {**seen, "time": start + 600 * i + 60, "$insert_id": f"q{i}"}})
    rows.append({"event": "Quote", "properties": {"time": start + 30 * 86_400, "distinct_id": "x", "$insert_id": "last"}})
    listed = commands_of("howto/mixpanel-export.md")
    assert [c[0] for c in listed] == ["pull", "readout", "audit"]
    with Sandbox() as box, box.trusted():
        box.site.limits.per_second = 1_000
        box.store.add_events(box.project.token, rows, now=start)
        assert [main(c) for c in listed] == [0, 0, 0]


def test_mixpanel_is_kept_in_step_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    groups = [{"key": "everyone", "share": 0.1}]
    plan = make_plan(assignment={"hash": "mixpanel", "hash_salt": SALT, "rollout": groups}).replace(key="beta-homepage")
    xp.register(plan)
    groups[0]["share"] = 0.5
    plan.replace(assignment={**plan.to_dict()["assignment"], "rollout": groups}).save("beta-homepage.plan.json")
    listed = commands_of("howto/mixpanel-sync.md")
    with Sandbox() as box, box.trusted():
        codes = [main(c) for c in listed]
        assert codes == [1, 0, 0, 0, 0, 0], capsys.readouterr()
        (flag,) = box.store.all("flag")
        assert flag["ruleset"]["rollout"][0]["rollout_percentage"] == 0.5
