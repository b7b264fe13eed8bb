"""What the installed package adds: the page rendered again, signatures, time stamps, the engine."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from xpbench.verifier.file import parts_of, read
from xpbench.verifier.numbers import near, span_of
from xpbench.verifier.page import parsed_page
from xpbench.verifier.report import J, Notes
from xpbench.verifier.text import canonical, loads


def _first_difference(a: Sequence[str], b: Sequence[str]) -> tuple[str, str]:
    for x, y in zip(a, b, strict=False):
        if x != y:
            i = next((i for i, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), min(len(x), len(y)))
            return x[max(0, i - 40) : i + 60], y[max(0, i - 40) : i + 60]
    return f"{len(a)} pieces", f"{len(b)} pieces"


def check_rendering(notes: Notes, payload: J, document: str) -> None:
    """The same version of the package renders the same bytes."""
    try:
        from xpbench._version import __version__
        from xpbench.memo.render import page as render
    except ImportError:
        notes.not_checked.append("the page was not rendered again: the package is not installed here")
        return
    made_by = payload["readout"]["versions"]["xpbench"]
    if made_by != __version__:
        notes.not_checked.append(f"the page was not rendered again: it was made by version {made_by}, this is {__version__}")
        return
    _check_derived(notes, payload)
    expected = render(payload)
    if expected == document:
        notes.depth = "in full"
        notes.checked.append("page and charts rendered again, the same bytes")
        return
    ours, theirs = parsed_page(expected), parsed_page(document)
    if ours.text != theirs.text:
        notes.differs("page text", *_first_difference(ours.text, theirs.text))
        return
    charts = [re.findall(r"<svg.*?</svg>", text, re.DOTALL) for text in (expected, document)]
    part = "chart" if charts[0] != charts[1] else "page markup"
    left, right = charts if part == "chart" else ([expected], [document])
    notes.differs(part, *_first_difference(left, right))


def _check_derived(notes: Notes, payload: J) -> None:
    """What the payload says of the ledger is what the package derives from its lines."""
    from xpbench.ledger.ledger import verify_lines
    from xpbench.memo.ledger_part import story

    entries = verify_lines([line.encode() for line in payload["ledger"]["lines"]])
    derived = story(payload["readout"], entries)
    for name, value in derived.items():
        if canonical(json.loads(json.dumps(value))) != canonical(payload[name]):
            notes.differs(f"{name}, from the ledger", canonical(json.loads(json.dumps(value))), canonical(payload[name]))


def check_signed(notes: Notes, path: str | Path, payload: J, *, stamp: str | Path | None, tsa_ca: str | Path | None) -> None:
    """Signatures of sign-offs, and time stamps in the ledger or beside the memo: what needs cryptography.

    Args:
        notes: Where to note what is found.
        path: The memo's file.
        payload: Its payload; the chain holds.
        stamp: An RFC 3161 answer over the bytes of the file.
        tsa_ca: Certificates (PEM) of the authority.
    """
    kinds = [entry["kind"] for entry in map(loads, payload["ledger"]["lines"])]
    if "signed_off" not in kinds and "stamped" not in kinds and stamp is None:
        return
    try:
        from xpbench.ledger import signature
        from xpbench.ledger import stamp as stamps
        from xpbench.ledger.ledger import verify_lines
    except ImportError:
        notes.not_checked.append("signatures and time stamps: the package is not installed here")
        return
    entries = verify_lines([line.encode() for line in payload["ledger"]["lines"]])
    for entry in entries:
        given = entry.body.get("signature") if entry.kind == "signed_off" else None
        if given is not None:
            name = str(entry.body.get("name", ""))
            verdict = signature.check(given, signature.message(str(entry.body.get("plan_digest", "")), name))
            if verdict == "invalid":
                notes.differs(f"sign-off of {name}", "a signature that fits", "one that does not")
            elif verdict == "valid":
                notes.checked.append(f"signature of {name} ({given['kind']})")
            else:
                notes.not_checked.append(f"the signature of {name} can't be checked here")
    try:
        roots = stamps.certificates(tsa_ca) if tsa_ca is not None else []
    except Exception as error:  # noqa: BLE001 - a file from anyone
        notes.differs("certificates", "certificates of an authority", str(error))
        return
    for found in stamps.check_entries(entries, key=payload["readout"]["key"], roots=roots):
        if found.verdict == "invalid":
            notes.differs(f"time stamp of entry {found.seq}", "a stamp that holds", found.reason)
        elif found.verdict == "valid" and found.stamp is not None:
            notes.checked.append(f"time stamp of entry {found.seq}: {found.stamp.at} by {found.stamp.authority}")
        else:
            notes.not_checked.append(f"the time stamp of entry {found.seq}: {found.reason}")
    if stamp is not None:
        _check_own_stamp(notes, path, stamp, roots)


def _check_own_stamp(notes: Notes, path: str | Path, stamp: str | Path, roots: Sequence[J]) -> None:
    from xpbench.ledger import stamp as stamps

    try:
        answer = Path(stamp).read_bytes()
    except OSError as error:
        notes.differs("time stamp", "an answer of an authority", f"the file can't be read: {error.strerror or error}")
        return
    verdict, reason = stamps.check(answer, Path(path).read_bytes(), roots=roots)
    if verdict == "valid":
        found = stamps.read(answer)
        notes.checked.append(f"time stamp of the file: {found.at} by {found.authority}")
    elif verdict == "invalid":
        notes.differs("time stamp", "a stamp over this very file", reason)
    else:
        notes.not_checked.append(f"the time stamp: {reason}")


def run_engine(path: str | Path, notes: Notes) -> None:
    """Compare with what the installed engine makes of the moments."""
    try:
        from xpbench.memo.full_check import rerun
    except ImportError:
        notes.not_checked.append("--full needs the package")
        return
    payload = loads(parts_of(read(path)[0])[0])
    theirs = payload["readout"]
    ours = rerun(payload)
    for mine, other in zip(ours["rows"], theirs["rows"], strict=True):
        where = f"{other['metric']} for {other['variant']}"
        if canonical(mine["sensitivity"]) != canonical(other["sensitivity"]):
            notes.differs(f"engine, {where}, sensitivity", mine["sensitivity"], other["sensitivity"])
        for name, value in mine.items():
            if name != "sensitivity" and not near(value, other.get(name), span_of(other, "ci_low", "ci_high")):
                notes.differs(f"engine, {where}, {name}", value, other.get(name))
    notes.same("engine, outcome", ours["outcome"], theirs["recommendation"]["outcome"])
    for part in ("novelty", "interactions"):
        if part not in theirs:
            continue  # made before these tests existed
        notes.same(f"engine, {part}, tests", len(ours[part]), len(theirs[part]))
        for mine, other in zip(ours[part], theirs[part], strict=False):
            where = f"engine, {part}, {other.get('metric')} for {other.get('variant')}"
            for name, value in mine.items():
                plain_number = isinstance(value, (int, float)) and not isinstance(value, bool)
                same = near(value, other.get(name), 0.0) if plain_number else canonical(value) == canonical(other.get(name))
                if not same:
                    notes.differs(f"{where}, {name}", value, other.get(name))
    notes.not_checked[:] = [n for n in notes.not_checked if "--full" not in n]
    notes.checked.append("all rows computed again by the engine")
