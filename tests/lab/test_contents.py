"""Contents that are not on the server's disk: the same list, brought up to date, and nothing left behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

import xpbench as xp
from tests.lab.conftest import make_experiments
from tests.test_experiment import plan
from xpbench.errors import InputError
from xpbench.lab.catalogue import Catalogue
from xpbench.lab.contents import Contents, clean_path


class Elsewhere:
    """A contents manager whose files can't be reached but by its own methods."""

    def __init__(self, folder: Path, *, shows_hidden: bool = False) -> None:
        self._inner = AsyncLargeFileManager(root_dir=str(folder), allow_hidden=shows_hidden)

    def __getattr__(self, name: str) -> Any:
        if name == "root_dir":
            raise AttributeError(name)
        return getattr(self._inner, name)


def test_remote_experiments_are_listed_like_local_ones_and_followed(tmp_path: Path) -> None:
    make_experiments(tmp_path / "team" / "experiments")
    remote, local = Contents(Elsewhere(tmp_path)), Contents(AsyncLargeFileManager(root_dir=str(tmp_path)))
    catalogue = Catalogue()

    async def states(contents: Contents) -> dict[str, str]:
        root = await contents.local_root("team/experiments")
        return {i.key: i.state for i in catalogue.items(root) if i.state != "draft"}

    async def story() -> None:
        assert not remote.is_local
        assert local.is_local
        assert await states(remote) == await states(local)
        experiment = xp.register(plan(key="later"), tmp_path / "team" / "experiments")
        assert (await states(remote))["later"] == "registered"
        experiment.launch()
        assert (await states(remote))["later"] == "running"
        for file in experiment.folder.iterdir():
            file.unlink()
        experiment.folder.rmdir()
        assert "later" not in await states(remote)
        await remote.write("new/deep/file.bin", b"\x00\xff\r\n")
        assert (tmp_path / "new/deep/file.bin").read_bytes() == b"\x00\xff\r\n"
        assert await remote.read("new/deep/file.bin") == b"\x00\xff\r\n"
        async with remote.local_file("team/experiments/decided/memo.html") as copy:
            assert copy.read_bytes() == (tmp_path / "team/experiments/decided/memo.html").read_bytes()
        assert not copy.exists()
        with pytest.raises(InputError, match="XPB-I01"):
            await remote.read("nowhere")

    asyncio.run(story())
    remote.close()


@pytest.mark.parametrize("shows_hidden", [True, False])
def test_remote_drafts_are_listed_where_the_server_shows_hidden_files(tmp_path: Path, shows_hidden: bool) -> None:
    root = tmp_path / "experiments"
    make_experiments(root)
    (root / "loose.plan.json").write_text('{"key": "loose", "title": "Loose"}')
    remote = Contents(Elsewhere(tmp_path, shows_hidden=shows_hidden))
    catalogue = Catalogue()

    async def drafts() -> dict[str, str]:
        return {i.key: i.path for i in catalogue.items(await remote.local_root("experiments")) if i.state == "draft"}

    async def story() -> None:
        hidden = {"idea": ".drafts/idea.plan.json"} if shows_hidden else {}
        assert await drafts() == {"loose": "loose.plan.json", **hidden}
        (root / "loose.plan.json").unlink()
        (root / ".drafts" / "idea.plan.json").unlink()
        assert await drafts() == {}

    asyncio.run(story())
    remote.close()


@pytest.mark.parametrize(("path", "clean"), [("a//b/", "a/b"), ("./a", "a"), ("", ""), ("a/b.c", "a/b.c")])
def test_clean_path(path: str, clean: str) -> None:
    assert clean_path(path) == clean


@pytest.mark.parametrize("path", ["..", "a/../b", "/a", "~", "c:/a", "a\\b", "a/.b", "\x00", None, 3, "x" * 1025])
def test_paths_that_are_refused(path: Any) -> None:
    with pytest.raises(InputError, match="XPB-J01"):
        clean_path(path)
