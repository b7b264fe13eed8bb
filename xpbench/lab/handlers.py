"""The endpoints under `xpbench/api`: experiments, verify, page, templates, notebooks, demo.

All need a signed-in user (403 otherwise) who may read or write contents. What is asked for is a path of the contents manager;
answers are JSON. A problem of ours is answered as `{"message", "code"}` with status 400, or 404 where something is missing.
"""

from __future__ import annotations

import asyncio
import functools
import json
import re
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web

from xpbench import notebooks
from xpbench._version import __version__
from xpbench.errors import InputError, XpbenchError, plain
from xpbench.lab.contents import Contents, clean_path, join, read_bounded

if TYPE_CHECKING:  # loaded when the first of them is asked for: Jupyter Server starts without waiting for plans and statistics
    from xpbench.lab.catalogue import Catalogue, Item

MISSING = frozenset({"XPB-I01", "XPB-J03", "XPB-L04"})
DEFAULT_ROOT = "experiments"
ROOTS_SECONDS = 10.0
"""How long the roots that were found deep in the folders are remembered."""
DEMO_FOLDER = "xpbench-demo"
DEMO_UNITS = 20_000
MAX_BODY = 64 * 1024
MOST_OF_A_QUESTION = 400
TOO_LARGE = "The request has more than 64 KiB"
HTML = "text/html; charset=utf-8"
_TEMPLATE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")

HttpMethod = Callable[..., Awaitable[None]]


def may(action: str) -> Callable[[HttpMethod], HttpMethod]:
    """Let in whoever may do this with contents; 403 for everyone else."""
    decorate: Callable[[HttpMethod], HttpMethod] = authorized(action=action)
    return decorate


def answered(method: HttpMethod) -> HttpMethod:
    """Turn our errors into answers that say what is wrong."""

    @functools.wraps(method)
    async def wrapper(self: Handler, *args: Any) -> None:
        try:
            await method(self, *args)
        except XpbenchError as error:
            self.set_status(404 if error.code in MISSING else 400)
            self.finish(json.dumps({"message": str(error), "code": error.code}))

    return wrapper


@web.stream_request_body
class Handler(APIHandler):
    """What all endpoints share. A body is refused by its announced length, or as soon as it is too long, and never held."""

    auth_resource = "contents"

    async def prepare(self) -> None:  # type: ignore[override]
        """Look at the length before anything of the body is read."""
        self._sent = bytearray()
        announced = self.request.headers.get("Content-Length", "0")
        if not announced.isdecimal() or int(announced) > MAX_BODY:
            raise web.HTTPError(413, reason=TOO_LARGE)
        prepared = super().prepare()
        if prepared is not None:
            await prepared

    def data_received(self, chunk: bytes) -> None:
        """Keep what comes, up to the bound: a body in chunks announces no length."""
        if len(self._sent) + len(chunk) > MAX_BODY:
            raise web.HTTPError(413, reason=TOO_LARGE)
        self._sent += chunk

    @property
    def files(self) -> Contents:
        """The server's contents manager."""
        found: Contents | None = self.settings.get("xpbench_contents")
        if found is None:
            found = self.settings["xpbench_contents"] = Contents(self.contents_manager)
        return found

    @property
    def catalogue(self) -> Catalogue:
        """What was derived so far."""
        from xpbench.lab.catalogue import Catalogue

        found: Catalogue | None = self.settings.get("xpbench_catalogue")
        if found is None:
            found = self.settings["xpbench_catalogue"] = Catalogue()
        return found

    def body(self) -> dict[str, Any]:
        """The JSON object that was sent.

        Raises:
            InputError: `XPB-J04`, it is none.
        """
        try:
            found = json.loads(bytes(self._sent) or b"{}")
            if not isinstance(found, dict):
                raise ValueError(f"a {type(found).__name__}")
        except ValueError as error:
            raise InputError("XPB-J04", reason=str(error)) from error
        return found

    def tell(self, value: Any) -> None:
        """Answer with JSON."""
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(value, ensure_ascii=False))

    async def roots(self) -> list[str]:
        """Folders that hold experiments, wherever they lie and whatever they are called; `experiments` first, also while empty.

        Where files are not on this machine, `experiments` here and one folder down.
        """
        out = [DEFAULT_ROOT] if await self.files.folder_exists(DEFAULT_ROOT) else []
        if self.files.is_local:
            found = await asyncio.to_thread(self._roots_below, await self.files.local_root(""))
            return list(dict.fromkeys([*out, *found]))
        for entry in await self.files.children(""):
            if entry["type"] == "directory" and not entry["name"].startswith("."):
                path = join(entry["name"], DEFAULT_ROOT)
                if await self.files.folder_exists(path):
                    out.append(path)
        return out

    def _roots_below(self, top: Path) -> list[str]:
        """The same on disk, walked again after `ROOTS_SECONDS`: the panel asks every few seconds."""
        from xpbench.experiment.roots import roots_below

        near = [
            p.relative_to(top).as_posix()
            for p in sorted(top.glob(f"*/{DEFAULT_ROOT}"))
            if p.is_dir() and not p.parent.name.startswith(".")
        ]
        at, deep = self.settings.get("xpbench_roots", (0.0, []))
        now = time.monotonic()
        if not at or now - at >= ROOTS_SECONDS:
            deep = [r for r in roots_below(top) if r != "."]
            self.settings["xpbench_roots"] = (now, deep)
        return list(dict.fromkeys([*near, *(r for r in deep if (top / r).is_dir())]))

    async def items(self, root: str) -> list[Item]:
        """All experiments of a root."""
        if not await self.files.folder_exists(root):
            return []
        local = await self.files.local_root(root)
        return await asyncio.to_thread(self.catalogue.items, local)


