"""Sums over leading axes, as the gradient of a bias is one: block by block, over the threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import threads
from .threads import run

Array = np.ndarray[Any, Any]


def sum_rows(x: Array) -> Array:
    """x (rows, n) -> (n,). By products with ones: sums of a block, then their sum, in order."""
    rows = max(1, threads.BLOCK // max(1, x.shape[1]))

    def work(lo: int, hi: int) -> Array:
        total = np.zeros(x.shape[1], x.dtype)
        for i in range(lo, hi, rows):
            block = x[i : min(i + rows, hi)]
            total += np.ones(len(block), x.dtype) @ block
        return total

    first, *others = run(work, len(x), least=rows)
    for other in others:
        first += other
    return first
