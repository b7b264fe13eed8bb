"""Signatures over a sign-off: Ed25519 keys (extra `sign`), or SSH keys through `ssh-keygen -Y`.

What is signed is one short text that anyone can rebuild from the entry: plan digest, name, and the head of the ledger at that
moment; where a decision was on record, it and the digests of its readout and its data as well (see `signed_part`, `message`).
A signature given before the results covers the plan alone, and whoever shows it says so. The public key is beside the
signature, and its fingerprint is shown; whether it belongs to the person is for the reader to know.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from xpbench.canonical import canonical_bytes
from xpbench.errors import InputError, plain
from xpbench.interrupts import temporary_folder
from xpbench.ledger.entry import START, Entry

NAMESPACE = "xpbench-sign-off"

SignatureVerdict = Literal["valid", "invalid", "can't be checked here"]


def message(plan_digest: str, name: str) -> bytes:
    """The text that a sign-off of an earlier release signs: plan and name, and nothing of the ledger."""
    return f"{NAMESPACE}\n{plan_digest}\n{name}\n".encode()


def signed_part(entries: Sequence[Entry]) -> dict[str, Any]:
    """What a signature given now covers next to plan and name: the ledger's head, and the decision with readout and data.

    Args:
        entries: All entries of the ledger.
    """
    out: dict[str, Any] = {"head": f"{len(entries)}:{entries[-1].digest if entries else START}"}
    decided = next((e for e in reversed(entries) if e.kind in ("decided", "deferred")), None)
    if decided is not None:
        body = decided.body
        out["decision"] = {
            "seq": decided.seq,
            "outcome": str(body.get("outcome", "defer")),
            "variant": str(body.get("variant") or ""),
            "readout_digest": str(body.get("readout_digest", "")),
            "data": _data_of(entries, str(body.get("readout_digest", "")), decided),
        }
    return out


def _data_of(entries: Sequence[Entry], readout_digest: str, decided: Entry) -> str:
    """Fingerprint of the data that the decision rests on: of the look that it names, else of the last look before it."""
    named = decided.body.get("look")
    looks = [e for e in entries[: decided.seq - 1] if e.kind in ("opened", "peeked")]
    if isinstance(named, Mapping):
        looks = [e for e in looks if e.seq == named.get("seq")] or looks
    return str(looks[-1].body.get("fingerprint", "")) if looks else ""


def message_of(body: Mapping[str, Any]) -> bytes:
    """The text that the signature in the body of a sign-off signs, whatever release made it."""
    plan_digest, name = str(body.get("plan_digest", "")), str(body.get("name", ""))
    if "head" not in body:
        return message(plan_digest, name)
    covered = {key: value for key, value in body.items() if key != "signature"}
    return f"{NAMESPACE} 2\n".encode() + canonical_bytes(covered) + b"\n"


def fingerprint(signature: Mapping[str, Any]) -> str:
    """Fingerprint of the key that signed, as `ssh-keygen -l` writes it; "" where there is no readable key."""
    public = str(signature.get("public_key", ""))
    try:
        if signature.get("kind") == "ssh":
            blob = base64.b64decode(public.split()[1], validate=True)
        else:
            raw = bytes.fromhex(public)
            blob = b"\x00\x00\x00\x0bssh-ed25519" + len(raw).to_bytes(4, "big") + raw
    except (ValueError, IndexError):
        return ""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def sign(text: bytes, *, key: str | Path) -> dict[str, str]:
    """A signature with the private key in a file: PEM Ed25519, or an OpenSSH key.

    Raises:
        InputError: `XPB-I01` no such file, `XPB-I05` the package is missing, `XPB-I02` it is no usable key.
    """
    path = Path(key)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError("XPB-I01", path=str(path)) from error
    if b"OPENSSH PRIVATE KEY" in data:
        return _sign_ssh(text, path)
    return _sign_ed25519(text, data, path)


def check(signature: Mapping[str, Any], text: bytes) -> SignatureVerdict:
    """Whether a signature fits the text; never raises for a bad one."""
    kind, public, value = (signature.get(k) for k in ("kind", "public_key", "value"))
    if not (isinstance(public, str) and isinstance(value, str)):
        return "invalid"
    if kind == "ed25519":
        return _check_ed25519(public, value, text)
    if kind == "ssh":
        return _check_ssh(public, value, text)
    return "can't be checked here"


def _unusable(path: Path, reason: str) -> InputError:
    return InputError("XPB-I02", path=str(path), kind=plain("private key"), reason=plain(reason))


def _sign_ed25519(text: bytes, data: bytes, path: Path) -> dict[str, str]:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise InputError("XPB-I05", feature="Signing", package="cryptography", install="xpbench[sign]") from error
    try:
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _unusable(path, "it is not a PEM key without a password") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise _unusable(path, "it is not an Ed25519 key")
    public = private.public_key().public_bytes_raw().hex()
    return {"kind": "ed25519", "public_key": public, "value": private.sign(text).hex()}


def _check_ed25519(public: str, value: str, text: bytes) -> SignatureVerdict:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return "can't be checked here"
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)).verify(bytes.fromhex(value), text)
    except (InvalidSignature, ValueError):
        return "invalid"
    return "valid"


def _ssh_keygen() -> str | None:
    return shutil.which("ssh-keygen")


def _sign_ssh(text: bytes, path: Path) -> dict[str, str]:
    program = _ssh_keygen()
    if program is None:
        raise InputError("XPB-I05", feature="Signing with SSH keys", package="openssh-client", install="openssh-client")
    made = subprocess.run(
        [program, "-q", "-Y", "sign", "-n", NAMESPACE, "-f", str(path)],
        input=text,
        capture_output=True,
        check=False,
        timeout=30,
    )
    public = subprocess.run(
        [program, "-y", "-f", str(path)], capture_output=True, check=False, timeout=30, stdin=subprocess.DEVNULL
    )
    if made.returncode or public.returncode:
        raise _unusable(path, "ssh-keygen refused it (has it a password, or wide permissions?)")
    key = " ".join(public.stdout.decode("ascii", "replace").split()[:2])
    return {"kind": "ssh", "public_key": key, "value": made.stdout.decode("ascii", "replace")}


def _check_ssh(public: str, value: str, text: bytes) -> SignatureVerdict:
    program = _ssh_keygen()
    if program is None:
        return "can't be checked here"
    if "\n" in public or len(public) > 20_000 or len(value) > 20_000:
        return "invalid"
    with temporary_folder() as folder:
        allowed, given = folder / "allowed", folder / "signature"
        allowed.write_text(f'signer namespaces="{NAMESPACE}" {public}\n', encoding="utf-8")
        given.write_text(value, encoding="utf-8")
        command = [program, "-Y", "verify", "-f", str(allowed), "-I", "signer", "-n", NAMESPACE, "-s", str(given)]
        done = subprocess.run(command, input=text, capture_output=True, check=False, timeout=30)
    return "valid" if done.returncode == 0 else "invalid"
