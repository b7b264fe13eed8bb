"""The memo and its evidence as one RO-Crate: a zip that archives describe and index without knowing this package."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from xpbench.canonical import canonical_bytes, digest_bytes
from xpbench.memo.alone import single_file
from xpbench.memo.content import content

STAMP = (1980, 1, 1, 0, 0, 0)
"""Time of every file in the zip: the same memo gives the same bytes."""


def crate(payload: Mapping[str, Any], html: str) -> bytes:
    """A zip with memo, payload, plan, ledger, verifier and `ro-crate-metadata.json` (RO-Crate 1.1).

    Source: RO-Crate Metadata Specification 1.1, root data entity and data entities.
    """
    readout = payload["readout"]
    ledger = "".join(f"{line}\n" for line in payload["ledger"]["lines"]).encode()
    files = {
        "memo.html": (html.encode(), "text/html", "Decision memo that carries its evidence"),
        "payload.json": (
            canonical_bytes(dict(payload)) + b"\n",
            "application/json",
            "Plan, moments, readout, decision, ledger",
        ),
        "plan.json": (canonical_bytes(readout["plan"]) + b"\n", "application/json", "The plan in force"),
        "ledger.jsonl": (ledger, "application/jsonl", "Hash-chained ledger up to the memo"),
        "verify.py": (
            single_file().encode(),
            "text/x-python",
            "Verifier without dependencies: python verify.py memo.html",
        ),
    }
    c = content(payload)
    entities: list[dict[str, Any]] = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"{c['decision']['headline']}: {c['title']}",
            "description": " ".join(c["impact"]),
            "datePublished": readout["at"],
            "license": {"@id": "#license"},
            "author": {"@id": "#owner"},
            "publisher": {"@id": "#owner"},
            "hasPart": [{"@id": name} for name in files],
            "identifier": readout["plan_digest"],
        },
        {"@id": "#owner", "@type": "Organization", "name": c["owner"]},
        {
            "@id": "#license",
            "@type": "CreativeWork",
            "name": "All rights reserved",
            "description": "The owner of the experiment decides who may use these data; ask before passing them on.",
        },
    ]
    entities += [
        {
            "@id": name,
            "@type": "File",
            "name": what,
            "encodingFormat": kind,
            "contentSize": str(len(data)),
            "sha256": digest_bytes(data),
        }
        for name, (data, kind, what) in files.items()
    ]
    terms = {"sha256": "http://schema.org/sha256"}  # younger than the context of 1.1
    metadata = {"@context": ["https://w3id.org/ro/crate/1.1/context", terms], "@graph": entities}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        everything = {"ro-crate-metadata.json": (json.dumps(metadata, ensure_ascii=False, indent=1) + "\n").encode()}
        everything |= {name: data for name, (data, _, _) in files.items()}
        for name, data in everything.items():
            entry = zipfile.ZipInfo(name, STAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return out.getvalue()
