"""What may have gone wrong when a logged variant is not the one that the hash gives: hypotheses that can be recomputed.

Each suspect says which variant a unit would have had if it were true. The right one explains every row it applies to; a wrong
one explains as many as chance.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from xpbench.plan import Plan
from xpbench.randomiser.assigning import Subject
from xpbench.randomiser.flag import SERVED, Flag, FlagRollout, FlagVariant
from xpbench.randomiser.hashing import fnv_buckets, fnv_states, sha256_uniform
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.plan_randomiser import Randomiser, flag_with_salt, with_salt
from xpbench.randomiser.sdks import table as bucket_table
from xpbench.randomiser.single import exact, fnv1a64

VariantCodes = NDArray[np.int16]
Texts = Sequence[str | None]

NONE = -1
MOST_GROUPS = 4
NOT_APPLICABLE = -9


@dataclass(frozen=True, slots=True)
class Suspect:
    """One hypothesis.

    Attributes:
        name: Cause that it stands for.
        detail: What exactly, in words.
        variants: Variant of each id if it were true, `NOT_APPLICABLE` where it changes nothing.
        evidence: What was hashed for each id if it were true, where several ids may come to the same: one piece of evidence.
    """

    name: str
    detail: str
    variants: Callable[[Texts], VariantCodes]
    evidence: Callable[[Texts], list[str]] | None = None


def natural(subject: Subject, texts: Texts) -> VariantCodes:
    """The variant of each id by the hash alone: no overrides, no properties; groups with rules are taken as open."""
    ids = UnitIds(list(texts))
    base = opened(subject)
    return Randomiser(base)(ids, with_overrides=False).codes if isinstance(base, Plan) else base.column(ids).codes


def opened(subject: Subject) -> Subject:
    """The subject without conditions on properties and cohorts, without overrides."""
    if isinstance(subject, Plan):
        data = subject.to_dict()
        block = dict(data["assignment"])
        block["rollout"] = [{k: v for k, v in g.items() if k not in ("where", "cohort")} for g in block["rollout"]]
        block["overrides"] = {}
        return subject.changed(assignment=block)
    rollouts = tuple(FlagRollout(r.percentage, override=r.override, splits=r.splits, name=r.name) for r in subject.rollouts)
    return replace(subject, rollouts=rollouts, test_users={})


def wide_open(subject: Subject) -> Subject:
    """The subject with every rollout at 100%, no holdout and no layer."""
    base = opened(subject)
    if isinstance(base, Plan):
        block = dict(base.to_dict()["assignment"])
        block["rollout"] = [{**g, "share": 1.0} for g in block["rollout"]]
        block.pop("layer", None)
        block.pop("holdout", None)
        return base.changed(assignment=block)
    return replace(
        base, rollouts=tuple(FlagRollout(1.0, override=r.override, splits=r.splits, name=r.name) for r in base.rollouts)
    )


def _mapped(subject: Subject, change: Callable[[str], str | None]) -> Callable[[Texts], VariantCodes]:
    def variants(texts: Texts) -> VariantCodes:
        changed: list[str | None] = []
        for text in texts:
            new = None if text is None else _safely(change, text)
            changed.append(None if new is None or new == text else new)
        codes = natural(subject, changed)
        codes[np.array([c is None for c in changed], bool)] = NOT_APPLICABLE
        return codes

    return variants


def _safely(change: Callable[[str], str | None], text: str) -> str | None:
    try:
        out = change(text)
        if out is not None:
            out.encode()
    except (ValueError, OverflowError, UnicodeError):
        return None
    return out


_FLOAT = re.compile(r"[+-]?[0-9]+\.0+\Z")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?\Z")


def _without_fraction(text: str) -> str | None:
    return text.split(".")[0] if _FLOAT.match(text) else None


def _with_fraction(text: str) -> str | None:
    return f"{text}.0" if re.fullmatch(r"[+-]?[0-9]+", text) else None


def _whole(text: str) -> str | None:
    return str(int(float(text))) if _NUMBER.match(text) and not re.fullmatch(r"[+-]?[0-9]{1,15}", text) else None


def _as_float(text: str) -> str | None:
    return repr(float(text)) if re.fullmatch(r"[0-9]+", text) else None


def _through_float(text: str) -> str | None:
    return str(int(float(text))) if re.fullmatch(r"[0-9]{16,}", text) else None


def _general(text: str) -> str | None:
    return f"{float(text):g}" if re.fullmatch(r"[1-9][0-9]{6,}", text) else None


def _no_zeros(text: str) -> str | None:
    return text.lstrip("0") or "0" if re.fullmatch(r"0[0-9]+", text) else None


def _padded(length: int) -> Callable[[str], str | None]:
    return lambda text: text.zfill(length) if len(text) < length and re.fullmatch(r"[0-9]+", text) else None


def _uuid_form(text: str) -> str | None:
    if re.fullmatch(r"[0-9a-fA-F]{32}", text):
        return str(uuid.UUID(text))
    if re.fullmatch(r"[0-9a-fA-F-]{36}", text):
        return text.replace("-", "")
    return None


def _without_device(text: str) -> str | None:
    return text.removeprefix("$device:") if text.startswith("$device:") else None


def _digested(name: str) -> Callable[[str], str | None]:
    return lambda text: hashlib.new(name, text.encode(), usedforsecurity=False).hexdigest()


_PREFIX = re.compile(r"([A-Za-z]{1,20}[-_:|./#]|\$device:)(?=.)")


def _without_prefix(text: str) -> str | None:
    found = _PREFIX.match(text)
    return text[found.end() :] if found else None


def _cut(length: int, *, end: bool = False) -> Callable[[str], str | None]:
    return lambda text: (text[-length:] if end else text[:length]) if len(text) > length else None


def _local_part(text: str) -> str | None:
    return text.split("@", 1)[0] if "@" in text else None


_ENDING = re.compile(r"[0-9]{1,30}\Z")
CAST = "id_cast"
CASE = "case_or_whitespace"
ENCODING = "encoding"
SWITCHED = "id_type_switched"
PREFIXED = "id_prefixed"
CUT = "id_cut"
HASHED = "id_hashed"
_PREFIXES = (
    "user-", "user_", "user:", "user", "u-", "u_", "u:", "uid-", "uid:", "uid_", "id-", "id_", "id:", "customer-", "customer_",
    "visitor-", "account-", "member-",
)  # fmt: skip
_PADDED = (5, 6, 7, 8, 9, 10, 11, 12, 16)
_LENGTHS = (4, 6, 8, 10, 12, 16, 20, 24, 30, 32, 36, 40, 50, 64)

TRANSFORMS: tuple[tuple[str, str, Callable[[str], str | None]], ...] = (
    (CAST, "the log has ids such as 12345.0, the assigner hashed 12345", _without_fraction),
    (CAST, "the assigner hashed ids such as 12345.0, the log has 12345", _with_fraction),
    (CAST, "the log has ids as floats (1.2e+07), the assigner hashed the integer", _whole),
    (CAST, "the assigner hashed ids as floats, the log has the integer", _as_float),
    (CAST, "the assigner hashed ids of more than 15 digits after they went through floats", _through_float),
    (CAST, "the assigner hashed ids in scientific notation", _general),
    (CAST, "the log has leading zeros that the assigner did not hash", _no_zeros),
    *((CAST, f"the assigner hashed ids filled up with zeros to {n} digits", _padded(n)) for n in _PADDED),
    (CASE, "white space around the id in the log that the assigner did not hash", str.strip),
    (CASE, "upper case in the log, lower case was hashed", str.lower),
    (CASE, "lower case in the log, upper case was hashed", str.upper),
    (CASE, "white space and upper case in the log, trimmed lower case was hashed", lambda t: t.strip().lower()),
    (CASE, "the assigner hashed a space behind the id", lambda t: t + " "),
    (CASE, "the assigner hashed a space before the id", lambda t: " " + t),
    (CASE, "the assigner hashed a line end behind the id", lambda t: t + "\n"),
    (CASE, "the assigner hashed CR LF behind the id", lambda t: t + "\r\n"),
    (CASE, "the assigner hashed a tab behind the id", lambda t: t + "\t"),
    (CASE, "the id was hashed with a capital first letter", str.capitalize),
    (CASE, "quotes around the id in the log that the assigner did not hash", lambda t: t.strip("\"'")),
    (CASE, "the assigner hashed quotes around the id", lambda t: f'"{t}"'),
    (CAST, "UUIDs with and without dashes", _uuid_form),
    (ENCODING, "UTF-8 was read as Latin-1 where the id was hashed", lambda t: t.encode().decode("latin-1")),
    (ENCODING, "UTF-8 was read as Latin-1 in the log", lambda t: t.encode("latin-1").decode()),
    (ENCODING, "the id was hashed in Unicode form NFC", lambda t: unicodedata.normalize("NFC", t)),
    (ENCODING, "the id was hashed in Unicode form NFD", lambda t: unicodedata.normalize("NFD", t)),
    (ENCODING, "the id is percent-encoded in the log", unquote),
    (ENCODING, "the id was hashed as bytes literal b'…'", lambda t: f"b'{t}'"),
    (SWITCHED, "the log has $device: before the id, the assigner hashed the bare id", _without_device),
    (SWITCHED, "the assigner hashed $device: before the id", lambda t: f"$device:{t}"),
    (PREFIXED, "the log has a prefix before the id that the assigner did not hash", _without_prefix),
    *((PREFIXED, f"the assigner hashed the prefix {p!r} before the id", lambda t, p=p: p + t) for p in _PREFIXES),
    *((HASHED, f"the assigner hashed the {n.upper()} of the id", _digested(n)) for n in ("md5", "sha1", "sha256")),
    *((CUT, f"the assigner hashed only the first {n} characters of the id", _cut(n)) for n in _LENGTHS),
    *((CUT, f"the assigner hashed only the last {n} characters of the id", _cut(n, end=True)) for n in _LENGTHS),
    (CUT, "the assigner hashed only what is before the @ of the id", _local_part),
)


def transformed(subject: Subject) -> Iterator[Suspect]:
    """The id was hashed in another form than it is logged in."""
    for name, detail, change in TRANSFORMS:
        yield Suspect(name, detail, _mapped(subject, change), _came_to(change))


def _came_to(change: Callable[[str], str | None]) -> Callable[[Texts], list[str]]:
    return lambda texts: ["" if t is None else (_safely(change, t) or t) for t in texts]


def arithmetic(subject: Subject) -> Iterator[Suspect]:
    """The hash is right and the splits were added otherwise: in another order, or as 32-bit floats."""
    flag, position = _flag_of(subject)
    orders = [o for o in _orders(subject) if o != tuple(range(len(o)))] if flag is None else []
    for order in orders:
        yield Suspect("variant_order", _order_words(subject, order), _reordered_plan(subject, order))
    if flag is None:
        return
    place = np.array([*(position[k] for k in flag.keys), NONE], np.int16)
    by_key = list(range(len(flag.keys)))
    listed = [flag.keys.index(k) for k in (flag.listed or flag.keys)]
    controls_first = sorted(by_key, key=lambda i: not flag.variants[i].is_control)
    tried = {(tuple(by_key), False)}
    for added, single in ((listed, False), (by_key, True), (controls_first, False), (by_key[::-1], False), (listed, True)):
        if (tuple(added), single) in tried:
            continue
        tried.add((tuple(added), single))
        names = ", ".join(repr(flag.keys[i]) for i in added)
        if single:
            name, detail = "float32_buckets", "the splits were added as 32-bit floats, as the Java SDK does"
        else:
            name = "variant_order"
            detail = f"the splits were added in the order listed ({names}) and not by key, as the Node and Ruby SDKs do"
            if len(added) == 2 and float(flag.variants[0].split or 0.0) == float(flag.variants[1].split or 0.0):
                detail += "; swapped labels would give the same log"
        yield Suspect(name, detail, _added(flag, added, place, single=single))


def _order_words(subject: Subject, order: tuple[int, ...]) -> str:
    keys = [v.key for v in subject.variants]
    return "the splits were added in another order: " + ", ".join(repr(keys[i]) for i in order)


def _flag_of(subject: Subject) -> tuple[Flag | None, dict[str, int]]:
    """The flag that a subject is evaluated as, with the position of its variants in the subject's own order."""
    base = opened(subject)
    if isinstance(base, Flag):
        return base, {k: i for i, k in enumerate(base.keys)}
    made = Randomiser(base)
    return (made.flag if made.is_mixpanel else None), {k: i for i, k in enumerate(made.keys)}


