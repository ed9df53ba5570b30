"""Ops that move numbers without changing them: reshape, transpose, broadcast, join, index.

Each gradient moves them back, and the two form a closed family: broadcast_to and sum_to,
index and index_add. So every order of derivative exists.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..axes import Axes, normal_axes
from ..core import FLOATS, Tensor, tensor
from ..cpu import reduce as cpu
from ..cuda import reduce as cuda
from ..device import Array, xp
from ..primitives import primitive


def lift(x: Any) -> Tensor:
    """x as a Tensor; float arrays keep their dtype, other numbers become float32."""
    if isinstance(x, Tensor):
        return x
    return tensor(x, dtype=x.dtype if getattr(x, "dtype", None) == np.float64 else None)


def together(xs: Iterable[Any]) -> list[Tensor]:
    """All as Tensors, raw ones in the dtype of the first that is a Tensor."""
    xs = list(xs)
    dtype = next((x.dtype for x in xs if isinstance(x, Tensor)), None)
    if dtype is None:
        return [lift(x) for x in xs]
    return [x if isinstance(x, Tensor) else tensor(x, dtype=dtype) for x in xs]


@primitive(shown="reshape")
def reshape_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """See `reshape`."""
    return x.reshape(shape)


reshape_to.vjp(x=lambda g, y, x, shape: reshape_to(g, shape=x.shape))
reshape_to.fast(x=lambda g, y, x, shape: g.reshape(x.shape))


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """x in another shape of the same size, C order; one -1 stands for what is left."""
    return reshape_to(x, shape=_one_tuple(shape))


def flatten(x: Tensor, start_dim: int = 0) -> Tensor:
    """x with the axes from start_dim on made one: flatten(x, 1) makes each sample a row."""
    x = lift(x)
    (start,) = normal_axes(start_dim, max(1, x.ndim), "flatten")
    return reshape_to(x, shape=(*x.shape[:start], math.prod(x.shape[start:])))


def squeeze(x: Tensor, axis: Axes = None) -> Tensor:
    """x without these axes, which have length 1; without all that have length 1 if None."""
    x = lift(x)
    ones = tuple(i for i, n in enumerate(x.shape) if n == 1)
    gone = ones if axis is None else normal_axes(axis, x.ndim, "squeeze")
    if not set(gone) <= set(ones):
        raise ValueError(f"squeeze: wanted axes of length 1, got axis {axis} of {x.shape}")
    return reshape_to(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in gone))


def expand_dims(x: Tensor, axis: int | tuple[int, ...]) -> Tensor:
    """x with new axes of length 1, at these places among the axes of the result."""
    x = lift(x)
    ndim = x.ndim + (len(axis) if isinstance(axis, tuple) else 1)
    new = normal_axes(axis, ndim, "expand_dims")
    lengths = iter(x.shape)
    return reshape_to(x, shape=tuple(1 if i in new else next(lengths) for i in range(ndim)))


@primitive(shown="transpose")
def permute(x: Array, *, axes: tuple[int, ...]) -> Array:
    """See `transpose`."""
    return x.transpose(axes)


permute.vjp(x=lambda g, y, x, axes: permute(g, axes=tuple(int(i) for i in np.argsort(axes))))


def transpose(x: Tensor, *axes: Any) -> Tensor:
    """The axes of x in the order given; reversed if none is given."""
    order = _one_tuple(axes) or tuple(reversed(range(x.ndim)))
    return permute(x, axes=tuple(normal_axes(a, x.ndim, "transpose")[0] for a in order))


def swapaxes(x: Tensor, axis1: int, axis2: int) -> Tensor:
    """x with two axes exchanged."""
    x = lift(x)
    order = list(range(x.ndim))
    (a,), (b,) = (normal_axes(axis, x.ndim, "swapaxes") for axis in (axis1, axis2))
    order[a], order[b] = b, a
    return permute(x, axes=tuple(order))


def _one_tuple(values: tuple[Any, ...]) -> tuple[int, ...]:
    """(2, 3) from f(2, 3) as from f((2, 3)), as NumPy's methods take both."""
    one = len(values) == 1 and isinstance(values[0], (Sequence, np.ndarray))
    return tuple(values[0]) if one else values


@primitive
def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """x repeated along new and length-1 axes until it has `shape` (a view)."""
    return xp(x).broadcast_to(x, shape)


@primitive
def sum_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """x summed over the axes that broadcasting `shape` to x's shape would repeat."""
    return x.sum(axis=_repeated(x, shape)).reshape(shape)


