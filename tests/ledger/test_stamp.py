"""Time stamps against an authority made with openssl, and against openssl's own verification."""

import json
import random
import shutil
import subprocess

import pytest

import xpbench as xp
from tests.ledger.authority import Authority, Served
from tests.memo.making import decided
from xpbench.cli import main
from xpbench.errors import InputError, LedgerError
from xpbench.ledger import Witness, stamp

pytest.importorskip("rfc3161_client")
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")

DATA = b"some bytes"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority") / "own")


@pytest.fixture(scope="module")
def answer(authority):
    return authority.answer(stamp.request(DATA)[0])


@pytest.fixture
def experiment(tmp_path):
    return decided(tmp_path / "e")


def run(capsys, *words):
    code = main(list(map(str, words)))
    out = capsys.readouterr()
    return code, out.out + out.err


def test_a_stamp_holds_for_its_bytes_and_its_authority(authority, answer, tmp_path):
    roots = stamp.certificates(authority.ca)
    assert stamp.check(answer, DATA, roots=roots) == ("valid", "")
    assert stamp.check(answer, DATA + b"x", roots=roots) == ("invalid", "it stamps something else")
    assert stamp.check(answer, DATA, roots=[])[0] == "can't be checked here"
    assert stamp.check(b"junk", DATA, roots=roots)[0] == "invalid"
    other = Authority(tmp_path / "other", name="Another time")
    assert stamp.check(answer, DATA, roots=stamp.certificates(other.ca))[0] == "invalid"
    assert stamp.check(other.answer(stamp.request(DATA)[0]), DATA, roots=roots)[0] == "invalid"
    found = stamp.read(answer)
    assert (found.authority, found.policy) == ("CN=Time of the test", "1.2.3.4.1")


def test_a_key_that_is_not_for_time_stamps_is_refused(tmp_path):
    """openssl itself refuses to answer with such a certificate, so one made for stamps is exchanged afterwards."""
    with pytest.raises(subprocess.CalledProcessError):
        Authority(tmp_path / "wrong", purpose="clientAuth").answer(stamp.request(DATA)[0])


def test_openssl_reads_the_same_answer(authority, answer, tmp_path):
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "answer.tsr").write_bytes(answer)
    command = ["openssl", "ts", "-verify", "-data", "data", "-in", "answer.tsr", "-CAfile", str(authority.ca)]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "data").write_bytes(DATA + b"x")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_a_flipped_bit_never_makes_another_stamp(authority, answer):
    """Where a flip leaves it valid (algorithm names that nothing signs), it still says the same."""
    rng, roots, told = random.Random(3), stamp.certificates(authority.ca), stamp.read(answer)
    for _ in range(300):
        flipped = bytearray(answer)
        flipped[rng.randrange(len(answer))] ^= 1 << rng.randrange(8)
        verdict, reason = stamp.check(bytes(flipped), DATA, roots=roots)
        assert verdict in ("valid", "invalid")
        if verdict == "valid":
            assert stamp.read(bytes(flipped)) == told
        else:
            assert reason


def test_what_is_no_certificate_is_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("hello")
    with pytest.raises(InputError, match="XPB-I02"):
        stamp.certificates(tmp_path / "ca.pem")
    with pytest.raises(InputError, match="XPB-I01"):
        stamp.certificates(tmp_path / "nothing.pem")


def test_a_head_is_stamped_over_http_and_travels_in_the_memo(capsys, tmp_path, authority, experiment):
    base = [experiment.key, "--root", experiment.root]
    with Served(authority) as url:
        code, out = run(capsys, "ledger", "stamp", *base, "--tsa", url, "--tsa-ca", authority.ca, "--by", "Ana", "--json")
    assert (code, json.loads(out)["authority"]) == (0, "CN=Time of the test")
    entries = experiment.ledger.entries()
    assert entries[-1].kind == "stamped"
    assert entries[-1].body["witness"] == Witness(5, entries[4].digest).to_dict()
    code, out = run(capsys, "ledger", "verify", *base, "--tsa-ca", authority.ca)
    assert code == 0
    assert "✓ entry 6, stamp over 5 entries: valid" in out
    code, out = run(capsys, "ledger", "verify", *base)
    assert code == 0
    assert "─ entry 6" in out
    path = experiment.memo().save(tmp_path / "memo.html")
    report = xp.verify(path, tsa_ca=authority.ca)
    assert report.status == "verified"
    assert any("time stamp of entry 6" in c for c in report.checked)
    assert any("time stamp of entry 6" in n for n in xp.verify(path).not_checked)
    other = Authority(tmp_path / "other", name="Another time")
    assert {d.part for d in xp.verify(path, tsa_ca=other.ca).differences} == {"time stamp of entry 6"}
    assert run(capsys, "ledger", "verify", *base, "--tsa-ca", other.ca)[0] == 1


