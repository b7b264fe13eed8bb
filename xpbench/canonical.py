"""Canonical bytes and digests: the one place that decides what is hashed.

Canonical JSON is RFC 8785 (JCS) by the `rfc8785` package. Values that JSON can't say exactly (NaN, infinities, integers
beyond 2**53) are refused there, so that a digest always means one value.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import rfc8785

from xpbench.errors import InputError, plain


def canonical_bytes(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value.

    Raises:
        InputError: `XPB-I04`, the value has something that canonical JSON can't hold.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        half = None if isinstance(error, RecursionError) else _half_of_a_character(value)
        if half is not None:
            raise InputError(
                "XPB-I04",
                name="Text",
                value=ascii(half)[:80],
                rule=plain("It holds half of a character (an unpaired surrogate), which no file can hold"),
                remedy=plain("Take the text from its source again, or delete the sign"),
            ) from error
        raise InputError(
            "XPB-I04",
            name="Value",
            value=str(error),
            rule=plain("Canonical JSON holds strings, finite numbers, booleans, null, lists and objects"),
            remedy=plain("Replace it"),
        ) from error


def _half_of_a_character(value: Any) -> str | None:
    """A text in the value that has no UTF-8, None where there is none."""
    if isinstance(value, str):
        return value if any("\ud800" <= c <= "\udfff" for c in value) else None
    if isinstance(value, Mapping):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, (list, tuple)):
        return next((found for part in value if (found := _half_of_a_character(part)) is not None), None)
    return None


def digest(value: Any) -> str:
    """SHA-256 (64 hex characters) of the canonical bytes of a JSON value."""
    return hashlib.sha256(canonical_bytes(value)).hexdigest()


def digest_bytes(data: bytes) -> str:
    """SHA-256 (64 hex characters) of bytes."""
    return hashlib.sha256(data).hexdigest()


def strict_loads(text: str | bytes, *, max_depth: int = 32, max_nodes: int = 100_000) -> Any:
    """JSON value of a text, refusing what two readers could read differently.

    Refused: duplicate keys, NaN and infinities, more than `max_depth` levels or `max_nodes` values.

    Raises:
        ValueError: with the reason; callers add the file's name.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    depth = 0
    quoted = escaped = False
    for c in text:  # json recurses in C before any hook of ours could count levels
        if quoted:
            if escaped:
                escaped = False
            elif c == "\\":
                escaped = True
            elif c == '"':
                quoted = False
        elif c == '"':
            quoted = True
        elif c in "[{":
            depth += 1
            if depth > max_depth:
                raise ValueError(f"more than {max_depth} levels deep")
        elif c in "]}":
            depth -= 1
    nodes = 0

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal nodes
        nodes += len(pairs)
        if nodes > max_nodes:
            raise ValueError(f"more than {max_nodes} values")
        out: dict[str, Any] = {}
        for key, value in pairs:
            if key in out:
                raise ValueError(f"the key {key[:80]!r} appears twice in one object")
            out[key] = value
        return out

    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is not a JSON value")

    return json.loads(text, object_pairs_hook=unique, parse_constant=refuse, parse_int=whole, parse_float=real)


def whole(digits: str) -> int | float:
    """The number of JSON digits without a point.

    Canonical JSON writes the float 1e16 as 10000000000000000. Read back as an integer it could not be written again, so
    whatever is beyond 2**53 is read as the float that it was.
    """
    if len(digits) < 16:
        return int(digits)
    value = real(digits)
    return int(digits) if abs(value) < 2**53 else value


def real(text: str) -> float:
    """The float of a JSON number.

    Raises:
        ValueError: it is beyond what a float holds; `json` would make it infinite.
    """
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is beyond the range of numbers")
    return value
