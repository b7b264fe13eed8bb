"""Honest lives at random: plan, data, looks, decision, memo; each must verify in full, or be refused at the door in our words.

    python -m benchmarks.honest                     300 lives, about five minutes of one free core
    python -m benchmarks.honest --count 50 --seed 7 others
    python -m benchmarks.honest --only 7:31         one life again, by seed and number

A forger's bench asks whether anything false passes; this one asks whether anything true fails. Both verifiers are asked, the
package and the one file, with the ledger at hand and without.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import xpbench as xp
from benchmarks.report import write
from xpbench.errors import XpbenchError
from xpbench.plan.metrics import KINDS

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
TEXTS = (
    "Beta homepage",
    "Ship none",
    "one\r\ntwo\rthree\nfour",
    "\ttabs\tand  spaces ",
    "שלום \u200fעולם\u200e (123)",
    "תוצאה: +84 % ▲ better",
    "👩‍🔬🏳️‍🌈 🇩🇪 e\u0301",
    "a\u200bb\u2060c\ufeffd\u00ade",
    "</script><!-- ]]> &amp; {{ x }} {% if %} %s ${y}",
    "=1+1; @sum; -x; +y",
    "verified in full",
    "✓ pass",
    "control",
    "beta",
    "n",
    "value",
    "ship beta",
    "0.05",
    "−3.2 % to +4.1 %",
    "x" * 200,
    "word " * 40,
    "`code` **bold** | pipe [link](https://example.org)",
    "\x85\u2028\u2029 ends",
    "İstanbul ıI ß ſ",
    "'\"\\\\ \\n \\u0000",
    "$1,000 €2.000,50",
)
"""Texts that are legal and odd: line ends, direction marks, markup, words and numbers as the page itself has them."""
KEYS = (
    "m",
    "n",
    "value",
    "Ship none",
    "beta",
    "better",
    "raw",
    "0",
    "p_value",
    "µ-метрика",
    "a b",
    "x" * 64,
    "INVALID",
    "lift",
)
VARIANTS = (
    "control",
    "beta",
    "Ship none",
    "ship",
    "iterate",
    "INVALID",
    "B",
    "0",
    "none",
    "v\u00e4r",
    "🙂",
    "y" * 64,
    "a/b",
    "a~1b",
)
PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)


def one_of(rng: np.random.Generator, choices: Any) -> Any:
    """One of these, as it is."""
    return choices[int(rng.integers(len(choices)))]


def chance(rng: np.random.Generator, share: float) -> bool:
    """True in this share of the cases."""
    return bool(rng.random() < share)


def model_of(rng: np.random.Generator, units: int) -> dict[str, Any]:
    """A design: kind, level, looks, prior."""
    confidence = one_of(rng, (0.95, 0.9, 0.99, 0.8))
    kind = one_of(rng, ("frequentist", "sequential", "group_sequential", "bayesian"))
    model: dict[str, Any] = {"kind": kind, "confidence": confidence}
    if kind == "sequential":
        model |= {"min_units": one_of(rng, (2, 20, 100))}
        model |= (
            {"tau": one_of(rng, (0.05, 0.3))} if chance(rng, 0.3) else {"n_opt": one_of(rng, (units // 2, units, 5 * units))}
        )
    if kind == "group_sequential":
        model |= {
            "looks": one_of(rng, ([0.5, 1.0], [0.25, 0.5, 0.75, 1.0], [1.0], [0.1, 0.2, 0.3, 0.9, 1.0])),
            "spending": one_of(rng, ("obrien_fleming", "pocock", "reflection")),
        }
    if kind == "bayesian":
        prior = {"kind": "lift", "mean": one_of(rng, (0.0, 0.02)), "sd": one_of(rng, (0.05, 0.5))}
        model |= {"prior": prior if chance(rng, 0.5) else {"kind": "pooled"}}
        model |= {"due": one_of(rng, ("horizon", "min_units")), "min_units": one_of(rng, (2, 50))}
    return model


def roles(rng: np.random.Generator, metrics: list[dict[str, Any]], plan: dict[str, Any]) -> None:
    """Give each metric its role, direction, margins, smallest lifts, money."""
    for i, metric in enumerate(metrics):
        metric["role"] = "primary" if i == 0 else one_of(rng, ("primary", "secondary", "secondary", "guardrail", "guardrail"))
        metric["direction"] = one_of(rng, ("increase", "increase", "decrease"))
        if chance(rng, 0.4):
            metric["name"] = one_of(rng, TEXTS)
        if metric["role"] == "guardrail":
            metric |= (
                {"margin": one_of(rng, (0.01, 0.5, 100.0))} if chance(rng, 0.5) else {"margin_rel": one_of(rng, (0.01, 0.3))}
            )
        if chance(rng, 0.5):
            metric["min_lift"] = one_of(rng, (0.0, 0.001, 0.02, 0.3))
        if chance(rng, 0.2):
            metric["equivalence"] = one_of(rng, (0.01, 0.2))
        if chance(rng, 0.3):
            metric["currency"] = one_of(rng, ("EUR", "USD", "JPY", "points", "₿"))
        if chance(rng, 0.2):
            metric["worth"] = one_of(rng, (0.01, 12.5, 1e6))
        if chance(rng, 0.25) and metric["kind"] in ("count", "sum", "sessions", "ratio", "column"):
            metric["winsorize"] = one_of(
                rng, ({"upper": 0.99}, {"lower": 0.05, "upper": 0.95}, {"upper": 0.9, "over": "nonzero"})
            )
    plan["hypothesis"]["then"] = [
        {"metric": m["key"], "direction": m["direction"], **({"lift": 0.05} if chance(rng, 0.5) else {})}
        for m in metrics
        if m["role"] == "primary"
    ][: 1 + int(rng.integers(2))]


def skeleton(rng: np.random.Generator, units: int) -> dict[str, Any]:
    """A plan without metrics."""
    treatments = one_of(rng, (1, 1, 1, 2, 3, 5))
    keys = [VARIANTS[i] for i in rng.permutation(len(VARIANTS))[: treatments + 1]]
    splits = one_of(rng, ("even", "even", "uneven"))
    shares = np.ones(len(keys)) if splits == "even" else rng.integers(1, 5, len(keys)).astype(float)
    shares = np.round(shares / shares.sum(), 4)
    shares[0] = round(1 - float(shares[1:].sum()), 6)
    control = int(rng.integers(len(keys)))
    variants: list[dict[str, Any]] = []
    for i, (key, share) in enumerate(zip(keys, shares.tolist(), strict=True)):
        variants.append({"key": key, "split": share, **({"control": True} if i == control else {})})
        if chance(rng, 0.3):
            variants[-1]["name"] = one_of(rng, TEXTS)
        if chance(rng, 0.15):
            variants[-1]["picture"] = PICTURE
    plan: dict[str, Any] = {
        "key": "life",
        "title": one_of(rng, TEXTS),
        "owner": one_of(rng, TEXTS),
        "hypothesis": {"if": one_of(rng, TEXTS), "because": one_of(rng, TEXTS)},
        "variants": variants,
        "model": model_of(rng, units),
        "correction": one_of(rng, ("none", "bonferroni", "holm", "bh")),
        "secondary_correction": one_of(rng, ("none", "bonferroni", "holm", "bh")),
        "family": one_of(rng, ("primary", "primary_and_secondary")),
        "decision": {
            "ship_when": one_of(rng, ("any_primary", "all_primaries")),
            "guardrails": one_of(rng, ("non_inferior", "not_worse")),
            "practical": one_of(rng, ("estimate", "interval", "none")),
            "health": one_of(rng, ("must_pass", "no_warnings")),
        },
        "horizon": {"units": one_of(rng, (units // 2, units - units // 10, units, 2 * units))},
        "data": {"smallest_segment": one_of(rng, (1, 50, 200)), "missing": one_of(rng, ("exclude", "zero"))},
    }
    if plan["model"]["kind"] == "sequential" and chance(rng, 0.2):
        plan["correction"] = "e-bh"
    if chance(rng, 0.2):
        plan["decision"]["guardrail_alpha"] = one_of(rng, (0.05, 0.2))
    if chance(rng, 0.3):
        plan["notes"], plan["audience"] = one_of(rng, TEXTS), one_of(rng, TEXTS)
    if chance(rng, 0.3):
        plan["links"] = [{"title": one_of(rng, TEXTS), "url": "https://example.org/a?b=1&c=%20"}]
    if chance(rng, 0.3):
        plan["watch"] = {"weeks": 3, "owner": one_of(rng, TEXTS), "check_days": [7, 21]}
    if chance(rng, 0.3):
        plan["sign_offs"] = [{"name": "Ana", "role": one_of(rng, TEXTS), "needed_for": one_of(rng, ("register", "decide"))}]
    if chance(rng, 0.3):
        plan["planning"] = {"power": 0.9, "daily_units": 100.0}
    if chance(rng, 0.2):
        plan["looks"] = {"agents": 1}
    return plan


def drawn(rng: np.random.Generator, plan: dict[str, Any], units: int) -> np.ndarray[Any, Any]:
    """A variant for each unit, by the plan's shares or (seldom) by others."""
    shares = np.array([v["split"] for v in plan["variants"]])
    if chance(rng, 0.1):
        shares = shares[::-1] * np.linspace(1, 1.5, len(shares))
    keys = np.array([v["key"] for v in plan["variants"]], dtype=object)
    return keys[rng.choice(len(keys), units, p=shares / shares.sum())]


