"""The published sets: their files, checksums, mirrors, classes and where they may lie."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from tinygen.data.cifar import read_cifar
from tinygen.data.dataset import DataError, Images, Labels, require_labels
from tinygen.data.idx import read_pair, read_plain

PARTS = ("train", "test")


@dataclass(frozen=True)
class KnownFile:
    """A published file: its name and the SHA-256 of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True)
class KnownSet:
    """A published set.

    members: per part, the files that hold it: images and labels (idx), or batches (CIFAR-10).
    folders: where these may lie under a root; downloads go to the first one.
    archive: the file that holds all members, if the set is published as one.
    downloads: per part, the published files that bring it.
    validation_share: one in how many of the training images, counted from the end, is validation.
    label_digests: SHA-256 of the unpacked label files, which tell apart sets with equal names.
    """

    name: str
    classes: tuple[str, ...]
    members: dict[str, tuple[str, ...]]
    folders: tuple[str, ...]
    downloads: dict[str, tuple[KnownFile, ...]]
    mirrors: tuple[str, ...]
    validation_share: int
    archive: str | None = None
    label_digests: frozenset[str] = field(default_factory=frozenset)


_IDX_MEMBERS: dict[str, tuple[str, ...]] = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_CIFAR_TAR = KnownFile(
    "cifar-10-python.tar.gz", "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
)


def _idx_downloads(*digests: str) -> dict[str, tuple[KnownFile, ...]]:
    names = [name for part in PARTS for name in _IDX_MEMBERS[part]]
    files = [KnownFile(name, digest) for name, digest in zip(names, digests, strict=True)]
    return {"train": tuple(files[:2]), "test": tuple(files[2:])}


MNIST = KnownSet(
    name="mnist",
    classes=tuple("0123456789"),
    members=_IDX_MEMBERS,
    folders=("mnist", "."),
    downloads=_idx_downloads(
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
    validation_share=6,
    label_digests=frozenset(
        {
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        }
    ),
)

FASHION = KnownSet(
    name="fashion",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    members=_IDX_MEMBERS,
    folders=("fashion-mnist", "."),
    downloads=_idx_downloads(
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    validation_share=6,
    label_digests=frozenset(
        {
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        }
    ),
)

CIFAR10 = KnownSet(
    name="cifar10",
    classes=(
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ),
    members={
        "train": tuple(f"data_batch_{number}" for number in range(1, 6)),
        "test": ("test_batch",),
    },
    folders=("cifar10", "cifar10/cifar-10-batches-py", "cifar-10-batches-py", "."),
    archive=_CIFAR_TAR.name,
    downloads={part: (_CIFAR_TAR,) for part in PARTS},
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    validation_share=5,
)

KNOWN = {known.name: known for known in (MNIST, FASHION, CIFAR10)}


def find_part(known: KnownSet, part: str, place: Path) -> Path | None:
    """Find the folder or archive under `place` that holds a whole part of the set, or None."""
    folders = [place / folder for folder in known.folders]
    for folder in folders:
        whole = all(member_path(folder, name) for name in known.members[part])
        if whole and not _is_other_set(known, part, folder):
            return folder
    archives = [folder / known.archive for folder in folders if known.archive]
    return next((archive for archive in archives if archive.is_file()), None)


def holds_any_file(known: KnownSet, place: Path) -> bool:
    """Say whether at least one file of the set lies at one of its places under `place`."""
    names = [name for part in PARTS for name in known.members[part]]
    folders = [place / folder for folder in known.folders]
    if known.archive and any((folder / known.archive).is_file() for folder in folders):
        return True
    return any(member_path(folder, name) for folder in folders for name in names)


def member_path(folder: Path, name: str) -> Path | None:
    """Find a member in a folder, under its own name or without its .gz, or None."""
    candidates = (folder / name, folder / name.removesuffix(".gz"))
    return next((path for path in candidates if path.is_file()), None)


def read_part(known: KnownSet, part: str, where: Path) -> tuple[Images, Labels]:
    """Read a part from where `find_part` found it: images uint8 NHWC and labels int64 (N,).

    Raises DataError if a file is broken.
    """
    if known.archive:
        return read_cifar(where, known.members[part])
    paths = [member_path(where, name) for name in known.members[part]]
    images_path, labels_path = (path for path in paths if path is not None)
    images, labels = read_pair(images_path, labels_path)
    require_labels(labels, len(known.classes), str(labels_path))
    return images, labels


def _is_other_set(known: KnownSet, part: str, folder: Path) -> bool:
    """Tell MNIST from Fashion-MNIST, whose files have the same names, by their labels."""
    if not known.label_digests:
        return False
    labels = member_path(folder, known.members[part][1])
    try:
        digest = hashlib.sha256(read_plain(labels)).hexdigest() if labels else ""
    except DataError:
        return False  # broken: the reader says so better
    return any(
        digest in other.label_digests for other in KNOWN.values() if other.name != known.name
    )
