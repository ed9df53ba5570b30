"""Images (N, H, W, C) in other sizes.

Halving and doubling are, up to a factor of 4, each other's gradient. `resize`, to any size, is
linear in its images, so its gradient is its transpose, resize_input, and the other way round.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ..core import Tensor
from ..cpu.resample import by_images
from ..cuda import resample as cuda
from ..device import Array
from ..primitives import primitive
from ..windows import Pair, pair
from .shape import lift


@primitive
def upsample2(x: Array) -> Array:
    """(N, H, W, C) -> (N, 2H, 2W, C): each pixel becomes a 2×2 square (nearest neighbour)."""
    return x.repeat(2, axis=1).repeat(2, axis=2)


@upsample2.check
def _check_images(x: Array) -> None:
    if x.ndim != 4:
        raise ValueError("wanted images (N, H, W, C)")


upsample2.cuda(cuda.upsample2)


@primitive
def avg_pool2(x: Array) -> Array:
    """(N, H, W, C) -> (N, H/2, W/2, C): the mean of each 2×2 square. H and W must be even."""
    n, h, w, c = x.shape
    return x.reshape(n, h // 2, 2, w // 2, 2, c).mean(axis=(2, 4))


@avg_pool2.check
def _check_even(x: Array) -> None:
    if x.ndim != 4 or x.shape[1] % 2 or x.shape[2] % 2:
        raise ValueError("wanted images (N, H, W, C) of even height and width")


avg_pool2.cuda(cuda.avg_pool2)

upsample2.vjp(x=lambda g, y, x: avg_pool2(g) * 4.0)
avg_pool2.vjp(x=lambda g, y, x: upsample2(g) * 0.25)


# --- any size -------------------------------------------------------------------------------------

MODES = ("nearest", "bilinear")


@cache
def _sources(n: int, m: int, mode: str) -> tuple[Array, Array, Array | None]:
    """For each of m pixels the two of n that it is mixed of, (1 - t)·x[first] + t·x[second]; t is
    None where no pixel is mixed.

    bilinear: the middle of pixel o lies at (o + ½)·n/m - ½ = ((2o + 1)·n - m) / 2m, not before 0.
    nearest: pixel ⌊o·n/m⌋. In whole numbers, so that no rounding decides.
    """
    o = np.arange(m)
    if mode == "nearest" or n == m:
        first = o * n // m
        return first, first, None
    first, rest = np.divmod(np.maximum((2 * o + 1) * n - m, 0), 2 * m)
    alone = (rest == 0) | (first == n - 1)  # mixed with itself, as 0 · ∞ of another were NaN
    return first, np.where(alone, first, first + 1), np.where(alone, 0.5, rest / (2 * m))


@primitive(shown="resize")
def resize_images(x: Array, *, size: tuple[int, int], mode: str) -> Array:
    """See `resize`: along the rows, then along the columns."""
    for i in (0, 1):
        first, second, t = _sources(x.shape[i + 1], size[i], mode)
        y = x.take(first, axis=i + 1)
        if t is not None:
            t = t.astype(x.dtype).reshape(-1, *[1] * (2 - i))
            y = (1 - t) * y + t * x.take(second, axis=i + 1)
        x = y
    return x


@primitive
def resize_input(g: Array, *, shape: tuple[int, ...], mode: str) -> Array:
    """g (N, H', W', C) -> the gradient of resize's x, of the given shape (N, H, W, C)."""
    for i in (1, 0):
        first, second, t = _sources(shape[i + 1], g.shape[i + 1], mode)
        x = np.zeros((*g.shape[: i + 1], shape[i + 1], *g.shape[i + 2 :]), g.dtype)
        if t is None:
            _add_in_order(x, first, g, i + 1)
        else:
            t = t.astype(g.dtype).reshape(-1, *[1] * (2 - i))
            _add_in_order(x, first, (1 - t) * g, i + 1)
            _add_in_order(x, second, t * g, i + 1)
        g = x
    return g


def _add_in_order(x: Array, places: Array, g: Array, axis: int) -> None:
    """Adds g to x at these places along an axis, which rise: in as many steps as the most frequent
    one has entries, of which each takes the next entry of every place."""
    turn = np.arange(len(places)) - np.searchsorted(places, places)
    lead = (slice(None),) * axis
    for k in range(turn.max(initial=-1) + 1):
        x[(*lead, places[turn == k])] += g[(*lead, turn == k)]


@resize_images.check
def _check_resize(x: Array, *, size: tuple[int, int], mode: str) -> None:
    if mode not in MODES:
        raise ValueError(f"wanted mode {' or '.join(MODES)}")
    if x.ndim != 4 or 0 in x.shape[1:3] or min(size) < 1:
        raise ValueError("wanted images (N, H, W, C) and a size (H', W'), 1 or more pixels each")


@resize_input.check
def _check_resize_input(g: Array, *, shape: tuple[int, ...], mode: str) -> None:
    if len(shape) != 4 or g.ndim != 4 or (g.shape[0], g.shape[3]) != (shape[0], shape[3]):
        raise ValueError(f"wanted an output (N, H', W', C) of images {shape}")
    _check_resize(g, size=shape[1:3], mode=mode)


def _resized(x: Array, *, size: tuple[int, int], mode: str) -> Array:
    shape = (len(x), *size, x.shape[3])
    return by_images(lambda few: resize_images.forward(few, size=size, mode=mode), x, shape)


def _resized_input(g: Array, *, shape: tuple[int, ...], mode: str) -> Array:
    return by_images(lambda few: resize_input.forward(few, shape=shape, mode=mode), g, shape)


resize_images.cpu(_resized)
resize_input.cpu(_resized_input)
resize_images.cuda(cuda.resize)
resize_input.cuda(cuda.resize_input)
resize_images.vjp(x=lambda g, y, x, size, mode: resize_input(g, shape=x.shape, mode=mode))
resize_input.vjp(g=lambda t, y, g, shape, mode: resize_images(t, size=g.shape[1:3], mode=mode))


def resize(x: Tensor, size: Pair, *, mode: str = "nearest") -> Tensor:
    """(N, H, W, C) -> (N, H', W', C) for size (H', W'), or one number for both.

    mode "nearest": each pixel is that of the same place, ⌊i·H/H'⌋. "bilinear": the mixture of the
    four around the same place, where pixels are squares, middle on middle (PyTorch's
    align_corners=False); beyond the outermost middles, the outermost pixels. Nothing is smoothed
    before pixels are left out.
    """
    return resize_images(lift(x), size=pair(size, "resize"), mode=mode)
