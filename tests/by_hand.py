"""What is small enough to be done by hand: float64 constants, and a network of one matrix."""

import numpy as np

import tinygen as tg
from tinygen import nn


def t(array):
    """A float64 constant."""
    return tg.tensor(array, dtype=float)


class Affine(nn.Module):
    """x · w + b; b is a constant."""

    def __init__(self, w, b=0.0):
        self.w = tg.tensor(w, dtype=float, requires_grad=True)
        self.b = b

    def __call__(self, x, *, train=None):
        return x @ self.w + self.b


class Spy(nn.Module):
    """A network that keeps what it was shown."""

    def __init__(self, inner):
        self.inner, self.shown = inner, []

    def __call__(self, x, *, train=None):
        self.shown.append(np.array(x.numpy()))
        return self.inner(x, train=train)
