"""Pooling: what the catalogue does not reach."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygen as tg

r = np.random.default_rng(0)


def test_the_stride_is_the_kernels_size_unless_given():
    x = tg.tensor(r.standard_normal((2, 6, 9, 3)))
    assert tg.max_pool(x, (2, 3)).shape == tg.avg_pool(x, (2, 3)).shape == (2, 3, 3, 3)
    assert tg.max_pool(x, 2, stride=1).shape == (2, 5, 8, 3)
    assert_allclose(
        tg.avg_pool(x[:, :, :8], 2).numpy(), tg.avg_pool2(x[:, :, :8]).numpy(), atol=1e-6
    )


def test_the_first_of_equal_numbers_gets_the_gradient():
    torch = pytest.importorskip("torch")
    numbers = r.integers(0, 2, (2, 5, 5, 2)).astype(float)
    x = tg.tensor(numbers, dtype=float, requires_grad=True)
    t = torch.tensor(numbers.transpose(0, 3, 1, 2).copy(), requires_grad=True)
    y = tg.max_pool(x, 3, stride=2, padding=1)
    z = torch.nn.functional.max_pool2d(t, 3, 2, 1)
    c = r.standard_normal(y.shape)
    wanted = torch.autograd.grad(z, t, torch.from_numpy(c.transpose(0, 3, 1, 2)))[0]
    for create_graph in (True, False):
        (g,) = tg.grad(y, [x], c, create_graph=create_graph)
        assert_allclose(g.numpy(), wanted.numpy().transpose(0, 2, 3, 1))


def test_windows_without_a_number_have_their_gradient_inside():
    x = tg.tensor(np.full((1, 3, 3, 1), -np.inf), requires_grad=True)
    y = tg.max_pool(x, 2, stride=1, padding=1)
    assert (y.numpy() == -np.inf).all()
    assert tg.grad(y.sum(), [x])[0].numpy().sum() == 16


def test_a_nan_is_the_largest():
    x = np.zeros((1, 2, 4, 1))
    x[0, 1, 0] = np.nan
    assert_array_equal(tg.max_pool(tg.tensor(x), 2).numpy().ravel(), [np.nan, 0])
