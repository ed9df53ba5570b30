"""Adam's update without new arrays: every pass stays in the cache."""

from __future__ import annotations

from typing import Any

import numpy as np

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
    (p, g, m, v), (beta1, beta2) = block, betas
    root = (1 - beta2**t) ** 0.5
    a = scratch("adam", p.shape, p.dtype)
    m *= beta1
    np.multiply(g, 1 - beta1, out=a)
    m += a
    v *= beta2
    np.multiply(g, g, out=a)
    a *= 1 - beta2
    v += a
    np.sqrt(v, out=a)
    a += eps * root
    np.divide(m, a, out=a)
    a *= lr * root / (1 - beta1**t)
    if keep != 1:
        p *= keep
    p -= a
