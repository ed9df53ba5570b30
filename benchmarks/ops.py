"""Each op beside what the machine can do at most: python benchmarks/ops.py

Convolutions and products in GFLOP/s, beside the rate of a large matrix product; everything else in
GB/s of the arrays that it must read and write once, beside that of copying memory. Gradients are
the fast rules, as training runs them.

--device cuda: the kernels, beside what the GPU reaches and beside torch's (ops_cuda.py).
"""

import argparse
from pathlib import Path

import numpy as np
import ops_cuda
from train_step import machine
from worker import timed as median_ms

import tinygen as tg
from tinygen.cpu import threads
from tinygen.optim import Adam
from tinygen.weights import write_json

LAYERS = [  # images, channels in and out: kernel 4, stride 2, padding 1
    ((28, 28, 1), 64),
    ((14, 14, 64), 128),
    ((32, 32, 3), 64),
    ((16, 16, 64), 128),
    ((8, 8, 128), 256),
]
PRODUCTS = [(784, 512), (512, 256), (100, 256), (6272, 256)]
HOW = {"stride": 2, "padding": 1}


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--batch", type=int, help="default: 64, or 256 on cuda")
    p.add_argument("--megabytes", type=float, default=128, help="of an array (cuda)")
    p.add_argument("--json", type=Path, help="write results here")
    options = p.parse_args()
    options.batch = options.batch or {"cpu": 64, "cuda": 256}[options.device]
    if options.device == "cuda":
        ops_cuda.main(options)
        return
    flops, bandwidth = gemm_rate(), copy_rate()
    print(
        f"ceilings: GEMM {flops:.0f} GFLOP/s, copy {bandwidth:.1f} GB/s, {threads.count()} threads"
    )
    print(f"{'op':16} {'shape':>22} {'ms':>8} {'rate':>14} {'of that':>10}")
    rows = []
    for name, shape, f, work, unit in cases(options.batch):
        ms = timed(f)
        rate, top = work / ms / 1e6, flops if unit == "GFLOP/s" else bandwidth
        rows.append({"op": name, "shape": shape, "ms": ms, "rate": rate, "unit": unit})
        print(f"{name:16} {shape:>22} {ms:8.2f} {rate:8.1f} {unit:7}{rate / top:8.0%}")
    if options.json:
        ceilings = {"gemm_gflops": flops, "copy_gbps": bandwidth}
        options.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(options.json, {"machine": machine(), "ceilings": ceilings, "rows": rows})
        print(options.json)


def cases(n):
    """(name, shape, what to time, FLOPs or bytes, unit)."""
    rng = np.random.default_rng(0)

    def t(*shape):
        return tg.tensor(rng.standard_normal(shape, dtype=np.float32))

    for (h, w, c), o in LAYERS:
        x, k, g = t(n, h, w, c), t(4, 4, c, o), t(n, h // 2, w // 2, o)
        work, shape = 2 * g.size * 16 * c, f"{n}×{h}×{w}×{c} → {o}"
        yield "conv2d", shape, call(tg.conv2d, x, k, **HOW), work, "GFLOP/s"
        back = {"shape": x.shape, **HOW}
        yield "conv2d_input", shape, call(tg.conv2d_input, g, k, **back), work, "GFLOP/s"
        back = {"shape": k.shape, **HOW}
        yield "conv2d_weight", shape, call(tg.conv2d_weight, x, g, **back), work, "GFLOP/s"
    for i, o in PRODUCTS:
        work, shape = 2 * n * i * o, f"{n}×{i} @ {i}×{o}"
        yield "matmul", shape, call(tg.matmul, t(n, i), t(i, o)), work, "GFLOP/s"
    x, g = t(n, 14, 14, 64), t(n, 14, 14, 64)
    size, shape, bias = 4 * x.size, f"{n}×14×14×64", t(64)
    yield "add", shape, call(tg.add, x, g), 3 * size, "GB/s"
    yield "add bias", shape, call(tg.add, x, bias), 2 * size, "GB/s"
    for op in (tg.leaky_relu, tg.tanh, tg.sigmoid, tg.softplus):
        yield op.name, shape, call(op, x), 2 * size, "GB/s"
        yield f"{op.name}'", shape, gradient(op, g, x), 3 * size, "GB/s"
    gamma, beta = t(64), t(64)
    yield "batch_norm", shape, call(tg.batch_norm, x, gamma, beta), 3 * size, "GB/s"
    yield "batch_norm'", shape, gradient(tg.batch_norm, g, x, gamma, beta), 5 * size, "GB/s"
    yield "sum to bias", shape, call(tg.sum, x, axis=(0, 1, 2)), size, "GB/s"
    params = [tg.tensor(np.zeros((784, 1024)), requires_grad=True)]
    opt, grads = Adam(params), [t(784, 1024)]
    yield "Adam", "784×1024", lambda: opt.step(grads), 7 * 4 * params[0].size, "GB/s"


def call(op, *args, **how):
    def f():
        with tg.no_grad():
            op(*args, **how)

    return f


def gradient(op, g, *args):
    """The gradients of all arguments, from a graph that is kept."""
    xs = [tg.tensor(a.numpy(), requires_grad=True) for a in args]
    y = op(*xs)
    return lambda: tg.grad(y, xs, g, retain_graph=True)


def timed(f, seconds=0.4):
    """The median milliseconds of a call, after two."""
    f(), f()
    return median_ms(f, seconds)


def gemm_rate(n=2048):
    a = np.ones((n, n), np.float32)
    return 2 * n**3 / timed(lambda: a @ a, 2) / 1e6


def copy_rate(size=2**24):
    """Reading and writing 64 MB by all threads."""
    a, b = np.ones(size, np.float32), np.zeros(size, np.float32)

    def copy(lo, hi):
        b[lo:hi] = a[lo:hi]

    return 2 * a.nbytes / timed(lambda: threads.run(copy, size), 1) / 1e6


if __name__ == "__main__":
    main()
