"""float32 sums of very many numbers: as near to float64's as PyTorch's are."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.core import Tensor

SHAPES = [  # shape, axes: leading ones, one in the middle, narrow and wide rows, a single column
    ((300_000, 4), 0),
    ((200_000, 1), 0),
    ((50_000, 31), 0),
    ((20_000, 100), (0,)),
    ((40, 50, 60, 7), (0, 1, 2)),
    ((3, 70_000, 5), 1),
    ((2000, 300, 2), (0, 2)),
    ((1_000_000,), None),
]


def numbers(shape):
    """Far from 0 and all of one sign: roundings do not cancel."""
    return (1e4 + np.random.default_rng(0).standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize(("shape", "axis"), SHAPES)
def test_sums_keep_their_digits(shape, axis):
    x = numbers(shape)
    exact = x.sum(axis=axis, dtype=np.float64)
    np.testing.assert_allclose(tg.sum(tg.tensor(x), axis=axis).numpy(), exact, rtol=5e-7)
    exact = x.mean(axis=axis, dtype=np.float64)
    np.testing.assert_allclose(tg.mean(tg.tensor(x), axis=axis).numpy(), exact, rtol=5e-7)
    exact = x.var(axis=axis, dtype=np.float64)
    np.testing.assert_allclose(tg.var(tg.tensor(x), axis=axis).numpy(), exact, rtol=2e-5)


VIEWS = {  # of (300_000, 4), and the axes that are summed: as they lie in memory, any may be long
    "transposed": (lambda x: x.T, 1),
    "transposed, all": (lambda x: x.T, None),
    "Fortran's order": (np.asfortranarray, 0),
    "Fortran's order, transposed": (lambda x: np.asfortranarray(x.T), 1),
    "reversed": (lambda x: x.T[::-1, ::-1], 1),
    "every other column": (lambda x: x[:, ::2], 0),
    "every other column, all": (lambda x: x[:, ::2], None),
    "channels first": (lambda x: np.moveaxis(x.reshape(300, 1000, 4), -1, 0), (1, 2)),
    "first and last of three": (lambda x: x.reshape(300, 1000, 4).transpose(1, 2, 0), (0, 2)),
    "repeated": (lambda x: np.broadcast_to(x[:, :1], (300_000, 3)), 0),
    "repeated, transposed": (lambda x: np.broadcast_to(x[:, :1], (300_000, 3)).T, 1),
    "repeated, all": (lambda x: np.broadcast_to(x[:, :1], (300_000, 3)), None),
}


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("name", VIEWS)
def test_sums_of_views_keep_their_digits(name, keepdims):
    view, axis = VIEWS[name]
    x = view(numbers((300_000, 4)))
    exact = x.sum(axis=axis, dtype=np.float64, keepdims=keepdims)
    y = tg.sum(Tensor(x), axis=axis, keepdims=keepdims)
    assert y.shape == exact.shape
    np.testing.assert_allclose(y.numpy(), exact, rtol=5e-7)


def test_twenty_million_ones():
    x = tg.tensor(np.ones((20_000_000, 2)))
    np.testing.assert_array_equal(tg.sum(x, axis=0).numpy(), [2e7, 2e7])
    np.testing.assert_array_equal(tg.sum(x.T, axis=1).numpy(), [2e7, 2e7])


def test_a_bias_gathers_its_gradient_without_loss():
    g = numbers((100_000, 3))
    bias, weight = (tg.tensor(np.zeros(s), requires_grad=True) for s in (3, (2, 3)))
    x = np.ones((100_000, 2), np.float32)
    for y in (tg.linear(tg.tensor(x), weight, bias), tg.tensor(g) * 0.0 + bias):
        (db,) = tg.grad(y, [bias], g)
        np.testing.assert_allclose(db.numpy(), g.sum(0, dtype=np.float64), rtol=5e-7)


def test_norms_know_mean_and_variance_of_many():
    x = numbers((300_000, 4))
    mean, var = np.zeros((2, 4), np.float32)
    one, zero = np.ones(4, np.float32), np.zeros(4, np.float32)
    tg.batch_norm(x, one, zero, stats=(mean, var))
    np.testing.assert_allclose(mean, x.mean(0, dtype=np.float64), rtol=5e-7)
    np.testing.assert_allclose(var, x.var(0, dtype=np.float64), rtol=2e-4)
    gamma = tg.tensor(one, requires_grad=True)
    wide = tg.tensor(np.random.default_rng(1).standard_normal((100_000, 4)))
    g = numbers(wide.shape)
    (dgamma,) = tg.grad(tg.layer_norm(wide, gamma, zero), [gamma], g)
    a = wide.numpy().astype(float)
    xhat = (a - a.mean(1, keepdims=True)) / np.sqrt(a.var(1, keepdims=True) + 1e-5)
    size = np.abs(g * xhat).sum(0)
    np.testing.assert_array_less(np.abs(dgamma.numpy() - (g * xhat).sum(0)), 1e-6 * size)


@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_over_many_adds_up_to_one(axis):
    x = tg.tensor(np.random.default_rng(0).random((500_000, 3)[:: 1 - 2 * axis]))
    exact = np.log(np.exp(x.numpy().astype(float)).sum(axis=axis))
    np.testing.assert_allclose(tg.logsumexp(x, axis=axis).numpy(), exact, rtol=2e-7)
    p = tg.softmax(x, axis=axis).numpy()
    np.testing.assert_allclose(p.sum(axis=axis, dtype=np.float64), 1, rtol=1e-6)
    log_p = tg.log_softmax(x, axis=axis).numpy()
    np.testing.assert_allclose(np.exp(log_p.astype(float)).sum(axis=axis), 1, rtol=1e-5)


@pytest.mark.parametrize("columns", [3, 40])
def test_what_is_no_number_stays_in_its_column(columns):
    x = np.ones((1000, columns), np.float32)
    x[5, 0], x[700, 1], x[:, 2] = np.inf, np.nan, [-np.inf, np.inf] * 500
    with np.errstate(invalid="ignore"):  # ∞ - ∞
        y = tg.sum(tg.tensor(x), axis=0).numpy()
    np.testing.assert_array_equal(y, [np.inf, np.nan, np.nan] + [1000] * (columns - 3))
