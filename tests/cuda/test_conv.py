"""Convolution's kernels against the CPU's: every path, edges of the tiles, DCGAN's layers."""

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from references import to_tf32

import tinygen as tg
from tinygen.cpu import conv as cpu
from tinygen.cuda import conv as cuda
from tinygen.cuda.launch import launch
from tinygen.windows import window_count

SEEDS = st.integers(0, 2**31)
CHANNELS = st.sampled_from([1, 2, 3, 4, 5, 8, 16, 63, 65])
few = settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(params=["split", "whole", "wide"], autouse=True)
def path(request, monkeypatch):
    """How products are cut: along the depth, not at all (few channels too), 128 rows a tile."""
    cuts = {
        "split": {"SHORTEST": 20},
        "whole": {"ENOUGH": 1, "WIDE": 1, "FEW": 0},
        "wide": {"ENOUGH": 1},
    }
    for name, value in cuts[request.param].items():
        monkeypatch.setattr(cuda, name, value)
    return request.param


@st.composite
def convolutions(draw):
    """(shapes of x, w and y, stride, padding, seed)."""
    n, c, o = draw(st.integers(1, 3)), draw(CHANNELS), draw(CHANNELS)
    kernel, stride, padding, size, out = [], [], [], [], []
    for _ in range(2):
        k, s, p = draw(st.integers(1, 5)), draw(st.integers(1, 3)), draw(st.integers(0, 2))
        size.append(draw(st.integers(max(1, k - 2 * p), 9)))
        kernel.append(k), stride.append(s), padding.append(p)
        out.append(window_count(size[-1], k, s, p))
    shapes = (n, *size, c), (*kernel, c, o), (n, *out, o)
    return *shapes, tuple(stride), tuple(padding), draw(SEEDS)


def layer(n, size, c, o, kernel=4, stride=2, padding=1):
    """The same for a square layer."""
    out = window_count(size, kernel, stride, padding)
    shapes = (n, size, size, c), (kernel, kernel, c, o), (n, out, out, o)
    return *shapes, (stride, stride), (padding, padding), 0


def calls(x, w, y, stride, padding):
    """The three functions as (name, arrays, arguments), given the arrays of a convolution."""
    return [
        ("conv2d", (x, w), {"stride": stride, "padding": padding}),
        ("conv2d_input", (y, w), {"shape": x.shape, "stride": stride, "padding": padding}),
        ("conv2d_weight", (x, y), {"shape": w.shape, "stride": stride, "padding": padding}),
    ]


def arrays(shapes, seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s).astype(dtype) for s in shapes]


def agree(cupy, case, dtype=np.float64):
    """All three, on the device, are the CPU's in float64."""
    *shapes, stride, padding, seed = case
    for name, given_, arguments in calls(*arrays(shapes, seed, dtype), stride, padding):
        got = getattr(cuda, name)(*map(cupy.asarray, given_), **arguments).get()
        wanted = getattr(cpu, name)(*(a.astype(np.float64) for a in given_), **arguments)
        assert got.dtype == dtype and got.shape == wanted.shape
        tolerance = 1e-4 if dtype == np.float32 else 1e-12
        error = np.linalg.norm(got - wanted)
        assert error <= tolerance * (1 + np.linalg.norm(wanted)), (name, case)


@few
@given(case=convolutions())
@example(layer(1, 1, 1, 1, kernel=3, stride=1))
@example(layer(2, 3, 1, 4, kernel=1, stride=3, padding=2))  # whole phases that no tap reaches
@example(layer(1, 2, 4, 1, kernel=5, stride=3, padding=2))
@example(layer(3, 5, 65, 5, kernel=2, stride=1, padding=0))
@example(layer(2, 5, 16, 65, kernel=2, stride=2, padding=0))
@example(layer(1, 9, 16, 4, kernel=4, stride=3, padding=0))  # the last pixels are in no window
def test_all_three_are_the_cpus(cupy, case):
    agree(cupy, case)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "case",
    [layer(2, 28, 1, 64), layer(1, 14, 16, 128), layer(1, 7, 132, 20, kernel=3, stride=1)],
    ids=["28x28x1-64", "14x14x16-128", "7x7x132-20"],
)
def test_layers_like_those_of_a_dcgan(cupy, case, dtype):
    agree(cupy, case, dtype)


@pytest.mark.parametrize("c", [4, 8])
def test_memory_that_does_not_begin_at_16_bytes(cupy, c):
    *shapes, stride, padding, seed = layer(2, 6, c, 8)
    for name, given_, arguments in calls(*arrays(shapes, seed, np.float32), stride, padding):
        moved = []
        for a in given_:
            flat = cupy.empty(a.size + 1, a.dtype)
            flat[1:] = cupy.asarray(a.reshape(-1))
            moved.append(flat[1:].reshape(a.shape))
        got = getattr(cuda, name)(*moved, **arguments).get()
        np.testing.assert_allclose(got, getattr(cpu, name)(*given_, **arguments), 1e-4, 1e-4)


def test_views_of_other_arrays(cupy):
    *shapes, stride, padding, seed = layer(2, 6, 3, 5)
    for name, given_, arguments in calls(*arrays(shapes, seed), stride, padding):
        turned = [cupy.asarray(np.ascontiguousarray(a.T)).T for a in given_]
        got = getattr(cuda, name)(*turned, **arguments).get()
        np.testing.assert_allclose(got, getattr(cpu, name)(*given_, **arguments), 1e-12, 1e-12)


