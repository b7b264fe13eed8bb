"""Attacks from outside: what browsers and readers repair in ways of their own, and files that say two things at once."""

import io
import json
import os
import shutil
import zipfile

import pytest

import xpbench as xp
from benchmarks import forger
from benchmarks.forger import refitted, remade, resealed
from tests.memo.making import PLAN, decided, summary_of
from xpbench import verifier as v
from xpbench.memo.render import page
from xpbench.verifier import boundaries
from xpbench.verifier.file import decoded


@pytest.fixture(scope="module")
def text(shipped):
    return shipped.memo().html


@pytest.fixture(scope="module")
def payload(shipped):
    return json.loads(json.dumps(shipped.memo().to_dict()))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The one file, as a module."""
    return forger.one_file(tmp_path_factory.mktemp("single"))


@pytest.fixture
def codes(tmp_path, alone):
    """Exit codes of the package and of the one file on these bytes."""

    def ask(data, name="memo.html", **extra):
        path = tmp_path / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return {xp.verify(path, **extra).exit_code, alone.verify(path, renderer=alone.PAGE, **extra).exit_code}

    return ask


def around(text, addition):
    return text.replace("<body>\n", f"<body>\n{addition}", 1)


HIDES = {
    "an element that only Python takes as closed": '<div style="margin-left:900em"/>',
    "a void slash on a font": '<font color="white" size="1"/>',
    "an end tag that only Python takes as one": '<div style="margin-left:900em">x</ div>',
    "a comment that only Python takes as closed": "<p>Ship none</p><!-- -- >",
    "a comment that a browser closes at once": "<!--><div style='margin-left:900em'>-->",
    "a comment that a browser closes later": "<!--x--!><table>-->",
    "a comment in a comment": "<!-- <!-- -->",
    "a negative margin without a zero": '<div style="margin:0 0 -.9e4px 0">Ship none</div>',
    "a negative margin behind a comment": '<div style="margin:0/**/-9000px">Ship none</div>',
    "a negative margin in capitals": '<DIV STYLE="MARGIN:0 0 -900PX 0">Ship none</DIV>',
    "a negative margin in an entity": '<div style="margin:0 0 &#45;900px 0">Ship none</div>',
    "important": '<div style="color:#fff!important">x</div>',
    "position": '<div style="position:fixed">Ship none</div>',
    "a float": '<div style="float:left;width:100%">Ship none</div>',
    "opacity": '<div style="opacity:0">x</div>',
    "transform": '<div style="transform:scale(9)">x</div>',
    "a function": '<div style="width:calc(100%)">x</div>',
    "an escape in a style": '<div style="posit\\69on:fixed">x</div>',
    "a variable": '<div style="color:var(--paper)">x</div>',
    "a class": '<div class="worse">x</div>',
    "an id": '<div id="x">x</div>',
    "hidden": "<div hidden>x</div>",
    "an attribute without a value": "<div hidden",
    "inert": "<div inert>x</div>",
    "content of a pseudo element": "<style>main::before{content:'Ship none'}</style>",
    "text of SVG": "<svg><text y='20'>Ship none</text></svg>",
    "MathML": "<math><mtext>Ship none</mtext></math>",
    "a template": "<template><p>x</p></template>",
    "plain text": "<plaintext>",
    "an old listing": "<xmp>",
    "frames": "<noframes>",
    "CDATA": "<![CDATA[ x ]]>",
    "a processing instruction": "<?xml-stylesheet href='data:text/css,main{display:none}'?>",
    "a second declaration": "<!DOCTYPE html>",
    "base": '<base href="https://example.org/">',
    "refresh": '<meta http-equiv="refresh" content="0;url=https://example.org">',
    "a second policy": '<meta http-equiv="Content-Security-Policy" content="style-src \'none\'">',
    "an image in the page": '<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">',
    "a font": "<style>@font-face{font-family:x;src:url(data:font/woff2;base64,AA)}*{font-family:x}</style>",
    "a link of script": '<a href="java&#115;cript:alert(1)">x</a>',
    "a link of data": '<a href="data:text/html,x">x</a>',
    "a link in an unquoted address": "<a href=https://example.org/x>x</a>",
    "a quote that does not end": '<p style="color:red>x</p>',
    "two styles": '<p style="color:red" style="position:fixed">x</p>',
    "a tag across lines": '<div\nonclick="x()">x</div>',
    "an end without a start": "</main><p>Ship none</p>",
    "a row that closes a cell": "<table><tr><td>x</table>",
    "misnested": "<b><p>x</b></p>",
    "a zero byte": "<p>\0x</p>",
    "a body with a colour": '<body bgcolor="white">',
    "a list": "<ul><li>x</li></ul>",
    "details": "<details><summary>x</summary></details>",
    "a dialog": "<dialog open>Ship none</dialog>",
    "a button that opens it": '<button popovertarget="x">x</button><div popover id="x">Ship none</div>',
    "a select": "<select><option>Ship none</option></select>",
    "a video": '<video poster="data:image/gif;base64,R0lGODlhAQABAAAAACw="></video>',
    "an embedded page": '<embed src="data:text/html,x">',
}
BANNERS = (
    "<p>External mail. Think before you click.</p>",
    '<div style="background-color:#ffeb9c;padding:4px;font-size:12px"><b>CAUTION:</b> from outside</div>\n<br>\n',
    "<!--[if mso]><table><![endif]--><table border='0'><tr><td style='color:#9c6500'>x &amp; y</td></tr></table>",
    '<a href="https://example.org/report?id=1&amp;x=2">Report this mail</a>',
    "<hr/><br/>Text alone",
)


@pytest.mark.parametrize("name", HIDES)
def test_what_a_browser_reads_in_another_way_is_no_banner(text, name):
    places = (around(text, HIDES[name]), text.replace("</main>\n", f"</main>\n{HIDES[name]}", 1), HIDES[name] + text)
    for forged in places:
        assert "markup around the page" in {d.part for d in decoded(forged.encode())[1]}


@pytest.mark.parametrize("name", list(HIDES)[:4])
def test_what_hides_the_page_makes_it_differ(text, codes, name):
    assert codes(around(text, HIDES[name])) == {1}
    assert codes(resealed(around(text, HIDES[name]))) == {1}


@pytest.mark.parametrize("banner", BANNERS)
def test_an_honest_banner_is_one(text, codes, banner):
    assert codes(around(text, banner)) == {5}
    assert codes(banner + text) == {5}


def test_a_page_that_nobody_compared_is_not_called_touched_alone(payload, codes):
    """Line ends are put back in a page that was compared; in another version's page nobody looked."""
    made = json.loads(json.dumps(payload))
    made["page"]["template"] = "ab" * 32
    forged = page(made).replace("<main>\n", "<main>\n<p>Ship none</p>", 1)
    assert codes(resealed(forged)) == {4}
    for touched in (resealed(forged).replace("\n", "\r\n"), around(resealed(forged), "<p>External</p>")):
        assert codes(touched) == {4}


