"""Mixpanel in step with plan and ledger: every mutation is named, no step leaves a difference or loses what others wrote."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xpbench as xp
from tests.test_experiment import plan as small_plan
from tests.test_experiment import table, units
from xpbench.cli import main
from xpbench.decide.readout import Readout
from xpbench.errors import DecisionError, MixpanelError
from xpbench.mixpanel.client import Client
from xpbench.mixpanel.lifecycle import publish
from xpbench.mixpanel.sandbox import Sandbox
from xpbench.mixpanel.sandbox.flags import evaluate

SALT = "0123456789abcdef0123456789abcdef"


def assigned(**changes: Any) -> xp.Plan:
    groups = [{"key": "everyone", "share": 0.1}]
    base = {"key": "in-step", "assignment": {"hash": "mixpanel", "hash_salt": SALT, "rollout": groups}}
    return small_plan(**{**base, **changes})


@pytest.fixture
def experiment(tmp_path: Path) -> xp.Experiment:
    return xp.register(assigned(), tmp_path, by="ana")


def store(box: Sandbox, kind: str) -> dict[str, Any]:
    (held,) = box.store.all(kind)
    return held


def served(client: Client, ids: list[str], unit: str = "user") -> list[str | None]:
    flags = client.definitions()["flags"]
    found = [evaluate(flags, {"distinct_id": u, unit: u}) for u in ids]
    return [next((v["variant_key"] for v in f.values()), None) for f in found]


IDS = [f"u{i}" for i in range(150)]


def test_the_whole_life_leaves_no_difference(box: Sandbox, client: Client, experiment: xp.Experiment) -> None:
    first = experiment.sync(client)
    assert first.in_step
    assert first.did == ("created", "flag created")
    assert store(box, "flag")["status"] == "disabled"
    assert experiment.sync(client).did == ()

    assert experiment.sync(client, launch=True).did == ("launched", "annotated")
    assert [e.kind for e in experiment.ledger.entries()][-2:] == ["published", "launched"]
    assert experiment.sync(client).did == ()
    assert (store(box, "experiment")["status"], store(box, "flag")["status"]) == ("active", "enabled")
    assert served(client, IDS) == list(xp.assign(experiment.plan, IDS))

    data = experiment.plan.to_dict()
    data["assignment"]["rollout"][0]["share"] = 0.5
    experiment = experiment.amend(xp.Plan(**data), reason="no incident at 10 %", by="ana")
    drift = experiment.sync(client, dry_run=True)
    assert "share of rollout group 1" in [d.field for d in drift.differences]
    assert store(box, "flag")["ruleset"]["rollout"][0]["rollout_percentage"] == 0.1, "a dry run writes nothing"
    assert "flag updated" in experiment.sync(client).did
    assert store(box, "flag")["ruleset"]["rollout"][0]["rollout_percentage"] == 0.5
    assert served(client, IDS) == list(xp.assign(experiment.plan, IDS))
    assert experiment.sync(client).did == ()

    readout = experiment.readout(units(table()))
    assert isinstance(readout, Readout)
    experiment.decide(readout, "ship", variant="b", because="as planned", by="ana")
    shipped = experiment.sync(client, holdback=0.1)
    assert {"concluded", "decided", "flag updated"} <= set(shipped.did)
    assert store(box, "experiment")["status"] == "success"
    got = served(client, IDS)
    assert None not in got
    assert 1 <= got.count("a") <= 30
    assert experiment.sync(client).did == (), "the holdback is on record"
    assert experiment.sync(client, holdback=0.0).did == ("flag updated",)
    assert set(served(client, IDS)) == {"b"}
    assert experiment.sync(client).did == ()

    assert "flag updated" in experiment.sync(client, roll_back="complaints").did
    assert set(served(client, IDS)) == {"a"}
    assert experiment.sync(client).did == (), "it stays rolled back"
    notes = [a["description"] for a in client.annotations("2000-01-01", "2999-01-01")]
    assert [n.split(": ", 1)[1].split(",")[0] for n in notes] == ["launched", "rollout 0.5", "ship b", "rolled back to control"]


def test_no_success_goes_back_to_control(box: Sandbox, client: Client, experiment: xp.Experiment) -> None:
    experiment.sync(client, launch=True)
    readout = experiment.readout(units(table()))
    assert isinstance(readout, Readout)
    experiment.decide(readout, "ship none", because="flat", by="ana")
    assert experiment.sync(client).in_step
    assert store(box, "experiment")["status"] == "fail"
    assert set(served(client, IDS)) == {"a"}
    first = experiment.decision
    assert first is not None
    experiment.decide(readout, "ship", variant="b", because="after all", by="ana", supersedes=first.seq)
    again = experiment.sync(client)
    assert [d.field for d in again.left] == ["status"], "the API has no way back from a decision, and that is said"
    assert set(served(client, IDS)) == {"b"}


FLAG_MUTATIONS: dict[str, Callable[[dict[str, Any]], None]] = {
    "name": lambda f: f.update(name="Other"),
    "description": lambda f: f.update(description=f["description"] + " edited"),
    "assignment key": lambda f: f.update(context="device_id"),
    "serving method": lambda f: f.update(serving_method="remote_only"),
    "status": lambda f: f.update(status="disabled"),
    "hash_salt": lambda f: f.update(hash_salt="9" * 32),
    "linked experiment": lambda f: f.update(experiment_id=None),
    "experiment is active": lambda f: f.update(is_experiment_active=False),
    "tags": lambda f: f.update(tags=["other"]),
    "order of the variants": lambda f: f["ruleset"]["variants"].reverse(),
    "split of a": lambda f: f["ruleset"]["variants"][0].update(split=0.9),
    "split of b": lambda f: f["ruleset"]["variants"][1].update(split=0.51),
    "value of a": lambda f: f["ruleset"]["variants"][0].update(value="other"),
    "value of b": lambda f: f["ruleset"]["variants"][1].update(value=None),
    "control mark of a": lambda f: f["ruleset"]["variants"][0].update(is_control=False),
    "control mark of b": lambda f: f["ruleset"]["variants"][1].update(is_control=True),
    "sticky mark of b": lambda f: f["ruleset"]["variants"][1].update(is_sticky=True),
    "split of c": lambda f: f["ruleset"]["variants"].append({"key": "c", "value": "c", "is_control": False, "split": 0.0}),
    "value of b ": lambda f: f["ruleset"]["variants"].pop(),
    "share of rollout group 1": lambda f: f["ruleset"]["rollout"][0].update(rollout_percentage=0.11),
    "split of a in rollout group 1": lambda f: f["ruleset"]["rollout"][0].update(variant_splits={"a": 0.4, "b": 0.6}),
    "split of z in rollout group 1": lambda f: f["ruleset"]["rollout"][0]["variant_splits"].update(z=0.1),
    "override of rollout group 1": lambda f: f["ruleset"]["rollout"][0].update(variant_override={"key": "b"}),
    "rule of rollout group 1": lambda f: f["ruleset"]["rollout"][0].update(
        runtime_evaluation_rule={"==": [{"var": "country"}, "uk"]}
    ),
    "legacy rule of rollout group 1": lambda f: f["ruleset"]["rollout"][0].update(runtime_evaluation_definition={"a": "b"}),
    "event rule of rollout group 1": lambda f: f["ruleset"]["rollout"][0].update(runtime_event_rule={"event_name": "x"}),
    "cohort of rollout group 1": lambda f: f["ruleset"]["rollout"][0].update(cohort_definition={"id": 1}),
    "cohort's hash of rollout group 1": lambda f: f["ruleset"]["rollout"][0].update(cohort_hash="x"),
    "name of rollout group 1": lambda f: f["ruleset"]["rollout"][0].update(name="Everyone"),
    "number of rollout groups": lambda f: f["ruleset"]["rollout"].append({"rollout_percentage": 1.0, "variant_splits": {}}),
    "number of rollout groups ": lambda f: f["ruleset"]["rollout"].clear(),
    "QA user u1": lambda f: f["ruleset"].update(test={"users": {"u1": "b"}}),
}
EXPERIMENT_MUTATIONS: dict[str, Callable[[dict[str, Any]], None]] = {
    "name": lambda e: e.update(name="Other"),
    "description": lambda e: e.update(description="by hand, plan SHA-256 " + e["description"][-64:]),
    "hypothesis": lambda e: e.update(hypothesis="another"),
    "status": lambda e: e.update(status="concluded"),
    "archived": lambda e: e.update(archived=True),
    "setting confidence_level": lambda e: e["settings"].update(confidence_level=0.9),
    "setting model": lambda e: e["settings"].pop("model"),
    "setting control_key": lambda e: e["settings"].update(control_key="b"),
    "metric done": lambda e: e["metrics"].pop(0),
    "direction of metric done": lambda e: e["metrics"][0].update(direction="decrease"),
    "type of metric errors": lambda e: e["metrics"][1].update(type="primary"),
    "direction of metric errors": lambda e: e["metrics"][1].pop("direction"),
}


def test_there_are_forty_mutations() -> None:
    assert len(FLAG_MUTATIONS) + len(EXPERIMENT_MUTATIONS) >= 40


@pytest.mark.parametrize(
    ("kind", "field"), [("flag", f) for f in FLAG_MUTATIONS] + [("experiment", f) for f in EXPERIMENT_MUTATIONS]
)
def test_every_mutation_is_named_and_undone(
    box: Sandbox, client: Client, experiment: xp.Experiment, kind: str, field: str
) -> None:
    experiment.sync(client, launch=True)
    held = store(box, kind)
    changed = copy.deepcopy(held)
    (FLAG_MUTATIONS if kind == "flag" else EXPERIMENT_MUTATIONS)[field](changed)
    box.store.put(kind, held["id"], changed)
    found = experiment.sync(client, dry_run=True)
    assert (kind, field.strip()) in [(d.thing, d.field) for d in found.differences]
    assert field.strip() in str(found)
    if field == "hash_salt" or (kind, field) == ("experiment", "status"):
        return
    if field == "assignment key":
        with pytest.raises(MixpanelError, match="assignment key can't change"):
            experiment.sync(client)
        return
    assert experiment.sync(client).left == ()
    now = store(box, kind)
    assert comparable(now) == comparable(held)


def comparable(held: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in held.items() if k not in ("modified", "tags", "archived")}
    return kept | ({"metrics": sorted(kept["metrics"], key=str)} if "metrics" in kept else {})


def test_what_others_wrote_stays(box: Sandbox, client: Client, experiment: xp.Experiment) -> None:
    """Settings and flags are replaced whole by Mixpanel: they are read, merged and written whole."""
    experiment.sync(client)
    held = store(box, "experiment")
    held["settings"] |= {"srm": {"enabled": True}, "excludeQA": True}
    held["metrics"][0]["chart"] = {"id": 7}
    held["metrics"].append({"name": "by hand", "type": "secondary"})
    held["tags"] = ["team"]
    box.store.put("experiment", held["id"], held)
    flag = store(box, "flag")
    flag["tags"] += ["team"]
    flag["data_group_id"] = "g"
    flag["ruleset"]["variants"][0]["description"] = "the old page"
    box.store.put("flag", flag["id"], flag)
    assert experiment.sync(client).did == (), "fields that xpbench does not write are not a difference"

    data = experiment.plan.to_dict()
    data["assignment"]["rollout"][0]["share"] = 0.5
    data["model"]["confidence"] = 0.9
    experiment = experiment.amend(xp.Plan(**data), reason="ramp", by="ana")
    assert experiment.sync(client).in_step
    now, served_flag = store(box, "experiment"), store(box, "flag")
    assert now["settings"]["confidence_level"] == 0.9
    assert (now["settings"]["srm"], now["settings"]["excludeQA"]) == ({"enabled": True}, True)
    assert now["metrics"][0]["chart"] == {"id": 7}
    assert now["metrics"][-1] == {"name": "by hand", "type": "secondary"}
    assert now["tags"] == ["team"]
    assert (served_flag["tags"], served_flag["data_group_id"]) == (["xpbench", "team"], "g")
    assert served_flag["ruleset"]["variants"][0]["description"] == "the old page"


def test_publishing_with_settings_keeps_those_of_others(box: Sandbox, client: Client, experiment: xp.Experiment) -> None:
    experiment.publish(client, details={"settings": {"ours": 1}})
    held = store(box, "experiment")
    held["settings"]["srm"] = True
    box.store.put("experiment", held["id"], held)
    experiment.publish(client, details={"settings": {"ours": 2}})
    assert store(box, "experiment")["settings"] == {"ours": 2, "srm": True}


def test_a_second_plan_of_the_same_name_overwrites_nothing(
    box: Sandbox, client: Client, experiment: xp.Experiment, tmp_path: Path
) -> None:
    experiment.sync(client, launch=True)
    before = box.store.all("experiment"), box.store.all("flag")
    other = xp.register(assigned(title="From the same template"), tmp_path / "other", by="bob")
    for step in (
        lambda: other.sync(client),
        lambda: other.publish(client, flag=True, launch=True),
        lambda: other.publish(client),
        lambda: other.conclude(client),
    ):
        with pytest.raises(MixpanelError, match=r"not in this ledger.*XPB-M14"):
            step()
    assert (box.store.all("experiment"), box.store.all("flag")) == before
    assert [d.field for d in other.sync(client, adopt=True).left] == ["status"], "its own ledger has no launch"
    with pytest.raises(MixpanelError, match="XPB-M14"):
        experiment.sync(client)


def test_a_flag_that_somebody_made_by_hand_is_not_taken(client: Client, experiment: xp.Experiment) -> None:
    from xpbench.mixpanel.lifecycle import flag_body

    client.create_flag(flag_body(experiment.plan) | {"hash_salt": "9" * 32})
    with pytest.raises(MixpanelError, match=r"names no plan. It differs in: .*hash_salt: '9{32}' in Mixpanel"):
        experiment.sync(client, launch=True)
    assert client.experiments() == []


def test_a_flag_without_a_salt_of_the_plan_does_not_go_out(box: Sandbox, client: Client) -> None:
    """Mixpanel would salt it, and plan and flag would disagree for half of the units."""
    for salt in ({}, {"hash_salt": "short"}):
        plan = assigned(assignment={"hash": "mixpanel", **salt})
        with pytest.raises(MixpanelError, match=r"hash_salt.*32.*XPB-M10"):
            publish(plan, plan.digest, client, flag=True, launch=True)
    assert client.experiments() == client.flags() == []


def test_a_salt_that_the_server_replaces_is_noticed_before_the_launch(
    box: Sandbox, client: Client, experiment: xp.Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = box.store.put

    def resalted(kind: str, id_: str, body: Any) -> None:
        put(kind, id_, {**body, "hash_salt": "f" * 32} if kind == "flag" else body)

    monkeypatch.setattr(box.store, "put", resalted)
    with pytest.raises(MixpanelError, match="XPB-M15"):
        experiment.sync(client, launch=True)
    assert store(box, "experiment")["status"] == "draft"


def test_a_plan_whose_key_is_not_its_name_in_the_log_can_be_no_flag(client: Client) -> None:
    """Mixpanel hashes the flag's key and logs it as the experiment's name: both are one text."""
    plan = assigned(exposure={"experiment": "another-name"})
    with pytest.raises(MixpanelError, match=r"hashes the flag's key.*XPB-M10"):
        publish(plan, plan.digest, client, flag=True)


def test_rolling_back_needs_a_reason(client: Client, experiment: xp.Experiment) -> None:
    with pytest.raises(DecisionError, match="XPB-R02"):
        experiment.sync(client, roll_back=" ")


def test_command(box: Sandbox, client: Client, experiment: xp.Experiment, capsys: pytest.CaptureFixture[str]) -> None:
    box.site.limits.per_second = 1_000
    root = str(experiment.root)
    assert main(["sync", "in-step", "--root", root, "--dry-run"]) == 1
    shown = capsys.readouterr().out
    assert "three experiments" in shown
    assert "A launch can't be undone" in shown
    assert "Nothing was written" in shown
    assert client.experiments() == []
    assert main(["status", "--root", root, "--remote"]) == 0
    assert "Not published to Mixpanel." in capsys.readouterr().out
    assert main(["sync", "in-step", "--root", root, "--launch", "--yes"]) == 0
    shown = capsys.readouterr().out
    assert shown.index("A launch can't be undone") < shown.index("Done: created")
    assert main(["sync", "in-step", "--root", root, "--dry-run"]) == 0
    assert "Mixpanel holds what plan and ledger say." in capsys.readouterr().out
    assert main(["status", "--root", root, "--remote"]) == 0
    held = store(box, "flag")
    held["ruleset"]["rollout"][0]["rollout_percentage"] = 0.9
    box.store.put("flag", held["id"], held)
    capsys.readouterr()
    assert main(["status", "in-step", "--root", root, "--remote"]) == 1
    assert "flag, share of rollout group 1: 0.9 in Mixpanel, 0.1 by the plan" in capsys.readouterr().out


def test_without_a_ledger_a_ramp_is_taken_and_another_plan_is_not(box: Sandbox, client: Client) -> None:
    """The bare function knows plans alone: what reassigns nobody and says the same is the same experiment."""
    narrow = assigned()
    publish(narrow, narrow.digest, client, flag=True, launch=True)
    wide = assigned(assignment={**narrow.to_dict()["assignment"], "rollout": [{"key": "everyone", "share": 0.5}]})
    assert publish(wide, wide.digest, client, flag=True).did == ("updated", "flag updated")
    assert store(box, "flag")["ruleset"]["rollout"][0]["rollout_percentage"] == 0.5
    for other in (narrow, wide.replace(title="Another"), wide.replace(owner="somebody else")):
        with pytest.raises(MixpanelError, match="XPB-M14"):
            publish(other, other.digest, client, flag=True)
    held = store(box, "experiment")
    box.store.put("experiment", held["id"], {**held, "status": "success"})
    wider = assigned(assignment={**narrow.to_dict()["assignment"], "rollout": [{"key": "everyone", "share": 0.9}]})
    with pytest.raises(MixpanelError, match="XPB-M14"):
        publish(wider, wider.digest, client, flag=True)


def test_a_flag_made_by_hand_that_is_the_very_same_is_linked(box: Sandbox, client: Client, experiment: xp.Experiment) -> None:
    from xpbench.mixpanel.lifecycle import flag_body

    client.create_flag(flag_body(experiment.plan))
    assert experiment.sync(client, launch=True).in_step
    assert store(box, "flag")["experiment_id"] == store(box, "experiment")["id"]