def _repeated(x: Array, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of x that broadcasting `shape` to x's shape would repeat."""
    extra = x.ndim - len(shape)
    kept = tuple(i + extra for i, n in enumerate(shape) if n == 1 and x.shape[i + extra] != 1)
    if extra < 0 or any(n not in (1, m) for n, m in zip(shape, x.shape[extra:], strict=True)):
        raise ValueError(f"{shape} does not broadcast to {x.shape}")
    return (*range(extra), *kept)


sum_to.cpu(lambda x, *, shape: cpu.sum(x, axis=_repeated(x, shape)).reshape(shape))
sum_to.cuda(lambda x, *, shape: cuda.sum(x, axis=_repeated(x, shape)).reshape(shape))

broadcast_to.vjp(x=lambda g, y, x, shape: sum_to(g, shape=x.shape))
sum_to.vjp(x=lambda g, y, x, shape: broadcast_to(g, shape=x.shape))


def unbroadcast(g: Tensor, like: Tensor) -> Tensor:
    """g summed back to the shape of an argument that was broadcast; g itself if it was not."""
    return g if g.data.shape == like.data.shape else sum_to(g, shape=like.shape)


def summed(g: Array, like: Array) -> Array:
    """`unbroadcast` on arrays, for fast rules."""
    return g if g.shape == like.shape else sum_to.array(g, shape=like.shape)


@primitive(shown="concatenate")
def join(*xs: Array, axis: int) -> Array:
    """See `concatenate`."""
    return xp(xs[0]).concatenate(xs, axis=axis)


def _join_part(i: int, g: Tensor, y: Tensor, *xs: Tensor, axis: int) -> Tensor:
    axis %= y.ndim
    start = sum(x.shape[axis] for x in xs[:i])
    return g[(slice(None),) * axis + (slice(start, start + xs[i].shape[axis]),)]


join.vjp(xs=_join_part)


def concatenate(xs: Sequence[Any], *, axis: int = 0) -> Tensor:
    """The arrays one after the other along an axis that they have."""
    if not xs or not isinstance(axis, (int, np.integer)):
        raise ValueError(f"concatenate: wanted arrays and one axis, got {len(xs)}, axis={axis}")
    return join(*xs, axis=int(axis))


def stack(xs: Sequence[Tensor], *, axis: int = 0) -> Tensor:
    """The arrays, all of one shape, one after the other along a new axis."""
    xs = together(xs)
    if len({x.shape for x in xs}) != 1:
        raise ValueError(f"stack: wanted arrays of one shape, got {[x.shape for x in xs]}")
    (at,) = normal_axes(axis, xs[0].ndim + 1, "stack")
    return join(*(x.reshape(*x.shape[:at], 1, *x.shape[at:]) for x in xs), axis=at)


def split(x: Tensor, sections: int | Sequence[int], *, axis: int = 0) -> list[Tensor]:
    """x cut along an axis: into so many equal parts, or before each of the given indices."""
    x = lift(x)
    (axis,) = normal_axes(axis, x.ndim, "split")
    size = x.shape[axis]
    if isinstance(sections, (int, np.integer)):
        if sections < 1 or size % sections:
            raise ValueError(f"split: {size} entries do not make {sections} equal parts")
        cuts = [i * (size // sections) for i in range(sections + 1)]
    else:
        cuts = [0, *sections, size]
    before = (slice(None),) * axis
    return [x[(*before, slice(a, b))] for a, b in pairwise(cuts)]


@primitive
def index(x: Array, *, key: Any) -> Array:
    """x[key], with NumPy's rules for numbers, slices, masks and integer arrays."""
    return x[key]


@primitive
def index_add(x: Array, *, key: Any, shape: tuple[int, ...]) -> Array:
    """Zeros of `shape` with x added at [key], as often as an entry is named: index's transpose."""
    y = xp(x).zeros(shape, x.dtype)
    if _names_entries(key):
        xp(x).add.at(y, key, x)
    else:
        y[key] = x
    return y


def _names_entries(key: Any) -> bool:
    """Whether the key holds integer arrays (or lists), which may name one entry twice."""
    once = (int, np.integer, slice, type(None), type(Ellipsis))
    parts = [k for k in (key if isinstance(key, tuple) else (key,)) if not isinstance(k, once)]
    return not all(hasattr(k, "dtype") and k.dtype.kind == "b" for k in parts)


index.vjp(x=lambda g, y, x, key: index_add(g, key=key, shape=x.shape))
index_add.vjp(x=lambda g, y, x, key, shape: index(g, key=key))
index.fast(x=lambda g, y, x, key: index_add.array(g, key=key, shape=x.shape))
index_add.fast(x=lambda g, y, x, key, shape: index.array(g, key=key))


def flip(x: Tensor, *, axis: Axes = None) -> Tensor:
    """x with the order of entries reversed along the axes (all if None)."""
    x = lift(x)
    turned = normal_axes(axis, x.ndim, "flip")
    return x[tuple(slice(None, None, -1 if i in turned else 1) for i in range(x.ndim))]


def take(x: Tensor, indices: Any, *, axis: int) -> Tensor:
    """Entries of x along one axis, by integers of any shape (a table look-up)."""
    indices = indices if hasattr(indices, "dtype") else np.asarray(indices)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"take: wanted integer indices, got {indices.dtype}")
    x = lift(x)
    (at,) = normal_axes(axis, x.ndim, "take")
    return x[(slice(None),) * at + (indices,)]


def one_hot(labels: Any, classes: int, *, dtype: Any = np.float32) -> Tensor:
    """(..., classes) with a 1 at each label; labels are integers in [0, classes). A constant."""
    labels = labels if hasattr(labels, "dtype") else np.asarray(labels)
    if np.dtype(dtype) not in FLOATS:
        raise TypeError(f"one_hot: wanted dtype float32 or float64, got {np.dtype(dtype)}")
    if labels.dtype.kind not in "iu":
        raise TypeError(f"one_hot: wanted integer labels, got {labels.dtype}")
    if math.prod(labels.shape) and (labels.min() < 0 or labels.max() >= classes):
        raise ValueError(
            f"one_hot: wanted labels in [0, {classes}), got {labels.min()} to {labels.max()}"
        )
    return Tensor((labels[..., None] == xp(labels).arange(classes)).astype(dtype))
