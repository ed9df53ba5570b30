"""The priors: their distributions, and the part of each label."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from tinygen.errors import UsageError
from tinygen.models import priors
from tinygen.scores import directions, sliced_wasserstein

N = 20_000


def polar(z):
    return np.hypot(*z.T), np.arctan2(z[:, 1], z[:, 0]) % (2 * np.pi)


def test_the_gaussian_is_standard_normal():
    z = priors.gaussian(N, np.random.default_rng(2))
    for u in directions(5, 2, np.random.default_rng(1)):
        assert scipy.stats.kstest(z @ u, "norm").pvalue > 0.01


def test_a_part_of_the_gaussian_is_a_sector():
    radius, angle = polar(priors.gaussian(N, np.random.default_rng(0), np.full(N, 3), 10))
    assert scipy.stats.kstest(angle / (2 * np.pi) * 10 - 3, "uniform").pvalue > 0.01
    assert scipy.stats.kstest(radius, "rayleigh").pvalue > 0.01


def test_the_parts_of_the_mixture_are_longer_than_wide():
    assert priors.ALONG > 3 * priors.ACROSS


@pytest.mark.parametrize("parts", [1, 4, 10])
def test_a_part_of_the_mixture_is_a_gaussian_along_its_radius(parts):
    for label in range(parts):
        z = priors.mixture(N, np.random.default_rng(0), np.full(N, label), parts)
        angle = 2 * np.pi * label / parts
        radial = np.array([np.cos(angle), np.sin(angle)])
        tangent = np.array([-np.sin(angle), np.cos(angle)])
        along, across = (z @ radial - priors.CIRCLE) / priors.ALONG, z @ tangent / priors.ACROSS
        for standard in (along, across):
            assert scipy.stats.kstest(standard, "norm").pvalue > 1e-3
        assert abs(np.corrcoef(along, across)[0, 1]) < 0.03


def test_the_roll_starts_at_the_centre_and_goes_in_equal_steps():
    line = priors.roll(np.linspace(0, 1, 225))
    radius, angle = polar(line)
    np.testing.assert_allclose([radius[0], radius[-1]], [0, priors.RADIUS], atol=1e-12)
    assert (np.diff(radius) > 0).all()
    turned = np.unwrap(angle[1:])
    assert turned[-1] - turned[0] > 0.9 * 2 * np.pi * priors.TURNS and (np.diff(turned) > 0).all()
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)[10:]
    assert steps.max() / steps.min() < 1.2


def test_a_part_of_the_swiss_roll_is_its_piece():
    label, parts = 3, 5
    z = priors.swiss_roll(N, np.random.default_rng(0), np.full(N, label), parts)
    line = priors.roll(np.linspace(0, 1, 2001))
    nearest = np.linalg.norm(z[:500, None] - line, axis=2).argmin(1) / 2000
    slack = 3 * priors.WIDTH / priors.RADIUS
    assert label / parts - slack < nearest.min() and nearest.max() < (label + 1) / parts + slack
    off = z - priors.roll((label + np.random.default_rng(0).random(N)) / parts)
    assert scipy.stats.kstest(off.ravel() / priors.WIDTH, "norm").pvalue > 0.01


@pytest.mark.parametrize("prior", priors.PRIORS.values())
def test_the_parts_make_up_the_prior(prior):
    """As many points of each label are distributed as the prior without labels."""
    rng, u = np.random.default_rng(0), directions(50, 2, np.random.default_rng(1))
    whole, again = prior(N, rng), prior(N, rng)
    made_up = prior(N, rng, np.arange(N) % 10, 10)
    assert sliced_wasserstein(whole, made_up, u) < 2.5 * sliced_wasserstein(whole, again, u)
    first = prior(N, rng, np.zeros(N, int), 10)
    assert sliced_wasserstein(whole, first, u) > 10 * sliced_wasserstein(whole, again, u)


@given(st.sampled_from(list(priors.PRIORS.values())), st.integers(1, 12), st.integers(0, 10**6))
def test_labels_out_of_range_are_named(prior, parts, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, parts, 5)
    assert prior(5, rng, labels, parts).shape == prior(5, rng, parts=parts).shape == (5, 2)
    for wrong in (-1, parts):
        labels[2] = wrong
        with pytest.raises(UsageError, match=f"wanted 0 <= label < {parts}, got .*{wrong}"):
            prior(5, rng, labels, parts)
    with pytest.raises(UsageError, match=r"a label for each of 5 points, got \(4,\)"):
        prior(5, rng, labels[:4], parts)
    assert prior(0, rng).shape == (0, 2)
