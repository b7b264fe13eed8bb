"""Files the way JupyterLab sees them: paths of the contents manager, whose files may be here or anywhere.

Paths are relative to the server's root, with `/`. A path that leaves the root, names a hidden file or is none of ours is
refused before the contents manager is asked. Where the contents manager keeps its files on this machine they are read in
place; where not, what an experiment consists of is copied into a temporary folder and read there. Writing always goes through
the contents manager.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, TypeVar

from xpbench.errors import InputError, plain

READOUT = "readout.json"
DRAFTS = ".drafts"
MAX_BYTES = 64 * 1024 * 1024

T = TypeVar("T")


async def settled(value: T | Awaitable[T]) -> T:
    """The value of a call that may or may not be asynchronous."""
    if asyncio.iscoroutine(value) or isinstance(value, Awaitable):
        return await value
    return value


def clean_path(path: Any) -> str:
    """The path of a file or folder under the server's root, normalised; "" is the root.

    Raises:
        InputError: `XPB-J01`, it leaves the root, is hidden, or is no path.
    """
    if not isinstance(path, str) or len(path) > 1024 or any(ord(c) < 32 or c == "\\" for c in path):
        raise InputError("XPB-J01", path=str(path))
    if path.startswith(("/", "~")) or (len(path) > 1 and path[1] == ":"):
        raise InputError("XPB-J01", path=path)
    parts = [p for p in path.split("/") if p not in ("", ".")]
    if any(p == ".." or p.startswith(".") for p in parts):
        raise InputError("XPB-J01", path=path)
    return "/".join(parts)


def join(*parts: str) -> str:
    """The parts as one path of the contents manager."""
    return "/".join(p for p in parts if p)


class Contents:
    """A contents manager, asked for what experiments need.

    Args:
        manager: Jupyter Server's contents manager, synchronous or not.
    """

    def __init__(self, manager: Any) -> None:
        self._manager = manager
        self._mirror: tempfile.TemporaryDirectory[str] | None = None
        self._seen: dict[str, tuple[Any, Any]] = {}
        self._lock = asyncio.Lock()

    @property
    def is_local(self) -> bool:
        """The files are on this machine."""
        from jupyter_server.services.contents.filemanager import FileContentsManager

        return isinstance(self._manager, FileContentsManager)

    def _here(self, path: str) -> Path:
        """The path on this machine; nothing outside the root, also by symbolic links."""
        from jupyter_server.utils import ApiPath, to_os_path

        root = Path(self._manager.root_dir).resolve()
        target = Path(to_os_path(ApiPath(path), str(root)))
        if not target.resolve().is_relative_to(root):
            raise InputError("XPB-J01", path=path)
        return target

    def _stay(self, path: str) -> None:
        """Nothing is written through a link that leaves the root; contents managers of files follow links."""
        if self.is_local:
            self._here(path)

    async def folder_exists(self, path: str) -> bool:
        """There is such a folder."""
        return bool(await settled(self._manager.dir_exists(path)))

    async def file_exists(self, path: str) -> bool:
        """There is such a file."""
        return bool(await settled(self._manager.file_exists(path)))

    async def children(self, path: str) -> list[dict[str, Any]]:
        """Names, types, sizes and times of what a folder holds; nothing where it does not exist."""
        from tornado.web import HTTPError

        try:
            model = await settled(self._manager.get(path, content=True, type="directory"))
        except HTTPError:
            return []
        return list(model["content"])

    async def read(self, path: str) -> bytes:
        """The bytes of a file.

        Raises:
            InputError: `XPB-I01`, there is none; `XPB-I03`, it is too large.
        """
        if not await self.file_exists(path):
            raise InputError("XPB-I01", path=path)
        model = await settled(self._manager.get(path, content=False))
        if (model.get("size") or 0) > MAX_BYTES:
            raise InputError("XPB-I03", path=path, size=model["size"], limit=MAX_BYTES)
        if self.is_local:
            return await asyncio.to_thread(read_bounded, self._here(path), path)
        model = await settled(self._manager.get(path, content=True, type="file"))
        if model.get("format") == "base64":
            return base64.b64decode(model["content"])
        return str(model["content"]).encode("utf-8", "surrogatepass")

    async def write(self, path: str, data: bytes) -> None:
        """Save bytes as they are; folders on the way are made.

        Raises:
            InputError: `XPB-J01`, a link on the way leaves the root.
        """
        self._stay(path)
        await self.make_folder(path.rpartition("/")[0])
        if path.endswith(".ipynb"):
            model = {"type": "notebook", "format": "json", "content": json.loads(data)}
        else:
            model = {"type": "file", "format": "base64", "content": base64.b64encode(data).decode("ascii")}
        await settled(self._manager.save(model, path))

    async def make_folder(self, path: str) -> None:
        """Make a folder and those above it."""
        made = ""
        for part in path.split("/") if path else []:
            made = join(made, part)
            self._stay(made)
            if not await self.folder_exists(made):
                await settled(self._manager.save({"type": "directory", "content": None, "format": None}, made))

    async def free_name(self, name: str, folder: str) -> str:
        """A file name that is free in a folder: the name itself, or with a number."""
        return str(await settled(self._manager.increment_filename(name, folder, insert="-")))

    @contextlib.asynccontextmanager
    async def local_file(self, path: str) -> AsyncIterator[Path]:
        """The file as one on this machine, for code that reads files."""
        if self.is_local:
            if not await self.file_exists(path):
                raise InputError("XPB-I01", path=path)
            yield self._here(path)
            return
        data = await self.read(path)
        with tempfile.TemporaryDirectory(prefix="xpbench-") as folder:
            copy = Path(folder) / (path.rpartition("/")[2] or "file")
            await asyncio.to_thread(copy.write_bytes, data)
            yield copy

    async def local_root(self, root: str) -> Path:
        """The folder of all experiments as one on this machine: in place, or a copy brought up to date.

        Only what has changed since the last call is fetched again; what is gone there goes here.
        """
        if self.is_local:
            return self._here(root)
        async with self._lock:
            return await self._mirrored(root)

    async def _mirrored(self, root: str) -> Path:
        from xpbench.ledger.folder import LEDGER, MEMO, PLAN  # here, so that Jupyter Server starts without plans

        if self._mirror is None:
            self._mirror = tempfile.TemporaryDirectory(prefix="xpbench-mirror-")
        base = Path(self._mirror.name).joinpath(*[p for p in root.split("/") if p])
        base.mkdir(parents=True, exist_ok=True)
        here = await self.children(root)
        folders = [e["name"] for e in here if e["type"] == "directory" and not e["name"].startswith(".")]
        for name in folders:
            folder = base / _plain_name(name)
            folder.mkdir(exist_ok=True)
            found = {m["name"]: m for m in await self.children(join(root, name)) if m["type"] != "directory"}
            await self._copy(join(root, name), {n: found[n] for n in (PLAN, LEDGER, READOUT, MEMO) if n in found}, folder)
        await self._copy(root, _plans(here), base)
        # a hidden folder is not in a listing; a server that shows hidden files answers when asked for it
        drafts = _plans(await self.children(join(root, DRAFTS)))
        if drafts:
            (base / DRAFTS).mkdir(exist_ok=True)
            await self._copy(join(root, DRAFTS), drafts, base / DRAFTS)
        for folder in [p for p in base.iterdir() if p.is_dir() and p.name not in {*folders, *([DRAFTS] if drafts else [])}]:
            await self._copy("", {}, folder)
            folder.rmdir()
        return base

    async def _copy(self, path: str, found: dict[str, dict[str, Any]], folder: Path) -> None:
        """Make the files of a folder here what they are there; what has not changed since is not fetched again."""
        from xpbench.ledger.folder import MEMO

        for gone in [p for p in folder.iterdir() if p.is_file() and p.name not in found]:
            gone.unlink()
            self._seen.pop(str(gone), None)
        for name, model in found.items():
            copy = folder / _plain_name(name)
            signature = (model.get("last_modified"), model.get("size"))
            if copy.exists() and self._seen.get(str(copy)) == signature:
                continue
            # of a memo only its being there counts
            copy.write_bytes(b"" if name == MEMO else await self.read(join(path, name)))
            self._seen[str(copy)] = signature

    def close(self) -> None:
        """Remove the copies."""
        if self._mirror is not None:
            self._mirror.cleanup()
            self._mirror = None


def read_bounded(file: Path, path: str) -> bytes:
    """The bytes of a file of at most `MAX_BYTES`, however it grows while it is read.

    Raises:
        InputError: `XPB-I03`, it is too large.
    """
    with file.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InputError("XPB-I03", path=path, size=file.stat().st_size, limit=MAX_BYTES)
    return data


def _plans(models: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Plans that are next to the experiments, or in the folder of drafts."""
    return {m["name"]: m for m in models if m["type"] != "directory" and m["name"].endswith(".plan.json")}


def _plain_name(name: str) -> str:
    if name in ("", ".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise InputError("XPB-J01", path=plain(name[:80]))
    return name