def _added(flag: Flag, order: Sequence[int], place: NDArray[np.int16], *, single: bool) -> Callable[[Texts], VariantCodes]:
    tables = []
    for rollout in flag.rollouts:
        splits = [flag.split_of(flag.variants[i], rollout) or 0.0 for i in order]
        tables.append(np.array([order[at] for at in bucket_table(splits, single=single)], np.int16))

    def variants(texts: Texts) -> VariantCodes:
        ids = UnitIds(list(texts))
        found = flag.column(ids)
        out = np.array(found.codes)
        drawn = np.concatenate([fnv_buckets(fnv_states(b), flag.variant_salt) for b in ids.blocks()]) if len(ids) else out
        for index, table in enumerate(tables):
            here = (found.groups == index) & (found.reasons == SERVED)
            out[here] = table[drawn[here]]
        codes: VariantCodes = place[out]
        return codes

    return variants


def _reordered_plan(subject: Subject, order: tuple[int, ...]) -> Callable[[Texts], VariantCodes]:
    base = opened(subject)
    assert isinstance(base, Plan)  # noqa: S101
    listed = base.to_dict()["variants"]
    other = base.changed(variants=[listed[i] for i in order])
    place = np.array([*order, NONE], np.int16)

    def variants(texts: Texts) -> VariantCodes:
        codes: VariantCodes = place[natural(other, texts)]
        return codes

    return variants


