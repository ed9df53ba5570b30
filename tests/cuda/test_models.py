"""Every model trains on the device as on the CPU: the same seed gives the same losses.

The stand-in runs the kernels unchecked here, 20 times as fast: other tests check each of them.
"""

from functools import partial

import numpy as np
import pytest

import tinygen as tg
from tinygen.cuda import launch
from tinygen.device import device_of
from tinygen.models import aae, dcgan, gan, iwae, vae, wgan, wgan_gp
from tinygen.nn import layers
from tinygen.train.checkpoint import Position, load_checkpoint, save_checkpoint
from tinygen.weights import load

SHAPE, BATCH, STEPS = (8, 8, 1), 4, 20
F64 = {"dtype": np.float64}
GAN = {"loss": "non-saturating", "lr": 4e-4, "beta1": 0.5, "generator_steps": 1}
WGAN = {"n_critic": 2, "clip": 0.01, "penalty": 10.0, "lr": None}
VAE = {"latent": 2, "s": 0.1, "optimizer": "adam", "lr": None}
AAE = {"prior": "swiss_roll", "classes": 10, "lr": 2e-4, "lr_game": 5e-4}
MODELS = {
    "gan mlp": (gan, {"arch": "mlp", **GAN}),
    "gan dcgan": (gan, {"arch": "dcgan", **GAN}),
    "gan saturating": (gan, {"arch": "mlp", **GAN, "loss": "saturating"}),
    "vae gaussian": (vae, {"observation": "gaussian", **VAE}),
    "vae bernoulli": (vae, {"observation": "bernoulli", **VAE}),
    "vae sgd": (vae, {"observation": "gaussian", **VAE, "optimizer": "momentum"}),
    "vae adagrad": (vae, {"observation": "gaussian", **VAE, "optimizer": "adagrad"}),
    "iwae": (iwae, {"latent": 2, "k": [1, 3], "lr": 1e-3}),
    "aae": (aae, {"labels": False, **AAE}),
    "aae labels": (aae, {"labels": True, **AAE}),
    "wgan mlp": (wgan, {"arch": "mlp", **WGAN}),
    "wgan conv": (wgan, {"arch": "conv", **WGAN}),
    "wgan_gp mlp": (wgan_gp, {"arch": "mlp", "lipschitz": "gp", **WGAN}),
    "wgan_gp conv": (wgan_gp, {"arch": "conv", "lipschitz": "gp", **WGAN}),
}
# Networks that normalise a batch of four, and step by Adam or RMSProp, which go as far for a
# gradient of 1e-8 as for one of 1: in float32 the CPU's own losses are 1e-2 apart after a few steps
# if the weights are moved by 1e-7 at the start. So these are compared in float64.
CHAOTIC = ("gan dcgan", "aae", "aae labels", "wgan conv", "wgan_gp conv")


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


def build(name, device, seed=0):
    module, config = MODELS[name]
    return module.build({"shape": SHAPE, "device": device, **config}, np.random.default_rng(seed))


def images(model, rng):
    """A batch as the data room gives it, for the models with pixels from -1 and from 0."""
    n = BATCH * getattr(model, "n_critic", 1)
    x = rng.random((n, *SHAPE), dtype=np.float32)
    return x.round() if isinstance(model, (iwae.IWAEs, vae.VAE)) else 2 * x - 1


def trained(name, model, steps, rng):
    """The numbers of each step, in one table."""
    rows = []
    for _ in range(steps):
        x = images(model, rng)
        labels = [np.arange(len(x))] if name == "aae labels" else []
        rows.append(model.step(x, rng, *labels))
    return {key: np.array([row[key].item() for row in rows]) for key in rows[0]}


@pytest.fixture
def double(monkeypatch):
    """Call it, and models are made in float64, and get their images and noise so."""

    def call():
        for module in (layers, gan, aae, wgan, wgan_gp):
            monkeypatch.setattr(module, "tensor", lambda a, **how: tg.tensor(a, **{**how, **F64}))
        monkeypatch.setattr(aae, "one_hot", partial(tg.one_hot, **F64))

    return call


