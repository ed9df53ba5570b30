"""ProGAN: progressive growing of GANs. Karras et al. 2017, arXiv:1710.10196.

G and D begin with images of 4×4 pixels and grow by a level at a time to 8×8, 16×16, … up to the
full side (section 2): large structure is learned first, while a step is cheap, details later. A new
level does not break what is learned, as it fades in: with α rising from 0 to 1, by figure 2,

    G       (1 - α) · upsampled toRGB of the old level + α · toRGB of the new
    D       (1 - α) · fromRGB of the halved image + α · the new block of fromRGB
    x       (1 - α) · upsampled halved x + α · x               the real images are faded alike

Steps a level: `fade` in which α rises, then `rest` with α = 1; the first has nothing to fade from,
the last rests for good. So level and α are a function of the steps taken (`stage`).

The losses are WGAN-GP's (`wgan_gp.py`) with one term more, which keeps D(x) from drifting away from
0, where nothing else would hold it (section A.1); D descends

    L = E[D(x̃)] - E[D(x)] + λ E[(‖∇_x̂ D(x̂)‖₂ - 1)²] + ε_drift E[D(x)²]

and G, after each step of D, E[-D(G(z))]. In the paper λ = 10, ε_drift = 0.001, and Adam's rate is
0.001, its β₁ = 0 and β₂ = 0.99. Samples are drawn by an exponential average of G's weights. What
sections 3 and 4 add, minibatch standard deviation, equalised learning rate and pixel norm, is in
`progan_networks.py`; by the first of these D(x) depends on the other images of the batch, too, so
∇ Σ D(x̂) is a sample's own gradient only nearly.

Images are (N, H, W, C) in [-1, 1]; z is (N, 100), on the hypersphere ‖z‖ = √100. The networks see
squares whose side is a power of two: others are framed in black, and samples cut back.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np

from ..autodiff import grad
from ..core import Tensor, tensor
from ..device import Array
from ..errors import UsageError
from ..nn import Module, Sequential, in_chunks
from ..nn.init import Rng
from ..nn.module import Train
from ..ops import avg_pool2, clip, mean, pad, upsample2
from ..optim import EMA, Adam
from . import config
from .config import COUNT, FRACTION, NOT_NEGATIVE, POSITIVE, one_of, option
from .model import ImageNetwork, Inputs, Model, Part, Setup
from .players import LATENT, fake, noise
from .progan_networks import Critic, Generator, Stage, fade
from .wgan import generator_loss
from .wgan_gp import Terms, interpolate, penalty


def stage(t: int, levels: int, *, fade: int, rest: int) -> Stage:
    """The level, of so many, and its α after t steps: level ℓ > 0 begins after ℓ · (fade + rest)
    - fade of them, with α = 0, and has α = s / fade after s more."""
    level = min((t + fade) // (fade + rest), levels - 1)
    steps = t + fade - level * (fade + rest)
    return Stage(level, min(steps / fade, 1.0) if level else 1.0)


def real(x: Tensor, levels: int, stage: Stage) -> Tensor:
    """Images x (N, side, side, C) of the full side, as D sees them at this stage: halved to its
    level's side, and faded."""
    for _ in range(levels - 1 - stage.level):
        x = avg_pool2(x)
    return x if stage.alpha == 1 else fade(upsample2(avg_pool2(x)), x, stage.alpha)


def critic_loss(
    D: Module, x: Tensor, x_fake: Tensor, eps: Tensor, *, lam: float, drift: float
) -> Terms:
    """L on a batch, its estimate mean D(x) - mean D(x̃) of W(P_r, P_g), the penalty without λ."""
    a, a_fake = D(x, train=True), D(x_fake, train=True)
    W, gp = mean(a) - mean(a_fake), penalty(D, interpolate(x, x_fake, eps))
    return Terms(lam * gp - W + drift * mean(a * a), W, gp)


@dataclass(frozen=True)
class Frame:
    """Images of (H, W) in the middle of a black square, whose side is a power of two."""

    height: int
    width: int

    @property
    def levels(self) -> int:
        """How often 4 has to be doubled for the side, and once more."""
        return max(int(max(self.height, self.width) - 1).bit_length() - 1, 1)

    @property
    def side(self) -> int:
        return 4 * 2 ** (self.levels - 1)

    @property
    def corner(self) -> tuple[int, int]:
        return (self.side - self.height) // 2, (self.side - self.width) // 2

    def put(self, x: Tensor) -> Tensor:
        """(N, H, W, C) -> (N, side, side, C)."""
        (top, left), side = self.corner, self.side
        rows, columns = (top, side - self.height - top), (left, side - self.width - left)
        return pad(x, ((0, 0), rows, columns, (0, 0)), value=-1.0)

    def cut(self, x: Tensor) -> Tensor:
        """The inverse."""
        top, left = self.corner
        return x[:, top : top + self.height, left : left + self.width]


