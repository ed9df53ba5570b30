"""A stand-in for CuPy on a machine without a GPU: the part that tinygen uses, in NumPy memory.

Kernels are compiled for the host by g++ (or CXX) and run there, checked: cuda_on_host.h. It is
stricter than CuPy. Its arrays do not mix with NumPy's; what a kernel is given has to fit its
signature exactly; fresh memory is NaN, between guard bands that a kernel must not touch.

Kernels run in the order `order` (0 ascending, 1 descending, 2 random by `seed`) between barriers.
TINYGEN_STANDIN=fast compiles them without the checks, 20 times as fast.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np

IS_STANDIN = True
GUARD = 256  # bytes on both sides of an array
HERE = Path(__file__).parent
MODE = os.environ.get("TINYGEN_STANDIN", "check")
order, seed = 0, 1
syncs = 0  # how often the host read the device

_live: dict[int, int] = {}  # address -> bytes of every array that is alive


class _Memory:
    """One allocation; every byte 0xFF, which is NaN in all floats."""

    def __init__(self, nbytes):
        self.bytes = np.full(nbytes + 2 * GUARD + 64, 0xFF, np.uint8)
        self.at = -(-(self.bytes.ctypes.data + GUARD) // 64) * 64
        _live[self.at] = self.size = nbytes

    def array(self, shape, dtype):
        start = self.at - self.bytes.ctypes.data
        return self.bytes[start : start + self.size].view(dtype).reshape(shape)

    def __del__(self):
        _live.pop(self.at, None)


class ndarray:
    """An array on the "device"."""

    __array_ufunc__ = None
    __hash__ = None

    def __init__(self, array, memory, base=None):
        self._a, self._memory, self.base = array, memory, base

    dtype, shape, ndim, size, itemsize, nbytes, strides, flags = (
        property(lambda self, name=name: getattr(self._a, name))
        for name in ("dtype", "shape", "ndim", "size", "itemsize", "nbytes", "strides", "flags")
    )

    @property
    def data(self):
        return SimpleNamespace(ptr=self._a.ctypes.data)

    @property
    def T(self):
        return _wrap(self._a.T, [self])

    def get(self):
        global syncs
        syncs += 1
        return self._a.copy()

    def item(self):
        return self.get().item()

    def set(self, array):
        if type(array) is not np.ndarray or array.dtype != self.dtype or array.shape != self.shape:
            raise TypeError("set: wanted a NumPy array of the same dtype and shape")
        self._a[...] = array

    def __array__(self, *_, **__):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Use .get()")

    def __reduce__(self):  # through the host, as CuPy does
        return asarray, (self.get(),)

    def __deepcopy__(self, memo):
        return _wrap(self._a.copy(), [self])

    def __len__(self):
        return len(self._a)

    def __bool__(self):
        return bool(self.get())

    def __float__(self):
        return float(self.get())

    def __getitem__(self, key):
        return _wrap(self._a[_key(key)], [self])

    def __setitem__(self, key, value):
        self._a[_key(key)] = _numbers(value)

    def __dlpack__(self, **options):
        return self._a.__dlpack__()

    def __dlpack_device__(self):
        return (2, 0)  # CUDA

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return _call(getattr(self._a, name), owner=self)


def _operator(name):
    def operate(self, *others):
        result = getattr(self._a, name)(*(_numbers(o) for o in others))
        return self if result is self._a else _wrap(result, [self, *others])

    return operate


OPERATORS = """add radd iadd sub rsub isub mul rmul imul truediv rtruediv itruediv pow rpow neg abs
matmul eq ne lt le gt ge and or xor invert mod floordiv"""
for _name in OPERATORS.split():
    setattr(ndarray, f"__{_name}__", _operator(f"__{_name}__"))


def _numbers(value):
    """What NumPy may compute with: device arrays, Python's and NumPy's scalars, nothing else."""
    if isinstance(value, ndarray):
        return value._a
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    if isinstance(value, (tuple, list)):
        return type(value)(_numbers(v) for v in value)
    return value


def _key(key):
    """An index; CuPy takes NumPy's integer arrays too."""
    if isinstance(key, tuple):
        return tuple(_key(k) for k in key)
    return key._a if isinstance(key, ndarray) else key


