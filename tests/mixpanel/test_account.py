"""Credentials: from the environment, never shown."""

from __future__ import annotations

import pickle  # noqa: TID251 - what a process pool does with an error; our own bytes
from dataclasses import replace

import pytest

from xpbench.errors import MixpanelError
from xpbench.mixpanel.account import Account
from xpbench.mixpanel.client import Client

FULL = {
    "MIXPANEL_USERNAME": "svc.abc",
    "MIXPANEL_SECRET": "canary-9d2e",
    "MIXPANEL_PROJECT_ID": "7",
    "MIXPANEL_WORKSPACE_ID": "8",
}


@pytest.mark.parametrize("name", ["MIXPANEL_USERNAME", "MIXPANEL_SECRET", "MIXPANEL_PROJECT_ID"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_missing_credentials_are_named(name: str, value: str | None) -> None:
    environment = {k: v for k, v in FULL.items() if k != name} | ({} if value is None else {name: value})
    with pytest.raises(MixpanelError, match=f"{name} not set") as caught:
        Account.from_environment(environment)
    assert caught.value.code == "XPB-M01"


def test_unknown_region() -> None:
    with pytest.raises(MixpanelError, match=r"'asia'.*us, eu or in.*XPB-M02"):
        Account.from_environment({**FULL, "MIXPANEL_REGION": "asia"})


@pytest.mark.parametrize(
    ("region", "hosts"),
    [
        ("us", ["api.mixpanel.com", "data.mixpanel.com", "mixpanel.com"]),
        ("EU", ["api-eu.mixpanel.com", "data-eu.mixpanel.com", "eu.mixpanel.com"]),
        ("in", ["api-in.mixpanel.com", "data-in.mixpanel.com", "in.mixpanel.com"]),
    ],
)
def test_hosts_by_region(region: str, hosts: list[str]) -> None:
    account = Account.from_environment({**FULL, "MIXPANEL_REGION": region})
    assert [account.url("ingestion"), account.url("export"), account.url("app")] == [f"https://{h}" for h in hosts]


def test_the_secret_is_in_no_text() -> None:
    account = Account.from_environment(FULL)
    with Client(account) as client:
        text = f"{account!r}{account}{client!r}{client.account!s}{account.mask!r}"
    assert "canary-9d2e" not in text
    assert "svc.abc" in text


def test_the_mask_hides_the_secret_in_every_form() -> None:
    account = replace(Account.from_environment(FULL), secret="p@ss/wörd+1")
    header = "c3ZjLmFiYzpwQHNzL3fDtnJkKzE="
    masked = account.mask(f"x p@ss/wörd+1 p%40ss%2Fw%C3%B6rd%2B1 Basic {header}")
    assert masked == "x *** *** Basic ***"


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(MixpanelError("XPB-M02", value="asia")))  # noqa: S301
    assert (error.code, str(error)) == ("XPB-M02", str(MixpanelError("XPB-M02", value="asia")))
