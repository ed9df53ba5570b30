"""Floor 0: which array module an array belongs to, and how it moves between devices.

The only file that imports CuPy, and only when a CUDA array or device is asked for, so that
`import tinygen` costs the same with and without a GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = Any  # numpy.ndarray on "cpu", cupy.ndarray on "cuda"
DEVICES = ("cpu", "cuda")


class DeviceError(RuntimeError):
    """A device that is not there, not known, or not the one the other arguments are on."""


def xp(array: Array) -> Any:
    """The module whose functions work on `array`: numpy (also for Python numbers) or cupy."""
    if isinstance(array, (np.ndarray, np.generic, int, float)):
        return np
    return cupy()


def twins(cpu: Any, cuda: Any) -> Callable[[Array], Any]:
    """f(x): which of two modules with the same functions works where the array x lives."""
    return lambda x: cpu if isinstance(x, np.ndarray) else cuda


def on_device(value: Any) -> bool:
    """Whether `value` is a CuPy array; asked of anything, without importing CuPy."""
    return type(value).__module__.partition(".")[0] == "cupy"


def device_of(array: Array) -> str:
    """ "cpu" or "cuda"."""
    return "cuda" if on_device(array) else "cpu"


def check_device(device: str) -> None:
    """Raises DeviceError, in one line, if `device` is unknown or cannot be used on this machine."""
    if device not in DEVICES:
        raise DeviceError(f"device: wanted one of {', '.join(DEVICES)}, got {device!r}")
    if device == "cuda":
        cupy()


def to_device(array: Array, device: str) -> Array:
    """`array` on `device`: itself where it is there already, else a copy."""
    check_device(device)
    if device_of(array) == device:
        return array
    return array.get() if device == "cpu" else cupy().asarray(array)


def from_dlpack_array(source: Any) -> Array:
    """An array that shares memory with `source`: NumPy's for host memory, else CuPy's."""
    if not hasattr(source, "__dlpack_device__"):
        raise TypeError(f"from_dlpack: wanted an array with DLPack, got {type(source).__name__}")
    host = source.__dlpack_device__()[0] in (1, 3, 11)  # host memory: plain, CUDA's, ROCm's
    return (np if host else cupy()).from_dlpack(source)


def cupy() -> Any:
    """The module. Raises DeviceError if it is not installed, or finds no GPU."""
    try:
        import cupy  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise DeviceError(
            "device 'cuda' needs CuPy: pip install 'tinygen[cuda13]' (or [cuda12])"
        ) from None
    if not cupy.cuda.is_available():
        raise DeviceError("device 'cuda': CuPy is installed but finds no usable NVIDIA GPU")
    return cupy
