"""Keeping tokens and secrets out of whatever people read."""

from __future__ import annotations

import base64
import logging
import traceback
import urllib.parse
from collections.abc import Iterable

_SHORTEST = 4


class SecretMask:
    """Replaces secrets, also in the forms that URLs and Basic headers give them, by `***`.

    Args:
        secrets: Values to hide; empty ones and None are skipped.
        pairs: (user, password) of Basic authentication.
    """

    def __init__(self, secrets: Iterable[str | None], *, pairs: Iterable[tuple[str, str]] = ()) -> None:
        values: set[str] = set()
        for secret in secrets:
            if secret and len(secret) >= _SHORTEST:
                values |= {secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote_plus(secret), repr(secret)[1:-1]}
        for user, password in pairs:
            values.add(base64.b64encode(f"{user}:{password}".encode()).decode())
        self._values = sorted(values, key=len, reverse=True)

    def __call__(self, text: object) -> str:
        """The text without the secrets."""
        masked = str(text)
        for value in self._values:
            masked = masked.replace(value, "***")
        return masked

    def __repr__(self) -> str:
        return f"Mask({len(self._values)} values)"


class MaskingFilter(logging.Filter):
    """Hides secrets in log records, their arguments and tracebacks: the SDK logs URLs that carry the token."""

    def __init__(self, mask: SecretMask) -> None:
        super().__init__()
        self.mask = mask

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; it is always kept."""
        record.msg = self.mask(record.getMessage())
        record.args = None
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = self.mask("".join(traceback.format_exception(*record.exc_info)).rstrip())
            record.exc_info = None
        elif record.exc_text:
            record.exc_text = self.mask(record.exc_text)
        return True
