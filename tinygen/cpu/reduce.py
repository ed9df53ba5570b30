"""Sums over leading axes, as the gradient of a bias is one: block by block, over the threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import threads
from .threads import blocks, run, total

Array = np.ndarray[Any, Any]


def sum_rows(x: Array) -> Array:
    """x (rows, n) -> (n,). By products with ones: sums of a block, then their sum, in order."""
    rows = max(1, threads.BLOCK // max(1, x.shape[1]))

    def work(lo: int, hi: int) -> Array:
        sums = np.zeros(x.shape[1], x.dtype)
        for part in blocks(lo, hi, rows):
            sums += np.ones(part.stop - part.start, x.dtype) @ x[part]
        return sums

    return total(run(work, len(x), least=rows))
