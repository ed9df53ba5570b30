"""Masked autoencoder for distribution estimation. Germain et al. 2015, arXiv:1502.03509.

An autoencoder of dense layers whose weights are masked so that each output sees the pixels before
it alone: log p(x) is then the sum of the conditionals' logs (`autoregressive.py`). Each unit k of
each layer l has a number mˡ(k), the last pixel that it may see:

    m⁰(d)   the place of pixel d in the order, 1 … D
    mˡ(k)   for hidden units, drawn uniformly from min mˡ⁻¹ … D - 1                    (section 4.1)

A weight from unit j to unit k stays where what j has seen is what k may see:

    Mˡ(j, k) = 1  if  mˡ(k) ≥ mˡ⁻¹(j)         hidden layers                            (equation 12)
    M(j, d)  = 1  if  m⁰(d) > mᴸ(j)           outputs                                  (equation 13)

so a path from pixel d' to output d has m⁰(d) > … ≥ m⁰(d'). The first pixel's logit is a bias.

With --orderings K > 1 there are K sets of numbers m, each of a random order, and a step takes one
of them at random: order-agnostic and connectivity-agnostic training (sections 4.2 and 4.3). The
model is then the mixture of the K:

    log p(x) = log 1/K Σₖ pₖ(x)

Images are (N, H, W, C) of zeros and ones; in nats per image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from ..core import Tensor, tensor
from ..device import Array
from ..nn import Linear, Module, in_chunks
from ..nn.init import Rng, he
from ..nn.module import Train
from ..ops import linear, logsumexp, mean, relu, reshape, stack, where
from ..optim import EMA, Adam
from . import config
from .autoregressive import CHUNK, Autoregressive, log_p
from .config import COUNT, FRACTION, POSITIVE, option
from .model import Inputs, Setup


def masks(numbers: Sequence[Array]) -> list[Array]:
    """Which weights stay, a bool (inputs, outputs) a layer, by the numbers m⁰ (D,), m¹, …, mᴸ."""
    hidden = [m[None, :] >= below[:, None] for below, m in pairwise(numbers)]
    return [*hidden, numbers[0][None, :] > numbers[-1][:, None]]


def numbers(order: Array, hidden: Sequence[int], rng: Rng) -> list[Array]:
    """m⁰, the order given (D,) of 1 … D, and an mˡ for each hidden layer of so many units."""
    m = [np.asarray(order)]
    for units in hidden:
        m.append(rng.integers(m[-1].min(), max(len(order), 2), units))
    return m


class Masked(Module):
    """x (N, H, W, C) -> logits (N, H, W, C): dense layers with ReLU between them.

    orderings: how many sets of numbers m; `which` says by which of them it computes.
    """

    def __init__(self, shape: tuple[int, ...], hidden: Sequence[int], orderings: int, rng: Rng):
        D = math.prod(shape)
        self.layers = [Linear(i, o, rng=rng, init=he) for i, o in pairwise([D, *hidden, D])]
        plain = [np.arange(D) + 1] if orderings == 1 else []  # row after row
        orders = plain or [rng.permutation(D) + 1 for _ in range(orderings)]
        sets = [numbers(order, hidden, rng) for order in orders]
        self.m = [tensor(np.stack(layer)) for layer in zip(*sets, strict=True)]

    def __call__(self, x: Tensor, *, train: Train = None, which: int = 0) -> Tensor:
        return self.logits(x, self.masked(which))

    def masked(self, which: int) -> list[Tensor]:
        """The weight of each layer, with zeros where its mask has them."""
        kept = masks([m.data[which] for m in self.m])
        return [
            where(mask, layer.weight, 0.0) for layer, mask in zip(self.layers, kept, strict=True)
        ]

    def logits(self, x: Tensor, weights: list[Tensor]) -> Tensor:
        """By weights that are masked already."""
        h = reshape(x, len(x), -1)
        for layer, weight in zip(self.layers, weights, strict=True):
            h = relu(h) if layer is not self.layers[0] else h
            h = linear(h, weight, layer.bias)
        return reshape(h, x.shape)


@dataclass(frozen=True, kw_only=True)
class Config(config.Config):
    hidden: tuple[int, ...] = option((2000,), COUNT, "units of each layer", several=True)
    orderings: int = option(1, COUNT, "1: row after row; more: so many random orders, mixed")
    lr: float = option(3e-3, POSITIVE, "Adam's learning rate")
    decay: float = option(0.999, FRACTION, "of the weights' average, which measures and draws")


class MADE(Autoregressive):
    """Trained by one of its orders at a time, and measured by all of them."""

    net: Any
    config: Config

    def draw(self, x: Array, labels: Any, rng: Rng) -> Inputs:
        """The images, and which order the step is by."""
        return {"x": x, "which": rng.integers(self.config.orderings)}

    def update(self, x: Array, which: int = 0) -> dict[str, Tensor]:
        """One step on images x (N, H, W, C) of zeros and ones, by one order."""
        return self.descend(-mean(log_p(partial(self.net, which=which), self.tensor(x))))

    def log_likelihood(self, x: Any) -> np.ndarray[Any, Any]:
        """log 1/K Σₖ pₖ(x) of each image, exactly: (N,) float64."""
        every = range(self.config.orderings)

        def mixture(part: Any) -> Tensor:
            nets = [partial(self.averaged, which=k) for k in every]
            each = stack([log_p(net, self.tensor(part)) for net in nets])
            return logsumexp(each, axis=0) - math.log(len(nets))

        return in_chunks(mixture, x, CHUNK).astype(np.float64)

    def order(self, which: int = 0) -> np.ndarray[Any, Any]:
        return np.argsort(self.averaged.m[0].numpy()[which])

    def logits(self, x: Tensor, places: Array, which: int = 0) -> Iterator[Tensor]:
        net, weights = self.averaged, self.averaged.masked(which)  # once for all places
        for i in places:
            yield reshape(net.logits(x, weights), len(x), -1)[:, i]

    def sample(self, n: int, rng: Rng) -> np.ndarray[Any, Any]:
        """n images, (n, H, W, C), each by one of the orders."""
        which = rng.integers(self.config.orderings, size=n)
        x, nothing = np.zeros((n, *self.shape), np.float32), np.zeros(self.shape, bool)
        for k in np.unique(which):
            x[which == k] = self.complete(x[which == k], nothing, rng, int(k))
        return x


def build(config: Config, setup: Setup, rng: Rng) -> MADE:
    """A MADE ready to train."""
    (net,) = setup.place(Masked(setup.shape, config.hidden, config.orderings, rng))
    opt, average = Adam(net.parameters(), lr=config.lr), EMA(net, config.decay)
    return MADE(net, opt, average, setup.shape, config)