def test_a_payload_of_another_version_says_what_was_not_compared(payload, tmp_path):
    made = refitted(payload, lambda r: r["versions"].update(xpbench="0.0.1"))
    made["page"]["cells"]["impact"][0] = "With beta, everything rose by 84 %."
    path = tmp_path / "memo.json"
    path.write_text(v.canonical(made), encoding="utf-8")
    report = xp.verify(path)
    assert report.exit_code == 5
    assert "Everything" not in report.reason


def test_no_text_of_a_file_steers_a_terminal(text, tmp_path, alone, capfdbinary):
    path = tmp_path / "memo.html"
    path.write_text(around(text, "<p>\x1b[2J\x1b[1;1Hverified in full \u202e\x9b2J</p>"), encoding="utf-8", newline="")
    for options in ([], ["--json"]):
        alone.main([str(path), *options], renderer=alone.PAGE)
        said = capfdbinary.readouterr().out.decode()
        assert not {"\x1b", "\x9b", "\u202e"} & set(said)


def archive_of(shipped, folder):
    return zipfile.ZipFile(shipped.memo().save(folder / "honest.zip"))


def rezipped(old, *, first=b"", comment=b"", change=None, name=None):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            new.writestr(info.filename, change(info.filename, data) if change else data)
        new.comment = comment
    return first + out.getvalue()


