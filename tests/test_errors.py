"""Messages have four parts, stay on one line, survive pickling and never carry control characters."""

from __future__ import annotations

import pickle  # noqa: TID251 - what a process pool does with an error; our own bytes
import string

import pytest

from xpbench.errors import CATALOGUE, DataError, InputError, InvalidPlan, Problem, nearest, number_of, plain, shown
from xpbench.errors.wording import place


@pytest.mark.parametrize("code", sorted(CATALOGUE))
def test_every_message_can_be_filled(code: str) -> None:
    message = CATALOGUE[code]
    names = {name for part in message for _, name, _, _ in string.Formatter().parse(part) if name}
    error = InputError(code, **dict.fromkeys(names, "value"))
    assert str(error).endswith(f"[{code}]")
    assert error.what
    assert error.remedy


@pytest.mark.parametrize("text", ["a\nb", "a\u202eb", "\x1b[31m", "x" * 10_000, "</script>\u2028"])
def test_shown_text_is_one_short_line(text: str) -> None:
    out = shown(text)
    assert len(out) <= 120
    assert not any(c in out for c in "\n\u202e\x1b\u2028")


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(InputError("XPB-I01", path="a\nb")))  # noqa: S301
    assert str(error) == str(InputError("XPB-I01", path="a\nb"))
    invalid = pickle.loads(pickle.dumps(InvalidPlan([Problem.of("XPB-P19", "/horizon")])))  # noqa: S301
    assert invalid.problems[0].pointer == "/horizon"


def test_counts_stand_in_singular_and_plural() -> None:
    assert [number_of(n, "unit") for n in (0, 1, 2, 1_200)] == ["0 units", "1 unit", "2 units", "1,200 units"]
    assert [number_of(n, "unit is", "units are") for n in (1, 2)] == ["1 unit is", "2 units are"]


def test_nearest_names_the_likely_one() -> None:
    assert nearest("windw_days", ["window_days", "kind"]) == "Did you mean 'window_days'?"
    assert nearest("zzz", ["b", "a"]) == "Known: a, b"


def test_a_hint_is_a_sentence_of_its_own_where_more_follows() -> None:
    error = DataError("XPB-D37", event="exposed", hint=plain(nearest("exposed", ["order", "view"])))
    assert "Known: order, view. Or name" in str(error)
    error = DataError("XPB-D37", event="exposed", hint=plain(nearest("exposed", ["expose", "view"])))
    assert "Did you mean 'expose'? Or name" in str(error)


@pytest.mark.parametrize(
    ("pointer", "words"),
    [
        ("/metrics/0/column", "metrics[0].column"),
        ("/metrics/[quotes]/margin", "metrics[quotes].margin"),
        ("/hypothesis/if", "hypothesis.if"),
        ("/x/a~1b", "x.a/b"),
        ("", "the plan"),
        ("not a pointer", "not a pointer"),
    ],
)
def test_a_field_is_named_as_a_reader_writes_it(pointer: str, words: str) -> None:
    assert place(pointer) == words


def test_a_problem_names_its_field_once() -> None:
    empty = Problem.of("XPB-P06", "/hypothesis/if", why=plain("A hypothesis says what changes"), remedy=plain("Say it"))
    assert empty.placed == str(empty) == "hypothesis.if is empty. A hypothesis says what changes. Say it. [XPB-P06]"
    assert empty.pointer == "/hypothesis/if"  # what programs read stays a JSON pointer
