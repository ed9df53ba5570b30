"""Activations in blocks that stay in the cache, spread over the threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import loop
from .elementwise import SHORT, Array, over, ufunc
from .threads import scratch

tanh = ufunc(np.tanh)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ)."""
    with np.errstate(over="ignore"):
        return over(_logistic, x)


def _logistic(out: Array, x: Array) -> None:
    """Writes 1 / (1 + e⁻ˣ)."""
    np.negative(x, out=out)
    np.exp(out, out=out)
    if out.size < SHORT or not (out.flags.c_contiguous and _one_over_loop(out.reshape(-1))):
        out += 1
        np.reciprocal(out, out=out)


@loop
def _one_over_loop(x: Any) -> None:
    """x ← 1 / (1 + x)."""
    one = x.dtype.type(1)
    for i in range(len(x)):
        x[i] = one / (one + x[i])


def softplus(x: Array) -> Array:
    """max(x, 0) + log(1 + e^-|x|)."""
    return over(_softplus, x)


def _softplus(out: Array, x: Array) -> Array:
    """Writes max(x, 0) + log(1 + e^-|x|) into out. Returns an array to work in, of its shape."""
    t = _log_1_plus_exp(out, x)
    np.maximum(x, 0, out=t)
    out += t
    return t


def log_sigmoid(x: Array) -> Array:
    """min(x, 0) - log(1 + e^-|x|)."""

    def block(out: Array, x: Array) -> None:
        t = _log_1_plus_exp(out, x)
        np.minimum(x, 0, out=t)
        np.subtract(t, out, out=out)

    return over(block, x)


def log_bernoulli(target: Any, logits: Array) -> Array:
    """t·l - softplus(l)."""

    def block(out: Array, t: Any, x: Array) -> None:
        s = _softplus(out, x)
        np.multiply(x, t, out=s)
        np.subtract(s, out, out=out)

    shape = np.broadcast_shapes(np.shape(target), logits.shape)
    return over(block, target, np.broadcast_to(logits, shape))


def log_bernoulli_grad(g: Array, target: Any, logits: Array) -> Array:
    """g · (t - σ(l))."""

    def block(out: Array, g: Array, t: Any, x: Array) -> None:
        _logistic(out, x)
        np.subtract(t, out, out=out)
        out *= g

    with np.errstate(over="ignore"):
        return over(block, g, target, logits)


def _log_1_plus_exp(out: Array, x: Array) -> Array:
    """Writes log(1 + e) into out, e = e^-|x|. Returns an array to work in, of its shape.

    u = 1 + e is rounded: by e - (u - 1) it is too small, and so log u by (e - (u - 1)) / u.
    """
    e, t = (scratch(name, x.shape, x.dtype) for name in ("softplus e", "softplus t"))
    np.abs(x, out=e)
    np.negative(e, out=e)
    np.exp(e, out=e)
    np.add(e, 1, out=out)
    np.subtract(out, 1, out=t)
    np.subtract(e, t, out=e)
    e /= out
    np.log(out, out=out)
    out += e
    return t


def relu(x: Array) -> Array:
    """max(x, 0)."""
    return over(lambda out, x: np.maximum(x, 0, out=out), x, loop=_relu_loop)


@loop
def _relu_loop(out: Any, x: Any) -> None:
    zero = x.dtype.type(0)
    for i in range(len(out)):
        out[i] = zero if x[i] <= zero else x[i]  # NaN stays


def leaky_relu(x: Array, *, slope: float) -> Array:
    """x where x > 0, slope · x elsewhere, for 0 <= slope < 1."""

    def block(out: Array, x: Array, slope: float) -> None:
        np.multiply(x, slope, out=out)
        np.maximum(x, out, out=out)

    return over(block, x, float(slope), loop=_leaky_relu_loop) if slope else relu(x)


@loop
def _leaky_relu_loop(out: Any, x: Any, slope: Any) -> None:
    for i in range(len(out)):
        out[i] = x[i] if x[i] > 0 else slope * x[i]


def leaky_relu_grad(g: Array, x: Array, slope: float) -> Array:
    """g where x > 0, slope · g elsewhere: by a product, which is faster than a choice."""

    def block(out: Array, g: Array, x: Array, slope: float) -> None:
        np.greater(x, 0, out=out)
        if slope:
            out *= 1 - slope
            out += slope
        out *= g

    return over(block, g, x, float(slope), loop=_leaky_relu_grad_loop)


@loop
def _leaky_relu_grad_loop(out: Any, g: Any, x: Any, slope: Any) -> None:
    one = x.dtype.type(1)
    for i in range(len(out)):
        out[i] = g[i] * (one if x[i] > 0 else slope)


def tanh_grad(g: Array, y: Array) -> Array:
    """g · (1 - y²)."""

    def block(out: Array, g: Array, y: Array) -> None:
        np.multiply(y, y, out=out)
        np.subtract(1, out, out=out)
        out *= g

    return over(block, g, y, loop=_tanh_grad_loop)


@loop
def _tanh_grad_loop(out: Any, g: Any, y: Any) -> None:
    one = y.dtype.type(1)
    for i in range(len(out)):
        out[i] = g[i] * (one - y[i] * y[i])


def sigmoid_grad(g: Array, y: Array) -> Array:
    """g · y · (1 - y)."""

    def block(out: Array, g: Array, y: Array) -> None:
        np.subtract(1, y, out=out)
        out *= y
        out *= g

    return over(block, g, y, loop=_sigmoid_grad_loop)


@loop
def _sigmoid_grad_loop(out: Any, g: Any, y: Any) -> None:
    one = y.dtype.type(1)
    for i in range(len(out)):
        out[i] = g[i] * (one - y[i]) * y[i]
