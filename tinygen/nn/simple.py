"""Layers that are one op each: a reshape, a table looked up, dropout."""

from __future__ import annotations

from ..core import Tensor
from ..ops import reshape
from .module import Module, Train


class Reshape(Module):
    """x (N, ...) -> (N, *shape): each sample in another shape of its size, or flat by Reshape(-1).

    Raises ValueError if the sizes differ.
    """

    def __init__(self, *shape: int):
        self.shape = tuple(map(int, shape))

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        return reshape(x, len(x), *self.shape)
