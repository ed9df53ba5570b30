"""Every model and each of its networks can be pickled and copied, and goes on as the original."""

import copy
import pickle

import numpy as np
import pytest

from tinygen.cpu import threads
from tinygen.models import MODELS, Setup

SHAPE, CLASSES, BATCH = (8, 8, 1), 10, 4
SMALL = {"iwae": {"latent": 2, "k": (1, 3)}, "wgan": {"n_critic": 1}, "wgan_gp": {"n_critic": 1}}
WAYS = {"pickle": lambda x: pickle.loads(pickle.dumps(x)), "deepcopy": copy.deepcopy}


def archs():
    for name, module in MODELS.items():
        yield from ((name, {"arch": arch}) for arch in getattr(module, "NETWORKS", ()))
        if not hasattr(module, "NETWORKS"):
            yield name, {}


def build(name, options):
    config = MODELS[name].Config(**SMALL.get(name, {}), **options)
    return MODELS[name].build(config, Setup(SHAPE, CLASSES), np.random.default_rng(0))


def three_steps(model):
    rng, rows = np.random.default_rng(1), []
    with threads.expecting(convolutions=model.convolves):  # or the first step has bits of its own
        for _ in range(3):
            x = rng.random((BATCH * model.batches, *SHAPE), dtype=np.float32)
            labels = np.arange(len(x)) % CLASSES
            numbers = model.step(x.round() if model.BINARY else x, rng, labels)
            rows.append({key: number.item() for key, number in numbers.items()})
    return rows


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "options"), list(archs()))
def test_a_copied_model_takes_the_same_steps(name, options, way):
    model = build(name, options)
    twin = WAYS[way](model)
    for parts in zip(model.networks().items(), twin.networks().items(), strict=True):
        (key, network), (same, copied) = parts
        assert key == same and repr(WAYS[way](network)) == repr(copied)
    assert three_steps(twin) == three_steps(model)
    for one, two in zip(model.networks().values(), twin.networks().values(), strict=True):
        state = two.state_dict()
        assert state.keys() == one.state_dict().keys()
        for key, array in one.state_dict().items():
            np.testing.assert_array_equal(state[key], array, err_msg=key)


# What seeded weights are called, as run folders written before have them.
NAMES = {
    "vae": ("encoder", ["layers.1.weight", "layers.3.weight", "layers.5.weight"]),
    "gan": ("G", ["layers.0.weight", "layers.3.weight", "layers.7.weight", "layers.10.weight"]),
}


@pytest.mark.parametrize("name", NAMES)
def test_weights_keep_their_names(name):
    network, names = NAMES[name]
    found = build(name, {}).networks()[network].named_parameters()
    assert [key for key in found if key.endswith("weight")] == names
