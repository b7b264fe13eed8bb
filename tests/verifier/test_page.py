"""Nothing visible on a page is left unchecked, by the package and by the one file; honest pages verify."""

import hashlib
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import xpbench as xp
from tests.builders import column, make_plan
from tests.memo.making import PLAN, decided
from xpbench import verifier as v
from xpbench.memo.alone import single_file

END = v.END


@pytest.fixture(scope="module")
def text(shipped):
    return shipped.memo().html


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """Verdict of the one file without the package."""
    program = tmp_path_factory.mktemp("single") / "verify.py"
    program.write_text(single_file(), encoding="utf-8")

    def ask(path):
        command = [sys.executable, "-I", "-S", str(program), "--json", str(path)]
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)

    return ask


def resealed(text):
    """The page with a seal that fits."""
    at = text.rfind(v.SEAL) + len(v.SEAL)
    bare = text[:at] + text[text.find(END, at) :]
    old = json.loads(text[at : text.find(END, at)])
    seal = json.dumps({**old, "file": hashlib.sha256(bare.encode()).hexdigest()}, separators=(",", ":"))
    return bare[:at] + seal + bare[at:]


def put(text, anchor, addition, *, before=False):
    assert text.count(anchor) >= 1
    return text.replace(anchor, addition + anchor if before else anchor + addition, 1)


