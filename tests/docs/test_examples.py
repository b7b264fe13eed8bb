"""The example plans of the docs can be registered, and their commands give the numbers on the page."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.twins import is_real
from xpbench.cli import main
from xpbench.plan import load_plan

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.plan.json")), ids=lambda p: p.name)
def test_plan_can_be_registered(path: Path) -> None:
    assert load_plan(path).problems() == []


@pytest.mark.parametrize(
    ("key", "source", "code", "lift", "p"),
    [
        (
            "cookie-cats",
            ["--units", "cookie_cats.csv.gz", "--unit", "userid", "--variant-column", "version"],
            0,
            -0.0431,
            0.00156,
        ),
        (
            "homepage-actions",
            [
                "--events",
                "homepage_actions.csv.gz",
                *(x for s in ("event=action", "time=timestamp", "unit=id", "insert_id=") for x in ("--schema", s)),
            ],
            1,
            0.1074,
            0.0089,
        ),
        (
            "charitable-giving",
            ["--units", "letters.csv", "--unit", "letter", "--variant-column", "treatment"],
            0,
            0.235,
            0.00119,
        ),
    ],
)
def test_commands_give_the_numbers_of_the_page(
    key: str,
    source: list[str],
    code: int,
    lift: float,
    p: float,
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    letters = pd.read_csv(shared_data / "charitable_giving.csv.gz")
    letters.insert(0, "letter", range(len(letters)))
    letters.to_csv("letters.csv", index=False)
    source = [str(shared_data / s) if s.endswith(".gz") else s for s in source]
    assert main(["register", str(FOLDER / f"{key}.plan.json")]) == 0
    capsys.readouterr()
    assert main(["readout", key, *source, "--json"]) == code
    row = json.loads(capsys.readouterr().out)["rows"][0]
    if is_real(shared_data) or key != "charitable-giving":  # the twin has other covariates, and with them another correction
        assert row["lift"] == pytest.approx(lift, abs=5e-4)
        assert row["p_value"] == pytest.approx(p, rel=5e-3)
    else:
        assert row["lift"] == pytest.approx(lift, abs=0.05)
