"""Elementwise work in blocks that stay in the cache, spread over the threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import threads
from .compiled import in_use
from .pointwise import address, pointwise
from .threads import blocks, run

Array = np.ndarray[Any, Any]
LONG = 65_536  # entries, from which on two cores add them faster than one
SHORT = 4096  # entries; calling a loop takes longer than NumPy's passes over fewer


def over(f: Callable[..., Any], *arrays: Any, loop: Callable[..., bool] | None = None) -> Array:
    """f(out, *arrays), where f writes what it computes elementwise into out: block by block.

    arrays: of one dtype, broadcastable, or Python numbers. Returns the new out.
    loop: takes f's place where the arrays are alike, contiguous, of one shape, and not short.
    """
    shaped = [a for a in arrays if isinstance(a, np.ndarray)]
    shape = shaped[0].shape
    if not all([a.shape == shape for a in shaped]):
        shape = np.broadcast_shapes(*(a.shape for a in shaped))
    out = np.empty(shape, shaped[0].dtype)
    whole, numpy = [out, *arrays], f
    long = out.size >= threads.BLOCK_ENTRIES
    if long or (loop is not None and out.size >= SHORT):
        alike = all(a.shape == shape and a.flags.c_contiguous for a in shaped)
        if alike:
            whole = [a.reshape(-1) if isinstance(a, np.ndarray) else a for a in whole]
        if alike and loop is not None:
            f = lambda *block: loop(*block) or numpy(*block)
    if not long:
        f(*whole)
        return out
    n, ndim = len(whole[0]), whole[0].ndim
    cut = [isinstance(a, np.ndarray) and a.ndim == ndim and len(a) == n for a in whole]
    rows = max(1, threads.BLOCK_ENTRIES * n // out.size)

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, rows):
            f(*(a[part] if c else a for a, c in zip(whole, cut, strict=True)))

    run(work, n, least=rows, blas=False)
    return out


def ufunc(f: Any) -> Callable[..., Array]:
    """A NumPy ufunc of one result, over the threads where it pays."""

    def apply(*arrays: Any) -> Array:
        for a in arrays:
            if isinstance(a, np.ndarray) and a.size >= threads.BLOCK_ENTRIES:
                break
        else:
            return np.asarray(f(*arrays))
        return over(lambda out, *blocks: f(*blocks, out=out), *arrays)

    return apply


sub, mul, div = (ufunc(f) for f in (np.subtract, np.multiply, np.divide))
_add = ufunc(np.add)


def add(a: Any, b: Any) -> Array:
    """a + b. On all cores if they are as long as the gradients of weights, which are added where
    a network is used twice."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.size >= LONG:
        alike = a.shape == b.shape and a.dtype == b.dtype
        if alike and a.flags.c_contiguous and b.flags.c_contiguous and in_use():
            out = np.empty_like(a)
            at = [address(x.reshape(-1)) for x in (out, a, b)]
            if _add_loop.rows(a.dtype, [a.size], at):
                return out
    return _add(a, b)


@pointwise
def _add_loop(out: Any, a: Any, b: Any, numbers: Any) -> None:
    for i in range(out.size):
        out[i] = a[i] + b[i]


exp, log1p, expm1 = ufunc(np.exp), ufunc(np.log1p), ufunc(np.expm1)
sin, cos, square = ufunc(np.sin), ufunc(np.cos), ufunc(np.square)