def _wrap(result, sources=()):
    """A result as a device array: a view of a source's memory, or memory of its own."""
    if isinstance(result, tuple):
        return tuple(_wrap(r, sources) for r in result)
    if not isinstance(result, (np.ndarray, np.generic)):
        return result
    for source in sources:
        if isinstance(source, ndarray) and np.may_share_memory(result, source._a):
            return ndarray(result, source._memory, source if source.base is None else source.base)
    new = empty(result.shape, result.dtype)
    new._a[...] = result
    return new


def _call(f, owner=None):
    def call(*args, **keywords):
        given = [*args, *keywords.values()]
        result = f(*map(_numbers, args), **{k: _numbers(v) for k, v in keywords.items()})
        return _wrap(result, [owner, *given])

    call.at = lambda y, key, x: f.at(y._a, _key(key), _numbers(x))
    return call


def empty(shape, dtype=np.float32):
    shape, dtype = (shape,) if isinstance(shape, int) else tuple(shape), np.dtype(dtype)
    memory = _Memory(int(np.prod(shape)) * dtype.itemsize)
    return ndarray(memory.array(shape, dtype), memory)


def zeros(shape, dtype=np.float32):
    array = empty(shape, dtype)
    array._a[...] = 0
    return array


def asarray(values, dtype=None):
    if isinstance(values, ndarray) and dtype in (None, values.dtype):
        return values
    values = np.asarray(values._a if isinstance(values, ndarray) else values, dtype)
    array = empty(values.shape, values.dtype)
    array._a[...] = values
    return array


def ascontiguousarray(array):
    return array if array.flags.c_contiguous else _wrap(np.ascontiguousarray(array._a))


def argsort(array, axis=-1):
    """Stable, and no other kind can be asked for."""
    return _wrap(np.argsort(array._a, axis, kind="stable"))


def from_dlpack(array):
    raise TypeError("the stand-in takes no foreign device memory")


def __getattr__(name):
    """Any other function: NumPy's, for device arrays alone."""
    if name.startswith("__"):
        raise AttributeError(name)
    thing = getattr(np, name)
    return _call(thing) if callable(thing) and not isinstance(thing, type) else thing


lib = SimpleNamespace(
    stride_tricks=SimpleNamespace(as_strided=_call(np.lib.stride_tricks.as_strided))
)
cuda = SimpleNamespace(
    is_available=lambda: True, Device=lambda: SimpleNamespace(compute_capability="90")
)


# --- kernels ------------------------------------------------------------------------------------

CXX = (
    os.environ.get("CXX")
    or shutil.which("g++")
    or shutil.which("clang++")
    or f"{sys.executable} -m ziglang c++"
).split()
SUFFIXES = (".cpp", ".o", ".tmp")
FLAGS = {
    "check": ["-DCOH_CHECK", "-fsanitize=thread,alignment,bounds", "-g1"],
    "fast": ["-march=native"],
}


def _run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def kernels_in(code, options=()):
    """{name: most threads of a block} of the kernels in a source, which may be made by macros."""
    defines = [o for o in options if o.startswith("-D")]
    text = _run([*CXX, "-E", "-P", "-x", "c++", *defines, "-"], input=code)
    kernels = re.findall(
        r"__global__\s+void\s+(?:__launch_bounds__\s*\(\s*(\d+)[^)]*\)\s*)?(\w+)\s*\(", text
    )
    return {name: int(most or 1024) for most, name in kernels}


