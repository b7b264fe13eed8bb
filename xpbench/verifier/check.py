"""Verify one memo."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from xpbench.verifier.bound import check_bound
from xpbench.verifier.chain import START, chain, check_ledger, check_story
from xpbench.verifier.counted import check_counted
from xpbench.verifier.derived import check_said, check_stamps
from xpbench.verifier.exports import check_archive, memo_in
from xpbench.verifier.file import FIRST, PAGES, PAYLOAD, read, sealed
from xpbench.verifier.first import check_first
from xpbench.verifier.futility import check_futility
from xpbench.verifier.grammar import KINDS
from xpbench.verifier.growth import check_growth
from xpbench.verifier.letter import WATCH_LETTER, LetterPage, check_letter_page
from xpbench.verifier.numbers import check_decision, check_estimates
from xpbench.verifier.over_time import check_over_time
from xpbench.verifier.page import Renderer, check_marks, check_page, parsed_page
from xpbench.verifier.programme import check_programme
from xpbench.verifier.ratio import check_health
from xpbench.verifier.report import MAKER, UNPROVEN, Difference, J, NewerError, Notes, Report, UnreadableError
from xpbench.verifier.said import Traced, trace
from xpbench.verifier.signed import check_signatures
from xpbench.verifier.story import check_told
from xpbench.verifier.text import sha256
from xpbench.verifier.watching import check_watch


def _verify(path: str | Path, notes: Notes, extra: Mapping[str, Any]) -> tuple[str, str, J]:
    data, files = read(path), None
    if data.startswith(b"PK\x03\x04"):
        data, files = memo_in(data)
        if str(path).lower().endswith(PAGES):
            notes.differs("kind of file", "a page, as its name says", "an archive")
        path = Path(path).with_suffix(".html")
    payload, seal_text, document = sealed(path, notes, data)
    if files is not None:
        check_archive(notes, payload, files, data)
    if payload["kind"] != "xpbench memo":
        return _verify_letter(notes, payload, document if seal_text is not None else None, extra)
    readout = payload["readout"]
    key, decision = readout["key"], payload["decision"] or readout["recommendation"]
    headline = f"{decision['outcome']} {decision['variant']}".strip()
    try:
        entries = check_ledger(notes, payload)
        if entries is not None:
            check_story(notes, payload, entries)
            check_bound(notes, payload, entries)
            check_told(notes, payload, entries)
            check_stamps(notes, payload, entries)
            stamps = check_first(notes, payload, entries)
            headline += f" [{', '.join(stamps)}]" if stamps else ""
        newer = dict.fromkeys(e["kind"] for e in entries or () if e["kind"] not in KINDS)
        if newer:
            notes.not_checked.append(f"entries of the ledger that a newer version has written: {', '.join(newer)}")
        check_estimates(notes, readout)
        check_over_time(notes, readout)
        check_health(notes, payload)
        check_futility(notes, readout)
        check_decision(notes, payload)
        renderer = extra.get("renderer")
        version = None if renderer is None else renderer.version
        check_said(notes, payload, version)
        is_own = version is None or readout["versions"].get("xpbench") == version
        if is_own:
            check_counted(notes, readout)
        if entries is not None:
            check_growth(notes, payload, entries, is_own=is_own)
        if seal_text is not None:
            check_marks(notes, payload, parsed_page(document))
        check_page(notes, payload, document if seal_text is not None else None, extra.get("renderer"))
        if entries is not None and extra.get("further") is not None:
            extra["further"](notes, payload)
        elif entries is not None:
            check_signatures(notes, entries)
            if any(e["kind"] == "stamped" for e in entries):
                notes.not_checked.append("time stamps: they need the package (xpbench verify)")
    except NewerError:
        raise
    except Exception as error:  # noqa: BLE001 - a file from anyone: whatever goes wrong in reading it is its own fault
        notes.differs("payload shape", "a whole memo", f"{type(error).__name__}: {error}")
    _check_context(notes, payload, extra)
    return key, headline, payload


def _verify_letter(notes: Notes, payload: J, document: str | None, extra: Mapping[str, Any]) -> tuple[str, str, J]:
    """A letter of the watch or an overview of a programme: its numbers from its evidence, its page from its payload."""
    key, headline = "", ""
    notes.what = "letter" if payload["kind"] == WATCH_LETTER else "overview"
    try:
        if payload["kind"] == WATCH_LETTER:
            key, headline = payload["key"], f"watch of {payload['variant']}: {payload['state']}"
            check_watch(notes, payload)
            if extra.get("key") is not None:
                notes.same("experiment", extra["key"], key)
            if extra.get("ledger") is not None:
                _check_against(notes, {**payload, "readout": {"key": key}}, Path(extra["ledger"]), decisions=False)
        else:
            headline = f"programme of {len(payload['experiments'])} experiments"
            check_programme(notes, payload)
        check_letter_page(notes, payload, document, FIRST, PAYLOAD, extra.get("letters"))
    except NewerError:
        raise
    except Exception as error:  # noqa: BLE001 - a file from anyone: whatever goes wrong in reading it is its own fault
        notes.differs("payload shape", f"a whole {notes.what}", f"{type(error).__name__}: {error}")
    return key, headline, payload


def _check_context(notes: Notes, payload: J, extra: Mapping[str, Any]) -> None:
    """What is outside of the file: an experiment's key, a ledger, a witness."""
    if extra.get("key") is not None:
        notes.same("experiment", extra["key"], payload["readout"]["key"])
    witness = extra.get("witness")
    if witness is not None:
        length, _, digest = str(witness).partition(":")
        lines = payload["ledger"]["lines"]
        place = int(length) if length.isascii() and length.isdigit() and len(length) < 16 else -1
        if place > len(lines):
            notes.differs(
                "witness", f"at least {place} entries", f"{len(lines)}: the memo is older than the witness, or the tail was cut"
            )
        else:
            notes.same("witness", digest, START if place == 0 else sha256(lines[place - 1]) if place > 0 else "no witness")
    ledger = extra.get("ledger")
    if ledger is not None:
        _check_against(notes, payload, Path(ledger))


