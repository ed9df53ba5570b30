"""Batch and layer normalisation: x̂ = (x - mean) / √(var + ε), y = γ·x̂ + β, biased variance.

They differ in the axes that mean and var run over: batch norm takes all but the last (one mean a
channel, the same code for dense layers and for images), layer norm the last ones (one mean a
sample). With h = g·γ both have the gradient

    ∂x = (h - mean(h) - x̂ · mean(h·x̂)) / √(var + ε)        ∂γ = Σ g·x̂        ∂β = Σ g
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core import Tensor
from ..cpu import normalise as cpu
from ..cpu import normalise_layer as cpu_layer
from ..cuda import normalise as cuda
from ..device import Array, twins, xp
from ..primitives import primitive
from .reduce import mean
from .shape import unbroadcast

on, on_layer = twins(cpu, cuda), twins(cpu_layer, cuda)

Axes = tuple[int, ...]


def _batch_axes(x: Any, gamma: Any) -> Axes:
    return tuple(range(x.ndim - 1))


def _layer_axes(x: Any, gamma: Any) -> Axes:
    return tuple(range(x.ndim - gamma.ndim, x.ndim))


def _check(x: Array, gamma: Array, beta: Array, wanted: tuple[int, ...]) -> None:
    if not wanted or gamma.shape != wanted or beta.shape != wanted or x.ndim < 2:
        raise ValueError(f"wanted x of 2 or more axes, gamma and beta {wanted}")


def _forward(
    x: Array, gamma: Array, beta: Array, axes: Axes, eps: float, saved: dict[str, Any] | None
) -> tuple[Array, Array, Array]:
    """(y, mean, var), the last two flat; keeps mean and 1/√(var + ε), flat, for fast gradients."""
    centre = mean.array(x, axis=axes, keepdims=True)
    xhat = x - centre
    var = mean.array(xhat * xhat, axis=axes, keepdims=True)
    scale = 1 / xp(x).sqrt(var + x.dtype.type(eps))
    xhat *= scale
    if saved is not None:
        saved.update(mean=centre.reshape(-1), scale=scale.reshape(-1))
    return xhat * gamma + beta, centre.reshape(-1), var.reshape(-1)


@primitive
def batch_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    *,
    eps: float = 1e-5,
    stats: tuple[Array, Array] | None = None,
    saved: dict[str, Any] | None = None,
) -> Array:
    """x (..., C), gamma and beta (C,) -> (..., C), normalised over all axes but the last.

    stats: two arrays (C,) that the batch's mean and biased variance are written into.
    Ioffe & Szegedy 2015, algorithm 1.
    """
    y, mean, var = _forward(x, gamma, beta, _batch_axes(x, gamma), eps, saved)
    if stats is not None:
        stats[0][...], stats[1][...] = mean, var
    return y


@batch_norm.check
def _check_batch(x: Array, gamma: Array, beta: Array, **_: Any) -> None:
    _check(x, gamma, beta, x.shape[-1:])
    if not x.size:
        raise ValueError("wanted at least one number along the last axis, and before it")


def _batch_norm_by(backend: Any) -> Callable[..., Array]:
    """Batch norm in the two passes over memory that a backend has."""

    def forward(
        x: Array,
        gamma: Array,
        beta: Array,
        *,
        eps: float,
        stats: tuple[Array, Array] | None,
        saved: dict[str, Any] | None,
    ) -> Array:
        mean, var, scale = backend.statistics_and_scale(x, eps)
        if stats is not None:
            stats[0][...], stats[1][...] = mean, var
        if saved is not None:
            saved.update(mean=mean, scale=scale)
        return backend.scale_and_shift(x, mean, scale, gamma, beta)

    return forward


batch_norm.cpu(_batch_norm_by(cpu))
batch_norm.cuda(_batch_norm_by(cuda))


@primitive
def layer_norm(
    x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5, saved: dict[str, Any] | None = None
) -> Array:
    """x (N, ..., *S), gamma and beta (*S,) -> x's shape, normalised over the axes S.

    Ba, Kiros & Hinton 2016. For images (N, H, W, C), S = (H, W, C) takes a whole sample.
    """
    return _forward(x, gamma, beta, _layer_axes(x, gamma), eps, saved)[0]


@layer_norm.check
def _check_layer(x: Array, gamma: Array, beta: Array, **_: Any) -> None:
    _check(x, gamma, beta, x.shape[x.ndim - gamma.ndim :] if gamma.ndim < x.ndim else x.shape[1:])
    if not gamma.size:
        raise ValueError("wanted at least one number in a sample")


def _layer_norm_by(backend: Any) -> Callable[..., Array]:
    """Layer norm by a backend."""

    def forward(
        x: Array, gamma: Array, beta: Array, *, eps: float, saved: dict[str, Any] | None
    ) -> Array:
        y, mean, scale = backend.layer_norm(x, gamma, beta, eps)
        if saved is not None:
            saved.update(mean=mean, scale=scale)
        return y

    return forward


layer_norm.cpu(_layer_norm_by(cpu_layer))
layer_norm.cuda(_layer_norm_by(cuda))


def _xhat(x: Tensor, axes: Axes, eps: float) -> tuple[Tensor, Tensor]:
    """(x̂, 1/√(var + ε)), on Tensors."""
    centred = x - mean(x, axis=axes, keepdims=True)
    scale = (mean(centred * centred, axis=axes, keepdims=True) + eps) ** -0.5
    return centred * scale, scale


def _rules(op: Any, axes_of: Any) -> None:
    """The gradients above, as formulas on Tensors."""

    def x_rule(g: Tensor, y: Tensor, x: Tensor, gamma: Any, beta: Any, eps: float, **_: Any) -> Any:
        axes = axes_of(x, gamma)
        xhat, scale = _xhat(x, axes, eps)
        h = g * gamma
        mean_h = mean(h, axis=axes, keepdims=True)
        mean_hx = mean(h * xhat, axis=axes, keepdims=True)
        return (h - mean_h - xhat * mean_hx) * scale

    def gamma_rule(
        g: Tensor, y: Tensor, x: Tensor, gamma: Tensor, beta: Any, eps: float, **_: Any
    ) -> Tensor:
        return unbroadcast(g * _xhat(x, axes_of(x, gamma), eps)[0], gamma)

    op.vjp(x=x_rule, gamma=gamma_rule, beta=lambda g, y, x, gamma, beta, **_: unbroadcast(g, beta))


_rules(batch_norm, _batch_axes)
_rules(layer_norm, _layer_axes)


# The same on arrays, by functions of the backend. `saved` holds mean and scale; in `shared` the
# first gradient leaves (Σ g, Σ g·x̂) for the others, so they are summed once.


def _batch_sums(g: Array, x: Array, saved: Any, shared: dict[str, Any], **_: Any) -> Any:
    if not shared:
        shared["sums"] = on(g).gradient_sums(g, x, **saved)
    return shared["sums"]


def _layer_sums(
    g: Array, x: Array, gamma: Array, saved: Any, shared: dict[str, Any], **_: Any
) -> Any:
    if not shared:
        shared["sums"] = on_layer(g).layer_gradient_sums(g, x, **saved, shape=gamma.shape)
    return shared["sums"]


batch_norm.fast(
    x=lambda g, y, x, gamma, beta, saved, **kept: on(g).batch_norm_grad(
        g, x, **saved, gamma=gamma, sums=_batch_sums(g, x, saved, **kept)
    ),
    gamma=lambda g, y, x, gamma, beta, **kept: _batch_sums(g, x, **kept)[1],
    beta=lambda g, y, x, gamma, beta, **kept: _batch_sums(g, x, **kept)[0],
)
layer_norm.fast(
    x=lambda g, y, x, gamma, beta, saved, **_: on_layer(g).layer_norm_grad(
        g, x, **saved, gamma=gamma
    ),
    gamma=lambda g, y, x, gamma, beta, **kept: _layer_sums(g, x, gamma, **kept)[1],
    beta=lambda g, y, x, gamma, beta, **kept: _layer_sums(g, x, gamma, **kept)[0],
)
