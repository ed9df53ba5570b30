"""Layer norm in one pass over memory, and its gradients: each block of samples stays in the cache.

x is (N, ..., *S), and so many samples as there are places before S.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .compiled import loop, summing_loop
from .reduce import NARROW, RUN, SHORT, column_sums, samples
from .threads import blocks, run, scratch, total

Array = np.ndarray[Any, Any]


def layer_norm(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array]:
    """(y, mean, scale): each sample normalised, and its statistics, (samples,) each."""
    flat, rows = samples(x, x.ndim - gamma.ndim)
    y = np.empty(x.shape, x.dtype)
    mean, scale = np.empty((2, len(flat)), x.dtype)
    gamma, beta, rounded = gamma.reshape(-1), beta.reshape(-1), x.dtype.type(eps)

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, rows):
            out = y.reshape(flat.shape)[part]
            where = mean[part], scale[part]
            if _layer_loop(out, *where, flat[part], gamma, beta, 1 / gamma.size, float(eps)):
                continue
            square = scratch("norm a", out.shape, x.dtype)
            np.mean(flat[part], axis=1, out=mean[part])
            np.subtract(flat[part], mean[part, None], out=out)
            np.multiply(out, out, out=square)
            scale[part] = 1 / np.sqrt(square.mean(axis=1) + rounded)
            out *= scale[part, None]
            out *= gamma
            out += beta

    run(work, len(flat), least=rows, blas=False)
    return y, mean, scale


@summing_loop
def _layer_loop(
    y: Any, mean: Any, scale: Any, x: Any, gamma: Any, beta: Any, share: Any, eps: Any
) -> None:
    """share: 1/n. A sample's sums are of runs of RUN numbers."""
    number, n = x.dtype.type, len(gamma)
    for i in range(len(x)):
        total = number(0)
        for lo in range(0, n, RUN):
            part, run = number(0), x[i, lo : lo + RUN]
            for j in range(len(run)):
                part += run[j]
            total += part
        m, total = total * share, number(0)
        for lo in range(0, n, RUN):
            part, run = number(0), x[i, lo : lo + RUN]
            for j in range(len(run)):
                part += (run[j] - m) * (run[j] - m)
            total += part
        s = number(1) / np.sqrt(total * share + eps)
        mean[i], scale[i] = m, s
        for j in range(n):
            y[i, j] = (x[i, j] - m) * s * gamma[j] + beta[j]


def layer_norm_grad(g: Array, x: Array, mean: Array, scale: Array, gamma: Array) -> Array:
    """scale · (h - mean(h) - x̂ · mean(h·x̂)) for each sample, h = g·γ."""
    (flat_g, rows), (flat, _) = (samples(a, a.ndim - gamma.ndim) for a in (g, x))
    dx, gamma = np.empty(x.shape, x.dtype), gamma.reshape(-1)

    def work(lo: int, hi: int) -> None:
        for part in blocks(lo, hi, rows):
            h = dx.reshape(flat.shape)[part]
            known = mean[part], scale[part], gamma, 1 / gamma.size
            if _layer_gradient_loop(h, flat_g[part], flat[part], *known):
                continue
            d, product = (scratch(name, h.shape, h.dtype) for name in ("norm a", "norm b"))
            slope = scale[part, None]
            np.subtract(flat[part], mean[part, None], out=d)  # x̂ / scale
            np.multiply(flat_g[part], gamma, out=h)
            np.multiply(h, d, out=product)
            d *= product.mean(axis=1, keepdims=True) * slope * slope
            h -= h.mean(axis=1, keepdims=True)
            h -= d
            h *= slope

    run(work, len(flat), least=rows, blas=False)
    return dx


@summing_loop
def _layer_gradient_loop(
    dx: Any, g: Any, x: Any, mean: Any, scale: Any, gamma: Any, share: Any
) -> None:
    """share: 1/n. Sums as in `_layer_loop`."""
    number, n = x.dtype.type, len(gamma)
    for i in range(len(x)):
        m, s = mean[i], scale[i]
        sum_h, sum_hx = number(0), number(0)
        for lo in range(0, n, RUN):
            a, b, runs = number(0), number(0), slice(lo, lo + RUN)
            run, run_g, factor = x[i, runs], g[i, runs], gamma[runs]
            for j in range(len(run)):
                h = run_g[j] * factor[j]
                a += h
                b += h * (run[j] - m)
            sum_h += a
            sum_hx += b
        mean_h, slope = sum_h * share, sum_hx * share * s * s
        for j in range(n):
            dx[i, j] = s * (g[i, j] * gamma[j] - mean_h - (x[i, j] - m) * slope)


def layer_gradient_sums(
    g: Array, x: Array, mean: Array, scale: Array, shape: tuple[int, ...]
) -> tuple[Array, Array]:
    """(Σ g, Σ g·x̂) over the samples: of gamma's shape."""
    n = math.prod(shape)
    (flat_g, rows), (flat, _) = (samples(a, a.ndim - len(shape)) for a in (g, x))

    def work(lo: int, hi: int) -> Array:
        sums = np.zeros((2, n), flat.dtype)
        for part in blocks(lo, hi, rows):
            if n >= NARROW and _layer_sums_loop(
                sums, flat_g[part], flat[part], mean[part], scale[part]
            ):
                continue
            t = scratch("norm a", flat[part].shape, flat.dtype)
            np.subtract(flat[part], mean[part, None], out=t)
            t *= scale[part, None]
            t *= flat_g[part]
            sums[0] += column_sums(flat_g[part])
            sums[1] += column_sums(t)
        return sums

    sums = total(run(work, len(flat), least=rows)).reshape(2, *shape)
    return sums[0], sums[1]


@loop
def _layer_sums_loop(sums: Any, g: Any, x: Any, mean: Any, scale: Any) -> None:
    """Adds to sums, in runs of SHORT samples."""
    run = np.empty_like(sums)
    for lo in range(0, len(x), SHORT):
        run[:] = 0
        for i in range(lo, min(lo + SHORT, len(x))):
            for j in range(x.shape[1]):
                run[0, j] += g[i, j]
                run[1, j] += g[i, j] * (x[i, j] - mean[i]) * scale[i]
        sums += run