def column(rng: np.random.Generator, units: int, treated: np.ndarray[Any, Any]) -> Any:
    """Values of one metric: shares, counts, money, negative, constant, zero in control, rare, huge, tiny, missing."""
    lift = one_of(rng, (0.0, 0.0, 0.05, 0.5, -0.3))
    kind = int(rng.integers(11))
    if kind == 0:
        return rng.random(units) < np.clip(0.3 * (1 + lift * treated), 0, 1)
    if kind == 1:
        return (rng.random(units) < np.clip(0.01 * (1 + lift * treated), 0, 1)).astype(int)
    if kind == 2:
        return rng.poisson(2.0 * (1 + lift * treated), units)
    if kind == 3:
        return np.round(rng.lognormal(3, 1, units) * (1 + lift * treated) * (rng.random(units) < 0.3), 2)
    if kind == 4:
        return -5 + rng.normal(0, 1, units) + lift * treated
    if kind == 5:
        return np.full(units, one_of(rng, (0.0, 3.0, -1.5)))
    if kind == 6:
        return np.where(treated, rng.normal(1, 1, units), 0.0)
    if kind == 7:
        return rng.normal(5, 1, units) * one_of(rng, (1e-12, 1e12))
    if kind == 8:
        return np.where(rng.random(units) < 0.05, np.nan, rng.normal(5, 1, units) + lift * treated)
    if kind == 9:
        return rng.normal(0, 1, units) + lift * treated
    return np.where(treated, 0.0, rng.poisson(0.5, units))


