"""Principal component analysis, and the angles between two subspaces.

PCA by the singular value decomposition of the deviations from the mean (Hotelling 1933; Eckart &
Young 1936: no other affine map to d numbers and back has a smaller squared error),

    x - μ = U S Vᵀ,  x̂ = μ + (x - μ) V_d V_dᵀ        V_d: the first d columns of V

The principal angles 0 ≤ θ₁ ≤ … ≤ θ_d ≤ 90° of two d-dimensional subspaces (Jordan 1875; Björck &
Golub 1973) have as cosines the singular values of Q_aᵀ Q_b, of orthonormal bases of both. All are
0 if the subspaces are the same; SciPy takes sines where cosines are near 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import UsageError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class PCA:
    """mean (D,), and the first components, orthonormal: (d, D), the one of largest variance first.

    variances: along each of them (d,), of the points it was made of.
    """

    mean: Array
    components: Array
    variances: Array

    def first(self, d: int) -> PCA:
        """That of its first d components."""
        return PCA(self.mean, self.components[:d], self.variances[:d])

    def encode(self, x: Any) -> Array:
        """The coordinates of points x (N, D): (N, d)."""
        return (np.asarray(x) - self.mean) @ self.components.T

    def decode(self, h: Any) -> Array:
        """The points of coordinates h (N, d): (N, D)."""
        return self.mean + np.asarray(h) @ self.components

    def reconstruct(self, x: Any) -> Array:
        """x̂ of points x (N, D): the nearest points of the subspace."""
        return self.decode(self.encode(x))


def pca(x: Any, d: int) -> PCA:
    """The first d principal components of points x (N, D).

    By SciPy's SVD of R, where QR = x - μ, as tall matrices have the same V, and R is small.
    Raises UsageError unless 1 <= d <= min(N, D), and for NaN.
    """
    import scipy.linalg

    x = np.asarray(x, np.float64)
    if x.ndim != 2 or not 1 <= d <= min(x.shape):
        raise UsageError(f"pca: wanted points (N, D) and 1 <= d <= N and D, got {x.shape}, d = {d}")
    if not np.isfinite(x).all():
        raise UsageError("pca: wanted finite points, got NaN or infinity")
    mean = x.mean(0)
    (R,) = scipy.linalg.qr(x - mean, mode="r", overwrite_a=True, check_finite=False)
    _, s, Vt = scipy.linalg.svd(R[: x.shape[1]], full_matrices=False)
    return PCA(mean, Vt[:d], s[:d] ** 2 / (len(x) - 1))


def principal_angles(a: Any, b: Any) -> Array:
    """In degrees, the smallest first, of the spaces that the columns of a and b span, (D, d) each.

    Raises UsageError for matrices of other shapes, or with NaN.
    """
    import scipy.linalg

    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b):
        raise UsageError(f"principal_angles: wanted (D, d) and (D, e), got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UsageError("principal_angles: wanted finite matrices, got NaN or infinity")
    return np.degrees(scipy.linalg.subspace_angles(a, b))[::-1]
