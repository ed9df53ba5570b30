"""LBFGS, a search for the minimum of one loss, in place of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..autodiff import grad
from ..core import Tensor
from ..device import to_device
from .optimizer import Optimizer


class LBFGS(Optimizer):
    """Limited-memory BFGS (Liu & Nocedal 1989), SciPy's: `minimise` in place of `step`.

    A search, not a stochastic step: it compares values of one loss, so data and noise must be
    fixed, and the parameters should be float64. iterations: of one call, which starts afresh.
    """

    def __init__(self, params: Iterable[Tensor], *, iterations: int = 20):
        if not iterations >= 1:
            raise ValueError(f"LBFGS: wanted iterations >= 1, got {iterations}")
        self.iterations = iterations
        super().__init__(params, lr=1.0)

    def step(self, grads: Sequence[Tensor] | None = None) -> None:
        """Raises TypeError: one gradient does not tell how far to go."""
        raise TypeError("LBFGS: wanted minimise(loss), got step(grads)")

    def minimise(self, loss: Callable[[], Tensor]) -> None:
        """Moves the parameters to lower loss(), a scalar that is the same at each call."""
        from scipy.optimize import minimize

        def value_and_gradient(flat: np.ndarray[Any, Any]) -> tuple[float, np.ndarray[Any, Any]]:
            self._assign(flat)
            value = loss()
            gs = grad(value, self.params)
            return value.item(), np.concatenate([g.numpy().ravel() for g in gs]).astype(float)

        start = np.concatenate([p.numpy().ravel() for p in self.params]).astype(float)
        limits = {"maxiter": self.iterations, "maxcor": 10}
        best = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options=limits)
        self._assign(best.x)
        self.t += 1

    def _assign(self, flat: np.ndarray[Any, Any]) -> None:
        start = 0
        for p in self.params:
            values = flat[start : start + p.size].reshape(p.shape).astype(p.dtype)
            p.data[...] = to_device(values, p.device)
            p.increment_version()
            start += p.size
