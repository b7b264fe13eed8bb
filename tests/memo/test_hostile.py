"""Hostile text in every field of a memo, on the page and in Markdown: no execution, no request, no markup."""

import json
import os
import re
from html.parser import HTMLParser

import pytest

from tests.memo.hostile import FIELDS, PAYLOADS, infected
from xpbench.memo.markdown import escaped, markdown
from xpbench.memo.pdf import browser
from xpbench.memo.render import page
from xpbench.verifier import parsed_page


def test_there_are_enough_of_them():
    assert len(PAYLOADS) >= 60
    assert len(FIELDS) >= 25


class Tags(HTMLParser):
    """Every tag with its attributes' names, in order."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, tuple(sorted(a for a, _ in attrs))))

    handle_startendtag = handle_starttag


def tags(document):
    parser = Tags()
    parser.feed(document)
    return parser.found


@pytest.fixture(scope="module")
def payload(shipped):
    return json.loads(json.dumps(shipped.memo().payload))


def test_text_adds_no_tag_and_no_attribute(payload):
    plain = tags(page(infected(payload, "x")))
    for text in PAYLOADS:
        found = tags(page(infected(payload, text)))
        extra = [t for t in found if t not in plain and t[0] != "title"]
        assert extra == [], text[:60]
        assert [t for t in found if t[0] in ("script", "style", "meta", "iframe", "img", "a")] == [
            t for t in plain if t[0] in ("script", "style", "meta", "iframe", "img", "a")
        ]


def test_the_page_loads_nothing_and_runs_nothing(shipped):
    document = shipped.memo().html
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in document
    assert not re.search(r"\b(src|href)=", document.split("</style>")[1].split('<script type="application/json"')[0])
    assert set(re.findall(r"<script[^>]*>", document)) == {
        '<script type="application/json" id="xpbench-payload">',
        '<script type="application/json" id="xpbench-seal">',
    }
    assert "http://" not in document.replace("http://www.w3.org/2000/svg", "")


TOGETHER = [" ".join(PAYLOADS[i::8]) for i in range(8)]
RUNS = {"together": TOGETHER, **({"one by one": PAYLOADS} if os.environ.get("XPBENCH_FULL") else {})}
"""One by one takes minutes: with XPBENCH_FULL=1."""


@pytest.mark.browser
@pytest.mark.skipif(browser() is None, reason="needs Chromium")
@pytest.mark.parametrize("texts", list(RUNS.values()), ids=list(RUNS))
def test_a_real_browser_runs_nothing_and_asks_for_nothing(payload, tmp_path, texts):
    """With the page's policy, and without it: escaping alone has to hold."""
    from playwright.sync_api import sync_playwright

    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    requests, dialogs = [], []
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        tab = chromium.new_page()
        tab.on("request", lambda r: requests.append(r.url) if not r.url.startswith("file:") else None)
        tab.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
        file = tmp_path / "memo.html"
        for i, text in enumerate(texts):
            document = page(infected(payload, text))
            for version in (policy.sub("", document), document)[: 1 + (i % 8 == 0)]:
                file.write_text(version, encoding="utf-8", newline="")
                tab.goto(file.as_uri(), timeout=90_000)
                tab.keyboard.press("Tab")
                assert tab.get_attribute("html", "data-pwned") is None, text[:80]
                assert tab.url == file.as_uri()
                assert tab.evaluate("document.scripts.length") == 2
        chromium.close()
    assert (requests, dialogs) == ([], [])


@pytest.mark.browser
@pytest.mark.skipif(browser() is None, reason="needs Chromium")
def test_a_browser_would_run_it_if_it_were_not_escaped(tmp_path):
    """The marker works: the same text, put into a page as markup, is seen."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        tab = chromium.new_page()
        file = tmp_path / "open.html"
        file.write_text(f"<!DOCTYPE html><html><body>{PAYLOADS[0]}</body></html>", encoding="utf-8")
        tab.goto(file.as_uri())
        assert tab.get_attribute("html", "data-pwned") == "1"
        chromium.close()


def test_text_survives_where_it_is_shown(payload):
    text = "a <b> & \"c\" 'd' `e` ü 日本 عربي"
    assert text in " ".join(parsed_page(page(infected(payload, text))).text)


@pytest.mark.browser
@pytest.mark.skipif(browser() is None, reason="needs Chromium")
def test_a_name_of_ten_thousand_letters_does_not_widen_the_page(payload, tmp_path):
    from playwright.sync_api import sync_playwright

    file = tmp_path / "memo.html"
    long = infected(payload, "x") | {"decision": {**payload["decision"], "because": "W" * 10_000}}
    file.write_text(page(long), encoding="utf-8", newline="")
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        tab = chromium.new_page()
        tab.goto(file.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        chromium.close()


def test_very_long_names_stay_in_their_place(payload):
    document = page(infected(payload, "W" * 10_000))
    charts = "".join(re.findall(r"<svg.*?</svg>", document, re.DOTALL))
    assert "W" * 50 not in re.sub(r"<(title|desc)[^>]*>.*?</\1>", "", charts)


@pytest.mark.parametrize("text", PAYLOADS, ids=range(len(PAYLOADS)))
def test_markdown_stays_text(text):
    out = escaped(text)
    assert "\n" not in out
    assert not re.search(r"(?<!\\)[`*_\[\]|]", out)
    assert "<" not in out
    assert ">" not in out
    assert not re.search(r"(?i)(https?|ftp|mailto)\\?:|www\\?\.|javascript:", out), "an address could be clicked"


def test_markdown_of_a_memo_has_one_row_for_each_metric(payload):
    for text in ("a|b\nc|d", "|" * 50, "x\r\n|---|\n"):
        rows = [line for line in markdown(infected(payload, text)).splitlines() if line.startswith("|")]
        assert len(rows) == 2 + len(payload["readout"]["rows"])
        assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
