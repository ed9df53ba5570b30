"""Conditional variational autoencoder. Sohn, Lee & Yan 2015 (NIPS), after Kingma et al. 2014.

The VAE (`vae.py`) of the images of a class. Both networks are told the class y:

    log p(x|y) ≥ E_q(z|x,y)[log p(x|z, y)] - KL(q(z|x, y) ‖ p(z|y))                  (equation 4)

(The paper predicts an output y from an input x; our image x is its output, our class y its input.)
The prior is p(z|y) = N(0, I) for every class: z is what varies within a class, the hand, say.

    encoder   [x, y] -> (μ, log σ²) of q(z|x, y)            z = μ + σ·ε,  ε ~ N(0, I)
    decoder   [z, y] -> logits of the mean image of p(x|z, y)

The observation models p(x|z, y) are `vae.py`'s, Gaussian and Bernoulli. In nats per image.

Images are (N, H, W, C) in [0, 1]; z is (N, d), y one-hot (N, classes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autodiff import grad
from ..core import Tensor
from ..device import Array
from ..nn import Module, dense, in_chunks
from ..nn.init import Rng
from ..ops import mean, relu, reshape, sigmoid, split
from ..optim import Adam, Optimizer
from ..prob import kl_to_standard_normal
from . import config, vae
from .conditional import Conditional, wants_labels
from .config import COUNT, POSITIVE, one_of, option
from .model import ImageNetwork, Inputs, Setup
from .players import given
from .vae import Terms, log_likelihood_given_z, reparameterise


def posterior(encoder: Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(μ, log σ²) of q(z|x, y), each (N, d)."""
    mu, log_var = split(encoder(given(reshape(x, len(x), -1), y)), 2, axis=1)
    return mu, log_var


def negative_elbo(
    encoder: Module,
    decoder: Module,
    x: Tensor,
    y: Tensor,
    eps: Any,
    *,
    observation: str,
    s: float,
) -> Terms:
    """Minus equation 4's bound on a batch x (N, H, W, C), y with the noise ε (N, d); its terms."""
    mu, log_var = posterior(encoder, x, y)
    logits = decoder(given(reparameterise(mu, log_var, eps), y))
    reconstruction = -mean(log_likelihood_given_z(x, logits, observation=observation, s=s))
    KL = mean(kl_to_standard_normal(mu, log_var))
    return Terms(reconstruction + KL, reconstruction, KL)


def mlp(shape: tuple[int, ...], latent: int, classes: int, rng: Rng) -> tuple[Module, Module]:
    """(encoder, decoder): (784 + classes)-512-256-2d and (d + classes)-256-512-784, ReLU."""
    size = math.prod(shape)
    encoder = dense(size + classes, 512, 256, 2 * latent, activation=relu, rng=rng)
    decoder = dense(latent + classes, 256, 512, shape, activation=relu, rng=rng)
    return encoder, decoder


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    latent: int = option(2, COUNT, "dimensions of z")
    observation: str = option("gaussian", one_of(vae.OBSERVATIONS), "p(x|z, y)")
    s: float = option(0.1, POSITIVE, "standard deviation of the Gaussian p(x|z, y)")
    lr: float = option(1e-3, POSITIVE, "Adam's learning rate")


@dataclass
class CVAE(Conditional):
    """Both networks and their optimiser; `update` is one step on a batch."""

    encoder: Module
    decoder: Module
    opt: Optimizer
    config: Config = Config()
    RANGE = (0.0, 1.0)
    PANELS = (("nats per image", ("loss", "reconstruction")), ("nats per image", ("KL",)))

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images, their labels, and ε (N, d)."""
        y = self.checked(labels, len(x))
        return {"x": x, "y": y, "eps": rng.standard_normal((len(x), self.config.latent))}

    def update(self, x: Array, y: Array, eps: Array) -> dict[str, Tensor]:
        """One step on images x (N, H, W, C) in [0, 1] of the classes y (N,)."""
        terms = self.terms(x, y, eps)
        self.opt.step(grad(terms.loss, self.opt.params))
        return terms._asdict()

    def terms(self, x: Array, y: Array, eps: Array) -> Terms:
        """Minus the bound and its terms on images x of the classes y, with the noise ε."""
        observation, s = self.config.observation, self.config.s
        x, y, eps = self.tensor(x), self.one_hot(y), self.tensor(eps)
        return negative_elbo(self.encoder, self.decoder, x, y, eps, observation=observation, s=s)

    def latent(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        return rng.standard_normal((n, self.config.latent))

    def generate(self, z: Any, labels: Any) -> np.ndarray[Any, Any]:
        """The mean images x̂ in [0, 1] of latent points z (N, d) and classes (N,)."""

        def mean_image(chosen: Any) -> Tensor:
            y = self.one_hot(np.asarray(labels)[chosen])
            return sigmoid(self.decoder(given(self.tensor(np.asarray(z)[chosen]), y)))

        return in_chunks(mean_image, np.arange(len(z)), 1000)

    def image_network(self) -> ImageNetwork:
        latent, classes = self.config.latent, self.classes
        return ImageNetwork(self.decoder, latent, categories=classes, logits=True)


def build(config: Config, setup: Setup, rng: Rng) -> CVAE:
    """A CVAE ready to train. Raises UsageError if there are no classes."""
    classes = wants_labels(setup, "cvae")
    encoder, decoder = setup.place(*mlp(setup.shape, config.latent, classes, rng))
    opt = Adam([*encoder.parameters(), *decoder.parameters()], lr=config.lr)
    return CVAE(classes, encoder, decoder, opt, config)
