"""Mixpanel's flags behind the wrapper: a variant or a fallback with its reason, never an exception; exposures kept."""

from __future__ import annotations

import asyncio
import copy
import time
from collections.abc import Callable
from typing import Any

import httpx
import mixpanel
import pytest
from mixpanel.flags.types import LocalFlagsConfig, RemoteFlagsConfig, SelectedVariant

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.errors import ExposeError
from xpbench.expose.flags import usable_definitions
from xpbench.mixpanel.sandbox import Sandbox

Make = Callable[..., xp.Tracker]

FLAG: dict[str, Any] = {
    "id": "f1",
    "name": "Beta",
    "key": "beta-homepage",
    "status": "enabled",
    "project_id": 1001,
    "context": "distinct_id",
    "experiment_id": "exp-1",
    "is_experiment_active": True,
    "ruleset": {
        "variants": [
            {"key": "control", "value": "old", "is_control": True, "split": 0.5},
            {"key": "beta", "value": "new", "is_control": False, "split": 0.5},
        ],
        "rollout": [{"rollout_percentage": 1.0}],
    },
}


def serve(box: Sandbox, *flags: Any) -> None:
    for number, flag in enumerate(flags):
        if isinstance(flag, dict) and "ruleset" in flag:
            box.store.put("flag", str(number), flag)
    box.store.put("raw-definitions", "raw", {"flags": list(flags)})


@pytest.fixture
def sdk(box: Sandbox) -> mixpanel.Mixpanel:
    return mixpanel.Mixpanel(
        box.project.token,
        consumer=mixpanel.Consumer(api_host=box.address),
        local_flags_config=LocalFlagsConfig(api_host=box.address, enable_polling=False, request_timeout_in_seconds=1),
        remote_flags_config=RemoteFlagsConfig(api_host=box.address, request_timeout_in_seconds=1),
    )


def exposures(box: Sandbox) -> list[dict[str, Any]]:
    return [e["properties"] for e in box.events() if e["event"] == "$experiment_started"]


@pytest.mark.parametrize("evaluate", ["local", "remote"])
def test_sdk_mode_the_evaluation_fires_one_exposure(box: Sandbox, sdk: Any, track: Make, evaluate: Any) -> None:
    serve(box, FLAG)
    tracker = track()
    with xp.mixpanel_flags(sdk, tracker=tracker, evaluate=evaluate) as flags:
        picked = [flags.get_variant("beta-homepage", "old", {"distinct_id": "u1"}) for _ in range(3)]
    assert {p.variant_key for p in picked} <= {"control", "beta"}
    assert {p.variant_source for p in picked} == {evaluate}
    assert tracker.flush()
    (sent,) = exposures(box)
    assert sent["Experiment name"] == "beta-homepage"
    assert sent["Variant name"] == picked[0].variant_key
    assert sent["$experiment_type"] == "feature_flag"
    assert sent["Flag evaluation mode"] == evaluate
    assert "Variant fetch latency (ms)" in sent


@pytest.mark.parametrize("evaluate", ["local", "remote"])
def test_tracker_mode_the_sdk_assigns_and_we_say_when(box: Sandbox, sdk: Any, track: Make, evaluate: Any) -> None:
    serve(box, FLAG)
    tracker = track()
    with xp.mixpanel_flags(sdk, tracker=tracker, evaluate=evaluate, exposures="tracker") as flags:
        context = {"distinct_id": "u1"}
        picked = flags.get_variant("beta-homepage", "old", context)
        tracker.flush()
        assert exposures(box) == []
        assert flags.expose("beta-homepage", picked, context, page="home").state == "queued"
        assert flags.expose("beta-homepage", picked, context).state == "repeat"
    assert tracker.flush()
    assert [(e["Variant name"], e["page"]) for e in exposures(box)] == [(picked.variant_key, "home")]


@pytest.mark.parametrize("evaluate", ["local", "remote"])
def test_async(box: Sandbox, sdk: Any, track: Make, evaluate: Any) -> None:
    serve(box, FLAG)
    tracker = track()

    async def run() -> Any:
        async with xp.mixpanel_flags(sdk, tracker=tracker, evaluate=evaluate) as flags:
            context = {"distinct_id": "u1"}
            await flags.aget_variant_value("beta-homepage", "old", context)
            assert await flags.ais_enabled("beta-homepage", context) is False
            assert set(await flags.aget_all_variants(context)) == {"beta-homepage"}
            return await flags.aget_variant("beta-homepage", "old", context)

    picked = asyncio.run(run())
    assert picked.variant_source == evaluate
    assert tracker.flush()
    assert len(exposures(box)) == 1


