"""Running sums on the GPU: kernels/scan.cu."""

from __future__ import annotations

import math

from ..device import Array
from .launch import blocks, dense, empty, launch
from .reduce import split
from .sizes import EACH, THREADS

TILE = EACH * THREADS  # entries of a row that one block sums


def running_sum(x: Array, *, axis: int, reverse: bool) -> Array:
    """y_i = Σ_{j <= i} x_j along one axis, or Σ_{j >= i} x_j if reverse."""
    sizes = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    return _scan(dense(x), *sizes, reverse).reshape(x.shape)


def _scan(x: Array, outer: int, n: int, inner: int, reverse: bool) -> Array:
    """x is (outer, n, inner): the running sums of parts of n, then what comes before each part."""
    y = empty(x.shape, x.dtype)
    if not x.size:
        return y
    chunk = TILE  # at most: rounding errors grow with how many are added one by one
    if inner > 1:
        chunk = min(chunk, split(n, 64, -(-outer * inner // 1024))[1])
    parts = -(-n // chunk)
    totals = empty((outer, parts, inner), x.dtype)
    args = (x, y, totals, outer, n, inner, parts, chunk, int(reverse))
    if inner == 1:
        launch("scan/running_sum_rows", outer * parts, *args)
    else:
        launch("scan/running_sum_columns", blocks(totals.size), *args)
    if parts > 1:
        totals = _scan(totals, outer, parts, inner, False)
        launch("scan/add_before", blocks(y.size), totals, y, y.size, *args[4:])
    return y