class ExperimentsHandler(Handler):
    """`GET experiments?root=`: every experiment of a root; of the first root found where none is named."""

    @web.authenticated
    @may("read")
    @answered
    async def get(self) -> None:
        """Answer with the list."""
        began = time.perf_counter()
        asked = clean_path(self.get_query_argument("root", ""))
        roots = await self.roots()
        root = asked or (roots[0] if roots else DEFAULT_ROOT)
        exists = await self.files.folder_exists(root)
        items = await self.items(root) if exists else []
        self.set_header("Server-Timing", f"list;dur={(time.perf_counter() - began) * 1000:.1f}")
        self.tell(
            {
                "root": root,
                "exists": exists,
                "roots": roots,
                "version": __version__,
                "items": [i.to_dict() for i in items],
                "due": sum(i.due.is_due and not i.due.is_overdue for i in items),
                "overdue": sum(i.due.is_overdue for i in items),
                "broken": sum(i.state == "broken" for i in items),
            }
        )


class TriedHandler(Handler):
    """`GET tried?root=&question=`: keys of the three experiments that fit a question best."""

    @web.authenticated
    @may("read")
    @answered
    async def get(self) -> None:
        """Answer with keys, best first."""
        from xpbench.watch.search import search

        root = clean_path(self.get_query_argument("root", "")) or next(iter(await self.roots()), DEFAULT_ROOT)
        question = self.get_query_argument("question", "")[:MOST_OF_A_QUESTION]
        items = [i for i in await self.items(root) if i.state not in ("draft", "broken")]
        self.tell({"keys": [f.key for f in search(items, question)]})


class ExperimentHandler(Handler):
    """`GET experiments/KEY?root=`: one experiment."""

    @web.authenticated
    @may("read")
    @answered
    async def get(self, key: str) -> None:
        """Answer with its state."""
        from xpbench.ledger.folder import check_key

        root = clean_path(self.get_query_argument("root", "")) or next(iter(await self.roots()), DEFAULT_ROOT)
        check_key(key)
        for item in await self.items(root):
            if item.key == key:
                self.tell({"root": root, **item.to_dict()})
                return
        raise InputError("XPB-I01", path=join(root, key))


