"""A p-value in words is never 0."""

from __future__ import annotations

from xpbench.health.p_values import p_words


def test_a_p_value_that_is_too_small_for_a_float_shows_its_bound() -> None:
    assert p_words(0.0) == "p < 1e-300"
    assert p_words(1.234e-5) == "p = 1.23e-05"
    assert p_words(0.04321, ".4g") == "p = 0.04321"
