"""LAPGAN. Denton, Chintala, Szlam & Fergus 2015, arXiv:1506.05751.

A GAN for each level of a Laplacian pyramid (`ops/pyramid.py`). Of an image x₀ this has

    xₖ₊₁ = down(xₖ),  lₖ = up(xₖ₊₁),  hₖ = xₖ - lₖ

The last GAN draws the smallest image x_K from noise, each other one the detail h that its level
lacks, given the blurred image l:

    x̃_K = G_K(z_K)
    x̃ₖ  = lₖ + Gₖ(zₖ, lₖ),  lₖ = up(x̃ₖ₊₁)        k = K - 1 … 0                     (equation 3)

The levels learn apart from each other, as in training lₖ is that of a real image. Dₖ is told l by
being shown l + h (section 3.2), so each level plays

    V(Dₖ, Gₖ) = E log Dₖ(xₖ) + E log(1 - Dₖ(lₖ + Gₖ(zₖ, lₖ)))                      (equation 2)

G with the non-saturating loss of `gan.py`. Images are (N, H, W, C) in [-1, 1]; z_K is (N, 100), the
other zₖ are one more channel (N, Hₖ, Wₖ, 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..autodiff import grad
from ..core import Tensor, no_grad
from ..device import Array
from ..errors import UsageError
from ..nn import BatchNorm, Conv2d, Linear, Module, Reshape, Sequential, in_chunks
from ..nn.init import Rng, he
from ..ops import concatenate, leaky_relu, mean, relu
from ..ops.pyramid import down, up
from ..optim import EMA, Optimizer
from ..windows import window_count
from . import config, gan
from .config import COUNT, FRACTION, POSITIVE, Values, option
from .gan import log_1_minus_D, log_D
from .model import ImageNetwork, Inputs, Model, Panel, Part, Setup
from .players import adams, averaged, drawing, noise

LEVELS = Values(int, lambda n: n >= 2, "a whole number >= 2")


def completed(G: Module, z: Tensor, low: Tensor | None, train: bool | str) -> Tensor:
    """x̃ = l + G(z, l), with l called low; at the last level, which has none, G(z)."""
    if low is None:
        return G(z, train=train)
    return low + G(concatenate([low, z], axis=3), train=train)


def value(D: Module, x: Tensor, x_fake: Tensor) -> Tensor:
    """V(D, G) on a batch of one level: mean log D(x) + mean log(1 - D(x̃))."""
    return mean(log_D(D(x, train=True))) + mean(log_1_minus_D(D(x_fake, train=True)))


def details(shape: tuple[int, int, int], width: int, rng: Rng) -> tuple[Module, Module]:
    """(G, D) for images of `shape`: G [l, z] -> h, three 3×3 convolutions; D two of stride 2."""
    h, w, c = shape
    same: dict[str, Any] = {"kernel": 3, "padding": 1, "rng": rng, "init": he}
    half: dict[str, Any] = {"kernel": 4, "stride": 2, "padding": 1, "rng": rng, "init": he}
    G = Sequential(
        *(Conv2d(c + 1, width, bias=False, **same), BatchNorm(width), relu),
        *(Conv2d(width, width, bias=False, **same), BatchNorm(width), relu),
        Conv2d(width, c, kernel=3, padding=1, rng=rng),
    )
    leaky = partial(leaky_relu, slope=0.2)
    for _ in range(2):
        h, w = window_count(h, 4, 2, 1), window_count(w, 4, 2, 1)
    D = Sequential(
        *(Conv2d(c, width, **half), leaky),
        *(Conv2d(width, 2 * width, bias=False, **half), BatchNorm(2 * width), leaky),
        *(Reshape(2 * width * h * w), Linear(2 * width * h * w, 1, rng=rng)),
    )
    return G, D


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    levels: int = option(3, LEVELS, "of the pyramid, each half as large as the one before")
    width: int = option(32, COUNT, "channels of the levels that add details")
    lr: float = option(4e-4, POSITIVE, "Adam's learning rate")
    beta1: float = option(0.5, FRACTION, "Adam's β₁")
    ema: float = option(
        0.998, FRACTION, "decay of the average of G's weights, which draws; 0: G itself", before=0.0
    )


@dataclass
class Level:
    """The two players of a level, their optimisers, and the average of G's weights if it is kept,
    which draws samples."""

    G: Module
    D: Module
    opt_G: Optimizer
    opt_D: Optimizer
    average: EMA | None

    def update(
        self, x: Tensor, low: Tensor | None, z_D: Tensor, z_G: Tensor
    ) -> tuple[Tensor, Tensor]:
        """D's step, then G's, on images x of this level: (-V, G's loss)."""
        with no_grad():
            x_fake = completed(self.G, z_D, low, "frozen")
        V = value(self.D, x, x_fake)
        self.opt_D.step(grad(-V, self.opt_D.params))
        loss_G = -mean(log_D(self.D(completed(self.G, z_G, low, True), train="frozen")))
        self.opt_G.step(grad(loss_G, self.opt_G.params))
        if self.average:
            self.average.update(self.opt_G.t)
        return -V, loss_G


@dataclass
class LAPGAN(Model):
    """A level each for the images, their halves, their quarters …: `update` is a step of all."""

    levels: list[Level]
    shapes: list[tuple[int, int, int]]
    config: Config

    @property
    def panels(self) -> tuple[Panel, ...]:
        names = [tuple(f"loss_{who}_{k}" for k in range(len(self.levels))) for who in "DG"]
        return tuple(("loss (nats)", of_one) for of_one in names)

    def noise(self, k: int, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """zₖ ~ N(0, I) for n images."""
        if k == len(self.levels) - 1:
            return noise(n, rng)
        return rng.standard_normal((n, *self.shapes[k][:2], 1))

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images, and noise for D's step and for G's at each level k: z_D_k, z_G_k."""
        z = {
            f"z_{who}_{k}": self.noise(k, len(x), rng)
            for k in range(len(self.levels))
            for who in "DG"
        }
        return {"x": x, **z}

    def update(self, x: Array, **z: Array) -> dict[str, Tensor]:
        """A step of each level on images x (N, H, W, C) in [-1, 1]."""
        numbers: dict[str, Tensor] = {}
        image = self.tensor(x)
        for k, level in enumerate(self.levels):
            z_D, z_G = (self.tensor(z[f"z_{who}_{k}"]) for who in "DG")
            smaller = down(image) if k < len(self.levels) - 1 else None
            low = None if smaller is None else up(smaller)
            losses = level.update(image, low, z_D, z_G)
            numbers |= {f"loss_D_{k}": losses[0], f"loss_G_{k}": losses[1]}
            image = image if smaller is None else smaller
        return numbers

    def parts(self) -> dict[str, Part]:
        """What a checkpoint holds, by name, as "0.G"; 0 is the finest level."""
        return {
            f"{k}.{name}": part
            for k, level in enumerate(self.levels)
            for name, part in vars(level).items()
            if isinstance(part, Part)
        }

    def chain(self, n: int, rng: Rng) -> list[np.ndarray[Any, Any]]:
        """n images as they grow, [x̃_K, …, x̃₀], from the smallest on."""
        last = len(self.levels) - 1
        out: list[Any] = []
        for k in range(last, -1, -1):
            level, z = self.levels[k], self.noise(k, n, rng)
            G = drawing(level.G, level.average)
            both = [z] if k == last else [z, out[-1]]

            def image(chosen: Any, G: Module = G, both: Any = both) -> Tensor:
                z, *smaller = (self.tensor(array[chosen]) for array in both)
                return completed(G, z, up(smaller[0]) if smaller else None, False)

            out.append(in_chunks(image, np.arange(n), 250))
        return out

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        return np.clip(self.chain(n, rng)[-1], -1, 1)

    def image_network(self) -> ImageNetwork:
        raise UsageError("no one network draws the images, but one a level")


def build(config: Config, setup: Setup, rng: Rng) -> LAPGAN:
    """A LAPGAN ready to train. Raises UsageError for images that cannot be halved so often."""
    h, w, c = setup.shape
    halves = 2 ** (config.levels - 1)
    if h % halves or w % halves or min(h, w) < 2 * halves:
        wanted = f"sides divisible by {halves} for {config.levels} levels, the last of 2 or more"
        raise UsageError(f"lapgan: wanted {wanted}, got {h}×{w}")
    shapes = [(h // 2**k, w // 2**k, c) for k in range(config.levels)]
    levels = []
    for k, shape in enumerate(shapes):
        last = k == config.levels - 1
        networks = gan.mlp(shape, rng) if last else details(shape, config.width, rng)
        G, D = setup.place(*networks)
        opt_G, opt_D = adams(G, D, lr=config.lr, beta1=config.beta1)
        levels.append(Level(G, D, opt_G, opt_D, averaged(G, config.ema)))
    return LAPGAN(levels, shapes, config)
