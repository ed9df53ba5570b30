"""Readers of people's own data: .npz files and folders of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tinygen.data.dataset import DataError, Dataset, Images, Labels, require_images

if TYPE_CHECKING:
    import PIL.Image

SPLIT_SEED = 0
MOST_CLASSES = 100_000
_SUFFIXES = (".png", ".jpg", ".jpeg")
_GREY_MODES = ("1", "L", "LA")
_DEEP_MODES = ("I", "F")  # and "I;16", "I;16B", ...: more than 8 bits a value
_SHOW_PROGRESS_FROM = 2000
_PREFIXES = ("", "train_", "validation_", "test_")
_NPZ_KEYS = {"classes"} | {prefix + kind for prefix in _PREFIXES for kind in ("images", "labels")}


def load_npz(path: Path, split: str) -> Dataset:
    """Load a split of an .npz file.

    Keys: "images" uint8 (N, H, W) or (N, H, W, 1 or 3) and, if there are classes, "labels", any
    integers (N,), and "classes", their names. With "train_images", "train_labels" and so on the
    file says itself what the splits are; else `permuted_split` does. Never reads pickles.
    Raises DataError if the file is broken or holds something else.
    """
    arrays = _read_arrays(path)
    classes = _npz_classes(arrays, path)
    if any(key.endswith("_images") for key in arrays):
        pairs = [_npz_pair(arrays, f"{part}_", path) for part in split.split("+")]
        _require_one_shape([images for images, _ in pairs], path)
        images = np.concatenate([images for images, _ in pairs])
        labels = np.concatenate([labels for _, labels in pairs])
    else:
        images, labels = _npz_pair(arrays, "", path)
        chosen = permuted_split(len(images), split, str(path))
        images, labels = images[chosen], labels[chosen]
    return Dataset(images, labels, classes, path.stem)


def load_folder(folder: Path, split: str) -> Dataset:
    """Load a split, by `permuted_split`, of a folder of PNG and JPEG pictures of one size.

    Sub-folders, sorted by name, are the classes; without any there is one class, the folder.
    Raises DataError if there are no pictures, one cannot be read or one has another size.
    """
    classes, paths, labels = _list_pictures(folder)
    chosen = permuted_split(len(paths), split, str(folder))
    images = _read_pictures(paths, chosen)
    return Dataset(images, labels[chosen], classes, folder.resolve().name)


def permuted_split(count: int, split: str, where: str) -> NDArray[np.int64]:
    """Return the indices int64 of a split: 80 % train, 10 % validation, 10 % test.

    The order is a fixed shuffle, so neighbours in a split are not neighbours in the data.
    Raises DataError, naming `where`, if the split comes out empty.
    """
    # RandomState and not Generator: only its stream is promised never to change.
    order = np.random.RandomState(SPLIT_SEED).permutation(count).astype(np.int64)
    tenth = count // 10
    train, validation = count - 2 * tenth, count - tenth
    bounds = {
        "train": (0, train),
        "validation": (train, validation),
        "test": (validation, count),
        "train+validation": (0, validation),
    }
    start, stop = bounds[split]
    if start == stop:
        raise DataError(f"{where}: wanted at least 10 images for a {split} split, found {count}")
    return order[start:stop]


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    wanted = "wanted an .npz file without pickles"
    try:
        # Opened here, because NumPy leaves a broken file open, which Windows then locks.
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise DataError(f"{path}: {wanted}, found a single array")
            return {key: file[key] for key in file.files if key in _NPZ_KEYS}
    except DataError:
        raise
    except Exception as error:  # a broken archive makes zipfile raise nearly anything
        raise DataError(f"{path}: {wanted}, found: {' '.join(str(error).split())}") from error


def _npz_pair(arrays: dict[str, NDArray[Any]], prefix: str, path: Path) -> tuple[Images, Labels]:
    key = f"{prefix}images"
    if key not in arrays:
        raise DataError(f'{path}: wanted an array "{key}", found {sorted(arrays)}')
    images = arrays[key]
    images = images[..., np.newaxis] if images.ndim == 3 else images
    require_images(images, f"{path}: {key}")
    labels = arrays.get(f"{prefix}labels", np.zeros(len(images), np.int64))
    if labels.shape != (len(images),):
        found = f"shape {labels.shape}"
        raise DataError(f"{path}: wanted {len(images)} labels like {key}, found {found}")
    return images, labels.astype(np.int64)


def _npz_classes(arrays: dict[str, NDArray[Any]], path: Path) -> tuple[str, ...]:
    """Take the named classes, or name them 0, 1, ... up to the largest label of all splits."""
    keys = [key for key in arrays if key.endswith("labels")]
    count = 1 + max((_highest_label(arrays[key], f"{path}: {key}") for key in keys), default=0)
    names = arrays.get("classes")
    if names is None:
        return tuple(str(number) for number in range(count))
    if names.ndim != 1 or len(names) < count:
        raise DataError(f"{path}: wanted at least {count} classes, found shape {names.shape}")
    return tuple(str(name) for name in names)


def _highest_label(labels: NDArray[Any], where: str) -> int:
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{where}: wanted integers, found {labels.dtype}")
    lowest, highest = int(labels.min(initial=0)), int(labels.max(initial=0))
    if lowest < 0 or highest >= MOST_CLASSES:
        found = f"{lowest} to {highest}"
        raise DataError(f"{where}: wanted labels from 0 to {MOST_CLASSES - 1}, found {found}")
    return highest


def _require_one_shape(images: Sequence[Images], path: Path) -> None:
    shapes = sorted({part.shape[1:] for part in images})
    if len(shapes) > 1:
        raise DataError(f"{path}: wanted splits of one image shape, found {shapes}")


def _list_pictures(folder: Path) -> tuple[tuple[str, ...], list[Path], Labels]:
    direct = _pictures_in(folder)
    subfolders = sorted((path for path in _visible(folder) if path.is_dir()), key=lambda p: p.name)
    if direct and subfolders:
        found = f"both, such as {direct[0].name} and {subfolders[0].name}"
        raise DataError(f"{folder}: wanted pictures or one sub-folder per class, found {found}")
    groups = [_pictures_in(subfolder) for subfolder in subfolders] if subfolders else [direct]
    for place, group in zip(subfolders or [folder], groups, strict=True):
        if not group:
            raise DataError(f"{place}: wanted PNG or JPEG pictures, found none")
    classes = tuple(path.name for path in subfolders) or (folder.resolve().name,)
    labels = np.repeat(np.arange(len(groups), dtype=np.int64), [len(group) for group in groups])
    return classes, [path for group in groups for path in group], labels


def _pictures_in(folder: Path) -> list[Path]:
    pictures = [path for path in _visible(folder) if path.suffix.lower() in _SUFFIXES]
    return sorted((path for path in pictures if path.is_file()), key=lambda path: path.name)


def _visible(folder: Path) -> list[Path]:
    """List a folder without hidden entries, which file managers and notebooks leave behind."""
    try:
        return [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error}") from error


def _read_pictures(paths: Sequence[Path], chosen: NDArray[np.int64]) -> Images:
    """Read the chosen pictures as uint8 (N, H, W, C), after a look at the size of them all.

    All of them, so that a folder is right or wrong, grey or RGB, whichever split is asked for.
    """
    from tqdm.auto import tqdm

    quiet = len(paths) < _SHOW_PROGRESS_FROM
    headers = [_read_header(path) for path in tqdm(paths, disable=quiet, leave=False)]
    size = _require_one_size(paths, [size for size, _ in headers])
    mode = "L" if all(is_grey for _, is_grey in headers) else "RGB"
    images = np.empty((len(chosen), size[1], size[0], len(mode)), np.uint8)
    for row, index in enumerate(tqdm(chosen, disable=quiet, leave=False)):
        images[row] = _read_pixels(paths[index], mode)
    return images


def _require_one_size(paths: Sequence[Path], sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    usual = Counter(sizes).most_common(1)[0][0]
    for path, size in zip(paths, sizes, strict=True):
        if size != usual:
            wanted, found = (f"{width}x{height}" for width, height in (usual, size))
            raise DataError(f"{path}: wanted {wanted} pixels like the others, found {found}")
    return usual


def _read_header(path: Path) -> tuple[tuple[int, int], bool]:
    """Return (width, height) and whether the picture is grey, without unpacking its pixels."""
    with _open_picture(path) as picture:
        if picture.mode.split(";")[0] in _DEEP_MODES:
            raise DataError(f"{path}: wanted 8 bits a value, found mode {picture.mode}")
        return picture.size, picture.mode in _GREY_MODES


def _read_pixels(path: Path, mode: str) -> Images:
    """Return uint8 (H, W, 1) for mode "L" and (H, W, 3) for "RGB"; transparency is lost."""
    with _open_picture(path) as picture:
        pixels = np.array(picture.convert(mode))
    return pixels.reshape(*pixels.shape[:2], len(mode))


@contextmanager
def _open_picture(path: Path) -> Iterator[PIL.Image.Image]:
    from PIL import Image

    try:
        with Image.open(path) as picture:
            yield picture
    except DataError:
        raise
    except Exception as error:  # a broken picture makes Pillow raise nearly anything
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: wanted a PNG or JPEG picture, found: {reason}") from error
