import itertools
import json
import re
import shutil
import socket
import subprocess

import pytest

import xpbench as xp
from tests.builders import column, plan_document
from tests.memo.making import PLAN, decided, summary_of
from xpbench.decide.rule import situations
from xpbench.errors import InputError, MemoError
from xpbench.ledger.entry import Witness
from xpbench.memo import build
from xpbench.memo.content.plain_words import SITUATION, situation_text
from xpbench.memo.impact import daily_units, impact_sentences
from xpbench.memo.pdf import browser
from xpbench.verifier import parsed_page


@pytest.fixture(scope="module")
def memo(shipped):
    return shipped.memo()


@pytest.fixture(scope="module")
def text(memo):
    return " ".join(parsed_page(memo.html).text)


def test_the_first_page_says_what_a_director_asks(text):
    for words in (
        "Ship beta",
        "follows the rule of the plan (R7)",
        "With beta, Quote started rose by",
        "a month (",
        "visitors see the beta homepage",
        "As registered 2026-09-01 09:00 UTC by Ana",
        "1 look at the effects, 0 before they were due",
        "Deviations from the plan none",
        "Signed off by Ana (2026-09-04)",
        "Verify: xpbench verify memo.html",
    ):
        assert words in text, words


def test_the_appendix_says_what_a_statistician_asks(text):
    for words in (
        "All metrics",
        "Guardrails against their margins",
        "The same numbers another way",
        "Segments (exploratory)",
        "1 slice too small to show",
        "Health checks",
        "Looks, and what they cost",
        "The plan was not amended",
        "How the decision follows",
        "Method in plain language",
        "Limits",
        "Provenance",
        "How to verify this memo",
    ):
        assert words in text, words


def test_the_rule_and_the_caps_are_told_in_words(text):
    for words in (
        "health: a check fails",
        "primary metric: better by enough to matter; primary and secondary metrics: one is worse",
        "data: not enough yet",
        "otherwise",
        "Found: primary metric: better by enough to matter; primary and secondary metrics: none is worse; ",
        "Because of: Quote started: better, and by enough to matter",
    ):
        assert words in text, words
    rule = text[text.index("How the decision follows") : text.index("Method in plain language")]
    for raw in ("True", "False", "deteriorated:", "adequate", "win", "quote_started", "transfer_in_value"):
        assert raw not in rule, raw
    assert "Transfer-in value value" in rule[rule.index("Caps for extreme values") :]


def test_every_situation_has_words():
    """Each input of the rule with each of its values, so that a new one can't reach the page as it is."""
    for situation in situations():
        said = situation_text({k: [v] for k, v in situation.to_dict().items()})
        assert len(said.split("; ")) == len(SITUATION) == len(situation.to_dict())
        assert all(v in SITUATION[k][1] for k, v in situation.to_dict().items())
    assert situation_text({"health": ["fail", "warn"]}) == "health: a check fails or a check warns"
    assert situation_text({}) == ""


def test_many_rows_leave_the_first_page_readable(tmp_path):
    """40 metrics of six variants: the first page shows a chosen few, the appendix every other row, each row once."""
    import xpbench as xp
    from tests.memo.making import many

    memo = many(tmp_path / "e", metrics=40, treatments=5).memo()
    first, _, appendix = memo.html.partition('class="appendix"')
    rows = len(memo.payload["readout"]["rows"])
    assert rows == 200
    shown = [re.findall(r'data-x="forest\.(\d+)\.shown"', part) for part in (first, appendix)]
    assert len(shown[0]) == 8
    assert sorted(map(int, shown[0] + shown[1])) == list(range(rows))
    primaries = {str(i) for i, r in enumerate(memo.payload["readout"]["rows"]) if r["role"] == "primary"}
    assert primaries <= set(shown[0])
    assert "8 of 200 rows" in first
    ids = re.findall(r' id="([^"]+)"', memo.html)
    assert len(set(ids)) == len(ids)
    assert xp.verify(memo.save(tmp_path / "memo.html")).status == "verified"


