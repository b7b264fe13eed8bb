"""The frozen decision memo: built from a readout and the ledger, saved as one file that proves itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from xpbench.canonical import canonical_bytes, digest_bytes, whole
from xpbench.decide.readout import Readout
from xpbench.decide.rule import rule_rows
from xpbench.errors import MemoError, plain
from xpbench.files import write_atomic
from xpbench.ledger.entry import START, Entry, Witness
from xpbench.ledger.knowledge import knowledge
from xpbench.plan import Plan
from xpbench.shows import Shows

SCHEMA = 1
"""Schema of the payload that this release writes."""


@dataclass(frozen=True)
class Memo(Shows):
    """A frozen memo.

    Attributes:
        payload: Everything it shows and proves, as a JSON value.
    """

    payload: Mapping[str, Any] = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of the payload's canonical bytes: what the ledger records."""
        return digest_bytes(canonical_bytes(dict(self.payload)))

    @cached_property
    def html(self) -> str:
        """The page."""
        from xpbench.memo.render import page

        return page(self.payload)

    @property
    def witness(self) -> Witness:
        """Length and head of the ledger that the memo has seen."""
        return Witness.from_dict(self.payload["ledger"]["witness"])

    def to_dict(self) -> dict[str, Any]:
        """The payload."""
        return dict(self.payload)

    def save(self, path: str | Path) -> Path:
        """Write the memo, in the format that the name's ending asks for.

        `.html` is the frozen memo; `.interactive.html` the same page with tables that sort, without evidence; `.json` the
        payload; `.md` the first page for pull requests; `.pdf` printed by Chromium; `.zip` an RO-Crate with all evidence.

        The file is replaced whole or not at all.

        Raises:
            MemoError: `XPB-O02`, another ending; `XPB-O03`, no Chromium for a PDF.
            InputError: `XPB-I06`, the file can't be written.
        """
        target = Path(path)
        ending = ".interactive.html" if target.name.lower().endswith(".interactive.html") else target.suffix.lower()
        match ending:
            case ".interactive.html":
                from xpbench.memo.interactive import interactive

                data = interactive(self.html).encode()
            case ".zip":
                from xpbench.memo.crate import crate

                data = crate(self.payload, self.html)
            case ".html" | ".htm":
                data = self.html.encode()
            case ".json":
                data = canonical_bytes(dict(self.payload)) + b"\n"
            case ".md":
                from xpbench.memo.markdown import markdown

                data = markdown(self.payload).encode()
            case ".pdf":
                from xpbench.memo.pdf import pdf

                data = pdf(self.html)
            case other:
                raise MemoError("XPB-O02", ending=other or "no ending", hint=plain("Use .html, .json, .md, .pdf, .zip"))
        write_atomic(target, data)
        return target

    def _repr_html_(self) -> str:
        from html import escape

        from xpbench.memo.content import content

        c = content(self.payload)
        return (
            f"<section aria-label='Decision memo'><p><strong>{escape(c['decision']['headline'])}</strong> · "
            f"{escape(c['title'])}</p>"
            f"<p>{escape(c['impact'][0])} {escape(c['impact'][1])}</p></section>"
        )

    def __repr__(self) -> str:
        return f"Memo({self.payload['readout']['key']}, {self.digest[:12]})"


def build(
    plan: Plan,
    readout: Readout,
    entries: Sequence[Entry],
    *,
    decision: Entry | None = None,
    seeds: Mapping[str, int | str] | None = None,
) -> Memo:
    """The memo of a readout and the ledger as it stands.

    Everything that is not in the readout comes from the ledger: registration, amendments with what was known, sign-offs,
    waivers and the decision. No clock is read.

    Args:
        plan: The plan in force.
        readout: Opened or peeked, of this plan.
        entries: All entries of the experiment's ledger, verified.
        decision: The entry of the decision in force; the last one in `entries` where it is missing.
        seeds: Seeds of methods that draw, by name.

    Raises:
        MemoError: `XPB-O01`, the readout is sealed, or the ledger does not begin with the registration of this experiment.
    """
    data = readout.to_dict()
    if data["sealed"]:
        raise MemoError("XPB-O01", reason=plain("the results are sealed"))
    if data["plan_digest"] != plan.digest:
        raise MemoError("XPB-O01", reason=plain("the readout was made under another plan"))
    if not any(e.kind == "registered" for e in entries):
        raise MemoError("XPB-O01", reason=plain("the ledger has no registration"))
    payload = {
        "schema": SCHEMA,
        "kind": "xpbench memo",
        "readout": data,
        "rule": [r.to_dict() for r in rule_rows(plan.decision)],
        "seeds": dict(seeds or {}),
        **story(data, entries, decision=decision),
    }
    return Memo(_plain_json(payload))


