"""Running sums, products and standard deviations: what the catalogue does not reach."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygen as tg


def test_running_sums_of_ones_count():
    y = tg.cumsum(tg.tensor(np.ones(20_000_000)))
    assert y.data[-1] == 20_000_000 and y.dtype == np.float32


def test_cumsum_is_a_method():
    x = tg.tensor(np.arange(6.0).reshape(2, 3))
    assert_array_equal(x.cumsum(1).numpy(), np.cumsum(x.numpy(), 1))
    assert_array_equal(x.cumsum().numpy(), np.cumsum(x.numpy()))


@pytest.mark.parametrize("shape, axis", [((0,), None), ((2, 0), 1), ((0, 2), 1), ((), None)])
def test_products_of_none(shape, axis):
    x = tg.tensor(np.full(shape, 3.0), requires_grad=True)
    y = tg.prod(x, axis=axis)
    assert_array_equal(y.numpy(), np.prod(np.full(shape, 3.0), axis=axis))
    (g,) = tg.grad(y.sum(), [x])
    assert_array_equal(g.numpy(), np.ones(shape))


def test_a_product_of_many_has_the_gradients_of_its_zeros():
    x = np.random.default_rng(0).uniform(0.9, 1.1, 1001)
    x[[3, 700]] = 0
    t = tg.tensor(x, dtype=float, requires_grad=True)
    (g,) = tg.grad(tg.prod(t), [t], create_graph=True)
    assert not g.numpy().any()
    (h,) = tg.grad(g[3], [t])  # ∂²/∂x₃∂x_j: the product of all others, 0 but for j = 700
    wanted = np.zeros(1001)
    wanted[700] = np.prod(np.delete(x, [3, 700]))
    assert_allclose(h.numpy(), wanted, rtol=1e-12)


def test_the_gradient_of_std_is_0_where_all_numbers_are_equal():
    x = tg.tensor([[2.0, 2.0], [1.0, 3.0]], requires_grad=True)
    (g,) = tg.grad(tg.std(x, axis=1).sum(), [x])
    assert_allclose(g.numpy(), [[0, 0], [-0.5, 0.5]])
    (g,) = tg.grad(tg.std(x, axis=1, eps=1e-6).sum(), [x])
    assert_allclose(g.numpy(), [[0, 0], [-0.5, 0.5]], rtol=1e-5)


def test_std_takes_ddof():
    x = np.random.default_rng(0).standard_normal((4, 3))
    assert_allclose(tg.std(tg.tensor(x, dtype=float), axis=0, ddof=1).numpy(), x.std(0, ddof=1))
