"""Check a memo with nothing but the memo: one file of Python, standard library only.

``python verify.py memo.html`` works without this package. It is a second implementation, written apart from the engine, of
digests, the ledger's chain, estimates from moments, corrections, margins and the rule. With the package of the same version
installed the whole page is rendered again and compared byte by byte; without it the marked numbers of the page are.

Exit codes: 0 verified, 1 differs (and where), 2 unreadable, 3 made by a newer version.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

SCHEMA = 1
MAX_BYTES = 64 * 1024 * 1024
MAX_DEPTH = 64
PAYLOAD = '<script type="application/json" id="xpbench-payload">'
SEAL = '<script type="application/json" id="xpbench-seal">'
END = "</script>"
START = "0" * 64
EXIT = {"verified": 0, "differs": 1, "unreadable": 2, "newer": 3}
CLOSE = 1e-9
"""Relative distance, on the scale of the interval, within which two implementations agree."""

J = Any  # a JSON value


# ---------------------------------------------------------------------------------------------------------------- report


@dataclass(frozen=True)
class Difference:
    """One thing that is not as it should be: which part, what was expected, what was found."""

    part: str
    expected: str
    found: str

    def to_dict(self) -> dict[str, str]:
        """The fields by name."""
        return {"part": self.part, "expected": self.expected, "found": self.found}

    def __str__(self) -> str:
        return f"{self.part}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class Report:
    """What checking a memo has shown.

    Attributes:
        status: `verified`, `differs`, `unreadable` or `newer`.
        path: The file.
        reason: One sentence.
        differences: Each part that differs.
        checked: What was recomputed.
        not_checked: What was not, and why.
        key: Experiment, "" where it can't be read.
        headline: Decision as the payload has it.
    """

    status: str
    path: str
    reason: str
    differences: tuple[Difference, ...] = ()
    checked: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    key: str = ""
    headline: str = ""

    @property
    def exit_code(self) -> int:
        """0 verified, 1 differs, 2 unreadable, 3 made by a newer version."""
        return EXIT[self.status]

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return {
            "status": self.status,
            "exit_code": self.exit_code,
            "path": self.path,
            "key": self.key,
            "headline": self.headline,
            "reason": self.reason,
            "differences": [d.to_dict() for d in self.differences],
            "checked": list(self.checked),
            "not_checked": list(self.not_checked),
        }

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        lines = [f"{self.status}: {self.reason}", *(f"  ✕ {d}" for d in self.differences[:40])]
        if len(self.differences) > 40:
            lines.append(f"  … and {len(self.differences) - 40} more")
        lines += [f"  ✓ {c}" for c in self.checked] if self.status == "verified" else []
        return "\n".join([*lines, *(f"  ─ {n}" for n in self.not_checked)])


@dataclass
class _Notes:
    differences: list[Difference] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)

    def differs(self, part: str, expected: object, found: object) -> None:
        self.differences.append(Difference(part, _short(expected), _short(found)))

    def same(self, part: str, expected: object, found: object) -> bool:
        if type(expected) is type(found) and expected == found:
            return True
        self.differs(part, expected, found)
        return False


def _short(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= 160 else text[:159] + "…"


class _UnreadableError(Exception):
    """The file is no memo that this program can read."""


class _NewerError(Exception):
    """The file was made by a newer version."""


# -------------------------------------------------------------------------------------------------- JSON and its bytes


def _pairs(pairs: list[tuple[str, J]]) -> dict[str, J]:
    out = dict(pairs)
    if len(out) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return out


def _refused(name: str) -> J:
    raise ValueError(f"{name} is no JSON value")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is beyond the range of numbers")
    return value


def _int(text: str) -> int | float:
    if len(text) < 16:
        return int(text)
    value = _float(text)
    return int(text) if abs(value) < 2**53 else value


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_refused, parse_float=_float, parse_int=_int)


def loads(text: str) -> J:
    """JSON value of a text; duplicate keys, NaN, infinities and more than 64 levels are a ValueError."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"?|[\[{]|[\]}]', text):
        sign = match.group()[0]
        depth += 1 if sign in "[{" else -1 if sign in "]}" else 0
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels deep")
    return _DECODER.decode(text)


def canonical(value: J) -> str:
    """RFC 8785 text of a JSON value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda k: k.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{canonical(value[k])}" for k in keys) + "}"
    return "[" + ",".join(map(canonical, value)) + "]"


def _number(x: float) -> str:
    """ECMAScript's shortest text of a float."""
    if x == 0:
        return "0"
    mantissa, _, exponent = repr(abs(x)).partition("e")
    whole, _, part = mantissa.partition(".")
    part = "" if part == "0" else part
    digits = (whole + part).lstrip("0")
    point = len(whole) + int(exponent or 0) if whole != "0" else int(exponent or 0) - (len(part) - len(part.lstrip("0")))
    digits = digits.rstrip("0") or "0"
    k, n = len(digits), point
    if k <= n <= 21:
        out = digits + "0" * (n - k)
    elif 0 < n <= 21:
        out = f"{digits[:n]}.{digits[n:]}"
    elif -6 < n <= 0:
        out = "0." + "0" * -n + digits
    else:
        out = f"{digits[0]}{'.' if k > 1 else ''}{digits[1:]}e{'+' if n > 0 else '-'}{abs(n - 1)}"
    return ("-" if x < 0 else "") + out


