"""Keep freed memory for the next array, where the C library is glibc.

A training step makes and drops hundreds of arrays of the same few sizes. glibc gives those above
128 KB back to the system at once, and each new one is paged in again, zeroed, 4 KB at a time. With
the thresholds raised they stay on the heap: a DCGAN step took 270 ms without, 180 ms with it.
"""

from __future__ import annotations

import ctypes
import os
import sys

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # from malloc.h
LARGEST = 32 * 2**20  # bytes; glibc accepts no higher mmap threshold


def keep_heap() -> bool:
    """Sets the thresholds of this process, unless TINYGEN_MALLOC=0. Whether it was done."""
    if sys.platform != "linux" or os.environ.get("TINYGEN_MALLOC") == "0":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
