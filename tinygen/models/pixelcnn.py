"""PixelCNN. van den Oord, Kalchbrenner & Kavukcuoglu 2016, arXiv:1601.06759. Its gated form:
van den Oord et al. 2016, Conditional image generation with PixelCNN decoders, arXiv:1606.05328.

Convolutions whose kernels are masked see of an image what is above a pixel, and what is left of it
in its row. So log p(x) is the sum of the conditionals' logs, row after row (`autoregressive.py`).
A layer of a stack, of kernels k × k, sees of the layer below

    mask A   the rows above the kernel's middle, and its own row left of it       (first layer)
    mask B   the same, and the middle itself                                      (all after it)

"residual" (first paper, figure 5 and table 1): 7×7 with mask A, then blocks of a 1×1 from 2h
channels to h, a k×k with mask B and a 1×1 back to 2h,

    x + W₂ ReLU(B * ReLU(W₁ ReLU(x)))

and two 1×1 to the logits. To see what is on its right, a block must look up by a row at least. So
of the row above, a pixel sees but a few to its right, of the next some more: the rest is a blind
spot that no number of blocks fills.

"gated" (second paper, figure 2) has none: one stack, v, sees all of the rows above, and another, h,
the own row and what v has seen. Each layer, with ⊙ for the product of entries, is

    v' = tanh(a) ⊙ σ(b)                  [a, b] = V * v        V: the rows above, and v's own
    h' = h + W (tanh(a) ⊙ σ(b))          [a, b] = H * h + U (V * v)        H: left, and itself

The first layer's V and H leave the own row, and the pixel itself, out; its h' has no h to add.

Images are (N, H, W, 1) of zeros and ones; in nats per image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np

from ..core import Tensor, tensor
from ..device import Array
from ..errors import UsageError
from ..nn import Linear, Module, Sequential
from ..nn.init import Rng, he
from ..nn.module import Train
from ..ops import conv2d, pad, relu, reshape, sigmoid, split, tanh
from ..optim import EMA, Adam
from . import config
from .autoregressive import Autoregressive
from .config import COUNT, FRACTION, POSITIVE, Values, one_of, option
from .model import Setup

FIRST = 7  # the first kernel's size
ODD = Values(int, lambda k: k >= 3 and k % 2 == 1, "an odd number >= 3")
pointwise = partial(Linear, init=he)  # a 1×1 convolution


def mask(kernel: int, kind: str) -> np.ndarray[Any, Any]:
    """Which pixels around one are seen, a bool (kernel, kernel). kind: A or B, alone or of the
    rows "above" (where B has the own row, too), or of what is "left" in the own row."""
    seen, middle = np.zeros((kernel, kernel), bool), kernel // 2
    if not kind.startswith("left"):
        seen[:middle] = True
    if kind.startswith("above"):
        seen[middle] = kind.endswith("B")
    else:
        seen[middle, : middle + kind.endswith("B")] = True
    return seen


def gate(y: Tensor) -> Tensor:
    """tanh(a) ⊙ σ(b) of y = [a, b]: (N, H, W, 2h) -> (N, H, W, h). Equation 2."""
    a, b = split(y, 2, axis=3)
    return tanh(a) * sigmoid(b)


class MaskedConv2d(Module):
    """x (N, H, W, i) -> (N, H, W, o): a convolution that sees what the mask says.

    Rows and columns of the kernel in which all is masked are left out: weight (kh, kw, i, o).
    """

    def __init__(self, i: int, o: int, seen: np.ndarray[Any, Any], *, rng: Rng):
        (top, bottom), (left, right) = (_extent(np.any(seen, axis)) for axis in (1, 0))
        self.rows, self.columns = (top, bottom), (left, right)
        middle = len(seen) // 2
        box = seen[middle - top : middle + bottom + 1, middle - left : middle + right + 1]
        fan_in = i * int(box.sum())
        self.weight = tensor(he((*box.shape, i, o), fan_in, o, rng), requires_grad=True)
        self.bias = tensor(np.zeros(o), requires_grad=True)
        self.mask = None if box.all() else tensor(box[:, :, None, None].astype(np.float32))

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        weight = self.weight if self.mask is None else self.weight * self.mask
        x, (left, right) = _framed(x, 1, *self.rows), self.columns
        if left == right:
            return conv2d(x, weight, padding=(0, left)) + self.bias
        return conv2d(_framed(x, 2, left, right), weight) + self.bias


def _extent(seen: np.ndarray[Any, Any]) -> tuple[int, int]:
    """How far what is seen reaches before the middle and after it; less than 0: not so far."""
    places = np.flatnonzero(seen) - len(seen) // 2
    return -int(places[0]), int(places[-1])


def _framed(x: Tensor, axis: int, before: int, after: int) -> Tensor:
    """x with so many zeros along an axis before and after it; less than 0 after: cut off."""
    if after < 0:
        x = x[(*[slice(None)] * axis, slice(0, x.shape[axis] + after))]
    widths = [(0, 0)] * x.ndim
    widths[axis] = (before, max(after, 0))
    return pad(x, widths) if any(widths[axis]) else x


class Block(Module):
    """x + W₂ ReLU(B * ReLU(W₁ ReLU(x))): (N, H, W, 2h) -> the same."""

    def __init__(self, h: int, kernel: int, *, rng: Rng):
        self.inner = Sequential(
            *(relu, pointwise(2 * h, h, rng=rng)),
            *(relu, MaskedConv2d(h, h, mask(kernel, "B"), rng=rng)),
            *(relu, pointwise(h, 2 * h, rng=rng)),
        )

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        return x + self.inner(x)


def head(i: int, h: int, rng: Rng) -> Sequential:
    """From i channels to the logits, by two 1×1 convolutions, each after a ReLU."""
    wide, last = pointwise(i, 2 * h, rng=rng), pointwise(2 * h, 1, rng=rng)
    return Sequential(relu, wide, relu, last)


def residual(h: int, kernel: int, blocks: int, rng: Rng) -> Module:
    """x (N, H, W, 1) -> logits, of the first paper."""
    first = MaskedConv2d(1, 2 * h, mask(FIRST, "A"), rng=rng)
    return Sequential(
        first, *(Block(h, kernel, rng=rng) for _ in range(blocks)), head(2 * h, h, rng)
    )


class Layer(Module):
    """(v, h) -> (v', h'), of i and h channels."""

    def __init__(self, i: int, h: int, kernel: int, kind: str, *, rng: Rng):
        self.V = MaskedConv2d(i, 2 * h, mask(kernel, f"above {kind}"), rng=rng)
        self.H = MaskedConv2d(i, 2 * h, mask(kernel, f"left {kind}"), rng=rng)
        self.U = pointwise(2 * h, 2 * h, rng=rng, bias=False)
        self.W = pointwise(h, h, rng=rng)
        self.first = kind == "A"

    def above(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """v', and what h is told of the rows above, U (V * v)."""
        seen = self.V(v)
        return gate(seen), self.U(seen)

    def left(self, h: Tensor, told: Tensor) -> Tensor:
        """h'."""
        added = self.W(gate(self.H(h) + told))
        return added if self.first else h + added


