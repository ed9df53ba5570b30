"""Readers of the published formats: idx and CIFAR-10 batches."""

import gzip
import os
import pickle
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinygen.data import DataError
from tinygen.data.cifar import read_batch, read_cifar
from tinygen.data.idx import read_idx, read_pair

SHAPES = hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=5)


@given(array=hnp.arrays(np.uint8, SHAPES), zipped=st.booleans())
def test_idx_gives_back_what_was_written(tmp_path_factory, write, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "file"
    data = write.idx_bytes(array)
    path.write_bytes(gzip.compress(data) if zipped else data)
    found = read_idx(path, axes=array.ndim)
    assert found.dtype == np.uint8 and found.flags.writeable
    np.testing.assert_array_equal(found, array)


def whole_idx(write):
    return write.idx_bytes(np.zeros((5, 4, 3), np.uint8))


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:-7], "wanted 60 bytes of values for .5, 4, 3., found 53"),
        (lambda data: data + b"!", "wanted 60 bytes .*, found 61"),
        (lambda data: data[:9], "wanted an idx header of 16 bytes, found a file of 9"),
        (lambda data: data[:2], "wanted an idx header of 16 bytes, found a file of 2"),
        (lambda data: b"", "found a file of 0 bytes"),
        (lambda data: b"\0\0\x08\x01" + data[4:], "magic number 0x00000803, found 0x00000801"),
        (lambda data: b"\0\0\x0d\x03" + data[4:], "found 0x00000d03"),
        (lambda data: data[:4] + b"\xff" * 12 + data[16:], "wanted 79228162458924105385300197375"),
        (lambda data: gzip.compress(data)[:-9], "wanted a whole gzip file"),
        (lambda data: gzip.compress(data)[:-8] + bytes(8), "wanted a whole gzip file.*CRC"),
        (lambda data: gzip.compress(data)[:10] + b"\xff" * 30, "wanted a whole gzip file"),
    ],
)
def test_broken_idx_is_refused(tmp_path, write, spoil, reason):
    path = tmp_path / "images.gz"
    path.write_bytes(spoil(whole_idx(write)))
    with pytest.raises(DataError, match=f"images.gz: .*{reason}") as caught:
        read_idx(path, axes=3)
    assert "\n" not in str(caught.value)


def test_missing_idx_is_refused(tmp_path):
    with pytest.raises(DataError, match="nothing: cannot be read"):
        read_idx(tmp_path / "nothing", axes=3)


def test_idx_pair_has_one_grey_channel(tmp_path, write):
    pictures = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    (tmp_path / "images").write_bytes(write.idx_bytes(pictures))
    (tmp_path / "labels").write_bytes(write.idx_bytes(np.array([7, 9])))
    images, labels = read_pair(tmp_path / "images", tmp_path / "labels")
    assert images.dtype == np.uint8 and labels.dtype == np.int64
    np.testing.assert_array_equal(images, pictures[..., np.newaxis])
    np.testing.assert_array_equal(labels, [7, 9])


def test_idx_pair_of_different_counts_is_refused(tmp_path, write):
    (tmp_path / "images").write_bytes(whole_idx(write))
    (tmp_path / "labels").write_bytes(write.idx_bytes(np.zeros(4)))
    with pytest.raises(DataError, match=r"images with labels: .*found 4 for 5 images"):
        read_pair(tmp_path / "images", tmp_path / "labels")


def test_cifar_batch_of_python_2_is_read_without_a_warning(write):
    images, labels = write.random_cifar(7)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found_images, found_labels = read_batch(write.cifar_batch(images, labels), "batch")
    assert found_images.dtype == np.uint8 and found_labels.dtype == np.int64
    np.testing.assert_array_equal(found_images, images)
    np.testing.assert_array_equal(found_labels, labels)


def python3_batch(images, labels, protocol=2):
    rows = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)
    return pickle.dumps({"data": rows, "labels": [int(x) for x in labels]}, protocol=protocol)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_cifar_batch_of_python_3_is_read(write, protocol):
    images, labels = write.random_cifar(3)
    found_images, found_labels = read_batch(python3_batch(images, labels, protocol), "batch")
    np.testing.assert_array_equal(found_images, images)
    np.testing.assert_array_equal(found_labels, labels)


def test_cifar_batch_in_fortran_order_is_read(write):
    images, _ = write.random_cifar(3)
    rows = np.asfortranarray(images.transpose(0, 3, 1, 2).reshape(3, -1))
    found, _ = read_batch(pickle.dumps({"data": rows, "labels": [1, 2, 3]}, protocol=2), "batch")
    np.testing.assert_array_equal(found, images)


