"""Pairs of worlds that differ in nothing but which variant has the outcomes: what is sealed must look the same in both.

Units come in pairs, one of each variant with the same day and hour. In the mirrored world the outcomes of each pair are
exchanged: pooled values, exposures and ids are the same to the last bit, and every mean, sum and count by variant changes
places. Whatever a surface shows that differs between the two is derived from the outcomes of a variant.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import xpbench as xp
from tests.builders import claim, make_plan
from xpbench.cli import main
from xpbench.errors import XpbenchError
from xpbench.ledger import fixed_clock
from xpbench.plan import Plan
from xpbench.views.report import readout_views

N = 600
DAY = 86_400
START = 1_767_225_600  # 2026-01-01 UTC
CLOCK = "2026-03-01T09:00:00"


def table(seed: int, *, mirrored: bool, plant: str) -> pd.DataFrame:
    """One row per unit; the outcome of each unit stands in the field that `plant` names as well."""
    rng = np.random.default_rng(seed)
    pair = np.repeat(np.arange(N // 2), 2)
    variant = np.tile(["control", "beta"], N // 2)
    buys = rng.random(N) < np.where(variant == "beta", 0.3, 0.12)
    money = np.round(rng.gamma(2.0, 20.0, N), 2)
    if mirrored:
        other = np.arange(N) ^ 1
        buys, money = buys[other], money[other]
    frame = pd.DataFrame(
        {
            "user": [f"u{i}" for i in range(N)],
            "variant": variant,
            "day": [f"2026-01-{1 + int(d):02d}" for d in pair % 14],
            "y": buys.astype(float),
            "revenue": np.where(buys, money, 0.0),
            "before": rng.gamma(2.0, 3.0, N // 2)[pair],
            "platform": np.array(["ios", "web"])[rng.integers(0, 2, N // 2)[pair]],
        }
    )
    match plant:
        case "missing" | "missing as zero":
            frame["revenue"] = frame["revenue"].where(buys)
        case "code":
            frame["revenue"] = np.where(buys, money, -999.0)
        case "negative":
            frame["revenue"] = np.where(buys, -money, 0.0)
        case "infinite":
            frame["revenue"] = np.where(buys & (pair % 7 == 0), np.inf, frame["revenue"])
        case "text":
            frame["revenue"] = np.where(buys & (pair % 7 == 0), "refunded", frame["revenue"].astype(str))
        case "outlier":
            frame["revenue"] = np.where(buys, money ** (1 + 2 * (pair % 50 == 0)), 0.0)
        case "segment":
            frame["platform"] = np.where(buys, "buyer", "browser")
        case "covariate":
            frame["before"] = frame["revenue"] + 1.0
        case "constant":
            frame["revenue"] = 0.0
    return frame


def log(seed: int, *, mirrored: bool, plant: str) -> pd.DataFrame:
    """An event log of the same pairs."""
    rng = np.random.default_rng(seed)
    buys = rng.random(N) < np.where(np.arange(N) % 2 == 1, 0.3, 0.12)
    money = np.round(rng.gamma(2.0, 20.0, N), 2)
    delay = rng.integers(60, 5 * DAY, N)
    seen = START + np.repeat(rng.integers(0, 14 * DAY, N // 2), 2)
    rows: list[tuple[str, int, str, str, dict[str, Any]]] = []
    for i in range(N):
        source = i ^ 1 if mirrored else i
        unit, t = f"u{i}", int(seen[i])
        variant = "beta" if i % 2 else "control"
        shown = {"Experiment name": "mirror", "Variant name": variant}
        if plant != "segment":
            shown["platform"] = "ios" if (i // 2) % 3 else "web"
        elif plant == "segment":
            shown["platform"] = "buyer" if buys[source] else "browser"
        rows.append(("$experiment_started", t, unit, f"x{i}", shown))
        rows.append(("Visit", t - 3 * DAY, unit, f"v{i}", {}))
        if not buys[source]:
            continue
        at, amount = t + int(delay[source]), float(money[source])
        properties: dict[str, Any] = {"amount": -amount if plant == "negative" else amount}
        if plant == "missing" and source % 5 == 0:
            properties = {}
        if plant == "text" and source % 7 == 0:
            properties = {"amount": "refunded"}
        if plant == "late":
            properties["mp_processing_time_ms"] = (at + 9 * DAY) * 1000
        name = f"b{source}"  # with its outcome goes its id
        rows.append(("Buy", at, unit, name, properties))
        if plant == "duplicate":
            rows.append(("Buy", at, unit, name, properties))
        if plant == "identity":
            rows.append(("Buy", at + 60, unit, f"i{source}", {**properties, "$device_id": f"d{i}", "$user_id": unit}))
        if plant == "busy":
            rows += [("Buy", at + k, unit, f"k{source}-{k}", properties) for k in range(1, 40 if source % 90 == 0 else 1)]
    rows.append(("Visit", START + 40 * DAY, "zz", "last", {}))
    frame = pd.DataFrame(rows, columns=["event", "t", "distinct_id", "$insert_id", "p"])
    return pd.DataFrame(
        {
            "event": frame.event,
            "time": pd.to_datetime(frame.t, unit="s"),
            "distinct_id": frame.distinct_id,
            "$insert_id": frame["$insert_id"],
            "properties": [json.dumps(p) for p in frame.p],
        }
    )


def plan(kind: str, plant: str, model: dict[str, Any]) -> Plan:
    """A plan whose results are not due: its horizon is far."""
    if kind == "table":
        y: dict[str, Any] = {"key": "y", "kind": "column", "column": "y"}
        revenue: dict[str, Any] = {
            "key": "revenue",
            "kind": "column",
            "column": "revenue",
            "covariates": ["before"],
            "cuped": True,
        }
    else:
        y = {"key": "y", "kind": "conversion", "event": "Buy", "window_days": 7}
        revenue = {"key": "revenue", "kind": "sum", "event": "Buy", "property": "amount", "window_days": 7}
    revenue |= {"role": "secondary", "direction": "increase", "winsorize": {"upper": 0.99}}
    data: dict[str, Any] = {"non_finite": "exclude"}
    if plant == "missing as zero":
        data["missing"] = "zero"
    if plant == "code":
        data["missing_codes"] = [-999]
    return make_plan(
        [{**y, "role": "primary", "direction": "increase"}, revenue],
        key="mirror",
        hypothesis=claim([{"metric": "y", "direction": "increase"}]),
        unit="user" if kind == "table" else "distinct_id",
        segments=["platform"],
        model=model,
        horizon={"units": 50_000},
        data=data,
    )


def shown(folder: Path, kind: str, plant: str, model: dict[str, Any], seed: int, *, mirrored: bool) -> dict[str, str]:
    """Everything that the public surfaces show of a sealed experiment, by surface."""
    frame = (table if kind == "table" else log)(seed, mirrored=mirrored, plant=plant)
    experiment = xp.register(plan(kind, plant, model), folder, by="ana", clock=fixed_clock(CLOCK, step_seconds=1))
    source = xp.units(frame, unit="user", variant="variant", day="day") if kind == "table" else xp.events(frame)
    out: dict[str, str] = {}
    told: list[str] = []

    def surface(name: str, make: Callable[[], Any]) -> None:
        try:
            out[name] = str(make())
        except XpbenchError as error:
            out[name] = f"{error!r} {error} {error.args}"

    sealed: list[Any] = []
    surface(
        "readout", lambda: sealed.append(experiment.readout(source, by="ana", progress=lambda s: told.append(s.name))) or ""
    )
    out["progress"] = " ".join(told)
    if sealed:
        found = sealed[0]
        assert found.is_sealed
        out |= {
            "readout dict": json.dumps(found.to_dict()),
            "readout repr": repr(found),
            "readout html": found._repr_html_(),
            "readout frame": found.to_frame().to_csv(),
            "readout checks": " ".join(f"{c!r} {c._repr_html_()}" for c in found.health),
            "readout views": " ".join(
                v.to_html() if hasattr(v, "to_html") else v._repr_html_() for v in readout_views(found, experiment.plan)
            )
            if seed == 0 and plant == "missing"
            else "",
        }
    surface(
        "health",
        lambda: " ".join(
            json.dumps(c.to_dict()) + repr(c) + c._repr_html_() for c in experiment.health(source, further_health="off")
        ),
    )
    surface("summarize", lambda: experiment.summarize(source))
    surface("segments", lambda: json.dumps(experiment.readout(source, segments=["platform"], further_health="off").to_dict()))
    surface("decide", lambda: experiment.decide(sealed[0], "ship", variant="beta", because="x", by="ana") if sealed else "")
    surface("memo", experiment.memo)
    surface("status", lambda: experiment.status().to_dict())
    surface("looks", lambda: [look.to_dict() for look in experiment.looks()])
    path = folder / ("t.csv" if kind == "table" else "t.parquet")
    frame.to_csv(path, index=False) if kind == "table" else frame.to_parquet(path)
    given = ["--units", str(path), "--unit", "user", "--variant-column", "variant", "--day-column", "day"]
    given = given if kind == "table" else ["--events", str(path)]
    for words in (["readout", "mirror", *given, "--json"], ["status", "mirror", "--json"]):
        said, erred = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(erred):
            main([*words, "--root", str(folder)])
        out[" ".join(words[::2])] = said.getvalue() + erred.getvalue()
    out["folder"] = " ".join(
        f.read_text("utf-8") for f in sorted((folder / "mirror").rglob("*")) if f.is_file() and f.suffix in (".json", ".jsonl")
    )
    return {name: _plain(text, folder) for name, text in out.items()}


def _plain(text: str, folder: Path) -> str:
    """Without what names the bytes of the data or the moment: digests, times of now, the folder, seconds taken."""
    text = text.replace(str(folder), "FOLDER").replace(f"{folder.name}/t.", "FOLDER/t.")
    text = re.sub(r"[0-9a-f]{12,64}", "DIGEST", text)
    text = re.sub(r"20(?!26-0[12])\d\d-\d\d-\d\dT[\d:.]+Z?", "NOW", text)
    text = re.sub(r'"hours_ahead_of_now": -?[\d.]+', "HOURS", text)
    return re.sub(r"\d+\.\d+ ?s\b", "SECONDS", text)


FIXED = {"kind": "frequentist"}
MODELS = {"fixed": FIXED, "sequential": {"kind": "sequential", "n_opt": 50_000, "min_units": 20_000}}
TABLES = (
    "none",
    "missing",
    "missing as zero",
    "code",
    "negative",
    "infinite",
    "text",
    "outlier",
    "segment",
    "covariate",
    "constant",
)
LOGS = ("none", "missing", "negative", "text", "late", "duplicate", "identity", "busy", "segment")


def leaks(folder: Path, kind: str, plant: str, model: str, seed: int) -> list[str]:
    """Surfaces that differ between a world and its mirror, each with the first place that does."""
    (folder / "a").mkdir(parents=True)
    (folder / "b").mkdir()
    a = shown(folder / "a", kind, plant, MODELS[model], seed, mirrored=False)
    b = shown(folder / "b", kind, plant, MODELS[model], seed, mirrored=True)
    out = []
    for name in a:
        if a[name] != b[name]:
            at = next((i for i, (x, y) in enumerate(zip(a[name], b[name], strict=False)) if x != y), 0)
            out.append(f"{name}: …{a[name][max(0, at - 120) : at + 60]} | {b[name][max(0, at - 20) : at + 60]}")
    return out
