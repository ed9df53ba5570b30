"""Floor 1: primitives, the functions on arrays that Tensors record.

A primitive's gradient rules (`op.vjp`) are formulas on Tensors, written with ops, so a gradient
can be differentiated again, to any order. `fast` rules give the same on arrays, for speed.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .core import FLOATS, Node, Tensor, raw, recording, tensor
from .device import Array, DeviceError, device_of


class Primitive:
    """A function on arrays with rules for its derivatives; calling it computes and records.

    Positional arguments are differentiable; keyword-only ones are static. See `primitive`.
    """

    registry: ClassVar[dict[str, Primitive]] = {}  # name -> op; a redefinition replaces it

    def __init__(self, forward: Callable[..., Array]):
        self.name = forward.__name__
        self.forward, self.__doc__ = forward, forward.__doc__
        parameters = inspect.signature(forward).parameters.values()
        self.args = [p.name for p in parameters if p.kind == p.POSITIONAL_OR_KEYWORD]
        self.star = next((p.name for p in parameters if p.kind == p.VAR_POSITIONAL), None)
        static = {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}
        self.keeps = static.pop("saved", 0) is None
        self.defaults = {k: v for k, v in static.items() if v is not inspect.Parameter.empty}
        self.static = frozenset(static)
        self.required = self.static - self.defaults.keys()
        self.rules: dict[str, Callable[..., Any]] = {}
        self.fast_rules: dict[str, Callable[..., Any]] = {}
        self.registry[self.name] = self

    def vjp(self, **rules: Callable[..., Tensor]) -> None:
        """Sets, per argument, the formula (g, y, *args, **params) -> g · ∂y/∂arg, on Tensors.

        g is the cotangent of the output y. For `*xs` one rule serves all, its index i first.
        """
        self._set(self.rules, rules)

    def fast(self, **rules: Callable[..., Array]) -> None:
        """Sets, per argument, the same gradient on arrays, used when no graph is recorded.

        Called as (g, y, *args, saved=, **params), `saved` only if the forward takes it.
        """
        self._set(self.fast_rules, rules)

    def _set(self, table: dict[str, Callable[..., Any]], rules: dict[str, Any]) -> None:
        for name in rules:
            if name not in self.args and name != self.star:
                raise TypeError(f"{self.name}: no argument {name} among {self.args}")
        table.update(rules)

    def __call__(self, *args: Any, **params: Any) -> Tensor:
        self._check(args, params)
        params = {**self.defaults, **params}
        args, arrays, dtype = self._unwrap(args)
        recorded = recording.on and any(isinstance(a, Tensor) and a.requires_grad for a in args)
        saved: dict[str, Any] | None = {} if self.keeps and recorded else None
        try:
            if self.keeps:
                y = self.forward(*arrays, saved=saved, **params)
            else:
                y = self.forward(*arrays, **params)
        except (ValueError, TypeError, IndexError) as error:
            text = str(error).removeprefix(f"{self.name}: ")
            raise type(error)(
                f"{self.name}: {text} — got {self._describe(args, params)}"
            ) from error
        if y.dtype != dtype:
            raise TypeError(f"{self.name}: its forward made {y.dtype} of {dtype}")
        out = Tensor(y, recorded)
        if recorded:
            out.node = node = Node(self, args, params)
            node.saved = saved
            node.version = version(args)
        return out

    def _check(self, args: tuple[Any, ...], params: dict[str, Any]) -> None:
        if self.star is None and len(args) != len(self.args):
            raise TypeError(
                f"{self.name}: wanted {len(self.args)} array(s) ({', '.join(self.args)}), got "
                f"{len(args)}; parameters go by keyword: {', '.join(sorted(self.static)) or 'none'}"
            )
        if not self.required <= params.keys() <= self.static:
            raise TypeError(
                f"{self.name}: wanted the parameters {', '.join(sorted(self.static)) or 'none'}, "
                f"got {', '.join(sorted(params)) or 'none'}"
            )

    def _unwrap(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Any], Any]:
        """The arguments with raw ones cast, their arrays, and the dtype that all share."""
        tensors = [a for a in args if isinstance(a, Tensor)]
        if not tensors:
            args = tuple(tensor(a, dtype=_float_dtype(a)) for a in args)
            tensors = list(args)
        dtype, kind = tensors[0].data.dtype, type(tensors[0].data)
        arrays = []
        for i, a in enumerate(args):
            if not isinstance(a, Tensor):
                a = _constant(a, dtype)
                args = (*args[:i], a, *args[i + 1 :])
                arrays.append(a)
            else:
                arrays.append(a.data)
            if hasattr(a, "dtype") and a.dtype != dtype and a.dtype.kind == "f":
                raise TypeError(f"{self.name}: dtypes differ: {self._describe(args, {})}")
            if not isinstance(arrays[-1], (float, int, kind)):
                raise DeviceError(f"{self.name}: devices differ: {self._describe(args, {})}")
        return args, arrays, dtype

    def _describe(self, args: tuple[Any, ...], params: dict[str, Any]) -> str:
        names = self.args if self.star is None else [f"{self.star}[{i}]" for i in range(len(args))]
        parts = [
            f"{name} {tuple(a.shape)} {a.dtype} {device_of(raw(a))}"
            if hasattr(a, "dtype")
            else f"{name} {a!r}"
            for name, a in zip(names, args, strict=True)
        ]
        return ", ".join(parts + [f"{k}={v!r:.60}" for k, v in params.items()])

    def rule(self, node: Node, i: int, g: Tensor, y: Tensor) -> Tensor:
        """The cotangent of argument i of `node`, given g, the cotangent of its output y."""
        args = node.args or ()
        name = self.args[i] if self.star is None else self.star
        index = () if self.star is None else (i,)
        fast = None if recording.on else self.fast_rules.get(name)
        if fast is not None:
            kept = {"saved": node.saved} if self.keeps else {}
            arrays = [raw(a) for a in args]
            return Tensor(fast(*index, g.data, y.data, *arrays, **kept, **node.params))
        if name not in self.rules:
            raise TypeError(f"grad: {self.name} has no derivative with respect to {name}")
        ga = self.rules[name](*index, g, y, *args, **node.params)
        if ga.data.shape != args[i].data.shape or ga.data.dtype != args[i].data.dtype:
            raise ValueError(
                f"grad: {self.name}'s rule for {name} gave {ga.shape} {ga.dtype}, "
                f"wanted {args[i].shape} {args[i].dtype}"
            )
        return ga  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


def primitive(forward: Callable[..., Array]) -> Primitive:
    """Makes an op of a function on arrays that returns one array and writes into none it got.

    >>> @primitive
    ... def tanh(x):
    ...     return xp(x).tanh(x)
    >>> tanh.vjp(x=lambda g, y, x: g * (1 - y * y))

    A keyword-only parameter `saved=None` asks for a dict to keep arrays in for `fast` rules.
    """
    return Primitive(forward)


def _float_dtype(value: Any) -> Any:
    """The dtype of an array of floats; None (tensor's default) for numbers, lists, integers."""
    return value.dtype if getattr(value, "ndim", 0) and value.dtype in FLOATS else None


def _constant(value: Any, dtype: Any) -> Any:
    """A raw argument for a forward: numbers stay weak, integers and lists are cast, masks stay."""
    if isinstance(value, (float, int)) and not isinstance(value, np.generic):
        return value
    if isinstance(value, np.generic) or getattr(value, "ndim", None) == 0:
        return value.item()
    if not hasattr(value, "dtype"):
        return np.asarray(value, dtype)
    return value if value.dtype.kind in "fb" else value.astype(dtype)


def version(args: tuple[Any, ...]) -> int:
    return sum(a.version for a in args if isinstance(a, Tensor))
