"""The same training steps on the CPU and on the GPU: python benchmarks/backends.py --json FILE

First both make three steps from the same weights and noise: their losses must agree within 0.2 %
(of a loss, or of 1 where it is smaller), float32. Then each is timed at growing batches: the GPU
by events around many steps, the CPU by its clock; medians of rounds. The table and the chart say
from which batch on the GPU is faster. The CPU stops at the batch where one step takes too long.
"""

import argparse
import math
import statistics
import sys
import time
from pathlib import Path

import cudatime
from matplotlib.figure import Figure
from peer_tinygen import Peer
from train_step import machine, numbers, words
from work import STEPS, first_weights, inputs

from tinygen import plots
from tinygen.weights import write_json

TOLERANCE, CHECKED, CHECK_BATCH = 2e-3, 3, 64


def main() -> None:
    options = parse()
    cp = cudatime.cupy()
    if cp is None:
        return
    found = {
        "machine": machine("cuda"),
        "check": {"steps": CHECKED, "batch": CHECK_BATCH, "tolerance": TOLERANCE, "error": {}},
        "rows": [],
        "crossover": {},
        "failed": {},
    }
    for step in options.steps:
        try:
            error = check(step, min(CHECK_BATCH, max(options.batch)))
            found["check"]["error"][step] = error
            print(f"{step}: {CHECKED} steps, losses differ by at most {error:.1e}")
            measured = measure(cp, step, options)
        except Exception as error:  # one step that fails shall not hide the others
            found["failed"][step] = f"{type(error).__name__}: {error}"
            print(f"{step}: {found['failed'][step]}", flush=True)
            continue
        found["rows"] += measured
        found["crossover"][step] = crossover(measured)
        if options.json:  # after each step: what is done stays if time runs out
            write(options.json, found)
    print(table(found["rows"]))
    for step, batch in found["crossover"].items():
        print(f"{step}: {said(batch, options.batch)}")
    if options.json:
        write(options.json, found)
        print(options.json)
    sys.exit(bool(found["failed"]))


def write(path, found):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, found)
    if found["rows"]:
        chart(found["rows"], path.with_suffix(".png"), found["machine"]["gpu"])


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--steps", type=words(*STEPS), default=list(STEPS), metavar="S,S")
    sizes = [16, 64, 256, 1024, 4096]
    p.add_argument("--batch", type=numbers, default=sizes, metavar="N,N", help="images a step")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=0.3, help="of a round")
    p.add_argument("--longest", type=float, default=5.0, help="seconds of a CPU step; then no more")
    p.add_argument("--json", type=Path, help="write results here, and a chart beside it")
    return p.parse_args()


def check(step, batch):
    """The largest difference of a loss between CPU and GPU. Raises ValueError if too large."""
    cpu, cuda = (three_steps(step, batch, device) for device in ("cpu", "cuda"))
    error, where = max(
        (difference(a[n], b[n]), f"{n} of step {i + 1}")
        for i, (a, b) in enumerate(zip(cpu, cuda, strict=True))
        for n in a
    )
    if not error < TOLERANCE:
        raise ValueError(f"{where} differs between CPU and GPU by {error:.1e}: not timed")
    return error


def three_steps(step, batch, device):
    peer = peer_on(device, step, batch)
    return [{n: v.item() for n, v in peer.step().items()} for _ in range(CHECKED)]


def peer_on(device, step, batch):
    return Peer(step, device, first_weights(step), inputs(step, batch), device)


def difference(a, b):
    """Relative, or absolute below 1; infinite for NaN, which `max` would pass over."""
    error = abs(a - b) / max(abs(a), 1.0)
    return math.inf if math.isnan(error) else error


def measure(cp, step, options):
    """One row a batch. cpu_ms is None where the CPU would take too long."""
    rows, too_long = [], False
    for batch in sorted(options.batch):
        cuda = peer_on("cuda", step, batch)
        for _ in range(3):
            cuda.step()
        ms = cudatime.steps_ms(cp, cuda.step, options.seconds, options.rounds)
        del cuda
        cpu_ms = None if too_long else time_cpu(step, batch, options)
        too_long = too_long or cpu_ms > options.longest * 1e3
        rows.append({"step": step, "batch": batch, "cpu_ms": cpu_ms, "cuda_ms": ms})
        shown = "not measured" if cpu_ms is None else f"{cpu_ms:.2f} ms"
        print(f"{step} batch {batch}: CPU {shown}, GPU {ms:.2f} ms", flush=True)
        if too_long and cpu_ms is not None:
            print(f"{step}: a CPU step took more than {options.longest:g} s: no larger batches")
    return rows


