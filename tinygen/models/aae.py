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

Images are (N, H, W, C) in [-1, 1] (`RANGE`), as the decoder ends in tanh; z is (N, 2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..autodiff import grad
from ..core import Tensor, no_grad, tensor
from ..errors import UsageError
from ..nn import BatchNorm, Linear, Module, Sequential, in_chunks
from ..nn.init import Rng, he
from ..ops import concatenate, mean, one_hot, relu, reshape, sigmoid, sum, tanh
from ..optim import Adam, Optimizer
from .gan import log_1_minus_D, log_D
from .priors import EXTENT, PARTS, PRIORS

RANGE = (-1.0, 1.0)


def reconstruction_loss(E: Module, decoder: Module, x: Tensor) -> Tensor:
    """mean ‖x - decoder(E(x))‖² over the batch: a scalar.

    E's running statistics stay here: they move in the other phase, once a batch, where E is one
    update nearer to what they will be used with.
    """
    error = x - decoder(E(x, train="frozen"), train=True)
    return sum(error * error) * (1 / len(x))


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


def given(z: Tensor, y: Tensor | None) -> Tensor:
    """What D sees: z, or [z, y]."""
    return z if y is None else concatenate([z, y], axis=1)


@dataclass
class AAE:
    """The three networks and their optimisers; `step` is both phases on a batch."""

    E: Module
    decoder: Module
    D: Module
    opt_reconstruction: Optimizer
    opt_D: Optimizer
    opt_E: Optimizer
    prior: str = "swiss_roll"
    classes: int = 0  # that D is told apart; 0: it sees z alone

    @property
    def device(self) -> str:
        """Where the networks are: "cpu" or "cuda"."""
        return self.opt_D.params[0].device

    def step(self, x: Any, rng: Rng, labels: Any = None) -> dict[str, Tensor]:
        """Both phases on images x (N, H, W, C) in [-1, 1]; labels (N,) if D sees them."""
        if (labels is None) != (self.classes == 0):
            wanted = f"{len(x)} labels" if self.classes else "no labels"
            got = "none" if labels is None else np.shape(labels)
            raise UsageError(f"aae: wanted {wanted}, got {got}")
        x = tensor(x, device=self.device)
        z = tensor(self.draw(len(x), rng, labels), device=self.device)
        y = one_hot(labels, self.classes).to(self.device) if self.classes else None

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

    def networks(self) -> dict[str, Module]:
        """The networks by name."""
        return {"E": self.E, "decoder": self.decoder, "D": self.D}

    def parts(self) -> dict[str, Module | Optimizer]:
        """What a checkpoint holds, by name."""
        return {
            **self.networks(),
            "opt_reconstruction": self.opt_reconstruction,
            "opt_D": self.opt_D,
            "opt_E": self.opt_E,
        }

    def draw(self, n: int, rng: Rng, labels: Any = None) -> np.ndarray[Any, Any]:
        """n points of the prior, each from its label's part if there are labels: (n, 2)."""
        return PRIORS[self.prior](n, rng, labels, self.classes or PARTS)

    def encode(self, x: Any, *, chunk: int = 1000) -> np.ndarray[Any, Any]:
        """The codes of images x in [-1, 1], with the running statistics of batch norm: (N, 2)."""
        return self._through(self.E, x, chunk)

    def decode(self, z: Any, *, chunk: int = 1000) -> np.ndarray[Any, Any]:
        """The images in [-1, 1] of points z (N, 2): (N, H, W, C)."""
        return self._through(self.decoder, z, chunk)

    def _through(self, network: Module, x: Any, chunk: int) -> np.ndarray[Any, Any]:
        return in_chunks(
            lambda part: network(tensor(part, device=self.device), train=False), x, chunk
        )

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """n images in [-1, 1] of points drawn from the prior."""
        return self.decode(self.draw(n, rng))


def mlp(shape: tuple[int, ...], classes: int, rng: Rng) -> tuple[Module, Module, Module]:
    """(E, decoder, D): 784-512-512-2, 2-512-512-784 (tanh) and (2 + classes)-512-256-1, ReLU.

    A ReLU of z bends where w·z + b = 0. Were all b = 0, as elsewhere, D could bend at the origin
    only, and would be blind to a roll for the first thousands of steps: so they begin spread out
    over the prior. He's weights keep D's units from dying in the first ones.
    """
    size = math.prod(shape)
    E = Sequential(
        lambda x: reshape(x, -1, size),
        *(Linear(size, 512, rng=rng), relu),
        *(Linear(512, 512, rng=rng), BatchNorm(512), relu),
        Linear(512, 2, rng=rng),
    )
    decoder = Sequential(
        *(Linear(2, 512, rng=rng), relu),
        *(Linear(512, 512, rng=rng), BatchNorm(512), relu),
        *(Linear(512, size, rng=rng), tanh),
        lambda x: reshape(x, -1, *shape),
    )
    first = Linear(2 + classes, 512, rng=rng, init=he)
    first.bias = tensor(rng.uniform(-EXTENT, EXTENT, 512), requires_grad=True)
    D = Sequential(
        *(first, relu),
        *(Linear(512, 256, rng=rng, init=he), relu),
        Linear(256, 1, rng=rng, init=he),
    )
    return E, decoder, D


def build(config: Mapping[str, Any], rng: Rng) -> AAE:
    """An AAE ready to train. The game has DCGAN's β₁ = 0.5: with 0.9 the codes circle the prior.

    config: "shape" (H, W, C) of the images, "prior" (a name in PRIORS), "labels" (whether D sees
    them), "classes" (how many there are), "lr" of the reconstruction phase, "lr_game" of the
    other, "device".
    Raises UsageError for an unknown prior, or labels of no class.
    """
    if config["prior"] not in PRIORS:
        raise UsageError(f"aae: wanted prior {' or '.join(PRIORS)}, got {config['prior']!r}")
    if config["labels"] and not config["classes"] >= 1:
        raise UsageError(f"aae: wanted labels of 1 or more classes, got {config['classes']}")
    classes = config["classes"] if config["labels"] else 0
    networks = mlp(tuple(config["shape"]), classes, rng)
    E, decoder, D = (network.to(config["device"]) for network in networks)
    opt_reconstruction = Adam([*E.parameters(), *decoder.parameters()], lr=config["lr"])
    opt_D, opt_E = (Adam(n.parameters(), lr=config["lr_game"], betas=(0.5, 0.999)) for n in (D, E))
    return AAE(
        *(E, decoder, D, opt_reconstruction, opt_D, opt_E),
        prior=config["prior"],
        classes=classes,
    )
