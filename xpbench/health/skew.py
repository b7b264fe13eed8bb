"""Whether something happened to one variant more often than to another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def skew_p(counts: Mapping[str, int], of: Mapping[str, int]) -> float | None:
    """p-value of "the same rate in every variant", or None where it is not known.

    Pearson's chi-squared over the table happened / did not where every expected count is at least 5; below that,
    Fisher's exact test of each variant against the rest, Bonferroni-corrected.

    Args:
        counts: Units it happened to, by variant; a variant that is absent had none.
        of: Units looked at, by variant.
    Source: Pearson 1900; Fisher 1922; the rule of five is Cochran 1954.
    """
    names = [k for k, n in of.items() if n > 0]
    hit = [min(int(counts.get(k, 0)), int(of[k])) for k in names]
    total = sum(hit)
    everyone = sum(int(of[k]) for k in names)
    if len(names) < 2:
        return None
    if total == 0 or total == everyone:
        return 1.0
    missed = [int(of[k]) - h for k, h in zip(names, hit, strict=True)]
    smallest = min(min(total, everyone - total) * int(of[k]) / everyone for k in names)
    from scipy import stats as distributions  # heavy to import; most tables have nothing to compare

    if smallest >= 5:
        return float(distributions.chi2_contingency([hit, missed], correction=False).pvalue)
    tables = [[[h, m], [total - h, (everyone - total) - m]] for h, m in zip(hit, missed, strict=True)]
    tests = tables[:1] if len(names) == 2 else tables
    return float(min(1.0, min(float(distributions.fisher_exact(np.array(t)).pvalue) for t in tests) * len(tests)))
