"""`xpbench review`: what a change in git does to plans and registered experiments, for pull requests and commit hooks.

A registry lives in git as files that only grow: ledgers get lines, and everything else follows from them. So a change is
refused when it takes a line away or rewrites one, when plan.json is not what the ledger has, when a chain does not hold, when a
memo does not verify, and when a draft has problems. What is allowed is told: the plan's card, what was registered, amended or
decided.
"""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from xpbench.commands.output import DONE, NO, add_command, answer
from xpbench.errors.wording import place
from xpbench.outward import one_line
from xpbench.wording.verdicts import decided

ReviewState = Literal["refused", "accepted"]
LEDGER, PLAN, MEMO = "ledger.jsonl", "plan.json", "memo.html"
DRAFTS = (".plan.json", ".plan.toml")
REPAIR = "`xpbench ledger repair` gives it its place."


@dataclass
class ReviewFinding:
    """What is said of one file or experiment.

    Attributes:
        path: The file, or the folder of the experiment, from the top of the repository.
        state: Whether the change may stand.
        sentences: What was found, refusals first.
        plan: The plan it is about, where there is one.
    """

    path: str
    state: ReviewState = "accepted"
    sentences: list[str] = field(default_factory=list)
    plan: Mapping[str, Any] | None = None

    def refuse(self, sentence: str) -> None:
        """One more reason why the change may not be merged."""
        self.sentences.insert(sum(s.startswith("▲") for s in self.sentences), f"▲ {sentence}")
        self.state = "refused"

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"path": self.path, "state": self.state, "sentences": list(self.sentences)}


def add_parsers(subparsers: Any) -> None:
    """Add the command about changes in git."""
    review = add_command(
        subparsers,
        "review",
        _review,
        help="check what a change in git does to plans and registered experiments",
        description="Compares the working tree (or, with --staged, what is about to be committed) with a revision: drafts must "
        "have no problem, ledgers may only grow, registered plans may change by `xpbench amend` alone, memos must verify. "
        "Exit 1 where something is refused.",
    )
    review.add_argument("--base", default="HEAD", metavar="REV", help="revision to compare with, such as origin/main (HEAD)")
    review.add_argument("--staged", action="store_true", help="look at what is staged instead of the working tree")
    review.add_argument("--comment", metavar="FILE", help="also write the review as Markdown, for a comment or a step summary")


def _review(args: argparse.Namespace) -> int:
    found = review(args.base, staged=args.staged)
    refused = [f for f in found if f.state == "refused"]
    lines = [f"{'▲' if f.state == 'refused' else '✓'} {f.path}" + "".join(f"\n    {s}" for s in f.sentences) for f in found]
    if args.comment:
        from xpbench.files import write_atomic

        write_atomic(Path(args.comment), markdown(found).encode())
    answer(args, [f.to_dict() for f in found], "\n".join(lines) or "The change touches no plan and no experiment.")
    return NO if refused else DONE


def review(base: str = "HEAD", *, staged: bool = False, folder: Path | None = None) -> list[ReviewFinding]:
    """What changed since a revision, one finding for each draft and each registered experiment.

    Args:
        base: Revision to compare with; compared is where the two histories parted.
        staged: Whether to look at the index instead of the working tree.
        folder: Somewhere in the repository; the current folder if missing.

    Raises:
        InputError: `XPB-I04`, there is no repository here, or no such revision.
    """
    git = _Git(folder or Path.cwd(), staged=staged)
    start = git.start(base)
    changed = git.changed(start)
    homes = {str(PurePosixPath(p).parent) for p in changed if PurePosixPath(p).name in (LEDGER, PLAN, MEMO)}
    homes = {h for h in homes if git.now(f"{h}/{LEDGER}") is not None or git.before(start, f"{h}/{LEDGER}") is not None}
    found = [_experiment(git, start, home) for home in sorted(homes)]
    drafts = [p for p in sorted(changed) if p.endswith(DRAFTS) and str(PurePosixPath(p).parent) not in homes]
    found += [_draft(p, data) for p in drafts if (data := git.now(p)) is not None]
    return found


