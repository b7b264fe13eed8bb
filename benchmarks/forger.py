"""A forger's bench: generated forgeries of page, payload, seal, ledger and their combinations against every surface.

    python -m benchmarks.forger                  10,000 forgeries, about ten minutes of two free cores
    python -m benchmarks.forger --count 2000     fewer
    python -m benchmarks.forger --seed 7         others

Each forgery says which exit codes are honest about it; a surface that gives another one is a miss. Asked are the package
(`xp.verify`), the one file `verify.py` without the package's help, JupyterLab's verdict and `xpbench review`. What nobody can
see from a memo alone (a ledger rebuilt whole, to fit) is asked again with the true ledger at hand, where it has to differ.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import importlib.util
import io
import json
import math
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.report import commit, write
from tests.memo.making import PLAN, decided, summary_of
from xpbench import verifier as v
from xpbench.ledger.entry import START, make_entry, parse_line
from xpbench.ledger.ledger import verify_lines
from xpbench.memo.alone import single_file
from xpbench.memo.ledger_part import story
from xpbench.memo.render import page, page_part
from xpbench.memo.verification import verify
from xpbench.verifier.counted import DERIVED

REFUSED = frozenset((1, 2))
REVIEWED = 50
"""Every so many forgeries one is put into a git repository and reviewed there."""


@dataclass
class World:
    """What the forger has: a decided experiment, another one, and a folder to write in.

    Attributes:
        folder: Where forgeries are written.
        payload: Of the true memo.
        html: The true memo.
        ledger: The true ledger, as it stands beside the memo.
        other: Payload of another experiment's memo.
        other_html: That memo.
        signed: Payload of the true memo after a signature over its results.
        ledgers: Ledgers that are not the one that the true memo saw, or go on with a later decision.
    """

    folder: Path
    payload: dict[str, Any]
    html: str
    ledger: Path
    other: dict[str, Any]
    other_html: str
    signed: dict[str, Any] | None
    ledgers: list[Path]


@dataclass
class Forgery:
    """One file of a forger, and what may be said of it.

    Attributes:
        data: The file.
        allowed: Exit codes that are honest about it.
        name: Of the file.
        with_ledger: Codes that are honest where a ledger is at hand; None asks without.
        ledger: That ledger; the true one where it is None.
    """

    data: bytes
    allowed: frozenset[int]
    name: str = "memo.html"
    with_ledger: frozenset[int] | None = None
    ledger: Path | None = None


def world(folder: Path) -> World:
    """Make the experiments that are forged."""
    plan = {**PLAN, "metrics": [m for m in PLAN["metrics"] if m["key"] in ("quote_started", "quotes", "transfer_out")]}
    plan["segments"] = []
    whole = summary_of()
    kept = tuple(c for c in whole.cells if not c.dimension and c.metric in ("quote_started", "quotes", "transfer_out"))
    summary = replace(whole, cells=kept, caps=(), segments={})
    true = decided(folder / "true", plan=plan, summary=summary)
    memo = true.memo()
    other = decided(folder / "other", plan={**plan, "key": "other"}, summary=summary, outcome="iterate").memo()
    return World(
        folder,
        json.loads(json.dumps(memo.to_dict())),
        memo.html,
        true.ledger.path,
        json.loads(json.dumps(other.to_dict())),
        other.html,
        _signed(true, folder),
        _ledgers(folder, true, folder / "other" / "other" / "ledger.jsonl"),
    )


def _ledgers(folder: Path, true: Any, other: Path) -> list[Path]:
    """Ledgers with which the true memo is not up to date, or not of this experiment."""
    data = true.ledger.path.read_bytes()
    lines = data.decode().splitlines()
    fork = rehashed(lines, lambda i, body: {**body, "because": "Another."} if "because" in body else body)
    true.memo().save(folder / "honest.zip")
    before = true.ledger.path.read_bytes()
    true.ledger.append("deferred", {"reason": "Wait.", "plan_digest": true.plan.digest, "supersedes": len(lines)}, by="Ana")
    after = true.ledger.path.read_bytes()
    true.ledger.path.write_bytes(before)
    made = {
        "later": after,
        "later-without-its-line-end": after.removesuffix(b"\n"),
        "cut": b"".join(line + b"\n" for line in data.splitlines()[:-1]),
        "fork": "".join(f"{line}\n" for line in fork).encode(),
        "other": other.read_bytes(),
        "empty": b"",
        "windows": data.replace(b"\n", b"\r\n"),
        "swapped": b"\n".join([*reversed(data.splitlines())]) + b"\n",
    }
    for name, content in made.items():
        (folder / f"{name}.jsonl").write_bytes(content)
    return [folder / f"{name}.jsonl" for name in made]


def _signed(experiment: Any, folder: Path) -> dict[str, Any] | None:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    except ImportError:
        return None
    key = folder / "key.pem"
    key.write_bytes(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    before = experiment.ledger.path.read_bytes()
    experiment.sign("Ben", key=key)
    made: dict[str, Any] = json.loads(json.dumps(experiment.memo().to_dict()))
    experiment.ledger.path.write_bytes(before)
    return made


def resealed(text: str) -> str:
    """A page with a seal that fits it."""
    at = text.rfind(v.SEAL)
    if at < 0 or text.find(v.END, at) < 0:
        return text
    at += len(v.SEAL)
    bare = text[:at] + text[text.find(v.END, at) :]
    try:
        old = json.loads(text[at : text.find(v.END, at)])
    except ValueError:
        return text
    seal = json.dumps({**old, "file": hashlib.sha256(bare.encode()).hexdigest()}, separators=(",", ":"))
    return bare[:at] + seal + bare[at:]


def remade(payload: dict[str, Any], *, keep_page: bool = False) -> str:
    """The page of a changed payload, with cells and seal made anew: what a careful forger does."""
    if not keep_page:
        rest = {name: part for name, part in payload.items() if name != "page"}
        payload = {**rest, "page": json.loads(v.canonical(page_part(rest)))}
    return page(payload)


def body_of(html: str) -> tuple[int, int]:
    """Where the main element begins and ends."""
    return html.index("<main>\n") + len("<main>\n"), html.rindex("</main>\n")


TEXTS = ("Ship none", "+84\u202f%", "not significant", "9,999", "no guardrail is worse", "▼ worse")
HOSTILE = (
    '<div style="position:fixed;inset:0;background:#fff">{t}</div>',
    "<style>main{{display:none}}</style><p>{t}</p>",
    "<script>document.body.innerText='{t}'</script>",
    '<p onclick="alert(1)">{t}</p>',
    '<iframe srcdoc="{t}"></iframe>',
    '<div style="margin-top:-300px">{t}</div>',
    "<div hidden>",
    "<!-- {t}",
    '<img src="data:," alt="{t}">',
    '<svg><text x="0" y="20">{t}</text></svg>',
    '<link rel="stylesheet" href="data:text/css,main%7Bdisplay:none%7D">',
    '<base href="https://example.org">',
    '<meta http-equiv="refresh" content="0;url=https://example.org">',
    "<textarea>{t}",
    "<noscript>{t}",
    '<object data="data:text/html,{t}"></object>',
    '<form action="https://example.org"><button>{t}</button></form>',
    '<div style="margin-left:900em"/>{t}',
    '<div style="margin-left:900em">{t}</ div>',
    "<p>{t}</p><!-- -- >",
    "<!--><p>{t}</p>-->",
    '<div style="margin:0 0 -.9e4px 0">{t}</div>',
    '<div style="margin:0/**/-9000px">{t}</div>',
    "<math><mtext>{t}</mtext></math>",
    "<template>{t}</template>",
    "<plaintext>{t}",
    "<![CDATA[{t}]]>",
    "<?xml-stylesheet href='data:text/css,x'?>{t}",
    "<style>main::before{{content:'{t}'}}</style>",
    '<font color="white" size="1"/>{t}',
    "<dialog open>{t}</dialog>",
    '<video poster="data:image/gif;base64,R0lGODlhAQABAAAAACw=">{t}</video>',
)
PLAIN = ("<p>{t}</p>", "<div><b>External mail.</b> {t}</div>", '<table><tr><td style="color:#900">{t}</td></tr></table>')


def edit_text(rng: random.Random, w: World) -> Forgery:
    """A digit, a letter, a word or a mark of a text that a reader sees."""
    start, end = body_of(w.html)
    spots = list(re.finditer(r">([^<]*[\w▲▼✓✕─?][^<]*)<", w.html[start:end]))
    spot = rng.choice(spots)
    old = spot[1]
    kind = rng.randrange(4)
    if kind == 0 and any(c.isdigit() for c in old):
        at = rng.choice([i for i, c in enumerate(old) if c.isdigit()])
        new = old[:at] + str((int(old[at]) + rng.randrange(1, 10)) % 10) + old[at + 1 :]
    elif kind == 1:
        new = rng.choice(TEXTS)
    elif kind == 2:
        new = old.translate(str.maketrans("▲▼✓✕−+", "▼▲✕✓+−"))
        new = new if new != old else f"{old} {rng.choice(TEXTS)}"
    else:
        new = old + rng.choice(("0", " not", "\u202e", "\u200b", "."))
    html = w.html[: start + spot.start(1)] + new + w.html[start + spot.end(1) :]
    return Forgery(resealed(html).encode(), REFUSED)


def edit_markup(rng: random.Random, w: World) -> Forgery:
    """A class, an attribute, a coordinate, a rule of the style, the policy."""
    start, end = body_of(w.html)
    tags = list(re.finditer(r"<(\w+)([^<>]*)>", w.html[start:end]))
    tag = rng.choice(tags)
    at, to = start + tag.start(), start + tag.end()
    kind = rng.randrange(6)
    html = w.html
    if kind == 0:
        extra = rng.choice(
            (' hidden=""', ' style="display:none"', ' title="Ship none"', ' class="worse"', ' data-x="headline"')
        )
        html = f"{html[:at]}<{tag[1]}{extra}{tag[2]}>{html[to:]}"
    elif kind == 1:
        numbers = list(re.finditer(r'(?<=")[0-9.]+(?=")', html[start:end]))
        spot = rng.choice(numbers)
        html = html[: start + spot.start()] + f"{float(spot[0]) + rng.choice((1, 40, -7)):g}" + html[start + spot.end() :]
    elif kind == 2:
        rule = rng.choice(
            ("[data-x]{display:none}", ".worse{color:var(--better)}", "main:after{content:'+84 %'}", "svg{opacity:0}")
        )
        html = html.replace("</style>", f"{rule}</style>", 1)
    elif kind == 3:
        html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^\n]*\n', rng.choice(("", "<!-- -->\n")), html)
    elif kind == 4:
        html = re.sub(r"<title>[^<]*", f"<title>{rng.choice(TEXTS)}", html, count=1)
    else:
        html = html[:at] + html[to:]
    return Forgery(resealed(html).encode(), REFUSED | ({0} if html == w.html else set()))


def insert_inside(rng: random.Random, w: World) -> Forgery:
    """Markup or text somewhere inside of the page."""
    start, end = body_of(w.html)
    spots = [m.end() for m in re.finditer(r">", w.html[start:end])]
    at = start + rng.choice(spots[:-1])
    addition = rng.choice((*HOSTILE, *PLAIN)).format(t=rng.choice(TEXTS))
    return Forgery(resealed(w.html[:at] + addition + w.html[at:]).encode(), REFUSED)


def _gap(rng: random.Random, html: str, addition: str) -> str:
    anchor, behind = rng.choice((("<body>\n", True), ("</main>\n", True), ("</body>", False), ("<!DOCTYPE", False), ("", True)))
    if not anchor:
        return html + addition
    at = html.rindex(anchor) if anchor in ("</main>\n", "</body>") else html.index(anchor)
    at += len(anchor) if behind else 0
    return html[:at] + addition + html[at:]


def hostile_around(rng: random.Random, w: World) -> Forgery:
    """Markup around the page that runs, covers, hides or fetches."""
    html = _gap(rng, w.html, rng.choice(HOSTILE).format(t=rng.choice(TEXTS)))
    return Forgery((resealed(html) if rng.random() < 0.5 else html).encode(), REFUSED)


def banner(rng: random.Random, w: World) -> Forgery:
    """What a mail gateway does: text around the page, line ends, a byte order mark. The numbers hold, the page was touched."""
    data = _gap(rng, w.html, rng.choice(PLAIN).format(t=rng.choice(TEXTS))).encode()
    if rng.random() < 0.4:
        data = data.replace(b"\n", b"\r\n")
    return Forgery((b"\xef\xbb\xbf" if rng.random() < 0.2 else b"") + data, frozenset((5,)))


def line_ends(rng: random.Random, w: World) -> Forgery:
    """Line ends, a byte order mark, the last newline."""
    data = w.html.encode()
    ways: list[Callable[[bytes], bytes]] = [
        lambda d: d.replace(b"\n", b"\r\n"),
        lambda d: b"\xef\xbb\xbf" + d,
        lambda d: d + b"\n" * rng.randrange(1, 4),
        lambda d: d.rstrip(b"\n"),
    ]
    for way in rng.sample(ways, rng.randrange(1, 3)):
        data = way(data)
    return Forgery(data, frozenset((5,)) if data != w.html.encode() else frozenset((0,)))


def polyglot(rng: random.Random, w: World) -> Forgery:
    """Data and page at once."""
    own = f"<body><h1>{rng.choice(TEXTS)}</h1>"
    payload = v.canonical(w.payload)
    kind = rng.randrange(6)
    if kind == 0:
        text = '{"<!--":' + json.dumps(f"-->{own}<!--") + "," + payload[1:]
    elif kind == 1:
        changed = copy.deepcopy(w.payload)
        changed["readout"]["plan"]["title"] = f"<!DOCTYPE html>{own}<!--"
        text = v.canonical(changed)
    elif kind == 2:
        text = f"{own}\n{payload}"
    elif kind == 3:
        text = payload[:-1] + ',"zz":' + json.dumps(own) + "}"
    elif kind == 4:
        text = payload  # true data under the name of a page
        return Forgery(text.encode(), REFUSED, rng.choice(("memo.html", "memo.htm", "memo.xhtml", "memo.svg")))
    else:
        text = f"{payload}\n<!-- -->{own}"
    return Forgery(text.encode(), REFUSED, rng.choice(("memo.html", "memo.json", "memo", "memo.htm")))


def payload_value(rng: random.Random, w: World) -> Forgery | None:
    """A value or a structure of the payload, with page and seal made anew."""
    from tests.verifier.test_verify import changed_leaf, containers, leaves, mutate

    changed = copy.deepcopy(w.payload)
    places = [at for at, _ in leaves(changed)] if rng.random() < 0.6 else [at for at in containers(changed) if at]
    at = rng.choice(places)
    part: Any = changed
    for key in at[:-1]:
        part = part[key]
    if isinstance(part[at[-1]], (dict, list)):
        mutate(part[at[-1]], rng)
    else:
        part[at[-1]] = changed_leaf(part[at[-1]], rng)
    if v.canonical(changed) == v.canonical(w.payload):
        return None
    if at[0] == "seeds":
        return None
    # the digest of a template that nobody knows is that of another version
    other = {4} if at == ("page", "template") else set[int]()
    return Forgery(remade(changed, keep_page=at[0] == "page").encode(), REFUSED | {3} | other)


def payload_bytes(rng: random.Random, w: World) -> Forgery:
    """The same values written in another way, or a key twice, with a digest that fits."""
    at = w.html.index(v.PAYLOAD) + len(v.PAYLOAD)
    end = w.html.index(v.END, at)
    text = w.html[at:end]
    kind = rng.randrange(5)
    if kind == 0:
        text = text.replace('"kind":', '"kind": ', 1)
    elif kind == 1:
        text = '{"kind":"xpbench memo",' + text[1:]
    elif kind == 2:
        text = text.replace('"schema":2', '"schema":2.0', 1)
    elif kind == 3:
        text = text.replace('"key":', '"ke\\u0079":', 1)
    else:
        text = text[:-1] + ',"note":"x"}'
    html = w.html[:at] + text + w.html[end:]
    seal_at = html.rindex(v.SEAL) + len(v.SEAL)
    seal = json.loads(html[seal_at : html.index(v.END, seal_at)])
    if rng.random() < 0.5:
        seal["payload"] = hashlib.sha256(text.encode()).hexdigest()
    html = html[:seal_at] + json.dumps(seal, separators=(",", ":")) + html[html.index(v.END, seal_at) :]
    return Forgery(resealed(html).encode(), REFUSED)


def seal(rng: random.Random, w: World) -> Forgery:
    """Another memo's seal, none, two, or one with other digests."""
    at = w.html.rindex(v.SEAL)
    end = w.html.index(v.END, at) + len(v.END)
    own, other = w.html[at:end], w.other_html[w.other_html.rindex(v.SEAL) :].partition(v.END)[0] + v.END
    kind = rng.randrange(6)
    if kind == 0:
        html = w.html[:at] + other + w.html[end:]
    elif kind == 1:
        html = w.html[:at] + w.html[end:]
    elif kind == 2:
        html = w.html[:at] + own + "\n" + own + w.html[end:]
    elif kind == 3:
        spot = rng.randrange(len(own) - 60, len(own) - 12)
        flipped = own[:spot] + ("0" if own[spot] != "0" else "1") + own[spot + 1 :]
        html = w.html[:at] + flipped + w.html[end:]
    elif kind == 4:
        html = w.html[:at] + f'{v.SEAL}{{"schema":1}}{v.END}' + w.html[end:]
    else:
        html = w.html.replace(w.html[w.html.index(v.PAYLOAD) : at], w.other_html[w.other_html.index(v.PAYLOAD) : at], 1)
        html = resealed(html)
    return Forgery(html.encode(), REFUSED)


