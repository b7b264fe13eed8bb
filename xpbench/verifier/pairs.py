"""From moments to two estimates with the covariance of their errors: delta method, Welch, CUPED."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xpbench.verifier.report import J

NAN = math.nan


@dataclass(frozen=True)
class Pair:
    """Two estimates with the covariance of their errors."""

    mc: float = NAN
    mt: float = NAN
    vc: float = NAN
    vt: float = NAN
    cov: float = 0.0
    df: float = NAN
    n: int = 0
    status: str = "ok"

    @property
    def variance(self) -> float:
        """Variance of the difference."""
        return self.vc + self.vt - 2 * self.cov


Gradient = tuple[float, list[float]]


def single_column(index: int) -> Callable[[Sequence[float]], Gradient]:
    """The functional that is one of the means."""
    return lambda m: (m[index], [1.0 if i == index else 0.0 for i in range(len(m))])


def ratio_of_means(m: Sequence[float]) -> Gradient:
    """First mean over second, with its gradient."""
    value = m[0] / m[1]
    return value, [1 / m[1], -value / m[1], *[0.0] * (len(m) - 2)]


def cluster_mean(m: Sequence[float]) -> Gradient:
    """Mean per member where whole groups were assigned: the sums of groups over their numbers of members."""
    return ratio_of_means(m)


def per_member(index: int) -> Callable[[Sequence[float]], Gradient]:
    """A covariate per member: the functional that is one of the sums over the numbers of members."""

    def at(m: Sequence[float]) -> Gradient:
        value = m[index] / m[1]
        return value, [1 / m[1] if i == index else -value / m[1] if i == 1 else 0.0 for i in range(len(m))]

    return at


def groups_worth(cell: J) -> float:
    """How many groups of equal size the groups of a cell are worth: Kish's (sum of sizes)² over the sum of their squares."""
    n, mean, spread = cell["n"], cell["mean"][1], cell["cov"][1][1]
    total = mean * mean + spread * (n - 1) / n
    return float(n * mean * mean / total) if total > 0 else NAN


def _weight(cell: J, subject: Callable[[Sequence[float]], Gradient]) -> tuple[float, float]:
    """Factor on the variance of a mean, and how many units it is worth: corrected for few groups of unlike sizes."""
    n = cell["n"]
    if subject is not cluster_mean:
        return 1.0, float(n)
    k = groups_worth(cell)
    return (k / (k - 1) * (n - 1) / n if k > 1 + 1e-12 else NAN), k


