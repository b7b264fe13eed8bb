"""Seed finder: try hundreds of salts on the real ids and take the best balanced one, by a rule on record."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from xpbench.canonical import digest
from xpbench.errors import AssignError, plain, shown
from xpbench.plan import Plan
from xpbench.randomiser.assigning import subject_of, unit_key
from xpbench.randomiser.findings import jsonable
from xpbench.randomiser.flag import Flag
from xpbench.randomiser.hashing import Words, fnv_buckets, fnv_states, sha256_texts
from xpbench.randomiser.html import paragraph, table
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.plan_randomiser import Randomiser, flag_with_salt, with_salt
from xpbench.randomiser.preflight.balance import history_columns
from xpbench.randomiser.single import prefix
from xpbench.shows import Shows

Floats = NDArray[np.float64]

RULE = (
    "Smallest score wins; ties go to the first salt tried. The score of a salt is the largest absolute z over all variants and "
    "checks: for counts z = (units − planned) / sqrt(n p (1 − p)), for each metric of history z = (mean of the variant − mean "
    "of all) / (sd of all · sqrt((1 − p) / (n p))). Outcomes of the experiment take no part; the finder is run before launch."
)
"""The selection rule, as it is recorded."""


class Recorder(Protocol):
    """A ledger."""

    def append(self, kind: str, body: Mapping[str, Any], *, by: str | None = None) -> Any:
        """Add an entry."""
        ...


@dataclass(frozen=True, slots=True)
class SeedCandidate:
    """One salt.

    Attributes:
        salt: Salt (native hash) or hash_salt (Mixpanel's).
        score: Largest absolute z; see `RULE`.
        worst: The check with that z: `units` or a metric, and the variant.
        units: Units by variant.
    """

    salt: str
    score: float
    worst: str
    units: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: jsonable(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class SeedSearch(Shows):
    """Outcome of a search.

    Attributes:
        subject: The plan or flag with the best salt.
        key: Its key.
        best: The winner.
        current: The salt in use before, judged by the same rule.
        tried: Salts tried.
        runners_up: The next best.
        scores: Score of every salt tried, in order.
        checks: What was balanced: `units` and the metrics of history.
        rule: The selection rule in words.
        seed: Text from which the salts were made, so that the search can be repeated.
    """

    rows_of_frame: ClassVar[str] = "runners_up"

    subject: Plan | Flag
    key: str
    best: SeedCandidate
    current: SeedCandidate
    tried: int
    runners_up: tuple[SeedCandidate, ...]
    scores: tuple[float, ...]
    checks: tuple[str, ...]
    rule: str
    seed: str

    def to_dict(self) -> dict[str, Any]:
        """What is recorded: the rule, the number of salts, the winner and the salt before."""
        return {
            "key": self.key,
            "best": self.best.to_dict(),
            "current": self.current.to_dict(),
            "tried": self.tried,
            "runners_up": [c.to_dict() for c in self.runners_up],
            "checks": list(self.checks),
            "rule": self.rule,
            "seed": self.seed,
            "median_score": float(np.median(self.scores)),
        }

    def record(self, ledger: Recorder, *, by: str | None = None) -> Any:
        """Write the search into a ledger, as an entry of kind `preflight`; returns the entry."""
        return ledger.append("preflight", {"seed_search": self.to_dict()}, by=by)

    def __repr__(self) -> str:
        return f"SeedSearch({shown(self.key)}, best of {self.tried}: {shown(self.best.salt)}, score {self.best.score:.3f})"

    def _repr_html_(self) -> str:
        rows = [["current", self.current.salt, self.current.score, self.current.worst]]
        rows += [["best", self.best.salt, self.best.score, self.best.worst]]
        rows += [["next", c.salt, c.score, c.worst] for c in self.runners_up]
        return paragraph(f"Best of {self.tried} salts for {shown(self.key)}. {self.rule}") + table(
            ["", "salt", "largest |z|", "where"], rows
        )


def find_salt(
    subject: Any,
    unit_ids: Any,
    history: Any = None,
    *,
    salts: int | Sequence[str] = 500,
    ledger: Recorder | None = None,
    by: str | None = None,
) -> SeedSearch:
    """The salt whose split and history are best balanced on these ids.

    With Mixpanel's hash the ids are hashed once for all salts; with the native hash each salt hashes them anew, because SHA-256
    has the salt before the id. Rollout shares, layers and rules are left aside: all ids take part.

    Args:
        subject: Plan, flag, or opened experiment. A registered plan keeps its salt: search before registering.
        unit_ids: Ids in any container; each unit once.
        history: Metrics from before the experiment: a frame with the id column and numeric columns, one row per unit.
        salts: How many to make from the subject's key, or the salts to try.
        ledger: Where the search is recorded.
        by: Who searches.

    Raises:
        AssignError: `XPB-A20`, no salt to try or fewer than 10 ids.
    """
    chosen = subject_of(subject)
    ids = UnitIds(unit_ids)
    listed = _made(chosen, salts) if isinstance(salts, int) else list(dict.fromkeys(salts))
    present = ~ids.array.is_null().to_numpy().astype(bool)
    if not listed or present.sum() < 10:
        raise AssignError(
            "XPB-A20",
            name=plain("Number of salts" if not listed else "Number of ids"),
            value=len(listed) if not listed else int(present.sum()),
            rule=plain("The finder needs at least one salt and ten ids"),
            remedy=plain("Give more"),
        )
    if isinstance(chosen, Flag) or Randomiser(chosen).is_mixpanel:
        for block in ids.blocks():
            if block.falsy is not None:
                present[block.start : block.start + len(block)] &= ~block.falsy
    columns = {} if history is None else history_columns(history, ids, unit_key(chosen))
    judge = _Judge.of(chosen, columns, present)
    used = _salt_of(chosen)
    draw = _Draw(chosen, ids)
    current = judge.candidate(used or "", draw.codes(used))
    candidates = [judge.candidate(salt, draw.codes(salt)) for salt in listed]
    order = sorted(range(len(candidates)), key=lambda i: (candidates[i].score, i))
    best = candidates[order[0]]
    search = SeedSearch(
        with_salt(chosen, best.salt) if isinstance(chosen, Plan) else flag_with_salt(chosen, best.salt),
        chosen.key,
        best,
        current,
        len(listed),
        tuple(candidates[i] for i in order[1:4]),
        tuple(c.score for c in candidates),
        ("units", *columns),
        RULE,
        chosen.key if isinstance(salts, int) else "",
    )
    if ledger is not None:
        search.record(ledger, by=by)
    return search


def _salt_of(subject: Plan | Flag) -> str | None:
    if isinstance(subject, Flag):
        return subject.hash_salt
    made = Randomiser(subject)
    return made.assignment.hash_salt if made.is_mixpanel else made.salt


def _made(subject: Plan | Flag, count: int) -> list[str]:
    """Salts of 32 hexadecimal characters (Mixpanel's length) that follow from the key."""
    if isinstance(subject, Plan) and not Randomiser(subject).is_mixpanel:
        return [f"{subject.key[:47]}-{digest([subject.key, i])[:16]}" for i in range(count)]
    return [digest([subject.key, i])[:32] for i in range(count)]


class _Draw:
    """Variant codes of all ids under any salt; what does not depend on the salt is done once."""

    def __init__(self, subject: Plan | Flag, ids: UnitIds) -> None:
        self.subject, self.ids = subject, ids
        made = None if isinstance(subject, Flag) else Randomiser(subject)
        self.flag: Flag | None = subject if isinstance(subject, Flag) else None
        self.order: NDArray[np.int16] | None = None
        if made is not None and made.is_mixpanel:
            self.flag = made.flag
            self.order = np.array([made.keys.index(k) for k in made.flag.keys], np.int16)
        self.limits = np.array(made.thresholds(), np.uint64) if made is not None and self.flag is None else None
        self.texts: list[list[bytes]] = []
        self.states: Words | None = None
        if self.flag is not None:
            self.states = np.concatenate([fnv_states(b) for b in ids.blocks()]) if len(ids) else np.empty(0, np.uint64)
            self.table = self.flag.bucket_table()

    def codes(self, salt: str | None) -> NDArray[np.int16]:
        """Position of the variant of each id."""
        if self.flag is not None and self.states is not None:
            drawn = fnv_buckets(self.states, flag_with_salt(self.flag, salt).variant_salt)
            codes = np.maximum(self.table, 0)[drawn]
            return codes if self.order is None else self.order[codes]
        assert self.limits is not None  # noqa: S101
        out = np.empty(len(self.ids), np.int16)
        before = prefix("variant", salt or "")
        if not self.texts:
            self.texts = [block.texts() for block in self.ids.blocks()]
        start = 0
        for texts in self.texts:
            numbers = sha256_texts(texts, before)
            out[start : start + len(texts)] = np.searchsorted(self.limits, numbers, side="right")
            start += len(texts)
        return out


@dataclass(frozen=True)
class _Judge:
    keys: tuple[str, ...]
    planned: Floats
    present: NDArray[np.bool_]
    columns: Mapping[str, tuple[Floats, float, float, NDArray[np.bool_]]]
    """Centred values (0 where missing), mean, sd, and where a value is there."""

    @classmethod
    def of(cls, subject: Plan | Flag, columns: Mapping[str, Floats], present: NDArray[np.bool_]) -> _Judge:
        if isinstance(subject, Flag):
            keys, planned = subject.keys, np.array(list(subject.bucket_shares().values()))
        else:
            made = Randomiser(subject)
            keys, planned = made.keys, np.array([float(s) for s in made.splits()])
        kept: dict[str, tuple[Floats, float, float, NDArray[np.bool_]]] = {}
        for name, values in columns.items():
            there = np.isfinite(values) & present
            if there.sum() < 2:
                continue
            mean, sd = float(values[there].mean()), float(values[there].std(ddof=1))
            if sd > 0:
                kept[name] = (np.where(there, values - mean, 0.0), mean, sd, there)
        return cls(keys, planned, present, kept)

    def candidate(self, salt: str, codes: NDArray[np.int16]) -> SeedCandidate:
        k = len(self.keys)
        counts = np.bincount(codes[self.present], minlength=k).astype(np.float64)
        worst, score = "units", 0.0
        on = (self.planned > 0) & (self.planned < 1)
        n = float(self.present.sum())
        z = np.zeros(k)
        z[on] = (counts[on] - n * self.planned[on]) / np.sqrt(n * self.planned[on] * (1 - self.planned[on]))
        at = int(np.abs(z).argmax())
        score, worst = float(abs(z[at])), f"units of {self.keys[at]}"
        for name, (centred, _, sd, there) in self.columns.items():
            sums = np.bincount(codes, weights=centred, minlength=k)
            here = np.bincount(codes[there], minlength=k).astype(np.float64) if not there.all() else counts
            z = np.zeros(k)
            good = on & (here > 0)
            z[good] = sums[good] / here[good] / (sd * np.sqrt((1 - self.planned[good]) / here[good]))
            at = int(np.abs(z).argmax())
            if abs(z[at]) > score:
                score, worst = float(abs(z[at])), f"{name} of {self.keys[at]}"
        if (counts[on] == 0).any():
            score = math.inf
        return SeedCandidate(salt, score, worst, {key: int(c) for key, c in zip(self.keys, counts, strict=True)})
