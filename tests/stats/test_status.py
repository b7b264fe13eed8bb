"""Every status has a sentence."""

from __future__ import annotations

from typing import get_args

from xpbench.stats.status import REASONS, EstimateStatus, reason


def test_every_status_has_a_sentence():
    assert set(REASONS) == set(get_args(EstimateStatus))
    assert reason("ok") == ""
    for name, text in REASONS.items():
        assert name == "ok" or (text.endswith(".") and reason(name) == text)
