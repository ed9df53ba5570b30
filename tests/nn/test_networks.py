"""`dense` against the same layers written out: what it draws, and what follows what."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygen as tg
from tinygen import nn
from tinygen.nn import init

SHAPE = (2, 3, 1)
leaky = partial(tg.leaky_relu, slope=0.2)


def rng(seed=3):
    return np.random.default_rng(seed)


def generator(r):
    """WGAN's: a hidden init, another at the end, a shape to come out in."""
    first, second = (nn.Linear(m, n, rng=r, init=init.he) for m, n in ((5, 7), (7, 8)))
    last = nn.Linear(8, 6, rng=r)
    return nn.Sequential(first, tg.relu, second, tg.relu, last, tg.tanh, nn.Reshape(*SHAPE))


def critic(r):
    first = nn.Linear(6, 7, rng=r, init=init.glorot)
    return nn.Sequential(nn.Reshape(-1), first, leaky, nn.Linear(7, 1, rng=r, init=init.glorot))


def normed(r):
    """AAE's: a norm in the second hidden layer, before its activation."""
    first, second = nn.Linear(6, 4, rng=r), nn.Linear(4, 4, rng=r)
    layers = first, tg.tanh, second, nn.BatchNorm(4), tg.tanh, nn.Linear(4, 2, rng=r)
    return nn.Sequential(nn.Reshape(-1), *layers)


CASES = {
    "generator": (
        generator,
        lambda r: nn.dense(
            *(5, 7, 8, SHAPE),
            activation=tg.relu,
            last=tg.tanh,
            init=init.he,
            init_last=init.fan_in_uniform,
            rng=r,
        ),
        (4, 5),
    ),
    "critic": (
        critic,
        lambda r: nn.dense(SHAPE, 7, 1, activation=leaky, init=init.glorot, rng=r),
        (4, *SHAPE),
    ),
    "with a norm": (
        normed,
        lambda r: nn.dense(SHAPE, 4, 4, 2, activation=tg.tanh, norms=(None, nn.BatchNorm), rng=r),
        (4, *SHAPE),
    ),
    "one layer": (
        lambda r: nn.Sequential(nn.Linear(5, 2, rng=r, init=init.he)),
        lambda r: nn.dense(5, 2, activation=tg.relu, init=init.he, rng=r),
        (4, 5),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_dense_is_the_layers_written_out(name):
    """Names, bits and what the generator draws next: a run's seed gives the weights it gave."""
    by_hand, short, shape = CASES[name]
    theirs, ours = rng(), rng()
    wanted, network = by_hand(theirs), short(ours)
    assert ours.bit_generator.state == theirs.bit_generator.state
    state = network.state_dict()
    assert list(state) == list(wanted.state_dict())
    for key, array in wanted.state_dict().items():
        np.testing.assert_array_equal(state[key], array)
    x = tg.tensor(rng(1).standard_normal(shape))
    for train in (True, False):
        y, z = network(x, train=train), wanted(x, train=train)
        np.testing.assert_array_equal(y.numpy(), z.numpy())


@given(st.lists(st.integers(1, 5), min_size=2, max_size=5), st.booleans(), st.booleans())
def test_dense_goes_through_its_sizes(sizes, shaped_in, shaped_out):
    ends = [
        (1, n) if shaped else n for n, shaped in ((sizes[0], shaped_in), (sizes[-1], shaped_out))
    ]
    network = nn.dense(ends[0], *sizes[1:-1], ends[1], activation=tg.relu, rng=rng())
    weights = [layer.weight.shape for layer in network if isinstance(layer, nn.Linear)]
    assert weights == list(pairwise(sizes))
    assert list(network).count(tg.relu) == len(sizes) - 2
    x = np.ones((3, *(ends[0] if shaped_in else sizes[:1])))
    assert network(tg.tensor(x)).shape == (3, *(ends[1] if shaped_out else sizes[-1:]))


def test_what_dense_refuses():
    options = {"activation": tg.relu, "rng": rng()}
    for sizes in ((), (3,)):
        with pytest.raises(ValueError, match=rf"dense: wanted 2 or more sizes, got {len(sizes)}"):
            nn.dense(*sizes, **options)
    for wrong in ([2, 3], 2.0, (2, 1.5), True, 0, (0, 2)):
        with pytest.raises(
            (TypeError, ValueError), match=r"dense: wanted sizes >= 1 or shapes of them, got"
        ):
            nn.dense(wrong, 3, **options)
    with pytest.raises(ValueError, match=r"dense: wanted a shape only first or last, got \(2, 2\)"):
        nn.dense(3, (2, 2), 3, **options)
    with pytest.raises(
        ValueError, match="dense: wanted at most 1 norms, one a hidden layer, got 2"
    ):
        nn.dense(3, 4, 2, norms=(None, nn.BatchNorm), **options)
