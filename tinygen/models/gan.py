"""Generative adversarial nets. Goodfellow et al. 2014, arXiv:1406.2661.

A generator G turns noise z ~ N(0, I) into images, a discriminator D gives the probability that an
image is real, and the two play for the value

    min_G max_D V(D, G) = E_x[log D(x)] + E_z[log(1 - D(G(z)))]                     (equation 1)

Algorithm 1, with Adam for both players and one step each (k = 1): on a batch x and noise z

    D ascends its stochastic gradient     mean[log D(x) + log(1 - D(G(z)))]
    G descends                            mean[log(1 - D(G(z)))]         "saturating", as printed
    or ascends                            mean[log D(G(z))]              "non-saturating", section 3

The second form has the same fixed point, but strong gradients where D is sure to reject G(z).

With one-sided label smoothing (Salimans et al. 2016, arXiv:1606.03498, section 3.4) D is to give
real images α, not 1, and so never becomes sure of them:

    D ascends     mean[α log D(x) + (1 - α) log(1 - D(x)) + log(1 - D(G(z)))]

And with two time scales (Heusel et al. 2017, arXiv:1706.08500) its learning rate is another one
than G's, --lr-ratio times that. For DCGAN's networks α is 0.9 and the ratio 1/2 by default, which
makes better digits; else both are 1, which is algorithm 1.

Our D returns the logit a, with D(x) = σ(a), so that both logarithms are exact where σ saturates:

    log D = log σ(a)          log(1 - D) = log σ(-a)          log σ(a) = -softplus(-a)

Images are (N, H, W, C) in [-1, 1], as G ends in tanh; z is (N, 100).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..autodiff import grad
from ..core import Tensor, no_grad
from ..device import Array
from ..nn import Module, Sequential, dense
from ..nn.init import Rng
from ..ops import leaky_relu, log_sigmoid, mean, sigmoid, tanh
from ..optim import Adam
from . import config
from .config import COUNT, FRACTION, POSITIVE, SHARE, one_of, option, option_of
from .dcgan import dcgan, deep
from .model import Inputs, Setup
from .players import LATENT, Players, adams, averaged, fake, noise

LOSSES = ("non-saturating", "saturating")


def log_D(a: Tensor) -> Tensor:
    """log D = log σ(a)."""
    return log_sigmoid(a)


def log_1_minus_D(a: Tensor) -> Tensor:
    """log(1 - D) = log(1 - σ(a)) = log σ(-a)."""
    return log_sigmoid(-a)


class Value(NamedTuple):
    """V(D, G) on a batch, in nats, and the means of D on real and on generated images."""

    V: Tensor
    D_x: Tensor
    D_Gz: Tensor


def value(D: Module, G: Module, x: Tensor, z: Tensor, *, alpha: float = 1.0) -> Value:
    """Equation 1's V(D, G), as a function of D: G(z) is a constant here. α: of label smoothing."""
    return value_of(D, x, fake(G, z), alpha=alpha)


def value_of(D: Module, x: Tensor, x_hat: Tensor, *, alpha: float = 1.0) -> Value:
    """The same of images x̂ that G made.

    D sees real and generated images as two batches (its batch norm normalises each alone).
    """
    a, a_hat = D(x, train=True), D(x_hat, train=True)
    real = alpha * log_D(a) + (1 - alpha) * log_1_minus_D(a) if alpha != 1 else log_D(a)
    V = mean(real) + mean(log_1_minus_D(a_hat))
    with no_grad():
        return Value(V, mean(sigmoid(a)), mean(sigmoid(a_hat)))


def generator_loss(D: Module, G: Module, z: Tensor, *, loss: str) -> Tensor:
    """What G descends: mean log(1 - D(G(z))), or mean -log D(G(z)). A scalar, in nats."""
    return loss_of_G(D(G(z, train=True), train="frozen"), loss=loss)