@pytest.mark.parametrize("evaluate", ["local", "remote"])
def test_tracking_that_is_down_does_not_touch_the_variant(box: Sandbox, sdk: Any, track: Make, evaluate: Any) -> None:
    """What the bare SDK turns into an exception (local) or the fallback (remote), see test_sdk.py."""
    serve(box, FLAG)
    tracker = track()
    box.faults.set(fail=1.0, path="/import")
    with xp.mixpanel_flags(sdk, tracker=tracker, evaluate=evaluate) as flags:
        start = time.monotonic()
        picked = flags.get_variant("beta-homepage", "spare", {"distinct_id": "u1"})
        assert time.monotonic() - start < 3.0
    assert picked.variant_value in ("old", "new")
    assert picked.fallback_reason is None
    assert tracker.status().pending == 1
    box.faults.set()
    assert tracker.flush()
    assert len(exposures(box)) == 1


def test_remote_outage_serves_the_fallback_with_its_reason_and_no_exposure(box: Sandbox, sdk: Any, track: Make) -> None:
    serve(box, FLAG)
    tracker = track()
    box.faults.set(fail=1.0, path="/flags")
    flags = xp.mixpanel_flags(sdk, tracker=tracker, evaluate="remote")
    for _ in range(5):
        picked = flags.get_variant("beta-homepage", "spare", {"distinct_id": "u1"})
        assert picked.variant_value == "spare"
        assert picked.fallback_reason.kind == "BACKEND_ERROR"
        assert "503" in picked.fallback_reason.message
    assert flags.get_all_variants({"distinct_id": "u1"}) == {}
    tracker.flush()
    assert exposures(box) == []
    assert flags.expose("beta-homepage", picked, {"distinct_id": "u1"}).state == "unassigned"
    ((key, count),) = [(k, c) for k, c in flags.fallbacks.items() if k[0]]
    assert key[0] == "beta-homepage"
    assert count == 5
    assert [i.times for i in tracker.incidents() if i.kind == "fallback" and i.experiment] == [1], "written once a minute"


def test_definitions_that_never_came_are_a_backend_error(box: Sandbox, sdk: Any, track: Make) -> None:
    box.faults.set(fail=1.0, path="/flags/definitions")
    with xp.mixpanel_flags(sdk, tracker=track(), evaluate="local") as flags:
        picked = flags.get_variant("beta-homepage", "spare", {"distinct_id": "u1"})
        assert not flags.is_ready
    assert (picked.variant_value, picked.fallback_reason.kind) == ("spare", "BACKEND_ERROR")
    assert "could not be fetched" in flags.problems[0]


def test_one_malformed_flag_costs_the_others_nothing(box: Sandbox, sdk: Any, track: Make) -> None:
    second = {**copy.deepcopy(FLAG), "key": "second"}
    serve(box, FLAG, second)
    flags = xp.mixpanel_flags(sdk, tracker=track(), evaluate="local").start()
    before = flags.get_variant("second", "spare", {"distinct_id": "u1"})
    broken = {**copy.deepcopy(second), "ruleset": {"variants": [], "rollout": [{"rollout_percentage": 1.0}]}}
    serve(box, FLAG, broken, {"key": "third"}, "not an object")
    flags.start()
    assert flags.get_variant("beta-homepage", "spare", {"distinct_id": "u1"}).fallback_reason is None
    assert flags.get_variant("second", "spare", {"distinct_id": "u1"}) == before, "its last good definition is served"
    assert flags.get_variant("third", "spare", {"distinct_id": "u1"}).fallback_reason.kind == "FLAG_NOT_FOUND"
    assert len(flags.problems) == 3
    assert "flag 'second' (number 1) is malformed, it has no variants" in flags.problems[0]
    serve(box)
    box.store.put("raw-definitions", "raw", {"flogs": []})
    flags.start()
    assert flags.get_variant("beta-homepage", "spare", {"distinct_id": "u1"}).fallback_reason is None
    flags.shutdown()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"variants": []}, "no variants"),
        ({"variants": [{"key": "a", "value": 1, "is_control": True, "split": None}]}, "split of variant 'a' is None"),
        ({"variants": [{"key": 3, "value": 1, "is_control": True}]}, "key is not text"),
        ({"rollout": [{"rollout_percentage": "1"}]}, "rollout percentage"),
        ({"rollout": [{"rollout_percentage": 1, "variant_splits": {"beta": None}}]}, "in a rollout group"),
        ({"rollout": None}, "TypeError"),
    ],
)
def test_malformed_definitions_are_named(change: Any, reason: str) -> None:
    flag = {**FLAG, "ruleset": {**FLAG["ruleset"], **change}}
    kept, problems = usable_definitions({"flags": [flag, FLAG | {"key": "fine"}]}, {})
    assert list(kept) == ["fine"]
    assert reason in problems[0]


