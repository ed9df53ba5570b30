"""log p(x) of a model with an encoder and a decoder, by importance sampling.

Burda, Grosse & Salakhutdinov 2015, section 5: log p(x) ≈ log 1/k Σᵢ wᵢ, the bound L_k of `iwae.py`
with k = 5,000 samples of q(z|x). It lies below log p(x) in expectation, less so for a larger k.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import no_grad
from ..errors import UsageError
from ..models.iwae import log_weights_of
from ..models.vae import VAE, posterior
from ..nn.init import Rng
from ..ops import logsumexp


def log_likelihood(
    model: VAE, x: Any, *, k: int = 5000, rng: Rng, rows: int = 2000
) -> np.ndarray[Any, Any]:
    """An estimate of log p(x) per image, (N,) float64, by k samples of q(z|x) (section 5).

    Any model with an encoder and a decoder, as `VAE` has them; x as it was trained on. The
    estimate lies below log p(x) in expectation, less so for a larger k. The decoder sees at most
    `rows` points at a time, so memory does not grow with k.
    """
    if k < 1 or rows < 1:
        raise UsageError(f"log_likelihood: wanted k >= 1 and rows >= 1, got {k} and {rows}")
    n = max(1, min(rows // 100, rows // k))  # images at a time: 100 samples of each, or all
    return np.concatenate(
        [
            _log_likelihood(model, x[i : i + n], k, rng, max(1, rows // n))
            for i in range(0, len(x), n)
        ]
    )


def _log_likelihood(model: VAE, x: Any, k: int, rng: Rng, chunk: int) -> np.ndarray[Any, Any]:
    """The same for a few images, `chunk` samples of each at a time."""
    total = np.full(len(x), -np.inf)  # log Σ w so far
    with no_grad():
        images = model.tensor(x)
        mu, log_var = posterior(model.encoder, images)
        for done in range(0, k, chunk):
            size = (min(chunk, k - done), len(x), model.config.latent)
            eps = model.tensor(rng.standard_normal(size, dtype=np.float32))
            log_w = log_weights_of(
                *(model.decoder, images, mu, log_var, eps),
                observation=model.config.observation,
                s=model.config.s,
            )
            total = np.logaddexp(total, logsumexp(log_w, axis=0).numpy())
    return total - math.log(k)
