"""Floor 0: what launches the hand-written CUDA kernels, under the stems of `kernels/*.cu`.

Functions take and give CuPy arrays; one that `tinygen/cpu` has too, in the file of the same stem,
has its arguments and result.
`launch` compiles a `.cu` file at first use and checks what it passes; `used` counts what ran.
"""

from .arithmetic import precision
from .used import kernels_used

__all__ = ["kernels_used", "precision"]