def test_it_is_small_and_whole(memo):
    assert len(memo.html.encode()) < 1_000_000
    assert memo.html.startswith("<!DOCTYPE html>")
    assert memo.html.endswith("</html>\n")


def test_it_can_be_heard(memo):
    html = memo.html
    assert '<html lang="en">' in html
    assert html.count("<h1") == 1
    svgs = re.findall(r"<svg[^>]*>.*?</svg>", html, re.DOTALL)
    assert len(svgs) == 3
    assert all('role="img"' in s and "<title" in s and "<desc" in s for s in svgs)
    levels = [int(x) for x in re.findall(r"<h([1-6])", html)]
    assert all(b - a <= 2 for a, b in itertools.pairwise(levels))
    assert "<th>" not in html


def test_building_reads_no_clock_and_opens_no_socket(shipped, memo, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    again = build(shipped.plan, shipped.decided_readout(), shipped.ledger.entries(), decision=shipped.decision)
    assert (again.digest, again.html) == (memo.digest, memo.html)


def test_it_carries_the_witness_of_its_ledger(shipped, memo):
    assert memo.witness == shipped.ledger.head
    assert isinstance(memo.witness, Witness)


def test_formats(memo, tmp_path):
    assert json.loads(memo.save(tmp_path / "memo.json").read_bytes()) == json.loads(json.dumps(memo.payload))
    assert memo.save(tmp_path / "memo.md").read_text(encoding="utf-8").startswith("## Ship beta: Beta homepage")
    with pytest.raises(MemoError, match="XPB-O02"):
        memo.save(tmp_path / "memo.docx")
    with pytest.raises(InputError, match="XPB-I06"):
        memo.save("/proc/nothing/memo.html")


def test_another_implementation_reads_the_archive(memo, tmp_path):
    """RO-Crate 1.1: the community's own library finds root, author, licence and every file with its size."""
    rocrate = pytest.importorskip("rocrate.rocrate")
    path = memo.save(tmp_path / "memo.zip")
    crate = rocrate.ROCrate(str(path))
    root = crate.root_dataset
    assert "https://w3id.org/ro/crate/1.1" in str(crate.metadata["conformsTo"])
    assert root["name"].startswith("Ship beta: Beta homepage")
    assert (root["license"].type, root["publisher"].type) == ("CreativeWork", "Organization")
    assert root.datePublished.isoformat()[:10] == memo.payload["readout"]["at"][:10]
    files = {e.id for e in root["hasPart"]}
    assert files == {"memo.html", "payload.json", "plan.json", "ledger.jsonl", "verify.py"}
    assert files == {e.id for e in crate.data_entities if e.type == "File"}
    import zipfile

    with zipfile.ZipFile(path) as archive:
        for entity in crate.data_entities:
            assert int(entity["contentSize"]) == len(archive.read(entity.id))


def test_an_archive_describes_its_files(memo, tmp_path):
    import hashlib
    import zipfile

    path = memo.save(tmp_path / "memo.zip")
    assert path.read_bytes() == memo.save(tmp_path / "again.zip").read_bytes()
    with zipfile.ZipFile(path) as archive:
        graph = {e["@id"]: e for e in json.loads(archive.read("ro-crate-metadata.json"))["@graph"]}
        assert graph["ro-crate-metadata.json"]["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
        for part in graph["./"]["hasPart"]:
            assert hashlib.sha256(archive.read(part["@id"])).hexdigest() == graph[part["@id"]]["sha256"]
        archive.extract("memo.html", tmp_path)
    import xpbench as xp

    assert xp.verify(tmp_path / "memo.html").status == "verified"


@pytest.mark.browser
@pytest.mark.skipif(browser() is None, reason="needs Chromium")
def test_the_interactive_edition_sorts_and_says_what_it_is(memo, tmp_path):
    from playwright.sync_api import sync_playwright

    import xpbench as xp

    path = memo.save(tmp_path / "memo.interactive.html")
    assert xp.verify(path).status != "verified"
    errors = []
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        tab = chromium.new_page()
        tab.on("console", lambda m: errors.append(m.text))
        tab.on("pageerror", lambda e: errors.append(str(e)))
        tab.goto(path.as_uri())
        assert "not the frozen memo" in tab.inner_text(".notice")
        first = ".appendix table >> nth=0"
        before = tab.locator(f"{first} >> tbody tr").all_inner_texts()
        tab.locator(f"{first} >> thead button >> nth=0").click()
        after = tab.locator(f"{first} >> tbody tr").all_inner_texts()
        assert sorted(before) == sorted(after)
        assert before != after
        tab.fill("input[type=search]", "transfer out")
        assert tab.locator(f"{first} >> tbody tr:visible").count() == 1
        chromium.close()
    assert errors == []


@pytest.mark.browser
@pytest.mark.skipif(browser() is None, reason="needs Chromium")
def test_pdf(memo, tmp_path):
    data = memo.save(tmp_path / "memo.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", data)) <= 12


def test_without_a_browser_a_pdf_says_what_to_do(memo, tmp_path, monkeypatch):
    monkeypatch.setenv("XPBENCH_CHROMIUM", "/nowhere")
    with pytest.raises(MemoError, match="XPB-O03"):
        memo.save(tmp_path / "memo.pdf")
    failing = tmp_path / "chromium"
    failing.write_text("#!/bin/sh\nexit 3\n")
    failing.chmod(0o755)
    monkeypatch.setenv("XPBENCH_CHROMIUM", str(failing))
    with pytest.raises(MemoError, match="failed"):
        memo.save(tmp_path / "memo.pdf")


def test_a_failed_gate_hides_effects_on_the_first_page(tmp_path):
    memo = decided(tmp_path, summary=summary_of(split=0.47)).memo()
    html = memo.html
    assert "Do not read the effects" in html
    assert 'class="fig forest"' not in html
    assert "can't be trusted" in impact_sentences(memo.payload)[0]
    assert "for diagnosis only" in html


def test_a_decision_against_the_rule_stands_in_the_headline(tmp_path):
    memo = decided(tmp_path, summary=summary_of(lift=0.0, seed=3), outcome="ship", because="Brand.").memo()
    assert '<strong class="warn">differs from the rule of the plan, which says: Ship none (R3)</strong>' in memo.html
    assert '<span data-x="headline">Ship beta, against the rule of the plan</span>' in memo.html
    assert ">Deviations from the plan</h2><p>none" not in memo.html
    assert "Deviations: the decision; amendments: none" in memo.save(tmp_path / "override.md").read_text("utf-8")
    assert xp.verify(memo.save(tmp_path / "override.html")).exit_code == 0


def test_amendments_stand_with_what_was_known(tmp_path):
    from xpbench.experiment import open_experiment

    experiment = decided(tmp_path)
    clock = experiment._clock
    changed = experiment.plan.changed(notes="A clarification.")
    amended = open_experiment(experiment.key, tmp_path, clock=clock).amend(changed, reason="Wording.", by="Ana")
    readout = amended.readout(summary_of(), by="Ana")
    amended.decide(readout, "iterate", because="Once more.", by="Ana", supersedes=experiment.decision)
    memo = amended.memo()
    assert memo.payload["amendments"][0]["knowledge"] == "effects seen"
    assert "Wording." in memo.html
    assert "amendment after outcomes" in memo.html


def test_impact_is_two_sentences_from_frozen_numbers(memo):
    first, second = impact_sentences(memo.payload)
    row = memo.payload["readout"]["rows"][0]
    assert first.count(". ") == 0
    assert second.count(". ") == 0
    units, _ = daily_units(memo.payload["readout"])
    per_month = units * 30.4375 * row["effect"]
    shown = int(re.search(r"that is \+([\d,]+)", second)[1].replace(",", ""))
    assert shown == pytest.approx(per_month, rel=0.01)


def test_impact_without_dates_speaks_of_a_thousand_units(tmp_path):
    from dataclasses import replace

    data = replace(summary_of(), exposures_by_day={}, first_exposure="", last_exposure="", data_until="")
    assert "For every 1,000 " in impact_sentences(decided(tmp_path, summary=data).memo().payload)[1]


def test_impact_of_nothing_shown_says_so(tmp_path):
    first, _ = impact_sentences(decided(tmp_path, summary=summary_of(lift=0.0, seed=4)).memo().payload)
    assert "the data show no difference" in first


def test_a_sealed_readout_makes_no_memo(tmp_path):
    from xpbench.experiment import register
    from xpbench.plan import Plan

    plan = Plan(**{**PLAN, "model": {"kind": "frequentist"}, "horizon": {"units": 10**6}})
    experiment = register(plan, tmp_path)
    with pytest.raises(MemoError, match="XPB-O01"):
        build(plan, experiment.readout(summary_of()), experiment.ledger.entries())


def test_several_variants_are_named(tmp_path):
    variants = [
        {"key": "control", "split": 0.34, "control": True},
        {"key": "beta", "split": 0.33},
        {"key": "gamma", "split": 0.33},
    ]
    data = summary_of(13_000, split=0.5, variants=("control", "beta", "gamma"))
    memo = decided(tmp_path, plan={**PLAN, "variants": variants}, summary=data).memo()
    assert "Quote started · gamma" in memo.html
    assert 'class="t1"' in memo.html


def test_no_unit_id_and_no_secret_reaches_ledger_or_memo(tmp_path, monkeypatch):
    import numpy as np
    import pandas as pd

    import xpbench as xp

    monkeypatch.setenv("MIXPANEL_SECRET", "canary-7f3a9c")
    rng = np.random.default_rng(1)
    n = 4000
    frame = pd.DataFrame(
        {
            "userid": [f"person-{i}-QX7@example.org" for i in range(n)],
            "version": np.where(rng.random(n) < 0.5, "control", "beta"),
            "value": rng.normal(5, 1, n),
            "country": rng.choice(["at", "ch", "li"], n, p=[0.6, 0.395, 0.005]),
        }
    )
    plan = plan_document(
        [column("value")], key="private", change="i", unit="userid", segments=["country"], horizon={"units": 100}
    )
    experiment = decided(
        tmp_path, plan=plan, summary=xp.units(frame, unit="userid", variant="version").summarize(xp.Plan(**plan))
    )
    memo = experiment.memo()
    memo.save(tmp_path / "memo.html")
    memo.save(tmp_path / "memo.md")
    for path in [p for p in tmp_path.rglob("*") if p.is_file()]:
        data = path.read_bytes()
        assert b"QX7" not in data, path
        assert b"canary-7f3a9c" not in data, path
    assert ">li<" not in memo.html
    assert "1 slice too small to show" in memo.html


def test_git_keeps_line_ends(tmp_path, shipped):
    """A checkout with automatic line ends leaves ledger and plan as they are."""
    root = tmp_path / "repo"
    root.mkdir()
    experiment = decided(root / "experiments")
    before = experiment.ledger.path.read_bytes()
    git = ["git", "-C", str(root), "-c", "core.autocrlf=true", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run([*git, "add", "-A"], check=True, capture_output=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    experiment.ledger.path.unlink()
    subprocess.run([*git, "checkout", "-q", "--", "."], check=True)
    assert experiment.ledger.path.read_bytes() == before


@pytest.mark.browser
@pytest.mark.skipif(browser() is None, reason="needs Chromium")
@pytest.mark.parametrize(("metrics", "treatments"), [(7, 1), (9, 1), (12, 5)])
def test_the_first_page_is_one_sheet_of_paper(tmp_path, metrics, treatments):
    """What a director reads ends on page one; the appendix begins on page two."""
    from tests.memo.making import many

    program = shutil.which("pdftotext")
    if program is None:
        pytest.skip("needs pdftotext")
    path = many(tmp_path / "e", metrics=metrics, treatments=treatments).memo().save(tmp_path / "memo.pdf")
    pages = subprocess.run([program, str(path), "-"], capture_output=True, text=True, check=True).stdout.split("\f")
    assert "Signed off by Ana" in pages[0]
    assert pages[1].strip().startswith("All metrics")
