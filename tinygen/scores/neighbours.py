"""What nearest neighbours tell: precision and recall, and which training image is closest.

Kynkäänniemi et al. 2019, section 2: a set of points stands for the balls around them that reach to
their k-th nearest neighbour in the set. Then

    precision    the share of samples in a ball of a real image: are they real?
    recall       the share of real images in a ball of a sample: is all of it there?

Distances are Euclidean, in whatever space the points are given: pixels, or a network's features.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UsageError
from .clouds import two_clouds

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
    return _within(samples, real, k), _within(real, samples, k)


def _within(points: Array, centres: Array, k: int) -> float:
    """The share of points that lie in the ball of a centre."""
    radii = np.concatenate(
        [np.partition(block, k, axis=1)[:, k] for block in _distances(centres, centres)]
    )  # the 0th neighbour is the centre itself
    return float(np.concatenate([(b <= radii).any(1) for b in _distances(points, centres)]).mean())


def nearest(points: Any, among: Any) -> tuple[Array, Array]:
    """For each of points (N, d) the index of the nearest of `among` (M, d), and its distance."""
    points, among = two_clouds("nearest", points, among)
    index = np.concatenate([block.argmin(1) for block in _distances(points, among)])
    return index, np.linalg.norm(points - among[index], axis=1)


def _distances(points: Array, among: Array) -> Any:
    """Blocks of the distances (N, M), row by row."""
    from scipy.spatial.distance import cdist  # a tenth of a second, which no other score needs

    return (cdist(points[i : i + BLOCK], among) for i in range(0, len(points), BLOCK))
