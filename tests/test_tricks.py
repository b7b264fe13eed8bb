"""One dishonest analyst a trick: the reader sees it. The full bench is `python -m benchmarks.tricks`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.tricks import PAGE, TRICKS, UNDETECTABLE, analyst, honest, run, seen


@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_changes_the_headline(tmp_path: Path, name: str) -> None:
    is_seen, words = seen(TRICKS[name][0], analyst(7, tmp_path))
    assert is_seen, words


@pytest.mark.parametrize("seed", [0, 2, 5])
def test_an_honest_life_gets_a_plain_headline(tmp_path: Path, seed: int) -> None:
    """A bench that finds a trick in everything would be worth nothing."""
    is_seen, words = seen(honest, analyst(100_000 + seed, tmp_path))
    assert not is_seen, words


@pytest.mark.full
def test_many_analysts() -> None:
    assert run(210, seed=3)["missed"] == []


def test_the_page_lists_every_trick() -> None:
    text = PAGE.read_text("utf-8")
    for _, words in TRICKS.values():
        assert f"| {words} |" in text
    for trick, _ in UNDETECTABLE:
        assert trick in text