def story(readout: Mapping[str, Any], entries: Sequence[Entry], *, decision: Entry | None = None) -> dict[str, Any]:
    """The parts of a payload that follow from the ledger alone (and from who was asked to sign).

    Args:
        readout: As a dictionary; its plan and its recommendation are read.
        entries: Verified, with a registration.
        decision: The entry of the decision in force; the last one where it is missing.
    """
    first = next(e for e in entries if e.kind == "registered")
    return {
        "registered": {"at": first.at, "by": first.by or "", "plan_digest": str(first.body["plan_digest"])},
        "amendments": _amendments(entries),
        "waivers": [{"at": e.at, "by": e.by or "", "what": _words(e.body)} for e in entries if e.kind == "waived"],
        "sign_offs": _sign_offs(readout["plan"], entries),
        "decision": _decision(decision or _last_decision(entries), readout["recommendation"]),
        "ledger": {
            "lines": [e.line.decode("utf-8") for e in entries],
            "entries": [
                {
                    "seq": e.seq,
                    "at": e.at,
                    "kind": e.kind,
                    "by": e.by or "",
                    "digest": e.digest,
                    "set_back_seconds": e.set_back_seconds,
                }
                for e in entries
            ],
            "witness": Witness(len(entries), entries[-1].digest if entries else START).to_dict(),
        },
    }


def _plain_json(value: Any) -> Any:
    """The value as it will be after a round trip through canonical JSON, so that page and verification see the same."""
    return json.loads(canonical_bytes(value), parse_int=whole)


def _amendments(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    out = []
    for i, entry in enumerate(entries):
        if entry.kind != "amended":
            continue
        changes = entry.body.get("changes", [])
        out.append(
            {
                "at": entry.at,
                "by": entry.by or "",
                "reason": str(entry.body.get("reason", "")),
                "knowledge": knowledge(entries[:i]),
                "changes": [str(c.get("pointer", c)) if isinstance(c, Mapping) else str(c) for c in changes],
                "seq": entry.seq,
            }
        )
    return out


def _sign_offs(plan: Mapping[str, Any], entries: Sequence[Entry]) -> list[dict[str, Any]]:
    signed = [
        {
            "name": str(e.by or e.body.get("name", "")),
            "at": e.at,
            "plan_digest": str(e.body.get("plan_digest", "")),
            "needed_for": str(e.body.get("for", "")),
            "role": str(e.body.get("role", "")),
            "signature": str((e.body.get("signature") or {}).get("kind", ""))
            if isinstance(e.body.get("signature"), Mapping)
            else "",
        }
        for e in entries
        if e.kind == "signed_off"
    ]
    names = {s["name"] for s in signed}
    for person in plan.get("sign_offs", []):
        match = next((s for s in signed if s["name"] == person["name"]), None)
        if match is None:
            signed.append(
                {
                    "name": person["name"],
                    "at": "",
                    "plan_digest": "",
                    "needed_for": person.get("needed_for", ""),
                    "role": person.get("role") or "",
                    "signature": "",
                }
            )
        elif person["name"] in names:
            match["role"] = match["role"] or person.get("role") or ""
            match["needed_for"] = match["needed_for"] or person.get("needed_for", "")
    return signed


def _last_decision(entries: Sequence[Entry]) -> Entry | None:
    return next((e for e in reversed(entries) if e.kind in ("decided", "deferred")), None)


def _decision(last: Entry | None, recommendation: Mapping[str, Any]) -> dict[str, Any] | None:
    if last is None:
        return None
    outcome = str(last.body.get("outcome", "defer")) if last.kind == "decided" else "defer"
    variant = str(last.body.get("variant") or "")
    return {
        "outcome": outcome,
        "variant": variant,
        "because": str(last.body.get("because") or last.body.get("reason") or ""),
        "by": last.by or "",
        "at": last.at,
        "seq": last.seq,
        "follows_rule": (outcome, variant) == (recommendation["outcome"], recommendation["variant"]),
    }


def _words(body: Mapping[str, Any]) -> str:
    return "; ".join(f"{k}: {v}" for k, v in body.items() if isinstance(v, (str, int, float)))
