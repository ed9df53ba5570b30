"""Floor 1, read first: the Tensor.

A `Tensor` holds an array and, if it was computed while recording, the `Node` it came from: the
primitive, its arguments and its parameters. Nothing points the other way, so there are no
reference cycles, and memory is freed the moment the last name goes.

Then read `primitives.py` (how an op computes and records) and `autodiff.py` (`grad`, which walks
back). tinygen.ops attaches the operators, so this floor imports nothing above it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from .device import Array, device_of, from_dlpack_array, on_device, to_device

if TYPE_CHECKING:
    from .primitives import Primitive

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Recording(threading.local):
    on = True


recording = Recording()


@contextmanager
def record(on: bool) -> Iterator[None]:
    before, recording.on = recording.on, on
    try:
        yield
    finally:
        recording.on = before


def no_grad() -> Any:
    """`with no_grad():` or `@no_grad()`: ops compute and record nothing, in this thread."""
    return record(False)


class Node:
    """How a Tensor was computed: primitive, arguments (Tensors or raw arrays), parameters."""

    __slots__ = ("args", "op", "params", "saved", "writes")

    def __init__(self, op: Primitive, args: tuple[Any, ...] | None, params: dict[str, Any]):
        self.op, self.args, self.params = op, args, params  # args None: used up by a `grad`
        self.saved: dict[str, Any] | None = None  # what the forward kept for its fast rules
        self.writes = 0  # into the arguments' arrays, when it was recorded


class Tensor:
    """An array of float32 or float64 that remembers how it was computed.

    Made by `tensor` or by an op. `data` is the array itself (NumPy or CuPy), shared, not copied:
    write into it only if nothing recorded will be differentiated afterwards.
    """

    __slots__ = ("__weakref__", "data", "grad", "node", "requires_grad", "writes")
    __array_ufunc__ = None  # so that `ndarray * Tensor` asks the Tensor

    def __init__(self, data: Array, requires_grad: bool = False):
        # NumPy turns 0-d arrays into scalars in arithmetic; here they stay arrays.
        self.data: Array = np.asarray(data) if isinstance(data, np.generic) else data
        self.requires_grad = requires_grad
        self.node: Node | None = None
        self.grad: Tensor | None = None  # written by `backward` only
        self.writes = [0]  # optimiser steps that wrote into data; views share the counter

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.data.shape)

    @property
    def ndim(self) -> int:
        return int(self.data.ndim)

    @property
    def size(self) -> int:
        return int(self.data.size)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype  # type: ignore[no-any-return]

    @property
    def device(self) -> str:
        return device_of(self.data)

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array: a read-only view on the CPU, a copy from a GPU."""
        view = to_device(self.data, "cpu").view()
        view.flags.writeable = False
        return view  # type: ignore[no-any-return]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """So that NumPy and matplotlib take constants; a recorded Tensor needs `.numpy()`."""
        if self.requires_grad:
            raise TypeError("a Tensor with requires_grad is no array: write .numpy(), or stack")
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def item(self) -> float:
        """The one number of a Tensor of size 1. Raises ValueError for any other size."""
        if self.size != 1:
            raise ValueError(f"item: wanted a Tensor of one number, got shape {self.shape}")
        return float(self.data.reshape(()).item())

    def detach(self) -> Tensor:
        """The same values (shared), as a constant: no gradient flows through."""
        constant = Tensor(self.data)
        constant.writes = self.writes
        return constant

    def to(self, device: str) -> Tensor:
        """This Tensor on "cpu" or "cuda": itself if it is there, else a detached copy."""
        if self.device == device:
            return self
        return Tensor(to_device(self.data, device), self.requires_grad and self.node is None)

    def __repr__(self) -> str:
        values = np.array2string(self.numpy(), precision=4, threshold=20, prefix="Tensor(")
        origin = f", op={self.node.op.name}" if self.node else ""
        origin += ", requires_grad=True" if self.requires_grad and not self.node else ""
        where = "" if self.device == "cpu" else f", device={self.device}"
        return f"Tensor({values}, shape={self.shape}, dtype={self.dtype}{where}{origin})"

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len: a Tensor of shape () has no length")
        return self.shape[0]

    def __float__(self) -> float:
        return self.item()

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(f"bool: a Tensor of shape {self.shape} is neither true nor false")
        return bool(self.item())

    # Comparisons give raw masks (arrays of bool): nothing flows through them. A Tensor stays
    # hashable by identity, as in PyTorch.
    __hash__ = object.__hash__

    def __eq__(self, other: Any) -> Any:
        return self.data == raw(other)

    def __ne__(self, other: Any) -> Any:
        return self.data != raw(other)

    def __lt__(self, other: Any) -> Any:
        return self.data < raw(other)

    def __le__(self, other: Any) -> Any:
        return self.data <= raw(other)

    def __gt__(self, other: Any) -> Any:
        return self.data > raw(other)

    def __ge__(self, other: Any) -> Any:
        return self.data >= raw(other)

    def __dlpack__(self, **options: Any) -> Any:
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self.data.__dlpack_device__()

    if TYPE_CHECKING:  # attached by autodiff.py and tinygen.ops
        T: Tensor

        def backward(self) -> None: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def __iter__(self) -> Iterator[Tensor]: ...
        def sum(self, *, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def mean(self, *, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...


def raw(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def tensor(
    data: Any, *, dtype: Any = None, requires_grad: bool = False, device: str | None = None
) -> Tensor:
    """A Tensor with a copy of `data` (numbers, nested lists, an array, a Tensor).

    dtype: float32 unless given, also for float64 arrays; only float32 and float64 exist here.
    device: "cpu" or "cuda"; where `data` already is, unless given.
    """
    wanted = np.dtype(np.float32 if dtype is None else dtype)
    if wanted not in FLOATS:
        raise TypeError(f"tensor: wanted dtype float32 or float64, got {wanted}")
    data = raw(data)
    array = data if on_device(data) else np.asarray(data)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"tensor: wanted real numbers, got dtype {array.dtype}")
    if isinstance(array, np.ndarray):
        array = np.array(array, wanted, order="C", subok=False)
    else:
        array = array.astype(wanted, order="C")
    return Tensor(array if device is None else to_device(array, device), requires_grad)


def from_dlpack(array: Any) -> Tensor:
    """A Tensor that shares memory with any array that speaks DLPack (NumPy, CuPy, PyTorch, JAX)."""
    shared = from_dlpack_array(array)
    if shared.dtype not in FLOATS:
        raise TypeError(f"from_dlpack: wanted float32 or float64, got {shared.dtype}")
    return Tensor(shared)
