"""Products of a few rows with a transposed matrix, which are computed from the other side."""

import numpy as np
import pytest

from tinygen.cpu import elementwise, linalg, threads


@pytest.mark.parametrize("convolutions", [False, True])
@pytest.mark.parametrize("rows", [1, 2, linalg.FEW, linalg.FEW + 1])
def test_a_product_with_a_transposed_matrix(rows, convolutions, way):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((rows, 1000)).astype(np.float32)
    weight = rng.standard_normal((600, 1000)).astype(np.float32)
    with threads.expecting(convolutions):
        y = linalg.matmul(a, weight.T)
    assert y.flags.c_contiguous and y.flags.writeable
    np.testing.assert_allclose(y, a.astype(np.float64) @ weight.T, atol=1e-3)


def test_only_few_rows_are_turned_and_never_back():
    """Both matrices small: (bᵀ aᵀ)ᵀ would be turned again, for ever."""
    a, b = np.ones((20, 40_000), np.float32), np.ones((25, 40_000), np.float32)
    assert len(a) * a.shape[1] * len(b) > linalg.TINY
    np.testing.assert_array_equal(linalg.matmul(a, b.T), np.full((20, 25), 40_000))
    many, weight = np.ones((linalg.FEW, 4)), np.ones((600, 4))
    assert linalg._turned(many, weight.T)
    assert not linalg._turned(np.ones((linalg.FEW + 1, 4)), weight.T)
    assert not linalg._turned(many, np.ones((4, 600)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(300, 40), (30, 10, 40), (300, 1)])
@pytest.mark.parametrize("order", "CF")
def test_a_dense_layer_adds_its_bias(order, shape, dtype, way):
    """Also where a product's memory is in another order: of one column it is an outer product."""
    rng = np.random.default_rng(0)
    x, weight = (np.asarray(rng.standard_normal(s), dtype, order) for s in (shape, (shape[-1], 50)))
    bias = rng.standard_normal(50).astype(dtype)
    y = linalg.linear(x, weight, bias)
    assert y.size >= elementwise.SHORT and y.shape == (*shape[:-1], 50) and y.dtype == dtype
    expected = x.astype(float) @ weight + bias
    np.testing.assert_allclose(y, expected, atol=1e-4 if dtype == np.float32 else 1e-12)
