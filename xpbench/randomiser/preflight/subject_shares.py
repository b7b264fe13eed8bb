"""Plan and flag alike: their variants, and the shares that are planned, forced by the hash, and realised."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xpbench.randomiser.assigning import Subject
from xpbench.randomiser.flag import Flag
from xpbench.randomiser.plan_randomiser import Assigned, Randomiser
from xpbench.randomiser.preflight import predicted
from xpbench.randomiser.preflight.defects import certain_shift, table_shares
from xpbench.randomiser.preflight.report import SplitRow


@dataclass(frozen=True, slots=True)
class SubjectShares:
    """Plan and flag alike: names, planned and forced shares."""

    subject: Subject
    hash: str
    flag: Flag | None
    keys: tuple[str, ...]
    group_keys: tuple[str, ...]

    @classmethod
    def of(cls, subject: Subject) -> SubjectShares:
        """Those of a plan or flag."""
        if isinstance(subject, Flag):
            names = tuple(r.name or str(i) for i, r in enumerate(subject.rollouts))
            return cls(subject, "mixpanel", subject, subject.keys, names)
        made = Randomiser(subject)
        groups = tuple(g.key for g in made.assignment.rollout)
        return cls(subject, made.assignment.hash, made.flag if made.is_mixpanel else None, made.keys, groups)

    def planned(self, group: int) -> NDArray[np.float64]:
        """Share of each variant that the plan or flag names for a rollout group."""
        if isinstance(self.subject, Flag):
            rollout = self.subject.rollouts[group]
            at = self.subject.matching(rollout.override) if rollout.override is not None else None
            if at is not None:
                return _only(at, len(self.keys))
            return np.array([self.subject.split_of(v, rollout) or 0.0 for v in self.subject.variants])
        made = Randomiser(self.subject)
        own = made.assignment.rollout[group]
        if own.variant is not None:
            return _only(self.keys.index(own.variant), len(self.keys))
        return np.array([float(s) for s in made.splits(own)])

    def forced(self, group: int) -> NDArray[np.float64]:
        """Share that the hash would give to unlimited ids."""
        if self.flag is None:
            return self.planned(group)
        rollout = self.flag.rollouts[group]
        at = self.flag.matching(rollout.override) if rollout.override is not None else None
        if at is not None:
            shares = np.eye(len(self.keys))[at]
        elif certain_shift(self.flag, group)[0]:
            shares = predicted.group_shares(self.flag, group)[0]
        else:
            shares = np.array(list(table_shares(self.flag, group)))
        order = [self.flag.keys.index(k) for k in self.keys]
        return np.asarray(shares, dtype=np.float64)[order]

    def rows(self, found: Assigned) -> list[SplitRow]:
        """One row per variant over all groups, then per group where there are several."""
        out: list[SplitRow] = []
        k = len(self.keys)
        planned, forced, total = np.zeros(k), np.zeros(k), np.zeros(k, np.int64)
        per_group: list[SplitRow] = []
        for g in range(len(self.group_keys)):
            here = found.codes[(found.groups == g) & (found.codes >= 0)]
            counts = np.bincount(here, minlength=k)
            n = int(counts.sum())
            p, f = self.planned(g), self.forced(g)
            planned, forced, total = planned + p * n, forced + f * n, total + counts
            per_group += [
                SplitRow(self.group_keys[g], self.keys[i], float(p[i]), float(f[i]), int(counts[i]), _share(counts[i], n))
                for i in range(k)
            ]
        n = int(total.sum())
        if n == 0 and self.group_keys:
            planned, forced = self.planned(0), self.forced(0)
        scale = n or 1
        out += [
            SplitRow("", self.keys[i], float(planned[i] / scale), float(forced[i] / scale), int(total[i]), _share(total[i], n))
            for i in range(k)
        ]
        return out + (per_group if len(self.group_keys) > 1 else [])


def _only(at: int, k: int) -> NDArray[np.float64]:
    out = np.zeros(k)
    out[at] = 1.0
    return out


def _share(count: Any, n: int) -> float:
    return float(count / n) if n else math.nan
