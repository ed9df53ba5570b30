"""Halving and doubling images (N, H, W, C): each is, up to a factor of 4, the other's gradient."""

from __future__ import annotations

from ..cuda import resample as cuda
from ..device import Array
from ..primitives import primitive


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
