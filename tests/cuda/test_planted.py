"""The stand-in finds bugs: each one planted here is reported with kernel, block and thread."""

import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import tinygen as tg
from tinygen.cuda import elementwise, launch

pytestmark = pytest.mark.thorough

KERNELS = launch.folder()
REPORT = r"^tg_{}: .*{}.*block \(\d+,\d+,\d+\) thread \(\d+,\d+,\d+\)"


@pytest.fixture
def plant(cupy, gpu, tmp_path, monkeypatch):
    """plant(files, old, new): the kernels are now a copy of ours with that bug in these files."""
    if gpu:
        pytest.skip("a GPU reports nothing")
    folder = tmp_path / "kernels"
    shutil.copytree(KERNELS, folder)
    shutil.copy(Path(__file__).parent / "standin" / "planted.cu", folder)
    monkeypatch.setattr(launch, "folder", lambda: folder)
    monkeypatch.setattr(cupy, "MODE", "check")
    monkeypatch.setattr(cupy, "order", 0)

    def plant(files, old, new):
        texts = {path: path.read_text(encoding="utf-8") for path in folder.glob(files)}
        having = [path for path, text in texts.items() if old in text]
        assert having, f"no {old!r} in {files}"
        for path in having:
            path.write_text(texts[path].replace(old, new), encoding="utf-8")

    forget()
    yield plant
    forget()


def forget():
    """Kernels are compiled anew at their next launch."""
    launch._module.cache_clear()
    launch._kernel.cache_clear()


def on_device(*shape):
    return tg.tensor(np.random.default_rng(0).standard_normal(shape), device="cuda")


def reported(cupy, kernel, what, run):
    """Whatever the order in which threads run, the bug is found, at the first try."""
    for cupy.order in (0, 1, 2):
        with pytest.raises(RuntimeError, match=REPORT.format(kernel, what)):
            run()


# --- bugs in small kernels ------------------------------------------------------------------------


class Small(NamedTuple):
    """What a kernel of standin/planted.cu reports (None: nothing) and how it is launched."""

    report: str | None
    grid: int = 1
    block: int = 64
    shared: int = 0


SMALL = {
    "reversed": Small(None),
    "halo_tested": Small(None),
    "two_block_sums": Small(None),
    "with_syncwarp": Small(None, block=32),
    "atomic_sum": Small(None, 2, 32),
    "no_barrier": Small("(race|uninitialised)"),
    "no_barrier_before_the_next_tile": Small("race"),
    "no_syncwarp": Small("(race|uninitialised)", block=32),
    "early_return": Small("__syncthreads not reached by all threads"),
    "divergent_barrier": Small("divergent __syncthreads"),
    "shuffle_in_a_branch": Small("lanes named in its mask never arrive"),
    "shuffle_from_lanes_that_left": Small("a lane that takes no part"),
    "uninitialised": Small("reads uninitialised shared memory"),
    "past_the_end_of_shared_memory": Small("index 64 outside an array"),
    "no_edge_test": Small("out-of-bounds read", 3, 32),
    "edge_test_off_by_one": Small("out-of-bounds write", 3, 32),
    "halo_not_tested": Small("out-of-bounds read"),
    "misaligned_four": Small("misaligned access"),
    "sum_without_atomics": Small("race", 2, 32),
    "two_blocks_write_one_entry": Small("race: two threads write", 2),
    "reads_another_blocks_result": Small("race", 2, 32),
}


def run_small(name, grid=1, block=64, shared=0):
    x, y = on_device(64).data, on_device(64).data
    launch.launch(f"planted/{name}", grid, x, y, 64, block=block, shared=shared)


@pytest.mark.parametrize("name", SMALL)
def test_bugs_in_small_kernels_are_found(name, cupy, plant):
    report, *sizes = SMALL[name]
    if report:
        reported(cupy, name, report, lambda: run_small(name, *sizes))
    else:
        run_small(name, *sizes)


