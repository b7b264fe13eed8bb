"""Memos and ledgers of every release stay readable, and pages come out with the same bytes on every Python."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import xpbench as xp
from xpbench.ledger import Ledger, Witness
from xpbench.memo.render import page

HERE = Path(__file__).parent / "golden"
RELEASES = sorted(p.name for p in HERE.iterdir() if (p / "payload.json").exists())


def payload_of(release):
    return json.loads((HERE / release / "payload.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("release", RELEASES)
def test_payloads_of_every_release_verify(release):
    report = xp.verify(HERE / release / "payload.json")
    assert report.status == "verified", str(report)


@pytest.mark.parametrize("release", RELEASES)
def test_ledgers_of_every_release_read(release):
    path = HERE / release / "ledger.jsonl"
    before = path.read_bytes()
    ledger = Ledger(path)
    ledger.check(Witness.from_dict(payload_of(release)["ledger"]["witness"]))
    assert [e.schema for e in ledger.entries()] == [1] * len(ledger.entries())
    assert path.read_bytes() == before


def test_the_page_has_the_same_bytes_on_every_python():
    release = xp.__version__
    digest = hashlib.sha256(page(payload_of(release)).encode()).hexdigest()
    expected = (HERE / release / "page.sha256").read_text(encoding="utf-8").strip()
    assert digest == expected, "the page changed: look at it, then run python -m tests.memo.golden"


SETTINGS = [
    {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "TZ": "UTC", "LC_ALL": "C"},
    {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8"},
    {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "AVX2,FMA3", "PYTHONHASHSEED": "5", "LC_ALL": "tr_TR.UTF-8"},
]


def other_pythons():
    """Other interpreters that have what xpbench needs: those of `scripts/test.py`, and those that XPBENCH_PYTHONS names."""
    named = [Path(p) for p in os.environ.get("XPBENCH_PYTHONS", "").split(os.pathsep) if p]
    found = {}
    for python in [*named, *HERE.parents[2].glob(".venv-test-*/bin/python")]:
        asked = [str(python), "-c", "import sys, numpy, scipy, duckdb, pydantic, jinja2; print(sys.version_info[:2])"]
        run = subprocess.run(asked, capture_output=True, text=True, check=False) if python.exists() else None
        if run is not None and run.returncode == 0 and run.stdout.strip() != str(tuple(sys.version_info[:2])):
            found.setdefault(run.stdout.strip(), str(python))
    return found


def test_two_pythons_make_the_same_memo():
    """The same moments under another Python, with another numpy and scipy: the same payload, the same page."""
    others = other_pythons()
    if not others:
        pytest.skip("no other Python with the dependencies is here; the pinned digest takes its place")
    script = [str(HERE.parent / "make_memo.py"), str(HERE / "summary.json")]
    plans = ["{}", json.dumps({"model": {"kind": "bayesian"}}), json.dumps({"model": {"kind": "group_sequential"}})]
    for plan in plans:
        made = {
            python: subprocess.run([python, "-W", "ignore", *script, plan], capture_output=True, text=True, check=True).stdout
            for python in (sys.executable, *others.values())
        }
        assert len(set(made.values())) == 1, made


def test_a_memo_has_the_same_bytes_whatever_the_machine_is_set_to():
    """From moments to page in fresh processes: threads, BLAS kernels, vector instructions, hash seed, zone, locale."""
    found = []
    for settings in SETTINGS:
        run = subprocess.run(
            [sys.executable, "-W", "ignore", str(HERE.parent / "make_memo.py"), str(HERE / "summary.json")],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(run.stdout)
    assert len(set(found)) == 1
