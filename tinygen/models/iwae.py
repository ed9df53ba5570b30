"""Importance weighted autoencoders. Burda, Grosse & Salakhutdinov 2015, arXiv:1509.00519.

The VAE's networks (`vae.py`), trained on a bound that is tighter the more samples k it takes:

    L_k(x) = E[log 1/k Σᵢ wᵢ],  wᵢ = p(x, zᵢ)/q(zᵢ|x),  zᵢ ~ q(z|x), i = 1 … k      (equation 8)
    L_1 ≤ L_2 ≤ … ≤ log p(x);  L_1 is the VAE's bound                               (theorem 1)

    log wᵢ = log p(x|zᵢ) + log p(zᵢ) - log q(zᵢ|x)

As z = μ + σ·ε is reparameterised, the gradient needs no formula of its own: that of logsumexp is

    ∇L_k = E[Σᵢ w̃ᵢ ∇log wᵢ],  w̃ᵢ = wᵢ / Σⱼ wⱼ                             (equations 13 and 14)

so the weights w̃ are constants there, as they must be. The same estimate with k = 5,000 and no
training is the field's measure of log p(x): `scores/likelihood.py`.

Images are (N, H, W, C) of zeros and ones, drawn anew from the grey pixels at each use; the decoder
is Bernoulli. One stochastic layer of 50, two tanh layers of 200 either side (section 5).
All values are in nats per image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autodiff import grad
from ..core import Tensor
from ..device import Array
from ..errors import UsageError
from ..nn import Module, dense
from ..nn.init import Rng, glorot
from ..ops import broadcast_to, logsumexp, mean, reshape, tanh
from ..optim import Adam
from ..prob import gaussian_log_density
from . import config
from .config import COUNT, POSITIVE, option
from .model import ImageNetwork, Inputs, Model, Panel, Part, Setup
from .vae import VAE, log_likelihood_given_z, posterior, reparameterise


def log_weights(
    encoder: Module, decoder: Module, x: Tensor, eps: Any, *, observation: str, s: float
) -> Tensor:
    """log wᵢ for a batch x (N, H, W, C) and the noise ε (k, N, d): (k, N)."""
    return log_weights_of(decoder, x, *posterior(encoder, x), eps, observation=observation, s=s)


def log_weights_of(
    decoder: Module,
    x: Tensor,
    mu: Tensor,
    log_var: Tensor,
    eps: Any,
    *,
    observation: str,
    s: float,
) -> Tensor:
    """The same with the posterior's μ and log σ² (N, d) given."""
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


def mlp(shape: tuple[int, ...], latent: int, rng: Rng) -> tuple[Module, Module]:
    """(encoder, decoder) for images of `shape`: 784-200-200-2d and d-200-200-784, tanh."""
    encoder = dense(shape, 200, 200, 2 * latent, activation=tanh, init=glorot, rng=rng)
    decoder = dense(latent, 200, 200, shape, activation=tanh, init=glorot, rng=rng)
    return encoder, decoder


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    k: tuple[int, ...] = option((1, 5, 50), COUNT, "samples; a model for each", several=True)
    latent: int = option(50, COUNT, "dimensions of z")
    lr: float = option(1e-3, POSITIVE, "Adam's learning rate")
    observation = "bernoulli"
    s = 1.0  # of a Gaussian, which this is not

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.k)) < len(self.k):
            raise UsageError(f"iwae: k: wanted different numbers, got {self.k}")


@dataclass
class IWAE(VAE):
    """A VAE that is trained on L_k."""

    config: Any = Config()
    k: int = 50
    BINARY = True

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images, and ε (k, N, d)."""
        return {"x": x, "eps": rng.standard_normal((self.k, len(x), self.config.latent))}

    def bound(self, x: Array, eps: Array) -> Tensor:
        """L_k on images x with the noise ε: the mean over the batch."""
        networks, x = (self.encoder, self.decoder), self.tensor(x)
        log_w = log_weights(
            *networks, x, self.tensor(eps), observation=self.config.observation, s=self.config.s
        )
        return mean(bound(log_w))

    def update(self, x: Array, eps: Array) -> dict[str, Tensor]:
        """One step on images x (N, H, W, C) of zeros and ones."""
        L = self.bound(x, eps)
        self.opt.step(grad(-L, self.opt.params))
        return {f"L_{self.k}": L}


@dataclass
class IWAEs(Model):
    """One IWAE for each k, all from the same weights, trained on the same batches."""

    models: dict[int, IWAE]
    RANGE, BINARY = IWAE.RANGE, IWAE.BINARY

    @property
    def panels(self) -> tuple[Panel, ...]:
        return (("nats per image", tuple(f"L_{k}" for k in self.models)),)

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images, and for each k an ε (k, N, d)."""
        noise = {f"eps_{k}": m.draw(x, labels, rng)["eps"] for k, m in self.models.items()}
        return {"x": x, **noise}

    def update(self, x: Array, **noise: Array) -> dict[str, Tensor]:
        """A step of each: {"L_1": …, "L_5": …}."""
        steps = [m.update(x, noise[f"eps_{k}"]) for k, m in self.models.items()]
        return {name: L for numbers in steps for name, L in numbers.items()}

    def parts(self) -> dict[str, Part]:
        """What a checkpoint holds, by name, as "k5.encoder"."""
        return {f"k{k}.{n}": part for k, m in self.models.items() for n, part in m.parts().items()}

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """Mean images of n points drawn from the prior, by the model of the largest k."""
        return self.best.sample(n, rng)

    @property
    def best(self) -> IWAE:
        """The model of the largest k, which has the tightest bound."""
        return self.models[max(self.models)]

    def encode(self, x: Any) -> np.ndarray[Any, Any]:
        """The posterior's means of images x, by the model of the largest k: (N, d)."""
        return self.best.encode(x)

    def image_network(self) -> ImageNetwork:
        """That of the largest k."""
        return self.best.image_network()


def build(config: Config, setup: Setup, rng: Rng) -> IWAEs:
    """An IWAE ready to train for each k, with the paper's Adam (ε = 10⁻⁴)."""
    seed = int(rng.integers(2**32))
    models = {}
    for k in config.k:
        networks = mlp(setup.shape, config.latent, np.random.default_rng(seed))
        encoder, decoder = setup.place(*networks)
        params = [*encoder.parameters(), *decoder.parameters()]
        models[k] = IWAE(encoder, decoder, Adam(params, lr=config.lr, eps=1e-4), config, k)
    return IWAEs(models)
