"""Module and Sequential as objects: how they print, index, and what casting them does to graphs."""

import pickle
from functools import partial

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn, optim


def rng():
    return np.random.default_rng(3)


class Net(nn.Module):
    def __init__(self):
        self.trunk = nn.Sequential(nn.Linear(2, 3, rng=rng()), tg.tanh, lambda x: x * 1.0)
        self.heads = {"a": [nn.LayerNorm(3)], "b": nn.Conv2d(1, 2, 3, rng=rng(), bias=False)}
        self.scale, self.beta, self.name = tg.tensor(np.ones(3)), 0.5, "net"
        self.cache = None


def test_repr_shows_sizes_and_settings_nested():
    assert repr(Net()) == (
        "Net(scale=(3,), beta=0.5, name=net\n"
        "  (trunk): Sequential(\n"
        "    (0): Linear(weight=(2, 3), bias=(3,))\n"
        "    (1): tanh\n"
        "    (2): <lambda>\n"
        "  )\n"
        "  (heads.a.0): LayerNorm(eps=1e-05, gamma=(3,), beta=(3,))\n"
        "  (heads.b): Conv2d(stride=1, padding=0, dilation=1, groups=1, weight=(3, 3, 1, 2))\n"
        ")"
    )
    assert repr(nn.Sequential()) == "Sequential()"
    leaky = nn.Sequential(partial(tg.leaky_relu, slope=0.2), nn.Reshape(2, 3))
    lines = ("(0): leaky_relu(slope=0.2)", "(1): Reshape(shape=(2, 3))")
    assert repr(leaky) == "Sequential(\n  {}\n  {}\n)".format(*lines)
    assert str(nn.Linear(2, 1, rng=rng(), bias=False)) == "Linear(weight=(2, 1))"
    assert "stride=(1, 2)" in repr(nn.Conv2d(1, 1, 3, stride=(1, 2), rng=rng()))


def test_sequential_is_indexed_as_a_list():
    layers = [nn.Linear(2, 3, rng=rng()), tg.tanh, nn.Linear(3, 1, rng=rng())]
    net = nn.Sequential(*layers)
    assert len(net) == 3 and list(net) == layers and list(reversed(net)) == layers[::-1]
    assert net[0] is net[np.int64(-3)] is layers[0] and net[-1] is layers[2]
    with pytest.raises(IndexError):
        net[3]
    x = tg.tensor(rng().standard_normal((4, 2)))
    first = net[:2]
    assert isinstance(first, nn.Sequential) and len(first) == 2
    np.testing.assert_array_equal(net[2](first(x)).numpy(), net(x).numpy())
    assert first.parameters()[0] is net.parameters()[0], "a slice holds the same layers"
    assert [len(net[::2]), len(net[5:])] == [2, 0]


def test_a_graph_from_before_a_cast_is_refused():
    net, x = nn.Linear(2, 1, rng=rng()), tg.tensor(np.ones((3, 2)), requires_grad=True)
    losses = [net(x).sum() for _ in range(2)]
    net.astype(np.float64)
    for loss, inputs in zip(losses, ([x], net.parameters()), strict=True):
        with pytest.raises(RuntimeError, match=r"linear was changed by .*a cast"):
            tg.grad(loss, inputs)


def test_a_cast_or_move_that_changes_nothing_spoils_nothing():
    net = nn.Linear(2, 1, rng=rng())
    before = [p.data for p in net.parameters()]
    loss = net(tg.tensor(np.ones((3, 2)))).sum()
    assert net.astype(np.float32) is net.to("cpu") is net
    assert all(p.data is a for p, a in zip(net.parameters(), before, strict=True))
    tg.grad(loss, net.parameters())


@pytest.mark.parametrize("make", [optim.Adam, lambda p: optim.RMSProp(p, lr=0.1)])
def test_an_optimiser_refuses_parameters_that_were_cast(make):
    net = nn.Linear(2, 1, rng=rng())
    opt = make(net.parameters())
    net.astype(np.float64)
    gs = tg.grad(net(tg.tensor(np.ones((3, 2)), dtype=float)).sum(), net.parameters())
    before = net.state_dict()
    with pytest.raises(
        TypeError, match=r"parameter 0 \(2, 1\) is float64, the state float32: cast a network first"
    ):
        opt.step(gs)
    assert opt.t == 0
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_one_cast_parameter_among_others_is_named():
    net = nn.Linear(2, 1, rng=rng())
    opt = optim.Adam(net.parameters())
    net.bias.data = net.bias.data.astype(np.float64)
    gs = [tg.tensor(np.ones(p.shape), dtype=p.dtype) for p in net.parameters()]
    with pytest.raises(TypeError, match=r"parameter 1 \(1,\) is float64, the state float32"):
        opt.step(gs)


