"""Mixpanel's Node and browser SDKs from npm: they evaluate as our table says, and the sandbox takes what they send."""

from __future__ import annotations

import functools
import http.server
import json
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mixpanel.flags.local_feature_flags import LocalFeatureFlagsProvider
from mixpanel.flags.types import ExperimentationFlag, LocalFlagsConfig, SelectedVariant

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.errors import InputError
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.lifecycle import flag_body, publish
from xpbench.mixpanel.sandbox import Sandbox
from xpbench.randomiser.sdks import SDKS, agreeing, evaluate, table

FOLDER = Path(__file__).resolve().parents[1] / "sdks"
SALT = "0123456789abcdef0123456789abcdef"
SINGLE = 1_000


@pytest.fixture(scope="module")
def npm() -> Path:
    """The folder with the SDKs in it, fetched once."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node is not installed")
    if not (FOLDER / "node_modules" / "mixpanel").is_dir():
        command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
        made = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300)
        if made.returncode and os.environ.get("CI") != "true":
            pytest.skip(f"npm could not fetch the SDKs: {made.stderr[-200:]}")
        assert made.returncode == 0, made.stderr
    return FOLDER


def in_node(npm: Path, flags: list[Any], calls: list[Any]) -> list[str | None]:
    text = json.dumps({"flags": flags, "calls": calls})
    done = subprocess.run(["node", "evaluate.js"], cwd=npm, input=text, capture_output=True, text=True, timeout=300, check=True)
    answers: list[str | None] = json.loads(done.stdout)
    return answers


def definition(r: random.Random, number: int) -> dict[str, Any]:
    k = r.choice([2, 2, 3, 4, 10])
    names = r.sample(["control", "beta", "Alpha", "gamma", "v2", "v10", "ünï", "Z", "delta", "b2", "c"], k)
    splits: list[float] = {
        2: r.choice([[0.5, 0.5], [0.9, 0.1], [0.3, 0.7]]),
        3: r.choice([[0.1, 0.2, 0.7], [1 / 3, 1 / 3, 1 / 3], [0.6, 0.3, 0.1]]),
        4: [0.25] * 4,
        10: [0.1] * 10,
    }[k]
    rollout: list[dict[str, Any]] = []
    for _ in range(r.choice([1, 1, 2, 3])):
        group: dict[str, Any] = {"rollout_percentage": r.choice([0.05, 0.3, 0.5, 1.0]), "variant_splits": {}}
        if r.random() < 0.2:
            group["variant_splits"] = dict(zip(names, splits[::-1], strict=True))
        if r.random() < 0.15:
            group["variant_override"] = {"key": r.choice([names[0], names[0].upper(), "nobody"])}
        if r.random() < 0.3:
            group["runtime_evaluation_rule"] = r.choice(
                [
                    {"==": [{"var": "country"}, "UK"]},
                    {"!": [{"==": [{"var": "country"}, "uk"]}]},
                    {"!=": [{"var": "plan"}, "Gold"]},
                    {"and": [{"in": [{"var": "country"}, ["uk", "DE"]]}, {"!": [{"var": "staff"}]}]},
                    {"or": [{"==": [{"var": "plan"}, "gold"]}, {"==": [{"var": "country"}, "us"]}]},
                ]
            )
        rollout.append(group)
    ruleset: dict[str, Any] = {
        "variants": [
            {"key": n, "value": n, "is_control": i == 0, "split": s} for i, (n, s) in enumerate(zip(names, splits, strict=True))
        ],
        "rollout": rollout,
    }
    if r.random() < 0.2:
        ruleset["test"] = {"users": {"user-1": names[-1], "user-2": names[0].upper(), "user-3": "nobody"}}
    return {
        "id": str(number), "name": "n", "key": f"flag-{number % 7}", "status": "enabled", "project_id": 1, "ruleset": ruleset,
        "context": "distinct_id", "hash_salt": r.choice([None, "", SALT, f"{r.getrandbits(128):032x}"]),
    }  # fmt: skip


def context(r: random.Random) -> dict[str, Any]:
    unit = r.choice(
        [f"user-{r.randrange(10**6)}"] * 6
        + [f"user-{r.randrange(5)}", f"ü{r.randrange(99)}😀", r.randrange(10**9), "", 0, None]
    )
    out: dict[str, Any] = {"distinct_id": unit}
    if r.random() < 0.6:
        chosen = {
            "country": r.choice(["UK", "uk", "US", "DE"]),
            "plan": r.choice(["gold", "Free"]),
            "staff": r.choice([True, False]),
        }
        out["custom_properties"] = {k: chosen[k] for k in r.sample(sorted(chosen), r.randrange(1, 4))}
    return out


@pytest.mark.parametrize("evaluations", [20_000, pytest.param(200_000, marks=[pytest.mark.full, pytest.mark.timeout(3_600)])])
def test_evaluations_differ_where_our_table_says(npm: Path, evaluations: int) -> None:
    """Python and Node agree where their rules agree, and each difference is one that the table predicts."""
    r = random.Random(20261130)
    flags = [definition(r, i) for i in range(evaluations // SINGLE)]
    calls = [(i, context(r)) for i in range(len(flags)) for _ in range(SINGLE)]
    node = in_node(npm, flags, calls)
    provider = LocalFeatureFlagsProvider("token", LocalFlagsConfig(enable_polling=False), "5.4.1", lambda *a: None)
    made = [ExperimentationFlag.from_dict(f) for f in flags]
    for flag in made:
        flag.ruleset.variants.sort(key=lambda v: v.key)
    python: list[str | None] = []
    for which, of in calls:
        provider._flag_definitions = {made[which].key: made[which]}
        found = provider.get_variant(made[which].key, SelectedVariant(None), of, report_exposure=False)
        python.append(None if found.fallback_reason is not None else found.variant_key)
    provider._sync_client.close()
    apart = served = 0
    for (which, of), there, here in zip(calls, node, python, strict=True):
        assert here == evaluate(flags[which], of, SDKS["python"]), (flags[which], of)
        assert there == evaluate(flags[which], of, SDKS["node"]), (flags[which], of)
        apart += there != here
        served += here is not None
    assert len(calls) == evaluations
    assert served > 0.3 * evaluations, "the comparison means something only if most units are served"
    assert apart > 0.01 * evaluations, "there are differences to be predicted"


@pytest.mark.parametrize(
    "splits", [(0.5, 0.5), (0.1, 0.2, 0.7), (0.6, 0.3, 0.1), (1 / 3, 1 / 3, 1 / 3), (0.2,) * 5, (0.1,) * 10]
)
def test_a_published_flag_is_alike_everywhere(npm: Path, splits: tuple[float, ...]) -> None:
    """Node by the real SDK; Java's 32-bit floats and the other two by the table."""
    names = ["control", "beta", "alpha", "gamma", "delta", "v1", "v2", "v10", "z", "x"][: len(splits)]
    variants = [{"key": k, "split": s, "control": i == 0} for i, (k, s) in enumerate(zip(names, splits, strict=True))]
    rollout = [{"key": "some", "share": 0.4}, {"key": "rest", "share": 0.7}]
    plan = make_plan(variants=variants, assignment={"hash": "mixpanel", "hash_salt": SALT, "rollout": rollout})
    flag = {"id": "1", "project_id": 1, **flag_body(plan)}
    ids = [f"user-{i}" for i in range(5_000)]
    expected = [None if v is None else str(v) for v in xp.assign(plan, ids)]
    assert set(expected) == {None, *names}
    assert in_node(npm, [flag], [[0, {"distinct_id": u}] for u in ids]) == expected
    for sdk in SDKS.values():
        assert [evaluate(flag, {"distinct_id": u}, sdk) for u in ids] == expected, sdk.name