def table_world(rng: np.random.Generator) -> tuple[dict[str, Any], list[Any]]:
    """A plan over a table of units, and the sources of its looks, each with more units than the one before."""
    units = one_of(rng, (30, 200, 600, 2000))
    plan = skeleton(rng, units)
    plan["unit"] = "id"
    which = drawn(rng, plan, units)
    control = next(v["key"] for v in plan["variants"] if v.get("control"))
    treated = which != control
    frame = pd.DataFrame({"id": [f"u{i}" for i in range(units)], "variant": which})
    keys = [KEYS[i] for i in rng.permutation(len(KEYS))]
    metrics = []
    for i in range(one_of(rng, (1, 2, 4, 6))):
        frame[f"c{i}"] = column(rng, units, treated)
        metrics.append({"key": keys.pop(), "kind": "column", "column": f"c{i}"})
        if chance(rng, 0.3):
            before = pd.to_numeric(frame[f"c{i}"]).astype(float).to_numpy()
            frame[f"before{i}"] = 0.5 * np.nan_to_num(before) + rng.normal(0, 1, units)
            metrics[-1] |= {"cuped": True, "covariates": [f"before{i}"]}
    plain = [m["key"] for m in metrics]
    if len(plain) > 1 and chance(rng, 0.4):
        metrics.append({"key": keys.pop(), "kind": "ratio", "numerator": plain[0], "denominator": plain[1]})
    if "m" in plain and chance(rng, 0.5):
        metrics.append({"key": keys.pop(), "kind": "formula", "expression": "m / (m + 1)"})
    plan["metrics"] = metrics
    roles(rng, metrics, plan)
    if chance(rng, 0.5):
        frame["platform"] = rng.choice(np.array(["web", "ios", "Ship none", "<b>tv</b>", "", "−1 %"], dtype=object), units)
        plan["segments"] = ["platform"]
    if chance(rng, 0.2):
        frame["further"] = rng.choice(["a", "b"], units)
    day = None
    if chance(rng, 0.5):
        day = "day"
        frame["day"] = [f"{(START + timedelta(days=int(d))):%Y-%m-%d}" for d in np.sort(rng.integers(0, 21, units))]
        if chance(rng, 0.3):
            plan["horizon"]["days"] = one_of(rng, (7, 20))
    looks = one_of(rng, (1, 1, 2, 4))
    parts = [frame.iloc[: max(4, round(units * share))] for share in np.linspace(1 / looks, 1, looks)]
    return plan, [xp.units(part.reset_index(drop=True), unit="id", variant="variant", day=day) for part in parts]