def regrouped(subject: Subject) -> Iterator[Suspect]:
    """The rollout groups were in another order: the first that fits serves, and with a salt its place is hashed."""
    base = opened(subject)
    groups = list(base.to_dict()["assignment"]["rollout"]) if isinstance(base, Plan) else list(base.rollouts)
    if not 2 <= len(groups) <= MOST_GROUPS:
        return
    names = [g["key"] if isinstance(g, dict) else (g.name or str(i)) for i, g in enumerate(groups)]
    for order in list(itertools.permutations(range(len(groups))))[1:]:
        moved = [groups[i] for i in order]
        if isinstance(base, Plan):
            other: Subject = base.changed(assignment={**base.to_dict()["assignment"], "rollout": moved})
        else:
            other = replace(base, rollouts=tuple(moved))
        detail = "the rollout groups were in another order: " + ", ".join(repr(names[i]) for i in order)
        yield Suspect("groups_reordered", detail, _by(other))


def salted(subject: Subject, salts: Sequence[str]) -> Iterator[Suspect]:
    """The id was hashed with another salt: those given, and the ones that people confuse."""
    if isinstance(subject, Plan):
        made = Randomiser(subject)
        used = made.salt if not made.is_mixpanel else (made.assignment.hash_salt or "")
        usual = [subject.key, subject.experiment_name, subject.title, subject.unit, made.salt]
    else:
        used = subject.hash_salt or ""
        usual = [subject.key, subject.name, subject.id, subject.experiment_id or ""]
    usual += [used.strip(), used.lower(), used.upper(), used.replace("-", "_"), used.replace("_", "-"), used + "\n", used + " "]
    counted = re.search(r"[1-9][0-9]*\Z", used)
    if counted:
        head, number = used[: counted.start()], int(counted[0])
        usual += [f"{head}{number - 1}", f"{head}{number + 1}"]
    tried = {used}
    for salt in (*salts, *usual):
        if not salt or salt in tried or len(salt) > 64:
            continue
        tried.add(salt)
        other: Subject = with_salt(subject, salt) if isinstance(subject, Plan) else flag_with_salt(subject, salt)
        yield Suspect("wrong_salt", f"salt {salt!r}", _by(other))
    if isinstance(subject, Plan) and made.is_mixpanel and used:
        bare = {k: v for k, v in subject.to_dict()["assignment"].items() if k != "hash_salt"}
        yield Suspect("wrong_salt", "no hash_salt", _by(subject.changed(assignment=bare)))
    if isinstance(subject, Flag) and subject.hash_salt is not None:
        yield Suspect("wrong_salt", "no hash_salt", _by(flag_with_salt(subject, None)))
    if isinstance(subject, Flag):
        for key in salts:
            yield Suspect("wrong_salt", f"flag key {key!r}", _by(replace(subject, key=key)))


