"""The reference classifiers: what is stored is what was trained, and it knows the digits."""

import os

import numpy as np
import pytest

import tinygen as tg
from tinygen import data
from tinygen.errors import UsageError
from tinygen.scores import accuracy, features, make_reference, reference, run_classifier
from tinygen.train import Run
from tinygen.weights import load, load_metadata

PICTURES = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 1)).astype(np.uint8)


def test_a_folded_net_is_the_same_function():
    rng = np.random.default_rng(0)
    net = reference.layers(rng, folded=False)
    x = tg.tensor(rng.uniform(-1, 1, (20, 28, 28, 1)))
    for _ in range(3):  # running statistics and norms that are no longer 0 and 1
        net(x, train=True)
    for p in net.parameters():
        p.data += 0.1 * rng.standard_normal(p.shape)
    ours, want = make_reference.fold(net)(x).numpy(), net(x, train=False).numpy()
    np.testing.assert_allclose(ours, want, rtol=1e-4, atol=1e-4 * np.abs(want).max())


@pytest.mark.parametrize("mirror", [False, True])
def test_pictures_are_varied_by_shifts_and_mirrors_alone(mirror):
    rng, seen = np.random.default_rng(0), set()
    for _ in range(30):
        for new, old in zip(
            make_reference.varied(PICTURES, rng, mirror=mirror), PICTURES, strict=True
        ):
            padded = np.pad(old, ((2, 2), (2, 2), (0, 0)))
            found = [
                (top, left, step)
                for top in range(5)
                for left in range(5)
                for step in (1, -1)
                if np.array_equal(new, padded[top : top + 28, left : left + 28][:, ::step])
            ]
            assert len(found) == 1
            seen.add(found[0])
    assert len(seen) > 20 * (1 + mirror)
    assert {step for *_, step in seen} == ({1, -1} if mirror else {1})


@pytest.mark.parametrize("name", reference.NAMES)
def test_the_stored_weights_are_small_and_say_how_they_were_made(name):
    path = reference.WEIGHTS / f"{name}.safetensors"
    assert path.stat().st_size < 1_000_000
    assert all(array.dtype == np.float16 for array in load(path).values())
    assert load_metadata(path)["made by"] == f"python -m tinygen.scores.make_reference {name}"
    assert load_metadata(path)["test"].endswith("%")


def test_features_are_what_the_last_layer_sees():
    found = features("mnist", PICTURES)
    assert found.shape == (6, reference.FEATURES) and found.min() >= 0 and found.max() > 0
    net = reference.reference("mnist")
    last, x = net.layers[-1], tg.tensor(data.scale(PICTURES, -1, 1))
    np.testing.assert_allclose(last(tg.tensor(found)).numpy(), net(x).numpy(), rtol=1e-4, atol=1e-4)


def test_the_net_trains():
    drawn = data.load("strokes", "test")
    some = data.Dataset(drawn.images[:1500], drawn.labels[:1500], drawn.classes, "strokes")
    net = make_reference.train_reference(some, epochs=3, batch=50)
    assert accuracy(net, some) > 0.9


def test_another_data_set_has_none():
    with pytest.raises(UsageError, match="among mnist, fashion, got 'cifar10'"):
        reference.reference("cifar10")
    with pytest.raises(UsageError, match="among mnist or fashion, got cifar10"):
        make_reference.main(["cifar10"])


def test_a_run_of_mnist_is_judged_by_it(tmp_path):
    digits = data.Dataset(PICTURES, np.arange(6), tuple("0123456789"), "mnist")
    net = run_classifier(Run.create(tmp_path, {}), digits)
    assert net is reference.reference("mnist")
    assert not (tmp_path / "classifier.safetensors").exists()


def test_a_file_that_is_only_called_mnist_has_none():
    for shape, classes in (((20, 20, 1), "0123456789"), ((28, 28, 1), "abcdefghij")):
        images = np.zeros((6, *shape), np.uint8)
        mine = data.Dataset(images, np.arange(6), tuple(classes), "mnist")
        assert not reference.has_reference(mine)


@pytest.mark.parametrize(("name", "least"), [("mnist", 0.993), ("fashion", 0.91)])
def test_it_knows_the_test_split(name, least):
    if "TINYGEN_DATA" not in os.environ:
        pytest.skip("TINYGEN_DATA is not set to a folder that holds the real sets")
    test = data.load(name, "test")
    share = accuracy(reference.reference(name), test)
    stated = load_metadata(reference.WEIGHTS / f"{name}.safetensors")["test"]
    assert share > least and stated == f"{share:.2%}"
