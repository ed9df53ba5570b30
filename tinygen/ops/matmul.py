"""Matrix products."""

from __future__ import annotations

from ..core import Tensor
from ..device import Array, xp
from ..primitive import primitive
from .shape import permute, unbroadcast


@primitive
def batched_matmul(a: Array, b: Array) -> Array:
    """a @ b for (..., n, k) and (..., k, m); the leading axes broadcast."""
    return xp(a).matmul(a, b)


def _swap(x: Tensor) -> Tensor:
    """x with its last two axes exchanged (a view: BLAS takes transposed factors as they are)."""
    return permute(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


batched_matmul.vjp(
    a=lambda g, y, a, b: unbroadcast(g @ _swap(b), a),
    b=lambda g, y, a, b: unbroadcast(_swap(a) @ g, b),
)


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """a @ b as in NumPy: matrices in the last two axes, a 1-d factor is a row or a column."""
    if 0 in (a.ndim, b.ndim):
        raise ValueError(f"matmul: wanted at least 1 axis each, got {a.shape} and {b.shape}")
    row, column = a.ndim == 1, b.ndim == 1
    y = batched_matmul(
        a.reshape(1, -1) if row else a,
        b.reshape(-1, 1) if column else b,
    )
    if row or column:
        kept = y.shape[:-2] + (() if row else y.shape[-2:-1]) + (() if column else y.shape[-1:])
        y = y.reshape(kept)
    return y
