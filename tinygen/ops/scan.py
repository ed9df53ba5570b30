"""Running sums along an axis."""

from __future__ import annotations

import numpy as np

from ..axes import normal_axes
from ..core import Tensor
from ..cuda import scan as cuda
from ..device import Array, xp
from ..primitives import primitive
from .shape import lift


@primitive(shown="cumsum")
def running_sum(x: Array, *, axis: int, reverse: bool = False) -> Array:
    """y_i = Σ_{j <= i} x_j along one axis, or Σ_{j >= i} x_j if reverse: each other's gradient.

    Added up in float64, as the errors of n additions in a row grow with n.
    """
    way = (slice(None),) * axis + (slice(None, None, -1 if reverse else 1),)
    return xp(x).cumsum(x[way], axis=axis, dtype=np.float64)[way].astype(x.dtype)


running_sum.cuda(cuda.running_sum)
running_sum.vjp(x=lambda g, y, x, axis, reverse: running_sum(g, axis=axis, reverse=not reverse))


def cumsum(x: Tensor, *, axis: int | None = None) -> Tensor:
    """Running sums, y_i = Σ_{j <= i} x_j, along one axis; of all numbers in a row if None."""
    x = lift(x)
    if axis is None:
        return running_sum(x.reshape(-1), axis=0)
    if not isinstance(axis, (int, np.integer)):
        raise TypeError(f"cumsum: wanted one axis, got {axis!r}")
    return running_sum(x, axis=normal_axes(axis, x.ndim, "cumsum")[0])
