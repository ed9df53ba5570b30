"""Module: something with parameters that is called. Sequential: one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from typing import Any

import numpy as np

from ..core import FLOATS, Tensor, no_grad
from ..device import Array, to_device, xp

Train = bool | str | None


class Module:
    """Holds Tensors and Modules as attributes (or in lists and dicts), and finds them by name.

    A Tensor with requires_grad is a parameter; one without is a buffer (a running mean).
    `__call__(x, *, train=None)`: train matters to layers that behave differently in training.
    """

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        raise NotImplementedError

    def _named(self) -> Iterator[tuple[str, Tensor]]:
        yield from _walk(vars(self))

    def named_parameters(self) -> dict[str, Tensor]:
        """Name -> parameter, in the order of definition: "layers.0.weight", …"""
        return {name: t for name, t in self._named() if t.requires_grad}

    def parameters(self) -> list[Tensor]:
        """The Tensors that an optimiser moves, each once, also if it has several names."""
        return list({id(t): t for t in self.named_parameters().values()}.values())

    def state_dict(self) -> dict[str, Array]:
        """Name -> copy of the array, for every parameter and buffer."""
        return {name: t.data.copy() for name, t in self._named()}

    def load_state_dict(self, state: dict[str, Array]) -> None:
        """Copies arrays into parameters and buffers. Raises ValueError if names or shapes differ;
        nothing has been written then."""
        mine = dict(self._named())
        missing, extra = mine.keys() - state.keys(), state.keys() - mine.keys()
        if missing or extra:
            raise ValueError(
                f"load_state_dict: missing {_some(missing)}, not wanted {_some(extra)}"
            )
        for name, t in mine.items():
            if t.shape != state[name].shape:
                raise ValueError(
                    f"load_state_dict: {name}: wanted {t.shape}, got {state[name].shape}"
                )
        for name, t in mine.items():
            t.data[...] = xp(t.data).asarray(state[name])
            t.writes[0] += 1

    def modules(self) -> Iterator[Module]:
        """This Module and all below it, also those in lists and dicts."""
        yield self
        yield from _modules(vars(self))

    def to(self, device: str) -> Module:
        """Moves all parameters and buffers; returns self."""
        for _, t in self._named():
            t.data = to_device(t.data, device)
        return self

    def astype(self, dtype: Any) -> Module:
        """Casts all parameters and buffers to float32 or float64; returns self."""
        if np.dtype(dtype) not in FLOATS:
            raise TypeError(f"astype: wanted float32 or float64, got {np.dtype(dtype)}")
        for _, t in self._named():
            t.data = t.data.astype(np.dtype(dtype))
        return self


def _some(names: Set[str]) -> str:
    """The first few names, and how many more there are."""
    first = sorted(names)[:3]
    return ", ".join(first) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "none"


def _walk(values: Mapping[Any, Any]) -> Iterator[tuple[str, Tensor]]:
    """All Tensors below, with their paths; one that was computed (a kept activation) is none."""
    for name, value in values.items():
        if isinstance(value, Tensor) and value.node is None:
            yield str(name), value
        elif isinstance(value, (Module, dict, list, tuple)):
            if isinstance(value, Module):
                inner: Any = vars(value)
            else:
                inner = value if isinstance(value, dict) else dict(enumerate(value))
            yield from ((f"{name}.{path}", t) for path, t in _walk(inner))


def _modules(value: Any) -> Iterator[Module]:
    if isinstance(value, Module):
        yield from value.modules()
    elif isinstance(value, (dict, list, tuple)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _modules(inner)


class Sequential(Module):
    """layer after layer. Modules get `train`; plain functions (tanh, a reshape) get x alone."""

    def __init__(self, *layers: Callable[..., Tensor]):
        self.layers = list(layers)

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        for layer in self.layers:
            x = layer(x, train=train) if isinstance(layer, Module) else layer(x)
        return x


def in_chunks(f: Callable[[Any], Tensor], x: Any, chunk: int) -> np.ndarray[Any, Any]:
    """f of all samples x (N, ...), `chunk` at a time and recording nothing, on the host."""
    with no_grad():
        return np.concatenate([f(x[i : i + chunk]).numpy() for i in range(0, len(x), chunk)])
