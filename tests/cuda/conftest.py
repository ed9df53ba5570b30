"""A GPU, or the stand-in for one: the tests here run on CuPy where it finds a GPU, else in
`standin/`, where the same kernels are compiled for the host and run checked."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

from tinygen.cuda import kernels_used, precision
from tinygen.cuda.arithmetic import _capability

STANDIN = Path(__file__).parent / "standin"


def real_cupy():
    """CuPy if it is installed and finds a GPU, else None."""
    if importlib.util.find_spec("cupy") is None:
        return None
    import cupy

    return cupy if cupy.cuda.is_available() else None


@pytest.fixture(scope="package")
def _module():
    module = real_cupy()
    if module is None:
        if not (os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")):
            pytest.skip("wanted g++, clang++ or CXX to run the kernels on the host")
        spec = importlib.util.spec_from_file_location("cupy", STANDIN / "cupy.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def cupy(_module, monkeypatch):
    """The module that stands for "cuda" during a test."""
    monkeypatch.setitem(sys.modules, "cupy", _module)
    kernels_used(reset=True)
    return _module


@pytest.fixture
def gpu(cupy):
    """Whether there is a real one."""
    return not hasattr(cupy, "IS_STANDIN")


@pytest.fixture
def tf32(cupy):
    """TF32 by choice during a test."""
    if _capability() < 80:
        pytest.skip("wanted compute capability 8.0")
    with precision("tf32"):
        yield
