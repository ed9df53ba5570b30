"""How weights begin. Each is called as init(shape, fan_in, fan_out, rng) and returns float32.

fan_in and fan_out: how many inputs one output sums over, and how many outputs one input feeds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Rng = np.random.Generator
Init = Callable[[tuple[int, ...], int, int, Rng], np.ndarray[Any, Any]]


def _normal(shape: tuple[int, ...], mean: float, std: float, rng: Rng) -> np.ndarray[Any, Any]:
    return (mean + std * rng.standard_normal(shape)).astype(np.float32)


def _uniform(shape: tuple[int, ...], limit: float, rng: Rng) -> np.ndarray[Any, Any]:
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def normal(std: float, mean: float = 0.0) -> Init:
    """N(mean, std²); DCGAN's is normal(0.02) (Radford et al. 2015, section 4)."""
    return lambda shape, fan_in, fan_out, rng: _normal(shape, mean, std, rng)


def he(shape: tuple[int, ...], fan_in: int, fan_out: int, rng: Rng) -> np.ndarray[Any, Any]:
    """N(0, 2 / fan_in), for ReLU (He et al. 2015, equation 10)."""
    return _normal(shape, 0.0, (2 / fan_in) ** 0.5, rng)


def glorot(shape: tuple[int, ...], fan_in: int, fan_out: int, rng: Rng) -> np.ndarray[Any, Any]:
    """U(±√(6 / (fan_in + fan_out))), for tanh (Glorot & Bengio 2010, equation 16)."""
    return _uniform(shape, (6 / (fan_in + fan_out)) ** 0.5, rng)


def fan_in_uniform(
    shape: tuple[int, ...], fan_in: int, fan_out: int, rng: Rng
) -> np.ndarray[Any, Any]:
    """U(±1/√fan_in), what PyTorch's layers begin with."""
    return _uniform(shape, fan_in**-0.5, rng)


def orthogonal(gain: float = 1.0) -> Init:
    """gain · Q, drawn evenly among matrices of orthonormal columns, or rows if these are fewer
    (Saxe et al. 2013). The matrix has an output a column: of a weight (kh, kw, i, o), kh·kw·i rows.
    """
    return lambda shape, fan_in, fan_out, rng: _orthogonal(shape, gain, rng)


def _orthogonal(shape: tuple[int, ...], gain: float, rng: Rng) -> np.ndarray[Any, Any]:
    rows, columns = math.prod(shape[:-1]), shape[-1]
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diag(r))  # QR alone prefers some of them
    return (gain * (q if rows >= columns else q.T)).reshape(shape).astype(np.float32)
