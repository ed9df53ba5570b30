"""What every conditional model does with labels: the samples, the grid, and wrong ones."""

import numpy as np
import pytest

from tinygen import scores
from tinygen.errors import UsageError
from tinygen.models import MODELS, Setup
from tinygen.models.conditional import EACH, Conditional
from tinygen.scores.labels import hears_labels

SHAPE, CLASSES = (8, 8, 1), 4


def build(name, classes=CLASSES):
    module = MODELS[name]
    return module.build(module.Config(), Setup(SHAPE, classes), np.random.default_rng(0))


NAMES = [name for name in MODELS if isinstance(build(name), Conditional)]


@pytest.fixture(params=NAMES)
def model(request):
    return build(request.param)


def test_there_are_some():
    assert {"cvae", "cgan"} <= set(NAMES)


def test_samples_are_of_the_labels_asked_for_or_of_all(model):
    z = model.latent(6, np.random.default_rng(1))
    for labels in (np.full(6, 2), np.array([0, 1, 2, 3, 3, 0])):
        images = model.sample(6, np.random.default_rng(1), labels)
        assert images.shape == (6, *SHAPE)
        np.testing.assert_array_equal(images, model.generate(z, labels))
    drawn = model.sample(6, np.random.default_rng(1))
    rng = np.random.default_rng(1)
    labels = rng.integers(CLASSES, size=6)
    np.testing.assert_array_equal(drawn, model.generate(model.latent(6, rng), labels))


def test_the_grid_has_a_row_a_class_of_the_same_noise(model):
    images, columns = model.grid(np.random.default_rng(1))
    assert columns == EACH and images.shape == (CLASSES * EACH, *SHAPE)
    z = model.latent(EACH, np.random.default_rng(1))
    for c in range(CLASSES):
        row = images[c * EACH : (c + 1) * EACH]
        np.testing.assert_allclose(row, model.generate(z, np.full(EACH, c)), atol=1e-6)


def test_labels_change_the_images(model):
    assert scores.label_influence(model, np.random.default_rng(0), 20) > 0


def test_wrong_labels_are_named(model):
    x, r = np.zeros((3, *SHAPE), np.float32), np.random.default_rng(0)
    before = {n: p.state_dict() for n, p in model.networks().items()}
    name = type(model).__name__.lower()
    for labels, words in [
        (None, f"{name}: wanted 3 labels, got none"),
        ([1, 2], rf"{name}: wanted 3 labels, got \(2,\)"),
        ([0, 1, CLASSES], f"{name}: wanted labels from 0 to {CLASSES - 1}, got 0 to {CLASSES}"),
        ([0, -1, 2], "got -1 to 2"),
    ]:
        with pytest.raises(UsageError, match=words):
            model.step(x, r, labels)
    with pytest.raises(UsageError, match="wanted labels from 0"):
        model.sample(1, r, [7])
    np.testing.assert_equal({n: p.state_dict() for n, p in model.networks().items()}, before)


@pytest.mark.parametrize("name", NAMES)
def test_images_without_classes_are_refused(name):
    for classes in (0, 1):
        with pytest.raises(UsageError, match=f"{name}: wanted images of two classes or more"):
            build(name, classes)


class Stamp(Conditional):
    """Draws its label as a grey, and its noise as a lighter or darker one."""

    def __init__(self, classes, hears, depth):
        self.classes, self.hears, self.depth = classes, hears, depth

    def latent(self, n, rng):
        return rng.standard_normal((n, 1))

    def generate(self, z, labels):
        grey = self.depth * np.tanh(z[:, 0]) + self.hears * (np.asarray(labels) - 1.5) / 2
        return np.broadcast_to(grey[:, None, None, None], (len(z), *SHAPE))


def test_label_influence_in_closed_form():
    """Var over the labels 0 … 3 of hears·(c - 1.5)/2 is hears²·1.25/4."""
    model = Stamp(4, hears=0.6, depth=0.2)
    spread = np.tanh(np.random.default_rng(0).standard_normal(50)).var()
    wanted = 0.6**2 * 1.25 / 4 / (0.2**2 * spread)
    assert scores.label_influence(model, np.random.default_rng(0), 50) == pytest.approx(wanted)
    assert scores.label_influence(Stamp(4, 0.0, 0.2), np.random.default_rng(0)) == 0
    assert scores.label_influence(Stamp(4, 0.6, 0.0), np.random.default_rng(0)) > 1e20


def test_label_accuracy_counts_what_the_classifier_says(monkeypatch):
    model, asked = Stamp(4, 0.6, 0.0), []

    def says(net, pictures):
        """Right about classes 0 and 1, takes 2 for 3, and is right about 3."""
        greys = pictures[:, 0, 0, 0].astype(int)
        asked.append(len(pictures))
        order = {g: i for i, g in enumerate(sorted(set(greys)))}
        classes = np.array([order[g] for g in greys])
        return np.eye(4)[np.where(classes == 2, 3, classes)]

    monkeypatch.setattr("tinygen.scores.labels.probabilities", says)
    heard = hears_labels(None, model, np.random.default_rng(0), n=200)
    assert asked == [200] and heard.accuracy == 0.75
    np.testing.assert_array_equal(heard.by_class, [1, 1, 0, 1])
