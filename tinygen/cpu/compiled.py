"""Loops that Numba compiles, where it is installed: one pass over memory for what takes NumPy
several.

A loop stands beside the NumPy that it replaces, and computes the same:

    @loop
    def _tanh_grad(out, g, y):
        one = y.dtype.type(1)
        for i in range(out.size):
            out[i] = g[i] * (one - y[i] * y[i])

    _tanh_grad(out, g, y) or np.multiply(...)

A call returns True, or False where there is no Numba, and then has written nothing. It frees the
interpreter as NumPy does, so `threads.run` spreads it. Numba is imported at the first call. What it
compiles is kept in the user's cache folder. TINYGEN_COMPILED=0 does without.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ..cache import cache_folder

MISSING, OFF = "Numba is not installed", "TINYGEN_COMPILED=0"
why_not: str | None = None  # why loops are not in use; "" if they are, None before one knows
WORTH_SAYING = 1.0  # seconds of compiling
_spent = 0.0  # seconds, so far
_depth = 0  # of `_alone`, in the thread that has the lock
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # a fork waits for what another thread compiles
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


def in_use() -> bool:
    """Whether loops are compiled. Imports Numba, the first time."""
    global why_not
    if why_not is None:
        with _lock:
            if why_not is None:
                why_not = _look()
    return not why_not


def _look() -> str:
    if os.environ.get("TINYGEN_COMPILED") == "0":
        return OFF
    try:
        import_module("numba")
    except Exception as error:  # Numba raises an ImportError of its own where NumPy is too new
        if isinstance(error, ModuleNotFoundError) and error.name == "numba":
            return MISSING
        return broken(error)
    return ""


def broken(error: Exception, how: str = "in NumPy, which is slower") -> str:
    """Warns; what went wrong, in one line. how: tinygen goes on."""
    reason = " ".join(f"Numba fails: {type(error).__name__}: {error}".split())[:200]
    text = f"tinygen goes on {how} (TINYGEN_COMPILED=0 hides this): {reason}"
    warnings.warn(text, RuntimeWarning, stacklevel=3)
    return reason


def give_up(error: Exception) -> None:
    """Goes on without Numba, from now on."""
    global why_not
    with _lock:
        why_not = why_not or broken(error)


class Loop:
    """A function on arrays that Numba compiles at its first call, for each dtype.

    Code that Numba compiles may call it, too.
    """

    def __init__(self, f: Callable[..., None], sums: bool):
        self.f, self.__module__ = f, f.__module__
        self.compiled: Any = None
        self.seen: set[type] = set()  # dtypes that it was called with
        # "contract": a·b + c may be rounded once; "reassoc": a sum's order is free, so that it is
        # added in several lanes. Neither may suppose that there are no NaN or inf.
        self.freedom = {"contract", "reassoc"} if sums else {"contract"}

    def __call__(self, *args: Any) -> bool:
        """args: contiguous arrays, then numbers; floats are taken in the first array's dtype."""
        if why_not or not in_use():
            return False
        number = args[0].dtype.type
        args = tuple([number(a) if type(a) is float else a for a in args])
        compiled = self.compiled or self.compile(keep=True)
        begin = 0.0 if number in self.seen else time.monotonic()
        try:
            compiled(*args)
        except Exception:  # there is no compiled code yet: nothing has been written
            return self._again(args)
        if begin:
            self.seen.add(number)
            if compiled.stats.cache_misses:
                _say(time.monotonic() - begin)
        return True

    def folder(self) -> str | None:
        """Where its compiled code is kept, if it is."""
        return self.compiled and self.compiled.stats.cache_path

    def compile(self, keep: bool) -> Any:
        """Numba's function, which compiles when it sees the arguments. keep: on disk."""
        numba: Any = import_module("numba")
        how = {"nogil": True, "error_model": "numpy", "fastmath": self.freedom}
        njit = kept(numba.njit, **how) if keep else numba.njit(**how)
        self.compiled = njit(self.f)
        return self.compiled

    def _again(self, args: tuple[Any, ...]) -> bool:
        """Without the disk, which may be full or hold a broken file. False: Numba is given up."""
        try:
            self.compile(keep=False)(*args)
        except Exception as error:
            give_up(error)
            return False
        return True

    def __reduce__(self) -> tuple[Any, ...]:
        """What Numba's cache knows it by where kept code calls it: its name, and its file's text,
        which says what it does."""
        return _named, (self.__module__, self.f.__name__, _text(self.f.__code__.co_filename))


@cache
def _text(path: str) -> str:
    """A file's contents, as a short number."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _named(module: str, name: str, *code: Any) -> Any:
    return getattr(import_module(module), name)


@contextmanager
def _alone() -> Iterator[None]:
    """Neither another thread nor another process compiles meanwhile. Numba numbers the files of
    kept code by what its index says: two that write at once give one number to two codes."""
    global _depth
    with _lock:
        _depth += 1
        file = _locked() if _depth == 1 else None
        try:
            yield
        finally:
            _depth -= 1
            if file is not None:
                file.close()


def _locked() -> Any:
    """A file that one process at a time has open in this way; None where there is no such thing."""
    try:
        fcntl: Any = import_module("fcntl")
        folder = cache_folder() / "compiled"
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "lock").open("w")
        fcntl.flock(file, fcntl.LOCK_EX)
    except (ImportError, OSError):
        return None
    return file


def kept(decorator: Any, *signature: Any, **how: Any) -> Callable[[Any], Any]:
    """decorator(*signature, **how), Numba's. What it compiles is kept on disk, unless that fails,
    as where the disk is full or a kept file broken. With a signature it compiles at once."""

    def make(f: Any) -> Any:
        config: Any = import_module("numba").config
        with _alone():
            before, begin = config.CACHE_DIR, time.monotonic()
            config.CACHE_DIR = before or str(cache_folder() / "compiled")
            try:
                made = decorator(*signature, cache=True, **how)(f)
            except Exception:
                made = decorator(*signature, **how)(f)
            finally:
                config.CACHE_DIR = before
            cache: Any = getattr(made, "_cache", None)
            if not signature and hasattr(cache, "save_overload"):  # what it will compile is to come
                save = cache.save_overload

                def save_alone(*what: Any) -> Any:
                    with _alone():
                        return save(*what)

                cache.save_overload = save_alone
            stats = getattr(made, "stats", None)
            if stats.cache_misses if stats else not made.cache_hits:
                _say(time.monotonic() - begin)
        return made

    return make


def loop(f: Callable[..., None]) -> Loop:
    """Makes a Loop of a function that writes into its arrays and returns nothing."""
    return Loop(f, sums=False)


def summing_loop(f: Callable[..., None]) -> Loop:
    """The same for one whose inner loop is a sum, in whatever order is fastest."""
    return Loop(f, sums=True)


def _say(seconds: float) -> None:
    """Adds to the time spent in compiling, and says so once when it is long."""
    global _spent
    before, _spent = _spent, _spent + seconds
    if before < WORTH_SAYING <= _spent:
        print("tinygen: compiling for this CPU, once; the next run has it", file=sys.stderr)
