"""Densities and losses against scipy.stats, closed forms and torch."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import prob

rng = np.random.default_rng(0)
X, MU, LOG_VAR = (rng.standard_normal((3, 2, 2)) for _ in range(3))


def t(a):
    return tg.tensor(a, dtype=float)


def test_gaussian_log_density():
    want = scipy.stats.norm.logpdf(X, MU, np.exp(LOG_VAR / 2)).sum((1, 2))
    got = prob.gaussian_log_density(t(X), t(MU), t(LOG_VAR))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-12)
    fixed = prob.gaussian_log_density(t(X), t(MU), 2 * np.log(0.1))
    np.testing.assert_allclose(
        fixed.numpy(), scipy.stats.norm.logpdf(X, MU, 0.1).sum((1, 2)), rtol=1e-12
    )


def test_the_constant_of_784_pixels_at_a_tenth():
    got = prob.gaussian_log_density(t(np.zeros((1, 784))), t(np.zeros((1, 784))), 2 * np.log(0.1))
    assert got.item() == pytest.approx(1084.8, abs=0.1)


def test_bernoulli_log_density():
    x = (X > 0).astype(float)
    want = scipy.stats.bernoulli.logpmf(x, 1 / (1 + np.exp(-MU))).sum((1, 2))
    np.testing.assert_allclose(prob.bernoulli_log_density(x, t(MU)).numpy(), want, rtol=1e-12)


def test_kl_against_an_integral():
    mu, s = 0.7, 0.6
    z = np.linspace(-8, 8, 20001)
    q, p = scipy.stats.norm.pdf(z, mu, s), scipy.stats.norm.pdf(z)
    want = np.trapezoid(q * np.log(q / p), z)
    got = prob.kl_to_standard_normal(t([[mu]]), t([[2 * np.log(s)]]))
    assert got.item() == pytest.approx(want, rel=1e-8)


@given(st.integers(0, 10**6))
def test_kl_is_not_negative_and_zero_only_at_the_prior(seed):
    r = np.random.default_rng(seed)
    kl = prob.kl_to_standard_normal(t(r.standard_normal((4, 3))), t(r.standard_normal((4, 3))))
    assert (kl.numpy() > 0).all()
    zero = prob.kl_to_standard_normal(t(np.zeros((4, 3))), t(np.zeros((4, 3))))
    np.testing.assert_array_equal(zero.numpy(), np.zeros(4))


def test_losses_equal_torch():
    torch = pytest.importorskip("torch")
    logits, labels = rng.standard_normal((5, 4)) * 3, np.array([0, 3, 1, 1, 2])
    target = rng.random((5, 4))
    a, b = (
        tg.tensor(logits, dtype=float, requires_grad=True),
        torch.tensor(logits, requires_grad=True),
    )
    F = torch.nn.functional
    for ours, theirs in [
        (prob.logits_loss(a, target), F.binary_cross_entropy_with_logits(b, torch.tensor(target))),
        (prob.softmax_loss(a, labels), F.cross_entropy(b, torch.tensor(labels))),
    ]:
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
        (want,) = torch.autograd.grad(theirs, [b])
        np.testing.assert_allclose(tg.grad(ours, [a])[0].numpy(), want.numpy(), atol=1e-14)


def test_logits_loss_does_not_saturate():
    a = tg.tensor([-200.0, 200.0], requires_grad=True)
    loss = prob.logits_loss(a, np.array([1.0, 0.0], np.float32))
    assert loss.item() == 200
    np.testing.assert_array_equal(tg.grad(loss, [a])[0].numpy(), [-0.5, 0.5])


@pytest.mark.parametrize("mu", [0.5, np.array([0.5, 1.0, 2.0])])
def test_a_mean_that_broadcasts(mu):
    x = np.random.default_rng(0).standard_normal((4, 3))
    for log_var in (0.3, t(0.3)):
        got = prob.gaussian_log_density(t(x), mu, log_var)
        expected = -0.5 * (np.log(2 * np.pi) + 0.3 + (x - mu) ** 2 / np.exp(0.3)).sum(1)
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)
