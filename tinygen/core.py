"""Floor 1, read first: the Tensor.

A `Tensor` holds an array and, if it was computed while recording, the `Node` it came from: the
primitive, its arguments and its parameters. Nothing points the other way, so there are no
reference cycles, and memory is freed the moment the last name goes.

Then read `primitives.py` (how an op computes and records) and `autodiff.py` (`grad`, which walks
back). tinygen.ops attaches the operators, so this floor imports nothing above it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from .device import Array, device_of, from_dlpack_array, on_device, to_device
from .recording import no_grad as no_grad
from .recording import record as record
from .recording import recording as recording

if TYPE_CHECKING:
    from .primitives import Primitive

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class Node:
    """How a Tensor was computed: primitive, arguments (Tensors or raw arrays), parameters."""

    __slots__ = ("args", "op", "params", "recorded_version", "saved")

    def __init__(self, op: Primitive, args: tuple[Any, ...] | None, params: dict[str, Any]):
        self.op, self.args, self.params = op, args, params  # args None: used up by a `grad`
        self.saved: dict[str, Any] | None = None  # what the forward kept for its fast rules
        self.recorded_version = 0  # `total_version` of the arguments, when it was recorded


def _not_of_a_leaf(sign: str) -> Callable[[Tensor, Any], Any]:
    """The in-place operator: refused where the optimiser and the network would keep the old p."""

    def in_place(self: Tensor, other: Any) -> Any:
        if self.requires_grad and self.node is None:
            raise TypeError(
                f"p {sign}= step: p was made with requires_grad, and this would only bind the "
                "name p to a new Tensor; take an optimiser's step, or write into the array: "
                f"p.data {sign}= step, where step is an array, as (lr * p.grad).data"
            )
        return NotImplemented  # so Python does p = p + step

    return in_place


class Tensor:
    """An array of float32 or float64 that remembers how it was computed.

    Made by `tensor` or by an op. `data` is the array itself (NumPy or CuPy), shared, not copied.
    `grad` refuses graphs in which an array was changed after it was recorded, if it knows: of
    `t.data = a` and `t.data -= a` it does; after `t.data[0] = 1` call `t.increment_version()`.

    Copies (copy, deepcopy, pickle) have the values; what was recorded stays behind. A leaf stays
    a leaf, and Tensors that share an array in one deepcopy share one in the copy.
    """

    __slots__ = ("__weakref__", "_data", "grad", "node", "requires_grad", "version")
    __array_ufunc__ = None  # so that `ndarray * Tensor` asks the Tensor

    def __init__(self, data: Array, requires_grad: bool = False):
        # NumPy turns 0-d arrays into scalars in arithmetic; here they stay arrays.
        self._data: Array = np.asarray(data) if isinstance(data, np.generic) else data
        self.requires_grad = requires_grad
        self.node: Node | None = None
        self.grad: Tensor | None = None  # written by `backward` only
        self.version = [0]  # how often data was written into; views share the counter

    def _replace(self, data: Array) -> None:
        self._data = np.asarray(data) if isinstance(data, np.generic) else data
        self.version[0] += 1

    # attrgetter: a getter written in Python would take three times as long, some ten times an op
    data: Any = property(attrgetter("_data"), _replace, doc="The array; see Tensor.")

    def increment_version(self) -> None:
        """Says that data was written into: graphs recorded before hold stale values."""
        self.version[0] += 1

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
        constant.version = self.version
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

    def __format__(self, spec: str) -> str:
        """f"{loss:.3f}" of a Tensor of one number."""
        if not spec:
            return str(self)
        if self.size != 1:
            raise TypeError(f"format {spec!r}: wanted a Tensor of one number, got {self.shape}")
        return format(self.item(), spec)

    def __reduce__(self) -> Any:
        leaf = self.requires_grad and self.node is None
        return _copied, (self.data, leaf, self.version, self.grad)

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

    # `x += y` is x = x + y, but for parameters.
    __iadd__, __isub__, __imul__ = map(_not_of_a_leaf, "+-*")
    __itruediv__, __ipow__, __imatmul__ = map(_not_of_a_leaf, ("/", "**", "@"))

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
        def sum(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def mean(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def max(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def min(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def prod(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def var(self, axis: Any = None, *, keepdims: bool = False, ddof: int = 0) -> Tensor: ...
        def std(self, axis: Any = None, *, keepdims: bool = False, ddof: int = 0) -> Tensor: ...
        def cumsum(self, axis: Any = None) -> Tensor: ...
        def logsumexp(self, axis: Any = None, *, keepdims: bool = False) -> Tensor: ...
        def softmax(self, axis: int = -1) -> Tensor: ...
        def log_softmax(self, axis: int = -1) -> Tensor: ...
        def exp(self) -> Tensor: ...
        def log(self) -> Tensor: ...
        def sqrt(self) -> Tensor: ...
        def abs(self) -> Tensor: ...
        def sign(self) -> Tensor: ...
        def tanh(self) -> Tensor: ...
        def sigmoid(self) -> Tensor: ...
        def softplus(self) -> Tensor: ...
        def relu(self) -> Tensor: ...
        def sin(self) -> Tensor: ...
        def cos(self) -> Tensor: ...
        def square(self) -> Tensor: ...
        def log1p(self) -> Tensor: ...
        def expm1(self) -> Tensor: ...
        def clip(self, low: Any = None, high: Any = None) -> Tensor: ...
        def flatten(self, start_dim: int = 0) -> Tensor: ...
        def squeeze(self, axis: Any = None) -> Tensor: ...
        def expand_dims(self, axis: Any) -> Tensor: ...
        def unsqueeze(self, axis: Any) -> Tensor: ...
        def swapaxes(self, axis1: int, axis2: int) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...


def _copied(data: Array, requires_grad: bool, version: list[int], grad: Tensor | None) -> Tensor:
    """What a copied or unpickled Tensor is made by."""
    copied = Tensor(data, requires_grad)
    copied.version, copied.grad = version, grad
    return copied


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
