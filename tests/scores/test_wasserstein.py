"""The sliced Wasserstein distance: SciPy's on a line, closed forms, and what must hold always."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from tinygen.errors import UsageError
from tinygen.scores import directions, sliced_wasserstein

SEEDS = st.integers(0, 10**6)


def cloud(seed, n=50, d=3):
    return np.random.default_rng(seed).standard_normal((n, d))


@given(SEEDS)
def test_on_a_line_it_is_scipys(seed):
    a, b = cloud(seed, d=1), 2 * cloud(seed + 1, d=1) + 0.5
    want = scipy.stats.wasserstein_distance(a[:, 0], b[:, 0])
    assert sliced_wasserstein(a, b, np.ones((1, 1))) == pytest.approx(want, rel=1e-12)


@given(SEEDS)
def test_along_each_direction_it_is_scipys(seed):
    a, b, u = cloud(seed), cloud(seed + 1) ** 2, directions(7, 3, np.random.default_rng(seed))
    each = [scipy.stats.wasserstein_distance(a @ v, b @ v) for v in u]
    assert sliced_wasserstein(a, b, u) == pytest.approx(np.mean(each), rel=1e-12)


@given(SEEDS)
def test_translation_by_t_is_the_mean_of_t_along_u(seed):
    a, t = cloud(seed), np.array([3.0, -1.0, 0.5])
    u = directions(7, 3, np.random.default_rng(seed))
    order = np.random.default_rng(seed).permutation(len(a))
    assert sliced_wasserstein(a, a[order] + t, u) == pytest.approx(np.abs(u @ t).mean(), rel=1e-9)


@given(SEEDS)
def test_it_is_a_distance(seed):
    a, b, c = cloud(seed), cloud(seed + 1), 3 * cloud(seed + 2)
    u = directions(7, 3, np.random.default_rng(seed))
    assert sliced_wasserstein(a, a[::-1], u) == 0
    assert sliced_wasserstein(a, b, u) == sliced_wasserstein(b, a, u) > 0
    through = sliced_wasserstein(a, b, u) + sliced_wasserstein(b, c, u)
    assert sliced_wasserstein(a, c, u) <= through + 1e-12


def test_directions_are_unit_vectors_all_around():
    u = directions(20_000, 2, np.random.default_rng(0))
    np.testing.assert_allclose(np.linalg.norm(u, axis=1), 1, rtol=1e-12)
    angles = np.arctan2(u[:, 1], u[:, 0]) / (2 * np.pi) + 0.5
    assert scipy.stats.kstest(angles, "uniform").pvalue > 0.01


def test_clouds_that_do_not_fit_are_named():
    u = directions(4, 2, np.random.default_rng(0))
    with pytest.raises(UsageError, match=r"one shape .* got \(5, 2\), \(6, 2\) and \(4, 2\)"):
        sliced_wasserstein(np.zeros((5, 2)), np.zeros((6, 2)), u)
    with pytest.raises(UsageError, match=r"got \(5, 3\), \(5, 3\) and \(4, 2\)"):
        sliced_wasserstein(np.zeros((5, 3)), np.zeros((5, 3)), u)
    with pytest.raises(UsageError, match=r"got \(5,\), \(5,\) and \(4, 2\)"):
        sliced_wasserstein(np.zeros(5), np.zeros(5), u)
