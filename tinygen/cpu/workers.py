"""Threads that wait for work in compiled code, for BLAS and for us.

A network without convolutions takes some milliseconds a step, in pieces of a few microseconds. To
wake a thread of Python takes longer than most of them, so the pool of `threads.py` is no help.
BLAS's own threads wait for the next product by spinning, and so keep others from their cores.

But OpenBLAS lets a program say who does its parallel work. Here workers do it that take work of
ours, too: they wait by spinning as well, in code that Numba compiles, and go to sleep after some
milliseconds. Between two products they do their share of an optimiser's step. Products come out
as before, to the bit: how they are cut is up to OpenBLAS.

This is for Linux, Numba, and the OpenBLAS of NumPy (and of SciPy, if that is loaded by then).
Elsewhere everything computes without.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from ..errors import UsageError
from . import compiled, threads

Array = np.ndarray[Any, Any]
MOST = 256  # workers
LENGTH = 24 + 8 * MOST  # of words
SHARE = 16_384  # entries; a worker is not asked for fewer
SETTER, CONFIG = "openblas_set_threads_callback_function", "openblas_get_config"


class Part(NamedTuple):
    """A C function of (i, table, parts) that does part i of so many, counted from 0.

    table: addresses, of the lengths (how many rows, then the length of each), of the numbers, then
    of the arrays, row by row.
    """

    address: int
    call: Callable[[int, int, int], None]  # the same; the interpreter is free meanwhile
    made: Any  # Numba's, whose memory it is


why_not: str | None = None  # why there are none; "" if there are, None before one knows
words: Array  # what the workers and their callers share; see workers_compiled.py
_native: Any = None  # that module
_setters: list[Callable[[int | None], None]] = []  # to each OpenBLAS, who does its parallel work
_lock = threading.RLock()


def share(part: Part, table: Any, entries: int) -> None:
    """Does all parts, on all cores if it pays. table: a ctypes array; see Part."""
    at, convolving = ctypes.addressof(table), threads.convolving()
    least = threads.BLOCK_ENTRIES if convolving else SHARE
    parts = max(1, min(threads.count(), MOST, entries // least))

    def some(lo: int, hi: int) -> None:
        for i in range(lo, hi):
            part.call(i, at, parts)

    if parts > 1 and not convolving and available():
        _native.run(words, part.address, at, 0, parts, parts, 0)
    elif convolving:
        threads.run(some, parts, blas=False)
    else:
        some(0, parts)


def available() -> bool:
    """Whether there are workers. Starts them, the first time."""
    global why_not
    if why_not is None:
        with _lock:
            if why_not is None:
                try:
                    why_not = _start()
                except UsageError:
                    raise
                except Exception as error:
                    why_not = compiled.broken(error, "on fewer cores")
    return not why_not


def _start() -> str:
    """Why it cannot be."""
    if threads.count() == 1:
        return "one thread"
    if sys.platform != "linux" or sys.maxsize < 2**32:
        return "only for 64-bit Linux"
    if not compiled.in_use():
        return str(compiled.why_not)
    found = list(_find_setters())
    if not found:
        return "NumPy's BLAS has no way to share its threads' work"
    room = min(most for _, most, _ in found)  # numbers of threads; ours have the upper half
    wanted = max(threads.count(), *(used for _, _, used in found))
    if wanted > room // 2 or room > MOST:
        return f"too many threads for NumPy's BLAS, {wanted} of {room}"
    _load()
    words[_native.FIRST] = room // 2
    _more(wanted - 1)
    _setters[:] = [set_callback for set_callback, _, _ in found]
    for set_callback in _setters:
        set_callback(_native.blas.address)
    return ""


def _load() -> None:
    """The compiled code, and the memory that it uses."""
    global words, _native
    if _native is None:
        _native = import_module(".workers_compiled", __package__)
        words = _native.shared
    libc, semaphores = ctypes.CDLL(None), aligned(8 * MOST)
    words[:], words[_native.SEMAPHORES] = 0, semaphores.ctypes.data
    for i in range(MOST):
        if libc.sem_init(ctypes.c_void_p(semaphores.ctypes.data + _native.SIZE * i), 0, 0):
            raise OSError("sem_init failed")
    more = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_int64, ctypes.c_int32)(_more)
    words[_native.MORE] = ctypes.cast(more, ctypes.c_void_p).value
    held = ctypes.py_object((words, semaphores, more))
    ctypes.pythonapi.Py_IncRef(held)  # workers use them until the process is gone


def aligned(n: int) -> Array:
    """n zeros of int64 that begin a line of the cache."""
    memory = np.zeros(n + 8, np.int64)
    skip = -(memory.ctypes.data // 8) % 8
    return memory[skip : skip + n]


def _find_setters() -> Iterator[tuple[Callable[[int | None], None], int, int]]:
    """Of each OpenBLAS that is loaded by now: what sets the callback, the numbers of threads that
    it has room for, and that it uses."""
    for library in threads.blas_libraries():
        if getattr(library, "threading_layer", "") != "pthreads":
            continue
        setter, config = (_function(library.filepath, name) for name in (SETTER, CONFIG))
        if setter and config:
            setter.argtypes, setter.restype = [ctypes.c_void_p], None
            config.restype = ctypes.c_char_p
            room = re.search(rb"MAX_THREADS=(\d+)", config() or b"")
            if room:
                yield setter, int(room[1]), library.num_threads


def _function(path: str, name: str) -> Any:
    """Of the library there, whatever its build has put around its names; None if it has none."""
    library = ctypes.CDLL(path)
    names = [f"{a}{name}{b}" for a in ("", "scipy_") for b in ("", "64_")]
    return next((f for n in names if (f := getattr(library, n, None))), None)


def _more(n: int, *unused: int) -> None:
    """Starts workers until there are n, each of which then waits for work. Compiled code calls
    this, too, for a product of more parts than there are workers, until there are enough."""
    with _lock:
        for i in range(int(words[_native.WORKERS]), n):
            words[_native.state(i)] = _native.STARTING
            threading.Thread(target=_native.serve, args=(words, i), daemon=True).start()
            while words[_native.state(i)] == _native.STARTING:
                time.sleep(1e-4)
            words[_native.WORKERS] = i + 1


def _after_fork() -> None:
    """The child has no workers: BLAS has its own threads, until new ones are wanted."""
    global why_not, _lock
    _lock = threading.RLock()
    for set_callback in _setters:
        set_callback(None)
    if why_not == "":
        why_not = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
