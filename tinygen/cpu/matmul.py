"""Matrix products cut over our own threads, BLAS having one in each.

BLAS's own threads wait for their next work by spinning, and take the cores from ours, and from
every other program, for as long: on a busy machine a step then takes five times as long.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .threads import one_blas_thread, run

Array = np.ndarray[Any, Any]
PART = 4_000_000  # multiplications; less is done sooner than handed over


def matmul(a: Array, b: Array) -> Array:
    """a @ b for (n, k) and (k, m), cut along the longer side; other shapes as NumPy does them."""
    work = a.shape[-2] * a.shape[-1] * b.shape[-1]
    if a.ndim > 2 or b.ndim > 2 or work < 2 * PART:
        if work < PART // 8:  # BLAS takes one thread for these anyway
            return np.asarray(np.matmul(a, b))
        with one_blas_thread():
            return np.asarray(np.matmul(a, b))
    n, m = len(a), b.shape[1]
    y = np.empty((n, m), a.dtype)

    def rows(lo: int, hi: int) -> None:
        np.matmul(a[lo:hi], b, out=y[lo:hi])

    def columns(lo: int, hi: int) -> None:
        np.matmul(a, b[:, lo:hi], out=y[:, lo:hi])

    longer = max(n, m)
    run(rows if n >= m else columns, longer, least=-(-PART * longer // work))
    return y
