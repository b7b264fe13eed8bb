import shutil
import subprocess

import pytest

import xpbench as xp
from tests.memo.making import decided
from xpbench.cli import main
from xpbench.errors import InputError, LedgerError
from xpbench.ledger import Ledger, Witness
from xpbench.ledger.notes import read_notes, write_note
from xpbench.ledger.signature import check, message, sign

TEXT = message("ab" * 32, "Ana")


@pytest.fixture
def pem(tmp_path):
    ed25519 = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.ed25519")
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    path = tmp_path / "key.pem"
    key = ed25519.Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
def ssh(tmp_path):
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen")
    path = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.mark.parametrize("kind", ["pem", "ssh"])
def test_a_signature_fits_its_text_and_no_other(kind, request):
    signature = sign(TEXT, key=request.getfixturevalue(kind))
    assert check(signature, TEXT) == "valid"
    assert check(signature, message("ab" * 32, "Eva")) == "invalid"
    assert check({**signature, "value": signature["value"].replace("a", "b", 3)}, TEXT) == "invalid"
    assert check({**signature, "public_key": "00" * 32}, TEXT) == "invalid"
    assert check({**signature, "public_key": None}, TEXT) == "invalid"
    assert check({**signature, "kind": "quantum"}, TEXT) == "can't be checked here"


def test_what_is_no_key_is_refused(tmp_path):
    (tmp_path / "key").write_text("hello")
    with pytest.raises(InputError, match="XPB-I02"):
        sign(TEXT, key=tmp_path / "key")
    with pytest.raises(InputError, match="XPB-I01"):
        sign(TEXT, key=tmp_path / "missing")


def test_the_private_key_never_reaches_the_ledger(tmp_path, pem):
    experiment = decided(tmp_path / "e")
    experiment.sign("Ben", key=pem)
    assert b"PRIVATE" not in experiment.ledger.path.read_bytes()


def test_memos_verify_signatures(tmp_path, pem):
    experiment = decided(tmp_path / "e")
    experiment.sign("Ben", role="legal", key=pem)
    report = xp.verify(experiment.memo().save(tmp_path / "memo.html"))
    assert report.status == "verified"
    (told,) = [c for c in report.checked if c.startswith("signature of Ben (ed25519, key SHA256:")]
    assert "the decision of entry 5, its readout and its data" in told
    body = {"name": "Eva", "plan_digest": "ab" * 32, "signature": sign(TEXT, key=pem)}
    experiment.ledger.append("signed_off", body, by="Eva")
    report = xp.verify(experiment.memo().save(tmp_path / "memo.html"))
    assert "sign-off of Eva" in {d.part for d in report.differences}


def test_git_notes_keep_witnesses(tmp_path, capsys):
    experiment = decided(tmp_path)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    with pytest.raises(LedgerError, match="XPB-L05"):
        write_note(experiment.folder, key=experiment.key, witness=experiment.witness)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run([*git[:3], "config", "user.name", "x"], check=True)
    subprocess.run([*git[:3], "config", "user.email", "x@example.org"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True)
    assert main(["ledger", "note", experiment.key, "--root", str(tmp_path)]) == 0
    write_note(experiment.folder, key="other", witness=Witness(1, "0" * 64))
    assert read_notes(experiment.folder, key=experiment.key) == [experiment.witness]
    assert main(["ledger", "verify", experiment.key, "--root", str(tmp_path), "--git-notes"]) == 0
    lines = experiment.ledger.path.read_bytes().splitlines(keepends=True)
    experiment.ledger.path.write_bytes(b"".join(lines[:-1]))
    assert len(Ledger(experiment.ledger.path).entries()) == 4
    assert main(["ledger", "verify", experiment.key, "--root", str(tmp_path), "--git-notes"]) == 1
    capsys.readouterr()


def rebuilt(tmp_path, experiment, *, lift):
    """The same plan registered and signed at the same times, then other data and another decision."""
    from datetime import UTC, datetime

    from tests.memo.making import summary_of
    from xpbench.experiment import register

    entries = experiment.ledger.entries()
    times = iter([datetime.fromisoformat(e.at.replace("Z", "+00:00")) for e in entries] + [datetime.now(UTC)] * 50)
    other = register(experiment.plan, tmp_path / "rebuilt", by="Ana", clock=lambda: next(times))
    for entry in entries[1:]:
        if entry.kind == "signed_off":
            other.ledger.append("signed_off", entry.body, by=entry.by)
        elif entry.kind == "opened":
            readout = other.readout(summary_of(lift=lift, seed=11), by="Ana")
        elif entry.kind == "decided":
            other.decide(readout, "ship none", because="As planned.", by="Ana")
        else:
            other.ledger.append(entry.kind, entry.body, by=entry.by)
    return other


def test_a_signature_over_the_results_does_not_survive_a_rebuilt_ledger(tmp_path, pem):
    experiment = decided(tmp_path / "e")
    experiment.sign("Ben", role="legal", key=pem)
    other = rebuilt(tmp_path, experiment, lift=-1.0)
    report = xp.verify(other.memo().save(tmp_path / "memo.html"))
    assert report.exit_code == 1
    assert "sign-off of Ben, ledger" in {d.part for d in report.differences}


def test_a_signature_before_the_results_says_that_it_does_not_cover_them(tmp_path, pem):
    from tests.memo.making import PLAN, summary_of
    from xpbench.experiment import register
    from xpbench.plan import Plan

    experiment = register(Plan(**PLAN), tmp_path / "e", by="Ana")
    experiment.sign("Ben", key=pem)
    readout = experiment.peek(summary_of(), reason="Asked.", by="Ana")
    experiment.decide(readout, "iterate", because="Reasons.", by="Ana")
    report = xp.verify(experiment.memo().save(tmp_path / "memo.html"))
    (told,) = [c for c in report.checked if c.startswith("signature of Ben")]
    assert "not the results, which came later" in told


def test_a_copied_signature_of_an_earlier_release_covers_plan_and_name_alone(tmp_path, pem):
    experiment = decided(tmp_path / "e")
    digest = experiment.plan.digest
    body = {"name": "Eva", "plan_digest": digest, "signature": sign(message(digest, "Eva"), key=pem)}
    experiment.ledger.append("signed_off", body, by="Eva")
    report = xp.verify(experiment.memo().save(tmp_path / "memo.html"))
    assert any("neither ledger nor results" in c for c in report.checked), str(report)


def test_a_signature_of_one_name_is_not_shown_for_another(tmp_path, pem):
    experiment = decided(tmp_path / "e")
    experiment.sign("Mallory", key=pem)
    body = experiment.ledger.entries()[-1].body
    experiment.ledger.append("signed_off", body, by="Ben")
    report = xp.verify(experiment.memo().save(tmp_path / "memo.html"))
    assert "sign-off of Mallory, name" in {d.part for d in report.differences}


def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path, ssh):
    experiment = decided(tmp_path / "e")
    experiment.sign("Ben", key=ssh)
    told = subprocess.run(["ssh-keygen", "-lf", f"{ssh}.pub"], capture_output=True, text=True, check=True).stdout.split()[1]
    memo = experiment.memo()
    assert memo.payload["sign_offs"][-1]["key"] == told
    assert told in memo.html
