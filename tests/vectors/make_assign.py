# ruff: noqa: E501 - long lists of ids
"""Write assign.json: vectors of both hashes, made with hashlib and the official SDK's function, not with this package.

Run: python tests/vectors/make_assign.py
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from pathlib import Path

from mixpanel.flags.utils import _fnv1a64

FIXED = [
    "", " ", "0", "1", "00", "-1", "12345", "12345.0", "1e5", "9007199254740993", "true", "null", "None", "NaN", "a", "A", "abc",
    "user-1", "user-1 ", " user-1", "user-1\n", "user\t1", "ä", "a\u0308", "ß", "ẞ", "İ", "ﬁ", "é", "Ω", "日本語", "ユーザー1", "пользователь",
    "مستخدم", "משתמש", "😀", "👩‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "\u200b", "\u202euser", "\ufeffuser", "\U0010ffff", "\x00", "\x7f", "a,b", "a:b", "5:hello,", "3:abc,x",
    "'", '"', "\\", "</script>", "=1+1", "$device:abc", "a" * 55, "a" * 56, "a" * 63, "a" * 64, "a" * 65, "a" * 119, "a" * 120, "a" * 1000,
    "someone@example.org", "00000000-0000-0000-0000-000000000000",
]  # fmt: skip
SALTS = ["beta-homepage-2026-11", "", "s", "salz-ä", "😀", "a:b", "1:a,", "x" * 64]
PURPOSES = [("variant", ""), ("rollout", "everyone"), ("rollout", "größe"), ("layer", "homepage"), ("holdout", "h")]
ENDINGS = ["", "checkoutrollout", "checkoutvariant", "checkout" + "0123456789abcdef" * 2 + "0", "ä😀variant"]


def netstring(text: str) -> str:
    return f"{len(text.encode())}:{text},"


def main() -> None:
    r = random.Random(20261122)
    ids = list(FIXED)
    ids += [str(uuid.UUID(int=r.getrandbits(128), version=4)) for _ in range(60)]
    ids += [str(r.randrange(10**k)) for k in range(1, 19)]
    ids += [
        "".join(
            chr(r.choice([r.randrange(32, 127), r.randrange(0xA1, 0x2FF), 0x4E00 + r.randrange(999)]))
            for _ in range(r.randrange(1, 20))
        )
        for _ in range(60)
    ]
    native = []
    for i, unit in enumerate(ids):
        for k in range(6):
            salt, (purpose, name) = SALTS[(i + k) % len(SALTS)], PURPOSES[(i * 3 + k) % len(PURPOSES)]
            message = "xpb1:" + netstring(purpose) + netstring(salt) + netstring(name) + unit
            first = int(hashlib.sha256(message.encode()).hexdigest()[:13], 16)
            native.append(
                {"id": unit, "salt": salt, "purpose": purpose, "name": name, "first52": first, "uniform": first / 2**52}
            )
    mixpanel = []
    for i, unit in enumerate(ids):
        for k in range(2):
            salt = ENDINGS[(i + k) % len(ENDINGS)]
            hashed = _fnv1a64(unit.encode() + salt.encode())
            mixpanel.append({"id": unit, "salt": salt, "fnv1a64": f"{hashed:016x}", "bucket": hashed % 100})
    out = {
        "native": {
            "message": 'xpb1: + netstring(purpose) + netstring(salt) + netstring(name) + id, netstring(t) = bytes of t in UTF-8, ":", t, ","',
            "number": "first 52 bits of SHA-256(message in UTF-8) / 2^52",
            "vectors": native,
        },
        "mixpanel": {"message": "id + salt in UTF-8", "number": "FNV-1a 64 modulo 100", "vectors": mixpanel},
    }
    lines = [json.dumps(v, ensure_ascii=True) for v in native], [json.dumps(v, ensure_ascii=True) for v in mixpanel]
    text = json.dumps(
        out | {"native": out["native"] | {"vectors": ["@native"]}, "mixpanel": out["mixpanel"] | {"vectors": ["@mixpanel"]}},
        indent=1,
        ensure_ascii=True,
    )
    text = text.replace('"@native"', ",\n   ".join(lines[0])).replace('"@mixpanel"', ",\n   ".join(lines[1]))
    Path(__file__).with_name("assign.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
