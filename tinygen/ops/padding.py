"""Frames around an array, of one value or of the array's own reflection."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor
from ..device import Array, xp
from ..primitives import primitive
from .shape import join, lift

Widths = tuple[tuple[int, int], ...]  # (before, after) for each axis


@primitive(shown="pad")
def pad_constant(x: Array, *, widths: Widths, value: float = 0.0) -> Array:
    """x framed by one value."""
    shape = tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
    y = xp(x).full(shape, value, x.dtype)
    y[_inside(x.shape, widths)] = x
    return y


def _inside(shape: tuple[int, ...], widths: Widths) -> tuple[slice, ...]:
    return tuple(slice(a, a + n) for n, (a, _) in zip(shape, widths, strict=True))


pad_constant.vjp(x=lambda g, y, x, widths, value: g[_inside(x.shape, widths)])


def pad(x: Tensor, widths: Any, *, value: float = 0.0, mode: str = "constant") -> Tensor:
    """x in a frame, as NumPy's pad. widths: a number, (before, after), or one such pair an axis.

    mode "constant": of `value`. "reflect": of what lies behind each edge as in a mirror on it,
    c b | a b c | b a, again and again where the frame is wider than the array.
    """
    x = lift(x)
    pairs = _pairs(widths, x.ndim)
    if mode == "constant":
        return pad_constant(x, widths=pairs, value=float(value))
    if mode != "reflect":
        raise ValueError(f'pad: wanted mode "constant" or "reflect", got {mode!r}')
    for axis, (before, after) in enumerate(pairs):
        if before or after:
            x = _reflected(x, axis, before, after)
    return x


def _pairs(widths: Any, ndim: int) -> Widths:
    """widths as one pair for each axis."""
    wanted = f"pad: wanted a width, (before, after), or such a pair for each of {ndim} axes"
    try:
        pairs = np.broadcast_to(np.asarray(widths), (ndim, 2))
    except ValueError:
        raise ValueError(f"{wanted}, got {widths}") from None
    if pairs.size and (pairs.dtype.kind not in "iu" or pairs.min() < 0):
        raise ValueError(f"{wanted}, integers >= 0, got {widths}")
    return tuple((int(a), int(b)) for a, b in pairs)


def _reflected(x: Tensor, axis: int, before: int, after: int) -> Tensor:
    """x between its reflections: place p shows entry |p|, |p - 2(n - 1)|, … in stretches between
    the mirrors at the multiples of n - 1, each a slice of x, forwards and backwards in turn."""
    n = x.shape[axis]
    if n == 0:
        raise ValueError(f"pad: axis {axis} of {x.shape} has nothing to reflect")
    step = max(1, n - 1)
    parts = []
    for k in range(-before // step, -(-(n + after) // step)):
        lo, hi = max(-before - k * step, 0), min(n + after - k * step, step)
        back = k % 2 and n > 1
        entries = slice(n - 1 - lo, n - 1 - hi, -1) if back else slice(lo, hi)
        parts.append(x[(*[slice(None)] * axis, entries)])
    return join(*parts, axis=axis)