def _check_since(notes: Notes, later: Sequence[J], length: int) -> None:
    """What the ledger has on record since the memo: a later decision takes its place, anything else is named."""
    decision = next((e for e in reversed(later) if e["kind"] in ("decided", "deferred", "superseded", "restarted")), None)
    if decision is not None:
        body = decision["body"]
        what = f"{body.get('outcome', decision['kind'])} {body.get('variant') or ''}".strip()
        notes.differs(
            "ledger file, later decision",
            "no later decision than the memo's",
            f"entry {decision['seq']} of {decision['at'][:10]}: {what}",
        )
        return
    kinds = [e["kind"] for e in later]
    newer = [kind for kind in dict.fromkeys(kinds) if kind not in KINDS]
    if newer:  # what they say may be just that the decision no longer holds
        notes.not_checked.append(f"what a newer version put on record since the memo: {', '.join(newer)}")
    known = " that this version knows" if newer else ""
    notes.checked.append(
        f"the ledger next to it still begins with the memo's {length} entries and has no later decision{known}"
    )
    if kinds:
        counts = ", ".join(f"{kinds.count(kind)} {kind.replace('_', ' ')}" for kind in dict.fromkeys(kinds))
        notes.checked.append(f"since this memo the ledger has {len(kinds)} more: {counts}")


def _check_against(notes: Notes, payload: J, path: Path, *, decisions: bool = True) -> None:
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        notes.differs("ledger file", "a ledger", f"{type(error).__name__}")
        return
    *lines, rest = text.split("\n")
    known = payload["ledger"]["lines"]
    try:
        linked = list(chain(lines))
        if rest:  # a last entry counts without its line end; what is no entry is a write that was cut short
            try:
                linked, lines = list(chain([*lines, rest])), [*lines, rest]
            except (ValueError, KeyError, TypeError):
                notes.not_checked.append("the last line of the ledger next to it: it is not a whole entry, as after a crash")
    except (ValueError, KeyError, TypeError) as error:
        notes.differs("ledger file", "a whole chain", str(error))
        return
    first = linked[0][0]["body"].get("plan", {}).get("key") if linked else None
    if first != payload["readout"]["key"]:
        notes.differs("ledger file, experiment", payload["readout"]["key"], first or "nothing")
    elif path.name == "ledger.jsonl" and (path.parent / "plan.json").is_file() and path.resolve().parent.name != first:
        notes.differs(
            "ledger file, folder", f"the folder {first}", f"a folder named {path.resolve().parent.name}: a copy of it"
        )
    elif lines[: len(known)] == known:
        if decisions:
            _check_since(notes, [entry for entry, _ in linked[len(known) :]], len(known))
        else:
            notes.checked.append(f"the ledger next to it still begins with the letter's {len(known)} entries")
    elif len(lines) < len(known) and known[: len(lines)] == lines:
        notes.differs("ledger file", f"{len(known)} entries", f"{len(lines)}: its tail was cut")
    else:
        place = next(i for i, (a, b) in enumerate(zip(known, lines, strict=False), 1) if a != b)
        notes.differs("ledger file", "the ledger that the memo saw", f"a fork: entry {place} is another one")


