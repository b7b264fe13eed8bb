"""The simulations of benchmarks/calibration.py with few replications: a gross fault is caught with every change."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).resolve().parents[2] / "benchmarks" / "calibration.py"


@pytest.fixture(scope="module")
def calibration() -> ModuleType:
    spec = importlib.util.spec_from_file_location("calibration", HERE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["calibration"] = module
    spec.loader.exec_module(module)
    return module


NAMES = {
    "s01": 1500, "s01_score": 250, "s02_s03": 1000, "s04_s05": 1000, "s06": 400, "s07": 200, "s08": 2000, "s09": 2000,
    "s10_s11": 500, "s12": 60, "s13": 300, "s14": 1500, "s15": 500, "s16": 200, "s17": 500,
    "s18": 1000, "s19": 300, "s20": 300, "s21": 3000, "s22": 1000, "s23": 300, "s24": 2000, "s25": 300, "s26": 400,
    "s27": 2000, "s28": 2000,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_every_method_keeps_its_promise(calibration, name):
    lines = calibration.run(name, NAMES[name], calibration.SEED)
    assert [line for line in lines if not line.passed] == []


def test_all_simulations_are_covered(calibration):
    assert set(NAMES) == set(calibration.SIMULATIONS)


def test_the_simulation_sees_a_fault(calibration):
    control = next(line for line in calibration.run("s08", 2000, calibration.SEED) if line.must_fail)
    assert control.value > 0.1
    assert not control.inside
    assert control.passed
