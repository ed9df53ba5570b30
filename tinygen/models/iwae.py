"""Importance weighted autoencoders. Burda, Grosse & Salakhutdinov 2015, arXiv:1509.00519.

The VAE's networks (`vae.py`), trained on a bound that is tighter the more samples k it takes:

    L_k(x) = E[log 1/k Σᵢ wᵢ],  wᵢ = p(x, zᵢ)/q(zᵢ|x),  zᵢ ~ q(z|x), i = 1 … k      (equation 8)
    L_1 ≤ L_2 ≤ … ≤ log p(x);  L_1 is the VAE's bound                               (theorem 1)

    log wᵢ = log p(x|zᵢ) + log p(zᵢ) - log q(zᵢ|x)

As z = μ + σ·ε is reparameterised, the gradient needs no formula of its own: that of logsumexp is

    ∇L_k = E[Σᵢ w̃ᵢ ∇log wᵢ],  w̃ᵢ = wᵢ / Σⱼ wⱼ                             (equations 13 and 14)

so the weights w̃ are constants there, as they must be. The same estimate with k = 5,000 and no
training is the field's measure of log p(x), which `log_likelihood` gives for any encoder and
decoder.

Images are (N, H, W, C) of zeros and ones, drawn anew from the grey pixels at each use; the decoder
is Bernoulli. One stochastic layer of 50, two tanh layers of 200 either side (section 5).
All values are in nats per image.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autodiff import grad
from ..core import Tensor, no_grad
from ..errors import UsageError
from ..nn import Linear, Module, Sequential
from ..nn.init import Rng, glorot
from ..ops import broadcast_to, logsumexp, mean, reshape, tanh
from ..optim import Adam, Optimizer
from ..prob import gaussian_log_density
from .vae import RANGE as RANGE
from .vae import VAE, log_likelihood_given_z, posterior, reparameterise


def log_weights(
    encoder: Module,
    decoder: Module,
    x: Tensor,
    eps: Any,
    *,
    observation: str = "bernoulli",
    s: float = 0.1,
) -> Tensor:
    """log wᵢ for a batch x (N, H, W, C) and the noise ε (k, N, d): (k, N)."""
    mu, log_var = posterior(encoder, x)
    return _log_weights(decoder, x, mu, log_var, eps, observation, s)


def _log_weights(
    decoder: Module, x: Tensor, mu: Tensor, log_var: Tensor, eps: Any, observation: str, s: float
) -> Tensor:
    k, n, d = eps.shape
    z = reshape(reparameterise(mu, log_var, eps), k * n, d)
    mus, log_vars = (reshape(broadcast_to(t, shape=(k, n, d)), k * n, d) for t in (mu, log_var))
    xs = reshape(broadcast_to(x, shape=(k, *x.shape)), k * n, *x.shape[1:])
    log_p_x = log_likelihood_given_z(xs, decoder(z), observation=observation, s=s)
    log_p_z = gaussian_log_density(z, 0.0 * z, 0.0)
    log_q_z = gaussian_log_density(z, mus, log_vars)
    return reshape(log_p_x + log_p_z - log_q_z, k, n)


def bound(log_w: Tensor) -> Tensor:
    """L_k per image from log w (k, N), as log Σ w - log k: (N,). Equation 8."""
    return logsumexp(log_w, axis=0) - math.log(len(log_w))


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
            size = (min(chunk, k - done), len(x), model.latent)
            eps = model.tensor(rng.standard_normal(size, dtype=np.float32))
            log_w = _log_weights(
                model.decoder, images, mu, log_var, eps, model.observation, model.s
            )
            total = np.logaddexp(total, logsumexp(log_w, axis=0).numpy())
    return total - math.log(k)


@dataclass
class IWAE(VAE):
    """A VAE that is trained on L_k."""

    observation: str = "bernoulli"
    k: int = 50

    def bound(self, x: Any, rng: Rng) -> Tensor:
        """L_k on images x, with fresh noise: the mean over the batch."""
        eps = self.tensor(rng.standard_normal((self.k, len(x), self.latent)))
        log_w = log_weights(
            *(self.encoder, self.decoder, self.tensor(x), eps),
            observation=self.observation,
            s=self.s,
        )
        return mean(bound(log_w))

    def step(self, x: Any, rng: Rng) -> dict[str, Tensor]:
        """One step on images x (N, H, W, C) of zeros and ones, with fresh noise."""
        L = self.bound(x, rng)
        self.opt.step(grad(-L, self.opt.params))
        return {f"L_{self.k}": L}


@dataclass
class IWAEs:
    """One IWAE for each k, all from the same weights, trained on the same batches."""

    models: dict[int, IWAE]

    def step(self, x: Any, rng: Rng) -> dict[str, Tensor]:
        """A step of each: {"L_1": …, "L_5": …}."""
        return {name: L for m in self.models.values() for name, L in m.step(x, rng).items()}

    def networks(self) -> dict[str, Module]:
        """The networks by name, as "k5.encoder"."""
        return {
            f"k{k}.{name}": network
            for k, m in self.models.items()
            for name, network in m.networks().items()
        }

    def parts(self) -> dict[str, Module | Optimizer]:
        """What a checkpoint holds, by name."""
        return {**self.networks(), **{f"k{k}.opt": m.opt for k, m in self.models.items()}}

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """Mean images of n points drawn from the prior, by the model of the largest k."""
        return self.models[max(self.models)].sample(n, rng)


def mlp(shape: tuple[int, ...], latent: int, rng: Rng) -> tuple[Module, Module]:
    """(encoder, decoder) for images of `shape`: 784-200-200-2d and d-200-200-784, tanh."""
    size = math.prod(shape)
    how: dict[str, Any] = {"rng": rng, "init": glorot}
    encoder = Sequential(
        lambda x: reshape(x, -1, size),
        *(Linear(size, 200, **how), tanh, Linear(200, 200, **how), tanh),
        Linear(200, 2 * latent, **how),
    )
    decoder = Sequential(
        *(Linear(latent, 200, **how), tanh, Linear(200, 200, **how), tanh),
        Linear(200, size, **how),
        lambda x: reshape(x, -1, *shape),
    )
    return encoder, decoder


def build(config: Mapping[str, Any], rng: Rng) -> IWAEs:
    """An IWAE ready to train for each k, with the paper's Adam (ε = 10⁻⁴).

    config: "shape" (H, W, C) of the images, "latent" (d), "k" (several numbers of samples), "lr",
    "device". Raises UsageError for a number out of range.
    """
    ks, latent = list(config["k"]), config["latent"]
    if not ks or min(ks) < 1 or len(set(ks)) < len(ks):
        raise UsageError(f"iwae: wanted different k >= 1, got {ks}")
    if not latent >= 1:
        raise UsageError(f"iwae: wanted latent >= 1, got {latent}")
    seed = int(rng.integers(2**32))
    models = {}
    for k in ks:
        networks = mlp(tuple(config["shape"]), latent, np.random.default_rng(seed))
        encoder, decoder = (network.to(config["device"]) for network in networks)
        params = [*encoder.parameters(), *decoder.parameters()]
        models[k] = IWAE(encoder, decoder, Adam(params, lr=config["lr"], eps=1e-4), latent, k=k)
    return IWAEs(models)
