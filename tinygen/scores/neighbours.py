"""What nearest neighbours tell: precision and recall, and which training image is closest.

Kynkäänniemi et al. 2019, section 2: a set of points stands for the balls around them that reach to
their k-th nearest neighbour in the set. Then

    precision    the share of samples in a ball of a real image: are they real?
    recall       the share of real images in a ball of a sample: is all of it there?

Distances are Euclidean, in whatever space the points are given: pixels, or a network's features.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import UsageError
from .clouds import check_shapes, two_clouds

Array = np.ndarray[Any, Any]
BLOCK = 1024  # points at a time: a block of distances to 10,000 points is 80 MB


def precision_recall(real: Any, samples: Any, *, k: int = 3) -> tuple[float, float]:
    """(precision, recall) of samples (M, d) against real points (N, d), by balls of k neighbours.

    Raises UsageError for fewer than k + 1 points on a side.
    """
    real, samples = two_clouds("precision_recall", real, samples)
    if not 1 <= k < min(len(real), len(samples)):
        raise UsageError(
            f"precision_recall: wanted 1 <= k < the number of points, "
            f"got k = {k} for {len(real)} and {len(samples)}"
        )
    balls, of_samples = _radii(real, k), _radii(samples, k)
    inside, recalled = [], np.zeros(len(real), bool)
    for block, radii in zip(_squared(samples, real), _blocks(of_samples), strict=True):
        inside.append((block <= balls).any(1))
        recalled |= (block <= radii[:, None]).any(0)
    return float(np.concatenate(inside).mean()), float(recalled.mean())


def _radii(points: Array, k: int) -> Array:
    """For each point the squared distance of its k-th neighbour; the 0th is the point itself."""
    return np.concatenate(
        [np.partition(block, k, axis=1)[:, k] for block in _squared(points, points)]
    )


def nearest(points: Any, among: Any) -> tuple[Array, Array]:
    """For each of points (N, d) the index of the nearest of `among` (M, d), and its distance.

    among may be of any dtype, such as all pixels of a data set: it is looked at block by block.
    """
    check_shapes("nearest", points, among)
    among = np.asarray(among)
    index, least = np.zeros(len(points), int), np.full(len(points), np.inf)
    for start in range(0, len(among), BLOCK):
        points, part = two_clouds("nearest", points, among[start : start + BLOCK])
        here = np.concatenate([block.argmin(1) for block in _squared(points, part)])
        distance = np.linalg.norm(points - part[here], axis=1)
        nearer = distance < least
        index[nearer], least[nearer] = start + here[nearer], distance[nearer]
    return index, least


def _squared(points: Array, among: Array) -> Iterator[Array]:
    """Blocks of the squared distances (N, M), row by row.

    ‖a - b‖² = ‖a‖² + ‖b‖² - 2 a·b is a product of matrices, ten times as fast as differences.
    Rounding is of the size of ‖a‖²: around the mean it is least.
    """
    mean = among.mean(0)
    among = among - mean
    norms = (among**2).sum(1)
    for part in _blocks(points):
        part = part - mean
        block = part @ among.T
        block *= -2
        block += norms
        block += (part**2).sum(1)[:, None]
        yield np.maximum(block, 0, out=block)


def _blocks(array: Array) -> list[Array]:
    return [array[i : i + BLOCK] for i in range(0, len(array), BLOCK)]
