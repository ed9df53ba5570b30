"""What all optimisers have in common: parameters, a flat state, a step in blocks or one launch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from ..core import Tensor
from ..cpu.optim import together
from ..cpu.pointwise import Pointwise
from ..cpu.threads import convolving, run
from ..cuda.optim import Together
from ..device import Array, DeviceError, device_of, to_device, xp
from .schedules import Schedule, constant

STEP_ENTRIES = (
    131_072  # entries: smaller ones stay in the cache, but two threads hand over too often
)


class Optimizer:
    """What all have in common. A subclass names its `slots` and writes `update`."""

    slots: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Tensor], *, lr: float | Schedule):
        self.params = list(params)
        if not self.params:
            raise ValueError(f"{type(self).__name__}: wanted at least one parameter, got none")
        if len({id(p) for p in self.params}) != len(self.params):
            raise ValueError(f"{type(self).__name__}: a parameter is given twice")
        if not all(isinstance(p, Tensor) and p.requires_grad and not p.node for p in self.params):
            raise TypeError(f"{type(self).__name__}: wanted Tensors made with requires_grad=True")
        self._check_layout()
        for error, kind in ((DeviceError, "device"), (TypeError, "dtype")):
            kinds = sorted({str(getattr(p, kind)) for p in self.params})
            if len(kinds) > 1:
                raise error(
                    f"{type(self).__name__}: wanted parameters of one {kind}, "
                    f"got {' and '.join(kinds)}"
                )
        self.t, self.lr = 0, lr  # t: steps taken
        self._together: Together | None = None  # on a GPU
        first, size = self.params[0].data, sum(p.size for p in self.params)
        self.state = {name: xp(first).zeros(size, first.dtype) for name in self.slots}

    @property
    def lr(self) -> float:
        """The learning rate of step t, the one under way or the last one; at t = 0 of the first.

        It can be set, to a number or a schedule. Raises ValueError for one that is not >= 0.
        """
        return float(self.schedule(max(self.t - 1, 0)))

    @lr.setter
    def lr(self, lr: float | Schedule) -> None:
        self._check_lr(lr(self.t) if callable(lr) else lr)
        self.schedule = lr if callable(lr) else constant(lr)

    def _check_lr(self, lr: float) -> None:
        if not lr >= 0:
            name = type(self).__name__
            raise ValueError(f"{name}: wanted lr >= 0, got {lr} for step {self.t + 1}")

    def update(self, p: Array, g: Array, *state: Array) -> None:
        """Writes the new p and state, all 1-d blocks of one length: the paper's formula."""
        raise NotImplementedError

    def update_cpu(self, p: Array, g: Array, *state: Array) -> None:
        """The same on NumPy arrays; where it is overridden, faster."""
        self.update(p, g, *state)

    def step_cpu(self, grads: list[Array]) -> bool:
        """All parameters' step by compiled code, if there is any: whether it was done."""
        return False

    def compiled(self, loop: Pointwise, grads: list[Array], *numbers: float) -> bool:
        """Runs a loop of cpu/optim.py on all parameters, if it can be compiled."""
        params = [p.data for p in self.params]
        return together(loop, params, grads, list(self.state.values()), *numbers)

    def step_cuda(self, grads: list[Array]) -> None:
        """All parameters' step on CuPy arrays; where it is overridden, by one kernel of ours."""
        for block in self._blocks(grads, 0, sum(g.size for g in grads)):
            self.update(*block)

    def launch(self, kernel: str, grads: list[Array], *numbers: float) -> None:
        """Runs a kernel of kernels/optim.cu on all parameters; numbers: its last arguments."""
        if self._together is None:
            self._together = Together([p.size for p in self.params])
        params = [p.data for p in self.params]
        self._together.step(kernel, params, grads, self.state.values(), *numbers)

    def step(self, grads: Sequence[Tensor] | None = None) -> None:
        """One step along `grads`, one for each parameter (default: what `backward` left).

        Raises ValueError if number, shapes or dtypes do not match or the schedule gives no lr >= 0,
        TypeError or DeviceError if the parameters were cast or moved since this was made; nothing
        has moved then.
        """
        gs: list[Tensor | None] = [p.grad for p in self.params] if grads is None else list(grads)
        self._check(gs)
        self._check_lr(self.schedule(self.t))
        self.t += 1
        arrays = [g.data for g in gs if g is not None]
        if self.params[0].device == "cuda":
            self.step_cuda(arrays)
        elif not self.step_cpu(arrays):
            self._step_in_blocks(arrays)
        for p in self.params:
            p.increment_version()  # grad refuses the graphs that were recorded before

    def _step_in_blocks(self, grads: list[Array]) -> None:
        size = sum(g.size for g in grads)

        def work(lo: int, hi: int) -> None:
            for block in self._blocks(grads, lo, hi):
                self.update_cpu(*block)

        if size >= 2 * STEP_ENTRIES and convolving():  # else BLAS's threads have the other cores
            run(work, size, least=STEP_ENTRIES)
        else:
            work(0, size)

    def _blocks(self, gs: list[Array], first: int, last: int) -> Iterator[list[Array]]:
        """[p, g, *state] of each block among the entries first … last of all parameters in a row,
        as 1-d views."""
        start = 0
        for p, g in zip(self.params, gs, strict=True):
            end = start + p.size
            if start < last and end > first:
                p, g = p.data.reshape(-1), xp(g).ascontiguousarray(g).reshape(-1)
                for lo in range(max(start, first), min(end, last), STEP_ENTRIES):
                    hi = min(lo + STEP_ENTRIES, end, last)
                    part = slice(lo - start, hi - start)
                    yield [p[part], g[part], *(s[lo:hi] for s in self.state.values())]
            start = end

    def _check(self, grads: list[Tensor | None]) -> None:
        name = type(self).__name__
        if len(grads) != len(self.params):
            raise ValueError(
                f"{name}: wanted {len(self.params)} gradients, one a parameter, got {len(grads)}"
            )
        self._check_layout()
        size = sum(p.size for p in self.params)
        for key, kept in self.state.items():
            if kept.shape != (size,):
                raise ValueError(
                    f"{name}: its parameters have {size} entries, its state {key} {kept.shape}: "
                    "make it anew for other parameters"
                )
        for i, p in enumerate(self.params):
            for kept in self.state.values():
                if type(kept) is not type(p.data):
                    raise DeviceError(
                        f"{name}: its parameters are on {p.device}, its state on "
                        f"{device_of(kept)}: move a network first, then make its optimiser"
                    )
                if kept.dtype != p.data.dtype:
                    raise TypeError(
                        f"{name}: parameter {i} {p.shape} is {p.dtype}, the state {kept.dtype}: "
                        "cast a network first, then make its optimiser"
                    )
        for i, (p, g) in enumerate(zip(self.params, grads, strict=True)):
            if g is None:
                raise ValueError(f"{name}: parameter {i} {p.shape} has no gradient: call backward")
            mine, its = p.data, g.data
            if its.shape != mine.shape or its.dtype != mine.dtype or type(its) is not type(mine):
                raise ValueError(
                    f"{name}: parameter {i}: wanted a gradient {p.shape} {p.dtype} on {p.device}, "
                    f"got {g.shape} {g.dtype} on {g.device}"
                )

    def _check_layout(self) -> None:
        """A step writes into flat views, which other parameters would give copies for."""
        if not all(p.data.flags.c_contiguous for p in self.params):
            raise ValueError(f"{type(self).__name__}: wanted parameters contiguous in memory")
        flags = [p.data.flags for p in self.params if isinstance(p.data, np.ndarray)]
        if not all(f.writeable for f in flags):
            raise ValueError(f"{type(self).__name__}: wanted parameters that can be written into")

    def zero_grad(self) -> None:
        """Forgets the gradients that `backward` has added up."""
        for p in self.params:
            p.grad = None

    def state_dict(self) -> dict[str, Array]:
        """Copies of the flat state arrays, and the step count "t" (int64)."""
        return {**{k: v.copy() for k, v in self.state.items()}, "t": np.asarray(self.t, np.int64)}

    def load_state_dict(self, state: dict[str, Array]) -> None:
        """The inverse of state_dict. Raises ValueError if names, sizes or dtypes differ."""
        wanted = _described(self.state) | {"t": "() int64"}
        got = _described(state)
        if wanted != got:
            raise ValueError(f"{type(self).__name__}: wanted state {wanted}, got {got}")
        for name, mine in self.state.items():
            mine[...] = to_device(state[name], device_of(mine))
        self.t = int(state["t"])


def _described(state: Mapping[str, Array]) -> dict[str, str]:
    """Name -> shape and dtype."""
    return {name: f"{tuple(array.shape)} {array.dtype}" for name, array in state.items()}


def fraction(op: str, name: str, value: float) -> float:
    """value, which has to be in [0, 1). op and name: what an error calls it."""
    if not 0 <= value < 1:
        raise ValueError(f"{op}: wanted 0 <= {name} < 1, got {value}")
    return float(value)
