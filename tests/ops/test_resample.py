"""resize: what the catalogue does not reach."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygen as tg

r = np.random.default_rng(0)


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("size", [(28, 28), (64, 48), (7, 100), (1, 1), (35, 40)])
def test_large_images_are_torchs(mode, size):
    torch = pytest.importorskip("torch")
    x = r.standard_normal((2, 28, 30, 3)).astype(np.float32)
    y = tg.resize(tg.tensor(x), size, mode=mode).numpy()
    u = torch.from_numpy(x).permute(0, 3, 1, 2)
    z = torch.nn.functional.interpolate(u, size, mode=mode).permute(0, 2, 3, 1)
    assert_allclose(y, z.numpy(), rtol=1e-5, atol=1e-5)


def test_doubling_by_the_nearest_is_upsample2():
    x = tg.tensor(r.standard_normal((2, 3, 4, 5)))
    assert_array_equal(tg.resize(x, (6, 8)).numpy(), tg.upsample2(x).numpy())


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_the_same_size_changes_nothing(mode):
    x = tg.tensor(r.standard_normal((2, 3, 4, 5)))
    assert_array_equal(tg.resize(x, (3, 4), mode=mode).numpy(), x.numpy())


def test_an_infinity_stays_where_it_is():
    x = np.zeros((1, 1, 3, 1))
    x[0, 0, 1] = np.inf
    y = tg.resize(tg.tensor(x), (1, 9), mode="bilinear").numpy().ravel()
    assert_array_equal(y, [0, 0, np.inf, np.inf, np.inf, np.inf, np.inf, 0, 0])
