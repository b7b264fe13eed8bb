"""Experiments with one known cause of a sample ratio mismatch at work, at random size, place and time."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np

from tests.health.worlds import event_plan
from xpbench.data.summary import Finding, Summary
from xpbench.health import HealthInputs
from xpbench.health.causes import Injector

SEGMENTS = {"android": 0.45, "ios": 0.35, "web": 0.2}

SHARES = {
    2: [[0.5, 0.5], [0.3, 0.7], [0.5, 0.5]],
    3: [[0.34, 0.33, 0.33], [0.5, 0.25, 0.25], [0.2, 0.4, 0.4]],
}


class World:
    """Counts by day, segment and variant of a sound experiment, to be broken."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        k = int(rng.choice([2, 2, 2, 3]))
        self.names = ["control", "beta", "gamma"][:k]
        self.shares = np.array(SHARES[k][int(rng.integers(3))])
        self.days = [date(2026, 9, 7) + timedelta(days=i) for i in range(int(rng.integers(14, 29)))]
        level = float(rng.uniform(1500, 5000))
        week = np.array([1.0, 1.0, 0.95, 0.95, 0.9, 0.7, 0.75])
        totals = [rng.poisson(level * week[d.weekday()] * rng.lognormal(0, 0.05)) for d in self.days]
        self.counts = np.array(
            [[rng.multinomial(rng.binomial(t, s), self.shares) for s in SEGMENTS.values()] for t in totals], dtype=np.int64
        )  # days × segments × variants
        self.findings: list[Finding] = []
        self.extra: dict[str, Any] = {}
        self.variant = int(rng.integers(k))
        self.noise()

    def noise(self) -> None:
        """Findings that every log has, the same in every variant."""
        n = self.counts.sum(axis=(0, 1))
        for name, rate in (("identity_changes", 0.002), ("bots", 0.001), ("several_variants", 0.0005)):
            if self.rng.random() < 0.5:
                by = {k: int(self.rng.poisson(rate * n[i])) for i, k in enumerate(self.names)}
                self.findings.append(Finding(name, sum(by.values()), int(n.sum()), "excluded", by_variant=by))

    def lose(
        self, share: float, *, days: Any = slice(None), segments: Any = slice(None), variant: int | None = None
    ) -> np.ndarray:
        """Take a share of one variant's units away; the number lost by day and segment."""
        v = self.variant
        piece = self.counts[days][:, segments, v]
        lost = self.rng.binomial(piece, share)
        block = self.counts[days]
        block[:, segments, v] = piece - lost
        self.counts[days] = block
        return lost

    def inputs(self) -> HealthInputs:
        """What xpbench would see."""
        by_day = {
            d.isoformat(): dict(zip(self.names, map(int, row), strict=True))
            for d, row in zip(self.days, self.counts.sum(axis=1), strict=True)
        }
        by_segment = {
            s: dict(zip(self.names, map(int, row), strict=True))
            for s, row in zip(SEGMENTS, self.counts.sum(axis=0), strict=True)
        }
        units = dict(zip(self.names, map(int, self.counts.sum(axis=(0, 1))), strict=True))
        variants = [
            {"key": k, "split": float(share), "control": i == 0}
            for i, (k, share) in enumerate(zip(self.names, self.shares, strict=True))
        ]
        plan = event_plan(variants=variants, **self.extra.pop("plan", {}))
        summary = Summary(
            "events",
            "0" * 64,
            1,
            units,
            (),
            findings=tuple(self.findings),
            exposures_by_day=by_day,
            segments={"platform": by_segment},
        )
        return HealthInputs(plan, summary, **self.extra)


def _fault(rng: np.random.Generator) -> float:
    return float(rng.uniform(0.06, 0.4))


def constant_loss(rng: np.random.Generator) -> HealthInputs:
    """A slow variant loses units before they are logged."""
    w = World(rng)
    w.lose(_fault(rng))
    return w.inputs()


