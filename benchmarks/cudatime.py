"""Time on the GPU: events around the work, an emptied cache, and what machine it was.

Over the tests' stand-in for CuPy, which has no events, the host's clock counts; such times say
nothing about a GPU.
"""

import statistics
import time

from tinygen import DeviceError, device

FLUSH = 256 * 2**20  # bytes: five times an H100's L2


def cupy():
    """The module, or None, once a line has said what is missing and how to get it."""
    try:
        return device.cupy()
    except DeviceError as error:
        print(f"nothing measured: {error}; then run this on a machine with an NVIDIA GPU")
        return None


def real(cp):
    """Whether there is a GPU, and not the stand-in for one."""
    return hasattr(cp.cuda, "Event")


def synchronise(cp):
    """Waits until the GPU has done everything so far."""
    if real(cp):
        cp.cuda.get_current_stream().synchronize()


class Stopwatch:
    """`with Stopwatch(cp) as watch:` … then watch.ms() on the device."""

    def __init__(self, cp):
        self.cp = cp

    def __enter__(self):
        self.begin = self.mark()
        return self

    def __exit__(self, *_):
        self.end = self.mark()

    def mark(self):
        if not real(self.cp):
            return time.perf_counter()
        event = self.cp.cuda.Event()
        event.record()
        return event

    def ms(self):
        if not real(self.cp):
            return (self.end - self.begin) * 1e3
        self.end.synchronize()
        return self.cp.cuda.get_elapsed_time(self.begin, self.end)


class Cold:
    """Median times of calls that find nothing of theirs in the L2 cache.

    A buffer larger than L2 is written before each call, several times over: it also keeps the GPU
    busy while Python prepares the call, so that the events see the GPU's work and not Python's.
    """

    def __init__(self, cp, nbytes=FLUSH, times=4):
        self.cp, self.times = cp, times
        self.buffer = cp.zeros(nbytes // 4, "float32")

    def ms(self, f, repeats=15):
        """The median of `repeats` calls, after three."""
        for _ in range(3):
            f()
        taken = []
        for _ in range(repeats):
            for i in range(self.times):
                self.buffer[...] = i
            with Stopwatch(self.cp) as watch:
                f()
            taken.append(watch.ms())
        return statistics.median(taken)


def steps_ms(cp, step, seconds=0.3, rounds=5):
    """The median over rounds of a step's milliseconds, steps following each other unwaited."""
    synchronise(cp)
    begin = time.perf_counter()
    step()
    synchronise(cp)
    n = max(1, min(200, int(seconds / (time.perf_counter() - begin))))
    taken = []
    for _ in range(rounds):
        synchronise(cp)
        with Stopwatch(cp) as watch:
            for _ in range(n):
                step()
        taken.append(watch.ms() / n)
    return statistics.median(taken)


def describe(cp):
    """The GPU and the versions, for JSON."""
    if not real(cp):
        return {"gpu": "none: the tests' stand-in, on the host", "cupy": "stand-in"}
    runtime = cp.cuda.runtime
    found = runtime.getDeviceProperties(0)
    return {
        "gpu": found["name"].decode(),
        "gpu_memory_gb": round(found["totalGlobalMem"] / 1e9, 1),
        "sms": found["multiProcessorCount"],
        "l2_mb": round(found["l2CacheSize"] / 2**20, 1),
        "cupy": cp.__version__,
        "cuda": runtime.runtimeGetVersion(),
        "driver": runtime.driverGetVersion(),
    }
