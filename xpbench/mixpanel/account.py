"""Who asks Mixpanel, and where the project lives: from the environment alone, masked wherever it shows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from xpbench.errors import MixpanelError, plain
from xpbench.expose.masks import SecretMask
from xpbench.expose.regions import HOSTS

Api = Literal["ingestion", "export", "app"]

VARIABLES = ("MIXPANEL_USERNAME", "MIXPANEL_SECRET", "MIXPANEL_PROJECT_ID")
"""Environment variables without which nothing can be asked."""


@dataclass(frozen=True, slots=True)
class Account:
    """A service account and its project.

    Attributes:
        username: Of the service account.
        secret: Of the service account; never shown.
        project_id: Project.
        workspace_id: Workspace of its experiments and flags; `""` where only data is pulled.
        region: Residency of the project.
        host: Replaces every host, for the sandbox.

    Raises:
        MixpanelError: `XPB-M01` something is empty, `XPB-M02` unknown region.
    """

    username: str
    secret: str = field(repr=False)
    project_id: str
    workspace_id: str = ""
    region: str = "us"
    host: str = ""

    def __post_init__(self) -> None:
        values = (self.username, self.secret, self.project_id)
        missing = [name for name, value in zip(VARIABLES, values, strict=True) if not value.strip()]
        if missing:
            raise MixpanelError("XPB-M01", names=plain(", ".join(missing)))
        if self.region not in HOSTS:
            raise MixpanelError("XPB-M02", value=self.region)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Account:
        """The account named by `MIXPANEL_USERNAME`, `_SECRET`, `_PROJECT_ID`, `_WORKSPACE_ID`, `_REGION` and `_HOST`.

        Raises:
            MixpanelError: `XPB-M01` which are not set, `XPB-M02` unknown region.
        """
        env = os.environ if environment is None else environment
        return cls(
            username=env.get("MIXPANEL_USERNAME", ""),
            secret=env.get("MIXPANEL_SECRET", ""),
            project_id=env.get("MIXPANEL_PROJECT_ID", ""),
            workspace_id=env.get("MIXPANEL_WORKSPACE_ID", ""),
            region=env.get("MIXPANEL_REGION", "us").lower() or "us",
            host=env.get("MIXPANEL_HOST", ""),
        )

    def url(self, api: Api) -> str:
        """Base URL of an API in the account's region."""
        return f"https://{self.host or HOSTS[self.region][api]}"

    @property
    def mask(self) -> SecretMask:
        """Hides the secret in texts."""
        return SecretMask([self.secret], pairs=[(self.username, self.secret)])

    def __str__(self) -> str:
        return repr(self)
