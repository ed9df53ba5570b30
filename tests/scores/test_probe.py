"""Features of a discriminator's layers, and the linear classifier that reads them."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn, scores
from tinygen.errors import UsageError
from tinygen.models import Setup, gan


def test_features_are_the_layers_activations_pooled_to_four_by_four():
    rng = np.random.default_rng(0)
    D = gan.build(gan.Config(arch="deep"), Setup((16, 16, 3)), rng).D
    x = tg.tensor(rng.uniform(-1, 1, (5, 16, 16, 3)))
    found = scores.conv_features(D, x).numpy()
    assert found.shape == (5, 16 * (64 + 128))
    first = D[1](D[0](x)).numpy()  # 8×8×64, so windows of 2×2
    pooled = first.reshape(5, 4, 2, 4, 2, 64).max(axis=(2, 4)).reshape(5, -1)
    np.testing.assert_array_equal(found[:, : 16 * 64], pooled)
    second = D[4](D[3](D[2](tg.tensor(first)), train=False)).numpy()  # 4×4×128
    np.testing.assert_allclose(found[:, 16 * 64 :], second.reshape(5, -1), rtol=1e-6)
    pixels = rng.integers(0, 256, (5, 16, 16, 3), np.uint8)
    assert scores.seen_by(D, pixels).shape == (5, 16 * 192)


def test_a_network_without_convolutions_is_refused():
    D = nn.dense((4, 4, 1), 3, 1, activation=tg.tanh, rng=np.random.default_rng(0))
    with pytest.raises(UsageError, match="wanted convolutions to sides divisible by 4"):
        scores.conv_features(D, tg.tensor(np.zeros((2, 4, 4, 1))))


def test_what_is_linear_is_found_and_noise_is_not():
    rng = np.random.default_rng(0)
    x, direction = rng.standard_normal((3000, 10)), rng.standard_normal((10, 3))
    labels = (x @ direction).argmax(1)
    learn, test = slice(0, 2000), slice(2000, None)
    moved = 7 * x + 3
    right = scores.linear_accuracy(
        moved[learn], labels[learn], moved[test], labels[test], epochs=100
    )
    assert right > 0.93
    noise = rng.integers(0, 3, 3000)
    by_chance = scores.linear_accuracy(x[learn], noise[learn], x[test], noise[test])
    assert abs(by_chance - 1 / 3) < 0.06
