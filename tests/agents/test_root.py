"""The one folder: nothing leads out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.agents.hostile_paths import ESCAPES
from xpbench.agents.root import Root
from xpbench.errors import XpbenchError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.csv").write_text("x")
    project = tmp_path / "project"
    (project / "data").mkdir(parents=True)
    (project / "experiments" / "one").mkdir(parents=True)
    (project / "data" / "units.csv").write_text("unit\n1\n")
    (project / "link.csv").symlink_to(tmp_path / "outside" / "secret.csv")
    (project / "up").symlink_to(tmp_path / "outside")
    os.mkfifo(project / "pipe.csv")
    return project


@pytest.mark.parametrize("given", [*ESCAPES, "pipe.csv", "pipe.csv/x", "./up/secret.csv", "data//../up/secret.csv"])
def test_no_path_leads_out(folder: Path, given: str) -> None:
    root = Root(folder)
    with pytest.raises(XpbenchError):
        root.file(given)
    with pytest.raises(XpbenchError):
        root.data(given)


def test_ordinary_paths_are_taken(folder: Path) -> None:
    root = Root(folder)
    assert root.data("data/units.csv") == str(folder.resolve() / "data" / "units.csv")
    assert root.data("./data") == [str(folder.resolve() / "data" / "units.csv")]
    assert root.path("new.plan.json") == folder.resolve() / "new.plan.json"
    assert root.named(root.path("data/units.csv")) == "data/units.csv"


def test_a_folder_with_a_link_among_its_data_is_refused(folder: Path) -> None:
    (folder / "data" / "more.csv").symlink_to(folder / "link.csv")
    with pytest.raises(XpbenchError, match="symbolic link"):
        Root(folder).data("data")


def test_the_same_file_twice_is_refused(folder: Path) -> None:
    with pytest.raises(XpbenchError, match="once"):
        Root(folder).data(["data/units.csv", "./data/units.csv"])


@pytest.mark.parametrize("name", ["ledger.jsonl", "readouts", "memo.html", "ledger.jsonl.lock"])
def test_no_link_in_the_folder_of_an_experiment(folder: Path, name: str) -> None:
    root = Root(folder)
    assert root.experiment("one") == folder.resolve() / "experiments"
    (folder / "experiments" / "one" / name).symlink_to(folder.parent / "outside")
    with pytest.raises(XpbenchError, match="symbolic link"):
        root.experiment("one")


def test_experiments_that_are_a_link_are_refused(folder: Path, tmp_path: Path) -> None:
    root = Root(folder)
    (folder / "experiments" / "one").rmdir()
    (folder / "experiments").rmdir()
    (folder / "experiments").symlink_to(tmp_path / "outside")
    with pytest.raises(XpbenchError):
        root.experiment("one")
    with pytest.raises(XpbenchError):
        Root(folder, "../outside")
