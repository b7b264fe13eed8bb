"""The inquiry of an audit: why rows of the log have another variant than the hash gives.

The order of the questions, each on the rows that no earlier answer explained: QA lists; labels that were exchanged; splits
added in another order or as 32-bit floats; the id in another form; another id column; another salt; a holdout, layer or rollout
that was passed by; rollout groups in another order; a boundary that moved (split or rollout changed); another algorithm; a unit
that was shown a default before it was assigned; a list that overrides the hash; ids of another type; one library or platform;
another salt that can't be named. A hypothesis that can be recomputed is accepted when it explains at least 95% of the units it
applies to and chance would not. Evidence is counted in units: many rows of one unit are one piece of it. What is read off a
pattern and can't be recomputed has no share explained (NaN).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.special import bdtrc

from xpbench.errors import number_of, shown
from xpbench.plan import Plan
from xpbench.randomiser.assigning import Subject
from xpbench.randomiser.audit.exposure_log import ExposureLog
from xpbench.randomiser.audit.hypotheses import (
    NOT_APPLICABLE,
    Suspect,
    arithmetic,
    natural,
    opened,
    other_algorithms,
    regrouped,
    salted,
    transformed,
    wide_open,
)
from xpbench.randomiser.audit.report import REMEDIES, Cause
from xpbench.randomiser.flag import Flag
from xpbench.randomiser.hashing import fnv_buckets, fnv_states, sha256_block
from xpbench.randomiser.ids import UnitIds
from xpbench.randomiser.plan_randomiser import HOLDOUT, OUTSIDE_LAYER, Randomiser
from xpbench.randomiser.single import SCALE, prefix

EXPLAINS = 0.95
"""Share of the rows it applies to that a hypothesis must explain."""
CHANCE = 1e-3
"""Chance below which an explanation is not a coincidence, after multiplying by the number of hypotheses tried."""
SAMPLE = 240
"""Units on which hypotheses are tried before the rest is looked at."""
REMAP_SAMPLE = 4_000
"""Units on which another rule from number to variant is tried, whether they agree with the plan or not."""
FEW = 8
"""Units below which a pattern is not a pattern."""
MOST_UNRELATED = 0.8
"""Share of units with a variant unrelated to the hash below which the log as a whole is not of another salt."""
WHOLE = 20_000
"""Rows up to which forms of the id are tried on all rows, since one that changes few ids drowns in a sample."""
SEED = 20_260_821

Bools = NDArray[np.bool_]
AuditRows = NDArray[np.int64]


class Inquiry:
    """The questions, in order; each takes the rows that it explains out of those that are left."""

    def __init__(
        self,
        subject: Subject,
        keys: tuple[str, ...],
        log: ExposureLog,
        expected: NDArray[np.int16],
        compared: Bools,
        rows: AuditRows,
        salts: tuple[str, ...],
    ) -> None:
        self.subject, self.keys, self.log, self.expected, self.salts = subject, keys, log, expected, salts
        self.agreeing = compared & (expected == log.logged)
        self.compared = compared
        self.left: AuditRows = rows
        self.found: list[Cause] = []
        self.chance = self._chance()
        self.texts = log.ids.text()
        encoded = pc.dictionary_encode(self.texts)
        whole = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
        whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) else whole
        self.unit_of: AuditRows = pc.fill_null(whole.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)

    def causes(self) -> tuple[Cause, ...]:
        """The causes that were found, the largest first."""
        for question in (
            self._testers,
            self._overrides,
            *((self._other_arithmetic, self._swapped) if self._coarse() else (self._swapped, self._other_arithmetic)),
            self._other_forms,
            self._other_columns,
            self._other_salts,
            self._outside,
            self._other_groups,
            self._moved_boundary,
            self._second_sdk,
            self._late_or_switched,
            self._one_sided,
            self._other_shape,
            self._one_label,
            self._rest,
        ):
            if len(self.left) == 0:
                break
            question()
        merged: dict[tuple[str, str], Cause] = {(c.name, c.detail): c for c in self.found}
        return tuple(sorted(merged.values(), key=lambda c: -c.rows))

    def _chance(self) -> float:
        """How often a variant drawn a second time agrees with the logged one of a disagreeing row, at most."""
        counts = np.bincount(self.log.logged[self.compared], minlength=len(self.keys))
        shares = counts / max(int(counts.sum()), 1)
        return float(min(max(shares.max(), 0.5), 0.999))

    def _text(self, rows: AuditRows) -> list[str | None]:
        taken: list[str | None] = self.texts.take(pa.array(rows)).to_pylist()
        return taken

    def _take(self, hit: Bools, name: str, detail: str, explained: float) -> None:
        rows = self.left[hit]
        self.left = self.left[~hit]
        counts = np.bincount(self.log.logged[rows], minlength=len(self.keys))
        units = self._units(rows)
        self.found.append(
            Cause(
                name,
                detail,
                len(rows),
                units,
                explained,
                {k: int(c) for k, c in zip(self.keys, counts, strict=True)},
                self.log.at(int(rows[0])),
                self.log.at(int(rows[-1])),
                REMEDIES[name],
            )
        )

    def _units(self, rows: AuditRows) -> int:
        """How many units rows are of: the pieces of evidence in them."""
        return len(np.unique(self.unit_of[rows]))

    def _sampled(self, rows: AuditRows) -> AuditRows:
        """One row of each unit, of `SAMPLE` units at most."""
        first = rows[np.sort(np.unique(self.unit_of[rows], return_index=True)[1])]
        if len(first) <= SAMPLE:
            return first
        picked = np.random.default_rng(SEED).choice(len(first), SAMPLE, replace=False)
        return first[np.sort(picked)]

    def _counted(self, suspect: Suspect, rows: AuditRows, applies: Bools, agrees: Bools) -> tuple[int, int]:
        """Pieces of evidence: ids that were hashed if the hypothesis is true, and those all of whose rows agree with it."""
        if not applies.any():
            return 0, 0
        keys = suspect.evidence(self._text(rows[applies])) if suspect.evidence is not None else None
        codes = (
            self.unit_of[rows[applies]]
            if keys is None
            else np.unique(np.array(keys, object).astype(str), return_inverse=True)[1]
        )
        _, place = np.unique(codes, return_inverse=True)
        total = np.bincount(place)
        right = np.bincount(place, weights=agrees[applies])
        return int((right >= total - 0.5).sum()), len(total)

    def _convincing(self, agreed: int, of: int, *, tries: int = 1, floor: float = EXPLAINS) -> bool:
        if of == 0 or agreed / of < floor:
            return False
        return float(bdtrc(agreed - 1, of, self.chance)) * tries < CHANCE

    def _testers(self) -> None:
        if self.log.testers is not None:
            hit = self.log.testers[self.left]
            if hit.any():
                self._take(hit, "override_list", "rows that are marked as QA testers", 1.0)

    def _overrides(self) -> None:
        listed = self.subject.test_users if isinstance(self.subject, Flag) else (self._assignment().overrides)
        if not listed:
            return
        texts = self._text(self.left)
        hit = np.array([t in listed for t in texts], bool)
        if hit.any():
            self._take(hit, "override_list", "units of the override list were not given the variant on it", 1.0)

    def _assignment(self) -> Any:
        assert isinstance(self.subject, Plan)  # noqa: S101
        return Randomiser(self.subject).assignment

    def _try(self, suspects: Iterator[Suspect], *, tries: int, floor: float = EXPLAINS) -> None:
        for suspect in suspects:
            if len(self.left) == 0:
                return
            rows = self._sampled(self.left)
            applies, agrees = self._judge(suspect, rows)
            if not applies.any():
                rows = self.left
                continue
            if not self._convincing(*self._counted(suspect, rows, applies, agrees), tries=tries, floor=floor):
                continue
            whole_applies, whole_agrees = self._judge(suspect, self.left)
            share = float(whole_agrees.sum() / whole_applies.sum())
            if share >= floor:
                self._take(whole_agrees, suspect.name, suspect.detail, share)

    def _judge(self, suspect: Suspect, rows: AuditRows) -> tuple[Bools, Bools]:
        codes = suspect.variants(self._text(rows))
        applies = codes != NOT_APPLICABLE
        return applies, applies & (codes == self.log.logged[rows])

    def _other_forms(self) -> None:
        for suspect in transformed(self.subject):
            if len(self.left) == 0:
                return
            # forms that change few ids (a float here, a space there) must not drown in a sample of all rows
            texts = self._text(self.left if len(self.left) <= WHOLE else self._sampled(self.left))
            rows = self.left if len(self.left) <= WHOLE else self._sampled(self.left)
            codes = suspect.variants(texts)
            applies = codes != NOT_APPLICABLE
            agrees = applies & (codes == self.log.logged[rows])
            if self._convincing(*self._counted(suspect, rows, applies, agrees), tries=200):
                whole_applies, whole_agrees = self._judge(suspect, self.left)
                share = int(whole_agrees.sum()) / max(int(whole_applies.sum()), 1)
                if share >= EXPLAINS:
                    self._take(whole_agrees, suspect.name, suspect.detail, share)

    def _other_columns(self) -> None:
        for name, ids in self.log.others.items():
            if len(self.left) == 0:
                return
            texts: list[str | None] = ids.text().take(pa.array(self.left)).to_pylist()
            own = self._text(self.left)
            differs = np.array([a is not None and a != b for a, b in zip(texts, own, strict=True)], bool)
            if not differs.any():
                continue
            codes = natural(self.subject, texts)
            agrees = differs & (codes == self.log.logged[self.left])
            share = float(agrees.sum() / differs.sum())
            told, evidence = self._units(self.left[agrees]) if agrees.any() else 0, self._units(self.left[differs])
            if share >= EXPLAINS and self._convincing(min(told, evidence), evidence, tries=max(len(self.log.others), 1)):
                self._take(agrees, "id_type_switched", f"the assigner hashed {shown(name)}, the log has another id", share)

    def _other_salts(self) -> None:
        self._try(salted(self.subject, self.salts), tries=20)

    def _second_sdk(self) -> None:
        self._try(other_algorithms(self.subject), tries=1000)

    def _outside(self) -> None:
        """Rows of units that the rollout, the layer or the holdout leaves out."""
        out = self.expected[self.left] < 0
        if not out.any():
            return
        rows = self.left[out]
        codes = natural(wide_open(self.subject), self._text(rows))
        agrees = codes == self.log.logged[rows]
        if self._units(rows) < FEW or not self._convincing(self._units(rows[agrees]) if agrees.any() else 0, self._units(rows)):
            return
        hit = np.zeros(len(self.left), bool)
        hit[np.flatnonzero(out)[agrees]] = True
        share = float(agrees.mean())
        band = self._rollout_band(rows[agrees])
        if band is not None:
            self._take(hit, "split_changed", band, share)
        else:
            name, detail = self._left_out(rows[agrees])
            self._take(hit, name, detail, share)

    def _left_out(self, rows: AuditRows) -> tuple[str, str]:
        """Which of holdout, layer and rollout leaves most of these units out."""
        if isinstance(self.subject, Plan):
            base = opened(self.subject)
            assert isinstance(base, Plan)  # noqa: S101
            reasons = Randomiser(base)(UnitIds(self.texts.take(pa.array(rows))), with_overrides=False).reasons
            held, outside = float((reasons == HOLDOUT).mean()), float((reasons == OUTSIDE_LAYER).mean())
            if held >= EXPLAINS:
                return "holdout_leak", "units of the holdout, which no experiment may touch, were exposed"
            if outside >= EXPLAINS:
                return "layer_leak", "units outside of this experiment's range of the layer were exposed"
            if held + outside > 0.05:
                return "outside_rollout", "units that the holdout, the layer or the rollout leaves out were exposed"
        return "outside_rollout", "units that the rollout leaves out were exposed"

    def _rollout_band(self, rows: AuditRows) -> str | None:
        """In words, the rollout share that explains the rows: their numbers lie just above the planned share."""
        base = opened(self.subject)
        if isinstance(base, Plan):
            groups = Randomiser(base).assignment.rollout
            if len(groups) != 1:
                return None
            share, numbers = groups[0].share, self._numbers(rows, rollout=0)
        else:
            if len(base.rollouts) != 1:
                return None
            share, numbers = base.rollouts[0].percentage, self._numbers(rows, rollout=0)
        top = float(np.quantile(numbers, 0.98)) if len(numbers) else 1.0
        width = 1 - share
        if width <= 0 or self._units(rows) < FEW or numbers.min() < share - 1e-9:
            return None
        reach = (top - share) / width
        if reach < 0.9 and self._units(rows) * math.log10(max(reach, 1e-9)) < -4:
            return f"the rollout went from {share:.4g} to about {top:.3g}"
        return None

    def _numbers(self, rows: AuditRows, *, rollout: int | None = None) -> NDArray[np.float64]:
        ids = UnitIds(self.texts.take(pa.array(rows)))
        out = np.empty(len(ids), np.float64)
        for block in ids.blocks():
            part = slice(block.start, block.start + len(block))
            flag = self.subject if isinstance(self.subject, Flag) else None
            if isinstance(self.subject, Plan):
                made = Randomiser(self.subject)
                flag = made.flag if made.is_mixpanel else None
                if flag is None:
                    before = prefix("variant", made.salt)
                    if rollout is not None:
                        before = prefix("rollout", made.salt, made.assignment.rollout[rollout].key)
                    out[part] = sha256_block(block, before) / SCALE
                    continue
            assert flag is not None  # noqa: S101
            salt = flag.variant_salt if rollout is None else flag.rollout_salt(rollout)
            out[part] = fnv_buckets(fnv_states(block), salt) / 100.0
        return out

    def _edges(self) -> tuple[tuple[int, ...], NDArray[np.float64]]:
        """Variants in the order of the hash, and the upper edge of each."""
        if isinstance(self.subject, Plan):
            made = Randomiser(self.subject)
            if not made.is_mixpanel:
                return tuple(range(len(self.keys))), np.array(made.thresholds(made.assignment.rollout[0])) / SCALE
            flag = made.flag
        else:
            flag = self.subject
        order = tuple(self.keys.index(k) for k in flag.keys)
        shares = flag.bucket_shares(flag.rollouts[0] if flag.rollouts else None)
        return order, np.cumsum([shares[k] for k in flag.keys])

    def _moved_boundary(self) -> None:
        order, edges = self._edges()
        place = {v: i for i, v in enumerate(order)}
        rows = self.left[self.expected[self.left] >= 0]
        if len(rows) < 5:
            return
        numbers = self._numbers(rows)
        was = np.array([place[int(v)] for v in self.expected[rows]])
        now = np.array([place[int(v)] for v in self.log.logged[rows]])
        hit_rows: list[AuditRows] = []
        words: list[str] = []
        spans: list[tuple[float, float]] = []
        for i in range(len(order) - 1):
            for up in (True, False):
                # up: the boundary above variant i moved up, so units just above it are logged as an earlier variant
                chosen = (now <= i) & (was > i) if up else (now > i) & (was <= i)
                distance = numbers - edges[i] if up else edges[i] - numbers
                chosen &= distance >= -1e-12
                pieces = self._units(rows[chosen]) if chosen.any() else 0
                if pieces < 5:
                    continue
                room = (1 - edges[i]) if up else edges[i]
                reach = float(np.quantile(distance[chosen], 0.98)) + (0.01 if self._coarse() else 0.0)
                inside = chosen & (distance <= reach * 1.05 + 1e-12)
                if reach / room > 0.9 or pieces * math.log10(max(reach / room, 1e-12)) > -5:
                    continue
                hit_rows.append(np.flatnonzero(inside))
                moved = edges[i] + reach if up else edges[i] - reach
                words.append(f"the boundary behind {shown(self.keys[order[i]])} is at about {moved:.3g}, not at {edges[i]:.4g}")
                spans.append((min(edges[i], moved), max(edges[i], moved)))
        if not hit_rows:
            return
        hit = np.isin(self.left, rows[np.unique(np.concatenate(hit_rows))])
        if self._units(self.left[hit]) < 0.5 * self._units(self.left):
            return
        compared = np.flatnonzero(self.agreeing & (self.expected >= 0))
        drawn = self._numbers(compared)
        touched = compared[np.any([(drawn >= low) & (drawn < high) for low, high in spans], axis=0)]
        when, share = self._since(self.left[hit], touched)
        self._take(hit, "split_changed", "; ".join(words) + f": {when}", share)

    def _since(self, wrong: AuditRows, right: AuditRows) -> tuple[str, float]:
        """In words, since when units that a fault would touch are wrong, and which share of them is wrong since then.

        Args:
            wrong: Rows that the fault explains.
            right: Rows that it would have made wrong, and that are right.
        """
        when = self.log.time if self.log.time is not None else np.arange(len(self.log.logged))
        first, last = when[wrong].min(), when[wrong].max()
        before, within = int((when[right] < first).sum()), int(((when[right] >= first) & (when[right] <= last)).sum())
        after = int((when[right] > last).sum())
        share = len(wrong) / (len(wrong) + within)
        at = self.log.at(int(wrong[int(when[wrong].argmin())]))
        until = self.log.at(int(wrong[int(when[wrong].argmax())]))
        told = f"row {at:,}" if isinstance(at, int) else str(at)
        ended = f"row {until:,}" if isinstance(until, int) else str(until)
        # rows that were right before the first wrong one: more than chance leaves at the beginning of an even spread
        quiet = before > 0 and before * math.log(
            max(1 - len(wrong) / (len(wrong) + before + within + after), 1e-12)
        ) < math.log(CHANCE)
        if share < EXPLAINS and not quiet:
            return f"the split differs in a part of the rows from the beginning ({share:.0%} of the units it touches)", share
        if quiet:
            closed = after > 0 and after * math.log(max(1 - share, 1e-12)) < math.log(CHANCE)
            return f"the split changed mid-run, from {told}" + (f" to {ended}" if closed else " on"), share
        if after > 0 and after * math.log(max(1 - share, 1e-12)) < math.log(CHANCE):
            return f"the split differs from the first row on, until {ended}", share
        return "the split differs from the first row on", share

    def _other_arithmetic(self) -> None:
        self._remapped(arithmetic(self.subject))

    def _other_groups(self) -> None:
        self._remapped(regrouped(self.subject))

    def _scopes(self) -> list[tuple[str, Bools]]:
        """Where a fault may be whole: everywhere, in the rows of one library, platform or version, or from a moment on."""
        scopes: list[tuple[str, Bools]] = [("", np.ones(len(self.log.logged), bool))]
        for column, values in self.log.labels.items():
            texts = values.astype(str)
            kinds, counts = np.unique(texts[self.left], return_counts=True)
            for kind in kinds[np.argsort(-counts)][:5].tolist():
                scopes.append((f" in rows with {shown(column)} = {shown(kind)}", texts == kind))
        when = self.log.time if self.log.time is not None else np.arange(len(self.log.logged))
        first, last = when[self.left].min(), when[self.left].max()
        at, until = (self.log.at(int(self.left[i])) for i in (0, -1))
        began, ended = (f"row {t:,}" if isinstance(t, int) else t for t in (at, until))
        scopes.append((f" from {began} on", when >= first))
        scopes.append((f" from {began} to {ended}", (when >= first) & (when <= last)))
        return scopes

    def _remapped(self, suspects: Iterator[Suspect]) -> None:
        """The same hash with another rule from number to variant.

        Rows that disagree were chosen by disagreeing, so that a rule that always gives the other variant explains them all.
        What counts is that the rows it touches disagree, all of them, in a scope that can be named.
        """
        listed = list(suspects)
        if not listed:
            return
        for words, inside in self._scopes():
            if self._units(self.left) < FEW:
                return
            rows = np.flatnonzero(self.compared & inside)
            first = rows[np.unique(self.unit_of[rows] * (len(self.keys) + 1) + self.log.logged[rows], return_index=True)[1]]
            if len(first) > REMAP_SAMPLE:
                first = np.sort(np.random.default_rng(SEED).choice(first, REMAP_SAMPLE, replace=False))
            texts = self._text(first)
            for suspect in listed:
                codes = suspect.variants(texts)
                touched = codes != self.expected[first]
                right = touched & (codes == self.log.logged[first])
                if touched.sum() < FEW or not self._convincing(int(right.sum()), int(touched.sum()), tries=200):
                    continue
                hit = inside[self.left] & (suspect.variants(self._text(self.left)) == self.log.logged[self.left])
                if hit.any():
                    self._take(hit, suspect.name, suspect.detail + words, float(right.sum() / touched.sum()))
                if self._units(self.left) < FEW:
                    return

    def _swapped(self) -> None:
        """Labels were exchanged: in all rows, in those of one platform, or from a moment on."""
        if self._units(self.left) < FEW:
            return
        for words, inside in self._scopes():
            rows = np.flatnonzero(self.compared & inside & (self.expected >= 0))
            pairs = self._exchange(rows)
            if pairs is None:
                continue
            target = np.arange(len(self.keys))
            for a, b in pairs.items():
                target[a] = b
            left_expected = self.expected[self.left]
            hit = inside[self.left] & (left_expected >= 0)
            hit &= target[np.clip(left_expected, 0, None)] == self.log.logged[self.left]
            names = ", ".join(f"{shown(self.keys[a])} was logged as {shown(self.keys[b])}" for a, b in sorted(pairs.items()))
            share = float((target[self.expected[rows]] == self.log.logged[rows]).mean())
            self._take(hit, "swapped_labels", f"the labels of the variants are swapped{words}: {names}", share)
            if self._units(self.left) < FEW:
                return

    def _exchange(self, rows: AuditRows) -> dict[int, int] | None:
        """Which variant is logged in place of which, where two or more are exchanged in nearly all of these rows."""
        k = len(self.keys)
        if len(rows) == 0:
            return None
        _, first = np.unique(self.unit_of[rows] * k + self.log.logged[rows], return_index=True)
        one = rows[first]
        table = np.zeros((k, k), np.int64)
        np.add.at(table, (self.expected[one], self.log.logged[one]), 1)
        seen = np.flatnonzero(table.sum(axis=1) > 0)
        goes = {int(a): int(table[a].argmax()) for a in seen}
        moved = {a: b for a, b in goes.items() if a != b}
        if len(moved) < 2 or set(moved.values()) != set(moved):
            return None
        hits, total = sum(int(table[a, b]) for a, b in moved.items()), int(table[list(moved)].sum())
        each = all(table[a, b] >= EXPLAINS * table[a].sum() for a, b in moved.items())
        fewest = min(int(table[a].sum()) for a in moved)
        return moved if each and fewest >= 4 and self._convincing(hits, total, tries=100) else None

    def _coarse(self) -> bool:
        return isinstance(self.subject, Flag) or Randomiser(self.subject).is_mixpanel

    def _late_or_switched(self) -> None:
        """Units that disagree at one time and agree at another."""
        texts = self._text(self.left)
        wanted = pa.array(sorted({t for t in texts if t is not None}), pa.large_string())
        other = np.flatnonzero(self.agreeing & pc.is_in(self.texts, value_set=wanted).to_numpy().astype(bool))
        if len(other) == 0 or self._units(other) < 5:
            return
        when = self.log.time if self.log.time is not None else np.arange(len(self.log.logged))
        latest: dict[str, int] = {}
        for text, row in zip(self._text(other), other.tolist(), strict=True):
            if text is not None:
                latest[text] = max(latest.get(text, -(2**63)), int(when[row]))
        both = np.array([t in latest for t in texts], bool)
        later = np.array(
            [t in latest and latest[t] >= int(when[r]) for t, r in zip(texts, self.left.tolist(), strict=True)], bool
        )
        if not both.any() or self._units(self.left[both]) < max(0.8 * self._units(self.left), 5):
            return
        logged = np.bincount(self.log.logged[self.left[both]], minlength=len(self.keys))
        one_sided = logged.max() / logged.sum() >= 0.95
        share = math.nan
        if one_sided and later.sum() >= 0.8 * both.sum():
            name = self.keys[int(logged.argmax())]
            self._take(
                both,
                "late_bucketing",
                f"units were logged as {shown(name)} before they got the variant that the hash gives",
                share,
            )
        elif not one_sided:
            self._take(both, "id_type_switched", "the same units agree at one time and disagree at another, both ways", share)

    def _one_sided(self) -> None:
        """All disagreeing rows are logged as one variant, whatever the hash gave."""
        if self._units(self.left) < FEW:
            return
        logged = np.bincount(self.log.logged[self.left], minlength=len(self.keys))
        top = int(logged.argmax())
        if logged[top] / logged.sum() < 0.95:
            return
        hit = self.log.logged[self.left] == top
        control = _control(self.subject)
        name = shown(self.keys[top])
        if top == control:
            detail = (
                f"units were logged as the control {name} although the hash gives another variant: a default before assignment"
            )
            self._take(hit, "late_bucketing", detail, math.nan)
        else:
            self._take(hit, "override_list", f"units all over the hash were given {name}: a list that overrides it", math.nan)

    def _other_shape(self) -> None:
        """Disagreeing ids look different from agreeing ones."""
        if self._units(self.left) < FEW:
            return
        wrong = [_shape(t) for t in self._text(self._sampled(self.left))]
        right_rows = np.flatnonzero(self.agreeing)
        if len(right_rows) == 0:
            return
        right = [_shape(t) for t in self._text(self._sampled(right_rows))]
        for shape in sorted(set(wrong), key=lambda s: -wrong.count(s)):
            inside, outside = wrong.count(shape) / len(wrong), right.count(shape) / len(right)
            if inside >= 0.9 and outside <= 0.5 * inside:
                hit = np.array([_shape(t) == shape for t in self._text(self.left)], bool)
                detail = (
                    f"disagreeing ids are {shape} ({inside:.0%}; of the agreeing ones {outside:.0%}): another id was hashed"
                )
                self._take(hit, "id_hashed" if shape.startswith("digests") else "id_type_switched", detail, math.nan)
                return

    def _one_label(self) -> None:
        """Disagreeing rows come from one library, platform or version."""
        if self._units(self.left) < FEW:
            return
        agreeing = np.flatnonzero(self.agreeing)
        for column, values in self.log.labels.items():
            wrong = values[self.left]
            kinds, counts = np.unique(wrong.astype(str), return_counts=True)
            top = str(kinds[counts.argmax()])
            inside = counts.max() / counts.sum()
            outside = float((values[agreeing].astype(str) == top).mean()) if len(agreeing) else 0.0
            if inside >= 0.9 and outside <= 0.5 * inside:
                hit = wrong.astype(str) == top
                part = self._unrelated_share(values.astype(str) == top)
                some = "" if part >= MOST_UNRELATED else f"about {_percent(part)} of the "
                detail = f"{some}rows with {shown(column)} = {shown(top)} were assigned by another algorithm or salt"
                self._take(hit, "second_sdk", detail, math.nan)
                return

    def _rest(self) -> None:
        if len(self.left) == 0:
            return
        logged = np.bincount(self.log.logged[self.left], minlength=len(self.keys))
        everything = np.ones(len(self.left), bool)
        units = self._units(self.left)
        digests = self._digests()
        if units >= FEW and digests is not None:
            self._take(everything, "id_hashed", digests, math.nan)
        elif units >= FEW and (logged > 0).sum() > 1 and (part := self._unrelated_share()) < MOST_UNRELATED:
            for words, inside in self._scopes():
                if words and inside[self.left].all() and self._unrelated_share(inside) >= MOST_UNRELATED:
                    detail = f"the logged variants are unrelated to this hash{words}: another salt than those tried"
                    self._take(everything, "wrong_salt", detail, math.nan)
                    return
            detail = (
                f"in about {_percent(part)} of the units the logged variant is unrelated to this hash: another salt than those "
                "tried, or no hash; no column or time says in which"
            )
            self._take(everything, "wrong_salt", detail, math.nan)
        elif units >= FEW and (logged > 0).sum() > 1:
            detail = "the logged variants are unrelated to this hash: another salt than those tried"
            self._take(everything, "wrong_salt", detail, math.nan)
        else:
            detail = f"{number_of(units, 'unit')} can't show a cause"
            if len(self.left) >= 5 * units:
                most, times = np.unique(self.unit_of[self.left], return_counts=True)
                row = self.left[self.unit_of[self.left] == most[times.argmax()]][:1]
                detail += f"; {number_of(int(times.max()), 'row')} are of {shown(self._text(row)[0])}, perhaps a bot"
            self._take(everything, "unknown", detail, math.nan)

    def _unrelated_share(self, inside: Bools | None = None) -> float:
        """Share of the units (of a scope) whose variant would have to be unrelated to the hash, for as many to disagree."""
        k = len(self.keys)
        scope = self.compared if inside is None else self.compared & inside
        left = self.left if inside is None else self.left[inside[self.left]]
        rows = np.flatnonzero(scope & (self.expected >= 0))
        planned = np.bincount(self.expected[rows], minlength=k) / max(len(rows), 1)
        logged = np.bincount(self.log.logged[rows], minlength=k) / max(len(rows), 1)
        differs = 1.0 - float(planned @ logged)
        return min(1.0, self._units(left) / max(self._units(np.flatnonzero(scope)), 1) / max(differs, 1e-9))

    def _digests(self) -> str | None:
        """In words, that all ids in the log are digests, where no row shows the id that was hashed."""
        if self._units(np.flatnonzero(self.agreeing)) > 0.75 * self._units(np.flatnonzero(self.compared)):
            return None
        shapes = {_shape(t) for t in self._text(self._sampled(self.left))}
        if len(shapes) == 1 and (shape := shapes.pop()).startswith("digests"):
            return f"all ids in the log are {shape}: the assigner hashed the id behind them, or the log hashed it afterwards"
        return None


def _control(subject: Subject) -> int:
    if isinstance(subject, Plan):
        return next((i for i, v in enumerate(subject.variants) if v.control), -1)
    return next((i for i, v in enumerate(subject.variants) if v.is_control), -1)


_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("device ids ($device:…)", re.compile(r"\$device:")),
    ("UUIDs", re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")),
    ("integers", re.compile(r"[0-9]+\Z")),
    ("e-mail addresses", re.compile(r"[^@\s]+@[^@\s]+\Z")),
    ("digests (MD5)", re.compile(r"([0-9a-f]{32}|[0-9A-F]{32})\Z")),
    ("digests (SHA-1)", re.compile(r"([0-9a-f]{40}|[0-9A-F]{40})\Z")),
    ("digests (SHA-256)", re.compile(r"([0-9a-f]{64}|[0-9A-F]{64})\Z")),
    ("hexadecimal ids", re.compile(r"[0-9a-fA-F]{16,}\Z")),
)


def _shape(text: str | None) -> str:
    if text is None:
        return "null"
    for name, pattern in _SHAPES:
        if pattern.match(text):
            return name
    prefix_ = re.match(r"[A-Za-z]+[-_:]", text)
    return f"ids beginning with {shown(prefix_[0])}" if prefix_ else "other text"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else f"{share:.2g}"
