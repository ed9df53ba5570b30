"""Updates without new arrays: one pass over memory, or passes that stay in the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .compiled import in_use, loop
from .elementwise import over
from .pointwise import Pointwise, address, pointwise
from .threads import scratch

Array = np.ndarray[Any, Any]


def adam_numbers(
    lr: float, betas: tuple[float, float], eps: float, t: int, keep: float = 1.0
) -> tuple[float, ...]:
    """What adam and adam_loop take besides arrays, in step number t of algorithm 1.

    Instead of correcting m and v, numbers for each entry, the two plain numbers of the step are
    corrected, lr and ε: with c₁ = 1 - β₁ᵗ and c₂ = 1 - β₂ᵗ

    lr · (m/c₁) / (√(v/c₂) + ε) = lr · √c₂/c₁ · m / (√v + ε·√c₂)

    keep: what p is multiplied by first, AdamW's 1 - lr · λ.
    """
    beta1, beta2 = betas
    root = (1 - beta2**t) ** 0.5
    return beta1, 1 - beta1, beta2, 1 - beta2, lr * root / (1 - beta1**t), eps * root, keep


def adam(p: Array, g: Array, m: Array, v: Array, *numbers: float) -> None:
    """Moves p, m and v along g, blocks of one length. numbers: see adam_numbers."""
    beta1, rest1, beta2, rest2, rate, eps, keep = numbers
    a = scratch("adam", p.shape, p.dtype)
    m *= beta1
    np.multiply(g, rest1, out=a)
    m += a
    v *= beta2
    np.multiply(g, g, out=a)
    a *= rest2
    v += a
    np.sqrt(v, out=a)
    a += eps
    np.divide(m, a, out=a)
    a *= rate
    if keep != 1:
        p *= keep
    p -= a


@pointwise
def adam_loop(p: Any, g: Any, m: Any, v: Any, numbers: Any) -> None:
    beta1, rest1, beta2, rest2 = numbers[0], numbers[1], numbers[2], numbers[3]
    rate, eps, keep = numbers[4], numbers[5], numbers[6]
    for i in range(p.size):
        m[i] = beta1 * m[i] + rest1 * g[i]
        v[i] = beta2 * v[i] + rest2 * g[i] * g[i]
        p[i] = keep * p[i] - rate * m[i] / (np.sqrt(v[i]) + eps)


@pointwise
def sgd_loop(p: Any, g: Any, u: Any, numbers: Any) -> None:
    """u ← momentum · u + g, p ← p - lr · u."""
    momentum, lr = numbers[0], numbers[1]
    for i in range(p.size):
        u[i] = momentum * u[i] + g[i]
        p[i] = p[i] - lr * u[i]


@pointwise
def scaled_loop(p: Any, g: Any, v: Any, numbers: Any) -> None:
    """v ← decay · v + rest · g², p ← p - lr · g / (√v + ε): RMSProp, and Adagrad with 1 and 1."""
    decay, rest, lr, eps = numbers[0], numbers[1], numbers[2], numbers[3]
    for i in range(p.size):
        v[i] = decay * v[i] + rest * g[i] * g[i]
        p[i] = p[i] - lr * g[i] / (np.sqrt(v[i]) + eps)


def together(
    method: Pointwise,
    params: Sequence[Array],
    grads: Sequence[Array],
    state: Sequence[Array],
    *numbers: float,
) -> bool:
    """A step of all parameters by a method's loop, on all cores.

    state: flat arrays, each with what belongs to all parameters, one after the other. False where
    there is no Numba, or state has gaps in memory, and then nothing has moved.
    """
    if not in_use() or not all(s.flags.c_contiguous and s.flags.writeable for s in state):
        return False
    at, dtype = [address(s) for s in state], params[0].dtype
    grads = [np.ascontiguousarray(g).reshape(-1) for g in grads]  # here until all is done
    sizes, addresses = [g.size for g in grads], list[int]()
    for p, g in zip(params, grads, strict=True):
        addresses += address(p.reshape(-1)), address(g), *at
        at = [first + g.nbytes for first in at]
    return method.rows(dtype, sizes, addresses, *numbers)


def average(kept: Array, now: Array, rest: float) -> Array:
    """kept + (now - kept) · rest."""

    def block(out: Array, kept: Array, now: Array, rest: float) -> None:
        np.subtract(now, kept, out=out)
        out *= rest
        out += kept

    return over(block, kept, now, rest, loop=_average_loop)


@loop
def _average_loop(out: Any, kept: Any, now: Any, rest: Any) -> None:
    for i in range(out.size):
        out[i] = kept[i] + (now[i] - kept[i]) * rest
