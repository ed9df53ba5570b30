"""Auto-encoding variational Bayes. Kingma & Welling 2013, arXiv:1312.6114.

A decoder defines p(x|z) under the prior p(z) = N(0, I); an encoder gives the approximate posterior
q(z|x) = N(μ, σ² I), with a σ² for each dimension. Both maximise the evidence lower bound

    log p(x) ≥ L(x) = E_q[log p(x|z)] - KL(q(z|x) ‖ p(z))                           (equation 3)

by one sample of the reparameterised posterior

    z = μ + σ·ε,  ε ~ N(0, I)                                                (equations 4 and 10)
    KL = ½ Σ (μ² + σ² - log σ² - 1)                                                (appendix B)

The encoder returns (μ, log σ²): a linear layer may be negative, a variance may not. The decoder
returns logits l with x̂ = sigmoid(l) in [0, 1]. With D pixels there are two observation models,

    gaussian    log p(x|z) = -Σ (x - x̂)² / (2s²) - D/2 · log(2π s²)        s fixed, 0.1 by default
    bernoulli   log p(x|z) = Σ x log x̂ + (1 - x) log(1 - x̂)

At s² = ½ and without its constant the first is the plain squared error Σ (x - x̂)². All terms are
in nats per image. The nats of a density and of a probability do not compare: judge the two by
their pictures.

Images are (N, H, W, C) in [0, 1]; z is (N, d).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..autodiff import grad
from ..core import Tensor, no_grad
from ..device import Array
from ..errors import UsageError
from ..nn import Module, dense, in_chunks
from ..nn.init import Rng
from ..ops import exp, mean, relu, sigmoid, split
from ..optim import LBFGS, SGD, Adagrad, Adam, Optimizer, RMSProp
from ..prob import bernoulli_log_density, gaussian_log_density, kl_to_standard_normal
from . import config
from .config import COUNT, POSITIVE, one_of, option
from .model import ImageNetwork, Inputs, Model, Setup

OBSERVATIONS = ("gaussian", "bernoulli")


class Terms(NamedTuple):
    """The negative bound and its two terms, the means over the batch, in nats per image."""

    loss: Tensor  # -L = reconstruction + KL
    reconstruction: Tensor  # -E_q[log p(x|z)]
    KL: Tensor


def posterior(encoder: Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """(μ, log σ²) of q(z|x), each (N, d)."""
    mu, log_var = split(encoder(x), 2, axis=1)
    return mu, log_var


def reparameterise(mu: Tensor, log_var: Tensor, eps: Any) -> Tensor:
    """z = μ + σ·ε (equation 10)."""
    return mu + exp(log_var * 0.5) * eps


def log_likelihood_given_z(x: Tensor, logits: Tensor, *, observation: str, s: float) -> Tensor:
    """log p(x|z) per image, (N,), in nats; s is the Gaussian's standard deviation."""
    if observation == "bernoulli":
        return bernoulli_log_density(x, logits)
    if observation != "gaussian":
        raise UsageError(f"vae: wanted one of {', '.join(OBSERVATIONS)}, got {observation!r}")
    if not s > 0:
        raise UsageError(f"vae: wanted a standard deviation s > 0, got {s}")
    return gaussian_log_density(x, sigmoid(logits), 2 * math.log(s))


def negative_elbo(
    encoder: Module,
    decoder: Module,
    x: Tensor,
    eps: Any,
    *,
    observation: str,
    s: float,
) -> Terms:
    """-L(x) on a batch x (N, H, W, C) with the noise ε (N, d), and its terms."""
    mu, log_var = posterior(encoder, x)
    logits = decoder(reparameterise(mu, log_var, eps))
    reconstruction = -mean(log_likelihood_given_z(x, logits, observation=observation, s=s))
    KL = mean(kl_to_standard_normal(mu, log_var))
    return Terms(reconstruction + KL, reconstruction, KL)


