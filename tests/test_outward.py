"""The guards themselves: what they give is only shown, and is still recognisable."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import unicodedata
from html.parser import HTMLParser

import pandas as pd
import pytest

from xpbench import outward

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "＋1", "－1", "＠x", "\u00a0=1")
PLAIN = ("a=1", "1", "x@example.org", "", "_", "'=1", "−1")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_a_sheet_is_computed(text: str) -> None:
    assert outward.is_formula(text)
    guarded = outward.cell(text)
    assert not outward.is_formula(guarded)
    assert guarded.endswith(text)


@pytest.mark.parametrize("text", PLAIN)
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert outward.cell(text) == text


def test_what_is_no_text_is_no_formula() -> None:
    assert outward.cell(-1.5) == -1.5
    assert outward.cell(None) == ""
    assert outward.cell(float("nan")) == ""


def test_a_csv_holds_its_cells_and_headings() -> None:
    text = outward.csv_text(["=a", "b"], [["x,y", '"q"'], ["two\nlines", None], ["-1", -1]])
    assert list(csv.reader(io.StringIO(text))) == [["'=a", "b"], ["x,y", '"q"'], ["two\nlines", ""], ["'-1", "-1"]]
    frame = pd.DataFrame({"=n": ["@x", None], "m": [1.5, float("nan")]})
    assert list(csv.reader(io.StringIO(outward.csv_of_frame(frame)))) == [["'=n", "m"], ["'@x", "1.5"], ["", ""]]


def steering() -> list[str]:
    """Every character that steers a terminal or turns a direction."""
    kinds = {"Cc", "Cs"}
    turns = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return [chr(i) for i in range(0x110000) if unicodedata.category(chr(i)) in kinds and chr(i) not in "\n\t"] + list(turns)


def test_no_text_steers_a_terminal() -> None:
    for character in steering():
        assert outward.terminal(f"a{character}b") == "a\ufffdb"
    assert outward.terminal("zwei\n\tZeilen, שלום, 日本, ✓ 👩‍🔬") == "zwei\n\tZeilen, שלום, 日本, ✓ 👩‍🔬"


def test_json_for_a_terminal_is_the_same_json() -> None:
    value = {"a": "\x1b[2J\x9b\u202e\x7f", "b": ["שלום", "\n"]}
    text = outward.json_text(value)
    assert not {"\x1b", "\x9b", "\u202e", "\x7f"} & set(text)
    assert json.loads(text) == value


def test_one_line_is_one() -> None:
    assert outward.one_line("a\nb\x1b\u2028c\u202e") == "a·b··c·"


MARKDOWN = (
    "# head", "- item", "1. item", "> quote", "    code", "```", "~~~", "---", "| a | b |", "[a](javascript:x)", "![a](b)",
    "<b>",
    "<!-- -->", "&lt;", "https://example.org", "www.example.org", "x@example.org", "*a* _b_ ~~c~~", "a\n\n# b", "\\", "$x$",
    ":tada:", "^1", "[^1]: x", "==a==", "{.c}", "\u202ea",
)  # fmt: skip


@pytest.mark.parametrize("text", MARKDOWN)
def test_no_text_is_markup_of_markdown(text: str) -> None:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("gfm-like", {"linkify": False}).enable(["table", "strikethrough"])
    for around in ("{}", "- {}", "**{}**", "| a |\n|---|\n| {} |"):
        found = parser.parse(around.format(outward.markdown(text)))
        inside = [t for block in found for t in (block.children or [])]
        kinds = {t.type for t in inside} - {"text", "text_special", "strong_open", "strong_close"}
        assert kinds == set(), (around, kinds)
        tags = [
            t.type for t in found if t.type in ("heading_open", "hr", "fence", "code_block", "html_block", "blockquote_open")
        ]
        assert tags == []
    shown = "".join(t.content for t in parser.parseInline(outward.markdown(text))[0].children or [])
    assert [c for c in shown if c.isalnum()] == [c for c in text if c.isalnum()]


class Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said, self.tags = "", []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_data(self, data):
        self.said += data


@pytest.mark.parametrize("text", ["<script>x</script>", "\"' onclick='x", "&amp;", "</td><td>", "<!--", "]]>", "a\x00b"])
def test_no_text_is_markup_of_html(text: str) -> None:
    page = Text()
    page.feed(f"<p title=\"{outward.html(text)}\" lang='{outward.html(text)}'>{outward.html(text)}</p>")
    page.close()
    assert page.said == text
    assert page.tags == [("p", [("title", text), ("lang", text)])]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("postgres://ana:hunter2@host/db failed", "hunter2"),
        ("mysql+pymysql://ana:p%40ss:word@host:3306/db", "p%40ss"),
        ("https://token@host/path", "token@"),
        ("https://host/?a=1&api_key=hunter2&b=2", "hunter2"),
        ("https://host/?access_token=hunter2#x", "hunter2"),
        ("s3://bucket/x?X-Amz-Signature=hunter2", "hunter2"),
        ("https://host/?password=hunter2", "hunter2"),
        ("two: http://a:hunter2@b and http://c:hunter2@d", "hunter2"),
        ("https://h/?sig=hunter2&client_secret=hunter2", "hunter2"),
    ],
)
def test_no_address_carries_a_secret(text: str, secret: str) -> None:
    shown = outward.address(text)
    assert secret not in shown
    assert "***" in shown
    assert "host" in shown or "host" not in text


@pytest.mark.parametrize("text", ["https://example.org/a?b=c#d", "mail x@example.org", "a://b", "no address", "what://"])
def test_other_addresses_stay(text: str) -> None:
    assert outward.address(text) == text


def test_a_guarded_sheet_is_one_for_a_reader_as_well() -> None:
    """pandas reads back what was written, with the apostrophe in front of what would be computed."""
    cells = [*FORMULAS, "x\r=1+1", "x\n=1+1", "x\r\n=1+1"]
    back = pd.read_csv(io.StringIO(outward.csv_text(["n"], [[c] for c in cells]), newline=""), keep_default_na=False)["n"]
    assert back.tolist() == [outward.cell(c) for c in cells]


def test_the_guard_needs_the_standard_library_alone() -> None:
    code = "import sys; import xpbench.outward; print(sorted(m for m in sys.modules if m.split('.')[0] in ('pandas','numpy')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
