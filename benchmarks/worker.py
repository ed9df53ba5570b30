"""One framework in a process of its own, told what to do by train_step.py over its stdin.

numbers FILE    one step from the first weights; losses and gradients go to FILE (.npz)
warm N          N steps
time SECONDS    steps for about so long -> the median milliseconds of a step
memory          -> peak megabytes above the level after import (cuda: of the GPU's memory)

On cuda, steps follow each other unwaited, and the clock is read when the GPU has done them all.
"""

import importlib
import json
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
from work import first_weights, inputs


def main() -> None:
    framework, variant, step, batch, device = sys.argv[1:]
    module = importlib.import_module(f"peer_{framework}")
    weights, given = first_weights(step), inputs(step, int(batch))
    level = resident()
    reset_peak()
    where = () if device == "cpu" else (device,)
    peer = module.Peer(step, variant, weights, given, *where)
    answer("ready", version=version(framework))
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "numbers":
            losses, grads = peer.numbers()
            flat = {f"grad {n} {i}": g for n, gs in grads.items() for i, g in enumerate(gs)}
            np.savez(argument, **{f"loss {n}": v for n, v in losses.items()}, **flat)
            answer("written")
        elif command == "warm":
            for _ in range(int(argument)):
                peer.step()
            if device != "cpu":
                peer.synchronise()
            answer("warm")
        elif command == "time":
            clock = timed if device == "cpu" else timed_unwaited(peer.synchronise)
            answer("timed", ms=clock(peer.step, float(argument)))
        elif command == "memory":
            used = peak() - level if device == "cpu" else peer.memory()
            answer("memory", mb=used / 1e6)


def timed(step, seconds):
    taken, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < 3:
        begin = time.perf_counter()
        step()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1e3


def timed_unwaited(synchronise):
    """`timed` for a GPU: the median over groups of 20 steps, or as many as fit five times."""

    def clock(step, seconds):
        def steps(n):
            for _ in range(n):
                step()
            synchronise()

        synchronise()
        begin = time.perf_counter()
        steps(1)
        n = max(1, min(20, int(seconds / 5 / (time.perf_counter() - begin))))
        return timed(lambda: steps(n), seconds) / n

    return clock


def answer(what, **values):
    print(json.dumps({"did": what, **values}), flush=True)


def version(framework):
    return importlib.import_module(framework).__version__


def resident():
    return _status("VmRSS")


def peak():
    return _status("VmHWM")


def _status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def reset_peak():
    with suppress(OSError):  # not Linux, or not allowed: the peak then includes the import's
        Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
