"""A batch of images on the GPU: kernels/data.cu."""

from __future__ import annotations

from ..device import Array
from .launch import blocks, empty, launch


def batch(images: Array, chosen: Array, table: Array) -> Array:
    """table[images[chosen]]: uint8 (all, ...), int32 (n,), floats (256,) -> floats (n, ...).

    Unchecked: the indices must be of images that there are.
    """
    n, size = len(chosen), images[0].size
    y = empty((n, *images.shape[1:]), table.dtype)
    launch("data/batch", blocks(y.size, 1024), images, chosen, table, y, n, size)
    return y
