"""Floor 3: log-densities, KL divergence and logits losses. All in nats.

Densities and divergences are summed over everything that belongs to a sample (all axes but the
first) and returned per sample, (N,). Losses are means over the batch: a scalar.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .core import Tensor
from .ops import exp, log_bernoulli, log_softmax, mean, one_hot, square, squared_error, sum

LOG_2PI = math.log(2 * math.pi)


def _per_sample(x: Tensor) -> Tensor:
    return sum(x, axis=tuple(range(1, x.ndim)))


def gaussian_log_density(x: Any, mu: Any, log_var: Any) -> Tensor:
    """log N(x; μ, σ² I) = -½ Σ (log 2π + log σ² + (x - μ)²/σ²), per sample: (N, ...) -> (N,).

    log_var = log σ²: a number, or a Tensor that broadcasts against x.
    """
    alike = np.shape(x) == np.shape(mu) != ()
    if not alike and np.broadcast_shapes(np.shape(x), np.shape(mu)) != np.shape(x):
        shapes = f"{np.shape(x)} and {np.shape(mu)}"
        raise ValueError(f"gaussian_log_density: wanted x and mu of one shape, got {shapes}")
    if isinstance(log_var, Tensor):
        return _per_sample(square(x - mu) * exp(-log_var) + (log_var + LOG_2PI)) * -0.5
    n = math.prod(np.shape(x)[1:])  # of these a number is added: once, not in each
    error = squared_error(x, mu) if alike else _per_sample(square(x - mu))
    return error * (-0.5 * math.exp(-log_var)) - 0.5 * n * (log_var + LOG_2PI)


def bernoulli_log_density(x: Any, logits: Tensor) -> Tensor:
    """Σ x log p + (1 - x) log(1 - p) for p = σ(l), by `ops.log_bernoulli`: (N, ...) -> (N,)."""
    return _per_sample(log_bernoulli(x, logits))


def kl_to_standard_normal(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(μ, σ² I) ‖ N(0, I)) = ½ Σ (μ² + σ² - log σ² - 1), per sample: (N, d) -> (N,).

    Kingma & Welling 2013, appendix B.
    """
    return _per_sample(mu * mu + exp(log_var) - log_var - 1.0) * 0.5


def logits_loss(logits: Tensor, target: Any) -> Tensor:
    """Binary cross-entropy -t log σ(l) - (1 - t) log(1 - σ(l)) = softplus(l) - t·l, the mean.

    Never forms σ(l), so it neither overflows nor loses its gradient where σ saturates.
    """
    if np.shape(target) not in ((), logits.shape):
        raise ValueError(f"logits_loss: wanted target {logits.shape}, got {np.shape(target)}")
    return -mean(log_bernoulli(target, logits))


def softmax_loss(logits: Tensor, labels: Any) -> Tensor:
    """-log softmax(logits)[label], the mean over the batch: (N, classes), integers (N,)."""
    if logits.ndim != 2 or np.shape(labels) != logits.shape[:1]:
        raise ValueError(
            "softmax_loss: wanted logits (N, classes) and labels (N,), "
            f"got {logits.shape} and {np.shape(labels)}"
        )
    y = one_hot(labels, logits.shape[1], dtype=logits.dtype)
    return -mean(sum(y * log_softmax(logits), axis=1))
