"""Every kernel compiles for the GPUs there are, by NVIDIA's compiler, which needs no GPU itself.

Its log tells each kernel's registers and whether some were spilled to memory, which is slow.
"""

import ctypes
import re

import pytest

from tinygen.cuda import launch
from tinygen.cuda.launch import folder, source

pathfinder = pytest.importorskip(
    "cuda.pathfinder",
    reason="wanted NVRTC: pip install 'nvidia-cuda-nvrtc==13.0.*' cuda-pathfinder",
)

STEMS = sorted(p.stem for p in folder().glob("*.cu"))
HOT = {"linalg", "conv", "normalise", "elementwise", "activation"}  # most of a training step's time
ARCHES = [  # Turing, A100, H100
    pytest.param(75, "float", marks=pytest.mark.thorough),
    pytest.param(80, "float", marks=pytest.mark.thorough),
    (90, "float"),
    pytest.param(90, "double", marks=pytest.mark.thorough),
]
RESOURCES = re.compile(
    r"Function properties for (tg_\w+)\n.*?(\d+) bytes stack frame, (\d+) bytes spill stores, "
    r"(\d+) bytes spill loads\n.*?Used (\d+) registers",
)


@pytest.fixture(scope="module")
def nvrtc():
    try:
        return ctypes.CDLL(pathfinder.load_nvidia_dynamic_lib("nvrtc").abs_path)
    except pathfinder.DynamicLibNotFoundError:
        pytest.skip("wanted NVRTC: pip install 'nvidia-cuda-nvrtc==13.0.*'")


def compiled(nvrtc, text, name, *options):
    """(whether it compiled, the compiler's log) of a source."""
    program, size = ctypes.c_void_p(), ctypes.c_size_t()
    made = nvrtc.nvrtcCreateProgram(ctypes.byref(program), text.encode(), name.encode(), 0, 0, 0)
    assert made == 0
    words = (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
    error = nvrtc.nvrtcCompileProgram(program, len(options), words)
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return error == 0, log.value.decode()


def options(stem, arch, real):
    cupys = ("-ftz=true", "--device-as-default-execution-space")  # CuPy adds them to ours
    return (*launch.options(stem, real), f"-arch=sm_{arch}", *cupys, "--ptxas-options=-v")


@pytest.mark.parametrize(("arch", "real"), ARCHES)
@pytest.mark.parametrize("stem", STEMS)
def test_kernels_compile_and_keep_their_registers(nvrtc, stem, arch, real):
    ok, log = compiled(nvrtc, source(stem), f"{stem}.cu", *options(stem, arch, real))
    assert ok, log
    resources = {name: tuple(map(int, numbers)) for name, *numbers in RESOURCES.findall(log)}
    assert set(resources) == set(re.findall(r"Compiling entry function '(\w+)'", log)) != set(), log
    if stem.partition("_")[0] in HOT and real == "float":
        spilled = {name: f for name, f in resources.items() if f[1] or f[2]}
        assert not spilled, f"(stack, spill stores, spill loads, registers): {spilled}"


def test_the_log_tells_of_spills_and_errors(nvrtc):
    greedy = """extern "C" __global__ void __launch_bounds__(1024, 2) tg_greedy(float* x, int n) {
        float v[64];
    #pragma unroll
        for (int i = 0; i < 64; ++i) v[i] = x[i * n];
        __syncthreads();
        for (int k = 0; k < n; ++k)
    #pragma unroll
            for (int i = 0; i < 64; ++i) v[i] = v[i] * v[(i + 7) % 64] + x[k];
    #pragma unroll
        for (int i = 0; i < 64; ++i) x[i * n] = v[i];
    }"""
    ok, log = compiled(nvrtc, greedy, "greedy.cu", *options("greedy", 90, "float"))
    assert ok, log
    ((name, _, stores, loads, _),) = RESOURCES.findall(log)
    assert name == "tg_greedy" and int(stores) > 0 and int(loads) > 0
    ok, log = compiled(nvrtc, "int oops", "oops.cu", *options("greedy", 90, "float"))
    assert not ok and "error" in log
