"""A pool of threads for work on arrays.

NumPy frees the interpreter while it computes, so two threads of Python compute on two cores. The
work is cut into as many even parts as there are threads, always in the same way, and sums are
added in the parts' order: two runs with the same number of threads give the same bits.

While parts run, BLAS is kept to one thread in each, or its threads and ours would fight for the
cores. How many there are: TINYGEN_THREADS, else the cores that this process may use.

BLAS's threads start faster than ours, but they wait for more by spinning, for some milliseconds
after each product, and so keep ours from the cores. So in turn is worst. A network either has
convolutions, and all that it computes is for our threads, or it has none, and products are for
BLAS's, or for those of `workers.py`, which then do optimisers' steps as well. That is settled by
the first convolution, or by `expecting`.
"""

from __future__ import annotations

import contextvars
import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from queue import SimpleQueue
from typing import Any, TypeVar

import numpy as np

from ..errors import UsageError

# Entries that a thread works on at a time. Were they fewer, handing work to a second thread would
# take longer than what it saves.
BLOCK_ENTRIES = 262_144
Result = TypeVar("Result")
_local = threading.local()  # .scratch: buffers by name; .worker: True in the pool's threads


@cache
def count() -> int:
    """The number of threads. Raises UsageError if TINYGEN_THREADS is not a whole number >= 1."""
    text = os.environ.get("TINYGEN_THREADS")
    if text is None:
        available = getattr(os, "sched_getaffinity", None)  # respects cpusets; Linux only
        return len(available(0)) if available else os.cpu_count() or 1
    if not text.isdigit() or int(text) < 1:
        raise UsageError(f"TINYGEN_THREADS: wanted a whole number >= 1, got {text!r}")
    return int(text)


_convolved = False  # a convolution was computed
_expected: bool | None = None


def convolving() -> bool:
    """Whether products stand beside convolutions."""
    return _convolved if _expected is None else _expected


def convolution() -> None:
    """Says that one is computed: convolutions are expected from now on."""
    global _convolved
    _convolved = True


@contextmanager
def expecting(convolutions: bool) -> Iterator[None]:
    """Settles it for what is computed inside. The bits of products depend on it: a training that is
    resumed has those of one that was not, whatever else its process computed before."""
    global _expected
    before, _expected = _expected, convolutions
    try:
        yield
    finally:
        _expected = before


def run(
    work: Callable[[int, int], Result], n: int, *, least: int = 1, blas: bool = True
) -> list[Result]:
    """[work(lo, hi) for each part of range(n)], the parts in parallel, `least` or more in each.

    The caller's thread does the first part. All parts are awaited before an exception leaves.
    Called by a part, it runs at once, as one part. blas: whether work calls BLAS, which beside
    convolutions is then kept to one thread also where there is a single part.
    """
    parts = max(1, min(count(), n // max(least, 1)))
    if getattr(_local, "worker", False) or (parts == 1 and not (blas and convolving())):
        return [work(0, n)]
    if parts == 1:
        with one_blas_thread():
            return [work(0, n)]
    edges = [n * i // parts for i in range(parts + 1)]
    with one_blas_thread():
        jobs = [
            _Job(contextvars.copy_context(), work, lo, hi)  # np.errstate lives in the context
            for lo, hi in pairwise(edges[1:])
        ]
        for queue, job in zip(_queues(parts - 1), jobs, strict=False):
            queue.put(job)
        _local.worker = True
        try:
            first = work(0, edges[1])
        finally:
            _local.worker = False
            for job in jobs:
                job.done.acquire()
    for job in jobs:
        if job.error is not None:
            raise job.error
    return [first, *(job.result for job in jobs)]


def blocks(lo: int, hi: int, size: int) -> Iterator[slice]:
    """lo … hi in slices of `size`, the last one shorter: what a part goes through."""
    for i in range(lo, hi, size):
        yield slice(i, min(i + size, hi))


def total(parts: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """The sum of what the parts of `run` returned, in their order, in the first one's memory."""
    first, *others = parts
    for other in others:
        first += other
    return first


class _Job:
    """A part for a worker: what to call, and what came of it once `done` can be acquired."""

    def __init__(self, context: contextvars.Context, work: Callable[..., Any], lo: int, hi: int):
        self.context, self.work, self.lo, self.hi = context, work, lo, hi
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def __call__(self) -> None:
        try:
            self.result = self.context.run(self.work, self.lo, self.hi)
        except BaseException as error:
            self.error = error
        self.done.release()


_pool: list[SimpleQueue[_Job]] = []  # one queue a worker
_starting = threading.Lock()


def _queues(n: int) -> list[SimpleQueue[_Job]]:
    """The queues of at least n workers, which are started when first wanted."""
    with _starting:
        while len(_pool) < n:
            queue: SimpleQueue[_Job] = SimpleQueue()
            threading.Thread(target=_serve, args=(queue,), daemon=True).start()
            _pool.append(queue)
    return _pool


def _serve(queue: SimpleQueue[_Job]) -> None:
    _local.worker = True
    while True:
        queue.get()()


def _after_fork() -> None:
    """The child has no threads: forget the pool, and locks that a lost thread may hold."""
    global _starting, _blas_lock, _holders
    _pool.clear()
    _starting, _blas_lock, _holders = threading.Lock(), threading.Lock(), 0
    _local.worker = False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def scratch(name: str, shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """An array of this thread's own, for work in progress: another call with the name and dtype
    takes it again, so it is never handed out as a result. Its contents are undefined."""
    buffers = _local.__dict__.setdefault("scratch", {})
    size = math.prod(shape)
    buffer = buffers.get((name, dtype))
    if buffer is None or buffer.size < size:
        buffer = buffers[name, dtype] = np.empty(size, dtype)
    part: np.ndarray[Any, Any] = buffer[:size].reshape(shape)
    return part


_blas_lock = threading.Lock()
_holders = 0  # threads that are inside one_blas_thread now
_before: list[tuple[Any, int]] = []  # (BLAS library, its threads) to give back


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """BLAS uses one thread inside, and again as many as before when the last holder leaves."""
    global _holders, _before
    with _blas_lock:
        if _holders == 0:
            _before = [(library, library.num_threads) for library in blas_libraries()]
            for library, _ in _before:
                library.set_num_threads(1)
        _holders += 1
    try:
        yield
    finally:
        with _blas_lock:
            _holders -= 1
            if _holders == 0:
                for library, threads in _before:
                    library.set_num_threads(threads)


@cache
def blas_libraries() -> list[Any]:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    blas = ThreadpoolController().select(user_api="blas")
    return list(blas.lib_controllers)
