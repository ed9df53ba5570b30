"""Wasserstein GAN. Arjovsky, Chintala & Bottou 2017, arXiv:1701.07875.

The distance between the images' distribution P_r and the generated ones', P_g, is the work of
moving one heap of earth into the other; by duality, the most a 1-Lipschitz f can tell them apart:

    W(P_r, P_g) = sup_{‖f‖_L ≤ 1} E_x[f(x)] - E_z[f(G(z))]                         (equation 2)

A critic D stands for f: it gives any number, no probability. With all its weights in [-c, c] it is
K-Lipschitz, for a K that depends on c and the network and that nobody knows, so that

    max_D E_x[D(x)] - E_z[D(G(z))]  ≤  K · W(P_r, P_g)                             (equation 3)

and G descends what the maximum gives, by -E_z[∇ D(G(z))] (theorem 3). Algorithm 1:

    n_critic times, each on its own m images x and noise z:
        D ascends             mean D(x) - mean D(G(z))
        D's weights           w ← clip(w, -c, c)
    then, on new noise z,
        G descends            -mean D(G(z))

with RMSProp for both, α = 5·10⁻⁵, c = 0.01, n_critic = 5, m = 64. K being unknown, the numbers of
two runs compare only if the critic and c are the same, and never with those of `wgan_gp.py`.

Images are (N, H, W, C) in [-1, 1], as G ends in tanh; z is (N, 100).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..autodiff import grad
from ..core import Tensor
from ..device import Array, xp
from ..nn import Module, dense
from ..nn.init import Rng, fan_in_uniform, he
from ..ops import leaky_relu, mean, relu, split, tanh
from ..optim import RMSProp
from . import config
from .config import COUNT, FRACTION, POSITIVE, one_of, option
from .dcgan import dcgan
from .model import Inputs, Setup
from .players import LATENT, Players, averaged, fake, noise


def gap(D: Module, x: Tensor, x_fake: Tensor) -> Tensor:
    """mean D(x) - mean D(x̃), equation 3 on a batch: what D ascends, an estimate of K · W."""
    return mean(D(x, train=True)) - mean(D(x_fake, train=True))


def generator_loss(D: Module, G: Module, z: Tensor) -> Tensor:
    """-mean D(G(z)), what G descends. Its zero means nothing: D is free up to a constant."""
    return -mean(D(G(z, train=True), train="frozen"))


def clip_weights(D: Module, c: float) -> None:
    """w ← clip(w, -c, c) in place, for all weights and biases."""
    for p in D.parameters():
        xp(p.data).clip(p.data, -c, c, out=p.data)
        p.increment_version()  # as an optimiser's step: grad refuses graphs recorded before


def mlp(shape: tuple[int, ...], rng: Rng) -> tuple[Module, Module]:
    """G 100-256-512-784 (ReLU, tanh) and D 784-512-256-1 (leaky ReLU, slope 0.2), no norm."""
    begin: dict[str, Any] = {"init": he, "init_last": fan_in_uniform, "rng": rng}
    G = dense(LATENT, 256, 512, shape, activation=relu, last=tanh, **begin)
    D = dense(shape, 512, 256, 1, activation=partial(leaky_relu, slope=0.2), **begin)
    return G, D


def conv(shape: tuple[int, ...], rng: Rng) -> tuple[Module, Module]:
    """DCGAN's networks; layer norm in D, as Gulrajani et al. 2017 advise (section 4)."""
    return dcgan(shape, rng, norm="layer")


NETWORKS = {"mlp": mlp, "conv": conv}


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    arch: str = option("mlp", one_of(NETWORKS), "the networks")
    lr: float = option(2e-4, POSITIVE, "RMSProp's learning rate; the paper's is 5e-5")
    n_critic: int = option(5, COUNT, "steps of D for each of G")
    clip: float = option(0.01, POSITIVE, "c, the limit of D's weights")
    ema: float = option(
        0.99, FRACTION, "decay of the average of G's weights, which draws; 0: G itself", before=0.0
    )


@dataclass
class Wasserstein(Players):
    """Algorithm 1 but for the critic's step, which keeps D Lipschitz one way or the other."""

    config: Any

    @property
    def batches(self) -> int:
        """One for each step of D."""
        return int(self.config.n_critic)

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images x (n_critic · m, H, W, C); for each step of D its numbers, stacked; then
        noise z_G (m, 100) for G's."""
        m = len(x) // self.batches
        steps = [self.draw_critic(m, rng) for _ in range(self.batches)]
        stacked = {name: np.stack([step[name] for step in steps]) for name in steps[0]}
        return {"x": x, **stacked, "z_G": noise(m, rng)}

    def update(self, x: Array, z_G: Array, **stacked: Any) -> dict[str, Tensor]:
        """n_critic steps of D, each on its own part of the images, then one of G. The numbers
        are those of D's last step and of G's."""
        for i, batch in enumerate(split(self.tensor(x), self.batches)):
            own = {name: self.tensor(numbers[i]) for name, numbers in stacked.items()}
            terms = self.update_critic(batch, **own)
        loss_G = generator_loss(self.D, self.G, self.tensor(z_G))
        self.descend(loss_G)
        return {**terms, "loss_G": loss_G}

    def draw_critic(self, m: int, rng: Rng) -> Inputs:
        """What one step of D takes beside m images: noise z_D (m, 100)."""
        return {"z_D": noise(m, rng)}

    def update_critic(self, *args: Any, **numbers: Any) -> dict[str, Tensor]:
        """One step of D on images x."""
        raise NotImplementedError


@dataclass
class WGAN(Wasserstein):
    """D's weights stay in [-c, c]."""

    config: Config = Config()
    PANELS = (("estimate of K · W(P_r, P_g), K unknown", ("KW",)),)

    def __post_init__(self) -> None:
        clip_weights(self.D, self.config.clip)

    def update_critic(self, x: Tensor, z_D: Tensor) -> dict[str, Tensor]:
        KW = gap(self.D, x, fake(self.G, z_D))
        self.opt_D.step(grad(-KW, self.opt_D.params))
        clip_weights(self.D, self.config.clip)
        return {"loss_D": -KW, "KW": KW}


def build(config: Config, setup: Setup, rng: Rng) -> WGAN:
    """A WGAN ready to train, with RMSProp for both players."""
    G, D = setup.place(*NETWORKS[config.arch](setup.shape, rng))
    opt_G, opt_D = (RMSProp(n.parameters(), lr=config.lr) for n in (G, D))
    return WGAN(G, D, opt_G, opt_D, config, average=averaged(G, config.ema))
