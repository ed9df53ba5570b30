"""gather, scatter_add and sort: what the catalogue does not reach."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tinygen as tg

r = np.random.default_rng(0)


def test_scatter_add_is_torchs():
    torch = pytest.importorskip("torch")
    x, source, index = (
        r.standard_normal((5, 3)),
        r.standard_normal((4, 3)),
        r.integers(0, 5, (4, 3)),
    )
    ours = [tg.tensor(a, dtype=float, requires_grad=True) for a in (x, source)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, source)]
    y = tg.scatter_add(ours[0], index, ours[1], axis=-2)
    z = torch.scatter_add(theirs[0], 0, torch.tensor(index), theirs[1])
    assert_allclose(y.numpy(), z.detach().numpy())
    gs = tg.grad((y * y).sum(), ours)
    hs = torch.autograd.grad((z * z).sum(), theirs)
    for g, h in zip(gs, hs, strict=True):
        assert_allclose(g.numpy(), h.numpy())


@given(st.data())
def test_equal_numbers_keep_their_order_in_the_gradient(data):
    x = np.array(data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=8)), float)
    t = tg.tensor(x, requires_grad=True)
    c = np.arange(1.0, 1 + len(x))
    y = tg.sort(t)
    assert_array_equal(y.numpy(), np.sort(x))
    (g,) = tg.grad(y, [t], c)
    order = sorted(range(len(x)), key=lambda i: x[i])  # Python's is stable
    assert_array_equal(g.numpy()[order], c)
    assert_array_equal(tg.argsort(t), order)


def test_many_small_numbers_are_added_accurately():
    ones = np.ones(20_000_000, np.float32)
    y = tg.scatter_add(tg.tensor(np.zeros(1)), np.zeros(len(ones), np.int8), ones, axis=0)
    assert y.item() == len(ones) and y.dtype == np.float32


def test_the_index_may_be_written_to_after_the_forward():
    x, index = tg.tensor([1.0, 2.0], requires_grad=True), np.array([0, 0])
    y = tg.gather(x, index, axis=0)
    index[:] = 1
    assert_array_equal(tg.grad(y.sum(), [x])[0].numpy(), [2, 0])


@pytest.mark.parametrize("shape", [(0, 2), (2, 0), (0, 0)])
def test_nothing_is_picked_and_added(shape):
    x, index = tg.tensor(np.ones((2, 3))), np.zeros(shape, int)
    assert tg.gather(x, index, axis=0).shape == shape
    y = tg.scatter_add(x, index, np.zeros(shape), axis=0)
    assert_array_equal(y.numpy(), x.numpy())
    assert tg.sort(tg.tensor(np.zeros(shape)), axis=0).shape == shape
