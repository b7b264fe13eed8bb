"""The level beside every interval of page one, and the rows that the page decides about, where there are many."""

import re

import pytest

from tests.memo.making import PLAN, decided
from xpbench.memo.content.metrics import _forest_rows, forest_plots, metric_row
from xpbench.memo.markdown import markdown
from xpbench.memo.names import variant_labels
from xpbench.verifier.said import NUMBER, trace


@pytest.fixture(scope="module")
def memo(tmp_path_factory):
    return decided(tmp_path_factory.mktemp("levels")).memo()


def test_each_interval_says_its_level_where_it_is_not_that_of_the_heading(memo):
    readout = memo.payload["readout"]
    plan = readout["plan"]
    text = [metric_row(i, r, plan, variant_labels(plan)) for i, r in enumerate(readout["rows"])]
    lines = _forest_rows(readout, ["beta"], text, "95\u202f%")
    levels = {r["metric"]: round(1 - r["alpha"], 9) for r in readout["rows"]}
    assert any(level != 0.95 for level in levels.values()), "a guardrail is read at 90 %"
    for row, line in zip(readout["rows"], lines, strict=True):
        assert line.level == ("" if levels[row["metric"]] == 0.95 else f"{100 * levels[row['metric']]:g}\u202f% interval")
    assert "interval unless named" in memo.html
    assert re.search(r">90\u202f% interval</text>", memo.html)
    assert "interval unless named" in markdown(memo.payload)


def test_the_first_page_has_the_rows_of_the_variant_that_it_decides_about(memo):
    readout = memo.payload["readout"]
    keys = [f"v{i}" for i in range(9)]
    plan = {**readout["plan"], "variants": [PLAN["variants"][0], *({"key": k, "split": 0.05} for k in keys)]}
    rows = [{**r, "variant": k} for r in readout["rows"] for k in keys]
    payload = {**memo.payload, "readout": {**readout, "plan": plan, "rows": rows}}
    payload["decision"] = {**memo.payload["decision"], "variant": "v8"}
    labels = variant_labels(plan)
    text = [metric_row(i, r, plan, labels) for i, r in enumerate(rows)]
    forest = forest_plots(payload, text, labels, hidden=False)
    shown = {int(i) for i in re.findall(r'data-x="forest\.(\d+)\.shown"', forest["forest"])}
    wanted = {i for i, r in enumerate(rows) if r["variant"] == "v8" and r["role"] == "primary"}
    assert wanted <= shown
    assert "v8 before others" in str(forest["forest_note"])


def test_every_number_of_the_voice_of_a_cv_is_in_the_memo_and_no_other_is(memo):
    lines = memo.sentences("cv")
    assert 2 <= len(lines) <= 5
    assert "A/B test of" in lines[0]
    text, cells = " ".join(lines), memo.payload["page"]["cells"]
    found = trace(text, cells)
    assert len(found) >= 5
    assert [t for t in found if not t.ok] == []
    for number in NUMBER.finditer(text):
        for i in (i for i in range(*number.span()) if text[i].isdigit()):
            changed = text[:i] + str((int(text[i]) + 5) % 10) + text[i + 1 :]
            assert any(not t.ok for t in trace(changed, cells)), changed
