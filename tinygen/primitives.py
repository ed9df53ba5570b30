"""Floor 1: primitives, the functions on arrays that Tensors record.

An op's forward is its definition: plain array code that computes on any device, which one reads,
and which tests compare the rest with. On NumPy's arrays a tuned twin (`op.cpu`) runs in its place,
on CuPy's a kernel of ours (`op.cuda`), where there is one, with the same signature. Which of the
three it is, is chosen here and nowhere else, after `op.check` has looked at the arguments.

A primitive's gradient rules (`op.vjp`) are formulas on Tensors, written with ops, so a gradient
can be differentiated again, to any order. `fast` rules give the same on arrays, for speed: by
`other_op.array`, which chooses as above, or by functions that both backends have (`device.twins`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, ClassVar, overload

import numpy as np

from .core import FLOATS, Node, Tensor, raw, recording, tensor
from .cuda.used import count
from .device import Array, DeviceError, device_of, on_device


class MixedDtypes(TypeError):
    """Tensors of float32 and of float64 in one op."""


class Primitive:
    """A function on arrays with rules for its derivatives; calling it computes and records.

    Positional arguments are differentiable; keyword-only ones are static. See `primitive`.
    """

    registry: ClassVar[dict[str, Primitive]] = {}  # name -> op; a redefinition replaces it

    def __init__(self, forward: Callable[..., Array], shown: str | None = None):
        update_wrapper(self, forward)
        self.forward, self.name = forward, forward.__name__
        self.shown = shown or self.name  # what errors call it
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
        self.checks: Callable[..., None] | None = None  # arguments, before any forward
        self.tuned: Callable[..., Array] | None = None  # the forward on NumPy arrays
        self.kernel: Callable[..., Array] | None = None  # and on CuPy's
        self.registry[self.name] = self

    def vjp(self, **rules: Callable[..., Tensor]) -> None:
        """Sets, per argument, the formula (g, y, *args, **params) -> g · ∂y/∂arg, on Tensors.

        g is the cotangent of the output y. For `*xs` one rule serves all, its index i first.
        """
        self._set(self.rules, rules)

    def check(self, f: Callable[..., None]) -> Callable[..., None]:
        """Sets what looks at the arguments first, whatever computes then: f(*arrays, **params)
        raises ValueError, saying what was wanted; what came is added. Also as a decorator."""
        self.checks = f
        return f

    def cpu(self, forward: Callable[..., Array]) -> Callable[..., Array]:
        """Sets what computes the same on NumPy arrays, faster; also as a decorator."""
        self.tuned = forward
        return forward

    def cuda(self, forward: Callable[..., Array]) -> Callable[..., Array]:
        """Sets what computes the same on CuPy arrays, by a kernel of ours; also as a decorator."""
        self.kernel = forward
        return forward

    def array(self, *arrays: Any, **params: Any) -> Array:
        """The op on arrays, computed where the first one lives as it is on Tensors, unchecked."""
        params = {**self.defaults, **params} if params else self.defaults
        y = self._on(type(arrays[0]))(*arrays, **params)
        return np.asarray(y) if isinstance(y, np.generic) else y

    def _on(self, kind: type) -> Callable[..., Array]:
        """What computes arrays of this type."""
        if kind is np.ndarray or issubclass(kind, (np.ndarray, np.generic)):
            return self.tuned or self.forward
        if self.kernel is None:
            count(f"cupy/{self.name}")
        return self.kernel or self.forward

    def fast(self, **rules: Callable[..., Array]) -> None:
        """Sets, per argument, the same gradient on arrays, used when no graph is recorded.

        Called as (g, y, *args, **params), with two more keywords if the forward takes `saved`:
        that, and `shared`, a dict in which the rules of several arguments leave for each other
        what they have in common, while one cotangent g goes through.
        """
        self._set(self.fast_rules, rules)

    def _set(self, table: dict[str, Callable[..., Any]], rules: dict[str, Any]) -> None:
        for name in rules:
            if name not in self.args and name != self.star:
                raise TypeError(f"{self.name}: no argument {name} among {self.args}")
        table.update(rules)

    def __call__(self, *args: Any, **params: Any) -> Tensor:
        if params or self.required or len(args) != len(self.args):
            self._check(args, params)
            for name, value in params.items():
                if isinstance(value, np.number):
                    params[name] = value.item()  # np.float64 would widen what it multiplies
            params = {**self.defaults, **params}
        else:
            params = self.defaults
        given, kind, recorded, version = args, None, False, 0
        arrays: list[Any] = []
        for a in args:  # Tensors alike, and numbers: the rest of the work is for what is else
            if type(a) is Tensor:
                data = a._data
                if kind is None:
                    kind, dtype = type(data), data.dtype
                elif type(data) is not kind or data.dtype is not dtype:
                    break
                recorded = recorded or a.requires_grad
                version += a.version[0]
                arrays.append(data)
            elif type(a) in _NUMBERS:
                arrays.append(a)
            else:
                break
        if kind is None or len(arrays) < len(args):
            args, arrays, dtype, kind = self._unwrap(args)
            recorded = any([type(a) is Tensor and a.requires_grad for a in args])
            version = total_version(args)
        recorded = recorded and recording.on
        saved: dict[str, Any] | None = {} if self.keeps and recorded else None
        forward = self._on(kind)
        try:
            if self.checks is not None:
                self.checks(*arrays, **params)
            if self.keeps:
                y = forward(*arrays, saved=saved, **params)
            else:
                y = forward(*arrays, **params)
        except (ValueError, TypeError, IndexError, AttributeError) as error:
            text = str(error).removeprefix(f"{self.shown}: ")
            cause = TypeError if isinstance(error, AttributeError) else type(error)
            raise cause(f"{self.shown}: {text} — got {self._describe(args, params)}") from error
        if y.dtype != dtype:
            raise TypeError(f"{self.shown}: its forward made {y.dtype} of {dtype}")
        out = Tensor(y, recorded)
        if recorded:
            if args is not given or params is not self.defaults:  # there may be raw arrays
                args = tuple([_own(a) if a is b else a for a, b in zip(args, given, strict=True)])
                params = {name: _own(value) for name, value in params.items()}
            out.node = node = Node(self, args, params)
            node.saved = saved
            node.recorded_version = version
        base = getattr(y, "base", None)
        if base is not None:
            for a in args:  # a view of an argument is stale when the argument is
                if isinstance(a, Tensor) and (a.data is base or a.data.base is base):
                    out.version = a.version
        return out

    def _check(self, args: tuple[Any, ...], params: dict[str, Any]) -> None:
        if self.star is None and len(args) != len(self.args):
            raise TypeError(
                f"{self.shown}: wanted {len(self.args)} array(s) ({', '.join(self.args)}), got "
                f"{len(args)}; parameters go by keyword: {', '.join(sorted(self.static)) or 'none'}"
            )
        if not self.required <= params.keys() <= self.static:
            raise TypeError(
                f"{self.shown}: wanted the parameters {', '.join(sorted(self.static)) or 'none'}, "
                f"got {', '.join(sorted(params)) or 'none'}"
            )

    def _unwrap(self, args: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[Any], Any, type]:
        """The arguments with raw ones cast, their arrays, and the dtype and type that all share."""
        tensors = [a for a in args if isinstance(a, Tensor)]
        if not tensors:
            dtypes = [a.dtype for a in args if getattr(a, "ndim", 0) and a.dtype in FLOATS]
            args = tuple(tensor(a, dtype=dtypes[0] if dtypes else None) for a in args)
            tensors = list(args)
        dtype, kind = tensors[0].data.dtype, type(tensors[0].data)
        arrays = []
        for i, a in enumerate(args):
            if not isinstance(a, Tensor):
                a = self._constant(a, dtype)
                args = (*args[:i], a, *args[i + 1 :])
                arrays.append(a)
            else:
                arrays.append(a.data)
            if hasattr(a, "dtype") and a.dtype != dtype:
                raise MixedDtypes(f"{self.shown}: dtypes differ: {self._describe(args, {})}")
            if not isinstance(arrays[-1], (float, int, kind)):
                raise DeviceError(f"{self.shown}: devices differ: {self._describe(args, {})}")
        return args, arrays, dtype, kind

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
        args, name = node.args or (), self.star or self.args[i]
        if name not in self.rules:
            raise TypeError(f"grad: {self.shown} has no derivative with respect to {name}")
        index = () if self.star is None else (i,)
        ga = self.rules[name](*index, g, y, *args, **node.params)
        if ga.data.shape != args[i].data.shape or ga.data.dtype != args[i].data.dtype:
            raise self._bad_rule("rule", name, ga.data, args[i].data)
        return ga

    def fast_rule(
        self, node: Node, i: int, g: Array, y: Tensor, arrays: list[Any], shared: dict[str, Any]
    ) -> Array:
        """The same on arrays, where nothing is recorded. arrays: of the arguments.

        shared: empty for the first argument, and the same dict for the others.
        """
        name = self.star or self.args[i]
        fast = self.fast_rules.get(name)
        if fast is None:
            return self.rule(node, i, Tensor(g), y).data  # type: ignore[no-any-return]
        if self.keeps:
            ga = fast(g, y.data, *arrays, saved=node.saved, shared=shared, **node.params)
        elif self.star is None:
            ga = fast(g, y.data, *arrays, **node.params)
        else:
            ga = fast(i, g, y.data, *arrays, **node.params)
        if isinstance(ga, np.generic):
            ga = np.asarray(ga)
        wanted = arrays[i]
        if ga.shape != wanted.shape or ga.dtype != wanted.dtype:
            raise self._bad_rule("fast rule", name, ga, wanted)
        return ga

    def _bad_rule(self, kind: str, name: str, given: Array, wanted: Array) -> ValueError:
        return ValueError(
            f"grad: {self.shown}'s {kind} for {name} gave {given.shape} {given.dtype}, "
            f"wanted {wanted.shape} {wanted.dtype}"
        )

    def _constant(self, value: Any, dtype: Any) -> Any:
        """A raw argument for the forward: numbers stay weak, arrays and lists are cast."""
        if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0):
            value = value.item()
        if isinstance(value, (float, int)):
            return value
        array = value if isinstance(value, np.ndarray) or on_device(value) else np.array(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{self.shown}: wanted real numbers, got {type(value).__name__}")
        return array.astype(dtype, copy=False)

    def __reduce__(self) -> str:
        """Copies and pickles are references, by module and name, as those of functions are."""
        return self.forward.__qualname__

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


@overload
def primitive(forward: Callable[..., Array]) -> Primitive: ...
@overload
def primitive(*, shown: str) -> Callable[[Callable[..., Array]], Primitive]: ...
def primitive(forward: Any = None, *, shown: str | None = None) -> Any:
    """Makes an op of a function on arrays that returns one array and writes into none it got.

    >>> @primitive
    ... def tanh(x):
    ...     return xp(x).tanh(x)
    >>> tanh.vjp(x=lambda g, y, x: g * (1 - y * y))

    A keyword-only parameter `saved=None` asks for a dict to keep arrays in for `fast` rules.
    Of raw arrays among arguments and parameters a recorded op keeps copies: writing into them
    before `grad` changes nothing.
    `@primitive(shown="matmul")` gives the name that errors use, where users call a wrapper.
    """
    return Primitive(forward, shown) if forward else lambda f: Primitive(f, shown)


def _own(value: Any) -> Any:
    """An argument or parameter as a node keeps it: raw arrays, also those in tuples, as copies."""
    if type(value) in _NO_ARRAYS:
        return value
    if isinstance(value, np.ndarray) or on_device(value):
        return value.copy()
    if type(value) in (tuple, list):
        return type(value)([_own(v) for v in value])
    return value


_NUMBERS = frozenset((int, float))  # they stay weak
_NO_ARRAYS = frozenset((Tensor, int, float, bool, str, slice, type(None)))


def total_version(args: tuple[Any, ...]) -> int:
    """How often the arguments' arrays have been written into. It only grows."""
    n = 0
    for a in args:
        if type(a) is Tensor:
            n += a.version[0]
    return n
