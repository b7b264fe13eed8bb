"""One metric for one treatment: which functional of the moments, which variance, CUPED or not."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xpbench.verifier.pairs import (
    NAN,
    Formula,
    Gradient,
    Pair,
    cluster_mean,
    cuped,
    event_count,
    plain_pair,
    ratio_of_means,
    single_column,
    with_taken_noise,
)
from xpbench.verifier.report import J
from xpbench.verifier.score import Score


@dataclass(frozen=True)
class Estimate:
    """A metric for one treatment against control."""

    pair: Pair
    plain: Pair
    reduction: float | None = None
    share: bool = False
    score: Score | None = None
    borrows: bool = False
    quantile: bool = False
    counts: Score | None = None


def functional_of(metric: J, columns: Sequence[str]) -> tuple[Callable[[Sequence[float]], Gradient], int]:
    """What is estimated from the means of the columns, and how many of them it takes; the rest are covariates."""
    if metric["kind"] == "formula":
        formula = Formula(metric["expression"])
        formula.names = list(columns[: len(formula.names)])
        return formula, len(formula.names)
    if list(columns[:1]) == ["total"]:
        return cluster_mean, 2
    if list(columns[:2]) == ["numerator", "denominator"]:
        return ratio_of_means, 2
    return single_column(0), 1


def estimate(metric: J, c: J | None, t: J | None) -> Estimate:
    """From two cells of moments to a pair."""
    if c is None or t is None or c["n"] < 1 or t["n"] < 1:
        means = [x["mean"][0] if x is not None and x["n"] and len(x["mean"]) == 1 else NAN for x in (c, t)]
        empty = Pair(means[0], means[1], n=sum(x["n"] for x in (c, t) if x), status="not_enough_units")
        return Estimate(empty, empty)
    columns = c["columns"]
    subject, own = functional_of(metric, columns)
    plain = plain_pair(c, t, subject)
    is_quantile = metric["kind"] == "quantile"
    events = [None if is_quantile or own > 1 or metric["kind"] == "formula" else event_count(x) for x in (c, t)]
    share = None not in events
    score = Score(events[0] or 0, c["n"], events[1] or 0, t["n"]) if share else None
    counts, score = score, score if score is not None and score.tiny else None
    base = plain
    if plain.status == "ok" and (is_quantile or share):  # the variance of a share follows from it: the normal applies
        vc, vt = ((x["n"] - 1) / x["n"] if share else 1.0 for x in (c, t))
        plain = Pair(plain.mc, plain.mt, vc * plain.vc, vt * plain.vt, 0.0, math.inf, plain.n)
    xs = list(range(own, len(columns)))
    if is_quantile:
        return Estimate(plain, plain, quantile=True)
    if not (metric.get("cuped") and xs):
        return Estimate(plain, plain, None, share, score, counts=counts)
    if plain.status != "ok":
        return Estimate(plain, plain, None, share, score, counts=counts)
    pair, reduction = cuped(c, t, subject, xs, base)
    return Estimate(pair, plain, reduction if math.isfinite(reduction) else None, share, score, counts=counts)


def source_of(label: str) -> str:
    """Where a covariate comes from, in words: of `past.visits.before`, `is.platform.ios`, `before`, or a column."""
    for mark, words in (("past.", "past of "), ("is.", "")):
        if label.startswith(mark):
            return words + label[len(mark) :].split(".")[0]
    return "own past" if label.split(".")[0] in ("before", "seen") else label


def saved_by(metric: J, c: J, t: J) -> list[dict[str, J]]:
    """Share of the variance that each source takes out alone, and that would be missing without it; of two sources or more."""
    subject, own = functional_of(metric, c["columns"])
    names = [source_of(label) for label in c["columns"][own:]]
    base = plain_pair(c, t, subject)

    def share(wanted: set[str]) -> float:
        xs = [own + i for i, name in enumerate(names) if name in wanted]
        return cuped(c, t, subject, xs, base)[1] if xs else 0.0

    every = set(names)
    if len(every) < 2:
        return []
    whole = share(every)
    return [
        {"source": name, "alone": share({name}), "more": max(0.0, whole - share(every - {name}))}
        for name in dict.fromkeys(names)
    ]


def with_noise(metric: J, found: Estimate, c: J | None, t: J | None) -> Estimate:
    """The estimate in which a variant whose units all have the same value takes its noise from the other one."""
    if found.pair.status != "separation" or found.share or c is None or t is None:
        return found
    if found.quantile and c["cov"][0][0] == t["cov"][0][0] == 0:
        return found
    pair = with_taken_noise(found.pair, c, t, functional_of(metric, c["columns"])[0])
    if found.quantile:
        pair = Pair(pair.mc, pair.mt, pair.vc, pair.vt, 0.0, math.inf, pair.n)
    return Estimate(pair, pair, None, found.share, found.score, True, found.quantile)


def capped_away(found: Estimate, caps: Sequence[J]) -> Estimate:
    """The estimate in which a winsorization cap of zero is the reason why nothing is left."""
    zero = any((c["upper"] == 0 and c["n_upper"]) or (c["lower"] == 0 and c["n_lower"]) for c in caps)
    if not zero or found.pair.status != "zero_variance":
        return found
    pair = Pair(found.pair.mc, found.pair.mt, n=found.pair.n, status="cap_is_zero")
    return Estimate(pair, pair)


def waiting(found: Estimate) -> Estimate:
    """The estimate in designs with several looks before scores were used there: a rare event is waited for."""
    if found.score is None:
        return found
    late = [Pair(p.mc, p.mt, n=p.n, status="too_few_events") if p.status in ("ok", "separation") else p
            for p in (found.pair, found.plain)]  # fmt: skip
    return Estimate(late[0], late[1], found.reduction, found.share, found.score)