def verify(
    path: str | Path,
    *,
    key: str | None = None,
    ledger: str | Path | None = None,
    witness: str | None = None,
    renderer: Renderer | None = None,
    further: Callable[[Notes, J], None] | None = None,
    engine: Callable[[Notes, J], None] | None = None,
    letters: LetterPage | None = None,
) -> Report:
    """What recomputing everything in a memo shows; raises nothing for a bad memo.

    Args:
        path: A memo (`.html`), or its payload (`.json`).
        key: Experiment that it should be of.
        ledger: The experiment's ledger file today, which must begin with the entries that the memo carries.
        witness: `length:digest` noted elsewhere, which the memo's ledger must contain.
        renderer: How a payload becomes a page; without one the page is not compared.
        further: What else the caller can check of a payload whose chain holds.
        engine: Computes every row again in another way.
        letters: Makes the page of a letter or an overview from its payload.
    """
    notes, where = Notes(), str(path)
    key_found = headline = ""
    try:
        key_found, headline, payload = _verify(
            path,
            notes,
            {"key": key, "ledger": ledger, "witness": witness, "renderer": renderer, "further": further, "letters": letters},
        )
        if engine is not None and payload["kind"] == "xpbench memo":
            engine(notes, payload)
    except UnreadableError as error:
        return Report("unreadable", where, f"{error}.", cause=error.cause)
    except NewerError as error:
        return Report("newer", where, f"{error}. Install a newer xpbench.", cause="newer")
    except (RecursionError, MemoryError):
        return Report("unreadable", where, "The file is built so deep or so large that it can't be read.", cause="too large")
    except Exception as error:  # noqa: BLE001 - as above
        notes.differs("payload", "a whole memo", f"{type(error).__name__}: {error}")
    status, depth, cause, reason = _verdict(notes)
    return Report(
        status,
        where,
        reason,
        tuple(notes.differences),
        tuple(notes.checked),
        tuple(notes.not_checked),
        key_found,
        headline,
        cause,
        depth,
        tuple(line.replace("memo", notes.what) for line in (*UNPROVEN, MAKER)) if status != "differs" else (),
    )


_TOUCHED = {"line ends", "byte order mark", "final newline", "added around the page"}
"""What mail gateways and editors do to a file, and what can be put back."""


_NO_PAGE = {
    True: "Every number in this payload was recalculated and matches. There is no page to compare.",
    False: "What was recalculated matches. Not all of this payload was compared, and there is no page.",
}


def _verdict(notes: Notes) -> tuple[str, str, str, str]:
    """Status, depth, cause and sentence."""
    parts, left = {d.part for d in notes.differences}, [*notes.left, *notes.for_engine]
    if parts - _TOUCHED:
        return "differs", "", *_cause(notes.differences, notes.what)
    if notes.depth == "no page":
        return (
            "verified",
            "no page",
            "no page",
            _NO_PAGE[notes.has_cells and not left],
        )
    if parts and (notes.depth != "in full" or left):
        return (
            "numbers hold",
            "page not compared",
            "page not compared",
            f"What was computed follows from what the {notes.what} carries. Its page was touched, and the rest of it was not "
            "compared: its wording and its marks may be others.",
        )
    if "added around the page" in parts:
        said = next(d.found for d in notes.differences if d.part == "added around the page")
        return (
            "numbers hold",
            "page touched",
            "added text",
            f"The {notes.what} holds, and text was added around it that is not part of it: “{said}”.",
        )
    if parts:
        return (
            "numbers hold",
            "page touched",
            "line ends",
            "Only its line ends, its byte order mark or its last newline were rewritten; all evidence holds once they are put "
            "back.",
        )
    if notes.depth == "in full" and left:
        return (
            "numbers hold",
            "in part",
            "left out",
            f"The page shows what the payload says, and what was computed here holds. Not computed: {'; '.join(left)}.",
        )
    if notes.depth == "in full":
        return "verified", "in full", "", f"Every number was recalculated from the data in this {notes.what}, and matches."
    return (
        "numbers hold",
        "page not compared",
        "page not compared",
        "The payload follows from what it carries. The page was not compared with it: its wording and its marks may be others.",
    )


