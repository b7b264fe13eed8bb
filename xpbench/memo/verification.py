"""`xp.verify`: the verifier, with what only this package can add handed in.

The verifier itself imports nothing of the package. What it can't do alone is here: draw the page again (its cells and pictures
are made by `cells`), derive the ledger's part of the payload by the package's own code, check signatures and time stamps, run
the engine.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpbench import verifier
from xpbench.verifier import Notes, Report, canonical, loads
from xpbench.verifier.numbers import near, span_of
from xpbench.verifier.page import Renderer
from xpbench.verifier.report import J
from xpbench.verifier.signed import signature_verdict

if TYPE_CHECKING:
    from xpbench.ledger.entry import Entry

TEMPLATES = Path(__file__).with_name("pages")


@cache
def renderer() -> Renderer:
    """How this release makes a page of a payload, with the templates of earlier releases."""
    import hashlib

    from xpbench._version import __version__
    from xpbench.memo.cells import made, wordings

    files = [Path(__file__).with_name("page.html.j2"), *sorted(TEMPLATES.glob("*.html.j2"))]
    texts = [file.read_text(encoding="utf-8") for file in files]
    known = {hashlib.sha256(text.encode()).hexdigest(): text for text in texts}
    return Renderer(__version__, made, wordings, known)


def verify(
    path: str | Path,
    *,
    key: str | None = None,
    ledger: str | Path | None = None,
    witness: str | None = None,
    full: bool = False,
    stamp: str | Path | None = None,
    tsa_ca: str | Path | None = None,
) -> Report:
    """What recomputing everything in a memo shows; raises nothing for a bad memo.

    Args:
        path: A memo (`.html`), or its payload (`.json`).
        key: Experiment that it should be of.
        ledger: The experiment's ledger file today, which must begin with the entries that the memo carries; the `ledger.jsonl`
            in the memo's own folder where it is left out and the folder is that of an experiment.
        witness: `length:digest` noted elsewhere, which the memo's ledger must contain.
        full: Run the installed engine as well, over every row; it runs without being asked where the second implementation
            leaves numbers to it.
        stamp: An RFC 3161 answer over the bytes of the file, as `xpbench ledger stamp --memo` writes it.
        tsa_ca: Certificates (PEM) of the authority, for this stamp and for those in the ledger.
    """
    beside = Path(path).parent / "ledger.jsonl"
    if ledger is None and beside.is_file() and beside.with_name("plan.json").is_file():
        ledger = beside

    def letters(payload: Mapping[str, Any]) -> dict[str, Any]:
        # loaded for a letter alone: a memo is checked without the model of plans
        from xpbench.memo.letter import letter_page

        return letter_page(payload)

    def further(notes: Notes, payload: J) -> None:
        _check_derived(notes, payload)
        check_signed(notes, path, payload, stamp=stamp, tsa_ca=tsa_ca)

    return verifier.verify(
        path,
        key=key,
        ledger=ledger,
        witness=witness,
        renderer=renderer(),
        further=further,
        engine=lambda notes, payload: run_engine(notes, payload) if full or notes.for_engine else None,
        letters=letters,
    )


def _check_derived(notes: Notes, payload: J) -> None:
    """What the payload says of the ledger is what the package derives from its lines."""
    from xpbench.ledger.ledger import verify_lines
    from xpbench.memo.ledger_part import story

    entries = verify_lines([line.encode() for line in payload["ledger"]["lines"]])
    derived = story(payload["readout"], entries)
    for name, value in derived.items():
        if payload["schema"] == 1 and name == "sign_offs":
            continue  # without keys then; the verifier's own copy compares the rest
        if canonical(json.loads(json.dumps(value))) != canonical(payload[name]):
            notes.differs(
                f"{name}, from the ledger, by the package", canonical(json.loads(json.dumps(value))), canonical(payload[name])
            )


def check_signed(notes: Notes, path: str | Path, payload: J, *, stamp: str | Path | None, tsa_ca: str | Path | None) -> None:
    """Signatures of sign-offs, and time stamps in the ledger or next to the memo: what needs cryptography.

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
    from xpbench.ledger import stamp as stamps
    from xpbench.ledger.ledger import verify_lines

    entries = verify_lines([line.encode() for line in payload["ledger"]["lines"]])
    for entry in entries:
        given = entry.body.get("signature") if entry.kind == "signed_off" else None
        if isinstance(given, Mapping):
            _check_signature(notes, entry, given)
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


def _check_signature(notes: Notes, entry: Entry, given: Mapping[str, Any]) -> None:
    """One signature: whether it fits, by which key, and what it covers and does not."""
    from xpbench.ledger import signature

    name = str(entry.body.get("name", ""))
    text = signature.message_of(entry.body)
    verdict: str = signature.check(given, text)
    if verdict == "can't be checked here":  # without cryptography or ssh-keygen
        verdict = signature_verdict(given, text)
    told = f"signature of {name} ({given['kind']}, key {signature.fingerprint(given) or 'unreadable'})"
    if verdict == "invalid":
        notes.differs(f"sign-off of {name}", "a signature that fits", "one that does not")
    elif verdict != "valid":
        notes.left.append(f"the signature of {name}")
        notes.not_checked.append(f"the {told}: it can't be checked here")
    elif "head" not in entry.body:
        notes.checked.append(f"{told} over the plan and the name alone: it covers neither ledger nor results")
    else:
        upto = str(entry.body["head"]).partition(":")[0]
        decision = entry.body.get("decision")
        what = (
            f"the decision of entry {decision['seq']}, its readout and its data"
            if isinstance(decision, Mapping)
            else "not the results, which came later"
        )
        notes.checked.append(f"{told} over the plan and the ledger up to entry {upto}; {what}")


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


def run_engine(notes: Notes, payload: J) -> None:
    """Compare with what the installed engine makes of the moments."""
    from xpbench.memo.full_check import rerun

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
    looks = theirs["looks"]
    if looks and looks[-1].get("findings"):
        for metric, variants in ours["findings"].items():
            for variant, found in variants.items():
                other = looks[-1]["findings"].get(metric, {}).get(variant, {})
                for name, value in found.items():
                    if not near(value, other.get(name), 1e-3):
                        notes.differs(f"engine, this look, {metric} for {variant}, {name}", value, other.get(name))
    notes.not_checked[:] = [n for n in notes.not_checked if "they need the engine" not in n]
    notes.for_engine.clear()
    notes.checked.append("all rows computed again by the engine")
