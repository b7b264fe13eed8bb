"""JSON and its bytes: strict reading, RFC 8785 writing, SHA-256."""

from __future__ import annotations

import hashlib
import json
import math
import re

from xpbench.verifier.report import J

MAX_DEPTH = 64


def _pairs(pairs: list[tuple[str, J]]) -> dict[str, J]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return out


def _refused(name: str) -> J:
    raise ValueError(f"{name} is not a JSON value")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is beyond the range of numbers")
    return value


def _int(text: str) -> int | float:
    if len(text) < 16:
        return int(text)
    value = _float(text)
    return int(text) if abs(value) < 2**53 else value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_refused, parse_float=_float, parse_int=_int)


def loads(text: str) -> J:
    """JSON value of a text; duplicate keys, NaN, infinities and more than 64 levels are a ValueError."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', text):
        sign = match.group()[0]
        depth += 1 if sign in "[{" else -1 if sign in "]}" else 0
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels deep")
    return _DECODER.decode(text)


_quoted = json.encoder.encode_basestring
"""What `json.dumps(…, ensure_ascii=False)` does with a text, without making an encoder for each."""


def canonical(value: J) -> str:
    """RFC 8785 text of a JSON value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        plain = all(map(str.isascii, value))  # where the order of UTF-16 is that of the letters
        keys = sorted(value) if plain else sorted(value, key=lambda k: k.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_quoted(k)}:{canonical(value[k])}" for k in keys) + "}"
    return "[" + ",".join(map(canonical, value)) + "]"


def _number(x: float) -> str:
    """ECMAScript's shortest text of a float."""
    if x == 0:
        return "0"
    mantissa, _, exponent = repr(abs(x)).partition("e")
    whole, _, part = mantissa.partition(".")
    part = "" if part == "0" else part
    digits = (whole + part).lstrip("0")
    point = len(whole) + int(exponent or 0) if whole != "0" else int(exponent or 0) - (len(part) - len(part.lstrip("0")))
    digits = digits.rstrip("0") or "0"
    k, n = len(digits), point
    if k <= n <= 21:
        out = digits + "0" * (n - k)
    elif 0 < n <= 21:
        out = f"{digits[:n]}.{digits[n:]}"
    elif -6 < n <= 0:
        out = "0." + "0" * -n + digits
    else:
        out = f"{digits[0]}{'.' if k > 1 else ''}{digits[1:]}e{'+' if n > 0 else '-'}{abs(n - 1)}"
    return ("-" if x < 0 else "") + out


def sha256(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
