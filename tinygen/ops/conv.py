"""Convolution of images (N, H, W, C) with weights (kh, kw, C, O): one matrix product.

    y[n, i, j, o] = Σ_{a, b, c} x[n, i·s + a - p, j·s + b - p, c] · w[a, b, c, o]

(x is 0 outside the image.) With the windows of x laid out as rows, "im2col", it is
(N·H'·W', kh·kw·C) @ (kh·kw·C, O). y is linear in x and in w, so its two gradients are the two
transposes, and the three ops are each other's gradients to any order:

    conv2d(x, w)                 y from x and w
    conv2d_input(g, w, shape)    x from y and w: "transposed convolution", as generators use it
    conv2d_weight(x, g, shape)   w from x and y

stride and padding are one number, or (height, width). H' = ⌊(H + 2p - kh) / s⌋ + 1. Dilation and
groups: conv_variants.py.
"""

from __future__ import annotations

import math
from typing import Any

from ..cpu import conv as cpu
from ..cuda import conv as cuda
from ..device import Array, xp
from ..primitives import primitive
from ..windows import Pair, pair, window_count


def _check_shapes(
    x: tuple[int, ...], w: tuple[int, ...], y: tuple[int, ...] | None, stride: Pair, padding: Pair
) -> None:
    """Raises ValueError unless the shapes of x, w and y (where it is given) belong together."""
    if len(x) != 4 or len(w) != 4:
        raise ValueError(f"wanted images (N, H, W, C) and weights (kh, kw, C, O), not {x} and {w}")
    if x[3] != w[2]:
        raise ValueError(f"images {x} have {x[3]} channels, weights {w} want {w[2]}")
    wanted = (x[0], *_size(x, w, stride, padding), w[3])
    if y is not None and y != wanted:
        raise ValueError(f"images {x} and weights {w} belong to an output {wanted}, not {y}")


def _size(x: tuple[int, ...], w: tuple[int, ...], stride: Pair, padding: Pair) -> tuple[int, int]:
    """(H', W')."""
    h, v = (window_count(x[i + 1], w[i], pair(stride)[i], pair(padding)[i]) for i in (0, 1))
    return h, v


def _columns(x: Array, kernel: tuple[int, ...], stride: Pair, padding: Pair) -> Array:
    """The windows of x as rows of a matrix: (N·H'·W', kh·kw·C)."""
    (n, h, w, c), (kh, kw) = x.shape, kernel
    (sh, sw), (ph, pw) = pair(stride), pair(padding)
    oh, ow = _size(x.shape, kernel, stride, padding)
    if ph or pw:
        padded = xp(x).zeros((n, h + 2 * ph, w + 2 * pw, c), x.dtype)
        padded[:, ph : ph + h, pw : pw + w] = x
        x = padded
    sn, si, sj, sc = x.strides
    windows = xp(x).lib.stride_tricks.as_strided(
        x, (n, oh, ow, kh, kw, c), (sn, si * sh, sj * sw, si, sj, sc)
    )
    return windows.reshape(n * oh * ow, kh * kw * c)


@primitive
def conv2d(x: Array, w: Array, *, stride: Pair = 1, padding: Pair = 0) -> Array:
    """x (N, H, W, C), w (kh, kw, C, O) -> (N, H', W', O). No kernel flip, as all frameworks."""
    y = _columns(x, w.shape[:2], stride, padding) @ w.reshape(-1, w.shape[3])
    return y.reshape(x.shape[0], *_size(x.shape, w.shape, stride, padding), w.shape[3])


@conv2d.check
def _check(x: Array, w: Array, *, stride: Pair, padding: Pair) -> None:
    _check_shapes(x.shape, w.shape, None, stride, padding)


conv2d.cpu(cpu.conv2d)
conv2d.cuda(cuda.conv2d)