class VerifyHandler(Handler):
    """`POST verify {path, shown}`: the verdict on a memo or a plan, about the very text that is shown.

    `shown` is the digest of it (see `xpbench.lab.page.digest_of`); without it the verdict is about the file as it is now.
    """

    @web.authenticated
    @may("read")
    @answered
    async def post(self) -> None:
        """Answer with the verdict."""
        sent = self.body()
        path = clean_path(sent.get("path"))
        shown = sent.get("shown")
        if shown is not None and not isinstance(shown, str):
            raise InputError("XPB-J04", reason="shown is not a text")
        name = path.rpartition("/")[2]
        from xpbench.lab.verdicts import kind_of

        kind = kind_of(name)
        if kind == "plan" and not self.files.is_local:
            parent, _, _ = path.rpartition("/")
            root, _, folder = parent.rpartition("/")
            if name == "plan.json" and folder and await self.files.file_exists(join(parent, "ledger.jsonl")):
                local = await self.files.local_root(root)
                self.tell({"path": path, **await asyncio.to_thread(_verdict, local / folder / name, name, path, shown)})
                return
        async with self.files.local_file(path) as file:
            verdict = await asyncio.to_thread(_verdict, file, name, path, shown)
        self.tell({"path": path, **verdict})


def _verdict(file: Path, name: str, path: str, shown: str | None) -> dict[str, Any]:
    """The verdict, when the file is what is shown before it was read and still is afterwards."""
    from xpbench.lab.page import digest_of
    from xpbench.lab.verdicts import verify_document

    if not file.is_file():
        return verify_document(file, name=name)
    before = digest_of(read_bounded(file, path))
    if shown is not None and before != shown:
        raise InputError("XPB-J05", path=path)
    verdict = verify_document(file, name=name)
    if digest_of(read_bounded(file, path)) != before:
        raise InputError("XPB-J05", path=path)
    return {**verdict, "shown": before}


class PageHandler(Handler):
    """`GET page?path=&shown=&theme=`: the page of a memo for a frame, under a policy of the server's own.

    What a document says of itself protects nobody from the document: the policy is in the header, so a page without one, or
    with another, fetches as little.
    """

    @property
    def content_security_policy(self) -> str:
        """Nothing is fetched, nothing runs, nothing is sent; only this server shows it in a frame."""
        from xpbench.lab.page import POLICY

        return POLICY

    @web.authenticated
    @may("read")
    async def get(self) -> None:
        """Answer with the page, or with a page that says why not."""
        from xpbench.lab.page import digest_of, note, page
        from xpbench.lab.verdicts import kind_of

        for name, value in PageHandler.HEADERS.items():
            self.set_header(name, value)
        try:
            path = clean_path(self.get_query_argument("path", ""))
            if kind_of(path.rpartition("/")[2]) != "memo" or not path.endswith(".html"):
                raise InputError("XPB-J02", path=path)
            data = await self.files.read(path)
            shown = self.get_query_argument("shown", "")
            if shown and digest_of(data) != shown:
                raise InputError("XPB-J05", path=path)
        except XpbenchError as error:
            self.set_status(404 if error.code in MISSING else 409 if error.code == "XPB-J05" else 400)
            self.finish(note(str(error)), set_content_type=HTML)
            return
        self.finish(page(data, is_light=self.get_query_argument("theme", "light") != "dark"), set_content_type=HTML)

    HEADERS: ClassVar[dict[str, str]] = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-DNS-Prefetch-Control": "off",
    }


class TemplatesHandler(Handler):
    """`GET templates`: what notebooks can be made from, and the plan templates."""

    @web.authenticated
    @may("read")
    @answered
    async def get(self) -> None:
        """Answer with names and parameters."""
        from xpbench.plan import template_names

        found = []
        broken = []
        for name in notebooks.templates():
            try:
                found.append({"name": name, "parameters": notebooks.parameters_of(notebooks.read_template(name))})
            except InputError as error:
                broken.append({"name": name, "reason": str(error)})
        self.tell({"templates": found, "broken": broken, "plans": list(template_names())})


