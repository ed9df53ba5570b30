"""Σ (x - μ)² of each sample in one pass over memory, and its gradient in one."""

from __future__ import annotations

from typing import Any

import numpy as np

from .compiled import loop, summing_loop
from .reduce import RUN, samples
from .threads import blocks, run, scratch

Array = np.ndarray[Any, Any]


def squared_error(x: Array, mu: Array) -> Array:
    """x, mu (N, ...) -> (N,)."""
    (x, rows), (mu, _) = samples(x, 1), samples(mu, 1)
    y = np.empty(len(x), x.dtype)

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, rows):
            if not _loop(y[part], x[part], mu[part]):
                d = scratch("squared error", x[part].shape, x.dtype)
                np.subtract(x[part], mu[part], out=d)
                d *= d
                d.sum(axis=1, out=y[part])

    run(work, len(x), least=rows, blas=False)
    return y


@summing_loop
def _loop(y: Any, x: Any, mu: Any) -> None:
    for i in range(len(x)):
        total = x.dtype.type(0)
        for lo in range(0, x.shape[1], RUN):
            part, a, b = x.dtype.type(0), x[i, lo : lo + RUN], mu[i, lo : lo + RUN]
            for j in range(len(a)):
                part += (a[j] - b[j]) * (a[j] - b[j])
            total += part
        y[i] = total


def squared_error_grad(g: Array, x: Array, mu: Array) -> Array:
    """2 g (x - μ), the gradient of x; that of μ is this with both exchanged."""
    shape, (x, rows), (mu, _) = x.shape, samples(x, 1), samples(mu, 1)
    dx, twice = np.empty(x.shape, x.dtype), g + g

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, rows):
            if not _gradient_loop(dx[part], twice[part], x[part], mu[part]):
                np.subtract(x[part], mu[part], out=dx[part])
                dx[part] *= twice[part, None]

    run(work, len(x), least=rows, blas=False)
    return dx.reshape(shape)


@loop
def _gradient_loop(dx: Any, twice: Any, x: Any, mu: Any) -> None:
    for i in range(len(x)):
        for j in range(x.shape[1]):
            dx[i, j] = twice[i] * (x[i, j] - mu[i, j])
