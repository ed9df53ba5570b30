"""The stand-in refuses what a GPU would refuse or read as other numbers, and counts host reads."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import doctor
from tinygen.cuda.launch import options
from tinygen.models import Setup, gan

pytestmark = pytest.mark.thorough

CODE = """
extern "C" __global__ void __launch_bounds__(64) twice(const float* x, float* y, int n, float s) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = s * x[i];
}
extern "C" __global__ void sums(const float* x, float* y) {
    float v = x[threadIdx.x];
    for (int lane = 16; lane > 0; lane >>= 1) v += __shfl_xor_sync(0xffffffffu, v, lane);
    if (threadIdx.x % 32 == 0) y[threadIdx.x / 32] = v;
}
extern "C" __global__ void leaves(const float* x, float* y) {
    y[threadIdx.x] = __shfl_down_sync(0xffffffffu, x[threadIdx.x], 1);
}
"""


@pytest.fixture(autouse=True)
def standin(cupy, gpu, monkeypatch):
    if gpu:
        pytest.skip("there is a GPU")
    monkeypatch.setattr(cupy, "syncs", 0)
    monkeypatch.setattr(cupy, "order", 0)
    return cupy


@pytest.fixture
def twice(cupy):
    return cupy.RawModule(
        code=CODE, options=options("planted", "float"), mode="check"
    ).get_function("twice")


@pytest.fixture
def x(cupy):
    return cupy.asarray(np.arange(6, dtype=np.float32))


def arguments(cupy, x, n=6, s=2.0):
    return x, cupy.empty(x.shape, x.dtype), np.int32(n), np.float32(s)


def test_a_kernel_runs(cupy, twice, x):
    given = arguments(cupy, x)
    twice((1,), (64,), given)
    np.testing.assert_array_equal(given[1].get(), 2 * np.arange(6))


@pytest.mark.parametrize("mode", ["check", "fast"])
def test_lanes_may_end_after_their_last_shuffle(cupy, mode):
    """In whatever order: a lane that has ended still gave its number."""
    module = cupy.RawModule(code=CODE, options=options("planted", "float"), mode=mode)
    numbers = np.arange(64, dtype=np.float32)
    for cupy.order in (0, 1, 2):
        y, z = cupy.empty(2, np.float32), cupy.empty(64, np.float32)
        module.get_function("sums")((1,), (64,), (cupy.asarray(numbers), y))
        np.testing.assert_array_equal(y.get(), [numbers[:32].sum(), numbers[32:].sum()])
        module.get_function("leaves")((1,), (64,), (cupy.asarray(numbers), z))
        wanted = np.where(numbers % 32 == 31, numbers, numbers + 1)
        np.testing.assert_array_equal(z.get(), wanted)


def test_arrays_of_host_and_device_do_not_mix(cupy, x):
    for mix in (
        lambda: x + np.ones(6, np.float32),
        lambda: np.ones(6, np.float32) + x,
        lambda: np.add(x, x),
        lambda: cupy.maximum(x, np.ones(6, np.float32)),
        lambda: cupy.concatenate([x, np.ones(6, np.float32)]),
        lambda: np.asarray(x),
        lambda: np.array([x, x]),
        lambda: x.set(np.ones(6)),
    ):
        with pytest.raises(TypeError):
            mix()


def test_tensors_of_two_devices_do_not_mix():
    with pytest.raises(tg.DeviceError, match="devices differ"):
        tg.tensor([1.0], device="cuda") + tg.tensor([1.0])


WRONG = {
    "a number that is not a device array": (0, lambda c: np.ones(6, np.float32), TypeError),
    "another dtype": (0, lambda c: c.zeros(6, np.float64), TypeError),
    "a strided view": (0, lambda c: c.zeros(12, np.float32)[::2], ValueError),
    "a Python int": (2, lambda c: 6, TypeError),
    "int64 for int": (2, lambda c: np.int64(6), TypeError),
    "unsigned for int": (2, lambda c: np.uint32(6), TypeError),
    "a Python float": (3, lambda c: 2.0, TypeError),
    "double for float": (3, lambda c: np.float64(2), TypeError),
    "an array for a number": (3, lambda c: c.zeros(1, np.float32), TypeError),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_argument_fits_the_kernels_signature(name, cupy, twice, x):
    i, wrong, error = WRONG[name]
    given = list(arguments(cupy, x))
    given[i] = wrong(cupy)
    with pytest.raises(error, match=rf"^twice: argument {i} is"):
        twice((1,), (64,), tuple(given))


def test_the_number_of_arguments(cupy, twice, x):
    with pytest.raises(TypeError, match="3 arguments for"):
        twice((1,), (64,), arguments(cupy, x)[:3])


@pytest.mark.parametrize(
    ("grid", "block", "shared"),
    [
        ((1,), (65,), 0),
        ((1,), (1, 1, 65), 0),
        ((1,), (0,), 0),
        ((0,), (64,), 0),
        ((1, 65_536), (64,), 0),
        ((1,), (64,), (48 << 10) + 1),
    ],
)
def test_a_launch_within_the_limits(grid, block, shared, cupy, twice, x):
    with pytest.raises(ValueError, match=r"^twice: "):
        twice(grid, block, arguments(cupy, x), shared_mem=shared)


def test_a_kernel_that_is_not_there_and_one_that_does_not_compile(cupy):
    with pytest.raises(RuntimeError, match="no kernel thrice among"):
        cupy.RawModule(code=CODE, options=options("planted", "float")).get_function("thrice")
    with pytest.raises(RuntimeError, match="expected"):
        cupy.RawModule(code=CODE + "int oops", options=options("planted", "float"))


def test_fresh_memory_is_nan(cupy):
    assert np.isnan(cupy.empty((3, 4), np.float32).get()).all()
    assert np.isnan(cupy.empty(5, np.float64).get()).all()


def test_what_lies_between_arrays_is_not_touched(cupy, twice, x):
    with pytest.raises(RuntimeError, match=r"^twice: out-of-bounds read: block"):
        twice((1,), (64,), arguments(cupy, x, n=7))


def test_host_reads_are_counted(cupy, x):
    for i, read in enumerate((x.get, x[0].item, lambda: float(x[1]), lambda: bool(x[0] > 1)), 1):
        read()
        assert cupy.syncs == i
    tg.tensor(x).numpy()
    assert cupy.syncs == 5
    tg.tensor(x)[0].item()
    assert cupy.syncs == 6


def test_the_doctor_runs_a_kernel(cupy):
    line = doctor.kernel_line(cupy, "cupy-cuda13x")
    assert not line.type and tg.cuda.kernels_used() == {"elementwise/exp": 1}


def test_a_training_step_reads_nothing_back(cupy):
    """Reads wait for all kernels launched so far; the numbers to log are read when logged."""
    images = np.random.default_rng(1).uniform(-1, 1, (2, 4, 2, 2, 1))
    logged = {}
    for device in ("cuda", "cpu"):
        rng = np.random.default_rng(0)
        model = gan.build(gan.Config(arch="mlp"), Setup((2, 2, 1), device=device), rng)
        cupy.syncs = 0
        for batch in images:
            values = model.step(batch, rng)
        assert cupy.syncs == 0
        logged[device] = {name: value.item() for name, value in values.items()}
        assert cupy.syncs == (len(values) if device == "cuda" else 0)
    assert logged["cuda"] == pytest.approx(logged["cpu"], rel=1e-4)
