"""Learning rates that change: pure functions of the number of steps taken before, 0, 1, 2 …

opt = Adam(params, lr=warm_up(cosine(1e-3, steps=10_000), steps=500))

An optimiser evaluates its schedule at its own step count, which its state holds: so a resumed run
goes on with the rate that it would have had. A schedule can be pickled; any function of one's own
from a step to a rate is one, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

Schedule = Callable[[int], float]  # steps taken before -> the learning rate of the next one


def constant(lr: float) -> Schedule:
    """lr."""
    return partial(_constant, lr=_rate("constant", lr))


def step_decay(lr: float, *, every: int, factor: float = 0.1) -> Schedule:
    """lr · factor^⌊t / every⌋: lower by the factor after each `every` steps."""
    _factor("step_decay", factor)
    every = _steps("step_decay", "every", every)
    return partial(_step_decay, lr=_rate("step_decay", lr), every=every, factor=factor)


def exponential(lr: float, *, factor: float) -> Schedule:
    """lr · factorᵗ."""
    _factor("exponential", factor)
    return partial(_step_decay, lr=_rate("exponential", lr), every=1, factor=factor)


def cosine(lr: float, *, steps: int, end: float = 0.0) -> Schedule:
    """end + (lr - end) · (1 + cos(π · t / steps)) / 2, then end from t = steps on.

    Loshchilov & Hutter 2016, equation 5, without restarts.
    """
    steps = _steps("cosine", "steps", steps)
    return partial(_cosine, lr=_rate("cosine", lr), steps=steps, end=_rate("cosine", end))


def warm_up(lr: float | Schedule, *, steps: int) -> Schedule:
    """The rate (a number, or a schedule, which begins after) reached in equal parts.

    For t < steps the first rate · (t + 1) / (steps + 1); at t = steps what follows begins, as
    if no step had been taken. The first step is not lost at a rate of 0.
    """
    after = lr if callable(lr) else constant(lr)
    return partial(_warm_up, after=after, steps=_steps("warm_up", "steps", steps))


def _constant(t: int, *, lr: float) -> float:
    return lr


def _step_decay(t: int, *, lr: float, every: int, factor: float) -> float:
    return lr * factor ** (t // every)


def _cosine(t: int, *, lr: float, steps: int, end: float) -> float:
    if t >= steps:
        return end
    return end + (lr - end) * (1 + math.cos(math.pi * t / steps)) / 2


def _warm_up(t: int, *, after: Schedule, steps: int) -> float:
    return after(t - steps) if t >= steps else after(0) * (t + 1) / (steps + 1)


def _rate(name: str, lr: float) -> float:
    if not lr >= 0:
        raise ValueError(f"{name}: wanted a rate >= 0, got {lr}")
    return float(lr)


def _factor(name: str, factor: float) -> None:
    if not 0 < factor <= 1:
        raise ValueError(f"{name}: wanted 0 < factor <= 1, got {factor}")


def _steps(name: str, what: str, steps: int) -> int:
    if int(steps) != steps or not steps >= 1:
        raise ValueError(f"{name}: wanted a whole number {what} >= 1, got {steps}")
    return int(steps)
