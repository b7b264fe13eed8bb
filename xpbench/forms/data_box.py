"""Your own data in the plan form: a file of the folder or what was given in code, read once in the background."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xpbench.forms.field import MISSING, box, button, html, visible
from xpbench.forms.inputs import SuggestLeaf, TickLeaf
from xpbench.outward import html as escape

if TYPE_CHECKING:
    from xpbench.forecast.drafting import Drafted
    from xpbench.forecast.findings import Findings, FoundName

ENDINGS = (".csv", ".tsv", ".csv.gz", ".xlsx", ".parquet", ".jsonl", ".jsonl.gz", ".ndjson")
MOST_FILES = 60
DEPTH = 2
_SKIPPED = {"node_modules", "__pycache__", "site-packages", "readouts"}


def data_files(folder: str | Path = ".") -> list[str]:
    """Tables and logs in a folder and the two levels below, the newest first; pulled exports as one folder each."""
    found: list[tuple[float, str]] = []
    top = Path(folder)
    for at, folders, names in os.walk(top):
        here = Path(at)
        depth = len(here.relative_to(top).parts)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED and depth < DEPTH)
        if "pull.json" in names:
            found.append(((here / "pull.json").stat().st_mtime, str(here.relative_to(top)) + os.sep))
            folders.clear()
            continue
        for name in names:
            if name.lower().endswith(ENDINGS) and not name.startswith((".", "_")) and name != "ledger.jsonl":
                file = here / name
                try:
                    found.append((file.stat().st_mtime, str(file.relative_to(top))))
                except OSError:
                    continue
        if len(found) > 10 * MOST_FILES:
            break
    return [name for _, name in sorted(found, key=lambda pair: (-pair[0], pair[1]))][:MOST_FILES]


class DataBox:
    """Asks where the data lie, reads them in the background, and shows what they hold.

    Args:
        found: Called in the background with what was drafted.
        failed: Called with an error.

    Attributes:
        widget: What is shown.
        source: What was read last: a path, or what was given in code.
        confirm: Ticked once a person has confirmed the proposals.
    """

    def __init__(self, found: Callable[[Drafted], None], failed: Callable[[BaseException], None]) -> None:
        self._found, self._failed = found, failed
        self._thread: threading.Thread | None = None
        self.source: Any = None
        self._shown = ""
        self.drafted: Drafted | None = None
        self.path = SuggestLeaf(
            "Your data",
            about="A table with a row for each unit, or an event log: CSV, Parquet, JSON Lines, or a folder of a pull.",
        )
        self.path.suggest(data_files())
        self.path.on_change(self._chosen)
        self.again = button("Read it again", self._once_more, "xp-quiet")
        self.status = html("", "xp-reading")
        self.summary = html("")
        self.confirm = TickLeaf("I confirm these proposals", about="They are guesses from the data; change what is wrong.")
        self.proposals = html("")
        self.proposal_box = box([self.proposals, self.confirm.widget], "xp-proposals")
        visible(self.proposal_box, False)
        visible(self.again, False)
        self.widget = box([self.path.widget, self.again, self.status, self.summary], "xp-group")

    @property
    def is_reading(self) -> bool:
        """Whether data are being read."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def needs_confirming(self) -> bool:
        """Whether proposals wait for a person."""
        return self.drafted is not None and bool(self.drafted.proposed) and not self.confirm.get()

    def wait(self, seconds: float = 600.0) -> None:
        """Wait until what was asked for is read; the reading itself never waits."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(seconds)

    def _chosen(self) -> None:
        path = self.path.get()
        if path is not MISSING and str(path).strip() != self._shown:
            self.read(str(path).strip())

    def _once_more(self) -> None:
        path = self.path.get()
        self.read(self.source if path is MISSING or str(path).strip() == self._shown else str(path).strip())

    def read(self, source: Any) -> None:
        """Read a source in the background."""
        if self.is_reading:
            return
        self.source = source
        self._shown = str(source) if isinstance(source, str | Path) else ""
        if self._shown:
            self.path.set(self._shown)  # whoever gives a path in code sees it where another one can be chosen
        self._thread = threading.Thread(target=self._run, args=(source,), daemon=True)
        self._told("Reading …")
        self._thread.start()

    def _run(self, source: Any) -> None:
        from xpbench.forecast.drafting import drafted  # reads data: not needed before someone asks

        try:
            made = drafted(source, progress=lambda stage: self._told(f"{stage} …"))
            self.drafted = made
            self.show(made)
            self._found(made)
            self._told("")
        except Exception as error:  # noqa: BLE001 - a thread has nobody else to tell
            self._told("")
            self._failed(error)
        finally:
            visible(self.again, True)

    def _told(self, text: str) -> None:
        self.status.value = f'<p class="xp-status-busy" role="status">… {escape(text)}</p>' if text else ""

    def show(self, made: Drafted) -> None:
        """Show what was found and proposed."""
        findings = made.findings
        lines = "".join(f"<li>{escape(t)}</li>" for t in made.found if t)
        self.summary.value = (
            f'<p role="status">✓ {escape(findings.sentence)} {escape(findings.pace)}</p>'
            f"<details><summary>What was found, and why the fields are filled so</summary><ul>{lines}</ul>{_table(findings)}"
            f"<p>{escape(made.origin)}</p></details>"
        )
        items = "".join(f"<li>{escape(t)}</li>" for t in made.proposed)
        self.proposals.value = f"<h4>Proposed from the data</h4><ul>{items}</ul>"
        self.confirm.set(False)
        visible(self.proposal_box, bool(made.proposed))


def _table(findings: Findings) -> str:
    rows = "".join(
        f"<tr><td dir=auto>{escape(f.name[:60])}</td><td dir=auto>{escape(f.sentence)}</td></tr>"
        for f in (*findings.columns, *findings.events, *findings.properties)[:60]
    )
    return f'<table class="xp-found"><tbody>{rows}</tbody></table>'


def offers(findings: Findings) -> dict[str, dict[str, str]]:
    """What each kind of field can choose from, with what the data hold of it."""

    def told(found: list[FoundName]) -> dict[str, str]:
        return {f.name: f"In the data: {f.sentence}." for f in found}

    columns, properties = list(findings.columns), list(findings.properties)
    own = [p for p in properties if not p.name.startswith(("$", "mp_"))]
    return {
        "numbers": told([c for c in columns if c.kind in ("number", "flag")]),
        "ids": told([c for c in columns if c.kind in ("text", "number")]) or {"distinct_id": "", "device_id": ""},
        "events": told(list(findings.events)),
        "amounts": told([p for p in properties if p.kind == "number"]),
        "properties": told([*own, *(p for p in properties if p not in own)]),
        "experiments": {
            e.name: f"In the data: {e.units:,} units exposed from {e.first_exposure[:10]} to {e.last_exposure[:10]}, "
            f"{', '.join(e.variants)}."
            for e in findings.experiments
        },
    }