def chain_broken(rng: random.Random, w: World) -> Forgery:
    """Lines of the ledger in the payload edited, taken away, doubled or swapped; page and seal made anew."""
    changed = copy.deepcopy(w.payload)
    lines = changed["ledger"]["lines"]
    i, j = rng.sample(range(len(lines)), 2)
    kind = rng.randrange(4)
    if kind == 0:
        lines[i] = re.sub(r'"by":"Ana"|"kind":"\w+"', '"by":"Eva"', lines[i], count=1)
    elif kind == 1:
        del lines[i]
    elif kind == 2:
        lines.insert(j, lines[i])
    else:
        lines[i], lines[j] = lines[j], lines[i]
    return Forgery(remade(changed).encode(), REFUSED)


def rehashed(lines: list[str], change: Callable[[int, dict[str, Any]], dict[str, Any]]) -> list[str]:
    """A chain with changed bodies that holds; what a signature says of the ledger before it is made to fit."""
    out: list[str] = []
    prev = START
    for i, line in enumerate(lines):
        entry = parse_line(line.encode())
        changed = change(i, json.loads(json.dumps(entry.body)))
        if "head" in changed:
            changed["head"] = f"{i}:{prev}"
        body = v.canonical(changed).encode()
        made = make_entry(seq=i + 1, kind=entry.kind, at=entry.at, by=entry.by, body=body, prev=prev)
        out.append(made.line.decode())
        prev = made.digest
    return out