def test_too_little_dynamic_shared_memory_is_found(cupy, plant):
    run_small("dynamic", shared=64 * 4)
    reported(cupy, "dynamic", "out-of-bounds write", lambda: run_small("dynamic", shared=63 * 4))


# --- bugs in ours ---------------------------------------------------------------------------------


class Bug(NamedTuple):
    """A text in kernels/, what to put for it, what then runs, the kernel and what it reports."""

    files: str
    old: str
    new: str
    run: object
    kernel: str
    report: str


BUGS = {
    "block_sum: no barrier before": Bug(
        "common.cuh",
        "    v = warp_sum(v);\n    __syncthreads();  // part[] may still be read",
        "    v = warp_sum(v);\n    // part[] may still be read",
        lambda: run_small("two_block_sums"),
        "two_block_sums",
        "race: writes what another thread read",
    ),
    "block_sum: no barrier between": Bug(
        "common.cuh",
        "    __syncthreads();\n    v = warp_sum(lane < warps",
        "    v = warp_sum(lane < warps",
        lambda: run_small("two_block_sums"),
        "two_block_sums",
        "(race|uninitialised)",
    ),
    "block_sum: as if there were 32 warps": Bug(
        "common.cuh",
        "warp_sum(lane < warps ? part[lane] : REAL(0))",
        "warp_sum(part[lane])",
        lambda: run_small("two_block_sums"),
        "two_block_sums",
        "uninitialised shared memory",
    ),
    "elementwise: one entry too many": Bug(
        "map.cuh",
        "i < n; i += step) y[i] = f(x[i]);",
        "i <= n; i += step) y[i] = f(x[i]);",
        lambda: tg.exp(on_device(5)),
        "exp",
        "out-of-bounds",
    ),
    "elementwise: groups of four rounded up": Bug(
        "map.cuh",
        "aligned(x) && aligned(y) ? n / 4 : 0",
        "aligned(x) && aligned(y) ? (n + 3) / 4 : 0",
        lambda: tg.exp(on_device(5)),
        "exp",
        "out-of-bounds",
    ),
    "elementwise: alignment not tested": Bug(
        "map.cuh",
        "aligned(x) && aligned(y) ? n / 4 : 0",
        "n / 4",
        lambda: tg.exp(on_device(9)[1:]),
        "exp",
        "misaligned access",
    ),
    "elementwise: broadcast along the wrong axis": Bug(
        "map.cuh",
        "i3 * b3]",
        "i2 * b3]",
        lambda: tg.add(on_device(40, 3), on_device(3)),
        "add_broadcast",
        "out-of-bounds read",
    ),
    "elementwise: all blocks do the same": Bug(
        "map.cuh",
        "for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n;",
        "for (int i = threadIdx.x; i < n;",
        lambda: tg.add(on_device(200, 3), on_device(3)),
        "add_broadcast",
        "race: two threads write",
    ),
    "reduce: no barrier between warps and their sum": Bug(
        "reduce.cu",
        "part[threadIdx.x / 32] = s;\n    __syncthreads();",
        "part[threadIdx.x / 32] = s;",
        lambda: tg.sum(on_device(5000)),
        "sum_rows",
        "(race|uninitialised)",
    ),
    "reduce: no barrier in the tree": Bug(
        "reduce.cu",
        "half /= 2) {\n        __syncthreads();",
        "half /= 2) {",
        lambda: tg.sum(on_device(40, 6), axis=0),
        "sum_columns_1",
        "(race|uninitialised)",
    ),
    "reduce: rows past the last": Bug(
        "reduce.cu",
        "if (row < rows) s = share<Op>",
        "if (row <= rows) s = share<Op>",
        lambda: tg.sum(on_device(3, 8), axis=1),
        "sum_short_rows",
        "out-of-bounds read",
    ),
    "conv: no barrier after filling a tile": Bug(
        "conv*",
        "columns[0]);\n    __syncthreads();",
        "columns[0]);",
        lambda: tg.conv2d(on_device(1, 6, 6, 4), on_device(3, 3, 4, 5)),
        "conv2d_1",
        "(race|uninitialised)",
    ),
    "conv: the halo is not tested": Bug(
        "conv*",
        "(unsigned)i < (unsigned)height && (unsigned)j < (unsigned)width",
        "true",
        lambda: tg.conv2d(on_device(1, 6, 6, 4), on_device(3, 3, 4, 5), padding=1),
        "conv2d_1",
        "out-of-bounds read",
    ),
    "conv: columns past the last": Bug(
        "conv*",
        "if (x + j < columns) y[at",
        "y[at",
        lambda: tg.conv2d(on_device(1, 6, 6, 4), on_device(3, 3, 4, 5)),
        "conv2d_1",
        "(race|out-of-bounds)",
    ),
    "matmul: no barrier after filling a panel": Bug(
        "linalg.cuh",
        "bs[0], round);\n    __syncthreads();",
        "bs[0], round);",
        lambda: tg.matmul(on_device(5, 7), on_device(7, 3)),
        "product_64",
        "(race|uninitialised)",
    ),
    "matmul: rows past the last": Bug(
        "linalg.cu",
        "if (r >= n || c >= m) continue;",
        "if (r > n || c >= m) continue;",
        lambda: tg.matmul(on_device(5, 7), on_device(7, 3)),
        "product_64",
        "out-of-bounds write",
    ),
    "matmul: depths past the last": Bug(
        "linalg.cuh",
        "k < k1 ? f.sides - s : 0",
        "f.sides - s",
        lambda: tg.matmul(on_device(5, 7), on_device(7, 3)),
        "product_64",
        "out-of-bounds read",
    ),
    "norm: no barrier in the tree": Bug(
        "normalise.cu",
        "half /= 2) {\n        __syncthreads();",
        "half /= 2) {",
        lambda: tg.batch_norm(on_device(40, 6), on_device(6), on_device(6)),
        "moments_1",
        "(race|uninitialised)",
    ),
    "norm: columns past the last": Bug(
        "normalise.cu",
        "if (at.column >= C) return;\n    REAL centre",
        "REAL centre",
        lambda: tg.batch_norm(on_device(40, 6), on_device(6), on_device(6)),
        "scale_and_shift_1",
        "out-of-bounds read",
    ),
}


