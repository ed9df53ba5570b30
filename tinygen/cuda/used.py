"""Which kernels ran: a count for each, and for the ops that CuPy's functions computed."""

from __future__ import annotations

from collections import Counter

_used: Counter[str] = Counter()


def count(name: str) -> None:
    """Notes one use, for `kernels_used`."""
    _used[name] += 1


def kernels_used(*, reset: bool = False) -> dict[str, int]:
    """How often each kernel was launched in this process, by name: "conv/conv2d".

    "cupy/join" is an op without a kernel of ours, which CuPy's functions computed.
    """
    counts = dict(_used)
    if reset:
        _used.clear()
    return counts
