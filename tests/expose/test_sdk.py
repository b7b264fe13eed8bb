"""What we claim of the official SDK, pinned: when one of these fails, the SDK has changed and the wrapper can be simpler."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import mixpanel
import pytest
from mixpanel.flags.types import LocalFlagsConfig, RemoteFlagsConfig, SelectedVariant

from tests.expose.test_flags import FLAG, exposures, serve
from xpbench.mixpanel.sandbox import Sandbox


@pytest.fixture
def sdk(box: Sandbox) -> mixpanel.Mixpanel:
    serve(box, FLAG)
    made = mixpanel.Mixpanel(
        box.project.token,
        consumer=mixpanel.Consumer(api_host=box.address, retry_limit=0, request_timeout=2),
        local_flags_config=LocalFlagsConfig(api_host=box.address, enable_polling=False),
        remote_flags_config=RemoteFlagsConfig(api_host=box.address),
    )
    made.local_flags.start_polling_for_definitions()
    return made


CONTEXT = {"distinct_id": "u1"}
NONE = SelectedVariant("spare")


def test_local_evaluation_raises_when_tracking_is_down(box: Sandbox, sdk: Any) -> None:
    box.faults.set(fail=1.0, path="/track")
    with pytest.raises(mixpanel.MixpanelException):
        sdk.local_flags.get_variant("beta-homepage", NONE, CONTEXT)
    with pytest.raises(mixpanel.MixpanelException):
        sdk.local_flags.is_enabled("beta-homepage", CONTEXT)


def test_remote_evaluation_drops_the_variant_when_tracking_is_down(box: Sandbox, sdk: Any) -> None:
    box.faults.set(fail=1.0, path="/track")
    picked = sdk.remote_flags.get_variant("beta-homepage", NONE, CONTEXT)
    assert picked.variant_value == "spare"
    assert picked.fallback_reason.kind == "BACKEND_ERROR"


def test_nothing_is_de_duplicated(box: Sandbox, sdk: Any) -> None:
    for _ in range(3):
        sdk.local_flags.get_variant("beta-homepage", NONE, CONTEXT)
    assert len(exposures(box)) == len(box.deduplicated()) == 3
    assert len({e["$insert_id"] for e in exposures(box)}) == 3


def test_there_is_no_request_timeout_by_default() -> None:
    assert inspect.signature(mixpanel.Consumer.__init__).parameters["request_timeout"].default is None
    assert mixpanel.Mixpanel("t")._consumer._request_timeout is None


def test_the_buffered_consumer_caps_batches_at_50() -> None:
    assert mixpanel.BufferedConsumer(max_size=2_000)._max_size == 50


def test_one_malformed_flag_drops_all_of_them(box: Sandbox, sdk: Any) -> None:
    serve(box, FLAG, {"key": "broken"})
    sdk.local_flags.start_polling_for_definitions()
    assert sdk.local_flags.are_flags_ready()
    assert sdk.local_flags.get_variant("beta-homepage", NONE, CONTEXT).fallback_reason.kind == "FLAG_NOT_FOUND"


def test_empty_variants_raise_to_the_caller(box: Sandbox, sdk: Any) -> None:
    serve(box, FLAG | {"ruleset": {"variants": [], "rollout": [{"rollout_percentage": 1.0}]}})
    sdk.local_flags.start_polling_for_definitions()
    with pytest.raises(IndexError):
        sdk.local_flags.get_variant("beta-homepage", NONE, CONTEXT)


def test_the_strict_answer_of_import_can_not_be_read(box: Sandbox) -> None:
    """A strict 200 says status "OK", which the consumer takes for an error; a 400's list of rows is dropped."""
    p = box.project
    account = mixpanel.ServiceAccountCredentials(p.username, p.secret, p.project_id)
    url = f"{box.url}/import?strict=1"
    consumer = mixpanel.Consumer(import_url=url, api_host=box.address, credentials=account, request_timeout=5)
    sdk = mixpanel.Mixpanel(p.token, consumer=consumer)
    with pytest.raises(KeyError):
        sdk.import_data(None, "u1", "e", 1_700_000_000)
    with pytest.raises(mixpanel.MixpanelException, match="failed validation") as caught:
        sdk.import_data(None, "anonymous", "e", 1_700_000_000)
    assert "failed_records" not in str(caught.value)
    assert len(box.events()) == 1


def test_the_sdk_logs_the_token_of_a_failed_fetch(box: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """The reason for our masking filter."""
    sdk = mixpanel.Mixpanel("canary-token-1", remote_flags_config=RemoteFlagsConfig(api_host=box.address))
    box.faults.set(fail=1.0, path="/flags")
    with caplog.at_level(logging.DEBUG):
        sdk.remote_flags.get_variant("beta-homepage", NONE, CONTEXT)
    assert "canary-token-1" in caplog.text


def test_the_private_parts_that_we_read_are_there() -> None:
    """`Delivery` and `mixpanel_flags` take settings from a given object; these names are theirs."""
    sdk = mixpanel.Mixpanel("t", local_flags_config=LocalFlagsConfig(), remote_flags_config=RemoteFlagsConfig())
    assert sdk._token == "t"
    assert sdk._credentials is None
    assert {"events", "imports"} <= set(sdk._consumer._endpoints)
    assert sdk._consumer._session.hooks["response"] == []
    assert sdk._consumer._verify_cert is True
    assert sdk._local_flags_provider._config == LocalFlagsConfig()
    assert sdk._remote_flags_provider._config == RemoteFlagsConfig()
    assert sdk._local_flags_provider._flag_definitions == {}
    assert isinstance(mixpanel.BufferedConsumer()._consumer, mixpanel.Consumer)
