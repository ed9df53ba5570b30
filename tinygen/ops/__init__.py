"""Floor 2: the ops, under NumPy's names, and Tensor's operators made of them.

elementwise  add sub mul div neg power square sqrt exp log sin cos abs maximum clip where …
activation   tanh sigmoid softplus relu leaky_relu dropout …
shape        reshape flatten squeeze transpose broadcast_to concatenate indexing
padding      pad
along_axis   gather scatter_add sort argsort
reduce       sum mean prod var std max logsumexp softmax norm squared_error
scan         cumsum
linalg       matmul linear
contraction  einsum tensordot
conv         conv2d conv2d_input conv2d_weight
normalise    batch_norm layer_norm
pool         max_pool avg_pool
resample     resize upsample2 avg_pool2

Each op is a few lines: its forward on arrays and, under it, its gradient as a formula on Tensors.
"""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from .activation import (
    dropout,
    leaky_relu,
    log_bernoulli,
    log_sigmoid,
    relu,
    sigmoid,
    softplus,
    tanh,
)
from .along_axis import argsort, gather, scatter_add, sort
from .contraction import einsum, tensordot
from .conv_variants import conv2d, conv2d_input, conv2d_weight
from .elementwise import (
    abs,
    add,
    clip,
    cos,
    div,
    exp,
    expm1,
    log,
    log1p,
    maximum,
    minimum,
    mul,
    neg,
    power,
    sign,
    sin,
    sqrt,
    square,
    sub,
    where,
)
from .linalg import linear, matmul
from .normalise import batch_norm, layer_norm
from .padding import pad
from .pool import avg_pool, max_pool
from .reduce import (
    log_softmax,
    logsumexp,
    max,
    mean,
    min,
    norm,
    prod,
    softmax,
    squared_error,
    std,
    sum,
    var,
)
from .resample import avg_pool2, resize, upsample2
from .scan import cumsum
from .shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flatten,
    flip,
    index,
    one_hot,
    reshape,
    split,
    squeeze,
    stack,
    swapaxes,
    take,
    transpose,
)

__all__ = [
    "abs",
    "add",
    "argsort",
    "avg_pool",
    "avg_pool2",
    "batch_norm",
    "broadcast_to",
    "clip",
    "concatenate",
    "conv2d",
    "conv2d_input",
    "conv2d_weight",
    "cos",
    "cumsum",
    "div",
    "dropout",
    "einsum",
    "exp",
    "expand_dims",
    "expm1",
    "flatten",
    "flip",
    "gather",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log",
    "log1p",
    "log_bernoulli",
    "log_sigmoid",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "max_pool",
    "maximum",
    "mean",
    "min",
    "minimum",
    "mul",
    "neg",
    "norm",
    "one_hot",
    "pad",
    "power",
    "prod",
    "relu",
    "reshape",
    "resize",
    "scatter_add",
    "sigmoid",
    "sign",
    "sin",
    "softmax",
    "softplus",
    "sort",
    "split",
    "sqrt",
    "square",
    "squared_error",
    "squeeze",
    "stack",
    "std",
    "sub",
    "sum",
    "swapaxes",
    "take",
    "tanh",
    "tensordot",
    "transpose",
    "upsample2",
    "var",
    "where",
]


# The ops of one Tensor that are also methods: x.sum(0) is sum(x, axis=0), x.exp() is exp(x).
REDUCTIONS = ("sum", "mean", "max", "min", "var", "std", "prod", "cumsum")
REDUCTIONS += ("logsumexp", "softmax", "log_softmax")
ELEMENTWISE = ("exp", "log", "sqrt", "abs", "sign", "tanh", "sigmoid", "softplus", "relu")
ELEMENTWISE += ("sin", "cos", "square", "log1p", "expm1")


def _key(key: Any) -> Any:
    """An index as the op wants it: Tensors cannot be one (they are floats)."""
    for part in key if isinstance(key, tuple) else (key,):
        if isinstance(part, Tensor):
            raise TypeError("index: wanted integers, slices or masks, got a Tensor of floats")
    return key


def _operators() -> None:
    both = {"add": add, "sub": sub, "mul": mul, "truediv": div, "pow": power}
    for name, op in both.items():
        setattr(Tensor, f"__{name}__", lambda self, other, op=op: op(self, other))
        setattr(Tensor, f"__r{name}__", lambda self, other, op=op: op(other, self))
    methods: dict[str, Any] = {
        "__matmul__": matmul,
        "__rmatmul__": lambda self, other: matmul(other, self),
        "__neg__": lambda self: neg(self),
        "__abs__": lambda self: abs(self),
        "__getitem__": lambda self, key: index(self, key=_key(key)),
        "__iter__": lambda self: (self[i] for i in range(len(self))),
        "reshape": reshape,
        "transpose": transpose,
        "flatten": flatten,
        "squeeze": squeeze,
        "expand_dims": expand_dims,
        "unsqueeze": expand_dims,
        "swapaxes": swapaxes,
        "clip": lambda self, low=None, high=None: clip(self, low=low, high=high),
        "T": property(transpose),
    }
    for name in __all__:
        if name in REDUCTIONS:
            methods[name] = _reduction(globals()[name])
        if name in ELEMENTWISE:
            methods[name] = _elementwise(globals()[name])
    for name, method in methods.items():
        setattr(Tensor, name, method)


def _elementwise(op: Any) -> Any:
    return lambda self: op(self)


def _reduction(op: Any) -> Any:
    """x.op(axis, …): the axis by place or by name, the rest by name, as in NumPy."""

    def method(self: Tensor, *axis: Any, **params: Any) -> Tensor:
        if len(axis) > 1:
            raise TypeError(f"{op.__name__}: wanted one axis (or a tuple), got {axis}")
        return op(self, axis=axis[0], **params) if axis else op(self, **params)

    return method


_operators()