class RawModule:
    def __init__(self, *, code, options=(), mode=None):
        flags = FLAGS[mode or MODE]
        self.bounds = kernels_in(code, options)
        unit = code + "\n" + "".join(f"COH_KERNEL({n})\n" for n in self.bounds)
        options = [o for o in options if not o.startswith("-std")]
        compile_ = [*CXX, "-std=c++20", "-O2", "-fPIC", "-fvisibility=hidden", "-fno-exceptions"]
        compile_ += ["-w", *flags, *options, "-include", str(HERE / "cuda_on_host.h")]
        self.lib = ctypes.CDLL(str(self._built(unit, compile_)))
        self.lib.coh_launch.restype = ctypes.c_char_p

    @staticmethod
    def _built(unit, compile_):
        headers = "".join(p.read_text() for p in sorted(HERE.glob("*.h")))
        key = hashlib.sha256((unit + headers + str(compile_)).encode()).hexdigest()[:24]
        folder = Path(tempfile.gettempdir()) / f"tinygen-standin-{os.getuid()}"
        folder.mkdir(exist_ok=True)
        library = folder / f"{key}.so"
        if not library.exists():
            source, made, linked = (str(folder / f"{key}-{os.getpid()}{s}") for s in SUFFIXES)
            Path(source).write_text(unit)
            _run([*compile_, "-c", "-x", "c++", source, "-o", made])
            _run([*CXX, "-shared", made, "-o", linked, "-lm"])
            Path(linked).replace(library)
            for left in (source, made):
                Path(left).unlink()
        return library

    def get_function(self, name):
        if name not in self.bounds:
            raise RuntimeError(f"cudaErrorNotFound: no kernel {name} among {list(self.bounds)}")
        return RawKernel(self, name)


class RawKernel:
    def __init__(self, module, name):
        self.module, self.name, self.most = module, name, module.bounds[name]
        signature = getattr(module.lib, f"coh_sig_{name}")
        signature.restype = ctypes.c_char_p
        self.wanted = signature().decode().split()
        self.body = ctypes.cast(getattr(module.lib, f"coh_call_{name}"), ctypes.c_void_p)

    def __call__(self, grid, block, args, *, shared_mem=0):
        grid, block = (tuple(int(n) for n in (*g, 1, 1)[:3]) for g in (grid, block))
        if not (0 < grid[0] < 2**31 and 0 < grid[1] < 65536 and 0 < grid[2] < 65536):
            raise ValueError(f"{self.name}: grid {grid}")
        if not 0 < block[0] * block[1] * block[2] <= self.most or block[2] > 64:
            raise ValueError(f"{self.name}: block {block}, at most {self.most} threads")
        if shared_mem > 48 << 10:
            raise ValueError(f"{self.name}: {shared_mem} bytes of shared memory, at most 48 KiB")
        if len(args) != len(self.wanted):
            raise TypeError(f"{self.name}: {len(args)} arguments for {self.wanted}")
        values = [
            self._bytes(i, *pair) for i, pair in enumerate(zip(self.wanted, args, strict=True))
        ]
        buffers = [ctypes.create_string_buffer(v, max(len(v), 16)) for v in values]
        pointers = (ctypes.c_void_p * len(buffers))(*map(ctypes.addressof, buffers))
        ranges = np.array([(a, a + n) for a, n in sorted(_live.items())], np.uint64)
        error = self.module.lib.coh_launch(
            self.name.encode(),
            self.body,
            (ctypes.c_uint * 6)(*grid, *block),
            ctypes.c_size_t(shared_mem),
            pointers,
            order,
            ctypes.c_uint(seed),
            ranges.ctypes.data_as(ctypes.c_void_p),
            len(ranges),
        )
        if error:
            raise RuntimeError(error.decode())

    def _bytes(self, i, wanted, a):
        where = f"{self.name}: argument {i} is {wanted}"
        if wanted[0] == "*":
            if not isinstance(a, ndarray):
                raise TypeError(f"{where}, got {type(a).__name__}")
            if wanted.lstrip("*c") != f"{a.dtype.kind}{a.dtype.itemsize}":
                raise TypeError(f"{where}, got {a.dtype}")
            if not a.flags.c_contiguous:
                raise ValueError(f"{where}: the array is not C-contiguous")
            return np.uint64(a.data.ptr).tobytes()
        if not isinstance(a, np.generic) or f"{a.dtype.kind}{a.dtype.itemsize}" != wanted:
            raise TypeError(f"{where}, got {type(a).__name__}")
        return a.tobytes()
