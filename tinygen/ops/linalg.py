"""Matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor
from ..cpu import linalg as cpu
from ..cuda import linalg as cuda
from ..device import Array, xp
from ..primitives import primitive
from .reduce import sum
from .shape import permute, summed, unbroadcast


@primitive(shown="matmul")
def batched_matmul(a: Array, b: Array) -> Array:
    """a @ b for (..., n, k) and (..., k, m); the leading axes broadcast."""
    return xp(a).matmul(a, b)


batched_matmul.cpu(cpu.matmul)
batched_matmul.cuda(cuda.matmul)


def _swap(x: Tensor) -> Tensor:
    """x with its last two axes exchanged (a view: BLAS takes transposed factors as they are)."""
    return permute(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


batched_matmul.vjp(
    a=lambda g, y, a, b: unbroadcast(g @ _swap(b), a),
    b=lambda g, y, a, b: unbroadcast(_swap(a) @ g, b),
)
batched_matmul.fast(
    a=lambda g, y, a, b: summed(batched_matmul.array(g, b.swapaxes(-1, -2)), a),
    b=lambda g, y, a, b: summed(batched_matmul.array(a.swapaxes(-1, -2), g), b),
)


@primitive
def linear(x: Array, weight: Array, bias: Array) -> Array:
    """x @ weight + bias, the dense layer: x (..., i), weight (i, o), bias (o,) -> (..., o)."""
    return xp(x).matmul(x, weight) + bias


@linear.check
def _check_linear(x: Array, weight: Array, bias: Array) -> None:
    if x.ndim < 2 or (x.shape[-1], *bias.shape) != weight.shape:
        raise ValueError("wanted x (..., i) of 2 or more axes, weight (i, o) and bias (o,)")


linear.cpu(cpu.linear)
linear.cuda(cuda.linear)
linear.vjp(
    x=lambda g, y, x, weight, bias: g @ _swap(weight),
    weight=lambda g, y, x, weight, bias: _swap(_rows(x)) @ _rows(g),
    bias=lambda g, y, x, weight, bias: unbroadcast(g, bias),
)
linear.fast(
    x=lambda g, y, x, weight, bias: batched_matmul.array(g, weight.T),
    weight=lambda g, y, x, weight, bias: batched_matmul.array(_rows(x).T, _rows(g)),
    bias=lambda g, y, x, weight, bias: sum.array(_rows(g), axis=0),
)


def _rows(x: Any) -> Any:
    """(..., k) as (n, k)."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])


def matmul(a: Any, b: Any) -> Tensor:
    """a @ b as in NumPy: matrices in the last two axes, a 1-d factor is a row or a column."""
    if (
        type(a) is type(b) is Tensor
        and a.data.ndim == b.data.ndim == 2
        and a.shape[1] == b.shape[0]
    ):
        return batched_matmul(a, b)  # by far the most frequent: the rest costs as much as this
    dtype = next((v.dtype for v in (a, b) if isinstance(v, Tensor)), np.float32)
    a, b = (v if hasattr(v, "ndim") else np.asarray(v, dtype) for v in (a, b))
    if 0 in (a.ndim, b.ndim):
        raise ValueError(f"matmul: wanted at least 1 axis each, got {a.shape} and {b.shape}")
    if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ValueError(f"matmul: wanted (..., n, k) @ (..., k, m), got {a.shape} @ {b.shape}")
    row, column = a.ndim == 1, b.ndim == 1
    y = batched_matmul(
        a.reshape(1, -1) if row else a,
        b.reshape(-1, 1) if column else b,
    )
    if row or column:
        kept = y.shape[:-2] + (() if row else y.shape[-2:-1]) + (() if column else y.shape[-1:])
        y = y.reshape(kept)
    return y
