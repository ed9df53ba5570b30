"""Images in other sizes, a few images at a time: what is in progress stays in the cache. Spread
over the threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from . import threads

Array = np.ndarray[Any, Any]


def by_images(f: Callable[[Array], Array], x: Array, shape: tuple[int, ...]) -> Array:
    """f(x), of the given shape, for an f that turns each image by itself into another."""
    few = max(1, threads.BLOCK_ENTRIES // max(1, math.prod(shape[1:]), math.prod(x.shape[1:])))
    if len(x) <= few:
        return f(x)
    y = np.empty(shape, x.dtype)

    def work(lo: int, hi: int) -> None:
        for part in threads.blocks(lo, hi, few):
            y[part] = f(x[part])

    threads.run(work, len(x), least=few)
    return y
