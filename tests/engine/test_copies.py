"""Copies and pickles of Tensors, ops and networks: values, what is shared, and what is not kept."""

import copy
import pickle

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn, optim
from tinygen.core import Tensor

WAYS = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "pickle, protocol 2": lambda x: pickle.loads(pickle.dumps(x, protocol=2)),
}
each_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def network():
    rng = np.random.default_rng(0)
    return nn.Sequential(
        nn.Linear(2, 3, rng=rng), tg.tanh, nn.BatchNorm(3), tg.squeeze, nn.Linear(3, 1, rng=rng)
    )


@each_way
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("requires_grad", [True, False])
def test_a_leaf_stays_a_leaf(way, dtype, requires_grad):
    x = tg.tensor([[1.0, -2.0]], dtype=dtype, requires_grad=requires_grad)
    y = way(x)
    np.testing.assert_array_equal(y.numpy(), x.numpy())
    assert (y.dtype, y.requires_grad, y.node) == (dtype, requires_grad, None)
    y.data[...] = 7
    assert x.numpy()[0, 0] == 1, "the copy shares the array"


@each_way
def test_a_recorded_tensor_is_copied_as_a_constant(way):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = way(tg.exp(x) * 2.0)
    np.testing.assert_array_equal(y.numpy(), (tg.exp(x) * 2.0).numpy())
    assert not y.requires_grad and y.node is None
    with pytest.raises(ValueError, match="was not recorded"):
        tg.grad(y.sum(), [x])


@each_way
def test_a_deep_graph_does_not_recurse(way):
    y = x = tg.tensor(1.0, requires_grad=True)
    for _ in range(100_000):
        y = y + 1.0
    assert way(y).item() == 100_001
    assert tg.grad(y, [x])[0].item() == 1, "the copied graph itself is whole"


@each_way
def test_gradients_travel_with_their_leaf(way):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    np.testing.assert_array_equal(way(x).grad.numpy(), [2, 4])


@each_way
def test_what_is_shared_stays_shared_in_one_copy(way):
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y, again, constant = way([x, x, x.detach()])
    assert y is again and y is not x
    assert y.data is constant.data and y.version is constant.version
    assert y.version is not x.version


def test_writes_into_a_copy_are_no_writes_into_the_original():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = copy.deepcopy(x)
    loss = (x * x).sum()
    optim.SGD([y], lr=1.0).step([tg.tensor([1.0, 1.0])])
    tg.grad(loss, [x])
    other = (y * y).sum()
    optim.SGD([y], lr=1.0).step([tg.tensor([1.0, 1.0])])
    with pytest.raises(RuntimeError, match="changed by"):
        tg.grad(other, [y])


def test_a_shallow_copy_shares_the_array_and_its_version():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = copy.copy(x)
    assert y.data is x.data and y.requires_grad
    loss = (y * y).sum()
    x.data -= 1.0
    with pytest.raises(RuntimeError, match="changed by"):
        tg.grad(loss, [y])


@each_way
def test_ops_are_copied_by_reference(way):
    assert way(tg.tanh) is tg.tanh
    assert way([tg.ops.shape.reshape_to])[0] is tg.ops.shape.reshape_to


def test_every_op_can_be_pickled():
    for op in tg.ops.elementwise.add.registry.values():
        if op.forward.__module__.startswith("tinygen."):
            assert pickle.loads(pickle.dumps(op)) is op


def test_an_op_without_a_place_cannot_be_pickled():
    @tg.primitive
    def local(x):
        return x * 1

    with pytest.raises((pickle.PicklingError, AttributeError), match="local"):
        pickle.dumps(local)


@each_way
def test_networks(way):
    net, x = network(), tg.tensor(np.random.default_rng(1).standard_normal((4, 2)))
    net(x, train=True)
    twin = way(net)
    assert twin.layers[1] is tg.tanh and twin.layers[3] is tg.squeeze
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(twin.state_dict()[name], array)
    np.testing.assert_array_equal(twin(x, train=False).numpy(), net(x, train=False).numpy())
    assert len(twin.parameters()) == len(net.parameters()) == 6
    assert not {id(p) for p in twin.parameters()} & {id(p) for p in net.parameters()}
    assert not any(
        np.shares_memory(a.data, b.data)
        for a, b in zip(net.parameters(), twin.parameters(), strict=True)
    )


@each_way
def test_a_network_trains_on_beside_its_copy(way):
    """The network and its optimiser in one copy: three steps of each end at the same weights."""
    net = network()
    opt = optim.Adam(net.parameters(), lr=0.1)
    x = np.random.default_rng(1).standard_normal((4, 2))

    def steps(net, opt, n):
        for _ in range(n):
            opt.step(tg.grad((net(tg.tensor(x), train=True) ** 2).mean(), opt.params))

    steps(net, opt, 2)
    twin, twin_opt = way((net, opt))
    assert all(a is b for a, b in zip(twin.parameters(), twin_opt.params, strict=True))
    before = net.state_dict()
    steps(twin, twin_opt, 3)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name], "training the copy moved the original")
    steps(net, opt, 3)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, twin.state_dict()[name])


def test_shared_layers_stay_shared():
    class Tied(nn.Module):
        def __init__(self):
            self.first = nn.Linear(2, 2, rng=np.random.default_rng(0))
            self.again = self.first
            self.weight = self.first.weight

    twin = copy.deepcopy(Tied())
    assert twin.first is twin.again and twin.weight is twin.first.weight
    assert len(twin.parameters()) == 2


@each_way
def test_a_module_with_a_kept_activation(way):
    net = nn.Sequential(nn.Linear(2, 2, rng=np.random.default_rng(0)))
    net.kept = net(tg.tensor(np.ones((1, 2))))
    twin = way(net)
    assert isinstance(twin.kept, Tensor) and not twin.kept.requires_grad
