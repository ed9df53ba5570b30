"""Matrix products on the device: tile edges, transposes, split sums, TF32."""

from importlib import import_module

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from references import to_tf32

import tinygen as tg
from tinygen.cuda import launch, linalg
from tinygen.cuda.sizes import LARGE, PANEL, SMALL

RNG = np.random.default_rng(0)
EPSILON = {np.float32: 2e-6, np.float64: 4e-15}
few = settings(max_examples=12, suppress_health_check=list(HealthCheck))
some = st.one_of(st.integers(1, 140), st.sampled_from([1, 2, 3, 4, 16, 63, 64, 65, 128, 129]))


def same(result, a, b, bias=0.0, epsilon=None):
    """result is a @ b + bias to within the rounding of sums: epsilon · (|a| @ |b| + |bias|)."""
    wanted = a.astype(float) @ b + bias
    scale = np.abs(a).astype(float) @ np.abs(b) + np.abs(bias)
    assert result.shape == wanted.shape and result.dtype == a.dtype
    assert np.all(np.abs(result.get() - wanted) <= (epsilon or EPSILON[a.dtype.type]) * scale)


def factor(cupy, shape, dtype, turned=False, off=False):
    """(NumPy's, CuPy's) random matrices: a transposed view if turned, not aligned if off."""
    shape = (*shape[:-2], shape[-1], shape[-2]) if turned else shape
    x = RNG.standard_normal(shape).astype(dtype)
    y = cupy.empty((x.size + 1,), dtype)[1:].reshape(shape) if off else cupy.empty(shape, dtype)
    y[...] = cupy.asarray(x)
    return (x.swapaxes(-1, -2), y.swapaxes(-1, -2)) if turned else (x, y)


@pytest.fixture
def no_copies(monkeypatch):
    def dense(x):
        assert x.flags.c_contiguous
        return x

    monkeypatch.setattr(linalg, "dense", dense)


def ran():
    return set(tg.cuda.kernels_used(reset=True))


@pytest.mark.parametrize("side", [SMALL, LARGE])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@few
@given(n=some, m=some, k=some, turns=st.tuples(*[st.booleans()] * 2), off=st.booleans())
def test_all_sizes_and_transposes(cupy, no_copies, monkeypatch, side, dtype, n, m, k, turns, off):
    monkeypatch.setattr(linalg, "_plan", lambda batch, n, m, k: (side, k, 1))
    (a, x), (b, y) = (
        factor(cupy, s, dtype, t, off) for s, t in zip(((n, k), (k, m)), turns, strict=True)
    )
    same(linalg.matmul(x, y), a, b)
    assert ran() == {f"linalg/product_{side}"}


@few
@given(n=st.integers(1, 70), m=st.integers(1, 70), k=st.integers(128, 400), data=st.data())
def test_a_product_with_few_tiles_is_cut_along_k(cupy, n, m, k, data):
    turns = data.draw(st.tuples(*[st.booleans()] * 2))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    (a, x), (b, y) = (
        factor(cupy, s, dtype, t) for s, t in zip(((n, k), (k, m)), turns, strict=True)
    )
    bias = RNG.standard_normal(m).astype(dtype)
    same(linalg.matmul(x, y), a, b)
    same(linalg.linear(x, y, cupy.asarray(bias)), a, b, bias)
    assert ran() == {"linalg/product_64", "linalg/sum_parts"}


@given(*[st.integers(1, 5000)] * 4)
def test_parts_cover_k_once_and_are_enough(batch, n, m, k):
    side, chunk, parts = linalg._plan(batch, n, m, k)
    assert 1 <= parts <= linalg.MOST
    assert (parts - 1) * chunk < k <= parts * chunk
    assert parts == 1 or (chunk % PANEL == 0 and chunk >= linalg.LEAST and side == SMALL)
    assert parts * linalg._tiles(side, batch, n, m) <= 2 * linalg.FILL or parts == 1


