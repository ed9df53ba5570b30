"""The sliced Wasserstein-1 distance. Rabin et al. 2011; Bonneel et al. 2015.

W₁ is the least mean distance over which one cloud has to be moved to become the other. On a line
the best way is known, point by point in sorted order. In d dimensions the clouds are projected on
lines, and the lines' distances averaged:

    SW₁(a, b) = mean_u W₁(a·u, b·u),    W₁(s, t) = mean_i |s₍ᵢ₎ - t₍ᵢ₎|    (sorted, one size)

It is in the points' own unit. Two clouds from one distribution are not at 0 but near it, the
nearer the more points they have: compare with the distance of two such.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UsageError
from ..nn.init import Rng

Array = np.ndarray[Any, Any]


def directions(k: int, d: int, rng: Rng) -> Array:
    """k unit vectors u, uniform on the sphere of d dimensions: (k, d)."""
    u = rng.standard_normal((k, d))
    return u / np.linalg.norm(u, axis=1, keepdims=True)


def sliced_wasserstein(a: Any, b: Any, u: Array) -> float:
    """SW₁ of the clouds a and b, both (N, d), over the directions u (k, d)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or a.shape != b.shape or u.shape[1:] != a.shape[1:]:
        raise UsageError(
            "sliced_wasserstein: wanted clouds (N, d) of one shape and directions (k, d), "
            f"got {a.shape}, {b.shape} and {u.shape}"
        )
    return float(np.abs(np.sort(a @ u.T, axis=0) - np.sort(b @ u.T, axis=0)).mean())
