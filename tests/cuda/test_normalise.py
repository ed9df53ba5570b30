"""Normalisation by several blocks and launches, with a large mean, and repeated."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import tinygen as tg

EPS = 1e-5


def arrays(shape, own, mean=0.0, dtype=np.float32):
    """x, gamma, beta and a cotangent."""
    rng = np.random.default_rng(0)
    x, g = mean + rng.standard_normal(shape), rng.standard_normal(shape)
    gamma, beta = 1 + 0.1 * rng.standard_normal(own), rng.standard_normal(own)
    return [a.astype(dtype) for a in (x, gamma, beta, g)]


def outcome(op, device, x, gamma, beta, g, dtype):
    """(y, dx, dgamma, dbeta) by the fast rules, as NumPy's."""
    xs = [tg.tensor(a, dtype=dtype, device=device, requires_grad=True) for a in (x, gamma, beta)]
    y = op(*xs, eps=EPS)
    outputs = [y, *tg.grad(y, xs, tg.tensor(g, dtype=dtype, device=device))]
    return [f.numpy() for f in outputs]


def compare(op, dtype, rtol, given):
    """With the CPU in float64, on the numbers that float32 holds."""
    outputs = outcome(op, "cuda", *given, dtype)
    wanted = outcome(op, "cpu", *given, np.float64)
    for f, w in zip(outputs, wanted, strict=True):
        assert f.dtype == dtype
        assert_allclose(f, w, 0, rtol * (1 + np.abs(w).max()))


BATCHES = [
    (2000, 64),  # columns by four, in several parts
    (5, 14, 14, 64),
    (600, 65),  # columns one by one, in two or more tiles
    (1500, 3),  # few columns
    (3, 2000),  # few rows
    (1, 8),
]


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 3e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape", BATCHES, ids=str)
def test_large_batch_norms(shape, dtype, rtol):
    compare(tg.batch_norm, dtype, rtol, arrays(shape, shape[-1:]))


LAYERS = [
    ((500, 10), (10,)),  # a warp a row, one by one
    ((30, 128), (128,)),  # by four
    ((9, 5, 7, 8), (7, 8)),
    ((3, 7, 7, 128), (7, 7, 128)),  # a block of 1024 a row, by four
    ((3, 1501), (1501,)),  # a block of 256 a row, one by one
    ((2, 5001), (5001,)),
]


@pytest.mark.parametrize("dtype, rtol", [(np.float32, 3e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("shape, own", LAYERS, ids=str)
def test_large_layer_norms(shape, own, dtype, rtol):
    compare(tg.layer_norm, dtype, rtol, arrays(shape, own))


@pytest.mark.parametrize("shape", [(2000, 20), (60_000, 3), (200_000, 2)], ids=str)
@pytest.mark.parametrize("first", [0.0, 1e3], ids=["plain", "first row far off"])
def test_batch_statistics_keep_their_digits_with_a_large_mean(first, shape):
    """Var has all its digits, the mean what float32 holds of it: half of 2⁻¹⁰ at 1e4."""
    x, gamma, beta, g = arrays(shape, shape[1:], mean=1e4)
    x[0] += np.float32(first)
    stats = [tg.tensor(np.zeros(shape[1]), device="cuda").data for _ in range(2)]
    y = tg.batch_norm(*(tg.tensor(a, device="cuda") for a in (x, gamma, beta)), stats=stats)
    exact = x.astype(float)
    mean, var = exact.mean(axis=0), exact.var(axis=0)
    assert_allclose(stats[0].get(), mean, 1e-7)
    assert_allclose(stats[1].get(), var, 3e-6)
    wanted = (exact - mean) / np.sqrt(var + EPS) * gamma + beta
    assert_allclose(y.numpy(), wanted, 0, 2e-3)
    compare(tg.batch_norm, np.float32, 2e-3, (x, gamma, beta, g))


def test_layer_norm_keeps_its_digits_with_a_large_mean():
    given = arrays((20, 600), (600,), mean=1e4)
    y, *gradients = outcome(tg.layer_norm, "cuda", *given, np.float32)
    wanted = outcome(tg.layer_norm, "cpu", *given, np.float64)
    assert_allclose(y, wanted[0], 0, 1e-5)
    for f, w in zip(gradients, wanted[1:], strict=True):
        assert_allclose(f, w, 0, 2e-3 * (1 + np.abs(w).max()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stats_are_the_batchs_mean_and_biased_variance(dtype):
    x, gamma, beta, _ = arrays((700, 6), (6,), dtype=dtype)
    stats = [tg.tensor(np.zeros(6), dtype=dtype, device="cuda").data for _ in range(2)]
    on_device = [tg.tensor(a, dtype=dtype, device="cuda") for a in (x, gamma, beta)]
    tg.batch_norm(*on_device, stats=stats)
    tolerance = 1e-6 if dtype == np.float32 else 1e-14
    assert_allclose(stats[0].get(), x.mean(axis=0), tolerance, tolerance)
    assert_allclose(stats[1].get(), x.var(axis=0), tolerance, tolerance)


@pytest.mark.parametrize(
    "op, shape, own",
    [(tg.batch_norm, (700, 36), (36,)), (tg.layer_norm, (40, 70), (70,))],
    ids=["batch", "layer"],
)
def test_the_order_of_threads_and_blocks_moves_no_bit(op, shape, own, cupy, gpu, monkeypatch):
    if gpu:
        pytest.skip("a GPU's order is its own")
    results = []
    for order in (0, 1, 2):
        monkeypatch.setattr(cupy, "order", order)
        results.append(outcome(op, "cuda", *arrays(shape, own), np.float32))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            assert_array_equal(a, b)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("row", [0, 300])
def test_what_is_not_finite_spoils_its_own_channel_only(bad, row):
    x, gamma, beta, _ = arrays((500, 8), (8,))
    x[row, 3] = bad
    y = tg.batch_norm(*(tg.tensor(a, device="cuda") for a in (x, gamma, beta))).numpy()
    assert np.isnan(y[:, 3]).all() and np.isfinite(np.delete(y, 3, axis=1)).all()


def test_gradients_take_one_sum_for_all_and_run_no_other_code():
    for op, kernel in ((tg.batch_norm, "gradient_sums"), (tg.layer_norm, "layer_gradient_sums")):
        given = arrays((40, 8), (8,))
        tg.cuda.kernels_used(reset=True)
        outcome(op, "cuda", *given, np.float32)
        used = tg.cuda.kernels_used()
        assert used[f"normalise/{kernel}_4"] == 1
        assert not any(name.startswith("cupy/") for name in used)


def test_no_samples():
    x, gamma, beta, g = arrays((0, 6), (6,))
    y, dx, dgamma, dbeta = outcome(tg.layer_norm, "cuda", x, gamma, beta, g, np.float32)
    assert y.shape == dx.shape == (0, 6)
    assert_array_equal(dgamma, np.zeros(6))
    assert_array_equal(dbeta, np.zeros(6))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("shape", [(0, 6), (6, 0)])
def test_no_statistics_of_no_numbers(shape, device):
    for op in (tg.batch_norm, tg.layer_norm):
        args = (tg.tensor(np.ones(s), device=device) for s in (shape, shape[1:], shape[1:]))
        if op is tg.layer_norm and shape[1]:
            assert op(*args).shape == shape  # no sample has no numbers
        else:
            with pytest.raises(ValueError, match=f"{op.name}: wanted at least one number"):
                op(*args)