class Bomb:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_malicious_pickle_runs_nothing(tmp_path, protocol):
    trace = tmp_path / "ran"
    attack = {"data": Bomb(os.mkdir, str(trace)), "labels": []}
    with pytest.raises(DataError, match=r"batch: .*asks for '\w+\.mkdir', which is refused"):
        read_batch(pickle.dumps(attack, protocol=protocol), "batch")
    assert not trace.exists()
    pickle.loads(pickle.dumps(attack, protocol=protocol))
    assert trace.exists(), "the attack itself does not work, so the test shows nothing"


@pytest.mark.parametrize("function", [eval, getattr, np.load, np.frombuffer, np.array])
def test_pickle_may_not_name_other_callables(function):
    with pytest.raises(DataError, match="which is refused"):
        read_batch(pickle.dumps({"data": function, "labels": []}), "batch")


ROWS = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    ("batch", "reason"),
    [
        ([1, 2], "found no such dict"),
        ({"data": ROWS}, "found no such dict"),
        ({"data": [[0] * 3072], "labels": [0]}, '"data" to be an array'),
        ({"data": ROWS.astype(np.float32), "labels": [0, 1]}, '"data" of uint8'),
        ({"data": ROWS.astype(object), "labels": [0, 1]}, '"data" of uint8'),
        ({"data": ROWS[:, :3000], "labels": [0, 1]}, r"shape \(N, 3072\)"),
        ({"data": ROWS[0], "labels": [0, 1]}, r"shape \(N, 3072\)"),
        ({"data": ROWS, "labels": [0]}, "found 1 for 2 images"),
        ({"data": ROWS, "labels": [0, 10]}, "labels from 0 to 9"),
        ({"data": ROWS, "labels": [0, -1]}, "labels from 0 to 9"),
        ({"data": ROWS, "labels": [0, 10**30]}, "labels from 0 to 9"),
        ({"data": ROWS, "labels": [0, "1"]}, "list of integers"),
        ({"data": ROWS, "labels": [0, [1]]}, "list of integers"),
        ({"data": ROWS, "labels": "01"}, "list of integers"),
    ],
)
def test_cifar_batch_of_other_contents_is_refused(batch, reason):
    with pytest.raises(DataError, match=f"batch: .*{reason}"):
        read_batch(pickle.dumps(batch, protocol=2), "batch")


def test_cifar_batch_with_too_few_pixels_is_refused(write):
    data = write.cifar_batch(*write.random_cifar(3))
    three, four = (b"M" + struct.pack("<H", count) + b"M" for count in (3, 4))
    with pytest.raises(DataError, match="wanted 12288 bytes of pixels"):
        read_batch(data.replace(three, four), "batch")


@pytest.mark.parametrize("length", [0, 1, 40, 200, 5000, -1])
def test_cut_cifar_batch_is_refused(write, length):
    data = write.cifar_batch(*write.random_cifar(3))
    with pytest.raises(DataError, match="batch: wanted a CIFAR-10 batch, found a bad pickle"):
        read_batch(data[:length], "batch")


@given(st.data())
def test_damaged_cifar_batch_raises_nothing_but_data_errors(write, data):
    batch = bytearray(write.cifar_batch(*write.random_cifar(1)))
    for place in data.draw(st.lists(st.integers(0, 230), min_size=1, max_size=4)):
        batch[place] = data.draw(st.integers(0, 255))
    try:
        images, labels = read_batch(bytes(batch), "batch")
    except DataError:
        return
    assert images.shape[1:] == (32, 32, 3) and len(images) == len(labels)


def test_cifar_folder_and_archive_hold_the_same(tmp_path, write):
    files, (images, labels) = write.cifar_files()
    write.tar(tmp_path / "cifar.tar.gz", dict(reversed(files.items())))
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    names = list(files)[:5]
    for where in (tmp_path, tmp_path / "cifar.tar.gz"):
        found_images, found_labels = read_cifar(where, names)
        np.testing.assert_array_equal(found_images, images)
        np.testing.assert_array_equal(found_labels, labels)


def test_broken_or_incomplete_archive_is_refused(tmp_path, write):
    files, _ = write.cifar_files()
    archive = tmp_path / "cifar.tar.gz"
    write.tar(archive, {"test_batch": files["test_batch"]})
    with pytest.raises(DataError, match=r"cifar.tar.gz: wanted data_batch_1, found \['test"):
        read_cifar(archive, ["data_batch_1", "test_batch"])
    archive.write_bytes(archive.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"cifar.tar.gz: wanted a whole .tar.gz"):
        read_cifar(archive, ["test_batch"])
    archive.write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"cifar.tar.gz: wanted a whole .tar.gz"):
        read_cifar(archive, ["test_batch"])
