"""Honest memos of hostile but legal texts and odd numbers verify in full, by both verifiers, wherever they are made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from benchmarks import forger
from tests.builders import column, plan_document
from xpbench.memo.alone import single_file

PLAN: dict[str, Any] = plan_document([column("m")], key="honest", owner="team", unit="id", horizon={"units": 400})


def blocks() -> list[str]:
    """A few characters of every 256 of Unicode that has any, in pieces of a title's length."""
    found = []
    for start in range(0x20, 0x110000, 256):
        if 0xD800 <= start < 0xE000:
            continue
        own = [chr(i) for i in range(start, min(start + 256, 0x110000)) if unicodedata.category(chr(i)) not in ("Cs", "Cn")]
        found += own[:2] + own[-1:]
    return ["".join(found[i : i + 150]) for i in range(0, len(found), 150)]


TEXTS = {
    "right to left": "שלום עולם \u200fאבג\u200e 123 (ניסוי)",
    "arabic": "تجربة الصفحة الجديدة ٪١٢",
    "emoji": "👩‍🔬🏳️‍🌈👨‍👩‍👧‍👦 🇩🇪 e\u0301 ﷽",
    "markup": "</title><script>alert(1)</script><!-- ]]> &amp; &#x3c; {{ c }} {% if %} ${x} %s {0}",
    "quotes": "\"'`´‘’“”«»\\\\ \\n \\u0000",
    "like the page": "+84 % Ship none ▲ better ✓ verified in full",
    "white space": "  two  spaces\u00a0\u2003\u3000and\ttabs ",
    "line ends": "one\r\ntwo\nthree\rfour\u2028five\u2029six\x85seven",
    "invisible": "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg",
    "combining": "Z" + "\u0301\u0322\u0336" * 20,
    "very long": "word " * 400,
    "one long word": "x" * 1500,
    "private and odd": "\ue000\U000f0000\ufffd\U0010fffd\ufdd0",
    "a formula": "=1+1 @sum -x +y",
    "seal": '<script type="application/json" id="xpbench-seal">{}</script>',
    "template of a page": "<main>\n</main>\n<body>\n</body>\n</html>\n",
}


def made(root: Path, plan: dict[str, Any], frame: pd.DataFrame, text: str = "because") -> Path:
    experiment = xp.register(xp.Plan(**plan), root, by=text)
    readout = experiment.readout(xp.units(frame, unit="id", variant="variant"), by=text)
    assert not readout.is_sealed
    outcome = readout.recommendation.outcome.replace("invalid", "iterate")
    experiment.decide(
        readout, outcome, variant=readout.recommendation.variant if outcome == "ship" else None, because=text, by=text
    )
    return experiment.memo().save(root / "memo.html")


def table(
    units: int = 600, variants: tuple[str, ...] = ("control", "beta"), *, lift: float = 0.0, level: float = 5.0, **more: Any
) -> Any:
    generator = np.random.default_rng(7)
    which = np.array(variants)[np.arange(units) % len(variants)]
    values = level + generator.normal(0, 1, units) + lift * (which != variants[0])
    return pd.DataFrame({"id": [f"u{i}" for i in range(units)], "variant": which, "m": values, **more})


@pytest.fixture(scope="module")
def codes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    alone = forger.one_file(tmp_path_factory.mktemp("single"))

    def ask(path: Path) -> list[int]:
        report = xp.verify(path)
        assert report.exit_code == 0, str(report)
        return [report.exit_code, alone.verify(path, renderer=alone.PAGE).exit_code]

    return ask


@pytest.mark.parametrize("name", TEXTS)
def test_a_memo_of_any_text_verifies(tmp_path: Path, codes: Any, name: str) -> None:
    text = TEXTS[name]
    plan = {
        **PLAN,
        "title": text,
        "owner": text,
        "hypothesis": {**PLAN["hypothesis"], "if": text, "because": text},
        "variants": [{**v, "name": f"{text} {v['key']}"} for v in PLAN["variants"]],
        "metrics": [{**PLAN["metrics"][0], "name": text}],
    }
    assert codes(made(tmp_path, plan, table(), text)) == [0, 0]


def test_memos_of_every_block_of_unicode_verify(tmp_path: Path, codes: Any) -> None:
    pieces = blocks()
    assert len(pieces) > 10
    metrics = [{**PLAN["metrics"][0], "key": f"m{i}", "name": piece} for i, piece in enumerate(pieces)]
    for i, metric in enumerate(metrics):
        metric["role"] = "secondary" if i else "primary"
    plan = {
        **PLAN,
        "metrics": metrics,
        "hypothesis": {**PLAN["hypothesis"], "then": [{"metric": "m0", "direction": "increase"}]},
    }
    assert codes(made(tmp_path, plan, table(), "".join(pieces)[:2000])) == [0, 0]


