import pytest

from scripts.make_speed import PAGES, TABLE, made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tables_are_those_of_the_results_on_record(page) -> None:
    text = page.read_text("utf-8")
    assert TABLE.search(text)
    assert made(text) == text, "python scripts/make_speed.py"