class Formula:
    """Arithmetic over named means: value and gradient, by recursive descent over the text."""

    TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*)|`([^`]+)`|([-+*/()]))", re.ASCII)

    def __init__(self, text: str) -> None:
        self.tokens = [(m[1], m[2] or m[3], m[4]) for m in self.TOKEN.finditer(text)]
        self.names = list(dict.fromkeys(name for _, name, _ in self.tokens if name))

    def __call__(self, means: Sequence[float]) -> Gradient:
        """Value and gradient at these means."""
        self.at, self.means = 0, means
        return self._sum()

    def _sign(self) -> str:
        return self.tokens[self.at][2] or "" if self.at < len(self.tokens) else ""

    def _sum(self) -> Gradient:
        value, grad = self._product()
        while (sign := self._sign()) in ("+", "-"):
            self.at += 1
            other, change = self._product()
            s = 1 if sign == "+" else -1
            value, grad = value + s * other, [a + s * b for a, b in zip(grad, change, strict=True)]
        return value, grad

    def _product(self) -> Gradient:
        value, grad = self._atom()
        while (sign := self._sign()) in ("*", "/"):
            self.at += 1
            other, change = self._atom()
            if sign == "*":
                grad = [a * other + value * b for a, b in zip(grad, change, strict=True)]
                value *= other
            else:
                value /= other
                grad = [(a - value * b) / other for a, b in zip(grad, change, strict=True)]
        return value, grad

    def _atom(self) -> Gradient:
        number, name, sign = self.tokens[self.at]
        self.at += 1
        if number:
            return float(number), [0.0] * len(self.means)
        if name:
            return single_column(self.names.index(name))(self.means)
        if sign == "-":
            value, grad = self._atom()
            return -value, [-g for g in grad]
        value, grad = self._sum()
        self.at += 1
        return value, grad


def quadratic_form(a: Sequence[float], cov: Sequence[Sequence[float]], b: Sequence[float]) -> float:
    """A' Cov b."""
    return math.fsum(x * math.fsum(row[j] * b[j] for j in range(len(b))) for x, row in zip(a, cov, strict=True) if x)


def _constant(mean: float, variance: float) -> bool:
    return variance <= (1e-12 * mean) ** 2


def _welch(a: float, b: float, da: float, db: float) -> float:
    total = a + b
    return 1 / ((a / total) ** 2 / da + (b / total) ** 2 / db) if total > 0 and da > 0 and db > 0 else NAN


def _own_variance(gradient: Sequence[float], cov: Sequence[Sequence[float]]) -> float:
    """Variance of a linearised value; 0 where its terms cancel but for rounding."""
    terms = [x * v * y for x, row in zip(gradient, cov, strict=True) for v, y in zip(row, gradient, strict=True)]
    variance = quadratic_form(gradient, cov, gradient)
    return variance if variance > 1e-12 * math.fsum(map(abs, terms)) else 0.0


def _at(subject: Callable[[Sequence[float]], Gradient], means: Sequence[float]) -> Gradient:
    """Value and gradient of one variant; not a number where it does not exist, which says nothing of the other variant."""
    try:
        return subject(means)
    except ZeroDivisionError:
        return NAN, []


def plain_pair(c: J, t: J, subject: Callable[[Sequence[float]], Gradient]) -> Pair:
    """Two estimates without covariates, by the delta method; or why there is none."""
    n = c["n"] + t["n"]
    (mc, gc), (mt, gt) = _at(subject, c["mean"]), _at(subject, t["mean"])
    if c["n"] < 2 or t["n"] < 2:
        return Pair(mc, mt, n=n, status="not_enough_units")
    if not (math.isfinite(mc) and math.isfinite(mt)):
        return Pair(mc, mt, n=n, status="zero_denominator")
    sc, st = _own_variance(gc, c["cov"]), _own_variance(gt, t["cov"])
    flat = _constant(mc, sc), _constant(mt, st)
    if any(flat):
        same = all(flat) and math.isclose(mc, mt, rel_tol=1e-12, abs_tol=0.0)
        return Pair(mc, mt, n=n, status="zero_variance" if same else "separation")
    (fc, kc), (ft, kt) = _weight(c, subject), _weight(t, subject)
    vc, vt = sc / c["n"] * fc, st / t["n"] * ft
    if math.isnan(vc + vt):
        return Pair(mc, mt, n=n, status="not_enough_units")
    return Pair(mc, mt, vc, vt, 0.0, _welch(vc, vt, kc - 1, kt - 1), n)


def with_taken_noise(pair: Pair, c: J, t: J, subject: Callable[[Sequence[float]], Gradient]) -> Pair:
    """A comparison with a constant variant: its noise is taken to be the other's, or where neither varies that of all units."""
    own = [_own_variance(subject(x["mean"])[1], x["cov"]) for x in (c, t)]
    flat = [_constant(m, s) for m, s in zip((pair.mc, pair.mt), own, strict=True)]
    n = c["n"] + t["n"]
    if all(flat):
        noise, df = c["n"] * t["n"] / n * (pair.mt - pair.mc) ** 2 / (n - 1), n - 2
    else:
        noise, df = (own[1], t["n"] - 1) if flat[0] else (own[0], c["n"] - 1)
    return Pair(pair.mc, pair.mt, noise / c["n"], noise / t["n"], 0.0, float(df), n)


def _solve(a: list[list[float]], y: list[float]) -> tuple[list[float], int]:
    """X with a x = y for correlation-like a, by pivoted elimination; dependent directions get 0."""
    n = len(y)
    rows = [[*a[i], y[i]] for i in range(n)]
    pivots: list[tuple[int, int]] = []
    left, columns = list(range(n)), list(range(n))
    largest = max((abs(rows[i][i]) for i in left), default=0.0)
    while left:
        p = max(left, key=lambda i: abs(rows[i][i]))
        if abs(rows[p][p]) <= 1e-10 * largest:
            break
        for i in range(n):
            if i != p and rows[i][p]:
                factor = rows[i][p] / rows[p][p]
                rows[i] = [u - factor * v for u, v in zip(rows[i], rows[p], strict=True)]
        pivots.append((p, columns[p]))
        left.remove(p)
    x = [0.0] * n
    for p, column in pivots:
        x[column] = rows[p][n] / rows[p][p]
    return x, len(pivots)


def cuped(c: J, t: J, subject: Callable[[Sequence[float]], Gradient], xs: Sequence[int], base: Pair) -> tuple[Pair, float]:
    """The pair after CUPED and the share of variance that went; closed form from the moments."""
    functions = [subject, *map(per_member if subject is cluster_mean else single_column, xs)]

    def joint(cell: J) -> tuple[list[float], list[list[float]]]:
        values = [f(cell["mean"]) for f in functions]
        grads = [g for _, g in values]
        by = _weight(cell, subject)[0] / cell["n"]
        return [v for v, _ in values], [[quadratic_form(a, cell["cov"], b) * by for b in grads] for a in grads]

    (yc, sc), (yt, st) = joint(c), joint(t)
    k = range(1, len(functions))
    varies = [i for i in k if not (_constant(yc[i], sc[i][i] * c["n"]) and _constant(yt[i], st[i][i] * t["n"]))]
    total = [[sc[i][j] + st[i][j] for j in range(len(functions))] for i in range(len(functions))]
    scale = {i: math.sqrt(total[i][i]) for i in varies}
    scaled, used = _solve(
        [[total[i][j] / scale[i] / scale[j] for j in varies] for i in varies], [total[i][0] / scale[i] for i in varies]
    )
    theta = {i: x / scale[i] for i, x in zip(varies, scaled, strict=True)}
    worth = [_weight(x, subject)[1] for x in (c, t)]
    if min(worth) <= used + 1:
        return Pair(base.mc, base.mt, n=base.n, status="not_enough_units"), NAN
    wt = t["n"] / (c["n"] + t["n"])
    wc = 1 - wt
    gap = math.fsum(h * (yt[i] - yc[i]) for i, h in theta.items())
    with_c, with_t = (math.fsum(h * s[i][0] for i, h in theta.items()) for s in (sc, st))
    of_c, of_t = (math.fsum(g * h * s[i][j] for i, g in theta.items() for j, h in theta.items()) for s in (sc, st))
    own_c, own_t = sc[0][0] - 2 * with_c + of_c, st[0][0] - 2 * with_t + of_t
    both = of_c + of_t
    pair = Pair(
        yc[0] + wt * gap,
        yt[0] - wc * gap,
        sc[0][0] - 2 * wt * with_c + wt * wt * both,
        st[0][0] - 2 * wc * with_t + wc * wc * both,
        wc * with_c + wt * with_t - wc * wt * both,
        _welch(max(own_c, 0.0), max(own_t, 0.0), worth[0] - 1 - used, worth[1] - 1 - used),
        base.n,
    )
    reduction = min(max(1 - pair.variance / base.variance, 0.0), 1.0)
    if pair.variance <= 1e-12 * base.variance:
        return Pair(pair.mc, pair.mt, n=base.n, status="zero_variance"), 1.0
    return pair, reduction


def event_count(cell: J) -> int | None:
    """Units with a 1, where the first column holds only zeros and ones; seen from its moments."""
    p, n = cell["mean"][0], cell["n"]
    if n < 2 or not 0 <= p <= 1 or abs(p * n - round(p * n)) > 1e-6 * max(1.0, p * n):
        return None
    binary = math.isclose(cell["cov"][0][0], p * (1 - p) * n / (n - 1), rel_tol=1e-9, abs_tol=1e-12)
    return round(p * n) if binary else None
