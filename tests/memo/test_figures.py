import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.memo import figures
from xpbench.memo.figures import ForestRow, MemoSplitRow
from xpbench.wording import numbers as digits

numbers = st.floats(-1e6, 1e6) | st.none()


def row(**changes):
    base = {"label": "Quotes", "role": "primary", "lift": 0.07, "low": 0.03, "high": 0.12, "shown": "+7 %", "means": "1 → 2"}
    return ForestRow(**{**base, **changes})


def shapes(svg, tag):
    return [e for e in ET.fromstring(svg).iter() if e.tag.endswith(tag)]  # noqa: S314 - our own text


def forest(*rows):
    return figures.forest(list(rows), heading="lift", means_heading="a → b")


def test_points_stand_where_their_numbers_are():
    svg = forest(row(), row(lift=-0.05, low=-0.1, high=0.0, role="guardrail"))
    places = [float(c.get("cx")) for c in shapes(svg, "circle")]
    zero = next(float(e.get("x1")) for e in shapes(svg, "line") if e.get("class") == "zero")
    assert places[0] > zero > places[1]
    assert (places[0] - zero) / (zero - places[1]) == pytest.approx(0.07 / 0.05, rel=1e-3)


def test_an_unbounded_interval_runs_into_an_arrow_with_the_word():
    svg = forest(row(), row(low=None, high=None))
    assert svg.count("unbounded</text>") == 2


def test_one_wide_row_does_not_squash_the_others():
    low, high = figures.lift_range([row(), row(), row(low=-50.0, high=60.0)])
    assert high - low < 3


def test_margin_and_min_lift_are_drawn():
    svg = forest(row(min_lift=0.02, margin=-0.05))
    assert 'class="zone"' in svg
    assert 'class="edge"' in svg
    assert "url(#hatch)" in svg


def test_a_row_without_numbers_says_why():
    assert "not enough data</text>" in forest(row(lift=None, low=None, high=None, status="not enough data"))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(numbers, numbers, numbers, st.text(max_size=40)), max_size=5))
def test_any_numbers_and_any_text_make_a_drawing(items):
    rows = [row(label=t, lift=x, low=lo, high=hi, note=t, shown=t, means=t) for x, lo, hi, t in items]
    svg = forest(*rows)
    ET.fromstring(svg)  # noqa: S314 - our own text
    assert "nan" not in re.sub(r"<(title|desc|text)[^>]*>.*?</\1>", "", svg, flags=re.DOTALL).lower()
    assert svg == forest(*rows)


def test_split_and_accrual_are_drawings():
    svg = figures.split([MemoSplitRow("control", 20, 0.5, True), MemoSplitRow("beta", 0, 0.5)])
    assert "100.00\u202f%" in svg
    ET.fromstring(svg)  # noqa: S314 - our own text
    ET.fromstring(figures.split([MemoSplitRow("control", 0, 0.0, True)]))  # noqa: S314 - our own text
    for days, units in (([], []), (["2026-01-01"], [5]), (["2026-01-01", "2026-01-02"], [5, 7])):
        svg = figures.accrual(days, units, horizon=20, looks=["2026-01-02"])
        ET.fromstring(svg)  # noqa: S314 - our own text
        assert "horizon 20" in svg


def test_long_wide_and_hostile_labels_are_cut():
    assert figures.shorten("日本" * 20, 10) == "日本日本…"
    assert figures.shorten("a\nb\x00", 10) == "a b "
    assert len(figures.shorten("e\u0301" * 5000, 20)) <= 100


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.3), (0.0, 1e-9), (-5000.0, 1.0), (0.2, 0.21)])
def test_ticks_are_round_and_inside(low, high):
    found = figures.ticks(low, high)
    assert 2 <= len(found) <= 8
    assert all(low - 1e-9 <= t <= high + 1e-9 for t in found)


@pytest.mark.parametrize(
    ("width", "decimals"), [(8.7, 1), (0.87, 2), (87, 0), (870, 0), (0.0087, 4), (None, 2), (math.inf, 2), (0, 2), (1e-20, 8)]
)
def test_decimals_follow_the_interval(width, decimals):
    assert digits.decimals_for(width) == decimals


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (digits.fixed(-3.25, 1), "−3.2"),
        (digits.fixed(-0.04, 1), "0.0"),
        (digits.fixed(1234567.891, 1, signed=True), "+1,234,567.9"),
        (digits.percent(0.0744, 1, signed=True), "+7.4\u202f%"),
        (digits.interval(-0.019, 0.064, 1, scale=100), "−1.9 … +6.4"),
        (digits.interval(None, None, 1), "unbounded"),
        (digits.interval(0.1, None, 1), "+0.1 … unbounded above"),
        (digits.p_value(0.00156), "0.0016"),
        (digits.p_value(0.31), "0.31"),
        (digits.p_value(1e-9), "< 0.0001"),
        (digits.p_value(1.0), "> 0.9999"),
        (digits.p_value(None), "–"),
        (digits.significant(0), "0"),
        (digits.significant(1234.5), "1,234"),
        (digits.significant(math.nan), "not a number"),
        (digits.share_text(0.025), "2.5\u202f%"),
        (digits.whole(40_000), "40,000"),
    ],
)
def test_numbers_as_they_are_shown(text, expected):
    assert text == expected
