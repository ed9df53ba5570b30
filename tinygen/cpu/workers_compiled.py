"""What the threads of `workers.py` do, compiled. Only that module imports this, which needs Numba.

Workers and their callers share `words`, an array of int64:

    words[LOCK]        1 while somebody's parts run
    words[JOB ...]     the C function of the parts, where its data are, the bytes from one part's
                       to the next one's, a number, and the number of the first part
    words[WORKERS]     how many there are
    words[SEMAPHORES]  the address of theirs, of SIZE bytes each
    words[MORE]        the address of a C function that starts more
    words[FIRST]       what OpenBLAS is told is the number of the first thread that does a part
    words[state(i)]    of worker i, on a line of the cache of its own

A caller writes the job, and changes the state of each worker that it wants from IDLE to POSTED. The
worker does its part and changes it back. One that has waited for long changes it to ASLEEP, and
waits at its semaphore: who finds ASLEEP where IDLE was expected wakes it.
"""

# mypy: ignore-errors
# What Numba compiles has types of Numba's own.

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import carray, cfunc, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from .compiled import kept
from .workers import LENGTH, aligned

LOCK, JOB, WORKERS, SEMAPHORES, MORE, FIRST = 0, 8, 16, 17, 18, 19
IDLE, POSTED, ASLEEP, STARTING = 0, 1, 2, 3
SIZE = 64  # a semaphore takes 32 bytes in glibc
SPINS = 200  # looks at a state, after which the core is offered to others between two looks
LOOKS = 20_000  # looks, some milliseconds, after which a worker sleeps

SYMBOL = "tinygen_words"  # by which kept code finds `shared`, which is `words` of all
shared = aligned(LENGTH)
binding.add_symbol(SYMBOL, shared.ctypes.data)

_INT = types.int64
_ARRAY = types.Array(_INT, 1, "C")
_yield = types.ExternalFunction("sched_yield", types.int32())
_wake = types.ExternalFunction("sem_post", types.int32(_INT))
_sleep = types.ExternalFunction("sem_wait", types.int32(_INT))


@intrinsic
def _words(typing: Any) -> Any:
    """Where `words` begins."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        there = cgutils.add_global_variable(builder.module, ir.IntType(64), SYMBOL)
        return builder.bitcast(there, context.get_value_type(types.voidptr))

    return types.voidptr(), generate


@intrinsic
def _call(typing: Any, function: Any, i: Any, data: Any, number: Any) -> Any:
    """Calls the C function at an address: (int32 i, data, int32 number)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        int32, int64 = ir.IntType(32), ir.IntType(64)
        kind = ir.FunctionType(ir.VoidType(), [int32, int64, int32])
        i, number = (builder.trunc(a, int32) for a in (args[1], args[3]))
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [i, args[2], number])
        return context.get_dummy_value()

    return types.void(_INT, _INT, _INT, _INT), generate


def _place(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


@intrinsic
def _read(typing: Any, words: Any, at: Any) -> Any:
    """words[at], as it is now."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_place(context, builder, signature, args), "seq_cst", 8)

    return _INT(words, _INT), generate


@intrinsic
def _swap(typing: Any, words: Any, at: Any, new: Any) -> Any:
    """words[at] = new; returns what was there. All that was written before is seen before it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature, args)
        return builder.atomic_rmw("xchg", place, args[2], "seq_cst")

    return _INT(words, _INT, _INT), generate


@intrinsic
def _replace(typing: Any, words: Any, at: Any, old: Any, new: Any) -> Any:
    """words[at] = new, if old is there: whether it was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _place(context, builder, signature, args)
        pair = builder.cmpxchg(place, args[2], args[3], "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(words, _INT, _INT, _INT), generate


def state(i: int) -> int:
    """Where the state of worker i stands."""
    return 24 + 8 * i


_state = njit(inline="always")(state)


@kept(njit, types.void(_ARRAY, _INT), nogil=True)
def serve(words: Any, i: Any) -> None:
    """What worker i does, until the program ends."""
    _swap(words, _state(i), IDLE)
    looks = 0
    while True:
        looks += 1
        if _read(words, _state(i)) == POSTED:
            data = words[JOB + 1] + (i + 1) * words[JOB + 2]
            _call(words[JOB], words[JOB + 4] + i + 1, data, words[JOB + 3])
            _swap(words, _state(i), IDLE)
            looks = 0
        elif looks > LOOKS and _replace(words, _state(i), IDLE, ASLEEP):
            while _read(words, _state(i)) == ASLEEP:
                _sleep(words[SEMAPHORES] + i * SIZE)
            looks = 0
        elif looks > SPINS:
            _yield()


@kept(njit, types.void(_ARRAY, _INT, _INT, _INT, _INT, _INT, _INT), nogil=True)
def run(
    words: Any, function: Any, data: Any, step: Any, parts: Any, number: Any, first: Any
) -> None:
    """function(first + i, data + i·step, number) for each i < parts, all at once, i = 0 here.

    They run at once indeed, each in a thread: those of BLAS wait for each other.
    """
    others = parts - 1
    while others > words[WORKERS]:
        _call(words[MORE], others, 0, 0)
    while _swap(words, LOCK, 1):
        _yield()
    words[JOB], words[JOB + 1], words[JOB + 2], words[JOB + 3] = function, data, step, number
    words[JOB + 4] = first
    for i in range(others):
        if _swap(words, _state(i), POSTED) == ASLEEP:
            _wake(words[SEMAPHORES] + i * SIZE)
    _call(function, first, data, number)
    for i in range(others):
        looks = 0
        while _read(words, _state(i)) == POSTED:
            looks += 1
            if looks > SPINS:
                _yield()
    _swap(words, LOCK, 0)


_C = types.int32


@kept(cfunc, types.void(_C, _INT, _C, _INT, _INT, _C))
def blas(sync: Any, function: Any, parts: Any, step: Any, data: Any, number: Any) -> None:
    """What OpenBLAS calls for its parallel work (`openblas_threads_callback` in its cblas.h).

    Its LU calls its own threads all the same, and OpenBLAS notes for each thread, by number, what
    it works on. So ours have numbers of their own: else LU beside a product waits for ever.
    """
    words = carray(_words(), LENGTH, np.int64)
    run(words, function, data, step, parts, number, words[FIRST] if parts <= words[FIRST] else 0)
