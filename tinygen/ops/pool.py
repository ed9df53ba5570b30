"""Pooling of images (N, H, W, C): each channel's largest number or mean in each window.

Windows are laid as in conv2d: kernel, stride and padding are one number, or (height, width), and
H' = ⌊(H + 2p - k) / s⌋ + 1. As in PyTorch, stride is the kernel's size unless given, and padding at
most half of it. Both ops go along the columns, then along the rows: k + k steps, not k·k.

avg_pool is linear, so its gradient is its transpose, avg_pool_input, and the other way round.
max_pool's gradient goes to where the largest number was, and from there to higher orders.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor
from ..cuda import pool as cuda
from ..device import Array, on_device, xp
from ..primitives import primitive
from ..windows import Pair, pair, reads, window_count
from .along_axis import gather_along, scatter_along


def _counts(shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> tuple[int, int]:
    """(H', W'). Raises ValueError unless the windows lie on the images as they should."""
    if len(shape) != 4:
        raise ValueError(f"wanted images (N, H, W, C), not {shape}")
    k, s, p = pair(kernel), pair(stride), pair(padding)
    if min(k) < 1:
        raise ValueError("wanted kernel >= 1")
    height, width = (window_count(shape[i + 1], k[i], s[i], p[i]) for i in (0, 1))
    if any(p[i] > k[i] // 2 for i in (0, 1)):
        raise ValueError("wanted padding of at most half a kernel")
    return height, width


def _steps(size: int, count: int, i: int, kernel: Pair, stride: Pair, padding: Pair) -> Any:
    """(windows, pixels) along axis i + 1 for each place of the kernel: indices of images."""
    lead = (slice(None),) * (i + 1)
    for place in range(pair(kernel)[i]):
        windows, pixels = reads(place, size, pair(stride)[i], pair(padding)[i], count)
        yield (*lead, windows), (*lead, pixels)


# --- means ----------------------------------------------------------------------------------------


@primitive(shown="avg_pool")
def avg_pool_windows(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair = 0, count_include_pad: bool = True
) -> Array:
    """See `avg_pool`."""
    shape, lay = x.shape, (kernel, stride, padding)
    counts = _counts(shape, *lay)
    for i in (1, 0):
        y = xp(x).zeros((*x.shape[: i + 1], counts[i], *x.shape[i + 2 :]), x.dtype)
        for windows, pixels in _steps(shape[i + 1], counts[i], i, *lay):
            y[windows] += x[pixels]
        x = y
    y *= _shares(x, shape, *lay, count_include_pad)
    return y


@primitive
def avg_pool_input(
    g: Array,
    *,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Pair = 0,
    count_include_pad: bool = True,
) -> Array:
    """g (N, H', W', C) -> the gradient of avg_pool's x, of the given shape (N, H, W, C)."""
    lay = (kernel, stride, padding)
    counts, x = _counts(shape, *lay), g * _shares(g, shape, *lay, count_include_pad)
    for i in (0, 1):
        y, x = x, xp(g).zeros((*x.shape[: i + 1], shape[i + 1], *x.shape[i + 2 :]), g.dtype)
        for windows, pixels in _steps(shape[i + 1], counts[i], i, *lay):
            x[pixels] += y[windows]
    return x


def _shares(
    like: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair, whole: bool
) -> Any:
    """1 / the number of pixels of a window: of all, or of those on the image, (H', W', 1)."""
    kh, kw = pair(kernel)
    if whole or not any(pair(padding)):
        return 1.0 / (kh * kw)
    sizes = []
    for i, count in enumerate(_counts(shape, kernel, stride, padding)):
        first = np.arange(count) * pair(stride)[i] - pair(padding)[i]
        sizes.append(np.minimum(first + pair(kernel)[i], shape[i + 1]) - np.maximum(first, 0))
    return xp(like).asarray((1.0 / np.outer(*sizes))[..., None].astype(like.dtype))


@avg_pool_windows.check
def _check_windows(x: Array, *, kernel: Pair, stride: Pair, padding: Pair, **_: Any) -> None:
    _counts(x.shape, kernel, stride, padding)


@avg_pool_input.check
def _check_input(
    g: Array, *, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair, **_: Any
) -> None:
    wanted = (shape[0], *_counts(shape, kernel, stride, padding), shape[-1])
    if g.shape != wanted:
        raise ValueError(f"images {shape} belong to an output {wanted}, not {g.shape}")


