"""Fully connected networks: Linear layers with an activation between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from ..core import Tensor
from .init import Init, Rng, fan_in_uniform
from .layers import Linear
from .module import Module, Sequential
from .simple import Reshape

Size = int | tuple[int, ...]  # of a layer: numbers of a sample, or their shape


def dense(
    *sizes: Size,
    activation: Callable[[Tensor], Tensor],
    rng: Rng,
    init: Init = fan_in_uniform,
    init_last: Init | None = None,
    last: Callable[[Tensor], Tensor] | None = None,
    norms: Sequence[Callable[[int], Module] | None] = (),
) -> Sequential:
    """A Sequential of Linear layers through `sizes`, drawn one after the other.

    The first size and the last may be shapes, such as (28, 28, 1): samples of it are flattened
    on the way in, or come out in it. activation: after each layer but the last; last: after that.
    init: of all weights, but the last layer's where init_last is given.
    norms: of the hidden layers, in their order, what makes a norm of n numbers, or None; it comes
    between a layer and its activation.
    """
    counts = [math.prod(size) if isinstance(size, tuple) else size for size in sizes]
    layers: list[Any] = []
    hidden = len(counts) - 2
    if isinstance(sizes[0], tuple):
        layers.append(Reshape(counts[0]))
    for i, (m, n) in enumerate(pairwise(counts)):
        begin = init if i < hidden else init_last or init
        layers.append(Linear(m, n, rng=rng, init=begin))
        norm = norms[i] if i < len(norms) else None
        if norm:
            layers.append(norm(n))
        if i < hidden:
            layers.append(activation)
    if last:
        layers.append(last)
    if isinstance(sizes[-1], tuple):
        layers.append(Reshape(*sizes[-1]))
    return Sequential(*layers)
