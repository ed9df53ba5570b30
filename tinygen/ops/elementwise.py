"""Elementwise ops: one number in, one number out, with NumPy's broadcasting.

Every rule is the textbook derivative times g. Where an argument was broadcast, the gradient is
summed back to its shape by `unbroadcast`. At a kink the derivative is the mean of both sides for
|x|, maximum and minimum, that of x < 0 for the relus, and 1 at the limits of clip. Derivatives of
functions with kinks are masks, constant almost everywhere, so they enter raw.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor, raw, tensor
from ..cpu import elementwise as cpu
from ..cuda import elementwise as cuda
from ..device import Array, twins, xp
from ..primitives import primitive
from .shape import summed, unbroadcast

on = twins(cpu, cuda)


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


@primitive
def log(x: Array) -> Array:
    """Natural logarithm; log' = 1/x."""
    return xp(x).log(x)


log.cuda(cuda.log)
log.vjp(x=lambda g, y, x: g / x)


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


relu.cpu(lambda x: cpu.leaky_relu(x, slope=0.0))
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
def clip(x: Array, *, low: float, high: float) -> Array:
    """x limited to [low, high]; the gradient passes inside and at the limits."""
    return xp(x).clip(x, low, high)


@clip.check
def _check_limits(x: Array, *, low: float, high: float) -> None:
    if low > high:
        raise ValueError("wanted low <= high")


clip.cuda(cuda.clip)
clip.vjp(x=lambda g, y, x, low, high: g * ((x.data >= low) & (x.data <= high)))


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


def dropout(x: Tensor, mask: Array, *, p: float) -> Tensor:
    """x · mask / (1 - p) (Srivastava et al. 2014): mask, of x's shape, is 0 with probability p.

    The mask is an argument, so that the op is a function; draw it by `rng.random(x.shape) >= p`.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout: wanted 0 <= p < 1, got {p}")
    return x * mask * (1.0 / (1.0 - p))
