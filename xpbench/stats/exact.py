"""Sums and eigenvectors with the same bits on every machine.

BLAS picks its kernels by processor and by number of threads, and they differ in the last bits; so do vectorised logarithms.
A memo has to come out with the same bytes everywhere, so the few small products behind a readout are summed here with
`math.fsum`, which is correctly rounded, and symmetric matrices of covariates are turned by plain arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from xpbench.stats.moments import Floats


def dot(a: Sequence[float] | Floats, b: Sequence[float] | Floats) -> float:
    """Σ a_i b_i, correctly rounded after the products; NaN where it is infinite or undefined."""
    try:
        return math.fsum(float(x) * float(y) for x, y in zip(a, b, strict=True))
    except (OverflowError, ValueError):
        return math.nan


def quadratic(a: Sequence[float] | Floats, cov: ArrayLike, b: Sequence[float] | Floats) -> float:
    """A' Cov b, the sum of all its products, correctly rounded; NaN where it is infinite or undefined."""
    rows = np.asarray(cov, dtype=np.float64).tolist()
    left, right = [float(x) for x in a], [float(y) for y in b]
    try:
        return math.fsum(x * v * y for x, row in zip(left, rows, strict=True) for v, y in zip(row, right, strict=True))
    except (OverflowError, ValueError):
        return math.nan


def eigen(matrix: Floats) -> tuple[Floats, Floats]:
    """Eigenvalues in rising order and eigenvectors (columns) of a small symmetric matrix, by Jacobi rotations.

    Source: Golub and Van Loan 2013, *Matrix Computations*, algorithm 8.5.2. Checked against numpy.linalg.eigh.
    """
    a = [list(map(float, row)) for row in matrix]
    k = len(a)
    v = [[1.0 if i == j else 0.0 for j in range(k)] for i in range(k)]
    for _ in range(100):
        off = math.fsum(a[i][j] ** 2 for i in range(k) for j in range(k) if i != j)
        if off <= 1e-32 * math.fsum(a[i][i] ** 2 for i in range(k)):
            break
        for p in range(k - 1):
            for q in range(p + 1, k):
                _rotate(a, v, p, q)
    order = sorted(range(k), key=lambda i: a[i][i])
    return np.array([a[i][i] for i in order]), np.array([[v[row][i] for i in order] for row in range(k)])


def _rotate(a: list[list[float]], v: list[list[float]], p: int, q: int) -> None:
    """Make a[p][q] zero."""
    if a[p][q] == 0.0:
        return
    tau = (a[q][q] - a[p][p]) / (2.0 * a[p][q])
    t = math.copysign(1.0, tau) / (abs(tau) + math.sqrt(1.0 + tau * tau))
    c = 1.0 / math.sqrt(1.0 + t * t)
    s = t * c
    for row in a:
        row[p], row[q] = c * row[p] - s * row[q], s * row[p] + c * row[q]
    a[p], a[q] = (
        [c * x - s * y for x, y in zip(a[p], a[q], strict=True)],
        [s * x + c * y for x, y in zip(a[p], a[q], strict=True)],
    )
    for row in v:
        row[p], row[q] = c * row[p] - s * row[q], s * row[p] + c * row[q]
