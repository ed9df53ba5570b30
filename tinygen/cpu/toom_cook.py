"""Convolutions of kernel 4 and stride 2: 100 products for 16 outputs of a channel, not 256.

Toom 1963, Cook 1966; for networks Winograd 1980, Lavin & Gray 2016 (arXiv:1509.09308).

Along one axis, output i sums over the pixels 2i + a - padding, a = 0 … 3. Split by parity,
a = 2t + e, these are two sequences dₑ, each convolved with two taps wₑ at stride 1:

    yᵢ = Σₑ Σₜ dₑ[i + t] wₑ[t]

Four outputs of one of them take 8 products, and 5 are enough. Two polynomials of degree 3 and 1 can
be multiplied at 5 points: their product has degree 4, and its values there determine it. This
algorithm transposed is


    y = Aᵀ [(G w) ⊙ (Bᵀ d)]          y (4), w (2), d (5)

Row j of A and of G has the powers of point j, 0 to 3 and 0 to 1; B is the inverse of the matrix of
powers 0 to 4. Both ways of an image make 25 products of a tile of 4×4 outputs. Each is over the
channels C of all four parities, so it is one product of matrices for all tiles, 25 in all:

    V = Bᵀ d B    (25, tiles, 4C)      U = G w Gᵀ    (25, 4C, O)      y = Aᵀ (V U) A

Gradients are the same maps transposed. In float32 rounding is up to 1e-5 of the largest output,
some ten times that of the plain sum. A NaN or an inf spoils all of its tile, and the next one. It
is faster only where the maps are compiled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..windows import window_count
from . import tiles
from .compiled import in_use, loop
from .linalg import matmul
from .threads import blocks, run, scratch, total
from .tiles import TILE, N

Array = np.ndarray[Any, Any]
Sizes = tuple[int, int]
POINTS = (0.0, 1.0, -1.0, 2.0)  # and ∞, where a polynomial's value is its last coefficient
CHANNELS, TILES = 16, 96  # with fewer the maps cost more than the products that they save
LARGEST = 128 * 256  # channels in · out; U, of a thread each, is six times the weight
BLOCK_BYTES = 4_000_000  # of a block's V


def powers(n: int) -> Array:
    """The powers 0 to n - 1 of the points: (5, n)."""
    rows = [[p**k for k in range(n)] for p in POINTS]
    return np.array([*rows, [0.0] * (n - 1) + [1.0]])


A, G, B = powers(TILE), powers(2), np.linalg.inv(powers(N))
GG = np.kron(G, G)  # (25, 4): both ways
A5 = np.pad(A, ((0, 0), (0, N - TILE)))  # as if of five outputs, the last of which counts nothing


class Plan:
    """Of a convolution of kernel 4 and stride 2: how its outputs are cut into tiles."""

    def __init__(self, image: Sequence[int], padding: Sizes):
        self.padding = padding
        self.out = tuple(window_count(n, 4, 2, p) for n, p in zip(image, padding, strict=True))
        down, across = (-(-n // TILE) for n in self.out)
        self.grid, self.count = (down, across), down * across

    def full(self) -> bool:
        """Whether two thirds of the tiles' outputs or more are there: others cost as much."""
        return 2 * TILE * TILE * self.count <= 3 * math.prod(self.out)

    def block(self, c: int, itemsize: int) -> int:
        """How many images of c channels make a block."""
        return int(max(1, BLOCK_BYTES // (N * N * self.count * 4 * c * itemsize)))


def planned(
    w_shape: tuple[int, ...], stride: Sizes, n: int, image: Sequence[int], padding: Sizes
) -> Plan | None:
    """For n images, where this is the faster way; else None."""
    channels = w_shape[2:]
    if (*w_shape[:2], *stride) != (4, 4, 2, 2) or min(channels) < CHANNELS:
        return None
    plan = Plan(image, padding)
    pays = n * plan.count >= TILES and plan.full() and math.prod(channels) <= LARGEST
    return plan if pays and in_use() else None


def conv2d(x: Array, w: Array, plan: Plan) -> Array:
    """x (N, H, W, C), w (4, 4, C, O) -> (N, H', W', O)."""
    c, o = w.shape[2:]
    y, U = np.empty((len(x), *plan.out, o), x.dtype), of_taps(w)

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, plan.block(c, x.itemsize)):
            V = of_pixels(x[part], plan)
            values = scratch("toom outputs", (*V.shape[:2], o), x.dtype)
            to_outputs(np.matmul(V, U, out=values), y[part], plan)

    run(work, len(x))
    return y


def conv2d_input(g: Array, w: Array, shape: tuple[int, ...], plan: Plan) -> Array:
    """g (N, H', W', O), w (4, 4, C, O) -> the gradient of x, of the given shape (N, H, W, C)."""
    x, U, c = np.empty(shape, g.dtype), of_taps(w), shape[3]

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, plan.block(c, g.itemsize)):
            values = of_outputs(g[part], plan)
            V = scratch("toom pixels", (*values.shape[:2], 4 * c), g.dtype)
            to_pixels(np.matmul(values, U.transpose(0, 2, 1), out=V), x[part], plan)

    run(work, len(x))
    return x


