"""The two hashes, over whole arrays of ids.

`sha256` (native): the first 52 bits of SHA-256 over an unambiguous message, a number in [0, 1)::

    message = "xpb1:" + netstring(purpose) + netstring(salt) + netstring(name) + id
    netstring(text) = (number of UTF-8 bytes of text, in decimal) + ":" + text + ","

`mixpanel`: FNV-1a with 64 bits over id + salt, modulo 100, as the official SDK evaluates flags locally.

FNV-1a goes through the bytes from left to right and the salt stands behind the id, so the id is hashed once and any number
of salts are applied to the state: a constant ending of k bytes maps the state h to h·p^k + T[h mod 256] (mod 2^64), where T has
256 entries, because what XOR changes depends on the lowest byte alone.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpbench.randomiser.ids import IdBlock, UnitIds
from xpbench.randomiser.single import BASIS, BITS, PRIME, SCALE, Purpose, prefix, sha256_int

_LOWEST = 0 if sys.byteorder == "little" else 7
STEP = 1 << 14
"""Ids that go through FNV-1a together: the states stay in the cache of the processor."""

Words = NDArray[np.uint64]


def sha256_uniform(unit: str, *, purpose: Purpose, salt: str, name: str = "") -> float:
    """The native hash of one id as a number in [0, 1)."""
    return sha256_int(unit, purpose=purpose, salt=salt, name=name) / SCALE


def sha256_block(block: IdBlock, before: str) -> Words:
    """First 52 bits of SHA-256 over `before` + id for each id of a block."""
    return sha256_texts(block.texts(), before)


def sha256_texts(texts: Sequence[bytes], before: str) -> Words:
    """First 52 bits of SHA-256 over `before` + each text."""
    head, sha = before.encode(), hashlib.sha256
    digests = b"".join([sha(head + text).digest() for text in texts])
    first = np.frombuffer(digests, ">u8")[::4]
    return first.astype(np.uint64) >> np.uint64(64 - BITS)


def fnv_states(block: IdBlock) -> Words:
    """FNV-1a state after each id of a block, before any salt."""
    n = len(block)
    out = np.empty(n, np.uint64)
    lengths = np.diff(block.offsets)
    if n == 0:
        return out
    if int(lengths.min()) == int(lengths.max()):
        length = int(lengths[0])
        _states_of(block.data.reshape(n, length) if length else np.empty((n, 0), np.uint8), out)
        return out
    order = np.argsort(lengths.astype(np.uint16) if lengths.max() < 1 << 16 else lengths, kind="stable")
    ordered = lengths[order]
    edges = np.flatnonzero(np.diff(ordered)) + 1
    for part in np.split(order, edges):
        length = int(lengths[part[0]])
        states = np.empty(len(part), np.uint64)
        if length == 0:
            states.fill(BASIS)
        else:
            windows = np.lib.stride_tricks.sliding_window_view(block.data, length)
            _states_of(windows[block.offsets[:-1][part]], states)
        out[part] = states
    return out


def _states_of(rows: NDArray[np.uint8], out: Words) -> None:
    prime = np.uint64(PRIME)
    for start in range(0, len(rows), STEP):
        part = rows[start : start + STEP]
        state = out[start : start + STEP]
        state.fill(BASIS)
        lowest = state.view(np.uint8)[_LOWEST::8]
        for place in range(part.shape[1]):
            np.bitwise_xor(lowest, part[:, place], out=lowest)
            np.multiply(state, prime, out=state)


@lru_cache(maxsize=4096)
def _ending(salt: bytes) -> tuple[np.uint64, Words]:
    power = pow(PRIME, len(salt), 1 << 64)
    state = np.arange(256, dtype=np.uint64)
    for byte in salt:
        state = (state ^ np.uint64(byte)) * np.uint64(PRIME)
    table = state - np.arange(256, dtype=np.uint64) * np.uint64(power)
    table.setflags(write=False)
    return np.uint64(power), table


def fnv_salted(states: Words, salt: str) -> Words:
    """FNV-1a of id + salt from the states after the ids."""
    power, table = _ending(salt.encode())
    out = states * power
    out += table[states.astype(np.uint8)]
    return out


def fnv_buckets(states: Words, salt: str) -> NDArray[np.uint8]:
    """Buckets 0 to 99 from the states after the ids."""
    hashed = fnv_salted(states, salt)
    hashed -= hashed // np.uint64(100) * np.uint64(100)
    return hashed.astype(np.uint8)


def uniform(ids: Any, *, salt: str, purpose: Purpose = "variant", name: str = "") -> NDArray[np.float64]:
    """The native hash of each id as a float in [0, 1); NaN where the id is null.

    Args:
        ids: Any container of text, integers or UUIDs.
        salt: Text that makes this experiment's numbers independent of every other's.
        purpose: What the number is used for; purposes never share numbers.
        name: Key of the rollout group, layer or holdout, "" for the variant.

    Source: FIPS 180-4 (SHA-256). Checked against hashlib, DuckDB's sha256 and Node's crypto.
    """
    units = UnitIds(ids)
    out = np.empty(len(units), np.float64)
    before = prefix(purpose, salt, name)
    for block in units.blocks():
        values = sha256_block(block, before).astype(np.float64) / SCALE
        if block.null is not None:
            values[block.null] = np.nan
        out[block.start : block.start + len(block)] = values
    return out


def buckets(ids: Any, *, salt: str) -> NDArray[np.int16]:
    """The bucket (0 to 99) of each id under Mixpanel's hash; -1 where the id is null.

    Args:
        ids: Any container of text, integers or UUIDs.
        salt: What follows the id: the flag's key, hash_salt and suffix, joined without separator.

    Source: FNV-1a by Fowler, Noll and Vo. Checked against the official SDK.
    """
    units = UnitIds(ids)
    out = np.empty(len(units), np.int16)
    for block in units.blocks():
        part = out[block.start : block.start + len(block)]
        part[:] = fnv_buckets(fnv_states(block), salt)
        if block.null is not None:
            part[block.null] = -1
    return out
