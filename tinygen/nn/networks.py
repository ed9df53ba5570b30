"""Fully connected networks: Linear layers with an activation between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

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
    between a layer and its activation. Raises ValueError for a shape in between, sizes < 1, or more
    norms than hidden layers, TypeError for what is no size.
    """
    counts = _counts(sizes)
    layers: list[Any] = []
    hidden = len(counts) - 2
    if len(norms) > hidden:
        raise ValueError(
            f"dense: wanted at most {hidden} norms, one a hidden layer, got {len(norms)}"
        )
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


def _counts(sizes: Sequence[Size]) -> list[int]:
    """How many numbers a sample has at each size."""
    if len(sizes) < 2:
        raise ValueError(f"dense: wanted 2 or more sizes, got {len(sizes)}")
    for size in sizes[1:-1]:
        if isinstance(size, tuple):
            raise ValueError(f"dense: wanted a shape only first or last, got {size} in between")
    for size in sizes:
        for n in size if isinstance(size, tuple) else (size,):
            whole = isinstance(n, int | np.integer) and not isinstance(n, bool)
            if not whole or n < 1:
                error = ValueError if whole else TypeError
                raise error(f"dense: wanted sizes >= 1 or shapes of them, got {size!r}")
    return [math.prod(size) if isinstance(size, tuple) else size for size in sizes]