def _by(subject: Subject) -> Callable[[Texts], VariantCodes]:
    return lambda texts: natural(subject, texts)


def _fnv32(data: bytes) -> int:
    state = 0x811C9DC5
    for byte in data:
        state = ((state ^ byte) * 0x01000193) & 0xFFFFFFFF
    return state


def _murmur3(data: bytes, seed: int = 0) -> int:
    c1, c2, state = 0xCC9E2D51, 0x1B873593, seed
    whole = len(data) // 4 * 4
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * c1 & 0xFFFFFFFF
        k = (k << 15 | k >> 17) & 0xFFFFFFFF
        state ^= k * c2 & 0xFFFFFFFF
        state = (state << 13 | state >> 19) & 0xFFFFFFFF
        state = (state * 5 + 0xE6546B64) & 0xFFFFFFFF
    k = int.from_bytes(data[whole:], "little")
    if k:
        k = k * c1 & 0xFFFFFFFF
        k = (k << 15 | k >> 17) & 0xFFFFFFFF
        state ^= k * c2 & 0xFFFFFFFF
    state ^= len(data)
    state = (state ^ state >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    state = (state ^ state >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return state ^ state >> 16


def _digest(name: str) -> Callable[[bytes], int]:
    return lambda data: int(hashlib.new(name, data, usedforsecurity=False).hexdigest(), 16)


ALGORITHMS: tuple[tuple[str, int, Callable[[bytes], int]], ...] = (
    ("MD5", 128, _digest("md5")),
    ("SHA-1", 160, _digest("sha1")),
    ("SHA-256", 256, _digest("sha256")),
    ("MurmurHash3", 32, _murmur3),
    ("FNV-1a 32", 32, _fnv32),
    ("FNV-1a 64", 64, fnv1a64),
    ("CRC-32", 32, zlib.crc32),
)
JOINS: tuple[tuple[str, Callable[[str, str], str]], ...] = (
    ("salt + id", lambda s, i: s + i),
    ("id + salt", lambda s, i: i + s),
    ("salt:id", lambda s, i: f"{s}:{i}"),
    ("id:salt", lambda s, i: f"{i}:{s}"),
    ("salt.id", lambda s, i: f"{s}.{i}"),
    ("id.salt", lambda s, i: f"{i}.{s}"),
    ("salt-id", lambda s, i: f"{s}-{i}"),
    ("salt_id", lambda s, i: f"{s}_{i}"),
    ("id alone", lambda s, i: i),
)
SCALES: tuple[tuple[str, Callable[[int, int], float]], ...] = (
    ("all bits", lambda h, bits: h / 2**bits),
    ("first 32 bits", lambda h, bits: (h >> max(bits - 32, 0)) / 2 ** min(bits, 32)),
    ("first 52 bits", lambda h, bits: (h >> max(bits - 52, 0)) / 2 ** min(bits, 52)),
    ("first 60 bits", lambda h, bits: (h >> max(bits - 60, 0)) / 2 ** min(bits, 60)),
    ("modulo 100", lambda h, bits: h % 100 / 100),
    ("modulo 1,000", lambda h, bits: h % 1000 / 1000),
    ("modulo 10,000", lambda h, bits: h % 10_000 / 10_000),
    ("modulo 2", lambda h, bits: h % 2 / 2),
    ("first byte modulo 100", lambda h, bits: (h >> (bits - 8)) % 100 / 100),
    ("first byte", lambda h, bits: (h >> (bits - 8)) / 256),
    ("last byte modulo 100", lambda h, bits: (h & 255) % 100 / 100),
    ("first 32 bits modulo 100", lambda h, bits: (h >> max(bits - 32, 0)) % 100 / 100),
    ("first 64 bits modulo 100", lambda h, bits: (h >> max(bits - 64, 0)) % 100 / 100),
)


def other_algorithms(subject: Subject) -> Iterator[Suspect]:
    """A second SDK assigned: the other hash of this package, then the hashes that A/B tools use, joined in usual ways."""
    if isinstance(subject, Plan):
        made = Randomiser(subject)
        splits, names = made.splits(), [made.salt, subject.key, subject.experiment_name]
        if not made.is_mixpanel:
            ordered = sorted(subject.variants, key=lambda v: v.key)
            variants = tuple(FlagVariant(v.key, v.key, v.control, v.split) for v in ordered)
            position = {v.key: i for i, v in enumerate(subject.variants)}
            for key in dict.fromkeys(names):
                for salt in (None, *dict.fromkeys([made.salt, subject.key])):
                    flag = Flag(key, subject.unit, variants, (FlagRollout(1.0),), salt)
                    what = f"Mixpanel's hash for the flag {key!r}" + (f" with hash_salt {salt!r}" if salt else "")
                    yield Suspect("second_sdk", what, _reordered(flag, position))
        else:
            yield Suspect("second_sdk", "the native hash", _by(_native_of(subject)))
    else:
        names = [subject.key, subject.hash_salt or "", subject.name, subject.experiment_id or ""]
        splits = tuple(exact(v.split or 0.0) for v in subject.variants)
        for salt in dict.fromkeys(n for n in names if n):
            for order in _orders(subject):

                def draw(text: str, *, s: str = salt) -> float:
                    return sha256_uniform(text, purpose="variant", salt=s)

                yield Suspect("second_sdk", f"the native hash with salt {salt!r}", _drawn(draw, splits, order))
    yield from _known_algorithms(_orders(subject), splits, [n for n in dict.fromkeys(names) if n])


def _orders(subject: Subject) -> list[tuple[int, ...]]:
    """Orders in which other tools may add up the splits: as they are, by key, the control first."""
    if isinstance(subject, Plan):
        keys, controls = [v.key for v in subject.variants], [v.control for v in subject.variants]
    else:
        keys, controls = list(subject.keys), [v.is_control for v in subject.variants]
    places = range(len(keys))
    by_key = tuple(sorted(places, key=lambda i: keys[i]))
    return list(dict.fromkeys([tuple(places), by_key, tuple(sorted(places, key=lambda i: not controls[i]))]))


def _native_of(plan: Plan) -> Plan:
    block = {**plan.to_dict()["assignment"], "hash": "sha256"}
    block.pop("hash_salt", None)
    return plan.changed(assignment=block)


def _reordered(flag: Flag, position: dict[str, int]) -> Callable[[Texts], VariantCodes]:
    order = np.array([*(position[k] for k in flag.keys), NONE], np.int16)

    def variants(texts: Texts) -> VariantCodes:
        return order[flag.column(UnitIds(list(texts))).codes]

    return variants


def _known_algorithms(
    orders: Sequence[tuple[int, ...]], splits: tuple[Fraction, ...], names: Sequence[str]
) -> Iterator[Suspect]:
    for scale, scaled in SCALES[4:8]:  # no hash at all: even and odd customer numbers
        for order in orders:

            def ending(text: str, *, sc: Any = scaled) -> float:
                found = _ENDING.search(text)
                return float(sc(int(found[0]), 64)) if found else 0.0

            yield Suspect("second_sdk", f"no hash: the number at the end of the id, {scale}", _drawn(ending, splits, order))
    for algorithm, bits, function in ALGORITHMS:
        for join, joined in JOINS:
            for name in names[:1] if join == "id alone" else names:
                cache: dict[str, int] = {}

                def number(text: str, *, s: str = name, j: Any = joined, f: Any = function, c: dict[str, int] = cache) -> int:
                    if text not in c:
                        c[text] = f(j(s, text).encode())
                    return c[text]

                for scale, scaled in SCALES:
                    for order in orders:

                        def draw(text: str, *, n: Any = number, sc: Any = scaled, b: int = bits) -> float:
                            return float(sc(n(text), b))

                        detail = f"{algorithm} over {join}, {scale}" + (f", salt {name!r}" if join != "id alone" else "")
                        yield Suspect("second_sdk", detail, _drawn(draw, splits, order))


def _drawn(
    draw: Callable[[str], float], splits: tuple[Fraction, ...], order: tuple[int, ...]
) -> Callable[[Texts], VariantCodes]:
    edges = np.cumsum([float(splits[i]) for i in order])
    edges[-1] = 1.0
    place = np.array(order, np.int16)

    def variants(texts: Texts) -> VariantCodes:
        numbers = np.array([draw(t) if t is not None else 0.0 for t in texts])
        return place[np.minimum(np.searchsorted(edges, numbers, side="right"), len(order) - 1)]

    return variants