FORGERIES = {
    "hidden numbers": lambda t: put(t, "</style>", "[data-x]{display:none}", before=True),
    "overlay": lambda t: put(t, "<main>\n", '<div style="position:fixed;inset:0;background:#fff">Ship beta +84 %</div>'),
    "overlay around": lambda t: put(t, "<body>\n", '<div style="position:absolute">Ship +84 %</div>'),
    "negative margin": lambda t: put(t, "<body>\n", '<div style="margin-bottom:-400px;background:#fff">+84 %</div>'),
    "negative margin, spaced": lambda t: put(t, "<body>\n", '<div style="margin: 0 0 -40em 0">+84 %</div>'),
    "open comment": lambda t: put(t, "<body>\n", "<!-- "),
    "open element": lambda t: put(t, "<body>\n", "<div>"),
    "hidden element": lambda t: put(t, "<body>\n", "<div hidden>"),
    "style around": lambda t: put(t, "<body>\n", "<style>main{display:none}</style><p>Ship none</p>"),
    "textarea": lambda t: put(t, "<body>\n", "<textarea>"),
    "script": lambda t: put(t, "</main>\n", "<script>document.title='x'</script>"),
    "handler": lambda t: put(t, "<body>\n", '<p onclick="alert(1)">hello</p>'),
    "policy removed": lambda t: re.sub(r'<meta http-equiv="Content-Security-Policy"[^\n]*\n', "", t),
    "policy behind": lambda t: put(t, "<head>\n", "<script>alert(1)</script>\n"),
    "wording": lambda t: t.replace("was not checked here, see", "was checked twice, see", 1),
    "a number of the appendix": lambda t: t.replace("the horizon is 40,000 units", "the horizon is 90,000 units", 1),
    "a mark": lambda t: t.replace("▲", "▼", 1),
    "a name": lambda t: t.replace("Transfer-in value", "Transfer-out value", 1),
    "a chart": lambda t: re.sub(r'<circle cx="[0-9.]+"', '<circle cx="300"', t, count=1),
    "a column's head": lambda t: t.replace(">Control</th>", ">Treatment</th>", 1),
    "two rows swapped": lambda t: t.replace('data-x="rows.1.lift"', 'data-x="rows.9.lift"').replace(
        'data-x="rows.2.lift"', 'data-x="rows.1.lift"'
    ),
    "title of the window": lambda t: re.sub(r"<title>[^<]*", "<title>Ship none", t, count=1),
    "an attribute": lambda t: t.replace("<main>", '<main title="Ship none">', 1),
    "a link": lambda t: put(t, "<main>\n", '<a href="https://example.org">Read this first</a>'),
    "an image": lambda t: put(t, "<main>\n", '<img src="data:image/png;base64,AAAA" alt="+84 %">'),
    "a second payload": lambda t: put(t, "</main>\n", '<script type="application/json" id="xpbench-payload">{}</script>\n'),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_whatever_else_a_page_shows_is_refused(text, tmp_path, single, name):
    path = tmp_path / "memo.html"
    forged = FORGERIES[name](text)
    assert forged != text
    path.write_text(resealed(forged), encoding="utf-8", newline="")
    assert xp.verify(path).exit_code == 1, str(xp.verify(path))
    assert single(path)["exit_code"] == 1


def test_a_page_is_whole_for_the_one_file_as_well(text, tmp_path, single):
    path = tmp_path / "memo.html"
    path.write_text(text, encoding="utf-8", newline="")
    assert (xp.verify(path).exit_code, single(path)["exit_code"]) == (0, 0)


def test_every_number_and_every_word_is_checked(text, tmp_path):
    """A digit or a letter of any text that a reader sees, one at a time: the page differs each time."""
    body = text[: text.index(v.PAYLOAD)]
    start = body.index("<body>")
    shown = [m.start() for m in re.finditer(r"(?<=[>\w])[0-9a-zA-Z](?=[^<>]*<)", body) if m.start() > start]
    rng = np.random.default_rng(3)
    path = tmp_path / "memo.html"
    for at in rng.choice(shown, 60, replace=False):
        c = text[at]
        other = str((int(c) + 1) % 10) if c.isdigit() else ("b" if c != "b" else "d")
        path.write_text(resealed(text[:at] + other + text[at + 1 :]), encoding="utf-8", newline="")
        assert xp.verify(path).exit_code == 1, text[at - 40 : at + 40]


BANNERS = {
    "above": lambda t: put(
        t, "<body>\n", '<div style="background:#ffeb9c;padding:4px"><b>CAUTION:</b> this mail came from outside.</div>\n'
    ),
    "below": lambda t: put(t, "</body>", "<hr><p>Scanned by a gateway.</p>\n", before=True),
    "behind": lambda t: t + "<p>Confidential.</p>\n",
    "in front": lambda t: "<p>Confidential.</p>\n" + t,
    "above and below, with CRLF": lambda t: (
        put(put(t, "<body>\n", "<table><tr><td>External</td></tr></table>"), "</body>", "<p>Scanned.</p>", before=True)
    ).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("name", BANNERS)
def test_a_banner_of_a_mail_gateway_is_told_from_a_forgery(text, tmp_path, single, name):
    path = tmp_path / "memo.html"
    path.write_text(BANNERS[name](text), encoding="utf-8", newline="")
    report = xp.verify(path)
    assert (report.exit_code, report.depth, report.cause) == (5, "page touched", "added text"), str(report)
    assert single(path)["exit_code"] == 5
    path.write_text(BANNERS[name](text).replace("12\u202f%", "84\u202f%", 1), encoding="utf-8", newline="")
    assert xp.verify(path).exit_code == 1


ODD = {
    "crlf": "a\r\nb",
    "cr": "a\rb",
    "tab": "a\tb",
    "nul": "a\x00b",
    "escape": "a\x1b[31mb",
    "form feed": "a\x0cb",
    "next line": "a\x85b",
    "line separator": "a\u2028b",
    "right to left": "a\u202eb",
    "isolate": "a\u2066b",
    "byte order mark": "a\ufeffb",
    "no character": "a\ufffeb",
    "markup": "</script><!--<b>",
    "template": "{{ c.title }}{metric}{0}",
    "spaces": "  a   b ",
}


@pytest.mark.parametrize("name", ODD)
def test_texts_with_odd_characters_verify(tmp_path, single, name):
    odd = ODD[name]
    plan = {
        **PLAN,
        "title": odd,
        "owner": odd,
        "hypothesis": {**PLAN["hypothesis"], "if": odd, "because": odd},
        "variants": [{**PLAN["variants"][0], "name": odd}, {**PLAN["variants"][1], "name": f"{odd}2"}],
        "metrics": [{**PLAN["metrics"][0], "name": odd}, *PLAN["metrics"][1:]],
    }
    path = decided(tmp_path / "e", plan=plan, because=odd, by=odd).memo().save(tmp_path / "memo.html")
    report = xp.verify(path)
    assert report.exit_code == 0, str(report)
    assert single(path)["exit_code"] == 0


def test_half_of_a_character_is_refused_with_words(tmp_path):
    with pytest.raises(xp.XpbenchError, match=r"half of a character"):
        decided(tmp_path, because="a\ud800b")


@pytest.mark.parametrize(
    ("name", "headline"),
    [("none", "Ship “none”"), ("Ship none", "Ship “Ship none”"), ("control", "Ship control (beta)"), ("–", "Ship “–”")],
)
def test_a_name_is_told_from_the_words_of_the_page(tmp_path, name, headline):
    variants = [PLAN["variants"][0], {**PLAN["variants"][1], "name": name}]
    memo = decided(tmp_path / "e", plan={**PLAN, "variants": variants}).memo()
    assert memo.payload["page"]["cells"]["decision"]["headline"] == headline
    assert xp.verify(memo.save(tmp_path / "memo.html")).exit_code == 0


def test_a_direction_mark_never_turns_a_number(tmp_path):
    variants = [PLAN["variants"][0], {**PLAN["variants"][1], "name": "beta\u202e"}]
    assert "\u202e" not in decided(tmp_path, plan={**PLAN, "variants": variants}).memo().html.partition(v.PAYLOAD)[0]


def test_names_of_rows_are_those_of_the_plan(shipped, tmp_path):
    """Free of the moments, and therefore easy to forget."""
    from tests.verifier.test_verify import forged

    report = forged(shipped.memo(), tmp_path, lambda p: p["readout"]["rows"][0].update(label="Revenue"))
    assert any("name" in d.part for d in report.differences)


def test_a_payload_of_schema_2_with_odd_cells_differs_without_a_page(shipped, tmp_path):
    payload = json.loads(json.dumps(shipped.memo().payload))
    payload["page"]["cells"]["impact"][0] = "Everything doubled."
    path = tmp_path / "memo.json"
    path.write_text(v.canonical(payload), encoding="utf-8")
    assert "page cell, impact.0" in {d.part for d in xp.verify(path).differences}


def test_a_memo_beside_its_data(tmp_path):
    """The short way of an analyst: a table, a memo, nothing else."""
    rng = np.random.default_rng(1)
    variant = rng.choice(["control", "beta"], 2000)
    table = pd.DataFrame({"u": range(2000), "variant": variant, "y": rng.poisson(np.where(variant == "beta", 1.3, 1.0))})
    plan = make_plan([column("y")], key="short", owner="a", change="i", unit="u", horizon={"units": 2000})
    experiment = xp.register(plan, tmp_path, by="Ana")
    readout = experiment.readout(xp.units(table, unit="u", variant="variant"), by="Ana")
    experiment.decide(readout, "ship", variant="beta", because="As planned.", by="Ana")
    path = experiment.memo().save(experiment.memo_path)
    report = xp.verify(path)
    assert report.exit_code == 0, str(report)
    assert any("no later decision" in c for c in report.checked), "the ledger next to it was used"


def test_the_keys_of_a_plan_are_those_of_its_schema():
    """`python scripts/make_verifier.py` makes them; a field that is missing there would make honest memos differ."""
    from pathlib import Path

    from xpbench.verifier.plan_keys import PLAN_KEYS

    schema = json.loads((Path(xp.__file__).parent / "plan" / "plan.schema.json").read_text(encoding="utf-8"))
    assert set(PLAN_KEYS) == set(schema["properties"])
    for name, definition in (
        ("data", "DataPolicy"),
        ("exposure", "Exposure"),
        ("decision", "Decision"),
        ("health", "HealthPolicy"),
    ):
        assert set(PLAN_KEYS[name]) == set(schema["$defs"][definition]["properties"]), name
    metrics = [d for d in schema["$defs"].values() if {"kind", "role", "direction"} <= set(d.get("properties", {}))]
    assert set(PLAN_KEYS["metrics"][0]) == {key for d in metrics for key in d["properties"]}


def test_every_field_of_a_full_payload_is_known(shipped):
    """A field that payload or readout gains without the verifier is refused in every memo: this says so first."""
    from xpbench.verifier.shape import unknown_keys

    assert list(unknown_keys(json.loads(json.dumps(shipped.memo().to_dict())))) == []
