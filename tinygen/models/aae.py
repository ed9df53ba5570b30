"""Adversarial autoencoder. Makhzani et al. 2015, arXiv:1511.05644.

An autoencoder whose codes follow a prior p(z) that is only known by its samples. A deterministic
encoder E turns the images' distribution p_d(x) into the aggregated posterior

    q(z) = ∫ q(z|x) p_d(x) dx,  the distribution of E(x)                              (section 2)

and is the generator of a game, `gan.py`'s, in which D tells samples of p(z) from codes:

    min_E max_D V(D, E) = E_z~p(z)[log D(z)] + E_x~p_d[log(1 - D(E(x)))]

On each batch x of images and z of the prior there are two phases,

    reconstruction    E and the decoder descend   mean ‖x - decoder(E(x))‖²
    regularisation    D ascends                   mean[log D(z) + log(1 - D(E(x)))]
                      E ascends                   mean log D(E(x))              "non-saturating"

The squared error is summed over an image's pixels and channels. Each phase has its own Adam, E
thus two. As Adam's steps do not depend on a loss's scale, what weighs the phases against each
other is their learning rates: with equal ones the codes reconstruct better than they keep to p(z).

With labels y (section 2.3) D sees [z, one-hot(y)], z being drawn from y's part of the prior
(`priors.py`): each class gets its own place. E and the decoder never see y.

Images are (N, H, W, C) in [-1, 1], as the decoder ends in tanh; z is (N, 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..autodiff import grad
from ..core import Tensor, no_grad, tensor
from ..device import Array
from ..errors import UsageError
from ..nn import BatchNorm, Linear, Module, Sequential, dense, in_chunks
from ..nn.init import Rng, he
from ..ops import mean, one_hot, relu, sigmoid, squared_error, tanh
from ..optim import Adam, Optimizer
from . import config
from .config import POSITIVE, SWITCH, one_of, option
from .gan import log_1_minus_D, log_D
from .model import ImageNetwork, Inputs, Model, Setup
from .players import given
from .priors import EXTENT, PARTS, PRIORS


def reconstruction_loss(E: Module, decoder: Module, x: Tensor) -> Tensor:
    """mean ‖x - decoder(E(x))‖² over the batch: a scalar.

    E's running statistics stay here: they move in the other phase, once a batch, where E is one
    update nearer to what they will be used with.
    """
    return mean(squared_error(x, decoder(E(x, train="frozen"), train=True)))


class Value(NamedTuple):
    """V(D, E) on a batch, in nats, and the means of D on the prior's samples and on codes."""

    V: Tensor
    D_z: Tensor
    D_Ex: Tensor


def value(D: Module, z: Tensor, codes: Tensor, y: Tensor | None = None) -> Value:
    """V(D, E) as a function of D: the codes E(x) are constants here. y: one-hot labels of both."""
    a, a_code = D(given(z, y)), D(given(codes.detach(), y))
    V = mean(log_D(a)) + mean(log_1_minus_D(a_code))
    with no_grad():
        return Value(V, mean(sigmoid(a)), mean(sigmoid(a_code)))


def encoder_loss(D: Module, codes: Tensor, y: Tensor | None = None) -> Tensor:
    """What E descends: mean -log D(E(x)). A scalar, in nats."""
    return -mean(log_D(D(given(codes, y))))


def mlp(shape: tuple[int, ...], classes: int, rng: Rng) -> tuple[Module, Module, Module]:
    """(E, decoder, D): 784-512-512-2, 2-512-512-784 (tanh) and (2 + classes)-512-256-1, ReLU.

    A ReLU of z bends where w·z + b = 0. Were all b = 0, as elsewhere, D could bend at the origin
    only, and would be blind to a roll for the first thousands of steps: so they begin spread out
    over the prior. He's weights keep D's units from dying in the first ones.
    """
    norms = (None, BatchNorm)  # of the second hidden layer
    E = dense(shape, 512, 512, 2, activation=relu, norms=norms, rng=rng)
    decoder = dense(2, 512, 512, shape, activation=relu, norms=norms, last=tanh, rng=rng)
    first = Linear(2 + classes, 512, rng=rng, init=he)
    first.bias = tensor(rng.uniform(-EXTENT, EXTENT, 512), requires_grad=True)
    others = dense(512, 256, 1, activation=relu, init=he, rng=rng)
    D = Sequential(first, relu, *others.layers)
    return E, decoder, D


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    prior: str = option("swiss_roll", one_of(PRIORS), "p(z)")
    labels: bool = option(False, SWITCH, "let the discriminator see the labels")
    lr: float = option(2e-4, POSITIVE, "Adam's learning rate of the reconstruction")
    lr_game: float = option(5e-4, POSITIVE, "Adam's learning rate of D and E's game")


