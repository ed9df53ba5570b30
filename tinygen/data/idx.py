"""Reader of idx files, the format of MNIST and Fashion-MNIST.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits": a big-endian
header (two zero bytes, a type code, the number of axes, then one uint32 per axis) and the values
in C order.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from tinygen.data.dataset import DataError, Images, Labels, require_equal_counts

_UINT8 = 0x08
_GZIP_START = b"\x1f\x8b"


def read_pair(images_path: Path, labels_path: Path) -> tuple[Images, Labels]:
    """Read images uint8 (N, H, W, 1) and labels int64 (N,) from two idx files.

    Raises DataError if a file is broken or the two hold different counts.
    """
    images = read_idx(images_path, axes=3)
    labels = read_idx(labels_path, axes=1)
    require_equal_counts(len(images), len(labels), f"{images_path} with {labels_path.name}")
    return images[..., np.newaxis], labels.astype(np.int64)


def read_idx(path: Path, axes: int) -> Images:
    """Read one idx file of uint8 values with the given number of axes, gzipped or not.

    Raises DataError if the file cannot be read, is cut short or is of another kind.
    """
    data = read_plain(path)
    shape = _read_shape(data, axes, path)
    values = len(data) - (4 + 4 * axes)
    # In Python's own integers: a broken header must not overflow into a size that looks right.
    wanted = math.prod(shape)
    if values != wanted:
        raise DataError(f"{path}: wanted {wanted} bytes of values for {shape}, found {values}")
    # A copy, because an array over bytes is read-only.
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()


def _read_shape(data: bytes, axes: int, path: Path) -> tuple[int, ...]:
    header = 4 + 4 * axes
    if len(data) < header:
        found = f"a file of {len(data)} bytes"
        raise DataError(f"{path}: wanted an idx header of {header} bytes, found {found}")
    magic, *shape = struct.unpack_from(f">{1 + axes}I", data)
    wanted = (_UINT8 << 8) | axes
    if magic != wanted:
        found = f"0x{magic:08x}"
        raise DataError(f"{path}: wanted the idx magic number 0x{wanted:08x}, found {found}")
    return tuple(shape)


def read_plain(path: Path) -> bytes:
    """Read a file, unpacked if it is gzip (by its first bytes: some browsers unpack silently).

    Raises DataError if it cannot be read or its gzip is broken.
    """
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if data.startswith(_GZIP_START) else data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path}: wanted a whole gzip file, found a broken one: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
