"""The Fréchet distance of two sets of features. Heusel et al. 2017, equation 6.

Each set (N, d) is taken for a Gaussian of its mean μ and covariance Σ, and

    F = ‖μ_a - μ_b‖² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½)

It is the square of the Wasserstein-2 distance of the two Gaussians, in the features' unit squared.
With Σ = RᵀR for both, tr (Σ_a Σ_b)^½ is the sum of the singular values of R_a R_bᵀ. That needs no
root of a matrix that rounding has left with negative eigenvalues, as happens where samples are
fewer than dimensions.

The features are some network's, and the distance is one of that network: name it. Its expectation
falls with N, so compare sets of one size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .clouds import two_clouds

Array = np.ndarray[Any, Any]


def frechet_distance(a: Any, b: Any) -> float:
    """F of features a (N, d) and b (M, d), each two samples or more. UsageError for others."""
    a, b = two_clouds("frechet_distance", a, b, least=2)
    (mu_a, R_a), (mu_b, R_b) = _moments(a), _moments(b)
    traces = (
        (R_a**2).sum() + (R_b**2).sum() - 2 * np.linalg.svd(R_a @ R_b.T, compute_uv=False).sum()
    )
    return float(((mu_a - mu_b) ** 2).sum() + max(traces, 0.0))


def _moments(x: Array) -> tuple[Array, Array]:
    """The mean (d,), and R with RᵀR the covariance, of at most d rows."""
    mu = x.mean(0)
    deviations = (x - mu) / np.sqrt(len(x) - 1)
    R: Any = np.linalg.qr(deviations, mode="r")
    return mu, R
