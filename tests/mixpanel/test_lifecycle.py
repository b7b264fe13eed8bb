"""An experiment's life in Mixpanel, each step repeatable."""

from __future__ import annotations

from typing import Any

import pytest

from tests.expose.conftest import make_plan
from xpbench.errors import MixpanelError
from xpbench.ledger.clock import fixed_clock
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.lifecycle import conclude, decide, description_of, flag_body, hypothesis_of, publish
from xpbench.mixpanel.sandbox import Sandbox
from xpbench.plan import Plan

NOW = fixed_clock("2026-11-02T09:00:00")
DIGEST = "ab" * 32


def test_publish_makes_one_experiment_with_hypothesis_and_digest(box: Sandbox, client: Client) -> None:
    plan = make_plan()
    first = publish(plan, plan.digest, client)
    second = publish(plan, plan.digest, client)
    assert (first.status, first.did, second.did) == ("draft", ("created",), ())
    (made,) = client.experiments()
    assert made["name"] == "beta-homepage"
    assert plan.digest in made["description"]
    assert len(made["description"]) <= 400
    expected = (
        "If visitors see the beta homepage, then quotes: increase by 0.05 (lift), because three entry points hide the quote."
    )
    assert made["hypothesis"] == expected


def test_an_amended_plan_updates_the_digest_and_nothing_else(client: Client) -> None:
    plan = make_plan()
    publish(plan, plan.digest, client, details={"settings": {"unpublished": 1}})
    result = publish(plan, DIGEST, client)
    (made,) = client.experiments()
    assert result.did == ("updated",)
    assert DIGEST in made["description"]
    assert made["settings"] == {"unpublished": 1}


def test_launch_conclude_decide_with_annotations(client: Client) -> None:
    plan = make_plan()
    options: dict[str, Any] = {"outcome": "ship", "variant": "beta", "because": "quotes rose", "by": "Ann", "clock": NOW}
    assert publish(plan, DIGEST, client, launch=True, clock=NOW).did == ("created", "launched", "annotated")
    assert publish(plan, DIGEST, client, launch=True, clock=NOW).did == ()
    assert conclude(plan, client).did == ("concluded",)
    assert conclude(plan, client).did == ()
    assert decide(plan, DIGEST, client, **options).did == ("decided", "annotated")
    assert decide(plan, DIGEST, client, **options).did == ()
    (made,) = client.experiments()
    assert made["status"] == "success"
    decision = made["results_cache"]["decision"]
    assert decision["variant"] == "beta"
    assert decision["message"] == f"ship beta: quotes rose (Ann). Plan {DIGEST}"
    notes = [a["description"] for a in client.annotations("2026-11-02", "2026-11-02")]
    assert notes == [
        "beta-homepage: launched, plan abababababab",
        "beta-homepage: ship beta, plan abababababab",
    ]


@pytest.mark.parametrize(("outcome", "status"), [("ship none", "fail"), ("iterate", "fail"), ("defer", "active")])
def test_other_outcomes(client: Client, outcome: Any, status: str) -> None:
    plan = make_plan()
    publish(plan, DIGEST, client, launch=True, clock=NOW)
    result = decide(plan, DIGEST, client, outcome=outcome, variant=None, because="flat", by="Ann", clock=NOW)
    assert result.status == status
    assert result.did[-1] == "annotated"


def test_another_decision_is_not_overwritten(client: Client) -> None:
    plan = make_plan()
    publish(plan, DIGEST, client, launch=True, clock=NOW)
    decide(plan, DIGEST, client, outcome="ship none", variant=None, because="flat", by="Ann", clock=NOW)
    with pytest.raises(MixpanelError, match=r"is fail.*XPB-M12"):
        decide(plan, DIGEST, client, outcome="ship", variant="beta", because="no", by="Bob", clock=NOW)


def test_steps_out_of_order_are_named(client: Client) -> None:
    plan = make_plan()
    with pytest.raises(MixpanelError, match="XPB-M11"):
        conclude(plan, client)
    publish(plan, DIGEST, client)
    with pytest.raises(MixpanelError, match=r"draft.*Launch it first"):
        conclude(plan, client)


def test_a_plan_with_mixpanels_hash_makes_the_flag_that_assigns_alike(box: Sandbox, client: Client) -> None:
    """The published flag and `xp.assign` give every unit the same variant."""
    import xpbench as xp

    salt = "0123456789abcdef0123456789abcdef"
    rollout = [{"key": "half", "share": 0.5}, {"key": "rest", "share": 0.3, "splits": {"control": 0.2, "beta": 0.8}}]
    plan = make_plan(assignment={"hash": "mixpanel", "hash_salt": salt, "rollout": rollout})
    result = publish(plan, DIGEST, client, flag=True, launch=True, clock=NOW)
    assert result.did == ("created", "flag created", "launched", "annotated")
    assert client.experiments()[0]["feature_flag"]["key"] == "beta-homepage"
    assert publish(plan, DIGEST, client, flag=True).did == ()
    (flag,) = client.definitions()["flags"]
    assert (flag["is_experiment_active"], flag["hash_salt"]) == (True, salt)
    from xpbench.mixpanel.sandbox.flags import evaluate

    units = [f"user-{i}" for i in range(400)]
    served = [evaluate([flag], {"distinct_id": u}).get("beta-homepage", {}).get("variant_key") for u in units[:100]]
    assert served == [None if v is None else str(v) for v in xp.assign(plan, units)][:100]
    assert {None, "control", "beta"} == set(served)


@pytest.mark.parametrize(
    "changes",
    [
        {"assignment": {"hash": "sha256", "salt": "s"}},
        {"assignment": None},
        {"assignment": {"hash": "mixpanel", "holdout": {"key": "h", "salt": "s", "share": 0.1}}},
        {"assignment": {"hash": "mixpanel", "rollout": [{"key": "a", "share": 1.0, "cohort": "friends"}]}},
    ],
)
def test_plans_that_a_flag_can_not_assign(client: Client, changes: Any) -> None:
    plan = make_plan(**changes)
    with pytest.raises(MixpanelError, match="XPB-M10"):
        publish(plan, DIGEST, client, flag=True)
    assert client.experiments() == [], "nothing was made before the check"


def test_overrides_and_variants_of_groups() -> None:
    rollout = [{"key": "qa", "share": 1.0, "variant": "beta", "where": {"==": [{"var": "team"}, "qa"]}}]
    plan = make_plan(assignment={"hash": "mixpanel", "rollout": rollout, "overrides": {"ann": "beta"}, "sticky": "treatments"})
    ruleset = flag_body(plan)["ruleset"]
    assert ruleset["test"] == {"users": {"ann": "beta"}}
    assert ruleset["rollout"][0]["variant_override"] == {"key": "beta"}
    assert {v["key"]: v["is_sticky"] for v in ruleset["variants"]} == {"control": False, "beta": True}


def test_long_titles_leave_room_for_the_digest() -> None:
    plan = make_plan(title="x" * 500)
    text = description_of(plan, DIGEST)
    assert len(text) == 400
    assert text.endswith(DIGEST)


def test_every_claim_of_the_hypothesis_is_told() -> None:
    plan: Plan = make_plan()
    assert hypothesis_of(plan).startswith("If ")
