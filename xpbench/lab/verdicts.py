"""What *Verify* says of a document: a memo checked with its own evidence, a plan against the ledger next to it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Literal

from xpbench.errors import BrokenLedger, ChangedPlan, InputError, XpbenchError, plain
from xpbench.experiment import read_entries
from xpbench.ledger.folder import LEDGER, PLAN
from xpbench.plan import check
from xpbench.plan.reading import read_document

VerdictKind = Literal["memo", "plan"]
_MEMO = re.compile(r"(?:.*[.-])?memo\.(?:html|json)\Z", re.IGNORECASE)
_PLAN = re.compile(r"(?:.*\.)?plan\.(?:json|toml)\Z", re.IGNORECASE)


def kind_of(name: str) -> VerdictKind:
    """What a file is by its name.

    Raises:
        InputError: `XPB-J02`, neither a memo nor a plan.
    """
    if _MEMO.match(name):
        return "memo"
    if _PLAN.match(name):
        return "plan"
    raise InputError("XPB-J02", path=name)


def verify_memo(path: Path) -> dict[str, Any]:
    """The verdict on a memo, with status and depth as `xpbench verify` has them; `lines` say what differs."""
    from xpbench.memo.verification import verify

    report = verify(path)
    document = report.to_dict()
    lines = [f"{d['part']}: expected {d['expected']}, found {d['found']}" for d in document["differences"]]
    return {
        "kind": "memo",
        **{name: document[name] for name in ("status", "depth", "verdict", "sign", "exit_code")},
        "reason": document["reason"],
        "key": document["key"],
        "headline": document["headline"],
        "lines": lines,
        "checked": document["checked"],
        "not_checked": document["not_checked"],
        "unproven": document["unproven"],
    }


def verify_plan(path: Path) -> dict[str, Any]:
    """The verdict on a plan: verified (as registered), differs, draft (with its problems), or unreadable."""
    base: dict[str, Any] = {"kind": "plan", "key": "", "headline": "", "lines": [], "checked": [], "not_checked": []}
    base |= {"depth": "", "verdict": "", "sign": "", "unproven": []}
    try:
        document = read_document(path)
    except (XpbenchError, OSError) as error:
        return base | {"status": "unreadable", "reason": str(error)}
    base["key"] = str(document.get("key") or "")
    if path.name == PLAN and (path.parent / LEDGER).is_file():
        try:
            entries = read_entries(path.parent)
        except (ChangedPlan, BrokenLedger) as error:
            return base | {"status": "differs", "reason": str(error)}
        except (XpbenchError, OSError) as error:
            return base | {"status": "unreadable", "reason": str(error)}
        frozen = next(e for e in reversed(entries) if e.kind in ("registered", "amended"))
        how = "registered" if frozen.kind == "registered" else "amended"
        return base | {
            "status": "verified",
            "reason": f"This is the plan as {how} on {frozen.at[:10]}, digest {frozen.body['plan_digest'][:12]}.",
            "checked": [f"the ledger's chain of {len(entries)} entries", "every field against the plan on record"],
        }
    problems = [str(p) for p in check(document)]
    if problems:
        return base | {"status": "draft", "reason": f"A draft with {len(problems)} problems.", "lines": problems}
    return base | {"status": "draft", "reason": "A draft without problems; it can be registered."}


def verify_document(path: Path, *, name: str | None = None) -> dict[str, Any]:
    """The verdict on a memo or a plan, by its name.

    Raises:
        InputError: `XPB-J02`, neither a memo nor a plan; `XPB-I01`, no such file.
    """
    shown = name or path.name
    kind = kind_of(shown)
    if not path.is_file():
        raise InputError("XPB-I01", path=plain(shown))
    verdict = verify_memo(path) if kind == "memo" else verify_plan(path)
    here = f"{path.parent}{os.sep}"  # a reader is told nothing of the server's disk
    return verdict | {
        "reason": verdict["reason"].replace(here, ""),
        "lines": [line.replace(here, "") for line in verdict["lines"]],
    }
