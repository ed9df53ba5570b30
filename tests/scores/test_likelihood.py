"""log p(x) by importance sampling: where it is an integral that can be done on a grid."""

import tracemalloc

import numpy as np
import pytest
import scipy.special
import scipy.stats

import tinygen as tg
from tinygen import scores
from tinygen.errors import UsageError
from tinygen.models import Setup, vae


def vae_model(latent=1, shape=(4, 4, 1), observation="bernoulli"):
    config = vae.Config(latent=latent, observation=observation, s=1.0)
    return vae.build(config, Setup(shape), np.random.default_rng(0))


@pytest.mark.parametrize("observation", vae.OBSERVATIONS)
def test_log_likelihood_is_the_integral(observation):
    """One latent: log p(x) = log ∫ p(x|z) p(z) dz, on a fine grid of z."""
    model = vae_model(observation=observation)
    x = np.random.default_rng(0).random((3, 4, 4, 1)).astype(np.float32).round()
    z = np.linspace(-8, 8, 4001)
    with tg.no_grad():
        logits = model.decoder(tg.tensor(z[:, None]))
        exact = []
        for image in x:
            images = tg.tensor(np.repeat(image[None], len(z), axis=0))
            log_p = vae.log_likelihood_given_z(images, logits, observation=observation, s=1.0)
            joint = log_p.numpy().astype(float) + scipy.stats.norm.logpdf(z)
            exact.append(scipy.special.logsumexp(joint) + np.log(z[1] - z[0]))
    found = scores.log_likelihood(model, x, k=5000, rng=np.random.default_rng(1))
    assert found.shape == (3,) and found.dtype == np.float64
    np.testing.assert_allclose(found, exact, atol=0.05)


def test_log_likelihood_does_not_depend_on_the_chunks():
    model, x = vae_model(), np.ones((1, 4, 4, 1), np.float32)
    one, all_at_once = (
        scores.log_likelihood(model, x, k=300, rng=np.random.default_rng(1), rows=rows)
        for rows in (7, 1000)
    )
    np.testing.assert_allclose(one, all_at_once, rtol=1e-5)


def test_memory_does_not_grow_with_k():
    model, x = vae_model(shape=(28, 28, 1)), np.ones((4, 28, 28, 1), np.float32)
    peaks = []
    for k in (500, 5000):
        tracemalloc.start()
        scores.log_likelihood(model, x, k=k, rng=np.random.default_rng(1), rows=200)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_no_samples_are_refused():
    with pytest.raises(UsageError, match="wanted k >= 1 and rows >= 1, got 0 and 2000"):
        scores.log_likelihood(vae_model(), np.ones((1, 4, 4, 1)), k=0, rng=np.random.default_rng(0))
