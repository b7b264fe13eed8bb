"""A short run of `benchmarks.crash`: processes killed while they append, freeze a plan and save a memo."""

import random

from benchmarks.crash import appends, freezes, saves


def test_nothing_that_was_acknowledged_is_lost():
    found = appends(4, random.Random(1))
    assert (found["lost"], found["broken chains"]) == (0, 0)
    assert found["acknowledged"] > 0


def test_a_plan_is_frozen_whole_or_not_at_all():
    found = freezes(3, random.Random(2))
    assert (found["lost"], found["half files"]) == (0, 0)


def test_a_memo_is_the_old_one_or_the_new_one():
    found = saves(4, random.Random(3))
    assert (found["half files"], found["memo afterwards"]) == (0, "verified")
