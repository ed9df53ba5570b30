"""The training loop: epochs, batches, the progress bar, metrics, checkpoints and Ctrl-C."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core import Tensor
from ..errors import UsageError
from .checkpoint import Part, Position, load_checkpoint, save_checkpoint
from .run import Run

LOG_EVERY = 20  # steps between rows of metrics.csv: reading numbers back would stall a GPU

Step = Callable[[np.ndarray[Any, Any], np.random.Generator], Mapping[str, Tensor]]


class Interrupted(Exception):
    """Training was asked to stop; its state is saved. `--out folder --resume` goes on."""

    def __init__(self, run: Run, at: Position):
        super().__init__(f"stopped in epoch {at.epoch + 1}, after step {at.step}")
        self.folder = run.folder


class TrainingError(UsageError):
    """Training cannot start, or cannot go on: a loss is no longer a number."""


def fit(
    run: Run,
    parts: Mapping[str, Part],
    step: Step,
    count: int,
    rng: np.random.Generator,
    *,
    epochs: int,
    batch: int,
    each_epoch: Callable[[int], None] = lambda epoch: None,
    seconds: float = math.inf,
) -> None:
    """Calls step(chosen, rng) for every batch of every epoch; goes on from the run's checkpoint.

    parts       networks and optimisers by name, which the checkpoint holds
    step        trains on the examples whose indices are chosen, (batch,); returns named scalars,
                written to metrics.csv every LOG_EVERY steps (or each epoch)
    count       of all examples; each epoch takes them in a new order, whole batches only
    each_epoch  called with the number of the epoch just finished, after its checkpoint; on going
                on from one at an epoch's end, once more for that epoch
    seconds     of training, over all resumes, after which to save and return, if the epochs have
                not ended before; called with more of them, it goes on there
    Ctrl-C ends the step under way, saves, and raises Interrupted; a second one stops at once.
    """
    per_epoch = count // batch
    if per_epoch < 1:
        raise TrainingError(f"wanted a batch of at most {count} examples, got {batch}")
    every = min(LOG_EVERY, per_epoch)
    saved = run.checkpoint.exists()
    at = load_checkpoint(run.checkpoint, parts, rng) if saved else Position()
    run.cut_metrics(at.step)
    if saved and at.epoch and not at.batch:  # what a kill right after the checkpoint left undrawn
        each_epoch(at.epoch)
    started = time.perf_counter() - at.seconds
    with (
        _bar(epochs * per_epoch, at, seconds) as bar,
        _stop_on_interrupt() as stopped,
        np.errstate(all="ignore"),  # overflow shows as a number that is not finite: see _values
    ):
        while at.epoch < epochs and at.seconds < seconds:
            if at.batch == 0:
                at.order = rng.permutation(count)
            bar.set_description(f"epoch {at.epoch + 1}/{epochs}")
            while at.batch < per_epoch:
                chosen = at.order[at.batch * batch : (at.batch + 1) * batch]
                numbers = step(chosen, rng)
                at.batch, at.step = at.batch + 1, at.step + 1
                at.seconds = time.perf_counter() - started
                if at.step % every == 0:
                    bar.set_postfix(_log(run, at, numbers), refresh=False)
                bar.update(1 if bar.unit == "step" else min(at.seconds, seconds) - bar.n)
                over = at.seconds >= seconds
                if stopped.is_set() or over or at.batch == per_epoch:
                    _values(run, at, numbers)  # a diverged state does not replace a good one
                if stopped.is_set() or over:
                    save_checkpoint(run.checkpoint, parts, rng, at)
                if stopped.is_set():
                    raise Interrupted(run, at)
                if over:
                    return
            at.epoch, at.batch = at.epoch + 1, 0
            save_checkpoint(run.checkpoint, parts, rng, at)
            each_epoch(at.epoch)


def _log(run: Run, at: Position, numbers: Mapping[str, Tensor]) -> dict[str, str]:
    """Writes a row; returns the numbers as the bar shows them."""
    values = _values(run, at, numbers)
    where = {"step": at.step, "epoch": at.epoch + 1, "seconds": round(at.seconds, 3)}
    run.log(where | values)
    return {name: f"{value:.3f}" for name, value in values.items()}


def _values(run: Run, at: Position, numbers: Mapping[str, Tensor]) -> dict[str, float]:
    """The numbers of a step, on the host. Raises TrainingError if one is not finite."""
    values = {name: t.item() for name, t in numbers.items()}
    for name, value in values.items():
        if not math.isfinite(value):
            kept = f" {run.checkpoint} is as it was." if run.checkpoint.exists() else ""
            raise TrainingError(
                f"{name} is {value} at step {at.step}: training has diverged.{kept} "
                "A smaller learning rate usually helps"
            )
    return values


def _bar(steps: int, at: Position, seconds: float) -> Any:
    """Counts steps, or seconds if there are only so many."""
    from tqdm.auto import tqdm

    if math.isinf(seconds):
        return tqdm(total=steps, initial=at.step, unit="step", dynamic_ncols=True)
    shown = "{l_bar}{bar}| {n:.0f}/{total:.0f} s{postfix}"
    done = min(at.seconds, seconds)
    return tqdm(total=seconds, initial=done, unit="s", dynamic_ncols=True, bar_format=shown)


@contextmanager
def _stop_on_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C (or a polite kill) sets; the second has its usual effect."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped  # only the main thread may handle signals
        return
    before = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, frame: Any) -> None:
        stopped.set()
        for s, handler in before.items():
            signal.signal(s, handler)

    for s in before:
        signal.signal(s, on_signal)
    try:
        yield stopped
    finally:
        for s, handler in before.items():
            signal.signal(s, handler)
