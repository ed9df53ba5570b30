"""tinygen: reverse-mode autodiff from scratch, and the deep generative models made with it.

>>> import tinygen as tg
>>> x = tg.tensor([0.5, -1.0], requires_grad=True)
>>> g, = tg.grad(tg.sum(tg.tanh(x) ** 2), [x])
"""

from . import cuda, nn, optim, prob
from .autodiff import grad
from .checker import GradientMismatch, gradcheck
from .core import Tensor, from_dlpack, no_grad, tensor
from .cpu.memory import keep_heap as _keep_heap
from .device import DeviceError
from .ops import *  # noqa: F403
from .ops import __all__ as _ops
from .primitives import primitive
from .version import __version__ as __version__
from .weights import load, save

__all__ = [
    "DeviceError",
    "GradientMismatch",
    "Tensor",
    "cuda",
    "from_dlpack",
    "grad",
    "gradcheck",
    "load",
    "nn",
    "no_grad",
    "optim",
    "primitive",
    "prob",
    "save",
    "tensor",
]
__all__ += _ops

_keep_heap()
