"""Warped images: the formula pixel by pixel, what each number does, and the gradient."""

import numpy as np
from by_hand import t
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen.models import warp


def pixel_by_pixel(x, how):
    """The docstring's formula, for one image (H, W, C)."""
    (h, w, _), (a, b, c, d, e), y = x.shape, how, np.empty_like(x)
    for i in range(h):
        for j in range(w):
            r, s = i - (h - 1) / 2, j - (w - 1) / 2
            row = np.exp(warp.STRETCH * b) * r + warp.MOVE * d * h
            column = np.exp(warp.STRETCH * c) * s + warp.SLANT * a * r + warp.MOVE * e * w
            row, column = (np.rint(at + (n - 1) / 2) for at, n in ((row, h), (column, w)))
            y[i, j] = x[int(min(max(row, 0), h - 1)), int(min(max(column, 0), w - 1))]
    return y


@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(2, 9), st.integers(1, 3))
def test_warped_is_its_formula(seed, h, w, c):
    r = np.random.default_rng(seed)
    x, how = r.random((3, h, w, c)), warp.draw_warps(3, r)
    wanted = np.stack([pixel_by_pixel(*one) for one in zip(x, how, strict=True)])
    np.testing.assert_array_equal(warp.warped(t(x), how).numpy(), wanted)
    half = np.stack([pixel_by_pixel(*one) for one in zip(x, how / 2, strict=True)])
    np.testing.assert_array_equal(warp.warped(t(x), how, 0.5).numpy(), half)
    np.testing.assert_array_equal(warp.warped(t(x), how, 0.0).numpy(), x)


def test_each_number_does_what_its_name_says():
    line, dot = np.zeros((1, 21, 21, 1)), np.zeros((1, 21, 21, 1))
    line[:, :, 10] = dot[:, 10, 10] = 1

    def places(x, which):
        y = warp.warped(t(x), np.eye(warp.NUMBERS)[[which]]).numpy()[0, :, :, 0]
        return np.argwhere(y)

    rows, columns = places(line, 0).T  # slanted: 0.35 columns a row, away from the middle
    assert set(rows) == set(range(21))
    assert np.all(np.abs(columns - (10 - 0.35 * (rows - 10))) < 0.5 + 1e-9)
    np.testing.assert_array_equal(places(dot, 3), [[9, 10]])  # moved by 0.05 · 21 pixels
    np.testing.assert_array_equal(places(dot, 4), [[10, 9]])
    for which, axis in ((1, 0), (2, 1)):  # read from 1.22 times as far
        block = np.zeros((1, 21, 21, 1))
        block[:, 2:19, 2:19] = 1
        sides = [len(np.unique(of)) for of in places(block, which).T]
        assert sides == [13 if i == axis else 17 for i in (0, 1)]


def test_its_gradient_is_the_transpose():
    r = np.random.default_rng(0)
    x, g, how = r.random((4, 7, 6, 2)), r.random((4, 7, 6, 2)), warp.draw_warps(4, r)
    leaf = tg.tensor(x, dtype=float, requires_grad=True)
    (dx,) = tg.grad(tg.sum(warp.warped(leaf, how) * t(g)), [leaf])
    y = r.random(x.shape)
    np.testing.assert_allclose(
        np.sum(dx.numpy() * y), np.sum(g * warp.warped(t(y), how).numpy()), rtol=1e-12
    )


def test_warps_are_uniform():
    how = warp.draw_warps(5000, np.random.default_rng(0))
    assert how.shape == (5000, warp.NUMBERS) and -1 <= how.min() < -0.99 and 0.99 < how.max() <= 1
    np.testing.assert_allclose(how.mean(0), 0, atol=0.03)
