"""Floor 5: what a training run needs besides the model.

options     the flags that every example has, and errors in one line
run         the run folder: config.json, metrics.csv, samples/, curves.png, checkpoint.safetensors
checkpoint  everything that the next step depends on, in one file
loop        epochs and batches, the progress bar, Ctrl-C
"""

from ..errors import UsageError
from .loop import Interrupted, TrainingError, fit
from .options import (
    Options,
    Parser,
    fraction,
    natural,
    parse,
    parser,
    positive,
    positive_float,
    report_errors,
    start,
)
from .run import Run

__all__ = [
    "Interrupted",
    "Options",
    "Parser",
    "Run",
    "TrainingError",
    "UsageError",
    "fit",
    "fraction",
    "natural",
    "parse",
    "parser",
    "positive",
    "positive_float",
    "report_errors",
    "start",
]
