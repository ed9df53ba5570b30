"""Entries picked or added along an axis on the GPU: kernels/along_axis.cu."""

from __future__ import annotations

import math

import numpy as np

from ..device import Array, cupy
from .launch import blocks, dense, empty, launch


def corner(index: Array, axis: int) -> list[slice]:
    """What an index can reach, as slices: all along the axis, its own lengths elsewhere."""
    return [slice(None) if i == axis else slice(n) for i, n in enumerate(index.shape)]


def _sizes(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """(outer, n, inner)."""
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def argsort(x: Array, axis: int) -> Array:
    """The order of x along an axis, as integers of 64 bits; CuPy's is stable."""
    if not x.size:
        return cupy().zeros(x.shape, np.int64)
    return dense(cupy().argsort(x, axis=axis))


def gather(x: Array, *, index: Array, axis: int) -> Array:
    """y[o, k, i] = x[o, index[o, k, i], i]."""
    index = dense(cupy().asarray(index, np.int64))
    x = dense(x[tuple(corner(index, axis))])
    y = empty(index.shape, x.dtype)
    _, n, inner = _sizes(index.shape, axis)
    launch("along_axis/gather", blocks(y.size), x, index, y, y.size, x.shape[axis], n, inner)
    return y


def scatter(x: Array, *, index: Array, axis: int, shape: tuple[int, ...]) -> Array:
    """y[o, k, i] = Σ of x[o, j, i] with index[o, j, i] = k, in the order of j."""
    index = dense(cupy().asarray(index, np.int64))
    order = argsort(index, axis)
    reached = [shape[i] if i == axis else n for i, n in enumerate(index.shape)]
    part = empty(tuple(reached), x.dtype)
    _, n, inner = _sizes(index.shape, axis)
    args = (dense(x), index, order, part, part.size, shape[axis], n, inner)
    launch("along_axis/scatter", blocks(part.size), *args)
    if part.shape == shape:
        return part
    y = cupy().zeros(shape, x.dtype)
    y[tuple(corner(index, axis))] = part
    return y
