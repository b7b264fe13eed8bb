"""Where a project lives: hosts by residency, and what the environment says about it."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Mapping

HOSTS: Mapping[str, Mapping[str, str]] = {
    "us": {"ingestion": "api.mixpanel.com", "export": "data.mixpanel.com", "app": "mixpanel.com"},
    "eu": {"ingestion": "api-eu.mixpanel.com", "export": "data-eu.mixpanel.com", "app": "eu.mixpanel.com"},
    "in": {"ingestion": "api-in.mixpanel.com", "export": "data-in.mixpanel.com", "app": "in.mixpanel.com"},
}
"""Hosts by residency and API. Data sent to another region's host does not reach the project, and nothing says so."""


def configured(environment: Mapping[str, str] | None = None) -> str:
    """The region that `MIXPANEL_REGION` names, in lower case; empty where it is not set."""
    env = os.environ if environment is None else environment
    return env.get("MIXPANEL_REGION", "").strip().lower()


def ingestion_host(environment: Mapping[str, str] | None = None) -> str:
    """Where events go: `MIXPANEL_HOST`, else the host of `MIXPANEL_REGION`, else that of the US.

    Raises:
        KeyError: The region is not known.
    """
    env = os.environ if environment is None else environment
    return env.get("MIXPANEL_HOST", "").strip() or HOSTS[configured(env) or "us"]["ingestion"]


def other_region(url: str, environment: Mapping[str, str] | None = None) -> str:
    """What is to be said where an address belongs to another region than the one configured; empty where nothing is."""
    wanted = configured(environment)
    host = urllib.parse.urlsplit(url).hostname or ""
    found = next((region for region, hosts in HOSTS.items() if host in hosts.values()), "")
    if not wanted or not found or found == wanted:
        return ""
    return (
        f"{host} is in the region {found}, and MIXPANEL_REGION says {wanted}: a project of the other region never sees what is "
        "sent there"
    )
