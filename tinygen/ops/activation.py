"""Activations, what networks put between their layers, and the log-likelihood of logits.

At their kink the relus have the derivative of x < 0.
"""

from __future__ import annotations

import numpy as np

from ..core import Tensor
from ..cpu import activation as cpu
from ..cuda import activation as cuda
from ..device import Array, twins, xp
from ..primitives import primitive
from .elementwise import mul, neg
from .shape import summed, unbroadcast

on = twins(cpu, cuda)


@primitive
def tanh(x: Array) -> Array:
    """tanh x; tanh' = 1 - tanh²."""
    return xp(x).tanh(x)


tanh.cpu(cpu.tanh)
tanh.cuda(cuda.tanh)
tanh.vjp(x=lambda g, y, x: g * (1.0 - y * y))
tanh.fast(x=lambda g, y, x: on(g).tanh_grad(g, y))


@primitive
def sigmoid(x: Array) -> Array:
    """σ(x) = 1 / (1 + e⁻ˣ); σ' = σ (1 - σ)."""
    with np.errstate(over="ignore"):  # e⁻ˣ = inf gives the right limit, 0
        return 1.0 / (1.0 + xp(x).exp(-x))


sigmoid.cpu(cpu.sigmoid)
sigmoid.cuda(cuda.sigmoid)
sigmoid.vjp(x=lambda g, y, x: g * (y * (1.0 - y)))
sigmoid.fast(x=lambda g, y, x: on(g).sigmoid_grad(g, y))


@primitive
def softplus(x: Array) -> Array:
    """log(1 + eˣ) = max(x, 0) + log(1 + e^-|x|), without overflow; softplus' = σ."""
    m = xp(x)
    e = m.exp(-m.abs(x))
    u = 1 + e  # rounded: the last term mends it, as log1p would, in a third of its time
    return m.maximum(x, 0) + m.log(u) + (e - (u - 1)) / u


softplus.cpu(cpu.softplus)
softplus.cuda(cuda.softplus)
softplus.vjp(x=lambda g, y, x: g * sigmoid(x))
softplus.fast(x=lambda g, y, x: mul.array(g, sigmoid.array(x)))


@primitive
def log_sigmoid(x: Array) -> Array:
    """log σ(x) = -softplus(-x), exact where σ rounds to 0 or 1; log σ' = σ(-x)."""
    return -softplus.forward(-x)


log_sigmoid.cpu(cpu.log_sigmoid)
log_sigmoid.cuda(cuda.log_sigmoid)
log_sigmoid.vjp(x=lambda g, y, x: g * sigmoid(-x))
log_sigmoid.fast(x=lambda g, y, x: mul.array(g, sigmoid.array(neg.array(x))))


@primitive
def log_bernoulli(target: Array, logits: Array) -> Array:
    """t·log σ(l) + (1 - t)·log(1 - σ(l)) = t·l - softplus(l), exact where σ rounds to 0 or 1."""
    return target * logits - softplus.forward(logits)  # softplus(l) = -log(1 - σ(l))


log_bernoulli.cpu(cpu.log_bernoulli)
log_bernoulli.cuda(cuda.log_bernoulli)
log_bernoulli.vjp(
    target=lambda g, y, target, logits: unbroadcast(g * logits, target),
    logits=lambda g, y, target, logits: unbroadcast(g * (target - sigmoid(logits)), logits),
)
log_bernoulli.fast(
    logits=lambda g, y, target, logits: summed(on(g).log_bernoulli_grad(g, target, logits), logits),
)


@primitive
def relu(x: Array) -> Array:
    """max(x, 0)."""
    return xp(x).maximum(x, 0)


relu.cpu(cpu.relu)
relu.cuda(lambda x: cuda.leaky_relu(x, slope=0.0))
relu.vjp(x=lambda g, y, x: g * (x.data > 0))
relu.fast(x=lambda g, y, x: on(g).leaky_relu_grad(g, x, slope=0.0))


@primitive
def leaky_relu(x: Array, *, slope: float = 0.01) -> Array:
    """x where x > 0, slope · x elsewhere, for 0 <= slope < 1 (Maas et al. 2013)."""
    return xp(x).maximum(x, slope * x if slope else 0)


@leaky_relu.check
def _check_slope(x: Array, *, slope: float) -> None:
    if not 0 <= slope < 1:
        raise ValueError("wanted 0 <= slope < 1")


leaky_relu.cpu(cpu.leaky_relu)
leaky_relu.cuda(cuda.leaky_relu)


def _leaky_scale(x: Array, slope: float) -> Array:
    return (x > 0) * x.dtype.type(1 - slope) + x.dtype.type(slope)


leaky_relu.vjp(x=lambda g, y, x, slope: g * _leaky_scale(x.data, slope))
leaky_relu.fast(x=lambda g, y, x, slope: on(g).leaky_relu_grad(g, x, slope=slope))


def dropout(x: Tensor, mask: Array, *, p: float) -> Tensor:
    """x · mask / (1 - p) (Srivastava et al. 2014): mask, of x's shape, is 0 with probability p.

    The mask is an argument, so that the op is a function; draw it by `rng.random(x.shape) >= p`.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout: wanted 0 <= p < 1, got {p}")
    return x * mask * (1.0 / (1.0 - p))