@pytest.mark.parametrize("name", BUGS)
def test_bugs_in_our_kernels_are_found(name, cupy, plant):
    bug = BUGS[name]
    plant(bug.files, bug.old, bug.new)
    reported(cupy, bug.kernel, bug.report, bug.run)


@pytest.mark.parametrize("name", BUGS)
def test_our_kernels_without_the_bug_pass(name, plant):
    BUGS[name].run()


# --- bugs in the Python that launches -------------------------------------------------------------


def test_a_strided_view_is_found(plant, monkeypatch):
    monkeypatch.setattr(elementwise, "dense", lambda x: x)
    with pytest.raises(ValueError, match="elementwise/exp: wanted contiguous arrays"):
        tg.exp(on_device(4, 3).T)


def test_steps_of_an_array_that_repeats_are_found(cupy, plant, monkeypatch):
    right = elementwise.collapsed
    monkeypatch.setattr(elementwise, "collapsed", lambda *s: (*right(*s)[:2], right(*s)[1]))
    run = lambda: tg.add(on_device(40, 3), on_device(3))
    reported(cupy, "add_broadcast", "out-of-bounds read", run)


def test_a_grid_that_is_too_small_leaves_nan(plant, monkeypatch):
    plant(
        "map.cuh",
        "i < fours; i += step) {\n        Four t",
        "i < fours; i += n) {\n        Four t",
    )
    monkeypatch.setattr(elementwise, "blocks", lambda *_: 1)
    assert np.isnan(tg.exp(on_device(2000)).numpy()).any()
