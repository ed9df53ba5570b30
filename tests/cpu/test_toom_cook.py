"""Toom-Cook convolutions against the plain ones, in NumPy alone and compiled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from layouts import laid_out, layouts

from tinygen.cpu import conv, threads, toom_cook
from tinygen.ops import conv as ops


@pytest.fixture(autouse=True, params=[1, 3])
def small_blocks(request, monkeypatch, way):
    monkeypatch.setattr(threads, "count", lambda: request.param)
    monkeypatch.setattr(toom_cook, "BLOCK_BYTES", 20_000)


def test_five_products_make_four_outputs_of_two_taps():
    rng = np.random.default_rng(0)
    d, w = rng.standard_normal(5), rng.standard_normal(2)
    y = toom_cook.A.T @ ((toom_cook.G @ w) * (toom_cook.B.T @ d))
    np.testing.assert_allclose(y, [d[i] * w[0] + d[i + 1] * w[1] for i in range(4)], rtol=1e-12)


sizes = st.integers(4, 19)  # up to three tiles, the last of one to four outputs
calls = st.tuples(
    *(st.integers(1, 5), sizes, sizes, st.integers(1, 5), st.integers(1, 5)),
    st.tuples(st.integers(0, 4), st.integers(0, 4)),
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(calls=calls, layout=layouts)
def test_they_equal_the_sums_over_windows(dtype, calls, layout):
    n, h, wd, c, o, padding = calls
    rng = np.random.default_rng(sum(calls[:5]))
    x, w = (rng.standard_normal(s).astype(dtype) for s in ((n, h, wd, c), (4, 4, c, o)))
    x, w = laid_out(x, *layout), laid_out(w, *layout)
    plan, how = toom_cook.Plan((h, wd), padding), {"stride": 2, "padding": padding}
    y = ops.conv2d.forward(x, w, **how)
    g = laid_out(rng.standard_normal(y.shape).astype(dtype), *layout)
    same(toom_cook.conv2d(x, w, plan), y)
    dx = ops.conv2d_input.forward(g, w, shape=x.shape, **how)
    same(toom_cook.conv2d_input(g, w, x.shape, plan), dx)
    dw = ops.conv2d_weight.forward(x, g, shape=w.shape, **how)
    same(toom_cook.conv2d_weight(x, g, w.shape, plan), dw)


def same(a, b):
    assert a.shape == b.shape and a.dtype == b.dtype
    eps = 1e-4 if a.dtype == np.float32 else 1e-12
    np.testing.assert_allclose(a, b, rtol=0, atol=eps * (1 + np.abs(b).max()))


@pytest.mark.parametrize(
    ("w_shape", "stride", "n"),
    [
        ((4, 4, 16, 8), (2, 2), 64),
        ((4, 4, 8, 16), (2, 2), 64),
        ((4, 4, 16, 16), (2, 2), 23),
        ((4, 4, 256, 129), (2, 2), 64),
        ((4, 4, 16, 16), (2, 1), 64),
        ((4, 4, 16, 16), (1, 1), 64),
        ((3, 4, 16, 16), (2, 2), 64),
        ((4, 5, 16, 16), (2, 2), 64),
    ],
)
def test_others_go_the_plain_way(monkeypatch, w_shape, stride, n):
    monkeypatch.setattr(toom_cook, "in_use", lambda: True)
    assert toom_cook.planned(w_shape, stride, n, (14, 14), (1, 1)) is None
    assert toom_cook.planned((4, 4, 16, 16), (2, 2), 24, (14, 14), (1, 1)) is not None


@pytest.mark.parametrize(("side", "pays"), [(8, True), (10, False), (12, False), (14, True)])
def test_tiles_that_are_mostly_empty_do_not_pay(monkeypatch, side, pays):
    monkeypatch.setattr(toom_cook, "in_use", lambda: True)
    planned = toom_cook.planned((4, 4, 16, 16), (2, 2), 99, (side, side), (1, 1))
    assert (planned is not None) == pays


def test_pixels_that_no_window_sees_count_nothing():
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((2, 9, 13, 3)), rng.standard_normal((4, 4, 3, 2))
    plan, how = toom_cook.Plan((9, 13), (0, 0)), {"stride": 2, "padding": 0}
    y, g = ops.conv2d.forward(x, w, **how), rng.standard_normal((2, 3, 5, 2))
    dw = ops.conv2d_weight.forward(x, g, shape=w.shape, **how)
    x[:, -1] = x[:, :, -1] = np.nan
    same(toom_cook.conv2d(x, w, plan), y)
    same(toom_cook.conv2d_weight(x, g, w.shape, plan), dw)
    dx = toom_cook.conv2d_input(g, w, x.shape, plan)
    assert (dx[:, -1] == 0).all() and (dx[:, :, -1] == 0).all()


def test_a_large_convolution_goes_this_way_where_it_is_compiled(monkeypatch, way):
    taken = []
    for name in ("conv2d", "conv2d_input", "conv2d_weight"):
        monkeypatch.setattr(toom_cook, name, lambda *args, name=name: taken.append(name))
    x, w, g = np.zeros((64, 14, 14, 16)), np.zeros((4, 4, 16, 16)), np.zeros((64, 7, 7, 16))
    conv.conv2d(x, w, stride=2, padding=1)
    conv.conv2d_input(g, w, shape=x.shape, stride=2, padding=1)
    conv.conv2d_weight(x, g, shape=w.shape, stride=2, padding=1)
    assert taken == (["conv2d", "conv2d_input", "conv2d_weight"] if way == "numba" else [])