@pytest.mark.parametrize(
    ("sizes", "wanted"),  # batch, n, m, k -> side, chunk, parts
    [
        ((1, 64, 512, 784), (64, 80, 10)),  # a dense layer: 8 tiles alone would leave 124 SMs idle
        ((1, 4096, 4096, 4096), (128, 4096, 1)),
        ((1, 100_000, 1, 512), (64, 512, 1)),  # a large tile would be 127 parts of 128 outside y
        ((1000, 64, 64, 64), (64, 64, 1)),
        ((1, 10, 10, 1_000_000), (64, 15632, 64)),
        ((1, 10, 10, 100), (64, 100, 1)),
    ],
)
def test_tiles_and_parts_fill_the_gpu(sizes, wanted):
    assert linalg._plan(*sizes) == wanted


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3,), (3,)),
        ((2, 1, 3), (4, 1)),
        ((4, 1), (2, 1, 3)),
        ((), (2, 3)),
        ((2, 3), ()),
        ((1, 2, 1, 2), (3, 1, 2, 1)),
        ((0,), (1,)),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_leading_axes_broadcast(cupy, no_copies, left, right, turned):
    a, x = factor(cupy, (*left, 5, 7), np.float32, turned)
    b, y = factor(cupy, (*right, 7, 3), np.float32, turned)
    same(linalg.matmul(x, y), a, b)


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 3), (2, 3, 0), (0, 0, 0), (64, 0, 65)])
def test_empty_sums_are_zeros(cupy, shape):
    n, k, m = shape
    (a, x), (b, y) = factor(cupy, (n, k), np.float32), factor(cupy, (k, m), np.float32)
    bias = RNG.standard_normal(m).astype(np.float32)
    same(linalg.matmul(x, y), a, b)
    same(linalg.linear(x, y, cupy.asarray(bias)), a, b, bias)


def test_other_views_are_copied_to_be_right(cupy):
    a, x = factor(cupy, (20, 30), np.float32)
    b, y = factor(cupy, (4, 15, 20), np.float32)
    same(linalg.matmul(x[::2, ::2], y[:, :, 3:10]), a[::2, ::2], b[:, :, 3:10])
    same(linalg.matmul(x[:10, :15], y.transpose(2, 1, 0)), a[:10, :15], b.transpose(2, 1, 0))


def test_linear_is_one_launch(cupy, no_copies):
    a, x = factor(cupy, (3, 4, 50), np.float32)
    (b, y), bias = factor(cupy, (50, 70), np.float32), RNG.standard_normal(70).astype(np.float32)
    same(linalg.linear(x, y, cupy.asarray(bias)), a, b, bias)
    assert tg.cuda.kernels_used() == {"linalg/product_64": 1}


def test_bits_do_not_depend_on_the_order_of_threads(cupy, gpu, monkeypatch):
    (_, x), (_, y) = (factor(cupy, s, np.float32) for s in ((70, 200), (200, 66)))
    runs = []
    for order in range(3):
        if not gpu:
            monkeypatch.setattr(cupy, "order", order)
        runs.append(linalg.matmul(x, y).get().tobytes())
    assert ran() == {"linalg/product_64", "linalg/sum_parts"}
    assert runs[0] == runs[1] == runs[2]


def test_bits_do_not_depend_on_the_tile(cupy, monkeypatch):
    (_, x), (_, y) = (factor(cupy, s, np.float32) for s in ((70, 40), (40, 66)))
    small = linalg.matmul(x, y).get()
    monkeypatch.setattr(linalg, "FILL", 1)
    np.testing.assert_array_equal(linalg.matmul(x, y).get(), small)
    assert ran() == {"linalg/product_64", "linalg/product_128"}


MMA = """
#include "common.cuh"
#include "mma.cuh"
extern "C" __global__ void __launch_bounds__(64) round_all(const float* x, float* y) {
    y[threadIdx.x] = __int_as_float((int)tf32(x[threadIdx.x]));
}
// d (16, 8) += a (16, 8) @ b (8, 8), by one warp
extern "C" __global__ void __launch_bounds__(32) one_tile(const float* a, const float* b,
                                                          float* d) {
    const int r = threadIdx.x / 4, c = threadIdx.x % 4;
    const unsigned x[4] = {tf32(a[8 * r + c]), tf32(a[8 * (r + 8) + c]), tf32(a[8 * r + c + 4]),
                           tf32(a[8 * (r + 8) + c + 4])};
    const unsigned y[2] = {tf32(b[8 * c + r]), tf32(b[8 * (c + 4) + r])};
    float z[4];
    for (int i = 0; i < 4; ++i) z[i] = d[8 * (r + 8 * (i / 2)) + 2 * c + i % 2];
    mma_tf32(z, x, y);
    for (int i = 0; i < 4; ++i) d[8 * (r + 8 * (i / 2)) + 2 * c + i % 2] = z[i];
}
"""


@pytest.fixture
def mma(cupy, tf32, tmp_path, monkeypatch):
    """The kernels of MMA."""
    for name in ("common.cuh", "mma.cuh"):
        (tmp_path / name).write_text((launch.folder() / name).read_text())
    (tmp_path / "mma_test.cu").write_text(MMA)
    monkeypatch.setattr(launch, "folder", lambda: tmp_path)
    options = launch.options("mma_test", "float")
    return cupy.RawModule(code=launch.source("mma_test"), options=options)