def loss_of_G(a_hat: Tensor, *, loss: str) -> Tensor:
    """The same of D's logits on G's images."""
    if loss == "saturating":
        return mean(log_1_minus_D(a_hat))
    if loss == "non-saturating":
        return -mean(log_D(a_hat))
    raise ValueError(f"generator_loss: wanted one of {', '.join(LOSSES)}, got {loss!r}")


def mlp(shape: tuple[int, ...], rng: Rng) -> tuple[Sequential, Sequential]:
    """G 100-256-512-784 (tanh) and D 784-512-256-1 (leaky ReLU, slope 0.01), for `shape`'s size."""
    G = dense(LATENT, 256, 512, shape, activation=tanh, last=tanh, rng=rng)
    D = dense(shape, 512, 256, 1, activation=partial(leaky_relu, slope=0.01), rng=rng)
    return G, D


NETWORKS = {"mlp": mlp, "dcgan": dcgan, "deep": deep}


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    arch: str = option("dcgan", one_of(NETWORKS), "the networks")
    loss: str = option("non-saturating", one_of(LOSSES), "what G descends")
    lr: float = option(8e-4, POSITIVE, "Adam's learning rate")
    lr_ratio: float = option_of(
        "arch",
        {"dcgan": 0.5, "mlp": 1.0, "deep": 1.0},
        POSITIVE,
        "D's learning rate over G's",
        before=1.0,
    )
    beta1: float = option(0.5, FRACTION, "Adam's β₁")
    alpha: float = option_of(
        "arch",
        {"dcgan": 0.9, "mlp": 1.0, "deep": 1.0},
        SHARE,
        "what D is to give real images, below 1 by label smoothing",
        before=1.0,
    )
    generator_steps: int = option(1, COUNT, "steps of G for each of D")
    ema: float = option_of(
        "arch",
        {"dcgan": 0.998, "deep": 0.99},
        FRACTION,
        "decay of the average of G's weights, which draws; 0: G itself does",
        before=0.0,
    )


@dataclass
class GAN(Players):
    """`update` is one round of algorithm 1.

    Many generator_steps let G run away to what this one D likes best (section 3's "Helvetica
    scenario"): it collapses.
    """

    config: Config = Config(alpha=1.0)  # for networks of one's own: algorithm 1 as printed
    PANELS = (("loss (nats)", ("loss_D", "loss_G")), ("probability", ("D_x", "D_Gz")))

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images, and noise: z_D (N, 100) for D's step, z_G (steps, N, 100) for G's."""
        z_D = noise(len(x), rng)
        z_G = np.stack([noise(len(x), rng) for _ in range(self.config.generator_steps)])
        return {"x": x, "z_D": z_D, "z_G": z_G}

    def update(self, x: Array, z_D: Array, z_G: Any) -> dict[str, Tensor]:
        """D's step on images x (N, H, W, C), then G's."""
        x, z_D = self.tensor(x), self.tensor(z_D)
        V, D_x, D_Gz = value(self.D, self.G, x, z_D, alpha=self.config.alpha)
        self.opt_D.step(grad(-V, self.opt_D.params))
        for z in z_G:
            loss_G = generator_loss(self.D, self.G, self.tensor(z), loss=self.config.loss)
            self.descend(loss_G)
        return {"loss_D": -V, "loss_G": loss_G, "D_x": D_x, "D_Gz": D_Gz}


def build(config: Config, setup: Setup, rng: Rng) -> GAN:
    """A GAN ready to train. Raises UsageError for a shape that the arch cannot make."""
    G, D = setup.place(*NETWORKS[config.arch](setup.shape, rng))
    return GAN(G, D, *optimisers(G, D, config), config, average=averaged(G, config.ema))


def optimisers(G: Module, D: Module, config: Config) -> tuple[Adam, Adam]:
    """An Adam for G and one for D, each with its rate."""
    (of_G,) = adams(G, lr=config.lr, beta1=config.beta1)
    (of_D,) = adams(D, lr=config.lr * config.lr_ratio, beta1=config.beta1)
    return of_G, of_D
