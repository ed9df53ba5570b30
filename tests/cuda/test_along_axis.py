"""gather, scatter_add and sort on the device: long columns, and indices that are out of range."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygen as tg
from tinygen.device import DeviceError

r = np.random.default_rng(0)


def device(x):
    return tg.tensor(x, device="cuda")


@pytest.mark.parametrize("shape, axis", [((700,), 0), ((50, 40), 0), ((3, 200, 5), 1)])
def test_long_columns(shape, axis):
    x = r.standard_normal(shape).astype(np.float32)
    index = r.integers(0, shape[axis], shape)
    for f in (
        lambda x: tg.gather(x, index, axis=axis),
        lambda x: tg.scatter_add(x, index, x, axis=axis),
        lambda x: tg.sort(x, axis=axis),
    ):
        assert_allclose(f(device(x)).numpy(), f(tg.tensor(x)).numpy(), rtol=1e-4, atol=1e-5)


def test_an_index_on_the_host_is_looked_at():
    with pytest.raises(IndexError, match=r"gather: wanted indices in \[0, 3\), got 3 to 3"):
        tg.gather(device(np.ones(3)), [3], axis=0)


def test_an_index_on_the_device_that_is_out_of_range_gives_nan(cupy):
    x = device(np.ones((3, 2)))
    index = cupy.asarray(np.array([[0, 2], [-1, 3]]))
    assert_array_equal(tg.gather(x, index, axis=0).numpy(), [[1, 1], [np.nan, np.nan]])
    index = cupy.asarray(np.array([[0, 2], [-1, 2], [0, 2]]))
    y = tg.scatter_add(x, index, device(np.ones((3, 2))), axis=0).numpy()
    assert_array_equal(y, [[np.nan, 1], [np.nan, 1], [np.nan, 4]])


def test_the_index_lies_where_x_does(cupy):
    with pytest.raises(DeviceError, match="gather: wanted an index on the cpu, as x is, got one"):
        tg.gather(tg.tensor(np.ones(3)), cupy.asarray(np.array([0])), axis=0)


@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (0, 0)])
def test_nothing_is_picked_and_added(shape):
    x, index = device(np.ones((2, 3))), np.zeros(shape, int)
    assert tg.gather(x, index, axis=0).shape == shape
    assert_array_equal(tg.scatter_add(x, index, device(np.zeros(shape)), axis=0).numpy(), x.numpy())
    assert tg.sort(device(np.zeros(shape)), axis=0).shape == shape