class _Git:
    """Files of a repository before and now."""

    def __init__(self, folder: Path, *, staged: bool) -> None:
        self._folder = folder
        self._folder = Path(self._run("rev-parse", "--show-toplevel").decode().rstrip("\n"))
        self._staged = staged

    def _run(self, *arguments: str) -> bytes:
        from xpbench.errors import InputError, plain

        try:
            done = subprocess.run(["git", *arguments], cwd=self._folder, input=b"", capture_output=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", b"").decode(errors="replace").strip().splitlines()
            raise InputError(
                "XPB-I04",
                name="git",
                value=" ".join(arguments),
                rule=plain((said[0] if said else str(error)).rstrip(".")),
                remedy=plain("Run it inside a repository, with a --base that exists there (in CI: fetch the whole history)"),
            ) from error
        return done.stdout

    def start(self, base: str) -> str:
        """The commit where HEAD and the base went separate ways."""
        if base == "HEAD" and not self._has_commit():
            return self._run("hash-object", "-t", "tree", "-w", "--stdin").decode().strip()  # before the first commit: nothing
        commit = self._run("rev-parse", "--verify", "--end-of-options", f"{base}^{{commit}}").decode().strip()
        return self._run("merge-base", commit, "HEAD").decode().strip()

    def _has_commit(self) -> bool:
        probe = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
        return subprocess.run(probe, cwd=self._folder, capture_output=True, check=False).returncode == 0

    def changed(self, start: str) -> set[str]:
        """Paths that differ from the start, new files among them."""
        differ = ["diff", "--name-only", "-z", "--no-renames", *(["--cached"] if self._staged else []), start]
        named = self._run(*differ).split(b"\0")
        if not self._staged:
            named += self._run("ls-files", "-z", "--others", "--exclude-standard").split(b"\0")
        return {n.decode(errors="surrogateescape") for n in named if n}

    def before(self, start: str, path: str) -> bytes | None:
        """The file at the start, None where it did not exist."""
        return self._show(f"{start}:{path}")

    def now(self, path: str) -> bytes | None:
        """The file as staged or in the working tree, None where it is gone."""
        if self._staged:
            return self._show(f":{path}")
        file = self._folder / path
        return file.read_bytes() if file.is_file() and not file.is_symlink() else None

    def is_link(self, path: str) -> bool:
        """Whether the file is a link to another place: what it shows is not in this change."""
        return (self._folder / path).is_symlink()

    def ledgers_beginning(self, line: bytes) -> set[str]:
        """Ledgers whose first line is this one: more than one is a copied experiment."""
        listed = ["ls-files", "-z", *([] if self._staged else ["--cached", "--others", "--exclude-standard"])]
        paths = {p.decode(errors="surrogateescape") for p in self._run(*listed, "--", f"*{LEDGER}").split(b"\0") if p}
        return {p for p in paths if (data := self.now(p)) is not None and data.partition(b"\n")[0] == line}

    def _show(self, name: str) -> bytes | None:
        done = subprocess.run(["git", "cat-file", "blob", name], cwd=self._folder, capture_output=True, check=False)
        return done.stdout if done.returncode == 0 else None


def _draft(path: str, data: bytes) -> ReviewFinding:
    """A draft: every problem at once."""
    from xpbench.errors import XpbenchError
    from xpbench.interrupts import temporary_folder
    from xpbench.plan.reading import check, read_document

    found = ReviewFinding(path)
    with temporary_folder() as folder:
        copy = folder / PurePosixPath(path).name
        copy.write_bytes(data)
        try:
            document = read_document(copy)
            problems = check(document)
        except XpbenchError as error:
            found.refuse(str(error).replace(str(copy), path))
            return found
    found.plan = document
    for problem in problems:
        found.refuse(problem.placed)
    if not problems:
        found.sentences.append("Ready to register.")
        found.sentences += _power(document)
    return found


def _power(document: Mapping[str, Any]) -> list[str]:
    """What the plan's own rule can find, and what to do where that is less than planned."""
    from xpbench.plan import Plan

    plan = Plan(**document)
    if not any(m.key in plan.planning.baselines for m in plan.metrics_with("primary")):
        return ["Power unknown: the plan has no baseline of a primary metric."]
    from xpbench.forecast.power import plan_power  # brings scipy, which a plan without baselines need not wait for

    report = plan_power(plan)
    return [f"{'Less power than planned: ' if report.is_low and i == 0 else ''}{s}" for i, s in enumerate(report.sentences)]


def _experiment(git: _Git, start: str, home: str) -> ReviewFinding:
    """A registered experiment: its ledger may only grow, and everything next to it must follow from it."""
    from xpbench.errors import XpbenchError
    from xpbench.experiment import read_entries
    from xpbench.interrupts import temporary_folder

    found = ReviewFinding(home)
    old, new = git.before(start, f"{home}/{LEDGER}"), git.now(f"{home}/{LEDGER}")
    if new is None:
        found.refuse("The ledger is gone. A registered experiment stays on record. Bring the folder back.")
        return found
    if old is not None and not new.startswith(old):
        found.refuse("Lines of the ledger were changed or taken away. A ledger only grows. Take the lines of the base again.")
    plan, memo = git.now(f"{home}/{PLAN}"), git.now(f"{home}/{MEMO}")
    if plan is None:
        found.refuse("plan.json is gone. It belongs next to its ledger. Bring it back.")
        return found
    with temporary_folder() as folder:
        copy = folder / PurePosixPath(home).name
        copy.mkdir()
        for name, data in ((LEDGER, new), (PLAN, plan), (MEMO, memo)):
            if data is not None:
                (copy / name).write_bytes(data)
        try:
            entries = read_entries(copy, strictly=True, by_name=False)
        except XpbenchError as error:
            found.refuse(str(error).replace(str(copy), home))
            return found
        before = sum(1 for line in (old or b"").splitlines() if line.strip())
        found.plan = next(e.body["plan"] for e in reversed(entries) if e.kind in ("registered", "amended"))
        found.sentences += [_told(e.kind, e.body) for e in entries[before:]]
        key = str(found.plan["key"])
        if copy.name != key:
            found.refuse(f"The ledger in this folder is that of “{one_line(key)}”: the folder was copied or renamed. {REPAIR}")
        for twin in git.ledgers_beginning(new.partition(b"\n")[0]) - {f"{home}/{LEDGER}"}:
            found.refuse(f"{one_line(twin)} begins with the same registration: one of the two is a copy. Take it away.")
        if memo is None and git.is_link(f"{home}/{MEMO}"):
            found.refuse("memo.html is a link. A memo is a file: take what it names, or write it again.")
        if memo is not None and (memo != git.before(start, f"{home}/{MEMO}") or new != old):
            _memo(found, copy / MEMO, key)
    return found


def _memo(found: ReviewFinding, path: Path, key: str) -> None:
    """The memo against its own evidence, and against the key and the ledger of the folder that it lies in."""
    from xpbench.memo.verification import verify

    report = verify(path, key=key, ledger=path.with_name(LEDGER))
    if report.exit_code == 0:
        found.sentences.append("The memo verifies.")
    elif report.cause in ("other experiment", "fork", "cut ledger", "other ledger", "superseded"):
        found.refuse(f"{one_line(report.reason)} Write it again with `xpbench memo {key}`.")
    else:
        found.refuse(f"The memo does not verify: {report.verdict}. A memo is written by `xpbench memo` and never edited.")


def _told(kind: str, body: Mapping[str, Any]) -> str:
    """An entry in one sentence; effects stay where they are."""
    if kind == "registered":
        return f"Registered: the plan is frozen with digest {str(body['plan_digest'])[:12]}."
    if kind == "amended":
        fields = ", ".join(one_line(place(str(c.get("pointer") or ""))) for c in body.get("changes", ()))
        known = one_line(body.get("knowledge", ""))
        return f"Amended when the state of knowledge was “{known}”: {fields}. Reason: {one_line(body.get('reason', ''))}"
    if kind == "decided":
        return f"Decided: {one_line(decided(body))}."
    from xpbench.ledger.entry import KINDS

    if kind not in KINDS:
        return f"One more entry of a newer version ({kind}), which says nothing to this one. Install it to see all."
    return f"One more entry: {kind}."


def markdown(found: list[ReviewFinding]) -> str:
    """The review for people: one section each, with the plan's card; everything from files is escaped."""
    from xpbench.outward import markdown as escaped
    from xpbench.views.card import PlanCard

    refused = sum(f.state == "refused" for f in found)
    head = f"{refused} of {len(found)} refused" if refused else f"{len(found)} in order" if found else "no plan is touched"
    out = [f"## Experiments: {head}", ""]
    for one in found:
        out += [f"### {'❌' if one.state == 'refused' else '✅'} {escaped(one.path)}", ""]
        out += [f"- {escaped(s)}" for s in one.sentences]
        out.append("")
        if one.plan is not None:
            card = PlanCard(one.plan).to_dict()
            out += [f"**{escaped(card['headline'])}**", "", escaped(card["sentence"]), "", "| | |", "|---|---|"]
            out += [f"| {escaped(name)} | {escaped(text)} |" for name, text in card["facts"].items()]
            out.append("")
    return "\n".join(out)
