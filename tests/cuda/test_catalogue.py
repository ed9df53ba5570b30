"""Every op on the device: its values, and all its gradients, are the CPU's."""

import numpy as np
import pytest
from cases import CASES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from layouts import laid_out, layouts

import tinygen as tg
from tinygen.core import Tensor
from tinygen.device import to_device
from tinygen.primitives import Primitive

TOLERANCE = {np.float32: 1e-4, np.float64: 1e-10}
KERNELS = [n for n, p in Primitive.registry.items() if n in CASES and p.kernel]
few = settings(max_examples=10, suppress_health_check=list(HealthCheck))


def same(result, wanted, dtype):
    assert result.device == "cuda" and result.dtype == dtype and result.shape == wanted.shape
    rtol = TOLERANCE[dtype]
    scale = 1 + np.max(np.abs(wanted.numpy()), initial=0)
    np.testing.assert_allclose(result.numpy(), wanted.numpy(), rtol=rtol, atol=rtol * scale)


def on(device, arrays, dtype, layout=("C", 0)):
    arrays = [to_device(np.asarray(a, dtype), device) for a in arrays]
    return [Tensor(laid_out(a, *layout), requires_grad=True) for a in arrays]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
@few
@given(data=st.data())
def test_values_and_gradients_are_the_cpus(name, dtype, data):
    case = CASES[name]
    arrays, params = data.draw(case.calls)
    turned, layout = data.draw(st.booleans()), data.draw(layouts)  # transposed and other views
    arrays = [a.T for a in arrays] if turned else arrays
    results = []
    for device in ("cuda", "cpu"):
        xs = on(device, arrays, dtype, layout)
        y = case.op(*(x.T for x in xs) if turned else xs, **params)
        (c,) = on(device, [np.random.default_rng(0).standard_normal(y.shape)], dtype, layout)
        fast = tg.grad(y, xs, c, retain_graph=True, allow_unused=True)
        first = tg.grad(y, xs, c, create_graph=True, allow_unused=True)
        tensors = [y, *fast, *first]
        again = sum(tg.sum(g * g) for g in first)
        if again.requires_grad:
            tensors += tg.grad(again, xs, allow_unused=True)
        results.append(tensors)
    for result, wanted in zip(*results, strict=True):
        same(result, wanted, dtype)


@pytest.mark.parametrize("name", KERNELS)
@few
@given(data=st.data())
def test_an_op_with_a_kernel_runs_it_and_nothing_else(name, data):
    arrays, params = data.draw(CASES[name].calls)
    xs = on("cuda", arrays, np.float32, data.draw(layouts))
    tg.cuda.kernels_used(reset=True)
    y = CASES[name].op(*xs, **params)
    used = tg.cuda.kernels_used()
    assert not any(n.startswith("cupy/") for n in used), used
    assert used or 0 in [t.size for t in (y, *xs)]  # there is nothing to compute, or to sum


def test_ops_without_a_kernel_only_move_numbers():
    without = {n for n, p in Primitive.registry.items() if n in CASES and not p.kernel}
    moving = {"reshape_to", "permute", "broadcast_to", "join", "pad_constant", "index", "index_add"}
    assert without <= {*moving, "select"}, without


EVERYWHERE = [
    *("exp", "tanh", "sigmoid", "softplus", "log_sigmoid"),
    *("abs", "sign", "relu", "leaky_relu", "square", "expm1"),
]  # of all real numbers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_infinities_and_nan_are_the_cpus(name, dtype):
    x = np.array([-np.inf, -1, -0.0, 0, 1, np.inf, np.nan])
    result, wanted = (getattr(tg, name)(*on(d, [x], dtype)) for d in ("cuda", "cpu"))
    np.testing.assert_allclose(result.numpy(), wanted.numpy(), rtol=TOLERANCE[dtype])


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_wrong_parameters_are_refused(device):
    (x,) = on(device, [np.ones(3)], np.float32)
    with pytest.raises(ValueError, match="clip: wanted low <= high"):
        tg.clip(x, low=2, high=1)
    for slope in (-0.1, 1):
        with pytest.raises(ValueError, match="leaky_relu: wanted 0 <= slope < 1"):
            tg.leaky_relu(x, slope=slope)
