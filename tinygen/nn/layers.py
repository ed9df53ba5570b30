"""The layers. Weights are drawn from the `rng` given, by the `init` given; biases begin at 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor, tensor
from ..ops import batch_norm, conv2d, conv2d_input, layer_norm, linear
from ..ops.conv import conv_transpose_shape
from ..ops.conv_variants import check_dilation, spread_kernel
from ..ops.elementwise import sqrt
from ..windows import Pair, pair
from .init import Init, Rng, fan_in_uniform
from .module import Module, Train, in_training


def _parameter(array: Any) -> Tensor:
    return tensor(array, requires_grad=True)


class Linear(Module):
    """x (N, i) -> x @ weight + bias (N, o); weight (i, o), bias (o,)."""

    def __init__(self, i: int, o: int, *, rng: Rng, init: Init = fan_in_uniform, bias: bool = True):
        self.weight = _parameter(init((i, o), i, o, rng))
        self.bias = _parameter(np.zeros(o)) if bias else None

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        return x @ self.weight if self.bias is None else linear(x, self.weight, self.bias)


class _Convolution(Module):
    """What both have in common; kernel, stride, padding and dilation are one number or (height,
    width)."""

    transposed = False

    def __init__(
        self,
        i: int,
        o: int,
        kernel: Pair,
        *,
        rng: Rng,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        init: Init = fan_in_uniform,
        bias: bool = True,
    ):
        if groups < 1 or i % groups or o % groups:
            name = type(self).__name__
            raise ValueError(
                f"{name}: wanted groups that divide {i} and {o} channels, got {groups}"
            )
        check_dilation(type(self).__name__, dilation)
        (kh, kw), self.stride, self.padding = pair(kernel), stride, padding
        self.dilation, self.groups = dilation, groups
        shape = (kh, kw, o // groups, i) if self.transposed else (kh, kw, i // groups, o)
        self.weight = _parameter(init(shape, kh * kw * i // groups, kh * kw * o // groups, rng))
        self.bias = _parameter(np.zeros(o)) if bias else None

    def _lay(self) -> dict[str, Any]:
        lay = {"stride": self.stride, "padding": self.padding}
        return lay | {"dilation": self.dilation, "groups": self.groups}


class Conv2d(_Convolution):
    """x (N, H, W, i) -> (N, H', W', o); weight (kh, kw, i / groups, o), bias (o,)."""

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        y = conv2d(x, self.weight, **self._lay())
        return y if self.bias is None else y + self.bias


class ConvTranspose2d(_Convolution):
    """x (N, H', W', i) -> (N, H, W, o), conv2d's gradient used forwards:

        H = (H' - 1)·stride - 2·padding + dilation·(kh - 1) + 1 + output_padding

    output_padding, less than stride, says which of the image sizes of this H' is meant.
    weight (kh, kw, o / groups, i): that of the Conv2d from o to i channels whose transpose it is.
    """

    transposed = True

    def __init__(
        self, i: int, o: int, kernel: Pair, *, rng: Rng, output_padding: Pair = 0, **lay: Any
    ):
        super().__init__(i, o, kernel, rng=rng, **lay)
        self.output_padding = output_padding

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        kernel = spread_kernel(self.weight.shape, self.dilation)
        w = (*kernel, self.weight.shape[2] * self.groups)
        shape = conv_transpose_shape(x.shape, w, self.stride, self.padding, self.output_padding)
        y = conv2d_input(x, self.weight, shape=shape, **self._lay())
        return y if self.bias is None else y + self.bias


class BatchNorm(Module):
    """x (..., features) normalised per feature, then scaled by gamma and shifted by beta.

    train=True      by the batch's statistics, which move the running ones:
                    running ← (1 - momentum) · running + momentum · batch (variance unbiased)
    train="frozen"  by the batch's statistics; the running ones stay
    train=False     by the running ones
    train=None raises: the choice changes the numbers, so it has to be said.
    """

    def __init__(self, features: int, *, eps: float = 1e-5, momentum: float = 0.1):
        self.eps, self.momentum = eps, momentum
        self.gamma, self.beta = _parameter(np.ones(features)), _parameter(np.zeros(features))
        self.running_mean, self.running_var = tensor(np.zeros(features)), tensor(np.ones(features))

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        if not in_training(self, train):
            scale = self.gamma / sqrt(self.running_var + self.eps)
            return (x - self.running_mean) * scale + self.beta
        n = x.size // x.shape[-1]
        if n < 2:
            raise ValueError(f"BatchNorm: wanted 2 or more samples to train on, got x {x.shape}")
        mean, var = self.running_mean.data.copy(), self.running_var.data.copy()
        y = batch_norm(x, self.gamma, self.beta, eps=self.eps, stats=(mean, var))
        if train is True:
            self._move(self.running_mean, mean)
            self._move(self.running_var, var * (n / (n - 1)))
        return y

    def _move(self, running: Tensor, batch: Any) -> None:
        running.data = (1 - self.momentum) * running.data + self.momentum * batch


class LayerNorm(Module):
    """x (N, ..., *shape) normalised over the axes `shape` of each sample, then gamma · + beta."""

    def __init__(self, *shape: int, eps: float = 1e-5):
        self.eps = eps
        self.gamma, self.beta = _parameter(np.ones(shape)), _parameter(np.zeros(shape))

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        return layer_norm(x, self.gamma, self.beta, eps=self.eps)
