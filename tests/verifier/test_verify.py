import copy
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

import xpbench as xp
from tests.memo.making import PLAN, decided
from xpbench import verifier as v
from xpbench.ledger import Ledger, Witness
from xpbench.memo.alone import single_file
from xpbench.memo.render import CLOSE, PAYLOAD_OPEN, page, page_part


@pytest.fixture(scope="module")
def memo(shipped):
    return shipped.memo()


@pytest.fixture
def path(memo, tmp_path):
    return memo.save(tmp_path / "memo.html")


def edited(path, old, new, count=1):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8", newline="")
    return xp.verify(path)


def parts(report):
    return {d.part for d in report.differences}


def forged(memo, tmp_path, change, *, is_page=False):
    """A memo whose payload was changed and whose page and seal were made anew, as a careful forger would."""
    payload = copy.deepcopy(dict(memo.payload))
    change(payload)
    if "page" in payload and not is_page:
        payload["page"] = json.loads(v.canonical(page_part({k: x for k, x in payload.items() if k != "page"})))
    target = tmp_path / "forged.html"
    target.write_text(page(payload), encoding="utf-8", newline="")
    return xp.verify(target)


def test_a_fresh_memo_is_verified(path):
    report = xp.verify(path)
    assert (report.status, report.depth, report.exit_code, report.differences) == ("verified", "in full", 0, ())
    assert (report.key, report.headline) == ("beta-homepage", "ship beta")
    assert any("same bytes" in c for c in report.checked)
    assert json.loads(json.dumps(report.to_dict()))["status"] == "verified"


def test_the_payload_alone_has_a_verdict_of_its_own(memo, tmp_path):
    report = xp.verify(memo.save(tmp_path / "memo.json"))
    assert (report.status, report.depth, report.exit_code) == ("verified", "no page", 5)
    assert str(report).startswith("numbers hold, no page")


def test_full_computes_every_row_by_the_engine(path):
    report = xp.verify(path, full=True)
    assert report.status == "verified"
    assert "all rows computed again by the engine" in report.checked


@pytest.mark.parametrize("outcome", ["ship none", "iterate", "defer"])
def test_decisions_that_differ_from_the_rule_are_verified_as_such(tmp_path, outcome):
    experiment = decided(tmp_path, outcome=outcome, because="Reasons.")
    path = experiment.memo().save(tmp_path / "memo.html")
    assert xp.verify(path).status == "verified"
    assert "differs from the rule" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("plan", "peek"),
    [
        ({}, True),
        ({"model": {"kind": "frequentist", "confidence": 0.9}, "correction": "bonferroni"}, False),
        ({"model": {"kind": "group_sequential", "confidence": 0.95, "looks": [0.5, 1.0]}}, False),
        ({"model": {"kind": "bayesian", "confidence": 0.95}}, False),
        ({"family": "primary_and_secondary", "correction": "e-bh"}, False),
    ],
)
def test_every_model_is_verified(tmp_path, plan, peek):
    memo = decided(tmp_path, plan={**PLAN, **plan}, peek=peek).memo()
    report = xp.verify(memo.save(tmp_path / "memo.html"), full=True)
    assert str(report).startswith("verified"), str(report)


def test_the_published_file_is_in_step_with_its_parts():
    """`python scripts/make_verifier.py` makes it."""
    assert (Path(__file__).parents[2] / "docs" / "verify.py").read_text(encoding="utf-8") == single_file()


