"""Canonical bytes: the RFC's own examples, and refusal of what JSON can't say."""

from __future__ import annotations

import math

import pytest

from xpbench.canonical import canonical_bytes, digest, strict_loads
from xpbench.errors import InputError


def test_example_of_the_standard() -> None:
    value = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 1e-27],
        "string": '€$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    expected = (
        '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )
    assert canonical_bytes(value).decode() == expected  # RFC 8785, 3.2.2 to 3.2.4


def test_digest_is_pinned() -> None:
    assert digest({"b": 1, "a": [1.0, "ä"]}) == digest({"a": [1, "ä"], "b": 1})
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**60, {1: 2}, {"a": object()}, "\ud800"])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(InputError):
        canonical_bytes(value)


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', "[NaN]", "[" * 40 + "]" * 40, "[Infinity]", "{"])
def test_ambiguous_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        strict_loads(text)


def test_brackets_in_strings_are_no_levels() -> None:
    assert strict_loads('["' + "[" * 100 + '\\""]') == ["[" * 100 + '"']
