"""What an example trains: the images of the batch, their own labels, by the seed that was given."""

from dataclasses import dataclass, fields

import numpy as np
import pytest

from tinygen import data, nn, optim, train
from tinygen.cpu import threads
from tinygen.cpu.threads import convolving
from tinygen.errors import UsageError
from tinygen.models import MODELS, Model, aae, gan, iwae
from tinygen.weights import write_json


@dataclass
class Echo(Model):
    """A model that gives back what it was shown."""

    net: nn.Module
    opt: optim.Optimizer

    def draw(self, x, labels, rng):
        return {"x": x, "labels": labels, "noise": rng.random(3)}

    def update(self, **inputs):
        return inputs


class EchoBinary(Echo):
    BINARY, RANGE = True, (0.0, 1.0)


def prepared(module, digits, folder, *flags):
    p = train.parser("", module, out="runs", epochs=1, batch=16)
    argv = ["--data", digits, "--out", folder, *flags]
    return train.prepare(p, [str(a) for a in argv])


def training_of(kind, digits, tmp_path):
    training = prepared(gan, digits, tmp_path / "run", "--arch", "mlp")
    net = nn.Linear(2, 2, rng=np.random.default_rng(0))
    training.model = kind(net, optim.Adam(net.parameters()))
    return training


def test_a_step_sees_the_chosen_images_and_their_labels(digits, tmp_path):
    training = training_of(Echo, digits, tmp_path)
    dataset, chosen = training.dataset, np.array([5, 3, 150])
    shown = training.step(chosen, np.random.default_rng(1))
    np.testing.assert_array_equal(shown["labels"], dataset.labels[[5, 3, 150]])
    np.testing.assert_array_equal(shown["x"], data.scale(dataset.images[[5, 3, 150]], -1, 1))
    np.testing.assert_array_equal(shown["noise"], np.random.default_rng(1).random(3))


@pytest.mark.parametrize("arch", ["mlp", "dcgan"])
def test_who_computes_products_depends_on_the_networks_alone(digits, tmp_path, monkeypatch, arch):
    """So a resumed run has the same bits, whatever its process computed before."""
    training = prepared(gan, digits, tmp_path / "run", "--arch", arch)
    told = []
    monkeypatch.setattr("tinygen.train.training.fit", lambda *a, **k: told.append(convolving()))
    for before in (False, True):
        monkeypatch.setattr(threads, "_convolved", before)
        training.fit()
    assert told == [arch == "dcgan"] * 2


def test_binary_images_are_drawn_anew_from_their_greys(digits, tmp_path):
    training, rng = training_of(EchoBinary, digits, tmp_path), np.random.default_rng(1)
    chosen = np.arange(100)
    many = np.array([training.step(chosen, rng)["x"] for _ in range(200)])
    assert set(np.unique(many)) == {0.0, 1.0}
    grey = training.dataset.images[chosen] / 255
    assert np.abs(many.mean(0) - grey).max() < 5 * 0.5 / 200**0.5