def mlp(shape: tuple[int, ...], latent: int, rng: Rng) -> tuple[Module, Module]:
    """(encoder, decoder) for images of `shape`: 784-512-256-2d and d-256-512-784, ReLU."""
    encoder = dense(shape, 512, 256, 2 * latent, activation=relu, rng=rng)
    decoder = dense(latent, 256, 512, shape, activation=relu, rng=rng)
    return encoder, decoder


# lr: what trained well on MNIST, as gradients are sums over 784 pixels in nats
OPTIMIZERS: dict[str, Callable[[list[Tensor], float | None], Optimizer]] = {
    "sgd": lambda params, lr: SGD(params, lr=lr or 1e-5),
    "momentum": lambda params, lr: SGD(params, lr=lr or 1e-6, momentum=0.9),
    "adagrad": lambda params, lr: Adagrad(params, lr=lr or 1e-2),
    "rmsprop": lambda params, lr: RMSProp(params, lr=lr or 1e-3),
    "adam": lambda params, lr: Adam(params, lr=lr or 1e-3),
    "lbfgs": lambda params, lr: LBFGS(params),
}


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    latent: int = option(2, COUNT, "dimensions of z")
    observation: str = option("gaussian", one_of(OBSERVATIONS), "p(x|z)")
    s: float = option(0.1, POSITIVE, "standard deviation of the Gaussian p(x|z)")
    optimizer: str = option("adam", one_of(OPTIMIZERS), "the method")
    lr: float | None = option(None, POSITIVE, "learning rate; unless given, the optimiser's own")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.optimizer == "lbfgs" and self.lr is not None:
            raise UsageError(f"vae: lbfgs finds its own step, wanted no lr, got {self.lr}")


@dataclass
class VAE(Model):
    """Both networks and their optimiser; `update` is one step on a batch."""

    encoder: Module
    decoder: Module
    opt: Optimizer
    config: Any = Config()
    RANGE = (0.0, 1.0)
    PANELS = (("nats per image", ("loss", "reconstruction")), ("nats per image", ("KL",)))

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images, and ε (N, d)."""
        return {"x": x, "eps": rng.standard_normal((len(x), self.config.latent))}

    def update(self, x: Array, eps: Array) -> dict[str, Tensor]:
        """One step on images x (N, H, W, C) in [0, 1]; of LBFGS, one search."""
        if isinstance(self.opt, LBFGS):
            self.opt.minimise(lambda: self.terms(x, eps).loss)
            with no_grad():
                return self.terms(x, eps)._asdict()
        terms = self.terms(x, eps)
        self.opt.step(grad(terms.loss, self.opt.params))
        return terms._asdict()

    def terms(self, x: Array, eps: Array) -> Terms:
        """-L and its terms on images x with the noise ε."""
        observation, s = self.config.observation, self.config.s
        x, eps = self.tensor(x), self.tensor(eps)
        return negative_elbo(self.encoder, self.decoder, x, eps, observation=observation, s=s)

    def encode(self, x: Any, *, chunk: int = 1000) -> np.ndarray[Any, Any]:
        """The posterior's means μ of images x in [0, 1]: (N, d)."""
        return in_chunks(lambda part: posterior(self.encoder, self.tensor(part))[0], x, chunk)

    def decode(self, z: Any, *, chunk: int = 1000) -> np.ndarray[Any, Any]:
        """The mean images x̂ in [0, 1] of latent points z (N, d): (N, H, W, C)."""
        return in_chunks(lambda part: sigmoid(self.decoder(self.tensor(part))), z, chunk)

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """Mean images of n points drawn from the prior."""
        return self.decode(rng.standard_normal((n, self.config.latent)))

    def image_network(self) -> ImageNetwork:
        return ImageNetwork(self.decoder, self.config.latent, logits=True)


def build(config: Config, setup: Setup, rng: Rng) -> VAE:
    """A VAE ready to train. LBFGS compares values that float32 cannot tell apart: in float64."""
    if config.optimizer == "lbfgs":
        setup = replace(setup, dtype=np.float64)
    encoder, decoder = setup.place(*mlp(setup.shape, config.latent, rng))
    params = [*encoder.parameters(), *decoder.parameters()]
    return VAE(encoder, decoder, OPTIMIZERS[config.optimizer](params, config.lr), config)