def flag_split(rng: np.random.Generator) -> HealthInputs:
    """The flag has another split than the plan."""
    w = World(rng)
    other = w.shares.copy()
    moved = float(rng.uniform(0.02, 0.1))
    other[0] += moved
    other[-1] -= moved
    w.counts = np.array([[rng.multinomial(cell.sum(), other) for cell in day] for day in w.counts])
    w.extra["flag"] = dict(zip(w.names, other.tolist(), strict=True))
    return w.inputs()


def bucket_rounding(rng: np.random.Generator) -> HealthInputs:
    """Thirds by a hundred buckets, with many units."""
    w = World(rng)
    w.names, w.shares = ["beta", "control", "gamma"], np.array([1 / 3, 1 / 3, 1 / 3])
    served = np.array([0.34, 0.33, 0.33])
    w.counts = np.array([[rng.multinomial(cell.sum() * 20, served) for cell in day] for day in w.counts])
    w.findings = []
    w.extra["plan"] = {"assignment": {"hash": "mixpanel", "hash_salt": "a" * 32}}
    return w.inputs()


def exposure_loss(rng: np.random.Generator) -> HealthInputs:
    """Assigned as planned, exposed less in one variant."""
    w = World(rng)
    sound = w.counts.sum(axis=(0, 1))
    w.extra["assigned"] = {k: int(n * 1.2) for k, n in zip(w.names, rng.multinomial(sound.sum(), w.shares), strict=True)}
    w.lose(_fault(rng))
    return w.inputs()


def assignment_bias(rng: np.random.Generator) -> HealthInputs:
    """Wrong at assignment already."""
    w = World(rng)
    w.lose(_fault(rng))
    rate = float(rng.uniform(0.6, 0.9))
    w.extra["assigned"] = {
        k: int(n + rng.poisson(n * (1 / rate - 1))) for k, n in zip(w.names, w.counts.sum(axis=(0, 1)), strict=True)
    }
    return w.inputs()


def assignment_mismatch(rng: np.random.Generator) -> HealthInputs:
    """An override list moves units from one variant to another."""
    w = World(rng)
    share = _fault(rng) / 2
    other = (w.variant + 1) % len(w.names)
    moved = rng.binomial(w.counts[:, :, w.variant], share)
    w.counts[:, :, w.variant] -= moved
    w.counts[:, :, other] += moved
    w.extra["audit"] = {"rows": int(w.counts.sum()), "disagreeing": int(moved.sum()), "causes": [{"name": "override_list"}]}
    return w.inputs()


def variant_stopped(rng: np.random.Generator) -> HealthInputs:
    """A variant is switched off."""
    w = World(rng)
    t = int(rng.integers(3, len(w.days) - 1))
    w.lose(1.0, days=slice(t, None))
    return w.inputs()


def late_start(rng: np.random.Generator) -> HealthInputs:
    """A variant starts days later."""
    w = World(rng)
    w.lose(1.0, days=slice(0, int(rng.integers(1, 6))))
    return w.inputs()


def split_changed(rng: np.random.Generator) -> HealthInputs:
    """Someone changes the split half way."""
    w = World(rng)
    t = int(rng.integers(4, len(w.days) - 3))
    other = w.shares.copy()
    moved = float(rng.uniform(0.05, 0.15))
    other[0] -= moved
    other[-1] += moved
    for d in range(t, len(w.days)):
        w.counts[d] = [rng.multinomial(cell.sum(), other) for cell in w.counts[d]]
    return w.inputs()


def fault_from_day(rng: np.random.Generator) -> HealthInputs:
    """A release breaks one variant."""
    w = World(rng)
    w.lose(float(rng.uniform(0.1, 0.5)), days=slice(int(rng.integers(4, len(w.days) - 3)), None))
    return w.inputs()


def fault_until_day(rng: np.random.Generator) -> HealthInputs:
    """A fault at the start that was mended."""
    w = World(rng)
    w.lose(float(rng.uniform(0.1, 0.5)), days=slice(0, int(rng.integers(3, len(w.days) - 3))))
    return w.inputs()


