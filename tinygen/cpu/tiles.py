"""The tiles of images, and their values at the points of `toom_cook.py`.

A frame (m, H, W, c) of m images holds a grid of tiles, 4s pixels apart down and across. Of a tile,
the pixels that are s apart are x[q, r], q and r = 0 … 4. They begin at one of s·s places (a, e):

    x[q, r] is the frame's pixel (4s·i + s·q + a, 4s·j + s·r + e) for tile (i, j)

s is 2 for what tiles see of an image, 1 for their outputs. A loop for Numba stands below the NumPy
that it replaces.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from .compiled import loop
from .threads import scratch

Array = np.ndarray[Any, Any]
Sizes = tuple[int, int]
TILE, N = 4, 5  # outputs of a tile along an axis; points


def frame(m: int, grid: Sizes, s: int, c: int, dtype: Any) -> Array:
    """For m images with a grid of tiles, in scratch: (m, H, W, c)."""
    down, across = (s * (TILE * n + 1) for n in grid)
    return scratch("frame of tiles", (m, down, across, c), dtype)


def surround(frame: Array, inner: Array, at: Sizes) -> None:
    """Writes inner into the frame, at a place, and zeros around it."""
    (top, left), (_, h, w, _) = at, inner.shape
    frame[:, :top] = 0
    frame[:, top + h :] = 0
    frame[:, top : top + h, :left] = 0
    frame[:, top : top + h, left + w :] = 0
    frame[:, top : top + h, left : left + w] = inner


def gather(V: Array, frame: Array, T: Array, grid: Sizes, s: int) -> Array:
    """V[u, v] = Σ T[u, q] T[v, r] x[q, r], for T (5, 5).

    V (25, tiles, s·s·c) is written and returned. Tiles go by image, then down, then across.
    """
    T = np.ascontiguousarray(T, V.dtype)
    if not _gather(V, *_rows(frame), T, *grid, s, frame.shape[3]):
        values = np.einsum("uq,vr,mijqraec->uvmijaec", T, T, _tiles(frame, grid, s))
        V[...] = values.reshape(V.shape)
    return V


def scatter(frame: Array, V: Array, T: Array, grid: Sizes, s: int) -> None:
    """`gather` transposed, x[q, r] = Σ T[q, u] T[r, v] V[u, v], for T (5, 5) or (4, 5).

    Where tiles share a pixel it has the sum of what they give it.
    """
    frame[...] = 0
    T = np.ascontiguousarray(T, V.dtype)
    if not _scatter(*_rows(frame), V, T, *grid, s, frame.shape[3]):
        values = V.reshape(N, N, len(frame), *grid, s, s, frame.shape[3])
        made = np.einsum("qu,rv,uvmijaec->qrmijaec", T, T, values)
        tiles = _tiles(frame, grid, s)
        for q, r in np.ndindex(made.shape[:2]):  # neighbours share pixels, but none of one (q, r)
            tiles[:, :, :, q, r] += made[q, r]


def _tiles(frame: Array, grid: Sizes, s: int) -> Array:
    """x of all tiles, a view of the frame: (m, down, across, 5, 5, s, s, c)."""
    (m, _, _, c), (image, row, pixel, one) = frame.shape, frame.strides
    step = TILE * s
    strides = image, step * row, step * pixel, s * row, s * pixel, row, pixel, one
    return as_strided(frame, (m, *grid, N, N, s, s, c), strides)


def _rows(frame: Array) -> tuple[Array, Array]:
    """A frame as (m, H, W·c), and scratch for five of its rows."""
    m, h, w, c = frame.shape
    return frame.reshape(m, h, w * c), scratch("rows of tiles", (N, w * c), frame.dtype)


@loop
def _gather(V: Any, x: Any, rows: Any, T: Any, down: Any, across: Any, s: Any, c: Any) -> None:
    for p in range(len(x) * down * s):
        image, i, a = p // (down * s), p // s % down, p % s
        top = TILE * s * i + a
        x0, x1, x2 = x[image, top], x[image, top + s], x[image, top + 2 * s]
        x3, x4 = x[image, top + 3 * s], x[image, top + 4 * s]
        for u in range(N):
            row, t0, t1, t2, t3, t4 = rows[u], T[u, 0], T[u, 1], T[u, 2], T[u, 3], T[u, 4]
            for k in range(len(row)):
                row[k] = t0 * x0[k] + t1 * x1[k] + t2 * x2[k] + t3 * x3[k] + t4 * x4[k]
        for t in range(across * s):
            j, e = t // s, t % s
            tile, place = (image * down + i) * across + j, (a * s + e) * c
            left, d = (TILE * s * j + e) * c, s * c
            for u in range(N):
                r = rows[u, left:]
                r0, r1, r2, r3, r4 = r, r[d:], r[2 * d :], r[3 * d :], r[4 * d :]
                for v in range(N):
                    t0, t1, t2, t3, t4 = T[v, 0], T[v, 1], T[v, 2], T[v, 3], T[v, 4]
                    y = V[N * u + v, tile, place : place + c]
                    for k in range(c):
                        y[k] = t0 * r0[k] + t1 * r1[k] + t2 * r2[k] + t3 * r3[k] + t4 * r4[k]


@loop
def _scatter(x: Any, rows: Any, V: Any, T: Any, down: Any, across: Any, s: Any, c: Any) -> None:
    for p in range(len(x) * down * s):
        image, i, a = p // (down * s), p // s % down, p % s
        rows[:] = 0
        for t in range(across * s):
            j, e = t // s, t % s
            tile, place = (image * down + i) * across + j, (a * s + e) * c
            for u in range(N):
                v0, v1 = V[N * u, tile, place:], V[N * u + 1, tile, place:]
                v2, v3 = V[N * u + 2, tile, place:], V[N * u + 3, tile, place:]
                v4 = V[N * u + 4, tile, place:]
                for r in range(len(T)):
                    t0, t1, t2, t3, t4 = T[r, 0], T[r, 1], T[r, 2], T[r, 3], T[r, 4]
                    left = (TILE * s * j + s * r + e) * c
                    y = rows[u, left : left + c]
                    for k in range(c):
                        y[k] += t0 * v0[k] + t1 * v1[k] + t2 * v2[k] + t3 * v3[k] + t4 * v4[k]
        r0, r1, r2, r3, r4 = rows[0], rows[1], rows[2], rows[3], rows[4]
        for q in range(len(T)):
            t0, t1, t2, t3, t4 = T[q, 0], T[q, 1], T[q, 2], T[q, 3], T[q, 4]
            row = x[image, TILE * s * i + s * q + a]
            for k in range(len(row)):
                row[k] += t0 * r0[k] + t1 * r1[k] + t2 * r2[k] + t3 * r3[k] + t4 * r4[k]