def sha256(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


# ------------------------------------------------------------------------------------------------------------ quantiles


def normal_tail(z: float) -> float:
    """P(Z > z)."""
    return 0.5 * math.erfc(z / math.sqrt(2))


def normal_isf(p: float) -> float:
    """Z with P(Z > z) = p."""
    return -statistics.NormalDist().inv_cdf(p)


def t_tail(t: float, df: float) -> float:
    """P(T > t) of Student's t."""
    if math.isinf(df):
        return normal_tail(t)
    if t < 0:
        return 1 - t_tail(-t, df)
    if df > 1e6:  # Wallace 1959; off by less than 1 / df² here
        return normal_tail((8 * df + 1) / (8 * df + 3) * math.sqrt(df * math.log1p(t * t / df)))
    y = t * t / (df + t * t)
    return 0.5 * (1 - _beta(y, 0.5, df / 2)) if y < 1.5 / (df / 2 + 2.5) else 0.5 * _beta(df / (df + t * t), df / 2, 0.5)


def t_isf(p: float, df: float) -> float:
    """T with P(T > t) = p, for p below one half."""
    z = normal_isf(p)
    if math.isinf(df):
        return z
    g = z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
    if df > 1e6:
        return g
    low, high = 0.0, max(g, 1.0)
    while t_tail(high, df) > p:
        low, high = high, high * 2
    t = min(max(g, low), high)
    for _ in range(200):
        tail = t_tail(t, df)
        low, high = (t, high) if tail > p else (low, t)
        density = math.exp(-_log_beta_half(df / 2) - 0.5 * math.log(df) - (df + 1) / 2 * math.log1p(t * t / df))
        step = t + (tail - p) / density if density > 0 else math.inf
        new = step if low < step < high else (low + high) / 2
        if abs(new - t) <= 4e-16 * t:
            return new
        t = new
    return t


def _log_beta_half(a: float) -> float:
    """Ln B(a, 1/2) without the cancellation of large log-gammas."""
    if a < 50:
        return math.lgamma(a) + math.lgamma(0.5) - math.lgamma(a + 0.5)
    ratio = 0.5 * math.log(a) - 1 / (8 * a) + 1 / (192 * a**3) - 1 / (640 * a**5)  # ln Γ(a + 1/2) − ln Γ(a)
    return math.lgamma(0.5) - ratio


def _beta(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b) where a or b is 1/2, by its continued fraction."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    half = a if b == 0.5 else b
    front = math.exp(a * math.log(x) + b * math.log1p(-x) - _log_beta_half(half)) / a
    tiny = 1e-300
    c, d = 1.0, 1 / ((1 - (a + b) * x / (a + 1)) or tiny)
    h = d
    for m in range(1, 20_000):
        for top in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / ((1 + top * d) or tiny)
            c = (1 + top / c) or tiny
            h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return front * h


def chi2_tail(x: float, df: int) -> float:
    """P(χ² > x) for whole df, by the finite sums for even and odd degrees of freedom."""
    if x <= 0:
        return 1.0
    half = x / 2
    if df % 2 == 0:
        term = total = math.exp(-half)
        for i in range(1, df // 2):
            term *= half / i
            total += term
        return total
    total = math.erfc(math.sqrt(half))
    term = math.exp(-half) * math.sqrt(half) / math.gamma(1.5)
    for i in range(1, df // 2 + 1):
        total += term
        term *= half / (i + 0.5)
    return total


# ------------------------------------------------------------------------------------------------ moments to estimates

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


def _column(index: int) -> Callable[[Sequence[float]], Gradient]:
    return lambda m: (m[index], [1.0 if i == index else 0.0 for i in range(len(m))])


def _ratio(m: Sequence[float]) -> Gradient:
    value = m[0] / m[1]
    return value, [1 / m[1], -value / m[1], *[0.0] * (len(m) - 2)]


class _Formula:
    """Arithmetic over named means: value and gradient, by recursive descent over the text."""

    TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)|([A-Za-z_]\w*)|`([^`]+)`|([-+*/()]))", re.ASCII)

    def __init__(self, text: str) -> None:
        self.tokens = [(m[1], m[2] or m[3], m[4]) for m in self.TOKEN.finditer(text)]
        self.names = list(dict.fromkeys(name for _, name, _ in self.tokens if name))

    def __call__(self, means: Sequence[float]) -> Gradient:
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
            return _column(self.names.index(name))(self.means)
        if sign == "-":
            value, grad = self._atom()
            return -value, [-g for g in grad]
        value, grad = self._sum()
        self.at += 1
        return value, grad


def _form(a: Sequence[float], cov: Sequence[Sequence[float]], b: Sequence[float]) -> float:
    """A' Cov b."""
    return math.fsum(x * math.fsum(row[j] * b[j] for j in range(len(b))) for x, row in zip(a, cov, strict=True) if x)


def _constant(mean: float, variance: float) -> bool:
    return variance <= (1e-12 * mean) ** 2


def _welch(a: float, b: float, da: float, db: float) -> float:
    total = a + b
    return 1 / ((a / total) ** 2 / da + (b / total) ** 2 / db) if total > 0 and da > 0 and db > 0 else NAN


def _plain_pair(c: J, t: J, subject: Callable[[Sequence[float]], Gradient]) -> Pair:
    n = c["n"] + t["n"]
    try:
        (mc, gc), (mt, gt) = subject(c["mean"]), subject(t["mean"])
    except ZeroDivisionError:
        return Pair(n=n, status="zero_denominator")
    if c["n"] < 2 or t["n"] < 2:
        return Pair(mc, mt, n=n, status="not_enough_units")
    sc, st = max(_form(gc, c["cov"], gc), 0.0), max(_form(gt, t["cov"], gt), 0.0)
    flat = _constant(mc, sc), _constant(mt, st)
    if any(flat):
        same = all(flat) and math.isclose(mc, mt, rel_tol=1e-12, abs_tol=0.0)
        return Pair(mc, mt, n=n, status="zero_variance" if same else "separation")
    vc, vt = sc / c["n"], st / t["n"]
    return Pair(mc, mt, vc, vt, 0.0, _welch(vc, vt, c["n"] - 1, t["n"] - 1), n)


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


def _adjusted(c: J, t: J, subject: Callable[[Sequence[float]], Gradient], xs: Sequence[int], base: Pair) -> tuple[Pair, float]:
    """The pair after CUPED and the share of variance that went; closed form from the moments."""
    functions = [subject, *map(_column, xs)]

    def joint(cell: J) -> tuple[list[float], list[list[float]]]:
        values = [f(cell["mean"]) for f in functions]
        grads = [g for _, g in values]
        return [v for v, _ in values], [[_form(a, cell["cov"], b) / cell["n"] for b in grads] for a in grads]

    (yc, sc), (yt, st) = joint(c), joint(t)
    k = range(1, len(functions))
    varies = [i for i in k if not (_constant(yc[i], sc[i][i] * c["n"]) and _constant(yt[i], st[i][i] * t["n"]))]
    total = [[sc[i][j] + st[i][j] for j in range(len(functions))] for i in range(len(functions))]
    scale = {i: math.sqrt(total[i][i]) for i in varies}
    scaled, used = _solve(
        [[total[i][j] / scale[i] / scale[j] for j in varies] for i in varies], [total[i][0] / scale[i] for i in varies]
    )
    theta = {i: x / scale[i] for i, x in zip(varies, scaled, strict=True)}
    if min(c["n"], t["n"]) <= used + 1:
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
        _welch(max(own_c, 0.0), max(own_t, 0.0), c["n"] - 1 - used, t["n"] - 1 - used),
        base.n,
    )
    reduction = min(max(1 - pair.variance / base.variance, 0.0), 1.0)
    if pair.variance <= 1e-12 * base.variance:
        return Pair(pair.mc, pair.mt, n=base.n, status="zero_variance"), 1.0
    return pair, reduction


def _events(cell: J) -> int | None:
    """Units with a 1, where the first column holds only zeros and ones; seen from its moments."""
    p, n = cell["mean"][0], cell["n"]
    if n < 2 or not 0 <= p <= 1 or abs(p * n - round(p * n)) > 1e-6 * max(1.0, p * n):
        return None
    binary = math.isclose(cell["cov"][0][0], p * (1 - p) * n / (n - 1), rel_tol=1e-9, abs_tol=1e-12)
    return round(p * n) if binary else None


@dataclass(frozen=True)
class Score:
    """Miettinen and Nurminen's score statistics of two proportions, for tiny counts."""

    x_c: int
    n_c: int
    x_t: int
    n_t: int

    @property
    def tiny(self) -> bool:
        """Fewer than 10 units of a variant have the event, or lack it."""
        return min(self.x_c, self.n_c - self.x_c, self.x_t, self.n_t - self.x_t) < 10

    @property
    def silent(self) -> bool:
        """All units of both variants have, or all lack, the event."""
        return self.x_c == self.x_t == 0 or (self.x_c == self.n_c and self.x_t == self.n_t)

    def _likeliest(self, treated: Callable[[float], float], slope: float, low: float, high: float) -> float:
        """Control's share that is likeliest under a null, by bisection of the likelihood's derivative."""

        def rise(pc: float) -> float:
            pt = treated(pc)
            out = 0.0
            for x, n, p, s in ((self.x_c, self.n_c, pc, 1.0), (self.x_t, self.n_t, pt, slope)):
                out += (x and s * (x / p if p > 0 else math.inf)) - (n - x and s * ((n - x) / (1 - p) if p < 1 else math.inf))
            return out

        for _ in range(200):
            middle = (low + high) / 2
            if middle in (low, high):
                break
            low, high = (middle, high) if rise(middle) > 0 else (low, middle)
        return (low + high) / 2

    def z_effect(self, null: float) -> float:
        """Statistic of a difference."""
        pc = self._likeliest(lambda p: min(max(p + null, 0.0), 1.0), 1.0, max(0.0, -null), min(1.0, 1 - null))
        return self._z(pc, min(max(pc + null, 0.0), 1.0), 1.0, null)

    def z_ratio(self, null: float) -> float:
        """Statistic of a ratio."""
        pc = self._likeliest(lambda p: min(p * null, 1.0), null, 0.0, min(1.0, 1 / null))
        return self._z(pc, min(pc * null, 1.0), null, 0.0)

    def _z(self, pc: float, pt: float, factor: float, shift: float) -> float:
        n = self.n_c + self.n_t
        variance = (pt * (1 - pt) / self.n_t + factor**2 * pc * (1 - pc) / self.n_c) * n / (n - 1)
        distance = self.x_t / self.n_t - factor * self.x_c / self.n_c - shift
        return distance / math.sqrt(variance) if variance > 0 else math.copysign(math.inf, distance) if distance else 0.0

    def effect(self, q: float) -> tuple[float, float, float]:
        """Difference and its interval."""
        at = self.x_t / self.n_t - self.x_c / self.n_c
        return at, _cross(lambda d: self.z_effect(d) - q, -1.0, at), _cross(lambda d: self.z_effect(d) + q, at, 1.0)

    def lift(self, q: float) -> tuple[float | None, float | None, float | None, str]:
        """Lift, its interval, and the status where there is none."""
        if self.x_c == 0:
            return None, None, None, "control_near_zero" if self.x_t == 0 else "unbounded_lift"
        ratio = self.x_t * self.n_c / (self.x_c * self.n_t)
        at = math.log(ratio) if ratio > 0 else -60.0
        low = -1.0 if self.x_t == 0 else math.expm1(_cross(lambda v: self.z_ratio(math.exp(v)) - q, -60.0, at))
        return ratio - 1, low, math.expm1(_cross(lambda v: self.z_ratio(math.exp(v)) + q, at, 60.0)), ""


def _cross(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function is zero; the end it stays beyond where it is nowhere."""
    inside = low * (1 - 1e-12), high * (1 - 1e-12)
    if function(inside[0]) <= 0:
        return low
    if function(inside[1]) >= 0:
        return high
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True)
class Estimate:
    """A metric for one treatment against control."""

    pair: Pair
    plain: Pair
    reduction: float | None = None
    share: bool = False
    score: Score | None = None


def estimate(metric: J, c: J | None, t: J | None) -> Estimate:
    """From two cells of moments to a pair."""
    if c is None or t is None or c["n"] < 1 or t["n"] < 1:
        means = [x["mean"][0] if x is not None and x["n"] and len(x["mean"]) == 1 else NAN for x in (c, t)]
        empty = Pair(means[0], means[1], n=sum(x["n"] for x in (c, t) if x), status="not_enough_units")
        return Estimate(empty, empty)
    columns = c["columns"]
    subject: Callable[[Sequence[float]], Gradient] = _column(0)
    own = 1
    if metric["kind"] == "formula":
        formula = _Formula(metric["expression"])
        formula.names = columns[: len(formula.names)]
        subject, own = formula, len(formula.names)
    elif columns[:2] == ["numerator", "denominator"]:
        subject, own = _ratio, 2
    plain = _plain_pair(c, t, subject)
    is_quantile = metric["kind"] == "quantile"
    events = [None if is_quantile or own > 1 or metric["kind"] == "formula" else _events(x) for x in (c, t)]
    share = None not in events
    score = Score(events[0] or 0, c["n"], events[1] or 0, t["n"]) if share else None
    score = score if score is not None and score.tiny else None
    base = plain
    if plain.status == "ok" and (is_quantile or share):  # the variance of a share follows from it: the normal applies
        vc, vt = ((x["n"] - 1) / x["n"] if share else 1.0 for x in (c, t))
        plain = Pair(plain.mc, plain.mt, vc * plain.vc, vt * plain.vt, 0.0, math.inf, plain.n)
    xs = list(range(own, len(columns)))
    if is_quantile or not (metric.get("cuped") and xs):
        return Estimate(plain, plain, None, share, score)
    if plain.status != "ok":
        return Estimate(plain, plain, None, share)
    pair, reduction = _adjusted(c, t, subject, xs, base)
    return Estimate(pair, plain, reduction if math.isfinite(reduction) else None, share)


# -------------------------------------------------------------------------------------------------- designs and results


@dataclass(frozen=True)
class Design:
    """Fixed horizon, or the normal mixture with variance `rho2` in units of one unit's noise."""

    rho2: float | None

    def q(self, pair: Pair, alpha: float) -> float:
        """How many standard errors the interval reaches."""
        if self.rho2 is None:
            return t_isf(alpha / 2, pair.df)
        k = pair.n * self.rho2
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
        return min(1.0, 2 * t_tail(abs(z), pair.df)) if self.rho2 is None else math.exp(-max(self.log_e(z, pair.n), 0.0))

    def p_one_sided(self, z: float, pair: Pair) -> float:
        """One-sided p-value of a distance z on the good side."""
        if self.rho2 is None:
            return t_tail(z, pair.df)
        return min(1.0, 0.5 * math.exp(-self.log_e(z, pair.n))) if z > 0 else 1.0


def design_of(plan: J, treatment: J) -> Design:
    """The design of the plan for one treatment."""
    model = plan["model"]
    if model["kind"] != "sequential":
        return Design(None)
    control = next(v for v in plan["variants"] if v.get("control"))
    both = control["split"] + treatment["split"]
    if model.get("n_opt"):
        a = -2 * math.log(_alpha(plan))
        return Design((a + math.log1p(a)) / (model["n_opt"] * both))
    share = control["split"] / both
    return Design(model["tau"] ** 2 * share * (1 - share))


def _alpha(plan: J) -> float:
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


def _lift_z(pair: Pair, lift: float) -> float:
    f = 1 + lift * (-1 if pair.mc < 0 else 1)
    return (pair.mt - f * pair.mc) / math.sqrt(pair.vt + f * f * pair.vc - 2 * f * pair.cov)


def _has_lift(pair: Pair) -> bool:
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


def _cells(summary: J) -> dict[tuple[str, str, str, str, str], J]:
    return {
        (c["metric"], c["variant"], c["form"], c.get("dimension", ""), c.get("slice", "")): c
        for c in reversed(summary["cells"])
    }


def rows_of(plan: J, summary: J, *, dimension: str = "", slice_: str = "") -> list[dict[str, J]]:
    """Every row of the readout, computed from the moments."""
    cells = _cells(summary)
    control = next(v["key"] for v in plan["variants"] if v.get("control"))
    alpha = _alpha(plan)
    items = []
    for metric in plan["metrics"]:
        for variant in plan["variants"]:
            if not variant.get("control"):
                pick = [cells.get((metric["key"], v, "value", dimension, slice_)) for v in (control, variant["key"])]
                raw = [cells.get((metric["key"], v, "raw", dimension, slice_)) for v in (control, variant["key"])]
                items.append((metric, variant, pick, estimate(metric, *pick), design_of(plan, variant), raw))
    found = [(_p_value(e, d), alpha) for _, _, _, e, d, _ in items]
    corrected: list[tuple[float, float]] = list(found)
    second = plan.get("secondary_correction", "bh")
    groups: list[tuple[tuple[str, ...], str]] = (
        [(("primary", "secondary"), plan.get("correction", "holm")), (("guardrail",), "none")]
        if plan.get("family") == "primary_and_secondary"
        else [(("primary",), plan.get("correction", "holm")), (("secondary",), second), (("guardrail",), "none")]
    )
    for roles, name in groups:
        members = [i for i, item in enumerate(items) if item[0]["role"] in roles]
        own = [found[i][0] for i in members]
        if name == "e-bh":
            pairs = [(items[i][3].pair, items[i][4]) for i in members]
            e_values = [_e(pair, design) for pair, design in pairs]
            adjusted = adjust(e_values, name)
        else:
            adjusted = adjust(own, name)
        of = sum(not math.isnan(p) for p in own)
        level = interval_level(alpha, name, sum(p <= alpha for p in adjusted if not math.isnan(p)), of)
        for i, p in zip(members, adjusted, strict=True):
            corrected[i] = (p, level)
    return [_row(plan, item, found[i][0], *corrected[i]) for i, item in enumerate(items)]


def _scores(est: Estimate, design: Design) -> Score | None:
    """The counts where the score method judges a row."""
    judged = design.rho2 is None and est.reduction is None and est.pair.status != "zero_variance"
    return est.score if judged else None


def _p_value(est: Estimate, design: Design) -> float:
    score = _scores(est, design)
    if score is None:
        return design.p(est.pair)
    return NAN if score.silent else min(1.0, 2 * normal_tail(abs(score.z_effect(0.0))))


def _e(pair: Pair, design: Design) -> float:
    if pair.status != "ok" or design.rho2 is None:
        return NAN
    log = design.log_e((pair.mt - pair.mc) / math.sqrt(pair.variance), pair.n)
    return math.inf if log > 709 else math.exp(log)


def _interval(pair: Pair, design: Design, level: float) -> dict[str, J]:
    out: dict[str, J] = dict.fromkeys(("effect", "ci_low", "ci_high", "lift", "lift_low", "lift_high", "se"))
    out["status"] = pair.status
    effect = pair.mt - pair.mc
    out["effect"] = _finite(effect)
    if _has_lift(pair):
        out["lift"] = effect / abs(pair.mc)
    if pair.status != "ok":
        return out
    q, se = design.q(pair, level), math.sqrt(pair.variance)
    out |= {"se": se, "ci_low": effect - q * se, "ci_high": effect + q * se, "q": q}
    ends = fieller(pair, q) if _has_lift(pair) else None
    if ends is not None:
        out["lift_low"], out["lift_high"] = ends
    else:
        out["status"] = "unbounded_lift" if _has_lift(pair) else "control_near_zero"
    return out


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _row(plan: J, item: J, p: float, p_adjusted: float, level: float) -> dict[str, J]:
    metric, variant, cells, est, design, raw = item
    pair, alpha = est.pair, _alpha(plan)
    sign = 1 if metric["direction"] == "increase" else -1
    row = _interval(pair, design, level)
    q = row.pop("q", NAN)
    score = _scores(est, design)
    if score is not None:
        q = normal_isf(level / 2)
        row["effect"], row["ci_low"], row["ci_high"] = score.effect(q)
        row["lift"], row["lift_low"], row["lift_high"], no_lift = score.lift(q)
        row["status"] = pair.status if math.isnan(p) else "few_events"
        if row["status"] in ("ok", "few_events") and no_lift:
            row["status"] = no_lift
    verdict = "unclear"
    if row["effect"] is not None and p_adjusted <= alpha:
        verdict = "better" if sign * row["effect"] > 0 else "worse"
    row |= {
        "metric": metric["key"],
        "variant": variant["key"],
        "role": metric["role"],
        "direction": metric["direction"],
        "n_control": cells[0]["n"] if cells[0] else 0,
        "n": cells[1]["n"] if cells[1] else 0,
        "mean_control": _finite(est.plain.mc),
        "mean": _finite(est.plain.mt),
        "p_value": _finite(p),
        "p_adjusted": _finite(p_adjusted),
        "alpha": level,
        "verdict": verdict,
        "is_proportion": est.share,
        "variance_reduction": est.reduction,
        "matters": None,
        "too_small": None,
    }
    least = metric.get("min_lift")
    policy = plan.get("decision", {})
    if least is not None and policy.get("practical", "estimate") != "none" and pair.status == "ok" and _has_lift(pair):
        z = sign * _lift_z(pair, sign * least)
        row["matters"] = z > q if policy.get("practical") == "interval" else sign * (pair.mt - pair.mc) / abs(pair.mc) >= least
        row["too_small"] = z < -q
    row |= _margin(metric, policy, pair, design, q, verdict, sign)
    row["sensitivity"] = []
    if est.reduction is not None:
        row["sensitivity"].append(("without CUPED", _interval(est.plain, design, level), design.p(est.plain)))
    if all(c is not None for c in raw):
        plain = estimate(metric, *raw).plain
        row["sensitivity"].append(("raw", _interval(plain, design, level), design.p(plain)))
    return row


def _margin(metric: J, policy: J, pair: Pair, design: Design, q: float, verdict: str, sign: int) -> dict[str, J]:
    margin, relative = metric.get("margin"), metric.get("margin_rel")
    is_rail = metric["role"] == "guardrail"
    size = relative if relative is not None else margin
    if size is None:
        state = "" if not is_rail else "unclear" if pair.status != "ok" else "bad" if verdict == "worse" else "ok"
        return {"guardrail": state, "margin": None, "margin_p_value": None}
    out: dict[str, J] = {"margin": -sign * size, "margin_p_value": None, "guardrail": "unclear" if is_rail else ""}
    if pair.status != "ok":
        return out
    distance = (
        _lift_z(pair, -sign * size) if relative is not None else (pair.mt - pair.mc + sign * size) / math.sqrt(pair.variance)
    )
    z = sign * distance
    out["margin_p_value"] = design.p_one_sided(z, pair)
    if is_rail and z > q:
        out["guardrail"] = "ok"
    elif is_rail and verdict == "worse":
        out["guardrail"] = "bad"
    elif is_rail and policy.get("guardrails") == "not_worse":
        out["guardrail"] = "ok"
    return out


# ------------------------------------------------------------------------------------------------------------- the rule

ORDER = ("invalid", "ship none", "iterate", "ship")
COMPUTED = ("ok", "unbounded_lift", "control_near_zero", "few_events")


def situation(plan: J, rows: Sequence[J], health: Sequence[J], adequate: bool) -> dict[str, J]:
    """What was found for one treatment variant."""
    ladder = ("worse", "unclear", "small", "win")
    primaries = [r for r in rows if r["role"] == "primary"]
    states = [
        "worse"
        if r["verdict"] == "worse"
        else "unclear"
        if r["verdict"] == "unclear"
        else "small"
        if r["matters"] is False
        else "win"
        for r in primaries
    ]
    best = max if plan.get("decision", {}).get("ship_when", "any_primary") == "any_primary" else min
    rails = [r["guardrail"] for r in rows if r["role"] == "guardrail"]
    loud = [c for c in health if c["status"] in ("warn", "fail")]
    return {
        "primary": best(states, key=ladder.index) if states else "unclear",
        "deteriorated": any(r["verdict"] == "worse" for r in rows if r["role"] != "guardrail"),
        "guardrails": "bad" if "bad" in rails else "unclear" if "unclear" in rails else "ok",
        "health": "fail" if any(c["gate"] and c["status"] == "fail" for c in loud) else "warn" if loud else "pass",
        "adequate": bool(adequate and primaries and all(r["status"] in COMPUTED for r in primaries)),
    }


def rule(policy: J, s: Mapping[str, J]) -> tuple[str, str]:
    """Row and outcome of the decision rule."""
    win = s["primary"] == "win"
    ladder: list[tuple[str, bool, str]] = [
        ("R1", s["health"] == "fail", "invalid"),
        ("R2", s["guardrails"] == "bad", "ship none"),
        ("R3", s["primary"] == "worse", "ship none"),
        ("R4", win and s["deteriorated"], "iterate"),
        ("R5", win and s["guardrails"] == "unclear", "iterate"),
        ("R6", win and s["health"] == "warn" and policy.get("health") == "no_warnings", "iterate"),
        ("R7", win, "ship"),
        ("R8", s["deteriorated"], "ship none"),
        ("R9", not s["adequate"], "iterate"),
        ("R10", s["primary"] == "small", "ship none"),
    ]
    return next(((row, outcome) for row, fits, outcome in ladder if fits), ("R11", "ship none"))


def recommended(plan: J, rows: Sequence[J], health: Sequence[J], adequate: bool) -> dict[str, J]:
    """Outcome over all treatments: invalid if any is, else the best; of several that ship, the largest first primary lift."""
    verdicts = []
    for variant in plan["variants"]:
        if variant.get("control"):
            continue
        s = situation(plan, [r for r in rows if r["variant"] == variant["key"]], health, adequate)
        verdicts.append((variant["key"], s, *rule(plan.get("decision", {}), s)))
    outcomes = [v[3] for v in verdicts]
    outcome = "invalid" if "invalid" in outcomes else max(outcomes, key=ORDER.index)
    first = next(m for m in plan["metrics"] if m["role"] == "primary")
    sign = 1 if first["direction"] == "increase" else -1
    lifts = {r["variant"]: sign * r["lift"] for r in rows if r["metric"] == first["key"] and r["lift"] is not None}
    chosen = max((v for v in verdicts if v[3] == outcome), key=lambda v: lifts.get(v[0], -math.inf))
    return {
        "outcome": outcome,
        "variant": chosen[0] if outcome == "ship" else "",
        "rows": [v[2] for v in verdicts],
        "variants": [{"variant": v[0], "situation": v[1], "row": v[2], "outcome": v[3]} for v in verdicts],
    }


# ------------------------------------------------------------------------------------------------------ comparing parts


def _near(a: J, b: J, scale: float) -> bool:
    if a is None or b is None:
        return a is b
    if isinstance(a, (bool, str)) or isinstance(b, (bool, str)):
        return type(a) is type(b) and bool(a == b)
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= CLOSE * max(abs(a), abs(b), scale)
    return False


_NUMBERS = ("mean_control", "mean", "effect", "ci_low", "ci_high", "lift", "lift_low", "lift_high", "se", "variance_reduction")
_CHANCES = ("p_value", "p_adjusted", "alpha", "margin_p_value")
_WORDS = (
    *("metric", "variant", "role", "direction", "n_control", "n", "is_proportion", "status"),
    *("verdict", "matters", "too_small", "guardrail", "margin"),
)
_BY_ENGINE = (
    *("ci_low", "ci_high", "lift_low", "lift_high", "alpha", "margin_p_value", "p_value", "p_adjusted"),
    *("verdict", "matters", "too_small", "guardrail", "status", "chance", "effect", "lift"),
)
"""Fields of designs whose multiplier or posterior only the engine computes."""


def _width(row: Mapping[str, J], low: str, high: str) -> float:
    a, b = row.get(low), row.get(high)
    return float(b - a) if isinstance(a, (int, float)) and isinstance(b, (int, float)) else 0.0


def _compare_row(notes: _Notes, where: str, ours: Mapping[str, J], theirs: Mapping[str, J], skip: Sequence[str]) -> None:
    effect, lift = _width(ours, "ci_low", "ci_high"), _width(ours, "lift_low", "lift_high")
    for name in (*_WORDS, *_NUMBERS, *_CHANCES):
        if name in skip or name not in ours:
            continue
        scale = lift if name.startswith("lift") else effect if name in _NUMBERS else 1e-3
        expected, found = ours[name], theirs.get(name)
        if not _near(expected, found, scale):
            notes.differs(f"estimates, {where}, {name}", expected, found)
    for name, other, p in ours.get("sensitivity", ()):
        match = next((s for s in theirs["sensitivity"] if s["name"] == name), None)
        if match is None:
            notes.differs(f"estimates, {where}, sensitivity", name, "nothing")
            continue
        for key, value in {**other, "p_value": _finite(p)}.items():
            if key in match and key not in skip and not _near(value, match[key], _width(other, "ci_low", "ci_high")):
                notes.differs(f"estimates, {where}, {name}, {key}", value, match[key])


def _check_estimates(notes: _Notes, readout: J) -> None:
    plan, kind = readout["plan"], readout["plan"]["model"]["kind"]
    skip = _BY_ENGINE if kind in ("group_sequential", "bayesian") else ()
    before = len(notes.differences)
    groups = [("", "", readout["rows"])]
    groups += [(s["dimension"], value, rows) for s in readout["segments"] for value, rows in s["slices"].items()]
    for dimension, value, theirs in groups:
        ours = rows_of(plan, readout["summary"], dimension=dimension, slice_=value)
        if [(r["metric"], r["variant"]) for r in ours] != [(r["metric"], r["variant"]) for r in theirs]:
            notes.differs("estimates, rows", [r["metric"] for r in ours], [r["metric"] for r in theirs])
            continue
        for mine, other in zip(ours, theirs, strict=True):
            where = f"{other['metric']} for {other['variant']}" + (f" in {dimension} {value}" if dimension else "")
            leave = (*skip, "p_adjusted", "verdict", "guardrail") if dimension else skip
            _compare_row(notes, where, {**mine, "sensitivity": ()} if dimension else mine, other, leave)
    if not skip:
        _check_slices(notes, readout)
    others = sorted({s["name"] for r in readout["rows"] for s in r["sensitivity"]} - {"without CUPED", "raw"})
    if others:
        notes.not_checked.append(f"for comparison only, by the engine: {', '.join(others)} (xpbench verify --full)")
    if len(notes.differences) == before:
        count = sum(len(rows) for _, _, rows in groups)
        what = "means and standard errors" if skip else "estimates, intervals, p-values and margins"
        notes.checked.append(f"{what} of {count} rows recomputed from the moments")
    if skip:
        notes.not_checked.append(f"intervals of the {kind} model need the engine: xpbench verify --full")


def _check_slices(notes: _Notes, readout: J) -> None:
    """Correction over slices, and the test that the effect is the same in all of them."""
    for segment in readout["segments"]:
        columns = list(zip(*segment["slices"].values(), strict=True))
        for rows in columns:
            where = f"segment {segment['dimension']}, {rows[0]['metric']} for {rows[0]['variant']}"
            for p, row in zip(adjust([NAN if r["p_value"] is None else r["p_value"] for r in rows], "bh"), rows, strict=True):
                if not _near(_finite(p), row["p_adjusted"], 1e-3):
                    notes.differs(f"estimates, {where}, p_adjusted", _finite(p), row["p_adjusted"])
            known = [(r["effect"], 1 / r["se"] ** 2) for r in rows if r["effect"] is not None and r["se"]]
            expected = None
            if len(known) > 1:
                mean = math.fsum(w * d for d, w in known) / math.fsum(w for _, w in known)
                expected = chi2_tail(math.fsum(w * (d - mean) ** 2 for d, w in known), len(known) - 1)
            found = segment["interaction"].get(f"{rows[0]['metric']}:{rows[0]['variant']}")
            if not _near(expected, found, 1e-3):
                notes.differs(f"estimates, {where}, same effect in all slices", expected, found)


def _check_decision(notes: _Notes, payload: J) -> None:
    readout = payload["readout"]
    plan, policy = readout["plan"], readout["plan"].get("decision", {})
    before = len(notes.differences)
    notes.same("decision rule, digest", sha256(canonical(payload["rule"])), readout["rule_digest"])
    horizon, summary = plan.get("horizon", {}), readout["summary"]
    if horizon.get("units") and not horizon.get("days"):
        notes.same(
            "decision, horizon reached", sum(summary["units"].values()) >= horizon["units"], readout["due"]["is_adequate"]
        )
    ours = recommended(plan, readout["rows"], readout["health"], readout["due"]["is_adequate"])
    theirs = readout["recommendation"]
    for name in ("outcome", "variant", "rows"):
        notes.same(f"decision, {name}", ours[name], theirs[name])
    for mine, other in zip(ours["variants"], theirs["variants"], strict=False):
        for name in ("variant", "situation", "row", "outcome"):
            notes.same(f"decision, {mine['variant']}, {name}", mine[name], other[name])
        fits = next(
            (r for r in payload["rule"] if all(mine["situation"][k] in allowed for k, allowed in r["when"].items())), None
        )
        notes.same(f"decision, {mine['variant']}, row of the rule", fits and fits["id"], mine["row"])
        notes.same(f"decision, {mine['variant']}, because", fits and fits["because"], other["because"])
    decision = payload["decision"]
    if decision is not None:
        follows = (decision["outcome"], decision["variant"]) == (ours["outcome"], ours["variant"])
        notes.same("decision, follows the rule", follows, decision["follows_rule"])
    if len(notes.differences) == before:
        notes.checked.append(f"decision follows from the estimates by row {', '.join(dict.fromkeys(ours['rows']))} of the rule")
    _ = policy


# ---------------------------------------------------------------------------------------------------------- the ledger

_SUM = re.compile(r',"sha256":"([0-9a-f]{64})"\}\Z')
LEVELS = ("nothing assigned", "no outcomes computed", "outcomes computed, unseen", "effects seen")
_SEEN = ("peeked", "opened", "decided", "deferred", "superseded", "memo", "watched")


def chain(lines: Sequence[str]) -> Iterator[tuple[J, str]]:
    """Each entry of a ledger with the SHA-256 of its line; a ValueError says which line does not hold and why."""
    head, last = START, ""
    for number, line in enumerate(lines, 1):
        entry = loads(line)
        own = _SUM.search(line)
        if own is None or sha256(line[: own.start()] + "}") != own[1]:
            raise ValueError(f"entry {number} was changed: its own SHA-256 does not fit")
        if entry["schema"] > SCHEMA:
            raise _NewerError(f"entry {number} of the ledger has schema {entry['schema']}")
        if entry["seq"] != number or entry["prev"] != head:
            raise ValueError(f"entry {number} does not follow from the one before: removed, added, moved, or a fork")
        if entry["at"] < last and not entry.get("set_back_seconds"):
            raise ValueError(f"entry {number} goes back in time and does not say so")
        head, last = sha256(line), entry["at"]
        yield entry, head


def _level(entries: Sequence[J]) -> str:
    level = 0
    for entry in entries:
        kind, body = entry["kind"], entry["body"]
        if kind in _SEEN:
            level = max(level, 3 if body.get("effects") is not False else 1)
        elif kind == "looked":
            level = max(level, 2 if body.get("outcomes") is not False else 1)
        elif kind == "launched":
            level = max(level, 1)
    return LEVELS[level]


def _check_ledger(notes: _Notes, payload: J) -> list[J] | None:
    part = payload["ledger"]
    try:
        linked = list(chain(part["lines"]))
    except ValueError as error:
        notes.differs("ledger chain", "a whole chain", str(error))
        return None
    before = len(notes.differences)
    entries = [e for e, _ in linked]
    notes.same("ledger, witness", {"length": len(linked), "digest": linked[-1][1] if linked else START}, part["witness"])
    table = [
        {
            "seq": e["seq"],
            "at": e["at"],
            "kind": e["kind"],
            "by": e["by"] or "",
            "digest": digest,
            "set_back_seconds": e.get("set_back_seconds", 0),
        }
        for e, digest in linked
    ]
    notes.same("ledger, table of entries", canonical(table), canonical(part["entries"]))
    if len(notes.differences) == before:
        notes.checked.append(f"chain of {len(linked)} ledger entries")
    return entries


def _check_story(notes: _Notes, payload: J, entries: list[J]) -> None:
    """Plan, look, readout and decision are those that the ledger has on record, in that order."""
    readout, before = payload["readout"], len(notes.differences)
    first = next((e for e in entries if e["kind"] == "registered"), None)
    if first is None:
        notes.differs("plan", "a registration in the ledger", "none")
        return
    plan, body = readout["plan"], first["body"]
    digest = sha256(canonical(plan))
    notes.same("plan digest", digest, readout["plan_digest"])
    notes.same("plan digest, as registered", sha256(canonical(body["plan"])), body["plan_digest"])
    expected = {"at": first["at"], "by": first["by"] or "", "plan_digest": body["plan_digest"]}
    notes.same("registration", canonical(expected), canonical(payload["registered"]))
    notes.same("experiment", body["plan"]["key"], readout["key"])
    in_force = [e for e in entries if e["kind"] in ("registered", "amended")][-1]
    notes.same("plan in force", sha256(canonical(in_force["body"]["plan"])), digest)
    amended = [(i, e) for i, e in enumerate(entries) if e["kind"] == "amended"]
    notes.same(
        "amendments",
        [(e["seq"], _level(entries[:i])) for i, e in amended],
        [(a["seq"], a["knowledge"]) for a in payload["amendments"]],
    )
    notes.same(
        "amendments, reasons", [e["body"].get("reason", "") for _, e in amended], [a["reason"] for a in payload["amendments"]]
    )
    signed = sorted(str(e["body"].get("name") or e["by"] or "") for e in entries if e["kind"] == "signed_off")
    notes.same("sign-offs", signed, sorted(s["name"] for s in payload["sign_offs"] if s["at"]))
    notes.same("waivers", sum(e["kind"] == "waived" for e in entries), len(payload["waivers"]))
    looks = [e for e in entries if e["kind"] in ("opened", "peeked")]
    look = next((e for e in looks if e["at"] == readout["at"] and e["kind"] == readout["kind"]), None)
    if look is None:
        notes.differs("look", "the readout's look in the ledger", "none at its time")
    else:
        notes.same("look, data fingerprint", look["body"]["fingerprint"], readout["summary"]["fingerprint"])
        notes.same("look, units", look["body"]["units"], readout["summary"]["units"])
        upto = [e for e in looks if e["seq"] <= look["seq"]]
        notes.same(
            "looks", [(e["seq"], e["kind"] == "opened") for e in upto], [(x["seq"], x["planned"]) for x in readout["looks"]]
        )
    last = next((e for e in reversed(entries) if e["kind"] in ("decided", "deferred")), None)
    decision = payload["decision"]
    if last is None or decision is None:
        notes.same("decision in the ledger", last and last["seq"], decision and decision["seq"])
    else:
        told = last["body"]
        outcome = told.get("outcome", "defer") if last["kind"] == "decided" else "defer"
        recorded = [
            outcome,
            told.get("variant") or "",
            told.get("because") or told.get("reason") or "",
            last["by"] or "",
            last["at"],
        ]
        shown = [decision[k] for k in ("outcome", "variant", "because", "by", "at")]
        notes.same("decision in the ledger", recorded, shown)
        if "readout_digest" in told:
            notes.same("readout digest, as decided on", told["readout_digest"], sha256(canonical(readout)))
    if len(notes.differences) == before:
        notes.checked.append("plan, look, readout and decision are those of the ledger")


# ------------------------------------------------------------------------------------------------------------ the page


class _Page(HTMLParser):
    """Texts of marked elements, and the visible text as a whole."""

    VOID = frozenset(("meta", "br", "link", "img", "hr", "input"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.marked: dict[str, str] = {}
        self.text: list[str] = []
        self._open: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            mark = dict(attrs).get("data-x")
            self._open.append((tag, mark))
            if mark is not None:
                self.marked.setdefault(mark, "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if any(t == tag for t, _ in self._open):
            while self._open and self._open.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        tags = [t for t, _ in self._open]
        if "script" in tags or "style" in tags:
            return
        if data.strip():
            self.text.append(" ".join(data.split()))
        if "title" not in tags:
            for _, mark in self._open:
                if mark is not None:
                    self.marked[mark] += data


def parsed_page(document: str) -> _Page:
    """The page read as HTML."""
    page = _Page()
    page.feed(document)
    page.close()
    return page


def _decimals(width: float | None) -> int:
    if width is None or not math.isfinite(width) or width <= 0:
        return 2
    return max(0, min(8, 1 - math.floor(math.log10(width))))


def _fixed(value: float, decimals: int, signed: bool = False) -> str:
    text = f"{abs(value):,.{decimals}f}"
    if not any(c in "123456789" for c in text):
        return text
    return ("\u2212" if value < 0 else "+" if signed else "") + text


def _p_text(p: float | None) -> str:
    if p is None:
        return "–"
    if p < 0.0001:
        return "< 0.0001"
    return "> 0.9999" if p > 0.9999 else _fixed(p, max(2, min(4, 1 - math.floor(math.log10(p)))))


def row_texts(row: J) -> dict[str, str]:
    """How the numbers of a row stand on the page."""
    share = row["is_proportion"]
    has_lift, has_ends = row["lift"] is not None, row["lift_low"] is not None and row["lift_high"] is not None
    width = row["lift_high"] - row["lift_low"] if has_ends else None
    places = min(6, _decimals(None if width is None else 100 * width))
    span = None if row["ci_low"] is None or row["ci_high"] is None else row["ci_high"] - row["ci_low"]
    if span is None and row["effect"]:
        span = abs(row["effect"])
    unit = 100 if share else 1
    decimals = _decimals(None if span is None else unit * span)
    effect = "–" if row["effect"] is None else _fixed(unit * row["effect"], decimals, True) + ("\u202fpp" if share else "")
    ends = ("ci_low", "ci_high")
    effect_interval = " … ".join("–" if row[k] is None else _fixed(unit * row[k], decimals, True) for k in ends)
    effect_interval = "–" if None in (row["ci_low"], row["ci_high"]) else effect_interval
    lift = (
        _fixed(100 * row["lift"], places, True) + "\u202f%" if has_lift else "not enough data" if row["effect"] is None else "–"
    )
    if has_ends:
        lift_interval = " … ".join(_fixed(100 * row[k], places, True) for k in ("lift_low", "lift_high"))
    else:
        lift_interval = "unbounded" if has_lift else "–"
    means = [
        "–" if m is None else _fixed(unit * m, decimals) + ("\u202f%" if share else "")
        for m in (row["mean_control"], row["mean"])
    ]
    if has_lift and has_ends:
        shown = f"{lift}  ({lift_interval})"
    elif row["effect"] is not None and row["ci_low"] is not None:
        shown = f"effect {effect} ({effect_interval})"
    else:
        shown = "not enough data"
    chance = row.get("chance")
    return {
        "n": f"{row['n_control']:,} / {row['n']:,}",
        "control": means[0],
        "treatment": means[1],
        "effect": effect,
        "effect_interval": effect_interval,
        "lift": lift,
        "lift_interval": lift_interval,
        "p": _p_text(row["p_value"]),
        "p_adjusted": _p_text(row["p_adjusted"]),
        "chance": "" if chance is None else f"{_fixed(100 * chance, 1)}\u202f%",
        "shown": shown,
        "means": f"{means[0]} → {means[1]}",
    }


def _check_marks(notes: _Notes, payload: J, page: _Page) -> None:
    """The numbers on the page are those of the payload, formatted here by other code."""
    readout, before, count = payload["readout"], len(notes.differences), 0
    decision = payload["decision"] or readout["recommendation"]
    labels = {v["key"]: v.get("name") or v["key"] for v in readout["plan"]["variants"]}
    heads = {"ship none": "Ship none", "iterate": "Iterate", "invalid": "Do not read the effects", "defer": "Decision deferred"}
    variant = labels.get(decision["variant"], decision["variant"])
    wanted = {"headline": heads.get(decision["outcome"], f"Ship {variant}")}
    for i, row in enumerate(readout["rows"]):
        texts = row_texts(row)
        hidden = ("shown", "means", "p", "p_adjusted") if texts["chance"] else ("shown", "means", "chance")
        wanted |= {f"rows.{i}.{k}": v for k, v in texts.items() if k not in hidden}
        if "INVALID" not in readout["stamps"]:
            wanted |= {f"forest.{i}.{k}": texts[k] for k in ("shown", "means")}
    if "INVALID" not in readout["stamps"] and any(
        r["role"] == "primary" and None not in (r["effect"], r["ci_low"]) for r in readout["rows"]
    ):
        _check_impact(notes, readout, page.marked.get("impact.0", ""))
    for mark, text in wanted.items():
        found = page.marked.get(mark)
        count += 1
        if found is None or " ".join(found.split()) != " ".join(text.split()):
            notes.differs(f"page text, {mark.replace('.', ' ')}", text, found if found is not None else "nothing")
    if len(notes.differences) == before:
        notes.checked.append(f"{count} numbers and words of the page")


def _check_impact(notes: _Notes, readout: J, sentence: str) -> None:
    """The first impact sentence shows the interval of one of the primary metrics."""
    for row in readout["rows"]:
        if row["role"] != "primary" or None in (row["effect"], row["ci_low"], row["ci_high"]):
            continue
        texts = row_texts(row)
        key = "lift_interval" if row["lift_low"] is not None else "effect_interval"
        if all(end in sentence for end in texts[key].split(" … ")) and row["label"] in sentence:
            return
    notes.differs("page text, impact", "the interval of a primary metric", sentence)


def _first_difference(a: Sequence[str], b: Sequence[str]) -> tuple[str, str]:
    for x, y in zip(a, b, strict=False):
        if x != y:
            i = next((i for i, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), min(len(x), len(y)))
            return x[max(0, i - 40) : i + 60], y[max(0, i - 40) : i + 60]
    return f"{len(a)} pieces", f"{len(b)} pieces"


def _check_rendering(notes: _Notes, payload: J, document: str) -> None:
    """The same version of the package renders the same bytes."""
    try:
        from xpbench import __version__
        from xpbench.memo.render import page as render
    except ImportError:
        notes.not_checked.append("the page was not rendered again: the package is not installed here")
        return
    made_by = payload["readout"]["versions"]["xpbench"]
    if made_by != __version__:
        notes.not_checked.append(f"the page was not rendered again: it was made by version {made_by}, this is {__version__}")
        return
    _check_derived(notes, payload)
    expected = render(payload)
    if expected == document:
        notes.checked.append("page and charts rendered again, the same bytes")
        return
    ours, theirs = parsed_page(expected), parsed_page(document)
    if ours.text != theirs.text:
        notes.differs("page text", *_first_difference(ours.text, theirs.text))
        return
    charts = [re.findall(r"<svg.*?</svg>", text, re.DOTALL) for text in (expected, document)]
    part = "chart" if charts[0] != charts[1] else "page markup"
    left, right = charts if part == "chart" else ([expected], [document])
    notes.differs(part, *_first_difference(left, right))


def _check_derived(notes: _Notes, payload: J) -> None:
    """What the payload says of the ledger is what the package derives from its lines."""
    from xpbench.ledger import signature
    from xpbench.ledger.ledger import verify_lines
    from xpbench.memo.memo import story

    entries = verify_lines([line.encode() for line in payload["ledger"]["lines"]])
    for entry in entries:
        given = entry.body.get("signature") if entry.kind == "signed_off" else None
        if given is not None:
            name = str(entry.body.get("name", ""))
            verdict = signature.check(given, signature.message(str(entry.body.get("plan_digest", "")), name))
            if verdict == "invalid":
                notes.differs(f"sign-off of {name}", "a signature that fits", "one that does not")
            elif verdict == "valid":
                notes.checked.append(f"signature of {name} ({given['kind']})")
            else:
                notes.not_checked.append(f"the signature of {name} can't be checked here")
    derived = story(payload["readout"], entries)
    for name, value in derived.items():
        if canonical(json.loads(json.dumps(value))) != canonical(payload[name]):
            notes.differs(f"{name}, from the ledger", canonical(json.loads(json.dumps(value))), canonical(payload[name]))


# ---------------------------------------------------------------------------------------------------------------- verify


def read(path: str | Path) -> tuple[str, list[Difference]]:
    """Text of the file, with line ends put back where a mail client rewrote them."""
    file = Path(path)
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise _UnreadableError(f"the file has {size:,} bytes, more than the {MAX_BYTES:,} that a memo may have")
        data = file.read_bytes()
    except OSError as error:
        raise _UnreadableError(f"the file can't be read: {error.strerror or error}") from None
    except ValueError:
        raise _UnreadableError("the path names no file") from None
    found: list[Difference] = []
    if data.startswith(b"\xef\xbb\xbf"):
        found.append(Difference("byte order mark", "none", "one at the start, as editors add it"))
        data = data[3:]
    if b"\r" in data:
        ends = (
            f"{data.count(bytes([13, 10])):,} rewritten to CRLF, as mail clients do" if b"\r\n" in data else "carriage returns"
        )
        found.append(Difference("line ends", "LF as saved", ends))
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.strip():
        raise _UnreadableError("the file is empty")
    try:
        return data.decode("utf-8"), found
    except UnicodeDecodeError as error:
        if b"xpbench-payload" in data:
            found.append(Difference("encoding", "UTF-8", f"byte {error.start:,} is none"))
            return data.decode("utf-8", "replace"), found
        raise _UnreadableError("the file is no UTF-8 text") from None


def _parts(document: str) -> tuple[str, str | None]:
    """The payload's text, and the seal's (None for a bare payload file)."""
    if document.lstrip().startswith("{"):
        return document.strip(), None
    if "xpbench" not in document:
        raise _UnreadableError("this is no xpbench memo")
    if not document.rstrip().endswith("</html>") and SEAL not in document:
        raise _UnreadableError("the file ends too early: a truncated download")
    at, seal_at = document.find(PAYLOAD), document.rfind(SEAL)
    if at < 0 or seal_at < 0:
        raise ValueError("the elements that carry the evidence are damaged or missing")
    end, seal_end = document.find(END, at), document.find(END, seal_at)
    if end < 0 or seal_end < 0:
        raise _UnreadableError("the file ends too early: a truncated download")
    return document[at + len(PAYLOAD) : end], document[seal_at + len(SEAL) : seal_end]


def _sealed(path: str | Path, notes: _Notes) -> tuple[J, str | None, str]:
    """Payload, the seal's text and the document, with the digests of file and payload checked."""
    document, found = read(path)
    notes.differences += found
    text, seal_text = _parts(document)
    try:
        payload = loads(text)
    except ValueError as error:
        raise (_UnreadableError(f"this is no xpbench memo: {error}") if seal_text is None else error) from None
    if not isinstance(payload, dict) or payload.get("kind") != "xpbench memo":
        raise (_UnreadableError("this is no xpbench memo") if seal_text is None else ValueError("the payload is no memo"))
    if type(payload.get("schema")) is int and payload["schema"] > SCHEMA:
        raise _NewerError(f"the memo has schema {payload['schema']}, this program reads up to {SCHEMA}")
    data = canonical(payload)
    if seal_text is not None:
        seal = loads(seal_text)
        notes.same("payload digest", sha256(data), seal.get("payload"))
        escaped = data
        for sign in "<>&\u2028\u2029":
            escaped = escaped.replace(sign, f"\\u{ord(sign):04x}")
        if escaped != text:
            notes.differs("payload bytes", "canonical JSON", "the same values written in another way")
        at = document.rfind(SEAL) + len(SEAL)
        unsealed = document[:at] + document[document.find(END, at) :]
        notes.same("file digest", sha256(unsealed), seal.get("file"))
        notes.same("seal", canonical({"file": seal.get("file"), "payload": seal.get("payload"), "schema": 1}), seal_text)
        if not notes.differences:
            notes.checked.append("digests of file and payload")
    return payload, seal_text, document


def _verify(path: str | Path, notes: _Notes, extra: Mapping[str, Any]) -> tuple[str, str]:
    payload, seal_text, document = _sealed(path, notes)
    readout = payload["readout"]
    key, decision = readout["key"], payload["decision"] or readout["recommendation"]
    headline = f"{decision['outcome']} {decision['variant']}".strip()
    try:
        entries = _check_ledger(notes, payload)
        if entries is not None:
            _check_story(notes, payload, entries)
        _check_estimates(notes, readout)
        _check_decision(notes, payload)
        if seal_text is not None:
            _check_marks(notes, payload, parsed_page(document))
            _check_rendering(notes, payload, document)
    except _NewerError:
        raise
    except Exception as error:  # noqa: BLE001 - a file from anyone: whatever goes wrong in reading it is its own fault
        notes.differs("payload shape", "a whole memo", f"{type(error).__name__}: {error}")
    _check_context(notes, payload, extra)
    return key, headline


def _check_context(notes: _Notes, payload: J, extra: Mapping[str, Any]) -> None:
    """What stands outside of the file: an experiment's key, a ledger, a witness."""
    if extra.get("key") is not None:
        notes.same("experiment", extra["key"], payload["readout"]["key"])
    witness = extra.get("witness")
    if witness is not None:
        length, _, digest = str(witness).partition(":")
        lines = payload["ledger"]["lines"]
        place = int(length) if length.isdigit() else -1
        if place > len(lines):
            notes.differs(
                "witness", f"at least {place} entries", f"{len(lines)}: the memo is older than the witness, or the tail was cut"
            )
        else:
            notes.same("witness", digest, START if place == 0 else sha256(lines[place - 1]) if place > 0 else "no witness")
    ledger = extra.get("ledger")
    if ledger is not None:
        _check_against(notes, payload, Path(ledger))


def _check_against(notes: _Notes, payload: J, path: Path) -> None:
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        notes.differs("ledger file", "a ledger", f"{type(error).__name__}")
        return
    lines, known = text.split("\n")[:-1], payload["ledger"]["lines"]
    try:
        linked = list(chain(lines))
    except (ValueError, KeyError, TypeError) as error:
        notes.differs("ledger file", "a whole chain", str(error))
        return
    first = linked[0][0]["body"].get("plan", {}).get("key") if linked else None
    if first != payload["readout"]["key"]:
        notes.differs("ledger file, experiment", payload["readout"]["key"], first or "nothing")
    elif lines[: len(known)] == known:
        notes.checked.append(f"the ledger beside it still begins with the memo's {len(known)} entries")
    elif len(lines) < len(known) and known[: len(lines)] == lines:
        notes.differs("ledger file", f"{len(known)} entries", f"{len(lines)}: its tail was cut")
    else:
        place = next(i for i, (a, b) in enumerate(zip(known, lines, strict=False), 1) if a != b)
        notes.differs("ledger file", "the ledger that the memo saw", f"a fork: entry {place} is another one")


def verify(
    path: str | Path,
    *,
    key: str | None = None,
    ledger: str | Path | None = None,
    witness: str | None = None,
    full: bool = False,
) -> Report:
    """What recomputing everything in a memo shows; raises nothing for a bad memo.

    Args:
        path: A memo (`.html`), or its payload (`.json`).
        key: Experiment that it should be of.
        ledger: The experiment's ledger file today, which must begin with the entries that the memo carries.
        witness: `length:digest` noted elsewhere, which the memo's ledger must contain.
        full: Re-run what needs the engine (group-sequential and Bayesian intervals) by the installed package.
    """
    notes, where = _Notes(), str(path)
    key_found = headline = ""
    try:
        key_found, headline = _verify(path, notes, {"key": key, "ledger": ledger, "witness": witness})
        if full:
            _run_engine(path, notes)
    except _UnreadableError as error:
        return Report("unreadable", where, f"{error}.")
    except _NewerError as error:
        return Report("newer", where, f"{error}. Install a newer xpbench.")
    except (RecursionError, MemoryError):
        return Report("unreadable", where, "The file is built so deep or so large that it can't be read.")
    except Exception as error:  # noqa: BLE001 - as above
        notes.differs("payload", "a whole memo", f"{type(error).__name__}: {error}")
    if notes.differences:
        only = {d.part for d in notes.differences}
        reason = (
            f"{len(notes.differences)} thing{'' if len(notes.differences) == 1 else 's'} differ: {notes.differences[0].part}."
        )
        if only <= {"line ends", "byte order mark"}:
            reason = "Only its line ends or its byte order mark were rewritten; all evidence holds once they are put back."
        status = "differs"
    else:
        status, reason = "verified", "Everything that the memo says follows from what it carries."
    return Report(
        status, where, reason, tuple(notes.differences), tuple(notes.checked), tuple(notes.not_checked), key_found, headline
    )


def _run_engine(path: str | Path, notes: _Notes) -> None:
    """Compare with what the installed engine makes of the moments."""
    try:
        from xpbench.memo.engine import rerun
    except ImportError:
        notes.not_checked.append("--full needs the package")
        return
    payload = loads(_parts(read(path)[0])[0])
    theirs = payload["readout"]
    ours = rerun(payload)
    for mine, other in zip(ours["rows"], theirs["rows"], strict=True):
        where = f"{other['metric']} for {other['variant']}"
        if canonical(mine["sensitivity"]) != canonical(other["sensitivity"]):
            notes.differs(f"engine, {where}, sensitivity", mine["sensitivity"], other["sensitivity"])
        for name, value in mine.items():
            if name != "sensitivity" and not _near(value, other.get(name), _width(other, "ci_low", "ci_high")):
                notes.differs(f"engine, {where}, {name}", value, other.get(name))
    notes.same("engine, outcome", ours["outcome"], theirs["recommendation"]["outcome"])
    notes.not_checked[:] = [n for n in notes.not_checked if "--full" not in n]
    notes.checked.append("all rows computed again by the engine")


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one memo from the command line: `python verify.py MEMO [--json]`."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in words
    names = [w for w in words if w != "--json"]
    if len(names) != 1 or names[0].startswith("-"):
        sys.stderr.write("usage: verify.py MEMO [--json]\n")
        return 2
    report = verify(names[0])
    text = json.dumps(report.to_dict(), ensure_ascii=False, indent=2) if as_json else str(report)
    sys.stdout.buffer.write((text + "\n").encode("utf-8", "replace"))
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
