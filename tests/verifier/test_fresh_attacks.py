"""Attacks thought of one by one, as somebody would who wants another number read: none passes, sealed anew or not.

Each takes the page of a true memo and gives another file. Inside of the page nothing may be changed; around it nothing may run,
cover, hide, fetch or turn what is inside.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import xpbench as xp
from benchmarks import forger
from benchmarks.forger import remade, resealed
from tests.memo.making import PLAN, decided
from xpbench import verifier as v
from xpbench.memo.render import page


@pytest.fixture(scope="module")
def memo(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return decided(tmp_path_factory.mktemp("fresh"), plan=PLAN).memo()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return forger.one_file(tmp_path_factory.mktemp("single"))


def style(rule: str) -> Callable[[str], str]:
    return lambda text: text.replace("</style>", f"{rule}</style>", 1)


def into(addition: str, anchor: str = "<main>\n") -> Callable[[str], str]:
    return lambda text: text.replace(anchor, anchor + addition, 1)


def before(addition: str, anchor: str = "<body>\n") -> Callable[[str], str]:
    return lambda text: text.replace(anchor, anchor + addition, 1)


def number(change: Callable[[str], str]) -> Callable[[str], str]:
    """Change the first lift of the table that has a sign and a share."""

    def forged(text: str) -> str:
        at = text.index("<main>")
        found = re.compile(r">([+−][0-9.]+\u202f%)").search(text, at)
        assert found is not None
        return text[: found.start(1)] + change(found[1]) + text[found.end(1) :]

    return forged


def digits(start: int) -> Callable[[str], str]:
    return number(lambda t: "".join(chr(start + int(c)) if c.isdigit() else c for c in t))


PAGE: dict[str, Callable[[str], str]] = {
    "a number by a pseudo element": style("[data-x=headline]::before{content:'+84 %'}"),
    "numbers by a counter": style("main{counter-reset:x 84}td::after{counter-increment:x;content:counter(x)}"),
    "content that takes the place of text": style("[data-x=headline]{content:'Ship it'}"),
    "a font that draws digits as others": style(
        "@font-face{font-family:o;src:url(data:font/woff2;base64,AAAA);unicode-range:U+30-39}td{font-family:o}"
    ),
    "a font of the machine that has other digits": style("td{font-family:'Wingdings'}"),
    "digits of old style": style("td{font-feature-settings:'zero','onum'}"),
    "a row that only paper shows": style("@media print{tr:nth-child(2){display:none}}"),
    "a row that only a screen shows": style("@media screen{tr:nth-child(2){visibility:collapse}}"),
    "rows in another order": style("tbody{display:flex;flex-direction:column-reverse}"),
    "a text in the colour of the paper": style("td{color:transparent}"),
    "a text of size nought": style("p{font-size:0}"),
    "text turned by a style": style("td{direction:rtl;unicode-bidi:bidi-override}"),
    "letters in another case": style("h1{text-transform:uppercase}"),
    "a list that counts otherwise": style("@counter-style x{system:fixed;symbols:'9' '8'}li{list-style:x}"),
    "an address in a style": style("main{background:url(data:image/gif;base64,R0lGODlhAQABAAAAACw=)}"),
    "an imported style": style("@import 'data:text/css,td{display:none}';"),
    "a text of SVG over a chart": into('<svg class="fig"><text x="9" y="9">+84 %</text></svg>'),
    "HTML in SVG": into("<svg><foreignObject width='99' height='99'><p>+84 %</p></foreignObject></svg>"),
    "a use of another picture": into("<svg><use href='data:image/svg+xml,x'/></svg>"),
    "a formula of MathML": into("<math><mn>84</mn><mo>%</mo></math>"),
    "an image of other numbers": into('<img alt="+84 %" src="data:image/png;base64,iVBORw0KGgo=">'),
    "a frame with a page of its own": into("<iframe srcdoc='<h1>Ship</h1>'></iframe>"),
    "what shows without scripts": into("<noscript><p>+84 %</p></noscript>"),
    "a shadow tree": into("<div><template shadowrootmode='open'><p>+84 %</p></template></div>"),
    "a text of ruby": into("<ruby>3<rt>84</rt></ruby>"),
    "an area that swallows the page": into("<textarea>"),
    "a title that swallows the page": into("<title>"),
    "a frameset": into("<frameset>"),
    "a closed fold": into("<details><summary>+84 %</summary>", "<main>\n"),
    "a fold opened": lambda t: t.replace("<details", '<details open=""', 1) if "<details" in t else into("<details open>")(t),
    "an editable page": lambda t: t.replace("<main>", '<main contenteditable="true">', 1),
    "a page that reads from the right": lambda t: t.replace('<html lang="en">', '<html lang="en" dir="rtl">', 1),
    "a page in another language": lambda t: t.replace('<html lang="en">', '<html lang="ar">', 1),
    "another charset": lambda t: t.replace('<meta charset="utf-8">', '<meta charset="utf-7">', 1),
    "no doctype": lambda t: t.removeprefix("<!DOCTYPE html>\n"),
    "a base": lambda t: t.replace("<head>\n", '<head>\n<base href="https://example.org/">\n', 1),
    "a refresh": lambda t: t.replace("</head>", '<meta http-equiv="refresh" content="1;url=data:text/html,x"></head>', 1),
    "a stylesheet": lambda t: t.replace("</head>", '<link rel="stylesheet" href="data:text/css,td{display:none}"></head>', 1),
    "a policy that allows more": lambda t: t.replace("default-src 'none'", "default-src *", 1),
    "digits of full width": digits(0xFF10),
    "digits of Arabic": digits(0x0660),
    "bold digits of mathematics": digits(0x1D7CE),
    "zero-width signs between digits": number(lambda t: "\u200b".join(t)),
    "a joiner in a number": number(lambda t: t[:2] + "\u2060" + t[2:]),
    "a soft hyphen in a number": number(lambda t: t[:2] + "\u00ad" + t[2:]),
    "a number struck through": number(lambda t: "".join(c + "\u0336" for c in t)),
    "a number turned round": number(lambda t: "\u202e" + t[::-1] + "\u202c"),
    "a number isolated": number(lambda t: "\u2066" + t + "\u2069"),
    "another minus": number(lambda t: t.replace("−", "-").replace("+", "＋")),
    "no sign": number(lambda t: t[1:]),
    "a number in entities": number(lambda t: "".join(f"&#{ord(c)};" for c in t)),
    "a number and a comment": number(lambda t: t + "<!-- 84 -->"),
    "a break in a number": number(lambda t: t[:2] + "<wbr>" + t[2:]),
    "a title on a number": lambda t: t.replace("<td", '<td title="+84 %"', 1),
    "a label for who can't see": lambda t: t.replace("<h1", '<h1 aria-label="Ship it"', 1),
    "text that only a reader aloud hears": into('<p aria-hidden="false" hidden>+84 %</p>'),
    "a table around the page": before("<table><tr><td>x</td></tr>"),
    "a form around the page": before('<form action="https://example.org">'),
    "a select around the page": before("<select><option>"),
    "a slot": before("<slot>x</slot>"),
    "a popover": before('<div popover="manual" id="a">+84 %</div>'),
    "a progress": before('<progress value="84" max="100"></progress>'),
    "a meter": before('<meter value="0.84">84 %</meter>'),
    "an output": before("<output>+84 %</output>"),
    "a mark": before("<p style='mask:none'>x</p>"),
    "a zoom": before('<div style="zoom:9">x</div>'),
    "a style in the body": before("<style>main{display:none}</style>"),
    "an end of the body": into("</body></html><p>+84 %</p>"),
}
"""Name of an attack, and the page that it makes."""


@pytest.mark.parametrize("name", PAGE)
def test_no_page_of_another_look_passes(memo: Any, alone: Any, tmp_path: Path, name: str) -> None:
    forged = PAGE[name](memo.html)
    assert forged != memo.html
    path = tmp_path / "memo.html"
    for text in (forged, resealed(forged)):
        path.write_text(text, encoding="utf-8", newline="")
        assert {xp.verify(path).exit_code, alone.verify(path, renderer=alone.PAGE).exit_code} == {1}


BYTES: dict[str, tuple[Callable[[str], bytes], set[int]]] = {
    "UTF-16": (lambda t: t.encode("utf-16"), {2}),
    "UTF-16 without a mark": (lambda t: t.encode("utf-16-le"), {2}),
    "Latin-1 of what it has": (lambda t: t.encode("latin-1", "xmlcharrefreplace"), {1, 2}),
    "a byte that is no UTF-8": (lambda t: t.encode().replace(b"<main>", b"<main>\xff", 1), {1, 2}),
    "zero bytes behind": (lambda t: t.encode() + b"\0" * 64, {1, 2, 5}),
    "two memos in one file": (lambda t: (t + t).encode(), {1, 2}),
    "a memo in a comment of another page": (lambda t: f"<h1>Ship</h1><!-- {t} -->".encode(), {1, 2}),
    "a memo in a script of another page": (lambda t: f"<h1>Ship</h1><script>/*{t}*/</script>".encode(), {1, 2}),
    "a mail that quotes a memo": (lambda t: f"Content-Type: text/html\n\n{t}".encode(), {1, 2, 5}),
    "a PDF in front": (lambda t: f"%PDF-1.7\n{t}".encode(), {1, 2, 5}),
    "a GIF in front": (lambda t: f"GIF89a/*{t}*/".encode(), {1, 2, 5}),
}


@pytest.mark.parametrize("name", BYTES)
def test_no_file_that_is_two_things_verifies_in_full(memo: Any, alone: Any, tmp_path: Path, name: str) -> None:
    make, allowed = BYTES[name]
    path = tmp_path / "memo.html"
    path.write_bytes(make(memo.html))
    assert {xp.verify(path).exit_code, alone.verify(path, renderer=alone.PAGE).exit_code} <= allowed


def deep(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def forged(payload: dict[str, Any]) -> dict[str, Any]:
        made = copy.deepcopy(payload)
        change(made)
        return made

    return forged


PAYLOAD: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], set[int]]] = {
    "a lift": (deep(lambda p: p["readout"]["rows"][0].update(lift=0.84)), {1}),
    "an older schema": (deep(lambda p: p.update(schema=1)), {1}),
    "a newer schema": (deep(lambda p: p.update(schema=3)), {3}),
    "a schema that is a text": (deep(lambda p: p.update(schema="2")), {1}),
    "another version and another lift": (
        deep(lambda p: (p["readout"]["versions"].update(xpbench="0.0.9"), p["readout"]["rows"][0].update(lift=0.84))),
        {1},
    ),
    "another template": (deep(lambda p: p["page"].update(template="ab" * 32)), {4}),
    "a cell of the page": (deep(lambda p: p["page"]["cells"]["decision"].update(headline="Ship it")), {1}),
    "older methods": (deep(lambda p: p["readout"].update(methods=1)), {1}),
    "methods of the future": (deep(lambda p: p["readout"].update(methods=99)), {1, 3}),
    "a key that nobody knows": (deep(lambda p: p["readout"].update(note="+84 %")), {1}),
    "a witness of another ledger": (deep(lambda p: p["ledger"]["witness"].update(digest="0" * 64)), {1}),
    "a decision of nobody": (deep(lambda p: p["decision"].update(by="Eva")), {1}),
}


@pytest.mark.parametrize("name", PAYLOAD)
def test_no_payload_with_a_seal_of_its_own_passes(memo: Any, alone: Any, tmp_path: Path, name: str) -> None:
    change, allowed = PAYLOAD[name]
    made = change(json.loads(json.dumps(memo.to_dict())))
    assert v.canonical(made) != v.canonical(json.loads(json.dumps(memo.to_dict())))
    path = tmp_path / "memo.html"
    own = name in ("another template", "a cell of the page")
    path.write_text(resealed(page(made)) if own else remade(made), encoding="utf-8", newline="")
    assert {xp.verify(path).exit_code, alone.verify(path, renderer=alone.PAGE).exit_code} <= allowed


def test_the_page_that_they_forge_verifies(memo: Any, alone: Any, tmp_path: Path) -> None:
    """A control: the attacks above are made of a memo that passes."""
    path = tmp_path / "memo.html"
    path.write_text(resealed(memo.html), encoding="utf-8", newline="")
    assert (xp.verify(path).exit_code, alone.verify(path, renderer=alone.PAGE).exit_code) == (0, 0)


def test_a_template_that_no_version_wrote_is_a_difference(tmp_path: Path) -> None:
    """Cut by one sign, it read as a page of another version: numbers hold, and the page was not looked at."""
    payload = json.loads(json.dumps(decided(tmp_path).memo().to_dict()))
    path = tmp_path / "cut.html"
    path.write_bytes(remade(payload, keep_page=True).encode())
    assert xp.verify(path).exit_code == 0
    payload["page"]["template"] = payload["page"]["template"][1:]
    path.write_bytes(remade(payload, keep_page=True).encode())
    report = xp.verify(path)
    assert report.exit_code == 1
    assert "page, template" in [d.part for d in report.differences]
