"""Sums that stay accurate however many numbers they add.

NumPy adds numbers that lie side by side in pairs, pairs of pairs and so on, so that rounding
errors grow with log n. Along other axes it adds one number after the other, and the errors grow
with n: 20,000,000 ones in float32 make 16,777,216. Here such a sum is one of short parts, each by
a product with ones (BLAS reads memory as fast as it goes), and the parts are summed likewise.
What is along a view's last axis may lie far apart, so the order in memory counts, not that of axes.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ..axes import Axes, reduced_axes, runs
from . import threads
from .threads import blocks, run, total

Array = np.ndarray[Any, Any]

SHORT = 128  # rows that are added one after the other
RUN = 1024  # numbers of a sample that a loop adds at once, in 16 lanes or more
NARROW = 16  # columns; BLAS is slow at rows that are shorter
CACHED = 32_768  # numbers that stay in the cache
ALONE = 16_384  # numbers; with fewer, BLAS starts no threads that would have to be held back


def sum(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """Σ x over the axes."""
    plain = x.flags.c_contiguous
    if (
        type(axis) is int
        and axis == 0
        and x.ndim == 2
        and plain
        and len(x) <= SHORT
        and x.shape[1] >= NARROW
    ):
        y = column_sums(x)
        return y[None] if keepdims else y
    if x.ndim < 2 or x.size <= SHORT * (x.shape[-1] if plain else 1):
        return np.asarray(x.sum(axis=axis, keepdims=keepdims))  # only rows, if any, are long
    reduced = reduced_axes(axis, x.ndim)
    if math.prod([x.shape[i] for i in reduced]) <= SHORT:
        return np.asarray(x.sum(axis=reduced, keepdims=keepdims))
    if not plain:
        return _sum_view(x, reduced, keepdims)
    steps = runs(x.shape, reduced)
    if all(n <= SHORT or inner == 1 for _, n, inner in steps):
        return np.asarray(x.sum(axis=reduced, keepdims=keepdims))
    y = x
    for outer, n, inner in steps:
        y = y.reshape(outer, n, inner)
        y = y.sum(axis=1) if n <= SHORT or inner == 1 else _sum_middle(y)
    ones = (1 if i in reduced else n for i, n in enumerate(x.shape))
    kept = (n for i, n in enumerate(x.shape) if i not in reduced)
    return y.reshape(tuple(ones if keepdims else kept))


def _sum_view(x: Array, reduced: tuple[int, ...], keepdims: bool) -> Array:
    """The same with the axes in the order in which they lie in memory, so that few are copied."""
    order = sorted(range(x.ndim), key=lambda i: -abs(x.strides[i]))
    axis = tuple([place for place, i in enumerate(order) if i in reduced])
    y = sum(np.ascontiguousarray(x.transpose(order)), axis=axis, keepdims=True)
    y = y.transpose(np.argsort(order))
    return y if keepdims else y.squeeze(reduced)


def _sum_middle(x: Array) -> Array:
    """x (outer, n, inner), contiguous -> (outer, inner), over the threads where it pays."""
    outer, n, inner = x.shape
    if x.size < ALONE:
        return column_sums(x)
    if outer > 1:
        least = -(-threads.BLOCK_ENTRIES // (n * inner))
        return np.concatenate(run(lambda lo, hi: column_sums(x[lo:hi]), outer, least=least))
    least = max(SHORT, threads.BLOCK_ENTRIES // inner)
    return total(run(lambda lo, hi: column_sums(x[:, lo:hi]), n, least=least))


def samples(x: Array, lead: int) -> tuple[Array, int]:
    """x as (samples, n), one for each place along its first `lead` axes, and how many samples make
    a block."""
    n = math.prod(x.shape[lead:])
    flat = np.ascontiguousarray(x).reshape(math.prod(x.shape[:lead]), n)
    return flat, max(1, threads.BLOCK_ENTRIES // max(1, n))


def column_sums(x: Array) -> Array:
    """x (..., rows, n), rows side by side in memory -> (..., n): parts of rows, then their sums."""
    if x.shape[-1] < NARROW:
        return _narrow_sums(x)
    *lead, rows, n = x.shape
    while rows > SHORT:
        parts, rest = divmod(rows, SHORT)
        y = np.empty((*lead, parts + (rest > 0), n), x.dtype)
        whole = x[..., : parts * SHORT, :].reshape(*lead, parts, SHORT, n)
        np.matmul(_ones(SHORT, x.dtype), whole, out=y[..., :parts, :])
        if rest:
            np.matmul(_ones(rest, x.dtype), x[..., parts * SHORT :, :], out=y[..., parts, :])
        x, rows = y, y.shape[-2]
    return np.asarray(np.matmul(_ones(rows, x.dtype), x))


def _narrow_sums(x: Array) -> Array:
    """The same for few columns: the first half of the rows plus the second, again and again, in
    blocks that stay in the cache."""
    rows, n = x.shape[-2:]
    block = max(SHORT, CACHED // n)
    if rows > block:
        parts = [_narrow_sums(x[..., part, :]) for part in blocks(0, rows, block)]
        return _narrow_sums(np.stack(parts, axis=-2))
    while rows > SHORT:
        half = rows // 2
        y = x[..., :half, :] + x[..., half : 2 * half, :]
        y[..., : rows % 2, :] += x[..., 2 * half :, :]
        x, rows = y, half
    return np.asarray(x.sum(axis=-2))


@cache
def _ones(n: int, dtype: Any) -> Array:
    return np.ones(n, dtype)