@pytest.mark.parametrize("name", MODELS)
def test_twenty_steps_have_the_cpus_losses(name, double):
    if name in CHAOTIC:
        double()
    cpu, cuda = build(name, "cpu"), build(name, "cuda")
    wanted = trained(name, cpu, STEPS, np.random.default_rng(1))
    found = trained(name, cuda, STEPS, np.random.default_rng(1))
    same(found, wanted)
    for part in cuda.parts().values():
        arrays = {k: v for k, v in part.state_dict().items() if k != "t"}
        assert {device_of(a) for a in arrays.values()} == {"cuda"}, arrays.keys()
    pictures = [m.sample(3, np.random.default_rng(2)) for m in (cpu, cuda)]
    assert type(pictures[1]) is np.ndarray and pictures[1].shape == (3, *SHAPE)
    np.testing.assert_allclose(*pictures, atol=1e-2)


def same(found, wanted, rtol=1e-3):
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        atol = rtol * np.abs(values).max()
        np.testing.assert_allclose(found[key], values, rtol=rtol, atol=atol, err_msg=key)


@pytest.mark.parametrize("name", CHAOTIC)
def test_the_first_step_has_the_cpus_losses_in_float32(name):
    same(*(trained(name, build(name, d), 1, np.random.default_rng(1)) for d in ("cuda", "cpu")))


@pytest.mark.parametrize("name", ["gan dcgan", "aae", "iwae"])
@pytest.mark.parametrize("first", ["cpu", "cuda"])
def test_a_checkpoint_goes_on_on_the_other_device(name, first, tmp_path, double):
    """Three steps here and three there are six on the CPU."""
    double()
    second, path = "cuda" if first == "cpu" else "cpu", tmp_path / "checkpoint.safetensors"
    rng = np.random.default_rng(1)
    model = build(name, first)
    trained(name, model, 3, rng)
    save_checkpoint(path, model.parts(), rng, Position(epoch=1, step=3))
    assert {type(a) for a in load(path).values()} == {np.ndarray}
    again, rng = build(name, second, seed=5), np.random.default_rng(6)
    assert load_checkpoint(path, again.parts(), rng).step == 3
    found = trained(name, again, 3, rng)
    wanted = trained(name, build(name, "cpu"), 6, np.random.default_rng(1))
    same(found, {key: values[3:] for key, values in wanted.items()}, rtol=1e-6)


def test_what_looks_into_a_model_gives_numpy_arrays():
    x = np.random.default_rng(0).random((5, *SHAPE)).round()
    results = []
    for device in ("cpu", "cuda"):
        v, a, i = build("vae bernoulli", device), build("aae", device), build("iwae", device)
        nll = iwae.log_likelihood(i.models[1], x, k=7, rng=np.random.default_rng(0))
        results.append(
            [v.encode(x), v.decode(v.encode(x)), a.encode(x), a.decode(x[:, 0, :2, 0]), nll]
        )
    for wanted, found in zip(*results, strict=True):
        assert type(found) is np.ndarray
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_lbfgs_searches_on_the_device():
    x, values = np.random.default_rng(0).random((6, *SHAPE)), []
    for device in ("cpu", "cuda"):
        module, config = MODELS["vae bernoulli"]
        config = {**config, "shape": SHAPE, "device": device, "optimizer": "lbfgs"}
        model = module.build(config, np.random.default_rng(0))
        model.opt.iterations = 3
        values.append([model.step(x, None)["loss"].item() for _ in "12"])
    np.testing.assert_allclose(values[1], values[0], rtol=1e-6)
    assert values[0][1] < values[0][0]


def test_devices_that_are_mixed_are_named():
    model = build("gan mlp", "cuda")
    z = gan.noise(2, np.random.default_rng(0))
    with pytest.raises(tg.DeviceError, match=r"devices differ: .* cpu, .* cuda"):
        model.G(z)
    with pytest.raises(tg.DeviceError, match="devices differ"):
        gan.value(model.D, model.G, tg.tensor(np.zeros((2, *SHAPE))), z.to("cuda"))
