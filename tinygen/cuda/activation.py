"""Activations on the GPU: kernels/activation.cu."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..device import Array
from . import elementwise
from .elementwise import maximum, mul, sub

mapped = partial(elementwise.mapped, stem="activation")
tanh, sigmoid = partial(mapped, "tanh"), partial(mapped, "sigmoid")
softplus, log_sigmoid = partial(mapped, "softplus"), partial(mapped, "log_sigmoid")
tanh_grad, sigmoid_grad = partial(mapped, "tanh_grad"), partial(mapped, "sigmoid_grad")
log_bernoulli = elementwise.binary("log_bernoulli", stem="activation")


def log_bernoulli_grad(g: Array, target: Any, logits: Array) -> Array:
    """g · (t - σ(l)), in one pass where all are of one shape."""
    if isinstance(target, (int, float)) or not g.shape == target.shape == logits.shape:
        return mul(g, sub(target, sigmoid(logits)))
    return mapped("log_bernoulli_grad", g, target, logits)


def leaky_relu(x: Array, *, slope: float) -> Array:
    """x where x > 0, slope · x elsewhere."""
    if not slope:
        return maximum(x, 0.0)  # as 0 · -inf is no number
    return mapped("leaky_relu", x, numbers=(slope,))


def leaky_relu_grad(g: Array, x: Array, slope: float) -> Array:
    """g where x > 0, slope · g elsewhere."""
    return mapped("leaky_relu_grad", g, x, numbers=(slope,))
