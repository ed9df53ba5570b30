"""Reductions: many numbers in, fewer out. axis is an int, a tuple or None (all axes)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..axes import Axes, reduced_axes
from ..core import Tensor
from ..cpu import reduce as cpu
from ..cpu import squared_error as error
from ..cuda import reduce as cuda
from ..device import Array, xp
from ..primitives import primitive
from .elementwise import exp, mul, sqrt, square, sub, where
from .shape import broadcast_to, lift


def spread(t: Tensor, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    """A reduced Tensor t, laid against x again: the reduced axes come back with length 1."""
    if keepdims:
        return t
    reduced = reduced_axes(axis, x.ndim, "grad")
    return t.reshape(tuple(1 if i in reduced else n for i, n in enumerate(x.shape)))


@primitive
def sum(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """Σ x."""
    return x.sum(axis=axis, keepdims=keepdims)


sum.cpu(cpu.sum)
sum.cuda(cuda.sum)
sum.vjp(x=lambda g, y, x, axis, keepdims: broadcast_to(spread(g, x, axis, keepdims), shape=x.shape))


@primitive
def mean(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """Σ x / n over the axes."""
    return _share(x, axis) * sum.array(x, axis=axis, keepdims=keepdims)


@mean.check
def _check_some(x: Array, *, axis: Axes, **_: Any) -> None:
    if not x.size and 0 in [x.shape[i] for i in reduced_axes(axis, x.ndim)]:
        raise ValueError("wanted at least one number along axis")


def _share(x: Any, axis: Axes) -> float:
    """1 / n."""
    if axis is None:
        return 1.0 / x.size
    return 1.0 / math.prod([x.shape[i] for i in reduced_axes(axis, x.ndim, "mean")])


@mean.cuda
def _mean(x: Array, *, axis: Axes, keepdims: bool) -> Array:
    return cuda.sum(x, axis=axis, keepdims=keepdims, scale=_share(x, axis))


mean.vjp(
    x=lambda g, y, x, axis, keepdims: broadcast_to(
        spread(g * _share(x, axis), x, axis, keepdims), shape=x.shape
    )
)


def _spread(g: Array, x: Array, axis: Axes, keepdims: bool) -> Array:
    """`spread` and broadcast_to on arrays."""
    if axis is not None and not keepdims:
        reduced = reduced_axes(axis, x.ndim, "grad")
        g = g.reshape([1 if i in reduced else n for i, n in enumerate(x.shape)])
    return xp(g).broadcast_to(g, x.shape)


sum.fast(x=lambda g, y, x, axis, keepdims: _spread(g, x, axis, keepdims))
mean.fast(
    x=lambda g, y, x, axis, keepdims: _spread(mul.array(g, _share(x, axis)), x, axis, keepdims)
)


@primitive
def squared_error(x: Array, mu: Array) -> Array:
    """Σ (x - μ)² of each sample: x and mu (N, ...), of one shape -> (N,)."""
    return ((x - mu) ** 2).sum(axis=tuple(range(1, x.ndim)))


@squared_error.check
def _check_error(x: Array, mu: Array) -> None:
    if np.shape(x) != np.shape(mu) or not np.ndim(x):
        raise ValueError("wanted x and mu of one shape (N, ...)")


@squared_error.cuda
def _squared_error(x: Array, mu: Array) -> Array:
    return sum.array(square.array(sub.array(x, mu)), axis=tuple(range(1, x.ndim)))


def _error_grad(g: Tensor, x: Tensor, mu: Tensor) -> Tensor:
    """2 g (x - μ)."""
    return g.reshape((len(g),) + (1,) * (x.ndim - 1)) * 2.0 * (x - mu)


def _error_grad_fast(g: Array, x: Array, mu: Array) -> Array:
    if isinstance(g, np.ndarray):
        return error.squared_error_grad(g, x, mu)
    return mul.array(sub.array(x, mu), mul.array(g, 2.0).reshape((len(g),) + (1,) * (x.ndim - 1)))


squared_error.cpu(error.squared_error)
squared_error.vjp(
    x=lambda g, y, x, mu: _error_grad(g, x, mu),
    mu=lambda g, y, x, mu: _error_grad(g, mu, x),
)
squared_error.fast(
    x=lambda g, y, x, mu: _error_grad_fast(g, x, mu),
    mu=lambda g, y, x, mu: _error_grad_fast(g, mu, x),
)


def var(x: Tensor, *, axis: Axes = None, keepdims: bool = False, ddof: int = 0) -> Tensor:
    """Σ (x - mean)² / (n - ddof): ddof 0 is the biased variance, 1 the unbiased one."""
    x = lift(x)
    n = math.prod(x.shape[i] for i in reduced_axes(axis, x.ndim, "var"))
    if n <= ddof:
        raise ValueError(f"var: wanted more than ddof={ddof} numbers, got {n}")
    centred = x - mean(x, axis=axis, keepdims=True)
    return sum(centred * centred, axis=axis, keepdims=keepdims) * (1.0 / (n - ddof))


def std(
    x: Tensor, *, axis: Axes = None, keepdims: bool = False, ddof: int = 0, eps: float = 0.0
) -> Tensor:
    """√(var + ε), the standard deviation for ε = 0; ddof as in `var`.

    Where all numbers are equal its gradient is 0 (not NaN), and near there its second derivative
    grows as 1/std; an ε > 0 bounds it by 1/√ε.
    """
    return _root(var(x, axis=axis, keepdims=keepdims, ddof=ddof), eps)


def prod(x: Tensor, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """Π x, 1 for no numbers. It is halved again and again, x₁x₂x₃x₄ = (x₁x₃)(x₂x₄), so that its
    gradients are products, too: right for any number of zeros."""
    x = lift(x)
    gone = reduced_axes(axis, x.ndim, "prod")
    kept = [i for i in range(x.ndim) if i not in gone]
    n = math.prod(x.shape[i] for i in gone)
    y = x.transpose(*gone, *kept) if x.ndim else x
    y = y.reshape((n, *(x.shape[i] for i in kept)))
    odd = []  # what is left over where n is odd
    while n > 1:
        if n % 2:
            odd.append(y[n - 1])
        n //= 2
        y = y[:n] * y[n : 2 * n]
    y = y[0] if n else sum(y, axis=0) + 1.0  # of no numbers
    for factor in odd:
        y = y * factor
    return y.reshape([1 if i in gone else m for i, m in enumerate(x.shape)]) if keepdims else y


@primitive
def max(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The largest number; where several are equal they share the gradient."""
    return x.max(axis=axis, keepdims=keepdims)