def log_of(rng: np.random.Generator, plan: dict[str, Any], units: int) -> pd.DataFrame:
    """Exposures over days, views and purchases after them, some of them before."""
    which = drawn(rng, plan, units)
    control = next(v["key"] for v in plan["variants"] if v.get("control"))
    rows: list[dict[str, Any]] = []
    lift = one_of(rng, (1.0, 1.0, 1.3, 0.7))
    rate = one_of(rng, (1.5, 0.3, 0.02))
    for i in range(units):
        begins = START + timedelta(hours=float(rng.uniform(0, 24 * 10)))
        shown = {"platform": str(one_of(rng, ("web", "ios", "Ship none")))}
        rows.append(
            {
                "event": "$experiment_started",
                "distinct_id": f"u{i}",
                "time": begins,
                "Experiment name": plan["key"],
                "Variant name": which[i],
                **shown,
            }
        )
        count = int(rng.poisson(rate * (lift if which[i] != control else 1.0)))
        for hours in (*rng.uniform(0.1, 24 * 6, count), *(-rng.uniform(1, 200, int(rng.poisson(0.5))))):
            seen = begins + timedelta(hours=float(hours))
            rows.append({"event": "Viewed", "distinct_id": f"u{i}", "time": seen, "amount": float(rng.integers(1, 9))})
            if rng.random() < 0.6:
                bought = seen + timedelta(hours=float(rng.uniform(0.1, 4)))
                amount = float(np.round(rng.gamma(2.0, 10.0), 2))
                rows.append({"event": "Bought", "distinct_id": f"u{i}", "time": bought, "amount": amount})
    for event in ("Viewed", "Bought"):
        rows.append({"event": event, "distinct_id": "u0", "time": START + timedelta(days=45), "amount": 1.0})
    return pd.DataFrame(rows)


def log_world(rng: np.random.Generator) -> tuple[dict[str, Any], list[Any]]:
    """A plan over an event log, and the sources of its looks, each up to a later day."""
    units = one_of(rng, (60, 200, 500))
    plan = skeleton(rng, units)
    plan["unit"] = "distinct_id"
    keys = [k for k in (KEYS[i] for i in rng.permutation(len(KEYS))) if k not in ("m", "n")]
    metrics: list[dict[str, Any]] = [
        {"key": "m", "kind": "count", "event": "Bought", "window_days": 7},
        {"key": "n", "kind": one_of(rng, ("count", "conversion")), "event": "Viewed"},
    ]
    more: dict[str, dict[str, Any]] = {
        "conversion": {"event": "Bought", "window_days": 3},
        "count": {"event": "Viewed", "where": [{"property": "amount", "op": ">", "value": 3}]},
        "sum": {"event": "Bought", "property": "amount"},
        "mean": {"event": "Bought", "property": "amount"},
        "sessions": {},
        "retention": {"event": "Viewed", "day": 1, "length_days": 2},
        "funnel": {"steps": [{"event": "Viewed"}, {"event": "Bought"}], "per": one_of(rng, ("exposure", "entrant"))},
        "quantile": {"event": "Bought", "property": "amount", "q": one_of(rng, (0.5, 0.9))},
        "ratio": {"numerator": "m", "denominator": "n"},
        "formula": {"expression": one_of(rng, ("m / n", "(m - n) * 2", "m / (n - n)"))},
    }
    for kind in rng.choice(list(more), one_of(rng, (1, 2, 4)), replace=False).tolist():
        metrics.append({"key": keys.pop(), "kind": kind, **more[kind]})
    for metric in metrics:
        if metric["kind"] not in ("quantile", "formula") and chance(rng, 0.3):
            metric["cuped"] = True
    plan["metrics"] = metrics
    roles(rng, metrics, plan)
    if chance(rng, 0.5):
        plan["segments"] = ["platform"]
    log = log_of(rng, plan, units)
    looks = one_of(rng, (1, 1, 2, 3))
    ends = [START + timedelta(days=float(d)) for d in np.linspace(9, 46, looks + 1)[1:]]
    return plan, [xp.events(log[log["time"] <= end].reset_index(drop=True), absent_events="zero") for end in ends]


