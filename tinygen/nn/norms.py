"""Normalisation of samples, each by itself, and of weights, made of ops."""

from __future__ import annotations

import math
from copy import copy
from typing import Any

import numpy as np

from ..core import Tensor, no_grad, tensor
from ..device import Array
from ..ops import matmul, mean, norm, reshape
from .init import Rng
from .layers import Conv2d, Linear
from .module import Module, Train, in_training


class GroupNorm(Module):
    """x (N, ..., channels) normalised, then scaled by gamma and shifted by beta (channels,).

    In each sample by itself, a group of neighbouring channels has one mean and variance, over
    all its places (Wu & He 2018, equations 1 and 2 with equation 7's sets):

        y = γ · (x - mean) / √(var + ε) + β

    groups: how many, a divisor of channels; one for each channel is instance norm.
    Raises ValueError where a group has a single number, which is its own mean.
    """

    def __init__(self, groups: int, channels: int, *, eps: float = 1e-5):
        if not groups >= 1 or channels % groups:
            raise ValueError(
                f"GroupNorm: wanted groups that divide the channels, got {groups} of {channels}"
            )
        self.groups, self.eps = int(groups), eps
        self.gamma = tensor(np.ones(channels), requires_grad=True)
        self.beta = tensor(np.zeros(channels), requires_grad=True)

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        channels = len(self.gamma)
        if x.ndim < 2 or x.shape[-1] != channels:
            raise ValueError(f"GroupNorm: wanted x (N, ..., {channels}), got {x.shape}")
        places, size = math.prod(x.shape[1:-1]), channels // self.groups
        if places * size < 2:
            raise ValueError(
                f"GroupNorm: wanted 2 or more numbers a group, got {places * size} in x {x.shape}"
            )
        parts = reshape(x, len(x), places, self.groups, size)
        parts = parts - mean(parts, axis=(1, 3), keepdims=True)
        var = mean(parts * parts, axis=(1, 3), keepdims=True)
        return reshape(parts * (var + self.eps) ** -0.5, *x.shape) * self.gamma + self.beta


def pixel_norm(x: Tensor, *, eps: float = 1e-8) -> Tensor:
    """x / √(mean of x² over the last axis + ε): each pixel's features get a mean square of 1.

    x (..., C), also (N, C) codes. Karras et al. 2017, section 4.2.
    """
    return x * (mean(x * x, axis=-1, keepdims=True) + eps) ** -0.5


class SpectralNorm(Module):
    """A Linear or Conv2d that computes with W / σ(W), σ the largest singular value of its weight.

    W is seen as a matrix, one row an output: (o, i), of a convolution (o, kh·kw·i). Miyato et al.
    2018, algorithm 1: σ = uᵀWv, where u and v are constants for the gradient,

    train=True             v ← Wᵀu / ‖Wᵀu‖,  u ← Wv / ‖Wv‖: one power iteration
    train="frozen", False  u and v stay; None raises

    u and v, buffers, begin at random, then make 15 iterations (as PyTorch's do).
    Raises ValueError for weights that are all 0, as σ is then.
    """

    def __init__(self, layer: Linear | Conv2d, *, rng: Rng):
        if not isinstance(layer, Linear | Conv2d):
            raise TypeError(
                f"SpectralNorm: wanted a Linear or Conv2d, got a {type(layer).__name__}"
            )
        self.layer = layer
        if not layer.weight.data.any():
            raise ValueError(
                f"SpectralNorm: wanted weights that are not all 0, got {layer.weight.shape} zeros"
            )
        like: dict[str, Any] = {"dtype": layer.weight.dtype, "device": layer.weight.device}
        self.u = tensor(rng.standard_normal(layer.weight.shape[-1]), **like)
        self.v = tensor(np.zeros(layer.weight.size // len(self.u)), **like)
        for _ in range(15):
            self._iterate()

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        in_training(self, train)
        if train is True:
            self._iterate()
        layer = copy(self.layer)
        layer.weight = self.layer.weight / self._sigma(self.u.data, self.v.data)
        return layer(x, train=train)

    def _sigma(self, u: Array, v: Array) -> Tensor:
        """uᵀWv. u and v go in raw: a graph keeps those that it was recorded with."""
        return matmul(v, matmul(self._columns(), u))

    def _columns(self) -> Tensor:
        """Wᵀ, one column an output, as the weights lie in memory."""
        return reshape(self.layer.weight, -1, len(self.u))

    def _iterate(self) -> None:
        with no_grad():
            W_t = self._columns()
            v = _unit(matmul(W_t, self.u))
            self.u.data, self.v.data = _unit(matmul(v, W_t)).data, v.data


class EqualisedRate(Module):
    """A Linear or Conv2d that computes with ŵ = w · √(gain / fan_in). Karras et al. 2017,
    section 4.1: He's factor at run time, and not once at the start.

    Drawn with init=normal(1.0), all weights w have one spread, so that Adam's steps, whose size
    does not depend on the gradients', are of one relative size in all layers.

    gain: 2 where a ReLU follows, 1 where nothing does. The bias is as it is.
    """

    def __init__(self, layer: Linear | Conv2d, *, gain: float = 2.0):
        if not isinstance(layer, Linear | Conv2d):
            raise TypeError(
                f"EqualisedRate: wanted a Linear or Conv2d, got a {type(layer).__name__}"
            )
        outputs = layer.weight.shape[-1]
        self.layer, self.scale = layer, math.sqrt(gain * outputs / layer.weight.size)

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        layer = copy(self.layer)
        layer.weight = self.layer.weight * self.scale
        return layer(x, train=train)


def _unit(x: Tensor) -> Tensor:
    """x / ‖x‖."""
    return x / norm(x)
