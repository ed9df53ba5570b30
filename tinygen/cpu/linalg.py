"""Matrix products: by BLAS's own threads, or cut over ours.

BLAS starts its threads faster than we ours, but they wait for more by spinning, for some
milliseconds after each product, and take the cores from our threads and from other programs. So
it has them for products of middling size, where ours would start too late, as fully connected
networks have. Beside convolutions stand large products, which are cut over our threads, and those
of so many rows, or so long sums, that these are pixels. They get one thread: a small product on
BLAS's threads slows the convolutions after it by half. A DCGAN step took 187 ms, and 272 with one
product on them; a PixelCNN step 80 ms, and 124 with its 1×1 convolutions on them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .threads import count, one_blas_thread, run

Array = np.ndarray[Any, Any]
SMALL, LARGE = 4_000_000, 32_000_000  # multiplications
PIXELS = 4096  # so many are pixels, not the batch of a fully connected network


def matmul(a: Array, b: Array) -> Array:
    """a @ b for (n, k) and (k, m); more axes as NumPy does them."""
    if a.shape[-1] == 1:  # an outer product: BLAS takes ten times as long
        return np.asarray(np.multiply(a, b))
    if a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous:  # one product is faster than a stack
        rows = a.reshape(math.prod(a.shape[:-1]), a.shape[-1])
        return matmul(rows, b).reshape(*a.shape[:-1], b.shape[1])
    work = a.shape[-2] * a.shape[-1] * b.shape[-1]
    if work < SMALL // 8:  # BLAS takes one thread for these anyway
        return np.asarray(np.matmul(a, b))
    beside_convolutions = max(a.shape[-2:]) >= PIXELS and work < LARGE
    if count() == 1 or work < SMALL or beside_convolutions:
        with one_blas_thread():
            return np.asarray(np.matmul(a, b))
    if work < LARGE or a.ndim > 2 or b.ndim > 2:
        return np.asarray(np.matmul(a, b))
    return _cut(a, b)


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """x @ weight + bias for x (..., i), weight (i, o) and bias (o,)."""
    y = matmul(x, weight)
    y += bias
    return y


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
