"""Every model trains on the device as on the CPU: the same seed gives the same losses.

The stand-in runs the kernels unchecked here, 20 times as fast: other tests check each of them.
"""

from functools import partial

import numpy as np
import pytest

import tinygen as tg
from tinygen import scores
from tinygen.cuda import launch
from tinygen.device import device_of
from tinygen.models import MODELS, Setup, autoencoder, dcgan, gan, remedies, vae, wgan
from tinygen.models.players import noise
from tinygen.nn import BatchNorm, LayerNorm
from tinygen.optim import Optimizer
from tinygen.train.checkpoint import Position, load_checkpoint, save_checkpoint
from tinygen.weights import load

SHAPE, BATCH, STEPS, CLASSES = (8, 8, 1), 4, 20, 10
VARIANTS = {  # options beside the defaults, which every model is tried with
    "gan": [
        {"arch": "mlp"},
        {"arch": "deep"},
        {"arch": "mlp", "loss": "saturating", "generator_steps": 2},
    ],
    "autoencoder": [
        {"arch": "linear"},
        *({"kind": "sparse", "penalty": penalty} for penalty in autoencoder.PENALTIES),
        {"kind": "stochastic"},
        *({"kind": "denoising", "corruption": c} for c in autoencoder.CORRUPTIONS),
    ],
    "vae": [{"observation": "bernoulli"}, {"optimizer": "momentum"}, {"optimizer": "adagrad"}],
    "aae": [{"labels": True}, {"prior": "mixture"}],
    "wgan": [{"arch": "conv"}],
    "wgan_gp": [{"arch": "mlp"}],
    "progan": [{"growing": "no"}],
    "made": [{"orderings": 3}],
    "pixelcnn": [{"arch": "residual"}],
    "remedies": [{"remedy": remedy} for remedy in remedies.REMEDIES[1:]],
}
SMALL = {
    "iwae": {"latent": 2, "k": (1, 3)},
    "wgan": {"n_critic": 2},
    "wgan_gp": {"n_critic": 2},
    "progan": {"widths": (4, 3), "fade": 8, "rest": 4},
    "made": {"hidden": (20, 10)},
    "pixelcnn": {"width": 4, "blocks": 2},
    "remedies": {"arch": "mlp", "noise_steps": 10},
}


def cases():
    for name in MODELS:
        for options in [{}, *VARIANTS.get(name, [])]:
            yield name, {**SMALL.get(name, {}), **options}


def title(case):
    return " ".join([case[0], *map(str, case[1].values())])


CASES = {title(case): case for case in cases()}
PLAIN = [title((name, SMALL.get(name, {}))) for name in MODELS]
all_cases = pytest.mark.parametrize(
    "title", [t if t in PLAIN else pytest.param(t, marks=pytest.mark.thorough) for t in CASES]
)


@pytest.fixture(scope="module", autouse=True)
def fast(_module):
    caches = launch._module, launch._kernel
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_module, "MODE", "fast", raising=False)
        for cache in caches:
            cache.cache_clear()
        yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture(autouse=True)
def narrow(monkeypatch):
    """Convolutions with few channels, as the kernels run checked."""
    for module, name in ((gan, "dcgan"), (wgan, "conv")):
        norm = "layer" if module is wgan else "batch"
        thin = lambda shape, rng, norm=norm: dcgan.dcgan(shape, rng, width=4, norm=norm)
        monkeypatch.setitem(module.NETWORKS, name, thin)
    monkeypatch.setitem(gan.NETWORKS, "deep", partial(dcgan.deep, width=4))


def build(title, device, dtype=np.float32, seed=0):
    name, options = CASES[title]
    setup = Setup(SHAPE, CLASSES, device, dtype)
    return MODELS[name].build(MODELS[name].Config(**options), setup, np.random.default_rng(seed))


def trained(model, steps, rng):
    """The numbers of each step, in one table, for images as the model's range has them."""
    rows, n, (low, high) = [], BATCH * model.batches, model.RANGE
    for _ in range(steps):
        x = low + (high - low) * rng.random((n, *SHAPE), dtype=np.float32)
        rows.append(model.step(x.round() if model.BINARY else x, rng, np.arange(n) % CLASSES))
    return {key: np.array([row[key].item() for row in rows]) for key in rows[0]}


STEEP = ("wgan", "vae adagrad")  # how titles begin of models without a norm that are chaotic, too


