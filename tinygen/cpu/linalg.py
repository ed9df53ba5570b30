"""Matrix products: by BLAS's own threads in fully connected networks, cut over ours beside
convolutions; `threads.py` says why.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .compiled import loop
from .elementwise import SHORT
from .threads import convolving, count, one_blas_thread, run

Array = np.ndarray[Any, Any]
TINY = 500_000  # multiplications; BLAS takes one thread for fewer
FEW = 64  # rows of a, for which a transposed b is better multiplied from the left; see _turned
LINE = 16  # float32 numbers of a line of the cache
LARGE = 8_000_000  # of fewer, one thread computes more than half before a second one has begun


def matmul(a: Array, b: Array) -> Array:
    """a @ b for (n, k) and (k, m); more axes as NumPy does them."""
    if a.shape[-1] == 1:  # an outer product: BLAS takes ten times as long
        return np.asarray(np.multiply(a, b))
    if a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous:  # one product is faster than a stack
        rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1])
        return matmul(rows, b).reshape(*a.shape[:-1], b.shape[1])
    work = a.shape[-2] * a.shape[-1] * b.shape[-1]
    if work >= TINY and a.ndim == b.ndim == 2 and _turned(a, b):
        return _transposed(matmul(b.T, a.T))
    if work < TINY or (count() > 1 and not convolving()):
        return np.asarray(np.matmul(a, b))
    if count() > 1 and work >= LARGE and a.ndim == b.ndim == 2:
        return _cut(a, b)
    with one_blas_thread():
        return np.asarray(np.matmul(a, b))


def _turned(a: Array, b: Array) -> bool:
    """Whether (bᵀ aᵀ)ᵀ is faster: a has few rows, and b is a transposed matrix, as a layer's
    weights are in its input's gradient. BLAS copies b, and that copy is slow in this order."""
    few = len(a) <= FEW < b.shape[1]
    return few and a.flags.c_contiguous and b.T.flags.c_contiguous


def _transposed(x: Array) -> Array:
    """xᵀ, written anew."""
    y = np.empty(x.shape[::-1], x.dtype)
    if not _transpose_loop(y, x):
        y[...] = x.T
    return y


@loop
def _transpose_loop(y: Any, x: Any) -> None:
    """y = xᵀ, whole lines of y's memory at a time."""
    n, m = x.shape
    whole = n - n % LINE
    for lo in range(0, whole, LINE):
        for j in range(m):
            for i in range(LINE):
                y[j, lo + i] = x[lo + i, j]
    for j in range(m):
        for i in range(whole, n):
            y[j, i] = x[i, j]


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """x @ weight + bias for x (..., i), weight (i, o) and bias (o,)."""
    y = matmul(x, weight)
    long = y.size >= SHORT and y.flags.c_contiguous
    if not (long and _bias_loop(y.reshape(-1, len(bias)), bias)):
        y += bias
    return y


@loop
def _bias_loop(y: Any, bias: Any) -> None:
    for i in range(len(y)):
        for j in range(len(bias)):
            y[i, j] += bias[j]


def _cut(a: Array, b: Array) -> Array:
    """By rows or by columns of the result, whichever are more."""
    n, m = len(a), b.shape[1]
    y = np.empty((n, m), a.dtype)

    def rows(lo: int, hi: int) -> None:
        np.matmul(a[lo:hi], b, out=y[lo:hi])

    def columns(lo: int, hi: int) -> None:
        np.matmul(a, b[:, lo:hi], out=y[:, lo:hi])

    run(rows if n >= m else columns, max(n, m))
    return y
