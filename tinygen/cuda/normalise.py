"""Batch and layer norm on the GPU: kernels/normalise.cu.

Batch norm takes x (..., C), layer norm x (N, ..., *S) with gamma and beta (*S,).
"""

from __future__ import annotations

import math
from typing import Any

from ..device import Array
from . import reduce
from .launch import dense, empty, launch
from .reduce import SHORT, columns, split
from .sizes import ROW, THREADS, WARP


def _columns(name: str, x: Array, n: int, c: int, *like: Array) -> tuple[str, int, int, Any, int]:
    """How to launch a kernel down the columns of x (n, c) and of arrays `like` it.

    Returns (the kernel's name, parts, rows of a part, threads of a block, blocks).
    """
    width, tile, tiles = columns(n, c, x, *like)
    parts, chunk = split(n, 4 * tile[1], tiles)
    return f"normalise/{name}_{width}", parts, chunk, tile, parts * tiles


def statistics_and_scale(x: Array, eps: float) -> tuple[Array, Array, Array]:
    """Mean, biased variance and 1/√(var + ε) over all axes but the last: (C,) each."""
    x, c = dense(x), x.shape[-1]
    n = x.size // c
    name, parts, chunk, block, grid = _columns("moments", x, n, c)
    means, squares = (empty((parts, c), x.dtype) for _ in range(2))
    launch(name, grid, x, means, squares, n, c, chunk, block=block)
    mean, var, scale = (empty((c,), x.dtype) for _ in range(3))
    args = (x, means, squares, mean, var, scale, n, c, parts, chunk, float(eps))
    launch("normalise/join_moments", -(-c // WARP), *args, block=(WARP, THREADS // WARP))
    return mean, var, scale


def scale_and_shift(x: Array, mean: Array, scale: Array, gamma: Array, beta: Array) -> Array:
    """(x - mean) · scale · gamma + beta."""
    x, c = dense(x), x.shape[-1]
    y, n = empty(x.shape, x.dtype), x.size // c
    name, _, chunk, block, grid = _columns("scale_and_shift", x, n, c)
    gamma, beta = dense(gamma), dense(beta)
    launch(name, grid, x, mean, scale, gamma, beta, y, n, c, chunk, block=block)
    return y


def gradient_sums(g: Array, x: Array, mean: Array, scale: Array) -> tuple[Array, Array]:
    """(Σ g, Σ g·x̂) over all axes but the last, with x̂ = (x - mean) · scale."""
    return _sums("gradient_sums", g, x, mean, scale, x.shape[-1:])


def _sums(
    kernel: str, g: Array, x: Array, mean: Array, scale: Array, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """(Σ g, Σ g·x̂), of `shape`: x's last axes."""
    g, x, c = dense(g), dense(x), math.prod(shape)
    if x.size:
        n = x.size // c
        name, parts, chunk, block, grid = _columns(kernel, x, n, c, g)
        sums = empty((2, parts, c), x.dtype)
        launch(name, grid, g, x, mean, scale, sums, n, c, parts, chunk, block=block)
    else:
        sums = empty((2, 0, c), x.dtype)
    sums = reduce.sum(sums, axis=1).reshape(2, *shape)
    return sums[0], sums[1]


def batch_norm_grad(
    g: Array, x: Array, mean: Array, scale: Array, gamma: Array, sums: tuple[Array, Array]
) -> Array:
    """γ · scale · (g - mean(g) - x̂ · mean(g·x̂)), from `gradient_sums`."""
    g, x, c = dense(g), dense(x), x.shape[-1]
    dx, n = empty(x.shape, x.dtype), x.size // c
    name, _, chunk, block, grid = _columns("batch_norm_grad", x, n, c, g)
    args = (g, x, mean, scale, dense(gamma), *sums, dx, n, c, chunk)
    launch(name, grid, *args, block=block)
    return dx


def _rows(name: str, rows: int, n: int, *arrays: Array) -> tuple[str, int, int]:
    """How to launch a kernel that gives each row of n numbers to a warp or to a block.

    Returns (the kernel's name, blocks, threads of a block). Its threads take four numbers at once
    where all arrays allow reads of 16 bytes.
    """
    width = 4 if n % 4 == 0 and all(a.data.ptr % 16 == 0 for a in arrays) else 1
    if n <= SHORT:
        return f"normalise/{name}_warp_{width}", -(-WARP * rows // THREADS), THREADS
    return f"normalise/{name}_block_{width}", rows, THREADS if n <= 4 * SHORT else ROW


def layer_norm(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    """(y, mean, scale): each sample normalised, and its statistics, (samples,) each."""
    x, gamma, beta = dense(x), dense(gamma), dense(beta)
    rows, n = math.prod(x.shape[: x.ndim - gamma.ndim]), gamma.size
    y, mean, scale = (empty(shape, x.dtype) for shape in (x.shape, (rows,), (rows,)))
    if x.size:
        name, grid, block = _rows("layer_norm", rows, n, x, gamma, beta)
        launch(name, grid, x, gamma, beta, y, mean, scale, rows, n, float(eps), block=block)
    return y, mean, scale


def layer_norm_grad(g: Array, x: Array, mean: Array, scale: Array, gamma: Array) -> Array:
    """scale · (h - mean(h) - x̂ · mean(h·x̂)) for each sample, h = g·γ."""
    g, x, gamma = dense(g), dense(x), dense(gamma)
    dx, rows, n = empty(x.shape, x.dtype), mean.size, gamma.size
    if x.size:
        name, grid, block = _rows("layer_norm_grad", rows, n, g, x, gamma)
        launch(name, grid, g, x, mean, scale, gamma, dx, rows, n, block=block)
    return dx


def layer_gradient_sums(
    g: Array, x: Array, mean: Array, scale: Array, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """(Σ g, Σ g·x̂) over the samples: of gamma's shape."""
    return _sums("layer_gradient_sums", g, x, mean, scale, shape)
