"""Elementwise ops: one number in, one number out, with NumPy's broadcasting.

Every rule is the textbook derivative times g. Where an argument was broadcast, the gradient is
summed back to its shape by `unbroadcast`. At a kink the derivative is the mean of both sides for
|x|, maximum and minimum, and 1 at the limits of clip. Derivatives of
functions with kinks are masks, constant almost everywhere, so they enter raw.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor, raw, tensor
from ..cpu import elementwise as cpu
from ..cuda import elementwise as cuda
from ..device import Array, xp
from ..primitives import primitive
from .shape import summed, unbroadcast


@primitive
def add(a: Array, b: Array) -> Array:
    """a + b."""
    return a + b


add.cpu(cpu.add)
add.cuda(cuda.add)
add.vjp(a=lambda g, y, a, b: unbroadcast(g, a), b=lambda g, y, a, b: unbroadcast(g, b))
add.fast(a=lambda g, y, a, b: summed(g, a), b=lambda g, y, a, b: summed(g, b))


@primitive
def neg(x: Array) -> Array:
    """-x."""
    return -x


neg.cuda(cuda.neg)
neg.vjp(x=lambda g, y, x: -g)
neg.fast(x=lambda g, y, x: neg.array(g))


@primitive
def sub(a: Array, b: Array) -> Array:
    """a - b."""
    return a - b


sub.cpu(cpu.sub)
sub.cuda(cuda.sub)
sub.vjp(a=lambda g, y, a, b: unbroadcast(g, a), b=lambda g, y, a, b: unbroadcast(-g, b))
sub.fast(a=lambda g, y, a, b: summed(g, a), b=lambda g, y, a, b: summed(neg.array(g), b))


@primitive
def mul(a: Array, b: Array) -> Array:
    """a · b, element by element."""
    return a * b


mul.cpu(cpu.mul)
mul.cuda(cuda.mul)
mul.vjp(a=lambda g, y, a, b: unbroadcast(g * b, a), b=lambda g, y, a, b: unbroadcast(g * a, b))
mul.fast(
    a=lambda g, y, a, b: summed(mul.array(g, b), a),
    b=lambda g, y, a, b: summed(mul.array(g, a), b),
)


@primitive
def div(a: Array, b: Array) -> Array:
    """a / b."""
    return a / b


div.cpu(cpu.div)
div.cuda(cuda.div)
div.vjp(
    a=lambda g, y, a, b: unbroadcast(g / b, a),
    b=lambda g, y, a, b: unbroadcast(-g * y / b, b),
)


@primitive
def power(x: Array, p: Array) -> Array:
    """x ** p. The derivative by p is x ** p · log x, at x = 0 its limit: 0, for p < 0 -∞."""
    return x**p


power.cuda(cuda.power)


def _power_x(g: Tensor, y: Tensor, x: Any, p: Any) -> Tensor:
    if not isinstance(p, Tensor) and np.ndim(p) == 0:
        if p in (0, 1):  # p · x ** (p - 1) would be 0 · 0⁻¹ at x = 0
            return g * float(p)
        return g * (p * x ** (p - 1))
    zero = raw(p) == 0  # there p · x ** (p - 1) would be 0 · 0⁻¹ at x = 0
    return unbroadcast(g * where(zero, 0.0, p * x ** where(zero, 1.0, p - 1.0)), x)


def _power_p(g: Tensor, y: Tensor, x: Any, p: Any) -> Tensor:
    x = x if isinstance(x, Tensor) else tensor(x, dtype=g.dtype, device=g.device)
    zero = (x.data == 0) & (raw(p) >= 0)  # there x ** p · log x would be 0 · -∞
    return unbroadcast(g * y * log(where(zero, 1.0, x)), p)


power.vjp(x=_power_x, p=_power_p)


@primitive
def exp(x: Array) -> Array:
    """e ** x; exp' = exp."""
    return xp(x).exp(x)


exp.cpu(cpu.exp)
exp.cuda(cuda.exp)
exp.vjp(x=lambda g, y, x: g * y)
exp.fast(x=lambda g, y, x: mul.array(g, y))


@primitive
def log(x: Array) -> Array:
    """Natural logarithm; log' = 1/x."""
    return xp(x).log(x)


log.cuda(cuda.log)
log.vjp(x=lambda g, y, x: g / x)


@primitive
def log1p(x: Array) -> Array:
    """log(1 + x), exact for small x; log1p' = 1/(1 + x)."""
    return xp(x).log1p(x)


log1p.cpu(cpu.log1p)
log1p.cuda(cuda.log1p)
log1p.vjp(x=lambda g, y, x: g / (1.0 + x))


@primitive
def expm1(x: Array) -> Array:
    """eˣ - 1, exact for small x; expm1' = exp."""
    return xp(x).expm1(x)


