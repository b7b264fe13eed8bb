"""Which unit: what is predicted is what a simulated assignment gives."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from xpbench.errors import InputError


def log(path: Path, people: int = 3000) -> list[dict[str, Any]]:
    """People on one or two devices, some of whom log in late; shared tablets; companies whose people are alike."""
    rng = np.random.default_rng(3)
    lines = []
    for i in range(people):
        devices = [f"tablet{i // 20}"] if i % 20 < 2 else [f"d{i}-{j}" for j in range(1 + int(rng.random() < 0.3))]
        company, logs_in = i % 600, rng.random() < 0.7 or i % 20 < 2
        at = 1_790_000_000 + int(rng.integers(0, 10 * 86_400))
        for k in range(int(rng.integers(1, 8))):
            at += 3000
            device = devices[int(rng.integers(0, len(devices)))]
            known = logs_in and (k >= 2 or rng.random() < 0.5 or i % 20 < 2)
            properties = {
                "time": at, "$device_id": device, "distinct_id": f"u{i}" if known else f"$device:{device}",
                "company_id": f"co{company}", "$insert_id": f"{i}-{k}", "who": i,
            }  # fmt: skip
            if known:
                properties["$user_id"] = f"u{i}"
            lines.append({"event": "Page Viewed", "properties": properties})
            if rng.random() < 0.1 + 0.2 * (company % 2):
                lines.append({"event": "Order", "properties": {**properties, "time": at + 5, "$insert_id": f"b{i}-{k}"}})
    with path.open("w") as file:
        for line in lines:
            kept = {k: v for k, v in line["properties"].items() if k != "who"}
            file.write(json.dumps({**line, "properties": kept}) + "\n")
    return lines


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    path = tmp_path_factory.mktemp("units") / "log.jsonl"
    return path, log(path)


def _variant(key: str, seed: int) -> int:
    return hashlib.sha256(f"{seed}:{key}".encode()).digest()[0] % 2


@pytest.mark.parametrize("unit", ["$user_id", "$device_id", "distinct_id", "company_id"])
def test_predicted_contamination_is_that_of_simulated_assignments(world: tuple[Path, list[dict[str, Any]]], unit: str) -> None:
    path, lines = world
    found = next(c for c in xp.choose_unit(path).candidates if c.unit == unit)
    owner: dict[str, str] = {}  # the person whom a device logs in as; tablets change it, so they always log in first
    for line in lines:
        p = line["properties"]
        if "$user_id" in p:
            owner.setdefault(p["$device_id"], p["$user_id"])
    shares = []
    for seed in range(6):
        met: dict[str, set[int]] = {}
        for line in lines:
            p = line["properties"]
            person = p.get("$user_id") or owner.get(p["$device_id"], p["$device_id"])
            key = p["$device_id"] if unit == "$device_id" else p.get(unit) or p["$device_id"]
            met.setdefault(person, set()).add(_variant(key, seed))
        shares.append(np.mean([len(v) > 1 for v in met.values()]))
    assert found.contamination == pytest.approx(float(np.mean(shares)), abs=0.01)


def test_predicted_dilution_is_what_an_effect_loses(world: tuple[Path, list[dict[str, Any]]]) -> None:
    """Share of the treatment met by who was first in it, minus by who was first in control, is 1 − dilution."""
    path, lines = world
    found = next(c for c in xp.choose_unit(path).candidates if c.unit == "$user_id")
    owner = {}
    for line in lines:
        p = line["properties"]
        if "$user_id" in p:
            owner.setdefault(p["$device_id"], p["$user_id"])
    gaps = []
    for seed in range(6):
        met: dict[str, list[int]] = {}
        for line in sorted(lines, key=lambda x: x["properties"]["time"]):
            p = line["properties"]
            person = p.get("$user_id") or owner.get(p["$device_id"], p["$device_id"])
            met.setdefault(person, []).append(_variant(p.get("$user_id") or p["$device_id"], seed))
        treated = np.mean([np.mean(v) for v in met.values() if v[0] == 1])
        control = np.mean([np.mean(v) for v in met.values() if v[0] == 0])
        gaps.append(treated - control)
    assert 1 - found.dilution == pytest.approx(float(np.mean(gaps)), abs=0.02)


def test_what_is_counted_is_counted(world: tuple[Path, list[dict[str, Any]]]) -> None:
    path, _ = world
    found = xp.choose_unit(path, event="Order")
    assert found.groups["company_id"] == 1.0
    assert 0.5 < found.anonymous < 0.8
    assert found.shared_devices == pytest.approx(150 / 3400, abs=0.02)
    company = next(c for c in found.candidates if c.unit == "company_id")
    assert company.n == 600
    assert company.contamination == 0
    assert company.design_effect > 1.2  # people of one company are alike here
    assert found.recommended.contamination <= min(c.contamination for c in found.candidates) + 0.01
    assert "The price" in found.sentence
    assert "<table" in found._repr_html_()
    assert len(found.to_frame()) == 4


def test_a_frame_and_a_file_say_the_same(world: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    path, lines = world
    names = ("time", "$device_id", "distinct_id", "$user_id", "company_id")
    frame = pd.DataFrame([{"event": x["event"], **{n: x["properties"].get(n) for n in names}} for x in lines])
    frame.to_parquet(tmp_path / "log.parquet")
    first, *others = (xp.choose_unit(given).candidates for given in (frame, path, tmp_path / "log.parquet"))
    for other in others:
        for one, same in zip(first, other, strict=True):
            assert one.unit == same.unit
            assert {k: v for k, v in one.to_dict().items() if k != "unit"} == pytest.approx(
                {k: v for k, v in same.to_dict().items() if k != "unit"}
            )


def test_a_wrong_name_is_refused(world: tuple[Path, list[dict[str, Any]]]) -> None:
    path, _ = world
    for given, word in (({"person": "nobody"}, "property"), ({"at": "Pge Viewed"}, "Page Viewed")):
        with pytest.raises(InputError, match=word):
            xp.choose_unit(path, **given)  # type: ignore[arg-type]