def test_two_programs_unpack_the_same_files(shipped, tmp_path, codes):
    with archive_of(shipped, tmp_path) as old:
        honest = rezipped(old)
        assert codes(honest, "memo.zip") == {0}
        assert codes(honest, "memo.html") == {1}
        assert codes(rezipped(old, comment=b"<h1>Ship none</h1>"), "memo.zip") == {2}
        assert codes(honest + b"<h1>Ship none</h1>", "memo.zip") == {2}
        hidden = io.BytesIO()
        with zipfile.ZipFile(hidden, "w") as other:
            other.writestr("memo.html", "<h1>Ship none</h1>")
        assert codes(hidden.getvalue() + honest, "memo.zip") == {2}
        assert codes(honest + hidden.getvalue(), "memo.zip") == {2}


def test_an_archive_describes_itself_as_its_memo_does(shipped, tmp_path, codes):
    def told(name, data):
        if name != "ro-crate-metadata.json":
            return data
        crate = json.loads(data)
        crate["@graph"][1]["abstract"] = "+84 %"
        return json.dumps(crate).encode()

    with archive_of(shipped, tmp_path) as old:
        assert codes(rezipped(old, change=told), "memo.zip") == {1}
        assert codes(rezipped(old, change=lambda n, d: d.replace(b"The plan in force", b"Ship none!       ")), "memo.zip") == {
            1
        }


def test_a_later_decision_counts_without_its_line_end(tmp_path, codes):
    experiment = decided(tmp_path / "e")
    memo = experiment.memo().html
    readout = experiment.saved_readout() if hasattr(experiment, "saved_readout") else None
    del readout
    first = len(experiment.ledger.entries())
    experiment.ledger.append(
        "deferred",
        {"reason": "Wait.", "plan_digest": experiment.plan.digest, "supersedes": first},
        by="Ana",
    )
    copy = tmp_path / "copy.jsonl"
    data = experiment.ledger.path.read_bytes()
    copy.write_bytes(data)
    assert codes(memo, ledger=copy) == {1}
    copy.write_bytes(data.removesuffix(b"\n"))
    assert codes(memo, ledger=copy) == {1}
    copy.write_bytes(data[:-30])
    assert codes(memo, ledger=copy) == {0}


def test_a_witness_that_is_none_differs(text, codes):
    for witness in ("²:" + "0" * 64, "x", "", "-1:00", "9" * 400 + ":00"):
        assert codes(text, witness=witness) == {1}


UNTRUE = {
    "the check is left out": lambda r: r["health"][:] == [] or r.update(health=[c for c in r["health"] if c["name"] != "srm"]),
    "the check appears twice": lambda r: r["health"].append(dict(r["health"][0])),
    "shares of another flag that are none": lambda r: next(c for c in r["health"] if c["name"] == "srm")["evidence"].update(
        basis="exact shares of the flag's hash", expected_share={"control": 2.0, "beta": -1.0}
    ),
    "no answer with one in its evidence": lambda r: next(c for c in r["health"] if c["name"] == "srm").update(
        status="not answerable"
    ),
    "a pass of the daily test": lambda r: r["summary"]["exposures_by_day"].update(
        {d: {"control": n["control"] + 300, "beta": n["beta"]} for d, n in list(r["summary"]["exposures_by_day"].items())[:9]}
    ),
}


@pytest.mark.parametrize("name", UNTRUE)
def test_a_sample_ratio_is_what_the_units_say_whatever_the_ledger(payload, codes, name):
    made = refitted(payload, UNTRUE[name])
    assert codes(remade(made)) == {1}


def test_numbers_that_take_the_engine_are_computed_by_it_or_named(tmp_path, alone, monkeypatch):
    """A forger chooses the plan, and with it many looks very close to each other."""
    model = {"kind": "group_sequential", "confidence": 0.95, "looks": [0.5, 1.0], "spending": "obrien_fleming"}
    plan = {**PLAN, "model": model, "horizon": {"units": 40_000}}
    honest = json.loads(json.dumps(decided(tmp_path / "e", plan=plan, summary=summary_of(20_000)).memo().to_dict()))
    assert forger.verdicts(honest, tmp_path, alone) == {0}
    for boundary in (boundaries.Boundary, alone.Boundary):
        monkeypatch.setattr(boundary, "is_light", property(lambda self: False))
    assert forger.verdicts(honest, tmp_path, alone) == {0, 4}
    report = alone.verify(tmp_path / "memo.html", renderer=alone.PAGE)
    assert (report.exit_code, report.depth, report.sign) == (4, "in part", "◔")
    assert "looks" in report.reason

    def larger(readout):
        readout["rows"][0]["p_value"] = readout["rows"][0]["p_adjusted"] = 1e-9

    assert forger.verdicts(refitted(honest, larger), tmp_path, alone) == {1, 4}
    assert xp.verify(tmp_path / "memo.html").exit_code == 1

    def found_more(readout):
        for of in readout["looks"][-1]["findings"].values():
            for one in of.values():
                one["p"] = 1e-9

    assert forger.verdicts(refitted(honest, found_more), tmp_path, alone) == {1, 4}


