"""Page one: the facts of the run, what differs by slice, money only for what is shown, and the page as a picture."""

import json

import pytest

from tests.memo.making import PLAN, decided, summary_of
from xpbench.memo.content.further_sections import segment_pictures, time_pictures
from xpbench.memo.names import variant_labels


@pytest.fixture(scope="module")
def memo(tmp_path_factory):
    first = {**PLAN["metrics"][0], "currency": "EUR", "worth": 40}
    plan = {
        **PLAN,
        "metrics": [first, *PLAN["metrics"][1:]],
        "audience": "visitors in Germany",
        "links": [{"title": "Ticket", "url": "https://example.com/GROW-1"}],
        "planning": {"baselines": {"quote_started": 0.121}},
    }
    return decided(tmp_path_factory.mktemp("one"), plan=plan).memo()


def test_page_one_names_the_run(memo):
    run = memo.payload["page"]["cells"]["run"]
    assert (run["dates"], run["days"]) == ("2026-09-07 to 2026-09-27", "21 days")
    assert run["audience"] == "visitors in Germany"
    assert run["links"] == [{"title": "Ticket", "url": "https://example.com/GROW-1"}]
    assert "EUR a month" in run["money"]
    assert run["planned"][0]["planned"] == "+5\u202f%"
    assert "if its hypothesis holds" in run["power"]
    assert '<a href="https://example.com/GROW-1"' in memo.html


def test_an_address_that_is_no_web_page_is_no_link(memo):
    from xpbench.memo.content import content

    payload = json.loads(json.dumps(memo.payload))
    payload["readout"]["plan"]["links"] = [{"title": "x", "url": "javascript:alert(1)"}]
    payload["readout"]["plan"]["variants"][0]["picture"] = "https://example.com/x.png"
    run = content(payload)["run"]
    assert run["links"] == []
    assert not run["pictures"]


def test_what_is_not_shown_is_worth_nothing(tmp_path):
    plan = {**PLAN, "metrics": [{**PLAN["metrics"][0], "currency": "EUR", "worth": 40}, *PLAN["metrics"][1:]]}
    memo = decided(tmp_path, plan=plan, summary=summary_of(lift=0.0)).memo()
    assert memo.payload["readout"]["rows"][0]["verdict"] == "unclear"
    assert memo.payload["page"]["cells"]["run"]["money"] == ""


def test_a_guardrail_that_differs_by_segment_is_drawn(memo):
    readout = json.loads(json.dumps(memo.payload["readout"]))
    plan, labels = readout["plan"], variant_labels(readout["plan"])
    assert not segment_pictures(readout, plan, labels)
    readout["segments"][0]["interaction"]["transfer_out:beta"] = 0.003
    pictures = segment_pictures(readout, plan, labels)
    assert len(pictures) == 1
    assert all(name in pictures[0] for name in ("web", "ios", "android", "0.0030"))
    points = [{"x": i, "label": f"day {i}", "effect": 0.01 * i, "se": 0.004, "n": 100} for i in range(5)]
    readout["novelty"] = [{"metric": "transfer_out", "variant": "beta", "axis": "age", "word": "growing", "points": points}]
    assert "Transfer out by days since exposure" in time_pictures(readout, plan, labels)[0]


def test_the_first_page_is_a_picture(memo, tmp_path):
    data = memo.save(tmp_path / "memo.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") == 2040
    from xpbench.memo.picture import svg, wrapped

    drawn = svg(memo.payload)
    assert "Ship beta" in drawn
    assert memo.payload["page"]["cells"]["run"]["dates"] in drawn
    assert "var(--" not in drawn
    assert wrapped("aa bb ccc", 5) == ["aa bb", "ccc"]
    assert wrapped("abcdefgh", 3) == ["abc", "def", "gh"]
