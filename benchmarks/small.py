"""Two small steps of each model on the GPU, to run under a checker, as gpu.sh does:

    compute-sanitizer --tool memcheck python benchmarks/small.py

CuPy's pool is off, so that each array is an allocation whose ends the checker knows. Prints the
kernels that ran, with what the compiler made of them: registers, shared memory, spilt bytes, and
how many of an SM's threads can be busy at once.
"""

import argparse
import math
import sys

import cudatime
import numpy as np
from peer_tinygen import Peer
from train_step import words
from work import STEPS, first_weights, inputs

import tinygen as tg
from tinygen.cuda import launch

REGISTERS, THREADS, SHARED, BLOCKS = 65_536, 2048, 227 << 10, 32  # of an H100's SM


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--steps", type=words(*STEPS), default=list(STEPS), metavar="S,S")
    p.add_argument("--batch", type=int, default=4)
    p.add_argument("--kernels", action="store_true", help="print the compiler's figures")
    options = p.parse_args()
    cp = cudatime.cupy()
    if cp is None:
        return
    if cudatime.real(cp):
        cp.cuda.set_allocator(None)
    failed = False
    for step in options.steps:
        try:
            train(step, options.batch)
        except Exception as error:  # one step that fails shall not hide the others
            failed = True
            print(f"{step}: {type(error).__name__}: {error}", flush=True)
    used = tg.cuda.kernels_used()
    ours = [n for n in used if not n.startswith("cupy/")]
    print(f"{len(ours)} kernels of ours ran; by CuPy: {sorted(used.keys() - set(ours)) or 'none'}")
    if options.kernels:
        print(table(ours))
    sys.exit(failed)


def train(step, batch):
    peer = Peer(step, "cuda", first_weights(step), inputs(step, batch), "cuda")
    for _ in range(2):
        losses = {n: v.item() for n, v in peer.step().items()}
    if not all(math.isfinite(v) for v in losses.values()):
        raise ValueError(f"losses {losses}")
    print(step, {n: round(v, 4) for n, v in losses.items()}, flush=True)


def table(names):
    """The compiler's figures for kernels of float."""
    lines = [
        f"{'kernel':36} {'threads':>7} {'registers':>9} {'shared':>7} {'spilt':>6} {'busy':>5}"
    ]
    for name in sorted(names):
        stem, _, kernel = name.partition("/")
        found = getattr(launch._kernel(stem, kernel, np.dtype(np.float32)), "attributes", None)
        if found is None:
            return "no figures of the compiler without a GPU"
        most, registers, shared, spilt = (
            found[k]
            for k in (
                "max_threads_per_block", "num_regs", "shared_size_bytes", "local_size_bytes",
            )
        )  # fmt: skip
        busy = occupancy(most, registers, shared)
        lines.append(f"{name:36} {most:7} {registers:9} {shared:7} {spilt:6} {busy:5.0%}")
    return "\n".join(lines)


def occupancy(threads, registers, shared):
    """The share of an SM's threads that blocks of so many can keep busy.

    Registers are handed to warps 256 at a time; a block takes 1 KB of shared memory besides its
    own. Dynamic shared memory is not counted.
    """
    warps = -(-threads // 32)
    each = max(1, -(-registers * 32 // 256) * 256)
    fit = min(REGISTERS // each // warps, THREADS // (32 * warps), SHARED // (shared + 1024))
    return min(fit, BLOCKS) * 32 * warps / THREADS


if __name__ == "__main__":
    main()
