"""One record of a ledger, its line of bytes, and the witness that fixes a ledger's length and head."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from xpbench.canonical import canonical_bytes, real, whole

SCHEMA = 2
"""Schema that this release writes; every older one stays readable. Schema 2 may say `base` and `agent`."""

START = "0" * 64
"""`prev` of the first entry."""

LINE_LIMIT = 16 * 1024 * 1024
"""Longest line in bytes; a longer one is refused before it is parsed."""

MAX_DEPTH = 64

KINDS = (
    "registered",
    "amended",
    "signed_off",
    "preflight",
    "launched",
    "looked",
    "peeked",
    "opened",
    "decided",
    "deferred",
    "superseded",
    "memo",
    "watched",
    "repaired",
    "waived",
    "stamped",
    "published",
    "concluded",
    "rolled_back",
    "restarted",
)
"""Kinds that this release writes. Readers take any other kind as well, and say so: it is one word of `a-z` and `_`."""

_KIND = re.compile(r"[a-z][a-z_]{0,39}\Z")
_HEX = re.compile(r"[0-9a-f]{64}\Z")
_FORM = re.compile(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{6}Z [0-9a-f]{64} [0-9a-f]{64} [a-z][a-z_]{0,39}\Z"
)
_BASE = re.compile(r"[0-9]{1,15}:[0-9a-f]{64}\Z")
_FRAME = re.compile(
    r'\{(?:"agent":("(?:[^"\\]|\\.)*"),)?"at":"([0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{6}Z)",(?:"base":"([0-9]{1,15}:[0-9a-f]{64})",)?"body":(\{.*\}),'
    r'"by":(null|"(?:[^"\\]|\\.)*"),"kind":"([a-z][a-z_]{0,39})","prev":"(.{64})","schema":([12]),'
    r'"seq":([1-9][0-9]{0,15}),"sha256":"(.{64})"\}\Z'
)
"""The line as this release writes it; whatever does not fit is read the long way, which names what is wrong.
`prev` and `sha256` are compared with digests computed here, so their form needs no pattern."""
_TAIL = len(',"sha256":"') + 64 + len('"}')
_NEEDED = frozenset(("at", "body", "by", "kind", "prev", "schema", "seq", "sha256"))
_ALLOWED = _NEEDED | {"set_back_seconds"}
_ALLOWED_2 = _ALLOWED | {"agent", "base"}


@dataclass(frozen=True, slots=True)
class Witness:
    """Length and head of a ledger at one moment; kept elsewhere, it shows a cut tail or a fork.

    Attributes:
        length: Number of entries.
        digest: SHA-256 of the last line, 64 zeros for an empty ledger.
    """

    length: int
    digest: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"length": self.length, "digest": self.digest}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Witness:
        """The inverse of `to_dict`.

        Raises:
            ValueError: the value is no witness.
        """
        length, digest = data.get("length"), data.get("digest")
        if type(length) is not int or length < 0 or not isinstance(digest, str) or not _HEX.match(digest):
            raise ValueError("a witness has a length (whole number) and a digest (64 hex characters)")
        return cls(length, digest)

    def __str__(self) -> str:
        return f"{self.length}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Witness:
        """The inverse of `str`: `length:digest`.

        Raises:
            ValueError: the text is no witness.
        """
        length, _, digest = text.strip().partition(":")
        if not length.isascii() or not length.isdigit():
            raise ValueError("a witness is written length:digest")
        return cls.from_dict({"length": int(length), "digest": digest})


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of a ledger.

    Attributes:
        seq: Its place, from 1.
        kind: What happened, one of `KINDS`.
        at: When, UTC, `2026-11-03T09:00:00.000000Z`.
        by: Who, as given; None where nobody was named.
        body: What belongs to it, a JSON object.
        prev: SHA-256 of the line before, 64 zeros for the first.
        schema: Version of the record's shape.
        set_back_seconds: By how many seconds the clock stood before the entry before; 0 where time went on.
        base: Witness of the ledger that the actor had seen, `length:digest`; "" where it does not matter.
        agent: Which program acted on behalf of `by`; "" for a person.
    """

    seq: int
    kind: str
    at: str
    by: str | None
    body: Mapping[str, Any]
    prev: str
    schema: int = SCHEMA
    set_back_seconds: float = 0.0
    base: str = ""
    agent: str = ""
    _line: bytes = field(default=b"", repr=False, compare=False)
    _digest: str = field(default="", repr=False, compare=False)

    @property
    def line(self) -> bytes:
        """The canonical bytes of the record, without line end.

        `sha256` in it covers everything before it, so that a change of the last line shows without a witness.
        """
        return self._line or _line_of(self)

    @property
    def digest(self) -> str:
        """SHA-256 of the line: what the next entry holds as `prev`."""
        return self._digest or hashlib.sha256(self.line).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """The fields by name; `set_back_seconds`, `base` and `agent` only where they say something."""
        out: dict[str, Any] = {
            "seq": self.seq,
            "kind": self.kind,
            "at": self.at,
            "by": self.by,
            "body": dict(self.body),
            "prev": self.prev,
            "schema": self.schema,
        }
        if self.set_back_seconds:
            out["set_back_seconds"] = self.set_back_seconds
        if self.base:
            out["base"] = self.base
        if self.agent:
            out["agent"] = self.agent
        return out

    def __repr__(self) -> str:
        return f"Entry({self.seq}, {self.kind!r}, {self.at})"