def conv2d_weight(x: Array, g: Array, shape: tuple[int, ...], plan: Plan) -> Array:
    """x (N, H, W, C), g (N, H', W', O) -> the gradient of w, of the given shape (4, 4, C, O)."""
    (_, _, c, o) = shape

    def work(lo: int, hi: int) -> Array:
        U = scratch("toom weights", (N * N, 4 * c, o), x.dtype)
        for part in blocks(lo, hi, plan.block(c, x.itemsize)):
            V, values = of_pixels(x[part], plan), of_outputs(g[part], plan)
            product = U if part.start == lo else scratch("toom product", U.shape, x.dtype)
            np.matmul(V.transpose(0, 2, 1), values, out=product)
            if part.start > lo:
                U += product
        return to_taps(U, shape)

    return total(run(work, len(x)))


def of_pixels(x: Array, plan: Plan) -> Array:
    """V = Bᵀ d B of x (m, H, W, C): (25, tiles, 4C), in scratch."""
    (m, _, _, c), frame = x.shape, tiles.frame(len(x), plan.grid, 2, x.shape[3], x.dtype)
    tiles.surround(frame, _seen(x, plan), plan.padding)
    V = scratch("toom pixels", (N * N, m * plan.count, 4 * c), x.dtype)
    return tiles.gather(V, frame, B.T, plan.grid, 2)


def to_pixels(V: Array, x: Array, plan: Plan) -> None:
    """The same transposed, to x (m, H, W, C)."""
    frame = tiles.frame(len(x), plan.grid, 2, x.shape[3], x.dtype)
    tiles.scatter(frame, V, B, plan.grid, 2)
    (top, left), seen = plan.padding, _seen(x, plan)
    if seen.size < x.size:
        x[...] = 0
    seen[...] = frame[:, top : top + seen.shape[1], left : left + seen.shape[2]]


def _seen(x: Array, plan: Plan) -> Array:
    """The pixels of x that windows see. The last row or column may be seen by none."""
    (top, left), (down, across) = plan.padding, plan.out
    return x[:, : 2 * down + 2 - top, : 2 * across + 2 - left]


def of_outputs(g: Array, plan: Plan) -> Array:
    """A g Aᵀ of g (m, H', W', O): (25, tiles, O), in scratch."""
    (m, _, _, o), frame = g.shape, tiles.frame(len(g), plan.grid, 1, g.shape[3], g.dtype)
    tiles.surround(frame, g, (0, 0))
    values = scratch("toom outputs", (N * N, m * plan.count, o), g.dtype)
    return tiles.gather(values, frame, A5, plan.grid, 1)


def to_outputs(values: Array, y: Array, plan: Plan) -> None:
    """The same transposed, to y (m, H', W', O)."""
    (m, h, w, o) = y.shape
    frame = tiles.frame(m, plan.grid, 1, o, y.dtype)
    tiles.scatter(frame, values, A.T, plan.grid, 1)
    y[...] = frame[:, :h, :w]


def of_taps(w: Array) -> Array:
    """U = G w Gᵀ of each parity of w (4, 4, C, O): (25, 4C, O)."""
    (_, _, c, o), both = w.shape, GG.astype(w.dtype)
    U = np.empty((N * N, 4 * c, o), w.dtype)
    if not _of_taps(U, np.ascontiguousarray(w), both):
        taps = w.reshape(2, 2, 2, 2, c, o).transpose(0, 2, 1, 3, 4, 5)
        U[...] = matmul(both, taps.reshape(4, -1)).reshape(U.shape)
    return U


def to_taps(U: Array, shape: tuple[int, ...]) -> Array:
    """The same transposed: the given shape (4, 4, C, O)."""
    w, both = np.zeros(shape, U.dtype), GG.astype(U.dtype)
    if not _to_taps(w, U, both):
        taps = matmul(both.T, U.reshape(N * N, -1)).reshape(2, 2, 2, 2, *shape[2:])
        w[...] = taps.transpose(0, 2, 1, 3, 4, 5).reshape(shape)
    return w


@loop
def _of_taps(U: Any, w: Any, GG: Any) -> None:
    channels = w.shape[2]
    for row in range(4 * channels):
        a, e, c = row // (2 * channels), row // channels % 2, row % channels
        w0, w1, w2, w3 = w[a, e, c], w[a, e + 2, c], w[a + 2, e, c], w[a + 2, e + 2, c]
        for i in range(len(GG)):
            t0, t1, t2, t3 = GG[i, 0], GG[i, 1], GG[i, 2], GG[i, 3]
            u = U[i, row]
            for k in range(len(u)):
                u[k] = t0 * w0[k] + t1 * w1[k] + t2 * w2[k] + t3 * w3[k]


@loop
def _to_taps(w: Any, U: Any, GG: Any) -> None:
    channels = w.shape[2]
    for row in range(4 * channels):
        a, e, c = row // (2 * channels), row // channels % 2, row % channels
        w0, w1, w2, w3 = w[a, e, c], w[a, e + 2, c], w[a + 2, e, c], w[a + 2, e + 2, c]
        for i in range(len(GG)):
            t0, t1, t2, t3 = GG[i, 0], GG[i, 1], GG[i, 2], GG[i, 3]
            u = U[i, row]
            for k in range(len(u)):
                w0[k] += t0 * u[k]
                w1[k] += t1 * u[k]
                w2[k] += t2 * u[k]
                w3[k] += t3 * u[k]
