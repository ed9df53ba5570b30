"""Batch and layer normalisation: x̂ = (x - mean) / √(var + ε), y = γ·x̂ + β, biased variance.

They differ in the axes that mean and var run over: batch norm takes all but the last (one mean a
channel, the same code for dense layers and for images), layer norm the last ones (one mean a
sample). With h = g·γ both have the gradient

    ∂x = (h - mean(h) - x̂ · mean(h·x̂)) / √(var + ε)        ∂γ = Σ g·x̂        ∂β = Σ g
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor
from ..cpu import normalise as cpu
from ..cuda import normalise as cuda
from ..device import Array, twins, xp
from ..primitives import primitive
from .reduce import mean
from .shape import summed, unbroadcast

on = twins(cpu, cuda)

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
    """(y, mean, var); keeps what the fast gradients need."""
    centre = x.mean(axis=axes, keepdims=True)
    xhat = x - centre
    var = (xhat * xhat).mean(axis=axes, keepdims=True)
    scale = 1 / xp(x).sqrt(var + x.dtype.type(eps))
    xhat *= scale
    if saved is not None:
        saved.update(xhat=xhat, scale=scale)
    return xhat * gamma + beta, centre, var


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
    _check(x, gamma, beta, x.shape[-1:])
    y, centre, var = _forward(x, gamma, beta, _batch_axes(x, gamma), eps, saved)
    if stats is not None:
        stats[0][...], stats[1][...] = centre.reshape(-1), var.reshape(-1)
    return y


@batch_norm.cuda
@batch_norm.cpu
def _batch_norm(
    x: Array,
    gamma: Array,
    beta: Array,
    *,
    eps: float,
    stats: tuple[Array, Array] | None,
    saved: dict[str, Any] | None,
) -> Array:
    _check(x, gamma, beta, x.shape[-1:])
    mean, var, scale = on(x).statistics_and_scale(x, eps)
    if stats is not None:
        stats[0][...], stats[1][...] = mean, var
    if saved is not None:
        saved.update(mean=mean, scale=scale)
    return on(x).scale_and_shift(x, mean, scale, gamma, beta)


@primitive
def layer_norm(
    x: Array, gamma: Array, beta: Array, *, eps: float = 1e-5, saved: dict[str, Any] | None = None
) -> Array:
    """x (N, ..., *S), gamma and beta (*S,) -> x's shape, normalised over the axes S.

    Ba, Kiros & Hinton 2016. For images (N, H, W, C), S = (H, W, C) takes a whole sample.
    """
    _check_layer(x, gamma, beta)
    return _forward(x, gamma, beta, _layer_axes(x, gamma), eps, saved)[0]


def _check_layer(x: Array, gamma: Array, beta: Array) -> None:
    _check(x, gamma, beta, x.shape[x.ndim - gamma.ndim :] if gamma.ndim < x.ndim else x.shape[1:])


@layer_norm.cuda
def _layer_norm(
    x: Array, gamma: Array, beta: Array, *, eps: float, saved: dict[str, Any] | None
) -> Array:
    _check_layer(x, gamma, beta)
    y, mean, scale = cuda.layer_norm(x, gamma, beta, eps)
    if saved is not None:
        saved.update(mean=mean, scale=scale)
    return y


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


def _batch_sums(g: Array, x: Array, saved: dict[str, Any]) -> tuple[Array, Array]:
    """(Σ g, Σ g·x̂), computed once for the three gradients that need them."""
    if saved.get("g") is not g:
        saved.update(g=g, sums=on(g).gradient_sums(g, x, saved["mean"], saved["scale"]))
    return saved["sums"]


batch_norm.fast(
    x=lambda g, y, x, gamma, beta, saved, **_: on(g).batch_norm_grad(
        g, x, saved["mean"], saved["scale"], gamma, _batch_sums(g, x, saved)
    ),
    gamma=lambda g, y, x, gamma, beta, saved, **_: _batch_sums(g, x, saved)[1],
    beta=lambda g, y, x, gamma, beta, saved, **_: _batch_sums(g, x, saved)[0],
)


def _layer_x(
    g: Array, y: Array, x: Array, gamma: Array, beta: Array, saved: Any, **_: Any
) -> Array:
    if not isinstance(g, np.ndarray):
        return cuda.layer_norm_grad(g, x, saved["mean"], saved["scale"], gamma)
    axes, xhat = _layer_axes(x, gamma), saved["xhat"]
    h = g * gamma
    mean_h = h.mean(axis=axes, keepdims=True)
    mean_hx = (h * xhat).mean(axis=axes, keepdims=True)
    h -= mean_h
    h -= xhat * mean_hx
    h *= saved["scale"]
    return h


def _layer_gamma(
    g: Array, y: Array, x: Array, gamma: Array, beta: Array, saved: Any, **_: Any
) -> Array:
    if not isinstance(g, np.ndarray):
        return _layer_sums(g, x, gamma, saved)[1]
    return summed(g * saved["xhat"], gamma)


def _layer_beta(
    g: Array, y: Array, x: Array, gamma: Array, beta: Array, saved: Any, **_: Any
) -> Array:
    if not isinstance(g, np.ndarray):
        return _layer_sums(g, x, gamma, saved)[0]
    return summed(g, beta)


def _layer_sums(g: Array, x: Array, gamma: Array, saved: dict[str, Any]) -> tuple[Array, Array]:
    """On the GPU: (Σ g, Σ g·x̂) over the samples, computed once for the two gradients."""
    if saved.get("g") is not g:
        sums = cuda.layer_gradient_sums(g, x, saved["mean"], saved["scale"], gamma.shape)
        saved.update(g=g, sums=sums)
    return saved["sums"]


layer_norm.fast(x=_layer_x, gamma=_layer_gamma, beta=_layer_beta)
