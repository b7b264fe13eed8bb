"""Has this been tried? The prior experiment is among the first three for nine of ten planted questions."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tests.watch.ledgers import SHIPPED, Hands, plan, shipped
from tests.watch.tried import TRIED
from xpbench.watch.past_experiments import Line, portfolio
from xpbench.watch.search import search, stem, words_of


def lines() -> list[Line]:
    """The planted experiments as lines of a portfolio."""
    return [
        Line(
            key, title, "ship", True, False, 1, 0, {}, True, "", 10.0,
            hypothesis=f"If {change}, then quote will increase, because it is easier.", learned=learned,
        )
        for key, title, change, learned, _ in TRIED
    ]  # fmt: skip


def test_the_prior_experiment_is_in_the_top_three_for_nine_of_ten_questions() -> None:
    known = lines()
    asked = [(key, question) for key, *_, questions in TRIED for question in questions]
    hits = sum(key in [f.key for f in search(known, question)] for key, question in asked)
    assert len(asked) == 100
    assert hits >= 90, hits


def test_words_lose_their_endings() -> None:
    assert len({stem(w) for w in ("price", "prices", "pricing", "priced")}) == 1
    assert len({stem(w) for w in ("stop", "stops", "stopped", "stopping")}) == 1
    assert len({stem(w) for w in ("reminder", "reminders", "remind", "reminding")}) == 1
    assert words_of("Has anyone ever tried it?") == []


def test_what_nobody_tried_is_not_found() -> None:
    assert search(lines(), "quantum entanglement of turnips") == ()
    assert search([], "anything") == ()


def test_a_portfolio_answers(tmp_path: Path) -> None:
    clock = Hands(SHIPPED - timedelta(days=1))
    shipped(tmp_path, plan("one", title="Checkout on one page"), clock=clock)
    shipped(tmp_path, plan("two", title="Dark mode"), clock=clock)
    found = portfolio(tmp_path, clock=clock)
    assert [f.key for f in found.search("has a one-page checkout been tried?")][:1] == ["one"]
    assert found.search("checkout")[0].decision == "ship"
    assert found.days_to_decision == 0.0
