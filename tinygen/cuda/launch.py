"""Kernels from kernels/*.cu: compiled at first use, for float and for double, launched checked.

CuPy hands a kernel the bare pointers of whatever arrays it gets; a wrong dtype or a strided view
would be read as other numbers. So `launch` takes no array that a kernel cannot read.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..device import Array, DeviceError, cupy
from .sizes import SIZES, THREADS
from .used import count

MOST_BLOCKS = 65_535  # of a kernel whose threads loop until all entries are done
REALS = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
# The most entries of an array. A kernel's loop counts them in int, by steps of the number of all
# threads, which is below 2**25, and ends past the array: that last count must fit an int, too.
LARGEST = 2**31 - 2**25


def folder() -> Path:
    """Where the .cu files are: in the wheel beside this package, in the repository at the top."""
    inside = Path(__file__).parents[1] / "kernels"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "kernels"


def source(stem: str) -> str:
    """kernels/<stem>.cu with what it includes, as one text: CuPy's cache does not see headers."""
    return joined(f"{stem}.cu")


def joined(name: str, seen: set[str] | None = None) -> str:
    """A file's text, with each header's text where it is included first, and nowhere again.

    seen: the headers that stand already where this text will go; grows by those put into it.
    """
    seen = set() if seen is None else seen
    lines = [f'#line 1 "{name}"']
    for i, line in enumerate((folder() / name).read_text(encoding="utf-8").splitlines()):
        header = re.fullmatch(r'#include "(.+)"', line)
        if header is None:
            lines.append(line)
        elif header[1] not in seen:
            seen.add(header[1])
            lines += [joined(header[1], seen), f'#line {i + 2} "{name}"']
    return "\n".join(lines) + "\n"


def options(stem: str, real: str) -> tuple[str, ...]:
    """What kernels/<stem>.cu is compiled with; real: "float" or "double"."""
    sizes = {"THREADS": THREADS, **SIZES.get(stem, {})}
    return ("-std=c++17", f"-DREAL={real}", *(f"-D{name}={size}" for name, size in sizes.items()))


@cache
def _module(stem: str, dtype: Any) -> Any:
    return cupy().RawModule(code=source(stem), options=options(stem, REALS[dtype]))


@cache
def _kernel(stem: str, name: str, dtype: Any) -> Any:
    try:
        return _module(stem, dtype).get_function(f"tg_{name}")
    except Exception as error:  # no compiler, no headers, a driver too old: each has its own type
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DeviceError(
            f"kernels/{stem}.cu: {name} does not compile here ({lines[0]}); "
            "python -m tinygen doctor says why"
        ) from error


def launch(
    kernel: str,
    grid: int | tuple[int, ...],
    *args: Any,
    block: int | tuple[int, ...] = THREADS,
    shared: int = 0,
) -> None:
    """Runs the kernel "stem/name" on the current stream.

    args: C-contiguous CuPy arrays; Python ints, which become `int`; Python floats, which become
    REAL: float or double, as the first array of floats is. Raises ValueError for any other array,
    or a number that does not fit. An empty grid runs nothing.
    """
    stem, _, name = kernel.partition("/")
    arrays = [a for a in args if not isinstance(a, (int, float, np.generic))]
    dtype = next(a.dtype for a in arrays if a.dtype.kind == "f")
    for a in arrays:
        if not a.flags.c_contiguous or (a.dtype.kind == "f" and a.dtype != dtype):
            raise ValueError(
                f"{kernel}: wanted contiguous arrays of {dtype}, got {a.dtype} {a.shape}, "
                f"strides {a.strides}"
            )
        if a.size > LARGEST:
            raise ValueError(f"{kernel}: wanted at most {LARGEST} entries, got {a.shape}")
    grid, block = (n if isinstance(n, tuple) else (n,) for n in (grid, block))
    if 0 in grid:
        return
    count(kernel)
    values = tuple(_value(kernel, a, dtype) for a in args)
    _kernel(stem, name, dtype)(grid, block, values, shared_mem=shared)


def _value(kernel: str, a: Any, dtype: Any) -> Any:
    if isinstance(a, (int, np.integer)):
        if not -(2**31) <= a < 2**31:
            raise ValueError(f"{kernel}: wanted numbers below 2**31, got {a}")
        return np.int32(a)
    return dtype.type(a) if isinstance(a, float) else a


def blocks(n: int, each: int = THREADS) -> int:
    """How many blocks to launch for n entries, `each` a block; at most MOST_BLOCKS, which loop."""
    return min(-(-n // each), MOST_BLOCKS)


def empty(shape: tuple[int, ...], dtype: Any) -> Array:
    """An array on the device that a kernel is to fill."""
    return cupy().empty(shape, dtype)


def dense(x: Array) -> Array:
    """x, copied by CuPy if it is a view that does not lie in one piece."""
    return x if x.flags.c_contiguous else cupy().ascontiguousarray(x)