def _line_of(entry: Entry) -> bytes:
    bare = canonical_bytes(entry.to_dict())
    return bare[:-1] + b',"sha256":"' + hashlib.sha256(bare).hexdigest().encode() + b'"}'


class NewerSchema(ValueError):
    """The record was written by a later release."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return out


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse, parse_int=whole, parse_float=real)
_scan: Any = _decoder.scan_once  # type: ignore[attr-defined]


def parse_line(line: bytes) -> Entry:
    """The entry of one line (without its line end).

    Raises:
        NewerSchema: its schema is above `SCHEMA`.
        ValueError: with the reason, in words.
    """
    if len(line) > LINE_LIMIT:
        raise ValueError(f"the line has {len(line):,} bytes, more than {LINE_LIMIT:,}")
    if line.count(b"[") + line.count(b"{") > MAX_DEPTH and _depth(line) > MAX_DEPTH:
        raise ValueError(f"it is more than {MAX_DEPTH} levels deep")
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    frame = _FRAME.match(text)
    if frame is None:
        return _parse_any(line, text)
    agent, at, base, body, by, kind, prev, schema, seq, own = frame.groups()
    if schema == "1" and (agent or base):
        return _parse_any(line, text)
    name = None if by == "null" else _text(by)
    try:
        value, end = _scan(body, 0)  # what `decode` does, without looking for white space around it
    except (StopIteration, ValueError, RecursionError):
        end = -1
    if end != len(body):
        value = _decoded(body)
    client = _text(agent) if agent else ""
    return Entry(int(seq), kind, at, name, value, prev, int(schema), 0.0, base or "", client, line, _checked(line, own))


def _text(quoted: str) -> str:
    return quoted[1:-1] if quoted.isprintable() and "\\" not in quoted else str(_decoded(quoted))


def _checked(line: bytes, own: str) -> str:
    """SHA-256 of a line whose own sum fits."""
    so_far = hashlib.sha256(line[:-_TAIL])
    whole = so_far.copy()
    so_far.update(b"}")
    if so_far.hexdigest() != own or line[-_TAIL:-66] != b',"sha256":"':
        raise ValueError("its own SHA-256 does not fit its content: it was changed after it was written")
    whole.update(line[-_TAIL:])
    return whole.hexdigest()


def _decoded(text: str) -> Any:
    try:
        return _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg} at character {error.pos + 1})") from None
    except RecursionError:
        raise ValueError(f"it is more than {MAX_DEPTH} levels deep") from None


def _parse_any(line: bytes, text: str) -> Entry:
    if text.endswith("\r"):
        raise ValueError("its line end was rewritten to CRLF, as mail clients and editors do")
    if text.startswith("\ufeff"):
        raise ValueError("a byte order mark was put before it")
    data = _decoded(text)
    if type(data) is not dict:
        raise ValueError("it is not a JSON object")
    schema = data.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise NewerSchema(str(schema))
    keys = data.keys()
    allowed = _ALLOWED_2 if schema == 2 else _ALLOWED
    if keys != _NEEDED and not (_NEEDED <= keys <= allowed):
        missing, extra = sorted(_NEEDED - keys), sorted(keys - allowed)
        raise ValueError(f"it lacks {', '.join(missing)}" if missing else f"it has unknown keys: {', '.join(extra)[:80]}")
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise ValueError("its schema is not a known whole number")
    seq, by, back = data["seq"], data["by"], data.get("set_back_seconds", 0.0)
    kind, at, prev, sum_ = data["kind"], data["at"], data["prev"], data["sha256"]
    if type(seq) is not int or seq < 1:
        raise ValueError("its seq is not a whole number above 0")
    if type(data["body"]) is not dict:
        raise ValueError("its body is not a JSON object")
    if by is not None and type(by) is not str:
        raise ValueError("its by is neither text nor null")
    if type(back) not in (int, float) or back < 0:
        raise ValueError("its set_back_seconds is not a positive number")
    base, agent = data.get("base", ""), data.get("agent", "")
    if type(base) is not str or ("base" in data and not _BASE.match(base)):
        raise ValueError("its base is not a length and digest of a ledger")
    if type(agent) is not str or ("agent" in data and not agent):
        raise ValueError("its agent is not text")
    if not (type(kind) is type(at) is type(prev) is type(sum_) is str and _FORM.match(f"{at} {prev} {sum_} {kind}")):
        raise ValueError("its at, kind, prev or sha256 does not have the form it must have")
    return Entry(seq, kind, at, by, data["body"], prev, schema, float(back), base, agent, line, _checked(line, sum_))


def _depth(line: bytes) -> int:
    """Levels of brackets outside of strings."""
    deepest = depth = 0
    quoted = escaped = False
    for c in line:
        if quoted:
            if escaped:
                escaped = False
            elif c == 0x5C:
                escaped = True
            elif c == 0x22:
                quoted = False
        elif c == 0x22:
            quoted = True
        elif c in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif c in b"]}":
            depth -= 1
    return deepest


def body_bytes(kind: str, body: Mapping[str, Any]) -> bytes:
    """Canonical bytes of a body that can be recorded.

    Raises:
        InputError: `XPB-I04`, the body holds what canonical JSON can't.
        ValueError: with the reason, the kind, the depth or the size is refused.
    """
    if not _KIND.match(kind):
        raise ValueError("a kind is one word of a-z and _, at most 40 characters")
    if not isinstance(body, Mapping):
        raise ValueError("the body of an entry is a JSON object")
    data = canonical_bytes(dict(body))
    if len(data) > LINE_LIMIT - 4096:
        raise ValueError(f"the body of an entry has at most {LINE_LIMIT - 4096:,} bytes")
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH - 2 and _depth(data) > MAX_DEPTH - 2:
        raise ValueError(f"the body of an entry is at most {MAX_DEPTH - 2} levels deep")
    return data


def make_entry(
    *,
    seq: int,
    kind: str,
    at: str,
    by: str | None,
    body: bytes,
    prev: str,
    set_back_seconds: float = 0.0,
    base: str = "",
    agent: str = "",
) -> Entry:
    """A new entry with its line of bytes, around a body from `body_bytes`."""
    back = b"" if not set_back_seconds else b',"set_back_seconds":' + canonical_bytes(set_back_seconds)
    client = b"" if not agent else b'"agent":%s,' % canonical_bytes(agent)
    head = b"" if not base else b'"base":"%s",' % base.encode()
    # RFC 8785 sorts keys: agent, at, base, body, by, kind, prev, schema, seq, set_back_seconds
    bare = b'{%s"at":"%s",%s"body":%s,"by":%s,"kind":"%s","prev":"%s","schema":%d,"seq":%d%s}' % (
        client,
        at.encode(),
        head,
        body,
        canonical_bytes(by),
        kind.encode(),
        prev.encode(),
        SCHEMA,
        seq,
        back,
    )
    own = hashlib.sha256(bare).hexdigest().encode()
    line = bare[:-1] + b',"sha256":"' + own + b'"}'
    return Entry(
        seq,
        kind,
        at,
        by,
        _decoded(body.decode()),
        prev,
        SCHEMA,
        set_back_seconds,
        base,
        agent,
        line,
        hashlib.sha256(line).hexdigest(),
    )
