"""What a loaded set is, and the map between its pixels and floats."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..cuda import data as cuda
from ..device import Array, to_device
from ..errors import UsageError

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]


class DataError(UsageError):
    """Data that is missing, broken or asked for by a wrong name; the message is one line."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled images in memory.

    images: uint8 (N, H, W, C), C is 1 (grey) or 3 (RGB).
    labels: int64 (N,), each an index into `classes`.
    classes: the names of the classes.
    name: the name of the set, for people.

    Raises DataError if the arrays do not fit this description or each other.
    """

    images: Images
    labels: Labels
    classes: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        where = f"data set {self.name!r}"
        require_images(self.images, where)
        require_labels(self.labels, len(self.classes), where)
        require_equal_counts(len(self.images), len(self.labels), where)

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, chosen: ArrayLike, low: float, high: float, device: str = "cpu") -> Array:
        """The images of these indices (n,), `scale`d: float32 (n, H, W, C) on the device.

        On "cuda" from a copy of all images there, which is made at the first call.
        Raises IndexError for what is no row of integers, or for an image that is not there.
        """
        chosen = np.asarray(chosen)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            raise IndexError(
                f"batch: wanted integer indices (n,), found {chosen.dtype} {chosen.shape}"
            )
        if chosen.size and not 0 <= chosen.min() <= chosen.max() < len(self):
            raise IndexError(
                f"batch: wanted indices from 0 to {len(self) - 1}, "
                f"found {chosen.min()} to {chosen.max()}"
            )
        if device == "cpu":
            return scale(self.images[chosen], low, high)
        chosen = to_device(chosen.astype(np.int32), device)
        return cuda.batch(self._on_cuda, chosen, _table_on_cuda(low, high))

    def only(self, classes: Sequence[str] | None) -> "Dataset":
        """The images of these classes, labels counted anew; of all, itself, if it is None.

        Raises DataError for a class that is not there, or has no image.
        """
        if classes is None:
            return self
        unknown = [name for name in classes if name not in self.classes]
        if unknown or not classes:
            raise DataError(
                f"wanted classes of {self.name} among {', '.join(self.classes)}, "
                f"found {', '.join(unknown) or 'none'}"
            )
        kept = [i for i, name in enumerate(self.classes) if name in classes]
        chosen = np.isin(self.labels, kept)
        if not chosen.any():
            raise DataError(f"{self.name}: wanted images of {', '.join(classes)}, found none")
        labels = np.searchsorted(kept, self.labels[chosen]).astype(np.int64)
        names = tuple(self.classes[i] for i in kept)
        return Dataset(self.images[chosen], labels, names, f"{self.name}: {', '.join(names)}")

    def resized(self, side: int | None) -> "Dataset":
        """The images as squares of so many pixels, by Pillow's bilinear filter; itself for None.

        Raises DataError for a side below 1.
        """
        from PIL import Image

        if side is None or self.images.shape[1:3] == (side, side):
            return self
        if side < 1:
            raise DataError(f"wanted images of 1 pixel or more, found {side}")
        channels = self.images.shape[3]
        small = np.empty((len(self), side, side, channels), np.uint8)
        for one, image in zip(small, self.images, strict=True):
            picture = Image.fromarray(image[..., 0] if channels == 1 else image)
            filtered = picture.resize((side, side), Image.Resampling.BILINEAR)
            one[...] = np.asarray(filtered).reshape(one.shape)
        return Dataset(small, self.labels, self.classes, f"{self.name} of {side}×{side}")

    @cached_property
    def _on_cuda(self) -> Array:
        return to_device(np.ascontiguousarray(self.images), "cuda")

    def __repr__(self) -> str:
        count, height, width, channels = self.images.shape
        kind = "grey" if channels == 1 else "RGB"
        classes = "1 class" if len(self.classes) == 1 else f"{len(self.classes)} classes"
        return f"Dataset({self.name!r}: {count:,} images {height}x{width} {kind}, {classes})"


def scale(images: NDArray[np.uint8], low: float, high: float) -> NDArray[np.float32]:
    """Map pixels 0..255 linearly to low..high.

    images: uint8, any shape. Returns float32 of the same shape; 0 becomes `low` and 255 `high`.
    Raises DataError if the images are not uint8 or low < high does not hold.
    """
    table = _table(low, high)
    if images.dtype != np.uint8:
        raise DataError(f"scale: wanted uint8 images, found {images.dtype}")
    return np.asarray(table[images])


def _table(low: float, high: float) -> NDArray[np.float32]:
    """The float of each of the 256 pixels."""
    _require_range(low, high)
    return np.linspace(low, high, 256, dtype=np.float32)


@cache
def _table_on_cuda(low: float, high: float) -> Array:
    return to_device(_table(low, high), "cuda")


def binarise(images: Images, rng: np.random.Generator) -> NDArray[np.float32]:
    """Zeros and ones, float32, each 1 with the probability that its pixel's grey states.

    images: uint8 of any shape, 255 is certain. Raises DataError for another dtype.
    """
    if images.dtype != np.uint8:
        raise DataError(f"binarise: wanted uint8 images, found {images.dtype}")
    return (rng.random(images.shape, dtype=np.float32) < images / np.float32(255)).astype(
        np.float32
    )


def unscale(array: ArrayLike, low: float, high: float) -> NDArray[np.uint8]:
    """Map low..high back to pixels 0..255: the inverse of `scale`, rounded and clipped.

    array: floats of any shape. Returns uint8 of the same shape.
    Raises DataError if the array holds NaN or low < high does not hold.
    """
    _require_range(low, high)
    values = np.asarray(array, dtype=np.float64)
    if np.isnan(values).any():
        raise DataError(f"unscale: {np.isnan(values).sum()} of {values.size} values are NaN")
    pixels = np.rint((values - low) * (255.0 / (high - low)))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def require_images(images: Images, where: str) -> None:
    """Raise DataError, naming `where`, unless `images` is uint8 (N, H, W, 1 or 3)."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        raise DataError(f"{where}: wanted uint8 images, found {_kind(images)}")
    if images.ndim != 4 or images.shape[3] not in (1, 3) or 0 in images.shape[1:]:
        raise DataError(f"{where}: wanted images of shape (N, H, W, 1 or 3), found {images.shape}")


def require_labels(labels: Labels, classes: int, where: str) -> None:
    """Raise DataError, naming `where`, unless `labels` is int64 (N,) in 0..classes-1."""
    if not isinstance(labels, np.ndarray) or labels.dtype != np.int64:
        raise DataError(f"{where}: wanted int64 labels, found {_kind(labels)}")
    if labels.ndim != 1:
        raise DataError(f"{where}: wanted labels of shape (N,), found {labels.shape}")
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        found = f"{labels.min()} to {labels.max()}"
        raise DataError(f"{where}: wanted labels from 0 to {classes - 1}, found {found}")


def require_equal_counts(images: int, labels: int, where: str) -> None:
    """Raise DataError, naming `where`, unless there are as many labels as images."""
    if images != labels:
        raise DataError(f"{where}: wanted one label per image, found {labels} for {images} images")


def _kind(value: object) -> str:
    return str(value.dtype) if isinstance(value, np.ndarray) else type(value).__name__


def _require_range(low: float, high: float) -> None:
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise DataError(f"wanted finite low < high, found low={low} and high={high}")
