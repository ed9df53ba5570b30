"""python -m tinygen doctor: what this machine has, and for each fault the line that mends it.

One function a line: it takes what was found, so that tests can give it any machine. `findings`
looks at this one. No GPU is no fault; a CuPy that cannot use the GPU that is there is one.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .cpu import compiled, memory, optim, threads, workers
from .cuda import elementwise, launch
from .data import DataError
from .data.fetch import search_places
from .data.known import KNOWN, PARTS, find_part, holds_any_file
from .device import DeviceError, cupy
from .errors import UsageError

OLDEST = 12000  # the driver's CUDA 12.0, without which no wheel of CuPy 14 works


class Line(NamedTuple):
    """What was found of one thing, and what to type if that is a fault."""

    name: str
    found: str
    type: str = ""

    def __str__(self) -> str:
        mark, end = ("fault", f"; type: {self.type}") if self.type else ("ok", "")
        return f"{mark:5}  {self.name:9}  {self.found}{end}"


def doctor() -> int:
    """Prints the findings; 1 if there is a fault, else 0."""
    faults = 0
    for line in findings():
        print(line, flush=True)
        faults += bool(line.type)
    return int(faults > 0)


def findings() -> Iterator[Line]:
    """The lines about this machine."""
    yield python_line(sys.version_info[:3], sys.executable)
    yield numpy_line(np.__version__, _blas())
    yield threads_line()
    yield Line("heap", heap(memory.keep_heap(), os.environ.get("TINYGEN_MALLOC")))
    yield loops_line()
    yield workers_line()
    yield kernels_line(launch.folder())
    yield from cuda_lines(_cupy_wheels(), _driver())
    yield from data_lines()


# --- the CPU's side -------------------------------------------------------------------------------


def python_line(version: Sequence[int], path: str) -> Line:
    """Python, which has to be 3.11 or newer."""
    found = f"{'.'.join(map(str, version))}, {path}"
    old = tuple(version) < (3, 11)
    return Line("Python", found, "python3.11 -m venv .venv" if old else "")


def numpy_line(version: str, blas: Sequence[dict[str, Any]]) -> Line:
    """NumPy and its BLAS, with the kernels it has picked for this CPU. blas: threadpoolctl's
    dicts."""
    shown = [
        f"{b['internal_api']} {b['version']}, {b.get('architecture') or 'unknown'} kernels, "
        f"{b['num_threads']} thread(s)"
        for b in blas
    ]
    found = f"{version}; BLAS: {'; '.join(shown) or 'none that threadpoolctl knows'}"
    old = int(version.partition(".")[0]) < 2
    return Line("NumPy", found, "pip install 'numpy>=2'" if old else "")


def _blas() -> list[dict[str, Any]]:
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    return [library for library in threadpool_info() if library["user_api"] == "blas"]


def threads_line() -> Line:
    """How many threads the library uses."""
    given = os.environ.get("TINYGEN_THREADS")
    try:
        n = threads.count()
    except UsageError as error:
        return Line("threads", str(error), "unset TINYGEN_THREADS")
    return Line("threads", f"{n} (TINYGEN_THREADS {'is not set' if given is None else 'is set'})")


def heap(kept: bool, setting: str | None) -> str:
    """Whether freed memory is kept for the next array."""
    if kept:
        return "freed memory is kept for the next array"
    return f"not kept ({'TINYGEN_MALLOC=0' if setting == '0' else 'this C library cannot'})"


def loops_line() -> Line:
    """Whether Numba compiles the CPU's loops: Adam's is tried."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the line says it
        optim.adam_loop(*np.ones((5, 8), np.float32))
    if compiled.in_use():
        version, folder = metadata.version("numba"), optim.adam_loop.folder()
        return Line("loops", f"compiled by Numba {version}, kept in {folder or 'no folder'}")
    found = f"not compiled, which is slower: {compiled.why_not}"
    if compiled.why_not == compiled.MISSING:
        return Line("loops", f"{found}: pip install 'tinygen[fast]'")
    broken = compiled.why_not != compiled.OFF
    return Line("loops", found, "pip install --force-reinstall numba" if broken else "")


