"""Updates without new arrays: one pass over memory, or passes that stay in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import loop
from .elementwise import over
from .threads import scratch

Array = np.ndarray[Any, Any]


def adam(
    *block: Array, lr: float, betas: tuple[float, float], eps: float, t: int, keep: float = 1.0
) -> None:
    """Moves p, m and v along g, the four arrays of a block, in step number t of algorithm 1.

    Instead of correcting m and v, numbers for each entry, the two plain numbers of the step are
    corrected, lr and ε: with c₁ = 1 - β₁ᵗ and c₂ = 1 - β₂ᵗ

    lr · (m/c₁) / (√(v/c₂) + ε) = lr · √c₂/c₁ · m / (√v + ε·√c₂)

    keep: what p is multiplied by first, AdamW's 1 - lr · λ.
    """
    beta1, beta2 = betas
    root = (1 - beta2**t) ** 0.5
    numbers = float(lr * root / (1 - beta1**t)), float(eps * root), float(keep)
    if not adam_loop(*block, beta1, 1 - beta1, beta2, 1 - beta2, *numbers):
        _adam(block, betas, *numbers)


def _adam(
    block: tuple[Array, ...], betas: tuple[float, float], rate: float, eps: float, keep: float
) -> None:
    (p, g, m, v), (beta1, beta2) = block, betas
    a = scratch("adam", p.shape, p.dtype)
    m *= beta1
    np.multiply(g, 1 - beta1, out=a)
    m += a
    v *= beta2
    np.multiply(g, g, out=a)
    a *= 1 - beta2
    v += a
    np.sqrt(v, out=a)
    a += eps
    np.divide(m, a, out=a)
    a *= rate
    if keep != 1:
        p *= keep
    p -= a


@loop
def adam_loop(
    p: Any, g: Any, m: Any, v: Any, beta1: Any, rest1: Any, beta2: Any, rest2: Any,
    rate: Any, eps: Any, keep: Any,
) -> None:  # fmt: skip
    for i in range(p.size):
        m[i] = beta1 * m[i] + rest1 * g[i]
        v[i] = beta2 * v[i] + rest2 * g[i] * g[i]
        p[i] = keep * p[i] - rate * m[i] / (np.sqrt(v[i]) + eps)


@loop
def sgd_loop(p: Any, g: Any, u: Any, momentum: Any, lr: Any) -> None:
    """u ← momentum · u + g, p ← p - lr · u."""
    for i in range(p.size):
        u[i] = momentum * u[i] + g[i]
        p[i] = p[i] - lr * u[i]


@loop
def scaled_loop(p: Any, g: Any, v: Any, decay: Any, rest: Any, lr: Any, eps: Any) -> None:
    """v ← decay · v + rest · g², p ← p - lr · g / (√v + ε): RMSProp, and Adagrad with 1 and 1."""
    for i in range(p.size):
        v[i] = decay * v[i] + rest * g[i] * g[i]
        p[i] = p[i] - lr * g[i] / (np.sqrt(v[i]) + eps)


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
