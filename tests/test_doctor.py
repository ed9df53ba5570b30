"""The doctor's lines for machines of all kinds, and its run on this one."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tinygen import doctor
from tinygen.cpu import compiled, threads
from tinygen.data.known import KNOWN, PARTS
from tinygen.device import DeviceError

WHEEL12, WHEEL13 = "cupy-cuda12x", "cupy-cuda13x"


def run(**env):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **env}
    command = [sys.executable, "-m", "tinygen", "doctor"]
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def test_this_machine_is_looked_at_line_by_line(tmp_path):
    done = run(TINYGEN_THREADS="1", TINYGEN_DATA=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert all(line.startswith("tinygen: compiling") for line in done.stderr.splitlines())
    lines = done.stdout.splitlines()
    names = ["Python", "NumPy", "threads", "heap", "loops", "workers", "kernels", "driver", "CuPy"]
    assert [line.split()[1] for line in lines][: len(names)] == names
    assert [line.split()[1] for line in lines][-3:] == list(KNOWN)
    faults = [line for line in lines if line.startswith("fault")]
    assert all(line.startswith(("ok ", "fault ")) for line in lines)
    assert all("; type: " in line for line in faults)
    assert done.returncode == (1 if faults else 0)


def test_a_fault_is_exit_code_1(tmp_path):
    done = run(TINYGEN_THREADS="many", TINYGEN_DATA=str(tmp_path / "gone"))
    assert done.returncode == 1
    faults = [line for line in done.stdout.splitlines() if line.startswith("fault")]
    assert [line.split()[1] for line in faults][-1] == "data"
    assert [line.rpartition("type: ")[2] for line in faults if "TINYGEN" in line] == [
        "unset TINYGEN_THREADS",
        "unset TINYGEN_DATA",
    ]


# What CuPy and which driver -> words of the line, what to type
CUPY = {
    "none, no driver": ([], None, "for an NVIDIA GPU: pip install 'tinygen[cuda13]'", ""),
    "none, new driver": ([], 13010, "pip install 'tinygen[cuda13]'", ""),
    "none, driver of 12": ([], 12080, "pip install 'tinygen[cuda12]'", ""),
    "none, old driver": ([], 11080, "nvidia.com/drivers", ""),
    "no driver": ([WHEEL13], None, WHEEL13, ""),
    "right": ([WHEEL13], 13000, WHEEL13, ""),
    "older than the driver": ([WHEEL12], 13000, WHEEL12, ""),
    "from source": (["cupy"], 12000, "cupy", ""),
    "two": (
        *([WHEEL12, WHEEL13], 13000, "cupy-cuda12x and cupy-cuda13x"),
        "pip uninstall --yes cupy-cuda12x cupy-cuda13x && pip install 'tinygen[cuda13]'",
    ),
    "two, driver of 12": (
        *([WHEEL12, WHEEL13], 12040, "overwrite each other"),
        "pip uninstall --yes cupy-cuda12x cupy-cuda13x && pip install 'tinygen[cuda12]'",
    ),
    "too new for the driver": (
        *([WHEEL13], 12080, "too new for this driver"),
        "pip uninstall --yes cupy-cuda13x && pip install 'tinygen[cuda12]'",
    ),
    "no wheel for so old a driver": (
        *([WHEEL12], 11080, "nvidia.com/drivers", "pip uninstall --yes cupy-cuda12x"),
    ),
}


@pytest.mark.parametrize("name", CUPY)
def test_cupy_and_the_driver(name):
    wheels, driver, words, fix = CUPY[name]
    line = doctor.cupy_line(wheels, driver)
    assert words in line.found and line.type == fix


def test_the_drivers_cuda():
    assert "CUDA 12.8 and older" in doctor.driver_line(12080).found
    assert doctor.driver_line(None).type == ""


def test_the_device_is_asked_only_where_it_can_answer(monkeypatch):
    monkeypatch.setattr(doctor, "device_lines", lambda wheel: [doctor.Line("GPU", wheel)])
    asked = lambda *found: [line.name for line in doctor.cuda_lines(*found)]
    assert asked([WHEEL13], 13000) == ["driver", "CuPy", "GPU"]
    for found in (([], 13000), ([WHEEL13], None), ([WHEEL12, WHEEL13], 13000), ([WHEEL13], 12000)):
        assert asked(*found) == ["driver", "CuPy"]


class Device(SimpleNamespace):
    """A GPU as CuPy shows it; `memory` in bytes."""

    def __init__(self, name=b"NVIDIA H100", memory=80 * 2**30):
        runtime = SimpleNamespace(
            getDeviceProperties=lambda _: {"name": name}, memGetInfo=lambda: (memory // 2, memory)
        )
        super().__init__(cuda=SimpleNamespace(runtime=runtime, Device=lambda: Device.first))

    first = SimpleNamespace(id=0)

    def asarray(self, x):
        return x


def lines_of(monkeypatch, exp):
    monkeypatch.setattr(doctor, "cupy", Device)
    monkeypatch.setattr(doctor.elementwise, "exp", exp)
    return list(doctor.device_lines(WHEEL13))


def result(array):
    return SimpleNamespace(get=lambda: array)


def test_a_device_that_works(monkeypatch):
    gpu, kernel = lines_of(monkeypatch, lambda x: result(np.exp(x)))
    assert gpu == ("GPU", "NVIDIA H100, 80.0 GiB, of which 40.0 are free", "")
    assert kernel.name == "kernel" and not kernel.type


def test_a_kernel_that_gives_other_numbers_or_does_not_compile(monkeypatch):
    for wrong in (lambda x: result(np.exp(x) + 1), lambda x: result(np.exp(x) * np.nan)):
        kernel = lines_of(monkeypatch, wrong)[1]
        assert "exp is wrong by" in kernel.found and kernel.type

    def fail(x):
        raise RuntimeError("nvrtc: error:\n failed to open libnvrtc-builtins.so")

    kernel = lines_of(monkeypatch, fail)[1]
    assert kernel.found == "RuntimeError: nvrtc: error: failed to open libnvrtc-builtins.so"
    assert kernel.type == "pip install 'cupy-cuda13x[ctk]'"


def test_a_cupy_that_does_not_import_or_finds_no_gpu(monkeypatch):
    def broken():
        try:
            raise ImportError("libcublas.so.13: cannot open shared object file")
        except ImportError:
            raise DeviceError("device 'cuda' needs CuPy") from None

    monkeypatch.setattr(doctor, "cupy", broken)
    (line,) = doctor.device_lines(WHEEL13)
    assert "libcublas.so.13" in line.found
    assert line.type == "pip install --force-reinstall cupy-cuda13x"

    def blind():
        raise DeviceError("device 'cuda': CuPy is installed but finds no usable NVIDIA GPU")

    monkeypatch.setattr(doctor, "cupy", blind)
    (line,) = doctor.device_lines(WHEEL13)
    assert "no usable NVIDIA GPU" in line.found and line.type == "nvidia-smi"


def test_a_device_that_raises(monkeypatch):
    def fail():
        raise RuntimeError("cudaErrorECCUncorrectable")

    device = Device()
    device.cuda.runtime.memGetInfo = fail
    monkeypatch.setattr(doctor, "cupy", lambda: device)
    (line,) = doctor.device_lines(WHEEL13)
    assert line.found == "RuntimeError: cudaErrorECCUncorrectable" and line.type


def test_python_numpy_and_its_blas():
    assert doctor.python_line((3, 11, 2), "/usr/bin/python").type == ""
    assert doctor.python_line((3, 10, 12), "/usr/bin/python").type
    blas = {"internal_api": "openblas", "version": "0.3.30", "num_threads": 2}
    shown = doctor.numpy_line("2.4.6", [blas | {"architecture": "Zen"}]).found
    assert shown == "2.4.6; BLAS: openblas 0.3.30, Zen kernels, 2 thread(s)"
    assert "0.3.30, unknown kernels," in doctor.numpy_line("2.4.6", [blas]).found
    assert "none that threadpoolctl knows" in doctor.numpy_line("2.0.0", []).found
    assert doctor.numpy_line("1.26.4", []).type == "pip install 'numpy>=2'"


def test_threads_and_heap(monkeypatch):
    for text, words, fix in (("3", "3 (", ""), ("0", "got '0'", "unset TINYGEN_THREADS")):
        threads.count.cache_clear()
        monkeypatch.setenv("TINYGEN_THREADS", text)
        line = doctor.threads_line()
        assert words in line.found and line.type == fix
    threads.count.cache_clear()
    assert "kept for" in doctor.heap(True, None)
    assert "TINYGEN_MALLOC=0" in doctor.heap(False, "0") and "C library" in doctor.heap(False, None)


def test_loops(monkeypatch):
    line = lambda why: (monkeypatch.setattr(compiled, "why_not", why), doctor.loops_line())[1]
    assert line(compiled.OFF) == ("loops", "not compiled, which is slower: TINYGEN_COMPILED=0", "")
    missing = line(compiled.MISSING)
    assert missing.found.endswith("pip install 'tinygen[fast]'") and not missing.type
    broken = line("Numba fails: ImportError: needs NumPy 2.4 or less")
    assert "NumPy 2.4" in broken.found and broken.type == "pip install --force-reinstall numba"
    numba = pytest.importorskip("numba")
    assert f"compiled by Numba {numba.__version__}, kept in " in line("").found


def test_kernels_that_are_missing(tmp_path):
    assert "0 .cu files" in doctor.kernels_line(tmp_path).found
    assert doctor.kernels_line(tmp_path).type
    assert doctor.kernels_line(doctor.launch.folder()).type == ""


def test_image_sets(tmp_path, monkeypatch):
    monkeypatch.setenv("TINYGEN_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    line = lambda: {line.name: line for line in doctor.data_lines()}["mnist"]
    assert "not here yet" in line().found and not line().type
    folder = tmp_path / "mnist"
    folder.mkdir()
    for part in PARTS:
        for name in KNOWN["mnist"].members[part]:
            (folder / name).write_bytes(b"")
            if part == PARTS[0]:
                assert (
                    "only some of its files" in line().found and "data.load('mnist'" in line().type
                )
    assert line() == ("mnist", str(folder), "")