class Gated(Module):
    """x (N, H, W, 1) -> logits, of the second paper."""

    def __init__(self, h: int, kernel: int, blocks: int, rng: Rng):
        later = [Layer(h, h, kernel, "B", rng=rng) for _ in range(blocks)]
        self.layers = [Layer(1, h, FIRST, "A", rng=rng), *later]
        self.head = head(h, h, rng)

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        return self.left(x, self.above(x))

    def above(self, v: Tensor) -> list[Tensor]:
        """The stack v: what each layer tells h of the rows above."""
        told = []
        for layer in self.layers:
            v, t = layer.above(v)
            told.append(t)
        return told

    def left(self, h: Tensor, told: list[Tensor]) -> Tensor:
        """The stack h, and the logits. Also of some rows alone, told of these."""
        for layer, t in zip(self.layers, told, strict=True):
            h = layer.left(h, t)
        return self.head(h)


NETWORKS = {"gated": Gated, "residual": residual}


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    arch: str = option("gated", one_of(NETWORKS), "the network")
    width: int = option(16, COUNT, "channels h of a layer")
    kernel: int = option(7, ODD, "size of the kernels after the first, whose is 7")
    blocks: int = option(4, COUNT, "layers or blocks after the first layer")
    lr: float = option(3e-3, POSITIVE, "Adam's learning rate")
    decay: float = option(0.999, FRACTION, "of the weights' average, which measures and draws")


class PixelCNN(Autoregressive):
    """Draws row after row, and looks only as far as a pixel depends on others."""

    config: Config

    @property
    def reach(self) -> int:
        """How many pixels up, left or right a logit depends on at most."""
        return FIRST // 2 + self.config.kernel // 2 * self.config.blocks

    def logits(self, x: Tensor, places: Array, which: int = 0) -> Iterator[Tensor]:
        """Of the gated network's stacks, v is computed once a row, h of the own row only."""
        net, width = self.averaged, x.shape[2]
        for row, own in groupby(map(int, places), lambda i: i // width):
            top = max(0, row - self.reach)
            if isinstance(net, Gated):
                told = [t[:, -1:] for t in net.above(x[:, top : row + 1])]
                for i in own:
                    yield reshape(net.left(x[:, row : row + 1], told)[:, 0, i % width], len(x))
            else:
                for i in own:
                    left = max(0, i % width - self.reach)
                    seen = x[:, top : row + 1, left : i % width + self.reach + 1]
                    yield reshape(net(seen)[:, row - top, i % width - left], len(x))


def build(config: Config, setup: Setup, rng: Rng) -> PixelCNN:
    """A PixelCNN ready to train. Raises UsageError for colour: a factor is one binary pixel."""
    if setup.shape[2] != 1:
        raise UsageError(f"pixelcnn: wanted grey images (H, W, 1), got {setup.shape}")
    (net,) = setup.place(NETWORKS[config.arch](config.width, config.kernel, config.blocks, rng))
    opt, average = Adam(net.parameters(), lr=config.lr), EMA(net, config.decay)
    return PixelCNN(net, opt, average, setup.shape, config)
