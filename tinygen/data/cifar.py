"""Reader of CIFAR-10's Python batches that runs nothing a batch might contain.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009. A batch is a
pickle of a dict: "data" uint8 (N, 3072), each row 1024 red, 1024 green and 1024 blue values of a
32 x 32 picture, and "labels", a list of N integers 0..9.

A pickle may name any callable and have it called. Here each of the few names that a batch needs
leads to a stand-in that only keeps values, and every other name is refused; NumPy itself is
never handed to the pickle.
"""

import io
import pickle
import tarfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygen.data.dataset import DataError, Images, Labels, require_equal_counts, require_labels

_SIDE = 32
_ROW = 3 * _SIDE * _SIDE
_CLASSES = 10


def read_cifar(where: Path, names: Sequence[str]) -> tuple[Images, Labels]:
    """Read the named batches, in order, from a folder or from the .tar.gz archive.

    Returns images uint8 (N, 32, 32, 3) and labels int64 (N,).
    Raises DataError if a batch is missing, broken or holds more than plain values.
    """
    batches = _read_archive(where, names) if where.is_file() else _read_folder(where, names)
    parts = [read_batch(data, source) for source, data in batches]
    images = np.concatenate([images for images, _ in parts])
    return images, np.concatenate([labels for _, labels in parts])


def read_batch(data: bytes, source: str) -> tuple[Images, Labels]:
    """Read one batch from its bytes; `source` names it in errors.

    Returns images uint8 (N, 32, 32, 3) and labels int64 (N,).
    Raises DataError if it is broken or holds more than plain values.
    """
    batch = _unpickle(data, source)
    if not isinstance(batch, dict) or not {"data", "labels"} <= batch.keys():
        raise DataError(f'{source}: wanted a dict with "data" and "labels", found no such dict')
    rows = _rows(batch["data"], source)
    labels = _labels(batch["labels"], source)
    require_equal_counts(len(rows), len(labels), source)
    planes = rows.reshape(-1, 3, _SIDE, _SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels


def _read_folder(folder: Path, names: Sequence[str]) -> list[tuple[str, bytes]]:
    try:
        return [(str(folder / name), (folder / name).read_bytes()) for name in names]
    except OSError as error:
        raise DataError(f"{folder}: a batch cannot be read: {error}") from error


def _read_archive(archive: Path, names: Sequence[str]) -> list[tuple[str, bytes]]:
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                name = member.name.rpartition("/")[2]
                content = tar.extractfile(member) if member.isfile() and name in names else None
                if content is not None:
                    members[name] = content.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise DataError(
            f"{archive}: wanted a whole .tar.gz, found a broken one: {error}"
        ) from error
    missing = [name for name in names if name not in members]
    if missing:
        raise DataError(f"{archive}: wanted {', '.join(missing)}, found {sorted(members)}")
    return [(f"{archive}: {name}", members[name]) for name in names]


class _Array:
    """Stand-in for a NumPy array: keeps what the pickle says about it."""

    def __init__(self) -> None:
        self.state: object = None

    def __setstate__(self, state: object) -> None:
        self.state = state


class _Dtype:
    """Stand-in for a NumPy dtype: keeps its code, such as "u1"."""

    def __init__(self, code: object, *_: object) -> None:
        self.code = code

    def __setstate__(self, state: object) -> None:
        pass  # byte order and the like: nothing that one-byte values have


def _new_array(*_: object) -> _Array:
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"wanted bytes as latin1, found {encoding!r}")
    return text.encode("latin1")


_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _new_array,
    ("numpy._core.multiarray", "_reconstruct"): _new_array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,  # how Python 3 writes bytes into the old protocol
}


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        stand_in = _STAND_INS.get((module, name))
        if stand_in is None:
            asked = f"{module}.{name}"
            raise pickle.UnpicklingError(f"it asks for {asked!r}, which is refused")
        return stand_in


def _unpickle(data: bytes, source: str) -> object:
    try:
        return _PlainUnpickler(io.BytesIO(data), encoding="latin1").load()
    except Exception as error:  # a broken pickle can raise nearly anything
        reason = str(error) or type(error).__name__
        raise DataError(
            f"{source}: wanted a CIFAR-10 batch, found a bad pickle: {reason}"
        ) from error


def _rows(array: object, source: str) -> Images:
    """Build uint8 (N, 3072) from the state (version, shape, dtype, is_fortran, values)."""
    state = array.state if isinstance(array, _Array) else None
    if not isinstance(state, tuple) or len(state) != 5:
        raise DataError(f'{source}: wanted "data" to be an array, found something else')
    _, shape, dtype, is_fortran, values = state
    if not isinstance(dtype, _Dtype) or dtype.code != "u1":
        raise DataError(f'{source}: wanted "data" of uint8, found another type')
    if not _is_shape_of_rows(shape):
        raise DataError(f'{source}: wanted "data" of shape (N, {_ROW}), found another shape')
    if isinstance(values, str):
        # What is no byte is left out, so that the count below does not fit.
        values = values.encode("latin1", errors="ignore")
    if not isinstance(values, bytes) or len(values) != shape[0] * _ROW:
        raise DataError(f"{source}: wanted {shape[0] * _ROW} bytes of pixels, found another count")
    rows: Images = np.frombuffer(values, np.uint8).reshape(shape, order="F" if is_fortran else "C")
    return rows


def _is_shape_of_rows(shape: object) -> bool:
    if not isinstance(shape, tuple) or len(shape) != 2:
        return False
    return type(shape[0]) is int and shape[0] >= 0 and shape[1] == _ROW


def _labels(labels: object, source: str) -> Labels:
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise DataError(f'{source}: wanted "labels" to be a list of integers, found something else')
    # Clipped first, so that an integer beyond int64 is out of range rather than an overflow.
    clipped = [min(max(label, -1), _CLASSES) for label in labels]
    array = np.array(clipped, dtype=np.int64)
    require_labels(array, _CLASSES, source)
    return array
