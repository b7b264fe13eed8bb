"""Short runs of `benchmarks.crash` and `benchmarks.injection`: processes killed, and system calls that fail."""

import random

import pytest

from benchmarks.crash import appends, freezes, saves
from benchmarks.injection import is_possible, operations, run


def test_nothing_that_was_acknowledged_is_lost():
    found = appends(15, random.Random(1))
    assert (found["lost"], found["broken chains"]) == (0, 0)
    assert found["acknowledged"] > 0


def test_a_plan_is_frozen_whole_or_not_at_all():
    found = freezes(10, random.Random(2))
    assert (found["lost"], found["half files"], found["not to be done again"]) == (0, 0, 0)
    assert found["acknowledged"] > 0


def test_a_memo_is_the_old_one_or_the_new_one():
    found = saves(15, random.Random(3))
    assert (found["half files"], found["not verified"]) == (0, 0)


@pytest.mark.skipif(not is_possible(), reason="needs strace")
def test_a_failing_system_call_leaves_the_old_or_the_new(tmp_path):
    """Every 25th pair of call and error of append, freeze and memo save; `python -m benchmarks.injection` does all."""
    for name, make in operations(tmp_path).items():
        found = run(make, every=25)
        assert found["wrong"] == [], name
        assert found["runs"] > 0, name
