"""Loops over arrays of one length, entry by entry, on all cores: an optimiser's step.

Each row has arrays of one length, a parameter with its gradient and its state. All rows together
are cut into even parts, as if they were one, and the parts are done at once. A row by itself would
often be too short for that, and calling a loop for each takes longer than some of them.

    @pointwise
    def sgd_loop(p, g, u, numbers):
        momentum, lr = numbers[0], numbers[1]
        for i in range(p.size):
            u[i] = momentum * u[i] + g[i]
            p[i] = p[i] - lr * u[i]

    sgd_loop.rows(p.dtype, [p.size], [address(p), address(g), address(u)], momentum, lr)
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from . import compiled
from .compiled import Loop, kept
from .workers import Part, share

Array = np.ndarray[Any, Any]
MOST = 7  # numbers
_Numbers = ctypes.c_double * MOST
_C = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32)


class Pointwise(Loop):
    """A loop (arrays of one length, numbers), and the Part that runs it, for each dtype."""

    def __init__(self, f: Callable[..., None]):
        super().__init__(f, sums=False)
        self.arrays = f.__code__.co_argcount - 1
        self.parts: dict[np.dtype[Any], Part] = {}

    def rows(
        self, dtype: np.dtype[Any], sizes: list[int], addresses: list[int], *numbers: float
    ) -> bool:
        """Runs the loop on rows of arrays, contiguous and of one dtype.

        sizes: of the rows, in entries. addresses: of all arrays, row by row. At most 7 numbers.
        Returns True, or False where there is no Numba, and then nothing has been written.
        """
        part = self._part(dtype)
        if part is None:
            return False
        lengths = (ctypes.c_int64 * (1 + len(sizes)))(len(sizes), *sizes)
        held = _Numbers(*numbers)
        table = ctypes.addressof(lengths), ctypes.addressof(held), *addresses
        share(part, (ctypes.c_int64 * len(table))(*table), sum(sizes))
        return True

    def _part(self, dtype: np.dtype[Any]) -> Part | None:
        if compiled.why_not or not compiled.in_use():
            return None
        if dtype not in self.parts:
            try:
                self.parts[dtype] = _compiled(self, dtype)
            except Exception as error:
                compiled.give_up(error)
                return None
        return self.parts[dtype]


def pointwise(f: Callable[..., None]) -> Pointwise:
    """Makes a Pointwise of a loop on 2 to 4 arrays, which writes into them, and its numbers."""
    return Pointwise(f)


def _compiled(loop: Pointwise, dtype: np.dtype[Any]) -> Part:
    numba: Any = import_module("numba")
    typeof: Any = import_module("numba.extending").typeof_impl
    # in compiled code a Loop is Numba's function of it
    typeof.register(Loop)(lambda loop, c: typeof(loop.compiled or loop.compile(keep=True), c))
    number = numba.types.int32
    table = numba.types.CPointer(numba.types.CPointer(numba.from_dtype(dtype)))
    make = kept(numba.cfunc, numba.types.void(number, table, number), error_model="numpy")
    made = make(_part_of(loop, loop.arrays, dtype.type))
    return Part(made.address, _C(made.address), made)


def _part_of(loop: Pointwise, arrays: int, dtype: Any) -> Any:
    """What Numba compiles."""
    numba: Any = import_module("numba")
    carray = numba.carray
    each = 8 // np.dtype(dtype).itemsize  # of the dtype's numbers are as long as an int64
    most = MOST

    def part(i: Any, table: Any, parts: Any) -> None:
        count = carray(table[0], each).view(np.int64)[0]
        sizes = carray(table[0], (1 + count) * each).view(np.int64)[1:]
        numbers = carray(table[1], most * each).view(np.float64).astype(dtype)
        total = sizes.sum()
        first, last, start, at = total * i // parts, total * (i + 1) // parts, 0, 2
        for size in sizes:
            lo, hi = max(first - start, 0), min(last - start, size)
            if lo < hi:
                a, b = carray(table[at], hi)[lo:], carray(table[at + 1], hi)[lo:]
                if arrays == 2:
                    loop(a, b, numbers)
                elif arrays == 3:
                    loop(a, b, carray(table[at + 2], hi)[lo:], numbers)
                else:
                    c, d = carray(table[at + 2], hi)[lo:], carray(table[at + 3], hi)[lo:]
                    loop(a, b, c, d, numbers)
            start, at = start + size, at + arrays

    return part


def address(array: Array) -> int:
    """Where an array's numbers lie; seven times as fast as NumPy says it. Needs Numba."""
    return _address()(array)


@cache
def _address() -> Callable[[Array], int]:
    numba: Any = import_module("numba")
    function: Callable[[Array], int] = kept(numba.njit)(_data)
    return function


def _data(array: Any) -> Any:
    return array.ctypes.data