def test_the_single_file_needs_the_standard_library_alone():
    import ast

    found = set()
    for node in ast.parse(single_file()).body:
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    assert found <= set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "group_sequential", "looks": [0.5, 1.0]},
        {"kind": "bayesian"},
        {"kind": "bayesian", "prior": {"kind": "lift", "mean": 0.0, "sd": 0.05}},
    ],
    ids=["group-sequential", "pooled prior", "prior on the lift"],
)
def test_the_single_file_recomputes_every_design_without_the_package(tmp_path, model):
    """Boundaries by integration, posteriors by quadrature, Mixpanel's documented test: nothing is left to the engine."""
    memo = decided(tmp_path, plan={**PLAN, "model": {**model, "confidence": 0.95}}).memo()
    target, single = memo.save(tmp_path / "memo.json"), tmp_path / "verify.py"
    single.write_text(single_file(), encoding="utf-8")
    command = [sys.executable, "-I", "-S", str(single), "--json"]
    run = subprocess.run([*command, str(target)], capture_output=True, text=True, check=False)
    report = json.loads(run.stdout)
    assert (run.returncode, report["status"]) == (5, "verified"), run.stdout
    assert not any("engine" in n for n in report["not_checked"])
    rows = memo.payload["readout"]["rows"]
    fields = ["chance", "risk", "lift", "lift_high"] if model["kind"] == "bayesian" else ["ci_low", "p_value", "p_adjusted"]
    for name in fields:
        payload = copy.deepcopy(dict(memo.payload))
        payload["readout"]["rows"][0][name] = rows[0][name] * 0.999 + (rows[0]["se"] if name == "risk" else 0)
        target.write_text(json.dumps(payload), encoding="utf-8")
        run = subprocess.run([*command, str(target)], capture_output=True, text=True, check=False)
        part = "lift" if name.startswith("lift") and model["kind"] == "bayesian" else name
        found = {d["part"] for d in json.loads(run.stdout)["differences"]}
        assert f"estimates, quote_started for beta, {part}" in found, (name, found)


def test_without_the_package_the_single_file_verifies(path, tmp_path):
    single = tmp_path / "verify.py"
    single.write_text(single_file(), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-I", "-S", str(single), str(path), "--json"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads(run.stdout)["depth"] == "in full"
    assert "need the data" in run.stdout


def test_the_single_file_sees_a_lift_that_was_edited_and_sealed_anew(path, tmp_path):
    """The seal was made to fit: only the numbers themselves give it away."""
    import hashlib

    text = path.read_text(encoding="utf-8")
    shown = v.parsed_page(text).marked["rows.0.lift"]
    text = text.replace(f">{shown}<", f">+99{shown[1:]}<")
    at = text.rfind(v.SEAL) + len(v.SEAL)
    bare = text[:at] + text[text.find(CLOSE, at) :]
    old = json.loads(text[at : text.find(CLOSE, at)])
    seal = json.dumps({**old, "file": hashlib.sha256(bare.encode()).hexdigest()}, separators=(",", ":"))
    forged = tmp_path / "forged.html"
    forged.write_text(bare[:at] + seal + bare[at:], encoding="utf-8", newline="")
    single = tmp_path / "verify.py"
    single.write_text(single_file(), encoding="utf-8")
    run = subprocess.run([sys.executable, "-I", str(single), str(forged)], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "rows 0 lift" in run.stdout


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("Ship beta</span>", "Stop beta</span>", "page text, headline"),
        ("Rolled out to all", "Rolled out to some", "page text"),
        ('class="t0"/>', 'class="t1"/>', "chart"),
        ("max-width:988px", "max-width:989px", "page markup"),
        ('"outcome":"ship"', '"outcome":"shop"', "payload digest"),
        ('"payload":"', '"payload":"0', "payload digest"),
        ('id="xpbench-seal"', 'id="xpbench-soul"', "payload"),
        ('id="xpbench-payload"', 'id="xpbench-paylord"', "payload"),
        ("</html>", "</htmm>", "file digest"),
    ],
)
def test_an_edit_is_seen_and_its_part_is_named(path, old, new, part):
    report = edited(path, old, new)
    assert report.exit_code == 1
    assert part in parts(report), parts(report)


def test_rewritten_line_ends_have_their_own_verdict(path):
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    report = xp.verify(path)
    assert (report.exit_code, report.depth, parts(report)) == (5, "page touched", {"line ends"})
    assert "all evidence holds" in report.reason


