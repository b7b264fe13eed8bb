import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xpbench.stats.exact import dot, eigen, quadratic

numbers = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(numbers, numbers), max_size=8))
def test_dot_is_the_sum_of_its_products_correctly_rounded(pairs):
    a, b = [p[0] for p in pairs], [p[1] for p in pairs]
    assert dot(a, b) == float(sum((Fraction(x * y) for x, y in pairs), Fraction(0)))


@settings(deadline=None)
@given(st.lists(numbers, min_size=3, max_size=3), st.lists(numbers, min_size=9, max_size=9))
def test_a_quadratic_form_is_numpys(a, cells):
    cov = np.array(cells).reshape(3, 3)
    x = np.array(a)
    scale = float(np.abs(x) @ np.abs(cov) @ np.abs(x))
    assert quadratic(a, cov, a) == pytest.approx(float(x @ cov @ x), abs=1e-12 * scale + 1e-300)


def test_what_overflows_is_not_a_number():
    assert math.isnan(dot([math.inf, -math.inf], [1.0, 1.0]))
    assert math.isnan(quadratic([1.0, 1.0], [[math.inf, 0.0], [0.0, -math.inf]], [1.0, 1.0]))


@pytest.mark.parametrize("k", [1, 2, 3, 5, 8])
def test_eigenvectors_are_numpys(k):
    rng = np.random.default_rng(k)
    matrix = np.corrcoef(rng.normal(size=(k, 40))) if k > 1 else np.array([[1.0]])
    values, vectors = eigen(matrix)
    assert values == pytest.approx(np.linalg.eigvalsh(matrix), rel=1e-12, abs=1e-14)
    assert vectors @ np.diag(values) @ vectors.T == pytest.approx(matrix, abs=1e-13)
    assert vectors.T @ vectors == pytest.approx(np.eye(k), abs=1e-13)


def test_eigenvalues_of_collinear_covariates():
    values, _ = eigen(np.array([[1.0, 1.0], [1.0, 1.0]]))
    assert values == pytest.approx([0.0, 2.0], abs=1e-15)


@pytest.mark.parametrize(
    "matrix",
    [
        [[2.0, 0.0, 0.3], [0.0, 1.0, 0.0], [0.3, 0.0, 5.0]],
        [[1.0, 0.0], [0.0, 1.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        [[3.0]],
        [[1.0, 1e-9, 0.0], [1e-9, 1.0, 0.0], [0.0, 0.0, -4.0]],
        [[1e12, 1.0], [1.0, 1e-6]],
    ],
)
def test_matrices_with_zeros_and_of_all_sizes_are_numpys(matrix):
    """Source: numpy.linalg.eigvalsh, 1e-12 of the largest; and A v = λ v."""
    values, vectors = eigen(np.array(matrix))
    largest = np.abs(matrix).max()
    assert values == pytest.approx(np.linalg.eigvalsh(matrix), abs=1e-12 * largest)
    assert np.array(matrix) @ vectors == pytest.approx(vectors * values, abs=1e-12 * max(largest, 1e-300))
    assert vectors.T @ vectors == pytest.approx(np.eye(len(matrix)), abs=1e-14)