expm1.cpu(cpu.expm1)
expm1.cuda(cuda.expm1)
expm1.vjp(x=lambda g, y, x: g * exp(x))  # not y + 1, which loses eˣ below 1's rounding


@primitive
def sin(x: Array) -> Array:
    """sin x, x in radians; sin' = cos."""
    return xp(x).sin(x)


@primitive
def cos(x: Array) -> Array:
    """cos x, x in radians; cos' = -sin."""
    return xp(x).cos(x)


sin.cpu(cpu.sin)
cos.cpu(cpu.cos)
sin.cuda(cuda.sin)
cos.cuda(cuda.cos)
sin.vjp(x=lambda g, y, x: g * cos(x))
cos.vjp(x=lambda g, y, x: -g * sin(x))


@primitive
def square(x: Array) -> Array:
    """x²; its derivative is 2x."""
    return xp(x).square(x)


square.cpu(cpu.square)
square.cuda(cuda.square)
square.vjp(x=lambda g, y, x: g * (2.0 * x))
square.fast(x=lambda g, y, x: mul.array(g, mul.array(x, 2.0)))


@primitive
def sqrt(x: Array) -> Array:
    """√x; √' = 1/(2√x), infinite at 0: add an ε inside the root where x can be 0."""
    return xp(x).sqrt(x)


sqrt.cuda(cuda.sqrt)
sqrt.vjp(x=lambda g, y, x: g / (2.0 * y))


@primitive
def abs(x: Array) -> Array:
    """|x|; |x|' = sign x, 0 at 0."""
    return xp(x).abs(x)


abs.cuda(cuda.abs)
abs.vjp(x=lambda g, y, x: g * xp(x.data).sign(x.data))


@primitive
def sign(x: Array) -> Array:
    """-1, 0 or 1; the derivative is 0."""
    return xp(x).sign(x)


sign.cuda(cuda.sign)
sign.vjp(x=lambda g, y, x: g * 0.0)


@primitive
def maximum(a: Array, b: Array) -> Array:
    """The larger of a and b; at a tie each gets half the gradient."""
    return xp(a).maximum(a, b)


maximum.cuda(cuda.maximum)


@primitive
def minimum(a: Array, b: Array) -> Array:
    """The smaller of a and b; at a tie each gets half the gradient."""
    return xp(a).minimum(a, b)


minimum.cuda(cuda.minimum)


def _share(winner: Any, loser: Any, dtype: Any) -> Array:
    """1 where winner > loser, ½ at a tie, else 0."""
    winner, loser = raw(winner), raw(loser)
    return (winner > loser).astype(dtype) + dtype.type(0.5) * (winner == loser)


maximum.vjp(
    a=lambda g, y, a, b: unbroadcast(g * _share(a, b, g.dtype), a),
    b=lambda g, y, a, b: unbroadcast(g * _share(b, a, g.dtype), b),
)
minimum.vjp(
    a=lambda g, y, a, b: unbroadcast(g * _share(b, a, g.dtype), a),
    b=lambda g, y, a, b: unbroadcast(g * _share(a, b, g.dtype), b),
)


@primitive
def clip(x: Array, *, low: float | None = None, high: float | None = None) -> Array:
    """x limited to [low, high], at one end if the other is None; the gradient passes inside and
    at the limits."""
    return xp(x).clip(x, low, high)


@clip.check
def _check_limits(x: Array, *, low: float | None, high: float | None) -> None:
    if low is None and high is None:
        raise ValueError("wanted low, high or both")
    if None not in (low, high) and not low <= high:  # type: ignore[operator]
        raise ValueError("wanted low <= high")


def _within(x: Array, low: float | None, high: float | None) -> Array:
    if low is None or high is None:
        return x <= high if low is None else x >= low
    return (x >= low) & (x <= high)


clip.cuda(cuda.clip)
clip.vjp(x=lambda g, y, x, low, high: g * _within(x.data, low, high))


@primitive(shown="where")
def select(a: Array, b: Array, *, mask: Array) -> Array:
    """a where mask, b elsewhere; see `where`."""
    m = xp(a if hasattr(a, "dtype") else b)
    return m.where(m.asarray(mask), a, b)


select.vjp(
    a=lambda g, y, a, b, mask: unbroadcast(g * xp(g.data).asarray(mask), a),
    b=lambda g, y, a, b, mask: unbroadcast(g * xp(g.data).asarray(~mask), b),
)


def where(condition: Array, a: Any, b: Any) -> Tensor:
    """a where condition (an array of bool, as comparisons of Tensors give), b elsewhere."""
    mask = raw(condition)
    mask = mask if hasattr(mask, "dtype") else np.asarray(mask)
    if mask.dtype.kind != "b":
        raise TypeError(f"where: wanted an array of bool as condition, got {mask.dtype}")
    return select(a, b, mask=mask)
