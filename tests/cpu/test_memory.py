"""The C library's heap: freed memory is kept, and lies in large pages."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

LOOK = """
import resource
import tinygen
import numpy as np
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
a = np.ones(2_000_000, np.float32)  # 8 MB, and from the heap only if thresholds are raised
held = False
for line in open("/proc/self/smaps"):
    if "-" in line.split()[0] and ":" not in line.split()[0]:
        lo, hi = (int(end, 16) for end in line.split()[0].split("-"))
        held = lo <= a.ctypes.data < hi
        heap = "[heap]" in line
    elif held and line.startswith("VmFlags"):
        print("heap" if heap else "elsewhere", "large" if " hg" in line else "small")
print(before)
"""


def look(**more):
    env = {**os.environ, **more}
    out = subprocess.run(
        [sys.executable, "-c", LOOK], env=env, capture_output=True, text=True, check=True
    )
    where, kilobytes = out.stdout.splitlines()
    return where, int(kilobytes)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or not Path("/sys/kernel/mm/transparent_hugepage").exists(),
    reason="wants Linux with glibc and large pages",
)
def test_arrays_lie_on_the_heap_in_large_pages():
    kept, kilobytes = look(TINYGEN_MALLOC="1")
    assert kept == "heap large"
    alone, least = look(TINYGEN_MALLOC="0")
    assert alone.startswith("elsewhere")
    assert kilobytes < least + 4000  # addresses are reserved, no memory is taken