def workers_line() -> Line:
    """Whether BLAS and optimisers share threads that wait in compiled code."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            there, n = workers.available(), threads.count() - 1
        except UsageError:
            return Line("workers", "none before the number of threads is known")
    use = f"{n} beside the main thread, for BLAS and for optimisers"
    return Line("workers", use if there else f"none, which can be slower: {workers.why_not}")


def kernels_line(folder: Path) -> Line:
    """The CUDA sources."""
    n = len(list(folder.glob("*.cu")))
    missing = n == 0 or not (folder / "common.cuh").is_file()
    again = "pip install --force-reinstall --no-deps tinygen" if missing else ""
    return Line("kernels", f"{n} .cu files in {folder}", again)


def data_lines() -> Iterator[Line]:
    """The image sets, where they lie."""
    try:
        places = search_places(None)
    except DataError as error:
        yield Line("data", str(error), "unset TINYGEN_DATA")
        return
    for known in KNOWN.values():
        where = {part: [find_part(known, part, p) for p in places] for part in PARTS}
        paths = {part: next(filter(None, where[part]), None) for part in PARTS}
        missing = next((part for part in PARTS if paths[part] is None), None)
        begun = next((p for p in places if holds_any_file(known, p)), None)
        if missing is None:
            yield Line(known.name, str(paths["train"]))
        elif begun is None:
            yield Line(known.name, f"not here yet: --data {known.name} downloads it")
        else:
            load = f'python -c "from tinygen import data; data.load({known.name!r}, {missing!r})"'
            yield Line(known.name, f"only some of its files are in {begun}", load)


# --- the GPU's side -------------------------------------------------------------------------------


def cuda_lines(wheels: Sequence[str], driver: int | None) -> Iterator[Line]:
    """The driver, CuPy, and if these are sound the device itself."""
    yield driver_line(driver)
    line = cupy_line(wheels, driver)
    yield line
    if wheels and driver and not line.type:
        yield from device_lines(wheels[0])


def driver_line(driver: int | None) -> Line:
    """NVIDIA's driver. driver: the newest CUDA that it runs, 13000 for 13.0; None: no driver."""
    if driver is None:
        return Line("driver", "no NVIDIA driver: --device cpu works, --device cuda does not")
    return Line("driver", f"runs programs of CUDA {driver // 1000}.{driver % 1000 // 10} and older")


def cupy_line(wheels: Sequence[str], driver: int | None) -> Line:
    """CuPy: at most one of its wheels, of a CUDA no newer than the driver's."""
    extra = "cuda12" if driver is not None and driver < 13000 else "cuda13"
    install = f"pip install 'tinygen[{extra}]'"
    too_old = driver is not None and driver < OLDEST
    if not wheels and too_old:
        return Line("CuPy", "not installed; it wants a newer driver: nvidia.com/drivers")
    if not wheels:
        return Line("CuPy", f"not installed; for an NVIDIA GPU: {install}")
    found = " and ".join(wheels)
    remove = f"pip uninstall --yes {' '.join(wheels)}"
    if len(wheels) > 1:  # they share one folder: what is left of either is broken
        return Line("CuPy", f"{found}, which overwrite each other", f"{remove} && {install}")
    if too_old:
        return Line("CuPy", f"{found}, which wants a newer driver: nvidia.com/drivers", remove)
    major = re.search(r"cuda(\d+)", wheels[0])
    if driver is not None and major and int(major[1]) > driver // 1000:
        return Line("CuPy", f"{found}, too new for this driver", f"{remove} && {install}")
    return Line("CuPy", found)


def device_lines(wheel: str) -> Iterator[Line]:
    """The device through CuPy, and one kernel of ours, compiled and run."""
    try:
        cp = cupy()
    except DeviceError as error:
        broken = isinstance(error.__context__, ImportError)
        reason = f"import cupy: {error.__context__}" if broken else str(error)
        again = f"pip install --force-reinstall {wheel}" if broken else "nvidia-smi"
        yield Line("GPU", _short(reason), again)
        return
    try:
        properties = cp.cuda.runtime.getDeviceProperties(cp.cuda.Device().id)
        free, total = cp.cuda.runtime.memGetInfo()
        name = properties["name"].decode()
        yield Line("GPU", f"{name}, {total / 2**30:.1f} GiB, of which {free / 2**30:.1f} are free")
        yield kernel_line(cp, wheel)
    except Exception as error:  # CuPy raises many kinds
        yield Line("GPU", _short(f"{type(error).__name__}: {error}"), "nvidia-smi")


def kernel_line(cp: Any, wheel: str) -> Line:
    """exp of our own kernel, against NumPy's. The fix: CUDA's compiler and headers from PyPI."""
    x = np.linspace(-2, 2, 1001, dtype=np.float32)
    toolkit = f"pip install '{wheel}[ctk]'"
    try:
        y = elementwise.exp(cp.asarray(x)).get()
    except Exception as error:
        return Line("kernel", _short(f"{type(error).__name__}: {error}"), toolkit)
    off = float(np.max(np.abs(y / np.exp(x) - 1)))
    if not off < 1e-5:
        return Line("kernel", f"exp is wrong by {off:.1g}", toolkit)
    return Line("kernel", "elementwise/exp compiled and ran, its values are right")


def _short(text: str) -> str:
    """In one line, of at most 200 characters."""
    return " ".join(text.split())[:200]


def _cupy_wheels() -> list[str]:
    """Installed distributions of CuPy: cupy-cuda13x … or, built from source, cupy."""
    names = {str(d.metadata["Name"]).lower() for d in metadata.distributions()}
    return sorted(n for n in names if re.fullmatch(r"cupy(-(cuda|rocm).*)?", n))


def _driver() -> int | None:
    """The newest CUDA that NVIDIA's driver runs, as it counts: 13000 for 13.0. None: no driver."""
    version = ctypes.c_int()
    try:
        loaded = ctypes.CDLL("nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1")
        return version.value if loaded.cuDriverGetVersion(ctypes.byref(version)) == 0 else None
    except (OSError, AttributeError):
        return None
