"""Module: something with parameters that is called. Sequential: one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from copy import copy
from functools import partial
from typing import Any, Self, TypeVar

import numpy as np

from ..core import FLOATS, Tensor, no_grad
from ..device import Array, to_device, xp

Train = bool | str | None
Network = TypeVar("Network", bound="Module")


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
            t.increment_version()

    def modules(self) -> Iterator[Module]:
        """This Module and all below it, also those in lists and dicts."""
        yield self
        for _, part in _inside(vars(self)):
            yield from part.modules()

    def to(self, device: str) -> Self:
        """Moves all parameters and buffers; returns self. Make optimisers afterwards."""
        for _, t in self._named():
            if t.device != device:
                t.data = to_device(t.data, device)
        return self

    def astype(self, dtype: Any) -> Self:
        """Casts all parameters and buffers to float32 or float64; returns self. Make optimisers
        afterwards."""
        if np.dtype(dtype) not in FLOATS:
            raise TypeError(f"astype: wanted float32 or float64, got {np.dtype(dtype)}")
        for _, t in self._named():
            if t.dtype != dtype:
                t.data = t.data.astype(np.dtype(dtype))
        return self

    def __repr__(self) -> str:
        """Sizes and settings, and below them the Modules that are part of this one."""
        inside = [f"  ({name}): {_indented(part)}" for name, part in self._parts().items()]
        own = ", ".join(f"{name}={_shown(v)}" for name, v in vars(self).items() if _is_own(v))
        if not inside:
            return f"{type(self).__name__}({own})"
        return "\n".join([f"{type(self).__name__}({own}", *inside, ")"])

    def _parts(self) -> dict[str, Any]:
        """What `repr` shows below this Module."""
        return dict(_inside(vars(self)))


def in_training(layer: Module, train: Train) -> bool:
    """Whether a layer computes as in training (True and "frozen") or as after it (False).

    Raises ValueError for anything else: the choice changes the numbers, so it has to be said.
    """
    if train is not True and train is not False and train != "frozen":
        name = type(layer).__name__
        raise ValueError(f'{name}: wanted train=True, False or "frozen", got {train!r}')
    return bool(train)


def with_parameters(network: Network, params: Sequence[Tensor]) -> Network:
    """The network with other parameters: a twin that computes with these Tensors, which may have
    been computed themselves, so that a gradient flows on through them.

    params: one for each of `network.parameters()`, in that order. The network stays as it is; all
    else is shared, so that buffers (running statistics) which the twin moves are the network's own.
    Raises ValueError if number or shapes differ.
    """
    old = network.parameters()
    if [p.shape for p in params] != [p.shape for p in old]:
        raise ValueError(
            f"with_parameters: wanted {[p.shape for p in old]}, got {[p.shape for p in params]}"
        )
    return _exchanged(network, {id(p): new for p, new in zip(old, params, strict=True)})


def _exchanged(value: Any, new: Mapping[int, Tensor]) -> Any:
    """A copy of Modules, lists and dicts, in which the Tensors with these ids are others."""
    if isinstance(value, Tensor):
        return new.get(id(value), value)
    if isinstance(value, Module):
        twin = copy(value)
        vars(twin).update(_exchanged(vars(value), new))
        return twin
    if isinstance(value, dict):
        return {name: _exchanged(v, new) for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_exchanged(v, new) for v in value)
    return value


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


def _inside(values: Mapping[Any, Any]) -> Iterator[tuple[str, Module]]:
    """The Modules among values, also in lists and dicts, with their paths."""
    for name, value in values.items():
        if isinstance(value, Module):
            yield str(name), value
        elif isinstance(value, (dict, list, tuple)):
            inner = value if isinstance(value, dict) else dict(enumerate(value))
            yield from ((f"{name}.{path}", part) for path, part in _inside(inner))


def _is_own(value: Any) -> bool:
    """Whether `repr` shows an attribute beside the Module's name: Tensors and settings."""
    plain = value if isinstance(value, tuple) else (value,)
    return all(isinstance(v, (Tensor, int, float, str, np.generic)) for v in plain)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_shown, value))}{',' if len(value) == 1 else ''})"
    return str(value.shape) if isinstance(value, Tensor) else str(value)


def _indented(part: Any) -> str:
    """repr(part) with its lines moved to the right; of a function, its name."""
    if isinstance(part, partial):
        named = [f"{name}={_shown(value)}" for name, value in part.keywords.items()]
        return f"{_indented(part.func)}({', '.join([*map(_shown, part.args), *named])})"
    text = repr(part) if isinstance(part, Module) else getattr(part, "__name__", repr(part))
    return str(text).replace("\n", "\n  ")


class Sequential(Module):
    """layer after layer. Modules get `train`; plain functions (tanh, a reshape) get x alone.

    It has the length of its layers and is indexed and iterated as a list; a slice of it is a
    Sequential of the same layers.
    """

    def __init__(self, *layers: Callable[..., Tensor]):
        self.layers = list(layers)

    def __call__(self, x: Tensor, *, train: Train = None) -> Tensor:
        for layer in self.layers:
            x = layer(x, train=train) if isinstance(layer, Module) else layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    def __iter__(self) -> Iterator[Callable[..., Tensor]]:
        return iter(self.layers)

    def __getitem__(self, i: Any) -> Any:
        return Sequential(*self.layers[i]) if isinstance(i, slice) else self.layers[i]

    def _parts(self) -> dict[str, Any]:
        return {str(i): layer for i, layer in enumerate(self.layers)}


def in_chunks(f: Callable[[Any], Tensor], x: Any, chunk: int) -> np.ndarray[Any, Any]:
    """f of all samples x (N, ...), `chunk` at a time and recording nothing, on the host."""
    with no_grad():
        return np.concatenate([f(x[i : i + chunk]).numpy() for i in range(0, len(x), chunk)])