class Clock:
    """Time as the life has it: every reading is a minute later, and looks are days apart."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        self.at += timedelta(minutes=1)
        return self.at


AMENDMENTS: dict[str, Any] = {
    "title": lambda rng, plan: {"title": one_of(rng, TEXTS) + "."},
    "horizon": lambda rng, plan: {"horizon": {"units": max(2, (plan.horizon.units or 2) // 2)}},
    "correction": lambda rng, plan: {"correction": "none" if plan.correction != "none" else "bonferroni"},
    "notes": lambda rng, plan: {"notes": f"{one_of(rng, TEXTS)} again"},
    "watch": lambda rng, plan: {"watch": {"weeks": 2, "check_days": [3]}},
}


def amend(rng: np.random.Generator, experiment: Any) -> Any:
    """One field of the plan replaced."""
    name = one_of(rng, list(AMENDMENTS))
    document = {**experiment.plan.to_dict(), **AMENDMENTS[name](rng, experiment.plan)}
    with contextlib.suppress(XpbenchError):  # the plan says so already
        return experiment.amend(xp.Plan(**document), reason=one_of(rng, TEXTS), by=one_of(rng, TEXTS))
    return experiment


def live(seed: int, number: int, root: Path) -> Path:
    """One life from plan to memo; returns the memo's path.

    Raises:
        XpbenchError: refused at the door.
    """
    rng = np.random.default_rng([seed, number])
    document, sources = (table_world if chance(rng, 0.6) else log_world)(rng)
    planned = START - timedelta(days=3) if chance(rng, 0.8) else START + timedelta(days=one_of(rng, (5, 60)))
    clock = Clock(planned)
    plan = xp.Plan(**document)
    experiment = xp.register(plan, root, by=one_of(rng, TEXTS), retrospective=chance(rng, 0.1), clock=clock)
    if chance(rng, 0.1) and "assignment" not in document:
        experiment = amend(rng, experiment)
    if chance(rng, 0.5):
        experiment.launch(by=one_of(rng, TEXTS))
    if document.get("sign_offs") or chance(rng, 0.2):
        experiment.sign("Ana", role=one_of(rng, TEXTS))
    readout: Any = None
    for i, source in enumerate(sources):
        clock.at = max(clock.at + timedelta(days=1), START + timedelta(days=47 + 2 * i))
        segments = ["further"] if i == len(sources) - 1 and chance(rng, 0.1) and _has(source, "further") else []
        readout = experiment.readout(source, by=one_of(rng, TEXTS), segments=segments)
        if readout.is_sealed and (i == len(sources) - 1 or chance(rng, 0.3)):
            readout = experiment.peek(source, reason=one_of(rng, TEXTS), by=one_of(rng, TEXTS))
        if chance(rng, 0.15) and i < len(sources) - 1:
            experiment = amend(rng, experiment)
    advice = readout.recommendation
    outcome = advice.outcome if advice.outcome != "invalid" else "iterate"
    outcome = one_of(rng, (outcome, outcome, "ship", "ship none", "iterate", "defer"))
    treatment = advice.variant or plan.treatments[0].key
    experiment.decide(
        readout,
        outcome,
        variant=treatment if outcome == "ship" else None,
        because=one_of(rng, TEXTS),
        by=one_of(rng, TEXTS),
    )
    memo = (experiment.memo_to_date if chance(rng, 0.2) else experiment.memo)()
    path: Path = memo.save(root / "life" / "memo.html")
    return path


def _has(source: Any, name: str) -> bool:
    return name in getattr(getattr(source, "table", None), "columns", ())


def run(count: int, seed: int, *, folder: Path, only: int | None = None, seconds: float = math.inf) -> dict[str, Any]:
    """Live so often; each miss with what was said."""
    from benchmarks.forger import one_file
    from xpbench.memo.verification import verify

    alone = one_file(folder)
    ends: Counter[str] = Counter()
    traits: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    missed: list[str] = []
    began = time.monotonic()
    for number in range(count) if only is None else [only]:
        if time.monotonic() - began > seconds:
            break
        root = folder / str(number)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                path = live(seed, number, root)
        except XpbenchError as error:
            ends["refused at the door"] += 1
            refused[error.code] += 1
            continue
        except Exception as error:  # noqa: BLE001 - an honest life ended in an error of no type of ours
            missed.append(f"{seed}:{number} {type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}")
            continue
        payload = json.loads(
            (path.with_name("x").parent / "memo.html")
            .read_text("utf-8")
            .split('id="xpbench-payload">')[1]
            .split("</script>")[0]
        )
        traits.update(traits_of(payload))
        reports = {
            "package": verify(path),
            "one file": alone.verify(path, renderer=alone.PAGE),
            "one file, with the ledger": alone.verify(path, ledger=path.with_name("ledger.jsonl"), renderer=alone.PAGE),
        }
        wrong = {k: r for k, r in reports.items() if r.exit_code != 0}
        ends["missed" if wrong else "verified in full"] += 1
        missed += [f"{seed}:{number} {surface}: {report}" for surface, report in wrong.items()]
    return {"cases": sum(ends.values()), "ended": dict(ends), "refused": dict(refused), "with": dict(traits), "missed": missed}


def traits_of(payload: dict[str, Any]) -> set[str]:
    """What a memo has of each kind, so that the result says what was tried."""
    readout = payload["readout"]
    found = {f"model {readout['plan']['model']['kind']}", f"outcome {readout['recommendation']['outcome']}"}
    found |= {f"kind {m['kind']}" for m in readout["plan"]["metrics"]} | {f"stamp {s}" for s in readout["stamps"]}
    found |= {f"row {r['status']}" for r in readout["rows"]}
    found |= {f"deviation {d['class']}" for d in readout["deviations"]}
    found |= {name for name in ("segments", "novelty", "interactions") if readout[name]}
    found |= {"several treatments"} if len(readout["plan"]["variants"]) > 2 else set()
    found |= {"several looks"} if len(readout["looks"]) > 1 else set()
    return found


def main() -> int:
    """Live, and write what came out beside the other results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="SEED:NUMBER", help="one life again")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long, with fewer")
    parser.add_argument("--dry", action="store_true", help="write no result file")
    args = parser.parse_args()
    began = time.time()
    seed, _, number = (args.only or f"{args.seed}:").partition(":")
    with tempfile.TemporaryDirectory() as folder:
        result = run(
            args.count, int(seed), folder=Path(folder), only=int(number) if number else None, seconds=60 * args.minutes
        )
    result["seconds"] = round(time.time() - began)
    result["kinds never met"] = sorted(set(KINDS) - {k.removeprefix("kind ") for k in result["with"]})
    limit = f" --minutes {args.minutes:g}" if math.isfinite(args.minutes) else ""
    command = f"python -m benchmarks.honest --count {args.count} --seed {args.seed}{limit}"
    if not args.dry and args.only is None:
        write("honest", result, command=command, quiet=True)
    sys.stdout.write(json.dumps({k: v for k, v in result.items() if k != "missed"}, indent=1) + "\n")
    sys.stdout.write("".join(f"{m}\n" for m in result["missed"]))
    return 1 if result["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
