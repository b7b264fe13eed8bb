"""A text against a memo: every voice traces in full, one altered digit is always found."""

import random
import re

import pytest

import xpbench as xp
from xpbench import verifier
from xpbench.errors import InputError
from xpbench.memo.content.brief import VOICES
from xpbench.verifier.said import NUMBER, trace


@pytest.fixture(scope="module")
def memo(tmp_path_factory):
    from tests.memo.making import decided

    return decided(tmp_path_factory.mktemp("said")).memo()


@pytest.mark.parametrize("voice", VOICES)
def test_every_voice_traces_in_full(memo, voice):
    lines = memo.sentences(voice)
    assert 2 <= len(lines) <= 5
    found = trace(" ".join(lines), memo.payload["page"]["cells"])
    assert found
    assert all(t.ok for t in found), [str(t) for t in found if not t.ok]


def altered(text, rng):
    """The text with one digit of one number changed to another."""
    places = [i for m in NUMBER.finditer(text) for i in range(m.start(), m.end()) if text[i].isdigit()]
    at = rng.choice(places)
    return text[:at] + rng.choice([d for d in "0123456789" if d != text[at]]) + text[at + 1 :]


def test_one_altered_digit_is_found(memo):
    rng = random.Random(1)
    cells = memo.payload["page"]["cells"]
    for voice in VOICES:
        text = " ".join(memo.sentences(voice))
        for _ in range(60):
            changed = altered(text, rng)
            assert any(not t.ok for t in trace(changed, cells)), changed


def test_a_number_of_another_metric_proves_nothing(memo):
    cells = memo.payload["page"]["cells"]
    primary, other = cells["rows"][0], cells["rows"][1]
    mine = re.search(r"[\d.]+", primary["lift"])[0]
    theirs = re.search(r"[\d.]+", other["lift"])[0]
    assert mine != theirs
    assert all(t.ok for t in trace(f"We saw {primary['label']} go up {mine} %.", cells))
    assert [t.ok for t in trace(f"We saw {primary['label']} go up {theirs}7 %.", cells)] == [False]


def test_the_command_and_the_one_file_agree(memo, tmp_path, capsys):
    from xpbench.cli import main

    path = memo.save(tmp_path / "memo.html")
    text = tmp_path / "said.txt"
    text.write_text(" ".join(memo.sentences("team")), encoding="utf-8")
    assert main(["verify", str(path), "--text", str(text)]) == 0
    assert "All " in capsys.readouterr().out
    text.write_text("Quote started rose by 99 %.", encoding="utf-8")
    assert main(["verify", str(path), "--text", str(text)]) == 1
    assert xp.verify(path).exit_code == 0
    assert [t.ok for t in verifier.trace_memo("Quote started rose by 99 %.", path)] == [False]


def test_sentences_stand_on_the_page(memo):
    for voice in VOICES:
        assert list(memo.sentences(voice)) == memo.payload["page"]["cells"]["brief"][voice]
    with pytest.raises(InputError):
        memo.sentences("everybody")
