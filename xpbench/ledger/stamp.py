"""RFC 3161 time stamps (extra `stamp`): a third party's signed word that a ledger's head, or a memo, existed at a time.

What is stamped is one short text of experiment, length and head, or the bytes of a memo. The authority's answer is the plain
RFC 3161 response, so that ``openssl ts -verify`` reads it as well. Checking needs no network: the authority's certificate
chain comes with the answer, and its root from whoever checks.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from xpbench.errors import InputError, LedgerError, plain
from xpbench.ledger.entry import Entry, Witness

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

SECONDS = 30.0
"""How long an authority may take to answer."""

LARGEST = 256 * 1024
"""Largest answer in bytes; real ones have some 2 to 10 kB."""

StampVerdict = Literal["valid", "invalid", "can't be checked here"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an answer says.

    Attributes:
        at: When, UTC, `2026-11-03T09:00:00Z`, by the authority's clock.
        authority: Name of the certificate that signed.
        serial: Number of the stamp.
        policy: Policy of the authority, as a dotted number.
    """

    at: str
    authority: str
    serial: str
    policy: str

    def to_dict(self) -> dict[str, str]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def message(key: str, witness: Witness) -> bytes:
    """The text that is stamped for a ledger."""
    return f"xpbench-ledger\n{key}\n{witness}\n".encode()


def request(data: bytes) -> tuple[bytes, int]:
    """An RFC 3161 query (DER) over the SHA-256 of some bytes, and its nonce.

    Raises:
        InputError: `XPB-I05`, the extra is not installed.
    """
    rfc3161 = _library()
    made = rfc3161.TimestampRequestBuilder().data(data).hash_algorithm(rfc3161.HashAlgorithm.SHA256).build()
    return made.as_bytes(), int(made.nonce)


def ask(url: str, query: bytes) -> bytes:
    """The authority's answer to a query, over HTTP; the one place of this room that opens a socket, and only when called.

    Raises:
        LedgerError: `XPB-L12`, it could not be reached, or did not answer with a time stamp.
    """
    import httpx

    if not url.startswith(("http://", "https://")):
        raise _no_stamp(url, "its address begins with http:// or https://")
    headers = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
    answer = bytearray()
    try:
        with httpx.stream("POST", url, content=query, headers=headers, timeout=SECONDS) as response:
            if response.status_code != 200:
                raise _no_stamp(url, f"it answered {response.status_code}")
            for piece in response.iter_bytes():
                answer += piece
                if len(answer) > LARGEST:
                    raise _no_stamp(url, f"its answer has more than {LARGEST:,} bytes")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise _no_stamp(url, f"{type(error).__name__}: {error}") from error
    return bytes(answer)


def read(answer: bytes) -> Stamp:
    """What an answer says, unverified.

    Raises:
        InputError: `XPB-I05`, the extra is not installed.
        ValueError: with the reason, it is no answer, or the authority refused.
    """
    found = _decoded(answer)
    return Stamp(
        found.tst_info.gen_time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        _signer(found),
        str(found.tst_info.serial_number),
        found.tst_info.policy.dotted_string,
    )


def fits(answer: bytes, data: bytes, *, nonce: int | None = None) -> str:
    """What is wrong with an answer as one about these bytes (and this query), "" where nothing is; no signature is checked.

    Raises:
        InputError: `XPB-I05`, the extra is not installed.
    """
    try:
        found = _decoded(answer)
    except ValueError as error:
        return str(error)
    if found.tst_info.message_imprint.message != hashlib.sha256(data).digest():
        return "it stamps something else"
    if nonce is not None and found.tst_info.nonce != nonce:
        return "it answers another query"
    return ""


def check(answer: bytes, data: bytes, *, roots: Sequence[Certificate]) -> tuple[StampVerdict, str]:
    """Whether an answer is a stamp over these bytes, signed under one of the root certificates; and why not.

    Never raises for a bad answer.

    Args:
        answer: RFC 3161 response, DER.
        data: What was stamped.
        roots: From `certificates`; without one nothing can be said.
    """
    try:
        rfc3161 = _library()
    except InputError:
        return "can't be checked here", "the package rfc3161-client is not installed"
    wrong = fits(answer, data)
    if wrong:
        return "invalid", wrong
    if not roots:
        return "can't be checked here", "no certificate of an authority was given"
    builder = rfc3161.VerifierBuilder()
    for certificate in roots:
        own = certificate.issuer == certificate.subject
        builder = builder.add_root_certificate(certificate) if own else builder.add_intermediate_certificate(certificate)
    try:
        builder.build().verify_message(rfc3161.decode_timestamp_response(answer), data)
    except (rfc3161.VerificationError, ValueError) as error:
        return "invalid", _brief(str(error)) or type(error).__name__
    return "valid", ""


