"""Images in other sizes on the GPU: kernels/resample.cu."""

from __future__ import annotations

from ..device import Array
from .launch import blocks, dense, empty, launch


def upsample2(x: Array) -> Array:
    """(N, H, W, C) -> (N, 2H, 2W, C): each pixel becomes a 2×2 square."""
    n, h, w, c = x.shape
    y = empty((n, 2 * h, 2 * w, c), x.dtype)
    launch("resample/upsample2", blocks(x.size), dense(x), y, x.size, w, c)
    return y


def avg_pool2(x: Array) -> Array:
    """(N, H, W, C) -> (N, H/2, W/2, C): the mean of each 2×2 square."""
    n, h, w, c = x.shape
    y = empty((n, h // 2, w // 2, c), x.dtype)
    launch("resample/avg_pool2", blocks(y.size), dense(x), y, y.size, w // 2, c)
    return y


def resize(x: Array, *, size: tuple[int, int], mode: str) -> Array:
    """(N, H, W, C) -> (N, *size, C): mixtures of four pixels, or single ones."""
    n, h, w, c = x.shape
    _check_sizes(x.shape[1:3], size)
    y = empty((n, *size, c), x.dtype)
    launch(f"resample/resize_{mode}", blocks(y.size), dense(x), y, y.size, h, w, *size, c)
    return y


def resize_input(g: Array, *, shape: tuple[int, ...], mode: str) -> Array:
    """The transpose: each number of g goes where `resize` reads from in images of a shape."""
    x, (_, h, w, c) = empty(shape, g.dtype), shape
    _check_sizes(shape[1:3], g.shape[1:3])
    where = (h, w, *g.shape[1:3], c)
    launch(f"resample/resize_input_{mode}", blocks(x.size), dense(g), x, x.size, *where)
    return x


def _check_sizes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """Raises ValueError for sides so long that products in the kernels would not fit an int."""
    if any((2 * n + 1) * m + m + n >= 2**31 for n, m in zip(a, b, strict=True)):
        raise ValueError(f"wanted images of at most 32,000 pixels a side, got {a} and {b}")
