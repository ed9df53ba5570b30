"""Batch norm in two passes over memory, one for the statistics, one for the result; its gradient
likewise. Each block of rows stays in the cache. Layer norm: normalise_layer.py.

x is (rows, C), or has more axes before C.

A block's mean and sum of squares about it are joined with those before (Chan, Golub & LeVeque
1979), which loses no digits where the mean is large, as E[x²] - mean² would.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from . import threads
from .compiled import loop
from .reduce import NARROW, SHORT, column_sums
from .threads import blocks, run, scratch, total

Array = np.ndarray[Any, Any]


def _rows(x: Array) -> tuple[Array, int]:
    """x as (rows, C), and how many rows make a block."""
    flat = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    return flat, max(1, threads.BLOCK_ENTRIES // x.shape[-1])


def batch_statistics(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance over all axes but the last: (C,) each."""
    flat, rows = _rows(x)

    def work(lo: int, hi: int) -> tuple[int, Array, Array]:
        so_far = (0, np.zeros_like(flat[0]), np.zeros_like(flat[0]))
        for part in blocks(lo, hi, rows):
            so_far = _joined(so_far, _moments(flat[part]))
        return so_far

    n, mean, squares = reduce(_joined, run(work, len(flat), least=rows))
    return mean, squares / flat.dtype.type(n)


def _moments(x: Array) -> tuple[int, Array, Array]:
    """(rows, mean, sum of squares about the mean) of x (rows, C)."""
    n = len(x)
    mean, squares = np.empty((2, x.shape[1]), x.dtype)
    if x.shape[1] < NARROW or not _moments_loop(x, mean, squares):
        mean = column_sums(x) / x.dtype.type(n)
        centred = np.subtract(x, mean, out=scratch("norm a", x.shape, x.dtype))
        centred *= centred
        squares = column_sums(centred)
    return n, mean, squares


@loop
def _moments_loop(x: Any, mean: Any, squares: Any) -> None:
    """In runs of SHORT rows, which are read twice but from memory once, joined as in `_joined`."""
    number = x.dtype.type
    m, q = np.empty_like(mean), np.empty_like(mean)
    mean[:], squares[:] = 0, 0
    for lo in range(0, len(x), SHORT):
        hi = min(lo + SHORT, len(x))
        m[:], q[:] = 0, 0
        for i in range(lo, hi):
            for j in range(len(m)):
                m[j] += x[i, j]
        m /= number(hi - lo)
        for i in range(lo, hi):
            for j in range(len(m)):
                d = x[i, j] - m[j]
                q[j] += d * d
        share = number((hi - lo) / hi)
        for j in range(len(m)):
            step = m[j] - mean[j]
            mean[j] += step * share
            squares[j] += q[j] + step * step * (share * number(lo))


def statistics_and_scale(x: Array, eps: float) -> tuple[Array, Array, Array]:
    """Mean, biased variance and 1/√(var + ε) over all axes but the last: (C,) each."""
    mean, var = batch_statistics(x)
    return mean, var, 1 / np.sqrt(var + x.dtype.type(eps))


def _joined(a: tuple[int, Array, Array], b: tuple[int, Array, Array]) -> tuple[int, Array, Array]:
    """(count, mean, sum of squares about the mean) of two sets as one."""
    n = a[0] + b[0]
    step, share = b[1] - a[1], a[1].dtype.type(b[0] / n)
    return n, a[1] + step * share, a[2] + b[2] + step * step * (share * a[0])


def scale_and_shift(x: Array, mean: Array, scale: Array, gamma: Array, beta: Array) -> Array:
    """(x - mean) · scale · gamma + beta."""
    flat, rows = _rows(x)
    y, slope = np.empty(x.shape, x.dtype), scale * gamma

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, rows):
            out = y.reshape(flat.shape)[part]
            if not _shift_loop(out, flat[part], mean, slope, beta):
                np.subtract(flat[part], mean, out=out)
                out *= slope
                out += beta

    run(work, len(flat), least=rows, blas=False)
    return y


@loop
def _shift_loop(y: Any, x: Any, mean: Any, slope: Any, beta: Any) -> None:
    for i in range(len(x)):
        for j in range(len(mean)):
            y[i, j] = (x[i, j] - mean[j]) * slope[j] + beta[j]


def gradient_sums(g: Array, x: Array, mean: Array, scale: Array) -> tuple[Array, Array]:
    """(Σ g, Σ g·x̂) over all axes but the last, with x̂ = (x - mean) · scale."""
    (flat_g, rows), (flat, _) = _rows(g), _rows(x)

    def work(lo: int, hi: int) -> Array:
        sums = np.zeros((2, flat.shape[1]), flat.dtype)
        for part in blocks(lo, hi, rows):
            sums += _sums(flat_g[part], flat[part], mean)
        sums[1] *= scale
        return sums

    sums = total(run(work, len(flat), least=rows))
    return sums[0], sums[1]


def _sums(g: Array, x: Array, mean: Array) -> Array:
    """Σ g and Σ g·(x - mean) over the rows: (2, C)."""
    sums = np.zeros((2, x.shape[1]), x.dtype)
    if x.shape[1] < NARROW or not _sums_loop(sums, g, x, mean):
        t = np.subtract(x, mean, out=scratch("norm a", x.shape, x.dtype))
        t *= g
        sums[0], sums[1] = column_sums(g), column_sums(t)
    return sums


@loop
def _sums_loop(sums: Any, g: Any, x: Any, mean: Any) -> None:
    """In runs of SHORT rows, so that errors grow with the number of runs."""
    part = np.empty_like(sums)
    for lo in range(0, len(x), SHORT):
        part[:] = 0
        for i in range(lo, min(lo + SHORT, len(x))):
            for j in range(len(mean)):
                part[0, j] += g[i, j]
                part[1, j] += g[i, j] * (x[i, j] - mean[j])
        sums += part


def batch_norm_grad(
    g: Array, x: Array, mean: Array, scale: Array, gamma: Array, sums: tuple[Array, Array]
) -> Array:
    """γ · scale · (g - mean(g) - x̂ · mean(g·x̂)), from `gradient_sums`."""
    (flat_g, rows), (flat, _) = _rows(g), _rows(x)
    n = flat.dtype.type(len(flat))
    mean_g, slope = sums[0] / n, sums[1] * scale / n
    dx, factor = np.empty(x.shape, x.dtype), gamma * scale

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, rows):
            out = dx.reshape(flat.shape)[part]
            if not _gradient_loop(out, flat_g[part], flat[part], mean, slope, mean_g, factor):
                np.subtract(mean, flat[part], out=out)  # -x̂ / scale
                out *= slope
                out += flat_g[part]
                out -= mean_g
                out *= factor

    run(work, len(flat), least=rows, blas=False)
    return dx


@loop
def _gradient_loop(
    dx: Any, g: Any, x: Any, mean: Any, slope: Any, mean_g: Any, factor: Any
) -> None:
    for i in range(len(x)):
        for j in range(len(mean)):
            dx[i, j] = (g[i, j] - mean_g[j] - (x[i, j] - mean[j]) * slope[j]) * factor[j]
