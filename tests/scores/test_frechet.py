"""The Fréchet distance: Gaussians in closed form, SciPy's root of a matrix, few samples."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from tinygen.errors import UsageError
from tinygen.scores import frechet_distance

SEEDS = st.integers(0, 10**6)


def cloud(seed, n=50, d=4):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + rng.standard_normal(d)


@given(SEEDS)
def test_it_is_the_formula_by_scipys_root_of_a_matrix(seed):
    a, b = cloud(seed), cloud(seed + 1, 70)
    cov_a, cov_b = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    want = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-6, abs=1e-9)


def exact(mu, sd, seed):
    """200 points of exactly this mean and this standard deviation along each axis, uncorrelated."""
    x = np.random.default_rng(seed).standard_normal((200, len(mu)))
    x, _ = np.linalg.qr(x - x.mean(0))
    return x * np.sqrt(199) * sd + mu


def test_gaussians_in_closed_form():
    """For diagonal covariances Σ (μ_a - μ_b)² + (s_a - s_b)²."""
    mu_a, s_a, mu_b, s_b = np.array([[0.0, 1, 2], [1, 2, 3], [1, 1, 4], [2, 2, 0.5]])
    a, b = exact(mu_a, s_a, 0), exact(mu_b, s_b, 1)
    want = ((mu_a - mu_b) ** 2 + (s_a - s_b) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(want, rel=1e-9)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)


@given(SEEDS)
def test_fewer_samples_than_dimensions(seed):
    """Translation costs ‖t‖² and turning both nothing, also where covariances are singular."""
    a, t = cloud(seed, 5, 20), np.linspace(-1, 1, 20)
    assert frechet_distance(a, a + t) == pytest.approx((t**2).sum(), rel=1e-6)
    b = cloud(seed + 1, 7, 20)
    turn = np.linalg.qr(np.random.default_rng(seed).standard_normal((20, 20)))[0]
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(frechet_distance(a, b), rel=1e-6)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (np.ones((1, 3)), np.ones((5, 3)), r"N and M >= 2, got \(1, 3\) and \(5, 3\)"),
        (np.ones((5, 2)), np.ones((5, 3)), r"got \(5, 2\) and \(5, 3\)"),
        (np.full((5, 3), np.nan), np.ones((5, 3)), "got NaN or infinity"),
    ],
)
def test_wrong_input_is_named(a, b, message):
    with pytest.raises(UsageError, match=message):
        frechet_distance(a, b)
