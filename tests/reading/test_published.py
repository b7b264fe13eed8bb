"""Published experiments give their published numbers from the raw file in one call; `benchmarks.published` has twelve."""

from __future__ import annotations

from pathlib import Path

import pytest

import xpbench as xp
from tests.reading.world import refusal

SLEEP = {
    "1": [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    "2": [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
}
PLANTS = {
    "ctrl": [4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14],
    "trt1": [4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69],
    "trt2": [6.31, 5.12, 5.54, 5.50, 5.37, 5.29, 4.92, 6.15, 5.80, 5.26],
}


def written(folder: Path, groups: dict[str, list[object]]) -> str:
    """The file as R's `write.csv` makes it."""
    path = folder / "raw.csv"
    rows = [(group, value) for group, values in groups.items() for value in values]
    path.write_text('"id","group","value"\n' + "".join(f'"{i}","{g}",{v}\n' for i, (g, v) in enumerate(rows, 1)))
    return str(path)


def test_cushny_and_peebles_1905(tmp_path: Path) -> None:
    found = xp.explore(written(tmp_path, SLEEP), ["value"], unit="id", variant="group", control=1, root=None).to_frame()
    assert round(float(found["p_value"].iloc[0]), 5) == 0.07939


def test_dobson_1983(tmp_path: Path) -> None:
    given = {"unit": "id", "variant": "group", "control": "ctrl", "correction": "none", "root": None}
    found = xp.explore(written(tmp_path, PLANTS), ["value"], **given).to_frame()
    assert [round(float(p), 4) for p in found["p_value"]] == [0.2504, 0.0479]


@pytest.mark.parametrize(
    ("control", "treatment", "published"),
    [((2, 46), (10, 43), (0.043, 0.233)), ((65, 81), (66, 85), (0.802, 0.776))],
    ids=["Allais 2011, migraine", "Garbutt 2012, sinusitis"],
)
def test_trials_of_yes_and_no(
    tmp_path: Path, control: tuple[int, int], treatment: tuple[int, int], published: tuple[float, float]
) -> None:
    groups = {k: ['"yes"'] * yes + ['"no"'] * (n - yes) for k, (yes, n) in (("control", control), ("treatment", treatment))}
    found = xp.explore(written(tmp_path, groups), ["value"], unit="id", variant="group", root=None).to_frame()
    assert tuple(round(float(found[k].iloc[0]), 3) for k in ("mean_control", "mean")) == published


def test_two_words_say_what_to_do(tmp_path: Path) -> None:
    groups = {"control": ['"stroke"'] * 13 + ['"no event"'] * 214, "treatment": ['"stroke"'] * 33 + ['"no event"'] * 191}
    said = refusal(lambda: xp.explore(written(tmp_path, groups), ["value"], unit="id", variant="group", root=None))
    assert "'no event' and 'stroke'" in said
    assert "1 and 0" in said
