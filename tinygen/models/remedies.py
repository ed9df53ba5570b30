"""Remedies for a GAN that collapses. Salimans et al. 2016, arXiv:1606.03498, and others.

Each is a small change of the game of `gan.py`, whose notation and networks it has:

minibatch   Minibatch discrimination (section 3.2): D sees beside an image's features f(x_i) how
            near the others of its batch are, real or generated. A batch of one image gives itself
            away. T turns f (A numbers) into a matrix M_i (B × C), and D's last layer sees [f, o]:

                M_i = f(x_i)·T    c_b(x_i, x_j) = exp(-‖M_i,b - M_j,b‖_L1)    o(x_i)_b = Σ_j c_b

matching    Feature matching (section 3.1): G does not fool D, but has the mean of its features,

                ‖E_x f(x) - E_z f(G(z))‖²₂

            which no single image has. f: the layer before D's last.

smoothing   One-sided label smoothing (section 3.4): D is to give real images α; see `gan.py`.

noise       Instance noise (Sønderby et al. 2016, arXiv:1610.04490): whatever D sees, x or G(z), it
            sees with noise of its own, so that the two overlap. After t of D's steps

                x + σ_t ε,    ε ~ N(0, I),    σ_t = σ₀ max(0, 1 - t/T)

unrolled    G answers the D of K steps later: see `unrolled.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..autodiff import grad
from ..core import Tensor
from ..device import Array
from ..nn import Linear, Module, Sequential
from ..nn.init import Rng
from ..nn.module import Train
from ..ops import abs, concatenate, exp, expand_dims, mean, reshape, sum
from . import gan
from .config import COUNT, NOT_NEGATIVE, SHARE, one_of, option
from .gan import GAN, loss_of_G, value_of
from .model import Inputs, Setup
from .players import averaged, fake
from .unrolled import unrolled_loss

REMEDIES = ("none", "minibatch", "noise", "smoothing", "matching", "unrolled")
KERNELS, SIZE = 32, 4  # B and C of minibatch discrimination


def closeness(M: Tensor) -> Tensor:
    """o(x_i)_b = Σ_j exp(-‖M_i,b - M_j,b‖_L1) for M (N, B, C): (N, B)."""
    apart = sum(abs(expand_dims(M, 1) - expand_dims(M, 0)), axis=3)
    return sum(exp(-apart), axis=1)


def feature_distance(D: Sequential, x: Tensor, x_hat: Tensor) -> Tensor:
    """‖E_x f(x) - E_z f(x̂)‖²₂, f all layers of D but the last; D's statistics stay."""
    f = D[:-1]
    d = mean(f(x, train="frozen"), axis=0) - mean(f(x_hat, train="frozen"), axis=0)
    return sum(d * d)


def annealed(t: int, *, start: float, steps: int) -> float:
    """σ_t = σ₀ max(0, 1 - t/T)."""
    return start * max(0.0, 1 - t / steps)


class MinibatchDiscrimination(Module):
    """f (N, A) -> [f, o] (N, A + B), o of M = f·T (N, B, C)."""

    def __init__(self, A: int, B: int, C: int, *, rng: Rng):
        self.T, self.shape = Linear(A, B * C, bias=False, rng=rng), (B, C)

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        M = reshape(self.T(x), len(x), *self.shape)
        return concatenate([x, closeness(M)], axis=1)


@dataclass(frozen=True, kw_only=True)
class Config(gan.Config):
    remedy: str = option("none", one_of(REMEDIES), "against collapse")
    unroll: int = option(1, COUNT, "K, steps of D that the unrolled GAN looks ahead")
    alpha: float = option(0.9, SHARE, "what label smoothing wants D to give real images")
    sigma: float = option(0.5, NOT_NEGATIVE, "σ₀ of the noise on what D sees, at first")
    noise_steps: int = option(2000, COUNT, "T, D's steps until that noise is gone")


@dataclass
class RemediedGAN(GAN):
    """`gan.py`'s GAN with one remedy; with "none" it is that GAN."""

    D: Sequential  # of which all layers but the last give the features f
    config: Config = Config()
    PANELS = (("loss", ("loss_D", "loss_G")), ("probability", ("D_x", "D_Gz")))

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The GAN's; for noise also ε (2 + steps, N, H, W, C): on x, on D's x̂, on each of G's."""
        inputs = super().draw(x, labels, rng)
        if self.config.remedy == "noise":
            shape = (2 + self.config.generator_steps, *x.shape)
            inputs["eps"] = rng.standard_normal(shape, np.float32)
        return inputs

    def update(self, x: Array, z_D: Array, z_G: Any, eps: Any = None) -> dict[str, Tensor]:
        """D's step on images x (N, H, W, C), then G's."""
        c = self.config
        sigma = annealed(self.opt_D.t, start=c.sigma, steps=c.noise_steps)

        def seen(images: Tensor, i: int) -> Tensor:
            return images if eps is None else images + sigma * self.tensor(eps[i])

        x, x_hat = self.tensor(x), fake(self.G, self.tensor(z_D))
        alpha = c.alpha if c.remedy == "smoothing" else 1.0
        V, D_x, D_Gz = value_of(self.D, seen(x, 0), seen(x_hat, 1), alpha=alpha)
        self.opt_D.step(grad(-V, self.opt_D.params))
        D, G = self.D, self.G
        for i, z in enumerate(map(self.tensor, z_G)):
            if c.remedy == "unrolled":
                loss_G = unrolled_loss(D, G, self.opt_D, x, z, K=c.unroll, loss=c.loss)
            elif c.remedy == "matching":
                loss_G = feature_distance(D, x, G(z, train=True))
            else:
                a_hat = D(seen(G(z, train=True), 2 + i), train="frozen")
                loss_G = loss_of_G(a_hat, loss=c.loss)
            self.descend(loss_G)
        return {"loss_D": -V, "loss_G": loss_G, "D_x": D_x, "D_Gz": D_Gz}


def networks(config: Config, shape: tuple[int, ...], rng: Rng) -> tuple[Sequential, Sequential]:
    """`gan.py`'s G and D; for minibatch discrimination D's last layer sees [f, o]."""
    G, D = gan.NETWORKS[config.arch](shape, rng)
    if config.remedy == "minibatch":
        A = len(D[-1].weight)
        between = MinibatchDiscrimination(A, KERNELS, SIZE, rng=rng)
        D = Sequential(*D[:-1], between, Linear(A + KERNELS, 1, rng=rng))
    return G, D


def build(config: Config, setup: Setup, rng: Rng) -> RemediedGAN:
    """Ready to train. Raises UsageError for a shape that the arch cannot make."""
    G, D = networks(config, setup.shape, rng)
    setup.place(G, D)
    optimisers = gan.optimisers(G, D, config)
    return RemediedGAN(G, D, *optimisers, config, average=averaged(G, config.ema))
