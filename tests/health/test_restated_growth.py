"""A table that only grows restates nothing, whatever the sign of its values and wherever its last day was cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.verifier.test_honest import PLAN

UNITS = 600


def frame(values: str, *, days: bool) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    drawn = {"negative": rng.normal(-5, 1, UNITS), "both": rng.normal(-0.5, 3, UNITS), "counts": rng.poisson(0.05, UNITS) * 1.0}
    out = pd.DataFrame({"id": [f"u{i}" for i in range(UNITS)], "variant": np.where(np.arange(UNITS) % 2, "beta", "control")})
    out["m"] = drawn[values]
    if values == "counts":  # whoever came later on a day has done nothing yet
        out.loc[UNITS // 2 :, "m"] = 0.0
    if days:
        out["day"] = ["2026-03-02" if i < UNITS // 4 else "2026-03-03" for i in range(UNITS)]
    return out


def looked(root: Path, data: pd.DataFrame, *, days: bool, change: float = 1.0) -> str:
    experiment = xp.register(xp.Plan(**{**PLAN, "horizon": {"units": 200}}), root)
    half = data.iloc[: UNITS // 2].reset_index(drop=True)
    later = data.assign(m=data["m"] * change)
    more = {"day": "day"} if days else {}
    experiment.readout(xp.units(half, unit="id", variant="variant", **more))
    readout = experiment.readout(xp.units(later, unit="id", variant="variant", **more))
    return next(str(c.status) for c in readout.health if c.name == "restated_outcomes")


@pytest.mark.parametrize("values", ["negative", "both", "counts"])
@pytest.mark.parametrize("days", [False, True])
def test_growth_is_no_restatement(tmp_path: Path, values: str, days: bool) -> None:
    assert looked(tmp_path, frame(values, days=days), days=days) != "fail"


@pytest.mark.parametrize("values", ["negative", "counts"])
@pytest.mark.parametrize("days", [False, True])
def test_a_loss_still_fails(tmp_path: Path, values: str, days: bool) -> None:
    assert looked(tmp_path, frame(values, days=days), days=days, change=0.3) == "fail"