@pytest.mark.parametrize("c, o", [(3, 5), (8, 8), (63, 65)])
def test_an_infinite_row_reaches_only_those_that_it_belongs_to(cupy, c, o):
    """What is outside of a product must not be read and multiplied by 0: 0 · ∞ is no number."""
    *shapes, stride, padding, seed = layer(2, 5, c, o, kernel=3, stride=1, padding=0)
    for name, given_, arguments in calls(*arrays(shapes, seed), stride, padding):
        given_[0][:, -1] = np.inf
        got = getattr(cuda, name)(*map(cupy.asarray, given_), **arguments).get()
        with np.errstate(invalid="ignore"):  # ∞ - ∞
            wanted = getattr(cpu, name)(*given_, **arguments)
        np.testing.assert_allclose(got, wanted, err_msg=name)


@pytest.mark.parametrize("c", [3, 8])
def test_bits_do_not_depend_on_the_order_of_threads(cupy, gpu, monkeypatch, c):
    *shapes, stride, padding, seed = layer(2, 12, c, 5)
    for name, given_, arguments in calls(*arrays(shapes, seed, np.float32), stride, padding):
        given_ = [cupy.asarray(a) for a in given_]
        results = []
        for order in (0, 1, 2):
            if not gpu:
                monkeypatch.setattr(cupy, "order", order)
            results.append(getattr(cuda, name)(*given_, **arguments).get())
        assert all(np.array_equal(results[0], r) for r in results[1:]), name


def test_the_paths_are_those_meant(cupy, path):
    *shapes, stride, padding, seed = layer(1, 20, 8, 16)
    tg.cuda.kernels_used(reset=True)
    for name, given_, arguments in calls(*arrays(shapes, seed), stride, padding):
        getattr(cuda, name)(*map(cupy.asarray, given_), **arguments)
    used = tg.cuda.kernels_used()
    high = 2 if path == "wide" else 1
    wanted = {f"conv/conv2d{n}_{high}": 1 for n in ("", "_input", "_weight")}
    assert used == wanted | ({"conv/add_parts": 3} if path == "split" else {})


@few
@given(case=convolutions())
def test_the_naive_kernel_computes_the_same(cupy, case):
    """The text to read first in conv.cu: it is launched here alone."""
    *shapes, stride, padding, seed = case
    x, w, y = arrays(shapes, seed)
    (_, high, wide, o), (kh, kw, *_) = y.shape, w.shape
    out, on_device = cupy.empty(y.shape, y.dtype), map(cupy.asarray, (x, w))
    numbers = (*x.shape, kh, kw, o, high, wide, *stride, *padding)
    launch("conv/conv2d_naive", -(-y.size // 256), *on_device, out, *numbers)
    wanted = cpu.conv2d(x, w, stride=stride, padding=padding)
    np.testing.assert_allclose(out.get(), wanted, rtol=1e-11, atol=1e-11)


def test_images_of_few_channels_are_gathered_without_tiles(cupy, monkeypatch):
    monkeypatch.setattr(cuda, "FEW", 4)
    tg.cuda.kernels_used(reset=True)
    g, w = cupy.asarray(np.ones((1, 2, 2, 5))), cupy.asarray(np.ones((2, 2, 4, 5)))
    cuda.conv2d_input(g, w, shape=(1, 3, 3, 4), stride=1, padding=0)
    assert tg.cuda.kernels_used() == {"conv/conv2d_input_few": 1}


@pytest.mark.parametrize("n, c, o", [(0, 2, 3), (2, 0, 3), (2, 3, 0)])
def test_nothing_to_add_gives_zeros(cupy, n, c, o):
    *shapes, stride, padding, _ = layer(n, 4, c, o)
    for name, given_, arguments in calls(*map(np.ones, shapes), stride, padding):
        got = getattr(cuda, name)(*map(cupy.asarray, given_), **arguments).get()
        wanted = {"conv2d": shapes[2], "conv2d_input": shapes[0], "conv2d_weight": shapes[1]}
        assert got.shape == wanted[name] and not got.any()


@settings(few, max_examples=2)
@given(case=convolutions())
@example(layer(1, 3, 63, 65, kernel=2, stride=1))
@example(layer(1, 10, 16, 16))
def test_tf32_is_the_exact_product_of_rounded_factors(cupy, tf32, case):
    *shapes, stride, padding, seed = case
    for name, given_, arguments in calls(*arrays(shapes, seed, np.float32), stride, padding):
        tg.cuda.kernels_used(reset=True)
        got = getattr(cuda, name)(*map(cupy.asarray, given_), **arguments).get()
        few_channels = "conv/conv2d_input_few" in tg.cuda.kernels_used()  # which is exact
        assert few_channels or any("conv_tf32/" in k for k in tg.cuda.kernels_used())
        seen = given_ if few_channels else map(to_tf32, given_)
        wanted = getattr(cpu, name)(*(a.astype(np.float64) for a in seen), **arguments)
        assert np.linalg.norm(got - wanted) <= 3e-5 * (1e-3 + np.linalg.norm(wanted)), name


def test_tf32_leaves_doubles_exact(cupy, tf32):
    agree(cupy, layer(1, 5, 8, 8))
