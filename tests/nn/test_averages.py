"""The exponential average of a network's weights: its formula, its buffers, its checkpoints."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn, optim
from tinygen.models import Model
from tinygen.train.checkpoint import Position, load_checkpoint, save_checkpoint


def network(seed=0):
    rng = np.random.default_rng(seed)
    layers = nn.Linear(3, 4, rng=rng), nn.BatchNorm(4), tg.tanh, nn.Linear(4, 1, rng=rng)
    return nn.Sequential(*layers)


def train(net, opt, rng):
    x = tg.tensor(rng.standard_normal((8, 3)))
    opt.step(tg.grad((net(x, train=True) ** 2).sum(), opt.params))


@given(st.floats(0, 0.999), st.integers(1, 5))
def test_the_average_by_its_formula(decay, updates):
    net = network()
    ema, rng = optim.EMA(net, decay), np.random.default_rng(1)
    opt = optim.SGD(net.parameters(), lr=0.1)
    wanted = {name: p.numpy().astype(float) for name, p in net.named_parameters().items()}
    for _ in range(updates):
        train(net, opt, rng)
        ema.update()
        for name, p in net.named_parameters().items():
            wanted[name] = decay * wanted[name] + (1 - decay) * p.numpy()
    for name, p in ema.average.named_parameters().items():
        np.testing.assert_allclose(p.numpy(), wanted[name], rtol=1e-4, atol=1e-6)
        assert p.dtype == np.float32
    for name, array in net.state_dict().items():
        if "running" in name:
            np.testing.assert_array_equal(ema.state_dict()[name], array)


def test_equal_weights_keep_their_bits_and_nothing_is_shared():
    net = network()
    ema, before = optim.EMA(net, 0.9), net.state_dict()
    for _ in range(3):
        ema.update()
    for name, array in ema.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    for t in dict(net._named()).values():
        t.data[...] = 7.0
    assert not any((array == 7).any() for array in ema.state_dict().values())
    x = tg.tensor(np.ones((2, 3)))
    assert ema.average(x, train=False).shape == (2, 1)


def test_the_beginning_is_soon_forgotten():
    """With the number of steps t the decay is (1 + t) / (10 + t), until that is the larger one."""
    net = nn.Linear(1, 1, rng=np.random.default_rng(0)).astype(np.float64)
    ema, wanted = optim.EMA(net, 0.5), net.weight.item()
    for t in range(1, 15):
        net.weight.data = np.full((1, 1), float(t))
        ema.update(t)
        decay = min(0.5, (1 + t) / (10 + t))
        wanted = decay * wanted + (1 - decay) * t
        assert ema.average.weight.item() == pytest.approx(wanted, rel=1e-12)
    assert ema.decay == 0.5


def test_a_weight_with_two_names_moves_once():
    net = network()
    net.again = net[0]
    ema = optim.EMA(net, 0.5)
    before = net[0].weight.numpy().copy()
    net[0].weight.data = before + 1
    ema.update()
    np.testing.assert_allclose(ema.average[0].weight.numpy(), before + 0.5, rtol=1e-6)
    assert ema.average.again is ema.average[0]


def test_graphs_of_the_average_are_stale_after_an_update():
    net, x = network(), tg.tensor(np.ones((2, 3)), requires_grad=True)
    ema = optim.EMA(net, 0.5)
    y = ema.average(x, train=False).sum()
    net[0].weight.data = net[0].weight.data + 1
    ema.update()
    with pytest.raises(RuntimeError, match="changed by"):
        tg.grad(y, [x])


@dataclass
class Averaged(Model):
    """The smallest model that keeps an average."""

    net: nn.Module
    opt: optim.Optimizer
    ema: optim.EMA

    @classmethod
    def build(cls, seed):
        net = network(seed)
        return cls(net, optim.Adam(net.parameters()), optim.EMA(net, 0.9))

    def step(self, rng):
        train(self.net, self.opt, rng)
        self.ema.update()


def test_a_checkpoint_holds_the_average(tmp_path):
    """Three steps, a checkpoint, three more: as six steps, bit for bit."""
    model, rng = Averaged.build(0), np.random.default_rng(2)
    assert list(model.parts()) == ["net", "opt", "ema"] and list(model.networks()) == ["net"]
    for _ in range(3):
        model.step(rng)
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, model.parts(), rng, Position())
    again, their_rng = Averaged.build(1), np.random.default_rng(3)
    load_checkpoint(path, again.parts(), their_rng)
    for _ in range(3):
        model.step(rng)
        again.step(their_rng)
    theirs = again.ema.state_dict()
    for name, array in model.ema.state_dict().items():
        np.testing.assert_array_equal(theirs[name], array)


def test_what_is_refused():
    net = network()
    for decay in (1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match="EMA: wanted 0 <= decay < 1, got"):
            optim.EMA(net, decay)
    ema = optim.EMA(net, 0.9)
    with pytest.raises(ValueError, match="missing"):
        ema.load_state_dict({})
    net.layers.append(nn.Linear(1, 1, rng=np.random.default_rng(0)))
    with pytest.raises(ValueError, match=r"only one has layers\.4\.bias, layers\.4\.weight"):
        ema.update()
    del net.layers[4]
    net.astype(np.float64)
    with pytest.raises(TypeError, match="dtypes differ"):
        ema.update()