def test_splits_that_agree_in_both_floats_give_the_buckets_of_the_plan() -> None:
    different = 0
    for a in range(1, 99):
        for b in range(1, 100 - a):
            splits = [a / 100, b / 100, (100 - a - b) / 100]
            made = agreeing(splits)
            assert table(made) == table(made, single=True) == table(splits)
            different += tuple(splits) != made
    assert different == 858, "one in six of all splits in whole percents"


def sent(box: Sandbox, name: str) -> list[dict[str, Any]]:
    return [e["properties"] for e in box.events() if e["event"] == name]


def test_a_back_end_with_the_node_sdk_against_the_sandbox(npm: Path) -> None:
    """Flags need port 443, which the SDK has fixed; where this machine does not give it, events alone are sent."""
    try:
        made = Sandbox(host="127.0.0.9", port=443).start()
        flags_host = "127.0.0.9"
    except InputError:
        made, flags_host = Sandbox().start(), ""
    plan = make_plan(assignment={"hash": "mixpanel", "hash_salt": SALT})
    try:
        with made.trusted(), Client.from_environment() as client:
            publish(plan, plan.digest, client, flag=True, launch=True)
        command = ["node", "service.js", made.address, flags_host, plan.experiment_name, "40"]
        env = {**os.environ, "NODE_EXTRA_CA_CERTS": str(made.ca_file)}
        done = subprocess.run(command, cwd=npm, capture_output=True, text=True, timeout=60, env=env, check=True)
        assert sorted(e["event"] for e in made.events() if not e["event"].startswith("$")) == ["A", "B", "Page View"]
        (view,) = sent(made, "Page View")
        assert (view["distinct_id"], view["mp_lib"]) == ("user-1", "node")
        if flags_host:
            expected = list(xp.assign(plan, [f"user-{i}" for i in range(40)]))
            assert json.loads(done.stdout) == expected
            exposures = {p["distinct_id"]: p["Variant name"] for p in sent(made, "$experiment_started")}
            assert exposures == {f"user-{i}": v for i, v in enumerate(expected)}
    finally:
        made.close()


