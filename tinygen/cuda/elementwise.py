"""Elementwise ops on the GPU: kernels/elementwise.cu."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import inf
from typing import Any

import numpy as np

from ..device import Array
from .launch import blocks, dense, empty, launch

DIMS = 4  # axes that the kernels with broadcasting know: n0 … n3 in kernels/map.cuh


def mapped(
    name: str, *arrays: Array, numbers: tuple[float, ...] = (), stem: str = "elementwise"
) -> Array:
    """The kernel on arrays of one shape, then numbers -> an array like them."""
    arrays = tuple(map(dense, arrays))
    y = empty(arrays[0].shape, arrays[0].dtype)
    launch(f"{stem}/{name}", blocks(y.size, 1024), *arrays, y, y.size, *map(float, numbers))
    return y


def binary(name: str, stem: str = "elementwise") -> Callable[..., Array]:
    """a and b, which broadcast; one of them may be a number."""

    def apply(a: Any, b: Any) -> Array:
        if isinstance(b, (int, float)):
            return mapped(f"{name}_number", a, numbers=(b,), stem=stem)
        if isinstance(a, (int, float)):
            return mapped(f"number_{name}", b, numbers=(a,), stem=stem)
        if a.shape == b.shape:
            return mapped(name, a, b, stem=stem)
        return _broadcast(f"{stem}/{name}", a, b)

    return apply


def _broadcast(kernel: str, a: Array, b: Array) -> Array:
    a, b = dense(a), dense(b)
    shape = np.broadcast_shapes(a.shape, b.shape)
    y = empty(shape, a.dtype)
    sizes, steps_a, steps_b = collapsed(shape, a.shape, b.shape)
    where = (*sizes, *steps_a, *steps_b)
    launch(f"{kernel}_broadcast", blocks(y.size), a, b, y, y.size, *where)
    return y


def collapsed(shape: tuple[int, ...], *shapes: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """How contiguous arrays broadcast to shape, told by DIMS axes.

    Neighbouring axes along which the same arrays repeat become one; axes of length 1 fill up what
    is left. Returns the axes' sizes, then for each array its steps along them in entries, 0 where
    it repeats. Raises ValueError if more than DIMS are needed.
    """
    padded = [(1,) * (len(shape) - len(s)) + s for s in shapes]
    axes: list[tuple[int, tuple[bool, ...]]] = []  # size, which arrays go along
    for i, n in enumerate(shape):
        along = tuple(s[i] != 1 for s in padded)
        if n == 1:
            continue
        if axes and axes[-1][1] == along:
            axes[-1] = (axes[-1][0] * n, along)
        else:
            axes.append((n, along))
    if len(axes) > DIMS:
        raise ValueError(f"wanted broadcasting along at most {DIMS} groups of axes, got {shapes}")
    axes = [(1, (False,) * len(shapes))] * (DIMS - len(axes)) + axes
    steps = []
    for k in range(len(shapes)):
        step, backwards = 1, []
        for n, along in reversed(axes):
            backwards.append(step if along[k] else 0)
            step *= n if along[k] else 1
        steps.append(tuple(reversed(backwards)))
    return (tuple(n for n, _ in axes), *steps)


add, sub, mul, div = (binary(n) for n in ("add", "sub", "mul", "div"))
power, maximum, minimum = (binary(n) for n in ("power", "maximum", "minimum"))
neg, exp, log, sqrt = (partial(mapped, n) for n in ("neg", "exp", "log", "sqrt"))
sin, cos, square = (partial(mapped, n) for n in ("sin", "cos", "square"))
log1p, expm1, abs, sign = (partial(mapped, n) for n in ("log1p", "expm1", "abs", "sign"))


def clip(x: Array, *, low: float | None, high: float | None) -> Array:
    """x limited to [low, high]."""
    limits = (-inf if low is None else low, inf if high is None else high)
    return mapped("clip", x, numbers=limits)
