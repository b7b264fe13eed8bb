"""One message: what is wrong, the rule, what to do."""

from __future__ import annotations

from typing import NamedTuple


class Message(NamedTuple):
    """One entry of the catalogue; the parts are format strings over the values of the case."""

    what: str
    rule: str
    remedy: str
