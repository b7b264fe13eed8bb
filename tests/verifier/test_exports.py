"""What `verify` says of a memo's exports: an archive is checked inside, a copy is named, nothing honest is called damaged."""

import json
import zipfile

import pytest

import xpbench as xp
from xpbench.cli import main


@pytest.fixture(scope="module")
def archive(shipped, tmp_path_factory):
    return shipped.memo().save(tmp_path_factory.mktemp("archive") / "memo.zip")


def rewritten(archive, target, *, drop=(), **changes):
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(target, "w") as new:
        names = [n for n in old.namelist() if n not in drop]
        for name in {**dict.fromkeys(names), **dict.fromkeys(changes)}:
            data = changes.get(name, old.read(name) if name in names else b"")
            new.writestr(name, data)
    return xp.verify(target)


def test_an_archive_is_verified_inside(archive):
    report = xp.verify(archive)
    assert (report.exit_code, report.depth) == (0, "in full"), str(report)
    assert any("archive" in c for c in report.checked)
    assert any("verify.py in the archive" in n for n in report.not_checked)


@pytest.mark.parametrize("name", ["payload.json", "plan.json", "ledger.jsonl", "verify.py", "ro-crate-metadata.json"])
def test_a_changed_file_in_an_archive_differs(archive, tmp_path, name):
    with zipfile.ZipFile(archive) as old:
        data = old.read(name)
    old_text, new_text = (b"Ship beta", b"Ship gama") if name.startswith("ro-crate") else (b"a", b"b")
    report = rewritten(archive, tmp_path / "a.zip", **{name: data.replace(old_text, new_text, 1)})
    assert report.exit_code == 1, str(report)
    assert any("archive" in d.part for d in report.differences)


def test_files_that_are_missing_or_foreign_differ(archive, tmp_path):
    assert rewritten(archive, tmp_path / "a.zip", drop=("ledger.jsonl",)).exit_code == 1
    assert rewritten(archive, tmp_path / "b.zip", **{"read-me-first.html": b"<h1>+84 %</h1>"}).exit_code == 1
    assert rewritten(archive, tmp_path / "c.zip", drop=("memo.html",)).exit_code == 2


def test_a_forged_memo_in_an_archive_differs(archive, tmp_path):
    with zipfile.ZipFile(archive) as old:
        page = old.read("memo.html")
    assert rewritten(archive, tmp_path / "a.zip", **{"memo.html": page.replace(b"Ship beta", b"Ship gama")}).exit_code == 1


def test_a_broken_archive_is_unreadable(archive, tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(archive.read_bytes()[:3000])
    assert xp.verify(path).exit_code == 2


@pytest.mark.parametrize("ending", ["md", "interactive.html"])
def test_a_copy_is_named_and_points_to_the_evidence(shipped, tmp_path, ending):
    report = xp.verify(shipped.memo().save(tmp_path / f"memo.{ending}"))
    assert (report.exit_code, report.cause) == (2, "a copy")
    assert "HTML memo" in str(report)
    assert "damaged" not in str(report)


def test_a_pdf_is_named(tmp_path):
    path = tmp_path / "memo.pdf"
    path.write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    report = xp.verify(path)
    assert (report.exit_code, report.cause) == (2, "a copy")
    assert "PDF" in report.reason


@pytest.mark.parametrize(("ending", "code"), [("html", 0), ("zip", 0), ("json", 5), ("md", None), ("interactive.html", None)])
def test_a_hint_names_what_can_be_verified(shipped, tmp_path, capsys, ending, code):
    out = tmp_path / f"m.{ending}"
    assert main(["memo", shipped.key, "--root", str(shipped.root), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert (f"xpbench verify {out}" in said) == (code is not None)
    if code is not None:
        assert main(["verify", str(out), "--json"]) == code
        assert json.loads(capsys.readouterr().out)["exit_code"] == code
    else:
        assert str(shipped.memo_path) in said
