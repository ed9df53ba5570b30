"""Floor 1: whether ops record what they compute, thread by thread: `no_grad`."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Generator
from functools import wraps
from typing import Any


class Recording(threading.local):
    """Whether ops record, in this thread."""

    def __init__(self) -> None:
        self.on = True
        self.before: list[bool] = []  # one entry for each `record` that has been entered


recording = Recording()


class record:
    """`with record(on):` ops record, or do not. One object can be entered again and again, also
    inside itself, and decorates functions; a generator's body runs under it, its caller not."""

    def __init__(self, on: bool):
        self.on = on

    def __enter__(self) -> None:
        recording.before.append(recording.on)
        recording.on = self.on

    def __exit__(self, *error: Any) -> None:
        recording.on = recording.before.pop()

    def __call__(self, f: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(f):
            raise TypeError(f"no_grad: wanted a function to decorate, got {type(f).__name__}")
        if inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f):
            raise TypeError("no_grad: wanted a function, got an async one: other tasks run between")

        @wraps(f)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return f(*args, **kwargs)

        @wraps(f)
        def generate(*args: Any, **kwargs: Any) -> Any:
            return _Resumed(f(*args, **kwargs), self)

        return generate if inspect.isgeneratorfunction(f) else call


class _Resumed(Generator[Any, Any, Any]):
    """A generator that is under `record` while it runs, and not while its caller does."""

    def __init__(self, generator: Generator[Any, Any, Any], guard: record):
        self.generator, self.guard = generator, guard

    def send(self, value: Any) -> Any:
        with self.guard:
            return self.generator.send(value)

    def throw(self, *error: Any) -> Any:
        with self.guard:
            return self.generator.throw(*error)


def no_grad(f: Callable[..., Any] | None = None) -> Any:
    """`with no_grad():`, `@no_grad()` or `@no_grad`: ops compute and record nothing, in this
    thread. `g = no_grad()` can be used as often as you like."""
    return record(False) if f is None else record(False)(f)
