"""Floor 5: what a training run needs besides the model.

training    the part of an example that is the same in all
options     the flags that every example has, and errors in one line
run         the run folder: config.json, metrics.csv, samples/, curves.png, checkpoint.safetensors
checkpoint  everything that the next step depends on, in one file
series      several runs by one command, to compare them
loop        epochs and batches, the progress bar, Ctrl-C
"""

from ..errors import UsageError
from .loop import Interrupted, TrainingError, fit
from .options import Options, Parser, argument, parser, report_errors
from .run import Run
from .series import Series
from .training import Training, load_model, prepare

__all__ = [
    "Interrupted",
    "Options",
    "Parser",
    "Run",
    "Series",
    "Training",
    "TrainingError",
    "UsageError",
    "argument",
    "fit",
    "load_model",
    "parser",
    "prepare",
    "report_errors",
]
