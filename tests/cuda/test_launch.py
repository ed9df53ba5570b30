"""What `launch` refuses before a kernel could read it as other numbers, and what it counts."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.cuda import conv, elementwise, launch, scan
from tinygen.cuda.sizes import SIZES, THREADS


@pytest.fixture
def x(cupy):
    return cupy.asarray(np.arange(12, dtype=np.float32).reshape(3, 4))


def negate(x, n=12, grid=1):
    y = launch.empty(x.shape, x.dtype)
    launch.launch("elementwise/neg", grid, x, y, n)
    return y


def test_it_takes_contiguous_arrays_of_one_dtype(cupy, x):
    np.testing.assert_array_equal(negate(x).get(), -x.get())
    for wrong in (x.T, x[:, ::2]):
        with pytest.raises(ValueError, match=r"elementwise/neg: wanted contiguous .*, strides \("):
            negate(wrong)
    with pytest.raises(ValueError, match="elementwise/add: wanted contiguous arrays of float32, "):
        elementwise.add(x, cupy.asarray(np.ones((3, 4))))


def test_it_takes_what_an_int_can_count(x, monkeypatch):
    for n in (2**31, -(2**31) - 1):
        with pytest.raises(ValueError, match=r"elementwise/neg: wanted numbers below 2\*\*31"):
            negate(x, n)
    monkeypatch.setattr(launch, "LARGEST", 11)
    with pytest.raises(ValueError, match=r"wanted at most 11 entries, got \(3, 4\)"):
        negate(x, 11)


def test_what_ran_is_counted_by_name(x):
    t = tg.tensor(x)
    assert tg.cuda.kernels_used() == {}
    -t, -t, tg.exp(t), t.reshape(12)
    negate(x, grid=0)  # runs nothing
    wanted = {"elementwise/neg": 2, "elementwise/exp": 1, "cupy/reshape_to": 1}
    assert tg.cuda.kernels_used() == wanted == tg.cuda.kernels_used(reset=True)
    assert tg.cuda.kernels_used() == {}


def test_a_kernel_that_does_not_compile_points_to_the_doctor(cupy, x, monkeypatch):
    def no_compiler(**_):
        raise RuntimeError("CuPy failed to load libnvrtc.so.13\nmore lines")

    monkeypatch.setattr(cupy, "RawModule", no_compiler)
    for cached in (launch._module, launch._kernel):
        cached.cache_clear()
    wanted = r"kernels/elementwise.cu: neg does not compile here \(CuPy failed .*13\); .* doctor"
    with pytest.raises(tg.DeviceError, match=wanted):
        negate(x)


@pytest.mark.parametrize("header", sorted(p.name for p in launch.folder().glob("*.cuh")))
def test_a_header_reads_on_its_own(cupy, header):
    """It includes what it needs, whatever stands before it."""
    family = header.partition(".")[0].partition("_")[0]
    options = launch.options(family, "float")
    cupy.RawModule(code=launch.joined(header), options=options)


def test_a_size_that_stands_in_python_alone_is_the_kernels_too(cupy, monkeypatch):
    """Other numbers in sizes.py, same results: no kernel has its own copy."""
    for cached in (launch._module, launch._kernel):
        monkeypatch.setattr(launch, cached.__name__, cached.__wrapped__)
    rng = np.random.default_rng(0)
    g, w = (cupy.asarray(rng.standard_normal(s)) for s in ((2, 4, 4, 9), (3, 3, 6, 9)))
    options = {"shape": (2, 6, 6, 6), "stride": 1, "padding": 0}
    x = cupy.asarray(rng.standard_normal((2, 3000)))
    wanted = conv.conv2d_input(g, w, **options), scan.running_sum(x, axis=1, reverse=True)
    monkeypatch.setitem(SIZES, "conv", {**SIZES["conv"], "FEW": 6})
    monkeypatch.setattr(conv, "FEW", 6)
    monkeypatch.setitem(SIZES, "scan", {"EACH": 3})
    monkeypatch.setattr(scan, "TILE", 3 * THREADS)
    tg.cuda.kernels_used(reset=True)
    got = conv.conv2d_input(g, w, **options), scan.running_sum(x, axis=1, reverse=True)
    assert "conv/conv2d_input_few" in tg.cuda.kernels_used()
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a.get(), b.get(), rtol=1e-12, atol=1e-12)
