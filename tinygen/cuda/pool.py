"""Pooling on the GPU: kernels/pool.cu."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..device import Array, cupy
from ..windows import Pair, pair, window_count
from .launch import blocks, dense, empty, launch


def _lay(shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair) -> tuple[int, ...]:
    """What every kernel is told: H, W, H', W', C, kernel, stride and padding."""
    k, s, p = pair(kernel), pair(stride), pair(padding)
    counts = (window_count(shape[i + 1], k[i], s[i], p[i]) for i in (0, 1))
    return (*shape[1:3], *counts, shape[3], *k, *s, *p)


def max_pool(x: Array, *, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """The largest numbers of the windows."""
    lay = _lay(x.shape, kernel, stride, padding)
    y = empty((len(x), *lay[2:5]), x.dtype)
    launch("pool/max_pool", blocks(y.size), dense(x), y, y.size, *lay)
    return y


def max_places(x: Array, y: Array, *, kernel: Pair, stride: Pair, padding: Pair) -> Array:
    """Where they are: row · W + column, of several the first."""
    lay = _lay(x.shape, kernel, stride, padding)
    places = empty(y.shape, np.int32)
    launch("pool/max_places", blocks(y.size), dense(x), dense(y), places, y.size, *lay)
    return places


def max_pool_input(
    g: Array, *, places: Array, shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair
) -> Array:
    """Each number of g at its place in an array of the given shape, added up."""
    x = empty(shape, g.dtype)
    lay = _lay(shape, kernel, stride, padding)
    places = dense(cupy().asarray(places, np.int32))
    launch("pool/max_pool_input", blocks(x.size), dense(g), places, x, x.size, *lay)
    return x


def avg_pool(
    x: Array, *, kernel: Pair, stride: Pair, padding: Pair, count_include_pad: bool
) -> Array:
    """The means of the windows."""
    lay = _lay(x.shape, kernel, stride, padding)
    y = empty((len(x), *lay[2:5]), x.dtype)
    launch("pool/avg_pool", blocks(y.size), dense(x), y, y.size, *lay, int(count_include_pad))
    return y


def avg_pool_input(
    g: Array, *, shape: tuple[int, ...], count_include_pad: bool, **lay: Any
) -> Array:
    """Each number of g spread evenly over its window in an array of the given shape."""
    x = empty(shape, g.dtype)
    whole = int(count_include_pad)
    launch("pool/avg_pool_input", blocks(x.size), dense(g), x, x.size, *_lay(shape, **lay), whole)
    return x
