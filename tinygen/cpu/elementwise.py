"""Elementwise work in blocks that stay in the cache, spread over the threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import threads
from .threads import blocks, run, scratch

Array = np.ndarray[Any, Any]


def over(f: Callable[..., Any], *arrays: Any) -> Array:
    """f(out, *arrays), where f writes what it computes elementwise into out: block by block.

    arrays: of one dtype, broadcastable, or Python numbers. Returns the new out.
    """
    shaped = [a for a in arrays if isinstance(a, np.ndarray)]
    shape = shaped[0].shape if len(shaped) == 1 else np.broadcast_shapes(*(a.shape for a in shaped))
    out = np.empty(shape, shaped[0].dtype)
    if out.size < threads.BLOCK:
        f(out, *arrays)
        return out
    whole = [out, *arrays]
    if all(a.shape == shape and a.flags.c_contiguous for a in shaped):
        whole = [a.reshape(-1) if isinstance(a, np.ndarray) else a for a in whole]
    n, ndim = len(whole[0]), whole[0].ndim
    cut = [isinstance(a, np.ndarray) and a.ndim == ndim and len(a) == n for a in whole]
    rows = max(1, threads.BLOCK * n // out.size)

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, rows):
            f(*(a[part] if c else a for a, c in zip(whole, cut, strict=True)))

    run(work, n, least=rows)
    return out


def ufunc(f: Any) -> Callable[..., Array]:
    """A NumPy ufunc of one result, over the threads where it pays."""

    def apply(*arrays: Any) -> Array:
        for a in arrays:
            if isinstance(a, np.ndarray) and a.size >= threads.BLOCK:
                break
        else:
            return np.asarray(f(*arrays))
        return over(lambda out, *blocks: f(*blocks, out=out), *arrays)

    return apply


add, sub, mul, div = (ufunc(f) for f in (np.add, np.subtract, np.multiply, np.divide))
exp, tanh = ufunc(np.exp), ufunc(np.tanh)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e⁻ˣ)."""
    with np.errstate(over="ignore"):
        return over(_logistic, x)


def _logistic(out: Array, x: Array) -> None:
    """Writes 1 / (1 + e⁻ˣ)."""
    np.negative(x, out=out)
    np.exp(out, out=out)
    out += 1
    np.reciprocal(out, out=out)


def softplus(x: Array) -> Array:
    """max(x, 0) + log(1 + e^-|x|)."""
    return over(_softplus, x)


def _softplus(out: Array, x: Array) -> Array:
    """Writes max(x, 0) + log(1 + e^-|x|); a scratch."""
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
    """Writes log(1 + e^-|x|), the rounding of u = 1 + e mended by (e - (u - 1)) / u; a scratch."""
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


def leaky_relu(x: Array, *, slope: float) -> Array:
    """x where x > 0, slope · x elsewhere, for 0 <= slope < 1."""

    def block(out: Array, x: Array) -> None:
        if slope:
            np.multiply(x, slope, out=out)
        np.maximum(x, out if slope else 0, out=out)

    return over(block, x)


def leaky_relu_grad(g: Array, x: Array, slope: float) -> Array:
    """g where x > 0, slope · g elsewhere: by a product, which is faster than a choice."""

    def block(out: Array, g: Array, x: Array) -> None:
        np.greater(x, 0, out=out)
        if slope:
            out *= 1 - slope
            out += slope
        out *= g

    return over(block, g, x)


def tanh_grad(g: Array, y: Array) -> Array:
    """g · (1 - y²)."""

    def block(out: Array, g: Array, y: Array) -> None:
        np.multiply(y, y, out=out)
        np.subtract(1, out, out=out)
        out *= g

    return over(block, g, y)


def sigmoid_grad(g: Array, y: Array) -> Array:
    """g · y · (1 - y)."""

    def block(out: Array, g: Array, y: Array) -> None:
        np.subtract(1, y, out=out)
        out *= y
        out *= g

    return over(block, g, y)