def test_a_step_refuses_parameters_that_it_cannot_write_into():
    """Of an array that is not contiguous a flat view is a copy: the step would be lost."""
    p = tg.tensor(np.ones((2, 3)), requires_grad=True)
    opt = optim.SGD([p], lr=1.0)
    p.data = np.asfortranarray(p.data)
    with pytest.raises(ValueError, match="contiguous"):
        opt.step([tg.tensor(np.ones((2, 3)))])


def test_moved_running_statistics_spoil_graphs_that_read_them():
    layer, x = nn.BatchNorm(2), tg.tensor(rng().standard_normal((8, 2)), requires_grad=True)
    loss = (layer(x, train=False) ** 2).sum()
    layer(x, train=True)
    with pytest.raises(RuntimeError, match="changed by"):
        tg.grad(loss, [x])


def test_sizes_may_be_numpy_integers():
    one, two, three = np.int64(1), np.int32(2), np.uint8(3)
    x = tg.tensor(np.ones((2, 5, 5, 1)))
    conv = nn.Conv2d(one, two, three, stride=two, padding=one, rng=rng())
    up = nn.ConvTranspose2d(two, one, (three, three), stride=(two, two), padding=one, rng=rng())
    assert up(conv(x)).shape == (2, 5, 5, 1)
    assert nn.Linear(two, three, rng=rng())(tg.tensor(np.ones((1, 2)))).shape == (1, 3)
    norm = nn.Sequential(nn.LayerNorm(three), nn.BatchNorm(three))
    assert norm(tg.tensor(rng().standard_normal((4, 3))), train=True).shape == (4, 3)


def test_a_network_of_all_layers_is_pickled():
    r = rng()
    net = nn.Sequential(
        *(nn.Embedding(5, 16, rng=r), nn.Dropout(0.5, rng=r), nn.Reshape(4, 4, 1)),
        *(nn.Conv2d(1, 4, 3, padding=1, rng=r), nn.GroupNorm(2, 4), nn.pixel_norm),
        *(nn.ConvTranspose2d(4, 2, 2, stride=2, rng=r), nn.BatchNorm(2), nn.LayerNorm(2)),
        *(nn.Reshape(-1), nn.SpectralNorm(nn.Linear(128, 3, rng=r), rng=r)),
        nn.EqualisedRate(nn.Linear(3, 2, rng=r)),
    )
    missing = {c for c in vars(nn).values() if isinstance(c, type) and issubclass(c, nn.Module)}
    missing -= {type(m) for m in net.modules()} | {nn.Module}
    assert not missing, f"add {missing}"
    twin = pickle.loads(pickle.dumps(net))
    assert repr(twin) == repr(net)
    for train in (True, False):  # with the same masks, as the generator travels with its layer
        y, z = (n(np.array([0, 4, 4]), train=train).numpy() for n in (net, twin))
        np.testing.assert_array_equal(y, z)


def test_a_twin_with_other_parameters_computes_with_them_and_shares_all_else():
    net, x = Net(), tg.tensor(rng().standard_normal((4, 2)))
    net.heads["norm"] = nn.BatchNorm(3)
    call = lambda net: net.heads["norm"](net.trunk(x), train=True)
    before = {name: p.numpy().copy() for name, p in net.named_parameters().items()}
    w = tg.tensor(2.0, requires_grad=True)
    twin = nn.with_parameters(net, [p * w for p in net.parameters()])
    y = call(twin)
    mean = net.heads["norm"].running_mean
    assert twin.heads["norm"].running_mean is mean and mean.numpy().any()
    assert twin.scale is net.scale and twin.heads["a"] is not net.heads["a"]
    (slope,) = tg.grad(tg.sum(y * y), [w])
    assert abs(slope.item()) > 0.1
    assert net.named_parameters().keys() == before.keys()
    for name, p in net.named_parameters().items():
        np.testing.assert_array_equal(p.numpy(), before[name])
        p.data *= 2.0
    np.testing.assert_array_equal(call(net).numpy(), y.numpy())


def test_a_parameter_of_two_names_is_exchanged_at_both():
    shared = nn.Linear(2, 2, rng=rng(), bias=False)
    net = nn.Sequential(shared, shared)
    twin = nn.with_parameters(net, [tg.tensor(3.0 * np.eye(2))])
    np.testing.assert_allclose(twin(tg.tensor([[1.0, 2.0]])).numpy(), [[9.0, 18.0]])


def test_parameters_that_do_not_fit_are_refused():
    net = nn.Linear(2, 1, rng=rng())
    for params in (net.parameters()[:1], net.parameters()[::-1]):
        with pytest.raises(ValueError, match=r"with_parameters: wanted \[\(2, 1\), \(1,\)\], got"):
            nn.with_parameters(net, params)