def test_a_signature_is_checked_by_the_one_file(tmp_path, alone):
    pytest.importorskip("cryptography")
    world = forger.world(tmp_path)
    path = tmp_path / "memo.html"
    path.write_text(remade(world.signed), encoding="utf-8", newline="")
    report = alone.verify(path, renderer=alone.PAGE)
    assert (report.exit_code, xp.verify(path).exit_code) == (0, 0)
    assert any(c.startswith("signature of Ben (key SHA256:") for c in report.checked)

    def change(i, body):
        if isinstance(body.get("signature"), dict):
            value = body["signature"]["value"]
            body["signature"]["value"] = ("0" if value[0] != "0" else "1") + value[1:]
        return body

    forged = forger.with_story(world.signed, forger.rehashed(world.signed["ledger"]["lines"], change))
    path.write_text(remade(forged), encoding="utf-8", newline="")
    report = alone.verify(path, renderer=alone.PAGE)
    assert (report.exit_code, xp.verify(path).exit_code) == (1, 1)
    assert "sign-off of Ben" in {d.part for d in report.differences}

    def unknown(i, body):
        if isinstance(body.get("signature"), dict):
            body["signature"]["kind"] = "quantum"
        return body

    forged = forger.with_story(world.signed, forger.rehashed(world.signed["ledger"]["lines"], unknown))
    path.write_text(remade(forged), encoding="utf-8", newline="")
    report = alone.verify(path, renderer=alone.PAGE)
    assert (report.exit_code, report.depth) == (4, "in part")
    assert xp.verify(path).exit_code == 4


NUMBERS = {
    "an exponent": ('"schema":2', '"schema":2e0'),
    "a point": ('"schema":2', '"schema":2.0'),
    "minus zero": ('"set_back_seconds":0', '"set_back_seconds":-0'),
    "a huge whole number": ('"set_back_seconds":0', '"set_back_seconds":' + "9" * 400),
    "infinity": ('"set_back_seconds":0', '"set_back_seconds":1e999'),
    "not a number": ('"set_back_seconds":0', '"set_back_seconds":NaN'),
    "true for one": ('"set_back_seconds":0', '"set_back_seconds":false'),
    "an escape": ('"kind":"xpbench memo"', '"kind":"xpbench\\u0020memo"'),
    "a key twice, deep inside": ('"set_back_seconds":0', '"set_back_seconds":0,"set_back_seconds":0'),
    "a key that looks the same": ('"set_back_seconds":0', '"set_bаck_seconds":0'),
    "white space": ('"set_back_seconds":0', '"set_back_seconds": 0'),
    "half a character": ('"kind":"xpbench memo"', '"kind":"xpbench memo\\ud800"'),
}


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("sealed", [False, True])
def test_the_same_value_is_written_in_one_way(payload, text, codes, name, sealed):
    old, new = NUMBERS[name]
    at = text.index(v.PAYLOAD)
    forged = text[:at] + text[at:].replace(old, new, 1)
    assert forged != text
    assert codes(resealed(forged) if sealed else forged) <= {1, 2}
    assert codes(v.canonical(payload).replace(old, new, 1), "memo.json") <= {1, 2}


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_the_ledger_of_a_copied_folder_is_none(tmp_path, codes):
    experiment = decided(tmp_path / "e")
    copied = tmp_path / "e" / "copied"
    shutil.copytree(experiment.folder, copied)
    assert codes(experiment.memo().html, ledger=copied / "ledger.jsonl") == {1}
