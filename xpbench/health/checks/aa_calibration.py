"""Whether the analysis gives uniform p-values on this data when nothing happened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scipy.special import bdtrc, kolmogi

from xpbench.errors import shown
from xpbench.health.check import Verdict
from xpbench.health.inputs import HealthInputs, plain_dict
from xpbench.health.registry import check

LEVEL = 0.01


def _too_many(row: Mapping[str, Any]) -> float:
    """Chance of at least as many p-values below alpha: 73 of 1,000 below 0.05 are too many, whatever the others look like."""
    draws = int(row["draws"])
    found = round(float(row["false_positive_rate"]) * draws)
    return float(bdtrc(found - 1, draws, float(row["alpha"]))) if found else 1.0


def not_uniform(tested: list[Any]) -> tuple[float, list[Any]]:
    """The bound of the distance from uniform, and the metrics beyond it or with too many small p-values.

    A level of 1 % over all metrics together (Bonferroni), not for each of them.

    Args:
        tested: Reports of metrics that were re-randomised, one at least.
    """
    limit = float(kolmogi(LEVEL / 2 / len(tested)))
    return limit, [r for r in tested if float(r["ks"]) >= limit or _too_many(r) < LEVEL / 2 / len(tested)]


@check(
    "aa_calibration",
    title="A/A calibration",
    question="Re-randomised with no effect, does this data give p-values that are uniform?",
)
def aa_calibration(inputs: HealthInputs) -> Verdict:
    """Warns where the p-values of `retro_aa` are not uniform, or too many of them are small.

    Kolmogorov–Smirnov over the whole range and the exact binomial tail at alpha, at 1 % together and over all metrics.
    """
    if inputs.retro is None:
        return Verdict(
            "not answerable",
            "Nothing was re-randomised: it needs a value per unit, which moments alone do not hold.",
            "Read from xp.units or xp.events on this machine, or give evidence={'retro': xp.calibrate(...)}.",
        )
    report = plain_dict(inputs.retro)
    rows = report.get("metrics") or [report]
    tested = [r for r in rows if r.get("uniform") is not None]
    if not tested:
        return Verdict("not answerable", "No metric could be re-randomised.", "Give it more units.", {"metrics": rows})
    limit, bad = not_uniform(tested)
    worst = max(tested, key=lambda r: (r in bad, float(r["ks"])))
    evidence = {
        "draws": worst["draws"],
        "metrics_tested": len(tested),
        "ks": worst["ks"],
        "ks_limit": limit,
        "false_positive_rate": worst["false_positive_rate"],
        "alpha": worst["alpha"],
        "not_tested": [str(r.get("metric", "")) for r in rows if r.get("uniform") is None],
        "chart": {"mark": "bar", "x": worst["bins"], "y": worst["counts"], "x_title": "p-value", "y_title": "draws"},
    }
    if bad:
        name = str(worst.get("metric", ""))
        return Verdict(
            "warn",
            f"Over {worst['draws']:,} re-randomisations without any effect, the p-values"
            + (f" of {shown(name)}" if name else "")
            + f" are not uniform: {worst['false_positive_rate']:.2%} fall below {worst['alpha']:g}.",
            "Cap the metric (winsorize) or wait for more units: its tail is too heavy for the normal approximation here.",
            evidence,
        )
    return Verdict(
        "pass",
        f"Over {worst['draws']:,} re-randomisations without any effect the p-values are uniform: "
        f"{worst['false_positive_rate']:.2%} fall below {worst['alpha']:g}.",
        "Nothing to do.",
        evidence,
    )