def test_rules_that_make_the_sdk_raise_serve_the_fallback(box: Sandbox, sdk: Any, track: Make) -> None:
    legacy = copy.deepcopy(FLAG)
    legacy["ruleset"]["rollout"][0]["runtime_evaluation_definition"] = {"plan": "pro"}
    serve(box, legacy)
    with xp.mixpanel_flags(sdk, tracker=track(), evaluate="local") as flags:
        context = {"distinct_id": "u1", "custom_properties": {"plan": 7}}
        picked = flags.get_variant("beta-homepage", SelectedVariant("spare", "none"), context)
    assert picked.variant_value == "spare"
    assert picked.fallback_reason.kind == "BACKEND_ERROR"
    assert "AttributeError" in picked.fallback_reason.message


def test_reasons_of_the_sdk_are_passed_on(box: Sandbox, sdk: Any, track: Make) -> None:
    nobody = copy.deepcopy(FLAG) | {"key": "nobody"}
    nobody["ruleset"]["rollout"] = [{"rollout_percentage": 0.0}]
    serve(box, FLAG, nobody)
    with xp.mixpanel_flags(sdk, tracker=track(), evaluate="local") as flags:
        kinds = [
            flags.get_variant(key, "spare", context).fallback_reason.kind
            for key, context in [
                ("absent", {"distinct_id": "u1"}),
                ("beta-homepage", {"user": "u1"}),
                ("nobody", {"distinct_id": "u1"}),
            ]
        ]
    assert kinds == ["FLAG_NOT_FOUND", "MISSING_CONTEXT_KEY", "NO_ROLLOUT_MATCH"]
    assert len(flags.fallbacks) == 2, "a unit outside the rollout is nothing wrong"


def test_group_flags_expose_the_group(box: Sandbox, sdk: Any, track: Make) -> None:
    serve(box, FLAG | {"context": "company_id"})
    tracker = track(make_plan(unit="company_id"))
    with xp.mixpanel_flags(sdk, tracker=tracker, evaluate="local") as flags:
        for person in ("ann", "bob"):
            flags.get_variant("beta-homepage", "old", {"distinct_id": person, "company_id": "acme"})
    tracker.flush()
    assert [(e["company_id"], e["distinct_id"]) for e in exposures(box)] == [("acme", "ann")]


def test_flags_without_a_plan_are_exposed_once_as_well(box: Sandbox, sdk: Any, track: Make) -> None:
    serve(box, FLAG | {"key": "gate"})
    tracker = track()
    with xp.mixpanel_flags(sdk, tracker=tracker, evaluate="local") as flags:
        for _ in range(3):
            flags.get_variant("gate", "old", {"distinct_id": "u1"})
    tracker.flush()
    assert [e["Experiment name"] for e in exposures(box)] == ["gate"]


def test_which_provider_must_be_clear(box: Sandbox, sdk: Any, track: Make) -> None:
    with pytest.raises(ExposeError, match="XPB-E13"):
        xp.mixpanel_flags(sdk, tracker=track())
    with pytest.raises(ExposeError, match="XPB-E13"):
        xp.mixpanel_flags(mixpanel.Mixpanel("t"), tracker=track())


def test_polling_takes_new_definitions(box: Sandbox, track: Make) -> None:
    serve(box, FLAG)
    config = LocalFlagsConfig(api_host=box.address, polling_interval_in_seconds=0.05)
    sdk = mixpanel.Mixpanel(box.project.token, consumer=mixpanel.Consumer(api_host=box.address), local_flags_config=config)
    with xp.mixpanel_flags(sdk, tracker=track()) as flags:
        serve(box, FLAG | {"key": "later"})
        end = time.monotonic() + 5
        while flags.get_variant("later", "spare", {"distinct_id": "u"}).fallback_reason and time.monotonic() < end:
            time.sleep(0.02)
        assert flags.get_variant("later", "spare", {"distinct_id": "u"}).fallback_reason is None


def test_requests_stay_inside_the_sdk(box: Sandbox, sdk: Any, track: Make) -> None:
    """The wrapper is the SDK's own provider: the sandbox sees its headers and parameters."""
    seen: list[httpx.Request] = []
    flags = xp.mixpanel_flags(sdk, tracker=track(), evaluate="remote")
    flags._provider._sync_client.event_hooks["request"].append(seen.append)
    serve(box, FLAG)
    flags.get_variant("beta-homepage", "old", {"distinct_id": "u1"})
    (request,) = seen
    assert request.url.params["mp_lib"] == "python"
    assert request.headers["traceparent"].startswith("00-")


@pytest.mark.parametrize("evaluate", ["local", "remote"])
def test_shutdown_where_a_loop_runs_as_in_a_notebook(box: Sandbox, sdk: Any, track: Make, evaluate: Any) -> None:
    async def cell() -> None:
        flags = xp.mixpanel_flags(sdk, tracker=track(), evaluate=evaluate).start()
        with pytest.raises(RuntimeError, match="running event loop"):
            flags._provider.shutdown()
        flags.shutdown()
        assert flags._provider._sync_client.is_closed
        assert flags._provider._async_client.is_closed

    asyncio.run(cell())
