"""The methods, each by its paper's formula in `update`; a CPU or a GPU may have its own way."""

from __future__ import annotations

from collections.abc import Iterable

from ..core import Tensor
from ..cpu import optim as cpu
from ..device import Array, xp
from .optimizer import Optimizer, fraction
from .schedules import Schedule


class SGD(Optimizer):
    """u ← momentum · u + g, p ← p - lr · u (plain gradient descent for momentum 0)."""

    slots = ("u",)

    def __init__(self, params: Iterable[Tensor], *, lr: float | Schedule, momentum: float = 0.0):
        self.momentum = fraction("SGD", "momentum", momentum)
        super().__init__(params, lr=lr)

    def update(self, p: Array, g: Array, *state: Array) -> None:
        (u,) = state
        u *= self.momentum
        u += g
        p -= self.lr * u

    def step_cpu(self, grads: list[Array]) -> bool:
        return self.compiled(cpu.sgd_loop, grads, self.momentum, self.lr)

    def step_cuda(self, grads: list[Array]) -> None:
        self.launch("sgd", grads, self.momentum, self.lr)


class RMSProp(Optimizer):
    """v ← decay · v + (1 - decay) · g², p ← p - lr · g / (√v + ε) (Tieleman & Hinton 2012)."""

    slots = ("v",)

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: float | Schedule,
        decay: float = 0.99,
        eps: float = 1e-8,
    ):
        self.decay, self.eps = fraction("RMSProp", "decay", decay), eps
        super().__init__(params, lr=lr)

    def update(self, p: Array, g: Array, *state: Array) -> None:
        (v,) = state
        v *= self.decay
        v += (1 - self.decay) * g * g
        p -= self.lr * g / (xp(v).sqrt(v) + self.eps)

    def step_cpu(self, grads: list[Array]) -> bool:
        return self.compiled(cpu.scaled_loop, grads, self.decay, 1 - self.decay, self.lr, self.eps)

    def step_cuda(self, grads: list[Array]) -> None:
        self.launch("scaled", grads, self.decay, 1 - self.decay, self.lr, self.eps)


class Adagrad(Optimizer):
    """s ← s + g², p ← p - lr · g / (√s + ε) (Duchi et al. 2011)."""

    slots = ("s",)

    def __init__(self, params: Iterable[Tensor], *, lr: float | Schedule, eps: float = 1e-10):
        self.eps = eps
        super().__init__(params, lr=lr)

    def update(self, p: Array, g: Array, *state: Array) -> None:
        (s,) = state
        s += g * g
        p -= self.lr * g / (xp(s).sqrt(s) + self.eps)

    def step_cpu(self, grads: list[Array]) -> bool:
        return self.compiled(cpu.scaled_loop, grads, 1, 1, self.lr, self.eps)

    def step_cuda(self, grads: list[Array]) -> None:
        self.launch("scaled", grads, 1, 1, self.lr, self.eps)


class Adam(Optimizer):
    """Kingma & Ba 2014, algorithm 1, with m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ):

    m ← β₁·m + (1 - β₁)·g,  v ← β₂·v + (1 - β₂)·g²,  p ← p - lr · m̂ / (√v̂ + ε)
    """

    slots = ("m", "v")

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        name = type(self).__name__
        self.betas = (fraction(name, "beta1", betas[0]), fraction(name, "beta2", betas[1]))
        self.eps = eps
        super().__init__(params, lr=lr)

    def update(self, p: Array, g: Array, *state: Array) -> None:
        (m, v), (beta1, beta2) = state, self.betas
        m += (1 - beta1) * (g - m)
        v += (1 - beta2) * (g * g - v)
        m_hat, v_hat = m / (1 - beta1**self.t), v / (1 - beta2**self.t)
        p -= self.lr * m_hat / (xp(v).sqrt(v_hat) + self.eps)

    def update_cpu(self, p: Array, g: Array, *state: Array) -> None:
        cpu.adam(p, g, *state, *self._numbers())

    def step_cpu(self, grads: list[Array]) -> bool:
        return self.compiled(cpu.adam_loop, grads, *self._numbers())

    def step_cuda(self, grads: list[Array]) -> None:
        self.launch("adam", grads, *self._numbers())

    def _numbers(self) -> tuple[float, ...]:
        return cpu.adam_numbers(self.lr, self.betas, self.eps, self.t, self._keep())

    def _keep(self) -> float:
        """What the step multiplies p by first."""
        return 1.0


class AdamW(Adam):
    """Adam with p ← p - lr · λ · p before each step: a decay of the weights, apart from m and v.

    Loshchilov & Hutter 2017, algorithm 2, with λ = weight_decay scaled by lr, as PyTorch's is.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: float | Schedule = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ):
        if not weight_decay >= 0:
            raise ValueError(f"AdamW: wanted weight_decay >= 0, got {weight_decay}")
        self.weight_decay = float(weight_decay)
        super().__init__(params, lr=lr, betas=betas, eps=eps)

    def update(self, p: Array, g: Array, *state: Array) -> None:
        p *= self._keep()
        super().update(p, g, *state)

    def _keep(self) -> float:
        return 1 - self.lr * self.weight_decay