avg_pool_windows.cuda(cuda.avg_pool)
avg_pool_input.cuda(cuda.avg_pool_input)
avg_pool_windows.vjp(x=lambda g, y, x, **lay: avg_pool_input(g, shape=x.shape, **lay))
avg_pool_input.vjp(g=lambda t, y, g, shape, **lay: avg_pool_windows(t, **lay))


def avg_pool(
    x: Tensor,
    kernel: Pair,
    *,
    stride: Pair | None = None,
    padding: Pair = 0,
    count_include_pad: bool = True,
) -> Tensor:
    """(N, H, W, C) -> (N, H', W', C): the mean of each window.

    Padding counts as zeros unless count_include_pad=False, as PyTorch has it: then the mean is
    over the window's pixels on the image.
    """
    stride = kernel if stride is None else stride
    lay = {"kernel": kernel, "stride": stride, "padding": padding}
    return avg_pool_windows(x, **lay, count_include_pad=count_include_pad)


# --- maxima ---------------------------------------------------------------------------------------


@primitive(shown="max_pool")
def max_pool_windows(x: Array, *, kernel: Pair, stride: Pair, padding: Pair = 0) -> Array:
    """See `max_pool`."""
    shape, lay = x.shape, (kernel, stride, padding)
    counts = _counts(shape, *lay)
    for i in (1, 0):
        y = xp(x).full((*x.shape[: i + 1], counts[i], *x.shape[i + 2 :]), -np.inf, x.dtype)
        for windows, pixels in _steps(shape[i + 1], counts[i], i, *lay):
            xp(x).maximum(y[windows], x[pixels], out=y[windows])
        x = y
    return y


def _places(x: Array, y: Array, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """Where the largest number y of each window is, row · W + column: the first one of several."""
    if on_device(x):
        return cuda.max_places(x, y, kernel=kernel, stride=stride, padding=padding)
    (_, h, w, _), (_, h2, w2, _), lay = x.shape, y.shape, (kernel, stride, padding)
    smaller, skipped = np.ones(y.shape, bool), np.zeros(y.shape, np.int32)
    for rows, of_rows in _steps(h, h2, 0, *lay):
        for columns, of_columns in _steps(w, w2, 1, *lay):
            windows, pixels = (*rows, columns[2]), (*of_rows, of_columns[2])
            smaller[windows] &= x[pixels] < y[windows]
            skipped += smaller  # also where this place of the kernel is not on the image
    (kh, kw), (sh, sw), (ph, pw) = map(pair, lay)
    place = np.add.outer(np.arange(kh) * w, np.arange(kw)).astype(np.int32).ravel()
    corner = np.add.outer((np.arange(h2) * sh - ph) * w, np.arange(w2) * sw - pw)
    return place[skipped] + corner[..., None].astype(np.int32)


@primitive
def max_pool_input(
    g: Array,
    *,
    places: Array,
    shape: tuple[int, ...],
    kernel: Pair,
    stride: Pair,
    padding: Pair = 0,
) -> Array:
    """g (N, H', W', C) -> the gradient of max_pool's x, of the given shape (N, H, W, C): each
    number goes to its place."""
    (n, h, w, c), rows = shape, (len(g), g.shape[1] * g.shape[2], g.shape[3])
    index = places.reshape(rows)
    y = scatter_along.array(g.reshape(rows), index=index, axis=1, shape=(n, h * w, c))
    return y.reshape(shape)


max_pool_windows.check(_check_windows)
max_pool_input.check(_check_input)


max_pool_windows.cuda(cuda.max_pool)
max_pool_input.cuda(cuda.max_pool_input)


def _max_pool_x(g: Tensor, y: Tensor, x: Tensor, **lay: Any) -> Tensor:
    return max_pool_input(g, places=_places(x.data, y.data, **lay), shape=x.shape, **lay)


def _picked(t: Tensor, y: Tensor, g: Tensor, places: Array, shape: Any, **lay: Any) -> Tensor:
    """The numbers of t, of x's shape, at the places."""
    n, h, w, c = shape
    index = places.reshape(n, g.shape[1] * g.shape[2], c)
    return gather_along(t.reshape(n, h * w, c), index=index, axis=1).reshape(g.shape)


max_pool_windows.vjp(x=_max_pool_x)
max_pool_input.vjp(g=_picked)


def max_pool(x: Tensor, kernel: Pair, *, stride: Pair | None = None, padding: Pair = 0) -> Tensor:
    """(N, H, W, C) -> (N, H', W', C): the largest number of each window; padding counts as -∞.

    The gradient goes to the first of equal ones, row by row.
    """
    stride = kernel if stride is None else stride
    return max_pool_windows(x, kernel=kernel, stride=stride, padding=padding)
