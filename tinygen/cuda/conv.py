"""Convolution on the GPU: kernels/conv.cu and, by choice, kernels/conv_tf32.cu."""

from __future__ import annotations

import math

from ..device import Array, cupy
from ..windows import Pair, pair, window_count
from .arithmetic import uses_tf32
from .launch import dense, empty, launch
from .sizes import FEW, THREADS, TILE, WARP, WIDE

ENOUGH = 264  # blocks that fill a GPU: two for each of an H100's 132 multiprocessors
SHORTEST = 64  # products that a block sums, or more


def conv2d(x: Array, w: Array, *, stride: Pair, padding: Pair) -> Array:
    """x (N, H, W, C), w (kh, kw, C, O) -> (N, H', W', O)."""
    stride, padding, (kh, kw, c, o) = pair(stride), pair(padding), w.shape
    h, v = (window_count(x.shape[i + 1], w.shape[i], stride[i], padding[i]) for i in (0, 1))
    size, shape = (h, v), (len(x), h, v, o)
    rows, depth = math.prod(shape[:3]), kh * kw * c
    geometry = (*x.shape, kh, kw, o, *size, *stride, *padding)
    return _product("conv2d", x, w, shape, (rows, o, depth), geometry)


def conv2d_input(
    g: Array, w: Array, *, shape: tuple[int, ...], stride: Pair, padding: Pair
) -> Array:
    """g (N, H', W', O), w (kh, kw, C, O) -> the gradient of x, of the given shape (N, H, W, C)."""
    stride, padding = pair(stride), pair(padding)
    (n, h, wd, c), (kh, kw, _, o), ((sh, sw), size) = shape, w.shape, (stride, g.shape[1:3])
    rows, depth = n * -(-h // sh) * -(-wd // sw), -(-kh // sh) * -(-kw // sw) * o  # of a phase
    geometry = (*shape, kh, kw, o, *size, *stride, *padding)
    if c <= FEW and g.size and w.size:
        x, pixels = empty(shape, g.dtype), n * h * wd
        args = (dense(g), dense(w), x, pixels, *geometry[1:])
        launch("conv/conv2d_input_few", -(-pixels // (THREADS // WARP)), *args)
        return x
    return _product(
        "conv2d_input", g, w, shape, (rows, c, depth), geometry, min(sh, h) * min(sw, wd)
    )


def conv2d_weight(
    x: Array, g: Array, *, shape: tuple[int, ...], stride: Pair, padding: Pair
) -> Array:
    """x (N, H, W, C), g (N, H', W', O) -> the gradient of w, of the given shape (kh, kw, C, O)."""
    stride, padding, (kh, kw, c, o), size = pair(stride), pair(padding), shape, g.shape[1:3]
    geometry = (*x.shape, kh, kw, o, *size, *stride, *padding)
    return _product(
        "conv2d_weight", x, g, shape, (kh * kw * c, o, len(x) * math.prod(size)), geometry
    )


def _product(
    name: str,
    a: Array,
    b: Array,
    shape: tuple[int, ...],
    sizes: tuple[int, int, int],
    geometry: tuple[int, ...],
    phases: int = 1,
) -> Array:
    """Launches a kernel on a and b, which makes an array of the given shape.

    sizes: (rows, columns, depth) of the matrix product that it computes, `phases` times. A block
    makes a tile of TILE columns and TILE rows. Where enough tiles fill the GPU even so, they get
    WIDE times the rows, for fewer reads; where they are too few, each sum along the depth is cut
    into parts for several blocks.
    """
    if not (a.size and b.size):
        return cupy().zeros(shape, a.dtype)
    rows, columns, depth = sizes
    each = -(-columns // TILE) * phases
    wide = WIDE if -(-rows // (WIDE * TILE)) * each >= ENOUGH else 1
    tiles = -(-rows // (wide * TILE)) * each
    parts = max(1, min(-(-ENOUGH // tiles), depth // SHORTEST)) if tiles < ENOUGH else 1
    a, b, y = dense(a), dense(b), empty(shape, a.dtype)
    kernel = f"{'conv_tf32' if uses_tf32(a.dtype) else 'conv'}/{name}_{wide}"
    if parts == 1:
        launch(kernel, tiles, a, b, y, *geometry)
        return y
    part = empty((parts, *shape), a.dtype)
    launch(kernel, (tiles, parts), a, b, part, *geometry)
    launch("conv/add_parts", -(-y.size // WARP), part, y, y.size, parts)
    return y
