"""Tuned NumPy against the plain forward of its op.

With blocks so small and threads so many that the catalogue's arrays are cut up as large ones are,
in NumPy alone and compiled.
"""

import numpy as np
import pytest
from cases import CASES
from hypothesis import given
from hypothesis import strategies as st
from layouts import laid_out, layouts

import tinygen as tg
from tinygen.core import Tensor
from tinygen.cpu import conv, linalg, threads
from tinygen.ops import conv as ops
from tinygen.primitives import Primitive

TUNED = [n for n, p in Primitive.registry.items() if n in CASES and p.tuned]
FAST = [n for n, p in Primitive.registry.items() if n in CASES and p.fast_rules]


@pytest.fixture(autouse=True, params=[1, 3])
def small_blocks(request, monkeypatch, way):
    monkeypatch.setattr(threads, "count", lambda: request.param)
    monkeypatch.setattr(threads, "BLOCK_ENTRIES", 4)
    monkeypatch.setattr(conv, "BLOCK_BYTES", 100)
    monkeypatch.setattr(linalg, "TINY", 2)
    monkeypatch.setattr(linalg, "LARGE", 4)
    monkeypatch.setattr(threads, "_expected", True)


def same(a, b):
    assert a.shape == b.shape and a.dtype == b.dtype
    rtol = 1e-4 if a.dtype == np.float32 else 1e-11
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * (1 + np.abs(b).max(initial=0)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TUNED)
@given(data=st.data())
def test_tuned_forwards_compute_what_the_plain_ones_do(name, dtype, data):
    op, (arrays, params) = CASES[name].op, data.draw(CASES[name].calls)
    arrays = [np.asarray(a, dtype) for a in arrays]
    layout = data.draw(layouts)
    arrays = [laid_out(a, *layout) for a in arrays]
    params = op.defaults | params
    saved = {"saved": {}} if op.keeps else {}
    same(op.tuned(*arrays, **saved, **params), op.forward(*arrays, **saved, **params))


def one_channel():
    """Images of one channel, as people come by them: its axis has any stride."""
    x = np.arange(96.0).reshape(2, 6, 8)
    yield x[..., None]
    yield np.ascontiguousarray(x)[:, None].transpose(0, 2, 3, 1)
    yield np.arange(288.0).reshape(2, 6, 8, 3)[..., 1:2]
    yield np.broadcast_to(x[0, :, :, None], (2, 6, 8, 1))
    torch = pytest.importorskip("torch")
    yield tg.from_dlpack(torch.from_numpy(x)[:, None].permute(0, 2, 3, 1)).data


@pytest.mark.parametrize("make", [np.asarray, lambda x: Tensor(x, requires_grad=True)])
def test_the_axis_of_one_channel_may_have_any_stride(make):
    r = np.random.default_rng(0)
    w, turned = r.standard_normal((3, 3, 1, 2)), r.standard_normal((3, 3, 2, 1))
    for x in one_channel():
        whole, weights = x.copy(), Tensor(w, requires_grad=True)
        y = tg.conv2d(make(x), weights)
        same(y.numpy(), ops.conv2d.forward(whole, w))
        g = r.standard_normal(y.shape)
        same(
            tg.grad(y, [weights], g)[0].numpy(),
            ops.conv2d_weight.forward(whole, g, shape=w.shape),
        )
        image = {"shape": (2, 8, 10, 2)}
        same(
            tg.conv2d_input(make(x), turned, **image).numpy(),
            ops.conv2d_input.forward(whole, turned, **image),
        )


@pytest.mark.parametrize("name", FAST)
@given(data=st.data())
def test_fast_rules_equal_the_formulas_in_blocks(name, data):
    arrays, params = data.draw(CASES[name].calls)
    xs = [tg.tensor(a, dtype=float, requires_grad=True) for a in arrays]
    y = CASES[name].op(*xs, **params)
    c = np.random.default_rng(0).standard_normal(y.shape)
    formula = tg.grad(y, xs, c, create_graph=True, allow_unused=True)
    for a, b in zip(tg.grad(y, xs, c, allow_unused=True), formula, strict=True):
        same(a.numpy(), b.numpy())
