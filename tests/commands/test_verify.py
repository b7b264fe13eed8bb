import json

import pytest

from tests.memo.making import decided
from xpbench.cli import main


@pytest.fixture
def experiment(tmp_path):
    return decided(tmp_path / "experiments")


def run(capsys, *words):
    code = main(list(map(str, words)))
    out = capsys.readouterr()
    return code, out.out, out.err


def test_verify_has_an_exit_code_for_each_answer(capsys, tmp_path, experiment):
    path = experiment.memo().save(tmp_path / "memo.html")
    code, out, _ = run(capsys, "verify", path)
    assert (code, out.splitlines()[0].split(":")[0]) == (0, "verified in full")
    code, out, _ = run(capsys, "verify", path, "--json", "--full")
    assert (code, json.loads(out)["status"]) == (0, "verified")
    text = path.read_text(encoding="utf-8")
    assert run(capsys, "verify", experiment.memo().save(tmp_path / "memo.json"))[0] == 5
    path.write_text(text.replace("\n", "\r\n"), encoding="utf-8", newline="")
    assert run(capsys, "verify", path)[0] == 5
    path.write_text(text.replace("Ship beta", "Ship gamma", 1), encoding="utf-8", newline="")
    assert run(capsys, "verify", path)[0] == 1
    path.write_text(text[:5000], encoding="utf-8")
    assert run(capsys, "verify", path)[0] == 2
    assert run(capsys, "verify")[0] == 2
    payload = tmp_path / "newer.json"
    payload.write_text('{"kind":"xpbench memo","schema":9}')
    assert run(capsys, "verify", payload)[0] == 3


def test_the_verifier_can_be_saved(capsys, tmp_path):
    code, out, _ = run(capsys, "verify", "--save-verifier", tmp_path / "check.py")
    assert code == 0
    assert "check.py" in out
    assert (tmp_path / "check.py").read_text(encoding="utf-8").startswith('"""Check a memo')


def test_ledger_verify_and_log(capsys, tmp_path, experiment):
    root = experiment.root
    memo = experiment.memo().save(tmp_path / "memo.html")
    code, out, _ = run(capsys, "ledger", "verify", experiment.key, "--root", root, "--memo", memo)
    assert code == 0
    assert "it has what 1 witness saw" in out
    code, out, _ = run(capsys, "ledger", "log", experiment.key, "--root", root, "--json")
    assert [e["kind"] for e in json.loads(out)] == ["registered", "signed_off", "launched", "opened", "decided"]
    assert "decided" in run(capsys, "ledger", "log", experiment.ledger.path)[1]
    witness = str(experiment.witness)
    lines = experiment.ledger.path.read_bytes().splitlines(keepends=True)
    experiment.ledger.path.write_bytes(b"".join(lines[:-1]))
    code, out, _ = run(capsys, "ledger", "verify", experiment.ledger.path, "--witness", witness, "--json")
    assert (code, json.loads(out)["status"]) == (1, "broken")
    assert run(capsys, "ledger", "verify", experiment.ledger.path, "--witness", "nonsense")[0] == 2
    assert run(capsys, "ledger", "verify", experiment.ledger.path, "--memo", tmp_path / "nothing")[0] == 2
    experiment.ledger.path.write_bytes(lines[1])
    assert run(capsys, "ledger", "log", experiment.ledger.path)[0] == 1
    assert run(capsys, "ledger", "verify", tmp_path / "nothing.jsonl")[0] == 2
    assert run(capsys, "ledger", "verify", "nothing", "--root", root)[0] == 2
