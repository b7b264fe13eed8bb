"""What a watch or a ramp has to say, as a message for mail, Slack or Teams; sent only where a webhook is configured by name."""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Literal

from xpbench.errors import WatchError, plain

Channel = Literal["mail", "slack", "teams"]
CHANNELS: tuple[Channel, ...] = ("mail", "slack", "teams")
PREFIX = "XPBENCH_WEBHOOK_"
SECONDS = 10.0
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def message(subject: str, sentences: Sequence[str], channel: Channel) -> str:
    """A message ready to be sent: text with a subject for mail, a JSON body for Slack and Teams.

    Texts from plans and people are kept from acting as markup: Slack's `<…>` mentions and links, and Markdown in Teams.

    Args:
        subject: One line.
        sentences: The rest.
        channel: Where it goes.
    """
    subject, *lines = (_CONTROL.sub(" ", text).replace("\n", " ") for text in (subject, *sentences))
    if channel == "mail":
        return f"Subject: {subject}\n\n" + "\n\n".join(lines) + "\n"
    if channel == "slack":
        return json.dumps({"text": "\n".join(map(_slack, [f"{subject}:", *lines]))}, ensure_ascii=False)
    body = [{"type": "TextBlock", "text": _teams(subject), "weight": "Bolder", "wrap": True}]
    body += [{"type": "TextBlock", "text": _teams(line), "wrap": True} for line in lines]
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return json.dumps({"type": "message", "attachments": [attachment]}, ensure_ascii=False)


def _slack(text: str) -> str:
    """A text as Slack shows it: no mention, no link, nobody is called."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _teams(text: str) -> str:
    """A text as an adaptive card shows it: its Markdown is escaped."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>~])", r"\\\1", text)


def webhook_of(name: str, environment: Mapping[str, str] | None = None) -> str:
    """The address that is configured under a name: `XPBENCH_WEBHOOK_<NAME>` in the environment.

    Raises:
        WatchError: `XPB-W03`, none is configured, or it is not https (http on this machine alone). The address is a secret and
            is in no message.
    """
    variable = PREFIX + re.sub(r"[^A-Z0-9]", "_", name.upper())
    address = (os.environ if environment is None else environment).get(variable, "")
    parts = urllib.parse.urlsplit(address)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    if parts.scheme == "https" or (parts.scheme == "http" and local):
        return address
    raise WatchError(
        "XPB-W03",
        name=plain("The webhook"),
        value=name,
        rule=plain(f"Its https address is in the environment as {variable}"),
        remedy=plain(f"Set {variable}, or leave --webhook out: the message is then printed and not sent"),
    )


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


def send(body: str, *, address: str, name: str) -> None:
    """Post a message to a webhook; redirects are not followed.

    Raises:
        WatchError: `XPB-W03`, it was not taken; names the webhook and never its address.
    """
    request = urllib.request.Request(  # noqa: S310 - https, or http on this machine: webhook_of has checked it
        address, data=body.encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=SECONDS) as answer:
            status = int(answer.status)
    except urllib.error.HTTPError as error:
        status = int(error.code)
    except OSError:
        status = 0
    if not 200 <= status < 300:
        raise WatchError(
            "XPB-W03",
            name=plain(f"The answer of webhook {name!r}"),
            value=status or plain("missing"),
            rule=plain("A webhook answers with 200 to 299"),
            remedy=plain("Check the address behind the name; what was put on record stays"),
        ) from None
