"""Linked splits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from xpbench.forms.splits import STEPS, VariantTable, equal, linked

steps = st.lists(st.integers(0, STEPS), min_size=1, max_size=12)


@given(steps, st.data(), st.integers(-5, 2 * STEPS))
def test_splits_always_sum_to_one_and_stay_positive(before: list[int], data: st.DataObject, value: int) -> None:
    index = data.draw(st.integers(0, len(before) - 1))
    after = linked(before, index, value)
    assert sum(after) == STEPS
    assert min(after) >= 1
    if len(before) > 1:
        assert after[index] == max(1, min(value, STEPS - len(before) + 1))


def test_the_others_keep_their_proportions() -> None:
    assert linked([5000, 3000, 2000], 0, 2000) == [2000, 4800, 3200]


@given(st.integers(1, 12))
def test_equal_splits_differ_by_one_step_at_most(count: int) -> None:
    assert sum(equal(count)) == STEPS
    assert max(equal(count)) - min(equal(count)) <= 1


def variants() -> VariantTable:
    table = VariantTable("Variants")
    table.set([{"key": "control", "split": 0.5, "control": True}, {"key": "beta", "split": 0.5, "control": False}])
    return table


def test_moving_a_slider_links_the_other() -> None:
    table = variants()
    table.bar.moved = {"index": 0, "value": 9000, "at": 1}
    assert [v["split"] for v in table.get()] == [0.9, 0.1]
    assert [r["steps"] for r in table.bar.rows] == [9000, 1000]


def test_added_and_removed_variants_share() -> None:
    table = variants()
    table.add()
    assert sum(v["split"] for v in table.get()) == 1
    assert len(table.get()) == 3
    table.remove(1)
    assert sum(v["split"] for v in table.get()) == 1
    table.remove(0)
    table.remove(0)
    assert table.get() == []
    table.add()
    assert table.get() == [{"control": True, "split": 1.0}]


def test_a_move_takes_the_split_along() -> None:
    table = variants()
    table.bar.moved = {"index": 0, "value": 7000, "at": 1}
    table.move(0, 1)
    assert [(v["key"], v["split"]) for v in table.get()] == [("beta", 0.3), ("control", 0.7)]


def test_there_is_one_control() -> None:
    table = variants()
    table.items[1].fields["control"].control.value = True  # type: ignore[attr-defined]
    assert [v["control"] for v in table.get()] == [False, True]


def test_splits_of_an_imported_plan_are_shown_as_they_are() -> None:
    table = VariantTable("Variants")
    table.set([{"key": "a", "split": 0.3}, {"key": "b", "split": "half"}, {"key": "c"}])
    assert [v.get("split", "none") for v in table.get()] == [0.3, "half", "none"]
    table.equalise()
    assert sum(v["split"] for v in table.get()) == 1


def test_a_message_from_the_front_end_that_makes_no_sense_changes_nothing() -> None:
    table = variants()
    for moved in ({}, {"index": 9, "value": 1}, {"index": "x", "value": 1}, {"index": 0, "value": "y"}):
        table.split_moved(moved)
    assert [v["split"] for v in table.get()] == [0.5, 0.5]
