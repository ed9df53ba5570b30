"""Floor 0: axes as people give them (a number, a tuple, None for all), as sorted numbers >= 0."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np

Axes = int | tuple[int, ...] | None


def normal_axes(axis: Axes, ndim: int, op: str = "") -> tuple[int, ...]:
    """axis as a sorted tuple of numbers in [0, ndim); None stands for all.

    Raises ValueError, in the name of `op`, for an axis that is not there or is named twice.
    """
    name = f"{op}: " if op else ""
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, (int, np.integer)) else axis
    if any(not -ndim <= a < ndim for a in axes):
        raise ValueError(f"{name}axis {axis} is out of range for {ndim} axes")
    normal = tuple(sorted(int(a) % ndim for a in axes))
    if len(set(normal)) < len(normal):
        raise ValueError(f"{name}axis {axis} names an axis of {ndim} twice")
    return normal


def reduced_axes(axis: Axes, ndim: int, op: str = "") -> tuple[int, ...]:
    """The axes that a reduction takes away: `normal_axes`, but a number without axes lets itself
    be reduced over axis 0 or -1, of which nothing changes, as in NumPy and PyTorch."""
    if ndim == 0 and isinstance(axis, (int, np.integer)) and axis in (0, -1):
        return ()
    return normal_axes(axis, ndim, op)


def runs(shape: tuple[int, ...], axes: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """(outer, n, inner) of each run of adjacent axes among `axes`, the last one first.

    Each is what it is when the runs after it have been reduced. Without any, nothing is summed.
    """
    groups = groupby(((i in axes, n) for i, n in enumerate(shape) if n != 1), lambda pair: pair[0])
    merged = [(reduced, math.prod(n for _, n in group)) for reduced, group in groups]
    each, outer, inner = [], math.prod(shape), 1
    for reduced, n in reversed(merged):
        outer //= n
        if reduced:
            each.append((outer, n, inner))
        else:
            inner *= n
    return each or [(1, 1, inner)]
