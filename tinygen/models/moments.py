"""A Gaussian fitted to the codes of an autoencoder, so that one can draw from it.

An autoencoder has no prior: nothing says where in the space of codes h its decoder knows what to
draw. The least one can do is to remember the mean and the covariance of the codes it has seen,

    m = E[h],  C = E[h hᵀ] - m mᵀ        h = m + C^½ z,  z ~ N(0, I)

and to draw h ~ N(m, C). The samples are as good as the codes are Gaussian, which nothing asks of
them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor, no_grad, tensor
from ..nn import Linear, Module
from ..ops import mean, transpose


class Moments(Module):
    """E[h] (d,) and E[h hᵀ] (d, d) of codes, which move as batch norm's running statistics do:

        running ← (1 - momentum) · running + momentum · batch

    momentum: so small that about a hundred batches count, as C has d² numbers to be told.
    """

    def __init__(self, d: int, *, momentum: float = 0.01):
        self.momentum = momentum
        self.first, self.second = tensor(np.zeros(d)), tensor(np.eye(d))

    def move(self, h: Tensor) -> None:
        """Towards the moments of the codes h (N, d) of a batch."""
        with no_grad():
            batch = mean(h, axis=0), transpose(h) @ h * (1 / len(h))
            for running, now in zip((self.first, self.second), batch, strict=True):
                running.data = (running + (now - running) * self.momentum).data

    def gaussian(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """m (d,) and C^½ (d, d), the symmetric root, in float64."""
        m, second = (np.asarray(t.numpy(), np.float64) for t in (self.first, self.second))
        variances, axes = np.linalg.eigh(second - np.outer(m, m))
        return m, (axes * np.sqrt(np.maximum(variances, 0))) @ axes.T

    def layer(self) -> Linear:
        """z (N, d) -> h = m + C^½ z, to stand in front of the decoder."""
        like: dict[str, Any] = {"dtype": self.first.dtype, "device": self.first.device}
        layer, (m, root) = Linear(1, 1, rng=np.random.default_rng(0)), self.gaussian()
        layer.weight, layer.bias = tensor(root, **like), tensor(m, **like)
        return layer

    def whiten(self, h: Any) -> np.ndarray[Any, Any]:
        """The z of codes h (N, d): C^-½ (h - m), with 0 along what never varies."""
        m, root = self.gaussian()
        return (np.asarray(h, np.float64) - m) @ np.linalg.pinv(root, hermitian=True)
