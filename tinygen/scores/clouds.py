"""Two sets of points, as the scores that compare them take them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import UsageError

Array = np.ndarray[Any, Any]


def two_clouds(name: str, a: Any, b: Any, *, least: int = 1) -> tuple[Array, Array]:
    """a (N, d) and b (M, d) in float64. Raises UsageError, in the name of a score, for fewer than
    `least` points in one, for other shapes, or for NaN."""
    check_shapes(name, a, b, least=least)
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise UsageError(f"{name}: wanted finite points, got NaN or infinity")
    return a, b


def check_shapes(name: str, a: Any, b: Any, *, least: int = 1) -> None:
    """The part of it that looks at no point."""
    a, b = np.shape(a), np.shape(b)
    if len(a) != 2 or len(b) != 2 or a[1] != b[1] or min(a[0], b[0]) < least:
        raise UsageError(
            f"{name}: wanted points (N, d) and (M, d), N and M >= {least}, got {a} and {b}"
        )
