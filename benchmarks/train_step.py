"""Whole training steps against other frameworks: python benchmarks/train_step.py --peers torch,jax

Forward, both players, gradients and optimisers, on one set of weights and noise. Before anything
is timed each peer's losses and gradients of the first step are compared with tinygen's. Then all
run in processes of their own, by turns, one at a time; a ratio is taken in each round, and the
median of the rounds' ratios counts. Memory is the peak above the level after import.
tinygen runs twice, in NumPy alone and, where Numba is installed, with compiled loops.

--device cuda: tinygen and eager PyTorch on the GPU, both in exact float32 (no TF32), inputs
there already; memory is what each one's pool has taken of the GPU's.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import cudatime
import numpy as np
from matplotlib.figure import Figure
from threadpoolctl import threadpool_info
from work import STEPS

import tinygen
from tinygen import device as devices
from tinygen import plots
from tinygen.weights import write_json

HERE = Path(__file__).parent
OURS = ("compiled", "numpy") if importlib.util.find_spec("numba") else ("numpy",)
VARIANTS = {"tinygen": OURS, "torch": ("eager", "channels_last", "compile"), "jax": ("jit",)}
CUDA_VARIANTS = {"tinygen": ("cuda",), "torch": ("eager",)}
INSTALL = {"torch": "pip install torch", "jax": "pip install jax"}
# float32: of a loss; of a gradient's norm (or 5 % of its network's). The second player's gradient
# comes after Adam's first step on the first's, which makes more of rounding errors.
LOSS, GRADIENT = 2e-3, 2e-2


class Process:
    """A worker; see worker.py."""

    def __init__(self, framework, variant, step, batch, device="cpu"):
        self.framework, self.variant = framework, variant
        self.name = f"{framework} {variant}"
        command = [sys.executable, HERE / "worker.py", framework, variant, step, str(batch), device]
        where = os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])
        loops = {"TINYGEN_COMPILED": "0"} if variant == "numpy" else {}
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env={**os.environ, "PYTHONPATH": where, **loops},
        )  # fmt: skip
        self.version = self.read()["version"]

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self.read()

    def read(self):
        while line := self.process.stdout.readline():
            if line.startswith('{"did"'):
                return json.loads(line)
        self.errors.seek(0)
        last = self.errors.read().decode(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"{self.name} stopped: {' '.join(last)}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.errors.close()


def main() -> None:
    options = parse()
    if options.device == "cuda" and cudatime.cupy() is None:
        return
    peers = [p for p in options.peers if p in variants(options) and installed(p, options.device)]
    rows, failed = [], False
    for batch in options.batch:
        for step in options.steps:
            try:
                rows += measure(step, batch, peers, options)
            except (RuntimeError, SystemExit) as error:  # it shall not hide the other steps
                failed = True
                print(f"{step}, batch {batch}: {error}", flush=True)
                continue
            show([r for r in rows if r["step"] == step], batch)
            if options.json:  # after each: what is done stays if time runs out
                write(options, rows)
    if options.json:
        print(options.json)
    sys.exit(failed)


def write(options, rows):
    options.json.parent.mkdir(parents=True, exist_ok=True)
    write_json(options.json, {"machine": machine(options.device), "rows": rows})
    chart(rows, options.json.with_suffix(".png"))


def variants(options):
    """What runs on the device: {framework: its variants}."""
    return VARIANTS if options.device == "cpu" else CUDA_VARIANTS


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    p.add_argument("--peers", type=words("torch", "jax"), default=["torch", "jax"], metavar="P,P")
    p.add_argument("--steps", type=words(*STEPS), default=list(STEPS), metavar="S,S")
    p.add_argument("--batch", type=numbers, default=[64], metavar="N,N", help="images a step")
    p.add_argument("--rounds", type=int, default=7, help="turns that each process has")
    p.add_argument("--seconds", type=float, default=1.0, help="of a turn")
    p.add_argument("--json", type=Path, help="write results here, and a chart beside it")
    return p.parse_args()


def words(*known):
    def parse_words(text):
        found = text.split(",") if text else []
        if unknown := set(found) - set(known):
            wanted = ", ".join(known)
            raise argparse.ArgumentTypeError(f"wanted some of {wanted}, got {', '.join(unknown)}")
        return found

    return parse_words


def numbers(text):
    try:
        found = [int(n) for n in text.split(",")]
    except ValueError:
        found = [0]
    if min(found) < 2:
        raise argparse.ArgumentTypeError(f"wanted whole numbers >= 2, got {text!r}")
    return found


def installed(peer, device):
    if importlib.util.find_spec(peer):
        if device == "cpu" or importlib.import_module(peer).cuda.is_available():
            return True
        print(f"{peer} finds no GPU, so it is left out: install its build for CUDA")
        return False
    print(f"{peer} is not installed, so it is left out: {INSTALL[peer]}")
    return False


def measure(step, batch, peers, options):
    """The rows of one step: each variant of tinygen against each of each peer."""
    where = lambda framework, variant: (framework, variant, step, batch, options.device)
    first, *others = variants(options)["tinygen"]
    running = [Process(*where("tinygen", first))]
    try:
        with tempfile.TemporaryDirectory() as folder:
            reference = first_step(running[0], folder)
            names = [("tinygen", v) for v in others]
            names += [(peer, v) for peer in peers for v in variants(options)[peer]]
            for name in names:
                try:
                    process = Process(*where(*name))
                    check(reference, first_step(process, folder), f"{step}, {process.name}")
                    process.ask("warm 5")
                except RuntimeError as error:  # as where torch.compile finds no C++ compiler
                    print(f"{step}: {error}")
                    continue
                running.append(process)
        running[0].ask("warm 5")
        times = {p: [] for p in running}
        for _ in range(options.rounds):
            for p in running:
                time.sleep(0.2)  # the last one's threads go to sleep
                times[p].append(p.ask(f"time {options.seconds}")["ms"])
        memory = {p: p.ask("memory")["mb"] for p in running}
    finally:
        for p in running:
            p.close()
    ours = [p for p in running if p.framework == "tinygen"]
    theirs = [p for p in running if p not in ours] or ours[:1]
    return [
        {
            "step": step,
            "batch": batch,
            "device": options.device,
            "ours": mine.variant,
            "peer": p.framework,
            "variant": p.variant,
            "version": p.version,
            "ratio": statistics.median(a / b for a, b in zip(times[mine], times[p], strict=True)),
            "ours_ms": statistics.median(times[mine]),
            "peer_ms": statistics.median(times[p]),
            "ours_peak_mb": memory[mine],
            "peer_peak_mb": memory[p],
        }
        for p in theirs
        for mine in ours
    ]


def first_step(process, folder):
    path = Path(folder) / f"{process.framework}-{process.variant}.npz"
    process.ask(f"numbers {path}")
    with np.load(path) as arrays:
        return dict(arrays)


def check(ours, theirs, where):
    """Raises SystemExit unless all losses and gradients agree: nothing is timed then."""
    if ours.keys() != theirs.keys():
        raise SystemExit(f"{where}: other numbers: {sorted(ours.keys() ^ theirs.keys())}")
    whole = {}  # norm of each network's gradient: a bias may be a small remainder in it
    for name, a in ours.items():
        network = name.rpartition(" ")[0]
        whole[network] = np.hypot(whole.get(network, 0), np.linalg.norm(a))
    for name, a in ours.items():
        size = max(np.linalg.norm(a), 0.05 * whole[name.rpartition(" ")[0]], 1e-6)
        error = np.linalg.norm(a - theirs[name]) / size
        if not error < (LOSS if name.startswith("loss ") else GRADIENT):
            raise SystemExit(f"{where}: {name} differs from tinygen's by {error:.1e} of its size")


def show(rows, batch):
    numbers = f"{'ours ms':>8} {'peer ms':>8} {'ratio':>6} {'MB':>6} {'MB':>6}"
    print(f"\n{'step':9} {'ours':9} {'peer':20} {numbers}")
    for r in rows:
        if r["batch"] == batch:
            name = f"{r['peer']} {r['variant']}"
            print(
                f"{r['step']:9} {r['ours']:9} {name:20} {r['ours_ms']:8.1f} {r['peer_ms']:8.1f} "
                f"{r['ratio']:6.2f} {r['ours_peak_mb']:6.0f} {r['peer_peak_mb']:6.0f}"
            )


def machine(device="cpu"):
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        named = [n for n in cpuinfo.read_text().splitlines() if n.startswith("model name")]
        model = named[0].split(":")[1].strip() if named else model
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = {k: v for k, v in os.environ.items() if k.endswith("_THREADS")}
    gpu = cudatime.describe(devices.cupy()) if device == "cuda" else {}
    return {
        "cpu": model, "cores": cores, "system": platform.platform(),
        "python": platform.python_version(), "numpy": np.__version__, "blas": blas(),
        "tinygen": tinygen.__version__, "threads": threads or "each one's default",
        "date": date.today().isoformat(), **gpu,
    }  # fmt: skip


def blas():
    """NumPy's BLAS and the kernels that it has picked for this CPU."""
    found = [b for b in threadpool_info() if b["user_api"] == "blas"]
    return ", ".join(f"{b['internal_api']} {b['version']} {b['architecture']}" for b in found)


def chart(rows, path):
    """A bar for each step and peer: our time over theirs, 1 is a draw."""
    labels = list(dict.fromkeys(f"{r['step']}\nbatch {r['batch']}" for r in rows))
    figure = Figure(figsize=(max(10, 1.8 * len(labels)), 5), layout="constrained")
    axes = figure.subplots()
    named = lambda r: f"{r['ours']} / {r['peer']} {r['variant']}"
    names = list(dict.fromkeys(map(named, rows)))
    for i, name in enumerate(names):
        mine = [r for r in rows if named(r) == name]
        at = [labels.index(f"{r['step']}\nbatch {r['batch']}") for r in mine]
        width = 0.8 / len(names)
        places = [a + (i - (len(names) - 1) / 2) * width for a in at]
        bars = axes.bar(places, [r["ratio"] for r in mine], width, label=name)
        axes.bar_label(bars, fmt="%.2f", fontsize=7)
    axes.axhline(1, color="#555555", linewidth=1)
    axes.set_xticks(range(len(labels)), labels)
    axes.set_ylabel("tinygen's time / the peer's (below 1: faster)")
    figure.legend(frameon=False, loc="outside lower center", ncols=4)
    plots.save(figure, path)


if __name__ == "__main__":
    main()