def test_a_stamp_of_another_head_or_experiment_does_not_count(authority, experiment, tmp_path):
    head = experiment.ledger.head
    for key, witness in (
        ("other", head),
        (experiment.key, Witness(head.length, "0" * 64)),
        (experiment.key, Witness(99, head.digest)),
    ):
        query, _ = stamp.request(stamp.message(key, witness))
        experiment.ledger.append("stamped", stamp.body_of(witness, authority.answer(query)))
    experiment.ledger.append("stamped", {"reply": "?"})
    found = stamp.check_entries(experiment.ledger.entries(), key=experiment.key, roots=stamp.certificates(authority.ca))
    assert [f.verdict for f in found] == ["invalid"] * 4
    assert [f.reason.split()[0] for f in found] == ["it", "it", "it", "the"]
    report = xp.verify(experiment.memo().save(tmp_path / "memo.html"))
    assert report.status == "differs"


def test_query_and_reply_go_as_files(capsys, tmp_path, authority, experiment):
    base = [experiment.key, "--root", experiment.root]
    assert run(capsys, "ledger", "stamp", *base, "--query", tmp_path / "q.tsq")[0] == 0
    (tmp_path / "a.tsr").write_bytes(authority.answer((tmp_path / "q.tsq").read_bytes()))
    experiment.sign("Eva")  # the ledger grew since
    code, out = run(capsys, "ledger", "stamp", *base, "--reply", tmp_path / "a.tsr")
    assert code == 0
    assert "5 entries stamped" in out
    assert run(capsys, "ledger", "verify", *base, "--tsa-ca", authority.ca)[0] == 0
    (tmp_path / "b.tsr").write_bytes(authority.answer(stamp.request(DATA)[0]))
    before = experiment.ledger.path.read_bytes()
    code, out = run(capsys, "ledger", "stamp", *base, "--reply", tmp_path / "b.tsr")
    assert code != 0
    assert "XPB-L12" in out
    assert experiment.ledger.path.read_bytes() == before


def test_a_memo_is_stamped_beside_itself(capsys, tmp_path, authority, experiment):
    memo = experiment.memo().save(tmp_path / "memo.html")
    base = [experiment.key, "--root", experiment.root, "--memo", memo]
    with Served(authority) as url:
        assert run(capsys, "ledger", "stamp", *base, "--tsa", url)[0] == 0
    answer = tmp_path / "memo.html.tsr"
    command = ["openssl", "ts", "-verify", "-data", str(memo), "-in", str(answer), "-CAfile", str(authority.ca)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    code, out = run(capsys, "verify", memo, "--stamp", answer, "--tsa-ca", authority.ca)
    assert code == 0
    assert "time stamp of the file" in out
    other = decided(tmp_path / "other").memo().save(tmp_path / "other.html")
    other.write_text(other.read_text(encoding="utf-8") + "\n", encoding="utf-8", newline="")
    report = xp.verify(other, stamp=answer, tsa_ca=authority.ca)
    assert "time stamp" in {d.part for d in report.differences}
    assert "time stamp" in {d.part for d in xp.verify(memo, stamp=tmp_path / "nothing").differences}


@pytest.mark.parametrize(("status", "body"), [(500, b""), (200, b"junk"), (200, b"x" * 300_000)])
def test_an_authority_that_fails_leaves_the_ledger_as_it_was(capsys, authority, experiment, status, body):
    before = experiment.ledger.path.read_bytes()
    with Served(authority, status=status, body=body) as url:
        code, out = run(capsys, "ledger", "stamp", experiment.key, "--root", experiment.root, "--tsa", url)
    assert code != 0
    assert "XPB-L12" in out
    assert experiment.ledger.path.read_bytes() == before


def test_an_answer_to_another_query_is_refused(capsys, authority, experiment):
    late = authority.answer(stamp.request(stamp.message(experiment.key, experiment.ledger.head))[0])
    with Served(authority, body=late) as url:
        code, out = run(capsys, "ledger", "stamp", experiment.key, "--root", experiment.root, "--tsa", url)
    assert code != 0
    assert "answers another query" in out


@pytest.mark.parametrize("url", ["ftp://x", "http://127.0.0.1:9/none", "nonsense"])
def test_an_authority_that_can_t_be_reached_is_named(url):
    with pytest.raises(LedgerError, match="XPB-L12"):
        stamp.ask(url, b"")