def test_half_of_the_images_are_mirrored(digits, tmp_path):
    training, rng = training_of(Echo, digits, tmp_path), np.random.default_rng(1)
    chosen = np.arange(150)
    plain = training.step(chosen, np.random.default_rng(0))["x"]
    training.options.augment = True
    shown = training.step(chosen, rng)["x"]
    same = (shown == plain).all(axis=(1, 2, 3))
    mirrored = (shown == plain[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same | mirrored).all() and 50 < mirrored.sum() < 100
    assert training.step(chosen, rng)["noise"].shape == (3,)


def test_all_splits_are_of_the_classes_that_were_asked_for(digits, tmp_path):
    training = prepared(
        gan, digits, tmp_path / "run", "--arch", "mlp", "--only", "3", "7", "--size", "16"
    )
    assert training.dataset.classes == ("3", "7") == training.load("validation").classes
    assert training.dataset.name.endswith(": 3, 7 of 16×16")
    assert training.load("test").images.shape[1:] == (16, 16, 1)
    again = prepared(gan, digits, tmp_path / "run", "--arch", "mlp", "--resume")
    assert again.options.only == ["3", "7"] and len(again.dataset) == len(training.dataset)
    with pytest.raises(data.DataError, match=r"among 0, 1, .* found cat"):
        prepared(gan, digits, tmp_path / "other", "--arch", "mlp", "--only", "cat")
    assert not (tmp_path / "other").exists()


def test_a_run_from_before_a_flag_goes_on(digits, tmp_path):
    run = prepared(gan, digits, tmp_path / "run", "--arch", "mlp").run
    for name in ("only", "size", "augment"):
        del run.config[name]
    write_json(run.folder / "config.json", run.config)
    again = prepared(gan, digits, tmp_path / "run", "--arch", "mlp", "--resume")
    assert again.options.only is None and again.options.augment is False


def weights(training):
    return {n: p.state_dict() for n, p in training.model.networks().items()}


def test_the_seed_decides_about_weights_noise_and_order(digits, tmp_path):
    one, same, other = (
        prepared(gan, digits, tmp_path / name, "--arch", "mlp", "--seed", seed)
        for name, seed in (("one", 3), ("same", 3), ("other", 4))
    )
    np.testing.assert_equal(weights(one), weights(same))
    assert np.any(weights(one)["G"]["layers.0.weight"] != weights(other)["G"]["layers.0.weight"])
    for a, b, equal in ((one, same, True), (one, other, False)):
        assert (a.rng.bit_generator.state == b.rng.bit_generator.state) == equal
        assert np.array_equal(a.generator(1).random(4), b.generator(1).random(4)) == equal


def test_a_run_of_an_earlier_version_has_what_it_had_then():
    for arch, alpha, ema in (("mlp", 1.0, None), ("dcgan", 1.0, 0.0)):
        stored = {f.name: getattr(gan.Config(arch=arch), f.name) for f in fields(gan.Config)}
        del stored["alpha"], stored["ema"]
        assert gan.Config.of(stored) == gan.Config(arch=arch, alpha=alpha, ema=ema)
        del stored["lr"]
        with pytest.raises(UsageError, match="gan: wanted the options lr, got none"):
            gan.Config.of(stored)


def test_flags_reach_the_model_and_the_run_folder(digits, tmp_path):
    flags = ("--arch", "mlp", "--lr", "0.01", "--beta1", "0.25", "--generator-steps", "3")
    training = prepared(gan, digits, tmp_path / "run", *flags)
    model, stored = training.model, training.run.config
    for opt in (model.opt_G, model.opt_D):
        assert (opt.lr, opt.betas) == (0.01, (0.25, 0.999))
    assert model.config == gan.Config(arch="mlp", lr=0.01, beta1=0.25, generator_steps=3)
    assert gan.Config.of(stored) == model.config and stored["classes"] == 10
    assert stored["shape"] == [20, 20, 1] and stored["model"] == "gan"
    model = prepared(aae, digits, tmp_path / "aae", "--lr", "0.01", "--lr-game", "0.02").model
    assert [o.lr for o in (model.opt_reconstruction, model.opt_D, model.opt_E)] == [
        0.01,
        0.02,
        0.02,
    ]
    models = prepared(iwae, digits, tmp_path / "iwae", "--k", "2", "7").model.models
    assert [(k, m.k, m.opt.eps) for k, m in models.items()] == [(2, 2, 1e-4), (7, 7, 1e-4)]


@pytest.mark.parametrize("name", MODELS)
def test_a_step_gives_what_the_curves_show(name, digits, tmp_path):
    training = prepared(MODELS[name], digits, tmp_path / "run")
    n = training.model.batches * 4
    numbers = training.step(np.arange(n), np.random.default_rng(0))
    for _, names in training.model.panels:
        assert set(names) <= numbers.keys()
    training.draw(1)
    assert training.run.grid_path(1).exists() and training.run.curves.exists()


@pytest.mark.parametrize("name", MODELS)
def test_a_step_is_a_function_of_what_was_drawn(name, digits, tmp_path):
    """The same inputs and weights give the same, whatever else is drawn."""
    results = []
    for i in (0, 1):
        training = prepared(MODELS[name], digits, tmp_path / f"{name}-{i}")
        model = training.model
        x = training.scaled(training.dataset.images[: model.batches * 4])
        inputs = model.draw(x, training.dataset.labels[: len(x)], np.random.default_rng(1))
        np.random.default_rng(i).random(3)
        numbers = {k: v.item() for k, v in model.update(**inputs).items()}
        results.append((numbers, weights(training)))
    np.testing.assert_equal(*results)