def single_days(rng: np.random.Generator) -> HealthInputs:
    """Outages of one variant's logging on a few days."""
    w = World(rng)
    inner = np.arange(2, len(w.days) - 2)
    for d in rng.choice(inner, size=int(rng.integers(1, 4)), replace=False):
        w.lose(float(rng.uniform(0.3, 0.9)), days=slice(int(d), int(d) + 1))
    return w.inputs()


def days_of_week(rng: np.random.Generator) -> HealthInputs:
    """A weekend job takes units out of one variant."""
    w = World(rng)
    share = float(rng.uniform(0.15, 0.5))
    for i, d in enumerate(w.days):
        if d.weekday() >= 5:
            w.lose(share, days=slice(i, i + 1))
    return w.inputs()


def drift(rng: np.random.Generator) -> HealthInputs:
    """Returning units are exposed less and less in one variant."""
    w = World(rng)
    end = float(rng.uniform(0.15, 0.5))
    for i in range(len(w.days)):
        w.lose(end * i / (len(w.days) - 1), days=slice(i, i + 1))
    return w.inputs()


def segment_fault(rng: np.random.Generator) -> HealthInputs:
    """The variant does not work on one platform."""
    w = World(rng)
    s = int(rng.integers(len(SEGMENTS)))
    w.lose(float(rng.uniform(0.1, 0.6)), segments=slice(s, s + 1))
    return w.inputs()


def _left_out(name: str, action: str = "excluded") -> Injector:
    def make(rng: np.random.Generator) -> HealthInputs:
        w = World(rng)
        w.findings = [f for f in w.findings if f.name != name]
        lost = int(w.lose(_fault(rng)).sum())
        n = w.counts.sum(axis=(0, 1))
        by = {k: int(rng.poisson(0.002 * n[i])) for i, k in enumerate(w.names)}
        by[w.names[w.variant]] += lost
        w.findings.append(Finding(name, sum(by.values()), int(n.sum()), action, by_variant=by))
        return w.inputs()

    return make


def _unnamed(name: str) -> Injector:
    def make(rng: np.random.Generator) -> HealthInputs:
        w = World(rng)
        lost = int(w.lose(_fault(rng)).sum())
        w.findings.append(Finding(name, lost, int(w.counts.sum()) + lost, "excluded"))
        return w.inputs()

    return make


def identity_churn(rng: np.random.Generator) -> HealthInputs:
    """Units of one variant are counted again under a new id."""
    w = World(rng)
    w.findings = [f for f in w.findings if f.name != "identity_changes"]
    again = rng.binomial(w.counts[:, :, w.variant], _fault(rng))
    w.counts[:, :, w.variant] += again
    n = w.counts.sum(axis=(0, 1))
    by = {k: int(rng.poisson(0.002 * n[i])) for i, k in enumerate(w.names)}
    by[w.names[w.variant]] += int(again.sum())
    w.findings.append(Finding("identity_changes", sum(by.values()), int(n.sum()), "kept", by_variant=by))
    return w.inputs()


INJECTED: dict[str, Injector] = {
    "constant_loss": constant_loss,
    "flag_split": flag_split,
    "bucket_rounding": bucket_rounding,
    "exposure_loss": exposure_loss,
    "assignment_bias": assignment_bias,
    "assignment_mismatch": assignment_mismatch,
    "variant_stopped": variant_stopped,
    "late_start": late_start,
    "split_changed": split_changed,
    "fault_from_day": fault_from_day,
    "fault_until_day": fault_until_day,
    "single_days": single_days,
    "days_of_week": days_of_week,
    "drift": drift,
    "segment_fault": segment_fault,
    "bot_filter": _left_out("bots"),
    "test_user_filter": _left_out("qa_tester"),
    "contamination_excluded": _left_out("several_variants"),
    "date_filter": _left_out("outside_dates"),
    "variant_not_logged": _unnamed("missing_variant"),
    "variant_misspelt": _unnamed("unknown_variant"),
    "identity_churn": identity_churn,
}
