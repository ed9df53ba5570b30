"""Conditional generative adversarial nets. Mirza & Osindero 2014, arXiv:1411.1784.

Both players are told the class y that an image should be of:

    min_G max_D V(D, G) = E_x[log D(x|y)] + E_z[log(1 - D(G(z|y)|y))]                (equation 2)

The y of a real image is its label, that of a generated one is what G was asked for: here the labels
of the batch. On a batch x of classes y and noise z ~ N(0, I), as in `gan.py`,

    D ascends                mean[log D(x|y) + log(1 - D(G(z|y)|y))]
    G descends               mean[log(1 - D(G(z|y)|y))]                "saturating", as printed
    or ascends               mean[log D(G(z|y)|y)]                     "non-saturating"

G sees [z, y] and D [x, y], y one-hot (N, classes). With D = σ(a), a the logit; `gan.py` has the
logarithms. D's hidden layers come after the join, so that it can learn which x belong to which y.

Images are (N, H, W, C) in [-1, 1], as G ends in tanh; z is (N, 100).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..autodiff import grad
from ..core import Tensor, no_grad
from ..device import Array
from ..nn import BatchNorm, Module, dense
from ..nn.init import Rng
from ..ops import leaky_relu, mean, relu, reshape, sigmoid, tanh
from . import config
from .conditional import ConditionalPlayers, wants_labels
from .config import FRACTION, POSITIVE, one_of, option
from .gan import LOSSES, Value, log_1_minus_D, log_D
from .model import Setup
from .players import LATENT, adams, given


def generated(G: Module, z: Tensor, y: Tensor, train: Any) -> Tensor:
    """G(z|y)."""
    return G(given(z, y), train=train)


def judged(D: Module, x: Tensor, y: Tensor, train: Any) -> Tensor:
    """The logit a of D(x|y) = σ(a), (N, 1)."""
    return D(given(reshape(x, len(x), -1), y), train=train)


def value(D: Module, G: Module, x: Tensor, y: Tensor, z: Tensor) -> Value:
    """Equation 2's V(D, G), as a function of D: G(z|y) is a constant here."""
    with no_grad():
        x_hat = generated(G, z, y, "frozen")
    a, a_hat = judged(D, x, y, True), judged(D, x_hat, y, True)
    V = mean(log_D(a)) + mean(log_1_minus_D(a_hat))
    with no_grad():
        return Value(V, mean(sigmoid(a)), mean(sigmoid(a_hat)))


def generator_loss(D: Module, G: Module, y: Tensor, z: Tensor, *, loss: str) -> Tensor:
    """What G descends: mean log(1 - D(G(z|y)|y)), or mean -log D(G(z|y)|y). In nats."""
    a_hat = judged(D, generated(G, z, y, True), y, "frozen")
    if loss == "saturating":
        return mean(log_1_minus_D(a_hat))
    if loss == "non-saturating":
        return -mean(log_D(a_hat))
    raise ValueError(f"generator_loss: wanted one of {', '.join(LOSSES)}, got {loss!r}")


def mlp(shape: tuple[int, ...], classes: int, rng: Rng) -> tuple[Module, Module]:
    """G (100 + classes)-256-512-784: batch norm, ReLU, tanh. D (784 + classes)-512-256-1: leaky."""
    size = math.prod(shape)
    leaky, norms = partial(leaky_relu, slope=0.2), (BatchNorm, BatchNorm)
    G = dense(LATENT + classes, 256, 512, shape, activation=relu, norms=norms, last=tanh, rng=rng)
    D = dense(size + classes, 512, 256, 1, activation=leaky, rng=rng)
    return G, D


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    loss: str = option("non-saturating", one_of(LOSSES), "what G descends")
    lr: float = option(4e-4, POSITIVE, "Adam's learning rate")
    beta1: float = option(0.5, FRACTION, "Adam's β₁")


@dataclass
class CGAN(ConditionalPlayers):
    """G, D and their optimisers; `update` is one step of each."""

    config: Any = Config()
    PANELS = (("loss (nats)", ("loss_D", "loss_G")), ("probability", ("D_x", "D_Gz")))

    def update(self, x: Array, y: Array, z_D: Array, z_G: Array) -> dict[str, Tensor]:
        """D's step on images x (N, H, W, C) of the classes y (N,), then G's."""
        x, y = self.tensor(x), self.one_hot(y)
        V, D_x, D_Gz = value(self.D, self.G, x, y, self.tensor(z_D))
        self.opt_D.step(grad(-V, self.opt_D.params))
        loss_G = generator_loss(self.D, self.G, y, self.tensor(z_G), loss=self.config.loss)
        self.opt_G.step(grad(loss_G, self.opt_G.params))
        return {"loss_D": -V, "loss_G": loss_G, "D_x": D_x, "D_Gz": D_Gz}


def build(config: Config, setup: Setup, rng: Rng) -> CGAN:
    """A CGAN ready to train. Raises UsageError if there are no classes."""
    classes = wants_labels(setup, "cgan")
    G, D = setup.place(*mlp(setup.shape, classes, rng))
    opt_G, opt_D = adams(G, D, lr=config.lr, beta1=config.beta1)
    return CGAN(classes, G, D, opt_G, opt_D, config)