@pytest.mark.parametrize("share", [0.0001, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_download_is_unreadable(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    report = xp.verify(path)
    assert report.exit_code == 2, str(report)


def test_other_files_are_unreadable(tmp_path):
    for name, data in {
        "a": b"",
        "b": b"<html></html>",
        "c": b"\x89PNG\r\n\x1a\n\x00\xff",
        "d": b"{}",
        "e": b"[1]",
        "f": b"\xff\xfe",
    }.items():
        (tmp_path / name).write_bytes(data)
        assert xp.verify(tmp_path / name).exit_code == 2, name
    assert xp.verify(tmp_path / "missing").exit_code == 2
    assert xp.verify(tmp_path).exit_code == 2
    assert xp.verify("\0").exit_code == 2


def test_a_newer_memo_is_told_apart(memo, tmp_path):
    assert forged(memo, tmp_path, lambda p: p.update(schema=3)).exit_code == 3


def test_a_memo_of_another_experiment_is_told_apart(path):
    report = xp.verify(path, key="another")
    assert (report.exit_code, parts(report)) == (1, {"experiment"})


def test_ledgers_beside_the_memo(path, shipped, tmp_path):
    ledger = tmp_path / "ledger.jsonl"
    data = shipped.ledger.path.read_bytes()
    lines = data.splitlines(keepends=True)
    ledger.write_bytes(data)
    Ledger(ledger).append("watched", {})
    assert xp.verify(path, ledger=ledger).status == "verified"
    ledger.write_bytes(b"".join(lines[:-1]))
    assert "tail was cut" in str(xp.verify(path, ledger=ledger))
    Ledger(ledger).append("decided", {"outcome": "iterate"})
    assert "a fork: entry 5" in str(xp.verify(path, ledger=ledger))
    ledger.write_bytes(data.replace(b"Ana", b"Eva", 1))
    assert parts(xp.verify(path, ledger=ledger)) == {"ledger file"}
    other = decided(tmp_path / "other", plan={**PLAN, "key": "other"})
    assert parts(xp.verify(path, ledger=other.ledger.path)) == {"ledger file, experiment"}
    assert parts(xp.verify(path, ledger=tmp_path / "nothing")) == {"ledger file"}


def test_witnesses(path, memo, shipped):
    entries = shipped.ledger.entries()
    assert xp.verify(path, witness=str(memo.witness)).status == "verified"
    assert xp.verify(path, witness=str(Witness(2, entries[1].digest))).status == "verified"
    assert parts(xp.verify(path, witness=str(Witness(2, entries[0].digest)))) == {"witness"}
    assert parts(xp.verify(path, witness=str(Witness(99, entries[0].digest)))) == {"witness"}
    assert parts(xp.verify(path, witness="nonsense")) == {"witness"}


@pytest.mark.parametrize("schema", [0, -1, 1.25, "1", True, None])
def test_a_schema_that_never_was_is_refused(memo, tmp_path, schema):
    """Found by 10,000 mutations: a payload of schema 0 was read like one of schema 1."""
    report = forged(memo, tmp_path, lambda payload: payload.update(schema=schema))
    assert "schema" in parts(report)


def causes(path, memo, shipped, tmp_path):
    """Every way in which a memo comes back wrong, with the word for it."""
    data = path.read_bytes()
    other = decided(tmp_path / "other", plan={**PLAN, "key": "other"})
    fork = tmp_path / "fork.jsonl"
    entries = shipped.ledger.entries()
    branch = Ledger(fork)
    fork.write_bytes(b"".join(e.line + b"\n" for e in entries[:-1]))
    branch.append("decided", {"outcome": "iterate"})
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(b"".join(e.line + b"\n" for e in entries[:-1]))
    return [
        (data, {}, "verified", ""),
        (data.replace(b"\n", b"\r\n"), {}, "numbers hold", "line ends"),
        (b"\xef\xbb\xbf" + data, {}, "numbers hold", "line ends"),
        (data + b"\n ", {}, "numbers hold", "line ends"),
        (data[:-1], {}, "numbers hold", "line ends"),
        (data[:5_000], {}, "unreadable", "truncated"),
        (data[: len(data) * 2 // 3], {}, "unreadable", "truncated"),
        (data[:-40], {}, "unreadable", "truncated"),
        (b"", {}, "unreadable", "truncated"),
        (memo.save(tmp_path / "x.json").read_bytes()[:-100], {}, "unreadable", "truncated"),
        (b"<html>hello</html>", {}, "unreadable", "no memo"),
        (b'{"kind":"xpbench memo","schema":9}', {}, "newer", "newer"),
        (data, {"key": "other"}, "differs", "other experiment"),
        (data, {"ledger": other.ledger.path}, "differs", "other experiment"),
        (data, {"ledger": fork}, "differs", "fork"),
        (data, {"ledger": cut}, "differs", "cut ledger"),
        (data, {"witness": str(Witness(2, "0" * 64))}, "differs", "witness"),
        (data.replace(b"Ship beta", b"Ship gama"), {}, "differs", "altered"),
        (data.replace(b"Ship beta", b"Ship gama").replace(b"\n", b"\r\n"), {"key": "other"}, "differs", "altered"),
    ]


def test_each_kind_of_trouble_has_its_own_verdict(path, memo, shipped, tmp_path):
    """Rewritten line ends, a truncated download, another experiment's memo, a fork: none is mistaken for another."""
    said = {}
    for data, outside, status, cause in causes(path, memo, shipped, tmp_path):
        path.write_bytes(data)
        report = xp.verify(path, **outside)
        assert (report.status, report.cause) == (status, cause), str(report)
        assert report.to_dict()["cause"] == cause
        said.setdefault(cause, report.reason)
    assert len(set(said.values())) == len(said)
    assert xp.verify(path.with_name("nothing.html")).cause == "not there"


def leaves(value, at=()):
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*at, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from leaves(item, (*at, i))
    else:
        yield at, value


def changed_leaf(value, rng):
    if isinstance(value, bool):
        return not value
    if value is None:
        return 1
    if isinstance(value, (int, float)):
        return value + rng.choice([1, -1, 0.25]) if rng.random() < 0.7 else value * 1.01 + 1e-6
    return value + "x" if not value or rng.random() < 0.5 else value[1:]


def test_a_changed_value_is_seen_even_when_page_and_seal_are_made_anew(memo, tmp_path):
    rng = random.Random(5)
    places = [at for at, _ in leaves(dict(memo.payload)) if at[0] != "seeds"]
    judged = 0
    for at in rng.sample(places, 30):

        def change(payload, at=at):
            part = payload
            for key in at[:-1]:
                part = part[key]
            part[at[-1]] = changed_leaf(part[at[-1]], rng)

        try:
            report = forged(memo, tmp_path, change, is_page=at[0] == "page")
        except Exception:  # noqa: BLE001, S112 - no page can be made of it
            continue
        judged += 1
        assert report.exit_code in (1, 3), at
    assert judged >= 20, "most of them make a page, or nothing was tested"


def test_a_structural_mutation_is_seen(memo, tmp_path):
    rng = random.Random(6)
    lists = [at for at in containers(dict(memo.payload)) if at]
    judged = 0
    for at in rng.sample(lists, 30):

        def change(payload, at=at):
            part = payload
            for key in at:
                part = part[key]
            mutate(part, rng)

        before = copy.deepcopy(dict(memo.payload))
        try:
            report = forged(memo, tmp_path, change, is_page=at[0] == "page")
        except Exception:  # noqa: BLE001, S112 - no page can be made of it
            continue
        text = (tmp_path / "forged.html").read_text(encoding="utf-8")
        if v.loads(v.parts_of(text)[0]) == before:
            continue  # two equal items changed places
        judged += 1
        assert report.exit_code != 0, at
    assert judged >= 10, "enough of them make another page, or nothing was tested"


def containers(value, at=(), kinds=(dict, list)):
    if isinstance(value, kinds) and len(value) > 1:
        yield at
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from containers(item, (*at, key), kinds)


def mutate(part, rng):
    kind = rng.choice(["delete", "reorder", "duplicate", "truncate", "insert"])
    if isinstance(part, list):
        if kind == "delete":
            del part[rng.randrange(len(part))]
        elif kind == "reorder":
            part.reverse()
        elif kind == "duplicate":
            part.insert(0, copy.deepcopy(part[-1]))
        elif kind == "truncate":
            del part[len(part) // 2 :]
        else:
            part.append("x")
    elif kind in ("delete", "truncate"):
        del part[rng.choice(sorted(part))]
    else:
        part["extra"] = 1
    return kind


def test_random_flips_of_single_bytes_are_seen(path):
    rng = random.Random(7)
    data = path.read_bytes()
    for _ in range(50):
        flipped = bytearray(data)
        place = rng.randrange(len(data))
        flipped[place] ^= 1 << rng.randrange(8)
        path.write_bytes(flipped)
        report = xp.verify(path)
        assert report.exit_code in (1, 2), (place, data[place - 30 : place + 30])


def test_the_payload_stands_in_the_page_as_canonical_json(memo):
    text = memo.html
    start = text.index(PAYLOAD_OPEN) + len(PAYLOAD_OPEN)
    raw = text[start : text.index(CLOSE, start)]
    assert not set("<>&\u2028\u2029") & set(raw)
    assert v.canonical(v.loads(raw)).encode() == v.canonical(json.loads(json.dumps(memo.payload))).encode()


def test_reports_show_hostile_text_safely(path):
    report = edited(path, '"outcome":"ship"', '"outcome":"\\u001b[31m"')
    assert "\x1b" not in str(report)


def polyglot(path, memo, page_text):
    """A file that is the true payload for a program and a page of somebody's own for a browser."""
    payload = memo.save(path.with_name("payload.json")).read_text(encoding="utf-8")
    return '{"<!--":' + json.dumps(f"--><body>{page_text}<!--", ensure_ascii=False) + "," + payload[1:]


@pytest.mark.parametrize("name", ["memo.html", "memo.json", "memo"])
def test_a_file_that_is_data_and_page_at_once_is_refused(path, memo, tmp_path, name):
    target = tmp_path / name
    target.write_text(polyglot(path, memo, "<h1>Ship beta: +84 %</h1>"), encoding="utf-8")
    report = xp.verify(target)
    assert report.exit_code == 1, str(report)
    assert any("<!--" in d.part for d in report.differences)


@pytest.mark.parametrize("name", ["memo.html", "memo.HTM", "memo.xhtml", "memo.svg"])
def test_a_payload_that_calls_itself_a_page_is_refused(memo, tmp_path, name):
    """Free text of an own plan may be markup: a browser would show it, so data alone may not have a page's name."""
    target = tmp_path / name
    target.write_bytes(memo.save(tmp_path / "memo.json").read_bytes())
    assert xp.verify(target).exit_code == 1


@pytest.mark.parametrize("around", ["{} ", " {}", "{}\n\n", "{}<!-- -->", "\ufeff{}"])
def test_a_payload_alone_is_canonical_or_it_differs(memo, tmp_path, around):
    text = memo.save(tmp_path / "memo.json").read_text(encoding="utf-8").removesuffix("\n")
    target = tmp_path / "around.json"
    target.write_text(around.format(text) if around != "\ufeff{}" else "\ufeff" + text, encoding="utf-8")
    report = xp.verify(target)
    assert report.exit_code in (1, 2, 5)
    assert report.exit_code == 5 if around == "\ufeff{}" else report.exit_code in (1, 2), str(report)


def test_an_unknown_key_anywhere_is_refused(memo, tmp_path):
    rng = random.Random(11)
    objects = [at for at in containers(dict(memo.payload), kinds=dict) if at[:1] != ("ledger",) or len(at) < 2]
    free = {
        "evidence",
        "units",
        "by_variant",
        "exposures_by_day",
        "segments",
        "versions",
        "seeds",
        "interaction",
        "effects",
        "values",
        "messages",
    }
    tried = 0
    for at in rng.sample(objects, 40):
        names = {k for k in at if isinstance(k, str)}
        if names & (free | {"overrides", "slices", "when", "baselines", "sds"}):
            continue
        payload = copy.deepcopy(dict(memo.payload))
        part = payload
        for key in at:
            part = part[key]
        part["<!--"] = "x"
        target = tmp_path / "extra.json"
        target.write_text(v.canonical(payload), encoding="utf-8")
        report = xp.verify(target)
        assert any("<!--" in d.part for d in report.differences), (at, str(report))
        tried += 1
    assert tried > 10


def test_a_page_without_its_policy_differs(path):
    text = path.read_text(encoding="utf-8")
    at = text.index("<meta http-equiv")
    report = edited(path, text[at : text.index("\n", at) + 1], "")
    assert "first lines and policy" in parts(report)


def test_each_verdict_has_exit_code_sign_and_words_of_its_own():
    codes, signs, words = zip(*v.VERDICTS.values(), strict=True)
    assert sorted(set(codes)) == [0, 1, 2, 3, 4, 5]
    assert len(set(signs)) == len(set(words)) == len(codes)


def test_a_report_says_what_it_can_not_prove(path):
    report = xp.verify(path)
    assert "that the data are true" in str(report)
    assert any("dates" in u for u in report.to_dict()["unproven"])
