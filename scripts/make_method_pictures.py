# ruff: noqa: E501 - encodings of a chart read better on one line
"""The pictures of docs/methods: `python scripts/make_method_pictures.py` → docs/methods/*.svg.

Every curve is computed by xpbench.stats or by a seeded simulation of a few seconds; none is drawn by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import scipy.stats
import vl_convert

from xpbench.stats.batch import pairs_of, results
from xpbench.stats.bayes import posterior_lift
from xpbench.stats.designs import Anytime, Fixed, GroupSequentialTest, even_looks
from xpbench.stats.fieller import lift_bounds
from xpbench.stats.moments import MomentsBatch
from xpbench.stats.multiplicity import bh, bonferroni, holm
from xpbench.stats.multipliers import q_anytime
from xpbench.stats.pairs import Pair
from xpbench.stats.planning import Scenario, mde
from xpbench.stats.proportion import EventCounts, score_effect
from xpbench.stats.quantiles import ranks
from xpbench.stats.spending import q_group
from xpbench.stats.srm import srm_anytime

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "methods"
BLUE, GREY, GREEN, RED, OCHRE = "#3a8fd0", "#8a939c", "#1f9d78", "#d0632f", "#b98a1e"
FONT = "system-ui, sans-serif"


def rng() -> np.random.Generator:
    return np.random.default_rng(20_261_122)


def lines(
    frame: pd.DataFrame, *, x: str, y: str, by: str, colours: dict[str, str], x_scale: str = "linear", percent: bool = False, zero: bool = True,
    x_percent: bool = False, x_values: list[float] | None = None,
) -> alt.Chart:  # fmt: skip
    """Lines told apart by colour, dash and a legend in words."""
    names = list(colours)
    return (
        alt.Chart(frame)
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X(x, type="quantitative", scale=alt.Scale(type=x_scale, nice=False), axis=alt.Axis(format="%" if x_percent else "~s" if x_scale == "log" else ",", labelOverlap="greedy", labelSeparation=6, **({} if x_values is None else {"values": x_values}))),
            y=alt.Y(y, type="quantitative", scale=alt.Scale(zero=zero), axis=alt.Axis(format="%" if percent else "~r")),
            color=alt.Color(by, type="nominal", scale=alt.Scale(domain=names, range=[colours[n] for n in names]), legend=alt.Legend(title=None, orient="top", columns=1, labelLimit=400)),
            strokeDash=alt.StrokeDash(by, type="nominal", scale=alt.Scale(domain=names, range=[[1, 0], [6, 3], [2, 2], [8, 2, 2, 2]][: len(names)]), legend=None),
        )
    )  # fmt: skip


def rule(at: float, *, axis: str = "y") -> alt.Chart:
    """A dashed line; as a datum and not a field it leaves the title of the axis alone."""
    return alt.Chart(pd.DataFrame({"one": [1]})).mark_rule(color=GREY, strokeDash=[3, 3]).encode(**{axis: alt.datum(at)})


def save(name: str, chart: Any, *, title: str) -> None:
    spec = (
        chart.properties(width=520, height=240, title=alt.TitleParams(title, anchor="start", fontSize=13, fontWeight=600, font=FONT))
        .configure(background="#ffffff", font=FONT, padding={"left": 50, "right": 15, "top": 8, "bottom": 8})
        .configure_axis(gridColor="#eceff2", domainColor=GREY, tickColor=GREY, labelColor="#57606a", titleColor="#57606a", titleFontWeight="normal")
        .configure_view(stroke=None)
    )  # fmt: skip
    (FOLDER / f"{name}.svg").write_text(vl_convert.vegalite_to_svg(spec.to_dict(), vl_version="5.20"), "utf-8")


def batch(rows: np.ndarray) -> MomentsBatch:
    """Moments of rows of shape (replications, units)."""
    return MomentsBatch(
        np.full(rows.shape[0], rows.shape[1]), rows.mean(axis=1)[:, None], rows.var(axis=1, ddof=1)[:, None, None]
    )


def means() -> None:
    """One variance for both, or one each: false positives at 90/10."""
    r, out = rng(), []
    for ratio in np.linspace(0.25, 4, 12):
        c, t = r.normal(0, 1, (4000, 450)), r.normal(0, ratio, (4000, 50))
        welch = results(pairs_of(batch(c), batch(t), subject=0), alpha=0.05, mixture=None).p_value < 0.05
        student = scipy.stats.ttest_ind(c, t, axis=1).pvalue < 0.05
        out += [(ratio, "Welch: each variant its own variance", welch.mean()), (ratio, "one pooled variance", student.mean())]
    frame = pd.DataFrame(out, columns=["sd of the small variant / sd of the large one", "which", "false positives at 5 %"])
    chart = lines(
        frame,
        x=frame.columns[0],
        y=frame.columns[2],
        by="which",
        colours={"Welch: each variant its own variance": BLUE, "one pooled variance": RED},
        percent=True,
    )
    save("mean", chart + rule(0.05), title="450 units against 50, no effect at all")


def lift() -> None:
    """Fieller against the linear delta method as the control grows noisy."""
    out = []
    q, true = 1.96, 0.1
    for cv in np.linspace(0.01, 0.6, 60):
        v = cv**2
        low, high, bounded = lift_bounds(mc=1.0, mt=1 + true, vc=v, vt=v, cov=0.0, q=q)
        se = math.sqrt(v + (1 + true) ** 2 * v)
        out += [(cv, "linear delta method", true - q * se, true + q * se)]
        if bounded and high < 6:
            out += [(cv, "Fieller", float(low), float(high))]
    frame = pd.DataFrame(out, columns=["standard error of the control / its mean", "which", "low", "high"])
    both = frame.melt(id_vars=list(frame.columns[:2]), value_name="lift interval", var_name="end")
    both["group"] = both["which"] + both["end"]
    chart = lines(
        both,
        x=frame.columns[0],
        y="lift interval",
        by="which",
        colours={"Fieller": BLUE, "linear delta method": RED},
        percent=True,
    ).encode(detail="group:N")
    save(
        "lift",
        chart + rule(0.0) + rule(1 / q, axis="x"),
        title="Interval of a lift of 10 %; right of the dashed line it is unbounded",
    )


def ratio() -> None:
    """False positives of a ratio when its parts are taken as uncorrelated."""
    r, out = rng(), []
    for rho in np.linspace(-0.8, 0.8, 9):
        hits: dict[str, list[bool]] = {"with the covariance (delta method)": [], "parts taken as uncorrelated": []}
        den = r.normal(5, 1, (2, 1500, 300))
        num = 10 + 2 * (rho * (den - 5) + math.sqrt(1 - rho**2) * r.normal(0, 1, den.shape))
        mean_n, mean_d = num.mean(axis=2), den.mean(axis=2)
        var_n, var_d = num.var(axis=2, ddof=1), den.var(axis=2, ddof=1)
        cov = ((num - mean_n[..., None]) * (den - mean_d[..., None])).sum(axis=2) / 299
        value = mean_n / mean_d
        for name, c in (("with the covariance (delta method)", cov), ("parts taken as uncorrelated", 0 * cov)):
            v = (var_n - 2 * value * c + value**2 * var_d) / mean_d**2 / 300
            hits[name] = (np.abs(value[1] - value[0]) / np.sqrt(v.sum(axis=0)) > 1.96).tolist()
        out += [(rho, name, float(np.mean(h))) for name, h in hits.items()]
    frame = pd.DataFrame(out, columns=["correlation of numerator and denominator", "which", "false positives at 5 %"])
    chart = lines(
        frame,
        x=frame.columns[0],
        y=frame.columns[2],
        by="which",
        colours={"with the covariance (delta method)": BLUE, "parts taken as uncorrelated": RED},
        percent=True,
    )
    save("ratio", chart + rule(0.05), title="A ratio of two per-unit sums, no effect at all")


def clusters() -> None:
    """False positives when members of a cluster count as units."""
    r, out = rng(), []
    for icc in np.linspace(0, 0.5, 8):
        k, size = 40, 20
        level = r.normal(0, math.sqrt(icc), (2, 1500, k, 1))
        y = level + r.normal(0, math.sqrt(1 - icc), (2, 1500, k, size))
        flat, per = y.reshape(2, 1500, -1), y.mean(axis=3)
        for name, rows in (("users count as units", flat), ("companies count as units", per)):
            p = results(pairs_of(batch(rows[0]), batch(rows[1]), subject=0), alpha=0.05, mixture=None).p_value
            out.append((icc, name, float((p < 0.05).mean())))
    frame = pd.DataFrame(out, columns=["share of variance between companies", "which", "false positives at 5 %"])
    chart = lines(
        frame,
        x=frame.columns[0],
        y=frame.columns[2],
        by="which",
        colours={"companies count as units": BLUE, "users count as units": RED},
        percent=True,
        x_percent=True,
    )
    save("clusters", chart + rule(0.05), title="40 companies a variant with 20 users each, randomised by company")


def quantile() -> None:
    """Order statistics around a 90 % quantile."""
    values = np.sort(rng().lognormal(1, 0.6, 400))
    found = ranks(0.9, n=400, alpha=0.05)
    frame = pd.DataFrame({"page load time, s": values, "share at or below": np.arange(1, 401) / 400})
    curve = (
        alt.Chart(frame)
        .mark_line(color=GREY, interpolate="step-after")
        .encode(x="page load time, s:Q", y=alt.Y("share at or below:Q", axis=alt.Axis(format="%")))
    )
    at = pd.DataFrame(
        {"low": [values[found.low - 1]], "high": [values[found.high - 1]], "mid": [values[found.estimate - 1]], "y": [0.9]}
    )
    band = (
        alt.Chart(at)
        .mark_rule(color=BLUE, strokeWidth=3)
        .encode(x=alt.X("low:Q", title="page load time, s"), x2="high:Q", y=alt.Y("y:Q", title="share at or below"))
    )
    dot = (
        alt.Chart(at)
        .mark_point(filled=True, size=70, color=BLUE, opacity=1)
        .encode(x=alt.X("mid:Q", title="page load time, s"), y=alt.Y("y:Q", title="share at or below"))
    )
    save("quantile", curve + band + dot, title="The values at two ranks bound the 90 % quantile (400 values)")


def cuped() -> None:
    """Width of the interval against correlation."""
    rho = np.linspace(0, 0.95, 60)
    frame = pd.concat(
        [
            pd.DataFrame(
                {"correlation with the covariate": rho, "which": "width of the interval", "left of 100 %": np.sqrt(1 - rho**2)}
            ),
            pd.DataFrame({"correlation with the covariate": rho, "which": "units needed", "left of 100 %": 1 - rho**2}),
        ]
    )
    chart = lines(
        frame,
        x=frame.columns[0],
        y=frame.columns[2],
        by="which",
        colours={"width of the interval": BLUE, "units needed": OCHRE},
        percent=True,
    )
    save("cuped", chart, title="What a covariate from before the exposure saves")


def anytime() -> None:
    """Peeking at a fixed test, and not minding with the anytime one."""
    r = rng()
    looks = np.unique(np.geomspace(100, 10_000, 40).astype(int))
    z = r.standard_normal((4000, len(looks))) * np.sqrt(np.diff(np.r_[0, looks]))
    z = z.cumsum(axis=1) / np.sqrt(looks)
    fixed = np.maximum.accumulate(np.abs(z) > 1.96, axis=1).mean(axis=0)
    q = np.array([q_anytime(0.05, n, 5000) for n in looks])
    valid = np.maximum.accumulate(np.abs(z) > q, axis=1).mean(axis=0)
    frame = pd.concat(
        pd.DataFrame({"units so far": looks, "which": name, "share with a false alarm by now": v})
        for name, v in (("anytime-valid, looked at 40 times", valid), ("fixed test, looked at 40 times", fixed))
    )
    chart = lines(
        frame,
        x="units so far",
        y=frame.columns[2],
        by="which",
        colours={"anytime-valid, looked at 40 times": BLUE, "fixed test, looked at 40 times": RED},
        x_scale="log",
        percent=True,
    )
    save("anytime", chart + rule(0.05), title="Experiments without any effect")
    width = pd.concat(
        pd.DataFrame(
            {
                "units so far": looks,
                "which": name,
                "width against the fixed interval": np.array([q_anytime(0.05, n, n_opt) for n in looks]) / 1.96,
            }
        )
        for name, n_opt in (("n_opt 500", 500), ("n_opt 5,000", 5000), ("n_opt 50,000", 50_000))
    )
    chart = lines(
        width,
        x="units so far",
        y=width.columns[2],
        by="which",
        colours={"n_opt 500": GREY, "n_opt 5,000": BLUE, "n_opt 50,000": OCHRE},
        x_scale="log",
        zero=False,
    )
    save("anytime-width", chart, title="The price of looking at any time, and what n_opt does")


def group_sequential() -> None:
    """Boundaries by information."""
    t = tuple(np.linspace(0.2, 1, 5).tolist())
    frame = pd.concat(
        pd.DataFrame({"share of the planned information": t, "which": name, "boundary for |z|": v})
        for name, v in (
            ("O'Brien–Fleming", q_group(0.05, t, "obrien_fleming")),
            ("Pocock", q_group(0.05, t, "pocock")),
            ("one look only", [1.96] * 5),
        )
    )
    chart = lines(
        frame,
        x=frame.columns[0],
        y=frame.columns[2],
        by="which",
        colours={"O'Brien–Fleming": BLUE, "Pocock": OCHRE, "one look only": GREY},
        zero=False,
        x_percent=True,
        x_values=list(t),
    )
    save("group-sequential", chart, title="Five looks at 5 % in all")


def bayes() -> None:
    """The same data under three priors on the lift."""
    pair = Pair(10.0, 11.0, 0.12, 0.12, 0.0, math.inf, 1000)
    out = []
    for name, sd in (("prior sd 100 % (says nothing)", 1.0), ("prior sd 5 %", 0.05), ("prior sd 2 %", 0.02)):
        found = posterior_lift(pair, prior_mean=0.0, prior_sd=sd, direction="increase", mass=0.95)
        out.append((f"{name}: chance {found.chance:.0%}", found.lift, found.low, found.high))
    frame = pd.DataFrame(out, columns=["prior", "lift", "low", "high"])
    base = alt.Chart(frame).encode(y=alt.Y("prior:N", sort=None, title=None, axis=alt.Axis(labelLimit=300)))
    bar = base.mark_rule(strokeWidth=3, color=BLUE).encode(
        x=alt.X("low:Q", title="lift, narrowest 95 %", axis=alt.Axis(format="%")), x2="high:Q"
    )
    dot = base.mark_point(filled=True, size=80, color=BLUE, opacity=1).encode(x=alt.X("lift:Q", title="lift, narrowest 95 %"))
    save("bayes", bar + dot + rule(0.0, axis="x"), title="One data set (lift 10 % ± 9 %), three priors")


def decisions() -> None:
    """What an interval says about zero, a margin and the smallest lift that matters."""
    rows = [
        ("better, and enough", 0.06, 0.025),
        ("better, perhaps not enough", 0.025, 0.02),
        ("better, and too little", 0.008, 0.006),
        ("unclear", 0.01, 0.05),
        ("not worse than planned", -0.005, 0.012),
        ("harm not ruled out", -0.015, 0.012),
        ("worse", -0.05, 0.02),
    ]
    frame = pd.DataFrame([(n, m, m - h, m + h) for n, m, h in rows], columns=["reading", "lift", "low", "high"])
    base = alt.Chart(frame).encode(y=alt.Y("reading:N", sort=None, title=None))
    bar = base.mark_rule(strokeWidth=3, color=BLUE).encode(
        x=alt.X("low:Q", title="lift", axis=alt.Axis(format="%")), x2="high:Q"
    )
    dot = base.mark_point(filled=True, size=80, color=BLUE, opacity=1).encode(x="lift:Q")
    margin = (
        alt.Chart(pd.DataFrame({"x": [-0.02]})).mark_rule(color=RED, strokeDash=[6, 3]).encode(x=alt.X("x:Q", title="lift"))
    )
    least = (
        alt.Chart(pd.DataFrame({"x": [0.02]})).mark_rule(color=GREEN, strokeDash=[2, 2]).encode(x=alt.X("x:Q", title="lift"))
    )
    save(
        "decisions",
        bar + dot + rule(0.0, axis="x") + margin + least,
        title="Margin −2 % (dashes), smallest lift that matters +2 % (dots)",
    )


def multiplicity() -> None:
    """A worked example of five p-values."""
    p = [0.003, 0.012, 0.018, 0.041, 0.062]
    out = [("none", v, i + 1) for i, v in enumerate(p)]
    for name, adjust in (("Benjamini–Hochberg", bh), ("Holm", holm), ("Bonferroni", bonferroni)):
        out += [(name, float(v), i + 1) for i, v in enumerate(adjust(p))]
    frame = pd.DataFrame(out, columns=["which", "corrected p-value", "rank"])
    chart = lines(
        frame,
        x="rank",
        y="corrected p-value",
        by="which",
        colours={"none": GREY, "Benjamini–Hochberg": GREEN, "Holm": BLUE, "Bonferroni": OCHRE},
        x_values=[1, 2, 3, 4, 5],
    )
    save(
        "multiplicity",
        chart.mark_line(point=True) + rule(0.05),
        title="Five p-values; what stays below the line is significant",
    )


def winsorize() -> None:
    """Noise against the part of the mean that is cut away."""
    values, out = rng().lognormal(1, 1.5, 200_000), []
    for cut in np.linspace(0, 0.05, 26):
        capped = np.minimum(values, np.quantile(values, 1 - cut)) if cut else values
        out += [
            (cut, "noise (standard deviation)", capped.std() / values.std()),
            (cut, "mean that is left", capped.mean() / values.mean()),
        ]
    frame = pd.DataFrame(out, columns=["share of units capped at the top", "which", "left of 100 %"])
    chart = lines(
        frame,
        x=frame.columns[0],
        y=frame.columns[2],
        by="which",
        colours={"noise (standard deviation)": BLUE, "mean that is left": OCHRE},
        percent=True,
        x_percent=True,
    )
    save("winsorize", chart, title="Capping a heavy-tailed metric: what it buys and what it costs")


def sample_ratio() -> None:
    """Watched daily: χ² and the anytime test, healthy and broken."""
    r = rng()
    daily = r.binomial(400, 0.5, (1500, 60)).cumsum(axis=1)
    totals = 400 * np.arange(1, 61)
    chi = (2 * daily - totals) ** 2 / totals > scipy.stats.chi2.isf(0.01, 1)
    fixed = np.maximum.accumulate(chi, axis=1).mean(axis=0)
    p = np.array([srm_anytime(np.column_stack([row, totals - row]), [0.5, 0.5], k=100.0) for row in daily[:400]])
    frame = pd.concat(
        pd.DataFrame({"day": np.arange(1, 61), "which": name, "share of healthy experiments alarmed": v})
        for name, v in (("anytime test at 1 %", (p < 0.01).mean(axis=0)), ("χ² at 1 %, looked at daily", fixed))
    )
    chart = lines(
        frame,
        x="day",
        y=frame.columns[2],
        by="which",
        colours={"anytime test at 1 %": BLUE, "χ² at 1 %, looked at daily": RED},
        percent=True,
    )
    save("srm", chart + rule(0.01), title="400 new units a day, split 50/50 as planned")


def planning() -> None:
    """Smallest lift that each design finds."""
    base: dict[str, Any] = {
        "mean": 0.1, "sd": 1.0, "proportion": True, "scale": "lift", "null": 0.0, "alpha": 0.05, "sides": 2, "split": (0.5, 0.5),
        "reduction": 0.0, "comparisons": 1,
    }  # fmt: skip
    designs = {
        "fixed": Fixed(),
        "group-sequential, 4 looks (O'Brien–Fleming)": GroupSequentialTest(even_looks(4, first=0.25), "obrien_fleming"),
        "anytime, 20 looks": Anytime(even_looks(20, first=0.05), None, None, 0.05),
    }
    out = []
    for name, design in designs.items():
        for n in np.geomspace(4_000, 400_000, 14):
            out.append((n, name, mde(Scenario(**base, design=design), n=n, target=0.8, direction="increase")))
    frame = pd.DataFrame(out, columns=["units", "which", "smallest lift found with 80 % power"])
    chart = lines(
        frame,
        x="units",
        y=frame.columns[2],
        by="which",
        colours=dict(zip(designs, (BLUE, OCHRE, GREEN), strict=True)),
        x_scale="log",
        percent=True,
    )
    save("planning", chart, title="A conversion rate of 10 %, split 50/50")


def proportion() -> None:
    """Coverage for rare events: Wald and score."""
    out, n, q = [], 400, 1.959964
    for rate in np.linspace(0.001, 0.03, 15):
        x = scipy.stats.binom(n, rate).pmf(np.arange(40))
        kept = [(i, j) for i in range(40) for j in range(40) if x[i] * x[j] > 1e-6]
        cover = {"score (Miettinen–Nurminen)": 0.0, "normal (Wald)": 0.0}
        for i, j in kept:
            found = score_effect(EventCounts(i, n, j, n), q=q)
            se = math.sqrt(i / n * (1 - i / n) / n + j / n * (1 - j / n) / n)
            d = (j - i) / n
            cover["score (Miettinen–Nurminen)"] += x[i] * x[j] * (found.low <= 0.0 <= found.high)
            cover["normal (Wald)"] += x[i] * x[j] * (abs(d) <= q * se and se > 0)
        out += [(rate, name, v) for name, v in cover.items()]
    frame = pd.DataFrame(out, columns=["true rate in both variants", "which", "coverage of the 95 % interval"])
    chart = lines(
        frame,
        x=frame.columns[0],
        y=frame.columns[2],
        by="which",
        colours={"score (Miettinen–Nurminen)": BLUE, "normal (Wald)": RED},
        percent=True,
        x_percent=True,
        zero=False,
    )
    save("proportion", chart + rule(0.95), title="400 units a variant; exact coverage")


def mixpanel() -> None:
    """False positives of Poisson sessions against over-dispersion."""
    r, out = rng(), []
    for extra in np.linspace(0, 3, 8):
        size = (2, 2000, 500)
        level = np.full(size, 4.0) if extra == 0 else r.gamma(4.0 / extra, extra, size)
        counts = r.poisson(level).astype(float)
        mean, var = counts.mean(axis=2), counts.var(axis=2, ddof=1)
        for name, v in (("variance as observed (ours)", var), ("Poisson: variance = mean (Mixpanel)", mean)):
            out.append((1 + extra, name, float((np.abs(mean[1] - mean[0]) / np.sqrt(v.sum(axis=0) / 500) > 1.96).mean())))
    frame = pd.DataFrame(out, columns=["variance of sessions / their mean", "which", "false positives at 5 %"])
    chart = lines(
        frame,
        x=frame.columns[0],
        y=frame.columns[2],
        by="which",
        colours={"variance as observed (ours)": BLUE, "Poisson: variance = mean (Mixpanel)": RED},
        percent=True,
    )
    save("mixpanel", chart + rule(0.05), title="Sessions per user, 500 users a variant, no effect at all")


PICTURES: tuple[Callable[[], None], ...] = (
    means, lift, ratio, clusters, quantile, cuped, anytime, group_sequential, bayes, decisions, multiplicity, winsorize, sample_ratio,
    planning, proportion, mixpanel,
)  # fmt: skip

if __name__ == "__main__":
    for picture in PICTURES:
        picture()
        print(picture.__name__)
