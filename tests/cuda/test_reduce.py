"""Reductions by several blocks and launches, and the numbers that are none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import tinygen as tg
from tinygen.cuda import reduce
from tinygen.ops import reduce as ops
from tinygen.ops.shape import sum_to

SHAPES = [
    # shape, axis: what it exercises
    ((1000, 513), None),  # one row, cut into parts, of a length that is no multiple of four
    ((1000, 513), 0),  # columns one by one, in parts
    ((1000, 513), 1),  # a warp a row
    ((3, 5000), 1),  # a block a row, in parts
    ((700, 1030), 1),  # a block a row, in one part
    ((2, 25, 25, 64), (0, 1, 2)),  # columns by four
    ((2, 25, 25, 64), (1, 2)),  # with an axis before
    ((9, 40, 11, 30), (0, 2)),  # axes apart
    ((2000, 3), 0),  # few columns
    ((6, 3000), 0),  # few rows
    ((2000, 5), 1),  # rows shorter than a warp
    ((1, 1), ()),  # nothing to reduce
    ((), None),
]


def log_sum_exp(x, axis):
    """Of finite numbers."""
    top = x.max()
    return np.log(np.exp(x - top).sum(axis=axis)) + top


OPS = {
    "sum": (ops.sum, np.sum),
    "mean": (ops.mean, np.mean),
    "max": (ops.max, np.max),
    "logsumexp": (ops.logsumexp, log_sum_exp),
}


def numbers(shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


def close(result, wanted, dtype=np.float32, scale=1.0):
    tolerance = (1e-5 if dtype == np.float32 else 1e-13) * scale
    assert_allclose(result.numpy(), wanted, tolerance, tolerance)


@pytest.mark.parametrize("shape, axis", SHAPES, ids=str)
@pytest.mark.parametrize("name", OPS)
def test_large_reductions(name, shape, axis):
    op, numpy_op = OPS[name]
    x = numbers(shape)
    wanted = numpy_op(x.astype(float), axis=axis)
    y = op(tg.tensor(x, device="cuda"), axis=axis)
    close(y, wanted, scale=np.sqrt(x.size / max(1, wanted.size)) + 1 if name == "sum" else 1)


@pytest.mark.parametrize("name", ["sum", "max", "logsumexp"])
@pytest.mark.parametrize("shape, axis", [((40_000,), None), ((1000, 65), 0), ((300, 1100), 1)])
def test_the_order_of_threads_and_blocks_moves_no_bit(name, shape, axis, cupy, gpu, monkeypatch):
    if gpu:
        pytest.skip("a GPU's order is its own")
    x, results = tg.tensor(numbers(shape), device="cuda"), []
    for order in (0, 1, 2):
        monkeypatch.setattr(cupy, "order", order)
        results.append(OPS[name][0](x, axis=axis).numpy())
    assert_array_equal(results[0], results[1])
    assert_array_equal(results[0], results[2])


def test_a_long_sum_takes_many_blocks_and_two_launches():
    parts, chunk = reduce.split(10_000_000, 4096, 1)
    assert parts > 132 and (parts - 1) * chunk < 10_000_000 <= parts * chunk and chunk % 4 == 0
    tg.cuda.kernels_used(reset=True)
    ops.sum(tg.tensor(numbers(20_000), device="cuda"))
    assert tg.cuda.kernels_used() == {"reduce/sum_rows": 1, "reduce/sum_short_rows": 1}


@pytest.mark.parametrize(
    "n, least, others", [(1, 8, 1), (5000, 4096, 1), (12544, 64, 1), (9, 4, 7)]
)
def test_parts_cover_all_once(n, least, others):
    parts, chunk = reduce.split(n, least, others)
    assert parts >= 1 and (parts - 1) * chunk < n <= parts * chunk


@given(st.integers(1, 10**6), st.integers(1, 3000), st.integers(1, 3000))
def test_no_thread_adds_many_numbers_one_after_the_other(n, inner, outer):
    """However many sums there are: rounding errors grow with what one thread adds."""
    rows = np.empty((1, inner), np.float32)
    _, (_, ty), tiles = reduce.columns(n, inner, tg.tensor(rows, device="cuda").data)
    for threads, others, least in ((ty, outer * tiles, 4 * ty), (256, outer, 4096)):
        parts, chunk = reduce.split(n, least, others)
        assert (parts - 1) * chunk < n <= parts * chunk
        assert -(-chunk // threads) <= reduce.MOST * least // threads + 4


FAR = [
    ((60_000, 3), 0),
    ((200_000, 2), 0),
    ((200_000, 4), 0),
    ((20_000, 31), 0),
    ((3, 40_000, 5), 1),
]


@pytest.mark.parametrize("shape, axis", FAR, ids=str)
def test_sums_keep_their_digits_far_from_0(shape, axis):
    x = 1e4 + numbers(shape)
    on_device, exact = tg.tensor(x, device="cuda"), x.astype(float)
    assert_allclose(ops.sum(on_device, axis=axis).numpy(), exact.sum(axis), rtol=5e-7)
    assert_allclose(ops.mean(on_device, axis=axis).numpy(), exact.mean(axis), rtol=5e-7)
    assert_allclose(ops.var(on_device, axis=axis).numpy(), exact.var(axis), rtol=2e-5)
    assert_allclose(ops.norm(on_device, axis=axis).numpy(), np.linalg.norm(exact, axis=axis), 5e-7)
    if axis == 0:
        zeros = np.zeros((2, shape[1]), np.float32)
        bias = tg.tensor(zeros[0], device="cuda", requires_grad=True)
        (g,) = tg.grad(tg.tensor(zeros[:1], device="cuda") + on_device * 0.0 + bias, [bias], x)
        assert_allclose(g.numpy(), exact.sum(0), rtol=5e-7)


@pytest.mark.parametrize("columns", [2, 3])
def test_softmax_over_many_adds_up_to_one(columns):
    x = np.full((300_000, columns), np.log(0.1), np.float32)
    x[0] = 0
    on_device, each = tg.tensor(x, device="cuda"), 0.1 / (1 + 0.1 * 299_999)
    assert_allclose(ops.softmax(on_device, axis=0).numpy()[1:], each, rtol=5e-6)
    assert_allclose(ops.log_softmax(on_device, axis=0).numpy()[1:], np.log(each), rtol=5e-7)
    assert_allclose(ops.logsumexp(on_device, axis=0).numpy(), -np.log(10 * each), rtol=5e-7)


def test_an_array_that_is_not_aligned_is_read_one_by_one():
    x = numbers(8005)
    on_device = tg.tensor(x, device="cuda").data
    for start in range(1, 4):
        close(ops.sum(tg.Tensor(on_device[start:])), x[start:].astype(float).sum(), scale=90)
        columns = on_device[start : start + 8000].reshape(2000, 4)
        wanted = x[start : start + 8000].reshape(2000, 4).astype(float).sum(0)
        close(ops.sum(tg.Tensor(columns), axis=0), wanted, scale=50)


SOFTMAXES = [((1000, 10), 1), ((5, 1500), 1), ((5, 33), 1), ((40, 7, 30), 1), ((700, 3), 0)]


@pytest.mark.parametrize("shape, axis", SOFTMAXES, ids=str)
def test_large_softmaxes(shape, axis):
    x = 30 * numbers(shape)
    on_device = tg.tensor(x, device="cuda")
    shifted = x.astype(float) - x.max(axis=axis, keepdims=True)
    log = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    close(ops.log_softmax(on_device, axis=axis), log)
    close(ops.softmax(on_device, axis=axis), np.exp(log))


NOT_FINITE = np.array(
    [
        [-np.inf, -np.inf, -np.inf],
        [-np.inf, 1.0, 2.0],
        [np.inf, 1.0, -np.inf],
        [np.inf, np.inf, 0.0],
        [np.nan, 1.0, np.inf],
        [1.0, np.nan, 2.0],
        [0.0, 1.0, np.nan],
        [1000.0, -1000.0, 1000.0],
    ]
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("repeats", [1, 40, 500])  # fewer than a warp, a warp, a block a row
@pytest.mark.parametrize("turned", [False, True], ids=["rows", "columns"])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "logsumexp", "softmax", "log_softmax"])
def test_infinities_and_nan_go_where_the_formula_sends_them(name, turned, repeats, dtype):
    x = np.tile(NOT_FINITE, (1, repeats)).astype(dtype)
    x, axis = (np.ascontiguousarray(x.T), 0) if turned else (x, 1)
    op = getattr(ops, name)
    y = op(tg.tensor(x, dtype=dtype, device="cuda"), axis=axis)
    close(y, op.forward(x, **{**op.defaults, "axis": axis}), dtype, scale=10)


def test_one_nan_among_many_is_the_maximum():
    for at in (0, 1, 4999, 9999):
        x = numbers(10_000)
        x[at] = np.nan
        assert np.isnan(ops.max(tg.tensor(x, device="cuda")).item())


EMPTY = [((0,), None), ((3, 0), 1), ((3, 0), 0), ((0, 3), (0, 1)), ((0, 3), 1), ((2, 0, 3), 1)]


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("shape, axis", EMPTY, ids=str)
@pytest.mark.parametrize("name", ["sum", "mean", "max", "logsumexp", "softmax", "log_softmax"])
def test_empty_arrays_give_what_the_cpu_gives(name, shape, axis, keepdims):
    op, results = getattr(ops, name), []
    axes = {"axis": axis, "keepdims": keepdims}
    if "softmax" in name:
        axes = {"axis": axis if isinstance(axis, int) else 0}
    for device in ("cpu", "cuda"):
        try:
            results.append(op(tg.tensor(np.zeros(shape), device=device), **axes).numpy())
        except ValueError:
            results.append(np.array("ValueError"))
    assert_array_equal(*results)
    assert results[0].shape == results[1].shape


@pytest.mark.parametrize("axis", [2, -3, (0, 0), (0, 5)], ids=str)
def test_axes_that_are_not_there_raise(axis):
    with pytest.raises(ValueError, match=r"sum: .*axis"):
        ops.sum(tg.tensor(numbers((2, 3)), device="cuda"), axis=axis)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "logsumexp", "softmax", "log_softmax"])
def test_a_number_is_reduced_over_its_only_axis(name, axis):
    results = []
    for device in ("cpu", "cuda"):
        x = tg.tensor(3.0, device=device, requires_grad=True)
        y = getattr(ops, name)(x, axis=axis)
        formula, fast = (tg.grad(y, [x], create_graph=kept)[0] for kept in (True, False))
        results.append([t.numpy() for t in (y, formula, fast)])
    for cpu, gpu in zip(*results, strict=True):
        assert cpu.shape == gpu.shape == () and cpu == gpu
    for wrong in (1, (0,)):
        with pytest.raises(ValueError, match=f"{name}: .*out of range for 0 axes"):
            getattr(ops, name)(x, axis=wrong)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("axis", [None, (0, 1)], ids=str)
def test_softmax_is_along_one_axis(axis, device):
    for op in (ops.softmax, ops.log_softmax):
        with pytest.raises(ValueError, match="softmax: wanted one axis"):
            op(tg.tensor(numbers((2, 3)), device=device), axis=axis)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ["mean", "max", "logsumexp", "softmax", "log_softmax"])
def test_there_must_be_numbers_along_the_axis(name, device):
    for axis in (0, -2):
        with pytest.raises(ValueError, match=f"{name}: wanted at least one number along axis"):
            getattr(ops, name)(tg.tensor(np.ones((0, 3)), device=device), axis=axis)


def test_sum_to_any_shape():
    x = numbers((3, 50, 4, 40))
    on_device = tg.tensor(x, device="cuda")
    for shape, axes in [((40,), (0, 1, 2)), ((4, 1), (0, 1, 3)), ((1, 50, 1, 40), (0, 2))]:
        y = sum_to(on_device, shape=shape)
        close(y, x.astype(float).sum(axis=axes).reshape(shape), scale=80)
    y = sum_to(on_device, shape=x.shape)
    assert y.data is not on_device.data
    assert_array_equal(y.numpy(), x)
    with pytest.raises(ValueError, match="does not broadcast"):
        sum_to(on_device, shape=(5, 40))
