"""Convolution by matrix products over blocks of images, spread over the threads.

Where its kernel and stride are those of a DCGAN, `toom_cook.py` has a way of fewer products.
Windows are copied into a matrix ("im2col") a block at a time, small enough to stay in the cache,
in runs of kw·C numbers that lie side by side in an NHWC image. Each thread has its own scratch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..windows import Pair, pair, window_count
from . import toom_cook
from .compiled import loop
from .threads import blocks, convolution, run, scratch, total
from .tiles import surround

Array = np.ndarray[Any, Any]
Sizes = tuple[int, int]
BLOCK_BYTES = 800_000  # of a block's matrix of windows
FEW = 8  # channels; fewer are scattered, see conv2d_input


def conv2d(x: Array, w: Array, *, stride: Pair, padding: Pair) -> Array:
    """x (N, H, W, C), w (kh, kw, C, O) -> (N, H', W', O)."""
    convolution()
    n, (kh, kw, c, o) = len(x), w.shape
    stride, padding = pair(stride), pair(padding)
    if plan := toom_cook.planned(w.shape, stride, n, x.shape[1:3], padding):
        return toom_cook.conv2d(x, w, plan)
    h, v = (window_count(x.shape[i + 1], w.shape[i], stride[i], padding[i]) for i in (0, 1))
    size, margins = (h, v), ((padding[0],) * 2, (padding[1],) * 2)
    y, w = np.empty((n, *size, o), x.dtype), w.reshape(-1, o)
    block = _images(size[0] * size[1] * kh * kw * c, x)

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, block):
            columns = _Images(x[part], *margins).windows((kh, kw), stride, size)
            np.matmul(columns, w, out=y[part].reshape(-1, o))

    run(work, n)
    return y


def conv2d_weight(
    x: Array, g: Array, *, shape: tuple[int, ...], stride: Pair, padding: Pair
) -> Array:
    """x (N, H, W, C), g (N, H', W', O) -> the gradient of w, of the given shape (kh, kw, C, O)."""
    convolution()
    (n, oh, ow, o), (kh, kw, c, _) = g.shape, shape
    stride, padding = pair(stride), pair(padding)
    if plan := toom_cook.planned(shape, stride, n, x.shape[1:3], padding):
        return toom_cook.conv2d_weight(x, g, shape, plan)
    g, margins = np.ascontiguousarray(g), ((padding[0],) * 2, (padding[1],) * 2)
    block = _images(oh * ow * kh * kw * c, x)

    def work(lo: int, hi: int) -> Array:
        dw = np.zeros((kh * kw * c, o), x.dtype)
        product = scratch("conv product", dw.shape, x.dtype)
        for part in blocks(lo, hi, block):
            columns = _Images(x[part], *margins).windows((kh, kw), stride, (oh, ow))
            dw += np.matmul(columns.T, g[part].reshape(-1, o), out=product)
        return dw

    return total(run(work, n)).reshape(shape)


def conv2d_input(
    g: Array, w: Array, *, shape: tuple[int, ...], stride: Pair, padding: Pair
) -> Array:
    """g (N, H', W', O), w (kh, kw, C, O) -> the gradient of x, of the given shape (N, H, W, C)."""
    convolution()
    stride, padding = pair(stride), pair(padding)
    if plan := toom_cook.planned(w.shape, stride, len(g), shape[1:3], padding):
        return toom_cook.conv2d_input(g, w, shape, plan)
    compute = _scattered if shape[3] < FEW else _by_phases
    return compute(np.ascontiguousarray(g), w, shape, stride, padding)


def _by_phases(g: Array, w: Array, shape: tuple[int, ...], stride: Sizes, padding: Sizes) -> Array:
    """Each of the sh·sw pixel grids x[a::sh, b::sw] is a convolution of g with stride 1: pixel
    i = a + sh·t was read by kernel row r from row q of g where q·sh + r = i + ph, so for each
    r = r₀, r₀ + sh, … with r₀ = (a + ph) mod sh it gathers q = t + (a + ph - r) / sh."""
    (n, h, wd, c), (kh, kw, _, o), (_, oh, ow, _) = shape, w.shape, g.shape
    rows = [_Phase(a, h, kh, oh, stride[0], padding[0]) for a in range(min(stride[0], h))]
    columns = [_Phase(b, wd, kw, ow, stride[1], padding[1]) for b in range(min(stride[1], wd))]
    kernels = {
        (r.start, k.start): np.ascontiguousarray(
            w[r.taps][:, k.taps].transpose(0, 1, 3, 2)
        ).reshape(-1, c)
        for r in rows
        for k in columns
    }
    x = np.empty(shape, g.dtype)
    margins = [
        (max(p.before for p in phases), max(p.after for p in phases)) for phases in (rows, columns)
    ]
    widest = max(len(r.taps) * len(k.taps) * r.count * k.count for r in rows for k in columns)
    block = _images(max(1, widest) * o, g)

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, block):
            given = _Images(g[part], *margins)
            for r in rows:
                for k in columns:
                    grid = x[part, r.start :: stride[0], k.start :: stride[1]]
                    if not (r.taps and k.taps):
                        grid[...] = 0
                        continue
                    taps, counts = (len(r.taps), len(k.taps)), (r.count, k.count)
                    windows = given.windows(taps, (1, 1), counts, at=(r.first, k.first))
                    product = scratch("conv product", (len(windows), c), g.dtype)
                    np.matmul(windows, kernels[r.start, k.start], out=product)
                    grid[...] = product.reshape(grid.shape)

    run(work, n)
    return x


class _Phase:
    """Along one axis, a phase's pixels start, start + s, …, `count` of them, and what they gather.

    taps: the kernel's rows that read them, in the order of the rows of g that these made.
    first: the first pixel's first row of g, which may lie `before` rows above it, as the last one's
    last row may lie `after` rows below: zeros are there."""

    def __init__(self, start: int, size: int, kernel: int, given: int, s: int, p: int):
        self.start, self.count = start, -(-(size - start) // s)
        first = (start + p) % s
        self.taps = list(range(first, kernel, s))[::-1]  # ascending in g
        self.first = (start + p - first) // s - (len(self.taps) - 1)
        last = self.first + self.count - 1 + len(self.taps) - 1
        self.before, self.after = max(0, -self.first), max(0, last - given + 1)


def _scattered(g: Array, w: Array, shape: tuple[int, ...], stride: Sizes, padding: Sizes) -> Array:
    """All windows by one product, added to the pixels that they came from: for few channels, as a
    product of few columns is slow."""
    (n, h, wd, c), (kh, kw, _, o), (_, oh, ow, _) = shape, w.shape, g.shape
    (sh, sw), (ph, pw) = stride, padding
    x, flat = np.empty(shape, g.dtype), w.reshape(-1, o).T
    block = _images(oh * ow * kh * kw * c, g)

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, block):
            m = part.stop - part.start
            windows = scratch("conv columns", (m, oh, ow, kh, kw, c), g.dtype)
            np.matmul(g[part].reshape(-1, o), flat, out=windows.reshape(-1, kh * kw * c))
            whole = scratch("conv padded x", (m, h + 2 * ph, wd + 2 * pw, c), g.dtype)
            whole[...] = 0
            for a in range(kh):
                for b in range(kw):
                    whole[:, a : a + sh * oh : sh, b : b + sw * ow : sw] += windows[:, :, :, a, b]
            x[part] = whole[:, ph : ph + h, pw : pw + wd]

    run(work, n)
    return x


def _images(numbers: int, like: Array) -> int:
    """How many images make a block, if each gives so many numbers of the matrix of windows."""
    return int(max(1, BLOCK_BYTES // (numbers * like.itemsize)))


class _Images:
    """A block of images (m, H, W, C), and windows that reach out of them: zeros are there.

    margins: how far they reach out, (top, bottom) and (left, right).
    """

    def __init__(self, x: Array, *margins: Sizes):
        self.x, self.margins = x, margins
        self.framed: Array | None = None

    def windows(self, kernel: Sizes, stride: Sizes, size: Sizes, at: Any = None) -> Array:
        """The windows as rows, (m·H'·W', kh·kw·C), in scratch. at: the first one's first pixel;
        without it, where the margins begin."""
        (m, h, w, c), (kh, kw) = self.x.shape, kernel
        (top, _), (left, _) = self.margins
        i, j = at or (-top, -left)
        rows = scratch("conv columns", (m * size[0] * size[1], kh, kw * c), self.x.dtype)
        if not self.x.flags.c_contiguous or not _windows_loop(
            rows, self.x.reshape(m, h, w * c), *size, *stride, i, j * c, c
        ):
            if self.framed is None:
                self.framed = self._frame()
            _copy_windows(rows, self.framed[:, top + i :, left + j :], kernel, stride, size)
        return rows.reshape(len(rows), -1)

    def _frame(self) -> Array:
        """The images with their margins."""
        (m, h, w, c), ((top, bottom), (left, right)) = self.x.shape, self.margins
        if self.x.flags.c_contiguous and not (top or bottom or left or right):
            return self.x
        shape = m, top + h + bottom, left + w + right, c
        whole = scratch("conv framed", shape, self.x.dtype)
        surround(whole, self.x, (top, left))
        return whole


def _copy_windows(rows: Array, x: Array, kernel: Sizes, stride: Sizes, size: Sizes) -> None:
    """The windows that lie in x (m, H, W, C), where the pixels of a row are one run of numbers.

    The strides of axes of length 1 say nothing: NumPy leaves any number there, also in arrays that
    it calls contiguous."""
    (m, _, _, c), (kh, kw), number, (sn, si) = x.shape, kernel, x.itemsize, x.strides[:2]
    steps = (sn, si * stride[0], c * number * stride[1], si, number)
    runs = as_strided(x, (m, *size, kh, kw * c), steps, writeable=False)
    np.copyto(rows.reshape(runs.shape), runs)


@loop
def _windows_loop(
    rows: Any, x: Any, height: Any, width: Any, down: Any, right: Any, top: Any, left: Any, c: Any
) -> None:
    """rows (m·H'·W', kh, kw·c) from x (m, H, W·c), the part of each window that lies in x."""
    run = rows.shape[2]
    for p in range(len(rows)):
        image, place = divmod(p, height * width)
        i, j = top + place // width * down, left + place % width * right * c
        lo = min(max(0, -j), run)
        hi = max(lo, min(run, x.shape[2] - j))
        for a in range(rows.shape[1]):
            row = rows[p, a]
            if 0 <= i + a < x.shape[1]:
                row[:lo], row[hi:] = 0, 0
                inside, pixels = row[lo:hi], x[image, i + a, j + lo : j + hi]
                for k in range(len(inside)):
                    inside[k] = pixels[k]
            else:
                row[:] = 0
