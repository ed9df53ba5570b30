"""Images slanted, stretched and moved at random, real and generated ones alike, before a network
judges them: differentiable augmentation (Zhao et al. 2020, arXiv:2006.10738).

What D sees of both sides is changed in the same way, so at its best G still draws images like the
real ones, not warped ones; it learns through the warp, whose gradient is exact: a pixel of the
result is one pixel of the image.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor
from ..device import to_device
from ..nn.init import Rng
from ..ops import gather, reshape

SLANT, STRETCH, MOVE = 0.35, 0.2, 0.05  # the most: columns a row, log of a factor, of a side
NUMBERS = 5  # that say how an image is warped


def draw_warps(n: int, rng: Rng) -> np.ndarray[Any, Any]:
    """How n images are to be warped: (n, 5), each uniform in [-1, 1]."""
    return rng.uniform(-1, 1, (n, NUMBERS))


def warped(x: Tensor, how: Any, strength: float = 1.0) -> Tensor:
    """Images x (N, H, W, C), each warped as its five numbers a … e of `how` (N, 5) say.

    With rows r and columns s counted from the middle, the result has at (r, s) the pixel of x
    that is nearest, or nearest inside, to

        row  exp(STRETCH · b) · r + MOVE · d · H
        column  exp(STRETCH · c) · s + SLANT · a · r + MOVE · e · W

    strength: what all five are multiplied by; 0 leaves the images as they are.
    """
    n, h, w, c = x.shape
    slant, tall, wide, down, right = (strength * to_device(how, "cpu")).T.reshape(-1, n, 1, 1)
    r, s = np.arange(h).reshape(h, 1) - (h - 1) / 2, np.arange(w) - (w - 1) / 2
    rows = np.exp(STRETCH * tall) * r + MOVE * down * h
    columns = np.exp(STRETCH * wide) * s + SLANT * slant * r + MOVE * right * w
    i, j = (_nearest(at, side) for at, side in ((rows, h), (columns, w)))
    index = np.repeat((i * w + j).reshape(n, h * w, 1), c, axis=2)
    pixels = gather(reshape(x, n, h * w, c), to_device(index, x.device), axis=1)
    return reshape(pixels, *x.shape)


def _nearest(at: np.ndarray[Any, Any], side: int) -> np.ndarray[Any, Any]:
    """The index, from the first one, of the pixel nearest to a place counted from the middle."""
    return np.clip(np.rint(at + (side - 1) / 2), 0, side - 1).astype(np.int64)