def test_tf32_rounds_to_nearest_ties_away(cupy, mma):
    ulp = np.float32(2.0**-10)  # TF32's between 1 and 2
    x = np.array([1, 1 + ulp / 2, 1 + 1.5 * ulp, 1 + 0.49 * ulp, 0, np.inf, np.nan], np.float32)
    x = np.concatenate([x, -x, RNG.standard_normal(64 - 14)]).astype(np.float32)
    y = cupy.empty(64, np.float32)
    mma.get_function("round_all")((1,), (64,), (cupy.asarray(x), y))
    y = y.get()
    np.testing.assert_array_equal(y[:7], [1, 1 + ulp, 1 + 2 * ulp, 1, 0, np.inf, np.nan])
    np.testing.assert_array_equal(y[7:14], -y[:7])
    np.testing.assert_array_equal(y[14:], to_tf32(x)[14:])


def test_one_tile_is_numpys_product_of_rounded_factors(cupy, mma):
    a, b, d = (RNG.standard_normal(s, np.float32) for s in ((16, 8), (8, 8), (16, 8)))
    result = cupy.asarray(d)
    mma.get_function("one_tile")((1,), (32,), (cupy.asarray(a), cupy.asarray(b), result))
    wanted = d + to_tf32(a).astype(float) @ to_tf32(b)
    np.testing.assert_allclose(result.get(), wanted, rtol=2e-6, atol=2e-6)
    assert np.abs(result.get() - (d + a.astype(float) @ b)).max() > 1e-5  # TF32, not fp32


@pytest.mark.parametrize("side", [SMALL, LARGE])
@few
@given(n=some, m=some, k=st.integers(1, 40), turns=st.tuples(*[st.booleans()] * 2))
def test_tf32_is_the_product_of_rounded_factors(cupy, tf32, monkeypatch, side, n, m, k, turns):
    monkeypatch.setattr(linalg, "_plan", lambda batch, n, m, k: (side, k, 1))
    (a, x), (b, y) = (
        factor(cupy, s, np.float32, t) for s, t in zip(((n, k), (k, m)), turns, strict=True)
    )
    result = linalg.matmul(x, y)
    same(result, to_tf32(a), to_tf32(b), epsilon=4e-6)  # tensor cores round sums downwards
    same(result, a, b, epsilon=1.1e-3)  # each factor to 2 ** -11
    assert ran() == {f"linalg_tf32/product_{side}"}


def test_tf32_cut_along_k_with_bias(cupy, tf32):
    (a, x), (b, y) = (factor(cupy, s, np.float32) for s in ((5, 300), (300, 9)))
    bias = RNG.standard_normal(9).astype(np.float32)
    same(linalg.linear(x, y, cupy.asarray(bias)), to_tf32(a), to_tf32(b), bias, 4e-6)
    assert ran() == {"linalg_tf32/product_64", "linalg/sum_parts"}


def test_tf32_only_by_choice_only_for_float32(cupy, tf32):
    (a, x), (b, y) = (factor(cupy, (20, 20), np.float64) for _ in range(2))
    same(linalg.matmul(x, y), a, b)
    (a, x), (b, y) = (factor(cupy, (20, 20), np.float32) for _ in range(2))
    with tg.cuda.precision("fp32"):
        same(linalg.matmul(x, y), a, b)
    assert ran() == {"linalg/product_64"}
    linalg.matmul(x, y)
    assert ran() == {"linalg_tf32/product_64"}  # the choice before is back


def test_fp32_is_exact_unless_told_otherwise(cupy):
    a = np.full((1, 1), 1 + 2.0**-20, np.float32)  # TF32 would make 1 of it
    x = tg.tensor(a, device="cuda")
    assert (x @ x).item() == (a * a).item() != 1
    assert tg.cuda.kernels_used() == {"linalg/product_64": 1}


def test_tf32_raises_where_it_cannot_be_had(cupy, tf32, monkeypatch):
    monkeypatch.setattr(import_module("tinygen.cuda.arithmetic"), "_capability", lambda: 75)
    x = tg.tensor(np.ones((2, 2)), device="cuda")
    with pytest.raises(tg.DeviceError, match=r"needs compute capability 8.0, this GPU has 7.5"):
        x @ x
    with pytest.raises(ValueError, match="fp32, tf32, got 'bf16'"):
        tg.cuda.precision("bf16")