class NotebooksHandler(Handler):
    """`POST notebooks {template, key, root, parameters}`: a new notebook from a template."""

    @web.authenticated
    @may("write")
    @answered
    async def post(self) -> None:
        """Make it and answer with its path."""
        from xpbench.ledger.folder import check_key

        sent = self.body()
        name = sent.get("template")
        if not isinstance(name, str) or not _TEMPLATE.match(name):
            raise InputError("XPB-J03", name=str(name), hint=plain("Ask for the list of templates"))
        root = clean_path(sent.get("root") or DEFAULT_ROOT)
        key = sent.get("key") or ""
        if key:
            check_key(key)
        folder = clean_path(sent["folder"]) if isinstance(sent.get("folder"), str) else root.rpartition("/")[0]
        extra = sent.get("parameters") or {}
        if not isinstance(extra, dict) or not all(isinstance(v, (str, int, float, bool, type(None))) for v in extra.values()):
            raise InputError("XPB-J04", reason="parameters are not an object of plain values")
        values = {**extra, "root": notebooks.relative(root, start=folder)}
        if key:
            values["key"] = key
        if key and name == "plan":
            values |= await self._draft(root, key, folder)
        notebook = notebooks.fill(notebooks.read_template(name), values)
        await self.files.make_folder(folder)
        file = await self.files.free_name(f"{key}-{name}.ipynb" if key else f"{name}.ipynb", folder)
        path = join(folder, file)
        await self.files.write(path, json.dumps(notebook).encode())
        self.set_status(201)
        self.tell({"path": path, "template": name, "filled": [n for n in notebooks.parameters_of(notebook) if n in values]})

    async def _draft(self, root: str, key: str, folder: str) -> dict[str, str]:
        """Where the form finds the draft of a key; nothing where there is none."""
        for item in await self.items(root):
            if item.key == key and item.state == "draft":
                return {"draft": notebooks.relative(join(root, item.path), start=folder), "template": ""}
        return {}


class DemoHandler(Handler):
    """`POST demo`: the whole flow on simulated data, saved through the contents manager into a new folder."""

    running: asyncio.Lock | None = None

    @web.authenticated
    @may("write")
    @answered
    async def post(self) -> None:
        """Run it and answer with what it made."""
        from xpbench.demo.run import recent_start, run_demo

        lock = self.settings.setdefault("xpbench_demo", asyncio.Lock())
        async with lock:
            with tempfile.TemporaryDirectory(prefix="xpbench-demo-") as temporary:
                target = Path(temporary) / "demo"
                result = await asyncio.to_thread(run_demo, target, units=DEMO_UNITS, start=recent_start(datetime.now(UTC)))
                folder = await self._free_folder()
                for file in sorted(p for p in target.rglob("*") if p.is_file() and not _is_hidden(p.relative_to(target))):
                    data = await asyncio.to_thread(file.read_bytes)
                    await self.files.write(join(folder, file.relative_to(target).as_posix()), data)
                notebook = result.notebook.relative_to(target).as_posix()
                memo = result.memo.relative_to(target).as_posix()
        self.set_status(201)
        self.tell(
            {
                "folder": folder,
                "root": join(folder, DEFAULT_ROOT),
                "notebook": join(folder, notebook),
                "memo": join(folder, memo),
                "outcome": result.readout.recommendation.outcome,
            }
        )

    async def _free_folder(self) -> str:
        name, n = DEMO_FOLDER, 2
        while await self.files.folder_exists(name):
            name, n = f"{DEMO_FOLDER}-{n}", n + 1
        return name


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def routes(base_url: str) -> list[tuple[str, type[Handler]]]:
    """The endpoints under a server's base address."""
    api = url_path_join(base_url, "xpbench", "api")
    return [
        (url_path_join(api, "experiments"), ExperimentsHandler),
        (url_path_join(api, "tried"), TriedHandler),
        (url_path_join(api, r"experiments/([^/]+)"), ExperimentHandler),
        (url_path_join(api, "verify"), VerifyHandler),
        (url_path_join(api, "page"), PageHandler),
        (url_path_join(api, "templates"), TemplatesHandler),
        (url_path_join(api, "notebooks"), NotebooksHandler),
        (url_path_join(api, "demo"), DemoHandler),
    ]
