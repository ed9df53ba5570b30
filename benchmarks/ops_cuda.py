"""`ops.py --device cuda`: kernels beside the GPU's own copy and product, and beside torch.

A call finds nothing in the L2 cache (cudatime.Cold), arrays are larger than it, products are exact
float32 on all sides unless the row says TF32. Work counts what must be moved or multiplied once.
The error is ‖ours - torch's‖ / ‖torch's‖, where torch with CUDA is installed.
"""

import sys

import cudatime
from ops_cases import GB, adam, convolutions, moved, norms, products, random, tf32, torch
from train_step import machine

from tinygen.weights import write_json


def main(options) -> None:
    cp = cudatime.cupy()
    if cp is None:
        return
    size = int(options.megabytes * 2**20) // 4
    clock = cudatime.Cold(cp, min(cudatime.FLUSH, 8 * size))
    copy, gemm = copy_rate(cp, clock, size), gemm_rate(cp, clock, min(4096, 16 * options.batch))
    print(f"ceilings: copy {copy:.0f} GB/s, cuBLAS float32 {gemm:.0f} GFLOP/s")
    print(
        f"{'op':15} {'shape':>24} {'ms':>9} {'rate':>15} {'of that':>7} {'torch':>9} {'error':>8}"
    )
    found = {
        "machine": machine("cuda"),
        "torch": torch().__version__ if torch() else "not installed, or without CUDA",
        "ceilings": {"copy_gbps": copy, "gemm_gflops": gemm, "float32": "exact, no TF32"},
        "rows": [],
        "failed": {},
    }
    batch = options.batch
    families = [moved(size), norms(size), adam(size), products(batch), convolutions(batch)]
    families += [tf32(batch)] if cudatime.real(cp) else []  # the stand-in has no tensor cores
    for family in families:
        for case in family:
            try:
                row = measure(clock, case, copy if case.unit == GB else gemm)
            except Exception as error:  # one op that fails shall not hide the others
                found["failed"][case.name] = f"{type(error).__name__}: {error}"
                print(f"{case.name:15} {found['failed'][case.name]}", flush=True)
                continue
            found["rows"].append(row)
            print(line(row), flush=True)
            if options.json:  # after each: what is done stays if time runs out
                options.json.parent.mkdir(parents=True, exist_ok=True)
                write_json(options.json, found)
    if options.json:
        print(options.json)
    sys.exit(bool(found["failed"]))


def measure(clock, case, ceiling):
    """The row of a case."""
    peer = case.twin if torch() else None
    error = difference(case.run(), peer()) if peer and case.compared else None
    ms = clock.ms(case.run)
    rate = case.work / ms / 1e6
    row = {"op": case.name, "shape": case.shape, "ms": ms, "rate": rate, "unit": case.unit}
    row |= {"share": rate / ceiling, "torch_ms": clock.ms(peer) if peer else None, "error": error}
    return row


def difference(ours, theirs):
    """The largest ‖ours - theirs‖ / ‖theirs‖ of the results: a Tensor and a tensor, or tuples."""
    ours, theirs = (v if isinstance(v, tuple) else (v,) for v in (ours, theirs))
    found = 0.0
    for a, b in zip(ours, theirs, strict=True):
        wrong = torch().from_dlpack(a.data) - b.detach()
        found = max(found, float(wrong.norm() / b.norm()))
    return found


def line(r):
    peer = "-" if r["torch_ms"] is None else f"{r['torch_ms']:.4f}"
    error = "-" if r["error"] is None else f"{r['error']:.0e}"
    rate = f"{r['rate']:.0f} {r['unit']}"
    return (
        f"{r['op']:15} {r['shape']:>24} {r['ms']:9.4f} {rate:>15} {r['share']:7.0%} "
        f"{peer:>9} {error:>8}"
    )


def copy_rate(cp, clock, size):
    """GB/s of copying an array: bytes read and bytes written."""
    a, b = cp.zeros(size, "float32"), cp.zeros(size, "float32")

    def copy():
        b[...] = a

    return 2 * a.nbytes / clock.ms(copy) / 1e6


def gemm_rate(cp, clock, n):
    """GFLOP/s of cuBLAS's product of n × n matrices of random numbers."""
    a, b = (random(n, n).data for _ in range(2))
    return 2 * n**3 / clock.ms(lambda: cp.matmul(a, b)) / 1e6
