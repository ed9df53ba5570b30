"""Writers of tiny data files, and a world without network, caches or the user's data."""

import gzip
import io
import os
import struct
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tinygen.data import loading
from tinygen.data.known import KNOWN

REAL_DATA = os.environ.get("TINYGEN_DATA")
CLOSED_PORT = "http://127.0.0.1:9/"
IDX_NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def idx_bytes(array):
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx_set(folder, train=60, test=10, seed=0, zipped=True):
    """Write the four files of an MNIST-like set; return the arrays of each part."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    arrays = {}
    for part, count in (("train", train), ("test", test)):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = rng.integers(0, 10, count)
        arrays[part] = (images[..., np.newaxis], labels)
        for name, array in zip(IDX_NAMES[part], (images, labels), strict=True):
            data = idx_bytes(array)
            path = folder / (f"{name}.gz" if zipped else name)
            path.write_bytes(gzip.compress(data) if zipped else data)
    return arrays


def cifar_batch(images, labels):
    """Write a batch opcode by opcode as Python 2 did, laid out like the published files."""
    pixels = images.transpose(0, 3, 1, 2).tobytes()
    return b"".join(
        (
            b"\x80\x02}q\x01(U\x0bbatch_labelq\x02U\x15training batch 1 of 5q\x03",
            b"U\x06labelsq\x04]q\x05(" + b"".join(b"K%c" % label for label in labels) + b"e",
            b"U\x04dataq\x06cnumpy.core.multiarray\n_reconstruct\nq\x07cnumpy\nndarray\nq\x08",
            b"K\x00\x85U\x01b\x87R(K\x01M" + struct.pack("<H", len(images)) + b"M\x00\x0c\x86",
            b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R",
            b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89T" + struct.pack("<I", len(pixels)) + pixels + b"tbu.",
        )
    )


def random_cifar(count, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8), rng.integers(0, 10, count)


def cifar_files(per_batch=4):
    """Return {name: bytes} of a tiny CIFAR-10, and its training images and labels in order."""
    batches = [random_cifar(per_batch, seed) for seed in range(6)]
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    files = {name: cifar_batch(*batch) for name, batch in zip(names, batches, strict=True)}
    train = tuple(np.concatenate(arrays) for arrays in zip(*batches[:5], strict=True))
    return files, train


def write_tar(path, files):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


@pytest.fixture(scope="session")
def write():
    return SimpleNamespace(
        idx_bytes=idx_bytes,
        idx_set=write_idx_set,
        cifar_batch=cifar_batch,
        random_cifar=random_cifar,
        cifar_files=cifar_files,
        tar=write_tar,
    )


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """Point every cache at an empty folder and every mirror at a port where nobody listens."""
    monkeypatch.delenv("TINYGEN_DATA", raising=False)
    for variable in ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "home"))
    monkeypatch.setattr(loading, "_failed_downloads", {})
    for name, known in KNOWN.items():
        monkeypatch.setitem(KNOWN, name, replace(known, mirrors=(CLOSED_PORT,)))


@pytest.fixture
def real_data():
    """The folder with the published files, if $TINYGEN_DATA names one."""
    if not REAL_DATA:
        pytest.skip("needs the published data sets: set TINYGEN_DATA to the folder that holds them")
    return Path(REAL_DATA)