@primitive
def conv2d_weight(
    x: Array, g: Array, *, shape: tuple[int, ...], stride: Pair = 1, padding: Pair = 0
) -> Array:
    """x (N, H, W, C), g (N, H', W', O) -> the gradient of w, of the given shape (kh, kw, C, O)."""
    columns = _columns(x, shape[:2], stride, padding)
    return (columns.T @ g.reshape(-1, shape[3])).reshape(shape)


@conv2d_weight.check
def _check_weight(
    x: Array, g: Array, *, shape: tuple[int, ...], stride: Pair, padding: Pair
) -> None:
    _check_shapes(x.shape, shape, g.shape, stride, padding)


conv2d_weight.cpu(cpu.conv2d_weight)
conv2d_weight.cuda(cuda.conv2d_weight)


@primitive
def conv2d_input(
    g: Array, w: Array, *, shape: tuple[int, ...], stride: Pair = 1, padding: Pair = 0
) -> Array:
    """g (N, H', W', O), w (kh, kw, C, O) -> the gradient of x, of the given shape (N, H, W, C).

    For each place (a, b) of the kernel, g @ w[a, b]ᵀ is added to the pixels which that place read.
    """
    (n, h, wd, c), (kh, kw, _, o), (oh, ow) = shape, w.shape, g.shape[1:3]
    (sh, sw), (ph, pw) = pair(stride), pair(padding)
    rows = g.reshape(-1, o)
    x = xp(g).zeros((n, h + 2 * ph, wd + 2 * pw, c), g.dtype)
    for a in range(kh):
        for b in range(kw):
            read = x[:, a : a + sh * oh : sh, b : b + sw * ow : sw]
            read += (rows @ w[a, b].T).reshape(n, oh, ow, c)
    return xp(g).ascontiguousarray(x[:, ph : ph + h, pw : pw + wd])


@conv2d_input.check
def _check_input(
    g: Array, w: Array, *, shape: tuple[int, ...], stride: Pair, padding: Pair
) -> None:
    _check_shapes(shape, w.shape, g.shape, stride, padding)


conv2d_input.cpu(cpu.conv2d_input)
conv2d_input.cuda(cuda.conv2d_input)


conv2d.vjp(
    x=lambda g, y, x, w, **lay: conv2d_input(g, w, shape=x.shape, **lay),
    w=lambda g, y, x, w, **lay: conv2d_weight(x, g, shape=w.shape, **lay),
)
# In these two, t is the cotangent of what the op returned (x's shape, w's shape).
conv2d_input.vjp(
    g=lambda t, y, g, w, shape, **lay: conv2d(t, w, **lay),
    w=lambda t, y, g, w, shape, **lay: conv2d_weight(t, g, shape=w.shape, **lay),
)
conv2d_weight.vjp(
    x=lambda t, y, x, g, shape, **lay: conv2d_input(g, t, shape=x.shape, **lay),
    g=lambda t, y, x, g, shape, **lay: conv2d(x, t, **lay),
)


def conv_transpose_shape(
    x: tuple[int, ...],
    w: tuple[int, ...],
    stride: Pair,
    padding: Pair,
    output_padding: Pair = 0,
) -> tuple[Any, ...]:
    """The image shape whose convolution has x's shape: H = (H' - 1)·s - 2p + kh + output_padding.

    Images of s sizes have a convolution of this shape; output_padding, less than s, says which.
    """
    rest, s = pair(output_padding), pair(stride)
    if any(not 0 <= rest[i] < s[i] for i in (0, 1)):
        raise ValueError(
            f"ConvTranspose2d: wanted 0 <= output_padding < stride {stride}, got {output_padding}"
        )
    h, v = ((x[i + 1] - 1) * s[i] - 2 * pair(padding)[i] + w[i] + rest[i] for i in (0, 1))
    if math.prod((max(h, 0), max(v, 0))) == 0:
        raise ValueError(f"padding {padding} leaves nothing of an image {x} with kernel {w[:2]}")
    return (x[0], h, v, w[2])
