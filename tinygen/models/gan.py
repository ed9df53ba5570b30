"""Generative adversarial nets. Goodfellow et al. 2014, arXiv:1406.2661.

A generator G turns noise z ~ N(0, I) into images, a discriminator D gives the probability that an
image is real, and the two play for the value

    min_G max_D V(D, G) = E_x[log D(x)] + E_z[log(1 - D(G(z)))]                     (equation 1)

Algorithm 1, with Adam for both players and one step each (k = 1): on a batch x and noise z

    D ascends its stochastic gradient     mean[log D(x) + log(1 - D(G(z)))]
    G descends                            mean[log(1 - D(G(z)))]         "saturating", as printed
    or ascends                            mean[log D(G(z))]              "non-saturating", section 3

The second form has the same fixed point, but strong gradients where D is sure to reject G(z).

Our D returns the logit a, with D(x) = σ(a), so that both logarithms are exact where σ saturates:

    log D = log σ(a)          log(1 - D) = log σ(-a)          log σ(a) = -softplus(-a)

Images are (N, H, W, C) in [-1, 1] (`RANGE`), as G ends in tanh; z is (N, 100).
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
from ..nn import Linear, Module, Sequential, in_chunks
from ..nn.init import Rng
from ..ops import leaky_relu, log_sigmoid, mean, reshape, sigmoid, tanh
from ..optim import Adam, Optimizer
from .dcgan import LATENT, dcgan

RANGE = (-1.0, 1.0)
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


def value(D: Module, G: Module, x: Tensor, z: Tensor) -> Value:
    """Equation 1's V(D, G), as a function of D: G(z) is a constant here.

    D sees real and generated images as two batches (its batch norm normalises each alone).
    """
    with no_grad():
        x_hat = G(z, train="frozen")
    a, a_hat = D(x, train=True), D(x_hat, train=True)
    V = mean(log_D(a)) + mean(log_1_minus_D(a_hat))
    with no_grad():
        return Value(V, mean(sigmoid(a)), mean(sigmoid(a_hat)))


def generator_loss(D: Module, G: Module, z: Tensor, *, loss: str = "non-saturating") -> Tensor:
    """What G descends: mean log(1 - D(G(z))), or mean -log D(G(z)). A scalar, in nats."""
    a_hat = D(G(z, train=True), train="frozen")
    if loss == "saturating":
        return mean(log_1_minus_D(a_hat))
    if loss == "non-saturating":
        return -mean(log_D(a_hat))
    raise ValueError(f"generator_loss: wanted one of {', '.join(LOSSES)}, got {loss!r}")


@dataclass
class Players:
    """G, D and their optimisers: what any game of the two has in common."""

    G: Module
    D: Module
    opt_G: Optimizer
    opt_D: Optimizer

    @property
    def device(self) -> str:
        """Where the networks are: "cpu" or "cuda"."""
        return self.opt_G.params[0].device

    def networks(self) -> dict[str, Module]:
        """The networks by name."""
        return {"G": self.G, "D": self.D}

    def parts(self) -> dict[str, Module | Optimizer]:
        """What a checkpoint holds, by name."""
        return {**self.networks(), "opt_G": self.opt_G, "opt_D": self.opt_D}

    def generate(self, z: Tensor, *, chunk: int = 256) -> np.ndarray[Any, Any]:
        """Images G(z) in [-1, 1], (N, H, W, C), with the running statistics of batch norm."""
        return in_chunks(lambda part: self.G(part, train=False), z.to(self.device), chunk)

    def noise(self, n: int, rng: Rng) -> Tensor:
        """`noise`, where the networks are."""
        return noise(n, rng).to(self.device)

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """n images in [-1, 1] from fresh noise."""
        return self.generate(noise(n, rng))


@dataclass
class GAN(Players):
    """`step` is one round of algorithm 1."""

    loss: str = "non-saturating"
    generator_steps: int = 1

    def step(self, x: Any, rng: Rng) -> dict[str, Tensor]:
        """D's step on images x (N, H, W, C) in [-1, 1], then G's, each with fresh noise.

        Many generator_steps let G run away to what this one D likes best (section 3's "Helvetica
        scenario"): it collapses.
        """
        x = tensor(x, device=self.device)
        V, D_x, D_Gz = value(self.D, self.G, x, self.noise(len(x), rng))
        self.opt_D.step(grad(-V, self.opt_D.params))
        for _ in range(self.generator_steps):
            loss_G = generator_loss(self.D, self.G, self.noise(len(x), rng), loss=self.loss)
            self.opt_G.step(grad(loss_G, self.opt_G.params))
        return {"loss_D": -V, "loss_G": loss_G, "D_x": D_x, "D_Gz": D_Gz}


def noise(n: int, rng: Rng) -> Tensor:
    """z ~ N(0, I), (n, 100)."""
    return tensor(rng.standard_normal((n, LATENT)))


def mlp(shape: tuple[int, ...], rng: Rng) -> tuple[Module, Module]:
    """G 100-256-512-784 (tanh) and D 784-512-256-1 (leaky ReLU, slope 0.01), for `shape`'s size."""
    size = math.prod(shape)
    G = Sequential(
        *(Linear(LATENT, 256, rng=rng), tanh),
        *(Linear(256, 512, rng=rng), tanh),
        *(Linear(512, size, rng=rng), tanh),
        lambda x: reshape(x, -1, *shape),
    )
    D = Sequential(
        lambda x: reshape(x, -1, size),
        *(Linear(size, 512, rng=rng), lambda x: leaky_relu(x, slope=0.01)),
        *(Linear(512, 256, rng=rng), lambda x: leaky_relu(x, slope=0.01)),
        Linear(256, 1, rng=rng),
    )
    return G, D


NETWORKS = {"mlp": mlp, "dcgan": dcgan}


def build(config: Mapping[str, Any], rng: Rng) -> GAN:
    """A GAN ready to train, with Adam for both players.

    config: "arch" ("mlp" or "dcgan"), "shape" (H, W, C) of the images, "loss", "lr", "beta1"
    (DCGAN's is 0.5), "generator_steps", "device".
    Raises UsageError for an unknown arch or loss, a number out of range, or a shape that the arch
    cannot make.
    """
    arch, loss, beta1, steps = (config[k] for k in ("arch", "loss", "beta1", "generator_steps"))
    if not 0 <= beta1 < 1 or steps < 1:
        raise UsageError(f"gan: wanted 0 <= beta1 < 1, generator_steps >= 1, got {beta1}, {steps}")
    if arch not in NETWORKS:
        raise UsageError(f"gan: wanted arch {' or '.join(NETWORKS)}, got {arch!r}")
    if loss not in LOSSES:
        raise UsageError(f"gan: wanted loss {' or '.join(LOSSES)}, got {loss!r}")
    G, D = (n.to(config["device"]) for n in NETWORKS[arch](tuple(config["shape"]), rng))
    opt_G, opt_D = (Adam(n.parameters(), lr=config["lr"], betas=(beta1, 0.999)) for n in (G, D))
    return GAN(G, D, opt_G, opt_D, loss, steps)
