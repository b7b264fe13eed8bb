"""Histories, baselines, ids and watch series are read as tables of an experiment are."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import xpbench as xp
from tests.reading.world import SPENT, plan, refusal
from xpbench.forecast.baselines import baselines_of, read_history
from xpbench.randomiser.tables import header, whole, without_empty
from xpbench.watch.series import read_series

ROWS = [(f"u{i}", 40 + i % 3 - 1, f"2026-01-{1 + i % 20:02}") for i in range(300)]


def history(path: Path, text: str, **data: object) -> xp.History:
    path.write_text(text)
    made = plan([SPENT], unit="user", **({"data": data} if data else {}))
    return read_history(str(path), made, kind="units", day="day")


def text(rows: list[tuple[object, ...]], by: str = ",") -> str:
    return "".join(by.join(map(str, r)) + "\n" for r in [("user", "spent", "day"), *rows])


def test_codes_and_doubled_units_do_not_reach_a_baseline(tmp_path: Path) -> None:
    made = plan([SPENT], unit="user")
    clean = history(tmp_path / "h.csv", text(ROWS))
    assert (baselines_of(made, clean).baselines, clean.days) == ({"spent": 40.0}, 20)
    coded = text([(u, -999 if i % 20 == 0 else s, d) for i, (u, s, d) in enumerate(ROWS)])
    assert "XPB-D11" in refusal(lambda: history(tmp_path / "h.csv", coded))
    assert baselines_of(made, history(tmp_path / "h.csv", coded, missing_codes=[-999])).baselines["spent"] == pytest.approx(
        40, abs=0.1
    )
    assert "XPB-D14" in refusal(lambda: history(tmp_path / "h.csv", text([*ROWS, ROWS[0]])))
    assert "XPB-D60" in refusal(lambda: history(tmp_path / "h.csv", text(ROWS) + "u900,5\n"))
    assert "XPB-D63" in refusal(lambda: history(tmp_path / "h.csv", text([*ROWS[1:], ("u0", 40, "soon")])))


def test_spellings_of_numbers_and_frames(tmp_path: Path) -> None:
    made = plan([SPENT], unit="user")
    spelled = history(tmp_path / "h.csv", text([(u, f"{s},50", d) for u, s, d in ROWS], by=";"))
    assert baselines_of(made, spelled).baselines == {"spent": 40.5}
    frame = pd.DataFrame(ROWS, columns=["user", "spent", "day"])
    assert baselines_of(made, xp.History.of_frame(frame, made, day="day")).baselines == {"spent": 40.0}
    assert baselines_of(made, xp.History.of_frame(frame.drop(columns="user"), made)).baselines == {"spent": 40.0}


def test_ids_of_an_assignment(tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    path.write_bytes("user;plan\n007;a\nNA;b\n\nÄ;c\n".encode("utf-16"))
    assert header(path) == ["user", "plan"]
    assert without_empty(whole(path, as_text=("user",))["user"]).to_pylist() == ["007", None, "Ä"]
    path.write_text("user,plan\nu1,a\nu2\n")
    assert "Line 3 has 1 field" in refusal(lambda: whole(path, as_text=("user",)))


def test_a_watch_series(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("day;metric;n;mean\n2026-11-01;m;100;0.5\n2026-11-02;m;100;0.6\n")
    assert [d.mean for d in read_series(path)["m"].groups[""].days] == [0.5, 0.6]
    path.write_text("day,metric,n,mean\n2026-11-01,m,100,0.5,9\n")
    assert "Line 2 has 5 fields" in refusal(lambda: read_series(path))
    path.write_text("day,metric,n,mean\n2026-11-01,m,1_00,0.5\n")
    assert "n in row 1" in refusal(lambda: read_series(path))
