"""The same row reads the same in the readout, its HTML, charts, tables and the memo."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from tests.memo.making import decided
from xpbench import views
from xpbench.memo.content import content
from xpbench.wording import rows as texts
from xpbench.wording.numbers import p_value, units_word
from xpbench.wording.verdicts import mark_of, word_of


def test_every_surface_says_lift_interval_p_and_verdict_of_a_row_alike(tmp_path: Path) -> None:
    experiment = decided(tmp_path)
    memo = experiment.memo()
    readout = memo.payload["readout"]
    page = {(r["metric"], r["variant"]): r for r in content(memo.payload)["rows"]}
    from xpbench.decide.readout import Readout

    shown = Readout.from_dict(readout)
    lines, html = repr(shown), unescape(re.sub(r"<[^>]+>", "|", shown._repr_html_()))
    forest = {r["metric"]: r for r in views.forest(shown).table.rows}
    table = {r["metric"]: r for r in views.variant_table(shown).table.rows if r["variant"] != "control"}
    assert len(readout["rows"]) >= 5
    for row in readout["rows"]:
        lift, word, mark, p = texts.lift_said(row), word_of(row), mark_of(row)[0], p_value(row["p_value"])
        assert f"{mark} {row['role']:<9} {row['metric']} [{row['variant']}] {lift}" in lines
        assert f"|{texts.lift_text(row)}|" in html
        assert f"|{texts.lift_interval(row)}|" in html
        assert f"|{mark} {word}|" in html
        chart = forest[row["metric"]]
        assert (chart["lift_text"], chart["verdict_text"], chart["mark"]) == (lift, word, mark)
        assert (chart["control_text"], chart["mean_text"]) == texts.means(row)
        line = table[row["label"]]
        assert (line["lift_text"], line["verdict"], line["mark"]) == (lift, word, mark)
        on_page = page[row["metric"], row["variant"]]
        assert f"{on_page['lift']} ({on_page['lift_interval']})" == lift
        assert (on_page["word"], on_page["mark"], on_page["p"]) == (word, mark, p)
        assert (on_page["control"], on_page["treatment"]) == texts.means(row)


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("user", "users"), ("user_id", "users"), ("$device_id", "devices"), ("distinct_id", "users"), ("policy", "policies"),
        ("box", "boxes"), ("id", "units"), ("x y", "units"), ("users", "units"), ("<b>", "units"), ("a" * 40, "units"),
    ],
)  # fmt: skip
def test_units_have_the_name_of_the_plan_in_the_plural(unit: str, said: str) -> None:
    assert units_word(unit) == said
