"""Floor 1: is a gradient right? A directional check against finite differences, of any order.

The check is on one number. F₀(x, c) = Σ c · f(x) for a random cotangent c; then, order by order,
F_k = Σ v_k · ∂F_{k-1} for random directions v_k. At order k the engine's derivative of F_{k-1}
along a fresh random direction u must equal the difference quotient of F_{k-1} itself. A wrong
entry anywhere changes the number; c and v are random, so nothing cancels by symmetry (Σ over a
batch norm's output, say, is constant, and an all-ones cotangent would pass any rule).

The derivative is taken both ways: recorded, by the ops' formulas, and unrecorded, by their fast
rules where they have some.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .autodiff import grad
from .core import Tensor, tensor
from .primitives import MixedDtypes

Arrays = list[np.ndarray[Any, Any]]


class GradientMismatch(AssertionError):
    """A derivative that is not the limit of its difference quotients."""


def gradcheck(
    f: Callable[..., Tensor],
    inputs: Sequence[Any],
    *,
    order: int = 1,
    directions: int = 2,
    step: float = 1e-3,
    rtol: float = 1e-6,
    atol: float = 1e-7,
    seed: int = 0,
) -> None:
    """Checks all derivatives of f(*inputs) up to `order`, in float64. Silent if they are right.

    By the formulas and by the fast rules; shapes and dtypes too, for which f runs in float32 once
    (unless it holds float64 Tensors of its own).

    f           takes Tensors, returns one Tensor of any shape; called many times, so it must
                give the same values each time
    inputs      arrays or Tensors, cast to float64; keep them farther than 10·step from kinks
    directions  random directions tried for each input and order
    step        of the five-point difference quotient, whose error is O(step⁴)
    Raises GradientMismatch, naming the order, the input, and its worst entry; ValueError for a
    gradient of the wrong shape or dtype.
    """
    rng = np.random.default_rng(seed)
    xs = [np.array(x.data if isinstance(x, Tensor) else x, np.float64) for x in inputs]
    _check_float32(f, xs)
    c = rng.standard_normal(f(*_tensors(xs)).shape)
    point = [*xs, c]
    v: list[Arrays] = []
    for k in range(1, order + 1):

        def below(at: Arrays, record: bool, fixed: list[Arrays] = v) -> tuple[list[Tensor], Tensor]:
            return _level(f, at, fixed, record)

        leaves, value = below(point, True)
        ways = {
            "formulas": _derivative(value, leaves, True),
            "fast rules": _derivative(value, leaves, False),
        }
        # The cotangent is an input too once it matters: at the second order.
        for i in range(len(xs) + (k > 1)):
            name = f"input {i} {xs[i].shape}" if i < len(xs) else "the cotangent"
            for _ in range(directions):
                u = rng.standard_normal(point[i].shape)
                quotient = _quotient(below, point, i, step)
                wanted = quotient(u)
                for way, gradient in ways.items():
                    what = f"order {k}, {name}, by the {way}"
                    _compare(gradient[i].numpy(), u, wanted, quotient, rtol, atol, what)
        v = [*v, [rng.standard_normal(p.shape) for p in point]]


def _tensors(arrays: Arrays) -> list[Tensor]:
    return [tensor(a, dtype=np.float64, requires_grad=True) for a in arrays]


def _level(
    f: Callable[..., Tensor], at: Arrays, v: list[Arrays], record: bool
) -> tuple[list[Tensor], Tensor]:
    """The Tensors (*inputs, cotangent) and F_k, k = len(v), computed from them."""
    leaves = _tensors(at)
    value = (f(*leaves[:-1]) * leaves[-1]).sum()
    for k, direction in enumerate(v):
        more = record or k + 1 < len(v)
        parts = _derivative(value, leaves, more)
        value = sum(
            ((g * d).sum() for g, d in zip(parts, direction, strict=True)), tensor(0.0, dtype=float)
        )
    return leaves, value


def _derivative(value: Tensor, leaves: list[Tensor], create_graph: bool) -> tuple[Tensor, ...]:
    if not value.requires_grad:  # constant: what is differentiated here was linear
        return tuple(tensor(np.zeros(x.shape), dtype=np.float64) for x in leaves)
    return grad(value, leaves, create_graph=create_graph, allow_unused=True)


def _check_float32(f: Callable[..., Tensor], xs: Arrays) -> None:
    """A float64 number in a rule shows here: gradients have their inputs' dtype, or raise."""
    leaves = [tensor(x, requires_grad=True) for x in xs]
    try:
        y = f(*leaves)
    except MixedDtypes:
        return
    if y.requires_grad:
        for create_graph in (True, False):
            grad(y, leaves, np.ones(y.shape), create_graph=create_graph, allow_unused=True)


def _quotient(
    below: Callable[[Arrays, bool], tuple[list[Tensor], Tensor]], point: Arrays, i: int, step: float
) -> Callable[[np.ndarray[Any, Any]], float]:
    """direction -> the five-point difference quotient of F_{k-1} along it, moving point[i]."""

    def quotient(direction: np.ndarray[Any, Any]) -> float:
        def at(t: float) -> float:
            moved = [p + t * direction if j == i else p for j, p in enumerate(point)]
            return below(moved, False)[1].item()

        near, far = at(step) - at(-step), at(2 * step) - at(-2 * step)
        return (8 * near - far) / (12 * step)

    return quotient


def _compare(
    ours: np.ndarray[Any, Any],
    u: np.ndarray[Any, Any],
    wanted: float,
    quotient: Callable[[np.ndarray[Any, Any]], float],
    rtol: float,
    atol: float,
    what: str,
) -> None:
    """Raises GradientMismatch unless the gradient `ours` gives `wanted` along u."""
    got = float((ours * u).sum())
    if abs(got - wanted) <= atol + rtol * max(abs(got), abs(wanted)):
        return
    raise GradientMismatch(
        f"gradcheck, {what}: along a random direction the gradient gives {got:.9g}, "
        f"differences give {wanted:.9g}{_worst(ours, quotient)}"
    )


def _worst(ours: np.ndarray[Any, Any], quotient: Callable[[Any], float]) -> str:
    """The entry that is farthest off, looked for one coordinate at a time (up to 500 of them)."""
    if not 0 < ours.size <= 500:
        return ""
    units = np.eye(ours.size).reshape(-1, *ours.shape)
    wanted = np.array([quotient(unit) for unit in units]).reshape(ours.shape)
    at = np.unravel_index(np.argmax(np.nan_to_num(np.abs(ours - wanted), nan=np.inf)), ours.shape)
    place = f"[{', '.join(str(int(n)) for n in at)}]"
    return f"; worst at {place}: {float(ours[at]):.9g} against {float(wanted[at]):.9g}"
