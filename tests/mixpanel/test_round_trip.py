"""From plan to decision with the real SDK over TLS: published, assigned, exposed, pulled, read, decided, logged."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import mixpanel
import pandas as pd
import pytest
from mixpanel.flags.types import LocalFlagsConfig

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.ledger.clock import fixed_clock
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.lifecycle import decide, publish
from xpbench.mixpanel.pull import pull
from xpbench.mixpanel.sandbox import Sandbox

RATES = {"control": 0.20, "beta": 0.26}
START = 1_772_323_200.0
"""2026-03-01, UTC."""


def converts(unit: str, rate: float) -> bool:
    """Planted: a hash of the unit that has nothing to do with the assignment."""
    return int.from_bytes(hashlib.sha256(f"planted {unit}".encode()).digest()[:6], "big") / 2**48 < rate


@pytest.mark.parametrize("units", [1_500, pytest.param(50_000, marks=pytest.mark.slow)])
def test_round_trip(box: Sandbox, tmp_path: Path, units: int) -> None:
    if units > 10_000 and not os.environ.get("XPBENCH_SLOW"):
        pytest.skip("50,000 units take a minute: set XPBENCH_SLOW=1; benchmarks/expose.py runs it, too")
    found = round_trip(box, tmp_path, units)
    assert found["exposed"] == units
    assert found["repeats_sent"] == 0


def round_trip(box: Sandbox, folder: Path, units: int) -> dict[str, Any]:
    """The whole way; every number is compared with what was planted."""
    salt = "0123456789abcdef0123456789abcdef"
    plan = make_plan(
        assignment={"hash": "mixpanel", "hash_salt": salt},
        model={"kind": "frequentist"},
        horizon={"units": units},
        metrics=[
            {
                "key": "quotes",
                "kind": "conversion",
                "role": "primary",
                "direction": "increase",
                "event": "Quote",
                "window_days": 7,
                "min_lift": 0.02,
            }
        ],
    )
    clock = fixed_clock("2026-03-20T00:00:00")
    experiment = xp.register(plan, root=folder / "experiments", clock=clock)
    box.site.limits.per_second = 1_000
    with Client.from_environment() as client:
        published = publish(plan, plan.digest, client, launch=True, flag=True, clock=clock)
        assert published.status == "active"
        sdk = mixpanel.Mixpanel(
            box.project.token,
            consumer=mixpanel.Consumer(api_host=box.address),
            local_flags_config=LocalFlagsConfig(api_host=box.address, enable_polling=False),
        )
        ids = [f"user-{i}" for i in range(units)]
        seen: dict[str, str] = {}
        stamps = iter(range(3 * units))
        exposing = fixed_clock("2026-03-01T00:00:00", step_seconds=0.001)
        tracker = xp.Tracker(plan, mixpanel=sdk, outbox=folder / "out.sqlite", clock=exposing, max_block=5.0, interval=0.05)
        with tracker, xp.mixpanel_flags(sdk, tracker=tracker) as flags:
            for unit in ids:
                context = {"distinct_id": unit}
                seen[unit] = flags.get_variant_value(plan.experiment_name, "fallback", context)
                if next(stamps) % 3 == 0:  # people come back
                    flags.get_variant_value(plan.experiment_name, "fallback", context)
            assert tracker.flush(timeout=300)
            assert tracker.status().dead == 0
        conversions = [
            {"event": "Quote", "properties": {"time": START + 86_400 + i, "distinct_id": unit, "$insert_id": f"q{i}"}}
            for i, unit in enumerate(ids)
            if converts(unit, RATES[seen[unit]])
        ]
        client.import_events(conversions).raise_for_failed()
        report = pull(client, folder / "export", first="2026-03-01", last="2026-03-03", clock=clock)
        exposed = exposures_of(folder / "export", plan)
        audit = xp.audit(plan, exposed)
        source = xp.events(report.pattern, until="2026-03-19T00:00:00")
        readout = experiment.readout(source)
        row = readout.to_frame().iloc[0]
        count = Counter(seen.values())
        planted = {v: sum(converts(u, RATES[v]) for u in ids if seen[u] == v) / count[v] for v in RATES}
        assert dict(zip(exposed["unit"], exposed["variant"], strict=True)) == seen
        assert (row["n_control"], row["n"]) == (count["control"], count["beta"])
        assert row["mean_control"] == pytest.approx(planted["control"], rel=1e-12)
        assert row["mean"] == pytest.approx(planted["beta"], rel=1e-12)
        assert row["effect"] == pytest.approx(planted["beta"] - planted["control"], rel=1e-12)
        assert (audit.rows, audit.disagreeing, audit.ok) == (units, 0, True)
        failed = [c.name for c in readout.health if c.status == "fail"]
        assert failed == []
        outcome = readout.recommendation.outcome
        variant = "beta" if outcome == "ship" else None
        experiment.decide(readout, outcome, variant=variant, because="by the rule", by="Ann")
        logged = decide(
            plan, plan.digest, client, outcome=outcome, variant=variant, because="by the rule", by="Ann", clock=clock
        )
        assert logged.status == ("success" if outcome == "ship" else "fail")
    box.site.limits.per_second = 3
    sent = [e for e in box.events() if e["event"] == "$experiment_started"]
    return {"exposed": len(exposed), "repeats_sent": len(sent) - len(exposed), "events": report.events, "outcome": outcome}


def exposures_of(folder: Path, plan: Any) -> pd.DataFrame:
    rows = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                event = json.loads(line)
                if event["event"] == plan.exposure.event:
                    p = event["properties"]
                    rows.append({"unit": p["distinct_id"], "variant": p["Variant name"], "time": p["time"]})
    return pd.DataFrame(rows)
