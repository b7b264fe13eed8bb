"""Re-randomising gives uniform p-values where the approximation holds, and says so where it does not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as oracle

from tests.health.worlds import healthy, retro
from xpbench.errors import HealthError
from xpbench.health import run_checks
from xpbench.health.retro import _welch, from_uniform, retro_aa, retro_aa_all


def test_uniform_on_mild_values() -> None:
    """Normal values, uneven split: KS below its 1 % limit, false positives near alpha, mean effect near 0."""
    values = np.random.default_rng(1).normal(10, 3, 4000)
    report = retro_aa(values, variant_shares=[0.2, 0.8], seed=2, draws=600)
    assert report.uniform is True
    assert report.ks < 1.63
    assert abs(report.false_positive_rate - 0.05) < 3 * (0.05 * 0.95 / 600) ** 0.5
    assert abs(report.mean_effect) < 3 / 600**0.5
    assert sum(report.counts) == 600


def test_one_monster_is_seen() -> None:
    """One value a million times the rest: p-values pile up at one place."""
    values = np.ones(500)
    values[::2] = 0.0
    values[7] = 1e6
    assert retro_aa(values, variant_shares=[0.5, 0.5], seed=2, draws=300).uniform is False


def test_welch_matches_scipy() -> None:
    """Each draw's p-value is scipy's."""
    rng = np.random.default_rng(4)
    y = rng.lognormal(0, 1, 300)
    control = rng.random(300) < 0.3
    centred = y - y.mean()
    p, _ = _welch(centred, centred**2, control, ~control)
    assert p == pytest.approx(oracle.ttest_ind(y[~control], y[control], equal_var=False).pvalue, rel=1e-9)


def test_distance_from_uniform_is_scipys() -> None:
    for n in (1, 2, 997):
        p = np.random.default_rng(n).random(n) ** 1.2
        assert from_uniform(p) == oracle.kstest(p, "uniform").statistic


def test_same_seed_same_report() -> None:
    """Seeded: equal reports."""
    values = np.random.default_rng(1).poisson(2, 500)
    a, b = (retro_aa(values, variant_shares=[0.5, 0.5], seed=9, draws=50) for _ in range(2))
    assert a == b


def test_progress_can_cancel() -> None:
    """A false return keeps what is done."""
    report = retro_aa(np.arange(100.0), variant_shares=[0.5, 0.5], seed=1, draws=500, progress=lambda done, of: done < 20)
    assert report.draws == 20


def test_constant_values_have_no_answer() -> None:
    """No variation, no p-value, no claim."""
    assert retro_aa(np.ones(100), variant_shares=[0.5, 0.5], seed=1, draws=20).uniform is None


def test_bad_input_is_refused() -> None:
    """Missing values and empty variants are named."""
    with pytest.raises(HealthError, match="one finite value per unit"):
        retro_aa([1.0, float("nan"), 2.0, 3.0], variant_shares=[0.5, 0.5], seed=1)
    with pytest.raises(HealthError, match="Shares are above 0"):
        retro_aa([1.0, 2.0, 2.0, 3.0], variant_shares=[0.5, 0.0], seed=1)


def test_several_metrics_fit_the_check() -> None:
    """The report for several metrics has one row each."""
    rng = np.random.default_rng(1)
    report = retro_aa_all({"b": rng.normal(size=200), "a": rng.normal(size=200)}, variant_shares=[1, 1], seed=1, draws=50)
    assert [r["metric"] for r in report["metrics"]] == ["a", "b"]


@pytest.mark.parametrize(("small", "status"), [(50, "pass"), (60, "pass"), (73, "warn"), (27, "pass"), (90, "warn")])
def test_too_many_small_p_values_are_not_uniform_whatever_the_distance(small, status):
    """73 of 1,000 below .05 have a tail of 0.0011 (scipy binom), which Kolmogorov's distance alone does not see."""
    report = {**retro(), "false_positive_rate": small / 1000, "ks": 1.2}
    (found,) = run_checks(healthy(retro=report), only=("aa_calibration",))
    assert found.status == status
    assert (oracle.binom.sf(small - 1, 1000, 0.05) < 0.005) == (status == "warn")
    assert ("are not uniform" in found.meaning) == (status == "warn")
    assert f"{small / 10:.2f}%" in found.meaning
