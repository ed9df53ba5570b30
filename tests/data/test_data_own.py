"""People's own data: .npz files and folders of pictures."""

import os
import pickle
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tinygen.data import SPLITS, DataError, load
from tinygen.data.own import permuted_split


def numbered(count, *shape):
    """Images whose every pixel is their own number."""
    numbers = np.arange(count, dtype=np.uint8).reshape(-1, *[1] * len(shape))
    return np.broadcast_to(numbers, (count, *shape)).copy()


def numbers_in(data):
    return data.images[:, 0, 0, 0].tolist()


@given(st.integers(10, 500))
def test_splits_share_nothing_and_miss_nothing(count):
    parts = {split: permuted_split(count, split, "x").tolist() for split in SPLITS}
    together = parts["train"] + parts["validation"] + parts["test"]
    assert sorted(together) == list(range(count))
    assert len(parts["validation"]) == len(parts["test"]) == count // 10
    assert parts["train+validation"] == parts["train"] + parts["validation"]


def test_split_is_the_same_on_every_machine_and_day():
    assert permuted_split(20, "validation", "x").tolist() == [3, 0]
    assert permuted_split(20, "test", "x").tolist() == [15, 12]
    assert permuted_split(1000, "test", "x")[:5].tolist() == [949, 47, 774, 324, 203]


def test_npz_is_split_by_a_fixed_shuffle(tmp_path):
    path = tmp_path / "mine.npz"
    labels = np.arange(50, dtype=np.uint8) % 5
    np.savez(path, images=numbered(50, 4, 5, 3), labels=labels, other=np.zeros(3))
    found = [load(path, split) for split in ("train", "validation", "test")]
    assert [len(data) for data in found] == [40, 5, 5]
    for data in found:
        assert data.name == "mine" and data.classes == ("0", "1", "2", "3", "4")
        assert data.images.shape[1:] == (4, 5, 3) and data.labels.dtype == np.int64
        np.testing.assert_array_equal(data.labels, np.array(numbers_in(data)) % 5)
    assert sorted(chain.from_iterable(map(numbers_in, found))) == list(range(50))
    assert numbers_in(load(path)) == numbers_in(found[0]) != sorted(numbers_in(found[0]))


def test_npz_may_leave_out_labels_and_the_channel_axis(tmp_path):
    np.savez_compressed(tmp_path / "grey.npz", images=numbered(10, 4, 5))
    data = load(str(tmp_path / "grey.npz"))
    assert data.images.shape == (8, 4, 5, 1) and data.classes == ("0",)
    assert data.labels.tolist() == [0] * 8


def test_npz_may_name_its_splits_and_classes(tmp_path):
    path = tmp_path / "named.npz"
    np.savez(
        path,
        train_images=numbered(4, 2, 2),
        train_labels=[0, 1, 0, 1],
        validation_images=numbered(3, 2, 2),
        test_images=numbered(2, 2, 2),
        test_labels=[2, 2],
        classes=["cat", "dog", "eel"],
    )
    assert numbers_in(load(path, "train")) == [0, 1, 2, 3]
    assert load(path, "train+validation").labels.tolist() == [0, 1, 0, 1, 0, 0, 0]
    assert numbers_in(load(path, "train+validation")) == [0, 1, 2, 3, 0, 1, 2]
    assert load(path, "test").labels.tolist() == [2, 2]
    assert load(path, "train").classes == ("cat", "dog", "eel")


def test_unnamed_classes_are_those_of_all_splits(tmp_path):
    path = tmp_path / "named.npz"
    images = numbered(2, 2, 2)
    arrays = {"train_images": images, "train_labels": [0, 1], "test_images": images}
    np.savez(path, **arrays, test_labels=[3, 2])
    assert load(path, "train").classes == load(path, "test").classes == ("0", "1", "2", "3")
    with pytest.raises(DataError, match=r'named.npz: wanted an array "validation_images", found'):
        load(path, "validation")


IMAGES = numbered(20, 2, 2)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"pixels": IMAGES}, r'wanted an array "images", found \[\]'),
        ({"images": IMAGES.astype(float)}, "images: wanted uint8 images, found float64"),
        ({"images": IMAGES[0]}, r"images: wanted images of shape .* found \(2, 2\)"),
        ({"images": IMAGES, "labels": np.zeros(19, int)}, r"wanted 20 labels .* shape \(19,\)"),
        ({"images": IMAGES, "labels": np.zeros((20, 1), int)}, r"found shape \(20, 1\)"),
        ({"images": IMAGES, "labels": np.zeros(20)}, "labels: wanted integers, found float64"),
        ({"images": IMAGES, "labels": np.full(20, -1)}, "labels from 0 .* found -1 to 0"),
        ({"images": IMAGES, "labels": np.full(20, 2**40)}, "labels from 0 .* to 1099511627776"),
        ({"images": IMAGES, "labels": [1] * 20, "classes": ["a"]}, "wanted at least 2 classes"),
        ({"images": IMAGES[:9], "labels": [0] * 9}, "at least 10 images .* found 9"),
        (
            {"train_images": IMAGES, "validation_images": numbered(2, 3, 3)},
            "splits of one image shape, found .*2, 2, 1.*3, 3, 1",
        ),
    ],
)
def test_npz_of_other_contents_is_refused(tmp_path, arrays, reason):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(DataError, match=f"bad.npz: .*{reason}"):
        load(tmp_path / "bad.npz", "validation" if len(arrays) < 3 else "train")
        load(tmp_path / "bad.npz", "train+validation")


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_npz_with_a_pickle_runs_nothing(tmp_path):
    trace = tmp_path / "ran"
    np.savez(tmp_path / "bad.npz", images=np.array([Bomb(str(trace))], dtype=object))
    with pytest.raises(DataError, match=r"bad.npz: wanted an .npz file without pickles"):
        load(tmp_path / "bad.npz")
    (tmp_path / "bad.npz").write_bytes(pickle.dumps(Bomb(str(trace))))
    with pytest.raises(DataError, match=r"bad.npz: wanted an .npz file without pickles"):
        load(tmp_path / "bad.npz")
    assert not trace.exists()