def certificates(path: str | Path) -> list[Certificate]:
    """The certificates (PEM) in a file: roots, and whatever is between them and the authority.

    Raises:
        InputError: `XPB-I01` no such file, `XPB-I02` no certificate in it, `XPB-I05` the extra is not installed.
    """
    _library()
    from cryptography.x509 import load_pem_x509_certificates

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError("XPB-I01", path=str(path)) from error
    try:
        return load_pem_x509_certificates(data)
    except ValueError as error:
        raise InputError("XPB-I02", path=str(path), kind=plain("certificate"), reason=plain("it holds none as PEM")) from error


@dataclass(frozen=True, slots=True)
class Checked:
    """One stamp of a ledger, checked.

    Attributes:
        seq: The entry that carries it.
        witness: What was stamped.
        stamp: What it says; None where it can't be read.
        verdict: `valid`, `invalid`, or that it can't be checked here.
        reason: Why not, "" for a valid one.
    """

    seq: int
    witness: str
    stamp: Stamp | None
    verdict: StampVerdict
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        out = {name: getattr(self, name) for name in self.__slots__}
        return out | {"stamp": self.stamp.to_dict() if self.stamp else None}

    def __str__(self) -> str:
        what = f"entry {self.seq}, stamp over {self.witness.partition(':')[0]} entries"
        told = f"{self.stamp.at} by {self.stamp.authority}" if self.stamp else ""
        return f"{what}: {self.verdict}{', ' if told else ''}{told}{f' ({self.reason})' if self.reason else ''}"


def body_of(witness: Witness, answer: bytes) -> dict[str, Any]:
    """Body of the ledger entry that carries a stamp.

    Raises:
        ValueError: it is no answer, or the authority refused.
    """
    found = read(answer)
    return {
        "witness": witness.to_dict(),
        "authority": found.authority,
        "stamped_at": found.at,
        "reply": base64.b64encode(answer).decode("ascii"),
    }


def check_entries(entries: Sequence[Entry], *, key: str, roots: Sequence[Certificate]) -> list[Checked]:
    """Every stamp that a ledger carries, checked: it is over a head of this very ledger, earlier than itself, and signed.

    Args:
        entries: Verified entries.
        key: Of the experiment.
        roots: From `certificates`; without one only what was stamped is checked.
    """
    return [_checked(entry, entries, key, roots) for entry in entries if entry.kind == "stamped"]


def _checked(entry: Entry, entries: Sequence[Entry], key: str, roots: Sequence[Certificate]) -> Checked:
    try:
        witness = Witness.from_dict(entry.body["witness"])
        answer = base64.b64decode(str(entry.body["reply"]), validate=True)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Checked(entry.seq, "?", None, "invalid", "the entry carries no stamp")
    if not 0 < witness.length < entry.seq or entries[witness.length - 1].digest != witness.digest:
        return Checked(entry.seq, str(witness), None, "invalid", "it stamps a head that this ledger never had")
    verdict, reason = check(answer, message(key, witness), roots=roots)
    try:
        found = read(answer)
    except (InputError, ValueError):
        found = None
    return Checked(entry.seq, str(witness), found, verdict, reason)


def _brief(text: str) -> str:
    """The words in a chain of library errors."""
    told = re.findall(r'Verify error: ([^"]+)"|reason: "([^"]+)"', text)
    return ("; ".join(dict.fromkeys(a or b for a, b in told[-2:])) or text.partition("(")[0].strip().rstrip("."))[:200]


def _library() -> Any:
    try:
        import rfc3161_client
    except ImportError as error:
        raise InputError("XPB-I05", feature="Time stamps", package="rfc3161-client", install="xpbench[stamp]") from error
    return rfc3161_client


def _decoded(answer: bytes) -> Any:
    rfc3161 = _library()
    try:
        found = rfc3161.decode_timestamp_response(answer)
        if found.status not in (0, 1):
            said = "; ".join(found.status_string or ()) or f"status {found.status}"
            raise ValueError(f"the authority refused: {said[:200]}")
        _ = found.tst_info.gen_time
    except ValueError as error:
        raise ValueError(str(error)[:200] or "it is not an RFC 3161 response") from None
    return found


def _signer(found: Any) -> str:
    """Subject of the certificate that signed; its number where it did not come along."""
    from cryptography.x509 import load_der_x509_certificate

    signers = list(found.signed_data.signer_infos)
    for der in found.signed_data.certificates:
        certificate = load_der_x509_certificate(der)
        if any(certificate.serial_number == s.serial_number and certificate.issuer == s.issuer for s in signers):
            return certificate.subject.rfc4514_string()[:200]
    return f"certificate {signers[0].serial_number}" if signers else "unknown"


def _no_stamp(url: str, reason: str) -> LedgerError:
    return LedgerError("XPB-L12", url=url, reason=plain("".join(c if c.isprintable() else " " for c in reason)[:200]))
