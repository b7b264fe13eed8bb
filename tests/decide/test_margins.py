"""One function judges margins: the readout and the watch can't disagree."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from tests.decide import sealed
from xpbench.decide.margins import judge_margin
from xpbench.stats.pairs import Pair
from xpbench.watch.record import judge

Q = float(oracle.norm.isf(0.025))
WATCH = {"ok": "kept", "bad": "breached", "unclear": "not answerable"}


def pair(effect: float, se: float) -> Pair:
    """A control of 1 and a treatment, both as noisy."""
    return Pair(1.0, 1.0 + effect, se * se / 2, se * se / 2, 0.0, math.inf, 1000)


@given(effect=st.floats(-1, 1), se=st.floats(0.01, 0.5))
def test_watch_and_readout_agree(effect: float, se: float) -> None:
    """The same pair at the same level is judged the same during the experiment and after shipping."""
    metric = sealed.plan().metric("errors")  # less is better, margin 0.3
    found = pair(effect, se)
    is_worse = effect - Q * se > 0
    here = judge_margin(metric, found, q=Q, is_worse=is_worse)
    there = judge(metric, found, alpha=0.05)
    assert there.state == WATCH[here.state]
    assert there.margin == here.margin == pytest.approx(0.3)
    # the interval that is shown, by hand
    assert (here.state == "ok") == (effect + Q * se < 0.3)


def test_policies_and_missing_margins() -> None:
    """Without a margin only harm counts; `not_worse` accepts what is not shown; a status is never ok."""
    errors = sealed.plan().metric("errors")
    bare = errors.model_copy(update={"margin": None})
    assert judge_margin(bare, pair(0.0, 0.1), q=Q, is_worse=False).state == "ok"
    assert judge_margin(bare, pair(0.5, 0.1), q=Q, is_worse=True).state == "bad"
    unclear = pair(0.2, 0.2)
    assert judge_margin(errors, unclear, q=Q, is_worse=False).state == "unclear"
    assert judge_margin(errors, unclear, q=Q, is_worse=False, policy="not_worse").state == "ok"
    empty = Pair(*(math.nan,) * 6, n=0, status="not_enough_units", reason="too few")
    assert judge_margin(errors, empty, q=Q, is_worse=False).state == "unclear"
    assert judge_margin(bare, empty, q=Q, is_worse=False).state == "unclear"
