"""Tensors on the device: copies, moves, and the arguments that NumPy brings."""

import copy
import pickle

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn, optim


def network():
    rng = np.random.default_rng(0)
    return nn.Sequential(nn.Linear(2, 3, rng=rng), tg.tanh, nn.BatchNorm(3)).to("cuda")


WAYS = {"deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x))}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_copies_stay_on_the_device(way):
    net = network()
    twin, x = way(net), tg.tensor(np.ones((4, 2)), device="cuda")
    assert {p.device for p in twin.parameters()} == {"cuda"}
    np.testing.assert_array_equal(twin(x, train=False).numpy(), net(x, train=False).numpy())
    before = net.state_dict()["layers.0.weight"].get()
    optim.SGD(twin.parameters(), lr=1.0).step(
        tg.grad(twin(x, train=True).sum() + 3.0 * twin[0].weight.sum(), twin.parameters())
    )
    np.testing.assert_array_equal(net[0].weight.numpy(), before)
    assert (twin[0].weight.numpy() != before).all()


def test_a_graph_from_before_a_move_is_refused():
    net = network().to("cpu")
    x = tg.tensor(np.ones((4, 2)), requires_grad=True)
    loss = net(x, train=False).sum()
    net.to("cuda")
    with pytest.raises(RuntimeError, match="changed by"):
        tg.grad(loss, [x])


def test_writes_in_place():
    p = tg.tensor([1.0, 2.0], device="cuda", requires_grad=True)
    stale = (p * p).sum()
    (p * p).sum().backward()
    p.data -= (0.5 * p.grad).data
    np.testing.assert_array_equal(p.numpy(), [0, 0])
    with pytest.raises(RuntimeError, match="changed by"):
        tg.grad(stale, [p])
    with pytest.raises(TypeError, match=r"p\.data -= step"):
        p -= p.grad


def test_constants_on_the_device_take_the_tensors_dtype():
    x = tg.tensor([1.0, 2.0], device="cuda", requires_grad=True)
    mask = tg.tensor([1.0, 0.0], dtype=float, device="cuda").data
    y = x * mask
    assert y.dtype == np.float32 and y.device == "cuda"
    np.testing.assert_array_equal(tg.grad(y.sum(), [x])[0].numpy(), [1, 0])
    with pytest.raises(tg.DeviceError, match="mul: devices differ"):
        x * np.array([1.0, 0.0])


def test_numpy_integers_in_a_convolution():
    x = tg.tensor(np.ones((1, 5, 5, 1)), device="cuda", requires_grad=True)
    w = tg.tensor(np.ones((3, 3, 1, 1)), device="cuda", requires_grad=True)
    y = tg.conv2d(x, w, stride=np.int64(2), padding=(np.int32(1), np.uint8(1)))
    assert y.shape == (1, 3, 3, 1)
    tg.grad(y.sum(), [x, w])


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_powers_of_zero_are_the_cpus():
    results = []
    for device in ("cpu", "cuda"):
        p = tg.tensor([-1.5, 0.0, 2.0], device=device, requires_grad=True)
        y = 0.0**p
        results.append([y.numpy(), tg.grad(y.sum(), [p])[0].numpy()])
    np.testing.assert_array_equal(*results)


def test_numbers_are_formatted():
    assert f"{tg.tensor(1.23456, device='cuda'):.3f}" == "1.235"
