"""The Laplacian pyramid: SciPy's blur, exact reconstruction, gradients."""

import numpy as np
import pytest
import scipy.ndimage
from numpy.testing import assert_allclose

import tinygen as tg
from tinygen.ops.pyramid import down, from_pyramid, laplacian_pyramid, up

r = np.random.default_rng(0)
K = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def images(*shape, dtype=float):
    return tg.tensor(r.standard_normal(shape), dtype=dtype)


def blurred(x):
    return scipy.ndimage.convolve(x, K[None, :, :, None], mode="mirror")


@pytest.mark.parametrize("shape", [(2, 8, 6, 3), (1, 2, 4, 1)])
def test_down_blurs_and_keeps_every_other_pixel(shape):
    x = images(*shape)
    assert_allclose(down(x).numpy(), blurred(x.numpy())[:, ::2, ::2], atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 4, 3, 3), (1, 1, 2, 1)])
def test_up_blurs_pixels_with_zeros_between(shape):
    x = images(*shape)
    n, h, w, c = shape
    spread = np.zeros((n, 2 * h, 2 * w, c))
    spread[:, ::2, ::2] = x.numpy()
    assert_allclose(up(x).numpy(), 4 * blurred(spread), atol=1e-12)


def test_one_colour_stays_it_and_has_no_details():
    x = tg.tensor(np.full((1, 8, 8, 1), 0.7), dtype=float)
    *details, small = laplacian_pyramid(x, 3)
    assert small.shape == (1, 2, 2, 1)
    assert_allclose(small.numpy(), 0.7, rtol=1e-12)
    for detail in details:
        assert_allclose(detail.numpy(), 0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "levels"), [((3, 32, 32, 3), 4), ((2, 28, 12, 1), 3)])
def test_the_pyramid_gives_the_images_back(shape, levels, dtype):
    x = images(*shape, dtype=dtype)
    pyramid = laplacian_pyramid(x, levels)
    assert [p.shape[1] for p in pyramid] == [shape[1] // 2**i for i in range(levels)]
    assert_allclose(from_pyramid(pyramid).numpy(), x.numpy(), atol=1e-6)


def test_derivatives():
    for f in (down, up, lambda x: from_pyramid([p * p for p in laplacian_pyramid(x, 2)])):
        tg.gradcheck(f, [r.standard_normal((1, 4, 4, 1))], order=2)


def test_sizes_that_cannot_be_halved_are_named():
    with pytest.raises(ValueError, match=r"even height and width, got \(1, 7, 8, 1\)"):
        laplacian_pyramid(images(1, 28, 32, 1), 4)
    with pytest.raises(ValueError, match="wanted 1 or more levels, got 0"):
        laplacian_pyramid(images(1, 8, 8, 1), 0)
    with pytest.raises(ValueError, match=r"up: wanted images \(N, H, W, C\), got \(3,\)"):
        up(images(3))
