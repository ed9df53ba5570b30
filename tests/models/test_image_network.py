"""The network that draws a model's images draws, from what it says it takes, what `sample` does."""

import numpy as np
import pytest
from drawn import ONE_NETWORK

import tinygen as tg
from tinygen.models import MODELS, Setup
from tinygen.models.aae import AAE
from tinygen.models.conditional import Conditional
from tinygen.models.infogan import InfoGAN, draw_codes

SHAPE, CLASSES, N = (8, 8, 1), 4, 6


def inputs(model, rng):
    """What `sample` of the same rng gives the network: (N, latent + categories + numbers)."""
    net = model.image_network()
    if isinstance(model, Conditional):
        labels = rng.integers(CLASSES, size=N)
        return np.concatenate([model.latent(N, rng), np.eye(CLASSES)[labels]], axis=1)
    if isinstance(model, AAE):
        return model.draw_prior(N, rng)
    z = rng.standard_normal((N, net.latent))
    return np.concatenate([z, draw_codes(N, rng)], axis=1) if isinstance(model, InfoGAN) else z


@pytest.mark.parametrize("name", ONE_NETWORK)
def test_it_draws_the_samples(name):
    module = MODELS[name]
    model = module.build(module.Config(), Setup(SHAPE, CLASSES), np.random.default_rng(0))
    net, x = model.image_network(), inputs(model, np.random.default_rng(1))
    assert x.shape == (N, net.latent + net.categories + net.numbers)
    with tg.no_grad():
        images = net.images(model.tensor(x)).numpy()
    np.testing.assert_allclose(images, model.sample(N, np.random.default_rng(1)), atol=1e-6)
