"""Signatures of sign-offs by Ed25519 keys, plain or of SSH: RFC 8032 and OpenSSH's SSHSIG, with nothing but integers."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from xpbench.verifier.report import J, Notes
from xpbench.verifier.story import key_fingerprint
from xpbench.verifier.text import canonical

_NAMESPACE = "xpbench-sign-off"
_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]
_NEUTRAL: _Point = (0, 1, 1, 0)


def _sum(a: _Point, b: _Point) -> _Point:
    """Sum of two points in extended coordinates (RFC 8032, section 5.1.4)."""
    m, n = (a[1] - a[0]) * (b[1] - b[0]) % _P, (a[1] + a[0]) * (b[1] + b[0]) % _P
    c, d = 2 * a[3] * b[3] * _D % _P, 2 * a[2] * b[2] % _P
    e, f, g, h = n - m, d - c, d + c, n + m
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _times(factor: int, point: _Point) -> _Point:
    out = _NEUTRAL
    while factor:
        if factor & 1:
            out = _sum(out, point)
        point, factor = _sum(point, point), factor >> 1
    return out


def _decoded_point(data: bytes) -> _Point | None:
    """The point of 32 bytes; None where they are none."""
    number = int.from_bytes(data, "little")
    y, sign = number & ((1 << 255) - 1), number >> 255
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    x = _P - x if x & 1 != sign else x
    return x, y, 1, x * y % _P


def _encoded_point(point: _Point) -> bytes:
    inverse = pow(point[2], _P - 2, _P)
    x, y = point[0] * inverse % _P, point[1] * inverse % _P
    return (y | (x & 1) << 255).to_bytes(32, "little")


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P


def fits(public: bytes, signature: bytes, text: bytes) -> bool:
    """Whether an Ed25519 signature fits a text.

    Args:
        public: The key, 32 bytes.
        signature: 64 bytes.
        text: What was signed.

    Source: RFC 8032, section 5.1.7, with R computed again and compared as bytes.
    """
    if len(public) != 32 or len(signature) != 64:
        return False
    key, base = _decoded_point(public), _decoded_point(_BASE_Y.to_bytes(32, "little"))
    s = int.from_bytes(signature[32:], "little")
    if key is None or base is None or s >= _ORDER:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + text).digest(), "little") % _ORDER
    minus = (_P - key[0], key[1], key[2], _P - key[3])
    return _encoded_point(_sum(_times(s, base), _times(h, minus))) == signature[:32]


def _wire_strings(data: bytes) -> list[bytes]:
    """Strings of SSH's wire format, one after the other; a ValueError where the lengths don't fit."""
    out, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if at + 4 + size > len(data):
            raise ValueError("a length goes beyond the end")
        out.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return out


def _wired(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def signature_verdict(given: J, text: bytes) -> str:
    """`valid`, `invalid`, or `can't be checked here` for another kind of key.

    Args:
        given: The signature as an entry has it.
        text: What it signs.

    Source: OpenSSH, PROTOCOL.sshsig.
    """
    kind, public, value = (given.get(k) for k in ("kind", "public_key", "value"))
    if not isinstance(public, str) or not isinstance(value, str):
        return "invalid"
    try:
        if kind == "ed25519":
            return "valid" if fits(bytes.fromhex(public), bytes.fromhex(value), text) else "invalid"
        if kind != "ssh":
            return "can't be checked here"
        name, blob = public.split()[:2]
        if name != "ssh-ed25519":
            return "can't be checked here"
        key = base64.b64decode(blob, validate=True)
        armour = re.fullmatch(r"\s*-----BEGIN SSH SIGNATURE-----(.*)-----END SSH SIGNATURE-----\s*", value, re.DOTALL)
        whole = base64.b64decode("".join(armour[1].split()), validate=True) if armour else b""
        if whole[:10] != b"SSHSIG\0\0\0\1":
            return "invalid"
        signer, namespace, reserved, algorithm, inner = _wire_strings(whole[10:])
        own, raw = _wire_strings(key)
        form, signature = _wire_strings(inner)
        if signer != key or namespace != _NAMESPACE.encode() or own != b"ssh-ed25519" or form != own:
            return "invalid"
        hashed = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}[algorithm](text).digest()
        return "valid" if fits(raw, signature, b"SSHSIG" + _wired(namespace, reserved, algorithm, hashed)) else "invalid"
    except (ValueError, KeyError):
        return "invalid"


def signed_text(body: J) -> bytes:
    """What the signature in the body of a sign-off signs."""
    if "head" not in body:
        return f"{_NAMESPACE}\n{body.get('plan_digest', '')}\n{body.get('name', '')}\n".encode()
    covered = {key: value for key, value in body.items() if key != "signature"}
    return f"{_NAMESPACE} 2\n{canonical(covered)}\n".encode()


def check_signatures(notes: Notes, entries: Sequence[J]) -> None:
    """Each signature on record fits what it signs; one of another kind of key is left to the package."""
    for entry in entries:
        body = entry["body"]
        given = body.get("signature")
        if entry["kind"] != "signed_off" or not isinstance(given, dict):
            continue
        name = str(body.get("name", ""))
        verdict = signature_verdict(given, signed_text(body))
        if verdict == "invalid":
            notes.differs(f"sign-off of {name}", "a signature that fits", "one that does not")
        elif verdict == "valid":
            what = "the plan and the name alone" if "head" not in body else "plan, ledger and decision by then"
            notes.checked.append(f"signature of {name} (key {key_fingerprint(given)}) over {what}")
        else:
            notes.left.append(f"the signature of {name}")
            notes.not_checked.append(f"the signature of {name}: its kind of key needs the package (xpbench verify)")
