"""One framework in a process of its own, told what to do by train_step.py over its stdin.

numbers FILE    one step from the first weights; losses and gradients go to FILE (.npz)
warm N          N steps
time SECONDS    steps for about so long -> the median milliseconds of a step
memory          -> peak megabytes above the level after import
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
    framework, variant, step, batch = sys.argv[1:]
    module = importlib.import_module(f"peer_{framework}")
    weights, given = first_weights(step), inputs(step, int(batch))
    level = resident()
    reset_peak()
    peer = module.Peer(step, variant, weights, given)
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
            answer("warm")
        elif command == "time":
            answer("timed", ms=timed(peer.step, float(argument)))
        elif command == "memory":
            answer("memory", mb=(peak() - level) / 1e6)


def timed(step, seconds):
    taken, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken) < 3:
        begin = time.perf_counter()
        step()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken) * 1e3


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
