"""A short run of the fuzz in `benchmarks.trust`: typed errors only, bounded time and memory."""

from benchmarks.trust import fuzz, fuzz_files, limits


def test_readers_meet_damaged_text_with_typed_errors():
    assert fuzz(8_000, 11)["missed"] == []


def test_files_of_anyone_are_answered():
    assert fuzz_files(300, 12)["missed"] == []


def test_hostile_files_cost_little():
    for name, cost in limits().items():
        assert cost["memory_mb"] < 200, name
        assert cost["result"] not in ("verified", "read"), name
        assert cost["seconds"] < 5, name


def test_the_page_of_figures_is_made_from_results():
    """`python -m benchmarks.trust_page` makes it; nothing was missed in the runs it tells of."""
    from benchmarks.trust_page import PAGE, _load, page

    text = PAGE.read_text(encoding="utf-8")
    assert page(text) == text
    missed = {name: part["missed"] for name, part in _load("trust").items() if isinstance(part, dict) and "missed" in part}
    assert len(missed) >= 6
    assert [name for name, found in missed.items() if found] == []
    wrong = {name: part["wrong"] for name, part in _load("injection").items() if isinstance(part, dict) and "wrong" in part}
    assert wrong == {"append": [], "freeze": [], "memo save": []}
