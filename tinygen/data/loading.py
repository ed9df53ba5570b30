"""`load`: from a name and a split to a `Dataset`."""

import os
import sys
from pathlib import Path

import numpy as np

from tinygen.data.dataset import DataError, Dataset
from tinygen.data.fetch import existing_path, locate, search_places
from tinygen.data.known import (
    KNOWN,
    PARTS,
    KnownSet,
    find_part,
    holds_any_file,
    read_part,
)
from tinygen.data.own import load_folder, load_npz

NAMES = (*KNOWN, "strokes", "auto")
SPLITS = ("train", "validation", "test", "train+validation")
_STROKES = {"train": (50_000, 0), "validation": (2_000, 1), "test": (2_000, 2)}

# Why a download of MNIST failed in this process, by places: "auto" does not try again, so that
# it is quick and one run does not train on strokes and test on MNIST.
_failed_downloads: dict[tuple[Path, ...], str] = {}


def load(
    name: str | os.PathLike[str],
    split: str = "train",
    *,
    root: str | os.PathLike[str] | None = None,
    download: bool = True,
) -> Dataset:
    """Load a split of an image set.

    name: "mnist", "fashion", "cifar10", "strokes" (built in, drawn), "auto" (MNIST if it can be
        had, else strokes, saying so on stderr), or the path of an .npz file, of a folder of
        pictures, or of a folder with the files of MNIST, Fashion-MNIST or CIFAR-10. A name goes
        before a path: write "./mnist" or a Path for a folder called mnist.
    split: "train", "validation", "test" or "train+validation". Validation is the last 10,000
        training images of MNIST, Fashion-MNIST and CIFAR-10 (of a file with another count the
        last sixth or fifth). Own data without named splits: a fixed shuffle, 80/10/10 %.
    root: the only folder to look in for a known set; without it $TINYGEN_DATA and then the cache.
    download: whether to download a known set into the cache if it is not found. With `root`
        nothing is downloaded.

    Returns a Dataset: images uint8 (N, H, W, C), labels int64 (N,).
    Raises DataError, a ValueError, for unknown names and missing or broken data.
    """
    if split not in SPLITS:
        raise DataError(f"unknown split {split!r}: wanted one of {', '.join(SPLITS)}")
    if isinstance(name, os.PathLike) or name not in NAMES:
        return _load_path(name, split, root)
    if name == "strokes":
        return _load_strokes(split)
    places = search_places(root)
    download = download and root is None
    if name == "auto":
        return _load_auto(split, places, download)
    return _load_known(KNOWN[name], split, places, download)


def _load_known(known: KnownSet, split: str, places: tuple[Path, ...], download: bool) -> Dataset:
    part = "test" if split == "test" else "train"
    where = locate(known, part, places, download)
    images, labels = read_part(known, part, where)
    train = len(images) - len(images) // known.validation_share
    chosen = {"train": slice(train), "validation": slice(train, None)}.get(split, slice(None))
    if len(images[chosen]) == 0:
        found = f"{len(images)} images in its file"
        raise DataError(f"{where}: wanted images for the {split} split, found {found}")
    return Dataset(images[chosen], labels[chosen], known.classes, known.name)


def _load_auto(split: str, places: tuple[Path, ...], download: bool) -> Dataset:
    if _why_no_mnist(places, download) is None:
        return _load_known(KNOWN["mnist"], split, places, download=False)
    files = ", ".join(name for part in PARTS for name in KNOWN["mnist"].members[part])
    why = "is not here and could not be downloaded" if download else "is not here"
    print(
        f"tinygen: MNIST {why}: using the built-in strokes digits. "
        f"For MNIST put {files} into {places[-1] / 'mnist'}",
        file=sys.stderr,
    )
    return _load_strokes(split)


def _why_no_mnist(places: tuple[Path, ...], download: bool) -> str | None:
    """Find or download all of MNIST, whatever the split; return why that failed, or None."""
    failed_before = _failed_downloads.get(places)
    try:
        for part in PARTS:
            locate(KNOWN["mnist"], part, places, download and failed_before is None)
    except DataError as error:
        if download:
            _failed_downloads.setdefault(places, str(error))
        return failed_before or str(error)
    return None


def _load_strokes(split: str) -> Dataset:
    from tinygen.data import strokes

    plans = [_STROKES[part] for part in split.split("+")]
    drawn = [strokes.draw(count, seed=seed) for count, seed in plans]
    images = np.concatenate([images for images, _ in drawn])
    labels = np.concatenate([labels for _, labels in drawn])
    return Dataset(images, labels, strokes.CLASSES, "strokes")


def _load_path(
    name: str | os.PathLike[str], split: str, root: str | os.PathLike[str] | None
) -> Dataset:
    path = existing_path(name)
    if path is None:
        wanted = f"{', '.join(NAMES)} or a path that exists"
        raise DataError(f"unknown data set {os.fspath(name)!r}: wanted {wanted}")
    if root is not None:
        raise DataError(
            f"{path}: wanted no root, which goes with a known name, found {str(root)!r}"
        )
    if path.is_file():
        return load_npz(path, split)
    known = _known_set_in(path)
    if known is None:
        return load_folder(path, split)
    return _load_known(known, split, (path,), download=False)


def _known_set_in(folder: Path) -> KnownSet | None:
    """Recognise the published set whose files a folder holds, or None.

    Raises DataError if it holds several.
    """
    sets = [known for known in KNOWN.values() if holds_any_file(known, folder)]
    whole = {known.name: _find_any_part(known, folder) for known in sets}
    if len(sets) > 1:
        sets = [known for known in sets if whole[known.name]] or sets
    if [known.name for known in sets] == ["mnist", "fashion"] and len({*whole.values()}) == 1:
        # The same files could be either: only the folder's name can tell.
        return KNOWN["fashion" if "fashion" in folder.resolve().name.lower() else "mnist"]
    if len(sets) > 1:
        names = ", ".join(known.name for known in sets)
        raise DataError(f"{folder}: wanted one set, found {names}: give one as name and it as root")
    return sets[0] if sets else None


def _find_any_part(known: KnownSet, folder: Path) -> Path | None:
    return find_part(known, "train", folder) or find_part(known, "test", folder)
