"""The site behind all routes: one project, what it remembers, who may ask, and a note of every request."""

from __future__ import annotations

import base64
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from xpbench.mixpanel.sandbox.faults import Faults
from xpbench.mixpanel.sandbox.limits import ExportLimits
from xpbench.mixpanel.sandbox.refusals import Refused
from xpbench.mixpanel.sandbox.store import SandboxStore


@dataclass(slots=True)
class SandboxProject:
    """The one project behind the sandbox, and the credentials that open it.

    Attributes:
        token: Project token; identifies, is no secret.
        username: Service account.
        secret: Its secret.
        project_id: Project.
        workspace_id: Workspace of its experiments.
        role: Role of the service account: writes need analyst or higher, import needs admin or owner.
        expired: The service account's secret has expired.
        addon: The paid add-on; without it three experiments can be created.
    """

    token: str = "sandbox-token"  # noqa: S105 - not a secret: the sandbox's own
    username: str = "sandbox.user"
    secret: str = "sandbox-secret"  # noqa: S105 - same
    project_id: str = "1001"
    workspace_id: str = "2002"
    role: str = "admin"
    expired: bool = False
    addon: bool = True

    def __repr__(self) -> str:
        return f"SandboxProject(project_id={self.project_id!r}, workspace_id={self.workspace_id!r}, secret='***')"


class Site:
    """What routes share.

    Args:
        store: What it remembers.
        project: Credentials it accepts.
        faults: Switched over `/_sandbox/faults`, too.
        clock: Seconds since the epoch.
        limits: Rate limits of the export.
        export: Replaces the export's bytes, for benchmarks: `(from_date, to_date) -> chunks`.
    """

    def __init__(
        self,
        store: SandboxStore,
        project: SandboxProject,
        faults: Faults,
        *,
        clock: Callable[[], float] = time.time,
        limits: ExportLimits | None = None,
        export: Callable[[str, str], Iterator[bytes]] | None = None,
    ) -> None:
        self.store = store
        self.project = project
        self.faults = faults
        self.clock = clock
        self.limits = limits or ExportLimits()
        self.export_bytes = export
        self.requests: deque[tuple[str, str, int]] = deque(maxlen=10_000)

    # -- who asks -----------------------------------------------------------------------------------------------------

    def identity(self, request: Request) -> tuple[str, str] | None:
        """User and password of Basic authentication, or None."""
        header = request.headers.get("authorization", "")
        if not header.lower().startswith("basic "):
            return None
        try:
            user, _, password = base64.b64decode(header[6:], validate=True).decode().partition(":")
        except ValueError:
            return None
        return user, password

    def service(self, request: Request) -> None:
        """Nothing, where the service account asks."""
        identity = self.identity(request)
        if identity is None:
            raise Refused(401, "Authentication required: service account username and secret")
        user, password = identity
        if not (secrets.compare_digest(user, self.project.username) and secrets.compare_digest(password, self.project.secret)):
            raise Refused(401, "Invalid service account credentials")
        if self.project.expired:
            raise Refused(401, "Service account credentials have expired")

    def writer(self, request: Request) -> None:
        """Nothing, where the service account may write."""
        self.service(request)
        if self.project.role == "consumer":
            raise Refused(403, "Permission denied: requires analyst role or higher")

    def token_or_service(self, request: Request) -> None:
        """Nothing, where the project's token asks, or its service account with the project's id."""
        identity = self.identity(request)
        if identity is not None and identity == (self.project.token, ""):
            return
        self.service(request)
        given = request.query_params.get("project_id")
        if given != self.project.project_id:
            raise Refused(400 if given is None else 403, f"project_id {given!r} is missing or not open to this account")

    def workspace(self, request: Request) -> None:
        """Nothing, where the path names this project and its workspace."""
        if request.path_params.get("project", self.project.project_id) != self.project.project_id:
            raise Refused(403, "Permission denied: the account has no access to this project")
        if request.path_params.get("workspace", self.project.workspace_id) != self.project.workspace_id:
            raise Refused(404, "Workspace not found")

    # -- what is there ------------------------------------------------------------------------------------------------

    def found(self, request: Request, kind: str) -> dict[str, Any]:
        """The object of a kind whose id is in the path."""
        found = self.store.get(kind, request.path_params["id"])
        if found is None:
            raise Refused(404, f"{kind} not found")
        return found

    def now(self) -> str:
        """The time as the APIs write it."""
        return datetime.fromtimestamp(self.clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S")

    def note(self, request: Request, status: int) -> None:
        """Remember a request and how it was answered."""
        self.requests.append((request.method, request.url.path, status))