def _cause(differences: Sequence[Difference], what: str) -> tuple[str, str]:
    """What happened to a memo, in a word or two and in a sentence; the mildest account that explains every difference."""
    parts = {d.part for d in differences}
    first = differences[0]
    outside = {
        *("experiment", "ledger file, experiment", "ledger file", "ledger file, folder", "ledger file, later decision"),
        "witness",
    }
    if not parts <= outside | _TOUCHED:
        count = "1 thing differs" if len(differences) == 1 else f"{len(differences)} things differ"
        return "altered", f"{count}: {first.part}."
    by_part = {d.part: d for d in differences}
    other = by_part.get("experiment") or by_part.get("ledger file, experiment")
    if other is not None:
        return (
            "other experiment",
            f"The {what} is whole, but of another experiment: {other.expected} and {other.found} are not the same.",
        )
    copied = by_part.get("ledger file, folder")
    if copied is not None:
        return (
            "copied folder",
            f"The {what} is whole, but the ledger next to it lies in {copied.found}. Take the ledger in {copied.expected}.",
        )
    later = by_part.get("ledger file, later decision")
    if later is not None:
        return "superseded", f"The {what} is whole, but a later decision is on record: {later.found}."
    beside = by_part.get("ledger file")
    if beside is not None and "fork" in beside.found:
        return "fork", f"The {what} is whole, but the ledger next to it is not the one it saw: {beside.found}."
    if beside is not None:
        cut = "cut" in beside.found
        return (
            "cut ledger" if cut else "other ledger",
            f"The {what} is whole, but the ledger next to it is not: {beside.found}.",
        )
    found = by_part["witness"].found
    return "witness", f"The {what} is whole, but not what the witness saw: {found}."


def trace_memo(text: str, path: str | Path, *, renderer: Renderer | None = None) -> list[Traced]:
    """Each number of a text with the cell of a memo that has it; `verify` says whether the memo itself holds.

    Args:
        text: Sentences in plain text.
        path: The memo.
        renderer: Makes the cells of a memo that carries none.
    """
    payload = sealed(path, Notes())[0]
    page = payload.get("page")
    cells = (
        page.get("cells", {"blocks": page.get("blocks")})
        if page is not None
        else renderer.made(payload)[0]
        if renderer is not None
        else {}
    )
    return trace(text, cells)


def traced_text(found: Sequence[Traced]) -> str:
    """What was found of a text's numbers, line by line."""
    wrong = sum(not t.ok for t in found)
    head = (
        f"{wrong} of {len(found)} numbers of the text are not what the memo says."
        if wrong
        else f"All {len(found)} numbers of the text are the memo's."
        if found
        else "The text has no number."
    )
    return "\n".join([head, *(f"  {'✓' if t.ok else '✕'} {t}" for t in found)])


def main(arguments: Sequence[str] | None = None, *, renderer: Renderer | None = None) -> int:
    """Verify one memo from the command line: `python verify.py MEMO [--json] [--key KEY] …`."""
    parser = argparse.ArgumentParser(prog="verify.py", description="Check a memo with nothing but the memo.")
    parser.add_argument("memo", help="the memo (.html), its payload (.json) or its archive (.zip)")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    parser.add_argument("--key", help="experiment that it should be of")
    parser.add_argument("--ledger", help="the experiment's ledger.jsonl today")
    parser.add_argument("--witness", help="length:digest noted elsewhere")
    parser.add_argument("--text", metavar="FILE", help="also trace every number of this text to a cell of the memo")
    try:
        args = parser.parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    report = verify(args.memo, key=args.key, ledger=args.ledger, witness=args.witness, renderer=renderer)
    value, said, wrong = report.to_dict(), str(report), False
    if args.text and report.holds:
        found = trace_memo(Path(args.text).read_text("utf-8"), args.memo, renderer=renderer)
        value, said = {**value, "text": [t.to_dict() for t in found]}, f"{said}\n{traced_text(found)}"
        wrong = any(not t.ok for t in found)
    text = json.dumps(value, indent=2) if args.json else said
    sys.stdout.buffer.write((text + "\n").encode("utf-8", "replace"))
    return 1 if wrong else report.exit_code
