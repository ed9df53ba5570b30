"""Gradients kept within a limit, between `grad` and `step`.

clipped, norm = clip_by_norm(grad(loss, opt.params), 1.0)
opt.step(clipped)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from ..core import Tensor
from ..ops import add, clip, maximum, sqrt, sum


def clip_by_norm(grads: Sequence[Tensor], limit: float) -> tuple[tuple[Tensor, ...], Tensor]:
    """The gradients g scaled so that their norm together is at most `limit`, and that norm before.

    g ← g · limit / max(‖g‖, limit), ‖g‖² = Σ of all squares in all Tensors (Pascanu et al. 2012,
    algorithm 1). Below the limit g keeps its bits. The norm, of shape (), is inf or NaN if an
    entry is (clipped ones are then NaN somewhere), and inf if the squares are too large for the
    dtype (clipped ones are then 0; float32: entries of 10¹⁹). On a GPU nothing waits for it.
    """
    _check("clip_by_norm", grads, limit)
    norm = sqrt(reduce(add, [sum(g * g) for g in grads]))
    scale = limit / maximum(norm, limit)
    return tuple(g * scale for g in grads), norm


def clip_by_value(grads: Sequence[Tensor], limit: float) -> tuple[Tensor, ...]:
    """The gradients with every entry put into [-limit, limit]."""
    _check("clip_by_value", grads, limit)
    return tuple(clip(g, low=-limit, high=limit) for g in grads)


def _check(name: str, grads: Sequence[Tensor], limit: float) -> None:
    if isinstance(grads, Tensor) or not grads:
        got = "one Tensor" if isinstance(grads, Tensor) else "none"
        raise ValueError(f"{name}: wanted a list of gradients, got {got}")
    for i, g in enumerate(grads):
        if not isinstance(g, Tensor):
            raise TypeError(f"{name}: gradient {i}: wanted a Tensor, got {type(g).__name__}")
    if not limit > 0:
        raise ValueError(f"{name}: wanted limit > 0, got {limit}")