def with_story(payload: dict[str, Any], lines: list[str]) -> dict[str, Any]:
    """The payload with a rebuilt ledger and all that follows from it."""
    entries = verify_lines([line.encode() for line in lines])
    return {**payload, **json.loads(json.dumps(story(payload["readout"], entries)))}


def refitted(payload: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """A payload whose readout was changed, with every digest and a ledger rebuilt to fit: what its owner could do.

    Args:
        payload: Of a true memo.
        change: Changes the readout, in place.
    """
    made = copy.deepcopy(payload)
    readout = made["readout"]
    before = readout["plan_digest"]
    change(readout)
    made["registered"]["plan_digest"] = readout["plan_digest"] = v.sha256(v.canonical(readout["plan"]))
    look = readout["looks"][-1] if readout["looks"] else {}
    parts = {part: v.sha256(v.canonical(readout[part])) for part in ("summary", "health", "rows")}

    def fit(i: int, body: dict[str, Any]) -> dict[str, Any]:
        if body.get("plan_digest") == before:
            body["plan_digest"] = readout["plan_digest"]
        if "plan" in body:
            body["plan"] = readout["plan"]
        if "shown" in body:
            body["shown"] = parts
            body["findings"] = look.get("findings", body.get("findings"))
            body["units"], body["n"] = readout["summary"]["units"], sum(readout["summary"]["units"].values())
            body["fingerprint"] = readout["summary"]["fingerprint"]
            for status in {"warn", "fail"} & body["health"].keys():
                body["health"][status] = sorted(c["name"] for c in readout["health"] if c["status"] == status)
        if "readout_digest" in body:
            body["readout_digest"] = v.sha256(v.canonical(readout))
        return body

    return with_story(made, rehashed(made["ledger"]["lines"], fit))


OWN = re.compile(
    r"(at|key|kind|schema|sealed|methods|plan_digest|rule_digest|plan|versions|health|due|deviations|looks)\b"
    r"|summary\.(source|fingerprint|rows|engine|schema|data_until|first_exposure|last_exposure|findings|exposures_by_day|caps|"
    r"extremes|units|cells|segments)\b"
)
"""Parts of a readout that are its owner's words and data, or that other forgeries are about: nothing in a memo fixes them."""


def readout_refitted(rng: random.Random, w: World) -> Forgery | None:
    """Anything in a readout that follows from its data, changed, with digests and ledger rebuilt to fit."""
    from tests.verifier.test_verify import changed_leaf, leaves

    places = [at for at, _ in leaves(w.payload["readout"]) if not OWN.match(".".join(map(str, at)))]
    at = rng.choice(places)

    def change(readout: dict[str, Any]) -> None:
        part: Any = readout
        for key in at[:-1]:
            part = part[key]
        part[at[-1]] = changed_leaf(part[at[-1]], rng)

    made = refitted(w.payload, change)
    if v.canonical(made["readout"]) == v.canonical(w.payload["readout"]):
        return None
    return Forgery(remade(made).encode(), REFUSED)


def health_said(rng: random.Random, w: World) -> Forgery | None:
    """What a health check says, what it is called, whether it is a gate, or why results were due."""
    kind = rng.randrange(6)

    def change(readout: dict[str, Any]) -> None:
        one = rng.choice(readout["health"])
        if kind == 0:
            one[rng.choice(("meaning", "next_step"))] = rng.choice(TEXTS)
        elif kind == 1:
            one[rng.choice(("meaning", "next_step"))] += f" {rng.choice(TEXTS)}"
        elif kind == 2:
            one["title"] = rng.choice(TEXTS)
        elif kind == 3:
            one["gate"] = not one["gate"]
        elif kind == 4:
            readout["health"].remove(one)
        else:
            readout["due"][rng.choice(("reason", "units_needed", "look", "is_due"))] = rng.choice((rng.choice(TEXTS), 1, None))

    made = refitted(w.payload, change)
    return Forgery(remade(made).encode(), REFUSED | ({4} if kind < 2 else set()))


COUNTED = (*DERIVED, "shrunk_data", "restated_outcomes")
"""Checks that follow from the payload or from the looks on record."""


def health_counted(rng: random.Random, w: World) -> Forgery | None:
    """Status or number of a health check that follows from counts, with digests and ledger rebuilt to fit."""
    kind = rng.randrange(3)

    def change(readout: dict[str, Any]) -> None:
        one = rng.choice([c for c in readout["health"] if c["name"] in COUNTED])
        if kind == 0:
            one["status"] = rng.choice([s for s in ("pass", "warn", "fail", "not answerable") if s != one["status"]])
        elif kind == 1:
            places = [i for i, c in enumerate(one["meaning"]) if c.isdigit()]
            at = rng.choice(places)
            digit = str((int(one["meaning"][at]) + rng.randrange(1, 10)) % 10)
            one["meaning"] = one["meaning"][:at] + digit + one["meaning"][at + 1 :]
        else:  # what was found and not said: the check beside it stays as it was
            found = rng.choice(("several_variants", "rejected_lines", "unknown_variant", "missing_variant", "not_a_number"))
            more = {"name": found, "count": 900, "of": 1000, "action": "kept", "metric": "", "by_variant": {}, "detail": ""}
            readout["summary"]["findings"] = [f for f in readout["summary"]["findings"] if f["name"] != found] + [more]

    return Forgery(remade(refitted(w.payload, change)).encode(), REFUSED)


def rule_rewritten(rng: random.Random, w: World) -> Forgery | None:
    """The rule of the plan, in a row that did not fire, with digests and ledger rebuilt to fit."""
    rule = copy.deepcopy(w.payload["rule"])
    row = rng.choice([r for r in rule if r["id"] not in w.payload["readout"]["recommendation"]["rows"]])
    kind = rng.randrange(4)
    if kind == 0:
        row["outcome"] = rng.choice([o for o in ("ship", "iterate", "ship none", "invalid") if o != row["outcome"]])
    elif kind == 1:
        row["because"] = rng.choice(TEXTS)
    elif kind == 2 and row["when"]:
        row["when"].pop(rng.choice(sorted(row["when"])))
    else:
        rule.remove(row)

    def change(readout: dict[str, Any]) -> None:
        readout["rule_digest"] = v.sha256(v.canonical(rule))

    return Forgery(remade({**refitted(w.payload, change), "rule": rule}).encode(), REFUSED)


def archive(rng: random.Random, w: World) -> Forgery:
    """An archive that holds, or seems to hold, something else than its memo."""
    path = w.folder / "honest.zip"
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(path) as old:
        files = {name: old.read(name) for name in old.namelist()}
    kind, name, first, last, comment = rng.randrange(7), "memo.zip", b"", b"", b""
    if kind == 0:
        files[rng.choice(("MEMO.HTML", "./memo.html", "memo.htm", "read me.html", "ledger.jsonl.bak"))] = b"<h1>Ship none</h1>"
    elif kind == 1:
        changed = rng.choice(sorted(set(files) - {"memo.html"}))
        at = rng.randrange(len(files[changed]))
        files[changed] = files[changed][:at] + bytes([files[changed][at] ^ 1]) + files[changed][at + 1 :]
    elif kind == 2:
        first = _zipped({"memo.html": b"<h1>Ship none</h1>"})
    elif kind == 3:
        last = rng.choice((b"<h1>Ship none</h1>", _zipped({"memo.html": b"<h1>Ship none</h1>"})))
    elif kind == 4:
        comment = rng.choice(TEXTS).encode()
    elif kind == 5:
        name = rng.choice(("memo.html", "memo.htm", "memo.xhtml"))
    else:
        files["memo.html"] = edit_text(rng, w).data
    return Forgery(first + _zipped(files, comment) + last, REFUSED, name)


def _zipped(files: dict[str, bytes], comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
        made.comment = comment
    return out.getvalue()


def ledger_swapped(rng: random.Random, w: World) -> Forgery:
    """The true memo beside another ledger: cut, forked, of another experiment, or with a later decision."""
    return Forgery(w.html.encode(), frozenset((0,)), ledger=rng.choice(w.ledgers), with_ledger=REFUSED)


def chain_rebuilt(rng: random.Random, w: World) -> Forgery:
    """A ledger rebuilt whole, with everything that follows: not to be seen alone, and seen with the true ledger."""
    payload = copy.deepcopy(w.payload)
    kind = rng.randrange(3)

    def change(i: int, body: dict[str, Any]) -> dict[str, Any]:
        if kind == 0 and "because" in body:
            body["because"] = f"Because of {rng.randrange(10**6)}."
        if kind == 1 and "note" in body:
            body["note"] = f"{rng.randrange(10**6)}"
        if kind == 2 and "name" in body:
            body["role"] = f"head of {rng.randrange(10**6)}"
        return body

    made = with_story(payload, rehashed(payload["ledger"]["lines"], change))
    same = made["ledger"]["lines"] == w.payload["ledger"]["lines"]
    return Forgery(remade(made).encode(), frozenset(range(6)), with_ledger=frozenset((0,)) if same else REFUSED)


def looks_swapped(rng: random.Random, w: World) -> Forgery:
    """The look that the decision rests on is made to be of other data, other units, or planned; the chain is rebuilt to fit."""
    payload = copy.deepcopy(w.payload)
    kind = rng.randrange(3)

    def change(i: int, body: dict[str, Any]) -> dict[str, Any]:
        if "fingerprint" in body:
            if kind == 0:
                body["fingerprint"] = f"{rng.randrange(16**8):08x}" * 8
            elif kind == 1:
                body["units"] = {key: n + 1 for key, n in body["units"].items()}
            else:
                body["n"] = body.get("n", 0) + 5
                body["units"] = {key: n * 2 for key, n in body["units"].items()}
        return body

    made = with_story(payload, rehashed(payload["ledger"]["lines"], change))
    return Forgery(remade(made).encode(), REFUSED, with_ledger=REFUSED)


def numbers_with_rebuilt_chain(rng: random.Random, w: World) -> Forgery | None:
    """An estimate is made larger, and the ledger is rebuilt so that every digest fits: the moments give it away."""
    payload = copy.deepcopy(w.payload)
    row = rng.choice(payload["readout"]["rows"])
    name = rng.choice([k for k in ("effect", "lift", "ci_low", "ci_high", "p_value", "mean", "lift_low") if row[k]])
    row[name] *= rng.choice((1.5, 2.0, 0.5, -1.0))
    digest = v.sha256(v.canonical(payload["readout"]))

    def change(i: int, body: dict[str, Any]) -> dict[str, Any]:
        if "readout_digest" in body:
            body["readout_digest"] = digest
        if isinstance(body.get("shown"), dict) and "rows" in body["shown"]:
            body["shown"]["rows"] = v.sha256(v.canonical(payload["readout"]["rows"]))
        return body

    made = with_story(payload, rehashed(payload["ledger"]["lines"], change))
    return Forgery(remade(made).encode(), REFUSED)


def other_version(rng: random.Random, w: World) -> Forgery:
    """A page that says what it likes, said to be made by another release: never verified in full."""
    payload = copy.deepcopy(w.payload)
    kind = rng.randrange(3)
    if kind == 0:
        payload["page"]["template"] = f"{rng.randrange(16**8):08x}" * 8
        html = page(payload)
    elif kind == 1:
        payload["page"]["cells"]["impact"][0] = rng.choice(TEXTS)
        html = page(payload)
    else:
        payload["readout"]["versions"]["xpbench"] = rng.choice(("0.0.9", "1.2.3", "999.0.0"))
        digest = v.sha256(v.canonical(payload["readout"]))

        def change(i: int, body: dict[str, Any]) -> dict[str, Any]:
            return {**body, "readout_digest": digest} if "readout_digest" in body else body

        rest = with_story(payload, rehashed(payload["ledger"]["lines"], change))
        rest["page"]["cells"]["impact"][0] = rng.choice(TEXTS)
        html = page(rest)
    if rng.random() < 0.5:
        start, _ = body_of(html)
        html = resealed(html[:start] + f"<p>{rng.choice(TEXTS)}</p>" + html[start:])
    return Forgery(html.encode(), frozenset((1, 2, 4)))


def copied_signature(rng: random.Random, w: World) -> Forgery | None:
    """A signature over the results in a ledger that was rebuilt with another decision."""
    if w.signed is None:
        return None
    payload = copy.deepcopy(w.signed)

    def change(i: int, body: dict[str, Any]) -> dict[str, Any]:
        if "because" in body:
            body["because"] = f"Because of {rng.randrange(10**6)}."
        return body

    made = with_story(payload, rehashed(payload["ledger"]["lines"], change))
    return Forgery(remade(made).encode(), REFUSED)


def other_experiment(rng: random.Random, w: World) -> Forgery:
    """A whole memo, but of another experiment: only what is at hand can tell."""
    return Forgery(w.other_html.encode(), frozenset((0,)), with_ledger=REFUSED)


def other_version_touched(rng: random.Random, w: World) -> Forgery:
    """A page of “another version” with rewritten line ends or a banner: neither was the rest of it compared."""
    made = other_version(rng, w)
    text = made.data.decode()
    text = _gap(rng, text, rng.choice(PLAIN).format(t="External")) if rng.random() < 0.5 else text.replace("\n", "\r\n")
    return Forgery(text.encode(), made.allowed)


def truncated(rng: random.Random, w: World) -> Forgery:
    """A download that broke off."""
    data = w.html.encode()
    return Forgery(data[: rng.randrange(1, len(data) - 20)], REFUSED)


def combined(rng: random.Random, w: World) -> Forgery | None:
    """Two of the others, one on top of the other."""
    first = rng.choice((payload_value, payload_bytes, seal, edit_text, edit_markup, insert_inside, chain_broken))(rng, w)
    if first is None or 0 in first.allowed:
        return None
    try:
        html = first.data.decode()
        body_of(html)
        second = rng.choice((edit_text, insert_inside, banner, hostile_around, edit_markup))
        made = second(rng, replace(w, html=html))
    except (ValueError, IndexError, AttributeError):
        return first
    return Forgery(made.data, first.allowed)


FORGERIES: dict[str, tuple[int, Callable[[random.Random, World], Forgery | None]]] = {
    "a text of the page": (14, edit_text),
    "markup, style or policy of the page": (10, edit_markup),
    "text or markup put into the page": (8, insert_inside),
    "markup around the page that runs, covers or hides": (8, hostile_around),
    "a banner around the page": (5, banner),
    "line ends and the like": (4, line_ends),
    "data and page at once": (8, polyglot),
    "a value of the payload, page and seal made anew": (14, payload_value),
    "the payload's bytes": (4, payload_bytes),
    "the seal": (4, seal),
    "lines of the ledger": (4, chain_broken),
    "a ledger rebuilt whole": (3, chain_rebuilt),
    "looks, with a ledger rebuilt to fit": (3, looks_swapped),
    "an estimate, with a ledger rebuilt to fit": (4, numbers_with_rebuilt_chain),
    "a page of “another version”": (5, other_version),
    "a signature copied into a rebuilt ledger": (1, copied_signature),
    "another experiment's memo": (1, other_experiment),
    "a broken download": (2, truncated),
    "what follows from the data, with a ledger rebuilt to fit": (8, readout_refitted),
    "the rule of the plan, with a ledger rebuilt to fit": (2, rule_rewritten),
    "words of health checks and of the horizon, with a ledger rebuilt to fit": (6, health_said),
    "health checks that follow from counts, with a ledger rebuilt to fit": (4, health_counted),
    "an archive": (4, archive),
    "the true memo beside another ledger": (2, ledger_swapped),
    "a page of “another version”, touched": (2, other_version_touched),
    "two of these at once": (8, combined),
}
"""How often each is tried, and how it is made."""


def verdicts(payload: dict[str, Any], folder: Path, alone: Any) -> set[int]:
    """Exit codes of the package and of the one file on the page of a payload."""
    path = folder / "memo.html"
    path.write_text(remade(payload), encoding="utf-8", newline="")
    return {verify(path).exit_code, alone.verify(path, renderer=alone.PAGE).exit_code}


def one_file(folder: Path) -> Any:
    """The module of the verifier as one file, with the drawing that it carries."""
    path = folder / "verify.py"
    path.write_text(single_file(), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("one_file_verifier", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["one_file_verifier"] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Bench:
    """What a process that forges has: the experiments, the one file, a folder for forgeries, a repository for reviews."""

    world: World
    alone: Any
    box: Path
    repository: Path


def prepared(folder: Path) -> Bench:
    """Make all of it once; processes that are forked from here share it, each with folders of its own (`at_home`)."""
    w = world(folder)
    return at_home(Bench(w, one_file(folder), folder, folder), folder / "first")


def at_home(bench: Bench, home: Path) -> Bench:
    """The same with a folder and a repository of its own."""
    (home / "forged").mkdir(parents=True)
    return replace(bench, box=home / "forged", repository=_repository(home, bench.world))


def batch(bench: Bench, count: int, seed: str, *, reviewed: int = REVIEWED, until: float = math.inf) -> dict[str, Any]:
    """Forge so often, or until then, and ask every surface; each miss is listed with what was said."""
    from xpbench.lab.verdicts import verify_memo

    w, alone, rng = bench.world, bench.alone, random.Random(seed)
    tried, verdicts, missed = Counter[str](), {name: Counter[str]() for name in FORGERIES}, list[str]()
    asked: Counter[str] = Counter()
    names, weights = list(FORGERIES), [weight for weight, _ in FORGERIES.values()]
    while sum(tried.values()) < count and time.monotonic() < until:
        name = rng.choices(names, weights)[0]
        try:
            made = FORGERIES[name][1](rng, w)
        except Exception:  # noqa: BLE001, S112 - no page can be made of it: nothing to be fooled by
            continue
        if made is None:
            continue
        tried[name] += 1
        path = bench.box / made.name
        path.write_bytes(made.data)
        said = {"package": verify(path).exit_code, "one file": alone.verify(path, renderer=alone.PAGE).exit_code}
        if sum(tried.values()) % 10 == 0:
            said["lab"] = verify_memo(path)["exit_code"]
        for surface, code in said.items():
            asked[surface] += 1
            if code not in made.allowed:
                missed.append(f"{name}, {surface}: exit {code}")
        verdicts[name][str(said["package"])] += 1
        if said["one file"] != said["package"]:
            missed.append(f"{name}: package {said['package']}, one file {said['one file']}")
        if made.with_ledger is not None:
            for surface, check in (("package", verify), ("one file", alone.verify)):
                asked["with the ledger at hand"] += 1
                code = check(
                    path, ledger=made.ledger or w.ledger, **({} if check is verify else {"renderer": alone.PAGE})
                ).exit_code
                if code not in made.with_ledger:
                    missed.append(f"{name}, {surface} with the ledger: exit {code}")
        if sum(tried.values()) % reviewed == 0 and made.name == "memo.html" and made.ledger is None:
            asked["review"] += 1
            accepted = _reviewed(bench.repository, made.data)
            honest = said["package"] == 0 and (made.with_ledger is None or 0 in made.with_ledger)
            if accepted and not honest:
                missed.append(f"{name}, review: accepted")
        path.unlink()
    return {
        "tried": dict(tried),
        "verdicts": {name: dict(codes) for name, codes in verdicts.items()},
        "asked": dict(asked),
        "missed": [f"{m} (batch {seed})" for m in missed],
    }


BATCH = 100
"""Forgeries of one batch; a batch has a seed of its own, so that the number of processes changes nothing."""
_BENCH: list[Bench] = []
"""Of a worker; set before it is forked, and again when it has folders of its own."""


def _begin(folder: Path) -> None:
    import gc

    gc.disable()  # a verification makes many small objects and no cycles; it is collected after each batch
    _BENCH[0] = at_home(_BENCH[0], folder / f"worker-{os.getpid()}")


def _batch(job: tuple[int, str, int, float]) -> dict[str, Any]:
    import gc

    count, seed, reviewed, until = job
    made = batch(_BENCH[0], count, seed, reviewed=reviewed, until=until)
    gc.collect()
    return made


def run(
    count: int, seed: int = 1, *, folder: Path, reviewed: int = REVIEWED, seconds: float = math.inf, jobs: int = 1
) -> dict[str, Any]:
    """Forge so often, or so long, in batches, and ask every surface.

    Args:
        count: Forgeries.
        seed: Of the run; each batch draws from it.
        folder: To work in.
        reviewed: Every so many forgeries of a batch one is reviewed.
        seconds: Stop after so long.
        jobs: Processes, forked from one that has prepared all; 1 works in this one.
    """
    until = time.monotonic() + seconds
    sizes = [min(BATCH, count - done) for done in range(0, count, BATCH)]
    work = [(size, f"{seed}.{i}", reviewed, until) for i, size in enumerate(sizes)]
    bench = prepared(folder)
    if jobs == 1:
        parts = [batch(bench, size, name, reviewed=reviewed, until=until) for size, name, _, _ in work]
    else:
        _BENCH[:] = [bench]
        with multiprocessing.get_context("fork").Pool(jobs, _begin, (folder,)) as pool:
            parts = list(pool.imap_unordered(_batch, work))
    return summed(parts)


def summed(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """One result of several."""
    tried, asked = Counter[str](), Counter[str]()
    verdicts: dict[str, Counter[str]] = {}
    for part in parts:
        tried.update(part["tried"])
        asked.update(part["asked"])
        for name, codes in part["verdicts"].items():
            verdicts.setdefault(name, Counter()).update(codes)
    return {
        "cases": sum(tried.values()),
        "tried": dict(tried),
        "verdicts": {name: dict(codes) for name, codes in verdicts.items()},
        "asked": dict(asked),
        "missed": [m for part in parts for m in part["missed"]],
    }


def _repository(folder: Path, w: World) -> Path:
    import shutil

    root = folder / "repository"
    home = root / "experiments" / w.ledger.parent.name
    shutil.copytree(w.ledger.parent, home)
    (home / "memo.html").write_text(w.html, encoding="utf-8", newline="")
    git = ["git", "-C", str(root), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run([*git, "add", "-A"], check=True, capture_output=True)
    subprocess.run([*git, "commit", "-qm", "x"], check=True, capture_output=True)
    return root


def _reviewed(repository: Path, data: bytes) -> bool:
    from xpbench.commands.review import review

    (memo,) = (repository / "experiments").glob("*/memo.html")
    before = memo.read_bytes()
    memo.write_bytes(data)
    found = review(folder=repository)
    memo.write_bytes(before)
    return all(f.state == "accepted" for f in found)


_JOINED = "python -m benchmarks.forger --seed SEED --count COUNT --piece FILE, joined by --join"


def joined(pieces: list[dict[str, Any]]) -> dict[str, Any]:
    """One result of pieces that ran under different seeds; each seed counts once."""
    seeds = [p["seed"] for p in pieces]
    if len(set(seeds)) != len(seeds):
        raise ValueError(f"A seed appears twice ({seeds}): the same forgeries would count twice.")
    return {
        **summed(pieces),
        "seconds": sum(piece["seconds"] for piece in pieces),
        "pieces": [{k: piece[k] for k in ("seed", "cases", "commit", "seconds")} for piece in pieces],
    }


def main() -> int:
    """Run the bench, and write what came out beside the other results."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one for each core)")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long, with fewer")
    parser.add_argument("--dry", action="store_true", help="write no result file")
    parser.add_argument("--piece", type=Path, metavar="FILE", help="write this run to FILE, as one piece of a longer one")
    parser.add_argument("--join", type=Path, nargs="+", metavar="FILE", help="run nothing: join pieces to one result")
    args = parser.parse_args()
    if args.join:
        write("forger", joined([json.loads(p.read_text("utf-8")) for p in args.join]), command=_JOINED, quiet=True)
        return 0
    began = time.time()
    with tempfile.TemporaryDirectory() as folder:
        result = run(args.count, args.seed, folder=Path(folder), seconds=60 * args.minutes, jobs=args.jobs)
    result["seconds"] = round(time.time() - began)
    if args.piece:
        result = {"seed": args.seed, "count": args.count, "commit": commit(), **result}
        args.piece.write_text(json.dumps(result, ensure_ascii=False), "utf-8")
    elif not args.dry:
        limit = f" --minutes {args.minutes:g}" if math.isfinite(args.minutes) else ""
        command = f"python -m benchmarks.forger --count {args.count} --seed {args.seed}{limit}"
        write("forger", result, command=command, quiet=True)
    sys.stdout.write(f"{result['cases']:,} forgeries, {len(result['missed'])} misses in {result['seconds']} s\n")
    sys.stdout.write("".join(f"  {m}\n" for m in result["missed"][:40]))
    return 1 if result["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
