"""Matrix products on the GPU: kernels/linalg.cu and, by choice, kernels/linalg_tf32.cu."""

from __future__ import annotations

import math

import numpy as np

from ..device import Array
from .arithmetic import uses_tf32
from .elementwise import collapsed
from .launch import blocks, dense, empty, launch
from .sizes import LARGE, PANEL, SMALL

FILL = 132  # blocks that keep an H100 busy; on every GPU the same, so results are too
LEAST = 64  # products that a block sums along k, or more
MOST = 64  # parts of k; a thread adds their sums one by one


def matmul(a: Array, b: Array) -> Array:
    """a @ b for (..., n, k) and (..., k, m); the leading axes broadcast.

    A factor may be a transposed view (the last two axes exchanged); other views are copied.
    """
    return _product(a, b, None)


def linear(x: Array, weight: Array, bias: Array) -> Array:
    """x @ weight + bias for x (..., i), weight (i, o) and bias (o,), in one launch."""
    return _product(x, weight, dense(bias))


def _product(a: Array, b: Array, bias: Array | None) -> Array:
    (n, k), m = a.shape[-2:], b.shape[-1]
    if b.shape[-2] != k:
        raise ValueError("wanted (..., n, k) @ (..., k, m)")
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    y = empty((*lead, n, m), a.dtype)
    if y.size == 0:
        return y
    if a.ndim > 2 and b.ndim == 2 and a.flags.c_contiguous:  # more rows of one product
        n, lead = math.prod(a.shape[:-1]), ()
        a = a.reshape(n, k)
    a, a_row, a_k = _steps(a)
    b, b_k, b_column = _steps(b)
    batch = math.prod(lead)
    sizes, a_lead, b_lead = collapsed(lead, a.shape[:-2], b.shape[:-2])
    side, chunk, parts = _plan(batch, n, m, k)
    sums = y if parts == 1 else empty((parts, y.size), y.dtype)
    added = bias is not None and parts == 1
    extra = a if bias is None else bias  # a kernel wants some array here, even if it reads none
    numbers = (batch, n, m, k, a_row, a_k, b_k, b_column, int(added), chunk, parts)
    stem = "linalg_tf32" if uses_tf32(a.dtype) else "linalg"
    grid = _tiles(side, batch, n, m) * parts
    where = (*numbers, *sizes, *a_lead, *b_lead)
    launch(f"{stem}/product_{side}", grid, a, b, extra, sums, *where)
    if parts > 1:
        last = (y.size, m, parts, int(bias is not None))
        launch("linalg/sum_parts", blocks(y.size), sums, extra, y, *last)
    return y


def _steps(x: Array) -> tuple[Array, int, int]:
    """(x or its transpose, whichever is contiguous, x's step from row to row, and between columns).

    Steps count entries. One of them is 1, and kernels read along it; in a single column that is the
    step from row to row.
    """
    rows, columns = x.shape[-2:]
    if x.flags.c_contiguous:
        return (x, 1, rows) if columns == 1 else (x, columns, 1)
    turned = x.swapaxes(-1, -2)
    return (turned, 1, rows) if turned.flags.c_contiguous else _steps(dense(x))


def _tiles(side: int, batch: int, n: int, m: int) -> int:
    return batch * -(-n // side) * -(-m // side)


def _plan(batch: int, n: int, m: int, k: int) -> tuple[int, int, int]:
    """(side of the tiles, how much of k a block sums, into how many parts that cuts k).

    Large tiles if enough of them fill the GPU and little of them lies outside y; else small ones,
    and k is cut if those are too few.
    """
    large, small = (_tiles(side, batch, n, m) for side in (LARGE, SMALL))
    if large >= FILL and 16 * large <= 5 * small:  # four times the area: at most 1.25 times in all
        return LARGE, max(k, 1), 1
    parts = 1 if small >= FILL else min(2 * FILL // small, k // LEAST, MOST)
    if parts < 2:
        return SMALL, max(k, 1), 1
    chunk = -(-k // (PANEL * parts)) * PANEL  # whole panels
    return SMALL, chunk, -(-k // chunk)
