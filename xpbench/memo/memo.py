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
from xpbench.ledger.entry import Entry, Witness
from xpbench.memo.ledger_part import story
from xpbench.plan import Plan
from xpbench.shows import Shows

SCHEMA = 2
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

    def sentences(self, audience: str = "director") -> tuple[str, ...]:
        """The result in two to five sentences, from frozen numbers, for one kind of reader.

        Args:
            audience: `director`, `team`, `cv` or `chat`.

        Raises:
            InputError: `XPB-I04`, another audience.
        """
        from xpbench.errors import InputError, nearest
        from xpbench.memo.content.brief import VOICES, sentences

        if audience not in VOICES:
            raise InputError(
                "XPB-I04",
                name="audience",
                value=audience,
                rule=plain("A brief is for one kind of reader"),
                remedy=plain(nearest(audience, VOICES)),
            )
        kept = self.payload.get("page", {}).get("cells", {}).get("brief")
        return tuple(kept[audience] if kept else sentences(self.payload, audience))

    def save(self, path: str | Path) -> Path:
        """Write the memo, in the format that the name's ending asks for.

        `.html` is the frozen memo; `.interactive.html` the same page with tables that sort, without evidence; `.json` the
        payload; `.md` the first page for pull requests and chats; `.png` the first page as a picture;
        `.pdf` printed by Chromium; `.zip` an RO-Crate with all evidence.

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
            case ".png":
                from xpbench.memo.picture import png

                data = png(self.payload)
            case ".pdf":
                from xpbench.memo.pdf import pdf

                data = pdf(self.html)
            case other:
                raise MemoError("XPB-O02", ending=other or "no ending", hint=plain("Use .html, .png, .json, .md, .pdf, .zip"))
        write_atomic(target, data)
        return target

    def _repr_html_(self) -> str:
        from xpbench.memo.content import content
        from xpbench.outward import html as escape

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
    """The memo of a readout and the ledger as it is.

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
        "rule": [r.to_dict() for r in rule_rows(plan.decision, methods=readout.methods)],
        "seeds": dict(seeds or {}),
        **story(data, entries, decision=decision),
    }
    from xpbench.memo.render import page_part

    plain_payload = _plain_json(payload)
    return Memo({**plain_payload, "page": _plain_json(page_part(plain_payload))})


def _plain_json(value: Any) -> Any:
    """The value as it will be after a round trip through canonical JSON, so that page and verification see the same."""
    return json.loads(canonical_bytes(value), parse_int=whole)
