"""How far two sets of images are apart at each scale. Karras et al. 2017, section 5.

Each level of the images' Laplacian pyramids holds structure of one size, the finest first: details,
then coarser ones, and in the end the small images that are left. Of each level

    128 patches of 7×7 pixels are taken from every image, at random places,
    each colour channel of a set's patches is brought to mean 0 and standard deviation 1,
    the two clouds of patches are compared by their sliced Wasserstein distance (`wasserstein.py`)

Two sets are near each other at a level if they are alike, and vary alike, at this scale. Two sets
of real images are not at 0 but near it: compare with their distance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import no_grad, tensor
from ..errors import UsageError
from ..nn.init import Rng
from ..ops.pyramid import laplacian_pyramid
from .wasserstein import directions, sliced_wasserstein

Array = np.ndarray[Any, Any]
SIDE, COUNT = 7, 128  # of a patch; patches of an image and level
DIRECTIONS = 128  # the paper's are 512
AT_ONCE = 16  # directions, so that memory suffices


def levels(height: int, width: int) -> int:
    """How many levels the pyramid of such images has: halved while that goes without a rest and
    leaves two patches beside each other. Raises UsageError for images smaller than a patch."""
    if min(height, width) < SIDE:
        raise UsageError(f"patches: wanted images of {SIDE}×{SIDE} or more, got {height}×{width}")
    n = 1
    while not height % 2 and not width % 2 and min(height, width) // 2 >= 2 * SIDE:
        height, width, n = height // 2, width // 2, n + 1
    return n


def patches(x: Array, rng: Rng, *, count: int = COUNT) -> Array:
    """count patches of each image x (N, H, W, C) at random places: (N · count, 7, 7, C)."""
    n, h, w, c = x.shape
    rows, columns = (rng.integers(size - SIDE + 1, size=(n, count)) for size in (h, w))
    windows = np.lib.stride_tricks.sliding_window_view(x, (SIDE, SIDE), axis=(1, 2))
    chosen = windows[np.arange(n)[:, None], rows, columns]  # (N, count, C, 7, 7)
    return np.moveaxis(chosen.reshape(-1, c, SIDE, SIDE), 1, 3)


def normalised(p: Array) -> Array:
    """(p - mean) / standard deviation of each channel of patches (M, 7, 7, C); where all is of one
    colour, 0."""
    d = p - p.mean((0, 1, 2))
    sd = d.std((0, 1, 2))
    return d / np.where(sd > 1e-6, sd, 1.0)


def sliced_wasserstein_by_level(
    a: Any, b: Any, rng: Rng, *, count: int = COUNT, k: int = DIRECTIONS
) -> dict[int, float]:
    """Height of a level's images -> SW₁ of two sets of uint8 images (N, H, W, C), finest first.

    count: patches of an image and level, at the same places in both sets. k: directions.
    Raises UsageError for sets that differ in shape, or images smaller than a patch.
    """
    a, b = np.asarray(a), np.asarray(b)
    if a.ndim != 4 or a.shape != b.shape or not len(a) or {a.dtype, b.dtype} != {np.dtype("u1")}:
        raise UsageError(
            "sliced_wasserstein_by_level: wanted uint8 images (N, H, W, C) of one shape, "
            f"got {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        )
    n = levels(*a.shape[1:3])
    with no_grad():
        pyramids = [laplacian_pyramid(tensor(x / np.float32(255)), n) for x in (a, b)]
    found = {}
    for levels_of_both in zip(*pyramids, strict=True):
        seed, u = int(rng.integers(2**32)), directions(k, SIDE * SIDE * a.shape[3], rng)
        clouds = [
            normalised(patches(x.numpy(), np.random.default_rng(seed), count=count))
            for x in levels_of_both
        ]
        one, other = (cloud.reshape(len(cloud), -1) for cloud in clouds)
        parts = [u[i : i + AT_ONCE] for i in range(0, k, AT_ONCE)]
        total = sum(len(part) * sliced_wasserstein(one, other, part) for part in parts)
        found[levels_of_both[0].shape[1]] = total / k
    return found
