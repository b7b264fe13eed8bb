"""The server of the sandbox: over TLS, on the loopback interface only.

The unmodified official SDK works against it: trust its throw-away certificate through `SSL_CERT_FILE` and
`REQUESTS_CA_BUNDLE` (`Sandbox.trusted()` sets both) and give its host and port where the SDK takes an `api_host`.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpbench.errors import InputError, plain
from xpbench.interrupts import KeptFolder

if TYPE_CHECKING:
    from xpbench.mixpanel.sandbox.faults import Faults
    from xpbench.mixpanel.sandbox.limits import ExportLimits
    from xpbench.mixpanel.sandbox.pages import Pages
    from xpbench.mixpanel.sandbox.site import SandboxProject
    from xpbench.mixpanel.sandbox.store import SandboxStore
    from xpbench.plan import Plan

_START_SECONDS = 20.0


class Sandbox:
    """A running sandbox; a context manager that stops it.

    Args:
        host: A loopback address. Anything else is refused: it has no real protection and no business on a network.
        port: 0 picks a free one.
        store: Path of an SQLite file that keeps events and objects; in memory if None.
        project: Credentials and limits of the one project.
        clock: Seconds since the epoch at the server.
        limits: Rate limits of the export.
        export: Replaces the export's bytes, for benchmarks.
        seed: Of the fault draws.
        pages: Folder of pages (HTML, scripts, styles), served at `/_sandbox/pages/`, and over plain HTTP at `pages_url`.
        relay: Plan whose exposures the pages send to `/relay/expose` of `pages_url`. They arrive inside `trusted()`.

    Raises:
        InputError: `XPB-I04` host is not a loopback address, or a relay without pages; `XPB-I05` the extra `sandbox` is not
            installed.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        store: str | Path | None = None,
        project: SandboxProject | None = None,
        clock: Callable[[], float] = time.time,
        limits: ExportLimits | None = None,
        export: Callable[[str, str], Iterator[bytes]] | None = None,
        seed: int = 0,
        pages: str | Path | None = None,
        relay: Plan | None = None,
    ) -> None:
        self.host = _loopback(host)
        if relay is not None and pages is None:
            raise InputError(
                "XPB-I04",
                name="Relay",
                value=relay.key,
                rule=plain("It serves the pages of a folder"),
                remedy=plain("Name the folder with pages= (--pages), or start xpbench relay"),
            )
        self.port = port
        try:
            import trustme
            import uvicorn

            from xpbench.mixpanel.sandbox.app import application
            from xpbench.mixpanel.sandbox.faults import Faults, FaultyApp
            from xpbench.mixpanel.sandbox.site import SandboxProject, Site
            from xpbench.mixpanel.sandbox.store import SandboxStore
        except ModuleNotFoundError as error:
            if error.name not in ("trustme", "uvicorn", "starlette"):
                raise
            raise InputError(
                "XPB-I05", feature="The sandbox", package=error.name or "starlette", install=plain("xpbench[sandbox]")
            ) from None
        self._uvicorn = uvicorn
        self.project = project or SandboxProject()
        self.faults: Faults = Faults()
        self.store: SandboxStore = SandboxStore(":memory:" if store is None else str(store))
        self.site = Site(self.store, self.project, self.faults, clock=clock, limits=limits, export=export)
        self._asgi: Any = FaultyApp(application(self.site, pages=pages), self.faults, seed=seed)
        self._kept = KeptFolder("xpbench-sandbox-")
        self._folder = Path(self._kept.name)
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost", "127.0.0.1", "::1", self.host)
        self.ca_file = self._folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        self._certificate = self._folder / "server.pem"
        for part in certificate.cert_chain_pems:
            part.write_to_path(str(self._certificate), append=True)
        self._key = self._folder / "server.key"
        certificate.private_key_pem.write_to_path(str(self._key))
        self._key.chmod(0o600)
        self._bound: socket.socket | None = None
        self._folder_of_pages, self._relay = pages, relay
        self._pages: Pages | None = None
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """`host:port`, what the SDK takes as `api_host`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """`https://host:port`."""
        return f"https://{self.address}"

    @property
    def pages_url(self) -> str | None:
        """Where a browser finds the pages, `http://host:port`; None without pages, or while stopped."""
        return self._pages.url if self._pages is not None else None

    def environment(self) -> dict[str, str]:
        """Variables under which the SDK and xpbench find and trust this sandbox."""
        return {
            "SSL_CERT_FILE": str(self.ca_file),
            "REQUESTS_CA_BUNDLE": str(self.ca_file),
            "MIXPANEL_HOST": self.address,
            "MIXPANEL_TOKEN": self.project.token,
            "MIXPANEL_USERNAME": self.project.username,
            "MIXPANEL_SECRET": self.project.secret,
            "MIXPANEL_PROJECT_ID": self.project.project_id,
            "MIXPANEL_WORKSPACE_ID": self.project.workspace_id,
        }

    @contextlib.contextmanager
    def trusted(self) -> Iterator[Sandbox]:
        """Set `environment()` in this process for the length of a `with` block."""
        values = self.environment()
        before = {name: os.environ.get(name) for name in values}
        os.environ.update(values)
        try:
            yield self
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def start(self) -> Sandbox:
        """Serve in a background thread; returns when requests are answered. A stopped sandbox starts again on its port."""
        # asyncio turns Nagle's delay off only for sockets whose protocol says TCP; without it each answer waits 40 ms
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((self.host, self.port))
        except OSError as error:
            bound.close()
            raise InputError(
                "XPB-I04",
                name="Port",
                value=self.port,
                rule=plain(f"It must be free on {self.host} ({error.strerror})"),
                remedy=plain("Give another port, or 0 to pick a free one"),
            ) from error
        self._bound = bound
        self.port = bound.getsockname()[1]
        self._server = self._uvicorn.Server(self._config())
        self._thread = threading.Thread(target=self._server.run, args=([bound],), name="xpbench-sandbox", daemon=True)
        self._thread.start()
        end = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if time.monotonic() > end or not self._thread.is_alive():
                raise InputError(
                    "XPB-I04",
                    name="Sandbox",
                    value="not started",
                    rule=plain("It answers within 20 s"),
                    remedy=plain("Try again"),
                )
            time.sleep(0.005)
        if self._folder_of_pages is not None:
            from xpbench.mixpanel.sandbox.pages import Pages

            self._pages = Pages(self._folder_of_pages, self, self._relay, self._folder / "relay.sqlite")
        return self

    def stop(self) -> None:
        """Stop serving, as a server that is down: connections are refused. What it took in is kept."""
        if self._pages is not None:
            self._pages.close()
            self._pages = None
        if self._server is not None:
            self._server.should_exit = True
            self._server.force_exit = True
            if self._thread is not None:
                self._thread.join(timeout=10)
            self._server = self._thread = None
        if self._bound is not None:
            self._bound.close()
            self._bound = None

    def close(self) -> None:
        """Stop, and remove the certificate's folder."""
        self.stop()
        self.store.close()
        self._kept.cleanup()

    def events(self) -> list[dict[str, Any]]:
        """Everything taken in for the project, in the order of arrival, repeats included."""
        return self.store.arrived(self.project.token)

    def deduplicated(self) -> list[dict[str, Any]]:
        """The same after Mixpanel's query-time de-duplication."""
        return self.store.deduplicated(self.project.token)

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Sandbox({self.url!r}, {'running' if self._server else 'stopped'})"

    def _config(self) -> Any:
        return self._uvicorn.Config(
            self._asgi,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            lifespan="off",
            http="h11",
            ws="none",
            ssl_certfile=str(self._certificate),
            ssl_keyfile=str(self._key),
            timeout_graceful_shutdown=1,
        )


def _loopback(host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    try:
        if ipaddress.ip_address(host).is_loopback:
            return host
    except ValueError:
        pass
    raise InputError(
        "XPB-I04",
        name="Host",
        value=host,
        rule=plain("The sandbox listens on the loopback interface only"),
        remedy=plain("Use 127.0.0.1, ::1 or localhost"),
    )
