"""Multipliers and p-values of the designs, Fieller's interval, corrections of a family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xpbench.verifier.boundaries import CLOSEST, Boundary, boundary_of
from xpbench.verifier.pairs import NAN, Pair
from xpbench.verifier.quantiles import normal_tail, t_isf, t_tail
from xpbench.verifier.report import J


@dataclass(frozen=True)
class Design:
    """Fixed horizon, the normal mixture with variance `rho2` in units of one unit's noise, or a group-sequential boundary.

    With both a boundary and a mixture, the mixture has its `share` of the level and the boundary the rest.
    """

    rho2: float | None
    boundary: Boundary | None = None
    share: float = 1.0

    def q(self, pair: Pair, alpha: float) -> float:
        """How many standard errors the interval reaches."""
        if self.rho2 is None:
            return t_isf(alpha / 2, pair.df) if self.boundary is None else self.boundary.q(alpha)
        mixed = self._mixed(pair.n, alpha * self.share)
        return mixed if self.boundary is None else min(mixed, self.boundary.q(alpha * (1 - self.share)))

    def _mixed(self, n: float, alpha: float) -> float:
        k = n * (self.rho2 or 0.0)
        return math.sqrt((1 + k) / k * (math.log1p(k) - 2 * math.log(alpha)))

    def log_e(self, z: float, n: int) -> float:
        """Logarithm of the mixture likelihood ratio."""
        k = n * (self.rho2 or 0.0)
        return 0.5 * (z * z * k / (1 + k) - math.log1p(k))

    def p(self, pair: Pair) -> float:
        """Two-sided p-value."""
        if pair.status != "ok":
            return NAN
        z = (pair.mt - pair.mc) / math.sqrt(pair.variance)
        return min(1.0, 2 * t_tail(abs(z), pair.df)) if self.once else self.p_of(z, pair.n)

    @property
    def once(self) -> bool:
        """Whether the design is read once, at its end."""
        return self.rho2 is None and self.boundary is None

    def p_of(self, z: float, n: int) -> float:
        """Two-sided p-value of a distance whose noise is known."""
        if math.isnan(z):
            return NAN
        if self.once:
            return min(1.0, 2 * normal_tail(abs(z)))
        out = 1.0 if self.rho2 is None else math.exp(-max(self.log_e(z, n), 0.0)) / self.share
        if self.boundary is not None:
            out = min(out, self.boundary.p(z) / (1.0 if self.rho2 is None else 1 - self.share))
        return min(1.0, out)

    def p_one_sided(self, z: float, pair: Pair) -> float:
        """One-sided p-value of a distance z on the good side."""
        if self.once:
            return t_tail(z, pair.df)
        if self.boundary is None and self.share == 1.0:
            return min(1.0, 0.5 * math.exp(-self.log_e(z, pair.n))) if z > 0 else 1.0
        return self.p_of(z, pair.n) / 2 if z > 0 else 1 - self.p_of(z, pair.n) / 2

    def after_stop(self, z: float, alpha: float, n: int) -> tuple[tuple[float, float, float], float] | None:
        """Median-unbiased drift with its interval and the p-value of no drift; None where no look came before."""
        if self.boundary is None or not self.boundary.is_spaced:
            return None
        looks = self.boundary.information
        mixed = [math.inf] * (len(looks) - 1)
        if self.rho2 is not None:
            mixed = [self._mixed(n * t / looks[-1], alpha * self.share) for t in looks[:-1]]
        return self.boundary.after_stop(z, alpha, alpha * (1.0 if self.rho2 is None else 1 - self.share), mixed)


FULL = 1.0 - 1e-9


def design_of(plan: J, treatment: J, *, units: int, looks: Sequence[J] = ()) -> Design:
    """The design of the plan for one treatment; units now and at earlier looks fix a group-sequential boundary.

    `looks` are those of the readout, this one last; a readout of an earlier release says nothing of what its looks found, and
    was computed as they were then.
    """
    model = plan["model"]
    if model["kind"] == "group_sequential":
        horizon = plan.get("horizon", {}).get("units") or units
        if not looks or "findings" in looks[-1] or model.get("beyond"):
            boundary = boundary_of(_information(looks, units, horizon), model["spending"], _ends(looks, units, horizon))
            if not model.get("beyond"):
                return Design(None, boundary)
            control = next(v for v in plan["variants"] if v.get("control"))
            a = -2 * math.log(model["beyond"] * alpha_of(plan))
            rho2 = (a + math.log1p(a)) / (horizon * (control["split"] + treatment["split"]))
            return Design(rho2, None if ended(plan, looks[:-1]) is not None else boundary, model["beyond"])
        seen: list[float] = []
        for n in (*(look["units"] for look in looks[:-1]), units):
            share = n / horizon
            if seen and share < seen[-1] + CLOSEST:  # the same look, taken again
                seen[-1] = max(seen[-1], share)
            else:
                seen.append(share)
        return Design(None, boundary_of(tuple(seen), model["spending"], seen[-1] >= FULL))
    if model["kind"] != "sequential":
        return Design(None)
    control = next(v for v in plan["variants"] if v.get("control"))
    both = control["split"] + treatment["split"]
    if model.get("n_opt"):
        a = -2 * math.log(alpha_of(plan))
        return Design((a + math.log1p(a)) / (model["n_opt"] * both))
    share = control["split"] / both
    return Design(model["tau"] ** 2 * share * (1 - share))


def _information(looks: Sequence[J], units: int, horizon: int) -> tuple[float, ...]:
    """Information at this look and at those that knew less and did not end the plan."""
    out: list[float] = []
    for look in sorted(looks[:-1], key=lambda k: k["units"]):
        share = look["units"] / horizon
        if not look.get("last") and 0 < share < min(FULL, units / horizon - CLOSEST):
            out[-1:] = [share] if out and share < out[-1] + CLOSEST else [*out[-1:], share]
    return (*out, units / horizon)


def _ends(looks: Sequence[J], units: int, horizon: int) -> bool:
    """Whether this look spends whatever is left: full information, or the last one by declaration, now or before."""
    if units / horizon >= FULL or (looks and looks[-1].get("last")):
        return True
    return any(k.get("last") and k["units"] / horizon <= units / horizon + CLOSEST for k in looks[:-1])


def closing(plan: J, looks: Sequence[J]) -> J | None:
    """The earlier look that ended a group-sequential plan: what comes in after it decides nothing, unless it has a share."""
    return None if plan["model"].get("beyond") else ended(plan, looks)


def ended(plan: J, looks: Sequence[J]) -> J | None:
    """The look after which a group-sequential boundary has nothing left to spend."""
    if plan["model"]["kind"] != "group_sequential":
        return None
    horizon = plan.get("horizon", {}).get("units") or 0
    ends = (k for k in looks if k.get("counts") and (k.get("last") or (horizon and k["units"] >= horizon * FULL)))
    return next(ends, None)


def standing(plan: J, looks: Sequence[J], metric: str, variant: str, p: float) -> J | None:
    """What earlier looks found that holds in place of this one's p-value: the smallest so far, or that of the last look."""
    end = closing(plan, looks)
    until = looks if end is None else looks[: looks.index(end) + 1]
    found = [(k, k["findings"][metric][variant]) for k in until if k.get("counts") and variant in k["findings"].get(metric, {})]
    if not found or math.isnan(p):
        return None
    _, least = min(found, key=lambda pair: pair[1]["p"])
    if end is None:
        return least if least["p"] <= alpha_of(plan) and least["p"] < p else None
    own = next((f for k, f in found if k is end), least)
    chosen = least if least["p"] <= alpha_of(plan) else own
    return {"p": chosen["p"], "sign": chosen["sign"], "guardrail": own["guardrail"], "matters": own["matters"]}


