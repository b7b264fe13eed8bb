"""Fields that hold one value."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xpbench.errors import Problem
from xpbench.forms.field import MISSING
from xpbench.forms.inputs import (
    ChoiceLeaf,
    JsonLeaf,
    MappingLeaf,
    NumberLeaf,
    ScalarLeaf,
    TextLeaf,
    TickLeaf,
    WordsLeaf,
    format_number,
    parse_number,
)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("40000", 40000), ("40,000", 40000), ("40 000", 40000), ("1,234,567.5", 1234567.5), ("0.05", 0.05), ("5 %", 0.05),
        ("7%", 0.07), ("0.1 %", 0.001), ("−3", -3), ("1e-3", 0.001), ("2.0", 2.0),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_type_them(typed: str, expected: float) -> None:
    assert parse_number(typed) == expected


@pytest.mark.parametrize("typed", ["0,05", "many", "nan", "inf", "1e999", "1,2,3", "5 %%", "12_34", "0x10"])
def test_what_is_no_number_stays_text_so_that_the_rules_can_say_so(typed: str) -> None:
    assert parse_number(typed) == typed


@given(st.integers(-(2**52), 2**52) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_shown_reads_back_as_itself(value: float) -> None:
    assert parse_number(format_number(value)) == value


def test_percent_is_exact() -> None:
    for i in range(1000):
        assert parse_number(f"{i / 10} %") == float(f"{i}e-3")


def test_whole_numbers_are_integers() -> None:
    field = NumberLeaf("Units", whole=True)
    field.control.value = "4e4"
    assert field.get() == 40000
    assert isinstance(field.get(), int)


def test_an_empty_number_is_left_out() -> None:
    assert NumberLeaf("Units").get() is MISSING


@given(st.text(max_size=40) | st.booleans() | st.integers(-100, 100) | st.lists(st.text(max_size=5), min_size=1, max_size=3))
def test_filter_values_keep_their_type(value: object) -> None:
    field = ScalarLeaf("Value")
    field.set(value)
    assert field.get() == value
    assert type(field.get()) is type(value)


def test_text_that_looks_like_a_number_is_quoted() -> None:
    field = ScalarLeaf("Value")
    field.set("5")
    assert field.control.value == '"5"'
    assert field.get() == "5"


def test_choice_shows_an_unknown_value_instead_of_losing_it() -> None:
    field = ChoiceLeaf("Hash", ["sha256", "mixpanel"], default="sha256")
    field.set("md5")
    assert field.get() == "md5"
    assert any(label.startswith("unknown") for label, _ in field.control.options)


def test_choice_without_default_is_missing_until_chosen() -> None:
    assert ChoiceLeaf("Role", ["primary"]).get() is MISSING


def test_words_and_numbers() -> None:
    words = WordsLeaf("Segments")
    words.control.value = "platform, country\nplan"
    assert words.get() == ["platform", "country", "plan"]
    codes = WordsLeaf("Codes", numbers=True, optional=True)
    assert codes.get() is MISSING
    codes.control.value = "[]"
    assert codes.get() == []
    codes.control.value = "-999, -998"
    assert codes.get() == [-999, -998]


def test_mapping_lines() -> None:
    field = MappingLeaf("Baselines", numbers=True)
    field.control.value = "quote_started = 12 %\n\norders=3"
    assert field.get() == {"quote_started": 0.12, "orders": 3}
    field.set({"a=b": 1})
    assert field.get() == {"a=b": 1}


def test_json_keeps_broken_text() -> None:
    field = JsonLeaf("Rule")
    field.control.value = '{"==": [1'
    assert field.get() == '{"==": [1'
    field.set({"==": [1, 1]})
    assert json.loads(field.control.value) == {"==": [1, 1]}


def test_set_is_silent_and_typing_is_not() -> None:
    field = TextLeaf("Title")
    heard: list[int] = []
    field.on_change(lambda: heard.append(1))
    field.set("quiet")
    assert heard == []
    field.control.value = "loud"
    assert heard == [1]


def test_problem_is_shown_escaped_beside_the_field_and_cleared() -> None:
    field = TextLeaf("Title", about="Help & more")
    problem = Problem("/title", "XPB-P06", "<b>x</b> is bad", "Rule", "Fix it")
    field.show([((), problem)])
    assert "&lt;b&gt;x&lt;/b&gt; is bad" in field.note.value
    assert "XPB-P06" in field.note.value
    assert "xp-wrong" in field.widget._dom_classes
    field.show([])
    assert "XPB-P06" not in field.note.value
    assert "Help &amp; more" in field.note.value
    assert "xp-wrong" not in field.widget._dom_classes


def test_every_control_has_a_name() -> None:
    for field in (TextLeaf("A"), NumberLeaf("B"), TickLeaf("C"), ChoiceLeaf("D", ["x"]), WordsLeaf("E"), MappingLeaf("F")):
        assert field.control.description
        assert field.control.description_allow_html is False