class Cut(Module):
    """Images out of their frame."""

    def __init__(self, frame: Frame):
        self.frame = frame

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        return self.frame.cut(x)


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    widths: tuple[int, ...] = option(
        (128, 64, 32, 16, 16), COUNT, "channels at 4×4, 8×8, …", several=True
    )
    growing: str = option("yes", one_of(("yes", "no")), "no: the full size from the start")
    fade: int = option(200, COUNT, "steps in which a level fades in")
    rest: int = option(200, COUNT, "steps of a level before the next one")
    lr: float = option(3e-3, POSITIVE, "Adam's learning rate; the paper's is 1e-3")
    penalty: float = option(10.0, NOT_NEGATIVE, "λ, what a gradient costs whose norm is not 1")
    drift: float = option(1e-3, NOT_NEGATIVE, "what D(x)² costs")
    decay: float = option(0.995, FRACTION, "of the average of G's weights, which draws")


@dataclass
class ProGAN(Model):
    """`update` is a step of D, then one of G, at the stage that their number says.

    opts_G and opts_D have an Adam a level, which begins with it: so its t counts the level's own
    steps, and that of the first all.
    """

    G: Generator
    D: Critic
    average: EMA
    opts_G: list[Adam]
    opts_D: list[Adam]
    frame: Frame
    config: Config = Config()
    PANELS = (
        ("estimate of W(P_r, P_g)", ("W",)),
        ("mean (‖∇D(x̂)‖ - 1)²", ("penalty",)),
        ("side of the images, pixels", ("side",)),
    )

    def parts(self) -> dict[str, Part]:
        opts = {"opt_G": self.opts_G, "opt_D": self.opts_D}
        each = {f"{name}.{i}": opt for name, of in opts.items() for i, opt in enumerate(of)}
        return {**super().parts(), **each}

    def weights(self) -> dict[str, Part]:
        """Also what holds the number of steps, by which the average is drawn from."""
        return {**super().weights(), "opt_G.0": self.opts_G[0]}

    @property
    def t(self) -> int:
        """Steps taken."""
        return self.opts_G[0].t

    @property
    def stage(self) -> Stage:
        """Of the next step, and of samples."""
        if self.config.growing == "no":
            return Stage(self.frame.levels - 1)
        return stage(self.t, self.frame.levels, fade=self.config.fade, rest=self.config.rest)

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images, noise z_D and z_G (N, 100), and ε (N,)."""
        n = len(x)
        return {"x": x, "z_D": noise(n, rng), "eps": rng.random(n), "z_G": noise(n, rng)}

    def update(self, x: Array, z_D: Array, eps: Array, z_G: Array) -> dict[str, Tensor]:
        """D's step on images x (N, H, W, C), then G's; then the average moves."""
        now, c = self.stage, self.config
        G, D = self.G.at(now), self.D.at(now)
        x = real(self.frame.put(self.tensor(x)), self.frame.levels, now)
        x_fake = fake(G, self.tensor(z_D))
        terms = critic_loss(D, x, x_fake, self.tensor(eps), lam=c.penalty, drift=c.drift)
        descend(terms.loss, self.opts_D[: now.level + 1])
        loss_G = generator_loss(D, G, self.tensor(z_G))
        descend(loss_G, self.opts_G[: now.level + 1])
        self.average.update(self.t)
        losses = {"loss_D": terms.loss, "W": terms.W, "penalty": terms.penalty, "loss_G": loss_G}
        return {**losses, "side": tensor(float(x.shape[1]))}

    def generate(self, z: Any, *, chunk: int = 64) -> np.ndarray[Any, Any]:
        """Images of noise z (N, 100) by the average of G's weights, in [-1, 1], at full size."""
        images = self.image_network().images
        return in_chunks(lambda part: images(self.tensor(part)), z, chunk)

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        return self.generate(noise(n, rng))

    def image_network(self) -> ImageNetwork:
        now, average = self.stage, cast(Generator, self.average.average)
        enlarge = [upsample2] * (self.frame.levels - 1 - now.level)
        last = Cut(self.frame), partial(clip, low=-1.0, high=1.0)
        return ImageNetwork(Sequential(average.at(now), *enlarge, *last), LATENT)


def descend(loss: Tensor, opts: list[Adam]) -> None:
    """A step of each optimiser. What the loss does not depend on, the ends of earlier levels, has
    a gradient of 0, and stays."""
    gs = iter(grad(loss, [p for opt in opts for p in opt.params], allow_unused=True))
    for opt in opts:
        opt.step([next(gs) for _ in opt.params])


def build(config: Config, setup: Setup, rng: Rng) -> ProGAN:
    """A ProGAN ready to train. Raises UsageError for images too small to grow into, or so large
    that there are too few widths."""
    height, width, colours = setup.shape
    frame = Frame(height, width)
    if max(height, width) < 8:
        raise UsageError(f"progan: wanted images of 8×8 or more to grow into, got {height}×{width}")
    if len(config.widths) < frame.levels:
        raise UsageError(
            f"progan: wanted {frame.levels} widths, one a level from 4×4 to "
            f"{frame.side}×{frame.side}, for images of {height}×{width}, got {len(config.widths)}"
        )
    widths = config.widths[: frame.levels]
    G, D = Generator(widths, colours, LATENT, rng), Critic(widths, colours, rng)
    setup.place(G, D)
    opts_G, opts_D = (
        [Adam(n.of_level(i), lr=config.lr, betas=(0.0, 0.99)) for i in range(frame.levels)]
        for n in (G, D)
    )
    return ProGAN(G, D, EMA(G, config.decay), opts_G, opts_D, frame, config)