def time_cpu(step, batch, options):
    """The median over rounds of a step's milliseconds; a step that is very slow is made once."""
    peer = peer_on("cpu", step, batch)
    first = once(peer.step)
    if first > options.longest:
        return first * 1e3
    n = max(1, min(200, int(options.seconds / first)))
    rounds = options.rounds if first < 1 else min(3, options.rounds)
    return statistics.median(once(peer.step, n) for _ in range(rounds)) * 1e3


def once(step, n=1):
    begin = time.perf_counter()
    for _ in range(n):
        step()
    return (time.perf_counter() - begin) / n


def crossover(rows):
    """The batch from which on the GPU is faster, between measured ones on a log-log line.

    None: it is slower at the largest batch that both did. The smallest batch: it always was faster.
    """
    both = sorted((r["batch"], r["cpu_ms"] / r["cuda_ms"]) for r in rows if r["cpu_ms"] is not None)
    slower = [i for i, (_, ratio) in enumerate(both) if ratio < 1]
    if not slower:
        return float(both[0][0])
    if slower[-1] == len(both) - 1:
        return None
    (a, low), (b, high) = both[slower[-1] : slower[-1] + 2]
    part = -math.log(low) / (math.log(high) - math.log(low))
    return a * (b / a) ** part


def said(batch, batches):
    if batch is None:
        return "the CPU was faster at every batch, or at the largest that both did"
    if batch <= min(batches):
        return f"the GPU was faster from the smallest batch on, {min(batches)}"
    return f"the GPU is faster from a batch of about {batch:.0f} on"


def table(rows):
    lines = [
        f"\n{'step':9} {'batch':>6} {'CPU ms':>9} {'GPU ms':>9} {'CPU/GPU':>8} {'images/s':>10}"
    ]
    for r in rows:
        known = r["cpu_ms"] is not None
        cpu = f"{r['cpu_ms']:9.2f}" if known else f"{'-':>9}"
        ratio = f"{r['cpu_ms'] / r['cuda_ms']:8.1f}" if known else f"{'-':>8}"
        rate = r["batch"] / r["cuda_ms"] * 1e3
        lines.append(f"{r['step']:9} {r['batch']:6} {cpu} {r['cuda_ms']:9.2f} {ratio} {rate:10.0f}")
    return "\n".join(lines)


def chart(rows, path, gpu):
    """A panel a step: milliseconds against the batch, both axes logarithmic; and the crossover."""
    steps = list(dict.fromkeys(r["step"] for r in rows))
    figure = Figure(figsize=(3.6 * len(steps), 3.8), layout="constrained")
    for axes, step in zip(figure.subplots(1, len(steps), squeeze=False)[0], steps, strict=True):
        mine = [r for r in rows if r["step"] == step]
        for name, key, colour in (("CPU", "cpu_ms", 0), ("GPU", "cuda_ms", 1)):
            points = [(r["batch"], r[key]) for r in mine if r[key] is not None]
            axes.plot(*zip(*points, strict=True), "o-", color=plots.LINES[colour], label=name)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        batches = [r["batch"] for r in mine]
        axes.set_xticks(batches, [str(b) for b in batches])
        batch = crossover(mine)
        if batch is not None:
            before = "from " if batch > min(batches) else "always, from "
            axes.axvline(batch, color="#555555", linestyle="--", linewidth=1)
            axes.set_title(f"{step}: GPU faster {before}{batch:.0f}", fontsize=10)
        else:
            axes.set_title(f"{step}: CPU faster", fontsize=10)
        axes.set_xlabel("batch")
        axes.set_ylabel("ms a step")
        axes.legend(frameon=False)
    figure.suptitle(gpu, fontsize=9)
    plots.save(figure, path)


if __name__ == "__main__":
    main()
