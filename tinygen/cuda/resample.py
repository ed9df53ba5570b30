"""Halving and doubling images on the GPU: kernels/resample.cu."""

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
