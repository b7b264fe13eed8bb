"""The flags of a definitions file, by key."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xpbench.canonical import strict_loads
from xpbench.errors import AssignError, InputError, nearest, plain, shown
from xpbench.randomiser.definitions import read_flag
from xpbench.randomiser.flag import Evaluation, Flag
from xpbench.randomiser.html import table

LARGEST_FILE = 256 * 1024 * 1024


class AssignWarning(UserWarning):
    """Something was counted or left out while assigning; the text says how many."""


class UnknownFlag(AssignError, KeyError):
    """A flag was asked for that the definitions do not have."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True, slots=True)
class RefusedFlag:
    """A flag that could not be used, and why."""

    position: int
    key: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {"position": self.position, "key": self.key, "reason": self.reason}

    def __str__(self) -> str:
        return str(AssignError("XPB-A11", value=self.key or f"number {self.position}", reason=plain(self.reason)))


class Flags(Mapping[str, Flag]):
    """Flags by key; what could not be read is in `.problems`, what is odd in `.warnings`.

    Args:
        flags: The flags that can be used.
        problems: The ones that can't.
        warnings: Sentences about the file as a whole.
    """

    def __init__(
        self, flags: Mapping[str, Flag], *, problems: Sequence[RefusedFlag] = (), warnings: Sequence[str] = ()
    ) -> None:
        self._flags = dict(flags)
        self.problems = tuple(problems)
        self.warnings = (*warnings, *(f"{shown(f.key)}: {w}" for f in self._flags.values() for w in f.warnings))

    def __getitem__(self, key: str) -> Flag:
        try:
            return self._flags[key]
        except KeyError:
            raise UnknownFlag("XPB-A09", value=key, hint=plain(nearest(key, self._flags))) from None

    def __contains__(self, key: object) -> bool:
        return key in self._flags

    def __iter__(self) -> Iterator[str]:
        return iter(self._flags)

    def __len__(self) -> int:
        return len(self._flags)

    def evaluate(self, key: str, context: Mapping[str, Any]) -> Evaluation:
        """The variant of one flag for one context; `FLAG_NOT_FOUND` where there is no such flag."""
        flag = self._flags.get(key)
        return flag.evaluate(context) if flag else Evaluation(None, "FLAG_NOT_FOUND")

    def to_dict(self) -> dict[str, Any]:
        """Definitions, problems and warnings."""
        return {
            "flags": [f.to_dict() for f in self._flags.values()],
            "problems": [p.to_dict() for p in self.problems],
            "warnings": list(self.warnings),
        }

    def __repr__(self) -> str:
        return f"Flags({len(self._flags)} flags, {len(self.problems)} refused, {len(self.warnings)} warnings)"

    def _repr_html_(self) -> str:
        rows = [
            [f.key, f.context, ", ".join(f.keys), len(f.rollouts), "yes" if f.hash_salt is not None else "no", f.status]
            for f in self._flags.values()
        ]
        out = table(["flag", "hashes", "variants", "groups", "hash_salt", "status"], rows, caption="Flags")
        if self.problems:
            out += table(["flag", "refused because"], [[p.key, p.reason] for p in self.problems], caption="Refused")
        if self.warnings:
            out += table(["warning"], [[w] for w in self.warnings], caption="Warnings")
        return out


def load_flags(source: Any) -> Flags:
    """The flags of a definitions file, by key; a bad flag is refused alone and counted.

    Args:
        source: Path of a JSON file; or what such a file holds: the answer of the definitions endpoint
            (`{"flags": [...]}`), of the management API (`{"status": "ok", "results": ...}`), or a list of flags.

    Raises:
        InputError: `XPB-I01` to `XPB-I03`, the file can't be read.
        AssignError: `XPB-A10`, it holds no flag definitions.

    Warns:
        AssignWarning: flags were refused, or the same key stands twice.
    """
    payload = _payload(source) if isinstance(source, (str, Path)) else source
    managed = isinstance(payload, Mapping) and "results" in payload
    if isinstance(payload, Mapping):
        if payload.get("status") == "error":
            raise AssignError("XPB-A10", reason=plain("the API answered with an error"))
        listed = payload.get("results", payload.get("flags"))
        if isinstance(listed, Mapping):
            listed = list(listed.values()) if all(isinstance(v, Mapping) for v in listed.values()) else [listed]
    else:
        listed = payload
    if not isinstance(listed, Sequence) or isinstance(listed, (str, bytes)):
        raise AssignError("XPB-A10", reason=plain("there is no list of flags in it"))
    flags: dict[str, Flag] = {}
    problems: list[RefusedFlag] = []
    notes: list[str] = []
    for position, definition in enumerate(listed):
        try:
            flag = read_flag(definition, managed=managed)
        except ValueError as error:
            key = definition.get("key", "") if isinstance(definition, Mapping) else ""
            problems.append(RefusedFlag(position, key if isinstance(key, str) else "", str(error)))
            continue
        if flag.key in flags:
            notes.append(f"{shown(flag.key)} is defined twice; the later definition counts, as in the SDK")
        flags[flag.key] = flag
    if problems:
        names = ", ".join(shown(p.key or f"number {p.position}") for p in problems[:5])
        notes.insert(0, f"{len(problems)} of {len(listed)} flags were refused: {names}; see .problems")
    for note in notes:
        warnings.warn(note, AssignWarning, stacklevel=2)
    return Flags(flags, problems=problems, warnings=notes)


def _payload(path: str | Path) -> Any:
    file = Path(path)
    if not file.is_file():
        raise InputError("XPB-I01", path=str(path))
    size = file.stat().st_size
    if size > LARGEST_FILE:
        raise InputError("XPB-I03", path=str(path), size=size, limit=LARGEST_FILE)
    try:
        return strict_loads(file.read_bytes(), max_nodes=20_000_000)
    except (ValueError, OSError, RecursionError) as error:
        raise InputError("XPB-I02", path=str(path), kind="JSON", reason=plain(shown(str(error))[1:-1])) from None
