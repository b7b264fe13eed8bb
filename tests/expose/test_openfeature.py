"""OpenFeature: the provider answers as `xp.assign`, the hook exposes each unit once, and Mixpanel's goes over the wrapper."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import mixpanel
import pytest
from mixpanel.flags.types import LocalFlagsConfig

import xpbench as xp
from tests.expose.conftest import make_plan
from xpbench.expose import Tracker
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.lifecycle import flag_body
from xpbench.mixpanel.sandbox import Sandbox

api = pytest.importorskip("openfeature.api")
openfeature = pytest.importorskip("xpbench.expose.openfeature")
from openfeature.evaluation_context import EvaluationContext  # noqa: E402
from openfeature.exception import ErrorCode  # noqa: E402
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagEvaluationOptions, FlagResolutionDetails, Reason  # noqa: E402
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider  # noqa: E402

IDS = [f"user-{i}" for i in range(300)]


@pytest.fixture
def client_of() -> Iterator[Callable[[Any], Any]]:
    def make(provider: Any) -> Any:
        api.set_provider(provider, domain="tests")
        return api.get_client("tests")

    yield make
    api.clear_providers()


def of(unit: Any) -> EvaluationContext:
    return EvaluationContext(targeting_key=unit)


def test_a_plan_answers_as_assign_does(client_of: Any) -> None:
    plan = make_plan(assignment={"hash": "sha256", "salt": "s", "rollout": [{"key": "all", "share": 0.6}]})
    client = client_of(openfeature.PlanProvider(plan))
    for unit, variant in zip(IDS, xp.assign(plan, IDS), strict=True):
        found = client.get_string_details("beta-homepage", "the-default", of(unit))
        assert found.variant == variant
        assert found.value == (variant or "the-default")
        assert found.reason == (Reason.DEFAULT if variant is None else Reason.SPLIT)
        assert client.get_boolean_value("beta-homepage", False, of(unit)) is (variant == "beta")
        assert client.get_object_value("beta-homepage", {"variant": None}, of(unit)) == {"variant": variant}


@pytest.mark.parametrize(
    ("key", "context", "code"),
    [
        ("beta-homepage", None, ErrorCode.TARGETING_KEY_MISSING),
        ("beta-homepage", EvaluationContext(targeting_key=""), ErrorCode.TARGETING_KEY_MISSING),
        ("beta-homepage", EvaluationContext(targeting_key="undefined"), ErrorCode.TARGETING_KEY_MISSING),
        ("beta-homepage", EvaluationContext(attributes={"distinct_id": 1.5}), ErrorCode.TARGETING_KEY_MISSING),
        ("other", EvaluationContext(targeting_key="user-1"), ErrorCode.FLAG_NOT_FOUND),
    ],
)
def test_what_can_not_be_resolved_is_the_default_with_its_reason(key: str, context: Any, code: Any, client_of: Any) -> None:
    client = client_of(openfeature.PlanProvider(make_plan()))
    found = client.get_string_details(key, "the-default", context)
    assert (found.value, found.error_code) == ("the-default", code)
    assert client.get_integer_details("beta-homepage", 3, of("user-1")).error_code == ErrorCode.TYPE_MISMATCH
    assert client.get_float_details("beta-homepage", 3.5, of("user-1")).value == 3.5


def test_the_hook_exposes_each_unit_once(track: Callable[..., Tracker], client_of: Any) -> None:
    plans = [make_plan(), make_plan("by-company", unit="company_id")]
    tracker = track(plans, sender="none")
    hook = openfeature.ExposureHook(tracker)
    client = client_of(openfeature.PlanProvider(plans))
    client.get_string_value("beta-homepage", "control", of("before"))
    assert tracker.outbox.pending() == 0
    options = FlagEvaluationOptions(hooks=[hook])
    for _ in range(3):
        for unit in IDS[:20]:
            client.get_string_value("beta-homepage", "control", of(unit), options)
    company = EvaluationContext(targeting_key="person-1", attributes={"company_id": "c-1", "distinct_id": "person-1"})
    client.get_boolean_value("by-company", False, company, options)
    with tracker.outbox.reading() as db:
        events = db.execute("SELECT event FROM pending ORDER BY id").fetchall()
    assert len(events) == 21
    assert '"company_id":"c-1"' in events[-1][0]
    assert '"distinct_id":"person-1"' in events[-1][0]
    assert hook.left_out == {}


def test_what_is_no_exposure_is_left_alone(track: Callable[..., Tracker]) -> None:
    tracker = track(make_plan(), sender="none")
    hook = openfeature.ExposureHook(tracker)

    def after(key: str, unit: Any, **details: Any) -> None:
        context = type("Context", (), {"flag_key": key, "evaluation_context": of(unit)})()
        hook.after(context, FlagEvaluationDetails(key, "x", **{"variant": "beta", "reason": Reason.SPLIT, **details}), {})

    after("unplanned", "user-1")
    after("beta-homepage", "user-1", reason=Reason.DEFAULT)
    after("beta-homepage", "user-1", reason=Reason.DISABLED)
    after("beta-homepage", "user-1", reason=Reason.ERROR, error_code=ErrorCode.GENERAL)
    assert hook.left_out == {}
    after("beta-homepage", "user-1", variant=None)
    after("beta-homepage", None)
    after("beta-homepage", 1.5)
    assert hook.left_out == {"no variant": 1, "no distinct_id": 1, "invalid": 1}
    hook.after(object(), object(), {})  # raises nothing, whatever it is given
    assert sum(hook.left_out.values()) == 4
    assert tracker.outbox.pending() == 0


def test_the_hook_serves_any_provider(track: Callable[..., Tracker], client_of: Any) -> None:
    tracker = track(make_plan(), sender="none")
    flag = InMemoryFlag("on", {"on": True, "beta": True}, context_evaluator=lambda f, c: FlagResolutionDetails(
        True, variant="beta", reason=Reason.TARGETING_MATCH))  # fmt: skip
    client = client_of(InMemoryProvider({"beta-homepage": flag}))
    client.add_hooks([openfeature.ExposureHook(tracker)])
    assert client.get_boolean_value("beta-homepage", False, of("user-1")) is True
    assert client.get_boolean_value("beta-homepage", False, of("user-1")) is True
    assert tracker.outbox.pending() == 1


def test_mixpanels_provider_works_over_the_safe_wrapper(box: Sandbox, track: Callable[..., Tracker], client_of: Any) -> None:
    provider = pytest.importorskip("mixpanel_openfeature").MixpanelProvider
    plan = make_plan(assignment={"hash": "mixpanel", "hash_salt": "0123456789abcdef0123456789abcdef"})
    with Client.from_environment() as rest:
        rest.create_flag({**flag_body(plan), "status": "enabled"})
    sdk = mixpanel.Mixpanel(
        box.project.token,
        consumer=mixpanel.Consumer(api_host=box.address),
        local_flags_config=LocalFlagsConfig(api_host=box.address, enable_polling=False),
    )
    tracker = track(plan, mixpanel=sdk, sender="none")
    client = client_of(provider(xp.mixpanel_flags(sdk, tracker=tracker).start()))
    for unit, variant in zip(IDS[:30], xp.assign(plan, IDS[:30]), strict=True):
        context = EvaluationContext(targeting_key=unit, attributes={"distinct_id": unit})
        for _ in range(2):
            assert client.get_string_details("beta-homepage", "none", context).variant == variant
    assert tracker.outbox.pending() == 30
    assert client.get_string_value("nothing", "the-default", of("user-1")) == "the-default"