def test_file_that_is_no_npz_is_refused(tmp_path):
    path = tmp_path / "bad.npz"
    np.savez(path, images=IMAGES)
    whole = path.read_bytes()
    np.save(tmp_path / "array.npy", IMAGES)
    array = (tmp_path / "array.npy").read_bytes()
    damaged = whole[:200] + b"!!!" + whole[203:]
    for data in (b"", b"hello", whole[: len(whole) // 2], array, damaged):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"bad.npz: wanted an .npz file without pickles, found"):
            load(path)


def paint(path, color, mode="RGB", size=(6, 4), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path, **options)


def test_folder_of_grey_pictures_is_one_class(tmp_path):
    for number in range(20):
        paint(tmp_path / "pics" / f"{number:02}.png", number, mode="L")
    data = load(tmp_path / "pics", "train+validation")
    assert data.images.shape == (18, 4, 6, 1) and data.images.dtype == np.uint8
    assert data.name == "pics" and data.classes == ("pics",)
    rest = numbers_in(load(tmp_path / "pics", "test"))
    assert sorted(numbers_in(data) + rest) == list(range(20))
    assert rest == permuted_split(20, "test", "x").tolist()


def test_sub_folders_are_classes_in_the_order_of_their_names(tmp_path):
    for number in range(6):
        paint(tmp_path / "b dogs" / f"{number}.JPG", (10 * number, 0, 0), quality=100)
        paint(tmp_path / "a cats" / f"{number}.png", (10 * number, 0, 255))
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "a cats" / "notes.txt").write_text("no picture")
    (tmp_path / "a cats" / "._1.png").write_text("left behind")
    data = load(str(tmp_path))
    assert data.classes == ("a cats", "b dogs") and data.images.shape == (10, 4, 6, 3)
    np.testing.assert_array_equal(data.images[:, 0, 0, 2] < 128, data.labels == 1)
    assert set(data.labels.tolist()) == {0, 1}


def test_palettes_and_transparency_become_rgb(tmp_path):
    paint(tmp_path / "0.png", (10, 20, 30, 99), mode="RGBA")
    Image.new("RGB", (6, 4), (200, 100, 50)).quantize().save(tmp_path / "1.png")
    paint(tmp_path / "2.png", 77, mode="L")
    data = load(tmp_path)
    found = {tuple(image[0, 0].tolist()) for image in data.images}
    assert found == {(10, 20, 30), (200, 100, 50), (77, 77, 77)}


def test_channels_are_the_same_in_every_split(tmp_path):
    for number in range(20):
        paint(tmp_path / f"{number:02}.png", number, mode="L")
    in_test = permuted_split(20, "test", "x")[0]
    paint(tmp_path / f"{in_test:02}.png", (1, 2, 3))
    assert {load(tmp_path, split).images.shape[3] for split in SPLITS} == {3}


def test_picture_of_another_size_is_named_with_both_sizes(tmp_path):
    for number in range(20):
        paint(tmp_path / f"{number:02}.png", number, mode="L")
    in_test = permuted_split(20, "test", "x")[0]
    paint(tmp_path / f"{in_test:02}.png", 0, mode="L", size=(7, 4))
    with pytest.raises(DataError, match=rf"{in_test:02}.png: wanted 6x4 pixels .* found 7x4"):
        load(tmp_path, "train")


def test_unreadable_pictures_are_named(tmp_path):
    paint(tmp_path / "1.png", 3, mode="L", size=(50, 50))
    whole = (tmp_path / "1.png").read_bytes()
    for data in (b"", b"no picture", whole[:20], whole[:60]):
        (tmp_path / "1.png").write_bytes(data)
        with pytest.raises(DataError, match=r"1.png: wanted a PNG or JPEG picture, found: .+"):
            load(tmp_path)


def test_picture_of_16_bits_is_refused(tmp_path):
    Image.fromarray(np.full((4, 6), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep.png: wanted 8 bits a value, found mode I;16"):
        load(tmp_path)


def test_folders_without_order_are_refused(tmp_path):
    with pytest.raises(DataError, match=f"{tmp_path.name}: wanted PNG or JPEG"):
        load(tmp_path)
    paint(tmp_path / "cats" / "1.png", 0, mode="L")
    (tmp_path / "dogs").mkdir()
    with pytest.raises(DataError, match="dogs: wanted PNG or JPEG pictures, found none"):
        load(tmp_path)
    paint(tmp_path / "2.png", 0, mode="L")
    with pytest.raises(DataError, match=r"found both, such as 2.png and cats"):
        load(tmp_path)
