"""Reshape, Embedding and Dropout against NumPy and torch, and what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn


def rng():
    return np.random.default_rng(3)


@given(st.lists(st.integers(1, 4), max_size=3), st.integers(0, 3), st.randoms())
def test_reshape_keeps_samples_apart(sizes, n, random):
    before, after = tuple(sizes), tuple(random.sample(sizes, len(sizes)))
    x = np.arange(n * math.prod(sizes), dtype=float).reshape(n, *before)
    y = nn.Reshape(*after)(tg.tensor(x, dtype=float))
    np.testing.assert_array_equal(y.numpy(), x.reshape(n, *after))
    back = nn.Reshape(*before)(nn.Reshape(*(np.int64(k) for k in after))(tg.tensor(x)))
    np.testing.assert_array_equal(back.numpy(), x)
    if n:
        assert nn.Reshape(-1)(tg.tensor(x)).shape == (n, math.prod(sizes))


def test_reshape_refuses_other_sizes():
    """Sizes that fit into one another would make samples of parts of samples."""
    x = tg.tensor(np.ones((4, 6)))
    with pytest.raises(ValueError, match=r"reshape: .* got x \(4, 6\)"):
        nn.Reshape(3)(x)
    with pytest.raises(TypeError, match=r"shape \(\) has no length"):
        nn.Reshape(1)(tg.tensor(1.0))
    tg.gradcheck(nn.Reshape(3, 2), [rng().standard_normal((4, 6))], order=2)
