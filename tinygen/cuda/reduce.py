"""Reductions on the GPU: kernels/reduce.cu.

A reduction over any axes is one over a middle axis, (outer, n, inner) -> (outer, inner), for each
run of adjacent axes, the last run first; nothing is moved for it.
"""

from __future__ import annotations

import math

from ..axes import Axes, reduced_axes, runs
from ..device import Array, cupy
from .launch import blocks, dense, empty, launch
from .sizes import THREADS, WARP

FULL = 528  # blocks that fill a GPU: four for each of an H100's 132 multiprocessors
MOST = 128  # times `least` is the longest part that `split` makes
SHORT = 1024  # entries of a row that a warp reduces; a longer row has a block to itself


def sum(x: Array, *, axis: Axes = None, keepdims: bool = False, scale: float = 1.0) -> Array:
    """scale · Σ x over the axes."""
    shape = _kept(x, axis, keepdims)
    if not x.size:
        return cupy().zeros(shape, x.dtype)
    return _reduced("sum", x, axis, scale).reshape(shape)


def max(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """The largest number, NaN if there is one."""
    return _reduced("max", x, axis).reshape(_kept(x, axis, keepdims))


def logsumexp(x: Array, *, axis: Axes = None, keepdims: bool = False) -> Array:
    """log Σ eˣ over the axes."""
    return _reduced("logsumexp", x, axis).reshape(_kept(x, axis, keepdims))


def softmax(x: Array, *, axis: int) -> Array:
    """eˣ / Σ eˣ along one axis."""
    return _softmax("softmax", x, axis)


def log_softmax(x: Array, *, axis: int) -> Array:
    """x - log Σ eˣ along one axis."""
    return _softmax("log_softmax", x, axis)


def _axes(x: Array, axis: Axes) -> tuple[int, ...]:
    return reduced_axes(axis, x.ndim)


def _kept(x: Array, axis: Axes, keepdims: bool) -> tuple[int, ...]:
    """The shape of what is left of x."""
    axes = _axes(x, axis)
    if keepdims:
        return tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    return tuple(n for i, n in enumerate(x.shape) if i not in axes)


def _reduced(op: str, x: Array, axis: Axes, scale: float = 1.0) -> Array:
    """scale · the reduction; the caller gives it its shape."""
    if not x.size:
        return empty(_kept(x, axis, False), x.dtype)
    y = dense(x)
    passes = runs(x.shape, _axes(x, axis))
    for i, run in enumerate(passes):
        y = _pass(op, y, *run, scale if i == len(passes) - 1 else 1.0)
    return y


def _pass(op: str, x: Array, outer: int, n: int, inner: int, scale: float) -> Array:
    """(outer, n, inner) -> (outer, inner): one launch, or two where n is cut into parts."""
    if inner == 1 and n <= SHORT:
        y, lanes = empty((outer,), x.dtype), min(WARP, power_of_2(n))
        grid = -(-outer * lanes // THREADS)
        launch(f"reduce/{op}_short_rows", grid, x, y, outer, n, lanes, scale)
        return y
    if inner == 1:
        parts, chunk = split(n, 4096, outer)
        y = empty((outer, parts), x.dtype)
        last = scale if parts == 1 else 1.0
        launch(f"reduce/{op}_rows", outer * parts, x, y, n, parts, chunk, last)
    else:
        width, tile, tiles = columns(n, inner, x)
        parts, chunk = split(n, 4 * tile[1], outer * tiles)
        y = empty((outer, parts, inner), x.dtype)
        args = (x, y, n, inner, parts, chunk, scale if parts == 1 else 1.0)
        launch(f"reduce/{op}_columns_{width}", outer * parts * tiles, *args, block=tile)
    return y if parts == 1 else _pass(op, y, outer, parts, inner, scale)


def power_of_2(n: int) -> int:
    """The smallest one that is not below n."""
    return 1 << (n - 1).bit_length()


def columns(n: int, inner: int, *arrays: Array) -> tuple[int, tuple[int, int], int]:
    """How n rows of `inner` columns are shared out among threads that go down the columns.

    Returns (columns of a thread, (tx, ty) threads of a block, blocks side by side that cover all
    columns). A thread takes four columns at once where all arrays allow reads of 16 bytes.
    """
    width = 4 if inner % 4 == 0 and all(a.data.ptr % 16 == 0 for a in arrays) else 1
    rows = power_of_2(n)
    tx = min(power_of_2(inner // width), THREADS // min(8, rows))
    return width, (tx, min(THREADS // tx, rows)), -(-inner // (width * tx))


def split(n: int, least: int, others: int) -> tuple[int, int]:
    """(parts, entries of a part): how to cut n entries, each part for a block of its own.

    others: how many times the same is done beside it; all parts together should fill the GPU. No
    part is much shorter than `least`, so that it is worth a block, or longer than MOST · least: a
    thread adds its share of a part one by one, and rounding errors grow with their number. Parts
    begin at multiples of four, which keeps reads aligned.
    """
    fewest, most = -(-n // (MOST * least)), -(-n // least)
    parts = sorted((fewest, -(-FULL // others), most))[1]
    chunk = 4 * -(-n // (4 * parts))
    return -(-n // chunk), chunk


def _softmax(op: str, x: Array, axis: int) -> Array:
    axes = _axes(x, axis)
    if not x.ndim:
        return _softmax(op, x.reshape(1), 0).reshape(())
    (at,), x = axes, dense(x)
    y = empty(x.shape, x.dtype)
    outer, n, inner = math.prod(x.shape[:at]), x.shape[at], math.prod(x.shape[at + 1 :])
    if not x.size:
        return y
    if inner > 1:
        launch(f"reduce/{op}_columns", blocks(outer * inner), x, y, outer, n, inner)
    elif n > SHORT:
        launch(f"reduce/{op}_rows", outer, x, y, n)
    else:
        lanes = min(WARP, power_of_2(n))
        launch(f"reduce/{op}_short_rows", -(-outer * lanes // THREADS), x, y, outer, n, lanes)
    return y