def chaotic(title):
    """Whether rounding grows: weights moved by 1e-7 at the start change the CPU's own losses by
    1e-3 to 8e-2 within twenty steps in float32, for most seeds. Batch norm of four images does
    that, and steps as long for a gradient of 1e-8 as for one of 1, as Adam's, RMSProp's and
    Adagrad's first are. These models are compared in float64."""
    networks = build(title, "cpu").networks().values()
    norms = [m for n in networks for m in n.modules() if isinstance(m, BatchNorm | LayerNorm)]
    return bool(norms) or title.startswith(STEEP)


@all_cases
def test_twenty_steps_have_the_cpus_losses(title):
    dtype = np.float64 if chaotic(title) else np.float32
    cpu, cuda = (build(title, device, dtype) for device in ("cpu", "cuda"))
    same(*(trained(model, STEPS, np.random.default_rng(1)) for model in (cuda, cpu)))
    for part in cuda.parts().values():
        arrays = {k: v for k, v in part.state_dict().items() if k != "t"}
        assert {device_of(a) for a in arrays.values()} == {"cuda"}, arrays.keys()
    pictures = [m.sample(3, np.random.default_rng(2)) for m in (cpu, cuda)]
    assert type(pictures[1]) is np.ndarray and pictures[1].shape == (3, *SHAPE)
    np.testing.assert_allclose(*pictures, atol=1e-2)


def same(results, wanted, rtol=1e-3):
    assert results.keys() == wanted.keys()
    for key, values in wanted.items():
        atol = rtol * np.abs(values).max()
        np.testing.assert_allclose(results[key], values, rtol=rtol, atol=atol, err_msg=key)


@all_cases
def test_losses_are_the_cpus_in_float32(title):
    """At the weights of the start: no optimiser moves them."""
    losses = []
    for device in ("cuda", "cpu"):
        model = build(title, device)
        for part in model.parts().values():
            if isinstance(part, Optimizer):
                part.lr = 0.0
        losses.append(trained(model, 1, np.random.default_rng(1)))
    same(*losses)


@pytest.mark.parametrize("title", ["gan", "aae", "iwae 2 (1, 3)"])
@pytest.mark.parametrize("first", ["cpu", "cuda"])
def test_a_checkpoint_goes_on_on_the_other_device(title, first, tmp_path):
    """Three steps here and three there are six on the CPU."""
    second, path = "cuda" if first == "cpu" else "cpu", tmp_path / "checkpoint.safetensors"
    rng = np.random.default_rng(1)
    model = build(title, first, np.float64)
    trained(model, 3, rng)
    save_checkpoint(path, model.parts(), rng, Position(epoch=1, step=3))
    assert {type(a) for a in load(path).values()} == {np.ndarray}
    again, rng = build(title, second, np.float64, seed=5), np.random.default_rng(6)
    assert load_checkpoint(path, again.parts(), rng).step == 3
    rest = trained(again, 3, rng)
    whole = trained(build(title, "cpu", np.float64), 6, np.random.default_rng(1))
    same(rest, {key: values[3:] for key, values in whole.items()}, rtol=1e-6)


def test_what_looks_into_a_model_gives_numpy_arrays():
    x = np.random.default_rng(0).random((5, *SHAPE)).round()
    results = []
    for device in ("cpu", "cuda"):
        v, a, i = (build(title, device) for title in ("vae bernoulli", "aae", "iwae 2 (1, 3)"))
        nll = scores.log_likelihood(i.models[1], x, k=7, rng=np.random.default_rng(0))
        results.append(
            [v.encode(x), v.decode(v.encode(x)), a.encode(x), a.decode(x[:, 0, :2, 0]), nll]
        )
    for wanted, got in zip(*results, strict=True):
        assert type(got) is np.ndarray
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4)


def test_lbfgs_searches_on_the_device():
    x, values = np.random.default_rng(0).random((6, *SHAPE)), []
    for device in ("cpu", "cuda"):
        config = vae.Config(observation="bernoulli", optimizer="lbfgs")
        model = vae.build(config, Setup(SHAPE, device=device), np.random.default_rng(0))
        model.opt.iterations = 3
        inputs = model.draw(x, None, np.random.default_rng(0))
        values.append([model.update(**inputs)["loss"].item() for _ in "12"])
    np.testing.assert_allclose(values[1], values[0], rtol=1e-6)
    assert values[0][1] < values[0][0]


def test_devices_that_are_mixed_are_named():
    model = build("gan mlp", "cuda")
    z = tg.tensor(noise(2, np.random.default_rng(0)))
    with pytest.raises(tg.DeviceError, match=r"devices differ: .* cpu, .* cuda"):
        model.G(z)
    with pytest.raises(tg.DeviceError, match="devices differ"):
        gan.value(model.D, model.G, tg.tensor(np.zeros((2, *SHAPE))), z.to("cuda"))
