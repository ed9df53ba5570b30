"""Running sums by several blocks and launches."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import tinygen as tg
from tinygen.ops.scan import running_sum

SHAPES = [
    # shape, axis: what it exercises
    ((3, 1000), 1),  # a block a row
    ((2, 5003), 1),  # parts of rows, of a length that is no multiple of four
    ((2100, 7), 0),  # parts of columns
    ((3, 600, 5), 1),  # with an axis before
    ((0, 4), 1),
    ((4, 0), 1),
]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("shape, axis", SHAPES, ids=str)
def test_long_running_sums(shape, axis, reverse):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    sums = running_sum(tg.tensor(x, device="cuda"), axis=axis, reverse=reverse).numpy()
    wanted = running_sum.forward(x.astype(float), axis=axis, reverse=reverse)
    assert_allclose(sums, wanted, rtol=1e-4, atol=1e-4)


def test_infinities_stay_with_what_follows(cupy):
    x = np.ones((1, 3000), np.float32)
    x[0, 1500] = np.inf
    y = tg.cumsum(tg.tensor(x, device="cuda"), axis=1).numpy()
    assert np.isfinite(y[0, :1500]).all() and (y[0, 1500:] == np.inf).all()


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_many_additions_stay_accurate(device):
    x = np.full((40_000, 2), 0.1, np.float32)
    y = tg.cumsum(tg.tensor(x, device=device), axis=0).numpy()
    assert_allclose(y[:, 0], np.arange(1, 40_001) * np.float64(x[0, 0]), rtol=2e-6)