@dataclass
class AAE(Model):
    """The three networks and their optimisers; `update` is both phases on a batch."""

    E: Module
    decoder: Module
    D: Module
    opt_reconstruction: Optimizer
    opt_D: Optimizer
    opt_E: Optimizer
    config: Config = Config()
    classes: int = 0  # that D is told apart; 0: it sees z alone
    PANELS = (
        ("squared error per image", ("reconstruction",)),
        ("loss (nats)", ("loss_D", "loss_E")),
        ("probability", ("D_z", "D_Ex")),
    )

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images, z (N, 2) from the prior; y, the labels (N,), if D sees them."""
        if not self.classes:
            return {"x": x, "z": self.draw_prior(len(x), rng)}
        if labels is None:
            raise UsageError(f"aae: wanted {len(x)} labels, got none")
        return {"x": x, "z": self.draw_prior(len(x), rng, labels), "y": labels}

    def update(self, x: Array, z: Array, y: Array | None = None) -> dict[str, Tensor]:
        """Both phases on images x (N, H, W, C) in [-1, 1]."""
        x, z = self.tensor(x), self.tensor(z)
        y = None if y is None else self.tensor(one_hot(y, self.classes))

        reconstruction = reconstruction_loss(self.E, self.decoder, x)
        self.opt_reconstruction.step(grad(reconstruction, self.opt_reconstruction.params))

        codes = self.E(x, train=True)
        V, D_z, D_Ex = value(self.D, z, codes, y)
        self.opt_D.step(grad(-V, self.opt_D.params))
        loss_E = encoder_loss(self.D, codes, y)
        self.opt_E.step(grad(loss_E, self.opt_E.params))
        return {
            "reconstruction": reconstruction,
            "loss_D": -V,
            "loss_E": loss_E,
            "D_z": D_z,
            "D_Ex": D_Ex,
        }

    def draw_prior(self, n: int, rng: Rng, labels: Any = None) -> np.ndarray[Any, Any]:
        """n points of the prior, each from its label's part if there are labels: (n, 2)."""
        return PRIORS[self.config.prior](n, rng, labels, self.classes or PARTS)

    def encode(self, x: Any, *, chunk: int = 1000) -> np.ndarray[Any, Any]:
        """The codes of images x in [-1, 1], with the running statistics of batch norm: (N, 2)."""
        return in_chunks(lambda part: self.E(self.tensor(part), train=False), x, chunk)

    def decode(self, z: Any, *, chunk: int = 1000) -> np.ndarray[Any, Any]:
        """The images in [-1, 1] of points z (N, 2): (N, H, W, C)."""
        return in_chunks(lambda part: self.decoder(self.tensor(part), train=False), z, chunk)

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """n images in [-1, 1] of points drawn from the prior."""
        return self.decode(self.draw_prior(n, rng))

    def image_network(self) -> ImageNetwork:
        return ImageNetwork(self.decoder, 2, extent=EXTENT)


def build(config: Config, setup: Setup, rng: Rng) -> AAE:
    """An AAE ready to train. The game has DCGAN's β₁ = 0.5: with 0.9 the codes circle the prior.

    Raises UsageError for labels of no class.
    """
    if config.labels and not setup.classes >= 1:
        raise UsageError(f"aae: wanted labels of 1 or more classes, got {setup.classes}")
    classes = setup.classes if config.labels else 0
    E, decoder, D = setup.place(*mlp(setup.shape, classes, rng))
    opt_reconstruction = Adam([*E.parameters(), *decoder.parameters()], lr=config.lr)
    opt_D, opt_E = (Adam(n.parameters(), lr=config.lr_game, betas=(0.5, 0.999)) for n in (D, E))
    return AAE(E, decoder, D, opt_reconstruction, opt_D, opt_E, config, classes)