@pytest.fixture
def page(npm: Path, tmp_path: Path) -> Iterator[str]:
    """A page with the browser SDK, served from another origin than the sandbox."""
    shutil.copy(npm / "page.html", tmp_path)
    shutil.copy(npm / "node_modules" / "mixpanel-browser" / "dist" / "mixpanel.umd.js", tmp_path)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/page.html"
    server.shutdown()


def test_a_page_with_the_browser_sdk_against_the_sandbox(page: str, tmp_path: Path) -> None:
    """Flag, exposure and events come through CORS; after log-in the export has one unit, as Mixpanel's does."""
    playwright = pytest.importorskip("playwright.sync_api")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("Chromium is not installed")
    plan = make_plan(assignment={"hash": "mixpanel", "hash_salt": SALT}, unit="device_id")
    with Sandbox() as box, box.trusted(), Client.from_environment() as client:
        publish(plan, plan.digest, client, flag=True, launch=True)
        with playwright.sync_playwright() as driver:
            chromium = driver.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            tab = chromium.new_context(ignore_https_errors=True).new_page()
            said: list[str] = []
            tab.on("console", lambda message: said.append(message.text))
            tab.goto(f"{page}?host={box.url}&flag={plan.experiment_name}")
            tab.wait_for_function("document.title.startsWith('done')", timeout=20_000)
            result = json.loads(tab.title().removeprefix("done "))
            chromium.close()
        assert not [s for s in said if "CORS" in s], said
        device = result["device"].removeprefix("$device:")
        assert result["value"] == xp.assign(plan, [device])[0], said
        (exposure,) = sent(box, "$experiment_started")
        assert exposure["Variant name"] == result["value"]
        assert exposure["$device_id"] == device
        assert {e["event"] for e in box.events()} >= {"Quote Started", "Quote Done", "$experiment_started"}
        from xpbench.mixpanel.pull import pull

        box.site.limits.per_second = 100
        today = exposure_day(box)
        report = pull(client, tmp_path / "export", first=today, last=today)
        assert report.events >= 3
        exported = {e["event"]: e["properties"] for e in box.store.events(box.project.token, canonical=True)}
        assert exported["$experiment_started"]["distinct_id"] == exported["Quote Done"]["distinct_id"] == "customer-7"
        assert exported["$experiment_started"]["$distinct_id_before_identity"] == f"$device:{device}"


def exposure_day(box: Sandbox) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(sent(box, "$experiment_started")[0]["time"] / 1000, UTC).date().isoformat()
