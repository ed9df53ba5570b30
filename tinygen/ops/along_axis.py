"""Entries that are picked, added or put in order along one axis, by an index for each of them.

gather and scatter_add are each other's gradient; a sorted array is gathered in its order.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..axes import normal_axes
from ..core import Tensor, raw
from ..cuda import along_axis as cuda
from ..device import Array, DeviceError, on_device, xp
from ..primitives import primitive
from .shape import lift, together


@primitive(shown="gather")
def gather_along(x: Array, *, index: Array, axis: int) -> Array:
    """See `gather`."""
    return xp(x).take_along_axis(x[tuple(cuda.corner(index, axis))], index, axis=axis)


@primitive(shown="scatter_add")
def scatter_along(x: Array, *, index: Array, axis: int, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with each entry of x added at the place that `gather` would read: the
    sums are made in float64, in the order in which the entries lie."""
    places = np.zeros(index.shape, np.int64)  # in an array of `shape`, counted through
    for i, n in enumerate(index.shape):
        step = np.arange(n).reshape(-1, *[1] * (index.ndim - 1 - i))
        places += (index if i == axis else step) * math.prod(shape[i + 1 :])
    sums = np.bincount(places.ravel(), x.ravel(), math.prod(shape))
    return sums.reshape(shape).astype(x.dtype)


def _check(index: Array, axis: int, shape: tuple[int, ...]) -> None:
    """Raises unless index picks entries of an array of a shape along the axis."""
    fits = len(shape) == index.ndim and all(
        i == axis or n <= m for i, (n, m) in enumerate(zip(index.shape, shape, strict=True))
    )
    if not fits:
        raise ValueError(
            f"wanted an index with as many axes as {shape}, and no longer but along axis {axis}, "
            f"got {index.shape}"
        )
    host = isinstance(index, np.ndarray)
    if host and index.size and (index.min() < 0 or index.max() >= shape[axis]):
        raise IndexError(
            f"wanted indices in [0, {shape[axis]}), got {index.min()} to {index.max()}"
        )


@gather_along.check
def _check_gather(x: Array, *, index: Array, axis: int) -> None:
    _check(index, axis, x.shape)


@scatter_along.check
def _check_scatter(x: Array, *, index: Array, axis: int, shape: tuple[int, ...]) -> None:
    if x.shape != index.shape:
        raise ValueError(f"wanted an index for each of the numbers {x.shape}, got {index.shape}")
    _check(index, axis, shape)


gather_along.cuda(cuda.gather)
scatter_along.cuda(cuda.scatter)
gather_along.vjp(
    x=lambda g, y, x, index, axis: scatter_along(g, index=index, axis=axis, shape=x.shape)
)
scatter_along.vjp(x=lambda g, y, x, index, axis, shape: gather_along(g, index=index, axis=axis))


def _integers(index: Any, x: Tensor, op: str) -> Array:
    """index as an array that goes with x."""
    index = raw(index) if hasattr(index, "dtype") else np.asarray(index)
    if index.dtype.kind not in "iu":
        raise TypeError(f"{op}: wanted integers as index, got {index.dtype}")
    if on_device(index) and x.device == "cpu":
        raise DeviceError(f"{op}: wanted an index on the cpu, as x is, got one on cuda")
    return index.astype(np.int64, copy=False)


def gather(x: Tensor, index: Any, *, axis: int) -> Tensor:
    """y[i, j, …] = x[index[i, j, …], j, …] for axis 0, and so on, as PyTorch's gather.

    index: integers >= 0, with as many axes as x, and no longer than x but along `axis`; y has its
    shape. Raises IndexError where one is out of range; on a GPU, of an index that lies there, such
    an entry is NaN instead, as the host would have to wait for it.
    """
    x = lift(x)
    (at,) = normal_axes(axis, x.ndim, "gather")
    return gather_along(x, index=_integers(index, x, "gather"), axis=at)


def scatter_add(x: Tensor, index: Any, source: Any, *, axis: int) -> Tensor:
    """x with source[i, j, …] added at [index[i, j, …], j, …] for axis 0, and so on, as often as a
    place is named (PyTorch's scatter_add); index as in `gather`, of source's shape.

    Two runs give the same bits, also on a GPU, where what goes to one place is sorted, not raced.
    There, an index that lies on it and is out of range makes all NaN that it goes along with.
    """
    x, source = together((x, source))
    (at,) = normal_axes(axis, x.ndim, "scatter_add")
    index = _integers(index, x, "scatter_add")
    return x + scatter_along(source, index=index, axis=at, shape=x.shape)


def argsort(x: Any, *, axis: int = -1) -> Array:
    """The order of x along an axis, smallest first, as an array of integers; of equal numbers the
    first one comes first."""
    x = raw(x) if hasattr(x, "dtype") else np.asarray(x)
    (at,) = normal_axes(axis, x.ndim, "argsort")
    return cuda.argsort(x, at) if on_device(x) else np.argsort(x, axis=at, kind="stable")


def sort(x: Tensor, *, axis: int = -1) -> Tensor:
    """x in order along an axis, smallest first; the gradient goes back to where the numbers came
    from, of equal ones in the order in which they were."""
    x = lift(x)
    (at,) = normal_axes(axis, x.ndim, "sort")
    return gather_along(x, index=argsort(x, axis=at), axis=at)
