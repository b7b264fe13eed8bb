"""The plan: written out, frozen, hashed the same for ever."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import xpbench as xp
from xpbench.cli import main
from xpbench.errors import InputError, InvalidPlan, PlanError
from xpbench.forecast.power import plan_power
from xpbench.plan import check, load_plan, template, template_names
from xpbench.plan.schema import PATH, schema_text

from .plans import columns, events


def test_defaults_are_written_out() -> None:
    document = xp.Plan(**columns()).to_dict()
    assert document["correction"] == "holm"
    assert document["planning"]["power"] == 0.8
    assert document["health"]["srm_alpha"] == 0.001
    assert document["pre_period_days"] == 14


def test_digest_is_pinned() -> None:
    assert xp.Plan(**columns()).digest == GOLDEN_COLUMNS
    assert xp.Plan(**events()).digest == GOLDEN_EVENTS


def test_windows_from_the_latest_exposure_are_named_and_older_plans_keep_their_digest() -> None:
    plan = xp.Plan(**events())
    assert plan.digest == GOLDEN_EVENTS  # made before the field was there
    assert plan.exposure.window_from is None
    assert "window_from" not in plan.to_dict()["exposure"]
    digests = {plan.digest}
    for value in ("first_exposure", "latest_exposure"):
        named = plan.changed(exposure={**plan.to_dict()["exposure"], "window_from": value})
        assert named.problems() == []
        assert named.to_dict()["exposure"]["window_from"] == value
        digests.add(named.digest)
    assert len(digests) == 3
    (problem,) = xp.Plan(**columns(exposure={"window_from": "latest_exposure"})).problems()
    assert (problem.code, problem.pointer) == ("XPB-P18", "/exposure/window_from")


def test_digest_ignores_the_order_of_keys_and_the_way_of_reading(tmp_path: Path) -> None:
    plan = xp.Plan(**events())
    again = load_plan(plan.save(tmp_path / "plan.json"))
    shuffled = xp.Plan(**dict(reversed(events().items())))
    assert again.digest == plan.digest == shuffled.digest


def test_any_change_changes_the_digest() -> None:
    plan = xp.Plan(**events())
    assert plan.changed(title="Beta homepage.").digest != plan.digest


def test_plan_is_frozen() -> None:
    plan = xp.Plan(**events())
    with pytest.raises(ValueError, match="frozen"):
        plan.title = "other"  # type: ignore[misc]


def test_document_is_whole_after_a_round_trip() -> None:
    plan = xp.Plan(**events())
    assert xp.Plan(**plan.to_dict()) == plan


def test_structure_is_refused_with_all_problems() -> None:
    data = events(extra=1)
    data["variants"][0]["split"] = None
    with pytest.raises(InvalidPlan) as caught:
        xp.Plan(**data)
    assert {p.code for p in caught.value.problems} == {"XPB-P01", "XPB-P03"}


def test_examples_can_be_registered(shared_examples: Path) -> None:
    for path in shared_examples.glob("*.plan.json"):
        assert load_plan(path).problems() == []


@pytest.mark.parametrize("name", template_names())
def test_templates_can_be_registered_and_are_on_record(name: str) -> None:
    plan = template(name, key="my-test", owner="me")
    assert plan.problems() == []
    assert plan.template is not None
    assert plan.template.name == name
    assert plan.key == "my-test"


@pytest.mark.parametrize("name", template_names())
def test_a_template_promises_its_power_by_its_own_rule(name: str) -> None:
    report = plan_power(plan := template(name))
    assert set(report.ships) == {t.key for t in plan.treatments}
    assert all(chance is not None and chance >= plan.planning.power for chance in report.ships.values()), report
    assert getattr(plan.model, "n_opt", None) in (None, plan.horizon.units)


@pytest.mark.parametrize("name", template_names())
def test_a_template_counts_nothing_twice(name: str, tmp_path: Path) -> None:
    plan = template(name, key="another")
    assert plan.experiment_name == "another", "two experiments from one template would read each other's exposures"
    document = plan.to_dict()
    questions = [{k: v for k, v in m.items() if k not in ("key", "name", "role", "direction")} for m in document["metrics"]]
    assert all(q not in questions[:i] for i, q in enumerate(questions))
    plan.save(tmp_path / "another.plan.json")
    assert main(["check", "--json", str(tmp_path / "another.plan.json")]) == 0


def test_unknown_template_names_the_nearest() -> None:
    with pytest.raises(PlanError, match="revenue"):
        template("revenu")


def test_schema_is_the_committed_one() -> None:
    assert PATH.read_text("utf-8") == schema_text()


def test_plan_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        """
        key = "gate"
        title = "Gate"
        owner = "games"
        unit = "userid"
        [hypothesis]
        if = "the gate moves"
        because = "fewer waits"
        then = [{metric = "kept", direction = "increase"}]
        [[variants]]
        key = "a"
        split = 0.5
        control = true
        [[variants]]
        key = "b"
        split = 0.5
        [[metrics]]
        key = "kept"
        kind = "column"
        column = "kept"
        role = "primary"
        direction = "increase"
        [model]
        kind = "frequentist"
        [horizon]
        units = 1000
        """
    )
    assert load_plan(path).problems() == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"key": 1, "key": 2}', "XPB-I02"),
        ('{"key": NaN}', "XPB-I02"),
        ("[1]", "XPB-I02"),
        ("{", "XPB-I02"),
        ("[" * 5000, "XPB-I02"),
        ('{"schema": 2}', "XPB-P29"),
        (" " * 1_000_001, "XPB-I03"),
    ],
)
def test_bad_files_are_told(tmp_path: Path, text: str, code: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises((InputError, PlanError)) as caught:
        load_plan(path)
    assert caught.value.code == code


def test_missing_file_is_told() -> None:
    with pytest.raises(InputError, match="XPB-I01"):
        load_plan("nowhere.json")


GOLDEN_COLUMNS = "e650ad79aea21f5df0d80ceb9843c951e94d2220eaebe08d1d5f210014505597"
GOLDEN_EVENTS = "61652b99028b1cbaf2a274af36c46ef2e156d4feb47e03d82aa42b789521715a"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-100, 100) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def places(value: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(p for key, v in inner for p in places(v, (*at, key)))]


@given(st.sampled_from(places(events())[1:]), json_values)
def test_check_answers_whatever_stands_in_a_plan(place: tuple[str | int, ...], value: object) -> None:
    plan = copy.deepcopy(events())
    here: object = plan
    for part in place[:-1]:
        here = here[part]  # type: ignore[index]
    here[place[-1]] = value  # type: ignore[index]
    found = check(plan)
    if not found:
        assert xp.Plan(**plan).problems() == []
        json.dumps(xp.Plan(**plan).to_dict())