def nine() -> tuple[dict[str, Any], pd.DataFrame]:
    keys = ("control", *(f"t{i}" for i in range(9)))
    splits = [round(1 - 9 * 0.1, 6), *[0.1] * 9]
    variants = [
        {"key": k, "split": s, **({"control": True} if k == "control" else {})} for k, s in zip(keys, splits, strict=True)
    ]
    return {**PLAN, "variants": variants, "horizon": {"units": 1000}}, table(3000, keys, lift=0.3)


def rails() -> dict[str, Any]:
    own = PLAN["metrics"][0]
    return {
        **PLAN,
        "metrics": [
            own,
            {**own, "key": "a", "role": "guardrail", "direction": "decrease", "margin": 0.5},
            {**own, "key": "b", "role": "guardrail", "direction": "increase", "margin": 0.001},
            {**own, "key": "c", "role": "secondary", "min_lift": 0.001},
        ],
    }


LIVES: dict[str, Any] = {
    "nothing significant": lambda: (PLAN, table()),
    "everything significant": lambda: (PLAN, table(lift=2.0)),
    "negative means": lambda: (PLAN, table(level=-5.0, lift=0.4)),
    "means around zero": lambda: (PLAN, table(level=0.0)),
    "control all zero": lambda: (PLAN, table().assign(m=lambda f: np.where(f["variant"] == "control", 0.0, f["m"]))),
    "a constant metric": lambda: (PLAN, table().assign(m=3.0)),
    "tiny numbers": lambda: (PLAN, table().assign(m=lambda f: f["m"] * 1e-12)),
    "huge numbers": lambda: (PLAN, table().assign(m=lambda f: f["m"] * 1e12)),
    "absolute margins": lambda: (rails(), table(lift=0.1)),
    "nine treatments": nine,
    "half of the units lost": lambda: (PLAN, table(900).drop(index=range(1, 900, 6))),
}


@pytest.mark.parametrize("name", LIVES)
@pytest.mark.parametrize("kind", ["frequentist", "sequential", "group_sequential", "bayesian"])
def test_a_memo_of_any_life_verifies(tmp_path: Path, codes: Any, name: str, kind: str) -> None:
    plan, frame = LIVES[name]()
    model = {"kind": kind, **({"n_opt": 1000, "min_units": 10} if kind == "sequential" else {})}
    if kind == "bayesian" and any("margin" in m for m in plan["metrics"]):
        model["kind"] = "frequentist"
    assert codes(made(tmp_path, {**plan, "model": model}, frame)) == [0, 0]


SCRIPT = """
import sys, pandas as pd, xpbench as xp
experiment = xp.register(xp.load_plan(sys.argv[1]), sys.argv[3], by="Zoë")
readout = experiment.readout(xp.units(sys.argv[2], unit="id", variant="variant"), by="Zoë")
experiment.decide(readout, "iterate", because="weil “ßüñ”", by="Zoë")
experiment.memo().save(experiment.memo_path)
"""


@pytest.mark.parametrize(
    "place",
    [
        {"LC_ALL": "C", "LANG": "C", "TZ": "Asia/Kolkata"},
        {"LC_ALL": "en_US.UTF-8", "TZ": "America/St_Johns", "PYTHONUTF8": "0"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Pacific/Apia"},
    ],
)
@pytest.mark.parametrize("way", ["commands", "python"])
def test_a_memo_made_anywhere_verifies_anywhere(tmp_path: Path, place: dict[str, str], way: str) -> None:
    plan, data, root = tmp_path / "plan.json", tmp_path / "units.csv", tmp_path / "experiments"
    text = TEXTS["right to left"] + TEXTS["emoji"]
    plan.write_text(json.dumps({**PLAN, "title": text}, ensure_ascii=False), "utf-8")
    table().to_csv(data, index=False)
    environment = {**{k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "TZ"))}, **place}

    def run(*command: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace") + done.stdout.decode("utf-8", "replace")
        return done

    source = ["--units", str(data), "--variant-column", "variant", "--root", str(root), "--by", "Zoë"]
    if way == "commands":
        run("-m", "xpbench", "register", str(plan), "--root", str(root), "--by", "Zoë")
        run("-m", "xpbench", "readout", "honest", *source)
        run("-m", "xpbench", "decide", "honest", "iterate", "--because", "weil “ßüñ”", *source)
        run("-m", "xpbench", "memo", "honest", "--root", str(root))
    else:
        script = tmp_path / "script.py"  # not by -c: Python itself can't read such words from a command line in every locale
        script.write_text(SCRIPT, "utf-8")
        run(str(script), str(plan), str(data), str(root))
    memo = root / "honest" / "memo.html"
    single = tmp_path / "verify.py"
    single.write_text(single_file(), encoding="utf-8", newline="")
    run("-m", "xpbench", "verify", str(memo))
    run("-I", "-S", str(single), str(memo))
    assert xp.verify(memo).exit_code == 0
