"""The insurance platform's beta homepage from plan to watch, through the real SDKs of three languages, against the sandbox."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mixpanel
import pytest
from mixpanel.flags.types import LocalFlagsConfig

import xpbench as xp
from tests.builders import make_plan, metric
from tests.mixpanel.test_sdks import npm, page, sent
from xpbench.cli import main
from xpbench.decide.readout import Readout
from xpbench.errors import InputError
from xpbench.ledger.clock import fixed_clock
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.sandbox import Sandbox
from xpbench.mixpanel.sandbox.flags import evaluate
from xpbench.plan import Plan
from xpbench.watch import record_check, watch_status
from xpbench.watch.series import series_of

__all__ = ["npm", "page"]

SALT = "0123456789abcdef0123456789abcdef"
VISITORS = [f"visitor-{i}" for i in range(1_500)]


def the_plan() -> Plan:
    return make_plan(
        [
            metric("quotes", "funnel", window_days=1, steps=[{"event": "Quote Viewed"}, {"event": "Retirement Quote Started"}]),
            metric("transfers_out", "conversion", "guardrail", "decrease", event="Transfer Out", window_days=1, margin=0.5),
        ],
        key="beta-homepage",
        title="Beta homepage of the retirement platform",
        owner="growth-analytics",
        lift=0.1,
        change="visitors see one retirement-quote entry point instead of three",
        because="three competing entry points hide the quote",
        assignment={"hash": "mixpanel", "hash_salt": SALT},
        horizon={"units": 1_400},
        watch={"weeks": 4, "metrics": ["transfers_out"], "owner": "growth-analytics", "estimator": "holdback"},
    )


def chance(visitor: str, what: str) -> float:
    return int.from_bytes(hashlib.sha256(f"{what} {visitor}".encode()).digest()[:6], "big") / 2**48


def test_from_plan_to_watch(npm: Path, page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("Chromium is not installed")
    try:
        box = Sandbox(host="127.0.0.9", port=443).start()
    except InputError:
        pytest.skip("port 443, which the Node SDK has fixed, is not free here")
    plan, root = the_plan(), tmp_path / "experiments"
    start = (datetime.now(UTC) - timedelta(days=4)).replace(hour=0, minute=0, second=0, microsecond=0)
    try:
        with box.trusted(), Client.from_environment() as client:
            box.site.limits.per_second = 1_000
            # plan, preflight, flag
            assert xp.preflight(plan, VISITORS).ok
            experiment = xp.register(plan, root, by="ana")
            assert experiment.sync(client, launch=True).in_step

            # the server in Python: evaluates, exposes once, through an outage
            sdk = mixpanel.Mixpanel(
                box.project.token,
                consumer=mixpanel.Consumer(api_host=box.address),
                local_flags_config=LocalFlagsConfig(api_host=box.address, enable_polling=False),
            )
            tracker = xp.Tracker(
                plan, mixpanel=sdk, outbox=tmp_path / "outbox.sqlite", clock=fixed_clock(start, step_seconds=20)
            )
            flags = xp.mixpanel_flags(sdk, tracker=tracker).start()
            seen = {}
            for visitor in VISITORS:
                for _ in range(2):
                    seen[visitor] = flags.get_variant_value("beta-homepage", "fallback", {"distinct_id": visitor})
            assert tracker.flush(timeout=120)
            tracker.close()
            flags.shutdown()
            assert list(seen.values()) == list(xp.assign(plan, VISITORS))

            # another service in Node, and a page in a browser: the same flag
            command = ["node", "service.js", box.address, "127.0.0.9", "beta-homepage", "40"]
            env = {**os.environ, "NODE_EXTRA_CA_CERTS": str(box.ca_file)}
            told = subprocess.run(command, cwd=npm, capture_output=True, text=True, timeout=60, env=env, check=True).stdout
            assert json.loads(told) == list(xp.assign(plan, [f"user-{i}" for i in range(40)]))
            with playwright.sync_playwright() as driver:
                chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
                tab = chromium.new_context(ignore_https_errors=True).new_page()
                tab.goto(f"{page}?host={box.url}&flag=beta-homepage")
                tab.wait_for_function("document.title.startsWith('done')", timeout=90_000)
                shown = json.loads(tab.title().removeprefix("done "))
                until = time.monotonic() + 20
                while time.monotonic() < until and not any(e.get("mp_lib") == "web" for e in sent(box, "$experiment_started")):
                    tab.wait_for_timeout(50)  # the SDK in the page sends in batches of its own
                chromium.close()
            assert shown["value"] in ("control", "beta")

            # what visitors do
            rows = []
            met = {p["distinct_id"]: p["time"] / 1000 for p in sent(box, "$experiment_started")}
            for visitor in VISITORS:
                at = met[visitor] + 600
                steps = ["Quote Viewed"] if chance(visitor, "view") < 0.8 else []
                if steps and chance(visitor, "quote") < (0.55 if seen[visitor] == "beta" else 0.3):
                    steps.append("Retirement Quote Started")
                if chance(visitor, "transfer") < 0.2:
                    steps.append("Transfer Out")
                rows += [{"event": e, "properties": {"time": at + 60 * k, "distinct_id": visitor}} for k, e in enumerate(steps)]
            client.import_events(rows).raise_for_failed()

            # export, audit, readout
            plan.save(tmp_path / "plan.json")
            export, today = str(tmp_path / "export"), datetime.now(UTC).date().isoformat()
            pulled = ["pull", "--plan", str(tmp_path / "plan.json"), "--from", start.date().isoformat(), "--to", today]
            assert main([*pulled, "--out", export]) == 0
            arrived = {e["properties"]["$insert_id"] for e in box.events() if e["event"].startswith(("Quote V", "Ret", "Tra"))}
            assert len(arrived) == len(rows)
            capsys.readouterr()
            main(["audit", str(tmp_path / "plan.json"), export, "--json"])
            audit = json.loads(capsys.readouterr().out)
            assert audit["rows"] >= len(VISITORS) + 41
            assert audit["disagreeing"] <= 1, "who logged in has another id in the export than the one that was hashed"
            readout = experiment.readout(xp.events(export), by="ana")
            assert isinstance(readout, Readout)
            assert readout.recommendation.outcome == "ship", readout
            planted = {
                v: sum(
                    chance(u, "view") < 0.8 and chance(u, "quote") < (0.55 if v == "beta" else 0.3)
                    for u in seen
                    if seen[u] == v
                )
                for v in ("control", "beta")
            }
            row = readout.to_frame().iloc[0]
            assert round(row["mean_control"] * row["n_control"]) == planted["control"]
            assert round(row["mean"] * row["n"]) == planted["beta"]

            # decision, memo, ship with a holdback, drift, roll back
            experiment.decide(readout, "ship", variant="beta", because="as planned", by="ana")
            memo = experiment.memo().save(tmp_path / "memo.html")
            assert xp.verify(memo).status == "verified"
            shipped = experiment.sync(client, holdback=0.1)
            assert shipped.in_step
            assert (shipped.status, experiment.sync(client).did) == ("success", ())
            flag = client.definitions()["flags"][0]
            now = [next(iter(evaluate([flag], {"distinct_id": u}).values()))["variant_key"] for u in VISITORS[:200]]
            assert 5 <= now.count("control") <= 40
            assert all(seen[u] == "control" for u, v in zip(VISITORS, now, strict=False) if v == "control")
            assert main(["status", "--root", str(root), "--remote"]) == 0
            watch = xp.open_experiment("beta-homepage", root).status()
            assert watch.state in ("decided", "watched")

            # watch: the shipped page against the holdback that the flag serves, day by day, as the plan's contract says
            decided_at = datetime.now(UTC)
            assert watch_status(plan, experiment.ledger.entries(), now=decided_at).state == "waiting"
            assert watch_status(plan, experiment.ledger.entries(), now=decided_at + timedelta(days=9)).state == "overdue"
            everyone = [next(iter(evaluate([flag], {"distinct_id": u}).values()))["variant_key"] for u in VISITORS]
            daily = []
            for day in range(1, 8):
                for group, variant in (("holdback", "control"), ("shipped", "beta")):
                    out = [
                        chance(u, f"out on day {day}") < 0.2 for u, v in zip(VISITORS, everyone, strict=True) if v == variant
                    ]
                    mean = sum(out) / len(out)
                    daily.append({"day": (decided_at + timedelta(days=day)).date(), "metric": "transfers_out", "group": group,
                                  "n": len(out), "mean": mean, "variance": mean * (1 - mean)})  # fmt: skip
            later = fixed_clock(decided_at + timedelta(days=8))
            check = record_check(plan, experiment.ledger, series_of(daily), by="ana", clock=later)
            (row,) = check.body["rows"]
            shares = [sum(d["n"] * d["mean"] for d in daily if d["group"] == g) / sum(d["n"] for d in daily if d["group"] == g)
                      for g in ("holdback", "shipped")]  # fmt: skip
            assert row["effect"] == pytest.approx(shares[1] - shares[0], abs=1e-9)
            assert check.body["state"] == "kept"
            watched = watch_status(plan, experiment.ledger.entries(), now=decided_at + timedelta(days=9))
            assert (watched.state, watched.checks[0].state, watched.checks[0].by) == ("waiting", "kept", "ana")
            held = box.store.all("flag")[0]
            held["ruleset"]["rollout"][0]["rollout_percentage"] = 0.5
            box.store.put("flag", held["id"], held)
            assert main(["status", "--root", str(root), "--remote"]) == 1
            assert experiment.sync(client).in_step
            assert experiment.sync(client, roll_back="transfers out rose in week 2", by="ana").in_step
            assert (
                evaluate(client.definitions()["flags"], {"distinct_id": "anyone"})["beta-homepage"]["variant_key"] == "control"
            )
    finally:
        box.close()
