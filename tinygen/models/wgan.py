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

Images are (N, H, W, C) in [-1, 1] (`RANGE`), as G ends in tanh; z is (N, 100).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..autodiff import grad
from ..core import Tensor, no_grad, tensor
from ..device import xp
from ..errors import UsageError
from ..nn import Linear, Module, Sequential
from ..nn.init import Rng, he
from ..ops import leaky_relu, mean, relu, reshape, split, tanh
from ..optim import RMSProp
from .dcgan import LATENT, dcgan
from .gan import RANGE as RANGE
from .gan import Players


def fake(G: Module, z: Tensor) -> Tensor:
    """x̃ = G(z), a constant while D learns."""
    with no_grad():
        return G(z, train="frozen")


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


@dataclass
class Wasserstein(Players):
    """Algorithm 1 but for the critic's step, which keeps D Lipschitz one way or the other."""

    n_critic: int = 5

    def __post_init__(self) -> None:
        if not self.n_critic >= 1:
            raise UsageError(f"wgan: wanted n_critic >= 1, got {self.n_critic}")

    def step(self, x: Any, rng: Rng) -> dict[str, Tensor]:
        """n_critic steps of D, each on its own part of the images x (n_critic · m, H, W, C) in
        [-1, 1], then one of G; the numbers are those of D's last step and of G's."""
        batches = split(tensor(x, device=self.device), self.n_critic)
        for batch in batches:
            terms = self.critic_step(batch, rng)
        loss_G = generator_loss(self.D, self.G, self.noise(len(batch), rng))
        self.opt_G.step(grad(loss_G, self.opt_G.params))
        return {**terms, "loss_G": loss_G}

    def critic_step(self, x: Tensor, rng: Rng) -> dict[str, Tensor]:
        """One step of D on images x, with fresh noise."""
        raise NotImplementedError


@dataclass
class WGAN(Wasserstein):
    """D's weights stay in [-c, c]."""

    c: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.c > 0:
            raise UsageError(f"wgan: wanted a limit c > 0 of the weights, got {self.c}")
        clip_weights(self.D, self.c)

    def critic_step(self, x: Tensor, rng: Rng) -> dict[str, Tensor]:
        KW = gap(self.D, x, fake(self.G, self.noise(len(x), rng)))
        self.opt_D.step(grad(-KW, self.opt_D.params))
        clip_weights(self.D, self.c)
        return {"loss_D": -KW, "KW": KW}


def mlp(shape: tuple[int, ...], rng: Rng) -> tuple[Module, Module]:
    """G 100-256-512-784 (ReLU, tanh) and D 784-512-256-1 (leaky ReLU, slope 0.2), no norm."""
    size = math.prod(shape)
    how: dict[str, Any] = {"init": he, "rng": rng}
    G = Sequential(
        *(Linear(LATENT, 256, **how), relu),
        *(Linear(256, 512, **how), relu),
        *(Linear(512, size, rng=rng), tanh),
        lambda x: reshape(x, -1, *shape),
    )
    D = Sequential(
        lambda x: reshape(x, -1, size),
        *(Linear(size, 512, **how), lambda x: leaky_relu(x, slope=0.2)),
        *(Linear(512, 256, **how), lambda x: leaky_relu(x, slope=0.2)),
        Linear(256, 1, rng=rng),
    )
    return G, D


def conv(shape: tuple[int, ...], rng: Rng) -> tuple[Module, Module]:
    """DCGAN's networks; layer norm in D, as Gulrajani et al. 2017 advise (section 4)."""
    return dcgan(shape, rng, norm="layer")


NETWORKS = {"mlp": mlp, "conv": conv}


def networks(config: Mapping[str, Any], rng: Rng) -> tuple[Module, Module]:
    """(G, D) of config's "arch", "shape" and "device". Raises UsageError for an unknown arch."""
    arch = config["arch"]
    if arch not in NETWORKS:
        raise UsageError(f"wgan: wanted arch {' or '.join(NETWORKS)}, got {arch!r}")
    G, D = (n.to(config["device"]) for n in NETWORKS[arch](tuple(config["shape"]), rng))
    return G, D


def build(config: Mapping[str, Any], rng: Rng) -> WGAN:
    """A WGAN ready to train, with RMSProp for both players.

    config: "arch" ("mlp" or "conv"), "shape" (H, W, C) of the images, "n_critic", "clip" (c),
    "lr" (None for the paper's 5e-5), "device". Raises UsageError for what is out of range.
    """
    G, D = networks(config, rng)
    opt_G, opt_D = (RMSProp(n.parameters(), lr=config["lr"] or 5e-5) for n in (G, D))
    return WGAN(G, D, opt_G, opt_D, n_critic=config["n_critic"], c=config["clip"])
