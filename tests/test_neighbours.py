"""Experiments of one root: layers keep their promise when registering and in preflight, a shared salt has a name."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

import xpbench as xp
from tests.randomiser.plans import plan_of
from xpbench.cli import main
from xpbench.errors import AssignError
from xpbench.randomiser.flags import AssignWarning


def layered(key: str, start: float, end: float, **more: Any) -> xp.Plan:
    return plan_of(key=key, salt=key, layer={"key": "home", "salt": "home", "start": start, "end": end}, **more)


def test_overlapping_ranges_of_a_layer_are_refused_when_registering_and_found_by_preflight(tmp_path: Path) -> None:
    one, two = layered("one", 0.0, 0.5), layered("two", 0.25, 0.75)
    ids = [f"u{i}" for i in range(10_000)]
    both = sum(a is not None and b is not None for a, b in zip(xp.assign(one, ids), xp.assign(two, ids), strict=True))
    assert both == pytest.approx(2_500, abs=150)  # what the layer promises not to happen
    xp.register(one, tmp_path)
    with pytest.raises(AssignError, match=r"overlap in layer 'home' from 0\.25 to 0\.5.*XPB-A17"):
        xp.register(two, tmp_path)
    assert not (tmp_path / "two").exists()
    report = xp.preflight(two, ids, others=[one])
    assert not report.ok
    assert "layer_ranges_overlap" in {f.name for f in report.findings}
    apart = xp.register(layered("three", 0.5, 1.0), tmp_path)
    assert xp.preflight(apart, ids).ok


def test_preflight_of_an_experiment_and_on_the_command_line_looks_at_its_root(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    xp.register(plan_of(key="one", salt="shared"), tmp_path / "experiments")
    with pytest.warns(AssignWarning, match="one, too: both draw the same number for every unit"):
        two = xp.register(plan_of(key="two", salt="shared"), tmp_path / "experiments")
    ids = [f"u{i}" for i in range(2_000)]
    assert "salt_reuse" in {f.name for f in xp.preflight(two, ids).findings}
    two.plan.save(tmp_path / "two.json")
    (tmp_path / "ids.csv").write_text("\n".join([two.plan.unit, *ids]))
    arguments = ["preflight", str(tmp_path / "two.json"), str(tmp_path / "ids.csv"), "--root", str(tmp_path / "experiments")]
    assert main(arguments) == 1
    assert "salt_reuse" in capsys.readouterr().out


def test_holdouts_that_hold_out_other_units_are_refused_and_own_salts_pass(tmp_path: Path) -> None:
    held = {"key": "h", "salt": "hs"}
    xp.register(plan_of(key="one", salt="one", holdout={**held, "share": 0.1}), tmp_path)
    with pytest.raises(AssignError, match="XPB-A17"):
        xp.register(plan_of(key="two", salt="two", holdout={**held, "share": 0.2}), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        xp.register(plan_of(key="two", salt="two", holdout={**held, "share": 0.1}), tmp_path)


def test_a_neighbour_that_cannot_be_read_has_a_warning(tmp_path: Path) -> None:
    broken = xp.register(plan_of(key="one", salt="one"), tmp_path)
    (broken.folder / "ledger.jsonl").write_bytes(b"no json\n")
    with pytest.warns(AssignWarning, match="one can't be read"):
        xp.register(plan_of(key="two", salt="two"), tmp_path)
