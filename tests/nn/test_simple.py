"""Reshape, Embedding and Dropout against NumPy and torch, and what they refuse."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn
from tinygen.weights import from_torch, to_torch


def rng():
    return np.random.default_rng(3)


@given(st.lists(st.integers(1, 4), max_size=3), st.integers(0, 3), st.randoms())
def test_reshape_keeps_samples_apart(sizes, n, random):
    before, after = tuple(sizes), tuple(random.sample(sizes, len(sizes)))
    x = np.arange(n * math.prod(sizes), dtype=float).reshape(n, *before)
    y = nn.Reshape(*after)(tg.tensor(x, dtype=float))
    np.testing.assert_array_equal(y.numpy(), x.reshape(n, *after))
    back = nn.Reshape(*before)(nn.Reshape(*(np.int64(k) for k in after))(tg.tensor(x)))
    np.testing.assert_array_equal(back.numpy(), x)
    if n:
        assert nn.Reshape(-1)(tg.tensor(x)).shape == (n, math.prod(sizes))


def test_reshape_refuses_other_sizes():
    """Sizes that fit into one another would make samples of parts of samples."""
    x = tg.tensor(np.ones((4, 6)))
    with pytest.raises(ValueError, match=r"reshape: .* got x \(4, 6\)"):
        nn.Reshape(3)(x)
    with pytest.raises(TypeError, match=r"shape \(\) has no length"):
        nn.Reshape(1)(tg.tensor(1.0))
    tg.gradcheck(nn.Reshape(3, 2), [rng().standard_normal((4, 6))], order=2)


@pytest.mark.parametrize("shape", [(), (5,), (2, 3), (0,), (2, 0, 3)])
def test_embedding_equals_torch(shape):
    torch = pytest.importorskip("torch")
    layer, theirs = nn.Embedding(4, 3, rng=rng()).astype(float), torch.nn.Embedding(4, 3).double()
    theirs.load_state_dict(
        {k: torch.from_numpy(v) for k, v in to_torch(layer.state_dict()).items()}
    )
    x = rng().integers(0, 4, shape)
    y, z = layer(x), theirs(torch.from_numpy(x))
    np.testing.assert_array_equal(y.numpy(), z.detach().numpy())
    c = rng().standard_normal(y.shape)
    z.backward(torch.from_numpy(c))
    (g,) = tg.grad(y, [layer.table], c)
    np.testing.assert_allclose(g.numpy(), theirs.weight.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("n", [3, 4])
def test_a_table_lies_as_torchs(n):
    """Also a square one, which no error would tell from its transpose."""
    state = nn.Sequential(nn.Embedding(n, 3, rng=rng())).state_dict()
    (table,) = state.values()
    np.testing.assert_array_equal(to_torch(state)["0.weight"], table)
    (back,) = from_torch({"0.weight": table}, state).values()
    np.testing.assert_array_equal(back, table)


def test_embedding_has_gradients_of_all_orders():
    """Rows that are looked up twice are summed; a row that is not has gradient 0."""
    layer = nn.Embedding(3, 2, rng=rng())

    def f(table):
        layer.table = table
        return tg.tanh(layer([2, 0, 2]))

    tg.gradcheck(f, [rng().standard_normal((3, 2))], order=3)


def test_embedding_tells_init_its_fans():
    seen = []
    nn.Embedding(7, 5, rng=rng(), init=lambda *a: seen.append(a[:3]) or np.zeros(a[0], np.float32))
    assert seen == [((7, 5), 1, 5)]
    table = nn.Embedding(300, 200, rng=rng()).table.numpy()
    assert abs(table.std() - 1) < 0.02 and abs(table.mean()) < 0.02


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        ([0, -1], IndexError, r"Embedding: wanted integers in \[0, 4\), got -1 to 0 in \(2,\)"),
        ([[4]], IndexError, r"got 4 to 4 in \(1, 1\)"),
        ([0.0], TypeError, r"wanted an array of integers, got an array \(1,\) of float64"),
        ([True], TypeError, "got an array .* of bool"),
        (tg.tensor([1.0]), TypeError, r"got a Tensor \(1,\) of float32"),
    ],
)
def test_embedding_refuses_what_is_in_no_row(wrong, error, match):
    with pytest.raises(error, match=match):
        nn.Embedding(4, 3, rng=rng())(wrong)


@pytest.mark.parametrize("train", [True, "frozen"])
@given(st.floats(0, 0.95))
def test_dropout_draws_the_generators_masks(train, p):
    layer, x = nn.Dropout(p, rng=rng()), rng().standard_normal((5, 4)) + 3
    same = rng()
    for _ in range(2):
        y = layer(tg.tensor(x, dtype=float), train=train).numpy()
        mask = same.random((5, 4)) >= p
        np.testing.assert_allclose(y, x * mask / (1 - p), rtol=1e-12)


def test_dropout_keeps_the_mean_and_only_in_training():
    layer, x = nn.Dropout(0.3, rng=rng()), tg.tensor(np.ones((300, 300)))
    y = layer(x, train=True).numpy()
    assert abs(y.mean() - 1) < 0.01 and abs((y == 0).mean() - 0.3) < 0.01
    assert not np.array_equal(layer(x, train=True).numpy(), y)
    assert layer(x, train=False) is x
    with pytest.raises(ValueError, match='Dropout: wanted train=True, False or "frozen", got None'):
        layer(x)
    with pytest.raises(ValueError, match="got 'thawed'"):
        layer(x, train="thawed")
    for p in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="Dropout: wanted 0 <= p < 1, got"):
            nn.Dropout(p, rng=rng())


def test_dropouts_gradient_goes_through_the_mask_that_was_drawn():
    layer, x = nn.Dropout(0.5, rng=rng()), tg.tensor(np.ones((6, 7)), requires_grad=True)
    y = layer(x, train=True)
    (g,) = tg.grad(y, [x], np.ones(y.shape), retain_graph=True)
    np.testing.assert_array_equal(g.numpy(), y.numpy())

    def f(x):
        return nn.Dropout(0.5, rng=rng())(tg.tanh(x), train=True)

    tg.gradcheck(f, [rng().standard_normal((3, 4))], order=2)


def test_a_sequential_hands_train_to_dropout():
    net = nn.Sequential(nn.Linear(2, 3, rng=rng()), nn.Dropout(0.9, rng=rng()))
    x = tg.tensor(np.ones((2, 2)))
    assert (net(x, train=True).numpy() == 0).any() and net(x, train=False).numpy().all()
    assert list(net.state_dict()) == ["layers.0.weight", "layers.0.bias"]
    assert "Dropout(p=0.9)" in repr(net)