def _max_x(g: Tensor, y: Tensor, x: Tensor, axis: Axes, keepdims: bool) -> Tensor:
    hit = (x.data == spread(y, x, axis, keepdims).data).astype(x.dtype)
    share = hit / sum.array(hit, axis=reduced_axes(axis, x.ndim, "grad"), keepdims=True)
    return spread(g, x, axis, keepdims) * share


max.check(_check_some)
max.cuda(cuda.max)
max.vjp(x=_max_x)


def min(x: Tensor, *, axis: Axes = None, keepdims: bool = False) -> Tensor:
    """The smallest number; where several are equal they share the gradient."""
    return -max(-lift(x), axis=axis, keepdims=keepdims)


@primitive
def logsumexp(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """log Σ eˣ, shifted by the maximum so that nothing overflows; its gradient is softmax."""
    top = x.max(axis=axis, keepdims=True)
    top = xp(x).where(xp(x).isfinite(top), top, x.dtype.type(0))
    with np.errstate(divide="ignore"):  # log 0 = -inf is right for a row of -inf
        y = xp(x).log(sum.array(xp(x).exp(x - top), axis=axis, keepdims=True)) + top
    return y if keepdims else xp(x).squeeze(y, axis=axis)


logsumexp.check(_check_some)
logsumexp.cuda(cuda.logsumexp)
logsumexp.vjp(
    x=lambda g, y, x, axis, keepdims: (
        spread(g, x, axis, keepdims) * exp(x - spread(y, x, axis, keepdims))
    )
)


@primitive
def softmax(x: Array, *, axis: int = -1) -> Array:
    """eˣ / Σ eˣ along one axis."""
    e = xp(x).exp(x - x.max(axis=axis, keepdims=True))
    return e / sum.array(e, axis=axis, keepdims=True)


@softmax.check
def _check_one(x: Array, *, axis: Any) -> None:
    if not isinstance(axis, int) and x.ndim and len(reduced_axes(axis, x.ndim)) != 1:
        raise ValueError("wanted one axis")
    _check_some(x, axis=axis)


softmax.cuda(cuda.softmax)
softmax.vjp(x=lambda g, y, x, axis: y * (g - sum(g * y, axis=axis, keepdims=True)))


@primitive
def log_softmax(x: Array, *, axis: int = -1) -> Array:
    """x - log Σ eˣ along one axis."""
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - xp(x).log(sum.array(xp(x).exp(shifted), axis=axis, keepdims=True))


log_softmax.check(_check_one)
log_softmax.cuda(cuda.log_softmax)
log_softmax.vjp(x=lambda g, y, x, axis: g - exp(y) * sum(g, axis=axis, keepdims=True))


def norm(x: Tensor, *, axis: Axes = None, keepdims: bool = False, eps: float = 0.0) -> Tensor:
    """√(Σ x² + ε), the Euclidean norm for ε = 0, with gradient 0 (not NaN) at x = 0.

    Near 0 its second derivative grows as 1/‖x‖; an ε > 0 bounds it by 1/√ε.
    """
    x = lift(x)
    return _root(sum(x * x, axis=axis, keepdims=keepdims), eps)


def _root(s: Tensor, eps: float) -> Tensor:
    """√(s + ε); for ε = 0 with gradient 0 where s = 0."""
    if eps:
        return sqrt(s + eps)
    zero: Any = s.data == 0
    return where(zero, 0.0, sqrt(where(zero, 1.0, s)))
