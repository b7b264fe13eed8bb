"""Hand-off: everything that a codeless CMS or CDP needs to show the variants that the hash gives, in one folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.canonical import digest_bytes
from xpbench.errors import AssignError, shown
from xpbench.files import write_atomic
from xpbench.randomiser.assigning import subject_of
from xpbench.randomiser.handoff.audience import AudienceForm, Audiences, Formulas, write_audiences
from xpbench.randomiser.handoff.javascript import javascript
from xpbench.randomiser.handoff.responsibilities import ResponsibilitySheet, responsibility_sheet
from xpbench.randomiser.handoff.sql import ENGINES, EXECUTED, Engine, sql
from xpbench.randomiser.html import paragraph, table
from xpbench.randomiser.plan_randomiser import Sticky
from xpbench.shows import Shows

__all__ = ["Handoff", "handoff", "javascript", "responsibility_sheet", "sql", "write_audiences"]


@dataclass(frozen=True, slots=True)
class Handoff(Shows):
    """What was written into the folder.

    Attributes:
        folder: Where.
        subject: Key of the plan or flag.
        files: SHA-256 by file name.
        audiences: The audience lists, or None where no ids were given.
        left_out: Engines without a snippet, and why.
        sheet: The responsibility sheet.
    """

    folder: Path
    subject: str
    files: Mapping[str, str]
    audiences: Audiences | None
    left_out: Mapping[str, str]
    sheet: ResponsibilitySheet

    def to_dict(self) -> dict[str, Any]:
        """The manifest."""
        return {
            "subject": self.subject,
            "files": dict(self.files),
            "audiences": self.audiences.to_dict() if self.audiences else None,
            "left_out": dict(self.left_out),
        }

    def __repr__(self) -> str:
        return f"Handoff({shown(self.subject)}, {len(self.files)} files)"

    def _repr_html_(self) -> str:
        out = paragraph(f"Hand-off of {shown(self.subject)}") + table(["file", "SHA-256"], self.files.items())
        if self.left_out:
            out += table(["not written", "because"], self.left_out.items())
        return out + self.sheet._repr_html_()


def handoff(
    subject: Any,
    folder: str | Path,
    *,
    unit_ids: Any = None,
    engines: Sequence[Engine] = ENGINES,
    conditions: Mapping[str, str] | None = None,
    max_rows: int = 500_000,
    max_bytes: int = 50_000_000,
    per_variant: bool = False,
    formulas: Formulas = "escape",
    properties: Any = None,
    cohorts: Mapping[str, Any] | None = None,
    store: Sticky | None = None,
    columns: tuple[str, str] | None = None,
    form: AudienceForm = "csv",
    spelling: Callable[[str], str] | None = None,
    buckets: str | None = None,
    before: str | Path | Mapping[str, str] | None = None,
    extras: bool = False,
    bare: bool = False,
) -> Handoff:
    """Write audience lists, JavaScript, SQL and the responsibility sheet into a folder, with a manifest of digests.

    Args:
        subject: Plan, flag, or opened experiment.
        folder: Where the files go; made if missing, files of the same name are replaced.
        unit_ids: Ids for the audience lists; without them there are none.
        engines: SQL dialects; one without the hash is left out and told.
        conditions: SQL conditions for rollout groups with a rule or cohort, by group key.
        max_rows: Rows of an audience file at most.
        max_bytes: Bytes of an audience file at most.
        per_variant: A set of audience files for each variant.
        formulas: What happens to ids that a spreadsheet would take for a formula: `escape`, `refuse`, or `keep`.
        properties: Properties for rules, one row per id.
        cohorts: Ids of each cohort that a rollout group of the plan names.
        store: Remembers sticky variants, where the plan has them.
        columns: What the receiving system calls the id and the variant.
        form: `csv` or `jsonl`.
        spelling: From the id that is hashed to the id as the receiving system has it.
        buckets: Name of a column with a number from 0 to 9,999, for systems that target by number.
        before: An earlier hand-off: only what has changed is written.
        extras: Also write ids to look up before launch, the QA list, and the list that undoes the others at the end.
        bare: Lists of ids alone, without a header, one for each variant.

    Raises:
        AssignError: ids that are no ids, or a subject that can't assign.
        InputError: `XPB-I06`, a file could not be written.
    """
    chosen = subject_of(subject)
    target = Path(folder)
    files: dict[str, str] = {}
    left_out: dict[str, str] = {}

    def write(name: str, text: str) -> None:
        data = text.encode()
        write_atomic(target / name, data)
        files[name] = digest_bytes(data)

    audiences: Audiences | None = None
    if unit_ids is not None:
        audiences = write_audiences(
            chosen,
            unit_ids,
            target,
            max_rows=max_rows,
            max_bytes=max_bytes,
            per_variant=per_variant,
            formulas=formulas,
            properties=properties,
            cohorts=cohorts,
            store=store,
            columns=columns,
            form=form,
            spelling=spelling,
            buckets=buckets,
            before=before,
            extras=extras,
            bare=bare,
        )
        files |= {f.path.name: f.sha256 for f in audiences.files}
    write("assign.js", javascript(chosen))
    for engine in engines:
        try:
            note = (
                "" if engine in EXECUTED else f"-- {engine}: written after the manual and never run; try it on ids you know\n"
            )
            write(f"assign.{engine}.sql", note + sql(chosen, engine, conditions=conditions) + "\n")
        except AssignError as error:
            if error.code != "XPB-A18":
                raise
            left_out[f"assign.{engine}.sql"] = error.what
    sheet = responsibility_sheet(chosen)
    write("responsibilities.md", sheet.to_markdown())
    made = Handoff(target, chosen.key, files, audiences, left_out, sheet)
    write_atomic(target / "handoff.json", (json.dumps(made.to_dict(), indent=2, ensure_ascii=False) + "\n").encode())
    return made