def alpha_of(plan: J) -> float:
    """Two-sided level of the plan."""
    return round(1.0 - float(plan["model"]["confidence"]), 12)


def fieller(pair: Pair, q: float) -> tuple[float, float] | None:
    """Interval of the lift: the roots of (mt − r mc)² = q² Var(mt − r mc), minus 1; None where it is unbounded."""
    mc, mt = abs(pair.mc), math.copysign(1.0, pair.mc) * pair.mt
    a = mc * mc - q * q * pair.vc
    if a <= 0:
        return None
    middle = mt * mc - q * q * pair.cov
    root = math.sqrt(max(middle * middle - a * (mt * mt - q * q * pair.vt), 0.0))
    low, high = (middle - root) / a - 1, (middle + root) / a - 1
    return (low, high) if pair.mc > 0 else (-high, -low)


def lift_z(pair: Pair, lift: float) -> float:
    """Fieller's contrast mt − (1 + r) mc in its standard errors."""
    f = 1 + lift * (-1 if pair.mc < 0 else 1)
    return (pair.mt - f * pair.mc) / math.sqrt(pair.vt + f * f * pair.vc - 2 * f * pair.cov)


def has_lift(pair: Pair) -> bool:
    """Whether the control is far enough from 0 for a lift to have a meaning."""
    return not (math.isnan(pair.mt - pair.mc) or pair.mc == 0 or abs(pair.mc) <= 1e-12 * abs(pair.mt))


def adjust(values: Sequence[float], method: str) -> list[float]:
    """Corrected p-values of one family (for e-BH from e-values); NaN stays NaN."""
    known = [i for i, v in enumerate(values) if not math.isnan(v)]
    out, m = [NAN] * len(values), len(known)
    if method in ("none", "bonferroni"):
        for i in known:
            out[i] = min(1.0, values[i] * (m if method == "bonferroni" else 1))
        return out
    if method == "holm":
        running = 0.0
        for rank, i in enumerate(sorted(known, key=lambda i: values[i])):
            running = max(running, values[i] * (m - rank))
            out[i] = min(1.0, running)
        return out
    p = {i: (values[i] if method == "bh" else 1 / values[i] if values[i] > 0 else math.inf) for i in known}
    running = math.inf
    for rank, i in reversed(list(enumerate(sorted(known, key=lambda i: p[i]), 1))):
        running = min(running, p[i] * m / rank)
        out[i] = min(1.0, running)
    return out


def interval_level(alpha: float, method: str, rejected: int, of: int) -> float:
    """Level of the intervals that go with a correction."""
    if method == "none" or not of:
        return alpha
    return alpha * (1 if method in ("bonferroni", "holm") else max(rejected, 1)) / of
