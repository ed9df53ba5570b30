"""Dataset, scale and unscale."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygen.data import DataError, Dataset, binarise, scale, unscale


def images(*shape, dtype=np.uint8):
    return np.zeros(shape, dtype)


def test_dataset_shows_what_it_holds():
    data = Dataset(images(1234, 8, 9, 3), np.zeros(1234, np.int64), ("cat", "dog"), "pets")
    assert len(data) == 1234
    assert repr(data) == "Dataset('pets': 1,234 images 8x9 RGB, 2 classes)"


def test_some_classes_alone_are_counted_anew():
    pixels = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
    pets = Dataset(pixels, np.array([0, 1, 2, 3, 2, 0]), ("cat", "dog", "eel", "fox"), "pets")
    some = pets.only(["eel", "cat"])
    assert some.classes == ("cat", "eel") and some.name == "pets: cat, eel"
    assert some.images.ravel().tolist() == [0, 2, 4, 5] and some.labels.tolist() == [0, 1, 1, 0]
    assert some.labels.dtype == np.int64 and pets.only(None) is pets
    with pytest.raises(DataError, match="classes of pets among cat, dog, eel, fox, found yak"):
        pets.only(["cat", "yak"])
    bare = Dataset(pixels[:1], np.zeros(1, np.int64), ("cat", "dog"), "pets")
    with pytest.raises(DataError, match="pets: wanted images of dog, found none"):
        bare.only(["dog"])


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_resized(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 6, channels), np.uint8)
    pets = Dataset(pixels, np.array([0, 1, 0]), ("cat", "dog"), "pets")
    large = pets.resized(12)
    assert large.images.shape == (3, 12, 12, channels) and large.name == "pets of 12×12"
    assert large.labels.tolist() == [0, 1, 0] and large.classes == pets.classes
    assert abs(large.images.astype(float).mean() - pixels.mean()) < 3
    flat = Dataset(np.full((1, 8, 8, channels), 77, np.uint8), np.zeros(1, np.int64), ("a",), "x")
    assert (flat.resized(4).images == 77).all()
    assert pets.resized(None) is pets and flat.resized(8) is flat
    with pytest.raises(DataError, match="1 pixel or more, found 0"):
        pets.resized(0)


def test_dataset_is_frozen_and_equal_only_to_itself():
    data, other = (Dataset(images(1, 8, 8, 1), np.zeros(1, np.int64), ("a",), "x") for _ in "12")
    assert data == data and data != other and len({data, other}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "y"


@pytest.mark.parametrize(
    ("bad_images", "labels", "reason"),
    [
        (images(2, 8, 8, 1, dtype=np.float32), [0, 1], "wanted uint8 images, found float32"),
        (images(2, 8, 8), [0, 1], r"shape \(N, H, W, 1 or 3\), found \(2, 8, 8\)"),
        (images(2, 8, 8, 2), [0, 1], r"found \(2, 8, 8, 2\)"),
        (images(2, 0, 8, 1), [0, 1], r"found \(2, 0, 8, 1\)"),
        (images(2, 8, 8, 1), [0], "found 1 for 2 images"),
        (images(2, 8, 8, 1), [[0], [1]], r"labels of shape \(N,\), found \(2, 1\)"),
        (images(2, 8, 8, 1), [0, 2], "labels from 0 to 1, found 0 to 2"),
        (images(2, 8, 8, 1), [-1, 0], "labels from 0 to 1, found -1 to 0"),
        ([[0]], [0], "wanted uint8 images, found list"),
    ],
)
def test_dataset_refuses_what_does_not_fit(bad_images, labels, reason):
    with pytest.raises(DataError, match=f"'pets'.*{reason}"):
        Dataset(bad_images, np.array(labels, np.int64), ("cat", "dog"), "pets")


def test_dataset_refuses_labels_of_another_type():
    with pytest.raises(DataError, match="wanted int64 labels, found int32"):
        Dataset(images(2, 8, 8, 1), np.zeros(2, np.int32), ("cat",), "pets")


ranges = st.tuples(st.floats(-50, 50), st.floats(0.01, 100)).map(lambda lw: (lw[0], sum(lw)))


@given(hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4, max_side=6)), ranges)
def test_unscale_undoes_scale_exactly(pixels, low_high):
    scaled = scale(pixels, *low_high)
    assert scaled.dtype == np.float32
    restored = unscale(scaled, *low_high)
    assert restored.dtype == np.uint8
    np.testing.assert_array_equal(restored, pixels)


@given(ranges)
def test_scale_is_linear_between_its_ends(low_high):
    low, high = low_high
    pixels = np.arange(256, dtype=np.uint8)
    expected = low + (high - low) * np.arange(256) / 255
    np.testing.assert_allclose(scale(pixels, low, high), expected, rtol=1e-6, atol=1e-5)
    assert scale(pixels, low, high)[0] == np.float32(low)
    assert scale(pixels, low, high)[-1] == np.float32(high)


def test_unscale_rounds_and_clips():
    values = np.array([-np.inf, -3.0, -1.0, 0.0, 0.0079, 1.0, 1.5, np.inf])
    np.testing.assert_array_equal(
        unscale(values, -1.0, 1.0), np.array([0, 0, 0, 128, 129, 255, 255, 255], np.uint8)
    )


def test_unscale_refuses_nan():
    with pytest.raises(DataError, match="1 of 3 values are NaN"):
        unscale([0.0, np.nan, 1.0], 0.0, 1.0)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (1.0, 0.0), (0.0, np.inf), (np.nan, 1.0)])
def test_scale_and_unscale_refuse_an_empty_range(low, high):
    with pytest.raises(DataError, match="low < high"):
        scale(images(1), low, high)
    with pytest.raises(DataError, match="low < high"):
        unscale([0.5], low, high)


def test_scale_refuses_floats():
    with pytest.raises(DataError, match="wanted uint8 images, found float64"):
        scale(np.zeros(3), 0.0, 1.0)


def test_binarise_draws_each_pixel_by_its_grey():
    pixels = np.array([0, 51, 255], np.uint8).repeat(20_000)
    drawn = binarise(pixels, np.random.default_rng(0)).reshape(3, -1)
    assert drawn.dtype == np.float32 and set(np.unique(drawn)) == {0.0, 1.0}
    np.testing.assert_allclose(drawn.mean(1), [0.0, 0.2, 1.0], atol=0.01)
    assert drawn[0].max() == 0 and drawn[2].min() == 1
    with pytest.raises(DataError, match="wanted uint8 images, found float64"):
        binarise(np.zeros(3), np.random.default_rng(0))


def test_importing_the_package_imports_no_heavy_helper():
    # `tinygen` itself first: only what tinygen.data adds is the matter here.
    code = (
        "import sys, tinygen; before = set(sys.modules); import tinygen.data; "
        "new = set(sys.modules) - before; heavy = {'PIL', 'tqdm', 'urllib.request'}; "
        "print(sorted(new & heavy))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"
