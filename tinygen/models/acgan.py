"""Auxiliary classifier GAN. Odena, Olah & Shlens 2016, arXiv:1610.09585.

G is told the class y of the image that it shall make. D is not: it has to say of each image both
whether it is real, P(S|x), and of which class, P(C|x). With x̃ = G(z, y),

    L_S = E[log P(S = real | x)] + E[log P(S = fake | x̃)]                           (equation 2)
    L_C = E[log P(C = y | x)] + E[log P(C = y | x̃)]                                 (equation 3)

    D ascends   L_S + L_C
    G ascends   L_C - L_S                                               "saturating", as printed
    or          L_C + E[log P(S = real | x̃)]                            "non-saturating"

As L_S's first term does not depend on G, the printed form is G ascending E[log P(C = y | x̃)] minus
E[log P(S = fake | x̃)]. D returns logits (N, 1 + classes): a, with P(S = real) = σ(a), and those of
the classes' softmax. Its two answers share all layers but the last.

Images are (N, H, W, C) in [-1, 1], as G ends in tanh; z is (N, 100), y one-hot (N, classes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..autodiff import grad
from ..core import Tensor, no_grad
from ..device import Array
from ..nn import Module
from ..nn.init import Rng
from ..ops import log_softmax, mean, sigmoid, sum
from . import config
from .conditional import ConditionalPlayers, wants_labels
from .config import FRACTION, POSITIVE, one_of, option
from .dcgan import dcgan
from .gan import LOSSES, log_1_minus_D, log_D
from .model import Setup
from .players import adams, given


def answers(logits: Tensor) -> tuple[Tensor, Tensor]:
    """(a, the classes' logits): what D says of the source, (N, 1), and of the class."""
    return logits[:, :1], logits[:, 1:]


def log_P_class(logits: Tensor, y: Tensor) -> Tensor:
    """log P(C = y | x) by the softmax of the classes' logits, (N,)."""
    return sum(y * log_softmax(logits), axis=1)


class Values(NamedTuple):
    """L_S and L_C on a batch, in nats; the means of P(S = real) on real and generated images; the
    shares of them whose class D tells."""

    L_S: Tensor
    L_C: Tensor
    D_x: Tensor
    D_Gz: Tensor
    right_x: Tensor
    right_Gz: Tensor


def values(D: Module, G: Module, x: Tensor, y: Tensor, z: Tensor) -> Values:
    """L_S and L_C as functions of D: G(z, y) is a constant here."""
    with no_grad():
        x_fake = G(given(z, y), train="frozen")
    a, c = answers(D(x, train=True))
    a_fake, c_fake = answers(D(x_fake, train=True))
    L_S = mean(log_D(a)) + mean(log_1_minus_D(a_fake))
    L_C = mean(log_P_class(c, y)) + mean(log_P_class(c_fake, y))
    with no_grad():
        means = mean(sigmoid(a)), mean(sigmoid(a_fake))
        return Values(L_S, L_C, *means, right(c, y), right(c_fake, y))


def right(logits: Tensor, y: Tensor) -> Tensor:
    """The share of samples whose class has the largest logit: a scalar."""
    return mean(sum(y * (logits.data == logits.data.max(axis=1, keepdims=True)), axis=1))


def generator_loss(D: Module, G: Module, y: Tensor, z: Tensor, *, loss: str) -> Tensor:
    """What G descends: minus what it ascends. A scalar, in nats."""
    a_fake, c_fake = answers(D(G(given(z, y), train=True), train="frozen"))
    L_C = mean(log_P_class(c_fake, y))
    if loss == "saturating":
        return mean(log_1_minus_D(a_fake)) - L_C
    if loss == "non-saturating":
        return -mean(log_D(a_fake)) - L_C
    raise ValueError(f"generator_loss: wanted one of {', '.join(LOSSES)}, got {loss!r}")


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    loss: str = option("non-saturating", one_of(LOSSES), "what G descends")
    lr: float = option(8e-4, POSITIVE, "Adam's learning rate")
    beta1: float = option(0.5, FRACTION, "Adam's β₁")


@dataclass
class ACGAN(ConditionalPlayers):
    """G, D and their optimisers; `update` is one step of each."""

    config: Config = Config()
    PANELS = (
        ("loss (nats)", ("loss_D", "loss_G")),
        ("probability", ("D_x", "D_Gz")),
        ("share whose class D tells", ("right_x", "right_Gz")),
    )

    def update(self, x: Array, y: Array, z_D: Array, z_G: Array) -> dict[str, Tensor]:
        """D's step on images x (N, H, W, C) of the classes y (N,), then G's."""
        x, y = self.tensor(x), self.one_hot(y)
        v = values(self.D, self.G, x, y, self.tensor(z_D))
        loss_D = -(v.L_S + v.L_C)
        self.opt_D.step(grad(loss_D, self.opt_D.params))
        loss_G = generator_loss(self.D, self.G, y, self.tensor(z_G), loss=self.config.loss)
        self.opt_G.step(grad(loss_G, self.opt_G.params))
        return {"loss_D": loss_D, "loss_G": loss_G, **v._asdict()}


def build(config: Config, setup: Setup, rng: Rng) -> ACGAN:
    """An ACGAN of DCGAN's networks. UsageError without classes, or for a shape they cannot make."""
    classes = wants_labels(setup, "acgan")
    G, D = setup.place(*dcgan(setup.shape, rng, told=classes, outputs=1 + classes))
    opt_G, opt_D = adams(G, D, lr=config.lr, beta1=config.beta1)
    return ACGAN(classes, G, D, opt_G, opt_D, config)
