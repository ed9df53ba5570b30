"""Layers that are one op each: a reshape, a table looked up, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor, tensor
from ..device import on_device, to_device
from ..ops import dropout, reshape, take
from .init import Init, Rng, normal
from .module import Module, Train, in_training

STANDARD = normal(1.0)


class Reshape(Module):
    """x (N, ...) -> (N, *shape): each sample in another shape of its size, or flat by Reshape(-1).

    Raises ValueError if the sizes differ.
    """

    def __init__(self, *shape: int):
        self.shape = tuple(map(int, shape))

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        return reshape(x, len(x), *self.shape)


class Embedding(Module):
    """Integers (...) in [0, n) -> their rows of the table: (..., d); table (n, d).

    init: sees a fan_in of 1, as one row makes each output; N(0, 1) unless given, as PyTorch's.
    Raises TypeError for anything but integers, IndexError for those of no row.
    """

    def __init__(self, n: int, d: int, *, rng: Rng, init: Init = STANDARD):
        self.table = tensor(init((n, d), 1, d, rng), requires_grad=True)

    def __call__(self, x: Any, *, train: Train = None) -> Tensor:
        x = x if isinstance(x, Tensor) or on_device(x) else np.asarray(x)
        if isinstance(x, Tensor) or x.dtype.kind not in "iu":
            raise TypeError(f"Embedding: wanted an array of integers, got {_named(x)}")
        n, (low, high) = len(self.table), (x.min().item(), x.max().item()) if x.size else (0, 0)
        if low < 0 or high >= n:
            raise IndexError(
                f"Embedding: wanted integers in [0, {n}), got {low} to {high} in {x.shape}"
            )
        return take(self.table, to_device(x, self.table.device), axis=0)


def _named(x: Any) -> str:
    return f"{'a Tensor' if isinstance(x, Tensor) else 'an array'} {x.shape} of {x.dtype}"


class Dropout(Module):
    """x · mask / (1 - p), the mask 0 with probability p (Srivastava et al. 2014).

    train=True or "frozen" draws a new mask; train=False is the identity; None raises.
    rng: masks are drawn from it on the host, so that a GPU sees the same ones. With the generator
    that the run draws all else from, a checkpoint holds its state, and a resumed run its bits.
    """

    def __init__(self, p: float = 0.5, *, rng: Rng):
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: wanted 0 <= p < 1, got {p}")
        self.p, self.rng = float(p), rng

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        if not in_training(self, train):
            return x
        mask = self.rng.random(x.shape) >= self.p
        return dropout(x, to_device(mask, x.device), p=self.p)
