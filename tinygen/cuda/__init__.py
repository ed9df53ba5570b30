"""Floor 0: the hand-written CUDA kernels, under the stems of `tinygen/cpu` and `kernels/*.cu`.

A function here has the name, arguments and result of its twin in `tinygen/cpu`, for CuPy arrays.
`launch` compiles a `.cu` file at first use, checks what it passes, and counts what ran.
"""

from .launch import kernels_used
from .precision import precision

__all__ = ["kernels_used", "precision"]
