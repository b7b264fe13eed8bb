"""More than thirty injected faults: the right cause comes first in nearly all, and no wrong one is sure of itself."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.randomiser.faults import (
    FAULTS,
    WHOLE,
    Log,
    mixpanel_plan,
    one_bot,
    split_back_and_forth,
    split_changed,
    split_from_the_first_row,
    swapped_from_a_release_on,
    swapped_on_ios,
    variants,
)
from tests.randomiser.plans import plan_of
from xpbench.randomiser.assigning import assignments
from xpbench.randomiser.audit.auditing import audit
from xpbench.randomiser.sticky import AssignmentStore


@pytest.mark.parametrize("seed", [0, 7])
def test_the_right_cause_comes_first(seed: int) -> None:
    base = Log(20_000, seed=seed, share=0.005)
    wrong, sure = [], []
    for fault in (*FAULTS, *WHOLE):
        log = copy.deepcopy(base)
        expected = fault(log)
        causes = audit(log.plan, log.table()).causes
        if causes[0].name != expected:
            wrong.append((fault.__name__, expected, causes))
        sure += [(fault.__name__, c) for c in causes if c.name != expected and c.explained >= 0.99]
    total = len(FAULTS) + len(WHOLE)
    assert total >= 30
    assert len(wrong) <= 0.1 * total, wrong
    assert sure == []


def detail(fault: object, seed: int = 3) -> str:
    log = Log(30_000, seed=seed)
    fault(log)  # type: ignore[operator]
    return audit(log.plan, log.table()).causes[0].detail


def test_when_a_split_changed_is_said_as_it_was() -> None:
    assert "from the first row on" in detail(split_from_the_first_row)
    assert "mid-run" not in detail(split_from_the_first_row)
    late, closed = detail(split_changed), detail(split_back_and_forth)
    assert "mid-run, from 2026-11-1" in late
    assert late.endswith(" on")
    assert "mid-run, from 2026-11-0" in closed
    assert " to 2026-11-0" in closed


def test_swapped_labels_say_where() -> None:
    assert "in rows with 'lib' = 'ios'" in detail(swapped_on_ios)
    assert " from 2026-11-1" in detail(swapped_from_a_release_on)


def test_rows_of_one_unit_are_one_piece_of_evidence() -> None:
    text = detail(one_bot)
    assert "1 unit can't show a cause" in text
    assert "500 rows are of 'crawler'" in text


def test_a_pattern_that_was_not_recomputed_explains_nothing_for_sure() -> None:
    log = Log(20_000, share=0.01)
    log.variant[log.some()] = "beta"
    (cause,) = audit(log.plan, log.table()).causes
    assert cause.name == "override_list"
    assert np.isnan(cause.explained)
    assert cause.to_dict()["explained"] is None


@pytest.mark.parametrize("kind", ["store", "mapping"])
def test_kept_variants_are_right(kind: str) -> None:
    """A unit that a sticky store keeps on its first variant agrees, whatever the split is now."""
    before, after = plan_of(splits=(0.3, 0.7), sticky="all"), plan_of(splits=(0.5, 0.5), sticky="all")
    ids = [f"u{i}" for i in range(4_000)]
    store = AssignmentStore()
    assignments(before, ids, store=store)
    kept = assignments(after, ids, store=store).variants()
    frame = pd.DataFrame({"distinct_id": ids, "variant": kept})
    assert not audit(after, frame).ok
    sticky = store if kind == "store" else dict(zip(ids, kept, strict=True))
    assert audit(after, frame, sticky=sticky).ok
    assert audit(
        after, pd.DataFrame({"distinct_id": ["new"], "variant": assignments(after, ["new"]).variants()}), sticky=store
    ).ok
    assert store.recall(after.key, __import__("xpbench.randomiser.ids", fromlist=["UnitIds"]).UnitIds(["new"])) == [None]


def padded_to_eight(log: Log) -> str:
    log.ids = [str(i) for i in range(len(log.ids))]
    log.variant = variants(log.plan, [i.zfill(8) for i in log.ids])
    return "filled up with zeros to 8 digits"


def zeros_in_the_log(log: Log) -> str:
    log.variant = variants(log.plan, [str(i) for i in range(len(log.ids))])
    log.ids = [f"{i:08d}" for i in range(len(log.ids))]
    return "leading zeros that the assigner did not hash"


def even_and_odd(log: Log) -> str:
    log.ids = [f"customer-{i}" for i in range(len(log.ids))]
    log.variant = ["beta" if i % 2 else "control" for i in range(len(log.ids))]
    return "no hash: the number at the end of the id, modulo 2"


def without_hash_salt(log: Log) -> str:
    log.plan = mixpanel_plan((0.5, 0.3, 0.2))
    block = {k: v for k, v in log.plan.to_dict()["assignment"].items() if k != "hash_salt"}
    log.variant = variants(log.plan.changed(assignment=block), log.ids)
    return "no hash_salt"


@pytest.mark.parametrize(
    "fault", [padded_to_eight, zeros_in_the_log, even_and_odd, without_hash_salt], ids=lambda f: f.__name__
)
def test_further_causes_are_recomputed(fault: Any) -> None:
    log = Log(6_000)
    words = fault(log)
    (cause,) = audit(log.plan, log.table()).causes
    assert words in cause.detail
    assert cause.explained == 1.0


def test_an_unknown_salt_says_how_much_of_the_log_it_explains_and_since_when() -> None:
    everywhere, some, late = Log(6_000), Log(6_000), Log(6_000)
    rows = list(range(6_000))
    elsewhere = plan_of(salt="nobody-knows")
    everywhere.hashed_as(rows, everywhere.ids, elsewhere)
    scattered = rows[::11]
    some.hashed_as(scattered, [some.ids[i] for i in scattered], elsewhere)
    late.hashed_as(rows[3_000:], late.ids[3_000:], elsewhere)
    for log, words in (
        (everywhere, "the logged variants are unrelated to this hash: another"),
        (some, "in about 9% of the units the logged variant is unrelated"),
        (late, "unrelated to this hash from 2026-11-"),
    ):
        (cause,) = audit(log.plan, log.table()).causes
        assert cause.name == "wrong_salt"
        assert words in cause.detail
        assert np.isnan(cause.explained)
