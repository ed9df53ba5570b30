"""The networks of `progan.py`, which grow. Karras et al. 2017, arXiv:1710.10196, sections 2 to 4.

At level ℓ images have sides of 4 · 2^ℓ, and w_ℓ is its number of channels:

    G   z -> 4×4×w₀ -> 8×8×w₁ -> …             a block a level: upsample, two convolutions 3×3
    D   … -> 8×8×w₁ -> 4×4×w₀ -> a number      a block a level: two convolutions 3×3, halve

Between features and colours there is a 1×1 convolution a level, "toRGB" in G and "fromRGB" in D. So
each network has an end at each level, `at` says which one it uses, and two while one fades in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from itertools import pairwise
from typing import NamedTuple, Self

from ..core import Tensor
from ..nn import Conv2d, EqualisedRate, Linear, Module, Reshape, Sequential, pixel_norm
from ..nn.init import Rng, normal
from ..nn.module import Train
from ..ops import avg_pool2, broadcast_to, concatenate, leaky_relu, mean, sqrt, upsample2

leaky = partial(leaky_relu, slope=0.2)
Layers = list[Callable[..., Tensor]]


class Stage(NamedTuple):
    """How far growth has come: the level, and the weight α of its own end; below 1 it fades in."""

    level: int
    alpha: float = 1.0


def fade(old: Tensor, new: Tensor, alpha: float) -> Tensor:
    """(1 - α) · old + α · new. Section 2, figure 2."""
    return (1.0 - alpha) * old + alpha * new


def minibatch_stddev(x: Tensor, *, eps: float = 1e-8) -> Tensor:
    """x (N, H, W, C) -> (N, H, W, C + 1): behind the features one more, the same number s
    everywhere. Section 3:

        s = the mean, over all places and features, of √(variance over the batch + ε)

    So D sees whether the images differ among each other, as the real ones do.
    """
    d = x - mean(x, axis=0, keepdims=True)
    s = mean(sqrt(mean(d * d, axis=0) + eps))
    return concatenate([x, broadcast_to(s, shape=(*x.shape[:3], 1))], axis=3)


def linear(i: int, o: int, rng: Rng, *, gain: float = 2.0) -> Module:
    """Also a 1×1 convolution."""
    return EqualisedRate(Linear(i, o, init=normal(1.0), rng=rng), gain=gain)


def conv(i: int, o: int, rng: Rng) -> Module:
    """3×3; the images keep their size."""
    return EqualisedRate(Conv2d(i, o, 3, padding=1, init=normal(1.0), rng=rng))


class Growing(Module):
    """What both networks have: blocks, and ends to the colours, of each level."""

    blocks: list[Sequential]
    rgb: list[Module]
    stage: Stage

    def at(self, stage: Stage) -> Self:
        """The network as it is at this stage; of the same weights."""
        network = copy(self)
        network.stage = stage
        return network

    def of_level(self, level: int) -> list[Tensor]:
        """The parameters that come in at a level."""
        return [*self.blocks[level].parameters(), *self.rgb[level].parameters()]


class Generator(Growing):
    """z (N, latent) -> images (N, side, side, colours) of the level's side.

    z is put on the hypersphere first, ‖z‖ = √latent, by the pixel norm; the same norm follows each
    convolution (section 4.2). No tanh at the end: the critic keeps colours in [-1, 1].
    """

    def __init__(self, widths: Sequence[int], colours: int, latent: int, rng: Rng):
        w = widths[0]
        first: Layers = [pixel_norm, linear(latent, 16 * w, rng), Reshape(4, 4, w)]
        first += [leaky, pixel_norm]
        self.blocks = [Sequential(*first, *self._conv(w, w, rng))]
        for i, o in pairwise(widths):
            convs = [*self._conv(i, o, rng), *self._conv(o, o, rng)]
            self.blocks.append(Sequential(upsample2, *convs))
        self.rgb = [linear(w, colours, rng, gain=1.0) for w in widths]
        self.stage = Stage(len(widths) - 1)

    @staticmethod
    def _conv(i: int, o: int, rng: Rng) -> Layers:
        return [conv(i, o, rng), leaky, pixel_norm]

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        level, alpha = self.stage
        for block in self.blocks[:level]:
            x = block(x)
        y = self.rgb[level](self.blocks[level](x))
        return y if alpha == 1 else fade(upsample2(self.rgb[level - 1](x)), y, alpha)


class Critic(Growing):
    """Images (N, side, side, colours) of the level's side -> numbers (N, 1)."""

    def __init__(self, widths: Sequence[int], colours: int, rng: Rng):
        w = widths[0]
        last: Layers = [minibatch_stddev, conv(w + 1, w, rng), leaky, Reshape(16 * w)]
        last += [linear(16 * w, w, rng), leaky, linear(w, 1, rng, gain=1.0)]
        self.blocks = [Sequential(*last)]
        for o, i in pairwise(widths):
            convs: Layers = [conv(i, i, rng), leaky, conv(i, o, rng), leaky]
            self.blocks.append(Sequential(*convs, avg_pool2))
        self.rgb = [Sequential(linear(colours, w, rng), leaky) for w in widths]
        self.stage = Stage(len(widths) - 1)

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        level, alpha = self.stage
        y = self.blocks[level](self.rgb[level](x))
        if alpha != 1:
            y = fade(self.rgb[level - 1](avg_pool2(x)), y, alpha)
        for block in reversed(self.blocks[:level]):
            y = block(y)
        return y
